//! Bytes sixteen and eight at a time: searches in lines and values, which are so short that a call
//! of `memchr` costs more than the search.
//!
//! What is asked of all sixteen bytes of a chunk without a branch, the compiler asks of them at
//! once (SSE2, NEON); where in the chunk it is, two words of eight bytes say.

const ONES: u64 = 0x0101_0101_0101_0101;
const HIGHS: u64 = 0x8080_8080_8080_8080;

/// A word of eight such bytes.
pub(crate) const fn of(byte: u8) -> u64 {
    ONES * byte as u64
}

/// The high bit of the first byte that is 0, and perhaps of later bytes.
pub(crate) const fn zeros(word: u64) -> u64 {
    word.wrapping_sub(ONES) & !word & HIGHS
}

/// The high bit of the first byte below `least`, which is at most 128, and perhaps of later bytes.
const fn below(word: u64, least: u8) -> u64 {
    word.wrapping_sub(of(least)) & !word & HIGHS
}

/// The place of the byte whose high bit is the lowest one of `hits`, which is not 0.
pub(crate) const fn place(hits: u64) -> usize {
    hits.trailing_zeros() as usize / 8
}

/// Whether any of the sixteen bytes is one.
#[inline]
pub(crate) fn any(chunk: &[u8; 16], is_one: impl Fn(u8) -> bool) -> bool {
    chunk.iter().fold(false, |any, byte| any | is_one(*byte))
}

/// The first of sixteen bytes that is one, told by words; 16 when none is.
#[inline]
fn place_in(chunk: &[u8; 16], hits: impl Fn(u64) -> u64) -> usize {
    let (words, _) = chunk.as_chunks::<8>();
    let mut at = 0;
    for word in words {
        let hits = hits(u64::from_le_bytes(*word));
        if hits != 0 {
            return at + place(hits);
        }
        at += 8;
    }
    at
}

/// The offset of the first byte that is one: `is_one` asks one byte, `hits` a word.
#[inline]
fn search(
    bytes: &[u8],
    is_one: impl Fn(u8) -> bool + Copy,
    hits: impl Fn(u64) -> u64 + Copy,
) -> Option<usize> {
    let (chunks, rest) = bytes.as_chunks::<16>();
    let mut at = 0;
    for chunk in chunks {
        if any(chunk, is_one) {
            return Some(at + place_in(chunk, hits));
        }
        at += 16;
    }
    match bytes.last_chunk::<16>() {
        // Once more over bytes that are known to be none.
        Some(last) if !rest.is_empty() => {
            any(last, is_one).then(|| bytes.len() - 16 + place_in(last, hits))
        }
        Some(_) => None,
        None => bytes.iter().position(|byte| is_one(*byte)),
    }
}

/// The offset of the first `byte`.
#[inline]
pub(crate) fn find(byte: u8, bytes: &[u8]) -> Option<usize> {
    search(bytes, |b| b == byte, |word| zeros(word ^ of(byte)))
}

/// The offset of the first of two bytes.
#[inline]
pub(crate) fn find2(one: u8, two: u8, bytes: &[u8]) -> Option<usize> {
    let hits = |word| zeros(word ^ of(one)) | zeros(word ^ of(two));
    search(bytes, |b| (b == one) | (b == two), hits)
}

/// The offset of the first `byte`, space or control.
#[inline]
pub(crate) fn find_or_space(byte: u8, bytes: &[u8]) -> Option<usize> {
    let hits = |word| zeros(word ^ of(byte)) | below(word, b' ' + 1);
    search(bytes, |b| (b == byte) | (b <= b' '), hits)
}

/// The offset of the first CR or LF.
#[inline]
pub(crate) fn find_line_break(bytes: &[u8]) -> Option<usize> {
    // Nearly always the first control is the end of the line.
    let at = search(bytes, |b| b < b' ', |word| below(word, b' '))?;
    match bytes.get(at) {
        Some(b'\r' | b'\n') => Some(at),
        Some(_) | None => behind_control(bytes, at),
    }
}

#[cold]
fn behind_control(bytes: &[u8], at: usize) -> Option<usize> {
    find2(b'\r', b'\n', bytes.get(at..)?).map(|place| at + place)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Every place in texts around each bound, among bytes that differ from what is looked for in
    /// one bit or by one.
    #[test]
    fn what_stands_first_is_found_first() {
        let fillers = [b'a', b' ', 0x8d, 0x8a, 0xba, b';', b'9', 0xff, 0x0e, 0x0b, 0, b'\t', 0x7f];
        for len in [0, 1, 7, 8, 9, 15, 16, 17, 127, 128, 129, 135, 136, 137, 300] {
            for filler in fillers {
                let plain = vec![filler; len];
                assert_eq!(find(b':', &plain), None);
                assert_eq!(find2(b':', b'\r', &plain), None);
                assert_eq!(find_line_break(&plain), None);
                for at in 0..len {
                    let mut bytes = plain.clone();
                    bytes[at..].fill(b':');
                    assert_eq!(find(b':', &bytes), Some(at), "{filler} {len}");
                    assert_eq!(find2(b'\r', b':', &bytes), Some(at), "{filler} {len}");
                    bytes[at] = b'\r';
                    assert_eq!(find2(b'\r', b':', &bytes), Some(at), "{filler} {len}");
                    assert_eq!(find_line_break(&bytes), Some(at), "{filler} {len}");
                    bytes[at] = b'\n';
                    assert_eq!(find_line_break(&bytes), Some(at), "{filler} {len}");
                }
            }
        }
    }

    #[test]
    fn a_control_in_front_of_a_line_break_hides_it_not() {
        for gap in 0..20 {
            let text = [b"ab\t".as_slice(), &vec![b'x'; gap], b"\x01\x00yy\r\n"].concat();
            assert_eq!(find_line_break(&text), Some(gap + 7));
        }
    }
}
