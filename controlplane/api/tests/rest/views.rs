//! What is shown, whole.

use crate::sample::name_of;
use crate::server::Server;
use serde_json::{Value, json};
use strowger_api::{CallId, endpoints};

#[test]
fn no_secret_is_ever_shown() {
    let server = Server::start();
    let mut shown = 0;
    for endpoint in endpoints().filter(|endpoint| endpoint.method == "GET") {
        let target = endpoint
            .path
            .replace("{id}", "1")
            .replace("{name}", name_of(endpoint.path))
            .replace("{login}", "1")
            .replace("{number}", "1");
        let body = server.get(&target).body.to_lowercase();
        assert!(!body.contains("ha1"), "{target}");
        assert!(!body.contains("5e5e5e"), "{target}");
        assert!(!body.contains(&strowger_api::token_hash(crate::rows::OWNER)), "{target}");
        shown += body.len();
    }
    assert!(shown > 10_000);
}

#[test]
fn a_record_shows_all_its_fields() {
    let server = Server::start();
    let expect: Value = serde_json::from_str(include_str!("cdr.json")).unwrap();
    assert_eq!(server.get("/api/v1/cdrs/1").json(), expect);
    let poor = server.get("/api/v1/cdrs/4").json();
    assert_eq!(poor["tenant"], json!(null));
    let outcome = json!({
        "party": "unknown", "reason": "code-200", "sip": null, "q850": null, "code": 4000
    });
    assert_eq!(poor["outcome"], outcome);
    assert_eq!(poor["unpriced"], true);
}

#[test]
fn a_subscriber_and_a_trunk_are_shown() {
    let server = Server::start();
    let open = || json!({"all": false, "allowed": [], "blocked": []});
    let subscriber = json!({
        "id": "1", "tenant": "1", "account": "1", "organization": "1", "username": "1001",
        "numbers": ["491001", "491002"], "short": "11", "display": "Zoë \"Z\"",
        "digest": "sha256-only", "ring_timeout_ms": 20_000, "calls_max": 2, "enabled": true,
        "expires_ms_min": 60_000, "expires_ms_max": 3_600_000, "contacts_max": 5,
        "identity": {"cli": "hide", "number": null, "any_number": false},
        "barring": open(), "forwards": [],
    });
    assert_eq!(server.get("/api/v1/subscribers/1").json(), subscriber);
    let edit = |add: &str| {
        json!({
            "remove": [], "remove_length_min": 0, "remove_length_max": 255, "add_length_min": 0,
            "add_length_below": 255, "if_begins": [], "if_not_begins": [], "remove_then": "",
            "add": add,
        })
    };
    let dialog = json!({
        "timer": null, "session_ms": null, "session_ms_min": null, "session_ms_max": null,
        "reliable": null, "media": null, "codecs": null, "one_codec": null, "g711": null,
        "srtp": null, "strict_media": false, "end_false_answer": false, "progress": null,
        "bodies": null,
    });
    let none = json!({"minutes_min": 0, "minutes_desired": 0, "minutes_max": 0});
    let egress = json!({
        "targets": ["192.0.2.1:5060", "[2001:db8::1]:5060"], "transport": "udp",
        "listener": null, "allow_private": false, "account": "1", "tariff": null,
        "called": edit("9"),
        "caller": edit(""),
        "calls_max": 10, "calls_reserved": 0, "cps_max": 5,
        "commitment": {"day": none, "month": none}, "precedence": null,
        "test_prefix": null, "test_only": false, "probe_ms": 0,
        "ring_timeout_ms": 30_000, "first_timeout_ms": 4000,
        "q": 1000, "identity": "asserted", "trusted": true, "caller_number": null,
        "from_host": null, "barring": open(), "partners": [],
        "continue_on": [], "stop_on": [], "causes": [],
        "reason": false, "identity_number": null, "forward_headers": "as-set",
        "sent_to": "routed", "sent_request": "routed", "user_phone": "never",
        "pass_headers": false, "header_rules": [],
        "dialog": dialog, "pass_digest": false,
    });
    let trunk = json!({
        "id": "1", "tenant": "1", "organization": "1", "name": "carrier 1", "enabled": true,
        "ingress": {
            "sources": [
                {"network": "192.0.2.0/24", "port": null},
                {"network": "2001:db8::1/128", "port": 5060},
            ],
            "hosts": [], "credentials": null, "auth": "either", "users": [],
            "by_number": false,
            "account": "1", "tech_prefix": "123",
            "called": edit(""), "calls_max": 0, "cps_max": 0, "trusted": true,
            "barring": open(), "causes": [], "reason": false, "listeners": [],
            "called_from": "auto", "header_rules": [],
            "dialog": dialog, "operation": null,
        },
        "egress": egress,
    });
    assert_eq!(server.get("/api/v1/trunks/1").json(), trunk);
}

#[test]
fn a_login_and_a_host_show_how_they_stand_in_words() {
    let server = Server::start();
    let since = "2023-11-14T22:13:20.000000Z";
    let expect = json!([
        {
            "login": "5", "username": "us", "state": "refused", "since": since, "expires": null,
            "next_attempt": "2023-11-14T22:14:20.000000Z", "cause": "wrong-password",
            "status": 401,
            "reason": "the registrar does not accept the password or the user name (401)",
        },
        {
            "login": "6", "username": "us", "state": "registered", "since": since,
            "expires": "2023-11-14T22:23:20.000000Z", "next_attempt": null, "cause": null,
            "status": 200, "reason": "",
        },
    ]);
    assert_eq!(server.get("/api/v1/trunks/1/registrations").json()["items"], expect);
    let expect = json!([{
        "name": "sip.example", "addresses": ["192.0.2.1", "2001:db8::1"], "confirmed": since,
        "failure": "no such host",
    }]);
    assert_eq!(server.get("/api/v1/trunks/1/hosts").json()["items"], expect);
    let expect = json!([{"direction": "4420", "failures": 5, "tries": 2, "next_attempt": since}]);
    assert_eq!(server.get("/api/v1/trunks/1/failures").json()["items"], expect);
    for none in ["/api/v1/trunks/99/registrations", "/api/v1/trunks/99/hosts"] {
        assert_eq!(server.get(none).status, 404, "{none}");
    }
}

