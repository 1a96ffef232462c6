//! Rows that a test makes and changes by REST, the peers that they lead to, and calls that only
//! have to be answered or refused.

use std::net::SocketAddr;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use serde_json::{Value, json};
use strowger_phone::carrier::Carrier;
use strowger_phone::{Config, EndedBy, OutgoingCall, Phone};

use crate::demo::Demo;
use crate::rest::text;
use crate::talk::{SOON, desk};

/// In which a change must be in force.
pub(crate) const IN_FORCE: Duration = Duration::from_secs(1);
/// How long calls are held that only have to be answered.
pub(crate) const TALK: Duration = Duration::from_millis(300);
/// In which a phone that must not ring would have rung.
pub(crate) const SILENCE: Duration = Duration::from_millis(500);

/// Changes a row and waits until the change must be in force.
pub(crate) fn set(demo: &Demo, path: &str, body: &Value) {
    let (status, said) = demo.rest.patch(&format!("/api/v1/{path}"), &body.to_string());
    assert_eq!(status, 200, "{path} {body}: {said}");
    std::thread::sleep(IN_FORCE);
}

/// Makes a row and says its id; it is in force with the next [`set`] or after [`IN_FORCE`].
pub(crate) fn make(demo: &Demo, what: &str, body: &Value) -> String {
    static NEXT: AtomicU32 = AtomicU32::new(0);
    let key = format!("row-{}", NEXT.fetch_add(1, Ordering::Relaxed));
    let (status, made) = demo.rest.post(&format!("/api/v1/{what}"), &key, &body.to_string());
    assert_eq!(status, 201, "{what} {body}: {made}");
    text(&made, "id").to_owned()
}

/// Any port of the loopback.
pub(crate) fn anywhere() -> SocketAddr {
    SocketAddr::from(([127, 0, 0, 1], 0))
}

/// A carrier on a port of its own.
pub(crate) fn new_carrier(demo: &Demo) -> Carrier {
    Carrier::new(anywhere(), demo.sip).unwrap()
}

/// A peer whose calls the test answers itself.
pub(crate) fn new_peer(demo: &Demo) -> Phone {
    let config = Config { patience: SOON, ..Config::new("peer", "", demo.sip) };
    Phone::new(config).unwrap()
}

/// The demo's trunk leads to `at`, and calls come from there.
pub(crate) fn lead_to(demo: &Demo, at: SocketAddr) {
    let body = json!({
        "ingress": {"sources": [{"network": "127.0.0.1/32", "port": at.port()}]},
        "egress": {"targets": [at.to_string()]},
    });
    set(demo, "trunks/1", &body);
}

/// Talks for a moment and hangs up.
pub(crate) fn answered(out: &OutgoingCall) {
    out.wait_answer(SOON).unwrap();
    std::thread::sleep(TALK);
    assert_eq!(out.bye().unwrap(), EndedBy::LocalBye);
}

/// How a call to `number` is refused.
pub(crate) fn refused(caller: &Phone, number: &str) -> u16 {
    let end = caller.invite(number).unwrap().wait_end(2 * SOON).unwrap();
    let EndedBy::Refused(code) = end else { panic!("{number} ended by {end:?}") };
    code
}

/// A third subscriber, 1003, of Bob's organization; its id and its phone.
pub(crate) fn new_cleo(demo: &Demo) -> (String, Phone) {
    let body = json!({
        "tenant": "1", "account": "1", "organization": "2", "username": "1003",
        "password": "third secret", "numbers": ["1003"],
    });
    let id = make(demo, "subscribers", &body);
    std::thread::sleep(IN_FORCE);
    (id, desk(demo, ("1003", "third secret")))
}
