//! Whether two URIs are equivalent (RFC 3261 19.1.4; RFC 3966 4 for tel).

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
        && params_agree(a, b)
        && params_agree(b, a)
        && headers_within(a, b)
        && headers_within(b, a)
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
fn params_agree(a: SipUri<'_>, b: SipUri<'_>) -> bool {
    a.params().all(|(name, value)| match b.param(name) {
        Some(other) => match (value, other) {
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
fn headers_within(a: SipUri<'_>, b: SipUri<'_>) -> bool {
    a.headers().all(|(name, value)| {
        b.headers().any(|(other, tail)| {
            same_text(name, other, Case::Ignored)
                && same_text(value.unwrap_or_default(), tail.unwrap_or_default(), Case::Ignored)
        })
    })
}

fn tel(a: TelUri<'_>, b: TelUri<'_>) -> bool {
    let digits = |uri: TelUri<'_>| uri.digits().map(|b| b.to_ascii_lowercase()).collect::<Vec<_>>();
    let within = |a: TelUri<'_>, b: TelUri<'_>| {
        a.params().all(|(name, value)| {
            b.params().any(|(other, tail)| {
                name.eq_ignore_ascii_case(other)
                    && match (value, tail) {
                        (None, None) => true,
                        (Some(value), Some(tail)) => same_text(value, tail, Case::Ignored),
                        (None, Some(_)) | (Some(_), None) => false,
                    }
            })
        })
    };
    a.is_global() == b.is_global() && digits(a) == digits(b) && within(a, b) && within(b, a)
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
    let normal = |(byte, escaped): (u8, bool)| {
        let byte = if case == Case::Ignored { byte.to_ascii_lowercase() } else { byte };
        (byte, escaped && is_reserved(byte))
    };
    lex::unescape(a).map(normal).eq(lex::unescape(b).map(normal))
}

fn is_reserved(byte: u8) -> bool {
    b";/?:@&=+$,".contains(&byte)
}
