//! Lists of numbers and kinds of numbers: which calls they deny, and what the trace says.

use super::*;
use crate::list::ListEntries;
use strowger_list::{Numbers, Packed};
use strowger_model::{
    Digits, Forward, ForwardWhen, ListEffect, NUMBER_KINDS, NumberList, NumberListId, NumberSide,
};

const OUTSIDE: &str = "4420 to trunk 7 at 192.0.2.7:5060; account 1 pays 0.01";
const DENIED: &str = "403 Denied cause 21";

/// A list of all calls of tenant 1, as a line: `deny called 44,49`.
fn list(id: i64, line: &str) -> (NumberList, Vec<Digits>) {
    let words: Vec<&str> = line.split(' ').collect();
    let row = NumberList {
        id: NumberListId(id),
        tenant: Some(TenantId(1)),
        account: None,
        trunk: None,
        name: format!("L{id}"),
        side: if words[1] == "called" { NumberSide::Called } else { NumberSide::Caller },
        effect: match words[0] {
            "deny" => ListEffect::Deny,
            "allow" => ListEffect::Allow,
            _ => ListEffect::Only,
        },
        enabled: true,
    };
    (row, words[2].split(',').map(testing::digits).collect())
}

fn of_account(id: i64, list: (NumberList, Vec<Digits>)) -> (NumberList, Vec<Digits>) {
    (NumberList { account: Some(AccountId(id)), ..list.0 }, list.1)
}

fn of_trunk(id: i64, list: (NumberList, Vec<Digits>)) -> (NumberList, Vec<Digits>) {
    (NumberList { trunk: Some(TrunkId(id)), ..list.0 }, list.1)
}

fn of_switch(list: (NumberList, Vec<Digits>)) -> (NumberList, Vec<Digits>) {
    (NumberList { tenant: None, ..list.0 }, list.1)
}

fn switch(mut rows: Rows, lists: &[(NumberList, Vec<Digits>)]) -> Switch {
    rows.number_lists = lists.iter().map(|(row, _)| row.clone()).collect();
    let mut switch = Switch::new(rows);
    let numbers = |list: &[Digits]| Numbers::new(Packed::build(list.iter().copied()));
    let entries: ListEntries = lists.iter().map(|(row, list)| (row.id, numbers(list))).collect();
    switch.world = switch.world.with_list_entries(Arc::new(entries));
    switch
}

/// What the lists said in the last decision of a line.
fn told(switch: &mut Switch, line: &str) -> String {
    let decision = switch.decide(line);
    let steps = decision.trace.steps().filter(|step| {
        let name = step.name();
        name.starts_with("list-") || name.starts_with("kind-") || name == "forward-barred"
    });
    steps.map(|step| step.to_string()).collect::<Vec<_>>().join("; ")
}

#[test]
fn a_called_number_passes_the_lists_of_the_switch_the_tenant_the_account_and_the_trunk() {
    let phone = "1001 dials 4420";
    for (lists, expect) in [
        (vec![], OUTSIDE),
        (vec![list(1, "deny called 44")], DENIED),
        (vec![list(1, "deny called 4421,49")], OUTSIDE),
        (vec![list(1, "deny called 44"), list(2, "allow called 442")], OUTSIDE),
        (vec![list(1, "only called 44")], OUTSIDE),
        (vec![list(1, "only called 49")], DENIED),
        (vec![of_account(1, list(1, "deny called 44"))], DENIED),
        (vec![of_account(2, list(1, "deny called 44"))], OUTSIDE),
        (vec![of_trunk(8, list(1, "deny called 44"))], OUTSIDE),
        (vec![of_switch(list(1, "deny called 44"))], DENIED),
        // Nobody opens what a wider one closes.
        (vec![of_switch(list(1, "deny called 44")), list(2, "allow called 4420")], DENIED),
        (vec![list(1, "deny called 44"), of_account(1, list(2, "only called 4420"))], DENIED),
        (vec![list(1, "deny caller 44207")], DENIED),
        (vec![list(1, "only caller 44207")], OUTSIDE),
    ] {
        assert_eq!(switch(rows(), &lists).say(phone), expect, "{lists:?}");
    }
    let by_trunk = [of_trunk(8, list(1, "deny called 44"))];
    let mut by_trunk = switch(rows(), &by_trunk);
    assert_eq!(by_trunk.say("trunk 8 dials 4420"), DENIED);
    // Calls among our own are nobody's to list by whom they call.
    let mut none = switch(rows(), &[list(1, "only called 49")]);
    assert_eq!(none.say("1001 dials 442071002"), "ring 10.0.0.2:5060; account 1 pays 0");
    // Another tenant's.
    let mut other = rows();
    other.tenants.push(testing::tenant(2, "other.example"));
    let theirs = NumberList { tenant: Some(TenantId(2)), ..list(1, "deny called 44").0 };
    let mut theirs = switch(other, &[(theirs, vec![testing::digits("44")])]);
    assert_eq!(theirs.say(phone), OUTSIDE);
}

