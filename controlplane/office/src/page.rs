//! MESSAGE in pager mode (RFC 3428): decided as a call to the same number, but for free.
//!
//! Who may call whom, barring and forwards that always apply, the normal form of the number: all as
//! for a call. It goes to the best contact of the first subscriber that would ring, never to a
//! trunk: carriers take no words, and a number of theirs is unknown here.

use super::Office;
use strowger_link::{
    Answer, AnswerBody, Ask, AskBody, Branch, CallAsk, Forward, LegId, Octets, PartyRef,
    RequestAsk, Tick,
};
use strowger_routing::{Facts, Plan, Refusal, SipUri, Verdict, decide};

/// Whether a request is one that goes on to somebody.
pub(crate) fn is_page(ask: &Ask, request: &RequestAsk) -> bool {
    ask.leg == LegId::default() && request.method == "MESSAGE"
}

impl Office {
    pub(crate) fn answer_page(
        &mut self,
        ask: &Ask,
        request: &RequestAsk,
        (now, wall_us): (Tick, i64),
    ) -> Option<Answer> {
        let Some(call) = as_call(ask, request) else {
            return Some(refused(ask, Refusal::UnknownNumber));
        };
        let facts = Facts::default();
        let decision = decide(&self.world, &self.locations, &call, &facts, now, wall_us);
        // No group's turn is taken by a word.
        self.take_decision(decision.nonce, None);
        if decision.tenant.is_none() {
            self.note_stranger(ask, &decision.verdict, (now, wall_us));
        }
        match decision.verdict {
            Verdict::Go(plan) => Some(match first_contact(*plan) {
                Some(branch) => Answer { ask: ask.id, body: AnswerBody::Forward(on_to(branch)) },
                None => refused(ask, Refusal::UnknownNumber),
            }),
            verdict @ (Verdict::Refuse(_)
            | Verdict::Challenge(_)
            | Verdict::Registered(_)
            | Verdict::Respond(_)
            | Verdict::Need(_)) => verdict.into_answer(ask.id),
        }
    }
}

/// The call that the sender would have made.
fn as_call(ask: &Ask, request: &RequestAsk) -> Option<Ask> {
    let called = SipUri::parse(&request.request_uri)?.user()?.to_owned();
    let mut call = ask.clone();
    // A word is charged to nobody, so it has to be somebody's by credentials.
    call.hints.trunk = None;
    call.body = AskBody::Call(Box::new(CallAsk {
        request_uri: request.request_uri.clone(),
        to_user: called.clone(),
        called,
        caller: request.caller.clone(),
        credentials: request.credentials.clone(),
        sip_call_id: String::new(),
        user_agent: String::new(),
        has_offer: false,
        emergency: false,
        headers: Vec::new(),
        diverted: Vec::new(),
        session_s: 0,
    }));
    Some(call)
}

fn first_contact(plan: Plan) -> Option<Branch> {
    let first = plan.go.stages.into_iter().next()?;
    first.branches.into_iter().find(|branch| matches!(branch.party, PartyRef::Subscriber(_)))
}

fn on_to(branch: Branch) -> Forward {
    Forward { target: branch.target, listener: branch.listener, from_user: branch.from_user }
}

fn refused(ask: &Ask, refusal: Refusal) -> Answer {
    let refuse = refusal.refuse(false, Octets::default());
    Answer { ask: ask.id, body: AnswerBody::Refuse(refuse) }
}
