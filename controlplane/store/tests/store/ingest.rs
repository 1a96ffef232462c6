//! Exactly once by position, whoever dies or comes twice.

use crate::engine::{Db, on_both};
use crate::sample::{record, sample, write_all};
use sqlx::Row;
use std::collections::BTreeMap;
use strowger_billing::{LedgerKind, Owner, Transfer, postings};
use strowger_model::{AccountId, Amount, Cdr, CdrId, TenantId};
use strowger_store::{
    Life, MemoryStore, Position, Posted, RADIUS_EVENTS_READ_MAX, RadiusEvent, Scope, Store,
    StoreError, Taken,
};

on_both! {
    the_same_stretch_twice_writes_nothing
    a_record_that_comes_twice_stops_nobody
    of_two_writers_one_is_refused
    events_for_radius_stand_with_the_records_until_they_are_told
    a_writer_waits_for_the_one_before
    a_broken_ingest_leaves_nothing
    a_dropped_transaction_leaves_nothing
    balances_are_the_sum_of_transfers
    records_and_transfers_agree_in_each_batch
    a_life_has_one_origin
    origins_learned_from_a_journal_are_never_given_again
    bytes_that_no_text_holds_do_not_stop_the_journal
    lists_are_in_order_of_code_points
}

fn at(seq: u64) -> Position {
    Position { seq, segment: 1, offset: seq * 10 }
}

fn some(ids: core::ops::Range<i64>) -> Vec<Cdr> {
    ids.map(|id| record(id, 0, id * 100, Some(1), 1 + id % 3)).collect()
}

async fn rows_of(db: &Db, table: &str) -> i64 {
    let sql = format!("SELECT CAST(COUNT(*) AS BIGINT) AS n FROM {table}");
    db.rows(&sql).await[0].get("n")
}

/// Rows of everything that an ingest writes.
async fn written(db: &Db) -> [i64; 5] {
    let mut counts = [0; 5];
    let tables = ["batches", "cdrs", "cdr_levels", "cdr_hops", "transfers"];
    for (count, table) in counts.iter_mut().zip(tables) {
        *count = rows_of(db, table).await;
    }
    counts
}

async fn a_record_that_comes_twice_stops_nobody(db: &Db) {
    write_all(&db.store, &sample()).await;
    db.store.ingest(7, at(0), at(3), &some(1..4), 1).await.unwrap();
    let mut again = some(3..6);
    again.push(again[2].clone());
    let ingested = db.store.ingest(7, at(3), at(7), &again, 2).await.unwrap();
    assert_eq!(ingested.doubled, 2);
    assert_eq!(ingested.transfers, postings(ingested.batch, 2, &some(4..6)));
    assert_eq!(rows_of(db, "cdrs").await, 5);
    assert_eq!(db.store.reader().cursors().await.unwrap(), [Taken { origin: 7, at: at(7) }]);
}

async fn the_same_stretch_twice_writes_nothing(db: &Db) {
    write_all(&db.store, &sample()).await;
    let records = some(1..4);
    let ingested = db.store.ingest(7, at(0), at(3), &records, 1).await.unwrap();
    assert_eq!(ingested.transfers, postings(ingested.batch, 1, &records));
    let before = written(db).await;
    assert_eq!(before, [1, 3, 6, 6, ingested.transfers.len().try_into().unwrap()]);
    for (from, to) in [(0, 3), (0, 9), (2, 9), (4, 9)] {
        let again = db.store.ingest(7, at(from), at(to), &some(4..6), 2).await;
        assert!(matches!(again, Err(StoreError::Cursor { origin: 7 })), "{from}..{to}: {again:?}");
    }
    assert_eq!(written(db).await, before);
    assert_eq!(db.store.reader().cursors().await.unwrap(), [Taken { origin: 7, at: at(3) }]);
    db.store.ingest(7, at(3), at(5), &some(4..6), 2).await.unwrap();
    assert_eq!(db.store.reader().cdr_count().await.unwrap(), 5);
}

