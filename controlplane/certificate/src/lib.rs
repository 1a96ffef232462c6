//! Where certificates come from: files that somebody keeps, or an authority that we ask (ACME,
//! RFC 8555).
//!
//! A [`CertificateSource`] gives a [`Certificate`] when there is a new one, and says when it wants
//! to be asked again; [`keep`] asks it for as long as the process lives. What comes out is PEM, for
//! the dataplane's listeners, which check it once more before they show it.
//!
//! The authority wants to see that the names are ours: it asks over HTTP for a text under
//! `/.well-known/acme-challenge/` (HTTP-01, RFC 8555 8.3). [`Answers`] holds these texts,
//! [`answer::serve`] gives them on a listener of their own, usually port 80; a REST server may
//! ask [`Answers::find`] instead. Nothing else is ever answered there.
//!
//! Never here: private keys in logs or messages, anything of the authority's that is not bounded.
//! Start at [`CertificateSource`], then `acme.rs`.

mod acme;
pub mod answer;
mod expiry;
mod file;
mod https;

pub use acme::{Acme, AcmeSettings};
pub use answer::Answers;
pub use file::Files;

use rustls::crypto::ring::default_provider;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use rustls::server::ParsedCertificate;
use rustls::sign::CertifiedKey;
use std::fmt;
use std::future::Future;
use std::time::{Duration, SystemTime};
use tracing::warn;

/// Bytes of a file of certificates or of a key, and of an authority's answer.
pub const FILE_LEN_MAX: usize = 262_144;
/// Certificates of a chain, as the dataplane takes them.
pub const CHAIN_MAX: usize = 8;
/// Names of one certificate.
pub const NAMES_MAX: usize = 64;
/// The longest and the shortest pause of [`keep`].
const PAUSE_MAX: Duration = Duration::from_secs(3_600);
const PAUSE_MIN: Duration = Duration::from_secs(1);

/// Gives certificates.
pub trait CertificateSource: Send {
    /// The certificate, if there is one that was not given before.
    ///
    /// # Errors
    /// There is none, or none that fits; the last one given stays good until it expires.
    fn poll(
        &mut self,
        now: SystemTime,
    ) -> impl Future<Output = Result<Option<Certificate>, Error>> + Send;

    /// When it wants to be asked again.
    fn due(&self) -> SystemTime;
}

/// A certificate with its chain and key, known to belong together.
#[derive(Clone, PartialEq, Eq)]
pub struct Certificate {
    /// PEM, the certificate itself first.
    pub chain: String,
    /// PEM.
    pub key: String,
    /// Valid from then on.
    pub not_before: SystemTime,
    /// Valid until then.
    pub not_after: SystemTime,
}

impl fmt::Debug for Certificate {
    /// The key is not shown.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Certificate")
            .field("not_before", &self.not_before)
            .field("not_after", &self.not_after)
            .finish_non_exhaustive()
    }
}

