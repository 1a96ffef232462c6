//! Calls that begin here: the first leg is called, then the second, then they are joined.

use super::ask::clip_settlement;
use super::brought::Brought;
use super::end::{End, Farewell};
use super::exchange::Exchange;
use super::failure::{Failure, FailureKind};
use super::leg::{Leg, LegState};
use super::{Call, FactLog, State, clip, micros};
use crate::Role;
use crate::desk::Cx;
use std::net::{Ipv4Addr, SocketAddr};
use strowger_leg::{Body, Command, Event};
use strowger_link::table::SlotState;
use strowger_link::{
    Began, Branch, Cause, Fact, Grant, Hints, LegAnswered, Originate, Party, Reason, SlotRef, Tick,
};

/// Two legs under way, one after the other.
#[derive(Debug)]
pub(crate) struct Setup {
    grant: Grant,
    /// When both must have answered; [`Tick::NEVER`] = the ring times alone decide.
    deadline: Tick,
    step: Step,
}

#[derive(Debug)]
enum Step {
    /// The first leg is called; then this branch.
    First { second: Box<Branch> },
    /// The first leg has answered and waits for the second.
    Second,
}

/// Max-Forwards of a request that begins here (RFC 3261 8.1.1.6).
const HOPS: u8 = 70;

impl Setup {
    /// Takes a longer grant; `false` when it is no longer.
    pub(crate) fn lengthened(&mut self, grant: Grant) -> bool {
        let is_longer = grant.ms > self.grant.ms;
        if is_longer {
            self.grant = Grant { free_ms: grant.free_ms.max(self.grant.free_ms), ..grant };
        }
        is_longer
    }

    pub(crate) fn deadline(&self) -> Tick {
        self.deadline
    }
}

impl Call {
    /// Begins a call of two legs of ours. `None` before the control plane's first greeting.
    pub(crate) fn originate(
        slot: SlotRef,
        verb: Originate,
        wall_us: i64,
        cx: &mut Cx<'_>,
    ) -> Option<Call> {
        let record = cx.desk.record()?;
        let mut call = Call {
            slot,
            ask: verb.ask,
            granted: true,
            record,
            anchor_us: wall_us.saturating_sub(micros(cx.now)),
            hints: hints(&verb.first),
            hops_left: HOPS.saturating_add(1),
            settlement: clip_settlement(verb.settlement.clone()),
            facts: FactLog::default(),
            legs: Vec::new(),
            joined: None,
            again: None,
            beside: None,
            state: State::default(),
        };
        call.facts.push(Fact::Began(began(&verb, cx.now)));
        call.facts.grant(verb.grant, cx.now);
        call.state = call.call_first(verb, cx);
        Some(call)
    }

    fn call_first(&mut self, verb: Originate, cx: &mut Cx<'_>) -> State {
        let Originate { first, second, grant, deadline_ms, .. } = verb;
        let deadline = match deadline_ms {
            0 => Tick::NEVER,
            ms => cx.now.plus_ms(ms.into()),
        };
        let opened = self.open_leg((0, 0), &first, cx);
        self.write_slot(SlotState::Ringing, cx);
        let Some(leg) = opened else { return self.no_leg_left(cx) };
        if let Err(failure) = self.admit(leg, &first, cx) {
            return self.setup_failed(leg, &failure, Farewell::None, cx);
        }
        match cx.res.compose(self.leg_id(leg), &first.media) {
            Ok(offer) => {
                self.invite(leg, first, Brought::offer(Some(offer)), cx);
                let step = Step::First { second: Box::new(second) };
                State::Setup(Box::new(Setup { grant, deadline, step }))
            }
            Err(cause) => {
                let failure = Failure::new(FailureKind::Unusable, cause);
                self.setup_failed(leg, &failure, Farewell::None, cx)
            }
        }
    }

    pub(crate) fn setup_leg(
        &mut self,
        setup: Box<Setup>,
        leg: u8,
        event: Event,
        cx: &mut Cx<'_>,
    ) -> State {
        match event {
            Event::Progress { status, body: _, fork: _ } => {
                if !self.note_progress(leg, status, cx) {
                    Call::misplaced(cx);
                }
                State::Setup(setup)
            }
            Event::Answered { body } => self.setup_answered(*setup, leg, body, cx),
            Event::Refused { cause, silent, contacts: _ } => {
                let kind = if silent { FailureKind::Silent } else { FailureKind::Refused };
                self.setup_failed(leg, &Failure::new(kind, cause), Farewell::None, cx)
            }
            Event::Ended { cause, by_party } => self.setup_ended(leg, cause, by_party, cx),
            // There is nobody to pass it to yet.
            Event::Reoffer { .. } if self.has_answered(leg) => {
                let cause = Cause::from_sip(491);
                self.command(leg, Command::ReofferRefuse { cause }, cx);
                State::Setup(setup)
            }
            Event::Update { .. } => {
                let cause = Cause::from_sip(491);
                self.command(leg, Command::ReofferRefuse { cause }, cx);
                State::Setup(setup)
            }
            Event::Transfer(_) => {
                self.refuse_transfer(leg, Cause::from_sip(491), cx);
                State::Setup(setup)
            }
            Event::Confirmed { .. }
            | Event::Refreshed { .. }
            | Event::Digits { .. }
            | Event::Info { .. }
            | Event::Message { .. } => State::Setup(setup),
            Event::Offered(_)
            | Event::Fields(_)
            | Event::Parts(_)
            | Event::Reoffer { .. }
            | Event::ReofferAnswered { .. }
            | Event::ReofferRefused { .. } => {
                Call::misplaced(cx);
                State::Setup(setup)
            }
        }
    }

