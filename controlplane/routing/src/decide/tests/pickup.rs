//! Who may take whose place.

use super::*;
use crate::decide::picked_up;
use strowger_link::PickupAsk;
use strowger_model::{RingGroup, RingGroupId, RingMember, RingMode, RingParty};

fn group_of(members: &[i64]) -> RingGroup {
    let member =
        |id: &i64| RingMember { party: RingParty::Subscriber(SubscriberId(*id)), ring_s: 0 };
    RingGroup {
        id: RingGroupId(5),
        tenant: TenantId(1),
        organization: strowger_model::OrganizationId(1),
        account: AccountId(1),
        name: "sales".to_owned(),
        numbers: Vec::new(),
        short: None,
        mode: RingMode::Parallel,
        members: members.iter().map(member).collect(),
        overflow: None,
        enabled: true,
    }
}

impl Switch {
    /// What becomes of `by`, who wants the place of a party of the call `line`.
    pub(in crate::decide) fn pick_up(&mut self, line: &str, party: PartyRef, by: &str) -> Decision {
        let go = self.go(line);
        // The credentials of an ordinary call of whoever wants it.
        self.prepare(&format!("{by} dials 1002"));
        let AskBody::Call(call) = self.ask.body.clone() else { panic!("no call") };
        let pickup = PickupAsk {
            target: "c;to-tag=a;from-tag=b".to_owned(),
            credentials: call.credentials,
            called: call.called,
            caller: call.caller,
            party,
            settlement: go.settlement,
            ringing: false,
        };
        let mut ask = self.ask.clone();
        ask.body = AskBody::Pickup(Box::new(pickup.clone()));
        picked_up(&self.world, &self.locations, (&ask, &pickup), (Tick(0), WALL))
    }

    fn status(&mut self, party: PartyRef, by: &str) -> String {
        let said = words(&self.pick_up("1001 dials 1002", party, by));
        said.split(' ').next().unwrap_or_default().to_owned()
    }
}

fn is_plan(decision: &Decision) -> bool {
    matches!(decision.verdict, Verdict::Go(_))
}

#[test]
fn a_place_costs_nothing_and_leaves_a_record_of_who_took_it() {
    let mut switch = Switch::new(rows());
    let decision = switch.pick_up("1001 dials 1002", PartyRef::Subscriber(2), "1001");
    let Verdict::Go(plan) = decision.verdict else { panic!("{decision:?}") };
    assert!(plan.admit.is_none() && plan.go.stages.is_empty());
    let settlement = Settlement::decode(&plan.go.settlement.0).unwrap();
    assert_eq!(settlement.caller.subscriber, Some(SubscriberId(1)));
    assert!(settlement.levels.is_empty());
}

#[test]
fn by_default_those_of_one_account_or_one_group_take_each_others_places() {
    let mut switch = Switch::new(rows());
    // 1001 to 1003 are of one account, 1004 of another.
    assert!(is_plan(&switch.pick_up("1001 dials 1002", PartyRef::Subscriber(2), "1003")));
    assert!(is_plan(&switch.pick_up("1001 dials 1002", PartyRef::Unknown, "1003")));
    assert_eq!(switch.status(PartyRef::Subscriber(2), "1004"), "403");
    let mut grouped = rows();
    grouped.ring_groups.push(group_of(&[2, 4]));
    let mut switch = Switch::new(grouped);
    assert!(is_plan(&switch.pick_up("1001 dials 1002", PartyRef::Subscriber(2), "1004")));
    // Its group is the callee's, not the caller's.
    assert_eq!(switch.status(PartyRef::Unknown, "1004"), "403");
}

#[test]
fn nobody_takes_the_place_of_a_trunk_or_of_who_is_gone() {
    let mut switch = Switch::new(rows());
    assert_eq!(switch.status(PartyRef::Trunk(7), "1001"), "403");
    assert_eq!(switch.status(PartyRef::Subscriber(99), "1001"), "403");
    // A trunk's call has no subscriber in its caller's place.
    let decision = switch.pick_up("trunk 8 dials 1002", PartyRef::Unknown, "1001");
    assert!(words(&decision).starts_with("403"), "{decision:?}");
}
