//! Random lists of events against a small reference: sums written down by hand, no slices, no plan.

use super::*;
use proptest::prelude::*;
use std::collections::BTreeMap;
use strowger_model::SubscriberId;

/// A day is 200 s, a month three of them.
const DAY_LENGTH_US: i64 = 200_000_000;
const LENGTHS_US: [i64; PERIODS] = [DAY_LENGTH_US, 3 * DAY_LENGTH_US];

#[derive(Clone, Debug)]
enum Step {
    Admit {
        hold: u64,
        levels: Vec<i64>,
        price: usize,
        ms_min: u64,
        ms_max: u64,
        limit: bool,
        free: bool,
    },
    Started(u64),
    /// Payers of a call that rings, and their price.
    Widen {
        hold: u64,
        levels: Vec<i64>,
        price: usize,
        ms_min: u64,
    },
    Extend(u64),
    /// Settles after a part of the granted time, thousandths.
    Settle(u64, u64),
    Void(u64),
    Pay(i64, i64),
    /// Account, amount, and whether it is written then; `None` = it stays under way.
    Withdraw(i64, i64, Option<bool>),
    Commit,
    Wait(u64),
}

const PRICES: [(i64, u32, i64); 5] = [
    (100_000_000, 1_000, 0),
    (6_000_000_000, 60_000, 5_000),
    (1, 1, 0),
    (0, 1_000, 0),
    (250_000_000, 7_000_000, 0),
];
/// Accounts 1 to 3 have a floor, 4 has none and at most 3 calls, 2 at most 4.
const FLOORS: [Option<i64>; 4] = [Some(0), Some(-50_000_000), Some(20_000_000), None];
const CALLS_MAX: [u32; 4] = [0, 4, 0, 3];
/// What an account may spend a day and a month: the second a day, the third both.
fn spend_max(account: i64) -> [Option<Amount>; PERIODS] {
    match account {
        2 => [Some(Amount(25_000_000)), None],
        3 => [Some(Amount(30_000_000)), Some(Amount(45_000_000))],
        _ => [None; PERIODS],
    }
}

/// The month of the third grows.
fn growth(account: i64) -> Option<Growth> {
    let (by, to) = (Amount(10_000_000), Some(Amount(60_000_000)));
    (account == 3).then_some(Growth { by, to, since_us: 0 })
}

/// Free time of accounts 1, 3 and 4, milliseconds; a call takes that of its first payer.
const POOLS: [u64; 4] = [300_000, 0, 45_500, 2_000_000];

fn pool_of(levels: &[(i64, CostBound)]) -> Option<AllowanceId> {
    let (account, _) = levels.first()?;
    (POOLS[slot(*account)] > 0).then_some(AllowanceId(*account))
}

const LIMIT: LimitKey = LimitKey::Subscriber(SubscriberId(1));
const LIMIT_MAX: u32 = 3;
const LIMIT_PER_SECOND: u32 = 2;

fn steps() -> impl Strategy<Value = Step> {
    let hold = || (0..8_u64, 0..2_u64).prop_map(|(id, shard)| shard << 56 | id);
    let levels = proptest::sample::subsequence(vec![1_i64, 2, 3, 4], 0..4).prop_shuffle();
    let more = proptest::sample::subsequence(vec![1_i64, 2, 3, 4], 1..4).prop_shuffle();
    let more = (hold(), more, 0..PRICES.len(), 0..100_000_u64);
    let ms_max = prop_oneof![Just(0_u64), 1..500_000_u64];
    let flags = any::<(bool, bool)>();
    let admit = (hold(), levels, 0..PRICES.len(), 0..100_000_u64, ms_max, flags);
    prop_oneof![
        6 => admit.prop_map(|(hold, levels, price, ms_min, ms_max, (limit, free))| Step::Admit {
            hold, levels, price, ms_min, ms_max, limit, free
        }),
        3 => more.prop_map(|(hold, levels, price, ms_min)| Step::Widen {
            hold, levels, price, ms_min
        }),
        3 => hold().prop_map(Step::Started),
        4 => hold().prop_map(Step::Extend),
        4 => (hold(), 0..=1_000_u64).prop_map(|(hold, part)| Step::Settle(hold, part)),
        2 => hold().prop_map(Step::Void),
        1 => (1..5_i64, 0..200_000_000_i64).prop_map(|(a, amount)| Step::Pay(a, amount)),
        1 => (1..5_i64, 0..200_000_000_i64, any::<Option<bool>>())
            .prop_map(|(a, amount, written)| Step::Withdraw(a, amount, written)),
        1 => Just(Step::Commit),
        2 => prop_oneof![0..400_u64, Just(70_000_u64), Just(UNSTARTED_MS / 3)].prop_map(Step::Wait),
    ]
}

