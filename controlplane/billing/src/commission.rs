//! What an agent earns of a call: a part of what the account that he brought pays for it without
//! tax, or of what is left of that when the call itself is paid. Who sold to the account owes it.

use crate::settlement::{Level, Settlement};
use strowger_model::{
    AccountId, Amount, Charge, ChargeKind, Currency, Exchange, OrganizationId, Price, WHOLE,
};

/// An agent's part, by value.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Commission {
    /// Account of the agent, kept in the payer's currency.
    pub agent: AccountId,
    /// Its organization.
    pub organization: OrganizationId,
    /// The part, 1e-4, at most [`WHOLE`].
    pub share_bp: u16,
    /// Of what is left when who sold has paid for the call.
    pub of_profit: bool,
}

impl Commission {
    /// What is earned of `paid` where the call cost who sold `cost`: never more than there is, and
    /// nothing of a loss. Rounded down.
    #[must_use]
    pub fn of(&self, paid: Amount, cost: Amount) -> Amount {
        let cost = if self.of_profit { i128::from(cost.0) } else { 0 };
        let base = i128::from(paid.0).saturating_sub(cost).clamp(0, i64::MAX.into());
        let earned = base * i128::from(self.share_bp.min(WHOLE)) / i128::from(WHOLE);
        Amount(i64::try_from(earned).unwrap_or_default())
    }
}

/// What the agent of a payer earns of what it pays. `cost` is what who sold to it pays for the
/// call. `None` where there is no agent, nothing is earned, or nobody knows what a cost in another
/// currency is worth.
pub(crate) fn earned(
    level: &Level,
    paid: &Charge,
    cost: Option<&Charge>,
    settlement: &Settlement,
) -> Option<Charge> {
    let commission = level.commission?;
    let cost = match cost.filter(|_| commission.of_profit) {
        None => Amount::ZERO,
        Some(cost) => worth(settlement, cost, paid.currency)?,
    };
    let amount = commission.of(paid.net, cost);
    (amount > Amount::ZERO).then_some(Charge {
        account: commission.agent,
        organization: commission.organization,
        payee: paid.payee,
        kind: ChargeKind::Commission,
        prepaid: false,
        net: amount,
        vat_ppm: 0,
        gross: amount,
        charged_ms: 0,
        free_ms: 0,
        allowance: None,
        unit_price: Price(0),
        price_currency: paid.currency,
        tariff: None,
        rate: None,
        ..*paid
    })
}

/// A charge without tax in another currency, rounded up: a profit is not said to be larger.
fn worth(settlement: &Settlement, charge: &Charge, wanted: Currency) -> Option<Amount> {
    if charge.currency == wanted {
        return Some(charge.net);
    }
    in_currency(charge, &settlement.exchange(charge.currency, wanted)?)
}

/// What a charge without tax is worth by an exchange of its currency, rounded up.
#[must_use]
pub fn in_currency(charge: &Charge, exchange: &Exchange) -> Option<Amount> {
    let (multiplier, divisor) = exchange.ratio(charge.currency.ledger_digits());
    let exact = i128::from(charge.net.0).checked_mul(multiplier)?;
    let up = exact.div_euclid(divisor) + i128::from(exact.rem_euclid(divisor) > 0);
    i64::try_from(up).ok().map(Amount)
}

#[cfg(test)]
mod tests;
