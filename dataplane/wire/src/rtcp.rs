//! RTCP packets, RFC 3550 section 6: a checked walk over a compound packet, and its builder.
//!
//! [`Compound::new_checked`] checks every packet of a clear compound, [`Lead::new_checked`] only
//! the first eight octets, which SRTCP leaves in the clear (RFC 3711 section 3.4). Reduced-size
//! RTCP (RFC 5506) is a compound that does not begin with a report: [`Compound::is_reduced`].

use crate::demux::is_rtcp_type;
use crate::octet::{array, be16, be32, be64, u8_at};

mod build;
pub use build::Builder;

/// Packet type of a sender report.
pub const SENDER_REPORT: u8 = 200;
/// Packet type of a receiver report.
pub const RECEIVER_REPORT: u8 = 201;
/// Packet type of a source description.
pub const SOURCE_DESCRIPTION: u8 = 202;
/// Packet type of a goodbye.
pub const BYE: u8 = 203;
/// SDES item that every compound packet carries.
pub const CNAME: u8 = 1;
/// Report blocks, sources or chunks in one packet: the count has five bits.
pub const COUNT_MAX: usize = 31;

const VERSION: u8 = 2;
const PADDING: u8 = 0x20;
const COUNT: u8 = 0x1f;
/// Octets of the common header.
const HEADER_LEN: usize = 4;
/// Octets of header and sender's SSRC.
const LEAD_LEN: usize = 8;
const SENDER_INFO_LEN: usize = 20;
const REPORT_BLOCK_LEN: usize = 24;

/// Why a buffer is not an RTCP packet.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Error {
    /// Shorter than a header, or than the length fields say.
    Truncated,
    /// The version of a packet is not 2.
    Version,
    /// The first packet type is outside 192-223.
    PacketType,
    /// Padding in a packet that is not the last, or a senseless count of padding octets.
    Padding,
    /// A report, source description or goodbye is shorter than its count says.
    Count,
}

/// The first eight octets of a compound packet: all that SRTCP leaves in the clear.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Lead {
    /// Type of the first packet.
    pub packet_type: u8,
    /// SSRC of the sender.
    pub ssrc: u32,
}

impl Lead {
    /// Reads the lead of `datagram`.
    ///
    /// # Errors
    /// [`Error::Truncated`], [`Error::Version`] or [`Error::PacketType`].
    pub fn new_checked(datagram: &[u8]) -> Result<Lead, Error> {
        if datagram.len() < LEAD_LEN {
            return Err(Error::Truncated);
        }
        if u8_at(datagram, 0) >> 6 != VERSION {
            return Err(Error::Version);
        }
        let packet_type = u8_at(datagram, 1);
        if !is_rtcp_type(packet_type) {
            return Err(Error::PacketType);
        }
        if datagram.len() < packet_len(datagram) {
            return Err(Error::Truncated);
        }
        Ok(Lead { packet_type, ssrc: be32(datagram, 4) })
    }
}

/// Octets of the packet that starts `octets`, header and padding included.
fn packet_len(octets: &[u8]) -> usize {
    (usize::from(be16(octets, 2)) + 1) * 4
}

/// A checked view of a compound packet in the clear.
#[derive(Clone, Copy, Debug)]
pub struct Compound<'a> {
    octets: &'a [u8],
}

