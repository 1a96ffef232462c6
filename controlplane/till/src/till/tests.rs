mod free;
mod law;
mod packet;
mod period;
mod talk;
mod whole;

use super::*;
use crate::{Adopt, Bounds, DAY, Growth, Learning, LimitAsk, MONTH, PERIODS};
use std::num::NonZeroU32;
use strowger_model::{
    AccountId, AllowanceId, CostBound, Currency, Exchange, Measure, Price, Prices, Pricing,
    TenantId, TrunkId,
};

const EURO: i64 = 100_000_000;
const MINUTE: u64 = 60_000;

pub(super) fn key(account: i64) -> AccountKey {
    AccountKey { node: 1, account: AccountId(account) }
}

/// A price in 1e-9 EUR per minute, charged by `step_ms`.
pub(super) fn priced(price: i64, step_ms: u32, fee: i64) -> CostBound {
    let euro = Currency::new("EUR", 2).unwrap();
    let step_ms = NonZeroU32::new(step_ms).unwrap();
    let pricing = Pricing {
        measure: Measure { step_ms, minimum_ms: 0, free_ms: 0, free_after_ms: 0 },
        prices: Prices::flat(Price(price)).unwrap(),
        fee: Amount(fee),
        currency: euro,
        discount: 0,
    };
    CostBound::new(pricing, 8, Exchange::same(euro), 0).unwrap()
}

/// 0.10 EUR a minute by the second.
fn dime() -> CostBound {
    priced(100_000_000, 1_000, 0)
}

/// A till and what it says.
struct Desk {
    till: Till,
    now: Ms,
}

impl Desk {
    /// Account 1 prepaid with `euros`, account 2 without a floor.
    fn open(euros: i64) -> Desk {
        let mut desk = Desk { till: Till::new(), now: Ms(5_000) };
        desk.load(1, euros * EURO, Some(0));
        desk.load(2, 0, None);
        desk
    }

    fn load(&mut self, account: i64, posted: i64, floor: Option<i64>) {
        let load = Load {
            key: key(account),
            posted: Amount(posted),
            floor: floor.map(Amount),
            calls_max: 0,
            per_second_max: 0,
            tenant: TenantId(1),
            spend_max: [None; PERIODS],
            talk_ms_max: [None; PERIODS],
            growth: None,
            learning: None,
            counts: false,
        };
        assert_eq!(self.tell(Event::Load(load)), "");
    }

    fn tell(&mut self, event: Event) -> String {
        self.till.handle(event, self.now);
        self.said()
    }

    fn said(&mut self) -> String {
        let mut said = Vec::new();
        while let Some(output) = self.till.poll_output() {
            said.push(print(output));
        }
        said.join("; ")
    }

    fn wait(&mut self, ms: u64) -> String {
        self.now = self.now.plus(ms);
        self.till.handle_timeout(self.now);
        self.said()
    }

    fn admit(&mut self, hold: u64, accounts: &[i64]) -> String {
        self.tell(Event::Admit(ask(hold, accounts)))
    }

    fn extend(&mut self, hold: u64, granted_ms: u64) -> String {
        self.tell(Event::Extend { hold: HoldId(hold), granted_ms, free_ms: 0 })
    }

    fn settle(&mut self, hold: u64, charge: i64) -> String {
        self.tell(Event::Settle(end(hold, charge)))
    }

    /// Posted, uncommitted, held of an account.
    fn purse(&self, account: i64) -> (i64, i64, i64) {
        let balance = self.till.balance(key(account)).unwrap();
        (balance.posted.0, balance.uncommitted.0, balance.held.0)
    }
}

fn ask(hold: u64, accounts: &[i64]) -> Admit {
    Admit {
        hold: HoldId(hold),
        levels: accounts.iter().map(|a| Payer { key: key(*a), bound: dime() }).collect(),
        free: None,
        packet: None,
        limits: Vec::new(),
        window: None,
        ms_min: 10_000,
        ms_max: 0,
        at_us: 0,
    }
}

fn end(hold: u64, charge: i64) -> Settle {
    Settle {
        hold: HoldId(hold),
        lines: vec![Line { key: key(1), charge: Amount(charge) }],
        talks: vec![],
        window: None,
        free: None,
        packet: None,
        at_us: 0,
    }
}

