//! Shared DIDs: the five look-ups in their order, and what is remembered for them.

use super::switch::{Switch, WALL, check_with, rows, words};
use super::*;
use crate::shared_call::SharedCall;
use strowger_model::{
    Did, DidId, DidTarget, Digits, OrganizationId, PhonebookEntry, PhonebookEntryId,
};

const DID: &str = "442080000";
const HOUR_US: i64 = 3_600_000_000;

fn entry(id: i64, of: i64, number: &str, did: Option<i64>) -> PhonebookEntry {
    PhonebookEntry {
        id: PhonebookEntryId(id),
        tenant: TenantId(1),
        subscriber: SubscriberId(of),
        number: testing::digits(number),
        name: String::new(),
        did: did.map(DidId),
    }
}

/// 1001 gave the DID to 447700900111; 1002 knows 7700900222, without a country prefix.
fn share(rows: &mut Rows) {
    rows.dids = vec![Did {
        id: DidId(1),
        tenant: TenantId(1),
        organization: OrganizationId(1),
        number: testing::digits(DID),
        target: DidTarget::Pool,
        enabled: true,
        reserved_until_us: None,
        shared: true,
        payer: None,
    }];
    rows.phonebook = vec![entry(1, 1, "447700900111", Some(1)), entry(2, 2, "7700900222", None)];
}

/// Who gets a call of trunk 8 from `caller`, and by which look-up. 1001 called `called` by the DID
/// so many hours ago.
fn found(change: impl Fn(&mut Rows), caller: &str, called: Option<(&str, i64)>) -> String {
    let mut rows = rows();
    share(&mut rows);
    change(&mut rows);
    let mut switch = Switch::new(rows);
    if let Some((number, hours)) = called {
        let number = switch.world.contact_number(TenantId(1), number).unwrap();
        let call = SharedCall { did: DidId(1), number, by: SubscriberId(1) };
        Arc::make_mut(&mut switch.shared).note(call, WALL - hours * HOUR_US);
    }
    switch.prepare(&format!("trunk 8 dials {DID}"));
    switch.call().caller.from_user = caller.to_owned();
    let decision = switch.again();
    let said = words(&decision);
    let look_up = decision.trace.steps().find_map(|step| {
        if let Step::Shared { look_up, .. } = step { Some(look_up) } else { None }
    });
    let first = said.split(';').next().unwrap_or_default().to_owned();
    look_up.map_or(first.clone(), |look_up| format!("{look_up}: {first}"))
}

#[test]
fn five_look_ups_in_their_order_say_whose_a_call_is() {
    let (ada, bob) = ("ring 10.0.0.1:5060", "ring 10.0.0.2:5060");
    let nobody = "404 UnknownNumber cause 1";
    let check = |caller: &str, called, expect: &str| {
        assert_eq!(found(|_| {}, caller, called), expect, "{caller} {called:?}");
    };
    check("447700900111", None, &format!("2: {ada}"));
    check("7700900111", None, &format!("2: {ada}"));
    check("447700900222", None, &format!("4: {bob}"));
    // Who called two hours ago stands before who only knows the number, and behind him later.
    check("447700900222", Some(("447700900222", 2)), &format!("3: {ada}"));
    check("447700900222", Some(("447700900222", 3)), &format!("4: {bob}"));
    check("447700900333", Some(("447700900333", 1)), &format!("3: {ada}"));
    check("447700900333", Some(("447700900333", 24)), &format!("5: {ada}"));
    check("447700900333", Some(("447700900333", 25)), nobody);
    check("447700900333", Some(("447700900334", 1)), nobody);
    check("anonymous", None, nobody);
}

#[test]
fn who_is_switched_off_is_passed_over_and_the_dids_own_target_has_the_rest() {
    let off = |rows: &mut Rows| rows.subscribers[0].enabled = false;
    assert_eq!(found(off, "447700900111", None), "2: 404 UnknownNumber cause 1");
    let both = |rows: &mut Rows| {
        off(rows);
        rows.phonebook.push(entry(3, 2, "447700900111", None));
    };
    assert!(found(both, "447700900111", None).ends_with("ring 10.0.0.2:5060"));
    let target = |rows: &mut Rows| rows.dids[0].target = DidTarget::Subscriber(SubscriberId(2));
    assert_eq!(found(target, "447700900333", None), "ring 10.0.0.2:5060");
    let plain = |rows: &mut Rows| {
        rows.phonebook.clear();
        (rows.dids[0].shared, rows.dids[0].target) =
            (false, DidTarget::Subscriber(SubscriberId(2)));
    };
    assert_eq!(found(plain, "447700900111", None), "ring 10.0.0.2:5060");
}

