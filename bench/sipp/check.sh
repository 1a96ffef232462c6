#!/usr/bin/env bash
# Compares our generator with SIPp: the same calls at a low rate, one after the other, between the
# same addresses, and the server's own records as the third witness.
#
#   bench/sipp/check.sh GENERATOR SERVER NET DATABASE RATE SECONDS
#
# GENERATOR is `strowger-bench-load`; SERVER, NET (first three bytes of the addresses) and DATABASE
# are those of bench/server.sh. Prints one line of JSON; exit code 1 when counts differ, or medians by
# more than 5 ms (SIPp's clock has steps of some milliseconds).
set -euo pipefail
generator=$1 server=$2 net=$3 database=$4 rate=$5 seconds=$6
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
asked=$((rate * seconds))
# Answered calls in the database, once no more come.
records() {
    local before=-1 now=0
    while [ "$now" != "$before" ]; do
        before=$now
        sleep 1
        now=$(sqlite3 -cmd '.timeout 5000' "$database" \
            "SELECT count(*) FROM cdrs WHERE answered_us IS NOT NULL")
    done
    echo "$now"
}
field() { sed -n "s/.*\"$2\":\([0-9.]*\).*/\1/p" <<<"$1"; }
part() { # POINTER
    "$generator" field --file "$mine" --at "$1"
}
mine=$(mktemp)
trap 'rm -f "$mine"' EXIT
begun=$(records)
theirs=$(TRUNK=1 LOCAL_IP=$net.2 CALLEE_IP=$net.4 CALLEE_PORT=5060 "$here/call.sh" "$server" \
    "$rate" "$seconds")
middle=$(records)
"$generator" calls --server "$server" --near "$net.2:5060" --far "$net.4:5060" \
    --near-audio "$net.2:7000" --far-audio "$net.4:7000" --rate "$rate" --warm 0 \
    --secs "$seconds" >"$mine"
last=$(records)
p50=$(part parts/1/setup_ms/p50) p50_sipp=$(field "$theirs" p50_ms)
# Open loop by time may begin one call more or less at the edge.
ours=$(part parts/1/ended) offered=$(part parts/1/offered)
printf '{"bench":"sipp","asked":%d,"ours":{"done":%s,"records":%d,"p50_ms":%s},' \
    "$asked" "$ours" $((last - middle)) "$p50"
printf '"sipp":{"done":%s,"records":%d,"p50_ms":%s}}\n' "$(field "$theirs" 'done')" \
    $((middle - begun)) "$p50_sipp"
[ "$(field "$theirs" 'done')" = "$asked" ] && [ $((middle - begun)) = "$asked" ]
[ "$ours" = "$offered" ] && [ $((last - middle)) = "$ours" ]
[ $((ours - asked)) -le 1 ] && [ $((asked - ours)) -le 1 ]
awk -v a="$p50" -v b="$p50_sipp" 'BEGIN { d = a - b; exit !(d < 5 && d > -5) }'
