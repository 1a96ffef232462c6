//! A table as bytes: what lies in a file, and how it is read again.
//!
//! All little-endian: the mark, a sum of what follows, counts of numbers, numbers instead and
//! prefixes, then keys, values, numbers instead, and prefixes as their length and places.

use super::{IS_NUMBER, PORTED_MAX, Ported, TARGETS_MAX};
use strowger_model::{Digits, NUMBER_MAX};

/// The first bytes; the last of them is the version of the form.
const MARK: [u8; 8] = *b"STRWPRT1";
/// Bytes of a prefix.
const PREFIX_BYTES: usize = 1 + NUMBER_MAX;
/// Bytes before the keys: mark, sum, three counts.
const HEAD: usize = 8 + 8 + 3 * 8;

/// Why bytes are no table.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
pub enum BadImage {
    /// They begin otherwise.
    #[error("it is no table of ported numbers of this release")]
    Mark,
    /// They are too short or too long for what they say they hold.
    #[error("it is cut short or too long")]
    Length,
    /// They were changed.
    #[error("its sum is wrong")]
    Sum,
    /// They do not hold what a table holds.
    #[error("its numbers are not in order, or lead nowhere")]
    Content,
}

impl Ported {
    /// The table as bytes.
    #[must_use]
    pub fn image(&self) -> Vec<u8> {
        let each = self.keys.len() * 12 + self.numbers.len() * 8;
        let mut out = Vec::with_capacity(HEAD + each + self.prefixes.len() * PREFIX_BYTES);
        out.extend_from_slice(&MARK);
        out.extend_from_slice(&[0; 8]);
        for count in [self.keys.len(), self.numbers.len(), self.prefixes.len()] {
            out.extend_from_slice(&(count as u64).to_le_bytes());
        }
        self.keys.iter().for_each(|key| out.extend_from_slice(&key.to_le_bytes()));
        self.values.iter().for_each(|value| out.extend_from_slice(&value.to_le_bytes()));
        self.numbers.iter().for_each(|number| out.extend_from_slice(&number.to_le_bytes()));
        for prefix in &self.prefixes {
            let mut places = [0u8; PREFIX_BYTES];
            let bytes =
                core::iter::once(prefix.len() as u8).chain(prefix.as_bytes().iter().copied());
            places.iter_mut().zip(bytes).for_each(|(place, byte)| *place = byte);
            out.extend_from_slice(&places);
        }
        let sum = sum(out.get(16..).unwrap_or_default());
        if let Some(place) = out.get_mut(8..16) {
            place.copy_from_slice(&sum.to_le_bytes());
        }
        out
    }

    /// Reads what [`Ported::image`] wrote; trusts nothing in it.
    ///
    /// # Errors
    /// [`BadImage`].
    pub fn read(bytes: &[u8]) -> Result<Ported, BadImage> {
        let rest = bytes.strip_prefix(&MARK).ok_or(BadImage::Mark)?;
        let (said, rest) = rest.split_first_chunk::<8>().ok_or(BadImage::Length)?;
        if sum(rest) != u64::from_le_bytes(*said) {
            return Err(BadImage::Sum);
        }
        let (counts, rest) = rest.split_at_checked(24).ok_or(BadImage::Length)?;
        let mut counts = words(counts).map(|count| usize::try_from(count).unwrap_or(usize::MAX));
        let mut next = |max: usize| counts.next().filter(|n| *n <= max).ok_or(BadImage::Length);
        let (keys, numbers, prefixes) = (next(PORTED_MAX)?, next(PORTED_MAX)?, next(TARGETS_MAX)?);
        let (key_bytes, rest) = rest.split_at_checked(keys * 8).ok_or(BadImage::Length)?;
        let (value_bytes, rest) = rest.split_at_checked(keys * 4).ok_or(BadImage::Length)?;
        let (number_bytes, rest) = rest.split_at_checked(numbers * 8).ok_or(BadImage::Length)?;
        if rest.len() != prefixes * PREFIX_BYTES {
            return Err(BadImage::Length);
        }
        let table = Ported {
            keys: words(key_bytes).collect(),
            values: value_bytes.as_chunks::<4>().0.iter().map(|b| u32::from_le_bytes(*b)).collect(),
            numbers: words(number_bytes).collect(),
            prefixes: rest.chunks_exact(PREFIX_BYTES).map(prefix).collect::<Result<_, _>>()?,
        };
        if table.holds() { Ok(table) } else { Err(BadImage::Content) }
    }

