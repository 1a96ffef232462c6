//! STUN (RFC 8489), and ICE as its lite side (RFC 8445 section 2.5).
//!
//! *What it is:* a sans-IO core. A [`Message`] is STUN as a checked view; a [`Reply`] writes what
//! answers it into a buffer of the caller's. An [`Agent`] is one component of a media line of ours:
//! it has our [`Credentials`], proves and answers the checks of a party, and says which address it
//! has chosen.
//!
//! *What it never does:* send checks of its own (the other side controls, RFC 8445 6.1.1), gather
//! addresses other than ours, answer whom it cannot prove, allocate.
//!
//! *Left out:* full ICE, TURN, MESSAGE-INTEGRITY-SHA256, which RFC 8445 has none of.
//!
//! RFC 8489 5, 6.3, 14; RFC 8445 2.5, 7.3, 16; RFC 8839 5.4; RFC 7675 (consent by what arrives).
//! *Where to start:* [`Agent`].

mod agent;
mod crc;
mod credentials;
pub mod limits;
mod reply;
mod stun;

pub use agent::{Agent, Check};
pub use credentials::{Credentials, is_ice_text};
pub use reply::Reply;
pub use stun::{Attribute, Message, kind};
