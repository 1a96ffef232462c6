//! A subscriber as callee: all its contacts ring together, and its forwards follow.

use super::Attempt;
use super::called::Called;
use super::hop::with_user;
use super::manner::{own_media, speak};
use super::plan::blank_branch;
use super::redirect;
use super::sender::Sender;
use super::way::{Place, Way};
use crate::location::{elsewhere, reach, wire_transport};
use crate::refusal::Refusal;
use crate::trace::Step;
use strowger_billing::PriceRef;
use strowger_link::{
    BRANCHES_MAX, Branch, Gauge, MediaPolicy, Next, PartyRef, StageEnd, Target, Voices,
};
use strowger_model::{
    Binding, CalledShown, Digits, Fork as ForkMode, Forward, ForwardWhen, Nat, NatSettings,
    Profile, SendTo, Subscriber, Tenant,
};

/// How long a device is waited for at its first address when there is a second one, milliseconds.
const ELSEWHERE_MS: u32 = 3_000;

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

    /// Forward always, else its contacts and the forwards behind them.
    fn ring_subscriber(
        &mut self,
        sender: &Sender<'a>,
        callee: &'a Subscriber,
        place: &Place,
        way: &mut Way,
    ) -> Result<u8, Refusal> {
        self.check_callee(sender, callee, place, way)?;
        if self.device.is_some() {
            return self.ring_device(sender, callee, place, way);
        }
        if let Some(first) = self.follow(sender, callee, ForwardWhen::Always, place, way) {
            return Ok(first);
        }
        let fork = self.fork(sender, callee, place);
        if fork.groups.is_empty() {
            self.note(self.why_no_contact(callee));
            let first = self.follow(sender, callee, ForwardWhen::Offline, place, way);
            return first.ok_or(Refusal::Offline);
        }
        self.note(fork.step());
        let (stages, spare) = fork.push(way)?;
        let busy = self.follow(sender, callee, ForwardWhen::Busy, place, way);
        let no_answer = self.follow(sender, callee, ForwardWhen::NoAnswer, place, way);
        let offline = self.follow(sender, callee, ForwardWhen::Offline, place, way);
        // A phone that is registered and says nothing at all does not answer either.
        let last = Next { failed: None, busy, no_answer, unreachable: offline.or(no_answer) };
        if last.on(StageEnd::NoAnswer).is_some() {
            ring_before_forward(callee, &stages, way);
        }
        Ok(lead_through(&stages, spare, last, way))
    }

    /// The one device that is called (RFC 5627). It has no forwards: those are its user's.
    fn ring_device(
        &mut self,
        sender: &Sender<'a>,
        callee: &'a Subscriber,
        place: &Place,
        way: &mut Way,
    ) -> Result<u8, Refusal> {
        let fork = self.fork(sender, callee, place);
        if fork.groups.is_empty() {
            self.note(Step::Offline { subscriber: callee.id.0 });
            return Err(Refusal::Offline);
        }
        self.note(fork.step());
        let (stages, spare) = fork.push(way)?;
        Ok(lead_through(&stages, spare, Next::default(), way))
    }

    /// The contacts of a callee in the order in which they ring.
    fn fork(&self, sender: &Sender<'a>, callee: &'a Subscriber, place: &Place) -> Fork {
        let (first, spare) = self.flows_of(callee);
        let by_q = self.world.subscriber_settings(callee.id).registration.fork == ForkMode::ByQ;
        let branch = self.brancher(sender, callee, place, 0);
        let mut groups: Vec<Vec<Branch>> = Vec::new();
        let mut last_q = None;
        for binding in first.iter().take(BRANCHES_MAX) {
            let Some(branch) = branch(binding) else { continue };
            let together = !by_q || last_q == Some(binding.q);
            last_q = Some(binding.q);
            match groups.last_mut().filter(|_| together) {
                Some(group) => group.push(branch),
                None => groups.push(vec![branch]),
            }
        }
        let mut spare: Vec<Branch> =
            spare.into_iter().take(BRANCHES_MAX).filter_map(&branch).collect();
        let nat = &self.world.subscriber_settings(callee.id).nat;
        if nat.send_to == SendTo::Both || nat.standard_port {
            spare.extend(self.elsewhere((&first, nat), &branch, &mut groups));
            spare.truncate(BRANCHES_MAX);
        }
        Fork { groups, spare }
    }

    /// Branches to where contacts may be beside where they are called first, which gets less time
    /// to say a first word then (spec SIP-NAT-02).
    fn elsewhere(
        &self,
        (first, nat): (&[&Binding], &NatSettings),
        branch: &impl Fn(&Binding) -> Option<Branch>,
        groups: &mut [Vec<Branch>],
    ) -> Vec<Branch> {
        let mut others = Vec::new();
        for binding in first.iter().take(BRANCHES_MAX) {
            let all = elsewhere(binding, nat).into_iter();
            for address in all.filter(|at| !self.world.perimeter().is_own(*at)) {
                let Some(mut other) = branch(binding) else { continue };
                let mut ringing = groups.iter_mut().flatten();
                if let Some(own) = ringing.find(|own| own.target == other.target) {
                    own.first_ms = ELSEWHERE_MS;
                }
                other.target.address = address;
                others.push(other);
            }
        }
        others
    }

    /// The contacts to ring, best first, and other flows of the same devices: of several flows of
    /// one instance only one is used at a time (RFC 5626 section 7).
    fn flows_of(&self, callee: &Subscriber) -> (Vec<&'a Binding>, Vec<&'a Binding>) {
        let locations = self.locations;
        let is_meant = |binding: &&Binding| {
            self.device.as_ref().is_none_or(|device| device.is(binding, locations.key()))
        };
        let mut first: Vec<&Binding> = Vec::new();
        let mut spare = Vec::new();
        for binding in locations.contacts(callee.id, self.now).into_iter().filter(is_meant) {
            let is_same = |other: &&Binding| {
                binding.reg_id != 0 && other.reg_id != 0 && other.instance == binding.instance
            };
            match first.iter().any(is_same) {
                true => spare.push(binding),
                false => first.push(binding),
            }
        }
        (first, spare)
    }

    /// A branch for each contact, best first, at most [`BRANCHES_MAX`].
    pub(super) fn contact_branches(
        &self,
        sender: &Sender<'a>,
        callee: &'a Subscriber,
        place: &Place,
        ring_s: u32,
    ) -> Vec<Branch> {
        let (first, _) = self.flows_of(callee);
        let branch = self.brancher(sender, callee, place, ring_s);
        first.into_iter().take(BRANCHES_MAX).filter_map(branch).collect()
    }

    /// Makes branches to contacts of a callee.
    fn brancher(
        &self,
        sender: &Sender<'a>,
        callee: &'a Subscriber,
        place: &Place,
        ring_s: u32,
    ) -> impl Fn(&Binding) -> Option<Branch> {
        let own_s = if ring_s == 0 { callee.ring_timeout_s } else { ring_s };
        let settings = self.world.subscriber_settings(callee.id);
        let ring_ms = match settings.call.ring_ms.filter(|_| own_s == 0) {
            Some(ms) => ms,
            None => ring_ms(sender.tenant, own_s),
        };
        let hop = PriceRef { hop: None, part: place.part }.byte();
        move |binding| {
            let mut branch = self.contact_branch(sender, (callee, settings), binding)?;
            branch.ring_ms = ring_ms;
            branch.hop = hop;
            Some(branch)
        }
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
        let target = contact_target(binding, settings.nat.send_to);
        // A phone is where it is, in whatever network; but nobody may register ourselves.
        if self.world.perimeter().is_own(target.address) {
            return None;
        }
        let (transport, asked) = (target.transport, binding.listener);
        let listener = self.world.listener(asked, transport, target.address)?;
        let nated = is_nated(settings, reach(binding, settings.nat.send_to).nated);
        Some(self.callee_branch(sender, (callee, settings), (target, listener), nated))
    }

    /// The branch to a place where a callee is.
    pub(super) fn callee_branch(
        &self,
        sender: &Sender<'a>,
        (callee, settings): (&Subscriber, &Profile),
        (target, listener): (Target, u8),
        nated: bool,
    ) -> Branch {
        let media = own_media(media_policy(sender, nated), settings, None);
        let mut branch = blank_branch(target, listener, media);
        branch.dialed = callee.username.clone();
        branch.party = PartyRef::Subscriber(callee.id.0);
        branch.gauges = callee_gauge(callee, settings).into_iter().collect();
        branch.headers = self.headers_inside();
        if let Some(user) = self.called_shown(callee, settings) {
            let target = branch.target.uri.split(';').next().unwrap_or_default();
            branch.to_uri = with_user(target, &user);
        }
        branch.redirect = redirect::manner(redirect::of_subscriber(settings));
        self.shown_inside(sender).onto(&mut branch);
        speak(&mut branch.manner, settings, None);
        branch
    }

    /// The user of To for a called subscriber; `None` = that of its contact (spec NUM-INT-01).
    fn called_shown(&self, callee: &Subscriber, settings: &Profile) -> Option<String> {
        let own = |number: Option<&Digits>| {
            number
                .or(callee.numbers.first())
                .map_or_else(|| callee.username.clone(), |n| n.to_string())
        };
        Some(match settings.call.called_shown {
            CalledShown::Contact => return None,
            CalledShown::Received => self.call.called.clone(),
            CalledShown::Username => callee.username.clone(),
            CalledShown::Number => own(None),
            CalledShown::Best => {
                let called = self.known.as_ref().and_then(|known| known.number);
                own(called.filter(|number| callee.numbers.contains(number)).as_ref())
            }
        })
    }

    /// Whether the caller's media comes through a NAT: by its contact, if the request came from
    /// where the contact is; a subscriber without one is taken to be behind a NAT.
    pub(super) fn caller_is_nated(&self, caller: &Subscriber) -> bool {
        let source = self.ask.hints.source;
        let settings = self.world.subscriber_settings(caller.id);
        let by_contact = self
            .locations
            .contacts(caller.id, self.now)
            .iter()
            .find(|binding| binding.source.ip() == source.ip())
            .is_none_or(|binding| reach(binding, settings.nat.send_to).nated);
        is_nated(settings, by_contact)
    }
}

