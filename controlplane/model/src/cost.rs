//! What time costs, as far as a hold must know it: prices over a call, the charged time, and an
//! upper bound of the cost with its exact inverse (design of control, 3 and 10).
//!
//! `billing` rates with the same [`Prices`] and [`Measure`]; `till` holds by [`CostBound`].

use crate::{Amount, Currency, PRICE_DIGITS, Price};
use core::num::NonZeroU32;

/// Most prices of one rate: a call crosses at most three boundaries of time classes.
pub const SEGMENTS_MAX: usize = 4;
/// `until_ms` of the last segment.
pub const FOREVER_MS: u32 = u32::MAX;
/// Longest duration that is told apart, milliseconds (34 years): keeps all products inside i128.
pub const DURATION_MAX_MS: u64 = 1 << 40;
/// A discount of 100 %.
pub const WHOLE: u16 = 10_000;
/// An exchange rate of 1, at nine decimal places.
pub const FX_ONE: i64 = 1_000_000_000;
/// Finest precision of a tariff, decimal digits: the ledger scale of a currency of four.
pub const RAW_DIGITS: u8 = 10;
/// A tax rate of 100 %, millionths.
pub const PPM: i128 = 1_000_000;

/// Milliseconds in the unit of a [`Price`].
const MINUTE_MS: i128 = 60_000;
/// Digits after the point of a discount.
const WHOLE_DIGITS: u8 = 4;

/// One price of a rate and how long it lasts.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Segment {
    /// End of this price, milliseconds from answer; [`FOREVER_MS`] for the last.
    pub until_ms: u32,
    /// Price per minute, not negative.
    pub price: Price,
}

const NO_SEGMENT: Segment = Segment { until_ms: FOREVER_MS, price: Price(0) };

/// The prices of one rate over the time of a call: one to four, their ends strictly rising.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Prices {
    list: [Segment; SEGMENTS_MAX],
    count: u8,
}

impl Prices {
    /// Checks a list: one to [`SEGMENTS_MAX`] segments, no negative price, ends strictly rising,
    /// the last one [`FOREVER_MS`].
    #[must_use]
    pub fn new(segments: &[Segment]) -> Option<Prices> {
        let mut list = [NO_SEGMENT; SEGMENTS_MAX];
        list.get_mut(..segments.len())?.copy_from_slice(segments);
        let rising = segments.iter().zip(segments.iter().skip(1));
        let ok = segments.last()?.until_ms == FOREVER_MS
            && segments.iter().all(|s| s.price.0 >= 0)
            && rising.into_iter().all(|(a, b)| a.until_ms < b.until_ms);
        ok.then_some(Prices { list, count: u8::try_from(segments.len()).ok()? })
    }

    /// One price for the whole call; `None` when negative.
    #[must_use]
    pub fn flat(price: Price) -> Option<Prices> {
        Prices::new(&[Segment { until_ms: FOREVER_MS, price }])
    }

    /// The segments, in order of time.
    #[must_use]
    pub fn as_slice(&self) -> &[Segment] {
        self.list.get(..usize::from(self.count)).unwrap_or_default()
    }

    /// The price at `ms` from answer.
    #[must_use]
    pub fn at(&self, ms: u64) -> Price {
        self.spans().find(|(_, end, _)| ms < *end).map_or(Price(0), |(_, _, price)| price)
    }

    /// Prices of a call whose answer came `ms` after the moment from which these count.
    #[must_use]
    pub fn after(&self, ms: u64) -> Prices {
        if self.is_one() {
            return *self;
        }
        let left = self.spans().filter(|(_, end, _)| ms < *end);
        Prices::joined(left.map(|(_, end, price)| (end.saturating_sub(ms), price)))
    }

