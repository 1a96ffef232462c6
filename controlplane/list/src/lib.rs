//! Lists of numbers and of beginnings of numbers: millions of them, looked up on every call.
//!
//! An entry is a beginning: `4420` is all of London's numbers, a whole number is a long one. The
//! longest entry that a number begins with is what a list says of it (spec ACL-BL-03).
//!
//! A [`Numbers`] is immutable and cheap to clone. Its bulk is packed ([`Packed`]): 12 bytes an
//! entry, 8 in a table that is two thirds full, without pointers, so a look costs one place of
//! memory for each length that entries have. A few changes lie over it ([`Numbers::changed`])
//! until somebody packs both again; so one entry more costs what it is, not what the list is.
//!
//! A list lies in two files, whose bytes are made and read here: its image ([`Packed::image`]) and
//! a tail of the changes over it ([`Tail`]). Files are read and written by others.
//!
//! It never knows why a number is on a list, whose list it is, or what follows from it. Bounded:
//! [`ENTRIES_MAX`], [`CHANGES_MAX`], [`ENTRY_DIGITS_MAX`].
//!
//! Where to start: [`Numbers::find`]; [`Gathering`] reads lines.

mod gather;
mod image;

pub use gather::{BadLine, Gathering, LINE_BYTES_MAX};
pub use image::{BadImage, IMAGE_HEAD, Tail};

use std::collections::BTreeMap;
use std::sync::Arc;
use strowger_model::Digits;

/// Longest entry, digits: a number of E.164 has 15.
pub const ENTRY_DIGITS_MAX: usize = 16;
/// Most entries of one list.
pub const ENTRIES_MAX: usize = 20_000_000;
/// Most changes that lie over a packed list.
pub const CHANGES_MAX: usize = 65_536;

/// Bits of one digit.
const DIGIT_BITS: u32 = 4;
/// A multiplier with well mixed bits (of the golden ratio).
const MIX: u64 = 0x9e37_79b9_7f4a_7c15;

/// A beginning of numbers as an integer; 0 is no entry.
type Key = u64;

/// Digits as nibbles, the first the highest; `0` to `9`, `*` and `#` are 1 to 12, so that a longer
/// beginning is another integer. `None` for more than [`ENTRY_DIGITS_MAX`], and for none.
fn key(digits: &[u8]) -> Option<Key> {
    if digits.is_empty() || digits.len() > ENTRY_DIGITS_MAX {
        return None;
    }
    digits.iter().try_fold(0, |key: Key, digit| Some(key << DIGIT_BITS | nibble(*digit)?))
}

const fn nibble(digit: u8) -> Option<u64> {
    Some(match digit {
        b'0'..=b'9' => (digit - b'0') as u64 + 1,
        b'*' => 11,
        b'#' => 12,
        _ => return None,
    })
}

/// Whether a text can be an entry.
#[must_use]
pub fn is_entry(digits: &Digits) -> bool {
    key(digits.as_bytes()).is_some()
}

/// Entries in one table: open addressing, at most two thirds full.
#[derive(Clone, PartialEq, Eq, Default, Debug)]
pub struct Packed {
    /// 0 is a free place.
    places: Box<[Key]>,
    /// Bit n: some entry has n digits.
    lengths: u32,
    count: usize,
}

impl Packed {
    /// Packs entries; those that stand twice count once, those that are none and what is beyond
    /// [`ENTRIES_MAX`] are left out.
    #[must_use]
    pub fn build(entries: impl IntoIterator<Item = Digits>) -> Packed {
        let keys = entries.into_iter().filter_map(|entry| key(entry.as_bytes()));
        Packed::of_keys(keys.take(ENTRIES_MAX).collect())
    }

    fn of_keys(keys: Vec<Key>) -> Packed {
        let mut packed = Packed::with_room(keys.len());
        keys.into_iter().for_each(|key| packed.put(key));
        packed
    }

    fn with_room(keys: usize) -> Packed {
        let places = if keys == 0 { 0 } else { keys + keys / 2 + 1 };
        Packed { places: vec![0; places].into(), lengths: 0, count: 0 }
    }

    fn put(&mut self, key: Key) {
        let Some(at) = self.place(key) else { return };
        let Some(place) = self.places.get_mut(at) else { return };
        if *place == 0 {
            *place = key;
            self.count += 1;
            self.lengths |= 1 << length(key);
        }
    }

    /// Where a key stands or would stand; `None` in a table without places.
    fn place(&self, key: Key) -> Option<usize> {
        let first = self.first(key);
        let fits = |held: &Key| *held == key || *held == 0;
        let behind = self.places.get(first..)?.iter().position(fits);
        // Around the end; there are more places than keys, so a free one is met.
        let before = || self.places.get(..first)?.iter().position(fits);
        behind.map(|step| first + step).or_else(before)
    }

    /// The place that a key wants, as far down the table as its mixed bits are of their range.
    fn first(&self, key: Key) -> usize {
        ((mixed(key) as u128 * self.places.len() as u128) >> u64::BITS) as usize
    }

