# Sourced by bench/run: our server as the benches need it, and its world.
# shellcheck shell=bash
#
# A demo on addresses of its own, all of it on core 0, with rows of its own beside the demo's: a
# customer's trunk known by its addresses whose calls are routed by prefix, rated, charged to a
# prepaid account and sent to a carrier; and subscribers with digest passwords. `net`.1 is the
# server, .5 its media: a port rests for a while after its call, so calls that last no time need many
# of them. .2 and .3 are the near ends, .4 the far end. `server_addresses` says other media addresses.

# server_config DIR SLOTS >FILE
server_config() {
    cat <<CONFIG
node.run = "$run/run-${1##*/}"
sip.listen = ["$net.1:5060"]
media.addresses = [${server_addresses:-"\"$net.5\""}]
media.port_min = ${server_first:-1026}
media.port_max = ${server_last:-65535}
media.flow_packets_max = ${server_flow_max:-0}
cores.shards = "0"
cores.control = "0"
cores.slots = $2
admin.listen = "$net.1:8080"
log.level = "warn"
${server_more:-}
CONFIG
}

server_up() { # DIR: starts it and waits until calls can be placed
    place_run 0 "$built/strowger" up --demo --data "$1/data" --config "$1/strowger.toml" \
        >"$1/ready" 2>>"$1/log"
    server_pid=$placed
    wait_for 30 "the server's ready line" grep -q '^ready' "$1/ready" || {
        cat "$1/log" >&2
        return 1
    }
}

# server_start DIR SLOTS USERS: makes the world and starts the server in a group of its own; sets
# `server`, `server_pid`, `server_cpu` and `server_memory`.
server_start() {
    local dir=$1 slots=$2 users=$3
    mkdir -p "$dir"
    server_config "$dir" "$slots" >"$dir/strowger.toml"
    place_group server
    server_cpu='' server_memory=''
    server_up "$dir"
    # The token stays out of the arguments.
    printf 'header = "Authorization: Bearer %s"\n' "$(cat "$dir/data/admin.token")" >"$dir/curl"
    place_stop "$server_pid"
    server_world "$dir/data/strowger.db" "$users"
    server_up "$dir"
    "${server_in[@]}" curl --silent --show-error --fail --config "$dir/curl" --output "$dir/paid" \
        --header 'Idempotency-Key: bench' --header 'Content-Type: application/json' \
        --data '{"amount":"10000000.00","currency":"EUR","reason":"bench"}' \
        "http://$net.1:8080/api/v1/accounts/4/payments"
    server=$net.1:5060
    server_cpu=$(place_cpu "$server_pid")
    # shellcheck disable=SC2034 # for the bench of memory
    server_memory=${group_memory:+group:$group_memory}
    # Nothing of the start is measured.
    sleep 1
}

# server_world DATABASE USERS: the rows, and those in `server_rows`.
server_world() {
    "$built/strowger-bench-load" users --count "$2" --realm strowger.demo >"$1.users"
    sqlite3 -bail "$1" <<SQL
.timeout 5000
CREATE TEMP TABLE u (n INTEGER, name TEXT, ha1 TEXT);
.mode csv
.import $1.users u
BEGIN IMMEDIATE;
INSERT INTO accounts (id, tenant_id, organization_id, name, currency, minor_digits, prepaid, floor,
        tariff_id, calls_max, cps_max, enabled, go_on_without_control)
    SELECT 4, tenant_id, organization_id, 'bench', currency, minor_digits, 1, 0,
        tariff_id, 0, 0, 1, 0 FROM accounts WHERE id = 1;
UPDATE trunks SET
    ingress = json_set(ingress, '$.sources',
        json('[{"network":"$net.4","prefix_len":32,"port":0}]')),
    egress = json_set(egress, '$.calls_max', 0, '$.targets', json('["$net.4:5060"]'))
    WHERE id = 1;
INSERT INTO trunks (id, tenant_id, organization_id, name, enabled, ingress, egress)
    SELECT 2, tenant_id, 2, 'bench-customer', 1, json_set(ingress, '$.account', 4, '$.sources',
        json('[{"network":"$net.2","prefix_len":32,"port":0},{"network":"$net.3","prefix_len":32,"port":0}]')),
        NULL FROM trunks WHERE id = 1;
INSERT INTO subscribers (id, tenant_id, account_id, organization_id, username, numbers, short,
        display, ha1_md5, ha1_sha256, digest, ring_timeout_s, calls_max, enabled, expires_s_min,
        expires_s_max, contacts_max)
    SELECT 100 + n, 1, 4, 2, name, json_array(name), NULL, '', ha1, NULL, 'md5-only', 0, 0, 1, 10,
        3600, 5 FROM u;
${server_rows:-}
INSERT INTO changes (actor, resource, what, at_us) VALUES ('bench', 'rows', 'update', 0);
COMMIT;
SQL
}

# server_stop: ends it; a crash or a panic fails the bench.
server_stop() { # DIR
    place_stop "$server_pid"
    ! grep -q panicked "$1/log" || { cat "$1/log" >&2; return 1; }
}
