//! The edge snapshot: what a shard must know to answer strangers without asking.

use crate::decide::emergency_branches;
use crate::digest;
use crate::world::World;
use core::cmp::Reverse;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use strowger_link::codec::LIST_MAX;
use strowger_link::{Edge, EdgeSource, Emergency, SOURCES_MAX, SourceAction};
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
    /// Bans and what is let through, the narrower first.
    pub denied: Vec<EdgeSource>,
}

/// The bans in force at `now_us`, and the networks that are let through, widest last, in the words
/// of the edge; behind them everybody, if nobody is to be answered who is not let through. Those
/// inside a trusted trunk's source are left out: no mistake of a ban, or of what makes bans, turns
/// a carrier away.
#[must_use]
pub fn denied(world: &World, now_us: i64) -> Vec<EdgeSource> {
    let trusted = sources_of(world, |ingress| ingress.trusted);
    let trusted: Cover = trusted.iter().filter(|source| source.port == 0).collect();
    let mut bans: Vec<EdgeSource> = world
        .bans()
        .iter()
        .filter(|ban| ban.from_us <= now_us && ban.until_us.is_none_or(|until| now_us < until))
        .map(|ban| EdgeSource {
            network: ban.network.to_canonical(),
            prefix_len: ban.prefix_len,
            port: ban.port,
            action: if ban.allow { SourceAction::Challenge } else { SourceAction::Deny },
        })
        .filter(|ban| !trusted.holds(ban))
        .collect();
    if world.settings().system().guard.default_deny {
        let all = |network: IpAddr| EdgeSource {
            network,
            prefix_len: 0,
            port: 0,
            action: SourceAction::Deny,
        };
        bans.push(all(IpAddr::V4(Ipv4Addr::UNSPECIFIED)));
        bans.push(all(IpAddr::V6(Ipv6Addr::UNSPECIFIED)));
    }
    bans.sort_by_key(|ban| Reverse((ban.prefix_len, ban.port != 0)));
    bans
}

impl World {
    /// Whether any address of a network is one that a trusted trunk calls from, that a trunk is
    /// called at, or that a row lets through.
    #[must_use]
    pub fn is_trusted(&self, network: &SourceMatch) -> bool {
        let one = EdgeSource {
            network: network.network.to_canonical(),
            prefix_len: network.prefix_len,
            port: 0,
            action: SourceAction::Deny,
        };
        let meets = |source: &EdgeSource| lies_in(&one, source) || lies_in(source, &one);
        let called = self.trunks().flat_map(|trunk| trunk_targets(self, trunk));
        let allowed = self.bans().iter().filter(|row| row.allow).map(|row| EdgeSource {
            network: row.network.to_canonical(),
            prefix_len: row.prefix_len,
            port: 0,
            action: SourceAction::Challenge,
        });
        let trusted = sources_of(self, |ingress| ingress.trusted);
        trusted.into_iter().chain(called).chain(allowed).any(|source| meets(&source))
    }
}

/// When the set of bans in force changes next.
#[must_use]
pub fn bans_end(world: &World, now_us: i64) -> Option<i64> {
    let times = world.bans().iter().flat_map(|ban| [Some(ban.from_us), ban.until_us]);
    times.flatten().filter(|at| *at > now_us).min()
}

