//! Lexical elements of RFC 3261 25.1, shared by every typed view.
//!
//! Values come out of an indexed message, where a CR or LF can only be part of a fold; so CR and LF
//! count as white space here.

use std::borrow::Cow;

/// What a byte may be part of; several bits a byte.
const TOKEN: u8 = 1;
const USER: u8 = 2;
const PARAM: u8 = 4;

const CLASSES: [u8; 256] = classes();

const fn classes() -> [u8; 256] {
    let mut table = [0u8; 256];
    let mut byte = 0usize;
    while byte < 256 {
        let b = byte as u8;
        if b.is_ascii_alphanumeric() {
            table[byte] = TOKEN | USER | PARAM;
        }
        byte += 1;
    }
    mark(&mut table, b"-.!%*_+`'~", TOKEN);
    mark(&mut table, b"-_.!~*'()", USER | PARAM);
    // '#' is not in the grammar, but phones send service codes (`*21#`) unescaped.
    mark(&mut table, b"&=+$,;?/%#", USER);
    mark(&mut table, b"[]/:&+$%", PARAM);
    table
}

const fn mark(table: &mut [u8; 256], bytes: &[u8], class: u8) {
    let mut at = 0;
    while at < bytes.len() {
        table[bytes[at] as usize] |= class;
        at += 1;
    }
}

const fn is(byte: u8, class: u8) -> bool {
    CLASSES[byte as usize] & class != 0
}

/// `token` of RFC 3261 25.1.
pub(crate) const fn is_token(byte: u8) -> bool {
    is(byte, TOKEN)
}

/// A byte of the `user` or `password` part of a SIP URI, `%` included.
pub(crate) const fn is_user(byte: u8) -> bool {
    is(byte, USER)
}

/// `paramchar` of a SIP URI, `%` included.
pub(crate) const fn is_uri_param(byte: u8) -> bool {
    is(byte, PARAM)
}

/// Linear white space, folds included.
pub(crate) const fn is_lws(byte: u8) -> bool {
    matches!(byte, b' ' | b'\t' | b'\r' | b'\n')
}

/// A byte of an unquoted parameter value: `token` or `host`, and whatever else cannot be mistaken
/// for a separator (peers put `@` and `{` into branches).
pub(crate) const fn is_param_value(byte: u8) -> bool {
    byte > b' ' && byte != 0x7f && !matches!(byte, b';' | b',' | b'"' | b'<' | b'>' | b'\\')
}

/// `bytes` without white space at both ends.
pub(crate) fn trim(bytes: &[u8]) -> &[u8] {
    trim_end(trim_start(bytes))
}

/// `value` with its line breaks made spaces: what is kept beyond its message must not hold folds.
pub(crate) fn unfolded(value: &[u8]) -> Cow<'_, [u8]> {
    if memchr::memchr2(b'\r', b'\n', value).is_none() {
        return Cow::Borrowed(value);
    }
    value.iter().map(|b| if matches!(b, b'\r' | b'\n') { b' ' } else { *b }).collect()
}

pub(crate) fn trim_start(mut bytes: &[u8]) -> &[u8] {
    while let [first, rest @ ..] = bytes
        && is_lws(*first)
    {
        bytes = rest;
    }
    bytes
}

pub(crate) fn trim_end(mut bytes: &[u8]) -> &[u8] {
    while let [rest @ .., last] = bytes
        && is_lws(*last)
    {
        bytes = rest;
    }
    bytes
}

/// `1*token` and nothing else.
pub(crate) fn all_token(bytes: &[u8]) -> bool {
    !bytes.is_empty() && bytes.iter().all(|b| is_token(*b))
}

/// Decimal digits and nothing else, as a number; `None` when malformed or above `max`.
pub(crate) fn number(bytes: &[u8], max: u64) -> Option<u64> {
    if bytes.is_empty() {
        return None;
    }
    let mut value = 0u64;
    for byte in bytes {
        let digit = byte.checked_sub(b'0').filter(|d| *d <= 9)?;
        value = value.checked_mul(10)?.checked_add(u64::from(digit))?;
        if value > max {
            return None;
        }
    }
    Some(value)
}

/// Decimal digits as a `u32`, the largest one when the number is larger (`delta-seconds`).
pub(crate) fn number_saturating(bytes: &[u8]) -> Option<u32> {
    if bytes.is_empty() || !bytes.iter().all(u8::is_ascii_digit) {
        return None;
    }
    Some(number(bytes, u64::from(u32::MAX)).and_then(|n| u32::try_from(n).ok()).unwrap_or(u32::MAX))
}

