//! What people read by SQL says what the records say.

use crate::engine::{Db, on_both};
use crate::sample::{record, sample, write_all};
use sqlx::Row;
use strowger_model::{Amount, Cdr, Charge, ChargeKind, Currency, Price, party_name, reason_name};
use strowger_store::Position;

on_both! {
    money_is_shown_as_decimals
    every_code_has_its_word
    times_are_times
}

/// 2026-09-21 14:13:20.000007 UTC.
const ENDED_US: i64 = 1_790_000_000_000_007;

fn at(seq: u64) -> Position {
    Position { seq, segment: 1, offset: seq }
}

/// A record of yen for the customer, euros for the supplier and a level that gets something back.
fn priced() -> Cdr {
    let (yen, euro) = (Currency::new("JPY", 0).unwrap(), Currency::new("EUR", 2).unwrap());
    let mut cdr = record(5, 0, ENDED_US, Some(1), 1);
    let charge = cdr.customer.unwrap();
    let net = |net, currency, kind| Charge {
        kind,
        currency,
        net: Amount(net),
        gross: Amount(net),
        price_currency: euro,
        unit_price: Price(12_000_001),
        ..charge
    };
    cdr.customer = Some(net(1_234_567_890, yen, ChargeKind::Customer));
    cdr.levels = vec![net(-5, euro, ChargeKind::Reseller)];
    cdr.supplier = Some(net(100_000_000, euro, ChargeKind::Supplier));
    cdr.commissions = vec![net(7, euro, ChargeKind::Commission)];
    cdr
}

async fn texts(db: &Db, sql: &str) -> Vec<String> {
    let rows = db.rows(sql).await;
    let columns = |row: &sqlx::any::AnyRow| {
        let values = (0..row.len()).map(|at| row.get::<Option<String>, _>(at));
        values.map(|value| value.unwrap_or_default()).collect::<Vec<_>>().join(" ")
    };
    rows.iter().map(columns).collect()
}

async fn money_is_shown_as_decimals(db: &Db) {
    write_all(&db.store, &sample()).await;
    db.store.ingest(0, at(0), at(1), &[priced()], 1).await.unwrap();
    let sql = "SELECT kind, currency, CAST(net AS TEXT), CAST(gross AS TEXT), \
         CAST(unit_price AS TEXT), price_currency FROM v_cdr_charges ORDER BY position";
    let charges = [
        "customer JPY 1234.567890 1234.567890 0.012000001 EUR",
        "reseller EUR -0.00000005 -0.00000005 0.012000001 EUR",
        "commission EUR 0.00000007 0.00000007 0.012000001 EUR",
        "supplier EUR 1.00000000 1.00000000 0.012000001 EUR",
    ];
    assert_eq!(texts(db, sql).await, charges);
    let sql = "SELECT customer_currency, CAST(customer_net AS TEXT), supplier_currency, \
         CAST(supplier_gross AS TEXT) FROM v_cdrs";
    assert_eq!(texts(db, sql).await, ["JPY 1234.567890 EUR 1.00000000"]);
    // Nothing is not zero.
    db.store.ingest(0, at(1), at(2), &[record(6, 0, 1, Some(1), 1)], 1).await.unwrap();
    let rows = db.rows("SELECT CAST(supplier_net AS TEXT) AS n FROM v_cdrs WHERE id = 6").await;
    assert_eq!(rows[0].get::<Option<String>, _>("n"), None);
}

async fn every_code_has_its_word(db: &Db) {
    write_all(&db.store, &sample()).await;
    let records = (0..u8::MAX).map(|code| {
        let mut cdr = record(code.into(), 0, 1, Some(1), 1);
        (cdr.outcome.reason, cdr.outcome.party) = (code, code);
        cdr
    });
    db.store.ingest(0, at(0), at(1), &records.collect::<Vec<_>>(), 1).await.unwrap();
    let words = texts(db, "SELECT reason, party FROM v_cdrs ORDER BY id").await;
    let expected: Vec<String> = (0..u8::MAX)
        .map(|code| {
            let word = |name: Option<&'static str>| name.unwrap_or_default();
            format!("{} {}", word(reason_name(code)), word(party_name(code)))
        })
        .collect();
    assert_eq!(words, expected);
}

async fn times_are_times(db: &Db) {
    write_all(&db.store, &sample()).await;
    db.store.ingest(0, at(0), at(1), &[priced()], 1).await.unwrap();
    let sql = match db.is_postgres {
        true => {
            "SELECT to_char(ended AT TIME ZONE 'UTC', 'YYYY-MM-DD\"T\"HH24:MI:SS.US\"Z\"'), \
             CAST(answered AS TEXT) FROM v_cdrs"
        }
        false => "SELECT ended, answered FROM v_cdrs",
    };
    assert_eq!(texts(db, sql).await, ["2026-09-21T14:13:20.000007Z "]);
}
