//! RTP packets, RFC 3550 section 5: a view to check and to rewrite in place, a value to build.
//!
//! Two checks: [`Packet::new_checked`] for clear RTP, and [`Packet::new_header_checked`] for
//! packets whose payload may be encrypted (SRTP, RFC 3711), where the count of padding octets is
//! part of the cipher text and means nothing.

use crate::NoRoom;
use crate::octet::{be16, be32, put, u8_at};

/// Octets of the fixed header.
pub const HEADER_LEN: usize = 12;
/// The only version there is.
pub const VERSION: u8 = 2;

const PADDING: u8 = 0x20;
const EXTENSION: u8 = 0x10;
const CSRC_COUNT: u8 = 0x0f;
const MARKER: u8 = 0x80;
const PAYLOAD_TYPE: u8 = 0x7f;
const EXTENSION_HEADER_LEN: usize = 4;

mod field {
    pub(super) const FLAGS: usize = 0;
    pub(super) const MARKER_PT: usize = 1;
    pub(super) const SEQUENCE: usize = 2;
    pub(super) const TIMESTAMP: usize = 4;
    pub(super) const SSRC: usize = 8;
    pub(super) const CSRC: usize = 12;
}

/// Why a buffer is not an RTP packet.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Error {
    /// Shorter than its header, contributing sources and extension.
    Truncated,
    /// The version is not 2.
    Version,
    /// The padding bit is set, and the count of padding octets is 0 or more than there are.
    Padding,
}

/// A checked view of an RTP packet.
#[derive(Clone, Copy, Debug)]
pub struct Packet<T> {
    buffer: T,
}

/// A header extension, RFC 3550 section 5.3.1.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Extension<'a> {
    /// "Defined by profile"; 0xBEDE and 0x100X are the ones of RFC 8285.
    pub profile: u16,
    /// The extension's data, a multiple of four octets.
    pub data: &'a [u8],
}

impl<T: AsRef<[u8]>> Packet<T> {
    /// Wraps a clear RTP packet after checking it by RFC 3550 A.1: version, lengths, padding.
    ///
    /// # Errors
    /// [`Error`].
    pub fn new_checked(buffer: T) -> Result<Packet<T>, Error> {
        let packet = Packet::new_header_checked(buffer)?;
        let rest = packet.buffer.as_ref().len() - packet.header_len();
        match packet.padding_len() {
            None => Ok(packet),
            Some(padding) if (1..=rest).contains(&padding) => Ok(packet),
            Some(_) => Err(Error::Padding),
        }
    }

    /// Wraps a packet whose payload may be encrypted: checks the header only. [`Self::payload`]
    /// then means something only after decryption.
    ///
    /// # Errors
    /// [`Error::Truncated`] or [`Error::Version`].
    pub fn new_header_checked(buffer: T) -> Result<Packet<T>, Error> {
        let octets = buffer.as_ref();
        if octets.len() < HEADER_LEN {
            return Err(Error::Truncated);
        }
        if u8_at(octets, field::FLAGS) >> 6 != VERSION {
            return Err(Error::Version);
        }
        let packet = Packet { buffer };
        let len = packet.buffer.as_ref().len();
        let extension_at = packet.extension_at();
        if packet.has_extension() && len < extension_at + EXTENSION_HEADER_LEN {
            return Err(Error::Truncated);
        }
        if len < packet.header_len() {
            return Err(Error::Truncated);
        }
        Ok(packet)
    }

    /// The version, 2 after any check.
    pub fn version(&self) -> u8 {
        u8_at(self.buffer.as_ref(), field::FLAGS) >> 6
    }

    /// The marker bit: for voice the first packet of a talk spurt (RFC 3551 section 4.1).
    pub fn marker(&self) -> bool {
        u8_at(self.buffer.as_ref(), field::MARKER_PT) & MARKER != 0
    }

    /// The payload type, 0-127.
    pub fn payload_type(&self) -> u8 {
        u8_at(self.buffer.as_ref(), field::MARKER_PT) & PAYLOAD_TYPE
    }

    /// The sequence number.
    pub fn sequence(&self) -> u16 {
        be16(self.buffer.as_ref(), field::SEQUENCE)
    }

    /// The timestamp, in units of the payload's clock.
    pub fn timestamp(&self) -> u32 {
        be32(self.buffer.as_ref(), field::TIMESTAMP)
    }

    /// The synchronization source.
    pub fn ssrc(&self) -> u32 {
        be32(self.buffer.as_ref(), field::SSRC)
    }

