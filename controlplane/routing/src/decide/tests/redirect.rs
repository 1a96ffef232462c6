//! Where redirects lead: `a plan`, one line a stage, with who pays for it, mode by mode.

use super::forward::{forward, next_words, payers, switch};
use super::setting::setting_row;
use super::*;
use crate::fact::{Fact, Finding, Lack, Query};
use strowger_billing::{Forwarder, PriceRef};
use strowger_link::Transport::Udp as UDP;
use strowger_link::{OnRedirect, RedirectedAsk};
use strowger_locate::Place;
use strowger_model::{Barring, Depth, ForwardWhen};

/// The switch where 3xx of subscribers and of trunk 7 mean `mode`.
fn with(mode: &str, change: impl Fn(&mut Rows)) -> Switch {
    switch(|rows| {
        for (id, account) in [(101, 1), (102, 2), (103, 9)] {
            let row = setting_row("call.redirect", mode, Depth::Account, account);
            rows.settings
                .push(strowger_model::SettingRow { id: strowger_model::SettingId(id), ..row });
        }
        // Calls that trunk 7 takes are paid to account 9.
        if let Some(egress) = rows.trunks[0].egress.as_mut() {
            egress.account = AccountId(9);
        }
        change(rows);
    })
}

/// A plan, and the question when its branch `stage` said 302.
fn question(go: &Go, stage: usize, contacts: &[&str]) -> RedirectedAsk {
    let branch = &go.stages[stage].branches[0];
    RedirectedAsk {
        status: 302,
        contacts: contacts.iter().map(|uri| (*uri).to_owned()).collect(),
        settlement: go.settlement.clone(),
        party: branch.party.clone(),
        hop: branch.hop,
        dialed: branch.dialed.clone(),
        call: Box::default_of(),
    }
}

/// A call's question, filled in by the switch.
trait Blank {
    fn default_of() -> Self;
}

impl Blank for Box<CallAsk> {
    fn default_of() -> Box<CallAsk> {
        let AskBody::Call(call) = ask("1001", "").body else { panic!("a call") };
        call
    }
}

impl Switch {
    fn redirected(&self, mut question: RedirectedAsk) -> Decision {
        let AskBody::Call(call) = &self.ask.body else { panic!("a call") };
        question.call = call.clone();
        let asked = Ask { id: AskId(78), parent: Some(self.ask.id), ..self.ask.clone() };
        let (known, unable) = (self.known.clone(), self.unable.clone());
        let facts = Facts { known, unable, ..Facts::default() };
        let places = (&self.world, &self.locations);
        redirected(places, &asked, &question, &facts, Tick(0), WALL)
    }

    /// `line` is dialled, its first branch says 302 with these contacts.
    fn moved(&mut self, line: &str, contacts: &[&str]) -> String {
        let go = self.go(line);
        let decision = self.redirected(question(&go, 0, contacts));
        told(&decision)
    }
}

/// As `plan` of forwards; a refusal with its last reason.
fn told(decision: &Decision) -> String {
    let Verdict::Go(plan) = &decision.verdict else {
        let steps: Vec<String> = decision.trace.steps().map(|step| step.name()).collect();
        let why = steps.iter().rev().find(|step| *step != "refused");
        return format!("{} {}", words(decision), why.cloned().unwrap_or_default());
    };
    let settlement = Settlement::decode(&plan.go.settlement.0).unwrap();
    let lines = plan.go.stages.iter().enumerate().map(|(index, stage)| {
        let paid = payers(&settlement, stage.branches[0].hop);
        format!("{index} {}{paid}{}", stage_words(stage), next_words(&stage.next))
    });
    lines.collect::<Vec<_>>().join("; ")
}

#[track_caller]
fn check(mode: &str, line: &str, contacts: &[&str], expect: &str) {
    assert_eq!(with(mode, |_| {}).moved(line, contacts), expect, "{mode}: {line}, {contacts:?}");
}

