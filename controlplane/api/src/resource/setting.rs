//! Settings as they are set: one row for each setting at each place. What there is to set, and what
//! counts where, is in `crate::setting`.

use super::{Draft, Resource};
use crate::codec::{Ident, Opt, Text};
use crate::field::{Object, object};
use crate::problem::Problem;
use crate::query::Filter;
use strowger_model::{
    Depth, OrganizationId, SETTING_VALUE_MAX, SETTINGS, Setting, SettingId, SettingRow, TenantId,
    print_setting,
};
use strowger_routing::{Change, RowName};
use strowger_store::Scope;

/// Longest category or name.
const WORD_MAX: usize = 64;

object! {
    /// A setting, set at one place: the switch, a tenant, an account or a subscriber. The narrower
    /// place wins.
    SETTING: SettingRow as "Setting", blank();
    /// Identity.
    id: Shown Ident => id;
    /// For this tenant and what is in it; null is the whole switch.
    tenant: Kept Opt(Ident) => tenant;
    /// For this account only.
    account: Kept Opt(Ident) => account;
    /// For this subscriber only.
    subscriber: Kept Opt(Ident) => subscriber;
    /// Category, as `setting-definitions` names it.
    category: Fixed Text(1, WORD_MAX) => category;
    /// Name in its category.
    name: Fixed Text(1, WORD_MAX) => name;
    /// The value as a text, for example `5000`, `true` or `auto`: its definition says which.
    value: Need Text(1, SETTING_VALUE_MAX) => value;
}

fn blank() -> SettingRow {
    SettingRow {
        id: SettingId(0),
        category: String::new(),
        name: String::new(),
        tenant: None,
        account: None,
        subscriber: None,
        value: String::new(),
    }
}

/// The setting that a row is of.
fn known(row: &SettingRow) -> Result<&'static Setting, Problem> {
    if let Some(setting) = Setting::find(&row.category, &row.name) {
        return Ok(setting);
    }
    let is_category = |s: &&Setting| s.category.eq_ignore_ascii_case(&row.category);
    match SETTINGS.iter().find(is_category) {
        Some(_) => Err(Problem::refused("name", "is no setting of its category")),
        None => Err(Problem::refused("category", "is no category of settings")),
    }
}

/// Where it is set; the field that is wrong when that is nowhere, or too deep.
fn check_place(row: &SettingRow, setting: &Setting) -> Result<(), Problem> {
    let field = match (row.account, row.subscriber) {
        (Some(_), Some(_)) => {
            return Err(Problem::refused("subscriber", "stands beside an account: one of them"));
        }
        (Some(_), None) => "account",
        (None, Some(_)) => "subscriber",
        (None, None) => "tenant",
    };
    let Some(depth) = row.depth() else {
        return Err(Problem::refused("tenant", "is missing: what is narrower belongs to one"));
    };
    if depth <= setting.depth {
        return Ok(());
    }
    let what = match setting.depth {
        Depth::System => "it is set for the whole switch only".to_owned(),
        deepest @ (Depth::Tenant | Depth::Account | Depth::Subscriber) => {
            format!("it is set for a {} at most", deepest.name())
        }
    };
    Err(Problem::refused(field, format!("is too narrow: {what}")))
}

impl Resource for SettingRow {
    type Row = SettingRow;
    const PATH: &'static str = "settings";
    const FILTERS: &'static [Filter] = &[
        Filter::id("tenant", "tenant_id"),
        Filter::id("account", "account_id"),
        Filter::id("subscriber", "subscriber_id"),
        Filter::text("category"),
        Filter::text("name"),
    ];

    fn object() -> &'static Object<Self> {
        &SETTING
    }

    fn of(row: SettingRow) -> Self {
        row
    }

    fn row(&self) -> &SettingRow {
        self
    }

    fn set_id(&mut self, id: i64) {
        self.id = SettingId(id);
    }

    fn owner(&self) -> (Option<TenantId>, Option<OrganizationId>) {
        (self.tenant, None)
    }

    fn name(&self) -> Option<RowName> {
        Some(RowName::Setting(self.id))
    }

    fn prepare(&mut self, draft: &Draft<'_, Self>) -> Result<(), Problem> {
        if draft.scope != Scope::All && self.tenant.is_none() {
            return Err(Problem::refused("tenant", "is missing: the switch is not yours"));
        }
        let setting = known(self)?;
        check_place(self, setting)?;
        let value =
            setting.parse(&self.value).map_err(|e| Problem::field("value", e.to_string()))?;
        (self.category, self.name) = (setting.category.to_owned(), setting.name.to_owned());
        self.value = print_setting(value.as_ref());
        Ok(())
    }

    fn change(&self) -> Option<Change> {
        Some(Change::Setting(self.clone()))
    }
}
