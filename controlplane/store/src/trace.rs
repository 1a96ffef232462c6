//! Traces of decisions: written behind them in batches, read by the call, dropped by age.

use crate::column::Columns;
use crate::{Reader, StoreError, Tried, Writer};
use sqlx::{AssertSqlSafe, Row};
use strowger_model::{Rate, RateId, TenantId};

/// Traces of a statement: few sizes, so that each is prepared once, and none large, because SQLite
/// looks through the numbered places of a statement for each of them.
const SIZES: [usize; 3] = [16, 4, 1];
/// Columns of a trace.
const COLUMNS: usize = 7;
/// A record's start and its ask's time are the same but for rounding, microseconds.
const SAME_CALL_US: i64 = 60_000_000;
/// What is decided on while a call rings is decided within this, microseconds.
const RINGING_US: i64 = 1_800_000_000;
/// Microseconds of a day.
const DAY_US: i64 = 86_400_000_000;
/// Most price lines of one read; a trace has fewer.
const RATES_MAX: usize = 512;

/// The trace of one decision.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct CallTrace {
    /// The ask of the attempt, which its record carries too.
    pub call: u64,
    /// When it was asked, microseconds since 1970 UTC.
    pub at_us: i64,
    /// Whose call.
    pub tenant: TenantId,
    /// Version of the configuration that decided.
    pub snapshot: u64,
    /// The steps, coded.
    pub steps: Box<[u8]>,
    /// Header fields of the INVITE that are kept: names, and values without control characters.
    pub headers: Vec<(String, String)>,
}

/// A line for each field, as in a message.
fn lines_of(headers: &[(String, String)]) -> String {
    let lines: Vec<String> =
        headers.iter().map(|(name, value)| format!("{name}: {value}")).collect();
    lines.join("\n")
}

fn headers_of(lines: &str) -> Vec<(String, String)> {
    let fields = lines.lines().filter_map(|line| line.split_once(": "));
    fields.map(|(name, value)| (name.to_owned(), value.to_owned())).collect()
}

/// The day of a time, counted since 1970 UTC.
#[must_use]
pub const fn day_of(at_us: i64) -> i64 {
    at_us.div_euclid(DAY_US)
}

/// Writes so many traces.
fn insert(rows: usize) -> String {
    let row = |n: usize| {
        let places = (n * COLUMNS + 1..=n * COLUMNS + COLUMNS).map(|place| format!("${place}"));
        format!("({})", places.collect::<Vec<_>>().join(", "))
    };
    let rows: Vec<String> = (0..rows).map(row).collect();
    format!(
        "INSERT INTO call_traces (call, at_us, day, tenant_id, snapshot, steps, headers) \
         VALUES {} ON CONFLICT (call, at_us) DO NOTHING",
        rows.join(", ")
    )
}

impl Writer<'_> {
    /// Writes traces; one that is there already stays as it is.
    ///
    /// # Errors
    /// [`StoreError::Database`].
    pub async fn insert_traces(&mut self, traces: &[CallTrace]) -> Result<(), StoreError> {
        let mut left = traces;
        while let Some(rows) = SIZES.into_iter().find(|rows| *rows <= left.len()) {
            let (some, rest) = left.split_at(rows);
            left = rest;
            let mut query = sqlx::query(AssertSqlSafe(insert(rows)));
            for trace in some {
                query = query
                    .bind(trace.call.cast_signed())
                    .bind(trace.at_us)
                    .bind(day_of(trace.at_us))
                    .bind(trace.tenant.0)
                    .bind(trace.snapshot.cast_signed())
                    .bind(trace.steps.to_vec())
                    .bind(lines_of(&trace.headers));
            }
            query.execute(&mut *self.tx).await.tried("write traces of calls")?;
        }
        Ok(())
    }

    /// Drops traces of days before `day`, at most `limit`; how many there were.
    ///
    /// # Errors
    /// [`StoreError::Database`].
    pub async fn drop_traces(&mut self, day: i64, limit: u32) -> Result<u64, StoreError> {
        let sql = "DELETE FROM call_traces WHERE (call, at_us) IN (SELECT call, at_us \
             FROM call_traces WHERE day < $1 ORDER BY day LIMIT $2)";
        let query = sqlx::query(sql).bind(day).bind(i64::from(limit));
        let done = query.execute(&mut *self.tx).await.tried("drop old traces")?;
        Ok(done.rows_affected())
    }
}

