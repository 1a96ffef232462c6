//! Whose a name or number is: one table each for names, numbers and short numbers, so that nothing
//! is anybody else's at the same time.

use super::{BuildError, Problem, RowName, World};
use crate::limits::ORGANIZATION_DEPTH_MAX;
use std::sync::Arc;
use strowger_model::{
    Did, DidId, Digits, OrganizationId, OrganizationKind, RingGroup, RingGroupId, Subscriber,
    SubscriberId, TenantId, Trunk, TrunkId,
};

/// Who has a user name, a number or a short number.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum Holder {
    /// A subscriber.
    Subscriber(SubscriberId),
    /// A ring group.
    RingGroup(RingGroupId),
    /// A DID.
    Did(DidId),
    /// A trunk that registers with us, or shows credentials.
    Trunk(TrunkId),
}

impl From<SubscriberId> for Holder {
    fn from(id: SubscriberId) -> Holder {
        Holder::Subscriber(id)
    }
}

impl From<TrunkId> for Holder {
    fn from(id: TrunkId) -> Holder {
        Holder::Trunk(id)
    }
}

impl From<Holder> for RowName {
    fn from(holder: Holder) -> RowName {
        match holder {
            Holder::Subscriber(id) => RowName::Subscriber(id),
            Holder::RingGroup(id) => RowName::RingGroup(id),
            Holder::Did(id) => RowName::Did(id),
            Holder::Trunk(id) => RowName::Trunk(id),
        }
    }
}

/// What a row wants to have for itself.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) struct Claims {
    holder: Holder,
    tenant: TenantId,
    name: Option<String>,
    numbers: Vec<Digits>,
    short: Option<(OrganizationId, Digits)>,
}

impl World {
    /// Who has this user name, or is a ring group of this name.
    #[must_use]
    pub fn named(&self, tenant: TenantId, name: &str) -> Option<Holder> {
        let compare = |(of, known): &(TenantId, String)| {
            of.cmp(&tenant).then_with(|| known.as_str().cmp(name))
        };
        self.usernames.get_by(compare).copied()
    }

    /// Who has this number.
    #[must_use]
    pub fn numbered(&self, tenant: TenantId, number: Digits) -> Option<Holder> {
        self.numbers.get(&(tenant, number)).copied()
    }

    /// Who has this short number where somebody of organization `of` dials it.
    #[must_use]
    pub fn short(&self, of: OrganizationId, short: Digits) -> Option<Holder> {
        self.shorts.get(&(self.short_scope(of), short)).copied()
    }

    /// The subscriber with this user name.
    #[must_use]
    pub fn subscriber_named(&self, tenant: TenantId, username: &str) -> Option<&Subscriber> {
        match self.named(tenant, username)? {
            Holder::Subscriber(id) => self.subscriber(id),
            Holder::RingGroup(_) | Holder::Did(_) | Holder::Trunk(_) => None,
        }
    }

    /// The trunks of a tenant that have a test prefix.
    fn tested(&self, tenant: TenantId) -> impl Iterator<Item = (Digits, TrunkId)> {
        let own = self.trunks().filter(move |trunk| trunk.tenant == tenant);
        own.filter_map(|trunk| Some((trunk.egress.as_ref()?.test_prefix?, trunk.id)))
    }

    /// The trunk of this very test prefix.
    pub(super) fn tested_by(&self, tenant: TenantId, prefix: &Digits) -> Option<TrunkId> {
        self.tested(tenant).find(|(known, _)| known == prefix).map(|(_, trunk)| trunk)
    }

