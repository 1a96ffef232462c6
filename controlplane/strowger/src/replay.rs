//! `strowger replay`: calls of a day decided again after a change that nobody has made yet.

use crate::client::{Asked, Client, Place};
use crate::document::ROOT;
use crate::{Failure, complain, say, table};
use hyper::Method;
use serde_json::{Map, Value, json};
use std::path::PathBuf;
use std::time::Duration;

/// How often it is asked how far it is.
const LOOK: Duration = Duration::from_millis(200);
/// Longest file of a change, bytes.
const FILE_MAX: u64 = 1 << 20;

/// The order.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Replay {
    /// Calls that ended then or later, RFC 3339.
    pub(crate) from: String,
    /// Calls that ended before.
    pub(crate) until: String,
    /// The change; none to see only what differs from the records.
    pub(crate) with: Option<PathBuf>,
    /// Whose calls.
    pub(crate) tenant: Option<String>,
    /// The answer as it comes.
    pub(crate) is_json: bool,
}

impl Replay {
    /// Of the words behind options.
    pub(crate) fn parse(
        words: Vec<(&'static str, String)>,
        is_json: bool,
    ) -> Result<Replay, String> {
        let of = |name: &str| {
            let found = words.iter().rev().find(|(option, _)| *option == name);
            found.map(|(_, value)| value.clone())
        };
        let (from, until) = match (of("day"), of("from"), of("until")) {
            (Some(day), None, None) => {
                let wrong = || "--day takes a date like 2026-01-31".to_owned();
                let date: jiff::civil::Date = day.parse().map_err(|_| wrong())?;
                let next = date.tomorrow().map_err(|_| wrong())?;
                (format!("{date}T00:00:00Z"), format!("{next}T00:00:00Z"))
            }
            (None, Some(from), Some(until)) => (from, until),
            (None, None, None) => {
                return Err("replay needs --day, or --from and --until".to_owned());
            }
            (Some(_) | None, _, _) => {
                return Err("replay takes --day or both of --from and --until".to_owned());
            }
        };
        let with = of("with").map(PathBuf::from);
        Ok(Replay { from, until, with, tenant: of("tenant"), is_json })
    }

    fn body(&self) -> Result<Value, Failure> {
        let mut body = match &self.with {
            None => Map::new(),
            Some(file) => {
                let wrong = |why: String| Failure::Usage(format!("{}: {why}", file.display()));
                let size = std::fs::metadata(file).map_err(|e| wrong(e.to_string()))?.len();
                if size > FILE_MAX {
                    return Err(wrong("is longer than 1 MiB".to_owned()));
                }
                let text = std::fs::read_to_string(file).map_err(|e| wrong(e.to_string()))?;
                serde_json::from_str(&text).map_err(|e| wrong(e.to_string()))?
            }
        };
        body.insert("from".to_owned(), json!(self.from));
        body.insert("until".to_owned(), json!(self.until));
        if let Some(tenant) = &self.tenant {
            body.insert("tenant".to_owned(), json!(tenant));
        }
        Ok(Value::Object(body))
    }
}

/// Begins it, waits for its end, and prints what it found.
pub(crate) fn run(place: &Place, order: &Replay) -> Result<(), Failure> {
    let body = order.body()?;
    let client = Client::open(place)?;
    let body = Some(("application/json".to_owned(), body.to_string()));
    let asked = Asked { body, ..Asked::default() };
    let begun = client.ask(Method::POST, &format!("{ROOT}/replays"), asked)??.json()?;
    let id = begun.get("id").and_then(Value::as_str).unwrap_or_default().to_owned();
    let path = format!("{ROOT}/replays/{id}");
    loop {
        let reply = client.get(&path)?;
        let told = reply.json()?;
        match told.get("state").and_then(Value::as_str) {
            Some("running") => std::thread::sleep(LOOK),
            Some("done") if order.is_json => return say(reply.text.trim_end()),
            Some("done") => return say(&shown(&told)),
            Some(_) | None => {
                let why = told.get("problem").and_then(Value::as_str).unwrap_or("it is gone");
                complain(&format!("the replay ended early: {why}"));
                return Err(Failure::Running(format!(
                    "replay {id} found no more than this: {told}"
                )));
            }
        }
    }
}

/// What it found, as tables: all and each destination, then the ways.
fn shown(told: &Value) -> String {
    let list = |name: &str| told.get(name).and_then(Value::as_array).cloned().unwrap_or_default();
    let all = told.get("total").cloned().into_iter();
    let rows: Vec<Value> = all.chain(list("destinations")).flat_map(|line| flat(&line)).collect();
    let mut text = table::table(&rows);
    let moves = list("moves");
    if !moves.is_empty() {
        text.push_str("\n\n");
        text.push_str(&table::table(&moves));
    }
    let unknown = told.get("unknown").and_then(Value::as_u64).unwrap_or_default();
    if unknown > 0 {
        text.push_str(&format!("\n\n{unknown} calls cannot be made again"));
    }
    text
}

/// A line for each currency, or one without money.
fn flat(line: &Value) -> Vec<Value> {
    let member = |name: &str| line.get(name).cloned().unwrap_or_default();
    let base = |more: Value| {
        let mut row = Map::new();
        let destination = member("destination");
        let named = if destination.is_null() { json!("all") } else { destination };
        row.insert("destination".to_owned(), named);
        for name in ["calls", "moved", "refused_now", "refused_changed"] {
            row.insert(name.to_owned(), member(name));
        }
        if let Value::Object(more) = more {
            row.extend(more);
        }
        Value::Object(row)
    };
    let amount = |money: &Value, path: &str| money.pointer(path).cloned().unwrap_or_default();
    let of = |money: &Value| {
        base(json!({
            "currency": amount(money, "/difference/currency"),
            "recorded": amount(money, "/recorded/profit/amount"),
            "now": amount(money, "/now/profit/amount"),
            "changed": amount(money, "/changed/profit/amount"),
            "difference": amount(money, "/difference/amount"),
        }))
    };
    match line.get("money").and_then(Value::as_array).map(Vec::as_slice) {
        Some([]) | None => vec![base(Value::Null)],
        Some(all) => all.iter().map(of).collect(),
    }
}
