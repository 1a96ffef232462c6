use super::*;
use proptest::prelude::*;

fn segments() -> impl Strategy<Value = Prices> {
    let price = prop_oneof![Just(0), 1..50_i64, 1_000..5_000_000_000_i64];
    let ends = proptest::collection::btree_set(1..600_000_u32, 0..SEGMENTS_MAX);
    (ends, proptest::collection::vec(price, SEGMENTS_MAX)).prop_map(|(ends, prices)| {
        let ends = ends.into_iter().chain([FOREVER_MS]);
        let list: Vec<Segment> = ends
            .zip(prices)
            .map(|(until_ms, price)| Segment { until_ms, price: Price(price) })
            .collect();
        Prices::new(&list).unwrap()
    })
}

fn measures() -> impl Strategy<Value = Measure> {
    let step = prop_oneof![Just(1_u32), Just(1_000), Just(6_000), Just(60_000), 1..100_000_u32];
    let small = || prop_oneof![Just(0_u32), 0..90_000_u32];
    (step, small(), small(), prop_oneof![Just(0_u32), 0..900_000_u32]).prop_map(
        |(step, minimum_ms, free_ms, free_after_ms)| Measure {
            step_ms: NonZeroU32::new(step).unwrap(),
            minimum_ms,
            free_ms,
            free_after_ms,
        },
    )
}

fn bounds() -> impl Strategy<Value = CostBound> {
    let fee = prop_oneof![Just(0), 0..100_000_000_i64];
    let discount = prop_oneof![Just(0), 0..=WHOLE];
    let fx = prop_oneof![Just(FX_ONE), 1_000..30_000_000_000_000_i64];
    let vat = prop_oneof![Just(0), Just(200_000), 0..1_000_000_u32];
    (measures(), segments(), fee, discount, fx, 0..=RAW_DIGITS, vat, 0..=4_u8).prop_map(
        |(measure, prices, fee, discount, fx, digits, vat_ppm, minor)| {
            let currency = Currency::new("EUR", minor).unwrap();
            let pricing = Pricing { measure, prices, fee: Amount(fee), currency, discount };
            let ledger = Currency::new("USD", 2).unwrap();
            CostBound::new(pricing, digits, Exchange::new(fx, ledger).unwrap(), vat_ppm).unwrap()
        },
    )
}

/// Half of them behind an allowance.
fn some_behind() -> impl Strategy<Value = CostBound> {
    let covered = prop_oneof![Just(0_u64), 1..900_000_u64];
    (bounds(), covered).prop_map(|(bound, covered_ms)| bound.behind(covered_ms))
}

#[test]
fn behind_an_allowance_fee_and_minimum_wait_for_the_part_in_money() {
    let euro = Currency::new("EUR", 2).unwrap();
    let step_ms = NonZeroU32::new(6_000).unwrap();
    let measure = Measure { step_ms, minimum_ms: 12_000, free_ms: 0, free_after_ms: 90_000 };
    let dear = Segment { until_ms: FOREVER_MS, price: Price(600_000_000) };
    let pricing = Pricing {
        measure,
        prices: Prices::new(&[Segment { until_ms: 40_000, price: Price(60_000_000) }, dear])
            .unwrap(),
        fee: Amount(7_000_000),
        currency: euro,
        discount: 0,
    };
    let bound = CostBound::new(pricing, 8, Exchange::same(euro), 0).unwrap().behind(30_000);
    assert_eq!((bound.cost_up(0), bound.cost_up(30_000)), (Amount(0), Amount(0)));
    // 12 s from the 30th on: 10 s at 0.001 and 2 s at 0.01, and the fee.
    assert_eq!(bound.cost_up(30_001), Amount(7_000_000 + 1_000_000 + 2_000_000));
    assert_eq!(bound.ms_for(Amount(9_999_999)), Some(30_000));
    assert_eq!(bound.ms_for(Amount(0)), Some(30_000));
    assert_eq!(bound.ms_for(Amount(-1)), None);
    assert_eq!(bound.whole_steps(30_001), 36_000);
    for (billable, used) in [(0, 0), (1, 6_000), (30_000, 30_000), (31_000, 30_000)] {
        assert_eq!(measure.free_used_ms(billable, 30_000), used);
    }
    assert_eq!(measure.free_used_ms(500_000, 500_000), 90_000);
}

