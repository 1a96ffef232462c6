//! New offers before the answer (RFC 3311 section 5, RFC 6337 section 2.2): between the caller and
//! the branch whose early media it hears.

use super::Call;
use super::hunt::Hunt;
use crate::Role;
use crate::desk::Cx;
use strowger_leg::{Body, Command};
use strowger_link::Cause;

impl Call {
    /// `from` wants a new session. Only the caller and the branch that it hears have one, and one
    /// offer is under way at a time; while other branches ring they have the caller's first offer,
    /// so it may not change.
    pub(crate) fn early_update(&mut self, hunt: &mut Hunt, from: u8, body: Body, cx: &mut Cx<'_>) {
        let alone = self.legs.iter().filter(|leg| leg.trying().is_some()).count() == 1;
        let to = match hunt.early_with(from) {
            Ok(to) if from != 0 || alone => to,
            Ok(_) => return self.refuse_update(from, Cause::from_sip(488), cx),
            Err(status) => return self.refuse_update(from, Cause::from_sip(status), cx),
        };
        match self.describe(from, to, Role::Offer, &body, cx) {
            Ok(told) => {
                hunt.begin_early(from, body, &told);
                self.command(to, Command::Update { body: told }, cx);
            }
            Err(cause) => self.refuse_update(from, cause, cx),
        }
    }

    fn refuse_update(&self, leg: u8, cause: Cause, cx: &mut Cx<'_>) {
        self.command(leg, Command::ReofferRefuse { cause }, cx);
    }

    /// `leg` answered.
    pub(crate) fn early_answered(
        &mut self,
        hunt: &mut Hunt,
        leg: u8,
        body: Option<Body>,
        cx: &mut Cx<'_>,
    ) {
        let Some(from) = hunt.end_early(leg) else { return Call::misplaced(cx) };
        let body = body.ok_or(Cause::from_sip(488));
        match body.and_then(|body| self.describe(leg, from, Role::Answer, &body, cx)) {
            Ok(told) => {
                hunt.answered_early(from, &told);
                self.command(from, Command::ReofferAnswer { body: Some(told) }, cx);
            }
            Err(cause) => self.refuse_update(from, cause, cx),
        }
    }

    /// `leg` refused; the session before stands on both sides.
    pub(crate) fn early_refused(
        &mut self,
        hunt: &mut Hunt,
        leg: u8,
        cause: Cause,
        cx: &mut Cx<'_>,
    ) {
        match hunt.end_early(leg) {
            Some(from) => self.refuse_update(from, cause, cx),
            None => Call::misplaced(cx),
        }
    }

    /// A branch is over: an offer that it has not answered is refused for it, if the call goes on.
    pub(crate) fn close_early(hunt: &mut Hunt, leg: u8) {
        let is_owed = hunt.end_early(leg).is_some();
        hunt.owe_refusal(is_owed);
    }

    /// The hunt goes on: the caller hears what becomes of an offer whose branch is over. One that
    /// is refused with its call has that for its answer.
    pub(crate) fn settle_early(&self, hunt: &mut Hunt, cx: &mut Cx<'_>) {
        if hunt.take_owed() {
            self.refuse_update(0, Cause::from_sip(488), cx);
        }
    }
}
