//! Prices by revisions.

use crate::engine::{Db, on_both};
use crate::sample::{first_revision, sample, write_all};
use serde_json::json;
use std::collections::BTreeSet;
use strowger_model::{Digits, Price, Rate, RateId, RevisionState, TariffId, TariffRevision};
use strowger_store::{Actor, Change, RevisedRate};

on_both! {
    a_draft_counts_when_it_is_published_and_no_more_when_it_is_undone
    revisions_are_listed_and_changed_from_one_state
    price_lines_are_read_again_only_when_they_have_changed
    a_login_is_no_change_of_what_calls_depend_on
    many_rows_go_into_a_draft_with_their_entry_or_not_at_all
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

async fn logged(db: &Db, resource: &'static str, id: i64, state: &str) {
    let mut w = db.store.write().await.unwrap();
    let change = Change::new(resource, id, None, Some(&json!({"state": state})), 9);
    w.record_change(&Actor::system("test"), &change).await.unwrap();
    w.commit().await.unwrap();
}

async fn price_lines_are_read_again_only_when_they_have_changed(db: &Db) {
    let rows = sample();
    write_all(&db.store, &rows).await;
    let reader = db.store.reader();
    let whole = reader.newer_config(0, &BTreeSet::new()).await.unwrap();
    assert_eq!((whole.rows.rates.len(), whole.kept.len()), (1, 0));
    assert_eq!(whole.rows, reader.config().await.unwrap());
    let mut since = whole.change;
    let held = BTreeSet::from([TariffId(1), TariffId(99)]);
    for (resource, id, state, is_kept) in [
        ("subscribers", 1, "", true),
        ("tariff-revisions", 1, "draft", true),
        ("tariff-revisions", 1, "published", false),
        ("tariff-revisions", 2, "published", true),
        ("tariffs", 1, "", false),
    ] {
        logged(db, resource, id, state).await;
        let newer = reader.newer_config(since, &held).await.unwrap();
        let expect = if is_kept { BTreeSet::from([TariffId(1)]) } else { BTreeSet::new() };
        assert_eq!(newer.kept, expect, "{resource} {id} {state}");
        assert_eq!(newer.rows.rates.is_empty(), is_kept, "{resource} {id} {state}");
        assert_eq!(newer.rows.tariffs, rows.tariffs);
        assert!(newer.change > since);
        since = newer.change;
    }
}

/// Who compares the numbers would otherwise read everything again for ever after a login.
async fn a_login_is_no_change_of_what_calls_depend_on(db: &Db) {
    write_all(&db.store, &sample()).await;
    let reader = db.store.reader();
    let before = reader.newest_change().await.unwrap();
    for resource in ["users", "sessions", "tokens", "impersonations"] {
        logged(db, resource, 1, "").await;
        let whole = reader.newer_config(0, &BTreeSet::new()).await.unwrap();
        let mut w = db.store.write().await.unwrap();
        let seen = [reader.newest_change().await.unwrap(), w.newest_change().await.unwrap()];
        w.commit().await.unwrap();
        assert_eq!((seen, whole.change), ([before; 2], before), "{resource}");
    }
}

async fn many_rows_go_into_a_draft_with_their_entry_or_not_at_all(db: &Db) {
    let rows = sample();
    write_all(&db.store, &rows).await;
    let mut w = db.store.write().await.unwrap();
    w.insert_tariff_revision(&second(RevisionState::Draft)).await.unwrap();
    w.commit().await.unwrap();
    let row = |n: i64| {
        let prefix = Digits::parse(&n.to_string()).unwrap();
        let rate = Rate { prefix, price: Price(n), ..rows.rates[0].clone() };
        RevisedRate { rate, revision: 0, removed: n == 7 }
    };
    let many: Vec<RevisedRate> = (1..=1000).map(row).collect();
    let reader = db.store.reader();
    let before = reader.newest_change().await.unwrap();
    let (actor, of) = (Actor::system("test"), TariffId(1));
    let change = Change::new("tariff-revisions", 1, None, Some(&json!({"state": "draft"})), 9);
    let none = db.store.add_rates(of, 1, &many, &actor, &change).await.unwrap();
    assert_eq!((none, reader.newest_change().await.unwrap()), (None, before), "it is published");
    let first = db.store.add_rates(of, 2, &many, &actor, &change).await.unwrap().unwrap();
    assert_eq!(reader.newest_change().await.unwrap(), before + 1);
    let (own, below) = reader.revision_and_below(of, 2).await.unwrap();
    assert_eq!((own.len(), below.len()), (1000, 1));
    assert_eq!(
        own[6],
        RevisedRate {
            revision: 2,
            rate: Rate { id: RateId(first.0 + 6), ..row(7).rate },
            removed: true
        }
    );
    let next = db.store.add_rates(of, 2, &many[..1], &actor, &change).await.unwrap().unwrap();
    assert_eq!(next.0, first.0 + 1000, "ids are never given twice");
}
