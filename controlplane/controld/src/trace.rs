//! Traces on their way from the decider to the database: a bounded queue and its writer.
//!
//! The decider never waits: when the queue is full, because the database is away, the oldest trace
//! makes room and is counted. Records do not go this way, they wait in the journal.

use crate::run::chain;
use crate::world::LOOK;
use crossbeam::queue::ArrayQueue;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};
use strowger_office::Traced;
use strowger_port::clock;
use strowger_store::{CallTrace, Store, StoreError, day_of};
use tokio::sync::Notify;
use tracing::{info, warn};

/// Traces that may wait: some megabytes, and minutes of a busy switch.
const TRACES_MAX: usize = 65_536;
/// How long the writer waits for company.
const PAUSE: Duration = Duration::from_millis(100);
/// Traces of one transaction.
const BATCH_USUAL: usize = 2_000;
/// How often old traces are looked for.
const DROP: Duration = Duration::from_secs(3_600);
/// Old traces dropped in one transaction.
const DROPPED_USUAL: u32 = 2_000;

/// Where the decider puts traces.
pub(crate) struct Traces {
    waiting: ArrayQueue<Box<Traced>>,
    arrived: Notify,
    ended: AtomicBool,
    written: AtomicU64,
    dropped: AtomicU64,
}

impl Traces {
    pub(crate) fn new() -> Arc<Traces> {
        Traces::holding(TRACES_MAX)
    }

    fn holding(traces_max: usize) -> Arc<Traces> {
        Arc::new(Traces {
            waiting: ArrayQueue::new(traces_max),
            arrived: Notify::new(),
            ended: AtomicBool::new(false),
            written: AtomicU64::new(0),
            dropped: AtomicU64::new(0),
        })
    }

    /// Takes a trace; the oldest goes when there is no room. Never waits.
    pub(crate) fn put(&self, trace: Box<Traced>) {
        if self.waiting.force_push(trace).is_some() {
            self.dropped.fetch_add(1, Ordering::Relaxed);
        }
        self.arrived.notify_one();
    }

    /// Nothing comes any more; the writer ends when it has written what waits.
    pub(crate) fn end(&self) {
        self.ended.store(true, Ordering::Release);
        self.arrived.notify_one();
    }

    /// Written and dropped since the start, and waiting now.
    pub(crate) fn counts(&self) -> [u64; 3] {
        let waiting = u64::try_from(self.waiting.len()).unwrap_or(u64::MAX);
        [self.written.load(Ordering::Relaxed), self.dropped.load(Ordering::Relaxed), waiting]
    }

    /// The oldest, at most one batch.
    fn take(&self) -> Vec<CallTrace> {
        let pop = || self.waiting.pop();
        std::iter::from_fn(pop).take(BATCH_USUAL).map(|trace| stored(*trace)).collect()
    }
}

fn stored(trace: Traced) -> CallTrace {
    let Traced { ask, at_us, tenant, snapshot, steps, headers } = trace;
    CallTrace { call: ask.0, at_us, tenant, snapshot, steps, headers }
}

/// Writes traces until the end, and drops those that are older than `keep_days`, a step between
/// two batches, so that neither new ones nor records wait for many old ones.
pub(crate) async fn write(traces: Arc<Traces>, store: Store, keep_days: u32) {
    let mut due = Instant::now();
    loop {
        let ended = traces.ended.load(Ordering::Acquire);
        let batch = traces.take();
        let is_idle = batch.is_empty();
        if is_idle && ended {
            return;
        }
        if !is_idle && !write_whole(&traces, &store, batch).await {
            return;
        }
        let now = Instant::now();
        let is_due = due <= now && !ended;
        if is_due && !drop_some(&store, keep_days).await {
            due = now + DROP;
        }
        if is_idle && !is_due {
            let wait = due.saturating_duration_since(now);
            let _either = tokio::time::timeout(wait, traces.arrived.notified()).await;
        } else if !ended {
            tokio::time::sleep(PAUSE).await;
        }
    }
}