    /// The trunk whose test prefix a dialled text begins with, the longest, and what stands behind
    /// it. All trunks are looked at: few may ask.
    #[must_use]
    pub fn test_trunk<'t>(&self, tenant: TenantId, text: &'t str) -> Option<(TrunkId, &'t str)> {
        let fitting = self.tested(tenant).filter_map(|(prefix, trunk)| {
            let rest = text.strip_prefix(prefix.as_str()).filter(|rest| !rest.is_empty())?;
            Some((trunk, rest))
        });
        fitting.min_by_key(|(_, rest)| rest.len())
    }

    /// A ring group.
    #[must_use]
    pub fn ring_group(&self, id: RingGroupId) -> Option<&RingGroup> {
        self.groups.get(&id).map(Arc::as_ref)
    }

    /// A DID.
    #[must_use]
    pub fn did(&self, id: DidId) -> Option<&Did> {
        self.dids.get(&id).map(Arc::as_ref)
    }

    /// All DIDs in order of ids.
    pub fn dids(&self) -> impl Iterator<Item = &Did> {
        self.dids.iter().map(|(_, row)| row.as_ref())
    }

    /// Where short numbers of an organization are known: in the nearest company above it or
    /// itself, else in itself alone.
    #[must_use]
    pub fn short_scope(&self, of: OrganizationId) -> OrganizationId {
        let mut next = Some(of);
        for _ in 0..ORGANIZATION_DEPTH_MAX {
            let Some(organization) = next.and_then(|id| self.organization(id)) else { break };
            if organization.kind == OrganizationKind::Company {
                return organization.id;
            }
            next = organization.parent;
        }
        of
    }

    pub(super) fn claims_of_subscriber(&self, row: &Subscriber) -> Claims {
        Claims {
            holder: Holder::Subscriber(row.id),
            tenant: row.tenant,
            name: Some(row.username.clone()),
            numbers: row.numbers.clone(),
            short: row.short.map(|short| (self.short_scope(row.organization), short)),
        }
    }

    pub(super) fn claims_of_group(&self, row: &RingGroup) -> Claims {
        Claims {
            holder: Holder::RingGroup(row.id),
            tenant: row.tenant,
            name: Some(row.name.clone()),
            numbers: row.numbers.clone(),
            short: row.short.map(|short| (self.short_scope(row.organization), short)),
        }
    }

    pub(super) fn claims_of_did(row: &Did) -> Claims {
        Claims {
            holder: Holder::Did(row.id),
            tenant: row.tenant,
            name: None,
            numbers: vec![row.number],
            short: None,
        }
    }

    pub(super) fn claims_of_trunk(row: &Trunk) -> Claims {
        let credentials = row.ingress.as_ref().and_then(|ingress| ingress.credentials.as_ref());
        Claims {
            holder: Holder::Trunk(row.id),
            tenant: row.tenant,
            name: credentials.map(|credentials| credentials.username.clone()),
            numbers: Vec::new(),
            short: None,
        }
    }

    /// Nobody else has what this row wants.
    pub(super) fn check_claims(&self, claims: &Claims) -> Result<(), BuildError> {
        let free = |field, by: Option<Holder>| match by {
            Some(by) if by != claims.holder => Err(BuildError {
                row: claims.holder.into(),
                problem: Problem::Taken { field, by: by.into() },
            }),
            Some(_) | None => Ok(()),
        };
        let name = claims.name.as_ref();
        free("username", name.and_then(|name| self.named(claims.tenant, name)))?;
        for number in &claims.numbers {
            free("numbers", self.numbered(claims.tenant, *number))?;
        }
        free("short", claims.short.and_then(|key| self.shorts.get(&key).copied()))
    }

    pub(super) fn claim(&mut self, claims: Claims) {
        let Claims { holder, tenant, name, numbers, short } = claims;
        if let Some(name) = name {
            Arc::make_mut(&mut self.usernames).insert((tenant, name), holder);
        }
        let all = Arc::make_mut(&mut self.numbers);
        for number in numbers {
            all.insert((tenant, number), holder);
        }
        if let Some(key) = short {
            Arc::make_mut(&mut self.shorts).insert(key, holder);
        }
    }

    pub(super) fn give_up(&mut self, claims: &Claims) {
        let tenant = claims.tenant;
        if let Some(name) = &claims.name {
            Arc::make_mut(&mut self.usernames).remove(&(tenant, name.clone()));
        }
        let all = Arc::make_mut(&mut self.numbers);
        for number in &claims.numbers {
            all.remove(&(tenant, *number));
        }
        if let Some(key) = &claims.short {
            Arc::make_mut(&mut self.shorts).remove(key);
        }
    }

    /// Short numbers again: the tree of organizations has changed.
    pub(super) fn scope_shorts(&mut self) {
        let subscribers = self.subscribers.iter().filter_map(|(id, placed)| {
            let row = &placed.row;
            Some(((row.organization, row.short?), Holder::Subscriber(*id)))
        });
        let groups = self
            .groups
            .iter()
            .filter_map(|(id, row)| Some(((row.organization, row.short?), Holder::RingGroup(*id))));
        let all: Vec<_> = subscribers.chain(groups).collect();
        let mut shorts = crate::page::PageMap::default();
        for ((of, short), holder) in all {
            shorts.insert((self.short_scope(of), short), holder);
        }
        self.shorts = Arc::new(shorts);
    }
}
