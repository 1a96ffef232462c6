//! The rules of the books: transfers of one debit and one credit, so that they sum to zero by
//! construction (design of control, 9).
//!
//! A balance is the credits of its account less its debits. What a customer pays is a debit of its
//! account; what we owe a supplier is a credit of its account. An account that is both nets itself.

use std::collections::BTreeMap;
use strowger_model::{
    AccountId, Allowance, Amount, Cdr, Charge, ChargeKind, Currency, OrganizationId, PPM, TenantId,
};

/// Whose books.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum Owner {
    /// The tenant itself.
    Tenant,
    /// An organization: a reseller's revenue.
    Organization(OrganizationId),
    /// An account: a customer's or supplier's balance.
    Account(AccountId),
}

/// What a ledger account is for.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum LedgerKind {
    /// What an account has, or we owe it.
    Balance,
    /// Sold, without tax.
    Revenue,
    /// Bought, and earned by agents, without tax.
    Cost,
    /// Tax received less tax paid.
    Vat,
    /// Money that came from or went to the outside: banks, cards, cash.
    Cash,
    /// What was given or taken by hand.
    Adjustment,
    /// The other side of an exchange: one transfer in each currency meets here.
    Position,
}

/// What a ledger account counts.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum Unit {
    /// Money, at its ledger scale.
    Money(Currency),
    /// Free seconds.
    Seconds,
    /// Free messages.
    Messages,
}

/// A ledger account by its meaning; the store gives each its
/// [`strowger_model::LedgerAccountId`] when it is first used.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct LedgerAccount {
    /// Tenant.
    pub tenant: TenantId,
    /// Whose.
    pub owner: Owner,
    /// What for.
    pub kind: LedgerKind,
    /// What it counts, immutable.
    pub unit: Unit,
}

/// Why something moved.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum TransferKind {
    /// Calls of customers and resellers, without tax.
    Charge,
    /// Calls owed to suppliers, without tax.
    Cost,
    /// Tax of either.
    Vat,
    /// A payment.
    Payment,
    /// A voucher.
    Voucher,
    /// A recurring or single fee.
    Fee,
    /// By hand, with a reason.
    Adjustment,
    /// A difference of a re-rating.
    Rerate,
    /// One half of an exchange.
    Exchange,
    /// What agents earn of calls.
    Commission,
    /// What packets of money pay of calls, without tax.
    Packet,
    /// Undoes another transfer.
    Reversal,
}

/// What a transfer comes from.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum Cause {
    /// A batch of records: each record has its batch, so every unit is traceable both ways.
    Batch(i64),
    /// A request with an idempotency key, or a document.
    Request(i64),
    /// Another transfer.
    Transfer(i64),
    /// Free time that was paid for.
    Allowance(i64),
    /// A re-rating: each of its lines names the record, so every unit is traceable both ways.
    Rerate(i64),
}

/// One debit and one credit of the same amount. Immutable; a correction is another transfer.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Transfer {
    tenant: TenantId,
    at_us: i64,
    debit: LedgerAccount,
    credit: LedgerAccount,
    amount: Amount,
    kind: TransferKind,
    cause: Cause,
}

/// A transfer that the books refuse.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
pub enum BadTransfer {
    /// Zero or less: a transfer in the other direction says that.
    #[error("the amount of a transfer is not above zero")]
    Amount,
    /// From an account to itself.
    #[error("debit and credit are the same account")]
    SameAccount,
    /// Two currencies or units.
    #[error("debit and credit count in different units")]
    Units,
    /// Two tenants.
    #[error("debit and credit belong to different tenants")]
    Tenants,
}

impl Transfer {
    /// Moves `amount` from `debit` to `credit` at `at_us`.
    ///
    /// # Errors
    /// [`BadTransfer`] names the rule that it breaks.
    pub fn new(
        at_us: i64,
        debit: LedgerAccount,
        credit: LedgerAccount,
        amount: Amount,
        kind: TransferKind,
        cause: Cause,
    ) -> Result<Transfer, BadTransfer> {
        if amount.0 <= 0 {
            return Err(BadTransfer::Amount);
        }
        if debit.tenant != credit.tenant {
            return Err(BadTransfer::Tenants);
        }
        if debit.unit != credit.unit {
            return Err(BadTransfer::Units);
        }
        if debit == credit {
            return Err(BadTransfer::SameAccount);
        }
        Ok(Transfer { tenant: debit.tenant, at_us, debit, credit, amount, kind, cause })
    }

