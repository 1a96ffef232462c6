//! Certificates of an authority on the running product: obtained, shown, renewed while connections
//! stand; failures are said and mended. The authority is the made-up one of the crate's own tests.

#[path = "../../../../controlplane/certificate/tests/fake_acme/mod.rs"]
mod fake_acme;

use std::net::SocketAddr;
use std::os::unix::fs::PermissionsExt;
use std::sync::Arc;
use std::time::Duration;

use serde_json::Value;
use tokio::runtime::Runtime;

use crate::demo::{Demo, Home, eventually, program};
use crate::rest::text;
use crate::tls::{Tls, free_port};
use fake_acme::FakeAcme;

const NAME: &str = "sip.example.com";
const FILE: &str = "acme/certificate.pem";

/// An authority in threads of its own, which asks at a port.
struct Authority {
    fake: Arc<FakeAcme>,
    /// Where it asks.
    asks: SocketAddr,
    runtime: Runtime,
}

impl Authority {
    fn start() -> Authority {
        let mut builder = tokio::runtime::Builder::new_multi_thread();
        let runtime = builder.worker_threads(1).enable_all().build().unwrap();
        let asks = SocketAddr::from(([127, 0, 0, 1], free_port()));
        let fake = runtime.block_on(FakeAcme::start(asks));
        Authority { fake, asks, runtime }
    }

    /// The configuration of a product with a listener at `tls` that shows what it gives.
    fn configuration(&self, home: &Home, tls: u16) -> String {
        let trust = home.join("authority.pem");
        std::fs::write(&trust, &self.fake.trust).unwrap();
        format!(
            "[[sip.stream]]\nlisten = \"127.0.0.1:{tls}\"\ntransport = \"tls\"\nobtained = true\n\
             [acme]\nnames = [\"{NAME}\"]\ndirectory = \"{}\"\ntrust = \"{}\"\n\
             contacts = [\"mailto:admin@example.com\"]\nterms_agreed = true\nlisten = \"{}\"\n",
            self.fake.directory(),
            trust.display(),
            self.asks
        )
    }

    fn end(self) {
        self.runtime.shutdown_background();
    }
}

fn certificate(demo: &Demo) -> Value {
    let mut all = demo.rest.list("/api/v1/certificates");
    assert_eq!(all.len(), 1);
    all.remove(0)
}

fn readiness(demo: &Demo) -> Value {
    let (status, body) = demo.rest.try_get("/readyz").unwrap();
    assert_eq!(status, 200, "calls go on: {body}");
    serde_json::from_str(&body).unwrap()
}

/// A certificate that has an hour behind it and half a minute before it is renewed after ten
/// seconds; the connection that stands goes on.
#[test]
fn an_authority_gives_a_certificate_and_the_next_one_while_a_connection_stands() {
    let (home, authority, port) = (Home::new(), Authority::start(), free_port());
    let at = SocketAddr::from(([127, 0, 0, 1], port));
    authority.fake.give_for(Duration::from_secs(3_600), Duration::from_secs(30));
    let config = authority.configuration(&home, port);
    let demo = Demo::start_with(&home, &config);
    let trust = authority.fake.trust.clone();
    let mut first = eventually("it is shown", || Tls::connect(at, NAME, &trust));
    assert!(first.options(1).is_some());
    assert!(Tls::connect(at, "other.example.com", &trust).is_none(), "it is for its name alone");
    let file = demo.file("acme/certificate.pem");
    assert_eq!(std::fs::metadata(&file).unwrap().permissions().mode() & 0o777, 0o600);
    let shown = certificate(&demo);
    assert_eq!((text(&shown, "file"), &shown["obtained"]), (FILE, &Value::Bool(true)));
    assert_eq!(shown["names"], serde_json::json!([NAME]));
    assert_eq!(shown["problem"], Value::Null);
    assert_eq!(readiness(&demo)["certificates"], true);
    let (_, metrics) = demo.rest.try_get("/metrics").unwrap();
    let family = "strowger_certificate_valid_seconds{file=\"acme/certificate.pem\"} ";
    let left = metrics.lines().find_map(|line| line.strip_prefix(family)).unwrap();
    assert!((1.0..=30.0).contains(&left.parse::<f64>().unwrap()), "{left}");
    let (old, planes) = (first.shown(), demo.planes());
    let renewed = eventually("another one is shown", || {
        Tls::connect(at, NAME, &trust).filter(|tls| tls.shown() != old)
    });
    assert_ne!(renewed.shown(), old);
    assert_eq!(authority.fake.accounts(), 1, "the account is kept");
    assert!(first.options(2).is_some(), "the connection of before goes on");
    assert_eq!(demo.planes(), planes, "nothing was started again");
    assert!(text(&certificate(&demo), "valid_until") > text(&shown, "valid_until"));
    let output = std::process::Command::new(program("strowger"))
        .args(["list", "certificates", "--server", &demo.rest.at().to_string(), "--data"])
        .arg(home.join("data"))
        .output()
        .unwrap();
    let said = String::from_utf8(output.stdout).unwrap();
    assert!(output.status.success() && said.contains("acme/certificate.pem"), "{said}");
    demo.stop();
    authority.end();
}

/// The authority asks where nobody answers, so it does not believe us. The product goes on, and
/// says so.
#[test]
fn an_authority_that_refuses_is_said_and_calls_go_on() {
    let (home, authority, port) = (Home::new(), Authority::start(), free_port());
    let at = SocketAddr::from(([127, 0, 0, 1], port));
    let config = authority.configuration(&home, port);
    let elsewhere = SocketAddr::from(([127, 0, 0, 1], free_port()));
    let config = config.replace(&authority.asks.to_string(), &elsewhere.to_string());
    let demo = Demo::start_with(&home, &config);
    let said = eventually("the failure is said", || {
        let one = certificate(&demo);
        (one["failures"] == 1).then_some(one)
    });
    let problem = "the authority did not get the answer to its question over HTTP";
    assert_eq!(text(&said, "problem"), problem);
    assert_eq!(said["valid_until"], Value::Null);
    assert!(text(&said, "next_attempt") > text(&said, "failing_since"));
    let ready = readiness(&demo);
    assert_eq!(ready["certificates"], false);
    assert_eq!(text(&ready, "certificate_problem"), format!("acme/certificate.pem: {problem}"));
    let metric = "strowger_certificate_failing{file=\"acme/certificate.pem\"}";
    assert_eq!(demo.rest.metric(metric), 1);
    let requests = authority.fake.requests();
    // Its listener is there, and has nothing to show.
    let trust = authority.fake.trust.clone();
    assert!(std::net::TcpStream::connect(at).is_ok() && Tls::connect(at, NAME, &trust).is_none());
    assert_eq!(authority.fake.requests(), requests, "nobody is asked during the pause");
    demo.stop();
    authority.end();
}
