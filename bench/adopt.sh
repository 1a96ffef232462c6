#!/usr/bin/env bash
# Kills the dataplane under a fleet of calls and measures how its next life takes them up.
#
#   bench/adopt.sh PROGRAMS CALLS RUNS
#
# PROGRAMS is the folder of the product's programs and of the test phone. Prints one line of JSON:
# milliseconds per 1,000 calls that `switchd` says it took, and the longest silence of any call, as
# the phones heard it. Needs curl and sqlite3: the demo gets credit
# and lines for so many calls.
set -euo pipefail
programs=$1 calls=$2 runs=$3
dir=$(mktemp -d "${TMPDIR:-/tmp}/strowger-adopt.XXXXXX")
up=''
end() {
    [ -z "$up" ] || { kill "$up" 2>/dev/null && wait "$up" 2>/dev/null; } || true
    up=''
}
trap 'end; rm -rf "$dir"' EXIT

start() {
    : >"$dir/ready"
    "$programs/strowger" up --data "$dir/data" --demo >"$dir/ready" 2>>"$dir/log" &
    up=$!
    for _ in $(seq 200); do
        grep -q '^ready' "$dir/ready" && return
        sleep 0.1
    done
    cat "$dir/log" >&2
    return 1
}

median() { sort -n | awk '{v[NR]=$1} END {print v[int((NR+1)/2)], v[1], v[NR]}'; }

start
admin=$(sed -n 's/.*"admin":"\([^"]*\)".*/\1/p' "$dir/ready")
# The token stays out of the arguments.
printf 'header = "Authorization: Bearer %s"\n' "$(cat "$dir/data/admin.token")" >"$dir/curl"
curl --silent --show-error --fail --config "$dir/curl" --output "$dir/paid" \
    --header 'Idempotency-Key: adopt' --header 'Content-Type: application/json' \
    --data '{"amount":"100000.00","currency":"EUR","reason":"bench adopt"}' \
    "$admin/api/v1/accounts/1/payments"
end
sqlite3 "$dir/data/strowger.db" \
    "UPDATE trunks SET egress = json_set(egress, '\$.calls_max', 0);"
talk_s=$((calls / 50 + 8))
for _ in $(seq "$runs"); do
    : >"$dir/log"
    start
    sip=$(sed -n 's/.*"sip":"\([^"]*\)".*/\1/p' "$dir/ready")
    DEMO=demo1001 "$programs/phone" fleet --server "$sip" --user 1001 --password-env DEMO \
        --calls "$calls" --rate 50 --packets 25 --seconds "$talk_s" >"$dir/fleet" 2>>"$dir/log" &
    fleet=$!
    sleep $((calls / 50 + 3))
    kill -KILL "$(pgrep -P "$up" strowger-switch)"
    # It is not content when packets were lost; here they may be.
    wait "$fleet" || grep -q "\"over\":$calls," "$dir/fleet" || {
        cat "$dir/fleet" "$dir/log" >&2
        exit 1
    }
    end
    took=$(sed -n 's/.*took up \([0-9]*\) calls of the last life in \([0-9.]*\) ms.*/\1 \2/p' \
        "$dir/log" | tail -1)
    [ "${took%% *}" = "$calls" ] || { echo "adopt: took up $took" >&2; cat "$dir/log" >&2; exit 1; }
    echo "${took##* }" | awk -v n="$calls" '{print $1 * 1000 / n}' >>"$dir/took"
    sed -n 's/.*"gap_ms":{"max":\([0-9.]*\).*/\1/p' "$dir/fleet" >>"$dir/gap"
done
read -r ours min max < <(median <"$dir/took")
read -r gap gap_min gap_max < <(median <"$dir/gap")
printf '{"bench":"adopt","ours":%s,"min":%s,"max":%s,"unit":"ms per 1000 calls",' "$ours" "$min" "$max"
printf '"gap_ms":%s,"gap_ms_min":%s,"gap_ms_max":%s,' "$gap" "$gap_min" "$gap_max"
printf '"work":"%s calls, relayed, %s runs"}\n' "$calls" "$runs"