#[test]
fn what_a_3xx_means_is_in_the_plan() {
    let seen = |mode: &str, line: &str| with(mode, |_| {}).go(line).stages[0].branches[0].redirect;
    for (mode, expect) in [
        ("fail", OnRedirect::Fail),
        ("pass", OnRedirect::Pass),
        ("number", OnRedirect::Ask),
        ("domain", OnRedirect::Ask),
        ("reroute", OnRedirect::Ask),
        ("forward", OnRedirect::Ask),
    ] {
        assert_eq!(seen(mode, "1001 dials 1002"), expect);
        assert_eq!(seen(mode, "1001 dials 4420"), expect);
    }
    // Unless set otherwise a supplier's is a failure, and a phone's a forward.
    assert_eq!(seen("auto", "1001 dials 1002"), OnRedirect::Ask);
    assert_eq!(seen("auto", "1001 dials 4420"), OnRedirect::Fail);
    // A call for help goes by its table.
    let mut help = with("forward", |rows| {
        rows.emergencies.push(Emergency {
            tenant: TenantId(1),
            number: testing::digits("112"),
            trunks: vec![TrunkId(7)],
        });
    });
    assert_eq!(help.go("1001 dials 112").stages[0].branches[0].redirect, OnRedirect::Fail);
}

#[test]
fn a_forward_is_paid_by_who_redirects() {
    let to = |contacts: &[&str]| with("forward", |_| {}).moved("1001 dials 1002", contacts);
    let outside = "0 447700900123 to trunk 7 at 192.0.2.7:5060 [1@0.05]";
    for uri in [
        "sip:+447700900123@demo.example",
        "sip:447700900123@10.0.0.2;user=phone",
        "tel:+447700900123;phone-context=x",
        "sip:%2B447700900123;npdi@demo.example?Subject=x",
    ] {
        assert_eq!(to(&[uri]), outside, "{uri}");
    }
    assert_eq!(to(&["sip:1003@demo.example"]), "0 ring 10.0.0.3:5060 [1@0.02]");
    let nowhere = "404 NoRoute cause 3 redirect-nowhere";
    for uri in ["sip:bob@elsewhere.example", "sip:10.0.0.9", "mailto:a@b", "", "sip:"] {
        assert_eq!(to(&[uri]), nowhere, "{uri}");
    }
    assert_eq!(to(&["sip:1999@demo.example"]), "404 NoRoute cause 3 forward-nowhere");
    // Back to who calls, or to who redirects.
    assert_eq!(to(&["sip:1001@demo.example"]), "404 NoRoute cause 3 forward-loop");
    assert_eq!(to(&["sip:1002@10.0.0.2"]), "404 NoRoute cause 3 forward-loop");
    // 1004 is on account 2, which has no price for the number.
    let mut other = with("forward", |_| {});
    other.register(4, "sip:1004@10.0.0.4:5060", "10.0.0.4:5060");
    let said = other.moved("1001 dials 1004", &["sip:4420@demo.example"]);
    assert_eq!(said, "404 NoRoute cause 3 no-price");
}

#[test]
fn barred_is_barred_and_who_cannot_pay_does_not() {
    let mut barred = with("forward", |rows| {
        let prefixes = vec![testing::digits("447")];
        rows.subscribers[1].barring = Barring { blocked: prefixes, ..Barring::default() };
    });
    let said = barred.moved("1001 dials 1002", &["sip:447700900123@h", "sip:4420@h"]);
    assert_eq!(said, "0 4420 to trunk 7 at 192.0.2.7:5060 [1@0.01]");
    let mut unable = with("forward", |_| {});
    unable.unable.push(AccountId(1));
    let said = unable.moved("1001 dials 1002", &["sip:4420@h"]);
    assert_eq!(said, "404 NoRoute cause 3 forwarder-unable");
    let mut switched_off = with("forward", |rows| rows.tenants[0].internal_price = Price(0));
    let go = switched_off.go("1001 dials 1002");
    let free = Settlement { hold: 0, ..Settlement::decode(&go.settlement.0).unwrap() };
    let asked = RedirectedAsk {
        settlement: Octets(free.encode().unwrap()),
        ..question(&go, 0, &["sip:1003@h"])
    };
    // Where nobody pays nobody can be billed either.
    assert!(told(&switched_off.redirected(asked)).starts_with("403 Denied"));
}

