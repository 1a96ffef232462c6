//! Calls in the language of the trade: `1001 dials 1002`, and what becomes of it.

mod auth;
mod bid;
mod callee;
mod caller;
mod carrier;
mod device;
mod dialog;
mod fact;
mod foreign;
mod forward;
mod header;
mod identity;
mod list;
mod open;
mod order;
mod owner;
mod pickup;
mod price;
mod price_rule;
mod redirect;
mod reroute;
mod rule;
pub(crate) mod setting;
mod shared;
mod switch;
mod transfer;

use super::*;
use crate::testing;
use crate::uri::SipUri;
use crate::world::{Change, Rows};
use proptest::prelude::*;
use strowger_link::{Branch, CallerIdentity, Go, HOPS_MAX, PartyRef, RegisterAsk, STAGES_MAX};
use strowger_model::{
    AccountId, EgressTarget, Emergency, Price, SubscriberId, TariffKind, TenantId, TrunkId,
};
use switch::*;

#[test]
fn between_subscribers() {
    check("1001 dials 1002", "ring 10.0.0.2:5060; account 1 pays 0");
    check("1001 dials 12", "ring 10.0.0.2:5060; account 1 pays 0");
    check("1001 dials 442071002", "ring 10.0.0.2:5060; account 1 pays 0");
    check("1001 dials +44 (207) 1002", "ring 10.0.0.2:5060; account 1 pays 0");
    check("1001 dials 1002;phone-context=x", "ring 10.0.0.2:5060; account 1 pays 0");
    check("1004 dials 1002", "ring 10.0.0.2:5060; account 2 pays 0");
    check("1001 dials 1003", "480 Offline cause 20");
    check("1001 dials 1999", "404 UnknownNumber cause 1");
    check("1001 dials bob", "404 UnknownNumber cause 1");
    check("1001 dials 1001", "403 Denied cause 21");
    check("1001 dials 11", "403 Denied cause 21");
    check("1001 dials 442071001", "403 Denied cause 21");
    check("1001 dials ", "484 BadRequest cause 28, no record");
    check(&format!("1001 dials {}", "1".repeat(65)), "484 BadRequest cause 28, no record");
    check(&format!("1001 dials {}", "1".repeat(33)), "484 BadRequest cause 28");
}

#[test]
fn short_numbers_stay_in_their_organization() {
    let elsewhere = |r: &mut Rows| {
        r.subscribers[1].organization = strowger_model::OrganizationId(2);
    };
    check_with(elsewhere, "1001 dials 12", "404 UnknownNumber cause 1");
    check_with(elsewhere, "1001 dials 1002", "ring 10.0.0.2:5060; account 1 pays 0");
    check("trunk 8 dials 12", "404 UnknownNumber cause 1");
}

#[test]
fn internal_calls_can_have_a_price() {
    let priced = |r: &mut Rows| r.tenants[0].internal_price = Price(20_000_000);
    check_with(priced, "1001 dials 1002", "ring 10.0.0.2:5060; account 1 pays 0.02");
    check_with(priced, "1004 dials 1002", "ring 10.0.0.2:5060; account 2 pays 0.02");
}

#[test]
fn all_contacts_ring_together() {
    let mut switch = Switch::new(rows());
    switch.register(2, "sip:1002@192.168.0.5:5060", "203.0.113.9:40000");
    let go = switch.go("1001 dials 1002");
    let [stage] = go.stages.as_slice() else { panic!("{:?}", go.stages) };
    let mut ways: Vec<_> = stage
        .branches
        .iter()
        .map(|b| (b.target.uri.as_str(), b.target.address.to_string(), b.media.nated))
        .collect();
    ways.sort();
    assert_eq!(
        ways,
        [
            ("sip:1002@10.0.0.2:5060", "10.0.0.2:5060".to_owned(), false),
            ("sip:1002@192.168.0.5:5060", "203.0.113.9:40000".to_owned(), true),
        ]
    );
    assert!(stage.branches.iter().all(|b| b.ring_ms == 22_000 && b.from_user == "1001"));
    assert_eq!((go.media.start_timeout_ms, go.media.timeout_ms), (30_000, 20_000));
    assert_eq!(go.max_ms, 7_200_000);
}

