//! A subscriber as callee: all its contacts ring together.

use super::plan::{Way, blank_branch};
use super::sender::Sender;
use super::{Attempt, Stop};
use crate::location::{reach, wire_transport};
use crate::refusal::Refusal;
use crate::trace::Step;
use strowger_link::{BRANCHES_MAX, Branch, MediaPolicy, PartyRef, Stage, Target};
use strowger_model::{Binding, Subscriber, Tenant};

impl<'a> Attempt<'a> {
    /// One stage with a branch for each contact, best first, at most [`BRANCHES_MAX`].
    pub(super) fn ring_contacts(
        &mut self,
        sender: &Sender<'a>,
        callee: &'a Subscriber,
    ) -> Result<Way, Stop> {
        let contacts = self.locations.contacts(callee.id, self.now);
        if contacts.is_empty() {
            let step = Step::Offline { subscriber: callee.id.0 };
            return Err(self.refuse_for(Refusal::Offline, step));
        }
        let branches: Vec<Branch> = contacts
            .into_iter()
            .take(BRANCHES_MAX)
            .filter_map(|binding| self.contact_branch(sender, callee, binding))
            .collect();
        if branches.is_empty() {
            let step = Step::ContactUnreachable { subscriber: callee.id.0 };
            return Err(self.refuse_for(Refusal::Offline, step));
        }
        self.note(Step::Contacts { count: i64::try_from(branches.len()).unwrap_or_default() });
        Ok(Way::inside(vec![Stage { branches }]))
    }

    /// The branch to a contact, by the listener it was registered at. That may be another one by
    /// now: the process may have been started with others since.
    fn contact_branch(
        &self,
        sender: &Sender<'a>,
        callee: &Subscriber,
        binding: &Binding,
    ) -> Option<Branch> {
        let way = reach(binding);
        let transport = wire_transport(binding.transport);
        let listener = self.world.listener(binding.listener, transport, way.address)?;
        let target = Target {
            uri: binding.uri.clone(),
            address: way.address,
            transport,
            flow: binding.flow,
            routes: binding.path.clone(),
        };
        let media = media_policy(sender.tenant, way.nated);
        let mut branch = blank_branch(target, listener, media);
        branch.dialed = callee.username.clone();
        branch.ring_ms = ring_ms(sender.tenant, callee.ring_timeout_s);
        branch.party = PartyRef::Subscriber(callee.id.0);
        self.shown_inside(sender).onto(&mut branch);
        Some(branch)
    }

    /// Whether the caller's media comes through a NAT: by its contact, if the request came from
    /// where the contact is; a subscriber without one is taken to be behind a NAT.
    pub(super) fn caller_is_nated(&self, caller: &Subscriber) -> bool {
        let source = self.ask.hints.source;
        self.locations
            .contacts(caller.id, self.now)
            .iter()
            .find(|binding| binding.source.ip() == source.ip())
            .is_none_or(|binding| reach(binding).nated)
    }
}

/// The ring time of `own`, or the tenant's, milliseconds.
pub(super) fn ring_ms(tenant: &Tenant, own_s: u32) -> u32 {
    let seconds = if own_s == 0 { tenant.ring_timeout_s } else { own_s };
    seconds.saturating_mul(1000)
}

/// Relayed media with the tenant's time-outs.
pub(super) fn media_policy(tenant: &Tenant, nated: bool) -> MediaPolicy {
    MediaPolicy {
        mode: strowger_link::MediaMode::Relay,
        nated,
        start_timeout_ms: tenant.media_start_timeout_s.saturating_mul(1000),
        timeout_ms: tenant.media_timeout_s.saturating_mul(1000),
    }
}
