//! The machine.

use crate::account::{Account, Balance};
use crate::limit::Limits;
use crate::memory::Memory;
use crate::slice::{Slice, held_for};
use crate::{
    AccountKey, Adjust, Admit, Adopt, Alarm, Commit, Deadline, Event, Granted, HoldId, LEVELS_MAX,
    LIMITS_MAX, LINES_MAX, LimitKey, Line, Load, Ms, Output, Payer, Refusal, Settle, Stage,
};
use std::collections::{BTreeMap, BTreeSet, VecDeque};
use strowger_model::Amount;

/// An unanswered hold stands so long, milliseconds: longer than any attempt rings.
pub const UNSTARTED_MS: u64 = 30 * 60 * 1_000;
/// Most holds at once.
pub const HOLDS_MAX: usize = 2_000_000;
/// Most accounts.
pub const ACCOUNTS_MAX: usize = 10_000_000;
/// Settlements remembered, so that one told twice counts once.
pub const SETTLED_MEMORY: usize = 65_536;
/// Adjustments remembered.
pub const ADJUST_MEMORY: usize = 65_536;
/// Most holds that expire in one call of [`Till::handle_timeout`]; the next is due at once.
pub const EXPIRED_PER_STEP: usize = 1_024;

/// Balances, holds, counts of calls; see the crate's page.
#[derive(Debug)]
pub struct Till {
    accounts: BTreeMap<AccountKey, Account>,
    holds: BTreeMap<HoldId, Hold>,
    limits: Limits,
    deadlines: BTreeSet<Deadline>,
    settled: Memory<HoldId>,
    adjusted: Memory<u64>,
    committed: Option<u64>,
    drift: u64,
    out: VecDeque<Output>,
}

/// What a call has taken.
#[derive(Clone, Debug)]
struct Hold {
    state: HoldState,
    levels: Vec<Held>,
    limits: Vec<LimitKey>,
    granted: Granted,
    ms_max: u64,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum HoldState {
    /// Not answered; given up at the deadline.
    Ringing { deadline: Ms },
    /// Answered: ends with its record.
    Talking,
}

#[derive(Clone, Copy, Debug)]
struct Held {
    payer: Payer,
    amount: Amount,
}

impl Default for Till {
    fn default() -> Self {
        Till::new()
    }
}

impl Till {
    /// An empty till.
    #[must_use]
    pub fn new() -> Till {
        Till {
            accounts: BTreeMap::new(),
            holds: BTreeMap::new(),
            limits: Limits::default(),
            deadlines: BTreeSet::new(),
            settled: Memory::new(SETTLED_MEMORY),
            adjusted: Memory::new(ADJUST_MEMORY),
            committed: None,
            drift: 0,
            out: VecDeque::new(),
        }
    }

    /// One step. Drain [`Till::poll_output`] after it.
    pub fn handle(&mut self, event: Event, now: Ms) {
        match event {
            Event::Load(load) => self.load(&load),
            Event::Admit(admit) => self.admit(admit, now),
            Event::Adopt(adopt) => self.adopt(adopt, now),
            Event::Started(hold) => self.start(hold),
            Event::Extend { hold, granted_ms } => self.extend(hold, granted_ms),
            Event::Settle(settle) => self.settle(&settle, true),
            Event::Replay(settle) => self.settle(&settle, false),
            Event::Void(hold) => {
                self.release(hold);
            }
            Event::Adjust(adjust) => self.adjust(&adjust),
            Event::Committed(commit) => self.commit(&commit),
            Event::Epoch { shard } => self.begin_epoch(shard),
        }
    }

    /// Gives up holds whose deadline has passed.
    pub fn handle_timeout(&mut self, now: Ms) {
        for _ in 0..EXPIRED_PER_STEP {
            match self.deadlines.first() {
                Some(&(due, hold)) if due <= now => {
                    self.release(hold);
                    self.out.push_back(Output::Expired(hold));
                }
                Some(_) | None => return,
            }
        }
    }

    /// When [`Till::handle_timeout`] is due.
    #[must_use]
    pub fn poll_timeout(&self) -> Option<Ms> {
        self.deadlines.first().map(|(due, _)| *due)
    }

    /// The next answer.
    pub fn poll_output(&mut self) -> Option<Output> {
        self.out.pop_front()
    }

    /// An account's numbers; `None` when it was never loaded.
    #[must_use]
    pub fn balance(&self, key: AccountKey) -> Option<Balance> {
        self.accounts.get(&key).filter(|a| a.is_loaded).map(|a| a.balance(key))
    }

