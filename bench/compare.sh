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

# expect NAME POINTER VALUE...: in the last line of this side; else the bench fails. A value
# @POINTER is that of another place, which must not be 0.
expect() {
    local side=$1 got want
    shift
    while [ $# -gt 0 ]; do
        got=$(told "$work/last.$side" "$1") || return 1
        want=$2
        case $want in @*) want=$(told "$work/last.$side" "${want#@}") && [ "$want" != 0 ] || want=some ;; esac
        [ "$got" = "$want" ] || {
            echo "bench: $1 of $side is $got, not $want: $(cat "$work/last.$side")" >&2
            return 1
        }
        shift 2
    done
}

# summary NAME METRIC BAR SHOW [PEER]: the last line; `must` says what holds in each round, `limit`
# is the most that our own figure may be.
summary() {
    local words=(--bench "$1" --metric "$2" --ours "$work/ours.json" --show "$4" --must "${must:-}")
    [ -z "$3" ] || words+=(--bar "$3")
    [ -z "${limit:-}" ] || words+=(--limit "$limit")
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
    [ -z "${relay_wire:-}" ] || place_wire
    server_start "$work/server" "$((calls + 96))" 10
    [ -z "${server_says:-}" ] || grep -q "$server_says" "$work/server/log" || {
        echo "SKIPPED: $name is not what this host lets the server do: $(cat "$work/server/log")" >&2
        server_stop "$work/server"
        place_end
        return 0
    }
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
    relay_words=(--standing "$calls" "${offer[@]}" --warm "${relay_warm:-1}" --secs "$seconds"
        --near-audio "$net.2:7000" --far-audio "$net.4:7000")
    alternate relay_ours "$peer"
    if [ "$smoke" = 1 ]; then
        expect ours media/lost 0 media/corrupt 0 media/misdirected 0 media/again 0
    fi
    server_stop "$work/server"
    must=media/lost=0,media/corrupt=0,media/misdirected=0,media/again=0
    summary "$name" server/ns_per_packet "$bar" "packets_per_s,media/sent,media/received,\
media/parts/0/delay_ms/p50,media/parts/0/delay_ms/p99,server/core,generator/idle,stolen" "rtpengine 10.5"
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
# The same by one socket for all ports; it takes root. Its range ends where the kernel's own begins,
# as the program of the kernel takes what comes there.
measure_relay-lookup() {
    local server_first=16384 server_last=32767 server_more='media.backend = "lookup"'
    if [ "$(id -u)" != 0 ]; then
        echo "SKIPPED: relay-lookup needs root, for a program of the kernel" >&2
        return 0
    fi
    if [ "$smoke" = 1 ]; then
        relay relay-lookup 100 0.40 --packet-window 200
    else
        relay relay-lookup 2000 0.40 --packet-window 1000
    fi
}
# The same by io_uring, with a socket for each port.
measure_relay-uring() {
    local server_more='media.backend = "uring"' server_says='go by io_uring'
    if [ "$smoke" = 1 ]; then
        relay relay-uring 100 0.60 --packet-window 200
    else
        relay relay-uring 2000 0.60 --packet-window 1000
    fi
}
# 1,000 flows at saturation, of calls one side of which is encrypted: each packet is opened or
# sealed.
measure_relay-srtp() {
    local server_first=16384 server_last=32767 server_more='media.backend = "auto"'
    if [ "$smoke" = 1 ]; then
        relay relay-srtp 50 0.60 --packet-window 100 --near-srtp
    else
        relay relay-srtp 500 0.60 --packet-window 500 --near-srtp
    fi
}
# The same between two hosts with a cable, our flows relayed by the kernel once they are calm; it
# takes root.
measure_relay-tc() {
    local server_first=16384 server_last=32767 server_more='media.backend = "tc"'
    local relay_wire=1 relay_warm=4
    if [ "$(id -u)" != 0 ]; then
        echo "SKIPPED: relay-tc needs root, for a program of the kernel and networks of its own" >&2
        return 0
    fi
    if [ "$smoke" = 1 ]; then
        relay relay-tc 50 0.14 --packet-window 100
    else
        relay relay-tc 2000 0.14 --packet-window 1000
    fi
}
# The same by a program in the driver, as of a card.
measure_relay-xdp() {
    local server_first=16384 server_last=32767 server_more='media.backend = "xdp"'
    local relay_wire=1 relay_warm=4 place_card=1 server_says='relayed by XDP'
    if [ "$(id -u)" != 0 ]; then
        echo "SKIPPED: relay-xdp needs root, for a program of the kernel and networks of its own" >&2
        return 0
    fi
    if [ "$smoke" = 1 ]; then
        relay relay-xdp 50 0.08 --packet-window 100
    else
        relay relay-xdp 2000 0.08 --packet-window 1000
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

# What 1,000 calls lose while one port of a call is flooded: nothing. Beside the same without.
measure_flood() {
    # Streams of other benches are faster than any party's.
    local calls=1000 seconds rate=50000 server_flow_max=2000
    flood_rate=100000
    need_product
    ulimit -n "$(ulimit -Hn)"
    seconds=$(seconds 6)
    [ "$smoke" = 0 ] || calls=20 rate=1000 flood_rate=5000
    server_start "$work/server" "$((calls + 96))" 10
    relay_words=(--standing "$calls" --packet-rate "$rate" --warm 1 --secs "$seconds"
        --near-audio "$net.2:7000" --far-audio "$net.4:7000")
    alternate flooded_ours relay_ours
    must=media/lost=0,media/corrupt=0
    [ "$smoke" = 0 ] || expect ours media/lost 0 media/corrupt 0
    server_stop "$work/server"
    summary flood media/parts/0/delay_ms/p99 10.00 "packets_per_s,flooded,media/sent,media/received,\
media/parts/0/delay_ms/p50,media/parts/0/delay_ms/p99,server/core,generator/idle,stolen" \
        "the same without a flood"
    place_end
}
flooded_ours() {
    relay_words+=(--flood "$flood_rate")
    local told=0
    relay_ours || told=$?
    unset 'relay_words[-1]' 'relay_words[-1]'
    return "$told"
}

# 20,000 relayed calls on two media addresses, by one socket for all ports: held for 20 s with as
# many packets as the machine carries (HOLD in the environment says what is offered: a rate, 2000000
# being 50 of each flow, or wN for N under way: 4,000 keep two cores busy, 20,000 at once are more than
# a socket holds), then with one packet of each flow a second. Nothing
# is lost, and every record is right. In a network of its own, whose ports are all kept for media.
measure_hold-20000() {
    local calls=20000 hold=${HOLD:-w4000} seconds=20 kept=10 sent
    if [ "$(id -u)" != 0 ] || ! unshare --net true 2>/dev/null; then
        echo "SKIPPED: hold-20000 needs root, for a program of the kernel in a network of its own" >&2
        return 0
    fi
    if [ -z "${BENCH_INSIDE:-}" ]; then
        need_packages curl sqlite3 iproute2 >&2
        build strowger-bench-load
        build strowger-switchd strowger-controld strowger-cli
        local words=(hold-20000)
        [ "$smoke" = 0 ] || words+=(--smoke)
        BENCH_INSIDE=1 PROGRAMS=$built unshare --net -- "$here/bench/run" "${words[@]}"
        return
    fi
    ip link set lo up
    echo 10000-59999 >/proc/sys/net/ipv4/ip_local_reserved_ports
    [ "$smoke" = 0 ] || calls=100 hold=w100 seconds=2 kept=2
    need_product
    ulimit -n "$(ulimit -Hn)"
    local server_first=10000 server_last=59999 server_more='media.backend = "lookup"'
    local server_addresses="\"$net.5\", \"$net.6\""
    server_start "$work/server" "$((calls + 96))" 10
    rm -f "$work/ours.json"
    side ours generator media --server "$server" --near "$net.2:5060,$net.3:5060" \
        --far "$net.4:5060" --cpu "$server_cpu" --standing "$calls" --patience 120 \
        --near-audio "$net.2:7000" --far-audio "$net.4:7000" \
        --packet-parts "held:$hold:$seconds,kept:$((2 * calls)):$kept"
    expect ours media/lost 0 media/corrupt 0 media/misdirected 0 media/again 0 \
        parts/0/answered "$calls" parts/0/ended "$calls" parts/0/far_ended "$calls" \
        media/all_received @media/all_sent
    sent=$(told "$work/last.ours" media/all_sent)
    wait_for 60 "the last record" hold_recorded "$calls"
    hold_records "$calls" "$((1000 * (seconds + kept)))" "$sent"
    server_stop "$work/server"
    "$built/strowger" books check --data "$work/server/data" --config "$work/server/strowger.toml" \
        >&2 || { echo "bench: the books are not right" >&2; return 1; }
    must=media/lost=0,media/corrupt=0
    summary hold-20000 server/ns_per_packet '' "packets_per_s,media/flows,media/parts/0/sent,\
media/parts/0/received,media/parts/0/delay_ms/p99,media/parts/1/sent,media/parts/1/received,\
media/parts/1/delay_ms/p99,media/all_sent,server/core,generator/idle,stolen"
    place_end
}
hold_recorded() { # CALLS
    [ "$(sqlite3 -readonly "$work/server/data/strowger.db" 'SELECT count(*) FROM cdrs')" = "$1" ]
}
# Each call has one record: answered, so long, paid, with every packet that was sent into it.
hold_records() { # CALLS TALK_MS PACKETS
    local right
    right=$(sqlite3 -readonly "$work/server/data/strowger.db" "SELECT count(*), count(DISTINCT ask),
        sum(answered_us IS NOT NULL AND talk_ms >= $2 AND caller_lost = 0 AND called_lost = 0
            AND caller_dropped = 0 AND called_dropped = 0),
        sum(caller_received + called_received), sum(caller_sent + called_sent) FROM cdrs")
    [ "$right" = "$1|$1|$1|$3|$3" ] || {
        echo "bench: of $1 calls with $3 packets the records say $right" >&2
        return 1
    }
}

# Calls of each side at shares of what the peer can do.
# calls_bench NAME BAR MEDIA: MEDIA is 1 with audio.
calls_bench() {
    local name=$1 bar=$2 media=$3 peer='' share seconds
    peer_name=''
    need_product
    ulimit -n "$(ulimit -Hn)"
    seconds=$(seconds 4)
    # Signalling only, as at the peer: descriptions pass, no port is opened.
    local server_rows=''
    [ "$media" = 1 ] || server_rows="INSERT INTO settings (category, name, value)
        VALUES ('media', 'path', 'direct');"
    server_start "$work/server" 8192 10
    if [ "$smoke" = 0 ] && peer_calls_start "$media"; then peer=calls_peer; fi
    calls_words=(--far "$net.4:5060" --near "$net.2:5060,$net.3:5060" --near-audio "$net.2:7000"
        --far-audio "$net.4:7000")
    calls_capacity "$peer" "$media" || return 1
    calls_must
    for share in 25 50 75; do
        [ "$smoke" = 0 ] || [ "$share" = 50 ] || continue
        calls_offer=(--rate $((capacity * share / 100)) --warm 1 --secs "$seconds")
        # Half a second of talk, two packets each way.
        [ "$media" = 0 ] || calls_offer+=(--packets 2 --hold-ms 500)
        alternate calls_ours "$peer"
        [ "$smoke" = 0 ] || expect ours parts/2/ended @parts/2/offered \
            parts/2/far_ended @parts/2/offered parts/2/silent 0
        [ "$smoke" = 0 ] || [ "$media" = 0 ] || expect ours media/lost 0 media/received @media/sent
        summary "$name-$share" server/ns_per_call "$bar" "calls_per_s,parts/2/offered,\
parts/2/answered,parts/2/ended,parts/2/again/invite,media/sent,media/received,\
parts/2/setup_ms/p50,parts/2/setup_ms/p99,server/core,generator/idle,stolen" "$peer_name"
    done
    server_stop "$work/server"
    place_end
}
calls_must() {
    must=parts/2/answered=parts/2/offered,parts/2/ended=parts/2/offered,parts/2/skipped=0
    must+=,parts/2/far_ended=parts/2/offered,media/lost=0,media/corrupt=0
}
# What the peer carries in closed loop, median of three; CAPACITY in the environment says it too.
calls_capacity() { # PEER MEDIA
    capacity=${CAPACITY:-}
    [ "$smoke" = 0 ] || capacity=100
    [ -z "$capacity" ] || return 0
    # As measured before, where there is no peer.
    capacity=3700
    [ -n "$1" ] || return 0
    # Its one worker waits for rtpengine at each offer and answer: a long queue only makes both ends
    # send again.
    local window=200
    [ "$2" = 0 ] || window=50
    calls_offer=(--window "$window" --hold-ms 0 --packets 0 --warm 2 --secs 4)
    rm -f "$work/peer.json"
    for _ in 1 2 3; do side peer calls_peer || return 1; done
    capacity=$("$built/strowger-bench-load" summary --bench capacity --metric calls_per_s \
        --ours "$work/peer.json" | sed -n 's/.*"ours":{"max":[0-9.]*,"median":\([0-9]*\).*/\1/p')
    echo "the peer carries $capacity calls a second" >&2
}
calls_ours() {
    generator calls --server "$server" --cpu "$server_cpu" --dial 44 "${calls_words[@]}" \
        "${calls_offer[@]}"
}
calls_peer() {
    generator calls --server "$kamailio" --cpu "$kamailio_cpu" --dial 2 --dial-users 1000 \
        "${calls_words[@]}" "${calls_offer[@]}"
}
# Kamailio with 1,000 users that are at the far end; with audio rtpengine in the same group.
peer_calls_start() { # MEDIA
    local defines=()
    peer_name='Kamailio 5.6'
    kamailio_here || { skip kamailio; return 1; }
    [ "$1" = 0 ] || rtpengine_here || { skip rtpengine-daemon; return 1; }
    place_group peer
    if [ "$1" = 1 ]; then
        peer_name='Kamailio 5.6 and rtpengine 10.5'
        rtpengine_start "$work/rtpengine"
        defines=(WITH_MEDIA)
    fi
    kamailio_start "$work/kamailio" "${defines[@]}"
    generator register --server "$kamailio" --near "$net.2:5060" --domain "$kamailio" \
        --contact "$net.4:5060" --users 1000 --register-first --warm 0 --secs 0 >"$work/line"
}
measure_calls() { calls_bench calls 0.60 0; }
measure_calls-media() { calls_bench calls-media 0.60 1; }

# Registrations of 10,000 users at half of what the peer can do, by both policies of nonces.
measure_register() {
    local peer='' users=10000 policy rate=${CAPACITY:-35000} seconds
    need_product
    seconds=$(seconds 4)
    [ "$smoke" = 0 ] || users=200 rate=400
    rate=$((rate / 2))
    server_start "$work/server" 256 "$users"
    register_words=(--near "$net.2:5060,$net.3:5060" --users "$users")
    if [ "$smoke" = 0 ]; then
        if kamailio_here; then
            peer=register_peer
            place_group peer
            # A nonce is good for one request at each count, as with us.
            kamailio_start "$work/kamailio" NONCE_COUNT=1
            register_capacity || return 1
        else
            skip kamailio
        fi
    fi
    must=registers/registered=registers/begun,registers/silent=0
    for policy in fresh reuse; do
        register_offer=(--rate "$rate" --nonces "$policy" --warm 1 --secs "$seconds")
        # Both know all users before.
        register_offer+=(--register-first)
        alternate register_ours "$peer"
        [ "$smoke" = 0 ] || expect ours registers/registered @registers/begun registers/silent 0
        summary "register-$policy" server/ns_per_register 0.80 "registers_per_s,registers/begun,\
registers/registered,registers/challenged,registers/again,registers/ms/p50,registers/ms/p99,\
server/core,generator/idle,stolen" "Kamailio 5.6"
    done
    server_stop "$work/server"
    place_end
}
register_capacity() {
    [ -z "${CAPACITY:-}" ] || return 0
    register_offer=(--window 300 --warm 1 --secs 3)
    rm -f "$work/peer.json"
    for _ in 1 2 3; do side peer register_peer || return 1; done
    rate=$("$built/strowger-bench-load" summary --bench capacity --metric registers_per_s \
        --ours "$work/peer.json" | sed -n 's/.*"ours":{"max":[0-9.]*,"median":\([0-9]*\).*/\1/p')
    echo "the peer carries $rate registrations a second" >&2
    rate=$((rate / 2))
}
register_ours() {
    generator register --server "$server" --cpu "$server_cpu" --domain "$server" \
        "${register_words[@]}" "${register_offer[@]}"
}
register_peer() {
    generator register --server "$kamailio" --cpu "$kamailio_cpu" --domain "$kamailio" \
        "${register_words[@]}" "${register_offer[@]}"
}

# Twice of what it can do for ten seconds, then half: calls, and packets of standing calls. What is
# told is the share of the first second after that was served; 100 dialogs are asked meanwhile.
measure_overload() {
    local over=10 rounds
    need_product
    ulimit -n "$(ulimit -Hn)"
    server_start "$work/server" 16384 10
    calls_words=(--far "$net.4:5060" --near "$net.2:5060,$net.3:5060" --near-audio "$net.2:7000"
        --far-audio "$net.4:7000" --slots 400000)
    [ "$smoke" = 0 ] || over=1
    rounds=${ROUNDS:-3}
    if [ "$smoke" = 1 ]; then
        capacity=100
    else
        calls_offer=(--window 200 --warm 2 --secs 3)
        rm -f "$work/ours.json"
        for _ in 1 2 3; do side ours calls_ours || return 1; done
        capacity=$("$built/strowger-bench-load" summary --bench capacity --metric calls_per_s \
            --ours "$work/ours.json" | sed -n 's/.*"ours":{"max":[0-9.]*,"median":\([0-9]*\).*/\1/p')
        echo "ours carries $capacity calls a second" >&2
    fi
    calls_offer=(--standing 100 --ask-rate 50 --patience 20
        --parts "over:$((capacity * 2)):$over,first:$((capacity / 2)):1,rest:$((capacity / 2)):4")
    must=parts/2/answered=parts/2/offered,parts/2/ended=parts/2/offered,parts/2/skipped=0
    must+=,parts/1/inside/served=parts/1/inside/asked,parts/2/inside/served=parts/2/inside/asked
    must+=,parts/0/ended=100
    ROUNDS=$rounds alternate calls_ours ''
    [ "$smoke" = 0 ] || expect ours parts/2/answered @parts/2/offered \
        parts/2/ended @parts/2/offered parts/0/ended 100
    summary overload parts/2/answered '' "parts/1/offered,parts/1/answered,parts/1/silent,\
parts/1/refused/503,parts/1/inside/asked,parts/1/inside/served,parts/1/inside/ms/p99,\
parts/2/offered,parts/2/answered,parts/2/ended,parts/2/silent,parts/2/refused/500,\
parts/2/refused/503,parts/2/again/invite,parts/2/setup_ms/p99,\
parts/3/offered,parts/3/answered,parts/3/setup_ms/p99,generator/idle,stolen"
    server_stop "$work/server"
    place_end
    [ "$smoke" = 1 ] || overload_relay
}
# The same for the relay, of 500 calls, beside rtpengine where there is one.
overload_relay() {
    local side rate
    place_net
    server_start "$work/relay" 1024 10
    if rtpengine_here; then
        place_group rtpengine
        rtpengine_start "$work/rtpengine"
        rtpengine_cpu=$(place_cpu "$rtpengine_pid")
    else
        skip rtpengine-daemon
    fi
    must=media/parts/1/lost=0,media/corrupt=0,media/misdirected=0
    for side in ours peer; do
        [ "$side" = ours ] || [ -n "${rtpengine_cpu:-}" ] || continue
        relay_words=(--standing 500 --packet-window 500 --warm 1 --secs 3
            --near-audio "$net.2:7000" --far-audio "$net.4:7000")
        "relay_$side" >"$work/line"
        rate=$(told "$work/line" packets_per_s)
        rate=${rate%.*}
        echo "$side relays $rate packets a second" >&2
        relay_words=(--standing 500 --near-audio "$net.2:7000" --far-audio "$net.4:7000"
            --packet-parts "over:$((rate * 2)):10,first:$((rate / 2)):1,rest:$((rate / 2)):4")
        "relay_$side" >"$work/ours.json"
        summary "overload-relay-$side" media/parts/1/lost '' "media/parts/0/sent,\
media/parts/0/received,media/parts/1/sent,media/parts/1/received,media/parts/1/delay_ms/p99,\
media/parts/2/sent,media/parts/2/received,media/parts/2/delay_ms/p99,generator/idle,stolen"
    done
    server_stop "$work/relay"
    place_end
}

# What 10,000 registrations and then 4,000 relayed calls add to what the server's processes and the
# kernel hold for them; a new server each round.
measure_memory() {
    memory_of ''
    # The same by one socket for all ports; it takes root.
    if [ "$(id -u)" = 0 ]; then
        local server_first=16384 server_last=32767 server_more='media.backend = "lookup"'
        memory_of -lookup
    else
        echo "SKIPPED: memory-call-lookup needs root, for a program of the kernel" >&2
    fi
}
memory_of() { # SUFFIX of the names
    local users=10000 calls=4000 round
    need_product
    ulimit -n "$(ulimit -Hn)"
    [ "$smoke" = 0 ] || users=100 calls=20
    rm -f "$work/ours.json"
    for round in $(seq "$([ "$smoke" = 1 ] && echo 1 || echo "${ROUNDS:-3}")"); do
        place_net
        server_start "$work/server$1$round" 4096 "$users"
        side ours generator memory --server "$server" --domain "$server" \
            --near "$net.2:5060,$net.3:5060" --far "$net.4:5060" --near-audio "$net.2:7000" \
            --far-audio "$net.4:7000" --users "$users" --standing "$calls" --patience 60 \
            --memory "${server_memory:-pids:$(server_pids)}" --packet-rate 40000
        server_stop "$work/server$1$round"
        place_end
    done
    must=load/parts/0/answered=calls,load/parts/0/ended=calls,load/media/corrupt=0
    [ "$smoke" = 0 ] || expect ours load/parts/0/ended 20 load/media/corrupt 0
    local show=bytes/before,bytes/registered,bytes/standing,users,calls,load/media/all_sent
    show+=,load/media/all_received
    limit=16384 summary "memory-call$1" bytes_per_call '' "$show,all_per_user_and_call/call"
    [ -n "$1" ] || limit=3072 summary memory-register bytes_per_user '' "$show,all_per_user_and_call/user"
}
# All processes of the server, with commas between.
server_pids() {
    ps -o pid= --forest -g "$server_pid" | tr -s ' \n' ',' | sed 's/^,//; s/,$//'
}

# Our generator against SIPp: whether it counts as others do.
measure_sipp() {
    local rate=50 seconds=10
    need_product
    need_packages sip-tester >&2 || { skip sip-tester; return 0; }
    [ "$smoke" = 0 ] || rate=20 seconds=3
    server_start "$work/server" 4096 10
    "$here/bench/sipp/check.sh" "$built/strowger-bench-load" "$server" "$net" \
        "$work/server/data/strowger.db" "$rate" "$seconds"
    server_stop "$work/server"
    place_end
}

# tls_server DIR SLOTS: a server that listens for TLS with a certificate of its own, and whose
# generator is no stranger.
tls_server() {
    need_packages openssl >&2
    openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 30 \
        -subj /CN=bench -addext subjectAltName=DNS:bench.example \
        -addext basicConstraints=critical,CA:FALSE \
        -keyout "$work/key.pem" -out "$work/chain.pem" 2>"$work/openssl" || {
        cat "$work/openssl" >&2
        return 1
    }
    server_more="overload.exempt = [\"127.0.0.0/8\"]
[[sip.stream]]
listen = \"$net.1:5061\"
transport = \"tls\"
certificates = [{ chain = \"$work/chain.pem\", key = \"$work/key.pem\" }]"
    server_start "$1" "$2" 10
    server_more=''
    tls_words=(--server "$net.1:5061" --trust "$work/chain.pem" --name bench.example)
}

# What 15,000 connections hold that said something once. The generator is a process of its own, so
# each side has its own descriptors.
measure_tls-idle() {
    local count=15000 round
    need_product
    ulimit -n "$(ulimit -Hn)"
    [ "$smoke" = 0 ] || count=200
    rm -f "$work/ours.json"
    for round in $(seq "$([ "$smoke" = 1 ] && echo 1 || echo "${ROUNDS:-3}")"); do
        place_net
        tls_server "$work/server$round" 4096
        side ours generator tls-idle "${tls_words[@]}" --count "$count" \
            --memory "${server_memory:-pids:$(server_pids)}"
        server_stop "$work/server$round"
        place_end
    done
    must=alive=connections
    [ "$smoke" = 0 ] || expect ours alive "$count"
    limit=20480 summary tls-idle bytes_per_connection '' "connections,alive,bytes/before,\
bytes/after,all_per_connection,handshakes_per_s,handshake_ms/p50,handshake_ms/p99"
}

# Packets of standing calls, paced, alone and while hands are shaken 500 times a second. The client
# of the handshakes gives way to the generator, whose core it shares.
measure_tls-handshakes() {
    local calls=500 seconds rate=500
    need_product
    ulimit -n "$(ulimit -Hn)"
    seconds=$(seconds 6)
    [ "$smoke" = 0 ] || calls=20 rate=50
    tls_server "$work/server" "$((calls + 96))"
    relay_words=(--standing "$calls" --packet-rate "$((calls * 100))" --warm 1 --secs "$seconds"
        --near-audio "$net.2:7000" --far-audio "$net.4:7000")
    tls_rate=$rate tls_secs=$((seconds + 8))
    rm -f "$work/shaken.json"
    alternate shaken_ours relay_ours
    must=media/lost=0,media/corrupt=0
    if [ "$smoke" = 1 ]; then
        expect ours media/lost 0 media/corrupt 0
        [ "$(told "$work/shaken" failed)" = 0 ] || { cat "$work/shaken" >&2; return 1; }
    fi
    summary tls-handshakes media/parts/0/delay_ms/p99 1.20 "packets_per_s,media/sent,\
media/received,media/parts/0/delay_ms/p50,media/parts/0/delay_ms/p99,server/core,generator/idle,\
stolen" "the same without handshakes"
    cat "$work/shaken.json" >&2
    server_stop "$work/server"
    place_end
}
# The packets are measured well within the handshakes, which begin first.
shaken_ours() {
    local client told
    on_core "$(($(nproc) - 1))" nice -n 19 "$built/strowger-bench-load" tls-handshakes \
        "${tls_words[@]}" --rate "$tls_rate" --secs "$tls_secs" >"$work/shaken" &
    client=$!
    sleep 1
    told=0
    relay_ours || told=$?
    wait "$client" || return 1
    cat "$work/shaken" >>"$work/shaken.json"
    return "$told"
}
