//! Somebody takes the place of a party of a running call (RFC 3891): of one that talks, or of one
//! that only rings.
//!
//! Whoever comes is the caller of a call of its own, with its own ask and record, which costs
//! nothing: the call that it takes over goes on under its plan, its money and its record. The two
//! are joined by a mesh leg in each, as those of a transfer are.
//!
//! ```text
//! before      a --- call 1 --- b                 c: INVITE, Replaces b's dialog
//! meanwhile   a --- call 1 --- b   call 1 . . call 2 --- c     a is offered what c offers
//! after       a --- call 1 === call 2 --- c      b is hung up, c is answered
//! ```
//!
//! One that talks is hung up only when the other party has accepted what the newcomer offers:
//! what it refuses leaves the call as it was, and the newcomer hears why. Of one that rings the
//! caller is answered with the newcomer's description at once, and the newcomer with the
//! caller's: each has offered what it takes, and names formats that the other may choose from
//! (RFC 3264 section 6.1).

use super::ask::clip_settlement;
use super::end::{End, Farewell, final_cause};
use super::exchange::Exchange;
use super::hunt::Hunt;
use super::leg::{Leg, LegState, Mesh};
use super::talk::Talk;
use super::transfer::{Beyond, Transfer};
use super::{Call, State, clip};
use crate::Role;
use crate::desk::{Cx, Errand};
use crate::limits::PICK_MS;
use strowger_leg::{Body, Command, Event};
use strowger_link::table::SlotState;
use strowger_link::{
    Cause, Direction, Fact, Go, Grant, LegAnswered, LegId, LegOpened, Octets, Party, PartyRef,
    Reason, Tick,
};

/// A caller who may take a place, until the other party has accepted it.
#[derive(Debug)]
pub(crate) struct Picking {
    /// The half of the call that it takes over.
    pub(super) mesh: u8,
    /// It offered nothing, and is offered something itself.
    late: bool,
    grant: Grant,
    max_ms: u64,
    /// When it is given up.
    until: Tick,
}

impl Picking {
    pub(crate) fn deadline(&self) -> Tick {
        self.until
    }
}

/// What the call of a newcomer wants of the one that it takes over.
#[derive(Debug)]
pub(crate) struct PickUp {
    /// Its mesh leg.
    pub(crate) from: LegId,
    /// The leg whose place is taken.
    pub(crate) replaced: LegId,
    /// That leg has not answered.
    ringing: bool,
    /// Who comes.
    newcomer: Beyond,
    offer: Option<Body>,
}

impl Call {
    /// Whose place `leg` has, and the settlement of its call.
    ///
    /// # Errors
    /// It has none that can be taken.
    pub(crate) fn place_of(&self, leg: u8, ringing: bool) -> Result<(PartyRef, Octets), Cause> {
        let there = match &self.state {
            State::Talking(talk) => !ringing && talk.has(leg),
            State::Hunting(_) => ringing && self.leg(leg).and_then(Leg::trying).is_some(),
            State::Asked(_) | State::Picking(_) | State::Setup(_) | State::Closed(_) => false,
        };
        if !there || self.is_mesh(leg) || self.is_over(leg) {
            return Err(Cause::from_sip(481));
        }
        Ok((self.facts.party_of(leg), self.settlement.clone()))
    }

    /// The caller may take the place of `replaced`.
    pub(crate) fn pick_up(
        &mut self,
        go: Go,
        (replaced, ringing): (LegId, bool),
        offer: Option<Body>,
        cx: &mut Cx<'_>,
    ) -> State {
        let Go { grant, max_ms, settlement, media, manner, .. } = go;
        self.settlement = clip_settlement(settlement);
        if let Some(caller) = self.leg_mut(0) {
            (caller.policy, caller.manner) = (media, manner);
        }
        self.facts.grant(grant, cx.now);
        self.write_slot(SlotState::Ringing, cx);
        let (Some(mesh), Some(newcomer)) = (self.open_mesh(Mesh::waiting()), self.speaker(0))
        else {
            return self.close(&End::ours(Cause::from_sip(500), Reason::Internal), cx);
        };
        let late = offer.is_none();
        let from = self.leg_id(mesh);
        let pick_up = PickUp { from, replaced, ringing, newcomer, offer };
        cx.desk.errands.push_back(Errand::PickUp(Box::new(pick_up)));
        let until = cx.now.plus_ms(PICK_MS);
        State::Picking(Box::new(Picking { mesh, late, grant, max_ms, until }))
    }

