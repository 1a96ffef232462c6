//! Records that are rated again: prepared, added up, booked exactly once, and proven.

use crate::engine::{Db, on_both};
use crate::sample::{record, sample, write_all};
use strowger_billing::TransferKind;
use strowger_model::{AccountId, Amount, Cdr, CdrId, Charge, ChargeKind, TenantId, TrunkId};
use strowger_store::{
    CdrKey, Finding, NewRerate, Position, Rerate, RerateCounts, RerateLine, RerateState, Scope,
    Unpublished,
};

on_both! {
    a_run_comes_back_as_it_was_asked_for
    records_are_found_oldest_first_by_what_is_wanted
    lines_are_added_up_booked_once_and_proven
    what_transfers_do_not_say_is_found
}

const TENANT: TenantId = TenantId(1);

fn wanted(key: &str) -> NewRerate {
    NewRerate {
        tenant: TENANT,
        key: key.into(),
        from_us: 100,
        until_us: 200,
        account: None,
        tariff: None,
        trunk: None,
        kind: None,
        new_tariff: None,
        prices_us: None,
        reason: "r".into(),
        actor: "admin".into(),
        at_us: 7,
    }
}

async fn begin(db: &Db, new: &NewRerate) -> Rerate {
    let mut w = db.store.write().await.unwrap();
    let run = w.insert_rerate(new).await.unwrap();
    w.commit().await.unwrap();
    run
}

async fn again(db: &Db, run: &Rerate) -> Rerate {
    db.store.reader().rerate(Scope::All, run.id).await.unwrap().unwrap()
}

async fn publish(db: &Db, run: &Rerate, with_money: bool) -> Result<Rerate, Unpublished> {
    let mut w = db.store.write().await.unwrap();
    let done = w.publish_rerate(run, with_money, 8).await.unwrap();
    w.commit().await.unwrap();
    done
}

/// A record of an answered call of account 1, whose customer pays its id.
fn answered(id: i64, ended_us: i64) -> Cdr {
    let mut cdr = record(id, 0, ended_us, Some(1), 1);
    cdr.times.answered_us = Some(1);
    cdr.levels.clear();
    cdr
}

async fn ingest(db: &Db, records: &[Cdr]) {
    let to = Position { seq: 1, ..Position::default() };
    db.store.ingest(0, Position::default(), to, records, 9).await.unwrap();
}

/// A line that makes a charge cost `gross`, of which `tax` is tax.
fn line(cdr: &Cdr, position: i16, (gross, tax): (i64, i64)) -> RerateLine {
    let was = cdr.customer.unwrap();
    let kind = match position {
        0 => ChargeKind::Customer,
        1.. => ChargeKind::Reseller,
        ..0 => ChargeKind::Supplier,
    };
    let charge = Charge { kind, net: Amount(gross - tax), gross: Amount(gross), ..was };
    let (cdr, part) = (cdr.id, cdr.part);
    let (was_net, was_gross) = (was.net, was.gross);
    RerateLine { line: 0, cdr, part, position, version: 2, was_net, was_gross, charge }
}

async fn prepare(db: &Db, run: &Rerate, lines: &[RerateLine]) -> bool {
    let counts = RerateCounts { records: 2, same: 1, unpriced: 3 };
    let last = CdrKey { ended_us: 150, id: CdrId(5), part: 0 };
    db.store.prepare_rerate(run, (last, counts), lines, Some(77)).await.unwrap()
}

async fn a_run_comes_back_as_it_was_asked_for(db: &Db) {
    write_all(&db.store, &sample()).await;
    let new = NewRerate {
        account: Some(AccountId(1)),
        tariff: Some(strowger_model::TariffId(1)),
        trunk: Some(TrunkId(1)),
        kind: Some(ChargeKind::Supplier),
        new_tariff: Some(strowger_model::TariffId(1)),
        prices_us: Some(-5),
        ..wanted("a")
    };
    let run = begin(db, &new).await;
    assert_eq!((&run.wanted, run.state), (&new, RerateState::Preparing));
    let reader = db.store.reader();
    assert_eq!(reader.rerate_with_key(TENANT, "a").await.unwrap().as_ref(), Some(&run));
    assert_eq!(reader.rerate_with_key(TenantId(2), "a").await.unwrap(), None);
    assert_eq!(reader.rerate(Scope::Tenant(TenantId(2)), run.id).await.unwrap(), None);
    let mut w = db.store.write().await.unwrap();
    assert!(w.insert_rerate(&wanted("a")).await.is_err(), "a key counts once");
    drop(w);
    let second = begin(db, &wanted("b")).await;
    let listed = reader.rerates(Scope::Tenant(TENANT), None, 9).await.unwrap();
    assert_eq!(listed, [second.clone(), run.clone()]);
    let older = reader.rerates(Scope::All, Some(second.id), 9).await.unwrap();
    assert_eq!(older.as_slice(), std::slice::from_ref(&run));
    assert_eq!(reader.open_rerates(TENANT).await.unwrap(), 2);
    assert_eq!(reader.rerate_due().await.unwrap(), Some(run));
}

