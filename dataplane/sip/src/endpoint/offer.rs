//! Requests in the words of `leg` and `link`: who calls whom, with which credentials.

use std::net::IpAddr;

use strowger_leg::Offer;
use strowger_link::{
    CallerIdentity, ContactAsk, Credentials, HeaderField, Octets, RegisterAsk, RequestAsk,
};

use super::body;
use super::config::Path;
use super::gate::link_algorithm;
use crate::digest;
use crate::field::{Contacts, NameAddr};
use crate::header::Header;
use crate::lex;
use crate::limits::{CONTACTS_MAX, FIELDS_UP_MAX};
use crate::message::{Message, StartLine};
use crate::method::Method;
use crate::uri::{Host, Uri};

/// Seconds that a binding lasts when a REGISTER does not say (RFC 3261 10.2).
const EXPIRES_S: u32 = 3_600;
/// Max-Forwards of a request that has none.
const HOPS: u32 = 70;
/// P-Asserted-Identity values that are read (RFC 3325 9.1: one SIP, one tel).
const ASSERTED_MAX: usize = 2;

/// An initial INVITE as a call sees it.
pub(super) fn offer(
    request: Message<'_>,
    path: &Path,
    credentials: Option<digest::Credentials<'_>>,
) -> Offer {
    let uri = request.request_uri().unwrap_or_default();
    let hops = request.number(Header::MaxForwards).ok().flatten().unwrap_or(HOPS);
    Offer {
        listener: path.listener,
        local: path.local,
        source: path.peer,
        transport: path.transport,
        request_uri: text(uri),
        called: user_of(uri),
        host: host_of(uri),
        to_user: request.to().map(|to| user_of(to.uri)).unwrap_or_default(),
        caller: caller(request),
        credentials: credentials.map(|credentials| link_credentials(credentials, request)),
        sip_call_id: text(request.value(Header::SipCallId).unwrap_or_default()),
        user_agent: text(request.value(Header::UserAgent).unwrap_or_default()),
        body: body::session(request).ok().flatten(),
        nated: is_nated(request, path.peer.ip()),
        hops_left: u8::try_from(hops).unwrap_or(u8::MAX),
    }
}

/// A REGISTER; `None` when a contact is no URI, or there are too many.
pub(super) fn register(
    request: Message<'_>,
    path: &Path,
    credentials: digest::Credentials<'_>,
) -> Option<RegisterAsk> {
    let to = request.to().ok()?.uri;
    Some(RegisterAsk {
        user: user_of(to),
        host: host_of(to),
        credentials: link_credentials(credentials, request),
        contacts: contacts(request)?,
        sip_call_id: text(request.call_id().ok()?),
        cseq: request.cseq().ok()?.number,
        user_agent: text(request.value(Header::UserAgent).unwrap_or_default()),
        path: request.elements(Header::Path).take(CONTACTS_MAX).map(text).collect(),
        flow: path.flow,
    })
}

/// Any other request outside dialogs.
pub(super) fn request(
    request: Message<'_>,
    credentials: Option<digest::Credentials<'_>>,
) -> RequestAsk {
    let told = |header: Header| {
        matches!(
            header,
            Header::Event
                | Header::Expires
                | Header::Accept
                | Header::ContentType
                | Header::ContentEncoding
                | Header::SipIfMatch
                | Header::Subject
                | Header::Other
        )
    };
    let fields = request.fields().filter(|field| told(field.header)).take(FIELDS_UP_MAX);
    RequestAsk {
        method: method_name(request),
        request_uri: text(request.request_uri().unwrap_or_default()),
        caller: caller(request),
        credentials: credentials.map(|credentials| link_credentials(credentials, request)),
        headers: fields
            .map(|field| HeaderField {
                name: text(field.name),
                value: Octets(field.value.to_vec()),
            })
            .collect(),
        body: Octets(request.body().to_vec()),
    }
}

/// The host part of the Request-URI.
pub(super) fn request_host(request: Message<'_>) -> String {
    host_of(request.request_uri().unwrap_or_default())
}

//= rfc3261#section-10.3
//# The registrar checks whether the request contains the Contact
//# header field.  If not, it skips to the last step.  If the
//# Contact header field is present, the registrar checks if there
//# is one Contact field value that contains the special value "*"
//# and an Expires field.
fn contacts(request: Message<'_>) -> Option<Vec<ContactAsk>> {
    let expires = request.number(Header::Expires).ok()?.unwrap_or(EXPIRES_S);
    let mut asks = Vec::new();
    for value in request.values(Header::Contact) {
        match Contacts::parse(value)? {
            Contacts::All => asks.push(ContactAsk {
                uri: "*".into(),
                expires_s: expires,
                q: 0,
                params: String::new(),
            }),
            some @ Contacts::Some(_) => asks.extend(some.iter().map(|c| contact(c, expires))),
        }
    }
    (asks.len() <= CONTACTS_MAX).then_some(asks)
}

