//! Who may do what: permissions are `resource:verb`, roles are sets of them.
//!
//! A new endpoint puts its permission into the roles that have it, here, and its row into
//! `tests/rest/matrix.txt`, which says the same from outside and for every scope.

use strowger_model::{Right, Role};
use strowger_store::{Grant, Scope};

/// A permission, `resource:verb`.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub(crate) struct Permission(pub(crate) &'static str);

/// What everybody may who is known: see who he is, and mind his own login.
const SELF: &[&str] =
    &["api:read", "me:read", "me:write", "roles:read", "sessions:read", "sessions:write"];
/// What runs and what was.
const TRAFFIC: &[&str] = &["cdrs:read", "calls:read", "registrations:read", "subscribers:read"];
/// What an operator may look at.
const LOOK: &[&str] =
    &["trunks:read", "accounts:read", "users:read", "tokens:read", "changes:read"];
/// Users, their logins, and tokens for programs.
const LOGINS: &[&str] = &["users:read", "users:write", "tokens:read", "tokens:write"];

/// What customers of a reseller are made of.
const SELLING: &[&str] = &[
    "organizations:write",
    "accounts:write",
    "subscribers:write",
    "trunks:write",
    "ring-groups:write",
    "dids:write",
];
/// What is configured beside them, to look at.
const SETUP: &[&str] = &["tenants:read", "organizations:read", "ring-groups:read", "dids:read"];
/// How calls are routed.
const ROUTING: &[&str] = &[
    "tenants:write",
    "routes:read",
    "routes:write",
    "destinations:read",
    "destinations:write",
    "emergency-numbers:read",
    "emergency-numbers:write",
    "bans:read",
    "bans:write",
    "caller-rules:read",
    "caller-rules:write",
    "number-lists:read",
    "number-lists:write",
    "rules:read",
    "rules:write",
    "phonebook:read",
    "phonebook:write",
    "radius-servers:read",
    "radius-servers:write",
];

/// What is set.
const SETTINGS: &[&str] = &["settings:read", "settings:write"];

/// Prices.
const PRICES: &[&str] = &["tariffs:read", "tariffs:write"];

/// Rating records again.
const RERATES: &[&str] = &["rerates:read", "rerates:write", "rerates:publish"];

const ADMIN: &[&[&str]] = &[
    SELF,
    PRICES,
    TRAFFIC,
    LOOK,
    LOGINS,
    SELLING,
    SETUP,
    ROUTING,
    SETTINGS,
    &["calls:hangup", "registrations:write", "metrics:read", "users:impersonate"],
    &["route-tests:write"],
    &["replays:read", "replays:write"],
    &["messages:read", "statistics:read"],
    &["payments:write", "adjustments:write", "allowances:write"],
    RERATES,
];
const SUPPORT: &[&[&str]] = &[
    SELF,
    TRAFFIC,
    LOOK,
    SETUP,
    &["tariffs:read", "routes:read", "destinations:read", "emergency-numbers:read", "bans:read"],
    &["caller-rules:read", "number-lists:read", "rules:read", "phonebook:read"],
    &["radius-servers:read"],
    &["settings:read", "rerates:read"],
    &["calls:hangup", "registrations:write", "metrics:read", "route-tests:write"],
    &["messages:read"],
    &["statistics:read", "replays:read", "replays:write"],
];
const RESELLER: &[&[&str]] = &[
    SELF,
    TRAFFIC,
    LOOK,
    LOGINS,
    SELLING,
    SETUP,
    &["calls:hangup", "registrations:write", "users:impersonate"],
    &["payments:write", "allowances:write"],
    &["statistics:read"],
];
const CUSTOMER: &[&[&str]] = &[SELF, TRAFFIC, LOGINS, &["accounts:read", "statistics:read"]];
const SUPPLIER: &[&[&str]] =
    &[SELF, &["cdrs:read", "accounts:read", "tokens:read", "tokens:write"]];
const SUBSCRIBER: &[&[&str]] = &[SELF, TRAFFIC];

/// The permissions of a role; `None` is all there are.
fn sets(role: Role) -> Option<&'static [&'static [&'static str]]> {
    match role {
        Role::Owner => None,
        Role::Admin => Some(ADMIN),
        Role::Support => Some(SUPPORT),
        Role::Reseller => Some(RESELLER),
        Role::Customer => Some(CUSTOMER),
        Role::Supplier => Some(SUPPLIER),
        Role::Subscriber => Some(SUBSCRIBER),
    }
}

/// Whether a role has a permission.
pub(crate) fn may(role: Role, permission: Permission) -> bool {
    sets(role).is_none_or(|sets| sets.iter().any(|set| set.contains(&permission.0)))
}

/// What somebody may not from whom a right is withheld.
const fn withholds(right: Right) -> &'static [&'static str] {
    match right {
        // Part of what a permission allows: who changes the rows looks for them.
        Right::Resellers | Right::Prices => &[],
        Right::Organizations => &["organizations:write"],
        Right::Accounts => &["accounts:write"],
        Right::Subscribers => &["subscribers:write", "ring-groups:write"],
        Right::Trunks => &["trunks:write"],
        Right::Numbers => &["dids:write"],
        Right::Payments => &["payments:write", "allowances:write"],
        Right::Logins => &["users:write", "tokens:write", "users:impersonate"],
        Right::Calls => &["calls:hangup", "registrations:write"],
        Right::Statistics => &["statistics:read"],
    }
}

/// Whether a permission is withheld.
pub(crate) fn is_withheld(withheld: &[Right], permission: Permission) -> bool {
    withheld.iter().any(|right| withholds(*right).contains(&permission.0))
}

