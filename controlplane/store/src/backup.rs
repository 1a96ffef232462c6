//! A copy of the database, made while it runs.

use crate::open::Engine;
use crate::place::Place;
use crate::{BooksReport, Reader, StoreError, Tried};
use std::fs::File;
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

impl Reader {
    /// Writes a whole copy of a SQLite database into a new file for its owner alone, durable on
    /// return, and audits the books in the copy. Writers go on meanwhile; the copy is of one
    /// moment.
    /// The journals behind its cursor bring it up to date when it is put back.
    ///
    /// # Errors
    /// [`StoreError::Place`] for PostgreSQL, which is copied by its own tools, and when the file is
    /// there already or cannot be written; [`StoreError::Database`].
    pub async fn back_up(&self, file: &Path) -> Result<BooksReport, StoreError> {
        if self.engine == Engine::Postgres {
            let what = "PostgreSQL is backed up by its own tools: pg_dump --format=custom for a \
                copy of one moment, pg_basebackup with archived WAL for all of them; copy lists, \
                imports, ported.img and host.key of the data directory behind it";
            return Err(StoreError::Place(what.to_owned()));
        }
        let wrong = |e: std::io::Error| StoreError::Place(format!("{}: {e}", file.display()));
        let mut new = File::options();
        let made = new.write(true).create_new(true).mode(0o600).open(file).map_err(wrong)?;
        let Some(name) = file.to_str() else {
            return Err(StoreError::Place(format!("{}: no UTF-8", file.display())));
        };
        // SQLite takes an empty file as one to write.
        let copied = sqlx::query("VACUUM INTO $1").bind(name).execute(&self.pool).await;
        if let Err(e) = copied {
            // Half a copy is none.
            let _left = std::fs::remove_file(file);
            return Err(e).tried("copy the database");
        }
        made.sync_all().map_err(wrong)?;
        let dir = file.parent().filter(|dir| !dir.as_os_str().is_empty());
        let dir = File::open(dir.unwrap_or(Path::new("."))).map_err(wrong)?;
        dir.sync_all().map_err(wrong)?;
        let copy = Reader::open_at(&Place::File(file.to_owned())).await?;
        let report = copy.books_check().await;
        copy.pool.close().await;
        report
    }
}
