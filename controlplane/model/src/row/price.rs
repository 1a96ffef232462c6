//! Rules about prices: by which tariff accounts pay that have none of their own (spec PRICE-GRP-01,
//! PRICE-PKT-01, PRICE-ASSIGN-01).

use crate::{Digits, OrganizationId, PriceRuleId, TariffId, TenantId, TimeClass, TrunkId};

/// Most rules about prices of one tenant: all of them may be looked at for one call.
pub const PRICE_RULES_MAX: usize = 1_000;
/// Most beginnings of numbers in one list of a rule.
pub const PRICE_RULE_PREFIXES_MAX: usize = 1_000;
/// Most trunks, and most tech prefixes, in one list of a rule.
pub const PRICE_RULE_TRUNKS_MAX: usize = 100;
/// Most classes of times in one list of a rule.
pub const PRICE_RULE_TIMES_MAX: usize = 64;

/// Which accounts pay which calls by which tariff.
///
/// An account's own tariff goes before all rules. Of the rules that fit a call the one with the
/// larger priority is asked first, of equals the older; one whose tariff has no price for the
/// number says nothing, and the next is asked.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct PriceRule {
    /// Identity.
    pub id: PriceRuleId,
    /// Tenant.
    pub tenant: TenantId,
    /// Shown name.
    pub name: String,
    /// It counts.
    pub enabled: bool,
    /// Larger is asked first.
    pub priority: i32,
    /// Accounts of this organization or of one below it, `None` = all of the tenant.
    pub organization: Option<OrganizationId>,
    /// Callers' numbers it is for, by their beginnings; empty = all.
    pub callers: Vec<Digits>,
    /// Called numbers it is for, by their beginnings; empty = all.
    pub called: Vec<Digits>,
    /// For calls that these trunks send; empty = whoever makes them.
    pub trunks: Vec<TrunkId>,
    /// For calls that come by a trunk with one of these tech prefixes; empty = by whatever way.
    pub tech_prefixes: Vec<Digits>,
    /// For calls that begin in these times, by the tenant's clock; empty = always.
    pub times: Vec<TimeClass>,
    /// And not in these, whatever `times` says.
    pub except_times: Vec<TimeClass>,
    /// For calls that begin at or after, microseconds; `None` = ever since.
    pub from_us: Option<i64>,
    /// For calls that begin before, microseconds; `None` = without end.
    pub until_us: Option<i64>,
    /// By this tariff; `None` = not at all: the call has no price and is refused.
    pub tariff: Option<TariffId>,
}

impl PriceRule {
    /// Whether a call that begins at `at_us` may be meant, whoever calls whom at what time of the
    /// day.
    #[must_use]
    pub fn is_valid(&self, at_us: i64) -> bool {
        self.from_us.is_none_or(|from_us| from_us <= at_us)
            && self.until_us.is_none_or(|until_us| at_us < until_us)
    }

    /// Whether calls of somebody with this number are meant; `None` = nobody knows it.
    #[must_use]
    pub fn is_for_caller(&self, number: Option<&Digits>) -> bool {
        self.callers.is_empty() || number.is_some_and(|number| begins(&self.callers, number))
    }
}

impl PriceRule {
    /// Whether calls are meant that came by this trunk with its tech prefix; `None` = by none.
    #[must_use]
    pub fn is_for_sender(&self, sender: Option<(TrunkId, Option<Digits>)>) -> bool {
        let (trunk, prefix) = (sender.map(|(trunk, _)| trunk), sender.and_then(|(_, own)| own));
        (self.trunks.is_empty() || trunk.is_some_and(|id| self.trunks.contains(&id)))
            && (self.tech_prefixes.is_empty()
                || prefix.is_some_and(|own| self.tech_prefixes.contains(&own)))
    }
}

/// Whether a number begins as one of the list says; any, when it says nothing.
fn begins(list: &[Digits], number: &Digits) -> bool {
    list.is_empty() || list.iter().any(|prefix| number.has_prefix(prefix))
}
