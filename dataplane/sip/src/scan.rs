//! The few facts that find the owner of a datagram, without an index: for demultiplexing between
//! shards and for shedding load before any work is done (0.1 to 0.2 us).
//!
//! It reads lines and names by the same code as the index ([`crate::message::line`]), looks at the
//! first field of each name as the index does, and ends where that would give up. It does not
//! validate: what it cannot read it leaves out. Whoever owns the datagram parses it in full.

use crate::field::Params;
use crate::header::{self, Header};
use crate::lex::{Class, Cursor};
use crate::limits::{HEADERS_MAX, MESSAGE_MAX};
use crate::message::Refusal as Fault;
use crate::message::line::{self, Lines};
use crate::message::start::{self, Spans};
use crate::method::Method;
use crate::word;

/// What a scan finds. Empty slices and `None` stand for what is missing or unreadable.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Scan<'a> {
    /// The method of a request; `None` in a response.
    pub method: Option<Method>,
    /// The code of a response; `None` in a request.
    pub code: Option<u16>,
    /// The Request-URI as written; empty in a response.
    pub uri: &'a [u8],
    /// The branch of the topmost Via.
    pub branch: Option<&'a [u8]>,
    /// The value of Call-ID.
    pub call_id: &'a [u8],
    /// The From tag.
    pub from_tag: Option<&'a [u8]>,
    /// The To tag.
    pub to_tag: Option<&'a [u8]>,
    /// The method of CSeq: that of the request which a response answers.
    pub cseq_method: Option<Method>,
}

impl Scan<'_> {
    /// The user part of a `sip:`, `sips:` or `tel:` Request-URI as written, without parameters or
    /// password: enough to know a short number by. Empty when there is none.
    #[must_use]
    pub fn called_user(&self) -> &[u8] {
        let Some(colon) = memchr::memchr(b':', self.uri) else { return b"" };
        let (scheme, rest) = self.uri.split_at(colon);
        let rest = rest.get(1..).unwrap_or_default();
        let user = match memchr::memchr(b'@', rest) {
            Some(at) => rest.get(..at).unwrap_or_default(),
            None if scheme.eq_ignore_ascii_case(b"tel") => rest,
            None => b"",
        };
        let end = user.iter().position(|b| matches!(b, b';' | b':')).unwrap_or(user.len());
        user.get(..end).unwrap_or_default()
    }

    /// Whether overload may refuse it: a request that would begin something.
    #[must_use]
    pub fn begins_something(&self) -> bool {
        match self.method {
            None | Some(Method::Ack | Method::Bye | Method::Cancel | Method::Prack) => false,
            Some(
                Method::Invite
                | Method::Options
                | Method::Register
                | Method::Update
                | Method::Info
                | Method::Refer
                | Method::Notify
                | Method::Subscribe
                | Method::Message
                | Method::Publish
                | Method::Other,
            ) => self.to_tag.is_none(),
        }
    }
}

/// Scans one datagram; `None` when its first line is no start line.
#[must_use]
pub fn scan(bytes: &[u8]) -> Option<Scan<'_>> {
    let bytes = bytes.get(..bytes.len().min(MESSAGE_MAX))?;
    let (line, fields_at) = line::start(bytes).ok()?;
    let spans = match start::split(bytes, line) {
        Ok(spans) => spans,
        Err(Fault::NotSip) => return None,
        Err(_) => start::guess(bytes, line),
    };
    let mut scan = begun(bytes, spans)?;
    let (mut missing, mut at) = (All::ALL, fields_at);
    for _ in 0..HEADERS_MAX {
        if missing == All::NONE {
            break;
        }
        let Ok(lines) = Lines::read(bytes, at) else { break };
        if lines.is_empty() {
            break;
        }
        // Cheap way out for the lines nobody asked for.
        let initial = bytes.get(at).map(u8::to_ascii_lowercase);
        if matches!(initial, Some(b'v' | b'f' | b't' | b'c' | b'i'))
            && let Some(entry) = lines.entry(bytes)
            && missing.has(All::of(entry.header))
        {
            read(&mut scan, All::of(entry.header), entry.value.of(bytes));
            missing = missing.without(All::of(entry.header));
        }
        at = lines.next();
    }
    Some(scan)
}

