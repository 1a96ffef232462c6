//! The trunks that a route leads to, each with the rows that a decision asks of it.
//!
//! A route has up to [`ROUTE_TARGETS_MAX`](crate::limits::ROUTE_TARGETS_MAX) targets, and for each
//! of them a call would look for a trunk, its account and its deck among all there are. The first
//! call by a route keeps what it found, if no other route stands in its place; who finds nothing
//! kept looks for it. What is kept belongs to one world: a changed world begins with nothing, so
//! nothing that is kept is ever old.

use super::World;
use crate::joint::{JointPlace, JointSet};
use crate::limits::SUPPLIED_ROUTES_MAX;
use crate::tariff::TariffDeck;
use std::sync::{Arc, OnceLock};
use strowger_model::{
    Account, Barring, Currency, Digits, Egress, Route, RouteId, Tariff, TariffKind, TenantId,
    Trunk, TrunkId,
};

const _: () = assert!(SUPPLIED_ROUTES_MAX.is_power_of_two());
/// Spreads ids that follow each other over all places.
const SPREAD: u64 = 0x9e37_79b9_7f4a_7c15;

/// A trunk that calls go out by, and what its price is made of.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Supplied<'a> {
    pub(crate) trunk: &'a Trunk,
    /// Who is owed; `None` also for a trunk that takes no calls.
    pub(crate) account: Option<&'a Account>,
    /// Its price list; `None` also when it is gone.
    pub(crate) deck: Option<&'a TariffDeck>,
    /// Where that stands among all that are looked up together.
    pub(crate) place: Option<JointPlace>,
    /// Its price is one line of its tariff, whatever the time, in its account's own currency.
    pub(crate) is_plain: bool,
    /// It takes whatever number, from whomever: nothing of that is asked for.
    pub(crate) is_open: bool,
}

impl Supplied<'_> {
    /// With what follows from its rows.
    fn judged(mut self) -> Self {
        self.is_plain = self.deck.zip(self.account).is_some_and(|(deck, account)| {
            let Tariff { kind, currency, .. } = deck.tariff();
            *kind == TariffKind::Supplier && !deck.is_timed() && *currency == account.currency
        });
        self.is_open = self.trunk.egress.as_ref().is_some_and(|egress| {
            let Egress { barring, partners, test_only, commitment, .. } = egress;
            let Barring { all, allowed, blocked } = barring;
            let bars = *all || !allowed.is_empty() || !blocked.is_empty();
            !bars && partners.is_empty() && !test_only && commitment.is_none()
        });
        self
    }
}

/// The same, kept.
#[derive(Debug)]
struct Supplier {
    id: TrunkId,
    trunk: Option<Arc<Trunk>>,
    account: Option<Arc<Account>>,
    deck: Option<Arc<TariffDeck>>,
    place: Option<JointPlace>,
    is_plain: bool,
    is_open: bool,
}

/// The suppliers of one route, in the order of its targets.
#[derive(Debug)]
struct Group {
    route: (TenantId, RouteId),
    suppliers: Box<[Supplier]>,
    bidders: Option<Bidders>,
}

/// A supplier that takes whatever call, and of which nothing but the line of a number in its deck
/// says what it charges: it is open, plainly priced, comes before nobody, and takes the same off
/// all its prices.
#[derive(Debug)]
pub(crate) struct Bidder {
    pub(crate) deck: Arc<TariffDeck>,
    pub(crate) place: JointPlace,
    /// The trunk's own preference, thousandths.
    pub(crate) preference: u16,
    /// What is taken off, 1e-4.
    pub(crate) discount: u16,
}

/// The suppliers of a route of which all are bidders, in one currency.
#[derive(Debug)]
pub(crate) struct Bidders {
    pub(crate) list: Box<[Bidder]>,
    /// Their decks.
    pub(crate) decks: JointSet,
    pub(crate) currency: Currency,
}

