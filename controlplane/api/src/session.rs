//! Logging in and out.

use crate::cursor;
use crate::dispatch::Context;
use crate::form::{Form, Members, line_shape, needed, object, secret_shape};
use crate::grant::may_give;
use crate::limits::{CODE_CHARS_MAX, LOGIN_CHARS_MAX, PASSWORD_CHARS_MAX, REALM_CHARS_MAX};
use crate::problem::Problem;
use crate::reply::{Done, Json, Made, Page, Versioned};
use crate::shape::{Components, view};
use crate::token::{Login, impersonates, new_session_token, token_hash};
use crate::totp;
use crate::user::{UserView, organization, view as user_view};
use crate::value::{Id, Time};
use serde_json::{Value, json};
use strowger_model::{SessionId, UserId};
use strowger_store::{
    Actor, Change, Credentials, NewSession, Scope, Secret, Session, TotpState, User,
};

const LIST: &str = "sessions";
const MICROS_PER_MINUTE: i64 = 60_000_000;

view! {
    /// A login that runs.
    SessionView {
        /// Identity.
        id: Id,
        /// Who is logged in, or for whom somebody acts.
        user: Id,
        /// His login name with his realm.
        login: String,
        /// Who really acts, when that is somebody else.
        actor: Option<Id>,
        /// Address that it began from.
        source: String,
        /// User-Agent that it began with.
        agent: String,
        /// When it began.
        created: Time,
        /// When it was last used, to a minute.
        used: Time,
        /// When it ends if it is not used again.
        ends: Time,
        /// It is the one of this request.
        current: bool,
    }
}

view! {
    /// A login that begins.
    LoginView {
        /// What to send as `Authorization: Bearer`; shown this once.
        token: String,
        /// The session; its id ends it.
        session: Id,
        /// Who is logged in.
        user: UserView,
        /// It ends then in any case.
        expires: Time,
        /// It ends when it is not used for so long.
        idle_ms: u64,
    }
}

view! {
    /// Acting for another.
    ImpersonationView {
        /// What to send as `Authorization: Bearer`; shown this once.
        token: String,
        /// The session; its id ends it.
        session: Id,
        /// For whom.
        on_behalf: String,
        /// It ends then.
        expires: Time,
    }
}

/// A login as it is sent.
pub(crate) struct LoginForm {
    realm: Option<String>,
    name: String,
    password: Secret,
    code: Option<Secret>,
}

impl Form for LoginForm {
    fn read(cx: &Context) -> Result<Self, Problem> {
        let mut m = Members::read(cx.body())?;
        let form = LoginForm {
            realm: m.line("realm", REALM_CHARS_MAX)?,
            name: needed("name", m.line("name", LOGIN_CHARS_MAX)?)?.to_lowercase(),
            password: needed("password", m.secret("password", PASSWORD_CHARS_MAX)?)?,
            code: m.secret("code", CODE_CHARS_MAX)?,
        };
        m.end()?;
        Ok(form)
    }

    fn describe(_: &mut Components) -> Value {
        object(&[
            (
                "realm",
                line_shape(REALM_CHARS_MAX),
                "Realm of the tenant; without one the host.",
                false,
            ),
            ("name", line_shape(LOGIN_CHARS_MAX), "Login name.", true),
            ("password", secret_shape(0, PASSWORD_CHARS_MAX), "Password.", true),
            (
                "code",
                secret_shape(0, CODE_CHARS_MAX),
                "Code of the second factor, or a recovery code.",
                false,
            ),
        ])
    }
}

