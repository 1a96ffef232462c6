//! What dies, and what must not die with it.

use std::fs::OpenOptions;
use std::os::unix::fs::FileExt;
use std::path::Path;
use std::time::Duration;

use strowger_phone::EndedBy;
use strowger_phone::carrier::Carrier;
use strowger_phone::flows::{ALICE, BOB};

use crate::assert_tidy;
use crate::demo::{CARRIER, Demo, Home, carrier_turn, eventually};
use crate::rest::{money, text};
use crate::rows::{lead_to, new_peer};
use crate::talk::{SOON, Talk, desk};

#[test]
fn sigterm_ends_calls_in_order_and_keeps_their_records() {
    let home = Home::new();
    let demo = Demo::start(&home);
    let (ada, bob) = (desk(&demo, ALICE), desk(&demo, BOB));
    let talk = Talk::new(&ada, "1002", &bob);
    let ringing = ada.invite("1002").unwrap();
    let rung = bob.wait_call(SOON).unwrap();
    rung.ring().unwrap();
    ringing.wait_ringing(SOON).unwrap();
    demo.begin_to_stop();
    assert_eq!(talk.out.wait_end(SOON).unwrap(), EndedBy::RemoteBye);
    assert_eq!(talk.inc.wait_end(SOON).unwrap(), EndedBy::RemoteBye);
    let refused = ringing.wait_end(SOON).unwrap();
    assert!(matches!(refused, EndedBy::Refused(480 | 503)), "{refused:?}");
    assert_eq!(rung.wait_end(SOON).unwrap(), EndedBy::RemoteCancel);
    demo.stop();
    let demo = Demo::start(&home);
    let cdrs = demo.rest.cdrs(2);
    let answered: Vec<bool> = cdrs.iter().map(|cdr| cdr["answered"].is_string()).collect();
    assert_eq!(answered.iter().filter(|is| **is).count(), 1, "{cdrs:#?}");
    for cdr in &cdrs {
        assert_eq!(text(cdr, "outcome.party"), "switch", "{cdr:#}");
    }
    demo.stop();
}

#[test]
fn a_call_outlives_the_control_plane() {
    let _turn = carrier_turn();
    let home = Home::new();
    let demo = Demo::start(&home);
    let carrier = Carrier::new(CARRIER, demo.sip).unwrap();
    let (ada, bob) = (desk(&demo, ALICE), desk(&demo, BOB));
    let credit = demo.rest.balance(1);
    let talk = Talk::new(&ada, "1002", &bob);
    let abroad = ada.invite("44123").unwrap();
    abroad.wait_answer(SOON).unwrap();
    let before = demo.planes();
    demo.signal("KILL", before.controld);
    // Audio while there is no control plane, or a young one.
    talk.heard(25);
    demo.await_replaced(before.controld);
    assert_eq!(demo.planes().switchd, before.switchd, "{}", demo.log());
    talk.heard(25);
    assert_eq!(abroad.bye().unwrap(), EndedBy::LocalBye);
    let (least, most) = talk.end_after(Duration::from_millis(1_500));
    let cdrs = demo.rest.cdrs(2);
    let cdr = |number: &str| {
        let mut of = cdrs.iter().filter(|cdr| text(cdr, "called.received") == number);
        of.next().unwrap_or_else(|| panic!("no record of {number}: {cdrs:#?}"))
    };
    let talk_ms = cdr("1002")["talk_ms"].as_u64().unwrap();
    assert!((least..=most).contains(&talk_ms), "{talk_ms} ms, not {least} to {most}");
    let paid = money(&cdr("44123")["customer"]["gross"]);
    assert!(paid > 0);
    eventually("the balance falls", || (demo.rest.balance(1) < credit).then_some(()));
    assert_eq!(demo.rest.balance(1), credit - paid);
    // Not once more by a later look at the journal.
    drop(carrier);
    demo.stop();
    let demo = Demo::start(&home);
    assert_eq!(demo.rest.cdrs(2), cdrs);
    assert_eq!(demo.rest.balance(1), credit - paid);
    demo.stop();
}

#[test]
fn registrations_outlive_the_control_plane() {
    let home = Home::new();
    let demo = Demo::start(&home);
    let (ada, bob) = (desk(&demo, ALICE), desk(&demo, BOB));
    // They are written behind the answer.
    std::thread::sleep(Duration::from_millis(500));
    demo.replace(demo.planes().controld);
    assert_eq!(demo.rest.list("/api/v1/registrations").len(), 2);
    Talk::new(&ada, "1002", &bob).end_after(Duration::from_millis(300));
    assert_eq!(demo.rest.cdrs(1).len(), 1);
    demo.stop();
}

