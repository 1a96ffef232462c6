//! Our credentials at carriers: which a call shows, where we register with them, and whose calls
//! come back to the contacts that we registered.

use crate::location::wire_transport;
use crate::names::{self, NamedHost, PORT_DEFAULT};
use crate::uri::{address_text, escape_user};
use crate::world::World;
use std::collections::{BTreeMap, BTreeSet};
use std::net::{IpAddr, SocketAddr};
use strowger_link::Transport as WireTransport;
use strowger_link::{AskId, Branch, BranchAuth, CallAsk, Secret, UPSTREAMS_MAX, Upstream};
use strowger_model::{
    Egress, EgressTarget, HostPort, SubscriberId, Transport, Trunk, TrunkId, TrunkLogin,
    TrunkLoginId,
};

/// A login with its password in clear.
///
/// The password stands here, in the decider's memory, from the change that brought it; rows, logs
/// and the change log have it sealed or not at all.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Login {
    /// The row.
    pub row: TrunkLogin,
    /// What it shows; `None` when the seal could not be opened.
    pub secret: Option<Secret>,
}

/// All logins.
#[derive(Clone, PartialEq, Eq, Default, Debug)]
pub struct Logins {
    /// Those in use of each trunk, the preferred first.
    of: BTreeMap<TrunkId, Vec<Login>>,
    /// At which trunks subscribers have logins of their own.
    whose: BTreeMap<SubscriberId, BTreeSet<TrunkId>>,
}

impl Login {
    /// User part of the Contact that we register.
    #[must_use]
    pub fn contact_user(&self) -> &str {
        self.row.contact_user.as_deref().unwrap_or(&self.row.username)
    }

    /// A call by this login: it answers challenges, and shows the login's number if it has one and
    /// the caller does not hide.
    pub fn onto(&self, branch: &mut Branch) {
        if let Some(secret) = &self.secret {
            branch.auth = BranchAuth::Mapped(secret.clone());
        }
        let Some(number) = self.row.caller_number else { return };
        branch.asserted = branch.asserted.take().map(|_| number.to_string());
        if !branch.anonymous {
            branch.from_user = number.to_string();
        }
    }
}

impl Logins {
    /// All that are in use of `rows`; `open` opens a seal.
    #[must_use]
    pub fn build(
        rows: Vec<TrunkLogin>,
        mut open: impl FnMut(&TrunkLogin) -> Option<String>,
    ) -> Logins {
        let mut of: BTreeMap<TrunkId, Vec<Login>> = BTreeMap::new();
        let mut whose: BTreeMap<SubscriberId, BTreeSet<TrunkId>> = BTreeMap::new();
        for row in rows.into_iter().filter(|row| row.enabled) {
            let secret = open(&row).map(|password| Secret {
                username: row.auth_username.clone().unwrap_or_else(|| row.username.clone()),
                password,
                realm: row.realm.clone().unwrap_or_default(),
            });
            if let Some(subscriber) = row.subscriber {
                whose.entry(subscriber).or_default().insert(row.trunk);
            }
            of.entry(row.trunk).or_default().push(Login { row, secret });
        }
        for logins in of.values_mut() {
            logins.sort_by_key(|login| (core::cmp::Reverse(login.row.priority), login.row.id));
        }
        Logins { of, whose }
    }

    fn all(&self) -> impl Iterator<Item = &Login> {
        self.of.values().flatten()
    }
}

impl World {
    /// The logins of a trunk that are in use, the preferred first.
    #[must_use]
    pub fn logins(&self, trunk: TrunkId) -> &[Login] {
        self.all_logins().of.get(&trunk).map_or(&[], Vec::as_slice)
    }

    /// The login that a call shows: the caller's own, or else of those that are nobody's and have
    /// the largest priority one after the other, by the ask, so that asking again gives the same.
    #[must_use]
    pub fn login(
        &self,
        trunk: TrunkId,
        caller: Option<SubscriberId>,
        ask: AskId,
    ) -> Option<&Login> {
        let of = |whose: Option<SubscriberId>| {
            let logins = self.logins(trunk).iter();
            logins.filter(move |login| login.row.subscriber == whose)
        };
        if let Some(own) = caller.and_then(|id| of(Some(id)).next()) {
            return Some(own);
        }
        let first = of(None).next()?.row.priority;
        let equals = of(None).take_while(|login| login.row.priority == first).count();
        let turn = usize::try_from(ask.0 % (equals.max(1) as u64)).ok()?;
        of(None).nth(turn)
    }

