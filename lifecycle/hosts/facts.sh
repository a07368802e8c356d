# Reads what a host is and has, and changes nothing. POSIX shell: Python may not be there, which is a fact as well.
# Prints one `name=value` per line; a name may come again.
LC_ALL=C; export LC_ALL
PATH=$PATH:/usr/sbin:/sbin:/usr/local/sbin
say() { [ -z "$2" ] || printf '%s=%s\n' "$1" "$2"; }
has() { command -v "$1" >/dev/null 2>&1; }
each() { while IFS= read -r line; do say "$1" "$line"; done; }
bounded() { if has timeout; then timeout 20 "$@"; else "$@"; fi; }

say clock "$(date +%s)"
say uid "$(id -u)"
if has sudo && sudo -n true 2>/dev/null; then say sudo yes; fi
for field in ID VERSION_ID PRETTY_NAME; do
    say "os_$field" "$(sed -n "s/^$field=//p" /etc/os-release 2>/dev/null | tr -d '"')"
done
say kernel "$(uname -r)"
say machine "$(uname -m)"
if has systemctl; then
    say systemd "$(systemctl --version | sed -n '1s/^systemd \([0-9]*\).*/\1/p')"
    say state "$(systemctl is-system-running 2>/dev/null)"
fi
say cgroup "$(stat -f -c %T /sys/fs/cgroup 2>/dev/null)"
if has systemd-detect-virt; then say virtualization "$(systemd-detect-virt 2>/dev/null)"; fi
say python "$(python3 -c 'import platform; print(platform.python_version())' 2>/dev/null)"

say cpus "$(getconf _NPROCESSORS_ONLN)"
say memory_kib "$(sed -n 's/^MemTotal: *\([0-9]*\) kB/\1/p' /proc/meminfo)"
say memory_free_kib "$(sed -n 's/^MemAvailable: *\([0-9]*\) kB/\1/p' /proc/meminfo)"
say numa_nodes "$(find /sys/devices/system/node -maxdepth 1 -name 'node[0-9]*' 2>/dev/null | wc -l)"
df -PkT -x tmpfs -x devtmpfs -x squashfs 2>/dev/null | sed -n '2,$p' |
    while read -r device type total used free percent mount; do
        case $device in none | udev | cgroup*) continue ;; esac
        options=$(sed -n "s|^[^ ]* $mount [^ ]* \([^ ]*\) .*|\1|p" /proc/mounts | tail -n 1)
        say disk "$type $total $free ${options%%,*} $mount"
    done

if has ip; then
    ip -o address show scope global 2>/dev/null | sed 's/^[0-9]*: \([^ ]*\) *inet6* \([^ /]*\).*/\2 \1/' | each address
fi
# Loaded, built in, or there to be loaded.
modules=/lib/modules/$(uname -r)
if [ -d /sys/module/nf_tables ] || grep -qs '/nf_tables\.ko' "$modules/modules.builtin" "$modules/modules.dep"; then
    say nftables yes
elif [ -d "$modules" ]; then
    say nftables no
fi
if has ss; then
    ss -Hltn | each tcp
    ss -Hlun | each udp
    say listening known
fi
if has timedatectl; then
    say synchronised "$(bounded timedatectl show --property=NTPSynchronized --value 2>/dev/null)"
fi
for unit in chrony chronyd systemd-timesyncd ntpsec; do
    if has systemctl && systemctl is-active --quiet "$unit" 2>/dev/null; then say time_service "$unit"; break; fi
done

if has nvidia-smi; then
    query=index,name,memory.total,driver_version,clocks.current.sm,clocks.max.sm,persistence_mode,pci.bus_id
    if answer=$(bounded nvidia-smi --query-gpu=$query --format=csv,noheader,nounits 2>&1); then
        printf '%s\n' "$answer" | each gpu
        say nvlinks "$(bounded nvidia-smi nvlink --status --id=0 2>/dev/null | grep -c 'GB/s')"
    else
        say gpu_error "$(printf '%s' "$answer" | tr '\n' ' ')"
    fi
fi
say driver_loaded "$(sed -n '1s/.*  \([0-9][0-9.]*\)  .*/\1/p' /proc/driver/nvidia/version 2>/dev/null)"
say nvswitches "$(find /proc/driver/nvidia-nvswitch/devices -mindepth 1 -maxdepth 1 2>/dev/null | wc -l)"
say nvidia_pci "$(cat /sys/bus/pci/devices/*/vendor 2>/dev/null | grep -c '^0x10de$')"
if has nv-fabricmanager; then
    say fabric_manager "$(nv-fabricmanager --version 2>/dev/null | sed -n 's/.* \([0-9][0-9.]*\)$/\1/p' | head -n 1)"
    say fabric_manager_state "$(systemctl is-active nvidia-fabricmanager 2>/dev/null)"
fi
for port in /sys/class/infiniband/*/ports/*; do
    [ -r "$port/state" ] || continue
    device=${port#/sys/class/infiniband/}
    say rdma "${device%%/*} $(sed 's/.*: //' "$port/state") $(cut -d' ' -f1 "$port/rate")"
done
say end yes
