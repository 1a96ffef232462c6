//! The firewall by caller: who may not call, and who may whatever others may not (spec FW-01).
//!
//! A rule is about the calls of an account, about callers whose number begins so, or about both.
//! One rule decides: of those about the caller's account the one with the longest prefix, and
//! without one, of those about all accounts the one with the longest prefix. So a number, which
//! may be made up, never opens what an account is closed for.

use crate::page::PageMap;
use strowger_model::{AccountId, CallerRule, CallerRuleId, Digits, TenantId};

/// Whose calls a rule is about; in a tenant only one rule says so.
type Key = (TenantId, Option<AccountId>, Digits);

/// All rules about callers, indexed.
#[derive(Clone, Debug, Default)]
pub struct CallerRules {
    rules: PageMap<CallerRuleId, CallerRule>,
    keys: PageMap<Key, CallerRuleId>,
}

impl CallerRules {
    /// The rule that decides on a caller of `account` at `at_us`; `number` is canonical, empty when
    /// there is none. `None`: no rule is about it.
    #[must_use]
    pub fn deciding(
        &self,
        tenant: TenantId,
        account: AccountId,
        number: Digits,
        at_us: i64,
    ) -> Option<&CallerRule> {
        if self.rules.is_empty() {
            return None;
        }
        let in_force = |rule: &&CallerRule| {
            rule.from_us <= at_us && rule.until_us.is_none_or(|until| at_us < until)
        };
        [Some(account), None].into_iter().find_map(|of| {
            (0..=number.len()).rev().find_map(|len| {
                let prefix = match len {
                    0 => Digits::EMPTY,
                    _ => Digits::parse(number.as_str().get(..len)?).ok()?,
                };
                let id = self.keys.get(&(tenant, of, prefix))?;
                self.rules.get(id).filter(in_force)
            })
        })
    }

    /// All rules in order of ids.
    pub fn iter(&self) -> impl Iterator<Item = &CallerRule> {
        self.rules.iter().map(|(_, rule)| rule)
    }

    /// Which rule is about the same calls as `row` already.
    pub(crate) fn holder(&self, row: &CallerRule) -> Option<CallerRuleId> {
        self.keys.get(&key(row)).copied()
    }

    pub(crate) fn put(&mut self, row: CallerRule) {
        self.remove(row.id);
        self.keys.insert(key(&row), row.id);
        self.rules.insert(row.id, row);
    }

    pub(crate) fn remove(&mut self, id: CallerRuleId) {
        if let Some(old) = self.rules.remove(&id) {
            self.keys.remove(&key(&old));
        }
    }
}

const fn key(row: &CallerRule) -> Key {
    (row.tenant, row.account, row.prefix)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing;

    fn rule(id: i64, account: i64, prefix: &str, allow: bool) -> CallerRule {
        CallerRule {
            id: CallerRuleId(id),
            tenant: TenantId(1),
            account: (account != 0).then_some(AccountId(account)),
            prefix: if prefix.is_empty() { Digits::EMPTY } else { testing::digits(prefix) },
            allow,
            reason: String::new(),
            from_us: 10,
            until_us: None,
            automatic: false,
        }
    }

    fn rules(all: &[CallerRule]) -> CallerRules {
        let mut rules = CallerRules::default();
        all.iter().for_each(|rule| rules.put(rule.clone()));
        rules
    }

    fn decides(rules: &CallerRules, account: i64, number: &str, at_us: i64) -> i64 {
        let number = if number.is_empty() { Digits::EMPTY } else { testing::digits(number) };
        let rule = rules.deciding(TenantId(1), AccountId(account), number, at_us);
        rule.map_or(0, |rule| rule.id.0)
    }

    #[test]
    fn the_account_stands_before_the_number_and_the_longer_prefix_before_the_shorter() {
        let all = [
            rule(1, 0, "44", false),
            rule(2, 0, "4420", true),
            rule(3, 5, "", false),
            rule(4, 5, "442", true),
            rule(5, 6, "", true),
        ];
        let rules = rules(&all);
        for (account, number, expect) in [
            (1, "4477", 1),
            (1, "4420", 2),
            (1, "442071001", 2),
            (1, "49", 0),
            (1, "", 0),
            (5, "49", 3),
            (5, "", 3),
            (5, "4420", 4),
            (5, "4477", 3),
            (6, "4477", 5),
        ] {
            assert_eq!(decides(&rules, account, number, 10), expect, "{account} {number}");
        }
        let other = rules.deciding(TenantId(2), AccountId(5), testing::digits("4477"), 10);
        assert_eq!(other, None, "another tenant's");
    }

    #[test]
    fn a_rule_counts_from_its_beginning_to_its_end() {
        let ends = CallerRule { until_us: Some(20), ..rule(1, 0, "4477", false) };
        let mut rules = rules(&[ends, rule(2, 0, "44", true)]);
        for (at_us, expect) in [(9, 0), (10, 1), (19, 1), (20, 2)] {
            assert_eq!(decides(&rules, 1, "447700", at_us), expect, "{at_us}");
        }
        // Changed, it is no more about what it was about.
        rules.put(rule(1, 0, "49", false));
        assert_eq!((decides(&rules, 1, "447700", 10), decides(&rules, 1, "49", 10)), (2, 1));
        assert_eq!(rules.holder(&rule(9, 0, "49", true)), Some(CallerRuleId(1)));
        rules.remove(CallerRuleId(1));
        assert_eq!((decides(&rules, 1, "49", 10), rules.iter().count()), (0, 1));
        assert_eq!(rules.holder(&rule(9, 0, "49", true)), None);
    }
}
