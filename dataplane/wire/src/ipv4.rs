//! IPv4 headers, RFC 791: a view to check, a value to write in front of a UDP header.

use crate::octet::{array, be16, put, u8_at};
use crate::{NoRoom, checksum};
use core::net::Ipv4Addr;

/// Octets of a header without options, the only kind we write.
pub const HEADER_LEN: usize = 20;
/// Fragments but the last have a payload of a multiple of so many octets.
pub const FRAGMENT_UNIT: usize = 8;
/// Protocol number of UDP.
pub const PROTOCOL_UDP: u8 = 17;

const DONT_FRAGMENT: u16 = 0x4000;
const MORE_FRAGMENTS: u16 = 0x2000;
const FRAGMENT_OFFSET: u16 = 0x1fff;

mod field {
    pub(super) const VERSION_IHL: usize = 0;
    pub(super) const TOS: usize = 1;
    pub(super) const TOTAL_LEN: usize = 2;
    pub(super) const IDENT: usize = 4;
    pub(super) const FRAGMENT: usize = 6;
    pub(super) const TTL: usize = 8;
    pub(super) const PROTOCOL: usize = 9;
    pub(super) const CHECKSUM: usize = 10;
    pub(super) const SOURCE: usize = 12;
    pub(super) const DESTINATION: usize = 16;
}

/// Why a buffer is not an IPv4 packet.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Error {
    /// Shorter than its header or its total length says.
    Truncated,
    /// The version is not 4.
    Version,
    /// The header length is below 20, or the total length below the header length.
    Length,
}

/// A checked view of an IPv4 packet. The header checksum is not part of the check: see
/// [`Packet::is_checksum_right`].
#[derive(Clone, Copy, Debug)]
pub struct Packet<T> {
    buffer: T,
}

impl<T: AsRef<[u8]>> Packet<T> {
    /// Wraps `buffer` after checking version and lengths. Octets after the total length are
    /// allowed and are no part of the payload.
    ///
    /// # Errors
    /// [`Error`], in the order of its variants.
    pub fn new_checked(buffer: T) -> Result<Packet<T>, Error> {
        let octets = buffer.as_ref();
        if octets.len() < HEADER_LEN {
            return Err(Error::Truncated);
        }
        if u8_at(octets, field::VERSION_IHL) >> 4 != 4 {
            return Err(Error::Version);
        }
        let packet = Packet { buffer };
        if packet.header_len() < HEADER_LEN || packet.total_len() < packet.header_len() {
            return Err(Error::Length);
        }
        if packet.buffer.as_ref().len() < packet.total_len() {
            return Err(Error::Truncated);
        }
        Ok(packet)
    }

    /// Octets of the header with its options.
    pub fn header_len(&self) -> usize {
        usize::from(u8_at(self.buffer.as_ref(), field::VERSION_IHL) & 0x0f) * 4
    }

    /// Octets of header and payload.
    pub fn total_len(&self) -> usize {
        usize::from(be16(self.buffer.as_ref(), field::TOTAL_LEN))
    }

    /// Differentiated services code point (RFC 2474), 0-63.
    pub fn dscp(&self) -> u8 {
        u8_at(self.buffer.as_ref(), field::TOS) >> 2
    }

    /// Identification, meaningful only for fragments.
    pub fn ident(&self) -> u16 {
        be16(self.buffer.as_ref(), field::IDENT)
    }

    /// Whether routers must not fragment the packet.
    pub fn is_dont_fragment(&self) -> bool {
        be16(self.buffer.as_ref(), field::FRAGMENT) & DONT_FRAGMENT != 0
    }

    /// Whether the packet is a fragment: more follow, or it is not the first.
    pub fn is_fragment(&self) -> bool {
        be16(self.buffer.as_ref(), field::FRAGMENT) & (MORE_FRAGMENTS | FRAGMENT_OFFSET) != 0
    }

    /// Hops left.
    pub fn ttl(&self) -> u8 {
        u8_at(self.buffer.as_ref(), field::TTL)
    }

