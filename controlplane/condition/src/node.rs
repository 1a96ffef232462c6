//! The typed tree that an expression is lowered to.

use crate::Field;
use regex_automata::meta::Regex;

/// A part of an expression; its kinds were checked when it was made.
#[derive(Clone, Debug)]
pub(crate) enum Node {
    Flag(bool),
    Int(i64),
    Text(String),
    FieldFlag(Field),
    FieldInt(Field),
    FieldText(Field),
    Not(Box<Node>),
    Negative(Box<Node>),
    And(Box<(Node, Node)>),
    Or(Box<(Node, Node)>),
    Choice(Box<(Node, Node, Node)>),
    Compare(Order, Box<(Node, Node)>),
    InInts(Box<Node>, Vec<i64>),
    InTexts(Box<Node>, Vec<String>),
    Add(Box<(Node, Node)>),
    Subtract(Box<(Node, Node)>),
    Concat(Box<(Node, Node)>),
    Begins(Box<(Node, Node)>),
    Ends(Box<(Node, Node)>),
    Contains(Box<(Node, Node)>),
    Matches(Box<Node>, Box<Regex>),
    Size(Box<Node>),
    /// From a place, and before another.
    Part(Box<(Node, Node, Option<Node>)>),
}

/// Comparisons.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Order {
    Equal,
    Unequal,
    Less,
    LessEqual,
    Greater,
    GreaterEqual,
}

impl Order {
    pub(crate) const fn holds(self, order: core::cmp::Ordering) -> bool {
        match self {
            Order::Equal => order.is_eq(),
            Order::Unequal => order.is_ne(),
            Order::Less => order.is_lt(),
            Order::LessEqual => order.is_le(),
            Order::Greater => order.is_gt(),
            Order::GreaterEqual => order.is_ge(),
        }
    }
}

/// Something about one field without which an expression does not hold.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Need<'e> {
    /// A field has this value.
    Int(Field, i64),
    /// A field has this value.
    Text(Field, &'e str),
    /// A field begins so.
    Begins(Field, &'e str),
}

impl Node {
    /// What must hold for this to hold: found in what `&&` joins.
    pub(crate) fn needs<'e>(&'e self, needs: &mut Vec<Need<'e>>) {
        if let Node::And(both) = self {
            both.0.needs(needs);
            both.1.needs(needs);
        } else if let Node::Begins(both) = self
            && let (Node::FieldText(field), Node::Text(text)) = (&both.0, &both.1)
        {
            needs.push(Need::Begins(*field, text));
        } else if let Node::Compare(Order::Equal, both) = self {
            needs.extend(equal(&both.0, &both.1).or_else(|| equal(&both.1, &both.0)));
        }
    }
}

fn equal<'e>(field: &Node, value: &'e Node) -> Option<Need<'e>> {
    if let (Node::FieldInt(field), Node::Int(value)) = (field, value) {
        Some(Need::Int(*field, *value))
    } else if let (Node::FieldText(field), Node::Text(value)) = (field, value) {
        Some(Need::Text(*field, value))
    } else {
        None
    }
}
