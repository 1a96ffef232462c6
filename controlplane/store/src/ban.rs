//! Bans that the switch makes by itself.

use crate::column::Columns;
use crate::error::Tried;
use crate::{Actor, Change, ConfigRow, StoreError, Writer};
use serde_json::{Value, json};
use strowger_model::{Ban, BanId};

/// Resource of the change log, as REST names it.
const RESOURCE: &str = "bans";

impl Writer<'_> {
    /// Bans a network, and says so in the change log. One that is banned for longer already stays
    /// as it is: `false`. The id of `ban` does not count.
    ///
    /// # Errors
    /// [`StoreError::Database`].
    pub async fn ban(&mut self, actor: &Actor, ban: &Ban) -> Result<bool, StoreError> {
        let known = self.ban_of(ban).await?;
        let lasts = |known: &Ban| match (known.until_us, ban.until_us) {
            (None, _) => true,
            (Some(_), None) => false,
            (Some(known), Some(new)) => known >= new,
        };
        // What somebody lets through is not banned behind his back.
        if known.as_ref().is_some_and(|known| known.allow || lasts(known)) {
            return Ok(false);
        }
        let id = match &known {
            Some(known) => known.id,
            None => BanId(self.next_id::<Ban>().await?),
        };
        let row = Ban { id, ..ban.clone() };
        if known.is_some() {
            self.update(&row).await?;
        } else {
            self.insert(&row).await?;
        }
        let change = change(row.id, known.as_ref(), Some(&row), ban.from_us);
        self.record_change(actor, &change).await.map(|_| true)
    }

    async fn ban_of(&mut self, ban: &Ban) -> Result<Option<Ban>, StoreError> {
        let sql = "SELECT * FROM bans WHERE network = $1 AND prefix_len = $2 AND port = $3";
        let query = sqlx::query(sql).bind(ban.network.to_string()).bind(i64::from(ban.prefix_len));
        let query = query.bind(i64::from(ban.port));
        let row = query.fetch_optional(&mut *self.tx).await.tried("read a ban")?;
        row.map(|row| Ban::read(&Columns::new(Ban::TABLE, &row))).transpose()
    }

    /// How many bans there are.
    ///
    /// # Errors
    /// [`StoreError::Database`].
    pub async fn count_bans(&mut self) -> Result<i64, StoreError> {
        let row = sqlx::query("SELECT COUNT(*) AS n FROM bans").fetch_one(&mut *self.tx).await;
        let row = row.tried("count the bans")?;
        Columns::new("bans", &row).int("n")
    }

    /// Forgets bans that the switch made by itself and that ended before `before_us`; how many.
    ///
    /// # Errors
    /// [`StoreError::Database`].
    pub async fn forget_bans(
        &mut self,
        actor: &Actor,
        before_us: i64,
        now_us: i64,
    ) -> Result<u64, StoreError> {
        let sql = "DELETE FROM bans WHERE automatic <> 0 AND until_us < $1";
        let done = sqlx::query(sql).bind(before_us).execute(&mut *self.tx).await;
        let gone = done.tried("forget bans")?.rows_affected();
        if gone > 0 {
            let after = Some(json!({"forgotten": gone}));
            let (tenant, organization, before) = (None, None, None);
            let resource = RESOURCE;
            let change =
                Change { tenant, organization, resource, id: None, before, after, at_us: now_us };
            self.record_change(actor, &change).await?;
        }
        Ok(gone)
    }
}

fn change(id: BanId, before: Option<&Ban>, after: Option<&Ban>, at_us: i64) -> Change {
    let shown = |ban: &Ban| -> Value {
        json!({
            "network": format!("{}/{}", ban.network, ban.prefix_len), "port": ban.port,
            "reason": ban.reason, "automatic": ban.automatic,
        })
    };
    Change {
        tenant: None,
        organization: None,
        resource: RESOURCE,
        id: Some(id.0),
        before: before.map(shown),
        after: after.map(shown),
        at_us,
    }
}
