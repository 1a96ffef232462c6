//! Tariffs and their price lines, holidays, exchange rates.

use super::{json_text, prefixes, strings};
use crate::column::{Columns, word_of};
use crate::{Cell, ConfigRow, StoreError};
use strowger_model::{
    Amount, ExchangeRate, ExchangeRateId, Holiday, HolidayId, Price, Rate, RateId, Rounding,
    RoundingMode, Tariff, TariffId, TariffKind, TenantId,
};

const TARIFF_KINDS: [(&str, TariffKind); 2] =
    [("customer", TariffKind::Customer), ("supplier", TariffKind::Supplier)];
const ROUNDINGS: [(&str, RoundingMode); 4] = [
    ("half-away", RoundingMode::HalfAway),
    ("up", RoundingMode::Up),
    ("down", RoundingMode::Down),
    ("half-even", RoundingMode::HalfEven),
];

impl ConfigRow for Tariff {
    const TABLE: &'static str = "tariffs";
    const COLUMNS: &'static [&'static str] = &[
        "id",
        "tenant_id",
        "name",
        "currency",
        "minor_digits",
        "kind",
        "rounding_digits",
        "rounding_mode",
        "vat_ppm",
        "vat_included",
    ];

    fn id(&self) -> i64 {
        self.id.0
    }

    fn cells(&self) -> Vec<Cell> {
        vec![
            self.id.0.into(),
            self.tenant.0.into(),
            self.name.as_str().into(),
            self.currency.code().into(),
            self.currency.minor_digits().into(),
            word_of(&TARIFF_KINDS, self.kind).into(),
            self.rounding.digits.into(),
            word_of(&ROUNDINGS, self.rounding.mode).into(),
            self.vat_ppm.into(),
            self.vat_included.into(),
        ]
    }

    fn read(c: &Columns<'_>) -> Result<Tariff, StoreError> {
        Ok(Tariff {
            id: TariffId(c.int("id")?),
            tenant: TenantId(c.int("tenant_id")?),
            name: c.text("name")?,
            currency: c.currency()?,
            kind: c.word("kind", &TARIFF_KINDS)?,
            rounding: Rounding {
                digits: c.small("rounding_digits")?,
                mode: c.word("rounding_mode", &ROUNDINGS)?,
            },
            vat_ppm: c.small("vat_ppm")?,
            vat_included: c.flag("vat_included")?,
        })
    }
}

impl ConfigRow for Rate {
    const TABLE: &'static str = "rates";
    const COLUMNS: &'static [&'static str] = &[
        "id",
        "tariff_id",
        "prefix",
        "class",
        "digits_min",
        "digits_max",
        "price",
        "step_s",
        "minimum_s",
        "free_s",
        "free_after_s",
        "connection_fee",
        "from_us",
        "until_us",
    ];

    fn id(&self) -> i64 {
        self.id.0
    }

    fn cells(&self) -> Vec<Cell> {
        vec![
            self.id.0.into(),
            self.tariff.0.into(),
            self.prefix.as_str().into(),
            self.class.to_string().into(),
            self.digits_min.into(),
            self.digits_max.into(),
            self.price.0.into(),
            self.step_s.into(),
            self.minimum_s.into(),
            self.free_s.into(),
            self.free_after_s.into(),
            self.connection_fee.0.into(),
            self.from_us.into(),
            self.until_us.into(),
        ]
    }

    fn read(c: &Columns<'_>) -> Result<Rate, StoreError> {
        Ok(Rate {
            id: RateId(c.int("id")?),
            tariff: TariffId(c.int("tariff_id")?),
            prefix: c.digits("prefix")?,
            class: c.parsed("class", "class of times")?,
            digits_min: c.small("digits_min")?,
            digits_max: c.small("digits_max")?,
            price: Price(c.int("price")?),
            step_s: c.small("step_s")?,
            minimum_s: c.small("minimum_s")?,
            free_s: c.small("free_s")?,
            free_after_s: c.small("free_after_s")?,
            connection_fee: Amount(c.int("connection_fee")?),
            from_us: c.int("from_us")?,
            until_us: c.int_or_null("until_us")?,
        })
    }
}

impl ConfigRow for Holiday {
    const TABLE: &'static str = "holidays";
    const COLUMNS: &'static [&'static str] =
        &["id", "tenant_id", "name", "from_day", "until_day", "working", "prefixes"];

    fn id(&self) -> i64 {
        self.id.0
    }

    fn cells(&self) -> Vec<Cell> {
        vec![
            self.id.0.into(),
            self.tenant.0.into(),
            self.name.as_str().into(),
            self.from_day.into(),
            self.until_day.into(),
            self.working.into(),
            json_text(&strings(&self.prefixes)).into(),
        ]
    }

    fn read(c: &Columns<'_>) -> Result<Holiday, StoreError> {
        Ok(Holiday {
            id: HolidayId(c.int("id")?),
            tenant: TenantId(c.int("tenant_id")?),
            name: c.text("name")?,
            from_day: c.small("from_day")?,
            until_day: c.small("until_day")?,
            working: c.flag("working")?,
            prefixes: prefixes(c, "prefixes")?,
        })
    }
}

impl ConfigRow for ExchangeRate {
    const TABLE: &'static str = "exchange_rates";
    const COLUMNS: &'static [&'static str] =
        &["id", "tenant_id", "currency", "minor_digits", "rate", "from_us"];

    fn id(&self) -> i64 {
        self.id.0
    }

    fn cells(&self) -> Vec<Cell> {
        vec![
            self.id.0.into(),
            self.tenant.0.into(),
            self.currency.code().into(),
            self.currency.minor_digits().into(),
            self.rate.into(),
            self.from_us.into(),
        ]
    }

    fn read(c: &Columns<'_>) -> Result<ExchangeRate, StoreError> {
        Ok(ExchangeRate {
            id: ExchangeRateId(c.int("id")?),
            tenant: TenantId(c.int("tenant_id")?),
            currency: c.currency()?,
            rate: c.int("rate")?,
            from_us: c.int("from_us")?,
        })
    }
}
