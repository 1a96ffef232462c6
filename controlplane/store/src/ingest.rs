//! Taking a stretch of a journal over: cursor, records and transfers in one transaction.
//!
//! Exactly once by position: the cursor moves in the transaction that writes, and only from where
//! the caller believes it to be. A second writer, or the same stretch twice, changes nothing.

use crate::allowance::FreeSums;
use crate::bulk::Value;
use crate::column::Columns;
use crate::open::Engine;
use crate::rollup::{Cells, Zones};
use crate::usage::UsageSums;
use crate::{RadiusEvent, Reader, Store, StoreError, Tried};
use std::collections::BTreeSet;
use strowger_billing::{Postings, Transfer};
use strowger_model::Cdr;

/// Records of a usual transaction: enough that what it costs by itself (its sync, a transfer and a
/// count for each account) is little beside them, few enough that nobody waits long for it: about
/// half a second on each database.
const SQLITE_BATCH: usize = 16_384;
const POSTGRES_BATCH: usize = 32_000;

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
    /// Records left out because they are in the books already: their journal has them twice.
    pub doubled: usize,
    /// The records as they are in the books, where packets of money paid of some; `None` = as they
    /// came.
    pub records: Option<Vec<Cdr>>,
}

/// What a batch adds up to.
struct Sums {
    usage: UsageSums,
    free: FreeSums,
    cells: Cells,
    postings: Postings,
}

impl Sums {
    fn new(zones: &Zones) -> Sums {
        Sums {
            usage: UsageSums::default(),
            free: FreeSums::default(),
            cells: Cells::new(zones),
            postings: Postings::default(),
        }
    }

    fn add(&mut self, record: &Cdr) {
        self.usage.add(record);
        self.free.add(record);
        self.cells.add(record);
        self.postings.add(record);
    }
}

/// Positions are counters; one beyond i64 cannot come.
fn int(value: u64) -> Value<'static> {
    Value::Int(i64::try_from(value).unwrap_or(i64::MAX))
}

impl Store {
    /// Records that [`Store::ingest`] takes at a time, usually.
    #[must_use]
    pub const fn batch_usual(&self) -> usize {
        match self.engine {
            Engine::Sqlite => SQLITE_BATCH,
            Engine::Postgres => POSTGRES_BATCH,
        }
    }

    /// Takes the stretch `from..to` of the journal of `origin` with the records it holds. A record
    /// that is in the books already is left out and counted: it must not stop those behind it.
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
        self.ingest_telling(origin, (from, to), (records, &[]), at_us).await
    }

    /// The same, with events for RADIUS servers, which are in the queue when the records are in
    /// the books.
    ///
    /// # Errors
    /// As [`Store::ingest`].
    pub async fn ingest_telling(
        &self,
        origin: u32,
        (from, to): (Position, Position),
        (records, events): (&[Cdr], &[RadiusEvent]),
        at_us: i64,
    ) -> Result<Ingested, StoreError> {
        let taken = self.take(origin, (from, to), (records, events), at_us).await;
        let Err(StoreError::Database { source: sqlx::Error::Database(why), .. }) = &taken else {
            return taken;
        };
        if !why.is_unique_violation() {
            return taken;
        }
        let new = self.reader().unknown(records).await?;
        let doubled = records.len() - new.len();
        if doubled == 0 {
            return taken;
        }
        let ingested = self.take(origin, (from, to), (&new, events), at_us).await?;
        Ok(Ingested { doubled, ..ingested })
    }

    async fn take(
        &self,
        origin: u32,
        (from, to): (Position, Position),
        (records, events): (&[Cdr], &[RadiusEvent]),
        at_us: i64,
    ) -> Result<Ingested, StoreError> {
        let mut bulk = self.bulk().await?;
        let number = Value::Int(origin.into());
        let sql = "INSERT INTO ingest_cursors (origin, seq, segment, byte_offset) \
             VALUES ($1, 0, 0, 0) ON CONFLICT (origin) DO NOTHING";
        bulk.execute("open a journal cursor", sql, &[number]).await?;
        let sql = "UPDATE ingest_cursors SET seq = $1, segment = $2, byte_offset = $3 \
             WHERE origin = $4 AND seq = $5";
        let [seq, segment, offset] = [to.seq, to.segment, to.offset].map(int);
        let values = [seq, segment, offset, number, int(from.seq)];
        if bulk.execute("move a journal cursor", sql, &values).await? != 1 {
            return Err(StoreError::Cursor { origin: origin.into() });
        }
        let sql = "INSERT INTO batches (origin, seq_first, seq_last, at_us) \
             VALUES ($1, $2, $3, $4) RETURNING id";
        let values = [number, int(from.seq.saturating_add(1)), seq, Value::Int(at_us)];
        let batch = bulk.int("open a batch", sql, &values).await?;
        let batch = batch.ok_or(sqlx::Error::RowNotFound).tried("open a batch")?;
        let paid = bulk.paid_by_packets(records).await?;
        let records = paid.as_deref().unwrap_or(records);
        let mut sums = Sums::new(&self.zones);
        bulk.append_cdrs(records, batch, |record| sums.add(record)).await?;
        bulk.append_radius_events(events).await?;
        bulk.count_usage(sums.usage).await?;
        bulk.count_free(sums.free).await?;
        bulk.roll_up(sums.cells).await?;
        let transfers = sums.postings.transfers(batch, at_us);
        let mut known = self.known_accounts();
        bulk.append_transfers(&transfers, &mut known).await?;
        bulk.commit().await?;
        self.remember_accounts(known);
        Ok(Ingested { batch, transfers, doubled: 0, records: paid })
    }
}

