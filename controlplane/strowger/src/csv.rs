//! A list as CSV (RFC 4180), a page at a time: for spreadsheets and whoever else reads columns.
//!
//! The columns are those that the server's document promises for what is listed, so they are the
//! same whatever the rows hold, and a list of millions needs no more memory than a page.

use crate::document::Operation;
use serde_json::Value;

/// The columns of a list: for each the names that lead to it, from the outside in.
pub(crate) struct Columns(Vec<Vec<String>>);

impl Columns {
    /// Those of what `operation` lists; which of its views, an item tells.
    pub(crate) fn of(operation: &Operation<'_>, item: &Value) -> Columns {
        Columns(operation.columns(item))
    }

    /// The first line.
    pub(crate) fn head(&self) -> String {
        let names = self.0.iter().map(|path| quoted(&path.join(".")));
        names.collect::<Vec<_>>().join(",")
    }

    /// The line of an item.
    pub(crate) fn row(&self, item: &Value) -> String {
        let cell = |path: &Vec<String>| {
            let found = path.iter().try_fold(item, |value, name| value.get(name));
            found.map(cell).unwrap_or_default()
        };
        self.0.iter().map(cell).collect::<Vec<_>>().join(",")
    }
}

/// Lists and what has no columns of its own are JSON in one cell.
fn cell(value: &Value) -> String {
    match value {
        Value::Null => String::new(),
        Value::Bool(_) | Value::Number(_) => value.to_string(),
        Value::String(text) => quoted(&harmless(text)),
        Value::Array(_) | Value::Object(_) => quoted(&value.to_string()),
    }
}

/// A caller chooses his display name, and a spreadsheet calculates what begins like a formula: such
/// a text gets an apostrophe in front. Numbers as they are dialled stay as they are.
fn harmless(text: &str) -> String {
    let is_number = |rest: &str| rest.chars().all(|c| c.is_ascii_digit() || c == '.');
    let is_formula = match text.chars().next() {
        Some('=' | '@' | '\t' | '\r') => true,
        Some('+' | '-') => !is_number(text.get(1..).unwrap_or_default()),
        Some(_) | None => false,
    };
    if is_formula { format!("'{text}") } else { text.to_owned() }
}

fn quoted(text: &str) -> String {
    if text.contains(['"', ',', '\r', '\n']) {
        format!("\"{}\"", text.replace('"', "\"\""))
    } else {
        text.to_owned()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::document::Document;
    use serde_json::json;

    fn document() -> Document {
        let text = json!({"type": "string"});
        let money = json!({"type": "object", "properties": {"amount": text, "currency": text}});
        let whole = json!({"type": "object", "properties": {
            "id": text, "hops": {"type": "array", "items": {}}, "caller": {"type": "object",
                "properties": {"display": text, "number": text}},
            "price": {"anyOf": [{"$ref": "#/components/schemas/Money"}, {"type": "null"}]},
        }});
        let less = json!({"type": "object", "properties": {"id": text}});
        let items = json!({"type": "array", "items": {"anyOf": [whole, less]}});
        let page = json!({"type": "object", "properties": {"items": items, "next": text}});
        let content = json!({"application/json": {"schema": page}});
        Document(json!({
            "paths": {"/api/v1/cdrs": {"get": {"responses": {"200": {"content": content}}}}},
            "components": {"schemas": {"Money": money}},
        }))
    }

    fn columns(item: &Value) -> Columns {
        let document = document();
        Columns::of(&document.operation("get", "/api/v1/cdrs").unwrap(), item)
    }

    #[test]
    fn columns_are_those_of_the_document_whatever_a_row_holds() {
        let item = json!({
            "id": "7", "hops": [{"sip": 503}], "price": null,
            "caller": {"display": "Ada \"A\"", "number": "+44123"},
        });
        let columns = columns(&item);
        let head = "id,caller.display,caller.number,hops,price.amount,price.currency";
        assert_eq!(columns.head(), head);
        let row = "7,\"Ada \"\"A\"\"\",+44123,\"[{\"\"sip\"\":503}]\",,";
        assert_eq!(columns.row(&item), row);
        let other = json!({"id": "8", "price": {"amount": "1.5", "currency": "EUR"}});
        assert_eq!(columns.row(&other), "8,,,,1.5,EUR");
    }

    #[test]
    fn who_sees_less_has_fewer_columns() {
        assert_eq!(columns(&json!({"id": "7"})).head(), "id");
    }

    #[test]
    fn a_name_is_no_formula() {
        for (text, shown) in [
            ("=1+1", "'=1+1"),
            ("@x", "'@x"),
            ("+44123", "+44123"),
            ("-0.25", "-0.25"),
            ("-1+cmd|x", "'-1+cmd|x"),
            ("a,b", "\"a,b\""),
            ("", ""),
        ] {
            assert_eq!(cell(&json!(text)), shown);
        }
    }
}
