//! One dictionary for every prefix of every tariff, route and destination (design of control, 7).
//!
//! A look-up in fifty decks must not cost fifty searches: prefixes are interned, one walk over the
//! number's digits gives the ids of all its prefixes, and each deck is then asked by id.

use crate::limits::{CHAIN_MAX, PREFIXES_MAX};
use strowger_model::Digits;

/// An interned prefix. Ids are given in order and never change their meaning.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct PrefixId(pub u32);

/// The ids of all known prefixes of one number, shortest first.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Chain {
    ids: [PrefixId; CHAIN_MAX],
    len: u8,
}

impl Chain {
    const EMPTY: Chain = Chain { ids: [PrefixId(0); CHAIN_MAX], len: 0 };

    fn push(&mut self, id: PrefixId) {
        if let Some(place) = self.ids.get_mut(usize::from(self.len)) {
            *place = id;
            self.len += 1;
        }
    }

    /// The ids, shortest prefix first.
    #[must_use]
    pub fn ids(&self) -> &[PrefixId] {
        self.ids.get(..usize::from(self.len)).unwrap_or_default()
    }

    /// The ids, longest prefix first.
    pub fn longest_first(&self) -> impl Iterator<Item = PrefixId> + '_ {
        self.ids.iter().take(usize::from(self.len)).rev().copied()
    }
}

/// There is no room for another prefix.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct DictionaryFull;

/// The prefixes of all decks as a 12-way trie (ten digits, `*` and `#`).
///
/// Nodes of one parent lie together, so a child is found by counting bits: 12 bytes a node.
/// Immutable; [`Dictionary::extended`] makes the next one, with every old id kept.
#[derive(Clone, Debug)]
pub struct Dictionary {
    nodes: Vec<Node>,
    // The prefix of each id, packed.
    keys: Vec<Key>,
}

#[derive(Clone, Copy, Debug)]
struct Node {
    first_child: u32,
    id: u32,
    // Bit n: there is a child for symbol n.
    children: u16,
}

const NO_ID: u32 = u32::MAX;

impl Default for Dictionary {
    fn default() -> Self {
        Dictionary { nodes: vec![Node { first_child: 0, id: NO_ID, children: 0 }], keys: vec![] }
    }
}

impl Dictionary {
    /// This dictionary and `prefixes`; those already known keep their ids.
    ///
    /// # Errors
    /// [`DictionaryFull`] beyond [`PREFIXES_MAX`].
    pub fn extended(
        &self,
        prefixes: impl IntoIterator<Item = Digits>,
    ) -> Result<Dictionary, DictionaryFull> {
        let mut fresh: Vec<Key> = prefixes
            .into_iter()
            .filter(|prefix| self.id(prefix).is_none())
            .map(|prefix| Key::pack(&prefix))
            .collect();
        fresh.sort_unstable();
        fresh.dedup();
        if fresh.is_empty() {
            return Ok(self.clone());
        }
        let mut keys = self.keys.clone();
        keys.append(&mut fresh);
        if keys.len() > PREFIXES_MAX {
            return Err(DictionaryFull);
        }
        Ok(Dictionary { nodes: lay_out(&keys), keys })
    }

    /// The ids of the known prefixes of `number`.
    #[must_use]
    pub fn chain(&self, number: &Digits) -> Chain {
        let mut chain = Chain::EMPTY;
        let mut node = self.nodes.first();
        for byte in number.as_bytes() {
            let Some(here) = node else { return chain };
            here.id().into_iter().for_each(|id| chain.push(id));
            node = self.child(here, symbol(*byte));
        }
        node.and_then(Node::id).into_iter().for_each(|id| chain.push(id));
        chain
    }

    /// The id of exactly this prefix.
    #[must_use]
    pub fn id(&self, prefix: &Digits) -> Option<PrefixId> {
        let mut node = self.nodes.first()?;
        for byte in prefix.as_bytes() {
            node = self.child(node, symbol(*byte))?;
        }
        node.id()
    }

    /// The prefix of an id.
    #[must_use]
    pub fn prefix(&self, id: PrefixId) -> Option<Digits> {
        self.keys.get(id.0 as usize).map(|key| key.unpack())
    }

    /// Memory that it takes, bytes.
    #[must_use]
    pub const fn bytes(&self) -> usize {
        self.nodes.capacity() * size_of::<Node>() + self.keys.capacity() * size_of::<Key>()
    }

    /// How many prefixes are known.
    #[must_use]
    pub const fn len(&self) -> usize {
        self.keys.len()
    }

    /// Whether none is known.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.keys.is_empty()
    }

    fn child(&self, node: &Node, symbol: u8) -> Option<&Node> {
        let bit = 1u16 << symbol;
        if node.children & bit == 0 {
            return None;
        }
        let before = (node.children & (bit - 1)).count_ones();
        self.nodes.get((node.first_child + before) as usize)
    }
}

impl Node {
    const fn id(&self) -> Option<PrefixId> {
        if self.id == NO_ID { None } else { Some(PrefixId(self.id)) }
    }
}

/// The place of a dial character among a node's children, 0 to 11.
const fn symbol(byte: u8) -> u8 {
    match byte {
        b'1'..=b'9' => byte - b'0',
        b'*' => 10,
        b'#' => 11,
        // `Digits` holds nothing else but '0'.
        _ => 0,
    }
}

