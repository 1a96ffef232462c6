//! What a call costs whom: classes of times, lengths of numbers, currencies, discounts, resellers.

use super::*;
use strowger_billing::{LEVELS_MAX, PriceRef, Wait, rate};
use strowger_model::{
    Account, Amount, Currency, Discount, ExchangeRate, ExchangeRateId, Organization,
    OrganizationId, Rate, TariffId, Zone,
};

const OUT: &str = "1001 dials 4420";

fn settlement(rows: Rows) -> Settlement {
    let go = Switch::new(rows).go(OUT);
    Settlement::decode(&go.settlement.0).unwrap()
}

/// What each level pays for a call that was answered `wait_s` after it began and talked `talk_s`.
fn paid(settlement: &Settlement, wait_s: u64, talk_s: u64) -> Vec<(i64, String)> {
    let pay = |level: &strowger_billing::Level| {
        let terms = level.terms.answered_after(wait_s * 1_000);
        let rated = rate(&terms, Some(talk_s * 1_000), 0).unwrap();
        (level.account.0, rated.gross.print(rated.currency))
    };
    settlement.levels.iter().map(pay).collect()
}

fn timed(rows: &mut Rows, id: i64, prefix: &str, price: &str, class: &str) {
    let class = class.parse().unwrap();
    rows.rates.push(Rate { class, ..testing::rate(id, 1, prefix, price) });
}

#[test]
fn a_call_is_split_where_another_class_begins() {
    // It begins on a Tuesday at 22:13:20 UTC; midnight is 6,400 seconds away.
    let mut rows = rows();
    timed(&mut rows, 20, "442", "0.60", "00:00-06:00");
    timed(&mut rows, 21, "442", "0.06", "22:00-24:00");
    let settlement = settlement(rows);
    // Ten minutes before midnight, five of them rung: the rest is at either price.
    assert_eq!(paid(&settlement, 6_100, 600), [(1, "3.30000000".to_owned())]);
    assert_eq!(paid(&settlement, 0, 600), [(1, "0.60000000".to_owned())]);
    assert_eq!(paid(&settlement, 6_400, 600), [(1, "6.00000000".to_owned())]);
    // Before it is answered the dearest that it can reach is held, then what it will cost.
    let bound = |wait| settlement.payers(None, wait).unwrap()[0].1;
    assert_eq!(bound(Wait::UNKNOWN).cost_up(60_000), Amount(60_000_000));
    assert_eq!(bound(Wait::about(10_000)).cost_up(60_000), Amount(6_000_000));
}

#[test]
fn the_time_zone_of_the_tenant_says_what_time_it_is() {
    let mut all = rows();
    timed(&mut all, 20, "442", "0.50", "22:00-23:00");
    check_priced(all.clone(), "0.5");
    let an_hour_ahead = Zone::new(3_600, Vec::new()).unwrap();
    all.zones.insert("Europe/London".into(), an_hour_ahead);
    check_priced(all, "0.01");
}

fn check_priced(rows: Rows, price: &str) {
    let expect = format!("4420 to trunk 7 at 192.0.2.7:5060; account 1 pays {price}");
    assert_eq!(Switch::new(rows).say(OUT), expect);
}

#[test]
fn prices_are_for_numbers_of_their_length() {
    let with = |digits_min, digits_max| {
        let mut rows = rows();
        let line = testing::rate(20, 1, "442", "0.50");
        rows.rates.push(Rate { digits_min, digits_max, ..line });
        rows
    };
    check_priced(with(0, 0), "0.5");
    check_priced(with(4, 4), "0.5");
    check_priced(with(5, 0), "0.01");
    check_priced(with(0, 3), "0.01");
}

fn dollars(rows: &mut Rows, rate: i64) {
    let usd = Currency::new("USD", 2).unwrap();
    rows.tariffs[0].currency = usd;
    rows.exchange_rates = vec![ExchangeRate {
        id: ExchangeRateId(1),
        tenant: TenantId(1),
        currency: usd,
        rate,
        from_us: WALL - 5,
    }];
}

#[test]
fn a_tariff_in_another_currency_is_exchanged_at_the_rate_of_the_day() {
    let mut all = rows();
    dollars(&mut all, 900_000_000);
    // 0.01 USD a minute, kept to four digits.
    assert_eq!(paid(&settlement(all.clone()), 0, 6_000), [(1, "0.90000000".to_owned())]);
    all.exchange_rates[0].from_us = WALL + 1;
    let mut switch = Switch::new(all);
    let decision = switch.decide(OUT);
    assert_eq!(words(&decision), "403 NoPrice cause 21");
    let step = Step::NoExchangeRate { account: 1, tariff: 1 };
    assert!(decision.trace.steps().any(|s| s == step), "{:?}", decision.trace);
}

