//! Requests in the words of `leg` and `link`: who calls whom, with which credentials.

use std::net::IpAddr;

use strowger_leg::Offer;
use strowger_link::{
    CallerIdentity, ContactAsk, Credentials, FIELDS_UP_LEN_MAX, HeaderField, Octets, PartyRef,
    RegisterAsk, RequestAsk,
};

use super::body::{self, Contents};
use super::config::Path;
use super::diverted;
use super::gate::link_algorithm;
use super::leg;
use crate::digest;
use crate::digits;
use crate::field::{Contacts, NameAddr};
use crate::header::Header;
use crate::lex;
use crate::limits::{CONTACTS_MAX, FIELDS_UP_MAX, SHOWN_LEN_MAX, SHOWN_MAX};
use crate::message::{Message, StartLine};
use crate::method::Method;
use crate::uri::{Host, Uri};

/// Seconds that a binding lasts when a REGISTER does not say (RFC 3261 10.2).
const EXPIRES_S: u32 = 3_600;
/// Max-Forwards of a request that has none.
const HOPS: u32 = 70;
/// P-Asserted-Identity values that are read (RFC 3325 9.1: one SIP, one tel).
const ASSERTED_MAX: usize = 2;
/// Option tags of Supported that are read.
const OPTIONS_MAX: usize = 32;

/// An initial INVITE as a call sees it.
pub(super) fn offer(
    request: Message<'_>,
    path: &Path,
    credentials: Option<digest::Credentials<'_>>,
) -> Offer {
    let uri = request.request_uri().unwrap_or_default();
    let hops = request.number(Header::MaxForwards).ok().flatten().unwrap_or(HOPS);
    let Contents { session, parts } = body::contents(request).unwrap_or_default();
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
        credentials: credentials.as_ref().map(|own| link_credentials(*own, request)),
        sip_call_id: text(request.value(Header::SipCallId).unwrap_or_default()),
        user_agent: text(request.value(Header::UserAgent).unwrap_or_default()),
        body: session,
        parts,
        nated: is_nated(request, path.peer.ip()),
        hops_left: u8::try_from(hops).unwrap_or(u8::MAX),
        headers: headers_up(request),
        diverted: diverted::diverted(request),
        session_s: leg::asked_session(request),
        shown: shown(request, credentials.as_ref()),
        replaces: None,
        server_name: None,
    }
}

/// The credentials of a request that are not for us: those that answer no nonce of ours. What is
/// too long goes nowhere, and its sender is challenged again by whom it was for.
pub(super) fn shown(
    request: Message<'_>,
    own: Option<&digest::Credentials<'_>>,
) -> Vec<HeaderField> {
    let is_ours = |value: &[u8]| {
        let parsed = digest::Credentials::parse(value);
        parsed.is_some_and(|shown| own.is_some_and(|own| own.nonce == shown.nonce))
    };
    let of = |header: Header| {
        let values = request.values(header).filter(move |value| !is_ours(value));
        let short = values.filter(|value| value.len() <= SHOWN_LEN_MAX);
        short.map(move |value| HeaderField {
            name: header.name().to_string(),
            value: Octets(one_line(value)),
        })
    };
    let all = of(Header::Authorization).chain(of(Header::ProxyAuthorization));
    all.take(SHOWN_MAX).collect()
}

/// The fields of a message that may go on beyond us, or that rules look at.
pub(super) fn headers_up(request: Message<'_>) -> Vec<HeaderField> {
    let mut room = FIELDS_UP_LEN_MAX;
    let fields = request.fields().filter(|field| is_told(field.header));
    let fitting = fields.filter_map(|field| {
        let known = field.header.name().as_bytes();
        let name = if known.is_empty() { field.name } else { known };
        let value = one_line(field.value);
        room = room.checked_sub(name.len().checked_add(value.len())?)?;
        Some(HeaderField { name: text(name), value: Octets(value) })
    });
    fitting.take(strowger_link::FIELDS_UP_MAX).collect()
}

