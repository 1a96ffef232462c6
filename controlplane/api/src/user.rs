//! People who log in. Their passwords and second factors have no place in any view.

use crate::cursor;
use crate::dispatch::Context;
use crate::form::{
    Form, Members, count, line_shape, needed, object, pattern_shape, saying_shape, secret_shape,
};
use crate::grant::{Binding, given, may_give, must_be_himself, role, role_shape};
use crate::limits::{
    LOGIN_CHARS_MAX, NAME_CHARS_MAX, PASSWORD_CHARS_MAX, PASSWORD_CHARS_MIN, REASON_CHARS_MAX,
};
use crate::password;
use crate::problem::Problem;
use crate::reply::{Done, Json, Made, Page, Versioned};
use crate::session::{ImpersonationView, impersonate};
use crate::shape::{Components, view};
use crate::value::{Id, Time};
use serde_json::{Value, json};
use strowger_model::{OrganizationId, Role, UserId};
use strowger_store::{Change, NewUser, Scope, Secret, TotpState, User, UserPatch, Writer};

const LIST: &str = "users";

view! {
    /// Somebody who logs in.
    UserView {
        /// Identity.
        id: Id,
        /// Login name, unique in its tenant.
        name: String,
        /// Realm that he logs in to; null for one of the host.
        realm: Option<String>,
        /// Shown name.
        display: String,
        /// What he may; null for a role of a later release.
        role: Option<&'static str>,
        /// Tenant; null for one of the host.
        tenant: Option<Id>,
        /// Organization: he sees it and all below it.
        organization: Option<Id>,
        /// Account that he sees.
        account: Option<Id>,
        /// Subscriber that he is.
        subscriber: Option<Id>,
        /// May log in.
        enabled: bool,
        /// When his password was set; null without one.
        password_set: Option<Time>,
        /// Logs in with a second factor.
        totp: bool,
        /// When he was made.
        created: Time,
    }
}

/// A user as he is shown and as the change log keeps him.
pub(crate) fn view(user: &User) -> UserView {
    let binding = Binding::of(user.grant.scope);
    UserView {
        id: user.id.into(),
        name: user.name.clone(),
        realm: user.realm.clone(),
        display: user.display.clone(),
        role: user.grant.role.map(Role::name),
        tenant: binding.tenant.map(Id::from),
        organization: binding.organization.map(Id::from),
        account: binding.account.map(Id::from),
        subscriber: binding.subscriber.map(Id::from),
        enabled: user.enabled,
        password_set: user.password_us.map(Time),
        totp: user.totp,
        created: Time(user.created_us),
    }
}

fn versioned(user: &User) -> Versioned<UserView> {
    Versioned { version: user.revision.to_string(), view: view(user) }
}

/// Writes a change of a user into the log.
pub(crate) async fn record(
    cx: &Context,
    w: &mut Writer<'_>,
    before: Option<&User>,
    after: Option<&User>,
) -> Result<(), Problem> {
    let Some(user) = after.or(before) else { return Ok(()) };
    let (old, new) = (before.map(view), after.map(view));
    let organization = organization(user.grant.scope);
    let change = Change::new(LIST, user.id.0, old.as_ref(), new.as_ref(), cx.api.now_us())
        .of(user.tenant(), organization);
    w.record_change(&cx.actor(), &change).await?;
    Ok(())
}

/// The organization that a change of somebody with this scope is seen by.
pub(crate) const fn organization(scope: Scope) -> Option<OrganizationId> {
    match scope {
        Scope::Organization(_, id) => Some(id),
        Scope::Nothing
        | Scope::All
        | Scope::Tenant(_)
        | Scope::Customer(..)
        | Scope::Supplier(..)
        | Scope::Subscriber(..) => None,
    }
}

/// `GET /users`
pub(crate) async fn list(cx: Context) -> Result<Json<Page<UserView>>, Problem> {
    let after = cursor::decode(LIST, cx.query.next.as_deref())?.map(UserId);
    let rows = cx.api.reader.users(cx.caller.scope, after, cx.query.rows()).await?;
    let key = |row: &User| cursor::encode(LIST, row.id.0);
    Ok(Json(Page::cut(rows, cx.query.limit, view, key)))
}

