//! Our certificate of DTLS, by which parties that agree on keys with us know us (RFC 5763).
//!
//! It is signed by itself, and its sum stands in descriptions of calls that outlive the process: so
//! it is made once, at the first start, and kept in the data directory as `dtls.pem`. Whoever wants
//! another one takes the file away and starts the dataplane again: calls that shook hands go on.

use crate::complain;
use std::fs::{self, File, OpenOptions};
use std::io::{self, ErrorKind, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;
use std::sync::Arc;
use std::time::Instant;
use strowger_dtls::{Clock, Identity};
use strowger_port::clock;
use strowger_port::eventfd::EventFd;
use strowger_shard::Dtls;
use strowger_stream::Handshaker;

/// Its file in the data directory.
const FILE: &str = "dtls.pem";
/// Largest file that is read, bytes.
const FILE_BYTES_MAX: u64 = 64 << 10;

/// Who we are: the kept certificate, or one that is made and kept now.
///
/// # Errors
/// One line for a person: the file, what is wrong with it.
pub(crate) fn identity(data: &Path) -> Result<Arc<Identity>, String> {
    let path = data.join(FILE);
    let wrong = |e: &dyn std::fmt::Display| format!("{}: {e}", path.display());
    let pem = match read(&path) {
        Ok(pem) => pem,
        Err(e) if e.kind() == ErrorKind::NotFound => {
            let made = Identity::make().map_err(|unfit| wrong(&unfit))?;
            keep(data, &path, made.as_bytes()).map_err(|e| wrong(&e))?;
            complain("a certificate for media's keys is made and kept");
            read(&path).map_err(|e| wrong(&e))?
        }
        Err(e) => return Err(wrong(&e)),
    };
    let clock = now();
    Identity::read(&pem, clock).map(Arc::new).map_err(|unfit| wrong(&unfit))
}

/// What a shard needs for it. Its waker is rung when a handshake has gone on.
///
/// # Errors
/// One line for a person: no descriptor.
pub(crate) fn dtls(
    identity: &Arc<Identity>,
    handshaker: &Handshaker,
    waker: &EventFd,
) -> Result<Dtls, String> {
    let waker = waker.try_clone().map_err(|e| format!("eventfd: {e}"))?;
    let desk = handshaker.desk(Arc::new(move || waker.ring()));
    Ok(Dtls { identity: Arc::clone(identity), desk })
}

#[expect(clippy::disallowed_methods, reason = "the protocol's code counts in the system's time")]
fn now() -> Clock {
    Clock::new(Instant::now(), clock::monotonic())
}

fn read(path: &Path) -> io::Result<Vec<u8>> {
    if fs::metadata(path)?.len() > FILE_BYTES_MAX {
        return Err(io::Error::other("is too large for a certificate"));
    }
    fs::read(path)
}

/// Writes it for nobody else to read, whole or not at all.
fn keep(data: &Path, path: &Path, pem: &[u8]) -> io::Result<()> {
    let half = data.join(format!("{FILE}.new"));
    let mut file =
        OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(&half)?;
    file.write_all(pem)?;
    file.sync_all()?;
    fs::rename(&half, path)?;
    File::open(data)?.sync_all()
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::PermissionsExt;

    fn folder(name: &str) -> std::path::PathBuf {
        let folder = std::env::temp_dir().join(format!("{name}-{}", std::process::id()));
        let _of_before = fs::remove_dir_all(&folder);
        fs::create_dir_all(&folder).unwrap();
        folder
    }

    #[test]
    fn it_is_made_once_and_for_us_alone() {
        let data = folder("strowger-dtls-identity");
        let first = identity(&data).unwrap();
        let mode = fs::metadata(data.join(FILE)).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
        let again = identity(&data).unwrap();
        assert_eq!(first.fingerprint(), again.fingerprint());
        fs::write(data.join(FILE), "nothing").unwrap();
        let wrong = identity(&data).unwrap_err();
        assert!(wrong.ends_with("dtls.pem: there is no PEM certificate"), "{wrong}");
        fs::remove_dir_all(&data).unwrap();
    }
}
