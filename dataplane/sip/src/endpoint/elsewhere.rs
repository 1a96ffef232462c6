//! Where a message goes whose connection is not open any more.
//!
//! A connection ends with its process, ours or the peer's, and calls outlive both. What the message
//! itself says is enough to open another one, so no leg and no transaction keeps anything for it.

use std::net::{IpAddr, SocketAddr};

use strowger_link::Transport;

use super::config::Path;
use super::is_private;
use crate::dialog::{is_gruu, next_hop};
use crate::field::NameAddr;
use crate::header::Header;
use crate::message::{Index, Message};
use crate::uri::{Host, Uri};

/// The way for a message that was to go by `path`, whose connection is gone; `None` when only that
/// connection led to the peer: it is behind a NAT, a browser, or registered to be reached by its
/// flow (RFC 5626 5.3.1: a request for a flow that has failed goes nowhere else).
#[must_use]
pub fn elsewhere(bytes: &[u8], path: &Path) -> Option<Path> {
    match path.transport {
        Transport::Tcp | Transport::Tls => {}
        // Datagrams need no connection, and nobody can connect to a browser.
        Transport::Udp | Transport::Ws | Transport::Wss => return None,
    }
    let mut index = Index::new();
    let message = Message::parse(bytes, &mut index).ok()?;
    let peer = if message.status().is_some() {
        of_response(message, path.peer.ip())
    } else {
        of_request(message, path)
    }?;
    (peer.is_ipv4() == path.peer.is_ipv4()).then_some(Path { peer, flow: 0, ..*path })
}

//= rfc3261#section-18.2.2
//# If that connection is no
//# longer open, the server SHOULD open a connection to the IP address
//# in the "received" parameter, if present, using the port in the
//# "sent-by" value, or the default port for that transport, if no
//# port is specified.
fn of_response(response: Message<'_>, source: IpAddr) -> Option<SocketAddr> {
    let via = response.top_via().ok()?;
    let is_name = match via.sent_by.host {
        Host::Name(_) => true,
        Host::V4(_) | Host::V6(_) => false,
    };
    // An address in numbers that is not the source's is that of a host behind a NAT.
    (is_name || via.is_sent_from(source)).then(|| SocketAddr::new(source, via.port()))
}

/// A request inside a dialog goes to the first route, or to the target (RFC 3261 12.2.1.1). One
/// that begins something may follow its target too, if that is the host at the other end itself and
/// did not ask to be reached by its flow alone (`ob`, RFC 5626 5.4). A GRUU leads to its registrar,
/// which may be us, and not to its device.
fn of_request(request: Message<'_>, path: &Path) -> Option<SocketAddr> {
    let target = request.request_uri()?;
    let begins = request.to().ok()?.tag().is_none();
    let route = request.elements(Header::Route).next();
    if route.is_none() && is_gruu(target) {
        return None;
    }
    let hop = next_hop(route, target)?;
    if begins && (hop.ip() != path.peer.ip() || by_flow_alone(target)) {
        return None;
    }
    (is_private(hop.ip()) <= is_private(path.peer.ip())).then_some(hop)
}

fn by_flow_alone(target: &[u8]) -> bool {
    let uri = Uri::parse(target).and_then(Uri::sip);
    uri.is_none_or(|uri| uri.param(b"ob").is_some())
}

/// The host that a request is sent to next, as its first route or its Request-URI names it, or the
/// source of the request that a response answers: whom a certificate must be for (RFC 5922 4).
#[must_use]
pub fn next_host(bytes: &[u8]) -> Option<String> {
    let mut index = Index::new();
    let message = Message::parse(bytes, &mut index).ok()?;
    let host = if message.status().is_some() {
        message.top_via().ok()?.sent_by.host
    } else {
        let route = message.elements(Header::Route).next();
        let uri =
            route.map_or(message.request_uri(), |route| NameAddr::parse(route).map(|r| r.uri));
        Uri::parse(uri?)?.sip()?.host
    };
    Some(match host {
        Host::V4(address) => address.to_string(),
        Host::V6(address) => address.to_string(),
        Host::Name(name) => String::from_utf8_lossy(name).into_owned(),
    })
}

/// The port at which the sender of a request offers its connection for requests to it (RFC 5923
/// section 6); `None` when it does not.
#[must_use]
pub fn alias(bytes: &[u8]) -> Option<u16> {
    let mut index = Index::new();
    let message = Message::parse(bytes, &mut index).ok()?;
    message.method()?;
    let via = message.top_via().ok()?;
    via.params.find(b"alias").map(|_| via.port())
}

#[cfg(test)]
mod tests {
    use super::*;

    const HEAD: &str = "From: <sip:a@example.com>;tag=1\r\nCall-ID: c\r\nCSeq: 1 BYE\r\n";

