//! The machine.

use crate::account::{Account, AccountHold, Accounts, Balance, Place};
use crate::limit::Limits;
use crate::memory::Memory;
use crate::packet::{PacketLeft, Packets};
use crate::period::{NO_CALENDAR, Since, Spendings};
use crate::pool::{Pool, Pools};
use crate::slice::{SLICE_MS_MIN, Slice, held_for, next_free};
use crate::window::Windows;
use crate::{
    AccountKey, Adjust, Admit, Alarm, Allow, Calendar, Commit, Deadline, Event, FreeUse, Granted,
    HoldId, LEVELS_MAX, LIMITS_MAX, LINES_MAX, LimitAsk, LimitKey, Line, Load, Ms, Output, PERIODS,
    Packet, PacketUse, Payer, Refusal, Settle, Stage, Talk, WindowUse,
};
use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::ops::{Bound, RangeInclusive};
use strowger_model::{AllowanceId, Amount, TenantId};

/// An unanswered hold stands so long, milliseconds: longer than any attempt rings.
pub const UNSTARTED_MS: u64 = 30 * 60 * 1_000;
/// Most holds at once.
pub const HOLDS_MAX: usize = 2_000_000;
/// Most accounts.
pub const ACCOUNTS_MAX: usize = 10_000_000;
/// Settlements remembered, so that one told twice counts once.
pub const SETTLED_MEMORY: usize = 65_536;
/// Holds that were given back remembered: more than end unanswered while a question waits.
pub const VOIDED_MEMORY: usize = 8_192;
/// Adjustments remembered.
pub const ADJUST_MEMORY: usize = 65_536;
/// Least talk time that a call is lengthened by, milliseconds: what is less waits for more.
pub const LENGTHEN_MS_MIN: u64 = 1_000;
/// Most calls in their last slice that are looked at in one step when money comes in; the others
/// are due at once.
pub const LENGTHENED_PER_STEP: usize = 256;
/// Most holds that expire in one call of [`Till::handle_timeout`]; the next is due at once.
pub const EXPIRED_PER_STEP: usize = 1_024;

/// Balances, holds, counts of calls; see the crate's page.
#[derive(Debug)]
pub struct Till {
    accounts: Accounts,
    holds: BTreeMap<HoldId, Hold>,
    limits: Limits,
    pools: Pools,
    packets: Packets,
    pub(crate) windows: Windows,
    calendars: BTreeMap<TenantId, Calendar>,
    /// What accounts of a tenant spend together, where there is a limit of it.
    tenants: BTreeMap<TenantId, Spendings>,
    deadlines: BTreeSet<Deadline>,
    settled: Memory<HoldId>,
    voided: Memory<HoldId>,
    adjusted: Memory<u64>,
    /// Adjustments that were asked and neither written nor dropped yet.
    asked: BTreeMap<u64, (Place, Amount)>,
    /// Holds in their last slice, by each payer that could change that.
    last: BTreeSet<(Place, HoldId)>,
    /// Accounts that money came in for, and the next of their holds to look at.
    rises: BTreeMap<Place, HoldId>,
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
    /// What the first level's call takes before money.
    free: Option<AllowanceId>,
    /// What is reserved of it, milliseconds.
    reserved_ms: u64,
    granted: Granted,
    ms_max: u64,
    /// More payers were added while it rang.
    is_widened: bool,
    /// It was counted for its address.
    is_counted: bool,
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
    place: Place,
    amount: Amount,
    /// The day and month it counts in.
    since: Since,
    /// The account had a limit when this was held.
    is_limited: bool,
    /// It counts in what the tenant spends.
    counts: bool,
    /// What pays before the balance.
    packet: Option<AllowanceId>,
}

impl Default for Till {
    fn default() -> Self {
        Till::new()
    }
}

/// A call that costs nothing in so long, milliseconds, is one that costs nothing.
const COSTS_MS: u64 = 60_000;

