//! What a charge of a record is by other prices (design of control, 22): by those that its tariff
//! has now for the time of the call, by those of another moment, or by another tariff.
//!
//! Times, numbers and parties are the record's and never change. Discounts, tax and the rule of
//! classes are what they are now: no record holds them. What an allowance paid stays paid.

use crate::decide::RINGING_MS;
use crate::world::{Priced, World};
use strowger_billing::{Commission, in_currency, rate};
use strowger_model::{Amount, Cdr, Charge, ChargeKind, TariffId};

/// By which prices.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub struct OtherPrices {
    /// Of this tariff; `None` is the one that the charge has.
    pub tariff: Option<TariffId>,
    /// In force at this moment, microseconds since 1970 UTC; `None` is when the call began.
    pub at_us: Option<i64>,
}

/// Why a charge stays what it is.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum NotRerated {
    /// It has no tariff: a call between subscribers, or a price that is set for what has none.
    NoTariff,
    /// The tariff has no price for the number, its currency no rate, the account is not there any
    /// more or kept in another currency, or the amount is beyond the ledger's range.
    NoPrice,
}

/// A charge of `cdr` by other prices: the same charge with other amounts.
///
/// # Errors
/// [`NotRerated`].
pub fn rerate(
    world: &World,
    cdr: &Cdr,
    charge: &Charge,
    by: OtherPrices,
) -> Result<Charge, NotRerated> {
    let own = charge.tariff.ok_or(NotRerated::NoTariff)?;
    priced(world, cdr, charge, OtherPrices { tariff: by.tariff.or(Some(own)), ..by })
        .ok_or(NotRerated::NoPrice)
}

fn priced(world: &World, cdr: &Cdr, charge: &Charge, by: OtherPrices) -> Option<Charge> {
    let deck = world.tariff(by.tariff?)?;
    let (tenant, account) = (world.tenant(cdr.tenant?)?, world.account(charge.account)?);
    if account.currency != charge.currency || account.tenant != tenant.id {
        return None;
    }
    let number = cdr.called.normalised.as_ref()?;
    let times = &cdr.times;
    let began_us = times.started_us;
    let lasted_ms = span_ms(began_us, times.ended_us);
    let call = Priced {
        number,
        chain: &world.chain(number),
        began_us,
        ms_max: lasted_ms.max(u64::from(tenant.talk_s_max) * 1_000 + RINGING_MS),
        prices_us: by.at_us.unwrap_or(began_us),
    };
    let terms = world.terms(deck, (tenant, account), call).ok()?;
    let terms = terms.answered_after(span_ms(began_us, times.answered_us.unwrap_or(began_us)));
    let talked_ms = match charge.kind {
        // What agents earn has no tariff: see [`recommission`]. What a packet paid stays paid.
        ChargeKind::Customer
        | ChargeKind::Reseller
        | ChargeKind::Commission
        | ChargeKind::Packet => times.billable_ms,
        ChargeKind::Supplier => times.called_ms,
    };
    let talked_ms = cdr.is_answered().then_some(talked_ms);
    let rated = rate(&terms, talked_ms, charge.free_ms).ok()?;
    Some(Charge {
        net: rated.net,
        vat_ppm: rated.vat_ppm,
        gross: rated.gross,
        charged_ms: rated.charged_ms,
        step_ms: terms.pricing.measure.step_ms.get(),
        unit_price: rated.unit_price,
        price_currency: terms.pricing.currency,
        tariff: terms.tariff,
        rate: terms.rate,
        ..*charge
    })
}

/// What an agent who earned `was` of a charge earns of it now that it is `paid`, and the call costs
/// who sold it `cost`: the part that the payer's account names now, and the exchange rates of the
/// call's beginning. `None` when the account is gone or names another agent, or nobody knows what
/// the cost is worth: then it stays what it was.
#[must_use]
pub fn recommission(
    world: &World,
    cdr: &Cdr,
    was: &Charge,
    (paid, cost): (&Charge, Option<&Charge>),
) -> Option<Charge> {
    let tenant = world.tenant(cdr.tenant?)?;
    let account = world.account(paid.account).filter(|of| of.agent == Some(was.account))?;
    let part = Commission {
        agent: was.account,
        organization: was.organization,
        share_bp: account.commission_bp,
        of_profit: account.commission_of_profit,
    };
    let cost = match cost.filter(|_| part.of_profit) {
        None => Amount::ZERO,
        Some(cost) if cost.currency == paid.currency => cost.net,
        Some(cost) => {
            let began_us = cdr.times.started_us;
            in_currency(cost, &world.exchange(tenant, cost.currency, paid.currency, began_us)?)?
        }
    };
    let amount = part.of(paid.net, cost);
    Some(Charge { net: amount, gross: amount, ..*was })
}

fn span_ms(from_us: i64, to_us: i64) -> u64 {
    u64::try_from(to_us.saturating_sub(from_us)).unwrap_or_default() / 1_000
}

#[cfg(test)]
mod tests;