/// Why there is no certificate.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// A file cannot be read or written.
    #[error("file {0}")]
    File(std::path::PathBuf, #[source] std::io::Error),
    /// A file, or what the authority sent, is longer than [`FILE_LEN_MAX`].
    #[error("more than {FILE_LEN_MAX} bytes")]
    TooLong,
    /// The chain is no PEM of certificates, or one that cannot be read.
    #[error("the chain holds no PEM certificates that can be read")]
    Chain,
    /// The key is no PEM of a private key, or not that of the certificate.
    #[error("the key is no PEM private key, or not that of the certificate")]
    Key,
    /// It is valid no more.
    #[error("the certificate has expired")]
    Expired,
    /// It is not for this name.
    #[error("the certificate is not for {0}")]
    NotFor(String),
    /// No names, too many, or one that no certificate can have.
    #[error("the names of the certificate are none, too many or no host names")]
    Names,
    /// The trust in the authority's own server is no PEM of certificates.
    #[error("the trust in the authority holds no PEM certificates")]
    Trust,
    /// The authority refuses, or cannot be reached.
    #[error("the authority")]
    Authority(#[source] instant_acme::Error),
    /// The authority does not believe that the names are ours, or offers no way to show it by HTTP.
    #[error("the authority did not get the answer to its question over HTTP")]
    Unproven,
    /// The authority takes too long.
    #[error("the authority takes too long")]
    Late,
    /// A key or a request could not be made.
    #[error("making the request")]
    Request(#[source] rcgen::Error),
}

impl Error {
    /// With all its sources, for a person.
    #[must_use]
    pub fn chain(&self) -> String {
        let (mut text, mut source) = (self.to_string(), std::error::Error::source(self));
        while let Some(cause) = source {
            text.push_str(": ");
            text.push_str(&cause.to_string());
            source = cause.source();
        }
        text
    }
}

impl Certificate {
    /// Takes a chain and a key that belong together.
    ///
    /// # Errors
    /// They do not, or cannot be read.
    pub fn new(chain: String, key: String) -> Result<Certificate, Error> {
        let all: Result<Vec<_>, _> =
            CertificateDer::pem_slice_iter(chain.as_bytes()).take(CHAIN_MAX + 1).collect();
        let all = all.map_err(|_| Error::Chain)?;
        let first = all.first().filter(|_| all.len() <= CHAIN_MAX).ok_or(Error::Chain)?;
        let (not_before, not_after) = expiry::validity(first).ok_or(Error::Chain)?;
        let secret = PrivateKeyDer::from_pem_slice(key.as_bytes()).map_err(|_| Error::Key)?;
        CertifiedKey::from_der(all, secret, &default_provider()).map_err(|_| Error::Key)?;
        Ok(Certificate { chain, key, not_before, not_after })
    }

    /// Whether it is good at `now` for all these names.
    ///
    /// # Errors
    /// It is not, and why.
    pub fn check(&self, names: &[String], now: SystemTime) -> Result<(), Error> {
        if now >= self.not_after {
            return Err(Error::Expired);
        }
        let der =
            CertificateDer::from_pem_slice(self.chain.as_bytes()).map_err(|_| Error::Chain)?;
        let parsed = ParsedCertificate::try_from(&der).map_err(|_| Error::Chain)?;
        let is_for = |name: &String| {
            ServerName::try_from(name.as_str())
                .is_ok_and(|name| rustls::client::verify_server_name(&parsed, &name).is_ok())
        };
        match names.iter().find(|name| !is_for(name)) {
            Some(name) => Err(Error::NotFor(name.clone())),
            None => Ok(()),
        }
    }

    /// When a new one should be had: after two thirds of its time.
    #[must_use]
    pub fn renew_at(&self) -> SystemTime {
        let time = self.not_after.duration_since(self.not_before).unwrap_or_default();
        self.not_before + time / 3 * 2
    }
}

/// What became of asking a source.
#[derive(Debug)]
pub enum News {
    /// There is a new certificate; what was wrong before is mended.
    Given(Certificate),
    /// There is none, and why; the last one given stays good until it expires.
    Failed(Error),
}

/// Asks `source` again and again, and tells `hear` what is new, with the time when it is asked
/// again. A failure is said in the log, once while it stays the same, and tried again when the
/// source wants it.
pub async fn keep(
    mut source: impl CertificateSource,
    mut hear: impl FnMut(News, SystemTime) + Send,
) {
    let mut said = String::new();
    loop {
        let polled = source.poll(SystemTime::now()).await;
        let now = SystemTime::now();
        let pause = source.due().duration_since(now).unwrap_or_default();
        let pause = pause.clamp(PAUSE_MIN, PAUSE_MAX);
        match polled {
            Ok(Some(certificate)) => {
                said.clear();
                hear(News::Given(certificate), source.due());
            }
            Ok(None) => {}
            Err(error) => {
                let text = error.chain();
                if text != said {
                    warn!("no new certificate: {text}");
                    said = text;
                }
                hear(News::Failed(error), source.due());
            }
        }
        tokio::time::sleep(pause).await;
    }
}
