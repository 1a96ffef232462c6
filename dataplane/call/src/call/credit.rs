//! Leased talk time of an answered call (design of calls, section 4).

use crate::limits::EXTEND_MS_MIN;
use std::sync::Arc;
use strowger_link::{Ask, Grant, MS, Tick};

/// Talk time of one call. All times run from its answer.
#[derive(Debug)]
pub(crate) struct Credit {
    answered_at: Tick,
    grant: Grant,
    /// Where the call is cut; [`Tick::NEVER`] = no lease, or the account goes on without an answer.
    end_at: Tick,
    asking: Asking,
}

/// Where the next Extend stands.
#[derive(Debug)]
enum Asking {
    /// It will be asked then.
    At(Tick),
    /// It has been asked.
    Waiting(Arc<Ask>),
    /// Nothing will be added.
    Done,
}

/// What a time-out means.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Due {
    /// Nothing is due.
    Nothing,
    /// Ask for more talk time.
    Extend,
    /// The end has passed without an answer and the account goes on: ask once more, with a deadline
    /// that has not passed.
    AskAgain,
    /// The time is up.
    Cut,
}

impl Credit {
    pub(crate) fn new(grant: Grant, answered_at: Tick) -> Credit {
        let end_at = answered_at.plus_ms(grant.ms);
        let half = answered_at.plus_ms(grant.ms / 2);
        let asking =
            if grant.last || end_at == Tick::NEVER { Asking::Done } else { Asking::At(half) };
        Credit { answered_at, grant, end_at, asking }
    }

    /// Talk time of a call that a former process answered. Its next Extend is asked at half of the
    /// whole, which may be now; an account that goes on is not cut for a slice that ended while
    /// nobody could ask.
    pub(crate) fn resume(grant: Grant, answered_at: Tick, now: Tick) -> Credit {
        let go_on = grant.go_on && !grant.last;
        let mut credit = Credit::new(grant, answered_at);
        if go_on && credit.end_at <= now {
            credit.end_at = Tick::NEVER;
        }
        credit
    }

    pub(crate) fn answered_at(&self) -> Tick {
        self.answered_at
    }

    pub(crate) fn grant(&self) -> Grant {
        self.grant
    }

    pub(crate) fn end_at(&self) -> Tick {
        self.end_at
    }

    pub(crate) fn used_ms(&self, now: Tick) -> u64 {
        now.ms_since(self.answered_at)
    }

    pub(crate) fn granted_ms(&self) -> u64 {
        self.grant.ms
    }

    pub(crate) fn next_at(&self) -> Tick {
        match &self.asking {
            Asking::At(at) => self.end_at.min(*at),
            Asking::Waiting(_) | Asking::Done => self.end_at,
        }
    }

    pub(crate) fn ask_under_way(&self) -> Option<&Arc<Ask>> {
        match &self.asking {
            Asking::Waiting(ask) => Some(ask),
            Asking::At(_) | Asking::Done => None,
        }
    }

    pub(crate) fn due(&mut self, now: Tick) -> Due {
        let ended = self.end_at <= now;
        match &mut self.asking {
            Asking::Waiting(ask) if ended && self.grant.go_on => {
                self.end_at = Tick::NEVER;
                Arc::make_mut(ask).deadline = Tick::NEVER;
                Due::AskAgain
            }
            Asking::At(_) | Asking::Waiting(_) | Asking::Done if ended => Due::Cut,
            Asking::At(at) if *at <= now => Due::Extend,
            Asking::At(_) | Asking::Waiting(_) | Asking::Done => Due::Nothing,
        }
    }

    pub(crate) fn asked(&mut self, ask: Arc<Ask>) {
        self.asking = Asking::Waiting(ask);
    }

    pub(crate) fn free_ms(&self) -> u64 {
        self.grant.free_ms
    }

    /// A new total; what an allowance pays never falls. The next Extend is asked at half of what
    /// was added, or, when nothing was, at half of what is left; never sooner than
    /// [`EXTEND_MS_MIN`] from now.
    pub(crate) fn extended(&mut self, grant: Grant, now: Tick) {
        let before = self.answered_at.plus_ms(self.grant.ms);
        self.end_at = self.answered_at.plus_ms(grant.ms);
        self.grant = Grant { free_ms: grant.free_ms.max(self.grant.free_ms), ..grant };
        if self.grant.last || self.end_at == Tick::NEVER {
            self.asking = Asking::Done;
            return;
        }
        let from = if self.end_at > before { before } else { now };
        let half = from.plus_ns(self.end_at.ns_since(from) / 2);
        let at = half.max(now.plus_ns(EXTEND_MS_MIN * MS));
        self.asking = if at < self.end_at { Asking::At(at) } else { Asking::Done };
    }

