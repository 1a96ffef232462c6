//! What only the outside knows: when it is asked, and what its answers and its silence do.

use super::setting::{asks, with_dips};
use super::*;
use crate::fact::{FACTS_MAX, Finding, HookSays, Lack, RadiusSays};
use strowger_numbering::Target;

const DIALS: &str = "1001 dials 33123";

/// A switch on which numbers are asked about, and on which this is known.
fn knowing(known: Vec<Fact>) -> Switch {
    let mut switch = Switch::new(with_dips(rows()));
    switch.known = Some(known);
    switch
}

fn ported(number: &str, finding: Finding) -> Fact {
    Fact { query: Query::Ported(testing::digits(number)), finding }
}

fn steps(decision: &Decision) -> Vec<String> {
    decision.trace.steps().map(|step| step.name()).collect()
}

#[test]
fn a_number_is_routed_and_priced_as_the_service_says() {
    let to = |target| knowing(vec![ported("33123", Finding::Ported(Some(target)))]);
    let mut prefix = to(Target::Prefix(testing::digits("447")));
    let decision = prefix.decide(DIALS);
    let expect = "44733123 to trunk 7 at 192.0.2.7:5060; account 1 pays 0.05";
    assert_eq!(words(&decision), expect);
    assert!(steps(&decision).contains(&"dip-ported".to_owned()), "{:?}", decision.trace);
    let mut instead = to(Target::Number(testing::digits("447700900123")));
    let expect = "447700900123 to trunk 7 at 192.0.2.7:5060; account 1 pays 0.05";
    assert_eq!(instead.say(DIALS), expect);
    let settlement = Settlement::decode(&instead.go(DIALS).settlement.0).unwrap();
    assert_eq!(settlement.number, Some(testing::digits("447700900123")));
    let mut long = to(Target::Prefix(testing::digits(&"4".repeat(30))));
    assert_eq!(long.say(DIALS), "404 UnknownNumber cause 1");
}

#[test]
fn what_nobody_says_is_a_fact_and_the_trace_says_so() {
    let line = "1001 dials 4420";
    let expect = "4420 to trunk 7 at 192.0.2.7:5060; account 1 pays 0.01";
    for (finding, step, said) in [
        (Finding::Ported(None), "dip-nothing", "says that the number was not ported"),
        (Finding::Unknown(Lack::Late), "without-fact", "says nothing: no answer in time"),
        (Finding::Unknown(Lack::Failed), "without-fact", "says nothing: it failed"),
        (Finding::Unknown(Lack::Full), "without-fact", "nothing: too much is asked already"),
    ] {
        let decision = knowing(vec![ported("4420", finding)]).decide(line);
        assert_eq!(words(&decision), expect);
        assert!(steps(&decision).contains(&step.to_owned()), "{:?}", decision.trace);
        assert!(decision.trace.to_string().contains(said), "{}", decision.trace);
    }
}

#[test]
fn only_what_leaves_us_and_is_in_no_table_is_asked_about() {
    let nobody = "nobody";
    assert_eq!(asks(with_dips(rows()), DIALS), "Ported(33123)");
    assert_eq!(asks(with_dips(rows()), "trunk 8 dials 4420"), "Ported(4420)");
    for line in ["1001 dials 1002", "1001 dials 442071002", "1001 dials bob", "1001 dials *21#"] {
        assert_eq!(asks(with_dips(rows()), line), nobody, "{line}");
    }
    // Nobody is asked by who asks nobody: a replay, a redirect.
    let mut deaf = Switch::new(with_dips(rows()));
    let decision = deaf.decide("1001 dials 4420");
    assert!(matches!(decision.verdict, Verdict::Go(_)), "{}", words(&decision));
    let mut gathering = strowger_numbering::Gathering::default();
    gathering.add_line("33123,447").unwrap();
    let mut switch = knowing(Vec::new());
    switch.world = switch.world.with_ported(Arc::new(gathering.finish()));
    let expect = "44733123 to trunk 7 at 192.0.2.7:5060; account 1 pays 0.05";
    assert_eq!(switch.say(DIALS), expect, "the table knows it");
}

