//! The edge snapshot: made anew when the world has changed.

use strowger_link::Edge;
use strowger_routing::{EdgeSettings, World, edge};
use tracing::warn;

/// Validity of a nonce, seconds.
const NONCE_VALID_S: u32 = 300;

/// Makes edge snapshots.
pub(crate) struct EdgeSource {
    nonce_key: [u8; 16],
    version: u64,
    due: bool,
}

impl EdgeSource {
    /// `nonce_key` is secret and kept over restarts, so that phones need not be challenged anew.
    pub(crate) const fn new(nonce_key: [u8; 16]) -> EdgeSource {
        EdgeSource { nonce_key, version: 0, due: false }
    }

    /// The world has changed.
    pub(crate) const fn changed(&mut self) {
        self.due = true;
    }

    /// A new snapshot, if one is due.
    pub(crate) fn due(&mut self, world: &World) -> Option<Edge> {
        if self.due { self.make(world) } else { None }
    }

    /// A new snapshot; `None` while there is no tenant.
    pub(crate) fn make(&mut self, world: &World) -> Option<Edge> {
        self.due = false;
        self.version += 1;
        let settings = EdgeSettings {
            version: self.version,
            tenant: world.tenants().next()?.id,
            nonce_key: self.nonce_key,
            nonce_valid_s: NONCE_VALID_S,
            denied: Vec::new(),
        };
        let (edge, left_out) = edge(world, &settings)?;
        if left_out > 0 {
            warn!(left_out, "bans found no room in the edge snapshot");
        }
        Some(edge)
    }
}