#[test]
fn a_caller_stands_on_a_list_by_the_number_that_is_shown() {
    let mut lists = switch(rows(), &[of_trunk(8, list(1, "deny caller 33"))]);
    assert_eq!(lists.say("trunk 8 dials 4420"), DENIED);
    assert_eq!(lists.say("1001 dials 4420"), OUTSIDE);
    // Who hides is on no list.
    let mut lists = switch(rows(), &[of_trunk(8, list(1, "only caller 33"))]);
    lists.decide("trunk 8 dials 4420");
    lists.call().caller.from_user = "anonymous".into();
    assert_eq!(words(&lists.again()), DENIED);
}

#[test]
fn the_trace_says_which_list_and_by_how_many_digits() {
    let lists = [list(7, "deny called 442"), list(8, "allow called 4420")];
    let mut both = switch(rows(), &lists);
    let said = told(&mut both, "1001 dials 4421");
    assert_eq!(said, "list 7 denies the number by its first 3 digits");
    let said = told(&mut both, "1001 dials 4420");
    assert_eq!(said, "list 8 lets the number through by its first 4 digits");
    let mut only = switch(rows(), &[list(9, "only called 49")]);
    let said = told(&mut only, "1001 dials 4420");
    assert_eq!(said, "the number is not on list 9, and only such may pass");
    // Without its entries, and with the row gone.
    only.world = only.world.with_list_entries(Arc::default());
    assert_eq!(only.say("1001 dials 4420"), DENIED);
    let gone = crate::world::RowName::NumberList(NumberListId(9));
    only.world = only.world.changed(crate::world::Change::Remove(gone)).unwrap();
    assert_eq!(only.say("1001 dials 4420"), OUTSIDE);
    // Entries outlive a change of the rows.
    let again = Rows { number_lists: vec![lists[0].0.clone()], ..rows() };
    both.world = both.world.rebuilt(again, &Default::default()).unwrap();
    assert_eq!(both.say("1001 dials 4420"), DENIED);
}

#[test]
fn emergency_calls_pass_and_forwards_do_not_go_around() {
    let mut rows = rows();
    let trunks = vec![TrunkId(7)];
    rows.emergencies = vec![strowger_model::Emergency {
        tenant: TenantId(1),
        number: testing::digits("112"),
        trunks,
    }];
    let forward =
        Forward { when: ForwardWhen::Always, to: "4420".to_owned(), after_s: 0, enabled: true };
    rows.subscribers[3].forwards.push(forward);
    let of_two = of_account(2, list(1, "deny called 1,44"));
    let mut lists = switch(rows, &[list(2, "only called 44"), list(3, "only caller 1"), of_two]);
    assert!(lists.say("1001 dials 112").contains("trunk 7"));
    // 1004's account pays for the forward, and is the one whose list counts.
    let said = told(&mut lists, "1001 dials 1004");
    assert_eq!(said, "the number is not on list 3, and only such may pass", "the caller's side");
    let caller = crate::world::RowName::NumberList(NumberListId(3));
    lists.world = lists.world.changed(crate::world::Change::Remove(caller)).unwrap();
    let said = told(&mut lists, "1001 dials 1004");
    assert!(said.contains("list 1 denies the number by its first 2 digits"), "{said}");
}

#[test]
fn kinds_of_numbers_are_those_of_the_shipped_ranges() {
    let words: Vec<&str> = strowger_numbering::Class::ALL.iter().map(|kind| kind.word()).collect();
    assert_eq!(NUMBER_KINDS, words);
    let mut rows = rows();
    rows.rates.push(testing::rate(5, 1, "4490", "2"));
    rows.settings.push(strowger_model::SettingRow {
        id: strowger_model::SettingId(1),
        category: "call".into(),
        name: "kinds_denied".into(),
        tenant: Some(TenantId(1)),
        account: None,
        subscriber: None,
        value: "premium,satellite".into(),
    });
    let mut switch = Switch::new(rows);
    assert_eq!(switch.say("1001 dials 449011234567"), DENIED);
    let said = told(&mut switch, "1001 dials 449011234567");
    assert_eq!(said, "numbers of kind 3 are not called");
    let decision = switch.decide("1001 dials 449011234567");
    let told = decision.trace.told(&switch.world, crate::trace::Audience::Party);
    let said: Vec<String> = told.into_iter().map(|said| said.sentence).collect();
    assert!(said.iter().any(|said| said.contains("kind 3 (premium)")), "{said:?}");
    assert_eq!(switch.say("1001 dials 4420"), OUTSIDE);
}