    /// At each time from answer the highest price that may count then, when the answer comes
    /// between `least_ms` and `most_ms` after the moment from which these count. No call that is
    /// answered in that time costs more than by these.
    #[must_use]
    pub fn dearest(&self, least_ms: u64, most_ms: u64) -> Prices {
        if self.is_one() {
            return *self;
        }
        let counts = |at: u64| {
            let all = self.spans().filter(|(begin, end, _)| {
                // From when the earliest answer hears it, to when the latest does not any more.
                begin.saturating_sub(most_ms) <= at
                    && (*end == u64::MAX || at < end.saturating_sub(least_ms))
            });
            all.map(|(_, _, price)| price).max().unwrap_or_default()
        };
        let ends = self.as_slice().iter().filter(|s| s.until_ms != FOREVER_MS);
        let early = |s: &Segment, by: u64| u64::from(s.until_ms).saturating_sub(by);
        let ends = ends.flat_map(|s| [early(s, least_ms), early(s, most_ms)]);
        let mut edges: Vec<u64> = ends.filter(|edge| *edge > 0).chain([u64::MAX]).collect();
        edges.sort_unstable();
        edges.dedup();
        let begins = core::iter::once(0).chain(edges.iter().copied());
        Prices::joined(begins.zip(&edges).map(|(begin, end)| (*end, counts(begin))))
    }

    /// The price at `ms`, for ever.
    #[must_use]
    pub fn only_at(&self, ms: u64) -> Prices {
        Prices::joined(core::iter::once((u64::MAX, self.at(ms))))
    }

    /// The highest of them all, for ever.
    #[must_use]
    pub fn highest(&self) -> Prices {
        if self.is_one() {
            return *self;
        }
        let price = self.as_slice().iter().map(|s| s.price).max().unwrap_or_default();
        Prices::joined(core::iter::once((u64::MAX, price)))
    }

    /// One price for all of a call, which most have: it is the same whenever that is answered.
    const fn is_one(&self) -> bool {
        self.count == 1
    }

    /// Ends and prices in order of time: equal neighbours are one, and of too many the last ones
    /// are joined at the highest price among them.
    fn joined(spans: impl Iterator<Item = (u64, Price)>) -> Prices {
        let mut list = [NO_SEGMENT; SEGMENTS_MAX];
        let mut count = 0usize;
        for (end, price) in spans {
            let until_ms = u32::try_from(end).unwrap_or(FOREVER_MS);
            let last = count.checked_sub(1).and_then(|at| list.get_mut(at));
            match last {
                Some(last) if last.price == price || count == SEGMENTS_MAX => {
                    *last = Segment { until_ms, price: last.price.max(price) };
                }
                Some(_) | None => {
                    if let Some(next) = list.get_mut(count) {
                        *next = Segment { until_ms, price };
                        count += 1;
                    }
                }
            }
        }
        // Whoever calls this ends with a span that has no end.
        if let Some(last) = count.checked_sub(1).and_then(|at| list.get_mut(at)) {
            last.until_ms = FOREVER_MS;
        }
        Prices { list, count: u8::try_from(count).unwrap_or_default() }
    }

    /// Cost of `ms` milliseconds from `from_ms` after answer, in price x milliseconds.
    #[must_use]
    pub fn cost(&self, from_ms: u64, ms: u64) -> i128 {
        let to_ms = from_ms.saturating_add(ms);
        self.spans()
            .map(|(begin, end, price)| {
                let length = to_ms.min(end).saturating_sub(from_ms.max(begin));
                i128::from(length) * i128::from(price.0)
            })
            .sum()
    }

    /// The longest time from `from_ms` on that costs at most `units` (as of [`Prices::cost`], not
    /// negative); `u64::MAX` when the cost stops growing before that.
    #[must_use]
    pub fn ms_for(&self, from_ms: u64, units: i128) -> u64 {
        let mut left = units;
        let mut ms: u64 = 0;
        for (begin, end, price) in self.spans() {
            let length = end.saturating_sub(from_ms.max(begin));
            let price = i128::from(price.0);
            let whole = i128::from(length) * price;
            if whole > left {
                // price > 0 here, and the quotient is below `length`.
                let part = left.checked_div(price).unwrap_or_default();
                return ms.saturating_add(u64::try_from(part).unwrap_or_default());
            }
            left -= whole;
            ms = ms.saturating_add(length);
        }
        u64::MAX
    }