    fn setup_answered(
        &mut self,
        setup: Setup,
        leg: u8,
        body: Option<Body>,
        cx: &mut Cx<'_>,
    ) -> State {
        let Some(known) = self.leg_mut(leg).filter(|l| l.trying().is_some()) else {
            Call::misplaced(cx);
            return State::Setup(Box::new(setup));
        };
        known.state = LegState::Answered;
        self.facts.push(Fact::LegAnswered(LegAnswered { leg, at: cx.now }));
        let Some(body) = body else {
            let failure = Failure::new(FailureKind::Unusable, Cause::from_sip(488));
            return self.setup_failed(leg, &failure, Farewell::Hangup, cx);
        };
        match setup.step {
            Step::First { second } => {
                self.call_second(*second, &body, (setup.grant, setup.deadline), cx)
            }
            Step::Second => self.bring_together(setup.grant, &body, cx),
        }
    }

    /// The first leg has answered: the second is offered its description.
    fn call_second(
        &mut self,
        second: Branch,
        answer: &Body,
        (grant, deadline): (Grant, Tick),
        cx: &mut Cx<'_>,
    ) -> State {
        self.write_slot(SlotState::Ringing, cx);
        let Some(leg) = self.open_leg((1, 0), &second, cx) else { return self.no_leg_left(cx) };
        let offer = self.admit(leg, &second, cx).and_then(|()| {
            self.describe(0, leg, Role::Offer, answer, cx)
                .map_err(|cause| Failure::new(FailureKind::Unusable, cause))
        });
        match offer {
            Ok(offer) => {
                self.invite(leg, second, Brought::offer(Some(offer)), cx);
                State::Setup(Box::new(Setup { grant, deadline, step: Step::Second }))
            }
            Err(failure) => self.setup_failed(leg, &failure, Farewell::None, cx),
        }
    }

    /// The second leg has answered: the first is offered what it said, and they speak.
    fn bring_together(&mut self, grant: Grant, body: &Body, cx: &mut Cx<'_>) -> State {
        match self.describe(1, 0, Role::Offer, body, cx) {
            Ok(offer) => {
                self.command(0, Command::Reoffer { body: Some(offer) }, cx);
                self.talk(1, (grant, 0), Exchange::Ours, cx)
            }
            Err(cause) => {
                let failure = Failure::new(FailureKind::Unusable, cause);
                self.setup_failed(1, &failure, Farewell::Hangup, cx)
            }
        }
    }

    fn has_answered(&self, leg: u8) -> bool {
        self.leg(leg).is_some_and(|known| matches!(known.state, LegState::Answered))
    }

    /// One of both came to nothing, so both do.
    fn setup_failed(
        &mut self,
        leg: u8,
        failure: &Failure,
        farewell: Farewell,
        cx: &mut Cx<'_>,
    ) -> State {
        // Both were called by us; the record knows the first as the calling side.
        let by = match failure.by() {
            Party::Called => Call::party(leg),
            by @ (Party::Unknown | Party::Caller | Party::Switch) => by,
        };
        let end = End::new(failure.cause, by, failure.reason());
        self.end_leg(leg, &end, farewell, cx);
        self.close(&end, cx)
    }

    fn setup_ended(&mut self, leg: u8, cause: Cause, by_party: bool, cx: &mut Cx<'_>) -> State {
        let end = match (self.has_answered(leg), by_party) {
            (true, true) => End::new(cause, Call::party(leg), Reason::Cancelled),
            (false, true) => End::new(cause, Call::party(leg), Reason::PeerError),
            (true | false, false) => End::new(cause, Party::Switch, Reason::PeerError),
        };
        self.end_leg(leg, &end, Farewell::None, cx);
        self.close(&end, cx)
    }

    /// The bound on legs is above what an originated call opens.
    fn no_leg_left(&mut self, cx: &mut Cx<'_>) -> State {
        self.close(&End::ours(Cause::new(500, 41), Reason::Internal), cx)
    }

    pub(crate) fn setup_timeout(&mut self, setup: Box<Setup>, cx: &mut Cx<'_>) -> State {
        let expired = self
            .leg_numbers()
            .find_map(|leg| self.expired(leg, cx.now).map(|failure| (leg, failure)));
        if let Some((leg, failure)) = expired {
            return self.setup_failed(leg, &failure, Farewell::Hangup, cx);
        }
        if setup.deadline > cx.now {
            return State::Setup(setup);
        }
        let rung = self.legs.iter().filter_map(Leg::trying).any(|trying| trying.rung);
        let reason = if rung { Reason::NoAnswer } else { Reason::PeerSilent };
        self.close(&End::ours(Cause::new(408, 102), reason), cx)
    }
}

fn began(verb: &Originate, at: Tick) -> Began {
    Began {
        at,
        listener: verb.first.listener,
        source: None,
        received: clip(&verb.second.dialed),
        from_user: clip(&verb.first.dialed),
        display: clip(&verb.second.display),
        sip_call_id: String::new(),
        user_agent: String::new(),
    }
}

/// Where an originated call "came in": by the listener that its first leg leaves by.
fn hints(first: &Branch) -> Hints {
    let nowhere = SocketAddr::from((Ipv4Addr::UNSPECIFIED, 0));
    Hints {
        listener: first.listener,
        local: nowhere,
        source: nowhere,
        transport: first.target.transport,
        host: String::new(),
        sni: None,
        trunk: None,
    }
}