async fn events_for_radius_stand_with_the_records_until_they_are_told(db: &Db) {
    write_all(&db.store, &sample()).await;
    let event = |tenant, at_us| RadiusEvent {
        id: 0,
        tenant: TenantId(tenant),
        at_us,
        session: "7".into(),
        body: "{\"from\":\"a\0b\"}".into(),
    };
    let reader = db.store.reader();
    let events = [event(2, 5), event(1, 6), event(1, 7)];
    let told = (&some(1..4)[..], &events[..]);
    db.store.ingest_telling(7, (at(0), at(3)), told, 1).await.unwrap();
    // The same stretch again writes neither.
    let again = db.store.ingest_telling(7, (at(0), at(3)), told, 2).await;
    assert!(matches!(again, Err(StoreError::Cursor { origin: 7 })), "{again:?}");
    assert_eq!(reader.radius_tenants().await.unwrap(), [TenantId(1), TenantId(2)]);
    assert_eq!(reader.count_radius_events().await.unwrap(), 3);
    let mine = reader.radius_events(TenantId(1)).await.unwrap();
    let times: Vec<i64> = mine.iter().map(|event| event.at_us).collect();
    assert_eq!(times, [6, 7], "in the order in which they happened");
    assert_eq!((mine[0].session.as_str(), mine[0].body.contains('\0')), ("7", false));
    let mut w = db.store.write().await.unwrap();
    assert!(w.remove_radius_event(mine[0].id).await.unwrap());
    assert!(!w.remove_radius_event(mine[0].id).await.unwrap());
    assert_eq!(w.forget_radius_events(6).await.unwrap(), 1, "the other tenant's");
    w.commit().await.unwrap();
    assert_eq!(reader.radius_events(TenantId(1)).await.unwrap(), mine[1..]);
    // More than are read at a time.
    let many: Vec<RadiusEvent> = (0..100).map(|n| event(3, n)).collect();
    db.store.ingest_telling(7, (at(3), at(5)), (&[], &many), 3).await.unwrap();
    let some = reader.radius_events(TenantId(3)).await.unwrap();
    assert_eq!(u32::try_from(some.len()).unwrap(), RADIUS_EVENTS_READ_MAX);
    assert_eq!(some[0].at_us, 0);
}

async fn of_two_writers_one_is_refused(db: &Db) {
    write_all(&db.store, &sample()).await;
    let other = db.another().await;
    for round in 0..8u64 {
        let first = i64::try_from(round * 4 + 1).unwrap();
        let records = some(first..first + 3);
        let (from, to) = (at(round * 4), at(round * 4 + 4));
        let take = |store: Store| {
            let records = records.clone();
            tokio::spawn(async move { store.ingest(0, from, to, &records, 1).await })
        };
        let (one, two) = (take(db.store.clone()), take(other.clone()));
        let outcomes = [one.await.unwrap(), two.await.unwrap()];
        let taken = outcomes.iter().filter(|o| o.is_ok()).count();
        let refused = outcomes.iter();
        let refused = refused.filter(|o| matches!(o, Err(StoreError::Cursor { origin: 0 })));
        assert_eq!((taken, refused.count()), (1, 1), "{outcomes:?}");
    }
    assert_eq!(db.store.reader().cdr_count().await.unwrap(), 24);
    assert!(db.store.reader().books_check().await.unwrap().findings.is_empty());
    other.close().await;
}

async fn a_writer_waits_for_the_one_before(db: &Db) {
    let other = db.another().await;
    let mut first = db.store.write().await.unwrap();
    first.log_change(None, "first", "x", "x", 1).await.unwrap();
    let second = tokio::spawn(async move {
        let mut second = other.write().await.unwrap();
        second.log_change(None, "second", "x", "x", 2).await.unwrap();
        second.commit().await.unwrap();
        other.close().await;
    });
    // Time for the second to come through, if nothing held it.
    tokio::time::sleep(std::time::Duration::from_millis(200)).await;
    assert!(!second.is_finished());
    assert_eq!(db.store.reader().newest_change().await.unwrap(), 0);
    first.commit().await.unwrap();
    second.await.unwrap();
    let order = db.rows("SELECT actor FROM changes ORDER BY seq").await;
    let order: Vec<String> = order.iter().map(|row| row.get("actor")).collect();
    assert_eq!(order, ["first", "second"]);
}

async fn a_broken_ingest_leaves_nothing(db: &Db) {
    write_all(&db.store, &sample()).await;
    db.store.ingest(0, at(0), at(2), &some(1..3), 1).await.unwrap();
    let before = written(db).await;
    // Nobody knows the last record's tenant: everything in front of its charge was written by then.
    let mut records = some(3..9);
    records.push(record(9, 0, 1, Some(99), 1));
    let failed = db.store.ingest(0, at(2), at(9), &records, 2).await;
    assert!(matches!(failed, Err(StoreError::Database { .. })), "{failed:?}");
    assert_eq!(written(db).await, before);
    assert_eq!(db.store.reader().cursors().await.unwrap(), [Taken { origin: 0, at: at(2) }]);
    // The journal is not lost by it.
    records.pop();
    db.store.ingest(0, at(2), at(9), &records, 3).await.unwrap();
}

