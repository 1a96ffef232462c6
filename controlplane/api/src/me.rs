//! Who asks, and his own login.

use crate::dispatch::Context;
use crate::form::{Form, Members, needed, object, secret_shape};
use crate::grant::Binding;
use crate::limits::{CODE_CHARS_MAX, PASSWORD_CHARS_MAX, PASSWORD_CHARS_MIN};
use crate::permission;
use crate::problem::Problem;
use crate::reply::{Done, Json};
use crate::session::{attempt, second_factor, totp_place};
use crate::shape::{Components, view};
use crate::token::{Login, token_hash};
use crate::totp;
use crate::user::{UserView, record, view as user_view};
use crate::value::Id;
use serde_json::Value;
use strowger_model::{Role, SessionId, UserId};
use strowger_store::{Credentials, Scope, Secret, TotpState, User};

view! {
    /// Who asks.
    MeView {
        /// Who really acts, as the change log names him.
        name: String,
        /// The user for whom he acts.
        on_behalf: Option<String>,
        /// Role.
        role: Option<&'static str>,
        /// For whom answers are made: it chooses their views.
        audience: &'static str,
        /// What he may.
        permissions: Vec<&'static str>,
        /// Tenant; null for the host.
        tenant: Option<Id>,
        /// Organization, with all below it.
        organization: Option<Id>,
        /// Account.
        account: Option<Id>,
        /// Subscriber.
        subscriber: Option<Id>,
        /// The user; null for a token.
        user: Option<UserView>,
        /// The session; null for a token.
        session: Option<Id>,
        /// Recovery codes left; null without a second factor.
        recovery_codes: Option<u32>,
    }
}

view! {
    /// A second factor that is to be confirmed by a code of it.
    EnrolmentView {
        /// The secret, for typing; shown this once.
        secret: String,
        /// The same for a picture that authenticators read.
        uri: String,
    }
}

view! {
    /// Codes for the loss of the second factor.
    RecoveryView {
        /// Each counts once; shown this once.
        recovery_codes: Vec<String>,
    }
}

/// `GET /me`
pub(crate) async fn show(cx: Context) -> Result<Json<MeView>, Problem> {
    let caller = &cx.caller;
    let user = match caller.user() {
        Some(id) => cx.api.reader.user(Scope::All, id).await?,
        None => None,
    };
    let codes = match &user {
        Some(user) if user.totp => Some(cx.api.reader.recovery_codes(user.id).await?),
        Some(_) | None => None,
    };
    let role = caller.grant().role;
    let has = |permission: &permission::Permission| caller.has(*permission);
    let binding = Binding::of(caller.scope);
    Ok(Json(MeView {
        name: caller.name.clone(),
        on_behalf: caller.on_behalf.clone(),
        role: role.map(Role::name),
        audience: caller.audience().name(),
        permissions: permission::all().into_iter().filter(has).map(|p| p.0).collect(),
        tenant: binding.tenant.map(Id::from),
        organization: binding.organization.map(Id::from),
        account: binding.account.map(Id::from),
        subscriber: binding.subscriber.map(Id::from),
        user: user.as_ref().map(user_view),
        session: caller.session().map(Id::from),
        recovery_codes: codes.and_then(|n| u32::try_from(n).ok()),
    }))
}

/// A person who logged in himself.
///
/// # Errors
/// 403 for tokens, and for those who act for another.
fn person(cx: &Context) -> Result<(UserId, SessionId), Problem> {
    match cx.caller.login {
        Login::Session { id, user } => Ok((user, id)),
        Login::Stranger | Login::Token { .. } | Login::Impersonation { .. } => {
            Err(Problem::denied("only for people who logged in themselves"))
        }
    }
}

/// The person, who must show his password again; it counts as a failed login until [`forget`].
async fn proven(cx: &Context, password: Secret) -> Result<Credentials, Problem> {
    let (id, _) = person(cx)?;
    let known = cx.api.reader.credentials_of(Scope::All, id).await?;
    let known = known.ok_or_else(Problem::unauthorized)?;
    let login = known.user.login();
    attempt(cx, &login).await?;
    if !cx.api.hasher.fits(password, known.password.clone()).await? {
        return Err(Problem::refused("password", "is not yours"));
    }
    Ok(known)
}

/// All that was asked for was right: the attempt does not count as failed.
fn forget(cx: &Context, known: &Credentials) {
    cx.api.guesses().succeeded(&known.user.login(), cx.source);
}

/// A change of one's own password.
pub(crate) struct ChangeForm {
    password: Secret,
    new: Secret,
}

impl Form for ChangeForm {
    fn read(cx: &Context) -> Result<Self, Problem> {
        let mut m = Members::read(cx.body())?;
        let password = needed("password", m.secret("password", PASSWORD_CHARS_MAX)?)?;
        let new = needed("new", m.secret("new", PASSWORD_CHARS_MAX)?)?;
        m.end()?;
        Ok(ChangeForm { password, new })
    }

    fn describe(_: &mut Components) -> Value {
        object(&[
            ("password", secret_shape(0, PASSWORD_CHARS_MAX), "The present password.", true),
            (
                "new",
                secret_shape(PASSWORD_CHARS_MIN, PASSWORD_CHARS_MAX),
                "The new password.",
                true,
            ),
        ])
    }
}

