//! Which tariff an account without one of its own pays by.

use super::*;
use core::cmp::Reverse;
use proptest::prelude::*;
use strowger_model::{
    Account, AccountId, OrganizationId, PriceRule, PriceRuleId, SettingId, SettingRow, TariffId,
    TimeClass, TrunkId,
};

const OUT: &str = "1001 dials 4420";

/// A rule for all accounts and calls of tenant 1.
fn rule(id: i64, tariff: Option<i64>) -> PriceRule {
    PriceRule {
        id: PriceRuleId(id),
        tenant: TenantId(1),
        name: format!("Rule {id}"),
        enabled: true,
        priority: 0,
        organization: None,
        callers: Vec::new(),
        called: Vec::new(),
        trunks: Vec::new(),
        tech_prefixes: Vec::new(),
        times: Vec::new(),
        except_times: Vec::new(),
        from_us: None,
        until_us: None,
        tariff: tariff.map(TariffId),
    }
}

/// Account 1, of organization 11 below 10, has no tariff; tariff 20 has a price for 44, tariff 21
/// for 4420, tariff 22 for 33 only.
fn ruled(rules: Vec<PriceRule>) -> Rows {
    let mut rows = rows();
    for (id, parent) in [(10, None), (11, Some(10)), (12, None)] {
        rows.organizations.push(testing::organization(id, parent));
    }
    let own = &mut rows.accounts[0];
    (own.tariff, own.organization) = (None, OrganizationId(11));
    for (id, prefix, price) in [(20, "44", "0.02"), (21, "4420", "0.03"), (22, "33", "0.04")] {
        rows.tariffs.push(testing::tariff(id));
        rows.rates.push(testing::rate(100 + id, id, prefix, price));
    }
    rows.price_rules = rules;
    rows
}

fn check(rules: Vec<PriceRule>, price: Option<&str>) {
    let expect = match price {
        Some(price) => format!("4420 to trunk 7 at 192.0.2.7:5060; account 1 pays {price}"),
        None => "403 NoPrice cause 21".to_owned(),
    };
    assert_eq!(Switch::new(ruled(rules)).say(OUT), expect);
}

#[test]
fn rules_are_for_accounts_without_a_tariff() {
    check(Vec::new(), None);
    check(vec![rule(1, Some(20))], Some("0.02"));
    let mut own = ruled(vec![rule(1, Some(20))]);
    own.accounts[0].tariff = Some(TariffId(1));
    assert!(Switch::new(own).say(OUT).ends_with("pays 0.01"));
}

#[test]
fn the_first_that_fits_and_has_a_price_counts() {
    let low = |rule: PriceRule| PriceRule { priority: -1, ..rule };
    check(vec![rule(1, Some(21)), rule(2, Some(20))], Some("0.03"));
    check(vec![low(rule(1, Some(21))), rule(2, Some(20))], Some("0.02"));
    // One whose tariff has no price for the number says nothing; one without a tariff does.
    check(vec![rule(1, Some(22)), rule(2, Some(20))], Some("0.02"));
    check(vec![rule(1, None), rule(2, Some(20))], None);
    check(vec![rule(1, Some(20)), rule(2, None)], Some("0.02"));
    check(vec![PriceRule { enabled: false, ..rule(1, None) }, rule(2, Some(20))], Some("0.02"));
    // What is set for numbers without a price does not stand against a rule that refuses.
    let priced = |rules| {
        let mut rows = ruled(rules);
        rows.settings.push(SettingRow {
            id: SettingId(1),
            category: "price".into(),
            name: "customer_default".into(),
            tenant: None,
            account: None,
            subscriber: None,
            value: "0.09".into(),
        });
        Switch::new(rows).say(OUT)
    };
    assert!(priced(vec![rule(1, Some(22))]).ends_with("pays 0.09"));
    assert_eq!(priced(vec![rule(1, None)]), "403 NoPrice cause 21");
}

