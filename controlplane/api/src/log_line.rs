//! What the control plane has logged lately.

use crate::dispatch::Context;
use crate::problem::Problem;
use crate::query::Filter;
use crate::reply::{Json, Page};
use crate::shape::view;
use crate::value::{Spelled, Time, Word, Worded};
use crate::{LogLevel, LogLine, LogOrder};

/// Only lines of one level.
pub(crate) static LEVEL: Filter = Filter::word("level", LogLevel::WORDS);

view! {
    /// A line of the control plane's log.
    LogLineView {
        /// When it was said.
        at: Time,
        /// How grave it is; at `error` a person must act.
        level: Word<LogLevel>,
        /// Part of the program that says it.
        area: String,
        /// What it says, with its values; what is too long is cut.
        text: String,
    }
}

/// `GET /log-lines`: of no tenant, so the table lets in only those who see all.
pub(crate) async fn list(cx: Context) -> Result<Json<Page<LogLineView>>, Problem> {
    let level = cx.query.text("level").and_then(LogLevel::of);
    let limit = usize::try_from(cx.query.limit).unwrap_or(usize::MAX);
    let (from_us, until_us) = (cx.query.from_us, cx.query.until_us);
    let order = LogOrder { from_us, until_us, level, limit };
    let lines = cx.api.live.log_lines(order).await?;
    Ok(Json(Page::whole(lines.into_iter().map(view).collect())))
}

fn view(line: LogLine) -> LogLineView {
    let LogLine { at_us, level, area, text } = line;
    LogLineView { at: Time(at_us), level: Word(level), area, text }
}
