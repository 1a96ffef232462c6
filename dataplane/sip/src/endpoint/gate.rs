//! What a request must be and bring before anybody is bothered with it (RFC 3261 8.2).

use strowger_link::{Algorithm, Challenge, Tick};

use super::body;
use super::config::{Config, Path};
use super::layer::Response;
use crate::digest::{self, Credentials, Verdict};
use crate::header::Header;
use crate::lex;
use crate::message::Message;
use crate::method::Method;

/// The methods that dialogs take, for Allow.
pub(super) const ALLOW_IN_DIALOG: &str =
    "INVITE, ACK, CANCEL, BYE, OPTIONS, INFO, PRACK, UPDATE, REFER, SUBSCRIBE, MESSAGE";
/// The extensions that INVITEs and their answers tell of (RFC 3262, RFC 4028).
pub(super) const SUPPORTED: &str = "100rel, timer";
/// Extensions that we speak, by their option tags.
const KNOWN: [&[u8]; 4] = [b"100rel", b"timer", b"norefersub", b"replaces"];
/// The same, for Supported.
pub(super) const SUPPORTED_FIELD: &[u8] = b"100rel, timer, norefersub, replaces";
/// Subscriptions that we take, for Allow-Events: those that REFER makes.
pub(super) const EVENTS: &[u8] = b"refer";
/// What INVITE may bring, for Accept.
pub(super) const ACCEPT: &[u8] = b"application/sdp";

/// Bytes of a challenge without its realm.
const CHALLENGE_LEN: usize = 112;
/// Longest MESSAGE outside a dialog that comes as a datagram, bytes (RFC 3428 8).
const MESSAGE_LEN_MAX: usize = 1_300;

/// A request that is refused for what it is or brings: a status, and the field that explains it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) struct Bar {
    pub(super) status: u16,
    field: Option<(&'static str, Vec<u8>)>,
}

impl Bar {
    pub(super) const fn new(status: u16) -> Bar {
        Bar { status, field: None }
    }

    pub(super) fn with(status: u16, header: Header, value: &[u8]) -> Bar {
        Bar { status, field: Some((header.name(), value.to_vec())) }
    }

