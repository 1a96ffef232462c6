//! Start lines: `Method SP Request-URI SP SIP-Version` and `SIP-Version SP code SP phrase`.

use super::{Refusal, Span};
use crate::lex::{self, Class};
use crate::method::Method;
use crate::status::Status;

/// The first line of a message.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum StartLine<'a> {
    /// A request line.
    Request {
        /// What is asked.
        method: Method,
        /// The method as written.
        name: &'a [u8],
        /// The Request-URI as written.
        uri: &'a [u8],
    },
    /// A status line.
    Response {
        /// The code.
        status: Status,
        /// The phrase, perhaps empty, any bytes.
        phrase: &'a [u8],
    },
}

#[derive(Clone, Copy, Debug)]
pub(crate) enum Spans {
    Nothing,
    Request { method: Method, name: Span, uri: Span },
    Response { status: Status, phrase: Span },
}

impl Spans {
    pub(crate) fn of(self, bytes: &[u8]) -> Option<StartLine<'_>> {
        match self {
            Spans::Nothing => None,
            Spans::Request { method, name, uri } => {
                Some(StartLine::Request { method, name: name.of(bytes), uri: uri.of(bytes) })
            }
            Spans::Response { status, phrase } => {
                Some(StartLine::Response { status, phrase: phrase.of(bytes) })
            }
        }
    }
}

/// The whole start line, checked.
pub(super) fn parse(bytes: &[u8], line: Span) -> Result<Spans, Refusal> {
    let spans = split(bytes, line)?;
    match spans {
        Spans::Request { uri, .. } if !Class::URI.has_all(uri.of(bytes)) => {
            Err(Refusal::RequestLine)
        }
        Spans::Request { .. } | Spans::Response { .. } | Spans::Nothing => Ok(spans),
    }
}

/// The parts of a start line. Of a Request-URI it is known only that it is there.
pub(crate) fn split(bytes: &[u8], line: Span) -> Result<Spans, Refusal> {
    let text = line.of(bytes);
    if is_status_line(text) { status(text, line) } else { request(text, line) }
}

/// What an answer to a malformed request needs of its first line: the method.
pub(crate) fn guess(bytes: &[u8], line: Span) -> Spans {
    let text = line.of(bytes);
    let len = text.iter().position(|b| *b == b' ').unwrap_or(text.len());
    let name = Span::new(usize::from(line.at), len);
    if is_status_line(text) || !lex::all_token(name.of(bytes)) {
        return Spans::Nothing;
    }
    Spans::Request { method: Method::parse(name.of(bytes)), name, uri: Span::NONE }
}

fn is_status_line(text: &[u8]) -> bool {
    match text.first_chunk::<4>() {
        Some(b"SIP/") => true,
        Some(head) => head.eq_ignore_ascii_case(b"SIP/"),
        None => false,
    }
}

fn is_version_2(version: &[u8]) -> bool {
    version.eq_ignore_ascii_case(b"SIP/2.0")
}

/// Whether it has the form `SIP/<digits>.<digits>`.
fn is_version(version: &[u8]) -> bool {
    let Some((head, number)) = version.split_at_checked(4) else { return false };
    let mut parts = number.splitn(2, |b| *b == b'.');
    let digits =
        |part: Option<&[u8]>| part.is_some_and(|p| !p.is_empty() && Class::DIGIT.has_all(p));
    head.eq_ignore_ascii_case(b"SIP/") && digits(parts.next()) && digits(parts.next())
}

//= rfc3261#section-7.1
//# The Request-Line ends with CRLF.  No CR or LF are allowed except in the
//# end-of-line CRLF sequence.  No linear whitespace (LWS) is allowed in any
//# of the elements.
fn request(text: &[u8], line: Span) -> Result<Spans, Refusal> {
    let method_len = memchr::memchr(b' ', text).ok_or(Refusal::NotSip)?;
    let (name, rest) = text.split_at_checked(method_len).ok_or(Refusal::NotSip)?;
    let method = Method::parse(name);
    if method == Method::Other && !lex::all_token(name) {
        return Err(Refusal::NotSip);
    }
    let rest = rest.get(1..).unwrap_or_default();
    let uri = match rest.strip_suffix(b" SIP/2.0") {
        Some(uri) => uri,
        None => before_version(rest)?,
    };
    if uri.is_empty() {
        return Err(Refusal::RequestLine);
    }
    let at = usize::from(line.at);
    Ok(Spans::Request {
        method,
        name: Span::new(at, method_len),
        uri: Span::new(at + method_len + 1, uri.len()),
    })
}

/// What stands before the last space and the version behind it, if that is ours.
#[cold]
fn before_version(rest: &[u8]) -> Result<&[u8], Refusal> {
    let version_at = memchr::memrchr(b' ', rest).ok_or(Refusal::RequestLine)?;
    let (uri, version) = rest.split_at_checked(version_at).ok_or(Refusal::RequestLine)?;
    let version = version.get(1..).unwrap_or_default();
    if !is_version(version) {
        return Err(Refusal::RequestLine);
    }
    if is_version_2(version) { Ok(uri) } else { Err(Refusal::Version) }
}

/// The phrase may be empty and hold any byte; its SP must be there (RFC 4475 3.1.1.13), but some
/// peers forget it, which costs nothing to forgive.
fn status(text: &[u8], line: Span) -> Result<Spans, Refusal> {
    let (version, rest) = text.split_at_checked(7).ok_or(Refusal::StatusLine)?;
    if !is_version_2(version) {
        return Err(Refusal::Version);
    }
    let (code, phrase) = rest.split_at_checked(4).ok_or(Refusal::StatusLine)?;
    let code = code.strip_prefix(b" ").and_then(|digits| lex::number(digits, 699));
    let code = code.and_then(|code| u16::try_from(code).ok()).and_then(Status::new);
    let status = code.ok_or(Refusal::StatusLine)?;
    if !matches!(phrase.first(), None | Some(b' ')) {
        return Err(Refusal::StatusLine);
    }
    let skipped = usize::from(!phrase.is_empty());
    let phrase = Span::new(line.end() - phrase.len() + skipped, phrase.len() - skipped);
    Ok(Spans::Response { status, phrase })
}