#[test]
fn to_carriers() {
    check(
        "1001 dials 442079460018",
        "442079460018 to trunk 7 at 192.0.2.7:5060; account 1 pays 0.01",
    );
    check(
        "1001 dials +447700900123",
        "447700900123 to trunk 7 at 192.0.2.7:5060; account 1 pays 0.05",
    );
    check("1001 dials 00441", "441 to trunk 7 at 192.0.2.7:5060; account 1 pays 0.01");
    check("1001 dials 33123456789", "404 UnknownNumber cause 1");
    check("1004 dials 442079460018", "403 NoPrice cause 21");
    check_with(|r| r.rates.clear(), "1001 dials 442079460018", "403 NoPrice cause 21");
    check_with(|r| r.trunks[0].enabled = false, "1001 dials 4420", "404 NoRoute cause 3");
    check_with(|r| r.trunks[0].egress = None, "1001 dials 4420", "404 NoRoute cause 3");
    check_with(|r| r.routes[0].targets.clear(), "1001 dials 4420", "404 NoRoute cause 3");
    // A subscriber who is switched off is as if deleted, and the number has a route.
    check_with(
        |r| r.subscribers[1].enabled = false,
        "1001 dials 442071002",
        "442071002 to trunk 7 at 192.0.2.7:5060; account 1 pays 0.01",
    );
    check_with(
        |r| r.subscribers[1].enabled = false,
        "1001 dials 1002",
        "404 UnknownNumber cause 1",
    );
}

#[test]
fn hops_follow_tier_priority_preference_and_address() {
    let both = |targets: &[(i64, i32, u16)]| {
        let targets = targets.to_vec();
        move |r: &mut Rows| r.routes[0] = testing::route(1, "44", &targets)
    };
    let seven = "447 to trunk 7 at 192.0.2.7:5060";
    let six = "00447 to trunk 6 at 192.0.2.61:5060, then 00447 to trunk 6 at 192.0.2.62:5070";
    let paid = "; account 1 pays 0.05";
    check_with(
        both(&[(7, 1, 1), (6, 0, 1)]),
        "1001 dials 447",
        &format!("{seven}, then {six}{paid}"),
    );
    check_with(
        both(&[(7, 0, 1), (6, 1, 1)]),
        "1001 dials 447",
        &format!("{six}, then {seven}{paid}"),
    );
    check_with(
        both(&[(7, 99, 1), (6, 100, 0)]),
        "1001 dials 447",
        &format!("{six}, then {seven}{paid}"),
    );
    check_with(
        both(&[(7, 0, 0), (6, 0, 1)]),
        "1001 dials 447",
        &format!("{six}, then {seven}{paid}"),
    );
    let preferred = |r: &mut Rows| {
        both(&[(7, 0, 0), (6, 0, 1)])(r);
        r.trunks[0].egress.as_mut().unwrap().q = 900;
    };
    check_with(preferred, "1001 dials 447", &format!("{seven}, then {six}{paid}"));
    // Trunk 6 has no price for 4420.
    check_with(
        both(&[(6, 5, 1), (7, 0, 1)]),
        "1001 dials 4420",
        "4420 to trunk 7 at 192.0.2.7:5060; account 1 pays 0.01",
    );
}

#[test]
fn the_best_route_is_taken_alone_unless_it_overflows() {
    let two = |overflow: bool, priority: i32| {
        move |r: &mut Rows| {
            let general = testing::route(1, "", &[(6, 0, 1), (7, 0, 1)]);
            let special = testing::route(2, "447", &[(7, 0, 1)]);
            r.routes = vec![
                strowger_model::Route { priority, ..general },
                strowger_model::Route { overflow, ..special },
            ];
        }
    };
    let seven = "447 to trunk 7 at 192.0.2.7:5060";
    let six = "00447 to trunk 6 at 192.0.2.61:5060, then 00447 to trunk 6 at 192.0.2.62:5070";
    let paid = "; account 1 pays 0.05";
    check_with(two(false, 0), "1001 dials 447", &format!("{seven}{paid}"));
    check_with(two(true, 0), "1001 dials 447", &format!("{seven}, then {six}{paid}"));
    // A larger priority beats a longer prefix.
    let mut switch = Switch::new({
        let mut r = rows();
        two(false, 1)(&mut r);
        r
    });
    assert_eq!(switch.go("1001 dials 447").stages.len(), 3);
}

