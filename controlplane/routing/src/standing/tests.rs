use super::*;
use crate::limits::DIRECTION_TRUNKS_MAX;
use proptest::prelude::*;

const SECOND: i64 = 1_000_000;
const TRUNK: TrunkId = TrunkId(7);

fn set() -> RouteSettings {
    RouteSettings { failures_max: 3, calls_min: 10, ..RouteSettings::default() }
}

fn number(text: &str) -> Digits {
    Digits::parse(text).unwrap()
}

fn end(called: &str, talk_ms: Option<u64>, is_fault: bool) -> Ended {
    Ended { trunk: TRUNK, direction: Direction::of(&number(called)), talk_ms, is_fault }
}

/// What a trunk is for a number: `well`, `failed`, or `failed here`.
fn seen(standing: &Standing, called: &str, at_s: i64) -> &'static str {
    match standing.view(&number(called), at_s * SECOND).is_failed(TRUNK) {
        (true, _) => "failed",
        (false, true) => "failed here",
        (false, false) => "well",
    }
}

/// `seconds word` each: `fault`, `busy`, `talk`, or `sent`.
fn after(events: &[(i64, &str)], called: &str) -> Standing {
    let mut standing = Standing::default();
    for (at_s, word) in events {
        let now_us = at_s * SECOND;
        match *word {
            "sent" => standing.sent(TRUNK, Direction::of(&number(called)), false, now_us),
            "fault" => standing.ended(&end(called, None, true), &set(), now_us),
            "busy" => standing.ended(&end(called, None, false), &set(), now_us),
            "talk" => standing.ended(&end(called, Some(60_000), false), &set(), now_us),
            other => panic!("{other}"),
        }
    }
    standing
}

#[track_caller]
fn check(events: &[(i64, &str)], at_s: i64, expect: &str) {
    assert_eq!(seen(&after(events, "447700"), "447700", at_s), expect, "{events:?}");
}

