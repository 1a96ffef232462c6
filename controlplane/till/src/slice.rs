//! How much talk time one payer lends a call at a time.

use strowger_model::{Amount, CostBound};

/// Shortest slice, milliseconds; a shorter one only when it is the last.
pub const SLICE_MS_MIN: u64 = 60_000;
/// Longest slice, milliseconds.
pub const SLICE_MS_MAX: u64 = 3_600_000;
/// Most free time of one call, milliseconds: what a tariff can tell apart, 49 days.
const FREE_MS_MAX: u64 = u32::MAX as u64;
/// A slice is this part of what can be afforded.
const SLICE_PART: u64 = 8;

/// Talk time from answer that one payer agrees to.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Slice {
    /// Milliseconds from answer; `u64::MAX` = as long as it likes.
    pub(crate) ms: u64,
    /// The payer can afford no more.
    pub(crate) last: bool,
    /// The longest call that the payer can afford, milliseconds.
    pub(crate) most_ms: u64,
}

impl Slice {
    /// What a payer without a floor agrees to.
    pub(crate) const UNLIMITED: Slice = Slice { ms: u64::MAX, last: false, most_ms: u64::MAX };

    /// The next slice of a call with `granted_ms` so far, of a payer who can hold `available` for
    /// it altogether. Never less than `granted_ms`.
    pub(crate) fn next(bound: &CostBound, available: Amount, granted_ms: u64) -> Slice {
        let most_ms = bound.ms_for(available).unwrap_or_default();
        if most_ms == u64::MAX && bound.most().is_some() {
            return Slice::UNLIMITED;
        }
        let rest = most_ms.saturating_sub(granted_ms);
        let wanted =
            granted_ms.saturating_add((rest / SLICE_PART).clamp(SLICE_MS_MIN, SLICE_MS_MAX));
        let whole_steps = match bound.align(wanted) {
            // A step longer than the slice: go to its end.
            ms if ms <= granted_ms => bound.ms_for(bound.cost_up(wanted)).unwrap_or(wanted),
            ms => ms,
        };
        let last = whole_steps >= most_ms;
        Slice { ms: whole_steps.min(most_ms).max(granted_ms), last, most_ms }
    }
}

/// How much of a call an allowance pays next, milliseconds from answer: another slice of the
/// `left_ms` that it has, in whole steps as far as they go, no more than a call of `ms_max` needs.
/// Never less than `free_ms`, what it pays so far.
pub(crate) fn next_free(bound: &CostBound, left_ms: u64, free_ms: u64, ms_max: u64) -> u64 {
    let part = (left_ms / SLICE_PART).clamp(SLICE_MS_MIN, SLICE_MS_MAX);
    let most = free_ms.saturating_add(left_ms).min(FREE_MS_MAX);
    let most = if ms_max > 0 { most.min(bound.whole_steps(ms_max)) } else { most };
    bound.whole_steps(free_ms.saturating_add(part)).min(most).max(free_ms)
}

/// What is held of one payer for a call of `ms`. A call without a lease has a hold only when its
/// cost stops growing.
pub(crate) fn held_for(bound: &CostBound, ms: u64) -> Amount {
    if ms == u64::MAX { bound.most().unwrap_or_default() } else { bound.cost_up(ms) }
}
