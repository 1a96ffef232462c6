//! Rules compiled: what is refused, and that the index finds what a walk finds.

use super::*;
use proptest::prelude::*;
use strowger_model::RuleAction;

pub(crate) fn action(does: RuleDeed, value: &str, status: u16) -> RuleAction {
    RuleAction { does, value: value.to_owned(), status }
}

fn rule(id: i64, stage: RuleStage, condition: &str, actions: Vec<RuleAction>) -> Rule {
    Rule {
        id: RuleId(id),
        tenant: TenantId(1),
        name: format!("Rule {id}"),
        stage,
        position: 0,
        condition: condition.to_owned(),
        actions,
        last: false,
        enabled: true,
    }
}

fn refused(row: &Rule) -> String {
    let bad = Rules::default().put(row).unwrap_err();
    format!("{}: {}", bad.at, bad.why)
}

#[test]
fn what_is_wrong_with_a_rule_is_said_with_its_place() {
    use RuleDeed::*;
    use RuleStage::*;
    for (stage, condition, actions, expect) in [
        (
            Received,
            "account == 1",
            vec![],
            "condition: character 1: \"account\" is not known at this stage",
        ),
        (
            Routing,
            "called.startsWith(44)",
            vec![],
            "condition: character 19: this is int, and string is needed",
        ),
        (
            Routing,
            "true",
            vec![action(Skip, "", 0)],
            "actions[0].does: cannot be done at this stage",
        ),
        (
            Routed,
            "true",
            vec![action(SetCalled, "called", 0)],
            "actions[0].does: cannot be done at this stage",
        ),
        (
            Routed,
            "true",
            vec![action(Redirect, "'sip:a@b'", 0)],
            "actions[0].does: cannot be done at this stage",
        ),
        (
            Received,
            "true",
            vec![action(SetCaller, "'1'", 0)],
            "actions[0].does: cannot be done at this stage",
        ),
        (
            Known,
            "true",
            vec![action(SetCaller, "'1'", 0), action(SetCalled, "account", 0)],
            "actions[1].value: character 1: this is int, and string is needed",
        ),
        (
            Known,
            "true",
            vec![action(Refuse, "", 200)],
            "actions[0].status: is 400 to 699 to refuse, and 0 otherwise",
        ),
        (
            Known,
            "true",
            vec![action(SetCalled, "called", 404)],
            "actions[0].status: is 400 to 699 to refuse, and 0 otherwise",
        ),
        (
            Known,
            "true",
            vec![action(Refuse, "called", 404)],
            "actions[0].value: is for actions that set something",
        ),
    ] {
        assert_eq!(refused(&rule(1, stage, condition, actions)), expect);
    }
    let many = vec![action(Refuse, "", 404); RULE_ACTIONS_MAX + 1];
    assert_eq!(refused(&rule(1, Known, "true", many)), "actions: has more than 8 entries");
}

#[test]
fn rules_work_in_their_order_and_only_those_that_are_switched_on() {
    let mut rules = Rules::default();
    let position = |id, position, enabled| Rule {
        position,
        enabled,
        ..rule(id, RuleStage::Known, "true", vec![])
    };
    for row in
        [position(1, 5, true), position(2, -5, true), position(3, 5, true), position(4, 0, false)]
    {
        rules.put(&row).unwrap();
    }
    rules.index(&BTreeSet::from([TenantId(1)]));
    let order = |rules: &Rules| {
        let stage = rules.stage(TenantId(1), RuleStage::Known).unwrap();
        let mut found = Vec::new();
        while let Some((_, rule)) = stage.next(found.len(), &CallFields::default()) {
            found.push(rule.row.id.0);
        }
        found
    };
    assert_eq!(order(&rules), [2, 1, 3]);
    rules.remove(RuleId(1));
    assert_eq!(order(&rules), [2, 3]);
    // Another tenant's rules come and go, and these stay as they are.
    let other = Rule { tenant: TenantId(3), ..position(5, 0, true) };
    rules.put(&other).unwrap();
    rules.index(&BTreeSet::from([TenantId(1), TenantId(3)]));
    assert_eq!(order(&rules), [2, 3]);
    assert_eq!(rules.stage(TenantId(3), RuleStage::Known).map(Stage::len), Some(1));
    rules.remove(RuleId(5));
    assert!(rules.stage(TenantId(3), RuleStage::Known).is_none());
    assert!(rules.stage(TenantId(2), RuleStage::Known).is_none());
    assert!(rules.stage(TenantId(1), RuleStage::Routed).is_none());
    assert_eq!(rules.get(RuleId(4)).map(|row| row.name.as_str()), Some("Rule 4"));
}