impl Known {
    /// What it can cost an account.
    fn cost(&self, account: i64) -> Option<i64> {
        let at = self.levels.iter().position(|(a, _)| *a == account)?;
        let bound = self.levels[at].1.behind(if at == 0 { self.granted.free_ms } else { 0 });
        let most = if self.granted.ms == u64::MAX { 1 << 40 } else { self.granted.ms };
        Some(bound.cost_up(most).0)
    }
}

/// A call as the reference knows it.
#[derive(Clone, Debug)]
struct Known {
    levels: Vec<(i64, CostBound)>,
    free: Option<AllowanceId>,
    granted: Granted,
    ms_max: u64,
    limit: bool,
    talking: bool,
    since: Ms,
    /// Its day and month.
    periods: [i64; PERIODS],
}

struct Reference {
    desk: Desk,
    calls: BTreeMap<u64, Known>,
    settled: Vec<u64>,
    /// Balance by the database, and what is under way to it.
    posted: [i64; 4],
    pending: [i64; 4],
    admitted_in_second: (u64, u32),
    ids: u64,
    unheld: u64,
    /// Charged, by account, kind of period and its number.
    used: BTreeMap<(i64, usize, i64), i64>,
    /// Free time that records used, by account.
    free_used: [u64; 4],
    /// A record came of a call older than last month: its month may no longer count.
    late: bool,
}

fn slot(account: i64) -> usize {
    usize::try_from(account - 1).unwrap()
}

fn has_floor(account: i64) -> bool {
    FLOORS[slot(account)].is_some()
}

impl Reference {
    fn new(posted: [i64; 4]) -> Reference {
        let mut desk = Desk { till: Till::new(), now: Ms(1_000) };
        for account in 1..5_i64 {
            desk.tell(Event::Load(Load {
                key: key(account),
                posted: Amount(posted[slot(account)]),
                floor: FLOORS[slot(account)].map(Amount),
                calls_max: CALLS_MAX[slot(account)],
                per_second_max: 0,
                tenant: TenantId(1),
                spend_max: spend_max(account),
                talk_ms_max: [None; PERIODS],
                growth: growth(account),
                learning: None,
                counts: false,
            }));
            let (allowance, key) = (AllowanceId(account), key(account));
            let (granted_ms, used_ms) = (POOLS[slot(account)], 0);
            desk.tell(Event::Allow(Allow { allowance, key, granted_ms, used_ms }));
        }
        Reference {
            desk,
            calls: BTreeMap::new(),
            settled: Vec::new(),
            posted,
            pending: [0; 4],
            admitted_in_second: (0, 0),
            ids: 0,
            unheld: 0,
            used: BTreeMap::new(),
            free_used: [0; 4],
            late: false,
        }
    }

    fn held(&self, account: i64) -> i64 {
        let of_call = |call: &Known| call.cost(account).filter(|_| has_floor(account));
        self.calls.values().filter_map(of_call).sum()
    }

    fn now_us(&self) -> i64 {
        i64::try_from(self.desk.now.0).unwrap() * 1_000
    }

    /// Numbers of the day and the month now.
    fn periods(&self) -> [i64; PERIODS] {
        LENGTHS_US.map(|length| self.now_us().div_euclid(length))
    }

