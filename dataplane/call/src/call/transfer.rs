//! Transfers: a party of a bridge wants the other one to be put through, to a number or to somebody
//! whom it talks with on another call of this shard.
//!
//! A transfer to a number is an attempt of its own, with its own ask, plan, money and record:
//! whoever transfers pays for it, while the first call goes on under its own record. So the two are
//! calls of two slots, joined by a **mesh leg** in each: no party, but the half of the other call.
//! What a call commands its mesh leg, the other call hears as an event of its own (`heard_as`), in
//! the same turn. Descriptions pass a mesh leg as they are; media goes between the two real legs,
//! and the first call joins and parts it.
//!
//! ```text
//! before      a --- call 1 --- b                 a asks: b to c
//! meanwhile   a --- call 1 --- b   call 1 . . call 2 --- c rings
//! after             call 1 --- b   call 1 === call 2 --- c        a is hung up
//! ```
//!
//! A transfer that fails leaves the first call as it was; if its asker has gone meanwhile, the
//! other party is hung up too. With `replaces` there is no new attempt: the two calls of the asker
//! become one bridge and both stay on their records.
//!
//! A call that was transferred may be transferred again, from either end: the calls make a chain,
//! in which those in the middle have two mesh legs and no party. What is said passes all of them in
//! one turn; [`CHAIN_MAX`](crate::limits::CHAIN_MAX) bounds it. One transfer at a time in a call.
//!
//! A chain outlives its process: `rejoin` says how.

use super::ask::Asked;
use super::end::{End, Farewell, final_cause};
use super::exchange::Exchange;
use super::leg::{Leg, LegState, Mesh};
use super::talk::Talk;
use super::{Call, FactLog, State, clip};
use crate::Role;
use crate::desk::{AskKind, Cx, Errand};
use crate::limits::ATTEMPTS_MAX;
use std::sync::Arc;
use strowger_leg::{Body, Command, Event, TransferWish};
use strowger_link::table::SlotState;
use strowger_link::{
    Ask, AskBody, AskId, Began, Cause, Direction, Fact, Hints, LegAnswered, LegId, LegOpened,
    LiveState, MediaPolicy, Octets, Pair, Party, PartyRef, Reason, SlotRef, Tick, TransferAsk,
};

/// A leg whose media a mesh leg stands for.
pub(crate) type Beyond = (LegId, MediaPolicy);

/// A transfer that is tried.
#[derive(Debug)]
pub(crate) struct Transfer {
    /// Who asked.
    pub(super) by: u8,
    /// The half of the call to the target.
    pub(super) mesh: u8,
    /// The target was offered nothing, and makes an offer itself.
    pub(super) late: bool,
    /// The asker knows that it is tried.
    pub(super) accepted: bool,
    /// The target's description, while an exchange between the two others is under way.
    pub(super) answer: Option<Body>,
    /// Nobody hears of it: somebody else wants to take `by`'s place, or is to have it, or `by` has
    /// left before it was accepted.
    pub(super) picked: bool,
}

/// A call to be begun for a transfer.
#[derive(Debug)]
pub(crate) struct Spawn {
    /// The mesh leg that waits for it.
    pub(crate) from: LegId,
    /// Who is put through.
    kept: Beyond,
    offer: Option<Body>,
    /// How its record begins, and what is asked.
    began: Began,
    body: AskBody,
    parent: AskId,
    hints: Hints,
    hops_left: u8,
    anchor_us: i64,
}

impl Spawn {
    /// Nobody knows what who is put through said last.
    pub(super) fn lacks_offer(&self) -> bool {
        self.offer.is_none()
    }
}

/// Two calls of one party to become one bridge.
#[derive(Debug)]
pub(crate) struct Joining {
    /// The mesh leg of the first call.
    pub(crate) from: LegId,
    /// The leg that goes, of the first call.
    pub(crate) by: u8,
    /// Who is put through.
    pub(crate) kept: Beyond,
    /// The leg that goes, of the second call.
    pub(crate) replaced: LegId,
}

