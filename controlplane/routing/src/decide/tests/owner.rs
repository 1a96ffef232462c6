//! Numbers whose owner pays for the calls to them.

use super::switch::{Switch, rows};
use super::*;
use strowger_model::{Did, DidId, DidTarget, OrganizationId};

/// 44800 leads to 1002; `payer` pays for its calls.
fn toll_free(payer: Option<i64>) -> Rows {
    let mut rows = rows();
    rows.accounts[1].tariff = Some(strowger_model::TariffId(1));
    rows.dids = vec![Did {
        id: DidId(3),
        tenant: TenantId(1),
        organization: OrganizationId(1),
        number: testing::digits("44800"),
        target: DidTarget::Subscriber(SubscriberId(2)),
        enabled: true,
        reserved_until_us: None,
        shared: false,
        payer: payer.map(AccountId),
    }];
    rows
}

fn say(rows: Rows, line: &str) -> String {
    Switch::new(rows).say(line)
}

#[test]
fn the_owner_pays_and_the_caller_does_not() {
    let line = "1001 dials 44800";
    let ring = |who: &str| format!("ring 10.0.0.2:5060; account {who}");
    assert_eq!(say(toll_free(None), line), ring("1 pays 0"));
    assert_eq!(say(toll_free(Some(2)), line), ring("2 pays 0.01"));
    // Whoever calls: a trunk that would pay its own price pays nothing.
    let trunk = "trunk 8 dials 44800";
    assert_eq!(say(toll_free(None), trunk), ring("1 pays 0.01"));
    assert_eq!(say(toll_free(Some(2)), trunk), ring("2 pays 0.01"));
    // By the callee's own number the caller pays as ever.
    assert_eq!(say(toll_free(Some(2)), "1001 dials 442071002"), ring("1 pays 0"));
    let mut switch = Switch::new(toll_free(Some(2)));
    let decision = switch.decide(line);
    let step = Step::OwnerPays { did: 3, account: 2 };
    assert!(decision.trace.steps().any(|told| told == step));
    let Verdict::Go(plan) = decision.verdict else { panic!("no plan") };
    let settlement = Settlement::decode(&plan.go.settlement.0).unwrap();
    assert_eq!(settlement.caller.account, Some(AccountId(1)), "who called is who called");
}

#[test]
fn what_the_owner_cannot_pay_nobody_does() {
    let line = "1001 dials 44800";
    let with = |change: fn(&mut Rows)| {
        let mut rows = toll_free(Some(2));
        change(&mut rows);
        say(rows, line)
    };
    assert_eq!(with(|r| r.accounts[1].enabled = false), "403 Denied cause 21");
    // Without a price of its own for the number the call is one inside.
    assert_eq!(with(|r| r.accounts[1].tariff = None), "ring 10.0.0.2:5060; account 2 pays 0");
    // An account of others is not made to pay.
    let moved = with(|r| r.accounts[1].organization = OrganizationId(2));
    assert_eq!(moved, "ring 10.0.0.2:5060; account 1 pays 0");
    // A number that is not in use is a number like any: it goes out by a route.
    let out = with(|r| r.dids[0].enabled = false);
    assert_eq!(out, "44800 to trunk 7 at 192.0.2.7:5060; account 1 pays 0.01");
    let none = World::build(toll_free(Some(77))).unwrap_err().to_string();
    assert!(none.starts_with("DID 3: "), "{none}");
}

#[test]
fn a_payer_is_one_as_long_as_its_row_says_so() {
    let world = World::build(toll_free(Some(2))).unwrap();
    let number = testing::digits("44800");
    let payer = |world: &World| {
        world.payer_of(TenantId(1), number).map(|(did, account)| (did.0, account.id.0))
    };
    assert_eq!(payer(&world), Some((3, 2)));
    let row = Did { payer: None, ..toll_free(None).dids.remove(0) };
    assert_eq!(payer(&world.changed(Change::Did(row)).unwrap()), None);
    let gone = Change::Remove(crate::world::RowName::Did(DidId(3)));
    assert_eq!(payer(&world.changed(gone).unwrap()), None);
}