    /// Begin, end and price of each segment; the last one has no end.
    fn spans(&self) -> impl Iterator<Item = (u64, u64, Price)> + '_ {
        let begins = core::iter::once(0).chain(self.as_slice().iter().map(|s| s.until_ms.into()));
        self.as_slice().iter().zip(begins).map(|(segment, begin)| {
            let forever = segment.until_ms == FOREVER_MS;
            let end = if forever { u64::MAX } else { u64::from(segment.until_ms) };
            (begin, end, segment.price)
        })
    }
}

/// How billable time becomes charged time.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Measure {
    /// Charged time is a multiple of this, milliseconds.
    pub step_ms: NonZeroU32,
    /// Least charged time, milliseconds.
    pub minimum_ms: u32,
    /// The first so many milliseconds are free.
    pub free_ms: u32,
    /// What follows after so many milliseconds is free; 0 = nothing.
    pub free_after_ms: u32,
}

impl Measure {
    /// As a price line says it, in seconds; `None` for a step of 0, or a time of more than 49 days.
    #[must_use]
    pub fn of_seconds(
        step_s: u32,
        minimum_s: u32,
        free_s: u32,
        free_after_s: u32,
    ) -> Option<Measure> {
        let ms = |seconds: u32| seconds.checked_mul(1_000);
        Some(Measure {
            step_ms: NonZeroU32::new(ms(step_s)?)?,
            minimum_ms: ms(minimum_s)?,
            free_ms: ms(free_s)?,
            free_after_ms: ms(free_after_s)?,
        })
    }

    /// Charged milliseconds of an answered call: cap at free-after, less the free amount, at least
    /// the minimum, up to a whole step. A call that ends inside its free amount is free.
    ///
    /// Never falls when `billable_ms` grows.
    #[must_use]
    pub fn charged_ms(&self, billable_ms: u64) -> u64 {
        let (free, step) = (u64::from(self.free_ms), u64::from(self.step_ms.get()));
        let capped = match self.free_after_ms {
            0 => billable_ms.min(DURATION_MAX_MS),
            cap => billable_ms.min(cap.into()),
        };
        if free > 0 && capped <= free {
            return 0;
        }
        (capped - free).max(self.minimum_ms.into()).div_ceil(step) * step
    }

    /// What charges at least as much as both, up to a step.
    fn over(&self, other: &Measure) -> Measure {
        let cap = match (self.free_after_ms, other.free_after_ms) {
            (0, _) | (_, 0) => 0,
            (a, b) => a.max(b),
        };
        Measure {
            step_ms: self.step_ms.max(other.step_ms),
            minimum_ms: self.minimum_ms.max(other.minimum_ms),
            free_ms: self.free_ms.min(other.free_ms),
            free_after_ms: cap,
        }
    }

    /// What an allowance pays of a call of `billable_ms` when it covers the first `covered_ms`: up
    /// to a whole step, at most what is covered; nothing of what is free after.
    ///
    /// Never falls when `billable_ms` grows.
    #[must_use]
    pub fn free_used_ms(&self, billable_ms: u64, covered_ms: u64) -> u64 {
        let step = u64::from(self.step_ms.get());
        let capped = match self.free_after_ms {
            0 => billable_ms.min(DURATION_MAX_MS),
            cap => billable_ms.min(cap.into()),
        };
        (capped.div_ceil(step) * step).min(covered_ms)
    }

