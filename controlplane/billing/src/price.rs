//! From a draft and its settlement to a record with its money.

use crate::commission::earned;
use crate::compose::drafts;
use crate::packet::of_packet;
use crate::{CdrDraft, Forwarder, Level, Mode, Overflow, Part, PriceRef, Settlement, Terms, rate};
use strowger_link::CallFacts;
use strowger_model::{AccountId, Cdr, Charge, ChargeKind, OrganizationId};

/// The records of a call, priced by the settlement it brought back: [`crate::compose`] and
/// [`price`].
///
/// A call without a settlement (no decision was made) has a record without money. One whose
/// settlement cannot be read is marked [`Cdr::unpriced`].
#[must_use]
pub fn records(facts: &CallFacts, mode: Mode) -> Vec<Cdr> {
    let bytes = &facts.settlement.0;
    let settlement = Settlement::decode(bytes);
    let drafts = drafts(facts, mode, settlement.as_ref().ok());
    let priced = |draft: CdrDraft| match &settlement {
        Ok(settlement) => price(draft, settlement),
        Err(_) => Cdr { unpriced: !bytes.is_empty(), ..draft.unpriced() },
    };
    drafts.into_iter().map(priced).collect()
}

/// Adds parties and money to a draft. Each level pays by its own terms for the billable time; the
/// supplier of the called leg is owed for the answered time of that leg. What an allowance was
/// granted to pay is taken off the first level's time; a packet of money is named, and pays when
/// the books see the record. A forward has one level: who forwards
/// pays. Where a called party named another number, its price counts instead
/// ([`Settlement::instead`]).
///
/// Agents earn their part of what levels pay, at the end ([`crate::Commission`]).
///
/// An amount beyond the ledger's range leaves its charge out and marks [`Cdr::unpriced`].
#[must_use]
pub fn price(draft: CdrDraft, settlement: &Settlement) -> Cdr {
    let CdrDraft { mut cdr, hop, hop_prices, answered, free_ms } = draft;
    let home = cdr.part.checked_sub(1);
    let part = home.and_then(|part| settlement.part(part));
    let instead = answered.and_then(|hop| settlement.instead(home, PriceRef::of(hop).part));
    add_parties(&mut cdr, settlement, part);
    if let Some(instead) = instead {
        cdr.called.normalised = instead.number;
        cdr.called.destination = instead.destination;
    }
    let hop_at = |byte: u8| settlement.hops.get(usize::from(PriceRef::of(byte).hop?));
    for (row, index) in cdr.hops.iter_mut().zip(hop_prices) {
        row.supplier = hop_at(index).map(|hop| hop.account);
    }
    let billable_ms = cdr.is_answered().then_some(cdr.times.billable_ms);
    let waited_ms = waited_ms(&cdr, settlement);
    let levels: &[Level] = match instead.or(part) {
        Some(part) => core::slice::from_ref(&part.level),
        None => &settlement.levels,
    };
    for (index, level) in levels.iter().enumerate() {
        let above = levels.get(index + 1).map(|above| above.organization);
        let owner = Owner { account: level.account, organization: level.organization };
        let kind = if index == 0 { ChargeKind::Customer } else { ChargeKind::Reseller };
        // Only the caller's own account has free time, for the number that it dialled.
        let is_own = index == 0 && part.is_none() && instead.is_none();
        let allowance = settlement.allowance.filter(|_| is_own);
        let covered_ms = if allowance.is_some() { free_ms } else { 0 };
        let terms = level.terms.answered_after(waited_ms);
        match charge(owner, kind, &terms, (billable_ms, covered_ms)) {
            Err(Overflow) => cdr.unpriced = true,
            Ok(charge) if index == 0 => {
                let (prepaid, allowance) =
                    (level.prepaid, allowance.filter(|_| charge.free_ms > 0));
                let paid = Charge { payee: above, prepaid, allowance, ..charge };
                let packet = settlement.packet.filter(|_| is_own);
                cdr.packet = packet.and_then(|packet| of_packet(packet, &paid));
                cdr.customer = Some(paid);
            }
            Ok(charge) => {
                cdr.levels.push(Charge { payee: above, prepaid: level.prepaid, ..charge });
            }
        }
    }
    let called_ms = cdr.is_answered().then_some(cdr.times.called_ms);
    if let Some(hop) = hop.and_then(hop_at)
        && let Some(terms) = &hop.terms
    {
        let owner = Owner { account: hop.account, organization: hop.organization };
        let terms = terms.answered_after(waited_ms);
        match charge(owner, ChargeKind::Supplier, &terms, (called_ms, 0)) {
            Ok(charge) => cdr.supplier = Some(charge),
            Err(Overflow) => cdr.unpriced = true,
        }
    }
    cdr.commissions = commissions(&cdr, levels, settlement);
    cdr
}

