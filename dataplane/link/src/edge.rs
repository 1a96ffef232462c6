//! The edge snapshot: what a shard must know to answer strangers without asking.

use crate::codec::{wire_enum, wire_struct};
use crate::{Algorithm, Branch};
use std::net::IpAddr;

wire_struct! {
    /// Known sources, realm, bans and emergency numbers; pushed whole whenever one changes.
    pub struct Edge {
        /// Counts changes.
        pub version: u64,
        /// Digest realm (one tenant per realm).
        pub realm: String,
        /// Algorithms to challenge with, in order.
        pub algorithms: Vec<Algorithm>,
        /// Key of the self-validating nonces.
        pub nonce_key: [u8; 16],
        /// Validity of a nonce, seconds.
        pub nonce_valid_s: u32,
        /// First match wins, targets apart; no match = [`SourceAction::Challenge`].
        pub sources: Vec<EdgeSource>,
        /// Emergency numbers and where they go, asked or not.
        pub emergency: Vec<Emergency>,
    }
}

/// Most sources of a snapshot, those of its pages included.
pub const SOURCES_MAX: usize = 131_072;

wire_struct! {
    /// A part of a snapshot's sources that is too long for one frame. The pages come in order, and
    /// the [`Edge`] that has the same version behind them: only then the snapshot counts, with the
    /// sources of the pages before its own.
    pub struct EdgePage {
        /// The version of the snapshot.
        pub version: u64,
        /// At most [`LIST_MAX`](crate::codec::LIST_MAX) sources.
        pub sources: Vec<EdgeSource>,
    }
}

wire_struct! {
    /// One known source.
    pub struct EdgeSource {
        /// Network address.
        pub network: IpAddr,
        /// Prefix length, bits.
        pub prefix_len: u8,
        /// Source port, 0 = any.
        pub port: u16,
        /// What to do with it.
        pub action: SourceAction,
    }
}

wire_enum! {
    /// What a source is.
    pub enum SourceAction {
        /// This trunk: asks without credentials.
        0 => Trunk(i64),
        /// Dropped silently, counted.
        1 => Deny,
        /// Must show credentials.
        2 => Challenge,
        /// This trunk is called there. It gives no right to call: it says whose an address is when
        /// a request of a running call comes from it.
        3 => Target(i64),
    }
}

wire_struct! {
    /// An emergency number.
    pub struct Emergency {
        /// Digits as dialled.
        pub number: String,
        /// Tried in order when no answer comes.
        pub branches: Vec<Branch>,
    }
}