/// The edge of a world, and how many bans found no room in it ([`SOURCES_MAX`] sources in all,
/// trunks before bans). `None` when the tenant does not exist.
///
/// First match wins, so the narrower source comes first; of equals a trusted trunk, a ban, another
/// trunk. A trunk that is not trusted and lies in a ban is not there at all. So a ban hits
/// strangers and untrusted trunks, never a trusted one.
#[must_use]
pub fn edge(world: &World, settings: &EdgeSettings) -> Option<(Edge, usize)> {
    let tenant = world.tenant(settings.tenant)?;
    let mut trusted = sources_of(world, |ingress| ingress.trusted);
    let mut others = sources_of(world, |ingress| !ingress.trusted);
    // Everybody is no ban of anybody: with it, trunks are let through. One port is not the host.
    let is_ban =
        |s: &&EdgeSource| s.action == SourceAction::Deny && s.prefix_len > 0 && s.port == 0;
    let bans: Cover = settings.denied.iter().filter(is_ban).collect();
    others.retain(|source| !bans.holds(source));
    trusted.truncate(SOURCES_MAX);
    others.truncate(SOURCES_MAX - trusted.len());
    let room = SOURCES_MAX - trusted.len() - others.len();
    let left_out = settings.denied.len().saturating_sub(room);
    let bans = settings.denied.iter().take(room).cloned();
    let mut sources: Vec<EdgeSource> = trusted.into_iter().chain(bans).chain(others).collect();
    // Stable: the order among equals stays.
    sources.sort_by_key(|s| Reverse((s.prefix_len, s.port != 0)));
    let targets = world.trunks().flat_map(|trunk| trunk_targets(world, trunk));
    sources.extend(targets);
    sources.truncate(SOURCES_MAX);
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

/// The widest of some networks. Two networks of a family are apart or one holds the other, so the
/// widest are apart, and whether one of them holds another network is one search.
#[derive(Default)]
struct Cover {
    /// First and last addresses, rising.
    v4: Vec<(u128, u128)>,
    v6: Vec<(u128, u128)>,
}

impl Cover {
    /// Whether a network lies in one of these.
    fn holds(&self, inner: &EdgeSource) -> bool {
        let (is_v4, (first, last)) = span(inner);
        let widest = if is_v4 { &self.v4 } else { &self.v6 };
        let at = widest.partition_point(|(begin, _)| *begin <= first);
        let around = at.checked_sub(1).and_then(|at| widest.get(at));
        around.is_some_and(|(_, end)| last <= *end)
    }
}

impl<'a> FromIterator<&'a EdgeSource> for Cover {
    fn from_iter<I: IntoIterator<Item = &'a EdgeSource>>(sources: I) -> Cover {
        let mut cover = Cover::default();
        for source in sources {
            let (is_v4, span) = span(source);
            if is_v4 { cover.v4.push(span) } else { cover.v6.push(span) }
        }
        for list in [&mut cover.v4, &mut cover.v6] {
            // A network before those that it holds.
            list.sort_unstable_by_key(|(first, last)| (*first, Reverse(*last)));
            let mut end = None;
            list.retain(|(_, last)| {
                let is_widest = end.is_none_or(|end| *last > end);
                end = end.max(Some(*last));
                is_widest
            });
        }
        cover
    }
}

