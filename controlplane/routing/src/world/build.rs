//! Rows to a world, all at once or one change after the other, by the same steps.

use super::{BuildError, Listener, Placed, Problem, RowName, World};
use crate::deck::Deck;
use crate::header::TrunkRules;
use crate::perimeter::Perimeter;
use crate::prefix::PrefixId;
use crate::rule::Rules;
use crate::settings::Settings;
use crate::tariff::TariffDeck;
use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;
use std::sync::Arc;
use strowger_model::{
    Account, Ban, CallerRule, Destination, Did, DidId, Digits, Emergency, ExchangeRate, Holiday,
    NumberList, Organization, PhonebookEntry, PriceRule, Rate, RingGroup, RingGroupId, Route, Rule,
    SettingId, SettingRow, Subscriber, Tariff, TariffId, TariffKind, Tenant, TenantId, Trunk,
    TrunkId, Zone,
};

/// All rows that decisions depend on.
#[derive(Clone, Debug, Default)]
pub struct Rows {
    /// The process's listeners, by index.
    pub listeners: Vec<Listener>,
    /// Which addresses calls may be sent to.
    pub perimeter: Perimeter,
    /// Tenants.
    pub tenants: Vec<Tenant>,
    /// Organizations.
    pub organizations: Vec<Organization>,
    /// Accounts.
    pub accounts: Vec<Account>,
    /// Subscribers.
    pub subscribers: Vec<Subscriber>,
    /// Trunks.
    pub trunks: Vec<Trunk>,
    /// Tariffs.
    pub tariffs: Vec<Tariff>,
    /// Price lines of all tariffs.
    pub rates: Vec<Rate>,
    /// Routes.
    pub routes: Vec<Route>,
    /// Names of directions.
    pub destinations: Vec<Destination>,
    /// Emergency numbers.
    pub emergencies: Vec<Emergency>,
    /// Ring groups.
    pub ring_groups: Vec<RingGroup>,
    /// Numbers of ours and where they lead.
    pub dids: Vec<Did>,
    /// Contacts of subscribers.
    pub phonebook: Vec<PhonebookEntry>,
    /// Networks that we do not talk to.
    pub bans: Vec<Ban>,
    /// Rules about callers.
    pub caller_rules: Vec<CallerRule>,
    /// Lists of numbers.
    pub number_lists: Vec<NumberList>,
    /// Rules about calls.
    pub rules: Vec<Rule>,
    /// Settings, wherever they are set.
    pub settings: Vec<SettingRow>,
    /// Holidays.
    pub holidays: Vec<Holiday>,
    /// Exchange rates.
    pub exchange_rates: Vec<ExchangeRate>,
    /// Rules about prices.
    pub price_rules: Vec<PriceRule>,
    /// Time zones of tenants by name, as far as the host knows them; the others are as UTC.
    pub zones: BTreeMap<String, Zone>,
    /// Addresses of the names in trunks, lower case, as far as they are resolved.
    pub names: BTreeMap<String, Vec<IpAddr>>,
}

/// One change of the rows.
#[derive(Clone, Debug)]
pub enum Change {
    /// Inserted or replaced.
    Tenant(Box<Tenant>),
    /// Inserted or replaced.
    Organization(Organization),
    /// Inserted or replaced.
    Account(Account),
    /// Inserted or replaced.
    Subscriber(Box<Subscriber>),
    /// Inserted or replaced.
    Trunk(Box<Trunk>),
    /// Inserted or replaced, with all its price lines.
    Tariff(Tariff, Vec<Rate>),
    /// All routes of a tenant.
    Routes(TenantId, Vec<Route>),
    /// All names of directions of a tenant.
    Destinations(TenantId, Vec<Destination>),
    /// All emergency numbers of a tenant.
    Emergencies(TenantId, Vec<Emergency>),
    /// Inserted or replaced.
    RingGroup(Box<RingGroup>),
    /// Inserted or replaced.
    Did(Did),
    /// Inserted or replaced.
    PhonebookEntry(PhonebookEntry),
    /// Inserted or replaced.
    Ban(Ban),
    /// All bans.
    Bans(Vec<Ban>),
    /// Inserted or replaced.
    CallerRule(CallerRule),
    /// Inserted or replaced.
    NumberList(NumberList),
    /// Inserted or replaced.
    Rule(Box<Rule>),
    /// Inserted or replaced.
    Setting(SettingRow),
    /// All holidays of a tenant.
    Holidays(TenantId, Vec<Holiday>),
    /// All exchange rates of a tenant.
    ExchangeRates(TenantId, Vec<ExchangeRate>),
    /// All rules about prices of a tenant.
    PriceRules(TenantId, Vec<PriceRule>),
    /// Deleted. What still refers to it is refused when it is used; rates, routes, destinations and
    /// emergency numbers are changed as whole lists and not here.
    Remove(RowName),
}

