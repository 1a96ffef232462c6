//! Certificates of listeners: one that an authority gives us (ACME), and those of files, which are
//! watched. Whatever is new is told to the dataplane by SIGHUP, which reads them again.
//!
//! Nothing here touches a key: it goes from the authority's task into its file, and from there
//! into the dataplane. What went wrong is kept for REST, metrics and `/readyz`, and tried again.

use std::collections::BTreeMap;
use std::io;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, SystemTime, UNIX_EPOCH};
use strowger_api::{Behind, CertificateStanding, MetricsWriter};
use strowger_certificate::{
    Acme, AcmeSettings, Answers, Certificate, CertificateSource, Files, News, answer, keep,
};
use strowger_port::{clock, keep as place};
use strowger_tuning::{Acme as Wanted, Config};
use tokio::net::TcpListener;
use tokio::runtime::Handle;
use tokio::sync::Notify;
use tracing::{info, warn};

/// The dataplane's place in the run directory.
const DATAPLANE: &str = "switchd";
/// What is new within this time is told at once.
const COMPANY: Duration = Duration::from_millis(300);
/// Until the dataplane is told again, the answers' port is tried again, the trust is read again.
const RETRY: Duration = Duration::from_secs(5);
/// A certificate with less time left than this is in trouble, renewed or not, microseconds.
const SHORT_US: i64 = 86_400_000_000;

/// How all certificates stand. A clone is the same.
#[derive(Clone, Debug, Default)]
pub(crate) struct Standings(Arc<Mutex<Vec<CertificateStanding>>>);

impl Standings {
    fn lock(&self) -> MutexGuard<'_, Vec<CertificateStanding>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// All of them.
    pub(crate) fn all(&self) -> Vec<CertificateStanding> {
        self.lock().clone()
    }

    /// What is wrong with the first one that is in trouble; `None` when none is.
    pub(crate) fn problem(&self, now_us: i64) -> Option<String> {
        self.lock().iter().find_map(|standing| {
            let why = trouble(standing, now_us)?;
            Some(format!("{}: {why}", standing.file))
        })
    }

    /// Families of metrics; none without certificates.
    pub(crate) fn write(&self, writer: &mut MetricsWriter, now_us: i64) {
        let all = self.all();
        if all.is_empty() {
            return;
        }
        let help = "Time that a certificate of listeners is valid yet; 0 = it is not.";
        let mut family = writer.gauge("strowger_certificate_valid_seconds", help);
        for one in &all {
            let left_us = one.valid_us.map_or(0, |(_, until)| until.saturating_sub(now_us));
            family.seconds(&[("file", &one.file)], u64::try_from(left_us).unwrap_or(0));
        }
        let help = "The last attempt to have the certificate, or its next one, failed.";
        let mut family = writer.gauge("strowger_certificate_failing", help);
        for one in &all {
            family.sample(&[("file", &one.file)], one.failing.is_some().into());
        }
        let help = "Attempts to have the certificate, or its next one, that failed.";
        let mut family = writer.counter("strowger_certificate_failures_total", help);
        for one in &all {
            family.sample(&[("file", &one.file)], one.failures);
        }
    }

    /// Gives a certificate a place.
    fn add(&self, standing: CertificateStanding) -> Place {
        let mut all = self.lock();
        all.push(standing);
        Place { all: self.clone(), index: all.len() - 1 }
    }
}

fn trouble(standing: &CertificateStanding, now_us: i64) -> Option<String> {
    if let Some(failing) = &standing.failing {
        return Some(failing.problem.clone());
    }
    match standing.valid_us {
        None => Some("there is no certificate yet".to_owned()),
        Some((_, until)) if until <= now_us => Some("the certificate has expired".to_owned()),
        Some((_, until)) if until - now_us < SHORT_US && !standing.obtained => {
            Some("the certificate expires within a day".to_owned())
        }
        Some(_) => None,
    }
}

/// Where one certificate stands.
#[derive(Clone, Debug)]
struct Place {
    all: Standings,
    index: usize,
}

