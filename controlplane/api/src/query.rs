//! Parameters of requests: which there are, what they look like, reading them.

use crate::codec::{ID, SAYING, parse_id};
use crate::cursor::{CURSOR, is_cursor};
use crate::limits::{PAGE_DEFAULT, PAGE_MAX};
use crate::problem::Problem;
use crate::value::parse_time;
use serde_json::{Value, json};
use strowger_model::{Digits, MOS_MAX, MOS_MIN};
use strowger_store::{Cell, How, Wanted};

/// A parameter of a query.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Parameter {
    /// Time from which on.
    From,
    /// Time before which.
    Until,
    /// Id of an account.
    Account,
    /// Name of a resource.
    Resource,
    /// Id of a row.
    Id,
    /// Name of who acted.
    Actor,
    /// Time at which it counts.
    At,
    /// A called number.
    Number,
    /// What has a line of its own.
    By,
    /// A score below which.
    MosBelow,
    /// Rows of a page.
    Limit,
    /// Cursor.
    Next,
    /// Only rows whose field is this.
    Only(&'static Filter),
}

/// What a list of rows can be narrowed to: those whose field has a value.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Filter {
    name: &'static str,
    column: &'static str,
    how: How,
    kind: FilterKind,
    /// What it does, where the name of a member says too little.
    about: &'static str,
}

/// What the value of a filter is.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum FilterKind {
    Id,
    Text,
    Flag,
    Number,
    Word(&'static [&'static str]),
    Time,
    Decimal,
}

/// The pattern of a decimal number.
const DECIMAL: &str = "^-?[0-9]{1,12}(\\.[0-9]{1,4})?$";
/// Digits of it before the point.
const DECIMAL_WHOLE_MAX: usize = 12;
/// Digits behind it; no currency is kept in fewer.
const DECIMAL_PART_MAX: usize = 4;

impl Filter {
    const fn new(name: &'static str, column: &'static str, kind: FilterKind) -> Filter {
        Filter { name, column, how: How::Equals, kind, about: "" }
    }

    /// The same, with words of its own.
    pub(crate) const fn about(self, about: &'static str) -> Filter {
        Filter { about, ..self }
    }

    /// A time from which on something is so; the condition has a `?` in the place of the time.
    pub(crate) const fn since_when(name: &'static str, condition: &'static str) -> Filter {
        Filter { how: How::Where, ..Filter::new(name, condition, FilterKind::Time) }
    }

    /// An id.
    pub(crate) const fn id(name: &'static str, column: &'static str) -> Filter {
        Filter::new(name, column, FilterKind::Id)
    }

    /// A text, whole.
    pub(crate) const fn text(name: &'static str) -> Filter {
        Filter::new(name, name, FilterKind::Text)
    }

    /// A yes or no.
    pub(crate) const fn flag(name: &'static str) -> Filter {
        Filter::new(name, name, FilterKind::Flag)
    }

    /// A number, whole.
    pub(crate) const fn number(name: &'static str) -> Filter {
        Filter::new(name, name, FilterKind::Number)
    }

    /// A number in a list.
    pub(crate) const fn number_in(name: &'static str, column: &'static str) -> Filter {
        Filter { how: How::Lists, ..Filter::new(name, column, FilterKind::Number) }
    }

    /// The beginning of a number.
    pub(crate) const fn begins(name: &'static str) -> Filter {
        Filter { how: How::Begins, ..Filter::new(name, name, FilterKind::Number) }
    }

    /// A time, from which on.
    pub(crate) const fn since(name: &'static str, column: &'static str) -> Filter {
        Filter { how: How::Since, ..Filter::new(name, column, FilterKind::Time) }
    }

    /// A yes or no about something; the condition has a `?` in the place of 1 or 0.
    pub(crate) const fn flag_when(name: &'static str, condition: &'static str) -> Filter {
        Filter { how: How::Where, ..Filter::new(name, condition, FilterKind::Flag) }
    }

    /// A decimal number that is compared with what runs now.
    pub(crate) const fn live_decimal(name: &'static str) -> Filter {
        Filter { how: How::Live, ..Filter::new(name, name, FilterKind::Decimal) }
    }