impl Bidders {
    fn of(suppliers: &[Supplier]) -> Option<Bidders> {
        let list = suppliers.iter().map(Supplier::bidder).collect::<Option<Box<[Bidder]>>>()?;
        let currency = list.first()?.deck.tariff().currency;
        let mut decks = JointSet::default();
        list.iter().for_each(|bidder| decks.add(bidder.place));
        let is_one = list.iter().all(|bidder| bidder.deck.tariff().currency == currency);
        is_one.then_some(Bidders { list, decks, currency })
    }
}

/// The suppliers of some routes, by a hash of the route.
#[derive(Default, Debug)]
pub(super) struct Kept(OnceLock<Box<[OnceLock<Group>]>>);

impl Clone for Kept {
    /// What a world keeps is none of the next one's.
    fn clone(&self) -> Kept {
        Kept::default()
    }
}

/// The suppliers of a route.
#[derive(Clone, Copy)]
pub(crate) struct Suppliers<'a> {
    world: &'a World,
    kept: Option<&'a Group>,
}

impl<'a> Suppliers<'a> {
    /// The trunk of the target that stands in this place; `None` when there is no such trunk.
    pub(crate) fn get(&self, at: usize, id: TrunkId) -> Option<Supplied<'a>> {
        match self.kept.and_then(|group| group.suppliers.get(at)) {
            Some(kept) if kept.id == id => kept.supplied(),
            Some(_) | None => self.world.supplied(id),
        }
    }

    /// All of them, if they are kept and each is a bidder.
    pub(crate) fn bidders(&self) -> Option<&'a Bidders> {
        self.kept?.bidders.as_ref()
    }
}

impl Supplier {
    fn supplied(&self) -> Option<Supplied<'_>> {
        let (account, deck) = (self.account.as_deref(), self.deck.as_deref());
        let Supplier { place, is_plain, is_open, .. } = *self;
        let trunk = self.trunk.as_deref()?;
        Some(Supplied { trunk, account, deck, place, is_plain, is_open })
    }

    fn bidder(&self) -> Option<Bidder> {
        let trunk = self.trunk.as_ref().filter(|trunk| trunk.enabled)?;
        let egress = trunk.egress.as_ref().filter(|egress| egress.precedence.is_none())?;
        let account = self.account.as_ref().filter(|account| account.discounts.is_empty())?;
        let is_bidder = self.is_plain && self.is_open;
        Some(Bidder {
            deck: self.deck.clone().filter(|_| is_bidder)?,
            place: self.place?,
            preference: egress.q,
            // Of all numbers, as no discount is of some.
            discount: account.discount_bp(&Digits::EMPTY),
        })
    }
}

