//! Pick-up (spec PBX-PICK-01, RFC 3891): a subscriber takes the place of another one in a call that
//! runs or rings. Who pays for that call goes on paying; the newcomer's own call costs nothing.

use super::sender::{Sender, Who};
use super::way::Way;
use super::{Attempt, Decision, Facts, Stop};
use crate::location::Locations;
use crate::refusal::Refusal;
use crate::trace::Step;
use crate::world::World;
use strowger_billing::Settlement;
use strowger_link::{Ask, AskBody, CallAsk, PartyRef, PickupAsk, Tick};
use strowger_model::{Pickup, RingGroup, RingParty, Subscriber, SubscriberId};

/// Decides whether a subscriber may take a place. Pure, as [`super::decide`], and told as it is.
#[must_use]
pub fn picked_up(
    world: &World,
    locations: &Locations,
    (ask, pickup): (&Ask, &PickupAsk),
    (now, wall_us): (Tick, i64),
) -> Decision {
    let mut asked = ask.clone();
    let call = as_call(pickup);
    asked.body = AskBody::Call(Box::new(call.clone()));
    let facts = Facts::default();
    let mut attempt = Attempt::new((world, locations), (&asked, &call), &facts, (now, wall_us));
    let outcome = attempt.pick_up(pickup);
    attempt.decided(outcome)
}

/// The attempt of who wants the place, as that of any caller.
fn as_call(pickup: &PickupAsk) -> CallAsk {
    CallAsk {
        request_uri: String::new(),
        called: pickup.called.clone(),
        to_user: pickup.called.clone(),
        caller: pickup.caller.clone(),
        credentials: pickup.credentials.clone(),
        sip_call_id: String::new(),
        user_agent: String::new(),
        has_offer: true,
        emergency: false,
        headers: Vec::new(),
        diverted: Vec::new(),
        session_s: 0,
    }
}

impl<'a> Attempt<'a> {
    fn pick_up(&mut self, pickup: &PickupAsk) -> Result<super::Plan, Stop> {
        let sender = self.authenticate()?;
        self.know(&sender);
        self.check_enabled(&sender)?;
        self.check_caller(&sender)?;
        let replaced = self.replaced(&sender, pickup);
        let Some(replaced) = replaced.filter(|row| self.may_replace(&sender, row)) else {
            return Err(self.refuse_for(Refusal::Denied, Step::PickUpDenied {}));
        };
        self.note(Step::PickUp { subscriber: replaced.id.0 });
        let called = self.called_of(sender.tenant, pickup.called.clone());
        self.plan(&sender, &called, Way::inside(), None)
    }

    /// Whose place it is: a subscriber of the same tenant, by the call's own settlement.
    fn replaced(&self, sender: &Sender<'a>, pickup: &PickupAsk) -> Option<&'a Subscriber> {
        let settlement = Settlement::decode(&pickup.settlement.0).ok()?;
        let id = match &pickup.party {
            PartyRef::Subscriber(id) => Some(SubscriberId(*id)),
            PartyRef::Unknown => settlement.caller.subscriber,
            PartyRef::Trunk(_) => None,
        };
        let row = self.world.subscriber(id?)?;
        let tenant = sender.tenant.id;
        (settlement.tenant == tenant && row.tenant == tenant).then_some(row)
    }

    /// By what is set for whose place it is. A subscriber's own devices follow each other unless
    /// nobody may.
    fn may_replace(&self, sender: &Sender<'a>, replaced: &Subscriber) -> bool {
        let Who::Subscriber(by) = sender.who else { return false };
        let is_near = || by.id == replaced.id || by.account == replaced.account;
        match self.world.subscriber_settings(replaced.id).call.pickup {
            Pickup::Never => false,
            Pickup::Tenant => true,
            Pickup::Group => is_near() || self.share_a_group(by.id, replaced.id),
        }
    }

    /// Whether two subscribers are of one ring group.
    fn share_a_group(&self, one: SubscriberId, other: SubscriberId) -> bool {
        let has = |group: &RingGroup, id| {
            group.members.iter().any(|member| member.party == RingParty::Subscriber(id))
        };
        let mut groups = self.world.ring_groups().filter(|group| group.enabled);
        groups.any(|group| has(group, one) && has(group, other))
    }
}