async fn records_are_found_oldest_first_by_what_is_wanted(db: &Db) {
    write_all(&db.store, &sample()).await;
    let mut all: Vec<Cdr> = (1..=4).map(|id| answered(id, 205 - id)).collect();
    all[0].called.trunk = Some(TrunkId(1));
    all[1].times.answered_us = None;
    let mut other = all[0].customer.unwrap();
    (other.account, other.kind) = (AccountId(7), ChargeKind::Reseller);
    all[3].levels = vec![other];
    all.push(answered(9, 99));
    all.push(answered(10, 100));
    ingest(db, &all).await;
    let found = async |new: NewRerate| {
        let run = begin(db, &new).await;
        let found = db.store.reader().rerate_records(&run).await.unwrap();
        found.iter().map(|cdr| cdr.id.0).collect::<Vec<_>>()
    };
    let wide = NewRerate { until_us: 205, ..wanted("wide") };
    assert_eq!(found(wide.clone()).await, [10, 4, 3, 1]);
    assert_eq!(found(wanted("narrow")).await, [10]);
    let trunk = NewRerate { trunk: Some(TrunkId(1)), key: "t".into(), ..wide.clone() };
    assert_eq!(found(trunk).await, [1]);
    let account = NewRerate { account: Some(AccountId(7)), key: "l".into(), ..wide.clone() };
    assert_eq!(found(account).await, [4]);
    let both = NewRerate {
        account: Some(AccountId(7)),
        trunk: Some(TrunkId(1)),
        key: "both".into(),
        ..wide
    };
    assert_eq!(found(both).await, [0i64; 0]);
}

async fn lines_are_added_up_booked_once_and_proven(db: &Db) {
    write_all(&db.store, &sample()).await;
    let records = [answered(100, 110), answered(200, 120)];
    ingest(db, &records).await;
    let run = begin(db, &wanted("a")).await;
    let lines = [line(&records[0], 0, (60, 10)), line(&records[1], -1, (250, 0))];
    assert!(prepare(db, &run, &lines).await);
    assert!(!prepare(db, &run, &lines).await, "somebody went on with it");
    let run = again(db, &run).await;
    assert_eq!((run.state, run.lines, run.prepared_us), (RerateState::Prepared, 2, Some(77)));
    assert_eq!((run.counts.records, run.counts.same, run.counts.unpriced), (2, 1, 3));
    let reader = db.store.reader();
    let told = reader.rerate_lines(run.id, 0, 9).await.unwrap();
    let numbered: Vec<RerateLine> =
        (1..).zip(lines).map(|(number, line)| RerateLine { line: number, ..line }).collect();
    assert_eq!(told, numbered);
    assert_eq!(reader.rerate_lines(run.id, 1, 9).await.unwrap(), numbered[1..]);
    let sums = reader.rerate_sums(run.id, None, 9).await.unwrap();
    let short = sums.iter().map(|s| (s.key.kind, s.lines, s.was[1].0, s.now[0].0, s.now[1].0));
    assert_eq!(short.collect::<Vec<_>>(), [(0, 1, 100, 50, 60), (2, 1, 200, 250, 250)]);
    assert_eq!(reader.rerate_sums(run.id, Some(sums[0].key), 9).await.unwrap(), sums[1..]);
    assert_eq!(reader.ratings_of(&[CdrId(100)]).await.unwrap(), []);

    let run = publish(db, &run, true).await.unwrap();
    let (last, transfers) = reader.rerate_transfers(&run, 9).await.unwrap();
    assert!(db.store.post_rerate(&run, (last, &transfers)).await.unwrap());
    assert!(!db.store.post_rerate(&run, (last, &transfers)).await.unwrap());
    assert_eq!(again(db, &run).await.state, RerateState::Published);
    let ratings = reader.ratings_of(&[CdrId(100), CdrId(200)]).await.unwrap();
    assert_eq!(ratings.iter().map(|r| r.line).collect::<Vec<_>>(), numbered);
    // 300 were charged; 40 come back, and 50 more are owed.
    let entries = reader.entries(TENANT, AccountId(1), None, 9).await.unwrap();
    let moved = entries.iter().filter(|e| e.kind == TransferKind::Rerate);
    assert_eq!(moved.clone().map(|entry| entry.amount.0).sum::<i64>(), 90);
    for entry in moved {
        assert_eq!((entry.rerate, entry.reason.as_deref()), (Some(run.id), Some("r")));
    }
    assert_eq!(reader.books_check().await.unwrap().findings, []);
    assert_eq!(publish(db, &run, true).await, Err(Unpublished::State(RerateState::Published)));
}

async fn what_transfers_do_not_say_is_found(db: &Db) {
    write_all(&db.store, &sample()).await;
    let records = [answered(100, 110)];
    ingest(db, &records).await;
    let run = begin(db, &wanted("a")).await;
    assert!(prepare(db, &run, &[line(&records[0], 0, (60, 0))]).await);
    let run = publish(db, &again(db, &run).await, true).await.unwrap();
    let booked = db.store.reader().rerate_transfers(&run, 9).await.unwrap();
    assert!(db.store.post_rerate(&run, (booked.0, &booked.1)).await.unwrap());
    db.execute("UPDATE rerate_lines SET net = 61, gross = 61").await.unwrap();
    let found = db.store.reader().books_check().await.unwrap().findings;
    let [Finding::Rerate { rerate, corrected, moved, .. }] = found.as_slice() else {
        panic!("{found:?}")
    };
    assert_eq!((*rerate, corrected.abs(), moved.abs()), (run.id, 39, 40));
    assert!(found[0].to_string().starts_with(&format!("re-rating {}: from ", run.id)));
}
