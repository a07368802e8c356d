# Says in lines what of the host the role `base` decides by. PACKAGES: those that it wants; SERVICE: keeps the clock.
. /etc/os-release
echo "system $ID $VERSION_ID"
dpkg-query --show --showformat='${db:Status-Status} ${Package}\n' $PACKAGES 2>/dev/null
if [ -e /proc/sys/net/ipv6 ]; then echo ipv6; fi
if systemctl --quiet is-enabled "$SERVICE" 2>/dev/null && systemctl --quiet is-active "$SERVICE"; then echo clock; fi
