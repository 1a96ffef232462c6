//! The world a decision sees: all rows, checked and indexed, at one moment (design of control, 8).
//!
//! Immutable. [`World::build`] makes the first from rows, [`World::changed`] the next from one
//! change; they share every part that the change does not touch, so a decider reads one root and
//! never waits, and a change costs what it changes.

mod build;
mod check;
mod number;
mod price;
mod problem;
mod shared;
mod supplier;
mod worth;

pub use number::Holder;

pub use build::{Change, Rows};
pub use check::check_rate;
pub use problem::{BuildError, Problem, RowName};
pub(crate) use shared::LOOKED_UP_MAX;
pub(crate) use supplier::{Bidders, Supplied, Suppliers};
pub(crate) use worth::{NoTerms, Priced};

use crate::caller::CallerRules;
use crate::deck::Deck;
use crate::header::TrunkRules;
use crate::joint::JointIndex;
use crate::limits::{GUEST_TRUNKS_MAX, ORGANIZATION_DEPTH_MAX};
use crate::list::{ListEntries, NumberLists};
use crate::login::Logins;
use crate::names::Names;
use crate::page::PageMap;
use crate::perimeter::Perimeter;
use crate::prefix::{Chain, Dictionary};
use crate::rule::Rules;
use crate::settings::{ProfileId, Settings};
use crate::tariff::TariffDeck;
use crate::trace::{RowNames, Thing};
use core::cmp::Reverse;
use shared::Phonebook;
use std::collections::{BTreeMap, BTreeSet};
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use strowger_link::Transport;
use strowger_model::{
    Account, AccountId, Ban, Destination, Did, DidId, Digits, ExchangeRate, Guests, Holidays,
    Ingress, IngressAuth, NUMBER_KINDS, NumberListId, Organization, OrganizationId, PriceRuleId,
    Profile, RingGroup, RingGroupId, Route, RuleId, SourceMatch, Subscriber, SubscriberId,
    TariffId, Tenant, TenantId, Trunk, TrunkId, Zone,
};
use strowger_numbering::Ported;

/// Routes of one prefix each.
type RouteDeck = Deck<Vec<Arc<Route>>>;

/// All configuration that decisions read, at one moment.
#[derive(Clone, Debug, Default)]
pub struct World {
    version: u64,
    listeners: Arc<[Listener]>,
    perimeter: Arc<Perimeter>,
    tenants: Arc<BTreeMap<TenantId, Tenant>>,
    realms: Arc<BTreeMap<String, TenantId>>,
    hosts: Arc<BTreeMap<String, TenantId>>,
    organizations: Arc<PageMap<OrganizationId, Organization>>,
    accounts: Arc<PageMap<AccountId, Placed<Account>>>,
    subscribers: Arc<PageMap<SubscriberId, Placed<Subscriber>>>,
    settings: Arc<Settings>,
    groups: Arc<PageMap<RingGroupId, Arc<RingGroup>>>,
    dids: Arc<PageMap<DidId, Arc<Did>>>,
    /// Shared DIDs, and contacts of subscribers.
    phonebook: Arc<Phonebook>,
    usernames: Arc<PageMap<(TenantId, String), Holder>>,
    numbers: Arc<PageMap<(TenantId, Digits), Holder>>,
    shorts: Arc<PageMap<(OrganizationId, Digits), Holder>>,
    trunks: Arc<PageMap<TrunkId, Arc<Trunk>>>,
    /// Of the trunks that have some.
    header_rules: Arc<BTreeMap<TrunkId, Arc<TrunkRules>>>,
    sources: Arc<PageMap<Source, TrunkId>>,
    bans: Arc<[Ban]>,
    callers: Arc<CallerRules>,
    rules: Arc<Rules>,
    ported: Arc<Ported>,
    lists: Arc<NumberLists>,
    entries: Arc<ListEntries>,
    dictionary: Arc<Dictionary>,
    tariffs: Arc<BTreeMap<TariffId, Arc<TariffDeck>>>,
    /// Of suppliers' tariffs.
    joint: Arc<JointIndex>,
    routes: Arc<BTreeMap<TenantId, Arc<RouteDeck>>>,
    destinations: Arc<BTreeMap<TenantId, Arc<Deck<Destination>>>>,
    emergencies: Arc<BTreeMap<(TenantId, Digits), Vec<TrunkId>>>,
    /// Time zones by name, as far as the host knows them.
    zones: Arc<BTreeMap<String, Zone>>,
    holidays: Arc<BTreeMap<TenantId, Holidays>>,
    /// Of each tenant in order of currency and time.
    exchange_rates: Arc<BTreeMap<TenantId, Vec<ExchangeRate>>>,
    /// Of each tenant in the order in which they are asked.
    price_rules: Arc<BTreeMap<TenantId, price::PriceRules>>,
    /// The account that pays for the calls of an organization and those below it.
    resellers: Arc<BTreeMap<OrganizationId, AccountId>>,
    /// Those of them that pay when they hand credit out.
    early: Arc<BTreeSet<AccountId>>,
    logins: Arc<Logins>,
    names: Arc<Names>,
    /// What tells senders apart beside `sources`: addresses of names, and of registrars that we are
    /// registered at.
    resolved: Arc<BTreeMap<Source, TrunkId>>,
    /// Bit n: some trunk has a tech prefix of n digits.
    tech_prefixes: u64,
    /// Trunks that guests call as, those with the longest tech prefix first, then those that want
    /// certain users.
    guests: Arc<[TrunkId]>,
    /// Of this world alone: another one has its own.
    suppliers: supplier::Kept,
}

