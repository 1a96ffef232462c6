//! Statistics and replays, as each audience is told of them.

use crate::rows;
use crate::server::Server;
use crate::world::token;
use serde_json::{Value, json};
use strowger_model::Role;

fn items(server: &Server, role: Role, query: &str) -> Vec<Value> {
    let path = format!("/api/v1/statistics?{query}");
    let response = server.ask("GET", &path, Some(&token(role)));
    assert_eq!(response.status, 200, "{query}: {}", response.body);
    response.json()["items"].as_array().unwrap().clone()
}

#[test]
fn the_operator_is_told_costs_and_profit() {
    let server = Server::start_in_world("127.0.0.1:0");
    let all = items(&server, Role::Admin, "asrb_s=5");
    let [line] = &all[..] else { panic!("{all:#?}") };
    assert_eq!((&line["calls"], &line["answered"]), (&json!(3), &json!(3)));
    assert_eq!((&line["asr_ppm"], &line["asrb_ppm"]), (&json!(1_000_000), &json!(0)));
    assert_eq!((&line["acd_ms"], &line["act_ms"]), (&json!(1_000), &json!(2_000)));
    assert_eq!(line["minutes"], "0.050");
    let money = &line["money"][0];
    assert_eq!(money["customer"]["amount"], "1.66650000");
    assert_eq!(money["reseller"]["amount"], "1.33320000", "of the topmost one");
    assert_eq!(money["supplier"]["amount"], "1.99980000");
    assert_eq!(money["profit"]["amount"], "-0.33330000");
    let trunks = items(&server, Role::Admin, "by=egress,destination");
    let told: Vec<_> = trunks.iter().map(|t| (&t["egress"], &t["destination"])).collect();
    assert!(told.contains(&(&json!("7777"), &json!("44"))), "{told:?}");
}

#[test]
fn who_buys_is_told_of_his_own_and_never_of_suppliers() {
    let server = Server::start_in_world("127.0.0.1:0");
    for (role, calls) in [(Role::Reseller, 2), (Role::Customer, 1)] {
        let all = items(&server, role, "by=day");
        let sum: u64 = all.iter().map(|line| line["calls"].as_u64().unwrap()).sum();
        assert_eq!(sum, calls, "{role:?}");
        for line in &all {
            let text = line.to_string();
            assert!(line["paid"][0]["amount"].is_string() && !text.contains("supplier"), "{text}");
            assert!(!text.contains("7777"), "{text}");
        }
        let of_others = items(&server, role, "account=20");
        assert!(of_others.is_empty(), "{of_others:#?}");
        let response = server.ask("GET", "/api/v1/statistics?by=egress", Some(&token(role)));
        assert_eq!(response.status, 403, "{}", response.body);
    }
}

#[test]
fn questions_without_an_answer_are_refused_by_name() {
    let server = Server::start();
    for (query, status, field) in [
        ("by=sim", 422, "by"),
        ("by=day,hour", 422, "by"),
        ("by=destination,hour", 422, "by"),
        ("by=account,destination", 422, "by"),
        ("by=DAY", 422, "by"),
        ("asrb_s=7", 400, "asrb_s"),
        ("account=1&egress=1", 422, "egress"),
        ("from=2026-01-01T00:00:01Z&until=2026-01-02T00:00:00Z", 422, "from"),
        ("from=2024-01-01T00:00:00Z&until=2026-01-02T00:00:00Z", 422, "from"),
        ("by=destination&from=2026-01-01T00:15:00Z&until=2026-01-02T00:00:00Z", 422, "from"),
        ("next=x", 422, "next"),
    ] {
        let response = server.get(&format!("/api/v1/statistics?{query}"));
        assert_eq!(response.status, status, "{query}: {}", response.body);
        assert_eq!(response.json()["field"], field, "{query}");
    }
}

