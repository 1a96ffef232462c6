//! A deck: rows by prefix id (design of control, 7).
//!
//! Presence bitmap, rank and rows in order of id: an absent prefix costs one cache line, a present
//! one two, and a deck of a few prefixes does not pay for the millions of the dictionary's others.

use crate::prefix::{Chain, PrefixId};

/// Rows of type `T` by prefix id. Immutable.
#[derive(Clone, Debug)]
pub struct Deck<T> {
    // Bit and rank lie in one place, so that both come with one miss.
    blocks: Vec<Block>,
    rows: Vec<T>,
}

#[derive(Clone, Copy, Debug, Default)]
struct Block {
    present: u64,
    // Rows of all blocks before this one.
    before: u32,
}

/// A row of a deck that was found.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Place {
    /// Its prefix.
    pub id: PrefixId,
    row: u32,
}

impl<T> Default for Deck<T> {
    fn default() -> Self {
        Deck { blocks: Vec::new(), rows: Vec::new() }
    }
}

impl<T> Deck<T> {
    /// Builds a deck; of several rows with one id the last stays.
    #[must_use]
    pub fn build(rows: impl IntoIterator<Item = (PrefixId, T)>) -> Deck<T> {
        let mut sorted: Vec<(PrefixId, T)> = rows.into_iter().collect();
        sorted.sort_by_key(|(id, _)| *id);
        Deck::build_sorted(sorted)
    }

    /// The same of rows in order of their ids.
    pub(crate) fn build_sorted(rows: Vec<(PrefixId, T)>) -> Deck<T> {
        let mut deck = Deck { rows: Vec::with_capacity(rows.len()), ..Deck::default() };
        for (id, row) in rows {
            deck.append(id, row);
        }
        deck.count();
        // It is kept for long, and never grows.
        deck.blocks.shrink_to_fit();
        deck.rows.shrink_to_fit();
        deck
    }

    fn append(&mut self, id: PrefixId, row: T) {
        let block = id.0 as usize / 64;
        if self.blocks.len() <= block {
            self.blocks.resize(block + 1, Block::default());
        }
        let bit = 1u64 << (id.0 % 64);
        let Some(place) = self.blocks.get_mut(block) else { return };
        if place.present & bit != 0 {
            self.rows.pop();
        }
        place.present |= bit;
        self.rows.push(row);
    }

    fn count(&mut self) {
        let mut before = 0;
        for block in &mut self.blocks {
            block.before = before;
            before += block.present.count_ones();
        }
    }

    /// The row of exactly this prefix.
    #[must_use]
    pub fn get(&self, id: PrefixId) -> Option<&T> {
        self.at(self.place_of(id)?)
    }

    /// The ids of all rows, in order.
    pub fn ids(&self) -> impl Iterator<Item = PrefixId> + use<'_, T> {
        (0u32..).zip(&self.blocks).flat_map(|(block, place)| {
            let bits = (0..64u32).filter(move |bit| place.present >> bit & 1 == 1);
            bits.map(move |bit| PrefixId(block.saturating_mul(64).saturating_add(bit)))
        })
    }

    /// All ids are below this.
    #[must_use]
    pub const fn ids_end(&self) -> usize {
        self.blocks.len() * 64
    }

    /// Where the row of exactly this prefix lies.
    #[must_use]
    pub fn place_of(&self, id: PrefixId) -> Option<Place> {
        let block = self.blocks.get(id.0 as usize / 64)?;
        let bit = 1u64 << (id.0 % 64);
        let rank = block.before + (block.present & (bit - 1)).count_ones();
        (block.present & bit != 0).then_some(Place { id, row: rank })
    }

    /// Where the row of the longest prefix in `chain` lies. Nothing that is read decides where the
    /// next is read, so that look-ups in many decks wait for memory together, not one after the
    /// other.
    #[must_use]
    pub fn place(&self, chain: &Chain) -> Option<Place> {
        let ids = chain.ids();
        let block = |id: PrefixId| self.blocks.get(id.0 as usize / 64).copied().unwrap_or_default();
        let mut longest = 0;
        for (count, id) in (1..).zip(ids) {
            let is_present = block(*id).present >> (id.0 % 64) & 1 == 1;
            longest = if is_present { count } else { longest };
        }
        let id = *ids.get(usize::checked_sub(longest, 1)?)?;
        let Block { present, before } = block(id);
        let rank = (present & ((1u64 << (id.0 % 64)) - 1)).count_ones();
        Some(Place { id, row: before + rank })
    }

    /// The row at a place.
    #[must_use]
    pub fn at(&self, place: Place) -> Option<&T> {
        self.rows.get(place.row as usize)
    }

    /// The rows of all prefixes in `chain`, longest first.
    pub fn matches<'a, 'c>(
        &'a self,
        chain: &'c Chain,
    ) -> impl Iterator<Item = (PrefixId, &'a T)> + use<'a, 'c, T> {
        chain.longest_first().filter_map(|id| self.get(id).map(|row| (id, row)))
    }

    /// Memory that it takes, bytes.
    #[must_use]
    pub const fn bytes(&self) -> usize {
        self.blocks.capacity() * size_of::<Block>() + self.rows.capacity() * size_of::<T>()
    }

    /// All rows in order of their ids.
    #[must_use]
    pub fn rows(&self) -> &[T] {
        &self.rows
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::prefix::Dictionary;
    use proptest::prelude::*;
    use std::collections::BTreeMap;
    use strowger_model::Digits;

    fn digits(text: &str) -> Digits {
        Digits::parse(text).unwrap()
    }

    /// The longest prefix of `number` in `rows`, the slow way.
    fn brute_force(rows: &BTreeMap<String, u32>, number: &str) -> Option<u32> {
        (0..=number.len()).rev().find_map(|n| rows.get(&number[..n]).copied())
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(256))]

        #[test]
        fn longest_prefix_equals_brute_force(
            decks in prop::collection::vec(
                prop::collection::btree_map("[0-3]{0,5}", 0u32..1000, 0..80), 1..6),
            numbers in prop::collection::vec("[0-3]{0,7}", 1..30),
        ) {
            let all = decks.iter().flat_map(|d| d.keys()).map(|p| digits(p));
            let dictionary = Dictionary::default().extended(all).unwrap();
            for rows in &decks {
                let deck = Deck::build(
                    rows.iter().map(|(p, row)| (dictionary.id(&digits(p)).unwrap(), *row)));
                prop_assert_eq!(deck.rows().len(), rows.len());
                for number in &numbers {
                    let chain = dictionary.chain(&digits(number));
                    let found = deck.matches(&chain).next().map(|(_, row)| *row);
                    prop_assert_eq!(found, brute_force(rows, number), "{}", number);
                    let place = deck.place(&chain);
                    prop_assert_eq!(place.and_then(|place| deck.at(place).copied()), found);
                    let id = deck.matches(&chain).next().map(|(id, _)| id);
                    prop_assert_eq!(place.map(|place| place.id), id);
                }
            }
        }
    }

    #[test]
    fn a_deck_older_than_the_dictionary_misses_later_ids() {
        let deck = Deck::build([(PrefixId(3), 'a'), (PrefixId(70), 'b'), (PrefixId(3), 'c')]);
        assert_eq!(deck.get(PrefixId(3)), Some(&'c'));
        assert_eq!(deck.get(PrefixId(70)), Some(&'b'));
        assert_eq!(deck.get(PrefixId(71)), None);
        assert_eq!(deck.get(PrefixId(5000)), None);
        assert_eq!(deck.rows(), ['c', 'b']);
    }
}
