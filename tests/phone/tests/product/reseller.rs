//! Who resells, who sells for somebody, and who buys ahead: when they pay, and what they earn.

use serde_json::{Value, json};
use std::time::Duration;
use strowger_phone::EndedBy;
use strowger_phone::carrier::Carrier;
use strowger_phone::flows::ALICE;

use crate::assert_tidy;
use crate::demo::{CARRIER, Demo, Home, carrier_turn};
use crate::rest::{money, text};
use crate::rows::refused;
use crate::talk::{SOON, desk};

/// A change is in force within this time.
const IN_FORCE: Duration = Duration::from_secs(1);
/// The demo's customer, who belongs to the organization of the accounts that are made here.
const CUSTOMER: &str = "/api/v1/accounts/1";
/// One unit of the currency in those of the ledger.
const ONE: i64 = 100_000_000;

/// Another account of the customer's organization; its number.
fn account(demo: &Demo, name: &str, more: &Value) -> u32 {
    let mut body = json!({
        "tenant": "1", "organization": demo.rest.get(CUSTOMER)["organization"], "name": name,
        "currency": "EUR", "prepaid": true, "tariff": "1",
    });
    for (member, value) in more.as_object().unwrap() {
        body[member] = value.clone();
    }
    let (status, said) = demo.rest.post("/api/v1/accounts", "", &body.to_string());
    assert_eq!(status, 201, "{said}");
    text(&said, "id").parse().unwrap()
}

fn change(demo: &Demo, path: &str, body: &Value) {
    let (status, said) = demo.rest.patch(path, &body.to_string());
    assert_eq!(status, 200, "{path}: {said}");
    std::thread::sleep(IN_FORCE);
}

#[test]
fn a_reseller_pays_when_he_hands_credit_out_or_by_the_call() {
    let _turn = carrier_turn();
    let home = Home::new();
    let demo = Demo::start(&home);
    let carrier = Carrier::new(CARRIER, demo.sip).unwrap();
    let ada = desk(&demo, ALICE);
    let reseller = account(&demo, "reseller", &json!({"resells": true, "resells_early": true}));
    let path = format!("/api/v1/accounts/{reseller}");
    std::thread::sleep(IN_FORCE);
    let call = || {
        let call = ada.invite("44123").unwrap();
        call.wait_answer(SOON).unwrap();
        assert_eq!(call.bye().unwrap(), EndedBy::LocalBye);
    };
    let before = demo.rest.balance(1);
    // He has nothing yet: nothing can be handed out.
    let (status, said) = demo.rest.pay(1, "payments", "a", "5");
    assert_eq!((status, text(&said, "field")), (422, "amount"), "{said}");
    assert_eq!(demo.rest.pay(reseller, "payments", "b", "8").1["from"], Value::Null);
    let (status, said) = demo.rest.pay(1, "payments", "a", "5");
    assert_eq!((status, text(&said, "from")), (201, reseller.to_string().as_str()), "{said}");
    assert_eq!((demo.rest.balance(1) - before, demo.rest.balance(reseller)), (5 * ONE, 3 * ONE));
    assert_eq!(demo.rest.pay(1, "payments", "c", "3.00000001").0, 422);
    // The call is paid for already.
    call();
    let paid = demo.rest.cdrs(1).remove(0);
    assert_eq!(paid["levels"], json!([]), "{paid:#}");
    assert_eq!(demo.rest.balance(reseller), 3 * ONE);
    let trace = demo.rest.get(&format!("/api/v1/cdrs/{}/trace", text(&paid, "id")));
    assert!(trace.to_string().contains("paid-early"), "{trace:#}");
    // Late, he pays by the call, and what is paid in below comes from outside.
    change(&demo, &path, &json!({"resells_early": false}));
    assert_eq!(demo.rest.pay(1, "payments", "d", "4").1["from"], Value::Null);
    call();
    let level = demo.rest.cdrs(2).remove(1)["levels"][0].clone();
    assert_eq!(text(&level, "account"), reseller.to_string());
    let due = money(&level["gross"]);
    assert!(due > 0);
    assert_eq!(demo.rest.balance(reseller), 3 * ONE - due);
    assert_tidy(&demo);
    drop(carrier);
    demo.stop();
}

