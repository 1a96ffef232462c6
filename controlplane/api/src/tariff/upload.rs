//! Rows for a draft: a list in JSON, or a file of comma-separated values; all or none.

use super::{LOG, added, of_import, revision};
use crate::codec::ID;
use crate::codec::{Class, Flag, Int, Moment, PREFIX, Seconds, class_shape};
use crate::dispatch::Context;
use crate::field::{Codec, Why, Wrong};
use crate::limits::RATES_ROWS_MAX;
use crate::problem::Problem;
use crate::reply::{Answer, JSON};
use crate::resource::decimal;
use crate::shape::Components;
use crate::table::{CSV, Pending, Responses};
use crate::tariff::line::Lines;
use crate::value::money_shape;
use axum::http::StatusCode;
use serde::de::{Deserializer as _, Error as _, SeqAccess, Visitor};
use serde_json::{Map, Value, json};
use std::collections::BTreeSet;
use strowger_model::{
    Amount, Currency, NUMBER_MAX, PRICE_DIGITS, Price, Rate, RateId, RateKey, RevisionState,
    Tariff, TimeClass,
};
use strowger_routing::check_rate;
use strowger_store::{Change, RevisedRate};

/// How many digits a number may have.
const DIGITS: Int = Int(0, NUMBER_MAX as i64);
/// Longest duration of a row, seconds: milliseconds of it fit into 32 bits.
const SECONDS_MAX: u32 = u32::MAX / 1000;

/// `POST /tariffs/{id}/revisions/{number}/rates`
pub(crate) fn upload(cx: Context) -> Pending {
    Box::pin(async move {
        let (tariff, revision) = revision(&cx).await?;
        must_be_draft(revision.state)?;
        if let Some(import) = cx.api.reader.import_of(tariff.id, revision.number).await? {
            return Err(of_import(import));
        }
        let is_csv = cx.media() == CSV;
        let (cx, tariff, rows) = tokio::task::spawn_blocking(move || {
            let rows =
                if is_csv { of_csv(cx.body(), &tariff) } else { of_json(cx.body(), &tariff) };
            rows.map(|rows| (cx, tariff, rows))
        })
        .await
        .map_err(|_| Problem::internal())??;
        let (Some(first), Some(last)) = (rows.first(), rows.last()) else {
            return Err(Problem::refused("body", "has no row"));
        };
        let [first, last] = [first, last].map(|row| row.rate.prefix);
        let (number, at_us) = (revision.number, cx.api.now_us());
        let after = added(tariff.id, number, rows.len(), first.as_str(), last.as_str());
        let entry = Change::new(LOG, tariff.id.0, None, Some(&after), at_us);
        let entry = entry.of(Some(tariff.tenant), None);
        let added = cx.api.store.add_rates(tariff.id, number, &rows, &cx.actor(), &entry).await?;
        // It may have been published meanwhile.
        let first = added.ok_or_else(no_draft)?;
        let count = i64::try_from(rows.len()).unwrap_or(i64::MAX);
        let last = first.0.saturating_add(count).saturating_sub(1);
        let made = json!({"count": count, "first": first.0.to_string(), "last": last.to_string()});
        Answer::json(StatusCode::CREATED, &made)
    })
}

fn no_draft() -> Problem {
    Problem::conflict("state", "is no draft: only a draft takes rows")
}

fn must_be_draft(state: RevisionState) -> Result<(), Problem> {
    match state {
        RevisionState::Draft => Ok(()),
        RevisionState::Published | RevisionState::Undone => Err(no_draft()),
    }
}

/// Rows as they come in, each checked as every line of a world is.
struct Taken<'a> {
    tariff: &'a Tariff,
    rows: Vec<RevisedRate>,
    /// Two rows of one prefix, class and length of numbers with one beginning say two things.
    seen: BTreeSet<(RateKey, i64)>,
}

