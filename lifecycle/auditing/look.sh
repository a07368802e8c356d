# Tells files as they lie on a host, and changes nothing. Each line: what, its name, its content in Base64; "end" last.
# Arguments: unit names, then "--", then paths of files, then "--", then folders of which every file is told.
set -u

tell() { printf '%s %s %s\n' "$1" "$2" "$(base64 | tr -d '\n')"; }

while [ "$1" != -- ]; do
    # With every drop-in, in the order in which systemd reads them.
    if text=$(systemctl cat --no-pager -- "$1" 2>/dev/null); then printf '%s\n' "$text" | tell unit "$1"; else echo "missing $1"; fi
    shift
done
shift
while [ "$1" != -- ]; do
    if [ -r "$1" ]; then tell file "$1" < "$1"; else echo "missing $1"; fi
    shift
done
shift
for folder in "$@"; do
    find "$folder" -type f -exec printf 'there %s\n' {} + 2>/dev/null
done
if text=$(nft list table inet cloister 2>&1); then printf '%s\n' "$text" | tell firewall now; else echo "missing nftables"; fi
if text=$(sshd -T 2>/dev/null || /usr/sbin/sshd -T 2>/dev/null); then printf '%s\n' "$text" | tell sshd now; else echo "missing sshd"; fi
if bundle=$(readlink /opt/cloister/current 2>/dev/null); then echo "bundle ${bundle##*/}"; fi
echo end
