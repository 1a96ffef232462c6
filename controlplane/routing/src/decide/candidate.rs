//! Which targets of a route can take the call, and in which order they are tried (spec 19.2, 19.3).

use super::agreed::Agreed;
use super::called::Called;
use super::hop::Hops;
use super::order::Known;
use super::sender::{Sender, Who};
use super::way::Way;
use super::{Attempt, order};
use crate::deck::Place;
use crate::joint::{JointPlace, JointSet};
use crate::prefix::Chain;
use crate::standing::Turn;
use crate::tariff::{Found, Taken, TariffDeck, Wanted};
use crate::trace::Step;
use crate::world::{Supplied, Suppliers};
use std::sync::Arc;
use strowger_billing::Terms;
use strowger_model::{
    Account, Currency, Digits, Egress, Exchange, OrganizationId, Route, RouteOrder, RouteTarget,
    Tenant, Trunk, TrunkId,
};

impl<'a> Attempt<'a> {
    /// The targets of a route that can take the call, in the order to try (spec 19.2, 19.3).
    pub(super) fn candidates(
        &mut self,
        sender: &Sender<'a>,
        hops: &Hops<'_>,
        called: &Called,
        route: &'a Route,
        way: &Way,
    ) -> impl Iterator<Item = (Candidate<'a>, Option<Arc<Turn>>)> + use<'a> {
        let facts = self.facts;
        let view = facts.standing.view(&hops.number, self.wall_us);
        let how = self.way_of(route, sender, view);
        let sale = self.sale(sender, hops, called);
        let had = self.had_before(sender, hops, called);
        let suppliers = self.world.suppliers(route);
        let bidders = suppliers.bidders();
        let bidders = bidders.filter(|all| self.is_plain_call((sender, hops), all, (way, &how)));
        let (known, offers, sorted) = match bidders.filter(|_| had.is_none()) {
            Some(bidders) => {
                let whose = (sender, hops, called);
                let (bids, offers) = self.bids(whose, (route, suppliers), bidders, (sale, &how));
                self.note_order(how.order, bids.len());
                (Vec::new(), offers, order::sorted_bids(&bids, &how))
            }
            None => {
                let (whose, known) = ((sender, hops, called), (sale, had, &how));
                let (known, offers) = self.offers(whose, (route, suppliers), way, known);
                self.note_order(how.order, known.len());
                let sorted = order::sorted(known.iter(), &how);
                (known, offers, sorted)
            }
        };
        self.note_turns(&sorted, &view);
        if facts.explain {
            let placed = sorted.iter().filter_map(|placed| {
                let (own, price) = (known.get(placed.at)?, offers.price(placed.at)?);
                Some(order::place(own, placed.rank, placed.probes, price))
            });
            self.places.extend(placed);
        }
        // Few of many are tried: only those are taken out.
        sorted.into_iter().filter_map(move |order::Placed { at, probes, turn, .. }| {
            Some((Candidate { probes, ..offers.candidate(at)? }, turn))
        })
    }

    /// The targets that can take the call, each looked at by itself, and what is known of them.
    fn offers(
        &mut self,
        (sender, hops, called): (&Sender<'a>, &Hops<'_>, &Called),
        (route, suppliers): (&'a Route, Suppliers<'a>),
        way: &Way,
        (sale, had, how): (Option<(i128, Currency)>, Option<TrunkId>, &order::Way<'_>),
    ) -> (Vec<Known>, Offers<'a>) {
        let mut all = self.usable(sender, hops, (route, suppliers), way);
        if let Some(chain) = &called.chain {
            self.look_up_all(chain, &mut all);
        }
        let (mut known, mut prices) = (Vec::with_capacity(all.len()), Vec::new());
        all.retain_mut(|candidate| {
            let price = match self.find_price(candidate, sender.tenant, called, how.set.price_ms) {
                Ok(price) => price,
                Err(step) => {
                    self.note(step);
                    return false;
                }
            };
            if is_loss(price, sale) {
                self.note(Step::HopLoss { trunk: candidate.trunk.id.0 });
                return false;
            }
            let (cost, currency) = price;
            let (target, preference) = (candidate.target, candidate.egress.q);
            let agreed = candidate.agreed;
            let mut own = order::known_of(target, (preference, agreed), &how.view, how.order);
            let is_own = currency == sender.tenant.currency;
            own.cost = is_own.then(|| order::compared(cost));
            self.put_first(&mut own, (sender, hops, way), candidate.egress, how);
            own.had = had == Some(target.trunk);
            if own.had {
                self.note(Step::SecondTry { trunk: target.trunk.0 });
            }
            self.note_standing(target.trunk, own.failed, how.set.failover);
            agreed.step(target.trunk.0).into_iter().for_each(|step| self.note(step));
            known.push(own);
            if self.facts.explain {
                prices.push(price);
            }
            true
        });
        (known, Offers::Each { all, prices })
    }

    /// Takes the line of the number out of each deck. All are looked up before any is looked at:
    /// the waits for memory overlap.
    fn look_up_all(&self, chain: &Chain, all: &mut [Candidate<'a>]) {
        let mut wanted = JointSet::default();
        all.iter().filter_map(|candidate| candidate.joint).for_each(|place| wanted.add(place));
        let longest = self.world.joint().longest(chain, wanted);
        for candidate in all.iter_mut() {
            candidate.place = candidate.deck.and_then(|deck| match candidate.joint {
                Some(place) => deck.place_of(longest.of(place)?),
                None => deck.place(chain),
            });
        }
        for candidate in all {
            let place = candidate.deck.zip(candidate.place);
            candidate.taken = place.and_then(|(deck, place)| deck.take(place));
        }
    }

    /// The trunk that had the caller's last, short talk with this number (spec FAIL-03).
    fn had_before(&self, sender: &Sender<'a>, hops: &Hops<'_>, called: &Called) -> Option<TrunkId> {
        if sender.settings.route.second_try_ms == 0 || hops.place.part.is_some() {
            return None;
        }
        // Records know the caller by the number of its settlement.
        let caller = self.known.as_ref()?.caller.number.as_str();
        let caller = Digits::parse(caller).unwrap_or(Digits::EMPTY);
        let pair = (sender.account.id, caller, called.number.ok()?);
        self.facts.standing.second_try(&pair, self.wall_us)
    }

    /// The targets of a route that may be called with this number, whatever they take.
    fn usable(
        &mut self,
        sender: &Sender<'a>,
        hops: &Hops<'_>,
        (route, suppliers): (&'a Route, Suppliers<'a>),
        way: &Way,
    ) -> Vec<Candidate<'a>> {
        let mut all = Vec::with_capacity(route.targets.len());
        for (at, target) in route.targets.iter().enumerate() {
            let found = suppliers.get(at, target.trunk);
            match self.checked(sender, hops, (*target, found), way) {
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
            RouteOrder::Lines => self.note(Step::ByLines { targets }),
        }
    }

    /// The most that the call of comparison may cost us, without tax: what the caller pays for it
    /// but for the profit that is wanted. `None` when that is not the caller's tariff's word.
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
        let terms = self.tariff_price(sender.account, called)?;
        let set = &sender.settings.route;
        let (sale, currency) = self.compared_cost(sender.tenant, &terms, set.price_ms);
        Some((sale - sale / 100 * i128::from(set.profit_percent_min), currency))
    }

    /// Checks a target (spec 19.2); `None` for one that stands in a better route already.
    pub(super) fn candidate(
        &self,
        sender: &Sender<'a>,
        hops: &Hops<'_>,
        target: RouteTarget,
        way: &Way,
    ) -> Result<Option<Candidate<'a>>, Step> {
        self.checked(sender, hops, (target, self.world.supplied(target.trunk)), way)
    }

    /// The same with the rows of its trunk at hand.
    fn checked(
        &self,
        sender: &Sender<'a>,
        hops: &Hops<'_>,
        (target, found): (RouteTarget, Option<Supplied<'a>>),
        way: &Way,
    ) -> Result<Option<Candidate<'a>>, Step> {
        let (id, number) = (target.trunk, target.trunk.0);
        let found = found.filter(|found| found.trunk.enabled);
        let found = found.and_then(|found| Some((found, found.trunk.egress.as_ref()?)));
        let (found, egress) = found.ok_or(Step::HopClosed { trunk: number })?;
        let Supplied { trunk, account, deck, place: joint, is_plain, is_open } = found;
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
        if !is_open && egress.barring.bars(&hops.number) {
            return Err(Step::HopBarred { trunk: number });
        }
        let partners = if is_open { &[] } else { egress.partners.as_slice() };
        if !self.is_partner(sender, hops, (trunk, partners), way) {
            return Err(Step::NotPartner { trunk: number });
        }
        if !is_open && egress.test_only && !self.is_test {
            return Err(Step::HopTestOnly { trunk: number });
        }
        if self.had_it(id) {
            return Err(Step::HopTried { trunk: number });
        }
        let agreed = match is_open {
            true => Agreed::default(),
            false => self.agreed(sender.tenant, trunk, egress)?,
        };
        if egress.tariff.is_none() && !sender.settings.price.unpriced_trunks {
            return Err(Step::NoSupplierPrice { trunk: number });
        }
        let (place, taken, probes) = (None, None, false);
        Ok(Some(Candidate {
            target,
            trunk,
            egress,
            account,
            deck,
            joint,
            place,
            taken,
            is_plain,
            agreed,
            probes,
        }))
    }

    /// What a target takes for the call of comparison, without tax.
    pub(super) fn find_price(
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
        let (deck, account) = candidate.deck.zip(candidate.account).ok_or(none)?;
        let why = match candidate.is_plain {
            true => match self.plain_cost(candidate, called, ms) {
                Some(cost) => return Ok(self.exchanged_cost(tenant, cost)),
                None => None,
            },
            false => match self.priced(deck, called, account) {
                Ok(terms) => return Ok(self.compared_cost(tenant, &terms, ms)),
                Err(why) => why,
            },
        };
        let Some(terms) = self.default_terms(account) else {
            why.into_iter().for_each(|step| self.note(step));
            return Err(none);
        };
        Ok(self.compared_cost(tenant, &terms, ms))
    }

    /// What a call of comparison costs by a price that is the same at all times, from the line that
    /// was taken out of its deck, without a look at any other.
    fn plain_cost(
        &self,
        candidate: &Candidate<'a>,
        called: &Called,
        ms: u64,
    ) -> Option<(i128, Currency)> {
        let (found, account) = self.plain_line(candidate, called)?;
        let discount = account.discount_bp(called.number.as_ref().ok()?);
        Some((found.net_cost(discount, ms)?, candidate.deck?.tariff().currency))
    }

    /// The line of such a price, and whose discounts count.
    fn plain_line(
        &self,
        candidate: &Candidate<'a>,
        called: &Called,
    ) -> Option<(Found<'a>, &'a Account)> {
        let (chain, number) = (called.chain.as_ref()?, called.number.as_ref().ok()?);
        let wanted = Wanted { wall_us: self.began_us, digits: number.len() };
        let found = candidate.deck?.located(candidate.taken?, chain, wanted)?;
        Some((found, candidate.account?))
    }

    /// What a target charges that is tried: as [`Attempt::supplier_terms`] says it, without another
    /// look for a line that is at hand.
    pub(super) fn terms_of(
        &mut self,
        candidate: &Candidate<'a>,
        called: &Called,
    ) -> Result<Option<Terms>, Step> {
        let Some(terms) = self.plain_terms(candidate, called) else {
            return self.supplier_terms(candidate.trunk, candidate.egress, called);
        };
        let rate = terms.rate.map_or(0, |rate| rate.0);
        self.note(Step::SupplierPrice { trunk: candidate.trunk.id.0, rate });
        Ok(Some(terms))
    }

    fn plain_terms(&self, candidate: &Candidate<'a>, called: &Called) -> Option<Terms> {
        if !candidate.is_plain {
            return None;
        }
        let tariff = candidate.deck?.tariff();
        let (found, account) = self.plain_line(candidate, called)?;
        let discount = account.discount_bp(called.number.as_ref().ok()?);
        let exchange = Exchange::same(tariff.currency);
        let terms = Terms::of(tariff, &found.terms(), discount, exchange).ok()?;
        let class_rule = self.world.settings().tenant(account.tenant).calendar.class_rule;
        Some(Terms { class_rule, ..terms })
    }

    /// What a call of comparison costs in the tenant's currency; in the tariff's, when nobody knows
    /// what that is worth.
    fn compared_cost(&self, tenant: &Tenant, terms: &Terms, ms: u64) -> (i128, Currency) {
        self.exchanged_cost(tenant, (order::net_cost(terms, ms), terms.pricing.currency))
    }

    /// The same of a cost in a tariff's currency.
    fn exchanged_cost(&self, tenant: &Tenant, (cost, from): (i128, Currency)) -> (i128, Currency) {
        let to = tenant.currency;
        if from == to {
            return (cost, to);
        }
        match self.world.exchange(tenant, from, to, self.began_us) {
            Some(exchange) => (order::exchanged(cost, exchange), to),
            None => (cost, from),
        }
    }

    /// Whether who pays for a hop may use a trunk, and the trunk takes its calls (spec
    /// USER-RESTR-03): who forwards for a forward, the caller otherwise.
    fn is_partner(
        &self,
        sender: &Sender<'a>,
        hops: &Hops<'_>,
        (trunk, partners): (&Trunk, &[OrganizationId]),
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
            && takes(partners, organization)
    }
}

/// Whether a target takes more for the call of comparison than its caller pays for it.
pub(super) fn is_loss((cost, currency): (i128, Currency), sale: Option<(i128, Currency)>) -> bool {
    sale.is_some_and(|(sale, paid_in)| currency == paid_in && cost > sale)
}

/// The targets that can take a call, in the order in which they were looked at.
pub(super) enum Offers<'a> {
    /// Each was looked at by itself; with their prices where somebody asked for them.
    Each { all: Vec<Candidate<'a>>, prices: Vec<(i128, Currency)> },
    /// All were looked up together; of each its place among the targets of the route.
    Bids { of: (&'a Route, Suppliers<'a>), all: Vec<(usize, Option<Taken>)> },
}

impl<'a> Offers<'a> {
    /// One of them.
    fn candidate(&self, at: usize) -> Option<Candidate<'a>> {
        match self {
            Offers::Each { all, .. } => all.get(at).copied(),
            Offers::Bids { of: (route, suppliers), all } => {
                let (at, taken) = *all.get(at)?;
                let target = *route.targets.get(at)?;
                Candidate::of_bidder(target, suppliers.get(at, target.trunk)?, taken)
            }
        }
    }

