//! Transactions that have said their last word and only wait for copies of the peer's (RFC 3261
//! timers D, I, J, K; RFC 6026 timers L, M).
//!
//! Each waits up to 64 T1, so at 1,000 calls a second there are more of them than of all others.
//! They are no work, only memory: when they hold too much of the table, those that wait for longest
//! go early. A copy that comes later still is then met as the copy of a request whose transaction
//! is over: it finds the dialog's numbers, or a nonce count that was used.

use std::collections::VecDeque;

use super::super::slab::Id;

/// Places of the queue that may be of transactions that are gone, beside as many as live.
const GONE_MAX: usize = 1_024;

/// The lingering transactions of one side, the oldest first.
#[derive(Default, Debug)]
pub(in super::super) struct Lingering {
    /// Those that were hurried or ended by themselves are found to be gone later.
    order: VecDeque<Id>,
    count: usize,
}

impl Lingering {
    /// How many there are.
    pub(in super::super) const fn len(&self) -> usize {
        self.count
    }

    /// One begins to linger.
    pub(in super::super) fn enter(&mut self, id: Id, lives: impl Fn(Id) -> bool) {
        self.count += 1;
        self.order.push_back(id);
        if self.order.len() > self.count.saturating_mul(2).saturating_add(GONE_MAX) {
            self.order.retain(|id| lives(*id));
        }
    }

    /// One that lingered is over.
    pub(in super::super) const fn leave(&mut self) {
        self.count = self.count.saturating_sub(1);
    }

    /// The oldest, if there are more than `max`; it is not named again.
    pub(in super::super) fn beyond(
        &mut self,
        max: usize,
        lives: impl Fn(Id) -> bool,
    ) -> Option<Id> {
        if self.count <= max {
            return None;
        }
        while let Some(id) = self.order.pop_front() {
            if lives(id) {
                return Some(id);
            }
        }
        None
    }
}

#[cfg(test)]
mod tests {
    use super::super::super::slab::Slab;
    use super::*;

    #[test]
    fn the_oldest_that_still_live_go_first() {
        let mut slab = Slab::new(5_000);
        let mut lingering = Lingering::default();
        let ids: Vec<Id> = (0..4).filter_map(|n| slab.insert(n)).collect();
        for id in &ids {
            lingering.enter(*id, |id| slab.get(id).is_some());
        }
        slab.remove(ids[0]);
        lingering.leave();
        assert_eq!(lingering.beyond(3, |id| slab.get(id).is_some()), None);
        assert_eq!(lingering.beyond(2, |id| slab.get(id).is_some()), Some(ids[1]));
        assert_eq!(lingering.len(), 3, "it leaves when it is over");
    }

    #[test]
    fn those_that_are_gone_do_not_pile_up() {
        let mut slab = Slab::new(4);
        let mut lingering = Lingering::default();
        for n in 0..10 * GONE_MAX {
            let id = slab.insert(n).expect("room");
            lingering.enter(id, |id| slab.get(id).is_some());
            slab.remove(id);
            lingering.leave();
            assert!(lingering.order.len() <= GONE_MAX + 2, "{}", lingering.order.len());
        }
    }
}