fn print(output: Output) -> String {
    let time = |g: Granted| {
        let ms = if g.ms == u64::MAX { "all".to_owned() } else { format!("{} ms", g.ms) };
        let free = if g.free_ms > 0 { format!(" free {}", g.free_ms) } else { String::new() };
        format!("{} {ms}{free}{}", g.hold.0, if g.last { " last" } else { "" })
    };
    match output {
        Output::Admitted(granted) => format!("admitted {}", time(granted)),
        Output::Extended(granted) => format!("extended {}", time(granted)),
        Output::Refused { hold, why } => format!("refused {}: {}", hold.0, print_refusal(why)),
        Output::Lengthened(granted) => format!("lengthened {}", time(granted)),
        Output::Unknown(hold) => format!("unknown {}", hold.0),
        Output::Expired(hold) => format!("expired {}", hold.0),
        Output::Adjusted { balance, .. } => format!("adjusted to {}", balance.0),
        Output::AdjustRefused { why, .. } => format!("not adjusted: {}", print_refusal(why)),
        Output::Alarm(Alarm::Overspent { by, .. }) => format!("ALARM overspent by {}", by.0),
        Output::Alarm(Alarm::Overdrawn { by_ms, .. }) => format!("ALARM overdrawn by {by_ms}"),
        Output::Alarm(Alarm::UnknownPacket(id)) => format!("ALARM unknown packet {}", id.0),
        Output::Alarm(Alarm::NoHold(hold)) => format!("ALARM no hold {}", hold.0),
        Output::Alarm(Alarm::UnknownAccount(key)) => format!("ALARM unknown {}", key.account),
        Output::Alarm(Alarm::HoldReused(hold)) => format!("ALARM reused {}", hold.0),
        Output::Alarm(Alarm::TooManyLines) => "ALARM lines".to_owned(),
        Output::Alarm(Alarm::Full) => "ALARM full".to_owned(),
    }
}

fn print_refusal(why: Refusal) -> String {
    match why {
        Refusal::NoCredit(key) => format!("no credit of {}", key.account),
        Refusal::TenantSpent(tenant) => format!("tenant {tenant} has spent"),
        Refusal::AccountLimit(key) => format!("limit of {}", key.account),
        Refusal::TalkedOut(key) => format!("{} has talked", key.account),
        Refusal::Window(cap) => format!("address {cap:?}"),
        Refusal::Limit(key) => format!("limit {key:?}"),
        Refusal::UnknownAccount(key) => format!("no account {}", key.account),
        Refusal::Duplicate => "duplicate".to_owned(),
        Refusal::Malformed => "malformed".to_owned(),
        Refusal::Full => "full".to_owned(),
    }
}

#[test]
fn a_prepaid_call() {
    let mut desk = Desk::open(1);
    // Ten minutes: an eighth is 75 s.
    assert_eq!(desk.admit(1, &[1]), "admitted 1 75000 ms");
    assert_eq!(desk.purse(1), (EURO, 0, 12_500_000));
    assert_eq!(desk.tell(Event::Started(HoldId(1))), "");
    // 525 s are left: 65.6 s more, whole seconds.
    assert_eq!(desk.extend(1, 75_000), "extended 1 140000 ms");
    // Our answer was lost: the same again, and nothing more is held.
    assert_eq!(desk.extend(1, 75_000), "extended 1 140000 ms");
    assert_eq!(desk.settle(1, 20_000_000), "");
    assert_eq!(desk.purse(1), (EURO, -20_000_000, 0));
    assert_eq!(desk.settle(1, 20_000_000), "");
    assert_eq!(desk.purse(1), (EURO, -20_000_000, 0));
    let commit = Commit { batch: 1, lines: end(1, 20_000_000).lines };
    assert_eq!(desk.tell(Event::Committed(commit.clone())), "");
    assert_eq!(desk.tell(Event::Committed(commit)), "");
    assert_eq!(desk.purse(1), (EURO - 20_000_000, 0, 0));
    assert_eq!(desk.till.drift(), 0);
}

#[test]
fn who_does_not_pay_after_all_gets_its_money_back() {
    let mut desk = Desk::open(10);
    // Account 3 can pay half a minute, and stands beside account 1 for a forward.
    desk.load(3, EURO / 20, Some(0));
    assert_eq!(desk.admit(1, &[1, 3]), "admitted 1 30000 ms last");
    assert_eq!(desk.purse(3), (EURO / 20, 0, EURO / 20));
    assert_eq!(desk.tell(Event::Started(HoldId(1))), "");
    let levels = vec![Payer { key: key(1), bound: dime() }];
    let narrow = Event::Narrow { hold: HoldId(1), levels };
    // 100 minutes: an eighth is 750 s, and 30 s are used.
    assert_eq!(desk.tell(narrow.clone()), "lengthened 1 776000 ms");
    assert_eq!(desk.purse(3), (EURO / 20, 0, 0));
    assert_eq!(desk.till.balance(key(3)).unwrap().calls, 0);
    assert_eq!(desk.tell(narrow), "");
    assert_eq!(desk.settle(1, 20_000_000), "");
    assert_eq!(desk.till.drift(), 0);
    // A payer who was never asked is not added.
    assert_eq!(desk.admit(2, &[1]), "admitted 2 735000 ms");
    let levels = vec![Payer { key: key(1), bound: dime() }, Payer { key: key(3), bound: dime() }];
    assert_eq!(desk.tell(Event::Narrow { hold: HoldId(2), levels }), "");
    assert_eq!(desk.purse(3).2, 0);
}

