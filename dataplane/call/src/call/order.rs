//! What the control plane tells a running call to do.

use super::end::{End, Farewell};
use super::{Call, State};
use crate::desk::Cx;
use strowger_link::{Cause, Fact, Hangup, Reason, Tick, VerbOutcome};

impl Call {
    /// Ends the call, or one branch of a hunt. A leg of a bridge, the caller, or a leg of an
    /// originated call takes the others with it: nothing would be left for them.
    pub(crate) fn handle_hangup(&mut self, verb: &Hangup, cx: &mut Cx<'_>) -> VerbOutcome {
        let alive = match verb.leg {
            Some(leg) => self.leg(leg).is_some_and(|known| !known.is_over()),
            None => true,
        };
        if !alive || self.is_closed() {
            return VerbOutcome::NoSuchLeg;
        }
        let end = End::ours(verb.cause, verb.reason);
        self.state = match (std::mem::take(&mut self.state), verb.leg) {
            (State::Hunting(hunt), Some(leg @ 1..)) => {
                self.end_branch(hunt, leg, (verb.cause, verb.reason), cx)
            }
            (State::Talking(talk), Some(leg)) => {
                self.end_leg(leg, &end, Farewell::Hangup, cx);
                self.close_talk(*talk, end, cx)
            }
            (State::Talking(talk), None) => self.close_talk(*talk, end, cx),
            (State::Asked(_), _) => {
                cx.desk.take(self.ask);
                self.close(&end, cx)
            }
            (State::Hunting(mut hunt), _) => {
                hunt.redirects.give_up(cx);
                self.close(&end, cx)
            }
            (State::Picking(_) | State::Setup(_), _) => self.close(&end, cx),
            (State::Closed(closed), _) => State::Closed(closed),
        };
        VerbOutcome::Done
    }

    /// When a call that goes on has lasted as long as any may, from its first INVITE: through a
    /// crash as well, for its first fact says when that was. `ms_max` 0 = never.
    pub(crate) fn expires_at(&self, ms_max: u64) -> Tick {
        if ms_max == 0 || self.is_closed() {
            return Tick::NEVER;
        }
        match self.facts.as_slice().first() {
            Some(Fact::Began(began)) => began.at.plus_ms(ms_max),
            Some(
                Fact::LegOpened(_)
                | Fact::LegProgress(_)
                | Fact::LegAnswered(_)
                | Fact::LegEnded(_)
                | Fact::Joined(_)
                | Fact::Parted(_)
                | Fact::Granted(_)
                | Fact::Ended(_),
            )
            | None => Tick::NEVER,
        }
    }

    /// Ends a call that has lasted as long as any may, ringing or talking.
    pub(crate) fn expire(&mut self, cx: &mut Cx<'_>) {
        if self.expires_at(cx.desk.config.call_ms_max) <= cx.now {
            // Q.850 102: recovery on timer expiry. 480 tells an unanswered caller.
            let cause = Cause::new(480, 102);
            let verb = Hangup { leg: None, cause, reason: Reason::MaxDuration };
            let _it_goes_on_no_longer = self.handle_hangup(&verb, cx);
        }
    }
}
