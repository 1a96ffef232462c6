//! What one flow received, as whoever relays it counts it: the relay of a shard, or the kernel's
//! program while the flow is with it. Plain numbers, so that either goes on where the other ended.

use crate::Tick;

/// Counts of a flow since its beginning, and where its stream is (RFC 3550 A.1, A.3, A.8).
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub struct Tally {
    /// Packets received.
    pub packets: u64,
    /// Octets of their UDP payload.
    pub octets: u64,
    /// When the first one came.
    pub first: Tick,
    /// When the last one came.
    pub last: Tick,
    /// Packets dropped because they were more than the flow may send.
    pub flooded: u32,
    /// Packets lost of runs before this one.
    pub lost_before: u32,
    /// The run's first sequence number.
    pub base: u32,
    /// How often its sequence numbers began anew, in the upper half.
    pub cycles: u32,
    /// Packets of the run.
    pub received: u32,
    /// Its highest sequence number.
    pub highest: u16,
    /// Its source.
    pub ssrc: u32,
    /// Arrival against timestamp of the last packet; `None` before one told it.
    pub transit: Option<u32>,
    /// Jitter, in sixteenths of a unit of the clock.
    pub jitter_16: u32,
    /// Its highest value.
    pub jitter_16_max: u32,
    /// Payload type of the last packet, events apart.
    pub payload_type: Option<u8>,
}
