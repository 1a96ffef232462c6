//! What calls of accounts cost, and how long those talked that they made, counted by the quarter of
//! an hour in which they began: the days and months of any time zone are sums of quarters, so that
//! nothing here needs a calendar.
//!
//! Counted in the transaction that writes the records, so that it is exactly what they say.

use crate::bulk::Bulk;
use crate::column::Columns;
use crate::{Reader, StoreError, Tried};
use std::collections::BTreeMap;
use std::net::{IpAddr, SocketAddr};
use strowger_model::{AccountId, Amount, Cdr, ChargeKind, TenantId};

/// A quarter of an hour, microseconds; every offset from UTC is a multiple of it.
pub const QUARTER_US: i64 = 900_000_000;

/// Longest talk of one record that counts, milliseconds.
const TALK_MS_MAX: u64 = 30 * 86_400_000;

/// What calls that began in a quarter of an hour cost an account.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Usage {
    /// Account.
    pub account: AccountId,
    /// Beginning of the quarter, microseconds since 1970 UTC.
    pub from_us: i64,
    /// What they cost.
    pub amount: Amount,
    /// How long those talked that it made, milliseconds.
    pub talk_ms: u64,
}

/// What calls of an account from one address come to, of those that began in a time.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct AddressUse {
    /// Account.
    pub account: AccountId,
    /// Address.
    pub source: IpAddr,
    /// Calls.
    pub calls: u32,
    /// Their talk, milliseconds.
    pub talk_ms: u64,
    /// What they cost it.
    pub cost: Amount,
}

/// Most rows that calls by address are read from.
const ADDRESS_ROWS_MAX: i64 = 500_000;

/// What is counted of a batch of records: by account and quarter, as a statement may not touch a
/// row twice, the tenant, what was paid, and talk.
#[derive(Default)]
pub(crate) struct UsageSums(BTreeMap<(i64, i64), (i64, i64, i64)>);

impl UsageSums {
    pub(crate) fn add(&mut self, record: &Cdr) {
        let Some(tenant) = record.tenant else { return };
        // As the database divides: towards zero.
        let quarter = record.times.started_us / QUARTER_US;
        for charge in record.charges() {
            let pays = matches!(charge.kind, ChargeKind::Customer | ChargeKind::Reseller);
            if pays && charge.gross > Amount::ZERO {
                let sum = self.0.entry((charge.account.0, quarter)).or_insert((tenant.0, 0, 0));
                sum.1 = sum.1.saturating_add(charge.gross.0);
            }
        }
        if let Some((account, talk_ms)) = talk_of(record) {
            let sum = self.0.entry((account.0, quarter)).or_insert((tenant.0, 0, 0));
            sum.2 = sum.2.saturating_add(talk_ms);
        }
    }
}

impl Bulk {
    /// Counts the charges and the talk of records.
    pub(crate) async fn count_usage(&mut self, sums: UsageSums) -> Result<(), StoreError> {
        let into = "INTO account_usage (account_id, quarter, tenant_id, amount, talk_ms)";
        let end = "ON CONFLICT (account_id, quarter) \
             DO UPDATE SET amount = account_usage.amount + excluded.amount, \
             talk_ms = account_usage.talk_ms + excluded.talk_ms";
        let row = |((account, quarter), (tenant, amount, talk_ms))| {
            [account, quarter, tenant, amount, talk_ms]
        };
        let rows: Vec<[i64; 5]> = sums.0.into_iter().map(row).collect();
        self.insert_ints("count what calls cost", (into, end), &rows).await
    }
}

/// How long a record's call talked, and who made it; no more than thirty days count, as in
/// statistics.
fn talk_of(record: &Cdr) -> Option<(AccountId, i64)> {
    record.times.answered_us?;
    let ms = i64::try_from(record.times.talk_ms.min(TALK_MS_MAX)).ok().filter(|ms| *ms > 0)?;
    Some((record.caller.account?, ms))
}

impl Reader {
    /// What calls cost that began at `from_us` or later (in its quarter), oldest first.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn usage(&self, from_us: i64) -> Result<Vec<Usage>, StoreError> {
        let sql = "SELECT account_id, quarter, amount, talk_ms FROM account_usage \
             WHERE quarter >= $1 \
             ORDER BY quarter, account_id";
        let query = sqlx::query(sql).bind(from_us / QUARTER_US);
        let rows = query.fetch_all(&self.pool).await.tried("read what calls cost")?;
        let usage = |row| {
            let c = Columns::new("account_usage", row);
            Ok(Usage {
                account: AccountId(c.int("account_id")?),
                from_us: c.int("quarter")?.saturating_mul(QUARTER_US),
                amount: Amount(c.int("amount")?),
                talk_ms: c.small("talk_ms")?,
            })
        };
        rows.iter().map(usage).collect()
    }

    /// What calls of a tenant's accounts by address come to, that began at `from_us` or later and
    /// went to somebody; at most 500,000 sums.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn address_use(
        &self,
        tenant: TenantId,
        from_us: i64,
    ) -> Result<Vec<AddressUse>, StoreError> {
        let sql = "SELECT caller_account_id, source, CAST(COUNT(*) AS BIGINT) AS calls, \
             CAST(SUM(CASE WHEN answered_us IS NULL THEN 0 ELSE talk_ms END) AS BIGINT) \
             AS talk_ms, \
             CAST(SUM(COALESCE(customer_gross, 0)) AS BIGINT) AS cost FROM cdrs \
             WHERE tenant_id = $1 AND ended_us >= $2 AND started_us >= $2 AND part = 0 \
             AND source IS NOT NULL AND caller_account_id IS NOT NULL \
             AND (called_trunk_id IS NOT NULL OR called_subscriber_id IS NOT NULL) \
             GROUP BY caller_account_id, source ORDER BY caller_account_id, source LIMIT $3";
        let query = sqlx::query(sql).bind(tenant.0).bind(from_us).bind(ADDRESS_ROWS_MAX);
        let rows = query.fetch_all(&self.pool).await.tried("add up calls by address")?;
        let one = |row| {
            let c = Columns::new("cdrs", row);
            let source: Option<SocketAddr> = c.parsed_or_null("source", "address")?;
            Ok(AddressUse {
                account: AccountId(c.int("caller_account_id")?),
                source: source.ok_or_else(|| c.unfit("source", "address"))?.ip(),
                calls: c.small("calls")?,
                talk_ms: c.small("talk_ms")?,
                cost: Amount(c.int("cost")?),
            })
        };
        rows.iter().map(one).collect()
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
             AND u.quarter >= $3 AND u.quarter < $4 AND u.amount > 0) ORDER BY a.id";
        let query = sqlx::query(sql)
            .bind(tenant.0)
            .bind(until_us)
            .bind(from_us / QUARTER_US)
            .bind(until_us / QUARTER_US);
        let rows = query.fetch_all(&self.pool).await.tried("count months of calls")?;
        rows.iter().map(|row| Ok(AccountId(Columns::new("accounts", row).int("id")?))).collect()
    }
}