/// Whether a network is one of IPv4, and its first and last address.
fn span(source: &EdgeSource) -> (bool, (u128, u128)) {
    let (is_v4, bits, len) = match source.network.to_canonical() {
        IpAddr::V4(ip) => {
            (true, u128::from(ip.to_bits()), 96 + u32::from(source.prefix_len.min(32)))
        }
        IpAddr::V6(ip) => (false, ip.to_bits(), u32::from(source.prefix_len.min(128))),
    };
    let host = u128::MAX.checked_shr(len).unwrap_or(0);
    (is_v4, (bits & !host, bits | host))
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
    use proptest::prelude::*;
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
        let row = Ban {
            id,
            network,
            prefix_len,
            port: 0,
            reason,
            from_us: 5,
            until_us: Some(9),
            automatic: false,
            allow: false,
        };
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

    /// One phone behind a NAT is not its neighbours, nor a trunk at the same address.
    #[test]
    fn a_ban_of_a_port_is_one_of_that_port() {
        let network = "198.51.100.7".parse().unwrap();
        let host = SourceMatch { network, prefix_len: 32, port: 0 };
        let mut trunk = testing::ingress_trunk(10, "10.0.0.0:0", None);
        let ingress = trunk.ingress.as_mut().unwrap();
        (ingress.sources, ingress.trusted) = (vec![host], false);
        let row = |port| Ban {
            id: BanId(1),
            network,
            prefix_len: 32,
            port,
            reason: String::new(),
            from_us: 0,
            until_us: None,
            automatic: false,
            allow: false,
        };
        let open = world(&[]).changed(Change::Trunk(Box::new(trunk))).unwrap();
        let first = |ban_port, from: &str| {
            let world = open.changed(Change::Bans(vec![row(ban_port)])).unwrap();
            let (edge, _) = edge(&world, &settings(denied(&world, 1))).unwrap();
            let at = from.parse().unwrap();
            let fits = |s: &&EdgeSource| {
                let (network, prefix_len) = (s.network, s.prefix_len);
                SourceMatch { network, prefix_len, port: s.port }.matches(at)
            };
            edge.sources.iter().find(fits).map(|source| source.action.clone())
        };
        assert_eq!(first(4_001, "198.51.100.7:4001"), Some(SourceAction::Deny));
        assert_eq!(first(4_001, "198.51.100.7:4002"), Some(SourceAction::Trunk(10)));
        assert_eq!(first(0, "198.51.100.7:4002"), Some(SourceAction::Deny));
        let wide = Ban { prefix_len: 24, ..row(4_001) };
        assert!(open.changed(Change::Bans(vec![wide])).is_err(), "a port of a network");
    }

    fn source(ip: IpAddr, prefix_len: u8) -> EdgeSource {
        EdgeSource { network: ip, prefix_len, port: 0, action: SourceAction::Deny }
    }

    /// Few bits differ, so that networks meet.
    fn networks() -> impl Strategy<Value = EdgeSource> {
        let v4 = (0u8..4, any::<u8>(), 0u8..=32)
            .prop_map(|(a, b, len)| source([10, a, 0, b].into(), len));
        let v6 = (0u16..4, any::<u16>(), 0u8..=128)
            .prop_map(|(a, b, len)| source([0xfd00, a, 0, 0, 0, 0, 0, b].into(), len));
        prop_oneof![v4, v6]
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(256))]
        #[test]
        fn a_cover_holds_what_one_of_its_networks_holds(
            list in prop::collection::vec(networks(), 0..20),
            asked in prop::collection::vec(networks(), 1..20),
        ) {
            let cover: Cover = list.iter().collect();
            for inner in asked {
                let expect = list.iter().any(|outer| lies_in(&inner, outer));
                prop_assert_eq!(cover.holds(&inner), expect, "{:?}", inner);
            }
        }
    }

    /// 100,000 bans beside 100,000 addresses of a trunk that is not trusted, each of which might
    /// lie in one: far from the ten thousand million comparisons that a list would take.
    #[test]
    #[expect(clippy::print_stdout, reason = "who runs it by hand reads the figures")]
    fn a_hundred_thousand_sources_beside_as_many_bans_take_no_time() {
        let address = |n: u32| IpAddr::from((0x0a00_0000 + 3 * n).to_be_bytes());
        let others: Vec<EdgeSource> = (0..100_000).map(|n| source(address(n), 32)).collect();
        let bans: Vec<EdgeSource> =
            (0..100_000).map(|n| source(address(2 * n), 32 - (n % 2) as u8)).collect();
        let began = std::time::Instant::now();
        let cover: Cover = bans.iter().collect();
        let held = others.iter().filter(|source| cover.holds(source)).count();
        let took = began.elapsed();
        println!("{held} of 100,000 lie in one of 100,000 bans, found in {took:?}");
        assert_eq!(held, 50_000);
        assert!(took < std::time::Duration::from_secs(2), "{took:?}");
    }

    #[test]
    fn with_default_deny_only_who_is_let_through_is_heard() {
        let row = |id, text: &str, allow| {
            let (network, prefix_len) = text.split_once('/').unwrap();
            let (network, prefix_len) = (network.parse().unwrap(), prefix_len.parse().unwrap());
            let (id, reason) = (BanId(id), String::new());
            Ban {
                id,
                network,
                prefix_len,
                port: 0,
                reason,
                from_us: 0,
                until_us: None,
                automatic: false,
                allow,
            }
        };
        let rows = vec![
            row(1, "198.51.100.0/24", true),
            row(2, "198.51.100.7/32", false),
            row(3, "198.51.0.0/16", false),
            row(4, "2001:db8::/32", true),
        ];
        let first = |world: &World, from: &str| {
            let (edge, _) = edge(world, &settings(denied(world, 1))).unwrap();
            let at = (from.parse::<IpAddr>().unwrap(), 5060).into();
            let fits = |s: &&EdgeSource| {
                let (network, prefix_len) = (s.network, s.prefix_len);
                SourceMatch { network, prefix_len, port: s.port }.matches(at)
            };
            edge.sources.iter().find(fits).map(|source| source.action.clone())
        };
        let open = world(&[("10.0.0.0", 8, 0)]).changed(Change::Bans(rows)).unwrap();
        let setting = strowger_model::SettingRow {
            id: strowger_model::SettingId(1),
            category: "guard".into(),
            name: "default_deny".into(),
            tenant: None,
            account: None,
            subscriber: None,
            value: "true".into(),
        };
        let closed = open.changed(Change::Setting(setting)).unwrap();
        let (allow, deny) = (Some(SourceAction::Challenge), Some(SourceAction::Deny));
        let trunk = Some(SourceAction::Trunk(10));
        for (from, when_open, when_closed) in [
            ("198.51.100.1", allow.clone(), allow.clone()),
            ("198.51.100.7", deny.clone(), deny.clone()),
            ("198.51.7.7", deny.clone(), deny.clone()),
            ("203.0.113.1", None, deny.clone()),
            ("10.1.2.3", trunk.clone(), trunk),
            ("2001:db8::1", allow.clone(), allow),
            ("2001:db9::1", None, deny),
        ] {
            assert_eq!(first(&open, from), when_open, "{from}");
            assert_eq!(first(&closed, from), when_closed, "{from}");
        }
        let network =
            |text: &str| SourceMatch { network: text.parse().unwrap(), prefix_len: 32, port: 0 };
        // What is let through, and carriers, are never banned by themselves.
        let trusted = ["198.51.100.9", "10.9.9.9", "192.0.2.3", "203.0.113.9"];
        let is_trusted = trusted.map(|text| open.is_trusted(&network(text)));
        assert_eq!(is_trusted, [true, true, true, false]);
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
        let (edge, left_out) = edge(&world, &settings(vec![ban("10.9.9.9"); SOURCES_MAX])).unwrap();
        assert_eq!((edge.sources.len(), left_out), (SOURCES_MAX, 1));
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