#[test]
fn contacts_follow_each_other_and_the_price_of_each_is_its_own() {
    check(
        "forward",
        "1001 dials 1002",
        &["sip:1003@h", "sip:nobody@x", "sip:4420@h"],
        "0 ring 10.0.0.3:5060 [1@0.02] failed 1 busy 1 no-answer 1 unreachable 1; \
         1 4420 to trunk 7 at 192.0.2.7:5060 [1@0.01]",
    );
}

#[test]
fn another_number_is_paid_by_who_paid_for_the_old_one() {
    check(
        "reroute",
        "1001 dials 1002",
        &["sip:447700900123@elsewhere.example"],
        "0 447700900123 to trunk 7 at 192.0.2.7:5060 [1@0.05]",
    );
    let mut switch = with("reroute", |_| {});
    let go = switch.go("1001 dials 1002");
    let decision = switch.redirected(question(&go, 0, &["sip:447700900123@h"]));
    let Verdict::Go(plan) = decision.verdict else { panic!("no plan") };
    let settlement = Settlement::decode(&plan.go.settlement.0).unwrap();
    let part = &settlement.parts[0];
    assert_eq!((part.instead, part.by), (true, Forwarder::Subscriber(SubscriberId(2))));
    assert_eq!(part.number, Some(testing::digits("447700900123")));
    let price = Some(PriceRef::of(plan.go.stages[0].branches[0].hop));
    let payers = settlement.payers(price, strowger_billing::Wait::UNKNOWN).unwrap();
    // 0.05 a minute, and nothing of the 0.02 inside.
    assert_eq!(payers.len(), 1);
    assert_eq!(payers[0].1.cost_up(60_000).0, 5_000_000);
    // The hold is the call's own, without other limits.
    let admit = plan.admit.unwrap();
    assert_eq!((settlement.hold, admit.limits.len(), admit.levels.len()), (77, 0, 1));
    // The number that was dialled is no other one, and an allowance pays for that one alone.
    check(
        "reroute",
        "1001 dials 4420",
        &["sip:4420@192.0.2.7"],
        "404 NoRoute cause 3 redirect-unfit",
    );
    let free = Settlement {
        allowance: Some(strowger_model::AllowanceId(1)),
        ..Settlement::decode(&go.settlement.0).unwrap()
    };
    let asked = RedirectedAsk {
        settlement: Octets(free.encode().unwrap()),
        ..question(&go, 0, &["sip:447700900123@h"])
    };
    assert!(told(&switch.redirected(asked)).ends_with("forwarder-unable"));
}

/// A number that moved to another operator is routed and priced by what that is reached by.
#[test]
fn a_redirect_to_a_ported_number_goes_by_its_operators() {
    let mut switch = with("reroute", |_| {});
    let mut gathering = strowger_numbering::Gathering::default();
    gathering.add_line("442079460018,,447700900123").unwrap();
    switch.world = switch.world.with_ported(std::sync::Arc::new(gathering.finish()));
    let moved = switch.moved("1001 dials 1002", &["sip:442079460018@elsewhere.example"]);
    assert_eq!(moved, "0 447700900123 to trunk 7 at 192.0.2.7:5060 [1@0.05]");
}

