//! Limits of days and months, and what begins and ends them.

use super::*;

pub(super) fn calendar(now_us: i64) -> Event {
    let bounds = |length: i64| {
        let from_us = now_us.div_euclid(length) * length;
        Bounds { before_us: from_us - length, from_us, next_us: from_us + length }
    };
    let calendar = Calendar([bounds(DAY_US), bounds(10 * DAY_US)]);
    Event::Calendar { tenant: TenantId(1), calendar }
}

impl Desk {
    /// Account 7 without a floor, `day` and `month` EUR at most; today is known.
    fn limited(day: Option<i64>, month: Option<i64>) -> Desk {
        let mut desk = Desk::open(0);
        desk.tell(calendar(TODAY_US));
        desk.limit(day, month);
        desk
    }

    fn limit(&mut self, day: Option<i64>, month: Option<i64>) -> String {
        self.limit_growing(day, month, None)
    }

    fn limit_growing(
        &mut self,
        day: Option<i64>,
        month: Option<i64>,
        growth: Option<Growth>,
    ) -> String {
        let most = |euros: Option<i64>| euros.map(|euros| Amount(euros * EURO));
        self.tell(Event::Load(Load {
            key: key(7),
            posted: Amount(0),
            floor: None,
            calls_max: 0,
            per_second_max: 0,
            tenant: TenantId(1),
            spend_max: [most(day), most(month)],
            talk_ms_max: [None; PERIODS],
            growth,
            learning: None,
            counts: false,
        }))
    }

    fn admit_at(&mut self, hold: u64, at_us: i64) -> String {
        self.tell(Event::Admit(Admit { at_us, ..ask(hold, &[7]) }))
    }

    fn settle_7(&mut self, hold: u64, charge: i64) -> String {
        let lines = vec![Line { key: key(7), charge: Amount(charge) }];
        self.tell(Event::Settle(Settle {
            hold: HoldId(hold),
            lines,
            talks: vec![],
            window: None,
            free: None,
            packet: None,
            at_us: 0,
        }))
    }

    /// Used and held of a period.
    fn spent(&self, kind: usize) -> (i64, i64) {
        let spent = self.till.balance(key(7)).unwrap().spent[kind];
        (spent.used.0, spent.held.0)
    }
}

#[test]
fn a_day_s_limit_holds_for_an_account_without_a_floor() {
    let mut desk = Desk::limited(Some(1), None);
    // Ten minutes a day: an eighth of them.
    assert_eq!(desk.admit_at(1, TODAY_US + 5), "admitted 1 75000 ms");
    assert_eq!((desk.spent(DAY), desk.spent(MONTH)), ((0, 12_500_000), (0, 12_500_000)));
    assert_eq!(desk.settle_7(1, 12_500_000), "");
    let spent = |euros| desk_spent(euros);
    assert_eq!(desk.tell(spent(80_000_000)), "");
    assert_eq!(desk.admit_at(2, TODAY_US + 6), "admitted 2 45000 ms last");
    assert_eq!(desk.admit_at(3, TODAY_US + 7), "refused 3: no credit of 7");
    // A payment does not lengthen what the day limits; a higher limit does.
    assert_eq!(desk.tell(pay(1, 7, EURO)), "adjusted to 87500000");
    assert_eq!(desk.limit(Some(2), None), "lengthened 2 120000 ms");
    // Tomorrow is a new day.
    assert_eq!(desk.admit_at(4, TODAY_US + DAY_US), "admitted 4 150000 ms");
    assert_eq!(desk.till.drift(), 0);
}

/// What the books say was spent today.
fn desk_spent(charge: i64) -> Event {
    Event::Spent { key: key(7), at_us: TODAY_US + 1, charge: Amount(charge), talk_ms: 0 }
}

