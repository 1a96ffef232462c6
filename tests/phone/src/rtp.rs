//! RTP and RTCP bytes (RFC 3550), and payloads that prove what arrived.
//!
//! A marked payload carries the stream it belongs to, its place in that stream, when it was sent,
//! filling that follows from both, and a hash over all of it. So the receiver knows of each packet
//! whether it came whole, twice, late, or from a stranger, whatever was done to its RTP header.

pub mod tally;

use std::hash::{BuildHasher, RandomState};
use std::sync::OnceLock;
use std::time::{Instant, SystemTime, UNIX_EPOCH};

use crate::random::Random;

/// First bytes of a marked payload.
const MAGIC: [u8; 4] = *b"SWPH";
/// Magic, process, stream, sequence, time before the filling.
const HEAD_BYTES: usize = 36;
const HASH_BYTES: usize = 8;
/// Shortest payload that can be marked, bytes: 5.5 ms of G.711.
pub const MARKED_BYTES_MIN: usize = HEAD_BYTES + HASH_BYTES;

/// What a payload is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mark {
    /// A whole marked payload.
    Good(Stamp),
    /// Marked, but the hash does not fit: the payload was changed on its way.
    Corrupt,
    /// Not one of ours.
    Foreign,
}

/// What a marked payload says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Stamp {
    /// Stream it belongs to, chosen at random by the sender.
    pub stream: u64,
    /// Its place, from 0.
    pub sequence: u64,
    /// When it was sent, ns of the sending process's clock.
    pub sent_ns: u64,
    /// True when this process sent it, so that `sent_ns` can be compared with [`clock_ns`].
    pub same_process: bool,
}

/// A checked RTP packet.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Packet<'a> {
    /// Marker bit.
    pub marker: bool,
    /// Payload type.
    pub payload_type: u8,
    /// Sequence number.
    pub sequence: u16,
    /// Timestamp, in units of the payload's clock.
    pub timestamp: u32,
    /// Synchronisation source.
    pub ssrc: u32,
    /// Without header, contributing sources, extension and padding.
    pub payload: &'a [u8],
}

impl<'a> Packet<'a> {
    /// Reads a datagram; `None` when it is not RTP version 2 or is cut short.
    #[must_use]
    pub fn parse(bytes: &'a [u8]) -> Option<Self> {
        let [first, second, ..] = *bytes else { return None };
        if first >> 6 != 2 {
            return None;
        }
        let mut at = 12 + usize::from(first & 0x0F) * 4;
        if first & 0x10 != 0 {
            let words = u16::from_be_bytes(bytes.get(at + 2..at + 4)?.try_into().ok()?);
            at += 4 + usize::from(words) * 4;
        }
        let mut end = bytes.len();
        if first & 0x20 != 0 {
            end = end.checked_sub(usize::from(*bytes.last()?))?;
        }
        Some(Self {
            marker: second & 0x80 != 0,
            payload_type: second & 0x7F,
            sequence: u16::from_be_bytes(bytes.get(2..4)?.try_into().ok()?),
            timestamp: u32::from_be_bytes(bytes.get(4..8)?.try_into().ok()?),
            ssrc: u32::from_be_bytes(bytes.get(8..12)?.try_into().ok()?),
            payload: bytes.get(at..end)?,
        })
    }

    /// The wire form.
    #[must_use]
    pub fn to_bytes(&self) -> Vec<u8> {
        let mut bytes = Vec::with_capacity(12 + self.payload.len());
        bytes.push(0x80);
        bytes.push(u8::from(self.marker) << 7 | self.payload_type & 0x7F);
        bytes.extend_from_slice(&self.sequence.to_be_bytes());
        bytes.extend_from_slice(&self.timestamp.to_be_bytes());
        bytes.extend_from_slice(&self.ssrc.to_be_bytes());
        bytes.extend_from_slice(self.payload);
        bytes
    }
}

/// A payload of `bytes` bytes (at least [`MARKED_BYTES_MIN`]) that [`read_mark`] verifies.
#[must_use]
pub fn marked_payload(stream: u64, sequence: u64, bytes: usize) -> Vec<u8> {
    let bytes = bytes.max(MARKED_BYTES_MIN);
    let mut payload = Vec::with_capacity(bytes);
    payload.extend_from_slice(&MAGIC);
    payload.extend_from_slice(&process().to_be_bytes());
    payload.extend_from_slice(&stream.to_be_bytes());
    payload.extend_from_slice(&sequence.to_be_bytes());
    payload.extend_from_slice(&clock_ns().to_be_bytes());
    let mut filling = Random::new(stream ^ sequence.rotate_left(32));
    while payload.len() < bytes - HASH_BYTES {
        let [byte, ..] = filling.bits().to_be_bytes();
        payload.push(byte);
    }
    let hash = fnv1a(&payload);
    payload.extend_from_slice(&hash.to_be_bytes());
    payload
}

