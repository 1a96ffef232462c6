//! Header fields of a caller on their way to a branch: which go on, and what a trunk's rules make
//! of them (spec SIP-HDR-01).
//!
//! Rules are compiled when their trunk becomes part of a world, so nothing is parsed on a call. A
//! pattern is matched in time linear in the value's length, whatever stands in it.
//!
//! Rules of requests see the INVITE of a call. Those of its responses are worked by the dataplane,
//! which hears them: they go with the branch as plain data, so they have no patterns. What keeps
//! the protocol right is nobody's to change ([`GUARDED`]), and what a trunk's row says of
//! identities and forwards is written by these alone ([`OWNED`]); both may be read by conditions
//! and copied from, as far as the dataplane hands them up.

mod name;

pub use name::{GUARDED, OWNED};

use core::fmt;
use name::{is_network, is_passed};
use regex_automata::meta::Regex;
use regex_automata::util::syntax;
use strowger_link::{
    CallAsk, FIELD_RULES_MAX, FieldAction, FieldRule, FieldTest, FieldTestKind, HeaderField, Octets,
};
use strowger_model::{
    HEADER_CONDITIONS_MAX, HEADER_NAME_MAX, HEADER_PATTERN_MAX, HEADER_RULES_MAX, HEADER_VALUE_MAX,
    HeaderAction, HeaderCondition, HeaderOn, HeaderRule, HeaderTest, Trunk,
};

/// Most fields that rules work on, and that go out with a branch.
pub(crate) const FIELDS_MAX: usize = 48;
/// Most bytes of names and values of them together.
pub(crate) const FIELDS_LEN_MAX: usize = 8 * 1024;
// A branch has the rules of the trunk that it goes to and of the one that the call came by.
const _: () = assert!(FIELD_RULES_MAX == 2 * HEADER_RULES_MAX);
/// Longest value that a rule leaves, bytes.
pub(crate) const VALUE_LEN_MAX: usize = 1024;
/// Largest compiled pattern, bytes: one of the longest texts without counted repetitions fits.
const PATTERN_SIZE_MAX: usize = 32 * 1024;
/// Deepest nesting of groups in a pattern.
const PATTERN_DEPTH_MAX: u32 = 8;

/// What is wrong with a rule.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct BadHeaderRule {
    /// The member, for example `pattern` or `when[1].value`.
    pub member: String,
    /// Why; stands behind the member's name.
    pub why: String,
}

impl fmt::Display for BadHeaderRule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.member, self.why)
    }
}

fn bad(member: impl Into<String>, why: impl Into<String>) -> BadHeaderRule {
    BadHeaderRule { member: member.into(), why: why.into() }
}

/// The compiled rules of a trunk, one list a direction.
#[derive(Clone, Debug, Default)]
pub(crate) struct TrunkRules {
    pub(crate) ingress: Rules,
    pub(crate) egress: Rules,
    /// What the trunk is told of the responses to its calls.
    pub(crate) told: Vec<FieldRule>,
    /// What is heard of its responses to calls that go there.
    pub(crate) heard: Vec<FieldRule>,
}

impl TrunkRules {
    /// Those of a row; `None` when it has none.
    ///
    /// # Errors
    /// The direction, the place of the first bad rule, and what is wrong with it.
    pub(crate) fn of(row: &Trunk) -> Result<Option<TrunkRules>, (String, BadHeaderRule)> {
        let ingress = row.ingress.as_ref().map(|i| i.header_rules.as_slice()).unwrap_or_default();
        let egress = row.egress.as_ref().map(|e| e.header_rules.as_slice()).unwrap_or_default();
        if ingress.is_empty() && egress.is_empty() {
            return Ok(None);
        }
        let compile = |direction: &str, rules: &[HeaderRule]| {
            if rules.len() > HEADER_RULES_MAX {
                let why = format!("has more than {HEADER_RULES_MAX} rules");
                return Err((format!("{direction}.header_rules"), bad("", why)));
            }
            let (mut requests, mut responses) = (Vec::new(), Vec::new());
            for (place, rule) in rules.iter().enumerate() {
                let at = |wrong| (format!("{direction}.header_rules[{place}]"), wrong);
                if rule.on == HeaderOn::Response && rule.header.eq_ignore_ascii_case("Server") {
                    return Err(at(bad("header", "Server is ours in every response")));
                }
                let compiled = Compiled::of(rule).map_err(at)?;
                match rule.on {
                    HeaderOn::Request => requests.push(compiled),
                    HeaderOn::Response => responses.push(compiled.as_field_rule().map_err(at)?),
                }
            }
            Ok((Rules(requests), responses))
        };
        let (ingress, told) = compile("ingress", ingress)?;
        let (egress, heard) = compile("egress", egress)?;
        Ok(Some(TrunkRules { ingress, egress, told, heard }))
    }
}