    fn tell_calendar(&mut self) {
        let bounds = LENGTHS_US.map(|length| {
            let from_us = self.now_us().div_euclid(length) * length;
            Bounds { before_us: from_us - length, from_us, next_us: from_us + length }
        });
        let calendar = Calendar(bounds);
        assert_eq!(self.next(Event::Calendar { tenant: TenantId(1), calendar }), []);
    }

    fn used(&self, account: i64, kind: usize, period: i64) -> i64 {
        self.used.get(&(account, kind, period)).copied().unwrap_or_default()
    }

    /// The limit of a period: that of a month grows by each month before it that cost something.
    fn most(&self, account: i64, kind: usize, period: i64) -> Option<i64> {
        let most = spend_max(account)[kind]?.0;
        let Some(growth) = growth(account).filter(|_| kind == MONTH) else { return Some(most) };
        let months = (0..period).filter(|month| self.used(account, MONTH, *month) > 0).count();
        let grown = most + growth.by.0 * i64::try_from(months).unwrap();
        Some(growth.to.map_or(grown, |to| grown.min(to.0)))
    }

    /// What the till says of the limits now: never more than they are, and as a rule just that.
    fn check_most(&self, account: i64) {
        let said = self.desk.till.most_at(key(account), self.now_us());
        for (kind, said) in said.into_iter().enumerate() {
            let most = self.most(account, kind, self.periods()[kind]);
            let said = said.map(|said| said.0);
            let base = spend_max(account)[kind].map(|base| base.0);
            assert!(base <= said && said <= most, "{account} {kind}: {said:?} {most:?}");
            assert!(self.late || said == most, "{account} {kind}: {said:?} {most:?}");
        }
    }

    /// What calls of one period hold.
    fn held_in(&self, account: i64, kind: usize, period: i64) -> i64 {
        let of_call = |call: &Known| call.cost(account).filter(|_| call.periods[kind] == period);
        self.calls.values().filter_map(of_call).sum()
    }

    /// What a call that begins now could cost.
    fn affordable(&self, account: i64) -> i64 {
        let left = |kind: usize| {
            let most = self.desk.till.most_at(key(account), self.now_us())[kind]?.0;
            let period = self.periods()[kind];
            Some(most - self.used(account, kind, period) - self.held_in(account, kind, period))
        };
        let periods = (0..PERIODS).filter_map(left);
        periods.chain([self.available(account)]).min().unwrap()
    }

    fn available(&self, account: i64) -> i64 {
        let place = slot(account);
        let floor = FLOORS[place].unwrap_or(i64::MIN / 4);
        self.posted[place] + self.pending[place] - self.held(account) - floor
    }

    /// What running calls can still use of the free time of an account.
    fn reserved(&self, account: i64) -> u64 {
        let of_call = |call: &&Known| call.free == Some(AllowanceId(account));
        self.calls.values().filter(of_call).map(|call| call.granted.free_ms).sum()
    }

    /// The first slice of free time: an eighth of what is left, a minute to an hour of it.
    fn next_free(&self, (account, bound): &(i64, CostBound), ms_max: u64) -> u64 {
        let place = slot(*account);
        let left = POOLS[place] - self.free_used[place] - self.reserved(*account);
        let slice = bound.whole_steps((left / 8).clamp(60_000, 3_600_000)).min(left);
        if ms_max > 0 { slice.min(bound.whole_steps(ms_max)) } else { slice }
    }

    fn calls_of(&self, account: i64) -> usize {
        self.calls.values().filter(|call| call.levels.iter().any(|(a, _)| *a == account)).count()
    }

    fn limited(&self) -> usize {
        self.calls.values().filter(|call| call.limit).count()
    }

    fn next(&mut self, event: Event) -> Vec<Output> {
        self.desk.till.handle(event, self.desk.now);
        self.drain()
    }