/// Writes one batch, however long the database is away; `false` when this ends without it.
async fn write_whole(traces: &Traces, store: &Store, batch: Vec<CallTrace>) -> bool {
    let count = u64::try_from(batch.len()).unwrap_or(u64::MAX);
    let mut is_said = false;
    while let Err(e) = write_batch(store, &batch).await {
        if !is_said {
            warn!("traces wait for the database: {}", chain(&e));
            is_said = true;
        }
        let ended = traces.ended.load(Ordering::Acquire);
        // These are older than all that wait, so they go before any of those.
        if ended || traces.waiting.is_full() {
            traces.dropped.fetch_add(count, Ordering::Relaxed);
            return !ended;
        }
        tokio::time::sleep(LOOK).await;
    }
    traces.written.fetch_add(count, Ordering::Relaxed);
    true
}

async fn write_batch(store: &Store, batch: &[CallTrace]) -> Result<(), StoreError> {
    let mut w = store.write().await?;
    w.insert_traces(batch).await?;
    w.commit().await
}

/// Drops some of the old traces; whether there may be more. A database that is away is asked again
/// the next time.
async fn drop_some(store: &Store, keep_days: u32) -> bool {
    let day = day_of(clock::wall_us()).saturating_sub(keep_days.into());
    match drop_before(store, day).await {
        Ok(gone) => {
            if gone > 0 {
                info!(gone, keep_days, "old traces were dropped");
            }
            gone >= DROPPED_USUAL.into()
        }
        Err(e) => {
            warn!("old traces cannot be dropped: {}", chain(&e));
            false
        }
    }
}

async fn drop_before(store: &Store, day: i64) -> Result<u64, StoreError> {
    let mut w = store.write().await?;
    let gone = w.drop_traces(day, DROPPED_USUAL).await?;
    w.commit().await?;
    Ok(gone)
}

#[cfg(test)]
mod tests {
    use super::*;
    use strowger_link::AskId;
    use strowger_model::TenantId;

    fn traced(call: u64, at_us: i64) -> Box<Traced> {
        let steps = vec![1].into();
        Box::new(Traced {
            ask: AskId(call),
            at_us,
            tenant: TenantId(1),
            snapshot: 1,
            steps,
            headers: Vec::new(),
        })
    }

    async fn there(store: &Store, call: u64) -> bool {
        store.reader().trace(None, call, None).await.unwrap().is_some()
    }

    #[test]
    fn the_oldest_makes_room() {
        let traces = Traces::holding(3);
        for call in 0..5 {
            traces.put(traced(call, 0));
        }
        let left: Vec<u64> = traces.take().iter().map(|trace| trace.call).collect();
        assert_eq!(left, [2, 3, 4]);
        assert_eq!(traces.counts(), [0, 2, 0]);
    }

    #[tokio::test]
    async fn what_waits_is_written_at_the_end_and_what_is_old_is_dropped() {
        let dir = std::env::temp_dir().join(format!("strowger-traces-{}", std::process::id()));
        std::fs::create_dir_all(&dir).unwrap();
        let store = Store::open(&dir.join("a.db")).await.unwrap();
        let now_us = clock::wall_us();
        let day_us = 86_400_000_000;
        let traces = Traces::new();
        for (call, days) in [(1, 0), (2, 6), (3, 8), (4, 400)] {
            traces.put(traced(call, now_us - days * day_us));
        }
        traces.end();
        write(Arc::clone(&traces), store.clone(), 7).await;
        assert_eq!(traces.counts(), [4, 0, 0]);
        assert!(!drop_some(&store, 7).await, "there is no more");
        for (call, kept) in [(1, true), (2, true), (3, false), (4, false)] {
            assert_eq!(there(&store, call).await, kept, "{call}");
        }
        // A database that is gone: the batch in hand is older than all that wait.
        store.close().await;
        let traces = Traces::holding(2);
        traces.put(traced(5, 0));
        traces.put(traced(6, 0));
        let batch = traces.take();
        traces.put(traced(7, 0));
        traces.put(traced(8, 0));
        assert!(write_whole(&traces, &store, batch).await, "it goes on");
        assert_eq!(traces.counts(), [0, 2, 2]);
        std::fs::remove_dir_all(&dir).unwrap();
    }
}