/// Tells what a payload is.
#[must_use]
pub fn read_mark(payload: &[u8]) -> Mark {
    if payload.len() < MARKED_BYTES_MIN || !payload.starts_with(&MAGIC) {
        return Mark::Foreign;
    }
    let Some((text, hash)) = payload.split_at_checked(payload.len() - HASH_BYTES) else {
        return Mark::Foreign;
    };
    if hash != fnv1a(text).to_be_bytes() {
        return Mark::Corrupt;
    }
    Mark::Good(Stamp {
        same_process: word(text, 4) == process(),
        stream: word(text, 12),
        sequence: word(text, 20),
        sent_ns: word(text, 28),
    })
}

/// Nanoseconds since this process first asked.
#[must_use]
pub fn clock_ns() -> u64 {
    static BEGUN: OnceLock<Instant> = OnceLock::new();
    u64::try_from(BEGUN.get_or_init(Instant::now).elapsed().as_nanos()).unwrap_or(u64::MAX)
}

/// RTCP of one direction of a call, as built by this phone.
#[derive(Debug, Clone, Copy, Default)]
pub struct SenderInfo {
    /// RTP timestamp of now.
    pub timestamp: u32,
    /// Packets sent.
    pub packets: u32,
    /// Payload bytes sent.
    pub bytes: u32,
}

/// One reception report (RFC 3550 6.4.1).
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct ReportBlock {
    /// Whom it is about.
    pub ssrc: u32,
    /// Lost since the last report, in 1/256.
    pub fraction_lost: u8,
    /// Lost since the beginning.
    pub lost: u32,
    /// Highest sequence number with cycles.
    pub highest: u32,
    /// Jitter, in timestamp units.
    pub jitter: u32,
    /// The middle of the NTP time of the last sender report; 0 for none.
    pub last_sr: u32,
    /// Time since that report, in 1/65536 s.
    pub delay: u32,
}

/// A compound packet: SR when `sender` is given, else RR; then SDES with `cname`; BYE if `bye`.
#[must_use]
pub fn rtcp_compound(
    ssrc: u32,
    sender: Option<SenderInfo>,
    block: Option<ReportBlock>,
    cname: &str,
    bye: bool,
) -> Vec<u8> {
    let mut body = Vec::new();
    if let Some(sender) = sender {
        body.extend_from_slice(&ntp_now().to_be_bytes());
        for value in [sender.timestamp, sender.packets, sender.bytes] {
            body.extend_from_slice(&value.to_be_bytes());
        }
    }
    if let Some(block) = block {
        let lost = u32::from(block.fraction_lost) << 24 | block.lost & 0x00FF_FFFF;
        let ReportBlock { ssrc, highest, jitter, last_sr, delay, .. } = block;
        for value in [ssrc, lost, highest, jitter, last_sr, delay] {
            body.extend_from_slice(&value.to_be_bytes());
        }
    }
    let mut bytes = Vec::new();
    let kind = if sender.is_some() { 200 } else { 201 };
    push_rtcp(&mut bytes, u8::from(block.is_some()), kind, ssrc, &body);
    let name = cname.as_bytes().get(..cname.len().min(255)).unwrap_or_default();
    let mut item = vec![1, u8::try_from(name.len()).unwrap_or(0)];
    item.extend_from_slice(name);
    item.push(0);
    item.resize(item.len().next_multiple_of(4), 0);
    push_rtcp(&mut bytes, 1, 202, ssrc, &item);
    if bye {
        push_rtcp(&mut bytes, 1, 203, ssrc, &[]);
    }
    bytes
}

/// What one compound RTCP datagram holds.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Compound {
    /// Packet types in order: 200 SR, 201 RR, 202 SDES, 203 BYE, 204 APP.
    pub kinds: Vec<u8>,
    /// All report blocks.
    pub blocks: Vec<ReportBlock>,
    /// The middle of the NTP time of its sender report.
    pub sent: Option<u32>,
}

/// Reads a compound packet; `None` when its lengths do not fit the datagram.
#[must_use]
pub fn parse_rtcp(bytes: &[u8]) -> Option<Compound> {
    let (mut rest, mut compound) = (bytes, Compound::default());
    while !rest.is_empty() {
        let [first, kind, high, low, ..] = *rest else { return None };
        let length = (usize::from(u16::from_be_bytes([high, low])) + 1) * 4;
        if first >> 6 != 2 || !(192..=223).contains(&kind) {
            return None;
        }
        let (packet, after) = rest.split_at_checked(length)?;
        rest = after;
        compound.kinds.push(kind);
        let blocks_at = match kind {
            200 => 28,
            201 => 8,
            _ => continue,
        };
        if kind == 200 {
            let middle = packet.get(10..14)?.try_into().ok()?;
            compound.sent = Some(u32::from_be_bytes(middle));
        }
        for n in 0..usize::from(first & 0x1F) {
            let block = packet.get(blocks_at + n * 24..blocks_at + (n + 1) * 24)?;
            let field =
                |at: usize| Some(u32::from_be_bytes(block.get(at..at + 4)?.try_into().ok()?));
            let [fraction_lost, ..] = field(4)?.to_be_bytes();
            let (lost, highest, jitter) = (field(4)? & 0x00FF_FFFF, field(8)?, field(12)?);
            let (ssrc, last_sr, delay) = (field(0)?, field(16)?, field(20)?);
            compound.blocks.push(ReportBlock {
                ssrc,
                fraction_lost,
                lost,
                highest,
                jitter,
                last_sr,
                delay,
            });
        }
    }
    (!compound.kinds.is_empty()).then_some(compound)
}

