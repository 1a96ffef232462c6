//! The OpenAPI document is what the server does.

use crate::server::Server;
use serde_json::Value;
use std::collections::BTreeSet;
use strowger_api::endpoints;

/// Checks a JSON value against a schema of the document: the keywords that the document uses.
fn check(document: &Value, schema: &Value, value: &Value, at: &str) {
    if let Some(target) = schema["$ref"].as_str() {
        let target = document.pointer(target.trim_start_matches('#')).unwrap();
        return check(document, target, value, at);
    }
    if let Some(choices) = schema["anyOf"].as_array() {
        // The second choice is null.
        if !value.is_null() {
            check(document, &choices[0], value, at);
        }
        return;
    }
    match schema["type"].as_str() {
        Some("object") => check_object(document, schema, value, at),
        Some("array") => {
            for item in value.as_array().unwrap_or_else(|| panic!("{at} is no array")) {
                check(document, &schema["items"], item, &format!("{at}[]"));
            }
        }
        Some("string") => {
            let text = value.as_str().unwrap_or_else(|| panic!("{at} is no string: {value}"));
            if let Some(words) = schema["enum"].as_array() {
                assert!(words.contains(value), "{at} is {text}");
            }
            if schema["pattern"] == "^-?[0-9]{1,20}$" {
                assert!(text.parse::<i128>().is_ok(), "{at} is {text}");
            }
        }
        Some("integer") => assert!(value.is_u64() || value.is_i64(), "{at} is {value}"),
        Some("boolean") => assert!(value.is_boolean(), "{at} is {value}"),
        Some(_) | None => assert_eq!(schema["type"][1], "null", "{at}: {schema}"),
    }
}

fn check_object(document: &Value, schema: &Value, value: &Value, at: &str) {
    let members = value.as_object().unwrap_or_else(|| panic!("{at} is no object: {value}"));
    let Some(known) = schema["properties"].as_object() else { return };
    let names = |m: &serde_json::Map<String, Value>| m.keys().cloned().collect::<BTreeSet<_>>();
    assert_eq!(names(members), names(known), "{at}");
    for (name, member) in members {
        check(document, &known[name], member, &format!("{at}.{name}"));
    }
}

fn filled(path: &str) -> String {
    path.replace("{id}", "1")
        .replace("{name}", crate::sample::name_of(path))
        .replace("{login}", "1")
        .replace("{number}", "1")
}

#[test]
fn the_document_lists_exactly_the_paths_of_the_router() {
    let server = Server::start();
    let document = server.get("/api/v1/openapi.json").json();
    let paths = document["paths"].as_object().unwrap();
    let known: BTreeSet<_> = endpoints().map(|endpoint| endpoint.path).collect();
    assert_eq!(paths.keys().map(String::as_str).collect::<BTreeSet<_>>(), known);
    for (path, operations) in paths {
        // A parameter that nothing takes is refused before anything is done.
        let target = format!("{}?zz", filled(path));
        for method in ["get", "post", "put", "patch", "delete"] {
            let answer = server.ask(&method.to_uppercase(), &target, Some(crate::rows::OWNER));
            let is_listed = operations.get(method).is_some();
            assert_eq!(answer.status == 405, !is_listed, "{method} {path}: {answer:?}");
            assert_ne!(answer.status, 404, "{method} {path}");
        }
    }
    for endpoint in endpoints() {
        let operation = &paths[endpoint.path][endpoint.method.to_lowercase()];
        assert_eq!(operation["x-permission"].as_str(), endpoint.permission);
        assert_eq!(operation["summary"], endpoint.summary);
        assert_eq!(operation["requestBody"].is_object(), endpoint.takes_body);
        let parameters = operation["parameters"].as_array().unwrap();
        let has = |name: &str| parameters.iter().any(|p| p["name"] == name);
        assert_eq!(has("Idempotency-Key"), endpoint.takes_key, "{}", endpoint.path);
        assert_eq!(has("If-Match"), endpoint.needs_version, "{}", endpoint.path);
        let views = operation["x-views"].as_object().map_or(0, serde_json::Map::len);
        assert_eq!(views, endpoint.views.len(), "{}", endpoint.path);
    }
}

#[test]
fn answers_have_the_shape_that_the_document_says() {
    let server = Server::start();
    let document = server.get("/api/v1/openapi.json").json();
    for endpoint in endpoints() {
        let target = endpoint.path;
        let (server, answer) = crate::matrix::ask_as_owner(&endpoint);
        drop(server);
        let operation = &document["paths"][endpoint.path][endpoint.method.to_lowercase()];
        if [409, 412, 422].contains(&answer.status) {
            // The state of the world refuses: it has no second factor, or is another version.
            answer.problem();
            continue;
        }
        let response = &operation["responses"][answer.status.to_string()];
        assert!(response.is_object(), "{target}: {answer:?}");
        let Some(content) = response["content"].as_object() else {
            assert_eq!((answer.status, answer.body.as_str()), (204, ""), "{target}");
            continue;
        };
        let (media, response) = content.iter().next().unwrap();
        assert_eq!(answer.header("content-type"), Some(media.as_str()), "{target}");
        if media == "application/json" {
            check(&document, &response["schema"], &answer.json(), target);
        }
    }
    let refused = server.get("/api/v1/cdrs?limit=0").problem();
    let schema = &document["components"]["schemas"]["Problem"];
    check(&document, schema, &refused, "problem");
}

#[test]
fn parameters_of_the_document_are_taken() {
    let server = Server::start();
    let document = server.get("/api/v1/openapi.json").json();
    let mut checked = 0;
    for (path, operations) in document["paths"].as_object().unwrap() {
        let Some(parameters) = operations["get"]["parameters"].as_array() else { continue };
        for parameter in parameters.iter().filter(|p| p["in"] == "query") {
            let name = parameter["name"].as_str().unwrap();
            let target = filled(path);
            let refused = server.get(&format!("{target}?{name}=%20"));
            assert_eq!((refused.status, refused.field().as_str()), (400, name), "{path}");
            checked += 1;
        }
    }
    assert_eq!(checked, 239);
}
