//! Hops: a trunk's addresses as branches of the call, one after the other.

use super::diverted::Teller;
use super::manner::{own_media, speak};
use super::plan::blank_branch;
use super::redirect::on_redirect;
use super::ring::{contact_target, media_policy, ring_ms, tenant_media};
use super::sender::Sender;
use super::way::{Place as InTree, Way};
use super::{Attempt, Sent};
use crate::location::wire_transport;
use crate::standing::{Direction, Turn};
use crate::trace::Step;
use crate::uri::{escape_user, push_user};
use crate::world::World;
use std::borrow::Cow;
use std::net::SocketAddr;
use std::sync::Arc;
use strowger_billing::{Hop, PriceRef, Terms};
use strowger_link::{
    ANY_STATUS, AskId, Branch, BranchAuth, Cause, CauseSwap, Gauge, HOPS_MAX, PartyRef, STAGES_MAX,
    Target, Transport,
};
use strowger_model::{
    Binding, CauseMap, Digits, Egress, EgressTarget, FailoverMode, Profile, SentTo, Tenant, Trunk,
    TrunkId, UserPhone,
};

impl<'a> Attempt<'a> {
    /// Whether no more hops fit into the plan.
    pub(super) fn is_full(&self, sender: &Sender<'a>, way: &Way) -> bool {
        let end = usize::from(way.end());
        way.hops.len() >= hops_max(sender, self.is_emergency) || end >= STAGES_MAX
    }

    /// How many hops fit into the plan still.
    pub(super) fn room(&self, sender: &Sender<'a>, way: &Way) -> usize {
        hops_max(sender, self.is_emergency).saturating_sub(way.hops.len())
    }

    pub(super) fn add_hops(
        &mut self,
        sender: &Sender<'a>,
        hops: &Hops<'_>,
        (trunk, egress): (&'a Trunk, &'a Egress),
        terms: Option<Terms>,
        way: &mut Way,
    ) {
        let targets = self.targets(trunk, egress, &hops.number);
        if targets.is_empty() && egress.targets.contains(&EgressTarget::Registered) {
            self.note(Step::TrunkOffline { trunk: trunk.id.0 });
        }
        self.add_targets(sender, hops, ((trunk, egress), terms), targets, way);
    }

    /// Adds hops of a trunk to these places.
    pub(super) fn add_targets(
        &mut self,
        sender: &Sender<'a>,
        hops: &Hops<'_>,
        ((trunk, egress), terms): ((&'a Trunk, &'a Egress), Option<Terms>),
        targets: Vec<(Target, Exit)>,
        way: &mut Way,
    ) {
        let Some((account, own)) = self.world.account_with_settings(egress.account) else {
            return self.note(Step::HopClosed { trunk: trunk.id.0 });
        };
        let organization = account.organization;
        let Some(lines) = self.lines(trunk, egress, hops.reserved) else { return };
        let headers = self.headers_to(sender, trunk, egress);
        let all_hidden = self.hides_way();
        let teller = Teller::new(egress, sender.tenant, sender.settings, all_hidden);
        for (address, (target, listener)) in (0i64..).zip(targets) {
            if self.is_full(sender, way) {
                return self.note(Step::HopBeyond { trunk: trunk.id.0 });
            }
            let listener = match listener {
                Exit::By(listener) => listener,
                Exit::None => {
                    self.note(Step::HopUnreachable { trunk: trunk.id.0, address });
                    continue;
                }
                Exit::OffLimits => {
                    self.note(Step::HopOffLimits { trunk: trunk.id.0, address });
                    continue;
                }
            };
            self.note(Step::Hop { trunk: trunk.id.0, address });
            let hop = u8::try_from(way.hops.len()).ok();
            way.hops.push(Hop { trunk: trunk.id, account: egress.account, organization, terms });
            let mut branch =
                hop_branch((trunk, egress), target, listener, sender.tenant, hops.number);
            branch.gauges.iter_mut().for_each(|gauge| gauge.in_use_max = lines);
            branch.media = media_policy(sender, false);
            by_settings(&mut branch, egress, sender.settings);
            branch.redirect = on_redirect(own);
            speak(&mut branch.manner, own, Some(&egress.dialog));
            branch.media = own_media(branch.media, own, Some(&egress.dialog));
            branch.hop = PriceRef { hop, part: hops.place.part }.byte();
            let part = hops.place.part.and_then(|part| way.parts.get(usize::from(part)));
            self.shown_to(sender, (trunk, egress, address == 0), part).onto(&mut branch);
            let caller = sender.subscriber().map(|row| row.id);
            if let Some(login) = self.world.login(trunk.id, caller, self.ask.id) {
                login.onto(&mut branch);
            }
            if egress.pass_digest && hops.place.part.is_none() {
                self.pass_digest(&mut branch, trunk);
            }
            self.write_uris(egress, &mut branch);
            branch.headers = teller.fields(hops.place, &branch.target.uri);
            branch.headers.extend(headers.iter().cloned());
            if !self.rules_routed(sender, (trunk.id, &hops.number), &mut branch) {
                way.hops.pop();
                continue;
            }
            if way.end() == 0 {
                let (direction, probes) = (Direction::of(&hops.number), hops.probes);
                let turn = hops.turn.clone();
                self.sent = Some(Sent { trunk: trunk.id, direction, probes, turn });
            }
            way.push(vec![branch]);
        }
    }

