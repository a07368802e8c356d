# Keeps what a host was like before its first change, and what changed in the time of our own work.
# $1: open (keep the state before, begin to watch), note (write down what changed since), show, before, touched, forget.
# $2: the stack that the host is to belong to, with `open`.
set -u
export LC_ALL=C
kept=/var/backups/cloister

accounts() {
    getent passwd | while IFS=: read -r name _ uid gid _ home shell; do echo "user $name $uid $gid $home $shell"; done
    getent group | while IFS=: read -r name _ gid _; do echo "group $name $gid"; done
}

packages() {
    dpkg-query --show --showformat='${db:Status-Abbrev}package ${Package} ${Version}\n' | sed -n 's/^ii *//p'
}

units() {
    systemctl list-unit-files --no-legend --no-pager --plain 2>/dev/null |
        while read -r name state _; do [ "$state" = transient ] || echo "unit $name $state"; done
}

configuration() {
    find /etc -xdev -type f -print0 | xargs -0 -r sha256sum | sed -n 's/^\([0-9a-f]\{64\}\)  /file \1 /p'
    find /etc -xdev -type l -printf 'link %l %p\n'
    find /etc -xdev -mindepth 1 -type d -printf 'folder %p\n'
}

places() {
    for folder in /opt /srv /usr/local /usr/local/bin /usr/local/lib /usr/local/sbin /var/backups /var/cache /var/lib \
        /var/log /var/spool /root /home/*; do
        if [ -d "$folder" ]; then find "$folder" -mindepth 1 -maxdepth 1 -printf 'place %p\n'; fi
    done | grep -v "^place $kept\(\.new\)\?$"
}

images() {
    # Where Podman was never used, asking it would make its storage.
    if [ -d /var/lib/containers/storage ] && command -v podman >/dev/null; then
        podman images --noheading --format '{{.Tag}} image {{.Repository}}:{{.Tag}} {{.Digest}}' 2>/dev/null |
            sed -n 's/^cloister-[0-9a-f]* //p'
    fi
}

everything() {
    { accounts; packages; units; configuration; places; images; } | sort -u
    # What cannot be told from what runs by itself: the kernel's settings, all of them, and the firewall's tables.
    sysctl --all 2>/dev/null | sed -n 's/^\([^ ]*\) = /sysctl \1 /p'
    nft list tables 2>/dev/null | sed 's/^/nft /'
    # The kernel's settings that are ours now.
    cat /etc/sysctl.d/*cloister*.conf 2>/dev/null | sed -n 's/^ *\([a-z][^ =]*\) *=.*/ours \1/p' | sort -u
}

watched() {
    sed '/^nft /d; /^sysctl /d'
}

note() {
    [ -e "$kept/window" ] || return 0
    everything | watched | sort >"$kept/now"
    comm -13 "$kept/window" "$kept/now" | sed 's/^/+ /' >>"$kept/touched"
    comm -23 "$kept/window" "$kept/now" | sed 's/^/- /' >>"$kept/touched"
    rm "$kept/window" "$kept/now"
}

set -e
umask 077
case $1 in
open)
    if [ ! -d "$kept" ]; then
        rm -rf "$kept.new"
        mkdir -p "$kept.new"
        everything >"$kept.new/before"
        tar --create --gzip --one-file-system --file="$kept.new/etc.tar.gz" --directory=/ etc
        touch "$kept.new/touched"
        echo "$2" >"$kept.new/stack"
        sync
        mv "$kept.new" "$kept"
    fi
    [ "$(cat "$kept/stack")" = "$2" ] || { echo "belongs $(cat "$kept/stack")"; exit 3; }
    note
    everything | watched | sort >"$kept/window.new"
    mv "$kept/window.new" "$kept/window"
    ;;
note) note ;;
show) everything ;;
before) if [ -d "$kept" ]; then cat "$kept/before"; fi ;;
touched) if [ -d "$kept" ]; then cat "$kept/touched"; fi ;;
owner) if [ -d "$kept" ]; then cat "$kept/stack"; fi ;;
forget) rm -rf "$kept" "$kept.new" ;;
esac
echo end