#[test]
fn a_call_counts_in_the_day_it_began_in() {
    let mut desk = Desk::limited(Some(1), Some(3));
    assert_eq!(desk.admit_at(1, TODAY_US + DAY_US - 1), "admitted 1 75000 ms");
    // Midnight passes, and the till has not heard of a new day yet: it knows where it begins.
    assert_eq!(desk.admit_at(2, TODAY_US + DAY_US), "admitted 2 75000 ms");
    assert_eq!((desk.spent(DAY), desk.spent(MONTH)), ((0, 12_500_000), (0, 25_000_000)));
    // The first goes on at yesterday's expense, to yesterday's end.
    assert_eq!(desk.extend(1, 75_000), "extended 1 140000 ms");
    assert_eq!(desk.extend(1, 599_000), "extended 1 600000 ms last");
    assert_eq!(desk.spent(DAY), (0, 12_500_000));
    desk.tell(calendar(TODAY_US + DAY_US));
    assert_eq!(desk.settle_7(1, EURO), "");
    assert_eq!(desk.settle_7(2, 100), "");
    assert_eq!((desk.spent(DAY), desk.spent(MONTH)), ((100, 0), (EURO + 100, 0)));
    // Two midnights later its day is gone: it gets no more, and what it has stands.
    assert_eq!(desk.admit_at(3, TODAY_US + DAY_US + 5), "admitted 3 74000 ms");
    for days in 2..4 {
        desk.tell(calendar(TODAY_US + days * DAY_US));
        let hold = 10 + u64::try_from(days).unwrap();
        assert!(desk.admit_at(hold, TODAY_US + days * DAY_US).starts_with("admitted"));
    }
    assert_eq!(desk.extend(3, 74_000), "extended 3 74000 ms last");
    assert_eq!(desk.till.drift(), 0);
}

/// After a restart the calendar knows yesterday at most: what of an older day's limit is left,
/// nobody knows.
#[test]
fn a_call_older_than_the_calendar_gets_no_more_after_a_restart() {
    let mut desk = Desk::limited(Some(1), None);
    let adopted = Adopt {
        hold: HoldId(1),
        levels: ask(1, &[7]).levels,
        free: None,
        packet: None,
        free_ms: 0,
        limits: Vec::new(),
        granted_ms: 75_000,
        last: false,
        ms_max: 0,
        started: true,
        at_us: TODAY_US - 3 * DAY_US,
    };
    assert_eq!(desk.tell(Event::Adopt(adopted)), "");
    assert_eq!(desk.extend(1, 75_000), "extended 1 75000 ms last");
    assert_eq!(desk.spent(DAY), (0, 0), "it stands in no day's way");
    assert_eq!(desk.admit_at(2, TODAY_US), "admitted 2 75000 ms");
    assert_eq!(desk.settle_7(1, 12_500_000), "");
    assert_eq!(desk.spent(DAY), (0, 12_500_000));
    assert_eq!(desk.till.drift(), 0);
}

#[test]
fn ten_calls_share_what_is_left_of_the_month() {
    let mut desk = Desk::limited(None, Some(1));
    let mut granted: Vec<(u64, bool)> = Vec::new();
    for hold in 0..10 {
        let said = desk.admit_at(hold, TODAY_US);
        assert!(said.starts_with("admitted"), "call {hold}: {said}");
        granted.push(parse(&said));
    }
    let mut spent = 0;
    for second in 0..=600_u64 {
        for hold in 0..10_u64 {
            let place = &mut granted[usize::try_from(hold).unwrap()];
            if place.0 == 0 {
                continue;
            }
            if place.0 <= second * 1_000 {
                assert!(place.1, "cut without being the last slice");
                spent += dime().cost_up(place.0).0;
                assert_eq!(desk.settle_7(hold, dime().cost_up(place.0).0), "");
                place.0 = 0;
            } else if !place.1 && place.0 / 2 <= second * 1_000 {
                *place = parse(&desk.extend(hold, place.0));
            }
            let (used, held) = desk.spent(MONTH);
            assert!(used + held <= EURO, "{used} and {held}");
        }
    }
    assert!(spent <= EURO && spent > EURO - 10 * dime().cost_up(1).0, "{spent}");
    assert_eq!(desk.spent(MONTH), (spent, 0));
    // The month is full, the next one is not.
    assert_eq!(desk.admit_at(20, TODAY_US + 1), "refused 20: no credit of 7");
    assert_eq!(desk.admit_at(21, 20 * DAY_US), "admitted 21 75000 ms");
    assert_eq!(desk.till.drift(), 0);
}

