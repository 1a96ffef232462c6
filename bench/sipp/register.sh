#!/usr/bin/env bash
# Registrations with digest, each challenged.
#
#   bench/sipp/register.sh SERVER_IP:PORT [RATE [SECONDS]]     what else it reads: common.sh
set -euo pipefail
# shellcheck source=bench/sipp/common.sh
. "$(dirname "${BASH_SOURCE[0]}")/common.sh"
users users.csv
load register register "$rate" -inf users.csv
