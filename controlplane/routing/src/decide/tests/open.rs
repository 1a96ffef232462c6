//! Routes in time, shares and agreed minutes, lines that are kept for some, trunks tried by hand.

use super::*;
use crate::standing::{Standing, TalkedDay, local_day};
use std::collections::BTreeMap;
use strowger_model::{
    Commitment, Digits, Holiday, HolidayId, Minutes, OrganizationId, Precedence, Route, RouteOrder,
    TimeClass, day_of,
};

/// Where a call to 447 goes first, or that it goes nowhere.
fn first(switch: &mut Switch) -> i64 {
    match switch.decide("1001 dials 447").sent {
        Some(sent) => sent.trunk.0,
        None => 0,
    }
}

fn classes(words: &[&str]) -> Vec<TimeClass> {
    words.iter().map(|word| word.parse().unwrap()).collect()
}

/// Route 2 to trunk 7 at some times, route 1 to trunk 6 else. It is Tuesday, 22:13:20.
fn timed(times: &[&str], except_times: &[&str]) -> Rows {
    let mut rows = rows();
    let special = testing::route(2, "447", &[(7, 0, 1)]);
    let (times, except_times) = (classes(times), classes(except_times));
    rows.routes =
        vec![testing::route(1, "44", &[(6, 0, 1)]), Route { times, except_times, ..special }];
    rows
}

#[test]
fn a_route_is_for_its_times() {
    let goes = |times: &[&str], except: &[&str]| first(&mut Switch::new(timed(times, except)));
    for (times, except, to) in [
        (&[][..], &[][..], 7),
        (&["night"], &[], 7),
        (&["peak"], &[], 6),
        (&["peak", "22:00-22:30"], &[], 7),
        (&["tue 22:13-tue 22:14"], &[], 7),
        (&["tue 22:14-tue 22:13"], &[], 6),
        (&["wed 00:00-thu 00:00"], &[], 6),
        (&["weekday"], &["night"], 6),
        (&[], &["weekend"], 7),
        (&[], &["all"], 6),
    ] {
        assert_eq!(goes(times, except), to, "{times:?} but {except:?}");
    }
    let mut switch = Switch::new(timed(&["peak"], &[]));
    let steps: Vec<Step> = switch.decide("1001 dials 447").trace.steps().collect();
    assert!(steps.contains(&Step::RouteClosed { route: 2, day: 2, minute: 22 * 60 + 13 }));
    // Without another route there is no way.
    let mut rows = timed(&["peak"], &[]);
    rows.routes.remove(0);
    assert_eq!(Switch::new(rows).say("1001 dials 447"), "404 UnknownNumber cause 1");
}

#[test]
fn holidays_are_those_of_the_tenant() {
    let day = day_of(2023, 11, 14).unwrap();
    let holiday = |prefixes: &[&str], working| Holiday {
        id: HolidayId(1),
        tenant: TenantId(1),
        name: "Holiday".into(),
        from_day: day,
        until_day: day,
        working,
        prefixes: prefixes.iter().map(|prefix| testing::digits(prefix)).collect(),
    };
    let goes = |row: Holiday, times: &[&str], except: &[&str]| {
        let mut rows = timed(times, except);
        rows.holidays = vec![row];
        first(&mut Switch::new(rows))
    };
    assert_eq!(goes(holiday(&[], false), &["holiday"], &[]), 7);
    assert_eq!(goes(holiday(&[], false), &["night"], &["holiday"]), 6);
    assert_eq!(goes(holiday(&["33"], false), &["holiday"], &[]), 6);
    assert_eq!(goes(holiday(&["447"], false), &["holiday"], &[]), 7);
    assert_eq!(goes(holiday(&[], true), &["holiday"], &[]), 6);
}

/// Trunks 6 and 7 share calls to 447.
fn shared(weights: [u16; 2]) -> Rows {
    let mut rows = rows();
    let [six, seven] = weights;
    let route = testing::route(1, "44", &[(6, 0, six), (7, 0, seven)]);
    rows.routes = vec![Route { order: Some(RouteOrder::Share), ..route }];
    rows
}

