//! Replays: records of a time decided again on a changed world, one at a time, behind everything
//! else that runs here.

use crate::run::chain;
use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use strowger_api::{ReplayOrder, ReplayRefusal, ReplayStanding, ReplayState};
use strowger_model::Cdr;
use strowger_routing::{Replay, Replayed, World};
use strowger_store::{CdrFilter, CdrKey, Reader, Scope};

/// Replays that are kept, the one that runs among them.
const KEPT_MAX: usize = 8;
/// Records of one read.
const PAGE: u32 = 1_000;
/// Most records of one replay.
const RECORDS_MAX: u64 = 5_000_000;

/// All replays of this process.
#[derive(Clone, Default)]
pub(crate) struct Replays(Arc<Mutex<Kept>>);

#[derive(Default)]
struct Kept {
    last: u64,
    all: BTreeMap<u64, One>,
}

struct One {
    standing: ReplayStanding,
    stop: Arc<AtomicBool>,
}

impl Replays {
    fn kept(&self) -> MutexGuard<'_, Kept> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// How they stand, oldest first.
    pub(crate) fn all(&self) -> Vec<ReplayStanding> {
        self.kept().all.values().map(|one| one.standing.clone()).collect()
    }

    /// Ends one that runs and forgets it; `false` when there is none.
    pub(crate) fn end(&self, id: u64) -> bool {
        let gone = self.kept().all.remove(&id);
        if let Some(one) = &gone {
            one.stop.store(true, Ordering::Release);
        }
        gone.is_some()
    }

    /// Begins one on the runtime.
    pub(crate) fn begin(
        &self,
        world: &Arc<World>,
        reader: Reader,
        order: ReplayOrder,
    ) -> Result<ReplayStanding, ReplayRefusal> {
        let mut changed = World::clone(world);
        for change in order.changes {
            changed = changed.changed(change).map_err(|e| ReplayRefusal::Unfit(e.to_string()))?;
        }
        let mut kept = self.kept();
        let is_running = |one: &One| one.standing.state == ReplayState::Running;
        if kept.all.values().any(is_running) {
            return Err(ReplayRefusal::Busy);
        }
        if kept.all.len() >= KEPT_MAX {
            kept.all.pop_first();
        }
        kept.last += 1;
        let standing = ReplayStanding {
            id: kept.last,
            tenant: order.tenant,
            from_us: order.from_us,
            until_us: order.until_us,
            state: ReplayState::Running,
            found: Replayed::default(),
        };
        let stop = Arc::new(AtomicBool::new(false));
        let one = One { standing: standing.clone(), stop: Arc::clone(&stop) };
        kept.all.insert(standing.id, one);
        drop(kept);
        let replay = Replay::new([Arc::clone(world), Arc::new(changed)]);
        tokio::spawn(run(self.clone(), standing.clone(), reader, replay, stop));
        Ok(standing)
    }

    /// Says how one stands; nothing when it was ended.
    fn say(&self, id: u64, state: ReplayState, found: &Replayed) {
        if let Some(one) = self.kept().all.get_mut(&id) {
            (one.standing.state, one.standing.found) = (state, found.clone());
        }
    }
}

async fn run(
    replays: Replays,
    standing: ReplayStanding,
    reader: Reader,
    mut replay: Replay,
    stop: Arc<AtomicBool>,
) {
    let id = standing.id;
    let mut filter = CdrFilter {
        from_us: Some(standing.from_us),
        until_us: Some(standing.until_us),
        limit: PAGE,
        ..CdrFilter::default()
    };
    let mut taken = 0u64;
    while !stop.load(Ordering::Acquire) {
        let page = match reader.cdrs(Scope::Tenant(standing.tenant), &filter).await {
            Ok(page) => page,
            Err(e) => {
                return replays.say(id, ReplayState::Failed(chain(&e)), &replay.found);
            }
        };
        let Some(last) = page.last() else {
            return replays.say(id, ReplayState::Done, &replay.found);
        };
        filter.before = Some(key(last));
        taken += page.len() as u64;
        // Decisions take the processor: not on a thread that serves others.
        let decided = tokio::task::spawn_blocking(move || {
            page.iter().for_each(|record| replay.take(record));
            replay
        });
        replay = match decided.await {
            Ok(replay) => replay,
            Err(e) => {
                let why = ReplayState::Failed(format!("a decision failed: {e}"));
                return replays.say(id, why, &Replayed::default());
            }
        };
        if taken >= RECORDS_MAX {
            let why = format!("it has more than {RECORDS_MAX} records: ask for less");
            return replays.say(id, ReplayState::Failed(why), &replay.found);
        }
        replays.say(id, ReplayState::Running, &replay.found);
    }
}

fn key(record: &Cdr) -> CdrKey {
    CdrKey { ended_us: record.times.ended_us, id: record.id, part: record.part }
}
