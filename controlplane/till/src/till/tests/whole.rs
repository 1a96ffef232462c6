//! What all accounts of a tenant may spend together, whatever the order of its calls.

use super::*;
use proptest::prelude::*;
use std::collections::BTreeMap;

const DAY_US: i64 = 200_000_000;

impl Desk {
    /// Accounts 1 to 4 of tenant 1, without floors, of which the last resells; 5 of tenant 2. All
    /// together may spend `day` and `month`.
    fn tenant(day: Option<i64>, month: Option<i64>) -> Desk {
        let mut desk = Desk { till: Till::new(), now: Ms(5_000) };
        for account in 1..=5_i64 {
            let load = Load {
                key: key(account),
                posted: Amount(0),
                floor: None,
                calls_max: 0,
                per_second_max: 0,
                tenant: TenantId(if account == 5 { 2 } else { 1 }),
                spend_max: [None; PERIODS],
                talk_ms_max: [None; PERIODS],
                growth: None,
                learning: None,
                counts: account != 4,
            };
            assert_eq!(desk.tell(Event::Load(load)), "");
        }
        desk.days(0);
        assert_eq!(desk.limit_tenant(day, month), "");
        desk
    }

    fn limit_tenant(&mut self, day: Option<i64>, month: Option<i64>) -> String {
        let spend_max = [day.map(Amount), month.map(Amount)];
        self.tell(Event::Tenant { tenant: TenantId(1), spend_max })
    }

    /// The calendar of the day with this number; a month has three.
    fn days(&mut self, day: i64) {
        let bounds = [DAY_US, 3 * DAY_US].map(|length| {
            let from_us = (day * DAY_US).div_euclid(length) * length;
            Bounds { before_us: from_us - length, from_us, next_us: from_us + length }
        });
        self.tell(Event::Calendar { tenant: TenantId(1), calendar: Calendar(bounds) });
    }

    fn call(&mut self, hold: u64, accounts: &[i64], day: i64) -> String {
        self.tell(Event::Admit(Admit { at_us: day * DAY_US + 1, ..ask(hold, accounts) }))
    }

    /// Used and held of the tenant's newest day.
    fn whole(&self) -> (i64, i64) {
        let spent = self.till.tenant_spent(TenantId(1)).unwrap()[DAY];
        (spent.used.0, spent.held.0)
    }
}

#[test]
fn accounts_of_a_tenant_share_what_it_may_spend() {
    // Ten minutes a day.
    let mut desk = Desk::tenant(Some(EURO), None);
    assert_eq!(desk.call(1, &[1], 0), "admitted 1 75000 ms");
    assert_eq!(desk.call(2, &[2], 0), "admitted 2 65000 ms");
    assert_eq!(desk.whole(), (0, 23_333_334));
    // Who resells pays for the same call once more, and does not count; another tenant is free.
    assert_eq!(desk.call(3, &[3, 4], 0), "admitted 3 60000 ms");
    assert_eq!(desk.call(4, &[5], 0), "admitted 4 all");
    assert_eq!(desk.whole(), (0, 33_333_334));
    assert_eq!(desk.settle(1, 12_500_000), "");
    assert_eq!(desk.whole(), (12_500_000, 20_833_334));
    // Two who both count take no more than half of what is left each.
    let left = EURO - 12_500_000 - 20_833_334;
    assert_eq!(desk.call(5, &[1, 2], 0), "admitted 5 60000 ms");
    let said = desk.extend(5, 60_000);
    assert_eq!(said, "extended 5 120000 ms");
    assert_eq!(desk.extend(5, 120_000), "extended 5 180000 ms");
    assert_eq!(desk.extend(5, 180_000), "extended 5 199000 ms last");
    assert!(2 * dime().cost_up(199_000).0 <= left && 2 * dime().cost_up(201_000).0 > left);
    assert_eq!(desk.call(6, &[2], 0), "refused 6: tenant 1 has spent");
    assert_eq!(desk.call(7, &[4], 0), "admitted 7 all");
    // More lengthens whom it cut short; tomorrow is another day.
    assert_eq!(desk.limit_tenant(Some(2 * EURO), None), "lengthened 5 259000 ms");
    assert!(desk.call(8, &[2], 1).starts_with("admitted 8"));
    assert_eq!(desk.till.drift(), 0);
}

