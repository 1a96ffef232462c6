//! HOT PATH
//!
//! A packet on its way through the relay, and what becomes of it.

use crate::ports::LocalPort;
use core::net::SocketAddr;

/// A received packet in the caller's buffer. [`crate::Relay::handle_burst`] fills the verdict in.
#[derive(Debug)]
pub struct Datagram<'b> {
    /// The local port it arrived at.
    pub at: LocalPort,
    /// Its source. IPv4 addresses are given as such, not mapped into IPv6.
    pub from: SocketAddr,
    /// The buffer that it lies in, from its first octet on. What SRTP adds needs room behind it.
    pub room: &'b mut [u8],
    /// Its length: what is sent of `room`, should it be sent.
    pub len: usize,
    /// Whether the buffer was too small for it.
    pub truncated: bool,
    /// What becomes of it.
    pub verdict: Verdict,
}

impl<'b> Datagram<'b> {
    /// A whole packet; nothing is sent before a relay has handled it.
    #[must_use]
    pub fn new(at: LocalPort, from: SocketAddr, octets: &'b mut [u8]) -> Datagram<'b> {
        let len = octets.len();
        Datagram::in_room(at, from, octets, len)
    }

    /// A packet of `len` octets in a buffer that may be longer.
    #[must_use]
    pub fn in_room(
        at: LocalPort,
        from: SocketAddr,
        room: &'b mut [u8],
        len: usize,
    ) -> Datagram<'b> {
        let verdict = Verdict::Drop(Drop::Closed);
        Datagram { at, from, room, len, truncated: false, verdict }
    }

    /// Its octets.
    #[must_use]
    pub fn octets(&self) -> &[u8] {
        self.room.get(..self.len).unwrap_or_default()
    }
}

/// What becomes of a packet.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Verdict {
    /// It is dropped, and counted under the reason.
    Drop(Drop),
    /// It is sent from a local port of ours to a remote address.
    Send {
        /// The port it leaves from.
        from: LocalPort,
        /// Where it goes.
        to: SocketAddr,
    },
    /// It is of DTLS, from where the party is: for whoever agrees on keys with it.
    Dtls,
}

/// Why a packet is dropped.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Drop {
    /// No flow at the port. Counted for the relay as a whole.
    Closed,
    /// The packet did not fit its buffer.
    Truncated,
    /// Not RTP at an RTP port, not RTCP at an RTCP port, or malformed.
    Junk,
    /// From a source that is neither expected nor to be learned.
    Stranger,
    /// RTP of a payload type that was not negotiated.
    PayloadType,
    /// The sender should not send or the receiver not receive: hold. The packet is counted as
    /// received, and latches.
    Held,
    /// The other side's address is not known.
    NoDestination,
    /// More than a flow may send.
    Flood,
    /// SRTP that is not by who has the key, or that came before; RTP that cannot be protected.
    Unproven,
}

impl Drop {
    /// All reasons.
    pub const ALL: [Drop; 9] = [
        Drop::Closed,
        Drop::Truncated,
        Drop::Junk,
        Drop::Stranger,
        Drop::PayloadType,
        Drop::Held,
        Drop::NoDestination,
        Drop::Flood,
        Drop::Unproven,
    ];

    const fn index(self) -> usize {
        match self {
            Drop::Closed => 0,
            Drop::Truncated => 1,
            Drop::Junk => 2,
            Drop::Stranger => 3,
            Drop::PayloadType => 4,
            Drop::Held => 5,
            Drop::NoDestination => 6,
            Drop::Flood => 7,
            Drop::Unproven => 8,
        }
    }
}

/// Dropped packets by reason; each counter stops at its largest value.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Drops([u32; Drop::ALL.len()]);

impl Drops {
    /// As many were counted elsewhere.
    pub(crate) fn set(&mut self, reason: Drop, count: u32) {
        if let Some(counter) = self.0.get_mut(reason.index()) {
            *counter = count;
        }
    }

    /// Counts one.
    pub(crate) fn count(&mut self, reason: Drop) {
        if let Some(counter) = self.0.get_mut(reason.index()) {
            *counter = counter.saturating_add(1);
        }
    }

    /// Packets dropped for this reason.
    #[must_use]
    pub fn of(&self, reason: Drop) -> u32 {
        self.0.get(reason.index()).copied().unwrap_or(0)
    }

    /// Packets dropped for any reason.
    #[must_use]
    pub fn total(&self) -> u64 {
        self.0.iter().map(|counter| u64::from(*counter)).sum()
    }
}
