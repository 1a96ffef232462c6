//! Branches that say that the call is to go elsewhere (3xx; spec SIP-REDIR-01, RFC 3261 8.1.3.4).
//!
//! What a 3xx means was decided with the plan ([`OnRedirect`]): it is a failure, or the caller may
//! be told it, or the control plane is asked where it leads. Its answer is a list of stages in the
//! branch's place, with the grant and the settlement that the whole call has from then on: the call
//! keeps one ask, one hold and one record. One question is under way at a time, because each
//! settlement follows from the one before; further redirects wait for their turn, while other
//! branches ring.

use super::ask::clip_settlement;
use super::failure::{Failure, FailureKind};
use super::hunt::Hunt;
use super::{Call, State};
use crate::desk::{AskKind, Cx};
use crate::limits::REDIRECTS_MAX;
use std::collections::VecDeque;
use std::sync::Arc;
use strowger_link::table::SlotState;
use strowger_link::{
    AnswerBody, Ask, AskBody, CallAsk, Cause, Go, OnRedirect, PartyRef, REDIRECT_CONTACTS_MAX,
    RedirectedAsk, Tick,
};

/// What a hunt knows of redirects; there is nothing of it while no branch may be redirected.
#[derive(Debug, Default)]
pub(crate) struct Redirects {
    /// What the caller asked for, as the control plane is told it again.
    question: Option<Box<CallAsk>>,
    /// URIs that were called, or that a redirect was followed to.
    tried: Vec<String>,
    /// The question under way and whose answer it is.
    asking: Option<(Arc<Ask>, Redirect)>,
    /// Those that wait for it; each is a leg of the call, so they are bounded.
    waiting: VecDeque<Redirect>,
    /// What the caller may be told.
    passed: Option<(u16, Vec<String>)>,
}

/// A branch that was redirected and is over.
#[derive(Debug)]
struct Redirect {
    leg: u8,
    cause: Cause,
    contacts: Vec<String>,
}

impl Redirects {
    /// For a call whose caller asked so.
    pub(crate) fn of(question: CallAsk) -> Redirects {
        Redirects { question: Some(Box::new(question)), ..Redirects::default() }
    }

    pub(crate) fn ask_under_way(&self) -> Option<&Arc<Ask>> {
        self.asking.as_ref().map(|(ask, _)| ask)
    }

    pub(crate) fn deadline(&self) -> Tick {
        self.ask_under_way().map_or(Tick::NEVER, |ask| ask.deadline)
    }

    /// A branch to this URI begins.
    //= rfc3261#section-8.1.3.4
    //# As with proxy recursion, a client processing
    //# 3xx class responses MUST NOT add any given URI to the target set more
    //# than once.
    pub(crate) fn note_target(&mut self, uri: &str) {
        if self.question.is_some() && !self.has_tried(uri) {
            self.tried.push(uri.to_owned());
        }
    }

    fn has_tried(&self, uri: &str) -> bool {
        self.tried.iter().any(|tried| tried == uri)
    }

    /// The contacts that were not tried yet, each once.
    fn untried(&self, contacts: Vec<String>) -> Vec<String> {
        let mut new: Vec<String> = Vec::new();
        for uri in contacts {
            if new.len() < REDIRECT_CONTACTS_MAX && !self.has_tried(&uri) && !new.contains(&uri) {
                new.push(uri);
            }
        }
        new
    }

    /// Whether a redirect of one of these legs is not decided on yet.
    pub(crate) fn any_of(&self, is: impl Fn(u8) -> bool) -> bool {
        let asking = self.asking.iter().map(|(_, redirect)| redirect);
        asking.chain(&self.waiting).any(|redirect| is(redirect.leg))
    }

    /// What the caller is told when a 3xx is the best that was heard.
    pub(crate) fn take_passed(&mut self) -> Option<(u16, Vec<String>)> {
        self.passed.take()
    }

    /// Nobody waits for an answer any more.
    pub(crate) fn give_up(&mut self, cx: &mut Cx<'_>) {
        self.waiting.clear();
        if let Some((ask, _)) = self.asking.take() {
            cx.desk.take(ask.id);
        }
    }
}

