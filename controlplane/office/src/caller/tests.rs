use super::*;

const SECOND: i64 = 1_000_000;

fn set() -> GuardSettings {
    GuardSettings {
        scan_max: 12,
        fruitless_max: 5,
        judged_calls: 0,
        window_ms: 60_000,
        caller_ban_ms: 600_000,
        ..GuardSettings::default()
    }
}

fn digits(text: &str) -> Digits {
    Digits::parse(text).unwrap()
}

fn caller(number: &str) -> Caller {
    Caller { tenant: TenantId(1), account: AccountId(2), number: digits(number) }
}

fn call(called: &str, talk_ms: Option<u64>) -> Heard {
    Heard { called: digits(called), talk_ms, left_us: true, is_wrong: false }
}

/// The calls of 1001 to these numbers, a second apart; the first block, and after how many.
fn block(set: &GuardSettings, calls: &[(&str, Option<u64>)]) -> Option<(Nuisance, u32, usize)> {
    let mut callers = Callers::default();
    calls.iter().enumerate().find_map(|(n, (called, talk_ms))| {
        let at_us = i64::try_from(n).unwrap() * SECOND;
        let block = callers.note(caller("1001"), &call(called, *talk_ms), at_us, set)?;
        assert_eq!(block.until_us, at_us + 600 * SECOND);
        Some((block.why, block.count, n + 1))
    })
}

fn row(from: u64, step: u64, count: u64) -> Vec<String> {
    (0..count).map(|n| (from + n * step).to_string()).collect()
}

fn failed(numbers: &[String]) -> Vec<(&str, Option<u64>)> {
    numbers.iter().map(|number| (number.as_str(), None)).collect()
}

#[test]
fn who_seeks_numbers_is_blocked() {
    let set = GuardSettings { fruitless_max: 0, ..set() };
    // The very next number counts three times, the first one is no neighbour.
    let scan = Some((Nuisance::Scanning, 12, 5));
    assert_eq!(block(&set, &failed(&row(442_071_000, 1, 9))), scan);
    // Less than 30 apart, or one digit changed, counts once.
    let scan = Some((Nuisance::Scanning, 12, 13));
    assert_eq!(block(&set, &failed(&row(442_071_000, 29, 20))), scan);
    assert_eq!(block(&set, &failed(&row(442_071_000, 10_000_000, 13))), None, "and 99 by a carry");
    assert_eq!(block(&set, &failed(&row(442_071_000, 1_234, 20))), None, "none is near another");
    // Downwards is as good, and so are two rows at a time.
    let mut down = row(442_071_000, 1, 9);
    down.reverse();
    assert_eq!(block(&set, &failed(&down)), Some((Nuisance::Scanning, 12, 5)));
    let (a, b) = (row(442_071_000, 1, 9), row(331_555_000, 1, 9));
    let both: Vec<String> = a.into_iter().zip(b).flat_map(|(a, b)| [a, b]).collect();
    assert_eq!(block(&set, &failed(&both)), Some((Nuisance::Scanning, 12, 14)));
    // Talks are no scan, nor is one number again and again.
    let numbers = row(442_071_000, 1, 99);
    let talks: Vec<_> = numbers.iter().map(|n| (n.as_str(), Some(5_000))).collect();
    assert_eq!(block(&set, &talks), None);
    let short: Vec<_> = numbers.iter().map(|n| (n.as_str(), Some(4_999))).collect();
    assert_eq!(block(&set, &short), Some((Nuisance::Scanning, 12, 5)));
    assert_eq!(block(&set, &[("442071000", None); 99]), None);
    assert_eq!(block(&GuardSettings { scan_max: 0, ..set }, &failed(&numbers)), None);
}

#[test]
fn a_score_is_forgotten_with_its_window() {
    let set = GuardSettings { fruitless_max: 0, ..set() };
    let mut callers = Callers::default();
    let numbers = row(442_071_000, 1, 9);
    for (n, number) in numbers.iter().enumerate() {
        // Three of them score 9 at most; the window begins with the first.
        let at_us = i64::try_from(n / 3).unwrap() * 61 * SECOND;
        assert_eq!(callers.note(caller("1001"), &call(number, None), at_us, &set), None, "{n}");
    }
    // Each caller has a score of its own.
    for number in row(442_072_000, 1, 4) {
        assert_eq!(callers.note(caller("1002"), &call(&number, None), 0, &set), None);
        assert_eq!(callers.note(caller("1003"), &call(&number, None), 0, &set), None);
    }
    assert_eq!(callers.len(), 3);
}

#[test]
fn calls_that_come_to_nothing_block_and_a_talk_forgives_them() {
    let set = GuardSettings { scan_max: 0, ..set() };
    let numbers = row(440_000_000, 7_654_321, 9);
    assert_eq!(block(&set, &failed(&numbers)), Some((Nuisance::Fruitless, 5, 5)));
    let mut calls = failed(&numbers);
    calls[3].1 = Some(5_000);
    assert_eq!(block(&set, &calls), Some((Nuisance::Fruitless, 5, 9)));
    assert_eq!(block(&set, &[("442071000", None); 99]), None, "one number is no search");
}

#[test]
fn callers_are_judged_by_how_many_answer_and_how_long_they_talk() {
    let off = GuardSettings { scan_max: 0, fruitless_max: 0, ..set() };
    let set = GuardSettings {
        judged_calls: 10,
        judged_asr_percent_min: 20,
        judged_acd_ms_min: 15_000,
        ..off.clone()
    };
    // Ten calls, so many answered, each of so many seconds.
    let check = |answered: usize, talk_ms: u64, expect: Option<(u8, u32)>| {
        let talk = |n: usize| (n < answered).then_some(talk_ms);
        let numbers = row(440_000_000, 7_654_321, 10);
        let calls: Vec<_> =
            numbers.iter().enumerate().map(|(n, number)| (number.as_str(), talk(n))).collect();
        let judged =
            expect.map(|(asr_percent, acd_s)| (Nuisance::Judged { asr_percent, acd_s }, 10, 10));
        assert_eq!(block(&set, &calls), judged, "{answered} of {talk_ms} ms");
        assert_eq!(block(&off, &calls), None);
        assert_eq!(block(&set, &calls[..9]), None, "not before there are so many");
    };
    check(2, 15_000, None);
    check(1, 60_000, Some((10, 60)));
    check(10, 14_999, Some((100, 14)));
    check(0, 0, Some((0, 0)));
    // The caller of the source's contradiction: more answered than is good, shorter than is good.
    check(3, 35_000, None);
    // Calls between our own are not judged.
    let mut callers = Callers::default();
    for n in 0..99 {
        let inside = Heard { left_us: false, ..call("1002", None) };
        assert_eq!(callers.note(caller("1001"), &inside, n, &set), None);
    }
}

#[test]
fn a_flood_of_callers_takes_no_more_room() {
    let mut callers = Callers::default();
    for n in 0..=CALLERS_MAX {
        let from = caller(&format!("49{n}"));
        let at_us = i64::try_from(n).unwrap();
        assert_eq!(callers.note(from, &call("442071000", None), at_us, &set()), None);
    }
    assert_eq!(callers.len(), CALLERS_MAX);
}
