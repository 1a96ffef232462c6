//! Caps on the running product: how long an account may talk a day, what may come from one address,
//! and prices by who sends a call.

use serde_json::{Value, json};
use std::time::Duration;
use strowger_phone::flows::{ALICE, BOB};
use strowger_phone::{Config, Phone};

use crate::assert_tidy;
use crate::demo::{Demo, Home, eventually};
use crate::rest::text;
use crate::rows::{IN_FORCE, answered, lead_to, make, new_carrier, refused, set};
use crate::talk::{SOON, desk};

/// Sets a limit of account 1; its id. In force when this returns.
fn cap(demo: &Demo, name: &str, value: &str) -> String {
    let id = make(
        demo,
        "settings",
        &json!({
            "category": "limit", "name": name, "value": value, "tenant": "1", "account": "1",
        }),
    );
    std::thread::sleep(IN_FORCE);
    id
}

/// Why the newest of so many records is as it is.
fn why(demo: &Demo, count: usize) -> String {
    let records = demo.rest.cdrs(count);
    let path = format!("/api/v1/cdrs/{}/trace", text(&records[count - 1], "id"));
    eventually("the decision is written", || {
        let told = demo.rest.get(&path);
        let is_whole = told["decision"].as_array().is_some_and(|steps| !steps.is_empty());
        is_whole.then(|| told.to_string())
    })
}

#[test]
fn an_account_talks_as_long_as_its_day_allows_over_a_kill() {
    let home = Home::new();
    let demo = Demo::start(&home);
    let carrier = new_carrier(&demo);
    lead_to(&demo, carrier.addr());
    let (ada, bob) = (desk(&demo, ALICE), desk(&demo, BOB));
    let id = cap(&demo, "day_talk_ms_max", "2000");
    let talk = |ms| {
        let call = ada.invite("44123").unwrap();
        call.wait_answer(SOON).unwrap();
        std::thread::sleep(Duration::from_millis(ms));
        call.bye().unwrap();
    };
    talk(700);
    // One that runs is not cut, however long it takes.
    talk(2_200);
    demo.rest.cdrs(2);
    assert_eq!(refused(&ada, "44123"), 480);
    let told = why(&demo, 3);
    assert!(told.contains("the talk of a day or a month is used up, so account 1"), "{told}");
    answered(&bob.invite("44123").unwrap());
    // The next life has counted the same.
    demo.rest.cdrs(4);
    demo.replace(demo.planes().controld);
    assert_eq!(refused(&ada, "44123"), 480);
    set(&demo, &format!("settings/{id}"), &json!({"value": "3600000"}));
    answered(&ada.invite("44123").unwrap());
    assert_tidy(&demo);
    demo.stop();
}

#[test]
fn so_many_calls_of_an_account_come_from_one_address_and_cost_so_much() {
    let home = Home::new();
    let demo = Demo::start(&home);
    let carrier = new_carrier(&demo);
    lead_to(&demo, carrier.addr());
    let (ada, bob) = (desk(&demo, ALICE), desk(&demo, BOB));
    let calls = cap(&demo, "address_calls_max", "2");
    answered(&ada.invite("44123").unwrap());
    answered(&ada.invite("44123").unwrap());
    assert_eq!(refused(&ada, "44123"), 480);
    let told = why(&demo, 3);
    assert!(told.contains("the calls from the address are used up, so account 1"), "{told}");
    // Whose account has no cap calls on from the same address.
    answered(&bob.invite("44123").unwrap());
    demo.rest.cdrs(4);
    // A new life reads what came from where; so a cap that is set now finds what was talked.
    demo.replace(demo.planes().controld);
    assert_eq!(refused(&ada, "44123"), 480);
    set(&demo, &format!("settings/{calls}"), &json!({"value": "0"}));
    let spend = cap(&demo, "address_spend_max", "0.00000001");
    demo.replace(demo.planes().controld);
    assert_eq!(refused(&ada, "44123"), 480);
    let told = why(&demo, 6);
    assert!(told.contains("the cost of calls from the address is used up"), "{told}");
    set(&demo, &format!("settings/{spend}"), &json!({"value": "auto"}));
    // What the first two talked is known already.
    let talk = cap(&demo, "address_talk_ms_max", "3000");
    let long = ada.invite("44123").unwrap();
    long.wait_answer(SOON).unwrap();
    std::thread::sleep(Duration::from_millis(3_100));
    long.bye().unwrap();
    demo.rest.cdrs(7);
    assert_eq!(refused(&ada, "44123"), 480);
    let told = why(&demo, 8);
    assert!(told.contains("the talk from the address is used up"), "{told}");
    set(&demo, &format!("settings/{talk}"), &json!({"value": "3600000"}));
    answered(&ada.invite("44123").unwrap());
    assert_tidy(&demo);
    demo.stop();
}

