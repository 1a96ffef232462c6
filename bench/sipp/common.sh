# Sourced by the scripts beside it: SIPp as load against a running Strowger.
# shellcheck shell=bash
#
# SCRIPT SERVER_IP:PORT [RATE [SECONDS]], see each. From the environment: LOCAL_IP (127.0.0.1), the
# caller's address; SIPP_USER, SIPP_PASSWORD (1001, demo1001); DIAL (44123456), what is called;
# CALLEE_IP, CALLEE_PORT (127.0.0.1, 5090), where the carrier of that number is expected; USERS, a
# file of `USER;PASSWORD` lines to be registered (1001 and 1002 of the demo).

sipp_here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
[ $# -ge 1 ] || { echo "usage: $0 SERVER_IP:PORT [RATE [SECONDS]]" >&2; exit 2; }
server=$1 rate=${2:-20} seconds=${3:-10}
local_ip=${LOCAL_IP:-127.0.0.1}
callee_ip=${CALLEE_IP:-127.0.0.1} callee_port=${CALLEE_PORT:-5090}
user=${SIPP_USER:-1001} password=${SIPP_PASSWORD:-demo1001} dial=${DIAL:-44123456}
command -v sipp >/dev/null || {
    echo "SKIPPED: sipp is not installed (apt-get install sip-tester)" >&2
    exit 0
}
sipp_work=$(mktemp -d)
sipp_callee=''
sipp_end() {
    [ -z "$sipp_callee" ] || { kill "$sipp_callee" 2>/dev/null && wait "$sipp_callee" 2>/dev/null; } || true
    rm -rf "$sipp_work"
}
trap sipp_end EXIT
cd "$sipp_work" || exit 1

# callee WORDS...: the far end, until the script ends.
callee() {
    sipp -sf "$sipp_here/uas.xml" -i "$callee_ip" -p "$callee_port" -mi "$callee_ip" \
        -mp 45000 -nostdin "$@" >"$sipp_work/callee.log" 2>&1 &
    sipp_callee=$!
    sleep 0.5
    kill -0 "$sipp_callee" 2>/dev/null || { tail -5 "$sipp_work/callee.log" >&2; return 1; }
}

# load NAME SCENARIO RATE WORDS...: RATE a second for `seconds`; one line of JSON.
load() {
    local name=$1 scenario=$2 offered=$3 total code=0
    shift 3
    total=$((offered * seconds))
    # SIPp looks for a free port by itself, and two that look at once may take the same.
    [ -z "${sip_port:-}" ] || set -- "$@" -p "$sip_port"
    sipp "$server" -sf "$sipp_here/$scenario.xml" -i "$local_ip" -mi "$local_ip" -mp "${media_port:-46000}" -r "$offered" \
        -m "$total" -l $((offered * 20)) -timeout $((seconds + 30)) -timeout_error -nostdin \
        -trace_stat -stf "$name.csv" -fd 1 -trace_rtt -rtt_freq 1 "$@" >"$name.log" 2>&1 || code=$?
    [ -s "$name.csv" ] || { tail -20 "$name.log" >&2; return 1; }
    # As one piece: others may write at the same time.
    echo "$(report "$name" "$total" "$code")"
    [ "$code" = 0 ] || { grep -a "error\|rror:" "$name.log" >&2; tail -12 "$name.log" >&2; return 1; }
}

# report NAME ASKED CODE: what SIPp's own file of statistics says, and the median of its times.
report() {
    local rtt
    rtt=$(ls ./*_rtt.csv 2>/dev/null | head -1)
    awk -F';' -v name="$1" -v asked="$2" -v code="$3" '
        NR == 1 { for (i = 1; i <= NF; i++) at[$i] = i; next }
        { for (i in at) last[i] = $at[i] }
        END { printf "{\"sipp\":\"%s\",\"asked\":%d,\"done\":%d,\"failed\":%d,\"again\":%d,\"code\":%d,",
            name, asked, last["SuccessfulCall(C)"], last["FailedCall(C)"],
            last["Retransmissions(C)"], code }' "$1.csv"
    # Lines of time; milliseconds; number of the clock.
    if [ -n "$rtt" ]; then
        awk -F';' 'NR > 1 && $3 == "1" { print $2 }' "$rtt" | sort -n | awk '{ v[NR] = $1 }
            END { printf "\"p50_ms\":%s,\"p99_ms\":%s}\n", NR ? v[int((NR + 1) / 2)] : "null",
                NR ? v[int(NR * 0.99 + 0.99)] : "null" }'
        rm -f "$rtt"
    else
        echo '"p50_ms":null,"p99_ms":null}'
    fi
}

# audio FILE: two seconds of PCMU that repeats.
audio() { head -c 16000 /dev/zero | tr '\0' '\325' >"$1"; }

# users FILE: SIPp's lines of who registers.
users() {
    {
        echo SEQUENTIAL
        if [ -n "${USERS:-}" ]; then cat "$USERS"; else printf '1001;demo1001\n1002;demo1002\n'; fi |
            while IFS=';' read -r name secret; do
                echo "$name;[authentication username=$name password=$secret]"
            done
    } >"$1"
}
