//! Bodies: which ones a session takes, and digits in INFO.

use strowger_leg::{BODY_MAX, Body, Part};

use super::gate::Bar;
use crate::field::MediaType;
use crate::header::Header;
use crate::lex;
use crate::limits::{DIGITS_MAX, PARTS_MAX};
use crate::message::Message;

/// What a message brings.
#[derive(Default)]
pub(super) struct Contents {
    /// The session description.
    pub(super) session: Option<Body>,
    /// What stands beside it in a multipart body.
    pub(super) parts: Vec<Part>,
}

/// The session description of a response or an ACK. Nobody can refuse these, so whatever else they
/// bring is passed over.
pub(super) fn session(message: Message<'_>) -> Option<Body> {
    contents(message).ok()?.session
}

/// What a message that nobody can refuse (a response, a BYE) brings beside a description, or in
/// place of one.
pub(super) fn beside(message: Message<'_>) -> Vec<Part> {
    let bytes = message.body();
    if bytes.is_empty() {
        return Vec::new();
    }
    if let Ok(Contents { session: Some(_), parts }) = contents(message) {
        return parts;
    }
    let Some(kind) = message.content_type() else { return Vec::new() };
    if let (true, Some(boundary)) =
        (kind.kind.eq_ignore_ascii_case(b"multipart"), kind.params.value(b"boundary"))
    {
        let mut parts = Vec::new();
        // One that must be understood and is too long leaves the rest.
        let _session = sdp_part(bytes, boundary, &mut parts);
        return parts;
    }
    if bytes.len() > BODY_MAX {
        return Vec::new();
    }
    vec![whole_part(message, false)]
}

/// What an INVITE or UPDATE brings: the session description and what stands beside it. Whether
/// that passes, the plan of the call says, or what the leg takes.
///
/// Signalling of the telephone network alone (RFC 3204) is a late offer of whoever speaks it: it
/// must be understood, so the plan says whether it is.
///
/// # Errors
/// A body that is no session description and has none among its parts: 415 (or 413, 400).
pub(super) fn contents(message: Message<'_>) -> Result<Contents, Bar> {
    let bytes = message.body();
    if bytes.is_empty() {
        return Ok(Contents::default());
    }
    let encoding = message.value(Header::ContentEncoding);
    if encoding.is_some_and(|encoding| !encoding.eq_ignore_ascii_case(b"identity")) {
        return Err(Bar::with(415, Header::AcceptEncoding, b"identity"));
    }
    // RFC 3261 7.4.1: the header field must be there when a body is.
    let Some(kind) = message.content_type() else { return Err(Bar::new(400)) };
    let mut parts = Vec::new();
    let found = if kind.is("application", "sdp") {
        Some(bytes)
    } else if kind.kind.eq_ignore_ascii_case(b"multipart") {
        match kind.params.value(b"boundary") {
            Some(boundary) => sdp_part(bytes, boundary, &mut parts)?,
            None => None,
        }
    } else {
        None
    };
    match found {
        Some(bytes) if bytes.len() > BODY_MAX => Err(Bar::new(413)),
        Some(bytes) => Ok(Contents { session: Some(Body::sdp(bytes)), parts }),
        None if is_optional(message) => Ok(Contents::default()),
        None if is_signalling(kind) && bytes.len() > BODY_MAX => Err(Bar::new(413)),
        None if is_signalling(kind) => {
            Ok(Contents { session: None, parts: vec![whole_part(message, true)] })
        }
        None if parts.iter().any(is_signalling_part) => {
            for part in parts.iter_mut().filter(|part| is_signalling_part(part)) {
                part.required = true;
            }
            Ok(Contents { session: None, parts })
        }
        None => Err(Bar::with(415, Header::Accept, super::gate::ACCEPT)),
    }
}

/// ISUP and QSIG (RFC 3204).
fn is_signalling(kind: MediaType<'_>) -> bool {
    kind.is("application", "isup") || kind.is("application", "qsig")
}

