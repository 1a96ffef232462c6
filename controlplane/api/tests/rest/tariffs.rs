//! Prices by revisions: drafts take rows, are published, looked up, compared and undone.

use crate::client::{Response, send};
use crate::rows::{OWNER, TENANT};
use crate::server::Server;
use crate::world::NOW_US;
use serde_json::{Value, json};
use std::sync::atomic::Ordering;

const CSV: (&str, &str) = ("Content-Type", "text/csv");

fn post(server: &Server, path: &str, body: &Value) -> Response {
    send((server.at, 1), "POST", &format!("/api/v1/{path}"), Some(OWNER), &[], &body.to_string())
}

fn csv(server: &Server, path: &str, body: &str) -> Response {
    send((server.at, 1), "POST", &format!("/api/v1/{path}"), Some(OWNER), &[CSV], body)
}

fn get(server: &Server, path: &str) -> Value {
    let response = server.get(&format!("/api/v1/{path}"));
    assert_eq!(response.status, 200, "{path}: {response:?}");
    response.json()
}

/// A tariff with one published revision: 44 at 0.05, 447 at 0.10, 1 at 0.01.
fn published(server: &Server) -> String {
    let body = json!({"tenant": "1", "name": "retail", "currency": "EUR", "kind": "customer"});
    let tariff = post(server, "tariffs", &body);
    assert_eq!(tariff.status, 201, "{tariff:?}");
    let own = format!("tariffs/{}", tariff.json()["id"].as_str().unwrap());
    begun(server, &own, 1);
    let text = "prefix,price,step_ms\r\n44,0.05,60000\r\n447,0.10,\r\n1,0.01,\r\n";
    let added = csv(server, &format!("{own}/revisions/1/rates"), text);
    assert_eq!((added.status, &added.json()["count"]), (201, &json!(3)), "{added:?}");
    let done = post(server, &format!("{own}/revisions/1/publish"), &json!({}));
    assert_eq!((done.status, &done.json()["state"]), (200, &json!("published")), "{done:?}");
    own
}

fn begun(server: &Server, own: &str, number: u32) {
    let draft = post(server, &format!("{own}/revisions"), &json!({"note": "spring"}));
    assert_eq!((draft.status, &draft.json()["number"]), (201, &json!(number)), "{draft:?}");
    assert_eq!(draft.json()["state"], "draft");
}

/// Prefix and price of each row of a list.
fn told(list: &Value) -> Vec<(String, String)> {
    let row = |row: &Value| {
        let text = |value: &Value| value.as_str().unwrap_or("none").to_owned();
        (text(&row["prefix"]), text(&row["price"]["amount"]))
    };
    list["items"].as_array().unwrap().iter().map(row).collect()
}

fn priced(server: &Server, own: &str, number: &str, at: &str) -> Option<String> {
    let found = get(server, &format!("{own}/rates?number={number}{at}"));
    told(&found).into_iter().next().map(|(prefix, price)| format!("{prefix} {price}"))
}

