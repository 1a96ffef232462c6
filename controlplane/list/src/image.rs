//! A list as bytes: its image, and the tail of changes over it.
//!
//! All little-endian. An image is a mark, a sum of what follows, the count of entries, and the
//! entries in the order of the table, so that a table is filled again from its beginning to its
//! end. A tail is a mark, the sum of the image that it lies over, and 16 bytes a change: the entry,
//! and a word that holds a sum and in its lowest bit whether the entry stands. A tail over another
//! image counts for nothing: its changes are in the image that came after it. So a change is one
//! append, and a crash loses at most a change that nobody was told of.

use crate::{CHANGES_MAX, ENTRIES_MAX, Gathering, Key, Numbers, Packed, mixed};

/// The first bytes of an image; the last of them is the version of the form.
const MARK: [u8; 8] = *b"STRWNLI1";
/// The first bytes of a tail.
const TAIL_MARK: [u8; 8] = *b"STRWNLT1";
/// Bytes of an image before its entries.
pub const IMAGE_HEAD: usize = 24;
/// Bytes of a change in a tail.
const CHANGE_BYTES: usize = 16;
/// Bytes of a word.
const WORD: usize = 8;

/// Why bytes are no list.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
pub enum BadImage {
    /// They begin otherwise.
    #[error("it is no list of numbers of this release")]
    Mark,
    /// They are too short or too long for what they say they hold.
    #[error("it is cut short or too long")]
    Length,
    /// They were changed.
    #[error("its sum is wrong")]
    Sum,
    /// An entry that is none, or that stands there twice.
    #[error("its entries are none")]
    Content,
}

impl Packed {
    /// The list as bytes.
    #[must_use]
    pub fn image(&self) -> Vec<u8> {
        let mut out = Vec::with_capacity(IMAGE_HEAD + self.len() * WORD);
        out.extend_from_slice(&MARK);
        out.extend_from_slice(&self.sum().to_le_bytes());
        out.extend_from_slice(&(self.len() as u64).to_le_bytes());
        self.keys().for_each(|key| out.extend_from_slice(&key.to_le_bytes()));
        out
    }

    /// Reads what [`Packed::image`] wrote; trusts nothing in it.
    ///
    /// # Errors
    /// [`BadImage`].
    pub fn read(bytes: &[u8]) -> Result<Packed, BadImage> {
        let rest = bytes.strip_prefix(&MARK).ok_or(BadImage::Mark)?;
        let (said, rest) = rest.split_first_chunk::<WORD>().ok_or(BadImage::Length)?;
        let (count, rest) = rest.split_first_chunk::<WORD>().ok_or(BadImage::Length)?;
        let count = usize::try_from(u64::from_le_bytes(*count)).unwrap_or(usize::MAX);
        if count > ENTRIES_MAX || rest.len() != count * WORD {
            return Err(BadImage::Length);
        }
        if sum(words(rest)) != u64::from_le_bytes(*said) {
            return Err(BadImage::Sum);
        }
        let mut packed = Packed::with_room(count);
        for key in words(rest) {
            if !is_key(key) {
                return Err(BadImage::Content);
            }
            packed.put(key);
        }
        if packed.len() == count { Ok(packed) } else { Err(BadImage::Content) }
    }

    /// What tells this table from another: the sum in its image.
    fn sum(&self) -> u64 {
        sum(self.keys())
    }
}

/// Changes over an image, as they follow each other in a file.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Tail {
    over: u64,
}

impl Tail {
    /// The tail over a list's table.
    #[must_use]
    pub fn over(packed: &Packed) -> Tail {
        Tail { over: packed.sum() }
    }

    /// What a tail begins with.
    #[must_use]
    pub fn head(self) -> Vec<u8> {
        [TAIL_MARK, self.over.to_le_bytes()].concat()
    }

    /// The bytes of lines that are added, or taken away.
    #[must_use]
    pub fn changes(self, lines: &Gathering, stand: bool) -> Vec<u8> {
        let keys = lines.keys().iter();
        keys.flat_map(|key| [*key, self.word(*key, stand)]).flat_map(u64::to_le_bytes).collect()
    }

    /// The list with the changes of a tail, and how many bytes of it were read: what a crash cut
    /// off ends it, and the next change is written there. A tail over something else has no bytes.
    #[must_use]
    pub fn read(self, list: &Numbers, bytes: &[u8]) -> (Numbers, usize) {
        let Some(rest) = bytes.strip_prefix(self.head().as_slice()) else {
            return (list.clone(), 0);
        };
        let pairs = rest.as_chunks::<CHANGE_BYTES>().0.iter();
        let known = pairs.map_while(|pair| {
            let mut words = words(pair);
            let (key, word) = (words.next()?, words.next()?);
            let stands = word & 1 == 1;
            (is_key(key) && word == self.word(key, stands)).then_some((key, stands))
        });
        let known: Vec<(Key, bool)> = known.take(CHANGES_MAX).collect();
        let read = self.head().len() + known.len() * CHANGE_BYTES;
        (list.with_changes(known), read)
    }

