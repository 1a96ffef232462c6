//! Offers and answers between two answered legs (RFC 3261 14, RFC 3264 8).

use super::Call;
use super::talk::Talk;
use crate::Role;
use crate::desk::Cx;
use strowger_leg::{Body, Command};
use strowger_link::Cause;

/// The one offer/answer exchange that a bridge can have under way.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Exchange {
    /// None.
    Idle,
    /// `from`'s offer was passed to the other leg, which owes its answer.
    Passed { from: u8 },
    /// `from` asked for an offer (its request had none) and the other leg owes one.
    Late { from: u8 },
    /// `from` owes its answer to `to`'s late offer; it comes with its confirmation.
    Confirming { from: u8, to: u8 },
    /// We offered leg 0 the description of the other leg ourselves (originated calls).
    Ours,
    /// After a crash in the middle of an exchange nobody knows who has which session: `leg` was
    /// asked for an offer, for the other.
    Asking { leg: u8 },
    /// The other leg owes the answer to `leg`'s offer, which gets it with our confirmation.
    Offered { leg: u8 },
    /// After a transfer we offered `leg` what the other leg has said already.
    Shown { leg: u8 },
    /// Two calls became one bridge: `leg` was offered what the other leg said last, which gets the
    /// answer as an offer then.
    Bridging { leg: u8 },
    /// Somebody wants to take a place: `kept`, who stays, was offered what the newcomer behind
    /// `mesh` offers, or asked for an offer (`late`).
    Picking { mesh: u8, kept: u8, late: bool },
}

impl Call {
    /// A leg wants a new session: passed on, unless another exchange is under way.
    pub(crate) fn reoffer(
        &mut self,
        talk: &mut Talk,
        from: u8,
        body: Option<Body>,
        cx: &mut Cx<'_>,
    ) {
        if self.is_pending(talk, from, cx) {
            return;
        }
        let to = talk.other(from);
        let Some(body) = body else {
            talk.exchange = Exchange::Late { from };
            self.command(to, Command::Reoffer { body: None }, cx);
            return;
        };
        match self.describe(from, to, Role::Offer, &body, cx) {
            Ok(body) => {
                talk.exchange = Exchange::Passed { from };
                self.command(to, Command::Reoffer { body: Some(body) }, cx);
            }
            Err(cause) => self.command(from, Command::ReofferRefuse { cause }, cx),
        }
    }

    /// A leg wants a new session at once: passed on as such, so that the other leg asks nobody
    /// either (RFC 3311 section 5.2). A party that knows no UPDATE hears a re-INVITE.
    pub(crate) fn update(&mut self, talk: &mut Talk, from: u8, body: &Body, cx: &mut Cx<'_>) {
        if self.is_pending(talk, from, cx) {
            return;
        }
        let to = talk.other(from);
        match self.describe(from, to, Role::Offer, body, cx) {
            Ok(body) => {
                talk.exchange = Exchange::Passed { from };
                self.command(to, Command::Update { body }, cx);
            }
            Err(cause) => self.command(from, Command::ReofferRefuse { cause }, cx),
        }
    }

    /// Whether an exchange is under way, so that another offer is refused.
    fn is_pending(&self, talk: &Talk, from: u8, cx: &mut Cx<'_>) -> bool {
        match talk.exchange {
            Exchange::Idle if !self.is_over(talk.other(from)) => false,
            Exchange::Idle
            | Exchange::Passed { .. }
            | Exchange::Late { .. }
            | Exchange::Confirming { .. }
            | Exchange::Asking { .. }
            | Exchange::Offered { .. }
            | Exchange::Shown { .. }
            | Exchange::Bridging { .. }
            | Exchange::Picking { .. }
            | Exchange::Ours => {
                //= rfc3261#section-14.2
                //# A UAS that receives an INVITE on a dialog while an INVITE it had sent
                //# on that dialog is in progress MUST return a 491 (Request Pending)
                //# response to the received INVITE.
                let cause = Cause::from_sip(491);
                self.command(from, Command::ReofferRefuse { cause }, cx);
                true
            }
        }
    }