#[test]
fn prices_come_into_force_by_revisions_and_go_by_undoing_them() {
    let server = Server::start();
    let own = published(&server);
    let price = |number: &str, at: &str| priced(&server, &own, number, at);
    assert_eq!(price("4420", ""), Some("44 0.050000000".to_owned()));
    assert_eq!(price("44791", ""), Some("447 0.100000000".to_owned()));
    assert_eq!(price("49", ""), None);
    begun(&server, &own, 2);
    let rows = json!([
        {"prefix": "44", "price": {"amount": "0.06", "currency": "EUR"}, "step_ms": 60000},
        {"prefix": "447", "removed": true},
        {"prefix": "1", "price": {"amount": "0.01"}},
        {"prefix": "49", "price": {"amount": "0.02"}, "connection_fee": {"amount": "0.10"}},
    ]);
    let second = format!("{own}/revisions/2");
    assert_eq!(post(&server, &format!("{second}/rates"), &rows).status, 201);
    assert_eq!(price("4420", ""), Some("44 0.050000000".to_owned()), "a draft does not count");
    let differences = get(&server, &format!("{second}/differences"));
    let count = |name: &str| differences[name].as_u64().unwrap();
    assert_eq!(["added", "changed", "removed", "unchanged"].map(count), [1, 1, 1, 1]);
    let changed = &differences["rows"]["items"][0];
    assert_eq!(changed["difference"], "changed");
    assert_eq!(changed["old_price"]["amount"], "0.050000000");
    assert_eq!(changed["new_price"]["amount"], "0.060000000");
    let first = get(&server, &format!("{second}/differences?limit=2"));
    let next = first["rows"]["next"].as_str().unwrap();
    let rest = get(&server, &format!("{second}/differences?limit=2&next={next}"));
    assert_eq!(
        (&rest["rows"]["items"][0]["prefix"], &rest["rows"]["next"]),
        (&json!("49"), &Value::Null)
    );
    // From later on.
    let later = json!({"effective": "2023-11-14T23:00:00Z"});
    let done = post(&server, &format!("{second}/publish"), &later);
    assert_eq!(
        (done.status, &done.json()["effective"]),
        (200, &json!("2023-11-14T23:00:00.000000Z"))
    );
    let at = "&at=2023-11-14T23:00:00Z";
    assert_eq!(price("4420", ""), Some("44 0.050000000".to_owned()));
    assert_eq!(price("4420", at), Some("44 0.060000000".to_owned()));
    assert_eq!(price("44791", at), Some("44 0.060000000".to_owned()), "447 is removed");
    assert_eq!(price("49", at), Some("49 0.020000000".to_owned()));
    let prefixes = |at: &str| {
        let list = get(&server, &format!("{own}/rates{at}"));
        told(&list).into_iter().map(|(prefix, _)| prefix).collect::<Vec<_>>()
    };
    assert_eq!(prefixes("?at=2023-11-14T23:00:00Z"), ["1", "44", "49"]);
    assert_eq!(prefixes(""), ["1", "1", "44", "44", "447", "49"]);
    // A published revision takes no rows, is not published again, and can be undone once.
    let refused = post(&server, &format!("{second}/rates"), &rows);
    assert_eq!((refused.status, refused.field().as_str()), (409, "state"));
    assert_eq!(post(&server, &format!("{second}/publish"), &json!({})).status, 409);
    let undone = post(&server, &format!("{second}/undo"), &Value::Null);
    assert_eq!(undone.status, 400, "it takes no body");
    let undo =
        || send((server.at, 1), "POST", &format!("/api/v1/{second}/undo"), Some(OWNER), &[], "");
    assert_eq!((undo().status, undo().status), (200, 409));
    assert_eq!(price("4420", at), Some("44 0.050000000".to_owned()));
    assert_eq!(price("49", at), None);
}

#[test]
fn pages_of_prices_and_rows_follow_each_other() {
    let server = Server::start();
    let own = published(&server);
    for (path, limit) in [("rates", 1), ("rates", 2), ("revisions/1/rates", 2)] {
        let whole = told(&get(&server, &format!("{own}/{path}")));
        assert_eq!(whole.len(), 3);
        let (mut all, mut next) = (Vec::new(), String::new());
        loop {
            let page = get(&server, &format!("{own}/{path}?limit={limit}{next}"));
            all.extend(told(&page));
            let Some(cursor) = page["next"].as_str() else { break };
            next = format!("&next={cursor}");
        }
        assert_eq!(all, whole, "{path}");
    }
}

#[test]
fn a_wrong_row_is_named_and_nothing_is_added() {
    let server = Server::start();
    let rates = "tariffs/1/revisions/1/rates";
    let good = json!({"prefix": "44", "price": {"amount": "0.05"}});
    for (row, status, field) in [
        (json!({"price": {"amount": "1"}}), 400, "[1].prefix"),
        (json!({"prefix": "45"}), 422, "[1].price"),
        (json!({"prefix": "x", "price": {"amount": "1"}}), 400, "[1].prefix"),
        (json!({"prefix": "45", "price": {"amount": "-1"}}), 422, "[1].price.amount"),
        (
            json!({"prefix": "45", "price": {"amount": "1", "currency": "USD"}}),
            422,
            "[1].price.currency",
        ),
        (json!({"prefix": "45", "price": {"amount": "1"}, "step_ms": 0}), 400, "[1].step_ms"),
        (json!({"prefix": "45", "price": {"amount": "1"}, "colour": 1}), 400, "[1].colour"),
        (
            json!({"prefix": "45", "price": {"amount": "1"}, "until": "1960-01-01T00:00:00Z"}),
            422,
            "[1].until",
        ),
        (good.clone(), 422, "[1].prefix"),
        (json!(7), 400, "[1]"),
    ] {
        let refused = post(&server, rates, &json!([good, row]));
        assert_eq!((refused.status, refused.field().as_str()), (status, field), "{row}");
    }
    for (text, field) in [
        ("\n", "line 1"),
        ("prefix,colour\n", "line 1"),
        ("prefix,price\n44,0.05\n45,x\n", "line 3.price.amount"),
        ("prefix,price\n44,0.05\n44,0.06\n", "line 3.prefix"),
        ("prefix,price,step_ms\n44,0.05,1.5\n", "line 2.step_ms"),
        ("prefix,price\n", "body"),
    ] {
        let refused = csv(&server, rates, text);
        assert_eq!((refused.status, refused.field().as_str()), (422, field), "{text:?}");
    }
    assert_eq!(post(&server, rates, &json!({})).field(), "body");
    let media = [("Content-Type", "text/plain")];
    let target = format!("/api/v1/{rates}");
    let refused = send((server.at, 1), "POST", &target, Some(OWNER), &media, "prefix\n");
    assert_eq!(refused.status, 415);
    assert_eq!(get(&server, rates)["items"], json!([]));
    let past = json!({"effective": "2020-01-01T00:00:00Z"});
    let refused = post(&server, "tariffs/1/revisions/1/publish", &past);
    assert_eq!((refused.status, refused.field().as_str()), (422, "effective"));
}