#[test]
fn a_tenant_s_spending_is_what_the_database_says_of_its_accounts() {
    let mut desk = Desk::tenant(Some(EURO), None);
    for (account, charge) in [(1, 40_000_000), (2, 30_000_000), (4, 90_000_000), (5, 7)] {
        desk.tell(Event::Spent { key: key(account), at_us: 5, charge: Amount(charge), talk_ms: 0 });
    }
    assert_eq!(desk.whole(), (70_000_000, 0));
    // A record of a call whose hold was never here counts as well.
    let lines = vec![Line { key: key(3), charge: Amount(29_000_000) }];
    let settle = Settle { lines, at_us: 7, ..end(9, 0) };
    assert_eq!(desk.tell(Event::Replay(settle)), "");
    assert_eq!(desk.whole(), (99_000_000, 0));
    assert_eq!(desk.call(1, &[3], 0), "refused 1: tenant 1 has spent");
}

/// A limit that is set in the middle of a day, or again, finds what was spent and is held.
#[test]
fn a_limit_counts_what_was_spent_and_held_before_it_was_set() {
    let mut desk = Desk::tenant(None, None);
    assert_eq!(desk.till.tenant_spent(TenantId(1)), None, "nobody counts");
    for (account, charge) in [(1, 40_000_000), (2, 30_000_000), (4, 90_000_000), (5, 7)] {
        desk.tell(Event::Spent { key: key(account), at_us: 5, charge: Amount(charge), talk_ms: 0 });
    }
    desk.limit_tenant(Some(EURO), None);
    assert_eq!(desk.whole(), (70_000_000, 0));
    assert!(desk.call(1, &[1, 4], 0).starts_with("admitted 1"));
    assert!(desk.call(2, &[2], 0).starts_with("admitted 2"));
    let (used, held) = desk.whole();
    assert!(held > 0);
    desk.limit_tenant(None, None);
    assert_eq!(desk.till.tenant_spent(TenantId(1)), None);
    desk.limit_tenant(Some(EURO), Some(2 * EURO));
    assert_eq!(desk.whole(), (used, held), "the same again");
    assert_eq!(desk.settle(2, 1_000_000), "");
    desk.limit_tenant(None, None);
    assert_eq!(desk.settle(1, 2_000_000), "");
    desk.days(1);
    assert!(desk.call(3, &[3], 1).starts_with("admitted 3"));
    desk.limit_tenant(None, Some(EURO));
    // Yesterday's is what yesterday was, and the month's is both.
    let month = desk.till.tenant_spent(TenantId(1)).unwrap()[MONTH];
    assert_eq!((month.used.0, desk.till.drift()), (73_000_000, 0));
}

/// Who comes to pay for a call of the day before yesterday pays of what that day left, and not of a
/// day that nobody counts.
#[test]
fn a_payer_who_comes_days_later_counts_in_the_day_of_the_call() {
    let mut desk = Desk::tenant(Some(EURO), None);
    assert_eq!(desk.call(1, &[1], 0), "admitted 1 75000 ms");
    desk.days(3);
    let widen = |accounts: &[i64]| Event::Widen {
        hold: HoldId(1),
        levels: ask(1, accounts).levels,
        ms_min: 1_000,
        at_us: 1,
    };
    // Nothing was counted since: the day is still known, and both take from it.
    assert_eq!(desk.tell(widen(&[1, 2])), "admitted 1 60000 ms");
    assert_eq!(desk.whole(), (0, 20_000_000));
    // Two more days in which calls cost something, and it is gone: who pays already goes on, and
    // nobody comes to it.
    for (hold, day) in [(2, 4), (3, 5)] {
        desk.days(day);
        assert!(desk.call(hold, &[2], day).starts_with("admitted"));
    }
    let said = desk.tell(widen(&[1, 2, 3]));
    assert_eq!(said, "refused 1: tenant 1 has spent");
    assert_eq!(desk.extend(1, 60_000), "extended 1 60000 ms last");
    assert_eq!(desk.till.drift(), 0);
}

