//! The firewall by caller: who may not call, and who may whatever others may not (spec FW-01); whom
//! a subscriber takes calls from (USER-RESTR-02), and which numbers are not called for a while
//! (ACL-BL-03).
//!
//! A rule is about the calls of an account, about callers whose number begins so, or about both. It
//! says which of their calls: all, those to one subscriber, or those that leave us to numbers that
//! begin so. The three are gates of their own, one behind the other.
//!
//! At a gate one rule decides: of those about the caller's account the one with the longest prefix,
//! and without one, of those about all accounts the one with the longest prefix. So a number, which
//! may be made up, never opens what an account is closed for. Where calls leave us, the longest
//! beginning of the called number that has such a rule counts alone.

use crate::page::PageMap;
use strowger_model::{
    AccountId, CallerRule, CallerRuleId, Digits, NUMBER_MAX, SubscriberId, TenantId,
};

/// Which calls a rule is about.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
enum Whom {
    /// All.
    Anybody,
    /// Those to a subscriber.
    Subscriber(SubscriberId),
    /// Those that leave us to numbers that begin so.
    Outside(Digits),
}

/// Whose calls a rule is about, and which; in a tenant only one rule says so.
type Key = (TenantId, Whom, Option<AccountId>, Digits);

/// All rules about callers, indexed.
#[derive(Clone, Debug, Default)]
pub struct CallerRules {
    rules: PageMap<CallerRuleId, CallerRule>,
    keys: PageMap<Key, CallerRuleId>,
    // Rules about calls to a subscriber: most switches have none.
    inside: usize,
    // Rules about called numbers, and how many of them name one digit, two and so on.
    outside: usize,
    lengths: [u32; NUMBER_MAX],
}

/// A caller at a moment.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct CallerAt {
    /// Tenant.
    pub tenant: TenantId,
    /// Who pays.
    pub account: AccountId,
    /// Canonical; empty when there is none.
    pub number: Digits,
    /// When he calls, microseconds since 1970 UTC.
    pub at_us: i64,
}

impl CallerRules {
    /// The rule that decides on a caller, whomever he calls. `None`: no rule is about it.
    #[must_use]
    pub fn deciding(&self, caller: CallerAt) -> Option<&CallerRule> {
        if self.rules.is_empty() {
            return None;
        }
        self.at_gate(Whom::Anybody, caller)
    }

    /// The rule that decides whether a caller may call a subscriber.
    #[must_use]
    pub fn deciding_to(&self, callee: SubscriberId, caller: CallerAt) -> Option<&CallerRule> {
        if self.inside == 0 {
            return None;
        }
        self.at_gate(Whom::Subscriber(callee), caller)
    }

    /// The rule that decides whether a caller may call a number outside.
    #[must_use]
    pub fn deciding_out(&self, called: &Digits, caller: CallerAt) -> Option<&CallerRule> {
        if self.outside == 0 {
            return None;
        }
        let has_rules = |len: &usize| {
            let rules = len.checked_sub(1).and_then(|at| self.lengths.get(at));
            rules.is_some_and(|rules| *rules > 0)
        };
        (1..=called.len()).rev().filter(has_rules).find_map(|len| {
            let prefix = Digits::parse(called.as_str().get(..len)?).ok()?;
            self.at_gate(Whom::Outside(prefix), caller)
        })
    }

    fn at_gate(&self, whom: Whom, caller: CallerAt) -> Option<&CallerRule> {
        let CallerAt { tenant, account, number, at_us } = caller;
        let in_force = |rule: &&CallerRule| {
            rule.from_us <= at_us && rule.until_us.is_none_or(|until| at_us < until)
        };
        [Some(account), None].into_iter().find_map(|of| {
            (0..=number.len()).rev().find_map(|len| {
                let prefix = match len {
                    0 => Digits::EMPTY,
                    _ => Digits::parse(number.as_str().get(..len)?).ok()?,
                };
                let id = self.keys.get(&(tenant, whom, of, prefix))?;
                self.rules.get(id).filter(in_force)
            })
        })
    }

    /// Some rule is about calls to a subscriber.
    pub(crate) const fn has_callees(&self) -> bool {
        self.inside > 0
    }

    /// Some rule is about called numbers.
    pub(crate) const fn has_called(&self) -> bool {
        self.outside > 0
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
        match whom(&row) {
            Whom::Anybody => {}
            Whom::Subscriber(_) => self.inside = self.inside.saturating_add(1),
            Whom::Outside(called) => {
                self.outside = self.outside.saturating_add(1);
                let rules = self.of_length(&called);
                rules.into_iter().for_each(|rules| *rules = rules.saturating_add(1));
            }
        }
        self.keys.insert(key(&row), row.id);
        self.rules.insert(row.id, row);
    }

