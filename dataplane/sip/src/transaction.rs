//! The four transaction machines of RFC 3261 section 17, with the Accepted states of RFC 6026.
//!
//! | machine | states | timers |
//! |---|---|---|
//! | [`ClientInvite`] | Calling, Proceeding, Completed, Accepted, Terminated | A B D M |
//! | [`ClientNonInvite`] | Trying, Proceeding, Completed, Terminated | E F K |
//! | [`ServerInvite`] | Proceeding, Completed, Confirmed, Accepted, Terminated | G H I L, 200 ms |
//! | [`ServerNonInvite`] | Trying, Proceeding, Completed, Terminated | J |
//!
//! They know nothing of message bytes. `M` is the caller's handle of a serialized message (an
//! `Rc<[u8]>` or the like, cheap to clone): what they are given to send they keep, and give back
//! when it is time to send it again. What arrives from the network is told by its kind alone; the
//! output `Deliver` means "the message just handled goes up to the transaction user".
//!
//! They never parse, build, match or send a message, read no clock and decide no policy: the
//! matching keys are in [`key`], ACK for a 2xx and retransmission of a 2xx belong to the dialog
//! (RFC 3261 section 13), Timer C and CANCEL to whoever owns the call, failover to the caller who
//! sees `TransportFailed` or `TimedOut`.
//!
//! To drive one: construct it, then after the constructor and after every `handle_*`,
//! `handle_timeout` or `respond` drain `poll_output` to `None`, then ask `poll_timeout` when to
//! call `handle_timeout`. After `Terminated` the machine owns no timer, ignores every event and
//! is to be dropped. Dropping it earlier is how a caller abandons a transaction.
//!
//! A timer of zero seconds (D, I, J and K on reliable transports) does not pass through the timer:
//! the machine goes to Terminated in the same step.
//!
//! Start reading at [`ClientInvite`]; the state tables are in each machine's tests.

mod backoff;
mod client;
mod client_invite;
mod client_non_invite;
pub mod key;
mod outbox;
mod server;
mod server_invite;
mod server_non_invite;
mod timers;

pub use client::ClientOutput;
pub use client_invite::ClientInvite;
pub use client_non_invite::ClientNonInvite;
pub use outbox::Outbox;
pub use server::{ServerOutput, Trying};
pub use server_invite::ServerInvite;
pub use server_non_invite::ServerNonInvite;
pub use timers::{T1_MS_MIN, TIMER_MS_MAX, Timers, TimersError};

/// What the transport under a transaction promises.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Reliability {
    /// Datagrams may be lost: UDP. The transaction retransmits.
    Unreliable,
    /// TCP, TLS, WebSocket, SCTP: nothing is retransmitted hop by hop.
    Reliable,
}

/// The three kinds of response that a transaction tells apart.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum ResponseClass {
    /// 100 to 199.
    Provisional,
    /// 200 to 299: final; for INVITE it leaves the transaction to the dialog.
    Success,
    /// 300 to 699: final.
    Failure,
}

impl ResponseClass {
    /// The class of a status code; `None` outside 100 to 699 (RFC 3261 section 7.2).
    #[must_use]
    pub const fn of(status: u16) -> Option<ResponseClass> {
        match status {
            100..=199 => Some(ResponseClass::Provisional),
            200..=299 => Some(ResponseClass::Success),
            300..=699 => Some(ResponseClass::Failure),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests;
