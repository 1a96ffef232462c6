//! The caller waits: asking, answers, defaults.

use super::brought::{Brought, parts_for, related_to};
use super::end::{End, Farewell};
use super::hunt::Hunt;
use super::leg::Leg;
use super::reroute::Again;
use super::{Call, FactLog, State, clip, micros};
use crate::desk::{AskKind, Cx, Link, retry_after_s};
use crate::limits::EMERGENCY_ASK_MS;
use std::mem::take;
use std::sync::Arc;
use strowger_leg::{Body, Command, Event, Offer, Replaces};
use strowger_link::table::SlotState;
use strowger_link::{
    ANY_STATUS, AnswerBody, Ask, AskBody, Began, Branch, CallAsk, Cause, Direction, Fact, Gauge,
    Go, Grant, HeaderField, Hints, LegId, LegOpened, LiveState, Manner, Octets, Party, PartyRef,
    PickupAsk, Reason, Refuse, SETTLEMENT_MAX, STAGES_MAX, SlotRef, Stage, Tick,
};

/// An attempt that waits for its answer.
#[derive(Debug)]
pub(crate) struct Asked {
    /// Kept whole, to be asked again.
    ask: Arc<Ask>,
    /// What the caller's INVITE brought.
    brought: Brought,
    /// Where an emergency call goes without an answer; empty for all others.
    emergency: Vec<Branch>,
    /// Whose place the caller wants, and whether that only rings.
    replaces: Option<(LegId, bool)>,
}

/// A new INVITE and where it begins.
pub(crate) struct Attempt {
    pub(crate) slot: SlotRef,
    pub(crate) offer: Offer,
    /// Whose place the caller wants to take, and the settlement of that call.
    pub(crate) place: Option<(PartyRef, Octets)>,
    pub(crate) wall_us: i64,
}

impl Asked {
    /// One that no emergency table helps.
    pub(crate) fn new(ask: Arc<Ask>, offer: Option<Body>) -> Asked {
        let brought = Brought::offer(offer);
        Asked { ask, brought, emergency: Vec::new(), replaces: None }
    }

    pub(crate) fn ask(&self) -> &Arc<Ask> {
        &self.ask
    }

    pub(crate) fn deadline(&self) -> Tick {
        self.ask.deadline
    }
}

impl Call {
    /// Begins the call of an INVITE. `None` before the control plane's first greeting: without an
    /// origin there is no record.
    pub(crate) fn begin(attempt: Attempt, cx: &mut Cx<'_>) -> Option<Call> {
        let Attempt { slot, offer, place, wall_us } = attempt;
        let record = cx.desk.record()?;
        let id = cx.desk.ask_id();
        let emergency = cx.desk.emergency(&offer.called).filter(|_| place.is_none());
        let emergency = emergency.map(<[Branch]>::to_vec);
        let mut facts = FactLog::default();
        facts.push(Fact::Began(Box::new(began(&offer, cx.now))));
        facts.push(Fact::LegOpened(Box::new(opened(&offer, cx.now))));
        // Nearly all have two for as long as they live.
        let mut legs = Vec::with_capacity(2);
        legs.push(Leg::inbound(offer.nated));
        let mut call = Call {
            slot,
            ask: id,
            granted: false,
            record,
            anchor_us: wall_us.saturating_sub(micros(cx.now)),
            hints: hints(&offer),
            hops_left: offer.hops_left,
            settlement: Octets::default(),
            facts,
            legs,
            joined: None,
            again: None,
            beside: None,
            state: State::default(),
        };
        call.live(0, LiveState::Dialing, cx);
        call.state = call.ask_for(offer, place, emergency, cx);
        Some(call)
    }

