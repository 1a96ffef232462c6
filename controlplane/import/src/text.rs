//! From bytes to text: UTF-8, UTF-16 with or without its mark, Windows-1252.

use crate::ReadError;

/// What Windows-1252 has at 0x80 to 0x9f; the five places it leaves open are no text.
const HIGH: [Option<char>; 32] = [
    Some('€'),
    None,
    Some('‚'),
    Some('ƒ'),
    Some('„'),
    Some('…'),
    Some('†'),
    Some('‡'),
    Some('ˆ'),
    Some('‰'),
    Some('Š'),
    Some('‹'),
    Some('Œ'),
    None,
    Some('Ž'),
    None,
    None,
    Some('‘'),
    Some('’'),
    Some('“'),
    Some('”'),
    Some('•'),
    Some('–'),
    Some('—'),
    Some('˜'),
    Some('™'),
    Some('š'),
    Some('›'),
    Some('œ'),
    None,
    Some('ž'),
    Some('Ÿ'),
];
/// Bytes that tell whether a file without a mark is UTF-16.
const PROBE_LEN: usize = 1_024;

/// The text of a file. What is valid UTF-8 is UTF-8: Windows-1252 with letters beyond ASCII is
/// hardly ever valid UTF-8 by chance.
pub(crate) fn decode(bytes: &[u8]) -> Result<String, ReadError> {
    let text = match bytes {
        [0xff, 0xfe, rest @ ..] => utf16(rest, u16::from_le_bytes)?,
        [0xfe, 0xff, rest @ ..] => utf16(rest, u16::from_be_bytes)?,
        [0xef, 0xbb, 0xbf, rest @ ..] => utf8_or_windows(rest)?,
        _ => match halves(bytes) {
            (few, many) if many > 0 && few == 0 => utf16(bytes, u16::from_le_bytes)?,
            (many, few) if many > 0 && few == 0 => utf16(bytes, u16::from_be_bytes)?,
            _ => utf8_or_windows(bytes)?,
        },
    };
    match text.bytes().position(|byte| byte == 0) {
        Some(at) => Err(ReadError::Encoding { line: line_at(&text, at) }),
        None => Ok(text),
    }
}

/// Zero bytes at even and at odd places of the beginning: ASCII in UTF-16 has them at one of them.
fn halves(bytes: &[u8]) -> (usize, usize) {
    let zeros = |skip: usize| {
        let half = bytes.iter().take(PROBE_LEN).skip(skip).step_by(2);
        half.filter(|byte| **byte == 0).count()
    };
    (zeros(0), zeros(1))
}

fn utf16(bytes: &[u8], unit: fn([u8; 2]) -> u16) -> Result<String, ReadError> {
    let (pairs, rest) = bytes.as_chunks::<2>();
    let mut text = String::with_capacity(bytes.len() / 2);
    for char in char::decode_utf16(pairs.iter().map(|pair| unit(*pair))) {
        match char {
            Ok(char) => text.push(char),
            Err(_) => return Err(ReadError::Encoding { line: line_at(&text, text.len()) }),
        }
    }
    match rest {
        [] => Ok(text),
        _ => Err(ReadError::Encoding { line: line_at(&text, text.len()) }),
    }
}

fn utf8_or_windows(bytes: &[u8]) -> Result<String, ReadError> {
    if let Ok(text) = std::str::from_utf8(bytes) {
        return Ok(text.to_owned());
    }
    let mut text = String::with_capacity(bytes.len());
    for byte in bytes {
        let char = match byte {
            0x80..=0x9f => HIGH.get(usize::from(byte - 0x80)).copied().flatten(),
            _ => Some(char::from(*byte)),
        };
        match char {
            Some(char) => text.push(char),
            None => return Err(ReadError::Encoding { line: line_at(&text, text.len()) }),
        }
    }
    Ok(text)
}

fn line_at(text: &str, at: usize) -> u32 {
    let before = text.as_bytes().get(..at).unwrap_or_default();
    let feeds = before.iter().filter(|byte| **byte == b'\n').count();
    u32::try_from(feeds).unwrap_or(u32::MAX).saturating_add(1)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn utf16_of(text: &str, mark: bool, bytes: fn(u16) -> [u8; 2]) -> Vec<u8> {
        let mark = mark.then_some(0xfeff);
        mark.into_iter().chain(text.encode_utf16()).flat_map(bytes).collect()
    }

    #[test]
    fn every_encoding_gives_the_same_text() {
        let text = "Köln;0,01 €\n";
        assert_eq!(decode(text.as_bytes()).unwrap(), text);
        assert_eq!(decode(&[b"\xef\xbb\xbf", text.as_bytes()].concat()).unwrap(), text);
        assert_eq!(decode(b"K\xf6ln;0,01 \x80\n").unwrap(), text);
        for mark in [true, false] {
            assert_eq!(decode(&utf16_of(text, mark, u16::to_le_bytes)).unwrap(), text);
            assert_eq!(decode(&utf16_of(text, mark, u16::to_be_bytes)).unwrap(), text);
        }
    }

    #[test]
    fn what_is_no_text_is_named_by_its_line() {
        let line = |bytes: &[u8]| match decode(bytes) {
            Err(ReadError::Encoding { line }) => line,
            other => panic!("{other:?}"),
        };
        assert_eq!(line(b"a\nb\xff\x81"), 2);
        assert_eq!(line(b"\xff\xfea\0\n\0\x00\xd8b\0"), 2);
        assert_eq!(line(b"\xff\xfea\0b"), 1);
        assert_eq!(line(b"a\n\nb\0\0c"), 3);
    }
}
