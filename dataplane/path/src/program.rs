//! The kernel's programs as objects, and the words that they read.

use std::net::IpAddr;

use strowger_port::flows::FlowSpace;
use strowger_port::net::MEDIA_ADDRESSES_MAX;
use strowger_port::netlink::Interface;
use strowger_tuning::INTERFACES_MAX;

/// What clang made of `bpf/steer.bpf.c`; `tests/object.rs` makes it again and compares.
pub const OBJECT: &[u8] = include_bytes!("../bpf/steer.bpf.o");
/// The section of the program that chooses sockets.
pub const PROGRAM: &str = "sk_lookup";
/// What clang made of `bpf/relay.bpf.c`.
pub const RELAY_OBJECT: &[u8] = include_bytes!("../bpf/relay.bpf.o");
/// The section of the program that relays.
pub const RELAY_PROGRAM: &str = "tc";
/// What clang made of `bpf/xdp.bpf.c`.
pub const XDP_OBJECT: &[u8] = include_bytes!("../bpf/xdp.bpf.o");
/// The section of the program that relays at the driver.
pub const XDP_PROGRAM: &str = "xdp";

/// Bytes of `struct places`.
pub(crate) const PLACES_BYTES: usize = 16 + MEDIA_ADDRESSES_MAX * 20;

/// Bytes of `struct cables`.
pub(crate) const CABLES_BYTES: usize = 8 + INTERFACES_MAX * 12;
/// `CABLES_MAX` of the program.
const _: () = assert!(INTERFACES_MAX == 8);

const INET: u32 = 2;
const INET6: u32 = 10;

/// `struct places`: addresses and ports that are ours. Numbers are in the order of the host,
/// addresses in that of the network.
pub(crate) fn places(space: &FlowSpace) -> [u8; PLACES_BYTES] {
    let mut bytes = [0; PLACES_BYTES];
    let numbers = [space.addresses.len() as u32, space.port_min.into(), space.port_max.into(), 0];
    let numbers = numbers.into_iter().flat_map(u32::to_ne_bytes);
    let places = space.addresses.iter().flat_map(|ip| {
        let mut place = [0; 20];
        let (family, at) = place.split_at_mut(4);
        family.copy_from_slice(&if ip.is_ipv6() { INET6 } else { INET }.to_ne_bytes());
        match ip {
            IpAddr::V4(ip) => at.iter_mut().zip(ip.octets()).for_each(|(to, from)| *to = from),
            IpAddr::V6(ip) => at.iter_mut().zip(ip.octets()).for_each(|(to, from)| *to = from),
        }
        place
    });
    bytes.iter_mut().zip(numbers.chain(places)).for_each(|(to, from)| *to = from);
    bytes
}

/// `struct cables`: the interfaces and their own addresses.
pub(crate) fn cables(interfaces: &[Interface]) -> [u8; CABLES_BYTES] {
    let mut bytes = [0; CABLES_BYTES];
    let count = (interfaces.len() as u32).to_ne_bytes().into_iter().chain([0; 4]);
    let cable = |one: &Interface| {
        let (index, [a, b, c, d, e, f]) = (one.index.to_ne_bytes(), one.mac);
        index.into_iter().chain([a, b, c, d, e, f, 0, 0])
    };
    let all = count.chain(interfaces.iter().flat_map(cable));
    bytes.iter_mut().zip(all).for_each(|(to, from)| *to = from);
    bytes
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cables_are_laid_out_as_the_program_reads_them() {
        let one = |index, last| Interface {
            index,
            mtu: 1_500,
            is_ethernet: true,
            is_up: true,
            mac: [2, 1, 2, 3, 4, last],
            is_veth: false,
        };
        let bytes = cables(&[one(7, 5), one(0x0102_0304, 6)]);
        assert_eq!((bytes.len(), &bytes[..8]), (104, &[2, 0, 0, 0, 0, 0, 0, 0][..]));
        assert_eq!(bytes[8..20], [7, 0, 0, 0, 2, 1, 2, 3, 4, 5, 0, 0]);
        assert_eq!(bytes[20..32], [4, 3, 2, 1, 2, 1, 2, 3, 4, 6, 0, 0]);
        assert!(bytes[32..].iter().all(|byte| *byte == 0));
    }

    #[test]
    fn places_are_laid_out_as_the_program_reads_them() {
        let addresses = vec!["192.0.2.1".parse().unwrap(), "2001:db8::7".parse().unwrap()];
        let space = FlowSpace { addresses, port_min: 16_384, port_max: 32_767, shards: 2 };
        let bytes = places(&space);
        let word = |at: usize| u32::from_ne_bytes(bytes[at..at + 4].try_into().unwrap());
        assert_eq!([word(0), word(4), word(8), word(12)], [2, 16_384, 32_767, 0]);
        assert_eq!((word(16), &bytes[20..24]), (INET, &[192, 0, 2, 1][..]));
        assert_eq!((&bytes[24..36], word(36)), (&[0; 12][..], INET6));
        assert_eq!((bytes[40], bytes[55]), (0x20, 7));
        assert!(bytes[56..].iter().all(|byte| *byte == 0));
    }
}