fn push_rtcp(bytes: &mut Vec<u8>, count: u8, kind: u8, ssrc: u32, body: &[u8]) {
    let words = u16::try_from(1 + body.len() / 4).unwrap_or(u16::MAX);
    bytes.extend_from_slice(&[0x80 | count, kind]);
    bytes.extend_from_slice(&words.to_be_bytes());
    bytes.extend_from_slice(&ssrc.to_be_bytes());
    bytes.extend_from_slice(body);
}

fn ntp_now() -> u64 {
    const UNIX_IN_NTP_S: u64 = 2_208_988_800;
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    let fraction = (u64::from(now.subsec_nanos()) << 32) / 1_000_000_000;
    now.as_secs().wrapping_add(UNIX_IN_NTP_S) << 32 | fraction
}

fn process() -> u64 {
    static TOKEN: OnceLock<u64> = OnceLock::new();
    *TOKEN.get_or_init(|| RandomState::new().hash_one(std::process::id()))
}

fn word(bytes: &[u8], at: usize) -> u64 {
    let field = bytes.get(at..at + 8).and_then(|b| b.try_into().ok());
    field.map_or(0, u64::from_be_bytes)
}

/// FNV-1a, 64 bits.
fn fnv1a(bytes: &[u8]) -> u64 {
    bytes.iter().fold(0xCBF2_9CE4_8422_2325, |hash, byte| {
        (hash ^ u64::from(*byte)).wrapping_mul(0x0000_0100_0000_01B3)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_changed_payload_is_corrupt_whichever_bit_changes() {
        let payload = marked_payload(5, 9, 160);
        assert_eq!(payload.len(), 160);
        let Mark::Good(stamp) = read_mark(&payload) else { panic!("not good") };
        assert_eq!((stamp.stream, stamp.sequence, stamp.same_process), (5, 9, true));
        assert!(stamp.sent_ns <= clock_ns());
        for at in 0..payload.len() {
            let mut broken = payload.clone();
            broken[at] ^= 0x10;
            let expect = if at < 4 { Mark::Foreign } else { Mark::Corrupt };
            assert_eq!(read_mark(&broken), expect, "byte {at}");
        }
        assert_eq!(read_mark(&[0xFF; 160]), Mark::Foreign);
        assert_eq!(read_mark(&payload[..20]), Mark::Foreign);
    }

    #[test]
    fn packets_read_back_with_extension_sources_and_padding() {
        let packet = Packet {
            marker: true,
            payload_type: 8,
            sequence: 65_535,
            timestamp: 77,
            ssrc: 0xDEAD_BEEF,
            payload: &[1, 2, 3],
        };
        let bytes = packet.to_bytes();
        assert_eq!(Packet::parse(&bytes), Some(packet));
        let mut rich = bytes.clone();
        rich[0] = 0x80 | 0x20 | 0x10 | 1;
        let mut with = rich[..12].to_vec();
        with.extend_from_slice(&[0, 0, 0, 1, 0xBE, 0xDE, 0, 1, 9, 9, 9, 9, 1, 2, 3, 0, 2]);
        assert_eq!(Packet::parse(&with).unwrap().payload, &[1, 2, 3]);
        assert_eq!(Packet::parse(&with[..18]), None);
        assert_eq!(Packet::parse(&bytes[..11]), None);
        assert_eq!(Packet::parse(&[0; 40]), None);
    }

    #[test]
    fn rtcp_reads_back_and_cut_rtcp_is_refused() {
        let block = ReportBlock {
            ssrc: 3,
            fraction_lost: 64,
            lost: 1_000,
            highest: 70_000,
            jitter: 5,
            last_sr: 6,
            delay: 7,
        };
        let sender = SenderInfo { timestamp: 1, packets: 2, bytes: 3 };
        let bytes = rtcp_compound(9, Some(sender), Some(block), "phone@test", true);
        let compound = parse_rtcp(&bytes).unwrap();
        assert_eq!(compound.kinds, vec![200, 202, 203]);
        assert_eq!(compound.blocks, vec![block]);
        let bytes = rtcp_compound(9, None, Some(block), "x", false);
        assert_eq!(parse_rtcp(&bytes).unwrap().kinds, vec![201, 202]);
        assert_eq!(parse_rtcp(&bytes[..bytes.len() - 4]), None);
        assert_eq!(parse_rtcp(&[]), None);
    }
}
