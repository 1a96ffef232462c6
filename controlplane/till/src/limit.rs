//! Counts of calls: at once, and admitted in the current second.

use crate::{LimitKey, Ms};
use std::collections::BTreeMap;

/// Most limits counted at once.
pub(crate) const LIMIT_KEYS_MAX: usize = 4_000_000;

/// Calls at once and in the current second.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub(crate) struct Counter {
    in_use: u32,
    second: u64,
    in_second: u32,
}

impl Counter {
    /// Whether one more call fits.
    pub(crate) fn admits(&self, calls_max: u32, per_second_max: u32, now: Ms) -> bool {
        (calls_max == 0 || self.in_use < calls_max)
            && (per_second_max == 0 || self.seen_in_second(now) < per_second_max)
    }

    /// Counts a call that begins now.
    pub(crate) fn take(&mut self, now: Ms) {
        self.in_second = self.seen_in_second(now).saturating_add(1);
        self.second = now.0 / 1_000;
        self.in_use = self.in_use.saturating_add(1);
    }

    /// Counts a call that began before.
    pub(crate) fn adopt(&mut self) {
        self.in_use = self.in_use.saturating_add(1);
    }

    /// A call ended.
    pub(crate) fn release(&mut self) {
        self.in_use = self.in_use.saturating_sub(1);
    }

    pub(crate) const fn in_use(&self) -> u32 {
        self.in_use
    }

    fn seen_in_second(&self, now: Ms) -> u32 {
        if self.second == now.0 / 1_000 { self.in_second } else { 0 }
    }
}

/// The limits that are no accounts'.
#[derive(Default, Debug)]
pub(crate) struct Limits(BTreeMap<LimitKey, Counter>);

impl Limits {
    pub(crate) fn counter(&self, key: LimitKey) -> Counter {
        self.0.get(&key).copied().unwrap_or_default()
    }

    /// Whether `count` more keys fit; idle ones are swept when they do not.
    pub(crate) fn has_room(&mut self, count: usize, now: Ms) -> bool {
        if self.0.len() + count > LIMIT_KEYS_MAX {
            self.0.retain(|_, counter| counter.in_use > 0 || counter.seen_in_second(now) > 0);
        }
        self.0.len() + count <= LIMIT_KEYS_MAX
    }

    pub(crate) fn take(&mut self, key: LimitKey, now: Ms) {
        self.0.entry(key).or_default().take(now);
    }

    pub(crate) fn adopt(&mut self, key: LimitKey) {
        self.0.entry(key).or_default().adopt();
    }

    pub(crate) fn release(&mut self, key: LimitKey) {
        if let Some(counter) = self.0.get_mut(&key) {
            counter.release();
        }
    }
}