impl Till {
    /// An empty till.
    #[must_use]
    pub fn new() -> Till {
        Till {
            accounts: Accounts::default(),
            holds: BTreeMap::new(),
            limits: Limits::default(),
            pools: Pools::default(),
            packets: Packets::default(),
            windows: Windows::default(),
            calendars: BTreeMap::new(),
            tenants: BTreeMap::new(),
            deadlines: BTreeSet::new(),
            settled: Memory::new(SETTLED_MEMORY),
            voided: Memory::new(VOIDED_MEMORY),
            adjusted: Memory::new(ADJUST_MEMORY),
            asked: BTreeMap::new(),
            last: BTreeSet::new(),
            rises: BTreeMap::new(),
            committed: None,
            drift: 0,
            out: VecDeque::new(),
        }
    }

    /// One step. Drain [`Till::poll_output`] after it.
    pub fn handle(&mut self, event: Event, now: Ms) {
        match event {
            Event::Load(load) => self.load(&load),
            Event::Calendar { tenant, calendar } => {
                self.calendars.insert(tenant, calendar);
            }
            Event::Tenant { tenant, spend_max } => self.limit_tenant(tenant, spend_max),
            Event::Allow(allow) => self.allow(&allow),
            Event::Packet(packet) => self.load_packet(&packet),
            Event::Disallow(allowance) => {
                self.pools.forget(allowance);
                self.packets.forget(allowance);
            }
            Event::Spent { key, at_us, charge, talk_ms } => {
                self.spent(key, at_us, (charge, talk_ms));
            }
            Event::Window(used) => self.windows.count(&used),
            Event::Grown { key, before_us, months } => self.grown(key, before_us, months),
            Event::Learnt { key, before_us, peak } => self.learnt(key, before_us, peak),
            Event::Admit(admit) => self.admit(&admit, now),
            Event::Adopt(adopt) => self.adopt(adopt, now),
            Event::Started(hold) => self.start(hold),
            Event::Narrow { hold, levels } => self.narrow(hold, &levels),
            Event::Widen { hold, levels, ms_min, at_us } => {
                self.widen(hold, &levels, (ms_min, at_us), now);
            }
            Event::Extend { hold, granted_ms, free_ms } => self.extend(hold, granted_ms, free_ms),
            Event::Settle(settle) => self.settle(&settle, true),
            Event::Replay(settle) => self.settle(&settle, false),
            Event::Void(hold) => {
                self.release(hold);
                self.voided.remember(hold);
            }
            Event::Adjust(adjust) => self.adjust(&adjust),
            Event::Committed(commit) => self.commit(&commit),
        }
        self.lengthen();
    }

    /// Gives up holds whose deadline has passed, and goes on lengthening calls.
    pub fn handle_timeout(&mut self, now: Ms) {
        for _ in 0..EXPIRED_PER_STEP {
            match self.deadlines.first() {
                Some(&(due, hold)) if due <= now => {
                    self.release(hold);
                    self.out.push_back(Output::Expired(hold));
                }
                Some(_) | None => break,
            }
        }
        self.lengthen();
    }

    /// When [`Till::handle_timeout`] is due.
    #[must_use]
    pub fn poll_timeout(&self) -> Option<Ms> {
        let expiry = self.deadlines.first().map(|(due, _)| *due);
        if self.rises.is_empty() { expiry } else { Some(Ms(0)) }
    }

    /// The next answer.
    pub fn poll_output(&mut self) -> Option<Output> {
        self.out.pop_front()
    }

    /// An account's numbers; `None` when it was never loaded.
    #[must_use]
    pub fn balance(&self, key: AccountKey) -> Option<Balance> {
        let account = self.accounts.get(self.accounts.find(key)?)?;
        account.is_loaded.then(|| account.balance(key))
    }