    /// What was said to whoever asked; calls that were lengthened unasked are noted.
    fn drain(&mut self) -> Vec<Output> {
        let mut said = Vec::new();
        while let Some(output) = self.desk.till.poll_output() {
            if let Output::Lengthened(more) = output {
                let before = self.calls.get_mut(&more.hold.0).expect("a call");
                assert!(before.granted.last, "it would have asked");
                assert!(more.ms >= before.granted.ms + LENGTHEN_MS_MIN);
                assert!(more.free_ms >= before.granted.free_ms);
                assert!(before.ms_max == 0 || more.ms <= before.ms_max.max(before.granted.ms));
                before.granted = more;
            } else {
                said.push(output);
            }
        }
        said
    }

    fn step(&mut self, step: Step) {
        self.tell_calendar();
        match step {
            Step::Admit { hold, levels, price, ms_min, ms_max, limit, free } => {
                let (price, step_ms, fee) = PRICES[price];
                let bound = priced(price, step_ms, fee);
                let levels: Vec<(i64, CostBound)> = levels.iter().map(|a| (*a, bound)).collect();
                let free = pool_of(&levels).filter(|_| free);
                self.admit((hold, levels, free), ms_min, ms_max, limit);
            }
            Step::Started(hold) => {
                let said = self.next(Event::Started(HoldId(hold)));
                match self.calls.get_mut(&hold) {
                    Some(call) => call.talking = true,
                    None if self.settled.contains(&hold) => assert_eq!(said, []),
                    None => assert_eq!(said, [Output::Unknown(HoldId(hold))]),
                }
            }
            Step::Widen { hold, levels, price, ms_min } => {
                self.widen(hold, &levels, PRICES[price], ms_min);
            }
            Step::Extend(hold) => self.extend(hold),
            Step::Settle(hold, part) => self.settle(hold, part),
            Step::Void(hold) => {
                assert_eq!(self.next(Event::Void(HoldId(hold))), []);
                self.calls.remove(&hold);
            }
            Step::Pay(account, amount) => self.pay(account, amount),
            Step::Withdraw(account, amount, written) => self.withdraw(account, -amount, written),
            Step::Commit => {
                let line = |place: usize| Line {
                    key: key(i64::try_from(place).unwrap() + 1),
                    charge: Amount(-self.pending[place]),
                };
                let lines = (0..4).map(line).collect();
                self.ids += 1;
                let batch = self.ids;
                assert_eq!(self.next(Event::Committed(Commit { batch, lines })), []);
                for place in 0..4 {
                    self.posted[place] += std::mem::take(&mut self.pending[place]);
                }
            }
            Step::Wait(ms) => {
                self.desk.now = self.desk.now.plus(ms);
                let now = self.desk.now;
                self.desk.till.handle_timeout(now);
                self.calls.retain(|_, call| call.talking || call.since.plus(UNSTARTED_MS) > now);
                self.drain();
            }
        }
    }

