//! Statistics against sums over the records themselves.

use crate::engine::{Db, on_both};
use crate::sample::{record, sample, write_all};
use std::collections::BTreeMap;
use strowger_model::*;
use strowger_store::{
    Position, Scope, Statistic, StatisticBy, StatisticQuestion, StatisticSubject, Statistics,
    TimeUnit, UnfitQuestion,
};

on_both! {
    sums_are_those_of_the_records
    the_same_stretch_twice_counts_once
    a_day_begins_on_the_tenants_clock
    a_correction_is_another_summand
    who_buys_sees_his_accounts
    trunks_are_known_again
    talk_is_known_again_by_the_tenants_day
    old_quarters_go
}

const TENANT: TenantId = TenantId(1);
const HOUR_US: i64 = 3_600_000_000;
const DAY_US: i64 = 24 * HOUR_US;

fn at(seq: u64) -> Position {
    Position { seq, segment: 1, offset: seq * 10 }
}

/// Calls over three days: each third is not answered, by trunks 1 to 3 to two countries.
fn calls(n: i64) -> Vec<Cdr> {
    let call = |i: i64| {
        let started_us = (i * 7_919 % (3 * 24 * 60)) * 60_000_000;
        let answered = i % 3 != 0;
        let mut cdr = record(i + 1, 0, started_us + 30_000_000, Some(1), 1);
        cdr.times = CdrTimes {
            started_us,
            rang_us: Some(started_us + 1_000_000),
            answered_us: answered.then_some(started_us + 5_000_000),
            ended_us: started_us + 30_000_000,
            setup_ms: 5_000,
            talk_ms: if answered { 1_000 * (i.unsigned_abs() % 40) } else { 0 },
            ..CdrTimes::default()
        };
        let number = if i % 2 == 0 { "447911123456" } else { "4930123456" };
        cdr.called.normalised = Digits::parse(number).ok();
        cdr.called.destination = (i % 2 == 0).then(|| Digits::parse("44").unwrap());
        cdr.called.trunk = Some(TrunkId(1 + i % 3));
        cdr.hops.clear();
        cdr
    };
    (0..n).map(call).collect()
}

fn asked(by: StatisticBy) -> StatisticQuestion {
    StatisticQuestion {
        tenant: Some(TENANT),
        from_us: 0,
        until_us: 3 * DAY_US,
        by,
        only: None,
        destination: None,
    }
}

async fn ask(db: &Db, scope: Scope, question: &StatisticQuestion) -> Vec<Statistic> {
    let answer = db.store.reader().statistics(scope, question).await.unwrap();
    let Statistics { lines, is_too_much } = answer.unwrap();
    assert!(!is_too_much);
    lines
}

/// Calls, answered and talk of each group.
type Sums<K> = BTreeMap<K, (i64, i64, i64)>;

fn sums<K: Ord>(records: &[Cdr], key: impl Fn(&Cdr) -> K) -> Sums<K> {
    let mut all = Sums::new();
    for cdr in records {
        let sum = all.entry(key(cdr)).or_default();
        sum.0 += 1;
        sum.1 += i64::from(cdr.is_answered());
        sum.2 += i64::try_from(cdr.times.talk_ms).unwrap();
    }
    all
}

fn told<K: Ord>(lines: &[Statistic], key: impl Fn(&Statistic) -> K) -> Sums<K> {
    let sum = |line: &Statistic| {
        let m = line.measures;
        (key(line), (m.calls, m.answered, m.talk_ms))
    };
    lines.iter().map(sum).collect()
}

async fn sums_are_those_of_the_records(db: &Db) {
    write_all(&db.store, &sample()).await;
    let records = calls(900);
    db.store.ingest(0, at(0), at(450), &records[..450], 1).await.unwrap();
    db.store.ingest(0, at(450), at(900), &records[450..], 1).await.unwrap();
    let scope = Scope::Tenant(TENANT);
    let none = StatisticBy::default();
    let all = ask(db, scope, &asked(none)).await;
    assert_eq!(told(&all, |_| ()), sums(&records, |_| ()));
    let expect: i64 = records.iter().map(|r| r.customer.unwrap().net.0).sum();
    assert_eq!(all[0].money.len(), 1);
    assert_eq!(all[0].money[0].1.customer, expect);
    assert_eq!(all[0].span_us, 3 * DAY_US);

    let by = StatisticBy { time: Some(TimeUnit::Hour), ..none };
    let hours = ask(db, scope, &asked(by)).await;
    let hour = |us: i64| us - us.rem_euclid(HOUR_US);
    let own = |line: &Statistic| line.from_us.unwrap();
    assert_eq!(told(&hours, own), sums(&records, |r| hour(r.times.started_us)));

    let subject = Some(StatisticSubject::Egress);
    let by = StatisticBy { subject, destination: true, ..none };
    let trunks = ask(db, scope, &asked(by)).await;
    let own = |line: &Statistic| (line.subject.unwrap(), line.destination.clone().unwrap());
    let of = |r: &Cdr| {
        let is_uk = r.called.destination.is_some();
        (r.called.trunk.unwrap().0, if is_uk { "44" } else { "4930" }.to_owned())
    };
    assert_eq!(told(&trunks, own), sums(&records, of));

    let only = Some((StatisticSubject::Egress, 2));
    let destination = Digits::parse("4").ok();
    let by = StatisticBy { time: Some(TimeUnit::Day), ..none };
    let days = ask(db, scope, &StatisticQuestion { only, destination, ..asked(by) }).await;
    let second: Vec<Cdr> =
        records.iter().filter(|r| r.called.trunk == Some(TrunkId(2))).cloned().collect();
    let day = |us: i64| us - us.rem_euclid(DAY_US);
    let own = |line: &Statistic| line.from_us.unwrap();
    assert_eq!(told(&days, own), sums(&second, |r| day(r.times.started_us)));

    let part = StatisticQuestion { until_us: HOUR_US, ..asked(none) };
    let first: Vec<Cdr> =
        records.iter().filter(|r| r.times.started_us < HOUR_US).cloned().collect();
    assert_eq!(told(&ask(db, scope, &part).await, |_| ()), sums(&first, |_| ()));
    let other = StatisticQuestion { tenant: Some(TenantId(2)), ..asked(none) };
    assert!(ask(db, Scope::All, &other).await.is_empty());
}

