//! What packets of money pay of calls: in the order of the records, as long as something is left.

use std::collections::BTreeMap;
use strowger_model::{AllowanceId, Amount, Cdr, Charge, ChargeKind, Price};

/// What a packet is to pay of a charge: nothing yet, see [`pay_by_packets`]. `None` where the call
/// costs nothing.
pub(crate) fn of_packet(packet: AllowanceId, charge: &Charge) -> Option<Charge> {
    (charge.gross > Amount::ZERO).then_some(Charge {
        kind: ChargeKind::Packet,
        net: Amount::ZERO,
        vat_ppm: 0,
        gross: Amount::ZERO,
        charged_ms: 0,
        free_ms: 0,
        allowance: Some(packet),
        unit_price: Price(0),
        price_currency: charge.currency,
        tariff: None,
        rate: None,
        ..*charge
    })
}

/// The packets that records name, each once, in order.
#[must_use]
pub fn packets_of(records: &[Cdr]) -> Vec<AllowanceId> {
    let named = records.iter().filter_map(|record| record.packet.as_ref()?.allowance);
    let mut named: Vec<AllowanceId> = named.collect();
    named.sort_unstable();
    named.dedup();
    named
}

/// Lets packets pay, of which so much is `left`: for each record all that it charges the caller's
/// account, or what is left. Of that the tax is as large a part as it is of the charge, rounded
/// down. What a packet does not pay of at all names none.
pub fn pay_by_packets(records: &mut [Cdr], left: &mut BTreeMap<AllowanceId, Amount>) {
    for record in records {
        let Some((charge, packet)) = record.customer.as_ref().zip(record.packet.as_mut()) else {
            record.packet = None;
            continue;
        };
        let purse = packet.allowance.and_then(|id| left.get_mut(&id));
        let pays = purse.as_ref().map_or(0, |purse| purse.0.clamp(0, charge.gross.0.max(0)));
        let tax = i128::from(charge.gross.0) - i128::from(charge.net.0);
        let tax = match charge.gross.0 {
            1.. => tax.max(0) * i128::from(pays) / i128::from(charge.gross.0),
            _ => 0,
        };
        packet.gross = Amount(pays);
        packet.net = Amount(pays.saturating_sub(i64::try_from(tax).unwrap_or_default()));
        if let Some(purse) = purse {
            purse.0 -= pays;
        }
        if pays == 0 {
            record.packet = None;
        }
    }
}

#[cfg(test)]
mod tests;