/// A row with the number of the profile that its settings make.
#[derive(Clone, Debug)]
struct Placed<T> {
    row: Arc<T>,
    profile: ProfileId,
}

/// A place where calls come in and leave by.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Listener {
    /// Its transport.
    pub transport: Transport,
    /// The address that peers are told; its own is of the same family.
    pub address: SocketAddr,
    /// What becomes there of calls of strangers without credentials.
    pub guests: Guests,
}

impl Listener {
    /// A listener of this transport that peers are told this address of.
    #[must_use]
    pub fn new(transport: strowger_model::Transport, address: SocketAddr) -> Listener {
        let transport = crate::location::wire_transport(transport);
        Listener { transport, address, guests: Guests::Challenge }
    }

    /// Whether calls of this transport go by it.
    #[must_use]
    pub fn carries(&self, transport: strowger_model::Transport) -> bool {
        self.transport == crate::location::wire_transport(transport)
    }
}

/// What tells one sender from another: network, its length, port, tech prefix.
type Source = (IpAddr, u8, u16, Option<Digits>);

impl World {
    /// Counts changes; stands in each settlement.
    #[must_use]
    pub const fn version(&self) -> u64 {
        self.version
    }

    /// Which addresses calls may be sent to.
    #[must_use]
    pub fn perimeter(&self) -> &Perimeter {
        &self.perimeter
    }

    /// A tenant.
    #[must_use]
    pub fn tenant(&self, id: TenantId) -> Option<&Tenant> {
        self.tenants.get(&id)
    }

    /// All tenants in order of ids.
    pub fn tenants(&self) -> impl Iterator<Item = &Tenant> {
        self.tenants.values()
    }

    /// The tenant whose digest realm this is.
    #[must_use]
    pub fn tenant_of_realm(&self, realm: &str) -> Option<&Tenant> {
        self.tenant(*self.realms.get(realm)?)
    }

    /// The tenant that a host name belongs to: its realm or one of its domains, whatever the case.
    #[must_use]
    pub fn tenant_of_host(&self, host: &str) -> Option<&Tenant> {
        self.tenant(*self.hosts.get(&host.to_ascii_lowercase())?)
    }

