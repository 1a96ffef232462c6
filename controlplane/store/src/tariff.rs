//! Price lists by revisions (design of control, 17): rows are only added, and which of them are in
//! force is told by `strowger_billing::in_force`.

mod draft;
mod price;

pub use price::PricesAt;

use crate::column::{Columns, word_of};
use crate::{ConfigRow, Reader, StoreError, Tried, Writer};
use sqlx::any::AnyRow;
use sqlx::{Any, Transaction};
use std::collections::{BTreeMap, BTreeSet};
use strowger_billing::{RevisedRate, in_force};
use strowger_model::{Rate, RateId, RevisionState, TariffId, TariffRevision};

const STATES: [(&str, RevisionState); 3] = [
    ("draft", RevisionState::Draft),
    ("published", RevisionState::Published),
    ("undone", RevisionState::Undone),
];

fn revision(c: &Columns<'_>) -> Result<TariffRevision, StoreError> {
    Ok(TariffRevision {
        tariff: TariffId(c.int("tariff_id")?),
        number: c.small("number")?,
        state: c.word("state", &STATES)?,
        effective_us: c.int("effective_us")?,
        note: c.text("note")?,
        created_us: c.int("created_us")?,
        published_us: c.int_or_null("published_us")?,
    })
}

fn revised(c: &Columns<'_>) -> Result<RevisedRate, StoreError> {
    Ok(RevisedRate {
        rate: Rate::read(c)?,
        revision: c.small("revision")?,
        removed: c.flag("removed")?,
    })
}

/// The rows of published revisions, each from its revision's moment on, in force; of one tariff, or
/// of all. In order of tariff, prefix and time.
pub(crate) async fn rates_in_force(
    tx: &mut Transaction<'_, Any>,
    of: Option<TariffId>,
) -> Result<Vec<Rate>, StoreError> {
    // Two statements: one with a condition that may be off goes through the prices of all lists.
    let all = "SELECT r.*, v.effective_us FROM rates r JOIN tariff_revisions v \
               ON v.tariff_id = r.tariff_id AND v.number = r.revision \
               WHERE v.state = 'published'";
    let query = match of {
        Some(id) => sqlx::query(price::IN_FORCE).bind(id.0),
        None => sqlx::query(all),
    };
    let rows = query.fetch_all(&mut **tx).await.tried("read the rates")?;
    cut(&rows)
}

/// What is in force of rows that were read with the moment from which their revision counts; in
/// order of tariff, prefix and time.
fn cut(rows: &[AnyRow]) -> Result<Vec<Rate>, StoreError> {
    let mut tariffs: BTreeMap<TariffId, Vec<RevisedRate>> = BTreeMap::new();
    for row in rows {
        let c = Columns::new("rates", row);
        let mut row = revised(&c)?;
        row.rate.from_us = row.rate.from_us.max(c.int("effective_us")?);
        tariffs.entry(row.rate.tariff).or_default().push(row);
    }
    Ok(tariffs.into_values().flat_map(in_force).collect())
}

/// Lists whose prices in force may have changed since the change `since`; `None` = perhaps all.
/// What is done to a draft changes no price.
pub(crate) async fn changed_since(
    tx: &mut Transaction<'_, Any>,
    since: i64,
) -> Result<Option<BTreeSet<TariffId>>, StoreError> {
    let sql = "SELECT id, after FROM changes WHERE seq > $1 \
               AND resource IN ('tariffs', 'tariff-revisions', 'all')";
    let rows = sqlx::query(sql).bind(since).fetch_all(&mut **tx).await;
    let rows = rows.tried("read the change log")?;
    let mut changed = BTreeSet::new();
    for row in &rows {
        let c = Columns::new("changes", row);
        let after = c.text_or_null("after")?.unwrap_or_default();
        let after: serde_json::Value = serde_json::from_str(&after).unwrap_or_default();
        if after.get("state").and_then(serde_json::Value::as_str) == Some("draft") {
            continue;
        }
        let Some(id) = c.int_or_null("id")? else { return Ok(None) };
        changed.insert(TariffId(id));
    }
    Ok(Some(changed))
}

impl Reader {
    /// The prices of a tariff in force, now and as published for later; in order of prefix and
    /// time.
    ///
    /// # Errors
    /// [`StoreError`], naming the row that cannot be read.
    pub async fn tariff_rates(&self, of: TariffId) -> Result<Vec<Rate>, StoreError> {
        let mut tx = self.snapshot().await.tried("read the rates")?;
        rates_in_force(&mut tx, Some(of)).await
    }

    /// The revisions of a tariff with numbers above `after`, in order.
    ///
    /// # Errors
    /// [`StoreError`], naming the row that cannot be read.
    pub async fn tariff_revisions(
        &self,
        of: TariffId,
        after: u32,
        limit: u32,
    ) -> Result<Vec<TariffRevision>, StoreError> {
        let sql = "SELECT * FROM tariff_revisions WHERE tariff_id = $1 AND number > $2 \
                   ORDER BY number LIMIT $3";
        let query = sqlx::query(sql).bind(of.0).bind(i64::from(after));
        let rows = query.bind(i64::from(limit.min(crate::LIST_MAX))).fetch_all(&self.pool).await;
        let rows = rows.tried("list revisions")?;
        rows.iter().map(|row| revision(&Columns::new("tariff_revisions", row))).collect()
    }

    /// One revision of a tariff.
    ///
    /// # Errors
    /// [`StoreError`], naming the row that cannot be read.
    pub async fn tariff_revision(
        &self,
        of: TariffId,
        number: u32,
    ) -> Result<Option<TariffRevision>, StoreError> {
        let below = number.saturating_sub(1);
        let found = self.tariff_revisions(of, below, 1).await?;
        Ok(found.into_iter().find(|revision| revision.number == number))
    }

