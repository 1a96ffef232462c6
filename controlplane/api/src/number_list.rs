//! What stands on lists of numbers: files of the host, looked into, replaced, changed.
//!
//! A file of lines comes in piece by piece onto the disk and is read when it is there whole, so a
//! list is as it was when a line is wrong or the client goes away.

use crate::dispatch::Context;
use crate::limits::LIST_BYTES_MAX;
use crate::problem::Problem;
use crate::reply::{Answer, JSON, Json};
use crate::shape::{Components, Shape, view};
use crate::table::{Pending, Responses};
use crate::{ListDeed, ListOrder, ListSeen};
use axum::http::StatusCode;
use serde_json::{Value, json};
use strowger_model::NumberList;

view! {
    /// What stands on a list, and what it says of one number.
    NumberListEntriesView {
        /// How many entries it has.
        entries: u64,
        /// Memory that they take.
        bytes: u64,
        /// Changes that lie over them until they are packed.
        changes: u64,
        /// The number that was asked for; null when none was.
        number: Option<String>,
        /// The longest entry that it begins with; null when it has none.
        entry: Option<String>,
    }
}

fn view(seen: &ListSeen, number: Option<String>) -> NumberListEntriesView {
    let entry = seen.digits.and_then(|digits| number.as_ref()?.get(..digits).map(str::to_owned));
    NumberListEntriesView {
        entries: seen.entries,
        bytes: seen.bytes,
        changes: seen.changes,
        number,
        entry,
    }
}

/// The list of the path.
async fn own(cx: &Context) -> Result<NumberList, Problem> {
    let row = cx.api.reader.row::<NumberList>(cx.caller.scope, cx.id()?).await?;
    row.ok_or_else(Problem::not_found)
}

/// `GET /number-lists/{id}/entries`
pub(crate) async fn look(cx: Context) -> Result<Json<NumberListEntriesView>, Problem> {
    let list = own(&cx).await?;
    let seen = cx.api.live.list_entries(list.id, cx.query.number).await?;
    Ok(Json(view(&seen, cx.query.number.map(|number| number.to_string()))))
}

/// `POST /number-lists/{id}/replace`
pub(crate) fn replace_lines(cx: Context) -> Pending {
    Box::pin(take(cx, ListDeed::Replace))
}

/// `POST /number-lists/{id}/add`
pub(crate) fn add_lines(cx: Context) -> Pending {
    Box::pin(take(cx, ListDeed::Add))
}

/// `POST /number-lists/{id}/remove`
pub(crate) fn remove_lines(cx: Context) -> Pending {
    Box::pin(take(cx, ListDeed::Remove))
}

async fn take(cx: Context, deed: ListDeed) -> Result<Answer, Problem> {
    let list = own(&cx).await?;
    // An empty list that was lost on its way must not take every entry away.
    let received = cx.api.decks.receive(&cx, LIST_BYTES_MAX).await?;
    // Read one at a time: a large one takes much memory.
    let _turn = cx.api.decks.turn().await?;
    let order = ListOrder {
        list: list.id,
        tenant: list.tenant,
        file: received.path().to_owned(),
        sha256: received.sha256.clone(),
        deed,
        actor: cx.actor(),
        at_us: cx.api.now_us(),
    };
    match cx.api.live.change_list(order).await? {
        Ok(seen) => Answer::json(StatusCode::OK, &view(&seen, None)),
        Err(wrong) => Err(Problem::refused("body", wrong)),
    }
}

/// The body: a file, of which the document says no more.
pub(crate) fn lines_form(_: &mut Components) -> Value {
    json!({
        "type": "string", "minLength": 1,
        "description": "A line for each entry: a number or the beginning of numbers, canonical. \
            What stands behind a comma is not read.",
    })
}

pub(crate) fn lines_responses(components: &mut Components) -> Responses {
    let shape = NumberListEntriesView::shape(components);
    vec![(200, "The entries are in force within a second.", JSON, shape)]
}