#[test]
fn hops_are_bounded() {
    let many = |r: &mut Rows| {
        let addresses: Vec<String> = (1..=12).map(|n| format!("192.0.2.{n}:5060")).collect();
        let list: Vec<&str> = addresses.iter().map(String::as_str).collect();
        r.trunks[0] = testing::egress_trunk(7, &list);
    };
    let mut rows = rows();
    many(&mut rows);
    let go = Switch::new(rows).go("1001 dials 4420");
    assert_eq!(go.stages.len(), HOPS_MAX);
    assert!(go.stages.len() <= STAGES_MAX);
    let settlement = Settlement::decode(&go.settlement.0).unwrap();
    assert_eq!(settlement.hops.len(), HOPS_MAX);
    let hops: Vec<u8> = go.stages.iter().flat_map(|s| &s.branches).map(|b| b.hop).collect();
    assert_eq!(hops, [0, 1, 2, 3, 4, 5, 6, 7]);
}

#[test]
fn a_hop_carries_gauges_timers_and_the_suppliers_price() {
    let mut rows = rows();
    rows.routes[0] = testing::route(1, "44", &[(6, 0, 1)]);
    let go = Switch::new(rows).go("1001 dials 447");
    let branch = &go.stages[0].branches[0];
    assert_eq!(branch.target.uri, "sip:00447@192.0.2.61:5060");
    assert_eq!((branch.ring_ms, branch.first_ms), (60_000, 4_000));
    let gauge = strowger_link::Gauge { id: 6, in_use_max: 30, per_second_max: 5 };
    assert_eq!(branch.gauges, [gauge]);
    assert_eq!(branch.from_user, "+442071001");
    assert_eq!(branch.asserted.as_deref(), Some("+442071001"));
    assert_eq!(branch.display, "Phone 1001");
    assert_eq!(go.on_exhausted.cause, strowger_link::Cause::new(480, 34));
    let settlement = Settlement::decode(&go.settlement.0).unwrap();
    assert_eq!(settlement.hold, 77);
    assert_eq!(settlement.number, Some(testing::digits("447")));
    assert_eq!(settlement.caller.subscriber, Some(SubscriberId(1)));
    assert_eq!(settlement.caller.number, "442071001");
    let terms = settlement.hops[0].terms.unwrap();
    assert_eq!(terms.rate, Some(strowger_model::RateId(4)));
    assert_eq!(settlement.hops[0].account, AccountId(9));
    assert_eq!(settlement.levels[0].terms.rate, Some(strowger_model::RateId(2)));
}

#[test]
fn calls_of_trunks() {
    check("trunk 8 dials 442071002", "ring 10.0.0.2:5060; account 1 pays 0.01");
    check("trunk 8 dials 1002", "ring 10.0.0.2:5060; account 1 pays 1");
    check_with(
        |r| r.rates.clear(),
        "trunk 8 dials 442071002",
        "ring 10.0.0.2:5060; account 1 pays 0",
    );
    check("trunk 8 dials 4420", "4420 to trunk 7 at 192.0.2.7:5060; account 1 pays 0.01");
    check("trunk 8 dials 3312", "404 UnknownNumber cause 1");
    check_with(|r| r.trunks[2].enabled = false, "trunk 8 dials 4420", "403 Denied cause 21");
    let tech = |r: &mut Rows| {
        r.trunks[2] = testing::ingress_trunk(8, "192.0.2.8:5060", Some("123"));
    };
    let seven = "4420 to trunk 7 at 192.0.2.7:5060; account 1 pays 0.01";
    check_with(tech, "trunk 8 dials 1234420", seven);
    check_with(tech, "trunk 8 dials 4420", "403 Denied cause 21");
    // The edge names a trunk that does not send from there.
    check("trunk 7 dials 4420", "challenge demo.example [Sha256, Md5]");
    check("trunk 55 dials 4420", "challenge demo.example [Sha256, Md5]");
    // A two-way trunk does not get its own calls back.
    let both_ways = |r: &mut Rows| {
        r.trunks[2].egress = r.trunks[0].egress.clone();
        r.routes[0] = testing::route(1, "44", &[(8, 9, 1), (7, 0, 1)]);
    };
    check_with(both_ways, "trunk 8 dials 4420", seven);
}

