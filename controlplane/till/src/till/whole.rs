//! What all accounts of a tenant spend together, and its limits.

use super::{Held, Place, Till};
use crate::account::{Account, clamp};
use crate::period::{Since, Spendings};
use crate::{PERIODS, Spent};
use strowger_model::{Amount, TenantId};

impl Till {
    /// What accounts of a tenant have spent together in its newest day and month; `None` when there
    /// is no limit of it: nobody counts then.
    #[must_use]
    pub fn tenant_spent(&self, tenant: TenantId) -> Option<[Spent; PERIODS]> {
        self.tenants.get(&tenant).map(Spendings::spent)
    }

    pub(super) fn limit_tenant(&mut self, tenant: TenantId, spend_max: [Option<Amount>; PERIODS]) {
        if spend_max.iter().all(Option::is_none) {
            self.tenants.remove(&tenant);
        } else if let Some(whole) = self.tenants.get_mut(&tenant) {
            whole.limit(spend_max);
        } else {
            let mut whole = self.whole_so_far(tenant);
            whole.limit(spend_max);
            self.tenants.insert(tenant, whole);
        }
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

    /// What accounts of a tenant have spent together before anybody counted: the sum of what each
    /// has spent, and of what calls hold.
    fn whole_so_far(&self, tenant: TenantId) -> Spendings {
        let mut whole = Spendings::NEW;
        for (_, account) in self.accounts.iter() {
            if account.counts && account.tenant == Some(tenant) {
                whole.absorb_used(&account.spendings);
            }
        }
        for held in self.holds.values().flat_map(|hold| &hold.levels) {
            if self.whole_of(held) == Some(tenant) {
                whole.hold(held.since, Amount::ZERO, held.amount);
            }
        }
        whole
    }

    /// The tenant in whose spending a payer counts.
    pub(super) fn whole_of(&self, held: &Held) -> Option<TenantId> {
        if !held.counts {
            return None;
        }
        self.tenant_of(held.place)
    }

    pub(super) fn tenant_of(&self, place: Place) -> Option<TenantId> {
        self.accounts.get(place).and_then(|account| account.tenant)
    }

    /// The same, where there is a limit of it.
    fn limited_whole(&self, held: &Held) -> Option<(TenantId, &Spendings)> {
        if self.tenants.is_empty() {
            return None;
        }
        let tenant = self.whole_of(held)?;
        self.tenants.get(&tenant).map(|whole| (tenant, whole))
    }

    /// What an account is charged counts in its tenant's spending.
    pub(super) fn charge_tenant(&mut self, place: Place, since: Since, charge: Amount) {
        if self.tenants.is_empty() {
            return;
        }
        let tenant = self.tenant_of(place);
        if let Some(whole) = tenant.and_then(|tenant| self.tenants.get_mut(&tenant)) {
            whole.charge(since, charge);
        }
    }

    /// What is held of an account changes to `after`.
    pub(super) fn change_hold(&mut self, held: &mut Held, after: Amount) {
        let Some(account) = self.accounts.get_mut(held.place) else { return };
        match held.packet {
            None => account.hold(held.since, held.amount, after),
            Some(packet) => {
                let by = self.packets.hold(packet, held.amount, after);
                account.hold_beyond(held.since, (held.amount, after), by);
            }
        }
        let tenant = account.tenant.filter(|_| held.counts && !self.tenants.is_empty());
        if let Some(whole) = tenant.and_then(|tenant| self.tenants.get_mut(&tenant)) {
            whole.hold(held.since, held.amount, after);
        }
        held.amount = after;
    }

    /// What the tenant's whole leaves one of the levels of a call: its share of it, where several
    /// count there. `None` = without end.
    pub(super) fn tenant_share(&self, held: &Held, levels: &[Held]) -> Option<Amount> {
        let (tenant, whole) = self.limited_whole(held)?;
        let counts = || levels.iter().filter(|other| self.whole_of(other) == Some(tenant));
        let own: i128 = counts().map(|other| i128::from(other.amount.0)).sum();
        let left = whole.available(held.since, clamp(own))?;
        let shares = i128::try_from(counts().count().max(1)).unwrap_or(i128::MAX);
        Some(clamp(left.div_euclid(shares)))
    }

    /// Calls must be held for: by the account's own limits, or its tenant's.
    pub(super) fn is_limited(&self, held: &Held) -> bool {
        let own = self.accounts.get(held.place).is_some_and(Account::is_limited);
        own || self.limited_whole(held).is_some_and(|(_, whole)| whole.is_limited())
    }
}