    /// Protocol of the payload; UDP is [`PROTOCOL_UDP`].
    pub fn protocol(&self) -> u8 {
        u8_at(self.buffer.as_ref(), field::PROTOCOL)
    }

    /// Source address.
    pub fn source(&self) -> Ipv4Addr {
        Ipv4Addr::from(array::<4>(self.buffer.as_ref(), field::SOURCE))
    }

    /// Destination address.
    pub fn destination(&self) -> Ipv4Addr {
        Ipv4Addr::from(array::<4>(self.buffer.as_ref(), field::DESTINATION))
    }

    /// Whether the header checksum holds.
    pub fn is_checksum_right(&self) -> bool {
        let header = self.buffer.as_ref().get(..self.header_len()).unwrap_or(&[]);
        checksum::finish(checksum::sum(header)) == 0
    }

    /// Octets after the header, up to the total length.
    pub fn payload(&self) -> &[u8] {
        self.buffer.as_ref().get(self.header_len()..self.total_len()).unwrap_or(&[])
    }
}

/// What stands in a header that we write: no options.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Header {
    /// Source address.
    pub source: Ipv4Addr,
    /// Destination address.
    pub destination: Ipv4Addr,
    /// Protocol of the payload.
    pub protocol: u8,
    /// Octets after the header.
    pub payload_len: u16,
    /// Differentiated services code point, 0-63; higher bits are cut off. Voice is 46 (RFC 3246).
    pub dscp: u8,
    /// Hops left.
    pub ttl: u8,
    /// Identification. Not 0 on raw sockets, where 0 makes the kernel choose one.
    pub ident: u16,
    /// Forbid fragmentation.
    pub dont_fragment: bool,
}

impl Header {
    /// Writes the header with its checksum into the first [`HEADER_LEN`] octets of `buffer`.
    ///
    /// # Errors
    /// [`NoRoom`] when `buffer` is shorter, or when the packet would pass 65,535 octets.
    pub fn emit(&self, buffer: &mut [u8]) -> Result<(), NoRoom> {
        self.emit_with(buffer, if self.dont_fragment { DONT_FRAGMENT } else { 0 })
    }

    /// As [`Header::emit`], for a fragment: `payload_len` octets that stand `offset` octets behind
    /// the beginning of the whole payload. `offset` is a multiple of [`FRAGMENT_UNIT`], the rest
    /// is cut off; `more` of it follows.
    ///
    /// # Errors
    /// As [`Header::emit`].
    pub fn emit_fragment(&self, buffer: &mut [u8], offset: u16, more: bool) -> Result<(), NoRoom> {
        let more = if more { MORE_FRAGMENTS } else { 0 };
        self.emit_with(buffer, more | (offset / FRAGMENT_UNIT as u16))
    }

