use super::cell::{Sums, class_of, classes_within, currency_of, digits_of};
use super::*;
use strowger_model::{
    AccountId, Amount, CdrCalled, CdrCaller, CdrHop, CdrId, CdrOutcome, CdrTimes, Charge,
    ChargeKind, Currency, Digits, OrganizationId, Price, TrunkId, reason_code,
};

const HOUR_US: i64 = 3_600_000_000;

fn outcome(reason: &str) -> CdrOutcome {
    CdrOutcome { party: 1, reason: reason_code(reason).unwrap(), sip: 0, q850: 0 }
}

fn charge(kind: ChargeKind, net: i64, currency: &str) -> Charge {
    let currency = Currency::new(currency, 2).unwrap();
    Charge {
        account: AccountId(4),
        organization: OrganizationId(1),
        payee: None,
        kind,
        prepaid: false,
        currency,
        net: Amount(net),
        vat_ppm: 0,
        gross: Amount(net),
        charged_ms: 0,
        free_ms: 0,
        allowance: None,
        step_ms: 1_000,
        unit_price: Price(1),
        price_currency: currency,
        tariff: None,
        rate: None,
    }
}

/// Ten minutes past one, 12 s of talk after 3 s of set-up, by trunk 7; trunk 6 was busy.
fn record() -> Cdr {
    let started_us = HOUR_US + 600_000_000;
    Cdr {
        id: CdrId(1),
        part: 0,
        tenant: Some(TenantId(1)),
        ask: 1,
        snapshot: 1,
        times: CdrTimes {
            started_us,
            rang_us: Some(started_us + 2_000_000),
            answered_us: Some(started_us + 3_000_000),
            ended_us: started_us + 15_000_000,
            setup_ms: 3_000,
            talk_ms: 12_000,
            billable_ms: 12_000,
            caller_ms: 12_000,
            called_ms: 12_000,
        },
        caller: CdrCaller {
            account: Some(AccountId(4)),
            trunk: Some(TrunkId(5)),
            ..CdrCaller::default()
        },
        called: CdrCalled {
            normalised: Digits::parse("442071234").ok(),
            destination: Digits::parse("44").ok(),
            trunk: Some(TrunkId(7)),
            ..CdrCalled::default()
        },
        outcome: outcome("normal"),
        caller_media: None,
        called_media: None,
        customer: Some(charge(ChargeKind::Customer, 900, "EUR")),
        levels: vec![
            charge(ChargeKind::Reseller, 800, "EUR"),
            charge(ChargeKind::Reseller, 700, "EUR"),
        ],
        supplier: Some(charge(ChargeKind::Supplier, 500, "USD")),
        commissions: vec![charge(ChargeKind::Commission, 30, "EUR")],
        packet: None,
        hops: vec![CdrHop {
            index: 0,
            stage: 0,
            branch: 0,
            trunk: Some(TrunkId(6)),
            subscriber: None,
            supplier: None,
            dialled: "44".into(),
            remote: "192.0.2.1:5060".parse().unwrap(),
            started_us,
            rang_us: None,
            answered_us: None,
            ended_us: started_us + 1_000_000,
            outcome: outcome("busy"),
        }],
        hops_dropped: 0,
        facts_dropped: 0,
        unpriced: false,
    }
}

fn rows(zones: BTreeMap<TenantId, Zone>, add: &[(&Cdr, i64)]) -> Vec<Vec<i64>> {
    let mut sums = Sums::new(Arc::new(zones));
    add.iter().for_each(|(record, times)| sums.add(record, *times));
    sums.rows().into_iter().map(|row| row.to_vec()).collect()
}

/// Cube, slot, tenant, subject of the rows that count calls.
fn counted(rows: &[Vec<i64>]) -> Vec<[i64; 4]> {
    let counts = rows.iter().filter(|row| row[6] != 0);
    counts.map(|row| [row[0], row[1], row[2], row[3]]).collect()
}

#[test]
fn a_record_has_its_cells() {
    let rows = rows(BTreeMap::new(), &[(&record(), 1)]);
    let expect = [
        [0, 4, 1, 0],
        [1, 4, 1, 4],
        [2, 4, 1, 5],
        [3, 4, 1, 6],
        [3, 4, 1, 7],
        [4, 0, 1, 4],
        [5, 0, 1, 5],
        [6, 0, 1, 6],
        [6, 0, 1, 7],
        [7, 0, 1, 0],
        [8, 0, 1, 4],
        [9, 0, 1, 6],
        [9, 0, 1, 7],
        [10, 0, 0, 6],
        [10, 0, 0, 7],
        [11, 0, 0, 6],
        [11, 0, 0, 7],
    ];
    assert_eq!(counted(&rows), expect);
    let tenant = &rows[0];
    // calls answered effective rang talk billable setup ring held, 5 10 15 20 30 60 120 s.
    let sums = [1, 1, 1, 1, 12_000, 12_000, 3_000, 2_000, 15_000, 1, 1, 0, 0, 0, 0, 0];
    assert_eq!(tenant[6..22], sums);
    let busy = rows.iter().find(|row| row[..4] == [3, 4, 1, 6]).unwrap();
    assert_eq!(busy[6..15], [1, 0, 1, 0, 0, 0, 0, 0, 1_000]);
    // What the caller pays stands beside the counts, another currency in a row of its own.
    assert_eq!(currency_of(tenant[5]).unwrap().code(), "EUR");
    assert_eq!(tenant[22..], [900, 700, 0, 30][..]);
    let dollars = &rows[1];
    assert_eq!(dollars[..5], [0, 4, 1, 0, 0]);
    assert_eq!(currency_of(dollars[5]).unwrap().code(), "USD");
    assert_eq!((&dollars[6..22], &dollars[22..]), (&[0; 16][..], &[0, 0, 500, 0][..]));
}

