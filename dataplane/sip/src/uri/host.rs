//! Hosts in URIs and Via.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use crate::lex::Cursor;

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
        let wanted = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'.' | b'_');
        let text = cursor.take_while(wanted);
        if text.iter().all(|b| b.is_ascii_digit() || *b == b'.') {
            return std::str::from_utf8(text).ok()?.parse().ok().map(Host::V4);
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
            Host::V4(address) => out.extend_from_slice(address.to_string().as_bytes()),
            Host::V6(address) => out.extend_from_slice(format!("[{address}]").as_bytes()),
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

/// Labels between dots, a dot at the end allowed. Underscores and a last label that begins with a
/// digit are not in the grammar, but containers are called so.
fn is_name(text: &[u8]) -> bool {
    let text = text.strip_suffix(b".").unwrap_or(text);
    text.split(|b| *b == b'.').all(|label| {
        let edge = |b: Option<&u8>| b.is_some_and(|b| *b != b'-');
        edge(label.first()) && edge(label.last())
    })
}
