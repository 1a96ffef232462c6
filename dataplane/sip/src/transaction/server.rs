//! What both server transactions say to their caller.

use super::Outbox;

/// An effect a server transaction asks for. Drain them in order.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum ServerOutput<M> {
    /// Pass this response to the transport: the first time or again.
    Send(M),
    /// Build a 100 (Trying) and hand it in by `respond`. Only [`super::ServerInvite`] asks.
    Trying,
    /// Pass the ACK just handled up to the transaction user: it acknowledges a 2xx. Only
    /// [`super::ServerInvite`] asks.
    Deliver,
    /// The final response was never acknowledged (timer H).
    TimedOut,
    /// The transport could not deliver a response; the transaction goes on (RFC 6026 section 8.8).
    TransportFailed,
    /// The transaction is over: drop it and its key. The last output of every transaction.
    Terminated,
}

/// Who answers an INVITE with 100 (Trying).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Trying {
    /// The caller sends a response of its own at once; the transaction never asks for a 100.
    ByCaller,
    /// The transaction asks for a 100 if no response was handed in for 200 ms, or when the INVITE
    /// comes again before that.
    After200Ms,
}

/// The most outputs one event causes: `Send` or `TimedOut`, then `Terminated`.
pub(super) const SERVER_OUT_MAX: usize = 2;

pub(super) type ServerOutbox<M> = Outbox<ServerOutput<M>, SERVER_OUT_MAX>;