    /// Request-URI and To as the trunk wants to see them (spec SIP-URI-02, C-NUM-11). A caller's
    /// digest is made over the Request-URI, which then stays as it is.
    fn write_uris(&self, egress: &Egress, branch: &mut Branch) {
        let passes = branch.auth == BranchAuth::Pass;
        let user = self.sent_user(egress.sent_request);
        if !user.is_empty() && !passes {
            branch.target.uri = with_user(&branch.target.uri, user);
        }
        let target = branch.target.uri.as_str();
        let user = self.sent_user(egress.sent_to);
        if !user.is_empty() {
            branch.to_uri = with_user(target.split(';').next().unwrap_or_default(), user);
        }
        match egress.user_phone {
            UserPhone::Never => return,
            // Without a URI of its own To is the Request-URI's.
            UserPhone::Request if branch.to_uri.is_empty() => target.clone_into(&mut branch.to_uri),
            UserPhone::Request => {}
            UserPhone::To => branch.to_uri = as_phone(&branch.to_uri),
        }
        if !passes {
            branch.target.uri = as_phone(&branch.target.uri);
        }
    }

    /// The user that a trunk is sent; empty for the routed number.
    fn sent_user(&self, which: SentTo) -> &str {
        match which {
            SentTo::Routed => "",
            SentTo::Received => self.call.called.as_str(),
            SentTo::ReceivedTo => self.call.to_user.as_str(),
        }
    }

    /// Where a trunk takes calls, with the listener to leave by: its addresses, those of its names
    /// and the contacts it registered, in the row's order.
    fn targets(&self, trunk: &Trunk, egress: &Egress, number: &Digits) -> Vec<(Target, Exit)> {
        let perimeter = self.world.perimeter();
        let mut targets = Vec::with_capacity(egress.targets.len());
        for target in &egress.targets {
            if matches!(target, EgressTarget::Registered) {
                let contacts = self.locations.contacts(trunk.id, self.now);
                let settings = self.world.account_settings(egress.account);
                let send_to = settings.nat.send_to;
                let registered = |binding: &Binding| {
                    let mut target = contact_target(binding, send_to);
                    target.uri = with_user(&target.uri, &egress.called.apply(number.as_str()));
                    let (asked, transport) = (binding.listener, target.transport);
                    let listener = self.world.listener(asked, transport, target.address);
                    // Like a phone it is where it is, in whatever network.
                    let exit = match perimeter.is_own(target.address) {
                        true => Exit::OffLimits,
                        false => listener.map_or(Exit::None, Exit::By),
                    };
                    (target, exit)
                };
                targets.extend(contacts.into_iter().map(registered));
                continue;
            }
            let chance = self.ask.id.0;
            let dialed = egress.called.apply(number.as_str());
            for (address, host) in self.world.target_addresses(egress, target, chance) {
                let asked = self.ask.hints.listener;
                let listener = listener_to(self.world, egress, asked, address);
                let exit = match perimeter.check(address, egress.allow_private) {
                    Ok(()) => listener.map_or(Exit::None, Exit::By),
                    Err(_) => Exit::OffLimits,
                };
                targets.push((address_target(egress, (address, &host), &dialed), exit));
            }
        }
        targets
    }
}

