//! The edge snapshot: what a shard must know to answer strangers without asking.

use crate::decide::emergency_branches;
use crate::digest;
use crate::world::World;
use core::cmp::Reverse;
use std::net::IpAddr;
use strowger_link::codec::LIST_MAX;
use strowger_link::{Edge, EdgeSource, Emergency, SourceAction};
use strowger_model::{Ingress, SourceMatch, Tenant, TenantId, Trunk};

/// What the edge holds beside rows.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct EdgeSettings {
    /// Counts changes.
    pub version: u64,
    /// The tenant whose realm strangers are challenged with.
    pub tenant: TenantId,
    /// Key of the nonces.
    pub nonce_key: [u8; 16],
    /// Bans, the most important first.
    pub denied: Vec<EdgeSource>,
}

/// The bans in force at `now_us`, widest last, in the words of the edge. Those inside a trusted
/// trunk's source are left out: no mistake of a ban, or of what makes bans, turns a carrier away.
#[must_use]
pub fn denied(world: &World, now_us: i64) -> Vec<EdgeSource> {
    let trusted: Vec<EdgeSource> = sources_of(world, |ingress| ingress.trusted);
    let mut bans: Vec<EdgeSource> = world
        .bans()
        .iter()
        .filter(|ban| ban.from_us <= now_us && ban.until_us.is_none_or(|until| now_us < until))
        .map(|ban| EdgeSource {
            network: ban.network.to_canonical(),
            prefix_len: ban.prefix_len,
            port: 0,
            action: SourceAction::Deny,
        })
        .filter(|ban| !trusted.iter().any(|source| source.port == 0 && lies_in(ban, source)))
        .collect();
    bans.sort_by_key(|ban| Reverse(ban.prefix_len));
    bans
}

/// When the set of bans in force changes next.
#[must_use]
pub fn bans_end(world: &World, now_us: i64) -> Option<i64> {
    let times = world.bans().iter().flat_map(|ban| [Some(ban.from_us), ban.until_us]);
    times.flatten().filter(|at| *at > now_us).min()
}

/// The edge of a world, and how many bans found no room in it ([`LIST_MAX`] sources in all, trunks
/// before bans). `None` when the tenant does not exist.
///
/// First match wins, so the narrower source comes first; of equals a trusted trunk, a ban, another
/// trunk. A trunk that is not trusted and lies in a ban is not there at all. So a ban hits
/// strangers and untrusted trunks, never a trusted one.
#[must_use]
pub fn edge(world: &World, settings: &EdgeSettings) -> Option<(Edge, usize)> {
    let tenant = world.tenant(settings.tenant)?;
    let mut trusted = sources_of(world, |ingress| ingress.trusted);
    let mut others = sources_of(world, |ingress| !ingress.trusted);
    others.retain(|source| !settings.denied.iter().any(|ban| lies_in(source, ban)));
    trusted.truncate(LIST_MAX);
    others.truncate(LIST_MAX - trusted.len());
    let room = LIST_MAX - trusted.len() - others.len();
    let left_out = settings.denied.len().saturating_sub(room);
    let bans = settings.denied.iter().take(room).cloned();
    let mut sources: Vec<EdgeSource> = trusted.into_iter().chain(bans).chain(others).collect();
    // Stable: the order among equals stays.
    sources.sort_by_key(|s| Reverse((s.prefix_len, s.port != 0)));
    let targets = world.trunks().flat_map(|trunk| trunk_targets(world, trunk));
    sources.extend(targets);
    sources.truncate(LIST_MAX);
    let edge = Edge {
        version: settings.version,
        realm: tenant.realm.clone(),
        algorithms: tenant.algorithms.iter().map(|a| digest::algorithm(*a)).collect(),
        nonce_key: settings.nonce_key,
        nonce_valid_s: world.settings().system().digest.nonce_ms / 1_000,
        sources,
        emergency: emergencies(world, tenant),
    };
    Some((edge, left_out))
}

