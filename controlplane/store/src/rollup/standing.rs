//! What a boot learns of how trunks did: their counts from cells, the last calls from records.

use super::cell::digits_of;
use super::{Cube, DAY_US, MONTH_DAYS};
use crate::column::Columns;
use crate::{Reader, StoreError, Tried};
use std::collections::BTreeSet;
use strowger_model::{CdrOutcome, Digits, SubscriberId, TrunkId};

/// Most counts of days, and as many of months, that are read.
const COUNTS_MAX: i64 = 500_000;
/// Most records whose legs are read.
const RECORDS_MAX: i64 = 20_000;

/// Calls of a time.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub struct DirectionCounts {
    /// Attempts.
    pub calls: i64,
    /// Those that were answered.
    pub answered: i64,
    /// Their talk, milliseconds.
    pub talk_ms: i64,
}

/// What a trunk did for numbers that begin so, in one time: a UTC day or 30 days.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct TrunkCounts {
    /// Trunk.
    pub trunk: TrunkId,
    /// First digits of the called numbers.
    pub direction: Digits,
    /// The time is 30 days, not one.
    pub is_month: bool,
    /// Which: days or 30 days since 1970.
    pub slot: i64,
    /// What was counted.
    pub counts: DirectionCounts,
}

/// One attempt at a trunk.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct LastLeg {
    /// Trunk.
    pub trunk: TrunkId,
    /// Called number; empty when it had no canonical form.
    pub number: Digits,
    /// The call was sent there first.
    pub is_first: bool,
    /// When the call began there, microseconds since 1970 UTC; not known better than the record's
    /// beginning for its last leg.
    pub started_us: i64,
    /// When it ended.
    pub ended_us: i64,
    /// Talk, milliseconds; `None` = not answered.
    pub talk_ms: Option<u64>,
    /// How it ended.
    pub outcome: CdrOutcome,
}

/// A call of a subscriber that left us.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct LastCall {
    /// Who called.
    pub by: SubscriberId,
    /// The number that was called.
    pub number: Digits,
    /// The called number as it was dialled.
    pub received: String,
    /// What stood in From.
    pub from_user: String,
    /// When it began, microseconds since 1970 UTC.
    pub started_us: i64,
}

