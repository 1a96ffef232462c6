//! Small readers and writers of the grammar.

use std::fmt;
use std::io::Write;

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

/// Appends formatted text. Writing to a vector cannot fail.
pub(crate) fn append(out: &mut Vec<u8>, text: fmt::Arguments<'_>) {
    let written = out.write_fmt(text);
    debug_assert!(written.is_ok(), "a vector takes all there is");
}

#[cfg(test)]
mod tests {
    use super::{fields, find, number, split_once};

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