#[test]
fn the_identity_of_a_trunks_caller() {
    let mut switch = Switch::new(rows());
    let branch = switch.go("trunk 8 dials 1002").stages[0].branches[0].clone();
    assert_eq!((branch.from_user.as_str(), branch.asserted), ("33123", None));
    assert_eq!(branch.display, "As sent");
    switch.call().caller.asserted = vec!["+33999".into()];
    switch.call().caller.from_user = "anonymous".into();
    // Who hides in From is hidden, though its network tells us who it is.
    let Verdict::Go(plan) = switch.again().verdict else { panic!() };
    assert_eq!(plan.go.stages[0].branches[0].from_user, "anonymous");
    switch.call().caller.from_user = "33123".into();
    let Verdict::Go(plan) = switch.again().verdict else { panic!() };
    assert_eq!(plan.go.stages[0].branches[0].from_user, "33999");
}

#[test]
fn privacy_hides_the_number_but_asserts_it_to_carriers() {
    let hidden = |branch: &Branch| {
        (branch.from_user.clone(), branch.display.clone(), branch.asserted.clone())
    };
    let anonymous = |asserted: Option<&str>| {
        let asserted = asserted.map(str::to_owned);
        ("anonymous".to_owned(), "Anonymous".to_owned(), asserted)
    };
    let mut rows = rows();
    rows.subscribers[0].identity.cli = strowger_model::Cli::Hide;
    let mut switch = Switch::new(rows.clone());
    let inside = switch.go("1001 dials 1002").stages[0].branches[0].clone();
    assert_eq!(hidden(&inside), anonymous(None));
    assert!(inside.anonymous);
    let outside = switch.go("1001 dials 4420").stages[0].branches[0].clone();
    assert_eq!(hidden(&outside), anonymous(Some("442071001")));
    rows.subscribers[0].identity.cli = strowger_model::Cli::Normal;
    let mut switch = Switch::new(rows);
    switch.call().caller.privacy = "critical; ID".into();
    assert!(switch.go("1001 dials 1002").stages[0].branches[0].anonymous);
    switch.call().caller.privacy = "none".into();
    assert!(!switch.go("1001 dials 1002").stages[0].branches[0].anonymous);
}

#[test]
fn strangers_and_liars() {
    let mut switch = Switch::new(rows());
    switch.say("1001 dials 1002");
    let stranger = "challenge demo.example [Sha256, Md5]";
    switch.call().credentials = None;
    assert_eq!(words(&switch.again()), stranger);
    let mut credentials = testing::credentials("1001", "INVITE", "demo1001");
    credentials.realm = "elsewhere.example".into();
    switch.call().credentials = Some(credentials);
    assert_eq!(words(&switch.again()), stranger);
    // Unknown user and wrong password look the same from outside, and leave no record.
    let wrong = "403 AuthFailed cause 21, no record";
    switch.call().credentials = Some(testing::credentials("1001", "INVITE", "guess"));
    let known = switch.again();
    switch.call().credentials = Some(testing::credentials("9999", "INVITE", "guess"));
    let unknown = switch.again();
    assert_eq!((words(&known), &known.verdict), (wrong.to_owned(), &unknown.verdict));
    assert_ne!(known.trace, unknown.trace, "inside we know");
    assert!(known.nonce.is_none());
    let mut other = testing::credentials("1001", "REGISTER", "demo1001");
    other.method = "INVITE".into();
    switch.call().credentials = Some(other);
    assert_eq!(words(&switch.again()), wrong, "a response for another method");
}

#[test]
fn credentials_are_good_once() {
    let mut switch = Switch::new(rows());
    assert_eq!(switch.say("1001 dials 1002"), "ring 10.0.0.2:5060; account 1 pays 0");
    let again = switch.again();
    assert_eq!(words(&again), "challenge demo.example [Sha256, Md5] stale");
    assert!(again.nonce.is_none());
}

