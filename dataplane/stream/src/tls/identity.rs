//! Who we are and whom we trust: certificates, keys and trust as PEM (RFC 7468), made into what
//! sessions are made from. A reload is made whole before it is taken, or is not taken.

use crate::limits::{CHAIN_MAX, IDENTITIES_MAX, TRUST_MAX};
use arc_swap::ArcSwap;
use rustls::client::{Resumption, verify_server_name};
use rustls::crypto::{CryptoProvider, ring};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use rustls::server::danger::ClientCertVerifier;
use rustls::server::{
    ClientHello, NoServerSessionStorage, ParsedCertificate, ProducesTickets, ResolvesServerCert,
    WebPkiClientVerifier,
};
use rustls::sign::CertifiedKey;
use rustls::{ClientConfig, Error, InconsistentKeys, RootCertStore, ServerConfig};
use std::fmt;
use std::sync::Arc;

/// A certificate with its chain, and its key, as PEM.
#[derive(Clone)]
pub struct Identity {
    /// The certificate first, then those that lead to a root.
    pub chain: Vec<u8>,
    /// PKCS#8, PKCS#1 or SEC1, not encrypted.
    pub key: Vec<u8>,
}

impl fmt::Debug for Identity {
    /// The key is not shown.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Identity").field("chain", &self.chain.len()).finish_non_exhaustive()
    }
}

/// Whether clients show who they are; what they show must lead to these roots, as PEM.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Clients {
    /// They are not asked.
    Unasked,
    /// They may. Who shows a certificate must show a good one.
    Welcome(Vec<u8>),
    /// They must.
    Required(Vec<u8>),
}

/// What is spoken inside, for ALPN (RFC 7301).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Speaks {
    /// SIP. Whatever a client offers, or nothing, is taken: few phones know `sip/2`.
    Sip,
    /// HTTP/1.1, and WebSocket behind it: a browser must not get `h2` chosen.
    Http,
}

/// Why certificates, keys or trust are not taken.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Unfit {
    /// No identity, or more than `IDENTITIES_MAX`.
    Identities,
    /// The chain is no PEM of certificates, is empty, or longer than `CHAIN_MAX`.
    Chain,
    /// The key is no PEM of one private key, or of a kind that is not known.
    Key,
    /// The key is not that of the certificate.
    Mismatch,
    /// The certificate cannot be read.
    Certificate,
    /// The trust is no PEM of certificates, is empty, or longer than `TRUST_MAX`.
    Trust,
    /// The system gives no random bytes.
    Chance,
}

impl fmt::Display for Unfit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Unfit::Identities => "there is no certificate, or there are too many",
            Unfit::Chain => "the certificate file holds no PEM certificates, or too many",
            Unfit::Key => "the key file holds no PEM private key of a known kind",
            Unfit::Mismatch => "the key does not belong to the certificate",
            Unfit::Certificate => "the certificate cannot be read",
            Unfit::Trust => "the trust file holds no PEM certificates, or too many",
            Unfit::Chance => "the system gives no random bytes",
        })
    }
}

/// What one listener shows to those who connect. Connections keep what they began with.
#[derive(Debug)]
pub struct Server {
    speaks: Speaks,
    current: ArcSwap<Settings>,
}

#[derive(Debug)]
struct Settings {
    config: Arc<ServerConfig>,
    clients: Clients,
}

impl Server {
    /// The first identity is shown to those who ask for no name that any has.
    ///
    /// # Errors
    /// Something of it is unfit.
    pub fn new(identities: &[Identity], clients: Clients, speaks: Speaks) -> Result<Server, Unfit> {
        some(identities)?;
        let settings = settings(identities, clients, speaks, None)?;
        Ok(Server { speaks, current: ArcSwap::from_pointee(settings) })
    }

    /// One that has nothing to show yet: every handshake fails until [`Server::reload`].
    ///
    /// # Errors
    /// Whom it trusts is unfit.
    pub fn awaiting(clients: Clients, speaks: Speaks) -> Result<Server, Unfit> {
        let settings = settings(&[], clients, speaks, None)?;
        Ok(Server { speaks, current: ArcSwap::from_pointee(settings) })
    }

    /// New connections see these from now on. Tickets of before stay good, unless whom we trust
    /// has changed: who comes back with a ticket shows no certificate.
    ///
    /// # Errors
    /// Something of it is unfit; everything stays as it was.
    pub fn reload(&self, identities: &[Identity], clients: Clients) -> Result<(), Unfit> {
        some(identities)?;
        let before = self.current.load();
        let same = before.clients == clients;
        let ticketer = same.then(|| Arc::clone(&before.config.ticketer));
        let settings = settings(identities, clients, self.speaks, ticketer)?;
        self.current.store(Arc::new(settings));
        Ok(())
    }

    pub(crate) fn config(&self) -> Arc<ServerConfig> {
        Arc::clone(&self.current.load().config)
    }
}

fn some(identities: &[Identity]) -> Result<(), Unfit> {
    if identities.is_empty() { Err(Unfit::Identities) } else { Ok(()) }
}

