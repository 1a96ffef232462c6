#!/usr/bin/env bash
# The prices of all suppliers for a number, cheapest first, by PostgreSQL: one statement, prepared,
# over a socket, with the index that answers it alone. `postgres.sh DIR`: rates.csv and numbers.csv
# of DIR, the cluster of STROWGER_TEST_POSTGRES. Prints a line of JSON.
set -euo pipefail
dir=$1
url=$STROWGER_TEST_POSTGRES
asks=20000
[ "${smoke:-0}" = 1 ] && asks=200
sql() { psql --quiet --no-psqlrc --tuples-only --no-align -v ON_ERROR_STOP=1 "$url" "$@"; }
sql -c 'CREATE UNLOGGED TABLE rates (tariff INTEGER, prefix TEXT COLLATE "C", price BIGINT)' \
    -c 'CREATE UNLOGGED TABLE numbers (id INTEGER PRIMARY KEY, number TEXT COLLATE "C")'
sql -c '\copy rates FROM STDIN (FORMAT csv)' <"$dir/rates.csv"
sql -c '\copy numbers FROM STDIN (FORMAT csv)' <"$dir/numbers.csv"
sql -c 'CREATE UNIQUE INDEX ON rates (prefix, tariff) INCLUDE (price)' -c 'VACUUM ANALYZE rates' \
    -c 'VACUUM ANALYZE numbers' >&2
count=$(sql -c 'SELECT count(*) FROM numbers')
rows=$(sql -c 'SELECT count(*) FROM rates')
bytes=$(sql -c "SELECT pg_total_relation_size('rates')")
# The longest prefix of each tariff, then by price.
cat >"$dir/lookup.sql" <<END
\\set id random(1, $count)
SELECT tariff, price FROM (
    SELECT DISTINCT ON (tariff) tariff, price
    FROM numbers, rates
    WHERE numbers.id = :id AND prefix = ANY (ARRAY[
        left(number, 1), left(number, 2), left(number, 3), left(number, 4), left(number, 5),
        left(number, 6), left(number, 7), left(number, 8), left(number, 9)])
    ORDER BY tariff, length(prefix) DESC) AS longest
ORDER BY price;
END
pgbench=$(find /usr/lib/postgresql -name pgbench | sort -V | tail -n 1)
(cd "$dir" && "$pgbench" -n -M prepared -c 1 -t "$((asks / 10))" -f lookup.sql "$url" >/dev/null 2>&1)
(cd "$dir" && rm -f times.* && "$pgbench" -n -M prepared -c 1 -t "$asks" -f lookup.sql -l --log-prefix=times "$url") >&2
sort -n -k 3 "$dir"/times.* | awk -v rows="$rows" -v bytes="$bytes" -v asks="$asks" '
    { us[NR] = $3 }
    END {
        printf "{\"bench\":\"route\",\"peer\":\"PostgreSQL, prices of all suppliers, nothing else\",", ""
        printf "\"p50_us\":%d,\"p99_us\":%d,", us[int(NR * 0.5) + 1], us[int(NR * 0.99)]
        printf "\"bytes_per_row\":%.1f,\"work\":\"%d look-ups in %d lines\"}\n", bytes / rows, asks, rows
    }'
