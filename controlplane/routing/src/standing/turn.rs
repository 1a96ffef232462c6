//! Whose turn it is among targets that share calls by weight (order `share`).
//!
//! Each set of targets that can take a call has counts of its own. The next call goes to a target
//! that is behind its share, of those to the one whose share runs out first (Tijdeman's rule for
//! the chairman of an assembly): so after every call each target of a set has had its share of the
//! set's calls, give or take less than one, and exactly its share when a window is full, which is
//! as many calls as the weights sum to. What cannot take a call is not in its set; others share
//! that call by their weights, and nothing is made up for later.

use crate::limits::{ROUTE_TARGETS_MAX, TURNS_MAX};
use std::collections::BTreeMap;
use strowger_model::{RouteId, TrunkId};

/// A set of targets with their weights, none of which is 0.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub struct Turn {
    route: RouteId,
    targets: Box<[(TrunkId, u32)]>,
}

impl Turn {
    /// Of targets of a route in any order, those without a weight left out. A trunk that stands
    /// there twice has both weights.
    #[must_use]
    pub fn of(route: RouteId, targets: impl Iterator<Item = (TrunkId, u16)>) -> Turn {
        let some = targets.filter(|(_, weight)| *weight > 0).take(ROUTE_TARGETS_MAX);
        let mut targets: Vec<(TrunkId, u32)> =
            some.map(|(trunk, weight)| (trunk, u32::from(weight))).collect();
        targets.sort_unstable();
        targets.dedup_by(|again, first| {
            let is_same = again.0 == first.0;
            first.1 = first.1.saturating_add(if is_same { again.1 } else { 0 });
            is_same
        });
        Turn { route, targets: targets.into() }
    }

    fn total(&self) -> u64 {
        self.targets.iter().map(|(_, weight)| u64::from(*weight)).sum()
    }
}

/// How a set stands.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Due {
    /// Its trunks, the one whose turn it is first.
    pub order: Vec<TrunkId>,
    /// Weight of the first.
    pub weight: u32,
    /// Sum of all weights.
    pub total: u64,
    /// Calls that the first has had in this window.
    pub taken: u64,
    /// Calls of the window so far.
    pub calls: u64,
}

/// Calls of a window.
#[derive(Clone, PartialEq, Eq, Debug)]
struct Window {
    calls: u64,
    /// By target.
    taken: Vec<u64>,
    /// Place of its last call among all.
    last: u64,
}

/// The windows of all sets.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub(super) struct Turns {
    windows: BTreeMap<Turn, Window>,
    calls: u64,
}

/// How far a target is behind its share with the next call, times the sum of weights.
fn behind(weight: u32, taken: u64, calls: u64, total: u64) -> i128 {
    let share = i128::from(calls + 1) * i128::from(weight);
    share - i128::from(taken) * i128::from(total)
}

/// The target whose turn it is, by its place; `None` without any.
fn next(turn: &Turn, window: &Window) -> Option<usize> {
    let (total, calls) = (turn.total(), window.calls);
    // 2 (n - 1): for one target alone there is nothing to tell apart.
    let spread = 2 * i128::try_from(turn.targets.len().saturating_sub(1)).ok()?;
    let all = turn.targets.iter().zip(&window.taken).enumerate();
    let all = all.map(|(at, ((_, weight), taken))| {
        (at, i128::from(*weight), behind(*weight, *taken, calls, total))
    });
    let late = all.clone().filter(|(_, _, behind)| spread * behind >= i128::from(total));
    // When its share runs out: (total (spread - 1) - spread behind) / weight, as a fraction.
    let ends = |behind: i128| i128::from(total) * (spread - 1) - spread * behind;
    let soonest = late.min_by(|(a, a_weight, a_behind), (b, b_weight, b_behind)| {
        let (a_ends, b_ends) = (ends(*a_behind) * b_weight, ends(*b_behind) * a_weight);
        a_ends.cmp(&b_ends).then(a.cmp(b))
    });
    // Calls that went elsewhere than it was due may leave nobody late.
    let most = all.max_by(|a, b| a.2.cmp(&b.2).then(b.0.cmp(&a.0)));
    soonest.or(most).map(|(at, ..)| at)
}

