//! Callers who seek numbers, or whose calls come to nothing, are blocked by themselves.
//!
//! A caller is an account and the number that it calls with: what a rule about callers can name.
//! Three kinds of it are told from honest ones, each by the records of its calls and by settings of
//! `guard`:
//!
//! - *Scanning* (spec ACL-SCAN-01): calls that came to nothing, each to a neighbour of one of the
//!   last numbers called, so many within a window.
//! - *Fruitless* (ACL-SMART-01): so many different numbers one after the other, and no talk. One
//!   call that talked forgives all before it.
//! - *Judged* (C-SEC-01): of each so many calls that left us, too few were answered or they were
//!   too short. One rule, so that nobody is good and bad at once; and no factor by who calls, which
//!   in the source made limits lower where it says higher.
//!
//! It never decides alone: the office leaves out calls of trusted trunks, calls between our own,
//! and those that we refused for reasons of our own. Bounded: a quiet one of a few goes first.

use std::collections::BTreeMap;
use strowger_model::{AccountId, Digits, GuardSettings, TenantId};

/// Most callers that are watched at once.
pub const CALLERS_MAX: usize = 65_536;
/// Numbers called that are remembered of each.
const RECENT_MAX: usize = 6;
/// Numbers nearer than this are neighbours.
const NEAR: u64 = 30;
/// The very next number counts so many times.
const NEXT_COUNTS: u32 = 3;
/// Digits of a number that are compared as an integer: the last ones.
const COMPARED_MAX: usize = 18;
/// Callers that are looked at for the quietest, when another one comes.
const SAMPLE: usize = 16;

/// Who calls, as a rule about callers names him.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct Caller {
    /// Tenant.
    pub tenant: TenantId,
    /// Who pays.
    pub account: AccountId,
    /// The number that he calls with; empty = none, so the account's calls altogether.
    pub number: Digits,
}

/// One call of his that is over.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Heard {
    /// Whom he called.
    pub called: Digits,
    /// How long they talked, milliseconds; `None` = nobody answered.
    pub talk_ms: Option<u64>,
    /// It was sent to a trunk.
    pub left_us: bool,
    /// Somebody there said that there is no such number.
    pub is_wrong: bool,
}

/// Why a caller is blocked.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum Nuisance {
    /// He seeks numbers.
    Scanning,
    /// His calls come to nothing.
    Fruitless,
    /// Too few are answered, or they are too short.
    Judged {
        /// Answered of a hundred.
        asr_percent: u8,
        /// Seconds of talk on average.
        acd_s: u32,
    },
    /// Calls to the number come to nothing, whoever makes them.
    Unreached {
        /// Answered of a hundred.
        asr_percent: u8,
        /// Seconds of talk on average.
        acd_s: u32,
    },
    /// There is no such number, its operator says.
    Nobody,
}

/// A rule to be made: this caller may not call, or this number is not called.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct NewBlock {
    /// Tenant.
    pub tenant: TenantId,
    /// Whose calls; `None` = everybody's.
    pub account: Option<AccountId>,
    /// The number that he calls with; empty = any, and none.
    pub number: Digits,
    /// Only calls that leave us to this number; empty = all.
    pub called: Digits,
    /// Why.
    pub why: Nuisance,
    /// So many calls say so.
    pub count: u32,
    /// When, microseconds since 1970 UTC.
    pub from_us: i64,
    /// When it ends.
    pub until_us: i64,
}

/// What is remembered of a caller.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
struct Known {
    /// Numbers called last, the newest first.
    recent: [Digits; RECENT_MAX],
    last_us: i64,
    /// When the score began.
    began_us: i64,
    score: u32,
    fruitless: u32,
    judged: u32,
    answered: u32,
    talk_ms: u64,
}

impl Known {
    const fn new(now_us: i64) -> Known {
        Known {
            recent: [Digits::EMPTY; RECENT_MAX],
            last_us: now_us,
            began_us: now_us,
            score: 0,
            fruitless: 0,
            judged: 0,
            answered: 0,
            talk_ms: 0,
        }
    }

    fn hear(&mut self, call: &Heard, now_us: i64, set: &GuardSettings) -> Option<(Nuisance, u32)> {
        let window_us = i64::try_from(set.window_ms).unwrap_or(i64::MAX).saturating_mul(1_000);
        if now_us.saturating_sub(self.began_us) > window_us {
            (self.began_us, self.score) = (now_us, 0);
        }
        self.last_us = now_us;
        let is_new = !self.recent.contains(&call.called);
        if call.talk_ms.is_some_and(|ms| ms >= set.fruitless_ms) {
            self.fruitless = 0;
        } else if is_new {
            self.fruitless = self.fruitless.saturating_add(1);
            self.score = self.score.saturating_add(self.nearness(&call.called));
        }
        if is_new {
            self.recent.rotate_right(1);
            if let Some(newest) = self.recent.first_mut() {
                *newest = call.called;
            }
        }
        let judged = self.judge(call, set);
        if set.scan_max > 0 && self.score >= set.scan_max {
            return Some((Nuisance::Scanning, self.score));
        }
        if set.fruitless_max > 0 && self.fruitless >= set.fruitless_max {
            return Some((Nuisance::Fruitless, self.fruitless));
        }
        judged
    }

