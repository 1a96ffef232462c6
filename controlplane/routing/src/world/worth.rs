//! What times and currencies mean to a tenant, what a call costs by a tariff, and who resells.

use super::{BuildError, Problem, RowName, World};
use crate::limits::ORGANIZATION_DEPTH_MAX;
use crate::prefix::Chain;
use crate::tariff::{TariffDeck, Wanted};
use std::collections::BTreeMap;
use std::sync::Arc;
use strowger_billing::Terms;
use strowger_model::{
    Account, AccountId, Clock, Currency, DayParts, Digits, Exchange, ExchangeRate, FX_ONE,
    HOLIDAY_DAYS_MAX, Holiday, Holidays, Organization, OrganizationId, TariffKind, Tenant,
    TenantId, Zone,
};

/// Most rows of holidays, and of exchange rates, of one tenant.
const CALENDAR_ROWS_MAX: usize = 10_000;

/// A call whose price is wanted.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Priced<'a> {
    /// Called number.
    pub(crate) number: &'a Digits,
    /// Its prefixes.
    pub(crate) chain: &'a Chain,
    /// When it began, microseconds since 1970 UTC.
    pub(crate) began_us: i64,
    /// How far ahead of that prices are looked at, milliseconds.
    pub(crate) ms_max: u64,
    /// When the prices are in force.
    pub(crate) prices_us: i64,
}

/// Why a call has no price.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum NoTerms {
    /// The tariff has none for the number, or one that no call can have.
    Price,
    /// Nobody knows what its currency is worth.
    Exchange,
}

static UTC: Zone = Zone::UTC;
static NO_HOLIDAYS: Holidays = Holidays::NONE;

impl World {
    /// The time zone of a tenant; UTC where this host does not know it.
    #[must_use]
    pub fn zone(&self, tenant: &Tenant) -> &Zone {
        self.zones.get(&tenant.timezone).unwrap_or(&UTC)
    }

    /// The holidays of a tenant.
    #[must_use]
    pub fn holidays(&self, tenant: TenantId) -> &Holidays {
        self.holidays.get(&tenant).unwrap_or(&NO_HOLIDAYS)
    }

    /// The clock by which calls of a tenant to `number` are priced.
    #[must_use]
    pub fn clock<'a>(&'a self, tenant: &Tenant, number: &'a Digits) -> Clock<'a> {
        let parts: DayParts = self.settings.tenant(tenant.id).calendar.day_parts();
        let holidays = self.holidays(tenant.id);
        Clock { zone: self.zone(tenant), parts, holidays, number }
    }

    /// From a currency to another at a moment, by what both are worth in the tenant's own: rounded
    /// once, half away from zero. `None` when one of them has no rate in force.
    #[must_use]
    pub fn exchange(
        &self,
        tenant: &Tenant,
        from: Currency,
        to: Currency,
        at_us: i64,
    ) -> Option<Exchange> {
        if from == to {
            return Some(Exchange::same(to));
        }
        let worth = |currency| self.worth(tenant, currency, at_us).map(i128::from);
        let (from, own) = (worth(from)?, worth(to)?);
        let rate = (from * i128::from(FX_ONE) * 2 + own).div_euclid(own * 2);
        Exchange::new(i64::try_from(rate).ok()?, to)
    }

    /// What one unit of a currency is worth in the tenant's, 1e-9.
    fn worth(&self, tenant: &Tenant, currency: Currency, at_us: i64) -> Option<i64> {
        if currency == tenant.currency {
            return Some(FX_ONE);
        }
        let rows = self.exchange_rates.get(&tenant.id)?;
        let before = rows.partition_point(|r| (r.currency, r.from_us) <= (currency, at_us));
        let row = rows.get(before.checked_sub(1)?)?;
        (row.currency == currency).then_some(row.rate)
    }

    /// Whether a currency can ever be told in the tenant's.
    pub(super) fn has_worth(&self, tenant: &Tenant, currency: Currency) -> bool {
        let rows = self.exchange_rates.get(&tenant.id);
        currency == tenant.currency
            || rows.is_some_and(|rows| rows.iter().any(|row| row.currency == currency))
    }

