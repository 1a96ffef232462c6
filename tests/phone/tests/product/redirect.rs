//! Calls that a called party sends on by 302, in each of the modes of SIP-REDIR-01: a phone, and a
//! carrier.

use serde_json::{Value, json};
use strowger_phone::carrier::{Carrier, Script};
use strowger_phone::flows::{ALICE, BOB};
use strowger_phone::{EndedBy, OutgoingCall, Phone};

use crate::assert_tidy;
use crate::demo::{Demo, Home};
use crate::rest::{money, text};
use crate::rows::{
    IN_FORCE, SILENCE, answered, lead_to, make, new_carrier, new_cleo, new_peer, set,
};
use crate::talk::{SOON, desk};

/// The demo's price for 44, in units of the ledger (1e-8 EUR) a second.
const OUTSIDE: i64 = 100_000;
/// What these tests set for calls inside, 0.006 EUR a minute, in the same units.
const INSIDE: i64 = 10_000;
/// Credit that the demo gives, in the same units.
const CREDIT: i64 = 1_000_000_000;

/// What 3xx mean from now on; the row's id.
fn mode(demo: &Demo, value: &str) -> String {
    let body = json!({"tenant": "1", "category": "call", "name": "redirect", "value": value});
    let row = make(demo, "settings", &body);
    std::thread::sleep(IN_FORCE);
    format!("settings/{row}")
}

fn inside_costs(demo: &Demo) {
    set(demo, "tenants/1", &json!({"internal_price": {"amount": "0.006", "currency": "EUR"}}));
}

/// Ada calls Bob, who sends the call on to `contacts`.
fn sent_on(ada: &Phone, bob: &Phone, contacts: &[&str]) -> OutgoingCall {
    let out = ada.invite("1002").unwrap();
    let call = bob.wait_call(SOON).unwrap();
    call.ring().unwrap();
    call.redirect(contacts).unwrap();
    out
}

/// `0: 1 to 44700 by trunk 1, 1 pays 100000 a second; 302`, of the newest call of `all` records.
fn records(demo: &Demo, all: usize, count: usize) -> Vec<String> {
    let mut cdrs = demo.rest.cdrs(all).split_off(all - count);
    cdrs.sort_by_key(|cdr| cdr["part"].as_u64());
    cdrs.iter().map(record).collect()
}

fn record(cdr: &Value) -> String {
    let called = match (cdr["called"]["trunk"].as_str(), cdr["called"]["subscriber"].as_str()) {
        (Some(trunk), _) => format!("trunk {trunk}"),
        (None, user) => format!("user {}", user.unwrap_or("-")),
    };
    let charge = &cdr["customer"];
    let seconds = charge["charged_ms"].as_i64().map_or(0, |ms| ms / 1_000);
    let price = if seconds == 0 { 0 } else { money(&charge["gross"]) / seconds };
    let hops = cdr["hops"].as_array().map(Vec::as_slice).unwrap_or_default();
    let failed: Vec<i64> = hops.iter().filter_map(|hop| hop["outcome"]["sip"].as_i64()).collect();
    let (part, account) = (&cdr["part"], text(cdr, "caller.account"));
    let reason = text(cdr, "outcome.reason");
    format!("{part}: {account} to {called}, pays {price}, {reason} {failed:?}")
}

#[test]
fn a_phone_that_sends_a_call_on_pays_unless_it_is_routed_anew() {
    let home = Home::new();
    let demo = Demo::start(&home);
    let carrier = new_carrier(&demo);
    inside_costs(&demo);
    lead_to(&demo, carrier.addr());
    let (ada, bob) = (desk(&demo, ALICE), desk(&demo, BOB));
    // As it comes: a forward. The first contact is nobody's, and the next one is called.
    answered(&sent_on(&ada, &bob, &["sip:9999@127.0.0.1", "sip:+44700@127.0.0.1"]));
    let forwarded = [
        format!("0: 1 to user 2, pays {INSIDE}, normal [302]"),
        format!("1: 2 to trunk 1, pays {OUTSIDE}, normal []"),
    ];
    assert_eq!(records(&demo, 2, 2), forwarded);
    let said = carrier.wait_ended(1, SOON).unwrap();
    let diversion = said[0].invite.header("Diversion").unwrap_or_default();
    assert!(diversion.contains("1002") && diversion.contains("deflection"), "{diversion}");
    // Routed anew the caller pays, for the new number alone.
    let row = mode(&demo, "reroute");
    answered(&sent_on(&ada, &bob, &["sip:44700@127.0.0.1"]));
    let anew = format!("0: 1 to trunk 1, pays {OUTSIDE}, normal [302]");
    assert_eq!(records(&demo, 3, 1), [anew]);
    // Another number, and at our own host only.
    set(&demo, &row, &json!({"value": "number"}));
    let (_, cleo) = new_cleo(&demo);
    let out = sent_on(&ada, &bob, &["sip:1003@127.0.0.1"]);
    let taken = cleo.wait_call(SOON).unwrap();
    taken.answer().unwrap();
    answered(&out);
    assert_eq!(records(&demo, 4, 1), [format!("0: 1 to user 3, pays {INSIDE}, normal [302]")]);
    let out = sent_on(&ada, &bob, &["sip:1003@203.0.113.9"]);
    assert_eq!(out.wait_end(SOON).unwrap(), EndedBy::Refused(480));
    cleo.expect_no_call(SILENCE).unwrap();
    // What each paid is what the records say.
    let paid: i64 = demo.rest.cdrs(5).iter().map(|cdr| money(&cdr["customer"]["gross"])).sum();
    assert_eq!(2 * CREDIT - demo.rest.balance(1) - demo.rest.balance(2), paid);
    assert_tidy(&demo);
    demo.stop();
}