    /// Keys ascend, and every value leads somewhere.
    fn holds(&self) -> bool {
        let leads = |value: &u32| {
            let at = (value & !IS_NUMBER) as usize;
            at < if value & IS_NUMBER == 0 { self.prefixes.len() } else { self.numbers.len() }
        };
        self.keys.is_sorted_by(|a, b| a < b) && self.values.iter().all(leads)
    }
}

fn prefix(bytes: &[u8]) -> Result<Digits, BadImage> {
    let (len, places) = bytes.split_first().ok_or(BadImage::Length)?;
    let text = places.get(..usize::from(*len)).ok_or(BadImage::Content)?;
    let text = core::str::from_utf8(text).map_err(|_| BadImage::Content)?;
    Digits::parse(text).map_err(|_| BadImage::Content)
}

fn words(bytes: &[u8]) -> impl Iterator<Item = u64> {
    bytes.as_chunks::<8>().0.iter().map(|chunk| u64::from_le_bytes(*chunk))
}

/// A sum that tells a cut or changed file, not a forged one: FNV-1a over words.
fn sum(bytes: &[u8]) -> u64 {
    const BASIS: u64 = 0xcbf2_9ce4_8422_2325;
    const PRIME: u64 = 0x0100_0000_01b3;
    let mix = |hash: u64, word: u64| (hash ^ word).wrapping_mul(PRIME).rotate_left(29);
    let tail = bytes.as_chunks::<8>().1.iter().map(|byte| u64::from(*byte));
    words(bytes).chain(tail).fold(BASIS, mix)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Gathering, Target};

    #[test]
    fn a_file_that_was_cut_or_changed_is_no_table() {
        let mut gathering = Gathering::default();
        gathering.add_line("40721000001,9901").unwrap();
        gathering.add_line("40721000002,,40311000002").unwrap();
        let table = gathering.finish();
        let image = table.image();
        let again = Ported::read(&image).unwrap();
        let number = Digits::parse("40721000002").unwrap();
        let instead = Digits::parse("40311000002").unwrap();
        assert_eq!(again.find(&number), Some(Target::Number(instead)));
        for at in 0..image.len() {
            assert!(Ported::read(&image[..at]).is_err(), "cut at {at}");
            let mut changed = image.clone();
            changed[at] ^= 4;
            assert!(Ported::read(&changed).is_err(), "changed at {at}");
        }
        assert_eq!(Ported::read(b"something else"), Err(BadImage::Mark));
    }

    /// Right by its sum, wrong by what it says.
    #[test]
    fn a_file_of_somebody_elses_making_is_not_trusted() {
        let wrong = |table: &Ported| Ported::read(&table.image());
        let prefixes = vec![Digits::parse("99").unwrap()];
        let unsorted =
            Ported { keys: vec![2, 1], values: vec![0, 0], prefixes, numbers: Vec::new() };
        assert_eq!(wrong(&unsorted), Err(BadImage::Content));
        let nowhere = Ported { keys: vec![1], values: vec![7], ..Ported::default() };
        assert_eq!(wrong(&nowhere), Err(BadImage::Content));
        let mut image = Ported::default().image();
        image[16..24].copy_from_slice(&u64::MAX.to_le_bytes());
        let sum = sum(&image[16..]);
        image[8..16].copy_from_slice(&sum.to_le_bytes());
        assert_eq!(Ported::read(&image), Err(BadImage::Length));
    }
}