#[test]
fn a_weak_algorithm_is_challenged_again() {
    let strict = |r: &mut Rows| r.subscribers[0].digest = strowger_model::DigestPolicy::Sha256Only;
    check_with(strict, "1001 dials 1002", "challenge demo.example [Sha256]");
}

#[test]
fn who_is_switched_off_may_not_call() {
    check_with(|r| r.accounts[0].enabled = false, "1001 dials 1002", "403 Denied cause 21");
    check_with(|r| r.subscribers[0].enabled = false, "1001 dials 1002", "403 Denied cause 21");
    check_with(|r| r.accounts[0].enabled = false, "trunk 8 dials 1002", "403 Denied cause 21");
}

#[test]
fn a_refusal_knows_its_tenant_and_account() {
    let decision = Switch::new(rows()).decide("1001 dials 33123456789");
    let Verdict::Refuse(refuse) = decision.verdict else { panic!() };
    let settlement = Settlement::decode(&refuse.settlement.0).unwrap();
    assert_eq!(settlement.tenant, TenantId(1));
    assert_eq!(settlement.caller.account, Some(AccountId(1)));
    assert_eq!(settlement.number, Some(testing::digits("33123456789")));
    assert!(settlement.levels.is_empty());
    assert_eq!(settlement.hold, 0);
}

#[test]
fn emergency_calls_need_no_credit_and_pass_no_limit() {
    let with_112 = |r: &mut Rows| {
        let trunks = vec![TrunkId(7), TrunkId(6)];
        let number = testing::digits("112");
        r.emergencies = vec![Emergency { tenant: TenantId(1), number, trunks }];
        r.accounts[0].enabled = false;
        r.subscribers[0].calls_max = 1;
    };
    let expect = "112 to trunk 7 at 192.0.2.7:5060, then 00112 to trunk 6 at 192.0.2.61:5060, \
                  then 00112 to trunk 6 at 192.0.2.62:5070";
    check_with(with_112, "1001 dials 112", expect);
    let seven_off = |r: &mut Rows| {
        with_112(r);
        r.trunks[0].enabled = false;
    };
    let last = "00112 to trunk 6 at 192.0.2.61:5060, then 00112 to trunk 6 at 192.0.2.62:5070, \
                then 112 to trunk 7 at 192.0.2.7:5060";
    check_with(seven_off, "1001 dials 112", last);
    let mut rows = rows();
    with_112(&mut rows);
    let Verdict::Go(plan) = Switch::new(rows).decide("1001 dials 112").verdict else { panic!() };
    assert_eq!(plan.admit, None);
    assert!(plan.go.stages.iter().flat_map(|s| &s.branches).all(|b| b.gauges.is_empty()));
    let answer = finish(*plan, NO_LEASE);
    let AnswerBody::Go(go) = answer.body else { panic!() };
    assert_eq!(go.grant.ms, u64::MAX);
}

#[test]
fn what_the_till_is_asked() {
    let mut rows = rows();
    rows.subscribers[0].calls_max = 3;
    rows.accounts[0].go_on_without_control = true;
    let mut switch = Switch::new(rows);
    let Verdict::Go(plan) = switch.decide("1001 dials 447").verdict else { panic!() };
    let admit = plan.admit.clone().unwrap();
    let [payer] = admit.levels.as_slice() else { panic!("{:?}", admit.levels) };
    assert_eq!(payer.account, AccountId(1));
    let minute = payer.bound.cost_up(60_000);
    assert_eq!(minute.print(testing::eur()), "0.05000000");
    let of = LimitOf::Subscriber(SubscriberId(1));
    assert_eq!(admit.limits, [Limit { of, calls_max: 3, cps_max: 0, warn: 0 }]);
    assert_eq!((admit.ms_min, admit.ms_max), (1_000, 7_200_000));
    let rejected = reject(&plan, Refusal::NoCredit);
    let AnswerBody::Refuse(refuse) = rejected.body else { panic!() };
    assert_eq!((refuse.cause.sip, refuse.record), (402, true));
    let settlement = Settlement::decode(&refuse.settlement.0).unwrap();
    assert!(settlement.levels.is_empty() && settlement.hops.is_empty());
    assert_eq!(settlement.hold, 0, "nothing is held for it");
    assert_eq!(settlement.caller.account, Some(AccountId(1)));
    let granted = TalkTime { ms: 60_000, free_ms: 7, last: false };
    let AnswerBody::Go(go) = finish(*plan, granted).body else { panic!() };
    assert_eq!((go.grant.ms, go.grant.last, go.grant.go_on), (60_000, false, true));
    assert_eq!(go.grant.free_ms, 7);
}

