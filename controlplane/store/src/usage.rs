//! What calls of accounts cost, counted by the quarter of an hour in which they began: the days and
//! months of any time zone are sums of quarters, so that nothing here needs a calendar.
//!
//! Counted in the transaction that writes the records, so that it is exactly what they say.

use crate::bulk::Bulk;
use crate::column::Columns;
use crate::{Reader, StoreError, Tried};
use std::collections::BTreeMap;
use strowger_model::{AccountId, Amount, Cdr, ChargeKind, TenantId};

/// A quarter of an hour, microseconds; every offset from UTC is a multiple of it.
pub const QUARTER_US: i64 = 900_000_000;

/// What calls that began in a quarter of an hour cost an account.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Usage {
    /// Account.
    pub account: AccountId,
    /// Beginning of the quarter, microseconds since 1970 UTC.
    pub from_us: i64,
    /// What they cost.
    pub amount: Amount,
}

impl Bulk {
    /// Counts the charges of records.
    pub(crate) async fn count_usage(&mut self, records: &[Cdr]) -> Result<(), StoreError> {
        // Each pair once: a statement may not touch a row twice.
        let mut sums: BTreeMap<(i64, i64), (i64, i64)> = BTreeMap::new();
        for record in records {
            let Some(tenant) = record.tenant else { continue };
            // As the database divides: towards zero.
            let quarter = record.times.started_us / QUARTER_US;
            for charge in record.charges() {
                let pays = matches!(charge.kind, ChargeKind::Customer | ChargeKind::Reseller);
                if pays && charge.gross > Amount::ZERO {
                    let sum = sums.entry((charge.account.0, quarter)).or_insert((tenant.0, 0));
                    sum.1 = sum.1.saturating_add(charge.gross.0);
                }
            }
        }
        let into = "INTO account_usage (account_id, quarter, tenant_id, amount)";
        let end = "ON CONFLICT (account_id, quarter) \
             DO UPDATE SET amount = account_usage.amount + excluded.amount";
        let rows: Vec<[i64; 4]> = sums
            .into_iter()
            .map(|((account, quarter), (tenant, amount))| [account, quarter, tenant, amount])
            .collect();
        self.insert_ints("count what calls cost", (into, end), &rows).await
    }
}

impl Reader {
    /// What calls cost that began at `from_us` or later (in its quarter), oldest first.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn usage(&self, from_us: i64) -> Result<Vec<Usage>, StoreError> {
        let sql = "SELECT account_id, quarter, amount FROM account_usage WHERE quarter >= $1 \
             ORDER BY quarter, account_id";
        let query = sqlx::query(sql).bind(from_us / QUARTER_US);
        let rows = query.fetch_all(&self.pool).await.tried("read what calls cost")?;
        let usage = |row| {
            let c = Columns::new("account_usage", row);
            Ok(Usage {
                account: AccountId(c.int("account_id")?),
                from_us: c.int("quarter")?.saturating_mul(QUARTER_US),
                amount: Amount(c.int("amount")?),
            })
        };
        rows.iter().map(usage).collect()
    }

    /// What the calls of a tenant's accounts cost that began in a time (in its quarters).
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn spent_between(
        &self,
        tenant: TenantId,
        (from_us, until_us): (i64, i64),
    ) -> Result<Vec<(AccountId, Amount)>, StoreError> {
        let sql = "SELECT account_id, CAST(SUM(amount) AS BIGINT) AS amount FROM account_usage \
             WHERE tenant_id = $1 AND quarter >= $2 AND quarter < $3 GROUP BY account_id \
             ORDER BY account_id";
        let query =
            sqlx::query(sql).bind(tenant.0).bind(from_us / QUARTER_US).bind(until_us / QUARTER_US);
        let rows = query.fetch_all(&self.pool).await.tried("add up what calls cost")?;
        let spent = |row| {
            let c = Columns::new("account_usage", row);
            Ok((AccountId(c.int("account_id")?), Amount(c.int("amount")?)))
        };
        rows.iter().map(spent).collect()
    }

    /// Accounts of a tenant whose limit of a month grows, and whose calls that began in a time cost
    /// something.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn active_accounts(
        &self,
        tenant: TenantId,
        (from_us, until_us): (i64, i64),
    ) -> Result<Vec<AccountId>, StoreError> {
        let sql = "SELECT a.id AS id FROM accounts a WHERE a.tenant_id = $1 \
             AND a.month_grows_by IS NOT NULL AND COALESCE(a.month_grows_since_us, 0) < $2 \
             AND EXISTS (SELECT 1 FROM account_usage u WHERE u.account_id = a.id \
             AND u.quarter >= $3 AND u.quarter < $4) ORDER BY a.id";
        let query = sqlx::query(sql)
            .bind(tenant.0)
            .bind(until_us)
            .bind(from_us / QUARTER_US)
            .bind(until_us / QUARTER_US);
        let rows = query.fetch_all(&self.pool).await.tried("count months of calls")?;
        rows.iter().map(|row| Ok(AccountId(Columns::new("accounts", row).int("id")?))).collect()
    }
}
