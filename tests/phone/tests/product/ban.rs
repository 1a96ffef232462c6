//! Bans that the product makes by itself: who earns one, who never does, how long it lasts, and
//! that it is seen and removed by REST.

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use strowger_phone::flows::{ALICE, BOB};
use strowger_phone::raw::Raw;
use strowger_phone::{Config, Phone};

use crate::demo::{Demo, Home, eventually};
use crate::rest::text;
use crate::rows::{IN_FORCE, answered, lead_to, make, new_carrier, refused, set};
use crate::talk::{SOON, desk};

/// Nobody of the product's lives here.
const STRANGER: [u8; 4] = [127, 0, 0, 66];
const NETWORK: &str = "127.0.0.66/32";
/// In which a request that is answered at all is answered.
const ANSWER: Duration = Duration::from_millis(700);

/// The demo, in which loopback is a network like all others, with these settings of bans.
fn start(home: &Home, config: &str, settings: &[(&str, &str)]) -> Demo {
    let demo = Demo::start_with(home, &format!("overload.exempt = []\n{config}"));
    for (name, value) in settings {
        let body = json!({"category": "guard", "name": name, "value": value});
        make(&demo, "settings", &body);
    }
    std::thread::sleep(IN_FORCE);
    demo
}

fn stranger(demo: &Demo) -> Raw {
    Raw::new(SocketAddr::from((STRANGER, 0)), demo.sip).unwrap()
}

fn request(method: &str, user: &str, agent: &str, n: u32) -> Vec<u8> {
    format!(
        "{method} sip:{user}@127.0.0.1 SIP/2.0\r\n\
         Via: SIP/2.0/UDP 127.0.0.66;rport;branch=z9hG4bKban{n}\r\nMax-Forwards: 70\r\n\
         From: <sip:x@127.0.0.66>;tag=f{n}\r\nTo: <sip:{user}@127.0.0.1>\r\n\
         Call-ID: ban-{n}@127.0.0.66\r\nCSeq: 1 {method}\r\nContact: <sip:x@127.0.0.66>\r\n\
         User-Agent: {agent}\r\nContent-Length: 0\r\n\r\n"
    )
    .into_bytes()
}

/// Whether a plain request of the stranger is answered.
fn is_heard(raw: &Raw, n: u32) -> bool {
    raw.send(&request("REGISTER", "1001", "phone", n)).unwrap();
    !raw.collect(ANSWER).unwrap().is_empty()
}

fn bans(demo: &Demo) -> Vec<Value> {
    demo.rest.list("/api/v1/bans")
}

/// Waits for a ban of the stranger; what REST shows of it, and how long it took.
fn await_ban(demo: &Demo) -> (Value, Duration) {
    let began = Instant::now();
    let ban = eventually("the stranger is banned", || {
        bans(demo).into_iter().find(|ban| text(ban, "network") == NETWORK)
    });
    (ban, began.elapsed())
}

#[test]
fn a_scanner_is_banned_and_an_operator_lifts_the_ban() {
    let home = Home::new();
    let demo = start(&home, "", &[]);
    let raw = stranger(&demo);
    assert!(is_heard(&raw, 1));
    raw.send(&request("OPTIONS", "100", "friendly-scanner", 2)).unwrap();
    assert!(raw.collect(ANSWER).unwrap().is_empty(), "a scanner gets no answer");
    let (ban, took) = await_ban(&demo);
    assert!(text(&ban, "reason").contains("scanner"), "{ban:#}");
    assert_eq!(ban["automatic"], true);
    assert!(took < Duration::from_secs(5), "{took:?}");
    std::thread::sleep(IN_FORCE);
    let denied = demo.rest.shard("sip_denied");
    assert!(!is_heard(&raw, 3), "nor does anything else from there");
    demo.rest.fresh_counters();
    assert!(demo.rest.shard("sip_denied") > denied);
    // Phones elsewhere are served.
    let ada = desk(&demo, ALICE);
    assert_eq!(demo.rest.delete(&format!("/api/v1/bans/{}", text(&ban, "id"))), 204);
    std::thread::sleep(IN_FORCE);
    assert!(is_heard(&raw, 4), "lifted by hand");
    ada.unregister().unwrap();
    demo.stop();
}