fn contact(contact: NameAddr<'_>, expires: u32) -> ContactAsk {
    let own = contact.params.value(b"expires").and_then(lex::number_saturating);
    ContactAsk {
        uri: text(contact.uri),
        expires_s: own.unwrap_or(expires),
        q: contact.params.value(b"q").map_or(1_000, thousandths),
        params: text(contact.params.text()),
    }
}

/// A `qvalue` in thousandths; a malformed one counts as 1.
fn thousandths(text: &[u8]) -> u16 {
    let mut parts = text.splitn(2, |b| *b == b'.');
    let whole = parts.next().and_then(|digits| lex::number(digits, 1));
    let digits = parts.next().unwrap_or_default();
    let fraction = [b'0'; 3].iter().enumerate().try_fold(0u64, |sum, (at, zero)| {
        Some(sum * 10 + lex::number(&[*digits.get(at).unwrap_or(zero)], 9)?)
    });
    match (whole, fraction) {
        (Some(whole), Some(fraction)) if digits.len() <= 3 => {
            u16::try_from((whole * 1_000 + fraction).min(1_000)).unwrap_or(1_000)
        }
        _ => 1_000,
    }
}

fn caller(request: Message<'_>) -> CallerIdentity {
    let from = request.from().ok();
    let first = |header| request.name_addr(header).ok().map(|address| user_of(address.uri));
    let asserted = request.elements(Header::PAssertedIdentity).filter_map(NameAddr::parse);
    CallerIdentity {
        from_user: from.map(|from| user_of(from.uri)).unwrap_or_default(),
        from_host: from.map(|from| host_of(from.uri)).unwrap_or_default(),
        display: from.map(|from| text(&from.display_text())).unwrap_or_default(),
        asserted: asserted.take(ASSERTED_MAX).map(|address| user_of(address.uri)).collect(),
        preferred: first(Header::PPreferredIdentity),
        remote_party: first(Header::RemotePartyId),
        privacy: text(request.value(Header::Privacy).unwrap_or_default()),
    }
}

fn link_credentials(credentials: digest::Credentials<'_>, request: Message<'_>) -> Credentials {
    Credentials {
        algorithm: link_algorithm(&credentials),
        username: text(credentials.username),
        realm: text(credentials.realm),
        nonce: text(credentials.nonce),
        uri: text(credentials.uri),
        method: method_name(request),
        qop: credentials.nonce_count_text().map(|_| "auth".into()),
        cnonce: text(credentials.client_nonce().unwrap_or_default()),
        nonce_count: text(credentials.nonce_count_text().unwrap_or_default()),
        response: text(credentials.response()),
    }
}

fn method_name(request: Message<'_>) -> String {
    match request.start() {
        Some(StartLine::Request { name, .. }) => text(name),
        Some(StartLine::Response { .. }) | None => Method::Other.name().into(),
    }
}

/// Whether the peer is behind a NAT: Via or Contact name another address than the packet's.
fn is_nated(request: Message<'_>, source: IpAddr) -> bool {
    let differs = |host: Host<'_>| {
        host.address().is_some_and(|address| address.to_canonical() != source.to_canonical())
    };
    let via = request.elements(Header::Via).count() == 1
        && request.top_via().is_ok_and(|via| differs(via.sent_by.host));
    let contact = request.name_addr(Header::Contact).ok().and_then(NameAddr::parsed_uri);
    let routed = request.value(Header::RecordRoute).is_some();
    via || (!routed && contact.and_then(Uri::sip).is_some_and(|uri| differs(uri.host)))
}

fn user_of(uri: &[u8]) -> String {
    match Uri::parse(uri) {
        Some(Uri::Tel(tel)) => tel.digits().map(char::from).collect(),
        Some(uri @ (Uri::Sip(_) | Uri::Other { .. })) => {
            uri.user().map(|user| text(&user)).unwrap_or_default()
        }
        None => String::new(),
    }
}

fn host_of(uri: &[u8]) -> String {
    match Uri::parse(uri).and_then(Uri::sip).map(|uri| uri.host) {
        Some(Host::Name(name)) => text(name),
        Some(Host::V4(address)) => address.to_string(),
        Some(Host::V6(address)) => address.to_string(),
        None => String::new(),
    }
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(&lex::unfolded(bytes)).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn q_values() {
        for (text, expected) in [
            ("1", 1_000),
            ("0", 0),
            ("0.5", 500),
            ("0.33", 330),
            ("0.125", 125),
            ("1.0", 1_000),
            ("0.", 0),
            ("2", 1_000),
            ("0.1234", 1_000),
            ("x", 1_000),
            ("0.x", 1_000),
        ] {
            assert_eq!(thousandths(text.as_bytes()), expected, "{text}");
        }
    }
}
