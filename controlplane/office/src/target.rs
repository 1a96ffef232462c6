//! Called numbers at which calls come to nothing are denied by themselves for a while (spec
//! ACL-BL-04).
//!
//! Calls that left us are counted for each called number in four windows at once: an hour, a day,
//! a week, 30 days. So many of them must have come to nothing, as `guard.target_failures_max` says
//! for a day; an hour needs half as many, a week twice, 30 days five times. And as good as all of
//! the window must have: fewer answered, or shorter on average, than is set. What comes of it is a
//! rule about callers with its evidence in words and an end, and counting begins anew. Where one
//! account alone made the calls the rule is about that account: nobody closes a number for others.
//!
//! A number that does not exist needs less proof: its operator says so, and so many calls of a day
//! that end with that word, with none answered, deny it alike (spec ROUTE-GUARD-01).
//!
//! A busy or ringing number that is answered now and then stays open. Bounded: a quiet one of a few
//! goes first.

use crate::caller::{Heard, NewBlock, Nuisance, forget_a_quiet_one};
use std::collections::BTreeMap;
use strowger_model::{AccountId, Digits, GuardSettings, TenantId};

/// Most called numbers that are watched at once.
pub const TARGETS_MAX: usize = 65_536;
/// An hour, microseconds.
const HOUR_US: i64 = 3_600_000_000;
/// A day.
const DAY_US: i64 = 24 * HOUR_US;
/// The windows: how long, and how many times the calls of a day they need, in halves.
const WINDOWS: [(i64, u32); 4] =
    [(HOUR_US, 1), (24 * HOUR_US, 2), (7 * 24 * HOUR_US, 4), (30 * 24 * HOUR_US, 10)];

/// A called number of a tenant.
type Target = (TenantId, Digits);

/// Calls of one window.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
struct Window {
    began_us: i64,
    calls: u32,
    /// Those that came to nothing.
    vain: u32,
    answered: u32,
    talk_ms: u64,
}

impl Window {
    fn hear(&mut self, call: &Heard, now_us: i64, long_us: i64, set: &GuardSettings) {
        if self.calls == 0 || now_us.saturating_sub(self.began_us) > long_us {
            *self = Window { began_us: now_us, ..Window::default() };
        }
        self.calls = self.calls.saturating_add(1);
        if let Some(ms) = call.talk_ms {
            self.answered = self.answered.saturating_add(1);
            self.talk_ms = self.talk_ms.saturating_add(ms);
        }
        if call.talk_ms.is_none_or(|ms| ms < set.fruitless_ms) {
            self.vain = self.vain.saturating_add(1);
        }
    }

    /// How good its calls were: answered of a hundred, and seconds of talk on average.
    fn figures(&self) -> (u8, u64) {
        let percent = (u64::from(self.answered) * 100).checked_div(self.calls.into());
        let acd_ms = self.talk_ms.checked_div(self.answered.into()).unwrap_or_default();
        (u8::try_from(percent.unwrap_or_default()).unwrap_or(100), acd_ms)
    }

    fn is_bad(&self, halves: u32, set: &GuardSettings) -> bool {
        let (asr, acd_ms) = self.figures();
        let needed = u64::from(set.target_failures_max) * u64::from(halves) / 2;
        u64::from(self.vain) >= needed.max(1)
            && (asr < set.target_asr_percent_min || acd_ms < u64::from(set.target_acd_ms_min))
    }
}

/// What is remembered of a called number.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
struct Known {
    windows: [Window; 4],
    last_us: i64,
    /// Calls since a moment of which somebody said that there is no such number.
    wrong: u32,
    wrong_us: i64,
    /// Who called; `None` = several.
    account: Option<AccountId>,
}

impl Known {
    fn new(account: AccountId, now_us: i64) -> Known {
        let windows = [Window::default(); 4];
        let (last_us, wrong_us, account) = (now_us, now_us, Some(account));
        Known { windows, last_us, wrong: 0, wrong_us, account }
    }

    fn hear(&mut self, account: AccountId, call: &Heard, now_us: i64, set: &GuardSettings) {
        self.last_us = now_us;
        self.account = self.account.filter(|known| *known == account);
        for (window, (long_us, _)) in self.windows.iter_mut().zip(WINDOWS) {
            window.hear(call, now_us, long_us, set);
        }
        if call.talk_ms.is_some() || now_us.saturating_sub(self.wrong_us) > DAY_US {
            (self.wrong, self.wrong_us) = (0, now_us);
        }
        self.wrong = self.wrong.saturating_add(u32::from(call.is_wrong));
    }

