# Sourced by the scripts beside it: starts and stops the product's demo.
# shellcheck shell=bash

demo_pid="" work="" chain="" server=""

# need_programs BIN_DIR: says what is missing and ends with 2.
need_programs() {
    local name
    for name in strowger strowger-switchd strowger-controld; do
        [ -x "$1/$name" ] || { echo "$1/$name is missing: cargo build --workspace" >&2; exit 2; }
    done
}

# start_demo BIN_DIR [CONFIG]: a demo on the next free ports, with this text as its configuration;
# sets `sip`, `admin`, `work` and stops it when the script ends, however it ends. A script with
# processes of its own names in `also_stop` a function that stops them.
start_demo() {
    [ -n "$work" ] || work=$(mktemp -d)
    printf '%s\n' "${2:-}" >"$work/strowger.toml"
    trap stop_all EXIT
    trap 'exit 1' INT TERM
    "$1/strowger" up --demo --data "$work/data" --config "$work/strowger.toml" \
        >"$work/ready" 2>"$work/log" &
    demo_pid=$!
    local tries=0
    until sip=$(ready_value sip) && [ -n "$sip" ]; do
        tries=$((tries + 1))
        if [ "$tries" -gt 300 ] || ! kill -0 "$demo_pid" 2>/dev/null; then
            echo "the demo does not start:" >&2
            cat "$work/log" >&2
            exit 1
        fi
        sleep 0.1
    done
    # shellcheck disable=SC2034 # for the script that sources this
    admin=$(ready_value admin)
}

ready_value() { # KEY
    sed -n "s/^ready .*\"$1\":\"\([^\"]*\)\".*/\1/p" "$work/ready" 2>/dev/null
}

# start_demo_by BIN_DIR TRANSPORT: a demo that is reached by udp, tcp, tls or wss. Sets `server`,
# the address of that listener, and for the last two `chain`, the certificate that it shows: made
# for the test, signed by itself, for 127.0.0.1 and localhost. They listen at a port that the system chooses.
start_demo_by() {
    local tries=0
    work=$(mktemp -d)
    case $2 in
        udp | tcp)
            start_demo "$1"
            server=$sip
            return ;;
        tls | wss) ;;
        *) echo "no transport $2; there are udp, tcp, tls, wss" >&2; exit 2 ;;
    esac
    chain=$work/chain.pem
    openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 2 \
        -subj /CN=127.0.0.1 -addext subjectAltName=IP:127.0.0.1,DNS:localhost \
        -keyout "$work/key.pem" -out "$chain" 2>"$work/openssl.log" || {
        cat "$work/openssl.log" >&2
        exit 1
    }
    start_demo "$1" "[[sip.stream]]
listen = \"127.0.0.1:0\"
transport = \"$2\"
certificates = [{ chain = \"$chain\", key = \"$work/key.pem\" }]"
    # The listeners by datagrams and by TCP are the first two.
    until [ -n "$server" ]; do
        tries=$((tries + 1))
        [ $tries -le 100 ] || { echo "the demo tells no listener by $2" >&2; exit 1; }
        sleep 0.1
        server=$(curl -s "$admin/metrics" |
            sed -n 's/^strowger_sip_listener_total{.*listener="2",local="\([^"]*\)".*/\1/p' |
            head -n 1)
    done
}

# offer_md5_only: the demo's tenant challenges by MD5 alone, for phones that give up at a challenge
# of SHA-256 also when MD5 is offered beside it. A row is changed, and the change log says so to the
# running control plane; it is in force within a second.
offer_md5_only() {
    sqlite3 -cmd '.timeout 5000' "$work/data/strowger.db" "
        UPDATE tenants SET algorithms = '[\"MD5\"]';
        INSERT INTO changes (actor, resource, what, at_us)
            VALUES ('tests/sipp', 'tenants', 'offer MD5 only', 0);"
}

# await SECONDS PATTERN FILE: until a line of the file matches.
await() {
    local tries=0
    until grep -q -- "$2" "$3" 2>/dev/null; do
        tries=$((tries + 1))
        [ "$tries" -le $(($1 * 10)) ] || return 1
        sleep 0.1
    done
}

# end PID [SECONDS]: SIGTERM, and SIGKILL after some seconds (5).
end() {
    local tries=0 most=$((${2:-5} * 10))
    kill -TERM "$1" 2>/dev/null
    while kill -0 "$1" 2>/dev/null && [ "$tries" -lt "$most" ]; do
        tries=$((tries + 1))
        sleep 0.1
    done
    kill -KILL "$1" 2>/dev/null
    wait "$1" 2>/dev/null
}

# stop_demo: SIGTERM; it must end by itself with 0, soon.
stop_demo() {
    local pid=$demo_pid tries=0 code
    [ -n "$pid" ] || return 0
    demo_pid=""
    kill -TERM "$pid" 2>/dev/null
    while kill -0 "$pid" 2>/dev/null && [ "$tries" -lt 80 ]; do
        tries=$((tries + 1))
        sleep 0.1
    done
    kill -KILL "$pid" 2>/dev/null && echo "the demo did not end in 8 s" >&2
    wait "$pid"
    code=$?
    if [ "$code" != 0 ] || grep -q panicked "$work/log"; then
        echo "the demo ended with $code:" >&2
        cat "$work/log" >&2
        return 1
    fi
}

stop_all() {
    [ -z "${also_stop:-}" ] || "$also_stop"
    stop_demo
    rm -rf "$work"
}