/// `POST /sessions`
///
/// Who does not come in is told one thing only, whatever was wrong, and after the same work: that a
/// code is missing or wrong is said to those alone who know the password.
pub(crate) async fn begin(form: LoginForm, cx: Context) -> Result<Made<LoginView>, Problem> {
    let login = match &form.realm {
        Some(realm) => format!("{}@{realm}", form.name),
        None => form.name.clone(),
    };
    attempt(&cx, &login).await?;
    let known = cx.api.reader.credentials(form.realm.as_deref(), &form.name).await?;
    let hash = known.as_ref().and_then(|known| known.password.clone());
    let fits = cx.api.hasher.fits(form.password, hash).await?;
    let Some(known) = known.filter(|known| fits && known.user.enabled) else {
        // Never the name as it was typed: people type passwords there.
        tracing::info!(source = %cx.source, "a login failed");
        return Err(Problem::unauthorized());
    };
    second_factor(&cx, &known, form.code.as_ref()).await?;
    cx.api.guesses().succeeded(&login, cx.source);
    let user = known.user;
    let at_us = cx.api.now_us();
    let token = new_session_token()?;
    let set = cx.api.login_settings().await?;
    let expires_us = at_us.saturating_add(us(set.session_ms_max));
    let idle_us = us(set.session_idle_ms);
    let new = session(&cx, user.id, None, &token, (at_us, idle_us, expires_us));
    let mut w = cx.api.store.write().await?;
    let id = w.insert_session(&new).await?;
    let after = json!({"user": user.login(), "source": new.source, "agent": new.agent});
    let change = Change::new(LIST, id.0, None, Some(&after), at_us)
        .of(user.tenant(), organization(user.grant.scope));
    let actor = Actor { name: user.login(), ..cx.actor() };
    w.record_change(&actor, &change).await?;
    w.commit().await?;
    let view = LoginView {
        token: token.expose().to_owned(),
        session: id.into(),
        user: user_view(&user),
        expires: Time(expires_us),
        idle_ms: set.session_idle_ms,
    };
    Ok(Made(Versioned { version: id.to_string(), view }))
}

/// An attempt to show a password begins.
///
/// # Errors
/// 429 when it must wait.
pub(crate) async fn attempt(cx: &Context, login: &str) -> Result<(), Problem> {
    let set = cx.api.login_settings().await?;
    let began = cx.api.guesses().begin(login, cx.source, cx.api.now_ms(), &set);
    began.map_err(|wait_s| {
        tracing::warn!(source = %cx.source, wait_s, "too many failed logins");
        Problem::too_many(wait_s)
    })
}

/// Checks the second factor of somebody whose password was right, and uses it up.
///
/// # Errors
/// 401 that names `code`.
pub(crate) async fn second_factor(
    cx: &Context,
    known: &Credentials,
    code: Option<&Secret>,
) -> Result<(), Problem> {
    let TotpState::On(sealed, used) = &known.totp else { return Ok(()) };
    let Some(code) = code else { return Err(Problem::unproven("code", "is missing")) };
    let user = known.user.id;
    let secret = cx.api.sealer.open_sealed(&totp_place(user), sealed);
    let secret = secret.map_err(|error| {
        tracing::error!(%error, user = user.0, "a second factor cannot be opened");
        Problem::internal()
    })?;
    let step = totp::step_of(&secret, code.expose(), cx.api.now_us(), *used);
    let mut w = cx.api.store.write().await?;
    let is_good = match step {
        Some(step) => w.use_totp_step(user, step).await?,
        None => w.use_recovery_code(user, &token_hash(&totp::plain(code.expose()))).await?,
    };
    if !is_good {
        return Err(Problem::unproven("code", "is wrong or was used"));
    }
    w.commit().await?;
    Ok(())
}

/// Where the sealed secret of a second factor stands.
pub(crate) fn totp_place(user: UserId) -> String {
    format!("users.totp:{user}")
}

/// Milliseconds of a setting as microseconds.
fn us(ms: u64) -> i64 {
    i64::try_from(ms.saturating_mul(1_000)).unwrap_or(i64::MAX)
}

fn session(
    cx: &Context,
    user: UserId,
    actor: Option<UserId>,
    token: &Secret,
    (at_us, idle_us, expires_us): (i64, i64, i64),
) -> NewSession {
    let (source, agent) = (cx.source.to_canonical().to_string(), cx.agent.clone());
    let hash = token_hash(token.expose());
    NewSession { user, actor, hash, source, agent, at_us, idle_us, expires_us }
}

