//! Certificates that an authority gives (ACME, RFC 8555).

use crate::Problem;
use serde::Deserialize;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::PathBuf;

/// Most names of the certificate.
pub const ACME_NAMES_MAX: usize = 64;
/// The file in [`Acme::folder`] that holds the certificate with its chain, and the key.
pub const ACME_FILE: &str = "certificate.pem";

/// An authority that gives us a certificate, and what for. Listeners with `obtained` show it.
#[derive(Clone, PartialEq, Eq, Debug, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Acme {
    /// Host names that the certificate is for, at most [`ACME_NAMES_MAX`]; empty = nobody is asked.
    pub names: Vec<String>,
    /// The authority's directory.
    pub directory: String,
    /// PEM file of the roots that vouch for the authority's own server, relative to `node.data`.
    pub trust: PathBuf,
    /// How the authority reaches us, as `mailto:admin@example.com`.
    pub contacts: Vec<String>,
    /// Its terms are agreed to; it gives nothing to who does not.
    pub terms_agreed: bool,
    /// Where account, key and certificate are kept, relative to `node.data`; for us alone.
    pub folder: PathBuf,
    /// Where the authority's questions are answered (HTTP-01, RFC 8555 8.3): it asks port 80 of
    /// each name.
    pub listen: SocketAddr,
}

impl Default for Acme {
    fn default() -> Self {
        Acme {
            names: Vec::new(),
            directory: "https://acme-v02.api.letsencrypt.org/directory".into(),
            trust: "/etc/ssl/certs/ca-certificates.crt".into(),
            contacts: Vec::new(),
            terms_agreed: false,
            folder: "acme".into(),
            listen: SocketAddr::from((Ipv4Addr::UNSPECIFIED, 80)),
        }
    }
}

impl Acme {
    /// Whether an authority is asked.
    #[must_use]
    pub fn is_wanted(&self) -> bool {
        !self.names.is_empty()
    }

    /// Where the certificate and its key are, relative to `node.data`.
    #[must_use]
    pub fn file(&self) -> PathBuf {
        self.folder.join(ACME_FILE)
    }

    pub(crate) fn check(&self) -> Result<(), Problem> {
        if !self.is_wanted() {
            return Ok(());
        }
        let count = self.names.len();
        if count > ACME_NAMES_MAX {
            let what = format!("at most {ACME_NAMES_MAX} names, {count} given");
            return Err(Problem::at("acme.names", what));
        }
        let part = |part: &str| {
            let plain = |b: u8| b.is_ascii_alphanumeric() || b == b'-';
            !part.is_empty() && part.bytes().all(plain)
        };
        // Over HTTP nobody can show that a wildcard or a bare word is his.
        let sound = |name: &&String| !(name.contains('.') && name.split('.').all(part));
        if let Some(name) = self.names.iter().find(sound) {
            return Err(Problem::at("acme.names", format!("`{name}` is no host name")));
        }
        if !self.directory.starts_with("https://") {
            let what = format!("must begin with https://, is `{}`", self.directory);
            return Err(Problem::at("acme.directory", what));
        }
        if !self.terms_agreed {
            let what = "must be true: an authority gives nothing to who does not agree";
            return Err(Problem::at("acme.terms_agreed", what));
        }
        Ok(())
    }
}