impl Turns {
    /// How a set stands; `None` without a target.
    pub(super) fn due(&self, turn: &Turn) -> Option<Due> {
        let fresh;
        let window = match self.windows.get(turn) {
            Some(window) => window,
            None => {
                fresh = Window { calls: 0, taken: vec![0; turn.targets.len()], last: 0 };
                &fresh
            }
        };
        let first = next(turn, window)?;
        let (trunk, weight) = *turn.targets.get(first)?;
        let total = turn.total();
        let others = turn.targets.iter().zip(&window.taken).filter(|(target, _)| target.0 != trunk);
        let mut rest: Vec<(i128, TrunkId)> = others
            .map(|((trunk, weight), taken)| (-behind(*weight, *taken, window.calls, total), *trunk))
            .collect();
        rest.sort_unstable();
        let order = core::iter::once(trunk).chain(rest.into_iter().map(|(_, trunk)| trunk));
        let taken = window.taken.get(first).copied().unwrap_or_default();
        Some(Due { order: order.collect(), weight, total, taken, calls: window.calls })
    }

    /// A call for which this set was there went to one of it.
    pub(super) fn took(&mut self, turn: &Turn, trunk: TrunkId) {
        let Some(at) = turn.targets.iter().position(|target| target.0 == trunk) else { return };
        if self.windows.len() >= TURNS_MAX && !self.windows.contains_key(turn) {
            let oldest = self.windows.iter().min_by_key(|(_, window)| window.last);
            if let Some(oldest) = oldest.map(|(turn, _)| turn.clone()) {
                self.windows.remove(&oldest);
            }
        }
        self.calls += 1;
        let blank = || Window { calls: 0, taken: vec![0; turn.targets.len()], last: 0 };
        let window = self.windows.entry(turn.clone()).or_insert_with(blank);
        window.last = self.calls;
        window.calls += 1;
        if let Some(taken) = window.taken.get_mut(at) {
            *taken += 1;
        }
        // Whatever it held, the next window begins anew: counts stay small.
        if window.calls >= turn.total() {
            window.calls = 0;
            window.taken.fill(0);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn turn(weights: &[u16]) -> Turn {
        Turn::of(RouteId(1), (1..).map(TrunkId).zip(weights.iter().copied()))
    }

    /// The first of so many calls, one after the other.
    fn firsts(turns: &mut Turns, turn: &Turn, calls: u64) -> Vec<i64> {
        let one = |_| {
            let first = turns.due(turn).unwrap().order[0];
            turns.took(turn, first);
            first.0
        };
        (0..calls).map(one).collect()
    }

    #[test]
    fn percent_are_exact_over_a_hundred_calls() {
        let (mut turns, shared) = (Turns::default(), turn(&[70, 20, 10]));
        for _ in 0..3 {
            let all = firsts(&mut turns, &shared, 100);
            for (trunk, share) in [(1, 70), (2, 20), (3, 10)] {
                assert_eq!(all.iter().filter(|first| **first == trunk).count(), share);
            }
            // Spread, not in blocks: of ten calls in a row each has its share.
            assert!(all.chunks(10).all(|ten| ten.iter().filter(|one| **one == 3).count() == 1));
        }
    }

    #[test]
    fn a_set_has_counts_of_its_own_and_one_target_takes_all() {
        let (mut turns, both, only) = (Turns::default(), turn(&[1, 1]), turn(&[0, 7]));
        assert_eq!(firsts(&mut turns, &both, 3), [1, 2, 1]);
        assert_eq!(firsts(&mut turns, &only, 3), [2, 2, 2]);
        assert_eq!(firsts(&mut turns, &both, 1), [2]);
        assert_eq!(turns.due(&turn(&[0, 0])), None);
        let due = turns.due(&turn(&[3, 1])).unwrap();
        assert_eq!((due.weight, due.total, due.taken, due.calls), (3, 4, 0, 0));
        assert_eq!(due.order, [TrunkId(1), TrunkId(2)]);
        let twice = [(TrunkId(1), 30), (TrunkId(2), 50), (TrunkId(1), 20)];
        let twice = Turn::of(RouteId(1), twice.into_iter());
        assert_eq!(firsts(&mut turns, &twice, 4), [1, 2, 1, 2]);
        // One that is no target counts nowhere.
        turns.took(&both, TrunkId(9));
        assert_eq!(firsts(&mut turns, &both, 2), [1, 2]);
    }

    #[test]
    fn sets_are_bounded() {
        let mut turns = Turns::default();
        for n in 0..TURNS_MAX as i64 + 50 {
            let one = Turn::of(RouteId(n), [(TrunkId(1), 2), (TrunkId(2), 2)].into_iter());
            firsts(&mut turns, &one, 1);
        }
        assert_eq!(turns.windows.len(), TURNS_MAX);
        assert!(turns.windows.keys().all(|turn| turn.route.0 >= 50), "the oldest are forgotten");
    }

    proptest! {
        /// At every moment each has had its share of the calls, give or take less than one.
        #[test]
        fn shares_are_never_off_by_a_call(
            weights in prop::collection::vec(1u16..60, 1..9),
            rounds in 1u64..4,
        ) {
            let (mut turns, shared) = (Turns::default(), turn(&weights));
            let total: u64 = weights.iter().map(|weight| u64::from(*weight)).sum();
            let mut counts = vec![0u64; weights.len()];
            for calls in 1..=total * rounds {
                let first = firsts(&mut turns, &shared, 1)[0];
                counts[usize::try_from(first - 1).unwrap()] += 1;
                for (count, weight) in counts.iter().zip(&weights) {
                    // |count - calls * weight / total| < 1, without a fraction.
                    let off = (count * total).abs_diff(calls * u64::from(*weight));
                    prop_assert!(off < total, "{counts:?} of {weights:?}");
                }
            }
            let exact: Vec<u64> = weights.iter().map(|w| u64::from(*w) * rounds).collect();
            prop_assert_eq!(counts, exact);
        }

        /// Whatever can take each call: it goes to one that can, all that can follow it, and each
        /// set that was there has its shares.
        #[test]
        fn what_cannot_take_calls_is_left_to_the_others(
            weights in prop::collection::vec(1u16..20, 4),
            usable in prop::collection::vec(1u8..16, 1..400),
        ) {
            let mut turns = Turns::default();
            let mut counts: BTreeMap<u8, Vec<u64>> = BTreeMap::new();
            for mask in usable {
                let own = |at: &usize| mask >> at & 1 == 1;
                let targets = (0..4).filter(own).map(|at| (TrunkId(at as i64), weights[at]));
                let set = Turn::of(RouteId(1), targets);
                let order = turns.due(&set).unwrap().order;
                turns.took(&set, order[0]);
                let first = usize::try_from(order[0].0).unwrap();
                prop_assert!(own(&first));
                prop_assert_eq!(order.len(), mask.count_ones() as usize);
                let count = counts.entry(mask).or_insert_with(|| vec![0; 4]);
                count[first] += 1;
                let calls: u64 = count.iter().sum();
                let total: u64 = (0..4).filter(own).map(|at| u64::from(weights[at])).sum();
                for at in (0..4).filter(own) {
                    let off = (count[at] * total).abs_diff(calls * u64::from(weights[at]));
                    prop_assert!(off < total, "{mask} {count:?} of {weights:?}");
                }
            }
        }
    }
}
