//! Counted resources of branches: in use, and starts per second.
//!
//! Limits arrive with each branch, so that a changed limit holds from the next branch on. This
//! shard's own counts; with several shards they move into shared memory behind the same verbs.

use std::collections::BTreeMap;
use strowger_link::{Gauge, SECOND, Tick};

/// Most gauges counted at once; a branch whose gauge finds no place is refused.
pub const GAUGES_MAX: usize = 65_536;

/// The gauges of a shard.
#[derive(Debug, Default)]
pub struct Gauges {
    counts: BTreeMap<u32, Count>,
}

#[derive(Debug)]
struct Count {
    in_use: u32,
    /// Second that `starts` counts.
    second: u64,
    starts: u32,
}

impl Gauges {
    /// Takes one if neither limit is reached.
    pub fn take(&mut self, gauge: &Gauge, now: Tick) -> bool {
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

    /// Counts one that a former process took, whatever the limits: the call is there.
    pub fn retake(&mut self, id: u32) {
        if self.counts.len() >= GAUGES_MAX && !self.counts.contains_key(&id) {
            return;
        }
        let count = self.counts.entry(id).or_insert(Count { in_use: 0, second: 0, starts: 0 });
        count.in_use = count.in_use.saturating_add(1);
    }

    /// Gives one back.
    pub fn give(&mut self, id: u32) {
        if let Some(count) = self.counts.get_mut(&id) {
            count.in_use = count.in_use.saturating_sub(1);
        }
    }

    /// How many of a gauge are in use.
    #[must_use]
    pub fn in_use(&self, id: u32) -> u32 {
        self.counts.get(&id).map_or(0, |count| count.in_use)
    }

    /// How many of all gauges are in use; 0 when no call is up (law of the simulator).
    #[must_use]
    pub fn in_use_total(&self) -> u64 {
        self.counts.values().map(|count| u64::from(count.in_use)).sum()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_limits_hold() {
        let mut gauges = Gauges::default();
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
}
