//! Rules at the four stages: what becomes of a call, and what its trace says.

use super::*;
use strowger_model::{Digits, Rule, RuleAction, RuleDeed, RuleId, RuleStage};

fn rule(id: i64, stage: RuleStage, condition: &str, actions: &[(RuleDeed, &str, u16)]) -> Rule {
    let action = |(does, value, status): &(RuleDeed, &str, u16)| RuleAction {
        does: *does,
        value: (*value).to_owned(),
        status: *status,
    };
    Rule {
        id: RuleId(id),
        tenant: TenantId(1),
        name: format!("Rule {id}"),
        stage,
        position: 0,
        condition: condition.to_owned(),
        actions: actions.iter().map(action).collect(),
        last: false,
        enabled: true,
    }
}

fn check_rules(rules: &[Rule], line: &str, expect: &str) {
    check_with(|rows| rows.rules = rules.to_vec(), line, expect);
}

use RuleDeed::*;
use RuleStage::*;

const CARRIER: &str = "442079460018 to trunk 7 at 192.0.2.7:5060; account 1 pays 0.01";

#[test]
fn the_called_number_changes_for_routes_and_prices() {
    for stage in [Received, Known, Routing] {
        // The specification's own case: 1999999 becomes 44222.
        let long = rule(
            1,
            stage,
            "called.startsWith('1999')",
            &[(SetCalled, "'4420794' + called.substring(4)", 0)],
        );
        check_rules(std::slice::from_ref(&long), "1001 dials 199960018", CARRIER);
        check_rules(&[long], "1001 dials 199", "404 UnknownNumber cause 1");
    }
    // What leads to one of ours rings it, at the price of calls among us.
    let home = rule(1, Routing, "called == '44999'", &[(SetCalled, "'1002'", 0)]);
    check_rules(&[home], "1001 dials 44999", "ring 10.0.0.2:5060; account 1 pays 0");
    let away = rule(1, Routing, "local && called == '1002'", &[(SetCalled, "'442079460018'", 0)]);
    check_rules(&[away], "1001 dials 1002", CARRIER);
}

#[test]
fn one_rule_sees_what_another_set_and_the_last_is_the_last() {
    let first = rule(1, Routing, "called == '1'", &[(SetCalled, "'2'", 0)]);
    let second = rule(2, Routing, "called == '2'", &[(SetCalled, "'442079460018'", 0)]);
    check_rules(&[first.clone(), second.clone()], "1001 dials 1", CARRIER);
    let last = Rule { last: true, ..first.clone() };
    check_rules(&[last, second.clone()], "1001 dials 1", "404 UnknownNumber cause 1");
    let behind = Rule { position: 1, ..first };
    check_rules(&[behind, second], "1001 dials 1", "404 UnknownNumber cause 1");
}

/// Spec C-RTE-04.
#[test]
fn a_rule_tells_the_caller_where_to_call_instead() {
    let told = |stage, value: &str| {
        let away = rule(1, stage, "called.startsWith('44')", &[(Redirect, value, 0)]);
        let mut rows = rows();
        rows.rules = vec![away];
        let decision = Switch::new(rows).decide("1001 dials 442079460018");
        let Verdict::Refuse(refuse) = decision.verdict else { return words(&decision) };
        let contact = refuse.headers.iter().find(|field| field.name == "Contact").unwrap();
        format!("{} {}", refuse.cause.sip, String::from_utf8_lossy(&contact.value.0))
    };
    for stage in [Received, Known, Routing] {
        let there = told(stage, "'sip:' + called + '@198.51.100.7:5070'");
        assert_eq!(there, "302 <sip:442079460018@198.51.100.7:5070>", "{stage:?}");
    }
    // What is no URI is told to nobody.
    for value in ["called", "'sip:a@b>,<sip:' + called + '@c'", "'tel:' + called"] {
        assert_eq!(told(Routing, value), CARRIER, "{value}");
    }
}