/// Calls as the office makes them: the first of each.
fn called(switch: &mut Switch, called: &str) -> i64 {
    let sent = switch.decide(&format!("1001 dials {called}")).sent.unwrap();
    if let Some(turn) = &sent.turn {
        Arc::make_mut(&mut switch.standing).took(turn, sent.trunk);
    }
    sent.trunk.0
}

#[test]
fn targets_share_calls_and_the_rest_take_what_one_cannot() {
    let mut switch = Switch::new(shared([70, 30]));
    let mut all: Vec<i64> = (0..100).map(|_| called(&mut switch, "447")).collect();
    let of = |all: &[i64], trunk| all.iter().filter(|one| **one == trunk).count();
    assert_eq!((of(&all, 6), of(&all, 7)), (70, 30));
    // Trunk 6 has no price for 4420: such calls are all for trunk 7, and change nothing.
    all.clear();
    for _ in 0..100 {
        all.push(called(&mut switch, "447"));
        assert_eq!(called(&mut switch, "4420"), 7);
    }
    assert_eq!((of(&all, 6), of(&all, 7)), (70, 30));
    let decision = switch.decide("1001 dials 447");
    let turn = Step::ShareTurn { trunk: 6, weight: 70, total: 100, taken: 0, calls: 0 };
    assert!(decision.trace.steps().any(|step| step == turn), "{:?}", decision.trace);
    // Who is not first follows.
    let Verdict::Go(plan) = decision.verdict else { panic!() };
    assert_eq!(plan.go.stages.len(), 3);
}

/// Today in London.
fn today() -> i32 {
    local_day(&strowger_model::Zone::UTC, WALL)
}

fn talked(days: &[(i64, i32, u64)]) -> Standing {
    let mut standing = Standing::default();
    for (trunk, day, minutes) in days {
        standing.talked(TalkedDay { trunk: TrunkId(*trunk), day: *day, ms: minutes * 60_000 });
    }
    standing
}

/// Trunk 6 first, but for what is agreed on with it.
fn agreed(day: (u32, u32, u32), month: (u32, u32, u32)) -> Rows {
    let minutes = |(minutes_min, minutes_desired, minutes_max)| Minutes {
        minutes_min,
        minutes_desired,
        minutes_max,
    };
    let mut rows = rows();
    rows.routes = vec![testing::route(1, "44", &[(6, 0, 0), (7, 0, 1)])];
    let commitment = Commitment { day: minutes(day), month: minutes(month) };
    for trunk in rows.trunks.iter_mut().filter(|trunk| trunk.id == TrunkId(6)) {
        trunk.egress.as_mut().unwrap().commitment = commitment;
    }
    rows
}

#[test]
fn agreed_minutes_move_a_trunk_and_the_most_closes_it() {
    let goes = |day, month, days: &[(i64, i32, u64)]| {
        let mut switch = Switch::new(agreed(day, month));
        switch.standing = Arc::new(talked(days));
        let branches = switch.go("1001 dials 447").stages.len();
        (first(&mut switch), branches)
    };
    let (today, none) = (today(), (0, 0, 0));
    // As usual trunk 7 is first, by its weight; trunk 6 has two addresses.
    assert_eq!(goes(none, none, &[(6, today, 99)]), (7, 3));
    assert_eq!(goes((10, 0, 0), none, &[(6, today, 9)]), (6, 3), "owed today");
    assert_eq!(goes((10, 0, 0), none, &[(6, today, 10)]), (7, 3));
    assert_eq!(goes((10, 0, 0), none, &[(6, today - 1, 10)]), (6, 3), "another day");
    assert_eq!(goes(none, (10, 0, 0), &[(6, today - 1, 10)]), (7, 3), "of the month");
    assert_eq!(goes(none, (10, 0, 0), &[(6, today - 20, 10)]), (6, 3), "another month");
    assert_eq!(goes((0, 0, 10), none, &[(6, today, 9)]), (7, 3));
    assert_eq!(goes((0, 0, 10), none, &[(6, today, 10)]), (7, 1), "spent");
    assert_eq!(goes(none, (0, 0, 10), &[(6, today - 1, 10)]), (7, 1), "spent in the month");
    let mut switch = Switch::new(agreed((10, 0, 0), none));
    let steps: Vec<Step> = switch.decide("1001 dials 447").trace.steps().collect();
    assert!(steps.contains(&Step::HopOwed { trunk: 6, minutes: 0 }), "{steps:?}");
    let mut switch = Switch::new(agreed((0, 0, 10), none));
    switch.standing = Arc::new(talked(&[(6, today, 12), (6, today - 1, 30)]));
    let steps: Vec<Step> = switch.decide("1001 dials 447").trace.steps().collect();
    let spent = Step::HopSpent { trunk: 6, minutes: 12, of_month: 42 };
    assert!(steps.contains(&spent), "{steps:?}");
}