    /// The longest billable time whose charged time is at most `charged_ms`; `u64::MAX` when none
    /// is charged more, `None` when even the shortest call is.
    #[must_use]
    pub fn ms_for(&self, charged_ms: u64) -> Option<u64> {
        if self.charged_ms(DURATION_MAX_MS) <= charged_ms {
            return Some(u64::MAX);
        }
        let whole = charged_ms - charged_ms % u64::from(self.step_ms.get());
        if whole > 0 && whole >= u64::from(self.minimum_ms) {
            return Some(whole + u64::from(self.free_ms));
        }
        (self.free_ms > 0 || self.minimum_ms == 0).then_some(self.free_ms.into())
    }
}

/// What a call costs in its tariff's currency, before any rounding.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Pricing {
    /// Charged time.
    pub measure: Measure,
    /// Prices per minute; charged time begins where the free amount ends.
    pub prices: Prices,
    /// Once per answered call, at the ledger scale of `currency`, not negative.
    pub fee: Amount,
    /// Currency of prices and fee.
    pub currency: Currency,
    /// Taken off price and fee, 1e-4, at most [`WHOLE`].
    pub discount: u16,
}

impl Pricing {
    /// The same for a call whose first `covered_ms` an allowance pays: charged time begins behind
    /// them, if not later, at the price of that time of the call.
    #[must_use]
    pub fn behind(&self, covered_ms: u64) -> Pricing {
        let covered = u32::try_from(covered_ms).unwrap_or(u32::MAX);
        let free_ms = self.measure.free_ms.max(covered);
        Pricing { measure: Measure { free_ms, ..self.measure }, ..*self }
    }

    /// Fee and discount are in range.
    #[must_use]
    pub const fn is_valid(&self) -> bool {
        are_valid(self.fee, self.discount)
    }

    /// Price, fee and discount of `charged_ms` as one exact integer; [`raw_scale`] of it is one
    /// unit at a tariff's precision.
    #[must_use]
    pub fn raw(&self, charged_ms: u64) -> i128 {
        let time = self.prices.cost(self.measure.free_ms.into(), charged_ms);
        raw_of(time, (self.fee, self.currency), self.discount)
    }

    fn raw_fee(&self) -> i128 {
        raw_fee(self.fee, self.currency)
    }

    /// What the discount leaves, 1e-4.
    fn share(&self) -> i128 {
        share(self.discount)
    }

    /// The longest charged time whose [`Pricing::raw`] is at most `raw`; `None` when even the fee
    /// is more.
    fn charged_ms_for(&self, raw: i128) -> Option<u64> {
        if raw < 0 {
            return None;
        }
        let Some(undiscounted) = raw.checked_div(self.share()) else { return Some(u64::MAX) };
        let time = undiscounted - self.raw_fee();
        let units = time.div_euclid(power_of_ten(RAW_DIGITS - PRICE_DIGITS));
        (time >= 0).then(|| self.prices.ms_for(self.measure.free_ms.into(), units))
    }
}

/// [`Pricing::raw`] of one price for all of a call, without the rest of a [`Pricing`]; `None` when
/// price, fee or discount is out of range.
#[must_use]
pub fn flat_raw(
    price: Price,
    charged_ms: u64,
    (fee, currency): (Amount, Currency),
    discount: u16,
) -> Option<i128> {
    let time = i128::from(charged_ms) * i128::from(price.0);
    let is_valid = price.0 >= 0 && are_valid(fee, discount);
    is_valid.then(|| raw_of(time, (fee, currency), discount))
}

const fn are_valid(fee: Amount, discount: u16) -> bool {
    fee.0 >= 0 && discount <= WHOLE
}

/// Of what time costs, in price x milliseconds, and the fee.
fn raw_of(time: i128, (fee, currency): (Amount, Currency), discount: u16) -> i128 {
    // 2^42 ms x 2^63 x 10 x 10^4 is below 2^122, the fee's share below 2^108.
    (time * power_of_ten(RAW_DIGITS - PRICE_DIGITS) + raw_fee(fee, currency)) * share(discount)
}

