//! Whom a subscriber takes calls from, which numbers are not called for a while, and who is called
//! in place of nobody.

use super::forward::forward;
use super::setting::setting_row;
use super::*;
use strowger_model::{
    CallerRule, CallerRuleId, Depth, Did, DidId, DidTarget, Digits, ForwardWhen, OrganizationId,
    RingGroup, RingGroupId, RingMember, RingMode, RingParty, SettingId, SettingRow,
};

const RINGS: &str = "ring 10.0.0.2:5060; account 1 pays 0";
const OUTSIDE: &str = "4420 to trunk 7 at 192.0.2.7:5060; account 1 pays 0.01";
const DENIED: &str = "403 Denied cause 21";

/// A rule about calls of an account (0 = all) and of numbers that begin so.
fn rule(id: i64, account: i64, prefix: &str, allow: bool) -> CallerRule {
    CallerRule {
        id: CallerRuleId(id),
        tenant: TenantId(1),
        account: (account != 0).then_some(AccountId(account)),
        prefix: Digits::parse(prefix).unwrap(),
        subscriber: None,
        called: Digits::EMPTY,
        allow,
        reason: String::new(),
        from_us: 0,
        until_us: None,
        automatic: false,
    }
}

/// The same about calls to 1002.
fn to_1002(rule: CallerRule) -> CallerRule {
    CallerRule { subscriber: Some(SubscriberId(2)), ..rule }
}

/// The same about calls that leave us.
fn out_to(called: &str, rule: CallerRule) -> CallerRule {
    CallerRule { called: testing::digits(called), ..rule }
}

fn with_rules(rules: &[CallerRule]) -> Rows {
    Rows { caller_rules: rules.to_vec(), ..rows() }
}

fn say(rows: Rows, line: &str) -> String {
    Switch::new(rows).say(line)
}

fn set(path: &str, value: &str, depth: Depth, id: i64, nth: i64) -> SettingRow {
    SettingRow { id: SettingId(nth), ..setting_row(path, value, depth, id) }
}

fn group_of(id: i64, group: &str) -> SettingRow {
    set("call.group", group, Depth::Subscriber, id, id)
}

/// All of them ring, 1003 too.
fn sales() -> RingGroup {
    let member = |id| RingMember { party: RingParty::Subscriber(SubscriberId(id)), ring_s: 0 };
    RingGroup {
        id: RingGroupId(5),
        tenant: TenantId(1),
        organization: OrganizationId(1),
        account: AccountId(1),
        name: "sales".into(),
        numbers: Vec::new(),
        short: None,
        mode: RingMode::Parallel,
        members: vec![member(2), member(3)],
        overflow: None,
        enabled: true,
    }
}

/// Spec USER-RESTR-02.
#[test]
fn a_subscriber_is_called_by_whom_rules_let_through() {
    let closed = [to_1002(rule(1, 0, "", false))];
    for (rules, line, expect) in [
        (&closed[..], "1001 dials 1002", DENIED),
        (&closed[..], "1001 dials 12", DENIED),
        (&closed[..], "trunk 8 dials 442071002", DENIED),
        (&closed[..], "1001 dials 4420", OUTSIDE),
    ] {
        assert_eq!(say(with_rules(rules), line), expect, "{line}");
    }
    // Only some: a number, an account with all its subscribers.
    let some = [
        to_1002(rule(1, 0, "", false)),
        to_1002(rule(2, 0, "442071001", true)),
        to_1002(rule(3, 2, "", true)),
    ];
    assert_eq!(say(with_rules(&some), "1001 dials 1002"), RINGS);
    assert_eq!(say(with_rules(&some), "1004 dials 1002"), "ring 10.0.0.2:5060; account 2 pays 0");
    assert_eq!(say(with_rules(&some), "trunk 8 dials 442071002"), DENIED);
    // All but some.
    let nuisance = [to_1002(rule(1, 0, "33", false))];
    assert_eq!(say(with_rules(&nuisance), "trunk 8 dials 442071002"), DENIED);
    assert_eq!(say(with_rules(&nuisance), "1001 dials 1002"), RINGS);
    let decision = Switch::new(with_rules(&nuisance)).decide("trunk 8 dials 442071002");
    assert!(decision.trace.steps().any(|step| step == Step::CallerDenied { rule: 1 }));
}

