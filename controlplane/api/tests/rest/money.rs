//! Money over REST: what is taken, what is refused, and that a key counts once.

use crate::client::send;
use crate::rows::OWNER;
use crate::server::Server;
use crate::world::token;
use serde_json::{Value, json};
use strowger_model::Role;

const PAYMENTS: &str = "/api/v1/accounts/1/payments";
const ADJUSTMENTS: &str = "/api/v1/accounts/1/adjustments";

#[test]
fn a_key_counts_once_and_is_answered_as_the_first_time() {
    let server = Server::start();
    let body = r#"{"amount":"12.34","currency":"EUR"}"#;
    let first = server.pay(PAYMENTS, "k-1", body);
    assert_eq!(first.status, 201, "{first:?}");
    let expect = json!({
        "id": "1", "account": "1", "kind": "payment", "from": null, "reason": "",
        "amount": {"amount": "12.34000000", "currency": "EUR"},
        "at": "2023-11-14T22:13:20.000000Z",
    });
    assert_eq!(first.json(), expect);
    // Written otherwise, it is the same.
    let again =
        server.pay(PAYMENTS, "k-1", r#" {"reason":"", "currency":"EUR","amount":"12.340"}"#);
    assert_eq!((again.status, again.json()), (201, expect));
    for (target, body) in [
        (PAYMENTS, r#"{"amount":"12.35","currency":"EUR"}"#),
        (PAYMENTS, r#"{"amount":"12.34","currency":"EUR","reason":"x"}"#),
        (ADJUSTMENTS, r#"{"amount":"12.34","currency":"EUR","reason":"x"}"#),
    ] {
        let other = server.pay(target, "k-1", body);
        assert_eq!((other.status, other.field().as_str()), (422, "Idempotency-Key"), "{body}");
    }
    // Keys belong to an account.
    assert_eq!(server.pay("/api/v1/accounts/3/payments", "k-1", body).status, 201);
    let moved = server.live.moved.lock().unwrap();
    let actors: Vec<_> = moved.iter().map(|done| done.money.actor.as_str()).collect();
    assert_eq!(actors, ["admin", "admin"]);
}

#[test]
fn what_cannot_be_is_refused_by_its_name() {
    let server = Server::start();
    let eur = |amount: &str| format!(r#"{{"amount":"{amount}","currency":"EUR","reason":"r"}}"#);
    for (target, body, status, field) in [
        (PAYMENTS, eur("0"), 422, "amount"),
        (PAYMENTS, eur("-1"), 400, "amount"),
        (PAYMENTS, eur("1e3"), 400, "amount"),
        (PAYMENTS, eur("1,5"), 400, "amount"),
        (PAYMENTS, eur("0.000000001"), 422, "amount"),
        (PAYMENTS, eur("99999999999999999999"), 400, "amount"),
        (PAYMENTS, eur(&"1".repeat(40)), 400, "amount"),
        (PAYMENTS, r#"{"amount":1,"currency":"EUR"}"#.into(), 400, "amount"),
        (PAYMENTS, r#"{"currency":"EUR"}"#.into(), 400, "amount"),
        (PAYMENTS, r#"{"amount":"1"}"#.into(), 400, "currency"),
        (PAYMENTS, r#"{"amount":"1","currency":"USD"}"#.into(), 422, "currency"),
        (PAYMENTS, r#"{"amount":"1","currency":"EUR","balance":"9"}"#.into(), 400, "balance"),
        (PAYMENTS, String::new(), 400, "body"),
        (PAYMENTS, "[]".into(), 400, "body"),
        (ADJUSTMENTS, eur("0"), 422, "amount"),
        (ADJUSTMENTS, eur("-92233720368.54775808"), 422, "amount"),
        (ADJUSTMENTS, r#"{"amount":"1","currency":"EUR"}"#.into(), 400, "reason"),
        (ADJUSTMENTS, r#"{"amount":"1","currency":"EUR","reason":" "}"#.into(), 400, "reason"),
        (ADJUSTMENTS, r#"{"amount":"1","currency":"EUR","reason":"\u0000"}"#.into(), 400, "reason"),
        // Below the floor.
        (ADJUSTMENTS, eur("-10.00000001"), 422, "amount"),
    ] {
        let response = server.pay(target, "k", &body);
        assert_eq!((response.status, response.field().as_str()), (status, field), "{body}");
    }
    let long = format!(r#"{{"amount":"1","currency":"EUR","reason":"{}"}}"#, "ü".repeat(501));
    assert_eq!(server.pay(PAYMENTS, "k", &long).field(), "reason");
    assert!(server.live.moved.lock().unwrap().is_empty());
    // The key was not used up by any of these.
    assert_eq!(server.pay(ADJUSTMENTS, "k", &eur("-10")).status, 201);
}

#[test]
fn without_one_good_key_no_money_moves() {
    let server = Server::start();
    let body = r#"{"amount":"1","currency":"EUR"}"#;
    let long = "k".repeat(129);
    let (one, two) = (("Idempotency-Key", "a"), ("Idempotency-Key", "b"));
    for headers in [
        &[][..],
        &[one, two],
        &[("Idempotency-Key", "")],
        &[("Idempotency-Key", "\u{fc}")],
        &[("Idempotency-Key", long.as_str())],
    ] {
        let response = send((server.at, 1), "POST", PAYMENTS, Some(OWNER), headers, body);
        assert_eq!(response.status, 400, "{headers:?}");
        assert_eq!(response.field(), "Idempotency-Key", "{headers:?}");
    }
    let nobody = server.pay("/api/v1/accounts/99/payments", "k", body);
    assert_eq!(nobody.status, 404);
    assert!(server.live.moved.lock().unwrap().is_empty());
    server.live.is_dead.store(true, std::sync::atomic::Ordering::Relaxed);
    assert_eq!(server.pay(PAYMENTS, "k", body).status, 503);
}

#[test]
fn balances_holds_and_entries_are_shown() {
    let server = Server::start();
    let eur = |amount: &str| json!({"amount": amount, "currency": "EUR"});
    let balances = server.get("/api/v1/accounts/1/balances").json();
    let expect = json!({"items": [{
        "balance": eur("10.00000000"), "held": eur("0.00000250"),
        "available": eur("9.99999750"), "floor": eur("0.00000000"),
    }], "next": null});
    assert_eq!(balances, expect);
    let page = server.get("/api/v1/accounts/1/holds?limit=1").json();
    let expect = json!([{
        "call": "1", "amount": eur("0.00000235"), "granted_ms": 60_000, "last": true,
        "answered": true,
    }]);
    assert_eq!(page["items"], expect);
    let next = page["next"].as_str().unwrap();
    let page = server.get(&format!("/api/v1/accounts/1/holds?next={next}")).json();
    assert_eq!(
        (&page["items"][0]["call"], &page["next"]),
        (&json!(u64::MAX.to_string()), &json!(null))
    );
    assert_eq!(page["items"][0]["granted_ms"], json!(null));
    // The sample's batch charged the account.
    let page = server.get("/api/v1/accounts/1/entries?limit=1").json();
    let entry = &page["items"][0];
    assert_eq!((&entry["kind"], &entry["batch"]), (&json!("vat"), &json!("1")), "{page:#}");
    assert_eq!((&entry["request"], &entry["reason"]), (&json!(null), &json!(null)));
    let mut seen = vec![entry["id"].clone()];
    let mut next = page["next"].as_str().map(str::to_owned);
    while let Some(cursor) = next {
        let target = format!("/api/v1/accounts/1/entries?limit=1&next={cursor}");
        let page = server.get(&target).json();
        seen.push(page["items"][0]["id"].clone());
        next = page["next"].as_str().map(str::to_owned);
    }
    let whole = server.get("/api/v1/accounts/1/entries").json()["items"].clone();
    let ids: Vec<_> = whole.as_array().unwrap().iter().map(|e| e["id"].clone()).collect();
    assert_eq!(seen, ids);
}

#[test]
fn free_time_is_given_once_for_each_key_and_listed() {
    let server = Server::start();
    let target = "/api/v1/accounts/1/allowances";
    let body = |change: (&str, &str)| {
        let mut members = json!({
            "name": "Bundle", "prefix": "44", "seconds": "600",
            "from": "2023-11-14T22:13:20Z", "until": "2023-12-14T22:13:20+00:00",
        });
        members[change.0] = json!(change.1);
        members.to_string()
    };
    let usual = body(("name", "Bundle"));
    let first = server.pay(target, "k", &usual);
    let expect = json!({
        "id": "1", "account": "1", "name": "Bundle", "prefix": "44",
        "granted_ms": 600_000, "used_ms": 0, "reserved_ms": 0,
        "credit": null, "credit_used": null,
        "from": "2023-11-14T22:13:20.000000Z", "until": "2023-12-14T22:13:20.000000Z",
        "renew_days": 0, "renew_until": null, "price": null, "vat_ppm": 0,
    });
    assert_eq!((first.status, first.json()), (201, expect.clone()));
    assert_eq!(server.pay(target, "k", &usual).json(), expect);
    let other = server.pay(target, "k", &body(("seconds", "601")));
    assert_eq!((other.status, other.field().as_str()), (422, "Idempotency-Key"));
    for (field, value) in [
        ("seconds", "0"),
        ("seconds", "-1"),
        ("seconds", "1.5"),
        ("seconds", "4294967296"),
        ("prefix", "+44"),
        ("from", "now"),
        ("until", "2023-11-14T22:13:20Z"),
        ("name", "\u{1}"),
        ("minutes", "1"),
    ] {
        let response = server.pay(target, "x", &body((field, value)));
        let status = if value.starts_with("2023") { 422 } else { 400 };
        assert_eq!((response.status, response.field().as_str()), (status, field), "{value}");
    }
    assert_eq!(server.pay("/api/v1/accounts/99/allowances", "k", &usual).status, 404);
    let given = server.live.given.lock().unwrap();
    assert_eq!((given.len(), given[0].actor.as_str()), (1, "admin"));
    drop(given);
    // Two in the sample; the till knows one of them.
    let page = server.get(&format!("{target}?limit=1")).json();
    let expect = json!([{
        "id": "1", "account": "1", "name": "A", "prefix": "",
        "granted_ms": 120_000, "used_ms": 1_500, "reserved_ms": 60_000,
        "credit": null, "credit_used": null,
        "from": "1970-01-01T00:00:00.000000Z", "until": "2023-11-14T22:13:20.000000Z",
        "renew_days": 0, "renew_until": null, "price": null, "vat_ppm": 0,
    }]);
    assert_eq!(page["items"], expect, "{page:#}");
    let next = page["next"].as_str().unwrap();
    let page = server.get(&format!("{target}?next={next}")).json();
    let second = &page["items"][0];
    assert_eq!((&second["id"], &second["prefix"]), (&json!("2"), &json!("44")), "{page:#}");
    assert_eq!(page["next"], json!(null));
}

#[test]
fn free_time_that_renews_says_how_often_and_how_long() {
    let server = Server::start();
    let target = "/api/v1/accounts/1/allowances";
    let renewed = |days: &str, until: &str| {
        let members = json!({
            "name": "Bundle", "seconds": "600", "from": "2023-11-14T22:13:20Z",
            "until": "2023-12-14T22:13:20Z", "renew_days": days, "renew_until": until,
        });
        members.to_string()
    };
    for (status, field, days, until) in [
        (400, "renew_days", "0", "2024-12-14T22:13:20Z"),
        (422, "renew_days", "367", "2024-12-14T22:13:20Z"),
        (422, "renew_until", "30", ""),
        (422, "renew_until", "30", "2023-12-14T22:13:20Z"),
        (422, "renew_days", "", "2024-12-14T22:13:20Z"),
    ] {
        let response = server.pay(target, "r", &renewed(days, until));
        let is = (response.status, response.field());
        assert_eq!((is.0, is.1.as_str()), (status, field), "{days} {until}");
    }
    let given = server.pay(target, "r", &renewed("30", "2024-12-14T22:13:20Z"));
    assert_eq!(given.status, 201);
    let (days, until) = (&given.json()["renew_days"], &given.json()["renew_until"]);
    assert_eq!((days, until), (&json!(30), &json!("2024-12-14T22:13:20.000000Z")));
}

#[test]
fn free_time_is_bought_once() {
    let server = Server::start();
    let target = "/api/v1/accounts/1/allowances";
    let bought = |more: Value| {
        let mut members = json!({
            "name": "Packet", "seconds": "600", "from": "2023-11-14T22:13:20Z",
            "until": "2023-12-14T22:13:20Z",
        });
        for (name, value) in more.as_object().unwrap() {
            members[name] = value.clone();
        }
        members.to_string()
    };
    for (status, field, more) in [
        (400, "price", json!({"price": "-1"})),
        (400, "price", json!({"price": "1,5"})),
        (422, "price", json!({"price": "0"})),
        (422, "price", json!({"price": "0.000000001"})),
        (422, "vat_ppm", json!({"vat_ppm": "190000"})),
        (400, "vat_ppm", json!({"price": "1", "vat_ppm": "0"})),
        (422, "vat_ppm", json!({"price": "1", "vat_ppm": "1000001"})),
    ] {
        let response = server.pay(target, "p", &bought(more.clone()));
        assert_eq!((response.status, response.field().as_str()), (status, field), "{more}");
    }
    // A packet of money has no seconds, and either of both it has.
    let sent = |more: Value| {
        let mut members: Value = serde_json::from_str(&bought(more)).unwrap();
        members.as_object_mut().unwrap().retain(|_, value| !value.is_null());
        members.to_string()
    };
    let none = server.pay(target, "m", &sent(json!({"seconds": null})));
    assert_eq!((none.status, none.field().as_str()), (422, "seconds"));
    let both = server.pay(target, "m", &sent(json!({"credit": "5"})));
    assert_eq!((both.status, both.field().as_str()), (422, "credit"));
    let wrong = server.pay(target, "m", &sent(json!({"seconds": null, "credit": "0"})));
    assert_eq!((wrong.status, wrong.field().as_str()), (422, "credit"));
    let money = json!({
        "seconds": null, "credit": "12", "price": "10", "renew_days": "30",
        "renew_until": "2024-12-14T22:13:20Z",
    });
    let money = server.pay(target, "m", &sent(money)).json();
    let credit = json!({"amount": "12.00000000", "currency": "EUR"});
    assert_eq!((&money["credit"], &money["granted_ms"]), (&credit, &json!(0)), "{money}");
    assert_eq!(money["credit_used"]["amount"], "0.00000000");
    let packet = bought(json!({"price": "11.9", "vat_ppm": "190000"}));
    let first = server.pay(target, "p", &packet);
    assert_eq!(first.status, 201, "{first:?}");
    let price = json!({"amount": "11.90000000", "currency": "EUR"});
    assert_eq!((&first.json()["price"], &first.json()["vat_ppm"]), (&price, &json!(190_000)));
    assert_eq!(server.pay(target, "p", &packet).json(), first.json());
    let other = server.pay(target, "p", &bought(json!({"price": "11.8", "vat_ppm": "190000"})));
    assert_eq!((other.status, other.field().as_str()), (422, "Idempotency-Key"));
}

/// Changes a row with the session of a role.
fn change(server: &Server, role: Role, target: &str, body: &Value) -> (u16, String) {
    let (token, from) = (token(role), (server.at, 1));
    let seen = send(from, "GET", target, Some(&token), &[], "");
    let version = seen.header("etag").unwrap().to_owned();
    let headers = [("If-Match", version.as_str())];
    let said = send(from, "PATCH", target, Some(&token), &headers, &body.to_string());
    let is_done = said.status == 200;
    (said.status, if is_done { String::new() } else { said.field() })
}

#[test]
fn who_resells_decides_neither_what_he_owes_nor_what_credit_is_worth() {
    let server = Server::start_in_world("127.0.0.1:0");
    let (own, below) = ("/api/v1/accounts/10", "/api/v1/accounts/11");
    let done = || (200, String::new());
    let refused = |field: &str| (422, field.to_owned());
    let as_admin = |target: &str, body: Value| change(&server, Role::Admin, target, &body);
    let as_reseller = |target: &str, body: Value| change(&server, Role::Reseller, target, &body);
    let agent = || json!({"agent": "10", "commission_bp": 100});
    let free = json!({
        "name": "free", "seconds": "60", "from": "2020-01-01T00:00:00Z",
        "until": "2100-01-01T00:00:00Z",
    });
    let give = |key: &str| {
        let headers = [("Idempotency-Key", key)];
        let (token, target) = (token(Role::Reseller), format!("{below}/allowances"));
        send((server.at, 1), "POST", &target, Some(&token), &headers, &free.to_string()).status
    };
    // Without an account that resells it is the tenant who would pay an agent.
    assert_eq!(as_reseller(below, agent()), refused("agent"));
    assert_eq!(as_admin(own, json!({"resells": true})), done());
    for (name, value) in [
        ("resells", json!(false)),
        ("resells_early", json!(true)),
        ("reduction_bp", json!(10_000)),
        ("discounts", json!([{"prefix": "", "share_bp": 10_000}])),
        ("floor", json!({"amount": "-1000", "currency": "EUR"})),
        ("agent", json!("11")),
    ] {
        assert_eq!(as_reseller(own, json!({name: value})), refused(name));
    }
    assert_eq!(as_reseller(own, json!({"name": "mine"})), done());
    let reseller = token(Role::Reseller);
    let seen = send((server.at, 1), "GET", own, Some(&reseller), &[], "");
    let headers = [("If-Match", seen.header("etag").unwrap())];
    assert_eq!(send((server.at, 1), "DELETE", own, Some(&reseller), &headers, "").status, 403);
    // Late, all below is his to set: he pays by the call.
    assert_eq!(as_reseller(below, json!({"reduction_bp": 500})), done());
    assert_eq!(as_reseller(below, agent()), done());
    assert_eq!(give("a"), 201);
    // Early, he has paid for credit and not for what would make it more.
    assert_eq!(as_admin(own, json!({"resells_early": true})), done());
    assert_eq!(as_reseller(below, json!({"reduction_bp": 600})), refused("reduction_bp"));
    let discounts = json!([{"prefix": "", "share_bp": 10_000}]);
    assert_eq!(as_reseller(below, json!({"discounts": discounts})), refused("discounts"));
    assert_eq!(as_reseller(below, json!({"commission_bp": 200})), refused("agent"));
    assert_eq!(as_reseller(below, json!({"name": "his", "reduction_bp": 0})), done());
    assert_eq!(give("b"), 403);
    assert_eq!(as_admin(below, json!({"reduction_bp": 600})), done());
    // What cannot be.
    assert_eq!(as_admin(below, json!({"resells_early": true})), refused("resells_early"));
    for wrong in ["11", "30", "77777"] {
        assert_eq!(as_admin(below, json!({"agent": wrong})), refused("agent"), "{wrong}");
    }
}