/// Every permission that an endpoint asks for, once, in order.
pub(crate) fn all() -> Vec<Permission> {
    let mut all: Vec<_> = crate::endpoints().filter_map(|e| e.permission.map(Permission)).collect();
    all.sort();
    all.dedup();
    all
}

/// Roles that a role may give to others: users and tokens get no more than their maker has.
pub(crate) const fn grantable(role: Role) -> &'static [Role] {
    use Role::{Admin, Customer, Owner, Reseller, Subscriber, Supplier, Support};
    match role {
        Owner => &[Owner, Admin, Support, Reseller, Customer, Supplier, Subscriber],
        Admin => &[Admin, Support, Reseller, Customer, Supplier, Subscriber],
        Support => &[Support],
        Reseller => &[Reseller, Customer, Subscriber],
        Customer => &[Customer, Subscriber],
        Supplier => &[Supplier],
        Subscriber => &[Subscriber],
    }
}

/// Whether somebody of role `maker` may make somebody of role `made`.
pub(crate) fn may_grant(maker: Option<Role>, made: Option<Role>) -> bool {
    match (maker, made) {
        (Some(maker), Some(made)) => grantable(maker).contains(&made),
        (Some(_) | None, Some(_) | None) => false,
    }
}

/// Why a role does not fit its scope; `None` when it does. Words stand behind the field `role`.
pub(crate) fn unfit(grant: Grant) -> Option<&'static str> {
    let role = grant.role?;
    let fits = match role {
        Role::Owner | Role::Admin | Role::Support => {
            matches!(grant.scope, Scope::All | Scope::Tenant(_))
        }
        Role::Reseller => matches!(grant.scope, Scope::Organization(..)),
        Role::Customer => matches!(grant.scope, Scope::Customer(..) | Scope::Organization(..)),
        Role::Supplier => matches!(grant.scope, Scope::Supplier(..)),
        Role::Subscriber => matches!(grant.scope, Scope::Subscriber(..)),
    };
    if fits {
        return None;
    }
    Some(match role {
        Role::Owner | Role::Admin | Role::Support => "is for the host or a whole tenant",
        Role::Reseller => "needs an organization",
        Role::Customer => "needs an account or an organization",
        Role::Supplier => "needs an account",
        Role::Subscriber => "needs a subscriber",
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use strowger_model::{AccountId, OrganizationId, SubscriberId, TenantId};

    #[test]
    fn an_owner_has_every_permission_and_every_permission_has_its_form() {
        for permission in all() {
            assert!(may(Role::Owner, permission), "{permission:?}");
            let (resource, verb) = permission.0.split_once(':').unwrap();
            assert!(!resource.is_empty() && !verb.is_empty(), "{permission:?}");
        }
    }

    #[test]
    fn roles_name_permissions_that_exist() {
        let known = all();
        for role in Role::ALL {
            for name in sets(role).unwrap_or_default().iter().copied().flatten() {
                assert!(known.contains(&Permission(name)), "{}: {name}", role.name());
            }
        }
    }

    #[test]
    fn what_is_withheld_is_what_a_reseller_has() {
        for right in [
            Right::Resellers,
            Right::Organizations,
            Right::Accounts,
            Right::Prices,
            Right::Subscribers,
            Right::Trunks,
            Right::Numbers,
            Right::Payments,
            Right::Logins,
            Right::Calls,
            Right::Statistics,
        ] {
            for name in withholds(right) {
                assert!(may(Role::Reseller, Permission(name)), "{name}");
                assert!(is_withheld(&[right], Permission(name)), "{name}");
            }
        }
        assert!(!is_withheld(&[Right::Accounts], Permission("accounts:read")));
    }

    /// Made by somebody else it would be a way to get more than one has.
    #[test]
    fn nobody_gives_what_he_has_not() {
        for maker in Role::ALL {
            for made in grantable(maker) {
                for permission in all() {
                    let more = may(*made, permission) && !may(maker, permission);
                    assert!(!more, "{} makes {}: {permission:?}", maker.name(), made.name());
                }
                for next in grantable(*made) {
                    assert!(grantable(maker).contains(next), "{} {}", maker.name(), next.name());
                }
            }
        }
        assert!(!may_grant(None, Some(Role::Subscriber)));
        assert!(!may_grant(Some(Role::Owner), None));
    }

    #[test]
    fn roles_are_bound_to_what_they_are_for() {
        let tenant = TenantId(1);
        let scopes = [
            Scope::All,
            Scope::Tenant(tenant),
            Scope::Organization(tenant, OrganizationId(1)),
            Scope::Customer(tenant, AccountId(1)),
            Scope::Supplier(tenant, AccountId(1)),
            Scope::Subscriber(tenant, SubscriberId(1)),
        ];
        // Host, tenant, organization, buying account, selling account, subscriber.
        for (role, expect) in [
            (Role::Owner, "yy...."),
            (Role::Admin, "yy...."),
            (Role::Support, "yy...."),
            (Role::Reseller, "..y..."),
            (Role::Customer, "..yy.."),
            (Role::Supplier, "....y."),
            (Role::Subscriber, ".....y"),
        ] {
            let fits = scopes.map(|scope| unfit(Grant::new(role, scope)).is_none());
            let is: String = fits.iter().map(|fits| if *fits { 'y' } else { '.' }).collect();
            assert_eq!(is, expect, "{}", role.name());
            assert!(unfit(Grant::new(role, Scope::Nothing)).is_some());
        }
    }
}
