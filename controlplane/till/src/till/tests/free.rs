//! Free time: pools that calls share, and money behind it.

use super::*;

const POOL: AllowanceId = AllowanceId(7);

impl Desk {
    /// A pool of account 1.
    fn allow(&mut self, seconds: u64) -> String {
        self.allow_used(seconds, 0)
    }

    fn allow_used(&mut self, seconds: u64, used_ms: u64) -> String {
        let (allowance, key, granted_ms) = (POOL, key(1), seconds * 1_000);
        self.tell(Event::Allow(Allow { allowance, key, granted_ms, used_ms }))
    }

    fn admit_free(&mut self, hold: u64, accounts: &[i64]) -> String {
        self.tell(Event::Admit(Admit { free: Some(POOL), ..ask(hold, accounts) }))
    }

    fn extend_free(&mut self, hold: u64, granted_ms: u64, free_ms: u64) -> String {
        self.tell(Event::Extend { hold: HoldId(hold), granted_ms, free_ms })
    }

    /// Ends a call that used `free_ms` and cost `charge`.
    fn settle_free(&mut self, hold: u64, free_ms: u64, charge: i64) -> String {
        let free = Some(FreeUse { allowance: POOL, ms: free_ms });
        self.tell(Event::Settle(Settle { free, ..end(hold, charge) }))
    }

    /// Used and reserved, milliseconds.
    fn pool(&self) -> (u64, u64) {
        let pool = self.till.pool(POOL).unwrap();
        (pool.used_ms, pool.reserved_ms)
    }
}

#[test]
fn free_time_goes_first_and_needs_no_money() {
    let mut desk = Desk::open(0);
    desk.allow(600);
    assert_eq!(desk.admit(9, &[1]), "refused 9: no credit of 1");
    assert_eq!(desk.admit_free(1, &[1]), "admitted 1 75000 ms free 75000");
    assert_eq!((desk.pool(), desk.purse(1)), ((0, 75_000), (0, 0, 0)));
    // Asked again, the same again.
    assert_eq!(desk.admit_free(1, &[1]), "admitted 1 75000 ms free 75000");
    assert_eq!(desk.extend_free(1, 75_000, 75_000), "extended 1 141000 ms free 141000");
    // Our answer was lost.
    assert_eq!(desk.extend_free(1, 75_000, 75_000), "extended 1 141000 ms free 141000");
    assert_eq!(desk.settle_free(1, 100_000, 0), "");
    assert_eq!(desk.settle_free(1, 100_000, 0), "");
    assert_eq!(desk.pool(), (100_000, 0));
    assert_eq!(desk.till.drift(), 0);
}

#[test]
fn money_comes_behind_the_last_of_the_pool() {
    let mut desk = Desk::open(1);
    desk.allow(2);
    // Two seconds and an eighth of ten minutes.
    assert_eq!(desk.admit_free(1, &[1]), "admitted 1 77000 ms free 2000");
    assert_eq!((desk.pool(), desk.purse(1).2), ((0, 2_000), 12_500_000));
    // What others leave is not for a call that is in money already.
    assert_eq!(desk.allow(200), "");
    assert_eq!(desk.extend_free(1, 77_000, 2_000), "extended 1 142000 ms free 2000");
    assert_eq!(desk.settle_free(1, 2_000, 500_000), "");
    assert_eq!((desk.pool(), desk.purse(1)), ((2_000, 0), (EURO, -500_000, 0)));
    assert_eq!(desk.till.drift(), 0);
}

#[test]
fn a_fee_and_a_step_do_not_stand_before_free_time() {
    let mut desk = Desk::open(0);
    desk.allow(90);
    let levels = vec![Payer { key: key(1), bound: priced(100_000_000, 60_000, EURO) }];
    let admit = Admit { levels, free: Some(POOL), ..ask(1, &[]) };
    // A whole step; then what is left of the pool, and nothing is there for more.
    assert_eq!(desk.tell(Event::Admit(admit.clone())), "admitted 1 60000 ms free 60000");
    assert_eq!(desk.extend_free(1, 60_000, 60_000), "extended 1 90000 ms free 90000 last");
    let next = Admit { hold: HoldId(2), ..admit };
    assert_eq!(desk.tell(Event::Admit(next)), "refused 2: no credit of 1");
    assert_eq!(desk.settle_free(1, 90_000, 0), "");
}

