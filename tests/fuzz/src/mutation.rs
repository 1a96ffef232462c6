//! Changes to an input: bits, bytes, ranges, lines, numbers, halves of two inputs.

use std::ops::Range;

use crate::{Dice, INPUT_LEN_MAX};

/// The most changes stacked in one step.
const CHANGES_MAX: usize = 6;
/// The most bytes inserted or copied at once, but for one time in sixteen.
const RANGE_LEN_USUAL: usize = 32;
/// Values at which lengths and counters go wrong.
const EDGES: [u64; 12] = [
    0,
    1,
    0x7f,
    0x80,
    0xff,
    0x7fff,
    0xffff,
    0x7fff_ffff,
    0xffff_ffff,
    0x1_0000_0000,
    0x7fff_ffff_ffff_ffff,
    u64::MAX,
];

/// A mutation of `input`, with `other` as the second half of a splice and `words` of the format.
pub(crate) fn mutate(input: &[u8], other: &[u8], words: &[&[u8]], dice: &mut Dice) -> Vec<u8> {
    let mut bytes = input.to_vec();
    for _ in 0..=dice.below(CHANGES_MAX) {
        change(&mut bytes, other, words, dice);
        bytes.truncate(INPUT_LEN_MAX);
    }
    bytes
}

fn change(bytes: &mut Vec<u8>, other: &[u8], words: &[&[u8]], dice: &mut Dice) {
    match dice.below(13) {
        0 | 1 => flip(bytes, dice),
        2 => overwrite(bytes, dice),
        3 => insert(bytes, &noise(dice), dice),
        4 => {
            let word = dice.pick(words).copied().unwrap_or(b"\0");
            insert(bytes, word, dice);
        }
        5 => {
            let range = some_range(bytes.len(), dice);
            bytes.drain(range);
        }
        6 => {
            let copy = bytes.get(some_range(bytes.len(), dice)).unwrap_or_default().to_vec();
            insert(bytes, &copy, dice);
        }
        7 => splice(bytes, other, dice),
        8 => bytes.truncate(dice.below(bytes.len())),
        9 => duplicate_line(bytes, dice),
        10 => swap_lines(bytes, dice),
        11 => delete_line(bytes, dice),
        _ => replace_number(bytes, dice),
    }
}

fn flip(bytes: &mut [u8], dice: &mut Dice) {
    let at = dice.below(bytes.len());
    if let Some(byte) = bytes.get_mut(at) {
        *byte ^= 1 << dice.below(8);
    }
}

/// Puts an edge value over 1, 2, 4 or 8 bytes, in either byte order.
fn overwrite(bytes: &mut [u8], dice: &mut Dice) {
    let len = 1 << dice.below(4);
    let edge = dice.pick(&EDGES).copied().unwrap_or(0);
    let (big, little) = (edge.to_be_bytes(), edge.to_le_bytes());
    let value = if dice.below(2) == 0 { &big[8 - len..] } else { &little[..len] };
    let at = dice.below(bytes.len().saturating_sub(len - 1));
    if let Some(place) = bytes.get_mut(at..at + len) {
        place.copy_from_slice(value);
    }
}

fn noise(dice: &mut Dice) -> Vec<u8> {
    let one = dice.byte();
    let same = dice.below(2) == 0;
    let most = range_len_max(dice);
    (0..=dice.below(most)).map(|_| if same { one } else { dice.byte() }).collect()
}

fn insert(bytes: &mut Vec<u8>, what: &[u8], dice: &mut Dice) {
    let at = dice.below(bytes.len() + 1);
    bytes.splice(at..at, what.iter().copied());
}

fn splice(bytes: &mut Vec<u8>, other: &[u8], dice: &mut Dice) {
    bytes.truncate(dice.below(bytes.len() + 1));
    bytes.extend_from_slice(other.get(dice.below(other.len() + 1)..).unwrap_or_default());
}

