//! Two calls of one party that are on two shards: an attended transfer between them.
//!
//! What a mesh leg is within a shard, a **tie** is between two: a leg in each call, of one dialog
//! between the shards, with media of its own on both sides. To its call a tie is a party like any
//! other: what is said to it travels, and it outlives the process as the legs of parties do. Only
//! its beginning is its own, and that its legs stand in the facts where those of a mesh would.
//!
//! ```text
//! before   b --- call 1 --- a   a --- call 2 --- c     a asks in call 1: c instead of me
//! tried    b --- call 1 --- a   call 1 ~~ INVITE, b's description ~~> call 2
//! after    b --- call 1 ~~~~~~~~~~~~~~~~~~~~~~~~ call 2 --- c       both hang up on a
//! ```
//!
//! The second call gives the place at once and answers with what c said last, or refuses and stays
//! as it was. The first one then offers b what c takes and, by the tie, c what b answers: the order
//! of two calls of one shard.

use super::brought::Brought;
use super::end::{End, Farewell};
use super::exchange::Exchange;
use super::leg::{Leg, LegState, Trying, unknown_policy};
use super::talk::Talk;
use super::transfer::Transfer;
use super::{Call, State};
use crate::Role;
use crate::desk::Cx;
use crate::limits::{ATTEMPTS_MAX, TIE_MS};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use strowger_leg::{Body, Command, Event, Offer, TransferWish};
use strowger_link::table::SlotState;
use strowger_link::{
    Branch, BranchAuth, Cause, LegId, Manner, OnRedirect, PartyRef, Reason, Target, Transport,
    way_to_shard,
};

/// No answer of the other shard in time.
const UNHEARD: Cause = Cause::new(408, 102);

impl Call {
    /// `by` wants the other party to be joined with that of a call of another shard.
    pub(super) fn tie(
        &mut self,
        talk: &mut Talk,
        by: u8,
        (far, wish): (LegId, TransferWish),
        cx: &mut Cx<'_>,
    ) {
        let kept = talk.other(by);
        let said = self.speaker(kept).and_then(|beyond| cx.res.said(beyond.0));
        let branch = self.tie_branch(far.slot.seg);
        let leg = said.as_ref().and_then(|_| self.open_tie(&branch, cx));
        let (Some(said), Some(leg)) = (said, leg) else {
            return self.refuse_transfer(by, Cause::from_sip(480), cx);
        };
        match self.describe(kept, leg, Role::Offer, &said, cx) {
            Ok(offer) => {
                let transfer = Transfer {
                    by,
                    mesh: leg,
                    late: false,
                    accepted: true,
                    answer: None,
                    picked: false,
                };
                talk.transfer = Some(Box::new(transfer));
                self.command(by, Command::TransferAccept, cx);
                let shown = wish.abroad;
                let brought = Brought { shown, ..Brought::offer(Some(offer)) };
                self.invite(leg, branch, brought, cx);
                // A later life ends what is tried.
                self.write_slot(SlotState::Answered, cx);
            }
            Err(cause) => {
                self.end_leg(leg, &End::ours(cause, Reason::BadMedia), Farewell::None, cx);
                self.refuse_transfer(by, cause, cx);
            }
        }
    }

    /// A leg of ours to another shard.
    fn open_tie(&mut self, branch: &Branch, cx: &mut Cx<'_>) -> Option<u8> {
        let leg = u8::try_from(self.legs.len()).ok().filter(|leg| *leg <= ATTEMPTS_MAX)?;
        self.legs.push(Leg { tie: true, ..Leg::outbound(branch, cx.now) });
        cx.res.begin(self.leg_id(leg), branch.listener, branch.target.address);
        Some(leg)
    }

    fn tie_branch(&self, shard: u8) -> Branch {
        let nowhere: IpAddr = match self.hints.local {
            SocketAddr::V4(_) => Ipv4Addr::UNSPECIFIED.into(),
            SocketAddr::V6(_) => Ipv6Addr::UNSPECIFIED.into(),
        };
        Branch {
            target: Target {
                uri: format!("sip:shard{shard}@shard.invalid"),
                address: SocketAddr::new(nowhere, 0),
                transport: Transport::Udp,
                flow: way_to_shard(shard),
                routes: Vec::new(),
            },
            to_uri: String::new(),
            listener: self.hints.listener,
            dialed: String::new(),
            from_user: "shard".to_owned(),
            display: String::new(),
            asserted: None,
            anonymous: false,
            headers: Vec::new(),
            media: unknown_policy(false),
            ring_ms: TIE_MS,
            first_ms: 0,
            record: false,
            app: None,
            auth: BranchAuth::Ours,
            gauges: Vec::new(),
            continue_on: Vec::new(),
            stop_on: Vec::new(),
            hop: 0,
            party: PartyRef::Unknown,
            manner: Manner::default(),
            redirect: OnRedirect::Fail,
            replies: Vec::new(),
        }
    }

    /// Whether a leg leads to another shard.
    pub(super) fn is_tie(&self, leg: u8) -> bool {
        self.leg(leg).is_some_and(|leg| leg.tie)
    }

