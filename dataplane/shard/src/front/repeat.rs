//! What was refused lately, so that copies which waited meanwhile are known.

use strowger_link::Tick;

/// Requests that are remembered; a later one takes the place of an earlier one.
const REPEATS_MAX: usize = 4_096;

/// Hashes of refused requests and when they were refused. Direct-mapped: a place that was taken
/// over means a second answer, no more.
pub(super) struct Repeats {
    places: Box<[(u64, Tick)]>,
}

impl Repeats {
    pub(super) fn new() -> Repeats {
        Repeats { places: vec![(0, Tick(0)); REPEATS_MAX].into() }
    }

    /// `which` was answered at `now`.
    pub(super) fn answered(&mut self, which: u64, now: Tick) {
        if let Some(place) = self.places.get_mut(index(which)) {
            *place = (which, now);
        }
    }

    /// Whether `which` was answered at `since` or later: a copy sent before that says nothing new.
    pub(super) fn is_answered_since(&self, which: u64, since: Tick) -> bool {
        let place = self.places.get(index(which));
        place.is_some_and(|(known, at)| *known == which && *at > Tick(0) && *at >= since)
    }
}

fn index(which: u64) -> usize {
    usize::try_from(which % REPEATS_MAX as u64).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_copies_of_before_the_answer_are_repeats() {
        let mut repeats = Repeats::new();
        assert!(!repeats.is_answered_since(0, Tick(0)));
        assert!(!repeats.is_answered_since(7, Tick(0)));
        repeats.answered(7, Tick(100));
        assert!(repeats.is_answered_since(7, Tick(100)) && repeats.is_answered_since(7, Tick(1)));
        assert!(!repeats.is_answered_since(7, Tick(101)));
        let same_place = 7 + REPEATS_MAX as u64;
        assert!(!repeats.is_answered_since(same_place, Tick(1)));
        repeats.answered(same_place, Tick(110));
        assert!(!repeats.is_answered_since(7, Tick(1)));
    }
}
