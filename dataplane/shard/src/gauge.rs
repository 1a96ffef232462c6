//! Counted resources of branches: in use, and starts per second.
//!
//! Limits arrive with each branch, so that a changed limit holds from the next branch on. One shard
//! counts for itself; several count together, in words that all of them have ([`SharedGauges`]): a
//! limit of a trunk is one number, whichever shards its calls are on.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use strowger_link::siphash::siphash24;
use strowger_link::{Gauge, Key, SECOND, Tick};

/// Most gauges counted at once; a branch whose gauge finds no place is refused.
pub const GAUGES_MAX: usize = 65_536;

/// The gauges of a shard.
#[derive(Debug)]
pub struct Gauges(Kept);

/// Whose counts they are.
#[derive(Debug)]
enum Kept {
    /// This shard's alone.
    Alone(Own),
    /// All shards'.
    Shared(SharedGauges),
}

impl Default for Gauges {
    fn default() -> Gauges {
        Gauges(Kept::Alone(Own::default()))
    }
}

impl Gauges {
    /// Counts of all shards of a process.
    #[must_use]
    pub fn shared(with: &SharedGauges) -> Gauges {
        Gauges(Kept::Shared(with.clone()))
    }

    /// Takes one if neither limit is reached.
    pub fn take(&mut self, gauge: &Gauge, now: Tick) -> bool {
        match &mut self.0 {
            Kept::Alone(own) => own.take(gauge, now),
            Kept::Shared(shared) => shared.take(gauge, now),
        }
    }

    /// Counts one that a former process took, whatever the limits: the call is there.
    pub fn retake(&mut self, id: u32) {
        match &mut self.0 {
            Kept::Alone(own) => own.retake(id),
            Kept::Shared(shared) => shared.retake(id),
        }
    }

    /// Gives one back.
    pub fn give(&mut self, id: u32) {
        match &mut self.0 {
            Kept::Alone(own) => own.give(id),
            Kept::Shared(shared) => shared.give(id),
        }
    }

    /// How many of a gauge are in use.
    #[must_use]
    pub fn in_use(&self, id: u32) -> u32 {
        match &self.0 {
            Kept::Alone(own) => own.counts.get(&id).map_or(0, |count| count.in_use),
            Kept::Shared(shared) => shared.in_use(id),
        }
    }

    /// How many of all gauges are in use; 0 when no call is up (law of the simulator).
    #[must_use]
    pub fn in_use_total(&self) -> u64 {
        match &self.0 {
            Kept::Alone(own) => own.counts.values().map(|count| u64::from(count.in_use)).sum(),
            Kept::Shared(shared) => shared.in_use_total(),
        }
    }
}

/// Gauges of all shards of one process: clones count together.
///
/// Each gauge has a place in a table of fixed size, found by its hash and never given up. The
/// number in use is one word and the starts of a second another, each changed at once or not at
/// all; who takes one and finds the second too full gives the first back. So no limit is ever
/// passed; of two that come together when one is free, rarely neither gets it.
#[derive(Clone, Debug)]
pub struct SharedGauges(Arc<[Place]>);

#[derive(Debug, Default)]
struct Place {
    /// Id of the gauge plus one; 0 = free.
    key: AtomicU64,
    in_use: AtomicU64,
    /// The second (high 32 bits) and the starts in it.
    starts: AtomicU64,
}

/// Spreads ids, which count up; peers have no part in them.
const SPREAD: Key = Key([0; 16]);

impl SharedGauges {
    /// Nothing counted; room for [`GAUGES_MAX`] gauges, 24 bytes each.
    #[must_use]
    pub fn new() -> SharedGauges {
        SharedGauges::with_room(GAUGES_MAX)
    }

    fn with_room(places: usize) -> SharedGauges {
        SharedGauges((0..places).map(|_| Place::default()).collect())
    }

    /// The place of a gauge, taken if it has none yet; `None` when all are taken.
    fn place(&self, id: u32) -> Option<&Place> {
        let key = u64::from(id) + 1;
        let count = self.0.len();
        let hash = usize::try_from(siphash24(&SPREAD, &id.to_le_bytes())).unwrap_or(0);
        let start = hash.checked_rem(count)?;
        let mut places = self.0.iter().cycle().skip(start).take(count);
        places.find(|place| {
            match place.key.compare_exchange(0, key, Ordering::AcqRel, Ordering::Acquire) {
                Ok(_) => true,
                Err(found) => found == key,
            }
        })
    }

    fn take(&self, gauge: &Gauge, now: Tick) -> bool {
        let Some(place) = self.place(gauge.id) else { return false };
        let (most, per_second) = (u64::from(gauge.in_use_max), u64::from(gauge.per_second_max));
        let one_more = |in_use: u64| (most == 0 || in_use < most).then_some(in_use + 1);
        if !change(&place.in_use, one_more) {
            return false;
        }
        let second = (now.0 / SECOND) << 32;
        let started = |word: u64| {
            let before = if word >> 32 == second >> 32 { word & u64::from(u32::MAX) } else { 0 };
            (per_second == 0 || before < per_second).then_some(second | (before + 1))
        };
        let may = change(&place.starts, started);
        if !may {
            change(&place.in_use, |in_use| in_use.checked_sub(1));
        }
        may
    }

    fn retake(&self, id: u32) {
        if let Some(place) = self.place(id) {
            change(&place.in_use, |in_use| in_use.checked_add(1));
        }
    }

