//! The OpenAPI document of the server: what can be done to which resource, with which fields.
//!
//! The commands know no resource by name, so that what a server gets is there at once.

use crate::table;
use serde_json::{Map, Value};

/// Where all resources are.
pub(crate) const ROOT: &str = "/api/v1";
/// Deepest nesting of schemas that is followed.
const DEPTH_MAX: usize = 16;

/// The document.
pub(crate) struct Document(pub(crate) Value);

/// What a method does at a path.
pub(crate) struct Operation<'a> {
    document: &'a Document,
    value: &'a Value,
}

/// The parts of a path under the root.
fn parts(path: &str) -> Vec<&str> {
    path.split('/').filter(|part| !part.is_empty()).collect()
}

fn fits(template: &str, path: &[&str]) -> bool {
    let template = parts(template);
    template.len() == path.len()
        && template.iter().zip(path).all(|(known, part)| known.starts_with('{') || known == part)
}

impl Document {
    /// What `method`, in small letters, does at `path`; a path that stands there as it is goes
    /// before one with variable parts.
    pub(crate) fn operation(&self, method: &str, path: &str) -> Option<Operation<'_>> {
        let wanted = parts(path);
        let paths = self.0.get("paths")?.as_object()?;
        let matching = paths.iter().filter(|(template, _)| fits(template, &wanted));
        let found = matching.filter_map(|(template, all)| Some((template, all.get(method)?)));
        let (_, value) = found.min_by_key(|(template, _)| template.matches('{').count())?;
        Some(Operation { document: self, value })
    }

    /// Resources that `method` can be used on, for a person who looks for one.
    pub(crate) fn resources(&self, method: &str) -> Vec<String> {
        let paths = self.0.get("paths").and_then(Value::as_object);
        let known = paths.into_iter().flatten().filter(|(_, all)| all.get(method).is_some());
        let below = known.filter_map(|(path, _)| path.strip_prefix(ROOT)?.strip_prefix('/'));
        below.map(str::to_owned).collect()
    }

    fn resolved<'a>(&'a self, mut schema: &'a Value) -> &'a Value {
        for _ in 0..DEPTH_MAX {
            if let Some(target) = schema.get("$ref").and_then(Value::as_str) {
                let Some(found) = self.0.pointer(target.trim_start_matches('#')) else { break };
                schema = found;
            } else if let Some(first) = schema.pointer("/anyOf/0") {
                schema = first;
            } else {
                break;
            }
        }
        schema
    }
}

