//! A call that was answered and goes elsewhere: decided again for its caller, without the trunks
//! that had it.

use super::switch::{Switch, WALL, rows, words};
use super::*;
use crate::decide::{Again, rerouted};
use strowger_link::{REROUTES_MAX, RerouteAsk};
use strowger_model::Depth;

/// Trunk 7 first, then 6; calls are rerouted after any end.
fn two_trunks() -> Rows {
    let mut rows = rows();
    rows.routes = vec![testing::route(1, "44", &[(7, 10, 1), (6, 0, 1)])];
    rows.settings.push(setting::setting_row("failover.answered", "any", Depth::System, 0));
    rows
}

impl Switch {
    /// What becomes of the call of the last ask when `tried` have had it.
    fn reroute(&mut self, go: &Go, tried: &[i64]) -> Decision {
        let AskBody::Call(call) = self.ask.body.clone() else { panic!("no call") };
        let asked = RerouteAsk { call, tried: tried.to_vec(), settlement: go.settlement.clone() };
        let (ask, again) = rerouted(&self.ask, &asked).unwrap();
        let facts = Facts { again: Some(again), ..Facts::default() };
        decide(&self.world, &self.locations, &ask, &facts, Tick(0), WALL)
    }
}

#[test]
fn the_next_trunk_has_the_call_of_the_same_caller() {
    // Of a subscriber whose credentials were spent, and of a trunk.
    for (line, payer) in [("1001 dials 447", 1), ("trunk 8 dials 447", 1)] {
        let mut switch = Switch::new(two_trunks());
        let go = switch.go(line);
        let decision = switch.reroute(&go, &[7]);
        let said = words(&decision);
        assert!(said.starts_with("00447 to trunk 6 at 192.0.2.61:5060"), "{line}: {said}");
        let steps: Vec<Step> = decision.trace.steps().collect();
        assert!(steps.contains(&Step::Rerouted { trunk: 7 }), "{steps:?}");
        assert!(steps.contains(&Step::HopTried { trunk: 7 }), "{steps:?}");
        let Verdict::Go(mut plan) = decision.verdict else { panic!("{said}") };
        let settlement = Settlement::decode(&plan.go.settlement.0).unwrap();
        assert_eq!(settlement.caller.account, Some(AccountId(payer)));
        let before = Settlement::decode(&go.settlement.0).unwrap();
        assert_eq!(settlement.caller, before.caller);
        assert!(!plan.admit.as_ref().unwrap().levels.is_empty());
        plan.follows();
        assert_eq!(plan.admit.unwrap().limits, []);
    }
}

#[test]
fn when_all_have_had_it_there_is_none() {
    let mut switch = Switch::new(two_trunks());
    let go = switch.go("1001 dials 447");
    assert_eq!(words(&switch.reroute(&go, &[7, 6])), "404 NoRoute cause 3");
}

#[test]
fn so_often_and_no_more() {
    let mut switch = Switch::new(two_trunks());
    let go = switch.go("1001 dials 447");
    assert_eq!(go.reroute.map(|terms| (terms.talk_ms_max, terms.any)), Some((20_000, true)));
    let mut goes_on = |count: usize| {
        let tried: Vec<i64> = (0..count).map(|n| 70 + i64::try_from(n).unwrap()).collect();
        let decision = switch.reroute(&go, &tried);
        let Verdict::Go(plan) = decision.verdict else { panic!("no plan") };
        plan.go.reroute.is_some()
    };
    assert!((1..REROUTES_MAX).all(&mut goes_on));
    assert!(!goes_on(REROUTES_MAX));
}

#[test]
fn nobody_is_put_through_without_a_call_that_is_paid() {
    let mut switch = Switch::new(two_trunks());
    let AskBody::Call(call) = switch.ask.body.clone() else { panic!("no call") };
    let asked = |settlement| RerouteAsk { call: call.clone(), tried: vec![7], settlement };
    let free = Settlement::free(TenantId(1)).encode().unwrap();
    let refusal = |settlement| rerouted(&switch.ask, &asked(settlement)).unwrap_err();
    assert_eq!(refusal(strowger_link::Octets(free)), Refusal::Denied);
    assert_eq!(refusal(strowger_link::Octets(vec![1, 2])), Refusal::Internal);
    // A caller who is gone from the rows calls nobody.
    let go = switch.go("1001 dials 447");
    let again = Again {
        caller: Settlement::decode(&go.settlement.0).unwrap().caller,
        tried: vec![TrunkId(7)],
    };
    let gone =
        switch.world.changed(Change::Remove(crate::world::RowName::Subscriber(SubscriberId(1))));
    let facts = Facts { again: Some(again), ..Facts::default() };
    let world = gone.unwrap();
    let decision = decide(&world, &switch.locations, &switch.ask, &facts, Tick(0), WALL);
    assert_eq!(words(&decision), "403 Denied cause 21, no record");
}