#[test]
fn ten_calls_on_ten_minutes_all_start_and_never_spend_more() {
    for step_ms in [1, 1_000, 6_000, 60_000] {
        let mut desk = Desk::open(1);
        let bound = priced(100_000_000, step_ms, 0);
        let mut granted: Vec<(u64, bool)> = Vec::new();
        for hold in 0..10 {
            let levels = vec![Payer { key: key(1), bound }];
            let said = desk.tell(Event::Admit(Admit { levels, ..ask(hold, &[]) }));
            assert!(said.starts_with("admitted"), "step {step_ms}, call {hold}: {said}");
            granted.push(parse(&said));
        }
        // All talk at the same time and extend at half, until the last slice of each ends.
        let mut spent = 0;
        for second in 0..=600_u64 {
            for hold in 0..10_u64 {
                let place = &mut granted[usize::try_from(hold).unwrap()];
                if place.0 == second * 1_000 || (place.0 < second * 1_000 && place.0 > 0) {
                    assert!(place.1, "step {step_ms}: cut without being the last slice");
                    let charge = bound.cost_up(place.0).0;
                    assert_eq!(desk.settle(hold, charge), "");
                    spent += charge;
                    place.0 = 0;
                } else if !place.1 && place.0 / 2 <= second * 1_000 {
                    *place = parse(&desk.extend(hold, place.0));
                }
            }
        }
        assert!(spent <= EURO, "step {step_ms}: {spent}");
        assert!(spent > EURO - 10 * bound.cost_up(1).0, "step {step_ms}: only {spent}");
        assert_eq!(desk.purse(1), (EURO, -spent, 0));
        assert_eq!(desk.till.drift(), 0);
    }
}

fn parse(said: &str) -> (u64, bool) {
    let words: Vec<&str> = said.split_whitespace().collect();
    (words[2].parse().unwrap(), words.contains(&"last"))
}

#[test]
fn what_can_be_afforded_decides_the_first_slice() {
    let check = |balance: i64, fee: i64, expect: &str| {
        let mut desk = Desk::open(0);
        desk.load(3, balance, Some(0));
        let levels = vec![Payer { key: key(3), bound: priced(100_000_000, 1_000, fee) }];
        let said = desk.tell(Event::Admit(Admit { levels, ..ask(1, &[]) }));
        assert_eq!(said, expect, "balance {balance} fee {fee}");
    };
    let second = 166_667;
    check(0, 0, "refused 1: no credit of 3");
    check(-EURO, 0, "refused 1: no credit of 3");
    check(9 * second, 0, "refused 1: no credit of 3");
    check(10 * second, 0, "admitted 1 10000 ms last");
    check(50 * second, 0, "admitted 1 50000 ms last");
    check(10_000_000, 0, "admitted 1 60000 ms last");
    check(11_000_000, 0, "admitted 1 60000 ms");
    check(11_000_000, 10_000_000, "refused 1: no credit of 3");
    check(12_000_000, 10_000_000, "admitted 1 12000 ms last");
    check(100 * EURO, 0, "admitted 1 3600000 ms");
}

#[test]
fn a_floor_is_an_account_s_own() {
    let mut desk = Desk::open(0);
    desk.load(3, 0, Some(-EURO));
    assert_eq!(desk.admit(1, &[3]), "admitted 1 75000 ms");
    assert_eq!(desk.admit(2, &[2]), "admitted 2 all");
    assert_eq!(desk.purse(2), (0, 0, 0));
    assert_eq!(
        desk.tell(Event::Settle(Settle {
            hold: HoldId(2),
            lines: vec![Line { key: key(2), charge: Amount(5 * EURO) }],
            talks: vec![],
            window: None,
            free: None,
            packet: None,
            at_us: 0,
        })),
        ""
    );
    assert_eq!(desk.purse(2), (0, -5 * EURO, 0));
}