/// The owner reaches his contact, who sees the DID; the office is told of both ways that a shared
/// DID is seen.
#[test]
fn who_gave_the_did_to_a_contact_reaches_the_contact_and_shows_the_did() {
    let line = format!("1001 dials {DID}");
    check_with(share, &line, "447700900111 to trunk 7 at 192.0.2.7:5060; account 1 pays 0.05");
    let of = |change: &dyn Fn(&mut Rows), line: &str| {
        let mut rows = rows();
        share(&mut rows);
        change(&mut rows);
        let mut switch = Switch::new(rows);
        let decision = switch.decide(line);
        let shared = decision.shared;
        let Verdict::Go(plan) = decision.verdict else { panic!("{}", words(&decision)) };
        (plan.go.stages[0].branches[0].from_user.clone(), shared)
    };
    let call = |number: &str| {
        let number = Digits::parse(number).unwrap();
        Some(SharedCall { did: DidId(1), number, by: SubscriberId(1) })
    };
    assert_eq!(of(&|_| {}, &line), (DID.to_owned(), call("7700900111")));
    let shows = |rows: &mut Rows| {
        rows.subscribers[0].identity.number = Some(testing::digits(DID));
    };
    assert_eq!(of(&shows, "1001 dials 447700900444"), (DID.to_owned(), call("7700900444")));
    assert_eq!(of(&|_| {}, "1001 dials 447700900444").1, None, "another number is seen");
    check_with(share, "1001 dials 1002", "ring 10.0.0.2:5060; account 1 pays 0");
}

#[test]
fn rows_of_phonebooks_fit_shared_dids_of_the_tenant() {
    let build = |change: &dyn Fn(&mut Rows)| {
        let mut rows = rows();
        share(&mut rows);
        change(&mut rows);
        World::build(rows).map(|_| ()).map_err(|e| e.to_string())
    };
    assert_eq!(build(&|_| {}), Ok(()));
    type Change<'a> = &'a dyn Fn(&mut Rows);
    let cases: [(Change<'_>, &str); 5] = [
        (&|r| r.dids[0].shared = false, "phonebook entry 1: its did does not fit DID 1"),
        (&|r| r.phonebook[0].did = Some(DidId(9)), "phonebook entry 1: DID 9 does not exist"),
        (
            &|r| r.phonebook[0].subscriber = SubscriberId(99),
            "phonebook entry 1: subscriber 99 does not exist",
        ),
        (
            &|r| r.phonebook.push(entry(3, 1, "44", Some(1))),
            "phonebook entry 3: its did is taken by phonebook entry 1",
        ),
        (&|r| r.dids[0].reserved_until_us = Some(5), "DID 1: its reserved_until is out of range"),
    ];
    for (change, expect) in cases {
        assert_eq!(build(change), Err(expect.to_owned()));
    }
}

/// What is changed row by row says what a world of the same rows says.
#[test]
fn rows_that_come_and_go_leave_nothing() {
    let mut rows = rows();
    share(&mut rows);
    let entries = std::mem::take(&mut rows.phonebook);
    let mut world = World::build(rows).unwrap();
    let numbers = ["7700900111", "7700900222"].map(testing::digits);
    let known =
        |world: &World| numbers.map(|number| world.contacts_with(TenantId(1), number).count());
    for entry in &entries {
        world = world.changed(Change::PhonebookEntry(entry.clone())).unwrap();
    }
    assert_eq!(known(&world), [1, 1]);
    assert!(world.contact_by_did(SubscriberId(1), DidId(1)).is_some());
    // Another number in the same row.
    let moved = PhonebookEntry { number: numbers[1], did: None, ..entries[0].clone() };
    world = world.changed(Change::PhonebookEntry(moved)).unwrap();
    assert_eq!(known(&world), [0, 2]);
    assert!(world.contact_by_did(SubscriberId(1), DidId(1)).is_none());
    for entry in &entries {
        let name = crate::world::RowName::PhonebookEntry(entry.id);
        world = world.changed(Change::Remove(name)).unwrap();
    }
    assert_eq!(known(&world), [0, 0]);
    assert!(world.has_shared_dids());
    let gone = Change::Remove(crate::world::RowName::Did(DidId(1)));
    assert!(!world.changed(gone).unwrap().has_shared_dids());
}
