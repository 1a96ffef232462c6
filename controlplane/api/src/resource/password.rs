//! Passwords of SIP identities: how good they must be, and what is kept of them.

use crate::codec::PLAIN;
use crate::field::{Codec, Shaped, Use, Wrong};
use crate::problem::Problem;
use crate::shape::Components;
use crate::weak;
use ring::rand::{SecureRandom, SystemRandom};
use serde_json::{Value, json};
use strowger_model::{Ha1, SubscriberSettings};
use strowger_routing::digest::{ha1_md5, ha1_sha256};

/// Fewest characters of a password (spec AUTH-STRONG-01).
pub(crate) const CHARS_MIN: usize = 8;
/// Most characters.
pub(crate) const CHARS_MAX: usize = 128;
/// Characters of one that we make: letters and digits that are not mistaken for each other.
const LETTERS: &[u8; 32] = b"abcdefghijkmnpqrstuvwxyz23456789";
/// Most characters of one that we make.
const MADE_CHARS_MAX: usize = 64;

/// A password; it is never shown.
pub(super) struct Password;

impl Shaped for Password {
    fn schema(&self, _: &mut Components, _: Use) -> Value {
        json!({
            "type": "string", "minLength": CHARS_MIN, "maxLength": CHARS_MAX, "writeOnly": true,
            "pattern": PLAIN,
        })
    }
}

impl<T: Clone> Codec<T> for Password {
    fn show(&self, _: &T) -> Value {
        Value::Null
    }

    /// What becomes of it is the resource's own.
    fn take(&self, json: &Value, old: Option<&T>) -> Result<T, Wrong> {
        let text = crate::codec::text(json)?;
        check(text)?;
        old.cloned().ok_or_else(|| Wrong::new("has no place"))
    }
}

fn check(text: &str) -> Result<(), Wrong> {
    if !(CHARS_MIN..=CHARS_MAX).contains(&text.chars().count()) {
        return Err(Wrong::new(format!("does not have {CHARS_MIN} to {CHARS_MAX} characters")));
    }
    if text.chars().any(char::is_control) {
        return Err(Wrong::new("has control characters"));
    }
    Ok(())
}

/// What is kept of a password.
pub(super) fn hashes(
    field: &str,
    username: &str,
    realm: &str,
    password: &str,
    settings: &SubscriberSettings,
) -> Result<(Option<Ha1<16>>, Option<Ha1<32>>), Problem> {
    if !settings.weak_passwords
        && let Some(why) = weak::why(password, username)
    {
        return Err(Problem::refused(field, why));
    }
    let least = settings.password_chars_min;
    if u32::try_from(password.chars().count()).is_ok_and(|chars| chars < least) {
        return Err(Problem::refused(field, format!("has fewer than {least} characters")));
    }
    let md5 = ha1_md5(username, realm, password);
    Ok((Some(md5), Some(ha1_sha256(username, realm, password))))
}

/// A password of so many characters that nobody can guess: 20 of 32 are 100 bits.
///
/// # Errors
/// The system has no randomness.
pub(super) fn make(chars: u32) -> Result<String, Problem> {
    let mut bytes = [0u8; MADE_CHARS_MAX];
    let chars = usize::try_from(chars).unwrap_or(MADE_CHARS_MAX);
    SystemRandom::new().fill(&mut bytes).map_err(|_| Problem::internal())?;
    let letter = |byte: &u8| LETTERS.get(usize::from(byte % 32)).copied().unwrap_or(b'a');
    Ok(bytes.iter().take(chars).map(|byte| char::from(letter(byte))).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn weak_passwords_are_refused() {
        for good in ["correct horse", "p\u{e4}ssw\u{f6}rd"] {
            assert_eq!(check(good), Ok(()), "{good}");
        }
        let long = "ab".repeat(65);
        for bad in ["", "short", "1234567", "pass\nword", long.as_str()] {
            assert!(check(bad).is_err(), "{bad}");
        }
        let set = SubscriberSettings::default();
        assert!(hashes("password", "Alice-1001", "r", "alice-1001", &set).is_err());
        assert!(hashes("password", "1001", "r", "alice-1001", &set).is_ok());
        for weak in ["aaaaaaaa", "12345678", "password1"] {
            assert!(hashes("password", "1001", "r", weak, &set).is_err(), "{weak}");
            let lax = SubscriberSettings { weak_passwords: true, ..set.clone() };
            assert!(hashes("password", "1001", "r", weak, &lax).is_ok(), "{weak}");
        }
    }

    #[test]
    fn made_passwords_are_good_and_never_the_same() {
        let (one, other) = (make(20).unwrap(), make(20).unwrap());
        assert_ne!(one, other);
        assert_eq!((check(&one), one.len()), (Ok(()), 20));
    }
}
