//! A datagram as an index of offsets: start line, header fields, body. Nothing is copied.
//!
//! Reading has three layers, each with its own refusals:
//!
//! 1. [`Message::parse`]: lines, names, start line, length of the body. One pass, no allocation.
//! 2. [`Message::check_syntax`]: each field this crate knows obeys its grammar.
//! 3. [`Message::check_meaning`]: what must be there is there, once, with a scheme we speak.
//!
//! A refused request can still be answered: [`Message::salvage`] gives what the index holds.
//! Bytes above 127 pass untouched, and so does whatever no layer has to understand.

mod check;
mod refusal;
mod start;

pub use refusal::Refusal;
pub use start::StartLine;
pub(crate) use start::is_status_line;

use crate::field::{self, CSeq, MediaType, NameAddr, Via};
use crate::header::{self, Header};
use crate::lex;
use crate::limits::{FOLDS_MAX, HEADERS_MAX, LEADING_CRLF_MAX, MESSAGE_MAX, NAME_MAX};
use crate::method::Method;
use crate::status::Status;

/// Part of a message: offset and length, both in bytes.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
struct Span {
    at: u16,
    len: u16,
}

impl Span {
    /// Messages are at most [`MESSAGE_MAX`] bytes long, so nothing is cut here.
    fn new(at: usize, len: usize) -> Span {
        Span {
            at: u16::try_from(at).unwrap_or(u16::MAX),
            len: u16::try_from(len).unwrap_or(u16::MAX),
        }
    }

    fn end(self) -> usize {
        usize::from(self.at) + usize::from(self.len)
    }

    fn of(self, bytes: &[u8]) -> &[u8] {
        bytes.get(usize::from(self.at)..self.end()).unwrap_or_default()
    }
}

#[derive(Clone, Copy, Debug)]
struct Entry {
    header: Header,
    name: Span,
    value: Span,
}

impl Entry {
    const NONE: Entry = Entry {
        header: Header::Other,
        name: Span { at: 0, len: 0 },
        value: Span { at: 0, len: 0 },
    };
}

/// Where everything stands in one message. Meant to be kept and used again for the next one.
#[derive(Clone, Debug)]
pub struct Index {
    start: start::Spans,
    entries: [Entry; HEADERS_MAX],
    count: usize,
    body: Span,
}

impl Default for Index {
    fn default() -> Self {
        Index::new()
    }
}

impl Index {
    /// An empty index.
    #[must_use]
    pub const fn new() -> Index {
        Index {
            start: start::Spans::Nothing,
            entries: [Entry::NONE; HEADERS_MAX],
            count: 0,
            body: Span { at: 0, len: 0 },
        }
    }

    /// Indexes `bytes`. After a refusal the index holds what could be found nevertheless.
    fn read(&mut self, bytes: &[u8]) -> Result<(), Refusal> {
        self.start = start::Spans::Nothing;
        self.count = 0;
        self.body = Span::default();
        if bytes.is_empty() {
            return Err(Refusal::Empty);
        }
        if bytes.len() > MESSAGE_MAX {
            return Err(Refusal::TooLong);
        }
        let at = skip_empty_lines(bytes);
        if at == bytes.len() {
            return Err(Refusal::KeepAlive);
        }
        let line = line(bytes, at)?;
        let start = start::parse(bytes, line);
        self.start = match start {
            Ok(spans) => spans,
            Err(_) => start::guess(bytes, line),
        };
        let fields = self.read_fields(bytes, line.end() + 2);
        let body_at = match (start, fields) {
            (Err(refusal), _) | (Ok(_), Err(refusal)) => return Err(refusal),
            (Ok(_), Ok(body_at)) => body_at,
        };
        self.frame_body(bytes, body_at)
    }

    /// Reads lines until the empty one; gives the offset behind it, or the first fault found.
    fn read_fields(&mut self, bytes: &[u8], mut at: usize) -> Result<usize, Refusal> {
        let mut fault = Ok(());
        let mut folds = 0;
        loop {
            let line = line(bytes, at)?;
            at = line.end() + 2;
            match line.of(bytes).first() {
                None => return fault.map(|()| at),
                Some(b' ' | b'\t') => {
                    folds += 1;
                    if folds > FOLDS_MAX {
                        return Err(Refusal::FoldsTooMany);
                    }
                    fault = fault.and(self.fold(bytes, line));
                }
                Some(_) => {
                    folds = 0;
                    if self.count == HEADERS_MAX {
                        return Err(Refusal::HeadersTooMany);
                    }
                    fault = fault.and(self.push(bytes, line));
                }
            }
        }
    }

