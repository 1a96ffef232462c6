//! How long trunks talked, by the days of the tenants' clocks: what commitments are held against
//! (spec 19.3, keys 27 to 30).
//!
//! A call counts in the day that it began in, when its record is settled. The database has the same
//! sums, which a boot learns.

use crate::limits::{STANDING_TRUNKS_MAX, TALK_DAYS_MAX};
use std::collections::BTreeMap;
use strowger_model::{TrunkId, Zone, date_of, day_of};

/// Microseconds of a day.
const DAY_US: i64 = 86_400_000_000;

/// What one trunk talked on one day.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct TalkedDay {
    /// Trunk.
    pub trunk: TrunkId,
    /// Day of the tenant's clock, counted from 1 January 1970.
    pub day: i32,
    /// Talk, milliseconds.
    pub ms: u64,
}

/// Talk of a day and of its month, milliseconds.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub struct Talked {
    /// Of the day.
    pub day_ms: u64,
    /// Of the month.
    pub month_ms: u64,
}

/// The day that the clocks of a zone show.
#[must_use]
pub fn local_day(zone: &Zone, at_us: i64) -> i32 {
    i32::try_from(zone.local_us(at_us).div_euclid(DAY_US)).unwrap_or(i32::MAX)
}

/// The days of the month of a day: the first, and the one behind the last.
fn month_of(day: i32) -> Option<(i32, i32)> {
    let (year, month, _) = date_of(day)?;
    let next = if month == 12 { (year.checked_add(1)?, 1) } else { (year, month + 1) };
    Some((day_of(year, month, 1)?, day_of(next.0, next.1, 1)?))
}

/// The talk of trunks.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub(super) struct Talk {
    trunks: BTreeMap<TrunkId, BTreeMap<i32, u64>>,
}

impl Talk {
    /// Adds talk. Of more days than are kept the oldest is forgotten.
    pub(super) fn add(&mut self, one: TalkedDay) {
        let TalkedDay { trunk, day, ms } = one;
        if self.trunks.len() >= STANDING_TRUNKS_MAX && !self.trunks.contains_key(&trunk) {
            return;
        }
        let days = self.trunks.entry(trunk).or_default();
        let sum = days.entry(day).or_default();
        *sum = sum.saturating_add(ms);
        if days.len() > TALK_DAYS_MAX {
            days.pop_first();
        }
    }

    /// Takes these in the place of all that is known.
    pub(super) fn recall(&mut self, all: &[TalkedDay]) {
        self.trunks.clear();
        all.iter().for_each(|one| self.add(*one));
    }

    /// What a trunk talked on a day and in its month.
    pub(super) fn of(&self, trunk: TrunkId, day: i32) -> Talked {
        let Some(days) = self.trunks.get(&trunk) else { return Talked::default() };
        let day_ms = days.get(&day).copied().unwrap_or_default();
        let (first, end) = month_of(day).unwrap_or((day, day));
        let month = days.range(first..end.max(first)).map(|(_, ms)| *ms);
        Talked { day_ms, month_ms: month.fold(0, u64::saturating_add) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn add(talk: &mut Talk, trunk: i64, day: i32, ms: u64) {
        talk.add(TalkedDay { trunk: TrunkId(trunk), day, ms });
    }

    #[test]
    fn a_month_is_the_sum_of_its_days() {
        let day = |month, day| day_of(2024, month, day).unwrap();
        let mut talk = Talk::default();
        for (month, date) in [(1, 31), (2, 1), (2, 29), (3, 1)] {
            add(&mut talk, 7, day(month, date), 10);
        }
        add(&mut talk, 7, day(2, 29), 5);
        add(&mut talk, 8, day(2, 29), 99);
        let of = |month, date| {
            let Talked { day_ms, month_ms } = talk.of(TrunkId(7), day(month, date));
            (day_ms, month_ms)
        };
        assert_eq!(of(1, 31), (10, 10));
        assert_eq!(of(2, 1), (10, 25));
        assert_eq!(of(2, 15), (0, 25));
        assert_eq!(of(2, 29), (15, 25));
        assert_eq!(of(3, 31), (0, 10));
        assert_eq!(of(4, 1), (0, 0));
        assert_eq!(talk.of(TrunkId(9), day(2, 1)), Talked::default());
        // The last day that there is.
        assert_eq!(talk.of(TrunkId(7), i32::MAX), Talked::default());
    }

    #[test]
    fn days_and_trunks_are_bounded() {
        let mut talk = Talk::default();
        (0..1_000).for_each(|day| add(&mut talk, 1, day, 1));
        assert_eq!(talk.trunks[&TrunkId(1)].len(), TALK_DAYS_MAX);
        assert_eq!(talk.of(TrunkId(1), 999).day_ms, 1);
        (0..STANDING_TRUNKS_MAX as i64 + 9).for_each(|trunk| add(&mut talk, trunk, 5, 1));
        assert_eq!(talk.trunks.len(), STANDING_TRUNKS_MAX);
    }

    proptest! {
        /// In whatever order records come: a month has what was talked in it, and to learn all of
        /// it again is the same.
        #[test]
        fn sums_are_those_of_a_list(
            calls in prop::collection::vec((0i64..3, 19_700i32..19_740, 0u64..1_000), 0..200),
            asked in 19_700i32..19_740,
        ) {
            let mut talk = Talk::default();
            for (trunk, day, ms) in &calls {
                add(&mut talk, *trunk, *day, *ms);
            }
            let month = |day: i32| date_of(day).map(|(year, month, _)| (year, month));
            let mut learnt = Talk::default();
            add(&mut learnt, 1, asked, 5);
            let all: Vec<TalkedDay> = calls
                .iter()
                .map(|(trunk, day, ms)| TalkedDay { trunk: TrunkId(*trunk), day: *day, ms: *ms })
                .collect();
            learnt.recall(&all);
            for trunk in 0..3 {
                let own = || calls.iter().filter(|call| call.0 == trunk);
                let on_day = own().filter(|call| call.1 == asked);
                let in_month = own().filter(|call| month(call.1) == month(asked));
                let expect = Talked {
                    day_ms: on_day.map(|call| call.2).sum(),
                    month_ms: in_month.map(|call| call.2).sum(),
                };
                prop_assert_eq!(talk.of(TrunkId(trunk), asked), expect);
                prop_assert_eq!(learnt.of(TrunkId(trunk), asked), expect);
            }
        }
    }
}
