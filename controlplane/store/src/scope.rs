//! What a caller may see: the first argument of every function that reads for people.
//!
//! A row that is out of scope is as if it were not there. Each table says once, as an [`Owner`],
//! how its rows belong to organizations, accounts and subscribers; the scope makes the condition.

use crate::{Reader, StoreError, Tried};
use sqlx::any::AnyArguments;
use sqlx::query::Query;
use sqlx::{Any, AssertSqlSafe, Row};
use std::collections::BTreeSet;
use std::fmt::Write as _;
use strowger_model::{AccountId, OrganizationId, SubscriberId, TenantId};

/// Whose rows a caller may see and touch.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum Scope {
    /// Nobody's: a caller who has not said who he is.
    Nothing,
    /// Everybody's, and what belongs to no tenant.
    All,
    /// Those of one tenant.
    Tenant(TenantId),
    /// Those of one organization and of all below it.
    Organization(TenantId, OrganizationId),
    /// Those of an account that buys.
    Customer(TenantId, AccountId),
    /// Those of an account that sells to us.
    Supplier(TenantId, AccountId),
    /// Those of one subscriber.
    Subscriber(TenantId, SubscriberId),
}

/// To whom something belongs that is not a row, such as a running call.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Owned {
    /// Tenant; `None` while none was found.
    pub tenant: Option<TenantId>,
    /// Its organization and all above it.
    pub organizations: Vec<OrganizationId>,
    /// Who pays.
    pub account: Option<AccountId>,
    /// Who is owed.
    pub supplier: Option<AccountId>,
    /// The subscriber.
    pub subscriber: Option<SubscriberId>,
}

impl Scope {
    /// The tenant that it ends at; `None` when at none.
    #[must_use]
    pub const fn tenant(self) -> Option<TenantId> {
        match self {
            Scope::Nothing | Scope::All => None,
            Scope::Tenant(tenant)
            | Scope::Organization(tenant, _)
            | Scope::Customer(tenant, _)
            | Scope::Supplier(tenant, _)
            | Scope::Subscriber(tenant, _) => Some(tenant),
        }
    }

    /// Whether something may be seen; what belongs to no tenant is seen only by those who see all.
    #[must_use]
    pub fn covers(self, owned: &Owned) -> bool {
        match self {
            Scope::Nothing => false,
            Scope::All => true,
            Scope::Tenant(_)
            | Scope::Organization(..)
            | Scope::Customer(..)
            | Scope::Supplier(..)
            | Scope::Subscriber(..) => owned.tenant == self.tenant() && self.is_owner(owned),
        }
    }

    fn is_owner(self, owned: &Owned) -> bool {
        match self {
            Scope::Nothing => false,
            Scope::All | Scope::Tenant(_) => true,
            Scope::Organization(_, id) => owned.organizations.contains(&id),
            Scope::Customer(_, id) => owned.account == Some(id),
            Scope::Supplier(_, id) => owned.supplier == Some(id),
            Scope::Subscriber(_, id) => owned.subscriber == Some(id),
        }
    }

    /// The condition on rows of `owner`, to stand behind others; its first value is `$first`.
    pub(crate) fn limits(self, owner: &Owner, first: usize) -> Limits {
        let (condition, id) = match self {
            Scope::Nothing => return Limits::nothing(),
            Scope::All => return Limits { text: String::new(), ids: Vec::new() },
            Scope::Tenant(_) => ("", 0),
            Scope::Organization(_, id) => (owner.organization, id.0),
            Scope::Customer(_, id) => (owner.customer, id.0),
            Scope::Supplier(_, id) => (owner.supplier, id.0),
            Scope::Subscriber(_, id) => (owner.subscriber, id.0),
        };
        let mut limits = Limits { text: String::new(), ids: Vec::new() };
        limits.and(&format!("{} = ?", owner.tenant), self.tenant().map_or(0, |t| t.0), first);
        match (self, condition) {
            (Scope::Nothing | Scope::All | Scope::Tenant(_), _) => limits,
            (_, "") => Limits::nothing(),
            (_, condition) => {
                limits.and(condition, id, first.saturating_add(1));
                limits
            }
        }
    }
}

/// How the rows of a table belong to somebody: conditions in which `?` stands for the id. An empty
/// one is for scopes that see nothing of the table.
pub(crate) struct Owner {
    /// Column of the tenant.
    pub(crate) tenant: &'static str,
    pub(crate) organization: &'static str,
    pub(crate) customer: &'static str,
    pub(crate) supplier: &'static str,
    pub(crate) subscriber: &'static str,
}

/// Rows with `organization_id`.
pub(crate) const IN_ORGANIZATION: &str =
    "organization_id IN (SELECT below_id FROM organization_tree WHERE above_id = ?)";

