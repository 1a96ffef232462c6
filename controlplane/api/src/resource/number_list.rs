//! Lists of numbers. What stands on them is in `crate::number_list`.

use super::{Draft, Resource};
use crate::codec::{Flag, Ident, NAME, Opt, words};
use crate::field::{Object, object};
use crate::problem::Problem;
use crate::query::Filter;
use strowger_model::{ListEffect, NumberList, NumberListId, NumberSide, OrganizationId, TenantId};
use strowger_routing::{Change, RowName};
use strowger_store::Scope;

object! {
    /// A list of numbers and beginnings of numbers that may not be called, or may not call: of the
    /// switch, a tenant, an account, or a trunk that calls come in by. Each of these lets a call
    /// through by its own lists: nobody opens what a wider one closes. Among the lists of one of
    /// them the longest entry decides, of equals the one that denies. Emergency calls pass.
    NUMBER_LIST: NumberList as "NumberList", blank();
    /// Identity.
    id: Shown Ident => id;
    /// For calls of this tenant; null is all calls of the switch.
    tenant: Kept Opt(Ident) => tenant;
    /// Only for calls that this account pays for.
    account: Kept Opt(Ident) => account;
    /// Only for calls that come in by this trunk.
    trunk: Kept Opt(Ident) => trunk;
    /// Shown name.
    name: Need NAME => name;
    /// Whose number is looked for: `called`, canonical, of calls that leave us, or `caller`, as the
    /// record shows it.
    side: Kept words::<NumberSide>() => side;
    /// What an entry does: `deny` the call, `allow` it where a shorter one denies, or `only`, which
    /// allows, and denies what stands on no list.
    effect: Free words::<ListEffect>() => effect;
    /// It counts.
    enabled: Free Flag => enabled;
}

fn blank() -> NumberList {
    NumberList {
        id: NumberListId(0),
        tenant: None,
        account: None,
        trunk: None,
        name: String::new(),
        side: NumberSide::Called,
        effect: ListEffect::Deny,
        enabled: true,
    }
}

impl Resource for NumberList {
    type Row = NumberList;
    const PATH: &'static str = "number-lists";
    const FILTERS: &'static [Filter] = &[
        Filter::id("tenant", "tenant_id"),
        Filter::id("account", "account_id"),
        Filter::id("trunk", "trunk_id"),
        Filter::flag("enabled"),
    ];

    fn object() -> &'static Object<Self> {
        &NUMBER_LIST
    }

    fn of(row: NumberList) -> Self {
        row
    }

    fn row(&self) -> &NumberList {
        self
    }

    fn set_id(&mut self, id: i64) {
        self.id = NumberListId(id);
    }

    fn owner(&self) -> (Option<TenantId>, Option<OrganizationId>) {
        (self.tenant, None)
    }

    fn name(&self) -> Option<RowName> {
        Some(RowName::NumberList(self.id))
    }

    fn prepare(&mut self, draft: &Draft<'_, Self>) -> Result<(), Problem> {
        if draft.scope != Scope::All && self.tenant.is_none() {
            return Err(Problem::refused("tenant", "is missing: the switch is not yours"));
        }
        if self.account.is_some() && self.trunk.is_some() {
            return Err(Problem::refused("trunk", "stands beside an account: one of them"));
        }
        let is_narrow = self.account.is_some() || self.trunk.is_some();
        if self.tenant.is_none() && is_narrow {
            return Err(Problem::refused("tenant", "is missing: what is narrower belongs to one"));
        }
        Ok(())
    }

    fn change(&self) -> Option<Change> {
        Some(Change::NumberList(self.clone()))
    }
}