/// `GET /users/{id}`
pub(crate) async fn one(cx: Context) -> Result<Versioned<UserView>, Problem> {
    found(&cx).await.map(|user| versioned(&user))
}

/// The user of the path, if the caller may see him.
async fn found(cx: &Context) -> Result<User, Problem> {
    let user = cx.api.reader.user(cx.caller.scope, UserId(cx.id()?)).await?;
    user.ok_or_else(Problem::not_found)
}

/// The user of the path, if the caller may also touch him: nobody changes who is more than he.
async fn touched(cx: &Context) -> Result<User, Problem> {
    let user = found(cx).await?;
    may_give(cx, user.grant.role)?;
    must_be_himself(cx)?;
    Ok(user)
}

/// A user as he is made.
pub(crate) struct UserForm {
    name: String,
    display: String,
    role: Role,
    binding: Binding,
    password: Option<Secret>,
    enabled: bool,
}

/// Letters of login names; a name is the same in all of a person's papers, so case does not count.
fn login_name(text: &str, is_host: bool) -> Result<String, Problem> {
    let name = text.to_ascii_lowercase();
    let fits = |c: u8| c.is_ascii_alphanumeric() || b"._-+@".contains(&c);
    if !(1..=LOGIN_CHARS_MAX).contains(&name.len()) || !name.bytes().all(fits) {
        let what = format!("has 1 to {LOGIN_CHARS_MAX} letters, digits and . _ - + @");
        return Err(Problem::field("name", what));
    }
    // `name@realm` names users of tenants in the change log.
    if is_host && name.contains('@') {
        return Err(Problem::refused("name", "has no @ for a user of the host"));
    }
    Ok(name)
}

impl Form for UserForm {
    fn read(cx: &Context) -> Result<Self, Problem> {
        let mut m = Members::read(cx.body())?;
        let name = needed("name", m.text("name")?)?;
        let display = m.line("display", NAME_CHARS_MAX)?.unwrap_or_default();
        let role = role(&needed("role", m.text("role")?)?)?;
        let binding = Binding::default().read(&mut m, true)?;
        let password = m.secret("password", PASSWORD_CHARS_MAX)?;
        let enabled = m.flag("enabled")?.unwrap_or(true);
        m.end()?;
        let is_host = binding.tenant.is_none() && cx.caller.scope.tenant().is_none();
        let name = login_name(&name, is_host)?;
        Ok(UserForm { name, display, role, binding, password, enabled })
    }

    fn describe(_: &mut Components) -> Value {
        let flag = json!({"type": "boolean"});
        let name = format!("^[A-Za-z0-9._+@-]{{1,{LOGIN_CHARS_MAX}}}$");
        let password = secret_shape(PASSWORD_CHARS_MIN, PASSWORD_CHARS_MAX);
        let mut members = vec![
            ("name", pattern_shape(&name), "Login name.", true),
            ("display", line_shape(NAME_CHARS_MAX), "Shown name.", false),
            ("role", role_shape(), "What he may.", true),
            ("password", password, "Password; without one he cannot log in.", false),
            ("enabled", flag, "May log in.", false),
        ];
        members.extend(Binding::shapes());
        object(&members)
    }
}

/// `POST /users`
pub(crate) async fn create(form: UserForm, cx: Context) -> Result<Made<UserView>, Problem> {
    must_be_himself(&cx)?;
    if let Some(password) = &form.password {
        good_password(&cx, "password", password, &form.name).await?;
    }
    let grant = given(&cx, form.role, form.binding).await?;
    let password = match form.password {
        Some(password) => Some(cx.api.hasher.hash(password).await?),
        None => None,
    };
    let at_us = cx.api.now_us();
    let UserForm { name, display, enabled, .. } = form;
    let new = NewUser { name, display, grant, password, enabled, at_us };
    let mut w = cx.api.store.write().await?;
    let user = w.insert_user(&new).await?;
    record(&cx, &mut w, None, Some(&user)).await?;
    w.commit().await?;
    Ok(Made(versioned(&user)))
}

