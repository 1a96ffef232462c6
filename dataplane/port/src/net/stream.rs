//! What a shard sees of connections: bytes in order, and the news of their beginning and end.

use std::net::SocketAddr;

/// Connections that one `recv_streams` takes in from each listener; more wait in its queue.
pub const ACCEPTS_MAX: usize = 16;
/// Connections that one `recv_streams` looks at; more wait for the next one, in order.
pub const STREAM_BURST_MAX: usize = 64;
/// Bytes that one `recv_streams` reads from one connection; more wait for its next turn.
pub const STREAM_BYTES_MAX: usize = 16 * 1024;

/// A connection: its place, and which connection in that place it is. It means nothing after
/// [`StreamEvent::Closed`] or `close_stream`.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct ConnId {
    /// Place, from 0; below the most connections at once.
    pub place: u32,
    /// Counted from 1 to [`LIFE_MAX`](strowger_link::FlowToken::LIFE_MAX), then anew.
    pub life: u32,
}

/// What happened to a connection.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum StreamEvent<'a> {
    /// A peer connected to a listener.
    Accepted {
        /// The connection.
        conn: ConnId,
        /// Index of the shard's listener.
        listener: u8,
        /// Our address that it was made to.
        local: SocketAddr,
        /// The peer's address.
        peer: SocketAddr,
    },
    /// One of ours is up.
    Connected {
        /// The connection.
        conn: ConnId,
        /// Our end of it.
        local: SocketAddr,
    },
    /// Bytes came, at most [`STREAM_BYTES_MAX`].
    Received {
        /// The connection.
        conn: ConnId,
        /// At least one.
        data: &'a [u8],
    },
    /// `send_stream` took less than all before; there is room again.
    Writable {
        /// The connection.
        conn: ConnId,
    },
    /// It is over, by the peer or the network; nothing more is heard of it.
    Closed {
        /// The connection.
        conn: ConnId,
        /// How.
        how: Closed,
    },
}

/// How a connection ended that we did not close.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Closed {
    /// The peer sends no more.
    Ended,
    /// Reset, or given up by the system because the peer is silent.
    Broken,
    /// One of ours did not come up: nobody listens there, or the network does not lead there.
    Refused,
}

/// Why a connection of ours was not begun.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum ConnectError {
    /// No such listener, none for connections, or the peer's family does not fit it: our caller's
    /// bug.
    NoListener,
    /// As many connections as there may be, or no descriptor left.
    Full,
    /// The network does not lead there.
    Unreachable,
}

/// The connections of one listener since the start; those of ours count at the listener that they
/// name.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub struct StreamCounters {
    /// Connections taken in.
    pub accepted: u64,
    /// Connections turned away because there were too many, or no descriptor was left.
    pub refused: u64,
    /// Connections of ours that came up.
    pub opened: u64,
    /// Connections of ours that did not.
    pub failed: u64,
    /// Connections of both kinds that had been up and are over.
    pub closed: u64,
    /// Of these, broken by the network or the peer.
    pub lost: u64,
}