impl World {
    /// A trunk with its account and its deck.
    pub(crate) fn supplied(&self, id: TrunkId) -> Option<Supplied<'_>> {
        let trunk = self.trunk(id)?;
        let egress = trunk.egress.as_ref();
        let account = egress.and_then(|egress| self.account(egress.account));
        let deck = egress.and_then(|egress| self.tariff(egress.tariff?));
        let place = egress.and_then(|egress| self.joint.place(egress.tariff?));
        let (is_plain, is_open) = (false, false);
        Some(Supplied { trunk, account, deck, place, is_plain, is_open }.judged())
    }

    /// The trunks that a route leads to.
    pub(crate) fn suppliers(&self, route: &Route) -> Suppliers<'_> {
        let places = self
            .suppliers
            .0
            .get_or_init(|| (0..SUPPLIED_ROUTES_MAX).map(|_| OnceLock::new()).collect());
        let key = (route.tenant, route.id);
        let spread = route.id.0.cast_unsigned().wrapping_mul(SPREAD);
        let at = spread >> (u64::BITS - SUPPLIED_ROUTES_MAX.trailing_zeros());
        let place = places.get(usize::try_from(at).unwrap_or_default());
        let group = place.map(|place| place.get_or_init(|| self.group(route)));
        let group = group.filter(|group| group.route == key);
        Suppliers { world: self, kept: group }
    }

    fn group(&self, route: &Route) -> Group {
        let suppliers: Box<[Supplier]> =
            route.targets.iter().map(|target| self.supplier(target.trunk)).collect();
        let bidders = Bidders::of(&suppliers);
        Group { route: (route.tenant, route.id), suppliers, bidders }
    }

    fn supplier(&self, id: TrunkId) -> Supplier {
        let trunk = self.trunks.get(&id);
        let egress = trunk.and_then(|trunk| trunk.egress.as_ref());
        let account = egress.and_then(|egress| self.accounts.get(&egress.account));
        let deck = egress.and_then(|egress| self.tariffs.get(&egress.tariff?));
        let judged = self.supplied(id);
        Supplier {
            id,
            trunk: trunk.cloned(),
            account: account.map(|placed| Arc::clone(&placed.row)),
            deck: deck.cloned(),
            place: judged.and_then(|judged| judged.place),
            is_plain: judged.is_some_and(|judged| judged.is_plain),
            is_open: judged.is_some_and(|judged| judged.is_open),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing;
    use crate::world::{Change, RowName, Rows};
    use strowger_model::AccountId;

    fn rows() -> Rows {
        Rows {
            tenants: vec![testing::tenant(1, testing::REALM)],
            organizations: vec![testing::organization(1, None)],
            accounts: vec![testing::account(9, None)],
            trunks: vec![
                testing::egress_trunk(1, &["192.0.2.1:5060"]),
                testing::egress_trunk(2, &["192.0.2.2:5060"]),
            ],
            routes: vec![testing::route(1, "44", &[(1, 0, 1), (2, 0, 1)])],
            ..Rows::default()
        }
    }

    /// Name of the trunk, name of its account.
    fn names(world: &World, route: &Route) -> Vec<(String, String)> {
        let suppliers = world.suppliers(route);
        let of = |(at, target): (usize, &strowger_model::RouteTarget)| {
            let found = suppliers.get(at, target.trunk)?;
            Some((found.trunk.name.clone(), found.account?.name.clone()))
        };
        route.targets.iter().enumerate().filter_map(of).collect()
    }

    fn route(world: &World) -> Route {
        world.routes_of(TenantId(1)).next().unwrap().clone()
    }

    #[test]
    fn what_is_kept_is_never_older_than_its_world() {
        let first = World::build(rows()).unwrap();
        let before = names(&first, &route(&first));
        assert_eq!(before.len(), 2);
        assert_eq!(names(&first, &route(&first)), before, "kept");
        let renamed = Account { name: "Other".to_owned(), ..testing::account(9, None) };
        let next = first.changed(Change::Account(renamed)).unwrap();
        let after = names(&next, &route(&next));
        assert!(after.iter().all(|(_, account)| account == "Other"), "{after:?}");
        let trunk = testing::egress_trunk(2, &["192.0.2.3:5060"]);
        let trunk = Trunk { name: "New".to_owned(), ..trunk };
        let next = next.changed(Change::Trunk(Box::new(trunk))).unwrap();
        assert_eq!(names(&next, &route(&next))[1].0, "New");
        let gone = next.changed(Change::Remove(RowName::Trunk(TrunkId(2)))).unwrap();
        assert_eq!(names(&gone, &route(&gone)).len(), 1);
        assert_eq!(names(&first, &route(&first)), before, "the old world sees no change");
    }

    #[test]
    fn a_route_whose_place_is_taken_finds_its_own_all_the_same() {
        let world = World::build(rows()).unwrap();
        let own = route(&world);
        names(&world, &own);
        // The same id with other targets, as no world has it: nothing of it is kept.
        let other = Route { targets: vec![own.targets[1]], ..own.clone() };
        assert_eq!(names(&world, &other)[0].0, "Trunk 2");
        let foreign = Route { tenant: TenantId(2), ..own.clone() };
        assert_eq!(names(&world, &foreign), names(&world, &own));
        assert_eq!(world.account(AccountId(9)).unwrap().name, "Account 9");
    }
}
