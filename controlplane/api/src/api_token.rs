//! Long-lived tokens for programs: never more than their maker has, shown once, kept as hashes.

use crate::cursor;
use crate::dispatch::Context;
use crate::form::{Form, Members, needed, object, saying_shape};
use crate::grant::{Binding, given, may_give, must_be_himself, role, role_shape};
use crate::limits::NAME_CHARS_MAX;
use crate::problem::Problem;
use crate::reply::{Done, Json, Made, Page, Versioned};
use crate::shape::{Components, view};
use crate::token::{Login, new_long_token, token_hash};
use crate::user::organization;
use crate::value::{Id, Time, parse_time};
use serde_json::{Value, json};
use strowger_model::{Role, TokenId};
use strowger_store::{Change, NewToken, Token};

const LIST: &str = "tokens";

view! {
    /// A long-lived token.
    TokenView {
        /// Identity.
        id: Id,
        /// Shown name.
        name: String,
        /// What it may; null for a role of a later release.
        role: Option<&'static str>,
        /// Tenant; null for the host.
        tenant: Option<Id>,
        /// Organization, with all below it.
        organization: Option<Id>,
        /// Account.
        account: Option<Id>,
        /// Subscriber.
        subscriber: Option<Id>,
        /// Whose it is; it ends with him. Null for one that no user made.
        user: Option<Id>,
        /// The token that it was made with; it ends with that.
        parent: Option<Id>,
        /// When it was made.
        created: Time,
        /// When it ends; null never.
        expires: Option<Time>,
    }
}

view! {
    /// A token that was made.
    NewTokenView {
        /// What to send as `Authorization: Bearer`; shown this once.
        secret: String,
        /// The token.
        token: TokenView,
    }
}

fn view(token: &Token) -> TokenView {
    let binding = Binding::of(token.grant.scope);
    TokenView {
        id: token.id.into(),
        name: token.name.clone(),
        role: token.grant.role.map(Role::name),
        tenant: binding.tenant.map(Id::from),
        organization: binding.organization.map(Id::from),
        account: binding.account.map(Id::from),
        subscriber: binding.subscriber.map(Id::from),
        user: token.user.map(Id::from),
        parent: token.parent.map(Id::from),
        created: Time(token.created_us),
        expires: token.expires_us.map(Time),
    }
}

/// `GET /tokens`
pub(crate) async fn list(cx: Context) -> Result<Json<Page<TokenView>>, Problem> {
    let after = cursor::decode(LIST, cx.query.next.as_deref())?.map(TokenId);
    let rows = cx.api.reader.tokens(cx.caller.scope, after, cx.query.rows()).await?;
    let key = |row: &Token| cursor::encode(LIST, row.id.0);
    Ok(Json(Page::cut(rows, cx.query.limit, view, key)))
}

/// `GET /tokens/{id}`
pub(crate) async fn one(cx: Context) -> Result<Json<TokenView>, Problem> {
    found(&cx).await.map(|token| Json(view(&token)))
}

async fn found(cx: &Context) -> Result<Token, Problem> {
    let token = cx.api.reader.token(cx.caller.scope, TokenId(cx.id()?)).await?;
    token.ok_or_else(Problem::not_found)
}

/// A token as it is asked for.
pub(crate) struct TokenForm {
    name: String,
    role: Option<Role>,
    binding: Binding,
    expires_us: Option<i64>,
}

impl Form for TokenForm {
    fn read(cx: &Context) -> Result<Self, Problem> {
        let mut m = Members::read(cx.body())?;
        let name = needed("name", m.saying("name", NAME_CHARS_MAX)?)?;
        let role = m.text("role")?.map(|text| role(&text)).transpose()?;
        let binding = Binding::default().read(&mut m, true)?;
        let expires = m.text("expires")?;
        m.end()?;
        let time = |text: &str| {
            parse_time(text).ok_or_else(|| Problem::field("expires", "is no time of RFC 3339"))
        };
        let expires_us = expires.as_deref().map(time).transpose()?;
        Ok(TokenForm { name, role, binding, expires_us })
    }

    fn describe(_: &mut Components) -> Value {
        let time = json!({"type": "string", "format": "date-time"});
        let mut members = vec![
            ("name", saying_shape(NAME_CHARS_MAX), "Shown name.", true),
            ("role", role_shape(), "What it may; without one the role of who asks.", false),
            ("expires", time, "When it ends; without one never, or with its maker's.", false),
        ];
        members.extend(Binding::shapes());
        object(&members)
    }
}

/// `POST /tokens`
pub(crate) async fn create(form: TokenForm, cx: Context) -> Result<Made<NewTokenView>, Problem> {
    must_be_himself(&cx)?;
    let own = cx.caller.grant();
    let role = form.role.or(own.role).unwrap_or(Role::Subscriber);
    // Who names nothing means all that he sees himself.
    let is_own = form.binding == Binding::default();
    let binding = if is_own { Binding::of(own.scope) } else { form.binding };
    let grant = given(&cx, role, binding).await?;
    let at_us = cx.api.now_us();
    let (user, parent, end_us) = match cx.caller.login {
        Login::Session { user, .. } | Login::Impersonation { user, .. } => (Some(user), None, None),
        Login::Token { id, user, expires_us } => (user, Some(id), expires_us),
        Login::Stranger => return Err(Problem::unauthorized()),
    };
    let expires_us = form.expires_us.or(end_us);
    if expires_us.is_some_and(|expires_us| expires_us <= at_us) {
        return Err(Problem::refused("expires", "is not later than now"));
    }
    if end_us.is_some_and(|end_us| expires_us > Some(end_us)) {
        return Err(Problem::refused("expires", "is later than the end of your own token"));
    }
    let secret = new_long_token()?;
    let hash = token_hash(secret.expose());
    let new = NewToken { name: form.name, grant, hash, user, parent, at_us, expires_us };
    let mut w = cx.api.store.write().await?;
    let token = w.insert_token(&new).await?;
    let shown = view(&token);
    let change = Change::new(LIST, token.id.0, None, Some(&shown), at_us)
        .of(grant.scope.tenant(), organization(grant.scope));
    w.record_change(&cx.actor(), &change).await?;
    w.commit().await?;
    let version = token.id.to_string();
    let view = NewTokenView { secret: secret.expose().to_owned(), token: shown };
    Ok(Made(Versioned { version, view }))
}

/// `DELETE /tokens/{id}`
pub(crate) async fn revoke(cx: Context) -> Result<Done, Problem> {
    let token = found(&cx).await?;
    if token.user.is_none() || cx.caller.user() != token.user {
        may_give(&cx, token.grant.role)?;
    }
    let mut w = cx.api.store.write().await?;
    if !w.remove_token(token.id).await? {
        return Err(Problem::not_found());
    }
    let scope = token.grant.scope;
    let change = Change::new(LIST, token.id.0, Some(&view(&token)), None, cx.api.now_us())
        .of(scope.tenant(), organization(scope));
    w.record_change(&cx.actor(), &change).await?;
    w.commit().await?;
    Ok(Done)
}
