//! REST tokens and the small facts of `meta`. Tokens are kept as a hash, never as they are.

use crate::column::Columns;
use crate::{Reader, Scope, StoreError, Tried, Writer};
use sqlx::Row;
use strowger_model::TenantId;

/// Who a token speaks for.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Token {
    /// Identity.
    pub id: i64,
    /// Shown name, the actor of the change log.
    pub name: String,
    /// Role.
    pub role: String,
    /// What it may see and touch.
    pub scope: Scope,
}

impl Reader {
    /// The token with this hash (hex of SHA-256).
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn token(&self, hash: &str) -> Result<Option<Token>, StoreError> {
        let sql = "SELECT id, name, role, tenant_id FROM tokens WHERE hash = $1";
        let row = sqlx::query(sql).bind(hash).fetch_optional(&self.pool).await;
        let Some(row) = row.tried("look for a token")? else { return Ok(None) };
        let c = Columns::new("tokens", &row);
        let tenant = c.int_or_null("tenant_id")?.map(TenantId);
        Ok(Some(Token {
            id: c.int("id")?,
            name: c.text("name")?,
            role: c.text("role")?,
            scope: tenant.map_or(Scope::All, Scope::Tenant),
        }))
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
    /// Writes the hash of a token for all tenants.
    ///
    /// # Errors
    /// [`StoreError::Database`].
    pub async fn insert_token(
        &mut self,
        name: &str,
        role: &str,
        hash: &str,
        created_us: i64,
    ) -> Result<(), StoreError> {
        self.insert_scoped_token(Scope::All, name, role, hash, created_us).await
    }

    /// Writes the hash of a token that sees and touches no more than `scope`.
    ///
    /// # Errors
    /// [`StoreError::Database`].
    pub async fn insert_scoped_token(
        &mut self,
        scope: Scope,
        name: &str,
        role: &str,
        hash: &str,
        created_us: i64,
    ) -> Result<(), StoreError> {
        let tenant = match scope {
            Scope::All => None,
            Scope::Tenant(id) => Some(id.0),
        };
        let sql = "INSERT INTO tokens (tenant_id, name, role, hash, created_us) \
             VALUES ($1, $2, $3, $4, $5)";
        let query = sqlx::query(sql).bind(tenant).bind(name).bind(role).bind(hash).bind(created_us);
        query.execute(&mut *self.tx).await.tried("write a token").map(|_| ())
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

    /// Appends to the change log; it stands in the transaction of the change itself.
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
    /// Number of the newest change; 0 before the first.
    ///
    /// # Errors
    /// [`StoreError::Database`].
    pub async fn newest_change(&self) -> Result<i64, StoreError> {
        let row = sqlx::query("SELECT CAST(COALESCE(MAX(seq), 0) AS BIGINT) AS seq FROM changes");
        let row = row.fetch_one(&self.pool).await.tried("read the change log")?;
        row.try_get("seq").tried("read the change log")
    }
}
