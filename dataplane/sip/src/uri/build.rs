//! Building SIP and tel URIs from parts, escaped as the grammar asks.

use std::net::IpAddr;

use super::{Host, Uri};
use crate::digits;
use crate::lex::Class;
use crate::limits::URI_MAX;

/// A SIP, SIPS or tel URI in the making. Text that cannot stand there makes `finish` fail.
///
/// ```
/// use strowger_sip::uri::UriBuilder;
/// let uri = UriBuilder::sip().user(b"a lice").host("example.com").port(5070).flag("lr").finish();
/// assert_eq!(uri.unwrap(), b"sip:a%20lice@example.com:5070;lr");
/// ```
#[derive(Clone, Debug)]
pub struct UriBuilder {
    text: Vec<u8>,
}

impl UriBuilder {
    /// Begins with `sip:`.
    #[must_use]
    pub fn sip() -> UriBuilder {
        UriBuilder { text: b"sip:".to_vec() }
    }

    /// Begins with `sips:`.
    #[must_use]
    pub fn sips() -> UriBuilder {
        UriBuilder { text: b"sips:".to_vec() }
    }

    /// `tel:` and a number as RFC 3966 writes it.
    #[must_use]
    pub fn tel(number: &[u8]) -> UriBuilder {
        UriBuilder { text: [b"tel:", number].concat() }
    }

    /// The user part, any bytes; what the grammar does not allow is escaped. Empty: none.
    #[must_use]
    pub fn user(mut self, user: &[u8]) -> UriBuilder {
        let allowed = |byte: u8| Class::USER.has(byte) && !matches!(byte, b'%' | b'#');
        escape_into(&mut self.text, user, allowed);
        if !user.is_empty() {
            self.text.push(b'@');
        }
        self
    }

    /// The host, by name or by an address in its written form (IPv6 in brackets).
    #[must_use]
    pub fn host(mut self, host: &str) -> UriBuilder {
        self.text.extend_from_slice(host.as_bytes());
        self
    }

    /// The host as an address.
    #[must_use]
    pub fn address(mut self, address: IpAddr) -> UriBuilder {
        match address {
            IpAddr::V4(address) => digits::ipv4(&mut self.text, address),
            IpAddr::V6(address) => {
                self.text.push(b'[');
                digits::ipv6(&mut self.text, address);
                self.text.push(b']');
            }
        }
        self
    }

    /// The host of another URI.
    #[must_use]
    pub fn same_host(mut self, host: Host<'_>) -> UriBuilder {
        host.write(&mut self.text);
        self
    }

    /// The port.
    #[must_use]
    pub fn port(mut self, port: u16) -> UriBuilder {
        self.text.push(b':');
        digits::decimal(&mut self.text, port.into());
        self
    }

    /// A parameter with a value.
    #[must_use]
    pub fn param(mut self, name: &str, value: &[u8]) -> UriBuilder {
        self = self.flag(name);
        self.text.push(b'=');
        let allowed = |byte: u8| Class::URI_PARAM.has(byte) && byte != b'%';
        escape_into(&mut self.text, value, allowed);
        self
    }

    /// A parameter without a value.
    #[must_use]
    pub fn flag(mut self, name: &str) -> UriBuilder {
        self.text.push(b';');
        self.text.extend_from_slice(name.as_bytes());
        self
    }

    /// The URI; `None` when the parts do not make one, or one longer than `URI_MAX`.
    #[must_use]
    pub fn finish(self) -> Option<Vec<u8>> {
        let valid = self.text.len() <= URI_MAX && Uri::parse(&self.text).is_some();
        valid.then_some(self.text)
    }
}

fn escape_into(out: &mut Vec<u8>, text: &[u8], allowed: impl Fn(u8) -> bool) {
    const HEX: &[u8; 16] = b"0123456789ABCDEF";
    for byte in text {
        if allowed(*byte) {
            out.push(*byte);
            continue;
        }
        let digit = |nibble: u8| HEX.get(usize::from(nibble)).copied().unwrap_or(b'0');
        out.extend_from_slice(&[b'%', digit(byte >> 4), digit(byte & 15)]);
    }
}