#[test]
fn failures_in_a_row_sink_a_trunk_and_one_call_brings_it_back() {
    let failed = [(0, "fault"), (1, "fault"), (2, "fault")];
    let and = |more: &[(i64, &'static str)]| [&failed, more].concat();
    check(&failed[..2], 3, "well");
    check(&[(0, "fault"), (1, "busy"), (2, "fault"), (3, "fault")], 4, "well");
    check(&failed, 3, "failed");
    // A minute later it may be tried, by one call at a time.
    check(&failed, 61, "failed");
    check(&failed, 62, "well");
    check(&and(&[(62, "sent")]), 63, "failed");
    check(&and(&[(62, "sent")]), 122, "well");
    check(&and(&[(62, "sent"), (64, "talk")]), 65, "well");
    check(&and(&[(62, "sent"), (64, "busy")]), 65, "well");
    // In vain: two minutes, then four.
    check(&and(&[(62, "sent"), (64, "fault")]), 183, "failed");
    check(&and(&[(62, "sent"), (64, "fault")]), 184, "well");
    let twice = and(&[(62, "sent"), (64, "fault"), (184, "sent"), (190, "fault")]);
    check(&twice, 429, "failed");
    check(&twice, 430, "well");
    // Late ends of calls from before change nothing.
    check(&and(&[(30, "fault")]), 62, "well");
    // Once it has worked, it begins with a minute again.
    let again = and(&[(62, "sent"), (64, "talk"), (70, "fault"), (71, "fault"), (72, "fault")]);
    check(&again, 131, "failed");
    check(&again, 132, "well");
}

#[test]
fn a_direction_fails_alone_while_others_work() {
    let mut standing = Standing::default();
    for at_s in 0..5 {
        standing.ended(&end("447700", None, true), &set(), at_s * SECOND);
        standing.ended(&end("33123", Some(9_000), false), &set(), at_s * SECOND);
    }
    assert_eq!(seen(&standing, "447700900", 5), "failed here");
    assert_eq!(seen(&standing, "33123", 5), "well");
    assert_eq!(seen(&standing, "4420", 5), "well");
    let failing: Vec<_> = standing.failing().collect();
    assert_eq!(failing.len(), 1);
    assert_eq!(failing[0].direction.map(|d| d.digits()).as_deref(), Some("4477"));
    standing.restore(TRUNK);
    assert_eq!(seen(&standing, "447700900", 5), "well");
    assert_eq!(standing.failing().count(), 0);
}

#[test]
fn settings_say_what_failing_is() {
    let ends = |set: &RouteSettings, talk_ms: Option<u64>, is_fault| {
        let mut standing = Standing::default();
        for _ in 0..10 {
            standing.ended(&end("44", talk_ms, is_fault), set, 0);
        }
        standing
    };
    let of = |set: RouteSettings, talk_ms, is_fault, at_s| {
        seen(&ends(&set, talk_ms, is_fault), "44", at_s)
    };
    let set = set();
    assert_eq!(of(set.clone(), None, true, 1), "failed");
    assert_eq!(of(RouteSettings { failures_max: 0, ..set.clone() }, None, true, 1), "well");
    assert_eq!(of(RouteSettings { failures_max: 11, ..set.clone() }, None, true, 1), "well");
    assert_eq!(of(RouteSettings { retry_ms: 5_000, ..set.clone() }, None, true, 5), "well");
    assert_eq!(of(RouteSettings { retry_ms_max: 7_000, ..set.clone() }, None, true, 7), "well");
    // Shares and averages.
    let asr = RouteSettings { asr_percent_min: 20, ..set.clone() };
    assert_eq!(of(set.clone(), None, false, 1), "well");
    assert_eq!(of(asr.clone(), None, false, 1), "failed");
    assert_eq!(of(RouteSettings { calls_min: 11, ..asr }, None, false, 1), "well");
    let acd = RouteSettings { acd_ms_min: 5_000, ..set };
    assert_eq!(of(acd.clone(), Some(4_000), false, 1), "failed");
    assert_eq!(of(acd, Some(5_000), false, 1), "well");
}

#[test]
fn figures_are_of_days_and_months() {
    let mut standing = Standing::default();
    let day = |n: i64| n * DAY_US;
    let mut call = |at_us, talk_ms| standing.ended(&end("44", talk_ms, false), &set(), at_us);
    call(day(30), Some(30_000));
    call(day(31), None);
    call(day(31), Some(60_000));
    let figures = |at_us| standing.view(&number("44"), at_us).figures(TRUNK);
    let at = figures(day(31)).unwrap();
    assert_eq!((at.day.asr_percent(), at.day.acd_ms()), (Some(66), Some(45_000)));
    let at = figures(day(32)).unwrap();
    assert_eq!((at.day.asr_percent(), at.day.acd_ms()), (Some(50), Some(60_000)));
    assert_eq!(at.month.calls, 3);
    let at = figures(day(33)).unwrap();
    assert_eq!((at.day.asr_percent(), at.month.asr_percent()), (None, Some(66)));
    assert_eq!(figures(day(89)).map(|f| f.month.calls), Some(3));
    assert_eq!(figures(day(90)), None);
    assert_eq!(standing.view(&number("49"), day(31)).figures(TRUNK), None);
}

#[test]
fn probes_come_in_threes_ever_more_rarely() {
    let mut standing = Standing::default();
    let direction = Direction::of(&number("44"));
    let wants = |standing: &Standing, at_us| standing.view(&number("44"), at_us).wants_probe(TRUNK);
    let mut at_us = 0;
    let mut waits = Vec::new();
    for _ in 0..10 {
        for _ in 0..PROBE_CALLS {
            assert!(wants(&standing, at_us));
            standing.sent(TRUNK, direction, true, at_us);
        }
        assert!(!wants(&standing, at_us));
        let mut wait_us = PROBE_US;
        while !wants(&standing, at_us + wait_us) {
            assert!(!wants(&standing, at_us + wait_us - 1));
            wait_us *= 2;
        }
        waits.push(wait_us / PROBE_US);
        at_us += wait_us;
    }
    assert_eq!(waits, [1, 2, 4, 8, 16, 32, 64, 128, 128, 128]);
}

#[test]
fn memory_is_bounded_and_the_quietest_is_forgotten() {
    let mut standing = Standing::default();
    // More of four symbols than there is room for; 1000 is called first.
    let symbols = b"0123456789*#";
    let symbol = |n: usize, of: usize| char::from(symbols[(n / 12usize.pow(of as u32)) % 12]);
    for n in (0..12usize.pow(4)).map(|n| (n + 12usize.pow(3)) % 12usize.pow(4)) {
        let text: String = (0..4).rev().map(|of| symbol(n, of)).collect();
        standing.sent(TrunkId(1), Direction::of(&number(&text)), false, 0);
    }
    for n in 0..STANDING_TRUNKS_MAX as i64 + 10 {
        standing.sent(TrunkId(n), Direction::of(&number("9999")), false, 0);
    }
    let kept = DIRECTIONS_MAX - DIRECTIONS_MAX / FORGET_PART..=DIRECTIONS_MAX;
    assert!(kept.contains(&standing.directions.len()));
    assert_eq!(standing.trunks.len(), STANDING_TRUNKS_MAX);
    assert!(standing.directions.values().all(|list| list.len() <= DIRECTION_TRUNKS_MAX));
    assert!(!standing.directions.contains_key(&Direction::of(&number("1000"))));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(256))]

    /// Whatever happens: what failed comes back by a call that works, and a trunk that never
    /// failed a call is never failed.
    #[test]
    fn who_works_is_not_failed(
        events in prop::collection::vec((0u8..4, 1i64..200), 1..80),
    ) {
        let words = ["sent", "fault", "busy", "talk"];
        let mut at_s = 0;
        let list: Vec<(i64, &str)> = events.iter().map(|(word, step)| {
            at_s += step;
            (at_s, words[usize::from(*word)])
        }).collect();
        let standing = after(&list, "44");
        if list.iter().all(|(_, word)| *word != "fault")
            || list.last().is_some_and(|(_, word)| ["busy", "talk"].contains(word))
        {
            prop_assert_eq!(seen(&standing, "44", at_s), "well");
        }
    }
}