    /// The other call cannot be taken over.
    pub(crate) fn not_picked_up(&mut self, cause: Cause, cx: &mut Cx<'_>) {
        self.state = match std::mem::take(&mut self.state) {
            State::Picking(picking) => self.picking_failed(&picking, cause, cx),
            state @ (State::Asked(_)
            | State::Hunting(_)
            | State::Setup(_)
            | State::Talking(_)
            | State::Closed(_)) => state,
        };
    }

    fn picking_failed(&mut self, picking: &Picking, cause: Cause, cx: &mut Cx<'_>) -> State {
        let end = End::new(final_cause(cause), Party::Called, Reason::PeerError);
        // The other half has ended, or was never there.
        self.end_leg(picking.mesh, &end, Farewell::None, cx);
        self.close(&end, cx)
    }

    /// What the newcomer and the call that it takes over say.
    pub(crate) fn picking_leg(
        &mut self,
        picking: Box<Picking>,
        leg: u8,
        event: Event,
        cx: &mut Cx<'_>,
    ) -> State {
        match (event, leg) {
            (Event::Ended { cause, by_party }, 0) => self.caller_gave_up(cause, by_party, cx),
            (Event::Refused { cause, .. }, 0) => self.caller_gave_up(cause, true, cx),
            (
                Event::Ended { cause, .. }
                | Event::Refused { cause, .. }
                | Event::ReofferRefused { cause },
                1..,
            ) => self.picking_failed(&picking, cause, cx),
            (Event::ReofferAnswered { body }, 1..) => self.picked_up(&picking, body, cx),
            (Event::Reoffer { .. } | Event::Update { .. }, 1..) => {
                self.command(leg, Command::ReofferRefuse { cause: Cause::from_sip(491) }, cx);
                State::Picking(picking)
            }
            (
                Event::Offered(_)
                | Event::Fields(_)
                | Event::Parts(_)
                | Event::Progress { .. }
                | Event::Answered { .. }
                | Event::Confirmed { .. }
                | Event::Refreshed { .. }
                | Event::Reoffer { .. }
                | Event::Update { .. }
                | Event::ReofferAnswered { .. }
                | Event::ReofferRefused { .. }
                | Event::Digits { .. }
                | Event::Info { .. }
                | Event::Message { .. }
                | Event::Transfer(_),
                _,
            ) => {
                Call::misplaced(cx);
                State::Picking(picking)
            }
        }
    }

    pub(crate) fn picking_timeout(&mut self, picking: Box<Picking>, cx: &mut Cx<'_>) -> State {
        if picking.until > cx.now {
            return State::Picking(picking);
        }
        self.close(&End::ours(Cause::new(480, 102), Reason::PeerSilent), cx)
    }

    /// The place is free: the newcomer is answered.
    fn picked_up(&mut self, picking: &Picking, body: Option<Body>, cx: &mut Cx<'_>) -> State {
        let mesh = picking.mesh;
        let role = if picking.late { Role::Offer } else { Role::Answer };
        let body = body.ok_or(Cause::from_sip(488));
        let told = match body.and_then(|body| self.describe(mesh, 0, role, &body, cx)) {
            Ok(told) => told,
            Err(cause) => return self.close(&End::ours(cause, Reason::BadMedia), cx),
        };
        self.answered_by_mesh(mesh, self.place_taken(mesh, cx), cx);
        self.command(0, Command::Answer { body: Some(told) }, cx);
        let exchange = match picking.late {
            true => Exchange::Confirming { from: 0, to: mesh },
            false => Exchange::Idle,
        };
        self.talk(mesh, (picking.grant, picking.max_ms), exchange, cx)
    }

