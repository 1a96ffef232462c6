//! HOT PATH
//!
//! What protection needs of a packet's header: RTP by RFC 3550 5.1, RTCP by 6.1.

use crate::Fault;
use crate::limits::PACKET_MAX;

const RTP_HEADER: usize = 12;
/// Octets of RTCP that stay in the clear.
pub(crate) const RTCP_HEADER: usize = 8;

/// The head of an RTP packet.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Head {
    /// Octets that stay in the clear: header, contributing sources, extension.
    pub(crate) len: usize,
    pub(crate) sequence: u16,
    pub(crate) ssrc: u32,
}

impl Head {
    /// Reads the head of RTP of which at least `beyond` octets follow it.
    pub(crate) fn read(packet: &[u8], beyond: usize) -> Result<Head, Fault> {
        let [first, _, s0, s1, _, _, _, _, a, b, c, d, ..] = *packet else {
            return Err(Fault::Malformed);
        };
        let mut len = RTP_HEADER + 4 * usize::from(first & 0x0f);
        if first & 0x10 != 0 {
            let words = packet.get(len + 2..len + 4).ok_or(Fault::Malformed)?;
            let words = words.iter().fold(0, |sum, octet| sum << 8 | usize::from(*octet));
            len += 4 + 4 * words;
        }
        if first >> 6 != 2 || packet.len() < len + beyond || packet.len() > PACKET_MAX {
            return Err(Fault::Malformed);
        }
        let ssrc = u32::from_be_bytes([a, b, c, d]);
        Ok(Head { len, sequence: u16::from_be_bytes([s0, s1]), ssrc })
    }
}

/// The sender's SSRC of RTCP of which at least `beyond` octets follow the header.
pub(crate) fn rtcp_ssrc(packet: &[u8], beyond: usize) -> Result<u32, Fault> {
    let [first, _, _, _, a, b, c, d, ..] = *packet else { return Err(Fault::Malformed) };
    if first >> 6 != 2 || packet.len() < RTCP_HEADER + beyond || packet.len() > PACKET_MAX {
        return Err(Fault::Malformed);
    }
    Ok(u32::from_be_bytes([a, b, c, d]))
}
