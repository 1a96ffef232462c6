//! The edge snapshot: what a shard must know to answer strangers without asking.

use crate::decide::{addresses, emergency_branches};
use crate::digest;
use crate::world::World;
use core::cmp::Reverse;
use strowger_link::codec::LIST_MAX;
use strowger_link::{Edge, EdgeSource, Emergency, SourceAction};
use strowger_model::{Tenant, TenantId, Trunk};

/// What the edge holds beside rows.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct EdgeSettings {
    /// Counts changes.
    pub version: u64,
    /// The tenant whose realm strangers are challenged with.
    pub tenant: TenantId,
    /// Key of the nonces.
    pub nonce_key: [u8; 16],
    /// Validity of a nonce, seconds.
    pub nonce_valid_s: u32,
    /// Bans, the most important first.
    pub denied: Vec<EdgeSource>,
}

/// The edge of a world, and how many bans found no room in it ([`LIST_MAX`] sources in all, trunks
/// before bans). `None` when the tenant does not exist.
#[must_use]
pub fn edge(world: &World, settings: &EdgeSettings) -> Option<(Edge, usize)> {
    let tenant = world.tenant(settings.tenant)?;
    let mut known: Vec<EdgeSource> =
        world.trunks().filter(|trunk| trunk.enabled).flat_map(trunk_sources).collect();
    // First match wins, so the narrower source comes first.
    known.sort_by_key(|s| (Reverse((s.prefix_len, s.port != 0)), s.network, s.port));
    known.dedup();
    known.truncate(LIST_MAX);
    let room = LIST_MAX - known.len();
    let left_out = settings.denied.len().saturating_sub(room);
    // A ban stands before the trunk it may be part of.
    let targets = world.trunks().flat_map(trunk_targets);
    let denied = settings.denied.iter().take(room).cloned();
    let sources = denied.chain(known).chain(targets).take(LIST_MAX).collect();
    let edge = Edge {
        version: settings.version,
        realm: tenant.realm.clone(),
        algorithms: tenant.algorithms.iter().map(|a| digest::algorithm(*a)).collect(),
        nonce_key: settings.nonce_key,
        nonce_valid_s: settings.nonce_valid_s,
        sources,
        emergency: emergencies(world, tenant),
    };
    Some((edge, left_out))
}

fn trunk_sources(trunk: &Trunk) -> Vec<EdgeSource> {
    let sources = trunk.ingress.iter().flat_map(|ingress| &ingress.sources);
    sources
        .map(|m| EdgeSource {
            network: m.network.to_canonical(),
            prefix_len: m.prefix_len,
            port: m.port,
            action: SourceAction::Trunk(trunk.id.0),
        })
        .collect()
}

/// Where a trunk is called, and where one that is switched off sent from: requests of running calls
/// come from there.
fn trunk_targets(trunk: &Trunk) -> Vec<EdgeSource> {
    let action = SourceAction::Target(trunk.id.0);
    let targets = trunk.egress.iter().flat_map(addresses).map(|target| {
        let network = target.ip().to_canonical();
        let prefix_len = if network.is_ipv4() { 32 } else { 128 };
        EdgeSource { network, prefix_len, port: 0, action: action.clone() }
    });
    let mut former = if trunk.enabled { Vec::new() } else { trunk_sources(trunk) };
    former.iter_mut().for_each(|source| source.action = action.clone());
    targets.chain(former).collect()
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
    use crate::world::Rows;
    use strowger_link::Algorithm;
    use strowger_model::{SourceMatch, TrunkId};

    fn settings(denied: Vec<EdgeSource>) -> EdgeSettings {
        let nonce_key = [7; 16];
        EdgeSettings { version: 3, tenant: TenantId(1), nonce_key, nonce_valid_s: 300, denied }
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
    fn narrow_sources_come_first_and_bans_before_all() {
        let world = world(&[("10.0.0.0", 8, 0), ("10.1.1.1", 32, 0), ("10.1.1.1", 32, 5090)]);
        let (edge, left_out) = edge(&world, &settings(vec![ban("10.9.9.9")])).unwrap();
        let actions: Vec<SourceAction> = edge.sources.iter().map(|s| s.action.clone()).collect();
        let (trunk, target) = (SourceAction::Trunk, SourceAction::Target(3));
        // Trunk 4 is disabled: its source is a stranger.
        let known = [trunk(12), trunk(11), trunk(10)].into_iter();
        let expected = [SourceAction::Deny].into_iter().chain(known).chain([
            target.clone(),
            target,
            SourceAction::Target(4),
        ]);
        assert_eq!(actions, expected.collect::<Vec<_>>());
        assert_eq!(left_out, 0);
        assert_eq!((edge.version, edge.realm.as_str()), (3, testing::REALM));
        assert_eq!(edge.algorithms, [Algorithm::Sha256, Algorithm::Md5]);
        assert_eq!(edge.nonce_valid_s, 300);
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
