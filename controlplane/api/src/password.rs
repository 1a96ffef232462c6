//! Passwords: what they must look like, and their hashes.
//!
//! Argon2id with the parameters that OWASP names first for it (19 MiB, two passes, one lane),
//! salted, kept as PHC text, so that parameters can grow while old hashes still verify. Hashing
//! takes a core for tens of milliseconds: it runs beside the async threads, a few at once and no
//! more, so that a flood of logins takes neither all memory nor all cores.

use crate::limits::{HASHERS_MAX, PASSWORD_CHARS_MAX};
use crate::problem::Problem;
use crate::weak;
use argon2::password_hash::{PasswordHash, PasswordHasher, PasswordVerifier, SaltString};
use argon2::{Algorithm, Argon2, Params, Version};
use ring::rand::{SecureRandom, SystemRandom};
use std::sync::Arc;
use strowger_store::Secret;
use tokio::sync::Semaphore;

/// Memory of a hash, KiB.
const MEMORY_KIB: u32 = 19_456;
/// Passes over it.
const PASSES: u32 = 2;
/// Lanes.
const LANES: u32 = 1;
/// Octets of a salt.
const SALT: usize = 16;
/// What a password is compared with when nobody has the name: it takes the same time and never
/// fits, because no password is known for it.
const NOBODY: &str = "$argon2id$v=19$m=19456,t=2,p=1$c3Ryb3dnZXItbm9ib2R5$\
    AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA";

/// Hashes passwords, a few at once.
pub(crate) struct Hasher(Arc<Semaphore>);

impl Default for Hasher {
    fn default() -> Hasher {
        Hasher(Arc::new(Semaphore::new(HASHERS_MAX)))
    }
}

impl Hasher {
    /// The hash of a new password.
    ///
    /// # Errors
    /// 500 when the system has no randomness or no memory.
    pub(crate) async fn hash(&self, password: Secret) -> Result<Secret, Problem> {
        let hashed = self.run(move || hash(&password)).await?;
        hashed.ok_or_else(Problem::internal)
    }

    /// Whether the password is the one of the hash; without a hash it takes as long and is not.
    ///
    /// # Errors
    /// 500 when the work was lost.
    pub(crate) async fn fits(
        &self,
        password: Secret,
        hash: Option<Secret>,
    ) -> Result<bool, Problem> {
        self.run(move || fits(&password, hash.as_ref())).await
    }

    async fn run<T: Send + 'static>(
        &self,
        work: impl FnOnce() -> T + Send + 'static,
    ) -> Result<T, Problem> {
        let turn = self.0.clone().acquire_owned().await.map_err(|_| Problem::internal())?;
        // A request that is given up does not end its work: the turn goes with the work.
        let task = tokio::task::spawn_blocking(move || {
            let _turn = turn;
            work()
        });
        task.await.map_err(|_| Problem::internal())
    }
}

fn argon2() -> Option<Argon2<'static>> {
    let params = Params::new(MEMORY_KIB, PASSES, LANES, None).ok()?;
    Some(Argon2::new(Algorithm::Argon2id, Version::V0x13, params))
}

fn hash(password: &Secret) -> Option<Secret> {
    let mut salt = [0u8; SALT];
    SystemRandom::new().fill(&mut salt).ok()?;
    let salt = SaltString::encode_b64(&salt).ok()?;
    let hash = argon2()?.hash_password(password.expose().as_bytes(), &salt).ok()?;
    Some(Secret::new(hash.to_string()))
}

fn fits(password: &Secret, hash: Option<&Secret>) -> bool {
    let text = hash.map_or(NOBODY, Secret::expose);
    let (Ok(known), Some(argon2)) = (PasswordHash::new(text), argon2()) else { return false };
    let is_same = argon2.verify_password(password.expose().as_bytes(), &known).is_ok();
    is_same && hash.is_some()
}

/// Looks at a new password: its length counts, not its kinds of characters, and that it is not
/// among those that are guessed first (NIST SP 800-63B).
///
/// # Errors
/// A problem that names `field`, and never says the password.
pub(crate) fn check(
    field: &str,
    password: &Secret,
    login: &str,
    chars_min: u32,
) -> Result<(), Problem> {
    let text = password.expose();
    let chars = text.chars().count();
    if chars > PASSWORD_CHARS_MAX || u32::try_from(chars).is_ok_and(|chars| chars < chars_min) {
        let what = format!("has {chars_min} to {PASSWORD_CHARS_MAX} characters");
        return Err(Problem::field(field, what));
    }
    if text.to_lowercase().contains(login) {
        return Err(Problem::refused(field, "has the login name inside"));
    }
    weak::why(text, login).map_or(Ok(()), |why| Err(Problem::refused(field, why)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_password_fits_its_hash_only() {
        let secret = |text: &str| Secret::new(text);
        let known = hash(&secret("correct horse")).unwrap();
        assert!(
            known.expose().starts_with("$argon2id$v=19$m=19456,t=2,p=1$"),
            "{}",
            known.expose()
        );
        assert!(fits(&secret("correct horse"), Some(&known)));
        assert!(!fits(&secret("correct horsf"), Some(&known)));
        assert!(!fits(&secret("correct horse"), None));
        assert!(!fits(&secret("x"), Some(&secret("no hash"))));
        assert_ne!(hash(&secret("correct horse")).unwrap(), known, "each has a salt of its own");
    }

    /// Else a login of nobody would take another time than one of somebody.
    #[test]
    fn nobody_takes_the_work_of_somebody() {
        let params = |text: &str| {
            let hash = PasswordHash::new(text).unwrap();
            (hash.algorithm.to_string(), hash.version, Params::try_from(&hash).unwrap())
        };
        let known = hash(&Secret::new("correct horse")).unwrap();
        assert_eq!(params(NOBODY), params(known.expose()));
        let len = |text: &str| PasswordHash::new(text).unwrap().hash.unwrap().len();
        assert_eq!(len(NOBODY), len(known.expose()));
    }

    #[test]
    fn a_new_password_is_long_and_not_the_name() {
        let check = |text: &str| check("password", &Secret::new(text), "ada", 10).is_ok();
        assert!(check("correct horse"));
        assert!(check("pässwörter"));
        assert!(!check("short"));
        assert!(!check("aaaaaaaaaaaa"));
        assert!(!check("this is Ada's"));
        assert!(!check("1234567890"));
        assert!(!check("Password2026"));
        assert!(!check(&"x1".repeat(200)));
    }
}
