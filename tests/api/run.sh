#!/usr/bin/env bash
# Asks every operation of the product's REST with good and bad data made from its own OpenAPI
# document: schemathesis (PyPI) with all checks that schemathesis.toml does not exclude. Starts the
# demo in a directory of its own and stops it.
#
#   tests/api/run.sh BIN_DIR VENV_DIR
#
# BIN_DIR holds strowger, strowger-switchd and strowger-controld; schemathesis is installed into
# VENV_DIR once. Exit code 0 when nothing was found and the demo ended well, 1 when not, 2 for wrong
# usage, 0 with a loud line when PyPI cannot be reached.
set -u

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
# shellcheck source=tests/sipp/product.sh
. "$here/../sipp/product.sh"
version=4.32.5

[ $# = 2 ] || { echo "usage: tests/api/run.sh BIN_DIR VENV_DIR" >&2; exit 2; }
bin=$1 venv=$2
need_programs "$bin"

install() {
    [ "$("$venv/bin/schemathesis" --version 2>/dev/null)" = "schemathesis, version $version" ] &&
        return 0
    python3 -m venv --clear "$venv" &&
        timeout 180 "$venv/bin/pip" install --quiet --disable-pip-version-check --retries 1 \
            "schemathesis==$version"
}
if ! install; then
    echo "SKIPPED: schemathesis $version could not be installed from PyPI, the API was not asked"
    exit 0
fi

examples=3 seconds=${API_S:-120}
[ -z "${STROWGER_TEST_LONG:-}" ] || examples=50 seconds=900
start_demo "$bin"
# The token goes by environment: everybody can read a command line.
STROWGER_TOKEN=$(cat "$work/data/admin.token") || exit 1
export STROWGER_TOKEN
python3 - "$admin" >"$work/openapi.json" <<'END' || exit 1
import os, sys, urllib.request
ask = urllib.request.Request(sys.argv[1] + "/api/v1/openapi.json")
ask.add_header("Authorization", "Bearer " + os.environ["STROWGER_TOKEN"])
sys.stdout.buffer.write(urllib.request.urlopen(ask, timeout=10).read())
END
host=${admin#http://}
export STROWGER_HOOKS="$here/hooks.py"
python3 "$here/forward.py" "${host%:*}" "${host##*:}" >"$work/forward" 2>"$work/forward.log" &
forward_pid=$!
trap 'kill "$forward_pid"; stop_all' EXIT
until [ -s "$work/forward" ]; do
    kill -0 "$forward_pid" || { cat "$work/forward.log" >&2; exit 1; }
    sleep 0.1
done
began=$SECONDS
# Left out: what ends or changes the token, session or login that the run itself asks with. A run
# with them was mostly answered 429; which of them did it was not singled out. They are tested by
# the API's own tests.
# `timeout` is for a run that hangs; schemathesis itself ends at its time.
through="http://127.0.0.1:$(cat "$work/forward")"
(cd "$work" && timeout --kill-after=10 $((seconds + 120)) "$venv/bin/schemathesis" \
    --config-file "$here/schemathesis.toml" run "$work/openapi.json" --url "$through" --no-color \
    --exclude-path-regex '/(tokens/\{id\}|sessions/(current|\{id\})|me/.*)$' \
    --max-examples "$examples" --max-time "$seconds" --seed "${SEED:-1}" \
    --report json --report-json-path "$work/report.json") >"$work/said" 2>&1
code=$?
cat "$work/said"
sed -n 's/^ *Selected: *\([0-9]*\)\/\([0-9]*\).*/operations in the run: \1 of \2/p' "$work/said"
echo "schemathesis: exit code $code in $((SECONDS - began)) s"
# Nothing was asked when most is refused by the limit, however green the rest looks.
# (Logging in has a limit of its own, and so the one operation.)
if grep 'Rate limited:' "$work/said" | grep -qv 'Rate limited: 1 operation'; then
    echo "operations were refused with 429: the run asked less than it says" >&2
    code=1
fi
stop_demo || code=1
# The line that ends the suite, and the only one a reader needs when nothing was found.
grep -o 'Tested: *[0-9]*' "$work/said" | sed 's/Tested: */operations tested: /'
[ "$code" = 0 ]
