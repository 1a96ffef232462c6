//! Settings, wherever they are set.

use crate::column::Columns;
use crate::{Cell, ConfigRow, StoreError};
use strowger_model::{AccountId, SettingId, SettingRow, SubscriberId, TenantId};

impl ConfigRow for SettingRow {
    const TABLE: &'static str = "settings";
    const COLUMNS: &'static [&'static str] =
        &["id", "tenant_id", "account_id", "subscriber_id", "category", "name", "value"];

    fn id(&self) -> i64 {
        self.id.0
    }

    fn cells(&self) -> Vec<Cell> {
        vec![
            self.id.0.into(),
            self.tenant.map(|id| id.0).into(),
            self.account.map(|id| id.0).into(),
            self.subscriber.map(|id| id.0).into(),
            self.category.as_str().into(),
            self.name.as_str().into(),
            self.value.as_str().into(),
        ]
    }

    fn read(c: &Columns<'_>) -> Result<SettingRow, StoreError> {
        Ok(SettingRow {
            id: SettingId(c.int("id")?),
            tenant: c.int_or_null("tenant_id")?.map(TenantId),
            account: c.int_or_null("account_id")?.map(AccountId),
            subscriber: c.int_or_null("subscriber_id")?.map(SubscriberId),
            category: c.text("category")?,
            name: c.text("name")?,
            value: c.text("value")?,
        })
    }
}