#[test]
fn lists_of_prices_are_checked() {
    let at = |until_ms, price| Segment { until_ms, price: Price(price) };
    let ok = [at(1_000, 5), at(2_000, 0), at(3_000, 7), at(FOREVER_MS, 1)];
    assert_eq!(Prices::new(&ok).unwrap().as_slice(), ok);
    for bad in [
        &[][..],
        &[at(1_000, 5)],
        &[at(FOREVER_MS, -1)],
        &[at(2_000, 5), at(2_000, 5), at(FOREVER_MS, 5)],
        &[at(FOREVER_MS, 5), at(FOREVER_MS, 5)],
        &[at(1, 1), at(2, 1), at(3, 1), at(4, 1), at(FOREVER_MS, 1)],
    ] {
        assert_eq!(Prices::new(bad), None, "{bad:?}");
    }
}

#[test]
fn charged_time() {
    let check = |step, minimum_ms, free_ms, free_after_ms, billable: u64, charged: u64| {
        let step_ms = NonZeroU32::new(step).unwrap();
        let measure = Measure { step_ms, minimum_ms, free_ms, free_after_ms };
        assert_eq!(measure.charged_ms(billable), charged, "{measure:?} {billable}");
    };
    check(1_000, 0, 0, 0, 0, 0);
    check(1_000, 0, 0, 0, 1, 1_000);
    check(1_000, 0, 0, 0, 60_000, 60_000);
    check(6_000, 30_000, 0, 0, 0, 30_000);
    check(6_000, 30_000, 0, 0, 30_001, 36_000);
    check(6_000, 20_000, 0, 0, 1, 24_000);
    check(1_000, 0, 60_000, 0, 60_000, 0);
    check(1_000, 30_000, 60_000, 0, 60_000, 0);
    check(1_000, 30_000, 60_000, 0, 60_001, 30_000);
    check(1_000, 0, 60_000, 180_000, 500_000, 120_000);
    check(60_000, 0, 0, 90_000, 500_000, 120_000);
    check(1_000, 0, 60_000, 30_000, 500_000, 0);
    check(1_000, 0, 0, 0, u64::MAX, DURATION_MAX_MS.div_ceil(1_000) * 1_000);
}

#[test]
fn ten_minutes_for_the_balance_are_ten_minutes() {
    // 1.00 EUR at 0.10 a minute.
    let euro = Currency::new("EUR", 2).unwrap();
    let step_ms = NonZeroU32::new(1_000).unwrap();
    let pricing = Pricing {
        measure: Measure { step_ms, minimum_ms: 0, free_ms: 0, free_after_ms: 0 },
        prices: Prices::flat(Price(100_000_000)).unwrap(),
        fee: Amount::ZERO,
        currency: euro,
        discount: 0,
    };
    let bound = CostBound::new(pricing, 4, Exchange::same(euro), 0).unwrap();
    assert_eq!(bound.ms_for(Amount(100_000_000)), Some(600_000));
    assert_eq!(bound.cost_up(600_000), Amount(100_000_000));
    assert_eq!(bound.ms_for(Amount(0)), Some(0));
    assert_eq!(bound.ms_for(Amount(-1)), None);
    assert_eq!(bound.most(), None);
    let free = Pricing { prices: Prices::flat(Price(0)).unwrap(), ..pricing };
    let free = CostBound::new(free, 4, Exchange::same(euro), 0).unwrap();
    assert_eq!((free.ms_for(Amount(0)), free.most()), (Some(u64::MAX), Some(Amount(0))));
    assert_eq!(free.ms_for(Amount(-1)), None);
}

#[test]
fn seconds_of_a_line_are_a_measure_or_none() {
    let measure = Measure::of_seconds(60, 30, 5, 90).unwrap();
    let ms = [measure.step_ms.get(), measure.minimum_ms, measure.free_ms, measure.free_after_ms];
    assert_eq!(ms, [60_000, 30_000, 5_000, 90_000]);
    assert_eq!(Measure::of_seconds(0, 0, 0, 0), None);
    let long = u32::MAX / 1_000 + 1;
    for seconds in [[long, 0, 0, 0], [1, long, 0, 0], [1, 0, long, 0], [1, 0, 0, long]] {
        let [step_s, minimum_s, free_s, free_after_s] = seconds;
        assert_eq!(Measure::of_seconds(step_s, minimum_s, free_s, free_after_s), None);
    }
}

