//! A setting that is changed by REST, or by the command line, is in force for the next call.

use std::time::{Duration, Instant};

use serde_json::json;
use strowger_phone::flows::{ALICE, BOB};
use strowger_phone::{EndedBy, Phone};

use crate::demo::{Demo, Home};
use crate::rest::text;
use crate::talk::{SOON, Talk, desk};
use crate::{assert_tidy, tell};

/// In which a change must be in force.
const IN_FORCE: Duration = Duration::from_secs(1);
const TALK: Duration = Duration::from_millis(300);

/// How a call from `caller` to Bob, who does not answer, ends, and after how long.
fn unanswered(caller: &Phone, bob: &Phone) -> (EndedBy, Duration) {
    let out = caller.invite("1002").unwrap();
    let call = bob.wait_call(SOON).unwrap();
    call.ring().unwrap();
    let began = Instant::now();
    let end = out.wait_end(4 * SOON).unwrap();
    (end, began.elapsed())
}

#[test]
fn a_setting_changed_by_rest_counts_for_the_next_call() {
    let home = Home::new();
    let demo = Demo::start(&home);
    let (ada, bob) = (desk(&demo, ALICE), desk(&demo, BOB));
    Talk::new(&ada, "1002", &bob).end_after(TALK);

    // Bob rings for two seconds instead of a minute.
    let body = json!({"tenant": "1", "category": "call", "name": "ring_ms", "value": "2000"});
    let (status, made) = demo.rest.post("/api/v1/settings", "ring", &body.to_string());
    assert_eq!(status, 201, "{made}");
    std::thread::sleep(IN_FORCE);
    let (end, took) = unanswered(&ada, &bob);
    assert!(matches!(end, EndedBy::Refused(_)), "{end:?}");
    assert!((1..6).contains(&took.as_secs()), "{took:?}");

    // He has his minute again, and talk is cut after a second.
    let target = format!("/api/v1/settings/{}", text(&made, "id"));
    let body = json!({"tenant": "1", "category": "call", "name": "talk_ms_max", "value": "1000"});
    let (status, cut) = demo.rest.post("/api/v1/settings", "cut", &body.to_string());
    assert_eq!(status, 201, "{cut}");
    assert_eq!(demo.rest.delete(&target), 204);
    std::thread::sleep(IN_FORCE);
    let out = ada.invite("1002").unwrap();
    let call = bob.wait_call(SOON).unwrap();
    call.answer().unwrap();
    out.wait_answer(SOON).unwrap();
    let began = Instant::now();
    let end = out.wait_end(SOON).unwrap();
    let talked = began.elapsed();
    assert_eq!(end, EndedBy::RemoteBye, "after a second of talk");
    assert!(talked < Duration::from_secs(3), "{talked:?}");
    tell(&format!("gave up ringing after {took:?}, talk was cut after {talked:?}"));

    // And as before.
    assert_eq!(demo.rest.delete(&format!("/api/v1/settings/{}", text(&cut, "id"))), 204);
    std::thread::sleep(IN_FORCE);
    Talk::new(&ada, "1002", &bob).end_after(TALK);
    assert_tidy(&demo);
    demo.stop();
}