#[test]
fn an_account_without_a_floor_takes_free_time_first() {
    let mut desk = Desk::open(0);
    let (allowance, key) = (POOL, key(2));
    desk.tell(Event::Allow(Allow { allowance, key, granted_ms: 70_000, used_ms: 0 }));
    assert_eq!(desk.admit_free(1, &[2]), "admitted 1 60000 ms free 60000");
    assert_eq!(desk.extend_free(1, 60_000, 60_000), "extended 1 all free 70000");
    assert_eq!(desk.admit_free(2, &[2]), "admitted 2 all");
}

#[test]
fn the_levels_above_pay_for_free_time_of_a_customer() {
    let mut desk = Desk::open(0);
    desk.allow(600);
    desk.load(3, EURO / 20, Some(0));
    assert_eq!(desk.admit_free(1, &[1, 3]), "admitted 1 30000 ms free 30000 last");
    assert_eq!((desk.pool(), desk.purse(3).2), ((0, 30_000), 5_000_000));
}

#[test]
fn a_longest_duration_is_all_that_is_reserved() {
    let mut desk = Desk::open(0);
    desk.allow(600);
    let admit = Admit { free: Some(POOL), ms_max: 40_500, ..ask(1, &[1]) };
    assert_eq!(desk.tell(Event::Admit(admit)), "admitted 1 40500 ms free 41000 last");
    assert_eq!(desk.settle_free(1, 41_000, 0), "");
}

#[test]
fn what_a_call_leaves_lengthens_another() {
    let mut desk = Desk::open(0);
    desk.allow(120);
    assert_eq!(desk.admit_free(1, &[1]), "admitted 1 60000 ms free 60000");
    assert_eq!(desk.admit_free(2, &[1]), "admitted 2 60000 ms free 60000");
    assert_eq!(desk.extend_free(2, 60_000, 60_000), "extended 2 60000 ms free 60000 last");
    let said = desk.settle_free(1, 9_000, 0);
    assert_eq!(said, "lengthened 2 111000 ms free 111000 last");
    assert_eq!(desk.pool(), (9_000, 111_000));
    assert_eq!(desk.tell(Event::Void(HoldId(2))), "");
    assert_eq!(desk.pool(), (9_000, 0));
}

#[test]
fn boot_gives_the_truth_of_pools() {
    // A hundred seconds in the database, a record behind the cursor, a call in the table.
    let mut desk = Desk::open(0);
    desk.allow_used(600, 100_000);
    let free = Some(FreeUse { allowance: POOL, ms: 20_000 });
    let record = Settle { free, ..end(1, 0) };
    assert_eq!(desk.tell(Event::Replay(record.clone())), "");
    assert_eq!(desk.tell(Event::Replay(record)), "");
    let adopt = |hold| Adopt {
        hold: HoldId(hold),
        levels: ask(hold, &[1]).levels,
        free: Some(POOL),
        free_ms: 75_000,
        packet: None,
        limits: Vec::new(),
        granted_ms: 75_000,
        last: false,
        ms_max: 0,
        started: true,
        at_us: 0,
    };
    desk.tell(Event::Adopt(adopt(1)));
    desk.tell(Event::Adopt(adopt(2)));
    assert_eq!(desk.pool(), (120_000, 75_000));
    // One whose Started found nothing says itself what it has.
    desk.tell(Event::Adopt(Adopt { free_ms: 0, granted_ms: 0, ..adopt(3) }));
    assert_eq!(desk.extend_free(3, 75_000, 75_000), "extended 3 135000 ms free 135000");
    assert_eq!(desk.pool(), (120_000, 210_000));
    // A known pool only takes another size.
    desk.allow_used(700, 0);
    assert_eq!(desk.pool(), (120_000, 210_000));
    assert_eq!(desk.till.drift(), 0);
}

