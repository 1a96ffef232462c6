//! Running calls.

use crate::cdr::{CdrMediaView, media};
use crate::dispatch::Context;
use crate::problem::Problem;
use crate::reply::{Accepted, Json, Page};
use crate::shape::view;
use crate::value::{Id, Time, Word};
use crate::{CallId, CallState, LiveCall, cursor};
use strowger_model::{Audience, Audio, FalseAnswer, SubscriberId, TenantId, worst_score};
use strowger_store::Scope;

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
        /// Media of the caller's side so far, some seconds old at most; null when not relayed, or
        /// not heard yet.
        caller_media: Option<CdrMediaView>,
        /// Media of the called side; null for all but operators.
        called_media: Option<CdrMediaView>,
        /// The worst score that is known of its directions: hundredths, 100 to 450.
        mos_hundredths: Option<u16>,
        /// What it is like to hear by now, in the words of records.
        audio: Option<Word<Audio>>,
        /// Why its answer is taken for false, in the words of records; null for all but operators.
        false_answer: Option<Word<FalseAnswer>>,
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
    let page = (after, cx.rows());
    let calls = cx.api.live.calls(cx.caller.scope, page, cx.query.mos_below).await?;
    let view = |call: &LiveCall| view(call, is_operator(&cx));
    let key = |call: &LiveCall| cursor::encode(LIST, call.id.0);
    Ok(Json(Page::cut(calls, cx.query.limit, view, key)))
}

/// Most calls of one subscriber that its status shows.
const STATUS_CALLS_MAX: usize = 64;

/// The running calls that a subscriber makes.
pub(crate) async fn calls_of(
    cx: &Context,
    tenant: TenantId,
    id: SubscriberId,
) -> Result<Vec<CallView>, Problem> {
    let scope = Scope::Subscriber(tenant, id);
    let calls = cx.api.live.calls(scope, (None, STATUS_CALLS_MAX), None).await?;
    Ok(calls.iter().map(|call| view(call, is_operator(cx))).collect())
}

/// `GET /calls/{id}`
pub(crate) async fn one(cx: Context) -> Result<Json<CallView>, Problem> {
    let call = cx.api.live.call(cx.caller.scope, CallId(cx.id()?)).await?;
    let view = |call: &LiveCall| Json(view(call, is_operator(&cx)));
    call.as_ref().map(view).ok_or_else(Problem::not_found)
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

/// Who a call goes to and how he does is the operator's to know.
fn is_operator(cx: &Context) -> bool {
    cx.caller.audience() == Audience::Operator
}

fn view(call: &LiveCall, is_operator: bool) -> CallView {
    let sound = call.sound.as_deref();
    let operators = sound.filter(|_| is_operator);
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
        caller_media: sound.map(|sound| media(&sound.caller)),
        called_media: operators.map(|sound| media(&sound.called)),
        mos_hundredths: sound.and_then(|sound| worst_score(&sound.caller, &sound.called)),
        audio: sound.and_then(|sound| sound.audio).map(Word),
        false_answer: operators.and_then(|sound| sound.false_answer).map(Word),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::CallSound;
    use strowger_model::CdrMedia;

    fn side(mos: u16) -> CdrMedia {
        CdrMedia {
            received: 300,
            received_octets: 51_600,
            sent: 300,
            sent_octets: 51_600,
            lost: 0,
            jitter_us: 0,
            jitter_us_max: 0,
            dropped: 0,
            payload_type: Some(8),
            codec: "PCMA".to_owned(),
            remote: Some([198, 51, 100, 7].into()),
            mos: Some(mos),
            heard: None,
            silent_ms: Some(0),
            rang_ms: 2_000,
        }
    }

    #[test]
    fn who_is_no_operator_sees_his_side_and_how_bad_it_is() {
        let (audio, false_answer) = (Some(Audio::Bad), Some(FalseAnswer::RingsOn));
        let (caller, called) = (side(439), side(290));
        let sound = Some(Box::new(CallSound { caller, called, audio, false_answer }));
        let call = LiveCall {
            id: CallId(1),
            record: None,
            tenant: None,
            state: CallState::Speaking,
            account: None,
            subscriber: None,
            trunk: None,
            caller: String::new(),
            called: String::new(),
            started_us: 0,
            answered_us: Some(1),
            sound,
        };
        let seen = |is_operator| serde_json::to_value(view(&call, is_operator)).unwrap();
        let (operator, customer) = (seen(true), seen(false));
        for (name, is_seen) in [
            ("caller_media", true),
            ("mos_hundredths", true),
            ("audio", true),
            ("called_media", false),
            ("false_answer", false),
        ] {
            assert!(!operator[name].is_null(), "{name}");
            let expected = if is_seen { &operator[name] } else { &serde_json::Value::Null };
            assert_eq!(&customer[name], expected, "{name}");
        }
        assert_eq!(customer["mos_hundredths"], 290, "the worst of both");
    }
}