    /// The rows that one revision holds, with ids above `after`, by id.
    ///
    /// # Errors
    /// [`StoreError`], naming the row that cannot be read.
    pub async fn revision_rates(
        &self,
        of: TariffId,
        number: u32,
        after: Option<RateId>,
        limit: u32,
    ) -> Result<Vec<RevisedRate>, StoreError> {
        let sql = "SELECT * FROM rates WHERE tariff_id = $1 AND revision = $2 \
                   AND ($3 = 0 OR id > $4) ORDER BY id LIMIT $5";
        let query = sqlx::query(sql).bind(of.0).bind(i64::from(number));
        let query = query.bind(i64::from(after.is_some())).bind(after.map_or(0, |id| id.0));
        let rows = query.bind(i64::from(limit.min(crate::LIST_MAX))).fetch_all(&self.pool).await;
        let rows = rows.tried("list the rates of a revision")?;
        rows.iter().map(|row| revised(&Columns::new("rates", row))).collect()
    }
}

impl Writer<'_> {
    /// The prices of a tariff in force, as this transaction sees them.
    ///
    /// # Errors
    /// [`StoreError`], naming the row that cannot be read.
    pub async fn tariff_rates(&mut self, of: TariffId) -> Result<Vec<Rate>, StoreError> {
        rates_in_force(&mut self.tx, Some(of)).await
    }

    /// The revisions of a tariff, newest first, at most `limit`.
    ///
    /// # Errors
    /// [`StoreError`], naming the row that cannot be read.
    pub async fn newest_revisions(
        &mut self,
        of: TariffId,
        limit: u32,
    ) -> Result<Vec<TariffRevision>, StoreError> {
        let sql = "SELECT * FROM tariff_revisions WHERE tariff_id = $1 \
                   ORDER BY number DESC LIMIT $2";
        let query = sqlx::query(sql).bind(of.0).bind(i64::from(limit));
        let rows = query.fetch_all(&mut *self.tx).await.tried("read the newest revision")?;
        rows.iter().map(|row| revision(&Columns::new("tariff_revisions", row))).collect()
    }

    /// One revision of a tariff.
    ///
    /// # Errors
    /// [`StoreError`], naming the row that cannot be read.
    pub async fn tariff_revision(
        &mut self,
        of: TariffId,
        number: u32,
    ) -> Result<Option<TariffRevision>, StoreError> {
        let sql = "SELECT * FROM tariff_revisions WHERE tariff_id = $1 AND number = $2";
        let query = sqlx::query(sql).bind(of.0).bind(i64::from(number));
        let row = query.fetch_optional(&mut *self.tx).await.tried("read a revision")?;
        row.map(|row| revision(&Columns::new("tariff_revisions", &row))).transpose()
    }

    /// The first revision of a tariff that was ever published: its prices may have been charged.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn published_revision(&mut self, of: TariffId) -> Result<Option<u32>, StoreError> {
        let sql = "SELECT number FROM tariff_revisions WHERE tariff_id = $1 \
                   AND state <> 'draft' ORDER BY number LIMIT 1";
        let row = sqlx::query(sql).bind(of.0).fetch_optional(&mut *self.tx).await;
        let row = row.tried("read a revision")?;
        row.map(|row| Columns::new("tariff_revisions", &row).small("number")).transpose()
    }

    /// Deletes all revisions of a tariff with their rows, and what is known of files for it.
    ///
    /// # Errors
    /// [`StoreError::Database`].
    pub async fn delete_revisions(&mut self, of: TariffId) -> Result<(), StoreError> {
        for sql in [
            "DELETE FROM imports WHERE tariff_id = $1",
            "DELETE FROM rates WHERE tariff_id = $1",
            "DELETE FROM tariff_revisions WHERE tariff_id = $1",
        ] {
            let done = sqlx::query(sql).bind(of.0).execute(&mut *self.tx).await;
            done.tried("delete revisions")?;
        }
        Ok(())
    }

    /// Writes a new revision.
    ///
    /// # Errors
    /// [`StoreError::Database`], also for a number that its tariff has already.
    pub async fn insert_tariff_revision(&mut self, r: &TariffRevision) -> Result<(), StoreError> {
        let sql = "INSERT INTO tariff_revisions (tariff_id, number, state, effective_us, note, \
                   created_us, published_us) VALUES ($1, $2, $3, $4, $5, $6, $7)";
        let query = sqlx::query(sql)
            .bind(r.tariff.0)
            .bind(i64::from(r.number))
            .bind(word_of(&STATES, r.state))
            .bind(r.effective_us)
            .bind(&r.note)
            .bind(r.created_us)
            .bind(r.published_us);
        query.execute(&mut *self.tx).await.tried("write a revision").map(|_| ())
    }

    /// Publishes or undoes: changes a revision's row from the state `was`. `false` = there is none
    /// in that state.
    ///
    /// # Errors
    /// [`StoreError::Database`].
    pub async fn change_tariff_revision(
        &mut self,
        r: &TariffRevision,
        was: RevisionState,
    ) -> Result<bool, StoreError> {
        let sql = "UPDATE tariff_revisions SET state = $1, effective_us = $2, note = $3, \
                   published_us = $4 WHERE tariff_id = $5 AND number = $6 AND state = $7";
        let query = sqlx::query(sql)
            .bind(word_of(&STATES, r.state))
            .bind(r.effective_us)
            .bind(&r.note)
            .bind(r.published_us)
            .bind(r.tariff.0)
            .bind(i64::from(r.number))
            .bind(word_of(&STATES, was));
        let done = query.execute(&mut *self.tx).await.tried("change a revision")?;
        Ok(done.rows_affected() == 1)
    }
}
