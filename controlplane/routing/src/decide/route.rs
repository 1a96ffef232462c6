//! A number of the outside: routes to trunks to hops (spec ROUTE-PAT-01, ROUTE-PRIO-01).

use super::called::Called;
use super::plan::blank_branch;
use super::ring::{contact_target, media_policy, ring_ms, tenant_media};
use super::sender::{Sender, Who};
use super::way::{Diversion, Place, Way};
use super::{Attempt, Stop};
use crate::location::wire_transport;
use crate::refusal::Refusal;
use crate::trace::Step;
use crate::uri::escape_user;
use crate::world::World;
use std::net::SocketAddr;
use strowger_billing::{Hop, PriceRef, Terms};
use strowger_link::siphash::{Key, siphash24};
use strowger_link::{
    ANY_STATUS, AskId, Branch, Cause, CauseSwap, Gauge, HOPS_MAX, HeaderField, Next, Octets,
    PartyRef, STAGES_MAX, Target, Transport,
};
use strowger_model::{
    Binding, CauseMap, Digits, Egress, EgressTarget, Exchange, Profile, Route, RouteTarget, Tenant,
    Trunk, TrunkId,
};

/// Distance of route target priorities that belong to one tier (spec ROUTE-PRIO-01).
const TIER: i32 = 100;

impl<'a> Attempt<'a> {
    /// Steps 24 and 25: the best route, its targets in order, each address one hop. The index of
    /// the first stage.
    pub(super) fn route(
        &mut self,
        sender: &Sender<'a>,
        called: &Called,
        place: &Place,
        way: &mut Way,
    ) -> Result<u8, Refusal> {
        let (Ok(number), Some(chain)) = (called.number, &called.chain) else {
            return Err(self.not_a_number(called));
        };
        let routes = self.world.routes(sender.tenant.id, chain);
        if routes.is_empty() {
            self.note(Step::NoRoute {});
            return Err(Refusal::UnknownNumber);
        }
        let first = way.end();
        let mut hops = Hops { place, number, own_from: way.hops.len() };
        for route in routes {
            let prefix_digits = i64::try_from(route.prefix.len()).unwrap_or_default();
            self.note(Step::Route { route: route.id.0, prefix_digits });
            for trunk in self.order(route) {
                self.add_trunk(sender, &mut hops, called, trunk, way);
            }
            if !route.overflow {
                break;
            }
        }
        self.chain_hops(first, way)
    }

    /// A DID leads to a customer's switch: its number as the customer wants to see it.
    pub(super) fn ring_trunk(
        &mut self,
        sender: &Sender<'a>,
        called: &Called,
        trunk: &'a Trunk,
        place: &Place,
        way: &mut Way,
    ) -> Result<u8, Refusal> {
        let egress = trunk.egress.as_ref().filter(|_| trunk.enabled);
        let (Some(egress), Ok(number)) = (egress, called.number) else {
            self.note(Step::HopClosed { trunk: trunk.id.0 });
            return Err(Refusal::Offline);
        };
        let first = way.end();
        let hops = Hops { place, number, own_from: way.hops.len() };
        let terms = self.supplier_terms(trunk, egress, called).unwrap_or_else(|step| {
            self.note(step);
            None
        });
        self.add_hops(sender, &hops, (trunk, egress), terms, way);
        self.chain_hops(first, way).map_err(|_| Refusal::Offline)
    }

    /// The way of an emergency number: its trunks in order, whatever they charge.
    pub(super) fn route_emergency(
        &mut self,
        sender: &Sender<'a>,
        called: &Called,
        trunks: &[TrunkId],
    ) -> Result<Way, Stop> {
        let number = Digits::parse(&called.text).or(called.number);
        let Ok(number) = number else { return Err(self.not_a_number(called).into()) };
        let mut way = Way::outside();
        let place = Place::caller(Vec::new());
        let hops = Hops { place: &place, number, own_from: 0 };
        for hop in emergency_trunks(self.world, trunks) {
            self.add_hops(sender, &hops, hop, None, &mut way);
        }
        // No gauge stands before an emergency call, and whatever one says, the next is tried.
        for branch in way.stages.iter_mut().flat_map(|stage| &mut stage.branches) {
            branch.gauges.clear();
            branch.continue_on = vec![ANY_STATUS];
            branch.stop_on = Vec::new();
        }
        self.chain_hops(0, &mut way)?;
        Ok(way)
    }

