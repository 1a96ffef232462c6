//! UDP headers, RFC 768: a view to check, a value to write in front of a payload.

use crate::octet::{be16, put};
use crate::{NoRoom, checksum};
use core::net::SocketAddr;

/// Octets of the header.
pub const HEADER_LEN: usize = 8;

mod field {
    pub(super) const SOURCE: usize = 0;
    pub(super) const DESTINATION: usize = 2;
    pub(super) const LEN: usize = 4;
    pub(super) const CHECKSUM: usize = 6;
}

/// Why a buffer is not a UDP datagram.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Error {
    /// Shorter than its header or than its length field says.
    Truncated,
    /// The length field is below 8.
    Length,
}

/// A checked view of a UDP datagram.
#[derive(Clone, Copy, Debug)]
pub struct Packet<T> {
    buffer: T,
}

impl<T: AsRef<[u8]>> Packet<T> {
    /// Wraps `buffer` after checking lengths. Octets after the length field's end are allowed
    /// and are no part of the payload.
    ///
    /// # Errors
    /// [`Error`].
    pub fn new_checked(buffer: T) -> Result<Packet<T>, Error> {
        if buffer.as_ref().len() < HEADER_LEN {
            return Err(Error::Truncated);
        }
        let packet = Packet { buffer };
        if packet.len() < HEADER_LEN {
            return Err(Error::Length);
        }
        if packet.buffer.as_ref().len() < packet.len() {
            return Err(Error::Truncated);
        }
        Ok(packet)
    }

    /// Source port.
    pub fn source_port(&self) -> u16 {
        be16(self.buffer.as_ref(), field::SOURCE)
    }

    /// Destination port.
    pub fn destination_port(&self) -> u16 {
        be16(self.buffer.as_ref(), field::DESTINATION)
    }

    /// Octets of header and payload.
    #[expect(clippy::len_without_is_empty, reason = "a datagram has at least its header")]
    pub fn len(&self) -> usize {
        usize::from(be16(self.buffer.as_ref(), field::LEN))
    }

    /// The checksum field; 0 means that the sender computed none (IPv4 only).
    pub fn checksum(&self) -> u16 {
        be16(self.buffer.as_ref(), field::CHECKSUM)
    }

    /// Octets after the header, up to the length.
    pub fn payload(&self) -> &[u8] {
        self.buffer.as_ref().get(HEADER_LEN..self.len()).unwrap_or(&[])
    }

    /// Whether the checksum holds between these addresses, whose ports are not looked at. An
    /// absent checksum is right over IPv4 and wrong over IPv6 (RFC 8200 section 8.1).
    pub fn is_checksum_right(&self, source: SocketAddr, destination: SocketAddr) -> bool {
        if self.checksum() == 0 {
            return source.is_ipv4();
        }
        let datagram = self.buffer.as_ref().get(..self.len()).unwrap_or(&[]);
        let len = be16(datagram, field::LEN);
        checksum::pseudo_header(source.ip(), destination.ip(), len)
            .is_some_and(|pseudo| checksum::finish(pseudo + checksum::sum(datagram)) == 0)
    }
}

