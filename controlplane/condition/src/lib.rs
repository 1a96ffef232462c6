//! Expressions of rules: the text is CEL, checked against a schema and bounded, then a typed tree.
//!
//! A subset of the Common Expression Language (cel-spec 0.24): booleans, 64-bit integers, texts
//! and lists of constants; `! - + == != < <= > >= && || ?: in`; `startsWith`, `endsWith`,
//! `contains`, `matches` (RE2's syntax, a constant pattern), `size`, `substring`. No loops, no
//! macros, no maps and no floats, so that the cost of an expression is bounded by its length.
//! What it accepts means what CEL says it means, errors included: `true || 1 + x > 0` is true
//! even where the sum overflows.
//!
//! Pure. It knows no rule, no call and no number: whoever uses it says which fields there are
//! ([`Schema`]) and what they hold ([`Env`]). It never panics and never runs longer than its
//! length allows.
//!
//! How to drive it: [`Expression::compile`] once, [`Expression::flag`] or [`Expression::text`] for
//! each call; [`Expression::needs`] tells what must hold, for an index.
//!
//! Where to start: [`Expression`], then `parse.rs`.

mod eval;
mod lex;
mod node;
mod parse;
#[cfg(test)]
mod tests;

pub use eval::{Env, Trouble};
pub use node::Need;
pub use parse::{BadExpression, Wrong};

use node::Node;

/// Longest expression, bytes.
pub const EXPRESSION_MAX: usize = 2048;
/// Most nodes of an expression.
pub const NODES_MAX: usize = 256;
/// Deepest nesting of an expression.
pub const DEPTH_MAX: usize = 24;
/// Longest text that an expression makes, bytes.
pub const TEXT_MAX: usize = 512;
/// Most constants of a list.
pub const LIST_MAX: usize = 128;
/// Longest pattern of `matches`, bytes.
pub const PATTERN_MAX: usize = 256;
/// Most memory of a compiled pattern, bytes.
pub const PATTERN_BYTES_MAX: usize = 64 * 1024;

/// What a field or an expression is.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Kind {
    /// `true` or `false`.
    Flag,
    /// A 64-bit integer.
    Int,
    /// Characters.
    Text,
}

impl Kind {
    /// Its name in CEL.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Kind::Flag => "bool",
            Kind::Int => "int",
            Kind::Text => "string",
        }
    }
}

/// The fields that an expression may name: a field's number is its place here.
#[derive(Clone, Copy, Debug)]
pub struct Schema {
    /// Names with what they are.
    pub fields: &'static [(&'static str, Kind)],
    /// Of these the first are known where the expression works; the others are refused.
    pub known: usize,
}

/// The number of a field in its [`Schema`].
pub type Field = usize;

/// A compiled expression.
#[derive(Clone, Debug)]
pub struct Expression {
    root: Node,
    kind: Kind,
}

impl Expression {
    /// Compiles a text that must be of this kind.
    ///
    /// # Errors
    /// [`BadExpression`] names the place.
    pub fn compile(text: &str, schema: Schema, kind: Kind) -> Result<Expression, BadExpression> {
        parse::parse(text, schema, kind).map(|root| Expression { root, kind })
    }

    /// What it is.
    #[must_use]
    pub const fn kind(&self) -> Kind {
        self.kind
    }

    /// Whether it holds.
    ///
    /// # Errors
    /// [`Trouble`] when the values do not allow to say.
    pub fn flag(&self, env: &dyn Env) -> Result<bool, Trouble> {
        eval::flag(&self.root, env)
    }

    /// The text that it makes.
    ///
    /// # Errors
    /// [`Trouble`] when the values do not allow to say.
    pub fn text(&self, env: &dyn Env) -> Result<String, Trouble> {
        eval::text(&self.root, env)
    }

    /// What must hold of single fields before the expression can hold, for an index.
    #[must_use]
    pub fn needs(&self) -> Vec<Need<'_>> {
        let mut needs = Vec::new();
        self.root.needs(&mut needs);
        needs
    }
}
