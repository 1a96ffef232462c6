//! Packets: which prices a group of accounts pays, and what is bought ahead and bought again.

use serde_json::{Value, json};
use std::time::{Duration, SystemTime, UNIX_EPOCH};
use strowger_phone::EndedBy;
use strowger_phone::carrier::Carrier;
use strowger_phone::flows::ALICE;

use crate::assert_tidy;
use crate::demo::{CARRIER, Demo, Home, carrier_turn, eventually};
use crate::rest::{money, text};
use crate::talk::{SOON, desk};

/// A change is in force within this time.
const IN_FORCE: Duration = Duration::from_secs(1);
/// A day, seconds.
const DAY: i64 = 86_400;
/// The demo's customer.
const CUSTOMER: &str = "/api/v1/accounts/1";

/// Makes a row by REST; its id.
fn made(demo: &Demo, resource: &str, body: &Value) -> String {
    let (status, said) = demo.rest.post(&format!("/api/v1/{resource}"), "", &body.to_string());
    assert_eq!(status, 201, "{resource}: {said}");
    text(&said, "id").to_owned()
}

/// A price list for customers in which 44 costs `amount` a minute; its id.
fn tariff(demo: &Demo, name: &str, amount: &str) -> String {
    let body = json!({"tenant": "1", "name": name, "currency": "EUR", "kind": "customer"});
    let id = made(demo, "tariffs", &body);
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

/// A time so many seconds from now, whole seconds (RFC 3339).
fn at(demo: &Demo, seconds: i64) -> String {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs();
    let then = i64::try_from(now).unwrap() + seconds;
    demo.time(then * 1_000)
}

fn change(demo: &Demo, path: &str, body: &Value) {
    let (status, said) = demo.rest.patch(path, &body.to_string());
    assert_eq!(status, 200, "{path}: {said}");
    std::thread::sleep(IN_FORCE);
}

#[test]
fn a_group_pays_by_rules_and_an_account_s_own_tariff_goes_before() {
    let _turn = carrier_turn();
    let home = Home::new();
    let demo = Demo::start(&home);
    let carrier = Carrier::new(CARRIER, demo.sip).unwrap();
    let ada = desk(&demo, ALICE);
    let calls = |count: usize| {
        let call = ada.invite("44123").unwrap();
        call.wait_answer(SOON).unwrap();
        assert_eq!(call.bye().unwrap(), EndedBy::LocalBye);
        demo.rest.cdrs(count).remove(count - 1)
    };
    let group = text(&demo.rest.get(CUSTOMER), "organization").to_owned();
    let (wide, narrow) = (tariff(&demo, "wide", "0.12"), tariff(&demo, "narrow", "0.18"));
    let wide = json!({"tenant": "1", "name": "all", "tariff": wide});
    made(&demo, "price-rules", &wide);
    let narrow = json!({
        "tenant": "1", "name": "group", "tariff": narrow, "priority": 5,
        "organization": group, "called": ["4412"],
    });
    let rule = made(&demo, "price-rules", &narrow);
    std::thread::sleep(IN_FORCE);
    // Its own tariff goes before both.
    let price = |cdr: &Value| text(cdr, "customer.unit_price.amount").to_owned();
    assert_eq!(price(&calls(1)), "0.060000000");
    change(&demo, CUSTOMER, &json!({"tariff": null}));
    let cdr = calls(2);
    assert_eq!(price(&cdr), "0.180000000");
    let trace = demo.rest.get(&format!("/api/v1/cdrs/{}/trace", text(&cdr, "id"))).to_string();
    let said = format!("pays as price rule {rule} (group) says");
    assert!(trace.contains("price-rule") && trace.contains(&said), "{trace}");
    // The next one that fits.
    change(&demo, &format!("/api/v1/price-rules/{rule}"), &json!({"called": ["4413"]}));
    assert_eq!(price(&calls(3)), "0.120000000");
    // None at all.
    let none = json!({"called": ["44"], "tariff": null});
    change(&demo, &format!("/api/v1/price-rules/{rule}"), &none);
    let refused = ada.invite("44123").unwrap();
    assert_eq!(refused.wait_end(SOON).unwrap(), EndedBy::Refused(403));
    assert_eq!(text(&demo.rest.cdrs(4)[3], "outcome.reason"), "no-price");
    // What a rule names stays.
    let of_rule = format!("/api/v1/tariffs/{}", text(&wide, "tariff"));
    assert_eq!(demo.rest.delete(&of_rule), 409);
    assert_tidy(&demo);
    drop(carrier);
    demo.stop();
}

#[test]
fn a_packet_is_bought_again_at_its_day_and_once_over_kills() {
    let home = Home::new();
    let demo = Demo::start(&home);
    let before = demo.rest.balance(1);
    let packet = |key: &str, until: &str, price: &str| {
        let body = json!({
            "name": "packet", "prefix": "44", "seconds": "600", "from": at(&demo, -DAY),
            "until": until, "renew_days": "1", "renew_until": at(&demo, 30 * DAY), "price": price,
            "vat_ppm": "190000",
        });
        demo.rest.post("/api/v1/accounts/1/allowances", key, &body.to_string())
    };
    // It ended half a minute ago, and so will the one that nobody can pay twice.
    let ended = at(&demo, -30);
    let (status, said) = packet("a", &ended, "1.19");
    assert_eq!(status, 201, "{said}");
    let one = 119_000_000;
    let all = before - one;
    let dear = format!("{}.{:08}", all / 100_000_000 - 2, 0);
    let (status, said) = packet("b", &ended, &dear);
    assert_eq!(status, 201, "{said}");
    let rest = demo.rest.balance(1) - one;
    assert!((0..300_000_000).contains(&rest), "{rest}");
    // The next life buys at once what is due; those behind it find it bought.
    for _ in 0..3 {
        demo.replace(demo.planes().controld);
        eventually("the packet is bought again", || (demo.rest.balance(1) == rest).then_some(()));
        let list = demo.rest.list("/api/v1/accounts/1/allowances");
        assert_eq!(list.len(), 3, "{list:#?}");
        let begins = |packet: &Value| text(packet, "from").starts_with(ended.trim_end_matches('Z'));
        let renewed = list.iter().filter(|packet| begins(packet));
        let prices: Vec<i64> = renewed.map(|one| money(&one["price"])).collect();
        assert_eq!(prices, [one], "{list:#?}");
    }
    // Money comes, and the other one is bought as well: looked for each minute, and at a boot.
    assert_eq!(demo.rest.pay(1, "payments", "c", &dear).0, 201);
    demo.replace(demo.planes().controld);
    eventually("the dear one is bought too", || (demo.rest.balance(1) == rest).then_some(()));
    assert_eq!(demo.rest.list("/api/v1/accounts/1/allowances").len(), 4);
    assert_tidy(&demo);
    demo.stop();
}

#[test]
fn discounts_by_called_number_come_off_the_price() {
    let _turn = carrier_turn();
    let home = Home::new();
    let demo = Demo::start(&home);
    let carrier = Carrier::new(CARRIER, demo.sip).unwrap();
    let ada = desk(&demo, ALICE);
    let discounts = json!([
        {"prefix": "44", "share_bp": 1_000},
        {"prefix": "4412", "share_bp": 2_000},
        {"prefix": "45", "share_bp": 9_000},
    ]);
    change(&demo, CUSTOMER, &json!({"discounts": discounts, "reduction_bp": 500}));
    let call = ada.invite("44123").unwrap();
    call.wait_answer(SOON).unwrap();
    std::thread::sleep(Duration::from_millis(1_200));
    assert_eq!(call.bye().unwrap(), EndedBy::LocalBye);
    let cdr = demo.rest.cdrs(1).remove(0);
    let charge = &cdr["customer"];
    let seconds = i64::try_from(charge["charged_ms"].as_u64().unwrap()).unwrap() / 1_000;
    // A quarter off 0.06 a minute, which is 0.001 a second.
    assert!(seconds >= 1, "{cdr:#}");
    assert_eq!(money(&charge["gross"]), seconds * 75_000, "{cdr:#}");
    assert_tidy(&demo);
    drop(carrier);
    demo.stop();
}

#[test]
fn a_packet_of_money_pays_before_the_balance_until_it_is_used_up() {
    let _turn = carrier_turn();
    let home = Home::new();
    let demo = Demo::start(&home);
    let carrier = Carrier::new(CARRIER, demo.sip).unwrap();
    let ada = desk(&demo, ALICE);
    let before = demo.rest.balance(1);
    // Two seconds of talk at 0.001 each, for half of that.
    let body = json!({
        "name": "packet", "prefix": "44", "credit": "0.002", "from": "2020-01-01T00:00:00Z",
        "until": "2100-01-01T00:00:00Z", "price": "0.001",
    });
    let give = |key: &str, body: &Value| {
        demo.rest.post("/api/v1/accounts/1/allowances", key, &body.to_string())
    };
    let mut both = body.clone();
    both["seconds"] = json!("5");
    let (status, said) = give("x", &both);
    assert_eq!((status, text(&said, "field")), (422, "credit"), "{said}");
    let (status, packet) = give("a", &body);
    assert_eq!((status, money(&packet["credit"])), (201, 200_000), "{packet}");
    assert_eq!((&packet["granted_ms"], money(&packet["credit_used"])), (&json!(0), 0));
    assert_eq!(demo.rest.balance(1), before - 100_000);
    let mut spent = 100_000;
    let mut used = 0;
    for (count, time) in [(1, 300), (2, 3_200), (3, 300)] {
        let call = ada.invite("44123").unwrap();
        call.wait_answer(SOON).unwrap();
        std::thread::sleep(Duration::from_millis(time));
        assert_eq!(call.bye().unwrap(), EndedBy::LocalBye);
        let cdr = demo.rest.cdrs(count).remove(count - 1);
        let gross = money(&cdr["customer"]["gross"]);
        let packet = &cdr["packet"];
        let paid = if packet.is_null() { 0 } else { money(&packet["gross"]) };
        assert!(gross > 0, "{cdr:#}");
        assert_eq!(paid, gross.min(200_000 - used), "{cdr:#}");
        (used, spent) = (used + paid, spent + gross - paid);
        assert_eq!(demo.rest.balance(1), before - spent);
        let list = demo.rest.list("/api/v1/accounts/1/allowances");
        assert_eq!(money(&list[0]["credit_used"]), used, "{list:#?}");
    }
    assert_eq!(used, 200_000);
    let cdr = demo.rest.cdrs(3).remove(0);
    let trace = demo.rest.get(&format!("/api/v1/cdrs/{}/trace", text(&cdr, "id"))).to_string();
    assert!(trace.contains("pays before the balance"), "{trace}");
    let entries = demo.rest.list("/api/v1/accounts/1/entries");
    let of = |kind: &str| -> i64 {
        entries.iter().filter(|e| e["kind"] == kind).map(|entry| money(&entry["amount"])).sum()
    };
    assert_eq!((of("packet"), of("fee")), (200_000, -100_000), "{entries:#?}");
    // The next life knows the same.
    demo.replace(demo.planes().controld);
    assert_eq!(demo.rest.balance(1), before - spent);
    let list = demo.rest.list("/api/v1/accounts/1/allowances");
    assert_eq!(money(&list[0]["credit_used"]), used, "{list:#?}");
    assert_tidy(&demo);
    drop(carrier);
    demo.stop();
}
