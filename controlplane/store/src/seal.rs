//! Secrets: values that show themselves to nobody by accident, and their sealed form at rest.
//!
//! What must be read again (the secret of a second factor, a password that we show to a carrier) is
//! sealed by authenticated encryption (AES-256-GCM) with a key that stands in a file of this host
//! beside the database, readable by its owner alone: a copy of the database alone opens nothing.
//! Sealed text is bound to its place, for example `users.totp:7`, so that it opens nowhere else.

use core::fmt;
use ring::aead::{AES_256_GCM, Aad, LessSafeKey, NONCE_LEN, Nonce, UnboundKey};
use ring::rand::{SecureRandom, SystemRandom};
use serde::{Serialize, Serializer};
use std::fs::OpenOptions;
use std::io::{self, Read, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

/// Octets of the host's key.
const KEY_LEN: usize = 32;
/// What a sealed text begins with; another form of a later release begins with another.
const FORM: &str = "1.";
/// What stands for a secret in logs and in the change log.
const MARK: &str = "(secret)";

/// A secret in clear. `Debug` and serde show a mark only; [`Secret::expose`] is the one way to it.
#[derive(Clone, PartialEq, Eq, Default)]
pub struct Secret(String);

impl Secret {
    /// Keeps a text secret.
    #[must_use]
    pub fn new(text: impl Into<String>) -> Secret {
        Secret(text.into())
    }

    /// The text itself.
    #[must_use]
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(MARK)
    }
}

impl Serialize for Secret {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(MARK)
    }
}

/// A secret as the database keeps it.
#[derive(Clone, PartialEq, Eq)]
pub struct Sealed(String);

impl Sealed {
    /// As it stands in a column.
    #[must_use]
    pub fn from_column(text: String) -> Sealed {
        Sealed(text)
    }

    /// For a column.
    #[must_use]
    pub fn as_column(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Sealed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(MARK)
    }
}

impl Serialize for Sealed {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(MARK)
    }
}

/// A secret could not be sealed or opened: a wrong key, a changed text, another place.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
#[error("a secret cannot be sealed or opened with this host's key")]
pub struct SealError;

/// Seals and opens with the host's key.
pub struct Sealer {
    key: LessSafeKey,
    random: SystemRandom,
}

impl fmt::Debug for Sealer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Sealer")
    }
}

impl Sealer {
    /// The sealer of the key in `file`, which is made, for its owner alone, when it is missing.
    ///
    /// # Errors
    /// The file cannot be read or made, or holds no key.
    pub fn open(file: &Path) -> io::Result<Sealer> {
        let mut bytes = Vec::with_capacity(KEY_LEN + 1);
        let limit = u64::try_from(KEY_LEN + 1).unwrap_or(u64::MAX);
        match OpenOptions::new().read(true).open(file) {
            Ok(found) => {
                found.take(limit).read_to_end(&mut bytes)?;
            }
            Err(error) if error.kind() == io::ErrorKind::NotFound => bytes = make(file)?,
            Err(error) => return Err(error),
        }
        Sealer::new(&bytes).ok_or_else(|| io::Error::other("the host's key has not 32 octets"))
    }

    /// The sealer of a key; `None` when that has not 32 octets.
    #[must_use]
    pub fn new(key: &[u8]) -> Option<Sealer> {
        let key = UnboundKey::new(&AES_256_GCM, key).ok()?;
        Some(Sealer { key: LessSafeKey::new(key), random: SystemRandom::new() })
    }

    /// Seals a secret for a place.
    ///
    /// # Errors
    /// [`SealError`] when the system has no randomness.
    pub fn seal(&self, place: &str, secret: &Secret) -> Result<Sealed, SealError> {
        let mut nonce = [0u8; NONCE_LEN];
        self.random.fill(&mut nonce).map_err(|_| SealError)?;
        let mut text = secret.expose().as_bytes().to_vec();
        let aad = Aad::from(place.as_bytes());
        let nonce_once = Nonce::assume_unique_for_key(nonce);
        self.key.seal_in_place_append_tag(nonce_once, aad, &mut text).map_err(|_| SealError)?;
        Ok(Sealed(format!("{FORM}{}{}", hex(&nonce), hex(&text))))
    }

