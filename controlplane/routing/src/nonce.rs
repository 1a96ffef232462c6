//! Nonce counts: one pair of nonce and count is good for one request (RFC 7616 3.4, `nc`).

use crate::limits::{NONCE_MAX, NONCES_MAX};
use crate::world::Holder;
use std::collections::{HashMap, VecDeque};
use std::hash::{BuildHasher, Hasher};
use strowger_link::siphash::siphash24;
use strowger_link::{Credentials, Key};

/// Counts below the highest one that are still taken, each once: requests of one phone overtake
/// each other on the way, and are asked about anew in another order after a restart.
const WINDOW: u32 = 64;

/// The counts seen for each nonce and who showed it, at most [`NONCES_MAX`], oldest forgotten.
///
/// A forgotten nonce could be replayed until the dataplane's clock ends it; the bound is far above
/// what a node's subscribers show within that time.
///
/// A nonce is known by a hash of 64 bits. Two that have the same one cost a phone another
/// challenge; a count that was used is never taken for it. So the hash needs no secret: nonces are
/// ours, and nobody comes here with one who has not shown a password.
#[derive(Clone, Debug)]
pub struct NonceCounts {
    counts: HashMap<u64, Seen, Hashed>,
    order: VecDeque<u64>,
    max: usize,
}

/// A hasher of what is a hash.
#[derive(Clone, Default, Debug)]
struct Hashed(u64);

impl BuildHasher for Hashed {
    type Hasher = Hashed;

    fn build_hasher(&self) -> Hashed {
        Hashed(0)
    }
}

impl Hasher for Hashed {
    fn write(&mut self, bytes: &[u8]) {
        bytes.iter().for_each(|byte| self.0 = self.0.rotate_left(8) ^ u64::from(*byte));
    }

    fn write_u64(&mut self, word: u64) {
        self.0 = word;
    }

    fn finish(&self) -> u64 {
        self.0
    }
}

/// The hash of a nonce and who showed it.
fn shown(who: Holder, nonce: &str) -> u64 {
    let (kind, id) = match who {
        Holder::Subscriber(id) => (0, id.0),
        Holder::Trunk(id) => (1, id.0),
        Holder::RingGroup(id) => (2, id.0),
        Holder::Did(id) => (3, id.0),
    };
    let mut key = [0; 16];
    let (whose, of_kind) = key.split_at_mut(8);
    whose.copy_from_slice(&id.to_le_bytes());
    of_kind.fill(kind);
    siphash24(&Key(key), nonce.as_bytes())
}

/// The highest count, and which of those below it were seen: bit n is the count n below.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
struct Seen {
    highest: u32,
    below: u64,
}

impl Seen {
    fn is_good(self, count: u32) -> bool {
        match self.highest.checked_sub(count) {
            None => true,
            Some(back) => count != 0 && back < WINDOW && self.below & (1 << back) == 0,
        }
    }

    fn add(&mut self, count: u32) {
        if let Some(ahead) = count.checked_sub(self.highest).filter(|ahead| *ahead > 0) {
            self.below = self.below.checked_shl(ahead).unwrap_or(0);
            self.highest = count;
        }
        let back = self.highest.saturating_sub(count);
        self.below |= 1u64.checked_shl(back).unwrap_or(0);
    }
}

/// Credentials that were right, to be spent by [`NonceCounts::spend`].
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct NonceUse {
    shown: u64,
    count: u32,
}

impl Default for NonceCounts {
    fn default() -> Self {
        NonceCounts::bounded(NONCES_MAX)
    }
}

impl NonceCounts {
    /// Remembers at most `max` nonces.
    #[must_use]
    pub fn bounded(max: usize) -> NonceCounts {
        NonceCounts {
            counts: HashMap::with_hasher(Hashed(0)),
            order: VecDeque::new(),
            max: max.max(1),
        }
    }