    /// An organization.
    #[must_use]
    pub fn organization(&self, id: OrganizationId) -> Option<&Organization> {
        self.organizations.get(&id)
    }

    /// Whether an organization is another one, or one below it.
    #[must_use]
    pub fn is_within(&self, own: OrganizationId, wanted: OrganizationId) -> bool {
        let parent = |id: &OrganizationId| self.organization(*id)?.parent;
        let line = core::iter::successors(Some(own), parent).take(ORGANIZATION_DEPTH_MAX + 1);
        line.into_iter().any(|id| id == wanted)
    }

    /// An account.
    #[must_use]
    pub fn account(&self, id: AccountId) -> Option<&Account> {
        self.accounts.get(&id).map(|placed| placed.row.as_ref())
    }

    /// All accounts in order of ids.
    pub fn accounts(&self) -> impl Iterator<Item = &Account> {
        self.accounts.iter().map(|(_, placed)| placed.row.as_ref())
    }

    /// An account and the settings that count for it.
    pub(crate) fn account_with_settings(&self, id: AccountId) -> Option<(&Account, &Profile)> {
        let placed = self.accounts.get(&id)?;
        Some((placed.row.as_ref(), self.settings.profile(placed.profile)))
    }

    /// A subscriber.
    #[must_use]
    pub fn subscriber(&self, id: SubscriberId) -> Option<&Subscriber> {
        self.subscribers.get(&id).map(|placed| placed.row.as_ref())
    }

    /// All settings.
    #[must_use]
    pub fn settings(&self) -> &Settings {
        &self.settings
    }

    /// The settings that count for an account: for its trunks, too.
    #[must_use]
    pub fn account_settings(&self, id: AccountId) -> &Profile {
        let placed = self.accounts.get(&id);
        self.settings.profile(placed.map_or(crate::settings::SYSTEM, |placed| placed.profile))
    }

    /// The settings that count for a subscriber.
    #[must_use]
    pub fn subscriber_settings(&self, id: SubscriberId) -> &Profile {
        let placed = self.subscribers.get(&id);
        self.settings.profile(placed.map_or(crate::settings::SYSTEM, |placed| placed.profile))
    }

    /// A trunk.
    #[must_use]
    pub fn trunk(&self, id: TrunkId) -> Option<&Trunk> {
        self.trunks.get(&id).map(Arc::as_ref)
    }

    /// Whether any trunk has rules about header fields.
    pub(crate) fn has_header_rules(&self) -> bool {
        !self.header_rules.is_empty()
    }

    /// The rules about header fields of a trunk's calls, if it has some.
    pub(crate) fn header_rules(&self, id: TrunkId) -> Option<&TrunkRules> {
        self.header_rules.get(&id).map(Arc::as_ref)
    }

    /// The process's listeners, in the order of `sip.listen`.
    #[must_use]
    pub fn listeners(&self) -> &[Listener] {
        &self.listeners
    }

    /// All trunks in order of ids.
    pub fn trunks(&self) -> impl Iterator<Item = &Trunk> {
        self.trunks.iter().map(|(_, trunk)| trunk.as_ref())
    }

