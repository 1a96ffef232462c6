//! Running calls.

use crate::dispatch::Context;
use crate::problem::Problem;
use crate::reply::{Accepted, Json, Page};
use crate::shape::view;
use crate::value::{Id, Time, Word};
use crate::{CallId, CallState, LiveCall, cursor};

const LIST: &str = "calls";

view! {
    /// A running call.
    CallView {
        /// Identity; its record shows it as `call`.
        id: Id,
        /// Its record, once it has one.
        cdr: Option<Id>,
        /// Tenant; null while none was found.
        tenant: Option<Id>,
        /// The furthest of its legs.
        state: Word<CallState>,
        /// Account that pays.
        account: Option<Id>,
        /// Subscriber that calls.
        subscriber: Option<Id>,
        /// Trunk that sent the call.
        trunk: Option<Id>,
        /// Caller's number as recognised; empty when none was.
        caller: String,
        /// Called number as received.
        called: String,
        /// When it was admitted.
        started: Time,
        /// When it was answered.
        answered: Option<Time>,
    }
}

view! {
    /// A call that was told to end.
    HangupView {
        /// The call.
        id: Id,
    }
}

/// `GET /calls`
pub(crate) async fn list(cx: Context) -> Result<Json<Page<CallView>>, Problem> {
    let after = cursor::decode(LIST, cx.query.next.as_deref())?.map(CallId);
    let calls = cx.api.live.calls(cx.caller.scope, after, cx.rows()).await?;
    let key = |call: &LiveCall| cursor::encode(LIST, call.id.0);
    Ok(Json(Page::cut(calls, cx.query.limit, view, key)))
}

/// `GET /calls/{id}`
pub(crate) async fn one(cx: Context) -> Result<Json<CallView>, Problem> {
    let call = cx.api.live.call(cx.caller.scope, CallId(cx.id()?)).await?;
    call.map(|call| Json(view(&call))).ok_or_else(Problem::not_found)
}

/// `POST /calls/{id}/hangup`
pub(crate) async fn hangup(cx: Context) -> Result<Accepted<HangupView>, Problem> {
    let id = CallId(cx.id()?);
    let name = cx.caller.name.clone();
    if !cx.api.live.hangup(cx.caller.scope, id, name).await? {
        return Err(Problem::not_found());
    }
    tracing::info!(call = id.0, actor = cx.caller.name, "call ended by REST");
    Ok(Accepted(HangupView { id: id.into() }))
}

fn view(call: &LiveCall) -> CallView {
    CallView {
        id: call.id.into(),
        cdr: call.record.map(Id::from),
        tenant: call.tenant.map(Id::from),
        state: Word(call.state),
        account: call.account.map(Id::from),
        subscriber: call.subscriber.map(Id::from),
        trunk: call.trunk.map(Id::from),
        caller: call.caller.clone(),
        called: call.called.clone(),
        started: Time(call.started_us),
        answered: call.answered_us.map(Time),
    }
}