    /// `head` is the start line, then fields; the way is one from `peer`.
    fn goes(transport: Transport, peer: &str, head: &str) -> Option<String> {
        let path = Path {
            listener: 1,
            transport,
            local: "192.0.2.1:5060".parse().unwrap(),
            peer: peer.parse().unwrap(),
            flow: 7,
        };
        let head = head.replace('\n', "\r\n");
        let bytes = format!("{head}\r\n{HEAD}Content-Length: 0\r\n\r\n");
        let path = elsewhere(bytes.as_bytes(), &path)?;
        assert_eq!((path.flow, path.listener, path.transport), (0, 1, transport));
        Some(path.peer.to_string())
    }

    #[test]
    fn responses_go_to_the_source_by_the_port_of_sent_by() {
        let ok = |via: &str| {
            format!("SIP/2.0 200 OK\nVia: SIP/2.0/{via};branch=z9hG4bK1\nTo: <sip:b@b>")
        };
        for (via, to) in [
            ("TCP 192.0.2.9:5070", Some("192.0.2.9:5070")),
            ("TCP 192.0.2.9", Some("192.0.2.9:5060")),
            ("TCP phone.example.com:5072;received=192.0.2.9", Some("192.0.2.9:5072")),
            ("TCP 10.0.0.5:5060;received=192.0.2.9", None),
        ] {
            let found = goes(Transport::Tcp, "192.0.2.9:40000", &ok(via));
            assert_eq!(found.as_deref(), to, "{via}");
        }
        let tls = goes(Transport::Tls, "192.0.2.9:40000", &ok("TLS 192.0.2.9"));
        assert_eq!(tls.as_deref(), Some("192.0.2.9:5061"));
        assert_eq!(goes(Transport::Ws, "192.0.2.9:40000", &ok("WS 192.0.2.9:5070")), None);
    }

    #[test]
    fn a_certificate_is_for_the_next_host() {
        let of = |head: &str, more: &str| {
            next_host(format!("{head}\r\n{more}To: <sip:b@b>\r\n{HEAD}\r\n").as_bytes())
        };
        let bye = "BYE sip:a@pbx.example.com:5061 SIP/2.0";
        assert_eq!(of(bye, "").as_deref(), Some("pbx.example.com"));
        let route = "Route: <sip:[2001:db8::1]:5061;lr>, <sip:x.example.com>\r\n";
        assert_eq!(of(bye, route).as_deref(), Some("2001:db8::1"));
        let via = "Via: SIP/2.0/TLS 192.0.2.9:5061;branch=z9hG4bK1\r\n";
        assert_eq!(of("SIP/2.0 200 OK", via).as_deref(), Some("192.0.2.9"));
    }

    #[test]
    fn an_alias_is_offered_by_a_request() {
        let request = |via: &str| {
            let head = format!("BYE sip:a@b SIP/2.0\r\nVia: SIP/2.0/TCP {via};branch=z9hG4bK1");
            alias(format!("{head}\r\nTo: <sip:b@b>\r\n{HEAD}\r\n").as_bytes())
        };
        assert_eq!(request("192.0.2.9:5070;alias"), Some(5070));
        assert_eq!(request("192.0.2.9;ALIAS"), Some(5060));
        assert_eq!(request("192.0.2.9:5070"), None);
        assert_eq!(alias(b"SIP/2.0 200 OK\r\nVia: SIP/2.0/TCP a;alias\r\n\r\n"), None);
    }

    #[test]
    fn requests_in_a_dialog_go_to_route_or_target() {
        let bye = |uri: &str, more: &str| {
            format!("BYE {uri} SIP/2.0\nVia: SIP/2.0/TCP 192.0.2.1;branch=z9hG4bK1{more}")
        };
        let to = "\nTo: <sip:b@b>;tag=2";
        for (message, goes_to) in [
            (bye("sip:b@192.0.2.9:5080;transport=tcp", to), Some("192.0.2.9:5080")),
            (bye("sip:b@192.0.2.9", to), Some("192.0.2.9:5060")),
            (
                bye("sip:b@10.1.1.1", &format!("{to}\nRoute: <sip:192.0.2.44:5090;lr>")),
                Some("192.0.2.44:5090"),
            ),
            // Behind a NAT, by name, of the other family: only the connection led there.
            (bye("sip:b@10.0.0.5:5060", to), None),
            (bye("sip:b@df7jal23ls0d.invalid;transport=tcp", to), None),
            (bye("sip:b@[2001:db8::1]", to), None),
            (bye("sip:b@192.0.2.1;gr=urn:uuid:7", to), None),
            // The first request for a registered contact: to itself, unless only its flow leads
            // there.
            (bye("sip:b@192.0.2.9:5080", "\nTo: <sip:b@b>"), Some("192.0.2.9:5080")),
            (bye("sip:b@192.0.2.9:5080;ob", "\nTo: <sip:b@b>"), None),
            (bye("sip:b@192.0.2.44:5080", "\nTo: <sip:b@b>"), None),
        ] {
            assert_eq!(goes(Transport::Tcp, "192.0.2.9:40000", &message).as_deref(), goes_to);
        }
    }
}
