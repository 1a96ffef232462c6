//! The bytes of a settlement, version 9.
//!
//! Version byte, tenant, hold, snapshot, beginning and longest duration (not in version 1),
//! allowance (not in versions 1 and 2), number, destination, caller (who hides only since version
//! 5), levels, hops, parts (not before version 4), exchange rates (since version 7; so do
//! commissions of levels, which a bit announces), packet of money (since version 8), class (version
//! 9, which is written only where there is one). Terms have a class
//! rule only since version 6; before it prices did not change during a call. Ids are signed, the
//! rest unsigned varints; an optional value is announced by a bit of a flags byte before it.

use super::{CALLER_NUMBER_MAX, Caller, Hop, Level};
use crate::compact::{Form, Reader, Writer};
use crate::{BadSettlement, BadTerms, Commission, Terms};
use core::num::NonZeroU32;
use strowger_model::{
    AccountId, AllowanceId, Amount, ClassRule, Currency, Digits, Exchange, FOREVER_MS, Measure,
    NUMBER_MAX, OrganizationId, Price, Prices, Pricing, RateId, Rounding, RoundingMode,
    SEGMENTS_MAX, Segment, SubscriberId, TariffId, TrunkId,
};

/// One bit of a flags byte.
const fn flag(byte: u8, bit: u8) -> bool {
    byte & (1 << bit) != 0
}

/// A flags byte, lowest bit first.
fn flags<const N: usize>(bits: [bool; N]) -> u8 {
    bits.iter().rev().fold(0, |byte, bit| (byte << 1) | u8::from(*bit))
}

/// Refuses bits that this version does not know.
fn known(byte: u8, bits: u8) -> Result<u8, BadSettlement> {
    if byte >> bits == 0 { Ok(byte) } else { Err(BadSettlement::Malformed) }
}

fn when<T>(
    present: bool,
    read: impl FnOnce() -> Result<T, BadSettlement>,
) -> Result<Option<T>, BadSettlement> {
    present.then(read).transpose()
}

impl Form for Option<Digits> {
    /// No number and the empty number are one: neither routes nor prices anything.
    fn write(&self, out: &mut Writer) {
        out.text(self.as_ref().map_or("", Digits::as_str), NUMBER_MAX);
    }

    fn read(input: &mut Reader<'_>) -> Result<Self, BadSettlement> {
        let digits = Digits::parse(input.text(NUMBER_MAX)?);
        let digits = digits.map_err(|_| BadSettlement::Malformed)?;
        Ok((!digits.is_empty()).then_some(digits))
    }
}

impl Form for Option<AllowanceId> {
    fn write(&self, out: &mut Writer) {
        out.byte(flags([self.is_some()]));
        if let Some(id) = self {
            out.signed(id.0);
        }
    }

    fn read(input: &mut Reader<'_>) -> Result<Self, BadSettlement> {
        let has = known(input.byte()?, 1)?;
        when(flag(has, 0), || input.signed().map(AllowanceId))
    }
}

impl Form for Caller {
    fn write(&self, out: &mut Writer) {
        let ids = [
            self.account.map(|id| id.0),
            self.organization.map(|id| id.0),
            self.subscriber.map(|id| id.0),
            self.trunk.map(|id| id.0),
        ];
        let [account, organization, subscriber, trunk] = ids.map(|id| id.is_some());
        out.byte(flags([account, organization, subscriber, trunk, self.hidden]));
        ids.into_iter().flatten().for_each(|id| out.signed(id));
        out.text(&self.number, CALLER_NUMBER_MAX);
    }

    fn read(input: &mut Reader<'_>) -> Result<Self, BadSettlement> {
        let has = known(input.byte()?, 5)?;
        Ok(Caller {
            hidden: flag(has, 4),
            account: when(flag(has, 0), || input.signed().map(AccountId))?,
            organization: when(flag(has, 1), || input.signed().map(OrganizationId))?,
            subscriber: when(flag(has, 2), || input.signed().map(SubscriberId))?,
            trunk: when(flag(has, 3), || input.signed().map(TrunkId))?,
            number: input.text(CALLER_NUMBER_MAX)?.to_owned(),
        })
    }
}

