# Says in lines whether nftables is installed, whether our table is in force, and whether our service runs.
dpkg-query --show --showformat='${db:Status-Status}\n' nftables 2>/dev/null
if nft list table inet cloister >/dev/null 2>&1; then echo in force; fi
if systemctl --quiet is-active cloister-firewall.service; then echo runs; fi