fn is_signalling_part(part: &Part) -> bool {
    MediaType::parse(part.body.content_type.as_bytes()).is_some_and(is_signalling)
}

/// A whole body as the one part that it is.
fn whole_part(message: Message<'_>, required: bool) -> Part {
    let text = |header: Header| {
        let value = lex::unfolded(message.value(header).unwrap_or_default());
        String::from_utf8_lossy(&value).into()
    };
    let body = Body { content_type: text(Header::ContentType), data: message.body().into() };
    Part { body, disposition: text(Header::ContentDisposition), required }
}

/// Whether Content-Disposition lets us pass over the body (RFC 3261 20.11).
fn is_optional(message: Message<'_>) -> bool {
    handling_is(message.value(Header::ContentDisposition).unwrap_or_default(), b"optional")
}

/// Whether a Content-Disposition says this of a body that is not understood.
fn handling_is(value: &[u8], wanted: &[u8]) -> bool {
    let at = memchr::memchr(b';', value).unwrap_or(value.len());
    let params = crate::field::Params::parse(value.get(at..).unwrap_or_default());
    let handling = params.and_then(|params| params.value(b"handling"));
    handling.is_some_and(|handling| handling.eq_ignore_ascii_case(wanted))
}

/// The first `application/sdp` part of a multipart body (RFC 2046 5.1), and the others.
///
/// A part that says nothing of its handling is one that may be passed over, whatever RFC 5621
/// section 9.1 has it mean: carriers send ISUP beside the description for whoever reads it.
///
/// # Errors
/// One that must be understood is longer than what is carried: 413.
fn sdp_part<'a>(
    body: &'a [u8],
    boundary: &[u8],
    parts: &mut Vec<Part>,
) -> Result<Option<&'a [u8]>, Bar> {
    let delimiter = [b"--", boundary].concat();
    let finder = memchr::memmem::Finder::new(&delimiter);
    let mut rest = finder.find(body).and_then(|at| body.get(at + delimiter.len()..));
    let (mut found, mut left) = (None, BODY_MAX);
    for _ in 0..PARTS_MAX {
        let Some((whole, behind)) = rest.and_then(|rest| next_part(rest, &finder)) else { break };
        match content_of(whole) {
            Some(Content::Session(content)) => found = found.or(Some(content)),
            Some(Content::Other(part)) => match left.checked_sub(part.body.data.len()) {
                Some(less) => {
                    left = less;
                    parts.push(part);
                }
                None if part.required => return Err(Bar::new(413)),
                None => {}
            },
            None => {}
        }
        rest = behind.get(delimiter.len()..);
    }
    Ok(found)
}

/// The part behind a delimiter, and what begins with the next one; `None` behind the last.
fn next_part<'a>(
    rest: &'a [u8],
    finder: &memchr::memmem::Finder<'_>,
) -> Option<(&'a [u8], &'a [u8])> {
    if rest.starts_with(b"--") {
        return None;
    }
    let part = rest.get(memchr::memchr(b'\n', rest)? + 1..)?;
    part.split_at_checked(finder.find(part)?)
}

/// What a body part is to us.
enum Content<'a> {
    /// A session description.
    Session(&'a [u8]),
    /// Nothing that we know.
    Other(Part),
}

/// What a body part says of itself.
fn content_of(part: &[u8]) -> Option<Content<'_>> {
    let (head, content) = match part.strip_prefix(b"\r\n") {
        // It says nothing of itself.
        Some(content) => (part.get(..0)?, content),
        None => {
            let at = memchr::memmem::find(part, b"\r\n\r\n")?;
            (part.get(..at)?, part.get(at + 4..)?)
        }
    };
    let value_of = |header: Header| {
        head.split(|b| *b == b'\n').map(lex::trim).find_map(|line| {
            let (name, value) = line.split_at_checked(memchr::memchr(b':', line)?)?;
            let named = Header::parse(lex::trim(name)) == header;
            named.then(|| lex::trim(value.get(1..).unwrap_or_default()))
        })
    };
    let kind = value_of(Header::ContentType);
    // The line end in front of the delimiter belongs to the delimiter.
    let content = content.strip_suffix(b"\r\n").unwrap_or(content);
    if kind.and_then(MediaType::parse).is_some_and(|kind| kind.is("application", "sdp")) {
        return Some(Content::Session(content));
    }
    let text = |value: Option<&[u8]>| String::from_utf8_lossy(value.unwrap_or_default()).into();
    let disposition = value_of(Header::ContentDisposition);
    Some(Content::Other(Part {
        // RFC 2046 5.1: what says nothing is plain text.
        body: Body { content_type: text(kind.or(Some(b"text/plain"))), data: content.into() },
        required: handling_is(disposition.unwrap_or_default(), b"required"),
        disposition: text(disposition),
    }))
}