    /// The trunk that a call from `source` comes from: the one that the edge named, or one of the
    /// same source whose tech prefix the called number carries (spec AUTH-MODE-01, 3), the longest
    /// first. `None` when the named trunk does not send from there.
    #[must_use]
    pub fn sending_trunk(
        &self,
        named: TrunkId,
        source: SocketAddr,
        called: &str,
    ) -> Option<&Trunk> {
        // Whoever is called by a contact that we registered knows it from our registrar.
        let login = self.login_called(source, called).map(|login| login.row.trunk);
        if let Some(trunk) = login.and_then(|id| self.trunk(id)).filter(|t| t.ingress.is_some()) {
            return Some(trunk);
        }
        let trunk = self.trunk(named)?;
        let is_own = |ingress: &Ingress| ingress.sources.iter().any(|m| m.matches(source));
        // Where nobody has a tech prefix, a source that a row names is one trunk's.
        if self.tech_prefixes == 0 && trunk.ingress.as_ref().is_some_and(is_own) {
            return Some(trunk);
        }
        let ours = self.trunk_sources(trunk);
        let m = ours.iter().find(|m| m.matches(source))?;
        let key = |prefix| (m.network.to_canonical(), m.prefix_len, m.port, prefix);
        let longest = called.len().min(strowger_model::NUMBER_MAX);
        // Of lengths that no trunk's tech prefix has, none is looked for.
        let lengths = (1..=longest).rev().filter(|len| self.tech_prefixes >> len & 1 == 1);
        let prefixes = lengths.filter_map(|len| Digits::parse(called.get(..len)?).ok());
        let id = prefixes
            .map(Some)
            .chain([None])
            .find_map(|prefix| {
                let key = key(prefix);
                self.sources.get(&key).or_else(|| self.resolved.get(&key))
            })
            .unwrap_or(&named);
        self.trunk(*id)
    }

    /// Trunks that take calls of guests, those that are asked first in front.
    pub fn guest_trunks(&self) -> impl Iterator<Item = &Trunk> {
        self.guests.iter().filter_map(|id| self.trunk(*id))
    }

    /// Trunks by which everybody may call more than DIDs, with neither address, credentials, tech
    /// prefix nor user: where a listener takes such calls (the source's mode 0).
    pub fn open_trunks(&self) -> impl Iterator<Item = &Trunk> {
        self.guest_trunks().filter(|trunk| {
            let Some(ingress) = &trunk.ingress else { return false };
            let is_named = ingress.tech_prefix.is_some() || !ingress.users.is_empty();
            let comes = |at: usize| {
                let at = u8::try_from(at).unwrap_or(u8::MAX);
                ingress.listeners.is_empty() || ingress.listeners.contains(&at)
            };
            let mut listeners = self.listeners.iter().enumerate();
            !is_named && listeners.any(|(at, one)| one.guests == Guests::Account && comes(at))
        })
    }

    /// Where calls of a trunk come from: its sources, the addresses of its hosts, and those of the
    /// registrars where we are registered for it.
    #[must_use]
    pub fn trunk_sources(&self, trunk: &Trunk) -> Vec<SourceMatch> {
        let Some(ingress) = &trunk.ingress else { return Vec::new() };
        let host = |ip: IpAddr, port| {
            let prefix_len = if ip.is_ipv4() { 32 } else { 128 };
            SourceMatch { network: ip.to_canonical(), prefix_len, port }
        };
        let hosts = ingress.hosts.iter().flat_map(|named| {
            let addresses = self.names.addresses(&named.name);
            addresses.into_iter().map(move |ip| host(ip, named.port))
        });
        let logins = self.logins(trunk.id).iter().filter(|login| login.row.register);
        let registrars = logins.flat_map(|login| self.registrar_addresses(login));
        let registrars = registrars.map(|address| host(address.ip(), address.port()));
        ingress.sources.iter().copied().chain(hosts).chain(registrars).collect()
    }

    /// This world with other logins.
    #[must_use]
    pub fn with_logins(&self, logins: Logins) -> World {
        let mut next = World { logins: Arc::new(logins), ..self.clone() };
        next.version += 1;
        next.resolve_sources();
        next
    }

    /// This world with other addresses of names.
    #[must_use]
    pub fn with_names(&self, names: Arc<Names>) -> World {
        let mut next = World { names, ..self.clone() };
        next.version += 1;
        next.resolve_sources();
        next
    }

    /// The addresses of names.
    #[must_use]
    pub fn names(&self) -> &Names {
        &self.names
    }

    pub(crate) fn all_logins(&self) -> &Logins {
        &self.logins
    }