/// How a call leaves us towards a target.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Exit {
    /// By this listener.
    By(u8),
    /// No listener fits.
    None,
    /// Nothing is sent there.
    OffLimits,
}

/// Hops of one place in the tree of forwards, to one number.
pub(super) struct Hops<'p> {
    pub(super) place: &'p InTree,
    pub(super) number: Digits,
    /// Hops before this one are of other routes.
    pub(super) own_from: usize,
    /// The next one is there to see how good it is.
    pub(super) probes: bool,
    /// Those that the next one shares calls with.
    pub(super) turn: Option<Arc<Turn>>,
    /// The call may take lines that trunks keep reserved.
    pub(super) reserved: bool,
}

impl<'p> Hops<'p> {
    pub(super) fn new(place: &'p InTree, number: Digits, way: &Way, reserved: bool) -> Hops<'p> {
        Hops { place, number, own_from: way.hops.len(), probes: false, turn: None, reserved }
    }
}

/// A branch to one target of a trunk, with no caller yet.
fn hop_branch(
    (trunk, egress): (&Trunk, &Egress),
    target: Target,
    listener: u8,
    tenant: &Tenant,
    number: Digits,
) -> Branch {
    let mut branch = blank_branch(target, listener, tenant_media(tenant, false));
    branch.dialed = egress.called.apply(number.as_str());
    branch.ring_ms = ring_ms(tenant, egress.ring_timeout_s);
    branch.first_ms = egress.first_timeout_s.saturating_mul(1000);
    branch.gauges = gauges(trunk, egress);
    branch.continue_on.clone_from(&egress.continue_on);
    branch.stop_on.clone_from(&egress.stop_on);
    branch.manner.explain = egress.reason;
    branch.manner.causes = egress.causes.iter().map(swap).collect();
    branch.party = PartyRef::Trunk(trunk.id.0);
    branch
}

/// What is set for trunks that say nothing of it themselves.
fn by_settings(branch: &mut Branch, egress: &Egress, settings: &Profile) {
    let failover = &settings.failover;
    if egress.first_timeout_s == 0 {
        branch.first_ms = failover.first_ms;
    }
    if egress.continue_on.is_empty() {
        match failover.continue_on.is_empty() {
            true => branch.continue_on = named_by(failover.mode),
            false => branch.continue_on.clone_from(&failover.continue_on),
        }
    }
    if egress.stop_on.is_empty() {
        branch.stop_on.clone_from(&failover.stop_on);
    }
}

/// The statuses of a mode; none is the dataplane's own set. Silence goes on whatever is named.
fn named_by(mode: FailoverMode) -> Vec<u16> {
    match mode {
        FailoverMode::Usual => Vec::new(),
        FailoverMode::Silence => vec![504],
        FailoverMode::Fault => FAULTS.to_vec(),
        FailoverMode::All => vec![ANY_STATUS],
    }
}

/// The statuses of 5xx that are registered for SIP.
const FAULTS: [u16; 9] = [500, 501, 502, 503, 504, 505, 513, 555, 580];

/// Most addresses of carriers to try; for help, as many as there is room for.
fn hops_max(sender: &Sender<'_>, is_emergency: bool) -> usize {
    let set = usize::from(sender.settings.call.hops_max);
    if is_emergency { HOPS_MAX } else { set.min(HOPS_MAX) }
}

/// A row's map in the words of the contract.
pub(super) fn swap(map: &CauseMap) -> CauseSwap {
    let usual = Cause::from_sip(map.to_status);
    let q850 = if map.to_q850 == 0 { usual.q850 } else { map.to_q850 };
    CauseSwap { status: map.status, instead: Cause::new(map.to_status, q850) }
}

/// A target at an address, with the host as the Request-URI names it.
fn address_target(egress: &Egress, (address, host): (SocketAddr, &str), dialed: &str) -> Target {
    let transport = wire_transport(egress.transport);
    let parameter = parameter(transport);
    let mut uri = String::with_capacity(5 + dialed.len() + host.len() + parameter.len());
    uri.push_str("sip:");
    push_user(&mut uri, dialed);
    uri.push('@');
    uri.push_str(host);
    uri.push_str(parameter);
    Target { uri, address, transport, flow: 0, routes: Vec::new() }
}

/// A contact's URI with the number in place of its user: a customer's switch wants to know which of
/// its numbers was called.
pub(super) fn with_user(uri: &str, number: &str) -> String {
    let user = escape_user(number);
    let Some((scheme, rest)) = uri.split_once(':') else { return uri.to_owned() };
    let host = rest.split_once('@').map_or(rest, |(_, host)| host);
    format!("{scheme}:{user}@{host}")
}

/// A URI that says that its user is a number, if it is (RFC 3261 19.1.1).
fn as_phone(uri: &str) -> String {
    let user = uri.split_once('@').and_then(|(head, _)| head.split_once(':')).map(|(_, user)| user);
    let is_digit = |b: u8| b.is_ascii_digit() || b"*#".contains(&b);
    let is_number = user.is_some_and(|user| {
        let plain: Cow<'_, str> = match user.contains('%') {
            true => user.replace("%23", "#").into(),
            false => user.into(),
        };
        let digits = plain.strip_prefix('+').unwrap_or(&plain);
        !digits.is_empty() && digits.bytes().all(is_digit)
    });
    match is_number && !uri.contains(";user=") {
        true => [uri, ";user=phone"].concat(),
        false => uri.to_owned(),
    }
}