/// A price list in which 44 costs `amount` a minute; its id.
fn tariff(demo: &Demo, amount: &str) -> String {
    let body = json!({"tenant": "1", "name": amount, "currency": "EUR", "kind": "customer"});
    let id = make(demo, "tariffs", &body);
    let send = |path: &str, body: &str, status: u16| {
        let (is, said) = demo.rest.post(&format!("/api/v1/tariffs/{id}/{path}"), "", body);
        assert_eq!(is, status, "{path}: {said}");
    };
    send("revisions", "{}", 201);
    let rows = json!([{"prefix": "44", "price": {"amount": amount}}]).to_string();
    send("revisions/1/rates", &rows, 201);
    send("revisions/1/publish", "{}", 200);
    id
}

#[test]
fn what_a_trunk_sends_behind_a_tech_prefix_has_prices_of_its_own() {
    let home = Home::new();
    let demo = Demo::start(&home);
    let carrier = new_carrier(&demo);
    lead_to(&demo, carrier.addr());
    let sender =
        Phone::new(Config { patience: SOON, ..Config::new("4930", "", demo.sip) }).unwrap();
    let source = json!({"network": "127.0.0.1/32", "port": sender.addr().port()});
    let organization = text(&demo.rest.get("/api/v1/accounts/1"), "organization").to_owned();
    let trunk = make(
        &demo,
        "trunks",
        &json!({
            "tenant": "1", "organization": organization, "name": "sender",
            "ingress": {"account": "1", "sources": [source], "tech_prefix": "99"},
        }),
    );
    let rule = |name: &str, tariff: String, more: Value| {
        let mut body = json!({"tenant": "1", "name": name, "tariff": tariff});
        body.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        make(&demo, "price-rules", &body)
    };
    rule("all", tariff(&demo, "0.12"), json!({}));
    let of_prefix = json!({"priority": 5, "tech_prefixes": ["99"]});
    let own = rule("prefix", tariff(&demo, "0.18"), of_prefix);
    set(&demo, "accounts/1", &json!({"tariff": null}));
    let price = |count: usize| {
        let cdr = demo.rest.cdrs(count).remove(count - 1);
        text(&cdr, "customer.unit_price.amount").to_owned()
    };
    answered(&sender.invite("9944123").unwrap());
    assert_eq!(price(1), "0.180000000");
    let told = why(&demo, 1);
    assert!(told.contains(&format!("pays as price rule {own} (prefix) says")), "{told}");
    let ada = desk(&demo, ALICE);
    answered(&ada.invite("44123").unwrap());
    assert_eq!(price(2), "0.120000000");
    // By the trunk alone, whatever its prefix; which trunk stays while a rule names it.
    let by_trunk = json!({"tech_prefixes": [], "trunks": [trunk]});
    set(&demo, &format!("price-rules/{own}"), &by_trunk);
    answered(&sender.invite("9944123").unwrap());
    assert_eq!(price(3), "0.180000000");
    answered(&ada.invite("44123").unwrap());
    assert_eq!(price(4), "0.120000000");
    assert_eq!(demo.rest.delete(&format!("/api/v1/trunks/{trunk}")), 409);
    assert_tidy(&demo);
    demo.stop();
}