#[test]
fn the_number_of_a_forward_is_asked_about_too() {
    let mut rows = with_dips(rows());
    let forward = strowger_model::Forward {
        when: strowger_model::ForwardWhen::Always,
        to: "33123".into(),
        after_s: 0,
        enabled: true,
    };
    rows.subscribers[1].forwards.push(forward);
    assert_eq!(asks(rows.clone(), "1001 dials 1002"), "Ported(33123)");
    let mut switch = Switch::new(rows);
    let target = Target::Prefix(testing::digits("447"));
    switch.known = Some(vec![ported("33123", Finding::Ported(Some(target)))]);
    let said = switch.say("1001 dials 1002");
    assert!(said.starts_with("44733123 to trunk 7 at 192.0.2.7:5060"), "{said}");
}

#[test]
fn the_same_facts_give_the_same_decision_and_no_more_are_asked_for_than_allowed() {
    let mut switch = knowing(vec![ported("33123", Finding::Ported(None))]);
    switch.prepare(DIALS);
    let first = switch.clone_decision();
    assert_eq!(first, switch.clone_decision());
    let others = (0..FACTS_MAX).map(|n| ported(&format!("33{n}"), Finding::Ported(None)));
    let decision = knowing(others.collect()).decide("1001 dials 4420");
    let expect = "4420 to trunk 7 at 192.0.2.7:5060; account 1 pays 0.01";
    assert_eq!(words(&decision), expect);
    assert!(decision.trace.to_string().contains("too much is asked"), "{}", decision.trace);
}

impl Switch {
    /// The last ask decided again, and nothing taken.
    fn clone_decision(&self) -> Decision {
        let facts = Facts { known: self.known.clone(), ..Facts::default() };
        decide(&self.world, &self.locations, &self.ask, &facts, Tick(0), WALL)
    }
}

/// Calls of account 1 that leave are looked up by ENUM, for trunk 6.
fn with_enum() -> Rows {
    let mut rows = rows();
    let depth = strowger_model::Depth::Account;
    rows.settings.push(super::setting::setting_row("fact.enum_trunk", "6", depth, 1));
    rows
}

fn reached(uri: &str, addresses: &[&str]) -> Vec<Fact> {
    let address = |text: &&str| (strowger_link::Transport::Udp, text.parse().unwrap());
    let addresses = addresses.iter().map(address).collect();
    let found = crate::fact::Reached { uri: uri.into(), addresses };
    let finding = Finding::Reached(Some(Box::new(found)));
    vec![Fact { query: Query::Reached(testing::digits("447911")), finding }]
}

fn said_of(rows: Rows, known: Vec<Fact>) -> (String, Vec<String>) {
    let mut switch = Switch::new(rows);
    switch.known = Some(known);
    let decision = switch.decide("1001 dials 447911");
    let uris = match &decision.verdict {
        Verdict::Go(plan) => {
            let branches = plan.go.stages.iter().flat_map(|stage| &stage.branches);
            branches.map(|branch| branch.target.uri.clone()).collect()
        }
        Verdict::Refuse(_)
        | Verdict::Challenge(_)
        | Verdict::Registered(_)
        | Verdict::Respond(_)
        | Verdict::Need(_) => Vec::new(),
    };
    (words(&decision), uris)
}

const ROUTED: &str = "447911 to trunk 7 at 192.0.2.7:5060; account 1 pays 0.05";

#[test]
fn what_enum_has_is_called_before_the_routes() {
    let at_pbx = ["198.51.100.5:5070"];
    let (said, uris) = said_of(with_enum(), reached("sip:bob@pbx.example", &at_pbx));
    let expect = "00447911 to trunk 6 at 198.51.100.5:5070, \
        then 447911 to trunk 7 at 192.0.2.7:5060; account 1 pays 0.05";
    assert_eq!(said, expect);
    assert_eq!(uris[0], "sip:bob@pbx.example");
    // Without a route what ENUM has is the only way.
    let mut alone = with_enum();
    alone.routes.clear();
    let (said, _) = said_of(alone, reached("sip:bob@pbx.example", &at_pbx));
    assert_eq!(said, "00447911 to trunk 6 at 198.51.100.5:5070; account 1 pays 0.05");
}

