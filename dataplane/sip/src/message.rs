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
pub(crate) mod line;
mod refusal;
pub(crate) mod start;

pub use refusal::Refusal;
pub use start::StartLine;

use std::cell::Cell;

use crate::field::{self, CSeq, MediaType, NameAddr, Via, ViaPlace};
use crate::header::{self, Header};
use crate::lex;
use crate::limits::{HEADERS_MAX, MESSAGE_MAX};
use crate::method::Method;
use crate::status::Status;
use line::{Entry, Lines};

/// Part of a message: offset and length, both in bytes.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub(crate) struct Span {
    at: u16,
    len: u16,
}

impl Span {
    const NONE: Span = Span { at: 0, len: 0 };

    /// Messages are at most [`MESSAGE_MAX`] bytes long, so nothing is cut here.
    const fn new(at: usize, len: usize) -> Span {
        debug_assert!(at <= MESSAGE_MAX && len <= MESSAGE_MAX);
        Span { at: at as u16, len: len as u16 }
    }

    const fn end(self) -> usize {
        self.at as usize + self.len as usize
    }

    /// Where `part` of `bytes` stands.
    pub(crate) fn within(bytes: &[u8], part: &[u8]) -> Span {
        // One without bytes may stand anywhere.
        if part.is_empty() {
            return Span::NONE;
        }
        Span::new(part.as_ptr().addr().wrapping_sub(bytes.as_ptr().addr()), part.len())
    }

    pub(crate) fn of(self, bytes: &[u8]) -> &[u8] {
        bytes.get(usize::from(self.at)..self.end()).unwrap_or_default()
    }
}

/// Where everything stands in one message. Meant to be kept and used again for the next one.
#[derive(Clone, Debug)]
pub struct Index {
    start: start::Spans,
    /// For each header its first entry's place, counted from 1; 0 when it is not there.
    first: [u8; header::COUNT],
    /// The first field that may stand once and stands there again.
    repeated: Option<Header>,
    /// Whether any field has continuation lines.
    folded: bool,
    count: usize,
    body: Span,
    /// The topmost Via, once it was read: each step of a request looks at it.
    via: Cell<Option<ViaPlace>>,
    entries: [Entry; HEADERS_MAX],
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
            first: [0; header::COUNT],
            repeated: None,
            folded: false,
            count: 0,
            body: Span::NONE,
            via: Cell::new(None),
            entries: [Entry::NONE; HEADERS_MAX],
        }
    }

    /// Indexes `bytes`. After a refusal the index holds what could be found nevertheless.
    fn read(&mut self, bytes: &[u8]) -> Result<(), Refusal> {
        self.start = start::Spans::Nothing;
        self.first = [0; header::COUNT];
        self.repeated = None;
        self.folded = false;
        self.count = 0;
        self.body = Span::NONE;
        self.via.set(None);
        if bytes.is_empty() {
            return Err(Refusal::Empty);
        }
        if line::skip_empty(bytes) == bytes.len() {
            return Err(Refusal::KeepAlive);
        }
        // Whatever is wrong with it: it is answered by its head.
        let head = bytes.get(..bytes.len().min(MESSAGE_MAX)).unwrap_or_default();
        let body_at = self.read_head(head);
        if bytes.len() > MESSAGE_MAX {
            return Err(Refusal::TooLong);
        }
        self.frame_body(bytes, body_at?)
    }

    /// Start line and header fields; gives the offset of the body, or the first fault found.
    fn read_head(&mut self, bytes: &[u8]) -> Result<usize, Refusal> {
        let (line, fields_at) = line::start(bytes)?;
        let start = start::parse(bytes, line);
        self.start = start.unwrap_or_else(|_| start::guess(bytes, line));
        let body_at = self.read_fields(bytes, fields_at);
        start.and(body_at)
    }

    /// Reads lines until the empty one; gives the offset behind it, or the first fault found.
    fn read_fields(&mut self, bytes: &[u8], mut at: usize) -> Result<usize, Refusal> {
        let mut fault = Ok(());
        loop {
            let lines = Lines::read(bytes, at)?;
            at = lines.next();
            if lines.is_empty() {
                return fault.map(|()| at);
            }
            if self.count == HEADERS_MAX {
                return Err(Refusal::HeadersTooMany);
            }
            self.folded |= lines.is_folded();
            match lines.entry(bytes) {
                Some(entry) => self.push(entry),
                None => fault = fault.and(Err(Refusal::HeaderLine)),
            }
        }
    }

    /// Keeps an entry; there is room.
    fn push(&mut self, entry: Entry) {
        let (Some(slot), Some(first)) =
            (self.entries.get_mut(self.count), self.first.get_mut(entry.header as usize))
        else {
            return;
        };
        *slot = entry;
        self.count += 1;
        if *first == 0 {
            *first = self.count as u8;
        } else if entry.header.is_single() {
            self.repeated = self.repeated.or(Some(entry.header));
        }
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

    /// The entries from the first one called `header` on; none when there is none.
    fn since_first(&self, header: Header) -> &[Entry] {
        let place = self.first.get(header as usize).copied().unwrap_or(0);
        let at = usize::from(place).checked_sub(1).unwrap_or(self.count);
        self.entries.get(at..self.count).unwrap_or_default()
    }

    fn first(&self, header: Header) -> Option<&Entry> {
        self.since_first(header).first()
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

    /// Whether a value may hold line breaks of folds; else none does.
    pub(crate) const fn has_folds(self) -> bool {
        self.index.folded
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
        let since_first = self.index.since_first(header).iter();
        let matching = since_first.filter(move |entry| entry.header == header);
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
        if let Some(place) = self.index.via.get() {
            return Ok(place.via(self.bytes));
        }
        let value = self.value(Header::Via).ok_or(Refusal::Missing(Header::Via))?;
        let first = field::elements(value).next();
        let via = first.and_then(Via::parse).ok_or(Refusal::Field(Header::Via))?;
        self.index.via.set(Some(ViaPlace::of(via, self.bytes)));
        Ok(via)
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
        let value = self.value(header).ok_or(Refusal::Missing(header))?;
        let first = if header.is_single() { Some(value) } else { field::elements(value).next() };
        first.and_then(NameAddr::parse).ok_or(Refusal::Field(header))
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