impl Form for Level {
    fn write(&self, out: &mut Writer) {
        out.byte(flags([self.prepaid, self.commission.is_some()]));
        out.signed(self.account.0);
        out.signed(self.organization.0);
        self.terms.write(out);
        if let Some(commission) = &self.commission {
            commission.write(out);
        }
    }

    fn read(input: &mut Reader<'_>) -> Result<Self, BadSettlement> {
        let has = known(input.byte()?, 2)?;
        Ok(Level {
            prepaid: flag(has, 0),
            account: AccountId(input.signed()?),
            organization: OrganizationId(input.signed()?),
            terms: Terms::read(input)?,
            commission: when(flag(has, 1), || Commission::read(input))?,
        })
    }
}

impl Form for Commission {
    fn write(&self, out: &mut Writer) {
        out.byte(flags([self.of_profit]));
        out.signed(self.agent.0);
        out.signed(self.organization.0);
        out.unsigned(self.share_bp.into());
    }

    fn read(input: &mut Reader<'_>) -> Result<Self, BadSettlement> {
        let has = known(input.byte()?, 1)?;
        Ok(Commission {
            of_profit: flag(has, 0),
            agent: AccountId(input.signed()?),
            organization: OrganizationId(input.signed()?),
            share_bp: input.narrow()?,
        })
    }
}

impl Form for (Currency, Exchange) {
    fn write(&self, out: &mut Writer) {
        self.0.write(out);
        self.1.ledger().write(out);
        out.signed(self.1.rate());
    }

    fn read(input: &mut Reader<'_>) -> Result<Self, BadSettlement> {
        let (from, to) = (Currency::read(input)?, Currency::read(input)?);
        let exchange = Exchange::new(input.signed()?, to).ok_or(BadSettlement::Malformed)?;
        Ok((from, exchange))
    }
}

impl Form for Hop {
    fn write(&self, out: &mut Writer) {
        out.byte(flags([self.terms.is_some()]));
        out.signed(self.trunk.0);
        out.signed(self.account.0);
        out.signed(self.organization.0);
        if let Some(terms) = &self.terms {
            terms.write(out);
        }
    }

    fn read(input: &mut Reader<'_>) -> Result<Self, BadSettlement> {
        let has = known(input.byte()?, 1)?;
        Ok(Hop {
            trunk: TrunkId(input.signed()?),
            account: AccountId(input.signed()?),
            organization: OrganizationId(input.signed()?),
            terms: when(flag(has, 0), || Terms::read(input))?,
        })
    }
}

impl Form for Terms {
    fn write(&self, out: &mut Writer) {
        let Pricing { measure, prices, fee, currency, discount } = &self.pricing;
        let ledger = self.exchange.ledger();
        let segments = prices.as_slice();
        let optional = [
            u64::from(measure.minimum_ms),
            u64::from(measure.free_ms),
            u64::from(measure.free_after_ms),
            u64::from(*discount),
            u64::from(self.vat_ppm),
        ];
        out.byte(flags([
            self.tariff.is_some(),
            self.rate.is_some(),
            segments.len() > 1,
            fee.0 != 0,
            ledger != *currency,
            self.vat_included,
            self.class_rule == ClassRule::Middle,
        ]));
        out.byte(flags(optional.map(|value| value != 0)));
        if let Some(tariff) = self.tariff {
            out.signed(tariff.0);
        }
        if let Some(rate) = self.rate {
            out.signed(rate.0);
        }
        write_prices(segments, out);
        out.unsigned(measure.step_ms.get().into());
        optional.into_iter().filter(|value| *value != 0).for_each(|value| out.unsigned(value));
        if fee.0 != 0 {
            out.signed(fee.0);
        }
        out.byte((self.rounding.digits << 2) | mode_code(self.rounding.mode));
        currency.write(out);
        if ledger != *currency {
            ledger.write(out);
        }
        out.signed(self.exchange.rate());
    }