/// The limit of the month of `days` behind today, in tenths of a euro.
fn month_max(desk: &Desk, days: i64) -> i64 {
    let most = desk.till.most_at(key(7), TODAY_US + days * DAY_US)[MONTH].unwrap();
    most.0 / (EURO / 10)
}

fn grows(by: i64, to: i64, since_us: i64) -> Option<Growth> {
    Some(Growth { by: Amount(by * EURO), to: Some(Amount(to * EURO)), since_us })
}

#[test]
fn the_limit_of_a_month_grows_with_each_month_that_cost_something() {
    let mut desk = Desk::limited(None, None);
    assert_eq!(desk.limit_growing(None, Some(1), grows(2, 6, 0)), "");
    // Today is in the second month; the next begins in 8 days.
    let month = |n: i64| TODAY_US + n * 10 * DAY_US;
    assert_eq!((month_max(&desk, 0), month_max(&desk, 10)), (10, 10));
    assert_eq!(desk.admit_at(1, month(0)), "admitted 1 75000 ms");
    // What is only held is not spent yet.
    assert_eq!((month_max(&desk, 0), month_max(&desk, 10)), (10, 10));
    assert_eq!(desk.settle_7(1, 1), "");
    assert_eq!((month_max(&desk, 0), month_max(&desk, 10)), (10, 30));
    // Half an hour, an eighth of it; and the month before has its own limit still.
    desk.tell(calendar(month(1)));
    assert_eq!(desk.admit_at(2, month(1)), "admitted 2 225000 ms");
    assert_eq!(desk.admit_at(3, month(0) + 1), "admitted 3 74000 ms");
    assert_eq!((desk.settle_7(2, 1), desk.settle_7(3, 1)), (String::new(), String::new()));
    assert_eq!((month_max(&desk, 10), month_max(&desk, 20)), (30, 50));
    // One month in which nothing costs anything, then two that do: no further than to the end.
    for (hold, months) in [(4, 3), (5, 4)] {
        desk.tell(calendar(month(months)));
        assert!(desk.admit_at(hold, month(months)).starts_with("admitted"));
        assert_eq!(month_max(&desk, months * 10), if months == 3 { 50 } else { 60 });
        assert_eq!(desk.settle_7(hold, 1), "");
    }
    // With an end below the limit it stays as it is; without growth it is as it was set.
    assert_eq!(desk.limit_growing(None, Some(9), grows(2, 6, 0)), "");
    assert_eq!(month_max(&desk, 40), 90);
    assert_eq!(desk.limit(None, Some(1)), "");
    assert_eq!(month_max(&desk, 40), 10);
    assert_eq!(desk.till.drift(), 0);
}

