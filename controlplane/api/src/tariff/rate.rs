//! Price lines: those of a revision, and those in force.

use super::{revision, tariff};
use crate::cursor::{self, no_cursor};
use crate::dispatch::Context;
use crate::problem::Problem;
use crate::reply::{Json, Page};
use crate::shape::view;
use crate::value::{Id, MoneyView, Time, money, ms, price};
use strowger_model::{Currency, Digits, Rate, RateId};
use strowger_store::RevisedRate;

const ROWS: &str = "revision-rates";
const PRICES: &str = "prices";

view! {
    /// A row of a revision.
    RevisedRateView {
        /// Identity.
        id: Id,
        /// Called numbers it is for; the longest wins.
        prefix: String,
        /// When it counts: a class of times or a stretch; the narrowest wins.
        class: String,
        /// Fewest digits of numbers it is for.
        digits_min: u8,
        /// Most digits of numbers it is for; 0 is no limit.
        digits_max: u8,
        /// The prefix has no price from then on.
        removed: bool,
        /// Price per minute; null when it is removed.
        price: Option<MoneyView>,
        /// Billing step.
        step_ms: u64,
        /// Minimum charged once answered.
        minimum_ms: u64,
        /// Not charged at the beginning.
        free_ms: u64,
        /// Nothing is charged beyond this; 0 is no such limit.
        free_after_ms: u64,
        /// Charged once on answer.
        connection_fee: MoneyView,
        /// In force from; null is as soon as its revision.
        from: Option<Time>,
        /// In force before; null is until replaced.
        until: Option<Time>,
    }
}

view! {
    /// A price in force.
    RateView {
        /// Identity of its row.
        id: Id,
        /// Called numbers it is for; the longest wins.
        prefix: String,
        /// When it counts: a class of times or a stretch; the narrowest wins.
        class: String,
        /// Fewest digits of numbers it is for.
        digits_min: u8,
        /// Most digits of numbers it is for; 0 is no limit.
        digits_max: u8,
        /// Price per minute.
        price: MoneyView,
        /// Billing step.
        step_ms: u64,
        /// Minimum charged once answered.
        minimum_ms: u64,
        /// Not charged at the beginning.
        free_ms: u64,
        /// Nothing is charged beyond this; 0 is no such limit.
        free_after_ms: u64,
        /// Charged once on answer.
        connection_fee: MoneyView,
        /// In force from.
        from: Time,
        /// In force before; null is until replaced.
        until: Option<Time>,
    }
}

fn revised(row: &RevisedRate, currency: Currency) -> RevisedRateView {
    let rate = &row.rate;
    RevisedRateView {
        id: rate.id.into(),
        prefix: rate.prefix.as_str().to_owned(),
        class: rate.class.to_string(),
        digits_min: rate.digits_min,
        digits_max: rate.digits_max,
        removed: row.removed,
        price: (!row.removed).then(|| price(rate.price, currency)),
        step_ms: ms(rate.step_s),
        minimum_ms: ms(rate.minimum_s),
        free_ms: ms(rate.free_s),
        free_after_ms: ms(rate.free_after_s),
        connection_fee: money(rate.connection_fee, currency),
        from: (rate.from_us != 0).then_some(Time(rate.from_us)),
        until: rate.until_us.map(Time),
    }
}

fn shown(rate: &Rate, currency: Currency) -> RateView {
    RateView {
        id: rate.id.into(),
        prefix: rate.prefix.as_str().to_owned(),
        class: rate.class.to_string(),
        digits_min: rate.digits_min,
        digits_max: rate.digits_max,
        price: price(rate.price, currency),
        step_ms: ms(rate.step_s),
        minimum_ms: ms(rate.minimum_s),
        free_ms: ms(rate.free_s),
        free_after_ms: ms(rate.free_after_s),
        connection_fee: money(rate.connection_fee, currency),
        from: Time(rate.from_us),
        until: rate.until_us.map(Time),
    }
}

/// `GET /tariffs/{id}/revisions/{number}/rates`
pub(crate) async fn of_revision(cx: Context) -> Result<Json<Page<RevisedRateView>>, Problem> {
    let (tariff, revision) = revision(&cx).await?;
    let after = cursor::decode(ROWS, cx.query.next.as_deref())?.map(RateId);
    let (id, number) = (tariff.id, revision.number);
    let rows = cx.api.reader.revision_rates(id, number, after, cx.query.rows()).await?;
    let key = |row: &RevisedRate| cursor::encode(ROWS, row.rate.id.0);
    let view = |row: &RevisedRate| revised(row, tariff.currency);
    Ok(Json(Page::cut(rows, cx.query.limit, view, key)))
}

/// `GET /tariffs/{id}/rates`: with `number` the rows that price it, one for each class of times, at
/// the time `at` or now;
/// without it all, by prefix, at any time or at `at`. The rows of one prefix stand on one page.
pub(crate) async fn in_force(cx: Context) -> Result<Json<Page<RateView>>, Problem> {
    let tariff = tariff(&cx).await?;
    let view = |rate: &Rate| shown(rate, tariff.currency);
    if let Some(number) = &cx.query.number {
        let at_us = cx.query.at_us.unwrap_or(cx.api.now_us());
        let found = cx.api.reader.price_of(tariff.id, number, at_us).await?;
        return Ok(Json(Page::whole(found.iter().map(view).collect())));
    }
    let text: Option<String> = cursor::decode(PRICES, cx.query.next.as_deref())?;
    let after = text.map(|text| Digits::parse(&text).map_err(|_| no_cursor())).transpose()?;
    let found = cx.api.reader.prices(tariff.id, after, cx.query.limit).await?;
    let is_valid = |rate: &&Rate| match cx.query.at_us {
        Some(at) => rate.from_us <= at && rate.until_us.is_none_or(|until| at < until),
        None => true,
    };
    let items = found.rates.iter().filter(is_valid).map(view).collect();
    let next = found.next.map(|prefix| cursor::encode(PRICES, prefix.as_str()));
    Ok(Json(Page::of(items, next)))
}
