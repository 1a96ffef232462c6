//! Forwards and groups: `a plan`, one line a stage, with who pays for it and what may follow.

use super::*;
use strowger_billing::{Part, PriceRef};
use strowger_link::Next;
use strowger_model::{
    Barring, Did, DidId, DidTarget, Forward, ForwardWhen, OrganizationId, RingGroup, RingGroupId,
    RingMember, RingMode, RingParty,
};

/// 1001 calls; 1002 and 1003 are registered; 1004 is on account 2, without prices.
pub(super) fn switch(change: impl Fn(&mut Rows)) -> Switch {
    let mut rows = rows();
    rows.tenants[0].internal_price = Price(20_000_000);
    change(&mut rows);
    let mut switch = Switch::new(rows);
    switch.register(3, "sip:1003@10.0.0.3:5060", "10.0.0.3:5060");
    switch
}

/// Subscriber `index` of the rows forwards.
pub(super) fn forward(rows: &mut Rows, index: usize, when: ForwardWhen, to: &str) {
    let forward = Forward { when, to: to.into(), after_s: 0, enabled: true };
    rows.subscribers[index].forwards.push(forward);
}

fn group(mode: RingMode, members: &[RingParty]) -> RingGroup {
    RingGroup {
        id: RingGroupId(5),
        tenant: TenantId(1),
        organization: OrganizationId(1),
        account: AccountId(1),
        name: "sales".into(),
        numbers: vec![testing::digits("442073000")],
        short: Some(testing::digits("30")),
        mode,
        members: members.iter().map(|party| RingMember { party: *party, ring_s: 0 }).collect(),
        overflow: None,
        enabled: true,
    }
}

fn inside(id: i64) -> RingParty {
    RingParty::Subscriber(SubscriberId(id))
}

fn outside(number: &str) -> RingParty {
    RingParty::Number(testing::digits(number))
}

/// `0 ring 10.0.0.2:5060 [1 2@0.02] busy 1; 1 ...`: in brackets the forwards that lead there, each
/// with its payer and price.
fn plan(switch: &mut Switch, line: &str) -> String {
    let decision = switch.decide(line);
    let Verdict::Go(plan) = &decision.verdict else { return words(&decision) };
    let settlement = Settlement::decode(&plan.go.settlement.0).unwrap();
    let stages = plan.go.stages.iter().enumerate();
    let lines = stages.map(|(index, stage)| {
        let paid = stage.branches.iter().map(|b| payers(&settlement, b.hop)).collect::<Vec<_>>();
        let mut paid = paid;
        paid.dedup();
        format!("{index} {}{}{}", stage_words(stage), paid.join(" / "), next_words(&stage.next))
    });
    lines.collect::<Vec<_>>().join("; ")
}

pub(super) fn payers(settlement: &Settlement, hop: u8) -> String {
    let price = PriceRef::of(hop);
    let chain = settlement.chain(price.part).map(|(_, part)| paid(part)).collect::<Vec<_>>();
    if chain.is_empty() { String::new() } else { format!(" [{}]", chain.join(" < ")) }
}

fn paid(part: &Part) -> String {
    let price = print_price(part.level.terms.pricing.prices.at(0));
    format!("{}@{price}", part.level.account)
}

pub(super) fn next_words(next: &Next) -> String {
    let words = [
        ("failed", next.failed),
        ("busy", next.busy),
        ("no-answer", next.no_answer),
        ("unreachable", next.unreachable),
    ];
    words.iter().filter_map(|(name, to)| Some(format!(" {name} {}", (*to)?))).collect()
}

#[track_caller]
fn check(change: impl Fn(&mut Rows), line: &str, expect: &[&str]) {
    assert_eq!(plan(&mut switch(change), line), expect.join("; "), "{line}");
}

#[test]
fn always() {
    check(
        |r| forward(r, 1, ForwardWhen::Always, "1003"),
        "1001 dials 1002",
        &["0 ring 10.0.0.3:5060 [1@0.02]"],
    );
    check(
        |r| forward(r, 1, ForwardWhen::Always, "+447700900123"),
        "1001 dials 1002",
        &["0 447700900123 to trunk 7 at 192.0.2.7:5060 [1@0.05]"],
    );
    // A forward that leads nowhere is not followed: the phone rings.
    for nowhere in ["1999", "bob", "33123", "1002", "1001", ""] {
        check(
            |r| forward(r, 1, ForwardWhen::Always, if nowhere.is_empty() { "#" } else { nowhere }),
            "1001 dials 1002",
            &["0 ring 10.0.0.2:5060"],
        );
    }
    check(
        |r| {
            forward(r, 1, ForwardWhen::Always, "1003");
            r.subscribers[1].forwards[0].enabled = false;
        },
        "1001 dials 1002",
        &["0 ring 10.0.0.2:5060"],
    );
}

