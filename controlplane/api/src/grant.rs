//! What users and tokens are given: never more than their maker has.

use crate::dispatch::Context;
use crate::form::{Members, id_shape};
use crate::permission::{may_grant, unfit};
use crate::problem::Problem;
use crate::token::Login;
use serde_json::{Value, json};
use strowger_model::{AccountId, OrganizationId, Role, SubscriberId, TenantId};
use strowger_store::{Grant, Scope};

/// What a user or token is to be bound to, as it is sent: the narrowest counts.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub(crate) struct Binding {
    pub(crate) tenant: Option<i64>,
    pub(crate) organization: Option<i64>,
    pub(crate) account: Option<i64>,
    pub(crate) subscriber: Option<i64>,
}

impl Binding {
    /// Reads the members of a body into what stood before; absent ones stay, null takes away.
    ///
    /// # Errors
    /// A problem that names the member.
    pub(crate) fn read(mut self, members: &mut Members, tenant: bool) -> Result<Binding, Problem> {
        if tenant {
            self.tenant = members.id("tenant")?.unwrap_or(self.tenant);
        }
        self.organization = members.id("organization")?.unwrap_or(self.organization);
        self.account = members.id("account")?.unwrap_or(self.account);
        self.subscriber = members.id("subscriber")?.unwrap_or(self.subscriber);
        Ok(self)
    }

    /// The members of a schema.
    pub(crate) fn shapes() -> [(&'static str, Value, &'static str, bool); 4] {
        [
            ("tenant", id_shape(), "Tenant; without one that of who asks.", false),
            ("organization", id_shape(), "Organization: it and all below it.", false),
            ("account", id_shape(), "Account.", false),
            ("subscriber", id_shape(), "Subscriber.", false),
        ]
    }

    /// What a scope is bound to.
    pub(crate) const fn of(scope: Scope) -> Binding {
        let none = Binding { tenant: None, organization: None, account: None, subscriber: None };
        match scope {
            Scope::Nothing | Scope::All => none,
            Scope::Tenant(t) => Binding { tenant: Some(t.0), ..none },
            Scope::Organization(t, id) => {
                Binding { tenant: Some(t.0), organization: Some(id.0), ..none }
            }
            Scope::Customer(t, id) | Scope::Supplier(t, id) => {
                Binding { tenant: Some(t.0), account: Some(id.0), ..none }
            }
            Scope::Subscriber(t, id) => {
                Binding { tenant: Some(t.0), subscriber: Some(id.0), ..none }
            }
        }
    }

    /// Whether nothing narrower than a tenant is named.
    pub(crate) const fn is_wide(self) -> bool {
        self.organization.is_none() && self.account.is_none() && self.subscriber.is_none()
    }

    /// The scope of somebody of `role`, made by somebody who ends at `tenant`.
    ///
    /// # Errors
    /// A problem that names `tenant` when it is needed and not there.
    fn scope(self, role: Role, tenant: Option<TenantId>) -> Result<Scope, Problem> {
        let tenant = self.tenant.map(TenantId).or(tenant);
        let Some(tenant) = tenant else {
            let needed = || Problem::refused("tenant", "is missing");
            return if self.is_wide() { Ok(Scope::All) } else { Err(needed()) };
        };
        Ok(match (self.organization, self.account, self.subscriber) {
            (_, _, Some(id)) => Scope::Subscriber(tenant, SubscriberId(id)),
            (_, Some(id), None) if role == Role::Supplier => Scope::Supplier(tenant, AccountId(id)),
            (_, Some(id), None) => Scope::Customer(tenant, AccountId(id)),
            (Some(id), None, None) => Scope::Organization(tenant, OrganizationId(id)),
            (None, None, None) => Scope::Tenant(tenant),
        })
    }
}

/// The role with this word.
///
/// # Errors
/// A problem that names `role`.
pub(crate) fn role(text: &str) -> Result<Role, Problem> {
    Role::parse(text).ok_or_else(|| Problem::field("role", "is no role"))
}

/// The schema of a role.
pub(crate) fn role_shape() -> Value {
    json!({"type": "string", "enum": Role::ALL.map(Role::name)})
}

/// What somebody is to get, if the caller has it himself. What is out of his scope is as if it were
/// not there.
///
/// # Errors
/// 403 for a role that he may not give; 422 that names what does not fit or is not there.
pub(crate) async fn given(cx: &Context, role: Role, binding: Binding) -> Result<Grant, Problem> {
    may_give(cx, Some(role))?;
    let scope = binding.scope(role, cx.caller.scope.tenant())?;
    let grant = Grant::new(role, scope);
    if let Some(why) = unfit(grant) {
        return Err(Problem::refused("role", why));
    }
    let reader = &cx.api.reader;
    if !reader.is_within(scope, cx.caller.scope).await? || !reader.is_there(scope).await? {
        let field = match scope {
            Scope::Nothing | Scope::All | Scope::Tenant(_) => "tenant",
            Scope::Organization(..) => "organization",
            Scope::Customer(..) | Scope::Supplier(..) => "account",
            Scope::Subscriber(..) => "subscriber",
        };
        return Err(Problem::refused(field, "is not there"));
    }
    Ok(grant)
}

/// Whether the caller may make, change and end somebody of this role.
///
/// # Errors
/// 403.
pub(crate) fn may_give(cx: &Context, role: Option<Role>) -> Result<(), Problem> {
    if may_grant(cx.caller.grant().role, role) {
        return Ok(());
    }
    Err(Problem::denied("the role is more than yours"))
}

/// What outlives a session, such as a token or a password, is made by nobody who acts for another.
///
/// # Errors
/// 403.
pub(crate) fn must_be_himself(cx: &Context) -> Result<(), Problem> {
    match cx.caller.login {
        Login::Stranger | Login::Token { .. } | Login::Session { .. } => Ok(()),
        Login::Impersonation { .. } => Err(Problem::denied("not while you act for another")),
    }
}