#[test]
fn a_trunk_may_change_the_number_and_stays_the_trunk() {
    let number = |contact| with("number", |_| {}).moved("1001 dials 4420", &[contact]);
    let expect = "0 447700900123 to trunk 7 at 192.0.2.7:5060 [1@0.05]";
    assert_eq!(number("sip:447700900123@192.0.2.7:5060"), expect);
    assert_eq!(number("tel:+447700900123"), expect);
    assert_eq!(number("sip:447700900123@demo.example"), expect);
    let unfit = "404 NoRoute cause 3 redirect-unfit";
    assert_eq!(number("sip:447700900123@192.0.2.99"), unfit, "another place");
    assert_eq!(number("sip:4420@192.0.2.7"), unfit, "the same number");
    // Of a phone: another number of ours, at our own host.
    let phone = |contact| with("number", |_| {}).moved("1001 dials 1002", &[contact]);
    assert_eq!(phone("sip:1003@demo.example"), "0 ring 10.0.0.3:5060 [1@0.02]");
    assert_eq!(phone("sip:1003@10.0.0.2"), unfit);
}

#[test]
fn a_trunk_may_change_the_place_and_the_price_stays() {
    let place = |contact| with("domain", |_| {}).moved("1001 dials 4420", &[contact]);
    let said = place("sip:4420@198.51.100.8:5080;method=BYE?Route=%3Csip:x%3E");
    assert_eq!(said, "0 4420 to trunk 7 at 198.51.100.8:5080");
    let mut switch = with("domain", |_| {});
    let go = switch.go("1001 dials 4420");
    let contacts = ["sip:4420@198.51.100.8:5080;method=BYE;user=phone?Route=%3Csip:x%3E"];
    let decision = switch.redirected(question(&go, 0, &contacts));
    let Verdict::Go(plan) = decision.verdict else { panic!("no plan") };
    let branch = &plan.go.stages[0].branches[0];
    assert_eq!(branch.target.uri, "sip:4420@198.51.100.8:5080;user=phone");
    assert_eq!(branch.hop, go.stages[0].branches[0].hop);
    assert_eq!(plan.go.settlement, go.settlement);
    assert_eq!(place("sip:4421@198.51.100.8"), "404 NoRoute cause 3 redirect-unfit");
    assert_eq!(place("tel:4420"), "404 NoRoute cause 3 redirect-unfit");
    // Nowhere: ourselves, a private network, a loopback, a name that nobody knows.
    for contact in [
        "sip:4420@192.0.2.1",
        "sip:4420@10.1.2.3",
        "sip:4420@127.0.0.1",
        "sip:4420@[::1]",
        "sip:4420@unknown.example",
        "sip:4420@198.51.100.8;transport=tcp",
        "sips:4420@198.51.100.8",
    ] {
        assert_eq!(place(contact), "404 NoRoute cause 3 redirect-nowhere", "{contact}");
    }
    let phone = with("domain", |_| {}).moved("1001 dials 1002", &["sip:1002@198.51.100.8"]);
    assert_eq!(phone, "0 ring 198.51.100.8:5060");
}

/// A contact by a name that no row has: asked for first, then called where it leads, if it may be.
#[test]
fn a_contact_by_name_is_looked_up() {
    let contact = "sip:4420@node7.example.com";
    let mut switch = with("domain", |_| {});
    let go = switch.go("1001 dials 4420");
    switch.known = Some(Vec::new());
    let Verdict::Need(query) = switch.redirected(question(&go, 0, &[contact])).verdict else {
        panic!("nobody is asked")
    };
    let Query::Place(wanted) = &query else { panic!("{query:?}") };
    assert_eq!((wanted.host.as_str(), wanted.transport), ("node7.example.com", Some(UDP)));
    let mut said = |finding: Finding| {
        switch.known = Some(vec![Fact { query: query.clone(), finding }]);
        told(&switch.redirected(question(&go, 0, &[contact])))
    };
    let place = |addresses: &[&str]| {
        let addresses = addresses.iter().map(|a| a.parse().unwrap()).collect();
        Finding::Placed(vec![Place { rank: 0, transport: UDP, priority: 0, weight: 0, addresses }])
    };
    let allowed = place(&["10.1.2.3:5060", "198.51.100.8:5070"]);
    assert_eq!(said(allowed), "0 4420 to trunk 7 at 198.51.100.8:5070");
    let nowhere = "404 NoRoute cause 3 redirect-nowhere";
    assert_eq!(said(place(&["127.0.0.1:5060"])), nowhere);
    assert_eq!(said(place(&[])), nowhere);
    assert_eq!(said(Finding::Unknown(Lack::Late)), nowhere);
}

