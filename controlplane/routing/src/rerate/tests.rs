use super::*;
use crate::testing;
use crate::world::Rows;
use proptest::prelude::*;
use strowger_model::{
    AccountId, Amount, CdrCalled, CdrCaller, CdrId, CdrOutcome, CdrTimes, Currency, Discount,
    ExchangeRate, ExchangeRateId, OrganizationId, Price, Rate, RateId, Rounding, RoundingMode,
    Tariff, TenantId,
};

/// 2023-11-14 22:13:20 UTC, a Tuesday.
const BEGAN_US: i64 = 1_700_000_000_000_000;
const HOUR_US: i64 = 3_600_000_000;

fn usd() -> Currency {
    Currency::new("USD", 2).unwrap()
}

/// Tariff 1 in euros, tariff 2 in dollars, both with a price of 44; account 1 buys.
fn rows() -> Rows {
    Rows {
        tenants: vec![testing::tenant(1, testing::REALM)],
        organizations: vec![testing::organization(1, None)],
        accounts: vec![testing::account(1, Some(1)), testing::account(9, None)],
        tariffs: vec![testing::tariff(1), Tariff { currency: usd(), ..testing::tariff(2) }],
        rates: vec![testing::rate(1, 1, "44", "0.06"), testing::rate(2, 2, "44", "0.10")],
        exchange_rates: vec![ExchangeRate {
            id: ExchangeRateId(1),
            tenant: TenantId(1),
            currency: usd(),
            rate: 500_000_000,
            from_us: 0,
        }],
        ..Rows::default()
    }
}

fn charge(kind: ChargeKind, tariff: Option<i64>) -> Charge {
    Charge {
        account: AccountId(if kind == ChargeKind::Supplier { 9 } else { 1 }),
        organization: OrganizationId(1),
        payee: None,
        kind,
        prepaid: true,
        currency: testing::eur(),
        net: Amount(77),
        vat_ppm: 0,
        gross: Amount(77),
        charged_ms: 1,
        free_ms: 0,
        allowance: None,
        step_ms: 1,
        unit_price: Price(1),
        price_currency: testing::eur(),
        tariff: tariff.map(TariffId),
        rate: Some(RateId(1)),
    }
}

/// A call to 4420 that rang for ten seconds and talked for `talk_ms`.
fn record(talk_ms: u64) -> Cdr {
    let answered_us = BEGAN_US + 10_000_000;
    Cdr {
        id: CdrId(1),
        part: 0,
        tenant: Some(TenantId(1)),
        ask: 1,
        snapshot: 1,
        times: CdrTimes {
            started_us: BEGAN_US,
            answered_us: Some(answered_us),
            ended_us: answered_us + i64::try_from(talk_ms).unwrap() * 1_000,
            talk_ms,
            billable_ms: talk_ms,
            called_ms: talk_ms,
            ..CdrTimes::default()
        },
        caller: CdrCaller::default(),
        called: CdrCalled { normalised: Some(testing::digits("4420")), ..CdrCalled::default() },
        outcome: CdrOutcome { party: 1, reason: 0, sip: 200, q850: 16 },
        caller_media: None,
        called_media: None,
        customer: Some(charge(ChargeKind::Customer, Some(1))),
        levels: Vec::new(),
        supplier: None,
        commissions: Vec::new(),
        packet: None,
        hops: Vec::new(),
        hops_dropped: 0,
        facts_dropped: 0,
        unpriced: false,
    }
}

fn gross(rows: Rows, cdr: &Cdr, charge: &Charge, by: OtherPrices) -> Result<i64, NotRerated> {
    let world = World::build(rows).unwrap();
    rerate(&world, cdr, charge, by).map(|charge| charge.gross.0)
}

#[test]
fn a_charge_is_rated_by_its_own_tariff_or_by_another() {
    let (cdr, own) = (record(60_000), charge(ChargeKind::Customer, Some(1)));
    assert_eq!(gross(rows(), &cdr, &own, OtherPrices::default()), Ok(6_000_000));
    // 0.10 dollars are 0.05 euros.
    let other = OtherPrices { tariff: Some(TariffId(2)), at_us: None };
    assert_eq!(gross(rows(), &cdr, &own, other), Ok(5_000_000));
    let world = World::build(rows()).unwrap();
    let now = rerate(&world, &cdr, &own, other).unwrap();
    assert_eq!((now.tariff, now.rate), (Some(TariffId(2)), Some(RateId(2))));
    assert_eq!((now.price_currency, now.unit_price), (usd(), Price(100_000_000)));
    assert_eq!((now.account, now.kind, now.charged_ms), (own.account, own.kind, 60_000));
}

