//! Who asks: the token of a request, looked up by its hash.
//!
//! Two kinds of token are told apart by how they begin: those of sessions (people who logged in)
//! and long-lived ones (programs). A session may what its user may now. A long-lived token may what
//! it was made for, and only as long as its maker could make it again: a maker who lost a role, a
//! scope or his login takes his tokens with him, at once.

use crate::limits::{SESSION_TOUCH_US, TOKEN_BYTES_MAX};
use crate::permission::{Permission, is_withheld, may, may_grant};
use crate::problem::Problem;
use crate::shared::Shared;
use axum::http::{HeaderMap, header};
use ring::digest::{SHA256, digest};
use ring::rand::{SecureRandom, SystemRandom};
use std::net::IpAddr;
use std::sync::Arc;
use strowger_model::{Audience, Right, Role, SessionId, TokenId, UserId};
use strowger_store::{Grant, Scope, Secret, Session, StoreError, Token, User};

/// What the token of a session begins with.
const SESSION: &str = "sws_";
/// What a long-lived token begins with; the first ones had no mark.
const LONG: &str = "swt_";
/// Octets of chance in a token.
const CHANCE: usize = 32;

/// Who asks.
#[derive(Clone, Debug)]
pub(crate) struct Caller {
    /// Who really acts: `user@realm`, `user@realm/token`, `#parent/token`, or the name of a token
    /// that the switch made.
    pub(crate) name: String,
    /// The user for whom he acts.
    pub(crate) on_behalf: Option<String>,
    /// What it may see and touch.
    pub(crate) scope: Scope,
    /// How he came in.
    pub(crate) login: Login,
    /// What its organization, or one above, is not allowed of what its role is.
    pub(crate) withheld: Vec<Right>,
    role: Option<Role>,
}

/// How a caller came in.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Login {
    /// Not at all.
    Stranger,
    /// By a long-lived token.
    Token {
        id: TokenId,
        user: Option<UserId>,
        /// When it ends; `None` never.
        expires_us: Option<i64>,
    },
    /// By a session of his own.
    Session { id: SessionId, user: UserId },
    /// By a session in which he acts for another.
    Impersonation { id: SessionId, user: UserId },
}

impl Caller {
    /// Somebody who has not said who he is.
    pub(crate) fn stranger() -> Caller {
        Caller {
            name: String::new(),
            on_behalf: None,
            scope: Scope::Nothing,
            login: Login::Stranger,
            withheld: Vec::new(),
            role: None,
        }
    }

    /// # Errors
    /// 403 when its role has not got `permission`, or it is withheld.
    pub(crate) fn must(&self, permission: Permission) -> Result<(), Problem> {
        if self.has(permission) { Ok(()) } else { Err(Problem::forbidden(permission)) }
    }

    /// Whether it may do something.
    pub(crate) fn has(&self, permission: Permission) -> bool {
        let is_in = self.role.is_some_and(|role| may(role, permission));
        is_in && !is_withheld(&self.withheld, permission)
    }

    /// Role and scope.
    pub(crate) const fn grant(&self) -> Grant {
        Grant { role: self.role, scope: self.scope }
    }

    /// For whom the answer is made.
    pub(crate) fn audience(&self) -> Audience {
        // Who has no role sees no answer at all; if he did, it would be the narrowest.
        self.role.map_or(Audience::Subscriber, Role::audience)
    }

    /// The user of the session, or for whom somebody acts; tokens are nobody.
    pub(crate) const fn user(&self) -> Option<UserId> {
        match self.login {
            Login::Session { user, .. } | Login::Impersonation { user, .. } => Some(user),
            Login::Stranger | Login::Token { .. } => None,
        }
    }

    /// The session.
    pub(crate) const fn session(&self) -> Option<SessionId> {
        match self.login {
            Login::Session { id, .. } | Login::Impersonation { id, .. } => Some(id),
            Login::Stranger | Login::Token { .. } => None,
        }
    }
}

/// The hash under which the store keeps a token: SHA-256 in hex.
///
/// Tokens are random and long, so the hash needs no salt and no work factor.
#[must_use]
pub fn token_hash(token: &str) -> String {
    let hash = digest(&SHA256, token.as_bytes());
    hash.as_ref().iter().map(|byte| format!("{byte:02x}")).collect()
}

