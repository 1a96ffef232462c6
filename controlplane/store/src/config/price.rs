//! Rules about prices.

use super::route::{times, words};
use super::{json_text, prefixes, strings};
use crate::column::Columns;
use crate::{Cell, ConfigRow, StoreError};
use strowger_model::{OrganizationId, PriceRule, PriceRuleId, TariffId, TenantId, TrunkId};

impl ConfigRow for PriceRule {
    const TABLE: &'static str = "price_rules";
    const COLUMNS: &'static [&'static str] = &[
        "id",
        "tenant_id",
        "name",
        "enabled",
        "priority",
        "organization_id",
        "callers",
        "called",
        "trunks",
        "tech_prefixes",
        "times",
        "except_times",
        "from_us",
        "until_us",
        "tariff_id",
    ];

    fn id(&self) -> i64 {
        self.id.0
    }

    fn cells(&self) -> Vec<Cell> {
        vec![
            self.id.0.into(),
            self.tenant.0.into(),
            self.name.as_str().into(),
            self.enabled.into(),
            self.priority.into(),
            self.organization.map(|id| id.0).into(),
            json_text(&strings(&self.callers)).into(),
            json_text(&strings(&self.called)).into(),
            json_text(&self.trunks.iter().map(|id| id.0).collect::<Vec<_>>()).into(),
            json_text(&strings(&self.tech_prefixes)).into(),
            json_text(&words(&self.times)).into(),
            json_text(&words(&self.except_times)).into(),
            self.from_us.into(),
            self.until_us.into(),
            self.tariff.map(|id| id.0).into(),
        ]
    }

    fn read(c: &Columns<'_>) -> Result<PriceRule, StoreError> {
        Ok(PriceRule {
            id: PriceRuleId(c.int("id")?),
            tenant: TenantId(c.int("tenant_id")?),
            name: c.text("name")?,
            enabled: c.flag("enabled")?,
            priority: c.small("priority")?,
            organization: c.int_or_null("organization_id")?.map(OrganizationId),
            callers: prefixes(c, "callers")?,
            called: prefixes(c, "called")?,
            trunks: c.json::<Vec<i64>>("trunks")?.into_iter().map(TrunkId).collect(),
            tech_prefixes: prefixes(c, "tech_prefixes")?,
            times: times(c, "times")?,
            except_times: times(c, "except_times")?,
            from_us: c.int_or_null("from_us")?,
            until_us: c.int_or_null("until_us")?,
            tariff: c.int_or_null("tariff_id")?.map(TariffId),
        })
    }
}
