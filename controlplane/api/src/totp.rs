//! The second factor: codes of a time (RFC 6238, on RFC 4226), and recovery codes for its loss.
//!
//! Six digits, SHA-1, steps of 30 s: what every authenticator takes. A code of the step before or
//! after is taken too, for clocks that are off and hands that are slow (RFC 6238 section 5.2). The
//! caller must see to it that no step is used twice.

use crate::problem::Problem;
use ring::hmac;
use ring::rand::{SecureRandom, SystemRandom};
use strowger_store::Secret;

/// Seconds of a step.
const STEP_S: i64 = 30;
/// Steps before and after the present one.
const DRIFT: i64 = 1;
/// Digits of a code.
const DIGITS: usize = 6;
/// Codes there are.
const MODULUS: u32 = 1_000_000;
/// Octets of a secret: those of SHA-1's output, as RFC 4226 section 4 recommends.
const SECRET: usize = 20;
/// Recovery codes given out.
pub(crate) const RECOVERY_CODES: usize = 10;
/// Octets of chance in each, so that its hash needs no salt and no work factor.
const RECOVERY: usize = 10;

const ALPHABET: &[u8; 32] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZ234567";

/// A new secret, as people type it.
///
/// # Errors
/// The system has no randomness.
pub(crate) fn new_secret() -> Result<Secret, Problem> {
    let mut bytes = [0u8; SECRET];
    SystemRandom::new().fill(&mut bytes).map_err(|_| Problem::internal())?;
    Ok(Secret::new(base32(&bytes)))
}

/// What an authenticator reads from a picture.
pub(crate) fn uri(secret: &Secret, login: &str) -> String {
    let login: String = login.bytes().fold(String::new(), |mut uri, byte| {
        match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' => {
                uri.push(char::from(byte));
            }
            other => uri.push_str(&format!("%{other:02X}")),
        }
        uri
    });
    format!("otpauth://totp/Strowger:{login}?secret={}&issuer=Strowger", secret.expose())
}

/// The step whose code this is, if it is one of now; later ones than `used` only.
pub(crate) fn step_of(secret: &Secret, code: &str, now_us: i64, used: i64) -> Option<i64> {
    let key = from_base32(secret.expose())?;
    let is_code = code.len() == DIGITS && code.bytes().all(|byte| byte.is_ascii_digit());
    let code: u32 = is_code.then(|| code.parse().ok()).flatten()?;
    let now = now_us.div_euclid(1_000_000).div_euclid(STEP_S);
    let steps = (-DRIFT..=DRIFT).map(|drift| now.saturating_add(drift));
    // All are compared, whichever fits.
    let fitting =
        steps.filter(|step| code_of(&key, *step) == code).fold(None, |_, step| Some(step));
    fitting.filter(|step| *step > used)
}

/// RFC 4226 section 5.3.
fn code_of(key: &[u8], step: i64) -> u32 {
    let key = hmac::Key::new(hmac::HMAC_SHA1_FOR_LEGACY_USE_ONLY, key);
    let tag = hmac::sign(&key, &step.to_be_bytes());
    let bytes = tag.as_ref();
    let at = usize::from(bytes.last().copied().unwrap_or(0) & 0x0f);
    let four = bytes.get(at..).and_then(<[u8]>::first_chunk::<4>).copied().unwrap_or_default();
    (u32::from_be_bytes(four) & 0x7fff_ffff) % MODULUS
}

/// New recovery codes, in groups of four.
///
/// # Errors
/// The system has no randomness.
pub(crate) fn new_recovery_codes() -> Result<Vec<String>, Problem> {
    let random = SystemRandom::new();
    let code = |_| {
        let mut bytes = [0u8; RECOVERY];
        random.fill(&mut bytes).map_err(|_| Problem::internal())?;
        let text = base32(&bytes);
        let groups = text.as_bytes().chunks(4).map(String::from_utf8_lossy);
        Ok(groups.collect::<Vec<_>>().join("-"))
    };
    (0..RECOVERY_CODES).map(code).collect()
}

/// A recovery code as it is hashed, however it was typed.
pub(crate) fn plain(code: &str) -> String {
    let letters = code.chars().filter(char::is_ascii_alphanumeric);
    letters.map(|letter| letter.to_ascii_uppercase()).collect()
}

