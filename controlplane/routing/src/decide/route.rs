//! A number of the outside: routes to trunks to hops (spec ROUTE-PAT-01, ROUTE-PRIO-01).

use super::agreed::Agreed;
use super::called::Called;
use super::diverted::Teller;
use super::manner::{speak, voices};
use super::plan::blank_branch;
use super::ring::{contact_target, media_policy, ring_ms, tenant_media};
use super::sender::{Sender, Who};
use super::way::{Place as InTree, Way};
use super::{Attempt, Sent, Stop, order};
use crate::deck::Place;
use crate::fact::Reached;
use crate::location::wire_transport;
use crate::refusal::Refusal;
use crate::standing::{Direction, Turn};
use crate::tariff::{Taken, TariffDeck, Wanted};
use crate::trace::Step;
use crate::uri::escape_user;
use crate::world::World;
use std::net::SocketAddr;
use std::sync::Arc;
use strowger_billing::{Hop, PriceRef, Terms};
use strowger_link::{
    ANY_STATUS, AskId, Branch, BranchAuth, Cause, CauseSwap, Gauge, HOPS_MAX, Next, OnRedirect,
    PartyRef, STAGES_MAX, Target, Transport,
};
use strowger_model::{
    Account, Binding, CauseMap, Currency, Digits, Egress, EgressTarget, Exchange, FailoverMode,
    OrganizationId, Profile, Route, RouteOrder, RouteTarget, SentTo, Tenant, Trunk, TrunkId,
    UserPhone,
};

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
            for (candidate, turn) in self.candidates(sender, &hops, called, route, way) {
                let Candidate { trunk, egress, probes, .. } = candidate;
                if self.is_full(sender, way) {
                    self.note(Step::HopBeyond { trunk: trunk.id.0 });
                    break;
                }
                let terms = self.supplier_terms(trunk, egress, called);
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
        let Ok(number) = called.number else { return };
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

    /// Whether who pays for a hop may use a trunk, and the trunk takes its calls (spec
    /// USER-RESTR-03): who forwards for a forward, the caller otherwise.
    fn is_partner(
        &self,
        sender: &Sender<'a>,
        hops: &Hops<'_>,
        (trunk, egress): (&Trunk, &Egress),
        way: &Way,
    ) -> bool {
        let part = hops.place.part.and_then(|part| way.parts.get(usize::from(part)));
        let (account, organization) = match part {
            Some(part) => (self.world.account(part.level.account), part.level.organization),
            None => (Some(sender.account), sender.organization()),
        };
        let takes = |partners: &[OrganizationId], own| {
            partners.is_empty() || partners.iter().any(|wanted| self.world.is_within(own, *wanted))
        };
        account.is_some_and(|account| takes(&account.partners, trunk.organization))
            && takes(&egress.partners, organization)
    }

    /// The targets of a route that can take the call, in the order to try (spec 19.2, 19.3).
    fn candidates(
        &mut self,
        sender: &Sender<'a>,
        hops: &Hops<'_>,
        called: &Called,
        route: &'a Route,
        way: &Way,
    ) -> Vec<(Candidate<'a>, Option<Arc<Turn>>)> {
        let facts = self.facts;
        let view = facts.standing.view(&hops.number, self.wall_us);
        let how = self.way_of(route, sender, view);
        let sale = self.sale(sender, hops, called);
        let mut all = self.usable(sender, hops, route, way);
        // All are looked up before any is looked at: the waits for memory overlap.
        if let Some(chain) = &called.chain {
            for candidate in &mut all {
                candidate.place = candidate.deck.and_then(|deck| deck.place(chain));
            }
            for candidate in &mut all {
                let place = candidate.deck.zip(candidate.place);
                candidate.taken = place.and_then(|(deck, place)| deck.take(place));
            }
        }
        let mut known = Vec::with_capacity(all.len());
        all.retain_mut(|candidate| {
            let price = match self.find_price(candidate, sender.tenant, called, how.set.price_ms) {
                Ok(price) => price,
                Err(step) => {
                    self.note(step);
                    return false;
                }
            };
            let (cost, currency) = price;
            let is_loss = sale.is_some_and(|(sale, paid_in)| currency == paid_in && cost > sale);
            if is_loss {
                self.note(Step::HopLoss { trunk: candidate.trunk.id.0 });
                return false;
            }
            let (target, preference) = (candidate.target, candidate.egress.q);
            let agreed = candidate.agreed;
            let mut own = order::known_of(target, (preference, agreed), &view, how.order);
            let is_own = currency == sender.tenant.currency;
            own.cost = is_own.then(|| order::compared(cost));
            self.note_standing(target.trunk, own.failed, how.set.failover);
            agreed.step(target.trunk.0).into_iter().for_each(|step| self.note(step));
            known.push((own, price));
            true
        });
        self.note_order(how.order, known.len());
        let sorted = order::sorted(known.iter().map(|(own, _)| own), &how);
        self.note_turns(&sorted, &view);
        let in_order = sorted.into_iter().filter_map(|placed| {
            let order::Placed { at, rank, probes, turn } = placed;
            if facts.explain {
                let (own, price) = known.get(at)?;
                self.places.push(order::place(own, rank, probes, *price));
            }
            Some((Candidate { probes, ..*all.get(at)? }, turn))
        });
        in_order.collect()
    }

    /// The targets of a route that may be called with this number, whatever they take.
    fn usable(
        &mut self,
        sender: &Sender<'a>,
        hops: &Hops<'_>,
        route: &'a Route,
        way: &Way,
    ) -> Vec<Candidate<'a>> {
        let mut all = Vec::with_capacity(route.targets.len());
        for target in &route.targets {
            match self.candidate(sender, hops, *target, way) {
                Ok(candidate) => all.extend(candidate),
                Err(step) => self.note(step),
            }
        }
        all
    }

    fn note_standing(&mut self, trunk: TrunkId, (whole, here): (bool, bool), counts: bool) {
        let trunk = trunk.0;
        if whole && counts {
            self.note(Step::HopFailed { trunk });
        } else if here && counts {
            self.note(Step::HopFailedHere { trunk });
        }
    }

    fn note_order(&mut self, order: RouteOrder, targets: usize) {
        let targets = i64::try_from(targets).unwrap_or(i64::MAX);
        match order {
            RouteOrder::Weight | RouteOrder::Share => {}
            RouteOrder::Price => self.note(Step::ByPrice { targets }),
            RouteOrder::Quality => self.note(Step::ByQuality { targets }),
            RouteOrder::Rotation => self.note(Step::ByRotation { targets }),
        }
    }

    /// What the caller pays for the call of comparison, without tax; `None` when that is not the
    /// caller's tariff's word.
    fn sale(
        &self,
        sender: &Sender<'a>,
        hops: &Hops<'_>,
        called: &Called,
    ) -> Option<(i128, Currency)> {
        // Who forwards pays for a forward.
        if hops.place.part.is_some() || sender.settings.route.loss {
            return None;
        }
        let deck = self.world.tariff(sender.account.tariff?)?;
        let terms = self.priced(deck, called, sender.account).ok()?;
        Some(self.compared_cost(sender.tenant, &terms, sender.settings.route.price_ms))
    }

    /// Checks a target (spec 19.2); `None` for one that stands in a better route already.
    fn candidate(
        &self,
        sender: &Sender<'a>,
        hops: &Hops<'_>,
        target: RouteTarget,
        way: &Way,
    ) -> Result<Option<Candidate<'a>>, Step> {
        let (id, number) = (target.trunk, target.trunk.0);
        let trunk = self.world.trunk(id).filter(|trunk| trunk.enabled);
        let found = trunk.and_then(|trunk| Some((trunk, trunk.egress.as_ref()?)));
        let (trunk, egress) = found.ok_or(Step::HopClosed { trunk: number })?;
        // A forward may well go out where its call came in.
        if let Who::Trunk(from, _) = sender.who
            && from.id == id
            && hops.place.part.is_none()
            && !sender.settings.call.send_back
        {
            return Err(Step::HopSender { trunk: number });
        }
        let own = way.hops.get(hops.own_from..).unwrap_or_default();
        if own.iter().any(|hop| hop.trunk == id) {
            return Ok(None);
        }
        if egress.barring.bars(&hops.number) {
            return Err(Step::HopBarred { trunk: number });
        }
        if !self.is_partner(sender, hops, (trunk, egress), way) {
            return Err(Step::NotPartner { trunk: number });
        }
        if egress.test_only && !self.is_test {
            return Err(Step::HopTestOnly { trunk: number });
        }
        let agreed = self.agreed(sender.tenant, trunk, egress)?;
        let deck = match egress.tariff {
            Some(tariff) => self.world.tariff(tariff),
            None if sender.settings.price.unpriced_trunks => None,
            None => return Err(Step::NoSupplierPrice { trunk: number }),
        };
        let (place, taken) = (None, None);
        Ok(Some(Candidate { target, trunk, egress, deck, place, taken, agreed, probes: false }))
    }

    /// What a target takes for the call of comparison, without tax.
    fn find_price(
        &mut self,
        candidate: &Candidate<'a>,
        tenant: &Tenant,
        called: &Called,
        ms: u64,
    ) -> Result<(i128, Currency), Step> {
        let Candidate { trunk, egress, .. } = *candidate;
        // It takes nothing at all.
        if egress.tariff.is_none() {
            return Ok((0, tenant.currency));
        }
        let none = Step::NoSupplierPrice { trunk: trunk.id.0 };
        let deck = candidate.deck.ok_or(none)?;
        let account = self.world.account(egress.account).ok_or(none)?;
        let priced = match deck.is_timed() || deck.tariff().currency != account.currency {
            true => self.priced(deck, called, account),
            false => self.plainly_priced(candidate.taken, deck, called, account).ok_or(None),
        };
        let terms = match priced {
            Ok(terms) => terms,
            Err(why) => match self.default_terms(account) {
                Some(terms) => terms,
                None => {
                    why.into_iter().for_each(|step| self.note(step));
                    return Err(none);
                }
            },
        };
        Ok(self.compared_cost(tenant, &terms, ms))
    }

    /// The terms of a price that is the same at all times, from the line that was taken out of its
    /// deck, without a look at any other.
    fn plainly_priced(
        &self,
        taken: Option<Taken>,
        deck: &TariffDeck,
        called: &Called,
        account: &Account,
    ) -> Option<Terms> {
        let (chain, number) = (called.chain.as_ref()?, called.number.as_ref().ok()?);
        let wanted = Wanted { wall_us: self.began_us, digits: number.len() };
        let rate = deck.located(taken?, chain, wanted)?.terms();
        let exchange = Exchange::same(deck.tariff().currency);
        Terms::of(deck.tariff(), &rate, account.discount_bp(number), exchange).ok()
    }

    /// What a call of comparison costs in the tenant's currency; in the tariff's, when nobody knows
    /// what that is worth.
    fn compared_cost(&self, tenant: &Tenant, terms: &Terms, ms: u64) -> (i128, Currency) {
        let (from, to) = (terms.pricing.currency, tenant.currency);
        let cost = order::net_cost(terms, ms);
        if from == to {
            return (cost, to);
        }
        match self.world.exchange(tenant, from, to, self.began_us) {
            Some(exchange) => (order::exchanged(cost, exchange), to),
            None => (cost, from),
        }
    }

    /// Whether no more hops fit into the plan.
    fn is_full(&self, sender: &Sender<'a>, way: &Way) -> bool {
        let end = usize::from(way.end());
        way.hops.len() >= hops_max(sender, self.is_emergency) || end >= STAGES_MAX
    }

    fn add_hops(
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
    fn add_targets(
        &mut self,
        sender: &Sender<'a>,
        hops: &Hops<'_>,
        ((trunk, egress), terms): ((&'a Trunk, &'a Egress), Option<Terms>),
        targets: Vec<(Target, Exit)>,
        way: &mut Way,
    ) {
        let account = self.world.account(egress.account);
        let Some(organization) = account.map(|account| account.organization) else {
            return self.note(Step::HopClosed { trunk: trunk.id.0 });
        };
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
            branch.redirect = self.on_redirect_of(egress);
            let own = self.world.account_settings(egress.account);
            speak(&mut branch.manner, own, Some(&egress.dialog));
            branch.media.voices = voices(own, Some(&egress.dialog));
            branch.hop = PriceRef { hop, part: hops.place.part }.byte();
            self.shown_outside(sender, egress).onto(&mut branch);
            if let Some(login) = self.world.login(trunk.id, self.ask.id) {
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
        let mut targets = Vec::new();
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
            for (address, host) in self.world.target_addresses(egress, target, chance) {
                let asked = self.ask.hints.listener;
                let listener = listener_to(self.world, egress, asked, address);
                let exit = match perimeter.check(address, egress.allow_private) {
                    Ok(()) => listener.map_or(Exit::None, Exit::By),
                    Err(_) => Exit::OffLimits,
                };
                targets.push((address_target(egress, (address, &host), number), exit));
            }
        }
        targets
    }
}

