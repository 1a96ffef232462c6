//! People who log in: their rows, passwords (as hashes) and second factors (sealed).

use crate::column::Columns;
use crate::scope::{Limits, OF_TENANT, Owner};
use crate::token::{Grant, grant};
use crate::{LIST_MAX, Reader, Scope, Sealed, Secret, StoreError, Tried, Writer};
use sqlx::AssertSqlSafe;
use strowger_model::{TenantId, UserId};

/// Users and tokens by what they are bound to.
pub(crate) const USERS: Owner = Owner {
    organization: "(organization_id IN (SELECT below_id FROM organization_tree WHERE above_id = ?) \
        OR account_id IN (SELECT a.id FROM accounts a JOIN organization_tree t \
        ON t.below_id = a.organization_id WHERE t.above_id = ?) \
        OR subscriber_id IN (SELECT s.id FROM subscribers s JOIN organization_tree t \
        ON t.below_id = s.organization_id WHERE t.above_id = ?))",
    customer: "((account_id = ? AND role <> 'supplier') OR subscriber_id IN \
        (SELECT s.id FROM subscribers s WHERE s.account_id = ?))",
    supplier: "(account_id = ? AND role = 'supplier')",
    subscriber: "subscriber_id = ?",
    ..OF_TENANT
};

/// Somebody who logs in.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct User {
    /// Identity.
    pub id: UserId,
    /// Login name, unique in its tenant, or among those of the host.
    pub name: String,
    /// Realm of his tenant; `None` for one of the host.
    pub realm: Option<String>,
    /// Shown name.
    pub display: String,
    /// What he may, and where.
    pub grant: Grant,
    /// May log in.
    pub enabled: bool,
    /// When the password was set; `None` without one.
    pub password_us: Option<i64>,
    /// Logs in with a second factor.
    pub totp: bool,
    /// Grows with every change.
    pub revision: i64,
    /// When he was made, microseconds since 1970 UTC.
    pub created_us: i64,
}

impl User {
    /// His tenant; `None` for one of the host.
    #[must_use]
    pub fn tenant(&self) -> Option<TenantId> {
        self.grant.scope.tenant()
    }

    /// His name in logs, `name@realm`, or `name` for one of the host.
    #[must_use]
    pub fn login(&self) -> String {
        match &self.realm {
            Some(realm) => format!("{}@{realm}", self.name),
            None => self.name.clone(),
        }
    }
}

/// What is read of a user; the realm tells users of one name apart.
pub(crate) const COLUMNS: &str =
    "*, (SELECT t.realm FROM tenants t WHERE t.id = users.tenant_id) AS realm";

/// Somebody who is to log in.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct NewUser {
    /// Login name.
    pub name: String,
    /// Shown name.
    pub display: String,
    /// What he may, and where.
    pub grant: Grant,
    /// Hash of the password; none cannot log in.
    pub password: Option<Secret>,
    /// May log in.
    pub enabled: bool,
    /// Now, microseconds since 1970 UTC.
    pub at_us: i64,
}

/// What a change of a user writes; all of it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct UserPatch {
    /// Shown name.
    pub display: String,
    /// What he may, and where.
    pub grant: Grant,
    /// May log in.
    pub enabled: bool,
}

/// What a login is checked against.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Credentials {
    /// Who.
    pub user: User,
    /// Hash of the password (PHC text).
    pub password: Option<Secret>,
    /// The second factor.
    pub totp: TotpState,
}

/// How far a second factor is.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum TotpState {
    /// None.
    Off,
    /// Given out, not shown to work yet: logins do not ask for it.
    Enrolled(Sealed),
    /// Asked for; codes up to this step were used.
    On(Sealed, i64),
}

pub(crate) fn user(c: &Columns<'_>) -> Result<User, StoreError> {
    Ok(User {
        id: UserId(c.int("id")?),
        name: c.text("name")?,
        realm: c.text_or_null("realm")?,
        display: c.text("display")?,
        grant: grant(c)?,
        enabled: c.flag("enabled")?,
        password_us: c.int_or_null("password_us")?,
        totp: c.flag("totp_confirmed")?,
        revision: c.int("revision")?,
        created_us: c.int("created_us")?,
    })
}

fn credentials(c: &Columns<'_>) -> Result<Credentials, StoreError> {
    let sealed = c.text_or_null("totp")?.map(Sealed::from_column);
    let totp = match (sealed, c.flag("totp_confirmed")?) {
        (None, _) => TotpState::Off,
        (Some(sealed), false) => TotpState::Enrolled(sealed),
        (Some(sealed), true) => TotpState::On(sealed, c.int("totp_step")?),
    };
    let password = c.text_or_null("password")?.map(Secret::new);
    Ok(Credentials { user: user(c)?, password, totp })
}

