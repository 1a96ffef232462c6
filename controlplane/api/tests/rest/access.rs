//! Who may: every endpoint with every state of the token.

use crate::client::{Response, ask, send};
use crate::rows::{OWNER, TENANT};
use crate::server::Server;
use strowger_api::{CallId, EndpointInfo, endpoints};

fn target(endpoint: &EndpointInfo) -> String {
    endpoint.path.replace("{id}", "1").replace("{login}", "1").replace("{number}", "1")
}

/// What every refusal of a token is, whatever was wrong with it.
fn check_unauthorized(response: &Response, what: &str) {
    assert_eq!(response.status, 401, "{what}");
    assert_eq!(response.header("www-authenticate"), Some("Bearer"), "{what}");
    assert_eq!(response.header("cache-control"), Some("no-store"), "{what}");
    let expect = r#"{"status":401,"title":"Unauthorized","type":"about:blank"}"#;
    assert_eq!(response.body, expect, "{what}");
}

#[test]
fn every_endpoint_with_every_state_of_the_token() {
    for endpoint in endpoints() {
        // One each: their wrong tokens together would be too many.
        let server = Server::start();
        let target = target(&endpoint);
        for (state, token, is_good) in
            [("none", None, false), ("wrong", Some("wrong"), false), ("good", Some(OWNER), true)]
        {
            let what = format!("{} {target}, {state} token", endpoint.method);
            let response = server.ask_well(&endpoint, token);
            if endpoint.path == "/api/v1/sessions" && endpoint.method == "POST" {
                // Who logs in here does so for another's sake: his token is not looked at.
                check_unauthorized(&response, &what);
            } else if is_good || endpoint.is_open_on_loopback {
                assert_ne!(response.status, 401, "{what}: {response:?}");
                assert_eq!(response.header("x-content-type-options"), Some("nosniff"), "{what}");
                assert_eq!(response.header("cache-control"), Some("no-store"), "{what}");
                assert_eq!(response.header("server"), None, "{what}");
            } else {
                check_unauthorized(&response, &what);
            }
        }
    }
}

#[test]
fn tokens_that_cannot_be_read_are_wrong() {
    let server = Server::start();
    for token in ["", " ", "\u{fc}", OWNER.to_uppercase().as_str(), "x".repeat(300).as_str()] {
        check_unauthorized(&server.ask("GET", "/api/v1/cdrs", Some(token)), token);
    }
    // A token in the query is never looked at.
    let query = format!("/api/v1/cdrs?access_token={OWNER}");
    check_unauthorized(&server.ask("GET", &query, None), "query");
    let refused = server.get(&query);
    assert_eq!((refused.status, refused.field().as_str()), (400, "access_token"));
    assert!(!refused.body.contains(OWNER));
}

#[test]
fn strangers_learn_nothing_of_paths_and_methods() {
    let server = Server::start();
    for (method, path) in [
        ("GET", "/api/v1"),
        ("GET", "/api/v1/"),
        ("GET", "/api/v1/nothing"),
        ("GET", "/api/v1/cdrs/"),
        ("GET", "/api/v1/cdrs/1/2"),
        ("POST", "/api/v1/cdrs"),
        ("OPTIONS", "/api/v1/cdrs"),
        ("GET", "/api/v1/calls/1/hangup"),
    ] {
        check_unauthorized(&server.ask(method, path, None), path);
    }
    for path in ["/", "/api", "/api/v1x", "/api/v2/cdrs", "/index.html", "//api/v1/cdrs"] {
        let response = server.ask("GET", path, None);
        assert_eq!(response.status, 404, "{path}");
        response.problem();
    }
}

#[test]
fn a_token_of_a_tenant_sees_its_tenant() {
    let server = Server::start();
    let get = |target: &str| server.ask("GET", target, Some(TENANT));
    for list in ["cdrs", "calls", "registrations", "subscribers", "trunks", "accounts"] {
        let items = get(&format!("/api/v1/{list}")).json()["items"].clone();
        let tenants: Vec<_> = items.as_array().unwrap().iter().map(|i| &i["tenant"]).collect();
        assert_eq!(tenants, ["2"], "{list}");
    }
    for list in ["cdrs", "calls", "subscribers", "trunks", "accounts"] {
        assert_eq!(get(&format!("/api/v1/{list}/2")).status, 200, "{list}");
        for id in ["1", "3", "4"] {
            let response = get(&format!("/api/v1/{list}/{id}"));
            assert_eq!(response.status, 404, "{list} {id}");
            response.problem();
        }
    }
    for below in ["balances", "holds", "entries"] {
        assert_eq!(get(&format!("/api/v1/accounts/2/{below}")).status, 200, "{below}");
        assert_eq!(get(&format!("/api/v1/accounts/1/{below}")).status, 404, "{below}");
    }
    let pay = |id: u8| {
        let target = format!("/api/v1/accounts/{id}/payments");
        let body = r#"{"amount":"1","currency":"EUR"}"#;
        let headers = [("Idempotency-Key", "k")];
        send((server.at, 1), "POST", &target, Some(TENANT), &headers, body).status
    };
    assert_eq!((pay(1), pay(2)), (404, 201));
    let hangup = |id: u8| {
        let path = format!("/api/v1/calls/{id}/hangup");
        server.ask("POST", &path, Some(TENANT)).status
    };
    assert_eq!(hangup(1), 404);
    assert_eq!(hangup(2), 202);
    let ended = server.live.ended.lock().unwrap().clone();
    assert_eq!(ended, [(CallId(2), "shop".to_owned())]);
}

#[test]
fn a_source_with_many_wrong_tokens_waits() {
    let server = Server::start();
    let try_from = |last: u8, token| ask(server.at, last, "GET", "/api/v1/cdrs", token);
    for n in 0..20 {
        check_unauthorized(&try_from(2, Some("wrong")), &format!("attempt {n}"));
    }
    for token in ["wrong", OWNER] {
        let response = try_from(2, Some(token));
        assert_eq!(response.status, 429);
        response.problem();
        let wait_s: u64 = response.header("retry-after").unwrap().parse().unwrap();
        assert!((1..=60).contains(&wait_s));
    }
    // Who shows no token guesses nothing; other sources go on.
    check_unauthorized(&try_from(2, None), "no token");
    assert_eq!(ask(server.at, 2, "GET", "/healthz", None).status, 200);
    assert_eq!(try_from(3, Some(OWNER)).status, 200);
}

#[test]
fn metrics_ask_for_a_token_unless_the_listener_is_local() {
    let local = Server::start();
    assert_eq!(local.ask("GET", "/metrics", None).status, 200);
    let open = Server::start_on("0.0.0.0:0");
    check_unauthorized(&open.ask("GET", "/metrics", None), "no token");
    check_unauthorized(&open.ask("GET", "/metrics", Some("wrong")), "wrong token");
    assert_eq!(open.ask("GET", "/metrics", Some(OWNER)).status, 200);
    assert_eq!(open.ask("GET", "/healthz", None).status, 200);
}
