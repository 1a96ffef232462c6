//! The one timer list of all calls: at most one entry a slot, moved lazily.

use std::collections::BTreeSet;
use strowger_link::Tick;

/// When each slot wants to be woken. An entry is moved only to an earlier time; a slot that is
/// woken too early says so by arming itself again. So an event costs a comparison, and no turn
/// looks at calls whose time has not come.
#[derive(Debug)]
pub(crate) struct Alarms {
    /// By slot index; [`Tick::NEVER`] = no entry in `order`.
    armed: Vec<Tick>,
    order: BTreeSet<(Tick, u16)>,
}

impl Alarms {
    pub(crate) fn new(slots: usize) -> Alarms {
        Alarms { armed: vec![Tick::NEVER; slots], order: BTreeSet::new() }
    }

    /// Wakes `idx` at `at` or before.
    pub(crate) fn arm(&mut self, idx: u16, at: Tick) {
        let Some(armed) = self.armed.get_mut(usize::from(idx)) else { return };
        if at < *armed {
            self.order.remove(&(*armed, idx));
            self.order.insert((at, idx));
            *armed = at;
        }
    }

    /// Forgets `idx`.
    pub(crate) fn cancel(&mut self, idx: u16) {
        let Some(armed) = self.armed.get_mut(usize::from(idx)) else { return };
        self.order.remove(&(*armed, idx));
        *armed = Tick::NEVER;
    }

    /// Moves every entry that is due to `due`.
    pub(crate) fn due(&mut self, now: Tick, due: &mut Vec<u16>) {
        while let Some(&(at, idx)) = self.order.first() {
            if at > now {
                break;
            }
            self.cancel(idx);
            due.push(idx);
        }
    }

    pub(crate) fn next(&self) -> Option<Tick> {
        self.order.first().map(|(at, _)| *at)
    }

    /// Slots that have an entry.
    #[cfg(any(test, feature = "world"))]
    pub(crate) fn owners(&self) -> impl Iterator<Item = u16> {
        self.order.iter().map(|(_, idx)| *idx)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_entry_a_slot_and_only_ever_earlier() {
        let mut alarms = Alarms::new(2);
        alarms.arm(0, Tick(50));
        alarms.arm(0, Tick(80));
        assert_eq!(alarms.next(), Some(Tick(50)));
        alarms.arm(0, Tick(30));
        alarms.arm(1, Tick(40));
        assert_eq!(alarms.order.len(), 2);
        let mut due = Vec::new();
        alarms.due(Tick(39), &mut due);
        alarms.due(Tick(39), &mut due);
        assert_eq!(due, [0]);
        alarms.arm(0, Tick(80));
        alarms.cancel(1);
        assert_eq!(alarms.next(), Some(Tick(80)));
        alarms.arm(9, Tick(1));
        alarms.arm(0, Tick::NEVER);
        alarms.due(Tick(100), &mut due);
        assert_eq!(due, [0, 0]);
        assert_eq!(alarms.next(), None);
    }
}