    /// The login whose contact a request from `source` to `user` was sent to: its registrar sends
    /// from where we register.
    #[must_use]
    pub fn login_called(&self, source: SocketAddr, user: &str) -> Option<&Login> {
        let named = |login: &&Login| login.row.register && login.contact_user() == user;
        let mut found = self.all_logins().all().filter(named);
        found.find(|login| self.registrar_addresses(login).contains(&source))
    }

    /// The number that a call is for: one that came to a contact of ours names the number in To,
    /// or else means the login itself, which is known by its number or name.
    #[must_use]
    pub fn received<'a>(&'a self, source: SocketAddr, call: &'a CallAsk) -> &'a str {
        let Some(login) = self.login_called(source, &call.called) else { return &call.called };
        // Whose login it is knows his own number there; here he is called by that of ours.
        if let Some(whose) = login.row.subscriber.and_then(|id| self.subscriber(id)) {
            return whose.numbers.first().map_or(&whose.username, |number| number.as_str());
        }
        let own = [login.contact_user(), login.row.username.as_str()];
        if !call.to_user.is_empty() && !own.contains(&call.to_user.as_str()) {
            return &call.to_user;
        }
        login.row.caller_number.as_ref().map_or(&call.called, |number| number.as_str())
    }

    /// The addresses that calls of a trunk go to, in order, with how the Request-URI names each.
    #[must_use]
    pub fn egress_addresses(&self, egress: &Egress) -> Vec<(SocketAddr, String)> {
        let of = |target| self.target_addresses(egress, target, 0);
        egress.targets.iter().flat_map(of).collect()
    }

    /// The addresses of one target, as [`World::egress_addresses`]; servers of one name that share
    /// its calls by weight are drawn by `chance`.
    pub(crate) fn target_addresses(
        &self,
        egress: &Egress,
        target: &EgressTarget,
        chance: u64,
    ) -> Vec<(SocketAddr, String)> {
        match target {
            EgressTarget::Address(address) => {
                let address = SocketAddr::new(address.ip().to_canonical(), address.port());
                vec![(address, address_text(address))]
            }
            EgressTarget::Host(host) => {
                let shown = authority(host);
                let addresses =
                    self.names().targets(host, wire_transport(egress.transport), chance);
                addresses.into_iter().map(|address| (address, shown.clone())).collect()
            }
            // The registrar knows these.
            EgressTarget::Registered => Vec::new(),
        }
    }

    /// Where a login registers, in the order to try.
    #[must_use]
    pub fn registrar_addresses(&self, login: &Login) -> Vec<SocketAddr> {
        let Some((trunk, registrar)) = registrar_of(self, login) else { return Vec::new() };
        self.reachable(trunk, &registrar)
    }
}

impl World {
    /// The addresses of a registrar that are not off limits.
    fn reachable(&self, trunk: &Trunk, registrar: &Registrar) -> Vec<SocketAddr> {
        let mut addresses = match registrar {
            // One order for all: a registration stays where it is.
            Registrar::Host(host) => self.names().targets(host, transport_of(trunk), 0),
            Registrar::Address(address) => vec![*address],
        };
        let allow = trunk.egress.as_ref().is_some_and(|egress| egress.allow_private);
        addresses.retain(|address| self.perimeter().check(*address, allow).is_ok());
        addresses
    }
}

enum Registrar {
    Host(HostPort),
    Address(SocketAddr),
}

fn registrar_of<'a>(world: &'a World, login: &Login) -> Option<(&'a Trunk, Registrar)> {
    let trunk = world.trunk(login.row.trunk)?;
    if let Some(host) = &login.row.registrar {
        return Some((trunk, Registrar::Host(host.clone())));
    }
    let targets = trunk.egress.iter().flat_map(|egress| &egress.targets);
    let registrar = targets
        .filter_map(|target| match target {
            EgressTarget::Address(address) => Some(Registrar::Address(*address)),
            EgressTarget::Host(host) => Some(Registrar::Host(host.clone())),
            EgressTarget::Registered => None,
        })
        .next()?;
    Some((trunk, registrar))
}

/// How a trunk is spoken to; UDP when it takes no calls.
fn transport_of(trunk: &Trunk) -> WireTransport {
    wire_transport(trunk.egress.as_ref().map_or(Transport::Udp, |egress| egress.transport))
}