impl World {
    /// The world of these rows.
    ///
    /// # Errors
    /// [`BuildError`] names the first row that does not fit.
    pub fn build(rows: Rows) -> Result<World, BuildError> {
        World { version: 1, ..World::default() }.filled(rows, &BTreeMap::new())
    }

    /// The world of these rows, in which the price lines of the tariffs `kept` are those of this
    /// world: `rows` has none of them. A tariff that is kept must be here and be the same.
    ///
    /// # Errors
    /// As [`World::build`].
    pub fn rebuilt(&self, rows: Rows, kept: &BTreeSet<TariffId>) -> Result<World, BuildError> {
        let mut decks = BTreeMap::new();
        for id in kept {
            let name = RowName::Tariff(*id);
            let missing = || BuildError { row: name, problem: Problem::Missing(name) };
            decks.insert(*id, Arc::clone(self.tariffs.get(id).ok_or_else(missing)?));
        }
        let (dictionary, joint) = (Arc::clone(&self.dictionary), Arc::clone(&self.joint));
        let (ported, entries) = (Arc::clone(&self.ported), Arc::clone(&self.entries));
        let version = self.version + 1;
        World { version, dictionary, joint, ported, entries, ..World::default() }
            .filled(rows, &decks)
    }

    /// All tariffs in order of ids.
    pub fn tariffs(&self) -> impl Iterator<Item = &Tariff> {
        self.tariffs.values().map(|deck| deck.tariff())
    }

