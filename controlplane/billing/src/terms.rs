//! A price by value: all that rating one call for one payer needs.

use std::num::NonZeroU32;
use strowger_model::{
    Amount, ClassRule, CostBound, Currency, Exchange, Measure, Prices, Pricing, RAW_DIGITS, Rate,
    RateId, Rounding, RoundingMode, Tariff, TariffId,
};

/// Highest tax rate, millionths (1000 %).
pub const VAT_PPM_MAX: u32 = 10_000_000;

/// The terms one payer (or supplier) has for one call.
///
/// They travel by value in the settlement, so a tariff published during a call never re-prices it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Terms {
    /// Tariff; `None` for a price of no tariff (calls inside a tenant).
    pub tariff: Option<TariffId>,
    /// Price line.
    pub rate: Option<RateId>,
    /// Prices, step, minimum, free amounts, fee, discount, currency. In a settlement its prices
    /// count from the beginning of the call; [`Terms::answered_after`] makes them count from
    /// answer.
    pub pricing: Pricing,
    /// What a call costs over whose talk another price begins.
    pub class_rule: ClassRule,
    /// Precision of the amount in the tariff's currency, and the direction of every rounding.
    pub rounding: Rounding,
    /// From the tariff's currency to the account's.
    pub exchange: Exchange,
    /// Value added tax, millionths.
    pub vat_ppm: u32,
    /// The price contains the tax; otherwise it is added.
    pub vat_included: bool,
}

/// Terms that no rate can have.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
pub enum BadTerms {
    /// A price below zero.
    #[error("the price is negative")]
    Price,
    /// A fee below zero or a discount above 100 %.
    #[error("the connection fee is negative or the discount is above 100 %")]
    FeeOrDiscount,
    /// A step of 0, or a duration of more than 49 days.
    #[error("the billing step is zero or a duration of the rate is too long")]
    Measure,
    /// More than [`RAW_DIGITS`] digits.
    #[error("the rounding keeps more digits than money has")]
    Digits,
    /// Above [`VAT_PPM_MAX`].
    #[error("the tax rate is too high")]
    Vat,
}

impl Terms {
    /// The terms of a price line of a tariff, for an account kept in `exchange`'s currency.
    ///
    /// # Errors
    /// [`BadTerms`] names what is out of range.
    pub fn of(
        tariff: &Tariff,
        rate: &Rate,
        discount: u16,
        exchange: Exchange,
    ) -> Result<Terms, BadTerms> {
        let Rate { step_s, minimum_s, free_s, free_after_s, .. } = *rate;
        let measure = Measure::of_seconds(step_s, minimum_s, free_s, free_after_s);
        let measure = measure.ok_or(BadTerms::Measure)?;
        Terms {
            tariff: Some(tariff.id),
            rate: Some(rate.id),
            pricing: Pricing {
                measure,
                prices: Prices::flat(rate.price).ok_or(BadTerms::Price)?,
                fee: rate.connection_fee,
                currency: tariff.currency,
                discount,
            },
            class_rule: ClassRule::Split,
            rounding: tariff.rounding,
            exchange,
            vat_ppm: tariff.vat_ppm,
            vat_included: tariff.vat_included,
        }
        .checked()
    }

    /// `price` per minute by the second, with no other condition, in the account's own currency.
    ///
    /// # Errors
    /// [`BadTerms::Price`] when negative.
    pub fn flat(price: strowger_model::Price, currency: Currency) -> Result<Terms, BadTerms> {
        let prices = Prices::flat(price).ok_or(BadTerms::Price)?;
        let step_ms = NonZeroU32::MIN.saturating_add(999);
        Ok(Terms {
            tariff: None,
            rate: None,
            pricing: Pricing {
                measure: Measure { step_ms, minimum_ms: 0, free_ms: 0, free_after_ms: 0 },
                prices,
                fee: Amount::ZERO,
                currency,
                discount: 0,
            },
            class_rule: ClassRule::Split,
            rounding: Rounding { digits: currency.ledger_digits(), mode: RoundingMode::default() },
            exchange: Exchange::same(currency),
            vat_ppm: 0,
            vat_included: false,
        })
    }

    /// These terms, if every value is in range.
    ///
    /// # Errors
    /// [`BadTerms`] names the first that is not.
    pub fn checked(self) -> Result<Terms, BadTerms> {
        self.check().map(|()| self)
    }

    /// Whether every value is in range.
    ///
    /// # Errors
    /// [`BadTerms`] names the first that is not.
    pub const fn check(&self) -> Result<(), BadTerms> {
        if !self.pricing.is_valid() {
            Err(BadTerms::FeeOrDiscount)
        } else if self.rounding.digits > RAW_DIGITS {
            Err(BadTerms::Digits)
        } else if self.vat_ppm > VAT_PPM_MAX {
            Err(BadTerms::Vat)
        } else {
            Ok(())
        }
    }

    /// Tax that comes on top of the price, millionths.
    #[must_use]
    pub const fn vat_added_ppm(&self) -> u32 {
        if self.vat_included { 0 } else { self.vat_ppm }
    }

    /// These terms with the prices that count over the time of a call.
    #[must_use]
    pub fn with_prices(self, prices: Prices, class_rule: ClassRule) -> Terms {
        Terms { pricing: Pricing { prices, ..self.pricing }, class_rule, ..self }
    }

    /// The terms of a call that was answered so long after it began: prices count from answer.
    #[must_use]
    pub fn answered_after(self, ms: u64) -> Terms {
        let prices = self.pricing.prices.after(ms);
        Terms { pricing: Pricing { prices, ..self.pricing }, ..self }
    }

    /// What a call under these terms can cost at most, for the hold in the till, when it is
    /// answered between `least_ms` and `most_ms` after it began: each moment costs the highest
    /// price that it may have, and by [`ClassRule::Middle`] the highest that the talk may reach.
    /// `None` for terms that [`Terms::checked`] refuses.
    #[must_use]
    pub fn bound(&self, least_ms: u64, most_ms: u64) -> Option<CostBound> {
        let prices = match self.class_rule {
            ClassRule::Split => self.pricing.prices.dearest(least_ms, most_ms),
            ClassRule::Middle => self.pricing.prices.after(least_ms).highest(),
        };
        let pricing = Pricing { prices, ..self.pricing };
        CostBound::new(pricing, self.rounding.digits, self.exchange, self.vat_added_ppm())
    }
}
