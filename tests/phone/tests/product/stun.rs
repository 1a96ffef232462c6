//! STUN at the sockets of SIP: a phone learns by which address its NAT shows it, as often as it
//! may, and nobody else gains anything by it.

use std::net::SocketAddr;
use std::time::Duration;

use serde_json::json;
use strowger_phone::flows::ALICE;
use strowger_phone::raw::Raw;

use crate::demo::{Demo, Home};
use crate::rows::{IN_FORCE, make};
use crate::talk::desk;

const ANSWER: Duration = Duration::from_millis(500);
const COOKIE: [u8; 4] = [0x21, 0x12, 0xa4, 0x42];

/// A binding request (RFC 8489 5).
fn request(n: u8) -> Vec<u8> {
    [&[0, 1, 0, 0], &COOKIE[..], &[n; 12]].concat()
}

/// The answer to [`request`] from `source`: XOR-MAPPED-ADDRESS and nothing else.
fn mapped(n: u8, source: SocketAddr) -> Vec<u8> {
    let SocketAddr::V4(source) = source else { panic!("{source}") };
    let [p0, p1] = source.port().to_be_bytes();
    let mut bytes = [&[1, 1, 0, 12], &COOKIE[..], &[n; 12], &[0, 0x20, 0, 8, 0, 1]].concat();
    bytes.extend([p0 ^ COOKIE[0], p1 ^ COOKIE[1]]);
    bytes.extend(source.ip().octets().iter().zip(COOKIE).map(|(byte, mask)| byte ^ mask));
    bytes
}

fn raw(demo: &Demo, last: u8) -> Raw {
    Raw::new(SocketAddr::from(([127, 0, 0, last], 0)), demo.sip).unwrap()
}

#[test]
fn a_phone_learns_its_address_and_a_flood_gets_no_more_than_its_share() {
    let home = Home::new();
    let limits = "overload.exempt = []\noverload.stranger_challenges = 20\n";
    let demo = Demo::start_with(&home, limits);
    let phone = raw(&demo, 66);
    phone.send(&request(1)).unwrap();
    let got = phone.collect(ANSWER).unwrap();
    assert_eq!(got, [mapped(1, phone.local().unwrap())]);
    // What is no request of STUN is dropped, and nothing of it is taken for SIP.
    let malformed = demo.rest.shard("sip_malformed");
    for (at, byte) in [(0, 1), (1, 3), (3, 4)] {
        let mut bytes = request(2);
        bytes[at] = byte;
        phone.send(&bytes).unwrap();
    }
    assert!(phone.collect(ANSWER).unwrap().is_empty());
    demo.rest.fresh_counters();
    let counted = ["stun_answered", "stun_dropped"].map(|name| demo.rest.shard(name));
    assert_eq!((counted, demo.rest.shard("sip_malformed")), ([1, 3], malformed));
    // The burst of two seconds, and what comes anew meanwhile.
    let flood = raw(&demo, 67);
    for n in 0..200 {
        flood.send(&request(n)).unwrap();
    }
    let answered = flood.collect(ANSWER).unwrap().len();
    assert!((20..=60).contains(&answered), "{answered}");
    // Another source has its own, and calls go on.
    phone.send(&request(3)).unwrap();
    assert_eq!(phone.collect(ANSWER).unwrap().len(), 1);
    desk(&demo, ALICE).unregister().unwrap();
    // Who is banned gets no answer.
    make(&demo, "bans", &json!({"network": "127.0.0.66/32"}));
    std::thread::sleep(IN_FORCE);
    phone.send(&request(4)).unwrap();
    assert!(phone.collect(ANSWER).unwrap().is_empty());
    demo.stop();
}
