//! SRTP and SRTCP (RFC 3711, RFC 6188, RFC 7714), in place.
//!
//! *What it is:* a sans-IO core. A [`Master`] is what signalling agrees on for one direction; of it
//! come an [`RtpSealer`] or [`RtpOpener`] and an [`RtcpSealer`] or [`RtcpOpener`], which turn a
//! packet in its own buffer into a protected one and back. They keep, for each source, where its
//! sequence numbers are, so that the rollover counter is known and nothing passes twice.
//! [`KeyMaker`] makes masters of ours from chance that is handed in.
//!
//! *What it never does:* open sockets, read a clock, draw chance, allocate for a packet, let a
//! packet through that is not authentic, protect two packets under one index.
//!
//! *Across lives of the process:* [`RtpSealer::marks`] tells where each source is; they are due to
//! be kept whenever [`Passed::is_mark_due`], long before a counter could be guessed wrongly.
//! [`RtpSealer::resume`] takes them up: indices at and below a mark are never used again.
//!
//! *Left out:* master key identifiers, key derivation rates, F8, ciphers without authentication:
//! nobody offers them, and each would be a way to less.
//!
//! *Where to start:* [`RtpSealer`], then `cipher.rs`.

mod cipher;
mod derive;
pub mod limits;
mod maker;
mod master;
mod packet;
mod rtcp;
mod rtp;
mod stream;
mod suite;
#[cfg(test)]
mod vectors;

pub use maker::KeyMaker;
pub use master::Master;
pub use rtcp::{RtcpOpener, RtcpSealer};
pub use rtp::{RtpOpener, RtpSealer};
pub use stream::Mark;
pub use suite::Suite;

/// A packet that was protected, or proved authentic.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Passed {
    /// Its length now.
    pub len: usize,
    /// Whether [`RtpSealer::marks`] and the like have moved far enough to be kept anew.
    pub is_mark_due: bool,
}

/// Why a packet did not pass. It is to be dropped; its octets may have been changed.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Fault {
    /// Too short, malformed, or no room for what is added.
    Malformed,
    /// Its index passed before, or is too old to tell.
    Replayed,
    /// It is not by who has the key.
    Forged,
}
