//! What an expression says of values, as CEL says it.

use crate::node::Node;
use crate::{Field, TEXT_MAX};
use std::borrow::Cow;

/// The values of fields. A field is asked for as what the schema says it is.
pub trait Env {
    /// A field of kind `bool`.
    fn flag(&self, field: Field) -> bool;
    /// A field of kind `int`.
    fn int(&self, field: Field) -> i64;
    /// A field of kind `string`.
    fn text(&self, field: Field) -> &str;
}

/// Why values do not allow to say.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
pub enum Trouble {
    /// An integer is too large or too small.
    #[error("an integer overflows")]
    Overflow,
    /// A part of a text that is not there.
    #[error("a substring lies outside of its text")]
    Outside,
    /// A text is longer than [`TEXT_MAX`].
    #[error("a text is too long")]
    TooLong,
    /// The tree is not what the compiler makes.
    #[error("a value is of another kind")]
    Kind,
}

enum Value<'v> {
    Flag(bool),
    Int(i64),
    Text(Cow<'v, str>),
}

type Got<T> = Result<T, Trouble>;

pub(crate) fn flag(node: &Node, env: &dyn Env) -> Got<bool> {
    match value(node, env)? {
        Value::Flag(flag) => Ok(flag),
        Value::Int(_) | Value::Text(_) => Err(Trouble::Kind),
    }
}

fn int(node: &Node, env: &dyn Env) -> Got<i64> {
    match value(node, env)? {
        Value::Int(int) => Ok(int),
        Value::Flag(_) | Value::Text(_) => Err(Trouble::Kind),
    }
}

pub(crate) fn text(node: &Node, env: &dyn Env) -> Got<String> {
    part(node, env).map(Cow::into_owned)
}

fn part<'v>(node: &'v Node, env: &'v dyn Env) -> Got<Cow<'v, str>> {
    match value(node, env)? {
        Value::Text(text) => Ok(text),
        Value::Flag(_) | Value::Int(_) => Err(Trouble::Kind),
    }
}

fn value<'v>(node: &'v Node, env: &'v dyn Env) -> Got<Value<'v>> {
    Ok(match node {
        Node::Flag(flag) => Value::Flag(*flag),
        Node::Int(int) => Value::Int(*int),
        Node::Text(text) => Value::Text(Cow::Borrowed(text)),
        Node::FieldFlag(field) => Value::Flag(env.flag(*field)),
        Node::FieldInt(field) => Value::Int(env.int(*field)),
        Node::FieldText(field) => Value::Text(Cow::Borrowed(env.text(*field))),
        Node::Choice(three) => {
            let (which, then, other) = three.as_ref();
            return value(if flag(which, env)? { then } else { other }, env);
        }
        Node::Not(_)
        | Node::And(_)
        | Node::Or(_)
        | Node::Compare(..)
        | Node::InInts(..)
        | Node::InTexts(..)
        | Node::Begins(_)
        | Node::Ends(_)
        | Node::Contains(_)
        | Node::Matches(..) => Value::Flag(holds(node, env)?),
        Node::Negative(_) | Node::Add(_) | Node::Subtract(_) | Node::Size(_) => {
            Value::Int(counted(node, env)?)
        }
        Node::Concat(_) | Node::Part(_) => Value::Text(Cow::Owned(made(node, env)?)),
    })
}