/// A change of a user as it is sent.
pub(crate) struct UserPatchForm(Vec<u8>);

impl Form for UserPatchForm {
    fn read(cx: &Context) -> Result<Self, Problem> {
        // What it means depends on what he is; here it is read once for its form.
        patched(cx.body(), None).map(|_| UserPatchForm(cx.body().to_vec()))
    }

    fn describe(_: &mut Components) -> Value {
        let [_, organization, account, subscriber] = Binding::shapes();
        object(&[
            ("display", line_shape(NAME_CHARS_MAX), "Shown name.", false),
            ("role", role_shape(), "What he may.", false),
            ("enabled", json!({"type": "boolean"}), "May log in.", false),
            organization,
            account,
            subscriber,
        ])
    }
}

/// What a patch makes of a user.
struct Patched {
    display: Option<String>,
    role: Option<Role>,
    enabled: Option<bool>,
    binding: Binding,
}

fn patched(body: &[u8], user: Option<&User>) -> Result<Patched, Problem> {
    let mut m = Members::read(body)?;
    let display = m.line("display", NAME_CHARS_MAX)?;
    let role = m.text("role")?.map(|text| role(&text)).transpose()?;
    let enabled = m.flag("enabled")?;
    let before = user.map_or(Binding::default(), |user| Binding::of(user.grant.scope));
    let binding = before.read(&mut m, false)?;
    m.end()?;
    Ok(Patched { display, role, enabled, binding })
}

/// `PATCH /users/{id}`
pub(crate) async fn change(
    form: UserPatchForm,
    cx: Context,
) -> Result<Versioned<UserView>, Problem> {
    let user = touched(&cx).await?;
    let revision: i64 = cx.version()?.parse().map_err(|_| Problem::other_version())?;
    if revision != user.revision {
        return Err(Problem::other_version());
    }
    let patch = patched(&form.0, Some(&user))?;
    let role = patch.role.or(user.grant.role).unwrap_or(Role::Subscriber);
    let is_same = patch.role.is_none() && patch.binding == Binding::of(user.grant.scope);
    let grant = if is_same { user.grant } else { given(&cx, role, patch.binding).await? };
    let enabled = patch.enabled.unwrap_or(user.enabled);
    let is_other = grant != user.grant || !enabled;
    if is_other && cx.caller.user() == Some(user.id) {
        let field = if enabled { "role" } else { "enabled" };
        return Err(Problem::refused(field, "is not changed by the user himself"));
    }
    if grant.scope.tenant() != user.tenant() {
        return Err(Problem::refused("tenant", "stays for good"));
    }
    let display = patch.display.unwrap_or_else(|| user.display.clone());
    let mut w = cx.api.store.write().await?;
    let patch = UserPatch { display, grant, enabled };
    let changed = w.update_user(user.id, revision, &patch).await?;
    let changed = changed.ok_or_else(Problem::other_version)?;
    if is_other {
        w.remove_sessions(user.id, None).await?;
    }
    record(&cx, &mut w, Some(&user), Some(&changed)).await?;
    w.commit().await?;
    Ok(versioned(&changed))
}

/// `DELETE /users/{id}`
pub(crate) async fn remove(cx: Context) -> Result<Done, Problem> {
    let user = touched(&cx).await?;
    if cx.caller.user() == Some(user.id) {
        return Err(Problem::denied("nobody removes himself"));
    }
    let mut w = cx.api.store.write().await?;
    if !w.remove_user(user.id).await? {
        return Err(Problem::not_found());
    }
    record(&cx, &mut w, Some(&user), None).await?;
    w.commit().await?;
    Ok(Done)
}

/// A new password for somebody else.
pub(crate) struct PasswordForm(Secret);

