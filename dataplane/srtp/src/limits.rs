//! Bounds of SRTP.

/// Octets of a master key with its salt: AES-256 with 14 of salt.
pub const MASTER_BYTES_MAX: usize = 46;
/// Sources remembered by one context. A party has one, and one more for each transfer or
/// announcement of its own; of more than these the one unheard for longest is forgotten.
pub const STREAMS_MAX: usize = 16;
/// Bits by which a sealer knows the sources that it has forgotten: of 64 of them, one new source in
/// a thousand is taken for one of them, and stays silent.
pub const FORGOTTEN_BITS: usize = 4096;
/// Packets behind the newest that may still come (RFC 3711 section 3.3.2 asks for 64 at least).
pub const WINDOW: u64 = 128;
/// Octets that protection adds at most: a tag of 16 and, to SRTCP, an index of 4.
pub const GROWTH_MAX: usize = 20;
/// Octets of a packet: more than any buffer of ours.
pub const PACKET_MAX: usize = 4096;

/// Packets after which where a source is should be kept anew: a quarter of what may pass unseen
/// before a sequence number alone would be taken for one of another round (RFC 3711 section 3.3.1).
pub const MARK_EVERY: u64 = 1 << 14;
/// How far the SRTCP index of a sealer jumps when it is resumed: beyond all that may have been
/// sent since its last mark.
pub const RTCP_RESUME_GAP: u32 = 1 << 15;
/// The last SRTCP index (RFC 3711 section 3.4): 31 bits. The key ends there.
pub const RTCP_INDEX_MAX: u32 = (1 << 31) - 1;
/// The last index of an RTP stream: 48 bits.
pub const INDEX_MAX: u64 = (1 << 48) - 1;

const _: () = assert!(MARK_EVERY * 2 <= 1 << 15, "a mark that is missed once still tells");
const _: () = assert!(RTCP_RESUME_GAP as u64 > MARK_EVERY, "a resumed index is a new one");
const _: () = assert!(WINDOW == u128::BITS as u64, "the window is one word");
const _: () = assert!(PACKET_MAX / 16 < 1 << 16, "the block counter of a packet is 16 bits");