#[test]
fn busy_no_answer_and_unreachable_follow_the_phone() {
    check(
        |r| {
            forward(r, 1, ForwardWhen::Busy, "1003");
            forward(r, 1, ForwardWhen::NoAnswer, "4420");
            forward(r, 1, ForwardWhen::Offline, "447");
            r.subscribers[1].forwards[1].after_s = 7;
        },
        "1001 dials 1002",
        &[
            "0 ring 10.0.0.2:5060 busy 1 no-answer 2 unreachable 3",
            "1 ring 10.0.0.3:5060 [1@0.02]",
            "2 4420 to trunk 7 at 192.0.2.7:5060 [1@0.01]",
            "3 447 to trunk 7 at 192.0.2.7:5060 [1@0.05]",
        ],
    );
    let mut switch = switch(|r| {
        forward(r, 1, ForwardWhen::NoAnswer, "1003");
        r.subscribers[1].forwards[0].after_s = 7;
    });
    let go = switch.go("1001 dials 1002");
    assert_eq!(go.stages[0].branches[0].ring_ms, 7_000);
    assert_eq!(go.stages[1].branches[0].ring_ms, 60_000);
}

#[test]
fn offline() {
    check(
        |r| forward(r, 3, ForwardWhen::Offline, "1003"),
        "1001 dials 1004",
        &["0 ring 10.0.0.3:5060 [2@0.02]"],
    );
    // Other forwards do not stand in for it.
    check(
        |r| forward(r, 3, ForwardWhen::Busy, "1003"),
        "1001 dials 1004",
        &["480 Offline cause 20"],
    );
    // Account 2 has no prices for the outside.
    check(
        |r| forward(r, 3, ForwardWhen::Offline, "4420"),
        "1001 dials 1004",
        &["480 Offline cause 20"],
    );
}

#[test]
fn who_is_forwarded_to_may_forward_and_each_pays_its_own_leg() {
    check(
        |r| {
            forward(r, 1, ForwardWhen::Busy, "1004");
            forward(r, 3, ForwardWhen::Offline, "1003");
            forward(r, 2, ForwardWhen::NoAnswer, "4420");
        },
        "1001 dials 1002",
        &[
            "0 ring 10.0.0.2:5060 busy 1",
            "1 ring 10.0.0.3:5060 [2@0.02 < 1@0.02] no-answer 2 unreachable 2",
            "2 4420 to trunk 7 at 192.0.2.7:5060 [1@0.01 < 2@0.02 < 1@0.02]",
        ],
    );
}

#[test]
fn nobody_is_called_twice() {
    let round = |r: &mut Rows| {
        forward(r, 1, ForwardWhen::Always, "1003");
        forward(r, 2, ForwardWhen::Always, "1004");
        forward(r, 3, ForwardWhen::Always, "1002");
    };
    let mut switch = switch(round);
    // 1004 would send it back to 1002 and has no phone: 1003 keeps it.
    assert_eq!(plan(&mut switch, "1001 dials 1002"), "0 ring 10.0.0.3:5060 [1@0.02]");
    let trace: Vec<Step> = switch.decide("1001 dials 1002").trace.steps().collect();
    assert!(trace.contains(&Step::ForwardLoop { subscriber: 2 }), "{trace:?}");
}

#[test]
fn five_forwards_and_no_more() {
    let many = |r: &mut Rows| {
        for id in 5..15 {
            r.subscribers.push(testing::subscriber(id, &format!("10{id:02}")));
        }
        forward(r, 1, ForwardWhen::Always, "1005");
        for index in 4..13 {
            let to = r.subscribers[index + 1].username.clone();
            forward(r, index, ForwardWhen::Always, &to);
        }
    };
    let mut switch = switch(many);
    // The sixth, of 1009, is not followed, and 1009 has no phone; so it goes back to 1002's own.
    assert_eq!(plan(&mut switch, "1001 dials 1002"), "0 ring 10.0.0.2:5060");
    let trace: Vec<Step> = switch.decide("1001 dials 1002").trace.steps().collect();
    assert!(trace.contains(&Step::ForwardBeyond {}), "{trace:?}");
    switch.register(9, "sip:1009@10.0.0.9:5060", "10.0.0.9:5060");
    let got = plan(&mut switch, "1001 dials 1002");
    assert_eq!(got, "0 ring 10.0.0.9:5060 [1@0.02 < 1@0.02 < 1@0.02 < 1@0.02 < 1@0.02]");
}