    fn filled(
        mut self,
        rows: Rows,
        kept: &BTreeMap<TariffId, Arc<TariffDeck>>,
    ) -> Result<World, BuildError> {
        self.perimeter = Arc::new(rows.perimeter.with_listeners(&rows.listeners));
        self.listeners = rows.listeners.into();
        self.names = Arc::new(rows.names.into());
        self.zones = Arc::new(rows.zones);
        self.settings = Arc::new(Settings::build(rows.settings));
        let mut world = self;
        world.intern(rows.rates.iter().map(|r| (RowName::Rate(r.id), r.prefix)))?;
        world.intern(prefixes_of(&rows.routes))?;
        world.intern(rows.destinations.iter().map(|d| (destination_name(d), d.prefix)))?;
        rows.tenants.into_iter().try_for_each(|row| world.put_tenant(row))?;
        world.put_organizations(rows.organizations)?;
        for (tenant, list) in by_key(rows.holidays, |holiday| holiday.tenant) {
            world.put_holidays(tenant, &list)?;
        }
        for (tenant, list) in by_key(rows.exchange_rates, |rate| rate.tenant) {
            world.put_exchange_rates(tenant, list)?;
        }
        world.leave_all_but(&rows.tariffs);
        let mut rates = by_key(rows.rates, |rate| rate.tariff);
        for tariff in rows.tariffs {
            if let Some(deck) = kept.get(&tariff.id) {
                world.keep_tariff(&tariff, deck)?;
                continue;
            }
            let own = rates.remove(&tariff.id).unwrap_or_default();
            world.put_tariff(tariff, &own)?;
        }
        if let Some(orphan) = rates.values().flatten().next() {
            let problem = Problem::Missing(RowName::Tariff(orphan.tariff));
            return Err(BuildError { row: RowName::Rate(orphan.id), problem });
        }
        rows.accounts.into_iter().try_for_each(|row| world.put_account(row))?;
        rows.subscribers.into_iter().try_for_each(|row| world.put_subscriber(row))?;
        rows.trunks.into_iter().try_for_each(|row| world.put_trunk(row))?;
        for (tenant, list) in by_key(rows.price_rules, |rule| rule.tenant) {
            world.put_price_rules(tenant, list)?;
        }
        rows.ring_groups.into_iter().try_for_each(|row| world.put_ring_group(row))?;
        rows.dids.into_iter().try_for_each(|row| world.put_did(row))?;
        rows.phonebook.into_iter().try_for_each(|row| world.put_phonebook_entry(row))?;
        world.put_bans(rows.bans)?;
        rows.caller_rules.into_iter().try_for_each(|row| world.put_caller_rule(row))?;
        rows.number_lists.into_iter().try_for_each(|row| world.put_number_list(row))?;
        world.put_rules(&rows.rules)?;
        for (tenant, routes) in by_key(rows.routes, |route| route.tenant) {
            world.put_routes(tenant, routes)?;
        }
        for (tenant, list) in by_key(rows.destinations, |destination| destination.tenant) {
            world.put_destinations(tenant, list)?;
        }
        for (tenant, list) in by_key(rows.emergencies, |emergency| emergency.tenant) {
            world.put_emergencies(tenant, list)?;
        }
        world.check_settings()?;
        world.resolve_sources();
        Ok(world)
    }

    /// This world after one change; parts that it does not touch are shared.
    ///
    /// # Errors
    /// [`BuildError`] when the changed row does not fit; this world stays in force.
    pub fn changed(&self, change: Change) -> Result<World, BuildError> {
        let mut next = self.clone();
        next.version += 1;
        let moves_sources = matches!(change, Change::Trunk(_) | Change::Remove(_));
        match change {
            Change::Tenant(row) => next.put_tenant(*row)?,
            Change::Organization(row) => {
                next.put_organizations(vec![row])?;
                next.scope_shorts();
            }
            Change::Account(row) => next.put_account(row)?,
            Change::Subscriber(row) => next.put_subscriber(*row)?,
            Change::Trunk(row) => next.put_trunk(*row)?,
            Change::Tariff(row, rates) => {
                next.intern(rates.iter().map(|r| (RowName::Rate(r.id), r.prefix)))?;
                next.put_tariff(row, &rates)?;
            }
            Change::Routes(tenant, routes) => {
                next.intern(prefixes_of(&routes))?;
                next.put_routes(tenant, routes)?;
            }
            Change::Destinations(tenant, list) => {
                next.intern(list.iter().map(|d| (destination_name(d), d.prefix)))?;
                next.put_destinations(tenant, list)?;
            }
            Change::Emergencies(tenant, list) => next.put_emergencies(tenant, list)?,
            Change::RingGroup(row) => next.put_ring_group(*row)?,
            Change::Did(row) => next.put_did(row)?,
            Change::PhonebookEntry(row) => next.put_phonebook_entry(row)?,
            Change::Ban(row) => {
                let mut all = next.bans.to_vec();
                all.retain(|ban| ban.id != row.id);
                all.push(row);
                next.put_bans(all)?;
            }
            Change::Bans(list) => next.put_bans(list)?,
            Change::CallerRule(row) => next.put_caller_rule(row)?,
            Change::NumberList(row) => next.put_number_list(row)?,
            Change::Rule(row) => next.put_rules(&[*row])?,
            Change::Setting(row) => next.put_setting(row)?,
            Change::Holidays(tenant, list) => next.put_holidays(tenant, &list)?,
            Change::ExchangeRates(tenant, list) => next.put_exchange_rates(tenant, list)?,
            Change::PriceRules(tenant, list) => next.put_price_rules(tenant, list)?,
            Change::Remove(row) => next.remove(row),
        }
        if moves_sources {
            next.resolve_sources();
        }
        Ok(next)
    }

