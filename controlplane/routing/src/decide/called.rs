//! What was dialled, and whether it is one of ours (spec NUM-NORM, ROUTE-LOCAL-01).

use super::sender::{Sender, Who};
use super::{Attempt, Stop};
use crate::limits::CALLED_MAX;
use crate::prefix::Chain;
use crate::refusal::Refusal;
use crate::trace::Step;
use crate::world::Holder;
use strowger_model::{
    BadNumber, DidId, DidTarget, Digits, OrganizationId, RingGroup, Subscriber, Tenant, TenantId,
    Trunk, TrunkId,
};

/// The called party in its forms.
pub(super) struct Called {
    /// As received, without tech prefix and parameters, edited as the sender's row says.
    pub(super) text: String,
    /// Canonical, when it is a number.
    pub(super) number: Result<Digits, BadNumber>,
    /// The ids of the number's prefixes.
    pub(super) chain: Option<Chain>,
}

/// A party of ours.
#[derive(Clone, Copy)]
pub(super) enum Party<'a> {
    Subscriber(&'a Subscriber),
    Group(&'a RingGroup),
    /// A customer's switch, which a DID leads to.
    Trunk(&'a Trunk),
}

impl Party<'_> {
    pub(super) fn holder(&self) -> Holder {
        match self {
            Party::Subscriber(row) => Holder::Subscriber(row.id),
            Party::Group(row) => Holder::RingGroup(row.id),
            Party::Trunk(row) => Holder::Trunk(row.id),
        }
    }
}

impl<'a> Attempt<'a> {
    /// Step 10: before anything is looked up.
    pub(super) fn check_length(&mut self) -> Result<(), Stop> {
        let len = self.call.called.len();
        let bad = match len {
            0 => BadNumber::Empty,
            1..=CALLED_MAX => return Ok(()),
            _ => BadNumber::TooLong,
        };
        let step = Step::BadLength { characters: i64::try_from(len).unwrap_or(i64::MAX) };
        Err(self.refuse_for(Refusal::BadNumber(bad), step))
    }

    /// Steps 14 and 16: tech prefix off, the trunk's own edit, then the canonical form. A text that
    /// is no number may still be a user name.
    pub(super) fn normalise(&mut self, sender: &Sender<'a>) -> Result<Called, Stop> {
        let received = self.world.received(self.ask.hints.source, self.call);
        let received = received.split(';').next().unwrap_or_default();
        let text = match sender.who {
            Who::Subscriber(_) => received.to_owned(),
            Who::Trunk(trunk, ingress) => {
                let own = match &ingress.tech_prefix {
                    Some(prefix) => received.strip_prefix(prefix.as_str()).ok_or_else(|| {
                        let step = Step::NoTechPrefix { trunk: trunk.id.0 };
                        self.refuse_for(Refusal::Denied, step)
                    })?,
                    None => received,
                };
                ingress.called.apply(own)
            }
        };
        let called = self.called_of(sender.tenant, text);
        if let Ok(digits) = called.number {
            self.note(Step::Number(digits));
            let destination = self.destination_of(sender.tenant.id, &called);
            if let Some(known) = &mut self.known {
                known.number = Some(digits);
                known.destination = destination;
            }
        }
        Ok(called)
    }

    /// What a text means to a tenant.
    pub(super) fn called_of(&self, tenant: &Tenant, text: String) -> Called {
        let number = tenant.normalisation.normalise(&text);
        let chain = number.ok().map(|digits| self.world.chain(&digits));
        Called { text, number, chain }
    }

    /// Prefix of the direction that a number belongs to.
    pub(super) fn destination_of(&self, tenant: TenantId, called: &Called) -> Option<Digits> {
        let chain = called.chain.as_ref()?;
        self.world.destination(tenant, chain).map(|destination| destination.prefix)
    }

    /// An emergency number of the tenant. The world is newer than the edge's table, so its word
    /// counts and the edge's mark is not read.
    pub(super) fn emergency_of(&self, tenant: TenantId, called: &Called) -> Option<&'a [TrunkId]> {
        let raw = Digits::parse(&called.text).ok();
        let numbers = [raw, called.number.ok()];
        numbers.into_iter().flatten().find_map(|number| self.world.emergency(tenant, number))
    }

    /// Step 22: user name, number or short number of a party who is not switched off.
    pub(super) fn find_local(
        &mut self,
        tenant: TenantId,
        scope: Option<OrganizationId>,
        called: &Called,
        looks: bool,
    ) -> Option<Party<'a>> {
        if !looks {
            return None;
        }
        let world = self.world;
        let number = called.number.ok();
        let by_name = world
            .named(tenant, &called.text)
            .or_else(|| world.named(tenant, number?.as_str()))
            // A trunk's user name is nobody's address.
            .filter(|holder| !matches!(holder, Holder::Trunk(_)));
        let by_number = || world.numbered(tenant, number?);
        let by_short = || world.short(scope?, number?);
        if let Some(holder) = by_name {
            self.party(holder, |subscriber| Step::CalleeByName { subscriber })
        } else if let Some(holder) = by_number() {
            self.party(holder, |subscriber| Step::CalleeByNumber { subscriber })
        } else {
            self.party(by_short()?, |subscriber| Step::CalleeByShort { subscriber })
        }
    }

    fn party(&mut self, holder: Holder, step: impl Fn(i64) -> Step) -> Option<Party<'a>> {
        match holder {
            Holder::Subscriber(id) => {
                self.note(step(id.0));
                let row = self.world.subscriber(id)?;
                if row.enabled {
                    return Some(Party::Subscriber(row));
                }
                // As if deleted: the number may still have a route.
                self.note(Step::SubscriberDisabled { subscriber: id.0 });
                None
            }
            Holder::RingGroup(id) => {
                let row = self.world.ring_group(id).filter(|row| row.enabled)?;
                self.note(Step::CalleeGroup { group: id.0 });
                Some(Party::Group(row))
            }
            Holder::Did(id) => self.did(id),
            Holder::Trunk(_) => None,
        }
    }

    fn did(&mut self, id: DidId) -> Option<Party<'a>> {
        let did = self.world.did(id).filter(|row| row.enabled)?;
        self.note(Step::CalleeDid { did: id.0 });
        match did.target {
            DidTarget::Subscriber(id) => {
                self.party(Holder::Subscriber(id), |subscriber| Step::CalleeByNumber { subscriber })
            }
            DidTarget::RingGroup(id) => {
                self.party(Holder::RingGroup(id), |subscriber| Step::CalleeByNumber { subscriber })
            }
            DidTarget::Trunk(id) => {
                self.note(Step::DidTrunk { trunk: id.0 });
                self.world.trunk(id).map(Party::Trunk)
            }
        }
    }

    /// Step 21: a phone that calls itself would ring itself busy.
    pub(super) fn check_self_call(
        &mut self,
        sender: &Sender<'a>,
        party: &Party<'a>,
    ) -> Result<(), Stop> {
        match (sender.who, party) {
            (Who::Subscriber(caller), Party::Subscriber(callee)) if caller.id == callee.id => {
                let step = Step::SelfCall { subscriber: caller.id.0 };
                Err(self.refuse_for(Refusal::Denied, step))
            }
            (
                Who::Subscriber(_) | Who::Trunk(..),
                Party::Subscriber(_) | Party::Group(_) | Party::Trunk(_),
            ) => Ok(()),
        }
    }

    /// What the sender may call. A sender who calls nobody still reaches emergency numbers, which
    /// were looked at before. The lists of prefixes are for numbers that leave us: who has no
    /// number to dial outside may well call a colleague.
    pub(super) fn check_barring(
        &mut self,
        sender: &Sender<'a>,
        called: &Called,
        is_local: bool,
    ) -> Result<(), Stop> {
        let barring = sender.barring();
        let by_prefix = || called.number.is_ok_and(|number| barring.bars(&number));
        if barring.all || (!is_local && by_prefix()) {
            return Err(self.refuse_for(Refusal::Denied, Step::Barred {}));
        }
        Ok(())
    }
}
