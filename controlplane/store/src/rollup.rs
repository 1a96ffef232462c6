//! What statistics are sums of (spec 13.2): small sums that are written with the records, in the
//! same transaction and so exactly once, and read in place of the records.
//!
//! One wide cube over everything would have about as many cells as there are records. So there are
//! narrow ones ([`Cube`]): by the quarter of an hour for the tenant, each account and each trunk
//! alone; by the tenant's day for the same, and for beginnings of called numbers. A call counts
//! where it began. What the standing of trunks is learned from has cubes of its own, by the day it
//! ended in, as the decider counts.
//!
//! Every cell is a sum, so a correction is another summand ([`Writer::correct_statistics`]).

mod cell;
mod question;
mod standing;

pub use cell::{ASRB_S, Measures, Money};
pub use question::{
    Statistic, StatisticBy, StatisticQuestion, StatisticSubject, Statistics, TimeUnit,
    UnfitQuestion,
};
pub use standing::{DirectionCounts, LastCall, LastLeg, TrunkCounts, TrunkTalk};

use crate::bulk::Bulk;
use crate::{Store, StoreError, Tried, Writer};
use cell::{KEYS, MEASURES, Sums};
use core::borrow::Borrow;
use sqlx::AssertSqlSafe;
use std::collections::BTreeMap;
use std::sync::{Arc, PoisonError, RwLock};
use strowger_model::{Cdr, TenantId, Zone};

/// Microseconds of a day.
pub(crate) const DAY_US: i64 = 86_400_000_000;
/// Days that the standing of trunks counts as a month.
pub(crate) const MONTH_DAYS: i64 = 30;
/// Days that cells by the quarter of an hour are kept; those by the day stay.
pub const QUARTER_CELLS_DAYS: i64 = 400;
/// Columns of a cell.
const COLUMNS: usize = KEYS.len() + MEASURES.len();

/// Which sums a cell belongs to. Its number stands in the database.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub(crate) enum Cube {
    /// By quarter: all of a tenant.
    Tenant = 0,
    /// By quarter: the caller's account.
    Account = 1,
    /// By quarter: the trunk that sent the call.
    Ingress = 2,
    /// By quarter: a trunk that was tried.
    Egress = 3,
    /// By day: the caller's account.
    AccountDay = 4,
    /// By day: the trunk that sent the call.
    IngressDay = 5,
    /// By day: a trunk that was tried.
    EgressDay = 6,
    /// By day: beginnings of called numbers.
    Classes = 7,
    /// By day: beginnings of called numbers, by the caller's account.
    AccountClasses = 8,
    /// By day: beginnings of called numbers, by trunk that was tried.
    EgressClasses = 9,
    /// By UTC day of the end: a trunk and the first digits of called numbers.
    DirectionDay = 10,
    /// The same by 30 days.
    DirectionMonth = 11,
}

/// The clocks of tenants, by which their days begin. One that nobody named has UTC.
#[derive(Clone, Debug, Default)]
pub(crate) struct Zones(Arc<RwLock<Arc<BTreeMap<TenantId, Zone>>>>);

impl Zones {
    fn all(&self) -> Arc<BTreeMap<TenantId, Zone>> {
        Arc::clone(&self.0.read().unwrap_or_else(PoisonError::into_inner))
    }

    /// The clock of a tenant.
    pub(crate) fn of(&self, tenant: TenantId) -> Zone {
        self.all().get(&tenant).cloned().unwrap_or(Zone::UTC)
    }
}

/// `INTO ..` and `ON CONFLICT ..` of the statement that adds cells up.
fn texts() -> (&'static str, &'static str) {
    use std::sync::OnceLock;
    static TEXTS: OnceLock<(String, String)> = OnceLock::new();
    let (into, end) = TEXTS.get_or_init(|| {
        let all: Vec<&str> = KEYS.iter().chain(&MEASURES).copied().collect();
        let add = MEASURES.map(|m| format!("{m} = statistic_cells.{m} + excluded.{m}"));
        let into = format!("INTO statistic_cells ({})", all.join(", "));
        let keys = KEYS.join(", ");
        (into, format!("ON CONFLICT ({keys}) DO UPDATE SET {}", add.join(", ")))
    });
    (into, end)
}

