//! Ciphers with their authentication, by the names that descriptions have for them.

/// A crypto suite (RFC 4568 section 6.2, RFC 6188, RFC 7714).
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum Suite {
    /// AES-128 in counter mode, HMAC-SHA1 cut to 80 bits.
    AesCm128Sha80,
    /// The same, RTP's tag cut to 32 bits.
    AesCm128Sha32,
    /// AES-256 in counter mode, HMAC-SHA1 cut to 80 bits.
    AesCm256Sha80,
    /// The same, RTP's tag cut to 32 bits.
    AesCm256Sha32,
    /// AES-128 in Galois/counter mode.
    Gcm128,
    /// AES-256 in Galois/counter mode.
    Gcm256,
}

impl Suite {
    /// All, with their names and a number that never changes its meaning. The order is ours when
    /// we offer: the one that everybody has first (spec C-MED-08, `def_srtp_alg`).
    pub const ALL: [(u8, &'static str, Suite); 6] = [
        (1, "AES_CM_128_HMAC_SHA1_80", Suite::AesCm128Sha80),
        (2, "AES_CM_128_HMAC_SHA1_32", Suite::AesCm128Sha32),
        (3, "AES_256_CM_HMAC_SHA1_80", Suite::AesCm256Sha80),
        (4, "AES_256_CM_HMAC_SHA1_32", Suite::AesCm256Sha32),
        (5, "AEAD_AES_128_GCM", Suite::Gcm128),
        (6, "AEAD_AES_256_GCM", Suite::Gcm256),
    ];

    /// The suite of a name, letters in either case.
    #[must_use]
    pub fn from_name(name: &[u8]) -> Option<Suite> {
        let is_named = |known: &str| known.as_bytes().eq_ignore_ascii_case(name);
        Suite::ALL.iter().find(|(_, known, _)| is_named(known)).map(|(_, _, suite)| *suite)
    }

    /// Its name in descriptions.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Suite::AesCm128Sha80 => "AES_CM_128_HMAC_SHA1_80",
            Suite::AesCm128Sha32 => "AES_CM_128_HMAC_SHA1_32",
            Suite::AesCm256Sha80 => "AES_256_CM_HMAC_SHA1_80",
            Suite::AesCm256Sha32 => "AES_256_CM_HMAC_SHA1_32",
            Suite::Gcm128 => "AEAD_AES_128_GCM",
            Suite::Gcm256 => "AEAD_AES_256_GCM",
        }
    }

    /// The suite of a number.
    #[must_use]
    pub fn from_code(code: u8) -> Option<Suite> {
        Suite::ALL.iter().find(|(known, ..)| *known == code).map(|(_, _, suite)| *suite)
    }

    /// Its number.
    #[must_use]
    pub const fn code(self) -> u8 {
        match self {
            Suite::AesCm128Sha80 => 1,
            Suite::AesCm128Sha32 => 2,
            Suite::AesCm256Sha80 => 3,
            Suite::AesCm256Sha32 => 4,
            Suite::Gcm128 => 5,
            Suite::Gcm256 => 6,
        }
    }

    /// Octets of its key.
    #[must_use]
    pub const fn key_len(self) -> usize {
        match self {
            Suite::AesCm128Sha80 | Suite::AesCm128Sha32 | Suite::Gcm128 => 16,
            Suite::AesCm256Sha80 | Suite::AesCm256Sha32 | Suite::Gcm256 => 32,
        }
    }

    /// Octets of its salt.
    #[must_use]
    pub const fn salt_len(self) -> usize {
        if self.is_gcm() { 12 } else { 14 }
    }

    /// Octets of a master key with its salt.
    #[must_use]
    pub const fn master_len(self) -> usize {
        self.key_len() + self.salt_len()
    }

    pub(crate) const fn is_gcm(self) -> bool {
        matches!(self, Suite::Gcm128 | Suite::Gcm256)
    }

    /// Octets of the tag of RTP; SRTCP's is never cut to 32 bits (RFC 4568 section 6.2.2).
    pub(crate) const fn tag_len(self) -> usize {
        match self {
            Suite::AesCm128Sha32 | Suite::AesCm256Sha32 => 4,
            Suite::AesCm128Sha80 | Suite::AesCm256Sha80 => 10,
            Suite::Gcm128 | Suite::Gcm256 => 16,
        }
    }

    /// Octets of the tag of RTCP.
    pub(crate) const fn rtcp_tag_len(self) -> usize {
        if self.is_gcm() { 16 } else { 10 }
    }
}

#[cfg(test)]
mod tests {
    use super::Suite;

    #[test]
    fn names_and_numbers_are_of_one_suite() {
        for (code, name, suite) in Suite::ALL {
            assert_eq!((suite.code(), suite.name()), (code, name));
            assert_eq!(Suite::from_code(code), Some(suite));
            assert_eq!(Suite::from_name(name.to_ascii_lowercase().as_bytes()), Some(suite));
            assert!(suite.master_len() <= crate::limits::MASTER_BYTES_MAX);
        }
        assert_eq!((Suite::from_code(0), Suite::from_name(b"F8_128_HMAC_SHA1_80")), (None, None));
    }
}