/// What the second call says to that.
pub(crate) struct Joined {
    /// Its mesh leg.
    pub(crate) far: LegId,
    /// Whom it has.
    pub(crate) beyond: Beyond,
    /// What that party said last.
    pub(crate) said: Option<Body>,
}

/// What the other call hears when a mesh leg is told something; `None` = nothing.
pub(crate) fn heard_as(command: Command) -> Option<Event> {
    Some(match command {
        Command::Progress { status, body } => Event::Progress { status, body, fork: 0 },
        Command::Answer { body } => Event::Answered { body },
        Command::Confirm { body } => Event::Confirmed { body },
        Command::Hangup { cause, .. } => Event::Ended { cause, by_party: true },
        Command::Challenge(_) => Event::Ended { cause: Cause::from_sip(403), by_party: true },
        // Whoever is put through is not the one who could call there.
        Command::Redirect { .. } => Event::Ended { cause: Cause::from_sip(480), by_party: true },
        Command::Reoffer { body } => Event::Reoffer { body },
        Command::Update { body } => Event::Update { body },
        Command::ReofferAnswer { body } => Event::ReofferAnswered { body },
        Command::ReofferRefuse { cause } => Event::ReofferRefused { cause },
        Command::Info { body } => Event::Info { body },
        Command::Parts(parts) => Event::Parts(parts),
        Command::Message { body } => Event::Message { body },
        Command::Invite(_)
        | Command::Fields(_)
        | Command::Speak(_)
        | Command::TransferAccept
        | Command::TransferRefuse { .. }
        | Command::TransferProgress { .. } => return None,
    })
}

impl Call {
    /// A leg that may not ask for a transfer now did.
    pub(crate) fn refuse_transfer(&self, leg: u8, cause: Cause, cx: &mut Cx<'_>) {
        self.command(leg, Command::TransferRefuse { cause }, cx);
    }

    /// `by` wants the other party to be put through.
    pub(crate) fn transfer(
        &mut self,
        talk: &mut Talk,
        by: u8,
        wish: TransferWish,
        cx: &mut Cx<'_>,
    ) {
        let kept = talk.other(by);
        let busy = wish.replaces.is_some() && talk.exchange != Exchange::Idle;
        if talk.transfer.is_some() || self.is_over(kept) || busy || !self.is_whole(kept) {
            return self.refuse_transfer(by, Cause::from_sip(491), cx);
        }
        if let Some(far) = wish.replaces.filter(|far| far.slot.seg != self.slot.seg) {
            return self.tie(talk, by, (far, wish), cx);
        }
        let Some(beyond) = self.speaker(kept) else {
            return self.refuse_transfer(by, Cause::from_sip(480), cx);
        };
        let Some(mesh) = self.open_mesh(Mesh::waiting()) else {
            return self.refuse_transfer(by, Cause::from_sip(480), cx);
        };
        let from = self.leg_id(mesh);
        let is_join = wish.replaces.is_some();
        let mut late = false;
        let errand = match wish.replaces {
            Some(replaced) => Errand::Join(Box::new(Joining { from, by, kept: beyond, replaced })),
            None => {
                let spawn = self.spawn(by, from, beyond, wish, cx);
                late = spawn.lacks_offer();
                Errand::Spawn(Box::new(spawn))
            }
        };
        let transfer = Transfer { by, mesh, late, accepted: is_join, answer: None, picked: false };
        talk.transfer = Some(Box::new(transfer));
        if is_join {
            self.command(by, Command::TransferAccept, cx);
        }
        // A later life must know what is tried.
        self.write_slot(SlotState::Answered, cx);
        cx.desk.errands.push_back(errand);
    }

