//! Master keys, and their form in descriptions.

use crate::limits::MASTER_BYTES_MAX;
use crate::suite::Suite;
use core::fmt;
use subtle::ConstantTimeEq;
use zeroize::Zeroizing;

/// A master key with its salt, and the suite that it is for. Shows itself to no log, and is
/// overwritten when it is dropped.
#[derive(Clone)]
pub struct Master {
    suite: Suite,
    bytes: Zeroizing<[u8; MASTER_BYTES_MAX]>,
}

impl Master {
    /// A key of these octets, key first; `None` when they are not as many as the suite has.
    #[must_use]
    pub fn new(suite: Suite, octets: &[u8]) -> Option<Master> {
        if octets.len() != suite.master_len() {
            return None;
        }
        let mut bytes = Zeroizing::new([0; MASTER_BYTES_MAX]);
        bytes.iter_mut().zip(octets).for_each(|(to, from)| *to = *from);
        Some(Master { suite, bytes })
    }

    /// The key of an `inline:` parameter: base64, padded or not (RFC 4568 section 6.1).
    #[must_use]
    pub fn from_base64(suite: Suite, text: &[u8]) -> Option<Master> {
        let text = match text {
            [text @ .., b'=', b'='] | [text @ .., b'='] | text => text,
        };
        let len = suite.master_len();
        if text.len() != (len * 8).div_ceil(6) {
            return None;
        }
        let mut bytes = Zeroizing::new([0u8; MASTER_BYTES_MAX]);
        let mut to = bytes.iter_mut();
        for group in text.chunks(4) {
            let mut bits = 0u32;
            for letter in group {
                bits = bits << 6 | u32::from(six_bits(*letter)?);
            }
            bits <<= 6 * (4 - group.len());
            let [_, octets @ ..] = bits.to_be_bytes();
            to.by_ref().zip(octets).take(group.len() - 1).for_each(|(to, from)| *to = from);
        }
        Some(Master { suite, bytes })
    }

    /// Appends it as base64, padded.
    pub fn write_base64(&self, out: &mut Vec<u8>) {
        for group in self.octets().chunks(3) {
            let octet = |n: usize| u32::from(group.get(n).copied().unwrap_or(0));
            let bits = octet(0) << 16 | octet(1) << 8 | octet(2);
            for n in 0..4 {
                let six = (bits >> (18 - 6 * n)) & 63;
                let letter = LETTERS.get(six as usize).copied().unwrap_or(b'=');
                out.push(if n as usize > group.len() { b'=' } else { letter });
            }
        }
    }

    /// Its suite.
    #[must_use]
    pub const fn suite(&self) -> Suite {
        self.suite
    }

    /// Key and salt. Secret.
    #[must_use]
    pub fn octets(&self) -> &[u8] {
        self.bytes.get(..self.suite.master_len()).unwrap_or_default()
    }

    pub(crate) fn key(&self) -> &[u8] {
        self.bytes.get(..self.suite.key_len()).unwrap_or_default()
    }

    pub(crate) fn salt(&self) -> &[u8] {
        self.octets().get(self.suite.key_len()..).unwrap_or_default()
    }
}

impl PartialEq for Master {
    fn eq(&self, other: &Master) -> bool {
        self.suite == other.suite && bool::from(self.octets().ct_eq(other.octets()))
    }
}

impl Eq for Master {}

impl fmt::Debug for Master {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Master").field("suite", &self.suite).finish_non_exhaustive()
    }
}

const LETTERS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

const fn six_bits(letter: u8) -> Option<u8> {
    match letter {
        b'A'..=b'Z' => Some(letter - b'A'),
        b'a'..=b'z' => Some(letter - b'a' + 26),
        b'0'..=b'9' => Some(letter - b'0' + 52),
        b'+' => Some(62),
        b'/' => Some(63),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::Master;
    use crate::Suite;

    fn text(master: &Master) -> String {
        let mut out = Vec::new();
        master.write_base64(&mut out);
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn the_example_of_rfc_4568() {
        let key = b"d0RmdmcmVCspeEc3QGZiNWpVLFJhQX1cfHAwJSoj";
        let master = Master::from_base64(Suite::AesCm128Sha80, key).unwrap();
        assert_eq!(master.octets(), b"wDfvg&T+)xG7@fb5jU,RaA}\\|p0%*#");
        assert_eq!(text(&master).as_bytes(), key);
        assert_eq!(format!("{master:?}"), "Master { suite: AesCm128Sha80, .. }");
    }

    #[test]
    fn every_suite_is_read_as_it_was_written() {
        for (_, _, suite) in Suite::ALL {
            let octets: Vec<u8> =
                (0..suite.master_len() as u8).map(|n| n.wrapping_mul(37)).collect();
            let master = Master::new(suite, &octets).unwrap();
            let text = text(&master);
            assert_eq!(text.len() % 4, 0, "padded");
            assert_eq!(Master::from_base64(suite, text.as_bytes()), Some(master.clone()));
            let bare = text.trim_end_matches('=');
            assert_eq!(Master::from_base64(suite, bare.as_bytes()), Some(master.clone()));
            assert_eq!(Master::new(suite, &octets[1..]), None);
            for bad in [&text[4..], "", &format!("{text}AAAA"), &text.replacen(&text[..1], "*", 1)]
            {
                assert_eq!(Master::from_base64(suite, bad.as_bytes()), None, "{bad}");
            }
            let mut other = octets.clone();
            other[0] ^= 1;
            assert_ne!(Master::new(suite, &other).unwrap(), master);
        }
    }
}
