//! Pick-up by INVITE with Replaces (RFC 3891), as phones with a list of busy lamps do it.

use serde_json::json;
use strowger_phone::call::Call;
use strowger_phone::{EndedBy, OutgoingCall, Pattern, Phone, flows};

use crate::demo::{Demo, Home, eventually};
use crate::rest::text;
use crate::rows::{IN_FORCE, make, new_cleo};
use crate::talk::{SOON, Talk, desk};
use crate::transfer::hear_each_other;

/// Whoever is of the tenant may: the demo's subscribers have an account each.
fn allow(demo: &Demo) {
    let tenant = json!({"tenant": "1", "category": "call", "name": "pickup", "value": "tenant"});
    make(demo, "settings", &tenant);
    std::thread::sleep(IN_FORCE);
}

/// `by` wants the place that `leg` has.
fn take(by: &Phone, leg: &Call, offer: bool) -> OutgoingCall {
    take_if(by, leg, offer, "")
}

fn take_if(by: &Phone, leg: &Call, offer: bool, only: &str) -> OutgoingCall {
    let (ours, its) = (leg.remote_tag().unwrap(), leg.own_tag());
    let dialog = format!("{};to-tag={ours};from-tag={its}{only}", leg.sip_call_id());
    by.invite_with("1001", &[("Replaces", &dialog)], offer).unwrap()
}

fn refused(call: &OutgoingCall) -> Option<u16> {
    call.wait_answer(SOON).unwrap_err().code()
}

#[test]
fn a_call_that_runs_is_taken_over_from_either_side() {
    let home = Home::new();
    let demo = Demo::start(&home);
    let (ada, bob) = (desk(&demo, flows::ALICE), desk(&demo, flows::BOB));
    let (_, cleo) = new_cleo(&demo);
    allow(&demo);
    let talk = Talk::new(&ada, "1002", &bob);
    let third = take(&cleo, &talk.inc, true);
    third.wait_answer(SOON).unwrap();
    assert_eq!(talk.inc.wait_end(SOON).unwrap(), EndedBy::RemoteBye);
    third.start_sending(u64::MAX, Pattern::Marked).unwrap();
    hear_each_other(&talk.out, &third);
    third.hold().unwrap();
    talk.out.wait_held(SOON).unwrap();
    third.resume().unwrap();
    // Now the caller's place, without an offer.
    let fourth = take(&bob, &talk.out, false);
    fourth.wait_answer(SOON).unwrap();
    assert_eq!(talk.out.wait_end(SOON).unwrap(), EndedBy::RemoteBye);
    fourth.start_sending(u64::MAX, Pattern::Marked).unwrap();
    hear_each_other(&third, &fourth);
    assert_eq!(fourth.bye().unwrap(), EndedBy::LocalBye);
    assert_eq!(third.wait_end(SOON).unwrap(), EndedBy::RemoteBye);
    // One paid call, to its end; who took a place has a record that costs nothing.
    let cdrs = demo.rest.cdrs(3);
    let mut calls: Vec<(&str, &str)> =
        cdrs.iter().map(|cdr| (text(cdr, "caller.number"), text(cdr, "called.received"))).collect();
    calls.sort_unstable();
    assert_eq!(calls, [("1001", "1002"), ("1002", "1001"), ("1003", "1001")]);
    let talk_ms = |by: &str, to: &str| {
        let is = |cdr: &&serde_json::Value| {
            (text(cdr, "caller.number"), text(cdr, "called.received")) == (by, to)
        };
        cdrs.iter().find(is).unwrap()["talk_ms"].as_u64().unwrap()
    };
    assert!(talk_ms("1001", "1002") > talk_ms("1003", "1001"), "{cdrs:#?}");
    assert!(talk_ms("1003", "1001") > talk_ms("1002", "1001"), "{cdrs:#?}");
    assert_eq!(demo.rest.shard("sip_misuse"), 0);
    demo.stop();
}

#[test]
fn a_phone_that_rings_is_picked_up() {
    let home = Home::new();
    let demo = Demo::start(&home);
    let (ada, bob) = (desk(&demo, flows::ALICE), desk(&demo, flows::BOB));
    let (_, cleo) = new_cleo(&demo);
    allow(&demo);
    let out = ada.invite("1002").unwrap();
    let rings = bob.wait_call(SOON).unwrap();
    rings.ring().unwrap();
    out.wait_ringing(SOON).unwrap();
    let third = take_if(&cleo, &rings, true, ";early-only");
    third.wait_answer(SOON).unwrap();
    out.wait_answer(SOON).unwrap();
    assert_eq!(rings.wait_end(SOON).unwrap(), EndedBy::RemoteCancel);
    out.start_sending(u64::MAX, Pattern::Marked).unwrap();
    third.start_sending(u64::MAX, Pattern::Marked).unwrap();
    hear_each_other(&out, &third);
    // It talks now: who meant a ringing one hears that it is busy.
    let late = take_if(&bob, &third, true, ";early-only");
    assert_eq!(refused(&late), Some(486));
    assert_eq!(out.bye().unwrap(), EndedBy::LocalBye);
    assert_eq!(third.wait_end(SOON).unwrap(), EndedBy::RemoteBye);
    let cdrs = demo.rest.cdrs(2);
    assert!(cdrs.iter().all(|cdr| cdr["talk_ms"].as_u64().unwrap() > 0), "{cdrs:#?}");
    assert_eq!(demo.rest.shard("sip_misuse"), 0);
    demo.stop();
}

/// Nobody else's place, none that is not there, and none at all where it is so set.
#[test]
fn who_may_not_changes_nothing() {
    let home = Home::new();
    let demo = Demo::start(&home);
    let (ada, bob) = (desk(&demo, flows::ALICE), desk(&demo, flows::BOB));
    let (_, cleo) = new_cleo(&demo);
    let talk = Talk::new(&ada, "1002", &bob);
    let nowhere = "nobody@h;to-tag=a;from-tag=b";
    let stray = cleo.invite_with("1001", &[("Replaces", nowhere)], true).unwrap();
    assert_eq!(refused(&stray), Some(481));
    let never = json!({"tenant": "1", "category": "call", "name": "pickup", "value": "never"});
    make(&demo, "settings", &never);
    std::thread::sleep(IN_FORCE);
    let denied = take(&cleo, &talk.inc, true);
    assert_eq!(refused(&denied), Some(403));
    talk.heard(25);
    talk.held_by_both();
    assert_eq!(talk.out.bye().unwrap(), EndedBy::LocalBye);
    let over = || talk.inc.ended().is_some().then_some(());
    eventually("the other side hears of it", over);
    demo.stop();
}
