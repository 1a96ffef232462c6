//! Registrations with us, of subscribers and of trunks.

use crate::dispatch::Context;
use crate::problem::Problem;
use crate::reply::{Json, Page};
use crate::shape::view;
use crate::value::{Id, Time, Word};
use crate::{Contact, Registration, RegistrationKey, cursor};
use strowger_model::{SubscriberId, Transport, TrunkId};

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
        /// Address and port that requests to it are sent to.
        target: String,
        /// It is behind a NAT.
        nated: bool,
        /// We keep that NAT open.
        kept_alive: bool,
        /// It can be reached; not when the connection that it came by is gone.
        reachable: bool,
        /// When it was last refreshed.
        refreshed: Time,
        /// When it ends.
        expires: Time,
    }
}

view! {
    /// A contact that a trunk registered with us.
    TrunkContactView {
        /// Contact URI as registered.
        contact: String,
        /// Instance of the device (RFC 5626); null when it sent none.
        instance: Option<String>,
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
        /// Address and port that calls to it are sent to.
        target: String,
        /// It is behind a NAT.
        nated: bool,
        /// We keep that NAT open.
        kept_alive: bool,
        /// It can be reached; not when the connection that it came by is gone.
        reachable: bool,
        /// When it was last refreshed.
        refreshed: Time,
        /// When it ends.
        expires: Time,
    }
}

/// `GET /trunks/{id}/contacts`
pub(crate) async fn of_trunk(cx: Context) -> Result<Json<Page<TrunkContactView>>, Problem> {
    let id = TrunkId(cx.id()?);
    let row = cx.api.reader.trunk(cx.caller.scope, id).await?;
    let id = row.map(|row| row.id).ok_or_else(Problem::not_found)?;
    let rows = cx.api.live.trunk_contacts(id).await?;
    Ok(Json(Page::whole(rows.iter().map(trunk_view).collect())))
}

fn trunk_view(row: &Contact) -> TrunkContactView {
    let b = &row.binding;
    TrunkContactView {
        contact: b.uri.clone(),
        instance: (!b.instance.is_empty()).then(|| b.instance.clone()),
        q: b.q,
        user_agent: b.user_agent.clone(),
        path: b.path.clone(),
        listener: b.listener,
        source: b.source.to_string(),
        transport: Word(b.transport),
        target: row.target.to_string(),
        nated: row.nated,
        kept_alive: row.kept_alive,
        reachable: !row.lost,
        refreshed: Time(b.refreshed_us),
        expires: Time(b.expires_us),
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
    let b = &row.contact.binding;
    cursor::encode(LIST, (b.subscriber.0, &b.uri))
}

fn view(row: &Registration) -> RegistrationView {
    let b = &row.contact.binding;
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
        target: row.contact.target.to_string(),
        nated: row.contact.nated,
        kept_alive: row.contact.kept_alive,
        reachable: !row.contact.lost,
        refreshed: Time(b.refreshed_us),
        expires: Time(b.expires_us),
    }
}