fn raw_fee(fee: Amount, currency: Currency) -> i128 {
    let digits = RAW_DIGITS.saturating_sub(currency.ledger_digits());
    i128::from(fee.0) * power_of_ten(digits) * MINUTE_MS
}

fn share(discount: u16) -> i128 {
    WHOLE.saturating_sub(discount).into()
}

/// An upper bound of what a call can cost one payer: the order of `billing::rate` with every
/// rounding up. Law (tested in `billing`): `rate(terms, ms).gross <= bound.cost_up(ms)`.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct CostBound {
    pricing: Pricing,
    digits: u8,
    exchange: Exchange,
    vat_ppm: u32,
    /// An allowance pays so much from answer: a call that ends in it costs nothing, not even a fee.
    covered_ms: u64,
}

impl CostBound {
    /// `digits` is the tariff's precision, at most [`RAW_DIGITS`]; `vat_ppm` the tax that is added
    /// to the price, millionths (0 when the price includes it). `None` when a value is out of
    /// range.
    #[must_use]
    pub fn new(
        pricing: Pricing,
        digits: u8,
        exchange: Exchange,
        vat_ppm: u32,
    ) -> Option<CostBound> {
        let ok = pricing.is_valid() && digits <= RAW_DIGITS;
        ok.then_some(CostBound { pricing, digits, exchange, vat_ppm, covered_ms: 0 })
    }

    /// The bound of a call whose first `covered_ms` an allowance pays. Fee and minimum are due when
    /// it goes on in money.
    #[must_use]
    pub fn behind(&self, covered_ms: u64) -> CostBound {
        CostBound { pricing: self.pricing.behind(covered_ms), covered_ms, ..*self }
    }

    /// `ms` up to a whole step.
    #[must_use]
    pub fn whole_steps(&self, ms: u64) -> u64 {
        ms.checked_next_multiple_of(self.pricing.measure.step_ms.get().into()).unwrap_or(u64::MAX)
    }

    /// What a call of `ms` costs at most; `i64::MAX` when that does not fit. Never falls when `ms`
    /// grows; `ms` 0 is a call that was answered and cleared at once.
    #[must_use]
    pub fn cost_up(&self, ms: u64) -> Amount {
        if ms <= self.covered_ms && self.covered_ms > 0 {
            return Amount::ZERO;
        }
        let raw = self.pricing.raw(self.pricing.measure.charged_ms(ms));
        let (multiplier, divisor) = self.exchange.ratio(self.digits);
        let gross = div_up(raw, raw_scale(self.digits))
            .checked_mul(multiplier)
            .map(|product| div_up(product, divisor))
            .and_then(|net| net.checked_mul(self.with_vat()))
            .map(|product| div_up(product, PPM));
        Amount(gross.and_then(|gross| i64::try_from(gross).ok()).unwrap_or(i64::MAX))
    }

    /// The longest call that costs at most `amount`: `u64::MAX` when no call costs more, `None`
    /// when even the shortest does. Exact: `cost_up(ms_for(a)) <= a < cost_up(ms_for(a) + 1)`.
    #[must_use]
    pub fn ms_for(&self, amount: Amount) -> Option<u64> {
        // ceil(x * a / b) <= y  <=>  x <= floor(y * b / a): each step is undone exactly.
        let net = (i128::from(amount.0.max(-1)) * PPM).div_euclid(self.with_vat());
        let (multiplier, divisor) = self.exchange.ratio(self.digits);
        let rounded = (net * divisor).div_euclid(multiplier);
        let raw = rounded.saturating_mul(raw_scale(self.digits));
        let charged_ms = self.pricing.charged_ms_for(raw);
        let ms = charged_ms.and_then(|charged_ms| self.pricing.measure.ms_for(charged_ms));
        let covered = (self.covered_ms > 0 && amount >= Amount::ZERO).then_some(self.covered_ms);
        ms.max(covered)
    }