/// Spec USER-HIER-03.
#[test]
fn subscribers_of_two_groups_do_not_call_each_other() {
    let with = |settings: &[SettingRow]| Rows { settings: settings.to_vec(), ..rows() };
    assert_eq!(say(with(&[group_of(1, "7")]), "1001 dials 1002"), DENIED);
    assert_eq!(say(with(&[group_of(2, "7")]), "1001 dials 1002"), DENIED);
    assert_eq!(say(with(&[group_of(1, "7"), group_of(2, "7")]), "1001 dials 1002"), RINGS);
    assert_eq!(say(with(&[group_of(1, "7"), group_of(2, "8")]), "1001 dials 1002"), DENIED);
    // Numbers outside are everybody's, and who calls from outside is of no group.
    assert_eq!(say(with(&[group_of(1, "7")]), "1001 dials 4420"), OUTSIDE);
    let inside = "ring 10.0.0.2:5060; account 1 pays 0.01";
    assert_eq!(say(with(&[group_of(2, "7")]), "trunk 8 dials 442071002"), inside);
    let decision = Switch::new(with(&[group_of(1, "7")])).decide("1001 dials 1002");
    assert!(decision.trace.steps().any(|step| step == Step::OtherGroup { subscriber: 2 }));
}

/// Who forwards leads there: an office that may call its boss puts calls through.
#[test]
fn of_a_forward_who_forwards_is_asked() {
    let forwarding = |settings: &[SettingRow]| {
        let mut rows = Rows { settings: settings.to_vec(), ..rows() };
        forward(&mut rows, 2, ForwardWhen::Always, "1002");
        rows
    };
    let apart = [group_of(1, "7"), group_of(2, "8"), group_of(3, "7")];
    assert_eq!(say(forwarding(&apart), "1001 dials 1003"), "480 Offline cause 20");
    let near = [group_of(1, "7"), group_of(2, "7"), group_of(3, "7")];
    assert_eq!(say(forwarding(&near), "1001 dials 1003"), RINGS);
    // By the rules of the callee too: 1003 has no number but its name.
    let mut boss = forwarding(&[]);
    boss.caller_rules = vec![to_1002(rule(1, 0, "", false)), to_1002(rule(2, 0, "1003", true))];
    assert_eq!(say(boss.clone(), "1001 dials 1002"), DENIED);
    assert_eq!(say(boss, "1001 dials 1003"), RINGS);
}

#[test]
fn a_member_of_a_group_who_does_not_take_the_call_is_not_rung() {
    let mut rows = with_rules(&[to_1002(rule(1, 1, "", false))]);
    rows.ring_groups.push(sales());
    let mut switch = Switch::new(rows);
    switch.register(3, "sip:1003@10.0.0.3:5060", "10.0.0.3:5060");
    assert_eq!(switch.say("1001 dials sales"), "ring 10.0.0.3:5060; account 1 pays 0");
    let both = "ring 10.0.0.2:5060 + ring 10.0.0.3:5060; account 2 pays 0";
    assert_eq!(switch.say("1004 dials sales"), both);
}

