//! A subscriber as callee: all its contacts ring together, and its forwards follow.

use super::Attempt;
use super::called::Called;
use super::plan::blank_branch;
use super::sender::Sender;
use super::way::{Place, Way};
use crate::location::{reach, wire_transport};
use crate::refusal::Refusal;
use crate::trace::Step;
use strowger_billing::PriceRef;
use strowger_link::{BRANCHES_MAX, Branch, Gauge, MediaPolicy, Next, PartyRef, StageEnd, Target};
use strowger_model::{Binding, ForwardWhen, Nat, Profile, Subscriber, Tenant};

impl<'a> Attempt<'a> {
    /// Leads to a party of ours: the index of its first stage.
    pub(super) fn lead(
        &mut self,
        sender: &Sender<'a>,
        called: &Called,
        party: super::called::Party<'a>,
        place: &Place,
        way: &mut Way,
    ) -> Result<u8, Refusal> {
        use super::called::Party;
        let mut place = place.clone();
        place.chain.push(party.holder());
        match party {
            Party::Subscriber(callee) => self.ring_subscriber(sender, callee, &place, way),
            Party::Group(group) => self.ring_group(sender, group, &place, way),
            Party::Trunk(trunk) => self.ring_trunk(sender, called, trunk, &place, way),
        }
    }

    /// Forward always, else one stage with all contacts and the forwards behind it.
    fn ring_subscriber(
        &mut self,
        sender: &Sender<'a>,
        callee: &'a Subscriber,
        place: &Place,
        way: &mut Way,
    ) -> Result<u8, Refusal> {
        if let Some(first) = self.follow(sender, callee, ForwardWhen::Always, place, way) {
            return Ok(first);
        }
        let branches = self.contact_branches(sender, callee, place, 0);
        if branches.is_empty() {
            self.note(self.why_no_contact(callee));
            let first = self.follow(sender, callee, ForwardWhen::Offline, place, way);
            return first.ok_or(Refusal::Offline);
        }
        self.note(Step::Contacts { count: i64::try_from(branches.len()).unwrap_or_default() });
        let stage = way.push(branches).ok_or(Refusal::Exhausted)?;
        let busy = self.follow(sender, callee, ForwardWhen::Busy, place, way);
        let no_answer = self.follow(sender, callee, ForwardWhen::NoAnswer, place, way);
        let offline = self.follow(sender, callee, ForwardWhen::Offline, place, way);
        // A phone that is registered and says nothing at all does not answer either.
        let next = Next { failed: None, busy, no_answer, unreachable: offline.or(no_answer) };
        if next.on(StageEnd::NoAnswer).is_some() {
            let after = callee.forwards.iter().find(|forward| {
                forward.enabled && forward.when == ForwardWhen::NoAnswer && forward.after_s > 0
            });
            if let (Some(after), Some(stage)) = (after, way.stages.get_mut(usize::from(stage))) {
                let ring_ms = after.after_s.saturating_mul(1_000);
                stage.branches.iter_mut().for_each(|branch| branch.ring_ms = ring_ms);
            }
        }
        way.lead(stage, next);
        Ok(stage)
    }

    /// A branch for each contact, best first, at most [`BRANCHES_MAX`].
    pub(super) fn contact_branches(
        &self,
        sender: &Sender<'a>,
        callee: &'a Subscriber,
        place: &Place,
        ring_s: u32,
    ) -> Vec<Branch> {
        let contacts = self.locations.contacts(callee.id, self.now);
        let own_s = if ring_s == 0 { callee.ring_timeout_s } else { ring_s };
        let settings = self.world.subscriber_settings(callee.id);
        let ring_ms = match settings.call.ring_ms.filter(|_| own_s == 0) {
            Some(ms) => ms,
            None => ring_ms(sender.tenant, own_s),
        };
        let branch = |binding| {
            let mut branch = self.contact_branch(sender, (callee, settings), binding)?;
            branch.ring_ms = ring_ms;
            branch.hop = PriceRef { hop: None, part: place.part }.byte();
            Some(branch)
        };
        contacts.into_iter().take(BRANCHES_MAX).filter_map(branch).collect()
    }

