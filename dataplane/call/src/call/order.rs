//! What the control plane tells a running call to do.

use super::end::{End, Farewell};
use super::{Call, State};
use crate::desk::Cx;
use strowger_link::{Hangup, VerbOutcome};

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
}
