//! What times and currencies mean to a tenant: holidays, and exchange rates by date.

use super::route::whole;
use super::{Later, Resource};
use crate::codec::{Date, Factor, Flag, Ident, Iso4217, Moment, NAME, NUMBER, Set};
use crate::field::{Object, object};
use crate::query::Filter;
use strowger_model::{
    Currency, ExchangeRate, ExchangeRateId, Holiday, HolidayId, OrganizationId, TenantId,
};
use strowger_routing::{Change, RowName};
use strowger_store::Writer;

object! {
    /// Days that are holidays, or working days at a weekend, for prices and routes.
    HOLIDAY: Holiday as "Holiday", no_holiday();
    /// Identity.
    id: Shown Ident => id;
    /// Tenant; that of the token where it has one. Its time zone says when a day begins.
    tenant: Fixed Ident => tenant;
    /// Shown name.
    name: Need NAME => name;
    /// First day.
    from: Need Date => from_day;
    /// Last day, at most a year after the first.
    until: Need Date => until_day;
    /// A working day, even at a weekend, instead of a holiday.
    working: Free Flag => working;
    /// Called numbers that it is for, by prefix; none is all.
    prefixes: Free Set(NUMBER, 0, 64) => prefixes;
}

fn no_holiday() -> Holiday {
    Holiday {
        id: HolidayId(0),
        tenant: TenantId(0),
        name: String::new(),
        from_day: 0,
        until_day: 0,
        working: false,
        prefixes: Vec::new(),
    }
}

object! {
    /// What one unit of a currency is worth from a time on, in the tenant's own currency. Calls are
    /// charged by the rate in force when they begin.
    EXCHANGE_RATE: ExchangeRate as "ExchangeRate", no_rate();
    /// Identity.
    id: Shown Ident => id;
    /// Tenant; that of the token where it has one.
    tenant: Fixed Ident => tenant;
    /// The currency, ISO 4217; not the tenant's own.
    currency: Fixed Iso4217 => currency;
    /// Units of the tenant's currency for one of it.
    rate: Need Factor => rate;
    /// In force from then on, until a later one is. Unique for the currency.
    from: Need Moment => from_us;
}

fn no_rate() -> ExchangeRate {
    ExchangeRate {
        id: ExchangeRateId(0),
        tenant: TenantId(0),
        currency: Currency::EUR,
        rate: 0,
        from_us: 0,
    }
}

impl Resource for Holiday {
    type Row = Holiday;
    const PATH: &'static str = "holidays";
    const FILTERS: &'static [Filter] = &[Filter::id("tenant", "tenant_id"), Filter::text("name")];

    fn object() -> &'static Object<Self> {
        &HOLIDAY
    }

    fn of(row: Self) -> Self {
        row
    }

    fn row(&self) -> &Self {
        self
    }

    fn set_id(&mut self, id: i64) {
        self.id = HolidayId(id);
    }

    fn owner(&self) -> (Option<TenantId>, Option<OrganizationId>) {
        (Some(self.tenant), None)
    }

    fn name(&self) -> Option<RowName> {
        Some(RowName::Holiday(self.id))
    }

    fn world<'a>(
        w: &'a mut Writer<'static>,
        own: &'a [Self],
        is_gone: bool,
    ) -> Later<'a, Vec<Change>> {
        Box::pin(async move {
            let lists = whole(w, own, |row| row.tenant, is_gone).await?;
            Ok(lists.into_iter().map(|(tenant, list)| Change::Holidays(tenant, list)).collect())
        })
    }
}

impl Resource for ExchangeRate {
    type Row = ExchangeRate;
    const PATH: &'static str = "exchange-rates";
    const FILTERS: &'static [Filter] =
        &[Filter::id("tenant", "tenant_id"), Filter::text("currency")];

    fn object() -> &'static Object<Self> {
        &EXCHANGE_RATE
    }

    fn of(row: Self) -> Self {
        row
    }

    fn row(&self) -> &Self {
        self
    }

    fn set_id(&mut self, id: i64) {
        self.id = ExchangeRateId(id);
    }

    fn owner(&self) -> (Option<TenantId>, Option<OrganizationId>) {
        (Some(self.tenant), None)
    }

    fn name(&self) -> Option<RowName> {
        Some(RowName::ExchangeRate(self.id))
    }

    fn world<'a>(
        w: &'a mut Writer<'static>,
        own: &'a [Self],
        is_gone: bool,
    ) -> Later<'a, Vec<Change>> {
        Box::pin(async move {
            let lists = whole(w, own, |row| row.tenant, is_gone).await?;
            let change = |(tenant, list)| Change::ExchangeRates(tenant, list);
            Ok(lists.into_iter().map(change).collect())
        })
    }
}