    fn ask_for(
        &mut self,
        mut offer: Offer,
        place: Option<(PartyRef, Octets)>,
        table: Option<Vec<Branch>>,
        cx: &mut Cx<'_>,
    ) -> State {
        let usual_ms = u64::from(cx.desk.config.ask_timeout_ms);
        let wait_ms = if table.is_some() { usual_ms.min(EMERGENCY_ASK_MS) } else { usual_ms };
        let is_emergency = table.is_some();
        let (shown, parts) = (take(&mut offer.shown), take(&mut offer.parts));
        let replaces = offer.replaces.take();
        let relates = cx.desk.config.related_call_ids;
        let related = if relates { related_to(&offer.sip_call_id) } else { None };
        let (offered, question) = question(offer, is_emergency);
        let body = match (place, &replaces) {
            (Some(place), Some(replaces)) => pick_up(question, replaces, place),
            (None | Some(_), _) => AskBody::Call(Box::new(question)),
        };
        let ask = Arc::new(Ask {
            id: self.ask,
            parent: None,
            leg: self.leg_id(0),
            hints: self.hints.clone(),
            deadline: cx.now.plus_ms(wait_ms),
            wall_us: self.wall_us(cx.now),
            body,
        });
        let emergency = table.unwrap_or_default();
        let replaces = replaces.map(|replaces| (replaces.leg, replaces.ringing));
        let brought = Brought { offer: offered, shown, parts, related };
        let asked = Box::new(Asked { ask, brought, emergency, replaces });
        // Nobody is there to answer: an emergency call does not wait for that to change.
        if cx.desk.link == Link::Lost && !asked.emergency.is_empty() {
            return self.go_by_table(*asked, cx);
        }
        self.write_slot(SlotState::Asked, cx);
        cx.desk.ask(&asked.ask, AskKind::Call);
        State::Asked(asked)
    }

    pub(crate) fn asked_leg(&mut self, asked: Box<Asked>, event: Event, cx: &mut Cx<'_>) -> State {
        match event {
            Event::Ended { cause, by_party } => {
                cx.desk.take(self.ask);
                self.caller_gave_up(cause, by_party, cx)
            }
            Event::Refused { cause, .. } => {
                cx.desk.take(self.ask);
                self.caller_gave_up(cause, true, cx)
            }
            Event::Offered(_)
            | Event::Progress { .. }
            | Event::Answered { .. }
            | Event::Fields(_)
            | Event::Parts(_)
            | Event::Confirmed { .. }
            | Event::Reoffer { .. }
            | Event::Update { .. }
            | Event::Refreshed { .. }
            | Event::ReofferAnswered { .. }
            | Event::ReofferRefused { .. }
            | Event::Digits { .. }
            | Event::Info { .. }
            | Event::Message { .. }
            | Event::Transfer(_) => {
                Call::misplaced(cx);
                State::Asked(asked)
            }
        }
    }

    /// The caller's leg ended before anyone answered.
    pub(crate) fn caller_gave_up(
        &mut self,
        cause: Cause,
        by_party: bool,
        cx: &mut Cx<'_>,
    ) -> State {
        let end = if by_party {
            End::new(cause, Party::Caller, Reason::Cancelled)
        } else {
            End::ours(cause, Reason::PeerError)
        };
        self.end_leg(0, &end, Farewell::None, cx);
        self.close(&end, cx)
    }

    pub(crate) fn asked_answer(
        &mut self,
        asked: Asked,
        body: AnswerBody,
        cx: &mut Cx<'_>,
    ) -> State {
        match body {
            AnswerBody::Go(go) => {
                cx.desk.grant_once(self.ask);
                self.granted = true;
                if let Some(place) = asked.replaces {
                    return self.pick_up(*go, place, asked.brought.offer, cx);
                }
                let Asked { ask, mut brought, emergency, .. } = asked;
                // Nothing holds back a call for help.
                if !emergency.is_empty() {
                    brought.parts = parts_for(&brought.parts, &go.manner).unwrap_or_default();
                }
                self.again = Again::of(go.reroute, &ask.body);
                let question = asked_for(Arc::unwrap_or_clone(ask).body);
                self.go(*go, (brought, question), cx)
            }
            AnswerBody::Refuse(refuse) if overruled(refuse.reason) && asked.has_table() => {
                self.go_by_table(asked, cx)
            }
            AnswerBody::Refuse(refuse) => self.refuse(refuse, cx),
            AnswerBody::Challenge(challenge) => {
                let end = End::ours(Cause::from_sip(401), Reason::AuthFailed);
                self.close_unrecorded(&end, Farewell::Challenge(challenge), cx)
            }
            // Answers to other kinds of ask: a fault of the control plane, not of the caller.
            AnswerBody::Forward(_)
            | AnswerBody::Registered(_)
            | AnswerBody::Extended(_)
            | AnswerBody::Respond(_)
            | AnswerBody::Resolved(_) => {
                self.close(&End::ours(Cause::from_sip(500), Reason::Internal), cx)
            }
        }
    }