#[test]
fn free_calls_need_no_money_and_no_lease() {
    let mut desk = Desk::open(0);
    let free = vec![Payer { key: key(1), bound: priced(0, 1_000, 0) }];
    let said = desk.tell(Event::Admit(Admit { levels: free, ..ask(1, &[]) }));
    assert_eq!(said, "admitted 1 all");
    let fee_only = vec![Payer { key: key(1), bound: priced(0, 1_000, EURO) }];
    let admit = Admit { levels: fee_only, ..ask(2, &[]) };
    assert_eq!(desk.tell(Event::Admit(admit.clone())), "refused 2: no credit of 1");
    desk.load(4, EURO, Some(0));
    let levels = vec![Payer { key: key(4), ..admit.levels[0] }];
    assert_eq!(desk.tell(Event::Admit(Admit { levels, ..admit })), "admitted 2 all");
    assert_eq!(desk.purse(4), (EURO, 0, EURO));
}

#[test]
fn a_chain_gets_the_least_of_its_levels() {
    let mut desk = Desk::open(100);
    desk.load(3, EURO / 20, Some(0));
    assert_eq!(desk.admit(1, &[1, 3, 2]), "admitted 1 30000 ms last");
    assert_eq!((desk.purse(1).2, desk.purse(3).2), (5_000_000, 5_000_000));
    // The reseller has nothing left: all or none.
    assert_eq!(desk.admit(2, &[1, 3]), "refused 2: no credit of 3");
    assert_eq!(desk.purse(1).2, 5_000_000);
    assert_eq!(desk.admit(3, &[1, 1]), "refused 3: malformed");
    assert_eq!(desk.admit(4, &[1, 9]), "refused 4: no account 9");
}

#[test]
fn a_longest_duration_is_all_that_is_held() {
    let mut desk = Desk::open(100);
    let admit = Admit { ms_max: 40_000, ..ask(1, &[1]) };
    assert_eq!(desk.tell(Event::Admit(admit)), "admitted 1 40000 ms last");
    let admit = Admit { ms_max: 2 * 60 * MINUTE, ..ask(2, &[1]) };
    assert_eq!(desk.tell(Event::Admit(admit)), "admitted 2 3600000 ms");
    assert_eq!(desk.extend(2, 3_600_000), "extended 2 7200000 ms last");
    assert_eq!(desk.extend(2, 7_200_000), "extended 2 7200000 ms last");
}

#[test]
fn a_recharge_lengthens_a_call_that_asks() {
    let mut desk = Desk::open(0);
    desk.load(3, 11_000_000, Some(0));
    assert_eq!(desk.admit(1, &[3]), "admitted 1 60000 ms");
    let adjust = Adjust { id: 1, key: key(3), amount: Amount(EURO), stage: Stage::Durable };
    assert_eq!(desk.tell(Event::Adjust(adjust)), "adjusted to 111000000");
    assert_eq!(desk.tell(Event::Adjust(adjust)), "adjusted to 111000000");
    assert_eq!(desk.extend(1, 60_000), "extended 1 135000 ms");
}

#[test]
fn withdrawals_stop_at_the_floor_and_at_holds() {
    let mut desk = Desk::open(1);
    assert_eq!(desk.admit(1, &[1]), "admitted 1 75000 ms");
    let take = |id, amount| {
        Event::Adjust(Adjust { id, key: key(1), amount: Amount(amount), stage: Stage::Asked })
    };
    assert_eq!(desk.tell(take(1, -90_000_000)), "not adjusted: no credit of 1");
    assert_eq!(desk.tell(take(2, -87_500_000)), "adjusted to 12500000");
    assert_eq!(desk.purse(1), (EURO, -87_500_000, 12_500_000));
    let lines = vec![Line { key: key(1), charge: Amount(87_500_000) }];
    desk.tell(Event::Committed(Commit { batch: 7, lines }));
    assert_eq!(desk.purse(1), (12_500_000, 0, 12_500_000));
    let nobody = Adjust { id: 3, key: key(9), amount: Amount(1), stage: Stage::Durable };
    assert_eq!(desk.tell(Event::Adjust(nobody)), "not adjusted: no account 9");
}

