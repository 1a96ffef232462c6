//! Attempts of senders whom nobody knows: counters, no records.

use crate::Stranger;
use crate::dispatch::Context;
use crate::problem::Problem;
use crate::reply::{Json, Page};
use crate::shape::view;
use crate::value::Time;

view! {
    /// What an unknown source did in one minute.
    StrangerView {
        /// Begin of the minute.
        minute: Time,
        /// Address that it came from.
        source: String,
        /// How often it was asked for credentials.
        challenged: u64,
        /// How often it was turned away.
        refused: u64,
    }
}

/// `GET /statistics/strangers`: of no tenant, so the table lets in only those who see all.
pub(crate) async fn list(cx: Context) -> Result<Json<Page<StrangerView>>, Problem> {
    let limit = usize::try_from(cx.query.limit).unwrap_or(usize::MAX);
    let strangers = cx.api.live.strangers(limit).await?;
    Ok(Json(Page::whole(strangers.iter().map(view).collect())))
}

fn view(stranger: &Stranger) -> StrangerView {
    StrangerView {
        minute: Time(stranger.minute_us),
        source: stranger.source.to_string(),
        challenged: stranger.challenged,
        refused: stranger.refused,
    }
}
