//! Functions: of a text (`called.startsWith("44")`) and free ones (`size(called)`).

use super::{BadExpression, Parsed, Parser, Part, Wrong};
use crate::lex::Word;
use crate::node::Node;
use crate::{Kind, PATTERN_BYTES_MAX, PATTERN_MAX};
use regex_automata::meta::Regex;

impl Parser<'_> {
    /// What follows a value by points.
    pub(super) fn members(&mut self, first: Part) -> Parsed<Part> {
        let mut whole = first;
        while self.take(&["."]).is_some() {
            let at = self.at();
            let Word::Name(name) = self.word().clone() else {
                return Err(self.wrong(at, Wrong::Missing("a function")));
            };
            self.step();
            whole = self.call(at, Some(whole), &name)?;
        }
        Ok(whole)
    }

    pub(super) fn call(&mut self, at: usize, of: Option<Part>, name: &str) -> Parsed<Part> {
        self.need("(")?;
        let mut arguments = Vec::new();
        while self.take(&[")"]).is_none() {
            arguments.push(self.choice()?);
            let comma = self.take(&[","]);
            if comma.is_none() && self.word() != &Word::Sign(")") {
                return Err(self.wrong(self.at(), Wrong::Missing(")")));
            }
        }
        let (begin, found) =
            (of.as_ref().map_or(at, |of| of.at), self.unknown(at, &of, &arguments, name));
        let mut arguments = arguments.into_iter();
        let [a, b, c] = [arguments.next(), arguments.next(), arguments.next()];
        match (name, of, a, b, c) {
            ("size", Some(of), None, None, None) | ("size", None, Some(of), None, None) => {
                self.of_kind(&of, Kind::Text)?;
                self.part(begin, Kind::Int, Node::Size(Box::new(of.node)))
            }
            ("startsWith", Some(of), Some(a), None, None) => self.test(of, a, Node::Begins),
            ("endsWith", Some(of), Some(a), None, None) => self.test(of, a, Node::Ends),
            ("contains", Some(of), Some(a), None, None) => self.test(of, a, Node::Contains),
            ("matches", Some(of), Some(a), None, None)
            | ("matches", None, Some(of), Some(a), None) => {
                self.of_kind(&of, Kind::Text)?;
                let pattern = self.pattern(&a)?;
                self.part(begin, Kind::Flag, Node::Matches(Box::new(of.node), Box::new(pattern)))
            }
            ("substring", Some(of), Some(from), end, None) => {
                self.of_kind(&of, Kind::Text)?;
                self.of_kind(&from, Kind::Int)?;
                end.iter().try_for_each(|end| self.of_kind(end, Kind::Int))?;
                let three = (of.node, from.node, end.map(|end| end.node));
                self.part(begin, Kind::Text, Node::Part(Box::new(three)))
            }
            _ => Err(found),
        }
    }

    fn unknown(
        &self,
        at: usize,
        of: &Option<Part>,
        arguments: &[Part],
        name: &str,
    ) -> BadExpression {
        let kind = of.as_ref().map_or("nothing", |of| of.kind.name());
        self.wrong(at, Wrong::Function(name.to_owned(), kind, arguments.len()))
    }

    fn test(&mut self, of: Part, what: Part, make: fn(Box<(Node, Node)>) -> Node) -> Parsed<Part> {
        self.of_kind(&of, Kind::Text)?;
        self.of_kind(&what, Kind::Text)?;
        self.part(of.at, Kind::Flag, make(Box::new((of.node, what.node))))
    }

    /// A pattern, compiled once and within bounds, so that no value makes it slow.
    fn pattern(&self, part: &Part) -> Parsed<Regex> {
        let bad = || self.wrong(part.at, Wrong::Pattern);
        let Node::Text(text) = &part.node else { return Err(bad()) };
        if text.len() > PATTERN_MAX {
            return Err(bad());
        }
        let config = Regex::config()
            .nfa_size_limit(Some(PATTERN_BYTES_MAX))
            .onepass_size_limit(Some(PATTERN_BYTES_MAX))
            .hybrid_cache_capacity(PATTERN_BYTES_MAX);
        Regex::builder().configure(config).build(text).map_err(|_| bad())
    }
}
