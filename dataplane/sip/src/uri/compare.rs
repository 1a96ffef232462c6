//! Whether two URIs are equivalent (RFC 3261 19.1.4; RFC 3966 4 for tel).
//!
//! Parameters and header fields are looked up in sorted lists: a URI of thousands of them costs n
//! log n, not the square of it.

use std::collections::BTreeSet;

use super::{SipUri, TelUri, Uri};
use crate::lex;

pub(super) fn uris(a: Uri<'_>, b: Uri<'_>) -> bool {
    match (a, b) {
        (Uri::Sip(a), Uri::Sip(b)) => sip(a, b),
        (Uri::Tel(a), Uri::Tel(b)) => tel(a, b),
        (Uri::Other { scheme, rest }, Uri::Other { scheme: other, rest: tail }) => {
            scheme.eq_ignore_ascii_case(other) && rest == tail
        }
        (Uri::Sip(_), Uri::Tel(_) | Uri::Other { .. })
        | (Uri::Tel(_), Uri::Sip(_) | Uri::Other { .. })
        | (Uri::Other { .. }, Uri::Sip(_) | Uri::Tel(_)) => false,
    }
}

fn sip(a: SipUri<'_>, b: SipUri<'_>) -> bool {
    a.secure == b.secure
        && same_part(a.user, b.user)
        && same_part(a.password, b.password)
        && a.host.matches(b.host)
        && a.port == b.port
        && same_params(a, b)
        && headers(a) == headers(b)
}

/// Parameters sorted by their names in lower case, those of one name in their order.
type ByName<'a> = Vec<(Vec<u8>, Option<&'a [u8]>)>;

fn same_params(a: SipUri<'_>, b: SipUri<'_>) -> bool {
    let (a, b) = (by_name(a), by_name(b));
    params_agree(&a, &b) && params_agree(&b, &a)
}

fn by_name(uri: SipUri<'_>) -> ByName<'_> {
    let mut all: ByName<'_> =
        uri.params().map(|(name, value)| (name.to_ascii_lowercase(), value)).collect();
    all.sort_by(|(a, _), (b, _)| a.cmp(b));
    all
}

/// The first parameter called `name`.
fn find<'a>(all: &ByName<'a>, name: &[u8]) -> Option<Option<&'a [u8]>> {
    let at = all.partition_point(|(known, _)| known.as_slice() < name);
    all.get(at).filter(|(known, _)| known == name).map(|(_, value)| *value)
}

fn same_part(a: Option<&[u8]>, b: Option<&[u8]>) -> bool {
    match (a, b) {
        (None, None) => true,
        (Some(a), Some(b)) => same_text(a, b, Case::Counts),
        (None, Some(_)) | (Some(_), None) => false,
    }
}

//= rfc3261#section-19.1.4
//# -  Any uri-parameter appearing in both URIs must match.
//#
//# -  A user, ttl, or method uri-parameter appearing in only one URI
//# never matches, even if it contains the default value.
//#
//# -  A URI that includes an maddr parameter will not match a URI
//# that contains no maddr parameter.
//#
//# -  All other uri-parameters appearing in only one URI are
//# ignored when comparing the URIs.
fn params_agree(a: &ByName<'_>, b: &ByName<'_>) -> bool {
    a.iter().all(|(name, value)| match find(b, name) {
        Some(other) => match (*value, other) {
            (None, None) => true,
            (Some(value), Some(other)) => same_text(value, other, Case::Ignored),
            (None, Some(_)) | (Some(_), None) => false,
        },
        None => !decides_alone(name),
    })
}

/// `transport` is in the list of components whose absence differs from the default, and in the
/// clause's examples of URIs that are not equivalent.
fn decides_alone(name: &[u8]) -> bool {
    let names = [b"user".as_slice(), b"ttl", b"method", b"maddr", b"transport"];
    names.iter().any(|n| name.eq_ignore_ascii_case(n))
}

//= rfc3261#section-19.1.4
//# Any present header
//# component MUST be present in both URIs and match for the URIs
//# to match.
fn headers(uri: SipUri<'_>) -> BTreeSet<(Text, Text)> {
    let text = |text: &[u8]| normal(text, Case::Ignored).collect();
    uri.headers().map(|(name, value)| (text(name), text(value.unwrap_or_default()))).collect()
}

fn tel(a: TelUri<'_>, b: TelUri<'_>) -> bool {
    let digits = |uri: TelUri<'_>| uri.digits().map(|b| b.to_ascii_lowercase()).collect::<Vec<_>>();
    let params = |uri: TelUri<'_>| -> BTreeSet<(Vec<u8>, Option<Text>)> {
        let text = |text: &[u8]| normal(text, Case::Ignored).collect();
        uri.params().map(|(name, value)| (name.to_ascii_lowercase(), value.map(text))).collect()
    };
    a.is_global() == b.is_global() && digits(a) == digits(b) && params(a) == params(b)
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Case {
    Counts,
    Ignored,
}

//= rfc3261#section-19.1.4
//# o  Characters other than those in the "reserved" set (see RFC 2396
//# [5]) are equivalent to their ""%" HEX HEX" encoding.
fn same_text(a: &[u8], b: &[u8], case: Case) -> bool {
    normal(a, case).eq(normal(b, case))
}

/// A text in the form that compares: its bytes, and whether each is a reserved one that was
/// escaped.
type Text = Vec<(u8, bool)>;

fn normal(text: &[u8], case: Case) -> impl Iterator<Item = (u8, bool)> + '_ {
    lex::unescape(text).map(move |(byte, escaped)| {
        let byte = if case == Case::Ignored { byte.to_ascii_lowercase() } else { byte };
        (byte, escaped && is_reserved(byte))
    })
}

fn is_reserved(byte: u8) -> bool {
    b";/?:@&=+$,".contains(&byte)
}
