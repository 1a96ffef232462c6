//! The firewall by caller: who is turned away by which rule, and who never is.

use super::*;
use strowger_model::{CallerRule, CallerRuleId, Digits, SettingId, SettingRow};

fn rule(id: i64, account: Option<i64>, prefix: &str, allow: bool) -> CallerRule {
    CallerRule {
        id: CallerRuleId(id),
        tenant: TenantId(1),
        account: account.map(AccountId),
        prefix: if prefix.is_empty() { Digits::EMPTY } else { testing::digits(prefix) },
        subscriber: None,
        called: Digits::EMPTY,
        allow,
        reason: "nuisance".to_owned(),
        from_us: 0,
        until_us: None,
        automatic: false,
    }
}

fn default_deny() -> SettingRow {
    SettingRow {
        id: SettingId(1),
        category: "call".into(),
        name: "callers_default_deny".into(),
        tenant: Some(TenantId(1)),
        account: None,
        subscriber: None,
        value: "true".into(),
    }
}

/// What becomes of a call under these rules, and what of them stands in its trace.
fn check(rows: Rows, line: &str, from_user: &str, refused: bool, told: &str) {
    let mut switch = Switch::new(rows);
    switch.decide(line);
    switch.call().caller.from_user = from_user.to_owned();
    if let Some(credentials) = &mut switch.call().credentials {
        // The nonce count was used by the first.
        credentials.nonce_count = "00000009".to_owned();
        let user = credentials.username.clone();
        let ha1 = crate::digest::ha1_md5(&user, testing::REALM, &format!("demo{user}"));
        credentials.response = crate::digest::response_md5(credentials, &ha1);
    }
    let decision = switch.again();
    let steps = decision.trace.steps().filter(|step| step.name().starts_with("caller-"));
    let steps: Vec<String> = steps
        .filter(|step| !matches!(step, Step::CallerHidden {}))
        .map(|step| {
            let id = step.parameters().first().map_or(String::new(), |(_, id)| format!(" {id}"));
            format!("{}{id}", step.name())
        })
        .collect();
    assert_eq!(steps.join(", "), told, "{line} from {from_user}");
    let Verdict::Refuse(refuse) = &decision.verdict else {
        return assert!(!refused, "{line} from {from_user}");
    };
    assert!(refused && refuse.record, "{line} from {from_user}: {refuse:?}");
    assert_eq!((refuse.cause.sip, refuse.reason), (403, strowger_link::Reason::Denied));
}

#[test]
fn callers_are_turned_away_by_number_and_by_account() {
    let with = |rules: &[CallerRule]| Rows { caller_rules: rules.to_vec(), ..rows() };
    let (trunk, phone) = ("trunk 8 dials 442071002", "1001 dials 442071002");
    let nuisance = [rule(1, None, "4477", false), rule(2, None, "447755", true)];
    check(with(&nuisance), trunk, "447712345", true, "caller-denied 1");
    check(with(&nuisance), trunk, "+447755123", false, "caller-allowed 2");
    check(with(&nuisance), trunk, "4420123", false, "");
    // Who has shown credentials is known by its own number, whatever From says.
    check(with(&nuisance), phone, "447712345", false, "");
    check(with(&[rule(3, None, "442071001", false)]), phone, "1001", true, "caller-denied 3");
    let closed = [rule(4, Some(1), "", false), rule(5, None, "4420", true)];
    check(with(&closed), phone, "1001", true, "caller-denied 4");
    check(with(&closed), "1004 dials 1002", "1004", false, "");
}

#[test]
fn with_default_deny_only_callers_that_are_let_through_may_call() {
    let with = |rules: &[CallerRule]| {
        let settings = vec![default_deny()];
        Rows { caller_rules: rules.to_vec(), settings, ..rows() }
    };
    check(with(&[]), "1001 dials 442071002", "1001", true, "caller-unlisted");
    let known = [rule(1, Some(2), "", true), rule(2, None, "4477", true)];
    check(with(&known), "1001 dials 442071002", "1001", true, "caller-unlisted");
    check(with(&known), "1004 dials 1002", "1004", false, "caller-allowed 1");
    check(with(&known), "trunk 8 dials 442071002", "anonymous", true, "caller-unlisted");
    check(with(&known), "trunk 8 dials 442071002", "447712345", false, "caller-allowed 2");
}

/// Help is for everybody.
#[test]
fn an_emergency_call_passes_every_rule() {
    let mut rows = Rows {
        caller_rules: vec![rule(1, Some(1), "", false)],
        settings: vec![default_deny()],
        ..rows()
    };
    rows.emergencies = vec![Emergency {
        tenant: TenantId(1),
        number: testing::digits("112"),
        trunks: vec![TrunkId(7)],
    }];
    check(rows, "1001 dials 112", "1001", false, "");
}

#[test]
fn rules_that_do_not_fit_are_refused() {
    let world = World::build(rows()).unwrap();
    let refused = |rule: CallerRule| {
        world.changed(Change::CallerRule(rule)).map(drop).unwrap_err().to_string()
    };
    assert_eq!(refused(rule(1, None, "", false)), "caller rule 1: its prefix is out of range");
    assert!(refused(rule(1, Some(77), "", false)).contains("account 77 does not exist"));
    let ended = CallerRule { until_us: Some(0), ..rule(1, None, "44", false) };
    assert!(refused(ended).contains("until"));
    let world = world.changed(Change::CallerRule(rule(1, None, "44", false))).unwrap();
    let twice = world.changed(Change::CallerRule(rule(2, None, "44", true)));
    assert!(twice.unwrap_err().to_string().contains("taken by caller rule 1"));
    let world = world.changed(Change::CallerRule(rule(1, None, "44", true))).unwrap();
    let world = world.changed(Change::Remove(crate::RowName::CallerRule(CallerRuleId(1)))).unwrap();
    assert_eq!(world.callers().iter().count(), 0);
}
