//! Rules about prices, in the order in which they are asked, and found by whose calls to which
//! numbers they are for.

use super::{BuildError, RowName, World};
use crate::limits::ORGANIZATION_DEPTH_MAX;
use core::cmp::Reverse;
use std::collections::BTreeMap;
use std::sync::Arc;
use strowger_model::{Digits, OrganizationId, PriceRule, PriceRuleId, TenantId};

/// The rules about prices of a tenant.
#[derive(Clone, PartialEq, Eq, Default, Debug)]
pub(super) struct PriceRules {
    /// Those that are asked first in front.
    rows: Vec<PriceRule>,
    /// Their places there, by the organization that they are for.
    groups: BTreeMap<Option<OrganizationId>, Group>,
}

/// Rules for accounts of one organization, or of all.
#[derive(Clone, PartialEq, Eq, Default, Debug)]
struct Group {
    /// Places of those for all numbers.
    all: Vec<u16>,
    /// Of the others, by beginnings of called numbers; each list in order.
    called: BTreeMap<Digits, Vec<u16>>,
    /// Lengths of those beginnings, a bit each.
    lengths: u64,
}

impl PriceRules {
    /// At most [`strowger_model::PRICE_RULES_MAX`] rules. Those that are switched off are never
    /// found.
    fn new(mut rows: Vec<PriceRule>) -> PriceRules {
        rows.sort_by_key(|row| (Reverse(row.priority), row.id));
        let mut groups: BTreeMap<Option<OrganizationId>, Group> = BTreeMap::new();
        for (place, row) in (0u16..).zip(&rows).filter(|(_, row)| row.enabled) {
            let group = groups.entry(row.organization).or_default();
            if row.called.is_empty() {
                group.all.push(place);
            }
            for prefix in &row.called {
                let places = group.called.entry(*prefix).or_default();
                // A rule may name a beginning twice.
                if places.last() != Some(&place) {
                    places.push(place);
                }
                group.lengths |= bit(prefix);
            }
        }
        PriceRules { rows, groups }
    }
}

/// The bit of a beginning's length.
const fn bit(prefix: &Digits) -> u64 {
    // No number is that long.
    1 << (prefix.len() % 64)
}

impl Group {
    /// Adds the places of rules for a number.
    fn find(&self, number: &Digits, places: &mut Vec<u16>) {
        places.extend_from_slice(&self.all);
        let mut prefix = *number;
        while self.lengths != 0 && !prefix.is_empty() {
            if self.lengths & bit(&prefix) != 0
                && let Some(found) = self.called.get(&prefix)
            {
                places.extend_from_slice(found);
            }
            prefix = prefix.without_last();
        }
    }
}

impl World {
    /// The rules about prices of a tenant, those that are asked first in front.
    #[cfg(test)]
    pub(crate) fn price_rules(&self, tenant: TenantId) -> &[PriceRule] {
        self.price_rules.get(&tenant).map_or(&[], |rules| rules.rows.as_slice())
    }

    /// The rules that are switched on for calls to a number that an account of an organization
    /// pays for, those that are asked first in front; what else they want is not looked at.
    pub(crate) fn price_rules_for(
        &self,
        tenant: TenantId,
        organization: OrganizationId,
        number: &Digits,
    ) -> Vec<&PriceRule> {
        let Some(rules) = self.price_rules.get(&tenant) else { return Vec::new() };
        let parent = |id: &OrganizationId| self.organization(*id)?.parent;
        let line = core::iter::successors(Some(organization), parent);
        let line = line.take(ORGANIZATION_DEPTH_MAX + 1).map(Some).chain([None]);
        let mut places = Vec::new();
        for group in line.filter_map(|of| rules.groups.get(&of)) {
            group.find(number, &mut places);
        }
        // A rule with two beginnings of one number is found twice.
        places.sort_unstable();
        places.dedup();
        places.iter().filter_map(|place| rules.rows.get(usize::from(*place))).collect()
    }

    /// Whether accounts of a tenant without a tariff may have prices all the same.
    #[must_use]
    pub fn has_price_rules(&self, tenant: TenantId) -> bool {
        self.price_rules.contains_key(&tenant)
    }

    pub(super) fn price_rule_name(&self, id: PriceRuleId) -> Option<String> {
        let mut all = self.price_rules.values().flat_map(|rules| &rules.rows);
        all.find(|rule| rule.id == id).map(|rule| rule.name.clone())
    }

    pub(super) fn put_price_rules(
        &mut self,
        of: TenantId,
        rows: Vec<PriceRule>,
    ) -> Result<(), BuildError> {
        rows.iter().try_for_each(|row| self.check_price_rule(of, row))?;
        if let Some(last) = rows.last() {
            super::check::price_rule_count(RowName::PriceRule(last.id), rows.len())?;
        }
        let all = Arc::make_mut(&mut self.price_rules);
        match rows.is_empty() {
            true => all.remove(&of),
            false => all.insert(of, PriceRules::new(rows)),
        };
        Ok(())
    }
}