/// The process ends between any two steps of an ingest, with the transaction open.
async fn a_dropped_transaction_leaves_nothing(db: &Db) {
    write_all(&db.store, &sample()).await;
    let (mut cut, mut stretches) = (0, 0);
    // On a loaded machine an answer is often there when it is first looked for, and the same
    // exchange has fewer steps: then the next stretch is cut as well.
    while cut <= 10 {
        assert!(stretches < 20, "cut only {cut} times");
        cut += cut_everywhere(db, stretches).await;
        stretches += 1;
    }
    let records = db.store.reader().cdr_count().await.unwrap();
    assert_eq!(records, i64::try_from(stretches * 39).unwrap());
    assert!(db.store.reader().books_check().await.unwrap().findings.is_empty());
}

/// Drops the taking of a stretch at each of its steps, until it is taken whole; how often it was
/// dropped before that.
async fn cut_everywhere(db: &Db, stretch: u64) -> u32 {
    let (from, to) = (at(stretch * 40), at((stretch + 1) * 40));
    let first = i64::try_from(stretch * 40).unwrap() + 1;
    let (records, before) = (some(first..first + 39), written(db).await);
    let mut step = 0u32;
    loop {
        let dying = db.another().await;
        let ingest = dying.ingest(0, from, to, &records, 1);
        let mut ingest = Box::pin(ingest);
        let mut polled = 0;
        // Each poll is one step of the exchange with the database.
        let limit = step + 1;
        let ended = core::future::poll_fn(|context| {
            polled += 1;
            match ingest.as_mut().poll(context) {
                core::task::Poll::Ready(outcome) => core::task::Poll::Ready(Some(outcome)),
                core::task::Poll::Pending if polled >= limit => core::task::Poll::Ready(None),
                core::task::Poll::Pending => core::task::Poll::Pending,
            }
        })
        .await;
        drop(ingest);
        dying.close().await;
        if let Some(outcome) = ended {
            outcome.unwrap();
            return step;
        }
        // A server may still be at the commit that was on its way: who writes next waits for it.
        drop(db.store.write().await.unwrap());
        let taken = db.store.reader().cursors().await.unwrap();
        if taken.iter().any(|taken| taken.at == to) {
            return limit;
        }
        assert_eq!(written(db).await, before, "cut at poll {limit}");
        step += 1;
        assert!(step < 10_000, "it never ends");
    }
}

fn sums(transfers: &[Transfer]) -> BTreeMap<AccountId, i64> {
    let mut sums = BTreeMap::new();
    for t in transfers {
        for (side, amount) in [(t.credit(), t.amount().0), (t.debit(), -t.amount().0)] {
            if let (Owner::Account(id), LedgerKind::Balance) = (side.owner, side.kind) {
                *sums.entry(id).or_default() += amount;
            }
        }
    }
    sums
}

async fn balances_are_the_sum_of_transfers(db: &Db) {
    write_all(&db.store, &sample()).await;
    let (mut all, mut seq) = (Vec::new(), 0);
    for (round, records) in [some(1..4), some(4..5), Vec::new(), some(5..30)].iter().enumerate() {
        let to = seq + 30;
        let ingested = db.store.ingest(0, at(seq), at(to), records, 1).await.unwrap();
        (seq, all) = (to, [all, ingested.transfers].concat());
        let balances = db.store.reader().balances().await.unwrap();
        let is: BTreeMap<_, _> = balances.iter().map(|p| (p.account, p.balance.0)).collect();
        assert_eq!(is, sums(&all), "round {round}");
        // From a checkpoint on it is the same.
        if round % 2 == 1 {
            assert!(db.store.checkpoint(5).await.unwrap());
            assert_eq!(db.store.reader().balances().await.unwrap(), balances);
        }
    }
    let one = db.store.reader().balances().await.unwrap();
    let first = one.iter().find(|p| p.account == AccountId(1)).copied().unwrap();
    // Each record with an id that 3 divides charges account 1 three times its id.
    let expect: i64 = (1..30).filter(|id| id % 3 == 0).map(|id| -3 * id).sum();
    assert_eq!(first, Posted { balance: Amount(expect), ..first });
}