    fn admit(
        &mut self,
        (hold, levels, free): (u64, Vec<(i64, CostBound)>, Option<AllowanceId>),
        ms_min: u64,
        ms_max: u64,
        limit: bool,
    ) {
        let payers = levels.iter().map(|(a, bound)| Payer { key: key(*a), bound: *bound });
        let (calls_max, per_second_max) = (LIMIT_MAX, LIMIT_PER_SECOND);
        let limits = vec![LimitAsk { key: LIMIT, calls_max, per_second_max }];
        let limits = if limit { limits } else { Vec::new() };
        let (payers, at_us) = (payers.collect(), self.now_us());
        let admit = Admit { levels: payers, free, limits, ms_min, ms_max, at_us, ..ask(hold, &[]) };
        let second = self.desk.now.0 / 1_000;
        if self.admitted_in_second.0 != second {
            self.admitted_in_second = (second, 0);
        }
        let said = self.next(Event::Admit(admit));
        if let Some(call) = self.calls.get(&hold).filter(|call| !call.talking) {
            assert_eq!(said, [Output::Admitted(call.granted)]);
            return;
        }
        if self.calls.contains_key(&hold) || self.settled.contains(&hold) {
            let refused = Output::Refused { hold: HoldId(hold), why: Refusal::Duplicate };
            assert_eq!(said, [Output::Alarm(Alarm::HoldReused(HoldId(hold))), refused]);
            self.unheld += 1;
            return;
        }
        let covered_ms = free.map_or(0, |_| self.next_free(&levels[0], ms_max));
        let poor = |a: i64, bound: &CostBound| {
            let bound = bound.behind(if levels[0].0 == a { covered_ms } else { 0 });
            let most = bound.ms_for(Amount(self.affordable(a))).unwrap_or_default();
            has_floor(a) && most < ms_min.max(1)
        };
        let full =
            |a: i64| CALLS_MAX[slot(a)] > 0 && self.calls_of(a) >= CALLS_MAX[slot(a)] as usize;
        let limit_full = limit
            && (self.limited() >= LIMIT_MAX as usize
                || self.admitted_in_second.1 >= LIMIT_PER_SECOND);
        let refusals: Vec<Refusal> = levels
            .iter()
            .filter(|(a, _)| full(*a))
            .map(|(a, _)| Refusal::AccountLimit(key(*a)))
            .chain(limit_full.then_some(Refusal::Limit(LIMIT)))
            .chain(
                levels.iter().filter(|(a, b)| poor(*a, b)).map(|(a, _)| Refusal::NoCredit(key(*a))),
            )
            .collect();
        match (said.as_slice(), refusals.first()) {
            ([Output::Refused { why, .. }], Some(first)) => assert_eq!(why, first),
            ([Output::Admitted(granted)], None) => {
                assert!(granted.ms > 0 && granted.free_ms <= covered_ms);
                assert!(levels.len() > 1 || granted.free_ms == covered_ms);
                assert!(ms_max == 0 || granted.ms <= ms_max || granted.ms == u64::MAX);
                self.admitted_in_second.1 += u32::from(limit);
                let (granted, since) = (*granted, self.desk.now);
                let periods = self.periods();
                let talking = false;
                let known = Known { levels, free, granted, ms_max, limit, talking, since, periods };
                self.calls.insert(hold, known);
            }
            (said, refusals) => panic!("{said:?} but {refusals:?}"),
        }
    }

    /// Who pays for a call that rings is more, or pays another price: all of it or nothing.
    fn widen(
        &mut self,
        hold: u64,
        accounts: &[i64],
        (price, step_ms, fee): (i64, u32, i64),
        ms_min: u64,
    ) {
        let bound = priced(price, step_ms, fee);
        let levels = accounts.iter().map(|a| Payer { key: key(*a), bound }).collect();
        // A day is shorter here than a call may ring: calendars know the day before, no older one.
        let day = self.periods()[DAY];
        if self.calls.get(&hold).is_some_and(|call| call.periods[DAY] < day - 1) {
            return;
        }
        let began = self.calls.get(&hold).map_or(self.desk.now, |call| call.since);
        let at_us = i64::try_from(began.0).unwrap() * 1_000;
        let said = self.next(Event::Widen { hold: HoldId(hold), levels, ms_min, at_us });
        let Some(call) = self.calls.get_mut(&hold) else {
            return assert_eq!(said, [Output::Unknown(HoldId(hold))]);
        };
        match said.as_slice() {
            // All is as before, which the sums tell.
            [Output::Refused { .. }] => {}
            [Output::Admitted(granted)] => {
                assert!(!call.talking && granted.ms > 0);
                assert!(call.ms_max == 0 || granted.ms <= call.ms_max || granted.ms == u64::MAX);
                for account in accounts {
                    match call.levels.iter_mut().find(|(known, _)| known == account) {
                        Some((_, known)) => *known = bound,
                        None => call.levels.push((*account, bound)),
                    }
                }
                call.granted = *granted;
            }
            said => panic!("{said:?}"),
        }
    }