    const fn description(&self) -> &'static str {
        match self.how {
            _ if !self.about.is_empty() => self.about,
            How::Where | How::Live => "Only rows of which this is true.",
            How::Equals | How::Lists => "Only rows whose member of this name is, or has, this.",
            How::Begins => "Only rows whose member of this name begins so.",
            How::Since => "Only rows whose member of this name is this time or later.",
        }
    }

    /// A word of an enumeration.
    pub(crate) const fn word(name: &'static str, words: &'static [&'static str]) -> Filter {
        Filter::new(name, name, FilterKind::Word(words))
    }

    fn shape(&self) -> Value {
        match self.kind {
            FilterKind::Id => json!({"type": "string", "pattern": ID}),
            FilterKind::Text => json!({"type": "string", "pattern": SAYING}),
            FilterKind::Flag => json!({"type": "boolean"}),
            FilterKind::Number => json!({"type": "string", "pattern": "^[0-9*#]{0,32}$"}),
            FilterKind::Word(words) => json!({"type": "string", "enum": words}),
            FilterKind::Time => json!({"type": "string", "format": "date-time"}),
            FilterKind::Decimal => json!({"type": "string", "pattern": DECIMAL}),
        }
    }

    fn wanted(&self, text: String) -> Result<Wanted, String> {
        let value = match self.kind {
            FilterKind::Id => parse_id(&text).map(Cell::from).ok_or("is not an id".to_owned())?,
            FilterKind::Text if text.trim().is_empty() => return Err("says nothing".to_owned()),
            FilterKind::Text if text.chars().any(char::is_control) => {
                return Err("has control characters".to_owned());
            }
            FilterKind::Text => text.into(),
            FilterKind::Flag => match text.as_str() {
                "true" => true.into(),
                "false" => false.into(),
                _ => return Err("is neither true nor false".to_owned()),
            },
            FilterKind::Number => {
                let digits = Digits::parse(&text).map_err(|e| e.to_string())?;
                digits.as_str().into()
            }
            FilterKind::Time => {
                let time = parse_time(&text);
                time.ok_or("is not a time like 2026-01-31T12:00:00Z (RFC 3339)")?.into()
            }
            FilterKind::Decimal if is_decimal(&text) => text.into(),
            FilterKind::Decimal => return Err("is no decimal number like 12.50".to_owned()),
            FilterKind::Word(words) if words.contains(&text.as_str()) => text.into(),
            FilterKind::Word(words) => return Err(format!("is none of {}", words.join(", "))),
        };
        Ok(Wanted { column: self.column, how: self.how, value })
    }
}

/// Whether a text is a decimal number of [`DECIMAL`].
fn is_decimal(text: &str) -> bool {
    let (whole, part) = text.split_once('.').unwrap_or((text, "0"));
    let digits = |text: &str, most: usize| {
        (1..=most).contains(&text.len()) && text.bytes().all(|b| b.is_ascii_digit())
    };
    let whole = whole.strip_prefix('-').unwrap_or(whole);
    digits(whole, DECIMAL_WHOLE_MAX) && digits(part, DECIMAL_PART_MAX)
}

impl Parameter {
    /// Its name in the query.
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Parameter::From => "from",
            Parameter::Until => "until",
            Parameter::Account => "account",
            Parameter::Resource => "resource",
            Parameter::Id => "id",
            Parameter::Actor => "actor",
            Parameter::At => "at",
            Parameter::Number => "number",
            Parameter::By => "by",
            Parameter::MosBelow => "mos_below",
            Parameter::Limit => "limit",
            Parameter::Next => "next",
            Parameter::Only(filter) => filter.name,
        }
    }

    /// What it does.
    pub(crate) const fn description(self) -> &'static str {
        match self {
            Parameter::From => "Only what ended or happened at this time or later.",
            Parameter::Until => "Only what ended or happened before this time.",
            Parameter::Account => "Only calls that this account pays for.",
            Parameter::Resource => "Only changes of this resource, for example `users`.",
            Parameter::Id => "Only changes of what has this identity.",
            Parameter::Actor => "Only changes by this actor.",
            Parameter::At => "Only what is in force at this time.",
            Parameter::Number => "Only the row that prices this number, at the time `at` or now.",
            Parameter::By => {
                "What has a line of its own, with commas between: one of hour, day, week and \
                 month; one of account, ingress and egress; destination."
            }
            Parameter::MosBelow => {
                "Only calls with a direction that scores worse by now, hundredths."
            }
            Parameter::Limit => "Most rows of the page.",
            Parameter::Next => "The `next` of the page before.",
            Parameter::Only(filter) => filter.description(),
        }
    }

    /// Its JSON schema.
    pub(crate) fn shape(self) -> Value {
        match self {
            Parameter::Number => json!({"type": "string", "pattern": "^[0-9*#]{1,32}$"}),
            Parameter::By => json!({"type": "string", "pattern": "^[a-z]+(,[a-z]+){0,2}$"}),
            Parameter::From | Parameter::Until | Parameter::At => {
                json!({"type": "string", "format": "date-time"})
            }
            Parameter::Account | Parameter::Id => {
                json!({"type": "string", "pattern": ID})
            }
            Parameter::Resource | Parameter::Actor => {
                json!({"type": "string", "pattern": SAYING})
            }
            Parameter::MosBelow => {
                json!({"type": "integer", "minimum": MOS_MIN + 1, "maximum": MOS_MAX + 1})
            }
            Parameter::Limit => json!({
                "type": "integer", "minimum": 1, "maximum": PAGE_MAX, "default": PAGE_DEFAULT
            }),
            Parameter::Next => json!({"type": "string", "pattern": CURSOR}),
            Parameter::Only(filter) => filter.shape(),
        }
    }
}