#[test]
fn a_limit_that_has_grown_before_a_restart_grows_on() {
    let mut desk = Desk::limited(None, None);
    desk.limit_growing(None, Some(1), grows(1, 9, DAY_US));
    // The database has counted two months that began before the last one, which it tells itself.
    let counted = Event::Grown { key: key(7), before_us: 0, months: 2 };
    assert_eq!(desk.tell(counted.clone()), "");
    assert_eq!(month_max(&desk, 0), 30);
    let last = Event::Spent { key: key(7), at_us: 5 * DAY_US, charge: Amount(7), talk_ms: 0 };
    assert_eq!(desk.tell(last), "");
    assert_eq!(month_max(&desk, 0), 40);
    // Told again, it changes nothing; what it counts is not counted twice.
    assert_eq!(desk.tell(counted), "");
    assert_eq!(month_max(&desk, 0), 40);
    let later = Event::Grown { key: key(7), before_us: 10 * DAY_US, months: 3 };
    assert_eq!(desk.tell(later), "");
    assert_eq!(month_max(&desk, 0), 40);
    // It grows from now on: what was before counts no more, and a call at its end gets nothing.
    assert_eq!(desk.limit_growing(None, Some(1), grows(1, 9, TODAY_US)), "");
    assert_eq!(month_max(&desk, 0), 10);
    assert_eq!(desk.tell(desk_spent(99_000_000)), "");
    assert_eq!(desk.admit_at(1, TODAY_US + 2), "refused 1: no credit of 7");
    assert_eq!(month_max(&desk, 10), 20);
}

impl Desk {
    /// Account 7 may spend seven times its dearest day, and no less than `least` EUR; behind
    /// `peak`, which is what the database knows of the days before yesterday.
    fn learning(least: i64, peak: Option<i64>) -> Desk {
        let mut desk = Desk::limited(None, None);
        let learning = Some(Learning { times: 7, least: Amount(least * EURO) });
        let load = Load {
            key: key(7),
            posted: Amount(0),
            floor: None,
            calls_max: 0,
            per_second_max: 0,
            tenant: TenantId(1),
            spend_max: [None; PERIODS],
            talk_ms_max: [None; PERIODS],
            growth: None,
            learning,
            counts: false,
        };
        assert_eq!(desk.tell(Event::Load(load)), "");
        if let Some(peak) = peak {
            let (before_us, peak) = (TODAY_US - DAY_US, Amount(peak * EURO));
            assert_eq!(desk.tell(Event::Learnt { key: key(7), before_us, peak }), "");
        }
        desk
    }

    fn day_max(&self, days: i64) -> Option<i64> {
        let most = self.till.most_at(key(7), TODAY_US + days * DAY_US)[DAY];
        most.map(|most| most.0 / EURO)
    }

    /// Calls of one day cost so much more; the limit of that day.
    fn spend(&mut self, days: i64, euros: i64) -> Option<i64> {
        self.tell(calendar(TODAY_US + days * DAY_US));
        let (at_us, charge) = (TODAY_US + days * DAY_US, Amount(euros * EURO));
        self.tell(Event::Spent { key: key(7), at_us, charge, talk_ms: 0 });
        self.day_max(days)
    }
}

#[test]
fn the_limit_of_a_day_is_learnt_from_the_days_before_it() {
    // The spec's week: Monday 10, Tuesday 0, Wednesday 5, Thursday 30, Friday stopped at 210.
    let mut desk = Desk::learning(30, Some(0));
    assert_eq!(desk.spend(0, 10), Some(30), "what is spent today raises tomorrow");
    assert_eq!(desk.spend(1, 0), Some(70));
    assert_eq!(desk.spend(2, 5), Some(70));
    assert_eq!(desk.spend(3, 30), Some(70));
    assert_eq!(desk.spend(4, 209), Some(210));
    assert_eq!(desk.admit_at(1, TODAY_US + 4 * DAY_US + 1), "admitted 1 75000 ms");
    assert_eq!(desk.spend(4, 1), Some(210));
    assert_eq!(desk.admit_at(2, TODAY_US + 4 * DAY_US + 2), "refused 2: no credit of 7");
    // A day that was stopped teaches nothing, or the limit would be seven times as high each day.
    assert_eq!(desk.spend(5, 1), Some(210));
    assert_eq!(desk.till.drift(), 0);
}