    /// The record of a call needs a called leg: who is behind the mesh leg of a newcomer's call.
    fn place_taken(&self, mesh: u8, cx: &Cx<'_>) -> LegOpened {
        let own = self.facts.opened(0);
        LegOpened {
            leg: mesh,
            at: cx.now,
            direction: Direction::Out,
            stage: 0,
            branch: 0,
            hop: 0,
            dialed: own.map(|own| own.dialed).unwrap_or_default(),
            from_user: String::new(),
            remote: self.hints.source,
            transport: self.hints.transport,
            party: PartyRef::Unknown,
        }
    }

    /// Leg 0 and a mesh leg have answered.
    fn answered_by_mesh(&mut self, mesh: u8, opened: LegOpened, cx: &mut Cx<'_>) {
        let opened = LegOpened { dialed: clip(&opened.dialed), ..opened };
        self.facts.push(Fact::LegOpened(Box::new(opened)));
        for leg in [mesh, 0] {
            self.facts.push(Fact::LegAnswered(LegAnswered { leg, at: cx.now }));
            if let Some(known) = self.leg_mut(leg) {
                known.state = LegState::Answered;
            }
        }
    }

    /// Somebody wants a place of this call. The mesh leg that has it then, or will.
    ///
    /// # Errors
    /// Why it cannot be had; nothing has changed.
    pub(crate) fn give_place(&mut self, pick_up: &PickUp, cx: &mut Cx<'_>) -> Result<LegId, Cause> {
        let leg = pick_up.replaced.leg;
        self.place_of(leg, pick_up.ringing)?;
        let (outcome, state) = match std::mem::take(&mut self.state) {
            State::Talking(mut talk) => {
                (self.show_newcomer(&mut talk, pick_up, cx), State::Talking(talk))
            }
            State::Hunting(hunt) => self.answer_by_newcomer(hunt, pick_up, cx),
            state @ (State::Asked(_) | State::Picking(_) | State::Setup(_) | State::Closed(_)) => {
                (Err(Cause::from_sip(481)), state)
            }
        };
        self.state = state;
        outcome
    }

    /// A leg for the newcomer.
    fn open_place(&mut self, pick_up: &PickUp) -> Result<u8, Cause> {
        let beyond = Some(pick_up.newcomer);
        let mesh = self.open_mesh(Mesh { far: pick_up.from, beyond, ..Mesh::waiting() });
        // Q.850 25: exchange routing error.
        mesh.ok_or(Cause::new(480, 25))
    }

    /// The other party of a bridge is offered what the newcomer offers.
    fn show_newcomer(
        &mut self,
        talk: &mut Talk,
        pick_up: &PickUp,
        cx: &mut Cx<'_>,
    ) -> Result<LegId, Cause> {
        let (by, kept) = (pick_up.replaced.leg, talk.other(pick_up.replaced.leg));
        let busy = talk.transfer.is_some() || talk.exchange != Exchange::Idle;
        if busy || self.is_over(kept) || !self.is_whole(kept) {
            return Err(Cause::from_sip(491));
        }
        if self.speaker(kept).is_none() {
            return Err(Cause::from_sip(480));
        }
        let mesh = self.open_place(pick_up)?;
        let offer = pick_up.offer.as_ref();
        let shown = offer.map(|offer| self.describe(mesh, kept, Role::Offer, offer, cx));
        let body = match shown.transpose() {
            Ok(body) => body,
            Err(cause) => {
                self.end_leg(mesh, &End::ours(cause, Reason::BadMedia), Farewell::None, cx);
                return Err(cause);
            }
        };
        let late = body.is_none();
        let taken = Transfer { by, mesh, late, accepted: true, answer: None, picked: true };
        talk.transfer = Some(Box::new(taken));
        talk.exchange = Exchange::Picking { mesh, kept, late };
        self.command(kept, Command::Reoffer { body }, cx);
        // A later life must know that the other party may have another session.
        self.write_slot(SlotState::Answered, cx);
        Ok(self.leg_id(mesh))
    }