/// A prefix in 16 bytes: 32 half-bytes from the left, symbol + 1 each, 0 behind the end.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
struct Key(u128);

impl Key {
    fn pack(prefix: &Digits) -> Key {
        let mut bits = 0u128;
        for (place, byte) in prefix.as_bytes().iter().enumerate() {
            bits |= u128::from(symbol(*byte) + 1) << (124 - 4 * place);
        }
        Key(bits)
    }

    fn unpack(self) -> Digits {
        let text: String = (0..CHAIN_MAX - 1)
            .map_while(|depth| self.symbol(depth))
            .map(|symbol| match symbol {
                10 => '*',
                11 => '#',
                digit => char::from(b'0' + digit),
            })
            .collect();
        Digits::parse(&text).unwrap_or(Digits::EMPTY)
    }

    /// The symbol at `depth`, or `None` behind the end.
    const fn symbol(self, depth: usize) -> Option<u8> {
        if depth >= CHAIN_MAX - 1 {
            return None;
        }
        match ((self.0 >> (124 - 4 * depth)) & 15) as u8 {
            0 => None,
            n => Some(n - 1),
        }
    }
}

/// Lays the trie out level by level: the sorted keys under a node are one range, and its children
/// are the runs of that range with the same next symbol.
fn lay_out(keys: &[Key]) -> Vec<Node> {
    let mut sorted: Vec<(Key, u32)> = keys.iter().copied().zip(0u32..).collect();
    sorted.sort_unstable();
    let mut nodes = vec![Node { first_child: 0, id: NO_ID, children: 0 }];
    let mut level: Vec<(usize, &[(Key, u32)])> = vec![(0, &sorted)];
    let mut depth = 0;
    while !level.is_empty() {
        let mut next = Vec::with_capacity(level.len());
        for (at, mut range) in level {
            let mut node = Node { first_child: nodes.len() as u32, id: NO_ID, children: 0 };
            if let Some(((key, id), rest)) = range.split_first()
                && key.symbol(depth).is_none()
            {
                node.id = *id;
                range = rest;
            }
            while let Some(symbol) = range.first().and_then(|(key, _)| key.symbol(depth)) {
                let run = range.partition_point(|(key, _)| key.symbol(depth) == Some(symbol));
                let (under, rest) = range.split_at(run);
                node.children |= 1 << symbol;
                next.push((nodes.len(), under));
                nodes.push(Node { first_child: 0, id: NO_ID, children: 0 });
                range = rest;
            }
            if let Some(place) = nodes.get_mut(at) {
                *place = node;
            }
        }
        level = next;
        depth += 1;
    }
    nodes
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn digits(text: &str) -> Digits {
        Digits::parse(text).unwrap()
    }

    fn texts(dictionary: &Dictionary, number: &str) -> Vec<String> {
        let chain = dictionary.chain(&digits(number));
        chain.longest_first().map(|id| dictionary.prefix(id).unwrap().to_string()).collect()
    }

    #[test]
    fn chain_lists_the_prefixes_of_a_number() {
        let dictionary = Dictionary::default()
            .extended(["44", "4420", "", "441", "*4", "44209"].map(digits))
            .unwrap();
        assert_eq!(texts(&dictionary, "442079460018"), ["4420", "44", ""]);
        assert_eq!(texts(&dictionary, "44"), ["44", ""]);
        assert_eq!(texts(&dictionary, "4"), [""]);
        assert_eq!(texts(&dictionary, "*43#"), ["*4", ""]);
        assert_eq!(texts(&Dictionary::default(), "44"), [""; 0]);
        assert!(Dictionary::default().is_empty());
    }

    #[test]
    fn the_longest_number_fits() {
        let number = "12345678901234567890123456789012";
        let all: Vec<Digits> = (0..=number.len()).map(|n| digits(&number[..n])).collect();
        let dictionary = Dictionary::default().extended(all).unwrap();
        assert_eq!(texts(&dictionary, number).len(), CHAIN_MAX);
        assert_eq!(texts(&dictionary, number)[0], number);
    }

    fn prefixes() -> impl Strategy<Value = Vec<String>> {
        // A small alphabet, so that prefixes nest.
        prop::collection::vec("[0-2*#]{0,6}|[0-9]{0,4}", 0..60)
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(256))]

        #[test]
        fn chain_equals_brute_force(
            known in prefixes(),
            later in prefixes(),
            numbers in prop::collection::vec("[0-2*#]{0,8}|[0-9]{0,8}", 1..20),
        ) {
            let first = Dictionary::default().extended(known.iter().map(|p| digits(p))).unwrap();
            let both = first.extended(later.iter().map(|p| digits(p))).unwrap();
            for prefix in &known {
                let id = first.id(&digits(prefix));
                prop_assert!(id.is_some());
                prop_assert_eq!(both.id(&digits(prefix)), id, "ids never change");
            }
            for number in &numbers {
                let all = known.iter().chain(&later);
                let mut expect: Vec<String> =
                    all.filter(|p| number.starts_with(*p)).cloned().collect();
                expect.sort_by_key(|p| std::cmp::Reverse(p.len()));
                expect.dedup();
                prop_assert_eq!(texts(&both, number), expect, "{}", number);
            }
        }
    }
}