    /// The transfer that undoes this one, which the store knows as `id`.
    #[must_use]
    pub const fn reversed(self, id: i64, at_us: i64) -> Transfer {
        Transfer {
            at_us,
            debit: self.credit,
            credit: self.debit,
            kind: TransferKind::Reversal,
            cause: Cause::Transfer(id),
            ..self
        }
    }

    /// Tenant of both sides.
    #[must_use]
    pub const fn tenant(&self) -> TenantId {
        self.tenant
    }

    /// When it was booked, microseconds since 1970 UTC.
    #[must_use]
    pub const fn at_us(&self) -> i64 {
        self.at_us
    }

    /// Whose balance falls.
    #[must_use]
    pub const fn debit(&self) -> LedgerAccount {
        self.debit
    }

    /// Whose balance rises.
    #[must_use]
    pub const fn credit(&self) -> LedgerAccount {
        self.credit
    }

    /// How much, above zero.
    #[must_use]
    pub const fn amount(&self) -> Amount {
        self.amount
    }

    /// What it counts.
    #[must_use]
    pub const fn unit(&self) -> Unit {
        self.debit.unit
    }

    /// Why.
    #[must_use]
    pub const fn kind(&self) -> TransferKind {
        self.kind
    }

    /// Whence.
    #[must_use]
    pub const fn cause(&self) -> Cause {
        self.cause
    }
}

/// What a batch of records books, summed up record by record.
#[derive(Clone, Default, Debug)]
pub struct Postings {
    sums: BTreeMap<(LedgerAccount, LedgerAccount, TransferKind), i128>,
}

impl Postings {
    /// Adds the charges of a record. One without a tenant moves nothing.
    pub fn add(&mut self, record: &Cdr) {
        let Some(tenant) = record.tenant else { return };
        for charge in record.charges() {
            let tax = charge.gross.0.saturating_sub(charge.net.0);
            let [money, vat] = sides(tenant, charge);
            *self.sums.entry(money).or_default() += i128::from(charge.net.0);
            *self.sums.entry(vat).or_default() += i128::from(tax);
        }
    }

    /// The transfers of the batch: one per debit, credit and kind, in order of the accounts; two or
    /// more only where one amount would not fit.
    #[must_use]
    pub fn transfers(self, batch: i64, at_us: i64) -> Vec<Transfer> {
        let of = Booking { at_us, cause: Cause::Batch(batch) };
        let sums = self.sums.into_iter();
        sums.flat_map(|((debit, credit, kind), sum)| of.move_all(debit, credit, kind, sum))
            .collect()
    }
}

/// The transfers of a batch of records, see [`Postings`].
#[must_use]
pub fn postings(batch: i64, at_us: i64, records: &[Cdr]) -> Vec<Transfer> {
    let mut all = Postings::default();
    records.iter().for_each(|record| all.add(record));
    all.transfers(batch, at_us)
}

/// What a charge was before it was rated again, and what it is now: of one account and kind, in one
/// currency.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Correction {
    /// Without tax, before.
    pub was_net: Amount,
    /// With tax, before.
    pub was_gross: Amount,
    /// Now.
    pub charge: Charge,
}

impl Correction {
    /// What the amounts without tax, and the tax, change by.
    fn differences(&self) -> [i128; 2] {
        let wide = |amount: Amount| i128::from(amount.0);
        let net = wide(self.charge.net) - wide(self.was_net);
        let gross = wide(self.charge.gross) - wide(self.was_gross);
        [net, gross - net]
    }
}

/// The transfers that correct what was booked for records which were rated again: one per pair of
/// accounts, in order of the accounts; two or more only where one amount would not fit. What became
/// dearer moves the way in which calls are booked, what became cheaper back. Nothing that was
/// booked is touched.
#[must_use]
pub fn corrections(
    rerate: i64,
    at_us: i64,
    tenant: TenantId,
    lines: &[Correction],
) -> Vec<Transfer> {
    let mut sums: BTreeMap<(LedgerAccount, LedgerAccount), i128> = BTreeMap::new();
    for line in lines {
        let pairs = sides(tenant, &line.charge).map(|(debit, credit, _)| (debit, credit));
        for (pair, difference) in pairs.into_iter().zip(line.differences()) {
            *sums.entry(pair).or_default() += difference;
        }
    }
    let of = Booking { at_us, cause: Cause::Rerate(rerate) };
    let moved = |((debit, credit), sum): ((LedgerAccount, LedgerAccount), i128)| {
        let (debit, credit) = if sum < 0 { (credit, debit) } else { (debit, credit) };
        of.move_all(debit, credit, TransferKind::Rerate, sum.saturating_abs())
    };
    sums.into_iter().flat_map(moved).collect()
}

