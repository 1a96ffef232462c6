//! Payments and adjustments: each a request with a key of the client's, and its transfer, in one
//! transaction. The request is its own audit: who, when, why.
//!
//! Exactly once by the key: (account, key) is unique, so whatever became of an answer, the same
//! request again finds the row of the first time.

use crate::column::{Columns, clean, word_of};
use crate::ledger::TRANSFER_KINDS;
use crate::list::LIST_MAX;
use crate::{Reader, StoreError, Tried, Writer};
use strowger_billing::{
    BadTransfer, Cause, LedgerAccount, LedgerKind, Owner, Transfer, TransferKind, Unit,
};
use strowger_model::{AccountId, Amount, Currency, TenantId};

/// Why money came or went.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum MoneyKind {
    /// It came from outside.
    Payment,
    /// Given or taken by hand.
    Adjustment,
}

const MONEY_KINDS: [(&str, MoneyKind); 2] =
    [("payment", MoneyKind::Payment), ("adjustment", MoneyKind::Adjustment)];

/// Money that is to come or go.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct NewMoney {
    /// Tenant of the account.
    pub tenant: TenantId,
    /// Account.
    pub account: AccountId,
    /// The client's key, unique in the account.
    pub key: String,
    /// Why.
    pub kind: MoneyKind,
    /// The account that it is taken from: who resells and pays early. `None` = money from outside.
    pub from: Option<AccountId>,
    /// Added to the balance; negative takes away. Not zero.
    pub amount: Amount,
    /// Currency of the account, and of that it is taken from.
    pub currency: Currency,
    /// Why, in words.
    pub reason: String,
    /// Who asked.
    pub actor: String,
    /// When, microseconds since 1970 UTC.
    pub at_us: i64,
}

/// Money that came or went.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct MoneyRequest {
    /// Number of the request.
    pub id: i64,
    /// What it was.
    pub money: NewMoney,
}

/// A transfer as the account sees it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct LedgerEntry {
    /// Number of the transfer.
    pub id: i64,
    /// When it was booked, microseconds since 1970 UTC.
    pub at_us: i64,
    /// What the balance changed by.
    pub amount: Amount,
    /// Currency.
    pub currency: Currency,
    /// Why.
    pub kind: TransferKind,
    /// The batch of records it sums up.
    pub batch: Option<i64>,
    /// The request it came from.
    pub request: Option<i64>,
    /// The re-rating it came from.
    pub rerate: Option<i64>,
    /// The free time that was bought.
    pub allowance: Option<i64>,
    /// The reason of the request or of the re-rating, or the name of the free time.
    pub reason: Option<String>,
}

impl MoneyKind {
    /// The transfer of `money` under the number of its request.
    fn transfer(self, id: i64, money: &NewMoney) -> Result<Transfer, BadTransfer> {
        let unit = Unit::Money(money.currency);
        let side = |owner, kind| LedgerAccount { tenant: money.tenant, owner, kind, unit };
        let balance = side(Owner::Account(money.account), LedgerKind::Balance);
        let (other, kind) = match self {
            MoneyKind::Payment => (LedgerKind::Cash, TransferKind::Payment),
            MoneyKind::Adjustment => (LedgerKind::Adjustment, TransferKind::Adjustment),
        };
        let other = match money.from {
            Some(from) => side(Owner::Account(from), LedgerKind::Balance),
            None => side(Owner::Tenant, other),
        };
        let (debit, credit) = if money.amount.0 < 0 { (balance, other) } else { (other, balance) };
        let amount = Amount(money.amount.0.saturating_abs());
        Transfer::new(money.at_us, debit, credit, amount, kind, Cause::Request(id))
    }
}

impl Writer<'_> {
    /// Writes a request and its transfer.
    ///
    /// # Errors
    /// [`StoreError::Database`], also when the account has had this key; [`StoreError::Row`] for an
    /// amount of zero.
    pub async fn insert_money(&mut self, new: &NewMoney) -> Result<MoneyRequest, StoreError> {
        let money = NewMoney {
            key: clean(&new.key).into_owned(),
            reason: clean(&new.reason).into_owned(),
            ..new.clone()
        };
        let sql = "INSERT INTO money_requests (tenant_id, account_id, key, kind, amount, currency, \
             minor_digits, reason, actor, at_us, from_account_id) \
             VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11) RETURNING id";
        let query = sqlx::query(sql)
            .bind(money.tenant.0)
            .bind(money.account.0)
            .bind(&money.key)
            .bind(word_of(&MONEY_KINDS, money.kind))
            .bind(money.amount.0)
            .bind(money.currency.code())
            .bind(i64::from(money.currency.minor_digits()))
            .bind(&money.reason)
            .bind(&money.actor)
            .bind(money.at_us)
            .bind(money.from.map(|from| from.0));
        let row = query.fetch_one(&mut *self.tx).await.tried("write a payment")?;
        let id = Columns::new("money_requests", &row).int("id")?;
        let (table, column, wanted) = ("money_requests", "amount", "amount to move");
        let transfer = money.kind.transfer(id, &money);
        let transfer = transfer.map_err(|_| StoreError::Row { table, id, column, wanted })?;
        self.insert_transfer(&transfer).await?;
        Ok(MoneyRequest { id, money })
    }
}

