//! A body that each endpoint takes.

use crate::world::PASSWORD;
use serde_json::{Value, json};
use strowger_api::EndpointInfo;

/// A good body of an endpoint, about the subscriber `number` where it names one.
pub(crate) fn body(endpoint: &EndpointInfo, number: i64) -> String {
    let below = endpoint.path.trim_start_matches("/api/v1/");
    match (endpoint.method, below) {
        ("POST", "accounts/{id}/allowances") => {
            let (from, until) = ("2020-01-01T00:00:00Z", "2100-01-01T00:00:00Z");
            format!(r#"{{"name":"f","seconds":"9","from":"{from}","until":"{until}"}}"#)
        }
        ("POST", "accounts/{id}/payments" | "accounts/{id}/adjustments") => {
            r#"{"amount":"1.5","currency":"EUR","reason":"gift"}"#.to_owned()
        }
        ("POST", "rerates") => {
            let (from, until) = ("2020-01-01T00:00:00Z", "2020-02-01T00:00:00Z");
            format!(r#"{{"tenant":"1","from":"{from}","until":"{until}","reason":"r"}}"#)
        }
        ("POST", "rerates/{id}/publish") => r#"{"mode":"money"}"#.to_owned(),
        ("POST", "sessions") => {
            format!(r#"{{"realm":"t1.example","name":"u10","password":"{PASSWORD}"}}"#)
        }
        ("POST", "me/password") => {
            format!(r#"{{"password":"{PASSWORD}","new":"battery staple"}}"#)
        }
        ("POST", "me/totp" | "me/totp/removals") => format!(r#"{{"password":"{PASSWORD}"}}"#),
        ("POST", "me/totp/confirmations") => r#"{"code":"123456"}"#.to_owned(),
        ("POST", "users") => {
            let tenant = if number == 30 { 2 } else { 1 };
            format!(
                r#"{{"name":"new{number}","role":"subscriber","tenant":"{tenant}",
                "subscriber":"{number}"}}"#
            )
        }
        ("POST", "tokens") => {
            let tenant = if number == 30 { 2 } else { 1 };
            format!(
                r#"{{"name":"new","role":"subscriber","tenant":"{tenant}",
                "subscriber":"{number}"}}"#
            )
        }
        ("POST", "tariffs/{id}/imports") => DECK.to_owned(),
        ("POST", "imports/{id}/mapping" | "imports/{id}/publish") => "{}".to_owned(),
        ("POST", "route-tests") => r#"{"username":"1001","called":"44123"}"#.to_owned(),
        ("PATCH", "users/{id}") => r#"{"display":"Zed"}"#.to_owned(),
        ("POST", "users/{id}/password") => r#"{"password":"battery staple"}"#.to_owned(),
        ("POST", "users/{id}/impersonations") => r#"{"reason":"he asked"}"#.to_owned(),
        (method, path) => configured(method, path, number),
    }
}

fn priced(path: &str) -> Value {
    match path.starts_with("price-rules") {
        true => json!({"tenant": "1", "name": "N", "called": ["44"]}),
        false => json!({
            "tenant": "1", "currency": "USD", "rate": "0.92", "from": "2026-01-01T00:00:00Z",
        }),
    }
}

/// Rows of the host.
fn of_host(path: &str) -> Value {
    if path == "bans" {
        return json!({"network": "203.0.113.0/24"});
    }
    json!({"purpose": "accounting", "name": "AAA", "address": "192.0.2.9:1813", "secret": "s"})
}

fn copied(path: &str, n: &str) -> Value {
    let member = if path.starts_with("subscribers") { "username" } else { "name" };
    json!({"name": "copies", "items": [{member: format!("copy{n}")}]})
}

/// A good body of an endpoint of the configuration, about what has this number.
fn configured(method: &str, path: &str, number: i64) -> String {
    let tenant = if number == 30 { 2 } else { 1 };
    let n = number.to_string();
    let own = json!({"tenant": tenant.to_string(), "organization": n});
    let with = |more: Value| {
        let mut body = own.clone();
        let members = more.as_object().unwrap().clone();
        body.as_object_mut().unwrap().extend(members);
        body
    };
    let body = match (method, path.trim_end_matches("/bulk")) {
        ("PATCH", _) | ("POST", "subscribers/{id}/credentials") => json!({}),
        ("POST", path) if path.ends_with("/copies") => copied(path, &n),
        ("POST", "tenants") => json!({"name": "N", "realm": "n.example", "currency": "EUR"}),
        ("POST", "organizations") => {
            json!({"tenant": own["tenant"], "parent": n, "kind": "company", "name": "N"})
        }
        ("POST", "accounts") => with(json!({"name": "N", "currency": "EUR"})),
        ("POST", "subscribers") => with(json!({"account": n, "username": format!("new{n}")})),
        ("POST", "trunks") => with(json!({"name": format!("new{n}")})),
        ("POST", "trunks/{id}/logins") => json!({"username": "us", "password": "theirs"}),
        ("POST", "ring-groups") => with(json!({"account": n, "name": format!("new{n}")})),
        ("POST", "dids/reserve") => json!({"organization": n}),
        ("POST", "dids") => with(json!({"number": format!("77{n}"), "subscriber": n})),
        ("POST", "phonebook") => json!({"tenant": "1", "subscriber": "10", "number": "4477"}),
        ("POST", "routes") => json!({"tenant": "1", "prefix": "4"}),
        ("POST", "destinations") => json!({"tenant": "1", "prefix": "4", "name": "N"}),
        ("POST", "emergency-numbers") => {
            json!({"tenant": "1", "number": "112", "trunks": ["10"]})
        }
        ("POST", "tariffs") => {
            json!({"tenant": "1", "name": "N", "kind": "customer", "currency": "EUR"})
        }
        ("POST", "tariffs/{id}/revisions" | "tariffs/{id}/revisions/{number}/publish") => json!({}),
        ("POST", "tariffs/{id}/revisions/{number}/rates") => {
            json!([{"prefix": "44", "price": {"amount": "0.05"}}])
        }
        ("POST", "settings") => {
            json!({"tenant": "1", "category": "call", "name": "reasons", "value": "false"})
        }
        ("POST", "holidays") => {
            json!({"tenant": "1", "name": "N", "from": "2026-12-25", "until": "2026-12-26"})
        }
        ("POST", "exchange-rates" | "price-rules") => priced(path),
        ("POST", "ported-numbers/replace" | "ported-numbers/add") => {
            return "40721000001,99\n".to_owned();
        }
        (
            "POST",
            "number-lists/{id}/replace" | "number-lists/{id}/add" | "number-lists/{id}/remove",
        ) => return "4420\n".to_owned(),
        ("POST", "number-lists") => {
            json!({"tenant": "1", "name": "L", "side": "called", "effect": "deny"})
        }
        ("POST", "rules") => {
            json!({"tenant": "1", "name": "R", "stage": "known", "condition": "account == 1"})
        }
        ("POST", "caller-rules") => json!({"tenant": "1", "prefix": "4477"}),
        ("POST", "replays") => json!({
            "tenant": "1", "from": "2026-01-01T00:00:00Z", "until": "2026-01-02T00:00:00Z",
        }),
        ("POST", "bans" | "radius-servers") => of_host(path),
        (method, path) => panic!("no sample of a body for {method} {path}: write one here"),
    };
    match path.ends_with("/bulk") {
        true => json!({"name": "spring", "items": [body]}).to_string(),
        false => body.to_string(),
    }
}

/// A supplier's file.
pub(crate) const DECK: &str = "code;price\n49;0,01\n";

/// The media type of a body, where it is not the usual one of its method.
pub(crate) fn media(endpoint: &EndpointInfo) -> Option<&'static str> {
    let usual = ["application/json", "application/merge-patch+json"];
    let is_usual = endpoint.media.iter().any(|media| usual.contains(media));
    endpoint.media.first().copied().filter(|_| endpoint.takes_body && !is_usual)
}

/// The version of everything that the tests change first.
pub(crate) const VERSION: &str = "\"1\"";

/// The word that stands for `{name}` in a path.
pub(crate) fn name_of(path: &str) -> &'static str {
    match path {
        "/api/v1/setting-definitions/{name}" => "call.ring_ms",
        "/api/v1/source-settings/{name}" => "ringtimeout",
        _ => "owner",
    }
}