#[test]
fn a_rule_refuses_with_its_status() {
    for (stage, condition) in [
        (Received, "received == '442079460018' && source == '10.0.0.1'"),
        (Known, "account == 1 && subscriber == 1 && trunk == 0"),
        (Routing, "class == 'ordinary' && country == 'GB' && !local"),
        // 14 November 2023, 22:13 UTC: a Tuesday.
        (Routing, "weekday == 2 && hour == 22 && minute == 13"),
    ] {
        let no = rule(1, stage, condition, &[(Refuse, "", 603)]);
        let record = if stage == Received { ", no record" } else { "" };
        let expect = format!("603 Denied cause 21{record}");
        check_rules(std::slice::from_ref(&no), "1001 dials 442079460018", &expect);
        let off = Rule { enabled: false, ..no };
        check_rules(&[off], "1001 dials 442079460018", CARRIER);
    }
    let mobile = rule(1, Routing, "class == 'mobile'", &[(Refuse, "", 488)]);
    check_rules(std::slice::from_ref(&mobile), "1001 dials 447700900123", "488 Denied cause 65");
    check_rules(&[mobile], "1001 dials 442079460018", CARRIER);
    // A peer's call leaves a record even before it is known for sure who calls.
    let no = rule(1, Received, "from == '+33123'", &[(Refuse, "", 480)]);
    check_rules(&[no], "trunk 8 dials 442079460018", "480 Denied cause 18");
}

#[test]
fn a_trunk_is_sent_what_rules_say_or_nothing() {
    let two = |rows: &mut Rows| rows.routes[0] = testing::route(1, "44", &[(7, 1, 1), (6, 0, 1)]);
    let of = |rules: &[Rule], expect: &str| {
        let with = |rows: &mut Rows| {
            two(rows);
            rows.rules = rules.to_vec();
        };
        check_with(with, "1001 dials 447700900123", expect);
    };
    let six = "00447700900123 to trunk 6 at 192.0.2.61:5060, then \
        00447700900123 to trunk 6 at 192.0.2.62:5070";
    of(&[], &format!("447700900123 to trunk 7 at 192.0.2.7:5060, then {six}; account 1 pays 0.05"));
    let skip = rule(1, Routed, "to_trunk == 7 && class == 'mobile'", &[(Skip, "", 0)]);
    of(&[skip], &format!("{six}; account 1 pays 0.05"));
    let sent = rule(1, Routed, "to_trunk == 7", &[(SetDialled, "'0' + dialled.substring(2)", 0)]);
    of(
        &[sent],
        &format!("07700900123 to trunk 7 at 192.0.2.7:5060, then {six}; account 1 pays 0.05"),
    );
    let none = rule(1, Routed, "true", &[(Skip, "", 0)]);
    of(&[none], "404 NoRoute cause 3");
}

#[test]
fn the_number_in_the_request_is_the_one_that_a_rule_set() {
    let sent = rule(1, Routed, "true", &[(SetDialled, "'0207'", 0), (SetCaller, "'44111'", 0)]);
    let mut switch = Switch::new(Rows { rules: vec![sent], ..rows() });
    let go = switch.go("1001 dials 442079460018");
    let branch = &go.stages[0].branches[0];
    assert_eq!(branch.dialed, "0207");
    assert!(branch.target.uri.starts_with("sip:0207@"), "{}", branch.target.uri);
    assert_eq!(branch.from_user, "44111");
}

#[test]
fn the_caller_changes_for_all_that_follows() {
    let with = |stage, condition: &str| {
        let own = rule(1, stage, condition, &[(SetCaller, "'44' + caller.substring(2)", 0)]);
        Switch::new(Rows { rules: vec![own], ..rows() })
    };
    for stage in [Known, Routing] {
        let mut switch = with(stage, "caller.startsWith('33')");
        let go = switch.go("trunk 8 dials 442079460018");
        assert_eq!(go.stages[0].branches[0].from_user, "44123");
        let known = Settlement::decode(&go.settlement.0).unwrap();
        assert_eq!(known.caller.number, "44123", "the record says the same");
    }
    let go = with(Known, "false").go("trunk 8 dials 442079460018");
    assert_eq!(go.stages[0].branches[0].from_user, "33123");
}

