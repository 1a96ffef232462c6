//! Accounts.

use super::{json_text, list, stored};
use crate::column::Columns;
use crate::json::{BarringJson, DiscountJson};
use crate::{Cell, ConfigRow, StoreError};
use strowger_model::{Account, AccountId, Amount, Discount, OrganizationId, TariffId, TenantId};

impl ConfigRow for Account {
    const TABLE: &'static str = "accounts";
    const COLUMNS: &'static [&'static str] = &[
        "id",
        "tenant_id",
        "organization_id",
        "name",
        "currency",
        "minor_digits",
        "prepaid",
        "floor",
        "tariff_id",
        "calls_max",
        "cps_max",
        "enabled",
        "go_on_without_control",
        "day_max",
        "month_max",
        "month_grows_by",
        "month_grows_to",
        "month_grows_since_us",
        "discounts",
        "reduction_bp",
        "resells",
        "partners",
        "barring",
    ];

    fn id(&self) -> i64 {
        self.id.0
    }

    fn cells(&self) -> Vec<Cell> {
        vec![
            self.id.0.into(),
            self.tenant.0.into(),
            self.organization.0.into(),
            self.name.as_str().into(),
            self.currency.code().into(),
            self.currency.minor_digits().into(),
            self.prepaid.into(),
            self.floor.map(|f| f.0).into(),
            self.tariff.map(|t| t.0).into(),
            self.calls_max.into(),
            self.cps_max.into(),
            self.enabled.into(),
            self.go_on_without_control.into(),
            self.day_max.map(|m| m.0).into(),
            self.month_max.map(|m| m.0).into(),
            self.month_grows_by.map(|m| m.0).into(),
            self.month_grows_to.map(|m| m.0).into(),
            self.month_grows_since_us.into(),
            json_text(&self.discounts.iter().map(DiscountJson::from).collect::<Vec<_>>()).into(),
            self.reduction_bp.into(),
            self.resells.into(),
            json_text(&self.partners.iter().map(|id| id.0).collect::<Vec<_>>()).into(),
            json_text(&BarringJson::from(&self.barring)).into(),
        ]
    }

    fn read(c: &Columns<'_>) -> Result<Account, StoreError> {
        Ok(Account {
            id: AccountId(c.int("id")?),
            tenant: TenantId(c.int("tenant_id")?),
            organization: OrganizationId(c.int("organization_id")?),
            name: c.text("name")?,
            currency: c.currency()?,
            prepaid: c.flag("prepaid")?,
            floor: c.int_or_null("floor")?.map(Amount),
            tariff: c.int_or_null("tariff_id")?.map(TariffId),
            calls_max: c.small("calls_max")?,
            cps_max: c.small("cps_max")?,
            day_max: c.int_or_null("day_max")?.map(Amount),
            month_max: c.int_or_null("month_max")?.map(Amount),
            month_grows_by: c.int_or_null("month_grows_by")?.map(Amount),
            month_grows_to: c.int_or_null("month_grows_to")?.map(Amount),
            month_grows_since_us: c.int_or_null("month_grows_since_us")?,
            discounts: list::<DiscountJson, Discount>(c, "discounts")?,
            reduction_bp: c.small("reduction_bp")?,
            resells: c.flag("resells")?,
            partners: c.json::<Vec<i64>>("partners")?.into_iter().map(OrganizationId).collect(),
            barring: stored::<BarringJson, _>(c, "barring")?,
            enabled: c.flag("enabled")?,
            go_on_without_control: c.flag("go_on_without_control")?,
        })
    }
}
