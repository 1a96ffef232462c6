//! Subscribers with their phonebooks, ring groups and DIDs: who is reached by which number.

use super::{json_text, list, numbers, stored, strings};
use crate::column::{Columns, word_of};
use crate::json::{BarringJson, DIGESTS, ForwardJson, IdentityJson, MemberJson, ha1_of, hex_of};
use crate::{Cell, ConfigRow, StoreError};
use strowger_model::{
    AccountId, Did, DidId, DidTarget, Ha1, OrganizationId, PhonebookEntry, PhonebookEntryId,
    RingGroup, RingGroupId, RingMode, Subscriber, SubscriberId, TenantId, TrunkId,
};

const RING_MODES: [(&str, RingMode); 3] = [
    ("parallel", RingMode::Parallel),
    ("in-turn", RingMode::InTurn),
    ("rotating", RingMode::Rotating),
];

fn ha1<const N: usize>(
    c: &Columns<'_>,
    column: &'static str,
) -> Result<Option<Ha1<N>>, StoreError> {
    let Some(text) = c.text_or_null(column)? else { return Ok(None) };
    ha1_of(&text).map(Some).ok_or_else(|| c.unfit(column, "HA1"))
}

impl ConfigRow for Subscriber {
    const TABLE: &'static str = "subscribers";
    const MADE: &'static str = "made_us";
    const COLUMNS: &'static [&'static str] = &[
        "id",
        "tenant_id",
        "account_id",
        "organization_id",
        "username",
        "numbers",
        "short",
        "display",
        "ha1_md5",
        "ha1_sha256",
        "digest",
        "ring_timeout_s",
        "calls_max",
        "enabled",
        "expires_s_min",
        "expires_s_max",
        "contacts_max",
        "identity",
        "barring",
        "forwards",
    ];

    fn id(&self) -> i64 {
        self.id.0
    }

    fn cells(&self) -> Vec<Cell> {
        let forwards: Vec<_> = self.forwards.iter().map(ForwardJson::from).collect();
        vec![
            self.id.0.into(),
            self.tenant.0.into(),
            self.account.0.into(),
            self.organization.0.into(),
            self.username.as_str().into(),
            json_text(&strings(&self.numbers)).into(),
            self.short.map(|n| n.as_str().to_owned()).into(),
            self.display.as_str().into(),
            self.ha1_md5.map(|h| hex_of(&h.0)).into(),
            self.ha1_sha256.map(|h| hex_of(&h.0)).into(),
            word_of(&DIGESTS, self.digest).into(),
            self.ring_timeout_s.into(),
            self.calls_max.into(),
            self.enabled.into(),
            self.expires_s_min.into(),
            self.expires_s_max.into(),
            self.contacts_max.into(),
            json_text(&IdentityJson::from(&self.identity)).into(),
            json_text(&BarringJson::from(&self.barring)).into(),
            json_text(&forwards).into(),
        ]
    }

    fn read(c: &Columns<'_>) -> Result<Subscriber, StoreError> {
        Ok(Subscriber {
            id: SubscriberId(c.int("id")?),
            tenant: TenantId(c.int("tenant_id")?),
            account: AccountId(c.int("account_id")?),
            organization: OrganizationId(c.int("organization_id")?),
            username: c.text("username")?,
            numbers: numbers(c)?,
            short: c.digits_or_null("short")?,
            display: c.text("display")?,
            ha1_md5: ha1(c, "ha1_md5")?,
            ha1_sha256: ha1(c, "ha1_sha256")?,
            digest: c.word("digest", &DIGESTS)?,
            ring_timeout_s: c.small("ring_timeout_s")?,
            calls_max: c.small("calls_max")?,
            enabled: c.flag("enabled")?,
            expires_s_min: c.small("expires_s_min")?,
            expires_s_max: c.small("expires_s_max")?,
            contacts_max: c.small("contacts_max")?,
            identity: stored::<IdentityJson, _>(c, "identity")?,
            barring: stored::<BarringJson, _>(c, "barring")?,
            forwards: list::<ForwardJson, _>(c, "forwards")?,
        })
    }
}