    fn refuse(&mut self, refuse: Refuse, cx: &mut Cx<'_>) -> State {
        self.settlement = clip_settlement(refuse.settlement.clone());
        if let Some(caller) = self.leg_mut(0) {
            caller.manner.explain = refuse.explain;
        }
        let end = refusal(&refuse);
        if refuse.record {
            self.close(&end, cx)
        } else {
            self.close_unrecorded(&end, Farewell::Hangup, cx)
        }
    }

    pub(crate) fn asked_timeout(&mut self, asked: Box<Asked>, cx: &mut Cx<'_>) -> State {
        if asked.deadline() > cx.now {
            return State::Asked(asked);
        }
        cx.desk.take(self.ask);
        cx.desk.counters.asks_unanswered += 1;
        if asked.has_table() {
            return self.go_by_table(*asked, cx);
        }
        let mut end = End::ours(Cause::from_sip(503), Reason::NoAnswerFromControl);
        end.retry_after_s = retry_after_s(self.ask);
        self.close(&end, cx)
    }

    /// An emergency call goes by the table that every shard has.
    fn go_by_table(&mut self, asked: Asked, cx: &mut Cx<'_>) -> State {
        let go = emergency_go(asked.emergency, self.legs.first().map(|leg| leg.policy));
        let brought = Brought { parts: Vec::new(), ..asked.brought };
        self.go(go, (brought, None), cx)
    }

    /// Carries out a plan.
    fn go(
        &mut self,
        go: Go,
        (mut brought, question): (Brought, Option<CallAsk>),
        cx: &mut Cx<'_>,
    ) -> State {
        self.settlement = clip_settlement(go.settlement.clone());
        if let Some(caller) = self.leg_mut(0) {
            caller.policy = go.media;
            caller.manner = go.manner.clone();
        }
        brought.parts = match parts_for(&brought.parts, &go.manner) {
            Some(parts) => parts,
            None => return self.close(&not_taken(&go.manner), cx),
        };
        self.facts.grant(go.grant, cx.now);
        self.write_slot(SlotState::Ringing, cx);
        if self.leg(0).is_some_and(|caller| caller.mesh.is_some()) {
            // Whoever asked for this transfer is told that it is tried.
            self.command(0, Command::Progress { status: 100, body: None }, cx);
        }
        let state = self.hunt(Box::new(Hunt::new(go, brought, question)), cx);
        // A call that is over already speaks to nobody any more.
        if let State::Hunting(_) = &state {
            self.speak(cx);
        }
        state
    }

    /// How the caller is spoken to, before anything else is said.
    pub(crate) fn speak(&self, cx: &mut Cx<'_>) {
        let manner = self.leg(0).map(|caller| &caller.manner);
        if let Some(manner) = manner.filter(|manner| !manner.is_usual()) {
            self.command(0, Command::Speak(Box::new(manner.clone())), cx);
        }
    }
}

impl Asked {
    fn has_table(&self) -> bool {
        !self.emergency.is_empty()
    }
}

/// Refusals that do not hold back an emergency call: those about money, limits and routes, not
/// those about who calls.
fn overruled(reason: Reason) -> bool {
    matches!(
        reason,
        Reason::NoCredit
            | Reason::CreditEnded
            | Reason::Limit
            | Reason::NoPrice
            | Reason::NoRoute
            | Reason::Overload
            | Reason::NoAnswerFromControl
    )
}

/// The end that a refusal means for the caller.
pub(crate) fn refusal(refuse: &Refuse) -> End {
    End {
        cause: refuse.cause,
        by: Party::Switch,
        reason: refuse.reason,
        phrase: clip(&refuse.phrase).into(),
        retry_after_s: refuse.retry_after_s,
        headers: refuse.headers.clone(),
    }
}

/// The caller sends what must be understood and does not pass: it is told what does.
fn not_taken(manner: &Manner) -> End {
    let types = manner.bodies.iter().flat_map(|bodies| &bodies.types);
    let all: Vec<&str> = ["application/sdp"].into_iter().chain(types.map(String::as_str)).collect();
    let value = Octets(all.join(", ").into_bytes());
    End {
        headers: vec![HeaderField { name: "Accept".to_owned(), value }],
        ..End::ours(Cause::from_sip(415), Reason::BadMedia)
    }
}