    /// Makes the index of sources that no row names by address. The trunk with the smaller id has
    /// a source that several resolve to; a row's own address goes before all.
    fn resolve_sources(&mut self) {
        let mut resolved = BTreeMap::new();
        let mut tech_prefixes = 0;
        let mut guests = Vec::new();
        for trunk in self.trunks() {
            let Some(ingress) = &trunk.ingress else { continue };
            if ingress.auth == IngressAuth::Nobody && trunk.enabled {
                let digits = ingress.tech_prefix.map_or(0, |prefix| prefix.len());
                guests.push((Reverse(digits), ingress.users.is_empty(), trunk.id));
            }
            tech_prefixes |= ingress.tech_prefix.map_or(0, |prefix| 1u64 << prefix.len());
            for m in self.trunk_sources(trunk) {
                let key = (m.network.to_canonical(), m.prefix_len, m.port, ingress.tech_prefix);
                if self.sources.get(&key).is_none() {
                    resolved.entry(key).or_insert(trunk.id);
                }
            }
        }
        self.resolved = Arc::new(resolved);
        self.tech_prefixes = tech_prefixes;
        guests.sort_unstable();
        self.guests = guests.into_iter().map(|(.., id)| id).take(GUEST_TRUNKS_MAX).collect();
    }

    /// All bans, as they were made.
    #[must_use]
    pub fn bans(&self) -> &[Ban] {
        &self.bans
    }

    /// Who may call, beside what settings say.
    #[must_use]
    pub fn callers(&self) -> &CallerRules {
        &self.callers
    }

    /// Rules about calls.
    #[must_use]
    pub fn rules(&self) -> &Rules {
        &self.rules
    }

    /// Numbers that moved to other operators.
    #[must_use]
    pub fn ported(&self) -> &Ported {
        &self.ported
    }

    /// This world with another table of ported numbers.
    #[must_use]
    pub fn with_ported(&self, ported: Arc<Ported>) -> World {
        let mut next = World { ported, ..self.clone() };
        next.version += 1;
        next
    }

    /// Lists of numbers.
    #[must_use]
    pub fn lists(&self) -> &NumberLists {
        &self.lists
    }

    /// What stands on them.
    pub(crate) fn list_entries(&self) -> &ListEntries {
        &self.entries
    }

    /// This world with other entries of lists.
    #[must_use]
    pub fn with_list_entries(&self, entries: Arc<ListEntries>) -> World {
        let mut next = World { entries, ..self.clone() };
        next.version += 1;
        next
    }

    /// The dictionary of all prefixes.
    #[must_use]
    pub fn dictionary(&self) -> &Dictionary {
        &self.dictionary
    }

    /// The ids of all known prefixes of `number`: one walk for all decks.
    #[must_use]
    pub fn chain(&self, number: &Digits) -> Chain {
        self.dictionary.chain(number)
    }

    /// A tariff and its price lines.
    #[must_use]
    pub fn tariff(&self, id: TariffId) -> Option<&TariffDeck> {
        self.tariffs.get(&id).map(Arc::as_ref)
    }

    /// Which suppliers' decks have which prefix.
    pub(crate) fn joint(&self) -> &JointIndex {
        &self.joint
    }

    /// How many price lines all tariffs have.
    #[must_use]
    pub fn deck_rows(&self) -> usize {
        self.tariffs.values().map(|deck| deck.len()).sum()
    }

    /// Memory that these take with the dictionary of their prefixes, bytes.
    #[must_use]
    pub fn deck_bytes(&self) -> usize {
        let decks: usize = self.tariffs.values().map(|deck| deck.bytes()).sum();
        decks + self.dictionary.bytes() + self.joint.bytes()
    }