#[test]
fn the_trace_explains() {
    let mut rows = rows();
    rows.routes[0] = testing::route(1, "44", &[(6, 5, 1), (7, 0, 1)]);
    let decision = Switch::new(rows).decide("1001 dials 4420");
    assert_eq!(
        decision.trace.to_string(),
        "sender is subscriber 1\n\
         called number is 4420\n\
         route 1 fits with 2 digits\n\
         trunk 6 has no price for the number\n\
         hop to trunk 7, address 0\n\
         account 1 pays by rate 1\n\
         planned in 1 stages\n"
    );
}

#[test]
fn the_same_ask_gives_the_same_decision() {
    let mut rows = rows();
    rows.routes[0] = testing::route(1, "44", &[(6, 0, 3), (7, 0, 1)]);
    let mut switch = Switch::new(rows);
    let first = switch.decide("trunk 8 dials 447");
    for _ in 0..5 {
        assert_eq!(switch.again(), first);
    }
}

#[test]
fn rows_that_vanish_refuse_and_do_not_panic() {
    use crate::world::RowName;
    for row in [
        RowName::Account(AccountId(1)),
        RowName::Account(AccountId(9)),
        RowName::Tenant(TenantId(1)),
        RowName::Tariff(strowger_model::TariffId(1)),
        RowName::Trunk(TrunkId(7)),
    ] {
        let mut switch = Switch::new(rows());
        switch.world = switch.world.changed(Change::Remove(row)).unwrap();
        for line in ["1001 dials 4420", "trunk 8 dials 4420"] {
            let said = switch.say(line);
            let refused = said.starts_with(['4', '5']) && !said.starts_with("4420");
            assert!(refused || said.starts_with("challenge"), "{row}: {line}: {said}");
        }
    }
}

#[test]
fn other_asks_are_not_decided_here() {
    let mut switch = Switch::new(rows());
    switch.ask.body =
        AskBody::Resolve(strowger_link::ResolveAsk { host: "x".into(), port: 0, transport: None });
    assert_eq!(words(&switch.again()), "501 BadRequest cause 79, no record");
    let answer = switch.again().verdict.into_answer(AskId(1)).unwrap();
    assert!(matches!(answer.body, AnswerBody::Refuse(_)));
}

#[test]
fn a_callee_of_another_tenant_is_nobody() {
    let foreign = |r: &mut Rows| {
        r.tenants.push(testing::tenant(2, "other.example"));
        r.organizations.push(strowger_model::Organization {
            tenant: TenantId(2),
            ..testing::organization(20, None)
        });
        r.accounts.push(strowger_model::Account {
            tenant: TenantId(2),
            organization: strowger_model::OrganizationId(20),
            ..testing::account(20, None)
        });
        r.subscribers.push(strowger_model::Subscriber {
            tenant: TenantId(2),
            account: AccountId(20),
            organization: strowger_model::OrganizationId(20),
            ..testing::subscriber(20, "2000")
        });
    };
    check_with(foreign, "1001 dials 2000", "404 UnknownNumber cause 1");
}

#[test]
fn a_trunk_named_by_the_edge_may_show_credentials_instead() {
    let mut switch = Switch::new(rows());
    switch.say("1001 dials 1002");
    switch.ask.hints.trunk = Some(8);
    let credentials = testing::credentials("1001", "INVITE", "demo1001");
    switch.call().credentials = Some(strowger_link::Credentials { ..credentials });
    let said = words(&switch.again());
    assert_eq!(said, "challenge demo.example [Sha256, Md5] stale", "taken as subscriber 1001");
}

