//! Master keys of ours.

use crate::cipher::Aes;
use crate::limits::MASTER_BYTES_MAX;
use crate::master::Master;
use crate::suite::Suite;
use core::fmt;
use zeroize::Zeroizing;

/// Makes keys out of one secret of 256 bits, which is chance that was handed in: AES-256 in counter
/// mode, each key from blocks of its own. Whoever learns a key learns nothing of another.
pub struct KeyMaker {
    aes: Aes,
    made: u64,
}

impl KeyMaker {
    /// A maker whose secret nobody else has, nor had in an earlier life.
    #[must_use]
    pub fn new(secret: &[u8; 32]) -> Option<KeyMaker> {
        Some(KeyMaker { aes: Aes::new(secret)?, made: 0 })
    }

    /// The next key.
    pub fn make(&mut self, suite: Suite) -> Option<Master> {
        let mut octets = Zeroizing::new([0; MASTER_BYTES_MAX]);
        // The lower 64 bits count blocks within a key.
        self.aes.xor_keystream(u128::from(self.made) << 64, octets.as_mut_slice());
        self.made = self.made.wrapping_add(1);
        Master::new(suite, octets.get(..suite.master_len())?)
    }
}

impl fmt::Debug for KeyMaker {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("KeyMaker").field("made", &self.made).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::KeyMaker;
    use crate::Suite;

    #[test]
    fn no_key_comes_twice() {
        let mut maker = KeyMaker::new(&[7; 32]).unwrap();
        let mut again = KeyMaker::new(&[7; 32]).unwrap();
        let mut other = KeyMaker::new(&[8; 32]).unwrap();
        let mut seen: Vec<Vec<u8>> = Vec::new();
        for nth in 0..200 {
            let (_, _, suite) = Suite::ALL[nth % Suite::ALL.len()];
            let master = maker.make(suite).unwrap();
            assert_eq!(again.make(suite).unwrap(), master, "chance is the only source");
            seen.push(master.octets()[..16].to_vec());
            seen.push(other.make(suite).unwrap().octets()[..16].to_vec());
        }
        seen.sort();
        seen.dedup();
        assert_eq!(seen.len(), 400);
    }
}
