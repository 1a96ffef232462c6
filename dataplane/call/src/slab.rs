//! Slots of a segment: a bounded array, generations, and a free list in order.

use crate::call::Call;
use std::collections::VecDeque;
use strowger_link::{LegId, SlotRef, Tick};

/// What lives in a slot.
#[derive(Debug)]
pub(crate) enum Life {
    /// Nothing.
    Free,
    /// A leg that the protocol holds for an INVITE it is still reading.
    Reserved,
    /// An attempt that was turned away without a call; its leg owes a last word until then.
    Turned { until: Tick },
    /// A call.
    Call(Box<Call>),
}

#[derive(Debug)]
struct Entry {
    r#gen: u16,
    life: Life,
}

/// All slots of one segment. A freed slot goes to the end of the free list, so that it rests as
/// long as the others last and a late message finds nobody.
#[derive(Debug)]
pub(crate) struct Slab {
    seg: u8,
    entries: Vec<Entry>,
    free: VecDeque<u16>,
}

impl Slab {
    pub(crate) fn new(seg: u8, slots: u32, first_gen: u16) -> Slab {
        let free: VecDeque<u16> = (0..slots).filter_map(|idx| u16::try_from(idx).ok()).collect();
        // One less: opening a slot is what begins its next life.
        let r#gen = first_gen.wrapping_sub(1);
        let entries = free.iter().map(|_| Entry { r#gen, life: Life::Free }).collect();
        Slab { seg, entries, free }
    }

    pub(crate) fn len(&self) -> usize {
        self.entries.len()
    }

    pub(crate) fn in_use(&self) -> usize {
        self.entries.len() - self.free.len()
    }

    /// Begins the next life of the slot that has been free for longest.
    pub(crate) fn open(&mut self) -> Option<SlotRef> {
        let idx = self.free.pop_front()?;
        let entry = self.entries.get_mut(usize::from(idx))?;
        entry.r#gen = entry.r#gen.wrapping_add(1);
        entry.life = Life::Reserved;
        Some(SlotRef { seg: self.seg, idx, r#gen: entry.r#gen })
    }

    /// Begins the life that a former process gave `slot`; `false` when it is in use or not ours.
    pub(crate) fn resume(&mut self, slot: SlotRef) -> bool {
        let place = self.free.iter().position(|idx| *idx == slot.idx);
        let (Some(place), Some(entry)) = (place, self.entries.get_mut(usize::from(slot.idx)))
        else {
            return false;
        };
        if slot.seg != self.seg {
            return false;
        }
        self.free.remove(place);
        *entry = Entry { r#gen: slot.r#gen, life: Life::Reserved };
        true
    }

    /// The life of `slot`, if that very life goes on.
    pub(crate) fn life(&mut self, slot: SlotRef) -> Option<&mut Life> {
        let entry = self.entries.get_mut(usize::from(slot.idx))?;
        let same = slot.seg == self.seg && entry.r#gen == slot.r#gen;
        if same && !matches!(entry.life, Life::Free) { Some(&mut entry.life) } else { None }
    }

    pub(crate) fn call(&mut self, slot: SlotRef) -> Option<&mut Call> {
        match self.life(slot)? {
            Life::Call(call) => Some(call),
            Life::Free | Life::Reserved | Life::Turned { .. } => None,
        }
    }

    /// The call of `slot`, to be looked at.
    pub(crate) fn peek(&self, slot: SlotRef) -> Option<&Call> {
        let entry = self.entries.get(usize::from(slot.idx))?;
        match &entry.life {
            Life::Call(call) if slot.seg == self.seg && entry.r#gen == slot.r#gen => Some(call),
            Life::Call(_) | Life::Free | Life::Reserved | Life::Turned { .. } => None,
        }
    }

    /// The life that `idx` has now.
    pub(crate) fn current(&self, idx: u16) -> Option<SlotRef> {
        let entry = self.entries.get(usize::from(idx))?;
        Some(SlotRef { seg: self.seg, idx, r#gen: entry.r#gen })
    }

    /// Ends the life of `slot`.
    pub(crate) fn close(&mut self, slot: SlotRef) {
        let Some(life) = self.life(slot) else { return };
        *life = Life::Free;
        self.free.push_back(slot.idx);
    }

    /// Calls in order of their slots.
    pub(crate) fn calls(&self) -> impl Iterator<Item = &Call> {
        self.entries.iter().filter_map(|entry| match &entry.life {
            Life::Call(call) => Some(call.as_ref()),
            Life::Free | Life::Reserved | Life::Turned { .. } => None,
        })
    }
}

/// The caller's leg of a slot.
pub(crate) const fn first_leg(slot: SlotRef) -> LegId {
    LegId { slot, leg: 0 }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_slot_rests_as_long_as_others_last_and_its_next_life_is_another() {
        let mut slab = Slab::new(7, 2, 65_535);
        let first = slab.open().unwrap();
        assert_eq!(first, SlotRef { seg: 7, idx: 0, r#gen: 65_535 });
        slab.close(first);
        slab.close(first);
        assert_eq!(slab.open().unwrap().idx, 1);
        let again = slab.open().unwrap();
        assert_eq!((again.idx, again.r#gen), (0, 0));
        assert!(slab.open().is_none());
        assert!(slab.life(first).is_none());
        assert!(slab.life(again).is_some());
        assert!(slab.life(SlotRef { seg: 6, ..again }).is_none());
        assert_eq!(slab.in_use(), 2);
    }
}
