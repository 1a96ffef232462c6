//! Trunks that are probed: what the dataplane is told, and what its word changes.

use super::*;
use strowger_link::{KeepOrder, Kept, Probed};
use strowger_model::EgressTarget;

/// Trunks 2 and 3 take calls to 44, 2 first; 2 is at two places and is probed.
fn office_of(probe_s: u32) -> Office {
    let mut rows = rows();
    rows.trunks.push(trunk(3, None, Some(egress())));
    let target = |trunk, priority| RouteTarget { trunk: TrunkId(trunk), priority, weight: 0 };
    rows.routes[0].targets = vec![target(2, 1), target(3, 0)];
    let probed = rows.trunks[1].egress.as_mut().unwrap();
    probed.probe_s = probe_s;
    let second = EgressTarget::from(SocketAddr::from(([192, 0, 2, 10], 5060)));
    probed.targets.push(second);
    let world = Arc::new(World::build(rows).unwrap());
    let mut office = Office::new(0, Arc::clone(&world));
    for account in world.accounts() {
        let posted = Amount::parse("100", account.currency).unwrap();
        office.load(account, posted, NOW);
    }
    office
}

/// All that the dataplane is told to probe, and of what it is told to probe it no more.
fn told(office: &mut Office) -> (Vec<Kept>, usize) {
    let (mut put, mut dropped) = (Vec::new(), 0);
    while let Some(order) = office.next_keep(NOW) {
        match order {
            KeepOrder::Put(list) => put.extend(list),
            KeepOrder::Drop(list) => dropped += list.len(),
        }
    }
    (put, dropped)
}

fn first(office: &mut Office, id: u64) -> PartyRef {
    go(office, id).stages[0].branches[0].party.clone()
}

fn say(office: &mut Office, place: &Kept, alive: bool) {
    office.handle_up(Up::Probed(Probed { id: place.id, alive }), NOW, WALL_US);
}

#[test]
fn a_trunk_of_which_no_place_answers_stands_behind_until_one_does() {
    let mut office = office_of(30);
    let (places, _) = told(&mut office);
    assert_eq!(places.len(), 2);
    assert_eq!(first(&mut office, 1), PartyRef::Trunk(2));
    say(&mut office, &places[0], false);
    assert_eq!(first(&mut office, 2), PartyRef::Trunk(2), "the other place answers");
    say(&mut office, &places[1], false);
    assert_eq!(first(&mut office, 3), PartyRef::Trunk(3));
    assert_eq!(office.standing().failing().count(), 1);
    say(&mut office, &places[0], true);
    assert_eq!(first(&mut office, 4), PartyRef::Trunk(2));
    assert_eq!(office.standing().failing().count(), 0);
    // Another life of the dataplane is told all again, and says what is gone.
    say(&mut office, &places[0], false);
    office.greeted();
    assert_eq!(told(&mut office).0.len(), 2);
    assert_eq!(first(&mut office, 5), PartyRef::Trunk(2));
    places.iter().for_each(|place| say(&mut office, place, false));
    assert_eq!(first(&mut office, 6), PartyRef::Trunk(3));
}

#[test]
fn what_is_probed_no_more_is_taken_back_and_as_good_as_new() {
    let mut office = office_of(30);
    let (places, _) = told(&mut office);
    places.iter().for_each(|place| say(&mut office, place, false));
    let without = Arc::clone(office_of(0).world());
    office.set_world(without, NOW);
    assert_eq!(told(&mut office), (Vec::new(), 2));
    assert_eq!(first(&mut office, 1), PartyRef::Trunk(2));
    // A late word about it is nobody's.
    say(&mut office, &places[0], false);
    assert_eq!(first(&mut office, 2), PartyRef::Trunk(2));
}
