# Sourced by bench/run: the benches that load a server, beside a peer where there is one.
# shellcheck shell=bash
#
# A round is ours and then the peer, the next one the other way round. Both servers stay up on core
# 0 meanwhile; the one that is not asked sleeps. The generator is alone on the last core. What is
# compared is processor time for the same work, so each round's counts stand beside it.

# rounds: how many, from ROUNDS, seven without.
rounds() { if [ "$smoke" = 1 ]; then echo 1; else echo "${ROUNDS:-7}"; fi; }
# seconds: of one measurement.
seconds() { if [ "$smoke" = 1 ]; then echo 1; else echo "${SECS:-$1}"; fi; }

# side NAME COMMAND...: one measurement, a line in $work/NAME.json; says what fails.
side() {
    local name=$1
    shift
    "$@" >"$work/line" || { echo "bench: a round of $name failed" >&2; return 1; }
    cat "$work/line" >>"$work/$name.json"
    cp "$work/line" "$work/last.$name"
}

# alternate OURS PEER: rounds of two functions, each called with the number of the round; without a
# PEER, ours alone.
alternate() {
    local round
    rm -f "$work/ours.json" "$work/peer.json"
    for round in $(seq "$(rounds)"); do
        if [ -z "${2:-}" ]; then
            side ours "$1" "$round" || return 1
        elif [ $((round % 2)) = 1 ]; then
            side ours "$1" "$round" && side peer "$2" "$round" || return 1
        else
            side peer "$2" "$round" && side ours "$1" "$round" || return 1
        fi
        echo "round $round of $(rounds) done" >&2
    done
}

# told FILE POINTER: a number out of a line of the generator.
told() { "$built/strowger-bench-load" field --file "$1" --at "$2"; }

# expect NAME POINTER VALUE...: in the last line of this side; else the bench fails.
expect() {
    local side=$1 got
    shift
    while [ $# -gt 0 ]; do
        got=$(told "$work/last.$side" "$1") || return 1
        [ "$got" = "$2" ] || {
            echo "bench: $1 of $side is $got, not $2: $(cat "$work/last.$side")" >&2
            return 1
        }
        shift 2
    done
}

# summary NAME METRIC BAR SHOW [PEER]: the last line.
summary() {
    local words=(--bench "$1" --metric "$2" --ours "$work/ours.json" --show "$4")
    [ -z "$3" ] || words+=(--bar "$3")
    [ -z "${5:-}" ] || [ ! -e "$work/peer.json" ] || words+=(--peer "$work/peer.json" --peer-name "$5")
    "$built/strowger-bench-load" summary "${words[@]}"
}

# need_product: everything that a bench of the whole product starts.
need_product() {
    need_packages curl sqlite3 >&2
    build strowger-bench-load
    build strowger-switchd strowger-controld strowger-cli
    # shellcheck source=bench/place.sh
    . "$here/bench/place.sh"
    # shellcheck source=bench/server.sh
    . "$here/bench/server.sh"
    # shellcheck source=bench/peer/rtpengine.sh
    . "$here/bench/peer/rtpengine.sh"
    # shellcheck source=bench/peer/kamailio.sh
    . "$here/bench/peer/kamailio.sh"
    place_net
}

# skip WHAT: loudly.
skip() { echo "SKIPPED: $1 cannot be installed, its side was not measured" >&2; }

# Ours through a call's SDP, the peer's by ng: CALLS calls, two flows each.
# relay NAME CALLS BAR OFFER...
relay() {
    local name=$1 calls=$2 bar=$3 peer='' seconds
    shift 3
    local offer=("$@")
    need_product
    ulimit -n "$(ulimit -Hn)"
    seconds=$(seconds 5)
    server_start "$work/server" "$((calls + 96))" 10
    if [ "$smoke" = 0 ]; then
        if rtpengine_here; then
            place_group rtpengine
            rtpengine_start "$work/rtpengine"
            rtpengine_cpu=$(place_cpu "$rtpengine_pid")
            peer=relay_peer
        else
            skip rtpengine-daemon
        fi
    fi
    relay_words=(--standing "$calls" "${offer[@]}" --warm 1 --secs "$seconds"
        --near-audio "$net.2:7000" --far-audio "$net.4:7000")
    alternate relay_ours "$peer"
    if [ "$smoke" = 1 ]; then
        expect ours media/lost 0 media/corrupt 0 media/misdirected 0 media/again 0
    fi
    server_stop "$work/server"
    summary "$name" server/ns_per_packet "$bar" "packets_per_s,media/sent,media/received,media/lost,\
media/corrupt,media/delay_ms/p50,media/delay_ms/p99,server/core,generator/idle,stolen" "rtpengine 10.5"
    place_end
}
relay_ours() {
    generator media --server "$server" --near "$net.2:5060,$net.3:5060" --far "$net.4:5060" \
        --cpu "$server_cpu" "${relay_words[@]}"
}
relay_peer() {
    generator media --ng "$rtpengine_ng" --run "$((RANDOM * 32768 + RANDOM))" \
        --cpu "$rtpengine_cpu" "${relay_words[@]}"
}

# 4,000 flows at saturation: less than one packet of a flow under way on average.
measure_relay-4000() {
    if [ "$smoke" = 1 ]; then
        relay relay-4000 100 0.60 --packet-window 200
    else
        relay relay-4000 2000 0.60 --packet-window 1000
    fi
}
# 100 flows at saturation: ten packets of each, a fifth of what rtpengine stands.
measure_relay-100() { relay relay-100 50 0.75 --packet-window 1000; }
# 1,000 flows at 50 a second each.
measure_relay-paced() {
    if [ "$smoke" = 1 ]; then
        relay relay-paced 20 0.70 --packet-rate 2000
    else
        relay relay-paced 500 0.70 --packet-rate 50000
    fi
}
