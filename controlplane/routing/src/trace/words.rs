//! What words of a trace need beside its codes: names, and who reads.

use crate::fact::{lack_word, outsider_word};
use core::fmt;

/// What a number of a step may be the id of.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum Thing {
    /// A trunk.
    Trunk,
    /// A subscriber.
    Subscriber,
    /// An account.
    Account,
    /// A route.
    Route,
    /// A price line.
    Rate,
    /// Free time of an account.
    Allowance,
    /// A rule about calls.
    Rule,
    /// A list of numbers.
    NumberList,
    /// A rule about prices.
    PriceRule,
    /// A kind of number, by its place.
    NumberKind,
}

impl Thing {
    /// What a step's number is, by the name that it has in the table of steps; `None` when it is a
    /// plain number.
    #[must_use]
    pub fn of(parameter: &str) -> Option<Thing> {
        Some(match parameter {
            "trunk" => Thing::Trunk,
            "subscriber" => Thing::Subscriber,
            "account" => Thing::Account,
            "route" => Thing::Route,
            "rate" => Thing::Rate,
            "allowance" => Thing::Allowance,
            "call_rule" => Thing::Rule,
            "number_list" => Thing::NumberList,
            "price_rule" => Thing::PriceRule,
            "number_kind" => Thing::NumberKind,
            _ => return None,
        })
    }
}

/// Names of what steps mention by id.
pub trait RowNames {
    /// What people call it; `None` when it has no name or is gone.
    fn name(&self, thing: Thing, id: i64) -> Option<String>;
}

/// No names: ids alone.
pub(super) struct Nameless;

impl RowNames for Nameless {
    fn name(&self, _: Thing, _: i64) -> Option<String> {
        None
    }
}

/// Whose eyes read.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Audience {
    /// Runs the switch: sees all.
    Operator,
    /// Has a part in the call, as a customer or a subscriber: nothing of routes and suppliers.
    Party,
}

/// One step in words.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Said {
    /// Its name in one word, which never changes.
    pub code: String,
    /// Its values with their names.
    pub parameters: Vec<(&'static str, String)>,
    /// The sentence, in English.
    pub sentence: String,
}

/// A number of a step, with the name of what it identifies.
pub(super) struct Shown {
    value: i64,
    name: Option<String>,
    word: Option<&'static str>,
}

impl Shown {
    pub(super) fn of(parameter: &str, value: i64, names: &dyn RowNames) -> Shown {
        let name = Thing::of(parameter).and_then(|thing| names.name(thing, value));
        let word = match parameter {
            "outsider" => outsider_word(value),
            "lack" => lack_word(value),
            "beyond" => beyond_word(value),
            "cap" => Cap::word(value),
            "precedence" => precedence_word(value),
            _ => None,
        };
        Shown { value, name: name.filter(|name| !name.is_empty()), word }
    }
}

impl fmt::Display for Shown {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(word) = self.word {
            return f.write_str(word);
        }
        match &self.name {
            Some(name) => write!(f, "{} ({name})", self.value),
            None => write!(f, "{}", self.value),
        }
    }
}

/// Where a call goes that nobody here and no route takes, or that another domain is for.
pub(crate) const TO_SUBSTITUTE: i64 = 1;
/// The same.
pub(crate) const TO_DOMAIN: i64 = 2;

const fn beyond_word(value: i64) -> Option<&'static str> {
    match value {
        TO_SUBSTITUTE => Some("who is called in place of nobody"),
        TO_DOMAIN => Some("the domain that the request names"),
        _ => None,
    }
}

/// What is used up until a day, a month or a window ends.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Cap {
    /// Talk of the account's day or month.
    Talk = 1,
    /// Calls from the caller's address.
    AddressCalls = 2,
    /// Talk from it.
    AddressTalk = 3,
    /// What calls from it may cost.
    AddressCost = 4,
}

impl Cap {
    const fn word(value: i64) -> Option<&'static str> {
        const OWN: i64 = Cap::Talk as i64;
        const CALLS: i64 = Cap::AddressCalls as i64;
        const TALK: i64 = Cap::AddressTalk as i64;
        const COST: i64 = Cap::AddressCost as i64;
        match value {
            OWN => Some("the talk of a day or a month is used up"),
            CALLS => Some("the calls from the address are used up"),
            TALK => Some("the talk from the address is used up"),
            COST => Some("the cost of calls from the address is used up"),
            _ => None,
        }
    }
}

/// What a trunk comes first for: all calls, ...
pub(crate) const FOR_ALL: i64 = 1;
/// such called numbers, ...
pub(crate) const FOR_CALLED: i64 = 2;
/// such callers, ...
pub(crate) const FOR_CALLER: i64 = 3;
/// or the caller's organization.
pub(crate) const FOR_ORGANIZATION: i64 = 4;

const fn precedence_word(value: i64) -> Option<&'static str> {
    match value {
        FOR_ALL => Some("all calls"),
        FOR_CALLED => Some("such called numbers"),
        FOR_CALLER => Some("such callers"),
        FOR_ORGANIZATION => Some("the caller's organization"),
        _ => None,
    }
}

/// `SenderTrunk` as `sender-trunk`.
pub(super) fn kebab(name: &str) -> String {
    let mut out = String::with_capacity(name.len() + 4);
    for letter in name.chars() {
        if letter.is_ascii_uppercase() && !out.is_empty() {
            out.push('-');
        }
        out.push(letter.to_ascii_lowercase());
    }
    out
}
