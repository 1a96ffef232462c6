//! Via (RFC 3261 20.42, RFC 3581).

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use super::Params;
use crate::lex::{self, Class, Cursor};
use crate::message::Span;
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
    branch: Option<&'a [u8]>,
    /// RFC 3581: the source port is asked for.
    wants_rport: bool,
}

/// Where a Via stands in its message, so that it is read once.
#[derive(Clone, Copy, Debug)]
pub(crate) struct ViaPlace {
    transport: Span,
    host: HostPlace,
    port: Option<u16>,
    sent_by_text: Span,
    params: Span,
    branch: Option<Span>,
    wants_rport: bool,
}

#[derive(Clone, Copy, Debug)]
enum HostPlace {
    Name(Span),
    V4(Ipv4Addr),
    V6(Ipv6Addr),
}

impl ViaPlace {
    /// Where `via` stands, which was read from `bytes`.
    pub(crate) fn of(via: Via<'_>, bytes: &[u8]) -> ViaPlace {
        let place = |part| Span::within(bytes, part);
        ViaPlace {
            transport: place(via.transport),
            host: match via.sent_by.host {
                Host::Name(name) => HostPlace::Name(place(name)),
                Host::V4(address) => HostPlace::V4(address),
                Host::V6(address) => HostPlace::V6(address),
            },
            port: via.sent_by.port,
            sent_by_text: place(via.sent_by_text),
            params: place(via.params.text()),
            branch: via.branch.map(place),
            wants_rport: via.wants_rport,
        }
    }

    /// The Via that stands there.
    pub(crate) fn via(self, bytes: &[u8]) -> Via<'_> {
        let host = match self.host {
            HostPlace::Name(name) => Host::Name(name.of(bytes)),
            HostPlace::V4(address) => Host::V4(address),
            HostPlace::V6(address) => Host::V6(address),
        };
        Via {
            transport: self.transport.of(bytes),
            sent_by: ViaHost { host, port: self.port },
            sent_by_text: self.sent_by_text.of(bytes),
            params: Params::loose(self.params.of(bytes)),
            branch: self.branch.map(|branch| branch.of(bytes)),
            wants_rport: self.wants_rport,
        }
    }
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
        let (mut branch, mut rport) = (None, None);
        let params = Params::parse_each(cursor.rest(), |param| {
            // The first of a name counts.
            if param.name.eq_ignore_ascii_case(b"branch") {
                branch = branch.or(Some(param.value));
            } else if param.name.eq_ignore_ascii_case(b"rport") {
                rport = rport.or(Some(param.value));
            }
        })?;
        Some(Via {
            transport,
            sent_by: ViaHost { host, port },
            sent_by_text,
            params,
            branch: branch.flatten(),
            wants_rport: rport == Some(None),
        })
    }

    /// The branch parameter.
    #[must_use]
    pub const fn branch(self) -> Option<&'a [u8]> {
        self.branch
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
    pub const fn wants_rport(self) -> bool {
        self.wants_rport
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