    /// Gives the response to `answer`; the tag is left to that.
    pub(super) fn answer<T>(&self, answer: impl FnOnce(Response<'_>) -> T) -> T {
        let fields: Vec<(&str, &[u8])> =
            self.field.iter().map(|(name, value)| (*name, value.as_slice())).collect();
        answer(Response { fields: &fields, ..Response::new(self.status) })
    }
}

/// The value of Allow outside dialogs.
pub(super) fn allow(config: &Config) -> String {
    let mut allow = ALLOW_IN_DIALOG.to_string();
    let inside = |name: &str| ALLOW_IN_DIALOG.split(", ").any(|known| known == name);
    for method in config.outside.iter().filter(|method| !inside(method.name())) {
        allow.push_str(", ");
        allow.push_str(method.name());
    }
    allow
}

/// A method that nobody here takes: 405 when we know it, 501 when we do not.
pub(super) fn method_not_taken(method: Method, allow: &str) -> Bar {
    let status = if method == Method::Other { 501 } else { 405 };
    Bar::with(status, Header::Allow, allow.as_bytes())
}

//= rfc3261#section-8.2.2.3
//# If a UAS does not understand an option-tag listed in a
//# Require header field, it MUST respond by generating a response with
//# status code 420 (Bad Extension).  The UAS MUST add an Unsupported
//# header field, and list in it those options it does not understand
//# amongst those in the Require header field of the request.
/// Refuses what we do not speak.
pub(super) fn check_require(request: Message<'_>) -> Result<(), Bar> {
    check_require_but(request, &[])
}

/// The same for a request with which these extensions are spoken.
pub(super) fn check_require_but(request: Message<'_>, known: &[&str]) -> Result<(), Bar> {
    let mut unsupported = Vec::new();
    let is_known = |option: &&[u8]| {
        let more = known.iter().any(|known| option.eq_ignore_ascii_case(known.as_bytes()));
        more || KNOWN.iter().any(|own| own.eq_ignore_ascii_case(option))
    };
    for option in request.elements(Header::Require).filter(|option| !is_known(option)) {
        if !unsupported.is_empty() {
            unsupported.extend_from_slice(b", ");
        }
        unsupported.extend_from_slice(option);
    }
    if unsupported.is_empty() {
        return Ok(());
    }
    Err(Bar::with(420, Header::Unsupported, &unsupported))
}

/// An INVITE outside a dialog: it may go no further, it wants what we cannot give, or it brings
/// what we cannot take.
pub(super) fn check_invite(request: Message<'_>) -> Result<(), Bar> {
    if request.number(Header::MaxForwards) == Ok(Some(0)) {
        return Err(Bar::new(483));
    }
    check_require(request)?;
    check_accept(request)?;
    body::contents(request).map(|_| ())
}

/// 406 when the answer would be of a type that the peer does not accept (RFC 3261 21.4.7).
pub(super) fn check_accept(request: Message<'_>) -> Result<(), Bar> {
    let mut ranges = request.elements(Header::Accept).peekable();
    let accepted = |range: &[u8]| {
        let end = memchr::memchr(b';', range).unwrap_or(range.len());
        let range = lex::trim(range.get(..end).unwrap_or_default());
        ["application/sdp", "application/*", "*/*"]
            .iter()
            .any(|known| range.eq_ignore_ascii_case(known.as_bytes()))
    };
    if ranges.peek().is_none() || ranges.any(accepted) {
        return Ok(());
    }
    Err(Bar::new(406))
}

/// What credentials of a request are worth.
pub(super) enum Shown<'a> {
    /// Ours to judge further: nonce of ours, for this source, young enough.
    Fresh(Credentials<'a>),
    /// The nonce is too old.
    Stale,
    /// None for this realm, or with a nonce that is not ours.
    Nothing,
}

/// A MESSAGE outside a dialog may go no further, or is too long for its way.
///
/// RFC 3428 8: without a transport that heeds congestion a MESSAGE is at most 1,300 bytes.
pub(super) fn check_message(request: Message<'_>, path: &Path) -> Result<(), Bar> {
    if request.number(Header::MaxForwards) == Ok(Some(0)) {
        return Err(Bar::new(483));
    }
    let is_datagram = path.transport == strowger_link::Transport::Udp;
    if is_datagram && request.bytes().len() > MESSAGE_LEN_MAX {
        return Err(Bar::new(413));
    }
    Ok(())
}

/// The credentials for `realm`, or for any, by any algorithm that we speak: which of them an
/// account may use is the control plane's to know, a challenge's list is where strangers begin.
pub(super) fn credentials<'a>(
    request: Message<'a>,
    realm: Option<&[u8]>,
    path: &Path,
    config: &Config,
    now: Tick,
) -> Shown<'a> {
    let wanted = |credentials: &Credentials<'_>| realm.is_none_or(|r| credentials.realm == r);
    let mut all = request.values(Header::Authorization).filter_map(Credentials::parse);
    let Some(credentials) = all.find(wanted) else { return Shown::Nothing };
    match config.nonces.judge(credentials.nonce, path.peer.ip(), now) {
        Verdict::Fresh => Shown::Fresh(credentials),
        Verdict::Stale => Shown::Stale,
        Verdict::Forged => Shown::Nothing,
    }
}

/// The values of WWW-Authenticate for `challenge`, one an algorithm, its favourite first.
pub(super) fn challenges(
    challenge: &Challenge,
    stale: bool,
    path: &Path,
    config: &Config,
    now: Tick,
) -> Vec<Vec<u8>> {
    let nonce = config.nonces.issue(path.peer.ip(), now);
    let each = |algorithm: &Algorithm| {
        let algorithm = match algorithm {
            Algorithm::Md5 | Algorithm::Md5Session => digest::Algorithm::Md5,
            Algorithm::Sha256 | Algorithm::Sha256Session => digest::Algorithm::Sha256,
        };
        let mut value = Vec::with_capacity(CHALLENGE_LEN + challenge.realm.len());
        digest::write_challenge(&mut value, challenge.realm.as_bytes(), &nonce, algorithm, stale);
        value
    };
    challenge.algorithms.iter().map(each).collect()
}

pub(super) const fn link_algorithm(credentials: &Credentials<'_>) -> Algorithm {
    match (credentials.algorithm, credentials.session) {
        (digest::Algorithm::Md5, false) => Algorithm::Md5,
        (digest::Algorithm::Md5, true) => Algorithm::Md5Session,
        (digest::Algorithm::Sha256, false) => Algorithm::Sha256,
        (digest::Algorithm::Sha256, true) => Algorithm::Sha256Session,
    }
}
