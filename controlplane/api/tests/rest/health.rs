//! Health, metrics, ending.

use crate::client::{connect, raw};
use crate::server::Server;
use serde_json::json;
use std::io::{Read, Write};
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};
use strowger_api::{Behind, CONNECTIONS_MAX, Readiness};

#[test]
fn readiness_names_what_is_missing() {
    let server = Server::start();
    let ask = || server.ask("GET", "/readyz", None);
    assert_eq!(ask().status, 200);
    let parts = Readiness { database: true, ..Readiness::default() };
    *server.live.readiness.lock().unwrap() = parts;
    let response = ask();
    assert_eq!(response.status, 503);
    let expect = json!({
        "ready": false, "link": false, "database": true, "world": false,
        "missing": ["link", "world"],
        "current": true, "behind_since": null, "problem": null,
        "certificates": true, "certificate_problem": null,
        "authenticated": true, "open_trunks": null,
    });
    assert_eq!(response.json(), expect);
    // Calls go on by the configuration before the newest change.
    let behind = Behind { since_us: 1_000_000, problem: "route 7: trunk 9 does not exist".into() };
    let certificates = Some("acme/certificate.pem: the authority takes too long".to_owned());
    let all = Readiness {
        link: true,
        database: true,
        world: true,
        behind: Some(behind),
        certificates: certificates.clone(),
        open: Some("trunk 7".to_owned()),
    };
    *server.live.readiness.lock().unwrap() = all;
    let response = ask();
    assert_eq!((response.status, &response.json()["ready"]), (200, &json!(true)));
    let (current, since) = (&response.json()["current"], &response.json()["behind_since"]);
    assert_eq!((current, since), (&json!(false), &json!("1970-01-01T00:00:01.000000Z")));
    assert_eq!(response.json()["problem"], "route 7: trunk 9 does not exist");
    assert_eq!(response.json()["certificates"], false);
    assert_eq!(response.json()["certificate_problem"], json!(certificates));
    assert_eq!(response.json()["authenticated"], false);
    assert_eq!(response.json()["open_trunks"], "trunk 7");
    server.live.is_dead.store(true, Ordering::Relaxed);
    assert_eq!(ask().json()["missing"], json!(["link", "database", "world"]));
    assert_eq!(server.ask("GET", "/healthz", None).status, 200);
}

#[test]
fn certificates_are_shown_as_they_stand() {
    let server = Server::start();
    let expect = json!({"next": null, "items": [{
        "file": "acme/certificate.pem", "obtained": true, "names": ["sip.example.com"],
        "listeners": ["192.0.2.1:5061"],
        "valid_from": "1970-01-01T00:00:00.000000Z", "valid_until": "1970-01-01T00:01:00.000000Z",
        "next_attempt": "1970-01-01T00:01:30.000000Z", "failures": 2,
        "failing_since": "1970-01-01T00:01:01.000000Z", "problem": "the certificate has expired",
    }]});
    assert_eq!(server.get("/api/v1/certificates").json(), expect);
}

#[test]
fn what_needs_the_live_side_is_unavailable_without_it() {
    let server = Server::start();
    server.live.is_dead.store(true, Ordering::Relaxed);
    for path in ["calls", "calls/1", "registrations", "accounts", "accounts/1"] {
        let response = server.get(&format!("/api/v1/{path}"));
        assert_eq!(response.status, 503, "{path}");
        response.problem();
    }
    for path in ["cdrs", "subscribers", "trunks/1"] {
        assert_eq!(server.get(&format!("/api/v1/{path}")).status, 200, "{path}");
    }
}

#[test]
fn metrics_count_what_happened() {
    let server = Server::start();
    server.ask("GET", "/nothing", None);
    server.ask("GET", "/api/v1/cdrs", Some("wrong"));
    server.get("/api/v1/cdrs");
    let response = server.ask("GET", "/metrics", None);
    let media = "text/plain; version=0.0.4; charset=utf-8";
    assert_eq!(response.header("content-type"), Some(media));
    for line in [
        "strowger_api_requests_total{status=\"2xx\"} 1",
        "strowger_api_requests_total{status=\"4xx\"} 2",
        "strowger_api_requests_total{status=\"5xx\"} 0",
        "strowger_api_connections_total 4",
        "strowger_api_token_failures_total 1",
        "strowger_calls{state=\"speaking\"} 1",
    ] {
        assert!(response.body.lines().any(|l| l == line), "{line} in {}", response.body);
    }
}

#[test]
fn connections_are_bounded_and_wait_for_a_slot() {
    let server = Server::start();
    let mut held: Vec<_> = (0..CONNECTIONS_MAX).map(|_| connect(server.at, 1)).collect();
    // All are accepted once the last of them is answered.
    let request = b"GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n";
    for stream in &mut held {
        stream.write_all(request).unwrap();
        assert!(stream.read(&mut [0; 1024]).unwrap() > 0);
    }
    let mut late = connect(server.at, 1);
    late.write_all(request).unwrap();
    late.set_read_timeout(Some(Duration::from_millis(200))).unwrap();
    assert!(late.read(&mut [0; 1024]).is_err(), "one connection too many was served");
    held.pop();
    late.set_read_timeout(Some(Duration::from_secs(10))).unwrap();
    assert!(late.read(&mut [0; 1024]).unwrap() > 0);
}

#[test]
fn the_end_closes_idle_connections_at_once() {
    let mut server = Server::start();
    let mut idle = connect(server.at, 1);
    idle.write_all(b"GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n").unwrap();
    let mut answer = [0; 1024];
    assert!(idle.read(&mut answer).unwrap() > 0);
    let started = Instant::now();
    server.stop();
    server.join();
    assert!(started.elapsed() < Duration::from_secs(2));
    assert_eq!(idle.read(&mut answer).unwrap(), 0);
}

#[test]
fn the_end_waits_for_a_request_that_runs() {
    let mut server = Server::start();
    let mut slow = connect(server.at, 1);
    // The body is missing one octet; the answer needs it.
    let head = "POST /api/v1/calls/1/hangup HTTP/1.1\r\nHost: x\r\nContent-Length: 1\r\n";
    let token = format!("Authorization: Bearer {}\r\n\r\n", crate::rows::OWNER);
    slow.write_all(format!("{head}{token}").as_bytes()).unwrap();
    // Another answer proves that the first request has been read.
    assert_eq!(server.get("/api/v1/trunks").status, 200);
    server.stop();
    std::thread::sleep(Duration::from_millis(100));
    let answer = raw(&mut slow, b"x").unwrap();
    assert_eq!((answer.status, answer.field().as_str()), (400, "body"));
    server.join();
}