    /// Hops from `first` on follow each other; without one there is no way.
    fn chain_hops(&mut self, first: u8, way: &mut Way) -> Result<u8, Refusal> {
        let end = way.end();
        if first == end {
            self.note(Step::NoTarget {});
            return Err(Refusal::NoRoute);
        }
        for hop in first..end.saturating_sub(1) {
            way.lead(hop, Next::failed(hop.saturating_add(1)));
        }
        Ok(first)
    }

    fn not_a_number(&mut self, called: &Called) -> Refusal {
        self.note(Step::NotANumber {});
        match called.number {
            // A name of nobody.
            Err(strowger_model::BadNumber::Character) | Ok(_) => Refusal::UnknownNumber,
            Err(bad) => Refusal::BadNumber(bad),
        }
    }

    /// The targets of a route in the order to try: tier, priority, the trunk's own preference, then
    /// by weight. The draw is keyed by the ask, so asking again gives the same order.
    fn order(&self, route: &Route) -> Vec<TrunkId> {
        let key = |target: &RouteTarget| {
            let trunk = self.world.trunk(target.trunk);
            let q = trunk.and_then(|t| t.egress.as_ref()).map_or(0, |egress| egress.q);
            let tier = target.priority.div_euclid(TIER);
            core::cmp::Reverse((tier, target.priority, q, target.weight > 0))
        };
        let mut sorted: Vec<RouteTarget> = route.targets.clone();
        sorted.sort_by_key(key);
        let seed = self.ask.id.0 ^ route.id.0.cast_unsigned().rotate_left(32);
        sorted
            .chunk_by(|a, b| key(a) == key(b))
            .flat_map(|equals| shuffle_by_weight(equals, seed))
            .collect()
    }

    /// Checks a target (spec 19.2) and adds its hops with the supplier's price.
    fn add_trunk(
        &mut self,
        sender: &Sender<'a>,
        hops: &mut Hops<'_>,
        called: &Called,
        id: TrunkId,
        way: &mut Way,
    ) {
        let trunk = self.world.trunk(id).filter(|trunk| trunk.enabled);
        let Some((trunk, egress)) = trunk.and_then(|t| Some((t, t.egress.as_ref()?))) else {
            return self.note(Step::HopClosed { trunk: id.0 });
        };
        // A forward may well go out where its call came in.
        if let Who::Trunk(from, _) = sender.who
            && from.id == id
            && hops.place.part.is_none()
            && !sender.settings.call.send_back
        {
            return self.note(Step::HopSender { trunk: id.0 });
        }
        let own = way.hops.get(hops.own_from..).unwrap_or_default();
        if own.iter().any(|hop| hop.trunk == id) {
            // It stands in a better route already.
            return;
        }
        if egress.barring.bars(&hops.number) {
            return self.note(Step::HopBarred { trunk: id.0 });
        }
        if egress.tariff.is_none() && !sender.settings.price.unpriced_trunks {
            return self.note(Step::NoSupplierPrice { trunk: trunk.id.0 });
        }
        match self.supplier_terms(trunk, egress, called) {
            Ok(terms) => self.add_hops(sender, hops, (trunk, egress), terms, way),
            Err(step) => self.note(step),
        }
    }