    fn price(&self, at: usize) -> Option<(i128, Currency)> {
        match self {
            Offers::Each { prices, .. } => prices.get(at).copied(),
            Offers::Bids { .. } => None,
        }
    }
}

impl<'a> Candidate<'a> {
    /// A target that takes whatever call, with the line of the number.
    pub(super) fn of_bidder(
        target: RouteTarget,
        found: Supplied<'a>,
        taken: Option<Taken>,
    ) -> Option<Candidate<'a>> {
        let Supplied { trunk, account, deck, place: joint, is_plain, .. } = found;
        Some(Candidate {
            target,
            trunk,
            egress: trunk.egress.as_ref()?,
            account,
            deck,
            joint,
            place: None,
            taken,
            is_plain,
            agreed: Agreed::default(),
            probes: false,
        })
    }
}

/// A target that can take the call.
#[derive(Clone, Copy)]
pub(super) struct Candidate<'a> {
    target: RouteTarget,
    pub(super) trunk: &'a Trunk,
    pub(super) egress: &'a Egress,
    /// Who is owed.
    account: Option<&'a Account>,
    /// Its price list; `None` also when it is gone.
    deck: Option<&'a TariffDeck>,
    /// Where it stands among those that are looked up together.
    joint: Option<JointPlace>,
    /// Where the line of the number lies in it.
    place: Option<Place>,
    /// That line.
    taken: Option<Taken>,
    /// Its price is one line of its tariff, whatever the time, in its account's own currency.
    is_plain: bool,
    /// Minutes that are agreed on.
    agreed: Agreed,
    /// It is there to see how good it is.
    pub(super) probes: bool,
}