#[test]
fn each_condition_of_a_rule_counts() {
    let fits = |change: &dyn Fn(&mut PriceRule), fits: bool| {
        let mut own = rule(1, Some(20));
        change(&mut own);
        check(
            vec![own, PriceRule { priority: -1, ..rule(2, Some(21)) }],
            match fits {
                true => Some("0.02"),
                false => Some("0.03"),
            },
        );
    };
    let digits = |list: &[&str]| list.iter().map(|text| testing::digits(text)).collect();
    for (organization, is) in [(10, true), (11, true), (12, false), (1, false)] {
        fits(&|rule| rule.organization = Some(OrganizationId(organization)), is);
    }
    for (list, is) in [(&["33", "442"][..], true), (&["33", "43"], false)] {
        fits(&|rule| rule.called = digits(list), is);
    }
    for (list, is) in [(&["9", "4420"][..], true), (&["9", "4421"], false)] {
        fits(&|rule| rule.callers = digits(list), is);
    }
    for (from, until, is) in [
        (None, None, true),
        (Some(WALL), Some(WALL + 1), true),
        (Some(WALL + 1), None, false),
        (None, Some(WALL), false),
    ] {
        fits(&|rule| (rule.from_us, rule.until_us) = (from, until), is);
    }
    // It is a Tuesday, 22:13.
    let class = |word: &str| word.parse::<TimeClass>().unwrap();
    for (word, is) in [("22:00-23:00", true), ("08:00-18:00", false)] {
        fits(&|rule| rule.times = vec![class(word)], is);
        fits(&|rule| rule.except_times = vec![class(word)], !is);
    }
    fits(
        &|rule| {
            rule.times = vec![class("22:00-23:00")];
            rule.except_times = vec![class("22:10-22:20")];
        },
        false,
    );
}

/// Account 1 pays for what trunk 8 sends behind `prefix`, if it has one, to 4420.
fn sent_by_trunk(prefix: Option<&str>, rules: Vec<PriceRule>) -> String {
    let mut rows = ruled(rules);
    let sender = rows.trunks.iter_mut().find(|trunk| trunk.id.0 == 8).unwrap();
    let ingress = sender.ingress.as_mut().unwrap();
    ingress.account = AccountId(1);
    ingress.tech_prefix = prefix.map(testing::digits);
    Switch::new(rows).say(&format!("trunk 8 dials {}4420", prefix.unwrap_or_default()))
}

#[test]
fn rules_are_for_what_trunks_send_and_for_tech_prefixes() {
    let by_trunk = |id: i64| PriceRule { trunks: vec![TrunkId(id)], ..rule(1, Some(21)) };
    let by_prefix =
        |text: &str| PriceRule { tech_prefixes: vec![testing::digits(text)], ..rule(1, Some(21)) };
    let pays = |said: String| said.rsplit_once("pays ").map(|(_, price)| price.to_owned());
    for (prefix, own, price) in [
        (None, by_trunk(8), "0.03"),
        (None, by_trunk(7), "0.02"),
        (None, by_prefix("99"), "0.02"),
        (Some("99"), by_prefix("99"), "0.03"),
        (Some("98"), by_prefix("99"), "0.02"),
        (Some("99"), PriceRule { trunks: vec![TrunkId(7)], ..by_prefix("99") }, "0.02"),
    ] {
        let said = sent_by_trunk(prefix, vec![own, rule(2, Some(20))]);
        assert_eq!(pays(said).as_deref(), Some(price), "{prefix:?}");
    }
    // What a phone calls no trunk sends.
    check(vec![by_trunk(8), rule(2, Some(20))], Some("0.02"));
    check(vec![by_prefix("99"), rule(2, Some(20))], Some("0.02"));
}

#[test]
fn resellers_and_forwards_pay_by_rules_too_and_the_trace_says_by_which() {
    let mut rows = ruled(vec![
        PriceRule { organization: Some(OrganizationId(11)), ..rule(1, Some(21)) },
        rule(2, Some(20)),
    ]);
    rows.accounts.push(Account {
        organization: OrganizationId(10),
        resells: true,
        ..testing::account(30, None)
    });
    let go = Switch::new(rows.clone()).go(OUT);
    let settlement = Settlement::decode(&go.settlement.0).unwrap();
    let tariffs: Vec<_> =
        settlement.levels.iter().map(|level| (level.account.0, level.terms.tariff)).collect();
    assert_eq!(tariffs, [(1, Some(TariffId(21))), (30, Some(TariffId(20)))]);
    let steps: Vec<Step> = Switch::new(rows).decide(OUT).trace.steps().collect();
    assert!(steps.contains(&Step::PriceRule { account: 1, price_rule: 1 }), "{steps:?}");
    assert!(steps.contains(&Step::PriceRule { account: 30, price_rule: 2 }), "{steps:?}");
    let refused = Switch::new(ruled(vec![rule(7, None)])).decide(OUT).trace;
    let step = Step::PriceRuleRefuses { account: 1, price_rule: 7 };
    assert!(refused.steps().any(|noted| noted == step));
}

