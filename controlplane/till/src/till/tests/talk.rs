//! Minutes of an account's day and month, and caps by address.

use super::period::calendar;
use super::*;
use crate::{Span, Talk, WINDOWS_MAX, WindowAsk, WindowKey, WindowUse};
use proptest::prelude::*;
use std::net::IpAddr;

impl Desk {
    /// Account 7 may talk so many minutes a day and a month.
    fn talking(day: Option<u64>, month: Option<u64>) -> Desk {
        let mut desk = Desk { till: Till::new(), now: Ms(5_000) };
        desk.tell(calendar(TODAY_US));
        assert_eq!(desk.limit_talk(day, month), "");
        desk
    }

    fn limit_talk(&mut self, day: Option<u64>, month: Option<u64>) -> String {
        self.tell(Event::Load(Load {
            key: key(7),
            posted: Amount(0),
            floor: None,
            calls_max: 0,
            per_second_max: 0,
            tenant: TenantId(1),
            spend_max: [None; PERIODS],
            talk_ms_max: [day, month].map(|minutes| minutes.map(|minutes| minutes * MINUTE)),
            growth: None,
            learning: None,
            counts: false,
        }))
    }

    fn call_at(&mut self, hold: u64, at_us: i64) -> String {
        self.tell(Event::Admit(Admit { at_us, ..ask(hold, &[7]) }))
    }

    fn talked(&mut self, hold: u64, at_us: i64, ms: u64) -> String {
        let talks = vec![Talk { key: key(7), ms }];
        self.tell(Event::Replay(Settle { lines: vec![], talks, at_us, ..end(hold, 0) }))
    }
}

#[test]
fn who_has_talked_the_minutes_of_a_day_makes_no_call_until_the_next() {
    let mut desk = Desk::talking(Some(10), None);
    assert_eq!(desk.call_at(1, TODAY_US), "admitted 1 all");
    assert_eq!(desk.call_at(2, TODAY_US), "admitted 2 all");
    assert_eq!(desk.talked(1, TODAY_US, 10 * MINUTE - 1), "");
    // The last millisecond is free, and one that runs goes on.
    assert_eq!(desk.call_at(3, TODAY_US + 1), "admitted 3 all");
    assert_eq!(desk.talked(3, TODAY_US, 1), "");
    assert_eq!(desk.call_at(4, TODAY_US + 2), "refused 4: 7 has talked");
    assert_eq!(desk.extend(2, 9), "extended 2 all");
    // Told twice it counts once.
    assert_eq!(desk.talked(3, TODAY_US, 1), "");
    assert_eq!(desk.till.talked_at(key(7), TODAY_US), [10 * MINUTE; PERIODS]);
    // What is said anew counts at once, and a new day has its own minutes.
    assert_eq!(desk.limit_talk(Some(11), None), "");
    assert_eq!(desk.call_at(5, TODAY_US + 3), "admitted 5 all");
    assert_eq!(desk.limit_talk(Some(10), Some(20)), "");
    assert_eq!(desk.call_at(6, TODAY_US + DAY_US), "admitted 6 all");
    assert_eq!(desk.talked(6, TODAY_US + DAY_US, 10 * MINUTE), "");
    assert_eq!(desk.limit_talk(None, Some(20)), "");
    assert_eq!(desk.call_at(8, TODAY_US + DAY_US), "refused 8: 7 has talked");
    assert_eq!(desk.limit_talk(None, None), "");
    assert_eq!(desk.call_at(9, TODAY_US + DAY_US), "admitted 9 all");
    assert_eq!(desk.till.drift(), 0);
}

#[test]
fn what_the_database_has_counted_stands_after_a_restart() {
    let mut desk = Desk::talking(Some(10), None);
    let spent = |at_us, talk_ms| Event::Spent { key: key(7), at_us, charge: Amount(0), talk_ms };
    desk.tell(spent(TODAY_US - 1, 99 * MINUTE));
    assert_eq!(desk.call_at(1, TODAY_US), "admitted 1 all");
    desk.tell(spent(TODAY_US, 10 * MINUTE));
    assert_eq!(desk.call_at(2, TODAY_US), "refused 2: 7 has talked");
}

fn window(last: u8, from_us: i64) -> (WindowKey, Span) {
    let network = IpAddr::from([192, 0, 2, last]);
    let span = Span { from_us, until_us: from_us + DAY_US, at_us: from_us + 5 };
    (WindowKey { tenant: TenantId(1), network }, span)
}

fn from(last: u8, from_us: i64, caps: (u32, u64, Option<i64>)) -> Option<WindowAsk> {
    let ((key, span), (calls_max, talk_ms_max, spend_max)) = (window(last, from_us), caps);
    let spend_max = spend_max.map(Amount);
    Some(WindowAsk { key, span, calls_max, talk_ms_max, spend_max })
}

fn used(last: u8, from_us: i64, (calls, talk_ms, spent): (u32, u64, i64)) -> Option<WindowUse> {
    let ((key, span), spent) = (window(last, from_us), Amount(spent));
    Some(WindowUse { key, span, calls, talk_ms, spent })
}