    /// It has no contact, or we have no way to any of them.
    pub(super) fn why_no_contact(&self, callee: &Subscriber) -> Step {
        let subscriber = callee.id.0;
        match self.locations.contacts(callee.id, self.now).is_empty() {
            true => Step::Offline { subscriber },
            false => Step::ContactUnreachable { subscriber },
        }
    }

    /// The branch to a contact, by the listener it was registered at. That may be another one by
    /// now: the process may have been started with others since.
    fn contact_branch(
        &self,
        sender: &Sender<'a>,
        (callee, settings): (&Subscriber, &Profile),
        binding: &Binding,
    ) -> Option<Branch> {
        let target = contact_target(binding);
        let (transport, asked) = (target.transport, binding.listener);
        let listener = self.world.listener(asked, transport, target.address)?;
        let nated = is_nated(settings, reach(binding).nated);
        let media = media_policy(sender, nated);
        let mut branch = blank_branch(target, listener, media);
        branch.dialed = callee.username.clone();
        branch.party = PartyRef::Subscriber(callee.id.0);
        branch.gauges = callee_gauge(callee, settings).into_iter().collect();
        self.shown_inside(sender).onto(&mut branch);
        Some(branch)
    }

    /// Whether the caller's media comes through a NAT: by its contact, if the request came from
    /// where the contact is; a subscriber without one is taken to be behind a NAT.
    pub(super) fn caller_is_nated(&self, caller: &Subscriber) -> bool {
        let source = self.ask.hints.source;
        let by_contact = self
            .locations
            .contacts(caller.id, self.now)
            .iter()
            .find(|binding| binding.source.ip() == source.ip())
            .is_none_or(|binding| reach(binding).nated);
        is_nated(self.world.subscriber_settings(caller.id), by_contact)
    }
}

/// The ring time of `own`, or the tenant's, milliseconds.
pub(super) fn ring_ms(tenant: &Tenant, own_s: u32) -> u32 {
    let seconds = if own_s == 0 { tenant.ring_timeout_s } else { own_s };
    seconds.saturating_mul(1000)
}

const fn is_nated(settings: &Profile, by_contact: bool) -> bool {
    match settings.media.nat {
        Nat::Auto => by_contact,
        Nat::Always => true,
        Nat::Never => false,
    }
}

/// Calls at once of a subscriber, made or taken: by its row, else as is set.
pub(super) const fn subscriber_calls_max(row: &Subscriber, settings: &Profile) -> u32 {
    if row.calls_max > 0 { row.calls_max } else { settings.limit.subscriber_calls_max }
}

/// Relayed media with the caller's time-outs, which are its tenant's if nothing else is set.
pub(super) fn media_policy(sender: &Sender<'_>, nated: bool) -> MediaPolicy {
    let own = &sender.settings.media;
    let policy = tenant_media(sender.tenant, nated);
    MediaPolicy {
        start_timeout_ms: own.start_timeout_ms.unwrap_or(policy.start_timeout_ms),
        timeout_ms: own.timeout_ms.unwrap_or(policy.timeout_ms),
        ..policy
    }
}

/// Relayed media with the tenant's time-outs.
pub(super) fn tenant_media(tenant: &Tenant, nated: bool) -> MediaPolicy {
    MediaPolicy {
        mode: strowger_link::MediaMode::Relay,
        nated,
        start_timeout_ms: tenant.media_start_timeout_s.saturating_mul(1000),
        timeout_ms: tenant.media_timeout_s.saturating_mul(1000),
    }
}

/// Where a registered contact is reached.
pub(super) fn contact_target(binding: &Binding) -> Target {
    Target {
        uri: binding.uri.clone(),
        address: reach(binding).address,
        transport: wire_transport(binding.transport),
        flow: binding.flow,
        routes: binding.path.clone(),
    }
}

/// The calls that ring at a subscriber or that it has answered: as many as it may make.
fn callee_gauge(callee: &Subscriber, settings: &Profile) -> Option<Gauge> {
    // Ids beyond 31 bits with a limit are refused when the world is built.
    let id = u32::try_from(callee.id.0).ok().filter(|id| !Gauge::is_callee(*id))?;
    let in_use_max = subscriber_calls_max(callee, settings);
    (in_use_max > 0).then_some(Gauge { id: id | Gauge::CALLEE, in_use_max, per_second_max: 0 })
}