#[test]
fn a_revision_that_would_break_the_world_is_refused_naming_the_row() {
    let server = Server::start();
    let refused = post(&server, "tariffs/1/revisions/2/publish", &json!({}));
    let problem = refused.problem();
    assert_eq!((refused.status, &problem["field"]), (422, &json!("rates")));
    let detail = problem["detail"].as_str().unwrap();
    assert!(detail.contains("rate 7") && detail.contains("4420"), "{detail}");
    assert_eq!(get(&server, "tariffs/1/revisions/2")["state"], "draft");
}

#[test]
fn a_hundred_thousand_rows_go_in_at_once_and_no_more() {
    let server = Server::start();
    let rates = "tariffs/1/revisions/1/rates";
    let file = |count: u32| {
        let lines = (0..count).map(|n| format!("{},0.0{}\n", 1_000_000 + n, 1 + n % 9));
        format!("prefix,price\n{}", lines.collect::<String>())
    };
    let refused = csv(&server, rates, &file(100_001));
    assert_eq!((refused.status, refused.field().as_str()), (422, "line 100002"));
    let added = csv(&server, rates, &file(100_000));
    assert_eq!((added.status, &added.json()["count"]), (201, &json!(100_000)), "{added:?}");
    let done = post(&server, "tariffs/1/revisions/1/publish", &json!({}));
    assert_eq!(done.status, 200, "{done:?}");
    assert_eq!(
        priced(&server, "tariffs/1", "10999995", ""),
        Some("1099999 0.010000000".to_owned())
    );
    assert_eq!(get(&server, "tariffs/1/rates?limit=1000")["items"].as_array().unwrap().len(), 1000);
}

#[test]
fn changes_are_logged_and_what_was_charged_stays() {
    let server = Server::start();
    let own = published(&server);
    let id = own.split('/').next_back().unwrap();
    let log = get(&server, &format!("changes?resource=tariff-revisions&id={id}"));
    let states: Vec<_> = log["items"]
        .as_array()
        .unwrap()
        .iter()
        .map(|c| c["after"]["state"].as_str().unwrap().to_owned())
        .collect();
    assert_eq!(states, ["published", "draft", "draft"]);
    assert_eq!(log["items"][1]["after"]["rows"], 3);
    let target = format!("/api/v1/{own}");
    let version = server.get(&target).header("etag").unwrap().to_owned();
    let headers = [("If-Match", version.as_str())];
    let refused = send((server.at, 1), "DELETE", &target, Some(OWNER), &headers, "");
    assert_eq!(refused.status, 409, "{refused:?}");
    // Another tenant sees none of it.
    let other =
        |path: &str| server.ask("GET", &format!("/api/v1/{own}{path}"), Some(TENANT)).status;
    assert_eq!(["", "/rates", "/revisions", "/revisions/1"].map(other), [404; 4]);
    server.now_us.store(NOW_US + 1, Ordering::Relaxed);
    let missing = post(&server, &format!("{own}/revisions/9/publish"), &json!({}));
    assert_eq!(missing.status, 404);
}