fn settings(
    identities: &[Identity],
    clients: Clients,
    speaks: Speaks,
    ticketer: Option<Arc<dyn ProducesTickets>>,
) -> Result<Settings, Unfit> {
    let provider = Arc::new(ring::default_provider());
    if identities.len() > IDENTITIES_MAX {
        return Err(Unfit::Identities);
    }
    let keys: Result<Vec<_>, _> =
        identities.iter().map(|one| certified(one, &provider).map(Arc::new)).collect();
    let builder = ServerConfig::builder_with_provider(Arc::clone(&provider))
        .with_safe_default_protocol_versions()
        .map_err(|_| Unfit::Key)?;
    let builder = match verifier(&clients, provider)? {
        Some(verifier) => builder.with_client_cert_verifier(verifier),
        None => builder.with_no_client_auth(),
    };
    let mut config = builder.with_cert_resolver(Arc::new(ByName(keys?)));
    config.ticketer = match ticketer {
        Some(ticketer) => ticketer,
        None => ring::Ticketer::new().map_err(|_| Unfit::Chance)?,
    };
    // Tickets carry all there is to know of a session; one of them is enough to come back.
    config.session_storage = Arc::new(NoServerSessionStorage {});
    config.send_tls13_tickets = 1;
    if speaks == Speaks::Http {
        config.alpn_protocols = vec![b"http/1.1".to_vec()];
    }
    Ok(Settings { config: Arc::new(config), clients })
}

fn certified(identity: &Identity, provider: &CryptoProvider) -> Result<CertifiedKey, Unfit> {
    let chain = certificates(&identity.chain, CHAIN_MAX).ok_or(Unfit::Chain)?;
    let first = chain.first().ok_or(Unfit::Chain)?;
    ParsedCertificate::try_from(first).map_err(|_| Unfit::Certificate)?;
    let key = PrivateKeyDer::from_pem_slice(&identity.key).map_err(|_| Unfit::Key)?;
    CertifiedKey::from_der(chain, key, provider).map_err(|error| {
        if error == Error::InconsistentKeys(InconsistentKeys::KeyMismatch) {
            return Unfit::Mismatch;
        }
        let unread = matches!(error, Error::InvalidCertificate(_));
        if unread { Unfit::Certificate } else { Unfit::Key }
    })
}

/// None = they are no certificates, none, or too many.
fn certificates(pem: &[u8], max: usize) -> Option<Vec<CertificateDer<'static>>> {
    let all: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(pem).take(max + 1).collect();
    all.ok().filter(|all| !all.is_empty() && all.len() <= max)
}

fn roots(pem: &[u8]) -> Result<Arc<RootCertStore>, Unfit> {
    let mut roots = RootCertStore::empty();
    for root in certificates(pem, TRUST_MAX).ok_or(Unfit::Trust)? {
        roots.add(root).map_err(|_| Unfit::Trust)?;
    }
    Ok(Arc::new(roots))
}

fn verifier(
    clients: &Clients,
    provider: Arc<CryptoProvider>,
) -> Result<Option<Arc<dyn ClientCertVerifier>>, Unfit> {
    let (pem, required) = match clients {
        Clients::Unasked => return Ok(None),
        Clients::Welcome(pem) => (pem, false),
        Clients::Required(pem) => (pem, true),
    };
    let builder = WebPkiClientVerifier::builder_with_provider(roots(pem)?, provider);
    let builder = if required { builder } else { builder.allow_unauthenticated() };
    builder.build().map(Some).map_err(|_| Unfit::Trust)
}

/// Chooses by the name asked for (RFC 6066 3), wildcards included.
#[derive(Debug)]
struct ByName(Vec<Arc<CertifiedKey>>);

impl ResolvesServerCert for ByName {
    fn resolve(&self, hello: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        let name = hello.server_name().and_then(|name| ServerName::try_from(name).ok());
        let is_for = |key: &CertifiedKey, name: &ServerName<'_>| {
            let first = key.cert.first().and_then(|cert| ParsedCertificate::try_from(cert).ok());
            first.is_some_and(|cert| verify_server_name(&cert, name).is_ok())
        };
        let can_sign =
            |key: &CertifiedKey| key.key.choose_scheme(hello.signature_schemes()).is_some();
        let named = name.and_then(|name| {
            self.0.iter().find(|key| is_for(key, &name) && can_sign(key)).map(Arc::clone)
        });
        named.or_else(|| self.0.first().map(Arc::clone))
    }
}

/// Whom we trust when we connect, and what we show if we are asked.
#[derive(Debug)]
pub struct Client {
    current: ArcSwap<ClientConfig>,
}

impl Client {
    /// Servers' certificates must lead to these roots, as PEM, and be for the name that is called.
    ///
    /// # Errors
    /// Something of it is unfit.
    pub fn new(trust: &[u8], identity: Option<&Identity>) -> Result<Client, Unfit> {
        Ok(Client { current: ArcSwap::new(client_config(trust, identity)?) })
    }

    /// New connections use these from now on.
    ///
    /// # Errors
    /// Something of it is unfit; everything stays as it was.
    pub fn reload(&self, trust: &[u8], identity: Option<&Identity>) -> Result<(), Unfit> {
        self.current.store(client_config(trust, identity)?);
        Ok(())
    }

    pub(crate) fn config(&self) -> Arc<ClientConfig> {
        self.current.load_full()
    }
}

fn client_config(trust: &[u8], identity: Option<&Identity>) -> Result<Arc<ClientConfig>, Unfit> {
    let provider = Arc::new(ring::default_provider());
    let builder = ClientConfig::builder_with_provider(Arc::clone(&provider))
        .with_safe_default_protocol_versions()
        .map_err(|_| Unfit::Key)?
        .with_root_certificates(roots(trust)?);
    let mut config = match identity {
        None => builder.with_no_client_auth(),
        Some(identity) => {
            let key = certified(identity, &provider)?;
            builder.with_client_cert_resolver(Arc::new(rustls::sign::SingleCertAndKey::from(key)))
        }
    };
    config.resumption = Resumption::in_memory_sessions(crate::limits::TICKETS_MAX);
    Ok(Arc::new(config))
}