    fn spawn(
        &self,
        by: u8,
        from: LegId,
        kept: Beyond,
        wish: TransferWish,
        cx: &mut Cx<'_>,
    ) -> Spawn {
        let began = began(&wish.user, &self.hints, cx.now);
        let question = TransferAsk {
            refer_to: wish.target,
            called: wish.user,
            referred_by: wish.referred_by,
            party: self.facts.party_of(by),
            settlement: self.settlement.clone(),
        };
        self.spawned((from, kept), began, AskBody::Transfer(question), cx)
    }

    /// The call to be begun with this question, for a mesh leg and who is put through.
    pub(super) fn spawned(
        &self,
        (from, kept): (LegId, Beyond),
        began: Began,
        body: AskBody,
        cx: &mut Cx<'_>,
    ) -> Spawn {
        Spawn {
            from,
            offer: cx.res.said(kept.0),
            kept,
            began,
            body,
            parent: self.ask,
            hints: self.hints.clone(),
            hops_left: self.hops_left,
            anchor_us: self.anchor_us,
        }
    }

    /// A mesh leg of a call, not answered; `None` when the call has no leg number left.
    pub(super) fn open_mesh(&mut self, mesh: Mesh) -> Option<u8> {
        let leg = u8::try_from(self.legs.len()).ok().filter(|leg| *leg <= ATTEMPTS_MAX)?;
        self.legs.push(Leg::mesh(mesh));
        Some(leg)
    }

    /// Begins the call of a transfer. `None` before the control plane's first greeting.
    pub(crate) fn transferred(slot: SlotRef, spawn: Spawn, cx: &mut Cx<'_>) -> Option<Call> {
        let Spawn { from, kept, offer, began, body, parent, hints, hops_left, anchor_us } = spawn;
        let record = cx.desk.record()?;
        let id = cx.desk.ask_id();
        let mut facts = FactLog::default();
        let first = opened(&began, &hints);
        facts.push(Fact::Began(Box::new(began)));
        facts.push(Fact::LegOpened(Box::new(first)));
        let mut call = Call {
            slot,
            ask: id,
            granted: false,
            record,
            anchor_us,
            hints,
            hops_left,
            settlement: Octets::default(),
            facts,
            legs: vec![Leg::mesh(Mesh { far: from, beyond: Some(kept), ..Mesh::waiting() })],
            joined: None,
            again: None,
            beside: None,
            state: State::default(),
        };
        let ask = Arc::new(Ask {
            id,
            parent: Some(parent),
            leg: call.leg_id(0),
            hints: call.hints.clone(),
            deadline: cx.now.plus_ms(cx.desk.config.ask_timeout_ms.into()),
            wall_us: call.wall_us(cx.now),
            body,
        });
        call.live(0, LiveState::Dialing, cx);
        call.write_slot(SlotState::Asked, cx);
        cx.desk.ask(&ask, AskKind::Call);
        call.state = State::Asked(Box::new(Asked::new(ask, offer)));
        Some(call)
    }

    /// The other half of a mesh leg is there.
    pub(crate) fn meshed(&mut self, leg: u8, far: LegId) {
        if let Some(mesh) = self.leg_mut(leg).and_then(|leg| leg.mesh.as_mut()) {
            mesh.far = far;
        }
    }

    /// Whom a mesh leg stands for, and whether all calls between are bridged.
    pub(crate) fn note_beyond(&mut self, leg: u8, beyond: Option<Beyond>, whole: bool) {
        if let Some(mesh) = self.leg_mut(leg).and_then(|leg| leg.mesh.as_mut()) {
            (mesh.beyond, mesh.whole) = (beyond, whole);
        }
    }

    /// Whether who is heard by a leg is bridged with this call. One who is to be put through to it
    /// still talks with somebody else, until an exchange has come to its end.
    pub(super) fn is_whole(&self, leg: u8) -> bool {
        let mesh = self.leg(leg).and_then(|known| known.mesh.as_deref());
        mesh.is_none_or(|mesh| mesh.whole)
    }