    fn read(input: &mut Reader<'_>) -> Result<Self, BadSettlement> {
        let has = known(input.byte()?, 7)?;
        let optional = known(input.byte()?, 5)?;
        let tariff = when(flag(has, 0), || input.signed().map(TariffId))?;
        let rate = when(flag(has, 1), || input.signed().map(RateId))?;
        let prices = read_prices(flag(has, 2), input)?;
        let step_ms = NonZeroU32::new(input.narrow()?).ok_or(BadTerms::Measure)?;
        let mut next = |bit| when(flag(optional, bit), || input.narrow::<u32>());
        let measure = Measure {
            step_ms,
            minimum_ms: next(0)?.unwrap_or_default(),
            free_ms: next(1)?.unwrap_or_default(),
            free_after_ms: next(2)?.unwrap_or_default(),
        };
        let discount = u16::try_from(next(3)?.unwrap_or_default());
        let vat_ppm = next(4)?.unwrap_or_default();
        let fee = when(flag(has, 3), || input.signed().map(Amount))?.unwrap_or_default();
        let rounding = read_rounding(input.byte()?);
        let currency = Currency::read(input)?;
        let ledger = when(flag(has, 4), || Currency::read(input))?.unwrap_or(currency);
        let exchange = Exchange::new(input.signed()?, ledger).ok_or(BadSettlement::Malformed)?;
        let discount = discount.map_err(|_| BadTerms::FeeOrDiscount)?;
        let pricing = Pricing { measure, prices, fee, currency, discount };
        let vat_included = flag(has, 5);
        let class_rule = if flag(has, 6) { ClassRule::Middle } else { ClassRule::Split };
        let terms =
            Terms { tariff, rate, pricing, class_rule, rounding, exchange, vat_ppm, vat_included };
        Ok(terms.checked()?)
    }
}

/// One price alone, or a count and then all: end (not of the last one) and price.
fn write_prices(segments: &[Segment], out: &mut Writer) {
    if segments.len() > 1 {
        out.byte(segments.len() as u8);
    }
    for segment in segments {
        if segment.until_ms != FOREVER_MS {
            out.unsigned(segment.until_ms.into());
        }
        out.signed(segment.price.0);
    }
}

fn read_prices(is_list: bool, input: &mut Reader<'_>) -> Result<Prices, BadSettlement> {
    let count = if is_list { usize::from(input.byte()?) } else { 1 };
    if count > SEGMENTS_MAX {
        return Err(BadSettlement::Malformed);
    }
    let mut segments = Vec::with_capacity(count);
    for index in 1..=count {
        let until_ms = if index == count { FOREVER_MS } else { input.narrow()? };
        segments.push(Segment { until_ms, price: Price(input.signed()?) });
    }
    Prices::new(&segments).ok_or(BadSettlement::Terms(BadTerms::Price))
}

const fn mode_code(mode: RoundingMode) -> u8 {
    match mode {
        RoundingMode::HalfAway => 0,
        RoundingMode::Up => 1,
        RoundingMode::Down => 2,
        RoundingMode::HalfEven => 3,
    }
}

const fn read_rounding(byte: u8) -> Rounding {
    let mode = match byte & 3 {
        0 => RoundingMode::HalfAway,
        1 => RoundingMode::Up,
        2 => RoundingMode::Down,
        3..=u8::MAX => RoundingMode::HalfEven,
    };
    Rounding { digits: byte >> 2, mode }
}

impl Form for Currency {
    fn write(&self, out: &mut Writer) {
        for letter in self.code().bytes() {
            out.byte(letter);
        }
        out.byte(self.minor_digits());
    }

    fn read(input: &mut Reader<'_>) -> Result<Self, BadSettlement> {
        let letters = [input.byte()?, input.byte()?, input.byte()?];
        let digits = input.byte()?;
        let code = core::str::from_utf8(&letters).map_err(|_| BadSettlement::Malformed)?;
        Currency::new(code, digits).ok_or(BadSettlement::Malformed)
    }
}
