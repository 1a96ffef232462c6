//! Lexical elements of RFC 3261 25.1, shared by every typed view.
//!
//! Values come out of an indexed message, where a CR or LF can only be part of a fold; so CR and LF
//! count as white space here.

use std::borrow::Cow;

use crate::word;

/// What bytes may be part of: one bit each, several bits a byte.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) struct Class(u16);

impl Class {
    /// `token` of RFC 3261 25.1.
    pub(crate) const TOKEN: Class = Class(1);
    /// The `user` or `password` part of a SIP URI, `%` included.
    pub(crate) const USER: Class = Class(2);
    /// `paramchar` of a SIP URI, `%` included.
    pub(crate) const URI_PARAM: Class = Class(4);
    /// An unquoted parameter value: `token` or `host`, and whatever else cannot be mistaken for a
    /// separator (peers put `@` and `{` into branches).
    pub(crate) const VALUE: Class = Class(8);
    /// Visible ASCII.
    pub(crate) const VISIBLE: Class = Class(16);
    /// A Request-URI: visible, and nothing that brackets a URI elsewhere.
    pub(crate) const URI: Class = Class(32);
    /// A host that is no IPv6 address; `_` is not in the grammar, but containers are called so.
    pub(crate) const HOST: Class = Class(64);
    /// Decimal digits.
    pub(crate) const DIGIT: Class = Class(128);
    /// What may stand between quotes: everything but controls, of which the line breaks of folds.
    pub(crate) const QUOTED: Class = Class(256);
    /// The digits and dots of an IPv4 address.
    pub(crate) const DOTTED: Class = Class(512);
    /// A URI outside angle brackets: solid, and none of what ends it or asks for the brackets.
    pub(crate) const BARE: Class = Class(1_024);

    /// Whether `byte` is one of these.
    pub(crate) const fn has(self, byte: u8) -> bool {
        CLASSES[byte as usize] & self.0 != 0
    }

    /// Whether all of `bytes` are, which may be none.
    ///
    /// Without a branch for each byte: nearly always all are.
    #[inline]
    pub(crate) fn has_all(self, bytes: &[u8]) -> bool {
        if self == Class::VISIBLE {
            return all_visible(bytes);
        }
        let (eights, rest) = bytes.as_chunks::<8>();
        let left = eights.iter().fold(self.0, |left, eight| left & common(eight));
        rest.iter().fold(left, |left, byte| left & CLASSES[usize::from(*byte)]) != 0
    }

    /// How many bytes at the beginning of `bytes` are.
    #[inline]
    pub(crate) fn run(self, bytes: &[u8]) -> usize {
        let (fours, _) = bytes.as_chunks::<4>();
        let mut len = 0;
        for four in fours {
            if common(four) & self.0 == 0 {
                break;
            }
            len += 4;
        }
        while bytes.get(len).is_some_and(|byte| self.has(*byte)) {
            len += 1;
        }
        len
    }
}

fn all_visible(bytes: &[u8]) -> bool {
    let is_hidden = |byte: u8| byte.wrapping_sub(b'!') > b'~' - b'!';
    let (chunks, rest) = bytes.as_chunks::<16>();
    !chunks.iter().any(|chunk| word::any(chunk, is_hidden)) && !rest.iter().any(|b| is_hidden(*b))
}

/// The classes that all of these bytes have.
#[inline]
fn common<const N: usize>(bytes: &[u8; N]) -> u16 {
    let mut left = u16::MAX;
    for byte in bytes {
        left &= CLASSES[usize::from(*byte)];
    }
    left
}

static CLASSES: [u16; 256] = classes();

