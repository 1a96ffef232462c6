//! Small readers and writers of the grammar.

use std::fmt;
use std::io::Write;
use std::net::IpAddr;

/// A decimal number: digits only, no sign, no space, within `T`.
pub(crate) fn number<T: TryFrom<u64>>(text: &[u8]) -> Option<T> {
    const DIGITS_MAX: usize = 20;
    if text.is_empty() || text.len() > DIGITS_MAX {
        return None;
    }
    let mut total = 0u64;
    for digit in text {
        let value = u64::from(digit.checked_sub(b'0').filter(|value| *value <= 9)?);
        total = total.checked_mul(10)?.checked_add(value)?;
    }
    T::try_from(total).ok()
}

/// Fields between runs of spaces: peers put two where the grammar has one.
pub(crate) fn fields(text: &[u8]) -> impl Iterator<Item = &[u8]> {
    text.split(|octet| *octet == b' ').filter(|field| !field.is_empty())
}

/// Octets that are looked at at once.
const CHUNK: usize = 16;

/// Offset of the first octet that is `wanted`. Most are not, so many are looked at at once, without
/// a branch for each.
#[inline]
pub(crate) fn find(text: &[u8], wanted: impl Fn(u8) -> bool) -> Option<usize> {
    let (chunks, _) = text.as_chunks::<CHUNK>();
    let has_none =
        |chunk: &&[u8; CHUNK]| !chunk.iter().fold(false, |found, octet| found | wanted(*octet));
    let passed = CHUNK * chunks.iter().take_while(has_none).count();
    let rest = text.get(passed..)?;
    Some(passed + rest.iter().position(|octet| wanted(*octet))?)
}

/// Splits at the first `separator`, which belongs to neither part.
pub(crate) fn split_once(text: &[u8], separator: u8) -> Option<(&[u8], &[u8])> {
    let at = text.iter().position(|octet| *octet == separator)?;
    Some((text.get(..at)?, text.get(at + 1..)?))
}

/// Appends a number in decimal, without the machinery of `format!`.
pub(crate) fn decimal(out: &mut Vec<u8>, number: u64) {
    const DIGITS_MAX: usize = 20;
    let (mut digits, mut at, mut rest) = ([b'0'; DIGITS_MAX], DIGITS_MAX, number);
    loop {
        at = at.saturating_sub(1);
        if let Some(digit) = digits.get_mut(at) {
            // Below ten.
            *digit = b'0' + (rest % 10) as u8;
        }
        rest /= 10;
        if rest == 0 {
            return out.extend_from_slice(digits.get(at..).unwrap_or_default());
        }
    }
}

/// Appends an address.
pub(crate) fn address(out: &mut Vec<u8>, address: IpAddr) {
    let IpAddr::V4(address) = address else { return append(out, format_args!("{address}")) };
    for (place, octet) in address.octets().into_iter().enumerate() {
        if place > 0 {
            out.push(b'.');
        }
        decimal(out, octet.into());
    }
}

/// Appends formatted text. Writing to a vector cannot fail.
pub(crate) fn append(out: &mut Vec<u8>, text: fmt::Arguments<'_>) {
    let written = out.write_fmt(text);
    debug_assert!(written.is_ok(), "a vector takes all there is");
}

#[cfg(test)]
mod tests {
    use super::{address, decimal, fields, find, number, split_once};

    #[test]
    fn numbers_and_addresses_are_written_as_the_standard_library_writes_them() {
        for value in [0, 7, 10, 99, 100, 65_535, u64::from(u32::MAX), u64::MAX - 1, u64::MAX] {
            let mut out = Vec::new();
            decimal(&mut out, value);
            assert_eq!(out, value.to_string().into_bytes());
        }
        for text in ["0.0.0.0", "10.0.0.1", "203.0.113.99", "255.255.255.255", "::", "2001:db8::7"]
        {
            let mut out = Vec::new();
            address(&mut out, text.parse().unwrap());
            assert_eq!(out, text.as_bytes());
        }
    }

    #[test]
    fn numbers_are_digits_within_their_type() {
        assert_eq!(number::<u16>(b"0"), Some(0));
        assert_eq!(number::<u16>(b"065535"), Some(65_535));
        assert_eq!(number::<u16>(b"65536"), None);
        assert_eq!(number::<u64>(b"18446744073709551615"), Some(u64::MAX));
        assert_eq!(number::<u64>(b"18446744073709551616"), None);
        for text in [&b""[..], b"-1", b"+1", b" 1", b"1 ", b"0x1", b"1.0", &[b'0'; 21]] {
            assert_eq!(number::<u64>(text), None, "{text:?}");
        }
    }

    #[test]
    fn the_first_octet_that_is_wanted_is_found() {
        for len in 0..70 {
            let mut text = vec![b'a'; len];
            assert_eq!(find(&text, |octet| octet == b'x'), None, "{len}");
            for at in (0..len).rev() {
                text[at] = b'x';
                assert_eq!(find(&text, |octet| octet == b'x'), Some(at), "{len}");
            }
        }
    }

    #[test]
    fn fields_stand_between_runs_of_spaces() {
        assert_eq!(fields(b" a  b c ").collect::<Vec<_>>(), [b"a", b"b", b"c"]);
        assert_eq!(split_once(b"a:b:c", b':'), Some((&b"a"[..], &b"b:c"[..])));
        assert_eq!(split_once(b"a", b':'), None);
    }
}
