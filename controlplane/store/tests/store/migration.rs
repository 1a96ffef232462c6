//! Data of an older schema comes through a migration as it was.

use crate::engine::Db;
use sqlx::{AnyConnection, AssertSqlSafe, Connection, Executor, Row};

const SQLITE: [&str; 6] = [
    include_str!("../../migrations/sqlite/0001_begin.sql"),
    include_str!("../../migrations/sqlite/0002_checkpoints.sql"),
    include_str!("../../migrations/sqlite/0005_records_by_one_writer.sql"),
    include_str!("../../migrations/sqlite/0010_money.sql"),
    include_str!("../../migrations/sqlite/0011_usage.sql"),
    include_str!("../../migrations/sqlite/0012_allowances.sql"),
];
const POSTGRES: [&str; 6] = [
    include_str!("../../migrations/postgres/0001_begin.sql"),
    include_str!("../../migrations/postgres/0002_checkpoints.sql"),
    include_str!("../../migrations/postgres/0005_records_by_one_writer.sql"),
    include_str!("../../migrations/postgres/0010_money.sql"),
    include_str!("../../migrations/postgres/0011_usage.sql"),
    include_str!("../../migrations/postgres/0012_allowances.sql"),
];

/// A record with all its charges, and one that nobody pays.
const OLD_RECORDS: &str = "INSERT INTO cdrs (id, part, tenant_id, batch, ask, snapshot, \
    started_us, ended_us, setup_ms, talk_ms, billable_ms, caller_ms, called_ms, caller_number, \
    from_user, display, sip_call_id, user_agent, received, dialled, party, reason, sip, q850, \
    caller_payload_type, caller_codec, unpriced, hops_dropped, facts_dropped) VALUES \
    (71, 0, 1, 3, 9, 8, 100, 200, 1, 2, 3, 4, 5, 'n', 'f', 'd', 's', 'u', 'r', 'l', 2, 26, 487, \
    16, 127, 'PCMA', 1, 4000000000, 6), \
    (72, 1, NULL, 3, 9, 8, 100, 200, 1, 2, 3, 4, 5, 'n', 'f', 'd', 's', 'u', 'r', 'l', 0, 0, 0, \
    0, NULL, NULL, 0, 0, 0)";
const OLD_CHARGES: &str = "INSERT INTO cdr_charges (cdr_id, part, position, kind, account_id, \
    organization_id, payee_id, prepaid, currency, minor_digits, net, vat_ppm, gross, charged_ms, \
    step_ms, unit_price, price_currency, price_minor_digits, tariff_id, rate_id, free_ms, \
    allowance_id) VALUES \
    (71, 0, 0, 'customer', 11, 12, NULL, 1, 'EUR', 2, 100, 190000, 119, 5, 1, 7, 'EUR', 2, 13, \
    14, 15, 16), \
    (71, 0, 1, 'reseller', 21, 22, 23, 0, 'EUR', 2, 90, 0, 90, 5, 1, 6, 'USD', 2, NULL, NULL, 0, \
    NULL), \
    (71, 0, 2, 'supplier', 31, 32, NULL, 0, 'JPY', 0, -80, 0, -80, 5, 1, 5, 'USD', 2, NULL, \
    NULL, 0, NULL)";
const OLD_HOP: &str = "INSERT INTO cdr_hops (cdr_id, part, position, stage, branch, dialled, \
    remote, started_us, ended_us, party, reason, sip, q850) \
    VALUES (71, 0, 255, 1, 2, 'l', '192.0.2.1:5060', 1, 2, 3, 17, 65535, 127)";

/// What stands in `cdrs`, the charges and the hops, as text.
const NEW: [&str; 4] = [
    "SELECT CAST(id AS TEXT) || ' ' || part || ' ' || COALESCE(tenant_id, 0) || ' ' || batch || \
     ' ' || ask || ' ' || snapshot || ' ' || ended_us || ' ' || called_ms || ' ' || dialled || \
     ' ' || reason || ' ' || sip || ' ' || COALESCE(caller_payload_type, 0) || ' ' || \
     COALESCE(caller_codec, '-') || ' ' || unpriced || ' ' || hops_dropped || ' ' || \
     facts_dropped AS line FROM cdrs ORDER BY id",
    "SELECT COALESCE(customer_account_id || ' ' || customer_organization_id || ' ' || \
     customer_prepaid || ' ' || customer_currency || ' ' || customer_minor_digits || ' ' || \
     customer_net || ' ' || customer_vat_ppm || ' ' || customer_gross || ' ' || \
     customer_tariff_id || ' ' || customer_rate_id || ' ' || customer_free_ms || ' ' || \
     customer_allowance_id || ' ' || COALESCE(customer_price_currency, 'own'), 'nobody') || \
     ' | ' || COALESCE(supplier_account_id || ' ' || supplier_net || ' ' || supplier_currency || \
     ' ' || supplier_price_currency || ' ' || supplier_price_minor_digits, 'nobody') AS line \
     FROM cdrs ORDER BY id",
    "SELECT CAST(cdr_id AS TEXT) || ' ' || part || ' ' || position || ' ' || account_id || ' ' \
     || payee_id || ' ' || net || ' ' || price_currency || ' ' || price_minor_digits AS line \
     FROM cdr_levels",
    "SELECT CAST(cdr_id AS TEXT) || ' ' || position || ' ' || reason || ' ' || sip || ' ' || \
     q850 AS line FROM cdr_hops",
];

async fn charges_become_columns(url: &str, before: &str, old: [&str; 6], migration: &str) {
    sqlx::any::install_default_drivers();
    let mut connection = AnyConnection::connect(url).await.unwrap();
    let (begin, steps) = (before.to_owned(), old.join("\n"));
    for sql in [begin, steps, OLD_RECORDS.into(), OLD_CHARGES.into(), OLD_HOP.into()] {
        connection.execute(AssertSqlSafe(sql)).await.unwrap();
    }
    connection.execute(AssertSqlSafe(migration.to_owned())).await.unwrap();
    let mut lines = Vec::new();
    for sql in NEW {
        let rows = sqlx::query(sql).fetch_all(&mut connection).await.unwrap();
        lines.extend(rows.iter().map(|row| row.get::<String, _>("line")));
    }
    let expected = [
        "71 0 1 3 9 8 200 5 l 26 487 127 PCMA 1 4000000000 6",
        "72 1 0 3 9 8 200 5 l 0 0 0 - 0 0 0",
        "11 12 1 EUR 2 100 190000 119 13 14 15 16 own | 31 -80 JPY USD 2",
        "nobody | nobody",
        "71 0 1 21 23 90 USD 2",
        "71 255 17 65535 127",
    ];
    assert_eq!(lines, expected);
    connection.close().await.unwrap();
}

#[tokio::test]
async fn charges_become_columns_on_sqlite() {
    let migration = include_str!("../../migrations/sqlite/0016_charges_are_columns.sql");
    charges_become_columns("sqlite::memory:", "SELECT 1", SQLITE, migration).await;
}

#[tokio::test]
async fn charges_become_columns_on_postgres() {
    let name = "charges_become_columns_on_postgres";
    let Some(db) = Db::postgres(name).await else { return };
    let migration = include_str!("../../migrations/postgres/0016_charges_are_columns.sql");
    let apart = "CREATE SCHEMA old; SET search_path TO old";
    charges_become_columns(db.url(), apart, POSTGRES, migration).await;
    db.end().await;
}
