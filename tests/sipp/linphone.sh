# Sourced by peer.sh: linphonec, of Debian's package linphone-cli. It reads commands from a pipe.
# shellcheck shell=bash
# shellcheck disable=SC2154,SC2034,SC2317,SC2329 # variables and callers are in peer.sh

commands="" calls=0

# say COMMAND...: one command to linphonec.
say() { echo "$*" >&"$commands"; }

start_peer() {
    local udp=-1 tcp=0 tls=0 proxy=$server
    mkdir -p "$work/user/.local/share/linphone" "$work/user/.config/linphone"
    noise >"$work/noise.wav"
    rm -f "$work/heard.wav" "$work/commands"
    # -2 = connections of its own alone, -1 = any port, 0 = none.
    case $transport in
        tcp) udp=0 tcp=-2 ;;
        # The TLS library of Debian's linphone knows no addresses in certificates.
        tls) udp=0 tls=-2 proxy=localhost:${server##*:} ;;
    esac
    cat >"$work/linphonerc" <<END
[sip]
sip_port=$udp
sip_tcp_port=$tcp
sip_tls_port=$tls
register_only_when_network_is_up=0
guess_hostname=1
use_ipv6=0
root_ca=$chain
verify_server_certs=1
verify_server_cn=1
media_encryption=none
default_proxy=0
[net]
nat_policy_ref=
[rtp]
audio_rtp_port=46200
[video]
enabled=0
capture=0
display=0
[auth_info_0]
username=1002
passwd=demo1002
[proxy_0]
reg_proxy=<sip:$proxy;transport=$transport>
reg_route=<sip:$proxy;transport=$transport;lr>
reg_identity=sip:1002@$server
reg_expires=60
reg_sendregister=1
publish=0
END
    mkfifo "$work/commands" || return 1
    calls=0
    HOME=$work/user XDG_RUNTIME_DIR=$work/user timeout -k 2 60 linphonec -a -d 6 \
        -l "$work/peer-stack.log" -c "$work/linphonerc" <"$work/commands" >"$work/peer.log" 2>&1 &
    peer_pid=$!
    exec {commands}>"$work/commands"
    say soundcard use files
    say record "$work/heard.wav"
}

await_registered() {
    await 10 'to \[LinphoneRegistrationOk\]' "$work/peer-stack.log"
}

# Our phone's packets are in its record, and its own came to us.
heard_us() { # LINE of our phone
    [ "$(number received "$1")" -ge $((least / 2)) ] && has_recorded
}

# Half of the audio at least: 16,000 bytes a second.
has_recorded() {
    [ "$(wc -c <"$work/heard.wav")" -ge $((sent / 50 * 8000)) ]
}

dial() { # URI
    await 10 "Call $calls with .* ended" "$work/peer.log" || return 1
    rm -f "$work/heard.wav"
    say record "$work/heard.wav"
    say call "$1"
}

# linphonec counts its calls. Without a file to play it is silent.
await_talking() {
    calls=$((calls + 1))
    await 15 "Media streams established .* for call $calls " "$work/peer.log" &&
        say play "$work/noise.wav"
}

hang_up() { say terminate; }

heard_echo() { has_recorded; }

stop_peer() {
    [ -n "$commands" ] && { say quit; exec {commands}>&-; }
    commands=""
    [ -n "$peer_pid" ] && end "$peer_pid"
    peer_pid=""
}
