//! Ring groups from outside: reached by a DID, in rotation, with a member who is elsewhere.

use std::time::{Duration, Instant};

use serde_json::{Value, json};
use strowger_phone::carrier::{Carrier, Script};
use strowger_phone::flows::{ALICE, BOB};
use strowger_phone::{EndedBy, IncomingCall, OutgoingCall, Phone};

use crate::assert_tidy;
use crate::demo::{Demo, Home};
use crate::rest::{money, text};
use crate::rows::{IN_FORCE, SILENCE, answered, lead_to, make, new_carrier, new_cleo};
use crate::talk::{SOON, desk};

/// The number from outside that leads to the group.
const DID: &str = "49309900";
/// The member who is elsewhere.
const ELSEWHERE: &str = "44700";

/// Where a call that rings in rotation rang.
enum Rang {
    Desk(IncomingCall),
    Carrier,
}

/// A group of these members, which [`DID`] leads to.
fn new_group(demo: &Demo, mode: &str, members: &Value) -> String {
    let group = json!({
        "tenant": "1", "organization": "2", "account": "2", "name": "sales", "mode": mode,
        "numbers": ["2000"], "members": members,
    });
    let group = make(demo, "ring-groups", &group);
    let did = json!({"tenant": "1", "organization": "2", "number": DID, "ring_group": group});
    make(demo, "dids", &did);
    std::thread::sleep(IN_FORCE);
    group
}

/// Which of the members a call rings first: the place of the desk, or that of the carrier behind
/// them.
fn rings(desks: [&Phone; 2], carrier: &Carrier, before: usize) -> (usize, Rang) {
    let deadline = Instant::now() + SOON;
    while Instant::now() < deadline {
        for (place, desk) in desks.iter().enumerate() {
            if let Ok(call) = desk.wait_call(Duration::from_millis(20)) {
                return (place, Rang::Desk(call));
            }
        }
        if carrier.seen().len() > before {
            return (desks.len(), Rang::Carrier);
        }
    }
    panic!("nobody rings");
}