/// Compiled rules in their order.
#[derive(Clone, Debug, Default)]
pub(crate) struct Rules(Vec<Compiled>);

impl Rules {
    pub(crate) const fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

/// One rule, as it works.
#[derive(Clone, Debug)]
struct Compiled {
    when: Vec<Condition>,
    header: String,
    action: Action,
}

#[derive(Clone, Debug)]
struct Condition {
    header: String,
    test: Test,
}

#[derive(Clone, Debug)]
enum Test {
    Present,
    Absent,
    Equals(Box<[u8]>),
    Begins(Box<[u8]>),
}

#[derive(Clone, Debug)]
enum Action {
    Add(Box<[u8]>),
    Remove,
    /// In place of the whole value.
    Set(Box<[u8]>),
    /// In place of each part that is found.
    Rewrite(Box<Regex>, Box<[u8]>),
    Copy(String),
}

impl Compiled {
    fn of(rule: &HeaderRule) -> Result<Compiled, BadHeaderRule> {
        written_name(&rule.header)?;
        if rule.when.len() > HEADER_CONDITIONS_MAX {
            return Err(bad("when", format!("has more than {HEADER_CONDITIONS_MAX} conditions")));
        }
        let conditions = rule.when.iter().enumerate();
        let when = conditions.map(|(place, condition)| {
            let at =
                |wrong: BadHeaderRule| bad(format!("when[{place}].{}", wrong.member), wrong.why);
            Condition::of(condition).map_err(at)
        });
        Ok(Compiled {
            when: when.collect::<Result<_, _>>()?,
            header: rule.header.clone(),
            action: Action::of(rule)?,
        })
    }
}

impl Compiled {
    /// The rule as the dataplane works it.
    fn as_field_rule(&self) -> Result<FieldRule, BadHeaderRule> {
        let test = |condition: &Condition| {
            let (test, value) = match &condition.test {
                Test::Present => (FieldTestKind::Present, Octets::default()),
                Test::Absent => (FieldTestKind::Absent, Octets::default()),
                Test::Equals(value) => (FieldTestKind::Equals, Octets(value.to_vec())),
                Test::Begins(value) => (FieldTestKind::Begins, Octets(value.to_vec())),
            };
            FieldTest { name: condition.header.clone(), test, value }
        };
        let (action, text) = match &self.action {
            Action::Add(value) => (FieldAction::Add, value.to_vec()),
            Action::Remove => (FieldAction::Remove, Vec::new()),
            Action::Set(value) => (FieldAction::Set, value.to_vec()),
            Action::Copy(from) => (FieldAction::Copy, from.clone().into_bytes()),
            Action::Rewrite(..) => {
                return Err(bad("pattern", "goes with rules of requests, not of responses"));
            }
        };
        let when = self.when.iter().map(test).collect();
        Ok(FieldRule { when, action, name: self.header.clone(), text: Octets(text) })
    }
}

impl Condition {
    fn of(row: &HeaderCondition) -> Result<Condition, BadHeaderRule> {
        read_name("header", &row.header)?;
        let value = text("value", &row.value)?;
        let test = match row.test {
            HeaderTest::Present | HeaderTest::Absent if !row.value.is_empty() => {
                return Err(bad("value", "stands beside a test that compares nothing"));
            }
            HeaderTest::Present => Test::Present,
            HeaderTest::Absent => Test::Absent,
            HeaderTest::Equals => Test::Equals(value),
            HeaderTest::Begins => Test::Begins(value),
        };
        Ok(Condition { header: row.header.clone(), test })
    }