/// What the till alone knows.
const UNKNOWN: [&str; 8] = [
    "balance",
    "held",
    "available",
    "calls",
    "day_spent",
    "month_spent",
    "day_limit",
    "month_limit",
];

#[test]
fn an_account_shows_what_the_till_says() {
    let server = Server::start();
    let eur = |amount: &str| json!({"amount": amount, "currency": "EUR"});
    let mut expect = json!({
        "id": "1", "tenant": "1", "organization": "1", "name": "A1", "currency": "EUR",
        "prepaid": true, "floor": eur("0.00000000"), "tariff": null, "calls_max": 2, "cps_max": 0,
        "day_max": null, "month_max": eur("50.00000000"),
        "month_grows_by": null, "month_grows_to": null, "month_grows_since": null,
        "discounts": [], "reduction_bp": 0, "resells": false, "resells_early": false,
        "agent": null, "commission_bp": 0, "commission_of_profit": false,
        "partners": [], "barring": {"all": false, "allowed": [], "blocked": []},
        "enabled": true, "go_on_without_control": false, "balance": eur("10.00000000"),
        "held": eur("0.00000250"), "available": eur("9.99999750"), "calls": 2,
        "day_spent": eur("0.00000007"), "month_spent": eur("0.00000070"),
        "day_limit": null, "month_limit": eur("0.00000700"),
    });
    assert_eq!(server.get("/api/v1/accounts/1").json(), expect);
    let items = server.get("/api/v1/accounts").json()["items"].clone();
    assert_eq!(items[0], expect);
    // The till does not know the second.
    for (name, value) in [("id", json!("2")), ("tenant", json!("2")), ("organization", json!("2"))]
        .into_iter()
        .chain([("name", json!("A2"))])
        .chain(UNKNOWN.map(|name| (name, json!(null))))
    {
        expect[name] = value;
    }
    assert_eq!(items[1], expect);
}

#[test]
fn a_call_is_shown_and_ended() {
    let server = Server::start();
    let expect = json!({
        "id": "1", "cdr": "77", "tenant": "1", "state": "speaking", "account": "1",
        "subscriber": "1", "trunk": null, "caller": "491001", "called": "0044123",
        "started": "2023-11-14T22:13:20.000001Z", "answered": "2023-11-14T22:13:25.000000Z",
        "caller_media": null, "called_media": null, "mos_hundredths": null, "audio": null,
        "false_answer": null,
    });
    assert_eq!(server.get("/api/v1/calls/1").json(), expect);
    let hangup = server.ask("POST", "/api/v1/calls/1/hangup", Some(crate::rows::OWNER));
    assert_eq!((hangup.status, hangup.json()), (202, json!({"id": "1"})));
    let ended = server.live.ended.lock().unwrap().clone();
    assert_eq!(ended, [(CallId(1), "admin".to_owned())]);
}

#[test]
fn how_a_call_sounds_is_shown_and_found() {
    let server = Server::start();
    let held = server.get("/api/v1/calls/18446744073709551615").json();
    let record = server.get("/api/v1/cdrs/1").json();
    assert_eq!(held["caller_media"], record["caller_media"], "as in the record");
    assert_eq!(held["called_media"]["mos_hundredths"], 290);
    assert_eq!((&held["mos_hundredths"], &held["audio"]), (&json!(290), &json!("bad")));
    assert_eq!(held["false_answer"], "rings-on");
    let worse = |below: u16| {
        let answer = server.get(&format!("/api/v1/calls?mos_below={below}")).json();
        answer["items"].as_array().unwrap().len()
    };
    assert_eq!((worse(291), worse(290)), (1, 0));
}

#[test]
fn a_registration_is_shown() {
    let server = Server::start();
    let items = server.get("/api/v1/registrations").json()["items"].clone();
    let expect = json!({
        "tenant": "1", "subscriber": "1", "username": "1001", "contact": "sip:a@192.0.2.7",
        "instance": null, "reg_id": null, "sip_call_id": "c@phone", "cseq": 4, "q": 1000,
        "user_agent": "Phone/1", "path": ["<sip:edge;lr>"], "listener": 0,
        "source": "192.0.2.7:5062", "transport": "udp", "target": "192.0.2.8:5060",
        "nated": true, "kept_alive": false, "reachable": true,
        "refreshed": "2023-11-14T22:13:20.000000Z", "expires": "2023-11-14T22:14:20.000000Z",
    });
    assert_eq!(items[0], expect);
}

#[test]
fn contacts_of_a_trunk_are_shown() {
    let server = Server::start();
    let expect = json!([{
        "contact": "sip:pbx@192.0.2.7", "instance": null, "q": 1000, "user_agent": "Phone/1",
        "path": ["<sip:edge;lr>"], "listener": 0, "source": "192.0.2.7:5062", "transport": "udp",
        "target": "192.0.2.8:5060", "nated": true, "kept_alive": false, "reachable": false,
        "refreshed": "2023-11-14T22:13:20.000000Z", "expires": "2023-11-14T22:14:20.000000Z",
    }]);
    assert_eq!(server.get("/api/v1/trunks/1/contacts").json()["items"], expect);
    assert_eq!(server.get("/api/v1/trunks/99/contacts").status, 404);
}