#[test]
fn what_is_used_beyond_a_pool_is_told() {
    let mut desk = Desk::open(1);
    desk.allow(10);
    assert!(desk.admit_free(1, &[1]).starts_with("admitted"));
    assert_eq!(desk.settle_free(1, 10_001, 0), "ALARM overdrawn by 1");
    let free = Some(FreeUse { allowance: AllowanceId(99), ms: 5 });
    let said = desk.tell(Event::Replay(Settle { free, ..end(2, 0) }));
    assert_eq!(said, "ALARM overdrawn by 5");
}

/// Talk time, free time, last.
fn granted(said: &str) -> (u64, u64, bool) {
    let words: Vec<&str> = said.split_whitespace().collect();
    let free = words.iter().position(|word| *word == "free");
    let free = free.map_or(0, |at| words[at + 1].parse().unwrap());
    (words[2].parse().unwrap(), free, words.contains(&"last"))
}

#[test]
fn ten_calls_on_ten_free_minutes_use_them_once_and_credit_pays_the_rest() {
    for step_ms in [1_u32, 1_000, 6_000, 60_000] {
        let mut desk = Desk::open(1);
        desk.allow(600);
        let bound = priced(100_000_000, step_ms, 0);
        let mut calls: Vec<(u64, u64, bool)> = Vec::new();
        for hold in 0..10 {
            let levels = vec![Payer { key: key(1), bound }];
            let admit = Admit { levels, free: Some(POOL), ..ask(hold, &[]) };
            let said = desk.tell(Event::Admit(admit));
            assert!(said.starts_with("admitted"), "step {step_ms}, call {hold}: {said}");
            calls.push(granted(&said));
        }
        let (mut free, mut spent) = (0, 0);
        for second in 0..=1_200_u64 {
            for hold in 0..10_u64 {
                let place = &mut calls[usize::try_from(hold).unwrap()];
                let (ms, free_ms, last) = *place;
                if ms > 0 && ms <= second * 1_000 {
                    assert!(last, "step {step_ms}: cut without being the last slice");
                    let charge = bound.behind(free_ms).cost_up(ms).0;
                    assert_eq!(desk.settle_free(hold, free_ms, charge), "");
                    (free, spent, *place) = (free + free_ms, spent + charge, (0, 0, true));
                } else if ms > 0 && !last && ms / 2 <= second * 1_000 {
                    *place = granted(&desk.extend_free(hold, ms, free_ms));
                }
                let (used, reserved) = desk.pool();
                assert!(used + reserved <= 600_000, "step {step_ms}: {used} and {reserved}");
            }
        }
        assert_eq!(desk.pool(), (free, 0));
        assert_eq!(free, 600_000, "step {step_ms}: none of it was left");
        assert!(spent <= EURO && spent > EURO - 10 * bound.cost_up(1).0, "step {step_ms}: {spent}");
        assert_eq!(desk.purse(1), (EURO, -spent, 0));
        assert_eq!(desk.till.drift(), 0);
    }
}

#[test]
fn free_time_that_is_over_is_forgotten_when_nobody_holds_any() {
    let mut desk = Desk::open(0);
    desk.allow(120);
    assert_eq!(desk.admit_free(1, &[1]), "admitted 1 60000 ms free 60000");
    assert_eq!(desk.tell(Event::Disallow(POOL)), "");
    assert_eq!(desk.pool(), (0, 60_000));
    assert_eq!(desk.settle_free(1, 7_000, 0), "");
    assert_eq!(desk.tell(Event::Disallow(POOL)), "");
    assert_eq!(desk.till.pool(POOL), None);
    assert_eq!(desk.till.drift(), 0);
}
