use super::*;
use proptest::prelude::*;

const HOUR_US: i64 = 60 * MINUTE_US;

fn parts() -> DayParts {
    DayParts {
        peak_from_min: 540,
        peak_until_min: 1_140,
        evening_from_min: 1_140,
        night_from_min: 1_320,
        weekend_is_peak: false,
        holiday_is_weekend: false,
    }
}

/// Berlin around 2026: clocks are changed on 29 March and 25 October at 01:00 UTC.
fn berlin() -> Zone {
    let at = |month, day| i64::from(day_of(2026, month, day).unwrap()) * DAY_US + HOUR_US;
    Zone::new(3_600, vec![(at(3, 29), 7_200), (at(10, 25), 3_600)]).unwrap()
}

/// Microseconds of `2026-MM-DD HH:MM` UTC.
fn us(month: u8, day: u8, hour: i64, minute: i64) -> i64 {
    let day = i64::from(day_of(2026, month, day).unwrap());
    day * DAY_US + hour * HOUR_US + minute * MINUTE_US
}

fn holiday(month: u8, day: u8, working: bool, prefixes: &[&str]) -> Holiday {
    let day = day_of(2026, month, day).unwrap();
    Holiday {
        id: HolidayId(1),
        tenant: TenantId(1),
        name: "h".into(),
        from_day: day,
        until_day: day,
        working,
        prefixes: prefixes.iter().map(|p| Digits::parse(p).unwrap()).collect(),
    }
}

/// Classes that count at a moment in Berlin.
fn counting(at_us: i64, parts: DayParts, rows: &[Holiday], number: &str) -> String {
    let (zone, holidays) = (berlin(), Holidays::of(rows));
    let number = Digits::parse(number).unwrap();
    let clock = Clock { zone: &zone, parts, holidays: &holidays, number: &number };
    let place = clock.place(at_us);
    let all = [
        "weekday",
        "weekend",
        "off-peak-or-weekend",
        "peak",
        "off-peak",
        "evening",
        "night",
        "holiday",
    ];
    let counts = |text: &&str| text.parse::<TimeClass>().unwrap().counts(&place);
    all.into_iter().filter(counts).collect::<Vec<_>>().join(" ")
}

#[test]
fn classes_count_by_the_clock_of_the_zone() {
    let check = |at_us, expect: &str| assert_eq!(counting(at_us, parts(), &[], "44"), expect);
    // Thursday, 1 January 2026, 08:59 and 09:00 in Berlin.
    check(us(1, 1, 7, 59), "weekday off-peak-or-weekend off-peak night");
    check(us(1, 1, 8, 0), "weekday peak");
    check(us(1, 1, 17, 59), "weekday peak");
    check(us(1, 1, 18, 0), "weekday off-peak-or-weekend off-peak evening");
    check(us(1, 1, 21, 0), "weekday off-peak-or-weekend off-peak night");
    // In summer it is an hour earlier.
    check(us(7, 1, 6, 59), "weekday off-peak-or-weekend off-peak night");
    check(us(7, 1, 7, 0), "weekday peak");
    // Friday, 23:00 UTC is Saturday.
    check(us(1, 2, 22, 59), "weekday off-peak-or-weekend off-peak night");
    check(us(1, 2, 23, 0), "weekend off-peak-or-weekend off-peak night");
    check(us(1, 3, 11, 0), "weekend off-peak-or-weekend off-peak");
}

#[test]
fn weekends_and_holidays_are_what_is_set() {
    let saturday = us(1, 3, 11, 0);
    let peak = DayParts { weekend_is_peak: true, ..parts() };
    assert_eq!(counting(saturday, peak, &[], "44"), "weekend off-peak-or-weekend peak");
    // A working day at a weekend is a weekday, and has peak hours.
    assert_eq!(counting(saturday, parts(), &[holiday(1, 3, true, &[])], "44"), "weekday peak");
    let thursday = us(1, 1, 11, 0);
    let day = [holiday(1, 1, false, &["36", "49"])];
    assert_eq!(counting(thursday, parts(), &day, "4930"), "weekday peak holiday");
    assert_eq!(counting(thursday, parts(), &day, "44"), "weekday peak");
    let sunday = DayParts { holiday_is_weekend: true, ..parts() };
    let expect = "weekend off-peak-or-weekend off-peak holiday";
    assert_eq!(counting(thursday, sunday, &day, "4930"), expect);
    // The longer prefix counts, whatever the order of the rows.
    let both = [holiday(1, 1, false, &["493"]), holiday(1, 1, true, &["49"])];
    assert_eq!(counting(thursday, parts(), &both, "4930"), "weekday peak holiday");
    assert_eq!(counting(thursday, parts(), &both, "4940"), "weekday peak");
}