    fn add_hops(
        &mut self,
        sender: &Sender<'a>,
        hops: &Hops<'_>,
        (trunk, egress): (&'a Trunk, &'a Egress),
        terms: Option<Terms>,
        way: &mut Way,
    ) {
        let account = self.world.account(egress.account);
        let Some(organization) = account.map(|account| account.organization) else {
            return self.note(Step::HopClosed { trunk: trunk.id.0 });
        };
        let targets = self.targets(trunk, egress, &hops.number);
        if targets.is_empty() && egress.targets.contains(&EgressTarget::Registered) {
            self.note(Step::TrunkOffline { trunk: trunk.id.0 });
        }
        for (address, (target, listener)) in (0i64..).zip(targets) {
            let end = usize::from(way.end());
            if way.hops.len() >= hops_max(sender, self.is_emergency) || end >= STAGES_MAX {
                return self.note(Step::HopBeyond { trunk: trunk.id.0 });
            }
            let Some(listener) = listener else {
                self.note(Step::HopUnreachable { trunk: trunk.id.0, address });
                continue;
            };
            self.note(Step::Hop { trunk: trunk.id.0, address });
            let hop = u8::try_from(way.hops.len()).ok();
            way.hops.push(Hop { trunk: trunk.id, account: egress.account, organization, terms });
            let mut branch =
                hop_branch((trunk, egress), target, listener, sender.tenant, hops.number);
            branch.media = media_policy(sender, false);
            by_settings(&mut branch, egress, sender.settings);
            branch.hop = PriceRef { hop, part: hops.place.part }.byte();
            self.shown_outside(sender, egress).onto(&mut branch);
            if let Some(login) = self.world.login(trunk.id, self.ask.id) {
                login.onto(&mut branch);
            }
            if sender.settings.identity.diversion {
                branch.headers.extend(diversions(hops.place, sender.tenant, egress));
            }
            way.push(vec![branch]);
        }
    }

    /// Where a trunk takes calls, with the listener to leave by, if one fits: its addresses, those
    /// of its names and the contacts it registered, in the row's order.
    fn targets(
        &self,
        trunk: &Trunk,
        egress: &Egress,
        number: &Digits,
    ) -> Vec<(Target, Option<u8>)> {
        let mut targets = Vec::new();
        for target in &egress.targets {
            if matches!(target, EgressTarget::Registered) {
                let contacts = self.locations.contacts(trunk.id, self.now);
                let registered = |binding: &Binding| {
                    let mut target = contact_target(binding);
                    target.uri = with_user(&target.uri, &egress.called.apply(number.as_str()));
                    let (asked, transport) = (binding.listener, target.transport);
                    let listener = self.world.listener(asked, transport, target.address);
                    (target, listener)
                };
                targets.extend(contacts.into_iter().map(registered));
                continue;
            }
            for (address, host) in self.world.target_addresses(target) {
                let asked = self.ask.hints.listener;
                let listener = listener_to(self.world, egress, asked, address);
                targets.push((address_target(egress, (address, &host), number), listener));
            }
        }
        targets
    }

    /// What the supplier charges for this number: `Ok(None)` when it charges nothing at all.
    fn supplier_terms(
        &mut self,
        trunk: &Trunk,
        egress: &Egress,
        called: &Called,
    ) -> Result<Option<Terms>, Step> {
        let Some(id) = egress.tariff else { return Ok(None) };
        let none = Step::NoSupplierPrice { trunk: trunk.id.0 };
        let deck = self.world.tariff(id).ok_or(none)?;
        let chain = called.chain.as_ref().ok_or(none)?;
        let Some(rate) = deck.find(chain, self.wall_us, self.world.dictionary()) else {
            let price = self.world.account_settings(egress.account).price.supplier_default;
            let terms = Terms::flat(price.ok_or(none)?, deck.tariff().currency);
            return terms.map(Some).map_err(|_| none);
        };
        let exchange = Exchange::same(deck.tariff().currency);
        let terms = Terms::of(deck.tariff(), &rate, 0, exchange).map_err(|_| none)?;
        self.note(Step::SupplierPrice { trunk: trunk.id.0, rate: rate.id.0 });
        Ok(Some(terms))
    }
}

/// Hops of one place in the tree of forwards, to one number.
struct Hops<'p> {
    place: &'p Place,
    number: Digits,
    /// Hops before this one are of other routes.
    own_from: usize,
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
        branch.continue_on.clone_from(&failover.continue_on);
    }
    if egress.stop_on.is_empty() {
        branch.stop_on.clone_from(&failover.stop_on);
    }
}

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
fn address_target(egress: &Egress, (address, host): (SocketAddr, &str), number: &Digits) -> Target {
    let dialed = egress.called.apply(number.as_str());
    let transport = wire_transport(egress.transport);
    let uri = format!("sip:{}@{host}{}", escape_user(&dialed), parameter(transport));
    Target { uri, address, transport, flow: 0, routes: Vec::new() }
}

/// A contact's URI with the number in place of its user: a customer's switch wants to know which of
/// its numbers was called.
fn with_user(uri: &str, number: &str) -> String {
    let user = escape_user(number);
    let Some((scheme, rest)) = uri.split_once(':') else { return uri.to_owned() };
    let host = rest.split_once('@').map_or(rest, |(_, host)| host);
    format!("{scheme}:{user}@{host}")
}