#[test]
fn what_has_no_price_stays_as_it_is() {
    let (cdr, by) = (record(60_000), OtherPrices::default());
    let none = charge(ChargeKind::Customer, None);
    let two = OtherPrices { tariff: Some(TariffId(2)), at_us: None };
    assert_eq!(gross(rows(), &cdr, &none, two), Err(NotRerated::NoTariff));
    let own = charge(ChargeKind::Customer, Some(1));
    let gone = OtherPrices { tariff: Some(TariffId(3)), at_us: None };
    assert_eq!(gross(rows(), &cdr, &own, gone), Err(NotRerated::NoPrice));
    let mut elsewhere = record(60_000);
    elsewhere.called.normalised = Some(testing::digits("33"));
    assert_eq!(gross(rows(), &elsewhere, &own, by), Err(NotRerated::NoPrice));
    let dollars = Charge { currency: usd(), ..own };
    assert_eq!(gross(rows(), &cdr, &dollars, by), Err(NotRerated::NoPrice));
}

#[test]
fn who_did_not_talk_pays_nothing_and_a_supplier_is_paid_for_his_leg() {
    let own = charge(ChargeKind::Customer, Some(1));
    let mut cdr = record(60_000);
    cdr.times.called_ms = 30_000;
    let supplier = charge(ChargeKind::Supplier, Some(1));
    assert_eq!(gross(rows(), &cdr, &supplier, OtherPrices::default()), Ok(3_000_000));
    cdr.times.answered_us = None;
    assert_eq!(gross(rows(), &cdr, &own, OtherPrices::default()), Ok(0));
}

#[test]
fn what_an_allowance_paid_stays_paid() {
    let own = Charge { free_ms: 40_000, ..charge(ChargeKind::Customer, Some(1)) };
    let world = World::build(rows()).unwrap();
    let now = rerate(&world, &record(60_000), &own, OtherPrices::default()).unwrap();
    assert_eq!((now.gross.0, now.charged_ms, now.free_ms), (2_000_000, 20_000, 40_000));
}

#[test]
fn prices_are_those_of_the_call_or_of_another_moment() {
    let mut all = rows();
    all.rates[0].until_us = Some(BEGAN_US + HOUR_US);
    all.rates.push(Rate { from_us: BEGAN_US + HOUR_US, ..testing::rate(3, 1, "44", "0.12") });
    let own = charge(ChargeKind::Customer, Some(1));
    let at = |at_us| {
        let by = OtherPrices { tariff: None, at_us };
        gross(all.clone(), &record(60_000), &own, by)
    };
    assert_eq!(at(None), Ok(6_000_000));
    assert_eq!(at(Some(BEGAN_US + HOUR_US)), Ok(12_000_000));
    assert_eq!(at(Some(-1)), Err(NotRerated::NoPrice));
}

#[test]
fn classes_of_times_are_those_of_the_call_itself() {
    let mut all = rows();
    // Prices that came a day later, and are dearer from midnight on: 1 h 46 min 40 s away.
    let later_us = BEGAN_US + 24 * HOUR_US;
    let line = |id, price, class: &str| Rate {
        from_us: later_us,
        class: class.parse().unwrap(),
        ..testing::rate(id, 1, "44", price)
    };
    all.rates = vec![line(5, "0.06", "22:00-24:00"), line(6, "0.60", "00:00-06:00")];
    let by = OtherPrices { tariff: None, at_us: Some(later_us) };
    let own = charge(ChargeKind::Customer, Some(1));
    // From ten seconds on 6,390 seconds at the one price, a minute at the other.
    assert_eq!(gross(all, &record(6_450_000), &own, by), Ok(639_000_000 + 60_000_000));
}

/// Half away from zero, of a value that is not negative.
fn rounded(n: i128, d: i128) -> i128 {
    (2 * n + d) / (2 * d)
}

