//! Numbers and addresses in text, without the machinery of `format!`: messages are full of them.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

/// Digits of a `u32`, at most.
const DECIMAL_LEN_MAX: usize = 10;

/// Bytes that an IPv4 address fits in, and most others.
const ADDRESS_LEN: usize = 16;

/// Appends a number in decimal.
pub(crate) fn decimal(out: &mut Vec<u8>, number: u32) {
    let (mut digits, mut at, mut rest) = ([b'0'; DECIMAL_LEN_MAX], DECIMAL_LEN_MAX, number);
    loop {
        at = at.saturating_sub(1);
        if let Some(digit) = digits.get_mut(at) {
            // Below ten.
            *digit = b'0' + (rest % 10) as u8;
        }
        rest /= 10;
        if rest == 0 {
            return out.extend_from_slice(digits.get(at..).unwrap_or_default());
        }
    }
}

/// Appends a number in hexadecimal, at least one digit, lower case.
pub(crate) fn hexadecimal(out: &mut Vec<u8>, number: u64) {
    let digits = (u64::BITS - number.leading_zeros()).div_ceil(4).max(1);
    for place in (0..digits).rev() {
        // Below sixteen.
        let digit = (number >> (4 * place) & 15) as u8;
        out.push(if digit < 10 { b'0' + digit } else { b'a' + digit - 10 });
    }
}

/// Appends an address in dots.
pub(crate) fn ipv4(out: &mut Vec<u8>, address: Ipv4Addr) {
    let octets = address.octets();
    for (place, octet) in octets.into_iter().enumerate() {
        if place > 0 {
            out.push(b'.');
        }
        if octet >= 100 {
            out.push(b'0' + octet / 100);
        }
        if octet >= 10 {
            out.push(b'0' + octet / 10 % 10);
        }
        out.push(b'0' + octet % 10);
    }
}

/// Appends an address as RFC 5952 writes it: lower case, without leading zeros, the longest run of
/// two or more zero groups (the first of equals) left out.
pub(crate) fn ipv6(out: &mut Vec<u8>, address: Ipv6Addr) {
    if let Some(mapped) = address.to_ipv4_mapped() {
        out.extend_from_slice(b"::ffff:");
        return ipv4(out, mapped);
    }
    let groups = address.segments();
    let gap = longest_gap(&groups);
    for (at, group) in groups.into_iter().enumerate() {
        let in_gap = at >= gap.0 && at < gap.0 + gap.1;
        if in_gap && at == gap.0 {
            out.extend_from_slice(b"::");
        }
        if in_gap {
            continue;
        }
        if at > 0 && at != gap.0 + gap.1 {
            out.push(b':');
        }
        hexadecimal(out, group.into());
    }
}

/// Where the longest run of at least two zero groups begins and how long it is; the first of
/// equals. Without one: behind the end, and of no length.
fn longest_gap(groups: &[u16; 8]) -> (usize, usize) {
    let (mut best, mut begin) = ((groups.len() + 1, 0), 0);
    for (at, group) in groups.iter().enumerate() {
        if *group != 0 {
            begin = at + 1;
        } else if at + 1 - begin > best.1.max(1) {
            best = (begin, at + 1 - begin);
        }
    }
    best
}

/// Appends an address without brackets.
pub(crate) fn ip(out: &mut Vec<u8>, address: IpAddr) {
    match address {
        IpAddr::V4(address) => ipv4(out, address),
        IpAddr::V6(address) => ipv6(out, address),
    }
}

/// An address without brackets.
pub(crate) fn text_of(address: IpAddr) -> String {
    let mut out = Vec::with_capacity(ADDRESS_LEN);
    ip(&mut out, address);
    String::from_utf8(out).unwrap_or_default()
}

/// Appends address and port, IPv6 in brackets.
pub(crate) fn socket(out: &mut Vec<u8>, address: SocketAddr) {
    match address {
        SocketAddr::V4(address) => ipv4(out, *address.ip()),
        SocketAddr::V6(address) => {
            out.push(b'[');
            ipv6(out, *address.ip());
            out.push(b']');
        }
    }
    out.push(b':');
    decimal(out, u32::from(address.port()));
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(write: impl FnOnce(&mut Vec<u8>)) -> String {
        let mut out = b"=".to_vec();
        write(&mut out);
        String::from_utf8(out).unwrap().split_off(1)
    }

    #[test]
    fn numbers_are_written_as_they_are() {
        let edges = (0..10).flat_map(|n| {
            let power = 10_u32.pow(n);
            [power - 1, power, power + 1]
        });
        for number in edges.chain([7, 255, 65_535, u32::MAX]) {
            assert_eq!(text(|out| decimal(out, number)), number.to_string());
        }
        for number in (0..64).flat_map(|bit| [(1_u64 << bit) - 1, 1 << bit]).chain([u64::MAX]) {
            assert_eq!(text(|out| hexadecimal(out, number)), format!("{number:x}"));
        }
    }

    #[test]
    fn addresses_are_written_as_the_standard_library_writes_them() {
        // Every pattern of zero and other groups, with groups of each length.
        for pattern in 0..256_u16 {
            for group in [1, 0x1f, 0x20a, 0xffff] {
                let groups = std::array::from_fn(|at| group * (pattern >> at & 1));
                let address = Ipv6Addr::from(groups);
                assert_eq!(text(|out| ipv6(out, address)), address.to_string());
                let socket_address = SocketAddr::new(address.into(), 5_060);
                assert_eq!(text(|out| socket(out, socket_address)), socket_address.to_string());
            }
        }
        for octet in 0..=255 {
            let address = Ipv4Addr::new(octet, 255 - octet, 0, octet);
            assert_eq!(text(|out| ip(out, address.into())), address.to_string());
            let mapped = IpAddr::V6(address.to_ipv6_mapped());
            assert_eq!(text(|out| ip(out, mapped)), mapped.to_string());
        }
    }
}
