//! Whether a listener is overloaded, by how long its datagrams wait.

use super::Limits;
use strowger_link::{MS, Tick};

/// How new requests of a listener are received.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Level {
    /// As ever.
    Open,
    /// With a refusal.
    Refuse,
    /// Not at all.
    Silent,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum State {
    /// What came last was in time.
    Calm,
    /// Late since one interval before this time.
    Rising { until: Tick },
    /// Late for a whole interval, and still.
    Shedding,
    /// In time again, since not long: what is late before this time is shed at once.
    Easing { until: Tick },
}

/// How many intervals a listener eases: then overload has to show itself anew.
const EASING: u64 = 10;

/// One listener.
#[derive(Clone, Copy, Debug)]
pub(super) struct Delay {
    state: State,
    target_ns: u64,
    interval_ns: u64,
    silence_ns: u64,
}

impl Delay {
    pub(super) fn new(limits: &Limits) -> Delay {
        let ns = |ms: u32| u64::from(ms) * MS;
        Delay {
            state: State::Calm,
            target_ns: ns(limits.delay_ms),
            interval_ns: ns(limits.interval_ms),
            silence_ns: ns(limits.silence_ms),
        }
    }

    /// A datagram that waited so long was taken.
    pub(super) fn handle(&mut self, queued_ns: u64, now: Tick) -> Level {
        let is_late = queued_ns > self.target_ns;
        self.state = if is_late { self.late(now) } else { self.in_time(now) };
        match self.state {
            State::Calm | State::Rising { .. } | State::Easing { .. } => Level::Open,
            State::Shedding if queued_ns > self.silence_ns => Level::Silent,
            State::Shedding => Level::Refuse,
        }
    }

    fn late(&self, now: Tick) -> State {
        match self.state {
            State::Rising { until } if now < until => State::Rising { until },
            State::Easing { until } if now >= until => self.rising(now),
            State::Calm => self.rising(now),
            State::Rising { .. } | State::Easing { .. } | State::Shedding => State::Shedding,
        }
    }

    fn in_time(&self, now: Tick) -> State {
        match self.state {
            State::Shedding => State::Easing { until: now.plus_ns(EASING * self.interval_ns) },
            State::Easing { until } if now < until => State::Easing { until },
            State::Calm | State::Rising { .. } | State::Easing { .. } => State::Calm,
        }
    }

    fn rising(&self, now: Tick) -> State {
        State::Rising { until: now.plus_ns(self.interval_ns) }
    }

    /// Nothing waits: what comes next is in time.
    pub(super) fn idle(&mut self, now: Tick) {
        self.state = self.in_time(now);
    }

    pub(super) fn is_shedding(&self) -> bool {
        self.state == State::Shedding
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Tick = Tick(9_000 * MS);

    /// Target 50, interval 100, silence 200 ms.
    #[test]
    fn every_state_meets_every_event() {
        let rising = State::Rising { until: NOW.plus_ms(1) };
        let over = State::Rising { until: NOW };
        let new = State::Rising { until: NOW.plus_ms(100) };
        let eased = State::Easing { until: NOW.plus_ms(1_000) };
        let easing = State::Easing { until: NOW.plus_ms(1) };
        let ease_over = State::Easing { until: NOW };
        for (state, queued_ms, then, level) in [
            (State::Calm, 50, State::Calm, Level::Open),
            (State::Calm, 51, new, Level::Open),
            (State::Calm, 5_000, new, Level::Open),
            (rising, 50, State::Calm, Level::Open),
            (rising, 51, rising, Level::Open),
            (rising, 5_000, rising, Level::Open),
            (over, 50, State::Calm, Level::Open),
            (over, 51, State::Shedding, Level::Refuse),
            (over, 201, State::Shedding, Level::Silent),
            (State::Shedding, 0, eased, Level::Open),
            (State::Shedding, 51, State::Shedding, Level::Refuse),
            (State::Shedding, 200, State::Shedding, Level::Refuse),
            (State::Shedding, 201, State::Shedding, Level::Silent),
            (easing, 50, easing, Level::Open),
            (easing, 51, State::Shedding, Level::Refuse),
            (easing, 201, State::Shedding, Level::Silent),
            (ease_over, 50, State::Calm, Level::Open),
            (ease_over, 51, new, Level::Open),
        ] {
            let mut delay = Delay { state, ..Delay::new(&Limits::default()) };
            assert_eq!(delay.handle(queued_ms * MS, NOW), level, "{state:?} {queued_ms}");
            assert_eq!(delay.state, then, "{state:?} {queued_ms}");
            delay.idle(NOW);
            assert!(!delay.is_shedding());
        }
    }

    /// A burst that waits long but not for long is no overload.
    #[test]
    fn a_stall_that_is_made_up_for_refuses_nobody() {
        let mut delay = Delay::new(&Limits::default());
        for ms in 0..99 {
            assert_eq!(delay.handle((2_000 - ms) * MS, NOW.plus_ms(ms)), Level::Open);
        }
        assert_eq!(delay.handle(0, NOW.plus_ms(99)), Level::Open);
        assert!(!delay.is_shedding());
    }
}
