//! What RADIUS servers are still to be told of calls.

use crate::bulk::Bulk;
use crate::column::Columns;
use crate::{Reader, StoreError, Tried, Writer};
use strowger_model::TenantId;

/// Most events that are read at a time.
pub const RADIUS_EVENTS_READ_MAX: u32 = 64;

/// The beginning or the end of a call, on its way to a server.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct RadiusEvent {
    /// Place in the queue; 0 before it has one.
    pub id: i64,
    /// Whose call it is.
    pub tenant: TenantId,
    /// When it happened, microseconds since 1970 UTC.
    pub at_us: i64,
    /// Which session: the events of one are told in their order.
    pub session: String,
    /// The rest, in a form of its own.
    pub body: String,
}

impl Bulk {
    pub(crate) async fn append_radius_events(
        &mut self,
        events: &[RadiusEvent],
    ) -> Result<(), StoreError> {
        let rows: Vec<&RadiusEvent> = events.iter().collect();
        self.append("radius_events", &rows, |event, to| {
            to.int("tenant_id", event.tenant.0);
            to.int("at_us", event.at_us);
            to.text("session", &event.session);
            to.text("body", &event.body);
        })
        .await
    }
}

impl Reader {
    /// Whose events wait.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn radius_tenants(&self) -> Result<Vec<TenantId>, StoreError> {
        let sql = "SELECT DISTINCT tenant_id FROM radius_events ORDER BY tenant_id";
        let rows = sqlx::query(sql).fetch_all(&self.pool).await.tried("read the radius queue")?;
        let read = |row| Columns::new("radius_events", row).int("tenant_id").map(TenantId);
        rows.iter().map(read).collect()
    }

    /// The oldest events of a tenant, at most [`RADIUS_EVENTS_READ_MAX`].
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn radius_events(&self, tenant: TenantId) -> Result<Vec<RadiusEvent>, StoreError> {
        let sql = "SELECT * FROM radius_events WHERE tenant_id = $1 ORDER BY id LIMIT $2";
        let query = sqlx::query(sql).bind(tenant.0).bind(i64::from(RADIUS_EVENTS_READ_MAX));
        let rows = query.fetch_all(&self.pool).await.tried("read the radius queue")?;
        let read = |row| {
            let c = Columns::new("radius_events", row);
            Ok(RadiusEvent {
                id: c.int("id")?,
                tenant: TenantId(c.int("tenant_id")?),
                at_us: c.int("at_us")?,
                session: c.text("session")?,
                body: c.text("body")?,
            })
        };
        rows.iter().map(read).collect()
    }

    /// How many events wait.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn count_radius_events(&self) -> Result<u64, StoreError> {
        let row = sqlx::query("SELECT COUNT(*) AS n FROM radius_events").fetch_one(&self.pool);
        let row = row.await.tried("count the radius queue")?;
        Columns::new("radius_events", &row).small("n")
    }
}

impl Writer<'_> {
    /// Takes an event out of the queue: its server was told. `false` when it was not there.
    ///
    /// # Errors
    /// [`StoreError::Database`].
    pub async fn remove_radius_event(&mut self, id: i64) -> Result<bool, StoreError> {
        let query = sqlx::query("DELETE FROM radius_events WHERE id = $1").bind(id);
        let done = query.execute(&mut *self.tx).await.tried("shorten the radius queue")?;
        Ok(done.rows_affected() == 1)
    }

    /// Takes events out that happened before `before_us`; how many.
    ///
    /// # Errors
    /// [`StoreError::Database`].
    pub async fn forget_radius_events(&mut self, before_us: i64) -> Result<u64, StoreError> {
        let query = sqlx::query("DELETE FROM radius_events WHERE at_us < $1").bind(before_us);
        let done = query.execute(&mut *self.tx).await.tried("shorten the radius queue")?;
        Ok(done.rows_affected())
    }
}
