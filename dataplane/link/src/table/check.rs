//! The check of a slot's version: that opening time, record, ask and body are of one writing.
//!
//! A slot is written some eight times in a call's life, two kilobytes each, so its check is what a
//! processor is good at: multiplications of whole words, in four lanes that do not wait for each
//! other. Within a lane each step is reversible, so whatever differs in one word alone differs in
//! the end, before 64 bits become 32. CRC-32C, by tables, takes seven times as many instructions;
//! segments of layout 2 have it.

use super::layout::{VERSION, VERSION_BEFORE};
use crate::crc::Crc32c;

/// How the versions of a segment are checked: its layout says so.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Check {
    /// Layout 2.
    Crc,
    /// Layout 3.
    Lanes,
}

/// 2^64 divided by the golden ratio: odd, and its bits have no pattern.
const MULTIPLIER: u64 = 0x9E37_79B9_7F4A_7C15;
const LANES: usize = 4;
/// Bytes that all lanes take at once.
const BLOCK: usize = LANES * 8;

impl Check {
    /// That of a layout; `None` = a layout that this release does not read.
    pub(super) const fn of_layout(version: u32) -> Option<Check> {
        match version {
            VERSION => Some(Check::Lanes),
            VERSION_BEFORE => Some(Check::Crc),
            _ => None,
        }
    }

    /// The check of one version.
    pub(super) fn over(self, opened: u64, record: u64, ask: u64, body: &[u8]) -> u32 {
        let head = [opened, record, ask];
        match self {
            Check::Crc => {
                let add = |crc: Crc32c, word: u64| crc.update(&word.to_le_bytes());
                head.into_iter().fold(Crc32c::new(), add).update(body).finish()
            }
            Check::Lanes => lanes(head, body),
        }
    }
}

fn lanes([opened, record, ask]: [u64; 3], body: &[u8]) -> u32 {
    // The length tells a last word with zeros from one that was filled up with them.
    let mut lanes = [opened, record, ask, body.len() as u64].map(|word| step(MULTIPLIER, word));
    let (blocks, rest) = body.as_chunks::<BLOCK>();
    for block in blocks {
        take(&mut lanes, block);
    }
    let mut last = [0; BLOCK];
    last.iter_mut().zip(rest).for_each(|(to, from)| *to = *from);
    take(&mut lanes, &last);
    let all = lanes.into_iter().fold(0, step);
    // The upper half of a product hangs on all bits of what was multiplied.
    let mixed = (all ^ (all >> 32)).wrapping_mul(MULTIPLIER);
    (mixed >> 32) as u32
}

#[inline]
fn take(lanes: &mut [u64; LANES], block: &[u8; BLOCK]) {
    let (words, _) = block.as_chunks::<8>();
    for (lane, word) in lanes.iter_mut().zip(words) {
        *lane = step(*lane, u64::from_le_bytes(*word));
    }
}

#[inline]
const fn step(lane: u64, word: u64) -> u64 {
    (lane ^ word).wrapping_mul(MULTIPLIER).rotate_left(29)
}

#[cfg(test)]
#[cfg(not(loom))]
mod tests {
    use super::*;

    #[test]
    fn whatever_differs_in_one_bit_has_another_check() {
        for len in [0, 1, 7, 8, 31, 32, 33, 100, 448] {
            let body: Vec<u8> = (0..len).map(|at| at as u8).collect();
            let whole = Check::Lanes.over(1, 2, 3, &body);
            for at in 0..8 * len {
                let mut other = body.clone();
                other[at / 8] ^= 1 << (at % 8);
                assert_ne!(Check::Lanes.over(1, 2, 3, &other), whole, "{len}, bit {at}");
            }
            for bit in 0..64 {
                let one = 1 << bit;
                for (opened, record, ask) in [(1 ^ one, 2, 3), (1, 2 ^ one, 3), (1, 2, 3 ^ one)] {
                    assert_ne!(Check::Lanes.over(opened, record, ask, &body), whole);
                }
            }
        }
    }

    #[test]
    fn zeros_behind_a_body_are_no_part_of_it() {
        let mut seen = std::collections::BTreeSet::new();
        for len in 0..300 {
            assert!(seen.insert(Check::Lanes.over(0, 0, 0, &vec![0; len])), "{len}");
        }
    }

    /// A version of one half and a version of another: what a torn write would leave.
    #[test]
    fn pieces_of_two_bodies_are_found_out() {
        let (one, other) = ([1u8; 448], [2u8; 448]);
        let whole = [one, other].map(|body| Check::Lanes.over(1, 2, 3, &body));
        for words in 1..56 {
            let mut torn = one;
            torn[..8 * words].copy_from_slice(&other[..8 * words]);
            assert!(!whole.contains(&Check::Lanes.over(1, 2, 3, &torn)), "{words}");
        }
    }
}
