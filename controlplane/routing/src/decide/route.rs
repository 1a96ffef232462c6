//! A number of the outside: routes to trunks to hops (spec ROUTE-PAT-01, ROUTE-PRIO-01).

use super::called::Called;
use super::plan::{Way, blank_branch};
use super::ring::{media_policy, ring_ms};
use super::sender::{Sender, Who};
use super::{Attempt, Stop};
use crate::location::wire_transport;
use crate::refusal::Refusal;
use crate::trace::Step;
use crate::uri::escape_user;
use crate::world::World;
use std::net::SocketAddr;
use strowger_billing::{Hop, Terms};
use strowger_link::siphash::{Key, siphash24};
use strowger_link::{Branch, Gauge, HOPS_MAX, PartyRef, Stage, Target, Transport};
use strowger_model::{
    Digits, Egress, EgressTarget, Exchange, Route, RouteTarget, Tenant, Trunk, TrunkId,
};

/// Distance of route target priorities that belong to one tier (spec ROUTE-PRIO-01).
const TIER: i32 = 100;

impl<'a> Attempt<'a> {
    /// Steps 24 and 25: the best route, its targets in order, each address one hop.
    pub(super) fn route(&mut self, sender: &Sender<'a>, called: &Called<'a>) -> Result<Way, Stop> {
        let (Ok(number), Some(chain)) = (called.number, &called.chain) else {
            return Err(self.refuse_not_a_number(called));
        };
        let routes = self.world.routes(sender.tenant.id, chain);
        if routes.is_empty() {
            return Err(self.refuse_for(Refusal::UnknownNumber, Step::NoRoute {}));
        }
        let mut way = Way::outside();
        for route in routes {
            let prefix_digits = i64::try_from(route.prefix.len()).unwrap_or_default();
            self.note(Step::Route { route: route.id.0, prefix_digits });
            for trunk in self.order(route) {
                self.add_trunk(sender, number, called, trunk, &mut way);
            }
            if !route.overflow {
                break;
            }
        }
        if way.stages.is_empty() {
            return Err(self.refuse_for(Refusal::NoRoute, Step::NoTarget {}));
        }
        Ok(way)
    }

    /// The way of an emergency number: its trunks in order, whatever they charge.
    pub(super) fn route_emergency(
        &mut self,
        sender: &Sender<'a>,
        called: &Called<'a>,
        trunks: &[TrunkId],
    ) -> Result<Way, Stop> {
        let number = Digits::parse(called.text).or(called.number);
        let Ok(number) = number else { return Err(self.refuse_not_a_number(called)) };
        let mut way = Way::outside();
        for hop in emergency_trunks(self.world, trunks) {
            self.add_hops(sender, number, hop, None, &mut way);
        }
        // No gauge stands before an emergency call.
        for branch in way.stages.iter_mut().flat_map(|stage| &mut stage.branches) {
            branch.gauges.clear();
        }
        if way.stages.is_empty() {
            return Err(self.refuse_for(Refusal::NoRoute, Step::NoTarget {}));
        }
        Ok(way)
    }

    fn refuse_not_a_number(&mut self, called: &Called<'a>) -> Stop {
        let refusal = match called.number {
            // A name of nobody.
            Err(strowger_model::BadNumber::Character) | Ok(_) => Refusal::UnknownNumber,
            Err(bad) => Refusal::BadNumber(bad),
        };
        self.refuse_for(refusal, Step::NotANumber {})
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
        number: Digits,
        called: &Called<'a>,
        id: TrunkId,
        way: &mut Way,
    ) {
        let trunk = self.world.trunk(id).filter(|trunk| trunk.enabled);
        let Some((trunk, egress)) = trunk.and_then(|t| Some((t, t.egress.as_ref()?))) else {
            return self.note(Step::HopClosed { trunk: id.0 });
        };
        if let Who::Trunk(from, _) = sender.who
            && from.id == id
        {
            return self.note(Step::HopSender { trunk: id.0 });
        }
        if way.hops.iter().any(|hop| hop.trunk == id) {
            // It stands in a better route already.
            return;
        }
        match self.supplier_terms(trunk, egress, called) {
            Ok(terms) => self.add_hops(sender, number, (trunk, egress), terms, way),
            Err(step) => self.note(step),
        }
    }

