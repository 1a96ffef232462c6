//! A supplier that answered and is gone soon after: its caller is put through to the next one.

use std::time::Duration;

use serde_json::{Value, json};
use strowger_phone::flows::ALICE;
use strowger_phone::{EndedBy, IncomingCall, OutgoingCall, Pattern, Phone};

use crate::assert_tidy;
use crate::demo::{Demo, Home};
use crate::open::switch_on;
use crate::rest::text;
use crate::rows::{SILENCE, TALK, make, new_peer, set};
use crate::talk::{SOON, desk};
use crate::transfer::hear_each_other;

/// Hangs up because of a failure of its own.
fn fail(call: &IncomingCall) {
    let why = [("Reason", "Q.850;cause=41")];
    call.request_inside_with("BYE", &why, None).unwrap();
}

/// Two suppliers whose calls the test answers itself, the first one's trunk first.
fn two(demo: &Demo) -> ([Phone; 2], String) {
    let peers = [new_peer(demo), new_peer(demo)];
    let other = json!({
        "tenant": "1", "organization": "3", "name": "second",
        "egress": {"targets": [peers[1].addr().to_string()], "account": "3"},
    });
    let other = make(demo, "trunks", &other);
    let first = json!({"egress": {"targets": [peers[0].addr().to_string()]}});
    set(demo, "trunks/1", &first);
    let targets = json!([{"trunk": "1", "priority": 10}, {"trunk": other}]);
    set(demo, "routes/1", &json!({"targets": targets}));
    (peers, other)
}

/// A call that a supplier has answered.
fn talking(caller: &Phone, supplier: &Phone) -> (OutgoingCall, IncomingCall) {
    let out = caller.invite("44123").unwrap();
    let call = supplier.wait_call(SOON).unwrap();
    call.answer().unwrap();
    out.wait_answer(SOON).unwrap();
    std::thread::sleep(TALK);
    (out, call)
}

/// The newest record of a trunk.
fn record_by<'a>(cdrs: &'a [Value], trunk: &str) -> &'a Value {
    cdrs.iter().rfind(|cdr| text(cdr, "called.trunk") == trunk).unwrap()
}

#[test]
fn who_talks_with_a_supplier_that_fails_is_put_through_to_the_next() {
    let home = Home::new();
    let demo = Demo::start(&home);
    let ([first, second], other) = two(&demo);
    let ada = desk(&demo, ALICE);
    // As long as nothing is set the call ends with its supplier.
    let (out, call) = talking(&ada, &first);
    fail(&call);
    assert_eq!(out.wait_end(SOON).unwrap(), EndedBy::RemoteBye);
    second.expect_no_call(SILENCE).unwrap();
    switch_on(&demo, "failover", "answered", "fault", &json!({}));
    // Its subscriber may have one call at a time: it is the same call.
    set(&demo, "subscribers/1", &json!({"calls_max": 1}));

    let (out, call) = talking(&ada, &first);
    out.start_sending(u64::MAX, Pattern::Marked).unwrap();
    fail(&call);
    let next = second.wait_call(SOON).unwrap();
    next.ring().unwrap();
    next.answer().unwrap();
    next.start_sending(u64::MAX, Pattern::Marked).unwrap();
    hear_each_other(&out, &next);
    std::thread::sleep(Duration::from_secs(1));
    assert_eq!(out.bye().unwrap(), EndedBy::LocalBye);
    assert_eq!(next.wait_end(SOON).unwrap(), EndedBy::RemoteBye);
    // Each supplier has a record of its own time, and the caller pays both.
    let cdrs = demo.rest.cdrs(3);
    let (left, rest) = (record_by(&cdrs, "1"), record_by(&cdrs, &other));
    assert_eq!(left["outcome"]["q850"], 41, "{left:#}");
    let talk_ms = |cdr: &Value| cdr["talk_ms"].as_u64().unwrap();
    assert!(talk_ms(left) < 1_000 && talk_ms(rest) >= 1_000, "{left:#} {rest:#}");
    for cdr in [left, rest] {
        assert_eq!(text(cdr, "customer.account"), "1", "{cdr:#}");
        assert_eq!(text(cdr, "caller.number"), "1001", "{cdr:#}");
    }
    let trace = demo.rest.get(&format!("/api/v1/cdrs/{}/trace", text(rest, "id")));
    let said = trace["decision"].to_string();
    assert!(said.contains("is gone after its answer") && said.contains("had the call"), "{said}");
    assert_tidy(&demo);
    demo.stop();
}

#[test]
fn a_call_is_put_through_by_the_mode_and_in_its_time_alone() {
    let home = Home::new();
    let demo = Demo::start(&home);
    let ([first, second], _) = two(&demo);
    let ada = desk(&demo, ALICE);
    let mode = switch_on(&demo, "failover", "answered", "fault", &json!({}));
    // A usual end is no failure.
    let (out, call) = talking(&ada, &first);
    call.bye().unwrap();
    assert_eq!(out.wait_end(SOON).unwrap(), EndedBy::RemoteBye);
    second.expect_no_call(SILENCE).unwrap();
    // A failure that ends a hunt ends the call as well.
    set(&demo, "trunks/1", &json!({"egress": {"stop_on": [503]}}));
    let (out, call) = talking(&ada, &first);
    fail(&call);
    assert_eq!(out.wait_end(SOON).unwrap(), EndedBy::RemoteBye);
    second.expect_no_call(SILENCE).unwrap();

    set(&demo, &format!("settings/{mode}"), &json!({"value": "any"}));
    let (out, call) = talking(&ada, &first);
    call.bye().unwrap();
    let next = second.wait_call(SOON).unwrap();
    // Nobody is left: the caller hears of it.
    next.reject(503).unwrap();
    assert_eq!(out.wait_end(SOON).unwrap(), EndedBy::RemoteBye);
    // Who hangs up himself calls nobody.
    let (out, call) = talking(&ada, &first);
    out.bye().unwrap();
    assert_eq!(call.wait_end(SOON).unwrap(), EndedBy::RemoteBye);
    second.expect_no_call(SILENCE).unwrap();
    // Who hangs up while it is tried ends it.
    let (out, call) = talking(&ada, &first);
    call.bye().unwrap();
    let next = second.wait_call(SOON).unwrap();
    next.ring().unwrap();
    out.bye().unwrap();
    assert_eq!(next.wait_end(SOON).unwrap(), EndedBy::RemoteCancel);
    // Later it is over.
    switch_on(&demo, "failover", "answered_ms", "1000", &json!({}));
    let (out, call) = talking(&ada, &first);
    std::thread::sleep(Duration::from_secs(1));
    call.bye().unwrap();
    assert_eq!(out.wait_end(SOON).unwrap(), EndedBy::RemoteBye);
    second.expect_no_call(SILENCE).unwrap();
    assert_tidy(&demo);
    demo.stop();
}
