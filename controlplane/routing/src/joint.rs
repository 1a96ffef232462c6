//! Which decks have a prefix, of all of them at once (design of control, 7).
//!
//! A call by a route of fifty suppliers has a price in each of fifty decks. Asked by itself each
//! deck would be asked for each prefix of the number; here each prefix is looked at once and says,
//! by one bit for each deck, who has it. A deck is then asked for one row, of which it is known
//! that it is there.

use crate::deck::Deck;
use crate::limits::{CHAIN_MAX, JOINT_DECKS_MAX};
use crate::prefix::{Chain, PrefixId};
use std::collections::BTreeMap;
use strowger_model::TariffId;

const WORD_BITS: usize = u64::BITS as usize;
const WORDS_MAX: usize = JOINT_DECKS_MAX / WORD_BITS;
const _: () = assert!(JOINT_DECKS_MAX.is_multiple_of(WORD_BITS));
// A place fits into a byte.
const _: () = assert!(JOINT_DECKS_MAX <= 1 << u8::BITS);

/// Where a deck stands in the index.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub(crate) struct JointPlace(u8);

impl JointPlace {
    fn word(self) -> usize {
        usize::from(self.0) / WORD_BITS
    }

    fn bit(self) -> u64 {
        1 << (usize::from(self.0) % WORD_BITS)
    }
}

/// The index. Decks beyond [`JOINT_DECKS_MAX`] have no place in it and are asked by themselves.
#[derive(Clone, Debug, Default)]
pub(crate) struct JointIndex {
    places: BTreeMap<TariffId, JointPlace>,
    // Of each prefix so many words, one bit for each place. Bits of a place that nobody has mean
    // nothing.
    words: usize,
    masks: Vec<u64>,
}

/// The decks that are asked for.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub(crate) struct JointSet([u64; WORDS_MAX]);

impl JointSet {
    pub(crate) fn add(&mut self, place: JointPlace) {
        if let Some(word) = self.0.get_mut(place.word()) {
            *word |= place.bit();
        }
    }
}

/// The longest prefix in each deck that was asked for.
pub(crate) struct Longest([u32; JOINT_DECKS_MAX]);

/// No deck has so many prefixes: see [`crate::limits::PREFIXES_MAX`].
const NONE: u32 = u32::MAX;

impl Longest {
    /// `None` when the deck has none, or was not asked for.
    pub(crate) fn of(&self, place: JointPlace) -> Option<PrefixId> {
        let id = self.0.get(usize::from(place.0)).copied()?;
        (id != NONE).then_some(PrefixId(id))
    }
}

impl JointIndex {
    /// Where a tariff's deck stands, if it does.
    pub(crate) fn place(&self, id: TariffId) -> Option<JointPlace> {
        self.places.get(&id).copied()
    }

    /// Whether a tariff's deck would find a place.
    pub(crate) fn has_room(&self, id: TariffId) -> bool {
        self.places.contains_key(&id) || self.places.len() < JOINT_DECKS_MAX
    }

    /// Whether all that is in it is one of these.
    pub(crate) fn is_within(&self, is_kept: impl Fn(TariffId) -> bool) -> bool {
        self.places.keys().all(|id| is_kept(*id))
    }

    /// Takes a deck in, in the place of the one that the tariff had before.
    pub(crate) fn put<T>(&mut self, id: TariffId, deck: &Deck<T>) {
        let Some(place) = self.place(id).or_else(|| self.free_place()) else { return };
        self.places.insert(id, place);
        self.widen(place.word() + 1);
        let (words, word, bit) = (self.words, place.word(), place.bit());
        self.masks.iter_mut().skip(word).step_by(words).for_each(|mask| *mask &= !bit);
        let length = deck.ids_end().saturating_mul(words);
        if self.masks.len() < length {
            self.masks.resize(length, 0);
        }
        for id in deck.ids() {
            if let Some(mask) = self.masks.get_mut(id.0 as usize * words + word) {
                *mask |= bit;
            }
        }
        // It is kept for long, and grows with the dictionary only.
        self.masks.shrink_to_fit();
    }

    /// Takes out what is none of these.
    pub(crate) fn retain(&mut self, mut is_kept: impl FnMut(TariffId) -> bool) {
        self.places.retain(|id, _| is_kept(*id));
    }

