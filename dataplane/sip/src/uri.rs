//! SIP, SIPS and tel URIs (RFC 3261 19.1, RFC 3966): views, comparison, builder.

mod build;
mod compare;
mod host;

pub use build::UriBuilder;
pub use host::Host;

use std::borrow::Cow;

use crate::digits;
use crate::lex::{self, Class, Cursor};
use crate::limits::URI_MAX;
use crate::word;

/// A URI, taken apart as far as its scheme is known.
#[derive(Clone, Copy, Debug)]
pub enum Uri<'a> {
    /// `sip:` and `sips:`.
    Sip(SipUri<'a>),
    /// `tel:`.
    Tel(TelUri<'a>),
    /// Any other scheme.
    Other {
        /// The scheme as written.
        scheme: &'a [u8],
        /// What stands behind the colon.
        rest: &'a [u8],
    },
}

/// A SIP or SIPS URI.
#[derive(Clone, Copy, Debug)]
pub struct SipUri<'a> {
    /// Whether the scheme is `sips`.
    pub secure: bool,
    /// The user part as written; never empty.
    pub user: Option<&'a [u8]>,
    /// The password as written, perhaps empty.
    pub password: Option<&'a [u8]>,
    /// The host.
    pub host: Host<'a>,
    /// The port, when one is written.
    pub port: Option<u16>,
    /// `;name=value` as written, or empty.
    params: &'a [u8],
    /// What stands behind `?`, when there is one.
    headers: Option<&'a [u8]>,
}

/// A tel URI: a telephone number.
#[derive(Clone, Copy, Debug)]
pub struct TelUri<'a> {
    /// The number as written: digits, visual separators, a leading `+` when it is global.
    pub number: &'a [u8],
    /// `;name=value` as written, or empty.
    params: &'a [u8],
}

impl<'a> Uri<'a> {
    /// All of `text`; `None` when malformed or longer than `URI_MAX`.
    #[must_use]
    pub fn parse(text: &'a [u8]) -> Option<Uri<'a>> {
        if text.len() > URI_MAX {
            return None;
        }
        let colon = word::find(b':', text)?;
        let (scheme, rest) = (text.get(..colon)?, text.get(colon + 1..)?);
        if scheme.eq_ignore_ascii_case(b"sip") {
            return SipUri::parse(rest, false).map(Uri::Sip);
        }
        if scheme.eq_ignore_ascii_case(b"sips") {
            return SipUri::parse(rest, true).map(Uri::Sip);
        }
        if scheme.eq_ignore_ascii_case(b"tel") {
            return TelUri::parse(rest).map(Uri::Tel);
        }
        let named = scheme.first().is_some_and(u8::is_ascii_alphabetic)
            && scheme.iter().all(|b| b.is_ascii_alphanumeric() || b"+-.".contains(b));
        let visible = !rest.is_empty() && Class::VISIBLE.has_all(rest);
        (named && visible).then_some(Uri::Other { scheme, rest })
    }

    /// The SIP or SIPS URI in it.
    #[must_use]
    pub fn sip(self) -> Option<SipUri<'a>> {
        match self {
            Uri::Sip(uri) => Some(uri),
            Uri::Tel(_) | Uri::Other { .. } => None,
        }
    }

    /// The user part of a SIP URI or the number of a tel URI, escapes resolved.
    #[must_use]
    pub fn user(self) -> Option<Cow<'a, [u8]>> {
        match self {
            Uri::Sip(uri) => uri.user_text(),
            Uri::Tel(uri) => Some(Cow::Borrowed(uri.number)),
            Uri::Other { .. } => None,
        }
    }

    /// Whether both mean the same by RFC 3261 19.1.4 (SIP) or RFC 3966 4 (tel).
    #[must_use]
    pub fn matches(self, other: Uri<'_>) -> bool {
        compare::uris(self, other)
    }
}

impl<'a> SipUri<'a> {
    /// What stands behind `sip:` or `sips:`.
    fn parse(rest: &'a [u8], secure: bool) -> Option<SipUri<'a>> {
        let mut cursor = Cursor::new(rest);
        let (user, password) = match word::find(b'@', rest) {
            Some(at) => {
                cursor.skip(at + 1);
                userinfo(rest.get(..at)?)?
            }
            None => (None, None),
        };
        let host = Host::take(&mut cursor)?;
        let port = if cursor.eat(b':') {
            let digits = cursor.take(Class::DIGIT);
            Some(u16::try_from(lex::number(digits, u64::from(u16::MAX))?).ok()?)
        } else {
            None
        };
        if cursor.rest().is_empty() {
            return Some(SipUri { secure, user, password, host, port, params: &[], headers: None });
        }
        let params = cursor.take_before(b'?');
        is_params(params).then_some(())?;
        let headers = if cursor.eat(b'?') { Some(cursor.rest()) } else { None };
        headers.is_none_or(is_headers).then_some(())?;
        Some(SipUri { secure, user, password, host, port, params, headers })
    }

    /// The user part with its escapes resolved.
    #[must_use]
    pub fn user_text(self) -> Option<Cow<'a, [u8]>> {
        self.user.map(unescaped)
    }

    /// The parameters as written: (name, value).
    pub fn params(self) -> impl Iterator<Item = (&'a [u8], Option<&'a [u8]>)> {
        pairs(self.params, b';')
    }