#[test]
fn limits_of_accounts_and_others() {
    let mut desk = Desk::open(100);
    let limited = Load {
        key: key(5),
        posted: Amount(100 * EURO),
        floor: Some(Amount(0)),
        calls_max: 2,
        per_second_max: 0,
        tenant: TenantId(1),
        spend_max: [None; PERIODS],
        talk_ms_max: [None; PERIODS],
        growth: None,
        learning: None,
        counts: false,
    };
    desk.tell(Event::Load(limited));
    assert_eq!(desk.admit(1, &[5]), "admitted 1 3600000 ms");
    assert_eq!(desk.admit(2, &[5]), "admitted 2 3600000 ms");
    assert_eq!(desk.admit(3, &[5]), "refused 3: limit of 5");
    desk.tell(Event::Void(HoldId(1)));
    assert_eq!(desk.admit(3, &[5]), "admitted 3 3600000 ms");
    // New settings keep the balance and the calls.
    desk.tell(Event::Load(Load { posted: Amount(7), calls_max: 3, ..limited }));
    assert_eq!(desk.admit(4, &[5]), "admitted 4 3600000 ms");
    assert_eq!(desk.purse(5).0, 100 * EURO);

    let trunk = LimitKey::Trunk(TrunkId(1));
    let per_second = |hold| {
        let limits = vec![LimitAsk { key: trunk, calls_max: 3, per_second_max: 2 }];
        Event::Admit(Admit { limits, ..ask(hold, &[2]) })
    };
    assert_eq!(desk.tell(per_second(10)), "admitted 10 all");
    assert_eq!(desk.tell(per_second(11)), "admitted 11 all");
    assert_eq!(desk.tell(per_second(12)), "refused 12: limit Trunk(TrunkId(1))");
    desk.wait(1_000);
    assert_eq!(desk.tell(per_second(13)), "admitted 13 all");
    assert_eq!(desk.tell(per_second(14)), "refused 14: limit Trunk(TrunkId(1))");
    assert_eq!(desk.till.calls_of(trunk), 3);
    for hold in [10, 11, 13] {
        desk.tell(Event::Void(HoldId(hold)));
    }
    assert_eq!(desk.till.calls_of(trunk), 0);
}

/// A row for each state of a hold, a column for each event: what is said, and the state after.
#[test]
fn states_and_events() {
    let hold = HoldId(1);
    let adopt = |started| {
        let levels = ask(1, &[1]).levels;
        let (limits, granted_ms, last, ms_max) = (Vec::new(), 90_000, false, 0);
        let (free, packet, free_ms, at_us) = (None, None, 0, 0);
        Event::Adopt(Adopt {
            hold,
            levels,
            free,
            free_ms,
            packet,
            limits,
            granted_ms,
            last,
            ms_max,
            started,
            at_us,
        })
    };
    let events: [(&str, Option<Event>); 9] = [
        ("admit", Some(Event::Admit(ask(1, &[1])))),
        ("adopt ringing", Some(adopt(false))),
        ("adopt talking", Some(adopt(true))),
        ("started", Some(Event::Started(hold))),
        ("extend", Some(Event::Extend { hold, granted_ms: 75_000, free_ms: 0 })),
        ("settle", Some(Event::Settle(end(1, 5)))),
        ("replay", Some(Event::Replay(end(1, 5)))),
        ("void", Some(Event::Void(hold))),
        ("timeout", None),
    ];
    let ways: [(&str, &[Event]); 4] = [
        ("absent", &[]),
        ("ringing", &[Event::Admit(ask(1, &[1]))]),
        ("talking", &[Event::Admit(ask(1, &[1])), Event::Started(hold)]),
        ("settled", &[Event::Admit(ask(1, &[1])), Event::Settle(end(1, 5))]),
    ];
    let mut table = String::new();
    for (state, way) in ways {
        for (name, event) in &events {
            let mut desk = Desk::open(1);
            for step in way {
                desk.tell(step.clone());
            }
            let said = match event {
                Some(event) => desk.tell(event.clone()),
                None => desk.wait(UNSTARTED_MS),
            };
            let after = match desk.till.holds().next() {
                Some((_, true)) => "talking",
                Some((_, false)) => "ringing",
                None => "-",
            };
            let (_, charged, held) = desk.purse(1);
            let row = format!("{state:8}{name:14}{after:8} held {held} charged {charged} {said}");
            table.push_str(row.trim_end());
            table.push('\n');
        }
    }
    assert_eq!(table, TABLE, "\n{table}");
}