/// How the contacts of a callee are tried.
struct Fork {
    /// Those of a group ring together, the groups one after the other.
    groups: Vec<Vec<Branch>>,
    /// Other flows of the same devices, when none of the last group is reached.
    spare: Vec<Branch>,
}

impl Fork {
    fn step(&self) -> Step {
        let count = self.groups.iter().map(Vec::len).sum::<usize>();
        Step::Contacts { count: i64::try_from(count).unwrap_or_default() }
    }

    /// The stages of the groups, and that of the spare flows. Groups that find no room are left
    /// out.
    fn push(self, way: &mut Way) -> Result<(Vec<u8>, Option<u8>), Refusal> {
        let stages: Vec<u8> = self.groups.into_iter().map_while(|group| way.push(group)).collect();
        if stages.is_empty() {
            return Err(Refusal::Exhausted);
        }
        let spare = (!self.spare.is_empty()).then_some(self.spare);
        Ok((stages, spare.and_then(|spare| way.push(spare))))
    }
}

/// One stage leads to the next whatever came of it, the last one to `last`; spare flows are tried
/// when it reached nobody. Where it begins.
fn lead_through(stages: &[u8], spare: Option<u8>, last: Next, way: &mut Way) -> u8 {
    for (stage, next) in stages.iter().zip(stages.iter().skip(1)) {
        way.lead(*stage, Next::always(*next));
    }
    if let Some(end) = stages.last() {
        let unreachable = spare.or(last.unreachable);
        way.lead(*end, Next { unreachable, ..last });
    }
    if let Some(spare) = spare {
        way.lead(spare, last);
    }
    stages.first().copied().unwrap_or_default()
}

/// Lets contacts ring only so long as their user's forward on no answer wants.
fn ring_before_forward(callee: &Subscriber, stages: &[u8], way: &mut Way) {
    let is_wanted = |forward: &&Forward| {
        forward.enabled && forward.when == ForwardWhen::NoAnswer && forward.after_s > 0
    };
    let Some(after) = callee.forwards.iter().find(is_wanted) else { return };
    let ring_ms = after.after_s.saturating_mul(1_000);
    for stage in stages {
        if let Some(stage) = way.stages.get_mut(usize::from(*stage)) {
            stage.branches.iter_mut().for_each(|branch| branch.ring_ms = ring_ms);
        }
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
        voices: Voices::ALL,
        strict: false,
        ends_false: false,
        first_packet: false,
        srtp: strowger_link::Srtp::Accept,
    }
}

/// Where a registered contact is reached.
pub(super) fn contact_target(binding: &Binding, send_to: SendTo) -> Target {
    Target {
        uri: binding.uri.clone(),
        address: reach(binding, send_to).address,
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