/// The names that the rows mention, each once: what is to be resolved.
#[must_use]
pub fn named_hosts(world: &World) -> Vec<NamedHost> {
    let mut found: BTreeMap<String, NamedHost> = BTreeMap::new();
    let mut take = |host: &HostPort, service: WireTransport, is_source: bool| {
        let is_name = names::literal(&host.name).is_none();
        if !is_name || (found.len() >= names::NAMES_MAX && !found.contains_key(&host.name)) {
            return;
        }
        let known = found.entry(host.name.clone()).or_insert_with(|| NamedHost {
            name: host.name.clone(),
            services: Vec::new(),
            addresses: false,
        });
        known.addresses |= is_source || host.port != 0;
        // The port of a source is where it sends from.
        if (is_source || host.port == 0) && !known.services.contains(&service) {
            known.services.push(service);
        }
    };
    for trunk in world.trunks() {
        let transport = transport_of(trunk);
        let hosts = trunk.ingress.iter().flat_map(|ingress| &ingress.hosts);
        hosts.for_each(|host| take(host, transport, true));
        for target in trunk.egress.iter().flat_map(|egress| &egress.targets) {
            if let EgressTarget::Host(host) = target {
                take(host, transport, false);
            }
        }
    }
    for login in world.all_logins().all() {
        let trunk = world.trunk(login.row.trunk);
        if let (Some(host), Some(trunk)) = (&login.row.registrar, trunk) {
            take(host, transport_of(trunk), false);
        }
    }
    found.into_values().collect()
}

/// The registrations that the rows want, in the order of their ids, and how many were left out
/// beyond [`UPSTREAMS_MAX`]. Logins of subscribers are wanted while they are here.
#[must_use]
pub fn upstreams(world: &World, is_here: impl Fn(SubscriberId) -> bool) -> (Vec<Upstream>, usize) {
    let logins = world.all_logins().all().filter(|login| login.row.register);
    let logins = logins.filter(|login| login.row.subscriber.is_none_or(&is_here));
    let mut wanted: Vec<Upstream> = logins.filter_map(|login| upstream(world, login)).collect();
    wanted.sort_by_key(|upstream| upstream.id);
    let left_out = wanted.len().saturating_sub(UPSTREAMS_MAX);
    wanted.truncate(UPSTREAMS_MAX);
    (wanted, left_out)
}

/// The registrations that a subscriber's logins want while he is here; nothing of nearly all.
#[must_use]
pub fn upstreams_of(
    world: &World,
    subscriber: SubscriberId,
) -> Vec<(TrunkLoginId, Option<Upstream>)> {
    let trunks = world.all_logins().whose.get(&subscriber).into_iter().flatten();
    let logins = trunks.flat_map(|trunk| world.logins(*trunk));
    let own = logins.filter(|l| l.row.register && l.row.subscriber == Some(subscriber));
    own.map(|login| (login.row.id, upstream(world, login))).collect()
}

fn upstream(world: &World, login: &Login) -> Option<Upstream> {
    let (trunk, registrar) = registrar_of(world, login)?;
    if !trunk.enabled {
        return None;
    }
    let (host, port) = match &registrar {
        Registrar::Host(host) => (written(&host.name), host.port),
        Registrar::Address(address) => (written(&address.ip().to_string()), address.port()),
    };
    let addresses = world.reachable(trunk, &registrar);
    let transport = transport_of(trunk);
    let listener = trunk.egress.as_ref().and_then(|egress| egress.listener);
    // It leaves by one listener, so all its addresses are of one family; while none is known,
    // nothing is sent.
    let fits = |address: &SocketAddr| world.listener(0, transport, *address);
    let listener = listener.or_else(|| addresses.iter().find_map(fits)).unwrap_or(0);
    let user = escape_user(&login.row.username);
    let port = if matches!(port, 0 | PORT_DEFAULT) { String::new() } else { format!(":{port}") };
    Some(Upstream {
        id: login.row.id.0,
        addresses,
        transport,
        listener,
        registrar: format!("sip:{host}{port}"),
        aor: format!("sip:{user}@{host}"),
        contact_user: login.contact_user().to_owned(),
        secret: login.secret.clone(),
        expires_s: login.row.expires_s,
    })
}

/// A host as a URI writes it: IPv6 in brackets.
fn written(host: &str) -> String {
    match names::literal(host) {
        Some(IpAddr::V6(address)) => format!("[{address}]"),
        Some(IpAddr::V4(_)) | None => host.to_owned(),
    }
}

/// As [`written`], with the port where it is not the usual one.
fn authority(host: &HostPort) -> String {
    match host.port {
        0 | PORT_DEFAULT => written(&host.name),
        port => format!("{}:{port}", written(&host.name)),
    }
}

#[cfg(test)]
mod tests;
