//! Registration and the product's flows against a toy switch: what the phone does when it is
//! challenged, and that the flows pass where they should and fail where they must.

#![cfg(test)]

mod toy;

use std::net::SocketAddr;
use std::time::Duration;

use strowger_phone::flows::{self, FLOWS, Site};
use strowger_phone::{Algorithm, Cause, Config, EndedBy, Phone};
use toy::{Rules, Toy};

fn phone(toy: &Toy, user: &str, password: &str) -> Phone {
    let t1 = Duration::from_millis(100);
    Phone::new(Config { t1, ..Config::new(user, password, toy.addr()) }).unwrap()
}

fn free_port() -> SocketAddr {
    std::net::UdpSocket::bind("127.0.0.1:0").unwrap().local_addr().unwrap()
}

#[test]
fn a_phone_registers_with_the_first_algorithm_it_knows() {
    let toy = Toy::new(Rules::default());
    let a = phone(&toy, "1001", "demo1001");
    let done = a.register(60).unwrap();
    assert_eq!((done.expires_s, done.contacts.len()), (60, 1));
    assert_eq!(done.challenges.len(), 2, "both challenges of the one 401 are told");
    assert_eq!(a.seen("401"), 1, "{}", a.ladder());
    let md5 = vec![Algorithm::Md5];
    let config = Config { algorithms: md5, ..Config::new("1002", "demo1002", toy.addr()) };
    let b = Phone::new(config).unwrap();
    b.register(60).unwrap();
    assert_eq!(a.unregister().unwrap().contacts.len(), 0);
    assert_eq!(b.unregister_all().unwrap().contacts.len(), 0);
}

#[test]
fn nonce_counts_grow_and_a_stale_nonce_is_replaced_once() {
    let toy = Toy::new(Rules { nonce_uses: 3, ..Rules::default() });
    let a = phone(&toy, "1001", "demo1001");
    for _ in 0..5 {
        a.register(60).unwrap();
    }
    let heard = toy.heard();
    assert_eq!(heard.counts, vec![1, 2, 3, 1, 2]);
    assert_eq!(heard.challenges, vec![false, true]);
    assert_eq!(heard.requests.len(), 7, "five registrations and two challenged ones");
}

#[test]
fn a_nonce_that_is_always_stale_does_not_loop() {
    let toy = Toy::new(Rules { nonce_uses: 0, ..Rules::default() });
    let failure = phone(&toy, "1001", "demo1001").register(60).unwrap_err();
    assert_eq!(failure.cause, Cause::Code(401));
    assert_eq!(toy.heard().challenges, vec![false, true, true]);
}

#[test]
fn a_wrong_password_is_tried_once_and_not_kept() {
    let toy = Toy::new(Rules::default());
    let a = phone(&toy, "1001", "wrong");
    for round in 1..=2 {
        assert_eq!(a.register(60).unwrap_err().code(), Some(401));
        assert_eq!(toy.heard().challenges.len(), round * 2, "{}", a.ladder());
    }
    let out = a.invite("1002").unwrap();
    assert_eq!(out.wait_end(Duration::from_secs(5)).unwrap(), EndedBy::Refused(407));
    assert_eq!(toy.heard().challenges.len(), 6);
}

#[test]
fn a_phone_without_a_known_algorithm_gives_up_at_once() {
    let toy = Toy::new(Rules { algorithms: vec![Algorithm::Sha256], ..Rules::default() });
    let algorithms = vec![Algorithm::Md5];
    let config = Config { algorithms, ..Config::new("1001", "demo1001", toy.addr()) };
    let failure = Phone::new(config).unwrap().register(60).unwrap_err();
    assert_eq!(failure.code(), Some(401));
    assert_eq!(toy.heard().requests.len(), 1);
}

/// The toy records its route; whoever passed it by would not be heard by it.
#[test]
fn requests_inside_a_call_follow_the_route_set_of_both_sides() {
    let toy = Toy::new(Rules::default());
    let soon = Duration::from_secs(5);
    let (a, b) = (phone(&toy, "1001", "demo1001"), phone(&toy, "1002", "demo1002"));
    b.register(60).unwrap();
    let out = a.invite("1002").unwrap();
    let inc = b.wait_call(soon).unwrap();
    inc.answer().unwrap();
    out.wait_answer(soon).unwrap();
    out.hold().unwrap();
    inc.hold().unwrap();
    inc.bye().unwrap();
    let heard = toy.heard().requests;
    let expect =
        ["REGISTER", "REGISTER", "INVITE", "INVITE", "INVITE", "INVITE", "BYE"].map(str::to_owned);
    assert_eq!(heard, expect, "{}", a.ladder());
}

/// All flows but one pass on a proxy that does its work, each on a proxy of its own. It does not
/// stand in the audio's way, so the flow about strangers must see them.
#[test]
fn flows_pass_on_a_good_switch_and_see_strangers() {
    std::thread::scope(|scope| {
        for (name, flow) in FLOWS {
            scope.spawn(move || {
                let result = flow_on_toy(flow);
                if name == "stranger_rtp" {
                    let text = result.unwrap_err();
                    assert!(text.contains("heard other streams"), "{text}");
                } else {
                    assert_eq!(result.err(), None, "flow {name}");
                }
            });
        }
    });
}

fn flow_on_toy(flow: fn(&Site) -> Result<(), String>) -> Result<(), String> {
    let carrier = free_port();
    let rules = Rules { trunk: Some(("44", carrier)), ..Rules::default() };
    let toy = Toy::new(rules.clone());
    flow(&Site { server: toy.addr(), ring_timeout: rules.ring_timeout, carrier })
}

#[test]
fn flows_fail_on_a_bad_switch() {
    let open = Rules { users: vec![("1001", "wrong"), ("1002", "demo1001")], ..Rules::default() };
    let toy = Toy::new(open);
    let server = toy.addr();
    assert!(flows::flow_register_both(server).is_err());
    assert!(flows::flow_wrong_password(server).is_err());
    // Gives up far too early for what it is said to do.
    let toy = Toy::new(Rules { ring_timeout: Duration::from_millis(50), ..Rules::default() });
    let late = flows::flow_no_answer(toy.addr(), Duration::from_secs(2)).unwrap_err();
    assert!(late.contains("long before"), "{late}");
    // Knows no way abroad, and knows nobody's number.
    assert!(flows::flow_carrier(toy.addr(), free_port()).unwrap_err().contains("404"));
    let users = vec![("1001", "demo1001"), (flows::NOBODY, "x")];
    let toy = Toy::new(Rules { users, ..Rules::default() });
    assert!(flows::flow_wrong_number(toy.addr()).unwrap_err().contains("480"));
}