#[test]
fn a_forward_that_is_redirected_stays_in_its_tree() {
    let mut switch = with("reroute", |rows| {
        forward(rows, 1, ForwardWhen::Always, "1003");
    });
    let go = switch.go("1001 dials 1002");
    // 1002 pays for the way to 1003, so for the number that 1003 names in its place too.
    let said = told(&switch.redirected(question(&go, 0, &["sip:4420@h"])));
    assert_eq!(said, "0 4420 to trunk 7 at 192.0.2.7:5060 [1@0.01 < 1@0.02]");
    let back = told(&switch.redirected(question(&go, 0, &["sip:1002@h"])));
    assert_eq!(back, "404 NoRoute cause 3 forward-loop");
    // No more than a call may have payers.
    let settlement = Settlement::decode(&go.settlement.0).unwrap();
    let full =
        Settlement { parts: (0..5).map(|_| settlement.parts[0].clone()).collect(), ..settlement };
    let asked = RedirectedAsk {
        settlement: Octets(full.encode().unwrap()),
        ..question(&go, 0, &["sip:4420@h"])
    };
    assert!(told(&switch.redirected(asked)).ends_with("forward-beyond"));
}

#[test]
fn nothing_in_a_question_makes_it_fail() {
    let mut switch = with("forward", |_| {});
    let go = switch.go("1001 dials 1002");
    for party in [PartyRef::Unknown, PartyRef::Trunk(99), PartyRef::Subscriber(99)] {
        let asked = RedirectedAsk { party, ..question(&go, 0, &["sip:4420@h"]) };
        assert!(told(&switch.redirected(asked)).starts_with("403 Denied"));
    }
    let asked = RedirectedAsk { settlement: Octets(vec![9; 40]), ..question(&go, 0, &["sip:1@h"]) };
    assert!(told(&switch.redirected(asked)).starts_with("500 Internal"));
    let none = told(&switch.redirected(question(&go, 0, &[])));
    assert_eq!(none, "404 NoRoute cause 3 redirected");
}

#[test]
fn prices_behind_a_redirect_count_from_the_beginning_of_the_call() {
    // It begins at 22:13:20 UTC, and is redirected an hour later; midnight is 6,400 seconds away.
    let mut switch = with("reroute", |rows| {
        let class = "00:00-06:00".parse().unwrap();
        let night = testing::rate(90, 1, "447", "0.5");
        rows.rates.push(strowger_model::Rate { class, ..night });
    });
    let go = switch.go("1001 dials 1002");
    let asked = question(&go, 0, &["sip:447700900123@h"]);
    let facts = Facts::default();
    let later = WALL + 3_600_000_000;
    let asked_of = Ask { id: AskId(78), parent: Some(switch.ask.id), ..switch.ask.clone() };
    let places = (&switch.world, &switch.locations);
    let decision = redirected(places, &asked_of, &asked, &facts, Tick(0), later);
    let Verdict::Go(plan) = decision.verdict else { panic!("no plan") };
    let settlement = Settlement::decode(&plan.go.settlement.0).unwrap();
    assert_eq!(settlement.began_us, WALL);
    let prices = settlement.parts[0].level.terms.pricing.prices;
    assert_eq!(prices.at(6_399_000), Price(50_000_000));
    assert_eq!(prices.at(6_400_000), Price(500_000_000));
}