impl Store {
    /// Says by which clocks the days of tenants begin. What is written already stays where it is.
    pub fn set_zones(&self, zones: BTreeMap<TenantId, Zone>) {
        let mut all = self.zones.0.write().unwrap_or_else(PoisonError::into_inner);
        *all = Arc::new(zones);
    }
}

impl Store {
    /// Adds records to the statistics that stand in the database already without being counted,
    /// all of them or none. Those of a journal are counted by [`Store::ingest`].
    ///
    /// # Errors
    /// [`StoreError::Database`].
    pub async fn count_statistics(
        &self,
        records: impl IntoIterator<Item = impl Borrow<Cdr>>,
    ) -> Result<(), StoreError> {
        let mut cells = Cells::new(&self.zones);
        records.into_iter().for_each(|record| cells.add(record.borrow()));
        let mut bulk = self.bulk().await?;
        bulk.roll_up(cells).await?;
        bulk.commit().await
    }
}

/// What cells grow by with a batch of records.
pub(crate) struct Cells(Sums);

impl Cells {
    /// With the clocks that tenants have now.
    pub(crate) fn new(zones: &Zones) -> Cells {
        Cells(Sums::new(zones.all()))
    }

    pub(crate) fn add(&mut self, record: &Cdr) {
        self.0.add(record, 1);
    }
}

impl Bulk {
    /// Adds to cells what they grow by.
    pub(crate) async fn roll_up(&mut self, cells: Cells) -> Result<(), StoreError> {
        self.insert_ints("count statistics", texts(), &cells.0.rows()).await
    }
}

impl Writer<'_> {
    /// Puts records that were priced again in the place of what the cells have of them: each pair
    /// is a record as it was counted, and as it counts from now on.
    ///
    /// # Errors
    /// [`StoreError::Database`].
    pub async fn correct_statistics(
        &mut self,
        store: &Store,
        pairs: &[(Cdr, Cdr)],
    ) -> Result<(), StoreError> {
        let mut sums = Sums::new(store.zones.all());
        for (was, is) in pairs {
            sums.add(was, -1);
            sums.add(is, 1);
        }
        let (into, end) = texts();
        let places: Vec<String> = (1..=COLUMNS).map(|place| format!("${place}")).collect();
        let sql = format!("INSERT {into} VALUES ({}) {end}", places.join(", "));
        for row in sums.rows() {
            let query = sqlx::query(AssertSqlSafe(sql.clone()));
            let query = row.iter().fold(query, |query, value| query.bind(*value));
            query.execute(&mut *self.tx).await.tried("correct statistics")?;
        }
        Ok(())
    }

    /// Drops cells by the quarter of an hour that are older than [`QUARTER_CELLS_DAYS`], and
    /// counts of directions that no standing is learned from any more; how many there were.
    ///
    /// # Errors
    /// [`StoreError::Database`].
    pub async fn drop_statistics(&mut self, now_us: i64) -> Result<u64, StoreError> {
        let day = now_us.div_euclid(DAY_US);
        let quarter = day.saturating_sub(QUARTER_CELLS_DAYS).saturating_mul(96);
        let month = day.div_euclid(MONTH_DAYS).saturating_sub(1);
        let quarters = (Cube::Tenant, Cube::Egress, quarter);
        let days = (Cube::DirectionDay, Cube::DirectionDay, day.saturating_sub(1));
        let months = (Cube::DirectionMonth, Cube::DirectionMonth, month);
        let mut dropped = 0u64;
        for (first, last, slot) in [quarters, days, months] {
            let sql = "DELETE FROM statistic_cells WHERE cube >= $1 AND cube <= $2 AND slot < $3";
            let query = sqlx::query(sql).bind(first as i64).bind(last as i64).bind(slot);
            let done = query.execute(&mut *self.tx).await.tried("drop old statistics")?;
            dropped = dropped.saturating_add(done.rows_affected());
        }
        Ok(dropped)
    }
}

#[cfg(test)]
mod tests;
