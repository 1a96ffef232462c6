//! Requests that were answered under a client's key: asked again, they are answered the same.

use crate::column::Columns;
use crate::{StoreError, Tried, Writer};

/// How long a key is remembered, microseconds: a day.
const KEPT_US: i64 = 86_400_000_000;

/// What was asked under a key, and the answer.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct AnsweredRequest {
    /// Who asked.
    pub actor: String,
    /// The client's key, unique for who asks.
    pub key: String,
    /// What was asked for, as a hash.
    pub asked: String,
    /// The answer; no secret stands in it.
    pub answer: String,
    /// When.
    pub at_us: i64,
}

impl Writer<'_> {
    /// What `actor` was answered under `key` within the last day.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn answered_request(
        &mut self,
        actor: &str,
        key: &str,
        now_us: i64,
    ) -> Result<Option<AnsweredRequest>, StoreError> {
        let since_us = now_us.saturating_sub(KEPT_US);
        let query = sqlx::query("DELETE FROM requests WHERE at_us < $1").bind(since_us);
        query.execute(&mut *self.tx).await.tried("forget old requests")?;
        let sql = "SELECT * FROM requests WHERE actor = $1 AND key = $2";
        let row = sqlx::query(sql).bind(actor).bind(key).fetch_optional(&mut *self.tx).await;
        let Some(row) = row.tried("look for a request")? else { return Ok(None) };
        let c = Columns::new("requests", &row);
        Ok(Some(AnsweredRequest {
            actor: c.text("actor")?,
            key: c.text("key")?,
            asked: c.text("asked")?,
            answer: c.text("answer")?,
            at_us: c.int("at_us")?,
        }))
    }

    /// Remembers a request with its answer.
    ///
    /// # Errors
    /// [`StoreError::Database`], also for a key that is remembered already.
    pub async fn remember_request(&mut self, r: &AnsweredRequest) -> Result<(), StoreError> {
        let sql = "INSERT INTO requests (actor, key, asked, answer, at_us) \
             VALUES ($1, $2, $3, $4, $5)";
        let query = sqlx::query(sql)
            .bind(&r.actor)
            .bind(&r.key)
            .bind(&r.asked)
            .bind(&r.answer)
            .bind(r.at_us);
        query.execute(&mut *self.tx).await.tried("remember a request").map(|_| ())
    }

    /// [`crate::Reader::newest_change`] as this transaction sees it.
    ///
    /// # Errors
    /// [`StoreError::Database`].
    pub async fn newest_change(&mut self) -> Result<i64, StoreError> {
        crate::token::newest_change(&mut self.tx).await
    }
}
