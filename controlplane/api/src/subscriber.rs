//! Subscribers. Their digest secrets have no place in any view.

use crate::cursor;
use crate::dispatch::Context;
use crate::problem::Problem;
use crate::reply::{Json, Page};
use crate::shape::view;
use crate::value::{Id, Word, ms};
use strowger_model::{Cli, DigestPolicy, Subscriber, SubscriberId};

const LIST: &str = "subscribers";

view! {
    /// A SIP identity with its features.
    SubscriberView {
        /// Identity.
        id: Id,
        /// Tenant.
        tenant: Id,
        /// Account that pays.
        account: Id,
        /// Organization that it belongs to.
        organization: Id,
        /// Digest user name and address of record.
        username: String,
        /// Numbers that reach it, canonical; the first is shown to the outside.
        numbers: Vec<String>,
        /// Short number inside its organization.
        short: Option<String>,
        /// Display name.
        display: String,
        /// Digest algorithms accepted from it.
        digest: Word<DigestPolicy>,
        /// Time it rings; 0 is the tenant's.
        ring_timeout_ms: u64,
        /// Most concurrent calls it makes; 0 is no limit.
        calls_max: u32,
        /// May call and register.
        enabled: bool,
        /// Shortest registration accepted.
        expires_ms_min: u64,
        /// Longest registration granted.
        expires_ms_max: u64,
        /// Most contacts at once.
        contacts_max: u8,
        /// Its number is hidden from called parties.
        hide_number: bool,
    }
}

/// `GET /subscribers`
pub(crate) async fn list(cx: Context) -> Result<Json<Page<SubscriberView>>, Problem> {
    let after = cursor::decode(LIST, cx.query.next.as_deref())?.map(SubscriberId);
    let rows = cx.api.reader.subscribers(cx.caller.scope, after, cx.query.rows()).await?;
    let key = |row: &Subscriber| cursor::encode(LIST, row.id.0);
    Ok(Json(Page::cut(rows, cx.query.limit, view, key)))
}

/// `GET /subscribers/{id}`
pub(crate) async fn one(cx: Context) -> Result<Json<SubscriberView>, Problem> {
    let row = cx.api.reader.subscriber(cx.caller.scope, SubscriberId(cx.id()?)).await?;
    row.map(|row| Json(view(&row))).ok_or_else(Problem::not_found)
}

fn view(row: &Subscriber) -> SubscriberView {
    SubscriberView {
        id: row.id.into(),
        tenant: row.tenant.into(),
        account: row.account.into(),
        organization: row.organization.into(),
        username: row.username.clone(),
        numbers: row.numbers.iter().map(|n| n.as_str().to_owned()).collect(),
        short: row.short.map(|n| n.as_str().to_owned()),
        display: row.display.clone(),
        digest: Word(row.digest),
        ring_timeout_ms: ms(row.ring_timeout_s),
        calls_max: row.calls_max,
        enabled: row.enabled,
        expires_ms_min: ms(row.expires_s_min),
        expires_ms_max: ms(row.expires_s_max),
        contacts_max: row.contacts_max,
        hide_number: matches!(row.identity.cli, Cli::Hide | Cli::HideAll),
    }
}