    const fn word(self, key: Key, stands: bool) -> u64 {
        (mixed(key ^ self.over) & !1) | stands as u64
    }
}

/// Digits without a gap, the first of them in the highest nibble that is used.
fn is_key(key: Key) -> bool {
    let mut rest = key;
    while rest != 0 {
        if !(1..=12).contains(&(rest & 15)) {
            return false;
        }
        rest >>= 4;
    }
    key != 0
}

fn words(bytes: &[u8]) -> impl Iterator<Item = u64> {
    bytes.as_chunks::<WORD>().0.iter().map(|chunk| u64::from_le_bytes(*chunk))
}

/// A sum that tells a changed file, not a forged one. The order does not count: a table that is
/// filled again may have other places.
fn sum(keys: impl Iterator<Item = Key>) -> u64 {
    const BASIS: u64 = 0xcbf2_9ce4_8422_2325;
    keys.fold(BASIS, |sum, key| sum.wrapping_add(mixed(key)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use strowger_model::Digits;

    fn lines(entries: &[&str]) -> Gathering {
        let mut gathering = Gathering::default();
        entries.iter().for_each(|entry| gathering.add_line(entry.as_bytes()).unwrap());
        gathering
    }

    fn found(list: &Numbers, number: &str) -> Option<usize> {
        list.find(&Digits::parse(number).unwrap())
    }

    #[test]
    fn an_image_that_was_cut_or_changed_is_no_list() {
        let packed = lines(&["44", "4420", "*21#", "1234567890123456"]).packed();
        let image = packed.image();
        assert_eq!(image.len(), IMAGE_HEAD + 4 * 8);
        let again = Packed::read(&image).unwrap();
        let sorted = |packed: &Packed| packed.keys().collect::<std::collections::BTreeSet<_>>();
        assert_eq!((sorted(&again), again.sum()), (sorted(&packed), packed.sum()));
        for at in 0..image.len() {
            assert!(Packed::read(&image[..at]).is_err(), "cut at {at}");
            let mut changed = image.clone();
            changed[at] ^= 4;
            assert!(Packed::read(&changed).is_err(), "changed at {at}");
        }
        assert_eq!(Packed::read(b"something else"), Err(BadImage::Mark));
        assert_eq!(Packed::read(&Packed::default().image()), Ok(Packed::default()));
    }

    /// Right by its sum, wrong by what it says.
    #[test]
    fn an_image_of_somebody_elses_making_is_not_trusted() {
        let of = |keys: &[u64]| {
            let mut bytes = MARK.to_vec();
            bytes.extend(sum(keys.iter().copied()).to_le_bytes());
            bytes.extend((keys.len() as u64).to_le_bytes());
            keys.iter().for_each(|key| bytes.extend(key.to_le_bytes()));
            Packed::read(&bytes)
        };
        assert!(of(&[0x55]).is_ok());
        for wrong in [&[0x50][..], &[0xd5], &[0x5f], &[0], &[0x505], &[0x55, 0x55]] {
            assert_eq!(of(wrong), Err(BadImage::Content), "{wrong:x?}");
        }
    }

    #[test]
    fn a_tail_lies_over_its_own_image_and_ends_where_it_was_cut() {
        let list = Numbers::new(lines(&["44", "49"]).packed());
        let tail = Tail::over(list.packed());
        let mut bytes = tail.head();
        bytes.extend(tail.changes(&lines(&["4420", "33"]), true));
        bytes.extend(tail.changes(&lines(&["49"]), false));
        let (after, read) = tail.read(&list, &bytes);
        assert_eq!((after.len(), after.change_count(), read), (3, 3, 64));
        assert_eq!((found(&after, "442071"), found(&after, "4930")), (Some(4), None));
        for at in 0..bytes.len() {
            let (cut, read) = tail.read(&list, &bytes[..at]);
            let whole = at.checked_sub(16).map(|behind| behind / 16);
            assert_eq!(cut.change_count(), whole.unwrap_or_default(), "cut at {at}");
            assert_eq!(read, whole.map_or(0, |whole| 16 + whole * 16), "cut at {at}");
            let mut changed = bytes.clone();
            changed[at] ^= 4;
            assert!(tail.read(&list, &changed).0.change_count() < 3, "changed at {at}");
        }
        let other = Numbers::new(lines(&["44"]).packed());
        assert_eq!(Tail::over(other.packed()).read(&other, &bytes), (other.clone(), 0));
    }
}