#[test]
fn a_call_outlives_the_dataplane() {
    let _turn = carrier_turn();
    let home = Home::new();
    let demo = Demo::start(&home);
    let carrier = Carrier::new(CARRIER, demo.sip).unwrap();
    let (ada, bob) = (desk(&demo, ALICE), desk(&demo, BOB));
    let credit = demo.rest.balance(1);
    let talk = Talk::new(&ada, "1002", &bob);
    let back = Talk::new(&bob, "1001", &ada);
    let abroad = ada.invite("44123").unwrap();
    abroad.wait_answer(SOON).unwrap();
    let before = demo.planes();
    for _ in 0..2 {
        let killed = demo.planes().switchd;
        demo.signal("KILL", killed);
        demo.await_replaced(killed);
        talk.heard_again(25, Duration::from_secs(2));
        back.heard_again(25, Duration::from_secs(2));
        talk.held_by_both();
        talk.heard_again(5, SOON);
    }
    assert_eq!(demo.planes().controld, before.controld, "{}", demo.log());
    assert_eq!(demo.rest.list("/api/v1/calls").len(), 3);
    // BYE in both directions, and one to a carrier.
    let (least, most) = talk.end_after(Duration::from_millis(1_500));
    assert_eq!(back.inc.bye().unwrap(), EndedBy::LocalBye);
    assert_eq!(back.out.wait_end(SOON).unwrap(), EndedBy::RemoteBye);
    assert_eq!(abroad.bye().unwrap(), EndedBy::LocalBye);
    let cdrs = demo.rest.cdrs(3);
    for cdr in &cdrs {
        assert_eq!(text(cdr, "outcome.reason"), "normal", "{cdr:#}");
    }
    let cdr = |number: &str| {
        let mut of = cdrs.iter().filter(|cdr| text(cdr, "called.received") == number);
        of.next().unwrap_or_else(|| panic!("no record of {number}: {cdrs:#?}"))
    };
    let talk_ms = cdr("1002")["talk_ms"].as_u64().unwrap();
    assert!((least..=most).contains(&talk_ms), "{talk_ms} ms, not {least} to {most}");
    let paid = money(&cdr("44123")["customer"]["gross"]);
    assert!(paid > 0);
    eventually("the balance falls", || (demo.rest.balance(1) < credit).then_some(()));
    assert_eq!(demo.rest.balance(1), credit - paid);
    eventually("nothing is held", || {
        let account = demo.rest.get("/api/v1/accounts/1");
        (money(&account["held"]) == 0 && account["calls"] == 0).then_some(())
    });
    // Nobody registers anew: the contacts are the control plane's.
    Talk::new(&ada, "1002", &bob).end_after(Duration::from_millis(300));
    drop(carrier);
    assert_tidy(&demo);
    demo.stop();
}

#[test]
fn calls_in_setup_end_with_the_dataplane() {
    let home = Home::new();
    let demo = Demo::start(&home);
    let (ada, bob) = (desk(&demo, ALICE), desk(&demo, BOB));
    let ringing = ada.invite("1002").unwrap();
    let rung = bob.wait_call(SOON).unwrap();
    rung.ring().unwrap();
    ringing.wait_ringing(SOON).unwrap();
    let before = demo.planes();
    demo.replace(before.switchd);
    assert_eq!(ringing.wait_end(SOON).unwrap(), EndedBy::Refused(503));
    assert_eq!(rung.wait_end(SOON).unwrap(), EndedBy::RemoteCancel);
    let cdrs = demo.rest.cdrs(1);
    assert!(cdrs[0]["answered"].is_null(), "{cdrs:#?}");
    assert_eq!(text(&cdrs[0], "outcome.reason"), "process-lost", "{cdrs:#?}");
    eventually("nothing is held and nobody is shown", || {
        let account = demo.rest.get("/api/v1/accounts/1");
        let free = money(&account["held"]) == 0 && account["calls"] == 0;
        (free && demo.rest.list("/api/v1/calls").is_empty()).then_some(())
    });
    Talk::new(&bob, "1001", &ada).end_after(Duration::from_millis(300));
    assert_tidy(&demo);
    demo.stop();
}

/// Where the slots of the call table begin, how long one is, and the state of an answered call in
/// it (`dataplane/link/src/table/layout.rs`).
const SLOTS_AT: u64 = 4_096;
const SLOT_BYTES: u64 = 1_024;
const ANSWERED: u8 = 3;

