//! The few facts that find the owner of a datagram, without an index: for demultiplexing between
//! shards and for shedding load before any work is done (0.1 to 0.2 us).
//!
//! A scan looks at the first field of each name, as the index does, and does not validate: what it
//! cannot read it leaves out. Whoever owns the datagram parses it in full.

use crate::field::{Params, elements};
use crate::lex::{self, Cursor};
use crate::limits::{LEADING_CRLF_MAX, MESSAGE_MAX, SCAN_LINES_MAX};
use crate::message;
use crate::method::Method;

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
    let mut lines = Lines { rest: skip_empty_lines(bytes) };
    let mut scan = start(lines.next()?)?;
    let mut missing = All::ALL;
    for _ in 0..SCAN_LINES_MAX {
        let Some(line) = lines.next() else { break };
        missing = missing.without(read(&mut scan, line, missing));
        if missing == All::NONE {
            break;
        }
    }
    Some(scan)
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

    const fn without(self, other: All) -> All {
        All(self.0 & !other.0)
    }

    const fn has(self, other: All) -> bool {
        self.0 & other.0 != 0
    }
}

/// Takes from one line what `missing` wants; gives the field it was.
fn read<'a>(scan: &mut Scan<'a>, line: &'a [u8], missing: All) -> All {
    // Cheap way out for the lines nobody asked for.
    let Some(b'v' | b'V' | b'f' | b'F' | b't' | b'T' | b'c' | b'C' | b'i' | b'I') = line.first()
    else {
        return All::NONE;
    };
    let Some(colon) = memchr::memchr(b':', line) else { return All::NONE };
    let name = lex::trim_end(line.get(..colon).unwrap_or_default());
    let found = wanted(name);
    if !missing.has(found) {
        return All::NONE;
    }
    let value = lex::trim(line.get(colon + 1..).unwrap_or_default());
    match found {
        All::VIA => scan.branch = elements(value).next().and_then(branch),
        All::FROM => scan.from_tag = tag(value),
        All::TO => scan.to_tag = tag(value),
        All::CALL_ID => scan.call_id = value,
        _ => scan.cseq_method = cseq_method(value),
    }
    found
}

fn wanted(name: &[u8]) -> All {
    let is = |long: &str, short: &str| {
        name.eq_ignore_ascii_case(long.as_bytes()) || name.eq_ignore_ascii_case(short.as_bytes())
    };
    match name.len() {
        1..=4 if is("via", "v") => All::VIA,
        1..=4 if is("from", "f") => All::FROM,
        1..=4 if is("to", "t") => All::TO,
        4 if is("cseq", "cseq") => All::CSEQ,
        1..=7 if is("call-id", "i") => All::CALL_ID,
        _ => All::NONE,
    }
}

/// The branch of a Via, without a look at what stands before its parameters.
fn branch(via: &[u8]) -> Option<&[u8]> {
    let at = memchr::memchr(b';', via)?;
    Params::loose(via.get(at..)?).value(b"branch")
}

/// The tag of a From or To, without a look at its address.
fn tag(value: &[u8]) -> Option<&[u8]> {
    let mut cursor = Cursor::new(value);
    if cursor.peek() == Some(b'"') {
        cursor.quoted()?;
    }
    let rest = cursor.rest();
    let at = memchr::memchr2(b'<', b';', rest)?;
    let params = if rest.get(at) == Some(&b'<') {
        rest.get(at + memchr::memchr(b'>', rest.get(at..)?)? + 1..)?
    } else {
        rest.get(at..)?
    };
    Params::loose(params).value(b"tag")
}

fn cseq_method(value: &[u8]) -> Option<Method> {
    let mut cursor = Cursor::new(value);
    cursor.take_while(|b| b.is_ascii_digit());
    Some(Method::parse(cursor.skip_lws().token()?))
}

fn start(line: &[u8]) -> Option<Scan<'_>> {
    let mut scan = Scan {
        method: None,
        code: None,
        uri: b"",
        branch: None,
        call_id: b"",
        from_tag: None,
        to_tag: None,
        cseq_method: None,
    };
    let space = memchr::memchr(b' ', line)?;
    let word = line.get(..space)?;
    if message::is_status_line(line) {
        let code = line.get(space + 1..space + 4)?;
        scan.code = lex::number(code, 699).and_then(|code| u16::try_from(code).ok());
        scan.code?;
    } else {
        lex::all_token(word).then_some(())?;
        scan.method = Some(Method::parse(word));
        let rest = line.get(space + 1..)?;
        scan.uri = rest.get(..memchr::memchr(b' ', rest).unwrap_or(rest.len()))?;
    }
    Some(scan)
}

fn skip_empty_lines(mut bytes: &[u8]) -> &[u8] {
    for _ in 0..LEADING_CRLF_MAX {
        match bytes.strip_prefix(b"\r\n") {
            Some(rest) => bytes = rest,
            None => break,
        }
    }
    bytes
}

/// Logical lines, folds included, up to the empty line.
struct Lines<'a> {
    rest: &'a [u8],
}

impl<'a> Iterator for Lines<'a> {
    type Item = &'a [u8];

    fn next(&mut self) -> Option<&'a [u8]> {
        let mut end = memchr::memchr(b'\n', self.rest)?;
        while let Some(b' ' | b'\t') = self.rest.get(end + 1) {
            end += 1 + memchr::memchr(b'\n', self.rest.get(end + 1..)?)?;
        }
        let line = lex::trim_end(self.rest.get(..end)?);
        self.rest = self.rest.get(end + 1..)?;
        Some(line).filter(|line| !line.is_empty())
    }
}

mod refuse;

pub use refuse::{Refusal, refuse, refused_tag, request_hash};

#[cfg(test)]
mod tests;