#[test]
fn texts_of_classes() {
    for text in [
        "all",
        "rest",
        "weekday",
        "off-peak-or-weekend",
        "holiday",
        "08:00-18:30",
        "22:00-06:00",
        "fri 18:00-mon 06:00",
        "mon 00:00-tue 00:00",
    ] {
        assert_eq!(text.parse::<TimeClass>().unwrap().to_string(), text);
    }
    let check = |text: &str, expect: &str| {
        assert_eq!(text.parse::<TimeClass>().unwrap().to_string(), expect);
    };
    check("18:00-24:00", "18:00-00:00");
    check("sat 00:00-sun 24:00", "sat 00:00-mon 00:00");
    for bad in [
        "",
        "Peak",
        "8:00-18:00",
        "08:00",
        "08:00-24:01",
        "08:60-09:00",
        "mon 08:00-18:00",
        "day 08:00-tue 09:00",
        "08:00 -09:00",
        "+8:00-09:00",
    ] {
        assert_eq!(bad.parse::<TimeClass>(), Err(BadClass), "{bad}");
    }
}

#[test]
fn stretches_go_over_midnight_and_over_the_week() {
    let (zone, holidays) = (Zone::default(), Holidays::default());
    let number = Digits::EMPTY;
    let clock = Clock { zone: &zone, parts: parts(), holidays: &holidays, number: &number };
    let check = |class: &str, at_us, expect| {
        let class: TimeClass = class.parse().unwrap();
        assert_eq!(class.counts(&clock.place(at_us)), expect, "{class} at {at_us}");
    };
    check("22:00-06:00", us(1, 1, 23, 0), true);
    check("22:00-06:00", us(1, 1, 5, 59), true);
    check("22:00-06:00", us(1, 1, 6, 0), false);
    check("08:00-24:00", us(1, 1, 23, 59), true);
    check("08:00-24:00", us(1, 1, 7, 59), false);
    // 2 January 2026 is a Friday.
    check("fri 18:00-mon 06:00", us(1, 2, 17, 59), false);
    check("fri 18:00-mon 06:00", us(1, 2, 18, 0), true);
    check("fri 18:00-mon 06:00", us(1, 5, 5, 59), true);
    check("fri 18:00-mon 06:00", us(1, 5, 6, 0), false);
    check("00:00-24:00", us(1, 2, 12, 0), true);
}

#[test]
fn days_and_dates() {
    for (date, day) in [
        ((1970, 1, 1), 0),
        ((1969, 12, 31), -1),
        ((2000, 2, 29), 11_016),
        ((2000, 3, 1), 11_017),
        ((2026, 11, 22), 20_779),
        ((1, 1, 1), -719_162),
        ((9999, 12, 31), 2_932_896),
    ] {
        let (year, month, of_month) = date;
        assert_eq!(day_of(year, month, of_month), Some(day), "{date:?}");
        assert_eq!(date_of(day), Some(date), "{day}");
    }
    for (year, month, day) in
        [(2026, 2, 29), (2026, 13, 1), (2026, 0, 1), (0, 1, 1), (10_000, 1, 1)]
    {
        assert_eq!(day_of(year, month, day), None);
    }
    for day in [-719_163, 2_932_897, i32::MIN, i32::MAX] {
        assert_eq!(date_of(day), None, "{day}");
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(128))]

    #[test]
    fn dates_come_back(day in -719_162..2_932_896_i32) {
        let (year, month, of_month) = date_of(day).unwrap();
        prop_assert_eq!(day_of(year, month, of_month), Some(day));
    }

    /// Between two changes nothing changes, looked at minute by minute.
    #[test]
    fn what_counts_stays_up_to_the_next_change(
        begin_min in -200_000..200_000_i64,
        day in prop::sample::select(vec![(3_u8, 29_u8), (10, 25), (1, 1), (7, 4)]),
        edge in 0..DAY_MIN,
    ) {
        let (zone, number) = (berlin(), Digits::EMPTY);
        let holidays = Holidays::of(&[holiday(day.0, day.1, false, &[])]);
        let parts = DayParts { holiday_is_weekend: true, ..parts() };
        let clock = Clock { zone: &zone, parts, holidays: &holidays, number: &number };
        let at_us = us(day.0, day.1, 0, 0) + (begin_min % 3_000) * MINUTE_US + 30_000_000;
        let text = format!("{:02}:{:02}-12:00", edge / 60, edge % 60);
        let own: TimeClass = text.parse().unwrap();
        let next_us = clock.next_us(at_us, &own.edges().unwrap());
        prop_assert!(next_us > at_us && next_us <= at_us + DAY_US);
        let seen = |at_us| {
            let place = clock.place(at_us);
            let words = super::class::every();
            words.into_iter().chain([own]).map(|c| c.counts(&place)).collect::<Vec<_>>()
        };
        let first = seen(at_us);
        let mut now_us = at_us;
        while now_us < next_us {
            prop_assert_eq!(&seen(now_us), &first);
            now_us += MINUTE_US;
        }
    }
}
