# Reads what a host has of NVIDIA's software, and changes nothing. One `name=value` per line; `file`, `kernel` and
# `package` come again. PACKAGES is the folder of the bundle's packages for this release.
LC_ALL=C; export LC_ALL
PATH=$PATH:/usr/sbin:/sbin:/usr/local/sbin
has() { command -v "$1" >/dev/null 2>&1; }
say() { printf '%s=%s\n' "$1" "$2"; }
first() { head -n 1 | tr -d '\n'; }

say driver "$(sed -n '1s/.*  \([0-9][0-9.]*\)  .*/\1/p' /proc/driver/nvidia/version 2>/dev/null)"
library=
if has nvidia-smi; then
    library=$(timeout 60 nvidia-smi --query-gpu=driver_version --format=csv,noheader 2>/dev/null | grep -E '^[0-9.]+$' | first)
fi
say library "$library"
manager=
if has nv-fabricmanager; then
    manager=$(timeout 20 nv-fabricmanager --version 2>/dev/null | sed -n 's/.* \([0-9][0-9.]*\)$/\1/p' | first)
fi
say fabric_manager "$manager"
say fabric_manager_state "$(systemctl is-active nvidia-fabricmanager 2>/dev/null | first)"
toolkit=
if has nvidia-ctk; then toolkit=$(nvidia-ctk --version 2>/dev/null | grep -oE '[0-9]+\.[0-9.]+' | first); fi
say container_toolkit "$toolkit"
if grep -q '^nouveau ' /proc/modules 2>/dev/null; then say nouveau true; else say nouveau false; fi

# Class 0x03: display controllers, which GPUs are; 0x0680: bridges, which NVSwitches are.
gpus=0 switches=0
for device in "${PCI:-/sys/bus/pci/devices}"/*; do
    [ "$(cat "$device/vendor" 2>/dev/null)" = 0x10de ] || continue
    case $(cat "$device/class" 2>/dev/null) in
    0x03*) gpus=$((gpus + 1)) ;;
    0x0680*) switches=$((switches + 1)) ;;
    esac
done
say gpus $gpus
say nvswitches $switches
for file in "$PACKAGES"/*.deb; do
    if [ -e "$file" ]; then say file "${file##*/}"; fi
done
# The second letter is the state: `hi` is installed as well, and held already.
dpkg-query --show --showformat='${db:Status-Abbrev} ${Package}\n' 2>/dev/null |
    while read -r state package; do
        case $state:$package in
        ?i:linux-image-*) say kernel "$package" ;;
        ?i:nvidia-* | ?i:libnvidia-* | ?i:cuda-drivers*) say package "$package" ;;
        esac
    done
exit 0
