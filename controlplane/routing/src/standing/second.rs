//! Who talked shortly, and by which trunk: whoever calls the same number again at once did not hear
//! what he wanted, and goes by another trunk (spec FAIL-03).
//!
//! A small memory and no machine: told of talks that were short, asked when a call is decided.
//! Bounded: what is older than [`SECOND_TRY_US`] goes, and beyond [`SECOND_TRIES_MAX`] the oldest.

use std::collections::{BTreeMap, BTreeSet};
use strowger_model::{AccountId, Digits, TrunkId};

/// Most short talks that are remembered.
pub const SECOND_TRIES_MAX: usize = 16_384;
/// A call that begins so long after a short talk is no second try any more, microseconds.
pub const SECOND_TRY_US: i64 = 120_000_000;

/// Who calls whom: the account, the caller's number, the called one.
pub type CallPair = (AccountId, Digits, Digits);

/// Short talks of the last minutes: the last of each pair.
#[derive(Clone, PartialEq, Eq, Default, Debug)]
pub(super) struct ShortTalks {
    last: BTreeMap<CallPair, (TrunkId, i64)>,
    // The same by time, for those that go.
    by_time: BTreeSet<(i64, CallPair)>,
}

impl ShortTalks {
    /// A talk by this trunk was short and ended at `at_us`. An older one than is known changes
    /// nothing.
    pub(super) fn note(&mut self, pair: CallPair, trunk: TrunkId, at_us: i64) {
        if let Some((_, known_us)) = self.last.get(&pair) {
            if *known_us > at_us {
                return;
            }
            self.by_time.remove(&(*known_us, pair));
        }
        self.last.insert(pair, (trunk, at_us));
        self.by_time.insert((at_us, pair));
        self.forget(at_us);
    }

    fn forget(&mut self, now_us: i64) {
        while let Some((at_us, oldest)) = self.by_time.first().copied() {
            let is_old = now_us.saturating_sub(at_us) > SECOND_TRY_US;
            if !is_old && self.by_time.len() <= SECOND_TRIES_MAX {
                return;
            }
            self.by_time.remove(&(at_us, oldest));
            self.last.remove(&oldest);
        }
    }

    /// The trunk by which these two talked shortly a moment ago.
    pub(super) fn trunk(&self, pair: &CallPair, now_us: i64) -> Option<TrunkId> {
        let (trunk, at_us) = self.last.get(pair)?;
        (now_us.saturating_sub(*at_us) <= SECOND_TRY_US).then_some(*trunk)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::digits;
    use proptest::prelude::*;

    fn pair(caller: i64, called: &str) -> CallPair {
        (AccountId(1), digits(&caller.to_string()), digits(called))
    }

    #[test]
    fn a_second_try_is_one_within_two_minutes_of_the_last_short_talk() {
        let mut talks = ShortTalks::default();
        talks.note(pair(1, "44"), TrunkId(6), 100);
        talks.note(pair(1, "44"), TrunkId(7), 90);
        let trunk = |talks: &ShortTalks, of, now_us| talks.trunk(&of, now_us).map(|trunk| trunk.0);
        assert_eq!(trunk(&talks, pair(1, "44"), 101), Some(6), "an older one comes too late");
        assert_eq!(trunk(&talks, pair(1, "44"), 100 + SECOND_TRY_US), Some(6));
        assert_eq!(trunk(&talks, pair(1, "44"), 101 + SECOND_TRY_US), None);
        assert_eq!(trunk(&talks, pair(2, "44"), 101), None);
        assert_eq!(trunk(&talks, pair(1, "45"), 101), None);
        talks.note(pair(2, "44"), TrunkId(7), 101 + SECOND_TRY_US);
        assert_eq!((talks.last.len(), talks.by_time.len()), (1, 1), "the first is forgotten");
    }

    #[test]
    fn beyond_the_bound_the_oldest_goes() {
        let mut talks = ShortTalks::default();
        for n in 0..=SECOND_TRIES_MAX as i64 {
            talks.note(pair(n, "44"), TrunkId(6), n);
        }
        assert_eq!((talks.last.len(), talks.by_time.len()), (SECOND_TRIES_MAX, SECOND_TRIES_MAX));
        assert_eq!(talks.trunk(&pair(0, "44"), 1), None);
    }

    proptest! {
        #[test]
        fn both_orders_hold_the_same(
            noted in prop::collection::vec((0i64..4, 0i64..3, 0i64..300_000_000), 0..60),
        ) {
            let mut talks = ShortTalks::default();
            for (caller, trunk, at_us) in noted {
                talks.note(pair(caller, "44"), TrunkId(trunk), at_us);
            }
            let by_pair: BTreeSet<_> = talks.last.iter().map(|(p, (_, at))| (*at, *p)).collect();
            prop_assert_eq!(&by_pair, &talks.by_time);
        }
    }
}