    /// What the longest call costs at most, when cost stops growing (free calls, free-after);
    /// `None` when it never does.
    #[must_use]
    pub fn most(&self) -> Option<Amount> {
        let most = self.cost_up(DURATION_MAX_MS);
        (self.cost_up(DURATION_MAX_MS / 2) == most && most.0 < i64::MAX).then_some(most)
    }

    /// `ms` cut to whole steps, so that a slice pays for nothing that it does not grant; where no
    /// whole step is left, all that the cost of `ms` buys.
    #[must_use]
    pub fn align(&self, ms: u64) -> u64 {
        let measure = &self.pricing.measure;
        let (free, step) = (u64::from(measure.free_ms), u64::from(measure.step_ms.get()));
        let down = ms - ms.saturating_sub(free) % step;
        if down > free && measure.charged_ms(down) == down - free {
            return down;
        }
        self.ms_for(self.cost_up(ms)).unwrap_or(ms).max(ms)
    }

    /// A bound of both together, for an account that pays twice for one call (it forwards to
    /// itself). Law: `a.both(b).cost_up(t) >= a.cost_up(t) + b.cost_up(t)`. `None` for accounts of
    /// two currencies, or prices that are too large.
    #[must_use]
    pub fn both(self, other: CostBound) -> Option<CostBound> {
        self.over(other, i64::checked_add)
    }

    /// A bound of whichever costs more, for an account that pays one of two prices. Law:
    /// `a.either(b).cost_up(t)` is at least either's.
    #[must_use]
    pub fn either(self, other: CostBound) -> Option<CostBound> {
        self.over(other, |a, b| Some(a.max(b)))
    }

    /// One bound over two: prices and fees joined, of all else what costs more. A call that is
    /// measured by other steps than its own may be charged one step less; the fee covers it, and
    /// the roundings.
    fn over(self, other: CostBound, join: impl Fn(i64, i64) -> Option<i64>) -> Option<CostBound> {
        let is_free = |bound: &CostBound| bound.most() == Some(Amount::ZERO);
        if is_free(&self) || self == other && join(1, 1) == Some(1) {
            return Some(other);
        }
        if is_free(&other) {
            return Some(self);
        }
        let (one, two) = (self.in_ledger()?, other.in_ledger()?);
        let (a, b) = (one.pricing, two.pricing);
        let same = Exchange::same(a.currency);
        if a.currency != b.currency {
            return None;
        }
        let dearest = |p: &Pricing| p.prices.as_slice().iter().map(|s| s.price.0).max();
        let (price_a, price_b) = (dearest(&a)?, dearest(&b)?);
        let step_cost = |p: &Pricing, price: i64| {
            let step = i128::from(p.measure.step_ms.get()) * i128::from(price);
            let finer = power_of_ten(p.currency.ledger_digits().saturating_sub(PRICE_DIGITS));
            let coarser = power_of_ten(PRICE_DIGITS.saturating_sub(p.currency.ledger_digits()));
            i64::try_from(div_up(step * finer, MINUTE_MS * coarser)).ok()
        };
        let steps = match a.measure == b.measure {
            true => 0,
            false => step_cost(&a, price_a)?.checked_add(step_cost(&b, price_b)?)?,
        };
        let digits = one.digits.min(two.digits);
        let unit = power_of_ten(a.currency.ledger_digits().saturating_sub(digits));
        let roundings = i64::try_from(4 * unit).ok()?;
        let fee = join(a.fee.0, b.fee.0)?.checked_add(steps)?.checked_add(roundings)?;
        let pricing = Pricing {
            measure: a.measure.over(&b.measure),
            prices: Prices::flat(Price(join(price_a, price_b)?))?,
            fee: Amount(fee),
            currency: a.currency,
            discount: 0,
        };
        CostBound::new(pricing, digits, same, self.vat_ppm.max(other.vat_ppm))
    }

