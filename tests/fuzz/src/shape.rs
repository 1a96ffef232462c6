//! What a target saw of an input, folded into one number.

use std::hash::{DefaultHasher, Hash, Hasher};

/// A summary of how a reader took an input: which errors, which kinds, roughly how many of each.
/// Two inputs of one shape went the same way, as far as the target can tell.
#[derive(Clone, Default, Debug)]
pub struct Shape {
    hasher: DefaultHasher,
}

impl Shape {
    /// Nothing seen yet.
    #[must_use]
    pub fn new() -> Shape {
        Shape::default()
    }

    /// Adds a fact: an error, a variant, a flag. Not a free number: each value is a shape of its
    /// own, and the search drowns in them.
    pub fn note(&mut self, fact: &(impl Hash + ?Sized)) -> &mut Shape {
        fact.hash(&mut self.hasher);
        self
    }

    /// Adds the kind of an enum's value, whatever it carries.
    pub fn kind<T>(&mut self, value: &T) -> &mut Shape {
        std::mem::discriminant(value).hash(&mut self.hasher);
        self
    }

    /// Adds a number by its magnitude: 0, 1, 2-3, 4-7, ...
    pub fn count(&mut self, n: usize) -> &mut Shape {
        (usize::BITS - n.leading_zeros()).hash(&mut self.hasher);
        self
    }

    /// The number it comes to.
    #[must_use]
    pub fn finish(&self) -> u64 {
        self.hasher.finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn magnitudes_fall_together_and_facts_do_not() {
        let count = |n| Shape::new().count(n).finish();
        assert_eq!(count(4), count(7));
        assert_ne!(count(7), count(8));
        assert_ne!(count(0), count(1));
        assert_eq!(Shape::new().kind(&Some(1)).finish(), Shape::new().kind(&Some(2)).finish());
        assert_ne!(Shape::new().note(&1u8).finish(), Shape::new().note(&2u8).finish());
    }
}
