//! Via (RFC 3261 20.42, RFC 3581).

use std::net::{IpAddr, SocketAddr};

use super::Params;
use crate::lex::{self, Class, Cursor};
use crate::uri::Host;

/// What a branch of RFC 3261 begins with (8.1.1.7).
pub const MAGIC_COOKIE: &[u8] = b"z9hG4bK";

/// The default port of SIP by UDP and TCP.
pub const PORT_DEFAULT: u16 = 5060;
/// The default port of SIP by TLS.
pub const PORT_DEFAULT_TLS: u16 = 5061;

/// A sent-by: host and perhaps port.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct ViaHost<'a> {
    /// The host.
    pub host: Host<'a>,
    /// The port, when one is written.
    pub port: Option<u16>,
}

/// One Via element.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Via<'a> {
    /// The transport as written: `UDP`, `TCP`, `TLS`, `WS` ...
    pub transport: &'a [u8],
    /// Where the sender says it is.
    pub sent_by: ViaHost<'a>,
    /// `host[:port]` as written.
    pub sent_by_text: &'a [u8],
    /// The parameters.
    pub params: Params<'a>,
}

impl<'a> Via<'a> {
    /// All of `value`.
    #[must_use]
    pub fn parse(value: &'a [u8]) -> Option<Via<'a>> {
        let mut cursor = after_protocol(value)?;
        let transport = cursor.token()?;
        cursor.peek().filter(|b| lex::is_lws(*b))?;
        let begin = cursor.skip_lws().rest();
        let host = Host::take(&mut cursor)?;
        let port = if cursor.eat_separator(b':') {
            let digits = cursor.take(Class::DIGIT);
            Some(u16::try_from(lex::number(digits, u64::from(u16::MAX))?).ok()?)
        } else {
            None
        };
        let sent_by_text = lex::trim_end(begin.get(..begin.len() - cursor.rest().len())?);
        let params = Params::parse(cursor.rest())?;
        Some(Via { transport, sent_by: ViaHost { host, port }, sent_by_text, params })
    }

    /// The branch parameter.
    #[must_use]
    pub fn branch(self) -> Option<&'a [u8]> {
        self.params.value(b"branch")
    }

    /// The branch behind its magic cookie; `None` when it is one of RFC 2543, or empty.
    #[must_use]
    pub fn rfc3261_branch(self) -> Option<&'a [u8]> {
        let branch = self.branch()?;
        let cookie = branch.get(..MAGIC_COOKIE.len())?;
        let rest = branch.get(MAGIC_COOKIE.len()..)?;
        (cookie.eq_ignore_ascii_case(MAGIC_COOKIE) && !rest.is_empty()).then_some(rest)
    }

    /// Whether the sender asks for its source port (RFC 3581).
    #[must_use]
    pub fn wants_rport(self) -> bool {
        self.params.find(b"rport").is_some_and(|param| param.value.is_none())
    }

    /// The port of sent-by, or the transport's default.
    #[must_use]
    pub fn port(self) -> u16 {
        let tls = [b"TLS".as_slice(), b"WSS"];
        let secure = tls.iter().any(|name| self.transport.eq_ignore_ascii_case(name));
        self.sent_by.port.unwrap_or(if secure { PORT_DEFAULT_TLS } else { PORT_DEFAULT })
    }

    /// Where a response to a datagram from `source` goes (RFC 3261 18.2.2, RFC 3581 4).
    ///
    /// The address is always that of the source, so a forged Via makes us no reflector; `maddr` is
    /// not followed for the same reason. The port is the source's when `rport` asks for it, or when
    /// sent-by names another address than the packet (a NAT that the peer knows nothing of, whose
    /// port is not the peer's either); else it is that of sent-by.
    #[must_use]
    pub fn reply_to(self, source: SocketAddr) -> SocketAddr {
        let moved =
            self.sent_by.host.address().is_some() && !self.is_sent_from(source.ip().to_canonical());
        let port = if self.wants_rport() || moved { source.port() } else { self.port() };
        SocketAddr::new(source.ip(), port)
    }

    /// Whether sent-by is this address in numbers, so that `received` need not be added.
    #[must_use]
    pub fn is_sent_from(self, source: IpAddr) -> bool {
        match self.sent_by.host {
            Host::V4(address) => IpAddr::V4(address) == source,
            Host::V6(address) => IpAddr::V6(address) == source,
            Host::Name(_) => false,
        }
    }
}

/// What stands behind `protocol-name SLASH protocol-version SLASH`.
fn after_protocol(value: &[u8]) -> Option<Cursor<'_>> {
    if let Some(rest) = value.strip_prefix(b"SIP/2.0/") {
        let mut cursor = Cursor::new(rest);
        cursor.skip_lws();
        return Some(cursor);
    }
    let mut cursor = Cursor::new(value);
    let _protocol = cursor.skip_lws().token()?;
    cursor.eat_separator(b'/').then_some(())?;
    let _version = cursor.token()?;
    cursor.eat_separator(b'/').then_some(())?;
    Some(cursor)
}
