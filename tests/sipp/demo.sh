#!/usr/bin/env bash
# Runs the SIPp scenarios against the product: starts its demo in a directory of its own, runs
# `run.sh` with all scenarios or the named ones, stops the demo.
#
#   tests/sipp/demo.sh BIN_DIR [NAME...]
#
# BIN_DIR holds strowger, strowger-switchd and strowger-controld. Exit code 0 when all passed and the
# demo ended well, 1 when not, 2 for wrong usage, 0 with a loud line when there is no sipp.
set -u

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
# shellcheck source=tests/sipp/product.sh
. "$here/product.sh"

[ $# -ge 1 ] || { echo "usage: tests/sipp/demo.sh BIN_DIR [NAME...]" >&2; exit 2; }
bin=$1
shift
need_programs "$bin"
if ! command -v sipp >/dev/null; then
    echo "SKIPPED: sipp is not installed, no SIPp scenario was run (apt-get install sip-tester)"
    exit 0
fi

start_demo "$bin"
# The demo gives up an unanswered call after 60 s.
RING_TIMEOUT_S=60 "$here/run.sh" "$sip" "$@"
code=$?
stop_demo || code=1
exit $code
