//! Rules about prices, in the order in which they are asked.

use super::{BuildError, RowName, World};
use core::cmp::Reverse;
use std::sync::Arc;
use strowger_model::{PriceRule, PriceRuleId, TenantId};

impl World {
    /// The rules about prices of a tenant, those that are asked first in front.
    pub(crate) fn price_rules(&self, tenant: TenantId) -> &[PriceRule] {
        self.price_rules.get(&tenant).map_or(&[], Vec::as_slice)
    }

    /// Whether accounts of a tenant without a tariff may have prices all the same.
    #[must_use]
    pub fn has_price_rules(&self, tenant: TenantId) -> bool {
        !self.price_rules(tenant).is_empty()
    }

    pub(super) fn price_rule_name(&self, id: PriceRuleId) -> Option<String> {
        let mut all = self.price_rules.values().flatten();
        all.find(|rule| rule.id == id).map(|rule| rule.name.clone())
    }

    pub(super) fn put_price_rules(
        &mut self,
        of: TenantId,
        mut rows: Vec<PriceRule>,
    ) -> Result<(), BuildError> {
        rows.iter().try_for_each(|row| self.check_price_rule(of, row))?;
        if let Some(last) = rows.last() {
            super::check::price_rule_count(RowName::PriceRule(last.id), rows.len())?;
        }
        rows.sort_by_key(|row| (Reverse(row.priority), row.id));
        let all = Arc::make_mut(&mut self.price_rules);
        match rows.is_empty() {
            true => all.remove(&of),
            false => all.insert(of, rows),
        };
        Ok(())
    }
}
