//! Answers that are good for a while.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;
use strowger_routing::{Finding, Query};
use tokio::time::Instant;

/// Most answers that are kept; beyond it the one whose time is over first goes.
const KEPT_MAX: usize = 100_000;

/// Answers by their questions.
#[derive(Default)]
pub(super) struct Kept {
    answers: BTreeMap<Query, (Finding, Instant)>,
    ends: BTreeSet<(Instant, Query)>,
}

impl Kept {
    /// An answer that is good at `now`.
    pub(super) fn find(&mut self, query: &Query, now: Instant) -> Option<Finding> {
        self.forget_the_old(now);
        self.answers.get(query).map(|(finding, _)| finding.clone())
    }

    /// Keeps an answer for so long.
    pub(super) fn put(&mut self, query: &Query, finding: &Finding, keep: Duration, now: Instant) {
        if keep.is_zero() {
            return;
        }
        let end = now + keep;
        if let Some((_, before)) = self.answers.insert(query.clone(), (finding.clone(), end)) {
            self.ends.remove(&(before, query.clone()));
        }
        self.ends.insert((end, query.clone()));
        while self.answers.len() > KEPT_MAX {
            let Some((_, first)) = self.ends.pop_first() else { return };
            self.answers.remove(&first);
        }
    }

    fn forget_the_old(&mut self, now: Instant) {
        while self.ends.first().is_some_and(|(end, _)| *end <= now) {
            let Some((_, gone)) = self.ends.pop_first() else { return };
            self.answers.remove(&gone);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use strowger_model::Digits;

    fn query(n: usize) -> Query {
        Query::Ported(Digits::parse(&n.to_string()).unwrap())
    }

    #[test]
    fn answers_are_kept_for_their_time_and_no_more_of_them_than_there_is_room_for() {
        let (mut kept, now) = (Kept::default(), Instant::now());
        let after = |s| now + Duration::from_secs(s);
        let nothing = Finding::Ported(None);
        kept.put(&query(1), &nothing, Duration::from_secs(9), now);
        kept.put(&query(2), &nothing, Duration::ZERO, now);
        assert_eq!(kept.find(&query(1), after(8)), Some(nothing.clone()));
        assert_eq!(kept.find(&query(2), now), None);
        // A newer answer has its own time.
        kept.put(&query(1), &nothing, Duration::from_secs(9), after(8));
        assert_eq!(kept.find(&query(1), after(16)), Some(nothing.clone()));
        assert_eq!(kept.find(&query(1), after(17)), None);
        assert!(kept.answers.is_empty() && kept.ends.is_empty());
        for n in 0..=KEPT_MAX {
            kept.put(&query(n), &nothing, Duration::from_secs(60 + n as u64), now);
        }
        assert_eq!((kept.answers.len(), kept.ends.len()), (KEPT_MAX, KEPT_MAX));
        assert_eq!(kept.find(&query(0), now), None, "its time was over first");
        assert!(kept.find(&query(KEPT_MAX), now).is_some());
    }
}