const TABLE: &str = "\
absent  admit         ringing  held 12500000 charged 0 admitted 1 75000 ms
absent  adopt ringing ringing  held 15000000 charged 0
absent  adopt talking talking  held 15000000 charged 0
absent  started       -        held 0 charged 0 unknown 1
absent  extend        -        held 0 charged 0 unknown 1
absent  settle        -        held 0 charged -5 ALARM no hold 1
absent  replay        -        held 0 charged -5
absent  void          -        held 0 charged 0
absent  timeout       -        held 0 charged 0
ringing admit         ringing  held 12500000 charged 0 admitted 1 75000 ms
ringing adopt ringing ringing  held 12500000 charged 0
ringing adopt talking talking  held 12500000 charged 0
ringing started       talking  held 12500000 charged 0
ringing extend        talking  held 23333334 charged 0 extended 1 140000 ms
ringing settle        -        held 0 charged -5
ringing replay        -        held 0 charged -5
ringing void          -        held 0 charged 0
ringing timeout       -        held 0 charged 0 expired 1
talking admit         talking  held 12500000 charged 0 ALARM reused 1; refused 1: duplicate
talking adopt ringing talking  held 12500000 charged 0
talking adopt talking talking  held 12500000 charged 0
talking started       talking  held 12500000 charged 0
talking extend        talking  held 23333334 charged 0 extended 1 140000 ms
talking settle        -        held 0 charged -5
talking replay        -        held 0 charged -5
talking void          -        held 0 charged 0
talking timeout       talking  held 12500000 charged 0
settled admit         -        held 0 charged -5 ALARM reused 1; refused 1: duplicate
settled adopt ringing -        held 0 charged -5
settled adopt talking -        held 0 charged -5
settled started       -        held 0 charged -5
settled extend        -        held 0 charged -5
settled settle        -        held 0 charged -5
settled replay        -        held 0 charged -5
settled void          -        held 0 charged -5
settled timeout       -        held 0 charged -5
";

#[test]
fn charges_of_unknown_accounts_wait_for_them() {
    let mut desk = Desk::open(0);
    let lines = vec![Line { key: key(9), charge: Amount(5) }];
    let said = desk.tell(Event::Replay(Settle {
        hold: HoldId(1),
        lines,
        talks: vec![],
        window: None,
        free: None,
        packet: None,
        at_us: 0,
    }));
    assert_eq!(said, "ALARM unknown 9");
    assert_eq!(desk.till.balance(key(9)), None);
    assert_eq!(desk.admit(2, &[9]), "refused 2: no account 9");
    desk.load(9, 100, Some(0));
    assert_eq!(desk.purse(9), (100, -5, 0));
}

#[test]
fn a_call_beyond_its_hold_is_charged_and_told() {
    let mut desk = Desk::open(1);
    desk.admit(1, &[1]);
    assert_eq!(desk.settle(1, 12_500_001), "ALARM overspent by 1");
    assert_eq!(desk.purse(1), (EURO, -12_500_001, 0));
    assert_eq!(desk.till.drift(), 1);
}

#[test]
fn a_supplier_is_paid_without_a_hold() {
    let mut desk = Desk::open(1);
    desk.admit(1, &[1]);
    let pays = Line { key: key(1), charge: Amount(100) };
    let paid = Line { key: key(2), charge: Amount(-60) };
    let settle = Settle {
        hold: HoldId(1),
        lines: vec![pays, paid],
        talks: vec![],
        window: None,
        free: None,
        packet: None,
        at_us: 0,
    };
    assert_eq!(desk.tell(Event::Settle(settle)), "");
    assert_eq!((desk.purse(1).1, desk.purse(2).1), (-100, 60));
}

#[test]
fn boot_gives_the_truth() {
    // Two euros in the database; a record after the cursor; a call in the table; the record of a
    // call that still stands in the table too.
    let mut desk = Desk::open(2);
    assert_eq!(desk.tell(Event::Replay(end(1, 30_000_000))), "");
    assert_eq!(desk.tell(Event::Replay(end(2, 20_000_000))), "");
    let adopt = |hold| {
        let levels = ask(hold, &[1]).levels;
        let (limits, granted_ms, ms_max) = (vec![LimitKey::Trunk(TrunkId(4))], 300_000, 0);
        let hold = HoldId(hold);
        let last = false;
        Event::Adopt(Adopt {
            hold,
            levels,
            free: None,
            packet: None,
            free_ms: 0,
            limits,
            granted_ms,
            last,
            ms_max,
            started: true,
            at_us: 0,
        })
    };
    assert_eq!(desk.tell(adopt(2)), "");
    assert_eq!(desk.tell(adopt(3)), "");
    assert_eq!(desk.purse(1), (2 * EURO, -50_000_000, 50_000_000));
    assert_eq!(desk.till.calls_of(LimitKey::Trunk(TrunkId(4))), 1);
    let available = desk.till.balance(key(1)).unwrap().available;
    assert_eq!(available, Some(Amount(EURO)));
    assert_eq!(desk.till.drift(), 0);
}