/// Begins to act for `user`. Only a person who logged in does so: somebody must answer for it.
pub(crate) async fn impersonate(
    cx: &Context,
    user: &User,
    reason: &str,
    minutes: u32,
) -> Result<Made<ImpersonationView>, Problem> {
    let Login::Session { user: actor, .. } = cx.caller.login else {
        return Err(Problem::denied("only for people who logged in"));
    };
    let actor = cx.api.reader.user(Scope::All, actor).await?.ok_or_else(Problem::not_found)?;
    if actor.id == user.id || !user.enabled || !impersonates(&cx.api, &actor, user).await? {
        return Err(Problem::denied("not for this user"));
    }
    let at_us = cx.api.now_us();
    let expires_us = at_us.saturating_add(i64::from(minutes).saturating_mul(MICROS_PER_MINUTE));
    let token = new_session_token()?;
    let idle_us = us(cx.api.login_settings().await?.session_idle_ms);
    let times = (at_us, idle_us, expires_us);
    let new = session(cx, user.id, Some(actor.id), &token, times);
    let mut w = cx.api.store.write().await?;
    let id = w.insert_session(&new).await?;
    let after = json!({"user": user.login(), "reason": reason, "minutes": minutes});
    let change = Change::new("impersonations", id.0, None, Some(&after), at_us)
        .of(user.tenant(), organization(user.grant.scope));
    w.record_change(&Actor { on_behalf: Some(user.login()), ..cx.actor() }, &change).await?;
    w.commit().await?;
    let view = ImpersonationView {
        token: token.expose().to_owned(),
        session: id.into(),
        on_behalf: user.login(),
        expires: Time(expires_us),
    };
    Ok(Made(Versioned { version: id.to_string(), view }))
}

/// `GET /sessions`
pub(crate) async fn list(cx: Context) -> Result<Json<Page<SessionView>>, Problem> {
    let after = cursor::decode(LIST, cx.query.next.as_deref())?.map(SessionId);
    let (scope, now_us) = (cx.caller.scope, cx.api.now_us());
    let rows = cx.api.reader.sessions(scope, now_us, after, cx.query.rows()).await?;
    let current = cx.caller.session();
    let view = |row: &Session| SessionView {
        id: row.id.into(),
        user: row.user.id.into(),
        login: row.user.login(),
        actor: row.actor.map(Id::from),
        source: row.source.clone(),
        agent: row.agent.clone(),
        created: Time(row.created_us),
        used: Time(row.used_us),
        ends: Time(row.ends_us()),
        current: current == Some(row.id),
    };
    let key = |row: &Session| cursor::encode(LIST, row.id.0);
    Ok(Json(Page::cut(rows, cx.query.limit, view, key)))
}

/// `DELETE /sessions/{id}`
pub(crate) async fn end(cx: Context) -> Result<Done, Problem> {
    let id = SessionId(cx.id()?);
    let row = cx.api.reader.session(cx.caller.scope, id).await?.ok_or_else(Problem::not_found)?;
    // One's own always; others' as one may touch their users.
    if cx.caller.user() != Some(row.user.id) {
        may_give(&cx, row.user.grant.role)?;
    }
    close(&cx, &row).await
}

/// `DELETE /sessions/current`
pub(crate) async fn log_out(cx: Context) -> Result<Done, Problem> {
    let id = cx.caller.session().ok_or_else(|| Problem::denied("a token does not log out"))?;
    let row = cx.api.reader.session(Scope::All, id).await?.ok_or_else(Problem::not_found)?;
    close(&cx, &row).await
}

async fn close(cx: &Context, row: &Session) -> Result<Done, Problem> {
    let mut w = cx.api.store.write().await?;
    if !w.remove_session(row.id).await? {
        return Err(Problem::not_found());
    }
    let before = json!({"user": row.user.login(), "source": row.source, "agent": row.agent});
    let change = Change::new(LIST, row.id.0, Some(&before), None, cx.api.now_us())
        .of(row.user.tenant(), organization(row.user.grant.scope));
    w.record_change(&cx.actor(), &change).await?;
    w.commit().await?;
    Ok(Done)
}
