//! IPv6 headers, RFC 8200: a value to write in front of a UDP header.

use crate::NoRoom;
use crate::octet::put;
use core::net::Ipv6Addr;

/// Octets of a header without extensions.
pub const HEADER_LEN: usize = 40;
/// Octets of a fragment's own header, the only extension we write.
pub const FRAGMENT_LEN: usize = 8;
/// What announces it in the header before it.
pub const NEXT_FRAGMENT: u8 = 44;
/// Fragments but the last have a payload of a multiple of so many octets.
pub const FRAGMENT_UNIT: usize = 8;

mod field {
    pub(super) const VERSION_CLASS: usize = 0;
    pub(super) const PAYLOAD_LEN: usize = 4;
    pub(super) const NEXT_HEADER: usize = 6;
    pub(super) const HOP_LIMIT: usize = 7;
    pub(super) const SOURCE: usize = 8;
    pub(super) const DESTINATION: usize = 24;
}

/// What stands in a header that we write: no flow label.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Header {
    /// Source address.
    pub source: Ipv6Addr,
    /// Destination address.
    pub destination: Ipv6Addr,
    /// Protocol of the payload.
    pub next_header: u8,
    /// Octets after the header.
    pub payload_len: u16,
    /// Differentiated services code point, 0-63; higher bits are cut off. Voice is 46 (RFC 3246).
    pub dscp: u8,
    /// Hops left.
    pub hop_limit: u8,
}

impl Header {
    /// Writes the header into the first [`HEADER_LEN`] octets of `buffer`.
    ///
    /// # Errors
    /// [`NoRoom`] when `buffer` is shorter.
    pub fn emit(&self, buffer: &mut [u8]) -> Result<(), NoRoom> {
        let header = buffer.first_chunk_mut::<HEADER_LEN>().ok_or(NoRoom)?;
        *header = [0; HEADER_LEN];
        let [high, low] = (0x6000 | u16::from(self.dscp & 63) << 6).to_be_bytes();
        put(header, field::VERSION_CLASS, &[high, low]);
        put(header, field::PAYLOAD_LEN, &self.payload_len.to_be_bytes());
        put(header, field::NEXT_HEADER, &[self.next_header]);
        put(header, field::HOP_LIMIT, &[self.hop_limit]);
        put(header, field::SOURCE, &self.source.octets());
        put(header, field::DESTINATION, &self.destination.octets());
        Ok(())
    }
}

/// What stands in the header of a fragment, between the IPv6 header and its part of the payload.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Fragment {
    /// Protocol of the whole payload.
    pub next_header: u8,
    /// Octets of the payload before this part, a multiple of [`FRAGMENT_UNIT`]; the rest is cut
    /// off.
    pub offset: u16,
    /// More of it follows.
    pub more: bool,
    /// The same in all fragments of a packet.
    pub ident: u32,
}

impl Fragment {
    /// Writes it into the first [`FRAGMENT_LEN`] octets of `buffer`.
    ///
    /// # Errors
    /// [`NoRoom`] when `buffer` is shorter.
    pub fn emit(&self, buffer: &mut [u8]) -> Result<(), NoRoom> {
        let header = buffer.first_chunk_mut::<FRAGMENT_LEN>().ok_or(NoRoom)?;
        // The offset in units stands above three bits, so in octets it stands as it is.
        let [high, low] = (self.offset & !7 | u16::from(self.more)).to_be_bytes();
        put(header, 0, &[self.next_header, 0, high, low]);
        put(header, 4, &self.ident.to_be_bytes());
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::{FRAGMENT_LEN, Fragment, HEADER_LEN, Header};
    use crate::NoRoom;

    #[test]
    fn a_header_known_to_the_byte() {
        let header = Header {
            source: "2001:db8::1".parse().unwrap(),
            destination: "2001:db8::2".parse().unwrap(),
            next_header: 17,
            payload_len: 0x0b4,
            dscp: 46,
            hop_limit: 64,
        };
        let mut buffer = [0xaa; HEADER_LEN];
        header.emit(&mut buffer).unwrap();
        // Version 6, traffic class 46 << 2, no label.
        assert_eq!(buffer[..8], [0x6b, 0x80, 0, 0, 0, 0xb4, 17, 64]);
        assert_eq!(buffer[8..12], [0x20, 0x01, 0x0d, 0xb8]);
        assert_eq!((buffer[23], buffer[39]), (1, 2));
        assert_eq!(header.emit(&mut [0; HEADER_LEN - 1]), Err(NoRoom));
        let loud = Header { dscp: 0xff, ..header };
        loud.emit(&mut buffer).unwrap();
        assert_eq!(buffer[..2], [0x6f, 0xc0], "cut to six bits");
    }

    #[test]
    fn a_fragment_known_to_the_byte() {
        let first = Fragment { next_header: 17, offset: 0, more: true, ident: 0x0102_0304 };
        let mut buffer = [0xaa; FRAGMENT_LEN];
        first.emit(&mut buffer).unwrap();
        assert_eq!(buffer, [17, 0, 0, 1, 1, 2, 3, 4]);
        let last = Fragment { offset: 1_232, more: false, ..first };
        last.emit(&mut buffer).unwrap();
        assert_eq!(buffer, [17, 0, 4, 0xd0, 1, 2, 3, 4]);
        assert_eq!(last.emit(&mut [0; FRAGMENT_LEN - 1]), Err(NoRoom));
    }
}
