//! The change log: who changed what, for whom, in which request, with what stood before and after.
//!
//! [`Writer::record_change`] is the one way in, and it stands in the transaction of the change
//! itself: what is not in the log did not happen. Before and after are JSON made by serde from rows
//! or views; a secret is of the type [`Secret`](crate::Secret) or [`Sealed`](crate::Sealed), which
//! serialise as a mark and never as themselves, so nobody has to remember to leave one out.

use crate::bulk::{Bulk, Sink};
use crate::column::Columns;
use crate::scope::{Limits, OF_ORGANIZATION};
use crate::{LIST_MAX, Reader, Scope, StoreError, Tried, Writer};
use serde::Serialize;
use serde_json::Value;
use sqlx::{AssertSqlSafe, Row};
use strowger_model::{OrganizationId, TenantId};

/// Who changes something.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Actor {
    /// Who really acts: a user's name, or a token's.
    pub name: String,
    /// The user for whom he acts.
    pub on_behalf: Option<String>,
    /// The request; empty when none asked.
    pub request: String,
}

impl Actor {
    /// A part of the switch itself.
    #[must_use]
    pub fn system(name: &str) -> Actor {
        Actor { name: name.to_owned(), on_behalf: None, request: String::new() }
    }
}

/// One change of one row.
#[derive(Clone, PartialEq, Debug)]
pub struct Change {
    /// Tenant of the row.
    pub tenant: Option<TenantId>,
    /// Organization that it belongs to, for those who see only a part of the tenant.
    pub organization: Option<OrganizationId>,
    /// The resource as REST names it, for example `subscribers`.
    pub resource: &'static str,
    /// Identity of the row, where it has a number.
    pub id: Option<i64>,
    /// The row before; `None` when it is new.
    pub before: Option<Value>,
    /// The row after; `None` when it is gone.
    pub after: Option<Value>,
    /// When, microseconds since 1970 UTC.
    pub at_us: i64,
}

impl Change {
    /// A change from `before` to `after`; the tenant and the organization are set behind it.
    #[must_use]
    pub fn new<T: Serialize>(
        resource: &'static str,
        id: i64,
        before: Option<&T>,
        after: Option<&T>,
        at_us: i64,
    ) -> Change {
        // Rows and views are structures of strings and numbers, which always serialise.
        let json = |row: &T| serde_json::to_value(row).unwrap_or_default();
        let (before, after) = (before.map(json), after.map(json));
        let (tenant, organization) = (None, None);
        Change { tenant, organization, resource, id: Some(id), before, after, at_us }
    }

    /// The same, of a row of `tenant` and `organization`.
    #[must_use]
    pub fn of(mut self, tenant: Option<TenantId>, organization: Option<OrganizationId>) -> Change {
        (self.tenant, self.organization) = (tenant, organization);
        self
    }

    /// What was done, in a word.
    const fn what(&self) -> &'static str {
        match (&self.before, &self.after) {
            (None, Some(_)) => "created",
            (Some(_), None) => "removed",
            (Some(_), Some(_)) | (None, None) => "changed",
        }
    }
}

impl Writer<'_> {
    /// Appends to the change log; returns the number of the entry.
    ///
    /// # Errors
    /// [`StoreError::Database`].
    pub async fn record_change(
        &mut self,
        actor: &Actor,
        change: &Change,
    ) -> Result<i64, StoreError> {
        let sql = "INSERT INTO changes (tenant_id, organization_id, actor, on_behalf, request, \
             resource, id, what, before, after, at_us) \
             VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11) RETURNING seq";
        let request = (!actor.request.is_empty()).then_some(actor.request.as_str());
        let query = sqlx::query(sql)
            .bind(change.tenant.map(|id| id.0))
            .bind(change.organization.map(|id| id.0))
            .bind(&actor.name)
            .bind(actor.on_behalf.as_deref())
            .bind(request)
            .bind(change.resource)
            .bind(change.id)
            .bind(change.what())
            .bind(change.before.as_ref().map(Value::to_string))
            .bind(change.after.as_ref().map(Value::to_string))
            .bind(change.at_us);
        let row = query.fetch_one(&mut *self.tx).await.tried("write the change log")?;
        row.try_get("seq").tried("write the change log")
    }
}