impl Form for PasswordForm {
    fn read(cx: &Context) -> Result<Self, Problem> {
        let mut m = Members::read(cx.body())?;
        let password = needed("password", m.secret("password", PASSWORD_CHARS_MAX)?)?;
        m.end()?;
        Ok(PasswordForm(password))
    }

    fn describe(_: &mut Components) -> Value {
        let password = secret_shape(PASSWORD_CHARS_MIN, PASSWORD_CHARS_MAX);
        object(&[("password", password, "The new password.", true)])
    }
}

/// Looks at a new password of a login.
///
/// # Errors
/// A problem that names `field`; the database.
pub(crate) async fn good_password(
    cx: &Context,
    field: &str,
    password: &Secret,
    login: &str,
) -> Result<(), Problem> {
    let chars_min = cx.api.login_settings().await?.password_chars_min;
    password::check(field, password, login, chars_min)
}

/// `POST /users/{id}/password`
pub(crate) async fn set_password(form: PasswordForm, cx: Context) -> Result<Done, Problem> {
    let user = touched(&cx).await?;
    good_password(&cx, "password", &form.0, &user.name).await?;
    let hash = cx.api.hasher.hash(form.0).await?;
    let at_us = cx.api.now_us();
    let mut w = cx.api.store.write().await?;
    w.put_password(user.id, &hash, at_us).await?;
    // Whoever knew the old one is out.
    w.remove_sessions(user.id, cx.caller.session()).await?;
    let changed = User { password_us: Some(at_us), ..user.clone() };
    record(&cx, &mut w, Some(&user), Some(&changed)).await?;
    w.commit().await?;
    Ok(Done)
}

/// `DELETE /users/{id}/totp`
pub(crate) async fn clear_totp(cx: Context) -> Result<Done, Problem> {
    let user = touched(&cx).await?;
    let mut w = cx.api.store.write().await?;
    w.put_totp(user.id, &TotpState::Off).await?;
    w.put_recovery_codes(user.id, &[]).await?;
    let changed = User { totp: false, ..user.clone() };
    record(&cx, &mut w, Some(&user), Some(&changed)).await?;
    w.commit().await?;
    Ok(Done)
}

/// Why and how long somebody acts for another.
pub(crate) struct ImpersonationForm {
    reason: String,
    minutes: Option<u32>,
}

/// Most digits of its minutes.
const MINUTES_DIGITS: usize = 4;
/// Their pattern.
const MINUTES: &str = "^[1-9][0-9]{0,3}$";

impl Form for ImpersonationForm {
    fn read(cx: &Context) -> Result<Self, Problem> {
        let mut m = Members::read(cx.body())?;
        let reason = needed("reason", m.saying("reason", REASON_CHARS_MAX)?)?;
        let minutes = m.text("minutes")?.map(|text| count(&text, MINUTES_DIGITS));
        m.end()?;
        let what = || Problem::field("minutes", "is no whole number above zero");
        let minutes = minutes.map(|minutes| minutes.ok_or_else(what)).transpose()?;
        Ok(ImpersonationForm { reason, minutes })
    }

    fn describe(_: &mut Components) -> Value {
        object(&[
            ("reason", saying_shape(REASON_CHARS_MAX), "Why, in words, for the change log.", true),
            (
                "minutes",
                pattern_shape(MINUTES),
                "How long, a whole number; at most and else as is set (60).",
                false,
            ),
        ])
    }
}

/// `POST /users/{id}/impersonations`
pub(crate) async fn act_for(
    form: ImpersonationForm,
    cx: Context,
) -> Result<Made<ImpersonationView>, Problem> {
    let user = touched(&cx).await?;
    let most = cx.api.login_settings().await?.impersonation_ms_max / 60_000;
    let minutes = form.minutes.map_or(most, u64::from);
    if !(1..=most).contains(&minutes) {
        return Err(Problem::refused("minutes", format!("is no whole number from 1 to {most}")));
    }
    impersonate(&cx, &user, &form.reason, u32::try_from(minutes).unwrap_or(u32::MAX)).await
}
