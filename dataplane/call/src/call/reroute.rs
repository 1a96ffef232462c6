//! Rerouting after the answer (spec FAIL-04): a trunk that had answered is gone soon after, and the
//! caller is put through to somebody else.
//!
//! It is a transfer that nobody asked for: another call, with its own ask, plan, money and record,
//! joined to this one by mesh legs. The record of this call ends with the trunk that was left.
//! While the other call is decided and rings, the caller hears nothing; when it comes to nothing
//! the caller is hung up with its cause. Bounds: [`REROUTES_MAX`] trunks a caller, and the longest
//! chain of calls.
//!
//! Not rerouted is a call without a plan that says so, one that anybody transferred or picked up,
//! one with an exchange of descriptions under way, and one that another process took up.

use super::end::{End, Farewell};
use super::exchange::Exchange;
use super::failure::{Failure, FailureKind, Verdict};
use super::leg::Mesh;
use super::talk::Talk;
use super::transfer::Transfer;
use super::{Call, State};
use crate::desk::{Cx, Errand};
use strowger_link::table::SlotState;
use strowger_link::{
    AskBody, Began, Fact, Octets, Pair, PartyRef, REROUTES_MAX, Reason, Reroute, RerouteAsk, Tick,
};

/// What is asked when a trunk that answered is gone.
#[derive(Debug)]
pub(crate) struct Again {
    question: RerouteAsk,
    terms: Reroute,
}

impl Again {
    /// Of a plan with these terms for this question; `None` where there is nothing to be asked.
    pub(super) fn of(terms: Option<Reroute>, asked: &AskBody) -> Option<Box<Again>> {
        let terms = terms?;
        let question = match asked {
            AskBody::Call(call) => {
                let settlement = Octets::default();
                RerouteAsk { call: call.clone(), tried: Vec::new(), settlement }
            }
            AskBody::Reroute(asked) if asked.tried.len() < REROUTES_MAX => (**asked).clone(),
            AskBody::Reroute(_)
            | AskBody::Redirected(_)
            | AskBody::Transfer(_)
            | AskBody::Pickup(_)
            | AskBody::Extend(_)
            | AskBody::Register(_)
            | AskBody::Request(_)
            | AskBody::Resolve(_)
            | AskBody::App(_) => return None,
        };
        Some(Box::new(Again { question, terms }))
    }
}

impl Call {
    /// Whether somebody else is called in the place of `leg`, which ends so.
    pub(super) fn is_rerouted(&self, talk: &Talk, leg: u8, end: &End, now: Tick) -> bool {
        let Some(again) = &self.again else { return false };
        let is_called = (talk.first, talk.peer) == (0, leg)
            && matches!(self.facts.party_of(leg), PartyRef::Trunk(_));
        let is_quiet = talk.transfer.is_none() && talk.exchange == Exchange::Idle;
        let stays = !self.is_over(talk.first) && !self.is_over(leg) && !self.is_mesh(leg);
        is_called
            && is_quiet
            && stays
            && talk.credit.used_ms(now) < u64::from(again.terms.talk_ms_max)
            && self.is_left(leg, end, again.terms.any)
    }

    /// Whether what ended a leg is a reason to leave it.
    fn is_left(&self, leg: u8, end: &End, any: bool) -> bool {
        match end.reason {
            Reason::PeerSilent | Reason::PeerError | Reason::NoMedia | Reason::FalseAnswer => true,
            Reason::Normal => any || self.says_failure(leg, end),
            Reason::Cancelled
            | Reason::Busy
            | Reason::NoAnswer
            | Reason::Offline
            | Reason::UnknownNumber
            | Reason::Denied
            | Reason::AuthFailed
            | Reason::NoRoute
            | Reason::NoPrice
            | Reason::NoCredit
            | Reason::CreditEnded
            | Reason::Limit
            | Reason::MaxDuration
            | Reason::Rejected
            | Reason::BadRequest
            | Reason::NoAnswerFromControl
            | Reason::Overload
            | Reason::Operator
            | Reason::ProcessLost
            | Reason::HostLost
            | Reason::BadMedia
            | Reason::Exhausted
            | Reason::Internal
            | Reason::Redirected
            | Reason::Impostor => false,
        }
    }

    /// Whether a leg hung up with a cause after which its lists let a hunt go on.
    fn says_failure(&self, leg: u8, end: &End) -> bool {
        let Some(known) = self.leg(leg) else { return false };
        let cause = known.manner.read(end.cause);
        // Q.850 16: normal clearing, 31: normal, unspecified.
        let is_normal = cause.sip < 400 && matches!(cause.q850, 0 | 16 | 31);
        let failure = Failure::new(FailureKind::Refused, cause);
        !is_normal && failure.verdict(&known.continue_on, &known.stop_on) == Verdict::Continue
    }

    /// Ends the called leg and asks who is called in its place.
    pub(super) fn reroute(
        &mut self,
        mut talk: Box<Talk>,
        end: &End,
        farewell: Farewell,
        cx: &mut Cx<'_>,
    ) -> State {
        let (kept, left) = (talk.first, talk.peer);
        let begun = self.again.take().zip(self.speaker(kept));
        let begun = begun.and_then(|found| Some((found, self.open_mesh(Mesh::waiting())?)));
        let Some(((again, beyond), mesh)) = begun else {
            self.end_leg(left, end, farewell, cx);
            return self.close_talk(*talk, end.clone(), cx);
        };
        let mut question = again.question;
        if let PartyRef::Trunk(id) = self.facts.party_of(left) {
            question.tried.push(id);
        }
        question.settlement = self.settlement.clone();
        let began = self.began_again(cx.now);
        self.facts.push(Fact::Parted(Pair { a: left, b: kept, at: cx.now }));
        self.end_leg(left, end, farewell, cx);
        if let Some(ask) = talk.credit.stop() {
            cx.desk.take(ask.id);
        }
        let body = AskBody::Reroute(Box::new(question));
        let spawn = self.spawned((self.leg_id(mesh), beyond), began, body, cx);
        let late = spawn.lacks_offer();
        talk.transfer = Some(Box::new(Transfer {
            by: left,
            mesh,
            late,
            accepted: true,
            answer: None,
            picked: true,
        }));
        // A later life must know what is tried.
        self.write_slot(SlotState::Answered, cx);
        cx.desk.errands.push_back(Errand::Spawn(Box::new(spawn)));
        State::Talking(talk)
    }

    /// How the record of the other call begins: as this one's did.
    fn began_again(&self, now: Tick) -> Began {
        let listener = self.hints.listener;
        match self.facts.began() {
            Some(began) => Began { at: now, ..began.clone() },
            None => Began {
                at: now,
                listener,
                source: None,
                received: String::new(),
                from_user: String::new(),
                display: String::new(),
                sip_call_id: String::new(),
                user_agent: String::new(),
            },
        }
    }
}
