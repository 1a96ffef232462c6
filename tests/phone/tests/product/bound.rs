//! What must stay bounded: forwards that lead back, starts per second, lines, and who may use a
//! trunk at all.

use std::time::{Duration, Instant};

use serde_json::json;
use strowger_phone::carrier::Carrier;
use strowger_phone::flows::{ALICE, BOB};
use strowger_phone::{EndedBy, OutgoingCall, Phone};

use crate::assert_tidy;
use crate::demo::{Demo, Home, eventually};
use crate::rest::text;
use crate::rows::{
    SILENCE, TALK, answered, lead_to, make, new_carrier, new_cleo, new_peer, refused, set,
};
use crate::talk::{SOON, Talk, desk};

/// Most hops that the peer of the spiral lets a call have.
const HOPS: u32 = 12;
/// Starts per second of the first trunk, and lines of each.
const PER_SECOND: usize = 5;
const LINES: [usize; 2] = [3, 2];

/// Calls of `subscriber` go to `number` under this condition.
fn forward(demo: &Demo, subscriber: &str, when: &str, number: &str) {
    let forward = json!({"when": when, "to": number});
    set(demo, &format!("subscribers/{subscriber}"), &json!({"forwards": [forward]}));
}

#[test]
fn a_ring_of_forwards_ends_with_the_cause_of_who_was_asked() {
    let home = Home::new();
    let demo = Demo::start(&home);
    let (ada, bob) = (desk(&demo, ALICE), desk(&demo, BOB));
    let (_, cleo) = new_cleo(&demo);
    for when in ["busy", "always"] {
        forward(&demo, "1", when, "1002");
        forward(&demo, "2", when, "1001");
        // The forward that leads back is not followed: the last one rings like everybody.
        let began = Instant::now();
        let out = cleo.invite("1001").unwrap();
        if when == "busy" {
            ada.wait_call(SOON).unwrap().reject(486).unwrap();
        }
        bob.wait_call(SOON).unwrap().reject(486).unwrap();
        assert_eq!(out.wait_end(SOON).unwrap(), EndedBy::Refused(486), "{when}");
        assert!(began.elapsed() < SOON);
        ada.expect_no_call(SILENCE).unwrap();
        bob.expect_no_call(SILENCE).unwrap();
    }
    // Nobody is there to ring at the end of it, so the forward leads nowhere and is not followed
    // either; then nobody is there at all.
    bob.unregister().unwrap();
    let out = cleo.invite("1001").unwrap();
    ada.wait_call(SOON).unwrap().reject(486).unwrap();
    assert_eq!(out.wait_end(SOON).unwrap(), EndedBy::Refused(486));
    ada.unregister().unwrap();
    assert_eq!(refused(&cleo, "1001"), 480);
    ada.register(300).unwrap();
    // To oneself, and by oneself.
    forward(&demo, "1", "always", "1001");
    let out = cleo.invite("1001").unwrap();
    ada.wait_call(SOON).unwrap().reject(486).unwrap();
    assert_eq!(out.wait_end(SOON).unwrap(), EndedBy::Refused(486));
    let cdrs = demo.rest.list("/api/v1/cdrs");
    assert!(cdrs.len() <= 16, "{cdrs:#?}");
    assert!(cdrs.iter().all(|cdr| cdr["answered"].is_null()), "{cdrs:#?}");
    assert_tidy(&demo);
    demo.stop();
}

/// A peer that sends each call back to `number`, as its own forward would, until it is told to
/// stop; how many calls it had.
fn send_back(peer: &Phone, number: &str) -> (Vec<OutgoingCall>, Vec<u32>) {
    let (mut calls, mut hops) = (Vec::new(), Vec::new());
    let mut held = Vec::new();
    while let Ok(call) = peer.wait_call(Duration::from_secs(2)) {
        let left: u32 = call.request().header("Max-Forwards").unwrap().parse().unwrap();
        hops.push(left);
        let back = left.saturating_sub(1).to_string();
        calls.push(peer.invite_with(number, &[("Max-Forwards", &back)], true).unwrap());
        held.push(call);
        assert!(hops.len() <= 70, "the spiral does not end");
    }
    // The refusal comes back the way the call went.
    for (call, held) in calls.iter().zip(&held).rev() {
        let EndedBy::Refused(code) = call.wait_end(SOON).unwrap() else {
            panic!("{:?}", call.ended())
        };
        held.reject(code).unwrap();
    }
    (calls, hops)
}