impl Operation<'_> {
    /// The columns of what it lists: identity and name first, each with the names that lead to it.
    /// Where there are several views of one thing, it is the one that has the item's fields.
    pub(crate) fn columns(&self, item: &Value) -> Vec<Vec<String>> {
        let page = self.value.pointer("/responses/200/content/application~1json/schema");
        let page = page.map(|schema| self.document.resolved(schema));
        let Some(items) = page.and_then(|page| page.pointer("/properties/items")) else {
            return Vec::new();
        };
        let Some(one) = self.document.resolved(items).get("items") else { return Vec::new() };
        let mut columns = Vec::new();
        self.walk(self.view(one, item), &mut Vec::new(), &mut columns);
        columns
    }

    fn view<'a>(&'a self, schema: &'a Value, item: &Value) -> &'a Value {
        let views = schema.get("anyOf").and_then(Value::as_array).into_iter().flatten();
        let fits = |view: &&Value| {
            let known = self.document.resolved(view).get("properties").and_then(Value::as_object);
            let has = item.as_object();
            known.zip(has).is_some_and(|(known, has)| {
                known.len() == has.len() && has.keys().all(|name| known.contains_key(name))
            })
        };
        views.into_iter().find(fits).unwrap_or(schema)
    }

    fn walk(&self, schema: &Value, path: &mut Vec<String>, columns: &mut Vec<Vec<String>>) {
        let known = self.document.resolved(schema).get("properties").and_then(Value::as_object);
        let Some(known) = known.filter(|_| path.len() < DEPTH_MAX) else {
            return columns.push(path.clone());
        };
        let mut known: Vec<(&String, &Value)> = known.iter().collect();
        known.sort_by_key(|(name, _)| table::order(name));
        for (name, inner) in known {
            path.push(name.clone());
            self.walk(inner, path, columns);
            path.pop();
        }
    }

    /// Whether it takes a header of this name.
    pub(crate) fn takes_header(&self, name: &str) -> bool {
        let parameters = self.value.get("parameters").and_then(Value::as_array);
        let is_it = |parameter: &Value| {
            parameter.get("in").and_then(Value::as_str) == Some("header")
                && parameter.get("name").and_then(Value::as_str) == Some(name)
        };
        parameters.is_some_and(|all| all.iter().any(is_it))
    }

    /// Media type and schema of the body that it takes.
    fn body(&self) -> Option<(&str, &Value)> {
        let content = self.value.pointer("/requestBody/content")?.as_object()?;
        let (media, inside) = content.iter().next()?;
        Some((media, inside.get("schema")?))
    }

    /// The body made of `name=value` words, and its media type; `None` when it takes none and there
    /// are no words.
    ///
    /// A value is read as the field's type says; `name:=JSON` is taken as it stands, `a.b=1` sets
    /// `b` inside of `a`, and `null` clears a field that may be empty.
    pub(crate) fn fields(&self, words: &[String]) -> Result<Option<(String, String)>, String> {
        let Some((media, schema)) = self.body() else {
            return match words.first() {
                None => Ok(None),
                Some(word) => Err(format!("`{word}`: it takes no fields")),
            };
        };
        let mut body = Map::new();
        for word in words {
            let (name, text) =
                word.split_once('=').ok_or_else(|| format!("`{word}` is no field=value"))?;
            let (name, is_json) = match name.strip_suffix(':') {
                Some(name) => (name, true),
                None => (name, false),
            };
            let field = self.field(schema, name)?;
            let value = if is_json {
                serde_json::from_str(text).map_err(|_| format!("{name}: `{text}` is no JSON"))?
            } else {
                self.value(field, name, text)?
            };
            put(&mut body, name, value)?;
        }
        Ok(Some((media.to_owned(), Value::Object(body).to_string())))
    }

    /// The schema of a field; one that the document does not describe has none.
    fn field<'a>(&'a self, schema: &'a Value, name: &str) -> Result<Option<&'a Value>, String> {
        let mut schema = self.document.resolved(schema);
        let mut found = None;
        for part in name.split('.') {
            let Some(known) = schema.get("properties").and_then(Value::as_object) else {
                return Ok(None);
            };
            let Some(inner) = known.get(part) else {
                let names: Vec<&str> = known.keys().map(String::as_str).collect();
                return Err(format!("no field `{name}`; there are: {}", names.join(", ")));
            };
            found = Some(inner);
            schema = self.document.resolved(inner);
        }
        Ok(found)
    }

    fn value(&self, schema: Option<&Value>, name: &str, text: &str) -> Result<Value, String> {
        let Some(schema) = schema else { return Ok(Value::String(text.to_owned())) };
        if text == "null" && may_be_null(schema) {
            return Ok(Value::Null);
        }
        let wrong = |what: &str| format!("{name}: `{text}` is no {what}");
        let inner = self.document.resolved(schema);
        let kind = match inner.get("type") {
            Some(Value::Array(kinds)) => kinds.first().and_then(Value::as_str),
            Some(kind) => kind.as_str(),
            None => None,
        };
        match kind {
            Some("integer") => {
                text.parse::<i64>().map(Value::from).map_err(|_| wrong("whole number"))
            }
            Some("boolean") => match text {
                "true" | "yes" => Ok(Value::Bool(true)),
                "false" | "no" => Ok(Value::Bool(false)),
                _ => Err(wrong("yes or no")),
            },
            Some("array") if !text.starts_with('[') => {
                let items = text.split(',').filter(|item| !item.is_empty());
                let one = inner.get("items");
                items.map(|item| self.value(one, name, item)).collect()
            }
            Some("array" | "object" | "number") => {
                serde_json::from_str(text).map_err(|_| wrong("JSON"))
            }
            Some(_) | None => Ok(Value::String(text.to_owned())),
        }
    }
}

fn may_be_null(schema: &Value) -> bool {
    let is_null = |value: &Value| value.get("type").and_then(Value::as_str) == Some("null");
    let choices = schema.get("anyOf").and_then(Value::as_array);
    let kinds = schema.get("type").and_then(Value::as_array);
    choices.is_some_and(|all| all.iter().any(is_null))
        || kinds.is_some_and(|all| all.iter().any(|kind| kind.as_str() == Some("null")))
}