impl<'a> Compound<'a> {
    /// Checks every packet of `octets` by RFC 3550 A.2: versions, lengths that add up, padding in
    /// the last packet only, counts that fit.
    ///
    /// # Errors
    /// [`Error`].
    pub fn new_checked(octets: &'a [u8]) -> Result<Compound<'a>, Error> {
        if octets.is_empty() {
            return Err(Error::Truncated);
        }
        let mut rest = octets;
        while !rest.is_empty() {
            let (packet, after) = split_packet(rest)?;
            if !is_rtcp_type(u8_at(packet, 1)) && rest.len() == octets.len() {
                return Err(Error::PacketType);
            }
            if u8_at(packet, 0) & PADDING != 0 && !after.is_empty() {
                return Err(Error::Padding);
            }
            check_packet(packet)?;
            rest = after;
        }
        Ok(Compound { octets })
    }

    /// Whether the compound does not begin with a report (RFC 5506).
    #[must_use]
    pub fn is_reduced(&self) -> bool {
        !matches!(u8_at(self.octets, 1), SENDER_REPORT | RECEIVER_REPORT)
    }

    /// The packets in their order.
    #[must_use]
    pub fn packets(&self) -> Packets<'a> {
        Packets { rest: self.octets }
    }
}

/// Splits the first packet off; the length field is checked against what is there.
fn split_packet(octets: &[u8]) -> Result<(&[u8], &[u8]), Error> {
    if octets.len() < HEADER_LEN {
        return Err(Error::Truncated);
    }
    if u8_at(octets, 0) >> 6 != VERSION {
        return Err(Error::Version);
    }
    octets.split_at_checked(packet_len(octets)).ok_or(Error::Truncated)
}

/// Checks padding and count of one whole packet.
fn check_packet(packet: &[u8]) -> Result<(), Error> {
    let body = body(packet).ok_or(Error::Padding)?;
    let count = count(packet);
    let fits = match u8_at(packet, 1) {
        SENDER_REPORT => body.len() >= 4 + SENDER_INFO_LEN + count * REPORT_BLOCK_LEN,
        RECEIVER_REPORT => body.len() >= 4 + count * REPORT_BLOCK_LEN,
        SOURCE_DESCRIPTION => chunks_fit(body, count),
        BYE => bye_fits(body, count),
        0..=199 | 204..=255 => true,
    };
    if fits { Ok(()) } else { Err(Error::Count) }
}

fn count(packet: &[u8]) -> usize {
    usize::from(u8_at(packet, 0) & COUNT)
}

/// What follows the header, without padding; `None` when the padding makes no sense.
fn body(packet: &[u8]) -> Option<&[u8]> {
    let padding = match u8_at(packet, 0) & PADDING {
        0 => 0,
        _ => match packet.last() {
            Some(0) | None => return None,
            Some(count) => usize::from(*count),
        },
    };
    packet.get(HEADER_LEN..packet.len().checked_sub(padding)?)
}

fn chunks_fit(body: &[u8], count: usize) -> bool {
    let mut items = Items { rest: body, ssrc: 0, chunks_left: count, in_chunk: false };
    while items.next().is_some() {}
    items.chunks_left == 0 && !items.in_chunk
}

fn bye_fits(body: &[u8], count: usize) -> bool {
    match body.get(count * 4..) {
        None => false,
        Some([]) => true,
        Some([len, text @ ..]) => text.len() >= usize::from(*len),
    }
}

/// The packets of a [`Compound`].
#[derive(Clone, Debug)]
pub struct Packets<'a> {
    rest: &'a [u8],
}

impl<'a> Iterator for Packets<'a> {
    type Item = Packet<'a>;

    fn next(&mut self) -> Option<Packet<'a>> {
        let (packet, rest) = split_packet(self.rest).ok()?;
        self.rest = rest;
        let body = body(packet)?;
        let count = count(packet);
        Some(match u8_at(packet, 1) {
            SENDER_REPORT => Packet::SenderReport(SenderReport { body, count }),
            RECEIVER_REPORT => Packet::ReceiverReport(ReceiverReport { body, count }),
            SOURCE_DESCRIPTION => Packet::SourceDescription(SourceDescription { body, count }),
            BYE => Packet::Bye(Bye { body, count }),
            packet_type @ (0..=199 | 204..=255) => {
                Packet::Other { packet_type, count: count as u8, body }
            }
        })
    }
}

