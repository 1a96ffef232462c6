#!/usr/bin/env bash
# A third party's phone against the product, by one transport: it registers as 1002, our test phone
# calls it as 1001 and it answers by itself; then it calls our test phone, and hangs up.
#
#   tests/sipp/peer.sh BIN_DIR baresip|baresip-srtp|linphone [udp|tcp|tls]
#
# baresip plays back what it hears, so our phone verifies what returns packet by packet: it went
# through the relay, baresip's decoder and encoder, and the relay again. linphone plays a file and
# records another. baresip-srtp takes and makes no call but by SRTP with keys in descriptions, while our
# phone knows none: SRTP ends at the product. The transport (udp) is the peer's alone; by TLS the peer verifies a certificate
# that was made for the test. BIN_DIR holds the product's programs and `phone`. Exit code 0 when
# both calls went well and the demo ended well, 1 when not, 2 for wrong usage, 0 with a loud line
# when a tool is not installed.
set -u

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
# shellcheck source=tests/sipp/product.sh
. "$here/product.sh"

usage() {
    echo "usage: tests/sipp/peer.sh BIN_DIR baresip|baresip-srtp|linphone [udp|tcp|tls]" >&2
    exit 2
}

[ $# = 2 ] || [ $# = 3 ] || usage
bin=$1 peer=$2 transport=${3:-udp}
# Of each peer: the tools it needs, its script, whether it must be offered MD5 alone, and encrypts.
script=$peer encrypts=""
case $peer in
    baresip) tools=(baresip sqlite3) md5_only=1 ;;
    baresip-srtp) tools=(baresip sqlite3) script=baresip md5_only=1 encrypts=1 ;;
    linphone) tools=(linphonec) md5_only="" ;;
    *) usage ;;
esac
case $transport in udp | tcp | tls) ;; *) usage ;; esac
need_programs "$bin"
[ -x "$bin/phone" ] || { echo "$bin/phone is missing: cargo build --workspace" >&2; exit 2; }
for tool in "${tools[@]}" openssl curl; do
    if ! command -v "$tool" >/dev/null; then
        echo "SKIPPED: $tool is not installed, no call with $peer was made" \
            "(baresip-core, linphone-cli, sqlite3, openssl, curl)"
        exit 0
    fi
done
# shellcheck source=tests/sipp/baresip.sh
# shellcheck source=tests/sipp/linphone.sh
. "$here/$script.sh"

# Two seconds of audio each way. What is told of them may lack what was under way when they ended.
sent=100 least=80
peer_pid="" phone_pid=""

# shellcheck disable=SC2034,SC2329 # by `stop_all`
also_stop=stop_phones
stop_phones() {
    [ -z "$peer_pid" ] || stop_peer
    [ -z "$phone_pid" ] || end "$phone_pid"
    phone_pid=""
}

# As 1001; prints its line of JSON.
phone() {
    PHONE_PASSWORD=demo1001 timeout -k 2 40 "$bin/phone" "$@" --user 1001 \
        --password-env PHONE_PASSWORD --server "$sip" 2>"$work/phone.log"
}

# number KEY LINE: a number of the line of JSON; of those of that name the last one.
number() {
    sed -n "s/.*\"$1\":\([0-9]*\).*/\1/p" <<<"$2"
}

# Five seconds of 8 kHz, 16 bits, mono, of a noise: no silence, so nothing is left out.
noise() {
    local bytes=80000
    # shellcheck disable=SC2059 # the numbers are made here
    {
        printf "RIFF$(octets $((bytes + 36)))WAVEfmt $(octets 16)$(octets $((1 + 1 * 65536)))"
        printf "$(octets 8000)$(octets 16000)$(octets $((2 + 16 * 65536)))data$(octets $bytes)"
    }
    seq 1 20000 | head -c $bytes
}

# octets NUMBER: four of them, the lowest first, as printf writes them.
octets() {
    local at
    for at in 0 8 16 24; do printf '\\x%02x' $((($1 >> at) & 255)); done
}

# register: until the peer is registered. The challenge changes within a second of the change of
# the tenant, and baresip does not try again soon, so a peer is started anew when it failed.
register() {
    local tries=0
    while [ "$tries" -lt 5 ]; do
        tries=$((tries + 1))
        start_peer && await_registered && return 0
        stop_peer
        sleep 0.5
    done
    return 1
}

# called: our phone calls the peer, speaks, hangs up.
called() {
    local told
    phone call 1002 --seconds $((sent / 50)) >"$work/call" &
    phone_pid=$!
    await_talking
    wait "$phone_pid"
    phone_pid=""
    told=$(cat "$work/call")
    case $told in
        *'"ok":true'*) heard_us "$told" && return 0 ;;
    esac
    echo "our phone told: $told" >&2
    return 1
}

# calling: the peer calls our phone, which plays back what it hears, and hangs up.
calling() {
    local told=""
    phone answer --expires 60 --seconds 30 >"$work/answer" &
    phone_pid=$!
    if await 10 '^registered' "$work/phone.log" && dial "sip:1001@$server" && await_talking; then
        sleep $((sent / 50))
        hang_up
        wait "$phone_pid"
        phone_pid=""
        told=$(cat "$work/answer")
        case $told in
            *'"ok":true'*) [ "$(number echoed "$told")" -ge $least ] && heard_echo && return 0 ;;
        esac
    fi
    echo "our phone told: $told" >&2
    return 1
}

# require_srtp: 1002 is offered SRTP alone, in force within a second.
require_srtp() {
    "$bin/strowger" create settings --data "$work/data" category=media name=srtp tenant=1 \
        subscriber=2 value=require >"$work/setting" 2>&1 && sleep 1 && return 0
    cat "$work/setting" >&2
    return 1
}

start_demo_by "$bin" "$transport"
code=1
if [ -n "$md5_only" ] && ! offer_md5_only; then
    echo "failed $peer by $transport: the demo's tenant could not be changed"
elif [ -n "$encrypts" ] && ! require_srtp; then
    echo "failed $peer by $transport: it could not be set to encrypt"
elif ! register; then
    echo "failed $peer by $transport: it did not register"
elif ! called; then
    echo "failed $peer by $transport: no call to it went well"
elif ! calling; then
    echo "failed $peer by $transport: no call of its own went well"
else
    echo "passed $peer by $transport: registered, was called, called"
    code=0
fi
stop_phones
[ $code = 0 ] || tail -n 60 "$work"/peer*.log "$work/phone.log" >&2
stop_demo || code=1
exit $code