    /// The longest prefix of `chain` in each of some decks. All that may be wanted is read before
    /// any of it is looked at, so that the waits for memory overlap.
    pub(crate) fn longest(&self, chain: &Chain, mut wanted: JointSet) -> Longest {
        let mut read = [[0; WORDS_MAX]; CHAIN_MAX];
        for (to, id) in read.iter_mut().zip(chain.longest_first()) {
            let begin = id.0 as usize * self.words;
            let masks = self.masks.get(begin..begin + self.words).unwrap_or_default();
            to.iter_mut().zip(masks).for_each(|(to, mask)| *to = *mask);
        }
        let mut longest = Longest([NONE; JOINT_DECKS_MAX]);
        for (masks, id) in read.iter().zip(chain.longest_first()) {
            let words = masks.iter().zip(&mut wanted.0).take(self.words);
            let chunks = longest.0.chunks_exact_mut(WORD_BITS);
            for ((mask, wanted), places) in words.zip(chunks) {
                let mut hits = mask & *wanted;
                *wanted &= !hits;
                while hits != 0 {
                    if let Some(place) = places.get_mut(hits.trailing_zeros() as usize) {
                        *place = id.0;
                    }
                    hits &= hits - 1;
                }
            }
        }
        longest
    }

    /// Memory that it takes, bytes.
    pub(crate) const fn bytes(&self) -> usize {
        self.masks.capacity() * size_of::<u64>()
    }

    fn free_place(&self) -> Option<JointPlace> {
        let mut taken = JointSet::default();
        self.places.values().for_each(|place| taken.add(*place));
        let free = |place: &JointPlace| {
            taken.0.get(place.word()).is_some_and(|word| word & place.bit() == 0)
        };
        (0..=u8::MAX).take(JOINT_DECKS_MAX).map(JointPlace).find(free)
    }

    /// So many words for each prefix, at least.
    fn widen(&mut self, words: usize) {
        if words <= self.words {
            return;
        }
        let mut wider = Vec::with_capacity(self.masks.len() / self.words.max(1) * words);
        for masks in self.masks.chunks_exact(self.words.max(1)) {
            wider.extend_from_slice(masks);
            wider.resize(wider.len() + words - self.words, 0);
        }
        (self.words, self.masks) = (words, wider);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::prefix::Dictionary;
    use proptest::prelude::*;
    use strowger_model::Digits;

    fn digits(text: &str) -> Digits {
        Digits::parse(text).unwrap()
    }

    /// One deck of these prefixes.
    fn deck(dictionary: &Dictionary, prefixes: &[String]) -> Deck<()> {
        Deck::build(prefixes.iter().map(|p| (dictionary.id(&digits(p)).unwrap(), ())))
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(128))]

        #[test]
        fn all_decks_together_say_what_each_says_by_itself(
            // Of few tariffs many decks, so that they are replaced; and of so many that not all
            // have a place.
            few in prop::collection::vec(
                (0i64..5, prop::collection::vec("[0-2]{0,4}", 0..9)),
                1..20,
            ),
            count in prop_oneof![0i64..200, Just(JOINT_DECKS_MAX as i64 + 3)],
            gone in 0i64..5,
            numbers in prop::collection::vec("[0-2]{0,6}", 1..9),
        ) {
            let more = (0..count).map(|id| (100 + id, vec![format!("{}", id % 3)]));
            let all: Vec<(i64, Vec<String>)> = few.into_iter().chain(more).collect();
            let (mut index, mut decks) = (JointIndex::default(), BTreeMap::new());
            let mut dictionary = Dictionary::default();
            for (id, prefixes) in all {
                dictionary = dictionary.extended(prefixes.iter().map(|p| digits(p))).unwrap();
                let deck = deck(&dictionary, &prefixes);
                index.put(TariffId(id), &deck);
                decks.insert(TariffId(id), deck);
            }
            decks.remove(&TariffId(gone));
            index.retain(|id| id != TariffId(gone));
            prop_assert_eq!(index.place(TariffId(gone)), None);
            let placed = decks.keys().filter(|id| index.place(**id).is_some()).count();
            prop_assert!(placed == decks.len() || placed + 1 >= JOINT_DECKS_MAX, "{}", placed);
            for number in &numbers {
                let chain = dictionary.chain(&digits(number));
                let mut wanted = JointSet::default();
                // Every other one is asked for.
                let asked = |id: &TariffId| id.0 % 2 == 0;
                for id in decks.keys().filter(|id| asked(id)) {
                    index.place(*id).into_iter().for_each(|place| wanted.add(place));
                }
                let longest = index.longest(&chain, wanted);
                for (id, deck) in &decks {
                    let Some(place) = index.place(*id) else { continue };
                    let own = deck.place(&chain).filter(|_| asked(id));
                    let found = longest.of(place);
                    prop_assert_eq!(found, own.map(|own| own.id));
                    prop_assert_eq!(found.and_then(|id| deck.place_of(id)), own);
                }
            }
        }
    }
}
