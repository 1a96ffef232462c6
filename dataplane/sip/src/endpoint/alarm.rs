//! Who wants to be woken when. Each object has at most one alarm, and takes it along when it goes.

use std::collections::BTreeSet;

use strowger_link::{LegId, Tick};

use super::slab::Id;

/// An object that waits for a time.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub(super) enum Sleeper {
    Server(Id),
    Client(Id),
    Leg(LegId),
    /// A registration, by its number.
    Upstream(u64),
}

/// All alarms, in the order of their times.
#[derive(Default, Debug)]
pub(super) struct Alarms {
    set: BTreeSet<(Tick, Sleeper)>,
}

impl Alarms {
    /// Moves the alarm of `sleeper` from `armed` to `wanted`.
    pub(super) fn set(&mut self, sleeper: Sleeper, armed: &mut Option<Tick>, wanted: Option<Tick>) {
        if *armed == wanted {
            return;
        }
        if let Some(at) = *armed {
            self.set.remove(&(at, sleeper));
        }
        if let Some(at) = wanted {
            self.set.insert((at, sleeper));
        }
        *armed = wanted;
    }

    /// The earliest alarm.
    pub(super) fn next(&self) -> Option<Tick> {
        self.set.first().map(|(at, _)| *at)
    }

    /// The sleeper of the earliest alarm, if that is due.
    pub(super) fn due(&self, now: Tick) -> Option<Sleeper> {
        self.set.first().filter(|(at, _)| *at <= now).map(|(_, sleeper)| *sleeper)
    }

    pub(super) fn len(&self) -> usize {
        self.set.len()
    }
}