#[test]
fn discount_and_reduction_come_off_the_price() {
    let with = |discounts: &[(&str, u16)], reduction_bp| {
        let mut rows = rows();
        let discount = |(prefix, share_bp): &(&str, u16)| Discount {
            prefix: testing::digits(prefix),
            share_bp: *share_bp,
        };
        rows.accounts[0].discounts = discounts.iter().map(discount).collect();
        rows.accounts[0].reduction_bp = reduction_bp;
        paid(&settlement(rows), 0, 6_000)[0].1.clone()
    };
    assert_eq!(with(&[], 0), "1.00000000");
    assert_eq!(with(&[("44", 1_000)], 0), "0.90000000");
    assert_eq!(with(&[("", 5_000), ("44", 1_000), ("49", 9_000)], 250), "0.87500000");
    assert_eq!(with(&[("", 9_000)], 5_000), "0.00000000");
}

/// Organizations 10 to 10 + n below each other, each with an account of its own that resells at a
/// tariff of its own; account 1 belongs to the last.
fn chain(resellers: i64) -> Rows {
    let mut rows = rows();
    for id in 10..10 + resellers {
        rows.organizations.push(Organization {
            parent: (id > 10).then(|| OrganizationId(id - 1)),
            ..testing::organization(id, None)
        });
        rows.tariffs.push(testing::tariff(id));
        rows.rates.push(testing::rate(100 + id, id, "44", &format!("0.0{}", 30 - id)));
        rows.accounts.push(Account {
            organization: OrganizationId(id),
            resells: true,
            ..testing::account(id, Some(id))
        });
    }
    rows.accounts[0].organization = OrganizationId(9 + resellers);
    rows
}

#[test]
fn every_reseller_above_pays_its_own_price() {
    let rows = chain(3);
    let settlement = settlement(rows.clone());
    let payers: Vec<i64> = settlement.levels.iter().map(|level| level.account.0).collect();
    assert_eq!(payers, [1, 12, 11, 10]);
    let paid = paid(&settlement, 0, 60);
    let money: Vec<&str> = paid.iter().map(|(_, money)| money.as_str()).collect();
    assert_eq!(money, ["0.01000000", "0.01800000", "0.01900000", "0.02000000"]);
    // The till is asked for all of them.
    let Verdict::Go(plan) = Switch::new(rows.clone()).decide(OUT).verdict else { panic!() };
    let asked: Vec<i64> = plan.admit.unwrap().levels.iter().map(|p| p.account.0).collect();
    assert_eq!(asked, [1, 12, 11, 10]);
    assert!(settlement.payers(Some(PriceRef::default()), Wait::UNKNOWN).is_some());
    // A reseller's own call has no level of itself above it.
    let mut own = rows.clone();
    own.subscribers[0].account = AccountId(12);
    let levels = self::settlement(own).levels;
    assert_eq!(levels.iter().map(|level| level.account.0).collect::<Vec<_>>(), [12, 11, 10]);
    // One that is switched off, or has no price, stops the calls below.
    let mut off = rows.clone();
    off.accounts.last_mut().unwrap().enabled = false;
    assert_eq!(Switch::new(off).say(OUT), "403 Denied cause 21");
    let mut unpriced = rows;
    unpriced.accounts.last_mut().unwrap().tariff = None;
    assert_eq!(Switch::new(unpriced).say(OUT), "403 NoPrice cause 21");
}

/// Who pays for a call of account 1 below resellers 10 to 12, of which `early` are set so.
fn payers_below(early: &[i64], change: impl Fn(&mut Account)) -> Vec<i64> {
    let mut rows = chain(3);
    for account in &mut rows.accounts {
        account.floor = Some(Amount::ZERO);
        account.resells_early = early.contains(&account.id.0);
        change(account);
    }
    settlement(rows).levels.iter().map(|level| level.account.0).collect()
}

