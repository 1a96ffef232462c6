//! Rows of a draft: many at once, all or none, with the entry of the change log in the same
//! transaction.

use crate::bulk::{Sink, Value};
use crate::{Actor, Change, Store, StoreError, Tried};
use strowger_billing::RevisedRate;
use strowger_model::{RateId, TariffId};

impl Store {
    /// Adds rows to a draft of a tariff; they get new ids, one after the other, in their order.
    /// Returns the first id, or `None` when there is no such draft: then nothing is written.
    ///
    /// # Errors
    /// [`StoreError::Database`]; nothing is written on any error.
    pub async fn add_rates(
        &self,
        of: TariffId,
        number: u32,
        rows: &[RevisedRate],
        actor: &Actor,
        change: &Change,
    ) -> Result<Option<RateId>, StoreError> {
        let mut bulk = self.bulk().await?;
        let sql = "SELECT number FROM tariff_revisions \
             WHERE tariff_id = $1 AND number = $2 AND state = 'draft'";
        let key = [Value::Int(of.0), Value::Int(number.into())];
        if bulk.int("look for a draft", sql, &key).await?.is_none() {
            return Ok(None);
        }
        let count = i64::try_from(rows.len()).unwrap_or(i64::MAX);
        let sql = "UPDATE next_ids SET next = next + $1 WHERE kind = 'rates' RETURNING next";
        let next = bulk.int("take ids of rates", sql, &[Value::Int(count)]).await?;
        let next = next.ok_or(sqlx::Error::RowNotFound).tried("take ids of rates")?;
        let first = next.saturating_sub(count);
        let numbered: Vec<(i64, &RevisedRate)> = (first..next).zip(rows).collect();
        let key = (of, number);
        bulk.append("rates", &numbered, |row, sink| tell(row, key, sink)).await?;
        bulk.record_change(actor, change).await?;
        bulk.commit().await?;
        Ok(Some(RateId(first)))
    }
}

/// The columns of a row.
fn tell((id, row): (i64, &RevisedRate), (of, number): (TariffId, u32), sink: &mut dyn Sink) {
    let rate = &row.rate;
    sink.int("id", id);
    sink.int("tariff_id", of.0);
    sink.int("revision", number.into());
    sink.int("removed", row.removed.into());
    sink.text("prefix", rate.prefix.as_str());
    sink.text("class", &rate.class.to_string());
    sink.int("digits_min", rate.digits_min.into());
    sink.int("digits_max", rate.digits_max.into());
    sink.int("price", rate.price.0);
    sink.int("step_s", rate.step_s.into());
    sink.int("minimum_s", rate.minimum_s.into());
    sink.int("free_s", rate.free_s.into());
    sink.int("free_after_s", rate.free_after_s.into());
    sink.int("connection_fee", rate.connection_fee.0);
    sink.int("from_us", rate.from_us);
    sink.int_or_null("until_us", rate.until_us);
}
