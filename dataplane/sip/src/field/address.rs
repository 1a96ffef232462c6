//! `name-addr` and `addr-spec` with parameters: From, To, Contact, Route and their kin.

use super::{Params, elements};
use crate::lex::{self, Class, Cursor};
use crate::uri::Uri;
use crate::word;

/// An address with perhaps a display name, and the parameters behind it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct NameAddr<'a> {
    /// The display name as written, quotes included; empty when there is none.
    pub display: &'a [u8],
    /// The URI as written, without angle brackets.
    pub uri: &'a [u8],
    /// Whether the URI stands in angle brackets.
    pub bracketed: bool,
    /// The parameters of the header field (not those of the URI).
    pub params: Params<'a>,
}

impl<'a> NameAddr<'a> {
    /// All of `value`. The URI itself is not taken apart: see [`NameAddr::parsed_uri`].
    #[must_use]
    pub fn parse(value: &'a [u8]) -> Option<NameAddr<'a>> {
        let mut cursor = Cursor::new(value);
        cursor.skip_lws();
        if cursor.peek() == Some(b'"') {
            let begin = cursor.rest();
            cursor.quoted()?;
            let len = begin.len() - cursor.rest().len();
            return bracketed(cursor, begin.get(..len)?);
        }
        if cursor.peek() == Some(b'<') {
            return bracketed(cursor, b"");
        }
        match memchr::memchr3(b'<', b';', b'"', cursor.rest()) {
            Some(at) if cursor.rest().get(at) == Some(&b'<') => {
                let display = lex::trim(cursor.rest().get(..at)?);
                cursor = Cursor::new(cursor.rest().get(at..)?);
                is_display(display).then_some(())?;
                bracketed(cursor, display)
            }
            Some(_) | None => bare(cursor),
        }
    }

    /// The URI taken apart; `None` when malformed.
    #[must_use]
    pub fn parsed_uri(self) -> Option<Uri<'a>> {
        Uri::parse(self.uri)
    }

    /// The tag parameter of From and To (RFC 3261 19.3).
    #[must_use]
    pub fn tag(self) -> Option<&'a [u8]> {
        self.params.value(b"tag")
    }

    /// The display name without quotes, escapes resolved, each white space as it is.
    #[must_use]
    pub fn display_text(self) -> Vec<u8> {
        let inner = self.display.strip_prefix(b"\"").and_then(|d| d.strip_suffix(b"\""));
        let Some(inner) = inner else { return self.display.to_vec() };
        let mut text = Vec::with_capacity(inner.len());
        let mut bytes = inner.iter().copied();
        while let Some(byte) = bytes.next() {
            match byte {
                b'\\' => text.extend(bytes.next()),
                _ => text.push(byte),
            }
        }
        text
    }
}

/// `LAQUOT addr-spec RAQUOT *(SEMI param)`; white space inside the brackets is not allowed.
fn bracketed<'a>(mut cursor: Cursor<'a>, display: &'a [u8]) -> Option<NameAddr<'a>> {
    cursor.skip_lws().eat(b'<').then_some(())?;
    let text = cursor.rest();
    let (uri, rest) = text.split_at_checked(word::find_or_space(b'>', text)?)?;
    let rest = rest.strip_prefix(b">").filter(|_| !uri.is_empty())?;
    let params = Params::parse(rest)?;
    Some(NameAddr { display, uri, bracketed: true, params })
}

//= rfc3261#section-20.10
//# Even if the "display-name" is empty, the "name-addr" form MUST be
//# used if the "addr-spec" contains a comma, semicolon, or question
//# mark.
fn bare(mut cursor: Cursor<'_>) -> Option<NameAddr<'_>> {
    let uri = cursor.take(Class::BARE);
    if uri.is_empty() {
        return None;
    }
    // What else ended it does not begin a parameter.
    let params = Params::parse(cursor.rest())?;
    Some(NameAddr { display: b"", uri, bracketed: false, params })
}

/// `*(token LWS)`. Bytes above 127 are not in the grammar outside quotes; phones send them, and
/// nothing else can be meant.
fn is_display(display: &[u8]) -> bool {
    display.iter().all(|b| lex::is_token(*b) || lex::is_lws(*b) || *b > 127)
}

/// A Contact field's value: `*`, or addresses.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Contacts<'a> {
    /// `*`: all bindings (REGISTER only, RFC 3261 10.2.2).
    All,
    /// Addresses, in this list.
    Some(&'a [u8]),
}

impl<'a> Contacts<'a> {
    /// All of `value`.
    #[must_use]
    pub fn parse(value: &'a [u8]) -> Option<Contacts<'a>> {
        if lex::trim(value) == b"*" {
            return Some(Contacts::All);
        }
        let each = |element| NameAddr::parse(element).is_some_and(|a| a.parsed_uri().is_some());
        let whole = !value.is_empty() && elements(value).all(each);
        whole.then_some(Contacts::Some(value))
    }

    /// The addresses; none for `*`.
    pub fn iter(self) -> impl Iterator<Item = NameAddr<'a>> {
        let list = match self {
            Contacts::All => &[][..],
            Contacts::Some(list) => list,
        };
        elements(list).filter_map(NameAddr::parse)
    }
}