    /// A leg answered what we repeated by ourselves: media learns of it, nobody waits for it. An
    /// answer that cannot be used leaves the session as it is.
    pub(crate) fn refreshed(&mut self, talk: &Talk, leg: u8, body: Option<&Body>, cx: &mut Cx<'_>) {
        let to = talk.other(leg);
        if let (Some(body), Exchange::Idle) = (body, talk.exchange)
            && !self.is_over(to)
        {
            drop(self.describe(leg, to, Role::Answer, body, cx));
        }
    }

    /// The other leg of `kept` is gone, perhaps amid an exchange, and somebody is called in its
    /// place. The error is the cause with which the call must end: `kept` waits for a description
    /// that nobody gives any more.
    pub(crate) fn left_amid(
        &self,
        talk: &mut Talk,
        kept: u8,
        cx: &mut Cx<'_>,
    ) -> Result<(), Cause> {
        let owes = Exchange::Shown { leg: kept };
        talk.exchange = match talk.exchange {
            // It may offer again what nobody answers now.
            Exchange::Passed { from } | Exchange::Late { from } if from == kept => {
                let cause = Cause::from_sip(491);
                self.command(kept, Command::ReofferRefuse { cause }, cx);
                Exchange::Idle
            }
            // Nobody waits for its answer any more, but nothing else is offered before it.
            Exchange::Passed { .. } => owes,
            Exchange::Offered { leg } if leg != kept => owes,
            Exchange::Shown { leg } | Exchange::Bridging { leg } if leg == kept => owes,
            Exchange::Ours if kept == 0 => owes,
            Exchange::Late { .. } | Exchange::Offered { .. } => return Err(Cause::from_sip(488)),
            Exchange::Asking { leg } if leg == kept => return Err(Cause::from_sip(488)),
            Exchange::Confirming { to, .. } if to == kept => return Err(Cause::from_sip(488)),
            // It does not concern who is gone.
            picking @ Exchange::Picking { .. } => picking,
            // Who is gone owed something.
            Exchange::Idle
            | Exchange::Asking { .. }
            | Exchange::Confirming { .. }
            | Exchange::Shown { .. }
            | Exchange::Bridging { .. }
            | Exchange::Ours => Exchange::Idle,
        };
        Ok(())
    }

    /// A leg accepted. The error is the cause with which the call must end.
    pub(crate) fn reoffer_answered(
        &mut self,
        talk: &mut Talk,
        leg: u8,
        body: Option<Body>,
        cx: &mut Cx<'_>,
    ) -> Result<(), Cause> {
        let body = body.ok_or(Cause::from_sip(488));
        match talk.exchange {
            Exchange::Passed { from } if talk.other(from) == leg => {
                talk.exchange = Exchange::Idle;
                let told = body.and_then(|b| self.describe(leg, from, Role::Answer, &b, cx));
                let command = match told {
                    Ok(body) => Command::ReofferAnswer { body: Some(body) },
                    // The other side has the new session already; ours cannot follow it.
                    Err(cause) => Command::ReofferRefuse { cause },
                };
                self.command(from, command, cx);
                Ok(())
            }
            Exchange::Late { from } if talk.other(from) == leg => {
                let body = body?;
                let told = self.describe(leg, from, Role::Offer, &body, cx)?;
                talk.exchange = Exchange::Confirming { from, to: leg };
                self.command(from, Command::ReofferAnswer { body: Some(told) }, cx);
                Ok(())
            }
            Exchange::Ours if leg == 0 => {
                talk.exchange = Exchange::Idle;
                // The peer was answered before: media learns of it, nobody waits for it. One that
                // cannot be used leaves the session of the leg's first answer.
                if let Ok(body) = body {
                    drop(self.describe(0, talk.other(0), Role::Answer, &body, cx));
                }
                Ok(())
            }
            Exchange::Shown { leg: own } | Exchange::Bridging { leg: own } if own == leg => {
                self.shown_answered(talk, leg, body, cx)
            }
            Exchange::Picking { mesh, kept, late } if kept == leg => {
                self.place_accepted(talk, (mesh, kept, late), body, cx)
            }
            Exchange::Asking { leg: asked } if asked == leg => {
                let to = talk.other(leg);
                let offer = self.describe(leg, to, Role::Offer, &body?, cx)?;
                talk.exchange = Exchange::Offered { leg };
                self.command(to, Command::Reoffer { body: Some(offer) }, cx);
                Ok(())
            }
            Exchange::Offered { leg: to } if talk.other(to) == leg => {
                talk.exchange = Exchange::Idle;
                let told = self.describe(leg, to, Role::Answer, &body?, cx)?;
                self.command(to, Command::Confirm { body: Some(told) }, cx);
                Ok(())
            }
            Exchange::Idle
            | Exchange::Passed { .. }
            | Exchange::Late { .. }
            | Exchange::Confirming { .. }
            | Exchange::Asking { .. }
            | Exchange::Offered { .. }
            | Exchange::Shown { .. }
            | Exchange::Bridging { .. }
            | Exchange::Picking { .. }
            | Exchange::Ours => {
                Call::misplaced(cx);
                Ok(())
            }
        }
    }

