//! Reasons of decisions, dry runs, and strangers.

use crate::client::{Response, send};
use crate::rows::{OWNER, TENANT};
use crate::server::Server;
use serde_json::{Value, json};

#[test]
fn a_record_says_why() {
    let server = Server::start();
    let step = |name: &str, value: u8| {
        let parameters = json!({name: value.to_string()});
        json!({"step": "step", "parameters": parameters, "sentence": format!("{name} {value}")})
    };
    let mut expect = json!({
        "call": "18446744073709551615", "cdr": "1", "decided": "2023-11-14T22:13:20.000001Z",
        "snapshot": "12", "decision": [step("byte", 1), step("byte", 200)],
        "afterwards": [step("hops", 1)],
        "headers": [{"name": "X-Route", "value": "7"}],
    });
    assert_eq!(server.get("/api/v1/cdrs/1/trace").json(), expect);
    expect["cdr"] = Value::Null;
    expect["afterwards"] = json!([]);
    assert_eq!(server.get("/api/v1/calls/18446744073709551615/trace").json(), expect);
    // A record whose reasons are gone, or of nobody, says what became of it all the same.
    let poor = server.get("/api/v1/cdrs/4/trace").json();
    assert_eq!((&poor["decided"], &poor["decision"]), (&Value::Null, &json!([])));
    assert_eq!(poor["afterwards"], json!([step("hops", 0)]));
    assert_eq!(server.get("/api/v1/calls/77/trace").status, 404);
    assert_eq!(server.get("/api/v1/cdrs/77/trace").status, 404);
}

#[test]
fn a_tenant_reads_its_own_reasons_only() {
    let server = Server::start();
    for (target, status) in [
        ("cdrs/1/trace", 404),
        ("cdrs/2/trace", 200),
        ("calls/1/trace", 404),
        ("calls/2/trace", 200),
    ] {
        let response = server.ask("GET", &format!("/api/v1/{target}"), Some(TENANT));
        assert_eq!(response.status, status, "{target}");
    }
    // Strangers belong to nobody but the host.
    let strangers = server.ask("GET", "/api/v1/statistics/strangers", Some(TENANT));
    assert_eq!(strangers.status, 403);
    let all = server.get("/api/v1/statistics/strangers?limit=2").json();
    let row = json!({
        "minute": "1970-01-01T00:01:00.000000Z", "source": "192.0.2.66", "challenged": 3,
        "refused": 1,
    });
    assert_eq!(all["items"], json!([row, row]));
}

#[test]
fn lines_of_the_log_are_the_hosts_and_found_by_level() {
    let server = Server::start();
    assert_eq!(server.ask("GET", "/api/v1/log-lines", Some(TENANT)).status, 403);
    let warned = json!({
        "at": "1970-01-01T00:00:03.000000Z", "level": "warn", "area": "strowger_controld",
        "text": "a name has no address name=\"x\"",
    });
    let all = server.get("/api/v1/log-lines?level=warn").json();
    assert_eq!(all["items"], json!([warned]));
    assert_eq!(
        server.get("/api/v1/log-lines?limit=9").json()["items"].as_array().unwrap().len(),
        2
    );
    assert_eq!(server.get("/api/v1/log-lines?level=loud").status, 400);
}

fn test_route(server: &Server, token: &str, body: &str) -> Response {
    send((server.at, 1), "POST", "/api/v1/route-tests", Some(token), &[], body)
}

#[test]
fn a_dry_run_is_shown_whole() {
    let server = Server::start();
    let body = r#"{"username":"1001","called":"4420","caller":"33","at":"2026-01-02T03:04:05Z"}"#;
    let shown = test_route(&server, OWNER, body).json();
    let price = json!({"amount": "0.060000000", "currency": "EUR"});
    let branch = json!({
        "trunk": "1", "subscriber": null, "name": "carrier", "dialled": "4420",
        "address": "192.0.2.1:5060", "caller": "33", "asserted": null, "anonymous": false,
        "ring_ms": 60_000, "headers": [{"name": "X-Route", "value": "a"}], "price": price,
        "supplier": "3",
    });
    let payer = json!({
        "account": "1", "name": "A1", "price": price, "tariff": null, "rate": "5",
        "step_ms": 1_000, "minimum_ms": 0,
    });
    let expect = json!({
        "at": "2026-01-02T03:04:05.000000Z", "covers": shown["covers"], "verdict": "go",
        "reason": null, "sip": null, "q850": null, "stages": [{"branches": [branch]}],
        "payers": [payer], "decision": [], "targets": [],
    });
    assert_eq!(shown, expect);
    assert!(shown["covers"].as_str().unwrap().contains("as it is now"));
    let refused = test_route(&server, OWNER, r#"{"subscriber":"1","called":"33"}"#).json();
    let outcome = ["verdict", "reason", "sip", "q850"].map(|name| refused[name].clone());
    assert_eq!(outcome, [json!("refuse"), json!("no-route"), json!(404), json!(3)]);
    let trunk = r#"{"trunk":"7","source":"192.0.2.7:5060","called":"44"}"#;
    assert_eq!(test_route(&server, OWNER, trunk).status, 200);
    assert_eq!(test_route(&server, TENANT, trunk).status, 422, "of another tenant");
}

#[test]
fn a_wrong_dry_run_names_the_member() {
    let server = Server::start();
    for (body, status, field) in [
        (r#"{"called":"1"}"#, 422, "username"),
        (r#"{"username":"1001"}"#, 400, "called"),
        (r#"{"username":"1001","called":""}"#, 400, "called"),
        (r#"{"username":"1001","called":"1","at":"soon"}"#, 400, "at"),
        (r#"{"username":"1001","subscriber":"1","called":"1"}"#, 422, "username"),
        (r#"{"username":"1001","trunk":"1","called":"1"}"#, 422, "trunk"),
        (r#"{"username":"1001","source":"1.2.3.4:5","called":"1"}"#, 422, "source"),
        (r#"{"trunk":"7","source":"here","called":"1"}"#, 422, "source"),
        (r#"{"subscriber":"x","called":"1"}"#, 400, "subscriber"),
        (r#"{"tenant":"x","username":"1001","called":"1"}"#, 400, "tenant"),
        (r#"{"username":"1009","called":"1"}"#, 422, "username"),
        (r#"{"subscriber":"2","called":"1"}"#, 422, "subscriber"),
        (r#"{"trunk":"dumb","called":"1"}"#, 422, "trunk"),
        (r#"{"tenant":"9","username":"1001","called":"1"}"#, 422, "tenant"),
        (r#"{"username":"1001","called":"1","when":"now"}"#, 400, "when"),
    ] {
        let response = test_route(&server, OWNER, body);
        assert_eq!((response.status, response.field().as_str()), (status, field), "{body}");
    }
    let long = format!(r#"{{"username":"1001","called":"{}"}}"#, "4".repeat(101));
    assert_eq!(test_route(&server, OWNER, &long).field(), "called");
}