/// The tags of the dialog that a request is to take the place of (Replaces, RFC 3891 section 3), as
/// they stand there; none when it takes nobody's.
#[must_use]
pub fn replaced_tags(bytes: &[u8]) -> [Option<&[u8]>; 2] {
    let bytes = bytes.get(..bytes.len().min(MESSAGE_MAX)).unwrap_or_default();
    let Ok((_, fields_at)) = line::start(bytes) else { return [None; 2] };
    let found = fields(bytes, fields_at).find(|(header, _)| *header == Header::Replaces);
    let Some((_, value)) = found else { return [None; 2] };
    let params = word::find(b';', value).and_then(|at| value.get(at..)).unwrap_or_default();
    [b"to-tag".as_slice(), b"from-tag"].map(|name| Params::loose(params).value(name))
}

/// The fields that can be read, up to the end of the head or the first line that breaks it.
fn fields(bytes: &[u8], mut at: usize) -> impl Iterator<Item = (Header, &[u8])> {
    let next = move || {
        let lines = Lines::read(bytes, at).ok().filter(|lines| !lines.is_empty())?;
        at = lines.next();
        let entry = lines.entry(bytes);
        Some(entry.map_or((Header::Other, &[][..]), |e| (e.header, e.value.of(bytes))))
    };
    std::iter::from_fn(next).take(HEADERS_MAX)
}

/// A set of the five fields that are looked for.
#[derive(Clone, Copy, PartialEq, Eq)]
struct All(u8);

impl All {
    const NONE: All = All(0);
    const VIA: All = All(1);
    const FROM: All = All(2);
    const TO: All = All(4);
    const CALL_ID: All = All(8);
    const CSEQ: All = All(16);
    const ALL: All = All(31);

    /// The set of one field, or of none.
    const fn of(header: Header) -> All {
        All(OF[header as usize])
    }

    const fn without(self, other: All) -> All {
        All(self.0 & !other.0)
    }

    const fn has(self, other: All) -> bool {
        self.0 & other.0 != 0
    }
}

/// The bit of each header field.
const OF: [u8; header::COUNT] = {
    let mut of = [0; header::COUNT];
    of[Header::Via as usize] = All::VIA.0;
    of[Header::From as usize] = All::FROM.0;
    of[Header::To as usize] = All::TO.0;
    of[Header::SipCallId as usize] = All::CALL_ID.0;
    of[Header::CSeq as usize] = All::CSEQ.0;
    of
};

/// Takes from the first of its fields what is wanted of it.
fn read<'a>(scan: &mut Scan<'a>, found: All, value: &'a [u8]) {
    match found {
        All::VIA => scan.branch = branch(value),
        All::FROM => scan.from_tag = tag(value),
        All::TO => scan.to_tag = tag(value),
        All::CALL_ID => scan.call_id = value,
        _ => scan.cseq_method = cseq_method(value),
    }
}

/// The branch of the first Via of a list, without a look at what stands before its parameters.
fn branch(vias: &[u8]) -> Option<&[u8]> {
    let at = word::find2(b';', b',', vias)?;
    // No parameters before the comma, if there is one: nor is there a branch then.
    Params::loose(vias.get(at..)?).value(b"branch")
}

/// The tag of a From or To, without a look at its address.
fn tag(value: &[u8]) -> Option<&[u8]> {
    params(value)?.value(b"tag")
}

/// The parameters of a From or To.
fn params(value: &[u8]) -> Option<Params<'_>> {
    let mut cursor = Cursor::new(value);
    if cursor.peek() == Some(b'"') {
        cursor.quoted()?;
    }
    let rest = cursor.rest();
    let at = word::find2(b'<', b';', rest)?;
    let params = if rest.get(at) == Some(&b'<') {
        rest.get(at + word::find(b'>', rest.get(at..)?)? + 1..)?
    } else {
        rest.get(at..)?
    };
    Some(Params::loose(params))
}

fn cseq_method(value: &[u8]) -> Option<Method> {
    let mut cursor = Cursor::new(value);
    cursor.take(Class::DIGIT);
    Some(Method::parse(cursor.skip_lws().token()?))
}

/// What the start line says.
fn begun(bytes: &[u8], spans: Spans) -> Option<Scan<'_>> {
    let (method, code, uri) = match spans {
        Spans::Request { method, uri, .. } => (Some(method), None, uri.of(bytes)),
        Spans::Response { status, .. } => (None, Some(status.code()), &[][..]),
        Spans::Nothing => return None,
    };
    let (branch, from_tag, to_tag, cseq_method) = (None, None, None, None);
    Some(Scan { method, code, uri, branch, call_id: b"", from_tag, to_tag, cseq_method })
}

mod refuse;

pub use refuse::{Refusal, refuse, refused_tag, request_hash};

#[cfg(test)]
mod tests;
