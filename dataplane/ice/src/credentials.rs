//! Short-term credentials of ICE (RFC 8445 section 5.3, RFC 8839 section 5.4).

use crate::limits::{
    CHANCE_LEN, OWN_PWD_LEN, OWN_UFRAG_LEN, PWD_LEN_MAX, PWD_LEN_MIN, UFRAG_LEN_MAX, UFRAG_LEN_MIN,
};
use core::fmt;
use zeroize::Zeroizing;

/// Credentials of ours: letters as they stand in descriptions. The password shows itself to no log.
#[derive(Clone, PartialEq, Eq)]
pub struct Credentials {
    ufrag: [u8; OWN_UFRAG_LEN],
    pwd: Zeroizing<[u8; OWN_PWD_LEN]>,
}

/// The letters of ICE: those of base64.
const LETTERS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

impl Credentials {
    /// Credentials of chance that is handed in, [`CHANCE_LEN`] octets that nobody else has.
    #[must_use]
    pub fn from_chance(chance: &[u8; CHANCE_LEN]) -> Credentials {
        let mut letters = chance.chunks(3).flat_map(|group| {
            let bits = group.iter().fold(0u32, |bits, octet| bits << 8 | u32::from(*octet));
            [18, 12, 6, 0]
                .map(|shift| LETTERS.get((bits >> shift & 63) as usize).copied().unwrap_or(b'A'))
        });
        let mut ufrag = [b'A'; OWN_UFRAG_LEN];
        let mut pwd = Zeroizing::new([b'A'; OWN_PWD_LEN]);
        let places = ufrag.iter_mut().chain(pwd.iter_mut());
        places.for_each(|place| *place = letters.next().unwrap_or(b'A'));
        Credentials { ufrag, pwd }
    }

    /// Credentials of a former life; `None` where they are not such.
    #[must_use]
    pub fn from_text(ufrag: &[u8], pwd: &[u8]) -> Option<Credentials> {
        if !is_ice_text(ufrag) || !is_ice_text(pwd) {
            return None;
        }
        Some(Credentials {
            ufrag: ufrag.try_into().ok()?,
            pwd: Zeroizing::new(pwd.try_into().ok()?),
        })
    }

    /// `a=ice-ufrag`.
    #[must_use]
    pub fn ufrag(&self) -> &[u8] {
        &self.ufrag
    }

    /// `a=ice-pwd`. Secret.
    #[must_use]
    pub fn pwd(&self) -> &[u8] {
        self.pwd.as_slice()
    }
}

impl fmt::Debug for Credentials {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Credentials")
    }
}

/// Whether these are letters of ICE.
#[must_use]
pub fn is_ice_text(text: &[u8]) -> bool {
    text.iter().all(|letter| letter.is_ascii_alphanumeric() || matches!(letter, b'+' | b'/'))
}

/// Whether a party's credentials have the lengths and letters that they must have.
pub(crate) fn are_ice(ufrag: &[u8], pwd: &[u8]) -> bool {
    is_ice_text(ufrag)
        && is_ice_text(pwd)
        && (UFRAG_LEN_MIN..=UFRAG_LEN_MAX).contains(&ufrag.len())
        && (PWD_LEN_MIN..=PWD_LEN_MAX).contains(&pwd.len())
}

impl Credentials {
    /// Whether what a party describes can be credentials at all.
    #[must_use]
    pub fn fit(ufrag: &[u8], pwd: &[u8]) -> bool {
        are_ice(ufrag, pwd)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn chance_is_all_that_credentials_are_made_of() {
        let of = |first: u8| {
            let mut chance = [0; CHANCE_LEN];
            chance[0] = first;
            Credentials::from_chance(&chance)
        };
        let (one, other) = (of(0), of(0xff));
        assert_eq!((one.ufrag(), one.pwd()), (&[b'A'; 8][..], &[b'A'; 24][..]));
        assert_eq!(other.ufrag(), b"/wAAAAAA");
        assert_eq!(Credentials::from_text(other.ufrag(), other.pwd()), Some(other.clone()));
        assert!(Credentials::fit(other.ufrag(), other.pwd()));
        assert_eq!(format!("{other:?}"), "Credentials");
        for (ufrag, pwd) in [("/wAAAAA", "A"), ("/wAAAAA:", &"A".repeat(24))] {
            assert_eq!(Credentials::from_text(ufrag.as_bytes(), pwd.as_bytes()), None);
        }
        for (ufrag, pwd, fits) in [
            ("abcd", "A".repeat(22), true),
            ("abc", "A".repeat(22), false),
            ("abcd", "A".repeat(21), false),
            ("ab d", "A".repeat(22), false),
            ("abcd", "A".repeat(257), false),
        ] {
            assert_eq!(Credentials::fit(ufrag.as_bytes(), pwd.as_bytes()), fits, "{ufrag} {pwd}");
        }
    }
}
