//! Bounds and times of the relay.

/// Local media addresses of one relay.
pub const ADDRESSES_MAX: usize = 8;
/// Pairs of one relay. At two ports a side, 65,536 ports of 8 addresses carry 131,072 pairs.
pub const PAIRS_MAX: usize = 131_072;
/// Events waiting in `poll_output`; more wait in the wheel.
pub const EVENTS_MAX: usize = 256;
/// Ports waiting in `poll_marked`; one that finds no room comes again.
pub const MARKS_DUE_MAX: usize = 1024;

/// Default range of RTP and RTCP ports, outside the ephemeral range of Linux (32768-60999).
pub const PORT_MIN: u16 = 16_384;
/// Last port of the default range.
pub const PORT_MAX: u16 = 32_767;
/// How long a closed port rests at least: a BYE reaches the far end in that time. The port that
/// has rested longest is taken first, so most rest for far longer; but a port is not refused to a
/// call for late packets of another, which the latch tells apart. One address of the default range
/// then carries 8,000 short calls a second.
pub const COOL_DOWN_MS: u64 = 500;

/// An RTP source that has been silent this long may be continued from another address by the
/// same SSRC. Shorter would let a stranger who learned the SSRC take a flow over in a pause of
/// the network; longer would prolong the silence after a NAT rebinding.
pub const RELATCH_SILENCE_MS: u64 = 2_000;
/// The same for RTCP: longer than its longest usual interval, 5 s and half of it (RFC 3550
/// section 6.3.1), for one packet in time must keep a stranger out.
pub const RTCP_RELATCH_SILENCE_MS: u64 = 8_000;

/// Silence before the first packet, by default.
pub const SILENCE_START_MS: u32 = 30_000;
/// Silence between packets, by default.
pub const SILENCE_RUNNING_MS: u32 = 60_000;

/// Packets that a flow may send in a second ([`FLOW_WINDOW_SHIFT`]), by default: a good picture at
/// its peak sends half of them, speech fifty.
pub const FLOW_PACKETS: u32 = 2_000;
/// A second of a flow is 2^30 ns, some 1.07 s: the time to count in, without a division.
pub const FLOW_WINDOW_SHIFT: u32 = 30;
/// How long after an answer is listened for what rings on, milliseconds: two cadences of it.
pub const LISTEN_MS: u64 = 10_000;
/// How long is listened before an answer at most, milliseconds: nobody lets it ring so long, and a
/// pair that was taken up from a former process has its answer behind it.
pub const RINGING_MS_MAX: u64 = 180_000;
/// Sounds before an answer that are remembered: a tone of whole hertz has at most so many payloads
/// of 20 ms, but for those that are modulated.
pub const EAR_SUMS: usize = 16;
/// How long nothing may have happened to a flow before it is given away, milliseconds.
pub const CALM_MS: u64 = 1_000;
/// A party that has sent nothing for so long does not speak, milliseconds.
pub const SPEAKS_MS: u64 = 500;
/// A packet of a flow that came up so soon after it went was under way already, milliseconds.
pub const STRAGGLERS_MS: u64 = 100;
/// A flow that was away for so long is calm by nature, milliseconds.
pub const STAYED_MS: u64 = 60_000;
/// Most often that a flow's time of calm is doubled: to 64 s.
pub const TRIES_MAX: u8 = 6;
/// RFC 3550 A.1: a sequence number this far ahead is a restart, not loss.
pub const DROPOUT_MAX: u16 = 3_000;
/// RFC 3550 A.1: a sequence number this far behind is late, not a restart.
pub const MISORDER_MAX: u16 = 100;

const _: () = assert!(ADDRESSES_MAX * 65_536 / 4 == PAIRS_MAX, "two ports a side, two sides");
const _: () = assert!(ADDRESSES_MAX * 65_536 < u32::MAX as usize, "a local port is 32 bits");
const _: () = assert!(EAR_SUMS <= 0xff, "a place is an octet");
const _: () = assert!(EVENTS_MAX >= 2, "one pair raises two events at once");
