//! A draft that begins with the prices of another list, or of its own: what is in force there now
//! and is published for later, all of it times a factor.

use super::{LOG, added};
use crate::codec::Factor;
use crate::dispatch::Context;
use crate::field::Codec;
use crate::limits::RATES_ROWS_MAX;
use crate::problem::Problem;
use serde_json::Value;
use strowger_model::{Amount, PRICE_DIGITS, Price, Rate, RateId, Tariff, TariffId};
use strowger_routing::check_rate;
use strowger_store::{Change, RevisedRate};

/// What a draft begins with.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Like {
    /// The list whose prices it takes.
    pub(crate) tariff: TariffId,
    /// What they are multiplied by, 1e-9.
    pub(crate) factor: i64,
}

/// A factor of one.
pub(crate) const ONCE: i64 = 1_000_000_000;
const _: () = assert!(ONCE == 10_i64.pow(PRICE_DIGITS as u32));

/// Reads a factor of a body.
///
/// # Errors
/// A problem that names it.
pub(crate) fn factor(text: Option<String>) -> Result<i64, Problem> {
    let Some(text) = text else { return Ok(ONCE) };
    Factor
        .take(&Value::String(text), None)
        .map_err(|wrong| Problem::wrong("factor", wrong.at("factor")))
}

/// The rows of a draft of `tariff` that begins so.
///
/// # Errors
/// A problem that names the member that does not fit.
pub(crate) async fn rows(
    cx: &Context,
    tariff: &Tariff,
    like: Like,
) -> Result<Vec<RevisedRate>, Problem> {
    let of = cx.api.reader.row::<Tariff>(cx.caller.scope, like.tariff.0).await?;
    let of = of.filter(|of| of.tenant == tariff.tenant);
    let of =
        of.ok_or_else(|| Problem::refused("like", format!("{} does not exist", like.tariff.0)))?;
    if of.currency != tariff.currency {
        return Err(Problem::refused("like", "has prices in another currency"));
    }
    let rates = cx.api.reader.tariff_rates(of.id).await?;
    let now_us = cx.api.now_us();
    let counts = |rate: &Rate| rate.until_us.is_none_or(|until| until > now_us);
    let rates: Vec<Rate> = rates.into_iter().filter(counts).collect();
    if rates.len() > RATES_ROWS_MAX {
        let detail = format!("has more than {RATES_ROWS_MAX} prices: send them in as a file");
        return Err(Problem::refused("like", detail));
    }
    rates.into_iter().map(|rate| row(rate, (tariff, like.factor), now_us)).collect()
}

/// One row: a price that counts now counts from when the draft is published.
fn row(rate: Rate, (tariff, factor): (&Tariff, i64), now_us: i64) -> Result<RevisedRate, Problem> {
    let too_much = || Problem::refused("factor", "makes a price that is out of range");
    let rate = Rate {
        id: RateId(0),
        tariff: tariff.id,
        price: Price(times(rate.price.0, factor).ok_or_else(too_much)?),
        connection_fee: Amount(times(rate.connection_fee.0, factor).ok_or_else(too_much)?),
        from_us: if rate.from_us <= now_us { 0 } else { rate.from_us },
        ..rate
    };
    check_rate(tariff, &rate).map_err(|_| too_much())?;
    Ok(RevisedRate { rate, revision: 0, removed: false })
}

/// To the nearest, half away from zero.
fn times(value: i64, factor: i64) -> Option<i64> {
    let exact = i128::from(value).checked_mul(factor.into())?;
    let half = i128::from(ONCE / 2);
    let rounded = if exact < 0 { exact - half } else { exact + half } / i128::from(ONCE);
    i64::try_from(rounded).ok()
}

/// Puts the rows into the draft.
///
/// # Errors
/// The database.
pub(crate) async fn fill(
    cx: &Context,
    tariff: &Tariff,
    number: u32,
    rows: &[RevisedRate],
) -> Result<(), Problem> {
    let (Some(first), Some(last)) = (rows.first(), rows.last()) else { return Ok(()) };
    let [first, last] = [first, last].map(|row| row.rate.prefix);
    let after = added(tariff.id, number, rows.len(), first.as_str(), last.as_str());
    let entry = Change::new(LOG, tariff.id.0, None, Some(&after), cx.api.now_us());
    let entry = entry.of(Some(tariff.tenant), None);
    cx.api.store.add_rates(tariff.id, number, rows, &cx.actor(), &entry).await?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn prices_are_multiplied_to_the_nearest() {
        for (value, factor, expect) in [
            (50_000_000, "1.1", Some(55_000_000)),
            (5, "0.5", Some(3)),
            (-5, "0.5", Some(-3)),
            (7, "1", Some(7)),
            (i64::MAX, "2", None),
        ] {
            let factor = super::factor(Some(factor.to_owned())).unwrap();
            assert_eq!(times(value, factor), expect, "{value} {factor}");
        }
        assert_eq!(super::factor(None).unwrap(), ONCE);
        for bad in ["0", "-1", "1,1", "1.0000000001"] {
            assert!(super::factor(Some(bad.to_owned())).is_err(), "{bad}");
        }
    }
}
