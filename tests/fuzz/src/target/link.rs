//! The frames between the planes: what is read is written back byte for byte, and what is not read
//! is refused.

use std::fmt::Debug;

use strowger_link::codec::{Reader, Wire, decode, encode};
use strowger_link::{CallFacts, Down, Up};

use super::Target;
use crate::{Dice, Shape};

pub(super) static TARGET: Target = Target { name: "link", run, seeds, words: &[] };

/// The first byte of an input chooses what the rest is read as.
const KINDS: u8 = 3;

fn run(input: &[u8]) -> Shape {
    let mut shape = Shape::new();
    let Some((kind, bytes)) = input.split_first() else { return shape };
    shape.note("kind", &(kind % KINDS));
    match kind % KINDS {
        0 => {
            framed(bytes, Up::from_bytes, Up::to_bytes);
            read::<Up>(bytes.get(1..).unwrap_or_default(), &mut shape);
        }
        1 => {
            framed(bytes, Down::from_bytes, Down::to_bytes);
            read::<Down>(bytes.get(1..).unwrap_or_default(), &mut shape);
        }
        _ => read::<CallFacts>(bytes, &mut shape),
    }
    shape
}

/// A frame that is taken is built again byte for byte: there is one encoding of a value.
fn framed<T, E>(bytes: &[u8], parse: fn(&[u8]) -> Result<T, E>, build: fn(&T) -> Vec<u8>) {
    if let Ok(frame) = parse(bytes) {
        assert_eq!(build(&frame), bytes);
    }
}

fn read<T: Wire + PartialEq + Debug>(bytes: &[u8], shape: &mut Shape) {
    let mut reader = Reader::new(bytes);
    let taken = T::take(&mut reader);
    let used = bytes.len() - reader.left();
    let tag = bytes.first().copied().unwrap_or(0).min(16);
    // How far it came is what leads the search on.
    shape.note("taken", &(size_of::<T>(), tag, taken.is_ok()));
    shape.note("used", &(size_of::<T>(), tag, used.min(256)));
    if let Ok(value) = taken {
        let built = encode(&value);
        assert_eq!(Some(built.as_slice()), bytes.get(..used));
        assert_eq!(decode(&built), Ok(value));
        assert!(decode::<T>(&built[..built.len() - 1]).is_err(), "a cut frame was taken");
    }
}

fn seeds(dice: &mut Dice) -> Vec<Vec<u8>> {
    let mut inputs = Vec::new();
    for _ in 0..64 {
        inputs.push([&[0, strowger_link::FRAME_VERSION], &*lucky::<Up>(dice)].concat());
        inputs.push([&[1, strowger_link::FRAME_VERSION], &*lucky::<Down>(dice)].concat());
        inputs.push([&[2], &*lucky::<CallFacts>(dice)].concat());
    }
    inputs
}

/// The encoding of a random value, found by reading random bytes and rolling those again at which
/// the reader stops. It needs no knowledge of the format, so it follows each change of it.
pub(super) fn lucky<T: Wire>(dice: &mut Dice) -> Vec<u8> {
    for _ in 0..1_000 {
        let mut bytes: Vec<u8> = (0..2_048).map(|_| tame(dice)).collect();
        bytes[0] = dice.below(8) as u8;
        for _ in 0..2_000 {
            let mut reader = Reader::new(&bytes);
            let taken = T::take(&mut reader);
            let used = bytes.len() - reader.left();
            if taken.is_ok() {
                bytes.truncate(used);
                return bytes;
            }
            // What is out of range ends where the reader stopped; of a number, little-endian, the
            // last byte decides.
            if let Some(place) = bytes.get_mut(used.saturating_sub(1)) {
                *place = tame(dice);
            }
        }
        // A long text ate all the room: begin again.
    }
    Vec::new()
}

/// Mostly zeros and small numbers, which are short lists and legal tags, and some ASCII.
fn tame(dice: &mut Dice) -> u8 {
    match dice.below(8) {
        0..=4 => 0,
        5 => dice.below(4) as u8,
        6 => dice.below(16) as u8,
        7.. => b' ' + dice.below(95) as u8,
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn seeds_are_whole_frames_of_every_kind() {
        let seeds = seeds(&mut Dice::new(1));
        let kinds: BTreeSet<_> = seeds.iter().map(|seed| (seed[0], seed.get(2).copied())).collect();
        let ups = kinds.iter().filter(|(kind, _)| *kind == 0).count();
        let downs = kinds.iter().filter(|(kind, _)| *kind == 1).count();
        assert!(ups >= 7 && downs >= 5, "{kinds:?}");
        for seed in seeds {
            let whole = match seed[0] {
                0 => Up::from_bytes(&seed[1..]).is_ok(),
                1 => Down::from_bytes(&seed[1..]).is_ok(),
                _ => decode::<CallFacts>(&seed[1..]).is_ok(),
            };
            assert!(whole, "{}", seed.escape_ascii());
        }
    }
}