#[test]
fn a_spiral_through_a_carrier_ends_at_max_forwards() {
    let home = Home::new();
    let demo = Demo::start(&home);
    let peer = new_peer(&demo);
    lead_to(&demo, peer.addr());
    let (ada, _bob) = (desk(&demo, ALICE), desk(&demo, BOB));
    let did = json!({"tenant": "1", "organization": "2", "number": "493012", "subscriber": "2"});
    make(&demo, "dids", &did);
    forward(&demo, "2", "always", "44700");
    let first = HOPS.to_string();
    let out = ada.invite_with("1002", &[("Max-Forwards", &first)], true).unwrap();
    let (calls, hops) = send_back(&peer, "493012");
    // Each time it passes us and the peer one hop is gone.
    let expect: Vec<u32> = (0..HOPS).rev().step_by(2).collect();
    assert_eq!(hops, expect);
    assert_eq!(calls.last().unwrap().ended(), Some(EndedBy::Refused(483)));
    assert_eq!(out.wait_end(SOON).unwrap(), EndedBy::Refused(483));
    assert_tidy(&demo);
    demo.stop();
}

/// A second trunk with these limits, and the route over both, the first one first.
fn two_trunks(demo: &Demo, carriers: [&Carrier; 2], second: &serde_json::Value) {
    let mut egress = json!({"targets": [carriers[1].addr().to_string()], "account": "3"});
    for (name, value) in second.as_object().unwrap() {
        egress[name] = value.clone();
    }
    let row = json!({"tenant": "1", "organization": "3", "name": "second", "egress": egress});
    let second = make(demo, "trunks", &row);
    let targets = json!([{"trunk": "1", "priority": 10}, {"trunk": second, "priority": 0}]);
    set(demo, "routes/1", &json!({"targets": targets}));
    lead_to(demo, carriers[0].addr());
}

/// Waits for the beginning of a second of the host's monotonic clock, by which starts are counted.
fn await_second() {
    loop {
        let text = std::fs::read_to_string("/proc/uptime").unwrap();
        let uptime = text.split(' ').next().unwrap();
        if uptime.ends_with(".00") || uptime.ends_with(".01") || uptime.ends_with(".02") {
            return;
        }
        std::thread::sleep(Duration::from_millis(2));
    }
}

#[test]
fn starts_per_second_of_a_trunk_are_never_exceeded_and_the_next_one_takes_the_rest() {
    let home = Home::new();
    let demo = Demo::start(&home);
    let both = [new_carrier(&demo), new_carrier(&demo)];
    let [first, second] = &both;
    let ada = desk(&demo, ALICE);
    two_trunks(&demo, [first, second], &json!({}));
    set(&demo, "trunks/1", &json!({"egress": {"cps_max": PER_SECOND}}));
    for burst in 1..=2 {
        await_second();
        let began = Instant::now();
        let calls: Vec<OutgoingCall> =
            (0..3 * PER_SECOND).map(|_| ada.invite("44123").unwrap()).collect();
        calls.iter().for_each(|call| call.wait_answer(SOON).unwrap());
        let took = began.elapsed();
        calls.iter().for_each(|call| assert_eq!(call.bye().unwrap(), EndedBy::LocalBye));
        let asked = [first.seen().len(), second.seen().len()];
        // All were begun within that second; a busy machine may have taken another one.
        let seconds = 1 + usize::try_from(took.as_secs_f64().ceil() as u64).unwrap();
        if took < Duration::from_millis(900) {
            assert_eq!(asked, [burst * PER_SECOND, burst * 2 * PER_SECOND]);
        }
        assert!(asked[0] <= burst * seconds * PER_SECOND, "{asked:?} in {took:?}");
        assert_eq!(asked.iter().sum::<usize>(), burst * 3 * PER_SECOND);
    }
    assert_tidy(&demo);
    demo.stop();
}

#[test]
fn lines_of_trunks_are_never_exceeded_by_calls_begun_at_once() {
    let home = Home::new();
    let demo = Demo::start(&home);
    let both = [new_carrier(&demo), new_carrier(&demo)];
    let [first, second] = &both;
    let ada = desk(&demo, ALICE);
    two_trunks(&demo, [first, second], &json!({"calls_max": LINES[1]}));
    set(&demo, "trunks/1", &json!({"egress": {"calls_max": LINES[0]}}));
    let room: usize = LINES.iter().sum();
    let calls: Vec<OutgoingCall> = (0..room + 4).map(|_| ada.invite("44123").unwrap()).collect();
    let lives: Vec<&OutgoingCall> =
        calls.iter().filter(|call| call.wait_answer(SOON).is_ok()).collect();
    assert_eq!(lives.len(), room);
    for call in &calls {
        assert!(matches!(call.ended(), None | Some(EndedBy::Refused(480))));
    }
    assert_eq!([first.seen().len(), second.seen().len()], LINES);
    // One that ends makes room for one.
    let (one, others) = lives.split_first().unwrap();
    assert_eq!(one.bye().unwrap(), EndedBy::LocalBye);
    let next = ada.invite("44123").unwrap();
    next.wait_answer(SOON).unwrap();
    assert_eq!(refused(&ada, "44123"), 480);
    for call in others {
        assert_eq!(call.bye().unwrap(), EndedBy::LocalBye);
    }
    assert_eq!(next.bye().unwrap(), EndedBy::LocalBye);
    assert_eq!(first.seen().len() + second.seen().len(), room + 1);
    assert_tidy(&demo);
    demo.stop();
}