#[test]
fn a_day_is_the_tenants() {
    let zone = Zone::new(23 * 3_600, Vec::new()).unwrap();
    let rows = rows(BTreeMap::from([(TenantId(1), zone)]), &[(&record(), 1)]);
    let days: Vec<[i64; 4]> = counted(&rows);
    assert!(days.contains(&[4, 1, 1, 4]), "{days:?}");
    assert!(days.contains(&[0, 4, 1, 0]), "quarters are of no zone");
    assert!(days.contains(&[10, 0, 0, 7]), "as the decider counts");
}

#[test]
fn what_is_taken_away_leaves_nothing() {
    let (was, mut is) = (record(), record());
    assert_eq!(rows(BTreeMap::new(), &[(&was, 1), (&was, -1)]), Vec::<Vec<i64>>::new());
    is.customer = Some(charge(ChargeKind::Customer, 950, "EUR"));
    let differences = rows(BTreeMap::new(), &[(&was, -1), (&is, 1)]);
    assert!(!differences.is_empty());
    for row in &differences {
        assert_eq!(currency_of(row[5]).unwrap().code(), "EUR", "{row:?}");
        assert_eq!((&row[6..22], &row[22..]), (&[0; 16][..], &[50, 0, 0, 0][..]));
    }
}

#[test]
fn attempts_that_reached_the_called_party() {
    for (reason, rang, expect) in [
        ("busy", false, 1),
        ("no-answer", true, 1),
        ("rejected", false, 1),
        ("cancelled", true, 1),
        ("cancelled", false, 0),
        ("no-route", false, 0),
        ("peer-error", true, 0),
        ("no-credit", false, 0),
    ] {
        let mut failed = record();
        failed.times.answered_us = None;
        failed.times.rang_us = rang.then_some(failed.times.started_us);
        failed.outcome = outcome(reason);
        let rows = rows(BTreeMap::new(), &[(&failed, 1)]);
        assert_eq!(rows[0][8], expect, "{reason}");
    }
}

#[test]
fn numbers_stand_for_digits_and_currencies() {
    for text in ["", "0", "44", "*21#", "1234567890123456"] {
        assert_eq!(digits_of(class_of(text.as_bytes())), text);
    }
    assert_eq!(digits_of(class_of(b"12345678901234567890")), "1234567890123456");
    assert_eq!(currency_of(0), None);
    let prefix = Digits::parse("44").unwrap();
    let is_within = |text: &str| {
        let class = class_of(text.as_bytes());
        classes_within(&prefix).iter().any(|(first, last)| (*first..=*last).contains(&class))
    };
    for inside in ["44", "440", "44#", "447911", "4499999999999999"] {
        assert!(is_within(inside), "{inside}");
    }
    for outside in ["", "4", "43", "45", "4#", "144", "500"] {
        assert!(!is_within(outside), "{outside}");
    }
}

/// What the figures of core 13.2 are made of: a success is as long as the threshold says (ASRB),
/// ACT is from the beginning to the answer of those that were answered, the delay to ringing is of
/// those that rang, and CCC is all of the time that calls took.
#[test]
fn each_figure_counts_what_core_13_2_says() {
    // Milliseconds to ringing, to the answer and of talk; answered, rang, set-up, ringing, held,
    // and how many of the seven thresholds the talk passes.
    for (rings, answers, talk_ms, expect) in [
        (None, None, 0, [0, 0, 0, 0, 9_000, 0]),
        (Some(2_000), None, 0, [0, 1, 0, 2_000, 9_000, 0]),
        (Some(2_000), Some(5_000), 0, [1, 1, 5_000, 2_000, 9_000, 0]),
        (None, Some(5_000), 4_999, [1, 0, 5_000, 0, 9_000, 0]),
        (Some(500), Some(5_000), 5_000, [1, 1, 5_000, 500, 9_000, 1]),
        (Some(500), Some(5_000), 10_000, [1, 1, 5_000, 500, 9_000, 2]),
        (Some(500), Some(5_000), 29_999, [1, 1, 5_000, 500, 9_000, 4]),
        (Some(500), Some(5_000), 60_000, [1, 1, 5_000, 500, 9_000, 6]),
        (Some(500), Some(5_000), 120_000, [1, 1, 5_000, 500, 9_000, 7]),
    ] {
        let mut call = record();
        let started_us = call.times.started_us;
        let at = |ms: Option<i64>| ms.map(|ms| started_us + ms * 1_000);
        call.times = CdrTimes {
            started_us,
            rang_us: at(rings),
            answered_us: at(answers),
            ended_us: started_us + 9_000_000,
            setup_ms: answers.unwrap_or(9_000).unsigned_abs(),
            talk_ms,
            ..CdrTimes::default()
        };
        let row = &rows(BTreeMap::new(), &[(&call, 1)])[0];
        let passed: i64 = row[15..22].iter().sum();
        let is = [row[7], row[9], row[12], row[13], row[14], passed];
        assert_eq!(is, expect, "rings {rings:?}, answers {answers:?}, talks {talk_ms}");
    }
}