#[derive(Clone, Debug)]
enum Step {
    Admit(Vec<i64>, usize),
    Extend(u64),
    Narrow(u64, Vec<i64>),
    Widen(u64, Vec<i64>),
    /// Ends after so many thousandths of what was granted.
    End(u64, u64),
    Limit(i64, i64),
    Day,
}

fn steps() -> impl Strategy<Value = Step> {
    let levels = || proptest::sample::subsequence(vec![1_i64, 2, 3, 4, 5], 1..4).prop_shuffle();
    prop_oneof![
        6 => (levels(), 0..3_usize).prop_map(|(l, p)| Step::Admit(l, p)),
        6 => (0..8_u64).prop_map(Step::Extend),
        1 => (0..8_u64, levels()).prop_map(|(h, l)| Step::Narrow(h, l)),
        1 => (0..8_u64, levels()).prop_map(|(h, l)| Step::Widen(h, l)),
        4 => (0..8_u64, 0..=1_000_u64).prop_map(|(h, part)| Step::End(h, part)),
        1 => (60_000_000..200_000_000_i64, 100_000_000..400_000_000_i64)
            .prop_map(|(day, month)| Step::Limit(day, month)),
        1 => Just(Step::Day),
    ]
}

fn bound(price: usize) -> CostBound {
    let (price, step_ms, fee) =
        [(100_000_000, 1_000, 0), (900_000_000, 60_000, 5_000), (250_000_000, 7_000, 0)][price];
    priced(price, step_ms, fee)
}

/// A call as the reference knows it: its payers with their prices, its talk, its day.
struct Known {
    levels: Vec<(i64, usize)>,
    ms: u64,
    day: i64,
}

struct World {
    desk: Desk,
    calls: BTreeMap<u64, Known>,
    next: u64,
    /// What calls of each day cost accounts that count.
    used: BTreeMap<i64, i64>,
    day: i64,
    /// The highest limits that a day and a month ever had.
    most: [i64; 2],
}

impl World {
    fn counts(account: i64) -> bool {
        account < 4
    }

    fn cost(call: &Known, ms: u64) -> i64 {
        let counting = call.levels.iter().filter(|(account, _)| World::counts(*account));
        counting.map(|(_, price)| bound(*price).cost_up(ms).0).sum()
    }

    fn payers(levels: &[(i64, usize)]) -> Vec<Payer> {
        levels.iter().map(|(a, p)| Payer { key: key(*a), bound: bound(*p) }).collect()
    }

    /// Notes what is granted now, asked for or not.
    fn drain(&mut self) {
        while let Some(output) = self.desk.till.poll_output() {
            match output {
                Output::Admitted(granted)
                | Output::Extended(granted)
                | Output::Lengthened(granted) => {
                    self.calls.get_mut(&granted.hold.0).expect("a call").ms = granted.ms;
                }
                Output::Refused { hold, .. } => {
                    if self.calls.get(&hold.0).is_some_and(|call| call.ms == 0) {
                        self.calls.remove(&hold.0);
                    }
                }
                Output::Unknown(_)
                | Output::Expired(_)
                | Output::Adjusted { .. }
                | Output::AdjustRefused { .. }
                | Output::Alarm(_) => panic!("{output:?}"),
            }
        }
    }

