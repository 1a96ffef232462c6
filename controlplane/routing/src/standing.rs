//! How trunks did lately: who failed, how good their calls were, who was called last (spec
//! FAIL-01, FAIL-02, BRS-01, BRS-02, ROUTE-LB-01); how long they talked, and whose turn it is.
//!
//! A trunk is judged as a whole and for each beginning of called numbers, four digits long. One
//! that fails so many calls in a row, or answers too few, sinks behind the others; after a while
//! that doubles each time it is tried with one call, and comes back by the first that works.
//! Sans-IO: told of calls that are sent ([`Standing::sent`]) and of how they ended
//! ([`Standing::ended`]), asked when a call is decided. Bounded: the beginning that nobody called
//! for longest is forgotten first. Short talks are remembered for the second try of their callers.

mod line;
mod part;
mod second;
mod talk;
mod turn;

pub use second::{CallPair, SECOND_TRIES_MAX, SECOND_TRY_US};
pub use talk::{Talked, TalkedDay, local_day};
pub use turn::{Due, Turn};

use crate::limits::{DIRECTIONS_MAX, STANDING_TRUNKS_MAX};
use line::Lines;
use part::Part;
use second::ShortTalks;
use std::collections::{BTreeMap, BTreeSet};
use strowger_model::{Digits, RouteSettings, TrunkId};
use talk::Talk;
use turn::Turns;

/// Digits of a called number that make a direction.
const DIRECTION_DIGITS: usize = 4;
/// A day, microseconds.
const DAY_US: i64 = 86_400_000_000;
/// What counts as a month here: 30 days.
const MONTH_DAYS: i64 = 30;
/// One direction in so many is forgotten when there is no room for another.
const FORGET_PART: usize = 8;
/// How long the one call that tries a failed trunk is waited for, microseconds.
const TRY_US: i64 = 60_000_000;
/// Most doublings of a wait; beyond them it has reached any bound.
const LEVEL_MAX: u8 = 40;
/// Calls that try a trunk without figures, one time (source: `nexttrycount`).
const PROBE_CALLS: u8 = 3;
/// First wait between such times, microseconds; each doubles it.
const PROBE_US: i64 = 600_000_000;
/// Most doublings (source: `triedcount` of at most 7).
const PROBE_LEVEL_MAX: u8 = 7;
/// The longest such wait (source: a month).
const PROBE_US_MAX: i64 = MONTH_DAYS * DAY_US;

/// The beginning of called numbers.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct Direction([u8; DIRECTION_DIGITS]);

impl Direction {
    /// Of a called number; a shorter one is its own.
    #[must_use]
    pub fn of(number: &Digits) -> Direction {
        let mut digits = [0; DIRECTION_DIGITS];
        for (to, from) in digits.iter_mut().zip(number.as_bytes()) {
            *to = *from;
        }
        Direction(digits)
    }

    /// Its digits.
    #[must_use]
    pub fn digits(&self) -> String {
        self.0.iter().filter(|byte| **byte != 0).map(|byte| char::from(*byte)).collect()
    }
}

/// How calls of a time went.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub struct Counts {
    /// Calls that were sent.
    pub calls: u32,
    /// Those that were answered.
    pub answered: u32,
    /// Talk of these, milliseconds.
    pub talk_ms: u64,
}

impl Counts {
    const fn add(&mut self, talk_ms: Option<u64>) {
        self.calls = self.calls.saturating_add(1);
        if let Some(ms) = talk_ms {
            self.answered = self.answered.saturating_add(1);
            self.talk_ms = self.talk_ms.saturating_add(ms);
        }
    }

    const fn and(self, other: Counts) -> Counts {
        Counts {
            calls: self.calls.saturating_add(other.calls),
            answered: self.answered.saturating_add(other.answered),
            talk_ms: self.talk_ms.saturating_add(other.talk_ms),
        }
    }

    /// Answered calls of a hundred (spec 13.2); `None` without calls.
    #[must_use]
    pub fn asr_percent(&self) -> Option<u32> {
        let percent = (u64::from(self.answered) * 100).checked_div(self.calls.into())?;
        u32::try_from(percent).ok()
    }

