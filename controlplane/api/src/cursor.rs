//! Where a list goes on: a key of its last row, as text that only we read.
//!
//! The text is URL-safe base64 (RFC 4648 section 5, without padding) of JSON, with the name of its
//! list, so that one list's cursor is no other's.

use crate::problem::Problem;
use serde::Serialize;
use serde::de::DeserializeOwned;

const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";

/// The pattern of a cursor.
pub(crate) const CURSOR: &str = "^[A-Za-z0-9_-]{1,512}$";

/// Whether a text has the letters of a cursor.
pub(crate) fn is_cursor(text: &str) -> bool {
    (1..=512).contains(&text.len()) && text.bytes().all(|byte| ALPHABET.contains(&byte))
}

/// What has the letters of a cursor need not be one.
pub(crate) fn no_cursor() -> Problem {
    Problem::refused("next", "is not a cursor of this list")
}

/// The text of a cursor.
pub(crate) fn encode<K: Serialize>(list: &str, key: K) -> String {
    // Keys are integers and strings, which always serialise.
    base64(&serde_json::to_vec(&(list, key)).unwrap_or_default())
}

/// The key in a cursor of `list`.
///
/// # Errors
/// A problem that names `next`.
pub(crate) fn decode<K: DeserializeOwned>(
    list: &str,
    text: Option<&str>,
) -> Result<Option<K>, Problem> {
    let Some(text) = text else { return Ok(None) };
    let key = from_base64(text).and_then(|json| serde_json::from_slice::<(String, K)>(&json).ok());
    match key {
        Some((name, key)) if name == list => Ok(Some(key)),
        Some(_) | None => Err(no_cursor()),
    }
}

fn base64(bytes: &[u8]) -> String {
    let mut text = String::with_capacity(bytes.len().div_ceil(3) * 4);
    for chunk in bytes.chunks(3) {
        let byte = |place| u32::from(chunk.get(place).copied().unwrap_or(0));
        let bits = byte(0) << 16 | byte(1) << 8 | byte(2);
        for shift in [18, 12, 6, 0].iter().take(chunk.len() + 1) {
            let digit = usize::try_from(bits >> shift & 63).unwrap_or(0);
            text.push(ALPHABET.get(digit).copied().unwrap_or(b'A').into());
        }
    }
    text
}

fn from_base64(text: &str) -> Option<Vec<u8>> {
    let mut bytes = Vec::with_capacity(text.len() / 4 * 3 + 3);
    for chunk in text.as_bytes().chunks(4) {
        let mut bits = 0u32;
        for place in 0..4 {
            let digit = match chunk.get(place) {
                None => 0,
                Some(letter) => ALPHABET.iter().position(|known| known == letter)?,
            };
            bits = bits << 6 | u32::try_from(digit).ok()?;
        }
        let [_, first, second, third] = bits.to_be_bytes();
        // One letter alone is less than an octet.
        let len = chunk.len().checked_sub(1).filter(|len| *len > 0)?;
        bytes.extend([first, second, third].iter().take(len));
    }
    Some(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(256))]

        #[test]
        fn octets_come_back(bytes: Vec<u8>) {
            let text = base64(&bytes);
            prop_assert!(text.bytes().all(|b| ALPHABET.contains(&b)));
            prop_assert_eq!(from_base64(&text), Some(bytes));
        }

        #[test]
        fn any_text_is_taken(text: String) {
            prop_assert!(decode::<i64>("calls", Some(&text)).is_err());
        }
    }

    #[test]
    fn a_cursor_belongs_to_its_list() {
        let text = encode("calls", (1, "ü"));
        let key = decode::<(i64, String)>("calls", Some(&text)).unwrap();
        assert_eq!(key, Some((1, "ü".to_owned())));
        assert!(decode::<(i64, String)>("cdrs", Some(&text)).is_err());
        assert!(decode::<i64>("calls", Some(&text)).is_err());
        assert_eq!(decode::<i64>("calls", None).unwrap(), None);
        // RFC 4648 section 10.
        assert_eq!(base64(b"foob"), "Zm9vYg");
        assert_eq!(base64(&[0xfb, 0xff]), "-_8");
    }
}