/// A target that can take the call.
#[derive(Clone, Copy)]
struct Candidate<'a> {
    target: RouteTarget,
    trunk: &'a Trunk,
    egress: &'a Egress,
    /// Its price list; `None` also when it is gone.
    deck: Option<&'a TariffDeck>,
    /// Where the line of the number lies in it.
    place: Option<Place>,
    /// That line.
    taken: Option<Taken>,
    /// Minutes that are agreed on.
    agreed: Agreed,
    /// It is there to see how good it is.
    probes: bool,
}

/// How a call leaves us towards a target.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Exit {
    /// By this listener.
    By(u8),
    /// No listener fits.
    None,
    /// Nothing is sent there.
    OffLimits,
}

/// Hops of one place in the tree of forwards, to one number.
struct Hops<'p> {
    place: &'p InTree,
    number: Digits,
    /// Hops before this one are of other routes.
    own_from: usize,
    /// The next one is there to see how good it is.
    probes: bool,
    /// Those that the next one shares calls with.
    turn: Option<Arc<Turn>>,
    /// The call may take lines that trunks keep reserved.
    reserved: bool,
}

impl<'p> Hops<'p> {
    fn new(place: &'p InTree, number: Digits, way: &Way, reserved: bool) -> Hops<'p> {
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
fn address_target(egress: &Egress, (address, host): (SocketAddr, &str), number: &Digits) -> Target {
    let dialed = egress.called.apply(number.as_str());
    let transport = wire_transport(egress.transport);
    let uri = format!("sip:{}@{host}{}", escape_user(&dialed), parameter(transport));
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
        let user = user.replace("%23", "#");
        let digits = user.strip_prefix('+').unwrap_or(&user);
        !digits.is_empty() && digits.bytes().all(is_digit)
    });
    match is_number && !uri.contains(";user=") {
        true => format!("{uri};user=phone"),
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
            world.perimeter().check(target.0, egress.allow_private).ok()?;
            let listener = listener_to(world, egress, 0, target.0)?;
            Some(((trunk, egress), target, listener))
        })
    });
    hops.take(HOPS_MAX)
        .map(|(hop, (address, host), listener)| {
            let target = address_target(hop.1, (address, &host), &number);
            let mut branch = hop_branch(hop, target, listener, tenant, number);
            branch.gauges.clear();
            let own = world.account_settings(hop.1.account);
            speak(&mut branch.manner, own, Some(&hop.1.dialog));
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