/// `POST /me/password`
pub(crate) async fn change_password(form: ChangeForm, cx: Context) -> Result<Done, Problem> {
    let (id, session) = person(&cx)?;
    let known = proven(&cx, form.password).await?;
    forget(&cx, &known);
    crate::user::good_password(&cx, "new", &form.new, &known.user.name).await?;
    let hash = cx.api.hasher.hash(form.new).await?;
    let at_us = cx.api.now_us();
    let mut w = cx.api.store.write().await?;
    w.put_password(id, &hash, at_us).await?;
    // Whoever knew the old one is out; this session stays.
    w.remove_sessions(id, Some(session)).await?;
    let changed = User { password_us: Some(at_us), ..known.user.clone() };
    record(&cx, &mut w, Some(&known.user), Some(&changed)).await?;
    w.commit().await?;
    Ok(Done)
}

/// The present password, shown again, with a code where one is asked for.
pub(crate) struct ProofForm {
    password: Secret,
    code: Option<Secret>,
}

impl Form for ProofForm {
    fn read(cx: &Context) -> Result<Self, Problem> {
        let mut m = Members::read(cx.body())?;
        let password = needed("password", m.secret("password", PASSWORD_CHARS_MAX)?)?;
        let code = m.secret("code", CODE_CHARS_MAX)?;
        m.end()?;
        Ok(ProofForm { password, code })
    }

    fn describe(_: &mut Components) -> Value {
        object(&[
            ("password", secret_shape(0, PASSWORD_CHARS_MAX), "The present password.", true),
            (
                "code",
                secret_shape(0, CODE_CHARS_MAX),
                "A code, when the second factor is on.",
                false,
            ),
        ])
    }
}

/// `POST /me/totp`
pub(crate) async fn enrol(form: ProofForm, cx: Context) -> Result<Json<EnrolmentView>, Problem> {
    let known = proven(&cx, form.password).await?;
    forget(&cx, &known);
    if let TotpState::On(..) = known.totp {
        return Err(Problem::refused("totp", "is on already"));
    }
    let (secret, id) = (totp::new_secret()?, known.user.id);
    let sealed = cx.api.sealer.seal(&totp_place(id), &secret);
    let sealed = sealed.map_err(|_| Problem::internal())?;
    let mut w = cx.api.store.write().await?;
    w.put_totp(id, &TotpState::Enrolled(sealed)).await?;
    w.commit().await?;
    let uri = totp::uri(&secret, &known.user.login());
    Ok(Json(EnrolmentView { secret: secret.expose().to_owned(), uri }))
}

/// A code of the second factor that was given out.
pub(crate) struct CodeForm(Secret);

impl Form for CodeForm {
    fn read(cx: &Context) -> Result<Self, Problem> {
        let mut m = Members::read(cx.body())?;
        let code = needed("code", m.secret("code", CODE_CHARS_MAX)?)?;
        m.end()?;
        Ok(CodeForm(code))
    }

    fn describe(_: &mut Components) -> Value {
        object(&[("code", secret_shape(0, CODE_CHARS_MAX), "A code of the second factor.", true)])
    }
}

/// `POST /me/totp/confirmations`
pub(crate) async fn confirm(form: CodeForm, cx: Context) -> Result<Json<RecoveryView>, Problem> {
    let (id, _) = person(&cx)?;
    let known = cx.api.reader.credentials_of(Scope::All, id).await?;
    let known = known.ok_or_else(Problem::unauthorized)?;
    let TotpState::Enrolled(sealed) = known.totp else {
        return Err(Problem::refused("totp", "is on already, or was not given out"));
    };
    let secret = cx.api.sealer.open_sealed(&totp_place(id), &sealed);
    let secret = secret.map_err(|_| Problem::internal())?;
    let step = totp::step_of(&secret, form.0.expose(), cx.api.now_us(), 0);
    let step = step.ok_or_else(|| Problem::refused("code", "is wrong"))?;
    let codes = totp::new_recovery_codes()?;
    let hashes: Vec<String> = codes.iter().map(|code| token_hash(&totp::plain(code))).collect();
    let mut w = cx.api.store.write().await?;
    w.put_totp(id, &TotpState::On(sealed, step)).await?;
    w.put_recovery_codes(id, &hashes).await?;
    let changed = User { totp: true, ..known.user.clone() };
    record(&cx, &mut w, Some(&known.user), Some(&changed)).await?;
    w.commit().await?;
    Ok(Json(RecoveryView { recovery_codes: codes }))
}

/// `POST /me/totp/removals`
pub(crate) async fn disable(form: ProofForm, cx: Context) -> Result<Done, Problem> {
    let known = proven(&cx, form.password).await?;
    second_factor(&cx, &known, form.code.as_ref()).await?;
    forget(&cx, &known);
    let mut w = cx.api.store.write().await?;
    w.put_totp(known.user.id, &TotpState::Off).await?;
    w.put_recovery_codes(known.user.id, &[]).await?;
    let changed = User { totp: false, ..known.user.clone() };
    record(&cx, &mut w, Some(&known.user), Some(&changed)).await?;
    w.commit().await?;
    Ok(Done)
}