async fn records_and_transfers_agree_in_each_batch(db: &Db) {
    write_all(&db.store, &sample()).await;
    for n in 0..5u64 {
        let first = i64::try_from(n * 5 + 1).unwrap();
        let records = some(first..first + 5);
        db.store.ingest(0, at(n), at(n + 1), &records, 1).await.unwrap();
    }
    let charged = db
        .rows(
            "SELECT batch, CAST(SUM(customer_gross + (SELECT SUM(l.gross) FROM cdr_levels l \
             WHERE l.cdr_id = d.id AND l.part = d.part)) AS BIGINT) AS n FROM cdrs d \
             GROUP BY batch ORDER BY batch",
        )
        .await;
    let moved = db
        .rows(
            "SELECT cause_id AS batch, CAST(SUM(amount) AS BIGINT) AS n FROM transfers \
             WHERE cause_kind = 'batch' GROUP BY cause_id ORDER BY cause_id",
        )
        .await;
    let pairs = |rows: &[sqlx::any::AnyRow]| -> Vec<(i64, i64)> {
        rows.iter().map(|row| (row.get("batch"), row.get("n"))).collect()
    };
    assert_eq!(pairs(&charged).len(), 5);
    assert_eq!(pairs(&charged), pairs(&moved));
}

async fn a_life_has_one_origin(db: &Db) {
    let life = |epoch| Life { node: 1, shard: 0, boot: u128::MAX, epoch };
    for _ in 0..5 {
        assert_eq!(db.store.origin(&life(1)).await.unwrap(), 1);
    }
    // No number is used up by asking: an origin has 23 bits of a record's id.
    assert_eq!(db.store.origin(&life(2)).await.unwrap(), 2);
    assert_eq!(db.store.origin(&life(1)).await.unwrap(), 1);
}

async fn origins_learned_from_a_journal_are_never_given_again(db: &Db) {
    let life = |epoch| Life { node: 1, shard: 0, boot: 7, epoch };
    let mut twin = MemoryStore::new();
    assert_eq!((db.store.origin(&life(1)).await.unwrap(), twin.origin(&life(1))), (1, Some(1)));
    // The journal of a database that was put back names lives that it does not know.
    for (epoch, origin) in [(1, 1), (2, 2), (9, 6), (9, 6)] {
        db.store.learn_origin(&life(epoch), origin).await.unwrap();
        twin.learn_origin(&life(epoch), origin).unwrap();
    }
    // Neither a number nor a life gets another partner.
    for (epoch, origin) in [(9, 5), (3, 6), (1, 9)] {
        let refused = db.store.learn_origin(&life(epoch), origin).await;
        assert!(matches!(refused, Err(StoreError::Row { table: "origins", .. })), "{refused:?}");
        assert!(matches!(twin.learn_origin(&life(epoch), origin), Err(StoreError::Row { .. })));
    }
    for (epoch, origin) in [(10, 7), (9, 6), (2, 2), (11, 8)] {
        assert_eq!(db.store.origin(&life(epoch)).await.unwrap(), origin);
        assert_eq!(twin.origin(&life(epoch)), Some(origin));
    }
}

async fn bytes_that_no_text_holds_do_not_stop_the_journal(db: &Db) {
    write_all(&db.store, &sample()).await;
    let mut odd = record(1, 0, 1, Some(1), 1);
    odd.caller.display = "a\0b\u{1}'\"\\ $1 %".into();
    odd.hops[0].dialled = "\0".into();
    db.store.ingest(0, at(0), at(1), &[odd.clone()], 1).await.unwrap();
    odd.caller.display = odd.caller.display.replace('\0', "\u{fffd}");
    odd.hops[0].dialled = "\u{fffd}".into();
    assert_eq!(db.store.reader().cdr(Scope::All, CdrId(1)).await.unwrap(), Some(odd));
}

async fn lists_are_in_order_of_code_points(db: &Db) {
    for key in ["b", "B", "a", "-a", "\u{e4}"] {
        let mut w = db.store.write().await.unwrap();
        w.put_meta(key, "").await.unwrap();
        w.commit().await.unwrap();
    }
    let rows = db.rows("SELECT key FROM meta ORDER BY key").await;
    let keys: Vec<String> = rows.iter().map(|row| row.get("key")).collect();
    assert_eq!(keys, ["-a", "B", "a", "b", "\u{e4}"]);
}
