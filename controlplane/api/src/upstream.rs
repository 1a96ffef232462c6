//! Registrations of ours at carriers, and the host names of trunks, as they stand now.

use crate::dispatch::Context;
use crate::problem::Problem;
use crate::reply::{Json, Page};
use crate::shape::view;
use crate::value::{Id, Time, Word};
use crate::{HostStanding, LoginCause, LoginPhase, LoginStanding, TrunkFailure};
use strowger_model::TrunkId;

view! {
    /// A login that registers at a carrier.
    UpstreamView {
        /// Login.
        login: Id,
        /// User part of the address of record.
        username: String,
        /// How it stands; `unknown` while the dataplane is away or has not said, `away` while the
        /// subscriber that it stands for is not registered here.
        state: Word<LoginPhase>,
        /// Since when; null when unknown.
        since: Option<Time>,
        /// When the registrar forgets us; null when it does not know us.
        expires: Option<Time>,
        /// When it is tried again; null when that is under way or not planned.
        next_attempt: Option<Time>,
        /// What went wrong last; null when nothing did since it was fine.
        cause: Option<Word<LoginCause>>,
        /// The registrar's last final SIP status; null when the last attempt had none.
        status: Option<u16>,
        /// The cause in words; empty without one.
        reason: String,
    }
}

view! {
    /// A host name of a trunk or of a registrar.
    HostView {
        /// The name.
        name: String,
        /// Addresses in force, in the order to try.
        addresses: Vec<String>,
        /// When they were last confirmed; null when never.
        confirmed: Option<Time>,
        /// Why the last look-up failed; null when it did not.
        failure: Option<String>,
    }
}

view! {
    /// For what a trunk failed lately, so that it stands behind others.
    TrunkFailureView {
        /// Called numbers that begin so; empty is all.
        direction: String,
        /// Failures in a row.
        failures: u16,
        /// How often it was tried in vain since.
        tries: u8,
        /// When it is tried again.
        next_attempt: Time,
    }
}

/// `GET /trunks/{id}/failures`
pub(crate) async fn failures(cx: Context) -> Result<Json<Page<TrunkFailureView>>, Problem> {
    let id = known(&cx).await?;
    let rows = cx.api.live.failures(id).await?;
    Ok(Json(Page::whole(rows.into_iter().map(failure).collect())))
}

/// `POST /trunks/{id}/restore`
pub(crate) async fn restore(cx: Context) -> Result<Json<Page<TrunkFailureView>>, Problem> {
    let id = known(&cx).await?;
    cx.api.live.restore(id).await?;
    tracing::info!(trunk = id.0, actor = cx.caller.name, "trunk restored by REST");
    failures(cx).await
}

fn failure(row: TrunkFailure) -> TrunkFailureView {
    let TrunkFailure { direction, failures, tries, again_us } = row;
    TrunkFailureView { direction, failures, tries, next_attempt: Time(again_us) }
}

/// `GET /trunks/{id}/registrations`
pub(crate) async fn registrations(cx: Context) -> Result<Json<Page<UpstreamView>>, Problem> {
    let id = known(&cx).await?;
    let rows = cx.api.live.logins(id).await?;
    Ok(Json(Page::whole(rows.iter().map(view).collect())))
}

/// `GET /trunks/{id}/hosts`
pub(crate) async fn hosts(cx: Context) -> Result<Json<Page<HostView>>, Problem> {
    let id = known(&cx).await?;
    let rows = cx.api.live.hosts(id).await?;
    Ok(Json(Page::whole(rows.iter().map(host).collect())))
}

/// The trunk of the path, if the caller sees it.
async fn known(cx: &Context) -> Result<TrunkId, Problem> {
    let id = TrunkId(cx.id()?);
    let row = cx.api.reader.trunk(cx.caller.scope, id).await?;
    row.map(|row| row.id).ok_or_else(Problem::not_found)
}

fn view(row: &LoginStanding) -> UpstreamView {
    UpstreamView {
        login: row.login.into(),
        username: row.username.clone(),
        state: Word(row.phase),
        since: row.since_us.map(Time),
        expires: row.expires_us.map(Time),
        next_attempt: row.next_us.map(Time),
        cause: row.cause.map(Word),
        status: row.status,
        reason: row.cause.map(|cause| reason(cause, row.status)).unwrap_or_default(),
    }
}

fn host(row: &HostStanding) -> HostView {
    HostView {
        name: row.name.clone(),
        addresses: row.addresses.iter().map(ToString::to_string).collect(),
        confirmed: row.confirmed_us.map(Time),
        failure: row.failure.clone(),
    }
}

/// A cause in words.
fn reason(cause: LoginCause, status: Option<u16>) -> String {
    let text = match cause {
        LoginCause::Status => "the registrar refuses",
        LoginCause::Silent => "the registrar does not answer",
        LoginCause::Unreachable => "nothing listens at the registrar's address",
        LoginCause::WrongPassword => "the registrar does not accept the password or the user name",
        LoginCause::NoPassword => "the registrar wants a password and there is none that opens",
        LoginCause::ForeignChallenge => {
            "the registrar challenges for another realm, or by an algorithm that is not spoken"
        }
        LoginCause::NotBound => "the registrar agrees but does not list our contact",
        LoginCause::NoAddress => "the registrar's name has no address",
        LoginCause::Unwritable => "no request can be written: look at user name and listener",
        LoginCause::Full => "the dataplane has no room for another request",
    };
    match status {
        Some(status) => format!("{text} ({status})"),
        None => text.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn causes_in_words() {
        let words = reason(LoginCause::WrongPassword, Some(401));
        assert_eq!(words, "the registrar does not accept the password or the user name (401)");
        assert_eq!(reason(LoginCause::Silent, None), "the registrar does not answer");
    }
}
