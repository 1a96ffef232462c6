//! Registrations with us, of subscribers and of trunks.

use crate::dispatch::Context;
use crate::edit::Edit;
use crate::problem::Problem;
use crate::query::Filter;
use crate::reply::{Json, Page};
use crate::shape::view;
use crate::value::{Id, Time, Word};
use crate::{Contact, Registration, RegistrationKey, cursor};
use serde_json::json;
use strowger_model::{OrganizationId, Subscriber, SubscriberId, TenantId, Transport, TrunkId};
use strowger_routing::Holder;

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

view! {
    /// Contacts that were forgotten.
    ForgottenView {
        /// How many.
        count: u64,
    }
}

/// Which contact is meant, by its URI.
pub(crate) static CONTACT: Filter = Filter::text("contact");

/// `DELETE /subscribers/{id}/contacts`
pub(crate) async fn forget_of_subscriber(cx: Context) -> Result<Json<ForgottenView>, Problem> {
    let row = cx.api.reader.row::<Subscriber>(cx.caller.scope, cx.id()?).await?;
    let row = row.ok_or_else(Problem::not_found)?;
    let owner = (Some(row.tenant), Some(row.organization));
    forget(&cx, Holder::Subscriber(row.id), ("subscribers", row.id.0, owner)).await
}

/// `DELETE /trunks/{id}/contacts`
pub(crate) async fn forget_of_trunk(cx: Context) -> Result<Json<ForgottenView>, Problem> {
    let row = cx.api.reader.trunk(cx.caller.scope, TrunkId(cx.id()?)).await?;
    let row = row.ok_or_else(Problem::not_found)?;
    let owner = (Some(row.tenant), Some(row.organization));
    forget(&cx, Holder::Trunk(row.id), ("trunks", row.id.0, owner)).await
}

/// The row whose contacts are meant, for the change log.
type Whose = (&'static str, i64, (Option<TenantId>, Option<OrganizationId>));

/// Forgets contacts, and says so in the change log: calls go elsewhere from now on.
async fn forget(
    cx: &Context,
    who: Holder,
    (resource, id, owner): Whose,
) -> Result<Json<ForgottenView>, Problem> {
    let contact = cx.query.text("contact").map(str::to_owned);
    let words = contact.clone();
    let gone = cx.api.live.forget_contacts(who, contact, cx.caller.name.clone()).await?;
    let edit = Edit::begin(&cx.api).await?;
    let before = Some(json!({"contacts": gone}));
    let after = Some(json!({"contacts": 0, "contact": words}));
    let entry = edit.entry(resource, Some(id), owner, before, after);
    edit.commit(&cx.actor(), &[entry]).await?;
    Ok(Json(ForgottenView { count: u64::try_from(gone).unwrap_or(u64::MAX) }))
}

/// The contacts of one subscriber.
pub(crate) async fn of_subscriber(
    cx: &Context,
    id: SubscriberId,
) -> Result<Vec<RegistrationView>, Problem> {
    let first = RegistrationKey { subscriber: id, uri: String::new() };
    let rows = cx.api.live.registrations(cx.caller.scope, Some(first), CONTACTS_MAX).await?;
    let own = rows.iter().take_while(|row| row.contact.binding.subscriber == id);
    Ok(own.map(view).collect())
}

/// Most contacts of a subscriber; its row allows no more.
const CONTACTS_MAX: usize = 16;

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