impl Reader {
    /// The calls of subscribers to numbers outside among the last 20,000 records that ended at
    /// `from_us` or later, the last first.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn last_calls(&self, from_us: i64) -> Result<Vec<LastCall>, StoreError> {
        let sql = "SELECT caller_subscriber_id, normalised, received, from_user, started_us \
             FROM cdrs WHERE ended_us >= $1 AND part = 0 AND caller_subscriber_id IS NOT NULL \
             AND called_subscriber_id IS NULL AND normalised IS NOT NULL \
             ORDER BY ended_us DESC, id DESC LIMIT $2";
        let query = sqlx::query(sql).bind(from_us).bind(RECORDS_MAX);
        let rows = query.fetch_all(&self.pool).await.tried("read the last calls")?;
        let read = |row| {
            let c = Columns::new("cdrs", row);
            Ok(LastCall {
                by: SubscriberId(c.int("caller_subscriber_id")?),
                number: c.digits("normalised")?,
                received: c.text("received")?,
                from_user: c.text("from_user")?,
                started_us: c.int("started_us")?,
            })
        };
        rows.iter().map(read).collect()
    }

    /// What trunks did by direction today and yesterday, in these 30 days and the 30 before, as far
    /// as the records in the database say, oldest first; at most 500,000 of each.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn trunk_counts(&self, now_us: i64) -> Result<Vec<TrunkCounts>, StoreError> {
        let day = now_us.div_euclid(DAY_US);
        let mut all = Vec::new();
        for (cube, slot) in
            [(Cube::DirectionMonth, day.div_euclid(MONTH_DAYS)), (Cube::DirectionDay, day)]
        {
            let sql = "SELECT slot, subject_id, class, calls, answered, talk_ms \
                 FROM statistic_cells WHERE cube = $1 AND slot >= $2 \
                 ORDER BY slot, subject_id, class LIMIT $3";
            let query =
                sqlx::query(sql).bind(cube as i64).bind(slot.saturating_sub(1)).bind(COUNTS_MAX);
            let rows = query.fetch_all(&self.pool).await.tried("read what trunks did")?;
            for row in &rows {
                let c = Columns::new("statistic_cells", row);
                let digits = digits_of(c.int("class")?);
                all.push(TrunkCounts {
                    trunk: TrunkId(c.int("subject_id")?),
                    direction: Digits::parse(&digits).map_err(|_| c.unfit("class", "digits"))?,
                    is_month: cube == Cube::DirectionMonth,
                    slot: c.int("slot")?,
                    counts: DirectionCounts {
                        calls: c.int("calls")?,
                        answered: c.int("answered")?,
                        talk_ms: c.int("talk_ms")?,
                    },
                });
            }
        }
        Ok(all)
    }

    /// The attempts at trunks of the last records, at most 20,000 records, that ended at `from_us`
    /// or later; in order of their ends.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn last_legs(&self, from_us: i64) -> Result<Vec<LastLeg>, StoreError> {
        let sql = "SELECT id, part, ended_us, started_us, answered_us, talk_ms, normalised, \
             called_trunk_id AS trunk_id, party, reason, sip, q850 \
             FROM cdrs WHERE ended_us >= $1 ORDER BY ended_us DESC, id DESC, part DESC LIMIT $2";
        let query = sqlx::query(sql).bind(from_us).bind(RECORDS_MAX);
        let records = query.fetch_all(&self.pool).await.tried("read the last records")?;
        let mut first_us = i64::MAX;
        for row in &records {
            first_us = first_us.min(Columns::new("cdrs", row).int("ended_us")?);
        }
        let sql = "SELECT d.id AS id, d.part AS part, h.position AS position, \
             h.ended_us AS ended_us, h.started_us AS started_us, h.answered_us AS answered_us, \
             d.normalised AS normalised, h.trunk_id AS trunk_id, h.party AS party, \
             h.reason AS reason, h.sip AS sip, h.q850 AS q850 \
             FROM cdrs d JOIN cdr_hops h ON h.cdr_id = d.id AND h.part = d.part \
             WHERE d.ended_us >= $1 AND h.trunk_id IS NOT NULL LIMIT $2";
        let query = sqlx::query(sql).bind(first_us).bind(RECORDS_MAX * 4);
        let hops = query.fetch_all(&self.pool).await.tried("read the last records")?;
        let (mut legs, mut hopped) = (Vec::with_capacity(records.len()), BTreeSet::new());
        for row in &hops {
            let c = Columns::new("cdr_hops", row);
            hopped.insert((c.int("id")?, c.int("part")?));
            // Who answered there lost the race for the call.
            legs.extend(leg(&c, c.int("position")? == 0, |_| Ok(0))?);
        }
        for row in &records {
            let c = Columns::new("cdrs", row);
            let is_first = !hopped.contains(&(c.int("id")?, c.int("part")?));
            legs.extend(leg(&c, is_first, |c| c.small("talk_ms"))?);
        }
        legs.sort_by_key(|leg| (leg.ended_us, leg.trunk));
        Ok(legs)
    }
}

fn leg(
    c: &Columns<'_>,
    is_first: bool,
    talk_ms: impl Fn(&Columns<'_>) -> Result<u64, StoreError>,
) -> Result<Option<LastLeg>, StoreError> {
    let Some(trunk) = c.int_or_null("trunk_id")? else { return Ok(None) };
    let answered_us = c.int_or_null("answered_us")?;
    Ok(Some(LastLeg {
        trunk: TrunkId(trunk),
        number: c.digits_or_null("normalised")?.unwrap_or(Digits::EMPTY),
        is_first,
        started_us: c.int("started_us")?,
        ended_us: c.int("ended_us")?,
        talk_ms: answered_us.map(|_| talk_ms(c)).transpose()?,
        outcome: crate::cdr::outcome(c)?,
    }))
}