    /// The talk that it was for is over: nothing is asked and nothing cut any more. The ask under
    /// way, if there is one, comes back.
    pub(crate) fn stop(&mut self) -> Option<Arc<Ask>> {
        self.grant = Grant { ms: u64::MAX, last: true, ..self.grant };
        self.end_at = Tick::NEVER;
        match std::mem::replace(&mut self.asking, Asking::Done) {
            Asking::Waiting(ask) => Some(ask),
            Asking::At(_) | Asking::Done => None,
        }
    }

    /// A new total that nobody asked for; `false` when it is no more than the one before, or there
    /// is no lease. An ask under way goes on: its answer counts when it comes.
    pub(crate) fn lengthened(&mut self, grant: Grant, now: Tick) -> bool {
        if grant.ms <= self.grant.ms {
            return false;
        }
        match &self.asking {
            Asking::At(_) | Asking::Done => self.extended(grant, now),
            Asking::Waiting(_) => {
                // One that outlived its end goes on without a lease until it is answered.
                if self.end_at != Tick::NEVER {
                    self.end_at = self.answered_at.plus_ms(grant.ms);
                }
                self.grant = Grant { free_ms: grant.free_ms.max(self.grant.free_ms), ..grant };
            }
        }
        true
    }

    /// Nothing will be added; what was granted stands.
    pub(crate) fn refused(&mut self) {
        self.grant.last = true;
        self.asking = Asking::Done;
        self.end_at = self.answered_at.plus_ms(self.grant.ms);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const START: Tick = Tick(1_000 * MS);

    fn grant(ms: u64) -> Grant {
        Grant { ms, free_ms: 0, last: false, go_on: false }
    }

    fn at_ms(ms: u64) -> Tick {
        START.plus_ms(ms)
    }

    #[test]
    fn half_of_each_slice() {
        let mut credit = Credit::new(grant(60_000), START);
        assert_eq!((credit.next_at(), credit.end_at()), (at_ms(30_000), at_ms(60_000)));
        assert_eq!(credit.due(at_ms(29_999)), Due::Nothing);
        assert_eq!(credit.due(at_ms(30_000)), Due::Extend);
        credit.extended(grant(180_000), at_ms(30_005));
        assert_eq!((credit.next_at(), credit.end_at()), (at_ms(120_000), at_ms(180_000)));
        // Nothing added: half of what is left.
        credit.extended(grant(180_000), at_ms(120_000));
        assert_eq!(credit.next_at(), at_ms(150_000));
        credit.extended(Grant { last: true, ..grant(200_000) }, at_ms(150_000));
        assert_eq!(credit.next_at(), at_ms(200_000));
        assert_eq!(credit.due(at_ms(200_000)), Due::Cut);
    }

    #[test]
    fn more_that_nobody_asked_for_moves_the_end_and_less_does_not() {
        let mut credit = Credit::new(Grant { last: true, ..grant(60_000) }, START);
        assert!(!credit.lengthened(grant(60_000), at_ms(50_000)));
        assert!(!credit.lengthened(grant(10), at_ms(50_000)));
        assert_eq!(credit.next_at(), at_ms(60_000));
        assert!(credit.lengthened(grant(120_000), at_ms(50_000)));
        // It was not the last one: more is asked for at half of what was added.
        assert_eq!((credit.next_at(), credit.end_at()), (at_ms(90_000), at_ms(120_000)));
        let mut free = Credit::new(grant(u64::MAX), START);
        assert!(!free.lengthened(grant(90_000), at_ms(1)));
        assert_eq!(free.next_at(), Tick::NEVER);
    }

    #[test]
    fn what_an_allowance_pays_never_falls() {
        let free = |ms, free_ms| Grant { free_ms, ..grant(ms) };
        let mut credit = Credit::new(free(60_000, 60_000), START);
        credit.extended(free(120_000, 80_000), at_ms(30_000));
        assert_eq!((credit.granted_ms(), credit.free_ms()), (120_000, 80_000));
        credit.extended(free(180_000, 0), at_ms(100_000));
        assert_eq!((credit.granted_ms(), credit.free_ms()), (180_000, 80_000));
        assert!(credit.lengthened(free(240_000, 1), at_ms(101_000)));
        assert!(credit.lengthened(free(300_000, 90_000), at_ms(102_000)));
        assert_eq!((credit.granted_ms(), credit.free_ms()), (300_000, 90_000));
    }

    #[test]
    fn no_lease_has_no_timer() {
        for last in [true, false] {
            let credit = Credit::new(Grant { ms: u64::MAX, free_ms: 0, last, go_on: false }, START);
            assert_eq!(credit.next_at(), Tick::NEVER);
        }
    }

    #[test]
    fn slices_that_hardly_grow_are_not_asked_for_faster_than_the_bound() {
        let mut credit = Credit::new(grant(1_000), START);
        credit.extended(grant(2_500), at_ms(500));
        assert_eq!(credit.next_at(), at_ms(1_750));
        credit.extended(grant(2_600), at_ms(1_750));
        assert_eq!(credit.next_at(), at_ms(2_600), "no ask is left before the end");
        assert_eq!(credit.due(at_ms(2_600)), Due::Cut);
    }
}