/// The value of one hexadecimal digit.
pub(crate) const fn hex(byte: u8) -> Option<u8> {
    match byte {
        b'0'..=b'9' => Some(byte - b'0'),
        b'a'..=b'f' => Some(byte - b'a' + 10),
        b'A'..=b'F' => Some(byte - b'A' + 10),
        _ => None,
    }
}

/// Whether each `%` begins `"%" HEXDIG HEXDIG`.
pub(crate) fn escapes_whole(bytes: &[u8]) -> bool {
    let mut rest = bytes;
    while let Some(at) = memchr::memchr(b'%', rest) {
        let digits = rest.get(at + 1..at + 3).unwrap_or_default();
        if digits.len() != 2 || !digits.iter().all(u8::is_ascii_hexdigit) {
            return false;
        }
        rest = rest.get(at + 3..).unwrap_or_default();
    }
    true
}

/// The bytes of a URI component one by one: (byte, whether it was written as `%HH`).
pub(crate) fn unescape(bytes: &[u8]) -> impl Iterator<Item = (u8, bool)> + '_ {
    let mut rest = bytes;
    std::iter::from_fn(move || {
        if let [b'%', high, low, tail @ ..] = rest
            && let (Some(high), Some(low)) = (hex(*high), hex(*low))
        {
            rest = tail;
            return Some((high * 16 + low, true));
        }
        let (first, tail) = rest.split_first()?;
        rest = tail;
        Some((*first, false))
    })
}

/// A place in a value, moved forward by the elements it has passed.
#[derive(Clone, Copy)]
pub(crate) struct Cursor<'a> {
    rest: &'a [u8],
}

impl<'a> Cursor<'a> {
    pub(crate) const fn new(bytes: &'a [u8]) -> Self {
        Cursor { rest: bytes }
    }

    /// What has not been passed yet.
    pub(crate) const fn rest(&self) -> &'a [u8] {
        self.rest
    }

    pub(crate) fn peek(&self) -> Option<u8> {
        self.rest.first().copied()
    }

    pub(crate) fn skip_lws(&mut self) -> &mut Self {
        self.rest = trim_start(self.rest);
        self
    }

    /// Passes `byte` if it comes next.
    pub(crate) fn eat(&mut self, byte: u8) -> bool {
        match self.rest.split_first() {
            Some((first, tail)) if *first == byte => {
                self.rest = tail;
                true
            }
            Some(_) | None => false,
        }
    }

    /// Passes a separator with white space on both sides, as `SLASH`, `SEMI` and `EQUAL` allow.
    pub(crate) fn eat_separator(&mut self, byte: u8) -> bool {
        let mut ahead = *self;
        if !ahead.skip_lws().eat(byte) {
            return false;
        }
        ahead.skip_lws();
        *self = ahead;
        true
    }

    /// Passes the longest run of bytes that `wanted` accepts; may be empty.
    pub(crate) fn take_while(&mut self, wanted: impl Fn(u8) -> bool) -> &'a [u8] {
        let len = self.rest.iter().position(|b| !wanted(*b)).unwrap_or(self.rest.len());
        let (taken, tail) = self.rest.split_at_checked(len).unwrap_or((self.rest, &[]));
        self.rest = tail;
        taken
    }

    /// Passes a `token` of at least one byte.
    pub(crate) fn token(&mut self) -> Option<&'a [u8]> {
        Some(self.take_while(is_token)).filter(|t| !t.is_empty())
    }

    /// Passes a quoted string; gives what stands between the quotes, escapes left as they are.
    pub(crate) fn quoted(&mut self) -> Option<&'a [u8]> {
        if self.peek() != Some(b'"') {
            return None;
        }
        let body = self.rest.get(1..)?;
        let mut at = 0;
        loop {
            match *body.get(at)? {
                b'"' => break,
                b'\\' if !matches!(*body.get(at + 1)?, b'\r' | b'\n' | 0x80..) => at += 2,
                b'\\' => return None,
                byte if is_lws(byte) || (byte >= b' ' && byte != 0x7f) => at += 1,
                _ => return None,
            }
        }
        self.rest = body.get(at + 1..)?;
        body.get(..at)
    }

    /// Passes everything up to `byte` and `byte` itself; gives what stood before it.
    pub(crate) fn until(&mut self, byte: u8) -> Option<&'a [u8]> {
        let at = memchr::memchr(byte, self.rest)?;
        let before = self.rest.get(..at)?;
        self.rest = self.rest.get(at + 1..)?;
        Some(before)
    }

    /// Whether only white space is left.
    pub(crate) fn at_end(&mut self) -> bool {
        self.skip_lws().rest.is_empty()
    }
}
