# Asks every program that knows something of the GPUs, and prints one line each: name, exit code, SHA-256 and base64 of
# what it said. Changes nothing. From the environment: EXPECTED (hash of what they are held against), ACCEPTED (state for
# which they were measured under load before), AGAIN (`yes`: measure in any case), FABRIC (`efa`, `infiniband` or empty),
# SIZE (of the all-reduce's message) and LIMIT (seconds that a program under load may take).
LC_ALL=C; export LC_ALL
PATH=$PATH:/usr/sbin:/sbin:/usr/local/sbin:/opt/amazon/efa/bin:/opt/cloister/current/programs/nccl-tests
has() { command -v "$1" >/dev/null 2>&1; }
folder=$(mktemp -d) || exit 1
trap 'rm -rf "$folder"' EXIT

tell() { # name, exit code; the text is in $folder/said
    printf '%s %s %s %s\n' "$1" "$2" "$(sha256sum <"$folder/said" | cut -c1-64)" "$(base64 -w0 <"$folder/said")"
}
ask() { # name, seconds, program and its words
    name=$1 seconds=$2
    shift 2
    if has "$1"; then
        timeout --kill-after=5 "$seconds" "$@" >"$folder/said" 2>&1 </dev/null
        tell "$name" $?
    else
        : >"$folder/said"
        tell "$name" 127
    fi
}

date -u +%Y-%m-%dT%H:%M:%SZ >"$folder/said"
tell at 0
state=$({ timeout 60 nvidia-smi --query-gpu=driver_version,uuid --format=csv,noheader 2>&1 | sort; echo "$EXPECTED"; } |
    sha256sum | cut -c1-64)
printf '%s\n' "$state" >"$folder/said"
tell state 0

ask smi 120 nvidia-smi -q -x
ask topo 60 nvidia-smi topo -m
sed -n '1s/.*  \([0-9][0-9.]*\)  .*/\1/p' /proc/driver/nvidia/version >"$folder/said" 2>/dev/null
tell driver 0
if has nv-fabricmanager; then
    version=$(timeout 20 nv-fabricmanager --version 2>/dev/null | sed -n 's/.* \([0-9][0-9.]*\)$/\1/p' | head -n 1)
    printf '%s %s\n' "${version:-unknown}" "$(systemctl is-active nvidia-fabricmanager 2>/dev/null)" >"$folder/said"
    tell fabric 0
fi
if has journalctl; then
    journalctl --dmesg --boot --output=short-iso --no-pager >"$folder/kernel" 2>/dev/null
else
    dmesg >"$folder/kernel" 2>/dev/null
fi
code=$?
grep -E 'NVRM|nvidia|NVSwitch' "$folder/kernel" >"$folder/said"
[ $code -eq 0 ] || code=127
tell kernel $code
if [ -n "$FABRIC" ]; then
    for port in /sys/class/infiniband/*/ports/*; do
        [ -r "$port/state" ] || continue
        device=${port#/sys/class/infiniband/}
        echo "${device%%/*} $(sed 's/.*: //' "$port/state") $(cut -d' ' -f1 "$port/rate")"
    done >"$folder/said"
    tell ports 0
    if [ "$FABRIC" = efa ]; then ask provider 60 fi_info -p efa -t FI_EP_RDM; else ask provider 60 ibstat; fi
fi

[ "$AGAIN" = yes ] || [ "$ACCEPTED" != "$state" ] || { : >"$folder/said"; tell end 0; exit 0; }
timeout 60 nvidia-smi --query-compute-apps=pid,process_name --format=csv,noheader >"$folder/said" 2>/dev/null
if [ -s "$folder/said" ]; then
    tell busy 0
else
    ask diagnosis "$LIMIT" dcgmi diag -r 2 -j
    count=$(timeout 60 nvidia-smi --query-gpu=uuid --format=csv,noheader 2>/dev/null | grep -c '^GPU-')
    [ "$count" -lt 2 ] || ask all_reduce "$LIMIT" all_reduce_perf -b "$SIZE" -e "$SIZE" -g "$count"
    ask smi_after 120 nvidia-smi -q -x
fi
: >"$folder/said"
tell end 0
