//! Header fields of a few words or numbers.

use super::Params;
use crate::lex::{self, Class, Cursor};
use crate::method::Method;

//= rfc3261#section-8.1.1.5
//# The sequence number value MUST be expressible as a 32-bit unsigned
//# integer and MUST be less than 2**31.
const CSEQ_MAX: u64 = (1 << 31) - 1;

/// CSeq (RFC 3261 20.16).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct CSeq<'a> {
    /// The sequence number.
    pub number: u32,
    /// The method.
    pub method: Method,
    /// The method as written.
    pub name: &'a [u8],
}

impl<'a> CSeq<'a> {
    /// All of `value`.
    #[must_use]
    pub fn parse(value: &'a [u8]) -> Option<CSeq<'a>> {
        let mut cursor = Cursor::new(value);
        let digits = cursor.skip_lws().take_while(|b| b.is_ascii_digit());
        let number = u32::try_from(lex::number(digits, CSEQ_MAX)?).ok()?;
        cursor.peek().filter(|b| lex::is_lws(*b))?;
        let name = cursor.skip_lws().token()?;
        cursor.at_end().then_some(CSeq { number, method: Method::parse(name), name })
    }
}

/// Content-Type (RFC 3261 20.15): `type/subtype;parameters`.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct MediaType<'a> {
    /// The type, as `application`.
    pub kind: &'a [u8],
    /// The subtype, as `sdp`.
    pub subtype: &'a [u8],
    /// The parameters.
    pub params: Params<'a>,
}

impl<'a> MediaType<'a> {
    /// All of `value`.
    #[must_use]
    pub fn parse(value: &'a [u8]) -> Option<MediaType<'a>> {
        let mut cursor = Cursor::new(value);
        let kind = cursor.skip_lws().token()?;
        cursor.eat_separator(b'/').then_some(())?;
        let subtype = cursor.token()?;
        let params = Params::parse(cursor.rest())?;
        Some(MediaType { kind, subtype, params })
    }

    /// Whether it is `kind/subtype`, case aside.
    #[must_use]
    pub fn is(self, kind: &str, subtype: &str) -> bool {
        self.kind.eq_ignore_ascii_case(kind.as_bytes())
            && self.subtype.eq_ignore_ascii_case(subtype.as_bytes())
    }
}

/// One element of Reason (RFC 3326): `Q.850;cause=16;text="..."`.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Reason<'a> {
    /// The protocol, as `Q.850` or `SIP`.
    pub protocol: &'a [u8],
    /// The cause, 0 to 999.
    pub cause: Option<u16>,
    /// The text, escapes left as they are.
    pub text: Option<&'a [u8]>,
}

impl<'a> Reason<'a> {
    /// All of one element.
    #[must_use]
    pub fn parse(value: &'a [u8]) -> Option<Reason<'a>> {
        let mut cursor = Cursor::new(value);
        let protocol = cursor.skip_lws().token()?;
        let params = Params::parse(cursor.rest())?;
        let cause = params.value(b"cause").and_then(|digits| lex::number(digits, 999));
        let cause = cause.and_then(|cause| u16::try_from(cause).ok());
        Some(Reason { protocol, cause, text: params.value(b"text") })
    }
}

/// `delta-seconds`, saturated: RFC 3261 20.19 lets a large one stand for "very long".
pub(crate) fn delta_seconds(value: &[u8]) -> Option<u32> {
    lex::number_saturating(value)
}

/// A number with parameters: Session-Expires, Min-SE (RFC 4028).
pub(crate) fn parameterized_number(value: &[u8]) -> Option<(u32, Params<'_>)> {
    let mut cursor = Cursor::new(value);
    let digits = cursor.skip_lws().take(Class::DIGIT);
    Some((delta_seconds(digits)?, Params::parse(cursor.rest())?))
}

/// Retry-After: seconds, perhaps a comment, parameters; no longer than 2^32 - 1 s.
pub(crate) fn retry_after(value: &[u8]) -> Option<u32> {
    let mut cursor = Cursor::new(value);
    let digits = cursor.skip_lws().take(Class::DIGIT);
    let seconds = u32::try_from(lex::number(digits, u64::from(u32::MAX))?).ok()?;
    if cursor.skip_lws().peek() == Some(b'(') {
        let close = memchr::memrchr(b')', cursor.rest())?;
        cursor = Cursor::new(cursor.rest().get(close + 1..)?);
    }
    Params::parse(cursor.rest())?;
    Some(seconds)
}

/// One element of Warning: `3DIGIT SP agent SP quoted-string`.
pub(crate) fn is_warning(value: &[u8]) -> bool {
    let mut cursor = Cursor::new(value);
    let code = cursor.skip_lws().take(Class::DIGIT);
    let spaced = cursor.peek().is_some_and(lex::is_lws);
    let agent = cursor.skip_lws().take_while(|b| !lex::is_lws(b) && b != b'"');
    let text = cursor.skip_lws().quoted();
    code.len() == 3 && spaced && !agent.is_empty() && text.is_some() && cursor.at_end()
}

/// `word ["@" word]`, or any other visible text: Call-IDs are only ever compared byte by byte, and
/// some phones put base64 with its `=` into them.
pub(crate) fn is_call_id(value: &[u8]) -> bool {
    !value.is_empty() && Class::VISIBLE.has_all(value)
}
