//! Attempts of those whom nobody knows: counted by source and minute, never recorded.
//!
//! Bounded: the oldest minute goes first, and a minute with more sources than there is room for
//! counts the rest together.

use std::collections::BTreeMap;
use std::net::IpAddr;

/// Most sources remembered, over all minutes.
pub const STRANGERS_MAX: usize = 4_096;
/// Minutes that are remembered, the current one included.
pub const STRANGER_MINUTES_MAX: i64 = 60;

const MINUTE_US: i64 = 60_000_000;

/// What one source did in one minute.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub struct Attempts {
    /// Asked for credentials.
    pub challenged: u64,
    /// Turned away.
    pub refused: u64,
}

/// Attempts by minute and source.
#[derive(Clone, PartialEq, Eq, Default, Debug)]
pub struct Strangers {
    seen: BTreeMap<(i64, IpAddr), Attempts>,
    beyond: u64,
}

impl Strangers {
    pub(crate) fn challenged(&mut self, source: IpAddr, wall_us: i64, count: u64) {
        if let Some(attempts) = self.place(source, wall_us, count) {
            attempts.challenged = attempts.challenged.saturating_add(count);
        }
    }

    pub(crate) fn refused(&mut self, source: IpAddr, wall_us: i64, count: u64) {
        if let Some(attempts) = self.place(source, wall_us, count) {
            attempts.refused = attempts.refused.saturating_add(count);
        }
    }

    fn place(&mut self, source: IpAddr, wall_us: i64, count: u64) -> Option<&mut Attempts> {
        let minute = wall_us.div_euclid(MINUTE_US);
        while let Some(oldest) = self.seen.first_entry()
            && oldest.key().0 <= minute.saturating_sub(STRANGER_MINUTES_MAX)
        {
            oldest.remove();
        }
        let key = (minute, source.to_canonical());
        if self.seen.len() >= STRANGERS_MAX && !self.seen.contains_key(&key) {
            let oldest = self.seen.first_entry().filter(|oldest| oldest.key().0 < minute);
            let Some(oldest) = oldest else {
                self.beyond = self.beyond.saturating_add(count);
                return None;
            };
            oldest.remove();
        }
        Some(self.seen.entry(key).or_default())
    }

    /// The newest minute first, in it the most busy source; the minute is its beginning,
    /// microseconds since 1970 UTC.
    #[must_use]
    pub fn list(&self, limit: usize) -> Vec<(i64, IpAddr, Attempts)> {
        let row = |((minute, source), attempts): (&(i64, IpAddr), &Attempts)| {
            (minute.saturating_mul(MINUTE_US), *source, *attempts)
        };
        let mut all: Vec<_> = self.seen.iter().map(row).collect();
        let busy = |a: &Attempts| a.challenged.saturating_add(a.refused);
        all.sort_by_key(|(at_us, _, attempts)| core::cmp::Reverse((*at_us, busy(attempts))));
        all.truncate(limit);
        all
    }

    /// Attempts that found no room.
    #[must_use]
    pub const fn beyond(&self) -> u64 {
        self.beyond
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn source(n: u32) -> IpAddr {
        IpAddr::from(n.to_be_bytes())
    }

    #[test]
    fn attempts_are_counted_by_source_and_minute() {
        let mut strangers = Strangers::default();
        strangers.challenged(source(1), 5, 1);
        strangers.refused(source(1), MINUTE_US - 1, 3);
        strangers.refused("::ffff:0.0.0.1".parse().unwrap(), 7, 1);
        strangers.refused(source(2), 0, 9);
        strangers.challenged(source(1), MINUTE_US, 1);
        let one = |challenged, refused| Attempts { challenged, refused };
        let all = [
            (MINUTE_US, source(1), one(1, 0)),
            (0, source(2), one(0, 9)),
            (0, source(1), one(1, 4)),
        ];
        assert_eq!(strangers.list(9), all);
        assert_eq!(strangers.list(1), all[..1]);
        strangers.challenged(source(3), STRANGER_MINUTES_MAX * MINUTE_US, 1);
        assert_eq!(strangers.list(9).len(), 2, "the first minute is forgotten");
    }

    #[test]
    fn a_flood_of_sources_takes_no_more_room() {
        let mut strangers = Strangers::default();
        strangers.challenged(source(0), 0, 1);
        for n in 0..STRANGERS_MAX as u32 + 10 {
            strangers.challenged(source(n), MINUTE_US, 1);
        }
        assert_eq!(strangers.list(usize::MAX).len(), STRANGERS_MAX);
        assert_eq!(strangers.beyond(), 10);
        assert!(strangers.list(usize::MAX).iter().all(|(at_us, ..)| *at_us == MINUTE_US));
        // A known source goes on counting.
        strangers.refused(source(7), MINUTE_US, 5);
        assert_eq!(strangers.list(1)[0].2, Attempts { challenged: 1, refused: 5 });
        assert_eq!(strangers.beyond(), 10);
    }
}
