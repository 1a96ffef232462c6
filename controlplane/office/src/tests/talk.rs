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

#[test]
fn lines_are_counted_at_the_trunk_that_has_the_call() {
    let lines = |rows: &mut Rows| {
        let target = |trunk| RouteTarget { trunk: TrunkId(trunk), priority: 0, weight: 0 };
        rows.routes[0].targets = vec![target(2), target(3)];
        rows.routes[0].order = Some(RouteOrder::Lines);
        for (row, most) in [(1, 3), (2, 2)] {
            rows.trunks[row].egress.as_mut().unwrap().calls_max = most;
        }
    };
    let of = |trunk| PartyRef::Trunk(trunk);
    let mut office = office_of("100", lines);
    // Three free lines at trunk 2, two at trunk 3: of as many the first of the route.
    let plans: Vec<_> = (1..6).map(|id| go(&mut office, id)).collect();
    assert_eq!(plans.iter().map(first).collect::<Vec<_>>(), [2, 2, 3, 2, 3].map(of));
    // The second target answered: the line is its own from then on.
    let hop = plans[0]
        .stages
        .iter()
        .flat_map(|stage| &stage.branches)
        .find_map(|branch| (branch.party == of(3)).then_some(branch.hop));
    let started = Started {
        ask: AskId(1),
        record: RecordId::new(1, 1).unwrap(),
        at: NOW,
        hop: hop.unwrap(),
        settlement: plans[0].settlement.clone(),
    };
    office.handle_up(Up::Started(started), NOW, WALL_US);
    assert_eq!(first(&go(&mut office, 6)), of(2));
    // A line is free again by a record, and when an attempt is given up.
    let ended = facts(3, &plans[2].settlement, Some(1));
    office.settle(&records(&ended), NOW);
    office.handle_up(Up::Abandoned(AskId(5)), NOW, WALL_US);
    assert_eq!(first(&go(&mut office, 7)), of(3));
    // Another life knows those that run.
    let mut next = office_of("100", lines);
    for id in [8, 9] {
        next.adopt_running(&facts(id, &plans[1].settlement, None), NOW);
    }
    assert_eq!(first(&go(&mut next, 10)), of(3));
    // A dataplane that knows none of them has none.
    next.dataplane_restarted(0, &[], NOW);
    next.journal_read(NOW);
    assert_eq!(first(&go(&mut next, 11)), of(2));
}