    /// Takes the prefixes of rows into the dictionary.
    fn intern(
        &mut self,
        rows: impl Iterator<Item = (RowName, Digits)> + Clone,
    ) -> Result<(), BuildError> {
        let unknown = rows.clone().find(|(_, prefix)| self.dictionary.id(prefix).is_none());
        let Some((row, _)) = unknown else { return Ok(()) };
        let dictionary = self
            .dictionary
            .extended(rows.map(|(_, prefix)| prefix))
            .map_err(|_| BuildError { row, problem: Problem::DictionaryFull })?;
        self.dictionary = Arc::new(dictionary);
        Ok(())
    }

    fn put_tenant(&mut self, row: Tenant) -> Result<(), BuildError> {
        self.check_tenant(&row)?;
        self.remove_tenant_names(row.id);
        let realms = Arc::make_mut(&mut self.realms);
        realms.insert(row.realm.clone(), row.id);
        let hosts = Arc::make_mut(&mut self.hosts);
        for host in row.domains.iter().chain([&row.realm]) {
            hosts.insert(host.to_ascii_lowercase(), row.id);
        }
        Arc::make_mut(&mut self.tenants).insert(row.id, row);
        Ok(())
    }

    fn remove_tenant_names(&mut self, id: TenantId) {
        Arc::make_mut(&mut self.realms).retain(|_, tenant| *tenant != id);
        Arc::make_mut(&mut self.hosts).retain(|_, tenant| *tenant != id);
    }

    /// Inserts first and checks then: a child may stand before its parent.
    fn put_organizations(&mut self, rows: Vec<Organization>) -> Result<(), BuildError> {
        let all = Arc::make_mut(&mut self.organizations);
        for row in &rows {
            all.insert(row.id, row.clone());
        }
        rows.iter().try_for_each(|row| self.check_organization(row))
    }

    fn put_tariff(&mut self, row: Tariff, rates: &[Rate]) -> Result<(), BuildError> {
        self.check_tariff(&row, rates)?;
        let deck = TariffDeck::build(row, rates, &self.dictionary);
        self.leave(deck.tariff().id, deck.tariff().kind);
        self.join(&deck);
        Arc::make_mut(&mut self.tariffs).insert(deck.tariff().id, Arc::new(deck));
        Ok(())
    }

    /// Takes a supplier's deck into the joint index.
    fn join(&mut self, deck: &TariffDeck) {
        let Tariff { id, kind, .. } = *deck.tariff();
        if kind == TariffKind::Supplier && self.joint.has_room(id) {
            deck.join(Arc::make_mut(&mut self.joint));
        }
    }

    /// Takes a tariff that is no supplier's, or is gone, out of the joint index.
    fn leave(&mut self, id: TariffId, kind: TariffKind) {
        if kind != TariffKind::Supplier && self.joint.place(id).is_some() {
            Arc::make_mut(&mut self.joint).retain(|other| other != id);
        }
    }

    /// Of tariffs that are not there any more nothing stays in the joint index.
    fn leave_all_but(&mut self, tariffs: &[Tariff]) {
        let ids: BTreeSet<TariffId> = tariffs.iter().map(|row| row.id).collect();
        if !self.joint.is_within(|id| ids.contains(&id)) {
            Arc::make_mut(&mut self.joint).retain(|id| ids.contains(&id));
        }
    }

    /// Takes a list over whose lines have been checked.
    fn keep_tariff(&mut self, row: &Tariff, deck: &Arc<TariffDeck>) -> Result<(), BuildError> {
        self.check_tariff(row, &[])?;
        if deck.tariff() != row {
            let row = RowName::Tariff(row.id);
            return Err(BuildError {
                row,
                problem: Problem::Mismatch { field: "row", other: row },
            });
        }
        // The index came over with the decks.
        if self.joint.place(row.id).is_none() {
            self.join(deck);
        }
        Arc::make_mut(&mut self.tariffs).insert(row.id, Arc::clone(deck));
        Ok(())
    }