    /// The contributing sources, at most 15.
    pub fn csrcs(&self) -> impl Iterator<Item = u32> + '_ {
        let list = self.buffer.as_ref().get(field::CSRC..self.extension_at()).unwrap_or(&[]);
        list.as_chunks::<4>().0.iter().map(|csrc| u32::from_be_bytes(*csrc))
    }

    /// The header extension, if the packet has one.
    pub fn extension(&self) -> Option<Extension<'_>> {
        if !self.has_extension() {
            return None;
        }
        let octets = self.buffer.as_ref();
        let at = self.extension_at();
        let data = octets.get(at + EXTENSION_HEADER_LEN..self.header_len()).unwrap_or(&[]);
        Some(Extension { profile: be16(octets, at), data })
    }

    /// Octets before the payload: fixed header, contributing sources, extension.
    pub fn header_len(&self) -> usize {
        let at = self.extension_at();
        if !self.has_extension() {
            return at;
        }
        let words = be16(self.buffer.as_ref(), at + 2);
        at + EXTENSION_HEADER_LEN + usize::from(words) * 4
    }

    /// Octets of padding as the last octet states them; `None` without the padding bit.
    pub fn padding_len(&self) -> Option<usize> {
        let octets = self.buffer.as_ref();
        let padded = u8_at(octets, field::FLAGS) & PADDING != 0;
        padded.then(|| octets.last().copied().map_or(0, usize::from))
    }

    /// The payload without padding. Empty when the padding makes no sense, which only
    /// [`Self::new_header_checked`] lets through.
    pub fn payload(&self) -> &[u8] {
        let octets = self.buffer.as_ref();
        let end = octets.len().saturating_sub(self.padding_len().unwrap_or(0));
        octets.get(self.header_len()..end).unwrap_or(&[])
    }

    fn has_extension(&self) -> bool {
        u8_at(self.buffer.as_ref(), field::FLAGS) & EXTENSION != 0
    }

    fn extension_at(&self) -> usize {
        let count = u8_at(self.buffer.as_ref(), field::FLAGS) & CSRC_COUNT;
        HEADER_LEN + usize::from(count) * 4
    }
}

impl<T: AsRef<[u8]> + AsMut<[u8]>> Packet<T> {
    /// Sets the marker bit.
    pub fn set_marker(&mut self, marker: bool) {
        let rest = u8_at(self.buffer.as_ref(), field::MARKER_PT) & PAYLOAD_TYPE;
        put(self.buffer.as_mut(), field::MARKER_PT, &[rest | marker_bit(marker)]);
    }

    /// Sets the payload type; its highest bit is ignored.
    pub fn set_payload_type(&mut self, payload_type: u8) {
        let marker = u8_at(self.buffer.as_ref(), field::MARKER_PT) & MARKER;
        put(self.buffer.as_mut(), field::MARKER_PT, &[marker | payload_type & PAYLOAD_TYPE]);
    }

    /// Sets the sequence number.
    pub fn set_sequence(&mut self, sequence: u16) {
        put(self.buffer.as_mut(), field::SEQUENCE, &sequence.to_be_bytes());
    }

    /// Sets the timestamp.
    pub fn set_timestamp(&mut self, timestamp: u32) {
        put(self.buffer.as_mut(), field::TIMESTAMP, &timestamp.to_be_bytes());
    }

    /// Sets the synchronization source.
    pub fn set_ssrc(&mut self, ssrc: u32) {
        put(self.buffer.as_mut(), field::SSRC, &ssrc.to_be_bytes());
    }
}

fn marker_bit(marker: bool) -> u8 {
    if marker { MARKER } else { 0 }
}

/// What stands in the header of a packet that we make: no padding, no extension, no contributing
/// sources.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Header {
    /// The marker bit.
    pub marker: bool,
    /// The payload type, 0-127; a higher bit is ignored.
    pub payload_type: u8,
    /// The sequence number.
    pub sequence: u16,
    /// The timestamp, in units of the payload's clock.
    pub timestamp: u32,
    /// The synchronization source.
    pub ssrc: u32,
}