    fn add_hops(
        &mut self,
        sender: &Sender<'a>,
        number: Digits,
        (trunk, egress): (&'a Trunk, &'a Egress),
        terms: Option<Terms>,
        way: &mut Way,
    ) {
        let account = self.world.account(egress.account);
        let Some(organization) = account.map(|account| account.organization) else {
            return self.note(Step::HopClosed { trunk: trunk.id.0 });
        };
        for (address, target) in (0i64..).zip(addresses(egress)) {
            if way.hops.len() >= HOPS_MAX {
                return self.note(Step::HopBeyond { trunk: trunk.id.0 });
            }
            let asked = self.ask.hints.listener;
            let Some(hop_address) = HopAddress::find(self.world, asked, (trunk, egress), target)
            else {
                self.note(Step::HopUnreachable { trunk: trunk.id.0, address });
                continue;
            };
            self.note(Step::Hop { trunk: trunk.id.0, address });
            let hop = u8::try_from(way.hops.len()).unwrap_or_default();
            way.hops.push(Hop { trunk: trunk.id, account: egress.account, organization, terms });
            let mut branch = hop_branch(&hop_address, sender.tenant, number);
            branch.hop = hop;
            self.shown_outside(sender, egress).onto(&mut branch);
            way.stages.push(Stage { branches: vec![branch] });
        }
    }

    /// What the supplier charges for this number: `Ok(None)` when it charges nothing at all.
    fn supplier_terms(
        &mut self,
        trunk: &Trunk,
        egress: &Egress,
        called: &Called<'a>,
    ) -> Result<Option<Terms>, Step> {
        let Some(id) = egress.tariff else { return Ok(None) };
        let none = Step::NoSupplierPrice { trunk: trunk.id.0 };
        let deck = self.world.tariff(id).ok_or(none)?;
        let chain = called.chain.as_ref().ok_or(none)?;
        let rate = deck.find(chain, self.wall_us, self.world.dictionary()).ok_or(none)?;
        let exchange = Exchange::same(deck.tariff().currency);
        let terms = Terms::of(deck.tariff(), &rate, 0, exchange).map_err(|_| none)?;
        self.note(Step::SupplierPrice { trunk: trunk.id.0, rate: rate.id.0 });
        Ok(Some(terms))
    }
}

/// A branch to one address of a trunk, with no caller yet.
fn hop_branch(hop: &HopAddress<'_>, tenant: &Tenant, number: Digits) -> Branch {
    let HopAddress { trunk, egress, address, listener } = *hop;
    let dialed = egress.called.apply(number.as_str());
    let transport = wire_transport(egress.transport);
    let uri = format!("sip:{}@{address}{}", escape_user(&dialed), parameter(transport));
    let target = Target { uri, address, transport, flow: 0, routes: Vec::new() };
    let mut branch = blank_branch(target, listener, media_policy(tenant, false));
    branch.dialed = dialed;
    branch.ring_ms = ring_ms(tenant, egress.ring_timeout_s);
    branch.first_ms = egress.first_timeout_s.saturating_mul(1000);
    branch.gauges = gauges(trunk, egress);
    branch.party = PartyRef::Trunk(trunk.id.0);
    branch
}

/// The addresses of a trunk that are known as they are.
pub(crate) fn addresses(egress: &Egress) -> impl Iterator<Item = SocketAddr> {
    egress.targets.iter().filter_map(|target| match target {
        EgressTarget::Address(address) => Some(*address),
        EgressTarget::Host(_) | EgressTarget::Registered => None,
    })
}

/// One address of a trunk and the listener to leave by.
struct HopAddress<'a> {
    trunk: &'a Trunk,
    egress: &'a Egress,
    address: SocketAddr,
    listener: u8,
}

impl<'a> HopAddress<'a> {
    /// The way to `address`, by the listener asked on if it fits; `None` when no listener does.
    fn find(
        world: &World,
        asked: u8,
        (trunk, egress): (&'a Trunk, &'a Egress),
        address: SocketAddr,
    ) -> Option<HopAddress<'a>> {
        let address = SocketAddr::new(address.ip().to_canonical(), address.port());
        let listener = world.listener(asked, wire_transport(egress.transport), address)?;
        Some(HopAddress { trunk, egress, address, listener })
    }
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
        let hop = move |address: SocketAddr| HopAddress::find(world, 0, (trunk, egress), address);
        addresses(egress).filter_map(hop)
    });
    hops.take(HOPS_MAX)
        .map(|hop| {
            let mut branch = hop_branch(&hop, tenant, number);
            branch.gauges.clear();
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
