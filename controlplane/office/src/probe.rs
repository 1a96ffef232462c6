//! Places of trunks that the dataplane probes: what of them it has not been told, and which answer
//! nothing.

use super::Office;
use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::Arc;
use strowger_link::{KEEP_BATCH_MAX, KeepOrder, Kept, Probed};
use strowger_model::TrunkId;
use strowger_routing::{World, probes};

/// What is probed.
#[derive(Default, Debug)]
pub(crate) struct Probes {
    /// By the name of the place, with the trunks that are there.
    wanted: BTreeMap<u64, (Kept, BTreeSet<TrunkId>)>,
    /// Places that are new, changed or gone.
    due: BTreeSet<u64>,
    /// Places that answer nothing.
    gone: BTreeSet<u64>,
    /// Orders that are made: at most two.
    ready: VecDeque<KeepOrder>,
}

impl Probes {
    /// Another world is in force.
    fn set(&mut self, world: &World) {
        let mut wanted: BTreeMap<u64, (Kept, BTreeSet<TrunkId>)> = BTreeMap::new();
        for (trunk, kept) in probes(world) {
            let place = wanted.entry(kept.id).or_insert_with(|| (kept.clone(), BTreeSet::new()));
            // The one that wants it most often.
            place.0.every_ms = place.0.every_ms.min(kept.every_ms);
            place.1.insert(trunk);
        }
        let old = core::mem::replace(&mut self.wanted, wanted);
        let is_other = |id: &&u64| {
            self.wanted.get(id).map(|(kept, _)| kept) != old.get(id).map(|(kept, _)| kept)
        };
        self.due.extend(old.keys().chain(self.wanted.keys()).filter(is_other));
        self.gone.retain(|id| self.wanted.contains_key(id));
    }

    /// A dataplane was greeted: it is told all, and tells all that are gone.
    pub(crate) fn again(&mut self) {
        self.due.extend(self.wanted.keys());
        self.gone.clear();
    }

    /// The next order.
    pub(crate) fn next(&mut self) -> Option<KeepOrder> {
        if let Some(order) = self.ready.pop_front() {
            return Some(order);
        }
        let (mut put, mut drop): (Vec<Kept>, Vec<u64>) = (Vec::new(), Vec::new());
        while put.len() < KEEP_BATCH_MAX && drop.len() < KEEP_BATCH_MAX {
            let Some(id) = self.due.pop_first() else { break };
            match self.wanted.get(&id) {
                Some((kept, _)) => put.push(kept.clone()),
                None => drop.push(id),
            }
        }
        let orders = [KeepOrder::Put(put), KeepOrder::Drop(drop)];
        self.ready.extend(orders.into_iter().filter(|order| !order.is_empty()));
        self.ready.pop_front()
    }

    fn note(&mut self, probed: Probed) {
        match probed.alive {
            true => self.gone.remove(&probed.id),
            false => self.wanted.contains_key(&probed.id) && self.gone.insert(probed.id),
        };
    }

    /// The trunks of which no place answers.
    fn silent(&self) -> BTreeSet<TrunkId> {
        if self.gone.is_empty() {
            return BTreeSet::new();
        }
        let of = |gone: bool| {
            let places = self.wanted.iter().filter(move |(id, _)| self.gone.contains(id) == gone);
            places.flat_map(|(_, (_, trunks))| trunks.iter().copied()).collect::<BTreeSet<_>>()
        };
        let answering = of(false);
        of(true).into_iter().filter(|trunk| !answering.contains(trunk)).collect()
    }
}

impl Office {
    pub(crate) fn set_probes(&mut self) {
        self.probes.set(&self.world);
        self.note_silent();
    }

    pub(crate) fn probed(&mut self, probed: Probed) {
        self.probes.note(probed);
        self.note_silent();
    }

    /// All are probed anew: none is silent until that is said.
    pub(crate) fn probe_again(&mut self) {
        self.probes.again();
        self.note_silent();
    }

    fn note_silent(&mut self) {
        let silent = self.probes.silent();
        if self.standing.silent() != &silent {
            Arc::make_mut(&mut self.standing).set_silent(silent);
        }
    }
}
