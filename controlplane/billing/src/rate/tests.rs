use super::*;
use crate::testing::{euro, flat, terms};
use proptest::prelude::*;
use strowger_model::{
    Amount, ClassRule, Exchange, FOREVER_MS, Measure, Prices, Pricing, RAW_DIGITS, Rounding,
    Segment,
};

/// An exact fraction, the arithmetic of the reference: no scale, no order but that of the spec.
#[derive(Clone, Copy, PartialEq, Debug)]
struct Exact(i128, i128);

impl Exact {
    fn new(n: i128, d: i128) -> Exact {
        let (mut a, mut b) = (n.abs(), d);
        while b != 0 {
            (a, b) = (b, a % b);
        }
        Exact(n / a.max(1), d / a.max(1))
    }
    fn plus(self, other: Exact) -> Exact {
        Exact::new(self.0 * other.1 + other.0 * self.1, self.1 * other.1)
    }
    fn times(self, other: Exact) -> Exact {
        let (a, b) = (Exact::new(self.0, other.1), Exact::new(other.0, self.1));
        Exact::new(a.0 * b.0, a.1 * b.1)
    }
    /// The multiple of `10^-digits` near this, by the definition of each mode.
    fn rounded(self, digits: u8, mode: RoundingMode) -> Exact {
        let one = 10_i128.pow(digits.into());
        let scaled = self.times(Exact(one, 1));
        let below = scaled.0 / scaled.1;
        let twice_rest = (scaled.0 - below * scaled.1) * 2;
        let units = match mode {
            RoundingMode::Down => below,
            RoundingMode::Up if twice_rest == 0 => below,
            RoundingMode::Up => below + 1,
            RoundingMode::HalfAway if twice_rest < scaled.1 => below,
            RoundingMode::HalfAway => below + 1,
            RoundingMode::HalfEven if twice_rest < scaled.1 => below,
            RoundingMode::HalfEven if twice_rest == scaled.1 => below + below % 2,
            RoundingMode::HalfEven => below + 1,
        };
        Exact::new(units, one)
    }
}

fn ten(digits: u8) -> i128 {
    10_i128.pow(digits.into())
}

/// Charged time, one step at a time.
fn reference_charged(measure: &Measure, billable_ms: u64) -> u64 {
    let mut ms = billable_ms;
    if measure.free_after_ms > 0 && ms > measure.free_after_ms.into() {
        ms = measure.free_after_ms.into();
    }
    if measure.free_ms > 0 {
        if ms <= measure.free_ms.into() {
            return 0;
        }
        ms -= u64::from(measure.free_ms);
    }
    if ms < measure.minimum_ms.into() {
        ms = measure.minimum_ms.into();
    }
    let step = u64::from(measure.step_ms.get());
    match ms % step {
        0 => ms,
        rest => ms + (step - rest),
    }
}

/// Net and gross as whole ledger units.
fn reference(terms: &Terms, billable_ms: u64, covered_ms: u64) -> (i128, i128) {
    if covered_ms > 0 && billable_ms <= covered_ms {
        return (0, 0);
    }
    let Pricing { measure, prices, fee, currency, discount } = &terms.pricing;
    let free_ms = measure.free_ms.max(u32::try_from(covered_ms).unwrap());
    let measure = &Measure { free_ms, ..*measure };
    let mode = terms.rounding.mode;
    let begin = u64::from(measure.free_ms);
    let end = begin + reference_charged(measure, billable_ms);
    let mut cost = Exact(0, 1);
    let mut from = 0;
    let only;
    let segments = match terms.class_rule {
        ClassRule::Split => prices.as_slice(),
        ClassRule::Middle => {
            let in_it =
                |s: &&Segment| s.until_ms == FOREVER_MS || billable_ms / 2 < u64::from(s.until_ms);
            let price = prices.as_slice().iter().find(in_it).unwrap().price;
            only = [Segment { until_ms: FOREVER_MS, price }];
            &only
        }
    };
    for segment in segments {
        let until = match segment.until_ms {
            FOREVER_MS => u64::MAX,
            ms => ms.into(),
        };
        let (a, b) = (begin.max(from), end.min(until));
        if a < b {
            let minutes = Exact::new((b - a).into(), 60_000);
            cost = cost.plus(minutes.times(Exact::new(segment.price.0.into(), ten(9))));
        }
        from = until;
    }
    let cost = cost.plus(Exact::new(fee.0.into(), ten(currency.ledger_digits())));
    let cost = cost.times(Exact::new(10_000 - i128::from(*discount), 10_000));
    let cost = cost.rounded(terms.rounding.digits, mode);
    let digits = terms.exchange.ledger().ledger_digits();
    let cost = cost.times(Exact::new(terms.exchange.rate().into(), ten(9))).rounded(digits, mode);
    let tax = Exact::new(1_000_000 + i128::from(terms.vat_ppm), 1_000_000);
    let (net, gross) = match terms.vat_included {
        true => (cost.times(Exact(tax.1, tax.0)).rounded(digits, mode), cost),
        false => (cost, cost.times(tax).rounded(digits, mode)),
    };
    let units = |money: Exact| {
        let units = money.times(Exact(ten(digits), 1));
        assert_eq!(units.1, 1);
        units.0
    };
    (units(net), units(gross))
}

