//! Opening, the pool of readers, the one writer.

use crate::bulk::{Bulk, BulkPool};
use crate::place::Place;
use crate::rollup::Zones;
use crate::{StoreError, Tried};
use sqlx::any::Any;
use sqlx::pool::PoolOptions;
use sqlx::{AssertSqlSafe, Connection, Database, Executor, Pool, Transaction};
use std::collections::BTreeMap;
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use strowger_billing::LedgerAccount;

/// Connections that read.
const READERS_MAX: u32 = 4;
/// How long a reader waits for a connection.
const READER_WAIT: Duration = Duration::from_secs(5);
/// How long a writer waits for its turn, or for a server that does not answer.
const WRITER_WAIT: Duration = Duration::from_secs(10);
/// How long a statement waits for a lock of another process, milliseconds.
const BUSY_MS: u32 = 5000;
/// Most memory that SQLite uses for pages of the transaction that takes records, KiB.
const CACHE_KIB: u32 = 65_536;
/// Ledger accounts whose ids are remembered.
const KNOWN_ACCOUNTS_MAX: usize = 200_000;
/// The advisory lock of PostgreSQL that every write transaction holds: "strowger" as an integer.
const WRITE_LOCK: i64 = i64::from_be_bytes(*b"strowger");

/// What differs between the databases: how a connection is prepared and a transaction begun. Every
/// other text of SQL serves both.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Engine {
    Sqlite,
    Postgres,
}

impl Engine {
    const fn of(place: &Place) -> Engine {
        match place {
            Place::File(_) => Engine::Sqlite,
            Place::Server(_) => Engine::Postgres,
        }
    }

    /// A commit that returned must be durable whatever the server's default is, because the journal
    /// is released on it.
    fn prepare(self) -> String {
        match self {
            Engine::Sqlite => format!(
                "PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL; \
                 PRAGMA foreign_keys = ON; PRAGMA busy_timeout = {BUSY_MS}"
            ),
            Engine::Postgres => {
                format!("SET synchronous_commit = on; SET lock_timeout = {BUSY_MS}")
            }
        }
    }

    /// For the connection that takes records. What one transaction of SQLite touches should fit
    /// into its cache: pages that do not are written early and read again.
    fn prepare_for_records(self) -> String {
        match self {
            Engine::Sqlite => format!("{}; PRAGMA cache_size = -{CACHE_KIB}", self.prepare()),
            Engine::Postgres => self.prepare(),
        }
    }

    /// One writer at a time, over all processes: numbers of changes and transfers then become
    /// visible in their order, so nobody who goes on behind the last one seen skips any.
    fn begin_to_write(self) -> String {
        match self {
            // A deferred transaction that upgrades would fail at once when another process writes.
            Engine::Sqlite => "BEGIN IMMEDIATE".to_owned(),
            // Each statement behind the lock sees what the writer before committed.
            Engine::Postgres => format!(
                "BEGIN ISOLATION LEVEL READ COMMITTED; SELECT pg_advisory_xact_lock({WRITE_LOCK})"
            ),
        }
    }

    /// Behind a table's name: by which index its rows are to be found. PostgreSQL counts what is in
    /// a table and chooses well; SQLite counts nothing unless somebody says `ANALYZE`, and would
    /// rather read all rows of a time than look up those of one account.
    pub(crate) fn found_by(self, index: &str) -> String {
        match self {
            Engine::Sqlite => format!(" INDEXED BY {index}"),
            Engine::Postgres => String::new(),
        }
    }

    /// All statements of the transaction see the same state.
    const fn begin_to_read(self) -> &'static str {
        match self {
            Engine::Sqlite => "BEGIN",
            Engine::Postgres => "BEGIN ISOLATION LEVEL REPEATABLE READ, READ ONLY",
        }
    }
}

/// An open database.
#[derive(Clone, Debug)]
pub struct Store {
    pub(crate) engine: Engine,
    readers: Pool<Any>,
    // One connection: writers queue here instead of failing on a lock in the database.
    writer: Pool<Any>,
    bulk: BulkPool,
    // Ids of ledger accounts, which never change: an ingest need not look each of them up.
    ledger: Arc<Mutex<BTreeMap<LedgerAccount, i64>>>,
    pub(crate) zones: Zones,
}

/// Reads.
#[derive(Clone, Debug)]
pub struct Reader {
    pub(crate) engine: Engine,
    pub(crate) pool: Pool<Any>,
    pub(crate) zones: Zones,
}

/// One write transaction; dropped without [`Writer::commit`] it leaves nothing.
#[derive(Debug)]
pub struct Writer<'c> {
    pub(crate) tx: Transaction<'c, Any>,
}

/// Creates a missing file for its owner alone: it holds HA1 values and keys. SQLite gives its other
/// files the same mode.
fn make_private(file: &Path) -> std::io::Result<()> {
    use std::os::unix::fs::OpenOptionsExt;
    std::fs::OpenOptions::new().append(true).create(true).mode(0o600).open(file).map(|_| ())
}

