//! Tenants and organizations.

use super::json_text;
use crate::column::{Columns, word_of};
use crate::json::NormalisationJson;
use crate::{Cell, ConfigRow, Reader, StoreError, Tried};
use strowger_model::{
    Amount, DigestAlgorithm, Organization, OrganizationId, OrganizationKind, Price, Right, Tenant,
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

const RIGHTS: [(&str, Right); 11] = [
    ("resellers", Right::Resellers),
    ("organizations", Right::Organizations),
    ("accounts", Right::Accounts),
    ("prices", Right::Prices),
    ("subscribers", Right::Subscribers),
    ("trunks", Right::Trunks),
    ("numbers", Right::Numbers),
    ("payments", Right::Payments),
    ("logins", Right::Logins),
    ("calls", Right::Calls),
    ("statistics", Right::Statistics),
];

/// The rights that a row withholds.
fn rights_of(c: &Columns<'_>) -> Result<Vec<Right>, StoreError> {
    let words = c.json::<Vec<String>>("withheld")?;
    let right = |word: &String| RIGHTS.iter().find(|(known, _)| known == word).map(|(_, r)| *r);
    let all = words.iter().map(right).collect::<Option<Vec<_>>>();
    all.ok_or_else(|| c.unfit("withheld", "known words"))
}

impl Reader {
    /// What is withheld from an organization, by its own row or by one above it.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn withheld(&self, id: OrganizationId) -> Result<Vec<Right>, StoreError> {
        let sql = "SELECT o.withheld FROM organizations o JOIN organization_tree t \
            ON t.above_id = o.id WHERE t.below_id = $1 AND o.withheld <> '[]'";
        let rows = sqlx::query(sql).bind(id.0).fetch_all(&self.pool).await;
        let rows = rows.tried("read what is withheld")?;
        let mut all = Vec::new();
        for row in &rows {
            all.extend(rights_of(&Columns::new(Organization::TABLE, row))?);
        }
        all.sort_unstable();
        all.dedup();
        Ok(all)
    }
}

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
    const COLUMNS: &'static [&'static str] =
        &["id", "tenant_id", "parent_id", "kind", "name", "withheld"];

    fn id(&self) -> i64 {
        self.id.0
    }

    fn cells(&self) -> Vec<Cell> {
        let withheld: Vec<_> = self.withheld.iter().map(|right| word_of(&RIGHTS, *right)).collect();
        vec![
            self.id.0.into(),
            self.tenant.0.into(),
            self.parent.map(|p| p.0).into(),
            word_of(&KINDS, self.kind).into(),
            self.name.as_str().into(),
            json_text(&withheld).into(),
        ]
    }

    fn read(c: &Columns<'_>) -> Result<Organization, StoreError> {
        Ok(Organization {
            id: OrganizationId(c.int("id")?),
            tenant: TenantId(c.int("tenant_id")?),
            parent: c.int_or_null("parent_id")?.map(OrganizationId),
            kind: c.word("kind", &KINDS)?,
            name: c.text("name")?,
            withheld: rights_of(c)?,
        })
    }
}