    /// All accounts' numbers, in the order in which they were first heard of.
    pub fn balances(&self) -> impl Iterator<Item = Balance> + '_ {
        self.accounts.iter().filter(|(_, a)| a.is_loaded).map(|(key, a)| a.balance(key))
    }

    /// Live holds in order, and whether each was answered: for the recount against the call table.
    pub fn holds(&self) -> impl Iterator<Item = (HoldId, bool)> + '_ {
        self.holds.iter().map(|(id, hold)| (*id, hold.state == HoldState::Talking))
    }

    /// What calls of an account have cost in the periods of `at_us`.
    #[must_use]
    pub fn spent_at(&self, key: AccountKey, at_us: i64) -> [Amount; PERIODS] {
        let Some(place) = self.accounts.find(key) else { return [Amount::ZERO; PERIODS] };
        let since = self.since(place, at_us);
        let spendings = self.accounts.get(place).map(|account| account.spendings);
        spendings.map_or([Amount::ZERO; PERIODS], |spendings| spendings.used(since))
    }

    /// How long calls of an account have talked in the periods of `at_us`, milliseconds.
    #[must_use]
    pub fn talked_at(&self, key: AccountKey, at_us: i64) -> [u64; PERIODS] {
        let Some(place) = self.accounts.find(key) else { return [0; PERIODS] };
        let since = self.since(place, at_us);
        let account = self.accounts.get(place);
        account.map_or([0; PERIODS], |account| account.spendings.talked_ms(since))
    }

    /// The limits of the periods of `at_us`; `None` = no limit.
    #[must_use]
    pub fn most_at(&self, key: AccountKey, at_us: i64) -> [Option<Amount>; PERIODS] {
        let Some(place) = self.accounts.find(key) else { return [None; PERIODS] };
        let since = self.since(place, at_us);
        let account = self.accounts.get(place);
        account.map_or([None; PERIODS], |account| account.spendings.most(since))
    }

    /// What calls hold of an account, with ids above `after`, in order.
    pub fn holds_of(
        &self,
        key: AccountKey,
        after: Option<HoldId>,
    ) -> impl Iterator<Item = AccountHold> + '_ {
        let place = self.accounts.find(key);
        let behind = after.map_or(Bound::Unbounded, Bound::Excluded);
        self.holds.range((behind, Bound::Unbounded)).filter_map(move |(_, hold)| {
            let held = hold.levels.iter().find(|held| Some(held.place) == place)?;
            let answered = hold.state == HoldState::Talking;
            Some(AccountHold { granted: hold.granted, amount: held.amount, answered })
        })
    }

    /// What an allowance has given and can give; `None` when it was never told.
    #[must_use]
    pub fn pool(&self, allowance: AllowanceId) -> Option<Pool> {
        self.pools.get(allowance).copied()
    }

    /// What a packet of money has given and can give; `None` when it was never told.
    #[must_use]
    pub fn packet(&self, packet: AllowanceId) -> Option<PacketLeft> {
        self.packets.get(packet)
    }

    /// Whether a hold stands.
    #[must_use]
    pub fn has_hold(&self, hold: HoldId) -> bool {
        self.holds.contains_key(&hold)
    }

    /// Whether payers were added to a hold while it rang.
    #[must_use]
    pub fn is_widened(&self, hold: HoldId) -> bool {
        self.holds.get(&hold).is_some_and(|hold| hold.is_widened)
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
        let Some(place) = self.place_of(load.key) else { return };
        if let Some(account) = self.accounts.get_mut(place) {
            account.load(load);
        }
        let since = self.since(place, load.growth.map_or(i64::MIN, |growth| growth.since_us));
        if let Some(account) = self.accounts.get_mut(place) {
            account.spendings.grow(load.growth, since);
        }
        self.rise(place);
    }

    fn learnt(&mut self, key: AccountKey, before_us: i64, peak: Amount) {
        let Some(place) = self.accounts.find(key) else { return };
        if let Some(account) = self.accounts.get_mut(place) {
            account.spendings.taught(before_us, peak);
        }
        self.rise(place);
    }

    fn allow(&mut self, allow: &Allow) {
        let Allow { allowance, key, granted_ms, used_ms } = *allow;
        self.pools.load(allowance, Pool { key, granted_ms, used_ms, reserved_ms: 0 });
        let Some(place) = self.place_of(key) else { return };
        if let Some(account) = self.accounts.get_mut(place) {
            account.has_pools = true;
        }
        self.rise(place);
    }

    fn load_packet(&mut self, load: &Packet) {
        let Packet { packet, key, granted, used } = *load;
        let Some(place) = self.place_of(key) else { return };
        let by = self.packets.load(packet, place, (granted, used));
        if let Some(account) = self.accounts.get_mut(place) {
            account.has_pools = true;
            account.shift_held(by);
        }
        self.rise(place);
    }

    fn spent(&mut self, key: AccountKey, at_us: i64, (charge, talk_ms): (Amount, u64)) {
        let Some(place) = self.place_of(key) else { return };
        let since = self.since(place, at_us);
        if let Some(account) = self.accounts.get_mut(place) {
            account.spendings.charge(since, charge);
            account.spendings.talk(since, talk_ms);
        }
        if self.accounts.get(place).is_some_and(|account| account.counts) {
            self.charge_tenant(place, since, charge);
        }
    }

    fn grown(&mut self, key: AccountKey, before_us: i64, months: u32) {
        let Some(place) = self.accounts.find(key) else { return };
        if let Some(account) = self.accounts.get_mut(place) {
            account.spendings.grown(before_us, months);
        }
        self.rise(place);
    }

    /// The periods in which a call of an account counts that began at `at_us`.
    fn since(&self, place: Place, at_us: i64) -> Since {
        let tenant = self.accounts.get(place).and_then(|account| account.tenant);
        let calendar = tenant.and_then(|tenant| self.calendars.get(&tenant));
        calendar.unwrap_or(&NO_CALENDAR).since(at_us)
    }

    fn admit(&mut self, admit: &Admit, now: Ms) {
        let id = admit.hold;
        let answer = match self.known_answer(id) {
            Some(known) => known,
            None => self.admit_new(admit, now),
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

    /// Whether the call gets everything, and for how long; then takes it.
    fn admit_new(&mut self, admit: &Admit, now: Ms) -> Result<Granted, Refusal> {
        check_shape(&admit.levels, admit.limits.len())?;
        if self.holds.len() >= HOLDS_MAX || !self.limits.has_room(admit.limits.len(), now) {
            return Err(Refusal::Full);
        }
        let mut levels = self.find_levels(&admit.levels, admit.at_us)?;
        self.take_packet(&mut levels, admit.packet);
        self.check_limits(&levels, &admit.limits, now)?;
        self.check_money(&levels, admit.money_min)?;
        self.check_window(admit.window.as_ref())?;
        let granted = self.plan(&levels, admit)?;
        self.take(levels, admit, granted, now);
        Ok(granted)
    }

    fn find_levels(&self, payers: &[Payer], at_us: i64) -> Result<Vec<Held>, Refusal> {
        let find = |payer: &Payer| {
            let place = self.accounts.find(payer.key);
            let loaded = place.filter(|p| self.accounts.get(*p).is_some_and(|a| a.is_loaded));
            let place = loaded.ok_or(Refusal::UnknownAccount(payer.key))?;
            Ok(self.unheld(*payer, place, at_us))
        };
        payers.iter().map(find).collect()
    }

    fn unheld(&self, payer: Payer, place: Place, at_us: i64) -> Held {
        let since = self.since(place, at_us);
        let counts = self.accounts.get(place).is_some_and(|account| account.counts);
        let (amount, is_limited, packet) = (Amount::ZERO, false, None);
        Held { payer, place, amount, since, is_limited, counts, packet }
    }

    /// The first payer's packet pays before its balance.
    fn take_packet(&self, levels: &mut [Held], packet: Option<AllowanceId>) {
        if let Some(held) = levels.first_mut() {
            held.packet = self.packets.of(packet, held.place);
        }
    }

    fn check_limits(&self, levels: &[Held], limits: &[LimitAsk], now: Ms) -> Result<(), Refusal> {
        for held in levels {
            let admits = |a: &Account| a.counter.admits(a.calls_max, a.per_second_max, now);
            if !self.accounts.get(held.place).is_some_and(admits) {
                return Err(Refusal::AccountLimit(held.payer.key));
            }
            let is_out = |a: &Account| a.spendings.is_talked_out(held.since);
            if self.accounts.get(held.place).is_some_and(is_out) {
                return Err(Refusal::TalkedOut(held.payer.key));
            }
        }
        for limit in limits {
            let counter = self.limits.counter(limit.key);
            if !counter.admits(limit.calls_max, limit.per_second_max, now) {
                return Err(Refusal::Limit(limit.key));
            }
        }
        Ok(())
    }

    /// Whether the first payer has what it must have for a call to begin.
    fn check_money(&self, levels: &[Held], least: Option<Amount>) -> Result<(), Refusal> {
        let (Some(least), Some(first)) = (least, levels.first()) else { return Ok(()) };
        let left = self.accounts.get(first.place).and_then(|a| a.money(Amount::ZERO));
        let is_short = left.is_some_and(|left| left < least);
        match is_short && first.payer.bound.cost_up(COSTS_MS) > Amount::ZERO {
            true => Err(Refusal::NoCredit(first.payer.key)),
            false => Ok(()),
        }
    }

    fn plan(&self, levels: &[Held], admit: &Admit) -> Result<Granted, Refusal> {
        let nothing = Granted { hold: admit.hold, ms: 0, free_ms: 0, last: false };
        let free_ms = self.next_free(levels, admit.free, nothing, admit.ms_max);
        let mut total = Slice::UNLIMITED;
        for (index, held) in levels.iter().enumerate() {
            let covered_ms = if index == 0 { free_ms } else { 0 };
            let is_short = |slice: Slice| slice.most_ms < admit.ms_min.max(1);
            let slice = self.next_slice(held, levels, (0, covered_ms));
            total = shorter(total, slice);
            if is_short(slice) {
                let alone = Held { counts: false, ..*held };
                let can = !is_short(self.next_slice(&alone, &[], (0, covered_ms)));
                return Err(match self.whole_of(held).filter(|_| can) {
                    Some(tenant) => Refusal::TenantSpent(tenant),
                    None => Refusal::NoCredit(held.payer.key),
                });
            }
        }
        Ok(granted_of(levels, (total, free_ms), nothing, admit.ms_max))
    }

    /// How much of a call an allowance pays next. Only of one that it has paid whole so far: see
    /// the crate's page.
    fn next_free(
        &self,
        levels: &[Held],
        free: Option<AllowanceId>,
        granted: Granted,
        ms_max: u64,
    ) -> u64 {
        let pool = free.and_then(|allowance| self.pools.get(allowance));
        match pool.zip(levels.first()) {
            Some((pool, held)) if granted.ms <= granted.free_ms => {
                next_free(&held.payer.bound, pool.left_ms(), granted.free_ms, ms_max)
            }
            Some(_) | None => granted.free_ms,
        }
    }

    /// The slice after `granted_ms` that one of the levels agrees to, `free_ms` of the call being
    /// free.
    fn next_slice(&self, held: &Held, levels: &[Held], (granted_ms, free_ms): (u64, u64)) -> Slice {
        let bound = held.payer.bound.behind(free_ms);
        let account = self.accounts.get(held.place);
        let room = held.packet.and_then(|packet| self.packets.room(packet, held.amount));
        let own = account.and_then(|a| match room {
            None => a.available(held.amount, held.since),
            Some(room) => a.available_with(held.amount, held.since, room),
        });
        let slice = match [own, self.tenant_share(held, levels)].into_iter().flatten().min() {
            Some(available) => Slice::next(&bound, available, granted_ms.max(free_ms)),
            None => Slice::UNLIMITED,
        };
        // Free time that is worth a slice needs no money beside it yet.
        if free_ms >= granted_ms.saturating_add(SLICE_MS_MIN) {
            return Slice { ms: free_ms, last: false, ..slice };
        }
        slice
    }

    /// Money came in, or a limit was raised: calls of the account in their last slice may get more.
    fn rise(&mut self, place: Place) {
        if self.last.range(of_place(place, HoldId(0))).next().is_some() {
            self.rises.insert(place, HoldId(0));
        }
    }

    /// Gives calls in their last slice another one, as far as there is money: each as much as if it
    /// had asked, and first come first served, so that nothing is promised twice.
    fn lengthen(&mut self) {
        for _ in 0..LENGTHENED_PER_STEP {
            let Some((&place, &from)) = self.rises.first_key_value() else { return };
            let next = self.last.range(of_place(place, from)).next().map(|(_, id)| *id);
            let is_spent =
                |a: &Account| !a.has_pools && a.money(Amount::ZERO).is_some_and(|left| left.0 <= 0);
            match next.filter(|_| !self.accounts.get(place).is_some_and(is_spent)) {
                Some(id) => {
                    self.rises.insert(place, HoldId(id.0.saturating_add(1)));
                    self.lengthen_one(id);
                }
                None => {
                    self.rises.remove(&place);
                }
            }
        }
    }

    fn lengthen_one(&mut self, id: HoldId) {
        let Some(mut hold) = self.holds.remove(&id) else { return };
        let more = self.next_of(&hold);
        if more.ms >= hold.granted.ms.saturating_add(LENGTHEN_MS_MIN) {
            hold.granted = more;
            self.hold_for_grant(&mut hold);
            self.out.push_back(Output::Lengthened(more));
        }
        self.keep(id, hold);
    }

    /// What a hold would be granted next.
    fn next_of(&self, hold: &Hold) -> Granted {
        let ms_max = hold.ms_max.max(granted_if_limited(hold));
        self.next_grant(&hold.levels, hold.free, hold.granted, ms_max)
    }

    fn next_grant(
        &self,
        levels: &[Held],
        free: Option<AllowanceId>,
        granted: Granted,
        ms_max: u64,
    ) -> Granted {
        let free_ms = self.next_free(levels, free, granted, ms_max);
        let mut total = Slice::UNLIMITED;
        for (index, held) in levels.iter().enumerate() {
            let covered_ms = if index == 0 { free_ms } else { 0 };
            total = shorter(total, self.next_slice(held, levels, (granted.ms, covered_ms)));
        }
        granted_of(levels, (total, free_ms), granted, ms_max)
    }

    /// Makes each level hold the bound of the granted time, and the allowance its part.
    fn hold_for_grant(&mut self, hold: &mut Hold) {
        let free_ms = hold.granted.free_ms;
        if let Some(allowance) = hold.free {
            self.pools.reserve(allowance, hold.reserved_ms, free_ms);
            hold.reserved_ms = free_ms;
        }
        for (index, held) in hold.levels.iter_mut().enumerate() {
            let bound = held.payer.bound.behind(if index == 0 { free_ms } else { 0 });
            held.is_limited = self.is_limited(held);
            let after = match held.is_limited {
                true => held_for(&bound, hold.granted.ms),
                false => Amount::ZERO,
            };
            self.change_hold(held, after);
        }
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
        let is_counted = released.as_ref().is_some_and(|hold| hold.is_counted);
        let held = released.map(|hold| hold.levels);
        for line in self.bounded(&settle.lines) {
            self.charge(id, line, settle.at_us, held.as_deref());
        }
        if let Some(used) = settle.window {
            let calls = if is_counted { 0 } else { used.calls };
            self.windows.count(&WindowUse { calls, ..used });
        }
        for talk in settle.talks.iter().take(LEVELS_MAX) {
            self.talk(*talk, settle.at_us, held.as_deref());
        }
        if let Some(FreeUse { allowance, ms }) = settle.free {
            match self.pools.spend(allowance, ms) {
                0 => {}
                by_ms => self.alarm(Alarm::Overdrawn { allowance, by_ms }),
            }
        }
        if let Some(used) = settle.packet {
            self.pay_by_packet(used);
        }
        self.settled.remember(id);
    }

    /// A call talked: counted where what it cost is.
    fn talk(&mut self, Talk { key, ms }: Talk, at_us: i64, levels: Option<&[Held]>) {
        let held = levels.and_then(|levels| levels.iter().find(|held| held.payer.key == key));
        let place = held.map(|held| held.place).or_else(|| self.place_of(key));
        let Some(place) = place else { return };
        let since = held.map_or_else(|| self.since(place, at_us), |held| held.since);
        if let Some(account) = self.accounts.get_mut(place) {
            account.spendings.talk(since, ms);
        }
    }

    /// What a packet pays of a charge is given back to the balance that paid it.
    fn pay_by_packet(&mut self, PacketUse { packet, charge }: PacketUse) {
        let Some((place, pays, by)) = self.packets.pay(packet, charge) else {
            return self.alarm(Alarm::UnknownPacket(packet));
        };
        if let Some(account) = self.accounts.get_mut(place) {
            account.promise(pays);
            account.shift_held(by);
        }
        self.rise(place);
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

    /// Charges one line, and compares it with what was held for it. A charge beyond its hold is
    /// drift: some bound was none.
    fn charge(&mut self, hold: HoldId, line: &Line, at_us: i64, levels: Option<&[Held]>) {
        let Line { key, charge } = *line;
        let held = levels.and_then(|levels| levels.iter().find(|held| held.payer.key == key));
        let place = held.map(|held| held.place).or_else(|| self.place_of(key));
        let Some(place) = place else { return };
        let since = held.map_or_else(|| self.since(place, at_us), |held| held.since);
        let account = self.accounts.get(place);
        if held.map_or(account.is_some_and(|account| account.counts), |held| held.counts) {
            self.charge_tenant(place, since, charge);
        }
        let Some(account) = self.accounts.get_mut(place) else { return };
        account.charge(since, charge);
        let is_known = account.is_loaded;
        let was_limited = held.is_some_and(|held| held.is_limited);
        if !is_known {
            self.alarm(Alarm::UnknownAccount(key));
        }
        let by = charge.0.saturating_sub(held.map_or(0, |held| held.amount.0));
        if was_limited && by > 0 && charge.0 > 0 {
            self.alarm(Alarm::Overspent { hold, key, by: Amount(by) });
        }
    }

    fn adjust(&mut self, adjust: &Adjust) {
        let Adjust { id, key, amount, stage } = *adjust;
        if let (Stage::Durable | Stage::Dropped, Some((place, amount))) =
            (stage, self.asked.get(&id).copied())
        {
            return self.end_asked(id, place, amount, stage);
        }
        let is_known = self.adjusted.contains(id);
        let place = self.accounts.find(key);
        let account = place.and_then(|place| self.accounts.get_mut(place));
        let Some((place, account)) = place.zip(account.filter(|account| account.is_loaded)) else {
            let why = Refusal::UnknownAccount(key);
            self.out.push_back(Output::AdjustRefused { id, why });
            return;
        };
        match stage {
            Stage::Dropped => return,
            Stage::Durable | Stage::Asked if is_known => {}
            Stage::Durable => account.post(amount),
            Stage::Asked => {
                let available = account.money(Amount::ZERO);
                let after = available.map(|left| left.0.saturating_add(amount.0));
                if amount.0 < 0 && after.is_some_and(|after| after < 0) {
                    let why = Refusal::NoCredit(key);
                    self.out.push_back(Output::AdjustRefused { id, why });
                    return;
                }
                account.promise(amount);
                self.asked.insert(id, (place, amount));
            }
        }
        let balance = account.total();
        self.adjusted.remember(id);
        self.out.push_back(Output::Adjusted { id, balance });
        self.rise(place);
    }

    /// An adjustment that was asked is written now, or never will be.
    fn end_asked(&mut self, id: u64, place: Place, amount: Amount, stage: Stage) {
        self.asked.remove(&id);
        let Some(account) = self.accounts.get_mut(place) else { return };
        account.promise(Amount(amount.0.saturating_neg()));
        match stage {
            Stage::Durable => {
                account.post(amount);
                let balance = account.total();
                self.out.push_back(Output::Adjusted { id, balance });
            }
            Stage::Asked | Stage::Dropped => self.rise(place),
        }
    }

    fn commit(&mut self, commit: &Commit) {
        if self.committed.is_some_and(|last| commit.batch <= last) {
            return;
        }
        self.committed = Some(commit.batch);
        for line in self.bounded(&commit.lines) {
            let place = self.accounts.find(line.key);
            if let Some(account) = place.and_then(|place| self.accounts.get_mut(place)) {
                account.commit(line.charge);
            }
        }
    }

    /// The place of an account, made when there is none yet.
    fn place_of(&mut self, key: AccountKey) -> Option<Place> {
        let place = self.accounts.find_or_open(key, ACCOUNTS_MAX);
        if place.is_none() {
            self.alarm(Alarm::Full);
        }
        place
    }

    fn alarm(&mut self, alarm: Alarm) {
        self.drift += 1;
        self.out.push_back(Output::Alarm(alarm));
    }
}

/// Holds of a payer in their last slice, from one on.
fn of_place(place: Place, from: HoldId) -> RangeInclusive<(Place, HoldId)> {
    (place, from)..=(place, HoldId(u64::MAX))
}

fn check_shape(levels: &[Payer], limits: usize) -> Result<(), Refusal> {
    let is_new = |(index, payer): (usize, &Payer)| {
        !levels.iter().take(index).any(|before| before.key == payer.key)
    };
    let ok =
        levels.len() <= LEVELS_MAX && limits <= LIMITS_MAX && levels.iter().enumerate().all(is_new);
    if ok { Ok(()) } else { Err(Refusal::Malformed) }
}

/// The shorter of two; when equal, the one that is the last.
fn shorter(a: Slice, b: Slice) -> Slice {
    match a.ms.cmp(&b.ms) {
        std::cmp::Ordering::Less => a,
        std::cmp::Ordering::Greater => b,
        std::cmp::Ordering::Equal => Slice { last: a.last || b.last, ..a },
    }
}

/// What a call is granted next of a slice that all its levels agree to, the first `free_ms` of the
/// call being free.
fn granted_of(
    levels: &[Held],
    (total, free_ms): (Slice, u64),
    granted: Granted,
    ms_max: u64,
) -> Granted {
    let next = grant(granted.hold, total, ms_max);
    // No more is free than what another level lets it talk.
    let talk_ms = levels.first().map_or(0, |held| held.payer.bound.whole_steps(next.ms));
    Granted { free_ms: free_ms.min(talk_ms).max(granted.free_ms), ..next }
}

/// The grant of a slice, cut at the longest talk time.
fn grant(hold: HoldId, slice: Slice, ms_max: u64) -> Granted {
    match slice.ms {
        u64::MAX => Granted { hold, ms: u64::MAX, free_ms: 0, last: false },
        ms if ms_max > 0 && ms >= ms_max => Granted { hold, ms: ms_max, free_ms: 0, last: true },
        ms => Granted { hold, ms, free_ms: 0, last: slice.last },
    }
}

/// A limit of talk time never takes back what was granted.
const fn granted_if_limited(hold: &Hold) -> u64 {
    if hold.ms_max == 0 { 0 } else { hold.granted.ms }
}

mod hold;
mod whole;
mod widen;

#[cfg(test)]
mod size;
#[cfg(test)]
mod tests;
