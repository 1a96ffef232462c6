//! When the next piece of work begins: by the clock (open loop) or as others end (closed loop).

use strowger_link::{SECOND, Tick};

/// Most starts given out at once, so that a load that fell behind still reads its sockets.
const BURST_MAX: u64 = 64;

/// How work is offered.
#[derive(Clone, Copy, PartialEq, Debug)]
pub(crate) enum Offer {
    /// So many a second, evenly spread, whatever comes back.
    Rate(f64),
    /// So many at a time.
    Window(u32),
}

/// Gives out starts.
#[derive(Debug)]
pub(crate) struct Pace {
    offer: Offer,
    began: Tick,
    given: u64,
}

impl Pace {
    pub(crate) fn new(offer: Offer, began: Tick) -> Pace {
        Pace { offer, began, given: 0 }
    }

    /// Goes on with another offer from `now`.
    pub(crate) fn change(&mut self, offer: Offer, now: Tick) {
        *self = Pace::new(offer, now);
    }

    /// The time that the next start is meant for, if it has come; `busy` = what is under way.
    pub(crate) fn next(&mut self, now: Tick, busy: usize) -> Option<Tick> {
        match self.offer {
            Offer::Rate(_) => {
                let due = self.due()?;
                (due <= now).then(|| {
                    self.given += 1;
                    due
                })
            }
            Offer::Window(window) => (busy < window as usize).then_some(now),
        }
    }

    /// When to ask again; `None` = when something has ended.
    pub(crate) fn due(&self) -> Option<Tick> {
        match self.offer {
            Offer::Rate(rate) if rate > 0.0 => {
                let after = self.given as f64 / rate * SECOND as f64;
                Some(Tick(self.began.0 + after as u64))
            }
            Offer::Rate(_) | Offer::Window(_) => None,
        }
    }

    /// Calls `start` for each start that is due, at most a burst of them.
    pub(crate) fn starts(
        &mut self,
        now: Tick,
        mut busy: usize,
        mut start: impl FnMut(Tick) -> bool,
    ) {
        for _ in 0..BURST_MAX {
            let Some(intended) = self.next(now, busy) else { return };
            if !start(intended) {
                return;
            }
            busy += 1;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_rate_keeps_its_times_when_it_is_late() {
        let mut pace = Pace::new(Offer::Rate(1000.0), Tick(5));
        let mut got = Vec::new();
        pace.starts(Tick(5 + 2_500_000), 0, |at| {
            got.push(at.0 - 5);
            true
        });
        assert_eq!(got, [0, 1_000_000, 2_000_000]);
        assert_eq!(pace.due(), Some(Tick(5 + 3_000_000)));
    }

    #[test]
    fn a_window_is_filled_and_no_more() {
        let mut pace = Pace::new(Offer::Window(3), Tick(0));
        let mut got = 0;
        pace.starts(Tick(9), 1, |_| {
            got += 1;
            true
        });
        assert_eq!((got, pace.due()), (2, None));
        let mut none = Pace::new(Offer::Rate(0.0), Tick(0));
        assert_eq!(none.next(Tick(100), 0), None);
    }
}
