//! An authority that gives certificates to who shows that the names are his: ACME, RFC 8555.
//!
//! The account and the certificate are files in one folder that nobody else reads, so a restart
//! asks for nothing. Chain and key are one file, so that nobody ever reads halves of two. A renewal
//! begins after two thirds of the certificate's time; what fails is tried again after a pause that
//! doubles, because authorities count failures.

use crate::answer::Answers;
use crate::file::read;
use crate::https::Https;
use crate::{Certificate, CertificateSource, Error, NAMES_MAX};
use instant_acme::{
    Account, AccountCredentials, AuthorizationStatus, ChallengeType, Identifier, NewAccount,
    NewOrder, Order, OrderStatus, RetryPolicy,
};
use rcgen::{CertificateParams, DistinguishedName, KeyPair};
use std::io;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};
use tokio::fs;
use tokio::io::AsyncWriteExt;

/// How long the authority may take for all of it.
const OBTAIN: Duration = Duration::from_secs(180);
/// Pauses after failures.
const PAUSE_MIN: Duration = Duration::from_secs(300);
const PAUSE_MAX: Duration = Duration::from_secs(86_400);
/// Whose account and certificate the other files are.
const AUTHORITY: &str = "authority";
/// Where the key begins behind the chain: PKCS#8 as we write it (RFC 7468 10).
const KEY_BEGIN: &str = "-----BEGIN PRIVATE KEY-----";
const ACCOUNT: &str = "account.json";
/// The certificate, its chain, its key.
const CERTIFICATE: &str = "certificate.pem";

/// Whom to ask for what.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct AcmeSettings {
    /// The authority's directory, `https://...`.
    pub directory: String,
    /// Roots that vouch for the authority's own server, as PEM.
    pub trust: String,
    /// How the authority reaches us, as `mailto:admin@example.com`. Its terms are agreed to.
    pub contacts: Vec<String>,
    /// The names that the certificate is for; host names only.
    pub names: Vec<String>,
    /// Where account and certificate are kept. It is made, for us alone.
    pub folder: PathBuf,
}

/// Asks an authority.
#[derive(Debug)]
pub struct Acme {
    settings: AcmeSettings,
    answers: Answers,
    /// Whether the folder was looked into.
    looked: bool,
    failures: u32,
    due: SystemTime,
}

impl Acme {
    /// Asks nobody yet. Somebody has to give the `answers` where the authority looks for them.
    ///
    /// # Errors
    /// The names are none, too many, or no host names.
    pub fn new(settings: AcmeSettings, answers: Answers) -> Result<Acme, Error> {
        let sound = |name: &String| {
            let host = rustls::pki_types::DnsName::try_from(name.as_str()).is_ok();
            host && name.contains('.') && !name.contains('*')
        };
        let count = settings.names.len();
        if count == 0 || count > NAMES_MAX || !settings.names.iter().all(sound) {
            return Err(Error::Names);
        }
        let due = SystemTime::UNIX_EPOCH;
        Ok(Acme { settings, answers, looked: false, failures: 0, due })
    }

    /// What an earlier life obtained, if it is still of use.
    async fn kept(&self, now: SystemTime) -> Option<Certificate> {
        if !self.is_same_authority().await {
            return None;
        }
        let both = read(&self.settings.folder.join(CERTIFICATE)).await.ok()?;
        let at = both.find(KEY_BEGIN)?;
        let (chain, key) = both.split_at_checked(at)?;
        let certificate = Certificate::new(chain.to_owned(), key.to_owned()).ok()?;
        certificate.check(&self.settings.names, now).ok().map(|()| certificate)
    }

    /// Whether the folder is that of the authority to be asked.
    async fn is_same_authority(&self) -> bool {
        let kept = read(&self.settings.folder.join(AUTHORITY)).await;
        kept.is_ok_and(|kept| kept == self.settings.directory)
    }

    async fn obtain(&self, now: SystemTime) -> Result<Certificate, Error> {
        let folder = &self.settings.folder;
        make(folder).await?;
        let account = self.account().await?;
        let names: Vec<_> = self.settings.names.iter().cloned().map(Identifier::Dns).collect();
        let order = account.new_order(&NewOrder::new(&names)).await;
        let mut order = order.map_err(Error::Authority)?;
        self.prove(&mut order).await?;
        let key = KeyPair::generate().map_err(Error::Request)?;
        let mut params =
            CertificateParams::new(self.settings.names.clone()).map_err(Error::Request)?;
        params.distinguished_name = DistinguishedName::new();
        let request = params.serialize_request(&key).map_err(Error::Request)?;
        order.finalize_csr(request.der()).await.map_err(Error::Authority)?;
        let chain = order.poll_certificate(&RetryPolicy::new()).await.map_err(Error::Authority)?;
        let certificate = Certificate::new(chain, key.serialize_pem())?;
        certificate.check(&self.settings.names, now)?;
        let both = format!("{}\n{}", certificate.chain.trim_end(), certificate.key);
        write(&folder.join(CERTIFICATE), both.as_bytes()).await?;
        Ok(certificate)
    }

