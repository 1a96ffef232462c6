//! PostgreSQL: COPY in its binary form, in which no text needs to be escaped and no number parsed.

use super::Sink;
use crate::column::clean;
use crate::{StoreError, Tried};
use sqlx::postgres::{PgConnection, PgCopyIn};
use sqlx::{Postgres, Transaction};

/// What a binary COPY begins with: signature, flags, length of the extension.
const HEADER: [u8; 19] = *b"PGCOPY\n\xff\r\n\0\0\0\0\0\0\0\0\0";
/// What it ends with, in place of a row's number of columns.
const TRAILER: i16 = -1;
/// Bytes sent at a time.
const SEND_BYTES: usize = 64 * 1024;
const WHAT: &str = "write records";

/// A running COPY. Dropped unfinished it fails, and its transaction with it.
pub(super) struct Copied<'c> {
    copy: PgCopyIn<&'c mut PgConnection>,
    rows: Rows,
}

/// Rows in the form of the protocol.
pub(super) struct Rows {
    bytes: Vec<u8>,
    columns: i16,
}

impl<'c> Copied<'c> {
    pub(super) async fn begin(
        tx: &'c mut Transaction<'static, Postgres>,
        table: &str,
        columns: &[&str],
    ) -> Result<Copied<'c>, StoreError> {
        // Only names of this crate stand in the text.
        let names = columns.join(",");
        let sql = format!("COPY {table} ({names}) FROM STDIN (FORMAT binary)");
        let copy = tx.copy_in_raw(&sql).await.tried(WHAT)?;
        let mut bytes = Vec::with_capacity(SEND_BYTES * 2);
        bytes.extend_from_slice(&HEADER);
        let columns = i16::try_from(columns.len()).unwrap_or(i16::MAX);
        Ok(Copied { copy, rows: Rows { bytes, columns } })
    }

    /// Where to tell the next row.
    pub(super) fn row(&mut self) -> &mut Rows {
        self.rows.bytes.extend_from_slice(&self.rows.columns.to_be_bytes());
        &mut self.rows
    }

    /// Sends what has come together, when it is enough.
    pub(super) async fn flush(&mut self) -> Result<(), StoreError> {
        if self.rows.bytes.len() >= SEND_BYTES {
            self.copy.send(self.rows.bytes.as_slice()).await.tried(WHAT)?;
            self.rows.bytes.clear();
        }
        Ok(())
    }

    /// Ends it; the server must have taken `rows` rows.
    pub(super) async fn finish(mut self, rows: usize) -> Result<(), StoreError> {
        self.rows.bytes.extend_from_slice(&TRAILER.to_be_bytes());
        self.copy.send(self.rows.bytes.as_slice()).await.tried(WHAT)?;
        let taken = self.copy.finish().await.tried(WHAT)?;
        if usize::try_from(taken) != Ok(rows) {
            let what = format!("COPY took {taken} rows of {rows}");
            return Err(sqlx::Error::Protocol(what)).tried(WHAT);
        }
        Ok(())
    }
}

impl Rows {
    fn field(&mut self, value: &[u8]) {
        // A record comes from a frame of the journal, which has 32 KiB.
        let length = i32::try_from(value.len()).unwrap_or(i32::MAX);
        self.bytes.extend_from_slice(&length.to_be_bytes());
        self.bytes.extend_from_slice(value);
    }

    fn null(&mut self) {
        self.bytes.extend_from_slice(&(-1i32).to_be_bytes());
    }
}

impl Sink for Rows {
    fn int_or_null(&mut self, _: &'static str, value: Option<i64>) {
        match value {
            Some(value) => self.field(&value.to_be_bytes()),
            None => self.null(),
        }
    }

    fn small_or_null(&mut self, _: &'static str, value: Option<i16>) {
        match value {
            Some(value) => self.field(&value.to_be_bytes()),
            None => self.null(),
        }
    }

    fn medium(&mut self, _: &'static str, value: i32) {
        self.field(&value.to_be_bytes());
    }

    fn text_or_null(&mut self, _: &'static str, value: Option<&str>) {
        match value {
            Some(value) => self.field(clean(value).as_bytes()),
            None => self.null(),
        }
    }
}
