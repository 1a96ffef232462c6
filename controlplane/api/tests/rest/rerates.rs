//! Runs that rate records again: asked for once, refused by name, written into the change log.

use crate::client::{Response, send};
use crate::rows::OWNER;
use crate::server::Server;
use serde_json::{Value, json};

const RUNS: &str = "/api/v1/rerates";

fn body(more: &Value) -> String {
    let mut body = json!({
        "tenant": "1", "from": "2020-01-01T00:00:00Z", "until": "2020-02-01T00:00:00Z",
        "reason": "a wrong price",
    });
    let members = more.as_object().unwrap().clone();
    body.as_object_mut().unwrap().extend(members);
    body.to_string()
}

fn post(server: &Server, target: &str, body: &str) -> Response {
    send((server.at, 1), "POST", target, Some(OWNER), &[], body)
}

#[test]
fn a_key_begins_one_run() {
    let server = Server::start();
    let first = server.pay(RUNS, "k", &body(&json!({"account": "1", "kind": "customer"})));
    assert_eq!(first.status, 201, "{first:?}");
    let run = first.json();
    assert_eq!((&run["state"], &run["lines"]), (&json!("preparing"), &json!(0)), "{run}");
    assert_eq!((&run["account"], &run["kind"]), (&json!("1"), &json!("customer")), "{run}");
    assert!(run["mode"].is_null() && run["published"].is_null(), "{run}");
    let again = server.pay(RUNS, "k", &body(&json!({"kind": "customer", "account": "1"})));
    assert_eq!((again.status, again.json()), (201, run.clone()));
    let other = server.pay(RUNS, "k", &body(&json!({"account": "1"})));
    assert_eq!((other.status, other.field().as_str()), (422, "Idempotency-Key"));
    let own = format!("{RUNS}/{}", run["id"].as_str().unwrap());
    assert_eq!(server.get(&own).json(), run);
    assert_eq!(server.get(RUNS).json()["items"], json!([run]));
    for list in ["sums", "lines"] {
        assert_eq!(server.get(&format!("{own}/{list}")).json()["items"], json!([]));
    }
    // It is not prepared: nobody publishes it. It can be discarded, once.
    let published = post(&server, &format!("{own}/publish"), r#"{"mode":"money"}"#);
    assert_eq!((published.status, published.field().as_str()), (409, "state"));
    let discarded = post(&server, &format!("{own}/discard"), "");
    assert_eq!((discarded.status, &discarded.json()["state"]), (202, &json!("discarded")));
    assert_eq!(post(&server, &format!("{own}/discard"), "").status, 409);
    let log = server.get("/api/v1/changes?resource=rerates").json();
    let states: Vec<&Value> =
        log["items"].as_array().unwrap().iter().map(|entry| &entry["after"]["state"]).collect();
    assert_eq!(states, [&json!("discarded"), &json!("preparing")]);
}

#[test]
fn what_cannot_be_rated_again_is_refused_by_its_name() {
    let server = Server::start();
    for (more, status, field) in [
        (json!({"until": "2019-01-01T00:00:00Z"}), 422, "until"),
        (json!({"until": "2021-02-01T00:00:00Z"}), 422, "until"),
        (json!({"from": "2023-11-01T00:00:00Z", "until": "2023-12-01T00:00:00Z"}), 422, "until"),
        (json!({"from": "yesterday"}), 400, "from"),
        (json!({"account": "99"}), 422, "account"),
        (json!({"trunk": "99"}), 422, "trunk"),
        (json!({"tariff": "99"}), 422, "tariff"),
        (json!({"new_tariff": "99"}), 422, "new_tariff"),
        (json!({"tenant": "99"}), 422, "tenant"),
        (json!({"kind": "gift"}), 400, "kind"),
        (json!({"reason": " "}), 400, "reason"),
        (json!({"mode": "money"}), 400, "mode"),
    ] {
        let response = server.pay(RUNS, "k", &body(&more));
        assert_eq!((response.status, response.field().as_str()), (status, field), "{more}");
    }
    for number in 0..16 {
        let key = format!("k{number}");
        assert_eq!(server.pay(RUNS, &key, &body(&json!({}))).status, 201);
    }
    let one_more = server.pay(RUNS, "one more", &body(&json!({})));
    assert_eq!((one_more.status, one_more.field().as_str()), (409, "tenant"));
}
