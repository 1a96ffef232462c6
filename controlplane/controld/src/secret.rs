//! Secrets that this process makes: the host's key, the key of nonces and the admin token.

use ring::digest::{SHA256, digest};
use std::io::Write;
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;
use strowger_link::Key;
use strowger_model::Role;
use strowger_port::rng;
use strowger_store::{Sealer, Store, StoreError};

/// Name of the token that is made at the first start.
const ADMIN: &str = "admin";
/// Key of the nonce key in `meta`.
const NONCE_KEY: &str = "nonce_key";

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// Longest token that we show, bytes.
const SHOWN_TOKEN_BYTES_MAX: u64 = 4_096;

/// A token that we show others: the first line of a file for its owner alone.
///
/// # Errors
/// Why there is none.
pub(crate) fn shown_token(file: &Path) -> Result<String, String> {
    use std::io::Read;
    use std::os::unix::fs::PermissionsExt;
    let wrong = |what: &dyn std::fmt::Display| format!("{}: {what}", file.display());
    let open = std::fs::File::open(file).map_err(|e| wrong(&e))?;
    let about = open.metadata().map_err(|e| wrong(&e))?;
    if about.permissions().mode() & 0o077 != 0 {
        return Err(wrong(&"others than its owner may use it; chmod 600"));
    }
    let mut text = String::new();
    open.take(SHOWN_TOKEN_BYTES_MAX).read_to_string(&mut text).map_err(|e| wrong(&e))?;
    match text.lines().next() {
        Some(line) if line.bytes().all(|byte| byte.is_ascii_graphic()) && !line.is_empty() => {
            Ok(line.to_owned())
        }
        Some(_) | None => Err(wrong(&"its first line is empty, or no token")),
    }
}

/// Why a secret could not be made or kept.
pub(crate) enum SecretError {
    /// The database.
    Store(StoreError),
    /// The file, or the system's randomness.
    Io(std::io::Error),
}

impl From<StoreError> for SecretError {
    fn from(e: StoreError) -> SecretError {
        SecretError::Store(e)
    }
}

impl From<std::io::Error> for SecretError {
    fn from(e: std::io::Error) -> SecretError {
        SecretError::Io(e)
    }
}

impl std::fmt::Display for SecretError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            SecretError::Store(e) => e.fmt(f),
            SecretError::Io(e) => e.fmt(f),
        }
    }
}

/// The sealer with the host's key, `host.key` in the data directory. Whoever moves the database to
/// another host moves this file too, apart from it; without it second factors and the passwords of
/// carriers are to be set anew.
pub(crate) fn sealer(data: &Path) -> Result<Sealer, SecretError> {
    Ok(Sealer::open(&data.join("host.key"))?)
}

/// The key of temporary addresses of devices: made of the nonces' key, and no help to find that.
pub(crate) fn gruu_key(nonce_key: [u8; 16]) -> Key {
    let hash = digest(&SHA256, &[b"gruu".as_slice(), &nonce_key].concat());
    let mut key = [0; 16];
    key.iter_mut().zip(hash.as_ref()).for_each(|(to, from)| *to = *from);
    Key(key)
}

/// The key of nonces, kept over restarts so that phones need not be challenged anew.
pub(crate) async fn nonce_key(store: &Store) -> Result<[u8; 16], SecretError> {
    let known = store.reader().meta(NONCE_KEY).await?;
    let known = known.and_then(|text| u128::from_str_radix(&text, 16).ok());
    if let Some(key) = known {
        return Ok(key.to_be_bytes());
    }
    let key = rng::random_u128()?.to_be_bytes();
    let mut w = store.write().await?;
    w.put_meta(NONCE_KEY, &hex(&key)).await?;
    w.commit().await?;
    Ok(key)
}

/// Makes sure that `file` holds the admin token: a missing file, or a token that the database does
/// not know, gets a new one. The database keeps only its hash.
pub(crate) async fn admin_token(
    store: &Store,
    file: &Path,
    now_us: i64,
) -> Result<(), SecretError> {
    if let Ok(text) = std::fs::read_to_string(file) {
        let hash = hex(digest(&SHA256, text.trim().as_bytes()).as_ref());
        if store.reader().token_by_hash(&hash).await?.is_some() {
            return Ok(());
        }
    }
    let mut bytes = [0u8; 32];
    rng::fill(&mut bytes)?;
    let token = hex(&bytes);
    let mut w = store.write().await?;
    w.remove_tokens(ADMIN).await?;
    let hash = hex(digest(&SHA256, token.as_bytes()).as_ref());
    w.insert_host_token(ADMIN, Role::Owner, &hash, now_us).await?;
    w.log_change(None, "strowger", "tokens", "made the admin token", now_us).await?;
    // The file first: a token in the database that nobody has would only be a dead row.
    let mut out = std::fs::OpenOptions::new()
        .write(true)
        .create(true)
        .truncate(true)
        .mode(0o600)
        .open(file)?;
    writeln!(out, "{token}")?;
    out.sync_all()?;
    w.commit().await?;
    Ok(())
}
