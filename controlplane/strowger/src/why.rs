//! `strowger trace` and `strowger route test`: why a call went as it went, or would go.

use crate::client::{Asked, Client, Place, Reply, encoded};
use crate::document::ROOT;
use crate::{Failure, say};
use hyper::Method;
use serde_json::{Map, Value};

/// A dry run.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct RouteTest {
    /// A user name, `subscriber:ID`, or `trunk:NAME`.
    pub(crate) from: String,
    /// Number as dialled.
    pub(crate) to: String,
    /// Further members of the request, by name.
    pub(crate) more: Vec<(&'static str, String)>,
    /// The answer as it comes.
    pub(crate) is_json: bool,
}

/// Shows why: by the id of a record, else by the number of a call.
pub(crate) fn trace(place: &Place, id: &str, is_json: bool) -> Result<(), Failure> {
    let reply = of_call(place, id, "trace")?;
    if is_json { raw(&reply) } else { say(&told(&reply.json()?)) }
}

/// Shows the SIP messages of a call: by the id of its record, else by its number.
pub(crate) fn ladder(place: &Place, id: &str, is_json: bool) -> Result<(), Failure> {
    let reply = of_call(place, id, "messages")?;
    if is_json { raw(&reply) } else { say(&rungs(&reply.json()?)) }
}

/// What `/cdrs/{id}` or `/calls/{id}` have under `name`.
fn of_call(place: &Place, id: &str, name: &str) -> Result<Reply, Failure> {
    let client = Client::open(place)?;
    let ask = |of: &str| {
        let path = format!("{ROOT}/{of}/{}/{name}", encoded(id));
        client.ask(Method::GET, &path, Asked::default())
    };
    match ask("cdrs")? {
        Ok(reply) => Ok(reply),
        Err(no) if no.status == 404 => match ask("calls")? {
            Ok(reply) => Ok(reply),
            Err(no) if no.status == 404 => {
                Err(Failure::Running(format!("no record and no call {id}")))
            }
            Err(no) => Err(no.into()),
        },
        Err(no) => Err(no.into()),
    }
}

/// Messages as lines: when, whence, where to, what.
fn rungs(answer: &Value) -> String {
    let messages = answer.get("items").and_then(Value::as_array).map_or(&[][..], Vec::as_slice);
    if messages.is_empty() {
        return "no messages of it are kept any more".to_owned();
    }
    let width = |name: &str| {
        messages.iter().map(|message| text(message, name).len()).max().unwrap_or_default()
    };
    let (from, to, transport) = (width("from"), width("to"), width("transport"));
    let line = |message: &Value| {
        format!(
            "{:<27}  {:<transport$}  {:>from$} -> {:<to$}  {}",
            text(message, "at"),
            text(message, "transport"),
            text(message, "from"),
            text(message, "to"),
            text(message, "start")
        )
    };
    messages.iter().map(line).collect::<Vec<_>>().join("\n")
}

/// Tries a call that nobody makes.
pub(crate) fn test(place: &Place, test: &RouteTest) -> Result<(), Failure> {
    let client = Client::open(place)?;
    let (name, value) = sender(&test.from);
    let own = [(name, value.to_owned()), ("called", test.to.clone())];
    let members = own.into_iter().chain(test.more.iter().cloned());
    let body: Map<String, Value> =
        members.map(|(name, value)| (name.to_owned(), Value::String(value))).collect();
    let body = Some(("application/json".to_owned(), Value::Object(body).to_string()));
    let path = format!("{ROOT}/route-tests");
    let reply = client.ask(Method::POST, &path, Asked { body, ..Asked::default() })??;
    let answer = reply.json()?;
    if test.is_json {
        raw(&reply)?;
    } else {
        say(&tried(&answer))?;
    }
    if text(&answer, "verdict") == "go" { Ok(()) } else { Err(Failure::WouldNotGo) }
}

fn sender(from: &str) -> (&'static str, &str) {
    match from.split_once(':') {
        Some(("trunk", name)) => ("trunk", name),
        Some(("subscriber", id)) => ("subscriber", id),
        Some((_, _)) | None => ("username", from),
    }
}

fn raw(reply: &Reply) -> Result<(), Failure> {
    say(reply.text.trim_end())
}

fn text<'a>(value: &'a Value, name: &str) -> &'a str {
    value.get(name).and_then(Value::as_str).unwrap_or_default()
}

/// A trace as lines.
fn told(trace: &Value) -> String {
    let mut lines = Vec::new();
    let record = match text(trace, "cdr") {
        "" => String::new(),
        cdr => format!(", record {cdr}"),
    };
    lines.push(format!("call {}{record}", text(trace, "call")));
    match text(trace, "decided") {
        "" => lines.push("the reasons of its decision are not kept".to_owned()),
        decided => {
            lines
                .push(format!("decided at {decided} by configuration {}", text(trace, "snapshot")));
        }
    }
    put_sentences(trace, "decision", &mut lines);
    let rest = trace.get("afterwards").and_then(Value::as_array);
    if rest.is_some_and(|steps| !steps.is_empty()) {
        lines.push("then".to_owned());
        put_sentences(trace, "afterwards", &mut lines);
    }
    lines.join("\n")
}

fn put_sentences(value: &Value, name: &str, lines: &mut Vec<String>) {
    let steps = value.get(name).and_then(Value::as_array);
    let sentences = steps.into_iter().flatten().map(|step| text(step, "sentence"));
    lines.extend(sentences.map(|sentence| format!("  {sentence}")));
}

