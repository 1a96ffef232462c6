//! What the operator's own program wants done with a call before it is routed (spec NUM-DIAL-01).
//!
//! It stands behind the rules of the stage `routing`, so it sees what they made of the call, and
//! before barring, ported numbers and routes, which see what it made. Emergency calls never come
//! here. What it may do is closed: let it go on, with other numbers or not, for so long, or refuse.

use super::called::{Called, Party};
use super::rule::fits;
use super::sender::{Sender, Who};
use super::{Attempt, Stop};
use crate::fact::{AskedCall, Finding, HookSays, Outsider, Query};
use crate::refusal::Refusal;
use crate::trace::Step;
use strowger_model::Digits;

/// Whole seconds, for a trace.
fn seconds(ms: u64) -> i64 {
    i64::try_from(ms / 1_000).unwrap_or(i64::MAX)
}

impl<'a> Attempt<'a> {
    /// Asks what is to be done, and does it. A number that was changed is looked up again.
    pub(super) fn hook(
        &mut self,
        sender: &Sender<'a>,
        called: Called,
        party: Option<Party<'a>>,
    ) -> Result<(Called, Option<Party<'a>>), Stop> {
        let set = &sender.settings.fact;
        if !set.hook {
            return Ok((called, party));
        }
        let query = Query::Hook(Box::new(self.asked_call(sender, &called, party.is_some())));
        let (number, caller, talk_ms) = match self.find_out(query).map(Finding::hook) {
            None => return Ok((called, party)),
            Some(Ok(HookSays::Continue { called, caller, talk_ms })) => (called, caller, talk_ms),
            Some(Ok(HookSays::Refuse(status))) => {
                self.note(Step::HookRefuses { sip: status.into() });
                return Err(Stop::Refuse(Refusal::Rule(status)));
            }
            Some(Err(lack)) => {
                self.without(Outsider::Hook, lack, set.hook_unknown)?;
                return Ok((called, party));
            }
        };
        if let Some(ms) = talk_ms {
            self.note(Step::HookLimits { seconds: seconds(ms) });
            self.limit_talk(sender, ms)?;
        }
        let (number, caller) = (number.filter(|text| fits(text)), caller.filter(|text| fits(text)));
        if number.is_some() || caller.is_some() {
            self.note(Step::HookChanges {});
        }
        self.call_as(sender, caller);
        let Some(text) = number else { return Ok((called, party)) };
        let called = self.called_of(sender.tenant, text);
        self.note_called(sender, &called);
        let looks = sender.settings.call.local_numbers;
        let party = self.find_local(sender.tenant.id, sender.scope(), &called, looks);
        Ok((called, party))
    }

    /// The call as those see it who are asked about it.
    pub(super) fn asked_call(
        &self,
        sender: &Sender<'a>,
        called: &Called,
        local: bool,
    ) -> AskedCall {
        let (organization, subscriber, trunk) = match sender.who {
            Who::Subscriber(row) => (row.organization, Some(row.id), None),
            Who::Trunk(row, _) => {
                (sender.organization(), sender.behalf.map(|row| row.id), Some(row.id))
            }
        };
        let number = called.number.as_ref().map_or(called.text.as_str(), Digits::as_str);
        AskedCall {
            sip_call_id: self.call.sip_call_id.clone(),
            tenant: sender.tenant.id,
            account: sender.account.id,
            organization,
            subscriber,
            trunk,
            called: number.to_owned(),
            received: self.call.called.clone(),
            caller: self.number_of(sender),
            from: self.call.caller.from_user.clone(),
            source: self.ask.hints.source.ip().to_canonical(),
            local,
        }
    }
}
