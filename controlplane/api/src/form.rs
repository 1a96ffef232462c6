//! Bodies that endpoints take: JSON objects whose members are declared once, for reading and for
//! the OpenAPI document.

use crate::dispatch::Context;
use crate::problem::Problem;
use crate::shape::Components;
use serde_json::{Map, Value};

/// A type of body.
pub(crate) trait Form: Sized {
    /// A key in `Idempotency-Key` stands beside it: it moves money, and must count once.
    const NEEDS_KEY: bool = false;
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