    /// How much a number speaks for a scan: 0 when it is no neighbour of those before.
    fn nearness(&self, called: &Digits) -> u32 {
        let newest = self.recent.first();
        if newest.is_some_and(|newest| distance(newest, called) == Some(1)) {
            return NEXT_COUNTS;
        }
        u32::from(self.recent.iter().any(|known| are_neighbours(known, called)))
    }

    /// Each so many calls are judged together, then counting begins anew.
    fn judge(&mut self, call: &Heard, set: &GuardSettings) -> Option<(Nuisance, u32)> {
        if set.judged_calls == 0 || !call.left_us {
            return None;
        }
        self.judged = self.judged.saturating_add(1);
        if let Some(ms) = call.talk_ms {
            self.answered = self.answered.saturating_add(1);
            self.talk_ms = self.talk_ms.saturating_add(ms);
        }
        if self.judged < set.judged_calls {
            return None;
        }
        let (judged, answered) = (u64::from(self.judged), u64::from(self.answered));
        let asr = (answered * 100).checked_div(judged).unwrap_or_default();
        let acd_ms = self.talk_ms.checked_div(answered).unwrap_or_default();
        let count = self.judged;
        (self.judged, self.answered, self.talk_ms) = (0, 0, 0);
        let is_bad = asr < u64::from(set.judged_asr_percent_min)
            || acd_ms < u64::from(set.judged_acd_ms_min);
        let asr_percent = u8::try_from(asr).unwrap_or(100);
        let acd_s = u32::try_from(acd_ms / 1_000).unwrap_or(u32::MAX);
        is_bad.then_some((Nuisance::Judged { asr_percent, acd_s }, count))
    }
}

/// Two numbers of one length that are near each other, or differ in one digit.
fn are_neighbours(a: &Digits, b: &Digits) -> bool {
    distance(a, b).is_some_and(|distance| distance > 0 && distance < NEAR) || {
        let pairs = || a.as_bytes().iter().zip(b.as_bytes());
        a.len() == b.len() && pairs().filter(|(a, b)| a != b).count() == 1
    }
}

/// How far apart two numbers of one length are; `None` when they are not of one row of numbers.
fn distance(a: &Digits, b: &Digits) -> Option<u64> {
    if a.len() != b.len() || a.is_empty() {
        return None;
    }
    let split = a.len().saturating_sub(COMPARED_MAX);
    let (head, tail) = a.as_str().split_at_checked(split)?;
    let (other_head, other_tail) = b.as_str().split_at_checked(split)?;
    let (tail, other_tail): (u64, u64) = (tail.parse().ok()?, other_tail.parse().ok()?);
    (head == other_head).then_some(tail.abs_diff(other_tail))
}

/// Callers by what their calls come to.
#[derive(Clone, PartialEq, Eq, Default, Debug)]
pub struct Callers {
    known: BTreeMap<Caller, Known>,
    /// Where the look for the quietest goes on.
    hand: Option<Caller>,
}

impl Callers {
    /// A call is over; the block that its caller has earned by it.
    pub fn note(
        &mut self,
        caller: Caller,
        call: &Heard,
        now_us: i64,
        set: &GuardSettings,
    ) -> Option<NewBlock> {
        let is_off = set.scan_max == 0 && set.fruitless_max == 0 && set.judged_calls == 0;
        if is_off || call.called.is_empty() {
            return None;
        }
        if self.known.len() >= CALLERS_MAX && !self.known.contains_key(&caller) {
            forget_a_quiet_one(&mut self.known, &mut self.hand, |known| known.last_us);
        }
        let known = self.known.entry(caller).or_insert(Known::new(now_us));
        let (why, count) = known.hear(call, now_us, set)?;
        // Counting begins anew.
        self.known.remove(&caller);
        let ban_us = i64::try_from(set.caller_ban_ms).unwrap_or(i64::MAX).saturating_mul(1_000);
        let until_us = now_us.saturating_add(ban_us);
        let Caller { tenant, account, number } = caller;
        let (account, called) = (Some(account), Digits::EMPTY);
        Some(NewBlock { tenant, account, number, called, why, count, from_us: now_us, until_us })
    }

    /// Callers that are watched.
    #[must_use]
    pub fn len(&self) -> usize {
        self.known.len()
    }

    /// Nobody is watched.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.known.is_empty()
    }
}

/// Forgets the quietest of the next few behind `hand`, by the time it was last heard of: a flood of
/// new ones costs no look at all of them.
pub(crate) fn forget_a_quiet_one<K: Ord + Copy, V>(
    known: &mut BTreeMap<K, V>,
    hand: &mut Option<K>,
    last_us: impl Fn(&V) -> i64,
) {
    let from = hand.map_or(std::ops::Bound::Unbounded, std::ops::Bound::Excluded);
    let next = known.range((from, std::ops::Bound::Unbounded));
    let some = next.chain(known.iter()).take(SAMPLE);
    let some: Vec<(K, i64)> = some.map(|(key, value)| (*key, last_us(value))).collect();
    *hand = some.last().map(|(key, _)| *key);
    let quietest = some.iter().min_by_key(|(_, last_us)| *last_us);
    if let Some((key, _)) = quietest {
        known.remove(key);
    }
}

#[cfg(test)]
mod tests;