/// One life of a dataplane shard.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Debug)]
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
        // The next number is above all that are known, those learned from a journal included.
        let sql = "INSERT INTO origins (id, node, shard, boot, epoch) \
             SELECT COALESCE(MAX(id), 0) + 1, $1, $2, $3, $4 FROM origins RETURNING id";
        let row = bound(sql).fetch_one(&mut *w.tx).await.tried("note a dataplane's life")?;
        let id = Columns::new("origins", &row).small("id")?;
        w.commit().await?;
        Ok(id)
    }
}

impl Store {
    /// Learns the origin of a life that this database does not know, from the journal: the database
    /// was put back to a state from before it gave the number away.
    ///
    /// # Errors
    /// [`StoreError::Row`] when the life or the number stands there with another partner: this
    /// journal does not belong to this database.
    pub async fn learn_origin(&self, life: &Life, origin: u32) -> Result<(), StoreError> {
        let what = "learn a dataplane's life";
        let mut w = self.write().await?;
        let boot = format!("{:032x}", life.boot);
        let sql = "SELECT id, node, shard, boot, epoch FROM origins WHERE id = $5 \
             OR (node = $1 AND shard = $2 AND boot = $3 AND epoch = $4)";
        let query = sqlx::query(sql)
            .bind(i64::from(life.node))
            .bind(i64::from(life.shard))
            .bind(boot.clone())
            .bind(i64::from(life.epoch))
            .bind(i64::from(origin));
        if let Some(row) = query.fetch_optional(&mut *w.tx).await.tried(what)? {
            let c = Columns::new("origins", &row);
            let is = (c.small::<u32>("id")?, c.small("node")?, c.small("shard")?, c.text("boot")?);
            let same = is == (origin, life.node, life.shard, boot.clone())
                && c.small::<u32>("epoch")? == life.epoch;
            return if same { Ok(()) } else { Err(c.unfit("id", "origin of that life")) };
        }
        let sql = "INSERT INTO origins (id, node, shard, boot, epoch) VALUES ($1, $2, $3, $4, $5)";
        let query = sqlx::query(sql)
            .bind(i64::from(origin))
            .bind(i64::from(life.node))
            .bind(i64::from(life.shard))
            .bind(boot)
            .bind(i64::from(life.epoch));
        query.execute(&mut *w.tx).await.tried(what)?;
        w.commit().await
    }
}

impl Reader {
    /// Those of `records` that the books do not have, each once.
    async fn unknown(&self, records: &[Cdr]) -> Result<Vec<Cdr>, StoreError> {
        let (mut seen, mut new) = (BTreeSet::new(), Vec::new());
        for record in records {
            let sql = "SELECT 1 AS known FROM cdrs WHERE ended_us = $1 AND id = $2 AND part = $3";
            let query = sqlx::query(sql)
                .bind(record.times.ended_us)
                .bind(record.id.0)
                .bind(i64::from(record.part));
            let known = query.fetch_optional(&self.pool).await.tried("look for a record")?;
            if known.is_none() && seen.insert((record.id, record.part)) {
                new.push(record.clone());
            }
        }
        Ok(new)
    }

    /// The newest batch of a journal.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn last_batch(&self, origin: u32) -> Result<Option<i64>, StoreError> {
        let sql = "SELECT id FROM batches WHERE origin = $1 ORDER BY id DESC LIMIT 1";
        let query = sqlx::query(sql).bind(i64::from(origin));
        let row = query.fetch_optional(&self.pool).await.tried("read the newest batch")?;
        row.map(|row| Columns::new("batches", &row).int("id")).transpose()
    }

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