    /// The account of an earlier life, or a new one.
    async fn account(&self) -> Result<Account, Error> {
        let client = Https::new(&self.settings.trust)?;
        let builder = Account::builder_with_http(Box::new(client));
        let path = self.settings.folder.join(ACCOUNT);
        let kept = if self.is_same_authority().await { read(&path).await.ok() } else { None };
        let kept = kept.and_then(|text| serde_json::from_str::<AccountCredentials>(&text).ok());
        if let Some(kept) = kept {
            return builder.from_credentials(kept).await.map_err(Error::Authority);
        }
        let contact: Vec<&str> = self.settings.contacts.iter().map(String::as_str).collect();
        let wanted = NewAccount {
            contact: &contact,
            terms_of_service_agreed: true,
            only_return_existing: false,
        };
        let made = builder.create(&wanted, self.settings.directory.clone(), None).await;
        let (account, credentials) = made.map_err(Error::Authority)?;
        let text = serde_json::to_vec(&credentials)
            .map_err(|error| Error::File(path.clone(), io::Error::other(error)))?;
        write(&path, &text).await?;
        let authority = self.settings.folder.join(AUTHORITY);
        write(&authority, self.settings.directory.as_bytes()).await?;
        Ok(account)
    }

    /// Shows the authority that each name is ours, by the answers it finds over HTTP.
    async fn prove(&self, order: &mut Order) -> Result<(), Error> {
        let mut authorizations = order.authorizations();
        while let Some(authorization) = authorizations.next().await {
            let mut authorization = authorization.map_err(Error::Authority)?;
            if authorization.status == AuthorizationStatus::Valid {
                continue;
            }
            let challenge = authorization.challenge(ChallengeType::Http01);
            let mut challenge = challenge.ok_or(Error::Unproven)?;
            self.answers.put(&challenge.token, challenge.key_authorization().as_str());
            challenge.set_ready().await.map_err(Error::Authority)?;
        }
        let status = order.poll_ready(&RetryPolicy::new()).await.map_err(Error::Authority)?;
        if status == OrderStatus::Ready { Ok(()) } else { Err(Error::Unproven) }
    }
}

impl CertificateSource for Acme {
    async fn poll(&mut self, now: SystemTime) -> Result<Option<Certificate>, Error> {
        if !std::mem::replace(&mut self.looked, true)
            && let Some(kept) = self.kept(now).await
        {
            self.due = kept.renew_at();
            return Ok(Some(kept));
        }
        if now < self.due {
            return Ok(None);
        }
        let obtained = tokio::time::timeout(OBTAIN, self.obtain(now)).await;
        self.answers.clear();
        match obtained.unwrap_or(Err(Error::Late)) {
            Ok(certificate) => {
                self.failures = 0;
                // One that is given with little time left is not asked for without pause.
                let left = certificate.not_after.duration_since(now).unwrap_or_default();
                self.due = certificate.renew_at().max(now + PAUSE_MIN.min(left / 3));
                Ok(Some(certificate))
            }
            Err(error) => {
                let pause = PAUSE_MIN.saturating_mul(1 << self.failures.min(16)).min(PAUSE_MAX);
                self.failures = self.failures.saturating_add(1);
                self.due = now + pause;
                Err(error)
            }
        }
    }

    fn due(&self) -> SystemTime {
        self.due
    }
}

/// Writes a file whole or not at all, for us alone.
async fn write(path: &Path, bytes: &[u8]) -> Result<(), Error> {
    let failed = |error| Error::File(path.to_owned(), error);
    let beside = path.with_extension("new");
    // One that an earlier life left behind could have other rights.
    let _ = fs::remove_file(&beside).await;
    let mut options = fs::OpenOptions::new();
    let mut file =
        options.write(true).create_new(true).mode(0o600).open(&beside).await.map_err(failed)?;
    file.write_all(bytes).await.map_err(failed)?;
    file.sync_all().await.map_err(failed)?;
    fs::rename(&beside, path).await.map_err(failed)?;
    let folder = fs::File::open(path.parent().unwrap_or(path)).await.map_err(failed)?;
    folder.sync_all().await.map_err(failed)
}

/// Makes the folder, for us alone.
async fn make(folder: &Path) -> Result<(), Error> {
    let failed = |error| Error::File(folder.to_owned(), error);
    let mut builder = fs::DirBuilder::new();
    builder.recursive(true).mode(0o700).create(folder).await.map_err(failed)
}