impl Reader {
    /// The trace of the call with this number that began at about `began_us`, or of the last one
    /// with this number when nobody says when; of this tenant, if one is named. What was decided on
    /// while it rang (redirects) stands behind its steps.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn trace(
        &self,
        tenant: Option<TenantId>,
        call: u64,
        began_us: Option<i64>,
    ) -> Result<Option<CallTrace>, StoreError> {
        let sql = "SELECT * FROM call_traces WHERE call = $1 AND at_us BETWEEN $2 AND $3 \
             ORDER BY at_us";
        let bounds = began_us.map_or((i64::MIN, i64::MAX), |us| {
            (us.saturating_sub(SAME_CALL_US), us.saturating_add(RINGING_US))
        });
        let query = sqlx::query(sql).bind(call.cast_signed()).bind(bounds.0).bind(bounds.1);
        let rows = query.fetch_all(&self.pool).await.tried("read a trace")?;
        let mut all = Vec::with_capacity(rows.len());
        for row in &rows {
            let found = trace(&Columns::new("call_traces", row), row)?;
            if tenant.is_none_or(|tenant| tenant == found.tenant) {
                all.push(found);
            }
        }
        Ok(whole(all, began_us))
    }

    /// Price lines by their ids, those that are there; further ones than a trace has are not read.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn rates_of(&self, ids: &[RateId]) -> Result<Vec<Rate>, StoreError> {
        let ids = ids.get(..RATES_MAX).unwrap_or(ids);
        if ids.is_empty() {
            return Ok(Vec::new());
        }
        let places: Vec<String> = (1..=ids.len()).map(|place| format!("${place}")).collect();
        let sql = format!("SELECT * FROM rates WHERE id IN ({})", places.join(", "));
        let mut query = sqlx::query(AssertSqlSafe(sql));
        for id in ids {
            query = query.bind(id.0);
        }
        let rows = query.fetch_all(&self.pool).await.tried("read price lines")?;
        rows.iter().map(|row| crate::ConfigRow::read(&Columns::new("rates", row))).collect()
    }
}

/// One trace of the call that began then, or of the last one, of all that share a number, in order
/// of time: the first is the attempt's, and later ones of its time of ringing go on with it.
fn whole(all: Vec<CallTrace>, began_us: Option<i64>) -> Option<CallTrace> {
    let first_us = match began_us {
        Some(us) => {
            let near = all.iter().filter(|t| t.at_us.abs_diff(us) <= SAME_CALL_US.unsigned_abs());
            near.min_by_key(|t| t.at_us.abs_diff(us))?.at_us
        }
        None => {
            let last_us = all.last()?.at_us;
            let is_same = |t: &&CallTrace| last_us.saturating_sub(t.at_us) <= RINGING_US;
            all.iter().find(is_same)?.at_us
        }
    };
    let mut rest = all.into_iter().skip_while(|t| t.at_us < first_us);
    let mut first = rest.next()?;
    let mut steps = first.steps.to_vec();
    for later in rest.take_while(|t| t.at_us.saturating_sub(first_us) <= RINGING_US) {
        // The same form: its first byte says which.
        if later.tenant == first.tenant && later.steps.first() == steps.first() {
            steps.extend(later.steps.iter().skip(1));
        }
    }
    first.steps = steps.into();
    Some(first)
}

fn trace(c: &Columns<'_>, row: &sqlx::any::AnyRow) -> Result<CallTrace, StoreError> {
    let steps: Vec<u8> = row.try_get("steps").map_err(|_| c.unfit("steps", "bytes"))?;
    Ok(CallTrace {
        call: c.int("call")?.cast_unsigned(),
        at_us: c.int("at_us")?,
        tenant: TenantId(c.int("tenant_id")?),
        snapshot: c.int("snapshot")?.cast_unsigned(),
        steps: steps.into(),
        headers: headers_of(&c.text("headers")?),
    })
}