/// Whatever rules say, help is reached.
#[test]
fn emergency_calls_pass_rules_by() {
    let all: Vec<Rule> = (1i64..)
        .zip([Received, Known, Routing, Routed])
        .map(|(id, stage)| match stage {
            Routed => rule(id, stage, "true", &[(Skip, "", 0)]),
            Received | Known | Routing => {
                rule(id, stage, "true", &[(SetCalled, "'1002'", 0), (Refuse, "", 403)])
            }
        })
        .collect();
    for only in all {
        let with = |rows: &mut Rows| {
            let number = Digits::parse("999").unwrap();
            let trunks = vec![TrunkId(7)];
            rows.emergencies = vec![Emergency { tenant: TenantId(1), number, trunks }];
            rows.rules = vec![only.clone()];
        };
        check_with(with, "1001 dials 999", "999 to trunk 7 at 192.0.2.7:5060");
        let behind_prefix = |rows: &mut Rows| {
            with(rows);
            let ingress = rows.trunks[2].ingress.as_mut().unwrap();
            ingress.tech_prefix = Some(testing::digits("111"));
        };
        check_with(behind_prefix, "trunk 8 dials 111999", "999 to trunk 7 at 192.0.2.7:5060");
    }
}

#[test]
fn what_a_rule_cannot_say_it_does_not_do_and_the_trace_says_so() {
    let far = rule(3, Routing, "called.substring(40) == ''", &[(Refuse, "", 403)]);
    let empty = rule(4, Routing, "true", &[(SetCalled, "''", 0)]);
    let mut switch = Switch::new(Rows { rules: vec![far, empty], ..rows() });
    let decision = switch.decide("1001 dials 442079460018");
    assert_eq!(words(&decision), CARRIER);
    let told = decision.trace.told(&switch.world, crate::trace::Audience::Operator);
    let told: Vec<&str> = told.iter().map(|said| said.sentence.as_str()).collect();
    let ours: Vec<&&str> = told.iter().filter(|line| line.starts_with("rule ")).collect();
    assert_eq!(
        ours,
        [
            &"rule 3 (Rule 3) cannot be carried out on this call",
            &"rule 4 (Rule 4) is about this call",
            &"rule 4 (Rule 4) cannot be carried out on this call",
        ]
    );
}

#[test]
fn rules_come_and_go_with_changes() {
    let mut switch = Switch::new(rows());
    let no = rule(1, Known, "true", &[(Refuse, "", 403)]);
    switch.world = switch.world.changed(Change::Rule(Box::new(no.clone()))).unwrap();
    assert_eq!(switch.say("1001 dials 442079460018"), "403 Denied cause 21");
    let name = crate::world::RowName::Rule(RuleId(1));
    switch.world = switch.world.changed(Change::Remove(name)).unwrap();
    assert_eq!(switch.say("1001 dials 442079460018"), CARRIER);
    let bad = Rule { condition: "colour == 'red'".into(), ..no };
    let error = switch.world.changed(Change::Rule(Box::new(bad))).unwrap_err();
    let expect = "rule 1: its condition: character 1: there is no field \"colour\"";
    assert_eq!(error.to_string(), expect);
}

/// A call that leaves us goes by what its operator is reached by; numbers of ours do not.
#[test]
fn a_ported_number_is_routed_and_priced_by_its_operators() {
    let with = |lines: &[&str]| {
        let mut gathering = strowger_numbering::Gathering::default();
        lines.iter().for_each(|line| gathering.add_line(line).unwrap());
        let mut switch = Switch::new(rows());
        switch.world = switch.world.with_ported(Arc::new(gathering.finish()));
        switch
    };
    let expect = "447700900123 to trunk 7 at 192.0.2.7:5060; account 1 pays 0.05";
    let mut instead = with(&["442079460018,,447700900123"]);
    assert_eq!(instead.say("1001 dials 442079460018"), expect);
    let known = instead.go("1001 dials 442079460018");
    let known = Settlement::decode(&known.settlement.0).unwrap();
    assert_eq!(known.number, Some(testing::digits("447700900123")));
    let mut prefix = with(&["33123,447", "442071002,447"]);
    let expect = "44733123 to trunk 7 at 192.0.2.7:5060; account 1 pays 0.05";
    assert_eq!(prefix.say("1001 dials 33123"), expect);
    assert_eq!(
        prefix.say("1001 dials 442071002"),
        "ring 10.0.0.2:5060; account 1 pays 0",
        "a number of ours"
    );
    // A table outlives a change of the rows.
    prefix.world = prefix.world.rebuilt(rows(), &Default::default()).unwrap();
    assert_eq!(prefix.say("1001 dials 33123"), expect);
    let long = format!("33123,{}", "4".repeat(30));
    assert_eq!(with(&[&long]).say("1001 dials 33123"), "404 UnknownNumber cause 1");
}