    /// Why the number is denied, and how many calls say so.
    fn why(&self, set: &GuardSettings) -> Option<(Nuisance, u32)> {
        if set.wrong_max > 0 && self.wrong >= set.wrong_max {
            return Some((Nuisance::Nobody, self.wrong));
        }
        if set.target_failures_max == 0 {
            return None;
        }
        let mut windows = self.windows.iter().zip(WINDOWS);
        let (bad, _) = windows.find(|(window, (_, halves))| window.is_bad(*halves, set))?;
        let (asr_percent, acd_ms) = bad.figures();
        let acd_s = u32::try_from(acd_ms / 1_000).unwrap_or(u32::MAX);
        Some((Nuisance::Unreached { asr_percent, acd_s }, bad.calls))
    }
}

/// Called numbers by what calls to them come to.
#[derive(Clone, PartialEq, Eq, Default, Debug)]
pub struct Targets {
    known: BTreeMap<Target, Known>,
    /// Where the look for the quietest goes on.
    hand: Option<Target>,
}

impl Targets {
    /// Whether numbers are denied by themselves at all.
    pub(crate) const fn is_on(set: &GuardSettings) -> bool {
        set.target_failures_max > 0 || set.wrong_max > 0
    }

    /// A call that left us is over; what follows for its number.
    pub fn note(
        &mut self,
        (tenant, account): (TenantId, AccountId),
        call: &Heard,
        now_us: i64,
        set: &GuardSettings,
    ) -> Option<NewBlock> {
        if !Targets::is_on(set) || !call.left_us || call.called.is_empty() {
            return None;
        }
        let target = (tenant, call.called);
        if self.known.len() >= TARGETS_MAX && !self.known.contains_key(&target) {
            forget_a_quiet_one(&mut self.known, &mut self.hand, |known| known.last_us);
        }
        let known = self.known.entry(target).or_insert_with(|| Known::new(account, now_us));
        known.hear(account, call, now_us, set);
        let (why, count) = known.why(set)?;
        let account = known.account;
        // Counting begins anew.
        self.known.remove(&target);
        let ban_us = i64::try_from(set.target_ban_ms).unwrap_or(i64::MAX).saturating_mul(1_000);
        Some(NewBlock {
            tenant,
            account,
            number: Digits::EMPTY,
            called: call.called,
            why,
            count,
            from_us: now_us,
            until_us: now_us.saturating_add(ban_us),
        })
    }

    /// Numbers that are watched.
    #[must_use]
    pub fn len(&self) -> usize {
        self.known.len()
    }

    /// None is watched.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.known.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use strowger_model::Profile;

    fn set(failures_max: u32) -> GuardSettings {
        let set = Profile::default().guard;
        GuardSettings { target_failures_max: failures_max, ..set }
    }

    fn call(called: &str, talk_ms: Option<u64>) -> Heard {
        let called = Digits::parse(called).unwrap();
        Heard { called, talk_ms, left_us: true, is_wrong: false }
    }

    /// Calls of account 1 to one number, `apart_us` between them; after how many it is denied.
    fn denied_after(
        targets: &mut Targets,
        set: &GuardSettings,
        calls: usize,
        apart_us: i64,
        talk: impl Fn(usize) -> Option<u64>,
    ) -> Option<(usize, NewBlock)> {
        (1..=calls).find_map(|nth| {
            let at_us = i64::try_from(nth).unwrap() * apart_us;
            let call = call("4490", talk(nth));
            let block = targets.note((TenantId(1), AccountId(1)), &call, at_us, set);
            block.map(|block| (nth, block))
        })
    }

    #[test]
    fn a_number_that_nobody_answers_is_denied_by_the_window_that_shows_it() {
        let after = |apart_us| {
            let mut targets = Targets::default();
            denied_after(&mut targets, &set(40), 1_000, apart_us, |_| None).map(|(nth, _)| nth)
        };
        // Half of 40 in an hour, 40 in a day, 80 in a week, 200 in 30 days.
        assert_eq!(after(HOUR_US / 60), Some(20));
        assert_eq!(after(DAY_US / 60), Some(40));
        assert_eq!(after(DAY_US / 20), Some(80));
        assert_eq!(after(DAY_US / 8), Some(200));
        assert_eq!(after(DAY_US), None, "too few in any of them");
    }