pub(crate) fn clip_settlement(mut settlement: Octets) -> Octets {
    settlement.0.truncate(SETTLEMENT_MAX);
    settlement
}

fn began(offer: &Offer, at: Tick) -> Began {
    Began {
        at,
        listener: offer.listener,
        source: Some(offer.source),
        received: clip(&offer.called),
        from_user: clip(&offer.caller.from_user),
        display: clip(&offer.caller.display),
        sip_call_id: clip(&offer.sip_call_id),
        user_agent: clip(&offer.user_agent),
    }
}

fn opened(offer: &Offer, at: Tick) -> LegOpened {
    LegOpened {
        leg: 0,
        at,
        direction: Direction::In,
        stage: 0,
        branch: 0,
        hop: 0,
        dialed: clip(&offer.called),
        from_user: clip(&offer.caller.from_user),
        remote: offer.source,
        transport: offer.transport,
        party: PartyRef::Unknown,
    }
}

fn hints(offer: &Offer) -> Hints {
    Hints {
        listener: offer.listener,
        local: offer.local,
        source: offer.source,
        transport: offer.transport,
        host: offer.host.clone(),
        sni: offer.server_name.clone(),
        trunk: None,
    }
}

/// What a caller asked for; nobody redirects the call of a transfer or of a reroute.
fn asked_for(body: AskBody) -> Option<CallAsk> {
    match body {
        AskBody::Call(call) => Some(*call),
        AskBody::Redirected(_)
        | AskBody::Transfer(_)
        | AskBody::Pickup(_)
        | AskBody::Extend(_)
        | AskBody::Register(_)
        | AskBody::Request(_)
        | AskBody::Resolve(_)
        | AskBody::App(_)
        | AskBody::Reroute(_) => None,
    }
}

/// The question of a caller who wants to take somebody's place.
fn pick_up(call: CallAsk, replaces: &Replaces, place: (PartyRef, Octets)) -> AskBody {
    AskBody::Pickup(Box::new(PickupAsk {
        target: clip(&replaces.named),
        credentials: call.credentials,
        called: call.called,
        caller: call.caller,
        party: place.0,
        settlement: place.1,
        ringing: replaces.ringing,
    }))
}

fn question(offer: Offer, emergency: bool) -> (Option<Body>, CallAsk) {
    let ask = CallAsk {
        request_uri: offer.request_uri,
        called: offer.called,
        to_user: offer.to_user,
        caller: offer.caller,
        credentials: offer.credentials,
        sip_call_id: offer.sip_call_id,
        user_agent: offer.user_agent,
        has_offer: offer.body.is_some(),
        emergency,
        headers: offer.headers,
        diverted: offer.diverted,
        session_s: offer.session_s,
    };
    (offer.body, ask)
}

/// The plan of an emergency call: the table's branches one after the other, without credit and
/// without limits; gauges still count it.
fn emergency_go(branches: Vec<Branch>, caller: Option<strowger_link::MediaPolicy>) -> Go {
    let unlimited = |mut branch: Branch| {
        for gauge in &mut branch.gauges {
            *gauge = Gauge { id: gauge.id, in_use_max: 0, per_second_max: 0 };
        }
        // Whatever one of them says, the next is tried.
        branch.continue_on = vec![ANY_STATUS];
        branch.stop_on = Vec::new();
        vec![branch]
    };
    let stages = branches.into_iter().take(STAGES_MAX).map(unlimited).collect();
    Go {
        prelude: None,
        stages: Stage::in_turn(stages),
        on_exhausted: Refuse {
            cause: Cause::new(500, 41),
            reason: Reason::Exhausted,
            phrase: String::new(),
            retry_after_s: 0,
            prompt: None,
            record: true,
            settlement: Octets::default(),
            explain: true,
            headers: Vec::new(),
        },
        grant: Grant { ms: u64::MAX, free_ms: 0, last: true, go_on: true },
        max_ms: 0,
        media: caller.unwrap_or(super::leg::unknown_policy(false)),
        settlement: Octets::default(),
        manner: Manner::default(),
        reroute: None,
    }
}
