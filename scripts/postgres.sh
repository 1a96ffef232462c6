#!/usr/bin/env bash
# A PostgreSQL cluster of its own for tests: no TCP, a socket in its own directory. It does not sync
# (fsync off), unless STROWGER_POSTGRES_DURABLE=1 asks for one that keeps what it acknowledged, with
# the memory and the WAL of a small server, its WAL written on all the time, so that little is left to
# sync at a commit; STROWGER_POSTGRES_CORES=LIST pins it.
#
#   scripts/postgres.sh start [DIR]   makes and starts one in DIR (or a new directory), prints
#                                     STROWGER_TEST_POSTGRES=URL and DIR=..., each on a line
#   scripts/postgres.sh stop DIR      ends it and removes the directory
#   scripts/postgres.sh with COMMAND  starts one, runs the command with STROWGER_TEST_POSTGRES and
#                                     STROWGER_TEST_POSTGRES_DIR set, stops it, returns what the command returned
#
#   scripts/postgres.sh halt DIR      ends the server and keeps the directory
#   scripts/postgres.sh resume DIR    starts it again
#
# As root it runs as the user `postgres`, since PostgreSQL refuses root.
set -euo pipefail
here=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
# shellcheck source=scripts/setup.sh
. "$here/scripts/setup.sh"

usage() {
    sed -n '2,16p' "${BASH_SOURCE[0]}" | cut -c3- >&2
    exit 2
}

# programs: the directory of initdb and pg_ctl; the newest that is installed.
programs() {
    local found
    found=$(find /usr/lib/postgresql -name initdb -path '*/bin/*' 2>/dev/null | sort -V | tail -n 1)
    [ -n "$found" ] || found=$(command -v initdb || true)
    [ -n "$found" ] && dirname "$(readlink -f "$found")"
}

# as_postgres COMMAND...: as the user that may run the server.
as_postgres() {
    if [ "$(id -u)" = 0 ]; then runuser -u postgres -- "$@"; else "$@"; fi
}

start() {
    local dir=${1:-} bin superuser
    bin=$(programs) || true
    if [ -z "$bin" ]; then
        # The package starts a cluster of its own unless told otherwise.
        need_packages postgresql-common >&2
        as_root sed -i 's/^#\?create_main_cluster.*/create_main_cluster = false/' \
            /etc/postgresql-common/createcluster.conf
        need_packages postgresql >&2
        bin=$(programs)
    fi
    [ -n "$dir" ] || dir=$(mktemp -d /tmp/strowger-postgres.XXXXXX)
    mkdir -p "$dir"
    # A socket's path has room for 107 bytes.
    [ ${#dir} -le 80 ] || { echo "scripts/postgres.sh: $dir is too long for a socket" >&2; return 1; }
    chmod 700 "$dir"
    superuser=$(id -un)
    if [ "$(id -u)" = 0 ]; then chown postgres: "$dir"; superuser=postgres; fi
    # Words sort otherwise than code points, so that nothing comes to lean on an order by chance.
    (cd "$dir" && as_postgres "$bin/initdb" --pgdata "$dir/data" --username "$superuser" \
        --auth trust --encoding UTF8 --locale C.UTF-8 --locale-provider icu --icu-locale en-US \
        --no-sync >"$dir/initdb.log" 2>&1) || { cat "$dir/initdb.log" >&2; return 1; }
    cat >>"$dir/data/postgresql.conf" <<EOF
listen_addresses = ''
unix_socket_directories = '$dir'
unix_socket_permissions = 0777
max_connections = 200
EOF
    if [ "${STROWGER_POSTGRES_DURABLE:-0}" = 1 ]; then
        printf '%s\n' 'fsync = on' 'full_page_writes = on' 'shared_buffers = 2GB' \
            'max_wal_size = 4GB' 'checkpoint_timeout = 15min' 'wal_buffers = 64MB' 'wal_writer_delay = 10ms'
    else
        printf '%s\n' 'fsync = off' 'full_page_writes = off'
    fi >>"$dir/data/postgresql.conf"
    chmod 711 "$dir"
    resume "$dir"
    echo "STROWGER_TEST_POSTGRES=postgres:///postgres?host=$dir&user=$superuser"
    echo "DIR=$dir"
}

resume() {
    local dir=${1:?} bin pin=()
    bin=$(programs)
    [ -z "${STROWGER_POSTGRES_CORES:-}" ] || pin=(taskset --cpu-list "$STROWGER_POSTGRES_CORES")
    (cd "$dir" && as_postgres "${pin[@]}" "$bin/pg_ctl" --pgdata "$dir/data" \
        --log "$dir/server.log" --wait --timeout 60 start >/dev/null) || {
        cat "$dir/server.log" >&2
        return 1
    }
    # For a measurement: ahead of other load, where that may be asked for.
    [ ${#pin[@]} = 0 ] || (echo -20 >"/proc/$(head -n 1 "$dir/data/postmaster.pid")/autogroup") 2>/dev/null || true
}

# halt DIR: as after a crash, the fastest end there is.
halt() {
    local dir=${1:?} bin
    bin=$(programs)
    (cd "$dir" && as_postgres "$bin/pg_ctl" --pgdata "$dir/data" --mode immediate --wait stop) >/dev/null
}

stop() {
    local dir=${1:?}
    [ -d "$dir/data" ] || { echo "scripts/postgres.sh: no cluster in $dir" >&2; return 1; }
    halt "$dir" || true
    rm -rf "$dir"
}

with() {
    local dir said code=0
    dir=$(mktemp -d /tmp/strowger-postgres.XXXXXX)
    # shellcheck disable=SC2064 # the directory of now
    trap "stop '$dir'" EXIT
    said=$(start "$dir")
    said=$(sed -n 's/^STROWGER_TEST_POSTGRES=//p' <<<"$said")
    STROWGER_TEST_POSTGRES=$said STROWGER_TEST_POSTGRES_DIR=$dir "$@" || code=$?
    return "$code"
}

case "${1:-}" in
    start) [ $# -le 2 ] || usage; start "${2:-}" ;;
    stop) [ $# = 2 ] || usage; stop "$2" ;;
    halt) [ $# = 2 ] || usage; halt "$2" ;;
    resume) [ $# = 2 ] || usage; resume "$2" ;;
    with) [ $# -ge 2 ] || usage; shift; with "$@" ;;
    *) usage ;;
esac