    fn put_account(&mut self, row: Account) -> Result<(), BuildError> {
        self.check_account(&row)?;
        self.put_reseller(&row);
        let profile = self.settings.account(row.tenant, row.id);
        let (id, row) = (row.id, Arc::new(row));
        Arc::make_mut(&mut self.accounts).insert(id, Placed { row, profile });
        Ok(())
    }

    /// The number of a subscriber's profile, which may be a new one.
    fn profile_of(&mut self, row: &Subscriber) -> crate::settings::ProfileId {
        match self.settings.subscriber(row.tenant, row.account, row.id) {
            Ok(profile) => profile,
            Err(unplaced) => Arc::make_mut(&mut self.settings).place(unplaced),
        }
    }

    fn put_setting(&mut self, row: SettingRow) -> Result<(), BuildError> {
        self.check_setting(&row)?;
        let id = row.id;
        let others = self.settings.rows().filter(|other| other.id != id).cloned();
        let rows = others.chain([row]).collect();
        self.set_settings(rows);
        Ok(())
    }

    fn remove_setting(&mut self, id: SettingId) {
        let rows = self.settings.rows().filter(|row| row.id != id).cloned().collect();
        self.set_settings(rows);
    }

    /// Other settings, and the rows that have other profiles by them.
    fn set_settings(&mut self, rows: Vec<SettingRow>) {
        self.settings = Arc::new(Settings::build(rows));
        let accounts: Vec<_> = self.accounts.iter().map(|(_, placed)| placed.clone()).collect();
        for Placed { row, profile: old } in accounts {
            let profile = self.settings.account(row.tenant, row.id);
            if profile != old {
                Arc::make_mut(&mut self.accounts).insert(row.id, Placed { row, profile });
            }
        }
        let all: Vec<_> = self.subscribers.iter().map(|(_, placed)| placed.clone()).collect();
        for Placed { row, profile: old } in all {
            let profile = self.profile_of(&row);
            if profile != old {
                Arc::make_mut(&mut self.subscribers).insert(row.id, Placed { row, profile });
            }
        }
    }

    fn put_subscriber(&mut self, row: Subscriber) -> Result<(), BuildError> {
        self.check_subscriber(&row)?;
        let claims = self.claims_of_subscriber(&row);
        self.check_claims(&claims)?;
        self.remove_subscriber(row.id);
        self.claim(claims);
        let profile = self.profile_of(&row);
        let (id, row) = (row.id, Arc::new(row));
        Arc::make_mut(&mut self.subscribers).insert(id, Placed { row, profile });
        Ok(())
    }

    fn remove_subscriber(&mut self, id: strowger_model::SubscriberId) {
        let Some(old) = self.subscribers.get(&id).cloned() else { return };
        let claims = self.claims_of_subscriber(&old.row);
        self.give_up(&claims);
        Arc::make_mut(&mut self.subscribers).remove(&id);
    }

    fn put_ring_group(&mut self, row: RingGroup) -> Result<(), BuildError> {
        self.check_ring_group(&row)?;
        let claims = self.claims_of_group(&row);
        self.check_claims(&claims)?;
        self.remove_ring_group(row.id);
        self.claim(claims);
        Arc::make_mut(&mut self.groups).insert(row.id, Arc::new(row));
        Ok(())
    }

    fn remove_ring_group(&mut self, id: RingGroupId) {
        let Some(old) = self.groups.get(&id).cloned() else { return };
        let claims = self.claims_of_group(&old);
        self.give_up(&claims);
        Arc::make_mut(&mut self.groups).remove(&id);
    }

    fn put_did(&mut self, row: Did) -> Result<(), BuildError> {
        self.check_did(&row)?;
        let claims = World::claims_of_did(&row);
        self.check_claims(&claims)?;
        self.remove_did(row.id);
        self.claim(claims);
        self.share(&row);
        Arc::make_mut(&mut self.dids).insert(row.id, Arc::new(row));
        Ok(())
    }

