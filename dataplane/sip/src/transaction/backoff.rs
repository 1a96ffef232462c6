//! Intervals that double: timers A, E and G.

use strowger_link::Tick;

/// A retransmission timer: when it fires next, and the interval it was last set with.
#[derive(Clone, Copy, Debug)]
pub(super) struct Backoff {
    next: Tick,
    interval_ms: u32,
}

impl Backoff {
    /// Set at `now` to fire after `interval_ms`.
    pub(super) const fn start(now: Tick, interval_ms: u32) -> Backoff {
        Backoff { next: now.plus_ms(interval_ms as u64), interval_ms }
    }

    /// When it fires.
    pub(super) const fn next(&self) -> Tick {
        self.next
    }

    /// If it is due, sets it again with twice its interval, at most `cap_ms`, and says so.
    ///
    /// The new interval runs from `now`: a late caller retransmits once, never in a burst.
    pub(super) fn fire(&mut self, now: Tick, cap_ms: u32) -> bool {
        if now < self.next {
            return false;
        }
        *self = Backoff::start(now, self.interval_ms.saturating_mul(2).min(cap_ms));
        true
    }

    /// Lets the running interval end, then goes on with `interval_ms`.
    pub(super) fn continue_with(&mut self, interval_ms: u32) {
        self.interval_ms = interval_ms;
    }
}

/// The earlier of a retransmission timer, if there is one, and another deadline.
pub(super) fn earlier(resend: Option<&Backoff>, deadline: Tick) -> Tick {
    resend.map_or(deadline, |backoff| backoff.next().min(deadline))
}

/// Fires the retransmission timer, if there is one and it is due.
pub(super) fn fire(resend: &mut Option<Backoff>, now: Tick, cap_ms: u32) -> bool {
    resend.as_mut().is_some_and(|backoff| backoff.fire(now, cap_ms))
}
