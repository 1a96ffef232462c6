//! Registrations.

use crate::dispatch::Context;
use crate::problem::Problem;
use crate::reply::{Json, Page};
use crate::shape::view;
use crate::value::{Id, Time, Word};
use crate::{Registration, RegistrationKey, cursor};
use strowger_model::{SubscriberId, Transport};

const LIST: &str = "registrations";

view! {
    /// A registered contact.
    RegistrationView {
        /// Tenant.
        tenant: Id,
        /// Subscriber.
        subscriber: Id,
        /// User name of the subscriber.
        username: String,
        /// Contact URI as registered.
        contact: String,
        /// Instance of the device (RFC 5626); null when it sent none.
        instance: Option<String>,
        /// Registration of the device (RFC 5626); null when it sent none.
        reg_id: Option<u32>,
        /// Call-ID of the last REGISTER.
        sip_call_id: String,
        /// CSeq of the last REGISTER.
        cseq: u32,
        /// Preference, thousandths.
        q: u16,
        /// User-Agent.
        user_agent: String,
        /// Path, topmost first (RFC 3327).
        path: Vec<String>,
        /// Listener that it came to.
        listener: u8,
        /// Address and port that it came from.
        source: String,
        /// Transport that it came by.
        transport: Word<Transport>,
        /// When it was last refreshed.
        refreshed: Time,
        /// When it ends.
        expires: Time,
    }
}

/// `GET /registrations`
pub(crate) async fn list(cx: Context) -> Result<Json<Page<RegistrationView>>, Problem> {
    let after = cursor::decode(LIST, cx.query.next.as_deref())?;
    let after = after
        .map(|(subscriber, uri)| RegistrationKey { subscriber: SubscriberId(subscriber), uri });
    let rows = cx.api.live.registrations(cx.caller.scope, after, cx.rows()).await?;
    Ok(Json(Page::cut(rows, cx.query.limit, view, key)))
}

fn key(row: &Registration) -> String {
    cursor::encode(LIST, (row.binding.subscriber.0, &row.binding.uri))
}

fn view(row: &Registration) -> RegistrationView {
    let b = &row.binding;
    RegistrationView {
        tenant: row.tenant.into(),
        subscriber: b.subscriber.into(),
        username: row.username.clone(),
        contact: b.uri.clone(),
        instance: (!b.instance.is_empty()).then(|| b.instance.clone()),
        reg_id: (b.reg_id != 0).then_some(b.reg_id),
        sip_call_id: b.sip_call_id.clone(),
        cseq: b.cseq,
        q: b.q,
        user_agent: b.user_agent.clone(),
        path: b.path.clone(),
        listener: b.listener,
        source: b.source.to_string(),
        transport: Word(b.transport),
        refreshed: Time(b.refreshed_us),
        expires: Time(b.expires_us),
    }
}