impl Reader {
    /// Users in `scope` with ids above `after`, by id.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn users(
        &self,
        scope: Scope,
        after: Option<UserId>,
        limit: u32,
    ) -> Result<Vec<User>, StoreError> {
        let limits = scope.limits(&USERS, 4);
        let sql = format!(
            "SELECT {COLUMNS} FROM users WHERE ($1 = 0 OR id > $2){} ORDER BY id LIMIT $3",
            limits.text
        );
        let query = sqlx::query(AssertSqlSafe(sql))
            .bind(i64::from(after.is_some()))
            .bind(after.map_or(0, |id| id.0))
            .bind(i64::from(limit.min(LIST_MAX)));
        let rows = limits.bind(query).fetch_all(&self.pool).await.tried("list users")?;
        rows.iter().map(|row| user(&Columns::new("users", row))).collect()
    }

    /// The user with this id, if in `scope`.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn user(&self, scope: Scope, id: UserId) -> Result<Option<User>, StoreError> {
        Ok(self.credentials_of(scope, id).await?.map(|known| known.user))
    }

    /// What the login of a user is checked against, if in `scope`.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn credentials_of(
        &self,
        scope: Scope,
        id: UserId,
    ) -> Result<Option<Credentials>, StoreError> {
        let Limits { text, ids } = scope.limits(&USERS, 2);
        let sql = format!("SELECT {COLUMNS} FROM users WHERE id = $1{text}");
        let limits = Limits { text: String::new(), ids };
        let query = limits.bind(sqlx::query(AssertSqlSafe(sql)).bind(id.0));
        let row = query.fetch_optional(&self.pool).await.tried("read a user")?;
        row.map(|row| credentials(&Columns::new("users", &row))).transpose()
    }

    /// What a login is checked against: by name in the tenant of `realm`, or among those of the
    /// host.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn credentials(
        &self,
        realm: Option<&str>,
        name: &str,
    ) -> Result<Option<Credentials>, StoreError> {
        let condition = match realm {
            Some(_) => "tenant_id = (SELECT r.id FROM tenants r WHERE r.realm = $2)",
            None => "tenant_id IS NULL",
        };
        let sql = format!("SELECT {COLUMNS} FROM users WHERE name = $1 AND {condition}");
        let mut query = sqlx::query(AssertSqlSafe(sql)).bind(name.to_owned());
        if let Some(realm) = realm {
            query = query.bind(realm.to_owned());
        }
        let row = query.fetch_optional(&self.pool).await.tried("look for a user")?;
        row.map(|row| credentials(&Columns::new("users", &row))).transpose()
    }

    /// How many recovery codes a user has left.
    ///
    /// # Errors
    /// [`StoreError::Database`].
    pub async fn recovery_codes(&self, id: UserId) -> Result<i64, StoreError> {
        let sql = "SELECT CAST(COUNT(*) AS BIGINT) AS n FROM recovery_codes WHERE user_id = $1";
        let row = sqlx::query(sql).bind(id.0).fetch_one(&self.pool).await;
        Columns::new("recovery_codes", &row.tried("count recovery codes")?).int("n")
    }
}