#[test]
fn tech_prefixes_tell_customers_of_one_address_apart_and_are_put_in_front_for_carriers() {
    let home = Home::new();
    let demo = Demo::start(&home);
    let (peer, carrier) = (new_peer(&demo), new_carrier(&demo));
    let (ada, bob) = (desk(&demo, ALICE), desk(&demo, BOB));
    // Two customers behind one address; the demo's trunk is the first of them.
    let source = json!([{"network": "127.0.0.1/32", "port": peer.addr().port()}]);
    let other = json!({
        "tenant": "1", "organization": "2", "name": "other customer",
        "ingress": {"sources": source, "account": "2", "tech_prefix": "8888"},
    });
    let other = make(&demo, "trunks", &other);
    let own = json!({
        "ingress": {"sources": source, "tech_prefix": "7777"},
        "egress": {"targets": [carrier.addr().to_string()], "called": {"add": "9911"}},
    });
    set(&demo, "trunks/1", &own);
    for (number, trunk) in [("77771002", "1"), ("88881002", other.as_str())] {
        let before = demo.rest.list("/api/v1/cdrs").len();
        Talk::new(&peer, number, &bob).end_after(TALK);
        let cdr = &demo.rest.cdrs(before + 1)[before];
        assert_eq!(text(cdr, "caller.trunk"), trunk, "{cdr:#}");
        assert_eq!(text(cdr, "called.received"), number, "{cdr:#}");
        assert_eq!(text(cdr, "called.subscriber"), "2", "{cdr:#}");
    }
    // Without a prefix, or with somebody else's, it is nobody's call.
    for number in ["1002", "99991002", "7777"] {
        let code = refused(&peer, number);
        assert!((400..500).contains(&code), "{number}: {code}");
    }
    bob.expect_no_call(SILENCE).unwrap();
    // What the carrier gets has its prefix; what is billed has not.
    answered(&ada.invite("44123").unwrap());
    let seen = carrier.wait_ended(1, SOON).unwrap();
    assert_eq!(seen[0].number(), "991144123");
    let abroad = eventually("its record is there", || {
        let cdrs = demo.rest.list("/api/v1/cdrs");
        cdrs.into_iter().find(|cdr| cdr["called"]["trunk"] == "1")
    });
    assert_eq!(text(&abroad, "called.received"), "44123");
    assert_tidy(&demo);
    demo.stop();
}

/// However long a call may talk, it ends when the configuration file says.
#[test]
fn the_longest_call_is_that_of_the_configuration_file() {
    let home = Home::new();
    // The shortest that may be set.
    let demo = Demo::start_with(&home, "sip.call_s_max = 60\n");
    let (ada, bob) = (desk(&demo, ALICE), desk(&demo, BOB));
    let began = Instant::now();
    let talk = Talk::new(&ada, "1002", &bob);
    assert_eq!(talk.out.wait_end(Duration::from_secs(70)).unwrap(), EndedBy::RemoteBye);
    let took = began.elapsed();
    assert_eq!(talk.inc.wait_end(SOON).unwrap(), EndedBy::RemoteBye);
    assert!((59..64).contains(&took.as_secs()), "{took:?}");
    let cdr = demo.rest.cdrs(1).remove(0);
    assert_eq!(text(&cdr, "outcome.reason"), "max-duration", "{cdr:#}");
    demo.stop();
}

/// Where the called number of a trunk's calls stands, its row says (spec SIP-URI-01).
#[test]
fn a_trunk_names_the_called_number_in_to_or_in_the_request_uri() {
    let home = Home::new();
    let demo = Demo::start(&home);
    let bob = desk(&demo, BOB);
    let peer = Carrier::new(std::net::SocketAddr::from(([127, 0, 0, 1], 0)), demo.sip).unwrap();
    let sources = json!([{"network": "127.0.0.1/32", "port": peer.addr().port()}]);
    let ingress = json!({"account": "2", "sources": sources});
    let body = json!({"tenant": "1", "organization": "2", "name": "edge", "ingress": ingress});
    let trunk = format!("trunks/{}", make(&demo, "trunks", &body));
    let rings = |called: &str, to: &str| {
        let to = format!("<sip:{to}@{}>", demo.sip);
        let call = peer.phone().invite_with(called, &[("To", &to)], true).unwrap();
        let end = match bob.wait_call(Duration::from_secs(2)) {
            Ok(rings) => {
                rings.reject(486).unwrap();
                true
            }
            Err(_) => false,
        };
        call.wait_end(SOON).unwrap();
        end
    };
    let from = |place: &str| {
        set(&demo, &trunk, &json!({"ingress": {"called_from": place}}));
        [rings("1002", "990000"), rings("990000", "1002")]
    };
    assert_eq!(from("auto"), [true, false]);
    assert_eq!(from("to"), [false, true]);
    assert_eq!(from("request-uri"), [true, false]);
    demo.stop();
}