impl Call {
    /// What a 3xx of a branch comes to: `Err` is a failure of the branch, as which it goes on;
    /// otherwise the branch is over, and is redirected.
    pub(crate) fn redirected(
        &mut self,
        hunt: &mut Hunt,
        (leg, cause): (u8, Cause),
        contacts: Vec<String>,
        cx: &mut Cx<'_>,
    ) -> Result<(), Failure> {
        let usual = Failure::new(FailureKind::Refused, cause);
        let mode =
            self.leg(leg).filter(|leg| !leg.is_over()).map_or(OnRedirect::Fail, |l| l.redirect);
        match (mode, cause.sip) {
            (OnRedirect::Pass, 300..=399) if !contacts.is_empty() => {
                let contacts = contacts.into_iter().take(REDIRECT_CONTACTS_MAX).collect();
                hunt.redirects.passed.get_or_insert((cause.sip, contacts));
                Err(Failure::new(FailureKind::Moved, cause))
            }
            // 305 names a proxy and 380 describes a service: neither says whom to call instead.
            (OnRedirect::Ask, 300..=302) => {
                let contacts = hunt.redirects.untried(contacts);
                if contacts.is_empty() || hunt.has_stopped() || !self.may_follow(hunt) {
                    return Err(usual);
                }
                self.end_redirected(hunt, leg, cause, cx);
                hunt.redirects.waiting.push_back(Redirect { leg, cause, contacts });
                self.ask_redirected(hunt, cx);
                Ok(())
            }
            (OnRedirect::Fail | OnRedirect::Pass | OnRedirect::Ask, _) => Err(usual),
        }
    }

    /// There is room for another redirect, and something to ask with.
    fn may_follow(&self, hunt: &Hunt) -> bool {
        let open = hunt.redirects.waiting.len() + usize::from(hunt.redirects.asking.is_some());
        hunt.redirects.question.is_some() && hunt.ways.followed() + open < REDIRECTS_MAX
    }

    /// Asks where the next redirect leads, unless a question is under way.
    fn ask_redirected(&mut self, hunt: &mut Hunt, cx: &mut Cx<'_>) {
        if hunt.redirects.asking.is_some() {
            return;
        }
        let Some(redirect) = hunt.redirects.waiting.pop_front() else { return };
        let Some(call) = hunt.redirects.question.clone() else { return };
        let told = self.facts.opened(redirect.leg);
        let body = RedirectedAsk {
            status: redirect.cause.sip,
            contacts: redirect.contacts.clone(),
            settlement: self.settlement.clone(),
            party: told.as_ref().map_or(PartyRef::Unknown, |told| told.party.clone()),
            hop: self.leg(redirect.leg).map_or(0, |leg| leg.hop),
            dialed: told.map(|told| told.dialed).unwrap_or_default(),
            call,
        };
        let ask = Arc::new(Ask {
            id: cx.desk.ask_id(),
            parent: Some(self.ask),
            leg: self.leg_id(0),
            hints: self.hints.clone(),
            deadline: cx.now.plus_ms(cx.desk.config.ask_timeout_ms.into()),
            wall_us: self.wall_us(cx.now),
            body: AskBody::Redirected(body),
        });
        cx.desk.ask(&ask, AskKind::Redirect);
        hunt.redirects.asking = Some((ask, redirect));
    }

    /// Where a redirect leads, or that it leads nowhere.
    pub(crate) fn hunting_answer(
        &mut self,
        mut hunt: Box<Hunt>,
        body: AnswerBody,
        cx: &mut Cx<'_>,
    ) -> State {
        let Some((ask, redirect)) = hunt.redirects.asking.take() else {
            return State::Hunting(hunt);
        };
        match body {
            AnswerBody::Go(go) => {
                cx.desk.grant_once(ask.id);
                self.follow(&mut hunt, &redirect, *go, cx);
            }
            AnswerBody::Refuse(_)
            | AnswerBody::Challenge(_)
            | AnswerBody::Forward(_)
            | AnswerBody::Registered(_)
            | AnswerBody::Extended(_)
            | AnswerBody::Respond(_)
            | AnswerBody::Resolved(_) => self.not_followed(&mut hunt, &redirect, cx),
        }
        self.ask_redirected(&mut hunt, cx);
        self.hunt(hunt, cx)
    }

    /// The call has what the redirect needs: another settlement and grant, and stages in the place
    /// of the branch.
    fn follow(&mut self, hunt: &mut Hunt, redirect: &Redirect, go: Go, cx: &mut Cx<'_>) {
        self.settlement = clip_settlement(go.settlement);
        hunt.set_grant(go.grant);
        self.facts.grant(go.grant, cx.now);
        self.write_slot(SlotState::Ringing, cx);
        for uri in &redirect.contacts {
            hunt.redirects.note_target(uri);
        }
        let parent = self.leg(redirect.leg).map(|leg| leg.way);
        hunt.ways.push(go.stages, parent);
    }

    fn not_followed(&mut self, hunt: &mut Hunt, redirect: &Redirect, cx: &mut Cx<'_>) {
        let failure = Failure::new(FailureKind::Refused, redirect.cause);
        self.branch_came_to_nothing(hunt, redirect.leg, failure, cx);
    }

    /// Time-outs of the question under way.
    pub(crate) fn redirect_timeout(&mut self, hunt: &mut Hunt, cx: &mut Cx<'_>) {
        if hunt.redirects.deadline() > cx.now {
            return;
        }
        let Some((ask, redirect)) = hunt.redirects.asking.take() else { return };
        cx.desk.take(ask.id);
        cx.desk.counters.asks_unanswered += 1;
        self.not_followed(hunt, &redirect, cx);
        self.ask_redirected(hunt, cx);
    }
}
