//! Logins that run.

use crate::column::Columns;
use crate::user::{USERS, user};
use crate::{LIST_MAX, Reader, Scope, StoreError, Tried, User, Writer};
use sqlx::AssertSqlSafe;
use strowger_model::{SessionId, UserId};

/// Most sessions of a user at once; a new one ends the oldest.
pub const SESSIONS_MAX: i64 = 50;

/// A login that runs.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Session {
    /// Identity.
    pub id: SessionId,
    /// Who is logged in, or for whom somebody acts.
    pub user: User,
    /// Who really acts, when that is somebody else.
    pub actor: Option<UserId>,
    /// Address that it began from.
    pub source: String,
    /// User-Agent that it began with.
    pub agent: String,
    /// When it began, microseconds since 1970 UTC.
    pub created_us: i64,
    /// When it was last used, to a minute.
    pub used_us: i64,
    /// It ends when it was not used for so long, microseconds.
    pub idle_us: i64,
    /// It ends then in any case.
    pub expires_us: i64,
}

impl Session {
    /// When it ends if it is not used again.
    #[must_use]
    pub fn ends_us(&self) -> i64 {
        self.expires_us.min(self.used_us.saturating_add(self.idle_us))
    }
}

/// A login that begins.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct NewSession {
    /// Who is logged in, or for whom somebody acts.
    pub user: UserId,
    /// Who really acts, when that is somebody else.
    pub actor: Option<UserId>,
    /// Hash of its token (hex of SHA-256).
    pub hash: String,
    /// Address that it comes from.
    pub source: String,
    /// User-Agent.
    pub agent: String,
    /// Now, microseconds since 1970 UTC.
    pub at_us: i64,
    /// It ends when it was not used for so long, microseconds.
    pub idle_us: i64,
    /// It ends then in any case.
    pub expires_us: i64,
}

const COLUMNS: &str = "users.*, \
    (SELECT t.realm FROM tenants t WHERE t.id = users.tenant_id) AS realm, \
    s.id AS session_id, s.actor_id, s.source, s.agent, \
    s.created_us AS began_us, s.used_us, s.idle_us, s.expires_us";

fn session(c: &Columns<'_>) -> Result<Session, StoreError> {
    Ok(Session {
        id: SessionId(c.int("session_id")?),
        user: user(c)?,
        actor: c.int_or_null("actor_id")?.map(UserId),
        source: c.text("source")?,
        agent: c.text("agent")?,
        created_us: c.int("began_us")?,
        used_us: c.int("used_us")?,
        idle_us: c.int("idle_us")?,
        expires_us: c.int("expires_us")?,
    })
}

impl Reader {
    /// The session whose token has this hash (hex of SHA-256), ended or not.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn session_by_hash(&self, hash: &str) -> Result<Option<Session>, StoreError> {
        let sql = format!(
            "SELECT {COLUMNS} FROM sessions s JOIN users ON users.id = s.user_id WHERE s.hash = $1"
        );
        let query = sqlx::query(AssertSqlSafe(sql)).bind(hash.to_owned());
        let row = query.fetch_optional(&self.pool).await.tried("look for a session")?;
        row.map(|row| session(&Columns::new("sessions", &row))).transpose()
    }

    /// Sessions of users in `scope` that run at `now_us`, with ids above `after`, by id.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn sessions(
        &self,
        scope: Scope,
        now_us: i64,
        after: Option<SessionId>,
        limit: u32,
    ) -> Result<Vec<Session>, StoreError> {
        let limits = scope.limits(&USERS, 5);
        let sql = format!(
            "SELECT {COLUMNS} FROM sessions s JOIN users ON users.id = s.user_id \
             WHERE s.id > $1 AND s.expires_us > $2 AND s.used_us + s.idle_us > $3{} \
             ORDER BY s.id LIMIT $4",
            limits.text
        );
        let query = sqlx::query(AssertSqlSafe(sql))
            .bind(after.map_or(i64::MIN, |id| id.0))
            .bind(now_us)
            .bind(now_us)
            .bind(i64::from(limit.min(LIST_MAX)));
        let rows = limits.bind(query).fetch_all(&self.pool).await.tried("list sessions")?;
        rows.iter().map(|row| session(&Columns::new("sessions", row))).collect()
    }

    /// The session with this id, if its user is in `scope`.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn session(
        &self,
        scope: Scope,
        id: SessionId,
    ) -> Result<Option<Session>, StoreError> {
        let limits = scope.limits(&USERS, 2);
        let sql = format!(
            "SELECT {COLUMNS} FROM sessions s JOIN users ON users.id = s.user_id WHERE s.id = $1{}",
            limits.text
        );
        let query = limits.bind(sqlx::query(AssertSqlSafe(sql)).bind(id.0));
        let row = query.fetch_optional(&self.pool).await.tried("read a session")?;
        row.map(|row| session(&Columns::new("sessions", &row))).transpose()
    }
}