#[test]
fn who_has_paid_for_credit_pays_for_no_call() {
    let as_is = |_: &mut Account| {};
    for (early, payers) in [
        (&[][..], &[1, 12, 11, 10][..]),
        (&[12], &[1, 11, 10]),
        // All credit below one that pays early was paid for.
        (&[11], &[1, 10]),
        (&[10], &[1]),
        (&[10, 12], &[1]),
        // Says nothing of an account that does not resell.
        (&[1], &[1, 12, 11, 10]),
    ] {
        assert_eq!(payers_below(early, as_is), payers, "{early:?}");
    }
    // Nobody has paid for what may be owed: who stands above it does, by the call.
    let owes = |id: i64| {
        move |account: &mut Account| {
            if account.id.0 == id {
                account.floor = Some(Amount(-1));
            }
        }
    };
    assert_eq!(payers_below(&[10], owes(1)), [1, 12]);
    assert_eq!(payers_below(&[10], owes(12)), [1, 11]);
    assert_eq!(payers_below(&[10], owes(10)), [1]);
    let postpaid = |account: &mut Account| (account.prepaid, account.floor) = (false, None);
    assert_eq!(payers_below(&[10], postpaid), [1, 12, 11, 10]);
    // The trace says so.
    let mut rows = chain(1);
    rows.accounts[0].floor = Some(Amount::ZERO);
    if let Some(reseller) = rows.accounts.last_mut() {
        reseller.resells_early = true;
    }
    let decision = Switch::new(rows.clone()).decide(OUT);
    assert!(decision.trace.steps().any(|step| step == Step::PaidEarly { account: 10 }));
    // It may still stop the calls below it.
    if let Some(reseller) = rows.accounts.last_mut() {
        reseller.enabled = false;
    }
    assert_eq!(Switch::new(rows).say(OUT), "403 Denied cause 21");
}

#[test]
fn credit_comes_from_the_nearest_that_resells() {
    let mut rows = chain(3);
    let of = |rows: &Rows, id| {
        let world = crate::World::build(rows.clone()).unwrap();
        world.credit_source(AccountId(id)).map(|source| source.id.0)
    };
    assert_eq!([1, 12, 11, 10].map(|id| of(&rows, id)), [None; 4]);
    let at = rows.accounts.iter().position(|account| account.id.0 == 11).unwrap();
    rows.accounts[at].resells_early = true;
    assert_eq!([1, 12, 11, 10].map(|id| of(&rows, id)), [Some(12), Some(11), None, None]);
    // It ceases, and is gone.
    let world = crate::World::build(rows.clone()).unwrap();
    let late = Account { resells_early: false, ..rows.accounts[at].clone() };
    let world = world.changed(Change::Account(late)).unwrap();
    assert_eq!(world.credit_source(AccountId(1)), None);
    rows.accounts[at].resells = false;
    assert_eq!(of(&rows, 1), None);
}

#[test]
fn an_agent_earns_a_part_of_what_is_paid() {
    let mut rows = chain(1);
    rows.routes[0] = testing::route(1, "44", &[(6, 0, 1)]);
    dollars(&mut rows, 500_000_000);
    rows.tariffs[0].currency = testing::eur();
    rows.tariffs[1].currency = Currency::new("USD", 2).unwrap();
    rows.rates.push(testing::rate(30, 2, "44", "0.001"));
    // The supplier is owed dollars.
    let supplier = rows.accounts.iter_mut().find(|account| account.id.0 == 9).unwrap();
    supplier.currency = Currency::new("USD", 2).unwrap();
    rows.accounts.push(testing::account(90, None));
    rows.accounts[0].agent = Some(AccountId(90));
    let earns = |rows: &Rows| settlement(rows.clone()).levels[0].commission;
    let notes = |rows: &Rows, step| {
        Switch::new(rows.clone()).decide(OUT).trace.steps().any(|noted| noted == step)
    };
    assert_eq!(earns(&rows), None, "without a part of it");
    rows.accounts[0].commission_bp = 250;
    let found = earns(&rows).unwrap();
    assert_eq!((found.agent, found.share_bp, found.of_profit), (AccountId(90), 250, false));
    assert!(notes(&rows, Step::Commission { account: 1, share_bp: 250 }));
    assert!(settlement(rows.clone()).exchanges.is_empty());
    // Of a profit, what the supplier's dollars are worth goes along.
    rows.accounts[0].commission_of_profit = true;
    let said = settlement(rows.clone());
    let worth = said.exchange(Currency::new("USD", 2).unwrap(), testing::eur());
    assert_eq!(worth.map(strowger_model::Exchange::rate), Some(500_000_000));
    // An agent whose account is kept in other money, or is gone, earns nothing.
    let last = rows.accounts.len() - 1;
    rows.accounts[last].currency = Currency::new("USD", 2).unwrap();
    assert_eq!(earns(&rows), None);
    rows.accounts.pop();
    assert_eq!(earns(&rows), None);
}

