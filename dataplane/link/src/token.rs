//! The keyed token in our tags and branches: it says whose message this is, without a table.
//!
//! `seg:8 idx:16 gen:16 leg:4` and 40 bits of MAC, 84 bits, as 17 characters of base32. A shard
//! finds a call by it in one step; a forged or foreign token is nobody's. The Call-ID and the
//! peer's tag are still compared by whoever owns the dialog.

use crate::siphash::{Key, siphash24};
use crate::{LEGS_MAX, LegId, SlotRef};

/// Characters of a token.
pub const TOKEN_LEN: usize = 17;
const MAC_BITS: u32 = 40;
const ALPHABET: &[u8; 32] = b"abcdefghijklmnopqrstuvwxyz234567";

/// A token, as it stands in a tag or branch.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Hash)]
pub struct Token([u8; TOKEN_LEN]);

impl Token {
    /// The token's characters, all of `a-z2-7`.
    #[must_use]
    pub fn as_str(&self) -> &str {
        core::str::from_utf8(&self.0).unwrap_or_default()
    }
}

fn pack(leg: LegId) -> u64 {
    u64::from(leg.slot.seg) << 36
        | u64::from(leg.slot.idx) << 20
        | u64::from(leg.slot.r#gen) << 4
        | u64::from(leg.leg)
}

fn mac(key: &Key, packed: u64) -> u64 {
    siphash24(key, &packed.to_le_bytes()) & ((1 << MAC_BITS) - 1)
}

/// The token of a leg under this host's key. A leg index of [`LEGS_MAX`] or more has none.
#[must_use]
pub fn seal(key: &Key, leg: LegId) -> Option<Token> {
    if leg.leg >= LEGS_MAX {
        return None;
    }
    let packed = pack(leg);
    let mut bits = u128::from(packed) << MAC_BITS | u128::from(mac(key, packed));
    let mut text = [b'a'; TOKEN_LEN];
    for place in text.iter_mut().rev() {
        *place = ALPHABET[(bits & 31) as usize];
        bits >>= 5;
    }
    Some(Token(text))
}

/// The leg that a token names; `None` when it is not one of ours.
///
/// `text` may continue after the token (a branch carries a counter behind it).
#[must_use]
pub fn open(key: &Key, text: &[u8]) -> Option<LegId> {
    let mut bits: u128 = 0;
    for &byte in text.get(..TOKEN_LEN)? {
        let value = match byte {
            b'a'..=b'z' => byte - b'a',
            b'A'..=b'Z' => byte - b'A',
            b'2'..=b'7' => byte - b'2' + 26,
            _ => return None,
        };
        bits = bits << 5 | u128::from(value);
    }
    // 85 bits are written, 84 are used: the first is always zero.
    if bits >> 84 != 0 {
        return None;
    }
    let packed = (bits >> MAC_BITS) as u64;
    if (bits as u64) & ((1 << MAC_BITS) - 1) != mac(key, packed) {
        return None;
    }
    Some(LegId {
        slot: SlotRef {
            seg: (packed >> 36) as u8,
            idx: (packed >> 20) as u16,
            r#gen: (packed >> 4) as u16,
        },
        leg: (packed & 15) as u8,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const KEY: Key = Key(*b"0123456789abcdef");

    fn leg(seg: u8, idx: u16, r#gen: u16, leg: u8) -> LegId {
        LegId { slot: SlotRef { seg, idx, r#gen }, leg }
    }

    #[test]
    fn golden() {
        let token = seal(&KEY, leg(1, 2, 3, 4)).unwrap();
        assert_eq!(token.as_str(), "acaacaabujspsgy5y");
    }

    #[test]
    fn round_trip_and_forgery() {
        for l in [leg(0, 0, 0, 0), leg(255, 65535, 65535, 15), leg(7, 300, 9, 1)] {
            let token = seal(&KEY, l).unwrap();
            assert_eq!(open(&KEY, token.as_str().as_bytes()), Some(l));
            let longer = format!("{}.17", token.as_str());
            assert_eq!(open(&KEY, longer.as_bytes()), Some(l));
            let upper = token.as_str().to_ascii_uppercase();
            assert_eq!(open(&KEY, upper.as_bytes()), Some(l));
            for i in 0..TOKEN_LEN {
                let mut bad = token.0;
                bad[i] = if bad[i] == b'q' { b'r' } else { b'q' };
                assert_eq!(open(&KEY, &bad), None, "character {i}");
            }
            assert_eq!(open(&Key([0; 16]), token.as_str().as_bytes()), None);
        }
        assert_eq!(seal(&KEY, leg(0, 0, 0, LEGS_MAX)), None);
        assert_eq!(open(&KEY, b"short"), None);
    }
}
