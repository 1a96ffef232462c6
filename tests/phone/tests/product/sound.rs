//! How calls sounded, by their records: loss, jitter, round trip and score of each direction, and
//! audio that one side never heard.

use std::time::Duration;

use serde_json::Value;
use strowger_phone::flows::{ALICE, BOB};
use strowger_phone::forwarder::Impairment;
use strowger_phone::{Config, EndedBy, Pattern, Phone};

use crate::assert_tidy;
use crate::demo::{Demo, Home};
use crate::talk::{SOON, desk};

/// Long enough for a record to say what a call was like to hear.
const TALK: Duration = Duration::from_millis(5_400);
const EXPIRES_S: u32 = 300;

/// Ada calls Bob and they talk, as far as they do; the record.
fn call(demo: &Demo, (ada, bob): (&Phone, &Phone), speak: (bool, bool), nth: usize) -> Value {
    let out = ada.invite("1002").unwrap();
    let inc = bob.wait_call(SOON).unwrap();
    inc.answer().unwrap();
    out.wait_answer(SOON).unwrap();
    if speak.0 {
        out.start_sending(u64::MAX, Pattern::Marked).unwrap();
    }
    if speak.1 {
        inc.start_sending(u64::MAX, Pattern::Marked).unwrap();
    }
    std::thread::sleep(TALK);
    assert_eq!(out.bye().unwrap(), EndedBy::LocalBye);
    assert_eq!(inc.wait_end(SOON).unwrap(), EndedBy::RemoteBye);
    demo.rest.cdrs(nth)[nth - 1].clone()
}

fn number(cdr: &Value, path: &str) -> u64 {
    let value = cdr.pointer(path).and_then(Value::as_u64);
    value.unwrap_or_else(|| panic!("no {path} in {cdr:#}"))
}

#[test]
fn each_direction_has_its_score_in_the_record() {
    let home = Home::new();
    let demo = Demo::start(&home);
    let ada = desk(&demo, ALICE);
    let rough = Impairment { loss_per_mille: 250, ..Impairment::NONE };
    let bob = Config { media_impairment: Some(rough), ..Config::new(BOB.0, BOB.1, demo.sip) };
    let bob = Phone::new(Config { patience: SOON, ..bob }).unwrap();
    bob.register(EXPIRES_S).unwrap();
    let cdr = call(&demo, (&ada, &bob), (true, true), 1);
    // Ada's voice reaches us whole, Bob's does not.
    assert_eq!(number(&cdr, "/caller_media/lost"), 0);
    assert!(number(&cdr, "/caller_media/mos_hundredths") >= 420, "{cdr:#}");
    assert!(number(&cdr, "/called_media/lost") >= 20, "{cdr:#}");
    assert!(number(&cdr, "/called_media/mos_hundredths") < 310, "{cdr:#}");
    assert_eq!(cdr["audio"], "bad");
    // Both report each second what they hear, and to whose report they answer.
    for side in ["caller", "called"] {
        assert!(number(&cdr, &format!("/{side}_media/heard/reports")) >= 3, "{cdr:#}");
        let round_trip_us = number(&cdr, &format!("/{side}_media/heard/round_trip_us"));
        assert!((1..1_000_000).contains(&round_trip_us), "{cdr:#}");
    }
    // What Bob's network lost on the way to us, Ada misses.
    let missed = number(&cdr, "/caller_media/heard/lost");
    assert!(missed >= 10, "{cdr:#}");
    assert!(number(&cdr, "/caller_media/heard/mos_hundredths") < 360, "{cdr:#}");
    assert_tidy(&demo);
    demo.stop();
}

#[test]
fn a_side_that_nobody_heard_is_named_in_the_record() {
    let home = Home::new();
    let demo = Demo::start(&home);
    let both = (&desk(&demo, ALICE), &desk(&demo, BOB));
    for (nth, speak, said) in [
        (1, (true, true), "good"),
        (2, (true, false), "caller-only"),
        (3, (false, true), "called-only"),
        (4, (false, false), "none"),
    ] {
        let cdr = call(&demo, both, speak, nth);
        assert_eq!(cdr["audio"], said, "{cdr:#}");
    }
    assert_tidy(&demo);
    demo.stop();
}
