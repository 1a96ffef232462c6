//! What an endpoint gives back.

use std::net::SocketAddr;
use std::sync::Arc;

use strowger_leg::Event;
use strowger_link::{LegId, RegisterAsk, RequestAsk, UpstreamState};

use super::config::Path;
use super::slab::Id;
use crate::message::Refusal;

/// A message on its way; cheap to clone.
pub type Bytes = Arc<[u8]>;

/// One effect. Drain them in order after every `handle_*`.
#[derive(Clone, PartialEq, Debug)]
pub enum Output {
    /// Send these bytes.
    Transmit(Transmit),
    /// A leg has something to say.
    Event(LegId, Event),
    /// The party of a leg sends from this address now.
    Moved(LegId, SocketAddr),
    /// A request outside calls wants an answer: `respond`, `registered`, `challenge` or `refuse`.
    Request(Outside),
    /// A dialog's next hop is a name: `located` says where it leads, or that it leads nowhere. An
    /// ACK may wait for it.
    Name(Box<Lookup>),
    /// A registration of ours stands otherwise than before.
    Upstream(UpstreamState),
    /// Something to be counted; nothing else happened, or a refusal was sent.
    Counted(Counted),
}

/// Bytes and their way.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Transmit {
    /// The way.
    pub path: Path,
    /// One whole message.
    pub bytes: Bytes,
}

/// A host name to be looked up (RFC 3263) for the transport of a way.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Lookup {
    /// Whose next hop it is.
    pub leg: LegId,
    /// The way on which the leg began.
    pub path: Path,
    /// The name, as written.
    pub host: String,
    /// Port; 0 = none is said.
    pub port: u16,
}

/// The number of a request outside calls, for its answer.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct RequestId(pub(super) Id);

/// A request outside calls.
#[derive(Clone, PartialEq, Debug)]
pub struct Outside {
    /// Its number.
    pub id: RequestId,
    /// The way it came.
    pub path: Path,
    /// Host part of the Request-URI.
    pub host: String,
    /// What is asked.
    pub body: OutsideBody,
}

/// Kinds of request outside calls.
#[derive(Clone, PartialEq, Debug)]
pub enum OutsideBody {
    /// REGISTER, with credentials whose nonce is ours and fresh.
    Register(Box<RegisterAsk>),
    /// Any other method of `Config::outside`.
    Other(Box<RequestAsk>),
    /// A request of this leg's dialog from an address that is none of its party's, with credentials
    /// whose nonce is ours and fresh. `respond` by 200 says that they are the party's: the request
    /// is carried out then, and the leg has moved to that address.
    Proof(LegId, Box<RequestAsk>),
}

/// Why something was dropped or refused without a call hearing of it.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Counted {
    /// A malformed message, dropped.
    Dropped(Refusal),
    /// A malformed request, answered.
    Refused(Refusal),
    /// A response that belongs to no transaction.
    StrayResponse,
    /// An ACK that belongs to nothing.
    StrayAck,
    /// A request of a dialog that we do not have: 481.
    NoDialog,
    /// A request of a dialog, or its CANCEL, from an address that is none of its party's: who could
    /// prove to be the party is challenged, all others get 481, an ACK is dropped.
    Elsewhere,
    /// A CANCEL of nothing: 481.
    NoTransaction,
    /// A request of a dialog behind a later one: 500.
    OutOfOrder,
    /// The same request by another way: 482.
    Merged,
    /// A request that we do not take for what it is or brings: the status of the answer.
    Barred(u16),
    /// From a source that is denied; dropped.
    Denied,
    /// Challenged: no credentials, or not for us.
    Challenged,
    /// Challenged again: the nonce was ours, but too old.
    Stale,
    /// Without credentials for us, from a source that was challenged too often; dropped.
    Unchallenged,
    /// Refused by 503: a table is full.
    Full,
    /// A request outside calls that nobody answered in time.
    Unanswered,
    /// A body for a party that is not sent such; left out.
    Withheld,
    /// A command that the leg's state does not allow.
    Misuse,
    /// A message that could not be built from what a command brought.
    Unbuildable,
}
