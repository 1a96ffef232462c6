//! What can go wrong with the database.

/// An error of the store. `Display` says what; the source, if any, says why.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// The database refused or is gone.
    #[error("{what}")]
    Database {
        /// What was tried.
        what: &'static str,
        /// What the database said.
        #[source]
        source: sqlx::Error,
    },
    /// The place of the database, or its password file.
    #[error("where the database is: {0}")]
    Place(String),
    /// A stored row holds what no writer of ours writes.
    #[error("{table}, row {id}: {column} holds no {wanted}")]
    Row {
        /// Table.
        table: &'static str,
        /// Its id, 0 where it has none.
        id: i64,
        /// Column.
        column: &'static str,
        /// What was expected.
        wanted: &'static str,
    },
    /// The schema could not be brought up to date.
    #[error("bring the schema up to date")]
    Migrate(#[from] sqlx::migrate::MigrateError),
    /// The rows that are there forbid this write; nothing was written.
    #[error("{field} {why}")]
    Refused {
        /// The field, as REST names it.
        field: &'static str,
        /// What is wrong with it, to stand behind its name.
        why: &'static str,
    },
    /// Another row has this value, which must be unique; nothing was written.
    #[error("{field} is taken by another row")]
    Taken {
        /// The field.
        field: &'static str,
    },
    /// Another writer moved the cursor: this process must not write.
    #[error("the journal cursor of origin {origin} is not where it was left")]
    Cursor {
        /// Origin.
        origin: i64,
    },
}

/// Names what was tried when the database refuses.
pub(crate) trait Tried<T> {
    fn tried(self, what: &'static str) -> Result<T, StoreError>;
}

impl<T> Tried<T> for Result<T, sqlx::Error> {
    fn tried(self, what: &'static str) -> Result<T, StoreError> {
        self.map_err(|source| StoreError::Database { what, source })
    }
}
