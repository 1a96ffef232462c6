//! Tariffs: what stands over their price lines, which are changed by revisions.

use super::{Later, Resource};
use crate::codec::{Flag, Ident, Int, Iso4217, NAME, words};
use crate::field::{Object, object};
use crate::query::Filter;
use crate::value::Worded;
use strowger_model::{
    Currency, OrganizationId, RAW_DIGITS, Rounding, RoundingMode, Tariff, TariffId, TariffKind,
    TenantId,
};
use strowger_routing::{Change, RowName};
use strowger_store::Writer;

/// Highest tax rate, millionths (1000 %).
const VAT_PPM_MAX: i64 = 10_000_000;

object! {
    /// How the amount of one call is rounded.
    ROUNDING: Rounding as "Rounding", rounding();
    /// Digits behind the point.
    digits: Free Int(0, RAW_DIGITS as i64) => digits;
    /// Direction.
    mode: Free words::<RoundingMode>() => mode;
}

object! {
    /// A list of prices; its lines are changed by revisions.
    TARIFF: Tariff as "Tariff", blank();
    /// Identity.
    id: Shown Ident => id;
    /// Tenant; that of the token where it has one.
    tenant: Fixed Ident => tenant;
    /// Shown name.
    name: Need NAME => name;
    /// Currency of its prices, ISO 4217.
    currency: Fixed Iso4217 => currency;
    /// Whose prices: what customers pay us, or what we pay suppliers.
    kind: Fixed words::<TariffKind>() => kind;
    /// How the amount of one call is rounded.
    rounding: Free &ROUNDING => rounding;
    /// Value added tax, millionths (20 % = 200000).
    vat_ppm: Free Int(0, VAT_PPM_MAX) => vat_ppm;
    /// Prices contain the tax; otherwise it is added.
    vat_included: Free Flag => vat_included;
}

fn rounding() -> Rounding {
    Rounding { digits: Currency::EUR.ledger_digits(), mode: RoundingMode::default() }
}

fn blank() -> Tariff {
    Tariff {
        id: TariffId(0),
        tenant: TenantId(0),
        name: String::new(),
        currency: Currency::EUR,
        kind: TariffKind::Customer,
        rounding: rounding(),
        vat_ppm: 0,
        vat_included: false,
    }
}

impl Resource for Tariff {
    type Row = Tariff;
    const PATH: &'static str = "tariffs";
    const FILTERS: &'static [Filter] = &[
        Filter::id("tenant", "tenant_id"),
        Filter::text("name"),
        Filter::text("currency"),
        Filter::word("kind", TariffKind::WORDS),
    ];

    fn object() -> &'static Object<Self> {
        &TARIFF
    }

    fn of(row: Tariff) -> Self {
        row
    }

    fn row(&self) -> &Tariff {
        self
    }

    fn set_id(&mut self, id: i64) {
        self.id = TariffId(id);
    }

    fn owner(&self) -> (Option<TenantId>, Option<OrganizationId>) {
        (Some(self.tenant), None)
    }

    fn name(&self) -> Option<RowName> {
        Some(RowName::Tariff(self.id))
    }

    fn world<'a>(
        w: &'a mut Writer<'static>,
        rows: &'a [Self],
        is_gone: bool,
    ) -> Later<'a, Vec<Change>> {
        Box::pin(async move {
            let mut changes = Vec::with_capacity(rows.len());
            for row in rows {
                changes.push(match is_gone {
                    true => Change::Remove(RowName::Tariff(row.id)),
                    false => Change::Tariff(row.clone(), w.tariff_rates(row.id).await?),
                });
            }
            Ok(changes)
        })
    }

    fn forget<'a>(&'a self, w: &'a mut Writer<'static>) -> Later<'a, ()> {
        Box::pin(async move { Ok(w.delete_revisions(self.id).await?) })
    }
}
