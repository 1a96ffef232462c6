//! Encrypted media with keys in descriptions (SDES): on both sides of a call, on one, refused, and
//! through a crash of the dataplane.

use std::time::Duration;

use serde_json::{Value, json};
use strowger_phone::flows::{ALICE, BOB};
use strowger_phone::{Config, EndedBy, Phone, Srtp};

use crate::assert_tidy;
use crate::demo::{Demo, Home, eventually};
use crate::rest::text;
use crate::rows::{IN_FORCE, make, refused, set};
use crate::talk::{SOON, Talk};
use crate::why::trace_of;

const EXPIRES_S: u32 = 300;

/// A registered phone that encrypts or does not.
fn desk(demo: &Demo, (user, password): (&str, &str), srtp: Srtp) -> Phone {
    let config = Config::new(user, password, demo.sip);
    let phone = Phone::new(Config { patience: SOON, srtp, ..config }).unwrap();
    phone.register(EXPIRES_S).unwrap();
    phone
}

/// Sets whether media is encrypted: of everybody, or of one subscriber; the path of the row.
pub(crate) fn encrypt(demo: &Demo, subscriber: Option<&str>, how: &str) -> String {
    let mut body = json!({"category": "media", "name": "srtp", "value": how});
    if let Some(subscriber) = subscriber {
        body["tenant"] = json!("1");
        body["subscriber"] = json!(subscriber);
    }
    let id = make(demo, "settings", &body);
    std::thread::sleep(IN_FORCE);
    format!("settings/{id}")
}

/// All that descriptions of a call said of transports and keys, as REST shows it.
pub(crate) fn shown(demo: &Demo, cdr: &Value) -> String {
    let path = format!("/api/v1/cdrs/{}/messages", text(cdr, "id"));
    let all = eventually("the messages of a call", || {
        let all = demo.rest.get(&path);
        (all["items"].as_array().is_some_and(|items| items.len() > 6)).then_some(all)
    });
    all["items"].as_array().unwrap().iter().map(|item| text(item, "text")).collect()
}

#[test]
fn both_sides_have_keys_of_their_own() {
    let home = Home::new();
    let demo = Demo::start(&home);
    for (nth, (caller, callee)) in [
        (Srtp::Only, Srtp::Beside),
        // Who knows no SRTP hears and is heard all the same.
        (Srtp::Only, Srtp::Off),
        (Srtp::Beside, Srtp::Off),
        (Srtp::Off, Srtp::Beside),
    ]
    .into_iter()
    .enumerate()
    {
        let (ada, bob) = (desk(&demo, ALICE, caller), desk(&demo, BOB, callee));
        let talk = Talk::new(&ada, "1002", &bob);
        talk.heard(25);
        talk.held_by_both();
        talk.heard(25);
        talk.end_after(Duration::from_millis(2_600));
        let cdrs = demo.rest.cdrs(nth + 1);
        let said = shown(&demo, &cdrs[nth]);
        let has_keys = caller != Srtp::Off;
        assert_eq!(said.contains("a=crypto:1 AES_CM_128_HMAC_SHA1_80 "), has_keys, "{said}");
        let keys = said.matches("inline:").count();
        assert_eq!(keys, said.matches("inline:xxxxxxxx").count(), "a key is shown: {said}");
        for side in ["caller", "called"] {
            let heard = cdrs[nth].pointer(&format!("/{side}_media/heard/reports"));
            let reports = heard.and_then(Value::as_u64).unwrap_or_default();
            assert!(reports > 0, "RTCP of an encrypted side is read: {:#}", cdrs[nth]);
        }
    }
    assert_tidy(&demo);
    demo.stop();
}

#[test]
fn a_subscriber_is_offered_keys_or_refused_without_as_is_set() {
    let home = Home::new();
    let demo = Demo::start(&home);
    let (ada, bob) = (desk(&demo, ALICE, Srtp::Off), desk(&demo, BOB, Srtp::Only));
    // Offered beside RTP, and alone.
    let row = encrypt(&demo, Some("2"), "offer");
    let talk = Talk::new(&ada, "1002", &bob);
    talk.heard(25);
    talk.end_after(Duration::from_millis(300));
    set(&demo, &row, &json!({"value": "require"}));
    let talk = Talk::new(&ada, "1002", &bob);
    talk.heard(25);
    talk.held_by_both();
    talk.heard(25);
    talk.end_after(Duration::from_millis(300));
    let cdrs = demo.rest.cdrs(2);
    let why = trace_of(&demo, &cdrs[1]).to_string();
    assert!(why.contains("SRTP is offered on 1 branches"), "{why}");
    assert!(why.contains("its keys go in the clear"), "{why}");
    // Who is required to encrypt and does not is refused.
    bob.unregister().unwrap();
    drop(bob);
    let bob = desk(&demo, BOB, Srtp::Off);
    assert_eq!(refused(&bob, "1001"), 488);
    assert_eq!(refused(&ada, "1002"), 488, "its phone refuses what it cannot");
    let cdrs = demo.rest.cdrs(4);
    let own = cdrs.iter().find(|cdr| text(cdr, "called.received") == "1001").unwrap();
    assert_eq!(own["outcome"]["q850"], json!(57), "not as is set: {own:#}");
    // Off: no keys are taken either.
    set(&demo, &row, &json!({"value": "off"}));
    bob.unregister().unwrap();
    drop(bob);
    let bob = desk(&demo, BOB, Srtp::Only);
    assert_eq!(refused(&bob, "1001"), 488);
    assert_tidy(&demo);
    demo.stop();
}

#[test]
fn keys_pass_end_to_end_where_both_sides_are_set_so() {
    let home = Home::new();
    let demo = Demo::start(&home);
    let row = encrypt(&demo, None, "end-to-end");
    let (ada, bob) = (desk(&demo, ALICE, Srtp::Only), desk(&demo, BOB, Srtp::Only));
    let talk = Talk::new(&ada, "1002", &bob);
    talk.heard(25);
    talk.end_after(Duration::from_millis(300));
    drop(ada);
    let ada = desk(&demo, ALICE, Srtp::Off);
    assert_eq!(refused(&ada, "1002"), 488);
    set(&demo, &row, &json!({"value": "pass"}));
    drop(bob);
    let bob = desk(&demo, BOB, Srtp::Off);
    let talk = Talk::new(&ada, "1002", &bob);
    talk.heard(25);
    talk.end_after(Duration::from_millis(300));
    assert_tidy(&demo);
    demo.stop();
}

#[test]
fn keys_and_counters_outlive_the_dataplane() {
    let home = Home::new();
    let demo = Demo::start(&home);
    let (ada, bob) = (desk(&demo, ALICE, Srtp::Only), desk(&demo, BOB, Srtp::Beside));
    let talk = Talk::new(&ada, "1002", &bob);
    talk.heard(25);
    for _ in 0..2 {
        let before = demo.planes();
        demo.signal("KILL", before.switchd);
        demo.await_replaced(before.switchd);
        talk.heard_again(50, SOON);
    }
    assert_eq!(talk.out.bye().unwrap(), EndedBy::LocalBye);
    assert_eq!(talk.inc.wait_end(SOON).unwrap(), EndedBy::RemoteBye);
    demo.rest.cdrs(1);
    demo.stop();
}