/// A value whose folds are one space each (RFC 3261 7.3.1), the bytes else as they are.
fn one_line(value: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(value.len());
    let mut rest = value;
    while let Some(at) = memchr::memchr2(b'\r', b'\n', rest) {
        let (text, tail) = rest.split_at_checked(at).unwrap_or((rest, &[]));
        out.extend_from_slice(lex::trim_end(text));
        out.push(b' ');
        rest = lex::trim_start(tail);
    }
    out.extend_from_slice(rest);
    out
}

/// Whether a field of an INVITE or its response means something beyond this hop and this dialog.
fn is_told(header: Header) -> bool {
    matches!(
        header,
        Header::From
            | Header::To
            | Header::UserAgent
            | Header::Other
            | Header::AcceptLanguage
            | Header::AcceptContact
            | Header::RejectContact
            | Header::RequestDisposition
            | Header::AlertInfo
            | Header::CallInfo
            | Header::InReplyTo
            | Header::Organization
            | Header::Priority
            | Header::ReplyTo
            | Header::Subject
            | Header::UserToUser
            | Header::SessionId
            | Header::Reason
            | Header::PAssertedIdentity
            | Header::PPreferredIdentity
            | Header::PAccessNetworkInfo
            | Header::PCalledPartyId
            | Header::PChargingVector
            | Header::PEarlyMedia
            | Header::RemotePartyId
            | Header::Privacy
            | Header::Diversion
            | Header::HistoryInfo
    )
}