/// Only whole tenants and the host see the table.
pub(crate) const OF_TENANT: Owner =
    Owner { tenant: "tenant_id", organization: "", customer: "", supplier: "", subscriber: "" };
/// Only organizations and what is wider see the table.
pub(crate) const OF_ORGANIZATION: Owner = Owner { organization: IN_ORGANIZATION, ..OF_TENANT };

/// A condition on rows with the values of its places.
pub(crate) struct Limits {
    /// Empty, or ` AND ...`.
    pub(crate) text: String,
    /// The values, in order of their places.
    pub(crate) ids: Vec<i64>,
}

impl Limits {
    fn nothing() -> Limits {
        Limits { text: " AND 1 = 0".to_owned(), ids: Vec::new() }
    }

    fn and(&mut self, condition: &str, id: i64, place: usize) {
        // Writing to a String cannot fail.
        let _ok = write!(self.text, " AND {}", condition.replace('?', &format!("${place}")));
        self.ids.push(id);
    }

    /// Binds the values; those of the places before must be bound already.
    pub(crate) fn bind<'q>(&self, mut query: AnyQuery<'q>) -> AnyQuery<'q> {
        for id in &self.ids {
            query = query.bind(*id);
        }
        query
    }
}

/// A query of either database.
pub(crate) type AnyQuery<'q> = Query<'q, Any, AnyArguments>;

impl Reader {
    /// Whether `inner` sees nothing that `outer` does not see.
    ///
    /// # Errors
    /// [`StoreError::Database`].
    pub async fn is_within(&self, inner: Scope, outer: Scope) -> Result<bool, StoreError> {
        if inner == outer || inner == Scope::Nothing || outer == Scope::All {
            return Ok(outer != Scope::Nothing || inner == Scope::Nothing);
        }
        if inner == Scope::All || outer == Scope::Nothing || inner.tenant() != outer.tenant() {
            return Ok(false);
        }
        let (table, id) = match (inner, outer) {
            (_, Scope::Tenant(_)) => return Ok(true),
            (Scope::Nothing | Scope::All | Scope::Tenant(_), _) => return Ok(false),
            (Scope::Organization(_, id), _) => (Table::Organizations, id.0),
            // One that sells is no part of one that buys.
            (Scope::Customer(..), Scope::Customer(..) | Scope::Supplier(..))
            | (Scope::Supplier(..), Scope::Customer(..) | Scope::Supplier(..)) => return Ok(false),
            (Scope::Customer(_, id) | Scope::Supplier(_, id), _) => (Table::Accounts, id.0),
            (Scope::Subscriber(_, id), _) => (Table::Subscribers, id.0),
        };
        let (name, owner) = table.owner();
        let limits = outer.limits(owner, 2);
        let sql = format!("SELECT id FROM {name} WHERE id = $1{}", limits.text);
        let query = limits.bind(sqlx::query(AssertSqlSafe(sql)).bind(id));
        let row = query.fetch_optional(&self.pool).await.tried("compare scopes")?;
        Ok(row.is_some())
    }

    /// Whether what a scope ends at is there.
    ///
    /// # Errors
    /// [`StoreError::Database`].
    pub async fn is_there(&self, scope: Scope) -> Result<bool, StoreError> {
        let (table, id) = match scope {
            Scope::Nothing | Scope::All => return Ok(true),
            Scope::Tenant(id) => {
                let query = sqlx::query("SELECT id FROM tenants WHERE id = $1").bind(id.0);
                let row = query.fetch_optional(&self.pool).await.tried("look for a tenant")?;
                return Ok(row.is_some());
            }
            Scope::Organization(_, id) => (Table::Organizations, id.0),
            Scope::Customer(_, id) | Scope::Supplier(_, id) => (Table::Accounts, id.0),
            Scope::Subscriber(_, id) => (Table::Subscribers, id.0),
        };
        let (name, _) = table.owner();
        let sql = format!("SELECT id FROM {name} WHERE id = $1 AND tenant_id = $2");
        let tenant = scope.tenant().map_or(0, |tenant| tenant.0);
        let query = sqlx::query(AssertSqlSafe(sql)).bind(id).bind(tenant);
        let row = query.fetch_optional(&self.pool).await.tried("look for what is bound")?;
        Ok(row.is_some())
    }

    /// An organization and all below it.
    ///
    /// # Errors
    /// [`StoreError::Database`].
    pub async fn subtree(
        &self,
        top: OrganizationId,
    ) -> Result<BTreeSet<OrganizationId>, StoreError> {
        let sql = "SELECT below_id FROM organization_tree WHERE above_id = $1";
        let rows = sqlx::query(sql).bind(top.0).fetch_all(&self.pool).await;
        let rows = rows.tried("read the tree of organizations")?;
        let ids = rows.iter().map(|row| row.try_get("below_id").map(OrganizationId));
        ids.collect::<Result<_, _>>().tried("read the tree of organizations")
    }
}