impl<'a> Taken<'a> {
    fn new(tariff: &'a Tariff) -> Taken<'a> {
        Taken { tariff, rows: Vec::new(), seen: BTreeSet::new() }
    }

    fn take(&mut self, given: &Map<String, Value>) -> Result<(), Wrong> {
        if self.rows.len() >= RATES_ROWS_MAX {
            return Err(Wrong::new(format!("is more than {RATES_ROWS_MAX} rows")));
        }
        let row = row(given, self.tariff)?;
        let unfit = check_rate(self.tariff, &row.rate);
        unfit.map_err(|error| Wrong::unfit(error.problem.to_string()))?;
        if !self.seen.insert((row.rate.key(), row.rate.from_us)) {
            return Err(Wrong::unfit("stands twice with the same beginning").at("prefix"));
        }
        self.rows.push(row);
        Ok(())
    }
}

/// One row.
fn row(given: &Map<String, Value>, tariff: &Tariff) -> Result<RevisedRate, Wrong> {
    if let Some(name) = given.keys().find(|name| !MEMBERS.contains(&name.as_str())) {
        return Err(Wrong::new("is not a member of a row").at(name));
    }
    let removed = member(given, "removed", &Flag, false)?;
    let currency = tariff.currency;
    let seconds = |name, least, default| member(given, name, &Seconds(least, SECONDS_MAX), default);
    let fee = amount(given, "connection_fee", currency, currency.ledger_digits())?;
    let price = amount(given, "price", currency, PRICE_DIGITS)?;
    if price.is_none() && !removed {
        return Err(Wrong::unfit("is missing").at("price"));
    }
    let from_us = member(given, "from", &Moment, 0)?;
    let until_us = match given.get("until") {
        None | Some(Value::Null) => None,
        Some(json) => Some(Codec::take(&Moment, json, None).map_err(|wrong| wrong.at("until"))?),
    };
    if until_us.is_some_and(|until_us| until_us <= from_us) {
        return Err(Wrong::unfit("is not behind from").at("until"));
    }
    let prefix = given.get("prefix").ok_or_else(|| Wrong::new("is missing").at("prefix"))?;
    let prefix = Codec::take(&PREFIX, prefix, None).map_err(|wrong: Wrong| wrong.at("prefix"))?;
    let rate = Rate {
        id: RateId(0),
        tariff: tariff.id,
        prefix,
        class: member(given, "class", &Class, TimeClass::All)?,
        digits_min: member(given, "digits_min", &DIGITS, 0)?,
        digits_max: member(given, "digits_max", &DIGITS, 0)?,
        price: Price(price.unwrap_or(0)),
        step_s: seconds("step_ms", 1, 1)?,
        minimum_s: seconds("minimum_ms", 0, 0)?,
        free_s: seconds("free_ms", 0, 0)?,
        free_after_s: seconds("free_after_ms", 0, 0)?,
        connection_fee: Amount(fee.unwrap_or(0)),
        from_us,
        until_us,
    };
    Ok(RevisedRate { rate, revision: 0, removed })
}

const MEMBERS: [&str; 13] = [
    "prefix",
    "class",
    "digits_min",
    "digits_max",
    "price",
    "step_ms",
    "minimum_ms",
    "free_ms",
    "free_after_ms",
    "connection_fee",
    "from",
    "until",
    "removed",
];

fn member<T>(
    given: &Map<String, Value>,
    name: &str,
    codec: &dyn Codec<T>,
    default: T,
) -> Result<T, Wrong> {
    match given.get(name) {
        None | Some(Value::Null) => Ok(default),
        Some(json) => codec.take(json, None).map_err(|wrong| wrong.at(name)),
    }
}

fn amount(
    given: &Map<String, Value>,
    name: &str,
    currency: Currency,
    digits: u8,
) -> Result<Option<i64>, Wrong> {
    let Some(json) = given.get(name).filter(|json| !json.is_null()) else { return Ok(None) };
    let amount = decimal(json, currency, digits).map_err(|wrong| wrong.at(name))?;
    if amount < 0 {
        return Err(Wrong::unfit("is below zero").at("amount").at(name));
    }
    Ok(Some(amount))
}

/// The problem of one row.
fn at(place: &str, wrong: Wrong) -> Problem {
    let path = match wrong.path.as_str() {
        "" => place.to_owned(),
        path => format!("{place}.{path}"),
    };
    Problem::wrong(&path, wrong)
}

fn of_csv(body: &[u8], tariff: &Tariff) -> Result<Vec<RevisedRate>, Problem> {
    let text = std::str::from_utf8(body).map_err(|_| Problem::field("body", "is not UTF-8"))?;
    // The document does not say what stands in a file.
    let told = |(line, wrong): (usize, Wrong)| {
        at(&format!("line {line}"), Wrong { why: Why::Unfit, ..wrong })
    };
    let mut lines = Lines::new(text).map_err(told)?;
    let mut taken = Taken::new(tariff);
    while let Some((line, row)) = lines.row().map_err(told)? {
        taken.take(&row).map_err(|wrong| told((line, wrong)))?;
    }
    Ok(taken.rows)
}

/// Takes row after row, so that a list of many is never there twice.
struct List<'a, 't> {
    taken: &'a mut Taken<'t>,
    problem: &'a mut Option<Problem>,
}

impl<'de> Visitor<'de> for List<'_, '_> {
    type Value = ();

    fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("a list of rows")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut rows: A) -> Result<(), A::Error> {
        let mut place = 0usize;
        while let Some(json) = rows.next_element::<Value>()? {
            let done = match &json {
                Value::Object(given) => self.taken.take(given),
                Value::Null
                | Value::Bool(_)
                | Value::Number(_)
                | Value::String(_)
                | Value::Array(_) => Err(Wrong::new("is no JSON object")),
            };
            if let Err(wrong) = done {
                *self.problem = Some(at(&format!("[{place}]"), wrong));
                return Err(A::Error::custom("a row is wrong"));
            }
            place = place.saturating_add(1);
        }
        Ok(())
    }
}

fn of_json(body: &[u8], tariff: &Tariff) -> Result<Vec<RevisedRate>, Problem> {
    let (mut taken, mut problem) = (Taken::new(tariff), None);
    let mut json = serde_json::Deserializer::from_slice(body);
    let list = List { taken: &mut taken, problem: &mut problem };
    let read = json.deserialize_seq(list).and_then(|()| json.end());
    match (problem, read) {
        (Some(problem), _) => Err(problem),
        (None, Err(_)) => Err(Problem::field("body", "is no list of rows in JSON")),
        (None, Ok(())) => Ok(taken.rows),
    }
}

/// What rows are made of.
pub(crate) fn rows_form(_: &mut Components) -> Value {
    let ms = |least: u32, what: &str| {
        json!({
            "type": "integer", "minimum": least, "maximum": u64::from(SECONDS_MAX) * 1000,
            "multipleOf": 1000, "description": what,
        })
    };
    let time = |what: &str| json!({"type": "string", "format": "date-time", "description": what});
    let digits = |what: &str| {
        let most = NUMBER_MAX;
        json!({"type": "integer", "minimum": 0, "maximum": most, "description": what})
    };
    json!({
        "type": "array",
        "minItems": 1,
        "maxItems": RATES_ROWS_MAX,
        "items": {
            "type": "object",
            "additionalProperties": false,
            "required": ["prefix"],
            "properties": {
                "prefix": {
                    "type": "string", "pattern": "^[0-9*#]{0,32}$",
                    "description": "Called numbers it is for; the longest wins.",
                },
                "class": class_shape(),
                "digits_min": digits("Fewest digits of numbers it is for."),
                "digits_max": digits("Most digits of numbers it is for; 0 is no limit."),
                "price": money_shape(),
                "step_ms": ms(1000, "Billing step."),
                "minimum_ms": ms(0, "Minimum charged once answered."),
                "free_ms": ms(0, "Not charged at the beginning."),
                "free_after_ms": ms(0, "Nothing is charged beyond this; 0 is no such limit."),
                "connection_fee": money_shape(),
                "from": time("In force from; without it as soon as its revision."),
                "until": time("In force before; without it until replaced."),
                "removed": {
                    "type": "boolean", "description": "The prefix has no price from then on.",
                },
            },
        },
    })
}

/// What adding rows is answered.
pub(crate) fn rows_responses(_: &mut Components) -> Responses {
    let id = |what: &str| json!({"type": "string", "pattern": ID, "description": what});
    let shape = json!({
        "type": "object",
        "required": ["count", "first", "last"],
        "properties": {
            "count": {"type": "integer", "minimum": 1, "description": "Rows that were added."},
            "first": id("Identity of the first."),
            "last": id("Identity of the last."),
        },
    });
    vec![(201, "All rows were added.", JSON, shape)]
}
