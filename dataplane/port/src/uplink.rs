//! The link between the planes: a Unix socket that hands over shared memory.
//!
//! switchd listens at a path ([`Uplink`]); controld connects ([`Downlink`]). A session begins with
//! a handshake that checks versions and sends, per shard, one sealed memfd with four fresh rings
//! and four eventfds, and the call tables. From then on the socket carries nothing: it is there to
//! be closed. The death of either side is an end of file on it. Rings are never used again; the
//! next session has new ones and another epoch.
//!
//! | ring | from | what |
//! |---|---|---|
//! | down | controld | answers and verbs |
//! | calls, registrations, bulk | shard | see [`crate::net::Lane`] |
//!
//! The bells of a session are one bell with many handles: who serves all lanes waits for any.
//!
//! Each ring has one writing and one reading thread: on controld's side whoever has something for a
//! shard must go through one thread per [`DownEnd`].
//!
//! # The handshake
//!
//! One seqpacket message each, 40 bytes, little-endian; descriptors by SCM_RIGHTS:
//!
//! ```text
//! controld: Hello(version, contract)
//! switchd:  Welcome(version, contract, epoch, node, shards, tables)
//!           or Refused(why, version, contract)
//! switchd:  Shard(number, 4 capacities) + [memfd, waker, 3 bells]     per shard
//! switchd:  Table(segment) + [file]                                   per table
//! controld: Ready
//! ```
//! `contract` is the version of the frames inside the rings, which this crate does not know.

mod downlink;
mod lane;
mod message;
mod server;

pub use downlink::{ConnectError, DownEnd, Downlink, LaneEnd, ShardEnd};
pub use lane::UplinkLane;
pub use message::{LINK_VERSION, Refusal, TABLES_MAX};
pub use server::{BESIDE_MAX, HANDSHAKE_MS_MAX, Uplink, UplinkConfig, UplinkEvent};

/// Most shards of one switchd.
pub const SHARDS_MAX: usize = 255;

/// Capacities of one shard's rings, in words of 64 bits; powers of two.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct RingSizes {
    /// Answers and verbs.
    pub down: u32,
    /// Asks and facts of calls.
    pub calls: u32,
    /// Asks and facts of registrations.
    pub registrations: u32,
    /// Trace, statistics, logs.
    pub bulk: u32,
}

impl Default for RingSizes {
    /// 512 KiB each: half a second of a shard's peak.
    fn default() -> RingSizes {
        RingSizes { down: 1 << 16, calls: 1 << 16, registrations: 1 << 16, bulk: 1 << 16 }
    }
}

impl RingSizes {
    fn to_array(self) -> [u32; 4] {
        [self.down, self.calls, self.registrations, self.bulk]
    }
}

#[cfg(test)]
mod tests;
