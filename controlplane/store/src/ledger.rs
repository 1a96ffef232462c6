//! The books: accounts made when first used, transfers appended, balances summed from checkpoints.

use crate::bulk::{Bulk, Value};
use crate::column::{Columns, word_of};
use crate::{Reader, Store, StoreError, Tried, Writer};
use sqlx::Row;
use std::collections::BTreeMap;
use strowger_billing::{Cause, LedgerAccount, LedgerKind, Owner, Transfer, TransferKind, Unit};
use strowger_model::{AccountId, Amount, TenantId};

pub(crate) const KINDS: [(&str, LedgerKind); 7] = [
    ("balance", LedgerKind::Balance),
    ("revenue", LedgerKind::Revenue),
    ("cost", LedgerKind::Cost),
    ("vat", LedgerKind::Vat),
    ("cash", LedgerKind::Cash),
    ("adjustment", LedgerKind::Adjustment),
    ("position", LedgerKind::Position),
];
pub(crate) const TRANSFER_KINDS: [(&str, TransferKind); 12] = [
    ("charge", TransferKind::Charge),
    ("cost", TransferKind::Cost),
    ("vat", TransferKind::Vat),
    ("payment", TransferKind::Payment),
    ("voucher", TransferKind::Voucher),
    ("fee", TransferKind::Fee),
    ("adjustment", TransferKind::Adjustment),
    ("rerate", TransferKind::Rerate),
    ("exchange", TransferKind::Exchange),
    ("commission", TransferKind::Commission),
    ("packet", TransferKind::Packet),
    ("reversal", TransferKind::Reversal),
];

/// What the books say an account has.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Posted {
    /// Tenant.
    pub tenant: TenantId,
    /// Account.
    pub account: AccountId,
    /// Credits less debits, at the ledger scale of the account's currency.
    pub balance: Amount,
}

const fn owner(owner: Owner) -> (&'static str, i64) {
    match owner {
        Owner::Tenant => ("tenant", 0),
        Owner::Organization(id) => ("organization", id.0),
        Owner::Account(id) => ("account", id.0),
    }
}

fn unit(unit: Unit) -> (String, i64) {
    match unit {
        Unit::Money(currency) => (currency.code().to_owned(), currency.minor_digits().into()),
        Unit::Seconds => ("seconds".to_owned(), 0),
        Unit::Messages => ("messages".to_owned(), 0),
    }
}

const fn cause(cause: Cause) -> (&'static str, i64) {
    match cause {
        Cause::Batch(id) => ("batch", id),
        Cause::Request(id) => ("request", id),
        Cause::Transfer(id) => ("transfer", id),
        Cause::Rerate(id) => ("rerate", id),
        Cause::Allowance(id) => ("allowance", id),
    }
}

const FIND_ACCOUNT: &str = "SELECT id FROM ledger_accounts WHERE tenant_id = $1 \
    AND owner_kind = $2 AND owner_id = $3 AND kind = $4 AND unit = $5";
const OPEN_ACCOUNT: &str = "INSERT INTO ledger_accounts (tenant_id, owner_kind, owner_id, kind, \
    unit, minor_digits) VALUES ($1, $2, $3, $4, $5, $6) RETURNING id";

impl Writer<'_> {
    /// Appends a transfer; its accounts are made if this is their first use.
    ///
    /// # Errors
    /// [`StoreError::Database`].
    pub async fn insert_transfer(&mut self, transfer: &Transfer) -> Result<(), StoreError> {
        let debit = self.ledger_account(&transfer.debit()).await?;
        let credit = self.ledger_account(&transfer.credit()).await?;
        let (cause_kind, cause_id) = cause(transfer.cause());
        let sql = "INSERT INTO transfers (tenant_id, at_us, debit_id, credit_id, unit, amount, \
             kind, cause_kind, cause_id) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)";
        let query = sqlx::query(sql)
            .bind(transfer.tenant().0)
            .bind(transfer.at_us())
            .bind(debit)
            .bind(credit)
            .bind(unit(transfer.unit()).0)
            .bind(transfer.amount().0)
            .bind(word_of(&TRANSFER_KINDS, transfer.kind()))
            .bind(cause_kind)
            .bind(cause_id);
        query.execute(&mut *self.tx).await.tried("write a transfer").map(|_| ())
    }

    async fn ledger_account(&mut self, account: &LedgerAccount) -> Result<i64, StoreError> {
        let (owner_kind, owner_id) = owner(account.owner);
        let (unit, minor_digits) = unit(account.unit);
        let kind = word_of(&KINDS, account.kind);
        let query = sqlx::query(FIND_ACCOUNT)
            .bind(account.tenant.0)
            .bind(owner_kind)
            .bind(owner_id)
            .bind(kind)
            .bind(&unit);
        let row = query.fetch_optional(&mut *self.tx).await.tried("find a ledger account")?;
        if let Some(row) = row {
            return row.try_get("id").tried("find a ledger account");
        }
        let query = sqlx::query(OPEN_ACCOUNT)
            .bind(account.tenant.0)
            .bind(owner_kind)
            .bind(owner_id)
            .bind(kind)
            .bind(unit)
            .bind(minor_digits);
        let row = query.fetch_one(&mut *self.tx).await.tried("open a ledger account")?;
        row.try_get("id").tried("open a ledger account")
    }
}

