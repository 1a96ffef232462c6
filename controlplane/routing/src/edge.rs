//! The edge snapshot: what a shard must know to answer strangers without asking.

use crate::decide::emergency_branches;
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
    known.dedup_by(|later, first| {
        (later.network, later.prefix_len, later.port)
            == (first.network, first.prefix_len, first.port)
    });
    known.truncate(LIST_MAX);
    let room = LIST_MAX - known.len();
    let left_out = settings.denied.len().saturating_sub(room);
    // A ban stands before the trunk it may be part of.
    let sources = settings.denied.iter().take(room).cloned().chain(known).collect();
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
