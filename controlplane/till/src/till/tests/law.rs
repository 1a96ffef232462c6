//! Random lists of events against a small reference: sums written down by hand, no slices, no plan.

use super::*;
use proptest::prelude::*;
use std::collections::BTreeMap;
use strowger_model::SubscriberId;

#[derive(Clone, Debug)]
enum Step {
    Admit {
        hold: u64,
        levels: Vec<i64>,
        price: usize,
        ms_min: u64,
        ms_max: u64,
        limit: bool,
    },
    Started(u64),
    Extend(u64),
    /// Settles after a part of the granted time, thousandths.
    Settle(u64, u64),
    Void(u64),
    Pay(i64, i64),
    /// Account, amount, and whether it is written then; `None` = it stays under way.
    Withdraw(i64, i64, Option<bool>),
    Commit,
    Epoch(u8),
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
const LIMIT: LimitKey = LimitKey::Subscriber(SubscriberId(1));
const LIMIT_MAX: u32 = 3;
const LIMIT_PER_SECOND: u32 = 2;

fn steps() -> impl Strategy<Value = Step> {
    let hold = || (0..8_u64, 0..2_u64).prop_map(|(id, shard)| shard << 56 | id);
    let levels = proptest::sample::subsequence(vec![1_i64, 2, 3, 4], 0..4).prop_shuffle();
    let ms_max = prop_oneof![Just(0_u64), 1..500_000_u64];
    let admit = (hold(), levels, 0..PRICES.len(), 0..100_000_u64, ms_max, any::<bool>());
    prop_oneof![
        6 => admit.prop_map(|(hold, levels, price, ms_min, ms_max, limit)| Step::Admit {
            hold, levels, price, ms_min, ms_max, limit
        }),
        3 => hold().prop_map(Step::Started),
        4 => hold().prop_map(Step::Extend),
        4 => (hold(), 0..=1_000_u64).prop_map(|(hold, part)| Step::Settle(hold, part)),
        2 => hold().prop_map(Step::Void),
        1 => (1..5_i64, 0..200_000_000_i64).prop_map(|(a, amount)| Step::Pay(a, amount)),
        1 => (1..5_i64, 0..200_000_000_i64, any::<Option<bool>>())
            .prop_map(|(a, amount, written)| Step::Withdraw(a, amount, written)),
        1 => Just(Step::Commit),
        1 => (0..2_u8).prop_map(Step::Epoch),
        2 => prop_oneof![0..400_u64, Just(UNSTARTED_MS / 3)].prop_map(Step::Wait),
    ]
}

/// A call as the reference knows it.
#[derive(Clone, Debug)]
struct Known {
    levels: Vec<(i64, CostBound)>,
    granted: Granted,
    ms_max: u64,
    limit: bool,
    talking: bool,
    since: Ms,
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
            }));
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
        }
    }

    fn held(&self, account: i64) -> i64 {
        let of_call = |call: &Known| {
            let level = call.levels.iter().find(|(a, _)| *a == account && has_floor(account))?;
            Some(match call.granted.ms {
                u64::MAX => level.1.cost_up(1 << 40).0,
                ms => level.1.cost_up(ms).0,
            })
        };
        self.calls.values().filter_map(of_call).sum()
    }

    fn available(&self, account: i64) -> i64 {
        let place = slot(account);
        let floor = FLOORS[place].unwrap_or(i64::MIN / 4);
        self.posted[place] + self.pending[place] - self.held(account) - floor
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
                assert!(before.ms_max == 0 || more.ms <= before.ms_max.max(before.granted.ms));
                before.granted = more;
            } else {
                said.push(output);
            }
        }
        said
    }

    fn step(&mut self, step: Step) {
        match step {
            Step::Admit { hold, levels, price, ms_min, ms_max, limit } => {
                let (price, step_ms, fee) = PRICES[price];
                let bound = priced(price, step_ms, fee);
                let levels: Vec<(i64, CostBound)> = levels.iter().map(|a| (*a, bound)).collect();
                self.admit(hold, levels, ms_min, ms_max, limit);
            }
            Step::Started(hold) => {
                let said = self.next(Event::Started(HoldId(hold)));
                match self.calls.get_mut(&hold) {
                    Some(call) => call.talking = true,
                    None if self.settled.contains(&hold) => assert_eq!(said, []),
                    None => assert_eq!(said, [Output::Unknown(HoldId(hold))]),
                }
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
            Step::Epoch(shard) => {
                self.next(Event::Epoch { shard });
                let mine = |hold: &u64| hold >> 56 == u64::from(shard);
                self.calls.retain(|hold, call| call.talking || !mine(hold));
                self.settled.retain(|hold| !mine(hold));
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
        hold: u64,
        levels: Vec<(i64, CostBound)>,
        ms_min: u64,
        ms_max: u64,
        limit: bool,
    ) {
        let payers = levels.iter().map(|(a, bound)| Payer { key: key(*a), bound: *bound });
        let (calls_max, per_second_max) = (LIMIT_MAX, LIMIT_PER_SECOND);
        let limits = vec![LimitAsk { key: LIMIT, calls_max, per_second_max }];
        let admit = Admit {
            hold: HoldId(hold),
            levels: payers.collect(),
            limits: if limit { limits } else { Vec::new() },
            ms_min,
            ms_max,
        };
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
        let poor = |a: i64, bound: &CostBound| {
            let most = bound.ms_for(Amount(self.available(a))).unwrap_or_default();
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
                assert!(granted.ms > 0);
                assert!(ms_max == 0 || granted.ms <= ms_max || granted.ms == u64::MAX);
                self.admitted_in_second.1 += u32::from(limit);
                let (granted, since) = (*granted, self.desk.now);
                let known = Known { levels, granted, ms_max, limit, talking: false, since };
                self.calls.insert(hold, known);
            }
            (said, refusals) => panic!("{said:?} but {refusals:?}"),
        }
    }

    fn extend(&mut self, hold: u64) {
        let known = self.calls.get(&hold).map(|call| call.granted);
        let granted_ms = known.map_or(5, |granted| granted.ms);
        let said = self.next(Event::Extend { hold: HoldId(hold), granted_ms });
        match (known, said.as_slice()) {
            (Some(before), [Output::Extended(after)]) => {
                assert!(
                    after.ms > before.ms || after.last || before.ms == u64::MAX,
                    "{before:?} {after:?}"
                );
                assert!(after.ms >= before.ms);
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
        let lines = match self.calls.get(&hold) {
            Some(call) => {
                let ms = u128::from(call.granted.ms.min(1 << 40)) * u128::from(part) / 1_000;
                let ms = u64::try_from(ms).unwrap();
                let line = |(a, b): &(i64, CostBound)| Line { key: key(*a), charge: b.cost_up(ms) };
                call.levels.iter().map(line).collect()
            }
            None => vec![Line { key: key(4), charge: Amount(7) }],
        };
        let said = self.next(Event::Settle(Settle { hold: HoldId(hold), lines: lines.clone() }));
        if self.settled.contains(&hold) {
            assert_eq!(said, []);
            return;
        }
        if self.calls.remove(&hold).is_none() {
            assert_eq!(said, [Output::Alarm(Alarm::NoHold(HoldId(hold)))]);
            self.unheld += 1;
        }
        for line in lines {
            self.pending[slot(line.key.account.0)] -= line.charge.0;
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