#[test]
fn prices_of_known_calls() {
    // Price per minute, milliseconds, cost in EUR.
    for (price, ms, cost) in [
        ("0.10", 600_000, "1.00"),
        ("0.10", 1, "0.00166667"),
        ("0.00045", 1_000, "0.0000075"),
        ("0.01", 0, "0"),
        ("0", 3_600_000, "0"),
    ] {
        let rated = rate(&flat(price), Some(ms), 0).unwrap();
        assert_eq!(rated.gross, Amount::parse(cost, euro()).unwrap(), "{price} {ms}");
        assert_eq!(rated.net, rated.gross);
    }
}

#[test]
fn every_part_of_the_order_counts() {
    let base = flat("0.60");
    let with = |change: fn(&mut Terms)| {
        let mut terms = base;
        change(&mut terms);
        let rated = rate(&terms, Some(90_500), 0).unwrap();
        (rated.charged_ms, rated.net.print(euro()), rated.gross.print(euro()))
    };
    let check = |change, charged, net: &str, gross: &str| {
        assert_eq!(with(change), (charged, net.to_owned(), gross.to_owned()));
    };
    check(|_| {}, 91_000, "0.91000000", "0.91000000");
    check(|t| t.pricing.measure.free_after_ms = 60_000, 60_000, "0.60000000", "0.60000000");
    check(|t| t.pricing.measure.free_ms = 30_000, 61_000, "0.61000000", "0.61000000");
    check(|t| t.pricing.measure.minimum_ms = 120_000, 120_000, "1.20000000", "1.20000000");
    check(|t| t.pricing.fee = Amount(5_000_000), 91_000, "0.96000000", "0.96000000");
    check(|t| t.pricing.discount = 1_000, 91_000, "0.81900000", "0.81900000");
    check(|t| t.rounding.digits = 1, 91_000, "0.90000000", "0.90000000");
    check(
        |t| t.exchange = Exchange::new(1_100_000_000, euro()).unwrap(),
        91_000,
        "1.00100000",
        "1.00100000",
    );
    check(|t| t.vat_ppm = 200_000, 91_000, "0.91000000", "1.09200000");
    check(|t| (t.vat_ppm, t.vat_included) = (200_000, true), 91_000, "0.75833333", "0.91000000");
    check(
        |t| {
            let cheap = Segment { until_ms: FOREVER_MS, price: Price(60_000_000) };
            let dear = Segment { until_ms: 60_000, price: Price(600_000_000) };
            t.pricing.prices = Prices::new(&[dear, cheap]).unwrap();
        },
        91_000,
        "0.63100000",
        "0.63100000",
    );
}

#[test]
fn roundings_by_name() {
    use RoundingMode::{Down, HalfAway, HalfEven, Up};
    for (units, away, up, down, even) in
        [(20, 2, 2, 2, 2), (21, 2, 3, 2, 2), (25, 3, 3, 2, 2), (35, 4, 4, 3, 4), (39, 4, 4, 3, 4)]
    {
        for (mode, expect) in [(HalfAway, away), (Up, up), (Down, down), (HalfEven, even)] {
            assert_eq!(divide(units, 10, mode), expect, "{units} {mode:?}");
        }
    }
}

#[test]
fn an_attempt_without_answer_costs_nothing() {
    let mut terms = flat("1");
    terms.pricing.fee = Amount(7);
    terms.pricing.measure.minimum_ms = 60_000;
    let rated = rate(&terms, None, 0).unwrap();
    assert_eq!((rated.net, rated.gross, rated.charged_ms), (Amount::ZERO, Amount::ZERO, 0));
    assert_eq!(rate(&terms, Some(0), 0).unwrap().charged_ms, 60_000);
}

#[test]
fn what_does_not_fit_is_an_error() {
    let mut terms = Terms::flat(Price(i64::MAX), euro()).unwrap();
    assert_eq!(rate(&terms, Some(u64::MAX), 0), Err(Overflow));
    terms.exchange = Exchange::new(i64::MAX, euro()).unwrap();
    assert_eq!(rate(&terms, Some(u64::MAX), 0), Err(Overflow));
    terms.vat_ppm = u32::MAX;
    assert_eq!(rate(&terms, Some(60_000), 0), Err(Overflow));
    terms.rounding = Rounding { digits: RAW_DIGITS, mode: RoundingMode::Up };
    assert_eq!(rate(&terms, Some(60_000), 0), Err(Overflow));
}

