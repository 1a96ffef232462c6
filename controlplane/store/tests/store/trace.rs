//! Traces: written once, found by call and time in their scope, dropped by age in bounded steps.

use crate::engine::{Db, on_both};
use crate::sample::{sample, write_all};
use strowger_model::{RateId, TenantId};
use strowger_store::{CallTrace, day_of};

on_both! {
    a_trace_is_found_by_its_call
    old_traces_go_in_steps
    price_lines_are_found_by_id
}

const DAY_US: i64 = 86_400_000_000;

fn trace(call: u64, at_us: i64, tenant: i64) -> CallTrace {
    let steps = vec![1, 0, 255, tenant as u8].into();
    let headers = vec![("X-Route".to_owned(), format!("a: b;{call}"))];
    CallTrace { call, at_us, tenant: TenantId(tenant), snapshot: 7, steps, headers }
}

async fn write(db: &Db, traces: &[CallTrace]) {
    let mut w = db.store.write().await.unwrap();
    w.insert_traces(traces).await.unwrap();
    w.commit().await.unwrap();
}

async fn a_trace_is_found_by_its_call(db: &Db) {
    let reader = db.store.reader();
    // The largest number of a call, and one that came again after the host began anew.
    let all = [trace(u64::MAX, 5, 1), trace(8, 1_000, 1), trace(8, DAY_US, 2)];
    write(db, &all).await;
    write(db, &[CallTrace { snapshot: 9, ..all[1].clone() }]).await;
    let find = async |tenant, call, began| reader.trace(tenant, call, began).await.unwrap();
    assert_eq!(find(None, u64::MAX, Some(9)).await.as_ref(), Some(&all[0]));
    assert_eq!(find(None, 8, Some(1_001)).await.as_ref(), Some(&all[1]), "the first stays");
    assert_eq!(find(None, 8, Some(DAY_US - 7)).await.as_ref(), Some(&all[2]));
    assert_eq!(find(None, 8, None).await.as_ref(), Some(&all[2]));
    let first = Some(TenantId(1));
    assert_eq!(find(first, 8, None).await.as_ref(), Some(&all[1]));
    assert_eq!(find(first, 8, Some(DAY_US)).await, None);
    assert_eq!(find(None, 9, None).await, None);
    // What a call was led to while it rang stands behind its own steps, if it is of the same form.
    let minute = |n: i64| DAY_US * 9 + n * 60_000_000;
    let other = CallTrace { steps: vec![2, 9].into(), ..trace(5, minute(2), 1) };
    write(db, &[trace(5, minute(0), 1), trace(5, minute(1), 1), other, trace(5, minute(99), 1)])
        .await;
    let steps = |found: Option<CallTrace>| found.map(|t| (t.at_us, t.steps.to_vec()));
    let both = Some((minute(0), vec![1, 0, 255, 1, 0, 255, 1]));
    assert_eq!(steps(find(None, 5, Some(minute(0) + 9)).await), both);
    assert_eq!(steps(find(None, 5, None).await), Some((minute(99), vec![1, 0, 255, 1])));
    // More than one statement takes.
    let many: Vec<CallTrace> = (100..1_700).map(|call| trace(call, 5, 1)).collect();
    write(db, &many).await;
    assert_eq!(find(None, 1_699, Some(5)).await.as_ref(), many.last());
}

async fn old_traces_go_in_steps(db: &Db) {
    let all: Vec<CallTrace> = (0..10).map(|n| trace(n, n as i64 / 2 * DAY_US, 1)).collect();
    write(db, &all).await;
    assert_eq!((day_of(-1), day_of(DAY_US - 1), day_of(DAY_US)), (-1, 0, 1));
    let expire = async |day, limit| {
        let mut w = db.store.write().await.unwrap();
        let gone = w.drop_traces(day, limit).await.unwrap();
        w.commit().await.unwrap();
        gone
    };
    assert_eq!(expire(3, 4).await, 4);
    assert_eq!(expire(3, 4).await, 2);
    assert_eq!(expire(3, 4).await, 0);
    let reader = db.store.reader();
    for (call, there) in [(0, false), (5, false), (6, true), (9, true)] {
        let found = reader.trace(None, call, None).await.unwrap();
        assert_eq!(found.is_some(), there, "{call}");
    }
}

async fn price_lines_are_found_by_id(db: &Db) {
    let rows = sample();
    write_all(&db.store, &rows).await;
    let reader = db.store.reader();
    let first = rows.rates[0].clone();
    let found = reader.rates_of(&[first.id, RateId(i64::MAX)]).await.unwrap();
    assert_eq!(found, [first]);
    assert_eq!(reader.rates_of(&[]).await.unwrap(), []);
}