const fn classes() -> [u16; 256] {
    let mut table = [0u16; 256];
    let mut byte = 0usize;
    while byte < 256 {
        table[byte] = ranges(byte as u8);
        byte += 1;
    }
    mark(&mut table, b"-.!%*_+`'~", Class::TOKEN);
    mark(&mut table, b"-_.!~*'()", Class::USER);
    // '#' is not in the grammar, but phones send service codes (`*21#`) unescaped.
    mark(&mut table, b"&=+$,;?/%#", Class::USER);
    mark(&mut table, b"-_.!~*'()[]/:&+$%", Class::URI_PARAM);
    mark(&mut table, b"-._", Class::HOST);
    mark(&mut table, b".", Class::DOTTED);
    table
}

/// The classes of a byte that are ranges with few exceptions.
const fn ranges(byte: u8) -> u16 {
    let mut bits = 0;
    if byte.is_ascii_alphanumeric() {
        bits |= Class::TOKEN.0 | Class::USER.0 | Class::URI_PARAM.0 | Class::HOST.0;
    }
    if byte.is_ascii_digit() {
        bits |= Class::DIGIT.0 | Class::DOTTED.0;
    }
    if byte > b' ' && byte != 0x7f && !matches!(byte, b';' | b',' | b'"' | b'<' | b'>' | b'\\') {
        bits |= Class::VALUE.0;
    }
    if byte.is_ascii_graphic() {
        bits |= Class::VISIBLE.0;
        if !matches!(byte, b'<' | b'>' | b'"') {
            bits |= Class::URI.0;
        }
    }
    if !is_lws(byte) && !matches!(byte, b';' | b',' | b'?' | b'<' | b'>' | b'"') {
        bits |= Class::BARE.0;
    }
    if is_lws(byte) || (byte >= b' ' && byte != 0x7f) {
        bits |= Class::QUOTED.0;
    }
    bits
}

const fn mark(table: &mut [u16; 256], bytes: &[u8], class: Class) {
    let mut at = 0;
    while at < bytes.len() {
        table[bytes[at] as usize] |= class.0;
        at += 1;
    }
}

/// `token` of RFC 3261 25.1.
pub(crate) const fn is_token(byte: u8) -> bool {
    Class::TOKEN.has(byte)
}

/// Linear white space, folds included.
pub(crate) const fn is_lws(byte: u8) -> bool {
    matches!(byte, b' ' | b'\t' | b'\r' | b'\n')
}

/// `bytes` without white space at both ends.
#[inline]
pub(crate) fn trim(bytes: &[u8]) -> &[u8] {
    trim_end(trim_start(bytes))
}

/// `value` with each fold and the white space around it made one space, as a writer makes it: what
/// is kept beyond its message must not hold folds.
pub(crate) fn unfolded(value: &[u8]) -> Cow<'_, [u8]> {
    if memchr::memchr2(b'\r', b'\n', value).is_none() {
        return Cow::Borrowed(value);
    }
    let (mut out, mut rest) = (Vec::with_capacity(value.len()), value);
    while let Some(at) = word::find2(b'\r', b'\n', rest) {
        let (text, tail) = rest.split_at_checked(at).unwrap_or((rest, &[]));
        out.extend_from_slice(trim_end(text));
        out.push(b' ');
        rest = trim_start(tail);
    }
    out.extend_from_slice(rest);
    Cow::Owned(out)
}

#[inline]
pub(crate) fn trim_start(mut bytes: &[u8]) -> &[u8] {
    while let [first, rest @ ..] = bytes
        && is_lws(*first)
    {
        bytes = rest;
    }
    bytes
}

#[inline]
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
    !bytes.is_empty() && Class::TOKEN.has_all(bytes)
}

/// So many digits never pass the range of a `u64`, whatever they are.
const DIGITS_SAFE: usize = 16;