#[test]
fn what_enum_has_is_no_way_into_this_host_nor_out_by_a_trunk_of_others() {
    for address in ["127.0.0.1:5060", "10.1.2.3:5060", "192.0.2.1:5060"] {
        let (said, _) = said_of(with_enum(), reached("sip:bob@pbx.example", &[address]));
        assert_eq!(said, ROUTED, "{address}");
    }
    let (said, _) = said_of(with_enum(), reached("tel:+447911", &["198.51.100.5:5070"]));
    assert_eq!(said, ROUTED);
    let nothing =
        |finding| vec![Fact { query: Query::Reached(testing::digits("447911")), finding }];
    for finding in [Finding::Reached(None), Finding::Unknown(Lack::Late), Finding::Ported(None)] {
        assert_eq!(said_of(with_enum(), nothing(finding)).0, ROUTED);
    }
    for id in ["8", "99"] {
        let mut rows = with_enum();
        rows.settings[0].value = id.into();
        let known = reached("sip:bob@pbx.example", &["198.51.100.5:5070"]);
        assert_eq!(said_of(rows, known).0, ROUTED, "trunk {id} takes no calls");
    }
}

/// The decision on a call of which the one who is asked first says this.
fn told(rows: Rows, line: &str, finding: &Finding) -> Decision {
    let mut switch = Switch::new(rows);
    switch.known = Some(Vec::new());
    let Verdict::Need(query) = switch.decide(line).verdict else { panic!("{line}: not asked") };
    switch.known = Some(vec![Fact { query, finding: finding.clone() }]);
    switch.decide(line)
}

/// What becomes of a call of which the operator's program says this.
fn hooked(line: &str, finding: &Finding) -> (String, String) {
    let decision = told(super::setting::with_hook(rows()), line, finding);
    (words(&decision), decision.trace.to_string())
}

/// The longest talk of a call that goes: of the frame, of the till, and of its record.
fn longest(decision: &Decision) -> Option<[u64; 3]> {
    let Verdict::Go(plan) = &decision.verdict else { return None };
    let settlement = Settlement::decode(&plan.go.settlement.0).unwrap();
    Some([plan.go.max_ms, plan.admit.as_ref().unwrap().ms_max, settlement.ms_max])
}

#[test]
fn the_hook_limits_the_talk() {
    let says = |talk_ms| {
        Finding::Hook(HookSays::Continue { called: None, caller: None, talk_ms: Some(talk_ms) })
    };
    let decide = |ms| told(super::setting::with_hook(rows()), DIALS_UK, &says(ms));
    let decision = decide(90_500);
    assert_eq!(longest(&decision), Some([90_500; 3]));
    let why = decision.trace.to_string();
    assert!(why.contains("the hook limits the talk to 90 seconds"), "{why}");
    assert_eq!(longest(&decide(u64::MAX)), Some([7_200_000; 3]), "the tenant's own is shorter");
    assert_eq!(words(&decide(0)), "402 NoCredit cause 21");
}

const DIALS_UK: &str = "1001 dials 447911";

#[test]
fn radius_accepts_limits_or_rejects() {
    let decide = |finding| told(super::setting::with_radius(rows()), DIALS_UK, &finding);
    let accept = |talk_s| Finding::Radius(RadiusSays::Accept { talk_s, class: vec![2, 7, 8] });
    let routed = "447911 to trunk 7 at 192.0.2.7:5060; account 1 pays 0.05";
    let reject = Finding::Radius(RadiusSays::Reject(603));
    for (finding, said, longest_ms, why) in [
        (accept(None), routed, Some(7_200_000), "RADIUS accepts the call\n"),
        (accept(Some(60)), routed, Some(60_000), "accepts the call for 60 seconds at most"),
        (accept(Some(0)), "402 NoCredit cause 21", None, "less than the shortest call"),
        (reject, "603 Denied cause 21", None, "RADIUS rejects the call, which is refused with 603"),
        (Finding::Unknown(Lack::Late), "480 NoRoute cause 41", None, "does not go on without"),
        (Finding::Ported(None), "480 NoRoute cause 41", None, "RADIUS says nothing: it failed"),
    ] {
        let decision = decide(finding.clone());
        assert_eq!(words(&decision), said, "{finding:?}");
        assert_eq!(longest(&decision), longest_ms.map(|ms| [ms; 3]), "{finding:?}");
        // What it wants to hear again goes with the call.
        if let Verdict::Go(plan) = &decision.verdict {
            let class = Settlement::decode(&plan.go.settlement.0).unwrap().class;
            assert_eq!(class, [2, 7, 8]);
        }
        let told = decision.trace.to_string();
        assert!(told.contains(why), "{finding:?}: {told}");
    }
}