#[test]
fn figures_from_before_take_the_place_of_those_of_the_last_calls() {
    let failed = [(0, "fault"), (1, "fault"), (2, "fault")];
    let mut standing = after(&failed, "447700");
    let direction = Direction::of(&number("447700"));
    let counts = |calls| Counts { calls, answered: calls / 2, talk_ms: 1_000 };
    let of = |is_month, slot, calls| Recalled {
        trunk: TRUNK,
        direction,
        is_month,
        slot,
        counts: counts(calls),
    };
    let past = [of(true, 0, 100), of(true, 1, 40), of(false, 33, 7), of(false, 34, 8)];
    standing.recall(&past);
    assert_eq!(seen(&standing, "447700", 3), "failed", "what failed stays");
    let at_us = 34 * DAY_US;
    let called = number("447711");
    let figures = |standing: &Standing| standing.view(&called, at_us).figures(TRUNK).unwrap();
    let known = figures(&standing);
    assert_eq!((known.day.calls, known.month.calls), (15, 140));
    // The next call counts on.
    let next = Ended { direction, ..end("447700", Some(60_000), false) };
    standing.ended(&next, &set(), at_us + 1);
    assert_eq!((figures(&standing).day.calls, figures(&standing).month.calls), (16, 141));
    let tomorrow = standing.view(&called, at_us + DAY_US).figures(TRUNK).unwrap();
    assert_eq!(tomorrow.day.calls, 9);
}
