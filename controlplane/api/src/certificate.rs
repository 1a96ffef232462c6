//! Certificates of listeners, as they stand now.

use crate::CertificateStanding;
use crate::dispatch::Context;
use crate::problem::Problem;
use crate::reply::{Json, Page};
use crate::shape::view;
use crate::value::Time;

view! {
    /// A certificate that listeners show.
    CertificateView {
        /// The file that it stands in, as the configuration names it.
        file: String,
        /// An authority gives it (ACME, RFC 8555); else somebody keeps the file.
        obtained: bool,
        /// The host names that the authority is asked for; empty for a file.
        names: Vec<String>,
        /// The listeners that show it.
        listeners: Vec<String>,
        /// From when on it is valid; null when there is none yet.
        valid_from: Option<Time>,
        /// Until when it is valid; null when there is none yet.
        valid_until: Option<Time>,
        /// When the authority is asked, or the file is looked at, next; null before the first time.
        next_attempt: Option<Time>,
        /// Failures since the start.
        failures: u64,
        /// Since when it has been failing; null when it does not. The certificate of before is
        /// shown until it expires.
        failing_since: Option<Time>,
        /// What is wrong; null when nothing is.
        problem: Option<String>,
    }
}

/// `GET /certificates`: of no tenant, so the table lets in only those who see all.
pub(crate) async fn list(cx: Context) -> Result<Json<Page<CertificateView>>, Problem> {
    let mut all = cx.api.live.certificates().await?;
    all.truncate(usize::try_from(cx.query.limit).unwrap_or(usize::MAX));
    Ok(Json(Page::whole(all.iter().map(view).collect())))
}

fn view(standing: &CertificateStanding) -> CertificateView {
    let failing = standing.failing.as_ref();
    CertificateView {
        file: standing.file.clone(),
        obtained: standing.obtained,
        names: standing.names.clone(),
        listeners: standing.listeners.iter().map(ToString::to_string).collect(),
        valid_from: standing.valid_us.map(|(from, _)| Time(from)),
        valid_until: standing.valid_us.map(|(_, until)| Time(until)),
        next_attempt: standing.next_us.map(Time),
        failures: standing.failures,
        failing_since: failing.map(|failing| Time(failing.since_us)),
        problem: failing.map(|failing| failing.problem.clone()),
    }
}