    fn remove_did(&mut self, id: DidId) {
        let Some(old) = self.dids.get(&id).cloned() else { return };
        self.give_up(&World::claims_of_did(&old));
        self.unshare(&old);
        Arc::make_mut(&mut self.dids).remove(&id);
    }

    fn put_bans(&mut self, rows: Vec<Ban>) -> Result<(), BuildError> {
        rows.iter().try_for_each(super::check::ban)?;
        self.bans = rows.into();
        Ok(())
    }

    fn put_caller_rule(&mut self, row: CallerRule) -> Result<(), BuildError> {
        self.check_caller_rule(&row)?;
        Arc::make_mut(&mut self.callers).put(row);
        Ok(())
    }

    fn put_number_list(&mut self, row: NumberList) -> Result<(), BuildError> {
        self.check_number_list(&row)?;
        Arc::make_mut(&mut self.lists).put(row);
        Ok(())
    }

    fn put_rules(&mut self, rows: &[Rule]) -> Result<(), BuildError> {
        if rows.is_empty() {
            return Ok(());
        }
        let mut rules = Rules::clone(&self.rules);
        let mut tenants = BTreeSet::new();
        for row in rows {
            let name = RowName::Rule(row.id);
            self.check_same_tenant(name, row.tenant, row.tenant)?;
            let wrong = |bad| BuildError { row: name, problem: Problem::Rule(bad) };
            rules.put(row).map_err(wrong)?;
            tenants.insert(row.tenant);
        }
        rules.index(&tenants);
        self.rules = Arc::new(rules);
        Ok(())
    }

    fn put_trunk(&mut self, row: Trunk) -> Result<(), BuildError> {
        self.check_trunk(&row)?;
        let rules = TrunkRules::of(&row).map_err(|(at, wrong)| {
            let problem = Problem::HeaderRule { at, wrong };
            BuildError { row: RowName::Trunk(row.id), problem }
        })?;
        let claims = World::claims_of_trunk(&row);
        self.check_claims(&claims)?;
        self.remove_trunk(row.id);
        self.claim(claims);
        let sources = Arc::make_mut(&mut self.sources);
        for source in super::check::sources(&row) {
            sources.insert(source, row.id);
        }
        if let Some(rules) = rules {
            Arc::make_mut(&mut self.header_rules).insert(row.id, Arc::new(rules));
        }
        Arc::make_mut(&mut self.trunks).insert(row.id, Arc::new(row));
        Ok(())
    }

    fn remove_trunk(&mut self, id: TrunkId) {
        let Some(old) = Arc::make_mut(&mut self.trunks).remove(&id) else { return };
        if self.header_rules.contains_key(&id) {
            Arc::make_mut(&mut self.header_rules).remove(&id);
        }
        self.give_up(&World::claims_of_trunk(&old));
        let own = super::check::sources(&old);
        let sources = Arc::make_mut(&mut self.sources);
        for source in own {
            if sources.get(&source) == Some(&id) {
                sources.remove(&source);
            }
        }
    }

    fn put_routes(&mut self, tenant: TenantId, rows: Vec<Route>) -> Result<(), BuildError> {
        rows.iter().try_for_each(|row| self.check_route(tenant, row))?;
        let mut grouped: BTreeMap<PrefixId, Vec<Arc<Route>>> = BTreeMap::new();
        for row in rows.into_iter().map(Arc::new) {
            let prefixes = [&row.prefix].into_iter().chain(&row.more_prefixes);
            for prefix in prefixes.filter_map(|prefix| self.dictionary.id(prefix)) {
                grouped.entry(prefix).or_default().push(Arc::clone(&row));
            }
        }
        for list in grouped.values_mut() {
            list.sort_by_key(|route| (core::cmp::Reverse(route.priority), route.id));
            list.dedup_by_key(|route| route.id);
        }
        let deck = Arc::new(Deck::build(grouped));
        Arc::make_mut(&mut self.routes).insert(tenant, deck);
        Ok(())
    }

