//! The audit finds what was planted, and nothing else.

use crate::engine::{Db, on_both};
use crate::sample::{record, sample, write_all};
use sqlx::Row;
use strowger_model::{Cdr, TenantId};
use strowger_store::{Finding, Position, Reader};

on_both! {
    sound_books_have_no_finding
    a_checkpoint_covers_what_moved_since
    a_planted_charge_is_found
    a_planted_transfer_is_found
    a_planted_checkpoint_is_found
    a_lost_batch_is_found
    a_row_that_belongs_to_nothing_is_found
    a_reader_creates_nothing
}

/// Three batches, a checkpoint behind the second.
async fn books(db: &Db) {
    write_all(&db.store, &sample()).await;
    for n in 0..3u64 {
        let first = i64::try_from(n * 5 + 1).unwrap();
        let records: Vec<Cdr> =
            (first..first + 5).map(|id| record(id, 0, id * 100, Some(1), 1 + id % 2)).collect();
        let at = |seq| Position { seq, ..Position::default() };
        db.store.ingest(0, at(n * 10), at(n * 10 + 10), &records, 1).await.unwrap();
        if n == 1 {
            assert!(db.store.checkpoint(7).await.unwrap());
        }
    }
}

async fn findings(db: &Db) -> Vec<Finding> {
    let report = db.store.reader().books_check().await.unwrap();
    assert!(!report.more);
    report.findings
}

async fn sound_books_have_no_finding(db: &Db) {
    let empty = db.store.reader().books_check().await.unwrap();
    assert_eq!((empty.batches, empty.transfers, empty.findings), (0, 0, vec![]));
    books(db).await;
    let report = db.store.reader().books_check().await.unwrap();
    assert_eq!(report.findings, []);
    assert_eq!((report.batches, report.transfers, report.accounts), (3, 6, 3));
}

async fn a_checkpoint_covers_what_moved_since(db: &Db) {
    assert!(!db.store.checkpoint(1).await.unwrap());
    books(db).await;
    let read = async || {
        let sql = "SELECT ledger_account_id AS id, up_to_transfer, balance, at_us \
             FROM balance_checkpoints ORDER BY ledger_account_id";
        let number = |row: &sqlx::any::AnyRow, column| row.get::<i64, _>(column);
        let row = |row: &sqlx::any::AnyRow| {
            (number(row, "up_to_transfer"), number(row, "balance"), number(row, "at_us"))
        };
        db.rows(sql).await.iter().map(row).collect::<Vec<_>>()
    };
    // Ids 1 to 10: the odd ones on account 2, the even ones on account 1, three charges each.
    let (odd, even) = ((1 + 3 + 5 + 7 + 9) * 3, (2 + 4 + 6 + 8 + 10) * 3);
    let mut balances: Vec<i64> = read().await.iter().map(|c| c.1).collect();
    balances.sort_unstable();
    assert_eq!(balances, [-even, -odd, odd + even]);
    assert!(read().await.iter().all(|c| (c.0, c.2) == (4, 7)), "{:?}", read().await);
    assert!(db.store.checkpoint(8).await.unwrap());
    assert!(read().await.iter().all(|c| (c.0, c.2) == (6, 8)), "{:?}", read().await);
    assert!(!db.store.checkpoint(9).await.unwrap());
    // One that is gone is made again from nothing, when its account is next booked on.
    db.execute("DELETE FROM balance_checkpoints WHERE ledger_account_id = 1").await.unwrap();
    assert_eq!(findings(db).await, []);
    let at = |seq| Position { seq, ..Position::default() };
    let more: Vec<Cdr> = (20..22).map(|id| record(id, 0, 1, Some(1), 1 + id % 2)).collect();
    db.store.ingest(0, at(30), at(31), &more, 1).await.unwrap();
    assert!(db.store.checkpoint(10).await.unwrap());
    assert_eq!(findings(db).await, []);
}

async fn a_planted_charge_is_found(db: &Db) {
    books(db).await;
    let sql = "UPDATE cdr_charges SET net = net + 1, gross = gross + 1 \
         WHERE cdr_id = 7 AND position = 1";
    db.execute(sql).await.unwrap();
    let found = findings(db).await;
    let [Finding::Batch { batch: 2, charged, moved, .. }] = found.as_slice() else {
        panic!("{found:?}");
    };
    assert_eq!(*charged, moved + 1);
    let says = "batch 2: from tenant 1: account 2 balance EUR to tenant 1: own revenue EUR \
         its records say charge 49, its transfers 48";
    assert_eq!(found[0].to_string(), says);
    // Tax is compared as well.
    db.execute("UPDATE cdr_charges SET net = net - 1 WHERE cdr_id = 7 AND position = 1")
        .await
        .unwrap();
    let found = findings(db).await;
    assert_eq!(found.len(), 1);
    assert!(found[0].to_string().contains("its records say vat 1, its transfers 0"), "{found:?}");
}