impl Writer<'_> {
    /// Writes a new session, and removes those that have ended and the oldest of too many.
    ///
    /// # Errors
    /// [`StoreError::Database`].
    pub async fn insert_session(&mut self, new: &NewSession) -> Result<SessionId, StoreError> {
        let sql = "DELETE FROM sessions WHERE expires_us <= $1 OR used_us + idle_us <= $2";
        let query = sqlx::query(sql).bind(new.at_us).bind(new.at_us);
        query.execute(&mut *self.tx).await.tried("remove sessions that ended")?;
        let sql = "DELETE FROM sessions WHERE user_id = $1 AND id NOT IN \
             (SELECT id FROM sessions WHERE user_id = $2 ORDER BY id DESC LIMIT $3)";
        let query = sqlx::query(sql).bind(new.user.0).bind(new.user.0).bind(SESSIONS_MAX - 1);
        query.execute(&mut *self.tx).await.tried("remove the oldest sessions")?;
        let sql = "INSERT INTO sessions (user_id, actor_id, hash, source, agent, created_us, \
             used_us, idle_us, expires_us) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9) \
             RETURNING id";
        let query = sqlx::query(sql)
            .bind(new.user.0)
            .bind(new.actor.map(|id| id.0))
            .bind(&new.hash)
            .bind(&new.source)
            .bind(crate::column::clean(&new.agent).into_owned())
            .bind(new.at_us)
            .bind(new.at_us)
            .bind(new.idle_us)
            .bind(new.expires_us);
        let row = query.fetch_one(&mut *self.tx).await.tried("write a session")?;
        Columns::new("sessions", &row).int("id").map(SessionId)
    }

    /// A session was used.
    ///
    /// # Errors
    /// [`StoreError::Database`].
    pub async fn touch_session(&mut self, id: SessionId, at_us: i64) -> Result<(), StoreError> {
        let sql = "UPDATE sessions SET used_us = $1 WHERE id = $2 AND used_us < $3";
        let query = sqlx::query(sql).bind(at_us).bind(id.0).bind(at_us);
        query.execute(&mut *self.tx).await.tried("touch a session").map(|_| ())
    }

    /// Ends a session; `false` when there is none.
    ///
    /// # Errors
    /// [`StoreError::Database`].
    pub async fn remove_session(&mut self, id: SessionId) -> Result<bool, StoreError> {
        let query = sqlx::query("DELETE FROM sessions WHERE id = $1").bind(id.0);
        let done = query.execute(&mut *self.tx).await.tried("end a session")?;
        Ok(done.rows_affected() > 0)
    }

    /// Ends all sessions of a user and all that he acts in, but one.
    ///
    /// # Errors
    /// [`StoreError::Database`].
    pub async fn remove_sessions(
        &mut self,
        user: UserId,
        but: Option<SessionId>,
    ) -> Result<(), StoreError> {
        let sql = "DELETE FROM sessions WHERE (user_id = $1 OR actor_id = $2) AND id <> $3";
        let but = but.map_or(i64::MIN, |id| id.0);
        let query = sqlx::query(sql).bind(user.0).bind(user.0).bind(but);
        query.execute(&mut *self.tx).await.tried("end sessions").map(|_| ())
    }
}
