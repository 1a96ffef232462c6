//! One port for browsers: SIP over WebSocket is the dataplane's, all other HTTP is REST's.

use std::net::SocketAddr;
use std::time::Duration;

use serde_json::Value;

use crate::demo::{Demo, Home, eventually};
use crate::tls::{Tls, free_port};

const NAME: &str = "sip.example.com";

/// A product with a listener for browsers, where it is, and who vouches for it.
fn start(home: &Home) -> (Demo, SocketAddr, String) {
    let at = SocketAddr::from(([127, 0, 0, 1], free_port()));
    let made = rcgen::generate_simple_self_signed(vec![NAME.to_owned()]).unwrap();
    let data = home.join("data");
    std::fs::create_dir_all(&data).unwrap();
    std::fs::write(data.join("chain.pem"), made.cert.pem()).unwrap();
    std::fs::write(data.join("key.pem"), made.signing_key.serialize_pem()).unwrap();
    let config = format!(
        "[[sip.stream]]\nlisten = \"{at}\"\ntransport = \"wss\"\nrest = true\n\
         certificates = [{{ chain = \"chain.pem\", key = \"key.pem\" }}]\n"
    );
    (Demo::start_with(home, &config), at, made.cert.pem())
}

/// Status, head and body of an answer over HTTPS.
fn ask(at: SocketAddr, trust: &str, method: &str, path: &str, more: &str) -> (u16, String, String) {
    let mut tls = Tls::connect(at, NAME, trust).unwrap();
    let request =
        format!("{method} {path} HTTP/1.1\r\nHost: {NAME}\r\nConnection: close\r\n{more}");
    tls.send(request.as_bytes());
    let said = tls.read_to_end();
    let (head, body) = said.split_once("\r\n\r\n").unwrap_or_else(|| panic!("{said}"));
    let status = head.split(' ').nth(1).unwrap().parse().unwrap();
    (status, head.to_owned(), body.to_owned())
}

#[test]
fn browsers_have_one_port_for_sip_and_rest() {
    let home = Home::new();
    let (demo, at, trust) = start(&home);
    let (status, _, body) = ask(at, &trust, "GET", "/healthz", "\r\n");
    assert_eq!((status, body.as_str()), (200, "{\"alive\":true}"));
    // Who comes this way is a stranger, though REST's own listener is of this host alone.
    assert_eq!(demo.rest.with_token("").try_get("/metrics").unwrap().0, 200);
    assert_eq!(ask(at, &trust, "GET", "/metrics", "\r\n").0, 401);
    let token = std::fs::read_to_string(demo.file("admin.token")).unwrap();
    let bearer = format!("Authorization: Bearer {}\r\n", token.trim());
    assert_eq!(ask(at, &trust, "GET", "/metrics", &format!("{bearer}\r\n")).0, 200);
    // Much at once, both ways: the document, and a body of the longest kind.
    let document = "/api/v1/openapi.json";
    let (status, _, body) = ask(at, &trust, "GET", document, &format!("{bearer}\r\n"));
    assert_eq!((status, body), (200, demo.rest.try_get(document).unwrap().1));
    let much = "x".repeat(60_000);
    let head = format!("Content-Type: application/json\r\nContent-Length: {}\r\n\r\n", much.len());
    let (status, ..) = ask(at, &trust, "POST", "/api/v1/sessions", &format!("{head}{much}"));
    assert_eq!(status, 400);
    // SIP over WebSocket beside it.
    let _browser = Tls::connect(at, NAME, &trust).unwrap().upgrade(NAME);
    demo.stop();
}

#[test]
fn rest_that_is_away_is_said_and_comes_back() {
    let home = Home::new();
    let (demo, at, trust) = start(&home);
    let killed = demo.planes().controld;
    demo.signal("STOP", demo.supervisor());
    demo.signal("KILL", killed);
    eventually("it is said", || {
        let (status, head, _) = ask(at, &trust, "GET", "/healthz", "\r\n");
        (status == 503 && head.contains("Retry-After: 1")).then_some(())
    });
    demo.signal("CONT", demo.supervisor());
    demo.await_replaced(killed);
    assert_eq!(ask(at, &trust, "GET", "/healthz", "\r\n").0, 200);
    demo.stop();
}

/// Silent and slow guests hold nobody up: not each other beyond a source's share, not the host's
/// own REST, not calls.
#[test]
fn guests_that_say_nothing_hold_nobody_up() {
    let home = Home::new();
    let (demo, at, trust) = start(&home);
    let mut silent = Vec::new();
    for number in 0..40 {
        let mut tls = eventually("it is let in", || Tls::connect(at, NAME, &trust));
        let head = format!(
            "POST /api/v1/sessions HTTP/1.1\r\nHost: {NAME}\r\nX-Number: {number}\r\n\
             Content-Type: application/json\r\nContent-Length: 10\r\n\r\n"
        );
        // And no body.
        tls.send(head.as_bytes());
        silent.push(tls);
    }
    // One more than a source may have is told so at once.
    let (status, ..) = eventually("one is turned away", || {
        Some(ask(at, &trust, "GET", "/healthz", "\r\n")).filter(|said| said.0 == 503)
    });
    assert_eq!(status, 503);
    let (status, body) = demo.rest.try_get("/readyz").unwrap();
    let ready: Value = serde_json::from_str(&body).unwrap();
    assert_eq!((status, &ready["ready"]), (200, &Value::Bool(true)));
    drop(silent);
    eventually("places are free again", || {
        std::thread::sleep(Duration::from_millis(100));
        Some(ask(at, &trust, "GET", "/healthz", "\r\n")).filter(|said| said.0 == 200)
    });
    demo.stop();
}
