//! What an office counts of calls for the ones to come: minutes, and whose turn it is.

use super::*;
use strowger_routing::{TalkedDay, local_day};

/// Trunks 2 and 3 take calls to 44; `change` works on the rows.
fn office_of(credit: &str, change: impl Fn(&mut Rows)) -> Office {
    let mut rows = rows();
    rows.trunks.push(trunk(3, None, Some(egress())));
    change(&mut rows);
    let world = Arc::new(World::build(rows).unwrap());
    let mut office = Office::new(0, Arc::clone(&world));
    for account in world.accounts() {
        let posted = if account.id == PAYER { credit } else { "0" };
        let posted = Amount::parse(posted, account.currency).unwrap();
        office.load(account, posted, NOW);
    }
    office
}

/// At most a minute a day by trunk 2.
fn one_minute(rows: &mut Rows) {
    let egress = rows.trunks[1].egress.as_mut().unwrap();
    egress.commitment.day.minutes_max = 1;
}

fn is_refused(office: &mut Office, id: u64) -> bool {
    matches!(answer_to(office, ask(id, "44123")), Some(AnswerBody::Refuse(_)))
}

#[test]
fn minutes_are_counted_from_records_and_learnt_again() {
    let mut office = office_of("10", one_minute);
    for (id, talk_s) in [(7, 40), (8, 19)] {
        let go = go(&mut office, id);
        office.settle(&records(&facts(id, &go.settlement, Some(talk_s))), NOW);
    }
    // An attempt that nobody answered talks not at all.
    let plan = go(&mut office, 9);
    let mut in_vain = facts(9, &plan.settlement, Some(30));
    in_vain.facts.retain(|f| !matches!(f, Fact::LegAnswered(_) | Fact::Joined(_)));
    office.settle(&records(&in_vain), NOW);
    let plan = go(&mut office, 10);
    office.settle(&records(&facts(10, &plan.settlement, Some(1))), NOW);
    assert!(is_refused(&mut office, 11));
    // Another life learns it, and what it learns counts once.
    let day = local_day(&Zone::UTC, WALL_US);
    let learnt = |ms| TalkedDay { trunk: TrunkId(2), day, ms };
    let mut next = office_of("10", one_minute);
    next.recall_talk(&[learnt(30_000), learnt(29_999)]);
    let plan = go(&mut next, 12);
    next.settle(&records(&facts(12, &plan.settlement, Some(30))), NOW);
    assert!(is_refused(&mut next, 13));
    next.recall_talk(&[learnt(59_999)]);
    go(&mut next, 14);
    next.recall_talk(&[TalkedDay { day: day - 1, ..learnt(600_000) }]);
    go(&mut next, 15);
}

/// The trunk that a call goes to first.
fn first(go: &strowger_link::Go) -> PartyRef {
    go.stages[0].branches[0].party.clone()
}

#[test]
fn turns_are_taken_by_calls_that_go_out() {
    let share = |rows: &mut Rows| {
        let target = |trunk, weight| RouteTarget { trunk: TrunkId(trunk), priority: 0, weight };
        rows.routes[0].targets = vec![target(2, 1), target(3, 3)];
        rows.routes[0].order = Some(RouteOrder::Share);
    };
    let mut office = office_of("100", share);
    let firsts: Vec<PartyRef> = (1..9).map(|id| first(&go(&mut office, id))).collect();
    let expect = [3, 2, 3, 3, 3, 2, 3, 3].map(PartyRef::Trunk);
    assert_eq!(firsts, expect);
    // One that is refused takes nobody's turn.
    let mut poor = office_of("0.02", share);
    let plan = go(&mut poor, 1);
    assert_eq!(first(&plan), PartyRef::Trunk(3));
    assert!((2..5).all(|id| is_refused(&mut poor, id)));
    poor.settle(&records(&facts(1, &plan.settlement, Some(1))), NOW);
    assert_eq!(first(&go(&mut poor, 6)), PartyRef::Trunk(2));
}