/// One packet of a compound.
#[derive(Clone, Copy, Debug)]
pub enum Packet<'a> {
    /// SR, RFC 3550 section 6.4.1.
    SenderReport(SenderReport<'a>),
    /// RR, section 6.4.2.
    ReceiverReport(ReceiverReport<'a>),
    /// SDES, section 6.5.
    SourceDescription(SourceDescription<'a>),
    /// BYE, section 6.6.
    Bye(Bye<'a>),
    /// A type not opened here: APP, feedback (RFC 4585), extended reports (RFC 3611).
    Other {
        /// The packet type.
        packet_type: u8,
        /// The five bits after version and padding.
        count: u8,
        /// What follows the header.
        body: &'a [u8],
    },
}

/// A sender report.
#[derive(Clone, Copy, Debug)]
pub struct SenderReport<'a> {
    body: &'a [u8],
    count: usize,
}

impl<'a> SenderReport<'a> {
    /// SSRC of the sender.
    #[must_use]
    pub fn ssrc(&self) -> u32 {
        be32(self.body, 0)
    }

    /// What the sender says of its stream.
    #[must_use]
    pub fn info(&self) -> SenderInfo {
        SenderInfo {
            ntp: be64(self.body, 4),
            rtp_timestamp: be32(self.body, 12),
            packets: be32(self.body, 16),
            octets: be32(self.body, 20),
        }
    }

    /// What it says of the streams it receives.
    pub fn reports(&self) -> impl Iterator<Item = ReportBlock> + use<'a> {
        report_blocks(self.body, 4 + SENDER_INFO_LEN, self.count)
    }
}

/// A receiver report.
#[derive(Clone, Copy, Debug)]
pub struct ReceiverReport<'a> {
    body: &'a [u8],
    count: usize,
}

impl<'a> ReceiverReport<'a> {
    /// SSRC of the receiver that reports.
    #[must_use]
    pub fn ssrc(&self) -> u32 {
        be32(self.body, 0)
    }

    /// What it says of the streams it receives.
    pub fn reports(&self) -> impl Iterator<Item = ReportBlock> + use<'a> {
        report_blocks(self.body, 4, self.count)
    }
}

fn report_blocks(
    body: &[u8],
    at: usize,
    count: usize,
) -> impl Iterator<Item = ReportBlock> + use<'_> {
    let blocks = body.get(at..).unwrap_or(&[]);
    blocks.as_chunks::<REPORT_BLOCK_LEN>().0.iter().take(count).map(ReportBlock::parse)
}

/// The sender's part of a sender report.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct SenderInfo {
    /// Wall clock as NTP: seconds since 1900 in the upper half, fraction in the lower.
    pub ntp: u64,
    /// The same instant in units of the RTP timestamp.
    pub rtp_timestamp: u32,
    /// RTP packets sent.
    pub packets: u32,
    /// Octets of payload sent.
    pub octets: u32,
}

/// What a receiver says of one stream, RFC 3550 section 6.4.1.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct ReportBlock {
    /// The stream reported on.
    pub ssrc: u32,
    /// Share lost since the last report, in 1/256.
    pub fraction_lost: u8,
    /// Packets lost since the start; 24 bits with a sign, duplicates make it negative.
    pub cumulative_lost: i32,
    /// Cycles in the upper half, highest sequence number received in the lower.
    pub highest_sequence: u32,
    /// Interarrival jitter, in units of the RTP timestamp.
    pub jitter: u32,
    /// Middle 32 bits of the NTP time of the last sender report.
    pub last_sr: u32,
    /// Time since that report, in 1/65536 s.
    pub delay_since_last_sr: u32,
}

impl ReportBlock {
    fn parse(octets: &[u8; REPORT_BLOCK_LEN]) -> ReportBlock {
        let [fraction_lost, high, middle, low] = array(octets, 4);
        let sign = if high & 0x80 != 0 { 0xff } else { 0 };
        ReportBlock {
            ssrc: be32(octets, 0),
            fraction_lost,
            cumulative_lost: i32::from_be_bytes([sign, high, middle, low]),
            highest_sequence: be32(octets, 8),
            jitter: be32(octets, 12),
            last_sr: be32(octets, 16),
            delay_since_last_sr: be32(octets, 20),
        }
    }

