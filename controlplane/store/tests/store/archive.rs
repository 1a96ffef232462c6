//! Records that leave the database, and the books that agree all the same.

use crate::engine::{Db, on_both};
use crate::sample::{record, sample, write_all};
use sqlx::Row;
use strowger_model::{Amount, Cdr, CdrId, Charge, ChargeKind, TenantId};
use strowger_store::{ARCHIVE_MAX, Archive, OldRecords, Position, Scope};

on_both! {
    old_records_leave_with_all_that_belongs_to_them
    the_books_agree_without_them_and_tell_when_a_sum_is_wrong
    what_is_too_young_or_not_proven_or_anothers_stays
    a_step_that_is_not_committed_comes_again_the_same
    more_than_a_step_takes_leaves_in_order
}

const OLD: OldRecords =
    OldRecords { tenant: Some(TenantId(1)), before_us: 1_000, batch_max: i64::MAX };

fn at(seq: u64) -> Position {
    Position { seq, segment: 1, offset: seq * 10 }
}

/// Ten records of two accounts that end 100 us apart, the last of no tenant.
fn ten() -> Vec<Cdr> {
    let one = |id: i64| {
        let tenant = (id < 10).then_some(1);
        let mut cdr = record(id, 0, id * 200, tenant, 1 + id % 2);
        cdr.times.started_us = id * 500_000_000;
        cdr
    };
    (1..=10).map(one).collect()
}

async fn filled(db: &Db) {
    write_all(&db.store, &sample()).await;
    db.store.ingest(7, at(0), at(4), &ten()[..4], 1).await.unwrap();
    db.store.ingest(7, at(4), at(10), &ten()[4..], 2).await.unwrap();
}

async fn next(db: &Db, of: OldRecords) -> Option<Archive> {
    db.store.reader().old_records(of).await.unwrap()
}

async fn take(db: &Db, archive: &Archive) {
    let mut w = db.store.write().await.unwrap();
    w.archive(archive, true, 9).await.unwrap();
    w.commit().await.unwrap();
}

async fn count(db: &Db, table: &str) -> i64 {
    let sql = format!("SELECT CAST(COUNT(*) AS BIGINT) AS n FROM {table}");
    db.rows(&sql).await[0].get("n")
}

async fn agree(db: &Db) {
    let report = db.store.reader().books_check().await.unwrap();
    assert_eq!(report.findings, []);
}

async fn old_records_leave_with_all_that_belongs_to_them(db: &Db) {
    filled(db).await;
    let before = [count(db, "cdr_levels").await, count(db, "cdr_hops").await];
    let archive = next(db, OLD).await.unwrap();
    assert_eq!((archive.id, archive.lines.len()), (1, 4));
    let first: serde_json::Value = serde_json::from_str(&archive.lines[0]).unwrap();
    let known = &ten()[0];
    assert_eq!(first["record"]["id"], known.id.0);
    assert_eq!(first["record"]["ended_us"], known.times.ended_us);
    assert_eq!(first["record"]["received"], known.called.received.as_str());
    assert_eq!(first["record"]["customer_gross"], known.customer.unwrap().gross.0);
    assert_eq!(first["levels"].as_array().unwrap().len(), known.levels.len());
    assert_eq!(first["hops"][1]["remote"], known.hops[1].remote.to_string());
    take(db, &archive).await;
    assert_eq!(next(db, OLD).await, None);
    assert_eq!(count(db, "cdrs").await, 6);
    let after = [count(db, "cdr_levels").await, count(db, "cdr_hops").await];
    assert_eq!(after.map(|n| n * 10), before.map(|n| n * 6));
    let reader = db.store.reader();
    assert_eq!(reader.cdr(Scope::All, CdrId(4)).await.unwrap(), None);
    assert!(reader.cdr(Scope::All, CdrId(5)).await.unwrap().is_some());
    let row = &db.rows("SELECT * FROM archives").await[0];
    let is = ["id", "tenant_id", "from_us", "until_us", "records", "in_file", "at_us"];
    assert_eq!(is.map(|name| row.get::<i64, _>(name)), [1, 1, 200, 800, 4, 1, 9]);
}