/// Writes a UDP header into the first [`HEADER_LEN`] octets of `datagram`, whose rest is the
/// payload, and always computes the checksum: a zero one is illegal over IPv6 and is dropped by
/// translators between the families.
///
/// # Errors
/// [`NoRoom`] when `datagram` is shorter than a header or longer than 65,535 octets, or when the
/// addresses are of two families.
pub fn emit(
    datagram: &mut [u8],
    source: SocketAddr,
    destination: SocketAddr,
) -> Result<(), NoRoom> {
    let len = u16::try_from(datagram.len()).map_err(|_| NoRoom)?;
    let pseudo = checksum::pseudo_header(source.ip(), destination.ip(), len).ok_or(NoRoom)?;
    let header = datagram.first_chunk_mut::<HEADER_LEN>().ok_or(NoRoom)?;
    put(header, field::SOURCE, &source.port().to_be_bytes());
    put(header, field::DESTINATION, &destination.port().to_be_bytes());
    put(header, field::LEN, &len.to_be_bytes());
    put(header, field::CHECKSUM, &[0, 0]);
    let checksum = match checksum::finish(pseudo + checksum::sum(datagram)) {
        0 => 0xffff,
        other => other,
    };
    put(datagram, field::CHECKSUM, &checksum.to_be_bytes());
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::{Error, HEADER_LEN, Packet, emit};
    use crate::NoRoom;
    use proptest::prelude::*;

    fn at(text: &str) -> core::net::SocketAddr {
        text.parse().unwrap()
    }

    #[test]
    fn a_datagram_known_to_the_byte() {
        // Sum: c000+0201+c000+0202+0011+000a + 1000+2000+000a + 6869 = 21c91 -> 1c93.
        let mut datagram = *b"\0\0\0\0\0\0\0\0hi";
        emit(&mut datagram, at("192.0.2.1:4096"), at("192.0.2.2:8192")).unwrap();
        assert_eq!(datagram, [0x10, 0, 0x20, 0, 0, 10, 0xe3, 0x6c, b'h', b'i']);
    }

    #[test]
    fn a_changed_octet_breaks_the_checksum() {
        for (source, destination) in
            [("192.0.2.1:5000", "198.51.100.7:6000"), ("[2001:db8::1]:5000", "[2001:db8::2]:6000")]
        {
            let mut datagram = [7; 180];
            emit(&mut datagram, at(source), at(destination)).unwrap();
            let right = |d: &[u8]| {
                Packet::new_checked(d).unwrap().is_checksum_right(at(source), at(destination))
            };
            assert!(right(&datagram));
            datagram[100] ^= 1;
            assert!(!right(&datagram));
        }
    }

    #[test]
    fn no_checksum_is_right_over_ipv4_only() {
        let datagram = [0, 1, 0, 2, 0, 8, 0, 0];
        let packet = Packet::new_checked(&datagram[..]).unwrap();
        assert!(packet.is_checksum_right(at("192.0.2.1:1"), at("192.0.2.2:2")));
        assert!(!packet.is_checksum_right(at("[::1]:1"), at("[::1]:2")));
    }

    #[test]
    fn bad_lengths_are_refused() {
        let refused = |b: &[u8]| Packet::new_checked(b).map(|_| ()).unwrap_err();
        assert_eq!(refused(&[0; 7]), Error::Truncated);
        assert_eq!(refused(&[0, 1, 0, 2, 0, 7, 0, 0]), Error::Length);
        assert_eq!(refused(&[0, 1, 0, 2, 0, 9, 0, 0]), Error::Truncated);
        let any = at("192.0.2.1:1");
        assert_eq!(emit(&mut [0; 7], any, any), Err(NoRoom));
        assert_eq!(emit(&mut [0; 65_536], any, any), Err(NoRoom));
        assert_eq!(emit(&mut [0; 8], any, at("[::1]:2")), Err(NoRoom));
    }

    proptest! {
        #[test]
        fn emitted_datagrams_check(payload in prop::collection::vec(any::<u8>(), 0..200)) {
            let mut datagram = vec![0; HEADER_LEN];
            datagram.extend_from_slice(&payload);
            let (source, destination) = (at("203.0.113.9:16384"), at("192.0.2.77:40000"));
            emit(&mut datagram, source, destination).unwrap();
            let packet = Packet::new_checked(&datagram[..]).unwrap();
            prop_assert!(packet.checksum() != 0);
            prop_assert!(packet.is_checksum_right(source, destination));
            prop_assert_eq!((packet.source_port(), packet.destination_port()), (16384, 40000));
            prop_assert_eq!(packet.payload(), &payload[..]);
        }

        #[test]
        fn arbitrary_octets_never_panic(octets in prop::collection::vec(any::<u8>(), 0..40)) {
            if let Ok(packet) = Packet::new_checked(&octets[..]) {
                prop_assert_eq!(packet.payload().len() + HEADER_LEN, packet.len());
                let _ = packet.is_checksum_right(at("192.0.2.1:1"), at("192.0.2.2:2"));
            }
        }
    }
}