#[test]
fn a_ban_ends_by_itself() {
    let home = Home::new();
    let config = "guard.honeypots = [\"9009\"]\n";
    let demo = start(&home, config, &[("ban_ms", "4000")]);
    let raw = stranger(&demo);
    raw.send(&request("INVITE", "900972595", "phone", 1)).unwrap();
    let (ban, _) = await_ban(&demo);
    assert!(text(&ban, "reason").contains("nobody is called at"), "{ban:#}");
    eventually("the ban is in force", || (!is_heard(&raw, 2)).then_some(()));
    let began = Instant::now();
    let mut n = 2;
    eventually("the ban is over", || {
        n += 1;
        is_heard(&raw, n).then_some(())
    });
    assert!(began.elapsed() < Duration::from_secs(8), "{:?}", began.elapsed());
    assert_eq!(bans(&demo).len(), 1, "it is still to be seen");
    demo.stop();
}

#[test]
fn wrong_passwords_are_banned_but_never_where_somebody_is_registered() {
    let home = Home::new();
    let demo = start(&home, "", &[("wrong_credentials_max", "4")]);
    // Ada's network has a phone with a wrong password, too.
    let ada = desk(&demo, ALICE);
    let guess = |bind: [u8; 4]| {
        let config = Config::new("1002", "wrong", demo.sip);
        let bind = SocketAddr::from((bind, 0));
        let config = Config { bind, patience: Duration::from_secs(2), ..config };
        let phone = Phone::new(config).unwrap();
        for _ in 0..6 {
            // Refused, and later not even that.
            assert!(phone.register(60).is_err());
        }
    };
    guess([127, 0, 0, 1]);
    guess(STRANGER);
    let (ban, _) = await_ban(&demo);
    assert!(text(&ban, "reason").contains("wrong credentials"), "{ban:#}");
    assert_eq!(bans(&demo).len(), 1, "{:#?}", bans(&demo));
    std::thread::sleep(IN_FORCE);
    assert!(!is_heard(&stranger(&demo), 1));
    let out = ada.invite("1002").unwrap();
    // Bob is nowhere, but Ada is heard.
    out.wait_end(SOON).unwrap();
    ada.unregister().unwrap();
    demo.stop();
}

#[test]
fn with_default_deny_only_who_is_let_through_is_answered() {
    let home = Home::new();
    let demo = start(&home, "", &[]);
    let raw = stranger(&demo);
    assert!(is_heard(&raw, 1));
    let here = json!({"network": "127.0.0.1/32", "reason": "the office", "allow": true});
    make(&demo, "bans", &here);
    let deny = json!({"category": "guard", "name": "default_deny", "value": "true"});
    make(&demo, "settings", &deny);
    std::thread::sleep(IN_FORCE);
    assert!(!is_heard(&raw, 2));
    let ada = desk(&demo, ALICE);
    make(&demo, "bans", &json!({"network": NETWORK, "allow": true}));
    std::thread::sleep(IN_FORCE);
    assert!(is_heard(&raw, 3));
    ada.unregister().unwrap();
    demo.stop();
}

#[test]
fn junk_and_endless_requests_without_credentials_are_banned() {
    let home = Home::new();
    let settings = [("malformed_max", "30"), ("unproven_max", "40")];
    let demo = start(&home, "", &settings);
    let bind = |last: u8| Raw::new(SocketAddr::from(([127, 0, 0, last], 0)), demo.sip).unwrap();
    let (junk, eager) = (bind(67), bind(68));
    let banned = |network: &str| {
        let found = bans(&demo).into_iter().find(|ban| text(ban, "network") == network);
        found.map(|ban| text(&ban, "reason").to_owned())
    };
    for n in 0..29 {
        junk.send(b"INVITE sip:100@x SIP/2.0\r\nVia: none\r\n\r\n").unwrap();
        eager.send(&request("REGISTER", "1001", "phone", n)).unwrap();
    }
    // Offences are told once a second.
    std::thread::sleep(Duration::from_secs(3));
    assert_eq!(bans(&demo).len(), 0, "fewer than the settings allow");
    for n in 29..60 {
        junk.send(b"INVITE sip:100@x SIP/2.0\r\nVia: none\r\n\r\n").unwrap();
        eager.send(&request("REGISTER", "1001", "phone", n)).unwrap();
    }
    let why = eventually("junk is banned", || banned("127.0.0.67/32"));
    assert!(why.contains("malformed"), "{why}");
    let why = eventually("endless requests are banned", || banned("127.0.0.68/32"));
    assert!(why.contains("without credentials"), "{why}");
    assert_eq!(bans(&demo).len(), 2);
    demo.stop();
}

