//! The edge snapshot: made anew when the world has changed.

use strowger_link::Edge;
use strowger_port::clock;
use strowger_routing::{EdgeSettings, World, bans_end, denied, edge};
use tracing::warn;

/// Makes edge snapshots.
pub(crate) struct EdgeSource {
    nonce_key: [u8; 16],
    version: u64,
    due: bool,
    /// When bans begin or end next, microseconds.
    bans_at_us: Option<i64>,
}

impl EdgeSource {
    /// `nonce_key` is secret and kept over restarts, so that phones need not be challenged anew.
    pub(crate) const fn new(nonce_key: [u8; 16]) -> EdgeSource {
        EdgeSource { nonce_key, version: 0, due: false, bans_at_us: None }
    }

    /// The world has changed.
    pub(crate) const fn changed(&mut self) {
        self.due = true;
    }

    /// A new snapshot, if one is due: the world has changed, or a ban has begun or ended.
    pub(crate) fn due(&mut self, world: &World) -> Option<Edge> {
        let bans = self.bans_at_us.is_some_and(|at| at <= clock::wall_us());
        if self.due || bans { self.make(world) } else { None }
    }

    /// A new snapshot; `None` while there is no tenant.
    pub(crate) fn make(&mut self, world: &World) -> Option<Edge> {
        let now_us = clock::wall_us();
        self.due = false;
        self.version += 1;
        self.bans_at_us = bans_end(world, now_us);
        let settings = EdgeSettings {
            version: self.version,
            tenant: world.tenants().next()?.id,
            nonce_key: self.nonce_key,
            denied: denied(world, now_us),
        };
        let (edge, left_out) = edge(world, &settings)?;
        if left_out > 0 {
            warn!(left_out, "bans found no room in the edge snapshot");
        }
        Some(edge)
    }
}