impl Bulk {
    /// Appends to the change log, in the transaction of many rows.
    pub(crate) async fn record_change(
        &mut self,
        actor: &Actor,
        change: &Change,
    ) -> Result<(), StoreError> {
        let json = |value: &Option<Value>| value.as_ref().map(Value::to_string);
        let (before, after) = (json(&change.before), json(&change.after));
        let request = (!actor.request.is_empty()).then_some(actor.request.as_str());
        let tell = |(), sink: &mut dyn Sink| {
            sink.int_or_null("tenant_id", change.tenant.map(|id| id.0));
            sink.int_or_null("organization_id", change.organization.map(|id| id.0));
            sink.text("actor", &actor.name);
            sink.text_or_null("on_behalf", actor.on_behalf.as_deref());
            sink.text_or_null("request", request);
            sink.text("resource", change.resource);
            sink.int_or_null("id", change.id);
            sink.text("what", change.what());
            sink.text_or_null("before", before.as_deref());
            sink.text_or_null("after", after.as_deref());
            sink.int("at_us", change.at_us);
        };
        self.append("changes", &[()], tell).await
    }
}

/// An entry of the change log.
#[derive(Clone, PartialEq, Debug)]
pub struct ChangeRow {
    /// Number, larger for later ones.
    pub seq: i64,
    /// Tenant of the row that was changed.
    pub tenant: Option<TenantId>,
    /// Who acted.
    pub actor: String,
    /// For whom.
    pub on_behalf: Option<String>,
    /// In which request.
    pub request: Option<String>,
    /// The resource.
    pub resource: String,
    /// Identity of the row.
    pub id: Option<i64>,
    /// What was done, in a word or a few.
    pub what: String,
    /// The row before.
    pub before: Option<Value>,
    /// The row after.
    pub after: Option<Value>,
    /// When.
    pub at_us: i64,
}

/// Which changes to list; newest first.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct ChangeFilter {
    /// Of this resource.
    pub resource: Option<String>,
    /// Of rows with this identity.
    pub id: Option<i64>,
    /// By this actor.
    pub actor: Option<String>,
    /// At or after.
    pub from_us: Option<i64>,
    /// Before.
    pub until_us: Option<i64>,
    /// Only entries older than this one: the cursor of the next page.
    pub before: Option<i64>,
    /// At most so many, at most [`LIST_MAX`].
    pub limit: u32,
}

fn entry(c: &Columns<'_>) -> Result<ChangeRow, StoreError> {
    let json = |column| {
        let Some(text) = c.text_or_null(column)? else { return Ok(None) };
        serde_json::from_str(&text).map(Some).map_err(|_| c.unfit(column, "JSON"))
    };
    Ok(ChangeRow {
        seq: c.int("seq")?,
        tenant: c.int_or_null("tenant_id")?.map(TenantId),
        actor: c.text("actor")?,
        on_behalf: c.text_or_null("on_behalf")?,
        request: c.text_or_null("request")?,
        resource: c.text("resource")?,
        id: c.int_or_null("id")?,
        what: c.text("what")?,
        before: json("before")?,
        after: json("after")?,
        at_us: c.int("at_us")?,
    })
}

impl Reader {
    /// Changes of rows in `scope` that fit `filter`, newest first.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn changes(
        &self,
        scope: Scope,
        filter: &ChangeFilter,
    ) -> Result<Vec<ChangeRow>, StoreError> {
        let Limits { text, ids } = scope.limits(&OF_ORGANIZATION, 6);
        let mut sql = format!(
            "SELECT * FROM changes WHERE seq < $1 AND at_us >= $2 AND at_us < $3 \
             AND ($4 = 0 OR id = $5){text}"
        );
        let words = [("resource", &filter.resource), ("actor", &filter.actor)];
        let words = words.into_iter().filter_map(|(column, word)| Some((column, word.as_ref()?)));
        let mut place = ids.len().saturating_add(6);
        for (column, _) in words.clone() {
            sql.push_str(&format!(" AND {column} = ${place}"));
            place = place.saturating_add(1);
        }
        sql.push_str(&format!(" ORDER BY seq DESC LIMIT ${place}"));
        let mut query = sqlx::query(AssertSqlSafe(sql))
            .bind(filter.before.unwrap_or(i64::MAX))
            .bind(filter.from_us.unwrap_or(i64::MIN))
            .bind(filter.until_us.unwrap_or(i64::MAX))
            .bind(i64::from(filter.id.is_some()))
            .bind(filter.id.unwrap_or(0));
        query = Limits { text: String::new(), ids }.bind(query);
        for (_, word) in words {
            query = query.bind(word.clone());
        }
        let query = query.bind(i64::from(filter.limit.min(LIST_MAX)));
        let rows = query.fetch_all(&self.pool).await.tried("list changes")?;
        rows.iter().map(|row| entry(&Columns::new("changes", row))).collect()
    }
}