/// The firewall by caller: by the number that a carrier shows, and by account; with default deny
/// only who is let through calls.
#[test]
fn callers_are_turned_away_by_number_and_account() {
    let home = Home::new();
    let demo = Demo::start(&home);
    let carrier = new_carrier(&demo);
    lead_to(&demo, carrier.addr());
    let ada = desk(&demo, ALICE);
    answered(&ada.invite("44123").unwrap());
    let rule = json!({"tenant": "1", "account": "1", "reason": "unpaid"});
    let rule = make(&demo, "caller-rules", &rule);
    std::thread::sleep(IN_FORCE);
    assert_eq!(refused(&ada, "44123"), 403);
    let records = demo.rest.cdrs(2);
    let record = records.iter().find(|cdr| text(cdr, "outcome.reason") == "denied").unwrap();
    let why = demo.rest.get(&format!("/api/v1/cdrs/{}/trace", text(record, "id"))).to_string();
    assert!(why.contains("caller-denied"), "{why}");
    assert_eq!(demo.rest.delete(&format!("/api/v1/caller-rules/{rule}")), 204);
    let number = json!({"tenant": "1", "prefix": "1001", "reason": "nuisance"});
    let number = make(&demo, "caller-rules", &number);
    std::thread::sleep(IN_FORCE);
    assert_eq!(refused(&ada, "44123"), 403, "by the number");
    set(&demo, &format!("caller-rules/{number}"), &json!({"allow": true}));
    let deny = json!({
        "tenant": "1", "category": "call", "name": "callers_default_deny", "value": "true",
    });
    make(&demo, "settings", &deny);
    std::thread::sleep(IN_FORCE);
    answered(&ada.invite("44123").unwrap());
    let bob = desk(&demo, BOB);
    assert_eq!(refused(&bob, "44123"), 403, "nobody lets him through");
    bob.unregister().unwrap();
    ada.unregister().unwrap();
    demo.stop();
}

#[test]
fn where_programs_are_served_no_others_are() {
    let home = Home::new();
    let demo = start(&home, "guard.served = [\"Strowger-Phone\", \"desktop\"]\n", &[]);
    // Our phones say what they are.
    let ada = desk(&demo, ALICE);
    let raw = stranger(&demo);
    assert!(!is_heard(&raw, 1), "it says that it is a phone");
    demo.rest.fresh_counters();
    assert!(demo.rest.shard("sip_scanners") >= 1);
    // By the same rule: part of a name, in either case.
    let other = Raw::new(SocketAddr::from(([127, 0, 0, 71], 0)), demo.sip).unwrap();
    other.send(&request("REGISTER", "1001", "My Desktop 2", 2)).unwrap();
    assert!(!other.collect(ANSWER).unwrap().is_empty());
    ada.unregister().unwrap();
    demo.stop();
}

