#!/usr/bin/env bash
# A PostgreSQL cluster of its own for tests: no TCP, a socket in its own directory, fsync off.
#
#   scripts/postgres.sh start [DIR]   makes and starts one in DIR (or a new directory), prints
#                                     STROWGER_TEST_POSTGRES=URL and DIR=..., each on a line
#   scripts/postgres.sh stop DIR      ends it and removes the directory
#   scripts/postgres.sh with COMMAND  starts one, runs the command with STROWGER_TEST_POSTGRES set,
#                                     stops it, returns what the command returned
#
# As root it runs as the user `postgres`, since PostgreSQL refuses root.
set -euo pipefail
here=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
# shellcheck source=scripts/setup.sh
. "$here/scripts/setup.sh"

usage() {
    sed -n '2,10p' "${BASH_SOURCE[0]}" | cut -c3- >&2
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
fsync = off
full_page_writes = off
max_connections = 200
EOF
    chmod 711 "$dir"
    (cd "$dir" && as_postgres "$bin/pg_ctl" --pgdata "$dir/data" --log "$dir/server.log" \
        --wait --timeout 60 start >/dev/null) || { cat "$dir/server.log" >&2; return 1; }
    echo "STROWGER_TEST_POSTGRES=postgres:///postgres?host=$dir&user=$superuser"
    echo "DIR=$dir"
}

stop() {
    local dir=${1:?} bin
    bin=$(programs)
    [ -d "$dir/data" ] || { echo "scripts/postgres.sh: no cluster in $dir" >&2; return 1; }
    (cd "$dir" && as_postgres "$bin/pg_ctl" --pgdata "$dir/data" --mode immediate --wait stop) >/dev/null || true
    rm -rf "$dir"
}

with() {
    local dir said code=0
    dir=$(mktemp -d /tmp/strowger-postgres.XXXXXX)
    # shellcheck disable=SC2064 # the directory of now
    trap "stop '$dir'" EXIT
    said=$(start "$dir")
    said=$(sed -n 's/^STROWGER_TEST_POSTGRES=//p' <<<"$said")
    STROWGER_TEST_POSTGRES=$said "$@" || code=$?
    return "$code"
}

case "${1:-}" in
    start) [ $# -le 2 ] || usage; start "${2:-}" ;;
    stop) [ $# = 2 ] || usage; stop "$2" ;;
    with) [ $# -ge 2 ] || usage; shift; with "$@" ;;
    *) usage ;;
esac