    /// The other party of a bridge has accepted the newcomer, or made it an offer.
    pub(super) fn place_accepted(
        &mut self,
        talk: &mut Talk,
        (mesh, kept, late): (u8, u8, bool),
        body: Result<Body, Cause>,
        cx: &mut Cx<'_>,
    ) -> Result<(), Cause> {
        talk.exchange = Exchange::Idle;
        let body = body?;
        let Some(transfer) = talk.transfer.take_if(|transfer| transfer.mesh == mesh) else {
            return self.keep_place(talk, (kept, late), &body, cx);
        };
        if late {
            talk.exchange = Exchange::Confirming { from: mesh, to: kept };
        }
        self.take_place(talk, &transfer, cx);
        self.command(mesh, Command::ReofferAnswer { body: Some(body) }, cx);
        Ok(())
    }

    /// The newcomer has gone meanwhile: who was there before is spoken with again.
    fn keep_place(
        &self,
        talk: &mut Talk,
        (kept, late): (u8, bool),
        body: &Body,
        cx: &mut Cx<'_>,
    ) -> Result<(), Cause> {
        let to = talk.other(kept);
        let offer = self.describe(kept, to, Role::Offer, body, cx)?;
        talk.exchange = match late {
            true => Exchange::Offered { leg: kept },
            false => Exchange::Bridging { leg: to },
        };
        self.command(to, Command::Reoffer { body: Some(offer) }, cx);
        Ok(())
    }

    /// The other party of a bridge does not want the newcomer: all is as before, if who was there
    /// before still is. The error is the cause with which the call must end.
    pub(super) fn place_refused(
        &mut self,
        talk: &mut Talk,
        (mesh, kept): (u8, u8),
        cause: Cause,
        cx: &mut Cx<'_>,
    ) -> Result<(), Cause> {
        talk.exchange = Exchange::Idle;
        if let Some(transfer) = talk.transfer.take_if(|transfer| transfer.mesh == mesh) {
            let end = End::new(final_cause(cause), Party::Called, Reason::PeerError);
            self.end_leg(transfer.mesh, &end, Farewell::Hangup, cx);
            self.write_slot(SlotState::Answered, cx);
        }
        if self.is_over(talk.other(kept)) { Err(cause) } else { Ok(()) }
    }

    /// The newcomer answers for a phone that rings.
    fn answer_by_newcomer(
        &mut self,
        mut hunt: Box<Hunt>,
        pick_up: &PickUp,
        cx: &mut Cx<'_>,
    ) -> (Result<LegId, Cause>, State) {
        let rings = pick_up.replaced.leg;
        let (Some(said), Some(offer)) = (hunt.offer().cloned(), pick_up.offer.as_ref()) else {
            // One of both would have to wait for an offer of the other.
            return (Err(Cause::from_sip(488)), State::Hunting(hunt));
        };
        let mesh = match self.open_place(pick_up) {
            Ok(mesh) => mesh,
            Err(cause) => return (Err(cause), State::Hunting(hunt)),
        };
        let told = match self.describe(mesh, 0, Role::Answer, offer, cx) {
            Ok(told) => told,
            Err(cause) => {
                self.end_leg(mesh, &End::ours(cause, Reason::BadMedia), Farewell::None, cx);
                return (Err(cause), State::Hunting(hunt));
            }
        };
        let (own, hop) = (self.facts.opened(rings), self.leg(rings).map_or(0, |leg| leg.hop));
        if let Some(place) = self.leg_mut(mesh) {
            place.hop = hop;
        }
        self.stop_hunting(&mut hunt, cx);
        let opened = match own {
            Some(own) => LegOpened { leg: mesh, at: cx.now, ..own },
            None => self.place_taken(mesh, cx),
        };
        self.answered_by_mesh(mesh, opened, cx);
        self.command(0, Command::Answer { body: Some(told) }, cx);
        self.command(mesh, Command::ReofferAnswer { body: Some(said) }, cx);
        let state = self.talk(mesh, hunt.terms(), Exchange::Idle, cx);
        // Who is put through here is joined by the call that puts them through.
        if !self.is_mesh(0) {
            self.join_across(0, mesh, cx);
        }
        (Ok(self.leg_id(mesh)), state)
    }
}