/// A new token of a session.
///
/// # Errors
/// The system has no randomness.
pub(crate) fn new_session_token() -> Result<Secret, Problem> {
    new_token(SESSION)
}

/// A new long-lived token.
///
/// # Errors
/// The system has no randomness.
pub(crate) fn new_long_token() -> Result<Secret, Problem> {
    new_token(LONG)
}

fn new_token(mark: &str) -> Result<Secret, Problem> {
    let mut bytes = [0u8; CHANCE];
    SystemRandom::new().fill(&mut bytes).map_err(|_| Problem::internal())?;
    let text: String = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
    Ok(Secret::new(format!("{mark}{text}")))
}

/// The token of a `Bearer` header (RFC 6750 section 2.1); `None` when there is not exactly one.
fn bearer(headers: &HeaderMap) -> Option<&str> {
    let mut values = headers.get_all(header::AUTHORIZATION).iter();
    let value = values.next()?.to_str().ok()?;
    if values.next().is_some() {
        return None;
    }
    let (scheme, token) = value.split_once(' ')?;
    let token = token.trim_matches(' ');
    (scheme.eq_ignore_ascii_case("bearer") && !token.is_empty()).then_some(token)
}

/// Finds out who asks. The hash is looked up in an index, so the time it takes tells nothing about
/// a token.
///
/// # Errors
/// 401, 429 when the source tried too often, 503 when the store cannot say.
pub(crate) async fn authorise(
    api: &Arc<Shared>,
    headers: &HeaderMap,
    source: IpAddr,
) -> Result<Caller, Problem> {
    let Some(token) = bearer(headers) else { return Err(Problem::unauthorized()) };
    let failures_max = api.login_settings().await?.token_failures_max;
    if let Some(wait_s) = api.limiter().wait_s(source, api.now_ms(), failures_max) {
        return Err(Problem::too_many(wait_s));
    }
    let found = match token.len() <= TOKEN_BYTES_MAX {
        true => find(api, token).await?,
        false => Found::Nothing,
    };
    match found {
        Found::Caller(caller) => Ok(*caller),
        // It was a token: who shows one that has ended guesses nothing.
        Found::Ended => Err(Problem::unauthorized()),
        Found::Nothing => {
            api.counts.token_failed();
            if api.limiter().failed(source, api.now_ms(), failures_max) {
                tracing::warn!(%source, "too many wrong tokens, refused for a minute");
            }
            Err(Problem::unauthorized())
        }
    }
}

/// What stands under a hash.
enum Found {
    Caller(Box<Caller>),
    Ended,
    Nothing,
}

async fn find(api: &Arc<Shared>, token: &str) -> Result<Found, StoreError> {
    let hash = token_hash(token);
    if token.starts_with(SESSION) {
        return match api.reader.session_by_hash(&hash).await? {
            Some(session) => of_session(api, session).await,
            None => Ok(Found::Nothing),
        };
    }
    match api.reader.token_by_hash(&hash).await? {
        Some(token) => of_token(api, token).await,
        None => Ok(Found::Nothing),
    }
}

async fn of_session(api: &Arc<Shared>, session: Session) -> Result<Found, StoreError> {
    let (now_us, user) = (api.now_us(), &session.user);
    if session.ends_us() <= now_us || !user.enabled {
        return Ok(Found::Ended);
    }
    let mut caller = Caller {
        name: user.login(),
        on_behalf: None,
        scope: user.grant.scope,
        login: Login::Session { id: session.id, user: user.id },
        withheld: withheld(api, user.grant.scope).await?,
        role: user.grant.role,
    };
    if let Some(actor) = session.actor {
        let Some(actor) = api.reader.user(Scope::All, actor).await? else {
            return Ok(Found::Ended);
        };
        if !impersonates(api, &actor, user).await? {
            return Ok(Found::Ended);
        }
        caller.on_behalf = Some(caller.name);
        caller.name = actor.login();
        caller.login = Login::Impersonation { id: session.id, user: user.id };
    }
    if now_us.saturating_sub(session.used_us) >= SESSION_TOUCH_US {
        touch(api.clone(), session.id, now_us);
    }
    Ok(Found::Caller(Box::new(caller)))
}

