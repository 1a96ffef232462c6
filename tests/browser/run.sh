#!/usr/bin/env bash
# A JavaScript SIP stack in a browser against the product: SIP.js in headless Chromium registers as
# 1001 over a secure WebSocket (RFC 7118) and calls our test phone, by a description in words first,
# then as a browser does: by ICE and DTLS-SRTP, with the sound of a false microphone, which the plain
# phone sends back; it holds and resumes. The phone calls it and both hear each other. It gives up a
# call that rings.
#
#   tests/browser/run.sh BIN_DIR STACK_DIR
#
# BIN_DIR holds the product's programs and `phone`. SIP.js is installed into STACK_DIR once, by npm,
# its bytes pinned by package-lock.json. Exit code 0 when all steps passed and the demo ended well, 1
# when not, 2 for wrong usage, 0 with a loud line when a tool is not to be had.
set -u

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
# shellcheck source=tests/sipp/product.sh
. "$here/../sipp/product.sh"
steps="register call talk called cancelled unregister"

[ $# = 2 ] || { echo "usage: tests/browser/run.sh BIN_DIR STACK_DIR" >&2; exit 2; }
bin=$1 stack=$2
need_programs "$bin"
[ -x "$bin/phone" ] || { echo "$bin/phone is missing: cargo build --workspace" >&2; exit 2; }
for tool in chromium npm python3 openssl curl sqlite3; do
    if ! command -v $tool >/dev/null; then
        echo "SKIPPED: $tool is not installed, no browser called (chromium, npm, python3, sqlite3)"
        exit 0
    fi
done

install() {
    cmp -s "$here/package-lock.json" "$stack/package-lock.json" &&
        [ -e "$stack/node_modules/sip.js/lib/index.js" ] && return 0
    rm -rf "$stack"
    mkdir -p "$stack" && cp "$here/package.json" "$here/package-lock.json" "$stack/" &&
        (cd "$stack" && timeout 120 npm ci --ignore-scripts --no-audit --no-fund >npm.log 2>&1)
}
if ! install; then
    # What is served and is not what was pinned is no reason to look away.
    grep -q EINTEGRITY "$stack/npm.log" && { cat "$stack/npm.log" >&2; exit 1; }
    echo "SKIPPED: SIP.js could not be installed by npm, no browser called"
    exit 0
fi

pids=() browser_pid=""
# shellcheck disable=SC2034,SC2329 # by `stop_all`
also_stop=stop_others
stop_others() {
    local pid
    for pid in $browser_pid "${pids[@]}"; do end "$pid"; done
    browser_pid="" pids=()
}

# as_1002 NAME COMMAND...: our test phone in the background, its line of JSON in NAME.
as_1002() {
    local name=$1
    shift
    PHONE_PASSWORD=demo1002 timeout -k 2 60 "$bin/phone" "$@" --user 1002 \
        --password-env PHONE_PASSWORD --server "$sip" >"$work/$name" 2>"$work/$name.log" &
    phone_pid=$!
    pids+=("$phone_pid")
}

# answer NAME: our phone waits for one call.
answer() {
    as_1002 "$1" answer --expires 60 --seconds 50 && await 10 '^registered' "$work/$1.log"
}

# prepare STEP: whom the page's step needs.
prepare() {
    case $1 in
        call | talk | cancelled) answer "$1" ;;
        called) as_1002 "$1" call 1001 --seconds 8 ;;
        register | unregister) ;;
    esac
}

# heard STEP: our phone heard the page: so many packets, which are none of its own and in the clear.
heard() {
    python3 - "$work/$1" <<'PYTHON'
import json, sys

media = json.load(open(sys.argv[1]))["media"]
foreign = media["foreign"]
sys.exit(0 if foreign >= 100 else f"heard {foreign} packets of the page: {media}")
PYTHON
}

# conclude STEP: what our phone says of it, when that is something.
conclude() {
    case $1 in
        call) wait "$phone_pid" ;;
        talk | called) wait "$phone_pid" && heard "$1" ;;
        cancelled) wait "$phone_pid" || grep -q RemoteCancel "$work/$1" ;;
        register | unregister) ;;
    esac
}

# The page's certificate is trusted by its key alone; nothing else that is wrong is overlooked.
pin() {
    openssl x509 -in "$chain" -noout -pubkey | openssl pkey -pubin -outform der |
        openssl dgst -sha256 -binary | openssl base64
}

# start_browser URL: as root Chromium has no sandbox.
start_browser() {
    local sandbox=()
    [ "$(id -u)" != 0 ] || sandbox=(--no-sandbox)
    HOME=$work timeout -k 5 150 chromium --headless=new "${sandbox[@]}" --disable-gpu \
        --disable-dev-shm-usage --user-data-dir="$work/chromium" --no-first-run \
        --use-fake-device-for-media-stream --use-fake-ui-for-media-stream \
        --autoplay-policy=no-user-gesture-required --allow-loopback-in-peer-connection \
        --disable-background-networking --disable-component-update --disable-sync \
        --ignore-certificate-errors-spki-list="$(pin)" "$1" >"$work/chromium.log" 2>&1 </dev/null &
    browser_pid=$!
}

start_demo_by "$bin" wss
mkdir "$work/page"
cp "$here/page.html" "$here/page.js" "$work/page/"
ln -s "$stack/node_modules" "$work/page/node_modules"
python3 "$here/serve.py" "$work/page" >"$work/said" 2>"$work/serve.log" &
pids+=($!)
# SIP.js knows MD5 alone.
if ! offer_md5_only || ! await 10 '^[0-9]' "$work/said"; then
    cat "$work/serve.log" >&2
    exit 1
fi
sleep 1.5
port=$(head -n 1 "$work/said")
start_browser "http://127.0.0.1:$port/page.html?server=$server&user=1001&password=demo1001&peer=1002"

code=0
for step in $steps; do
    # The first one waits for the browser's start.
    if ! await 60 "^wants $step\$" "$work/said"; then
        why="the page does not come to it"
    elif ! prepare "$step"; then
        why="our phone is not ready: $(cat "$work/$step" "$work/$step.log")"
    else
        touch "$work/page/ready-$step"
        await 40 "^\(passed $step\$\|failed $step:\)" "$work/said"
        why=$(grep "^failed $step:" "$work/said")
        grep -qx "passed $step" "$work/said" || why=${why:-the page says nothing of its end}
        conclude "$step" || why="$why our phone: $(cat "$work/$step")"
    fi
    if [ -z "$why" ]; then
        echo "passed browser $step"
    else
        echo "failed browser $step: $why"
        code=1
    fi
done
stop_others
if [ $code != 0 ]; then
    tail -n 300 "$work/said" >&2
    tail -n 20 "$work"/*.log >&2
fi
stop_demo || code=1
exit $code
