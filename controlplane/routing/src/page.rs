//! An ordered map in shared pages: the next snapshot shares all pages but the one that changed.

use crate::limits::PAGE_MAX;
use core::cmp::Ordering;
use std::sync::Arc;

/// A map whose clones share what they have in common.
///
/// A change copies one page of at most [`PAGE_MAX`] entries and the list of pages, so a world with
/// a million accounts follows a change of one in microseconds; readers keep the old one. A look-up
/// reads the first keys of pages, which lie together, then the keys of one page, then one value:
/// in a large map each of these three waits for memory, and no more does.
#[derive(Clone, Debug)]
pub struct PageMap<K, V> {
    // Of each page the first key.
    firsts: Arc<Vec<K>>,
    // In order of keys; no page is empty.
    pages: Vec<Arc<Page<K, V>>>,
    len: usize,
}

/// Keys in order, and the value of each in its place.
#[derive(Clone, Debug)]
struct Page<K, V> {
    keys: Vec<K>,
    values: Vec<V>,
}

impl<K, V> Default for PageMap<K, V> {
    fn default() -> Self {
        PageMap { firsts: Arc::default(), pages: Vec::new(), len: 0 }
    }
}

impl<K: Ord + Clone, V: Clone> PageMap<K, V> {
    /// The value of `key`.
    #[must_use]
    pub fn get(&self, key: &K) -> Option<&V> {
        self.get_by(|known| known.cmp(key))
    }

    /// The value of the key that is equal by `compare`, which says how a key stands to it, in the
    /// order of keys: for keys that own what they are looked for by.
    #[must_use]
    pub fn get_by(&self, compare: impl Fn(&K) -> Ordering) -> Option<&V> {
        let after = self.firsts.partition_point(|first| compare(first) != Ordering::Greater);
        let page = self.pages.get(after.checked_sub(1)?)?;
        let at = page.keys.binary_search_by(compare).ok()?;
        page.values.get(at)
    }

    /// Sets the value of `key` and returns what stood there.
    pub fn insert(&mut self, key: K, value: V) -> Option<V> {
        let at = self.page_of(&key).unwrap_or(0);
        let Some(shared) = self.pages.get_mut(at) else {
            Arc::make_mut(&mut self.firsts).push(key.clone());
            self.pages.push(Arc::new(Page { keys: vec![key], values: vec![value] }));
            self.len += 1;
            return None;
        };
        let page = Arc::make_mut(shared);
        match page.keys.binary_search(&key) {
            Ok(found) => page.values.get_mut(found).map(|old| core::mem::replace(old, value)),
            Err(place) => {
                page.keys.insert(place, key);
                page.values.insert(place, value);
                self.len += 1;
                let upper = page.split();
                if place == 0 {
                    self.note_first(at);
                }
                if let Some(upper) = upper {
                    self.pages.insert(at + 1, Arc::new(upper));
                    self.open_first(at + 1);
                }
                None
            }
        }
    }

    /// Takes `key` out.
    pub fn remove(&mut self, key: &K) -> Option<V> {
        let at = self.page_of(key)?;
        let shared = self.pages.get_mut(at)?;
        let found = shared.keys.binary_search(key).ok()?;
        let page = Arc::make_mut(shared);
        page.keys.remove(found);
        let value = page.values.remove(found);
        if page.keys.is_empty() {
            self.pages.remove(at);
            Arc::make_mut(&mut self.firsts).remove(at);
        } else if found == 0 {
            self.note_first(at);
        }
        self.len -= 1;
        Some(value)
    }

    /// All entries in order of keys.
    pub fn iter(&self) -> impl Iterator<Item = (&K, &V)> {
        self.pages.iter().flat_map(|page| page.keys.iter().zip(&page.values))
    }

    /// How many entries.
    #[must_use]
    pub const fn len(&self) -> usize {
        self.len
    }

    /// Whether there are none.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// The page that holds `key` or would: the last that does not begin behind it.
    fn page_of(&self, key: &K) -> Option<usize> {
        if self.pages.is_empty() {
            return None;
        }
        Some(self.firsts.partition_point(|first| first <= key).saturating_sub(1))
    }

    /// A page has another first key.
    fn note_first(&mut self, at: usize) {
        let first = self.pages.get(at).and_then(|page| page.keys.first());
        let Some(first) = first.cloned() else { return };
        if let Some(place) = Arc::make_mut(&mut self.firsts).get_mut(at) {
            *place = first;
        }
    }

    /// A page is new.
    fn open_first(&mut self, at: usize) {
        let first = self.pages.get(at).and_then(|page| page.keys.first());
        let Some(first) = first.cloned() else { return };
        Arc::make_mut(&mut self.firsts).insert(at, first);
    }
}

impl<K, V> Page<K, V> {
    /// The upper half of a page that is too large.
    fn split(&mut self) -> Option<Page<K, V>> {
        if self.keys.len() <= PAGE_MAX {
            return None;
        }
        let half = self.keys.len() / 2;
        Some(Page { keys: self.keys.split_off(half), values: self.values.split_off(half) })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::collections::BTreeMap;

    fn check_shape(map: &PageMap<u16, u8>) {
        let firsts: Vec<u16> = map.pages.iter().map(|page| page.keys[0]).collect();
        assert_eq!(*map.firsts, firsts);
        for page in &map.pages {
            assert_eq!(page.keys.len(), page.values.len());
            assert!(page.keys.len() <= PAGE_MAX);
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(128))]

        #[test]
        fn behaves_like_a_btree_map(
            changes in prop::collection::vec((0u16..300, prop::option::of(0u8..9)), 0..900)
        ) {
            let mut map = PageMap::default();
            let mut model = BTreeMap::new();
            let mut kept = (map.clone(), model.clone());
            for (n, (key, value)) in changes.into_iter().enumerate() {
                match value {
                    Some(value) => {
                        prop_assert_eq!(map.insert(key, value), model.insert(key, value));
                    }
                    None => prop_assert_eq!(map.remove(&key), model.remove(&key)),
                }
                prop_assert_eq!(map.get(&key), model.get(&key));
                prop_assert_eq!(map.len(), model.len());
                if n == 400 {
                    kept = (map.clone(), model.clone());
                }
            }
            prop_assert!(map.iter().eq(model.iter()));
            prop_assert!(model.iter().all(|(key, value)| map.get(key) == Some(value)));
            prop_assert!(kept.0.iter().eq(kept.1.iter()), "an old clone sees no later change");
            check_shape(&map);
            check_shape(&kept.0);
        }
    }
}
