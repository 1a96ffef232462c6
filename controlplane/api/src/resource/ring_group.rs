//! Ring groups: numbers that ring several parties.

use super::Resource;
use super::subscriber::DIALLED;
use super::tenant::RING_MAX;
use crate::codec::{Flag, Ident, List, NAME, NUMBER, Opt, Seconds, Set, words};
use crate::field::{Codec, Object, Shaped, Use, Wrong, object};
use crate::query::Filter;
use crate::shape::Components;
use serde_json::Value;
use strowger_model::{
    AccountId, Digits, OrganizationId, RingGroup, RingGroupId, RingMember, RingMode, RingParty,
    SubscriberId, TenantId,
};
use strowger_routing::{Change, RowName};

/// Most members of a group.
const MEMBERS_MAX: usize = 64;

/// A member as it stands in JSON: one of both.
#[derive(Clone)]
pub(crate) struct MemberSeen {
    subscriber: Option<SubscriberId>,
    number: Option<Digits>,
    ring_s: u32,
}

object! {
    /// A member of a group: a subscriber or a number outside.
    MEMBER: MemberSeen as "RingMember",
        MemberSeen { subscriber: None, number: None, ring_s: 0 };
    /// A subscriber of the tenant.
    subscriber: Free Opt(Ident) => subscriber;
    /// A number outside.
    number: Free Opt(NUMBER) => number;
    /// How long it rings; 0 is its own ring time.
    ring_ms: Free Seconds(0, RING_MAX) => ring_s;
}

struct Member;

impl Shaped for Member {
    fn schema(&self, components: &mut Components, of: Use) -> Value {
        (&MEMBER).schema(components, of)
    }
}

impl Codec<RingMember> for Member {
    fn show(&self, member: &RingMember) -> Value {
        let (subscriber, number) = match member.party {
            RingParty::Subscriber(id) => (Some(id), None),
            RingParty::Number(number) => (None, Some(number)),
        };
        Codec::show(&&MEMBER, &MemberSeen { subscriber, number, ring_s: member.ring_s })
    }

    fn take(&self, json: &Value, _: Option<&RingMember>) -> Result<RingMember, Wrong> {
        let seen: MemberSeen = Codec::take(&&MEMBER, json, None)?;
        let party = match (seen.subscriber, seen.number) {
            (Some(id), None) => RingParty::Subscriber(id),
            (None, Some(number)) => RingParty::Number(number),
            (Some(_), Some(_)) | (None, None) => {
                return Err(Wrong::unfit("names not one of subscriber and number").at("subscriber"));
            }
        };
        Ok(RingMember { party, ring_s: seen.ring_s })
    }
}

object! {
    /// Numbers that ring several parties.
    RING_GROUP: RingGroup as "RingGroup", blank();
    /// Identity.
    id: Shown Ident => id;
    /// Tenant; that of the token where it has one.
    tenant: Fixed Ident => tenant;
    /// Organization that it belongs to.
    organization: Need Ident => organization;
    /// Account that pays for members outside.
    account: Need Ident => account;
    /// Name, by which it can be dialled; unique in the tenant.
    name: Need NAME => name;
    /// Numbers that reach it, canonical.
    numbers: Free Set(NUMBER, 0, 64) => numbers;
    /// Short number inside its organization.
    short: Free Opt(NUMBER) => short;
    /// In which order members ring.
    mode: Free words::<RingMode>() => mode;
    /// Who rings.
    members: Free List(Member, MEMBERS_MAX) => members;
    /// Dialled, at its account's cost, when nobody answered.
    overflow: Free Opt(DIALLED) => overflow;
    /// In use.
    enabled: Free Flag => enabled;
}

fn blank() -> RingGroup {
    RingGroup {
        id: RingGroupId(0),
        tenant: TenantId(0),
        organization: OrganizationId(0),
        account: AccountId(0),
        name: String::new(),
        numbers: Vec::new(),
        short: None,
        mode: RingMode::Parallel,
        members: Vec::new(),
        overflow: None,
        enabled: true,
    }
}

impl Resource for RingGroup {
    type Row = RingGroup;
    const PATH: &'static str = "ring-groups";
    const FILTERS: &'static [Filter] = &[
        Filter::id("tenant", "tenant_id"),
        Filter::id("organization", "organization_id"),
        Filter::id("account", "account_id"),
        Filter::text("name"),
        Filter::number_in("number", "numbers"),
        Filter::flag("enabled"),
    ];

    fn object() -> &'static Object<Self> {
        &RING_GROUP
    }

    fn of(row: RingGroup) -> Self {
        row
    }

    fn row(&self) -> &RingGroup {
        self
    }

    fn set_id(&mut self, id: i64) {
        self.id = RingGroupId(id);
    }

    fn owner(&self) -> (Option<TenantId>, Option<OrganizationId>) {
        (Some(self.tenant), Some(self.organization))
    }

    fn name(&self) -> Option<RowName> {
        Some(RowName::RingGroup(self.id))
    }

    fn change(&self) -> Option<Change> {
        Some(Change::RingGroup(Box::new(self.clone())))
    }
}