    /// The parameter called `name`: `Some(None)` is a flag, as `;lr`.
    #[must_use]
    pub fn param(self, name: &[u8]) -> Option<Option<&'a [u8]>> {
        self.params().find(|(n, _)| n.eq_ignore_ascii_case(name)).map(|(_, value)| value)
    }

    /// Whether it is a loose router's URI (`;lr`, RFC 3261 19.1.1).
    #[must_use]
    pub fn is_loose_router(self) -> bool {
        self.param(b"lr").is_some()
    }

    /// Header fields behind `?`: (name, value), escapes left as they are.
    pub fn headers(self) -> impl Iterator<Item = (&'a [u8], Option<&'a [u8]>)> {
        pairs(self.headers.unwrap_or_default(), b'&')
    }

    /// The URI written out without its header fields and without the parameters that `drop` names.
    #[must_use]
    pub fn without(self, drop: impl Fn(&[u8]) -> bool) -> Vec<u8> {
        let mut out = if self.secure { b"sips:".to_vec() } else { b"sip:".to_vec() };
        if let Some(user) = self.user {
            out.extend_from_slice(user);
            if let Some(password) = self.password {
                out.push(b':');
                out.extend_from_slice(password);
            }
            out.push(b'@');
        }
        self.host.write(&mut out);
        if let Some(port) = self.port {
            out.push(b':');
            digits::decimal(&mut out, u32::from(port));
        }
        for (name, value) in self.params().filter(|(name, _)| !drop(name)) {
            out.push(b';');
            out.extend_from_slice(name);
            if let Some(value) = value {
                out.push(b'=');
                out.extend_from_slice(value);
            }
        }
        out
    }

    /// Whether it has header fields.
    #[must_use]
    pub const fn has_headers(self) -> bool {
        self.headers.is_some()
    }
}

impl<'a> TelUri<'a> {
    fn parse(rest: &'a [u8]) -> Option<TelUri<'a>> {
        let end = word::find(b';', rest).unwrap_or(rest.len());
        let (number, params) = rest.split_at_checked(end)?;
        let digits = number.strip_prefix(b"+").unwrap_or(number);
        let global = digits.len() != number.len();
        let phone = |b: &u8| match b {
            b'0'..=b'9' | b'-' | b'.' | b'(' | b')' => true,
            b'*' | b'#' | b'a'..=b'f' | b'A'..=b'F' => !global,
            _ => false,
        };
        let dialable = |b: &u8| b.is_ascii_hexdigit() || matches!(b, b'*' | b'#');
        let whole = digits.iter().any(dialable) && digits.iter().all(phone);
        (whole && is_params(params)).then_some(TelUri { number, params })
    }

    /// Whether the number is global (`+`), as opposed to local with a `phone-context`.
    #[must_use]
    pub fn is_global(self) -> bool {
        self.number.first() == Some(&b'+')
    }

    /// The parameters as written: (name, value).
    pub fn params(self) -> impl Iterator<Item = (&'a [u8], Option<&'a [u8]>)> {
        pairs(self.params, b';')
    }

    /// The dialled digits, visual separators left out, `+` kept.
    pub fn digits(self) -> impl Iterator<Item = u8> + 'a {
        self.number.iter().copied().filter(|b| !matches!(b, b'-' | b'.' | b'(' | b')'))
    }
}

/// User and password of a userinfo.
type Userinfo<'a> = (Option<&'a [u8]>, Option<&'a [u8]>);

fn userinfo(text: &[u8]) -> Option<Userinfo<'_>> {
    // Most users are a plain number or name.
    if word::find2(b':', b'%', text).is_none() {
        let whole = !text.is_empty() && Class::USER.has_all(text);
        return whole.then_some((Some(text), None));
    }
    let colon = word::find(b':', text).unwrap_or(text.len());
    let (user, password) = text.split_at_checked(colon)?;
    let password = password.get(1..);
    let valid = |part: &[u8]| Class::USER.has_all(part) && lex::escapes_whole(part);
    let whole = !user.is_empty() && valid(user) && password.is_none_or(valid);
    whole.then_some((Some(user), password))
}

/// `*(";" pname ["=" pvalue])`.
fn is_params(text: &[u8]) -> bool {
    let Some((first, rest)) = text.split_first() else { return true };
    let part = |p: &[u8]| !p.is_empty() && Class::URI_PARAM.has_all(p);
    *first == b';'
        && lex::escapes_whole(rest)
        && rest.split(|b| *b == b';').all(|param| {
            let mut halves = param.splitn(2, |b| *b == b'=');
            part(halves.next().unwrap_or_default()) && halves.next().is_none_or(part)
        })
}

/// `hname "=" hvalue *("&" ...)`; any visible byte, since the value is never read as SIP here.
fn is_headers(text: &[u8]) -> bool {
    Class::URI.has_all(text)
        && lex::escapes_whole(text)
        && text.split(|b| *b == b'&').all(|header| header.iter().position(|b| *b == b'=') > Some(0))
}

/// Parts of `text` between `separator`s, each split at its first `=`.
fn pairs(text: &[u8], separator: u8) -> impl Iterator<Item = (&[u8], Option<&[u8]>)> {
    let parts = text.split(move |b| *b == separator).filter(|part| !part.is_empty());
    parts.map(|part| match part.iter().position(|b| *b == b'=') {
        Some(at) => (part.get(..at).unwrap_or_default(), part.get(at + 1..)),
        None => (part, None),
    })
}

/// `text` with its `%HH` resolved; borrowed when it has none.
#[must_use]
pub fn unescaped(text: &[u8]) -> Cow<'_, [u8]> {
    if word::find(b'%', text).is_none() {
        return Cow::Borrowed(text);
    }
    Cow::Owned(lex::unescape(text).map(|(byte, _)| byte).collect())
}

#[cfg(test)]
mod tests;