fn duplicate_line(bytes: &mut Vec<u8>, dice: &mut Dice) {
    let lines = lines(bytes);
    let line = dice.pick(&lines).and_then(|line| bytes.get(line.clone())).map(<[u8]>::to_vec);
    let at = dice.pick(&lines).map_or(0, |line| line.start);
    // As a rule once; at times often enough to meet a bound on the number of lines.
    let times = if dice.below(16) == 0 { 1 + dice.below(300) } else { 1 };
    let copies = line.unwrap_or_default().repeat(times);
    bytes.splice(at..at, copies);
}

fn swap_lines(bytes: &mut Vec<u8>, dice: &mut Dice) {
    let lines = lines(bytes);
    let (Some(a), Some(b)) = (dice.pick(&lines).cloned(), dice.pick(&lines).cloned()) else {
        return;
    };
    let (first, second) = if a.start < b.start { (a, b) } else { (b, a) };
    let moved = bytes.get(second.clone()).unwrap_or_default().to_vec();
    bytes.drain(second);
    bytes.splice(first.start..first.start, moved);
}

fn delete_line(bytes: &mut Vec<u8>, dice: &mut Dice) {
    if let Some(line) = dice.pick(&lines(bytes)).cloned() {
        bytes.drain(line);
    }
}

/// Puts an edge value in decimal in the place of a run of digits.
fn replace_number(bytes: &mut Vec<u8>, dice: &mut Dice) {
    let start = dice.below(bytes.len());
    let tail = bytes.get(start..).unwrap_or_default();
    let Some(from) = tail.iter().position(u8::is_ascii_digit) else { return };
    let digits = tail.iter().skip(from).take_while(|byte| byte.is_ascii_digit()).count();
    let edge = dice.pick(&EDGES).copied().unwrap_or(0);
    let number = if dice.below(4) == 0 { format!("-{edge}0") } else { edge.to_string() };
    bytes.splice(start + from..start + from + digits, number.into_bytes());
}

fn some_range(len: usize, dice: &mut Dice) -> Range<usize> {
    let start = dice.below(len);
    let most = (len - start).min(range_len_max(dice));
    start..start + dice.below(most + 1)
}

fn range_len_max(dice: &mut Dice) -> usize {
    if dice.below(16) == 0 { 4_096 } else { RANGE_LEN_USUAL }
}

/// The lines with their ends, the last one with or without.
fn lines(bytes: &[u8]) -> Vec<Range<usize>> {
    let mut start = 0;
    let lines = bytes.split_inclusive(|byte| *byte == b'\n').map(|line| {
        start += line.len();
        start - line.len()..start
    });
    lines.collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_change_survives_every_small_input_and_reaches_them_all() {
        let mut seen = std::collections::BTreeSet::new();
        for seed in 0..20_000 {
            let mut dice = Dice::new(seed);
            let input = &b"a: 1\r\nbb: 22\r\n"[..dice.below(15)];
            let output = mutate(input, b"other\nlines\n", &[b"WORD"], &mut dice);
            assert!(output.len() <= INPUT_LEN_MAX);
            seen.insert(output);
        }
        let text = b"a: 1\r\nbb: 22\r\n".as_slice();
        let wanted: [&[u8]; 6] = [
            b"bb: 22\r\na: 1\r\n",
            b"a: 1\r\na: 1\r\nbb: 22\r\n",
            b"a: 1\r\n",
            b"",
            b"a: 255\r\nbb: 22\r\n",
            b"a: 1\r\nWORDbb: 22\r\n",
        ];
        let reached = |wanted: &&[u8]| {
            (0..200_000).any(|seed| mutate(text, b"", &[b"WORD"], &mut Dice::new(seed)) == *wanted)
        };
        assert_eq!(wanted.iter().position(|wanted| !reached(wanted)), None);
        assert!(seen.len() > 10_000, "only {} different outputs", seen.len());
    }

    #[test]
    fn outputs_stay_within_the_bound() {
        let long = vec![b'x'; INPUT_LEN_MAX];
        for seed in 0..200 {
            let output = mutate(&long, &long, &[&long], &mut Dice::new(seed));
            assert!(output.len() <= INPUT_LEN_MAX);
        }
    }
}
