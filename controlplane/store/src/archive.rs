//! Old records leave the database: a person's line each, for a file, and sums for the audit.
//!
//! Records never change, so what is to leave is read without a transaction
//! ([`Reader::old_records`]) and written down where the caller wants it; [`Writer::archive`] then
//! takes exactly these records out and puts sums of their charges in their place. A step that is
//! not committed left its records where they were: the next one has its number and its lines.

use crate::books::CHARGE_KINDS;
use crate::cdr::cdr;
use crate::column::{Columns, word_of};
use crate::usage::QUARTER_US;
use crate::{CdrKey, LIST_MAX, Reader, StoreError, Tried, Writer};
use serde_json::{Map, Value, json};
use sqlx::any::AnyRow;
use sqlx::{AssertSqlSafe, Column, Row};
use std::collections::BTreeMap;
use strowger_model::{Amount, Cdr, Charge, TenantId};

/// Most records of one step.
pub const ARCHIVE_MAX: usize = LIST_MAX as usize;
/// Rows of sums that one statement writes.
const SUMS_USUAL: usize = 64;

/// Which records may leave.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct OldRecords {
    /// Whose; `None` = those of no tenant.
    pub tenant: Option<TenantId>,
    /// Ended before, microseconds since 1970 UTC.
    pub before_us: i64,
    /// Of this batch or an earlier one.
    pub batch_max: i64,
}

/// One step: records that are to leave.
#[derive(Clone, PartialEq, Debug)]
pub struct Archive {
    /// Its number: one above that of the step before.
    pub id: i64,
    /// A line of JSON for each record, oldest first: the columns of the record, and the rows of its
    /// levels and hops.
    pub lines: Vec<String>,
    tenant: Option<TenantId>,
    keys: Vec<CdrKey>,
    sums: BTreeMap<SumKey, Sum>,
}

/// What charges are summed by: all that the audit asks of a charge.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Debug)]
struct SumKey {
    batch: i64,
    tenant: Option<i64>,
    /// Beginning of the quarter of an hour.
    started_us: i64,
    kind: &'static str,
    account: i64,
    organization: i64,
    payee: Option<i64>,
    currency: String,
    minor_digits: i64,
    allowance: Option<i64>,
    /// Above zero: only such charges count towards what an account spent.
    is_paid: bool,
}

#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
struct Sum {
    net: i64,
    gross: i64,
    free_ms: i64,
}

impl SumKey {
    fn of(batch: i64, record: &Cdr, charge: &Charge) -> SumKey {
        SumKey {
            batch,
            tenant: record.tenant.map(|tenant| tenant.0),
            // As the database divides: towards zero.
            started_us: record.times.started_us / QUARTER_US * QUARTER_US,
            kind: word_of(&CHARGE_KINDS, charge.kind),
            account: charge.account.0,
            organization: charge.organization.0,
            payee: charge.payee.map(|payee| payee.0),
            currency: charge.currency.code().to_owned(),
            minor_digits: charge.currency.minor_digits().into(),
            allowance: charge.allowance.map(|allowance| allowance.0),
            is_paid: charge.gross > Amount::ZERO,
        }
    }
}

impl Sum {
    fn add(&mut self, charge: &Charge) {
        let free_ms = i64::try_from(charge.free_ms).unwrap_or(i64::MAX);
        self.net = self.net.saturating_add(charge.net.0);
        self.gross = self.gross.saturating_add(charge.gross.0);
        self.free_ms = self.free_ms.saturating_add(free_ms);
    }
}

/// A row as people read it: its columns by name.
fn object(row: &AnyRow) -> Result<Value, sqlx::Error> {
    let mut all = Map::new();
    for column in row.columns() {
        let value = match row.try_get::<Option<i64>, _>(column.ordinal()) {
            Ok(number) => number.map(Value::from),
            Err(_) => row.try_get::<Option<String>, _>(column.ordinal())?.map(Value::from),
        };
        all.insert(column.name().to_owned(), value.unwrap_or(Value::Null));
    }
    Ok(Value::Object(all))
}