#[test]
fn a_did_leads_to_a_group_that_rings_together() {
    let home = Home::new();
    let demo = Demo::start(&home);
    let carrier = new_carrier(&demo);
    lead_to(&demo, carrier.addr());
    let bob = desk(&demo, BOB);
    let (id, cleo) = new_cleo(&demo);
    let group =
        new_group(&demo, "parallel", &json!([{"subscriber": "2"}, {"subscriber": id.clone()}]));
    let both = [(&bob, &cleo, "2"), (&cleo, &bob, id.as_str())];
    for (place, (wins, loses, who)) in both.into_iter().enumerate() {
        let out = carrier.phone().invite(DID).unwrap();
        let (wins, loses) = (wins.wait_call(SOON).unwrap(), loses.wait_call(SOON).unwrap());
        wins.ring().unwrap();
        loses.ring().unwrap();
        wins.answer().unwrap();
        answered(&out);
        loses.wait_end(SOON).unwrap();
        let cdr = &demo.rest.cdrs(place + 1)[place];
        assert_eq!(text(cdr, "called.subscriber"), who, "{cdr:#}");
        assert_eq!(text(cdr, "called.received"), DID, "{cdr:#}");
        assert_eq!(text(cdr, "caller.trunk"), "1", "{cdr:#}");
    }
    // A group that is switched off is nobody's.
    let off = demo.rest.patch(&format!("/api/v1/ring-groups/{group}"), r#"{"enabled":false}"#);
    assert_eq!(off.0, 200, "{}", off.1);
    std::thread::sleep(IN_FORCE);
    let out = carrier.phone().invite(DID).unwrap();
    bob.expect_no_call(SILENCE).unwrap();
    assert!(out.wait_end(SOON).is_ok());
    demo.rest.cdrs(3);
    assert_tidy(&demo);
    demo.stop();
}

#[test]
fn a_rotating_group_begins_each_call_with_the_next_member_those_outside_too() {
    let home = Home::new();
    let demo = Demo::start(&home);
    let carrier = new_carrier(&demo);
    lead_to(&demo, carrier.addr());
    let (ada, bob) = (desk(&demo, ALICE), desk(&demo, BOB));
    let (id, cleo) = new_cleo(&demo);
    let members = json!([{"subscriber": "2"}, {"subscriber": id}, {"number": ELSEWHERE}]);
    new_group(&demo, "rotating", &members);
    let desks = [&bob, &cleo];
    let credit = demo.rest.balance(2);

    // Four calls that the first asked answers, by the number and by the DID: 0, 1, 2, 0.
    for expect in [0, 1, 2, 0] {
        let number = if expect == 1 { "2000" } else { DID };
        let before = carrier.seen().len();
        let out = ada.invite(number).unwrap();
        let (first, rang) = rings(desks, &carrier, before);
        assert_eq!(first, expect, "the first to ring");
        if let Rang::Desk(call) = &rang {
            call.answer().unwrap();
        }
        answered(&out);
    }
    // Nobody of the others was disturbed.
    desks.iter().for_each(|desk| desk.expect_no_call(SILENCE).unwrap());

    // The next call begins with the second member and goes round: third, then first.
    carrier.script(ELSEWHERE, Script::busy());
    let out: OutgoingCall = ada.invite(DID).unwrap();
    cleo.wait_call(SOON).unwrap().reject(486).unwrap();
    let last = bob.wait_call(SOON).unwrap();
    assert_eq!(carrier.seen().len(), 2, "the member outside was asked between the two");
    last.answer().unwrap();
    answered(&out);

    // The member outside was paid for by the group; the caller paid nothing.
    let cdrs = demo.rest.cdrs(7);
    let of_group = cdrs.iter().filter(|cdr| cdr["customer"]["account"] == "2");
    let paid: i64 = of_group.map(|cdr| money(&cdr["customer"]["gross"])).sum();
    assert!(paid > 0, "{cdrs:#?}");
    assert_eq!(demo.rest.balance(2), credit - paid);
    let seen = carrier.wait_ended(2, SOON).unwrap();
    for seen in &seen {
        let said = seen.invite.header("Diversion").unwrap_or_default();
        assert!(said.contains("2000") && said.contains("follow-me"), "{said}");
    }
    assert_tidy(&demo);
    demo.stop();
}

#[test]
fn a_member_outside_rings_beside_those_inside_at_the_groups_cost() {
    let home = Home::new();
    let demo = Demo::start(&home);
    let carrier = new_carrier(&demo);
    lead_to(&demo, carrier.addr());
    let (ada, bob) = (desk(&demo, ALICE), desk(&demo, BOB));
    new_group(&demo, "parallel", &json!([{"subscriber": "2"}, {"number": ELSEWHERE}]));
    let credit = [demo.rest.balance(1), demo.rest.balance(2)];

    // The carrier answers: Bob's phone stops ringing, and the group pays for the way outside.
    let delay = Script::delayed(SILENCE);
    carrier.script(ELSEWHERE, delay);
    let out = ada.invite(DID).unwrap();
    let inside = bob.wait_call(SOON).unwrap();
    inside.ring().unwrap();
    answered(&out);
    assert_eq!(inside.wait_end(SOON).unwrap(), EndedBy::RemoteCancel);
    let mut cdrs = demo.rest.cdrs(2);
    cdrs.sort_by_key(|cdr| cdr["part"].as_u64());
    assert_eq!(text(&cdrs[1], "called.trunk"), "1", "{cdrs:#?}");
    assert_eq!(text(&cdrs[1], "caller.account"), "2", "{cdrs:#?}");
    let paid = money(&cdrs[1]["customer"]["gross"]);
    assert!(paid > 0, "{cdrs:#?}");
    assert_eq!([demo.rest.balance(1), demo.rest.balance(2)], [credit[0], credit[1] - paid]);

    // Bob answers: the carrier is told to stop, and nobody pays for it.
    carrier.script(ELSEWHERE, Script::NoAnswer);
    let out = ada.invite(DID).unwrap();
    let inside = bob.wait_call(SOON).unwrap();
    inside.answer().unwrap();
    answered(&out);
    let seen = carrier.wait_ended(2, SOON).unwrap();
    assert_eq!(seen[1].ended, Some(EndedBy::RemoteCancel));
    let mut cdrs = demo.rest.cdrs(4).split_off(2);
    cdrs.sort_by_key(|cdr| cdr["part"].as_u64());
    assert_eq!(text(&cdrs[0], "called.subscriber"), "2", "{cdrs:#?}");
    assert!(cdrs[1]["answered"].is_null(), "{cdrs:#?}");
    assert_eq!([demo.rest.balance(1), demo.rest.balance(2)], [credit[0], credit[1] - paid]);
    assert_tidy(&demo);
    demo.stop();
}
