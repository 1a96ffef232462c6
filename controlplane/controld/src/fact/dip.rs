//! The portability service: one GET for a number, and a place in the JSON that comes back.

use super::Told;
use serde_json::Value;
use std::time::Duration;
use strowger_fetch::{Bounds, Client};
use strowger_model::Digits;
use strowger_numbering::Target;
use strowger_routing::Finding;
use strowger_tuning::NUMBER_PLACE;

/// What an answer may cost.
const BOUNDS: Bounds = Bounds { time: super::PATIENCE, bytes: 65_536 };

/// Whom to ask, and how to read the answer.
pub(super) struct Dip {
    client: Client,
    /// With a place for the number.
    url: String,
    token: Option<String>,
    pointer: String,
    gives: fn(Digits) -> Target,
    keep: Duration,
    keep_nothing: Duration,
}

impl Dip {
    pub(super) fn new(set: &strowger_tuning::Dip, client: Client, token: Option<String>) -> Dip {
        Dip {
            client,
            url: set.url.clone(),
            token,
            pointer: set.pointer.clone(),
            gives: if set.gives == "number" { Target::Number } else { Target::Prefix },
            keep: Duration::from_secs(set.keep_s.into()),
            keep_nothing: Duration::from_secs(set.keep_nothing_s.into()),
        }
    }

    pub(super) async fn ask(&self, number: &Digits) -> Told {
        let url = self.url.replace(NUMBER_PLACE, number.as_str());
        let answer = self.client.get(&url, self.token.as_deref(), BOUNDS).await;
        let answer = answer.map_err(|e| format!("portability: {}", crate::run::chain(&e)))?;
        let target = self.read(answer.status().as_u16(), answer.body());
        let target = target.map_err(|why| format!("portability: {why}"))?;
        let keep = if target.is_some() { self.keep } else { self.keep_nothing };
        Ok((Finding::Ported(target), keep))
    }

    /// How the number is routed; `None` = it was not ported.
    fn read(&self, status: u16, body: &[u8]) -> Result<Option<Target>, String> {
        match status {
            200 => {}
            404 => return Ok(None),
            other => return Err(format!("status {other}")),
        }
        let json: Value = serde_json::from_slice(body).map_err(|_| "no JSON".to_owned())?;
        let text = match json.pointer(&self.pointer) {
            None | Some(Value::Null) => return Ok(None),
            Some(Value::String(text)) if text.is_empty() => return Ok(None),
            Some(Value::String(text)) => text.clone(),
            Some(Value::Number(number)) => number.to_string(),
            Some(Value::Bool(_) | Value::Array(_) | Value::Object(_)) => {
                return Err(format!("no number at {}", self.pointer));
            }
        };
        let bare = text.strip_prefix('+').unwrap_or(&text);
        let digits = Digits::parse(bare).ok().filter(|digits| !digits.is_empty());
        let digits = digits.ok_or_else(|| format!("no number at {}", self.pointer))?;
        Ok(Some((self.gives)(digits)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn answers_of_services() {
        let set = |pointer: &str, gives: &str| strowger_tuning::Dip {
            pointer: pointer.into(),
            gives: gives.into(),
            ..strowger_tuning::Dip::default()
        };
        let digits = |text: &str| Digits::parse(text).unwrap();
        let (prefix, number) = (Target::Prefix(digits("99")), Target::Number(digits("4499")));
        for (pointer, gives, status, body, expect) in [
            ("/prefix", "prefix", 200, r#"{"prefix":"99"}"#, Ok(Some(prefix))),
            ("/a/0/rn", "prefix", 200, r#"{"a":[{"rn":"+99"}]}"#, Ok(Some(prefix))),
            ("/prefix", "prefix", 200, r#"{"prefix":99}"#, Ok(Some(prefix))),
            ("/to", "number", 200, r#"{"to":"4499","x":1}"#, Ok(Some(number))),
            ("", "number", 200, r#""4499""#, Ok(Some(number))),
            ("/prefix", "prefix", 200, r#"{"prefix":""}"#, Ok(None)),
            ("/prefix", "prefix", 200, r#"{"prefix":null}"#, Ok(None)),
            ("/prefix", "prefix", 200, "{}", Ok(None)),
            ("/prefix", "prefix", 404, "whatever", Ok(None)),
            ("/prefix", "prefix", 500, r#"{"prefix":"99"}"#, Err("status 500")),
            ("/prefix", "prefix", 302, "", Err("status 302")),
            ("/prefix", "prefix", 200, r#"{"prefix":"99"#, Err("no JSON")),
            ("/prefix", "prefix", 200, r#"{"prefix":"9 9"}"#, Err("no number at /prefix")),
            ("/prefix", "prefix", 200, r#"{"prefix":-9}"#, Err("no number at /prefix")),
            ("/prefix", "prefix", 200, r#"{"prefix":{}}"#, Err("no number at /prefix")),
        ] {
            let dip = Dip::new(&set(pointer, gives), Client::new(None).unwrap(), None);
            let said = dip.read(status, body.as_bytes());
            assert_eq!(said, expect.map_err(str::to_owned), "{status} {body}");
        }
    }
}