    /// A leg refused; the old session stands on both sides. The error is the cause with which the
    /// call must end: a leg that was asked for an offer waits for an answer that will not come.
    pub(crate) fn reoffer_refused(
        &mut self,
        talk: &mut Talk,
        leg: u8,
        cause: Cause,
        cx: &mut Cx<'_>,
    ) -> Result<(), Cause> {
        match talk.exchange {
            Exchange::Passed { from } | Exchange::Late { from } if talk.other(from) == leg => {
                talk.exchange = Exchange::Idle;
                self.command(from, Command::ReofferRefuse { cause }, cx);
                Ok(())
            }
            // Both sides have what they agreed on when they answered.
            Exchange::Ours if leg == 0 => {
                talk.exchange = Exchange::Idle;
                Ok(())
            }
            Exchange::Shown { leg: own } | Exchange::Bridging { leg: own } if own == leg => {
                talk.exchange = Exchange::Idle;
                Ok(())
            }
            Exchange::Picking { mesh, kept, .. } if kept == leg => {
                self.place_refused(talk, (mesh, kept), cause, cx)
            }
            // It has an exchange of its own in mind, which brings both together as well.
            Exchange::Asking { leg: asked } if asked == leg => {
                talk.exchange = Exchange::Idle;
                Ok(())
            }
            Exchange::Offered { leg: to } if talk.other(to) == leg => Err(cause),
            Exchange::Idle
            | Exchange::Passed { .. }
            | Exchange::Late { .. }
            | Exchange::Confirming { .. }
            | Exchange::Asking { .. }
            | Exchange::Offered { .. }
            | Exchange::Shown { .. }
            | Exchange::Bridging { .. }
            | Exchange::Picking { .. }
            | Exchange::Ours => {
                Call::misplaced(cx);
                Ok(())
            }
        }
    }

    /// A leg confirmed. Only the answer to a late offer is news; without it the call has no session
    /// and must end.
    pub(crate) fn confirmed(
        &mut self,
        talk: &mut Talk,
        leg: u8,
        body: Option<Body>,
        cx: &mut Cx<'_>,
    ) -> Result<(), Cause> {
        match talk.exchange {
            Exchange::Confirming { from, to } if from == leg => {
                talk.exchange = Exchange::Idle;
                let body = body.ok_or(Cause::from_sip(488))?;
                let told = self.describe(from, to, Role::Answer, &body, cx)?;
                self.command(to, Command::Confirm { body: Some(told) }, cx);
                Ok(())
            }
            Exchange::Idle
            | Exchange::Passed { .. }
            | Exchange::Late { .. }
            | Exchange::Confirming { .. }
            | Exchange::Asking { .. }
            | Exchange::Offered { .. }
            | Exchange::Shown { .. }
            | Exchange::Bridging { .. }
            | Exchange::Picking { .. }
            | Exchange::Ours => Ok(()),
        }
    }
}