fn holds(node: &Node, env: &dyn Env) -> Got<bool> {
    Ok(match node {
        Node::Not(inner) => !flag(inner, env)?,
        Node::And(both) => return either(flag(&both.0, env), || flag(&both.1, env), false),
        Node::Or(both) => return either(flag(&both.0, env), || flag(&both.1, env), true),
        Node::Compare(order, both) => order.holds(compared(&both.0, &both.1, env)?),
        Node::InInts(inner, list) => list.binary_search(&int(inner, env)?).is_ok(),
        Node::InTexts(inner, list) => {
            let wanted = part(inner, env)?;
            list.binary_search_by(|own| own.as_str().cmp(&wanted)).is_ok()
        }
        Node::Begins(both) => part(&both.0, env)?.starts_with(part(&both.1, env)?.as_ref()),
        Node::Ends(both) => part(&both.0, env)?.ends_with(part(&both.1, env)?.as_ref()),
        Node::Contains(both) => part(&both.0, env)?.contains(part(&both.1, env)?.as_ref()),
        Node::Matches(inner, pattern) => pattern.is_match(part(inner, env)?.as_bytes()),
        Node::Flag(_)
        | Node::Int(_)
        | Node::Text(_)
        | Node::FieldFlag(_)
        | Node::FieldInt(_)
        | Node::FieldText(_)
        | Node::Negative(_)
        | Node::Choice(_)
        | Node::Add(_)
        | Node::Subtract(_)
        | Node::Concat(_)
        | Node::Size(_)
        | Node::Part(_) => return Err(Trouble::Kind),
    })
}

/// What two flags come to of which one of this value decides, whatever becomes of the other.
fn either(first: Got<bool>, second: impl FnOnce() -> Got<bool>, decides: bool) -> Got<bool> {
    if first == Ok(decides) {
        return first;
    }
    match second() {
        Ok(second) if second == decides => Ok(decides),
        second => first.and(second),
    }
}

fn compared(a: &Node, b: &Node, env: &dyn Env) -> Got<core::cmp::Ordering> {
    match (value(a, env)?, value(b, env)?) {
        (Value::Flag(a), Value::Flag(b)) => Ok(a.cmp(&b)),
        (Value::Int(a), Value::Int(b)) => Ok(a.cmp(&b)),
        (Value::Text(a), Value::Text(b)) => Ok(a.cmp(&b)),
        (Value::Flag(_) | Value::Int(_) | Value::Text(_), _) => Err(Trouble::Kind),
    }
}

fn counted(node: &Node, env: &dyn Env) -> Got<i64> {
    let pair = |both: &(Node, Node)| Ok((int(&both.0, env)?, int(&both.1, env)?));
    if let Node::Negative(inner) = node {
        int(inner, env)?.checked_neg().ok_or(Trouble::Overflow)
    } else if let Node::Add(both) = node {
        pair(both).and_then(|(a, b)| a.checked_add(b).ok_or(Trouble::Overflow))
    } else if let Node::Subtract(both) = node {
        pair(both).and_then(|(a, b)| a.checked_sub(b).ok_or(Trouble::Overflow))
    } else if let Node::Size(inner) = node {
        i64::try_from(part(inner, env)?.chars().count()).map_err(|_| Trouble::Overflow)
    } else {
        Err(Trouble::Kind)
    }
}

fn made(node: &Node, env: &dyn Env) -> Got<String> {
    if let Node::Concat(both) = node {
        let (first, second) = (part(&both.0, env)?, part(&both.1, env)?);
        if first.len() + second.len() > TEXT_MAX {
            return Err(Trouble::TooLong);
        }
        Ok(first.into_owned() + &second)
    } else if let Node::Part(three) = node {
        let whole = part(&three.0, env)?;
        let end = three.2.as_ref().map(|end| int(end, env)).transpose()?;
        cut(&whole, int(&three.1, env)?, end)
    } else {
        Err(Trouble::Kind)
    }
}

/// Characters `from` to `end`, counted from 0.
fn cut(whole: &str, from: i64, end: Option<i64>) -> Got<String> {
    let size = whole.chars().count();
    let place = |at: i64| usize::try_from(at).ok().filter(|at| *at <= size);
    let from = place(from).ok_or(Trouble::Outside)?;
    let end = end.map_or(Some(size), place).ok_or(Trouble::Outside)?;
    let len = end.checked_sub(from).ok_or(Trouble::Outside)?;
    Ok(whole.chars().skip(from).take(len).collect())
}
