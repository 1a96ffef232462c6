//! What was dialled, and whether it is one of ours (spec NUM-NORM, ROUTE-LOCAL-01).

use super::sender::{Sender, Who};
use super::{Attempt, Stop};
use crate::limits::CALLED_MAX;
use crate::prefix::Chain;
use crate::refusal::Refusal;
use crate::trace::Step;
use strowger_model::{BadNumber, Digits, Subscriber, TrunkId};

/// The called party in its forms.
pub(super) struct Called<'a> {
    /// As received, without tech prefix and parameters.
    pub(super) text: &'a str,
    /// Canonical, when it is a number.
    pub(super) number: Result<Digits, BadNumber>,
    /// The ids of the number's prefixes.
    pub(super) chain: Option<Chain>,
}

impl<'a> Attempt<'a> {
    /// Step 10: before anything is looked up.
    pub(super) fn check_length(&mut self) -> Result<(), Stop> {
        let len = self.call.called.len();
        let bad = match len {
            0 => BadNumber::Empty,
            1..=CALLED_MAX => return Ok(()),
            _ => BadNumber::TooLong,
        };
        let step = Step::BadLength { characters: i64::try_from(len).unwrap_or(i64::MAX) };
        Err(self.refuse_for(Refusal::BadNumber(bad), step))
    }

    /// Steps 14 and 16: tech prefix off, then the canonical form. A text that is no number may
    /// still be a user name.
    pub(super) fn normalise(&mut self, sender: &Sender<'a>) -> Result<Called<'a>, Stop> {
        let received = self.world.received(self.ask.hints.source, self.call);
        let received = received.split(';').next().unwrap_or_default();
        let text = match sender.who {
            Who::Subscriber(_) => received,
            Who::Trunk(trunk, ingress) => match &ingress.tech_prefix {
                Some(prefix) => received.strip_prefix(prefix.as_str()).ok_or_else(|| {
                    let step = Step::NoTechPrefix { trunk: trunk.id.0 };
                    self.refuse_for(Refusal::Denied, step)
                })?,
                None => received,
            },
        };
        let number = sender.tenant.normalisation.normalise(text);
        let Ok(digits) = number else { return Ok(Called { text, number, chain: None }) };
        self.note(Step::Number(digits));
        let chain = self.world.chain(&digits);
        if let Some(known) = &mut self.known {
            let destination = self.world.destination(sender.tenant.id, &chain);
            known.number = Some(digits);
            known.destination = destination.map(|destination| destination.prefix);
        }
        Ok(Called { text, number, chain: Some(chain) })
    }

    /// An emergency number of the tenant. The world is newer than the edge's table, so its word
    /// counts and the edge's mark is not read.
    pub(super) fn find_emergency(
        &mut self,
        sender: &Sender<'a>,
        called: &Called<'a>,
    ) -> Option<&'a [TrunkId]> {
        let raw = Digits::parse(called.text).ok();
        let numbers = [raw, called.number.ok()];
        let of = sender.tenant.id;
        let trunks = numbers.into_iter().flatten().find_map(|n| self.world.emergency(of, n))?;
        self.note(Step::Emergency {});
        Some(trunks)
    }

    /// Step 22: user name, number or short number of a subscriber who is not switched off.
    pub(super) fn find_local(
        &mut self,
        sender: &Sender<'a>,
        called: &Called<'a>,
    ) -> Option<&'a Subscriber> {
        let (callee, step) = self
            .named(sender, called)
            .or_else(|| self.numbered(sender, called))
            .or_else(|| self.short(sender, called))?;
        self.note(step);
        if callee.enabled {
            return Some(callee);
        }
        // As if deleted: the number may still have a route.
        self.note(Step::SubscriberDisabled { subscriber: callee.id.0 });
        None
    }

    fn named(&self, sender: &Sender<'a>, called: &Called<'a>) -> Option<(&'a Subscriber, Step)> {
        let of = sender.tenant.id;
        let canonical = called.number.ok();
        let callee = self.world.subscriber_named(of, called.text).or_else(|| {
            canonical.and_then(|number| self.world.subscriber_named(of, number.as_str()))
        })?;
        Some((callee, Step::CalleeByName { subscriber: callee.id.0 }))
    }

    fn numbered(&self, sender: &Sender<'a>, called: &Called<'a>) -> Option<(&'a Subscriber, Step)> {
        let callee = self.world.subscriber_numbered(sender.tenant.id, called.number.ok()?)?;
        Some((callee, Step::CalleeByNumber { subscriber: callee.id.0 }))
    }

    fn short(&self, sender: &Sender<'a>, called: &Called<'a>) -> Option<(&'a Subscriber, Step)> {
        let Who::Subscriber(caller) = sender.who else { return None };
        let callee = self.world.subscriber_short(caller.organization, called.number.ok()?)?;
        Some((callee, Step::CalleeByShort { subscriber: callee.id.0 }))
    }

    /// Step 21: a phone that calls itself would ring itself busy.
    pub(super) fn check_self_call(
        &mut self,
        sender: &Sender<'a>,
        callee: &Subscriber,
    ) -> Result<(), Stop> {
        match sender.who {
            Who::Subscriber(caller) if caller.id == callee.id => {
                let step = Step::SelfCall { subscriber: caller.id.0 };
                Err(self.refuse_for(Refusal::Denied, step))
            }
            Who::Subscriber(_) | Who::Trunk(..) => Ok(()),
        }
    }
}
