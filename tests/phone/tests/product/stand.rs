//! A subscriber as who minds it sees it: made like another, in one look, in lists, sent away from
//! an address, and held to what its account must have.

use std::time::Duration;

use serde_json::{Value, json};
use strowger_phone::EndedBy;
use strowger_phone::carrier::Carrier;
use strowger_phone::flows::ALICE;

use crate::assert_tidy;
use crate::demo::{CARRIER, Demo, Home, carrier_turn, eventually};
use crate::rest::text;
use crate::talk::{SOON, Talk, desk, phone};
use crate::why::strowger;

/// How long a call is held that only has to be seen.
const TALK: Duration = Duration::from_millis(300);

/// The rows of a list that fit a query.
fn found(demo: &Demo, list: &str, query: &str) -> Vec<Value> {
    let page = demo.rest.get(&format!("/api/v1/{list}?{query}&limit=100"));
    page["items"].as_array().unwrap_or_else(|| panic!("{page}")).clone()
}

/// The id of the subscriber with a user name.
fn id_of(demo: &Demo, username: &str) -> String {
    let rows = found(demo, "subscribers", &format!("username={username}"));
    text(&rows[0], "id").to_owned()
}

fn status(demo: &Demo, id: &str) -> Value {
    demo.rest.get(&format!("/api/v1/subscribers/{id}/status"))
}

#[test]
fn a_copy_calls_is_seen_in_one_look_and_sent_away_from_an_address() {
    let home = Home::new();
    let demo = Demo::start(&home);
    let template = id_of(&demo, ALICE.0);
    let body = json!({"name": "desks", "items": [
        {"username": "1003", "password": "first secret", "numbers": ["1003"]},
        {"username": "1004", "password": "other secret", "numbers": ["1004"], "display": "Dan"},
    ]});
    let target = format!("/api/v1/subscribers/{template}/copies");
    let (code, made) = demo.rest.post(&target, "desks", &body.to_string());
    assert_eq!((code, &made["count"]), (201, &json!(2)), "{made}");
    let id = made["ids"][0].as_str().unwrap().to_owned();
    // The same words again make nothing again.
    assert_eq!(demo.rest.post(&target, "desks", &body.to_string()).1, made);
    let cleo = phone(&demo, ("1003", "first secret"));
    assert_eq!(status(&demo, &id)["state"], "inactive");
    eventually("a copy registers", || cleo.register(300).ok());
    let seen = status(&demo, &id);
    assert_eq!((&seen["state"], &seen["calls"]), (&json!("registered"), &json!([])), "{seen:#}");
    assert_eq!(seen["contacts"].as_array().unwrap().len(), 1, "{seen:#}");
    assert!(!seen["balance"].is_null(), "{seen:#}");
    eventually("the list knows who is registered", || {
        let rows = found(&demo, "subscribers", "registered=true");
        rows.iter().any(|row| text(row, "username") == "1003").then_some(())
    });
    let ada = desk(&demo, ALICE);
    let out = cleo.invite(ALICE.0).unwrap();
    let inc = ada.wait_call(SOON).unwrap();
    inc.answer().unwrap();
    out.wait_answer(SOON).unwrap();
    let seen = status(&demo, &id);
    assert_eq!(
        (&seen["state"], &seen["calls"][0]["state"]),
        (&json!("calling"), &json!("speaking"))
    );
    std::thread::sleep(TALK);
    assert_eq!(out.bye().unwrap(), EndedBy::LocalBye);
    let last = eventually("the last call is told", || {
        Some(status(&demo, &id)["last_call"].clone()).filter(|last| !last.is_null())
    });
    assert_eq!((text(&last, "called"), text(&last, "reason")), (ALICE.0, "normal"), "{last:#}");
    forgotten(&demo, &id, &ada);
    assert_tidy(&demo);
    demo.stop();
}

/// Whoever is sent away is called no more, and comes back by himself.
fn forgotten(demo: &Demo, id: &str, ada: &strowger_phone::Phone) {
    let cleo = phone(demo, ("1003", "first secret"));
    cleo.register(300).unwrap();
    let rows = || status(demo, id)["contacts"].as_array().unwrap().len();
    let before = rows();
    assert!(before >= 1);
    let contact = status(demo, id)["contacts"][0]["contact"].as_str().unwrap().to_owned();
    let one = format!("/api/v1/subscribers/{id}/contacts?contact={}", contact.replace('+', "%2B"));
    assert_eq!(demo.rest.status("DELETE", &one), 200);
    assert_eq!(rows(), before - 1);
    let said = strowger(demo, &["delete", &format!("subscribers/{id}"), "contacts"]);
    assert!(said.out.contains("count"), "{}", said.out);
    assert_eq!(rows(), 0);
    assert!(matches!(ada.invite("1003").unwrap().wait_end(SOON).unwrap(), EndedBy::Refused(_)));
    cleo.register(300).unwrap();
    Talk::new(ada, "1003", &cleo).end_after(TALK);
}

#[test]
fn who_has_less_than_is_set_calls_nobody_and_the_record_is_found_by_its_reason() {
    let _turn = carrier_turn();
    let home = Home::new();
    let demo = Demo::start(&home);
    let carrier = Carrier::new(CARRIER, demo.sip).unwrap();
    let ada = desk(&demo, ALICE);
    let call = || {
        let out = ada.invite("44123").unwrap();
        out.wait_answer(SOON).unwrap();
        assert_eq!(out.bye().unwrap(), EndedBy::LocalBye);
    };
    call();
    let body = json!({
        "tenant": "1", "category": "limit", "name": "balance_min", "value": "1000000",
    });
    let (code, made) = demo.rest.post("/api/v1/settings", "least", &body.to_string());
    assert_eq!(code, 201, "{made}");
    eventually("who has less is refused", || {
        let out = ada.invite("44123").unwrap();
        match out.wait_end(Duration::from_millis(600)) {
            Ok(EndedBy::Refused(402)) => Some(()),
            Ok(_) | Err(_) => {
                let _ended = out.bye();
                None
            }
        }
    });
    // Inside, a call costs nothing.
    let bob = desk(&demo, strowger_phone::flows::BOB);
    Talk::new(&ada, "1002", &bob).end_after(TALK);
    let from = "from=2020-01-01T00:00:00Z";
    let reason = |query: &str| found(&demo, "cdrs", &format!("{from}&{query}"));
    let refused = eventually("it is written", || {
        Some(reason("reason=no-credit&called=44")).filter(|rows| !rows.is_empty())
    });
    assert!(refused.iter().all(|cdr| cdr["answered"].is_null()), "{refused:#?}");
    let answered = reason("answered=true&called=44");
    assert!(!answered.is_empty() && answered.iter().all(|cdr| !cdr["answered"].is_null()));
    // The same as a file for a spreadsheet.
    let said = strowger(&demo, &["list", "cdrs", from, "reason=no-credit", "--csv"]);
    let lines: Vec<&str> = said.out.lines().collect();
    assert_eq!(lines.len(), refused.len() + 1, "{}", said.out);
    assert!(lines[0].starts_with("id,") && lines[1].contains("no-credit"), "{}", said.out);
    drop(carrier);
    demo.stop();
}
