//! The OpenAPI 3.1 document, made of the table.

use crate::codec::ID;
use crate::dispatch::{KEY, KEY_PATTERN, VERSION, VERSION_PATTERN};
use crate::problem::{self, Problem};
use crate::query::Parameter;
use crate::reply::JSON;
use crate::shape::Components;
use crate::table::{Access, CSV, Endpoint, Key, paths};
use serde_json::{Map, Value, json};

/// The document.
pub(crate) fn document() -> Value {
    let mut components = Components::default();
    components.put("Problem", Problem::shape());
    let mut all = Map::new();
    for (path, endpoints) in paths() {
        let operations: Map<String, Value> = endpoints
            .into_iter()
            .map(|e| (e.verb.name().to_ascii_lowercase(), operation(e, &mut components)))
            .collect();
        all.insert(path.to_owned(), Value::Object(operations));
    }
    json!({
        "openapi": "3.1.0",
        "info": {"title": "Strowger", "version": env!("CARGO_PKG_VERSION")},
        "paths": all,
        "components": {
            "schemas": components.into_value(),
            "securitySchemes": {"token": {"type": "http", "scheme": "bearer"}},
            "responses": {"Problem": {
                "description": "What went wrong.",
                "content": {problem::MEDIA: {
                    "schema": {"$ref": "#/components/schemas/Problem"}
                }},
            }},
        },
    })
}

/// What a body of comma-separated values is.
const FILE: &str = "A header line with names of members, then a line for each row (RFC 4180). \
    Money is its amount alone; an empty cell says nothing.";

fn operation(endpoint: &Endpoint, components: &mut Components) -> Value {
    let (permission, security) = match &endpoint.access {
        Access::Open(_) | Access::Stranger(_) => (None, json!([])),
        // Either nothing, on a loopback listener, or a token.
        Access::Local(permission, _) => (Some(permission.0), json!([{}, {"token": []}])),
        Access::Token(permission, ..) => (Some(permission.0), json!([{"token": []}])),
    };
    let mut responses = Map::new();
    for (status, description, media, schema) in (endpoint.responses)(components) {
        let response = match media {
            "" => json!({"description": description}),
            media => json!({"description": description, "content": {media: {"schema": schema}}}),
        };
        responses.insert(status.to_string(), response);
    }
    let problem = json!({"$ref": "#/components/responses/Problem"});
    responses.insert("default".to_owned(), problem);
    let mut operation = json!({
        "operationId": endpoint.name,
        "summary": endpoint.summary,
        "security": security,
        "parameters": parameters(endpoint),
        "responses": responses,
    });
    if let (Value::Object(members), Some(permission)) = (&mut operation, permission) {
        members.insert("x-permission".to_owned(), json!(permission));
    }
    if let (Value::Object(members), [_, ..]) = (&mut operation, endpoint.views) {
        let views: Map<String, Value> =
            endpoint.views.iter().map(|(who, view)| ((*who).to_owned(), json!(view))).collect();
        members.insert("x-views".to_owned(), Value::Object(views));
    }
    if let (Value::Object(members), Some(describe)) = (&mut operation, endpoint.body) {
        let schema = describe(components);
        let file = json!({"type": "string", "minLength": 1, "description": FILE});
        let media = endpoint.media.iter().map(|media| {
            let is_rows = *media == CSV && endpoint.media.contains(&JSON);
            let schema = if is_rows { &file } else { &schema };
            ((*media).to_owned(), json!({"schema": schema}))
        });
        let content: Map<String, Value> = media.collect();
        let body = json!({"required": !endpoint.is_body_optional, "content": content});
        members.insert("requestBody".to_owned(), body);
    }
    operation
}

fn parameters(endpoint: &Endpoint) -> Vec<Value> {
    let variable = endpoint.path.split('/').filter_map(|part| {
        let name = part.strip_prefix('{')?.strip_suffix('}')?;
        let (what, schema) = match name {
            "name" => ("Name.", json!({"type": "string"})),
            _ => ("Identity.", json!({"type": "string", "pattern": ID})),
        };
        Some(json!({
            "name": name, "in": "path", "required": true, "description": what, "schema": schema,
        }))
    });
    let filters = endpoint.filters.iter().map(Parameter::Only);
    let query = endpoint.parameters.iter().copied().chain(filters).map(|parameter| {
        json!({
            "name": parameter.name(),
            "in": "query",
            "required": false,
            "description": parameter.description(),
            "schema": parameter.shape(),
        })
    });
    let key = (endpoint.key != Key::Refused).then(|| {
        json!({
            "name": KEY,
            "in": "header",
            "required": endpoint.key == Key::Needed,
            "description": "A text of the client's own: the same key again counts once.",
            "schema": {"type": "string", "pattern": KEY_PATTERN},
        })
    });
    let version = endpoint.needs_version.then(|| {
        json!({
            "name": VERSION,
            "in": "header",
            "required": true,
            "description": "The `ETag` of the version that is meant.",
            "schema": {"type": "string", "pattern": VERSION_PATTERN},
        })
    });
    variable.chain(query).chain(key).chain(version).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    /// Every `$ref` of the document.
    fn references(value: &Value, found: &mut BTreeSet<String>) {
        match value {
            Value::Object(members) => {
                if let Some(Value::String(target)) = members.get("$ref") {
                    found.insert(target.clone());
                }
                members.values().for_each(|member| references(member, found));
            }
            Value::Array(items) => items.iter().for_each(|item| references(item, found)),
            Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
        }
    }

    #[test]
    fn every_reference_has_a_target_and_every_operation_a_name() {
        let document = document();
        let mut found = BTreeSet::new();
        references(&document, &mut found);
        assert!(found.contains("#/components/schemas/Cdr"));
        for target in found {
            let pointer = target.trim_start_matches('#');
            assert!(document.pointer(pointer).is_some(), "{target}");
        }
        let mut names = BTreeSet::new();
        for path in document["paths"].as_object().unwrap().values() {
            for operation in path.as_object().unwrap().values() {
                let name = operation["operationId"].as_str().unwrap();
                assert!(names.insert(name.to_owned()), "{name} twice");
            }
        }
        assert_eq!(names.len(), crate::endpoints().count());
    }

    #[test]
    fn comments_are_descriptions() {
        let document = document();
        let cdr = &document["components"]["schemas"]["Cdr"];
        let talk = json!({"type": "integer", "minimum": 0, "description": "Talk as measured."});
        assert_eq!(cdr["properties"]["talk_ms"], talk);
        let required = cdr["required"].as_array().unwrap();
        assert_eq!(required.len(), cdr["properties"].as_object().unwrap().len());
    }
}
