//! A number of the outside: routes to trunks to hops (spec ROUTE-PAT-01, ROUTE-PRIO-01).

use super::called::Called;
use super::candidate::Candidate;
use super::hop::{Exit, Hops, emergency_trunks};
use super::sender::Sender;
use super::way::{Place as InTree, Way};
use super::{Attempt, Stop};
use crate::fact::Reached;
use crate::refusal::Refusal;
use crate::trace::Step;
use std::net::SocketAddr;
use strowger_link::{ANY_STATUS, Next, OnRedirect, Target, Transport};
use strowger_model::{Digits, OrganizationId, Route, RouteTarget, Trunk, TrunkId};

impl<'a> Attempt<'a> {
    /// Steps 24 and 25: the best route, its targets in order, each address one hop. The index of
    /// the first stage.
    pub(super) fn route(
        &mut self,
        sender: &Sender<'a>,
        called: &Called,
        place: &InTree,
        way: &mut Way,
    ) -> Result<u8, Refusal> {
        let (Ok(number), Some(chain)) = (called.number, &called.chain) else {
            return Err(self.not_a_number(called));
        };
        let mut routes = self.world.routes(sender.tenant.id, chain);
        routes.retain(|route| {
            self.is_for(route, sender) && self.is_open(route, sender.tenant, &number)
        });
        if routes.is_empty() {
            self.note(Step::NoRoute {});
            return Err(Refusal::UnknownNumber);
        }
        let first = way.end();
        let mut hops = Hops::new(place, number, way, sender.settings.route.reserved);
        for route in routes {
            let prefix_digits = i64::try_from(route.prefix.len()).unwrap_or_default();
            self.note(Step::Route { route: route.id.0, prefix_digits });
            hops.reserved = route.reserved || sender.settings.route.reserved;
            way.reserve(self.room(sender, way).min(route.targets.len()));
            for (candidate, turn) in self.candidates(sender, &hops, called, route, way) {
                let Candidate { trunk, egress, probes, .. } = candidate;
                if self.is_full(sender, way) {
                    self.note(Step::HopBeyond { trunk: trunk.id.0 });
                    break;
                }
                let terms = self.terms_of(&candidate, called);
                let terms = terms.unwrap_or_else(|step| {
                    self.note(step);
                    None
                });
                (hops.probes, hops.turn) = (probes, turn);
                self.add_hops(sender, &hops, (trunk, egress), terms, way);
            }
            if !route.overflow {
                break;
            }
        }
        self.chain_hops(first, way)
    }

    /// A trunk and no other, with a number that it named itself.
    pub(super) fn route_by(
        &mut self,
        sender: &Sender<'a>,
        called: &Called,
        trunk: TrunkId,
        place: &InTree,
        way: &mut Way,
    ) -> Result<u8, Refusal> {
        let Ok(number) = called.number else { return Err(self.not_a_number(called)) };
        let first = way.end();
        let hops = Hops::new(place, number, way, sender.settings.route.reserved);
        let target = RouteTarget { trunk, priority: 0, weight: 0 };
        match self.candidate(sender, &hops, target, way).map(Option::into_iter) {
            Ok(found) => found.for_each(|found| self.add_only(sender, &hops, called, found, way)),
            Err(step) => self.note(step),
        }
        self.chain_hops(first, way)
    }

    /// Adds the hops of a trunk that has no other beside it, if it has a price.
    fn add_only(
        &mut self,
        sender: &Sender<'a>,
        hops: &Hops<'_>,
        called: &Called,
        only: Candidate<'a>,
        way: &mut Way,
    ) {
        let Candidate { trunk, egress, .. } = only;
        match self.supplier_terms(trunk, egress, called) {
            Ok(terms) => self.add_hops(sender, hops, (trunk, egress), terms, way),
            Err(step) => self.note(step),
        }
    }