    /// Opens what was sealed for this place.
    ///
    /// # Errors
    /// [`SealError`].
    pub fn open_sealed(&self, place: &str, sealed: &Sealed) -> Result<Secret, SealError> {
        let bytes = sealed.0.strip_prefix(FORM).and_then(from_hex).ok_or(SealError)?;
        let (nonce, text) = bytes.split_at_checked(NONCE_LEN).ok_or(SealError)?;
        let nonce = Nonce::try_assume_unique_for_key(nonce).map_err(|_| SealError)?;
        let mut text = text.to_vec();
        let aad = Aad::from(place.as_bytes());
        let text = self.key.open_in_place(nonce, aad, &mut text).map_err(|_| SealError)?;
        String::from_utf8(text.to_vec()).map(Secret).map_err(|_| SealError)
    }
}

fn make(file: &Path) -> io::Result<Vec<u8>> {
    let mut key = vec![0u8; KEY_LEN];
    SystemRandom::new().fill(&mut key).map_err(|_| io::Error::other("no randomness"))?;
    // Whole or not at all: half a key would lock out what is sealed later.
    let half = file.with_extension("half");
    let mut out =
        OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(&half)?;
    out.write_all(&key)?;
    out.sync_all()?;
    std::fs::rename(&half, file)?;
    Ok(key)
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn from_hex(text: &str) -> Option<Vec<u8>> {
    let digits = text.as_bytes().chunks(2);
    digits
        .map(|pair| u8::from_str_radix(std::str::from_utf8(pair).ok()?, 16).ok())
        .collect::<Option<Vec<u8>>>()
        .filter(|_| text.len().is_multiple_of(2))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::PermissionsExt;

    #[test]
    fn a_secret_opens_in_its_place_with_its_key_only() {
        let sealer = Sealer::new(&[7; 32]).unwrap();
        let secret = Secret::new("s\u{e4}same");
        let sealed = sealer.seal("users.totp:7", &secret).unwrap();
        assert_eq!(sealer.open_sealed("users.totp:7", &sealed).unwrap(), secret);
        assert_eq!(sealer.open_sealed("users.totp:8", &sealed), Err(SealError));
        let other = Sealer::new(&[8; 32]).unwrap();
        assert_eq!(other.open_sealed("users.totp:7", &sealed), Err(SealError));
        // Never the same text twice, and no bit of it may change.
        assert_ne!(sealer.seal("users.totp:7", &secret).unwrap(), sealed);
        let text = sealed.as_column();
        for at in [2, 30, text.len() - 1] {
            let mut changed = text.as_bytes().to_vec();
            changed[at] = if changed[at] == b'0' { b'1' } else { b'0' };
            let changed = Sealed::from_column(String::from_utf8(changed).unwrap());
            assert_eq!(sealer.open_sealed("users.totp:7", &changed), Err(SealError), "{at}");
        }
        for bad in ["", "1.", "2.00", "1.0", "1.zz", "1.00"] {
            let bad = Sealed::from_column(bad.to_owned());
            assert_eq!(sealer.open_sealed("x", &bad), Err(SealError));
        }
    }

    #[test]
    fn the_key_is_made_once_for_its_owner_alone() {
        let file = std::env::temp_dir().join(format!("strowger-key-{}", std::process::id()));
        let _gone = std::fs::remove_file(&file);
        let sealed = Sealer::open(&file).unwrap().seal("x", &Secret::new("y")).unwrap();
        assert_eq!(std::fs::metadata(&file).unwrap().permissions().mode() & 0o777, 0o600);
        let again = Sealer::open(&file).unwrap();
        assert_eq!(again.open_sealed("x", &sealed).unwrap().expose(), "y");
        std::fs::write(&file, "short").unwrap();
        assert!(Sealer::open(&file).is_err());
        std::fs::remove_file(&file).unwrap();
    }

    #[test]
    fn nothing_shows_a_secret() {
        let secret = Secret::new("sesame");
        let sealed = Sealed::from_column("sesame".to_owned());
        assert_eq!(format!("{secret:?} {sealed:?}"), "(secret) (secret)");
        let json = serde_json::to_string(&(secret, sealed)).unwrap();
        assert_eq!(json, "[\"(secret)\",\"(secret)\"]");
    }
}
