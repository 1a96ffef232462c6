//! Chains of calls that mesh legs make one bridge: who is at their ends, how long they are, and how
//! the halves that a former process left find each other again.

use super::Calls;
use crate::Resources;
use crate::call::{Beyond, Call};
use crate::limits::CHAIN_MAX;
use std::collections::BTreeSet;
use strowger_leg::{Cause, Event};
use strowger_link::{LegId, SlotRef, Tick};

/// After a crash: nobody knows a half any more. Q.850 41, temporary failure.
const HALF_LOST: Cause = Cause::new(503, 41);

impl Calls {
    /// The other half of a mesh leg, if each of the two leads to the other.
    fn half_of(&self, at: LegId) -> Option<LegId> {
        let leads = |from: LegId| self.slab.peek(from.slot)?.far_of(from.leg);
        leads(at).filter(|far| leads(*far) == Some(at))
    }

    /// The party at the end of all calls behind a mesh leg; `None` while there is none.
    fn beyond(&self, leg: LegId) -> Option<Beyond> {
        self.walk(leg, |_, _| true)
    }

    /// The same, if all between are bridged: nobody waits for a target by this leg.
    fn bridged_with(&self, leg: LegId) -> Option<Beyond> {
        self.walk(leg, |call, leg| call.halves().contains(&leg))
    }

    fn walk(&self, leg: LegId, passes: impl Fn(&Call, u8) -> bool) -> Option<Beyond> {
        let mut at = leg;
        for _ in 0..=CHAIN_MAX {
            let LegId { slot, leg } = self.half_of(at)?;
            let call = self.slab.peek(slot).filter(|call| passes(call, leg))?;
            let across = call.across(leg).filter(|leg| !call.is_over(*leg))?;
            if let Some(party) = call.as_party(across) {
                return Some(party);
            }
            at = LegId { slot, leg: across };
        }
        None
    }

    /// Lets a call know who is behind its mesh legs now. Every event of a call comes after this, so
    /// no call speaks of a party that another one has lost since.
    pub(super) fn refresh(&mut self, slot: SlotRef) {
        let Some(call) = self.slab.peek(slot) else { return };
        let legs: Vec<u8> = call.mesh_legs().collect();
        for leg in legs {
            let at = LegId { slot, leg };
            let (beyond, whole) = (self.beyond(at), self.bridged_with(at).is_some());
            if let Some(call) = self.slab.call(slot) {
                call.note_beyond(leg, beyond, whole);
            }
        }
    }

    /// The calls of a chain, `slot` first; those that wait for a target included.
    pub(super) fn chain(&self, slot: SlotRef) -> Vec<SlotRef> {
        let mut found = vec![slot];
        let mut next = 0;
        while let Some(at) = found.get(next).copied().filter(|_| found.len() <= CHAIN_MAX) {
            next += 1;
            let Some(call) = self.slab.peek(at) else { continue };
            for leg in call.mesh_legs() {
                let half = self.half_of(LegId { slot: at, leg });
                if let Some(far) = half.filter(|far| !found.contains(&far.slot)) {
                    found.push(far.slot);
                }
            }
        }
        found
    }

    /// After the last call of a former process was taken up: the halves of transferred calls find
    /// each other. What the crash came between is done again where both halves tell the same, and
    /// what is missing its other half is ended as lost, at the last sign of life `at`; their number
    /// is returned.
    pub fn rejoin(&mut self, at: Tick, now: Tick, res: &mut impl Resources) -> u32 {
        let meshed: Vec<SlotRef> = self
            .slab
            .calls()
            .filter(|call| call.mesh_legs().next().is_some())
            .map(Call::slot)
            .collect();
        if meshed.is_empty() {
            return 0;
        }
        self.join_again(&meshed, now, res);
        let lost = self.lose_halves(&meshed, at, now, res);
        for slot in &meshed {
            let halves = self.slab.peek(*slot).map(Call::halves).unwrap_or_default();
            let bridged = |leg: &u8| self.bridged_with(LegId { slot: *slot, leg: *leg }).is_some();
            if halves.iter().all(bridged) {
                self.act(*slot, now, res, |call, cx| call.join_ends(cx));
            }
        }
        // First what ends with it: nobody is asked for an offer who is hung up at once.
        self.try_again(&meshed, now, res);
        self.ask_again(&meshed, now, res);
        lost
    }