impl ConfigRow for RingGroup {
    const TABLE: &'static str = "ring_groups";
    const COLUMNS: &'static [&'static str] = &[
        "id",
        "tenant_id",
        "organization_id",
        "account_id",
        "name",
        "numbers",
        "short",
        "mode",
        "members",
        "overflow",
        "enabled",
    ];

    fn id(&self) -> i64 {
        self.id.0
    }

    fn cells(&self) -> Vec<Cell> {
        let members: Vec<_> = self.members.iter().map(MemberJson::from).collect();
        vec![
            self.id.0.into(),
            self.tenant.0.into(),
            self.organization.0.into(),
            self.account.0.into(),
            self.name.as_str().into(),
            json_text(&strings(&self.numbers)).into(),
            self.short.map(|n| n.as_str().to_owned()).into(),
            word_of(&RING_MODES, self.mode).into(),
            json_text(&members).into(),
            (&self.overflow).into(),
            self.enabled.into(),
        ]
    }

    fn read(c: &Columns<'_>) -> Result<RingGroup, StoreError> {
        Ok(RingGroup {
            id: RingGroupId(c.int("id")?),
            tenant: TenantId(c.int("tenant_id")?),
            organization: OrganizationId(c.int("organization_id")?),
            account: AccountId(c.int("account_id")?),
            name: c.text("name")?,
            numbers: numbers(c)?,
            short: c.digits_or_null("short")?,
            mode: c.word("mode", &RING_MODES)?,
            members: list::<MemberJson, _>(c, "members")?,
            overflow: c.text_or_null("overflow")?,
            enabled: c.flag("enabled")?,
        })
    }
}

impl ConfigRow for Did {
    const TABLE: &'static str = "dids";
    const COLUMNS: &'static [&'static str] = &[
        "id",
        "tenant_id",
        "organization_id",
        "number",
        "subscriber_id",
        "trunk_id",
        "ring_group_id",
        "enabled",
        "reserved_until_us",
        "shared",
        "account_id",
    ];

    fn id(&self) -> i64 {
        self.id.0
    }

    fn cells(&self) -> Vec<Cell> {
        let (subscriber, trunk, group) = match self.target {
            DidTarget::Subscriber(id) => (Some(id.0), None, None),
            DidTarget::Trunk(id) => (None, Some(id.0), None),
            DidTarget::RingGroup(id) => (None, None, Some(id.0)),
            DidTarget::Pool => (None, None, None),
        };
        vec![
            self.id.0.into(),
            self.tenant.0.into(),
            self.organization.0.into(),
            self.number.as_str().into(),
            subscriber.into(),
            trunk.into(),
            group.into(),
            self.enabled.into(),
            self.reserved_until_us.into(),
            self.shared.into(),
            self.payer.map(|id| id.0).into(),
        ]
    }

    fn read(c: &Columns<'_>) -> Result<Did, StoreError> {
        let ids =
            ["subscriber_id", "trunk_id", "ring_group_id"].map(|column| c.int_or_null(column));
        let target = match ids {
            [Ok(Some(id)), Ok(None), Ok(None)] => DidTarget::Subscriber(SubscriberId(id)),
            [Ok(None), Ok(Some(id)), Ok(None)] => DidTarget::Trunk(TrunkId(id)),
            [Ok(None), Ok(None), Ok(Some(id))] => DidTarget::RingGroup(RingGroupId(id)),
            [Ok(None), Ok(None), Ok(None)] => DidTarget::Pool,
            _ => return Err(c.unfit("subscriber_id", "at most one target of three")),
        };
        Ok(Did {
            id: DidId(c.int("id")?),
            tenant: TenantId(c.int("tenant_id")?),
            organization: OrganizationId(c.int("organization_id")?),
            number: c.digits("number")?,
            target,
            enabled: c.flag("enabled")?,
            reserved_until_us: c.int_or_null("reserved_until_us")?,
            shared: c.flag("shared")?,
            payer: c.int_or_null("account_id")?.map(AccountId),
        })
    }
}

impl ConfigRow for PhonebookEntry {
    const TABLE: &'static str = "phonebook_entries";
    const COLUMNS: &'static [&'static str] =
        &["id", "tenant_id", "subscriber_id", "number", "name", "did_id"];

    fn id(&self) -> i64 {
        self.id.0
    }

    fn cells(&self) -> Vec<Cell> {
        vec![
            self.id.0.into(),
            self.tenant.0.into(),
            self.subscriber.0.into(),
            self.number.as_str().into(),
            self.name.as_str().into(),
            self.did.map(|id| id.0).into(),
        ]
    }

    fn read(c: &Columns<'_>) -> Result<PhonebookEntry, StoreError> {
        Ok(PhonebookEntry {
            id: PhonebookEntryId(c.int("id")?),
            tenant: TenantId(c.int("tenant_id")?),
            subscriber: SubscriberId(c.int("subscriber_id")?),
            number: c.digits("number")?,
            name: c.text("name")?,
            did: c.int_or_null("did_id")?.map(DidId),
        })
    }
}
