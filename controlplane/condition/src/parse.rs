//! Words to a typed tree: recursive descent by CEL's precedence, kinds checked on the way.

mod call;

use crate::lex::{Token, Word, tokens};
use crate::node::{Node, Order};
use crate::{DEPTH_MAX, EXPRESSION_MAX, Kind, LIST_MAX, NODES_MAX, Schema};

/// Why a text is no expression, and where.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
#[error("character {column}: {wrong}")]
pub struct BadExpression {
    /// Where, characters from 1.
    pub column: usize,
    /// What is wrong there.
    pub wrong: Wrong,
}

impl BadExpression {
    pub(crate) fn new(text: &str, at: usize, wrong: Wrong) -> BadExpression {
        let before = text.get(..at).unwrap_or(text);
        BadExpression { column: before.chars().count() + 1, wrong }
    }
}

/// What is wrong with an expression.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub enum Wrong {
    /// Longer than [`EXPRESSION_MAX`].
    #[error("the expression is longer than {EXPRESSION_MAX} bytes")]
    TooLong,
    /// More than [`NODES_MAX`] parts.
    #[error("the expression has more than {NODES_MAX} parts")]
    TooLarge,
    /// Deeper than [`DEPTH_MAX`].
    #[error("the expression is nested deeper than {DEPTH_MAX}")]
    TooDeep,
    /// A list longer than [`LIST_MAX`].
    #[error("the list has more than {LIST_MAX} entries")]
    TooMany,
    /// A character that begins nothing.
    #[error("{0:?} begins nothing")]
    Character(char),
    /// An integer that is none.
    #[error("only integers of 64 bits are numbers here")]
    Number,
    /// A text without its closing quote.
    #[error("the text is not closed")]
    Open,
    /// An unknown escape.
    #[error("unknown escape")]
    Escape,
    /// Something else had to stand here.
    #[error("{0} is missing here")]
    Missing(&'static str),
    /// Behind the end.
    #[error("the expression is over before this")]
    Rest,
    /// A name of no field.
    #[error("there is no field {0:?}")]
    Unknown(String),
    /// A field that is known later only.
    #[error("{0:?} is not known at this stage")]
    NotYet(String),
    /// A function that there is not.
    #[error("there is no function {0:?} of {1} with {2} arguments")]
    Function(String, &'static str, usize),
    /// Another kind of value is needed.
    #[error("this is {found}, and {wanted} is needed")]
    Kind {
        /// What it is.
        found: &'static str,
        /// What it should be.
        wanted: &'static str,
    },
    /// Two values that cannot stand beside this operator.
    #[error("{0} does not take {1} and {2}")]
    Operator(&'static str, &'static str, &'static str),
    /// An operator of CEL that rules do not have.
    #[error("{0} is not supported")]
    Unsupported(&'static str),
    /// A list whose entries are not constants of one kind.
    #[error("a list holds constants of one kind")]
    List,
    /// A pattern that is not a constant, too long or wrong.
    #[error("the pattern is no constant, too long, or wrong")]
    Pattern,
}

/// A part with its kind and the byte where it begins.
struct Part {
    node: Node,
    kind: Kind,
    at: usize,
}

type Parsed<T> = Result<T, BadExpression>;

struct Parser<'t> {
    text: &'t str,
    schema: Schema,
    tokens: Vec<Token>,
    next: usize,
    nodes: usize,
    depth: usize,
}

pub(crate) fn parse(text: &str, schema: Schema, kind: Kind) -> Parsed<Node> {
    if text.len() > EXPRESSION_MAX {
        return Err(BadExpression::new(text, 0, Wrong::TooLong));
    }
    let tokens = tokens(text)?;
    let mut parser = Parser { text, schema, tokens, next: 0, nodes: 0, depth: 0 };
    let whole = parser.choice()?;
    if parser.word() != &Word::End {
        return Err(parser.wrong(parser.at(), Wrong::Rest));
    }
    parser.of_kind(&whole, kind)?;
    Ok(whole.node)
}

impl Parser<'_> {
    fn wrong(&self, at: usize, wrong: Wrong) -> BadExpression {
        BadExpression::new(self.text, at, wrong)
    }

    fn word(&self) -> &Word {
        self.tokens.get(self.next).map_or(&Word::End, |token| &token.word)
    }

    fn at(&self) -> usize {
        self.tokens.get(self.next).map_or(self.text.len(), |token| token.at)
    }

    fn step(&mut self) {
        self.next += 1;
    }

    /// Takes one of these signs.
    fn take(&mut self, signs: &[&'static str]) -> Option<&'static str> {
        let Word::Sign(sign) = *self.word() else { return None };
        signs.contains(&sign).then(|| {
            self.step();
            sign
        })
    }

    fn need(&mut self, sign: &'static str) -> Parsed<()> {
        let at = self.at();
        self.take(&[sign]).map(|_| ()).ok_or_else(|| self.wrong(at, Wrong::Missing(sign)))
    }

    fn of_kind(&self, part: &Part, wanted: Kind) -> Parsed<()> {
        if part.kind == wanted {
            return Ok(());
        }
        let wrong = Wrong::Kind { found: part.kind.name(), wanted: wanted.name() };
        Err(self.wrong(part.at, wrong))
    }

    fn part(&mut self, at: usize, kind: Kind, node: Node) -> Parsed<Part> {
        self.nodes += 1;
        if self.nodes > NODES_MAX {
            return Err(self.wrong(at, Wrong::TooLarge));
        }
        Ok(Part { node, kind, at })
    }

    /// `a ? b : c`, the widest.
    fn choice(&mut self) -> Parsed<Part> {
        self.depth += 1;
        if self.depth > DEPTH_MAX {
            return Err(self.wrong(self.at(), Wrong::TooDeep));
        }
        let first = self.or()?;
        let whole = if self.take(&["?"]).is_some() {
            self.of_kind(&first, Kind::Flag)?;
            let then = self.or()?;
            self.need(":")?;
            let other = self.choice()?;
            self.of_kind(&other, then.kind)?;
            let node = Node::Choice(Box::new((first.node, then.node, other.node)));
            self.part(first.at, then.kind, node)?
        } else {
            first
        };
        self.depth -= 1;
        Ok(whole)
    }

    fn or(&mut self) -> Parsed<Part> {
        let mut left = self.and()?;
        while self.take(&["||"]).is_some() {
            let right = self.and()?;
            left = self.joined(left, right, Node::Or)?;
        }
        Ok(left)
    }

    fn and(&mut self) -> Parsed<Part> {
        let mut left = self.relation()?;
        while self.take(&["&&"]).is_some() {
            let right = self.relation()?;
            left = self.joined(left, right, Node::And)?;
        }
        Ok(left)
    }

    fn joined(
        &mut self,
        left: Part,
        right: Part,
        make: fn(Box<(Node, Node)>) -> Node,
    ) -> Parsed<Part> {
        self.of_kind(&left, Kind::Flag)?;
        self.of_kind(&right, Kind::Flag)?;
        self.part(left.at, Kind::Flag, make(Box::new((left.node, right.node))))
    }

    fn relation(&mut self) -> Parsed<Part> {
        let mut left = self.sum()?;
        loop {
            if let Word::Name(name) = self.word()
                && name == "in"
            {
                self.step();
                left = self.within(left)?;
                continue;
            }
            let Some(sign) = self.take(&["==", "!=", "<=", ">=", "<", ">"]) else {
                return Ok(left);
            };
            let right = self.sum()?;
            if left.kind != right.kind {
                let wrong = Wrong::Operator(sign, left.kind.name(), right.kind.name());
                return Err(self.wrong(left.at, wrong));
            }
            let both = Box::new((left.node, right.node));
            left = self.part(left.at, Kind::Flag, Node::Compare(order(sign), both))?;
        }
    }

    /// `[1, 2]` behind `in`.
    fn within(&mut self, left: Part) -> Parsed<Part> {
        let at = self.at();
        self.need("[")?;
        let (mut ints, mut texts) = (Vec::new(), Vec::new());
        while self.take(&["]"]).is_none() {
            if ints.len() + texts.len() >= LIST_MAX {
                return Err(self.wrong(at, Wrong::TooMany));
            }
            let entry = self.unary()?;
            if entry.kind != left.kind {
                let wrong = Wrong::Operator("in", left.kind.name(), entry.kind.name());
                return Err(self.wrong(entry.at, wrong));
            }
            if let Node::Int(int) = entry.node {
                ints.push(int);
            } else if let Node::Text(text) = entry.node {
                texts.push(text);
            } else {
                return Err(self.wrong(entry.at, Wrong::List));
            }
            let comma = self.take(&[","]);
            if comma.is_none() && self.word() != &Word::Sign("]") {
                return Err(self.wrong(self.at(), Wrong::Missing("]")));
            }
        }
        ints.sort_unstable();
        texts.sort_unstable();
        let (from, inner) = (left.at, Box::new(left.node));
        let node = match left.kind {
            Kind::Int => Node::InInts(inner, ints),
            Kind::Text => Node::InTexts(inner, texts),
            Kind::Flag => return Err(self.wrong(at, Wrong::List)),
        };
        self.part(from, Kind::Flag, node)
    }

    fn sum(&mut self) -> Parsed<Part> {
        let mut left = self.unary()?;
        while let Some(sign) = self.take(&["+", "-", "*", "/", "%"]) {
            let right = self.unary()?;
            let both = (left.kind, right.kind);
            let nodes = Box::new((left.node, right.node));
            let node = match (sign, both) {
                ("+", (Kind::Int, Kind::Int)) => Node::Add(nodes),
                ("+", (Kind::Text, Kind::Text)) => Node::Concat(nodes),
                ("-", (Kind::Int, Kind::Int)) => Node::Subtract(nodes),
                ("+" | "-", (a, b)) => {
                    let wrong = Wrong::Operator(sign, a.name(), b.name());
                    return Err(self.wrong(left.at, wrong));
                }
                _ => return Err(self.wrong(left.at, Wrong::Unsupported(sign))),
            };
            left = self.part(left.at, left.kind, node)?;
        }
        Ok(left)
    }

    fn unary(&mut self) -> Parsed<Part> {
        let at = self.at();
        let Some(sign) = self.take(&["!", "-"]) else { return self.member() };
        if sign == "-"
            && let Word::Int(int) = *self.word()
        {
            self.step();
            let negative = i64::try_from(-i128::from(int));
            let int = negative.map_err(|_| self.wrong(at, Wrong::Number))?;
            let whole = self.part(at, Kind::Int, Node::Int(int))?;
            return self.members(whole);
        }
        self.depth += 1;
        if self.depth > DEPTH_MAX {
            return Err(self.wrong(at, Wrong::TooDeep));
        }
        let inner = self.unary()?;
        self.depth -= 1;
        let wanted = if sign == "!" { Kind::Flag } else { Kind::Int };
        self.of_kind(&inner, wanted)?;
        let inner = Box::new(inner.node);
        let node = if sign == "!" { Node::Not(inner) } else { Node::Negative(inner) };
        self.part(at, wanted, node)
    }

    fn member(&mut self) -> Parsed<Part> {
        let first = self.primary()?;
        self.members(first)
    }

    fn primary(&mut self) -> Parsed<Part> {
        let at = self.at();
        let word = self.word().clone();
        self.step();
        match word {
            Word::Int(int) => {
                let int = i64::try_from(int).map_err(|_| self.wrong(at, Wrong::Number))?;
                self.part(at, Kind::Int, Node::Int(int))
            }
            Word::Text(text) => self.part(at, Kind::Text, Node::Text(text)),
            Word::Name(name) if self.word() == &Word::Sign("(") => self.call(at, None, &name),
            Word::Name(name) => self.name(at, &name),
            Word::Sign("(") => {
                let inner = self.choice()?;
                self.need(")")?;
                Ok(Part { at, ..inner })
            }
            Word::Sign(_) | Word::End => Err(self.wrong(at, Wrong::Missing("a value"))),
        }
    }

    fn name(&mut self, at: usize, name: &str) -> Parsed<Part> {
        if name == "true" || name == "false" {
            return self.part(at, Kind::Flag, Node::Flag(name == "true"));
        }
        let mut fields = self.schema.fields.iter().enumerate();
        let Some((field, (_, kind))) = fields.find(|(_, (own, _))| *own == name) else {
            return Err(self.wrong(at, Wrong::Unknown(name.to_owned())));
        };
        if field >= self.schema.known {
            return Err(self.wrong(at, Wrong::NotYet(name.to_owned())));
        }
        let node = match kind {
            Kind::Flag => Node::FieldFlag(field),
            Kind::Int => Node::FieldInt(field),
            Kind::Text => Node::FieldText(field),
        };
        self.part(at, *kind, node)
    }
}

fn order(sign: &str) -> Order {
    match sign {
        "!=" => Order::Unequal,
        "<" => Order::Less,
        "<=" => Order::LessEqual,
        ">" => Order::Greater,
        ">=" => Order::GreaterEqual,
        _ => Order::Equal,
    }
}
