#!/usr/bin/env bash
# Counts the instructions of each scenario under callgrind and compares them with expected.txt.
#
#   bench/count/run.sh [--bless] [NAME...]     the named scenarios, or all
#
# One line for each scenario that is more than 3 % away; exit code 1 then. `--bless` writes what
# was counted into the table. Without valgrind, and without a way to install it, nothing is counted,
# which is said.
set -euo pipefail
here=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)
cd "$here"
# shellcheck source=scripts/setup.sh
. "$here/scripts/setup.sh"
bless=() names=()
for word in "$@"; do
    case "$word" in
        --bless) bless=(--bless) ;;
        -h | --help) sed -n '2,8p' "$0" | cut -c3-; exit 0 ;;
        *) names+=("$word") ;;
    esac
done
need_build_tools
if ! command -v valgrind >/dev/null && ! need_packages valgrind; then
    echo "SKIPPED the counts of instructions: no valgrind, and none can be installed" >&2
    exit 0
fi
target=${CARGO_TARGET_DIR:-$here/target}
cargo build --locked --quiet --release -p strowger-bench-count >&2
program=$target/release/strowger-count
[ ${#names[@]} = 0 ] && mapfile -t names < <("$program" list)
work=$(mktemp -d "${TMPDIR:-/tmp}/strowger-count.XXXXXX")
trap 'rm -rf "$work"' EXIT

# count NAME: appends its line to the table. Addresses are not random, so hashes of them are not.
count() {
    local name=$1 turns total
    turns=$(setarch --addr-no-randomize valgrind --tool=callgrind --callgrind-out-file="$work/$name.out" \
        --toggle-collect='*count_this*' "$program" run "$name" 2>"$work/$name.log") || {
        tail -5 "$work/$name.log" >&2
        return 1
    }
    total=$(sed -n 's/^totals: //p' "$work/$name.out")
    [ "${total:-0}" -gt 0 ] || { echo "$name: nothing was collected" >&2; return 1; }
    echo "$name $((total / turns))" >"$work/$name.row"
}

# One for each core at a time.
failed=0 running=0
for name in "${names[@]}"; do
    count "$name" &
    running=$((running + 1))
    if [ "$running" -ge "$(nproc)" ]; then
        wait -n || failed=1
        running=$((running - 1))
    fi
done
while [ "$running" -gt 0 ]; do
    wait -n || failed=1
    running=$((running - 1))
done
[ "$failed" = 0 ] || exit 1
cat "$work"/*.row | tee "$work/counted" >&2
touch bench/count/expected.txt
"$program" compare bench/count/expected.txt "$work/counted" "${bless[@]}"
