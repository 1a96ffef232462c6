//! Tenants and organizations.

use super::json_text;
use crate::column::{Columns, word_of};
use crate::json::NormalisationJson;
use crate::{Cell, ConfigRow, StoreError};
use strowger_model::{
    Amount, DigestAlgorithm, Organization, OrganizationId, OrganizationKind, Price, Tenant,
    TenantId,
};

const KINDS: [(&str, OrganizationKind); 5] = [
    ("owner", OrganizationKind::Owner),
    ("reseller", OrganizationKind::Reseller),
    ("company", OrganizationKind::Company),
    ("customer", OrganizationKind::Customer),
    ("supplier", OrganizationKind::Supplier),
];
const ALGORITHMS: [(&str, DigestAlgorithm); 2] =
    [("SHA-256", DigestAlgorithm::Sha256), ("MD5", DigestAlgorithm::Md5)];

impl ConfigRow for Tenant {
    const TABLE: &'static str = "tenants";
    const COLUMNS: &'static [&'static str] = &[
        "id",
        "name",
        "realm",
        "domains",
        "currency",
        "minor_digits",
        "timezone",
        "algorithms",
        "country_prefix",
        "normalisation",
        "internal_price",
        "ring_timeout_s",
        "talk_s_max",
        "media_start_timeout_s",
        "media_timeout_s",
        "subscriber_day_max",
        "trunk_day_max",
    ];

    fn id(&self) -> i64 {
        self.id.0
    }

    fn cells(&self) -> Vec<Cell> {
        let algorithms: Vec<_> = self.algorithms.iter().map(|a| word_of(&ALGORITHMS, *a)).collect();
        vec![
            self.id.0.into(),
            self.name.as_str().into(),
            self.realm.as_str().into(),
            json_text(&self.domains).into(),
            self.currency.code().into(),
            self.currency.minor_digits().into(),
            self.timezone.as_str().into(),
            json_text(&algorithms).into(),
            self.country_prefix.as_str().into(),
            json_text(&NormalisationJson::from(&self.normalisation)).into(),
            self.internal_price.0.into(),
            self.ring_timeout_s.into(),
            self.talk_s_max.into(),
            self.media_start_timeout_s.into(),
            self.media_timeout_s.into(),
            self.subscriber_day_max.map(|m| m.0).into(),
            self.trunk_day_max.map(|m| m.0).into(),
        ]
    }

    fn read(c: &Columns<'_>) -> Result<Tenant, StoreError> {
        let names: Vec<String> = c.json("algorithms")?;
        let known = |name: &String| ALGORITHMS.iter().find(|(w, _)| w == name).map(|(_, a)| *a);
        let algorithms: Option<Vec<_>> = names.iter().map(known).collect();
        Ok(Tenant {
            id: TenantId(c.int("id")?),
            name: c.text("name")?,
            realm: c.text("realm")?,
            domains: c.json("domains")?,
            currency: c.currency()?,
            timezone: c.text("timezone")?,
            algorithms: algorithms.ok_or_else(|| c.unfit("algorithms", "digest algorithms"))?,
            country_prefix: c.digits("country_prefix")?,
            normalisation: c.json::<NormalisationJson>("normalisation")?.into(),
            internal_price: Price(c.int("internal_price")?),
            ring_timeout_s: c.small("ring_timeout_s")?,
            talk_s_max: c.small("talk_s_max")?,
            media_start_timeout_s: c.small("media_start_timeout_s")?,
            media_timeout_s: c.small("media_timeout_s")?,
            subscriber_day_max: c.int_or_null("subscriber_day_max")?.map(Amount),
            trunk_day_max: c.int_or_null("trunk_day_max")?.map(Amount),
        })
    }
}

impl ConfigRow for Organization {
    const TABLE: &'static str = "organizations";
    const COLUMNS: &'static [&'static str] = &["id", "tenant_id", "parent_id", "kind", "name"];

    fn id(&self) -> i64 {
        self.id.0
    }

    fn cells(&self) -> Vec<Cell> {
        vec![
            self.id.0.into(),
            self.tenant.0.into(),
            self.parent.map(|p| p.0).into(),
            word_of(&KINDS, self.kind).into(),
            self.name.as_str().into(),
        ]
    }

    fn read(c: &Columns<'_>) -> Result<Organization, StoreError> {
        Ok(Organization {
            id: OrganizationId(c.int("id")?),
            tenant: TenantId(c.int("tenant_id")?),
            parent: c.int_or_null("parent_id")?.map(OrganizationId),
            kind: c.word("kind", &KINDS)?,
            name: c.text("name")?,
        })
    }
}
