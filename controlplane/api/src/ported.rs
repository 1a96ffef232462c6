//! Numbers that moved to other operators: a table of the host, looked into and replaced.

use crate::PortedOrder;
use crate::dispatch::Context;
use crate::problem::Problem;
use crate::reply::{Answer, JSON, Json};
use crate::shape::{Components, view};
use crate::table::{Pending, Responses};
use axum::http::StatusCode;
use serde_json::{Value, json};

view! {
    /// The table of ported numbers, and what it says of one.
    PortedView {
        /// How many numbers it has.
        numbers: u64,
        /// Memory that it takes.
        bytes: u64,
        /// The number that was asked for; null when none was.
        number: Option<String>,
        /// What calls to it are routed by; null when it was not ported.
        routed: Option<String>,
    }
}

/// `GET /ported-numbers`: of no tenant, so the table lets in only those who see all.
pub(crate) async fn look(cx: Context) -> Result<Json<PortedView>, Problem> {
    let number = cx.query.number;
    let seen = cx.api.live.ported(number).await?;
    Ok(Json(PortedView {
        numbers: seen.numbers,
        bytes: seen.bytes,
        number: number.map(|number| number.to_string()),
        routed: seen.routed.map(|routed| routed.to_string()),
    }))
}

/// `POST /ported-numbers/replace`
pub(crate) fn replace(cx: Context) -> Pending {
    Box::pin(take(cx, false))
}

/// `POST /ported-numbers/add`
pub(crate) fn add(cx: Context) -> Pending {
    Box::pin(take(cx, true))
}

async fn take(cx: Context, adds: bool) -> Result<Answer, Problem> {
    let list = String::from_utf8(cx.body().to_vec());
    let list = list.map_err(|_| Problem::field("body", "is not UTF-8"))?;
    // A list that was lost on its way must not take every number away.
    if list.trim().is_empty() {
        return Err(Problem::refused("body", "is empty"));
    }
    let order = PortedOrder { list, adds, actor: cx.caller.name.clone() };
    match cx.api.live.import_ported(order).await? {
        Ok(seen) => {
            Answer::json(StatusCode::OK, &json!({"numbers": seen.numbers, "bytes": seen.bytes}))
        }
        Err(wrong) => Err(Problem::refused("body", wrong)),
    }
}

/// The body: a file, of which the document says no more.
pub(crate) fn list_form(_: &mut Components) -> Value {
    json!({"type": "string", "description": "Lines of `number,prefix` or `number,,instead`."})
}

pub(crate) fn list_responses(_: &mut Components) -> Responses {
    let count = |what: &str| json!({"type": "integer", "minimum": 0, "description": what});
    let shape = json!({
        "type": "object",
        "required": ["numbers", "bytes"],
        "properties": {
            "numbers": count("Numbers that the table has now."),
            "bytes": count("Memory that it takes."),
        },
    });
    vec![(200, "The table is in force within a second.", JSON, shape)]
}
