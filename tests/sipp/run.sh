#!/usr/bin/env bash
# Runs the SIPp scenarios of this folder against a running Strowger demo: a third party's opinion.
#
#   tests/sipp/run.sh SERVER_IP:PORT [NAME...]
#
# Names: register register_wrong call busy cancel noanswer wrong_number hold early forks update late
# words message options loop glare carrier redirect refer_blind refer_attended replaces (all
# without).
# One line for each scenario on standard output; exit code 0 when all passed, 1 when one failed, 2
# for wrong usage, 0 with a loud line when there is no sipp. The demo has the subscribers 1001 and
# 1002 and expects its carrier at 127.0.0.1:5090.
#
# From the environment: TRANSPORT, as SIPp's -t names it (u1; t1 = one TCP connection, tn = one for
# each call), and CALLEE_TRANSPORT, the same for callees (TRANSPORT); RING_TIMEOUT_S, when the demo gives up an unanswered call (30); LOCAL_IP
# (127.0.0.1); PORT_BASE, first of four local SIP ports (15060); MEDIA_PORT_BASE, first of forty
# local media ports (45060); CARRIER_PORT (5090).
set -u

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
all="register register_wrong call busy cancel noanswer wrong_number hold early forks update late"
all="$all words message options loop glare carrier redirect refer_blind refer_attended replaces"
ring_timeout_s=${RING_TIMEOUT_S:-30}
local_ip=${LOCAL_IP:-127.0.0.1}
transport=${TRANSPORT:-u1}
callee_transport=${CALLEE_TRANSPORT:-$transport}
caller_port=${PORT_BASE:-15060}
callee_port=$((caller_port + 2))
media_port=${MEDIA_PORT_BASE:-45060}
carrier_port=${CARRIER_PORT:-5090}
limit_s=20
background=""
background_far=""
failed=0

usage() {
    echo "usage: tests/sipp/run.sh SERVER_IP:PORT [NAME...]; names: $all" >&2
    exit 2
}

[ $# -ge 1 ] || usage
server=$1
shift
case $server in *:*) ;; *) usage ;; esac
for name in "$@"; do
    case " $all " in *" $name "*) ;; *) usage ;; esac
done
names=${*:-$all}

if ! command -v sipp >/dev/null; then
    echo "SKIPPED: sipp is not installed, no SIPp scenario was run (apt-get install sip-tester)"
    exit 0
fi

work=$(mktemp -d)
stop_background() {
    local one
    for one in $background $background_far; do
        kill "$one" 2>/dev/null
        wait "$one" 2>/dev/null
    done
    background=""
    background_far=""
}
clean() {
    stop_background
    rm -rf "$work"
}
trap clean EXIT
trap 'exit 1' INT TERM

# sipp_run LOG SCENARIO PORT [ARGUMENT...]: one call of one scenario with a time limit. It becomes
# the process it runs in, so that it can be stopped by its id: call it in a subshell.
sipp_run() {
    local log=$1 scenario=$2 port=$3 media=$media_port
    # A callee's audio must not meet the caller's.
    [ "$log" = callee ] && media=$((media_port + 20))
    [ "$log" = far ] && media=$((media_port + 30))
    shift 3
    cd "$work" || exit 1
    exec timeout -k 2 $((limit_s + 2)) sipp -t "$transport" -sf "$here/$scenario.xml" \
        -i "$local_ip" -p "$port" \
        -mi "$local_ip" -mp "$media" -m 1 -l 1 -nostdin \
        -timeout "${limit_s}s" -timeout_error -trace_err -error_file "$work/$log.errors" "$@" \
        >"$work/$log.log" 2>&1
}

# is_bound PORT: somebody has the UDP port, or listens at the TCP port.
is_bound() {
    local hex
    hex=$(printf ':%04X ' "$1")
    case $transport in
        u*) cut -c1-80 /proc/net/udp /proc/net/udp6 | grep -q "$hex" ;;
        *) cut -c1-80 /proc/net/tcp /proc/net/tcp6 | grep ' 0A ' | grep -q "$hex" ;;
    esac
}

# The port is bound: a callee is ready.
wait_bound() {
    local tries=0
    until is_bound "$1"; do
        tries=$((tries + 1))
        [ "$tries" -le 100 ] || return 1
        sleep 0.05
    done
}

# Another run on this host may still have the port.
wait_free() {
    local tries=0
    while is_bound "$1"; do
        tries=$((tries + 1))
        [ "$tries" -le 1200 ] || return 1
        sleep 0.05
    done
}

