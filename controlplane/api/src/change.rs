//! The change log: who changed what, when, and what it was before.

use crate::cursor;
use crate::dispatch::Context;
use crate::problem::Problem;
use crate::reply::{Json, Page};
use crate::shape::view;
use crate::value::{Id, Time};
use serde_json::Value;
use strowger_store::{ChangeFilter, ChangeRow};

const LIST: &str = "changes";

view! {
    /// A change.
    ChangeView {
        /// Number, larger for later ones.
        seq: Id,
        /// When.
        at: Time,
        /// Tenant of what was changed.
        tenant: Option<Id>,
        /// Who acted.
        actor: String,
        /// The user for whom he acted.
        on_behalf: Option<String>,
        /// The request, as its answer named it in `X-Request-Id`.
        request: Option<String>,
        /// The resource, for example `users`.
        resource: String,
        /// Identity of what was changed.
        id: Option<Id>,
        /// What was done: `created`, `changed`, `removed`, or a sentence.
        what: String,
        /// As it stood before, without its secrets; null when it was made, or unknown.
        before: Option<Value>,
        /// As it stood after.
        after: Option<Value>,
    }
}

/// `GET /changes`
pub(crate) async fn list(cx: Context) -> Result<Json<Page<ChangeView>>, Problem> {
    let filter = ChangeFilter {
        resource: cx.query.resource.clone(),
        id: cx.query.id,
        actor: cx.query.actor.clone(),
        from_us: cx.query.from_us,
        until_us: cx.query.until_us,
        before: cursor::decode(LIST, cx.query.next.as_deref())?,
        limit: cx.query.rows(),
    };
    let rows = cx.api.reader.changes(cx.caller.scope, &filter).await?;
    let view = |row: &ChangeRow| ChangeView {
        seq: row.seq.into(),
        at: Time(row.at_us),
        tenant: row.tenant.map(Id::from),
        actor: row.actor.clone(),
        on_behalf: row.on_behalf.clone(),
        request: row.request.clone(),
        resource: row.resource.clone(),
        id: row.id.map(Id::from),
        what: row.what.clone(),
        before: row.before.clone(),
        after: row.after.clone(),
    };
    let key = |row: &ChangeRow| cursor::encode(LIST, row.seq);
    Ok(Json(Page::cut(rows, cx.query.limit, view, key)))
}