    fn holds(&self, fields: &Fields) -> bool {
        let mut values = fields.values(&self.header);
        match &self.test {
            Test::Present => values.next().is_some(),
            Test::Absent => values.next().is_none(),
            Test::Equals(wanted) => values.any(|value| value == &**wanted),
            Test::Begins(wanted) => values.any(|value| value.starts_with(wanted)),
        }
    }
}

impl Action {
    fn of(rule: &HeaderRule) -> Result<Action, BadHeaderRule> {
        use HeaderAction::{Add, Copy, Remove, Rewrite};
        if rule.pattern.is_some() && rule.action != Rewrite {
            return Err(bad("pattern", "goes with the action rewrite"));
        }
        if rule.from.is_some() && rule.action != Copy {
            return Err(bad("from", "goes with the action copy"));
        }
        let value = text("value", &rule.value)?;
        match (rule.action, &rule.from) {
            (Add, _) if rule.value.trim().is_empty() => Err(bad("value", "is missing")),
            (Add, _) => Ok(Action::Add(value)),
            (Remove | Copy, _) if !rule.value.is_empty() => {
                Err(bad("value", "goes with the actions add and rewrite"))
            }
            (Remove, _) => Ok(Action::Remove),
            (Rewrite, _) => match &rule.pattern {
                Some(pattern) => Ok(Action::Rewrite(Box::new(compile(pattern)?), value)),
                None if rule.value.trim().is_empty() => Err(bad("value", "is missing")),
                None => Ok(Action::Set(value)),
            },
            (Copy, None) => Err(bad("from", "is missing")),
            (Copy, Some(from)) => {
                read_name("from", from)?;
                Ok(Action::Copy(from.clone()))
            }
        }
    }
}

/// A pattern over bytes: values need not be UTF-8.
fn compile(pattern: &str) -> Result<Regex, BadHeaderRule> {
    if pattern.is_empty() || pattern.chars().count() > HEADER_PATTERN_MAX {
        return Err(bad("pattern", format!("does not have 1 to {HEADER_PATTERN_MAX} characters")));
    }
    let syntax = syntax::Config::new().unicode(false).utf8(false).nest_limit(PATTERN_DEPTH_MAX);
    let config = Regex::config().utf8_empty(false).nfa_size_limit(Some(PATTERN_SIZE_MAX));
    let built = Regex::builder().syntax(syntax).configure(config).build(pattern);
    built.map_err(|error| match error.size_limit() {
        Some(_) => bad("pattern", "is too large once its repetitions are written out"),
        None => bad("pattern", "is no regular expression, or nested too deep"),
    })
}

fn text(member: &str, text: &str) -> Result<Box<[u8]>, BadHeaderRule> {
    if text.chars().count() > HEADER_VALUE_MAX {
        return Err(bad(member, format!("has more than {HEADER_VALUE_MAX} characters")));
    }
    if text.chars().any(char::is_control) {
        return Err(bad(member, "has control characters"));
    }
    Ok(text.as_bytes().into())
}

fn read_name(member: &str, name: &str) -> Result<(), BadHeaderRule> {
    let is_token = |b: u8| b.is_ascii_alphanumeric() || b"-.!%*_+`'~".contains(&b);
    if (2..=HEADER_NAME_MAX).contains(&name.len()) && name.bytes().all(is_token) {
        return Ok(());
    }
    Err(bad(member, "is no name of a header field, written in full"))
}

fn written_name(name: &str) -> Result<(), BadHeaderRule> {
    read_name("header", name)?;
    let is = |names: &[&str]| names.iter().any(|known| known.eq_ignore_ascii_case(name));
    if is(GUARDED) {
        return Err(bad("header", format!("{name} keeps the protocol right: no rule writes it")));
    }
    if is(OWNED) {
        let why = format!("{name} is written by what the trunk says of identities and forwards");
        return Err(bad("header", why));
    }
    Ok(())
}

/// The fields of a call.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub(crate) struct Fields {
    list: Vec<One>,
    /// Some did not fit.
    pub(crate) is_cut: bool,
}

#[derive(Clone, PartialEq, Eq, Debug)]
struct One {
    name: String,
    value: Vec<u8>,
    /// A rule wrote it: it goes out, whatever becomes of the caller's own.
    ruled: bool,
}

impl Fields {
    /// As the caller sent them, as far as the dataplane hands them up.
    pub(crate) fn of(call: &CallAsk) -> Fields {
        let mut fields = Fields::default();
        for field in &call.headers {
            fields.push(&field.name, field.value.0.clone(), false);
        }
        fields
    }