/// What agents earn: who sells to a level pays the level above, the last one the supplier.
fn commissions(cdr: &Cdr, levels: &[Level], settlement: &Settlement) -> Vec<Charge> {
    if levels.iter().all(|level| level.commission.is_none()) {
        return Vec::new();
    }
    let paid = |level: &Level| {
        let mut charges = cdr.customer.iter().chain(&cdr.levels);
        charges.find(|charge| charge.account == level.account)
    };
    let mut all = Vec::new();
    for (index, level) in levels.iter().enumerate() {
        let cost = match levels.get(index + 1) {
            Some(above) => paid(above),
            None => cdr.supplier.as_ref(),
        };
        let charge = paid(level);
        all.extend(charge.and_then(|charge| earned(level, charge, cost, settlement)));
    }
    all
}

/// From the moment from which a settlement's prices count to answer, milliseconds.
fn waited_ms(cdr: &Cdr, settlement: &Settlement) -> u64 {
    let answered_us = cdr.times.answered_us.unwrap_or(settlement.began_us);
    u64::try_from(answered_us.saturating_sub(settlement.began_us)).unwrap_or_default() / 1_000
}

struct Owner {
    account: AccountId,
    organization: OrganizationId,
}

fn charge(
    owner: Owner,
    kind: ChargeKind,
    terms: &Terms,
    (billable_ms, covered_ms): (Option<u64>, u64),
) -> Result<Charge, Overflow> {
    let rated = rate(terms, billable_ms, covered_ms)?;
    Ok(Charge {
        account: owner.account,
        organization: owner.organization,
        payee: None,
        kind,
        prepaid: false,
        currency: rated.currency,
        net: rated.net,
        vat_ppm: rated.vat_ppm,
        gross: rated.gross,
        charged_ms: rated.charged_ms,
        free_ms: rated.free_ms,
        allowance: None,
        step_ms: terms.pricing.measure.step_ms.get(),
        unit_price: rated.unit_price,
        price_currency: terms.pricing.currency,
        tariff: terms.tariff,
        rate: terms.rate,
    })
}

fn add_parties(cdr: &mut Cdr, settlement: &Settlement, part: Option<&Part>) {
    cdr.tenant = Some(settlement.tenant);
    cdr.snapshot = settlement.snapshot;
    cdr.caller.hidden = settlement.caller.hidden;
    if let Some(part) = part {
        return add_forwarder(cdr, settlement, part);
    }
    let payer = settlement.levels.first();
    cdr.caller.account = settlement.caller.account.or(payer.map(|level| level.account));
    cdr.caller.organization =
        settlement.caller.organization.or(payer.map(|level| level.organization));
    cdr.caller.subscriber = settlement.caller.subscriber;
    cdr.caller.trunk = settlement.caller.trunk;
    cdr.caller.number.clone_from(&settlement.caller.number);
    cdr.called.normalised = settlement.number;
    cdr.called.destination = settlement.destination;
}

/// The calling side of a forward is who forwards; its number the one that was called and forwarded.
fn add_forwarder(cdr: &mut Cdr, settlement: &Settlement, part: &Part) {
    let before = part.parent.and_then(|parent| settlement.part(parent));
    let dialled = before.map_or(settlement.number, |before| before.number);
    cdr.caller.account = Some(part.level.account);
    cdr.caller.organization = Some(part.level.organization);
    cdr.caller.subscriber = match part.by {
        Forwarder::Subscriber(id) => Some(id),
        Forwarder::RingGroup(_) | Forwarder::Trunk(_) => None,
    };
    cdr.caller.trunk = match part.by {
        Forwarder::Trunk(id) => Some(id),
        Forwarder::Subscriber(_) | Forwarder::RingGroup(_) => None,
    };
    cdr.caller.number = dialled.map(|number| number.to_string()).unwrap_or_default();
    cdr.called.normalised = part.number;
    cdr.called.destination = part.destination;
}

#[cfg(test)]
mod tests;