async fn the_same_stretch_twice_counts_once(db: &Db) {
    write_all(&db.store, &sample()).await;
    let records = calls(9);
    db.store.ingest(0, at(0), at(5), &records[..5], 1).await.unwrap();
    assert!(db.store.ingest(0, at(0), at(5), &records[..5], 1).await.is_err());
    // The journal has some of them twice.
    let again = db.store.ingest(0, at(5), at(12), &records[2..], 1).await.unwrap();
    assert_eq!(again.doubled, 3);
    let all = ask(db, Scope::Tenant(TENANT), &asked(StatisticBy::default())).await;
    assert_eq!(told(&all, |_| ()), sums(&records, |_| ()));
}

async fn a_day_begins_on_the_tenants_clock(db: &Db) {
    write_all(&db.store, &sample()).await;
    let zone = Zone::new(5 * 3_600 + 1_800, Vec::new()).unwrap();
    db.store.set_zones(BTreeMap::from([(TENANT, zone)]));
    let records = calls(300);
    db.store.ingest(0, at(0), at(300), &records, 1).await.unwrap();
    let ahead_us = 5 * HOUR_US + HOUR_US / 2;
    let by = StatisticBy { time: Some(TimeUnit::Day), destination: true, ..Default::default() };
    let (from_us, until_us) = (DAY_US - ahead_us, 2 * DAY_US - ahead_us);
    let question = StatisticQuestion { from_us, until_us, ..asked(by) };
    let lines = ask(db, Scope::Tenant(TENANT), &question).await;
    let inside = |r: &&Cdr| (from_us..until_us).contains(&r.times.started_us);
    let inside: Vec<Cdr> = records.iter().filter(inside).cloned().collect();
    assert!(!inside.is_empty());
    let mut total = (0, 0, 0);
    for line in &lines {
        assert_eq!((line.from_us, line.span_us), (Some(from_us), DAY_US));
        let m = line.measures;
        total = (total.0 + m.calls, total.1 + m.answered, total.2 + m.talk_ms);
    }
    assert_eq!(total, sums(&inside, |_| ())[&()]);
    let utc = StatisticQuestion { from_us: 0, until_us: DAY_US, ..asked(by) };
    let unfit = db.store.reader().statistics(Scope::Tenant(TENANT), &utc).await.unwrap();
    assert_eq!(unfit, Err(UnfitQuestion::NoDay));
}

async fn a_correction_is_another_summand(db: &Db) {
    write_all(&db.store, &sample()).await;
    let records = calls(30);
    db.store.ingest(0, at(0), at(30), &records, 1).await.unwrap();
    let mut dearer = records[4].clone();
    dearer.customer.as_mut().unwrap().net.0 += 1_000;
    let mut w = db.store.write().await.unwrap();
    let pairs = [(records[4].clone(), dearer)];
    w.correct_statistics(&db.store, &pairs).await.unwrap();
    w.commit().await.unwrap();
    let expect: i64 = records.iter().map(|r| r.customer.unwrap().net.0).sum();
    let by = StatisticBy { subject: Some(StatisticSubject::Account), ..Default::default() };
    for by in [StatisticBy::default(), by] {
        let all = ask(db, Scope::Tenant(TENANT), &asked(by)).await;
        assert_eq!(told(&all, |_| ()), sums(&records, |_| ()));
        assert_eq!(all[0].money[0].1.customer, expect + 1_000);
    }
}