    /// All accounts' numbers, in order of their keys.
    pub fn balances(&self) -> impl Iterator<Item = Balance> + '_ {
        self.accounts.iter().filter(|(_, a)| a.is_loaded).map(|(key, a)| a.balance(*key))
    }

    /// Live holds in order, and whether each was answered: for the recount against the call table.
    pub fn holds(&self) -> impl Iterator<Item = (HoldId, bool)> + '_ {
        self.holds.iter().map(|(id, hold)| (*id, hold.state == HoldState::Talking))
    }

    /// Calls that count in a limit.
    #[must_use]
    pub fn calls_of(&self, key: LimitKey) -> u32 {
        self.limits.counter(key).in_use()
    }

    /// Alarms so far. Anything but 0 is an error.
    #[must_use]
    pub const fn drift(&self) -> u64 {
        self.drift
    }

    fn load(&mut self, load: &Load) {
        if self.accounts.len() >= ACCOUNTS_MAX && !self.accounts.contains_key(&load.key) {
            self.alarm(Alarm::Full);
            return;
        }
        self.accounts.entry(load.key).or_insert_with(Account::unknown).load(load);
    }

    fn admit(&mut self, admit: Admit, now: Ms) {
        let id = admit.hold;
        let answer = match self.known_answer(id) {
            Some(known) => known,
            None => self.plan(&admit, now).inspect(|granted| self.take(admit, *granted, now)),
        };
        self.out.push_back(match answer {
            Ok(granted) => Output::Admitted(granted),
            Err(why) => Output::Refused { hold: id, why },
        });
    }

    /// The answer to an id that was used before.
    fn known_answer(&mut self, id: HoldId) -> Option<Result<Granted, Refusal>> {
        match self.holds.get(&id) {
            Some(Hold { state: HoldState::Ringing { .. }, granted, .. }) => {
                return Some(Ok(*granted));
            }
            Some(Hold { state: HoldState::Talking, .. }) => {}
            None if self.settled.contains(id) => {}
            None => return None,
        }
        self.alarm(Alarm::HoldReused(id));
        Some(Err(Refusal::Duplicate))
    }

    /// Whether the call gets everything, and for how long. Changes nothing but idle counters.
    fn plan(&mut self, admit: &Admit, now: Ms) -> Result<Granted, Refusal> {
        check_shape(&admit.levels, admit.limits.len())?;
        if self.holds.len() >= HOLDS_MAX || !self.limits.has_room(admit.limits.len(), now) {
            return Err(Refusal::Full);
        }
        for payer in &admit.levels {
            let account = self.account(payer.key)?;
            if !account.counter.admits(account.calls_max, account.per_second_max, now) {
                return Err(Refusal::AccountLimit(payer.key));
            }
        }
        for limit in &admit.limits {
            let counter = self.limits.counter(limit.key);
            if !counter.admits(limit.calls_max, limit.per_second_max, now) {
                return Err(Refusal::Limit(limit.key));
            }
        }
        let mut total = Slice::UNLIMITED;
        for payer in &admit.levels {
            let slice = next_slice(self.account(payer.key)?, payer, Amount::ZERO, 0);
            if slice.most_ms < admit.ms_min.max(1) {
                return Err(Refusal::NoCredit(payer.key));
            }
            total = shorter(total, slice);
        }
        Ok(grant(admit.hold, total, admit.ms_max))
    }

    fn account(&self, key: AccountKey) -> Result<&Account, Refusal> {
        let account = self.accounts.get(&key).filter(|account| account.is_loaded);
        account.ok_or(Refusal::UnknownAccount(key))
    }

    fn take(&mut self, admit: Admit, granted: Granted, now: Ms) {
        for limit in &admit.limits {
            self.limits.take(limit.key, now);
        }
        for payer in &admit.levels {
            if let Some(account) = self.accounts.get_mut(&payer.key) {
                account.counter.take(now);
            }
        }
        let deadline = now.plus(UNSTARTED_MS);
        self.deadlines.insert((deadline, admit.hold));
        self.open(
            admit.hold,
            Hold {
                state: HoldState::Ringing { deadline },
                levels: hold_nothing(admit.levels),
                limits: admit.limits.iter().map(|limit| limit.key).collect(),
                granted,
                ms_max: admit.ms_max,
            },
        );
    }

    /// Holds money for what is granted and keeps the hold.
    fn open(&mut self, id: HoldId, mut hold: Hold) {
        self.hold_for_grant(&mut hold);
        self.holds.insert(id, hold);
    }

    /// Makes each level hold the bound of the granted time.
    fn hold_for_grant(&mut self, hold: &mut Hold) {
        for held in &mut hold.levels {
            let Some(account) = self.accounts.get_mut(&held.payer.key) else { continue };
            let after = match account.has_floor() {
                true => held_for(&held.payer.bound, hold.granted.ms),
                false => Amount::ZERO,
            };
            account.hold(held.amount, after);
            held.amount = after;
        }
    }

    fn adopt(&mut self, adopt: Adopt, now: Ms) {
        let id = adopt.hold;
        // A call that is in the journal and in the call table counts once: the record wins.
        if self.settled.contains(id) {
            return;
        }
        if self.holds.contains_key(&id) {
            if adopt.started {
                self.start(id);
            }
            return;
        }
        for payer in &adopt.levels {
            if let Some(account) = self.account_or_new(payer.key) {
                account.counter.adopt();
            }
        }
        for key in &adopt.limits {
            self.limits.adopt(*key);
        }
        let deadline = now.plus(UNSTARTED_MS);
        let state = match adopt.started {
            true => HoldState::Talking,
            false => HoldState::Ringing { deadline },
        };
        if !adopt.started {
            self.deadlines.insert((deadline, id));
        }
        let granted = Granted { hold: id, ms: adopt.granted_ms, last: false };
        let levels = hold_nothing(adopt.levels);
        let hold = Hold { state, levels, limits: adopt.limits, granted, ms_max: adopt.ms_max };
        self.open(id, hold);
    }

    fn start(&mut self, id: HoldId) {
        let Some(hold) = self.holds.get_mut(&id) else {
            if !self.settled.contains(id) {
                self.out.push_back(Output::Unknown(id));
            }
            return;
        };
        match hold.state {
            HoldState::Ringing { deadline } => {
                self.deadlines.remove(&(deadline, id));
                hold.state = HoldState::Talking;
            }
            HoldState::Talking => {}
        }
    }

    /// `granted_ms` below ours: our last answer was lost, it is given again. Above ours: a slice that
    /// an earlier life of the till gave; it counts.
    fn extend(&mut self, id: HoldId, granted_ms: u64) {
        // Who asks for more talks already.
        self.start(id);
        let Some(mut hold) = self.holds.remove(&id) else { return };
        if granted_ms >= hold.granted.ms {
            hold.granted.ms = granted_ms;
            self.hold_for_grant(&mut hold);
            let mut total = Slice::UNLIMITED;
            for held in &hold.levels {
                if let Some(account) = self.accounts.get(&held.payer.key) {
                    let slice = next_slice(account, &held.payer, held.amount, granted_ms);
                    total = shorter(total, slice);
                }
            }
            hold.granted = grant(id, total, hold.ms_max.max(granted_if_limited(&hold)));
            self.hold_for_grant(&mut hold);
        }
        self.out.push_back(Output::Extended(hold.granted));
        self.holds.insert(id, hold);
    }

    fn settle(&mut self, settle: &Settle, expects_hold: bool) {
        let id = settle.hold;
        if self.settled.contains(id) {
            return;
        }
        let released = self.release(id);
        if released.is_none() && expects_hold {
            self.alarm(Alarm::NoHold(id));
        }
        let held = released.map(|hold| hold.levels);
        for line in self.bounded(&settle.lines) {
            self.charge(line);
            if let Some(levels) = &held {
                self.compare(id, line, levels);
            }
        }
        self.settled.remember(id);
    }

    /// At most [`LINES_MAX`] of `lines`.
    fn bounded<'a>(&mut self, lines: &'a [Line]) -> &'a [Line] {
        lines.get(..LINES_MAX).map_or(lines, |cut| {
            if lines.len() > LINES_MAX {
                self.alarm(Alarm::TooManyLines);
            }
            cut
        })
    }

    fn charge(&mut self, line: &Line) {
        let is_known = self.accounts.get(&line.key).is_some_and(|account| account.is_loaded);
        if let Some(account) = self.account_or_new(line.key) {
            account.charge(line.charge);
        }
        if !is_known {
            self.alarm(Alarm::UnknownAccount(line.key));
        }
    }

    /// A charge beyond its hold is drift: some bound was none.
    fn compare(&mut self, hold: HoldId, line: &Line, levels: &[Held]) {
        let key = line.key;
        let has_floor = self.accounts.get(&key).is_some_and(Account::has_floor);
        let held = levels.iter().find(|held| held.payer.key == key).map(|held| held.amount);
        let by = line.charge.0.saturating_sub(held.unwrap_or_default().0);
        if has_floor && by > 0 && line.charge.0 > 0 {
            self.alarm(Alarm::Overspent { hold, key, by: Amount(by) });
        }
    }

    /// Gives back all that a hold has taken.
    fn release(&mut self, id: HoldId) -> Option<Hold> {
        let hold = self.holds.remove(&id)?;
        match hold.state {
            HoldState::Ringing { deadline } => {
                self.deadlines.remove(&(deadline, id));
            }
            HoldState::Talking => {}
        }
        for held in &hold.levels {
            if let Some(account) = self.accounts.get_mut(&held.payer.key) {
                account.hold(held.amount, Amount::ZERO);
                account.counter.release();
            }
        }
        for key in &hold.limits {
            self.limits.release(*key);
        }
        Some(hold)
    }

    fn adjust(&mut self, adjust: &Adjust) {
        let Adjust { id, key, amount, stage } = *adjust;
        let is_known = self.adjusted.contains(id);
        let Some(account) = self.accounts.get_mut(&key).filter(|account| account.is_loaded) else {
            let why = Refusal::UnknownAccount(key);
            self.out.push_back(Output::AdjustRefused { id, why });
            return;
        };
        match stage {
            Stage::Durable | Stage::Asked if is_known => {}
            Stage::Durable => account.post(amount),
            Stage::Asked => {
                let available = account.available(Amount::ZERO);
                let after = available.map(|left| left.0.saturating_add(amount.0));
                if amount.0 < 0 && after.is_some_and(|after| after < 0) {
                    let why = Refusal::NoCredit(key);
                    self.out.push_back(Output::AdjustRefused { id, why });
                    return;
                }
                account.promise(amount);
            }
        }
        let balance = account.total();
        self.adjusted.remember(id);
        self.out.push_back(Output::Adjusted { id, balance });
    }

    fn commit(&mut self, commit: &Commit) {
        if self.committed.is_some_and(|last| commit.batch <= last) {
            return;
        }
        self.committed = Some(commit.batch);
        for line in self.bounded(&commit.lines) {
            if let Some(account) = self.accounts.get_mut(&line.key) {
                account.commit(line.charge);
            }
        }
    }

    fn begin_epoch(&mut self, shard: u8) {
        let ids = HoldId::of_shard(shard);
        let ringing: Vec<HoldId> = self
            .holds
            .range(ids.clone())
            .filter(|(_, hold)| hold.state != HoldState::Talking)
            .map(|(id, _)| *id)
            .collect();
        for id in &ringing {
            self.release(*id);
        }
        self.settled.forget(&ids);
        self.out.push_back(Output::EpochVoided { shard, count: ringing.len() });
    }

    fn account_or_new(&mut self, key: AccountKey) -> Option<&mut Account> {
        if self.accounts.len() >= ACCOUNTS_MAX && !self.accounts.contains_key(&key) {
            self.alarm(Alarm::Full);
            return None;
        }
        Some(self.accounts.entry(key).or_insert_with(Account::unknown))
    }

    fn alarm(&mut self, alarm: Alarm) {
        self.drift += 1;
        self.out.push_back(Output::Alarm(alarm));
    }
}