#[test]
fn forwards_are_barred_as_calls_are_and_never_reach_emergency_numbers() {
    let barred = |r: &mut Rows| {
        forward(r, 1, ForwardWhen::Always, "447700900123");
        let blocked = vec![testing::digits("447")];
        r.subscribers[1].barring = Barring { blocked, ..Barring::default() };
    };
    check(barred, "1001 dials 1002", &["0 ring 10.0.0.2:5060"]);
    let emergency = |r: &mut Rows| {
        forward(r, 1, ForwardWhen::Always, "112");
        let (tenant, number, trunks) = (TenantId(1), testing::digits("112"), vec![TrunkId(7)]);
        r.emergencies.push(Emergency { tenant, number, trunks });
    };
    check(emergency, "1001 dials 1002", &["0 ring 10.0.0.2:5060"]);
}

#[test]
fn who_cannot_pay_forwards_nothing_and_rings() {
    let mut switch = switch(|r| forward(r, 1, ForwardWhen::Busy, "4420"));
    switch.unable = vec![AccountId(1)];
    assert_eq!(plan(&mut switch, "1004 dials 1002"), "0 ring 10.0.0.2:5060");
    switch.unable = vec![AccountId(2)];
    let both = "0 ring 10.0.0.2:5060 busy 1; 1 4420 to trunk 7 at 192.0.2.7:5060 [1@0.01]";
    assert_eq!(plan(&mut switch, "1004 dials 1002"), both);
}

#[test]
fn the_till_is_asked_for_all_who_may_pay() {
    let mut switch = switch(|r| {
        forward(r, 1, ForwardWhen::Busy, "4420");
        r.tariffs[0].rounding.digits = 8;
    });
    let Verdict::Go(plan) = switch.decide("1004 dials 1002").verdict else { panic!() };
    let admit = plan.admit.unwrap();
    let minute = |p: &Payer| (p.account.0, p.bound.cost_up(60_000).0 / 1_000_000);
    assert_eq!(admit.levels.iter().map(minute).collect::<Vec<_>>(), [(2, 2), (1, 1)]);
    // One company for both: once, for the two together.
    let Verdict::Go(plan) = switch.decide("1001 dials 1002").verdict else { panic!() };
    let admit = plan.admit.unwrap();
    assert_eq!(admit.levels.iter().map(minute).collect::<Vec<_>>(), [(1, 3)]);
}

#[test]
fn carriers_are_told_who_diverted() {
    let mut switch = switch(|r| {
        forward(r, 1, ForwardWhen::Busy, "1003");
        forward(r, 2, ForwardWhen::NoAnswer, "4420");
    });
    let go = switch.go("1001 dials 1002");
    let said: Vec<String> = go.stages[2].branches[0]
        .headers
        .iter()
        .map(|h| format!("{}: {}", h.name, String::from_utf8_lossy(&h.value.0)))
        .collect();
    assert_eq!(
        said,
        [
            "Diversion: <sip:1003@demo.example>;reason=no-answer;counter=1",
            "Diversion: <sip:442071002@demo.example>;reason=user-busy;counter=1",
        ]
    );
    assert_eq!(go.stages[2].branches[0].from_user, "442071001", "the caller is shown");
}

#[test]
fn groups_ring_together_or_in_turn() {
    let three = [inside(2), outside("4420"), inside(3)];
    let with = |mode| move |r: &mut Rows| r.ring_groups.push(group(mode, &three));
    let together = "0 ring 10.0.0.2:5060 + 4420 to trunk 7 at 192.0.2.7:5060 + \
                    ring 10.0.0.3:5060 /  [1@0.01] / ";
    let together = together.replace("    ", "");
    for dialled in ["sales", "30", "442073000"] {
        let got = plan(&mut switch(with(RingMode::Parallel)), &format!("1001 dials {dialled}"));
        assert_eq!(got, together.trim_start(), "{dialled}");
    }
    let in_turn = [
        "0 ring 10.0.0.2:5060 failed 1 busy 1 no-answer 1 unreachable 1",
        "1 4420 to trunk 7 at 192.0.2.7:5060 [1@0.01] failed 2 busy 2 no-answer 2 unreachable 2",
        "2 ring 10.0.0.3:5060",
    ];
    check(with(RingMode::InTurn), "1001 dials 30", &in_turn);
    let mut switch = switch(with(RingMode::Rotating));
    assert_eq!(plan(&mut switch, "1001 dials 30"), in_turn.join("; "));
    let first = |switch: &mut Switch| stage_words(&switch.go("1001 dials 30").stages[0]);
    assert_eq!(first(&mut switch), "4420 to trunk 7 at 192.0.2.7:5060");
    assert_eq!(first(&mut switch), "ring 10.0.0.3:5060");
    assert_eq!(first(&mut switch), "ring 10.0.0.2:5060");
}

