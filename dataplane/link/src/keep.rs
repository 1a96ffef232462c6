//! NAT bindings that the dataplane keeps alive for registered contacts (design of calls, 6).

use crate::Transport;
use crate::codec::{wire_code, wire_enum, wire_struct};
use std::net::SocketAddr;

/// Most contacts that one shard keeps alive.
pub const KEPT_MAX: usize = 65_536;
/// Most contacts in one order.
pub const KEEP_BATCH_MAX: usize = 16;

wire_enum! {
    /// An order about contacts behind NATs. The dataplane needs no other word until a contact ends:
    /// it goes on while the control plane is away.
    pub enum KeepOrder {
        /// Keep these alive, known or not.
        0 => Put(Vec<Kept>),
        /// These no more.
        1 => Drop(Vec<u64>),
    }
}

impl KeepOrder {
    /// Whether it says nothing.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        match self {
            KeepOrder::Put(list) => list.is_empty(),
            KeepOrder::Drop(list) => list.is_empty(),
        }
    }
}

wire_struct! {
    /// A contact whose NAT binding is kept alive.
    pub struct Kept {
        /// Which: the same for the same contact, in every life of the control plane.
        pub id: u64,
        /// Listener that it registered at, and that it is kept alive from.
        pub listener: u8,
        /// Transport.
        pub transport: Transport,
        /// Where its REGISTER came from.
        pub peer: SocketAddr,
        /// Contact URI, for OPTIONS.
        pub uri: String,
        /// What is sent.
        pub how: KeepMode,
        /// How often, milliseconds.
        pub every_ms: u32,
        /// How long it is registered from now on, milliseconds.
        pub left_ms: u64,
    }
}

wire_code! {
    /// What keeps a NAT binding alive.
    pub enum KeepMode {
        /// Two line ends: a datagram that SIP ignores.
        Crlf = 0,
        /// OPTIONS: a device that answers is known to live.
        Options = 1,
        /// OPTIONS to a trunk: whether it answers is told ([`Probed`](crate::Probed)).
        Probe = 2,
    }
}