#[test]
fn a_rule_that_fits_nothing_makes_no_world() {
    let wrong = |change: &dyn Fn(&mut PriceRule)| {
        let mut own = rule(1, Some(20));
        change(&mut own);
        crate::World::build(ruled(vec![own])).unwrap_err().to_string()
    };
    assert_eq!(wrong(&|r| r.tariff = Some(TariffId(99))), "price rule 1: tariff 99 does not exist");
    // A supplier's.
    assert_eq!(
        wrong(&|r| r.tariff = Some(TariffId(2))),
        "price rule 1: its tariff does not fit tariff 2"
    );
    assert_eq!(wrong(&|r| r.trunks = vec![TrunkId(99)]), "price rule 1: trunk 99 does not exist");
    assert_eq!(
        wrong(&|r| r.organization = Some(OrganizationId(99))),
        "price rule 1: organization 99 does not exist"
    );
    assert_eq!(
        wrong(&|r| (r.from_us, r.until_us) = (Some(5), Some(5))),
        "price rule 1: its until is out of range"
    );
    assert_eq!(
        wrong(&|r| r.times = vec![TimeClass::Rest]),
        "price rule 1: its times is out of range"
    );
    // A change is in force, and gone again.
    let world = crate::World::build(ruled(Vec::new())).unwrap();
    let world = world.changed(Change::PriceRules(TenantId(1), vec![rule(1, Some(20))])).unwrap();
    assert_eq!(world.price_rules(TenantId(1)).len(), 1);
    assert!(world.has_price_rules(TenantId(1)) && !world.has_price_rules(TenantId(2)));
    let world = world.changed(Change::PriceRules(TenantId(1), Vec::new())).unwrap();
    assert_eq!(world.price_rules(TenantId(1)).len(), 0);
}

/// A rule as the oracle knows it.
#[derive(Clone, Debug)]
struct Known {
    priority: i32,
    organization: Option<i64>,
    called: Vec<&'static str>,
    enabled: bool,
    tariff: Option<i64>,
}

fn known() -> impl Strategy<Value = Known> {
    let called = proptest::sample::subsequence(vec!["44", "442", "4420", "4421", "33"], 0..3);
    let organization = prop_oneof![Just(None), (10i64..13).prop_map(Some)];
    let tariff = prop_oneof![1 => Just(None), 6 => (20i64..23).prop_map(Some)];
    (0..3i32, organization, called, prop::bool::weighted(0.8), tariff).prop_map(
        |(priority, organization, called, enabled, tariff)| Known {
            priority,
            organization,
            called,
            enabled,
            tariff,
        },
    )
}

/// Read as a person would read the list.
fn oracle(rules: &[Known]) -> Option<&'static str> {
    let mut order: Vec<(usize, &Known)> = rules.iter().enumerate().collect();
    order.sort_by_key(|(at, rule)| (Reverse(rule.priority), *at));
    for (_, rule) in order {
        let is_called = rule.called.is_empty() || rule.called.iter().any(|p| "4420".starts_with(p));
        let is_above = rule.organization.is_none_or(|of| of == 10 || of == 11);
        if !(rule.enabled && is_called && is_above) {
            continue;
        }
        match rule.tariff {
            None => return None,
            Some(20) => return Some("0.02"),
            Some(21) => return Some("0.03"),
            Some(_) => {}
        }
    }
    None
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(96))]

    #[test]
    fn any_rules_say_what_reading_them_says(rules in proptest::collection::vec(known(), 0..9)) {
        let row = |(at, known): (usize, &Known)| PriceRule {
            priority: known.priority,
            organization: known.organization.map(OrganizationId),
            called: known.called.iter().map(|prefix| testing::digits(prefix)).collect(),
            enabled: known.enabled,
            ..rule(1 + i64::try_from(at).unwrap(), known.tariff)
        };
        // However they are sent.
        let rows = rules.iter().enumerate().map(row).rev().collect();
        check(rows, oracle(&rules));
    }
}
