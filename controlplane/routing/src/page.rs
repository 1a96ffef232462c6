//! An ordered map in shared pages: the next snapshot shares all pages but the one that changed.

use crate::limits::PAGE_MAX;
use std::sync::Arc;

/// A map whose clones share what they have in common.
///
/// A change copies one page of at most [`PAGE_MAX`] entries and the list of pages, so a world with
/// a million accounts follows a change of one in microseconds; readers keep the old one.
#[derive(Clone, Debug)]
pub struct PageMap<K, V> {
    // In order of keys; no page is empty.
    pages: Vec<Arc<Vec<(K, V)>>>,
    len: usize,
}

impl<K, V> Default for PageMap<K, V> {
    fn default() -> Self {
        PageMap { pages: Vec::new(), len: 0 }
    }
}

impl<K: Ord + Clone, V: Clone> PageMap<K, V> {
    /// The value of `key`.
    #[must_use]
    pub fn get(&self, key: &K) -> Option<&V> {
        let page = self.pages.get(self.page_of(key)?)?;
        let at = page.binary_search_by(|(k, _)| k.cmp(key)).ok()?;
        page.get(at).map(|(_, value)| value)
    }

    /// Sets the value of `key` and returns what stood there.
    pub fn insert(&mut self, key: K, value: V) -> Option<V> {
        let at = self.page_of(&key).unwrap_or(0);
        let Some(shared) = self.pages.get_mut(at) else {
            self.pages.push(Arc::new(vec![(key, value)]));
            self.len += 1;
            return None;
        };
        let page = Arc::make_mut(shared);
        match page.binary_search_by(|(k, _)| k.cmp(&key)) {
            Ok(found) => page.get_mut(found).map(|(_, old)| core::mem::replace(old, value)),
            Err(place) => {
                page.insert(place, (key, value));
                self.len += 1;
                if page.len() > PAGE_MAX {
                    let upper = page.split_off(page.len() / 2);
                    self.pages.insert(at + 1, Arc::new(upper));
                }
                None
            }
        }
    }

    /// Takes `key` out.
    pub fn remove(&mut self, key: &K) -> Option<V> {
        let at = self.page_of(key)?;
        let shared = self.pages.get_mut(at)?;
        let found = shared.binary_search_by(|(k, _)| k.cmp(key)).ok()?;
        let page = Arc::make_mut(shared);
        let (_, value) = page.remove(found);
        if page.is_empty() {
            self.pages.remove(at);
        }
        self.len -= 1;
        Some(value)
    }

    /// All entries in order of keys.
    pub fn iter(&self) -> impl Iterator<Item = (&K, &V)> {
        self.pages.iter().flat_map(|page| page.iter().map(|(k, v)| (k, v)))
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
        let after = self.pages.partition_point(|p| p.first().is_some_and(|(k, _)| k <= key));
        Some(after.saturating_sub(1))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::collections::BTreeMap;

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
            prop_assert!(kept.0.iter().eq(kept.1.iter()), "an old clone sees no later change");
            prop_assert!(map.pages.iter().all(|p| !p.is_empty() && p.len() <= PAGE_MAX));
        }
    }
}
