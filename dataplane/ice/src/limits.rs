//! Bounds of STUN and ICE.

/// Longest message that is looked at: what passes every network in one piece (RFC 8489 6.1).
pub const MESSAGE_LEN_MAX: usize = 548;
/// Attributes of a message; a check has about ten.
pub const ATTRIBUTES_MAX: usize = 32;
/// Attributes that are named as unknown.
pub const UNKNOWN_MAX: usize = 8;
/// Characters of a ufrag (RFC 8839 5.4).
pub const UFRAG_LEN_MAX: usize = 256;
/// Least characters of a ufrag (RFC 8839 5.4).
pub const UFRAG_LEN_MIN: usize = 4;
/// Characters of a password (RFC 8839 5.4).
pub const PWD_LEN_MAX: usize = 256;
/// Least characters of a password (RFC 8839 5.4).
pub const PWD_LEN_MIN: usize = 22;
/// Characters of a ufrag of ours: 48 bits, and of a password of ours: 144 bits.
pub const OWN_UFRAG_LEN: usize = 8;
/// The same of a password.
pub const OWN_PWD_LEN: usize = 24;
/// Octets of chance that credentials of ours are made of.
pub const CHANCE_LEN: usize = (OWN_UFRAG_LEN + OWN_PWD_LEN) * 6 / 8;
/// A party that proves itself no more for so long is sent nothing (RFC 7675 5.1).
pub const CONSENT_MS: u64 = 30_000;

const _: () = assert!(OWN_UFRAG_LEN >= UFRAG_LEN_MIN && OWN_PWD_LEN >= PWD_LEN_MIN);
const _: () =
    assert!(((OWN_UFRAG_LEN + OWN_PWD_LEN) * 6).is_multiple_of(8), "octets make whole letters");