/// A body that is more than a session description, with the field that it wants beside it.
pub(super) struct Whole {
    pub(super) body: Body,
    /// Content-Disposition of a part that stands alone, if it has one; `None` of a multipart body.
    disposition: Option<Box<str>>,
}

impl Whole {
    /// `None` when nothing stands beside the description. `boundary` is a number that nobody who
    /// wrote a part can know.
    pub(super) fn of(
        session: Option<&Body>,
        parts: &[Part],
        boundary: impl FnOnce() -> u64,
    ) -> Option<Whole> {
        match (session, parts) {
            (_, []) => None,
            (None, [part]) => {
                Some(Whole { body: part.body.clone(), disposition: Some(part.disposition.clone()) })
            }
            (session, parts) => {
                let boundary = format!("{:016x}", boundary());
                Some(Whole { body: multipart(session, parts, &boundary), disposition: None })
            }
        }
    }

    /// The field that the body wants.
    pub(super) fn field(&self) -> Option<(&str, &[u8])> {
        match &self.disposition {
            None => Some(("MIME-Version", b"1.0")),
            Some(alone) if alone.is_empty() => None,
            Some(alone) => Some((Header::ContentDisposition.name(), alone.as_bytes())),
        }
    }
}

/// A session description and what stands beside it in one body, parted by a boundary that stands in
/// none of them.
fn multipart(session: Option<&Body>, parts: &[Part], boundary: &str) -> Body {
    let mut data = Vec::with_capacity(2_048);
    let mut put = |kind: &str, disposition: &str, content: &[u8]| {
        for piece in ["--", boundary, "\r\nContent-Type: ", kind, "\r\n"] {
            data.extend_from_slice(piece.as_bytes());
        }
        if !disposition.is_empty() {
            for piece in ["Content-Disposition: ", disposition, "\r\n"] {
                data.extend_from_slice(piece.as_bytes());
            }
        }
        data.extend_from_slice(b"\r\n");
        data.extend_from_slice(content);
        data.extend_from_slice(b"\r\n");
    };
    if let Some(session) = session {
        put(&session.content_type, "", &session.data);
    }
    for part in parts {
        put(&part.body.content_type, &part.disposition, &part.body.data);
    }
    for piece in ["--", boundary, "--\r\n"] {
        data.extend_from_slice(piece.as_bytes());
    }
    let content_type = format!("multipart/mixed;boundary={boundary}").into();
    Body { content_type, data: data.into() }
}

/// Digits of an INFO, and how long, in milliseconds.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) struct Digits {
    pub(super) digits: Box<str>,
    pub(super) duration_ms: u16,
}

/// The length of a digit when the INFO does not say.
const DIGIT_MS: u16 = 160;

/// The digits of `application/dtmf-relay` (`Signal=5`, `Duration=160`) or `application/dtmf`.
pub(super) fn digits(message: Message<'_>) -> Option<Digits> {
    let (kind, body) = (message.content_type()?, message.body());
    if kind.is("application", "dtmf") {
        return digits_of(body, DIGIT_MS);
    }
    if !kind.is("application", "dtmf-relay") {
        return None;
    }
    let (mut signal, mut duration_ms) = (None, DIGIT_MS);
    for line in body.split(|b| *b == b'\n') {
        let Some(equals) = memchr::memchr(b'=', line) else { continue };
        let (name, value) = line.split_at(equals);
        let value = lex::trim(value.get(1..).unwrap_or_default());
        if lex::trim(name).eq_ignore_ascii_case(b"signal") {
            signal = Some(value);
        } else if lex::trim(name).eq_ignore_ascii_case(b"duration") {
            let number = lex::number_saturating(value).unwrap_or(u32::from(DIGIT_MS));
            duration_ms = u16::try_from(number).unwrap_or(u16::MAX);
        }
    }
    digits_of(signal?, duration_ms)
}