#[test]
fn what_was_learnt_before_a_restart_counts_and_until_it_is_told_nothing_is_limited() {
    let mut desk = Desk::learning(1, None);
    assert_eq!(desk.spend(0, 50), None);
    assert_eq!(desk.admit_at(1, TODAY_US), "admitted 1 all");
    let mut desk = Desk::learning(1, Some(3));
    assert_eq!(desk.day_max(0), Some(21));
    // Yesterday, as the database tells it at boot, counts for today.
    let yesterday =
        Event::Spent { key: key(7), at_us: TODAY_US - 9, charge: Amount(5 * EURO), talk_ms: 0 };
    desk.tell(yesterday);
    assert_eq!((desk.day_max(-1), desk.day_max(0)), (Some(21), Some(35)));
    // Counted again by the database, a day later.
    desk.tell(calendar(TODAY_US + DAY_US));
    desk.tell(Event::Learnt { key: key(7), before_us: TODAY_US, peak: Amount(5 * EURO) });
    assert_eq!(desk.day_max(0), Some(35));
    assert_eq!(desk.spend(0, 20), Some(35));
    assert_eq!(desk.day_max(1), Some(140));
}

#[test]
fn a_limit_that_grows_lengthens_calls() {
    let mut desk = Desk::limited(None, None);
    desk.limit_growing(None, Some(1), grows(1, 9, 0));
    desk.tell(desk_spent(95_000_000));
    assert_eq!(desk.admit_at(1, TODAY_US + 2), "admitted 1 30000 ms last");
    let counted = Event::Grown { key: key(7), before_us: 0, months: 1 };
    assert_eq!(desk.tell(counted), "lengthened 1 105000 ms");
}

#[test]
fn a_call_of_a_day_without_others_is_taken_up_in_its_day() {
    let mut desk = Desk::limited(Some(1), None);
    let spent = |days: i64, charge| Event::Spent {
        key: key(7),
        at_us: TODAY_US + days * DAY_US,
        charge: Amount(charge),
        talk_ms: 0,
    };
    desk.tell(calendar(TODAY_US + DAY_US));
    desk.tell(spent(-1, 9));
    desk.tell(spent(1, 20_000_000));
    // It began yesterday, when nothing else did.
    let adopt = Adopt {
        hold: HoldId(1),
        levels: ask(1, &[7]).levels,
        free: None,
        packet: None,
        free_ms: 0,
        limits: Vec::new(),
        granted_ms: 60_000,
        last: false,
        ms_max: 0,
        started: true,
        at_us: TODAY_US + 5,
    };
    desk.tell(Event::Adopt(adopt));
    assert_eq!(desk.spent(DAY), (20_000_000, 0));
    assert_eq!(desk.extend(1, 60_000), "extended 1 127000 ms");
    assert_eq!(desk.settle_7(1, 7), "");
    assert_eq!(desk.spent(DAY), (20_000_000, 0));
    let used = |days: i64| desk.till.spent_at(key(7), TODAY_US + days * DAY_US)[DAY].0;
    assert_eq!((used(0), used(1), used(2)), (7, 20_000_000, 0));
}

#[test]
fn a_time_zone_that_changes_begins_a_day_and_refuses_nobody() {
    let mut desk = Desk::limited(Some(1), None);
    assert_eq!(desk.admit_at(1, TODAY_US + 5), "admitted 1 75000 ms");
    let earlier =
        |from_us: i64| Bounds { before_us: from_us - DAY_US, from_us, next_us: from_us + DAY_US };
    let calendar = Calendar([earlier(TODAY_US - 7_000), earlier(TODAY_US - 7_000)]);
    desk.tell(Event::Calendar { tenant: TenantId(1), calendar });
    assert_eq!(desk.admit_at(2, TODAY_US + 9), "admitted 2 75000 ms");
    assert_eq!(desk.extend(1, 75_000), "extended 1 140000 ms");
    assert_eq!((desk.settle_7(1, 5), desk.settle_7(2, 6)), (String::new(), String::new()));
    assert_eq!(desk.till.drift(), 0);
}
