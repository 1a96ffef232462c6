//! SIP: messages, transactions, dialogs and the leg usages, without sockets.
//!
//! This crate parses and builds messages, keeps transactions and dialogs, and translates between
//! SIP and the vocabulary of `strowger-leg`. It never opens a socket, reads a clock or a random
//! source, and never decides where a call goes: that is `call`'s and the control plane's part.
//!
//! - [`message`]: a datagram as offsets ([`message::Message`] is the type to start with), with
//!   [`header`], [`field`] and [`uri`] for typed views of its parts.
//! - [`scan`], [`refuse`]: the few facts that find the owner of a datagram, and a 503 from them.
//! - [`build`]: writing messages.
//! - [`digest`]: authentication, both sides.
//! - [`transaction`]: the four machines of section 17.
//! - [`dialog`]: the two ends, the route set, the order of requests.
//! - [`endpoint`]: all of it as one machine that a shard drives.
//!
//! RFC 3261 throughout; 3581 (rport), 2617/7616/8760 (digest), 3326 (Reason), 3966 (tel),
//! 4475 (torture tests), 6026 (INVITE transactions).

pub mod build;
pub mod dialog;
pub mod digest;
mod digits;
pub mod endpoint;
pub mod field;
pub mod header;
mod lex;
pub mod limits;
pub mod message;
pub mod method;
pub mod registration;
mod scan;
pub mod status;
pub mod transaction;
pub mod uri;
mod word;

pub use header::Header;
pub use message::{Index, Message, Refusal, StartLine};
pub use method::Method;
pub use scan::{
    Refusal as ScanRefusal, Scan, refuse, refused_tag, replaced_tags, request_hash, scan,
};
pub use status::Status;
