//! Who wants to be woken when. Each object has at most one alarm, and takes it along when it goes.

use std::collections::BTreeSet;

use strowger_link::{LegId, Tick};

use super::slab::Id;

/// An object that waits for a time.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub(super) enum Sleeper {
    Server(Id),
    /// Server transactions that only wait for copies, all together.
    Settled,
    Client(Id),
    Leg(LegId),
    /// A registration, by its number.
    Upstream(u64),
}

/// How close together what is only to be forgotten is woken for, in nanoseconds.
const FORGET_EVERY_NS: u64 = 20_000_000;

/// When something that waits to be forgotten wakes: not before `at`, and together with others. A
/// call leaves half a dozen transactions behind, and each would end a sleep of the shard by itself.
/// What RFC 3261 section 17 tells them to wait (timers D, H, I, J, K) is the least.
pub(super) fn forgotten_at(at: Tick) -> Tick {
    Tick(at.0.checked_next_multiple_of(FORGET_EVERY_NS).unwrap_or(at.0))
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_to_be_forgotten_wakes_together_and_never_early() {
        let times: Vec<Tick> = (0..1000).map(|n| Tick(7_000_001 + n * 1_000_003)).collect();
        let mut woken: Vec<Tick> = times.iter().map(|at| forgotten_at(*at)).collect();
        assert!(times.iter().zip(&woken).all(|(at, woken)| {
            *at <= *woken && woken.0 - at.0 < FORGET_EVERY_NS && forgotten_at(*woken) == *woken
        }));
        woken.dedup();
        assert_eq!(woken.len(), 51, "a second has fifty of them");
        assert_eq!(forgotten_at(Tick(u64::MAX)), Tick(u64::MAX));
    }
}