    /// Talk of an answered call on average, milliseconds (spec 13.2); `None` without any.
    #[must_use]
    pub fn acd_ms(&self) -> Option<u64> {
        self.talk_ms.checked_div(self.answered.into())
    }
}

/// Figures of the last days and weeks.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Figures {
    /// Of today and yesterday.
    pub day: Counts,
    /// Of these 30 days and those before.
    pub month: Counts,
}

/// What is known from before of a trunk in one direction.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Recalled {
    /// Trunk.
    pub trunk: TrunkId,
    /// Direction of the called numbers.
    pub direction: Direction,
    /// The counts are of 30 days, not of one.
    pub is_month: bool,
    /// Which: days or 30 days since 1970 UTC.
    pub slot: i64,
    /// How its calls went.
    pub counts: Counts,
}

/// A call that ended at a trunk.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Ended {
    /// Trunk.
    pub trunk: TrunkId,
    /// Direction of the called number.
    pub direction: Direction,
    /// Talk, milliseconds; `None` = not answered.
    pub talk_ms: Option<u64>,
    /// What was wrong is the trunk's: it is silent, or says that it cannot.
    pub is_fault: bool,
}

/// Whether something is used as others are.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
enum State {
    #[default]
    Well,
    /// It sinks until then, and may be tried from then on.
    Failed { level: u8, again_us: i64 },
    /// A call tries it; nobody else does until that has ended, or this time has come.
    Tried { level: u8, until_us: i64 },
}

/// One trunk, or one trunk in one direction.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
struct Record {
    state: State,
    /// Failures in a row.
    failures: u16,
    /// Since the last judgement by shares and averages.
    run: Counts,
    /// The number of the day, and of it and the one before.
    day: i64,
    days: [Counts; 2],
    month: i64,
    months: [Counts; 2],
    /// Times that it was tried for its figures, the next time, and calls left of this one.
    probes: u8,
    probe_us: i64,
    probe_calls: u8,
    /// Place of its last call among all.
    last: u64,
    /// When its last call ended, microseconds since 1970 UTC; 0 = never.
    ended_us: i64,
}

impl Record {
    fn is_failed(&self, now_us: i64) -> bool {
        match self.state {
            State::Well => false,
            State::Failed { again_us: until_us, .. } | State::Tried { until_us, .. } => {
                now_us < until_us
            }
        }
    }

    /// It takes a call.
    fn sent(&mut self, now_us: i64) {
        match self.state {
            State::Failed { level, again_us } if now_us >= again_us => {
                self.state = State::Tried { level, until_us: now_us.saturating_add(TRY_US) };
            }
            State::Tried { level, until_us } if now_us >= until_us => {
                self.state = State::Tried { level, until_us: now_us.saturating_add(TRY_US) };
            }
            State::Well | State::Failed { .. } | State::Tried { .. } => {}
        }
    }

    fn ended(&mut self, end: &Ended, set: &RouteSettings, now_us: i64) {
        self.count(end.talk_ms, now_us);
        self.ended_us = self.ended_us.max(now_us);
        if end.is_fault {
            self.failures = self.failures.saturating_add(1);
            match self.state {
                State::Tried { level, .. } => self.fail(level.saturating_add(1), set, now_us),
                State::Well if set.failures_max > 0 && self.failures >= set.failures_max => {
                    self.fail(0, set, now_us);
                }
                // Calls that were sent before it failed end now.
                State::Well | State::Failed { .. } => {}
            }
            return;
        }
        // Whatever the callee did, the trunk reached it.
        (self.failures, self.state) = (0, State::Well);
        if self.is_poor(set) {
            self.fail(0, set, now_us);
        }
    }

    fn is_poor(&mut self, set: &RouteSettings) -> bool {
        if self.run.calls < set.calls_min {
            return false;
        }
        let run = core::mem::take(&mut self.run);
        let asr = run.asr_percent().unwrap_or_default();
        let acd_ms = run.acd_ms().unwrap_or_default();
        asr < u32::from(set.asr_percent_min) || acd_ms < u64::from(set.acd_ms_min)
    }