#[test]
fn a_dry_run_decides_as_the_call_does_and_changes_nothing() {
    let mut switch = Switch::new(rows());
    for line in [
        "1001 dials 1002",
        "1001 dials 447911",
        "1001 dials 1003",
        "1001 dials 1001",
        "1004 dials 44123",
        "1002 dials abc",
        "trunk 8 dials 1002",
        "trunk 8 dials 44123",
    ] {
        let real = switch.decide(line);
        let (sender, called) = line.split_once(" dials ").unwrap();
        let from = match sender.strip_prefix("trunk ") {
            Some(id) => crate::Caller::Trunk(TrunkId(id.parse().unwrap()), None),
            None => {
                let id = switch.world.subscriber_named(TenantId(1), sender).unwrap().id;
                crate::Caller::Subscriber(id)
            }
        };
        let caller = sender.starts_with('t').then(|| "+33123".to_owned());
        let run = crate::DryRun { from, called: called.into(), caller, draw: 77, known: None };
        let (world, locations) = (&switch.world, &switch.locations);
        let dry = crate::dry_run(
            world,
            locations,
            (&Arc::default(), &Arc::default()),
            &run,
            (Tick(0), WALL),
        )
        .unwrap();
        assert_eq!(words(&dry), words(&real), "{line}");
        assert_eq!(dry.trace, real.trace, "{line}");
        assert_eq!(dry.tenant, Some(TenantId(1)), "{line}");
        assert_eq!(dry.nonce, None, "{line}");
    }
    let elsewhere = Some("192.0.2.99:5060".parse().unwrap());
    let from = crate::Caller::Trunk(TrunkId(8), elsewhere);
    let run = crate::DryRun { from, called: "1002".into(), caller: None, draw: 0, known: None };
    let (world, locations) = (&switch.world, &switch.locations);
    let dry =
        crate::dry_run(world, locations, (&Arc::default(), &Arc::default()), &run, (Tick(0), WALL))
            .unwrap();
    assert_eq!(words(&dry), "challenge demo.example [Sha256, Md5]");
    assert_eq!(dry.tenant, None);
    for (from, why) in [
        (crate::Caller::Subscriber(SubscriberId(99)), crate::NoDryRun::NoSubscriber),
        (crate::Caller::Trunk(TrunkId(99), None), crate::NoDryRun::NoTrunk),
        (crate::Caller::Trunk(TrunkId(7), None), crate::NoDryRun::NoSource),
    ] {
        let run = crate::DryRun { from, called: "1".into(), caller: None, draw: 0, known: None };
        let dry = crate::dry_run(
            world,
            locations,
            (&Arc::default(), &Arc::default()),
            &run,
            (Tick(0), WALL),
        );
        assert_eq!(dry, Err(why));
    }
}

/// Text as a hostile peer may send it, and as an honest one does.
fn text() -> impl Strategy<Value = String> {
    prop_oneof!["[0-9+*#]{0,20}", "1[0-9]{3}", "44[0-9]{0,30}", ".{0,80}", "[;@%:]{0,9}"]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(256))]

    #[test]
    fn any_call_gets_an_answer_that_fits_its_frame(
        trunk in any::<bool>(),
        called in text(),
        from_user in text(),
        asserted in prop::collection::vec(text(), 0..3),
        privacy in text(),
    ) {
        let mut switch = Switch::new(rows());
        switch.ask = ask(if trunk { "trunk 8" } else { "1001" }, "1002");
        let call = switch.call();
        call.called = called;
        call.caller = CallerIdentity { from_user, asserted, privacy, ..call.caller.clone() };
        let decision = switch.again();
        prop_assert!(decision.trace.as_bytes().len() <= crate::limits::TRACE_MAX);
        prop_assert!(decision.trace.steps().count() >= 1);
        match decision.verdict {
            Verdict::Go(plan) => {
                let go = &plan.go;
                prop_assert!((1..=STAGES_MAX).contains(&go.stages.len()));
                let full = |n: usize| (1..=strowger_link::BRANCHES_MAX).contains(&n);
                prop_assert!(go.stages.iter().all(|s| full(s.branches.len())));
                prop_assert!(go.settlement.0.len() <= strowger_link::SETTLEMENT_MAX);
                prop_assert!(plan.admit.is_some(), "only an emergency is free of the till");
                let uris = go.stages.iter().flat_map(|s| &s.branches).map(|b| &b.target.uri);
                for uri in uris {
                    prop_assert!(SipUri::parse(uri).is_some(), "{}", uri);
                }
            }
            Verdict::Refuse(refuse) => {
                prop_assert!(refuse.cause.sip >= 400);
                let settlement = Settlement::decode(&refuse.settlement.0);
                prop_assert_eq!(refuse.record, settlement.is_ok());
            }
            Verdict::Challenge(_) => prop_assert!(false, "the sender is known"),
            Verdict::Registered(_) | Verdict::Respond(_) | Verdict::Need(_) => {
                prop_assert!(false, "not a call's answer");
            }
        }
    }
}