    fn contains(&self, key: Key) -> bool {
        self.place(key).and_then(|at| self.places.get(at)).is_some_and(|held| *held == key)
    }

    /// Entries.
    #[must_use]
    pub const fn len(&self) -> usize {
        self.count
    }

    /// It has none.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.count == 0
    }

    /// Bytes of its table.
    #[must_use]
    pub fn bytes(&self) -> usize {
        size_of_val(&*self.places)
    }

    fn keys(&self) -> impl Iterator<Item = Key> {
        self.places.iter().copied().filter(|key| *key != 0)
    }
}

const fn length(key: Key) -> u32 {
    (u64::BITS - key.leading_zeros()).div_ceil(DIGIT_BITS)
}

/// Spreads keys that differ in their last digits only.
const fn mixed(key: Key) -> u64 {
    let key = (key ^ key >> 32).wrapping_mul(MIX);
    (key ^ key >> 29).wrapping_mul(MIX)
}

/// A list and the changes that lie over it.
#[derive(Clone, PartialEq, Eq, Default, Debug)]
pub struct Numbers {
    packed: Arc<Packed>,
    /// `true` = it is on the list, `false` = it is not any more.
    changes: Arc<BTreeMap<Key, bool>>,
    /// Lengths of entries, those of `changes` included.
    lengths: u32,
}

impl Numbers {
    /// A list of these entries.
    #[must_use]
    pub fn new(packed: Packed) -> Numbers {
        let lengths = packed.lengths;
        Numbers { packed: Arc::new(packed), changes: Arc::default(), lengths }
    }

    /// How many digits the longest entry has that the number begins with. At most one look for
    /// each length of entries.
    #[must_use]
    pub fn find(&self, number: &Digits) -> Option<usize> {
        let digits = number.as_bytes();
        let whole = key(digits.get(..ENTRY_DIGITS_MAX).unwrap_or(digits))?;
        let longest = length(whole);
        (1..=longest)
            .rev()
            .filter(|length| self.lengths & 1 << length != 0)
            .find(|length| self.holds(whole >> ((longest - length) * DIGIT_BITS)))
            .map(|length| length as usize)
    }

    fn holds(&self, key: Key) -> bool {
        if !self.changes.is_empty()
            && let Some(stands) = self.changes.get(&key)
        {
            return *stands;
        }
        self.packed.contains(key)
    }

    /// The list after changes, each an entry and whether it stands on the list now; the last word
    /// on an entry counts. What is no entry is left out. Packed anew when there are too many.
    #[must_use]
    pub fn changed(&self, changes: impl IntoIterator<Item = (Digits, bool)>) -> Numbers {
        let keys = changes.into_iter().filter_map(|(entry, on)| Some((key(entry.as_bytes())?, on)));
        self.with_changes(keys)
    }

    /// The list after lines were added to it, or taken from it.
    #[must_use]
    pub fn with(&self, lines: &Gathering, stand: bool) -> Numbers {
        self.with_changes(lines.keys().iter().map(|key| (*key, stand)))
    }

    fn with_changes(&self, changes: impl IntoIterator<Item = (Key, bool)>) -> Numbers {
        let mut all = BTreeMap::clone(&self.changes);
        let mut lengths = self.lengths;
        for (key, stands) in changes {
            all.insert(key, stands);
            lengths |= 1 << length(key);
        }
        let list = Numbers { packed: Arc::clone(&self.packed), changes: Arc::new(all), lengths };
        if list.changes.len() > CHANGES_MAX { list.packed_anew() } else { list }
    }

    /// The same list with nothing over it.
    #[must_use]
    pub fn packed_anew(&self) -> Numbers {
        let gone = |key: &Key| self.changes.contains_key(key);
        let new = self.changes.iter().filter(|(_, stands)| **stands).map(|(key, _)| *key);
        let keys = self.packed.keys().filter(|key| !gone(key)).chain(new);
        Numbers::new(Packed::of_keys(keys.take(ENTRIES_MAX).collect()))
    }

    /// Entries.
    #[must_use]
    pub fn len(&self) -> usize {
        let known = |key: &Key| self.packed.contains(*key);
        let (mut more, mut fewer) = (0, 0);
        for (key, stands) in self.changes.iter() {
            more += usize::from(*stands && !known(key));
            fewer += usize::from(!*stands && known(key));
        }
        (self.packed.len() + more).saturating_sub(fewer)
    }

    /// It has none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Changes that lie over it.
    #[must_use]
    pub fn change_count(&self) -> usize {
        self.changes.len()
    }

    /// Bytes of its table.
    #[must_use]
    pub fn bytes(&self) -> usize {
        self.packed.bytes()
    }

    /// The table under the changes.
    #[must_use]
    pub fn packed(&self) -> &Packed {
        &self.packed
    }
}

#[cfg(test)]
mod tests;
