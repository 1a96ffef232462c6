//! Why a call was decided as it was, in words.

use crate::cdr::Eye;
use crate::dispatch::Context;
use crate::problem::Problem;
use crate::reply::Json;
use crate::shape::view;
use crate::token::Caller;
use crate::value::{Id, Time};
use crate::{CallId, TraceEyes, TraceOrder, TraceStep};
use std::collections::BTreeMap;
use strowger_model::{Audience, CdrId};
use strowger_store::{CallTrace, Owned};

view! {
    /// Why a call was decided as it was, and what became of it.
    TraceView {
        /// Number of the call; its record shows it as `call`.
        call: Id,
        /// Its record; null for a call that runs.
        cdr: Option<Id>,
        /// When it was decided; null when the reasons are not kept (dropped by age or while the
        /// database was away, or decided without the control plane), and for whom the caller hides
        /// from.
        decided: Option<Time>,
        /// Version of the configuration that decided.
        snapshot: Option<Id>,
        /// The steps of the decision, in order.
        decision: Vec<TraceStepView>,
        /// What the switch did with it, by the record.
        afterwards: Vec<TraceStepView>,
        /// Header fields of the INVITE that the setting `call.headers_kept` names, in their order;
        /// for the operator alone.
        headers: Vec<KeptHeaderView>,
    }
}

view! {
    /// A header field that was kept.
    KeptHeaderView {
        /// Name.
        name: String,
        /// Value; what is no text of it is replaced.
        value: String,
    }
}

view! {
    /// One step.
    TraceStepView {
        /// Its name in one word, which never changes.
        step: String,
        /// Its values by their names; ids are ids of rows.
        parameters: BTreeMap<&'static str, String>,
        /// The same in words, with the names that rows have now.
        sentence: String,
    }
}

impl TraceStepView {
    pub(crate) fn of(step: TraceStep) -> TraceStepView {
        let TraceStep { code, parameters, sentence } = step;
        TraceStepView { step: code, parameters: parameters.into_iter().collect(), sentence }
    }
}

/// Who sees routes and suppliers: the operator alone.
pub(crate) fn eyes(caller: &Caller) -> TraceEyes {
    match caller.audience() {
        Audience::Operator => TraceEyes::Operator,
        Audience::Reseller | Audience::Customer | Audience::Supplier | Audience::Subscriber => {
            TraceEyes::Party
        }
    }
}

/// `GET /cdrs/{id}/trace`
pub(crate) async fn of_record(cx: Context) -> Result<Json<TraceView>, Problem> {
    let record = cx.api.reader.cdr(cx.caller.scope, CdrId(cx.id()?)).await?;
    let record = record.ok_or_else(Problem::not_found)?;
    let (call, began_us) = (record.ask, Some(record.times.started_us));
    let trace = match record.tenant {
        // The steps name who called.
        Some(_) if Eye::of(&cx).await?.is_hidden(&record) => None,
        Some(_) => cx.api.reader.trace(record.tenant, call, began_us).await?,
        // Nobody knew who it was, so nothing was kept.
        None => None,
    };
    let cdr = Some(record.id.into());
    let steps = trace.as_ref().map(|trace| trace.steps.clone()).unwrap_or_default();
    let order = TraceOrder { steps, record: Some(record), eyes: eyes(&cx.caller) };
    told(&cx, call, cdr, trace.as_ref(), order).await
}

/// `GET /calls/{id}/trace`
pub(crate) async fn of_call(cx: Context) -> Result<Json<TraceView>, Problem> {
    let call = CallId(cx.id()?);
    let trace = cx.api.reader.trace(None, call.0, None).await?;
    // A trace alone says no more than its tenant; who sees less asks for the record's.
    let of = |trace: &CallTrace| Owned { tenant: Some(trace.tenant), ..Owned::default() };
    let trace = trace.filter(|trace| cx.caller.scope.covers(&of(trace)));
    let trace = trace.ok_or_else(Problem::not_found)?;
    let steps = trace.steps.clone();
    let order = TraceOrder { steps, record: None, eyes: eyes(&cx.caller) };
    told(&cx, call.0, None, Some(&trace), order).await
}

async fn told(
    cx: &Context,
    call: u64,
    cdr: Option<Id>,
    trace: Option<&CallTrace>,
    order: TraceOrder,
) -> Result<Json<TraceView>, Problem> {
    let may_see = order.eyes == TraceEyes::Operator;
    let kept = trace.filter(|_| may_see).map(|trace| trace.headers.as_slice()).unwrap_or_default();
    let header = |(name, value): &(String, String)| KeptHeaderView {
        name: name.clone(),
        value: value.clone(),
    };
    let headers = kept.iter().map(header).collect();
    let words = cx.api.live.explain(order).await?;
    Ok(Json(TraceView {
        call: call.into(),
        cdr,
        decided: trace.map(|trace| Time(trace.at_us)),
        snapshot: trace.map(|trace| trace.snapshot.into()),
        decision: words.decision.into_iter().map(TraceStepView::of).collect(),
        afterwards: words.afterwards.into_iter().map(TraceStepView::of).collect(),
        headers,
    }))
}