/// Sources of the enabled trunks that `of` names, each once.
fn sources_of(world: &World, of: impl Fn(&Ingress) -> bool) -> Vec<EdgeSource> {
    let enabled = world.trunks().filter(|trunk| trunk.enabled);
    let named = enabled.filter(|trunk| trunk.ingress.as_ref().is_some_and(&of));
    let mut known: Vec<EdgeSource> = named
        .flat_map(|trunk| {
            let id = trunk.id;
            world.trunk_sources(trunk).into_iter().map(move |m| EdgeSource {
                network: m.network.to_canonical(),
                prefix_len: m.prefix_len,
                port: m.port,
                action: SourceAction::Trunk(id.0),
            })
        })
        .collect();
    known.sort_by_key(|s| (Reverse((s.prefix_len, s.port != 0)), s.network, s.port));
    // Two may share a source when a prefix tells them apart.
    known.dedup();
    known
}

/// Whether every address of `inner` is one of `outer`, which counts for all ports.
fn lies_in(inner: &EdgeSource, outer: &EdgeSource) -> bool {
    let network = SourceMatch { network: outer.network, prefix_len: outer.prefix_len, port: 0 };
    outer.prefix_len <= inner.prefix_len && network.matches((inner.network, 0).into())
}

/// Where a trunk is called, and where one that is switched off sent from: requests of running calls
/// come from there.
fn trunk_targets(world: &World, trunk: &Trunk) -> Vec<EdgeSource> {
    let action = SourceAction::Target(trunk.id.0);
    let source = |network: IpAddr, prefix_len, port| EdgeSource {
        network: network.to_canonical(),
        prefix_len,
        port,
        action: action.clone(),
    };
    let targets = trunk.egress.iter().flat_map(|egress| world.egress_addresses(egress));
    let called = targets.map(|(target, _)| {
        let network = target.ip().to_canonical();
        source(network, if network.is_ipv4() { 32 } else { 128 }, 0)
    });
    let former = if trunk.enabled { Vec::new() } else { world.trunk_sources(trunk) };
    let sent = former.into_iter();
    called.chain(sent.map(|m| source(m.network, m.prefix_len, m.port))).collect()
}