/// Decimal digits and nothing else, as a number; `None` when malformed or above `max`.
pub(crate) fn number(bytes: &[u8], max: u64) -> Option<u64> {
    if bytes.is_empty() {
        return None;
    }
    if bytes.len() <= DIGITS_SAFE {
        let mut value = 0;
        for byte in bytes {
            let digit = byte.wrapping_sub(b'0');
            if digit > 9 {
                return None;
            }
            value = 10 * value + u64::from(digit);
        }
        return Some(value).filter(|value| *value <= max);
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
    if bytes.is_empty() || !Class::DIGIT.has_all(bytes) {
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
    while let Some(at) = word::find(b'%', rest) {
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

    /// Passes so many bytes, which are there.
    pub(crate) fn skip(&mut self, len: usize) {
        self.pass(len);
    }

    pub(crate) fn peek(&self) -> Option<u8> {
        self.rest.first().copied()
    }

    #[inline]
    pub(crate) fn skip_lws(&mut self) -> &mut Self {
        self.rest = trim_start(self.rest);
        self
    }

    /// Passes `byte` if it comes next.
    #[inline]
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
    #[inline]
    pub(crate) fn eat_separator(&mut self, byte: u8) -> bool {
        let mut ahead = *self;
        if !ahead.eat(byte) && !ahead.skip_lws().eat(byte) {
            return false;
        }
        ahead.skip_lws();
        *self = ahead;
        true
    }

    /// Passes the longest run of bytes of `class`; may be empty.
    #[inline]
    pub(crate) fn take(&mut self, class: Class) -> &'a [u8] {
        self.pass(class.run(self.rest))
    }

    /// Passes everything in front of `byte`, or all there is.
    pub(crate) fn take_before(&mut self, byte: u8) -> &'a [u8] {
        self.pass(word::find(byte, self.rest).unwrap_or(self.rest.len()))
    }

    /// Passes the longest run of bytes that `wanted` accepts; may be empty.
    pub(crate) fn take_while(&mut self, wanted: impl Fn(u8) -> bool) -> &'a [u8] {
        self.pass(self.rest.iter().position(|b| !wanted(*b)).unwrap_or(self.rest.len()))
    }

    #[inline]
    fn pass(&mut self, len: usize) -> &'a [u8] {
        let (taken, tail) = self.rest.split_at_checked(len).unwrap_or((self.rest, &[]));
        self.rest = tail;
        taken
    }

    /// Passes a `token` of at least one byte.
    #[inline]
    pub(crate) fn token(&mut self) -> Option<&'a [u8]> {
        Some(self.take(Class::TOKEN)).filter(|t| !t.is_empty())
    }

    /// Passes a quoted string; gives what stands between the quotes, escapes left as they are.
    pub(crate) fn quoted(&mut self) -> Option<&'a [u8]> {
        let body = self.rest.strip_prefix(b"\"")?;
        let mut at = 0;
        loop {
            at += word::find2(b'"', b'\\', body.get(at..)?)?;
            match *body.get(at)? {
                b'"' => break,
                // quoted-pair: any ASCII byte but CR and LF.
                _ if matches!(*body.get(at + 1)?, b'\r' | b'\n' | 0x80..) => return None,
                _ => at += 2,
            }
        }
        let text = body.get(..at)?;
        (Class::QUOTED.has_all(text) || only_pairs_break(text)).then_some(())?;
        self.rest = body.get(at + 1..)?;
        Some(text)
    }

    /// Passes everything up to `byte` and `byte` itself; gives what stood before it.
    pub(crate) fn until(&mut self, byte: u8) -> Option<&'a [u8]> {
        let at = word::find(byte, self.rest)?;
        let before = self.rest.get(..at)?;
        self.rest = self.rest.get(at + 1..)?;
        Some(before)
    }

    /// Whether only white space is left.
    pub(crate) fn at_end(&mut self) -> bool {
        self.skip_lws().rest.is_empty()
    }
}

/// Whether what may not stand between quotes stands behind backslashes only.
fn only_pairs_break(text: &[u8]) -> bool {
    let mut bytes = text.iter();
    while let Some(byte) = bytes.next() {
        if *byte == b'\\' {
            bytes.next();
        } else if !Class::QUOTED.has(*byte) {
            return false;
        }
    }
    true
}
