# Sourced by peer.sh: baresip, of Debian's package baresip-core.
# shellcheck shell=bash
# shellcheck disable=SC2154,SC2034,SC2317,SC2329 # variables and callers are in peer.sh

modules=/usr/lib/baresip/modules

# launch SOURCE [COMMAND]: baresip with an account of 1002 and this source of audio, that does a
# command first.
launch() {
    local folder=$work/baresip source=$1 command=${2:-} media=""
    [ -z "$encrypts" ] || media=";mediaenc=srtp-mand"
    rm -rf "$folder"
    mkdir "$folder" || return 1
    cat >"$folder/config" <<END
net_interface 127.0.0.1
sip_listen 127.0.0.1:${BARESIP_PORT:-0}
rtp_ports 46000-46100
audio_source $source
audio_player aubridge,loop
audio_alert aubridge,alert
module_path $modules
sip_cafile $chain
sip_verify_server yes
module g711.so
module srtp.so
module aubridge.so
module aufile.so
module_app account.so
module_app menu.so
END
    echo "<sip:1002@$server;transport=$transport>;auth_user=1002;auth_pass=demo1002;answermode=auto;regint=60$media" \
        >"$folder/accounts"
    timeout -k 2 60 baresip -f "$folder" -v -t 50 ${command:+-e "$command"} >"$work/peer.log" 2>&1 </dev/null &
    peer_pid=$!
}

# What it hears it plays back.
start_peer() { launch aubridge,loop; }

await_registered() {
    await 10 'OK\|Register:' "$work/peer.log" && grep -q '200 OK' "$work/peer.log"
}

heard_us() { # LINE of our phone: its own packets came back.
    [ "$(number verified "$1")" -ge $least ] && [ "$(number corrupt "$1")" = 0 ]
}

# baresip takes commands when it starts.
dial() { # URI
    stop_peer
    noise >"$work/noise.wav"
    launch "aufile,$work/noise.wav" "/dial $1"
}

await_talking() {
    await 15 'Call established' "$work/peer.log" || return 1
    [ -z "$encrypts" ] || await 5 'SRTP is Enabled' "$work/peer.log"
}

hang_up() { stop_peer; }

heard_echo() { grep -q "incoming rtp for 'audio' established" "$work/peer.log"; }

stop_peer() {
    [ -n "$peer_pid" ] && end "$peer_pid"
    peer_pid=""
}
