//! Hosts in URIs and Via.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use crate::digits;
use crate::lex::{Class, Cursor};

/// A host as RFC 3261 25.1 writes it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Host<'a> {
    /// A name, as written.
    Name(&'a [u8]),
    /// An IPv4 address.
    V4(Ipv4Addr),
    /// An IPv6 address (in square brackets on the wire).
    V6(Ipv6Addr),
}

impl<'a> Host<'a> {
    /// All of `text`.
    #[must_use]
    pub fn parse(text: &'a [u8]) -> Option<Host<'a>> {
        let mut cursor = Cursor::new(text);
        let host = Host::take(&mut cursor)?;
        cursor.rest().is_empty().then_some(host)
    }

    /// Passes a host.
    pub(crate) fn take(cursor: &mut Cursor<'a>) -> Option<Host<'a>> {
        if cursor.eat(b'[') {
            let text = cursor.until(b']')?;
            return std::str::from_utf8(text).ok()?.parse().ok().map(Host::V6);
        }
        // Most hosts are these, and nothing of a name has to be looked at.
        if let Some((address, len)) = ipv4_head(cursor.rest()) {
            cursor.skip(len);
            return Some(Host::V4(address));
        }
        let text = cursor.take(Class::HOST);
        if Class::DOTTED.has_all(text) {
            return ipv4(text).map(Host::V4);
        }
        is_name(text).then_some(Host::Name(text))
    }

    /// The address, when it is written in numbers.
    #[must_use]
    pub const fn address(self) -> Option<IpAddr> {
        match self {
            Host::Name(_) => None,
            Host::V4(address) => Some(IpAddr::V4(address)),
            Host::V6(address) => Some(IpAddr::V6(address)),
        }
    }

    /// Writes it as URIs have it: IPv6 in brackets.
    pub(crate) fn write(self, out: &mut Vec<u8>) {
        match self {
            Host::Name(name) => out.extend_from_slice(name),
            Host::V4(address) => digits::ipv4(out, address),
            Host::V6(address) => {
                out.push(b'[');
                digits::ipv6(out, address);
                out.push(b']');
            }
        }
    }

    /// Whether both are the same host by their text (19.1.4: names are not looked up).
    #[must_use]
    pub fn matches(self, other: Host<'_>) -> bool {
        match (self, other) {
            (Host::Name(a), Host::Name(b)) => a.eq_ignore_ascii_case(b),
            (Host::V4(a), Host::V4(b)) => a == b,
            (Host::V6(a), Host::V6(b)) => a == b,
            (Host::Name(_), Host::V4(_) | Host::V6(_))
            | (Host::V4(_), Host::Name(_) | Host::V6(_))
            | (Host::V6(_), Host::Name(_) | Host::V4(_)) => false,
        }
    }
}

/// Four numbers without leading zeros that `text` begins with, where the host ends behind them; and
/// how long they are.
fn ipv4_head(text: &[u8]) -> Option<(Ipv4Addr, usize)> {
    let (mut octets, mut at) = ([0; 4], 0);
    for (place, octet) in octets.iter_mut().enumerate() {
        if place > 0 {
            (text.get(at) == Some(&b'.')).then_some(())?;
            at += 1;
        }
        let first = digit(text, at)?;
        at += 1;
        let mut number = u16::from(first);
        while let Some(next) = digit(text, at).filter(|_| number <= 255) {
            // A leading zero.
            (number > 0).then_some(())?;
            number = 10 * number + u16::from(next);
            at += 1;
        }
        *octet = u8::try_from(number).ok()?;
    }
    let ends = text.get(at).is_none_or(|byte| !Class::HOST.has(*byte));
    ends.then_some((Ipv4Addr::from(octets), at))
}

fn digit(text: &[u8], at: usize) -> Option<u8> {
    text.get(at)?.checked_sub(b'0').filter(|digit| *digit < 10)
}

/// Four numbers without leading zeros, of digits and dots.
fn ipv4(text: &[u8]) -> Option<Ipv4Addr> {
    let mut octets = [0; 4];
    let (mut at, mut octet, mut digits) = (0, 0_u16, 0);
    for byte in text {
        if *byte == b'.' {
            *octets.get_mut(at).filter(|_| digits > 0)? = octet as u8;
            (at, octet, digits) = (at + 1, 0, 0);
            continue;
        }
        let leads = digits == 1 && octet == 0;
        octet = 10 * octet + u16::from(byte & 15);
        digits += 1;
        if leads || octet > 255 {
            return None;
        }
    }
    let last = octets.get_mut(at).filter(|_| digits > 0 && at == 3)?;
    *last = octet as u8;
    Some(Ipv4Addr::from(octets))
}

/// Labels between dots, a dot at the end allowed. Underscores and a last label that begins with a
/// digit are not in the grammar, but containers are called so.
fn is_name(text: &[u8]) -> bool {
    let text = text.strip_suffix(b".").unwrap_or(text);
    text.split(|b| *b == b'.').all(|label| {
        let edge = |b: Option<&u8>| b.is_some_and(|b| *b != b'-');
        edge(label.first()) && edge(label.last())
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The same texts are addresses as in the standard library, and the same ones.
    #[test]
    fn ipv4_addresses_are_read_as_the_standard_library_reads_them() {
        let words = ["", "0", "00", "1", "9", "10", "01", "99", "100", "199", "200", "255", "256"];
        let mut odd: Vec<String> = ["300", "1000", "1.", ".1"].map(String::from).to_vec();
        odd.extend(words.map(String::from));
        let check = |text: &str| {
            let address = text.parse().ok();
            assert_eq!(ipv4(text.as_bytes()), address, "{text}");
            let head = address.map(|address| (address, text.len()));
            assert_eq!(ipv4_head(text.as_bytes()), head, "{text}");
            // Where the host ends, and where it goes on.
            assert_eq!(ipv4_head(format!("{text}:5060").as_bytes()), head, "{text}");
            assert_eq!(ipv4_head(format!("{text}.x").as_bytes()), None, "{text}");
            assert_eq!(ipv4_head(format!("{text}-").as_bytes()), None, "{text}");
        };
        for a in &odd {
            for b in &odd {
                check(&format!("{a}.{b}"));
                check(&format!("{a}.{b}.1"));
                check(&format!("{a}.{b}.1.2.3"));
                for c in &odd {
                    for d in &odd {
                        check(&format!("{a}.{b}.{c}.{d}"));
                    }
                }
            }
        }
    }
}
