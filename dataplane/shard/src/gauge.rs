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
    use proptest::prelude::*;

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

    /// Lines that are kept: whoever may not take them comes with a lower limit on the same gauge.
    #[derive(Clone, Copy, Debug)]
    enum Move {
        Take { reserved: bool },
        Give { at: usize },
        Retake { reserved: bool },
    }

    fn any_move() -> impl Strategy<Value = Move> {
        prop_oneof![
            4 => any::<bool>().prop_map(|reserved| Move::Take { reserved }),
            2 => any::<usize>().prop_map(|at| Move::Give { at }),
            1 => any::<bool>().prop_map(|reserved| Move::Retake { reserved }),
        ]
    }

    proptest! {
        /// In whatever order calls come and go, on one shard or on two: a call is let in exactly
        /// when its own limit has room, so no limit is passed and what is kept stays kept.
        #[test]
        fn lines_that_are_kept_are_never_taken_by_others(
            most in 1u32..8,
            kept in 0u32..8,
            moves in prop::collection::vec((any_move(), any::<bool>()), 0..120),
        ) {
            let kept = kept.min(most - 1);
            let lines = |reserved: bool| {
                let in_use_max = if reserved { most } else { most - kept };
                Gauge { id: 5, in_use_max, per_second_max: 0 }
            };
            let shared = SharedGauges::with_room(4);
            let mut both = [Gauges::shared(&shared), Gauges::shared(&shared)];
            let mut alone = Gauges::default();
            // Calls that are up, and whether they may take what is kept.
            let mut up: Vec<bool> = Vec::new();
            for (one, by_second) in moves {
                let gauges = &mut both[usize::from(by_second)];
                match one {
                    Move::Take { reserved } => {
                        let room = up.len() < lines(reserved).in_use_max as usize;
                        prop_assert_eq!(gauges.take(&lines(reserved), Tick(1)), room);
                        prop_assert_eq!(alone.take(&lines(reserved), Tick(1)), room);
                        up.extend(room.then_some(reserved));
                    }
                    // A call of a former process is there, whatever the limits; one that the
                    // limits let in then fits them still.
                    Move::Retake { reserved } if up.len() < lines(reserved).in_use_max as usize => {
                        gauges.retake(5);
                        alone.retake(5);
                        up.push(reserved);
                    }
                    Move::Retake { .. } => {}
                    Move::Give { at } if !up.is_empty() => {
                        up.swap_remove(at % up.len());
                        gauges.give(5);
                        alone.give(5);
                    }
                    Move::Give { .. } => {}
                }
                let others = up.iter().filter(|reserved| !**reserved).count();
                prop_assert!(up.len() <= most as usize && others <= (most - kept) as usize);
                prop_assert_eq!(gauges.in_use(5), alone.in_use(5));
                prop_assert_eq!(alone.in_use(5) as usize, up.len());
            }
        }
    }

    /// Threads of both kinds: what is kept stays kept.
    #[test]
    fn threads_never_take_what_is_kept() {
        const TURNS: u32 = 5_000;
        let shared = SharedGauges::with_room(16);
        let (others, all) = (AtomicU64::new(0), AtomicU64::new(0));
        let (most_others, most_all) = (AtomicU64::new(0), AtomicU64::new(0));
        std::thread::scope(|scope| {
            for reserved in [true, false, true, false] {
                let (shared, others, all) = (&shared, &others, &all);
                let (most_others, most_all) = (&most_others, &most_all);
                scope.spawn(move || {
                    let mut gauges = Gauges::shared(shared);
                    let in_use_max = if reserved { 3 } else { 2 };
                    let lines = Gauge { id: 3, in_use_max, per_second_max: 0 };
                    let mut held = 0u32;
                    for turn in 0..TURNS {
                        if gauges.take(&lines, Tick(1)) {
                            held += 1;
                            let now = all.fetch_add(1, Ordering::AcqRel) + 1;
                            most_all.fetch_max(now, Ordering::AcqRel);
                            if !reserved {
                                let now = others.fetch_add(1, Ordering::AcqRel) + 1;
                                most_others.fetch_max(now, Ordering::AcqRel);
                            }
                        }
                        // One or two are held for a while, none at the end.
                        let keeps = if turn + 1 == TURNS { 0 } else { turn % 3 };
                        while held > keeps {
                            held -= 1;
                            if !reserved {
                                others.fetch_sub(1, Ordering::AcqRel);
                            }
                            all.fetch_sub(1, Ordering::AcqRel);
                            gauges.give(3);
                        }
                    }
                });
            }
        });
        assert_eq!(Gauges::shared(&shared).in_use_total(), 0);
        assert!((1..=3).contains(&most_all.into_inner()));
        assert!((1..=2).contains(&most_others.into_inner()));
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
