//! Lists of numbers; what stands on them lies in files.

use crate::column::{Columns, word_of};
use crate::{Cell, ConfigRow, StoreError};
use strowger_model::{
    AccountId, ListEffect, NumberList, NumberListId, NumberSide, TenantId, TrunkId,
};

const SIDES: [(&str, NumberSide); 2] =
    [("called", NumberSide::Called), ("caller", NumberSide::Caller)];

const EFFECTS: [(&str, ListEffect); 3] =
    [("deny", ListEffect::Deny), ("allow", ListEffect::Allow), ("only", ListEffect::Only)];

impl ConfigRow for NumberList {
    const TABLE: &'static str = "number_lists";
    const COLUMNS: &'static [&'static str] =
        &["id", "tenant_id", "account_id", "trunk_id", "name", "side", "effect", "enabled"];

    fn id(&self) -> i64 {
        self.id.0
    }

    fn cells(&self) -> Vec<Cell> {
        vec![
            self.id.0.into(),
            self.tenant.map(|id| id.0).into(),
            self.account.map(|id| id.0).into(),
            self.trunk.map(|id| id.0).into(),
            self.name.as_str().into(),
            word_of(&SIDES, self.side).into(),
            word_of(&EFFECTS, self.effect).into(),
            self.enabled.into(),
        ]
    }

    fn read(c: &Columns<'_>) -> Result<NumberList, StoreError> {
        Ok(NumberList {
            id: NumberListId(c.int("id")?),
            tenant: c.int_or_null("tenant_id")?.map(TenantId),
            account: c.int_or_null("account_id")?.map(AccountId),
            trunk: c.int_or_null("trunk_id")?.map(TrunkId),
            name: c.text("name")?,
            side: c.word("side", &SIDES)?,
            effect: c.word("effect", &EFFECTS)?,
            enabled: c.flag("enabled")?,
        })
    }
}