    /// What `account` of `tenant` pays by a tariff for a call: prices over its time, counted from
    /// its beginning, its discount, and the exchange rate of its beginning.
    pub(crate) fn terms(
        &self,
        deck: &TariffDeck,
        (tenant, account): (&Tenant, &Account),
        call: Priced<'_>,
    ) -> Result<Terms, NoTerms> {
        let Priced { number, chain, began_us, ms_max, prices_us } = call;
        let found = match deck.is_timed() {
            true => {
                let clock = self.clock(tenant, number);
                deck.price_as_of(chain, &clock, (began_us, ms_max), prices_us)
            }
            false => deck.flat_price(chain, Wanted { wall_us: prices_us, digits: number.len() }),
        };
        let (rate, prices) = found.ok_or(NoTerms::Price)?;
        let (from, to) = (deck.tariff().currency, account.currency);
        let exchange = self.exchange(tenant, from, to, began_us).ok_or(NoTerms::Exchange)?;
        let discount = account.discount_bp(number);
        let terms = Terms::of(deck.tariff(), &rate, discount, exchange);
        let terms = terms.map_err(|_| NoTerms::Price)?;
        let rule = self.settings().tenant(tenant.id).calendar.class_rule;
        let own_tax = match deck.tariff().kind {
            TariffKind::Customer => self.account_settings(account.id).price.vat_ppm,
            TariffKind::Supplier => None,
        };
        let terms = Terms { vat_ppm: own_tax.unwrap_or(terms.vat_ppm), ..terms };
        Ok(terms.with_prices(prices, rule))
    }

    /// The account that pays for the calls of an organization and those below it.
    #[must_use]
    pub fn reseller(&self, id: OrganizationId) -> Option<&Account> {
        self.account(*self.resellers.get(&id)?)
    }

    /// The accounts that resell above an account, from below upwards.
    pub fn resellers_above(&self, account: &Account) -> impl Iterator<Item = &Account> {
        let own = account.id;
        let first = self.organization(account.organization);
        let above = |of: &&Organization| of.parent.and_then(|parent| self.organization(parent));
        let line = core::iter::successors(first, above).take(ORGANIZATION_DEPTH_MAX + 1);
        line.filter_map(|of| self.reseller(of.id)).filter(move |reseller| reseller.id != own)
    }

    /// Whether who resells pays when he hands credit out, and not call by call: so he is set, or
    /// somebody above him is, for then all credit below that one was paid for.
    #[must_use]
    pub fn is_early(&self, reseller: &Account) -> bool {
        if self.early.is_empty() {
            return false;
        }
        let is_set = |account: &Account| self.early.contains(&account.id);
        is_set(reseller) || self.resellers_above(reseller).any(is_set)
    }

    /// The account that pays for what is paid into `account`: the nearest that resells above it, if
    /// that one pays early.
    #[must_use]
    pub fn credit_source(&self, account: AccountId) -> Option<&Account> {
        let nearest = self.resellers_above(self.account(account)?).next()?;
        self.is_early(nearest).then_some(nearest)
    }

    /// An organization has one account that resells at most.
    pub(super) fn check_reseller(&self, row: &Account) -> Result<(), BuildError> {
        let by = self.resellers.get(&row.organization).filter(|_| row.resells);
        match by.filter(|by| **by != row.id) {
            None => Ok(()),
            Some(by) => {
                let problem = Problem::Taken { field: "resells", by: RowName::Account(*by) };
                Err(BuildError { row: RowName::Account(row.id), problem })
            }
        }
    }

    pub(super) fn put_reseller(&mut self, row: &Account) {
        let is_early = row.resells && row.resells_early;
        if is_early != self.early.contains(&row.id) {
            let early = Arc::make_mut(&mut self.early);
            if is_early {
                early.insert(row.id)
            } else {
                early.remove(&row.id)
            };
        }
        let was = self.resellers.get(&row.organization) == Some(&row.id);
        if was && row.resells {
            return;
        }
        self.remove_reseller(row.id);
        if row.resells {
            Arc::make_mut(&mut self.resellers).insert(row.organization, row.id);
        }
    }

