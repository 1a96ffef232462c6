//! The kernel's programs as objects, and the words that they read.

use std::net::IpAddr;

use strowger_port::flows::FlowSpace;
use strowger_port::net::MEDIA_ADDRESSES_MAX;

/// What clang made of `bpf/steer.bpf.c`; `tests/object.rs` makes it again and compares.
pub const OBJECT: &[u8] = include_bytes!("../bpf/steer.bpf.o");
/// The section of the program that chooses sockets.
pub const PROGRAM: &str = "sk_lookup";
/// What clang made of `bpf/relay.bpf.c`.
pub const RELAY_OBJECT: &[u8] = include_bytes!("../bpf/relay.bpf.o");
/// The section of the program that relays.
pub const RELAY_PROGRAM: &str = "tc";

/// Bytes of `struct places`.
pub(crate) const PLACES_BYTES: usize = 16 + MEDIA_ADDRESSES_MAX * 20;

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

#[cfg(test)]
mod tests {
    use super::*;

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
