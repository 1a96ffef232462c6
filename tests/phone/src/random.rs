//! Chance for tests: an own xorshift generator, seeded by the test or by the process.

use std::collections::hash_map::RandomState;
use std::hash::{BuildHasher, Hasher};

/// xorshift64* (Vigna): small, fast, good enough to choose tags and the packets that get lost.
#[derive(Debug, Clone)]
pub struct Random {
    state: u64,
}

impl Random {
    /// The same seed gives the same numbers, always.
    #[must_use]
    pub fn new(seed: u64) -> Self {
        // xorshift has no way out of zero.
        Self { state: if seed == 0 { 0x9E37_79B9_7F4A_7C15 } else { seed } }
    }

    /// A seed that differs for every phone of every run: tags and branches must not repeat.
    #[must_use]
    pub fn fresh() -> Self {
        Self::new(RandomState::new().build_hasher().finish())
    }

    /// The next 64 bits.
    pub fn bits(&mut self) -> u64 {
        self.state ^= self.state >> 12;
        self.state ^= self.state << 25;
        self.state ^= self.state >> 27;
        self.state.wrapping_mul(0x2545_F491_4F6C_DD1D)
    }

    /// A number below `end`; 0 when `end` is 0.
    pub fn below(&mut self, end: u64) -> u64 {
        self.bits().checked_rem(end).unwrap_or(0)
    }

    /// True in `per_mille` of 1000 cases.
    pub fn chance(&mut self, per_mille: u16) -> bool {
        self.below(1_000) < u64::from(per_mille)
    }

    /// 16 hexadecimal digits, for tags, branches, Call-IDs and client nonces.
    pub fn token(&mut self) -> String {
        format!("{:016x}", self.bits())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_seed_repeats_its_numbers_and_zero_is_allowed() {
        let (mut a, mut b) = (Random::new(7), Random::new(7));
        assert_eq!((a.bits(), a.bits()), (b.bits(), b.bits()));
        assert_ne!(Random::new(0).bits(), 0);
        assert_ne!(Random::fresh().bits(), Random::fresh().bits());
    }

    #[test]
    fn chance_is_near_its_rate() {
        let mut random = Random::new(11);
        let hits = (0..100_000).filter(|_| random.chance(100)).count();
        assert!((9_000..11_000).contains(&hits), "{hits}");
    }
}