/// A REGISTER; `None` when a contact is no URI, or there are too many.
pub(super) fn register(
    request: Message<'_>,
    path: &Path,
    credentials: digest::Credentials<'_>,
) -> Option<RegisterAsk> {
    let to = Uri::parse(request.to().ok()?.uri);
    let direct = request.elements(Header::Via).nth(1).is_none();
    Some(RegisterAsk {
        user: user(to),
        host: host(to),
        credentials: link_credentials(credentials, request),
        contacts: contacts(request)?,
        sip_call_id: text(request.call_id().ok()?),
        cseq: request.cseq().ok()?.number,
        user_agent: text(request.value(Header::UserAgent).unwrap_or_default()),
        path: request.elements(Header::Path).take(CONTACTS_MAX).map(text).collect(),
        flow: path.flow,
        supported: request.elements(Header::Supported).take(OPTIONS_MAX).map(text).collect(),
        direct,
        nated: direct && is_via_nated(request, path.peer.ip()),
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
        party: PartyRef::Unknown,
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

//= rfc3261#section-10.2
//# Malformed values SHOULD be treated as equivalent to 3600.
fn contact(contact: NameAddr<'_>, expires: u32) -> ContactAsk {
    let own = contact.params.value(b"expires");
    ContactAsk {
        uri: text(contact.uri),
        expires_s: own.map_or(expires, |own| lex::number_saturating(own).unwrap_or(EXPIRES_S)),
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
pub(super) fn is_nated(request: Message<'_>, source: IpAddr) -> bool {
    let via = request.elements(Header::Via).count() == 1 && is_via_nated(request, source);
    let contact = request.name_addr(Header::Contact).ok().and_then(NameAddr::parsed_uri);
    let routed = request.value(Header::RecordRoute).is_some();
    let contact = contact.and_then(Uri::sip);
    via || (!routed && contact.is_some_and(|uri| is_elsewhere(uri.host, source)))
}

/// Whether the topmost Via names another address than the packet's.
fn is_via_nated(request: Message<'_>, source: IpAddr) -> bool {
    request.top_via().is_ok_and(|via| is_elsewhere(via.sent_by.host, source))
}

fn is_elsewhere(host: Host<'_>, source: IpAddr) -> bool {
    host.address().is_some_and(|address| address.to_canonical() != source.to_canonical())
}

pub(super) fn user_of(uri: &[u8]) -> String {
    user(Uri::parse(uri))
}

fn user(uri: Option<Uri<'_>>) -> String {
    match uri {
        Some(Uri::Tel(tel)) => tel.digits().map(char::from).collect(),
        Some(uri @ (Uri::Sip(_) | Uri::Other { .. })) => {
            uri.user().map(|user| text(&user)).unwrap_or_default()
        }
        None => String::new(),
    }
}

fn host_of(uri: &[u8]) -> String {
    host(Uri::parse(uri))
}

fn host(uri: Option<Uri<'_>>) -> String {
    match uri.and_then(Uri::sip).map(|uri| uri.host) {
        Some(Host::Name(name)) => text(name),
        Some(Host::V4(address)) => digits::text_of(IpAddr::V4(address)),
        Some(Host::V6(address)) => digits::text_of(IpAddr::V6(address)),
        None => String::new(),
    }
}

fn text(bytes: &[u8]) -> String {
    let bytes = lex::unfolded(bytes);
    // Looked at by words; the other way goes byte by byte, and nearly all is right.
    match str::from_utf8(&bytes) {
        Ok(text) => text.to_owned(),
        Err(_) => String::from_utf8_lossy(&bytes).into_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::message::Index;

    /// What of these fields is handed up, the fields of every request apart.
    fn up(fields: &[u8]) -> Vec<(String, Vec<u8>)> {
        let head = "INVITE sip:b@h SIP/2.0\r\nVia: SIP/2.0/UDP h;branch=z9hG4bK1\r\nf: <sip:a@h>;\
                    tag=1\r\nTo: <sip:b@h>\r\nCall-ID: c\r\nCSeq: 1 INVITE\r\n";
        let bytes = [head.as_bytes(), fields, b"\r\n"].concat();
        let mut index = Index::new();
        let all = headers_up(Message::parse(&bytes, &mut index).unwrap());
        assert_eq!(all.iter().map(|f| f.name.as_str()).take(2).collect::<Vec<_>>(), ["From", "To"]);
        all.into_iter().skip(2).map(|field| (field.name, field.value.0)).collect()
    }

    #[test]
    fn fields_are_handed_up_whole_or_not_at_all() {
        let pair = |name: &str, value: &[u8]| (name.to_string(), value.to_vec());
        let came =
            b"X-Own: \xff\xc3\x28\r\ns: in short\r\nX-Fold: a\r\n\t b\r\nContact: <sip:a@h>\r\n\
                     Authorization: Digest x\r\nSupported: 100rel\r\n";
        let wanted =
            [pair("X-Own", b"\xff\xc3\x28"), pair("Subject", b"in short"), pair("X-Fold", b"a b")];
        assert_eq!(up(came), wanted);
        // The long one does not fit, those behind it do.
        let long = [b"X-A: ", vec![b'a'; 5_000].as_slice(), b"\r\nX-B: b\r\n"].concat();
        assert_eq!(up(&long), [pair("X-B", b"b")]);
        assert_eq!(up(&b"X-C: c\r\n".repeat(60)).len(), strowger_link::FIELDS_UP_MAX - 2);
    }

    #[test]
    fn credentials_for_others_are_told_as_they_came() {
        let head = "INVITE sip:b@h SIP/2.0\r\nVia: SIP/2.0/UDP h;branch=z9hG4bK1\r\nf: <sip:a@h>;\
                    tag=1\r\nTo: <sip:b@h>\r\nCall-ID: c\r\nCSeq: 1 INVITE\r\n";
        let ours = "Digest username=\"a\", realm=\"us\", nonce=\"mine\", uri=\"sip:b@h\", \
                    response=\"00000000000000000000000000000000\"";
        let theirs = ours.replace("us", "far").replace("mine", "n");
        let long = format!("Digest realm=\"{}\"", "x".repeat(SHOWN_LEN_MAX));
        let text = format!(
            "{head}Authorization: {ours}\r\nAuthorization: {theirs}\r\n\
             Proxy-Authorization: Basic\r\n x\r\nAuthorization: {long}\r\n\r\n"
        );
        let mut index = Index::new();
        let request = Message::parse(text.as_bytes(), &mut index).unwrap();
        let own = digest::Credentials::parse(ours.as_bytes()).unwrap();
        let told: Vec<(String, Vec<u8>)> =
            shown(request, Some(&own)).into_iter().map(|f| (f.name, f.value.0)).collect();
        assert_eq!(
            told,
            [
                ("Authorization".to_string(), theirs.into_bytes()),
                ("Proxy-Authorization".to_string(), b"Basic x".to_vec()),
            ]
        );
    }

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
