//! Who called whom by a shared DID lately: whoever calls back reaches the one who called last (spec
//! DID-SHARED-01, look-ups 3 and 5).
//!
//! A small memory and no machine: [`SharedCalls::note`] for each call that goes out by a shared
//! DID, at boot from records; decisions read it. Bounded: beyond [`SHARED_CALLS_MAX`] pairs of DID
//! and number the one called longest ago goes.

use crate::limits::SHARED_CALLS_MAX;
use std::collections::{BTreeMap, BTreeSet};
use strowger_model::{DidId, Digits, SubscriberId};

/// The first of both spans in which a call back is for who called: two hours, microseconds.
pub(crate) const CALLED_BACK_SOON_US: i64 = 2 * 3_600 * 1_000_000;
/// The second: a day.
pub const CALLED_BACK_US: i64 = 86_400 * 1_000_000;

/// A subscriber calls a number outside, which sees a shared DID.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct SharedCall {
    /// The DID.
    pub did: DidId,
    /// Who is called, as contacts' numbers are compared ([`crate::World::contact_number`]).
    pub number: Digits,
    /// Who calls.
    pub by: SubscriberId,
}

type Pair = (DidId, Digits);

/// Calls by shared DIDs: the last of each DID and number.
#[derive(Clone, PartialEq, Eq, Default, Debug)]
pub struct SharedCalls {
    last: BTreeMap<Pair, (SubscriberId, i64)>,
    // The same by time, for the one that goes.
    by_time: BTreeSet<(i64, Pair)>,
}

impl SharedCalls {
    /// A call went out at `at_us`. An older one than is known changes nothing.
    pub fn note(&mut self, call: SharedCall, at_us: i64) {
        let pair = (call.did, call.number);
        match self.last.get(&pair) {
            Some((_, known_us)) if *known_us > at_us => return,
            Some((_, known_us)) => {
                self.by_time.remove(&(*known_us, pair));
            }
            None if self.last.len() >= SHARED_CALLS_MAX => {
                if let Some((_, oldest)) = self.by_time.pop_first() {
                    self.last.remove(&oldest);
                }
            }
            None => {}
        }
        self.last.insert(pair, (call.by, at_us));
        self.by_time.insert((at_us, pair));
    }

    /// Who called this number last by this DID, no longer ago than `within_us`.
    #[must_use]
    pub fn last(
        &self,
        did: DidId,
        number: Digits,
        within_us: i64,
        now_us: i64,
    ) -> Option<SubscriberId> {
        let (by, at_us) = self.last.get(&(did, number))?;
        (now_us.saturating_sub(*at_us) <= within_us).then_some(*by)
    }

    /// How many pairs are remembered.
    #[must_use]
    pub fn len(&self) -> usize {
        self.last.len()
    }

    /// Whether none is.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.last.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::digits;
    use proptest::prelude::*;

    fn call(did: i64, number: &str, by: i64) -> SharedCall {
        SharedCall { did: DidId(did), number: digits(number), by: SubscriberId(by) }
    }

    #[test]
    fn the_last_caller_counts_for_as_long_as_is_asked() {
        let mut calls = SharedCalls::default();
        calls.note(call(1, "77", 5), 100);
        calls.note(call(1, "77", 6), 90);
        calls.note(call(2, "77", 7), 200);
        let last = |did, within_us, now_us| calls.last(DidId(did), digits("77"), within_us, now_us);
        assert_eq!(last(1, 10, 110), Some(SubscriberId(5)), "an older one comes too late");
        assert_eq!(last(1, 10, 111), None);
        assert_eq!(last(2, 10, 205), Some(SubscriberId(7)));
        assert_eq!(last(3, 10, 205), None);
        assert_eq!(calls.last(DidId(1), digits("78"), 10, 105), None);
    }

    #[test]
    fn beyond_the_bound_the_oldest_goes() {
        let mut calls = SharedCalls::default();
        for n in 0..=SHARED_CALLS_MAX as i64 {
            calls.note(call(n, "1", 1), n);
        }
        assert_eq!((calls.len(), calls.by_time.len()), (SHARED_CALLS_MAX, SHARED_CALLS_MAX));
        assert_eq!(calls.last(DidId(0), digits("1"), i64::MAX, 0), None);
        assert!(calls.last(DidId(1), digits("1"), i64::MAX, 0).is_some());
    }

    proptest! {
        #[test]
        fn both_orders_hold_the_same(
            noted in prop::collection::vec((0i64..4, 0u8..3, 0i64..5, 0i64..50), 0..60),
        ) {
            let mut calls = SharedCalls::default();
            for (did, number, by, at_us) in noted {
                calls.note(call(did, &number.to_string(), by), at_us);
            }
            let by_pair: BTreeSet<_> = calls.last.iter().map(|(p, (_, at))| (*at, *p)).collect();
            prop_assert_eq!(&by_pair, &calls.by_time);
        }
    }
}