/// Spec ACL-BL-03, C-SEC-04.
#[test]
fn numbers_are_not_called_as_long_as_a_rule_says_so() {
    let now = i64::from(u32::MAX);
    let until =
        |until_us| CallerRule { until_us: Some(until_us), ..out_to("4420", rule(1, 0, "", false)) };
    assert_eq!(say(with_rules(&[until(WALL + now)]), "1001 dials 4420"), DENIED);
    assert_eq!(say(with_rules(&[until(WALL)]), "1001 dials 4420"), OUTSIDE, "it has ended");
    // A client and one destination; one of its devices and the destination.
    let client = [out_to("4420", rule(1, 1, "", false))];
    assert_eq!(say(with_rules(&client), "1001 dials 4420"), DENIED);
    let four = "441 to trunk 7 at 192.0.2.7:5060; account 1 pays 0.01";
    assert_eq!(say(with_rules(&client), "1001 dials 441"), four);
    let device = [out_to("44", rule(1, 1, "442071002", false))];
    assert_eq!(say(with_rules(&device), "1001 dials 4420"), OUTSIDE);
    assert_eq!(say(with_rules(&device), "1002 dials 4420"), DENIED);
    // The longest beginning counts, for a number of ours nothing of it.
    let but = [out_to("44", rule(1, 0, "", false)), out_to("4420", rule(2, 0, "", true))];
    assert_eq!(say(with_rules(&but), "1001 dials 4420"), OUTSIDE);
    assert_eq!(say(with_rules(&but), "1001 dials 441"), DENIED);
    assert_eq!(say(with_rules(&but), "1001 dials 442071002"), RINGS);
    // A forward leads to no such number either.
    let mut rows = with_rules(&[out_to("4420", rule(1, 0, "", false))]);
    forward(&mut rows, 1, ForwardWhen::Always, "4420");
    assert_eq!(say(rows, "1001 dials 1002"), RINGS);
}

#[test]
fn rules_that_say_too_little_or_too_much_are_refused() {
    let world = World::build(rows()).unwrap();
    let refused = |rule: CallerRule| {
        world.changed(Change::CallerRule(rule)).map(drop).unwrap_err().to_string()
    };
    let both = out_to("44", to_1002(rule(1, 0, "", false)));
    assert_eq!(refused(both), "caller rule 1: its called is out of range");
    let nobody = CallerRule { subscriber: Some(SubscriberId(77)), ..rule(1, 0, "", false) };
    assert!(refused(nobody).contains("subscriber 77 does not exist"));
    // The same callers, but of other calls.
    let world = world.changed(Change::CallerRule(to_1002(rule(1, 1, "", false)))).unwrap();
    let world = world.changed(Change::CallerRule(out_to("44", rule(2, 1, "", false)))).unwrap();
    let twice = world.changed(Change::CallerRule(out_to("44", rule(3, 1, "", true))));
    assert!(twice.unwrap_err().to_string().contains("taken by caller rule 2"));
}

/// Spec DID-FALLBACK-01.
#[test]
fn somebody_is_called_in_place_of_nobody() {
    let with = |to: &str| {
        let settings = vec![set("call.unknown_to", to, Depth::Account, 1, 1)];
        Rows { settings, ..rows() }
    };
    // At the trunk's price for who is called.
    let rings = |price: &str| format!("ring 10.0.0.2:5060; account 1 pays {price}");
    assert_eq!(say(with("442071002"), "trunk 8 dials 33555"), rings("0.01"));
    assert_eq!(say(with("1002"), "trunk 8 dials nobody"), rings("1"));
    // What a route takes, and what somebody has, is theirs.
    let own = "442071009 to trunk 7 at 192.0.2.7:5060; account 1 pays 0.01";
    assert_eq!(say(with("442071002"), "1001 dials 442071009"), own);
    assert_eq!(say(with("442071002"), "1001 dials 1003"), "480 Offline cause 20");
    // Nobody of ours is nobody: no route is looked for.
    assert_eq!(say(with("4420"), "trunk 8 dials 33555"), "404 UnknownNumber cause 1");
    // Another account's calls.
    assert_eq!(say(with("442071002"), "1004 dials 33555"), "404 UnknownNumber cause 1");
    let decision = Switch::new(with("442071002")).decide("trunk 8 dials 33555");
    let steps: Vec<Step> = decision.trace.steps().collect();
    assert!(steps.contains(&Step::Beyond { beyond: 1 }), "{steps:?}");
    assert!(steps.contains(&Step::Number(testing::digits("442071002"))), "{steps:?}");
}