    fn step(&mut self, step: Step) {
        let now = self.desk.now;
        let ids: Vec<u64> = self.calls.keys().copied().collect();
        let nth = |n: u64| ids.get(usize::try_from(n).unwrap_or_default()).copied();
        match step {
            Step::Admit(accounts, price) => {
                self.next += 1;
                let levels: Vec<_> = accounts.iter().map(|account| (*account, price)).collect();
                let (hold, at_us) = (HoldId(self.next), self.day * DAY_US + 1);
                let admit = Admit { levels: World::payers(&levels), at_us, ..ask(hold.0, &[]) };
                self.calls.insert(self.next, Known { levels, ms: 0, day: self.day });
                self.desk.till.handle(Event::Admit(admit), now);
            }
            Step::Extend(n) => {
                let Some(id) = nth(n) else { return };
                let granted_ms = self.calls[&id].ms;
                let event = Event::Extend { hold: HoldId(id), granted_ms, free_ms: 0 };
                self.desk.till.handle(event, now);
            }
            Step::Narrow(n, accounts) => {
                let Some(id) = nth(n) else { return };
                let call = self.calls.get_mut(&id).expect("a call");
                call.levels.retain(|(account, _)| accounts.contains(account));
                let levels = World::payers(&call.levels);
                self.desk.till.handle(Event::Narrow { hold: HoldId(id), levels }, now);
            }
            Step::Widen(n, accounts) => {
                let Some(id) = nth(n) else { return };
                let call = &self.calls[&id];
                let is_new = |a: &i64| call.levels.iter().all(|(known, _)| known != a);
                let mut levels = call.levels.clone();
                levels.extend(accounts.into_iter().filter(is_new).map(|account| (account, 0)));
                let (hold, at_us) = (HoldId(id), call.day * DAY_US + 1);
                let levels_of = World::payers(&levels);
                let widen = Event::Widen { hold, levels: levels_of, ms_min: 1_000, at_us };
                self.desk.till.handle(widen, now);
                if self.desk.till.out.iter().any(|said| matches!(said, Output::Admitted(_))) {
                    self.calls.get_mut(&id).expect("a call").levels = levels;
                }
            }
            Step::End(n, part) => {
                let Some(id) = nth(n) else { return };
                let call = self.calls.remove(&id).expect("a call");
                let ms = if call.ms == u64::MAX { 600_000 } else { call.ms } * part / 1_000;
                let line = |(account, price): &(i64, usize)| Line {
                    key: key(*account),
                    charge: bound(*price).cost_up(ms),
                };
                let lines = call.levels.iter().map(line).collect();
                *self.used.entry(call.day).or_default() += World::cost(&call, ms);
                let settle = Settle { lines, ..end(id, 0) };
                self.desk.till.handle(Event::Settle(settle), now);
            }
            Step::Limit(day, month) => {
                self.most = [self.most[0].max(day), self.most[1].max(month)];
                self.desk.limit_tenant_silently(day, month);
            }
            Step::Day => {
                self.day += 1;
                self.desk.days(self.day);
            }
        }
        self.drain();
    }

    fn check(&self) {
        let running = |day: i64| self.calls.values().filter(move |call| call.day == day);
        let whole = |day: i64| {
            let held: i64 = running(day).map(|call| World::cost(call, call.ms)).sum();
            held + self.used.get(&day).copied().unwrap_or_default()
        };
        for day in 0..=self.day {
            assert!(whole(day) <= self.most[0], "day {day}: {}", whole(day));
        }
        for month in 0..=self.day / 3 {
            let spent: i64 = (month * 3..month * 3 + 3).map(whole).sum();
            assert!(spent <= self.most[1], "month {month}: {spent}");
        }
        assert_eq!(self.desk.till.drift(), 0);
    }
}

impl Desk {
    fn limit_tenant_silently(&mut self, day: i64, month: i64) {
        let spend_max = [Some(Amount(day)), Some(Amount(month))];
        self.till.handle(Event::Tenant { tenant: TenantId(1), spend_max }, self.now);
    }
}

proptest! {
    #[test]
    fn no_order_of_calls_passes_what_a_tenant_may_spend(
        steps in proptest::collection::vec(steps(), 1..120),
    ) {
        let most = [100_000_000, 150_000_000];
        let desk = Desk::tenant(Some(most[0]), Some(most[1]));
        let (calls, used) = (BTreeMap::new(), BTreeMap::new());
        let mut world = World { desk, calls, next: 100, used, day: 0, most };
        for step in steps {
            world.step(step);
            world.check();
        }
    }
}
