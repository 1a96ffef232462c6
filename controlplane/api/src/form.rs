//! Bodies that endpoints take: JSON objects whose members are declared once, for reading and for
//! the OpenAPI document.

use crate::codec::{ID, PLAIN, SAYING, parse_id};
use crate::dispatch::Context;
use crate::problem::Problem;
use crate::shape::Components;
use serde_json::{Map, Value, json};
use strowger_store::Secret;

/// A type of body.
pub(crate) trait Form: Sized {
    /// A key in `Idempotency-Key` stands beside it: it moves money, and must count once.
    const NEEDS_KEY: bool = false;
    /// The body may be left out.
    const IS_OPTIONAL: bool = false;
    /// Reads the body of a request.
    ///
    /// # Errors
    /// A problem that names the member.
    fn read(cx: &Context) -> Result<Self, Problem>;
    /// Its JSON schema.
    fn describe(components: &mut Components) -> Value;
}

/// The members of a body: all of `known`, no other, each a text that may be empty.
///
/// # Errors
/// A problem that names the member, or `body` when that is no object.
pub(crate) fn texts<const N: usize>(
    bytes: &[u8],
    known: [(&str, bool); N],
) -> Result<[String; N], Problem> {
    let Ok(Value::Object(mut members)) = serde_json::from_slice(bytes) else {
        return Err(Problem::field("body", "is no JSON object"));
    };
    let mut texts = [const { String::new() }; N];
    for (text, (name, is_required)) in texts.iter_mut().zip(known) {
        *text = take(&mut members, name, is_required)?;
    }
    match members.keys().next() {
        Some(name) => Err(Problem::field(name, "is not a member of this body")),
        None => Ok(texts),
    }
}

fn take(
    members: &mut Map<String, Value>,
    name: &str,
    is_required: bool,
) -> Result<String, Problem> {
    match members.remove(name) {
        Some(Value::String(text)) => Ok(text),
        None if !is_required => Ok(String::new()),
        None => Err(Problem::field(name, "is missing")),
        Some(
            Value::Null | Value::Bool(_) | Value::Number(_) | Value::Array(_) | Value::Object(_),
        ) => Err(Problem::field(name, "is no text")),
    }
}

/// The members of a body that are not all texts; each is taken once, and what is left is wrong.
pub(crate) struct Members(Map<String, Value>);

impl Members {
    /// # Errors
    /// A problem that names `body` when that is no object.
    pub(crate) fn read(bytes: &[u8]) -> Result<Members, Problem> {
        match serde_json::from_slice(bytes) {
            Ok(Value::Object(members)) => Ok(Members(members)),
            _ => Err(Problem::field("body", "is no JSON object")),
        }
    }

    /// A text of at most `chars_max` characters on one line; `None` when it is not there.
    ///
    /// # Errors
    /// A problem that names the member.
    pub(crate) fn line(&mut self, name: &str, chars_max: usize) -> Result<Option<String>, Problem> {
        let Some(text) = self.text(name)? else { return Ok(None) };
        if text.chars().count() > chars_max || text.chars().any(char::is_control) {
            let what = format!("has at most {chars_max} characters and no control characters");
            return Err(Problem::field(name, what));
        }
        Ok(Some(text))
    }

    /// A text; `None` when it is not there.
    ///
    /// # Errors
    /// A problem that names the member.
    pub(crate) fn text(&mut self, name: &str) -> Result<Option<String>, Problem> {
        match self.0.remove(name) {
            None => Ok(None),
            Some(Value::String(text)) => Ok(Some(text)),
            Some(_) => Err(Problem::field(name, "is no text")),
        }
    }

    /// The same, and it is not blank.
    ///
    /// # Errors
    /// A problem that names the member.
    pub(crate) fn saying(
        &mut self,
        name: &str,
        chars_max: usize,
    ) -> Result<Option<String>, Problem> {
        let text = self.line(name, chars_max)?;
        match text.as_ref().is_some_and(|text| text.trim().is_empty()) {
            true => Err(Problem::field(name, "says nothing")),
            false => Ok(text),
        }
    }

    /// A secret of at most `chars_max` characters; `None` when it is not there.
    ///
    /// # Errors
    /// A problem that names the member, and never says it.
    pub(crate) fn secret(
        &mut self,
        name: &str,
        chars_max: usize,
    ) -> Result<Option<Secret>, Problem> {
        let Some(text) = self.text(name)? else { return Ok(None) };
        if text.chars().count() > chars_max {
            return Err(Problem::field(name, format!("has at most {chars_max} characters")));
        }
        Ok(Some(Secret::new(text)))
    }

    /// True or false; `None` when it is not there.
    ///
    /// # Errors
    /// A problem that names the member.
    pub(crate) fn flag(&mut self, name: &str) -> Result<Option<bool>, Problem> {
        match self.0.remove(name) {
            None => Ok(None),
            Some(Value::Bool(flag)) => Ok(Some(flag)),
            Some(_) => Err(Problem::field(name, "is neither true nor false")),
        }
    }

