//! Prices by revisions.

use crate::engine::{Db, on_both};
use crate::sample::{first_revision, sample, write_all};
use strowger_model::{RateId, RevisionState, TariffId, TariffRevision};

on_both! {
    a_draft_counts_when_it_is_published_and_no_more_when_it_is_undone
    revisions_are_listed_and_changed_from_one_state
}

fn second(state: RevisionState) -> TariffRevision {
    TariffRevision { number: 2, state, effective_us: 100, ..first_revision() }
}

async fn prices(db: &Db) -> Vec<(i64, i64, Option<i64>)> {
    let rates = db.store.reader().tariff_rates(TariffId(1)).await.unwrap();
    assert_eq!(rates, db.store.reader().config().await.unwrap().rates);
    rates.iter().map(|rate| (rate.id.0, rate.from_us, rate.until_us)).collect()
}

async fn change(db: &Db, to: RevisionState, was: RevisionState) -> bool {
    let mut w = db.store.write().await.unwrap();
    let changed = w.change_tariff_revision(&second(to), was).await.unwrap();
    w.commit().await.unwrap();
    changed
}

async fn a_draft_counts_when_it_is_published_and_no_more_when_it_is_undone(db: &Db) {
    let rows = sample();
    write_all(&db.store, &rows).await;
    let before = [(1, 7, Some(i64::MAX))];
    assert_eq!(prices(db).await, before);
    let mut w = db.store.write().await.unwrap();
    w.insert_tariff_revision(&second(RevisionState::Draft)).await.unwrap();
    let mut row = rows.rates[0].clone();
    row.id = RateId(2);
    w.insert_revised_rate(&row, 2, false).await.unwrap();
    w.commit().await.unwrap();
    assert_eq!(prices(db).await, before, "a draft does not count");
    assert!(change(db, RevisionState::Published, RevisionState::Draft).await);
    assert_eq!(prices(db).await, [(1, 7, Some(100)), (2, 100, Some(i64::MAX))]);
    assert!(change(db, RevisionState::Undone, RevisionState::Published).await);
    assert_eq!(prices(db).await, before);
}

async fn revisions_are_listed_and_changed_from_one_state(db: &Db) {
    write_all(&db.store, &sample()).await;
    let mut w = db.store.write().await.unwrap();
    w.insert_tariff_revision(&second(RevisionState::Draft)).await.unwrap();
    w.commit().await.unwrap();
    assert!(!change(db, RevisionState::Undone, RevisionState::Published).await);
    let list = db.store.reader().tariff_revisions(TariffId(1), 0, 10).await.unwrap();
    assert_eq!(list, [first_revision(), second(RevisionState::Draft)]);
    let rest = db.store.reader().tariff_revisions(TariffId(1), 1, 10).await.unwrap();
    assert_eq!(rest, [second(RevisionState::Draft)]);
    let rates = db.store.reader().revision_rates(TariffId(1), 1, None, 10).await.unwrap();
    assert_eq!(rates.len(), 1);
    let none = db.store.reader().revision_rates(TariffId(1), 1, Some(RateId(1)), 10).await;
    assert_eq!(none.unwrap(), []);
}
