//! Rows by key, for people: pages in order of id, seen through a scope.

use crate::column::Columns;
use crate::config::{account, subscriber, trunk};
use crate::{Reader, StoreError, Tried};
use strowger_model::{Account, AccountId, Subscriber, SubscriberId, TenantId, Trunk, TrunkId};

/// Most rows of one read: a page of a thousand, and one more that tells whether another follows.
pub const LIST_MAX: u32 = 1001;

/// Whose rows a reader may see.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Scope {
    /// Everybody's.
    All,
    /// Those of one tenant.
    Tenant(TenantId),
}

impl Scope {
    /// Whether something of `tenant` may be seen; what belongs to no tenant is seen only by those
    /// who see all.
    #[must_use]
    pub fn covers(self, tenant: Option<TenantId>) -> bool {
        match self {
            Scope::All => true,
            Scope::Tenant(id) => tenant == Some(id),
        }
    }

    /// Values of `($1 = 0 OR tenant_id = $2)`.
    const fn condition(self) -> (i64, i64) {
        match self {
            Scope::All => (0, 0),
            Scope::Tenant(id) => (1, id.0),
        }
    }
}

macro_rules! listed {
    ($table:literal, $row:ident, $id:ident, $read:ident, $list:ident, $one:ident) => {
        impl Reader {
            #[doc = concat!("The ", $table, " in `scope` with ids above `after`, by id.")]
            ///
            /// # Errors
            /// [`StoreError`], naming the row that cannot be read.
            pub async fn $list(
                &self,
                scope: Scope,
                after: Option<$id>,
                limit: u32,
            ) -> Result<Vec<$row>, StoreError> {
                let sql = concat!(
                    "SELECT * FROM ",
                    $table,
                    " WHERE ($1 = 0 OR tenant_id = $2) AND ($3 = 0 OR id > $4) \
                     ORDER BY id LIMIT $5"
                );
                let (bound, tenant) = scope.condition();
                let query = sqlx::query(sql)
                    .bind(bound)
                    .bind(tenant)
                    .bind(i64::from(after.is_some()))
                    .bind(after.map_or(0, |id| id.0))
                    .bind(i64::from(limit.min(LIST_MAX)));
                let rows = query.fetch_all(&self.pool).await.tried(concat!("list ", $table))?;
                rows.iter().map(|row| $read(&Columns::new($table, row))).collect()
            }

            #[doc = concat!("The row of ", $table, " with this id, if it is in `scope`.")]
            ///
            /// # Errors
            /// [`StoreError`], naming the row that cannot be read.
            pub async fn $one(&self, scope: Scope, id: $id) -> Result<Option<$row>, StoreError> {
                let sql = concat!(
                    "SELECT * FROM ",
                    $table,
                    " WHERE ($1 = 0 OR tenant_id = $2) AND id = $3"
                );
                let (bound, tenant) = scope.condition();
                let query = sqlx::query(sql).bind(bound).bind(tenant).bind(id.0);
                let row = query.fetch_optional(&self.pool).await;
                let row = row.tried(concat!("read one of ", $table))?;
                row.map(|row| $read(&Columns::new($table, &row))).transpose()
            }
        }
    };
}

listed!("accounts", Account, AccountId, account, accounts, account);
listed!("subscribers", Subscriber, SubscriberId, subscriber, subscribers, subscriber);
listed!("trunks", Trunk, TrunkId, trunk, trunks, trunk);