    /// An id, a string as in answers; `None` when it is not there, `Some(None)` when it is null.
    ///
    /// # Errors
    /// A problem that names the member.
    pub(crate) fn id(&mut self, name: &str) -> Result<Option<Option<i64>>, Problem> {
        match self.0.remove(name) {
            None => Ok(None),
            Some(Value::Null) => Ok(Some(None)),
            Some(Value::String(text)) => {
                let id = parse_id(&text).ok_or_else(|| Problem::field(name, "is not an id"))?;
                Ok(Some(Some(id)))
            }
            Some(_) => Err(Problem::field(name, "is not an id")),
        }
    }

    /// # Errors
    /// A problem that names a member nobody took.
    pub(crate) fn end(self) -> Result<(), Problem> {
        match self.0.keys().next() {
            Some(name) => Err(Problem::field(name, "is not a member of this body")),
            None => Ok(()),
        }
    }
}

/// Writes whole numbers with a fraction of zero without it: to JSON schema `1.0` is an integer.
pub(crate) fn make_integers(value: &mut Value) {
    match value {
        Value::Number(number) => {
            let whole = number.as_f64().filter(|float| float.fract() == 0.0 && float.abs() < 1e15);
            if let Some(digits) = whole.and_then(|float| format!("{float:.0}").parse::<i64>().ok())
            {
                *number = digits.into();
            }
        }
        Value::Array(items) => items.iter_mut().for_each(make_integers),
        Value::Object(members) => members.values_mut().for_each(make_integers),
        Value::Null | Value::Bool(_) | Value::String(_) => {}
    }
}

/// A whole number above zero, without sign and without zeros before it.
pub(crate) fn count(text: &str, digits_max: usize) -> Option<u32> {
    let is_plain = text.bytes().all(|byte| byte.is_ascii_digit()) && !text.starts_with('0');
    (is_plain && text.len() <= digits_max).then(|| text.parse().ok()).flatten()
}

/// The member must be there.
///
/// # Errors
/// A problem that names it.
pub(crate) fn needed<T>(name: &str, value: Option<T>) -> Result<T, Problem> {
    value.ok_or_else(|| Problem::field(name, "is missing"))
}

/// The schema of a body: names of its members, what they are, whether they must be there.
pub(crate) fn object(members: &[(&str, Value, &str, bool)]) -> Value {
    let mut properties = Map::new();
    let mut required = Vec::new();
    for (name, shape, what, is_required) in members {
        let mut shape = shape.clone();
        if let Value::Object(keywords) = &mut shape {
            keywords.insert("description".to_owned(), json!(what));
        }
        properties.insert((*name).to_owned(), shape);
        if *is_required {
            required.push(json!(name));
        }
    }
    json!({
        "type": "object",
        "additionalProperties": false,
        "required": required,
        "properties": properties,
    })
}

/// The schema of a text on one line.
pub(crate) fn line_shape(chars_max: usize) -> Value {
    json!({"type": "string", "maxLength": chars_max, "pattern": PLAIN})
}

/// The schema of a text on one line that is not blank.
pub(crate) fn saying_shape(chars_max: usize) -> Value {
    json!({"type": "string", "minLength": 1, "maxLength": chars_max, "pattern": SAYING})
}

/// The schema of a text that is all what the pattern says.
pub(crate) fn pattern_shape(pattern: &str) -> Value {
    json!({"type": "string", "pattern": pattern})
}

/// The schema of a secret.
pub(crate) fn secret_shape(chars_min: usize, chars_max: usize) -> Value {
    json!({"type": "string", "minLength": chars_min, "maxLength": chars_max, "writeOnly": true})
}

/// The schema of an id that may be null.
pub(crate) fn id_shape() -> Value {
    json!({"type": ["string", "null"], "pattern": ID})
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::reply::Answer;

    #[test]
    fn members_are_named_when_they_are_wrong() {
        let field = |body: &str| {
            let problem = texts(body.as_bytes(), [("a", true), ("b", false)]).unwrap_err();
            let body: Value = serde_json::from_slice(&Answer::from(problem).body).unwrap();
            body["field"].as_str().unwrap().to_owned()
        };
        for (body, expect) in [
            ("", "body"),
            ("[]", "body"),
            ("{\"a\":", "body"),
            ("{}", "a"),
            ("{\"a\":1}", "a"),
            ("{\"a\":null}", "a"),
            ("{\"a\":\"x\",\"b\":{}}", "b"),
            ("{\"a\":\"x\",\"c\":\"y\"}", "c"),
        ] {
            assert_eq!(field(body), expect, "{body}");
        }
        let read = |body: &str| texts(body.as_bytes(), [("a", true), ("b", false)]).ok();
        assert_eq!(read("{\"a\":\"x\"}"), Some(["x".to_owned(), String::new()]));
        assert_eq!(read("{\"b\":\"\",\"a\":\"x\"}"), Some(["x".to_owned(), String::new()]));
    }
}
