//! Encrypted media with keys by DTLS, as browsers have it: with ICE, on one side of a call or both,
//! whoever begins, refused, and through a crash of the dataplane. That a browser itself talks so is
//! `tests/browser/run.sh`.

use std::time::Duration;

use serde_json::{Value, json};
use strowger_phone::flows::{ALICE, BOB};
use strowger_phone::{Config, EndedBy, Phone, Srtp};

use crate::assert_tidy;
use crate::demo::{Demo, Home};
use crate::rows::{refused, set};
use crate::secure::{encrypt, shown};
use crate::talk::{SOON, Talk};
use crate::why::trace_of;

const EXPIRES_S: u32 = 300;

/// A registered phone that speaks as a browser does, or by other keys, or in the clear.
fn desk(demo: &Demo, (user, password): (&str, &str), srtp: Srtp) -> Phone {
    let config = Config::new(user, password, demo.sip);
    let phone = Phone::new(Config { patience: SOON, srtp, ..config }).unwrap();
    phone.register(EXPIRES_S).unwrap();
    phone
}

#[test]
fn a_caller_by_dtls_talks_with_whoever_speaks_otherwise() {
    let home = Home::new();
    let demo = Demo::start(&home);
    for (nth, (caller, callee)) in [
        (Srtp::Dtls, Srtp::Off),
        // We begin the handshake.
        (Srtp::DtlsPassive, Srtp::Off),
        (Srtp::Dtls, Srtp::Only),
    ]
    .into_iter()
    .enumerate()
    {
        let (ada, bob) = (desk(&demo, ALICE, caller), desk(&demo, BOB, callee));
        let row = (callee == Srtp::Only).then(|| encrypt(&demo, Some("2"), "require"));
        let talk = Talk::shaken(&ada, "1002", &bob);
        talk.heard(50);
        talk.held_by_both();
        talk.heard(25);
        talk.end_after(Duration::from_millis(3_600));
        let cdrs = demo.rest.cdrs(nth + 1);
        let said = shown(&demo, &cdrs[nth]);
        assert!(said.contains("UDP/TLS/RTP/SAVPF") && said.contains("a=ice-lite"), "{said}");
        assert!(said.contains("RTP/AVP 0") || callee == Srtp::Only, "{said}");
        let pwds = said.matches("a=ice-pwd:").count();
        assert_eq!(pwds, said.matches("a=ice-pwd:xxxxxxxx").count(), "one is shown: {said}");
        for side in ["caller", "called"] {
            let heard = cdrs[nth].pointer(&format!("/{side}_media/heard/reports"));
            let reports = heard.and_then(Value::as_u64).unwrap_or_default();
            assert!(reports > 0, "RTCP of both is read: {:#}", cdrs[nth]);
        }
        if let Some(row) = row {
            set(&demo, &row, &json!({"value": "accept"}));
        }
    }
    demo.rest.fresh_counters();
    assert_eq!(demo.rest.shard("dtls_connected"), 3, "each handshake is counted");
    let others = ["dtls_now", "dtls_failed", "dtls_impostors"].map(|name| demo.rest.shard(name));
    assert_eq!(others, [0; 3]);
    assert_tidy(&demo);
    demo.stop();
}

/// Whoever has another certificate than its description says may be anybody on the way.
#[test]
fn a_party_with_another_certificate_than_it_names_is_cut_off() {
    let home = Home::new();
    let demo = Demo::start(&home);
    let bob = desk(&demo, BOB, Srtp::Off);
    let ada = desk(&demo, ALICE, Srtp::DtlsImpostor);
    let out = ada.invite("1002").unwrap();
    let inc = bob.wait_call(SOON).unwrap();
    inc.answer().unwrap();
    assert_eq!(inc.wait_end(SOON).unwrap(), EndedBy::RemoteBye);
    assert_eq!(out.wait_end(SOON).unwrap(), EndedBy::RemoteBye);
    assert_eq!(inc.media_report().received, 0, "nothing of it was passed on");
    let cdr = demo.rest.cdrs(1)[0].clone();
    assert_eq!(cdr["outcome"]["reason"], json!("impostor"), "{cdr:#}");
    assert_eq!(cdr["outcome"]["q850"], json!(57), "{cdr:#}");
    demo.rest.fresh_counters();
    assert_eq!(demo.rest.shard("dtls_impostors"), 1);
    assert_eq!(demo.rest.shard("dtls_connected"), 0);
    assert_tidy(&demo);
    demo.stop();
}

#[test]
fn a_subscriber_is_offered_dtls_as_is_set() {
    let home = Home::new();
    let demo = Demo::start(&home);
    let row = encrypt(&demo, Some("2"), "dtls");
    let ada = desk(&demo, ALICE, Srtp::Off);
    for callee in [Srtp::Dtls, Srtp::DtlsPassive] {
        let bob = desk(&demo, BOB, callee);
        let talk = Talk::shaken(&ada, "1002", &bob);
        talk.heard(50);
        talk.held_by_both();
        talk.heard(25);
        talk.end_after(Duration::from_millis(300));
        bob.unregister().unwrap();
    }
    let cdrs = demo.rest.cdrs(2);
    let why = trace_of(&demo, &cdrs[1]).to_string();
    assert!(why.contains("SRTP with keys by DTLS is offered on 1 branches"), "{why}");
    // Two of the kind: each has keys of its own with us.
    ada.unregister().unwrap();
    let (ada, bob) = (desk(&demo, ALICE, Srtp::Dtls), desk(&demo, BOB, Srtp::Dtls));
    let talk = Talk::shaken(&ada, "1002", &bob);
    talk.heard(50);
    talk.end_after(Duration::from_millis(300));
    // Who is to speak so and does not is refused, and refuses.
    ada.unregister().unwrap();
    bob.unregister().unwrap();
    let (ada, bob) = (desk(&demo, ALICE, Srtp::Off), desk(&demo, BOB, Srtp::Off));
    assert_eq!(refused(&bob, "1001"), 488);
    assert_eq!(refused(&ada, "1002"), 488);
    // Off: what it offers is not taken.
    set(&demo, &row, &json!({"value": "off"}));
    bob.unregister().unwrap();
    let bob = desk(&demo, BOB, Srtp::Dtls);
    assert_eq!(refused(&bob, "1001"), 488);
    assert_tidy(&demo);
    demo.stop();
}

#[test]
fn keys_by_dtls_outlive_the_dataplane() {
    let home = Home::new();
    let demo = Demo::start(&home);
    let (ada, bob) = (desk(&demo, ALICE, Srtp::Dtls), desk(&demo, BOB, Srtp::Off));
    let talk = Talk::shaken(&ada, "1002", &bob);
    talk.heard(25);
    for _ in 0..2 {
        let before = demo.planes();
        demo.signal("KILL", before.switchd);
        demo.await_replaced(before.switchd);
        talk.heard_again(50, SOON);
    }
    talk.held_by_both();
    talk.heard_again(25, SOON);
    assert_eq!(talk.out.bye().unwrap(), EndedBy::LocalBye);
    assert_eq!(talk.inc.wait_end(SOON).unwrap(), EndedBy::RemoteBye);
    // The certificate is the one of before: a new call shakes hands with it.
    let talk = Talk::shaken(&ada, "1002", &bob);
    talk.heard(25);
    talk.end_after(Duration::from_millis(300));
    demo.rest.cdrs(2);
    demo.stop();
}