/// The parameters of one request.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct Query {
    pub(crate) from_us: Option<i64>,
    pub(crate) until_us: Option<i64>,
    pub(crate) account: Option<i64>,
    pub(crate) resource: Option<String>,
    pub(crate) id: Option<i64>,
    pub(crate) actor: Option<String>,
    pub(crate) at_us: Option<i64>,
    pub(crate) number: Option<Digits>,
    pub(crate) by: Option<String>,
    pub(crate) mos_below: Option<u16>,
    pub(crate) limit: u32,
    pub(crate) next: Option<String>,
    pub(crate) wanted: Vec<Wanted>,
}

impl Default for Query {
    fn default() -> Self {
        Query {
            from_us: None,
            until_us: None,
            account: None,
            resource: None,
            id: None,
            actor: None,
            at_us: None,
            number: None,
            by: None,
            mos_below: None,
            limit: PAGE_DEFAULT,
            next: None,
            wanted: Vec::new(),
        }
    }
}

impl Query {
    /// Reads a query; only `known` parameters and `filters` are accepted, each once.
    ///
    /// # Errors
    /// A problem that names the parameter.
    pub(crate) fn parse(
        text: &str,
        known: &[Parameter],
        filters: &'static [Filter],
    ) -> Result<Query, Problem> {
        let mut query = Query::default();
        let mut seen = Vec::new();
        for pair in text.split('&').filter(|pair| !pair.is_empty()) {
            let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
            let name = decoded(name).ok_or_else(|| Problem::field("query", "is not UTF-8"))?;
            let mut all = known.iter().copied().chain(filters.iter().map(Parameter::Only));
            let Some(parameter) = all.find(|parameter| parameter.name() == name) else {
                return Err(Problem::field(&name, "is not a parameter of this endpoint"));
            };
            if seen.contains(&parameter) {
                return Err(Problem::field(&name, "stands twice"));
            }
            seen.push(parameter);
            let value = decoded(value).ok_or_else(|| Problem::field(&name, "is not UTF-8"))?;
            query.set(parameter, value).map_err(|detail| Problem::field(&name, detail))?;
        }
        match (query.from_us, query.until_us) {
            (Some(from), Some(until)) if until <= from => {
                Err(Problem::refused("until", "is not later than from"))
            }
            (Some(_) | None, Some(_) | None) => Ok(query),
        }
    }

    fn set(&mut self, parameter: Parameter, value: String) -> Result<(), String> {
        let time = |value: &str| {
            parse_time(value).ok_or("is not a time like 2026-01-31T12:00:00Z (RFC 3339)")
        };
        match parameter {
            Parameter::From => self.from_us = Some(time(&value)?),
            Parameter::Until => self.until_us = Some(time(&value)?),
            Parameter::Account => {
                self.account = Some(parse_id(&value).ok_or("is not an id")?);
            }
            Parameter::Id => self.id = Some(parse_id(&value).ok_or("is not an id")?),
            Parameter::Resource => self.resource = Some(plain(value)?),
            Parameter::Actor => self.actor = Some(plain(value)?),
            Parameter::At => self.at_us = Some(time(&value)?),
            Parameter::Number => {
                let number = Digits::parse(&value).ok().filter(|number| !number.is_empty());
                self.number = Some(number.ok_or("is no number of 0-9, * and #")?);
            }
            Parameter::By => self.by = Some(plain(value)?),
            Parameter::MosBelow => {
                let (from, to) = (MOS_MIN + 1, MOS_MAX + 1);
                let score = value.parse().ok().filter(|score| (from..=to).contains(score));
                self.mos_below =
                    Some(score.ok_or(format!("is not a whole number from {from} to {to}"))?);
            }
            Parameter::Limit => {
                let limit = value.parse().ok().filter(|limit| (1..=PAGE_MAX).contains(limit));
                self.limit = limit.ok_or(format!("is not a whole number from 1 to {PAGE_MAX}"))?;
            }
            Parameter::Next if is_cursor(&value) => self.next = Some(value),
            Parameter::Next => return Err("is not a cursor".to_owned()),
            Parameter::Only(filter) => self.wanted.push(filter.wanted(value)?),
        }
        Ok(())
    }

    /// The text or number that a filter wants.
    pub(crate) fn text(&self, column: &str) -> Option<&str> {
        match self.value(column)? {
            Cell::Text(text) => text.as_deref(),
            Cell::Int(_) => None,
        }
    }