fn put(body: &mut Map<String, Value>, name: &str, value: Value) -> Result<(), String> {
    let Some((outer, inner)) = name.split_once('.') else {
        return match body.insert(name.to_owned(), value) {
            None => Ok(()),
            Some(_) => Err(format!("{name}: stands twice")),
        };
    };
    let below = body.entry(outer).or_insert_with(|| Value::Object(Map::new()));
    match below {
        Value::Object(members) => put(members, inner, value),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) | Value::Array(_) => {
            Err(format!("{outer}: stands twice"))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn document() -> Document {
        let field = |kind: &str| json!({"type": kind});
        let list = json!({"type": "array", "items": {"type": "integer"}});
        let or_null = json!({"anyOf": [{"type": "string"}, {"type": "null"}]});
        let schema = json!({"type": "object", "properties": {
            "name": field("string"), "size": field("integer"), "on": field("boolean"),
            "list": list, "note": or_null, "egress": {"$ref": "#/components/schemas/Egress"},
        }});
        let body = json!({"content": {"application/json": {"schema": schema}}});
        let keyed = json!([{"in": "header", "name": "Idempotency-Key"}]);
        Document(json!({
            "paths": {
                "/api/v1/trunks": {"get": {}, "post": {"requestBody": body, "parameters": keyed}},
                "/api/v1/trunks/{id}": {"get": {"x": 1}},
                "/api/v1/trunks/all": {"get": {"x": 2}},
                "/api/v1/trunks/{id}/stop": {"post": {}},
                "/healthz": {"get": {}},
            },
            "components": {"schemas": {"Egress": {"type": "object", "properties": {
                "q": field("integer"), "anything": {},
            }}}},
        }))
    }

    #[test]
    fn a_path_finds_its_operation() {
        let document = document();
        let find = |method, path| document.operation(method, path).map(|o| o.value["x"].clone());
        assert_eq!(find("get", "/api/v1/trunks/7"), Some(json!(1)));
        assert_eq!(find("get", "/api/v1/trunks/all"), Some(json!(2)));
        assert_eq!(find("get", "/api/v1/trunks"), Some(Value::Null));
        assert!(find("get", "/api/v1/trunks/7/8").is_none());
        assert!(find("post", "/api/v1/trunks/7").is_none());
        assert_eq!(document.resources("post"), ["trunks", "trunks/{id}/stop"]);
        let create = document.operation("post", "/api/v1/trunks").unwrap();
        assert!(create.takes_header("Idempotency-Key"));
        assert!(!create.takes_header("If-Match"));
    }

    fn check(words: &str) -> Result<Value, String> {
        let document = document();
        let words: Vec<String> = words.split_whitespace().map(str::to_owned).collect();
        let create = document.operation("post", "/api/v1/trunks").unwrap();
        let (media, body) = create.fields(&words)?.unwrap();
        assert_eq!(media, "application/json");
        Ok(serde_json::from_str(&body).unwrap())
    }

    #[test]
    fn fields_have_the_type_that_the_document_says() {
        for (words, expect) in [
            ("", json!({})),
            ("name=7 size=7 on=yes", json!({"name": "7", "size": 7, "on": true})),
            ("list=1,2", json!({"list": [1, 2]})),
            ("list=", json!({"list": []})),
            ("list=[3]", json!({"list": [3]})),
            ("note=null name=null", json!({"note": null, "name": "null"})),
            ("name=a=b", json!({"name": "a=b"})),
            ("egress.q=5 egress.anything=x", json!({"egress": {"q": 5, "anything": "x"}})),
            ("egress:={\"q\":1}", json!({"egress": {"q": 1}})),
        ] {
            assert_eq!(check(words), Ok(expect), "{words}");
        }
        for (words, says) in [
            ("name", "`name` is no field=value"),
            ("size=big", "size: `big` is no whole number"),
            ("on=perhaps", "on: `perhaps` is no yes or no"),
            ("list=1,x", "list: `x` is no whole number"),
            ("egress={", "egress: `{` is no JSON"),
            ("egress:={", "egress: `{` is no JSON"),
            ("nmae=x", "no field `nmae`; there are: egress, list, name, note, on, size"),
            ("egress.p=1", "no field `egress.p`; there are: anything, q"),
            ("name=a name=b", "name: stands twice"),
            ("egress:=1 egress.q=1", "egress: stands twice"),
        ] {
            assert_eq!(check(words), Err(says.to_owned()), "{words}");
        }
        let document = document();
        let stop = document.operation("post", "/api/v1/trunks/7/stop").unwrap();
        assert_eq!(stop.fields(&[]), Ok(None));
        assert_eq!(stop.fields(&["a=1".into()]), Err("`a=1`: it takes no fields".into()));
    }
}