#[test]
fn resellers_are_of_any_depth_up_to_sixteen_levels() {
    let most = i64::try_from(LEVELS_MAX).unwrap() - 1;
    let all = chain(most);
    assert_eq!(settlement(all).levels.len(), LEVELS_MAX);
    let mut switch = Switch::new(chain(most + 1));
    assert_eq!(switch.say(OUT), "500 Internal cause 41");
}

#[test]
fn a_supplier_charges_in_its_own_currency_and_by_its_own_times() {
    let mut rows = rows();
    rows.routes[0] = testing::route(1, "44", &[(6, 0, 1)]);
    let usd = Currency::new("USD", 2).unwrap();
    rows.tariffs[1].currency = usd;
    dollars(&mut rows, 500_000_000);
    rows.tariffs[0].currency = testing::eur();
    // Nothing is lost at 0.02 EUR a minute.
    rows.rates[0].price = Price(20_000_000);
    let class = "22:00-22:30".parse().unwrap();
    rows.rates.push(Rate { class, ..testing::rate(30, 2, "44", "0.04") });
    rows.rates.push(testing::rate(31, 2, "44", "0.02"));
    assert_eq!(rows.tariffs[1].id, TariffId(2));
    let hop = settlement(rows).hops[0].terms.unwrap();
    let cost = |wait_ms, ms| {
        let rated = rate(&hop.answered_after(wait_ms), Some(ms), 0).unwrap();
        (rated.gross.print(rated.currency), rated.currency == testing::eur())
    };
    // 22:13:20 to 22:30 are 1,000 seconds.
    assert_eq!(cost(0, 600_000), ("0.20000000".to_owned(), true));
    assert_eq!(cost(1_000_000, 600_000), ("0.10000000".to_owned(), true));
    assert_eq!(cost(400_000, 1_200_000), ("0.30000000".to_owned(), true));
}

/// Trunk 6 takes `six` dollars a minute for 4420, each worth half of the caller's currency, and
/// trunk 7 0.009 of that: who is called first by price, if any.
fn cheapest(six: &str, class: &str) -> Option<i64> {
    let mut rows = rows();
    let supplier =
        |id| strowger_model::Tariff { kind: TariffKind::Supplier, ..testing::tariff(id) };
    rows.tariffs.push(supplier(3));
    rows.rates.push(testing::rate(40, 3, "44", "0.009"));
    rows.trunks[0].egress.as_mut().unwrap().tariff = Some(TariffId(3));
    let order = Some(strowger_model::RouteOrder::Price);
    let route = testing::route(1, "44", &[(6, 0, 1), (7, 0, 1)]);
    rows.routes[0] = strowger_model::Route { order, ..route };
    dollars(&mut rows, 500_000_000);
    rows.tariffs[0].currency = testing::eur();
    rows.tariffs[1].currency = Currency::new("USD", 2).unwrap();
    timed(&mut rows, 41, "4420", six, class);
    if let Some(rate) = rows.rates.last_mut() {
        rate.tariff = TariffId(2);
    }
    match Switch::new(rows).go(OUT).stages.first()?.branches[0].party {
        PartyRef::Trunk(id) => Some(id),
        PartyRef::Unknown | PartyRef::Subscriber(_) => None,
    }
}

#[test]
fn suppliers_are_compared_in_one_currency_at_the_price_of_the_time() {
    // At 0.01 the caller pays as much as the dearest that is called.
    assert_eq!(cheapest("0.017", "all"), Some(6));
    assert_eq!(cheapest("0.019", "all"), Some(7));
    // Of 22:13 is the price of the hour before midnight, not that of the day.
    assert_eq!(cheapest("0.017", "22:00-24:00"), Some(6));
    assert_eq!(cheapest("0.019", "22:00-24:00"), Some(7));
    assert_eq!(cheapest("0.001", "08:00-18:00"), Some(7));
}

#[test]
fn what_is_lost_in_another_currency_is_seen() {
    let with = |price: &str| {
        let mut rows = rows();
        rows.routes[0] = testing::route(1, "44", &[(6, 0, 1)]);
        dollars(&mut rows, 500_000_000);
        rows.tariffs[0].currency = testing::eur();
        rows.tariffs[1].currency = Currency::new("USD", 2).unwrap();
        rows.rates.push(testing::rate(30, 2, "44", price));
        Switch::new(rows).say(OUT)
    };
    assert!(with("0.02").starts_with("004420 to trunk 6"), "{}", with("0.02"));
    assert_eq!(with("0.021"), "404 NoRoute cause 3");
}