    /// Two calls of one party, of which the crash let only one know that they are a bridge.
    fn join_again(&mut self, meshed: &[SlotRef], now: Tick, res: &mut impl Resources) {
        for slot in meshed {
            let halves = self.slab.peek(*slot).map(|call| call.instead_of()).unwrap_or_default();
            for (near, far, by) in halves {
                let knows = |call: &Call| call.far_of(far.leg).is_some();
                if self.slab.peek(far.slot).is_none_or(knows) {
                    continue;
                }
                let joined = self.act(*slot, now, res, |call, cx| call.joined_by(near.leg, cx));
                if let Some(Some(joined)) = joined {
                    self.act(far.slot, now, res, |call, cx| {
                        call.join_again((by, far.leg), joined, cx);
                    });
                    self.run_errands(now, res);
                }
            }
        }
    }

    /// Ends calls that lack a half of their bridge, until all that are left are whole.
    fn lose_halves(
        &mut self,
        meshed: &[SlotRef],
        at: Tick,
        now: Tick,
        res: &mut impl Resources,
    ) -> u32 {
        let mut left: BTreeSet<SlotRef> = meshed.iter().copied().collect();
        let mut lost = 0;
        loop {
            let lacks = |slot: &SlotRef| {
                let halves = self.slab.peek(*slot).map(|call| call.halves()).unwrap_or_default();
                halves.into_iter().any(|leg| self.half_of(LegId { slot: *slot, leg }).is_none())
            };
            let Some(slot) = left.iter().copied().find(lacks) else { return lost };
            left.remove(&slot);
            lost += 1;
            self.act(slot, now, res, |call, cx| call.lose(at, cx));
        }
    }

    /// An exchange that was cut off in a chain is made good by one of the calls at its ends.
    fn ask_again(&mut self, meshed: &[SlotRef], now: Tick, res: &mut impl Resources) {
        for slot in meshed {
            if !self.slab.peek(*slot).is_some_and(Call::is_unsure) {
                continue;
            }
            let chain = self.chain(*slot);
            let mut rests = true;
            for slot in &chain {
                let at_rest = self.act(*slot, now, res, |call, _| call.forget_exchange());
                rests &= at_rest.unwrap_or(true);
            }
            let ends = |slot: &SlotRef| self.slab.peek(*slot).is_some_and(Call::can_be_asked);
            if let Some(end) = chain.iter().copied().find(|slot| rests && ends(slot)) {
                self.act(end, now, res, |call, cx| call.ask_for_offer(cx));
                self.run_errands(now, res);
            }
        }
    }

    /// Transfers that were tried: a target that answered takes its place, any other is given up.
    fn try_again(&mut self, meshed: &[SlotRef], now: Tick, res: &mut impl Resources) {
        for slot in meshed {
            let waiting = self.slab.peek(*slot).and_then(|call| call.waits_by());
            let Some(leg) = waiting else { continue };
            let event = match self.half_of(LegId { slot: *slot, leg }) {
                Some(far) => {
                    self.slab.peek(far.slot).map(|call| call.answer_across(far.leg, &*res))
                }
                None => None,
            };
            let ended = || Event::Ended { cause: HALF_LOST, by_party: false };
            let event = event.unwrap_or_else(ended);
            self.refresh(*slot);
            self.act(*slot, now, res, |call, cx| call.handle_leg(leg, event, cx));
            self.run_errands(now, res);
        }
    }
}