#[test]
fn a_redirect_may_be_a_failure_or_the_callers_own_business() {
    let home = Home::new();
    let demo = Demo::start(&home);
    let carrier = new_carrier(&demo);
    lead_to(&demo, carrier.addr());
    let (ada, bob) = (desk(&demo, ALICE), desk(&demo, BOB));
    let row = mode(&demo, "fail");
    let out = sent_on(&ada, &bob, &["sip:44700@127.0.0.1"]);
    assert_eq!(out.wait_end(SOON).unwrap(), EndedBy::Refused(480));
    set(&demo, &row, &json!({"value": "pass"}));
    let out = sent_on(&ada, &bob, &["sip:44700@127.0.0.1", "sip:bob@192.0.2.9"]);
    assert_eq!(out.wait_end(SOON).unwrap(), EndedBy::Refused(302));
    let told = out.response().unwrap();
    assert_eq!(told.lines("Contact"), ["<sip:44700@127.0.0.1>", "<sip:bob@192.0.2.9>"]);
    assert!(carrier.seen().is_empty());
    let cdrs = demo.rest.cdrs(2);
    assert_eq!(text(&cdrs[1], "outcome.reason"), "redirected", "{:#}", cdrs[1]);
    assert_eq!(cdrs[1]["outcome"]["sip"], 302);
    assert_eq!([1, 2].map(|id| demo.rest.balance(id)), [CREDIT, CREDIT]);
    assert_tidy(&demo);
    demo.stop();
}

#[test]
fn a_carrier_changes_the_number_or_the_place_and_no_more() {
    let home = Home::new();
    let demo = Demo::start(&home);
    let (ada, peer) = (desk(&demo, ALICE), new_peer(&demo));
    lead_to(&demo, peer.addr());
    let call = |contact: &str| {
        let out = ada.invite("44700").unwrap();
        peer.wait_call(SOON).unwrap().redirect(&[contact]).unwrap();
        out
    };
    // A supplier's is a failure unless set otherwise.
    let at = peer.addr();
    let out = call(&format!("sip:44123@{at}"));
    assert_eq!(out.wait_end(SOON).unwrap(), EndedBy::Refused(480));
    let row = mode(&demo, "number");
    let out = call(&format!("sip:44123@{at}"));
    let again = peer.wait_call(SOON).unwrap();
    assert_eq!(again.request().uri(), format!("sip:44123@{at}"));
    again.answer().unwrap();
    answered(&out);
    let expect = [format!("0: 1 to trunk 1, pays {OUTSIDE}, normal [302]")];
    assert_eq!(records(&demo, 2, 1), expect);
    // The same number elsewhere.
    set(&demo, &row, &json!({"value": "domain"}));
    let elsewhere = Carrier::new(crate::rows::anywhere(), demo.sip).unwrap();
    elsewhere.otherwise(Script::echo());
    answered(&call(&format!("sip:44700@{}", elsewhere.addr())));
    assert_eq!(records(&demo, 3, 1), expect);
    let seen = elsewhere.wait_ended(1, SOON).unwrap();
    assert_eq!(seen[0].invite.uri(), format!("sip:44700@{}", elsewhere.addr()));
    // Another number elsewhere, and ourselves, are not called.
    for contact in [format!("sip:44123@{}", elsewhere.addr()), format!("sip:44700@{}", demo.sip)] {
        assert_eq!(call(&contact).wait_end(SOON).unwrap(), EndedBy::Refused(480), "{contact}");
    }
    assert_eq!(elsewhere.seen().len(), 1);
    demo.rest.cdrs(5);
    assert_tidy(&demo);
    demo.stop();
}
