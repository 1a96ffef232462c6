//! How calls sound while they talk: looked at in turn, some at each beat of the shard, each call
//! once in a round. A round takes a second, or as long as the calls of the shard need.

use super::{Joint, MediaDesk};
use std::collections::BTreeMap;
use std::ops::Bound;
use strowger_link::{LegId, MediaReport, SECOND, SOUNDS_MAX, Tick};
use strowger_media::PairId;

/// The shortest round.
const ROUND: u64 = SECOND;

/// Where a round is.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Round {
    /// The pair that was looked at last; `None` between two rounds.
    last: Option<PairId>,
    /// When the next one may begin.
    due: Tick,
}

impl Round {
    /// The next pairs in turn, at most so many; none while a round is over and the next one is not
    /// due.
    pub(super) fn next(
        &mut self,
        joints: &BTreeMap<PairId, Joint>,
        most: usize,
        now: Tick,
    ) -> Vec<(PairId, Joint)> {
        let from = match self.last {
            Some(last) => Bound::Excluded(last),
            None if now < self.due => return Vec::new(),
            None => {
                self.due = now.plus_ns(ROUND);
                Bound::Unbounded
            }
        };
        let next = joints.range((from, Bound::Unbounded)).take(most);
        let looked: Vec<(PairId, Joint)> = next.map(|(pair, joint)| (*pair, *joint)).collect();
        let is_cut = looked.len() == most;
        self.last = looked.last().map(|(pair, _)| *pair).filter(|_| is_cut);
        looked
    }
}

/// How a call sounds by now.
#[derive(Debug)]
pub(crate) struct CallSound {
    /// The leg that was called; of a call that is put together with another one, its own.
    pub(crate) called: LegId,
    /// What both sides carried so far, the caller's first.
    pub(crate) reports: [MediaReport; 2],
    /// A false answer ends it.
    pub(crate) ends_false: bool,
}

impl MediaDesk {
    /// The next calls in turn, of at most [`SOUNDS_MAX`] pairs, each of which is one call's or two
    /// calls'; none while a round is over and the next one is not due.
    pub(crate) fn sounds(&mut self, now: Tick) -> Vec<CallSound> {
        let looked = self.round.next(&self.joints, SOUNDS_MAX, now);
        let sound = |(pair, Joint { a, b, .. }): (PairId, Joint)| match a.slot == b.slot {
            true => [self.sound(pair, (a, b), now), None],
            false => [self.half(pair, (a, b), now), self.half(pair, (b, a), now)],
        };
        looked.into_iter().flat_map(sound).flatten().collect()
    }

    /// The call of a pair, which is told by the first of its pairs.
    fn sound(&self, pair: PairId, (a, b): (LegId, LegId), now: Tick) -> Option<CallSound> {
        let (caller, called) = if a.leg <= b.leg { (a, b) } else { (b, a) };
        if self.first_pair(caller) != Some(pair) {
            return None;
        }
        let ends_false = self.legs.get(&called)?.policy.is_some_and(|policy| policy.ends_false);
        let reports = [self.so_far(caller, now)?, self.so_far(called, now)?];
        Some(CallSound { called, reports, ends_false })
    }

    /// Of two calls that were put together each has one of the parties; in the place of who left it
    /// is the other call's, who speaks with its own now. What such an answer was is known.
    fn half(&self, pair: PairId, (own, other): (LegId, LegId), now: Tick) -> Option<CallSound> {
        if self.first_pair(own) != Some(pair) {
            return None;
        }
        let (own_side, other_side) = (self.so_far(own, now)?, self.so_far(other, now)?);
        // The caller's leg is a call's first.
        let is_caller = own.leg == 0;
        let reports = if is_caller { [own_side, other_side] } else { [other_side, own_side] };
        Some(CallSound { called: own, reports, ends_false: false })
    }

    fn first_pair(&self, leg: LegId) -> Option<PairId> {
        self.legs.get(&leg)?.lines.iter().find_map(|line| line.pair)
    }
}
