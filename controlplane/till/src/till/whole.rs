//! What all accounts of a tenant spend together, and its limits.

use super::{Held, Place, Till};
use crate::account::{Account, clamp};
use crate::period::{Since, Spendings};
use crate::{PERIODS, Spent};
use strowger_model::{Amount, TenantId};

impl Till {
    /// What accounts of a tenant have spent together in its newest day and month; `None` when none
    /// of them ever spent anything, nor is there a limit.
    #[must_use]
    pub fn tenant_spent(&self, tenant: TenantId) -> Option<[Spent; PERIODS]> {
        self.tenants.get(&tenant).map(Spendings::spent)
    }

    pub(super) fn limit_tenant(&mut self, tenant: TenantId, spend_max: [Option<Amount>; PERIODS]) {
        self.tenants.entry(tenant).or_insert(Spendings::NEW).limit(spend_max);
        // Whoever it cut short may go on now.
        let mut waiting: Vec<Place> = self.last.iter().map(|(place, _)| *place).collect();
        waiting.dedup();
        let is_own = |place: &Place| {
            let account = self.accounts.get(*place);
            account.is_some_and(|account| account.tenant == Some(tenant))
        };
        waiting.retain(is_own);
        waiting.into_iter().for_each(|place| self.rise(place));
    }

    /// The tenant in whose spending a payer counts.
    pub(super) fn whole_of(&self, held: &Held) -> Option<TenantId> {
        self.accounts.get(held.place).filter(|_| held.counts).and_then(|account| account.tenant)
    }

    /// What an account is charged counts in its tenant's spending.
    pub(super) fn charge_tenant(&mut self, place: Place, since: Since, charge: Amount) {
        if let Some(tenant) = self.accounts.get(place).and_then(|account| account.tenant) {
            self.tenants.entry(tenant).or_insert(Spendings::NEW).charge(since, charge);
        }
    }

    /// What is held of an account changes to `after`.
    pub(super) fn change_hold(&mut self, held: &mut Held, after: Amount) {
        let whole = self.whole_of(held);
        let Some(account) = self.accounts.get_mut(held.place) else { return };
        account.hold(held.since, held.amount, after);
        if let Some(tenant) = whole {
            let whole = self.tenants.entry(tenant).or_insert(Spendings::NEW);
            whole.hold(held.since, held.amount, after);
        }
        held.amount = after;
    }

    /// What the tenant's whole leaves one of the levels of a call: its share of it, where several
    /// count there. `None` = without end.
    pub(super) fn tenant_share(&self, held: &Held, levels: &[Held]) -> Option<Amount> {
        let tenant = self.whole_of(held)?;
        let whole = self.tenants.get(&tenant)?;
        let counts = || levels.iter().filter(|other| self.whole_of(other) == Some(tenant));
        let own: i128 = counts().map(|other| i128::from(other.amount.0)).sum();
        let left = whole.available(held.since, clamp(own))?;
        let shares = i128::try_from(counts().count().max(1)).unwrap_or(i128::MAX);
        Some(clamp(left.div_euclid(shares)))
    }

    /// Calls must be held for: by the account's own limits, or its tenant's.
    pub(super) fn is_limited(&self, held: &Held) -> bool {
        let own = self.accounts.get(held.place).is_some_and(Account::is_limited);
        let whole = self.whole_of(held).and_then(|tenant| self.tenants.get(&tenant));
        own || whole.is_some_and(Spendings::is_limited)
    }
}
