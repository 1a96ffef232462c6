//! A body that each endpoint takes.

use crate::world::PASSWORD;
use strowger_api::EndpointInfo;

/// A good body of an endpoint, about the subscriber `number` where it names one.
pub(crate) fn body(endpoint: &EndpointInfo, number: i64) -> String {
    let below = endpoint.path.trim_start_matches("/api/v1/");
    match (endpoint.method, below) {
        ("POST", "accounts/{id}/allowances") => {
            r#"{"name":"f","seconds":"9","from":"2020-01-01T00:00:00Z","until":"2100-01-01T00Z"}"#
                .to_owned()
        }
        ("POST", "accounts/{id}/payments" | "accounts/{id}/adjustments") => {
            r#"{"amount":"1.5","currency":"EUR","reason":"gift"}"#.to_owned()
        }
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
        ("PATCH", "users/{id}") => r#"{"display":"Zed"}"#.to_owned(),
        ("POST", "users/{id}/password") => r#"{"password":"battery staple"}"#.to_owned(),
        ("POST", "users/{id}/impersonations") => r#"{"reason":"he asked"}"#.to_owned(),
        (method, path) => panic!("no sample of a body for {method} {path}: write one here"),
    }
}

/// The version of everything that the tests change first.
pub(crate) const VERSION: &str = "\"1\"";