    fn push(&mut self, bytes: &[u8], line: Span) -> Result<(), Refusal> {
        let text = line.of(bytes);
        let colon = memchr::memchr(b':', text).ok_or(Refusal::HeaderLine)?;
        let (name, value) = text.split_at_checked(colon).ok_or(Refusal::HeaderLine)?;
        let name = lex::trim_end(name);
        if name.len() > NAME_MAX || !header::is_name(name) {
            return Err(Refusal::HeaderLine);
        }
        let before = colon + 1;
        let value = value.get(1..).unwrap_or_default();
        let trimmed = lex::trim_start(value);
        let at = usize::from(line.at) + before + (value.len() - trimmed.len());
        let entry = Entry {
            header: Header::parse(name),
            name: Span::new(usize::from(line.at), name.len()),
            value: Span::new(at, lex::trim_end(trimmed).len()),
        };
        let slot = self.entries.get_mut(self.count).ok_or(Refusal::HeadersTooMany)?;
        *slot = entry;
        self.count += 1;
        Ok(())
    }

    //= rfc3261#section-7.3.1
    //# Header fields can be
    //# extended over multiple lines by preceding each extra line with at
    //# least one SP or horizontal tab (HT).
    fn fold(&mut self, bytes: &[u8], line: Span) -> Result<(), Refusal> {
        let last = self.count.checked_sub(1).and_then(|last| self.entries.get_mut(last));
        let entry = last.ok_or(Refusal::HeaderLine)?;
        let text = line.of(bytes);
        let trimmed = lex::trim_start(text);
        let begin = usize::from(line.at) + (text.len() - trimmed.len());
        let end = begin + lex::trim_end(trimmed).len();
        if end == begin {
            return Ok(());
        }
        let at = if entry.value.len == 0 { begin } else { usize::from(entry.value.at) };
        entry.value = Span::new(at, end - at);
        Ok(())
    }

    //= rfc3261#section-18.3
    //# If there are additional bytes in the
    //# transport packet beyond the end of the body, they MUST be discarded.
    fn frame_body(&mut self, bytes: &[u8], at: usize) -> Result<(), Refusal> {
        let rest = bytes.len().saturating_sub(at);
        self.body = Span::new(at, rest);
        let Some(length) = self.first(Header::ContentLength) else { return Ok(()) };
        let digits = length.value.of(bytes);
        let length = lex::number_saturating(digits).ok_or(Refusal::ContentLength)?;
        //= rfc3261#section-18.3
        //# If the transport packet ends before the end of the
        //# message body, this is considered an error.
        let length = usize::try_from(length).ok().filter(|l| *l <= rest);
        self.body = Span::new(at, length.ok_or(Refusal::BodyShort)?);
        Ok(())
    }

    fn entries(&self) -> &[Entry] {
        self.entries.get(..self.count).unwrap_or_default()
    }

    fn first(&self, header: Header) -> Option<&Entry> {
        self.entries().iter().find(|entry| entry.header == header)
    }
}

//= rfc3261#section-7.5
//# Implementations processing SIP messages over stream-oriented
//# transports MUST ignore any CRLF appearing before the start-line [H4.1].
fn skip_empty_lines(bytes: &[u8]) -> usize {
    let mut at = 0;
    while at < 2 * LEADING_CRLF_MAX && bytes.get(at..at + 2) == Some(b"\r\n".as_slice()) {
        at += 2;
    }
    at
}

//= rfc3261#section-7
//# The start-line, each message-header line, and the empty line MUST be
//# terminated by a carriage-return line-feed sequence (CRLF).
fn line(bytes: &[u8], at: usize) -> Result<Span, Refusal> {
    let rest = bytes.get(at..).unwrap_or_default();
    let end = memchr::memchr2(b'\r', b'\n', rest).ok_or(Refusal::Unterminated)?;
    match rest.get(end..end + 2) {
        Some(b"\r\n") => Ok(Span::new(at, end)),
        Some(_) | None => Err(Refusal::LineEnd),
    }
}

/// One header field as it stands in a message.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Field<'a> {
    /// Which one it is.
    pub header: Header,
    /// Its name as written.
    pub name: &'a [u8],
    /// Its value without white space at both ends; may hold folds.
    pub value: &'a [u8],
}

/// An indexed message. Cheap to copy; borrows the bytes and the index.
#[derive(Clone, Copy, Debug)]
pub struct Message<'a> {
    bytes: &'a [u8],
    index: &'a Index,
}