    #[test]
    fn what_is_answered_now_and_then_stays_open() {
        let set = set(4);
        let after = |talk: fn(usize) -> Option<u64>| {
            let mut targets = Targets::default();
            denied_after(&mut targets, &set, 100, 1, talk)
        };
        // One of five with a talk of a minute, from the first on.
        assert_eq!(after(|nth| (nth % 5 == 1).then_some(60_000)), None);
        // Answered, and nobody stays.
        let (nth, block) = after(|_| Some(1_000)).unwrap();
        assert_eq!((nth, block.why), (2, Nuisance::Unreached { asr_percent: 100, acd_s: 1 }));
        assert_eq!(after(|_| Some(9_000)), None, "short talks are none that came to nothing");
        assert_eq!(after(|_| Some(60_000)), None);
    }

    #[test]
    fn the_block_is_about_who_called_and_ends() {
        let set = GuardSettings { target_ban_ms: 7, ..set(4) };
        let mut targets = Targets::default();
        let (nth, block) = denied_after(&mut targets, &set, 9, 1, |_| None).unwrap();
        assert_eq!((nth, block.count, block.account), (2, 2, Some(AccountId(1))));
        assert_eq!((block.called.as_str(), block.number.is_empty()), ("4490", true));
        assert_eq!((block.from_us, block.until_us), (2, 7_002));
        assert!(targets.is_empty(), "counting begins anew");
        // Two accounts have seen it: it is so for everybody.
        let call = call("4490", None);
        let note = |targets: &mut Targets, account| {
            targets.note((TenantId(1), AccountId(account)), &call, 1, &set)
        };
        assert_eq!(note(&mut targets, 1), None);
        assert_eq!(note(&mut targets, 2).map(|block| block.account), Some(None));
    }

    #[test]
    fn a_number_that_there_is_not_is_denied_by_the_word_of_its_operator() {
        let set = GuardSettings { wrong_max: 3, ..set(0) };
        let wrong = |at_us| (Heard { is_wrong: true, ..call("4490", None) }, at_us);
        let after = |calls: &[(Heard, i64)]| {
            let mut targets = Targets::default();
            let note = |targets: &mut Targets, (call, at_us): &(Heard, i64)| {
                targets.note((TenantId(1), AccountId(1)), call, *at_us, &set)
            };
            (1..).zip(calls).find_map(|(nth, call)| {
                note(&mut targets, call).map(|block| (nth, block.why, block.count))
            })
        };
        assert_eq!(after(&[wrong(1), wrong(2), wrong(3)]), Some((3, Nuisance::Nobody, 3)));
        // Somebody is not there: that is another thing.
        let busy = (call("4490", None), 2);
        assert_eq!(after(&[wrong(1), busy, wrong(3), busy]), None);
        assert_eq!(after(&[wrong(1), busy, wrong(3), wrong(4)]), Some((4, Nuisance::Nobody, 3)));
        // It exists after all.
        let talk = (call("4490", Some(9_000)), 3);
        assert_eq!(after(&[wrong(1), wrong(2), talk, wrong(4), wrong(5)]), None);
        let late = 2 + DAY_US;
        assert_eq!(after(&[wrong(1), wrong(2), wrong(late), wrong(late + 1)]), None);
    }

    #[test]
    fn it_is_off_where_nothing_is_set_and_for_calls_that_stay() {
        let mut targets = Targets::default();
        assert_eq!(denied_after(&mut targets, &set(0), 100, 1, |_| None), None);
        let stays = Heard { left_us: false, ..call("4490", None) };
        for _ in 0..9 {
            assert_eq!(targets.note((TenantId(1), AccountId(1)), &stays, 1, &set(2)), None);
        }
        assert!(targets.is_empty());
    }

    #[test]
    fn numbers_are_bounded() {
        let mut targets = Targets::default();
        let set = set(1_000);
        for number in 0..TARGETS_MAX + 50 {
            let at_us = i64::try_from(number).unwrap();
            let call = call(&format!("44{number}"), None);
            targets.note((TenantId(1), AccountId(1)), &call, at_us, &set);
        }
        assert_eq!(targets.len(), TARGETS_MAX);
    }
}
