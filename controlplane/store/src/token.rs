//! REST tokens and the small facts of `meta`. Tokens are kept as a hash, never as they are.

use crate::column::Columns;
use crate::user::USERS;
use crate::{LIST_MAX, Reader, Scope, StoreError, Tried, Writer};
use sqlx::{AnyConnection, AssertSqlSafe, Row};
use strowger_model::{AccountId, OrganizationId, Role, SubscriberId, TenantId, TokenId, UserId};

/// What somebody may, and where.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Grant {
    /// Role; `None` is one of a later release, which may nothing.
    pub role: Option<Role>,
    /// What it may see and touch.
    pub scope: Scope,
}

impl Grant {
    /// A role in a scope.
    #[must_use]
    pub const fn new(role: Role, scope: Scope) -> Grant {
        Grant { role: Some(role), scope }
    }

    pub(crate) fn role_name(self) -> &'static str {
        self.role.map_or("", Role::name)
    }
}

impl Scope {
    /// Tenant, organization, account and subscriber as columns.
    pub(crate) const fn columns(self) -> [Option<i64>; 4] {
        match self {
            Scope::Nothing | Scope::All => [None, None, None, None],
            Scope::Tenant(tenant) => [Some(tenant.0), None, None, None],
            Scope::Organization(tenant, id) => [Some(tenant.0), Some(id.0), None, None],
            Scope::Customer(tenant, id) | Scope::Supplier(tenant, id) => {
                [Some(tenant.0), None, Some(id.0), None]
            }
            Scope::Subscriber(tenant, id) => [Some(tenant.0), None, None, Some(id.0)],
        }
    }
}

/// Reads role and scope: the narrowest of what is bound.
pub(crate) fn grant(c: &Columns<'_>) -> Result<Grant, StoreError> {
    let role = Role::parse(&c.text("role")?);
    let tenant = c.int_or_null("tenant_id")?.map(TenantId);
    let organization = c.int_or_null("organization_id")?.map(OrganizationId);
    let account = c.int_or_null("account_id")?.map(AccountId);
    let subscriber = c.int_or_null("subscriber_id")?.map(SubscriberId);
    let scope = match (tenant, organization, account, subscriber) {
        (None, None, None, None) => Scope::All,
        // Only a tenant's row can be bound to something of it.
        (None, ..) => Scope::Nothing,
        (Some(tenant), _, _, Some(id)) => Scope::Subscriber(tenant, id),
        (Some(tenant), _, Some(id), None) if role == Some(Role::Supplier) => {
            Scope::Supplier(tenant, id)
        }
        (Some(tenant), _, Some(id), None) => Scope::Customer(tenant, id),
        (Some(tenant), Some(id), None, None) => Scope::Organization(tenant, id),
        (Some(tenant), None, None, None) => Scope::Tenant(tenant),
    };
    Ok(Grant { role, scope })
}

/// Who a token speaks for.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Token {
    /// Identity.
    pub id: TokenId,
    /// Shown name, the actor of the change log.
    pub name: String,
    /// What it may, and where.
    pub grant: Grant,
    /// Whose it is; `None` for one that no user made.
    pub user: Option<UserId>,
    /// The token that it was made with, which it goes with.
    pub parent: Option<TokenId>,
    /// When it was made, microseconds since 1970 UTC.
    pub created_us: i64,
    /// When it ends; `None` never.
    pub expires_us: Option<i64>,
}

/// A token that is to be.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct NewToken {
    /// Shown name.
    pub name: String,
    /// What it may, and where.
    pub grant: Grant,
    /// Hash (hex of SHA-256).
    pub hash: String,
    /// Whose it is.
    pub user: Option<UserId>,
    /// The token that it is made with.
    pub parent: Option<TokenId>,
    /// Now, microseconds since 1970 UTC.
    pub at_us: i64,
    /// When it ends; `None` never.
    pub expires_us: Option<i64>,
}

fn token(c: &Columns<'_>) -> Result<Token, StoreError> {
    Ok(Token {
        id: TokenId(c.int("id")?),
        name: c.text("name")?,
        grant: grant(c)?,
        user: c.int_or_null("user_id")?.map(UserId),
        parent: c.int_or_null("parent_id")?.map(TokenId),
        created_us: c.int("created_us")?,
        expires_us: c.int_or_null("expires_us")?,
    })
}

impl Reader {
    /// The token with this hash (hex of SHA-256), ended or not.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn token_by_hash(&self, hash: &str) -> Result<Option<Token>, StoreError> {
        let query = sqlx::query("SELECT * FROM tokens WHERE hash = $1").bind(hash.to_owned());
        let row = query.fetch_optional(&self.pool).await.tried("look for a token")?;
        row.map(|row| token(&Columns::new("tokens", &row))).transpose()
    }

    /// Tokens for things in `scope` with ids above `after`, by id; ended ones too.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn tokens(
        &self,
        scope: Scope,
        after: Option<TokenId>,
        limit: u32,
    ) -> Result<Vec<Token>, StoreError> {
        let limits = scope.limits(&USERS, 3);
        let sql = format!("SELECT * FROM tokens WHERE id > $1{} ORDER BY id LIMIT $2", limits.text);
        let query = sqlx::query(AssertSqlSafe(sql))
            .bind(after.map_or(i64::MIN, |id| id.0))
            .bind(i64::from(limit.min(LIST_MAX)));
        let rows = limits.bind(query).fetch_all(&self.pool).await.tried("list tokens")?;
        rows.iter().map(|row| token(&Columns::new("tokens", row))).collect()
    }

    /// The token with this id, if in `scope`.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn token(&self, scope: Scope, id: TokenId) -> Result<Option<Token>, StoreError> {
        let limits = scope.limits(&USERS, 2);
        let sql = format!("SELECT * FROM tokens WHERE id = $1{}", limits.text);
        let query = limits.bind(sqlx::query(AssertSqlSafe(sql)).bind(id.0));
        let row = query.fetch_optional(&self.pool).await.tried("read a token")?;
        row.map(|row| token(&Columns::new("tokens", &row))).transpose()
    }

    /// A value of `meta`.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn meta(&self, key: &str) -> Result<Option<String>, StoreError> {
        let row = sqlx::query("SELECT value FROM meta WHERE key = $1").bind(key);
        let row = row.fetch_optional(&self.pool).await.tried("read meta")?;
        row.map(|row| row.try_get("value").tried("read meta")).transpose()
    }
}