/// Spec DID-FALLBACK-01 (`configallowusertopstn`).
#[test]
fn who_is_registered_nowhere_is_called_outside_where_that_is_set() {
    let with = |change: fn(&mut Rows), line: &str| {
        let settings = vec![set("call.offline_outside", "true", Depth::Tenant, 0, 1)];
        let mut rows = Rows { settings, ..rows() };
        rows.subscribers[2].numbers = vec![testing::digits("442071003")];
        change(&mut rows);
        say(rows, line)
    };
    let outside = "442071003 to trunk 7 at 192.0.2.7:5060; account 1 pays 0.01";
    assert_eq!(with(|_| {}, "1001 dials 442071003"), outside);
    // By its name it is nobody else's, and who is registered is called.
    assert_eq!(with(|_| {}, "1001 dials 1003"), "480 Offline cause 20");
    assert_eq!(with(|_| {}, "1001 dials 442071002"), RINGS);
    // Its own forward goes first.
    let forwards = |rows: &mut Rows| forward(rows, 2, ForwardWhen::Offline, "1002");
    assert_eq!(with(forwards, "1001 dials 442071003"), RINGS);
}

/// Spec AUTH-ANI-01.
#[test]
fn a_trunk_s_call_with_a_subscriber_s_number_is_the_subscriber_s() {
    let known = |change: &dyn Fn(&mut Rows)| {
        let settings = vec![set("identity.by_number", "true", Depth::Subscriber, 4, 1)];
        let mut rows = Rows { settings, ..rows() };
        rows.subscribers[3].numbers = vec![testing::digits("33123")];
        rows.trunks[2].ingress.as_mut().unwrap().by_number = true;
        change(&mut rows);
        Switch::new(rows)
    };
    let rings = "ring 10.0.0.2:5060; account 2 pays 0";
    let line = "trunk 8 dials 1002";
    let mut switch = known(&|_| {});
    let decision = switch.decide(line);
    assert_eq!(words(&decision), rings);
    let steps: Vec<Step> = decision.trace.steps().collect();
    assert!(steps.contains(&Step::BehalfOf { trunk: 8, subscriber: 4 }), "{steps:?}");
    let Verdict::Go(plan) = decision.verdict else { panic!("no plan") };
    let caller = Settlement::decode(&plan.go.settlement.0).unwrap().caller;
    let who = (caller.account, caller.subscriber, caller.trunk, caller.number.as_str());
    let expect = (Some(AccountId(2)), Some(SubscriberId(4)), Some(TrunkId(8)), "33123");
    assert_eq!(who, expect);
    // Its short numbers are known, what it may not call is not called, and what the trunk may not.
    assert_eq!(switch.say("trunk 8 dials 12"), rings);
    let barred = |rows: &mut Rows| rows.subscribers[3].barring.all = true;
    assert_eq!(known(&barred).say(line), DENIED);
    let barred = |rows: &mut Rows| rows.trunks[2].ingress.as_mut().unwrap().barring.all = true;
    assert_eq!(known(&barred).say(line), DENIED);
    assert_eq!(known(&|rows| rows.subscribers[3].enabled = false).say(line), DENIED);
    // It is of its group.
    let group = |rows: &mut Rows| rows.settings.push(group_of(2, "7"));
    assert_eq!(known(&group).say(line), DENIED);
    // A DID of it is as good as a number of its row.
    let did = |rows: &mut Rows| {
        rows.subscribers[3].numbers.clear();
        rows.dids.push(Did {
            id: DidId(1),
            tenant: TenantId(1),
            organization: OrganizationId(1),
            number: testing::digits("33123"),
            target: DidTarget::Subscriber(SubscriberId(4)),
            enabled: true,
            reserved_until_us: None,
            shared: false,
            payer: None,
        });
    };
    assert_eq!(known(&did).say(line), rings);
    // Both must say so: the trunk's row, and the subscriber's setting.
    let own = "ring 10.0.0.2:5060; account 1 pays 1";
    assert_eq!(known(&|rows| rows.settings.clear()).say(line), own);
    let silent = |rows: &mut Rows| rows.trunks[2].ingress.as_mut().unwrap().by_number = false;
    assert_eq!(known(&silent).say(line), own);
    assert_eq!(known(&|rows| rows.subscribers[3].numbers.clear()).say(line), own);
}