    fn extend(&mut self, hold: u64) {
        let known = self.calls.get(&hold).map(|call| call.granted);
        let (granted_ms, free_ms) = known.map_or((5, 0), |granted| (granted.ms, granted.free_ms));
        let said = self.next(Event::Extend { hold: HoldId(hold), granted_ms, free_ms });
        match (known, said.as_slice()) {
            (Some(before), [Output::Extended(after)]) => {
                assert!(
                    after.ms > before.ms || after.last || before.ms == u64::MAX,
                    "{before:?} {after:?}"
                );
                assert!(after.ms >= before.ms && after.free_ms >= before.free_ms);
                // Once in money, always in money.
                assert!(before.ms <= before.free_ms || after.free_ms == before.free_ms);
                let call = self.calls.get_mut(&hold).unwrap();
                (call.granted, call.talking) = (*after, true);
            }
            (None, []) => assert!(self.settled.contains(&hold)),
            (None, [Output::Unknown(_)]) => assert!(!self.settled.contains(&hold)),
            (known, said) => panic!("{known:?} {said:?}"),
        }
    }

    fn settle(&mut self, hold: u64, part: u64) {
        // A record without a hold charges the account that has no floor.
        let (lines, free) = match self.calls.get(&hold) {
            Some(call) => {
                let ms = u128::from(call.granted.ms.min(1 << 40)) * u128::from(part) / 1_000;
                let ms = u64::try_from(ms).unwrap();
                let free_ms = call.granted.free_ms;
                let behind = (0..).zip(&call.levels).map(|(at, (account, bound))| {
                    let bound = bound.behind(if at == 0 { free_ms } else { 0 });
                    Line { key: key(*account), charge: bound.cost_up(ms) }
                });
                let used = |allowance| {
                    let whole_ms = call.levels[0].1.whole_steps(ms);
                    FreeUse { allowance, ms: whole_ms.min(free_ms) }
                };
                (behind.collect(), call.free.map(used))
            }
            None => (vec![Line { key: key(4), charge: Amount(7) }], None),
        };
        let said = self.next(Event::Settle(Settle {
            hold: HoldId(hold),
            lines: lines.clone(),
            talks: vec![],
            window: None,
            free,
            packet: None,
            at_us: self.now_us(),
        }));
        if self.settled.contains(&hold) {
            assert_eq!(said, []);
            return;
        }
        let call = self.calls.remove(&hold);
        let periods = call.as_ref().map_or_else(|| self.periods(), |call| call.periods);
        self.late |= periods[MONTH] < self.periods()[MONTH] - 1;
        if call.is_none() {
            assert_eq!(said, [Output::Alarm(Alarm::NoHold(HoldId(hold)))]);
            self.unheld += 1;
        }
        if let Some(FreeUse { allowance, ms }) = free {
            self.free_used[slot(allowance.0)] += ms;
        }
        for line in lines {
            let account = line.key.account.0;
            self.pending[slot(account)] -= line.charge.0;
            for (kind, period) in periods.into_iter().enumerate() {
                *self.used.entry((account, kind, period)).or_default() += line.charge.0;
            }
        }
        self.settled.push(hold);
    }

    fn adjust(&mut self, id: u64, account: i64, amount: i64, stage: Stage) -> Vec<Output> {
        self.next(Event::Adjust(Adjust { id, key: key(account), amount: Amount(amount), stage }))
    }

    fn adjusted(&self, id: u64, account: i64) -> Output {
        let balance = Amount(self.posted[slot(account)] + self.pending[slot(account)]);
        Output::Adjusted { id, balance }
    }

    fn pay(&mut self, account: i64, amount: i64) {
        self.ids += 1;
        let said = self.adjust(self.ids, account, amount, Stage::Durable);
        self.posted[slot(account)] += amount;
        assert_eq!(said, [self.adjusted(self.ids, account)]);
    }