    fn remove_reseller(&mut self, id: AccountId) {
        if self.resellers.values().any(|account| *account == id) {
            Arc::make_mut(&mut self.resellers).retain(|_, account| *account != id);
        }
    }

    pub(super) fn forget_reseller(&mut self, id: AccountId) {
        self.remove_reseller(id);
        if self.early.contains(&id) {
            Arc::make_mut(&mut self.early).remove(&id);
        }
    }

    pub(super) fn put_holidays(
        &mut self,
        of: TenantId,
        rows: &[Holiday],
    ) -> Result<(), BuildError> {
        for row in rows {
            let name = RowName::Holiday(row.id);
            self.check_same_tenant(name, of, row.tenant)?;
            let days = row.until_day.checked_sub(row.from_day);
            let fits = days.is_some_and(|days| (0..HOLIDAY_DAYS_MAX).contains(&days));
            if !fits {
                return Err(BuildError {
                    row: name,
                    problem: Problem::OutOfRange { field: "until" },
                });
            }
        }
        few(rows.len(), rows.last().map(|row| RowName::Holiday(row.id)))?;
        Arc::make_mut(&mut self.holidays).insert(of, Holidays::of(rows));
        Ok(())
    }

    pub(super) fn put_exchange_rates(
        &mut self,
        of: TenantId,
        mut rows: Vec<ExchangeRate>,
    ) -> Result<(), BuildError> {
        let mut seen: BTreeMap<(Currency, i64), RowName> = BTreeMap::new();
        for row in &rows {
            let name = RowName::ExchangeRate(row.id);
            self.check_same_tenant(name, of, row.tenant)?;
            let wrong = |problem| Err(BuildError { row: name, problem });
            if row.rate <= 0 {
                return wrong(Problem::OutOfRange { field: "rate" });
            }
            let own = self.tenant(of).map(|tenant| tenant.currency);
            if own == Some(row.currency) {
                let other = RowName::Tenant(of);
                return wrong(Problem::Mismatch { field: "currency", other });
            }
            if let Some(by) = seen.insert((row.currency, row.from_us), name) {
                return wrong(Problem::Taken { field: "from", by });
            }
        }
        few(rows.len(), rows.last().map(|row| RowName::ExchangeRate(row.id)))?;
        rows.sort_by_key(|row| (row.currency, row.from_us));
        Arc::make_mut(&mut self.exchange_rates).insert(of, rows);
        self.check_worths(of)
    }

    /// A tenant's own currency is worth itself.
    pub(super) fn check_own_currency(&self, tenant: &Tenant) -> Result<(), BuildError> {
        let rates = self.exchange_rates.get(&tenant.id);
        match rates.and_then(|rates| rates.iter().find(|r| r.currency == tenant.currency)) {
            None => Ok(()),
            Some(rate) => {
                let other = RowName::ExchangeRate(rate.id);
                let problem = Problem::Mismatch { field: "currency", other };
                Err(BuildError { row: RowName::Tenant(tenant.id), problem })
            }
        }
    }

    /// Whoever pays or charges by a tariff of another currency still can.
    fn check_worths(&self, of: TenantId) -> Result<(), BuildError> {
        for account in self.accounts().filter(|account| account.tenant == of) {
            if let Some(id) = account.tariff {
                let name = RowName::Account(account.id);
                self.check_tariff_for(name, account, id, TariffKind::Customer)?;
            }
        }
        for trunk in self.trunks().filter(|trunk| trunk.tenant == of) {
            let Some(egress) = &trunk.egress else { continue };
            if let Some((id, account)) = egress.tariff.zip(self.account(egress.account)) {
                let name = RowName::Trunk(trunk.id);
                self.check_tariff_for(name, account, id, TariffKind::Supplier)?;
            }
        }
        Ok(())
    }
}

fn few(len: usize, last: Option<RowName>) -> Result<(), BuildError> {
    match last {
        Some(row) if len > CALENDAR_ROWS_MAX => {
            let problem = Problem::TooMany { field: "rows of the tenant", max: CALENDAR_ROWS_MAX };
            Err(BuildError { row, problem })
        }
        Some(_) | None => Ok(()),
    }
}

#[cfg(test)]
mod tests;
