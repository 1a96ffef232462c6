//! The one notion of time in every core: nanoseconds of the monotonic clock.

/// A point in time, nanoseconds of CLOCK_MONOTONIC; starts at 0 in the simulator.
///
/// It is written to the call table and the journal and compared across processes of one boot,
/// which `std::time::Instant` cannot be.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Debug)]
pub struct Tick(pub u64);

/// Nanoseconds in a millisecond.
pub const MS: u64 = 1_000_000;
/// Nanoseconds in a second.
pub const SECOND: u64 = 1_000_000_000;

impl Tick {
    /// The far future: a timer that never fires.
    pub const NEVER: Tick = Tick(u64::MAX);

    /// This time plus `ms` milliseconds, saturating.
    #[must_use]
    pub const fn plus_ms(self, ms: u64) -> Tick {
        Tick(self.0.saturating_add(ms.saturating_mul(MS)))
    }

    /// This time plus `ns` nanoseconds, saturating.
    #[must_use]
    pub const fn plus_ns(self, ns: u64) -> Tick {
        Tick(self.0.saturating_add(ns))
    }

    /// Nanoseconds from `earlier` to `self`; 0 when `earlier` is later.
    #[must_use]
    pub const fn ns_since(self, earlier: Tick) -> u64 {
        self.0.saturating_sub(earlier.0)
    }

    /// Whole milliseconds from `earlier` to `self`, rounded down.
    #[must_use]
    pub const fn ms_since(self, earlier: Tick) -> u64 {
        self.ns_since(earlier) / MS
    }
}