#[test]
fn a_trunk_comes_first_for_calls_that_its_row_names() {
    let goes = |line: &str, set: fn(&mut Precedence)| {
        let mut rows = agreed((0, 0, 0), (0, 0, 0));
        // Trunk 7 a tier above.
        rows.routes[0].targets[1].priority = 100;
        let mut precedence = Precedence::default();
        set(&mut precedence);
        for trunk in rows.trunks.iter_mut().filter(|trunk| trunk.id == TrunkId(6)) {
            trunk.egress.as_mut().unwrap().precedence = Some(precedence.clone());
        }
        let mut switch = Switch::new(rows);
        let decision = switch.decide(line);
        let told = decision.trace.steps().find_map(|step| {
            let Step::HopFirst { trunk: 6, precedence } = step else { return None };
            Some(precedence)
        });
        (decision.sent.unwrap().trunk.0, told)
    };
    let line = "1001 dials 447";
    assert_eq!(goes(line, |_| ()), (7, None));
    assert_eq!(goes(line, |p| p.absolute = 1), (6, Some(1)));
    assert_eq!(goes(line, |p| p.called = vec![testing::digits("447")]), (6, Some(2)));
    assert_eq!(goes(line, |p| p.called = vec![testing::digits("448")]), (7, None));
    // Within a priority only.
    assert_eq!(goes(line, |p| p.organizations = vec![OrganizationId(1)]), (7, Some(4)));
}

#[test]
fn lines_are_kept_for_routes_and_callers_that_may_take_them() {
    let lines = |calls_reserved: u32, reserved: bool| {
        let mut rows = rows();
        rows.trunks[0].egress.as_mut().unwrap().calls_reserved = calls_reserved;
        rows.routes[0].reserved = reserved;
        let mut switch = Switch::new(rows);
        let decision = switch.decide("1001 dials 4420");
        let kept = decision.trace.steps().any(|step| matches!(step, Step::HopReserved { .. }));
        let Verdict::Go(plan) = decision.verdict else { return (None, kept) };
        (Some(plan.go.stages[0].branches[0].gauges[0].in_use_max), kept)
    };
    assert_eq!(lines(0, false), (Some(30), false));
    assert_eq!(lines(10, false), (Some(20), true));
    assert_eq!(lines(10, true), (Some(30), false));
    // All are kept: a limit of 0 would be none.
    assert_eq!(lines(30, false), (None, true));
    assert_eq!(lines(30, true), (Some(30), false));
}