/// The listener by which a trunk is called: its row's, the one asked on, or another that fits.
fn listener_to(world: &World, egress: &Egress, asked: u8, address: SocketAddr) -> Option<u8> {
    let asked = egress.listener.unwrap_or(asked);
    world.listener(asked, wire_transport(egress.transport), address)
}

/// Who diverted the call, for a carrier (RFC 5806): the last first.
fn diversions(place: &Place, tenant: &Tenant, egress: &Egress) -> Vec<HeaderField> {
    let host = egress.from_host.as_deref().unwrap_or(&tenant.realm);
    let field = |diversion: &Diversion| {
        let user = escape_user(&egress.caller.apply(&diversion.user));
        let privacy = if diversion.hidden { ";privacy=full" } else { "" };
        let reason = diversion.reason;
        let value = format!("<sip:{user}@{host}>;reason={reason};counter=1{privacy}");
        HeaderField { name: "Diversion".to_owned(), value: Octets(value.into_bytes()) }
    };
    // Untrusted peers are not told of who hides.
    let shown = place.diversions.iter().filter(|d| egress.trusted || !d.hidden);
    shown.map(field).collect()
}

/// The trunks of an emergency number: in order, those that are switched off last.
fn emergency_trunks<'a>(world: &'a World, trunks: &[TrunkId]) -> Vec<(&'a Trunk, &'a Egress)> {
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
            let listener = listener_to(world, egress, 0, target.0)?;
            Some(((trunk, egress), target, listener))
        })
    });
    hops.take(HOPS_MAX)
        .map(|(hop, (address, host), listener)| {
            let target = address_target(hop.1, (address, &host), &number);
            let mut branch = hop_branch(hop, target, listener, tenant, number);
            branch.gauges.clear();
            if let Some(login) = world.login(hop.0.id, AskId(0)) {
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

const fn parameter(transport: Transport) -> &'static str {
    match transport {
        Transport::Udp => "",
        Transport::Tcp => ";transport=tcp",
        Transport::Tls => ";transport=tls",
        Transport::Ws | Transport::Wss => ";transport=ws",
    }
}

/// Draws without putting back, each with a chance by its weight; weights of 0 keep their order.
fn shuffle_by_weight(equals: &[RouteTarget], seed: u64) -> Vec<TrunkId> {
    let mut left = equals.to_vec();
    let mut drawn = Vec::with_capacity(left.len());
    while !left.is_empty() {
        let total: u64 = left.iter().map(|t| u64::from(t.weight)).sum();
        let round = (drawn.len() as u64).to_le_bytes();
        let dice = siphash24(&Key(*b"weights of route"), &[seed.to_le_bytes(), round].concat());
        let mut rest = if total == 0 { 0 } else { dice % total };
        let at = left.iter().position(|target| {
            let weight = u64::from(target.weight);
            let hit = total == 0 || rest < weight;
            rest = rest.saturating_sub(weight);
            hit
        });
        drawn.push(left.remove(at.unwrap_or(0)).trunk);
    }
    drawn
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn weights_are_shares() {
        let target = |trunk, weight| RouteTarget { trunk: TrunkId(trunk), priority: 0, weight };
        let equals = [target(1, 70), target(2, 30), target(3, 0)];
        let first = |seed| shuffle_by_weight(&equals, seed).first().map_or(0, |t| t.0);
        let ones = (0..10_000).filter(|seed| first(*seed) == 1).count();
        let twos = (0..10_000).filter(|seed| first(*seed) == 2).count();
        assert!((6800..7200).contains(&ones), "{ones}");
        assert_eq!(ones + twos, 10_000, "weight 0 is never first");
        for seed in 0..100 {
            let mut all = shuffle_by_weight(&equals, seed);
            assert_eq!(all.last(), Some(&TrunkId(3)));
            all.sort();
            assert_eq!(all, [TrunkId(1), TrunkId(2), TrunkId(3)]);
        }
        let none = [target(5, 0), target(4, 0)];
        assert_eq!(shuffle_by_weight(&none, 9), [TrunkId(5), TrunkId(4)]);
    }
}