#[test]
fn unanswered_holds_expire_each_at_its_time() {
    let mut desk = Desk::open(10);
    desk.admit(1, &[1]);
    desk.wait(1_000);
    desk.admit(2, &[1]);
    desk.admit(3, &[1]);
    desk.tell(Event::Started(HoldId(3)));
    assert_eq!(desk.till.poll_timeout(), Some(Ms(5_000 + UNSTARTED_MS)));
    assert_eq!(desk.wait(UNSTARTED_MS - 1_000), "expired 1");
    assert_eq!(desk.wait(999), "");
    assert_eq!(desk.wait(1), "expired 2");
    assert_eq!(desk.till.poll_timeout(), None);
    // Its call was answered after all: adopt it, then nothing is lost.
    assert_eq!(desk.tell(Event::Started(HoldId(2))), "unknown 2");
}

/// A payment that stands in the books.
fn pay(id: u64, account: i64, amount: i64) -> Event {
    let (key, amount, stage) = (key(account), Amount(amount), Stage::Durable);
    Event::Adjust(Adjust { id, key, amount, stage })
}

#[test]
fn a_recharge_lengthens_a_call_that_asks_no_more() {
    let mut desk = Desk::open(0);
    desk.load(3, 5_000_000, Some(0));
    assert_eq!(desk.admit(1, &[3]), "admitted 1 30000 ms last");
    // What is not a second's worth waits for more.
    assert_eq!(desk.tell(pay(1, 3, 160_000)), "adjusted to 5160000");
    assert_eq!(desk.tell(pay(2, 3, 1_000_000)), "adjusted to 6160000; lengthened 1 36000 ms last");
    // Told twice, it counts once; the other account's money is not this one's.
    assert_eq!(desk.tell(pay(2, 3, 1_000_000)), "adjusted to 6160000");
    assert_eq!(desk.tell(pay(3, 1, EURO)), "adjusted to 100000000");
    assert_eq!(desk.tell(pay(4, 3, EURO)), "adjusted to 106160000; lengthened 1 111000 ms");
    assert_eq!(desk.purse(3).2, dime().cost_up(111_000).0);
    // From here on it asks again.
    assert_eq!(desk.tell(pay(5, 3, EURO)), "adjusted to 206160000");
    assert_eq!(desk.extend(1, 111_000), "extended 1 251000 ms");
    assert_eq!(desk.till.drift(), 0);
}

#[test]
fn money_that_others_leave_lengthens() {
    let mut desk = Desk::open(0);
    desk.load(3, 15_000_000, Some(0));
    assert_eq!(desk.admit(1, &[3]), "admitted 1 60000 ms");
    assert_eq!(desk.admit(2, &[3]), "admitted 2 30000 ms last");
    // The first hangs up at once: the second gets its time.
    let lines = vec![Line { key: key(3), charge: Amount(1_000_000) }];
    let said = desk.tell(Event::Settle(Settle {
        hold: HoldId(1),
        lines,
        talks: vec![],
        window: None,
        free: None,
        packet: None,
        at_us: 0,
    }));
    assert_eq!(said, "lengthened 2 84000 ms last");
    assert_eq!(desk.admit(3, &[3]), "refused 3: no credit of 3");
    // A lower floor is money as well, a longest duration is none.
    let admit = Admit { ms_max: 30_000, ..ask(4, &[1]) };
    desk.load(1, 0, Some(-EURO));
    assert_eq!(desk.tell(Event::Admit(admit)), "admitted 4 30000 ms last");
    assert_eq!(desk.tell(pay(9, 1, EURO)), "adjusted to 100000000");
    let floor = Some(Amount(-EURO));
    let (calls_max, per_second_max) = (0, 0);
    let load = Load {
        key: key(3),
        posted: Amount(0),
        floor,
        calls_max,
        per_second_max,
        tenant: TenantId(1),
        spend_max: [None; PERIODS],
        talk_ms_max: [None; PERIODS],
        growth: None,
        learning: None,
        counts: false,
    };
    assert_eq!(desk.tell(Event::Load(load)), "lengthened 2 159000 ms");
    assert_eq!(desk.till.drift(), 0);
}

