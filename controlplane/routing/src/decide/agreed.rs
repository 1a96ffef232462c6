//! Minutes that are agreed on with suppliers, and where a target stands by them (spec 19.3, keys 27
//! to 30).

use super::Attempt;
use crate::standing::{Talked, local_day};
use crate::trace::Step;
use strowger_model::{Commitment, Egress, Minutes, Tenant, Trunk};

/// Milliseconds of a minute.
const MINUTE_MS: u64 = 60_000;

/// How a target stands by its minutes: nothing is agreed on, or what it talked and what of it.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub(super) struct Agreed(Option<(Commitment, Talked)>);

/// Whether so much talk is so many minutes.
fn is_reached(minutes: u32, ms: u64) -> bool {
    ms >= u64::from(minutes) * MINUTE_MS
}

impl Agreed {
    /// Of what was agreed on with a trunk that talked so long; `None` when that is the most.
    pub(super) fn of(commitment: Commitment, talked: Talked) -> Option<Agreed> {
        let Commitment { day, month } = commitment;
        let is_spent =
            |minutes: Minutes, ms| minutes.minutes_max > 0 && is_reached(minutes.minutes_max, ms);
        let spent = is_spent(day, talked.day_ms) || is_spent(month, talked.month_ms);
        (!spent).then_some(Agreed(Some((commitment, talked))))
    }

    /// Its key in the order, four bits; less is earlier. Whoever has talked less than the least of
    /// its month, then of its day, comes first, and whoever has talked as much as is desired last.
    pub(super) fn key(self) -> u64 {
        let [month_owed, day_owed, month_sated, day_sated] = self.flags();
        [!month_owed, !day_owed, month_sated, day_sated]
            .into_iter()
            .fold(0, |key, bit| key << 1 | u64::from(bit))
    }

    /// Less than the least of the month, of the day; as much as is desired in the month, on the
    /// day.
    fn flags(self) -> [bool; 4] {
        let Some((Commitment { day, month }, talked)) = self.0 else { return [false; 4] };
        let is_owed = |minutes: Minutes, ms| !is_reached(minutes.minutes_min, ms);
        let is_sated = |minutes: Minutes, ms| {
            minutes.minutes_desired > 0 && is_reached(minutes.minutes_desired, ms)
        };
        [
            is_owed(month, talked.month_ms),
            is_owed(day, talked.day_ms),
            is_sated(month, talked.month_ms),
            is_sated(day, talked.day_ms),
        ]
    }

    /// What it talked, when something is agreed on.
    pub(super) fn talked(self) -> Option<Talked> {
        self.0.map(|(_, talked)| talked)
    }

    /// What is to be said of it.
    pub(super) fn step(self, trunk: i64) -> Option<Step> {
        let talked = self.talked()?;
        let whole = |ms: u64| i64::try_from(ms / MINUTE_MS).unwrap_or(i64::MAX);
        let (day, month) = (whole(talked.day_ms), whole(talked.month_ms));
        match self.flags() {
            [true, ..] => Some(Step::HopOwed { trunk, minutes: month }),
            [_, true, ..] => Some(Step::HopOwed { trunk, minutes: day }),
            [_, _, true, _] => Some(Step::HopSated { trunk, minutes: month }),
            [.., true] => Some(Step::HopSated { trunk, minutes: day }),
            [false, false, false, false] => None,
        }
    }
}

impl Attempt<'_> {
    /// How a trunk stands by its minutes; `Err` when it has talked the most that is agreed on.
    pub(super) fn agreed(
        &self,
        tenant: &Tenant,
        trunk: &Trunk,
        egress: &Egress,
    ) -> Result<Agreed, Step> {
        // Who tries a trunk by hand wants it whatever it talked.
        if egress.commitment.is_none() || self.is_test {
            return Ok(Agreed::default());
        }
        let today = local_day(self.world.zone(tenant), self.wall_us);
        let talked = self.facts.standing.talk_of(trunk.id, today);
        Agreed::of(egress.commitment, talked).ok_or_else(|| {
            let minutes = i64::try_from(talked.day_ms / MINUTE_MS).unwrap_or(i64::MAX);
            let of_month = i64::try_from(talked.month_ms / MINUTE_MS).unwrap_or(i64::MAX);
            Step::HopSpent { trunk: trunk.id.0, minutes, of_month }
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn minutes((minutes_min, minutes_desired, minutes_max): (u32, u32, u32)) -> Minutes {
        Minutes { minutes_min, minutes_desired, minutes_max }
    }

    #[test]
    fn what_is_owed_comes_before_the_usual_and_what_is_sated_behind() {
        let day = Commitment { day: minutes((10, 20, 30)), month: Minutes::default() };
        let after = |minutes: u64, rest_ms: u64| {
            let ms = minutes * MINUTE_MS + rest_ms;
            Agreed::of(day, Talked { day_ms: ms, month_ms: ms }).map(Agreed::key)
        };
        let usual = Agreed::default().key();
        assert!(after(0, 0).unwrap() < usual && after(9, 59_999).unwrap() < usual);
        assert_eq!((after(10, 0), after(19, 59_999)), (Some(usual), Some(usual)));
        assert!(after(20, 0).unwrap() > usual && after(29, 59_999).unwrap() > usual);
        assert_eq!((after(30, 0), after(99, 0)), (None, None));
        assert_eq!(Agreed::of(Commitment::default(), Talked::default()).unwrap().key(), usual);
    }

    type Three = (u32, u32, u32);

    fn three() -> impl Strategy<Value = Three> {
        (0u32..9, 0u32..9, 0u32..9)
    }

    /// The same in words: larger is earlier.
    fn oracle((day, month): (Three, Three), (day_min, month_min): (u32, u32)) -> Option<i32> {
        let is_spent = |(_, _, most): Three, talked| most != 0 && talked >= most;
        if is_spent(day, day_min) || is_spent(month, month_min) {
            return None;
        }
        let owed = |(least, _, _): Three, talked| i32::from(talked < least);
        let sated = |(_, desired, _): Three, talked| i32::from(desired != 0 && talked >= desired);
        let (month_owed, day_owed) = (owed(month, month_min), owed(day, day_min));
        let (month_sated, day_sated) = (sated(month, month_min), sated(day, day_min));
        Some(month_owed * 1_000 + day_owed * 100 - month_sated * 10 - day_sated)
    }

    proptest! {
        #[test]
        fn the_key_orders_as_the_words_do(
            agreed in prop::collection::vec((three(), three()), 2),
            talked in prop::collection::vec((0u32..10, 0u32..10), 2),
        ) {
            let key = |at: usize| {
                let ((day, month), (day_min, month_min)) = (agreed[at], talked[at]);
                let talked = Talked {
                    day_ms: u64::from(day_min) * MINUTE_MS,
                    month_ms: u64::from(month_min) * MINUTE_MS,
                };
                let commitment = Commitment { day: minutes(day), month: minutes(month) };
                Agreed::of(commitment, talked).map(Agreed::key)
            };
            let words = |at: usize| oracle(agreed[at], talked[at]);
            prop_assert_eq!(key(0).is_none(), words(0).is_none());
            if let (Some(a), Some(b), Some(first), Some(second)) =
                (key(0), key(1), words(0), words(1))
            {
                prop_assert_eq!(a.cmp(&b), second.cmp(&first));
            }
        }
    }
}
