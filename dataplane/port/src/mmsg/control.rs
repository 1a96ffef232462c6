//! Control messages, read and built without unsafe code.
//!
//! Each is a `cmsghdr` (length with the header: 8 bytes, level: 4, type: 4) and data, padded to
//! eight bytes. 64-bit Linux only.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

const HEADER_BYTES: usize = 16;
const _: () = assert!(size_of::<libc::cmsghdr>() == HEADER_BYTES);

/// Room for the control messages of one datagram.
#[derive(Clone, Copy, Debug)]
#[repr(C, align(8))]
pub(super) struct Control([u8; Control::ROOM]);

/// What the kernel told beside a datagram.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub(super) struct Told {
    /// Our address it was sent to.
    pub(super) local: Option<IpAddr>,
    /// Our address and port it was sent to, whatever the socket is bound to.
    pub(super) original: Option<SocketAddr>,
    /// When it came in, nanoseconds of CLOCK_REALTIME.
    pub(super) received_ns: Option<i64>,
    /// Error number of an entry of the error queue that the network made (ICMP).
    pub(super) errno: Option<i32>,
}

impl Control {
    /// Bytes of room: a time stamp (32), an IPv6 packet information (40), and for the error queue
    /// an extended error with the offender's address (16 + 16 + 28); or a time stamp and the
    /// original IPv6 address (16 + 28).
    pub(super) const ROOM: usize = 160;
    pub(super) const EMPTY: Control = Control([0; Control::ROOM]);

    pub(super) fn as_mut_ptr(&mut self) -> *mut u8 {
        self.0.as_mut_ptr()
    }

    /// Reads the first `len` bytes, which the kernel wrote.
    pub(super) fn read(&self, len: usize) -> Told {
        Told::read(self.0.get(..len).unwrap_or_default())
    }

    /// Makes this the one message that sets a datagram's source address; returns its length.
    pub(super) fn set_source(&mut self, local: IpAddr) -> usize {
        match local {
            IpAddr::V4(ip) => {
                // in_pktinfo: interface 0, source address, (destination, ignored).
                let mut data = [0; 12];
                data[4..8].copy_from_slice(&ip.octets());
                self.set(libc::IPPROTO_IP, libc::IP_PKTINFO, &data)
            }
            IpAddr::V6(ip) => {
                // in6_pktinfo: source address, interface 0.
                let mut data = [0; 20];
                data[..16].copy_from_slice(&ip.octets());
                self.set(libc::IPPROTO_IPV6, libc::IPV6_PKTINFO, &data)
            }
        }
    }

    fn set(&mut self, level: libc::c_int, kind: libc::c_int, data: &[u8]) -> usize {
        let length = (HEADER_BYTES + data.len()) as u64;
        let header = length.to_ne_bytes().into_iter().chain(level.to_ne_bytes());
        let message = header.chain(kind.to_ne_bytes()).chain(data.iter().copied());
        let padded = message.chain(std::iter::repeat(0));
        let total = (HEADER_BYTES + data.len()).next_multiple_of(8);
        self.0.iter_mut().take(total).zip(padded).for_each(|(to, from)| *to = from);
        total
    }
}

impl Told {
    /// Reads control messages, which the kernel wrote.
    pub(super) fn read(mut rest: &[u8]) -> Told {
        let mut told = Told::default();
        while let Some((header, after)) = rest.split_first_chunk::<HEADER_BYTES>() {
            let [l0, l1, l2, l3, l4, l5, l6, l7, v0, v1, v2, v3, t0, t1, t2, t3] = *header;
            let length = u64::from_ne_bytes([l0, l1, l2, l3, l4, l5, l6, l7]);
            let length = usize::try_from(length).unwrap_or(0);
            let Some(data) = length.checked_sub(HEADER_BYTES).and_then(|len| after.get(..len))
            else {
                break;
            };
            let level = libc::c_int::from_ne_bytes([v0, v1, v2, v3]);
            told.take(level, libc::c_int::from_ne_bytes([t0, t1, t2, t3]), data);
            rest = rest.get(length.next_multiple_of(8)..).unwrap_or_default();
        }
        told
    }

