#!/usr/bin/env bash
# Everything at once: of RATE a second six tenths are registrations, three calls, one calls with
# audio.
#
#   bench/sipp/mixed.sh SERVER_IP:PORT [RATE [SECONDS]]     what else it reads: common.sh
set -euo pipefail
# shellcheck source=bench/sipp/common.sh
. "$(dirname "${BASH_SOURCE[0]}")/common.sh"
users users.csv
audio audio.raw
callee -rtp_echo
share() { local part=$((rate * $1 / 10)); echo $((part > 0 ? part : 1)); }
call=(-s "$dial" -key caller "$user" -au "$user" -ap "$password")
# Each has ports of its own, and a folder of its own, as SIPp names its files itself.
apart() { # NAME COMMAND...
    mkdir "$1" && cp users.csv audio.raw "$1/" && cd "$1" && shift && "$@"
}
(sip_port=15070 && apart register load register register "$(share 6)" -inf users.csv) & first=$!
(sip_port=15072 media_port=47000 && apart call load call uac "$(share 3)" "${call[@]}") & second=$!
(sip_port=15074 media_port=48000 && apart media load media uac_media "$(share 1)" "${call[@]}") & third=$!
code=0
for one in "$first" "$second" "$third"; do wait "$one" || code=1; done
exit "$code"
