# Sourced by bench/run: Kamailio 5.6 with kamailio.cfg, all of its processes on core 0.
# shellcheck shell=bash

# kamailio_here: whether it can be had; installs it when it is missing and may be.
kamailio_here() {
    command -v kamailio >/dev/null && return 0
    need_packages kamailio >&2 || true
    command -v kamailio >/dev/null
}

# kamailio_start DIR [DEFINE...]: in the control group just made; sets `kamailio`, `kamailio_pid`
# and `kamailio_cpu`. It runs beside our server, at `net`.10.
kamailio_start() {
    local dir=$1 define words=()
    shift
    for define in "$@"; do words+=(-A "$define"); done
    mkdir -p "$dir"
    # The one thing that the command line cannot define: text inside of a quoted value.
    sed "s/NG_HOST/$net.11/" "$here/bench/peer/kamailio.cfg" >"$dir/kamailio.cfg"
    kamailio=$net.10:5060
    # Transactions are kept for 5 s: 4,000 calls a second are some GB.
    place_run 0 kamailio -DD -E -m 2048 -M 64 -f "$dir/kamailio.cfg" -l "udp:$kamailio" \
        -Y "$dir" -w "$dir" "${words[@]}" >"$dir/log" 2>&1
    kamailio_pid=$placed
    kamailio_cpu=$(place_cpu "$kamailio_pid")
    local hex
    hex=$(printf '%02X%02X%02X7F:%04X' 10 "${net##*.}" "$(echo "$net" | cut -d. -f2)" 5060)
    wait_for 15 "Kamailio's port" grep -q "$hex" /proc/net/udp || {
        tail -20 "$dir/log" >&2
        return 1
    }
    sleep 1
}
