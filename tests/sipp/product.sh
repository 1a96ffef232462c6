# Sourced by the scripts beside it: starts and stops the product's demo.
# shellcheck shell=bash

demo_pid="" work=""

# need_programs BIN_DIR: says what is missing and ends with 2.
need_programs() {
    local name
    for name in strowger strowger-switchd strowger-controld; do
        [ -x "$1/$name" ] || { echo "$1/$name is missing: cargo build --workspace" >&2; exit 2; }
    done
}

# start_demo BIN_DIR [CONFIG]: a demo on the next free ports, with this text as its configuration;
# sets `sip`, `admin`, `work` and stops it when the script ends, however it ends.
start_demo() {
    work=$(mktemp -d)
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
    sed -n "s/^ready .*\"$1\":\"\([^\"]*\)\".*/\1/p" "$work/ready"
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
    stop_demo
    rm -rf "$work"
}