    /// The id that a filter wants.
    pub(crate) fn id_of(&self, column: &str) -> Option<i64> {
        match self.value(column)? {
            Cell::Int(id) => *id,
            Cell::Text(_) => None,
        }
    }

    fn value(&self, column: &str) -> Option<&Cell> {
        self.wanted.iter().find(|wanted| wanted.column == column).map(|wanted| &wanted.value)
    }

    /// Rows to ask for: one more than the page shows.
    pub(crate) const fn rows(&self) -> u32 {
        self.limit.saturating_add(1)
    }
}

/// A text that a database can be asked for: PostgreSQL knows no NUL.
fn plain(value: String) -> Result<String, &'static str> {
    let is_plain = !value.trim().is_empty() && !value.chars().any(char::is_control);
    if is_plain { Ok(value) } else { Err("is blank or has control characters") }
}

/// Undoes percent-encoding (RFC 3986 section 2.1); a `+` stays one. `None` when a `%` is not
/// followed by two hexadecimal digits, or the octets are no UTF-8.
fn decoded(text: &str) -> Option<String> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.bytes();
    while let Some(byte) = rest.next() {
        let byte = if byte == b'%' {
            let mut digit = || char::from(rest.next()?).to_digit(16);
            let (high, low) = (digit()?, digit()?);
            u8::try_from(high * 16 + low).ok()?
        } else {
            byte
        };
        bytes.push(byte);
    }
    String::from_utf8(bytes).ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::reply::Answer;
    use proptest::prelude::*;

    const ALL: [Parameter; 12] = [
        Parameter::From,
        Parameter::Until,
        Parameter::Account,
        Parameter::Resource,
        Parameter::Id,
        Parameter::Actor,
        Parameter::At,
        Parameter::Number,
        Parameter::By,
        Parameter::MosBelow,
        Parameter::Limit,
        Parameter::Next,
    ];

    /// The field that the problem of `query` names.
    fn field(query: &str, known: &[Parameter]) -> String {
        let problem = Query::parse(query, known, &[]).unwrap_err();
        let answer = Answer::from(problem);
        assert!([400, 422].contains(&answer.status.as_u16()), "{query}");
        let body: Value = serde_json::from_slice(&answer.body).unwrap();
        body["field"].as_str().unwrap().to_owned()
    }

    #[test]
    fn every_parameter_is_read() {
        let text = "from=1970-01-01T00:00:01%2b00:00&until=1970-01-01T02:00:02+02:00&&account=-7\
            &limit=1000&next=a%5fB-9&resource=users&id=7&actor=ada%40x\
            &at=1970-01-01T00:00:03Z&number=*44%23&by=day,egress&mos_below=310";
        let expect = Query {
            from_us: Some(1_000_000),
            until_us: Some(2_000_000),
            account: Some(-7),
            resource: Some("users".to_owned()),
            id: Some(7),
            actor: Some("ada@x".to_owned()),
            at_us: Some(3_000_000),
            number: Digits::parse("*44#").ok(),
            by: Some("day,egress".to_owned()),
            mos_below: Some(310),
            limit: 1000,
            next: Some("a_B-9".to_owned()),
            wanted: Vec::new(),
        };
        assert_eq!(Query::parse(text, &ALL, &[]).unwrap(), expect);
        assert_eq!(Query::parse("", &[], &[]).unwrap(), Query::default());
    }

    #[test]
    fn a_wrong_parameter_is_named() {
        for (query, expect) in [
            ("from=yesterday", "from"),
            ("until=", "until"),
            ("from=2026-01-02T00:00:00Z&until=2026-01-02T00:00:00Z", "until"),
            ("account=x", "account"),
            ("id=x", "id"),
            ("actor=%00", "actor"),
            ("resource=%0a", "resource"),
            ("account=999999999999999999999", "account"),
            ("mos_below=100", "mos_below"),
            ("mos_below=452", "mos_below"),
            ("mos_below=4.1", "mos_below"),
            ("limit=0", "limit"),
            ("limit=1001", "limit"),
            ("limit=-1", "limit"),
            ("limit=1&limit=1", "limit"),
            ("at=now", "at"),
            ("number=", "number"),
            ("number=%2b44", "number"),
            ("next=%zz", "next"),
            ("next=%ff", "next"),
            ("%zz=1", "query"),
            ("token=abc", "token"),
            ("Limit=1", "Limit"),
        ] {
            assert_eq!(field(query, &ALL), expect, "{query}");
        }
        assert_eq!(field("limit=1", &[]), "limit");
        assert_eq!(field(&"x".repeat(1000), &[]).len(), 64);
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(256))]

        #[test]
        fn any_text_is_taken(text: String, name in 0usize..12) {
            let query = format!("{}={text}", ALL[name].name());
            let _either = Query::parse(&query, &ALL, &[]);
            let _either = Query::parse(&text, &ALL, &[]);
        }
    }
}
