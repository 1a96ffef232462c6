//! The document and the server agree on every patch: what the document forbids is refused, and what
//! it allows is never called a wrong form. What is tried is made of the document.

use super::{made, members, patch, patch_of, resolved, resources};
use crate::server::Server;
use serde_json::{Map, Value, json};

/// The choices of a schema, references followed.
fn choices<'d>(document: &'d Value, schema: &'d Value) -> Vec<&'d Value> {
    match schema["anyOf"].as_array() {
        Some(all) => all.iter().flat_map(|one| choices(document, one)).collect(),
        None => vec![resolved(document, schema)],
    }
}

/// Whether a schema of no choices takes values of this type.
fn is_of(schema: &Value, name: &str) -> bool {
    schema["type"] == name
        || schema["type"].as_array().is_some_and(|all| all.contains(&json!(name)))
}

/// Values that a schema forbids, whatever patterns say.
fn forbidden(document: &Value, schema: &Value) -> Vec<Value> {
    let all = choices(document, schema);
    let takes = |name: &str| all.iter().any(|one| is_of(one, name));
    let of_types = [
        ("null", Value::Null),
        ("boolean", json!(true)),
        ("integer", json!(7)),
        ("string", json!("zz")),
        ("array", json!([])),
        ("object", json!({"zz": 1})),
    ];
    let mut bad: Vec<Value> =
        of_types.into_iter().filter(|(name, _)| !takes(name)).map(|(_, value)| value).collect();
    if takes("integer") {
        bad.push(json!(7.5));
    }
    let said: Vec<&&Value> = all.iter().filter(|one| !is_of(one, "null")).collect();
    let [one] = said.as_slice() else { return bad };
    bad.extend(one["minimum"].as_i64().and_then(|least| least.checked_sub(1)).map(Value::from));
    bad.extend(one["maximum"].as_i64().and_then(|most| most.checked_add(1)).map(Value::from));
    if let (Some(step @ 2..), Some(least)) = (one["multipleOf"].as_i64(), one["minimum"].as_i64()) {
        bad.push(json!(least + step - 1));
    }
    if one["enum"].is_array() {
        bad.push(json!("no-such-word"));
    }
    if one["minLength"].as_u64().is_some_and(|least| least > 0) {
        bad.push(json!(""));
    }
    if let Some(most) = one["maxLength"].as_u64() {
        bad.push(json!("a".repeat(usize::try_from(most).unwrap() + 1)));
    }
    if is_of(one, "object") {
        assert_eq!(one["additionalProperties"], false, "{one}");
        bad.extend([json!({"zz": 1}), json!({"zz": null})]);
    }
    if is_of(one, "array") {
        bad.extend(forbidden(document, &one["items"]).into_iter().map(|item| json!([item])));
    }
    bad
}

/// Values that a schema allows, as far as they can be told without its patterns.
fn allowed(document: &Value, schema: &Value) -> Vec<Value> {
    let all = choices(document, schema);
    let mut good = Vec::new();
    for one in all {
        if is_of(one, "null") {
            good.push(Value::Null);
        }
        if is_of(one, "boolean") {
            good.extend([json!(true), json!(false)]);
        }
        if is_of(one, "integer") {
            good.extend(["minimum", "maximum"].map(|name| one[name].clone()));
        }
        if let Some(words) = one["enum"].as_array() {
            good.extend(words.iter().cloned());
        } else if is_of(one, "string") && one["pattern"].is_null() && one["format"].is_null() {
            let bound = |name: &str, other: u64| one[name].as_u64().unwrap_or(other);
            let len = |chars: u64| json!("b".repeat(usize::try_from(chars).unwrap()));
            good.extend([len(bound("minLength", 0)), len(bound("maxLength", 9))]);
        }
        if is_of(one, "array") && one["minItems"].as_u64().unwrap_or(0) == 0 {
            good.push(json!([]));
        }
    }
    good.into_iter().filter(|value| !is_odd(value)).collect()
}

/// A bound that the document does not have.
fn is_odd(value: &Value) -> bool {
    value.is_number() && value.as_i64().is_none()
}

/// The schema of the patches of a resource.
fn schema<'d>(document: &'d Value, target: &str) -> &'d Value {
    let parts: Vec<&str> = target.split('/').collect();
    let fits = |path: &str| {
        let known: Vec<&str> = path.split('/').collect();
        known.len() == parts.len()
            && known.iter().zip(&parts).all(|(known, part)| known.starts_with('{') || known == part)
    };
    let paths = document["paths"].as_object().unwrap();
    let (_, operations) =
        paths.iter().find(|(path, all)| fits(path) && all.get("patch").is_some()).unwrap();
    let content = &operations["patch"]["requestBody"]["content"];
    resolved(document, &content["application/merge-patch+json"]["schema"])
}

/// Every patch that the document forbids, of one member each.
fn forbidden_patches(document: &Value, schema: &Value, row: &Value) -> Vec<Value> {
    let known = schema["properties"].as_object().unwrap();
    let others = row.as_object().unwrap().iter().filter(|(name, _)| !known.contains_key(*name));
    let mut all = vec![json!({"zz": 1}), json!({"zz": null})];
    for (name, value) in others {
        all.push(Value::Object(Map::from_iter([(name.clone(), value.clone())])));
        all.push(Value::Object(Map::from_iter([(name.clone(), Value::Null)])));
    }
    for (path, member) in members(document, schema, &[]) {
        all.extend(forbidden(document, &member).into_iter().map(|bad| patch_of(&path, bad)));
    }
    all
}

#[test]
fn what_the_document_forbids_no_patch_does() {
    let server = Server::start();
    let document = server.get("/api/v1/openapi.json").json();
    let (mut tried, mut wrong) = (0, Vec::new());
    for (path, body) in resources() {
        let (target, mut version, row) = made(&server, path, &body);
        for bad in forbidden_patches(&document, schema(&document, &target), &row) {
            let said = patch(&server, &target, &version, &bad);
            tried += 1;
            if !(400..500).contains(&said.status) || said.status == 412 {
                wrong.push(format!("{path} {bad}: {}", said.status));
                version = said.header("etag").unwrap_or_default().to_owned();
            }
        }
    }
    assert!(tried > 1_000, "{tried}");
    assert!(wrong.is_empty(), "{} of {tried} are taken:\n{}", wrong.len(), wrong.join("\n"));
}

#[test]
fn what_the_document_allows_no_patch_calls_a_wrong_form() {
    let server = Server::start();
    let document = server.get("/api/v1/openapi.json").json();
    let (mut tried, mut wrong) = (0, Vec::new());
    for (path, body) in resources() {
        let (target, mut version, _) = made(&server, path, &body);
        let schema = schema(&document, &target);
        for (place, member) in members(&document, schema, &[]) {
            for good in allowed(&document, &member) {
                let said = patch(&server, &target, &version, &patch_of(&place, good.clone()));
                tried += 1;
                match said.status {
                    200 => version = said.header("etag").unwrap().to_owned(),
                    // Another member, another row, the clock: what no document says.
                    409 | 422 => {}
                    other => {
                        wrong.push(format!(
                            "{path} {}: {good}: {other} {}",
                            place.join("."),
                            said.body
                        ));
                    }
                }
            }
        }
    }
    assert!(tried > 500, "{tried}");
    assert!(wrong.is_empty(), "{} of {tried} are refused:\n{}", wrong.len(), wrong.join("\n"));
}