impl Writer<'_> {
    /// Writes the hash of a token of the host that no user made.
    ///
    /// # Errors
    /// [`StoreError::Database`].
    pub async fn insert_host_token(
        &mut self,
        name: &str,
        role: Role,
        hash: &str,
        created_us: i64,
    ) -> Result<(), StoreError> {
        let new = NewToken {
            name: name.to_owned(),
            grant: Grant::new(role, Scope::All),
            hash: hash.to_owned(),
            user: None,
            parent: None,
            at_us: created_us,
            expires_us: None,
        };
        self.insert_token(&new).await.map(|_| ())
    }

    /// Writes the hash of a token.
    ///
    /// # Errors
    /// [`StoreError::Database`].
    pub async fn insert_token(&mut self, new: &NewToken) -> Result<Token, StoreError> {
        let [tenant, organization, account, subscriber] = new.grant.scope.columns();
        let sql = "INSERT INTO tokens (tenant_id, organization_id, account_id, subscriber_id, \
             name, role, hash, user_id, parent_id, created_us, expires_us) \
             VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11) RETURNING *";
        let query = sqlx::query(sql)
            .bind(tenant)
            .bind(organization)
            .bind(account)
            .bind(subscriber)
            .bind(&new.name)
            .bind(new.grant.role_name())
            .bind(&new.hash)
            .bind(new.user.map(|id| id.0))
            .bind(new.parent.map(|id| id.0))
            .bind(new.at_us)
            .bind(new.expires_us);
        let row = query.fetch_one(&mut *self.tx).await.tried("write a token")?;
        token(&Columns::new("tokens", &row))
    }

    /// Removes a token and those that were made with it; `false` when there is none.
    ///
    /// # Errors
    /// [`StoreError::Database`].
    pub async fn remove_token(&mut self, id: TokenId) -> Result<bool, StoreError> {
        let query = sqlx::query("DELETE FROM tokens WHERE id = $1").bind(id.0);
        let done = query.execute(&mut *self.tx).await.tried("remove a token")?;
        Ok(done.rows_affected() > 0)
    }

    /// Removes every token of a name, so that a new one takes its place.
    ///
    /// # Errors
    /// [`StoreError::Database`].
    pub async fn remove_tokens(&mut self, name: &str) -> Result<(), StoreError> {
        let query = sqlx::query("DELETE FROM tokens WHERE name = $1").bind(name);
        query.execute(&mut *self.tx).await.tried("remove a token").map(|_| ())
    }

    /// Writes a value of `meta`.
    ///
    /// # Errors
    /// [`StoreError::Database`].
    pub async fn put_meta(&mut self, key: &str, value: &str) -> Result<(), StoreError> {
        let sql = "INSERT INTO meta (key, value) VALUES ($1, $2) \
             ON CONFLICT (key) DO UPDATE SET value = excluded.value";
        let query = sqlx::query(sql).bind(key).bind(value);
        query.execute(&mut *self.tx).await.tried("write meta").map(|_| ())
    }

    /// Appends a sentence about something that is no row to the change log. Changes of rows go
    /// through [`Writer::record_change`].
    ///
    /// # Errors
    /// [`StoreError::Database`].
    pub async fn log_change(
        &mut self,
        tenant: Option<i64>,
        actor: &str,
        resource: &str,
        what: &str,
        at_us: i64,
    ) -> Result<(), StoreError> {
        let sql = "INSERT INTO changes (tenant_id, actor, resource, what, at_us) \
             VALUES ($1, $2, $3, $4, $5)";
        let query = sqlx::query(sql).bind(tenant).bind(actor).bind(resource).bind(what).bind(at_us);
        query.execute(&mut *self.tx).await.tried("write the change log").map(|_| ())
    }
}

impl Reader {
    /// Number of the newest change that calls may depend on; 0 before the first. Users, their
    /// logins and tokens are none of those.
    ///
    /// # Errors
    /// [`StoreError::Database`].
    pub async fn newest_change(&self) -> Result<i64, StoreError> {
        let mut connection = self.pool.acquire().await.tried("read the change log")?;
        newest_change(&mut connection).await
    }
}

/// The one reading of [`Reader::newest_change`]: who compares numbers must have them of one kind.
pub(crate) async fn newest_change(connection: &mut AnyConnection) -> Result<i64, StoreError> {
    // From the end: it stops at the first that counts.
    let sql = "SELECT seq FROM changes WHERE resource NOT IN \
         ('users', 'sessions', 'tokens', 'impersonations', 'imports') ORDER BY seq DESC LIMIT 1";
    let row = sqlx::query(sql).fetch_optional(connection).await.tried("read the change log")?;
    row.map_or(Ok(0), |row| row.try_get("seq").tried("read the change log"))
}
