//! Chance from a seed.

/// A xorshift64* generator. The same seed gives the same run on every machine.
#[derive(Clone, Debug)]
pub struct Dice(u64);

impl Dice {
    /// From any seed, 0 included.
    #[must_use]
    pub fn new(seed: u64) -> Dice {
        // The golden ratio spreads small seeds; xorshift must not start at 0.
        Dice((seed ^ 0x5157_0000_0000_0000).wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1)
    }

    /// The next 64 bits.
    pub fn word(&mut self) -> u64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        self.0.wrapping_mul(0x2545_F491_4F6C_DD1D)
    }

    /// A number below `n`; 0 if `n` is 0.
    pub fn below(&mut self, n: usize) -> usize {
        // The high half is the good one; for lengths below 2^32 the bias does not matter.
        ((self.word() >> 32) as usize).checked_rem(n).unwrap_or(0)
    }

    /// A byte.
    pub fn byte(&mut self) -> u8 {
        (self.word() >> 56) as u8
    }

    /// One of a list; `None` of an empty one.
    pub fn pick<'a, T>(&mut self, list: &'a [T]) -> Option<&'a T> {
        list.get(self.below(list.len()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_seed_is_a_run_and_neighbours_differ() {
        let run = |seed| {
            let mut dice = Dice::new(seed);
            [dice.word(), dice.word(), dice.word()]
        };
        assert_eq!(run(7), run(7));
        assert_ne!(run(0), run(1));
        assert_ne!(run(1)[0], run(1)[1]);
        assert_eq!(Dice::new(1).below(0), 0);
        assert!((0..1_000).all(|seed| Dice::new(seed).below(3) < 3));
    }
}
