# Sourced by bench/run: rtpengine 10.5 in userspace, one worker thread, on core 0.
# shellcheck shell=bash
#
# Its kernel module cannot be loaded on every machine and is not used: table -1. What it relays is
# told by the ng protocol, by the generator or by Kamailio.

# rtpengine_here: whether it can be had; installs it when it is missing and may be.
rtpengine_here() {
    command -v rtpengine >/dev/null && return 0
    need_packages rtpengine-daemon >&2 || true
    command -v rtpengine >/dev/null
}

# rtpengine_start DIR: in the control group just made, or another one's; sets `rtpengine_ng` and
# `rtpengine_pid`. Its address is `net`.1's, so it does not run beside our server.
rtpengine_start() {
    mkdir -p "$1"
    rtpengine_ng=$net.11:2223
    place_run 0 rtpengine --foreground --log-stderr --log-level=3 --num-threads=1 --table=-1 \
        --interface="$net.11" --listen-ng="$rtpengine_ng" --port-min=16384 --port-max=40000 \
        --delete-delay=0 --timeout=3600 --silent-timeout=7200 --pidfile="$1/pid" >"$1/log" 2>&1
    # shellcheck disable=SC2034 # for the scripts that source this
    rtpengine_pid=$placed
    local hex
    hex=$(printf '%02X%02X%02X7F:%04X' 11 "${net##*.}" "$(echo "$net" | cut -d. -f2)" 2223)
    wait_for 10 "rtpengine's control port" "${server_in[@]}" grep -q "$hex" /proc/net/udp || {
        cat "$1/log" >&2
        return 1
    }
}