#[test]
fn pages_of_statistics_follow_each_other() {
    let server = Server::start_in_world("127.0.0.1:0");
    let first = server.get("/api/v1/statistics?by=account&limit=1");
    let whole = server.ask("GET", "/api/v1/statistics?by=account", Some(&token(Role::Owner)));
    assert_eq!(whole.json()["items"].as_array().unwrap().len(), 4, "{}", whole.body);
    assert_eq!(first.status, 401, "another world's token");
    let (mut seen, mut next) = (Vec::new(), String::new());
    loop {
        let path = format!("/api/v1/statistics?by=account&limit=1{next}");
        let page = server.ask("GET", &path, Some(&token(Role::Owner))).json();
        seen.extend(page["items"].as_array().unwrap().clone());
        match page["next"].as_str() {
            Some(cursor) => next = format!("&next={cursor}"),
            None => break,
        }
    }
    assert_eq!(json!(seen), whole.json()["items"]);
}

#[test]
fn a_replay_is_told_whole() {
    let server = Server::start();
    let told = server.get("/api/v1/replays/1").json();
    assert_eq!((&told["state"], &told["unknown"]), (&json!("done"), &json!(3)));
    let [line] = &told["destinations"].as_array().unwrap()[..] else { panic!("{told:#}") };
    assert_eq!((&line["destination"], &line["refused_changed"]), (&json!("44"), &json!(1)));
    let money = &line["money"][0];
    assert_eq!(money["now"]["profit"]["amount"], "0.00000006");
    assert_eq!(money["changed"]["profit"]["amount"], "0.00000002");
    assert_eq!(money["difference"]["amount"], "-0.00000004");
    assert_eq!(told["moves"], json!([{"from": "7", "to": "refused", "calls": 1}]));
    for (id, status) in [(9, 200), (1, 404)] {
        let path = format!("/api/v1/replays/{id}");
        let response = server.ask("GET", &path, Some(rows::TENANT));
        assert_eq!(response.status, status, "to tenant 2: {}", response.body);
    }
}

#[test]
fn a_change_that_does_not_fit_is_refused_by_name() {
    let server = Server::start();
    let post = |more: Value| {
        let mut body = json!({
            "tenant": "1", "from": "2026-01-01T00:00:00Z", "until": "2026-01-02T00:00:00Z",
        });
        body.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        let headers = [];
        let text = body.to_string();
        let at = (server.at, 1);
        crate::client::send(at, "POST", "/api/v1/replays", Some(rows::OWNER), &headers, &text)
    };
    let row = |resource: &str, id: &str, set: Value| {
        let row = json!({"resource": resource, "id": id, "set": set});
        json!({ "rows": [row] })
    };
    for (more, status, field) in [
        (json!({}), 202, ""),
        (row("trunks", "1", json!({"enabled": false})), 202, ""),
        (row("routes", "999", json!({})), 422, "rows"),
        (row("users", "1", json!({})), 400, "rows"),
        (row("trunks", "1", json!({"enabled": 7})), 400, "rows"),
        (json!({"rows": {}}), 400, "rows"),
        (json!({"tariffs": [{"tariff": "1"}]}), 400, "tariffs"),
        (json!({"tariffs": [{"tariff": "1", "revision": 0}]}), 400, "tariffs"),
        (json!({"tariffs": [{"tariff": "1", "revision": 1.5}]}), 400, "tariffs"),
        (json!({"tariffs": [{"tariff": "1", "revision": 1, "else": 1}]}), 400, "tariffs"),
        (json!({"tariffs": [{"tariff": "1", "revision": 5_000_000_000u64}]}), 422, "tariffs"),
        (json!({"tariffs": [{"tariff": "1", "revision": 99}]}), 422, "tariffs"),
        (json!({"until": "2025-01-01T00:00:00Z"}), 422, "until"),
        (json!({"tenant": "77"}), 422, "tenant"),
        (json!({"else": 1}), 400, "else"),
    ] {
        let response = post(more.clone());
        assert_eq!(response.status, status, "{more}: {}", response.body);
        if status >= 400 {
            assert_eq!(response.json()["field"], field, "{more}");
        }
    }
}
