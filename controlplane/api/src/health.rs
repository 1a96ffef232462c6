//! Health and metrics of the process.

use crate::dispatch::{Context, Visit};
use crate::limits::READY_MS_MAX;
use crate::problem::Problem;
use crate::reply::{Document, Health, Json, MetricsText};
use crate::shape::view;
use crate::shared::ANSWER_KINDS;
use crate::value::Time;
use crate::{MetricsWriter, Readiness};
use std::time::Duration;

view! {
    /// The process lives.
    AliveView {
        /// Always true.
        alive: bool,
    }
}

view! {
    /// Whether calls can be placed.
    ReadyView {
        /// All parts work.
        ready: bool,
        /// The dataplane is attached.
        link: bool,
        /// The database answers.
        database: bool,
        /// A configuration is loaded.
        world: bool,
        /// Names of the parts that are missing.
        missing: Vec<&'static str>,
        /// The newest change of the configuration is in force. When it is not, calls go on by the
        /// configuration before it.
        current: bool,
        /// Since when it is not; null when it is.
        behind_since: Option<Time>,
        /// What stands against it. Null when nothing does, and to whom asks from outside of the
        /// host: the log says it.
        problem: Option<String>,
        /// Every certificate of a listener is valid, and its renewal does not fail.
        certificates: bool,
        /// What is wrong with one. Null when nothing is, and to whom asks from outside of the host.
        certificate_problem: Option<String>,
        /// Who calls out shows who he is: no trunk takes the calls of everybody.
        authenticated: bool,
        /// The trunks that do. Null when none does, and to whom asks from outside of the host.
        open_trunks: Option<String>,
    }
}

/// `GET /healthz`
pub(crate) async fn alive(_: Visit) -> Result<Json<AliveView>, Problem> {
    Ok(Json(AliveView { alive: true }))
}

/// `GET /readyz`. A part that does not answer in time is missing.
pub(crate) async fn ready(Visit { api, is_local }: Visit) -> Result<Health<ReadyView>, Problem> {
    let asked = tokio::time::timeout(Duration::from_millis(READY_MS_MAX), api.live.readiness());
    let parts = match asked.await {
        Ok(Ok(parts)) => parts,
        Ok(Err(crate::Unavailable)) | Err(_) => Readiness::default(),
    };
    let Readiness { link, database, world, behind, certificates, open } = parts;
    let named = [("link", link), ("database", database), ("world", world)];
    let missing: Vec<_> = named.iter().filter(|(_, works)| !works).map(|(name, _)| *name).collect();
    let is_well = missing.is_empty();
    let view = ReadyView {
        ready: is_well,
        link,
        database,
        world,
        missing,
        current: behind.is_none(),
        behind_since: behind.as_ref().map(|behind| Time(behind.since_us)),
        problem: behind.filter(|_| is_local).map(|behind| behind.problem),
        certificates: certificates.is_none(),
        certificate_problem: certificates.filter(|_| is_local),
        authenticated: open.is_none(),
        open_trunks: open.filter(|_| is_local),
    };
    Ok(Health { is_well, view })
}

/// `GET /metrics`
pub(crate) async fn metrics(Visit { api, .. }: Visit) -> Result<MetricsText, Problem> {
    let mut writer = MetricsWriter::default();
    writer
        .gauge("strowger_build_info", "The running version.")
        .sample(&[("version", env!("CARGO_PKG_VERSION"))], 1);
    let mut answers = writer.counter("strowger_api_requests_total", "REST requests answered.");
    for (kind, count) in ANSWER_KINDS.into_iter().zip(api.counts.answers()) {
        answers.sample(&[("status", kind)], count);
    }
    writer
        .counter("strowger_api_connections_total", "REST connections accepted.")
        .sample(&[], api.counts.connections());
    writer
        .counter("strowger_api_token_failures_total", "Wrong tokens shown.")
        .sample(&[], api.counts.token_failures());
    api.live.metrics(&mut writer);
    Ok(MetricsText(writer.finish()))
}

/// `GET /openapi.json`
pub(crate) async fn document(cx: Context) -> Result<Document, Problem> {
    Ok(Document(cx.api.document.clone()))
}