#[test]
fn an_allowance_pays_the_beginning_and_the_tariff_the_rest() {
    let mut terms = flat("0.60");
    terms.pricing.fee = Amount(5_000_000);
    terms.pricing.measure.minimum_ms = 10_000;
    let check = |terms: &Terms, ms, covered_ms, free_ms, charged_ms, gross: &str| {
        let rated = rate(terms, Some(ms), covered_ms).unwrap();
        assert_eq!((rated.free_ms, rated.charged_ms), (free_ms, charged_ms), "{ms} {covered_ms}");
        assert_eq!(rated.gross.print(euro()), gross, "{ms} {covered_ms}");
    };
    // Without one, fee and minimum are due on answer.
    check(&terms, 0, 0, 0, 10_000, "0.15000000");
    check(&terms, 30_000, 0, 0, 30_000, "0.35000000");
    // Inside it nothing is due; what it pays is rounded up to the step.
    check(&terms, 0, 20_000, 0, 0, "0.00000000");
    check(&terms, 19_001, 20_000, 20_000, 0, "0.00000000");
    check(&terms, 20_000, 20_000, 20_000, 0, "0.00000000");
    check(&terms, 500, 700, 700, 0, "0.00000000");
    // Behind it fee and minimum are.
    check(&terms, 20_001, 20_000, 20_000, 10_000, "0.15000000");
    check(&terms, 35_500, 20_000, 20_000, 16_000, "0.21000000");
    // A price that changes does so at its time of the call.
    let cheap = Segment { until_ms: FOREVER_MS, price: Price(60_000_000) };
    let dear = Segment { until_ms: 30_000, price: Price(600_000_000) };
    terms.pricing.prices = Prices::new(&[dear, cheap]).unwrap();
    check(&terms, 40_000, 20_000, 20_000, 20_000, "0.16000000");
    // The tariff's own free amount goes on beside it; what is free after takes nothing of it.
    terms.pricing.measure.free_ms = 30_000;
    check(&terms, 40_000, 20_000, 20_000, 10_000, "0.06000000");
    terms.pricing.measure.free_after_ms = 15_000;
    check(&terms, 18_000, 20_000, 15_000, 0, "0.00000000");
    assert_eq!(rate(&terms, None, 20_000).unwrap().free_ms, 0);
}

/// Mostly none, else some minutes.
fn covered() -> impl Strategy<Value = u64> {
    prop_oneof![Just(0), 1..900_000_u64]
}

proptest! {
    #[test]
    fn equals_exact_fractions(terms in terms(), ms in 0..4_000_000_u64, covered in covered()) {
        let rated = rate(&terms, Some(ms), covered).unwrap();
        let (net, gross) = reference(&terms, ms, covered);
        if covered == 0 {
            prop_assert_eq!(rated.charged_ms, reference_charged(&terms.pricing.measure, ms));
        }
        prop_assert_eq!((i128::from(rated.net.0), i128::from(rated.gross.0)), (net, gross));
        prop_assert!(rated.net <= rated.gross);
        prop_assert!(rated.free_ms <= covered);
    }

    #[test]
    fn never_falls_when_the_call_gets_longer(
        terms in terms(),
        a in 0..4_000_000_u64,
        b in prop_oneof![0..4_000_000_u64, 0..2_000_u64],
        covered in covered(),
    ) {
        let terms = Terms { class_rule: ClassRule::Split, ..terms };
        let rated = |ms| rate(&terms, Some(ms), covered).unwrap();
        let (short, long) = (rated(a), rated(a + b));
        prop_assert!(short.gross <= long.gross && short.net <= long.net);
        prop_assert!(short.free_ms <= long.free_ms);
    }

    #[test]
    fn never_above_its_bound(terms in terms(), ms in 0..4_000_000_u64, covered in covered()) {
        let bound = terms.bound(0, 0).unwrap().behind(covered);
        let mut up = terms;
        up.rounding.mode = RoundingMode::Up;
        prop_assert!(rate(&terms, Some(ms), covered).unwrap().gross <= bound.cost_up(ms));
        if terms.class_rule == ClassRule::Split {
            prop_assert_eq!(rate(&up, Some(ms), covered).unwrap().gross, bound.cost_up(ms));
        }
    }

    #[test]
    fn never_above_its_bound_whenever_it_is_answered(
        terms in terms(),
        (least, more) in (0..700_000_u64, 0..400_000_u64),
        wait in 0..400_000_u64,
        ms in 0..4_000_000_u64,
        covered in covered(),
    ) {
        let bound = terms.bound(least, least + more).unwrap().behind(covered);
        let answered = terms.answered_after(least + wait % (more + 1));
        prop_assert!(rate(&answered, Some(ms), covered).unwrap().gross <= bound.cost_up(ms));
    }

    #[test]
    fn prices_count_from_the_beginning_of_the_call(
        terms in terms(),
        wait in 0..700_000_u64,
        at in 0..700_000_u64,
    ) {
        let prices = terms.pricing.prices;
        prop_assert_eq!(terms.answered_after(wait).pricing.prices.at(at), prices.at(wait + at));
    }

    #[test]
    fn a_call_within_what_is_afforded_is_paid(
        terms in terms(),
        balance in 0..5_000_000_000_i64,
        covered in covered(),
    ) {
        if let Some(ms) = terms.bound(0, 0).unwrap().behind(covered).ms_for(Amount(balance)) {
            prop_assert!(rate(&terms, Some(ms.min(1 << 39)), covered).unwrap().gross.0 <= balance);
        }
    }
}