/// The listener by which a trunk is called: its row's and no other, or else the one asked on, or
/// another that fits.
fn listener_to(world: &World, egress: &Egress, asked: u8, address: SocketAddr) -> Option<u8> {
    let transport = wire_transport(egress.transport);
    let found = world.listener(egress.listener.unwrap_or(asked), transport, address);
    found.filter(|found| egress.listener.is_none_or(|wanted| wanted == *found))
}

/// The trunks of an emergency number: in order, those that are switched off last.
pub(super) fn emergency_trunks<'a>(
    world: &'a World,
    trunks: &[TrunkId],
) -> Vec<(&'a Trunk, &'a Egress)> {
    let known = trunks.iter().filter_map(|id| world.trunk(*id));
    let mut list: Vec<(&Trunk, &Egress)> =
        known.filter_map(|trunk| Some((trunk, trunk.egress.as_ref()?))).collect();
    list.sort_by_key(|(trunk, _)| !trunk.enabled);
    list
}

/// The branches of an emergency number for the edge, in order, at most [`HOPS_MAX`]: no gauge, and
/// no caller, who is shown as received.
pub(crate) fn emergency_branches(
    world: &World,
    tenant: &Tenant,
    number: Digits,
    trunks: &[TrunkId],
) -> Vec<Branch> {
    let hops = emergency_trunks(world, trunks).into_iter().flat_map(|(trunk, egress)| {
        world.egress_addresses(egress).into_iter().filter_map(move |target| {
            world.perimeter().check(target.0, egress.allow_private).ok()?;
            let listener = listener_to(world, egress, 0, target.0)?;
            Some(((trunk, egress), target, listener))
        })
    });
    hops.take(HOPS_MAX)
        .map(|(hop, (address, host), listener)| {
            let dialed = hop.1.called.apply(number.as_str());
            let target = address_target(hop.1, (address, &host), &dialed);
            let mut branch = hop_branch(hop, target, listener, tenant, number);
            branch.gauges.clear();
            let own = world.account_settings(hop.1.account);
            speak(&mut branch.manner, own, Some(&hop.1.dialog));
            if let Some(login) = world.login(hop.0.id, None, AskId(0)) {
                login.onto(&mut branch);
            }
            branch
        })
        .collect()
}

fn gauges(trunk: &Trunk, egress: &Egress) -> Vec<Gauge> {
    // Ids beyond u32 are refused when the world is built.
    let id = u32::try_from(trunk.id.0).unwrap_or(u32::MAX);
    vec![Gauge { id, in_use_max: egress.calls_max, per_second_max: egress.cps_max }]
}

pub(crate) const fn parameter(transport: Transport) -> &'static str {
    match transport {
        Transport::Udp => "",
        Transport::Tcp => ";transport=tcp",
        Transport::Tls => ";transport=tls",
        Transport::Ws | Transport::Wss => ";transport=ws",
    }
}