impl Reader {
    /// The tenants there are, by id.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn tenant_ids(&self) -> Result<Vec<TenantId>, StoreError> {
        let rows = sqlx::query("SELECT id FROM tenants ORDER BY id").fetch_all(&self.pool).await;
        let rows = rows.tried("read the tenants")?;
        rows.iter().map(|row| Columns::new("tenants", row).int("id").map(TenantId)).collect()
    }

    /// The oldest of these records, at most [`ARCHIVE_MAX`]; `None` when there is none.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn old_records(&self, of: OldRecords) -> Result<Option<Archive>, StoreError> {
        let what = "read old records";
        let whose = if of.tenant.is_some() { "tenant_id = $4" } else { "tenant_id IS NULL" };
        let sql = format!(
            "SELECT * FROM cdrs WHERE {whose} AND ended_us < $1 AND batch <= $2 \
             ORDER BY ended_us, id, part LIMIT $3"
        );
        let most = i64::try_from(ARCHIVE_MAX).unwrap_or(i64::MAX);
        let query = sqlx::query(AssertSqlSafe(sql));
        let mut query = query.bind(of.before_us).bind(of.batch_max).bind(most);
        if let Some(tenant) = of.tenant {
            query = query.bind(tenant.0);
        }
        let rows = query.fetch_all(&self.pool).await.tried(what)?;
        if rows.is_empty() {
            return Ok(None);
        }
        let row = sqlx::query("SELECT CAST(COALESCE(MAX(id), 0) AS BIGINT) AS id FROM archives");
        let row = row.fetch_one(&self.pool).await.tried(what)?;
        let id = Columns::new("archives", &row).int("id")?.saturating_add(1);
        let read = |row| cdr(&Columns::new("cdrs", row));
        let records: Vec<Cdr> = rows.iter().map(read).collect::<Result<_, _>>()?;
        let lines = self.lines(&rows, &records).await?;
        let records = self.fill(records).await?;
        let mut sums: BTreeMap<SumKey, Sum> = BTreeMap::new();
        for (row, record) in rows.iter().zip(&records) {
            let batch = Columns::new("cdrs", row).int("batch")?;
            for charge in record.charges() {
                sums.entry(SumKey::of(batch, record, charge)).or_default().add(charge);
            }
        }
        let key = |record: &Cdr| CdrKey {
            ended_us: record.times.ended_us,
            id: record.id,
            part: record.part,
        };
        let keys = records.iter().map(key).collect();
        Ok(Some(Archive { id, lines, tenant: of.tenant, keys, sums }))
    }

    /// The lines of records, with all rows that belong to them.
    async fn lines(&self, rows: &[AnyRow], records: &[Cdr]) -> Result<Vec<String>, StoreError> {
        let what = "read old records";
        let mut beside: BTreeMap<(i64, i64), [Vec<Value>; 2]> = BTreeMap::new();
        for (place, table) in ["cdr_levels", "cdr_hops"].into_iter().enumerate() {
            for row in &self.rows_of(records, table).await? {
                let c = Columns::new(table, row);
                let of = beside.entry((c.int("cdr_id")?, c.int("part")?)).or_default();
                if let Some(list) = of.get_mut(place) {
                    list.push(object(row).tried(what)?);
                }
            }
        }
        let line = |(row, record): (&AnyRow, &Cdr)| {
            let key = (record.id.0, i64::from(record.part));
            let [levels, hops] = beside.remove(&key).unwrap_or_default();
            let line = json!({"record": object(row)?, "levels": levels, "hops": hops});
            Ok(line.to_string())
        };
        rows.iter().zip(records).map(line).collect::<Result<_, sqlx::Error>>().tried(what)
    }
}