fn pool<D: Database>(prepare: String, connections: u32) -> PoolOptions<D>
where
    for<'c> &'c mut D::Connection: Executor<'c, Database = D>,
{
    let options = PoolOptions::new().max_connections(connections);
    // A full disk makes SQLite end a transaction by itself; the driver's own roll-back then fails,
    // and it would count on with a transaction that is none. Such a connection is given up.
    let options = options.before_acquire(|connection: &mut D::Connection, _| {
        Box::pin(core::future::ready(Ok(!connection.is_in_transaction())))
    });
    options.after_connect(move |connection: &mut D::Connection, _| {
        let prepare = AssertSqlSafe(prepare.clone());
        Box::pin(async move { connection.execute(prepare).await.map(|_| ()) })
    })
}

fn readers(engine: Engine) -> PoolOptions<Any> {
    pool(engine.prepare(), READERS_MAX).acquire_timeout(READER_WAIT)
}

/// The connection for records.
pub(crate) fn bulk_pool<D: Database>(engine: Engine) -> PoolOptions<D>
where
    for<'c> &'c mut D::Connection: Executor<'c, Database = D>,
{
    pool(engine.prepare_for_records(), 1).acquire_timeout(WRITER_WAIT)
}

impl Store {
    /// Opens (creating it if need be) the SQLite database in `file` and migrates its schema.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn open(file: &Path) -> Result<Store, StoreError> {
        Store::open_at(&Place::File(file.to_owned())).await
    }

    /// Opens the database at `place` and migrates its schema; a missing file is created, a missing
    /// database of a server is not.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn open_at(place: &Place) -> Result<Store, StoreError> {
        sqlx::any::install_default_drivers();
        if let Place::File(file) = place {
            make_private(file).map_err(sqlx::Error::Io).tried("create the database's file")?;
        }
        let (engine, options) = (Engine::of(place), place.options(true)?);
        let writer =
            pool(engine.prepare(), 1).acquire_timeout(WRITER_WAIT).connect_with(options.clone());
        let writer = writer.await.tried("open the database")?;
        match engine {
            Engine::Sqlite => sqlx::migrate!("migrations/sqlite").run(&writer).await?,
            Engine::Postgres => sqlx::migrate!("migrations/postgres").run(&writer).await?,
        }
        let readers = readers(engine).connect_with(options).await.tried("open the database")?;
        let bulk = BulkPool::new(engine, place)?;
        Ok(Store { engine, readers, writer, bulk, ledger: Arc::default(), zones: Zones::default() })
    }

    /// The readers.
    #[must_use]
    pub fn reader(&self) -> Reader {
        Reader { engine: self.engine, pool: self.readers.clone(), zones: self.zones.clone() }
    }

    /// Begins the next write transaction, waiting for the one before it.
    ///
    /// # Errors
    /// [`StoreError::Database`].
    pub async fn write(&self) -> Result<Writer<'static>, StoreError> {
        let begin = AssertSqlSafe(self.engine.begin_to_write());
        let tx = self.writer.begin_with(begin).await.tried("begin to write")?;
        Ok(Writer { tx })
    }

    /// Whether the database answers.
    ///
    /// # Errors
    /// [`StoreError::Database`].
    pub async fn ping(&self) -> Result<(), StoreError> {
        sqlx::query("SELECT 1").execute(&self.readers).await.tried("ask the database").map(|_| ())
    }

    /// Closes all connections.
    pub async fn close(&self) {
        self.readers.close().await;
        self.bulk.close().await;
        self.writer.close().await;
    }

    /// Begins the next write transaction for many rows, waiting for the one before it.
    pub(crate) async fn bulk(&self) -> Result<Bulk, StoreError> {
        // Who has the writer's connection has the turn, whatever connection then writes.
        let turn = self.writer.acquire().await.tried("begin to write")?;
        self.bulk.begin(self.engine.begin_to_write(), turn).await
    }

    /// Ledger accounts whose ids are known; gone until they are remembered.
    pub(crate) fn known_accounts(&self) -> BTreeMap<LedgerAccount, i64> {
        core::mem::take(&mut *self.ledger.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// What was committed may be remembered.
    pub(crate) fn remember_accounts(&self, known: BTreeMap<LedgerAccount, i64>) {
        if known.len() <= KNOWN_ACCOUNTS_MAX {
            *self.ledger.lock().unwrap_or_else(PoisonError::into_inner) = known;
        }
    }
}

impl Reader {
    /// Opens a database that is there and up to date, to read only: nothing is created or migrated.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn open_at(place: &Place) -> Result<Reader, StoreError> {
        sqlx::any::install_default_drivers();
        let (engine, options) = (Engine::of(place), place.options(false)?);
        let pool = readers(engine).connect_with(options).await.tried("open the database")?;
        Ok(Reader { engine, pool, zones: Zones::default() })
    }

    /// A transaction whose statements all see the same state.
    pub(crate) async fn snapshot(&self) -> Result<Transaction<'static, Any>, sqlx::Error> {
        self.pool.begin_with(self.engine.begin_to_read()).await
    }
}

impl Writer<'_> {
    /// Makes everything written durable.
    ///
    /// # Errors
    /// [`StoreError::Database`]; then nothing was written.
    pub async fn commit(self) -> Result<(), StoreError> {
        self.tx.commit().await.tried("commit")
    }
}