    fn take(&mut self, level: libc::c_int, kind: libc::c_int, data: &[u8]) {
        let long = |at: usize| {
            let eight = data.get(at..).and_then(<[u8]>::first_chunk).copied();
            eight.map(i64::from_ne_bytes)
        };
        match (level, kind) {
            (libc::SOL_SOCKET, libc::SCM_TIMESTAMPNS) => {
                self.received_ns = long(0)
                    .zip(long(8))
                    .map(|(seconds, ns)| seconds.saturating_mul(1_000_000_000).saturating_add(ns));
            }
            (libc::IPPROTO_IP, libc::IP_PKTINFO) => {
                // The second address: ours, also for a datagram to a broadcast address.
                let ip = data.get(4..).and_then(<[u8]>::first_chunk::<4>).copied();
                self.local = ip.map(|ip| IpAddr::V4(Ipv4Addr::from(ip)));
            }
            (libc::IPPROTO_IPV6, libc::IPV6_PKTINFO) => {
                let ip = data.first_chunk::<16>().copied();
                self.local = ip.map(|ip| IpAddr::V6(Ipv6Addr::from(ip)));
            }
            (libc::IPPROTO_IP, libc::IP_ORIGDSTADDR) => {
                // sockaddr_in: family (2), port (2, network order), address (4).
                if let Some([_, _, p0, p1, a, b, c, d]) = data.first_chunk().copied() {
                    let ip = IpAddr::V4(Ipv4Addr::new(a, b, c, d));
                    self.original = Some(SocketAddr::new(ip, u16::from_be_bytes([p0, p1])));
                }
            }
            (libc::IPPROTO_IPV6, libc::IPV6_ORIGDSTADDR) => {
                // sockaddr_in6: family (2), port (2, network order), flow (4), address (16). The
                // scope is the interface it came by: an address of ours has none.
                let port = data.get(2..).and_then(<[u8]>::first_chunk::<2>).copied();
                let ip = data.get(8..).and_then(<[u8]>::first_chunk::<16>).copied();
                self.original = port.zip(ip).map(|(port, ip)| {
                    SocketAddr::new(IpAddr::V6(Ipv6Addr::from(ip)), u16::from_be_bytes(port))
                });
            }
            (libc::IPPROTO_IP, libc::IP_RECVERR) | (libc::IPPROTO_IPV6, libc::IPV6_RECVERR) => {
                // sock_extended_err: number (4), origin (1). What we caused ourselves failed the
                // call already and names no peer.
                if let Some([e0, e1, e2, e3, origin]) = data.first_chunk().copied()
                    && origin != libc::SO_EE_ORIGIN_LOCAL
                {
                    self.errno = Some(i32::from_ne_bytes([e0, e1, e2, e3]));
                }
            }
            _ => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{Control, Told};
    use std::net::IpAddr;

    #[test]
    fn a_built_message_reads_back() {
        for text in ["192.0.2.7", "2001:db8::7"] {
            let ip: IpAddr = text.parse().unwrap();
            let mut control = Control([0xAA; Control::ROOM]);
            let len = control.set_source(ip);
            assert!(len.is_multiple_of(8));
            assert_eq!(control.read(len), Told { local: Some(ip), ..Told::default() });
        }
    }

    #[test]
    fn the_original_address_is_read_and_a_short_one_is_none() {
        for (text, level, kind, data) in [
            ("192.0.2.7:16386", libc::IPPROTO_IP, libc::IP_ORIGDSTADDR, "02004002c0000207"),
            (
                "[2001:db8::7]:16386",
                libc::IPPROTO_IPV6,
                libc::IPV6_ORIGDSTADDR,
                "0a0040020000000020010db8000000000000000000000007",
            ),
        ] {
            let byte = |at: usize| u8::from_str_radix(&data[at..at + 2], 16).unwrap();
            let data: Vec<u8> = (0..data.len()).step_by(2).map(byte).collect();
            for len in 0..=data.len() {
                let mut control = Control::EMPTY;
                let written = control.set(level, kind, &data[..len]);
                let whole = (len == data.len()).then(|| text.parse().unwrap());
                assert_eq!(control.read(written).original, whole, "{text}, {len} bytes");
            }
        }
    }

    #[test]
    fn lengths_are_not_trusted() {
        for length in [0u64, 1, 15, 17, 200, u64::MAX] {
            let mut control = Control::EMPTY;
            control.set_source("192.0.2.7".parse().unwrap());
            control.0[..8].copy_from_slice(&length.to_ne_bytes());
            assert_eq!(control.read(Control::ROOM), Told::default(), "length {length}");
        }
        assert_eq!(Control::EMPTY.read(1000), Told::default());
    }
}