/// The amount in fractions, step by step as the specification says it.
fn oracle(price: i64, fee: i64, seconds: u64, discount_bp: u16, fx: i64, vat_ppm: u32) -> i128 {
    let time = i128::from(price) * i128::from(seconds) * 100_000_000;
    let n = (time + i128::from(fee) * 60_000_000_000) * i128::from(10_000 - discount_bp);
    let d = 60_000_000_000 * 100_000_000 * 10_000;
    let at_tariff = rounded(n * 10_000, d);
    let net = rounded(at_tariff * i128::from(fx) * 100_000_000, 10_000 * 1_000_000_000);
    rounded(net * (1_000_000 + i128::from(vat_ppm)), 1_000_000)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(256))]

    #[test]
    fn amounts_are_those_of_fractions(
        (price, fee, fx) in (0i64..2_000_000_000, 0i64..50_000_000, 1i64..5_000_000_000),
        (seconds, step, minimum) in (0u64..10_000, 1u32..120, 0u32..120),
        (discount_bp, vat_ppm) in (0u16..=10_000, 0u32..300_000),
        is_foreign: bool,
    ) {
        let mut all = rows();
        let id = if is_foreign { 2 } else { 1 };
        let tariff = &mut all.tariffs[id - 1];
        tariff.vat_ppm = vat_ppm;
        tariff.rounding = Rounding { digits: 4, mode: RoundingMode::HalfAway };
        let rate = &mut all.rates[id - 1];
        (rate.price, rate.connection_fee) = (Price(price), Amount(fee));
        (rate.step_s, rate.minimum_s) = (step, minimum);
        all.exchange_rates[0].rate = fx;
        let prefix = testing::digits("44");
        all.accounts[0].discounts = vec![Discount { prefix, share_bp: discount_bp }];
        let charged = seconds.max(minimum.into()).div_ceil(step.into()) * u64::from(step);
        let fx = if is_foreign { fx } else { 1_000_000_000 };
        let expect = oracle(price, fee, charged, discount_bp, fx, vat_ppm);
        let by = OtherPrices { tariff: Some(TariffId(id as i64)), at_us: None };
        let own = charge(ChargeKind::Customer, Some(1));
        let is = gross(all, &record(seconds * 1_000), &own, by).map(i128::from);
        prop_assert_eq!(is, Ok(expect));
    }
}

/// What account 9 earns of what account 1 pays, once that is `paid` and the call costs `cost`.
fn earned(rows: Rows, paid: i64, cost: Option<(i64, Currency)>) -> Option<i64> {
    let world = World::build(rows).unwrap();
    let paid =
        Charge { net: Amount(paid), gross: Amount(2 * paid), ..charge(ChargeKind::Customer, None) };
    let cost = cost.map(|(net, currency)| Charge {
        net: Amount(net),
        currency,
        ..charge(ChargeKind::Supplier, None)
    });
    let was = Charge { account: AccountId(9), ..charge(ChargeKind::Commission, None) };
    let now = recommission(&world, &record(60_000), &was, (&paid, cost.as_ref()))?;
    assert_eq!((now.net, now.account, now.kind), (now.gross, was.account, was.kind));
    Some(now.net.0)
}

/// Account 1 with agent 9, who earns so many ten-thousandths.
fn brought(share_bp: u16, of_profit: bool) -> Rows {
    let mut rows = rows();
    let account = &mut rows.accounts[0];
    (account.agent, account.commission_bp) = (Some(AccountId(9)), share_bp);
    account.commission_of_profit = of_profit;
    rows
}

#[test]
fn what_nobody_knows_of_a_commission_stays() {
    let eur = testing::eur();
    assert_eq!(earned(brought(1_000, false), 100, Some((40, eur))), Some(10));
    assert_eq!(earned(brought(1_000, true), 100, Some((40, eur))), Some(6));
    assert_eq!(earned(brought(1_000, true), 100, Some((400, eur))), Some(0), "of a loss nothing");
    // Another agent by now, or none; and a cost that is worth nothing.
    let mut other = brought(1_000, false);
    other.accounts.push(testing::account(8, None));
    other.accounts[0].agent = Some(AccountId(8));
    assert_eq!(earned(other, 100, None), None);
    assert_eq!(earned(rows(), 100, None), None);
    let mut unknown = brought(1_000, true);
    unknown.exchange_rates[0].from_us = BEGAN_US + 1;
    unknown.tariffs.truncate(1);
    unknown.rates.truncate(1);
    assert_eq!(earned(unknown, 100, Some((40, usd()))), None);
}

proptest! {
    /// Against fractions: a cost in dollars, at a rate in 1e-9, is rounded up to a unit of ours,
    /// and the part rounded down.
    #[test]
    fn a_commission_is_what_fractions_say(
        paid in 0i64..1_000_000_000_000,
        cost in 0i64..1_000_000_000_000,
        rate in 1i64..5_000_000_000,
        share_bp in 0u16..=10_000,
        (of_profit, is_foreign) in any::<(bool, bool)>(),
    ) {
        let mut rows = brought(share_bp, of_profit);
        rows.exchange_rates[0].rate = rate;
        let currency = if is_foreign { usd() } else { testing::eur() };
        let wide = i128::from;
        let unit = wide(1_000_000_000);
        let worth = match is_foreign {
            true => (wide(cost) * wide(rate) + unit - 1).div_euclid(unit),
            false => wide(cost),
        };
        let base = if of_profit { (wide(paid) - worth).max(0) } else { wide(paid) };
        let expect = base * i128::from(share_bp) / 10_000;
        let is = earned(rows, paid, Some((cost, currency)));
        prop_assert_eq!(is.map(i128::from), Some(expect));
    }
}