enum Table {
    Organizations,
    Accounts,
    Subscribers,
}

impl Table {
    fn owner(&self) -> (&'static str, &'static Owner) {
        match self {
            Table::Organizations => ("organizations", &ORGANIZATIONS),
            Table::Accounts => ("accounts", &ACCOUNTS),
            Table::Subscribers => ("subscribers", &SUBSCRIBERS),
        }
    }
}

/// Organizations.
pub(crate) const ORGANIZATIONS: Owner = Owner {
    organization: "id IN (SELECT below_id FROM organization_tree WHERE above_id = ?)",
    ..OF_TENANT
};
/// Accounts: carriers see their own.
pub(crate) const ACCOUNTS: Owner =
    Owner { organization: IN_ORGANIZATION, customer: "id = ?", supplier: "id = ?", ..OF_TENANT };
/// Subscribers: who pays for them sees them, and each sees himself.
pub(crate) const SUBSCRIBERS: Owner = Owner {
    organization: IN_ORGANIZATION,
    customer: "account_id = ?",
    subscriber: "id = ?",
    ..OF_TENANT
};
/// Trunks: their organization and what is above it.
pub(crate) const TRUNKS: Owner = OF_ORGANIZATION;
/// Records: of those who call and pay, of subscribers who are called, of suppliers who were tried.
pub(crate) const CDRS: Owner = Owner {
    organization: "caller_organization_id IN \
        (SELECT below_id FROM organization_tree WHERE above_id = ?)",
    customer: "caller_account_id = ?",
    supplier: "(supplier_account_id = ? OR EXISTS (SELECT 1 FROM cdr_hops h \
        WHERE h.cdr_id = cdrs.id AND h.part = cdrs.part AND h.supplier_id = ?))",
    subscriber: "(caller_subscriber_id = ? OR called_subscriber_id = ?)",
    ..OF_TENANT
};

#[cfg(test)]
mod tests {
    use super::*;

    const TENANT: TenantId = TenantId(7);

    #[test]
    fn conditions_follow_the_scope() {
        let text = |scope: Scope, owner| {
            let limits = scope.limits(owner, 3);
            (limits.text, limits.ids)
        };
        let nothing = (" AND 1 = 0".to_owned(), vec![]);
        assert_eq!(text(Scope::Nothing, &ACCOUNTS), nothing);
        assert_eq!(text(Scope::All, &ACCOUNTS), (String::new(), vec![]));
        let of_tenant = (" AND tenant_id = $3".to_owned(), vec![7]);
        assert_eq!(text(Scope::Tenant(TENANT), &TRUNKS), of_tenant);
        let own = (" AND tenant_id = $3 AND id = $4".to_owned(), vec![7, 9]);
        assert_eq!(text(Scope::Customer(TENANT, AccountId(9)), &ACCOUNTS), own);
        assert_eq!(text(Scope::Subscriber(TENANT, SubscriberId(9)), &SUBSCRIBERS), own);
        assert_eq!(text(Scope::Subscriber(TENANT, SubscriberId(9)), &ACCOUNTS), nothing);
        assert_eq!(text(Scope::Supplier(TENANT, AccountId(9)), &TRUNKS), nothing);
    }

    #[test]
    fn what_is_no_row_is_covered_like_one() {
        let owned = Owned {
            tenant: Some(TENANT),
            organizations: vec![OrganizationId(3), OrganizationId(1)],
            account: Some(AccountId(4)),
            supplier: Some(AccountId(5)),
            subscriber: Some(SubscriberId(6)),
        };
        let nobodys = Owned::default();
        for (scope, expect) in [
            (Scope::Nothing, [false, false]),
            (Scope::All, [true, true]),
            (Scope::Tenant(TENANT), [true, false]),
            (Scope::Tenant(TenantId(1)), [false, false]),
            (Scope::Organization(TENANT, OrganizationId(1)), [true, false]),
            (Scope::Organization(TENANT, OrganizationId(2)), [false, false]),
            (Scope::Organization(TenantId(1), OrganizationId(1)), [false, false]),
            (Scope::Customer(TENANT, AccountId(4)), [true, false]),
            (Scope::Customer(TENANT, AccountId(5)), [false, false]),
            (Scope::Supplier(TENANT, AccountId(5)), [true, false]),
            (Scope::Supplier(TENANT, AccountId(4)), [false, false]),
            (Scope::Subscriber(TENANT, SubscriberId(6)), [true, false]),
            (Scope::Subscriber(TENANT, SubscriberId(4)), [false, false]),
        ] {
            assert_eq!([scope.covers(&owned), scope.covers(&nobodys)], expect, "{scope:?}");
        }
    }
}