proptest! {
    #[test]
    fn one_price_costs_by_itself_what_it_costs_in_a_list(
        measure in measures(),
        (price, fee) in (-1..5_000_000_000_i64, -1..100_000_000_i64),
        discount in 0..=WHOLE + 1,
        charged_ms in 0..DURATION_MAX_MS,
        minor in 0..=4_u8,
    ) {
        let (currency, fee) = (Currency::new("EUR", minor).unwrap(), Amount(fee));
        let raw = Prices::flat(Price(price)).and_then(|prices| {
            let pricing = Pricing { measure, prices, fee, currency, discount };
            pricing.is_valid().then(|| pricing.raw(charged_ms))
        });
        prop_assert_eq!(flat_raw(Price(price), charged_ms, (fee, currency), discount), raw);
    }
}

proptest! {
    #[test]
    fn prices_and_their_inverse(
        prices in segments(),
        from in 0..700_000_u64,
        ms in 0..900_000_u64,
    ) {
        let naive: i128 = (from..from + ms % 2_000).map(|at| i128::from(prices.at(at).0)).sum();
        prop_assert_eq!(prices.cost(from, ms % 2_000), naive);
        let longest = prices.ms_for(from, prices.cost(from, ms));
        prop_assert!(longest >= ms);
        if longest < u64::MAX {
            prop_assert!(prices.cost(from, longest) <= prices.cost(from, ms));
            prop_assert!(prices.cost(from, longest + 1) > prices.cost(from, ms));
        }
    }

    #[test]
    fn measure_and_its_inverse(measure in measures(), limit in 0..1_000_000_u64) {
        match measure.ms_for(limit) {
            Some(u64::MAX) => prop_assert!(measure.charged_ms(u64::MAX) <= limit),
            Some(ms) => {
                prop_assert!(measure.charged_ms(ms) <= limit);
                prop_assert!(measure.charged_ms(ms + 1) > limit);
            }
            None => prop_assert!(measure.charged_ms(0) > limit),
        }
    }

    #[test]
    fn the_bound_and_its_inverse(bound in some_behind(), balance in -5..40_000_000_000_i64) {
        match bound.ms_for(Amount(balance)) {
            Some(u64::MAX) => prop_assert!(bound.cost_up(u64::MAX).0 <= balance),
            Some(ms) => {
                prop_assert!(bound.cost_up(ms).0 <= balance);
                prop_assert!(bound.cost_up(ms + 1).0 > balance);
            }
            None => prop_assert!(bound.cost_up(0).0 > balance),
        }
    }

    #[test]
    fn a_longer_call_never_costs_less(
        bound in some_behind(),
        a in 0..5_000_000_u64,
        b in 0..5_000_000_u64,
    ) {
        prop_assert!(bound.cost_up(a.min(b)) <= bound.cost_up(a.max(b)));
    }

    #[test]
    fn an_aligned_slice_wastes_nothing(bound in some_behind(), ms in 1..5_000_000_u64) {
        let aligned = bound.align(ms);
        let step = u64::from(bound.pricing.measure.step_ms.get());
        prop_assert!(aligned > 0 && aligned.saturating_add(step) > ms);
        prop_assert!(bound.cost_up(aligned) <= bound.cost_up(ms));
    }

    #[test]
    fn what_stops_growing_has_a_most(bound in some_behind()) {
        let far = bound.cost_up(DURATION_MAX_MS - 1);
        if let Some(most) = bound.most() {
            prop_assert_eq!(most, far);
        } else if far.0 < i64::MAX {
            prop_assert!(bound.cost_up(DURATION_MAX_MS / 2) < far);
        }
    }
}

#[test]
fn extremes_stay_in_range() {
    let currency = Currency::new("VND", 0).unwrap();
    let step_ms = NonZeroU32::MAX;
    let most = u32::MAX;
    let pricing = Pricing {
        measure: Measure { step_ms, minimum_ms: most, free_ms: most, free_after_ms: 0 },
        prices: Prices::flat(Price(i64::MAX)).unwrap(),
        fee: Amount(i64::MAX),
        currency,
        discount: 0,
    };
    for (fx, digits) in [(1, 0), (1, 10), (i64::MAX, 0), (i64::MAX, 10)] {
        for minor in [0, 4] {
            let exchange = Exchange::new(fx, Currency::new("KWD", minor).unwrap()).unwrap();
            let bound = CostBound::new(pricing, digits, exchange, u32::MAX).unwrap();
            assert!(bound.cost_up(u64::MAX).0 > 0);
            assert!(fx == 1 || bound.cost_up(u64::MAX) == Amount(i64::MAX));
            assert!(fx == 1 || bound.ms_for(Amount(i64::MAX)).is_none());
            assert_eq!(bound.ms_for(Amount(i64::MIN)), None);
            assert_eq!(bound.align(u64::MAX), u64::MAX);
        }
    }
}