#[test]
fn a_trunk_is_tried_by_its_prefix_alone_and_by_who_may() {
    let try_by = |line: &str, may: bool, only: bool| {
        let mut rows = rows();
        for trunk in &mut rows.trunks {
            let prefix = match trunk.id {
                TrunkId(6) => "*7",
                TrunkId(7) => "*77",
                _ => continue,
            };
            let egress = trunk.egress.as_mut().unwrap();
            egress.test_prefix = Some(testing::digits(prefix));
            egress.test_only = only && trunk.id == TrunkId(7);
            // What it talked says nothing here.
            egress.commitment.day.minutes_max = u32::from(trunk.id == TrunkId(6));
        }
        if may {
            let depth = strowger_model::Depth::System;
            rows.settings.push(setting::setting_row("route.test_calls", "true", depth, 1));
        }
        let mut switch = Switch::new(rows);
        switch.standing = Arc::new(talked(&[(6, today(), 5)]));
        switch.say(line)
    };
    let six = "00447 to trunk 6 at 192.0.2.61:5060, then 00447 to trunk 6 at 192.0.2.62:5070";
    let seven = "447 to trunk 7 at 192.0.2.7:5060; account 1 pays 0.05";
    assert_eq!(try_by("1001 dials *7447", true, false), format!("{six}; account 1 pays 0.05"));
    assert_eq!(try_by("1001 dials *77447", true, false), seven);
    assert_eq!(try_by("1001 dials *77447", true, true), seven);
    assert_eq!(try_by("1001 dials 447", true, false), seven);
    // By its prefix alone.
    assert_eq!(try_by("1001 dials 447", true, true), "404 NoRoute cause 3");
    assert_eq!(try_by("1001 dials *7447", false, false), "404 UnknownNumber cause 1");
    assert_eq!(try_by("1001 dials *7", true, false), "404 UnknownNumber cause 1");
}

proptest! {
    /// A naive look at the clock says the same of any route at any time.
    #[test]
    fn times_are_as_a_calendar_says(
        hours in 0i64..20_000,
        from in 0u16..1_440,
        length in 1u16..1_440,
        weekend in any::<bool>(),
    ) {
        let until = (from + length) % 1_440;
        let of = |minute: u16| format!("{:02}:{:02}", minute / 60, minute % 60);
        let window = format!("{}-{}", of(from), of(until));
        let rows = timed(&[&window], if weekend { &["weekend"] } else { &[] });
        let switch = Switch::new(rows);
        let at_us = WALL + hours * 3_600_000_000 + 61_000_000;
        // London without its summer: no zones are known in these worlds.
        let minute = at_us.div_euclid(60_000_000).rem_euclid(1_440);
        let weekday = (at_us.div_euclid(86_400_000_000) + 3).rem_euclid(7);
        let is_in = (minute - i64::from(from)).rem_euclid(1_440) < i64::from(length);
        let is_open = is_in && !(weekend && weekday >= 5);
        let run = crate::DryRun {
            from: crate::Caller::Subscriber(SubscriberId(1)),
            called: "447".into(),
            caller: None,
            draw: 1,
            known: None,
        };
        let Switch { world, locations, standing, shared, .. } = &switch;
        let decision =
            crate::dry_run(world, locations, (standing, shared), &run, (Tick(0), at_us)).unwrap();
        prop_assert_eq!(decision.sent.unwrap().trunk.0, if is_open { 7 } else { 6 });
    }

    /// Whoever shares and whatever can take a call: the percent of those that can.
    #[test]
    fn shares_hold_for_any_mix_of_numbers(weights in (1u16..9, 1u16..9), calls in 1usize..60) {
        let mut switch = Switch::new(shared(weights.into()));
        let mut counts: BTreeMap<i64, i64> = BTreeMap::new();
        for n in 0..calls {
            if n % 3 == 0 {
                prop_assert_eq!(called(&mut switch, "4420"), 7);
            }
            *counts.entry(called(&mut switch, "447")).or_default() += 1;
        }
        let (six, seven) = (i64::from(weights.0), i64::from(weights.1));
        let calls = i64::try_from(calls).unwrap();
        let got = counts.get(&6).copied().unwrap_or_default();
        prop_assert!((got * (six + seven) - calls * six).abs() < six + seven);
    }
}

#[test]
fn a_test_prefix_is_one_trunks_own() {
    let mut rows = rows();
    for trunk in &mut rows.trunks {
        if let Some(egress) = &mut trunk.egress {
            egress.test_prefix = Digits::parse("*7").ok();
        }
    }
    let error = crate::World::build(rows).unwrap_err().to_string();
    assert!(error.contains("test_prefix is taken by trunk"), "{error}");
}
