//! Both sources of certificates: files that change, and a made-up authority.

#![expect(clippy::unwrap_used, reason = "helpers of tests")]

mod fake_acme;

use fake_acme::{FakeAcme, get};
use rcgen::{CertificateParams, KeyPair, date_time_ymd};
use std::net::SocketAddr;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, SystemTime};
use strowger_certificate::{
    Acme, AcmeSettings, Answers, Certificate, CertificateSource, Error, Files, News, answer, keep,
};
use tokio::net::TcpListener;

const NAMES: [&str; 2] = ["sip.example.com", "ws.example.com"];

/// A folder that is gone with its test.
struct Folder(PathBuf);

impl Folder {
    fn new() -> Folder {
        static COUNT: AtomicUsize = AtomicUsize::new(0);
        let nth = COUNT.fetch_add(1, Ordering::Relaxed);
        let name = format!("strowger-certificate-{}-{nth}", std::process::id());
        let folder = std::env::temp_dir().join(name);
        std::fs::create_dir_all(&folder).unwrap();
        Folder(folder)
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

/// An authority, and answers where it asks.
async fn authority() -> (Arc<FakeAcme>, Answers, SocketAddr) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let (at, answers) = (listener.local_addr().unwrap(), Answers::default());
    tokio::spawn(answer::serve(listener, answers.clone()));
    (FakeAcme::start(at).await, answers, at)
}

fn settings(fake: &FakeAcme, folder: &Path) -> AcmeSettings {
    AcmeSettings {
        directory: fake.directory(),
        trust: fake.trust.clone(),
        contacts: vec!["mailto:admin@example.com".to_owned()],
        names: NAMES.map(str::to_owned).to_vec(),
        folder: folder.join("acme"),
    }
}

fn pair(name: &str, until: i32) -> (String, String) {
    let mut params = CertificateParams::new(vec![name.to_owned()]).unwrap();
    params.not_before = date_time_ymd(2020, 1, 1);
    params.not_after = date_time_ymd(until, 1, 1);
    let key = KeyPair::generate().unwrap();
    (params.self_signed(&key).unwrap().pem(), key.serialize_pem())
}

#[tokio::test]
async fn an_authority_gives_a_certificate_for_all_names_and_another_in_time() {
    let (folder, now) = (Folder::new(), SystemTime::now());
    let (fake, answers, at) = authority().await;
    let mut acme = Acme::new(settings(&fake, &folder.0), answers.clone()).unwrap();
    let first = acme.poll(now).await.unwrap().unwrap();
    first.check(&NAMES.map(str::to_owned), now).unwrap();
    assert!(matches!(first.check(&["x.example".to_owned()], now), Err(Error::NotFor(_))));
    assert_eq!(get(at, "sip.example.com", "token-0-0").await, None, "answered only while asked");
    assert_eq!(acme.due(), first.renew_at());

    let requests = fake.requests();
    assert_eq!(acme.poll(now + Duration::from_secs(9)).await.unwrap(), None);
    assert_eq!(fake.requests(), requests, "nobody is asked before it is time");
    let second = acme.poll(first.renew_at()).await.unwrap().unwrap();
    assert!(second.chain != first.chain && second.key != first.key);
    assert_eq!(fake.accounts(), 1);
}

#[tokio::test]
async fn one_with_little_time_left_is_renewed_in_time_and_not_without_pause() {
    let (folder, now) = (Folder::new(), SystemTime::now());
    let (fake, answers, _) = authority().await;
    fake.give_for(Duration::from_secs(600), Duration::from_secs(60));
    let mut acme = Acme::new(settings(&fake, &folder.0), answers).unwrap();
    let first = acme.poll(now).await.unwrap().unwrap();
    assert!(first.renew_at() < now);
    let pause = acme.due().duration_since(now).unwrap();
    assert!((15..=20).contains(&pause.as_secs()), "a third of what is left, not {pause:?}");
}

#[tokio::test]
async fn what_was_obtained_is_kept_for_the_next_life_and_for_nobody_else() {
    let (folder, now) = (Folder::new(), SystemTime::now());
    let (fake, answers, _) = authority().await;
    let settings = settings(&fake, &folder.0);
    let mut acme = Acme::new(settings.clone(), answers.clone()).unwrap();
    let first = acme.poll(now).await.unwrap().unwrap();
    for file in ["account.json", "certificate.pem", "authority"] {
        let mode = std::fs::metadata(settings.folder.join(file)).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600, "{file}");
    }
    assert!(!format!("{first:?}").contains("PRIVATE"));

    let requests = fake.requests();
    let mut again = Acme::new(settings.clone(), answers.clone()).unwrap();
    assert_eq!(again.poll(now).await.unwrap(), Some(first.clone()));
    assert_eq!((fake.requests(), again.due()), (requests, first.renew_at()));

    // Another name wants another certificate, of the same account.
    let mut more = settings.clone();
    more.names.push("new.example.com".to_owned());
    let mut acme = Acme::new(more, answers.clone()).unwrap();
    let wider = acme.poll(now).await.unwrap().unwrap();
    wider.check(&["new.example.com".to_owned()], now).unwrap();
    assert_eq!(fake.accounts(), 1);

    // Another authority knows neither.
    let (other, answers, _) = authority().await;
    let moved = AcmeSettings {
        directory: other.directory(),
        trust: other.trust.clone(),
        ..settings.clone()
    };
    let mut acme = Acme::new(moved, answers).unwrap();
    assert_ne!(acme.poll(now).await.unwrap(), Some(wider));
    assert_eq!(other.accounts(), 1);
}