    fn fail(&mut self, level: u8, set: &RouteSettings, now_us: i64) {
        let level = level.min(LEVEL_MAX);
        let wait_ms = set.retry_ms.saturating_mul(1 << level).min(set.retry_ms_max);
        let wait_us = i64::try_from(wait_ms).unwrap_or(i64::MAX).saturating_mul(1_000);
        self.state = State::Failed { level, again_us: now_us.saturating_add(wait_us) };
        self.run = Counts::default();
    }

    fn count(&mut self, talk_ms: Option<u64>, now_us: i64) {
        let day = now_us.div_euclid(DAY_US);
        let month = day.div_euclid(MONTH_DAYS);
        turn(&mut self.days, day.saturating_sub(self.day));
        turn(&mut self.months, month.saturating_sub(self.month));
        (self.day, self.month) = (self.day.max(day), self.month.max(month));
        for [now, _] in [&mut self.days, &mut self.months] {
            now.add(talk_ms);
        }
        self.run.add(talk_ms);
    }

    /// Counts of a time at or behind all that are known.
    fn recall(&mut self, recalled: &Recalled) {
        let (times, last) = match recalled.is_month {
            true => (&mut self.months, &mut self.month),
            false => (&mut self.days, &mut self.day),
        };
        turn(times, recalled.slot.saturating_sub(*last));
        *last = recalled.slot.max(*last);
        let [now, before] = times;
        match last.saturating_sub(recalled.slot) {
            0 => *now = now.and(recalled.counts),
            1 => *before = before.and(recalled.counts),
            _ => {}
        }
    }

    fn figures(&self, now_us: i64) -> Option<Figures> {
        let day = now_us.div_euclid(DAY_US);
        let (mut days, mut months) = (self.days, self.months);
        turn(&mut days, day.saturating_sub(self.day));
        turn(&mut months, day.div_euclid(MONTH_DAYS).saturating_sub(self.month));
        let [[today, before], [month, month_before]] = [days, months];
        let figures = Figures { day: today.and(before), month: month.and(month_before) };
        (figures.month.calls > 0).then_some(figures)
    }

    /// A call to see how good it is.
    fn probed(&mut self, now_us: i64) {
        if self.probe_calls == 0 {
            self.probe_calls = PROBE_CALLS;
        }
        self.probe_calls -= 1;
        if self.probe_calls == 0 {
            let wait_us = (PROBE_US << self.probes.min(PROBE_LEVEL_MAX)).min(PROBE_US_MAX);
            self.probes = self.probes.saturating_add(1).min(PROBE_LEVEL_MAX);
            self.probe_us = now_us.saturating_add(wait_us);
        }
    }
}

/// Lets so many periods pass.
fn turn(counts: &mut [Counts; 2], periods: i64) {
    match periods {
        ..=0 => {}
        1 => *counts = [Counts::default(), counts[0]],
        2.. => *counts = [Counts::default(); 2],
    }
}

/// Something that failed, for people.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Failing {
    /// Trunk.
    pub trunk: TrunkId,
    /// Only for numbers of this direction; `None` = for all.
    pub direction: Option<Direction>,
    /// Failures in a row.
    pub failures: u16,
    /// How often it was tried in vain since it failed.
    pub tries: u8,
    /// When it is tried again, microseconds since 1970 UTC; in the past it may be at any time.
    pub again_us: i64,
}

/// How trunks did lately.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Standing {
    trunks: BTreeMap<TrunkId, Record>,
    directions: BTreeMap<Direction, Part>,
    /// Calls that were sent.
    calls: u64,
    /// Something may have failed: as long as nothing has, nobody looks.
    is_any_failed: bool,
    talk: Talk,
    turns: Turns,
    short: ShortTalks,
    lines: Lines,
    /// Trunks that answer no probe.
    silent: BTreeSet<TrunkId>,
}

/// What a decision sees of all trunks for one number at one moment.
#[derive(Clone, Copy, Debug)]
pub struct View<'a> {
    standing: &'a Standing,
    direction: Option<&'a Part>,
    now_us: i64,
}