    /// What to spend when `credentials` are right, or `None` when their count was used before or is
    /// none: the sender then gets a new nonce (`stale`).
    ///
    /// Credentials without qop carry no count; the nonce's own age bounds their replay, and there
    /// is nothing to spend.
    #[must_use]
    pub fn check(
        &self,
        who: impl Into<Holder>,
        credentials: &Credentials,
    ) -> Option<Option<NonceUse>> {
        if credentials.qop.is_none() {
            return Some(None);
        }
        if credentials.nonce.len() > NONCE_MAX || credentials.nonce_count.len() > 8 {
            return None;
        }
        let count = u32::from_str_radix(&credentials.nonce_count, 16).ok()?;
        let shown = shown(who.into(), &credentials.nonce);
        let seen = self.counts.get(&shown).copied().unwrap_or_default();
        (count > 0 && seen.is_good(count)).then_some(Some(NonceUse { shown, count }))
    }

    /// Notes that a count was used.
    pub fn spend(&mut self, used: NonceUse) {
        if let Some(seen) = self.counts.get_mut(&used.shown) {
            seen.add(used.count);
            return;
        }
        if self.counts.len() >= self.max
            && let Some(oldest) = self.order.pop_front()
        {
            self.counts.remove(&oldest);
        }
        self.order.push_back(used.shown);
        let mut seen = Seen::default();
        seen.add(used.count);
        self.counts.insert(used.shown, seen);
    }

    /// How many nonces are remembered.
    #[must_use]
    pub fn len(&self) -> usize {
        self.counts.len()
    }

    /// Whether none is remembered.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.counts.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing;
    use strowger_model::SubscriberId;

    fn shown(nonce: &str, nc: &str) -> Credentials {
        let mut credentials = testing::credentials("1001", "REGISTER", "demo1001");
        credentials.nonce = nonce.into();
        credentials.nonce_count = nc.into();
        credentials
    }

    fn take(counts: &mut NonceCounts, who: i64, credentials: &Credentials) -> bool {
        let Some(used) = counts.check(SubscriberId(who), credentials) else { return false };
        used.into_iter().for_each(|used| counts.spend(used));
        true
    }

    #[test]
    fn a_count_is_good_once() {
        let mut counts = NonceCounts::default();
        assert!(take(&mut counts, 1, &shown("n", "00000001")));
        assert!(!take(&mut counts, 1, &shown("n", "00000001")), "replay");
        assert!(take(&mut counts, 1, &shown("n", "0000000a")));
        assert!(take(&mut counts, 1, &shown("n", "00000009")), "overtaken");
        assert!(!take(&mut counts, 1, &shown("n", "00000009")), "replay");
        assert!(!take(&mut counts, 1, &shown("n", "0000000a")), "replay");
        assert!(take(&mut counts, 1, &shown("n", "00000100")));
        assert!(!take(&mut counts, 1, &shown("n", "000000c0")), "too old");
        assert!(take(&mut counts, 1, &shown("n", "000000c1")));
        assert!(!take(&mut counts, 1, &shown("n", "00000008")), "too old to be known");
        assert!(take(&mut counts, 2, &shown("n", "00000001")), "another user");
        assert!(take(&mut counts, 1, &shown("m", "00000001")), "another nonce");
        assert!(!take(&mut counts, 1, &shown("m", "00000000")));
        assert!(!take(&mut counts, 1, &shown("m", "xyz")));
        assert!(!take(&mut counts, 1, &shown("m", "")));
        assert!(!take(&mut counts, 1, &shown(&"m".repeat(NONCE_MAX + 1), "00000001")));
    }

    #[test]
    fn checking_spends_nothing() {
        let counts = NonceCounts::default();
        for _ in 0..2 {
            assert!(counts.check(SubscriberId(1), &shown("n", "00000001")).is_some());
        }
    }

    #[test]
    fn without_qop_there_is_no_count() {
        let mut counts = NonceCounts::default();
        let mut credentials = shown("n", "");
        credentials.qop = None;
        assert!(take(&mut counts, 1, &credentials));
        assert!(take(&mut counts, 1, &credentials));
        assert!(counts.is_empty());
    }

    #[test]
    fn memory_is_bounded() {
        let mut counts = NonceCounts::bounded(3);
        for nonce in ["a", "b", "c", "d"] {
            assert!(take(&mut counts, 1, &shown(nonce, "00000001")));
        }
        assert_eq!(counts.len(), 3);
        assert!(!take(&mut counts, 1, &shown("d", "00000001")));
        assert!(take(&mut counts, 1, &shown("a", "00000001")), "the oldest is forgotten");
        assert_eq!((counts.len(), counts.order.len()), (3, 3));
    }
}
