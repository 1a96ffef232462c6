//! The way in for records: one connection of the database's own kind, not of the `Any` driver, so
//! that rows go in by COPY (PostgreSQL) or many to a statement (SQLite).
//!
//! What differs between the databases ends here: above it [`Bulk`] has one text of SQL, and rows
//! are told once, column by column, to a [`Sink`].

mod bind;
mod copy;

use crate::open::{Engine, bulk_pool};
use crate::place::Place;
use crate::{StoreError, Tried};
use bind::Binds;
use copy::Copied;
use sqlx::pool::PoolConnection;
use sqlx::{Any, AssertSqlSafe, Pool, Postgres, Row, Sqlite, Transaction};

/// Takes the values of a row, column by column. Texts may hold anything: what a database cannot
/// keep is replaced as by [`crate::column::clean`].
pub(crate) trait Sink {
    fn int_or_null(&mut self, column: &'static str, value: Option<i64>);
    fn text_or_null(&mut self, column: &'static str, value: Option<&str>);

    /// For a column that is SMALLINT where the database knows widths.
    fn small_or_null(&mut self, column: &'static str, value: Option<i16>) {
        self.int_or_null(column, value.map(i64::from));
    }

    /// For a column that is INTEGER, of 32 bits, where the database knows widths.
    fn medium(&mut self, column: &'static str, value: i32) {
        self.int_or_null(column, Some(value.into()));
    }

    fn small(&mut self, column: &'static str, value: i16) {
        self.small_or_null(column, Some(value));
    }

    fn int(&mut self, column: &'static str, value: i64) {
        self.int_or_null(column, Some(value));
    }

    fn text(&mut self, column: &'static str, value: &str) {
        self.text_or_null(column, Some(value));
    }
}

/// The columns of a row, in their order.
#[derive(Default)]
struct Columns(Vec<&'static str>);

impl Sink for Columns {
    fn int_or_null(&mut self, column: &'static str, _: Option<i64>) {
        self.0.push(column);
    }

    fn text_or_null(&mut self, column: &'static str, _: Option<&str>) {
        self.0.push(column);
    }
}

/// A value beside a statement.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Value<'a> {
    Int(i64),
    Text(&'a str),
}

/// The connection that takes records; made when it is first needed.
#[derive(Clone, Debug)]
pub(crate) enum BulkPool {
    Sqlite(Pool<Sqlite>),
    Postgres(Pool<Postgres>),
}

impl BulkPool {
    pub(crate) fn new(engine: Engine, place: &Place) -> Result<BulkPool, StoreError> {
        let options = place.options(true)?;
        let what = "open the database";
        Ok(match engine {
            Engine::Sqlite => {
                let options = (&options).try_into().tried(what)?;
                BulkPool::Sqlite(bulk_pool(engine).connect_lazy_with(options))
            }
            Engine::Postgres => {
                let options = (&options).try_into().tried(what)?;
                BulkPool::Postgres(bulk_pool(engine).connect_lazy_with(options))
            }
        })
    }

    /// Begins with `begin`; the caller has its turn among the writers of this process.
    pub(crate) async fn begin(
        &self,
        begin: String,
        turn: PoolConnection<Any>,
    ) -> Result<Bulk, StoreError> {
        let (what, begin) = ("begin to write", AssertSqlSafe(begin));
        let tx = match self {
            BulkPool::Sqlite(pool) => Open::Sqlite(pool.begin_with(begin).await.tried(what)?),
            BulkPool::Postgres(pool) => Open::Postgres(pool.begin_with(begin).await.tried(what)?),
        };
        Ok(Bulk { tx, _turn: turn })
    }

    pub(crate) async fn close(&self) {
        match self {
            BulkPool::Sqlite(pool) => pool.close().await,
            BulkPool::Postgres(pool) => pool.close().await,
        }
    }
}

/// A write transaction for many rows; dropped without [`Bulk::commit`] it leaves nothing.
pub(crate) struct Bulk {
    tx: Open,
    /// Given back after the transaction's end.
    _turn: PoolConnection<Any>,
}

enum Open {
    Sqlite(Transaction<'static, Sqlite>),
    Postgres(Transaction<'static, Postgres>),
}

macro_rules! bound {
    ($sql:expr, $values:expr) => {{
        let mut query = sqlx::query($sql);
        for value in $values {
            query = match *value {
                Value::Int(int) => query.bind(int),
                Value::Text(text) => query.bind(text.to_owned()),
            };
        }
        query
    }};
}

impl Bulk {
    /// Runs one statement; returns how many rows it touched.
    pub(crate) async fn execute(
        &mut self,
        what: &'static str,
        sql: &'static str,
        values: &[Value<'_>],
    ) -> Result<u64, StoreError> {
        match &mut self.tx {
            Open::Sqlite(tx) => {
                let done = bound!(sql, values).execute(&mut **tx).await;
                Ok(done.tried(what)?.rows_affected())
            }
            Open::Postgres(tx) => {
                let done = bound!(sql, values).execute(&mut **tx).await;
                Ok(done.tried(what)?.rows_affected())
            }
        }
    }

    /// Runs a statement that returns one integer, or nothing.
    pub(crate) async fn int(
        &mut self,
        what: &'static str,
        sql: &'static str,
        values: &[Value<'_>],
    ) -> Result<Option<i64>, StoreError> {
        match &mut self.tx {
            Open::Sqlite(tx) => {
                let row = bound!(sql, values).fetch_optional(&mut **tx).await.tried(what)?;
                row.map(|row| row.try_get(0)).transpose().tried(what)
            }
            Open::Postgres(tx) => {
                let row = bound!(sql, values).fetch_optional(&mut **tx).await.tried(what)?;
                row.map(|row| row.try_get(0)).transpose().tried(what)
            }
        }
    }

    /// Appends rows to a table; `tell` tells the columns of a row, always the same ones in the same
    /// order.
    pub(crate) async fn append<R: Copy>(
        &mut self,
        table: &'static str,
        rows: &[R],
        tell: impl Fn(R, &mut dyn Sink),
    ) -> Result<(), StoreError> {
        self.append_beside(table, rows, tell, |_| {}).await
    }

    /// The same; `beside` gets each row once it is on its way: what else is to be done with it is
    /// done while a server works.
    pub(crate) async fn append_beside<R: Copy>(
        &mut self,
        table: &'static str,
        rows: &[R],
        tell: impl Fn(R, &mut dyn Sink),
        mut beside: impl FnMut(R),
    ) -> Result<(), StoreError> {
        let Some(first) = rows.first() else { return Ok(()) };
        let mut columns = Columns::default();
        tell(*first, &mut columns);
        let columns = columns.0;
        match &mut self.tx {
            Open::Sqlite(tx) => {
                let mut left = rows;
                while let Some((some, rest)) = left.split_at_checked(bind::rows_of(left.len())) {
                    if some.is_empty() {
                        break;
                    }
                    let mut binds = Binds::new(some.len(), columns.len());
                    some.iter().for_each(|row| tell(*row, &mut binds));
                    binds.insert(tx, table, &columns, some.len()).await?;
                    some.iter().for_each(|row| beside(*row));
                    left = rest;
                }
            }
            Open::Postgres(tx) => {
                let mut copied = Copied::begin(tx, table, &columns).await?;
                for row in rows {
                    tell(*row, copied.row());
                    copied.flush().await?;
                    beside(*row);
                }
                copied.finish(rows.len()).await?;
            }
        }
        Ok(())
    }

    /// Runs `INSERT into .. rows .. end`, many rows to a statement. The rows must differ in what
    /// `end` takes for the same.
    pub(crate) async fn insert_ints<const N: usize>(
        &mut self,
        what: &'static str,
        (into, end): (&'static str, &'static str),
        rows: &[[i64; N]],
    ) -> Result<(), StoreError> {
        if rows.is_empty() {
            return Ok(());
        }
        // Only texts of this crate stand in the statements; every value is bound.
        match &mut self.tx {
            Open::Sqlite(tx) => {
                let mut left = rows;
                while let Some((some, rest)) = left.split_at_checked(bind::rows_of(left.len())) {
                    if some.is_empty() {
                        break;
                    }
                    let places = bind::places(some.len(), N);
                    let sql = AssertSqlSafe(format!("INSERT {into} VALUES {places} {end}"));
                    let query = some.iter().flatten().fold(sqlx::query(sql), |q, v| q.bind(*v));
                    query.execute(&mut **tx).await.tried(what)?;
                    left = rest;
                }
            }
            Open::Postgres(tx) => {
                let arrays: Vec<String> = (1..=N).map(|n| format!("${n}::BIGINT[]")).collect();
                let arrays = arrays.join(", ");
                let sql = format!("INSERT {into} SELECT * FROM UNNEST({arrays}) {end}");
                let mut query = sqlx::query(AssertSqlSafe(sql));
                for column in 0..N {
                    let values = rows.iter().filter_map(|row| row.get(column).copied());
                    query = query.bind(values.collect::<Vec<i64>>());
                }
                query.execute(&mut **tx).await.tried(what)?;
            }
        }
        Ok(())
    }

    /// Makes everything written durable.
    pub(crate) async fn commit(self) -> Result<(), StoreError> {
        match self.tx {
            Open::Sqlite(tx) => tx.commit().await.tried("commit"),
            Open::Postgres(tx) => tx.commit().await.tried("commit"),
        }
    }
}