impl Standing {
    /// What is known for calls to a number.
    #[must_use]
    pub fn view(&self, number: &Digits, now_us: i64) -> View<'_> {
        let direction = self.directions.get(&Direction::of(number));
        View { standing: self, direction, now_us }
    }

    /// A call is sent to a trunk first. `probes` = to see how good it is.
    pub fn sent(&mut self, trunk: TrunkId, direction: Direction, probes: bool, now_us: i64) {
        self.calls += 1;
        let last = self.calls;
        for record in self.records(trunk, direction).into_iter().flatten() {
            record.last = last;
            record.sent(now_us);
            if probes {
                record.probed(now_us);
            }
        }
    }

    /// A call to a trunk has ended.
    pub fn ended(&mut self, end: &Ended, set: &RouteSettings, now_us: i64) {
        let (mut failed, mut restored) = (false, false);
        for record in self.records(end.trunk, end.direction).into_iter().flatten() {
            let was_well = record.state == State::Well;
            record.ended(end, set, now_us);
            let is_well = record.state == State::Well;
            (failed, restored) = (failed || !is_well, restored || (!was_well && is_well));
        }
        self.is_any_failed |= failed;
        if restored {
            let is_any_failed = self.failing().next().is_some();
            self.is_any_failed = is_any_failed;
        }
    }

    /// A call that a set of targets shares goes to one of them.
    pub fn took(&mut self, turn: &Turn, trunk: TrunkId) {
        self.turns.took(turn, trunk);
    }

    /// A call to a trunk has talked.
    pub fn talked(&mut self, one: TalkedDay) {
        self.talk.add(one);
    }

    /// What a trunk talked on a day of its tenant's clock, and in the month of it.
    #[must_use]
    pub fn talk_of(&self, trunk: TrunkId, day: i32) -> Talked {
        self.talk.of(trunk, day)
    }

    /// Takes talk from before in the place of all that is known.
    pub fn recall_talk(&mut self, all: &[TalkedDay]) {
        self.talk.recall(all);
    }

    /// Two talked shortly by a trunk.
    pub fn talked_shortly(&mut self, pair: CallPair, trunk: TrunkId, at_us: i64) {
        self.short.note(pair, trunk, at_us);
    }

    /// The trunk by which two talked shortly a moment ago: who calls now tries again.
    #[must_use]
    pub fn second_try(&self, pair: &CallPair, now_us: i64) -> Option<TrunkId> {
        self.short.trunk(pair, now_us)
    }

    /// The trunks that answer no probe are these: they count as failed until they do.
    pub fn set_silent(&mut self, silent: BTreeSet<TrunkId>) {
        self.silent = silent;
        let is_any_failed = self.failing().next().is_some();
        self.is_any_failed = is_any_failed;
    }

    /// The trunks that answer no probe.
    #[must_use]
    pub const fn silent(&self) -> &BTreeSet<TrunkId> {
        &self.silent
    }

    /// A call has a line of a trunk.
    pub fn line_taken(&mut self, trunk: TrunkId) {
        self.lines.take(trunk);
    }

    /// It has it no more.
    pub fn line_freed(&mut self, trunk: TrunkId) {
        self.lines.free(trunk);
    }

    /// By hand: a trunk is as good as new. Its figures stay.
    pub fn restore(&mut self, trunk: TrunkId) {
        let own = self.trunks.get_mut(&trunk);
        let of_directions = self.directions.values_mut().filter_map(|part| part.get_mut(trunk));
        for record in own.into_iter().chain(of_directions) {
            (record.state, record.failures) = (State::Well, 0);
        }
    }

    /// Takes figures from before in the place of those that are known, which they count too: what
    /// failed and what was called last stays. Oldest first.
    pub fn recall(&mut self, all: &[Recalled]) {
        let of_directions = self.directions.values_mut().flat_map(Part::records_mut);
        for record in self.trunks.values_mut().chain(of_directions) {
            (record.days, record.months) = Default::default();
            (record.day, record.month) = (0, 0);
        }
        for recalled in all {
            for record in self.records(recalled.trunk, recalled.direction).into_iter().flatten() {
                record.recall(recalled);
            }
        }
    }

    /// All that failed lately, trunks before directions; those that are silent first.
    pub fn failing(&self) -> impl Iterator<Item = Failing> + '_ {
        let silent = self.silent.iter().map(|trunk| {
            let (direction, failures, tries, again_us) = (None, 0, 0, 0);
            Failing { trunk: *trunk, direction, failures, tries, again_us }
        });
        let all = self.trunks.iter().map(|(trunk, record)| (*trunk, None, record));
        let parts = self.directions.iter().flat_map(|(direction, list)| {
            list.iter().map(move |(trunk, record)| (trunk, Some(*direction), record))
        });
        silent.chain(all.chain(parts).filter_map(|(trunk, direction, record)| {
            let (tries, again_us) = match record.state {
                State::Well => return None,
                State::Failed { level, again_us } => (level, again_us),
                State::Tried { level, until_us } => (level, until_us),
            };
            Some(Failing { trunk, direction, failures: record.failures, tries, again_us })
        }))
    }

    /// The trunk's record and that of its direction; fewer where there is no room.
    fn records(&mut self, trunk: TrunkId, direction: Direction) -> [Option<&mut Record>; 2] {
        if self.directions.len() >= DIRECTIONS_MAX && !self.directions.contains_key(&direction) {
            self.forget_quietest();
        }
        let part = self.directions.entry(direction).or_default().get_or_open(trunk);
        let is_full = self.trunks.len() >= STANDING_TRUNKS_MAX;
        let whole = match self.trunks.contains_key(&trunk) || !is_full {
            true => Some(self.trunks.entry(trunk).or_default()),
            false => None,
        };
        [whole, part]
    }

    /// Forgets the directions that nobody called for longest, a part of all at a time: to look at
    /// all of them for one would be dear.
    fn forget_quietest(&mut self) {
        let last = |part: &Part| part.iter().map(|(_, record)| record.last).max();
        let mut ages: Vec<Option<u64>> = self.directions.values().map(last).collect();
        let (_, oldest_kept, _) = ages.select_nth_unstable(DIRECTIONS_MAX / FORGET_PART);
        let oldest_kept = *oldest_kept;
        self.directions.retain(|_, list| last(list) >= oldest_kept);
    }
}