impl Bulk {
    /// Appends transfers, by the ledger accounts that `known` has; what it lacks is looked up, or
    /// opened, and added to it. It must be forgotten if this transaction is not committed.
    pub(crate) async fn append_transfers(
        &mut self,
        transfers: &[Transfer],
        known: &mut BTreeMap<LedgerAccount, i64>,
    ) -> Result<(), StoreError> {
        let mut rows = Vec::with_capacity(transfers.len());
        for transfer in transfers {
            let debit = self.known_account(transfer.debit(), known).await?;
            rows.push((transfer, debit, self.known_account(transfer.credit(), known).await?));
        }
        self.append("transfers", &rows, |(transfer, debit, credit), to| {
            let (cause_kind, cause_id) = cause(transfer.cause());
            to.int("tenant_id", transfer.tenant().0);
            to.int("at_us", transfer.at_us());
            to.int("debit_id", debit);
            to.int("credit_id", credit);
            to.text("unit", &unit(transfer.unit()).0);
            to.int("amount", transfer.amount().0);
            to.text("kind", word_of(&TRANSFER_KINDS, transfer.kind()));
            to.text("cause_kind", cause_kind);
            to.int("cause_id", cause_id);
        })
        .await
    }

    async fn known_account(
        &mut self,
        account: LedgerAccount,
        known: &mut BTreeMap<LedgerAccount, i64>,
    ) -> Result<i64, StoreError> {
        if let Some(id) = known.get(&account) {
            return Ok(*id);
        }
        let (owner_kind, owner_id) = owner(account.owner);
        let (unit, minor_digits) = unit(account.unit);
        let key = [
            Value::Int(account.tenant.0),
            Value::Text(owner_kind),
            Value::Int(owner_id),
            Value::Text(word_of(&KINDS, account.kind)),
            Value::Text(&unit),
        ];
        let id = match self.int("find a ledger account", FIND_ACCOUNT, &key).await? {
            Some(id) => id,
            None => {
                let [a, b, c, d, e] = key;
                let row = [a, b, c, d, e, Value::Int(minor_digits)];
                let what = "open a ledger account";
                let id = self.int(what, OPEN_ACCOUNT, &row).await?;
                id.ok_or(sqlx::Error::RowNotFound).tried(what)?
            }
        };
        known.insert(account, id);
        Ok(id)
    }
}

/// Balance of ledger account `l`: its checkpoint `c`, if there is one, and later transfers.
macro_rules! balance {
    () => {
        "COALESCE(c.balance, 0) \
         + (SELECT COALESCE(SUM(t.amount), 0) FROM transfers t WHERE t.credit_id = l.id \
            AND t.id > COALESCE(c.up_to_transfer, 0)) \
         - (SELECT COALESCE(SUM(t.amount), 0) FROM transfers t WHERE t.debit_id = l.id \
            AND t.id > COALESCE(c.up_to_transfer, 0))"
    };
}
pub(crate) use balance;

impl Store {
    /// Writes a checkpoint of each ledger account that was booked on since the last time, so that
    /// nobody sums old transfers; `false` when there was none.
    ///
    /// # Errors
    /// [`StoreError::Database`].
    pub async fn checkpoint(&self, at_us: i64) -> Result<bool, StoreError> {
        let what = "write checkpoints";
        let sql = "SELECT CAST(COALESCE((SELECT MAX(id) FROM transfers), 0) AS BIGINT) AS newest, \
             CAST(COALESCE((SELECT MAX(up_to_transfer) FROM balance_checkpoints), 0) AS BIGINT) \
             AS done";
        // Asked without the lock first: most of the time there is nothing to do.
        let row = sqlx::query(sql).fetch_one(&self.reader().pool).await.tried(what)?;
        let c = Columns::new("balance_checkpoints", &row);
        if c.int("newest")? <= c.int("done")? {
            return Ok(false);
        }
        let mut w = self.write().await?;
        // Behind the lock no transfer is on its way: each up to the newest is seen.
        let row = sqlx::query(sql).fetch_one(&mut *w.tx).await.tried(what)?;
        let c = Columns::new("balance_checkpoints", &row);
        let (newest, done) = (c.int("newest")?, c.int("done")?);
        let sql = concat!(
            "INSERT INTO balance_checkpoints (ledger_account_id, up_to_transfer, balance, at_us) \
             SELECT l.id, $2, CAST(",
            balance!(),
            " AS BIGINT), $3 FROM (SELECT debit_id AS id FROM transfers WHERE id > $1 \
             UNION SELECT credit_id FROM transfers WHERE id > $1) l \
             LEFT JOIN balance_checkpoints c ON c.ledger_account_id = l.id WHERE l.id IS NOT NULL \
             ON CONFLICT (ledger_account_id) DO UPDATE SET balance = excluded.balance, \
             up_to_transfer = excluded.up_to_transfer, at_us = excluded.at_us"
        );
        let query = sqlx::query(sql).bind(done).bind(newest).bind(at_us);
        query.execute(&mut *w.tx).await.tried(what)?;
        w.commit().await?;
        Ok(true)
    }
}

impl Reader {
    /// What the books say each account has; accounts that nothing was booked on are missing.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn balances(&self) -> Result<Vec<Posted>, StoreError> {
        let sql = concat!(
            "SELECT l.tenant_id AS tenant_id, l.owner_id AS owner_id, CAST(",
            balance!(),
            " AS BIGINT) AS balance FROM ledger_accounts l \
             LEFT JOIN balance_checkpoints c ON c.ledger_account_id = l.id \
             WHERE l.owner_kind = 'account' AND l.kind = 'balance' ORDER BY l.owner_id"
        );
        let rows = sqlx::query(sql).fetch_all(&self.pool).await.tried("sum the books")?;
        let posted = |row| {
            let c = Columns::new("ledger_accounts", row);
            Ok(Posted {
                tenant: TenantId(c.int("tenant_id")?),
                account: AccountId(c.int("owner_id")?),
                balance: Amount(c.int("balance")?),
            })
        };
        rows.iter().map(posted).collect()
    }
}
