//! Taking a stretch of a journal over: cursor, records and transfers in one transaction.
//!
//! Exactly once by position: the cursor moves in the transaction that writes, and only from where
//! the caller believes it to be. A second writer, or the same stretch twice, changes nothing.

use crate::column::Columns;
use crate::{Reader, Store, StoreError, Tried};
use sqlx::Row;
use strowger_billing::{Transfer, postings};
use strowger_model::Cdr;

/// A place in a journal, behind the last frame taken.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Default)]
pub struct Position {
    /// Sequence of the last frame taken; 0 = none.
    pub seq: u64,
    /// Segment of the next frame.
    pub segment: u64,
    /// Byte offset of the next frame in its segment.
    pub offset: u64,
}

/// How far a journal has been taken.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Taken {
    /// Journal: origin of its record ids.
    pub origin: u32,
    /// Where it goes on.
    pub at: Position,
}

/// What one transaction wrote.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Ingested {
    /// Its batch.
    pub batch: i64,
    /// The transfers it posted.
    pub transfers: Vec<Transfer>,
}

/// Positions are counters; one beyond i64 cannot come.
fn int(value: u64) -> i64 {
    i64::try_from(value).unwrap_or(i64::MAX)
}

impl Store {
    /// Takes the stretch `from..to` of the journal of `origin` with the records it holds.
    ///
    /// # Errors
    /// [`StoreError::Cursor`] when the journal has been taken to another place than `from`; nothing
    /// is written on any error.
    pub async fn ingest(
        &self,
        origin: u32,
        from: Position,
        to: Position,
        records: &[Cdr],
        at_us: i64,
    ) -> Result<Ingested, StoreError> {
        let mut w = self.write().await?;
        let sql = "INSERT INTO ingest_cursors (origin, seq, segment, byte_offset) \
             VALUES ($1, 0, 0, 0) ON CONFLICT (origin) DO NOTHING";
        let query = sqlx::query(sql).bind(i64::from(origin));
        query.execute(&mut *w.tx).await.tried("open a journal cursor")?;
        let sql = "UPDATE ingest_cursors SET seq = $1, segment = $2, byte_offset = $3 \
             WHERE origin = $4 AND seq = $5";
        let query = sqlx::query(sql)
            .bind(int(to.seq))
            .bind(int(to.segment))
            .bind(int(to.offset))
            .bind(i64::from(origin))
            .bind(int(from.seq));
        let moved = query.execute(&mut *w.tx).await.tried("move a journal cursor")?;
        if moved.rows_affected() != 1 {
            return Err(StoreError::Cursor { origin: origin.into() });
        }
        let sql = "INSERT INTO batches (origin, seq_first, seq_last, at_us) \
             VALUES ($1, $2, $3, $4) RETURNING id";
        let query = sqlx::query(sql)
            .bind(i64::from(origin))
            .bind(int(from.seq.saturating_add(1)))
            .bind(int(to.seq))
            .bind(at_us);
        let row = query.fetch_one(&mut *w.tx).await.tried("open a batch")?;
        let batch: i64 = row.try_get("id").tried("open a batch")?;
        for record in records {
            w.insert_cdr(record, batch).await?;
        }
        w.count_usage(records).await?;
        let transfers = postings(batch, at_us, records);
        for transfer in &transfers {
            w.insert_transfer(transfer).await?;
        }
        w.commit().await?;
        Ok(Ingested { batch, transfers })
    }
}

/// One life of a dataplane shard.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Life {
    /// Node number.
    pub node: u32,
    /// Shard.
    pub shard: u8,
    /// Boot of the host, as the call table has it.
    pub boot: u128,
    /// Life of the shard in that boot.
    pub epoch: u32,
}

impl Store {
    /// The origin of the record ids of one life of a shard: the same each time it is asked.
    ///
    /// # Errors
    /// [`StoreError::Database`].
    pub async fn origin(&self, life: &Life) -> Result<u32, StoreError> {
        let mut w = self.write().await?;
        let boot = format!("{:032x}", life.boot);
        let bound = |sql: &'static str| {
            sqlx::query(sql)
                .bind(i64::from(life.node))
                .bind(i64::from(life.shard))
                .bind(boot.clone())
                .bind(i64::from(life.epoch))
        };
        // Looked for first: an insert that finds it there would still use a number up.
        let sql = "SELECT id FROM origins WHERE node = $1 AND shard = $2 AND boot = $3 \
             AND epoch = $4";
        let row = bound(sql).fetch_optional(&mut *w.tx).await.tried("note a dataplane's life")?;
        if let Some(row) = row {
            return Columns::new("origins", &row).small("id");
        }
        let sql = "INSERT INTO origins (node, shard, boot, epoch) VALUES ($1, $2, $3, $4) \
             RETURNING id";
        let row = bound(sql).fetch_one(&mut *w.tx).await.tried("note a dataplane's life")?;
        let id = Columns::new("origins", &row).small("id")?;
        w.commit().await?;
        Ok(id)
    }
}

impl Reader {
    /// How far each journal has been taken.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn cursors(&self) -> Result<Vec<Taken>, StoreError> {
        let sql = "SELECT * FROM ingest_cursors ORDER BY origin";
        let rows = sqlx::query(sql).fetch_all(&self.pool).await.tried("read journal cursors")?;
        let taken = |row| {
            let c = Columns::new("ingest_cursors", row);
            Ok(Taken {
                origin: c.small("origin")?,
                at: Position {
                    seq: c.small("seq")?,
                    segment: c.small("segment")?,
                    offset: c.small("byte_offset")?,
                },
            })
        };
        rows.iter().map(taken).collect()
    }
}