    /// What ENUM has for the number, before the routes (spec ENUM-01): by a trunk of the tenant, to
    /// where the URI leads.
    pub(super) fn route_reached(
        &mut self,
        sender: &Sender<'a>,
        called: &Called,
        trunk: TrunkId,
        reached: &Reached,
        (place, way): (&InTree, &mut Way),
    ) {
        // A user of another domain may have no number at all.
        let number = called.number.unwrap_or(Digits::EMPTY);
        let hops = Hops::new(place, number, way, sender.settings.route.reserved);
        let only = RouteTarget { trunk, priority: 0, weight: 0 };
        let (trunk, egress) = match self.candidate(sender, &hops, only, way) {
            Ok(Some(Candidate { trunk, egress, .. })) => (trunk, egress),
            Ok(None) => return,
            Err(step) => return self.note(step),
        };
        let terms = match self.supplier_terms(trunk, egress, called) {
            Ok(terms) => terms,
            Err(step) => return self.note(step),
        };
        let (world, asked) = (self.world, self.ask.hints.listener);
        let target = |(transport, address): &(Transport, SocketAddr)| {
            let (transport, address) = (*transport, *address);
            let exit = match world.perimeter().check(address, egress.allow_private) {
                Ok(()) => {
                    let wanted = egress.listener.unwrap_or(asked);
                    world.listener(wanted, transport, address).map_or(Exit::None, Exit::By)
                }
                Err(_) => Exit::OffLimits,
            };
            let uri = reached.uri.clone();
            (Target { uri, address, transport, flow: 0, routes: Vec::new() }, exit)
        };
        let targets = reached.addresses.iter().map(target).collect();
        self.add_targets(sender, &hops, ((trunk, egress), terms), targets, way);
    }

    /// The same where nothing stands behind it.
    pub(super) fn route_to(
        &mut self,
        sender: &Sender<'a>,
        called: &Called,
        trunk: TrunkId,
        reached: &Reached,
        (place, way): (&InTree, &mut Way),
    ) -> Result<u8, Refusal> {
        let first = way.end();
        self.route_reached(sender, called, trunk, reached, (place, &mut *way));
        self.chain_hops(first, way)
    }

    /// The routes behind what stands in the way already; all are tried in order.
    pub(super) fn route_behind(
        &mut self,
        sender: &Sender<'a>,
        called: &Called,
        place: &InTree,
        way: &mut Way,
    ) -> Result<u8, Refusal> {
        let before = way.end();
        let routed = self.route(sender, called, place, way);
        if before == 0 { routed } else { self.chain_hops(0, way) }
    }

    /// A DID leads to a customer's switch: its number as the customer wants to see it.
    pub(super) fn ring_trunk(
        &mut self,
        sender: &Sender<'a>,
        called: &Called,
        trunk: &'a Trunk,
        place: &InTree,
        way: &mut Way,
    ) -> Result<u8, Refusal> {
        let egress = trunk.egress.as_ref().filter(|_| trunk.enabled);
        let (Some(egress), Ok(number)) = (egress, called.number) else {
            self.note(Step::HopClosed { trunk: trunk.id.0 });
            return Err(Refusal::Offline);
        };
        let first = way.end();
        let hops = Hops::new(place, number, way, sender.settings.route.reserved);
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
        let place = InTree::caller(Vec::new(), self.diverted_before(sender));
        // Nothing is kept from it.
        let hops = Hops::new(&place, number, &way, true);
        for hop in emergency_trunks(self.world, trunks) {
            self.add_hops(sender, &hops, hop, None, &mut way);
        }
        // No gauge stands before an emergency call, and whatever one says, the next is tried.
        for branch in way.stages.iter_mut().flat_map(|stage| &mut stage.branches) {
            branch.gauges.clear();
            branch.continue_on = vec![ANY_STATUS];
            branch.stop_on = Vec::new();
            branch.redirect = OnRedirect::Fail;
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

    /// Whether a route is for calls of this sender.
    fn is_for(&mut self, route: &Route, sender: &Sender<'a>) -> bool {
        let begins = |number: Digits| route.callers.iter().any(|prefix| number.has_prefix(prefix));
        let by_number = || {
            let caller = self.known.as_ref().map(|known| known.caller.number.as_str());
            let number = sender.tenant.normalisation.normalise(caller.unwrap_or_default());
            number.is_ok_and(begins)
        };
        let is_for = (route.callers.is_empty() || by_number())
            && route.organization.is_none_or(|wanted| self.is_within(sender, wanted));
        if !is_for {
            self.note(Step::RouteOfOthers { route: route.id.0 });
        }
        is_for
    }

    /// Whether a sender belongs to an organization, or to one below it.
    fn is_within(&self, sender: &Sender<'a>, wanted: OrganizationId) -> bool {
        self.world.is_within(sender.organization(), wanted)
    }
}
