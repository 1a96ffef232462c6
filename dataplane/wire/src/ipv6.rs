//! IPv6 headers, RFC 8200: a value to write in front of a UDP header.

use crate::NoRoom;
use crate::octet::put;
use core::net::Ipv6Addr;

/// Octets of a header without extensions, the only kind we write.
pub const HEADER_LEN: usize = 40;

mod field {
    pub(super) const VERSION_CLASS: usize = 0;
    pub(super) const PAYLOAD_LEN: usize = 4;
    pub(super) const NEXT_HEADER: usize = 6;
    pub(super) const HOP_LIMIT: usize = 7;
    pub(super) const SOURCE: usize = 8;
    pub(super) const DESTINATION: usize = 24;
}

/// What stands in a header that we write: no extensions, no flow label.
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

#[cfg(test)]
mod tests {
    use super::{HEADER_LEN, Header};
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
}
