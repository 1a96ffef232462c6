//! Opening, the pool of readers, the one writer.

use crate::{StoreError, Tried};
use sqlx::any::{Any, AnyPoolOptions};
use sqlx::{AnyConnection, Executor, Pool, Transaction};
use std::path::Path;

/// Connections that read.
const READERS_MAX: u32 = 4;
/// How long a statement waits for a lock of another process, milliseconds.
const BUSY_MS: u32 = 5000;

/// An open database.
#[derive(Clone, Debug)]
pub struct Store {
    readers: Pool<Any>,
    // One connection: writers queue here instead of failing on a lock in the database.
    writer: Pool<Any>,
}

/// Reads.
#[derive(Clone, Debug)]
pub struct Reader {
    pub(crate) pool: Pool<Any>,
}

/// One write transaction; dropped without [`Writer::commit`] it leaves nothing.
#[derive(Debug)]
pub struct Writer<'c> {
    pub(crate) tx: Transaction<'c, Any>,
}

fn sqlite_url(file: &Path) -> String {
    format!("sqlite:{}?mode=rwc", file.display())
}

/// Creates a missing file for its owner alone: it holds HA1 values and keys. SQLite gives its other
/// files the same mode.
fn make_private(file: &Path) -> std::io::Result<()> {
    use std::os::unix::fs::OpenOptionsExt;
    std::fs::OpenOptions::new().append(true).create(true).mode(0o600).open(file).map(|_| ())
}

async fn prepare(connection: &mut AnyConnection) -> Result<(), sqlx::Error> {
    let pragmas = format!(
        "PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL; PRAGMA foreign_keys = ON; \
         PRAGMA busy_timeout = {BUSY_MS}"
    );
    connection.execute(sqlx::AssertSqlSafe(pragmas)).await.map(|_| ())
}

impl Store {
    /// Opens (creating it if need be) the SQLite database in `file` and migrates its schema.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn open(file: &Path) -> Result<Store, StoreError> {
        sqlx::any::install_default_drivers();
        make_private(file).map_err(sqlx::Error::Io).tried("create the database's file")?;
        let pool = |connections: u32| {
            AnyPoolOptions::new()
                .max_connections(connections)
                .after_connect(|connection, _| Box::pin(prepare(connection)))
        };
        let url = sqlite_url(file);
        let writer = pool(1).connect(&url).await.tried("open the database")?;
        sqlx::migrate!("migrations/sqlite").run(&writer).await?;
        let readers = pool(READERS_MAX).connect(&url).await.tried("open the database")?;
        Ok(Store { readers, writer })
    }

    /// The readers.
    #[must_use]
    pub fn reader(&self) -> Reader {
        Reader { pool: self.readers.clone() }
    }

    /// Begins the next write transaction, waiting for the one before it.
    ///
    /// # Errors
    /// [`StoreError::Database`].
    pub async fn write(&self) -> Result<Writer<'static>, StoreError> {
        // A deferred transaction that upgrades would fail at once when another process writes.
        let tx = self.writer.begin_with("BEGIN IMMEDIATE").await.tried("begin to write")?;
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
        self.writer.close().await;
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