#[test]
fn an_agent_earns_a_part_of_what_his_customer_pays() {
    let _turn = carrier_turn();
    let home = Home::new();
    let demo = Demo::start(&home);
    let carrier = Carrier::new(CARRIER, demo.sip).unwrap();
    let ada = desk(&demo, ALICE);
    let agent = account(&demo, "agent", &json!({}));
    let talk = |time: Duration| {
        let call = ada.invite("44123").unwrap();
        call.wait_answer(SOON).unwrap();
        std::thread::sleep(time);
        assert_eq!(call.bye().unwrap(), EndedBy::LocalBye);
    };
    let part = json!({"agent": agent.to_string(), "commission_bp": 1_000});
    change(&demo, CUSTOMER, &part);
    talk(Duration::from_millis(1_200));
    change(&demo, CUSTOMER, &json!({"commission_of_profit": true}));
    talk(Duration::from_millis(1_200));
    let cdrs = demo.rest.cdrs(2);
    let mut earned = 0;
    for (cdr, of_profit) in cdrs.iter().zip([false, true]) {
        let (paid, cost) = (money(&cdr["customer"]["net"]), money(&cdr["supplier"]["net"]));
        let base = if of_profit { paid - cost } else { paid };
        let commission = &cdr["commissions"][0];
        assert_eq!(text(commission, "kind"), "commission");
        assert_eq!(text(commission, "account"), agent.to_string());
        assert_eq!(money(&commission["gross"]), base / 10, "{cdr:#}");
        earned += base / 10;
        // The five costs.
        let costs = &cdr["costs"];
        let shown = ["enduser", "provider", "sales", "company"].map(|name| money(&costs[name]));
        assert_eq!(shown, [paid, cost, base / 10, paid - cost - base / 10], "{costs:#}");
        assert_eq!(costs["other"], Value::Null);
    }
    assert!(earned > 0);
    assert_eq!(demo.rest.balance(agent), earned);
    let entries = demo.rest.list(&format!("/api/v1/accounts/{agent}/entries"));
    let booked: i64 = entries.iter().map(|entry| money(&entry["amount"])).sum();
    assert_eq!(booked, earned, "{entries:#?}");
    assert!(entries.iter().all(|entry| entry["kind"] == "commission"), "{entries:#?}");
    assert_tidy(&demo);
    drop(carrier);
    demo.stop();
    // The books say the same to the next life.
    let demo = Demo::start(&home);
    assert_eq!(demo.rest.balance(agent), earned);
    demo.stop();
}

#[test]
fn bought_time_is_paid_for_when_it_is_bought_and_talked_for_nothing() {
    let _turn = carrier_turn();
    let home = Home::new();
    let demo = Demo::start(&home);
    let carrier = Carrier::new(CARRIER, demo.sip).unwrap();
    let ada = desk(&demo, ALICE);
    let before = demo.rest.balance(1);
    let buy = |key: &str, price: &str| {
        let body = json!({
            "name": "packet", "prefix": "44", "seconds": "600", "from": "2020-01-01T00:00:00Z",
            "until": "2100-01-01T00:00:00Z", "price": price, "vat_ppm": "190000",
        });
        demo.rest.post("/api/v1/accounts/1/allowances", key, &body.to_string())
    };
    // More than there is.
    let (status, said) = buy("a", "1000000");
    assert_eq!((status, text(&said, "field")), (422, "price"), "{said}");
    let (status, first) = buy("b", "1.19");
    assert_eq!((status, money(&first["price"])), (201, 119_000_000), "{first}");
    assert_eq!(buy("b", "1.19"), (201, first));
    assert_eq!(demo.rest.balance(1), before - 119_000_000);
    let call = ada.invite("44123").unwrap();
    call.wait_answer(SOON).unwrap();
    // Long enough that something of it is charged.
    std::thread::sleep(Duration::from_millis(1_200));
    assert_eq!(call.bye().unwrap(), EndedBy::LocalBye);
    let cdr = demo.rest.cdrs(1).remove(0);
    assert_eq!(money(&cdr["customer"]["gross"]), 0, "{cdr:#}");
    assert!(cdr["customer"]["free_ms"].as_u64().unwrap() > 0, "{cdr:#}");
    assert_eq!(demo.rest.balance(1), before - 119_000_000);
    let entries = demo.rest.list("/api/v1/accounts/1/entries");
    let of = |kind: &str| -> i64 {
        let of = entries.iter().filter(|e| e["kind"] == kind && e["reason"] == "packet");
        of.map(|entry| money(&entry["amount"])).sum()
    };
    assert_eq!((of("fee"), of("vat")), (-ONE, -19_000_000), "{entries:#?}");
    assert_tidy(&demo);
    drop(carrier);
    demo.stop();
}

