//! What a target saw of an input.

use std::collections::BTreeSet;
use std::hash::{DefaultHasher, Hash, Hasher};

/// The features of an input: which errors, which kinds, roughly how many of each. An input is worth
/// keeping when it has one that no input had before.
#[derive(Clone, PartialEq, Eq, Default, Debug)]
pub struct Shape {
    features: BTreeSet<u64>,
}

impl Shape {
    /// Nothing seen yet.
    #[must_use]
    pub fn new() -> Shape {
        Shape::default()
    }

    /// Adds a fact: an error, a flag, a small number. Not a free number: each value is a feature of
    /// its own, and the search drowns in them.
    pub fn note(&mut self, what: &str, fact: &(impl Hash + ?Sized)) -> &mut Shape {
        let mut hasher = DefaultHasher::new();
        what.hash(&mut hasher);
        fact.hash(&mut hasher);
        self.features.insert(hasher.finish());
        self
    }

    /// Adds an error or the like by how it prints.
    pub fn print(&mut self, what: &str, fact: &impl std::fmt::Debug) -> &mut Shape {
        self.note(what, &format!("{fact:?}"))
    }

    /// Adds the kind of an enum's value, whatever it carries.
    pub fn kind<T>(&mut self, what: &str, value: &T) -> &mut Shape {
        self.note(what, &std::mem::discriminant(value))
    }

    /// Adds a number by its magnitude: 0, 1, 2-3, 4-7, ...
    pub fn count(&mut self, what: &str, n: usize) -> &mut Shape {
        self.note(what, &(usize::BITS - n.leading_zeros()))
    }

    /// Its features.
    pub fn features(&self) -> impl Iterator<Item = u64> {
        self.features.iter().copied()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn magnitudes_fall_together_and_facts_do_not() {
        let count = |n| Shape::new().count("n", n).clone();
        assert_eq!(count(4), count(7));
        assert_ne!(count(7), count(8));
        assert_ne!(count(0), count(1));
        let kind = |value: Option<u8>| Shape::new().kind("k", &value).clone();
        assert_eq!(kind(Some(1)), kind(Some(2)));
        assert_ne!(Shape::new().note("a", &1u8), Shape::new().note("b", &1u8));
        assert_ne!(Shape::new().note("a", &1u8), Shape::new().note("a", &2u8));
    }
}