    /// The block's octets; a loss beyond 24 bits is clamped (RFC 3550 A.3).
    fn octets(&self) -> [u8; REPORT_BLOCK_LEN] {
        let lost = self.cumulative_lost.clamp(-0x80_0000, 0x7f_ffff);
        let [_, high, middle, low] = lost.to_be_bytes();
        let words = [
            self.ssrc,
            u32::from_be_bytes([self.fraction_lost, high, middle, low]),
            self.highest_sequence,
            self.jitter,
            self.last_sr,
            self.delay_since_last_sr,
        ];
        let mut octets = [0; REPORT_BLOCK_LEN];
        for (field, word) in octets.as_chunks_mut::<4>().0.iter_mut().zip(words) {
            *field = word.to_be_bytes();
        }
        octets
    }
}

/// A source description.
#[derive(Clone, Copy, Debug)]
pub struct SourceDescription<'a> {
    body: &'a [u8],
    count: usize,
}

impl<'a> SourceDescription<'a> {
    /// The items of all chunks in their order.
    #[must_use]
    pub fn items(&self) -> Items<'a> {
        Items { rest: self.body, ssrc: 0, chunks_left: self.count, in_chunk: false }
    }
}

/// One item of a source description.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Item<'a> {
    /// The source described.
    pub ssrc: u32,
    /// Item type; [`CNAME`] is 1.
    pub kind: u8,
    /// Its text, at most 255 octets, UTF-8 by the RFC but not checked.
    pub text: &'a [u8],
}

/// The items of a [`SourceDescription`].
#[derive(Clone, Debug)]
pub struct Items<'a> {
    rest: &'a [u8],
    ssrc: u32,
    chunks_left: usize,
    in_chunk: bool,
}

impl<'a> Iterator for Items<'a> {
    type Item = Item<'a>;

    fn next(&mut self) -> Option<Item<'a>> {
        loop {
            if !self.in_chunk {
                if self.chunks_left == 0 {
                    return None;
                }
                let (ssrc, rest) = self.rest.split_first_chunk::<4>()?;
                self.ssrc = u32::from_be_bytes(*ssrc);
                self.rest = rest;
                self.in_chunk = true;
            }
            match self.rest {
                [0, ..] => self.end_chunk()?,
                [kind, len, rest @ ..] => {
                    let (text, rest) = rest.split_at_checked(usize::from(*len))?;
                    self.rest = rest;
                    return Some(Item { ssrc: self.ssrc, kind: *kind, text });
                }
                [_] | [] => return None,
            }
        }
    }
}

impl Items<'_> {
    /// Skips the null octets up to the next 32-bit boundary. The body starts on one and has a
    /// multiple of four octets, so what is left tells where we are.
    fn end_chunk(&mut self) -> Option<()> {
        let nulls = match self.rest.len() % 4 {
            0 => 4,
            odd => odd,
        };
        self.rest = self.rest.get(nulls..)?;
        self.chunks_left -= 1;
        self.in_chunk = false;
        Some(())
    }
}

/// A goodbye.
#[derive(Clone, Copy, Debug)]
pub struct Bye<'a> {
    body: &'a [u8],
    count: usize,
}

impl<'a> Bye<'a> {
    /// The sources that leave.
    pub fn sources(&self) -> impl Iterator<Item = u32> + use<'a> {
        let sources = self.body.as_chunks::<4>().0.iter().take(self.count);
        sources.map(|source| u32::from_be_bytes(*source))
    }

    /// Why they leave, if they say so.
    #[must_use]
    pub fn reason(&self) -> Option<&'a [u8]> {
        let (len, text) = self.body.get(self.count * 4..)?.split_first()?;
        text.get(..usize::from(*len))
    }
}

#[cfg(test)]
mod tests;
