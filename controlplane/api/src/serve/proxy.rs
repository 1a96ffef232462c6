//! Whose connection it is that the dataplane brings: PROXY protocol, version 2 (HAProxy's
//! `proxy-protocol.txt`, section 2.2). Only what the dataplane writes is understood: TCP over IPv4
//! or IPv6. What follows the addresses is passed over.

use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use tokio::io::{AsyncRead, AsyncReadExt};

const SIGNATURE: [u8; 12] = *b"\r\n\r\n\0\r\nQUIT\n";
/// Version 2, a connection that is brought for somebody.
const PROXIED: u8 = 0x21;
const TCP_IPV4: u8 = 0x11;
const TCP_IPV6: u8 = 0x21;
/// Bytes behind the first sixteen at most: the addresses of IPv6, and more than anybody adds.
const LEN_MAX: usize = 216;

/// Reads the header and nothing behind it; the address of the sender.
///
/// # Errors
/// It is none, or the stream's.
pub(super) async fn read(stream: &mut (impl AsyncRead + Unpin)) -> io::Result<SocketAddr> {
    let mut fixed = [0; 16];
    stream.read_exact(&mut fixed).await?;
    let [.., command, family, high, low] = fixed;
    let len = usize::from(u16::from_be_bytes([high, low]));
    if !fixed.starts_with(&SIGNATURE) || command != PROXIED || len > LEN_MAX {
        return Err(io::ErrorKind::InvalidData.into());
    }
    let mut rest = [0; LEN_MAX];
    let rest = rest.get_mut(..len).ok_or(io::ErrorKind::InvalidData)?;
    stream.read_exact(rest).await?;
    source(family, rest).ok_or_else(|| io::ErrorKind::InvalidData.into())
}

/// Source and destination address, then their ports.
fn source(family: u8, bytes: &[u8]) -> Option<SocketAddr> {
    let (ip, ports): (IpAddr, _) = match family {
        TCP_IPV4 => {
            let (source, rest) = bytes.split_first_chunk::<4>()?;
            (Ipv4Addr::from(*source).into(), rest.get(4..)?)
        }
        TCP_IPV6 => {
            let (source, rest) = bytes.split_first_chunk::<16>()?;
            (Ipv6Addr::from(*source).into(), rest.get(16..)?)
        }
        _ => return None,
    };
    let (port, rest) = ports.split_first_chunk::<2>()?;
    let _destination = rest.first_chunk::<2>()?;
    Some(SocketAddr::new(ip, u16::from_be_bytes(*port)))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn header(family: u8, rest: &[u8]) -> Vec<u8> {
        let mut bytes = SIGNATURE.to_vec();
        bytes.extend([PROXIED, family]);
        bytes.extend(u16::try_from(rest.len()).unwrap().to_be_bytes());
        bytes.extend(rest);
        bytes
    }

    #[tokio::test]
    async fn addresses_of_both_families_are_read_and_nothing_behind() {
        let v4 = [203, 0, 113, 7, 192, 0, 2, 1, 0x9c, 0x40, 1, 0xbb];
        let v6 = [&[0x20, 1, 0xd, 0xb8][..], &[0; 11], &[7], &[9; 16], &[0, 80, 1, 0xbb]].concat();
        let more = [&v4[..], &[4, 0, 1, 0]].concat();
        for (family, rest, expected) in [
            (TCP_IPV4, &v4[..], "203.0.113.7:40000"),
            (TCP_IPV4, &more, "203.0.113.7:40000"),
            (TCP_IPV6, &v6, "[2001:db8::7]:80"),
        ] {
            let bytes = [header(family, rest), b"GET".to_vec()].concat();
            let mut stream = &bytes[..];
            assert_eq!(read(&mut stream).await.unwrap().to_string(), expected);
            assert_eq!(stream, b"GET");
        }
    }

    #[tokio::test]
    async fn what_is_no_such_header_is_refused_wherever_it_breaks() {
        let v4 = [203, 0, 113, 7, 192, 0, 2, 1, 0x9c, 0x40, 1, 0xbb];
        let whole = header(TCP_IPV4, &v4);
        for len in 0..whole.len() {
            assert!(read(&mut &whole[..len]).await.is_err(), "{len}");
        }
        // The signature, the version, a local connection, UDP, a length beyond the bound.
        for (at, value) in [(0, b'x'), (12, 0x11), (12, 0x20), (13, 0x12), (14, 1), (15, 11)] {
            let mut other = whole.clone();
            other[at] = value;
            assert!(read(&mut &other[..]).await.is_err(), "{at}");
        }
    }
}
