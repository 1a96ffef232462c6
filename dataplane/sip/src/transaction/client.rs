//! What both client transactions say to their caller.

use super::Outbox;

/// An effect a client transaction asks for. Drain them in order.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum ClientOutput<M> {
    /// Pass this request to the transport: the first time or again.
    Send(M),
    /// Build the ACK for the response just handled from this INVITE, and pass it to the transport,
    /// to the same address, port and transport as the INVITE (RFC 3261 section 17.1.1.3).
    ///
    /// It is asked for anew with each retransmission of the response, so that its To is always
    /// that of the response being acknowledged. Only [`super::ClientInvite`] asks.
    Ack(M),
    /// Pass the response just handled up to the transaction user.
    Deliver,
    /// No final response came in time (timers B and F). To be treated as a 408
    /// (RFC 3261 section 8.1.3.1).
    TimedOut,
    /// The transport could not deliver the request. To be treated as a 503
    /// (RFC 3261 section 8.1.3.1).
    TransportFailed,
    /// The transaction is over: drop it and its key. The last output of every transaction.
    Terminated,
}

/// The most outputs one event causes: `Ack`, `Deliver`, `Terminated`.
pub(super) const CLIENT_OUT_MAX: usize = 3;

pub(super) type ClientOutbox<M> = Outbox<ClientOutput<M>, CLIENT_OUT_MAX>;