async fn who_buys_sees_his_accounts(db: &Db) {
    write_all(&db.store, &sample()).await;
    db.store.ingest(0, at(0), at(20), &calls(20), 1).await.unwrap();
    let count = |lines: Vec<Statistic>| lines.iter().map(|l| l.measures.calls).sum::<i64>();
    let all = asked(StatisticBy::default());
    for (scope, expect) in [
        (Scope::All, 20),
        (Scope::Nothing, 0),
        (Scope::Tenant(TenantId(9)), 0),
        (Scope::Organization(TENANT, OrganizationId(1)), 20),
        (Scope::Organization(TENANT, OrganizationId(2)), 0),
        (Scope::Customer(TENANT, AccountId(1)), 20),
        (Scope::Customer(TENANT, AccountId(2)), 0),
    ] {
        assert_eq!(count(ask(db, scope, &all).await), expect, "{scope:?}");
    }
    let supplier = Scope::Supplier(TENANT, AccountId(1));
    let refused = db.store.reader().statistics(supplier, &all).await.unwrap();
    assert_eq!(refused, Err(UnfitQuestion::NotForYou));
}

async fn trunks_are_known_again(db: &Db) {
    write_all(&db.store, &sample()).await;
    let mut records = calls(90);
    let failed = CdrOutcome { party: 1, reason: reason_code("busy").unwrap(), sip: 486, q850: 17 };
    records[7].hops = record(1, 0, 0, Some(1), 1).hops;
    records[7].hops[1].trunk = Some(TrunkId(9));
    records[7].hops[1].outcome = failed;
    db.store.ingest(0, at(0), at(90), &records, 1).await.unwrap();
    let reader = db.store.reader();
    // On the third day: what ended then and on the second.
    let now_us = 2 * DAY_US + 1;
    let counts = reader.trunk_counts(now_us).await.unwrap();
    let days = counts.iter().filter(|c| !c.is_month && c.trunk == TrunkId(2));
    let calls: i64 = days.clone().map(|c| c.counts.calls).sum();
    let is_here = |r: &&Cdr| r.called.trunk == Some(TrunkId(2)) && r.times.ended_us >= DAY_US;
    assert_eq!(calls, i64::try_from(records.iter().filter(is_here).count()).unwrap());
    let mut directions: Vec<&str> = days.map(|c| c.direction.as_str()).collect();
    directions.sort_unstable();
    directions.dedup();
    let mut expect: Vec<&str> = records
        .iter()
        .filter(is_here)
        .map(|r| if r.called.destination.is_some() { "4479" } else { "4930" })
        .collect();
    expect.sort_unstable();
    expect.dedup();
    assert_eq!(directions, expect);
    let months = counts.iter().filter(|c| c.is_month);
    assert_eq!(months.map(|c| c.counts.calls).sum::<i64>(), 91);
    let legs = reader.last_legs(0).await.unwrap();
    assert_eq!(legs.len(), 91);
    assert!(legs.is_sorted_by_key(|leg| leg.ended_us));
    let lost = legs.iter().find(|leg| leg.trunk == TrunkId(9)).unwrap();
    assert_eq!((lost.outcome, lost.talk_ms), (failed, None));
    assert_eq!(reader.last_legs(4 * DAY_US).await.unwrap(), []);
}

async fn talk_is_known_again_by_the_tenants_day(db: &Db) {
    write_all(&db.store, &sample()).await;
    let ahead_us = 5 * HOUR_US + HOUR_US / 2;
    let zone = Zone::new(5 * 3_600 + 1_800, Vec::new()).unwrap();
    db.store.set_zones(BTreeMap::from([(TENANT, zone)]));
    let records = calls(300);
    db.store.ingest(0, at(0), at(150), &records[..150], 1).await.unwrap();
    db.store.ingest(0, at(150), at(300), &records[150..], 1).await.unwrap();
    let mut expect: BTreeMap<(i64, TrunkId), i64> = BTreeMap::new();
    for record in &records {
        let day = (record.times.started_us + ahead_us).div_euclid(DAY_US);
        let talk_ms = i64::try_from(record.times.talk_ms).unwrap();
        *expect.entry((day, record.called.trunk.unwrap())).or_default() += talk_ms;
    }
    for from_day in [0, 2, 9] {
        let told = db.store.reader().trunk_talk(from_day).await.unwrap();
        let told = told.into_iter().map(|talk| ((talk.day, talk.trunk), talk.talk_ms));
        let of_days = expect.iter().filter(|((day, _), _)| *day >= from_day);
        assert_eq!(
            told.collect::<Vec<_>>(),
            of_days.map(|(key, ms)| (*key, *ms)).collect::<Vec<_>>()
        );
    }
}

async fn old_quarters_go(db: &Db) {
    write_all(&db.store, &sample()).await;
    db.store.ingest(0, at(0), at(20), &calls(20), 1).await.unwrap();
    let count = async || db.rows("SELECT cube FROM statistic_cells").await.len();
    let before = count().await;
    let mut w = db.store.write().await.unwrap();
    assert_eq!(w.drop_statistics(DAY_US).await.unwrap(), 0);
    assert!(w.drop_statistics(500 * DAY_US).await.unwrap() > 0);
    w.commit().await.unwrap();
    assert!(count().await < before);
    let by = StatisticBy { destination: true, ..Default::default() };
    let days = ask(db, Scope::Tenant(TENANT), &asked(by)).await;
    assert_eq!(days.iter().map(|line| line.measures.calls).sum::<i64>(), 20);
}
