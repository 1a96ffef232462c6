#!/usr/bin/env bash
# Basic calls: a subscriber calls a number of the carrier's, who answers at once.
#
#   bench/sipp/call.sh SERVER_IP:PORT [RATE [SECONDS]]     what else it reads: common.sh
#
# With TRUNK=1 the caller is a trunk known by LOCAL_IP, and is not challenged.
set -euo pipefail
# shellcheck source=bench/sipp/common.sh
. "$(dirname "${BASH_SOURCE[0]}")/common.sh"
callee
scenario=uac
[ -z "${TRUNK:-}" ] || scenario=uac_trunk
load call "$scenario" "$rate" -s "$dial" -key caller "$user" -au "$user" -ap "$password"