/// The transfers of free time that was bought, `allowance` with the account's currency: what it
/// costs without tax to who sells it, and the tax in it. None for what is given.
#[must_use]
pub fn bought(
    allowance: &Allowance,
    currency: Currency,
    payee: Option<OrganizationId>,
    at_us: i64,
) -> Vec<Transfer> {
    let unit = Unit::Money(currency);
    let account = |owner, kind| LedgerAccount { tenant: allowance.tenant, owner, kind, unit };
    let balance = account(Owner::Account(allowance.account), LedgerKind::Balance);
    let seller = payee.map_or(Owner::Tenant, Owner::Organization);
    let (gross, with_tax) =
        (i128::from(allowance.price.0.max(0)), PPM + i128::from(allowance.vat_ppm));
    // Rounded half up: the tax is what is left of the price.
    let net = (gross * PPM * 2 + with_tax) / (with_tax * 2);
    let of = Booking { at_us, cause: Cause::Allowance(allowance.id.0) };
    let (revenue, vat) = (account(seller, LedgerKind::Revenue), account(seller, LedgerKind::Vat));
    let mut all = of.move_all(balance, revenue, TransferKind::Fee, net);
    all.extend(of.move_all(balance, vat, TransferKind::Vat, gross - net));
    all
}

/// What transfers that are booked together have in common.
#[derive(Clone, Copy)]
struct Booking {
    at_us: i64,
    cause: Cause,
}

impl Booking {
    /// The transfers that move `left`, which is not below zero: several where one amount would not
    /// fit, none for nothing.
    fn move_all(
        self,
        debit: LedgerAccount,
        credit: LedgerAccount,
        kind: TransferKind,
        mut left: i128,
    ) -> Vec<Transfer> {
        let mut transfers = Vec::with_capacity(1);
        while let Ok(amount) = i64::try_from(left.min(i64::MAX.into())).map(Amount) {
            match Transfer::new(self.at_us, debit, credit, amount, kind, self.cause) {
                Ok(transfer) => transfers.push(transfer),
                // Nothing is left.
                Err(_) => break,
            }
            left -= i128::from(amount.0);
        }
        transfers
    }
}

/// Debit, credit and kind of a charge's net amount and of its tax: [`postings`] books by it, and
/// who checks the books asks it again.
#[must_use]
pub fn sides(
    tenant: TenantId,
    charge: &Charge,
) -> [(LedgerAccount, LedgerAccount, TransferKind); 2] {
    let unit = Unit::Money(charge.currency);
    let account = |owner, kind| LedgerAccount { tenant, owner, kind, unit };
    let balance = account(Owner::Account(charge.account), LedgerKind::Balance);
    let seller = charge.payee.map_or(Owner::Tenant, Owner::Organization);
    match charge.kind {
        ChargeKind::Customer | ChargeKind::Reseller => [
            (balance, account(seller, LedgerKind::Revenue), TransferKind::Charge),
            (balance, account(seller, LedgerKind::Vat), TransferKind::Vat),
        ],
        ChargeKind::Supplier => [
            (account(Owner::Tenant, LedgerKind::Cost), balance, TransferKind::Cost),
            (account(Owner::Tenant, LedgerKind::Vat), balance, TransferKind::Vat),
        ],
        ChargeKind::Packet => [
            (account(seller, LedgerKind::Revenue), balance, TransferKind::Packet),
            (account(seller, LedgerKind::Vat), balance, TransferKind::Vat),
        ],
        ChargeKind::Commission => [
            (account(seller, LedgerKind::Cost), balance, TransferKind::Commission),
            (account(seller, LedgerKind::Vat), balance, TransferKind::Vat),
        ],
    }
}

#[cfg(test)]
mod tests;