impl Header {
    /// Writes the header into the first [`HEADER_LEN`] octets of `buffer`; the payload follows.
    ///
    /// # Errors
    /// [`NoRoom`] when `buffer` is shorter.
    pub fn emit(&self, buffer: &mut [u8]) -> Result<(), NoRoom> {
        let header = buffer.first_chunk_mut::<HEADER_LEN>().ok_or(NoRoom)?;
        let second = marker_bit(self.marker) | self.payload_type & PAYLOAD_TYPE;
        put(header, field::FLAGS, &[VERSION << 6, second]);
        put(header, field::SEQUENCE, &self.sequence.to_be_bytes());
        put(header, field::TIMESTAMP, &self.timestamp.to_be_bytes());
        put(header, field::SSRC, &self.ssrc.to_be_bytes());
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::{Error, Extension, HEADER_LEN, Header, Packet};
    use crate::NoRoom;

    /// PCMU, marker, sequence 0x1234, timestamp 160, SSRC deadbeef, payload `d5 d5`.
    const PLAIN: [u8; 14] =
        [0x80, 0x80, 0x12, 0x34, 0, 0, 0, 160, 0xde, 0xad, 0xbe, 0xef, 0xd5, 0xd5];

    fn refused(octets: &[u8]) -> Error {
        Packet::new_checked(octets).map(|_| ()).unwrap_err()
    }

    #[test]
    fn a_plain_packet() {
        let packet = Packet::new_checked(&PLAIN[..]).unwrap();
        assert_eq!((packet.version(), packet.marker(), packet.payload_type()), (2, true, 0));
        assert_eq!((packet.sequence(), packet.timestamp()), (0x1234, 160));
        assert_eq!(packet.ssrc(), 0xdead_beef);
        assert_eq!(packet.payload(), [0xd5, 0xd5]);
        assert_eq!((packet.csrcs().count(), packet.extension()), (0, None));
    }

    #[test]
    fn sources_extension_and_padding_are_peeled_off() {
        let mut octets = vec![0xb2, 0x08, 0, 1, 0, 0, 0, 2, 0, 0, 0, 3];
        octets.extend([0, 0, 0, 4, 0, 0, 0, 5]); // two contributing sources
        octets.extend([0xbe, 0xde, 0, 1, 0x10, 0xff, 0, 0]); // one word of extension
        octets.extend([9, 9, 9, 0, 0, 3]); // three octets of payload, three of padding
        let packet = Packet::new_checked(&octets[..]).unwrap();
        assert_eq!(packet.csrcs().collect::<Vec<_>>(), [4, 5]);
        let extension = Extension { profile: 0xbede, data: &[0x10, 0xff, 0, 0] };
        assert_eq!(packet.extension(), Some(extension));
        assert_eq!(packet.padding_len(), Some(3));
        assert_eq!(packet.payload(), [9, 9, 9]);
    }

    #[test]
    fn what_is_not_rtp_is_refused_with_its_reason() {
        assert_eq!(refused(&[]), Error::Truncated);
        assert_eq!(refused(&PLAIN[..11]), Error::Truncated);
        for version in [0x00, 0x40, 0xc0] {
            let mut octets = PLAIN;
            octets[0] = version;
            assert_eq!(refused(&octets), Error::Version);
        }
        let with_first = |first: u8, len: usize| {
            let mut octets = PLAIN;
            octets[0] = first;
            refused(&octets[..len])
        };
        assert_eq!(with_first(0x81, 14), Error::Truncated); // a source does not fit
        assert_eq!(with_first(0x90, 14), Error::Truncated); // an extension does not fit
        assert_eq!(with_first(0xa0, 14), Error::Padding); // d5 octets of padding in two
        let mut none = PLAIN;
        (none[0], none[13]) = (0xa0, 0);
        assert_eq!(refused(&none), Error::Padding); // no octets of padding
        assert_eq!(with_first(0xa0, 12), Error::Padding); // the count would be the SSRC's
    }

    #[test]
    fn an_extension_longer_than_the_packet_is_truncated() {
        let mut octets = vec![0x90, 0, 0, 1, 0, 0, 0, 2, 0, 0, 0, 3, 0xbe, 0xde, 0, 2, 1, 2, 3, 4];
        assert_eq!(refused(&octets), Error::Truncated);
        octets.extend([5, 6, 7, 8]);
        assert_eq!(Packet::new_checked(&octets[..]).unwrap().payload(), []);
    }

    #[test]
    fn an_encrypted_packet_needs_no_sensible_padding() {
        let mut octets = PLAIN;
        octets[0] = 0xa0;
        assert_eq!(refused(&octets), Error::Padding);
        let packet = Packet::new_header_checked(&octets[..]).unwrap();
        assert_eq!((packet.sequence(), packet.payload()), (0x1234, &[][..]));
    }

    #[test]
    fn rewriting_one_field_leaves_the_others() {
        let mut octets = PLAIN;
        let mut packet = Packet::new_checked(&mut octets[..]).unwrap();
        packet.set_payload_type(0x80 | 101);
        assert!(packet.marker());
        packet.set_marker(false);
        packet.set_sequence(0xffff);
        packet.set_timestamp(0x0102_0304);
        packet.set_ssrc(0x0506_0708);
        assert_eq!(octets[..2], [0x80, 101]);
        assert_eq!(octets[2..], [0xff, 0xff, 1, 2, 3, 4, 5, 6, 7, 8, 0xd5, 0xd5]);
    }

    #[test]
    fn a_built_header_reads_back() {
        let header = Header {
            marker: true,
            payload_type: 0,
            sequence: 0x1234,
            timestamp: 160,
            ssrc: 0xdead_beef,
        };
        let mut octets = [0xd5; 14];
        header.emit(&mut octets).unwrap();
        assert_eq!(octets, PLAIN);
        let mut small = [7; HEADER_LEN - 1];
        assert_eq!(header.emit(&mut small), Err(NoRoom));
        assert_eq!(small, [7; HEADER_LEN - 1]);
    }
}