/// Phones and carriers of either family: each branch leaves by a listener of its target's.
#[test]
fn branches_leave_by_a_listener_of_their_family() {
    let mut both = rows();
    let targets = ["192.0.2.7:5060", "[2001:db8::7]:5060", "[::ffff:192.0.2.17]:5060"];
    both.trunks[0].egress.as_mut().unwrap().targets =
        targets.iter().map(|t| EgressTarget::Address(t.parse().unwrap())).collect();
    let ways = |go: &Go| -> Vec<(String, u8)> {
        let branches = go.stages.iter().flat_map(|stage| &stage.branches);
        branches.map(|b| (b.target.uri.clone(), b.listener)).collect()
    };
    let mut switch = Switch::new(both.clone());
    let way = |uri: &str, listener| (uri.to_owned(), listener);
    assert_eq!(
        ways(&switch.go("1001 dials 4420")),
        [
            way("sip:4420@192.0.2.7:5060", 0),
            way("sip:4420@[2001:db8::7]:5060", 1),
            way("sip:4420@192.0.2.17:5060", 0),
        ]
    );
    switch.register(2, "sip:1002@[2001:db8::2]:5062", "[2001:db8::2]:5062");
    let mut rings = ways(&switch.go("1001 dials 1002"));
    rings.sort();
    assert_eq!(rings, [way("sip:1002@10.0.0.2:5060", 0), way("sip:1002@[2001:db8::2]:5062", 1)]);
    // Without an IPv6 listener those are no ways, and the others are tried.
    both.listeners.truncate(1);
    let mut switch = Switch::new(both.clone());
    assert_eq!(
        ways(&switch.go("1001 dials 4420")),
        [way("sip:4420@192.0.2.7:5060", 0), way("sip:4420@192.0.2.17:5060", 0)]
    );
    switch.register(2, "sip:1002@[2001:db8::2]:5062", "[2001:db8::2]:5062");
    assert_eq!(ways(&switch.go("1001 dials 1002")), [way("sip:1002@10.0.0.2:5060", 0)]);
    switch.register(3, "sip:1003@[2001:db8::3]:5062", "[2001:db8::3]:5062");
    assert_eq!(switch.say("1001 dials 1003"), "480 Offline cause 20");
    both.trunks[0].egress.as_mut().unwrap().targets.truncate(2);
    both.trunks[0].egress.as_mut().unwrap().targets.remove(0);
    assert_eq!(Switch::new(both).say("1001 dials 4420"), "404 NoRoute cause 3");
}

/// The challenge names what the account may use, whatever strangers are asked for.
#[test]
fn an_answer_by_another_algorithm_is_challenged_again() {
    let strict = |r: &mut Rows| r.subscribers[0].digest = strowger_model::DigestPolicy::Sha256Only;
    check_with(strict, "1001 dials 1002", "challenge demo.example [Sha256]");
    let new = |r: &mut Rows| r.subscribers[0].ha1_md5 = None;
    check_with(new, "1001 dials 1002", "challenge demo.example [Sha256]");
    let none = |r: &mut Rows| {
        (r.subscribers[0].ha1_md5, r.subscribers[0].ha1_sha256) = (None, None);
    };
    check_with(none, "1001 dials 1002", "403 AuthFailed cause 21, no record");
}
