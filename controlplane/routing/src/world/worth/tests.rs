use super::*;
use crate::testing;
use crate::world::{Change, Rows};
use strowger_model::{ExchangeRateId, HolidayId};

fn currency(code: &str, minor: u8) -> Currency {
    Currency::new(code, minor).unwrap()
}

fn rate(id: i64, code: (&str, u8), rate: i64, from_us: i64) -> ExchangeRate {
    let currency = currency(code.0, code.1);
    ExchangeRate { id: ExchangeRateId(id), tenant: TenantId(1), currency, rate, from_us }
}

fn rows() -> Rows {
    Rows {
        tenants: vec![testing::tenant(1, testing::REALM)],
        organizations: vec![testing::organization(1, None), testing::organization(2, Some(1))],
        exchange_rates: vec![
            rate(1, ("USD", 2), 900_000_000, 100),
            rate(2, ("USD", 2), 950_000_000, 200),
            rate(3, ("JPY", 0), 6_000_000, 100),
        ],
        ..Rows::default()
    }
}

#[test]
fn currencies_are_exchanged_by_the_rates_of_the_moment() {
    let world = World::build(rows()).unwrap();
    let tenant = world.tenant(TenantId(1)).unwrap();
    let (eur, usd, jpy) = (currency("EUR", 2), currency("USD", 2), currency("JPY", 0));
    let check = |from, to, at_us, expect: Option<i64>| {
        let found = world.exchange(tenant, from, to, at_us);
        assert_eq!(found.map(Exchange::rate), expect, "{from:?} {to:?} at {at_us}");
        assert!(found.is_none_or(|found| found.ledger() == to));
    };
    check(eur, eur, 0, Some(FX_ONE));
    check(usd, usd, 0, Some(FX_ONE));
    check(usd, eur, 99, None);
    check(usd, eur, 100, Some(900_000_000));
    check(usd, eur, 199, Some(900_000_000));
    check(usd, eur, 200, Some(950_000_000));
    // 1 / 0.9, and across: 0.9 / 0.006, rounded at nine digits.
    check(eur, usd, 100, Some(1_111_111_111));
    check(usd, jpy, 100, Some(150_000_000_000));
    check(jpy, usd, 100, Some(6_666_667));
    check(currency("GBP", 2), eur, 500, None);
}

#[test]
fn rows_that_do_not_fit_are_named() {
    let world = World::build(rows()).unwrap();
    let check = |change, expect: &str| {
        assert_eq!(world.changed(change).unwrap_err().to_string(), expect);
    };
    let rates = |list| Change::ExchangeRates(TenantId(1), list);
    check(
        rates(vec![rate(4, ("EUR", 2), 1, 0)]),
        "exchange rate 4: its currency does not fit tenant 1",
    );
    check(rates(vec![rate(4, ("USD", 2), 0, 0)]), "exchange rate 4: its rate is out of range");
    let twice = vec![rate(4, ("USD", 2), 1, 5), rate(5, ("USD", 2), 2, 5)];
    check(rates(twice), "exchange rate 5: its from is taken by exchange rate 4");
    let holiday = |from_day, until_day| {
        let row = Holiday {
            id: HolidayId(7),
            tenant: TenantId(1),
            name: "h".into(),
            from_day,
            until_day,
            working: false,
            prefixes: Vec::new(),
        };
        Change::Holidays(TenantId(1), vec![row])
    };
    check(holiday(5, 4), "holiday 7: its until is out of range");
    check(holiday(5, 5 + HOLIDAY_DAYS_MAX), "holiday 7: its until is out of range");
    assert!(world.changed(holiday(5, 4 + HOLIDAY_DAYS_MAX)).is_ok());
}

#[test]
fn a_tariff_in_another_currency_needs_a_rate() {
    let mut tariff = testing::tariff(1);
    tariff.currency = currency("USD", 2);
    let mut all = rows();
    all.tariffs = vec![tariff];
    all.accounts = vec![testing::account(1, Some(1))];
    let world = World::build(all.clone()).unwrap();
    // Nobody takes it away while the tariff is used, and the tenant does not change over to it.
    let none = world.changed(Change::ExchangeRates(TenantId(1), Vec::new())).unwrap_err();
    assert_eq!(none.to_string(), "account 1: its tariff does not fit tariff 1");
    let mut dollars = testing::tenant(1, testing::REALM);
    dollars.currency = currency("USD", 2);
    let other = world.changed(Change::Tenant(Box::new(dollars))).unwrap_err();
    assert_eq!(other.to_string(), "tenant 1: its currency does not fit exchange rate 1");
    all.exchange_rates.clear();
    let error = World::build(all).unwrap_err();
    assert_eq!(error.to_string(), "account 1: its tariff does not fit tariff 1");
}

#[test]
fn an_organization_has_one_account_that_resells() {
    let mut all = rows();
    let mut reseller = testing::account(1, None);
    reseller.resells = true;
    all.accounts = vec![reseller.clone(), testing::account(2, None)];
    let world = World::build(all).unwrap();
    let of = |world: &World, id| world.reseller(OrganizationId(id)).map(|account| account.id.0);
    assert_eq!(of(&world, 1), Some(1));
    let mut second = testing::account(2, None);
    second.resells = true;
    let error = world.changed(Change::Account(second.clone())).unwrap_err();
    assert_eq!(error.to_string(), "account 2: its resells is taken by account 1");
    // It may move to another organization, cease, and go.
    let mut moved = reseller.clone();
    moved.organization = OrganizationId(2);
    let world = world.changed(Change::Account(moved)).unwrap();
    assert_eq!((of(&world, 1), of(&world, 2)), (None, Some(1)));
    let world = world.changed(Change::Account(second)).unwrap();
    assert_eq!(of(&world, 1), Some(2));
    let ceased = Account { resells: false, organization: OrganizationId(2), ..reseller };
    let world = world.changed(Change::Account(ceased)).unwrap();
    assert_eq!(of(&world, 2), None);
    let world = world.changed(Change::Remove(RowName::Account(AccountId(2)))).unwrap();
    assert_eq!(of(&world, 1), None);
}