    fn put_destinations(
        &mut self,
        tenant: TenantId,
        rows: Vec<Destination>,
    ) -> Result<(), BuildError> {
        for row in &rows {
            self.check_same_tenant(destination_name(row), tenant, row.tenant)?;
        }
        let known = |row: Destination| Some((self.dictionary.id(&row.prefix)?, row));
        let deck = Deck::build(rows.into_iter().filter_map(known));
        Arc::make_mut(&mut self.destinations).insert(tenant, Arc::new(deck));
        Ok(())
    }

    fn put_emergencies(&mut self, of: TenantId, rows: Vec<Emergency>) -> Result<(), BuildError> {
        rows.iter().try_for_each(|row| self.check_emergency(of, row))?;
        let all = Arc::make_mut(&mut self.emergencies);
        all.retain(|(tenant, _), _| *tenant != of);
        all.extend(rows.into_iter().map(|row| ((of, row.number), row.trunks)));
        Ok(())
    }

    fn remove(&mut self, row: RowName) {
        match row {
            RowName::Tenant(id) => {
                self.remove_tenant_names(id);
                Arc::make_mut(&mut self.tenants).remove(&id);
                Arc::make_mut(&mut self.routes).remove(&id);
                Arc::make_mut(&mut self.destinations).remove(&id);
                Arc::make_mut(&mut self.holidays).remove(&id);
                Arc::make_mut(&mut self.exchange_rates).remove(&id);
                Arc::make_mut(&mut self.price_rules).remove(&id);
                Arc::make_mut(&mut self.emergencies).retain(|(tenant, _), _| *tenant != id);
            }
            RowName::Organization(id) => {
                Arc::make_mut(&mut self.organizations).remove(&id);
            }
            RowName::Account(id) => {
                self.forget_reseller(id);
                Arc::make_mut(&mut self.accounts).remove(&id);
            }
            RowName::Subscriber(id) => self.remove_subscriber(id),
            RowName::Trunk(id) => self.remove_trunk(id),
            RowName::Tariff(id) => {
                self.leave(id, TariffKind::Customer);
                Arc::make_mut(&mut self.tariffs).remove(&id);
            }
            RowName::RingGroup(id) => self.remove_ring_group(id),
            RowName::Did(id) => self.remove_did(id),
            RowName::PhonebookEntry(id) => self.remove_phonebook_entry(id),
            RowName::Ban(id) => {
                self.bans = self.bans.iter().filter(|ban| ban.id != id).cloned().collect();
            }
            RowName::CallerRule(id) => Arc::make_mut(&mut self.callers).remove(id),
            RowName::NumberList(id) => Arc::make_mut(&mut self.lists).remove(id),
            RowName::Rule(id) => Arc::make_mut(&mut self.rules).remove(id),
            RowName::Setting(id) => self.remove_setting(id),
            RowName::Rate(_)
            | RowName::Holiday(_)
            | RowName::ExchangeRate(_)
            | RowName::PriceRule(_)
            | RowName::Route(_)
            | RowName::Destination(..)
            | RowName::Emergency(..) => {}
        }
    }
}

pub(super) const fn destination_name(row: &Destination) -> RowName {
    RowName::Destination(row.tenant, row.prefix)
}

fn prefixes_of(routes: &[Route]) -> impl Iterator<Item = (RowName, Digits)> + Clone {
    routes.iter().flat_map(|route| {
        let all = [&route.prefix].into_iter().chain(&route.more_prefixes);
        all.map(|prefix| (RowName::Route(route.id), *prefix))
    })
}

fn by_key<K: Ord, T>(rows: Vec<T>, key: impl Fn(&T) -> K) -> BTreeMap<K, Vec<T>> {
    let mut groups: BTreeMap<K, Vec<T>> = BTreeMap::new();
    for row in rows {
        groups.entry(key(&row)).or_default().push(row);
    }
    groups
}