impl Place {
    fn change(&self, change: impl FnOnce(&mut CertificateStanding)) {
        if let Some(standing) = self.all.lock().get_mut(self.index) {
            change(standing);
        }
    }

    fn given(&self, certificate: &Certificate, next: SystemTime) {
        self.change(|standing| {
            standing.valid_us = Some((us(certificate.not_before), us(certificate.not_after)));
            (standing.next_us, standing.failing) = (Some(us(next)), None);
        });
    }

    fn failed(&self, problem: String, next: SystemTime) {
        self.change(|standing| {
            let since_us = standing.failing.take().map_or_else(clock::wall_us, |old| old.since_us);
            standing.failing = Some(Behind { since_us, problem });
            (standing.next_us, standing.failures) = (Some(us(next)), standing.failures + 1);
        });
    }
}

/// Microseconds since 1970.
fn us(time: SystemTime) -> i64 {
    let since = time.duration_since(UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since.as_micros()).unwrap_or(i64::MAX)
}

/// Begins to look after all certificates that the configuration names.
pub(crate) fn begin(config: &Config, handle: &Handle) -> Standings {
    let (standings, bell) = (Standings::default(), Arc::new(Notify::new()));
    let data = &config.node.data;
    let listeners = |shown: &dyn Fn(&strowger_tuning::StreamListener) -> bool| -> Vec<SocketAddr> {
        config.sip.stream.iter().filter(|one| shown(one)).map(|one| one.listen).collect()
    };
    if config.acme.is_wanted() {
        let place = standings.add(CertificateStanding {
            file: config.acme.file().display().to_string(),
            obtained: true,
            names: config.acme.names.clone(),
            listeners: listeners(&|one| one.obtained),
            ..CertificateStanding::default()
        });
        handle.spawn(obtain(config.acme.clone(), data.clone(), place, Arc::clone(&bell)));
    }
    let pairs = config.sip.stream.iter().flat_map(|one| &one.certificates);
    let pairs: BTreeMap<(PathBuf, PathBuf), _> =
        pairs.map(|pair| ((pair.chain.clone(), pair.key.clone()), pair)).collect();
    for ((chain, key), pair) in pairs {
        let place = standings.add(CertificateStanding {
            file: chain.display().to_string(),
            listeners: listeners(&|one| one.certificates.contains(pair)),
            ..CertificateStanding::default()
        });
        let files = Files::new(data.join(chain), data.join(key));
        handle.spawn(watch(files, place, Arc::clone(&bell)));
    }
    if !standings.lock().is_empty() {
        handle.spawn(tell(config.run_dir(), bell));
    }
    standings
}

async fn watch(source: impl CertificateSource, place: Place, bell: Arc<Notify>) {
    let hear = |news, next| match news {
        News::Given(certificate) => {
            place.given(&certificate, next);
            bell.notify_one();
        }
        News::Failed(error) => place.failed(error.chain(), next),
    };
    keep(source, hear).await;
}

/// Asks the authority, and answers its questions meanwhile.
async fn obtain(wanted: Wanted, data: PathBuf, place: Place, bell: Arc<Notify>) {
    let answers = Answers::default();
    let trust = data.join(&wanted.trust);
    let trust = loop {
        match tokio::fs::read_to_string(&trust).await {
            Ok(trust) => break trust,
            Err(e) => place.failed(format!("acme.trust: {}: {e}", trust.display()), soon()),
        }
        tokio::time::sleep(RETRY).await;
    };
    let settings = AcmeSettings {
        directory: wanted.directory,
        trust,
        contacts: wanted.contacts,
        names: wanted.names,
        folder: data.join(wanted.folder),
    };
    let source = match Acme::new(settings, answers.clone()) {
        Ok(source) => source,
        // Nothing mends it but another configuration.
        Err(e) => return place.failed(format!("acme.names: {}", e.chain()), soon()),
    };
    tokio::spawn(respond(wanted.listen, answers));
    watch(source, place, bell).await;
}

fn soon() -> SystemTime {
    SystemTime::now() + RETRY
}