/// A dry run as lines.
fn tried(answer: &Value) -> String {
    let at = text(answer, "at");
    let number = |name: &str| answer.get(name).map(Value::to_string).unwrap_or_default();
    let mut lines = vec![match text(answer, "verdict") {
        "refuse" => {
            let (sip, q850, reason) = (number("sip"), number("q850"), text(answer, "reason"));
            format!("at {at}: would be refused with {sip}, cause {q850} ({reason})")
        }
        "challenge" => format!("at {at}: would be asked for credentials"),
        verdict => format!("at {at}: {verdict}"),
    }];
    let stages = answer.get("stages").and_then(Value::as_array);
    for (place, stage) in (1..).zip(stages.into_iter().flatten()) {
        let branches = stage.get("branches").and_then(Value::as_array);
        lines.extend(branches.into_iter().flatten().map(|one| branch(place, one)));
    }
    let payers = answer.get("payers").and_then(Value::as_array);
    lines.extend(payers.into_iter().flatten().map(payer));
    lines.push("why".to_owned());
    put_sentences(answer, "decision", &mut lines);
    lines.push(text(answer, "covers").to_owned());
    lines.join("\n")
}

/// `stage 1: trunk 1 (carrier) at 192.0.2.1:5060 as 44123, caller 1001, for 0.015 EUR a minute`.
fn branch(place: usize, branch: &Value) -> String {
    let mut line = format!("stage {place}:");
    for kind in ["trunk", "subscriber"] {
        if let Some(id) = branch.get(kind).and_then(Value::as_str) {
            line.push_str(&format!(" {kind} {id}"));
        }
    }
    let mut put = |before: &str, name: &str, after: &str| {
        if let Some(value) = branch.get(name).and_then(Value::as_str).filter(|v| !v.is_empty()) {
            line.push_str(&format!("{before}{value}{after}"));
        }
    };
    put(" (", "name", ")");
    put(" at ", "address", "");
    put(" as ", "dialled", "");
    put(", caller ", "caller", "");
    if let Some(price) = branch.get("price").and_then(per_minute) {
        line.push_str(&format!(", for {price}"));
    }
    line
}

fn payer(payer: &Value) -> String {
    let name = match text(payer, "name") {
        "" => String::new(),
        name => format!(" ({name})"),
    };
    let price = payer.get("price").and_then(per_minute).unwrap_or_default();
    let step_ms = payer.get("step_ms").and_then(Value::as_u64).unwrap_or_default();
    let seconds = step_ms / 1_000;
    format!("account {}{name} pays {price}, in steps of {seconds} s", text(payer, "account"))
}

fn per_minute(money: &Value) -> Option<String> {
    let amount = money.get("amount")?.as_str()?;
    Some(format!("{amount} {} a minute", text(money, "currency")))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn step(sentence: &str) -> Value {
        json!({"step": "x", "parameters": {}, "sentence": sentence})
    }

    #[test]
    fn a_trace_is_lines() {
        let trace = json!({
            "call": "7", "cdr": "9", "decided": "2026-01-02T03:04:05.000000Z", "snapshot": "3",
            "decision": [step("sender is trunk 1"), step("no route fits")],
            "afterwards": [step("nobody talked")],
        });
        assert_eq!(
            told(&trace),
            "call 7, record 9\ndecided at 2026-01-02T03:04:05.000000Z by configuration 3\n  \
             sender is trunk 1\n  no route fits\nthen\n  nobody talked"
        );
        let gone = json!({
            "call": "7", "cdr": null, "decided": null, "snapshot": null, "decision": [],
            "afterwards": [],
        });
        assert_eq!(told(&gone), "call 7\nthe reasons of its decision are not kept");
    }

    #[test]
    fn a_dry_run_is_lines() {
        let price = |amount: &str| json!({"amount": amount, "currency": "EUR"});
        let answer = json!({
            "at": "T", "verdict": "go", "covers": "Prices only.", "reason": null,
            "stages": [{"branches": [
                {"trunk": "1", "subscriber": null, "name": "carrier", "dialled": "44",
                 "address": "192.0.2.1:5060", "caller": "1001", "price": price("0.015")},
                {"trunk": null, "subscriber": "2", "name": null, "dialled": "", "address": null,
                 "caller": "", "price": null},
            ]}],
            "payers": [{"account": "1", "name": "A", "price": price("0.06"), "step_ms": 1_000}],
            "decision": [step("planned in 1 stages")],
        });
        assert_eq!(
            tried(&answer),
            "at T: go\n\
             stage 1: trunk 1 (carrier) at 192.0.2.1:5060 as 44, caller 1001, \
             for 0.015 EUR a minute\n\
             stage 1: subscriber 2\n\
             account 1 (A) pays 0.06 EUR a minute, in steps of 1 s\n\
             why\n  planned in 1 stages\nPrices only."
        );
        let refused = json!({
            "at": "T", "verdict": "refuse", "covers": "", "reason": "no-route", "sip": 404,
            "q850": 3, "stages": [], "payers": [], "decision": [],
        });
        assert!(tried(&refused).starts_with("at T: would be refused with 404, cause 3 (no-route)"));
    }

    #[test]
    fn senders_are_told_apart() {
        assert_eq!(sender("1001"), ("username", "1001"));
        assert_eq!(sender("subscriber:7"), ("subscriber", "7"));
        assert_eq!(sender("trunk:my:trunk"), ("trunk", "my:trunk"));
        assert_eq!(sender("sip:1001"), ("username", "sip:1001"));
    }
}
