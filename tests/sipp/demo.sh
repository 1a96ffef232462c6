#!/usr/bin/env bash
# Runs the SIPp scenarios against the product: starts its demo in a directory of its own, runs
# `run.sh` with all scenarios or the named ones, stops the demo. All scenarios are run by IPv4, and
# those between phones by TCP and by IPv6 as well.
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

config=""
if grep -q '^0\{31\}1 ' /proc/net/if_inet6 2>/dev/null; then
    config='sip.listen = ["127.0.0.1:5060", "[::1]:5060"]
media.addresses = ["127.0.0.1", "::1"]'
fi
start_demo "$bin" "$config"
# The demo gives up an unanswered call after 60 s.
RING_TIMEOUT_S=60 "$here/run.sh" "$sip" "$@"
code=$?
if [ $# = 0 ]; then
    echo "by TCP, at $sip:"
    TRANSPORT=t1 "$here/run.sh" "$sip" register register_wrong call busy cancel wrong_number \
        hold early forks update late words message options loop glare carrier || code=1
    if [ -n "$config" ]; then
        sip6=$(sed -n 2p "$work/data/run/addresses")
        echo "by IPv6, at $sip6:"
        LOCAL_IP="[::1]" "$here/run.sh" "$sip6" register register_wrong call busy cancel \
            wrong_number hold || code=1
    else
        echo "SKIPPED: no IPv6 loopback, no scenario was run by IPv6"
    fi
fi
stop_demo || code=1
exit $code