/// Answers the authority's questions. Somebody else may have the port for a while.
async fn respond(listen: SocketAddr, answers: Answers) {
    let mut said = false;
    loop {
        match TcpListener::bind(listen).await {
            Ok(listener) => return answer::serve(listener, answers).await,
            Err(e) if !said => {
                said = true;
                warn!("acme.listen: {listen}: {e}; the authority's questions are not answered");
            }
            Err(_) => {}
        }
        tokio::time::sleep(RETRY).await;
    }
}

/// Has the dataplane read its certificates again whenever the bell rings.
async fn tell(run: PathBuf, bell: Arc<Notify>) {
    loop {
        bell.notified().await;
        tokio::time::sleep(COMPANY).await;
        let run = run.clone();
        // It may take a moment to answer.
        let told = tokio::task::spawn_blocking(move || tell_once(&run)).await;
        match told {
            Ok(Ok(true)) => info!("the dataplane reads certificates again"),
            // It reads them when it starts.
            Ok(Ok(false)) => {}
            Ok(Err(e)) => {
                warn!("the dataplane cannot be told of a certificate: {e}");
                tokio::time::sleep(RETRY).await;
                bell.notify_one();
            }
            // The runtime ends.
            Err(_) => return,
        }
    }
}

/// Whether there is a dataplane, which was told.
fn tell_once(run: &Path) -> io::Result<bool> {
    let Some(found) = place::find(run, DATAPLANE)? else { return Ok(false) };
    found.process.hang_up().map(|()| true)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn standing(valid_us: Option<(i64, i64)>) -> CertificateStanding {
        CertificateStanding { file: "f".into(), valid_us, ..CertificateStanding::default() }
    }

    #[test]
    fn trouble_is_a_failure_or_an_end_that_is_near() {
        let day = SHORT_US;
        let of = |one: &CertificateStanding| trouble(one, 10 * day);
        assert_eq!(of(&standing(None)).unwrap(), "there is no certificate yet");
        let expired = of(&standing(Some((0, 10 * day)))).unwrap();
        assert_eq!(expired, "the certificate has expired");
        let short = standing(Some((0, 11 * day - 1)));
        assert_eq!(of(&short).unwrap(), "the certificate expires within a day");
        // One of an authority may be short-lived.
        assert_eq!(of(&CertificateStanding { obtained: true, ..short }), None);
        assert_eq!(of(&standing(Some((0, 11 * day)))), None);
    }

    #[test]
    fn a_failure_stands_until_there_is_a_new_one_and_keeps_its_beginning() {
        let standings = Standings::default();
        let place = standings.add(standing(Some((0, i64::MAX))));
        place.failed("no".into(), UNIX_EPOCH);
        let first = standings.all()[0].failing.clone().unwrap();
        place.failed("still no".into(), UNIX_EPOCH + Duration::from_secs(1));
        let [one] = &standings.all()[..] else { panic!("one") };
        let failing = one.failing.clone().unwrap();
        assert_eq!((failing.since_us, one.failures), (first.since_us, 2));
        assert_eq!(one.next_us, Some(1_000_000));
        assert_eq!(standings.problem(0).unwrap(), "f: still no");
    }

    #[tokio::test]
    async fn a_file_that_lacks_is_said_and_the_dataplane_may_be_away() {
        let dir = std::env::temp_dir().join(format!("strowger-lacks-{}", std::process::id()));
        std::fs::create_dir_all(&dir).unwrap();
        let text = "[[sip.stream]]\nlisten = \"127.0.0.1:5061\"\ntransport = \"tls\"\n\
             certificates = [{ chain = \"chain.pem\", key = \"key.pem\" }]";
        let mut config = Config::parse(text).unwrap();
        config.node.data.clone_from(&dir);
        let standings = begin(&config, &Handle::current());
        let problem = loop {
            let all = standings.all();
            if let [CertificateStanding { failing: Some(failing), .. }] = &all[..] {
                break failing.problem.clone();
            }
            tokio::time::sleep(Duration::from_millis(5)).await;
        };
        assert!(problem.contains("chain.pem"), "{problem}");
        assert!(!tell_once(&dir).unwrap());
        std::fs::remove_dir_all(&dir).unwrap();
    }
}