#[test]
fn a_prefix_has_a_price_for_each_class_of_times() {
    let server = Server::start();
    let own = published(&server);
    begun(&server, &own, 2);
    let rows = format!("{own}/revisions/2/rates");
    let text = "prefix,class,digits_min,digits_max,price\n44,peak,,,0.09\n\
        44,fri 18:00-mon 06:00,,,0.02\n44,,3,3,0.30\n";
    let added = csv(&server, &rows, text);
    assert_eq!((added.status, &added.json()["count"]), (201, &json!(3)), "{added:?}");
    let wrong = |body: &str, expect: &str| {
        let refused = csv(&server, &rows, body);
        assert_eq!(refused.status, 422, "{refused:?}");
        assert!(refused.body.contains(expect), "{refused:?}");
    };
    wrong("prefix,class,price\n44,lunch,1\n", "line 2.class");
    wrong("prefix,class,price\n44,peak,1\n44,peak,2\n", "line 3.prefix");
    wrong("prefix,digits_min,digits_max,price\n44,5,4,1\n", "digits_max");
    let changes = get(&server, &format!("{own}/revisions/2/differences"));
    assert_eq!((&changes["added"], &changes["changed"]), (&json!(3), &json!(0)));
    let done = post(&server, &format!("{own}/revisions/2/publish"), &json!({}));
    assert_eq!(done.status, 200, "{done:?}");
    let prices = |number: &str| {
        let found = get(&server, &format!("{own}/rates?number={number}"));
        let row = |row: &Value| format!("{} {}", row["class"], row["price"]["amount"]);
        let mut all: Vec<String> = found["items"].as_array().unwrap().iter().map(row).collect();
        all.sort();
        all
    };
    let of_any = [
        r#""all" "0.050000000""#,
        r#""fri 18:00-mon 06:00" "0.020000000""#,
        r#""peak" "0.090000000""#,
    ];
    assert_eq!(prices("4420"), of_any);
    assert_eq!(prices("442").len(), 4);
    // One of them is taken away, the others stay.
    begun(&server, &own, 3);
    let gone =
        csv(&server, &format!("{own}/revisions/3/rates"), "prefix,class,removed\n44,peak,1\n");
    assert_eq!(gone.status, 201, "{gone:?}");
    let done = post(&server, &format!("{own}/revisions/3/publish"), &json!({}));
    assert_eq!(done.status, 200, "{done:?}");
    assert_eq!(prices("4420"), of_any[..2]);
}

#[test]
fn a_draft_begins_like_another_list_times_a_factor() {
    let server = Server::start();
    let retail = published(&server);
    let like = retail.trim_start_matches("tariffs/");
    let made = |currency: &str| {
        let body = json!({"tenant": "1", "name": "N", "currency": currency, "kind": "customer"});
        let made = post(&server, "tariffs", &body).json();
        format!("tariffs/{}", made["id"].as_str().unwrap())
    };
    let own = made("EUR");
    let draft = post(&server, &format!("{own}/revisions"), &json!({"like": like, "factor": "1.1"}));
    assert_eq!((draft.status, &draft.json()["state"]), (201, &json!("draft")), "{draft:?}");
    let rows = told(&get(&server, &format!("{own}/revisions/1/rates")));
    let price = |prefix: &str| rows.iter().find(|row| row.0 == prefix).unwrap().1.clone();
    assert_eq!(rows.len(), 3);
    assert_eq!((price("44"), price("447")), ("0.055000000".into(), "0.110000000".into()));
    assert_eq!(priced(&server, &own, "44123", ""), None, "nothing counts yet");
    assert_eq!(post(&server, &format!("{own}/revisions/1/publish"), &json!({})).status, 200);
    assert_eq!(priced(&server, &own, "44123", "").as_deref(), Some("44 0.055000000"));
    // A step of billing goes with its price.
    let steps = get(&server, &format!("{own}/rates?number=44123"));
    assert_eq!(steps["items"][0]["step_ms"], 60_000);
    for (body, currency, status, field) in [
        (json!({"like": "999"}), "EUR", 422, "like"),
        (json!({"like": like}), "USD", 422, "like"),
        (json!({"factor": "2"}), "EUR", 422, "factor"),
        (json!({"like": like, "factor": "0"}), "EUR", 422, "factor"),
        (json!({"like": like, "factor": "x"}), "EUR", 400, "factor"),
        (json!({"like": 7}), "EUR", 400, "like"),
    ] {
        let own = made(currency);
        let said = post(&server, &format!("{own}/revisions"), &body);
        assert_eq!((said.status, said.field().as_str()), (status, field), "{body}: {said:?}");
        assert!(get(&server, &format!("{own}/revisions"))["items"].as_array().unwrap().is_empty());
    }
}