    /// Mesh legs that are not over.
    pub(crate) fn mesh_legs(&self) -> impl Iterator<Item = u8> + '_ {
        self.leg_numbers().filter(|leg| self.is_mesh(*leg) && !self.is_over(*leg))
    }

    /// The mesh leg of another call that a mesh leg of this one leads to.
    pub(crate) fn far_of(&self, leg: u8) -> Option<LegId> {
        let known = self.leg(leg).filter(|known| !known.is_over())?;
        known.mesh.as_ref().map(|mesh| mesh.far)
    }

    /// Who is heard by a mesh leg: the other leg of the bridge, or who is to be put through.
    pub(crate) fn across(&self, leg: u8) -> Option<u8> {
        if let State::Picking(picking) = &self.state {
            return (picking.mesh == leg).then_some(0);
        }
        let talk = self.talk_now()?;
        match talk.transfer.as_deref() {
            Some(transfer) if transfer.mesh == leg => Some(talk.other(transfer.by)),
            Some(_) | None => talk.has(leg).then(|| talk.other(leg)),
        }
    }

    /// The leg as a party; `None` for a mesh leg.
    pub(crate) fn as_party(&self, leg: u8) -> Option<Beyond> {
        let known = self.leg(leg).filter(|known| known.mesh.is_none())?;
        Some((self.leg_id(leg), known.policy))
    }

    /// What the call to the target, or the party that asked, does while a transfer is tried. `Err`
    /// gives back what is no part of it.
    pub(crate) fn transferring_leg(
        &mut self,
        mut talk: Box<Talk>,
        leg: u8,
        event: Event,
        cx: &mut Cx<'_>,
    ) -> Result<State, (Box<Talk>, Event)> {
        let Some(transfer) = talk.transfer.as_deref_mut() else { return Err((talk, event)) };
        if leg == transfer.mesh {
            return Ok(self.target_said(talk, event, cx));
        }
        if let Event::Ended { cause, .. } | Event::Refused { cause, .. } = event
            && leg == transfer.by
        {
            return Ok(self.asker_left(talk, cause, cx));
        }
        Err((talk, event))
    }

    /// Who asked has gone: the other party waits for the target alone.
    fn asker_left(&mut self, mut talk: Box<Talk>, cause: Cause, cx: &mut Cx<'_>) -> State {
        let Some(transfer) = talk.transfer.as_deref_mut() else { return State::Talking(talk) };
        let by = transfer.by;
        if !transfer.accepted {
            (transfer.accepted, transfer.picked) = (true, true);
        }
        let end = End::new(cause, Call::party(by), Reason::Normal);
        self.end_leg(by, &end, Farewell::None, cx);
        let kept = talk.other(by);
        if let Err(cause) = self.left_amid(&mut talk, kept, cx) {
            return self.close_talk(*talk, End::ours(cause, Reason::BadMedia), cx);
        }
        self.write_slot(SlotState::Answered, cx);
        self.put_through(talk, cx)
    }

    fn target_said(&mut self, mut talk: Box<Talk>, event: Event, cx: &mut Cx<'_>) -> State {
        let Some(transfer) = talk.transfer.as_deref_mut() else { return State::Talking(talk) };
        let by = transfer.by;
        match event {
            Event::Progress { status, .. } => {
                if !transfer.accepted {
                    transfer.accepted = true;
                    self.command(by, Command::TransferAccept, cx);
                }
                // Nobody asked for it who could hear of it.
                if status > 100 && !transfer.picked {
                    self.command(by, Command::TransferProgress { status }, cx);
                }
                State::Talking(talk)
            }
            Event::Answered { body: Some(body) } => {
                let mesh = transfer.mesh;
                transfer.answer = Some(body);
                self.tie_answered(mesh);
                self.put_through(talk, cx)
            }
            Event::Answered { body: None } => {
                let cause = Cause::from_sip(488);
                let mesh = transfer.mesh;
                self.tie_answered(mesh);
                self.end_leg(mesh, &End::ours(cause, Reason::BadMedia), Farewell::Hangup, cx);
                self.transfer_failed(talk, cause, cx)
            }
            Event::Ended { cause, .. } | Event::Refused { cause, .. } => {
                self.transfer_failed(talk, cause, cx)
            }
            // Who has not answered offers nothing anew.
            Event::Reoffer { .. } if transfer.answer.is_none() => {
                Call::misplaced(cx);
                State::Talking(talk)
            }
            // Before it is put through it has the description of who is, and no other.
            Event::Update { .. } | Event::Reoffer { .. } => {
                let mesh = transfer.mesh;
                self.command(mesh, Command::ReofferRefuse { cause: Cause::from_sip(491) }, cx);
                State::Talking(talk)
            }
            // Of an answer that waits for an exchange to end.
            Event::Confirmed { .. } => State::Talking(talk),
            Event::Offered(_)
            | Event::Fields(_)
            | Event::Parts(_)
            | Event::Refreshed { .. }
            | Event::ReofferAnswered { .. }
            | Event::ReofferRefused { .. }
            | Event::Digits { .. }
            | Event::Info { .. }
            | Event::Message { .. }
            | Event::Transfer(_) => {
                Call::misplaced(cx);
                State::Talking(talk)
            }
        }
    }

    /// The target answered: it takes the asker's place as soon as no exchange is under way.
    pub(crate) fn put_through(&mut self, mut talk: Box<Talk>, cx: &mut Cx<'_>) -> State {
        let ready = talk.exchange == Exchange::Idle
            && talk.transfer.as_ref().is_some_and(|transfer| transfer.answer.is_some());
        let Some(mut transfer) = talk.transfer.take_if(|_| ready) else {
            return State::Talking(talk);
        };
        let (mesh, kept) = (transfer.mesh, talk.other(transfer.by));
        let offer = transfer.answer.take().ok_or(Cause::from_sip(488));
        match offer.and_then(|body| self.describe(mesh, kept, Role::Offer, &body, cx)) {
            Ok(offer) => {
                talk.exchange = match (transfer.late, self.is_tie(mesh)) {
                    (true, _) => Exchange::Offered { leg: mesh },
                    // It chose from what it said before: now from what the other one answers.
                    (false, true) => Exchange::Bridging { leg: kept },
                    (false, false) => Exchange::Shown { leg: kept },
                };
                self.take_place(&mut talk, &transfer, cx);
                self.command(kept, Command::Reoffer { body: Some(offer) }, cx);
                State::Talking(talk)
            }
            Err(cause) => {
                self.end_leg(mesh, &End::ours(cause, Reason::BadMedia), Farewell::Hangup, cx);
                talk.transfer = Some(transfer);
                self.transfer_failed(talk, cause, cx)
            }
        }
    }

    /// The asker goes, its mesh leg stands in its place.
    pub(super) fn take_place(&mut self, talk: &mut Talk, transfer: &Transfer, cx: &mut Cx<'_>) {
        let Transfer { by, mesh, picked, .. } = *transfer;
        if !picked {
            self.command(by, Command::TransferProgress { status: 200 }, cx);
        }
        self.replace_by(talk, by, mesh, cx);
        self.join_across(talk.first, talk.peer, cx);
    }

    pub(super) fn replace_by(&mut self, talk: &mut Talk, gone: u8, mesh: u8, cx: &mut Cx<'_>) {
        let (kept, at) = (talk.other(gone), cx.now);
        // The record of a trunk that was left ended with it: another call's counts from here on.
        let was_left = self.facts.is_parted(gone);
        if !was_left {
            self.facts.push(Fact::Parted(Pair { a: gone, b: kept, at }));
        }
        // Q.850 16: normal clearing.
        let end = End::ours(Cause::new(0, 16), Reason::Normal);
        self.end_leg(gone, &end, Farewell::Hangup, cx);
        if gone != 0 && !was_left {
            // Whoever called goes on talking: the record needs a called leg for that.
            let told = self.facts.opened(gone).map(|was| LegOpened { leg: mesh, at, ..was });
            if let Some(told) = told {
                self.facts.push(Fact::LegOpened(Box::new(told)));
                self.facts.push(Fact::LegAnswered(LegAnswered { leg: mesh, at }));
            }
        }
        self.facts.push(Fact::Joined(Pair { a: kept, b: mesh, at }));
        if let Some(leg) = self.leg_mut(mesh) {
            leg.state = LegState::Answered;
        }
        (talk.first, talk.peer) = (kept, mesh);
        self.write_slot(SlotState::Answered, cx);
    }

    /// The target cannot be had: all is as before.
    pub(super) fn transfer_failed(
        &mut self,
        mut talk: Box<Talk>,
        cause: Cause,
        cx: &mut Cx<'_>,
    ) -> State {
        let Some(transfer) = talk.transfer.take() else { return State::Talking(talk) };
        let Transfer { by, mesh, accepted, picked, .. } = *transfer;
        let end = End::new(final_cause(cause), Party::Called, Reason::PeerError);
        self.end_leg(mesh, &end, Farewell::None, cx);
        if picked {
            // Nobody here asked for it, so nobody is told.
        } else if accepted {
            let status = final_cause(cause).sip;
            self.command(by, Command::TransferProgress { status }, cx);
        } else {
            self.refuse_transfer(by, final_cause(cause), cx);
        }
        if self.is_over(by) {
            return self.close_talk(*talk, end, cx);
        }
        self.write_slot(SlotState::Answered, cx);
        State::Talking(talk)
    }

    /// The call ends while a transfer is tried: its asker hears of it, the target is given up.
    pub(crate) fn give_up_transfer(&self, talk: &mut Talk, cx: &mut Cx<'_>) {
        let asked = talk.transfer.take().filter(|transfer| !transfer.picked);
        let Some(transfer) = asked else { return };
        match transfer.accepted {
            true => self.command(transfer.by, Command::TransferProgress { status: 487 }, cx),
            false => self.refuse_transfer(transfer.by, Cause::from_sip(487), cx),
        }
    }

    /// The second call of an asker: `leg` goes, its other party is joined with that of another
    /// call.
    ///
    /// # Errors
    /// It is no such leg, or there is something else under way: 491, to be tried again.
    pub(crate) fn join_with(
        &mut self,
        leg: u8,
        joining: &Joining,
        cx: &mut Cx<'_>,
    ) -> Result<Joined, Cause> {
        let talk = self.talk_now().filter(|talk| talk.has(leg) && !self.is_mesh(leg));
        let Some(talk) = talk else { return Err(Cause::from_sip(481)) };
        if talk.transfer.is_some() || talk.exchange != Exchange::Idle {
            return Err(Cause::from_sip(491));
        }
        let kept = talk.other(leg);
        if !self.is_whole(kept) {
            return Err(Cause::from_sip(491));
        }
        let instead = Some(joining.by);
        let mesh =
            Mesh { far: joining.from, beyond: Some(joining.kept), instead, ..Mesh::waiting() };
        let beyond = self.speaker(kept);
        let beyond = beyond.ok_or(Cause::from_sip(480))?;
        let mesh = self.open_mesh(mesh).ok_or(Cause::from_sip(480))?;
        let said = cx.res.said(beyond.0);
        if let State::Talking(mut talk) = std::mem::take(&mut self.state) {
            self.replace_by(&mut talk, leg, mesh, cx);
            self.state = State::Talking(talk);
        }
        Ok(Joined { far: self.leg_id(mesh), beyond, said })
    }

    /// The first call of an asker hears what the second said.
    pub(crate) fn joined_with(&mut self, joined: Result<Joined, Cause>, cx: &mut Cx<'_>) {
        self.state = match std::mem::take(&mut self.state) {
            State::Talking(talk) => self.bridge_both(talk, joined, cx),
            state @ (State::Asked(_)
            | State::Hunting(_)
            | State::Picking(_)
            | State::Setup(_)
            | State::Closed(_)) => state,
        };
    }

    fn bridge_both(
        &mut self,
        mut talk: Box<Talk>,
        joined: Result<Joined, Cause>,
        cx: &mut Cx<'_>,
    ) -> State {
        let Joined { far, beyond, said } = match joined {
            Ok(joined) => joined,
            Err(cause) => return self.transfer_failed(talk, cause, cx),
        };
        let Some(transfer) = talk.transfer.take() else { return State::Talking(talk) };
        let (mesh, kept) = (transfer.mesh, talk.other(transfer.by));
        self.meshed(mesh, far);
        self.note_beyond(mesh, Some(beyond), true);
        self.take_place(&mut talk, &transfer, cx);
        let offer = said.and_then(|said| self.describe(mesh, kept, Role::Offer, &said, cx).ok());
        // Without a description at hand each has to say again what it wants.
        talk.exchange = match offer {
            Some(_) => Exchange::Bridging { leg: kept },
            None => Exchange::Asking { leg: kept },
        };
        self.command(kept, Command::Reoffer { body: offer }, cx);
        State::Talking(talk)
    }

    /// `leg` accepted what the other leg had said before a transfer.
    pub(crate) fn shown_answered(
        &self,
        talk: &mut Talk,
        leg: u8,
        body: Result<Body, Cause>,
        cx: &mut Cx<'_>,
    ) -> Result<(), Cause> {
        let to = talk.other(leg);
        if let Exchange::Bridging { .. } = talk.exchange {
            let offer = self.describe(leg, to, Role::Offer, &body?, cx)?;
            talk.exchange = Exchange::Shown { leg: to };
            self.command(to, Command::Reoffer { body: Some(offer) }, cx);
            return Ok(());
        }
        talk.exchange = Exchange::Idle;
        if let Ok(body) = body {
            self.learn(leg, to, &body, cx);
        }
        Ok(())
    }

    /// Media learns what `from` said to `to`, whom it does not pass.
    pub(crate) fn learn(&self, from: u8, to: u8, body: &Body, cx: &mut Cx<'_>) {
        if self.is_over(to) {
            return;
        }
        if let (Some(from), Some(to)) = (self.speaker(from), self.speaker(to)) {
            drop(cx.res.describe(from.0, to.0, Role::Answer, body, (&from.1, &to.1)));
        }
    }

    /// The real leg that a leg is or stands for.
    pub(crate) fn speaker(&self, leg: u8) -> Option<Beyond> {
        let known = self.leg(leg)?;
        match &known.mesh {
            Some(mesh) => mesh.beyond,
            None => Some((self.leg_id(leg), known.policy)),
        }
    }

    /// Whether the call counts a leg as ended.
    pub(crate) fn is_over(&self, leg: u8) -> bool {
        self.leg(leg).is_none_or(Leg::is_over)
    }
}

fn began(called: &str, hints: &Hints, at: Tick) -> Began {
    Began {
        at,
        listener: hints.listener,
        source: None,
        received: clip(called),
        from_user: String::new(),
        display: String::new(),
        sip_call_id: String::new(),
        user_agent: String::new(),
    }
}

/// The leg that stands for who is put through.
fn opened(began: &Began, hints: &Hints) -> LegOpened {
    LegOpened {
        leg: 0,
        at: began.at,
        direction: Direction::In,
        stage: 0,
        branch: 0,
        hop: 0,
        dialed: began.received.clone(),
        from_user: began.from_user.clone(),
        remote: hints.source,
        transport: hints.transport,
        party: PartyRef::Unknown,
    }
}