impl View<'_> {
    fn part(&self, trunk: TrunkId) -> Option<&Record> {
        self.direction?.get(trunk)
    }

    /// Whether any trunk may have failed lately.
    #[must_use]
    pub const fn is_any_failed(&self) -> bool {
        self.standing.is_any_failed
    }

    /// Whether it failed lately: as a whole, and for this number.
    #[must_use]
    pub fn is_failed(&self, trunk: TrunkId) -> (bool, bool) {
        if !self.standing.is_any_failed {
            return (false, false);
        }
        let failed = |record: Option<&Record>| record.is_some_and(|r| r.is_failed(self.now_us));
        let whole = self.standing.trunks.get(&trunk);
        let is_silent = self.standing.silent.contains(&trunk);
        (is_silent || failed(whole), failed(self.part(trunk)))
    }

    /// How good its calls to such numbers are; `None` without any.
    #[must_use]
    pub fn figures(&self, trunk: TrunkId) -> Option<Figures> {
        self.part(trunk)?.figures(self.now_us)
    }

    /// Whether it is time to see how good it is.
    #[must_use]
    pub fn wants_probe(&self, trunk: TrunkId) -> bool {
        self.part(trunk).is_none_or(|r| r.probe_calls > 0 || self.now_us >= r.probe_us)
    }

    /// Lines of a trunk that calls have.
    #[must_use]
    pub fn lines(&self, trunk: TrunkId) -> u32 {
        self.standing.lines.of(trunk)
    }

    /// How targets stand that share calls; `None` without any that has a weight.
    #[must_use]
    pub fn due(&self, turn: &Turn) -> Option<Due> {
        self.standing.turns.due(turn)
    }

    /// Whether its last call ended less than so long ago.
    #[must_use]
    pub fn rests(&self, trunk: TrunkId, rest_ms: u32) -> bool {
        let record = self.standing.trunks.get(&trunk);
        let since_us = |record: &Record| self.now_us.saturating_sub(record.ended_us);
        record.is_some_and(|record| since_us(record) < i64::from(rest_ms) * 1_000)
    }

    /// Place of its last call among all; 0 = never.
    #[must_use]
    pub fn last_call(&self, trunk: TrunkId) -> u64 {
        self.standing.trunks.get(&trunk).map_or(0, |record| record.last)
    }
}

#[cfg(test)]
mod tests;
