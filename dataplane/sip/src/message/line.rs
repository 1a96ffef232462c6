//! Lines of a message's head: the one place that knows what a line, a fold and a name are. The
//! index and the scan both read by it.

use super::{Refusal, Span};
use crate::header::{self, Header};
use crate::lex::{self, Class};
use crate::limits::{FOLDS_MAX, LEADING_CRLF_MAX, NAME_MAX};
use crate::word;

//= rfc3261#section-7.5
//# Implementations processing SIP messages over stream-oriented
//# transports MUST ignore any CRLF appearing before the start-line [H4.1].
/// The offset behind the empty lines in front of a start line.
pub(crate) fn skip_empty(bytes: &[u8]) -> usize {
    let mut at = 0;
    while at < 2 * LEADING_CRLF_MAX && bytes.get(at..at + 2) == Some(b"\r\n".as_slice()) {
        at += 2;
    }
    at
}

//= rfc3261#section-7
//# The start-line, each message-header line, and the empty line MUST be
//# terminated by a carriage-return line-feed sequence (CRLF).
/// The offset of the CRLF that ends the line which begins at `at`.
#[inline]
fn line_end(bytes: &[u8], at: usize) -> Result<usize, Refusal> {
    let rest = bytes.get(at..).unwrap_or_default();
    let len = word::find_line_break(rest).ok_or(Refusal::Unterminated)?;
    match rest.get(len..len + 2) {
        Some(b"\r\n") => Ok(at + len),
        Some(_) | None => Err(Refusal::LineEnd),
    }
}

/// The start line, and the offset behind it.
pub(crate) fn start(bytes: &[u8]) -> Result<(Span, usize), Refusal> {
    let at = skip_empty(bytes);
    let end = line_end(bytes, at)?;
    Ok((Span::new(at, end - at), end + 2))
}

/// One header field with its continuation lines.
#[derive(Clone, Copy)]
pub(crate) struct Lines {
    at: usize,
    /// Where the first line ends: the name must stand in it.
    first_end: usize,
    /// Where the last line ends.
    end: usize,
}

impl Lines {
    //= rfc3261#section-7.3.1
    //# Header fields can be
    //# extended over multiple lines by preceding each extra line with at
    //# least one SP or horizontal tab (HT).
    /// The field that begins at `at`; empty lines end the head and have no continuation.
    #[inline]
    pub(crate) fn read(bytes: &[u8], at: usize) -> Result<Lines, Refusal> {
        let first_end = line_end(bytes, at)?;
        let end = match bytes.get(first_end + 2) {
            Some(b' ' | b'\t') if first_end != at => end_of_folds(bytes, first_end)?,
            Some(_) | None => first_end,
        };
        Ok(Lines { at, first_end, end })
    }

    /// Whether it is the empty line that ends the head.
    pub(crate) const fn is_empty(self) -> bool {
        self.first_end == self.at
    }

    /// Whether it has continuation lines.
    pub(super) const fn is_folded(self) -> bool {
        self.end != self.first_end
    }

    /// The offset behind it.
    pub(crate) const fn next(self) -> usize {
        self.end + 2
    }

    /// Name and value; `None` when there is no name that could be one.
    #[inline]
    pub(crate) fn entry(self, bytes: &[u8]) -> Option<Entry> {
        let rest = bytes.get(self.at..)?;
        let (header, name_len, colon) = match header::known(rest) {
            Some((header, colon)) if self.at + colon < self.first_end => (header, colon, colon),
            Some(_) | None => name(rest.get(..self.first_end - self.at)?)?,
        };
        let value = bytes.get(self.at + colon + 1..self.end)?;
        let trimmed = lex::trim_start(value);
        let value_at = self.end - trimmed.len();
        let value_len = lex::trim_end(trimmed).len();
        let name = Span::new(self.at, name_len);
        Some(Entry { header, name, value: Span::new(value_at, value_len) })
    }
}

/// Where the last continuation of a line that ends at `end` does.
#[cold]
fn end_of_folds(bytes: &[u8], mut end: usize) -> Result<usize, Refusal> {
    for _ in 0..FOLDS_MAX {
        let Some(b' ' | b'\t') = bytes.get(end + 2) else { return Ok(end) };
        end = line_end(bytes, end + 2)?;
    }
    match bytes.get(end + 2) {
        Some(b' ' | b'\t') => Err(Refusal::FoldsTooMany),
        Some(_) | None => Ok(end),
    }
}

/// Any name, with white space before its colon or without: what it is, its length, and where the
/// colon is.
#[cold]
fn name(line: &[u8]) -> Option<(Header, usize, usize)> {
    let colon = memchr::memchr(b':', line)?;
    let name = lex::trim_end(line.get(..colon)?);
    let is_name = !name.is_empty() && name.len() <= NAME_MAX && Class::TOKEN.has_all(name);
    is_name.then(|| (Header::parse(name), name.len(), colon))
}

/// A header field's place in its message.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Entry {
    pub(crate) header: Header,
    pub(crate) name: Span,
    pub(crate) value: Span,
}

impl Entry {
    /// All zeros, so that a table of them is cleared at once; which header it names says nothing.
    pub(super) const NONE: Entry =
        Entry { header: Header::Via, name: Span::NONE, value: Span::NONE };
}

const _: () = assert!(Header::Via as u8 == 0);