#[test]
fn a_group_overflows_at_its_own_cost() {
    let overflow = |mode: RingMode, members: &'static [RingParty]| {
        move |r: &mut Rows| {
            let overflow = Some("4420".to_owned());
            r.ring_groups.push(RingGroup { overflow, ..group(mode, members) });
        }
    };
    static TWO: [RingParty; 2] =
        [RingParty::Subscriber(SubscriberId(2)), RingParty::Subscriber(SubscriberId(3))];
    static ABSENT: [RingParty; 1] = [RingParty::Subscriber(SubscriberId(4))];
    check(
        overflow(RingMode::InTurn, &TWO),
        "1001 dials 30",
        &[
            "0 ring 10.0.0.2:5060 failed 1 busy 1 no-answer 1 unreachable 1",
            "1 ring 10.0.0.3:5060 failed 2 busy 2 no-answer 2 unreachable 2",
            "2 4420 to trunk 7 at 192.0.2.7:5060 [1@0.01]",
        ],
    );
    check(
        overflow(RingMode::Parallel, &ABSENT),
        "1001 dials 30",
        &["0 4420 to trunk 7 at 192.0.2.7:5060 [1@0.01]"],
    );
    let nobody = |r: &mut Rows| r.ring_groups.push(group(RingMode::Parallel, &ABSENT));
    check(nobody, "1001 dials 30", &["480 Offline cause 20"]);
    let off = |r: &mut Rows| {
        let enabled = false;
        r.ring_groups.push(RingGroup { enabled, ..group(RingMode::Parallel, &TWO) });
    };
    check(off, "1001 dials 30", &["404 UnknownNumber cause 1"]);
    // Who calls its own group does not ring itself, and members' forwards are not followed.
    let caller = |r: &mut Rows| {
        r.ring_groups.push(group(RingMode::Parallel, &TWO));
        forward(r, 1, ForwardWhen::Always, "4420");
    };
    check(caller, "1002 dials 30", &["0 ring 10.0.0.3:5060"]);
    check(caller, "1001 dials 30", &["0 ring 10.0.0.2:5060 + ring 10.0.0.3:5060"]);
}

#[test]
fn dids_lead_to_a_subscriber_a_group_or_a_customers_switch() {
    let did = |target| {
        move |r: &mut Rows| {
            r.ring_groups.push(group(RingMode::Parallel, &[inside(3)]));
            if let Some(egress) = &mut r.trunks[1].egress {
                egress.called = strowger_model::PrefixEdit {
                    remove: vec!["4420".into()],
                    ..strowger_model::PrefixEdit::default()
                };
                egress.tariff = None;
            }
            r.dids.push(Did {
                id: DidId(1),
                tenant: TenantId(1),
                organization: OrganizationId(1),
                number: testing::digits("44207199"),
                target,
                enabled: true,
                reserved_until_us: None,
                shared: false,
                payer: None,
            });
        }
    };
    let line = "trunk 8 dials +44207199";
    check(did(DidTarget::Subscriber(SubscriberId(2))), line, &["0 ring 10.0.0.2:5060"]);
    check(did(DidTarget::RingGroup(RingGroupId(5))), line, &["0 ring 10.0.0.3:5060"]);
    check(
        did(DidTarget::Trunk(TrunkId(6))),
        line,
        &["0 7199 to trunk 6 at 192.0.2.61:5060 failed 1", "1 7199 to trunk 6 at 192.0.2.62:5070"],
    );
    let off = |r: &mut Rows| {
        did(DidTarget::Subscriber(SubscriberId(2)))(r);
        r.dids[0].enabled = false;
    };
    check(off, line, &["0 44207199 to trunk 7 at 192.0.2.7:5060"]);
    // A number of the pool leads nowhere, as if there were none.
    check(did(DidTarget::Pool), line, &["0 44207199 to trunk 7 at 192.0.2.7:5060"]);
    // A DID's forwarding subscriber pays, the caller its own price.
    let onward = |r: &mut Rows| {
        did(DidTarget::Subscriber(SubscriberId(2)))(r);
        forward(r, 1, ForwardWhen::Always, "4420");
    };
    check(onward, line, &["0 4420 to trunk 7 at 192.0.2.7:5060 [1@0.01]"]);
}
