//! Our time and the system's, which `dimpl` counts in.

use std::time::{Duration, Instant};
use strowger_link::Tick;

/// One moment in both times, told by whoever may read clocks.
#[derive(Clone, Copy, Debug)]
pub struct Clock {
    instant: Instant,
    tick: Tick,
}

impl Clock {
    /// Both are now.
    #[must_use]
    pub const fn new(instant: Instant, tick: Tick) -> Clock {
        Clock { instant, tick }
    }

    /// The system's time of a tick; never before the moment that was told.
    pub(crate) fn instant(&self, tick: Tick) -> Instant {
        let since = Duration::from_nanos(tick.0.saturating_sub(self.tick.0));
        self.instant.checked_add(since).unwrap_or(self.instant)
    }

    /// The tick of a time of the system's.
    pub(crate) fn tick(&self, instant: Instant) -> Tick {
        let since = instant.saturating_duration_since(self.instant).as_nanos();
        Tick(self.tick.0.saturating_add(u64::try_from(since).unwrap_or(u64::MAX)))
    }
}
