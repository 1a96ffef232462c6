//! Socket addresses as the kernel writes them, read and built without unsafe code.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, SocketAddrV6};

const IPV4_BYTES: u32 = size_of::<libc::sockaddr_in>() as u32;
const IPV6_BYTES: u32 = size_of::<libc::sockaddr_in6>() as u32;

/// Room for `sockaddr_in` and `sockaddr_in6`.
///
/// Both: family (2, host order), port (2, network order). Then IPv4: address (4). IPv6: flow
/// information (4), address (16), scope (4, host order).
#[derive(Clone, Copy, Debug)]
#[repr(C, align(8))]
pub(super) struct RawAddress([u8; 32]);

const _: () = assert!(IPV4_BYTES == 16 && IPV6_BYTES == 28);

impl RawAddress {
    pub(super) const EMPTY: RawAddress = RawAddress([0; 32]);
    /// What to tell the kernel as room.
    pub(super) const ROOM: u32 = 32;

    /// Writes an address; returns its length for the kernel.
    pub(super) fn set(&mut self, address: SocketAddr) -> u32 {
        let [f0, f1, p0, p1, rest @ ..] = &mut self.0;
        [*p0, *p1] = address.port().to_be_bytes();
        match address {
            SocketAddr::V4(v4) => {
                [*f0, *f1] = (libc::AF_INET as u16).to_ne_bytes();
                put(rest, 0, &v4.ip().octets());
                put(rest, 4, &[0; 8]);
                IPV4_BYTES
            }
            SocketAddr::V6(v6) => {
                [*f0, *f1] = (libc::AF_INET6 as u16).to_ne_bytes();
                put(rest, 0, &[0; 4]);
                put(rest, 4, &v6.ip().octets());
                put(rest, 20, &v6.scope_id().to_ne_bytes());
                IPV6_BYTES
            }
        }
    }

    /// What the kernel wrote elsewhere.
    pub(super) const fn of(bytes: &[u8; RawAddress::ROOM as usize]) -> RawAddress {
        RawAddress(*bytes)
    }

    /// The address the kernel wrote; `None` = of another family.
    pub(super) fn read(&self) -> Option<SocketAddr> {
        let [f0, f1, p0, p1, rest @ ..] = &self.0;
        let port = u16::from_be_bytes([*p0, *p1]);
        match libc::c_int::from(u16::from_ne_bytes([*f0, *f1])) {
            libc::AF_INET => {
                let ip = Ipv4Addr::from(*rest.first_chunk::<4>()?);
                Some(SocketAddr::new(IpAddr::V4(ip), port))
            }
            libc::AF_INET6 => {
                let (_, after) = rest.split_first_chunk::<4>()?;
                let (ip, after) = after.split_first_chunk::<16>()?;
                let scope = u32::from_ne_bytes(*after.first_chunk::<4>()?);
                Some(SocketAddrV6::new(Ipv6Addr::from(*ip), port, 0, scope).into())
            }
            _ => None,
        }
    }
}

fn put(to: &mut [u8], at: usize, from: &[u8]) {
    to.iter_mut().skip(at).zip(from).for_each(|(to, from)| *to = *from);
}

#[cfg(test)]
mod tests {
    use super::RawAddress;
    use std::net::SocketAddr;

    #[test]
    fn equals_what_socket2_writes() {
        for text in ["192.0.2.7:5060", "[2001:db8::7]:16384", "[fe80::1%3]:9", "0.0.0.0:0"] {
            let address: SocketAddr = text.parse().unwrap();
            let mut raw = RawAddress([0xAA; 32]);
            let len = raw.set(address) as usize;
            let expected = socket2::SockAddr::from(address);
            assert_eq!(expected.len() as usize, len, "{text}");
            // SAFETY: the storage is initialised and at least `len` bytes long.
            // JUSTIFICATION: compares with the bytes of an independent implementation.
            let bytes = unsafe { std::slice::from_raw_parts(expected.as_ptr().cast::<u8>(), len) };
            assert_eq!(&raw.0[..len], bytes, "{text}");
            assert_eq!(raw.read(), Some(address));
        }
        assert_eq!(RawAddress([7; 32]).read(), None);
    }
}