/// A rule that is written again counts once, one that was taken out no more.
#[test]
fn a_tenant_has_a_most_of_rules() {
    let mut rules = Rules::default();
    let put = |rules: &mut Rules, id| {
        let row = rule(id, RuleStage::Known, "true", vec![]);
        rules.put(&row).map_err(|bad| bad.why)
    };
    for id in 1..=RULES_MAX as i64 {
        put(&mut rules, id).unwrap();
    }
    put(&mut rules, 1).unwrap();
    rules.remove(RuleId(1));
    put(&mut rules, 1).unwrap();
    let other = Rule { tenant: TenantId(2), ..rule(-1, RuleStage::Known, "true", vec![]) };
    rules.put(&other).unwrap();
    let one_more = put(&mut rules, 1 + RULES_MAX as i64).unwrap_err();
    assert_eq!(one_more, "has more than 10000 rules");
}

/// A rule that is about one account or prefix is not looked at for others.
#[test]
fn an_index_leaves_out_what_cannot_work() {
    let mut rules = Rules::default();
    for id in 0..1000 {
        let condition = format!("account == {id} && called.startsWith('44')");
        rules.put(&rule(id, RuleStage::Known, &condition, vec![])).unwrap();
        let condition = format!("called.startsWith('{}')", 100_000 + id);
        rules.put(&rule(1000 + id, RuleStage::Known, &condition, vec![])).unwrap();
    }
    rules.index(&BTreeSet::from([TenantId(1)]));
    let stage = rules.stage(TenantId(1), RuleStage::Known).unwrap();
    assert_eq!(stage.len(), 2000);
    let fields = CallFields { account: 7, called: "100009442".into(), ..CallFields::default() };
    let (at, first) = stage.next(0, &fields).unwrap();
    assert_eq!((at, first.row.id.0), (7, 7));
    let (at, second) = stage.next(at + 1, &fields).unwrap();
    assert_eq!(second.row.id.0, 1009);
    assert!(stage.next(at + 1, &fields).is_none());
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(256))]

    #[test]
    fn the_index_finds_what_a_walk_finds(
        conditions in prop::collection::vec(
            prop_oneof![
                "[0-2]{0,3}".prop_map(|p| format!("called.startsWith('{p}')")),
                (0..4i64).prop_map(|n| format!("account == {n}")),
                (0..4i64, "[0-2]{0,2}").prop_map(|(n, p)| {
                    format!("called.startsWith('{p}') && trunk == {n}")
                }),
                "[0-2]{0,3}".prop_map(|p| format!("caller == '{p}' || local")),
                "[0-2]{0,3}".prop_map(|p| format!("from == '{p}'")),
            ],
            0..20,
        ),
        called in "[0-2]{0,5}",
        from in "[0-2]{0,3}",
        account in 0..4i64,
        trunk in 0..4i64,
    ) {
        let mut rules = Rules::default();
        for (id, condition) in (1i64..).zip(&conditions) {
            rules.put(&rule(id, RuleStage::Routing, condition, vec![])).unwrap();
        }
        rules.index(&BTreeSet::from([TenantId(1)]));
        let fields = CallFields { called, from, account, trunk, ..CallFields::default() };
        let works = |rule: &Compiled| rule.works(&fields) == Ok(true);
        let walked: Vec<i64> =
            rules.all.values().filter(|rule| works(rule)).map(|rule| rule.row.id.0).collect();
        let mut found = Vec::new();
        if let Some(stage) = rules.stage(TenantId(1), RuleStage::Routing) {
            let mut from = 0;
            while let Some((at, rule)) = stage.next(from, &fields) {
                from = at + 1;
                found.extend(works(rule).then_some(rule.row.id.0));
            }
        }
        prop_assert_eq!(found, walked);
    }
}
