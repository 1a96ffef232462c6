//! The Internet checksum: RFC 1071, incremental update by RFC 1624, UDP pseudo-headers of
//! RFC 768 and RFC 8200 section 8.1.
//!
//! Sums are carried as `u32` without folding, so that parts can be added in any order; parts of
//! odd length must come last.

use core::net::{IpAddr, Ipv4Addr, Ipv6Addr};

const UDP: u32 = 17;

/// The unfolded sum of `octets` as big-endian 16-bit words, an odd last octet padded with zero.
/// At most 128 KiB may be summed before folding; a datagram has at most 64 KiB.
#[must_use]
pub fn sum(octets: &[u8]) -> u32 {
    let (words, odd) = octets.as_chunks::<2>();
    let whole = words.iter().fold(0u32, |total, word| total + u32::from(u16::from_be_bytes(*word)));
    match odd {
        [last] => whole + (u32::from(*last) << 8),
        [..] => whole,
    }
}

/// Folds carries and complements: the value to put into the header.
#[must_use]
pub const fn finish(mut total: u32) -> u16 {
    total = (total & 0xffff) + (total >> 16);
    total = (total & 0xffff) + (total >> 16);
    !(total as u16)
}

/// The sum of the UDP pseudo-header. Both addresses must be of one family, else `None`.
#[must_use]
pub fn pseudo_header(source: IpAddr, destination: IpAddr, udp_len: u16) -> Option<u32> {
    let addresses = match (source, destination) {
        (IpAddr::V4(source), IpAddr::V4(destination)) => v4(source) + v4(destination),
        (IpAddr::V6(source), IpAddr::V6(destination)) => v6(source) + v6(destination),
        (IpAddr::V4(_), IpAddr::V6(_)) | (IpAddr::V6(_), IpAddr::V4(_)) => return None,
    };
    Some(addresses + UDP + u32::from(udp_len))
}

fn v4(address: Ipv4Addr) -> u32 {
    sum(&address.octets())
}

fn v6(address: Ipv6Addr) -> u32 {
    sum(&address.octets())
}

/// The checksum after one 16-bit word of the covered data changed, RFC 1624 equation 3:
/// HC' = ~(~HC + ~m + m').
///
/// For UDP the caller keeps 0 ("no checksum") as 0 and turns a result of 0 into 0xffff.
#[must_use]
pub const fn updated(checksum: u16, old_word: u16, new_word: u16) -> u16 {
    finish(!checksum as u32 + !old_word as u32 + new_word as u32)
}

#[cfg(test)]
mod tests {
    use super::{finish, pseudo_header, sum, updated};
    use proptest::prelude::*;

    #[test]
    fn the_example_of_rfc_1071_section_3() {
        let octets = [0x00, 0x01, 0xf2, 0x03, 0xf4, 0xf5, 0xf6, 0xf7];
        assert_eq!(sum(&octets), 0x2ddf0);
        assert_eq!(finish(sum(&octets)), !0xddf2);
    }

    #[test]
    fn an_odd_last_octet_is_the_high_half_of_a_word() {
        assert_eq!(sum(&[0x12, 0x34, 0x56]), 0x1234 + 0x5600);
    }

    #[test]
    fn the_example_of_rfc_1624_section_4() {
        assert_eq!(updated(0xdd2f, 0x5555, 0x3285), 0x0000);
    }

    #[test]
    fn mixed_families_have_no_pseudo_header() {
        let v4 = "192.0.2.1".parse().unwrap();
        let v6 = "2001:db8::1".parse().unwrap();
        assert_eq!(pseudo_header(v4, v6, 8), None);
        assert_eq!(pseudo_header(v4, v4, 8), Some(2 * (0xc000 + 0x0201) + 17 + 8));
    }

    #[test]
    fn the_largest_datagram_does_not_overflow_the_sum() {
        // 32,767 words of ffff (each is zero in ones' complement) and one ff00.
        assert_eq!(finish(sum(&[0xff; 65_535])), !0xff00);
    }

    proptest! {
        #[test]
        fn updating_equals_summing_again(
            mut octets in prop::collection::vec(any::<u8>(), 4..64),
            at in 0usize..2,
            word: u16,
        ) {
            let before = finish(sum(&octets));
            let old = u16::from_be_bytes([octets[2 * at], octets[2 * at + 1]]);
            octets[2 * at..2 * at + 2].copy_from_slice(&word.to_be_bytes());
            let again = finish(sum(&octets));
            let quick = updated(before, old, word);
            // 0000 and ffff are the same number in ones' complement.
            prop_assert!(quick == again || (quick | again == 0xffff && quick & again == 0));
        }
    }
}
