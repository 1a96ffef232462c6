//! Prices that change while calls run.

use std::time::{Duration, Instant};

use serde_json::{Value, json};
use strowger_phone::EndedBy;
use strowger_phone::carrier::Carrier;
use strowger_phone::flows::ALICE;

use crate::demo::{CARRIER, Demo, Home, carrier_turn};
use crate::rest::{money, text};
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

/// Makes a row by REST; its id.
fn made(demo: &Demo, resource: &str, body: &serde_json::Value) -> String {
    let (status, said) = demo.rest.post(&format!("/api/v1/{resource}"), "", &body.to_string());
    assert_eq!(status, 201, "{resource}: {said}");
    said["id"].as_str().unwrap().to_owned()
}

/// Publishes rows as the next revision of a price list.
fn publish_rows(demo: &Demo, tariff: &str, number: u32, rows: &serde_json::Value) {
    let send = |path: &str, body: &str, status: u16| {
        let (is, said) = demo.rest.post(&format!("/api/v1/tariffs/{tariff}/{path}"), "", body);
        assert_eq!(is, status, "{path}: {said}");
    };
    send("revisions", "{}", 201);
    send(&format!("revisions/{number}/rates"), &rows.to_string(), 201);
    send(&format!("revisions/{number}/publish"), "{}", 200);
}

#[test]
fn hours_and_holidays_have_prices_of_their_own() {
    let _turn = carrier_turn();
    let home = Home::new();
    let demo = Demo::start(&home);
    let carrier = Carrier::new(CARRIER, demo.sip).unwrap();
    let ada = desk(&demo, ALICE);
    let call = |number: &str| {
        std::thread::sleep(IN_FORCE);
        let call = ada.invite(number).unwrap();
        call.wait_answer(SOON).unwrap();
        assert_eq!(call.bye().unwrap(), EndedBy::LocalBye);
    };
    let rows = json!([
        {"prefix": "44", "class": "holiday", "price": {"amount": "0.30"}},
        {"prefix": "441", "class": "00:00-24:00", "price": {"amount": "0.12"}},
        {"prefix": "4412", "digits_min": 6, "price": {"amount": "0.90"}},
    ]);
    publish_rows(&demo, "1", 2, &rows);
    // The stretch of the day; and no holiday yet.
    call("44123");
    call("44723");
    for year in 2_026..2_040 {
        let day = |text: &str| format!("{year}-{text}");
        let body = json!({
            "tenant": "1", "name": "all year", "from": day("01-01"), "until": day("12-31"),
        });
        made(&demo, "holidays", &body);
    }
    call("44723");
    call("441234");
    let cdrs = demo.rest.cdrs(4);
    let prices: Vec<&str> = cdrs.iter().map(|c| text(c, "customer.unit_price.amount")).collect();
    assert_eq!(prices, ["0.120000000", "0.060000000", "0.300000000", "0.900000000"]);
    assert_tidy(&demo);
    drop(carrier);
    demo.stop();
}

#[test]
fn a_reseller_pays_by_a_tariff_of_another_currency() {
    let _turn = carrier_turn();
    let home = Home::new();
    let demo = Demo::start(&home);
    let carrier = Carrier::new(CARRIER, demo.sip).unwrap();
    let ada = desk(&demo, ALICE);
    let rate = json!({
        "tenant": "1", "currency": "USD", "rate": "0.5", "from": "2020-01-01T00:00:00Z",
    });
    made(&demo, "exchange-rates", &rate);
    let body = json!({"tenant": "1", "name": "dollars", "currency": "USD", "kind": "customer"});
    let tariff = made(&demo, "tariffs", &body);
    // A minute at least, so that the amount does not depend on how long the test talks.
    let rows = json!([{"prefix": "44", "minimum_ms": 60_000, "price": {"amount": "0.04"}}]);
    publish_rows(&demo, &tariff, 1, &rows);
    let organization = demo.rest.get("/api/v1/accounts/1")["organization"].clone();
    let body = json!({
        "tenant": "1", "organization": organization, "name": "reseller", "currency": "EUR",
        "prepaid": false, "tariff": tariff, "resells": true,
        "discounts": [{"prefix": "44", "share_bp": 1_000}],
    });
    let reseller = made(&demo, "accounts", &body);
    std::thread::sleep(IN_FORCE);
    let call = ada.invite("44123").unwrap();
    call.wait_answer(SOON).unwrap();
    assert_eq!(call.bye().unwrap(), EndedBy::LocalBye);
    let cdrs = demo.rest.cdrs(1);
    let level = &cdrs[0]["levels"][0];
    assert_eq!(text(level, "account"), reseller);
    assert_eq!(text(level, "unit_price.currency"), "USD");
    // 0.04 USD less a tenth is 0.036, and half of that in euros.
    assert_eq!((text(level, "gross.amount"), text(level, "gross.currency")), ("0.01800000", "EUR"));
    assert_tidy(&demo);
    drop(carrier);
    demo.stop();
}