/// Places of the values of so many rows, from `$1` on.
fn places(rows: usize, columns: usize) -> String {
    let row = |row: usize| {
        let of_row = (1..=columns).map(|place| format!("${}", row * columns + place));
        format!("({})", of_row.collect::<Vec<String>>().join(", "))
    };
    (0..rows).map(row).collect::<Vec<String>>().join(", ")
}

impl Writer<'_> {
    /// Takes the records of a step out of the database; `is_in_file`: they were written down.
    ///
    /// # Errors
    /// [`StoreError::Database`], also when one of them is gone already or another step has its
    /// number.
    pub async fn archive(
        &mut self,
        archive: &Archive,
        is_in_file: bool,
        at_us: i64,
    ) -> Result<(), StoreError> {
        let what = "archive records";
        let count = i64::try_from(archive.keys.len()).unwrap_or(i64::MAX);
        let ended = |key: Option<&CdrKey>| key.map_or(0, |key| key.ended_us);
        let sql = "INSERT INTO archives (id, tenant_id, from_us, until_us, records, in_file, \
             at_us) VALUES ($1, $2, $3, $4, $5, $6, $7)";
        let query = sqlx::query(sql)
            .bind(archive.id)
            .bind(archive.tenant.map(|tenant| tenant.0))
            .bind(ended(archive.keys.first()))
            .bind(ended(archive.keys.last()))
            .bind(count)
            .bind(i64::from(is_in_file))
            .bind(at_us);
        query.execute(&mut *self.tx).await.tried(what)?;
        let sums: Vec<(&SumKey, &Sum)> = archive.sums.iter().collect();
        for some in sums.chunks(SUMS_USUAL) {
            self.put_sums(archive.id, some).await.tried(what)?;
        }
        for table in ["cdr_levels", "cdr_hops"] {
            let places = places(archive.keys.len(), 2);
            let sql = format!("DELETE FROM {table} WHERE (cdr_id, part) IN (VALUES {places})");
            let query = archive.keys.iter().fold(sqlx::query(AssertSqlSafe(sql)), |query, key| {
                query.bind(key.id.0).bind(i64::from(key.part))
            });
            query.execute(&mut *self.tx).await.tried(what)?;
        }
        let places = places(archive.keys.len(), 3);
        let sql = format!("DELETE FROM cdrs WHERE (ended_us, id, part) IN (VALUES {places})");
        let query = archive.keys.iter().fold(sqlx::query(AssertSqlSafe(sql)), |query, key| {
            query.bind(key.ended_us).bind(key.id.0).bind(i64::from(key.part))
        });
        let gone = query.execute(&mut *self.tx).await.tried(what)?.rows_affected();
        if i64::try_from(gone) != Ok(count) {
            let wrong = format!("{gone} records of {count} were there");
            return Err(sqlx::Error::Protocol(wrong)).tried(what);
        }
        Ok(())
    }

    async fn put_sums(&mut self, id: i64, sums: &[(&SumKey, &Sum)]) -> Result<(), sqlx::Error> {
        let sql = format!(
            "INSERT INTO archived_charges (archive_id, batch, tenant_id, started_us, kind, \
             account_id, organization_id, payee_id, currency, minor_digits, net, gross, free_ms, \
             allowance_id) VALUES {}",
            places(sums.len(), 14)
        );
        let query = sums.iter().fold(sqlx::query(AssertSqlSafe(sql)), |query, (key, sum)| {
            query
                .bind(id)
                .bind(key.batch)
                .bind(key.tenant)
                .bind(key.started_us)
                .bind(key.kind)
                .bind(key.account)
                .bind(key.organization)
                .bind(key.payee)
                .bind(key.currency.as_str())
                .bind(key.minor_digits)
                .bind(sum.net)
                .bind(sum.gross)
                .bind(sum.free_ms)
                .bind(key.allowance)
        });
        query.execute(&mut *self.tx).await.map(|_| ())
    }
}