/// Writes into the slots of the first two answered calls what crashes in their thawing leave there:
/// of the first `crashes[0]`, of the second `crashes[1]`. The ids of their records.
fn note_crashes(table: &Path, crashes: [u8; 2]) -> Vec<i64> {
    let file = OpenOptions::new().read(true).write(true).open(table).unwrap();
    let mut crashes = crashes.into_iter();
    let mut records = Vec::new();
    for slot in 0..16 {
        let at = SLOTS_AT + slot * SLOT_BYTES;
        // The control word: version, generation, state, crashes; then when, and the record.
        let mut words = [0; 24];
        file.read_exact_at(&mut words, at).unwrap();
        if words[1] != ANSWERED {
            continue;
        }
        let Some(count) = crashes.next() else { break };
        assert_eq!(words[0], 0, "it was taken up without a crash");
        file.write_all_at(&[count], at).unwrap();
        records.push(i64::from_le_bytes(words[16..].try_into().unwrap()));
    }
    records
}

/// The demo's trunk wants no reasons, a phone is told them, and a new life of the dataplane knows.
#[test]
fn who_wants_no_reasons_is_told_none_by_the_next_life() {
    let home = Home::new();
    let demo = Demo::start(&home);
    let peer = new_peer(&demo);
    lead_to(&demo, peer.addr());
    let (ada, bob) = (desk(&demo, ALICE), desk(&demo, BOB));
    let (abroad, inside) = (Talk::new(&ada, "44123", &peer), Talk::new(&ada, "1002", &bob));
    let rings = ada.invite("44124").unwrap();
    let rung = peer.wait_call(SOON).unwrap();
    rung.ring().unwrap();
    rings.wait_ringing(SOON).unwrap();
    demo.replace(demo.planes().switchd);
    assert_eq!(rings.wait_end(SOON).unwrap(), EndedBy::Refused(503));
    assert_eq!(rung.wait_end(SOON).unwrap(), EndedBy::RemoteCancel);
    for (talk, expect) in [(&abroad, false), (&inside, true)] {
        assert_eq!(talk.out.bye().unwrap(), EndedBy::LocalBye);
        assert_eq!(talk.inc.wait_end(SOON).unwrap(), EndedBy::RemoteBye);
        let bye = talk.inc.requests().pop().unwrap();
        let reason = bye.lines("Reason").join(", ");
        assert_eq!(reason.contains("Q.850;cause=16"), expect, "{reason:?}");
    }
    demo.rest.cdrs(3);
    assert_tidy(&demo);
    demo.stop();
}

#[test]
fn a_call_in_whose_thawing_two_lives_died_is_left_alone_and_the_others_go_on() {
    let home = Home::new();
    let demo = Demo::start(&home);
    let (ada, bob) = (desk(&demo, ALICE), desk(&demo, BOB));
    let bad = Talk::new(&ada, "1002", &bob);
    let others = [Talk::new(&ada, "1002", &bob), Talk::new(&bob, "1001", &ada)];
    let (least, killed) = (bad.lasted_at_least(), demo.planes().switchd);
    demo.signal("STOP", demo.supervisor());
    demo.signal("KILL", killed);
    let records = note_crashes(&demo.file("run/calls-0.table"), [2, 1]);
    let most = bad.lasted_at_most();
    demo.signal("CONT", demo.supervisor());
    demo.await_replaced(killed);
    for talk in &others {
        talk.heard_again(25, Duration::from_secs(5));
        talk.held_by_both();
    }
    // Nothing is sent in its name; its record is closed at the last sign of the life before.
    assert_eq!((bad.out.ended(), bad.inc.ended()), (None, None));
    let cdr = &demo.rest.cdrs(1)[0];
    assert_eq!(text(cdr, "id"), records[0].to_string());
    assert_eq!(text(cdr, "outcome.reason"), "process-lost", "{cdr:#}");
    let talk_ms = cdr["talk_ms"].as_u64().unwrap();
    assert!((least.saturating_sub(200)..=most).contains(&talk_ms), "{talk_ms}, {least} to {most}");
    assert!(demo.log().contains("1 in quarantine"), "{}", demo.log());
    // Who hangs up is told that there is no such call, and has ended it with that.
    bad.out.bye().unwrap();
    // One crash more is not one too many for who was taken up since.
    let again = demo.planes().switchd;
    demo.replace(again);
    for talk in &others {
        talk.heard_again(25, Duration::from_secs(5));
        talk.end_after(Duration::ZERO);
    }
    let cdrs = demo.rest.cdrs(3);
    let ids: Vec<&str> = cdrs.iter().map(|cdr| text(cdr, "id")).collect();
    assert!(ids.contains(&records[1].to_string().as_str()), "{ids:?} {records:?}");
    assert_tidy(&demo);
    demo.stop();
}