#[test]
fn a_recharge_is_shared_by_the_calls_that_wait() {
    let mut desk = Desk::open(0);
    desk.load(3, 12_000_000, Some(0));
    assert_eq!(desk.admit(1, &[3]), "admitted 1 60000 ms");
    assert_eq!(desk.admit(2, &[3]), "admitted 2 12000 ms last");
    assert_eq!(desk.extend(1, 60_000), "extended 1 60000 ms last");
    let said = desk.tell(pay(1, 3, 15_000_000));
    assert_eq!(said, "adjusted to 27000000; lengthened 1 120000 ms; lengthened 2 42000 ms last");
    assert_eq!(desk.purse(3), (27_000_000, 0, 27_000_000));
    // Taken up again after a restart, it waits as before.
    let mut desk = Desk::open(0);
    desk.load(3, 1_000_000, Some(0));
    let adopt = Adopt {
        hold: HoldId(5),
        levels: ask(5, &[3]).levels,
        free: None,
        packet: None,
        free_ms: 0,
        limits: Vec::new(),
        granted_ms: 6_000,
        last: true,
        ms_max: 0,
        started: true,
        at_us: 0,
    };
    assert_eq!(desk.tell(Event::Adopt(adopt)), "");
    assert_eq!(desk.tell(pay(1, 3, EURO)), "adjusted to 101000000; lengthened 5 81000 ms");
}

/// A question about a call that rings may be heard after its record, which gave its hold back.
#[test]
fn what_was_given_back_is_not_taken_up_as_ringing() {
    let adopt = |hold, started| Adopt {
        hold: HoldId(hold),
        levels: ask(hold, &[3]).levels,
        free: None,
        packet: None,
        free_ms: 0,
        limits: Vec::new(),
        granted_ms: 6_000,
        last: false,
        ms_max: 0,
        started,
        at_us: 0,
    };
    let mut desk = Desk::open(0);
    desk.load(3, 100_000_000, Some(0));
    desk.tell(Event::Void(HoldId(5)));
    desk.tell(Event::Adopt(adopt(5, false)));
    assert_eq!(desk.purse(3).2, 0);
    desk.tell(Event::Adopt(adopt(6, false)));
    let one = desk.purse(3).2;
    assert!(one > 0);
    // It was answered after all: it talks, and pays.
    desk.tell(Event::Adopt(adopt(5, true)));
    assert_eq!(desk.purse(3).2, 2 * one);
}

#[test]
fn more_calls_than_a_step_looks_at_are_lengthened_in_the_next() {
    let mut desk = Desk::open(0);
    let count = LENGTHENED_PER_STEP as u64 + 10;
    desk.load(3, i64::try_from(count).unwrap() * 10 * 166_667, Some(0));
    for hold in 0..count {
        let admit = Admit { ms_min: 1, ..ask(hold, &[3]) };
        desk.tell(Event::Admit(admit));
    }
    let waiting = desk.till.last.len();
    desk.tell(pay(1, 3, 100_000 * EURO));
    if waiting > LENGTHENED_PER_STEP {
        assert_eq!(desk.till.poll_timeout(), Some(Ms(0)));
    }
    desk.wait(0);
    assert_eq!(desk.till.last.len(), 0);
    assert_ne!(desk.till.poll_timeout(), Some(Ms(0)));
}

#[test]
fn a_withdrawal_is_written_or_dropped() {
    let mut desk = Desk::open(1);
    let take =
        |id, stage| Event::Adjust(Adjust { id, key: key(1), amount: Amount(-60_000_000), stage });
    assert_eq!(desk.tell(take(1, Stage::Asked)), "adjusted to 40000000");
    assert_eq!(desk.tell(take(1, Stage::Asked)), "adjusted to 40000000");
    assert_eq!(desk.tell(take(2, Stage::Asked)), "not adjusted: no credit of 1");
    assert_eq!(desk.tell(take(1, Stage::Dropped)), "");
    assert_eq!(desk.tell(take(1, Stage::Dropped)), "");
    assert_eq!(desk.purse(1), (EURO, 0, 0));
    assert_eq!(desk.tell(take(3, Stage::Asked)), "adjusted to 40000000");
    assert_eq!(desk.purse(1), (EURO, -60_000_000, 0));
    assert_eq!(desk.tell(take(3, Stage::Durable)), "adjusted to 40000000");
    assert_eq!(desk.tell(take(3, Stage::Durable)), "adjusted to 40000000");
    assert_eq!(desk.purse(1), (40_000_000, 0, 0));
}

/// Days of a thousand seconds, months of ten days, microseconds; today is the 12th.
const DAY_US: i64 = 1_000_000_000;
const TODAY_US: i64 = 12 * DAY_US;
