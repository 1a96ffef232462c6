//! Rerouting after the answer (spec FAIL-04, `rerouteconnected`): a trunk that had answered is
//! gone, and its caller is put through to another one.
//!
//! The call is decided by all steps again, for the caller that its settlement names and without the
//! trunks that had it. It is a call of its own: it has its own price, hold and record. Limits of
//! calls of the subscriber, the trunk, the tenant and the switch have counted the call that it
//! follows and are not asked again; an account's own counts both.

use super::plan::Plan;
use super::sender::Sender;
use super::{Again, Attempt, Stop};
use crate::refusal::Refusal;
use crate::trace::Step;
use strowger_billing::Settlement;
use strowger_link::{Ask, AskBody, REROUTES_MAX, Reroute, RerouteAsk};
use strowger_model::{Answered, TrunkId};

/// The call that a reroute means, and what is known of it, for [`crate::Facts::again`].
///
/// # Errors
/// The settlement names no call that anybody pays for.
pub fn rerouted(ask: &Ask, asked: &RerouteAsk) -> Result<(Ask, Again), Refusal> {
    let before = Settlement::decode(&asked.settlement.0).map_err(|_| Refusal::Internal)?;
    if before.hold == 0 {
        return Err(Refusal::Denied);
    }
    let mut call = ask.clone();
    call.body = AskBody::Call(asked.call.clone());
    let tried = asked.tried.iter().take(REROUTES_MAX).map(|id| TrunkId(*id)).collect();
    Ok((call, Again { caller: before.caller, tried }))
}

impl Plan {
    /// It goes on for a call that is counted already.
    pub fn follows(&mut self) {
        if let Some(admit) = &mut self.admit {
            admit.limits.clear();
        }
    }
}

impl<'a> Attempt<'a> {
    /// Who called, once more.
    pub(super) fn sender_again(&mut self, again: &Again) -> Result<Sender<'a>, Stop> {
        let sender = self.sender_before(&again.caller)?;
        if let Some(trunk) = again.tried.last() {
            self.note(Step::Rerouted { trunk: trunk.0 });
        }
        Ok(sender)
    }

    /// Whether a trunk had the call before.
    pub(super) fn had_it(&self, trunk: TrunkId) -> bool {
        self.facts.again.as_ref().is_some_and(|again| again.tried.contains(&trunk))
    }

    /// When the caller is put through to another trunk after an answer. Nobody does that with a
    /// call for help, nor with one that has had its turns.
    pub(super) fn reroute_of(&self, sender: &Sender<'_>) -> Option<Reroute> {
        let set = &sender.settings.failover;
        let any = match set.answered {
            Answered::Never => return None,
            Answered::Fault => false,
            Answered::Any => true,
        };
        let turns = self.facts.again.as_ref().map_or(0, |again| again.tried.len());
        let may = !self.is_emergency && !self.is_test && turns < REROUTES_MAX;
        may.then_some(Reroute { talk_ms_max: set.answered_ms, any })
    }
}
