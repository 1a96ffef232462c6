//! A wheel of deadlines, one for each pair at most.
//!
//! Bounded and without allocation after it is made: inserting, moving, removing and finding the
//! next deadline take constant time. Deadlines are rounded up to half a second; one beyond the
//! horizon comes up at the horizon, and its owner puts it in again. The horizon is 64 s, from the
//! oldest deadline that was not taken out although it has come.

use strowger_link::{MS, Tick};

/// Slots of the wheel: the bits of the occupancy word.
const SLOTS: usize = 128;
const SLOT_NS: u64 = 500 * MS;
const NONE: u32 = u32::MAX;

/// The wheel. Entries are indexes below its capacity.
#[derive(Clone, Debug)]
pub(crate) struct Wheel {
    heads: [u32; SLOTS],
    occupied: u128,
    /// The slot number (since tick 0) that the window of [`SLOTS`] begins with.
    cursor: u64,
    links: Box<[Link]>,
}

/// An entry's place in the list of its slot.
#[derive(Clone, Copy, Debug)]
enum Link {
    Out,
    In { slot: u8, before: u32, after: u32 },
}

impl Wheel {
    pub(crate) fn new(capacity: usize) -> Wheel {
        let links = vec![Link::Out; capacity].into_boxed_slice();
        Wheel { heads: [NONE; SLOTS], occupied: 0, cursor: 0, links }
    }

    /// Sets the deadline of `entry`, in place of the one it had.
    pub(crate) fn set(&mut self, entry: u32, deadline: Tick, now: Tick) {
        self.remove(entry);
        self.advance(now);
        let last = self.cursor.saturating_add(SLOTS as u64 - 1);
        let number = deadline.0.div_ceil(SLOT_NS).clamp(self.cursor, last);
        let slot = (number % SLOTS as u64) as u8;
        let Some(head) = self.heads.get_mut(usize::from(slot)) else { return };
        let Some(link) = self.links.get_mut(entry as usize) else { return };
        let after = std::mem::replace(head, entry);
        *link = Link::In { slot, before: NONE, after };
        self.relink(after, |before, _| *before = entry);
        self.occupied |= 1 << slot;
    }

    /// Takes the deadline of `entry` away, if it has one.
    pub(crate) fn remove(&mut self, entry: u32) {
        let Some(link) = self.links.get_mut(entry as usize) else { return };
        let Link::In { slot, before, after } = std::mem::replace(link, Link::Out) else { return };
        self.relink(before, |_, next| *next = after);
        self.relink(after, |previous, _| *previous = before);
        if let Some(head) = self.heads.get_mut(usize::from(slot)).filter(|head| **head == entry) {
            *head = after;
            if after == NONE {
                self.occupied &= !(1 << slot);
            }
        }
    }

    /// The earliest deadline, rounded up.
    pub(crate) fn next(&self) -> Option<Tick> {
        self.next_slot().map(|number| Tick(number.saturating_mul(SLOT_NS)))
    }

    /// Takes an entry out whose deadline has come.
    pub(crate) fn pop(&mut self, now: Tick) -> Option<u32> {
        let number = self.next_slot().filter(|number| *number <= now.0 / SLOT_NS)?;
        let entry = *self.heads.get((number % SLOTS as u64) as usize)?;
        self.remove(entry);
        Some(entry)
    }

    fn relink(&mut self, entry: u32, change: impl FnOnce(&mut u32, &mut u32)) {
        if let Some(Link::In { before, after, .. }) = self.links.get_mut(entry as usize) {
            change(before, after);
        }
    }

    /// Moves the window up to `now`, but not past an entry.
    fn advance(&mut self, now: Tick) {
        let until = self.next_slot().unwrap_or(u64::MAX).min(now.0 / SLOT_NS);
        self.cursor = self.cursor.max(until);
    }

    fn next_slot(&self) -> Option<u64> {
        let turned = self.occupied.rotate_right((self.cursor % SLOTS as u64) as u32);
        (turned != 0).then(|| self.cursor + u64::from(turned.trailing_zeros()))
    }
}

#[cfg(test)]
mod tests {
    use super::Wheel;
    use proptest::prelude::*;
    use std::collections::BTreeMap;
    use strowger_link::Tick;

    fn at(ms: u64) -> Tick {
        Tick(0).plus_ms(ms)
    }

    #[test]
    fn deadlines_come_up_in_half_seconds_and_not_early() {
        let mut wheel = Wheel::new(4);
        wheel.set(0, at(1001), at(0));
        wheel.set(1, at(1000), at(0));
        wheel.set(2, at(0), at(0));
        assert_eq!(wheel.next(), Some(at(0)));
        assert_eq!((wheel.pop(at(0)), wheel.pop(at(999))), (Some(2), None));
        assert_eq!((wheel.pop(at(1499)), wheel.pop(at(1499))), (Some(1), None));
        assert_eq!(wheel.next(), Some(at(1500)));
        assert_eq!((wheel.pop(at(1500)), wheel.next()), (Some(0), None));
    }

    #[test]
    fn a_deadline_is_replaced_or_removed() {
        let mut wheel = Wheel::new(4);
        wheel.set(3, at(500), at(0));
        wheel.set(3, at(9000), at(0));
        assert_eq!(wheel.next(), Some(at(9000)));
        wheel.remove(3);
        wheel.remove(3);
        wheel.set(4, at(1), at(0)); // no such entry
        assert_eq!(wheel.next(), None);
    }

    #[test]
    fn beyond_the_horizon_comes_up_at_the_horizon() {
        let mut wheel = Wheel::new(1);
        wheel.set(0, at(1_000_000), at(10_000));
        assert_eq!(wheel.next(), Some(at(10_000 + 127 * 500)));
        wheel.set(0, Tick::NEVER, Tick(u64::MAX - 1));
        assert!(wheel.next().is_some());
    }

    proptest! {
        #[test]
        fn the_wheel_equals_a_map(
            steps in prop::collection::vec(
                (0u32..8, 0u64..63_000, 0u64..30_000, any::<bool>()),
                1..200,
            ),
        ) {
            let mut wheel = Wheel::new(8);
            let mut model: BTreeMap<u32, u64> = BTreeMap::new();
            let mut now = 0;
            for (entry, ahead, step, sets) in steps {
                now += step;
                while let Some(entry) = wheel.pop(at(now)) {
                    let deadline = model.remove(&entry);
                    prop_assert!(deadline.is_some_and(|ms| ms <= now), "{deadline:?}");
                }
                prop_assert!(model.values().all(|ms| *ms > now));
                if sets {
                    wheel.set(entry, at(now + ahead), at(now));
                    model.insert(entry, (now + ahead).div_ceil(500) * 500);
                } else {
                    wheel.remove(entry);
                    model.remove(&entry);
                }
                prop_assert_eq!(wheel.next(), model.values().min().map(|ms| at(*ms)));
            }
        }
    }
}