impl<'a> Message<'a> {
    /// Indexes one message (a datagram, or what a stream's framing cut out).
    ///
    /// # Errors
    /// The first fault of framing, start line or a header line; RFC 3261 7, 18.3.
    pub fn parse(bytes: &'a [u8], index: &'a mut Index) -> Result<Message<'a>, Refusal> {
        index.read(bytes)?;
        Ok(Message { bytes, index })
    }

    /// What a refused `parse` of these `bytes` left in `index`, to build an answer from.
    #[must_use]
    pub const fn salvage(bytes: &'a [u8], index: &'a Index) -> Message<'a> {
        Message { bytes, index }
    }

    /// The whole message, with what follows its body.
    #[must_use]
    pub const fn bytes(self) -> &'a [u8] {
        self.bytes
    }

    /// The start line; `None` only when salvaged.
    #[must_use]
    pub fn start(self) -> Option<StartLine<'a>> {
        self.index.start.of(self.bytes)
    }

    /// The request's method; `None` in a response.
    #[must_use]
    pub fn method(self) -> Option<Method> {
        match self.start() {
            Some(StartLine::Request { method, .. }) => Some(method),
            Some(StartLine::Response { .. }) | None => None,
        }
    }

    /// The Request-URI as written; `None` in a response.
    #[must_use]
    pub fn request_uri(self) -> Option<&'a [u8]> {
        match self.start() {
            Some(StartLine::Request { uri, .. }) => Some(uri),
            Some(StartLine::Response { .. }) | None => None,
        }
    }

    /// The response's code; `None` in a request.
    #[must_use]
    pub fn status(self) -> Option<Status> {
        match self.start() {
            Some(StartLine::Response { status, .. }) => Some(status),
            Some(StartLine::Request { .. }) | None => None,
        }
    }

    /// All header fields in the order of the message.
    pub fn fields(self) -> impl Iterator<Item = Field<'a>> {
        self.index.entries().iter().map(move |entry| Field {
            header: entry.header,
            name: entry.name.of(self.bytes),
            value: entry.value.of(self.bytes),
        })
    }

    /// The value of the first field called `header`.
    #[must_use]
    pub fn value(self, header: Header) -> Option<&'a [u8]> {
        self.index.first(header).map(|entry| entry.value.of(self.bytes))
    }

    /// The values of all fields called `header`.
    pub fn values(self, header: Header) -> impl Iterator<Item = &'a [u8]> {
        let matching = self.index.entries().iter().filter(move |entry| entry.header == header);
        matching.map(move |entry| entry.value.of(self.bytes))
    }

    /// The elements of all fields called `header`, commas taken apart (RFC 3261 7.3.1).
    pub fn elements(self, header: Header) -> impl Iterator<Item = &'a [u8]> {
        self.values(header).flat_map(field::elements)
    }

    /// Whether an option tag, method or other token stands in the list `header`.
    #[must_use]
    pub fn lists(self, header: Header, token: &[u8]) -> bool {
        self.elements(header).any(|element| element.eq_ignore_ascii_case(token))
    }

    /// The body, cut to Content-Length.
    #[must_use]
    pub fn body(self) -> &'a [u8] {
        self.index.body.of(self.bytes)
    }

    /// The topmost Via.
    ///
    /// # Errors
    /// Missing or malformed.
    pub fn top_via(self) -> Result<Via<'a>, Refusal> {
        let value = self.elements(Header::Via).next().ok_or(Refusal::Missing(Header::Via))?;
        Via::parse(value).ok_or(Refusal::Field(Header::Via))
    }

    /// From.
    ///
    /// # Errors
    /// Missing or malformed.
    pub fn from(self) -> Result<NameAddr<'a>, Refusal> {
        self.name_addr(Header::From)
    }

    /// To.
    ///
    /// # Errors
    /// Missing or malformed.
    pub fn to(self) -> Result<NameAddr<'a>, Refusal> {
        self.name_addr(Header::To)
    }

    /// The first name-addr of `header`.
    ///
    /// # Errors
    /// Missing or malformed.
    pub fn name_addr(self, header: Header) -> Result<NameAddr<'a>, Refusal> {
        let value = self.elements(header).next().ok_or(Refusal::Missing(header))?;
        NameAddr::parse(value).ok_or(Refusal::Field(header))
    }

    /// CSeq.
    ///
    /// # Errors
    /// Missing or malformed.
    pub fn cseq(self) -> Result<CSeq<'a>, Refusal> {
        let value = self.value(Header::CSeq).ok_or(Refusal::Missing(Header::CSeq))?;
        CSeq::parse(value).ok_or(Refusal::Field(Header::CSeq))
    }

    /// Call-ID; compared byte by byte (RFC 3261 20.8).
    ///
    /// # Errors
    /// Missing.
    pub fn call_id(self) -> Result<&'a [u8], Refusal> {
        self.value(Header::SipCallId).ok_or(Refusal::Missing(Header::SipCallId))
    }

    /// Content-Type; `None` when there is none or it is malformed.
    #[must_use]
    pub fn content_type(self) -> Option<MediaType<'a>> {
        MediaType::parse(self.value(Header::ContentType)?)
    }

    /// A field of one number, saturated at `u32::MAX` (Max-Forwards, Expires, Min-Expires ...).
    ///
    /// # Errors
    /// Present, but not a number.
    pub fn number(self, header: Header) -> Result<Option<u32>, Refusal> {
        let Some(value) = self.value(header) else { return Ok(None) };
        field::delta_seconds(value).map(Some).ok_or(Refusal::Field(header))
    }
}

#[cfg(test)]
mod tests;
