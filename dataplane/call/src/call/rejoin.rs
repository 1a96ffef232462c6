//! What a transferred call is asked when a later process has taken it up: it was written into its
//! slot beside the other calls of its chain, one after the other, and the crash may have come
//! between two of them.
//!
//! The call with the target is always written before the call of the asker. So three things can be
//! found: both halves; a target that answered for a call that has not heard of it, which is told
//! again; two calls of one asker, of which the first does not know yet, and is told again. Any
//! other half ends as lost.

use super::exchange::Exchange;
use super::leg::LegState;
use super::transfer::{Joined, Transfer};
use super::{Call, State};
use crate::Resources;
use crate::call::frozen::{Lost, LostLeg};
use crate::call::leg::Mesh;
use crate::desk::Cx;
use strowger_leg::{Command, Event};
use strowger_link::{LegId, Reason, Tick};

impl Call {
    /// The mesh legs of its bridge.
    pub(crate) fn halves(&self) -> Vec<u8> {
        let bridge = self.talk_now().map(|talk| [talk.first, talk.peer]);
        bridge.into_iter().flatten().filter(|leg| self.far_of(*leg).is_some()).collect()
    }

    /// Mesh legs that stand where another call of the same party knew its leg: this half, the other
    /// one, and that leg.
    pub(crate) fn instead_of(&self) -> Vec<(LegId, LegId, u8)> {
        let half = |leg: u8| {
            let mesh = self.leg(leg)?.mesh.as_deref()?;
            Some((self.leg_id(leg), mesh.far, mesh.instead?))
        };
        self.halves().into_iter().filter_map(half).collect()
    }

    /// What this half of two calls of one party says to the other one, which forgot it.
    pub(crate) fn joined_by(&self, leg: u8, cx: &mut Cx<'_>) -> Option<Joined> {
        let beyond = self.speaker(self.across(leg)?)?;
        let said = cx.res.said(beyond.0);
        Some(Joined { far: self.leg_id(leg), beyond, said })
    }

    /// The first of two calls of one party is told again that they are a bridge: `by` goes, and
    /// `mesh` is what its half was numbered.
    pub(crate) fn join_again(&mut self, (by, mesh): (u8, u8), joined: Joined, cx: &mut Cx<'_>) {
        let fits = usize::from(mesh) == self.legs.len() && !self.is_over(by) && !self.is_mesh(by);
        if let State::Talking(talk) = &mut self.state
            && fits
            && talk.has(by)
            && talk.transfer.is_none()
            && talk.exchange == Exchange::Idle
        {
            let tried =
                Transfer { by, mesh, late: false, accepted: true, answer: None, picked: false };
            talk.transfer = Some(Box::new(tried));
            let _its_number = self.open_mesh(Mesh::waiting());
            self.joined_with(Ok(joined), cx);
        }
    }

    /// It lacks the other half: it ends as if nobody had taken it up.
    pub(crate) fn lose(&mut self, at: Tick, cx: &mut Cx<'_>) {
        let mut legs = Vec::new();
        for leg in self.leg_numbers() {
            self.part_from(leg, cx);
            let (is_mesh, id) = (self.is_mesh(leg), self.leg_id(leg));
            let Some(known) = self.leg_mut(leg) else { continue };
            for gauge in std::mem::take(&mut known.gauges) {
                cx.res.give(gauge);
            }
            if !is_mesh && matches!(known.state, LegState::Answered) {
                legs.push(LostLeg { leg, early: false, explain: known.manner.explain });
                let _as_of_any_lost_call = cx.res.release(id);
            }
        }
        let (facts, reason) = (*self.call_facts(), Reason::ProcessLost);
        let lost = Lost { facts, legs, at, reason, owes_record: true };
        *self = Call::lost(self.slot, lost, cx);
    }

    /// Joins media with the party at the other end of its chain, if it has a party itself.
    pub(crate) fn join_ends(&mut self, cx: &mut Cx<'_>) {
        let bridge = self.talk_now().map(|talk| (talk.first, talk.peer));
        if let Some((first, peer)) = bridge
            && self.has_one_party()
        {
            self.join_across(first, peer, cx);
        }
    }

    /// Whether it is at an end of a chain.
    pub(crate) fn has_one_party(&self) -> bool {
        let talk = self.talk_now();
        talk.is_some_and(|talk| self.is_mesh(talk.first) != self.is_mesh(talk.peer))
    }

    /// Whether it is at an end of a chain, and its party has not hung up: one that had somebody put
    /// through may be gone while the other one waits.
    pub(crate) fn can_be_asked(&self) -> bool {
        let bridge = self.talk_now().map(|talk| [talk.first, talk.peer]);
        self.has_one_party() && bridge.into_iter().flatten().all(|leg| !self.is_over(leg))
    }

    /// Whether a chain of calls has to ask for an offer for it.
    pub(crate) fn is_unsure(&self) -> bool {
        let asks = |exchange| matches!(exchange, Exchange::Asking { .. });
        !self.halves().is_empty() && self.talk_now().is_some_and(|talk| asks(talk.exchange))
    }

    /// Another call of its chain asks for an offer; `false` when it has begun an exchange since.
    pub(crate) fn forget_exchange(&mut self) -> bool {
        let is_unsure = self.is_unsure();
        let State::Talking(talk) = &mut self.state else { return true };
        if is_unsure {
            talk.exchange = Exchange::Idle;
        }
        talk.exchange == Exchange::Idle
    }

    /// Its party is asked for an offer, for the party at the other end of its chain.
    pub(crate) fn ask_for_offer(&mut self, cx: &mut Cx<'_>) {
        let party = self.talk_now().map(|talk| [talk.first, talk.peer]);
        let party = party.into_iter().flatten().find(|leg| !self.is_mesh(*leg));
        if let (State::Talking(talk), Some(leg)) = (&mut self.state, party) {
            talk.exchange = Exchange::Asking { leg };
            self.command(leg, Command::Reoffer { body: None }, cx);
        }
    }

    /// The mesh leg by which it waits for a target.
    pub(crate) fn waits_by(&self) -> Option<u8> {
        let transfer = self.talk_now()?.transfer.as_ref()?;
        transfer.answer.is_none().then_some(transfer.mesh)
    }

    /// What its mesh leg would hear of an answer, if it is answered.
    pub(crate) fn answer_across(&self, leg: u8, res: &dyn Resources) -> Event {
        let party = self.across(leg).and_then(|across| self.speaker(across));
        Event::Answered { body: party.and_then(|party| res.said(party.0)) }
    }
}