/// Spec USER-HIER-01: lines of who stands above.
#[test]
fn a_reseller_has_so_many_lines_for_all_below_him() {
    let _turn = carrier_turn();
    let home = Home::new();
    let demo = Demo::start(&home);
    let carrier = Carrier::new(CARRIER, demo.sip).unwrap();
    let ada = desk(&demo, ALICE);
    let floor = json!({"amount": "-5", "currency": "EUR"});
    let more = json!({"resells": true, "floor": floor, "calls_max": 1});
    let reseller = account(&demo, "reseller", &more);
    std::thread::sleep(IN_FORCE);
    let first = ada.invite("44123").unwrap();
    first.wait_answer(SOON).unwrap();
    assert_eq!(refused(&ada, "44123"), 480);
    change(&demo, &format!("/api/v1/accounts/{reseller}"), &json!({"calls_max": 2}));
    let second = ada.invite("44123").unwrap();
    second.wait_answer(SOON).unwrap();
    for call in [first, second] {
        assert_eq!(call.bye().unwrap(), EndedBy::LocalBye);
    }
    assert_tidy(&demo);
    drop(carrier);
    demo.stop();
}

#[test]
fn every_reseller_above_pays_his_own_price() {
    let _turn = carrier_turn();
    let home = Home::new();
    let demo = Demo::start(&home);
    let carrier = Carrier::new(CARRIER, demo.sip).unwrap();
    let ada = desk(&demo, ALICE);
    let own = demo.rest.get(CUSTOMER)["organization"].clone();
    let above = demo.rest.get(&format!("/api/v1/organizations/{}", own.as_str().unwrap()));
    let resells = json!({"resells": true, "floor": {"amount": "-5", "currency": "EUR"}});
    let near = account(&demo, "near", &resells);
    let mut resells = resells;
    resells["organization"] = above["parent"].clone();
    resells["reduction_bp"] = json!(5_000);
    let far = account(&demo, "far", &resells);
    std::thread::sleep(IN_FORCE);
    let call = ada.invite("44123").unwrap();
    call.wait_answer(SOON).unwrap();
    std::thread::sleep(Duration::from_millis(1_200));
    assert_eq!(call.bye().unwrap(), EndedBy::LocalBye);
    let cdr = demo.rest.cdrs(1).remove(0);
    let paid = |charge: &Value| (text(charge, "account").to_owned(), money(&charge["gross"]));
    let (_, price) = paid(&cdr["customer"]);
    assert!(price > 0, "{cdr:#}");
    let levels: Vec<(String, i64)> = cdr["levels"].as_array().unwrap().iter().map(paid).collect();
    assert_eq!(levels, [(near.to_string(), price), (far.to_string(), price / 2)], "{cdr:#}");
    assert_eq!(cdr["levels"][0]["payee"], above["parent"], "who sells to him");
    assert_eq!([demo.rest.balance(near), demo.rest.balance(far)], [-price, -price / 2]);
    assert_tidy(&demo);
    drop(carrier);
    demo.stop();
}
