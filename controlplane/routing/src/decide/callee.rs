//! Whom a subscriber takes calls from: those of its user group, and whom rules about its callers
//! let through (spec USER-HIER-03, USER-RESTR-02).
//!
//! It is asked of who leads to the callee: of a call the caller, of a forward who forwards. So whom
//! an office lets through reaches the boss behind its forward, and nobody comes around a wall by a
//! forward of somebody who may not call either. A ring group leads as the caller does.

use super::Attempt;
use super::sender::Sender;
use super::way::{Place, Way};
use crate::caller::CallerAt;
use crate::refusal::Refusal;
use crate::trace::Step;
use strowger_billing::Forwarder;
use strowger_model::{Digits, Subscriber};

impl<'a> Attempt<'a> {
    /// Whether a callee takes this call.
    pub(super) fn check_callee(
        &mut self,
        sender: &Sender<'a>,
        callee: &Subscriber,
        place: &Place,
        way: &Way,
    ) -> Result<(), Refusal> {
        let world = self.world;
        let part = place.part.and_then(|part| way.parts.get(usize::from(part)));
        let (leader, account) = match part {
            None => (sender.subscriber(), sender.account.id),
            Some(part) => match part.by {
                Forwarder::Subscriber(id) => (world.subscriber(id), part.level.account),
                Forwarder::RingGroup(_) | Forwarder::Trunk(_) => (None, part.level.account),
            },
        };
        let group = |row: &Subscriber| world.subscriber_settings(row.id).call.group;
        let is_apart = |row: &Subscriber| row.id != callee.id && group(row) != group(callee);
        if leader.is_some_and(is_apart) {
            self.note(Step::OtherGroup { subscriber: callee.id.0 });
            return Err(Refusal::Denied);
        }
        if !world.callers().has_callees() {
            return Ok(());
        }
        let number = match (part, leader) {
            (None, _) => self.number_of(sender),
            (Some(_), Some(row)) => {
                row.numbers.first().map_or_else(|| row.username.clone(), Digits::to_string)
            }
            (Some(_), None) => String::new(),
        };
        let number = Digits::parse(&number).unwrap_or(Digits::EMPTY);
        let caller = CallerAt { tenant: callee.tenant, account, number, at_us: self.wall_us };
        let rule = world.callers().deciding_to(callee.id, caller);
        match rule.and_then(|rule| self.turned_away(rule)) {
            None => Ok(()),
            Some(step) => {
                self.note(step);
                Err(Refusal::Denied)
            }
        }
    }
}
