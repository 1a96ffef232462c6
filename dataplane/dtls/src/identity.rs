//! Who we are to all parties: a certificate signed by itself, and its key.

use crate::clock::Clock;
use crate::fingerprint::Fingerprint;
use crate::limits::MTU;
use core::fmt;
use dimpl::crypto::rust_crypto;
use dimpl::{Config, DtlsCertificate};
use rcgen::{CertificateParams, DnType, KeyPair};
use rustls::crypto::ring;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::sign::CertifiedKey;
use std::sync::Arc;
use zeroize::Zeroizing;

/// What our certificate calls us: it is known by its sum, not by its name.
const NAME: &str = "strowger";

/// Our certificate with its key, and how the protocol is spoken.
pub struct Identity {
    pub(crate) certificate: DtlsCertificate,
    pub(crate) config: Arc<Config>,
    pub(crate) clock: Clock,
    fingerprint: Fingerprint,
}

/// Why a certificate is not taken.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Unfit {
    /// No PEM of a certificate.
    Certificate,
    /// No PEM of a private key that can be used: ECDSA by P-256 or P-384.
    Key,
    /// The key is not that of the certificate.
    Mismatch,
    /// The system gives no random bytes.
    Chance,
}

impl fmt::Display for Unfit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Unfit::Certificate => "there is no PEM certificate",
            Unfit::Key => "there is no PEM private key of ECDSA by P-256 or P-384",
            Unfit::Mismatch => "the key is not that of the certificate",
            Unfit::Chance => "the system gives no random bytes",
        })
    }
}

impl Identity {
    /// A new certificate and its key, as PEM. It is to be kept: descriptions of calls that go on in
    /// another life of the process name its sum. Secret.
    ///
    /// # Errors
    /// [`Unfit::Chance`].
    pub fn make() -> Result<Zeroizing<String>, Unfit> {
        let key = KeyPair::generate().map_err(|_| Unfit::Chance)?;
        let mut params = CertificateParams::default();
        params.distinguished_name.push(DnType::CommonName, NAME);
        let certificate = params.self_signed(&key).map_err(|_| Unfit::Chance)?;
        let key = Zeroizing::new(key.serialize_pem());
        Ok(Zeroizing::new([certificate.pem().as_str(), key.as_str()].concat()))
    }

    /// The identity of a certificate and its key, as PEM. Times are the clock's.
    ///
    /// # Errors
    /// [`Unfit`].
    pub fn read(pem: &[u8], clock: Clock) -> Result<Identity, Unfit> {
        let certificate = CertificateDer::from_pem_slice(pem).map_err(|_| Unfit::Certificate)?;
        let key = PrivateKeyDer::from_pem_slice(pem).map_err(|_| Unfit::Key)?;
        let provider = rust_crypto::default_provider();
        let loaded = provider.key_provider.load_private_key(key.secret_der());
        loaded.map_err(|_| Unfit::Key)?;
        let private_key = key.secret_der().to_vec();
        let chain = vec![certificate.clone()];
        CertifiedKey::from_der(chain, key, &ring::default_provider())
            .map_err(|_| Unfit::Mismatch)?;
        let config = Config::builder().mtu(MTU).with_crypto_provider(provider).build();
        Ok(Identity {
            fingerprint: Fingerprint::of(&certificate),
            certificate: DtlsCertificate { certificate: certificate.to_vec(), private_key },
            config: Arc::new(config.map_err(|_| Unfit::Chance)?),
            clock,
        })
    }

    /// What descriptions say of our certificate.
    #[must_use]
    pub const fn fingerprint(&self) -> &Fingerprint {
        &self.fingerprint
    }
}

impl fmt::Debug for Identity {
    /// The key is not shown.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let fingerprint = &self.fingerprint;
        f.debug_struct("Identity").field("fingerprint", fingerprint).finish_non_exhaustive()
    }
}
