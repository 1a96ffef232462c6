//! DIDs: numbers of ours and where they lead.

use super::{Draft, Resource};
use crate::codec::{Flag, Ident, Moment, NUMBER, Opt};
use crate::field::{Object, object};
use crate::problem::Problem;
use crate::query::Filter;
use strowger_model::{
    Account, Did, DidId, DidTarget, Digits, OrganizationId, RingGroupId, SubscriberId, TenantId,
    TrunkId,
};
use strowger_routing::{Change, RowName};

/// A DID as it stands in JSON: one member for each kind of target.
#[derive(Clone)]
pub(crate) struct DidSeen {
    did: Did,
    subscriber: Option<SubscriberId>,
    trunk: Option<TrunkId>,
    ring_group: Option<RingGroupId>,
}

object! {
    /// A number of ours and where it leads: to one of subscriber, trunk, ring group. Without any of
    /// them it is in the pool: it can be reserved for a while, and is taken by setting one. One
    /// that is shared is never in the pool: who calls says whose call it is (`phonebook`).
    DID: DidSeen as "Did", blank();
    /// Identity.
    id: Shown Ident => did.id;
    /// Tenant; that of the token where it has one.
    tenant: Fixed Ident => did.tenant;
    /// Organization that it belongs to.
    organization: Need Ident => did.organization;
    /// The number, canonical; unique in the tenant.
    number: Need NUMBER => did.number;
    /// It leads to this subscriber.
    subscriber: Free Opt(Ident) => subscriber;
    /// It leads to this trunk, a customer's switch.
    trunk: Free Opt(Ident) => trunk;
    /// It leads to this ring group.
    ring_group: Free Opt(Ident) => ring_group;
    /// In use.
    enabled: Free Flag => did.enabled;
    /// Somebody thinks about taking it until then; null again when it is taken.
    reserved_until: Free Opt(Moment) => did.reserved_until_us;
    /// Many subscribers have it: five look-ups say who gets a call, by who calls. Subscriber,
    /// trunk or ring group then have the calls that none of them decides; without one those are
    /// refused as to a number that nobody has.
    shared: Free Flag => did.shared;
    /// An account of its organization pays for calls to it, by its own tariff, and their callers
    /// pay nothing; null is none.
    payer: Free Opt(Ident) => did.payer;
}

fn blank() -> DidSeen {
    let did = Did {
        id: DidId(0),
        tenant: TenantId(0),
        organization: OrganizationId(0),
        number: Digits::EMPTY,
        target: DidTarget::Pool,
        enabled: true,
        reserved_until_us: None,
        shared: false,
        payer: None,
    };
    DidSeen { did, subscriber: None, trunk: None, ring_group: None }
}

impl Resource for DidSeen {
    type Row = Did;
    const PATH: &'static str = "dids";
    const FILTERS: &'static [Filter] = &[
        Filter::id("tenant", "tenant_id"),
        Filter::id("organization", "organization_id"),
        Filter::number("number"),
        Filter::id("subscriber", "subscriber_id"),
        Filter::id("trunk", "trunk_id"),
        Filter::id("ring_group", "ring_group_id"),
        Filter::flag("enabled"),
        Filter::flag("shared"),
    ];

    fn object() -> &'static Object<Self> {
        &DID
    }

    fn of(did: Did) -> Self {
        let mut seen = DidSeen { subscriber: None, trunk: None, ring_group: None, did };
        match seen.did.target {
            DidTarget::Subscriber(id) => seen.subscriber = Some(id),
            DidTarget::Trunk(id) => seen.trunk = Some(id),
            DidTarget::RingGroup(id) => seen.ring_group = Some(id),
            DidTarget::Pool => {}
        }
        seen
    }

    fn row(&self) -> &Did {
        &self.did
    }

    fn set_id(&mut self, id: i64) {
        self.did.id = DidId(id);
    }

    fn owner(&self) -> (Option<TenantId>, Option<OrganizationId>) {
        (Some(self.did.tenant), Some(self.did.organization))
    }

    fn name(&self) -> Option<RowName> {
        Some(RowName::Did(self.did.id))
    }

    fn prepare(&mut self, draft: &Draft<'_, Self>) -> Result<(), Problem> {
        self.did.target = match (self.subscriber, self.trunk, self.ring_group) {
            (Some(id), None, None) => DidTarget::Subscriber(id),
            (None, Some(id), None) => DidTarget::Trunk(id),
            (None, None, Some(id)) => DidTarget::RingGroup(id),
            (None, None, None) => DidTarget::Pool,
            (_, Some(_), _) => {
                return Err(Problem::refused("trunk", "stands beside another target"));
            }
            (Some(_), None, Some(_)) => {
                return Err(Problem::refused("ring_group", "stands beside another target"));
            }
        };
        let before = draft.before.and_then(|before| before.did.payer);
        if let Some(payer) = self.did.payer.filter(|payer| before != Some(*payer)) {
            let own = |row: &Account| row.organization == self.did.organization;
            if !draft.world.account(payer).is_some_and(own) {
                return Err(Problem::refused("payer", "is no account of the organization"));
            }
        }
        // Who takes a number thinks no more about it.
        let was_free = draft.before.is_some_and(|before| before.did.target == DidTarget::Pool);
        if was_free && (self.did.target != DidTarget::Pool || self.did.shared) {
            self.did.reserved_until_us = None;
        }
        Ok(())
    }

    fn change(&self) -> Option<Change> {
        Some(Change::Did(self.did.clone()))
    }
}
