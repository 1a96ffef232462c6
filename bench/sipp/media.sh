#!/usr/bin/env bash
# Calls with audio: two seconds of PCMU each way, as the callee sends back what it hears.
#
#   bench/sipp/media.sh SERVER_IP:PORT [RATE [SECONDS]]     what else it reads: common.sh
set -euo pipefail
# shellcheck source=bench/sipp/common.sh
. "$(dirname "${BASH_SOURCE[0]}")/common.sh"
audio audio.raw
callee -rtp_echo
load media uac_media "$rate" -s "$dial" -key caller "$user" -au "$user" -ap "$password"