    fn emit_with(&self, buffer: &mut [u8], fragment: u16) -> Result<(), NoRoom> {
        let header = buffer.first_chunk_mut::<HEADER_LEN>().ok_or(NoRoom)?;
        let total_len = self.payload_len.checked_add(HEADER_LEN as u16).ok_or(NoRoom)?;
        *header = [0; HEADER_LEN];
        put(header, field::VERSION_IHL, &[0x45, self.dscp << 2]);
        put(header, field::TOTAL_LEN, &total_len.to_be_bytes());
        put(header, field::IDENT, &self.ident.to_be_bytes());
        put(header, field::FRAGMENT, &fragment.to_be_bytes());
        put(header, field::TTL, &[self.ttl, self.protocol]);
        put(header, field::SOURCE, &self.source.octets());
        put(header, field::DESTINATION, &self.destination.octets());
        let checksum = checksum::finish(checksum::sum(header));
        put(header, field::CHECKSUM, &checksum.to_be_bytes());
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::{Error, HEADER_LEN, Header, PROTOCOL_UDP, Packet};
    use crate::NoRoom;
    use proptest::prelude::*;

    /// A header seen on a wire, its checksum 0xb861 known from many text books.
    const SEEN: [u8; 20] = [
        0x45, 0x00, 0x00, 0x73, 0x00, 0x00, 0x40, 0x00, 0x40, 0x11, 0xb8, 0x61, 0xc0, 0xa8, 0x00,
        0x01, 0xc0, 0xa8, 0x00, 0xc7,
    ];

    fn header() -> Header {
        Header {
            source: "192.168.0.1".parse().unwrap(),
            destination: "192.168.0.199".parse().unwrap(),
            protocol: PROTOCOL_UDP,
            payload_len: 0x73 - 20,
            dscp: 0,
            ttl: 64,
            ident: 0,
            dont_fragment: true,
        }
    }

    #[test]
    fn a_written_header_equals_one_seen_on_a_wire() {
        let mut buffer = [0xaa; HEADER_LEN];
        header().emit(&mut buffer).unwrap();
        assert_eq!(buffer, SEEN);
    }

    #[test]
    fn a_view_reads_what_was_written() {
        let mut buffer = [0; 0x73];
        buffer[..20].copy_from_slice(&SEEN);
        let packet = Packet::new_checked(&buffer[..]).unwrap();
        assert!(packet.is_checksum_right());
        assert!(packet.is_dont_fragment() && !packet.is_fragment());
        assert_eq!((packet.ttl(), packet.protocol(), packet.dscp()), (64, PROTOCOL_UDP, 0));
        assert_eq!(packet.source(), header().source);
        assert_eq!(packet.destination(), header().destination);
        assert_eq!(packet.payload().len(), 0x73 - 20);
        buffer[8] -= 1;
        assert!(!Packet::new_checked(&buffer[..]).unwrap().is_checksum_right());
    }

    #[test]
    fn bad_headers_are_refused_with_their_reason() {
        let refused = |edit: fn(&mut [u8; 20]), len: usize| {
            let mut buffer = SEEN;
            buffer[3] = 20;
            edit(&mut buffer);
            Packet::new_checked(&buffer[..len]).map(|_| ()).unwrap_err()
        };
        assert_eq!(refused(|_| (), 19), Error::Truncated);
        assert_eq!(refused(|b| b[0] = 0x65, 20), Error::Version);
        assert_eq!(refused(|b| b[0] = 0x44, 20), Error::Length);
        assert_eq!(refused(|b| b[3] = 19, 20), Error::Length);
        assert_eq!(refused(|b| b[3] = 21, 20), Error::Truncated);
        assert_eq!(refused(|b| b[0] = 0x46, 20), Error::Length);
    }

    #[test]
    fn a_header_that_does_not_fit_is_not_written() {
        let mut small = [0xaa; HEADER_LEN - 1];
        assert_eq!(header().emit(&mut small), Err(NoRoom));
        assert_eq!(small, [0xaa; HEADER_LEN - 1]);
        let long = Header { payload_len: 65_516, ..header() };
        assert_eq!(long.emit(&mut [0; 20]), Err(NoRoom));
    }

    proptest! {
        #[test]
        fn arbitrary_octets_never_panic(octets in prop::collection::vec(any::<u8>(), 0..80)) {
            if let Ok(packet) = Packet::new_checked(&octets[..]) {
                prop_assert!(packet.payload().len() + packet.header_len() == packet.total_len());
                let _ = (packet.is_checksum_right(), packet.is_fragment(), packet.ident());
            }
        }
    }

    #[test]
    fn a_fragment_says_where_it_stands_and_whether_more_follows() {
        let mut buffer = [0; 0x73];
        for (offset, more, bits) in [(0, true, 0x2000), (1_256, true, 0x209d), (1_256, false, 0x9d)]
        {
            header().emit_fragment(&mut buffer, offset, more).unwrap();
            assert_eq!(u16::from_be_bytes([buffer[6], buffer[7]]), bits);
            let packet = Packet::new_checked(&buffer[..]).unwrap();
            assert!(packet.is_fragment() && packet.is_checksum_right());
            assert!(!packet.is_dont_fragment());
        }
        assert_eq!(header().emit_fragment(&mut [0; HEADER_LEN - 1], 0, true), Err(NoRoom));
    }
}
