//! Whether somebody else's socket stands in the range: it would hear nothing any more.

use std::fs::File;
use std::io::{BufRead, BufReader};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

/// Most sockets that are looked at.
const SOCKETS_MAX: usize = 1 << 20;
/// Of this network namespace.
const LISTS: [&str; 2] = ["/proc/thread-self/net/udp", "/proc/thread-self/net/udp6"];

/// The first UDP socket of anybody at one of these ports that takes packets to one of `addresses`.
pub(crate) fn first(addresses: &[IpAddr], range: (u16, u16)) -> Option<SocketAddr> {
    LISTS.iter().find_map(|list| {
        let lines = BufReader::new(File::open(list).ok()?).lines().map_while(Result::ok);
        among(lines.take(SOCKETS_MAX), addresses, range)
    })
}

fn among(
    lines: impl Iterator<Item = String>,
    addresses: &[IpAddr],
    (first, last): (u16, u16),
) -> Option<SocketAddr> {
    lines.filter_map(|line| bound(&line)).find(|at| {
        let ours = at.ip().is_unspecified() || addresses.contains(&at.ip());
        ours && (first..=last).contains(&at.port())
    })
}

/// Where a line's socket is bound; one that is connected keeps its packets.
fn bound(line: &str) -> Option<SocketAddr> {
    let mut fields = line.split_whitespace().skip(1);
    let (local, remote) = (address(fields.next()?)?, address(fields.next()?)?);
    (remote.port() == 0).then_some(local)
}

/// `0100007F:14E9`: words of four bytes in the order of the host, then the port.
fn address(text: &str) -> Option<SocketAddr> {
    let (ip, port) = text.split_once(':')?;
    let port = u16::from_str_radix(port, 16).ok()?;
    let word = |at: usize| {
        let word = u32::from_str_radix(ip.get(at..at.checked_add(8)?)?, 16).ok()?;
        Some(word.to_ne_bytes())
    };
    let ip = match ip.len() {
        8 => IpAddr::V4(Ipv4Addr::from(word(0)?)),
        32 => {
            let words = [word(0)?, word(8)?, word(16)?, word(24)?];
            let bytes: [u8; 16] = words.concat().try_into().ok()?;
            IpAddr::V6(Ipv6Addr::from(bytes))
        }
        _ => return None,
    };
    Some(SocketAddr::new(ip, port))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// As a little-endian host writes them.
    #[cfg(target_endian = "little")]
    #[test]
    fn lines_of_the_kernel_are_read() {
        let v4 = "  712: 0100007F:4000 00000000:0000 07 00000000:00000000 00:00000000 00000000";
        let v6 =
            "  9: 000080FE00000000FF005450E1F1BAFE:4001 00000000000000000000000000000000:0000 07";
        let connected = "  7: 0100007F:4002 0200007F:0035 01 00000000:00000000";
        let all = "  8: 00000000:4004 00000000:0000 07";
        let head = "  sl  local_address rem_address   st tx_queue";
        assert_eq!(bound(v4), Some("127.0.0.1:16384".parse().unwrap()));
        assert_eq!(bound(v6), Some("[fe80::5054:ff:feba:f1e1]:16385".parse().unwrap()));
        assert_eq!((bound(connected), bound(head), bound("")), (None, None, None));
        let find = |lines: &[&str], ips: &[&str]| {
            let ips: Vec<IpAddr> = ips.iter().map(|ip| ip.parse().unwrap()).collect();
            let lines = lines.iter().map(|line| (*line).to_owned());
            among(lines, &ips, (16_384, 32_767)).map(|at| at.port())
        };
        assert_eq!(find(&[head, v4], &["127.0.0.1"]), Some(16_384));
        assert_eq!(find(&[head, v4, connected], &["127.0.0.2"]), None);
        assert_eq!(find(&[head, all], &["127.0.0.2"]), Some(16_388), "on all addresses");
    }

    #[test]
    fn a_socket_of_this_host_is_found() {
        let socket = std::net::UdpSocket::bind("127.0.0.1:0").unwrap();
        let at = socket.local_addr().unwrap();
        assert_eq!(first(&[at.ip()], (at.port(), at.port())), Some(at));
        let other = "127.77.0.1".parse().unwrap();
        assert_ne!(first(&[other], (at.port(), at.port())), Some(at));
    }
}