#[test]
fn radius_is_asked_of_what_the_hook_made_and_of_nothing_that_is_barred() {
    let both = || super::setting::with_radius(super::setting::with_hook(rows()));
    let mut switch = Switch::new(both());
    switch.known = Some(Vec::new());
    let Verdict::Need(query) = switch.decide("1001 dials 33").verdict else { panic!("not asked") };
    let finding = changed(Some("447911"), None);
    switch.known = Some(vec![Fact { query, finding }]);
    let Verdict::Need(Query::Radius(call)) = switch.decide("1001 dials 33").verdict else {
        panic!("not asked")
    };
    assert_eq!((call.called.as_str(), call.received.as_str()), ("447911", "33"));
    let mut rows = super::setting::with_radius(rows());
    rows.subscribers[0].barring.all = true;
    assert_eq!(asks(rows.clone(), DIALS_UK), "nobody");
    rows.emergencies.push(Emergency {
        tenant: TenantId(1),
        number: testing::digits("112"),
        trunks: vec![TrunkId(7)],
    });
    assert_eq!(asks(rows, "1001 dials 112"), "nobody");
}

fn changed(called: Option<&str>, caller: Option<&str>) -> Finding {
    let [called, caller] = [called, caller].map(|text| text.map(str::to_owned));
    Finding::Hook(HookSays::Continue { called, caller, talk_ms: None })
}

#[test]
fn the_hook_refuses_changes_numbers_or_lets_go_on() {
    let routed = "447911 to trunk 7 at 192.0.2.7:5060; account 1 pays 0.05";
    let line = "1001 dials 447911";
    assert_eq!(hooked(line, &changed(None, None)).0, routed);
    let (said, why) = hooked(line, &Finding::Hook(HookSays::Refuse(603)));
    assert_eq!(said, "603 Denied cause 21");
    assert!(why.contains("the hook refuses the call with 603"), "{why}");
    let (said, why) = hooked("1001 dials 33", &changed(Some("447911"), Some("4477")));
    assert_eq!(said, routed);
    assert!(why.contains("the hook changes who is called or who calls"), "{why}");
    // What it names may be ours, and what is ours may be sent away.
    let (said, _) = hooked(line, &changed(Some("1002"), None));
    assert_eq!(said, "ring 10.0.0.2:5060; account 1 pays 0");
    assert_eq!(hooked("1001 dials 1002", &changed(Some("447911"), None)).0, routed);
    // What nobody can dial changes nothing; nor does an answer to another question.
    for odd in [changed(Some(""), None), changed(Some("4 4"), None), Finding::Ported(None)] {
        assert_eq!(hooked(line, &odd).0, routed, "{odd:?}");
    }
    let (said, why) = hooked(line, &Finding::Unknown(Lack::Late));
    assert_eq!(said, routed);
    assert!(why.contains("the hook says nothing: no answer in time"), "{why}");
}

#[test]
fn the_hook_is_told_of_the_call_and_never_of_one_for_help() {
    let mut switch = Switch::new(super::setting::with_hook(rows()));
    switch.known = Some(Vec::new());
    let Verdict::Need(Query::Hook(call)) = switch.decide("1001 dials +44 7911").verdict else {
        panic!("not asked")
    };
    assert_eq!((call.called.as_str(), call.received.as_str()), ("447911", "+44 7911"));
    assert_eq!((call.subscriber, call.trunk), (Some(SubscriberId(1)), None));
    assert_eq!((call.account, call.local), (AccountId(1), false));
    assert_eq!(call.source.to_string(), "10.0.0.1");
    let mut rows = super::setting::with_hook(rows());
    rows.emergencies.push(Emergency {
        tenant: TenantId(1),
        number: testing::digits("112"),
        trunks: vec![TrunkId(7)],
    });
    assert_eq!(asks(rows, "1001 dials 112"), "nobody");
}