fn emergencies(world: &World, tenant: &Tenant) -> Vec<Emergency> {
    world
        .emergencies(tenant.id)
        .take(LIST_MAX)
        .map(|(number, trunks)| Emergency {
            number: number.to_string(),
            branches: emergency_branches(world, tenant, *number, trunks),
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing;
    use crate::world::{Change, Rows};
    use strowger_link::Algorithm;
    use strowger_model::{Ban, BanId, TrunkId};

    fn settings(denied: Vec<EdgeSource>) -> EdgeSettings {
        let nonce_key = [7; 16];
        EdgeSettings { version: 3, tenant: TenantId(1), nonce_key, denied }
    }

    fn ban(network: &str) -> EdgeSource {
        let network = network.parse().unwrap();
        EdgeSource { network, prefix_len: 32, port: 0, action: SourceAction::Deny }
    }

    fn world(sources: &[(&str, u8, u16)]) -> World {
        let mut rows = Rows {
            listeners: vec![testing::listener("192.0.2.1:5060")],
            tenants: vec![testing::tenant(1, testing::REALM)],
            organizations: vec![testing::organization(1, None)],
            accounts: vec![testing::account(1, None), testing::account(9, None)],
            trunks: vec![
                testing::egress_trunk(3, &["192.0.2.3:5060", "192.0.2.4:5060"]),
                testing::ingress_trunk(4, "10.4.4.4:5060", None),
            ],
            ..Rows::default()
        };
        for ((network, prefix_len, port), id) in sources.iter().zip(10..) {
            // Two may share a source when a prefix tells them apart.
            let prefix = (id == 11).then_some("11");
            let mut trunk = testing::ingress_trunk(id, "10.0.0.0:0", prefix);
            let network = network.parse().unwrap();
            trunk.ingress.as_mut().unwrap().sources =
                vec![SourceMatch { network, prefix_len: *prefix_len, port: *port }];
            rows.trunks.push(trunk);
        }
        rows.trunks[1].enabled = false;
        rows.emergencies.push(strowger_model::Emergency {
            tenant: TenantId(1),
            number: testing::digits("112"),
            trunks: vec![TrunkId(3)],
        });
        World::build(rows).unwrap()
    }

    #[test]
    fn narrow_sources_come_first() {
        let world = world(&[("10.0.0.0", 8, 0), ("10.1.1.1", 32, 0), ("10.1.1.1", 32, 5090)]);
        let (edge, left_out) = edge(&world, &settings(vec![ban("10.9.9.9")])).unwrap();
        let actions: Vec<SourceAction> = edge.sources.iter().map(|s| s.action.clone()).collect();
        let (trunk, target) = (SourceAction::Trunk, SourceAction::Target(3));
        // Trunk 4 is disabled: its source is a stranger.
        let known = [trunk(12), trunk(11), SourceAction::Deny, trunk(10)].into_iter();
        let expected = known.chain([target.clone(), target, SourceAction::Target(4)]);
        assert_eq!(actions, expected.collect::<Vec<_>>());
        assert_eq!(left_out, 0);
        assert_eq!((edge.version, edge.realm.as_str()), (3, testing::REALM));
        assert_eq!(edge.algorithms, [Algorithm::Sha256, Algorithm::Md5]);
        assert_eq!(edge.nonce_valid_s, 300);
    }

    /// Who gets through: `trusted` and `other` are sources of trunks 10 and 11.
    fn check_ban(ban: &str, trusted: &str, other: &str, from: &str, expect: &SourceAction) {
        let network = |text: &str| {
            let (network, len) = text.split_once('/').unwrap();
            (network.parse().unwrap(), len.parse::<u8>().unwrap())
        };
        let source = |text: &str| {
            let (network, prefix_len) = network(text);
            SourceMatch { network, prefix_len, port: 0 }
        };
        let base = world(&[("10.255.0.1", 32, 0), ("10.255.0.2", 32, 0)]);
        let mut world = base;
        for (id, text, is_trusted) in [(10, trusted, true), (11, other, false)] {
            let mut trunk = testing::ingress_trunk(id, "10.0.0.0:0", None);
            let ingress = trunk.ingress.as_mut().unwrap();
            (ingress.sources, ingress.trusted) = (vec![source(text)], is_trusted);
            world = world.changed(Change::Trunk(Box::new(trunk))).unwrap();
        }
        let (network, prefix_len) = network(ban);
        let (id, reason) = (BanId(1), String::new());
        let row = Ban { id, network, prefix_len, reason, from_us: 5, until_us: Some(9) };
        world = world.changed(Change::Bans(vec![row])).unwrap();
        assert_eq!((denied(&world, 4), bans_end(&world, 4)), (Vec::new(), Some(5)));
        assert_eq!(bans_end(&world, 5), Some(9));
        assert_eq!((denied(&world, 9), bans_end(&world, 9)), (Vec::new(), None));
        let (edge, _) = edge(&world, &settings(denied(&world, 5))).unwrap();
        let address = (from.parse::<std::net::IpAddr>().unwrap(), 5060).into();
        let first = edge.sources.iter().find(|s| {
            SourceMatch { network: s.network, prefix_len: s.prefix_len, port: s.port }
                .matches(address)
        });
        assert_eq!(first.map(|s| &s.action), Some(expect), "{ban} {from}");
    }

    #[test]
    fn bans_hit_strangers_and_untrusted_trunks_only() {
        let (trunk, deny) = (SourceAction::Trunk, SourceAction::Deny);
        let check = |ban, from, expect: SourceAction| {
            check_ban(ban, "192.0.2.0/28", "198.51.100.8/32", from, &expect);
        };
        check("192.0.2.0/24", "192.0.2.3", trunk(10));
        check("192.0.2.0/24", "192.0.2.99", deny.clone());
        check("192.0.2.3/32", "192.0.2.3", trunk(10));
        check("192.0.2.0/28", "192.0.2.3", trunk(10));
        check("128.0.0.0/1", "192.0.2.3", trunk(10));
        check("128.0.0.0/1", "203.0.113.7", deny.clone());
        check("198.51.100.0/24", "198.51.100.8", deny.clone());
        check("198.51.100.8/32", "198.51.100.8", deny);
        check("203.0.113.0/24", "198.51.100.8", trunk(11));
        // A narrow ban inside an untrusted trunk's network.
        let (trusted, other) = ("192.0.2.0/28", "198.51.100.0/24");
        check_ban("198.51.100.8/32", trusted, other, "198.51.100.8", &SourceAction::Deny);
        check_ban("198.51.100.8/32", trusted, other, "198.51.100.9", &SourceAction::Trunk(11));
    }

    #[test]
    fn names_are_sources_as_far_as_they_are_resolved() {
        let mut trunk = testing::ingress_trunk(12, "10.0.0.0:0", None);
        let ingress = trunk.ingress.as_mut().unwrap();
        let name = "sip.carrier.example".to_owned();
        ingress.hosts = vec![strowger_model::HostPort { name: name.clone(), port: 0 }];
        let world = world(&[]).changed(Change::Trunk(Box::new(trunk))).unwrap();
        let from = "192.0.2.77:5060".parse().unwrap();
        assert!(world.sending_trunk(TrunkId(12), from, "1").is_none());
        let mut names = crate::names::Names::default();
        names.set(&name, &["192.0.2.77".parse().unwrap()]);
        let world = world.with_names(std::sync::Arc::new(names));
        assert_eq!(world.sending_trunk(TrunkId(12), from, "1").unwrap().id, TrunkId(12));
        let (edge, _) = edge(&world, &settings(Vec::new())).unwrap();
        assert!(edge.sources.iter().any(|s| s.network == from.ip()));
        let world = world.with_names(std::sync::Arc::default());
        assert!(world.sending_trunk(TrunkId(12), from, "1").is_none());
    }

    /// Two trunks of one address, told apart by their prefixes, are both known there; where trunks
    /// are called counts as theirs, and an IPv4-mapped address as the IPv4 one.
    #[test]
    fn shared_sources_and_targets_are_kept() {
        let shared = [("::ffff:10.1.1.1", 32, 0), ("10.1.1.1", 32, 0), ("2001:db8::", 32, 0)];
        let (edge, _) = edge(&world(&shared), &settings(Vec::new())).unwrap();
        let shown: Vec<String> = edge
            .sources
            .iter()
            .map(|s| format!("{}/{} {:?}", s.network, s.prefix_len, s.action))
            .collect();
        let expected = [
            "10.1.1.1/32 Trunk(10)",
            "10.1.1.1/32 Trunk(11)",
            "2001:db8::/32 Trunk(12)",
            "192.0.2.3/32 Target(3)",
            "192.0.2.4/32 Target(3)",
            "10.4.4.4/32 Target(4)",
        ];
        assert_eq!(shown, expected);
    }

    #[test]
    fn bans_beyond_the_bound_are_counted() {
        let world = world(&[("10.0.0.0", 8, 0)]);
        let (edge, left_out) = edge(&world, &settings(vec![ban("10.9.9.9"); LIST_MAX])).unwrap();
        assert_eq!((edge.sources.len(), left_out), (LIST_MAX, 1));
        assert_eq!(edge.sources.last().map(|s| s.action.clone()), Some(SourceAction::Trunk(10)));
    }

    #[test]
    fn emergency_branches_have_no_gauge_and_no_caller() {
        let (edge, _) = edge(&world(&[]), &settings(Vec::new())).unwrap();
        let [emergency] = edge.emergency.as_slice() else { panic!("{:?}", edge.emergency) };
        assert_eq!(emergency.number, "112");
        let uris: Vec<&str> = emergency.branches.iter().map(|b| b.target.uri.as_str()).collect();
        assert_eq!(uris, ["sip:112@192.0.2.3:5060", "sip:112@192.0.2.4:5060"]);
        assert!(emergency.branches.iter().all(|b| b.gauges.is_empty() && b.from_user.is_empty()));
    }

    #[test]
    fn no_tenant_no_edge() {
        let settings = EdgeSettings { tenant: TenantId(5), ..settings(Vec::new()) };
        assert!(edge(&world(&[]), &settings).is_none());
    }
}