    /// Ties that no fact names, as no fact names a mesh leg: their dialogs are kept all the same.
    pub(crate) fn ties(&self) -> impl Iterator<Item = u8> + '_ {
        self.leg_numbers().filter(|leg| self.is_tie(*leg) && self.facts.opened(*leg).is_none())
    }

    /// The other shard has answered, before the bridge is ready for it.
    pub(super) fn tie_answered(&mut self, leg: u8) {
        if let Some(known) = self.leg_mut(leg).filter(|known| known.tie) {
            known.state = LegState::Answered;
        }
    }

    /// No word came from the other shard in time: all is as before.
    pub(super) fn tie_timeout(&mut self, talk: Box<Talk>, cx: &mut Cx<'_>) -> State {
        let tried = talk.transfer.as_deref().map(|transfer| transfer.mesh);
        let late = |trying: &Trying| trying.expired(cx.now).is_some();
        let late = tried.filter(|leg| self.leg(*leg).and_then(Leg::trying).is_some_and(late));
        let Some(leg) = late else { return State::Talking(talk) };
        self.end_leg(leg, &End::ours(UNHEARD, Reason::PeerSilent), Farewell::Hangup, cx);
        self.transfer_failed(talk, UNHEARD, cx)
    }

    /// A leg for a party of another shard that wants the place of `replaced`.
    ///
    /// # Errors
    /// It has none that can be had: 481. Something else is under way: 491.
    pub(crate) fn open_beside(&mut self, replaced: u8) -> Result<u8, Cause> {
        let talk = self.talk_now().ok_or(Cause::from_sip(481))?;
        self.may_tie(talk, replaced)?;
        let leg = u8::try_from(self.legs.len()).ok().filter(|leg| *leg <= ATTEMPTS_MAX);
        let leg = leg.ok_or(Cause::from_sip(480))?;
        self.legs.push(Leg { tie: true, ..Leg::inbound(false) });
        Ok(leg)
    }

    fn may_tie(&self, talk: &Talk, replaced: u8) -> Result<(), Cause> {
        if !talk.has(replaced) || self.is_mesh(replaced) || self.is_over(replaced) {
            return Err(Cause::from_sip(481));
        }
        let busy = talk.transfer.is_some() || talk.exchange != Exchange::Idle;
        let kept = talk.other(replaced);
        if busy || self.is_over(kept) || !self.is_whole(kept) {
            return Err(Cause::from_sip(491));
        }
        Ok(())
    }

    /// Nothing came of a leg that [`Call::open_beside`] opened.
    pub(crate) fn close_beside(&mut self, leg: u8) {
        let unheard = |known: &&mut Leg| known.tie && matches!(known.state, LegState::Offered);
        if let Some(known) = self.leg_mut(leg).filter(unheard) {
            known.state = LegState::Gone;
        }
    }

    /// What a leg says that is beside the bridge: one that wants a place on it, and has none yet.
    pub(super) fn beside_leg(
        &mut self,
        mut talk: Box<Talk>,
        leg: u8,
        event: Event,
        cx: &mut Cx<'_>,
    ) -> State {
        match event {
            Event::Offered(offer) => self.tie_offered(&mut talk, leg, *offer, cx),
            // Whoever talks loses nobody.
            Event::Ended { cause, .. } | Event::Refused { cause, .. } => {
                self.end_leg(leg, &End::ours(cause, Reason::PeerError), Farewell::None, cx);
            }
            Event::Progress { .. }
            | Event::Fields(_)
            | Event::Parts(_)
            | Event::Answered { .. }
            | Event::Confirmed { .. }
            | Event::Reoffer { .. }
            | Event::Update { .. }
            | Event::Refreshed { .. }
            | Event::ReofferAnswered { .. }
            | Event::ReofferRefused { .. }
            | Event::Digits { .. }
            | Event::Info { .. }
            | Event::Message { .. }
            | Event::Transfer(_) => Call::misplaced(cx),
        }
        State::Talking(talk)
    }

    /// Another shard's party takes the place that it asked for.
    fn tie_offered(&mut self, talk: &mut Talk, leg: u8, offer: Offer, cx: &mut Cx<'_>) {
        let replaced = offer.replaces.map(|replaces| replaces.leg);
        let Some(replaced) = replaced.filter(|named| named.slot == self.slot) else {
            let end = End::ours(Cause::from_sip(481), Reason::BadRequest);
            return self.end_leg(leg, &end, Farewell::Hangup, cx);
        };
        let replaced = replaced.leg;
        let kept = talk.other(replaced);
        let may = self.may_tie(talk, replaced);
        match may.and_then(|()| self.tie_answer(kept, leg, offer.body.as_ref(), cx)) {
            Ok(answer) => {
                self.replace_by(talk, replaced, leg, cx);
                self.join_across(talk.first, talk.peer, cx);
                self.command(leg, Command::Answer { body: Some(answer) }, cx);
            }
            Err(cause) => {
                self.end_leg(leg, &End::ours(cause, Reason::BadMedia), Farewell::Hangup, cx);
            }
        }
    }

    /// Media learns what the other shard offers; it hears what `kept` said last.
    fn tie_answer(
        &self,
        kept: u8,
        leg: u8,
        offer: Option<&Body>,
        cx: &mut Cx<'_>,
    ) -> Result<Body, Cause> {
        let beyond = self.speaker(kept).ok_or(Cause::from_sip(480))?;
        let said = cx.res.said(beyond.0).ok_or(Cause::from_sip(480))?;
        let offer = offer.ok_or(Cause::from_sip(488))?;
        // What it means for `kept` is said when the other party has chosen.
        if self.is_mesh(kept) {
            self.learn(leg, kept, offer, cx);
        } else {
            self.describe(leg, kept, Role::Offer, offer, cx)?;
        }
        self.describe(kept, leg, Role::Offer, &said, cx)
    }
}