#[test]
fn costs_in_several_currencies_add_up_in_the_tenants() {
    let _turn = carrier_turn();
    let home = Home::new();
    let demo = Demo::start(&home);
    let carrier = Carrier::new(CARRIER, demo.sip).unwrap();
    let ada = desk(&demo, ALICE);
    let rate = |rate: &str, from: &str| {
        let body = json!({"tenant": "1", "currency": "USD", "rate": rate, "from": from});
        made(&demo, "exchange-rates", &body);
    };
    rate("0.5", "2020-01-01T00:00:00Z");
    // A minute costs us 0.04 dollars, which are 0.02 euros, and brings 0.06.
    let body = json!({"tenant": "1", "name": "dollars", "currency": "USD", "kind": "supplier"});
    let tariff = made(&demo, "tariffs", &body);
    let rows = json!([{"prefix": "44", "minimum_ms": 60_000, "price": {"amount": "0.04"}}]);
    publish_rows(&demo, &tariff, 1, &rows);
    let organization = demo.rest.get("/api/v1/accounts/1")["organization"].clone();
    let body = json!({
        "tenant": "1", "organization": organization, "name": "supplier", "currency": "USD",
        "prepaid": false,
    });
    let account = made(&demo, "accounts", &body);
    let egress = json!({"egress": {"account": account, "tariff": tariff}});
    let (status, said) = demo.rest.patch("/api/v1/trunks/1", &egress.to_string());
    assert_eq!(status, 200, "{said}");
    std::thread::sleep(IN_FORCE);
    let call = ada.invite("44123").unwrap();
    call.wait_answer(SOON).unwrap();
    assert_eq!(call.bye().unwrap(), EndedBy::LocalBye);
    let cdr = demo.rest.cdrs(1).remove(0);
    let (costs, native) = (&cdr["costs"], &cdr["native_costs"]);
    assert_eq!(text(costs, "provider.amount"), "0.04000000", "{cdr:#}");
    assert_eq!((text(costs, "provider.currency"), &costs["company"]), ("USD", &Value::Null));
    assert_eq!(text(native, "provider.amount"), "0.02000000", "{cdr:#}");
    assert_eq!(native["enduser"], costs["enduser"]);
    let left = money(&native["enduser"]) - 2_000_000;
    assert_eq!((money(&native["company"]), text(native, "company.currency")), (left, "EUR"));
    // A later rate is not that of the call.
    rate("0.9", "2100-01-01T00:00:00Z");
    assert_eq!(demo.rest.cdrs(1).remove(0)["native_costs"], *native);
    assert_tidy(&demo);
    drop(carrier);
    demo.stop();
}

#[test]
fn short_and_free_numbers_and_an_accounts_own_tax_are_set() {
    let _turn = carrier_turn();
    let home = Home::new();
    let demo = Demo::start(&home);
    let carrier = Carrier::new(CARRIER, demo.sip).unwrap();
    let ada = desk(&demo, ALICE);
    let set = |category: &str, name: &str, value: &str| {
        let body = json!({"tenant": "1", "category": category, "name": name, "value": value});
        made(&demo, "settings", &body);
    };
    // What costs more than it is sold for is not sold, unless that is wanted.
    set("route", "loss", "true");
    set("price", "free_digits", "5");
    set("price", "short_digits", "4");
    set("price", "vat_ppm", "250000");
    std::thread::sleep(IN_FORCE);
    for number in ["44123", "4412", "441234"] {
        let call = ada.invite(number).unwrap();
        call.wait_answer(SOON).unwrap();
        assert_eq!(call.bye().unwrap(), EndedBy::LocalBye);
    }
    let cdrs = demo.rest.cdrs(3);
    let priced: Vec<(&str, bool)> = cdrs
        .iter()
        .map(|c| (text(c, "customer.unit_price.amount"), c["customer"]["tariff"].is_null()))
        .collect();
    // The demo's internal price is nothing, too.
    let expect = [("0.000000000", true), ("0.000000000", true), ("0.060000000", false)];
    assert_eq!(priced, expect);
    let taxed = &cdrs[2]["customer"];
    assert_eq!(taxed["vat_ppm"], 250_000);
    let (net, gross) = (crate::rest::money(&taxed["net"]), crate::rest::money(&taxed["gross"]));
    assert!(net > 0 && gross == net + net / 4, "{taxed:#}");
    assert_tidy(&demo);
    drop(carrier);
    demo.stop();
}