/// Whoever sends more than is taken of a stranger for long is banned; a trusted trunk that does the
/// same never is.
#[test]
fn a_flood_is_banned_by_itself_but_never_a_trusted_trunk() {
    let home = Home::new();
    let config = "overload.stranger_datagrams = 50\n";
    let demo = start(&home, config, &[("flood_max", "500")]);
    let trunk = Raw::new(SocketAddr::from(([127, 0, 0, 69], 0)), demo.sip).unwrap();
    let sources = json!([{"network": "127.0.0.69/32"}]);
    let ingress = json!({"account": "2", "sources": sources});
    let body = json!({"tenant": "1", "organization": "2", "name": "edge", "ingress": ingress});
    make(&demo, "trunks", &body);
    std::thread::sleep(IN_FORCE);
    let raw = stranger(&demo);
    let flood = |from: &Raw| {
        for n in 0..300 {
            from.send(&request("OPTIONS", "1001", "phone", n)).unwrap();
        }
        std::thread::sleep(Duration::from_millis(50));
    };
    let ban = eventually("the flood is banned", || {
        flood(&raw);
        flood(&trunk);
        bans(&demo).into_iter().find(|ban| text(ban, "network") == NETWORK)
    });
    assert!(text(&ban, "reason").contains("more messages than are taken"), "{ban:#}");
    (0..5).for_each(|_| flood(&trunk));
    std::thread::sleep(Duration::from_secs(3));
    assert_eq!(bans(&demo).len(), 1, "{:#?}", bans(&demo));
    assert!(is_heard(&trunk, 1_001));
    demo.stop();
}

/// Behind one address somebody is registered and somebody guesses: the guesser's port is banned.
#[test]
fn who_guesses_behind_a_nat_is_banned_by_its_port_alone() {
    let home = Home::new();
    let demo = start(&home, "", &[("wrong_credentials_port_max", "3")]);
    let office = [127, 0, 0, 70];
    let phone = |user: &str, password: &str| {
        let config = Config::new(user, password, demo.sip);
        let bind = SocketAddr::from((office, 0));
        Phone::new(Config { bind, patience: Duration::from_secs(2), ..config }).unwrap()
    };
    let ada = phone(ALICE.0, ALICE.1);
    ada.register(300).unwrap();
    let guesser = phone("1002", "wrong");
    for _ in 0..3 {
        assert!(guesser.register(60).is_err());
    }
    let ban = eventually("the port is banned", || bans(&demo).into_iter().next());
    assert_eq!(
        (text(&ban, "network"), ban["port"].as_u64()),
        ("127.0.0.70/32", Some(u64::from(guesser.addr().port())),)
    );
    assert!(text(&ban, "reason").contains("wrong credentials"), "{ban:#}");
    std::thread::sleep(IN_FORCE);
    let refused = demo.rest.shard("sip_denied");
    assert!(guesser.register(60).is_err());
    demo.rest.fresh_counters();
    assert!(demo.rest.shard("sip_denied") > refused, "it gets no answer any more");
    ada.register(300).unwrap();
    assert_eq!(bans(&demo).len(), 1);
    // By hand a ban may be of a port of one address, and of nothing wider.
    let wide = json!({"network": "192.0.2.0/24", "port": 5060});
    let (status, said) = demo.rest.post("/api/v1/bans", "wide", &wide.to_string());
    assert!(status == 422 && said.to_string().contains("port"), "{status} {said}");
    make(&demo, "bans", &json!({"network": "192.0.2.7/32", "port": 5060}));
    ada.unregister().unwrap();
    demo.stop();
}

#[test]
fn a_range_is_banned_when_so_many_of_its_hosts_are() {
    let home = Home::new();
    let demo = start(&home, "", &[("range_bans_max", "2")]);
    for last in [1, 2] {
        let raw = Raw::new(SocketAddr::from(([127, 0, 9, last], 0)), demo.sip).unwrap();
        raw.send(&request("OPTIONS", "100", "friendly-scanner", last.into())).unwrap();
    }
    let ban = eventually("the range is banned", || {
        bans(&demo).into_iter().find(|ban| text(ban, "network") == "127.0.9.0/24")
    });
    assert!(text(&ban, "reason").contains("hosts of the network"), "{ban:#}");
    std::thread::sleep(IN_FORCE);
    let third = Raw::new(SocketAddr::from(([127, 0, 9, 3], 0)), demo.sip).unwrap();
    assert!(!is_heard(&third, 9), "it did nothing, but its network did");
    demo.stop();
}