    pub(crate) fn remove(&mut self, id: CallerRuleId) {
        let Some(old) = self.rules.remove(&id) else { return };
        match whom(&old) {
            Whom::Anybody => {}
            Whom::Subscriber(_) => self.inside = self.inside.saturating_sub(1),
            Whom::Outside(called) => {
                self.outside = self.outside.saturating_sub(1);
                let rules = self.of_length(&called);
                rules.into_iter().for_each(|rules| *rules = rules.saturating_sub(1));
            }
        }
        self.keys.remove(&key(&old));
    }

    fn of_length(&mut self, called: &Digits) -> Option<&mut u32> {
        self.lengths.get_mut(called.len().checked_sub(1)?)
    }
}

const fn whom(row: &CallerRule) -> Whom {
    match row.subscriber {
        Some(id) => Whom::Subscriber(id),
        None if row.called.is_empty() => Whom::Anybody,
        None => Whom::Outside(row.called),
    }
}

const fn key(row: &CallerRule) -> Key {
    (row.tenant, whom(row), row.account, row.prefix)
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
            subscriber: None,
            called: Digits::EMPTY,
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

    fn caller(account: i64, number: &str, at_us: i64) -> CallerAt {
        let number = if number.is_empty() { Digits::EMPTY } else { testing::digits(number) };
        CallerAt { tenant: TenantId(1), account: AccountId(account), number, at_us }
    }

    fn decides(rules: &CallerRules, account: i64, number: &str, at_us: i64) -> i64 {
        let rule = rules.deciding(caller(account, number, at_us));
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
        let other = rules.deciding(CallerAt { tenant: TenantId(2), ..caller(5, "4477", 10) });
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

    #[test]
    fn each_gate_has_rules_of_its_own() {
        let to = |id, subscriber, account, prefix, allow| CallerRule {
            subscriber: Some(SubscriberId(subscriber)),
            ..rule(id, account, prefix, allow)
        };
        let mut rules = rules(&[
            rule(1, 5, "", false),
            to(2, 7, 0, "", false),
            to(3, 7, 5, "", true),
            to(4, 8, 0, "4477", false),
        ]);
        let said = |rules: &CallerRules, callee, account, number| {
            let rule = rules.deciding_to(SubscriberId(callee), caller(account, number, 10));
            rule.map_or(0, |rule| rule.id.0)
        };
        assert_eq!(decides(&rules, 5, "", 10), 1);
        assert_eq!(decides(&rules, 6, "447712", 10), 0, "it is about calls to a subscriber");
        assert_eq!((said(&rules, 7, 6, "4420"), said(&rules, 7, 5, "4420")), (2, 3));
        assert_eq!((said(&rules, 8, 6, "447712"), said(&rules, 8, 6, "4420")), (4, 0));
        assert_eq!(said(&rules, 9, 5, ""), 0, "what closes an account is the first gate's");
        [2, 3, 4].into_iter().for_each(|id| rules.remove(CallerRuleId(id)));
        assert_eq!((rules.inside, said(&rules, 7, 6, "")), (0, 0));
    }

    #[test]
    fn where_calls_leave_us_the_longest_beginning_of_the_called_number_counts() {
        let out = |id, called, account, prefix, allow| CallerRule {
            called: testing::digits(called),
            ..rule(id, account, prefix, allow)
        };
        let ends = CallerRule { until_us: Some(20), ..out(4, "44901", 0, "", true) };
        let mut rules = rules(&[
            out(1, "44", 5, "", false),
            out(2, "4490", 0, "", false),
            out(3, "4490", 0, "4420", true),
            ends,
        ]);
        let said = |rules: &CallerRules, account, number, called, at_us| {
            let called = testing::digits(called);
            let rule = rules.deciding_out(&called, caller(account, number, at_us));
            rule.map_or(0, |rule| rule.id.0)
        };
        for (account, number, called, at_us, expect) in [
            (5, "1", "4412", 10, 1),
            (6, "1", "4412", 10, 0),
            (6, "1", "449022", 10, 2),
            (6, "44201", "449022", 10, 3),
            (6, "1", "449012", 10, 4),
            (6, "1", "449012", 20, 2),
            (5, "1", "4490", 10, 2),
            (6, "1", "449", 10, 0),
        ] {
            let got = said(&rules, account, number, called, at_us);
            assert_eq!(got, expect, "{account} {number} {called} {at_us}");
        }
        assert_eq!(rules.holder(&out(9, "4490", 0, "4420", false)), Some(CallerRuleId(3)));
        // Changed, it is about all calls.
        rules.put(rule(2, 6, "", false));
        assert_eq!((said(&rules, 6, "1", "449022", 10), decides(&rules, 6, "1", 10)), (0, 2));
        [1, 2, 3, 4].into_iter().for_each(|id| rules.remove(CallerRuleId(id)));
        assert_eq!((rules.outside, rules.lengths), (0, [0; NUMBER_MAX]));
    }
}