/// Bounds of one account: one currency, no exchange.
fn own_bounds() -> impl Strategy<Value = CostBound> {
    bounds().prop_map(|bound| {
        let currency = Currency::new("EUR", 2).unwrap();
        let pricing = Pricing { currency, ..bound.pricing };
        CostBound::new(pricing, bound.digits, Exchange::same(currency), bound.vat_ppm).unwrap()
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(512))]

    #[test]
    fn a_bound_over_two_covers_them(a in own_bounds(), b in own_bounds(), ms in 0..4_000_000_u64) {
        let (both, either) = (a.both(b).unwrap(), a.either(b).unwrap());
        for ms in [0, 1, ms, ms / 60_000 * 60_000] {
            let (a, b) = (a.cost_up(ms).0, b.cost_up(ms).0);
            prop_assert!(both.cost_up(ms).0 >= a + b, "{} < {a} + {b} at {ms}", both.cost_up(ms).0);
            prop_assert!(either.cost_up(ms).0 >= a.max(b), "at {ms}");
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(256))]

    #[test]
    fn a_bound_over_tariffs_of_other_currencies_covers_them(
        a in bounds(),
        b in bounds(),
        (fx_a, fx_b) in (1_000..30_000_000_000_i64, 1_000..30_000_000_000_i64),
        ms in 0..4_000_000_u64,
    ) {
        let ledger = Currency::new("USD", 2).unwrap();
        let with = |bound: CostBound, fx| {
            CostBound { exchange: Exchange::new(fx, ledger).unwrap(), ..bound }
        };
        let (a, b) = (with(a, fx_a), with(b, fx_b));
        let (both, either) = (a.both(b).unwrap(), a.either(b).unwrap());
        for ms in [0, 1, ms, ms / 60_000 * 60_000] {
            let (a, b) = (a.cost_up(ms).0, b.cost_up(ms).0);
            prop_assert!(both.cost_up(ms).0 >= a + b, "{} < {a} + {b} at {ms}", both.cost_up(ms).0);
            prop_assert!(either.cost_up(ms).0 >= a.max(b), "at {ms}");
        }
    }

    #[test]
    fn the_dearest_prices_are_those_of_every_answer(
        prices in segments(),
        (least, more) in (0..700_000_u64, 0..300_000_u64),
        at in 0..900_000_u64,
    ) {
        let dearest = prices.dearest(least, least + more);
        // The highest of the stretch: at its ends, and where a price begins within it.
        let begins = prices.as_slice().iter().map(|s| u64::from(s.until_ms));
        let within = begins.filter(|b| (at + least..=at + least + more).contains(b));
        let looked = within.chain([at + least, at + least + more]).map(|ms| prices.at(ms));
        let highest = looked.max().unwrap();
        prop_assert!(dearest.at(at) >= highest);
        // Nothing is dearer than it must be, unless there was no room for all prices.
        if dearest.as_slice().len() < SEGMENTS_MAX {
            prop_assert_eq!(dearest.at(at), highest);
        }
    }
}

#[test]
fn a_bound_over_a_free_one_is_the_other() {
    let currency = Currency::new("EUR", 2).unwrap();
    let flat = |price| {
        let measure = Measure {
            step_ms: NonZeroU32::new(1_000).unwrap(),
            minimum_ms: 0,
            free_ms: 0,
            free_after_ms: 0,
        };
        let prices = Prices::flat(Price(price)).unwrap();
        let pricing = Pricing { measure, prices, fee: Amount(0), currency, discount: 0 };
        CostBound::new(pricing, 8, Exchange::same(currency), 0).unwrap()
    };
    assert_eq!(flat(0).both(flat(60_000_000)), Some(flat(60_000_000)));
    assert_eq!(flat(60_000_000).either(flat(0)), Some(flat(60_000_000)));
    assert_eq!(flat(60_000_000).either(flat(60_000_000)), Some(flat(60_000_000)));
    let foreign = Exchange::new(2_000_000_000, Currency::new("USD", 2).unwrap()).unwrap();
    let dollar = CostBound { exchange: foreign, ..flat(1) };
    assert_eq!(flat(1).both(dollar), None);
}