impl Writer<'_> {
    /// Writes a new user.
    ///
    /// # Errors
    /// [`StoreError::Refused`] for a name that is taken; [`StoreError::Database`], also when what
    /// he is bound to is not there.
    pub async fn insert_user(&mut self, new: &NewUser) -> Result<User, StoreError> {
        let [tenant, organization, account, subscriber] = new.grant.scope.columns();
        let sql = "SELECT id FROM users WHERE name = $1 AND COALESCE(tenant_id, 0) = $2 \
             AND ($3 = 1) = (tenant_id IS NULL)";
        let taken = sqlx::query(sql)
            .bind(&new.name)
            .bind(tenant.unwrap_or(0))
            .bind(i64::from(tenant.is_none()));
        let taken = taken.fetch_optional(&mut *self.tx).await.tried("look for a name")?;
        if taken.is_some() {
            return Err(StoreError::Refused { field: "name", why: "is taken" });
        }
        let sql = format!(
            "INSERT INTO users (tenant_id, organization_id, account_id, subscriber_id, name, \
             display, role, password, password_us, enabled, totp_confirmed, totp_step, revision, \
             created_us) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, 0, 0, 1, $11) \
             RETURNING {COLUMNS}"
        );
        let query = sqlx::query(AssertSqlSafe(sql))
            .bind(tenant)
            .bind(organization)
            .bind(account)
            .bind(subscriber)
            .bind(&new.name)
            .bind(&new.display)
            .bind(new.grant.role_name())
            .bind(new.password.as_ref().map(|hash| hash.expose().to_owned()))
            .bind(new.password.as_ref().map(|_| new.at_us))
            .bind(i64::from(new.enabled))
            .bind(new.at_us);
        let row = query.fetch_one(&mut *self.tx).await.tried("write a user")?;
        user(&Columns::new("users", &row))
    }

    /// Changes a user of this revision; `None` when there is none, or he has changed meanwhile.
    ///
    /// # Errors
    /// [`StoreError::Database`].
    pub async fn update_user(
        &mut self,
        id: UserId,
        revision: i64,
        patch: &UserPatch,
    ) -> Result<Option<User>, StoreError> {
        let [tenant, organization, account, subscriber] = patch.grant.scope.columns();
        let sql = format!(
            "UPDATE users SET tenant_id = $1, organization_id = $2, account_id = $3, \
             subscriber_id = $4, display = $5, role = $6, enabled = $7, revision = revision + 1 \
             WHERE id = $8 AND revision = $9 RETURNING {COLUMNS}"
        );
        let query = sqlx::query(AssertSqlSafe(sql))
            .bind(tenant)
            .bind(organization)
            .bind(account)
            .bind(subscriber)
            .bind(&patch.display)
            .bind(patch.grant.role_name())
            .bind(i64::from(patch.enabled))
            .bind(id.0)
            .bind(revision);
        let row = query.fetch_optional(&mut *self.tx).await.tried("change a user")?;
        row.map(|row| user(&Columns::new("users", &row))).transpose()
    }

    /// Removes a user with his sessions, tokens and codes; `false` when there is none.
    ///
    /// # Errors
    /// [`StoreError::Database`].
    pub async fn remove_user(&mut self, id: UserId) -> Result<bool, StoreError> {
        let query = sqlx::query("DELETE FROM users WHERE id = $1").bind(id.0);
        let done = query.execute(&mut *self.tx).await.tried("remove a user")?;
        Ok(done.rows_affected() > 0)
    }

    /// Sets the hash of a password.
    ///
    /// # Errors
    /// [`StoreError::Database`].
    pub async fn put_password(
        &mut self,
        id: UserId,
        hash: &Secret,
        at_us: i64,
    ) -> Result<(), StoreError> {
        let sql = "UPDATE users SET password = $1, password_us = $2, revision = revision + 1 \
             WHERE id = $3";
        let query = sqlx::query(sql).bind(hash.expose().to_owned()).bind(at_us).bind(id.0);
        query.execute(&mut *self.tx).await.tried("write a password").map(|_| ())
    }

    /// Gives out, confirms or takes away a second factor.
    ///
    /// # Errors
    /// [`StoreError::Database`].
    pub async fn put_totp(&mut self, id: UserId, totp: &TotpState) -> Result<(), StoreError> {
        let (sealed, is_on, step) = match totp {
            TotpState::Off => (None, false, 0),
            TotpState::Enrolled(sealed) => (Some(sealed), false, 0),
            TotpState::On(sealed, step) => (Some(sealed), true, *step),
        };
        let sql = "UPDATE users SET totp = $1, totp_confirmed = $2, totp_step = $3, \
             revision = revision + 1 WHERE id = $4";
        let query = sqlx::query(sql)
            .bind(sealed.map(|sealed| sealed.as_column().to_owned()))
            .bind(i64::from(is_on))
            .bind(step)
            .bind(id.0);
        query.execute(&mut *self.tx).await.tried("write a second factor").map(|_| ())
    }

    /// Uses up the codes of all steps to this one; `false` when it was used already.
    ///
    /// # Errors
    /// [`StoreError::Database`].
    pub async fn use_totp_step(&mut self, id: UserId, step: i64) -> Result<bool, StoreError> {
        let sql = "UPDATE users SET totp_step = $1 WHERE id = $2 AND totp_step < $3";
        let query = sqlx::query(sql).bind(step).bind(id.0).bind(step);
        let done = query.execute(&mut *self.tx).await.tried("use a second factor")?;
        Ok(done.rows_affected() > 0)
    }

    /// Replaces the recovery codes of a user by those with these hashes.
    ///
    /// # Errors
    /// [`StoreError::Database`].
    pub async fn put_recovery_codes(
        &mut self,
        id: UserId,
        hashes: &[String],
    ) -> Result<(), StoreError> {
        let query = sqlx::query("DELETE FROM recovery_codes WHERE user_id = $1").bind(id.0);
        query.execute(&mut *self.tx).await.tried("remove recovery codes")?;
        for hash in hashes {
            let sql = "INSERT INTO recovery_codes (user_id, hash) VALUES ($1, $2)";
            let query = sqlx::query(sql).bind(id.0).bind(hash);
            query.execute(&mut *self.tx).await.tried("write recovery codes")?;
        }
        Ok(())
    }

    /// Uses up a recovery code; `false` when there is none with this hash.
    ///
    /// # Errors
    /// [`StoreError::Database`].
    pub async fn use_recovery_code(&mut self, id: UserId, hash: &str) -> Result<bool, StoreError> {
        let sql = "DELETE FROM recovery_codes WHERE user_id = $1 AND hash = $2";
        let query = sqlx::query(sql).bind(id.0).bind(hash.to_owned());
        let done = query.execute(&mut *self.tx).await.tried("use a recovery code")?;
        Ok(done.rows_affected() > 0)
    }
}
