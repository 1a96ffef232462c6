//! The price of one call for one payer: one order, in one function.

use crate::Terms;
use strowger_model::{Amount, ClassRule, Currency, PPM, Price, RoundingMode, raw_scale};

/// The price of one call for one payer.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Rated {
    /// Milliseconds that could be charged.
    pub billable_ms: u64,
    /// Milliseconds that are charged.
    pub charged_ms: u64,
    /// Milliseconds that an allowance pays.
    pub free_ms: u64,
    /// First price per minute, in the tariff's currency.
    pub unit_price: Price,
    /// Currency of `net` and `gross`.
    pub currency: Currency,
    /// Without tax.
    pub net: Amount,
    /// Tax rate, millionths.
    pub vat_ppm: u32,
    /// With tax: what the balance changes by.
    pub gross: Amount,
}

/// The amount does not fit 64 bits at the ledger scale: a mistake in a price or an exchange rate.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
#[error("the amount of a call is beyond the range of the ledger")]
pub struct Overflow;

/// The price of a call of `billable_ms` from answer; `None` = not answered, which costs nothing.
///
/// The order, once per call and payer, never per slice (design of control, 10): billable
/// milliseconds -> cap at free-after -> less the free amount -> minimum -> step
/// ([`strowger_model::Measure::charged_ms`]) -> price and fee -> discount -> round to the tariff's
/// precision -> exchange -> round to the ledger's scale -> tax.
///
/// Charged time begins where the free amount ends; prices change by the time from answer
/// ([`Terms::answered_after`]), or by [`ClassRule::Middle`] all of it has the price of the middle
/// of the billable time, and then a longer call may cost less. A fee is
/// due on answer, also when the whole call is inside the free amount. All roundings have the
/// tariff's direction. Never falls when `billable_ms` grows, by [`ClassRule::Split`].
///
/// An allowance pays the first `covered_ms`, in whole steps. The rest is priced as what follows
/// them: charged time begins there, at the price of that time of the call; fee and minimum are due
/// only when there is a rest. A tariff's free amount that ends later goes on beside it.
///
/// # Errors
/// [`Overflow`].
pub fn rate(terms: &Terms, billable_ms: Option<u64>, covered_ms: u64) -> Result<Rated, Overflow> {
    let mut pricing = terms.pricing.behind(covered_ms);
    if terms.class_rule == ClassRule::Middle {
        let middle_ms = billable_ms.unwrap_or_default() / 2;
        pricing.prices = pricing.prices.only_at(middle_ms);
    }
    let mode = terms.rounding.mode;
    let mut rated = Rated {
        billable_ms: billable_ms.unwrap_or_default(),
        charged_ms: 0,
        free_ms: 0,
        unit_price: pricing.prices.at(pricing.measure.free_ms.into()),
        currency: terms.exchange.ledger(),
        net: Amount::ZERO,
        vat_ppm: terms.vat_ppm,
        gross: Amount::ZERO,
    };
    let Some(billable_ms) = billable_ms else { return Ok(rated) };

    rated.free_ms = pricing.measure.free_used_ms(billable_ms, covered_ms);
    if billable_ms <= covered_ms && covered_ms > 0 {
        return Ok(rated);
    }
    rated.charged_ms = pricing.measure.charged_ms(billable_ms);
    let exact = pricing.raw(rated.charged_ms);
    let tariff = divide(exact, raw_scale(terms.rounding.digits), mode);
    let (multiplier, divisor) = terms.exchange.ratio(terms.rounding.digits);
    let ledger = divide(tariff.checked_mul(multiplier).ok_or(Overflow)?, divisor, mode);
    let with_tax = PPM + i128::from(terms.vat_ppm);
    let (net, gross) = if terms.vat_included {
        (divide(ledger.checked_mul(PPM).ok_or(Overflow)?, with_tax, mode), ledger)
    } else {
        (ledger, divide(ledger.checked_mul(with_tax).ok_or(Overflow)?, PPM, mode))
    };
    rated.net = amount(net)?;
    rated.gross = amount(gross)?;
    Ok(rated)
}

fn amount(value: i128) -> Result<Amount, Overflow> {
    i64::try_from(value).map(Amount).map_err(|_| Overflow)
}

/// Quotient of a value that is not negative and a positive divisor, rounded by name.
fn divide(value: i128, divisor: i128, mode: RoundingMode) -> i128 {
    let (quotient, rest) = (value.div_euclid(divisor), value.rem_euclid(divisor));
    // `rest < divisor`, so the difference cannot overflow where twice the rest could.
    let half = rest.cmp(&(divisor - rest));
    let up = match mode {
        RoundingMode::Down => false,
        RoundingMode::Up => rest > 0,
        RoundingMode::HalfAway => half.is_ge(),
        RoundingMode::HalfEven => half.is_gt() || (half.is_eq() && quotient % 2 == 1),
    };
    quotient + i128::from(up)
}

#[cfg(test)]
mod tests;