async fn a_planted_transfer_is_found(db: &Db) {
    books(db).await;
    // One that no record has, in front of the checkpoint.
    db.execute("UPDATE transfers SET amount = amount + 5 WHERE id = 1").await.unwrap();
    let found = findings(db).await;
    let of_batch = found.iter().filter(|f| matches!(f, Finding::Batch { batch: 1, .. })).count();
    let of_balance = found.iter().filter(|f| matches!(f, Finding::Balance { .. })).count();
    assert_eq!((of_batch, of_balance, found.len()), (1, 2, 3), "{found:?}");
    db.execute("UPDATE transfers SET amount = amount - 5 WHERE id = 1").await.unwrap();
    assert_eq!(findings(db).await, []);
    // One of a batch that never was.
    let sql = "INSERT INTO transfers (tenant_id, at_us, debit_id, credit_id, unit, amount, kind, \
         cause_kind, cause_id) SELECT tenant_id, at_us, debit_id, credit_id, unit, amount, kind, \
         cause_kind, 99 FROM transfers WHERE id = 1";
    db.execute(sql).await.unwrap();
    let found = findings(db).await;
    assert_eq!(found, [Finding::NoBatch { transfer: 7, batch: 99 }]);
    assert_eq!(found[0].to_string(), "transfer 7: there is no batch 99");
}

async fn a_planted_checkpoint_is_found(db: &Db) {
    books(db).await;
    let sql = "UPDATE balance_checkpoints SET balance = balance + 3 WHERE ledger_account_id = 2";
    db.execute(sql).await.unwrap();
    let found = findings(db).await;
    let [Finding::Balance { account: 2, said, rebuilt }, unit] = found.as_slice() else {
        panic!("{found:?}");
    };
    assert_eq!(*said, rebuilt + 3);
    assert_eq!(*unit, Finding::Unit { tenant: TenantId(1), unit: "EUR".into(), sum: 3 });
    let sql = "UPDATE balance_checkpoints SET balance = balance - 3, up_to_transfer = 70 \
         WHERE ledger_account_id = 2";
    db.execute(sql).await.unwrap();
    let found = findings(db).await;
    assert!(found.contains(&Finding::Ahead { account: 2, up_to: 70, newest: 6 }), "{found:?}");
}

async fn a_lost_batch_is_found(db: &Db) {
    books(db).await;
    db.execute("UPDATE batches SET seq_first = 12 WHERE id = 2").await.unwrap();
    let gap = Finding::Stretch { batch: 2, origin: 0, first: 12, before: 10 };
    assert_eq!(findings(db).await, [gap]);
    db.execute("UPDATE batches SET seq_first = 11 WHERE id = 2").await.unwrap();
    db.execute("UPDATE ingest_cursors SET seq = 20").await.unwrap();
    let cursor = Finding::Cursor { origin: 0, seq: 20, last: 30 };
    assert_eq!(findings(db).await, [cursor]);
}

async fn a_row_that_belongs_to_nothing_is_found(db: &Db) {
    books(db).await;
    db.execute("DELETE FROM cdrs WHERE id = 7").await.unwrap();
    let found = findings(db).await;
    let stray = |table| Finding::Stray { table, record: 7 };
    for (table, rows) in [("cdr_charges", 3), ("cdr_hops", 2)] {
        assert_eq!(found.iter().filter(|f| **f == stray(table)).count(), rows, "{found:?}");
    }
    let says = "record 7: a row of cdr_hops refers to what is not there";
    assert!(found.iter().any(|f| f.to_string() == says), "{found:?}");
    // Its transfers have more than the records that are left.
    assert!(found.iter().any(|f| matches!(f, Finding::Batch { batch: 2, .. })), "{found:?}");
    db.execute("UPDATE cdrs SET batch = 99 WHERE id = 8").await.unwrap();
    assert!(findings(db).await.contains(&Finding::Stray { table: "cdrs", record: 8 }));
}

async fn a_reader_creates_nothing(db: &Db) {
    books(db).await;
    let reader = Reader::open_at(&db.place).await.unwrap();
    assert_eq!(reader.books_check().await.unwrap().transfers, 6);
    if let strowger_store::Place::File(file) = &db.place {
        let gone = file.with_file_name("gone.db");
        let place = strowger_store::Place::File(gone.clone());
        assert!(Reader::open_at(&place).await.is_err());
        assert!(!gone.exists());
    }
}