/// What is withheld from who sees so much.
async fn withheld(api: &Shared, scope: Scope) -> Result<Vec<Right>, StoreError> {
    match scope {
        Scope::Organization(_, id) => api.reader.withheld(id).await,
        Scope::Nothing
        | Scope::All
        | Scope::Tenant(_)
        | Scope::Customer(..)
        | Scope::Supplier(..)
        | Scope::Subscriber(..) => Ok(Vec::new()),
    }
}

/// Whether one user may act for another.
pub(crate) async fn impersonates(
    api: &Shared,
    actor: &User,
    user: &User,
) -> Result<bool, StoreError> {
    let is_allowed = actor.grant.role.is_some_and(|role| may(role, IMPERSONATE));
    if !actor.enabled || !is_allowed || !may_grant(actor.grant.role, user.grant.role) {
        return Ok(false);
    }
    api.reader.is_within(user.grant.scope, actor.grant.scope).await
}

/// To act for another.
const IMPERSONATE: Permission = Permission("users:impersonate");

/// Writes down that a session is used, once a minute, beside the request.
fn touch(api: Arc<Shared>, id: SessionId, now_us: i64) {
    tokio::spawn(async move {
        let touched = async {
            let mut w = api.store.write().await?;
            w.touch_session(id, now_us).await?;
            w.commit().await
        };
        if let Err(error) = touched.await {
            tracing::warn!(%error, "a session cannot be kept alive");
        }
    });
}

async fn of_token(api: &Shared, token: Token) -> Result<Found, StoreError> {
    if token.expires_us.is_some_and(|end| end <= api.now_us()) {
        return Ok(Found::Ended);
    }
    let mut name = token.name.clone();
    if let Some(user) = token.user {
        let Some(maker) = api.reader.user(Scope::All, user).await? else {
            return Ok(Found::Ended);
        };
        let is_his = may_grant(maker.grant.role, token.grant.role)
            && api.reader.is_within(token.grant.scope, maker.grant.scope).await?;
        if !maker.enabled || !is_his {
            return Ok(Found::Ended);
        }
        name = format!("{}/{name}", maker.login());
    } else if let Some(parent) = token.parent {
        // Who makes a token chooses its name, but not who he is.
        name = format!("#{parent}/{name}");
    }
    let Token { id, user, expires_us, grant, .. } = token;
    let withheld = withheld(api, grant.scope).await?;
    Ok(Found::Caller(Box::new(Caller {
        name,
        on_behalf: None,
        scope: grant.scope,
        login: Login::Token { id, user, expires_us },
        withheld,
        role: grant.role,
    })))
}

#[cfg(test)]
mod tests {
    use super::*;
    use axum::http::HeaderValue;

    fn check(values: &[&str], expect: Option<&str>) {
        let mut headers = HeaderMap::new();
        for value in values {
            headers.append(header::AUTHORIZATION, HeaderValue::from_str(value).unwrap());
        }
        assert_eq!(bearer(&headers), expect, "{values:?}");
    }

    #[test]
    fn one_bearer_header_counts() {
        check(&["Bearer a.b"], Some("a.b"));
        check(&["bEARER  a "], Some("a"));
        check(&[], None);
        check(&["Bearer"], None);
        check(&["Bearer "], None);
        check(&["Basic YTpi"], None);
        check(&["Bearer a", "Bearer a"], None);
    }

    #[test]
    fn hashes_are_sha256_in_hex() {
        // FIPS 180-2, appendix B.1.
        let expect = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";
        assert_eq!(token_hash("abc"), expect);
    }

    #[test]
    fn tokens_are_long_and_never_the_same() {
        let (one, other) = (new_session_token().unwrap(), new_session_token().unwrap());
        assert_ne!(one, other);
        assert_eq!(one.expose().len(), 4 + 64);
        assert!(one.expose().len() <= TOKEN_BYTES_MAX);
        assert!(new_long_token().unwrap().expose().starts_with("swt_"));
    }

    #[test]
    fn a_caller_without_a_known_role_may_nothing() {
        let caller = |role| Caller { role, scope: Scope::All, ..Caller::stranger() };
        assert!(caller(Some(Role::Owner)).must(Permission("calls:read")).is_ok());
        assert!(caller(None).must(Permission("calls:read")).is_err());
        assert!(Caller::stranger().must(Permission("api:read")).is_err());
    }
}
