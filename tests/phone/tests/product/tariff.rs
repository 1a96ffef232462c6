//! Prices that change while calls run.

use std::time::{Duration, Instant};

use serde_json::json;
use strowger_phone::EndedBy;
use strowger_phone::carrier::Carrier;
use strowger_phone::flows::ALICE;

use crate::demo::{CARRIER, Demo, Home, carrier_turn};
use crate::rest::text;
use crate::talk::{SOON, desk};
use crate::{assert_tidy, tell};

/// The demo's price list for its subscribers, which has one revision.
const RETAIL: &str = "/api/v1/tariffs/1";
/// A change is in force within this time.
const IN_FORCE: Duration = Duration::from_secs(1);

/// Publishes a revision in which 44 costs `amount` a minute.
fn publish(demo: &Demo, number: u32, amount: &str) {
    let send = |path: &str, body: &str, status: u16| {
        let (is, said) = demo.rest.post(&format!("{RETAIL}/{path}"), "", body);
        assert_eq!(is, status, "{path}: {said}");
    };
    send("revisions", "{}", 201);
    let rows = json!([{"prefix": "44", "price": {"amount": amount}}]).to_string();
    send(&format!("revisions/{number}/rates"), &rows, 201);
    send(&format!("revisions/{number}/publish"), "{}", 200);
}

#[test]
fn a_price_that_changes_prices_the_next_call_and_never_the_running_one() {
    let _turn = carrier_turn();
    let home = Home::new();
    let demo = Demo::start(&home);
    let carrier = Carrier::new(CARRIER, demo.sip).unwrap();
    let ada = desk(&demo, ALICE);
    let running = ada.invite("44123").unwrap();
    running.wait_answer(SOON).unwrap();
    publish(&demo, 2, "0.12");
    std::thread::sleep(IN_FORCE);
    assert_eq!(running.bye().unwrap(), EndedBy::LocalBye);
    let next = ada.invite("44123").unwrap();
    next.wait_answer(SOON).unwrap();
    assert_eq!(next.bye().unwrap(), EndedBy::LocalBye);
    let cdrs = demo.rest.cdrs(2);
    let prices: Vec<&str> = cdrs.iter().map(|c| text(c, "customer.unit_price.amount")).collect();
    assert_eq!(prices, ["0.060000000", "0.120000000"]);
    assert_tidy(&demo);
    drop(carrier);
    demo.stop();
}

#[test]
fn a_subscriber_is_changed_within_a_second_beside_200_000_prices() {
    let home = Home::new();
    let demo = Demo::start(&home);
    let ada = desk(&demo, ALICE);
    let send = |path: &str, body: &str, status: u16| {
        let (is, said) = demo.rest.post(&format!("{RETAIL}/{path}"), "", body);
        assert_eq!(is, status, "{path}: {said}");
    };
    send("revisions", "{}", 201);
    for half in 0..2u32 {
        let row = |n: u32| json!({"prefix": n.to_string(), "price": {"amount": "0.01"}});
        let first = 1_000_000 + half * 100_000;
        let rows: Vec<_> = (first..first + 100_000).map(row).collect();
        let (is, said) = demo.rest.post(
            &format!("{RETAIL}/revisions/2/rates"),
            "",
            &serde_json::Value::Array(rows).to_string(),
        );
        assert_eq!((is, &said["count"]), (201, &json!(100_000)), "{said}");
    }
    send("revisions/2/publish", "{}", 200);
    std::thread::sleep(4 * IN_FORCE);
    // Who is switched off cannot register any more, and can again when he is switched on.
    let mut slowest = Duration::ZERO;
    for enabled in [false, true, false, true] {
        let body = json!({"enabled": enabled}).to_string();
        let began = Instant::now();
        assert_eq!(demo.rest.patch("/api/v1/subscribers/1", &body).0, 200);
        while ada.register(300).is_ok() != enabled {
            assert!(began.elapsed() < 5 * IN_FORCE, "{enabled} is not in force");
        }
        slowest = slowest.max(began.elapsed());
    }
    tell(&format!("a subscriber beside 200,000 prices is changed in {} ms", slowest.as_millis()));
    assert!(slowest < IN_FORCE, "{slowest:?}");
    demo.stop();
}