/// RFC 4648 section 6, without padding; our lengths need none.
fn base32(bytes: &[u8]) -> String {
    let mut text = String::with_capacity(bytes.len().div_ceil(5) * 8);
    for chunk in bytes.chunks(5) {
        let mut five = [0u8; 8];
        for (to, from) in five.iter_mut().skip(3).zip(chunk) {
            *to = *from;
        }
        let bits = u64::from_be_bytes(five);
        let digits = (chunk.len() * 8).div_ceil(5);
        for shift in [35, 30, 25, 20, 15, 10, 5, 0].iter().take(digits) {
            let digit = usize::try_from(bits >> shift & 31).unwrap_or(0);
            text.push(ALPHABET.get(digit).copied().unwrap_or(b'A').into());
        }
    }
    text
}

fn from_base32(text: &str) -> Option<Vec<u8>> {
    let mut bytes = Vec::with_capacity(text.len());
    let (mut bits, mut len) = (0u32, 0u32);
    for letter in text.bytes() {
        let digit = ALPHABET.iter().position(|known| *known == letter)?;
        bits = (bits << 5 | u32::try_from(digit).ok()?) & 0xfff;
        len += 5;
        if len >= 8 {
            len -= 8;
            bytes.push(u8::try_from(bits >> len & 0xff).ok()?);
        }
    }
    Some(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// RFC 6238, appendix B, the column of SHA-1, its last six digits.
    const VECTORS: [(i64, &str); 6] = [
        (59, "287082"),
        (1_111_111_109, "081804"),
        (1_111_111_111, "050471"),
        (1_234_567_890, "005924"),
        (2_000_000_000, "279037"),
        (20_000_000_000, "353130"),
    ];

    fn secret() -> Secret {
        Secret::new(base32(b"12345678901234567890"))
    }

    #[test]
    fn codes_are_those_of_the_rfc() {
        for (at_s, code) in VECTORS {
            let step = step_of(&secret(), code, at_s * 1_000_000, 0);
            assert_eq!(step, Some(at_s / 30), "{at_s}");
        }
    }

    #[test]
    fn a_code_lives_for_a_step_before_and_after_and_counts_once() {
        let (at_s, code) = VECTORS[2];
        let step = at_s / 30;
        let at = |drift: i64| step_of(&secret(), code, (step + drift) * 30_000_000, 0);
        let taken = [-2, -1, 0, 1, 2].map(|drift| at(drift).is_some());
        assert_eq!(taken, [false, true, true, true, false]);
        assert_eq!(step_of(&secret(), code, at_s * 1_000_000, step), None);
        assert_eq!(step_of(&secret(), code, at_s * 1_000_000, step - 1), Some(step));
        for wrong in ["", "50471", "0050471", "05047x", "+50471", "050472"] {
            assert_eq!(step_of(&secret(), wrong, at_s * 1_000_000, 0), None, "{wrong}");
        }
    }

    #[test]
    fn letters_are_those_of_the_rfc() {
        // RFC 4648, section 10, without padding.
        for (bytes, text) in [("", ""), ("f", "MY"), ("fo", "MZXQ"), ("foob", "MZXW6YQ")] {
            assert_eq!(base32(bytes.as_bytes()), text);
            assert_eq!(from_base32(text).as_deref(), Some(bytes.as_bytes()));
        }
        assert_eq!(base32(b"foobar"), "MZXW6YTBOI");
        assert_eq!(from_base32("MZXW6YTBOI").as_deref(), Some(&b"foobar"[..]));
        assert_eq!(from_base32("MZ1"), None);
    }

    #[test]
    fn new_secrets_and_codes_differ() {
        let (one, other) = (new_secret().unwrap(), new_secret().unwrap());
        assert_ne!(one, other);
        assert_eq!(one.expose().len(), 32);
        let codes = new_recovery_codes().unwrap();
        assert_eq!(codes.len(), RECOVERY_CODES);
        assert_ne!(codes[0], codes[1]);
        assert_eq!((codes[0].len(), plain(&codes[0]).len()), (19, 16));
        assert_eq!(plain(" ab2d-efgh "), "AB2DEFGH");
        let uri = uri(&Secret::new("ABC"), "ada@t1.example");
        assert_eq!(uri, "otpauth://totp/Strowger:ada%40t1.example?secret=ABC&issuer=Strowger");
    }
}