    fn withdraw(&mut self, account: i64, amount: i64, written: Option<bool>) {
        self.ids += 1;
        let id = self.ids;
        let poor = has_floor(account) && self.available(account) + amount < 0;
        let said = self.adjust(id, account, amount, Stage::Asked);
        if poor && amount < 0 {
            let why = Refusal::NoCredit(key(account));
            assert_eq!(said, [Output::AdjustRefused { id, why }]);
            return;
        }
        self.pending[slot(account)] += amount;
        assert_eq!(said, [self.adjusted(id, account)]);
        match written {
            None => {}
            Some(true) => {
                let said = self.adjust(id, account, amount, Stage::Durable);
                self.pending[slot(account)] -= amount;
                self.posted[slot(account)] += amount;
                assert_eq!(said, [self.adjusted(id, account)]);
            }
            Some(false) => {
                let said = self.adjust(id, account, amount, Stage::Dropped);
                self.pending[slot(account)] -= amount;
                assert_eq!(said, []);
            }
        }
    }

    /// No day and no month ever sees more than its limit, whenever its calls end.
    fn check_periods(&self) {
        for account in 1..5_i64 {
            self.check_most(account);
            for (kind, length_us) in LENGTHS_US.into_iter().enumerate() {
                if spend_max(account)[kind].is_none() {
                    continue;
                }
                for period in 0..=self.periods()[kind] {
                    let most = self.most(account, kind, period).unwrap();
                    let spent = self.used(account, kind, period);
                    let held = self.held_in(account, kind, period);
                    assert!(spent + held <= most, "{account} {kind} {period}: {spent} {held}");
                }
                let said = self.desk.till.balance(key(account)).unwrap().spent[kind];
                let period = said.begin_us.div_euclid(length_us);
                if said.begin_us >= 0 {
                    assert_eq!(said.used.0, self.used(account, kind, period));
                    assert_eq!(said.held.0, self.held_in(account, kind, period));
                }
            }
        }
    }

    /// No free time is given twice, in whatever order calls come and go.
    fn check_pools(&self) {
        for account in 1..5_i64 {
            let place = slot(account);
            let pool = self.desk.till.pool(AllowanceId(account)).unwrap();
            assert_eq!(pool.granted_ms, POOLS[place]);
            assert_eq!(pool.used_ms, self.free_used[place]);
            assert_eq!(pool.reserved_ms, self.reserved(account));
            assert!(pool.used_ms + pool.reserved_ms <= pool.granted_ms, "{pool:?}");
        }
    }

    /// The laws, after every step.
    fn check(&self) {
        for account in 1..5_i64 {
            let balance = self.desk.till.balance(key(account)).unwrap();
            assert_eq!(balance.posted.0, self.posted[slot(account)]);
            assert_eq!(balance.uncommitted.0, self.pending[slot(account)]);
            assert_eq!(balance.held.0, self.held(account));
            assert!(balance.held.0 >= 0);
            assert_eq!(balance.calls as usize, self.calls_of(account));
            if has_floor(account) {
                assert_eq!(balance.available, Some(Amount(self.available(account))));
                assert!(self.available(account) >= 0, "account {account} below its floor");
            }
            let calls_max = CALLS_MAX[slot(account)] as usize;
            assert!(calls_max == 0 || self.calls_of(account) <= calls_max);
        }
        self.check_periods();
        self.check_pools();
        assert_eq!(self.desk.till.calls_of(LIMIT) as usize, self.limited());
        assert!(self.limited() <= LIMIT_MAX as usize);
        let holds: Vec<(HoldId, bool)> = self.desk.till.holds().collect();
        let known: Vec<(HoldId, bool)> =
            self.calls.iter().map(|(hold, call)| (HoldId(*hold), call.talking)).collect();
        assert_eq!(holds, known);
        let due = self.calls.values().filter(|call| !call.talking).map(|c| c.since).min();
        assert_eq!(self.desk.till.poll_timeout(), due.map(|since| since.plus(UNSTARTED_MS)));
        assert_eq!(self.desk.till.drift(), self.unheld);
    }
}

proptest! {
    #[test]
    fn laws_hold_after_every_step(
        posted in [20_000_000..900_000_000_i64, 20_000_000..900_000_000_i64,
                   20_000_000..900_000_000_i64, -9_i64..9],
        steps in proptest::collection::vec(steps(), 1..80),
    ) {
        let mut reference = Reference::new(posted);
        reference.check();
        for step in steps {
            reference.step(step);
            reference.check();
        }
    }
}