async fn the_books_agree_without_them_and_tell_when_a_sum_is_wrong(db: &Db) {
    write_all(&db.store, &sample()).await;
    let mut records = ten();
    // Commissions, tax, free seconds and a charge below zero are summed apart.
    let charge = records[0].customer.unwrap();
    records[0].commissions = vec![Charge { kind: ChargeKind::Commission, ..charge }];
    records[1].customer = Some(Charge { net: Amount(70), gross: Amount(84), ..charge });
    records[2].customer = Some(Charge { net: Amount(-7), gross: Amount(-7), ..charge });
    db.store.ingest(7, at(0), at(10), &records, 1).await.unwrap();
    agree(db).await;
    let balances = db.store.reader().balances().await.unwrap();
    take(db, &next(db, OLD).await.unwrap()).await;
    agree(db).await;
    take(db, &next(db, OldRecords { before_us: 9_999, ..OLD }).await.unwrap()).await;
    agree(db).await;
    take(db, &next(db, OldRecords { tenant: None, before_us: 9_999, ..OLD }).await.unwrap()).await;
    assert_eq!(count(db, "cdrs").await, 0);
    agree(db).await;
    assert_eq!(db.store.reader().balances().await.unwrap(), balances);
    let sql =
        "UPDATE archived_charges SET gross = gross + 1 WHERE kind = 'customer' AND gross = 84";
    db.execute(sql).await.unwrap();
    let report = db.store.reader().books_check().await.unwrap();
    // Its batch and its quarter.
    assert_eq!(report.findings.len(), 2, "{:?}", report.findings);
}

async fn what_is_too_young_or_not_proven_or_anothers_stays(db: &Db) {
    filled(db).await;
    assert_eq!(next(db, OldRecords { before_us: 200, ..OLD }).await, None);
    assert_eq!(next(db, OldRecords { tenant: Some(TenantId(2)), ..OLD }).await, None);
    assert_eq!(next(db, OldRecords { tenant: None, ..OLD }).await, None);
    let all = OldRecords { before_us: i64::MAX, ..OLD };
    assert_eq!(next(db, all).await.unwrap().lines.len(), 9);
    assert_eq!(next(db, OldRecords { batch_max: 1, ..all }).await.unwrap().lines.len(), 4);
    assert_eq!(next(db, OldRecords { batch_max: 0, ..all }).await, None);
    let of_none = OldRecords { tenant: None, ..all };
    assert_eq!(next(db, of_none).await.unwrap().lines.len(), 1);
}

async fn a_step_that_is_not_committed_comes_again_the_same(db: &Db) {
    filled(db).await;
    let archive = next(db, OLD).await.unwrap();
    let mut w = db.store.write().await.unwrap();
    w.archive(&archive, true, 9).await.unwrap();
    drop(w);
    assert_eq!(next(db, OLD).await.as_ref(), Some(&archive));
    take(db, &archive).await;
    // Nor twice: its number is taken.
    let mut w = db.store.write().await.unwrap();
    w.archive(&archive, true, 9).await.unwrap_err();
    drop(w);
    db.execute("DELETE FROM archives").await.unwrap();
    let mut w = db.store.write().await.unwrap();
    let wrong = w.archive(&archive, true, 9).await.unwrap_err();
    assert!(format!("{wrong:?}").contains("0 records of 4"), "{wrong:?}");
}

async fn more_than_a_step_takes_leaves_in_order(db: &Db) {
    write_all(&db.store, &sample()).await;
    let most = i64::try_from(ARCHIVE_MAX).unwrap();
    let many: Vec<Cdr> = (1..=most + 5).map(|id| record(id, 0, 5_000 - id, Some(1), 1)).collect();
    let to = u64::try_from(most).unwrap() + 5;
    db.store.ingest(7, at(0), at(to), &many, 1).await.unwrap();
    let all = OldRecords { before_us: i64::MAX, ..OLD };
    let first = next(db, all).await.unwrap();
    assert_eq!(first.lines.len(), ARCHIVE_MAX);
    take(db, &first).await;
    let second = next(db, all).await.unwrap();
    assert_eq!((second.id, second.lines.len()), (2, 5));
    assert!(second.lines[4].contains("\"ended_us\":4999"), "{}", second.lines[4]);
    take(db, &second).await;
    assert_eq!(next(db, all).await, None);
    agree(db).await;
}