# start SCENARIO PORT [ARGUMENT...]: a callee in the background.
start() {
    wait_free "$2" || return 1
    (sipp_run callee "$@" -rtp_echo) &
    background=$!
    wait_bound "$2"
}

# start_far SCENARIO PORT: a second one, at the carrier's.
start_far() {
    transport=u1
    wait_free "$2" || return 1
    (sipp_run far "$@" -rtp_echo) &
    background_far=$!
    wait_bound "$2"
}

# The callee saw its whole scenario too.
callee_done() {
    local code
    wait "$background"
    code=$?
    background=""
    return $code
}

# So did the second one.
far_done() {
    local code
    wait "$background_far"
    code=$?
    background_far=""
    return $code
}

register() { # USER PORT EXPIRES
    (sipp_run "register_$1" register "$2" -s "$1" -au "$1" -ap "demo$1" -key expires "$3" "$server")
}

call() { # CALLER_SCENARIO NUMBER, as 1001
    local scenario=$1 number=$2
    (sipp_run caller "$scenario" "$caller_port" -s "$number" -key caller 1001 -au 1001 \
        -ap demo1001 "$server")
}

# pair CALLEE_SCENARIO CALLER_SCENARIO: 1001 calls 1002.
pair() {
    transport=$callee_transport register 1002 "$callee_port" 60 &&
        transport=$callee_transport start "$1" "$callee_port" && call "$2" 1002 && callee_done
}

run_register() {
    register 1001 "$caller_port" 60 && register 1002 "$callee_port" 60 &&
        register 1001 "$caller_port" 0 && register 1002 "$callee_port" 0
}
run_register_wrong() {
    (sipp_run caller register_wrong "$caller_port" -s 1001 -au 1001 -ap wrong -key expires 60 \
        "$server")
}
run_call() { pair uas uac_auth_call; }
run_busy() { pair uas_busy busy; }
run_cancel() { pair uas_cancelled cancel; }
run_noanswer() {
    limit_s=$((ring_timeout_s + 20))
    pair uas_cancelled noanswer
}
run_wrong_number() { call wrong_number 9999; }
run_hold() { pair uas_hold reinvite_hold; }
run_early() { pair uas_early early; }
run_forks() { pair uas_forks uac_auth_call; }
run_update() { pair uas_update update; }
run_late() { pair uas_late late; }
run_words() { pair uas_words words; }
run_message() { pair uas_message message; }
run_options() { call options 1002; }
run_loop() { call loop 1002; }
run_glare() { pair uas_glare glare; }
run_carrier() {
    # The demo's carrier is called by UDP.
    transport=u1 start carrier_uas "$carrier_port" && call uac_auth_call 44123 && callee_done
}
run_redirect() { # 1002 sends the call on to the carrier.
    local elsewhere code
    transport=u1 start carrier_uas "$carrier_port" || return 1
    elsewhere=$background
    # Media ports of its own: three SIPps run at once.
    media_port=$((media_port + 10)) pair uas_redirect uac_auth_call
    code=$?
    stop_background
    background=$elsewhere
    [ "$code" = 0 ] && callee_done
}

# refer_to FAR_SCENARIO CALLER_SCENARIO: 1001 puts 1002 through to a number of the carrier.
refer_to() {
    register 1002 "$callee_port" 60 && start uas_put_through "$callee_port" || return 1
    # The demo's carrier is called by UDP.
    local spoken=$transport
    start_far "$1" "$carrier_port" || return 1
    transport=$spoken
    (sipp_run caller "$2" "$caller_port" -s 1002 -key caller 1001 -key target 44123 -au 1001 \
        -ap demo1001 -cid_str %u-%p "$server") && callee_done && far_done
}
run_refer_blind() { refer_to carrier_uas refer_blind; }
run_refer_attended() { refer_to uas_kept refer_attended; }
run_replaces() { pair uas_kept replaces; }

for name in $names; do
    begun=$SECONDS
    if "run_$name"; then
        echo "passed $name ($((SECONDS - begun)) s)"
    else
        failed=1
        echo "failed $name ($((SECONDS - begun)) s)"
        # What SIPp said, for people.
        for log in "$work"/*.errors; do
            [ -s "$log" ] && { echo "--- $(basename "$log")"; head -c 4000 "$log"; } >&2
        done
        tail -n 25 "$work"/*.log >&2
    fi
    stop_background
    limit_s=20
    rm -f "$work"/*
done
register 1002 "$callee_port" 0 || echo "note: 1002 could not be unregistered" >&2
exit $failed
