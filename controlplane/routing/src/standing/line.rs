//! Lines of trunks that calls have at this moment, for the order that asks for free ones (spec
//! 19.3, key 35).
//!
//! A call counts at the trunk that it was sent to first, from its answer on at the one that
//! answered. The limits themselves are gauges of the dataplane; this is a view of them.

use crate::limits::STANDING_TRUNKS_MAX;
use std::collections::BTreeMap;
use strowger_model::TrunkId;

/// Lines in use; trunks without any have no entry.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub(super) struct Lines(BTreeMap<TrunkId, u32>);

impl Lines {
    pub(super) fn take(&mut self, trunk: TrunkId) {
        if self.0.len() < STANDING_TRUNKS_MAX || self.0.contains_key(&trunk) {
            let count = self.0.entry(trunk).or_default();
            *count = count.saturating_add(1);
        }
    }

    pub(super) fn free(&mut self, trunk: TrunkId) {
        let Some(count) = self.0.get_mut(&trunk) else { return };
        *count = count.saturating_sub(1);
        if *count == 0 {
            self.0.remove(&trunk);
        }
    }

    pub(super) fn of(&self, trunk: TrunkId) -> u32 {
        self.0.get(&trunk).copied().unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_counted_by_trunk_and_never_below_none() {
        let mut lines = Lines::default();
        lines.free(TrunkId(1));
        assert_eq!(lines.of(TrunkId(1)), 0);
        lines.take(TrunkId(1));
        lines.take(TrunkId(1));
        lines.take(TrunkId(2));
        lines.free(TrunkId(1));
        assert_eq!((lines.of(TrunkId(1)), lines.of(TrunkId(2))), (1, 1));
        lines.free(TrunkId(1));
        lines.free(TrunkId(2));
        assert_eq!(lines, Lines::default(), "nothing is kept of what is free");
    }
}