#[tokio::test]
async fn an_authority_that_does_not_find_the_answer_is_asked_again_later_and_later() {
    let (folder, now) = (Folder::new(), SystemTime::now());
    let closed = TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap();
    let fake = FakeAcme::start(closed).await;
    let mut acme = Acme::new(settings(&fake, &folder.0), Answers::default()).unwrap();
    for pause in [300, 600, 1_200] {
        let asked = acme.due().max(now);
        let result = acme.poll(asked).await;
        assert!(matches!(result, Err(Error::Unproven)), "{result:?}");
        assert_eq!(acme.due(), asked + Duration::from_secs(pause));
    }
    assert!(std::fs::read(folder.0.join("acme/certificate.pem")).is_err());
}

#[tokio::test]
async fn an_authority_that_is_not_trusted_is_told_nothing() {
    let (folder, now) = (Folder::new(), SystemTime::now());
    let (fake, answers, _) = authority().await;
    let (trust, _) = pair("other.example", 2050);
    let wrong = AcmeSettings { trust, ..settings(&fake, &folder.0) };
    let result = Acme::new(wrong, answers.clone()).unwrap().poll(now).await;
    assert!(matches!(result, Err(Error::Authority(_))), "{result:?}");
    let clear = fake.directory().replace("https", "http");
    let clear = AcmeSettings { directory: clear, ..settings(&fake, &folder.0) };
    let result = Acme::new(clear, answers).unwrap().poll(now).await;
    assert!(matches!(result, Err(Error::Authority(_))), "{result:?}");
    assert_eq!(fake.requests(), 0);
}

#[test]
fn names_are_host_names() {
    for names in [&[][..], &["*.example.com"], &["localhost"], &["192.0.2.1"], &["a b.example"]] {
        let settings = AcmeSettings {
            directory: "https://a.example/".to_owned(),
            trust: String::new(),
            contacts: Vec::new(),
            names: names.iter().map(|name| (*name).to_owned()).collect(),
            folder: PathBuf::from("/nowhere"),
        };
        let result = Acme::new(settings, Answers::default());
        assert!(matches!(result, Err(Error::Names)), "{names:?}");
    }
}

#[tokio::test]
async fn files_are_given_when_they_have_changed_and_refused_when_they_do_not_fit() {
    let (folder, now) = (Folder::new(), SystemTime::now());
    let (chain, key) = (folder.0.join("chain.pem"), folder.0.join("key.pem"));
    let mut files = Files::new(chain.clone(), key.clone());
    assert!(matches!(files.poll(now).await, Err(Error::File(..))));
    let put = |pair: &(String, String)| {
        std::fs::write(&chain, &pair.0).unwrap();
        std::fs::write(&key, &pair.1).unwrap();
    };
    let (first, second) = (pair("a.example", 2050), pair("b.example", 2050));
    put(&first);
    let given = files.poll(now).await.unwrap().unwrap();
    assert_eq!((given.chain, given.key), first.clone());
    assert_eq!(files.poll(now).await.unwrap(), None);
    assert_eq!(files.due(), now + Duration::from_secs(30));
    put(&(second.0.clone(), first.1));
    assert!(matches!(files.poll(now).await, Err(Error::Key)), "half of a change");
    put(&second);
    assert!(files.poll(now).await.unwrap().is_some());
    std::fs::remove_file(&key).unwrap();
    assert!(matches!(files.poll(now).await, Err(Error::File(..))));
    put(&second);
    assert!(files.poll(now).await.unwrap().is_some(), "what is put back is given once more");
    put(&pair("c.example", 2024));
    assert!(matches!(files.poll(now).await, Err(Error::Expired)));
    put(&("no certificate".to_owned(), second.1));
    assert!(matches!(files.poll(now).await, Err(Error::Chain)));
    std::fs::write(&chain, vec![b'x'; strowger_certificate::FILE_LEN_MAX + 1]).unwrap();
    assert!(matches!(files.poll(now).await, Err(Error::TooLong)));
}

#[test]
fn two_thirds_of_a_certificates_time_are_its_use() {
    let at = |seconds| SystemTime::UNIX_EPOCH + Duration::from_secs(seconds);
    let (chain, key) = pair("a.example", 2050);
    let whole = Certificate::new(chain, key).unwrap();
    let quarter = Certificate { not_before: at(1_000), not_after: at(1_900), ..whole };
    assert_eq!(quarter.renew_at(), at(1_600));
}

/// A source that fails once, then gives one certificate, then is not asked for an hour.
struct Scripted(Vec<Certificate>, usize, SystemTime);

impl CertificateSource for Scripted {
    async fn poll(&mut self, now: SystemTime) -> Result<Option<Certificate>, Error> {
        self.1 += 1;
        self.2 = now + Duration::from_millis(1);
        if self.1 == 1 { Err(Error::Late) } else { Ok(self.0.pop()) }
    }

    fn due(&self) -> SystemTime {
        self.2
    }
}

#[tokio::test(start_paused = true)]
async fn a_source_is_asked_for_ever_and_what_is_new_is_taken() {
    let (chain, key) = pair("a.example", 2050);
    let source = Scripted(vec![Certificate::new(chain, key).unwrap()], 0, SystemTime::UNIX_EPOCH);
    let (given, mut taken) = tokio::sync::mpsc::unbounded_channel();
    let keeper = tokio::spawn(keep(source, move |news, _| given.send(news).unwrap()));
    assert!(matches!(taken.recv().await, Some(News::Failed(Error::Late))));
    let after = taken.recv().await;
    assert!(matches!(after, Some(News::Given(_))), "a failure does not end it: {after:?}");
    let more = tokio::time::timeout(Duration::from_secs(100), taken.recv()).await;
    assert!(more.is_err(), "nothing is given twice");
    keeper.abort();
}