#[test]
fn calls_of_an_address_are_capped_within_a_window() {
    let mut desk = Desk::talking(None, None);
    let mut call = |hold, window| desk.tell(Event::Admit(Admit { window, ..ask(hold, &[7]) }));
    let two = (2, 0, None);
    assert_eq!(call(1, from(1, 0, two)), "admitted 1 all");
    assert_eq!(call(1, from(1, 0, two)), "admitted 1 all", "asked again it is one call");
    assert_eq!(call(2, from(1, 0, two)), "admitted 2 all");
    assert_eq!(call(3, from(1, 0, two)), "refused 3: address Calls");
    assert_eq!(call(4, from(2, 0, two)), "admitted 4 all", "another address");
    assert_eq!(call(5, None), "admitted 5 all", "nobody caps it");
    assert_eq!(call(6, from(1, DAY_US, two)), "admitted 6 all", "another window");
    assert_eq!(call(7, from(1, DAY_US, (1, 0, None))), "refused 7: address Calls");
}

#[test]
fn talk_and_cost_of_an_address_are_capped_by_records() {
    let mut desk = Desk::talking(None, None);
    let (talk, cost) = ((0, 1_000, None), (0, 0, Some(50)));
    let call = |desk: &mut Desk, hold, window| {
        desk.tell(Event::Admit(Admit { window, ..ask(hold, &[7]) }))
    };
    let ended = |desk: &mut Desk, hold, window| {
        desk.tell(Event::Settle(Settle { lines: vec![], window, ..end(hold, 0) }))
    };
    assert_eq!(call(&mut desk, 1, from(1, 0, talk)), "admitted 1 all");
    assert_eq!(ended(&mut desk, 1, used(1, 0, (1, 999, 49))), "");
    assert_eq!(call(&mut desk, 2, from(1, 0, talk)), "admitted 2 all");
    assert_eq!(call(&mut desk, 3, from(1, 0, cost)), "admitted 3 all");
    assert_eq!(ended(&mut desk, 2, used(1, 0, (1, 1, 1))), "");
    assert_eq!(call(&mut desk, 4, from(1, 0, talk)), "refused 4: address Talk");
    assert_eq!(call(&mut desk, 5, from(1, 0, cost)), "refused 5: address Spend");
    // Three were admitted, none counts again with its record; one that was here before counts then.
    assert_eq!(call(&mut desk, 6, from(1, 0, (3, 0, None))), "refused 6: address Calls");
    assert_eq!(call(&mut desk, 6, from(1, 0, (4, 0, None))), "admitted 6 all");
    let record = Settle { lines: vec![], window: used(1, 0, (1, 0, 0)), ..end(90, 0) };
    assert_eq!(desk.tell(Event::Replay(record)), "");
    assert_eq!(call(&mut desk, 7, from(1, 0, (5, 0, None))), "refused 7: address Calls");
    // What is paid back lifts nothing, and a window that is over is not counted in the next.
    assert_eq!(ended(&mut desk, 6, used(1, 0, (1, 0, -99))), "");
    assert_eq!(call(&mut desk, 8, from(1, 0, cost)), "refused 8: address Spend");
    assert_eq!(call(&mut desk, 8, from(1, DAY_US, talk)), "admitted 8 all");
    assert_eq!(ended(&mut desk, 8, used(1, 0, (1, 9_999, 9_999))), "");
    assert_eq!(call(&mut desk, 9, from(1, DAY_US, talk)), "admitted 9 all");
    assert_eq!(desk.till.drift(), 0);
}

#[test]
fn addresses_are_bounded_and_who_cannot_be_counted_is_refused() {
    let mut desk = Desk::talking(None, None);
    for n in 0..WINDOWS_MAX as u32 {
        let network = IpAddr::from((0x0a00_0000 + n).to_be_bytes());
        let (key, span) = (WindowKey { tenant: TenantId(1), network }, window(1, 0).1);
        desk.till.windows.count(&WindowUse { key, span, calls: 1, talk_ms: 0, spent: Amount(0) });
    }
    let mut call = |hold, window| desk.tell(Event::Admit(Admit { window, ..ask(hold, &[7]) }));
    assert_eq!(call(1, from(1, 0, (9, 0, None))), "refused 1: full");
    assert_eq!(call(2, from(1, 0, (9, 0, None))), "refused 2: full");
    // Those whose windows are over make room.
    assert_eq!(call(3, from(1, DAY_US, (9, 0, None))), "admitted 3 all");
    assert_eq!(desk.till.windows.len(), 1);
}

proptest! {
    /// In whatever order calls begin and end: as many are admitted as the cap says, and the next is
    /// refused.
    #[test]
    fn no_order_of_calls_passes_the_calls_of_an_address(
        steps in prop::collection::vec((0u8..3, any::<bool>()), 1..60),
        most in 1u32..6,
    ) {
        let mut desk = Desk::talking(None, None);
        let (mut admitted, mut running) = ([0u32; 3], Vec::new());
        for (hold, (last, ends)) in (1..).zip(steps) {
            if let Some((hold, last)) = running.pop().filter(|_| ends) {
                let window = used(last, 0, (1, 7, 7));
                desk.tell(Event::Settle(Settle { lines: vec![], window, ..end(hold, 0) }));
            }
            let window = from(last, 0, (most, 0, None));
            let said = desk.tell(Event::Admit(Admit { window, ..ask(hold, &[7]) }));
            let count = &mut admitted[usize::from(last)];
            let expect = *count < most;
            prop_assert_eq!(said.starts_with("admitted"), expect, "{}", said);
            if expect {
                *count += 1;
                running.push((hold, last));
            }
        }
    }
}