    /// The routes for a number, best first: larger priority, then longer prefix, then older row.
    #[must_use]
    pub fn routes(&self, tenant: TenantId, chain: &Chain) -> Vec<&Route> {
        let Some(deck) = self.routes.get(&tenant) else { return Vec::new() };
        let routes = deck.matches(chain).flat_map(|(_, routes)| routes);
        let mut found: Vec<&Route> = Vec::new();
        for route in routes.map(Arc::as_ref) {
            // One that has several prefixes of the number counts by the longest.
            if found.iter().all(|known| known.id != route.id) {
                found.push(route);
            }
        }
        // Routes come longest prefix first; a stable sort keeps that among equals.
        found.sort_by_key(|route| Reverse(route.priority));
        found
    }

    /// All routes of a tenant; one that has several prefixes stands there as often.
    pub fn routes_of(&self, tenant: TenantId) -> impl Iterator<Item = &Route> {
        let decks = self.routes.get(&tenant).into_iter();
        decks.flat_map(|deck| deck.rows().iter().flatten().map(Arc::as_ref))
    }

    /// The name of the direction a number belongs to.
    #[must_use]
    pub fn destination(&self, tenant: TenantId, chain: &Chain) -> Option<&Destination> {
        self.destinations.get(&tenant)?.matches(chain).next().map(|(_, destination)| destination)
    }

    /// Where an emergency number goes; `None` when it is none.
    #[must_use]
    pub fn emergency(&self, tenant: TenantId, number: Digits) -> Option<&[TrunkId]> {
        self.emergencies.get(&(tenant, number)).map(Vec::as_slice)
    }

    /// All ring groups in order of ids.
    pub fn ring_groups(&self) -> impl Iterator<Item = &RingGroup> {
        self.groups.iter().map(|(_, group)| group.as_ref())
    }

    /// All subscribers in order of ids.
    pub fn subscribers(&self) -> impl Iterator<Item = &Subscriber> {
        self.subscribers.iter().map(|(_, placed)| placed.row.as_ref())
    }

    /// All emergency numbers of a tenant.
    pub fn emergencies(&self, of: TenantId) -> impl Iterator<Item = (&Digits, &[TrunkId])> {
        self.emergencies
            .iter()
            .filter(move |((tenant, _), _)| *tenant == of)
            .map(|((_, number), trunks)| (number, trunks.as_slice()))
    }

    /// A listener by its index.
    #[must_use]
    pub fn listener_at(&self, index: u8) -> Option<&Listener> {
        self.listeners.get(usize::from(index))
    }

    /// The listener to leave by towards `target`: `asked` when its transport and family fit, else
    /// the first that fits. `None` when none does: nothing can be sent there.
    #[must_use]
    pub fn listener(&self, asked: u8, transport: Transport, target: SocketAddr) -> Option<u8> {
        let is_ipv6 = target.ip().to_canonical().is_ipv6();
        let fits = |l: &Listener| l.transport == transport && l.address.ip().is_ipv6() == is_ipv6;
        if self.listeners.get(usize::from(asked)).is_some_and(fits) {
            return Some(asked);
        }
        self.listeners.iter().position(fits).and_then(|at| u8::try_from(at).ok())
    }
}

impl RowNames for World {
    /// Names of rows in memory; price lines and free time have none here.
    fn name(&self, thing: Thing, id: i64) -> Option<String> {
        match thing {
            Thing::Trunk => self.trunk(TrunkId(id)).map(|row| row.name.clone()),
            Thing::Subscriber => self.subscriber(SubscriberId(id)).map(|row| row.username.clone()),
            Thing::Account => self.account(AccountId(id)).map(|row| row.name.clone()),
            Thing::Rule => self.rules.get(RuleId(id)).map(|row| row.name.clone()),
            Thing::NumberList => self.lists.get(NumberListId(id)).map(|row| row.name.clone()),
            Thing::PriceRule => self.price_rule_name(PriceRuleId(id)),
            Thing::NumberKind => {
                let place = usize::try_from(id).ok()?;
                NUMBER_KINDS.get(place).map(|word| (*word).to_owned())
            }
            Thing::Route | Thing::Rate | Thing::Allowance => None,
        }
    }
}

#[cfg(test)]
mod tests;
