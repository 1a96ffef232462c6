//! Attributes that some servers know: what a row says of them, as octets and back.

use strowger_model::{RadiusAttribute, RadiusServer, RadiusValue};
use strowger_radius::{ATTRIBUTE_MAX, BadPacket, Reply, Request, kind};

/// A service that only checks a call (RFC 2865 section 5.6).
const CALL_CHECK: u32 = 10;
/// No line of ours (RFC 2865 section 5.41).
const VIRTUAL: u32 = 5;
/// Octets of a vendor's number, and of the type and length behind it.
const VENDOR_HEAD: usize = 6;

/// A text as far as an attribute holds it.
fn cut(text: &str, most: usize) -> &[u8] {
    text.as_bytes().get(..most).unwrap_or(text.as_bytes())
}

/// Adds a text, unless it is empty: no attribute is (RFC 2865 section 5).
pub(super) fn put_text(request: &mut Request, kind: u8, text: &str) -> Result<(), BadPacket> {
    if text.is_empty() { Ok(()) } else { request.put(kind, cut(text, ATTRIBUTE_MAX)) }
}

/// What every server is told of a call: who calls, whom, and who we are.
pub(super) fn put_call(
    request: &mut Request,
    row: &RadiusServer,
    (caller, from, called): (&str, &str, &str),
) -> Result<(), BadPacket> {
    let name = [caller, from, "anonymous"].into_iter().find(|name| !name.is_empty());
    put_text(request, kind::USER_NAME, name.unwrap_or_default())?;
    put_text(request, kind::CALLING_STATION_ID, caller)?;
    put_text(request, kind::CALLED_STATION_ID, called)?;
    put_text(request, kind::NAS_IDENTIFIER, &row.nas_identifier)?;
    request.put_number(kind::SERVICE_TYPE, CALL_CHECK)?;
    request.put_number(kind::NAS_PORT_TYPE, VIRTUAL)
}

/// Adds what this server is told beside that; `of` gives a value, or nothing. What has no room in a
/// packet is left out.
pub(super) fn put_own(
    request: &mut Request,
    row: &RadiusServer,
    of: impl Fn(RadiusValue) -> Option<String>,
) {
    for attribute in &row.attributes {
        let Some(value) = of(attribute.holds).filter(|value| !value.is_empty()) else { continue };
        let RadiusAttribute { vendor, number, label, .. } = attribute;
        let text = if label.is_empty() { value } else { format!("{label}={value}") };
        let _left_out = match vendor {
            0 => put_text(request, *number, &text),
            _ => request.put_vendor(*vendor, *number, cut(&text, ATTRIBUTE_MAX - VENDOR_HEAD)),
        };
    }
}

/// The numbers that a server says by its own attributes for this.
pub(super) fn said(reply: &Reply, row: &RadiusServer, holds: RadiusValue) -> Vec<u32> {
    let mut numbers = Vec::new();
    for attribute in row.attributes.iter().filter(|attribute| attribute.holds == holds) {
        let RadiusAttribute { vendor, number, label, .. } = attribute;
        match vendor {
            0 => {
                let own = reply.attributes().filter(|one| one.kind == *number);
                numbers.extend(own.filter_map(|one| read(one.value, label)));
            }
            _ => {
                let own = reply.vendor_values(*vendor, *number);
                numbers.extend(own.filter_map(|value| read(value, label)));
            }
        }
    }
    numbers
}

/// A number in digits behind its label; without a label four octets that are not all digits are
/// one too.
fn read(value: &[u8], label: &str) -> Option<u32> {
    let text = core::str::from_utf8(value).ok();
    let digits = match (text, label) {
        (Some(text), "") => Some(text),
        (Some(text), label) => text.strip_prefix(label)?.strip_prefix('='),
        (None, _) => None,
    };
    let digits = digits.filter(|text| text.bytes().all(|byte| byte.is_ascii_digit()));
    match digits {
        Some(digits) => digits.parse().ok(),
        None if label.is_empty() => value.try_into().ok().map(u32::from_be_bytes),
        None => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_read_as_digits_or_octets() {
        for (value, label, expect) in [
            (&b"60"[..], "", Some(60)),
            (b"3600", "", Some(3_600)),
            (&[0, 0, 0, 60], "", Some(60)),
            (b"", "", None),
            (b"-1", "", None),
            (b"99999999999", "", None),
            (b"h323-credit-time=60", "h323-credit-time", Some(60)),
            (b"h323-credit-time=", "h323-credit-time", None),
            (b"h323-credit-time", "h323-credit-time", None),
            (b"h323-return-code=0", "h323-credit-time", None),
            (&[0, 0, 0, 60], "h323-credit-time", None),
            (&[0xff, 0xff, 0xff, 0xff], "", Some(u32::MAX)),
        ] {
            assert_eq!(read(value, label), expect, "{value:?} {label}");
        }
    }
}