fn request(c: &Columns<'_>) -> Result<MoneyRequest, StoreError> {
    Ok(MoneyRequest {
        id: c.int("id")?,
        money: NewMoney {
            tenant: TenantId(c.int("tenant_id")?),
            account: AccountId(c.int("account_id")?),
            key: c.text("key")?,
            kind: c.word("kind", &MONEY_KINDS)?,
            from: c.int_or_null("from_account_id")?.map(AccountId),
            amount: Amount(c.int("amount")?),
            currency: c.currency()?,
            reason: c.text("reason")?,
            actor: c.text("actor")?,
            at_us: c.int("at_us")?,
        },
    })
}

/// One side of an account's transfers, the newest of them.
macro_rules! entries_of {
    ($side:literal, $sign:literal) => {
        concat!(
            "SELECT * FROM (SELECT t.id AS id, t.at_us AS at_us, ",
            $sign,
            " t.amount AS amount, l.unit AS currency, l.minor_digits AS minor_digits, \
             t.kind AS kind, t.cause_kind AS cause_kind, t.cause_id AS cause_id \
             FROM ledger_accounts l JOIN transfers t ON t.",
            $side,
            "_id = l.id WHERE l.tenant_id = $1 AND l.owner_kind = 'account' AND l.owner_id = $2 \
             AND l.kind = 'balance' AND t.id < $3 ORDER BY t.id DESC LIMIT $4) ",
            $side
        )
    };
}

impl Reader {
    /// What the account had under this key.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn money_request(
        &self,
        account: AccountId,
        key: &str,
    ) -> Result<Option<MoneyRequest>, StoreError> {
        let sql = "SELECT * FROM money_requests WHERE account_id = $1 AND key = $2";
        let query = sqlx::query(sql).bind(account.0).bind(clean(key).into_owned());
        let row = query.fetch_optional(&self.pool).await.tried("find a payment")?;
        row.map(|row| request(&Columns::new("money_requests", &row))).transpose()
    }

    /// What changed the balance of an account, newest first, at most `limit`, before the transfer
    /// `before`.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn entries(
        &self,
        tenant: TenantId,
        account: AccountId,
        before: Option<i64>,
        limit: u32,
    ) -> Result<Vec<LedgerEntry>, StoreError> {
        let sql = concat!(
            "SELECT s.id AS id, s.at_us AS at_us, s.amount AS amount, s.currency AS currency, \
             s.minor_digits AS minor_digits, s.kind AS kind, s.cause_kind AS cause_kind, \
             s.cause_id AS cause_id, COALESCE(m.reason, r.reason, a.name) AS reason FROM (",
            entries_of!("debit", "-"),
            " UNION ALL ",
            entries_of!("credit", ""),
            ") s LEFT JOIN money_requests m ON s.cause_kind = 'request' AND m.id = s.cause_id \
             LEFT JOIN rerates r ON s.cause_kind = 'rerate' AND r.id = s.cause_id \
             LEFT JOIN allowances a ON s.cause_kind = 'allowance' AND a.id = s.cause_id \
             ORDER BY s.id DESC LIMIT $4"
        );
        let query = sqlx::query(sql)
            .bind(tenant.0)
            .bind(account.0)
            .bind(before.unwrap_or(i64::MAX))
            .bind(i64::from(limit.min(LIST_MAX)));
        let rows = query.fetch_all(&self.pool).await.tried("list an account's entries")?;
        rows.iter().map(|row| entry(&Columns::new("transfers", row))).collect()
    }
}

fn entry(c: &Columns<'_>) -> Result<LedgerEntry, StoreError> {
    let (cause_kind, cause_id) = (c.text("cause_kind")?, c.int("cause_id")?);
    let of = |kind: &str| (cause_kind == kind).then_some(cause_id);
    Ok(LedgerEntry {
        id: c.int("id")?,
        at_us: c.int("at_us")?,
        amount: Amount(c.int("amount")?),
        currency: c.currency()?,
        kind: c.word("kind", &TRANSFER_KINDS)?,
        batch: of("batch"),
        request: of("request"),
        rerate: of("rerate"),
        allowance: of("allowance"),
        reason: c.text_or_null("reason")?,
    })
}
