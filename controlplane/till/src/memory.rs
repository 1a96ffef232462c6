//! The last ids seen, so that what is told twice counts once.

use std::collections::{BTreeSet, VecDeque};

/// The last `bound` ids.
#[derive(Debug)]
pub(crate) struct Memory<Id> {
    known: BTreeSet<Id>,
    order: VecDeque<Id>,
    bound: usize,
}

impl<Id: Ord + Copy> Memory<Id> {
    pub(crate) const fn new(bound: usize) -> Self {
        Memory { known: BTreeSet::new(), order: VecDeque::new(), bound }
    }

    pub(crate) fn contains(&self, id: Id) -> bool {
        self.known.contains(&id)
    }

    pub(crate) fn remember(&mut self, id: Id) {
        if self.known.insert(id) {
            self.order.push_back(id);
        }
        if self.order.len() > self.bound
            && let Some(oldest) = self.order.pop_front()
        {
            self.known.remove(&oldest);
        }
    }
}