fn digits_of(text: &[u8], duration_ms: u16) -> Option<Digits> {
    let text = lex::trim(text);
    // Some phones number the signs as events do (RFC 4733).
    let text = match text {
        b"10" => b"*",
        b"11" => b"#",
        other => other,
    };
    let sign = |b: &u8| matches!(*b, b'0'..=b'9' | b'*' | b'#' | b'A'..=b'D' | b'a'..=b'd');
    if text.is_empty() || text.len() > DIGITS_MAX || !text.iter().all(sign) {
        return None;
    }
    let digits: String = text.iter().map(|b| char::from(b.to_ascii_uppercase())).collect();
    Some(Digits { digits: digits.into(), duration_ms })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::message::Index;

    fn with<T>(text: &str, check: impl FnOnce(Message<'_>) -> T) -> T {
        let bytes = text.replace('\n', "\r\n").into_bytes();
        let mut index = Index::new();
        check(Message::parse(&bytes, &mut index).unwrap())
    }

    fn sdp(head: &str, body: &str) -> Result<Option<String>, u16> {
        with(&format!("INVITE sip:a SIP/2.0\n{head}\n{body}"), contents)
            .map(|all| all.session.map(|b| text_of(&b)))
            .map_err(|bar| bar.status)
    }

    fn text_of(body: &Body) -> String {
        String::from_utf8_lossy(&body.data).replace("\r\n", "\n")
    }

    #[test]
    fn session_descriptions_and_nothing_else() {
        assert_eq!(sdp("", ""), Ok(None));
        assert_eq!(sdp("c: Application/SDP\n", "v=0\n"), Ok(Some("v=0\n".into())));
        assert_eq!(sdp("", "v=0\n"), Err(400));
        assert_eq!(sdp("c: text/plain\n", "hi"), Err(415));
        assert_eq!(
            sdp("c: text/plain\nContent-Disposition: x;handling=optional\n", "hi"),
            Ok(None)
        );
        assert_eq!(
            sdp("c: text/plain\nContent-Disposition: x;handling=required\n", "hi"),
            Err(415)
        );
        assert_eq!(sdp("c: application/sdp\ne: gzip\n", "hi"), Err(415));
        assert_eq!(sdp("c: application/sdp\n", &"x".repeat(BODY_MAX + 1)), Err(413));
    }

    #[test]
    fn a_description_among_other_parts() {
        let body = "preamble\n--b1\nContent-Type: application/isup\n\nbinary\n--b1\n\
                    Content-Disposition: session\ncontent-type : application/sdp\n\n\
                    v=0\no=x\n--b1--\n";
        assert_eq!(sdp("c: multipart/mixed;boundary=b1\n", body), Ok(Some("v=0\no=x".into())));
        assert_eq!(sdp("c: multipart/mixed;boundary=b2\n", body), Err(415));
        assert_eq!(sdp("c: multipart/mixed\n", body), Err(415));
        // What must be understood is told apart, wherever it stands.
        let required = |body: &str| {
            let text = format!("INVITE sip:a SIP/2.0\nc: multipart/mixed;boundary=b1\n\n{body}");
            with(&text, |message| contents(message).unwrap().parts.iter().any(|p| p.required))
        };
        let first = body.replace("isup\n", "isup\nContent-Disposition: signal;handling=required\n");
        assert!(required(&first) && !required(&first.replace("required", "optional")));
        let last =
            body.replace("--b1--", "--b1\nContent-Disposition: x;handling=REQUIRED\n\nhi\n--b1--");
        assert!(required(&last));
        let without = body.replace("application/sdp", "text/plain").replace("isup", "x-isup");
        assert_eq!(sdp("c: multipart/mixed;boundary=b1\n", &without), Err(415));
    }

    #[test]
    fn what_stands_beside_a_description_goes_on_as_it_came() {
        let body = "--b1\nContent-Type: application/sdp\n\nv=0\n\n--b1\nContent-Type: \
                    application/ISUP;version=itu-t92+\nContent-Disposition: \
                    signal;handling=required\n\n\u{1}\u{11}\n--b1\n\nplain\n--b1--\n";
        let text = format!("INVITE sip:a SIP/2.0\nc: multipart/mixed;boundary=\"b1\"\n\n{body}");
        let of = |text: &str| with(text, |message| contents(message).unwrap());
        let Contents { session, parts } = of(&text);
        assert_eq!(*session.clone().unwrap().data, *b"v=0\r\n");
        let shown: Vec<_> = parts
            .iter()
            .map(|p| (&*p.body.content_type, &*p.disposition, p.required, p.body.data.len()))
            .collect();
        let isup = "application/ISUP;version=itu-t92+";
        let expect = [(isup, "signal;handling=required", true, 2), ("text/plain", "", false, 5)];
        assert_eq!(shown, expect);
        // Written again it reads the same.
        let written = multipart(session.as_ref(), &parts, "b2");
        let data = String::from_utf8(written.data.to_vec()).unwrap().replace("\r\n", "\n");
        let kind = written.content_type;
        let again = of(&format!("INVITE sip:a SIP/2.0\nc: {kind}\n\n{data}"));
        assert_eq!((again.session, again.parts), (session, parts));
    }

    /// RFC 3204: an INVITE may bring nothing but what the telephone network says.
    #[test]
    fn signalling_of_the_telephone_network_alone_is_a_late_offer() {
        let of = |head: &str, body: &str| {
            let text = format!("INVITE sip:a SIP/2.0\n{head}\n{body}");
            with(&text, |message| {
                contents(message).map_err(|bar| bar.status).map(|Contents { session, parts }| {
                    assert_eq!(session, None);
                    let shown = parts.iter().map(|p| {
                        let (kind, disposition) = (&p.body.content_type, &p.disposition);
                        format!("{kind} {disposition} {} {}", p.required, text_of(&p.body))
                    });
                    shown.collect::<Vec<_>>()
                })
            })
        };
        let said = "c: Application/ISUP;version=itu-t92+\nContent-Disposition: signal\n";
        let expect = "Application/ISUP;version=itu-t92+ signal true x".to_owned();
        assert_eq!(of(said, "x"), Ok(vec![expect]));
        assert_eq!(of("c: application/qsig\n", "x").map(|parts| parts.len()), Ok(1));
        let optional = "c: application/isup\nContent-Disposition: signal;handling=optional\n";
        assert_eq!(of(optional, "x"), Ok(vec![]));
        assert_eq!(of("c: application/isup-x\n", "x"), Err(415));
        assert_eq!(of("c: application/isup\n", &"x".repeat(BODY_MAX + 1)), Err(413));
        let parts = "--b\nContent-Type: text/plain\n\nhi\n--b\nContent-Type: \
                     application/isup\n\nx\n--b--\n";
        let both = ["text/plain  false hi", "application/isup  true x"].map(str::to_owned);
        assert_eq!(of("c: multipart/mixed;boundary=b\n", parts), Ok(both.to_vec()));
    }

    #[test]
    fn what_nobody_can_refuse_brings_what_it_brings() {
        let of = |head: &str, body: &str| {
            let text = format!("BYE sip:a SIP/2.0\n{head}\n{body}");
            with(&text, |message| {
                let parts = beside(message).into_iter();
                let shown = parts.map(|p| {
                    format!("{} {} {}", p.body.content_type, p.disposition, text_of(&p.body))
                });
                (session(message).map(|s| text_of(&s)), shown.collect::<Vec<_>>())
            })
        };
        assert_eq!(of("", ""), (None, vec![]));
        assert_eq!(of("c: application/sdp\n", "v=0\n"), (Some("v=0\n".into()), vec![]));
        let alone = "c: application/isup\nContent-Disposition: signal;handling=required\n";
        let isup = "application/isup signal;handling=required x".to_owned();
        assert_eq!(of(alone, "x"), (None, vec![isup.clone()]));
        let part = "--b\nContent-Type: application/isup\nContent-Disposition: \
                    signal;handling=required\n\nx\n";
        let mixed = "c: multipart/mixed;boundary=b\n";
        assert_eq!(of(mixed, &format!("{part}--b--\n")), (None, vec![isup.clone()]));
        let sdp = "--b\nContent-Type: application/sdp\n\nv=0\n";
        let both = of(mixed, &format!("{sdp}{part}--b--\n"));
        assert_eq!(both, (Some("v=0".into()), vec![isup]));
        assert_eq!(of("", "what is this"), (None, vec![]));
        assert_eq!(of("c: text/plain\n", &"x".repeat(BODY_MAX + 1)).1, Vec::<String>::new());
    }

    #[test]
    fn a_part_alone_stands_for_itself() {
        let body = Body { content_type: "application/isup".into(), data: (*b"x").into() };
        let part = |disposition: &str| Part {
            body: body.clone(),
            disposition: disposition.into(),
            required: false,
        };
        let of = |session: Option<&Body>, parts: &[Part]| Whole::of(session, parts, || 7);
        assert!(of(None, &[]).is_none() && of(Some(&body), &[]).is_none());
        let alone = of(None, &[part("")]).unwrap();
        assert_eq!((&alone.body, alone.field()), (&body, None));
        let said = of(None, &[part("signal")]).unwrap();
        assert_eq!(said.field(), Some(("Content-Disposition", &b"signal"[..])));
        let both = of(Some(&Body::sdp(*b"v=0")), &[part("")]).unwrap();
        assert_eq!(both.field(), Some(("MIME-Version", &b"1.0"[..])));
        assert_eq!(&*both.body.content_type, "multipart/mixed;boundary=0000000000000007");
    }

    #[test]
    fn parts_that_are_too_long_are_left_out_or_refused() {
        let body = |handling: &str| {
            let long = "x".repeat(BODY_MAX);
            let head = format!("Content-Disposition: signal;handling={handling}");
            let sdp = "--b\nContent-Type: application/sdp\n\nv=0\n";
            format!("{sdp}--b\n{head}\n\n{long}\n--b\n{head}\n\ny\n--b--\n")
        };
        let read = |handling: &str| {
            let body = body(handling);
            let text = format!("INVITE sip:a SIP/2.0\nc: multipart/mixed;boundary=b\n\n{body}");
            with(&text, |message| contents(message).map(|c| c.parts.len()).map_err(|b| b.status))
        };
        assert_eq!(read("optional"), Ok(1));
        assert_eq!(read("required"), Err(413));
    }

    #[test]
    fn digits_by_info() {
        let info = |kind: &str, body: &str| {
            let text = format!("INFO sip:a SIP/2.0\nContent-Type: {kind}\n\n{body}");
            with(&text, digits).map(|d| (d.digits.into_string(), d.duration_ms))
        };
        let relay = "application/dtmf-relay";
        assert_eq!(info(relay, "Signal=5\nDuration=250\n"), Some(("5".into(), 250)));
        assert_eq!(info(relay, "Signal= 11\n"), Some(("#".into(), 160)));
        assert_eq!(info(relay, "signal=a\nduration=99999"), Some(("A".into(), 65_535)));
        assert_eq!(info("application/dtmf", "*"), Some(("*".into(), 160)));
        assert_eq!(info(relay, "Signal=x\n"), None);
        assert_eq!(info(relay, "Duration=5\n"), None);
        assert_eq!(info("text/plain", "5"), None);
        assert_eq!(info("application/dtmf", &"1".repeat(DIGITS_MAX + 1)), None);
    }
}