fn check_shape(levels: &[Payer], limits: usize) -> Result<(), Refusal> {
    let keys: BTreeSet<AccountKey> = levels.iter().map(|payer| payer.key).collect();
    let ok = levels.len() <= LEVELS_MAX && limits <= LIMITS_MAX && keys.len() == levels.len();
    if ok { Ok(()) } else { Err(Refusal::Malformed) }
}

fn hold_nothing(levels: Vec<Payer>) -> Vec<Held> {
    levels.into_iter().map(|payer| Held { payer, amount: Amount::ZERO }).collect()
}

fn next_slice(account: &Account, payer: &Payer, own: Amount, granted_ms: u64) -> Slice {
    match account.available(own) {
        Some(available) => Slice::next(&payer.bound, available, granted_ms),
        None => Slice::UNLIMITED,
    }
}

/// The shorter of two; when equal, the one that is the last.
fn shorter(a: Slice, b: Slice) -> Slice {
    match a.ms.cmp(&b.ms) {
        std::cmp::Ordering::Less => a,
        std::cmp::Ordering::Greater => b,
        std::cmp::Ordering::Equal => Slice { last: a.last || b.last, ..a },
    }
}

/// The grant of a slice, cut at the longest talk time.
fn grant(hold: HoldId, slice: Slice, ms_max: u64) -> Granted {
    match slice.ms {
        u64::MAX => Granted { hold, ms: u64::MAX, last: false },
        ms if ms_max > 0 && ms >= ms_max => Granted { hold, ms: ms_max, last: true },
        ms => Granted { hold, ms, last: slice.last },
    }
}

/// A limit of talk time never takes back what was granted.
const fn granted_if_limited(hold: &Hold) -> u64 {
    if hold.ms_max == 0 { 0 } else { hold.granted.ms }
}

#[cfg(test)]
mod tests;
