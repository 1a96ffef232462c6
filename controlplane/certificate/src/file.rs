//! Files that somebody keeps: read again when they have changed.

use crate::{Certificate, CertificateSource, Error, FILE_LEN_MAX};
use ring::digest::{SHA256, digest};
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};
use tokio::fs;

/// How often the files are looked at.
const LOOK: Duration = Duration::from_secs(30);

/// A chain and a key in two files of PEM. Whoever changes both should write the key first: a pair
/// that does not belong together is refused, and looked at again.
#[derive(Debug)]
pub struct Files {
    chain: PathBuf,
    key: PathBuf,
    /// Hash of what was given last.
    given: Option<Vec<u8>>,
    due: SystemTime,
}

impl Files {
    /// Looks at nothing yet.
    #[must_use]
    pub fn new(chain: PathBuf, key: PathBuf) -> Files {
        Files { chain, key, given: None, due: SystemTime::UNIX_EPOCH }
    }
}

impl Files {
    async fn look(&mut self, now: SystemTime) -> Result<Option<Certificate>, Error> {
        let (chain, key) = (read(&self.chain).await?, read(&self.key).await?);
        let hash = digest(&SHA256, [chain.as_bytes(), b"\0", key.as_bytes()].concat().as_slice());
        if self.given.as_deref() == Some(hash.as_ref()) {
            return Ok(None);
        }
        let certificate = Certificate::new(chain, key)?;
        certificate.check(&[], now)?;
        self.given = Some(hash.as_ref().to_vec());
        Ok(Some(certificate))
    }
}

impl CertificateSource for Files {
    async fn poll(&mut self, now: SystemTime) -> Result<Option<Certificate>, Error> {
        self.due = now + LOOK;
        let looked = self.look(now).await;
        if looked.is_err() {
            // What is put back after a failure is given once more, so that all know it is mended.
            self.given = None;
        }
        looked
    }

    fn due(&self) -> SystemTime {
        self.due
    }
}

/// A whole file of text.
pub(crate) async fn read(path: &Path) -> Result<String, Error> {
    let failed = |error| Error::File(path.to_owned(), error);
    let len = fs::metadata(path).await.map_err(failed)?.len();
    if len > FILE_LEN_MAX as u64 {
        return Err(Error::TooLong);
    }
    fs::read_to_string(path).await.map_err(failed)
}