    /// Works through rules: how many of them did something.
    pub(crate) fn apply(&mut self, rules: &Rules) -> u32 {
        let mut worked = 0;
        for rule in &rules.0 {
            if rule.when.iter().all(|condition| condition.holds(self)) && self.act(rule) {
                worked += 1;
            }
        }
        worked
    }

    fn act(&mut self, rule: &Compiled) -> bool {
        let name = rule.header.as_str();
        match &rule.action {
            Action::Add(value) => self.push(name, value.to_vec(), true),
            Action::Remove => self.remove(name),
            Action::Set(value) => self.change(name, |_| Some(value.to_vec())),
            Action::Rewrite(pattern, by) => {
                self.change(name, |value| rewritten(pattern, value, by))
            }
            Action::Copy(from) => self.copy(from, name),
        }
    }

    fn copy(&mut self, from: &str, name: &str) -> bool {
        let Some(value) = self.values(from).next().map(<[u8]>::to_vec) else { return false };
        self.remove(name);
        self.push(name, value, true)
    }

    /// What goes out with a branch: what rules wrote, and of the caller's own what may pass.
    pub(crate) fn leaving(&self, pass: Pass) -> Vec<HeaderField> {
        let passes = |one: &One| {
            pass.own && is_passed(&one.name) && (pass.network || !is_network(&one.name))
        };
        let field =
            |one: &One| HeaderField { name: one.name.clone(), value: Octets(one.value.clone()) };
        self.list.iter().filter(|one| one.ruled || passes(one)).map(field).collect()
    }

    fn values<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a [u8]> {
        let named = self.list.iter().filter(|one| one.name.eq_ignore_ascii_case(name));
        named.map(|one| one.value.as_slice())
    }

    fn push(&mut self, name: &str, value: Vec<u8>, ruled: bool) -> bool {
        let used: usize = self.list.iter().map(|one| one.name.len() + one.value.len()).sum();
        let fits = used.saturating_add(name.len()).saturating_add(value.len()) <= FIELDS_LEN_MAX;
        if !fits || self.list.len() >= FIELDS_MAX {
            self.is_cut = true;
            return false;
        }
        self.list.push(One { name: name.to_owned(), value, ruled });
        true
    }

    fn remove(&mut self, name: &str) -> bool {
        let before = self.list.len();
        self.list.retain(|one| !one.name.eq_ignore_ascii_case(name));
        self.list.len() < before
    }

    fn change(&mut self, name: &str, by: impl Fn(&[u8]) -> Option<Vec<u8>>) -> bool {
        let mut is_changed = false;
        let named = self.list.iter_mut().filter(|one| one.name.eq_ignore_ascii_case(name));
        for one in named {
            let Some(value) = by(&one.value) else { continue };
            if value.len() > VALUE_LEN_MAX {
                self.is_cut = true;
                continue;
            }
            (one.value, one.ruled, is_changed) = (value, true, true);
        }
        is_changed
    }
}

/// What of the caller's own fields goes to a branch.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Pass {
    /// Those that mean something from end to end, or that nobody here knows.
    pub(crate) own: bool,
    /// Of them, those of a network of trust: both sides belong to it.
    pub(crate) network: bool,
}

impl Pass {
    pub(crate) const NOTHING: Pass = Pass { own: false, network: false };
}

/// A value with each part that is found replaced, an empty one only as the last; `None` when none
/// is found. Nothing is looked for in a value that is too long.
fn rewritten(pattern: &Regex, value: &[u8], by: &[u8]) -> Option<Vec<u8>> {
    if value.len() > VALUE_LEN_MAX {
        return None;
    }
    let mut out = Vec::with_capacity(value.len());
    let (mut last, mut is_found) = (0, false);
    for found in pattern.captures_iter(value) {
        let Some(part) = found.get_match() else { break };
        out.extend_from_slice(value.get(last..part.start()).unwrap_or_default());
        found.interpolate_bytes_into(value, by, &mut out);
        (last, is_found) = (part.end(), true);
        if part.is_empty() || out.len() > VALUE_LEN_MAX {
            break;
        }
    }
    out.extend_from_slice(value.get(last..).unwrap_or_default());
    is_found.then_some(out)
}

#[cfg(test)]
mod tests;