    fn give(&self, id: u32) {
        if let Some(place) = self.place(id) {
            change(&place.in_use, |in_use| in_use.checked_sub(1));
        }
    }

    fn in_use(&self, id: u32) -> u32 {
        let in_use = self.place(id).map_or(0, |place| place.in_use.load(Ordering::Acquire));
        u32::try_from(in_use).unwrap_or(u32::MAX)
    }

    fn in_use_total(&self) -> u64 {
        self.0.iter().map(|place| place.in_use.load(Ordering::Acquire)).sum()
    }
}

impl Default for SharedGauges {
    fn default() -> SharedGauges {
        SharedGauges::new()
    }
}

/// Whether the word took another value.
fn change(word: &AtomicU64, to: impl FnMut(u64) -> Option<u64>) -> bool {
    word.fetch_update(Ordering::AcqRel, Ordering::Acquire, to).is_ok()
}

/// What one shard counts for itself.
#[derive(Debug, Default)]
struct Own {
    counts: BTreeMap<u32, Count>,
}

#[derive(Debug)]
struct Count {
    in_use: u32,
    /// Second that `starts` counts.
    second: u64,
    starts: u32,
}

impl Own {
    fn take(&mut self, gauge: &Gauge, now: Tick) -> bool {
        if self.counts.len() >= GAUGES_MAX && !self.counts.contains_key(&gauge.id) {
            return false;
        }
        let second = now.0 / SECOND;
        let count = self.counts.entry(gauge.id).or_insert(Count { in_use: 0, second, starts: 0 });
        if count.second != second {
            (count.second, count.starts) = (second, 0);
        }
        let full = gauge.in_use_max != 0 && count.in_use >= gauge.in_use_max;
        let fast = gauge.per_second_max != 0 && count.starts >= gauge.per_second_max;
        if full || fast {
            return false;
        }
        count.in_use = count.in_use.saturating_add(1);
        count.starts = count.starts.saturating_add(1);
        true
    }

    fn retake(&mut self, id: u32) {
        if self.counts.len() >= GAUGES_MAX && !self.counts.contains_key(&id) {
            return;
        }
        let count = self.counts.entry(id).or_insert(Count { in_use: 0, second: 0, starts: 0 });
        count.in_use = count.in_use.saturating_add(1);
    }

    fn give(&mut self, id: u32) {
        if let Some(count) = self.counts.get_mut(&id) {
            count.in_use = count.in_use.saturating_sub(1);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_limits_hold() {
        let shared = SharedGauges::with_room(4);
        for mut gauges in [Gauges::default(), Gauges::shared(&shared)] {
            both_hold(&mut gauges);
        }
    }

    fn both_hold(gauges: &mut Gauges) {
        let lines = Gauge { id: 1, in_use_max: 2, per_second_max: 0 };
        let now = Tick(10 * SECOND);
        assert!(gauges.take(&lines, now) && gauges.take(&lines, now));
        assert!(!gauges.take(&lines, now));
        gauges.give(1);
        assert!(gauges.take(&lines, now));
        assert_eq!((gauges.in_use(1), gauges.in_use_total()), (2, 2));

        let rate = Gauge { id: 2, in_use_max: 0, per_second_max: 1 };
        assert!(gauges.take(&rate, now) && !gauges.take(&rate, now));
        assert!(gauges.take(&rate, now.plus_ms(1000)));
        // A call that was taken up counts, and its end makes room.
        gauges.retake(1);
        assert!(!gauges.take(&lines, now));
        gauges.give(1);
        gauges.give(1);
        assert!(gauges.take(&lines, now));
        gauges.give(3);
        assert_eq!(gauges.in_use(3), 0);
    }

    #[test]
    fn shards_count_together_and_a_full_table_takes_nothing() {
        let shared = SharedGauges::with_room(2);
        let [mut one, mut other] = [Gauges::shared(&shared), Gauges::shared(&shared)];
        let lines = |id| Gauge { id, in_use_max: 2, per_second_max: 0 };
        assert!(one.take(&lines(7), Tick(0)) && other.take(&lines(7), Tick(0)));
        assert!(!one.take(&lines(7), Tick(0)) && !other.take(&lines(7), Tick(0)));
        other.give(7);
        assert!(one.take(&lines(7), Tick(0)));
        assert_eq!((one.in_use(7), other.in_use_total()), (2, 2));
        assert!(one.take(&lines(8), Tick(0)) && !other.take(&lines(9), Tick(0)));
    }

    /// Four threads take and give: never more than the limit, and nothing is left.
    #[test]
    fn threads_never_pass_a_limit() {
        let shared = SharedGauges::with_room(16);
        let most = AtomicU64::new(0);
        std::thread::scope(|scope| {
            for _ in 0..4 {
                scope.spawn(|| {
                    let mut gauges = Gauges::shared(&shared);
                    let lines = Gauge { id: 3, in_use_max: 2, per_second_max: 0 };
                    for _ in 0..5_000 {
                        if gauges.take(&lines, Tick(1)) {
                            most.fetch_max(gauges.in_use(3).into(), Ordering::AcqRel);
                            gauges.give(3);
                        }
                    }
                });
            }
        });
        assert_eq!(Gauges::shared(&shared).in_use_total(), 0);
        assert!((1..=2).contains(&most.into_inner()));
    }
}
