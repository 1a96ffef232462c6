//! Where a SIP message ends in a stream: RFC 3261 7.5, 18.3 and 20.14.
//!
//! A machine that looks at each byte once, however they come: it keeps where it was. It knows of
//! a message only what its end depends on; everything else is the parser's.

use crate::fault::Refusal;
use crate::limits::{HEAD_LEN_MAX, LENGTH_DIGITS_MAX, MESSAGE_LEN_MAX};
use memchr::{memchr, memmem};

const HEAD_END: &[u8] = b"\r\n\r\n";

/// What stands at the front of the bytes.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Step {
    /// Nothing whole.
    More,
    /// An empty line of two bytes, in front of a start line.
    EmptyLine,
    /// A message of so many bytes.
    Message(usize),
    /// A message whose end cannot be known; so many bytes of it are at hand as header fields.
    Refused(usize, Refusal),
    /// No message begins like this.
    Garbage,
}

/// How much of the message at the front is known.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
enum State {
    /// None of it has come.
    #[default]
    Between,
    /// No end of the header fields in the first `seen` bytes.
    Head { seen: usize },
    /// It ends at `end`.
    Body { end: usize },
}

/// Finds the ends of messages. Give it what is not taken yet, and take what it says.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub(crate) struct Framer {
    state: State,
}

impl Framer {
    pub(crate) const fn new() -> Framer {
        Framer { state: State::Between }
    }

    /// Looks at `bytes`, which begin where the last step that was not `More` ended.
    pub(crate) fn step(&mut self, bytes: &[u8]) -> Step {
        if self.state == State::Between {
            match begin(bytes) {
                Begin::Message => self.state = State::Head { seen: 0 },
                Begin::Other(step) => return step,
            }
        }
        if let State::Head { seen } = self.state {
            match head(bytes, seen) {
                Ok(Some(end)) => self.state = State::Body { end },
                Ok(None) => {
                    self.state = State::Head { seen: bytes.len() };
                    return Step::More;
                }
                Err((len, refusal)) => {
                    self.state = State::Between;
                    return Step::Refused(len, refusal);
                }
            }
        }
        let State::Body { end } = self.state else { return Step::More };
        if bytes.len() < end {
            return Step::More;
        }
        self.state = State::Between;
        Step::Message(end)
    }
}

enum Begin {
    Message,
    Other(Step),
}

//= rfc3261#section-7.5
//# Implementations processing SIP messages over stream-oriented
//# transports MUST ignore any CRLF appearing before the start-line
fn begin(bytes: &[u8]) -> Begin {
    match (bytes.first(), bytes.get(1)) {
        (None, _) | (Some(b'\r'), None) => Begin::Other(Step::More),
        (Some(b'\r'), Some(b'\n')) => Begin::Other(Step::EmptyLine),
        (Some(b), _) if is_token(*b) => Begin::Message,
        (Some(_), _) => Begin::Other(Step::Garbage),
    }
}

/// `token` of RFC 3261 25.1: what a method and `SIP` are made of.
const fn is_token(b: u8) -> bool {
    matches!(b, b'-' | b'.' | b'!' | b'%' | b'*' | b'_' | b'+' | b'`' | b'\'' | b'~')
        || b.is_ascii_alphanumeric()
}

/// The end of the message, once its header fields are whole; `seen` bytes were looked at before.
fn head(bytes: &[u8], seen: usize) -> Result<Option<usize>, (usize, Refusal)> {
    let from = seen.saturating_sub(HEAD_END.len() - 1);
    let found = memmem::find(bytes.get(from..).unwrap_or_default(), HEAD_END);
    let end = found.map(|at| from + at + HEAD_END.len());
    let len = end.unwrap_or(bytes.len());
    if len > HEAD_LEN_MAX {
        return Err((HEAD_LEN_MAX, Refusal::HeadTooLong));
    }
    let Some(head_end) = end else { return Ok(None) };
    let body = content_length(bytes.get(..head_end).unwrap_or_default());
    let end = body.and_then(|body| match head_end.checked_add(body) {
        Some(end) if end <= MESSAGE_LEN_MAX => Ok(Some(end)),
        Some(_) | None => Err(Refusal::TooLong),
    });
    end.map_err(|refusal| (head_end, refusal))
}

//= rfc3261#section-18.3
//# The Content-
//# Length header field MUST be used with stream oriented transports.
fn content_length(head: &[u8]) -> Result<usize, Refusal> {
    let mut found = None;
    let mut lines = Lines(head);
    lines.next(); // the start line
    while let Some(line) = lines.next() {
        let Some(value) = length_value(line) else { continue };
        let value = lines.unfold(value, head);
        match (found, number(value)?) {
            (Some(before), len) if before != len => return Err(Refusal::LengthBad),
            (Some(_) | None, len) => found = Some(len),
        }
    }
    found.ok_or(Refusal::LengthMissing)
}

/// Lines of the header fields, each without its CRLF. A CR or LF alone ends no line: the parser
/// refuses such a message, and takes it for as long as we do.
struct Lines<'a>(&'a [u8]);

impl<'a> Lines<'a> {
    /// The value from `first` on, with the lines that continue it (RFC 3261 7.3.1).
    fn unfold(&mut self, first: &'a [u8], head: &'a [u8]) -> &'a [u8] {
        let mut value = first;
        let at = head.len() - self.0.len() - 2 - first.len();
        while matches!(self.0.first(), Some(b' ' | b'\t')) && self.next().is_some() {
            value = head.get(at..head.len() - self.0.len() - 2).unwrap_or_default();
        }
        value
    }
}

impl<'a> Iterator for Lines<'a> {
    type Item = &'a [u8];

    fn next(&mut self) -> Option<&'a [u8]> {
        let bytes = self.0;
        let mut at = 0;
        while let Some(lf) = memchr(b'\n', bytes.get(at..)?) {
            at += lf + 1;
            if let Some((line, b"\r\n")) = bytes.get(..at)?.split_at_checked(at.checked_sub(2)?) {
                self.0 = bytes.get(at..)?;
                return (!line.is_empty()).then_some(line);
            }
        }
        None
    }
}

/// What stands behind the colon, if the line is a Content-Length.
fn length_value(line: &[u8]) -> Option<&[u8]> {
    if !matches!(line.first(), Some(b'c' | b'C' | b'l' | b'L')) {
        return None;
    }
    let (name, value) = line.split_at_checked(memchr(b':', line)?)?;
    let name = name.trim_ascii_end();
    //= rfc3261#section-20.14
    //# The compact form of the header field is l.
    let is_length = name.eq_ignore_ascii_case(b"Content-Length") || name.eq_ignore_ascii_case(b"l");
    is_length.then_some(value.get(1..)?)
}

fn number(value: &[u8]) -> Result<usize, Refusal> {
    let digits = value.trim_ascii();
    if digits.is_empty() || !digits.iter().all(u8::is_ascii_digit) {
        return Err(Refusal::LengthBad);
    }
    if digits.len() > LENGTH_DIGITS_MAX {
        return Err(Refusal::TooLong);
    }
    let len = digits.iter().fold(0u64, |sum, b| sum * 10 + u64::from(b - b'0'));
    usize::try_from(len).ok().filter(|len| *len <= MESSAGE_LEN_MAX).ok_or(Refusal::TooLong)
}

#[cfg(test)]
mod tests;