    /// A bound in the ledger's own currency: the exchange is in its prices, and what the tariff's
    /// rounding may add is in its fee. `None` when they are too large.
    fn in_ledger(self) -> Option<CostBound> {
        let CostBound { pricing, exchange, digits, vat_ppm, .. } = self;
        let ledger = exchange.ledger;
        if exchange == Exchange::same(pricing.currency) {
            return Some(self);
        }
        let (rate, one) = (i128::from(exchange.rate), i128::from(FX_ONE));
        let mut list = pricing.prices;
        for segment in list.list.iter_mut() {
            let price = div_up(i128::from(segment.price.0) * rate, one);
            segment.price = Price(i64::try_from(price).ok()?);
        }
        let (from, to) = (pricing.currency.ledger_digits(), ledger.ledger_digits());
        let finer = rate * power_of_ten(to);
        let fee = div_up(i128::from(pricing.fee.0) * finer, one * power_of_ten(from));
        let rounding = div_up(finer, one * power_of_ten(digits)).checked_add(1)?;
        let fee = Amount(i64::try_from(fee.checked_add(rounding)?).ok()?);
        let pricing = Pricing { prices: list, fee, currency: ledger, discount: 0, ..pricing };
        CostBound::new(pricing, to.min(RAW_DIGITS), Exchange::same(ledger), vat_ppm)
    }

    fn with_vat(&self) -> i128 {
        PPM + i128::from(self.vat_ppm)
    }
}

/// From a tariff's currency to the ledger's.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Exchange {
    rate: i64,
    ledger: Currency,
}

impl Exchange {
    /// `rate` units of `ledger` for one of the tariff's currency, 1e-9; `None` unless positive.
    #[must_use]
    pub fn new(rate: i64, ledger: Currency) -> Option<Exchange> {
        (rate > 0).then_some(Exchange { rate, ledger })
    }

    /// No exchange: the tariff is in the ledger's currency.
    #[must_use]
    pub const fn same(ledger: Currency) -> Exchange {
        Exchange { rate: FX_ONE, ledger }
    }

    /// The rate, 1e-9.
    #[must_use]
    pub const fn rate(self) -> i64 {
        self.rate
    }

    /// The ledger's currency.
    #[must_use]
    pub const fn ledger(self) -> Currency {
        self.ledger
    }

    /// Multiplier and divisor, both positive, from an integer at `digits` decimal places of the
    /// tariff's currency to ledger money.
    #[must_use]
    pub fn ratio(self, digits: u8) -> (i128, i128) {
        let (up, down) = (self.ledger.ledger_digits(), digits.saturating_add(PRICE_DIGITS));
        let rate = i128::from(self.rate);
        (rate * power_of_ten(up.saturating_sub(down)), power_of_ten(down.saturating_sub(up)))
    }
}

/// How many units of [`Pricing::raw`] make one at `digits` decimal places.
#[must_use]
pub fn raw_scale(digits: u8) -> i128 {
    MINUTE_MS * power_of_ten((RAW_DIGITS + WHOLE_DIGITS).saturating_sub(digits))
}

/// Powers of ten as far as scales go.
const POWERS: [i128; 20] = {
    let mut powers = [1; 20];
    let mut at = 1;
    while at < powers.len() {
        powers[at] = powers[at - 1] * 10;
        at += 1;
    }
    powers
};

/// Ten to the `exponent`, at most 19.
fn power_of_ten(exponent: u8) -> i128 {
    POWERS.get(usize::from(exponent)).copied().unwrap_or(i128::MAX)
}

/// Quotient rounded up of a value that is not negative; `divisor` is positive.
fn div_up(value: i128, divisor: i128) -> i128 {
    let quotient = value / divisor;
    quotient + i128::from(quotient * divisor != value)
}

#[cfg(test)]
mod tests;
