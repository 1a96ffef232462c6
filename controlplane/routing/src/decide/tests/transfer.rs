//! Who puts a party through calls itself, and pays.

use super::*;
use crate::decide::transferred;
use strowger_link::TransferAsk;

fn question(go: &Go, party: PartyRef, to: &str) -> TransferAsk {
    TransferAsk {
        refer_to: format!("sip:{to}"),
        called: to.split('@').next().unwrap().to_owned(),
        referred_by: None,
        party,
        settlement: go.settlement.clone(),
    }
}

impl Switch {
    /// What becomes of a transfer, and whose settlement it has.
    fn transfer(&mut self, question: &TransferAsk) -> (String, Option<Settlement>) {
        let (ask, by) = match transferred(&self.world, &self.ask, question) {
            Ok(call) => call,
            Err(refusal) => return (refusal.cause().sip.to_string(), None),
        };
        let facts = Facts { sender: Some(by), ..Facts::default() };
        let decision = decide(&self.world, &self.locations, &ask, &facts, Tick(0), WALL);
        let said = words(&decision);
        let settlement = match decision.verdict {
            Verdict::Go(plan) => Settlement::decode(&plan.go.settlement.0).ok(),
            Verdict::Refuse(_)
            | Verdict::Challenge(_)
            | Verdict::Registered(_)
            | Verdict::Respond(_)
            | Verdict::Need(_) => None,
        };
        (said, settlement)
    }
}

#[test]
fn who_transfers_pays_as_if_it_had_dialled() {
    let mut switch = Switch::new(rows());
    let go = switch.go("1001 dials 1002");
    let dialled = switch.say("1001 dials 44712");
    let go_abroad = question(&go, PartyRef::Unknown, "44712@demo.example");
    let (said, settlement) = switch.transfer(&go_abroad);
    assert_eq!(said, dialled);
    assert_eq!(settlement.unwrap().caller.subscriber, Some(SubscriberId(1)));
    // Whom we called transfers at its own cost.
    let (_, settlement) = switch.transfer(&question(&go, PartyRef::Subscriber(4), "1002@10.0.0.9"));
    let settlement = settlement.unwrap();
    assert_eq!(settlement.caller.subscriber, Some(SubscriberId(4)));
    assert_eq!(settlement.levels[0].account, AccountId(2));
}

#[test]
fn who_may_not_transfer() {
    let mut switch = Switch::new(rows());
    let go = switch.go("1001 dials 1002");
    for (party, to, status) in
        [(PartyRef::Trunk(7), "1002@h", "403"), (PartyRef::Subscriber(99), "1002@h", "403")]
    {
        assert_eq!(switch.transfer(&question(&go, party, to)).0, status);
    }
    let (said, _) = switch.transfer(&question(&go, PartyRef::Unknown, "9999@h"));
    assert!(said.contains("404"), "{said}");
    // A trunk that called us is no subscriber.
    let by_trunk = switch.go("trunk 8 dials 1002");
    let (said, _) = switch.transfer(&question(&by_trunk, PartyRef::Unknown, "1002@h"));
    assert_eq!(said, "403");
}

#[test]
fn a_target_at_another_tenants_host_is_not_ours() {
    let mut rows = rows();
    rows.tenants.push(testing::tenant(2, "other.example"));
    let mut switch = Switch::new(rows);
    let go = switch.go("1001 dials 1002");
    let (said, _) = switch.transfer(&question(&go, PartyRef::Unknown, "1002@other.example"));
    assert_eq!(said, "404");
}
