//! Rows by key, for people: pages in order of id, seen through a scope.

use crate::column::Columns;
use crate::config::{account, subscriber, trunk};
use crate::scope::{ACCOUNTS, SUBSCRIBERS, TRUNKS};
use crate::{Reader, Scope, StoreError, Tried};
use sqlx::AssertSqlSafe;
use strowger_model::{Account, AccountId, Subscriber, SubscriberId, Trunk, TrunkId};

/// Most rows of one read: a page of a thousand, and one more that tells whether another follows.
pub const LIST_MAX: u32 = 1001;

macro_rules! listed {
    ($table:literal, $owner:ident, $row:ident, $id:ident, $read:ident, $list:ident, $one:ident) => {
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
                let limits = scope.limits(&$owner, 4);
                let sql = format!(
                    "SELECT * FROM {} WHERE ($1 = 0 OR id > $2){} ORDER BY id LIMIT $3",
                    $table, limits.text
                );
                let query = sqlx::query(AssertSqlSafe(sql))
                    .bind(i64::from(after.is_some()))
                    .bind(after.map_or(0, |id| id.0))
                    .bind(i64::from(limit.min(LIST_MAX)));
                let rows = limits
                    .bind(query)
                    .fetch_all(&self.pool)
                    .await
                    .tried(concat!("list ", $table))?;
                rows.iter().map(|row| $read(&Columns::new($table, row))).collect()
            }

            #[doc = concat!("The row of ", $table, " with this id, if it is in `scope`.")]
            ///
            /// # Errors
            /// [`StoreError`], naming the row that cannot be read.
            pub async fn $one(&self, scope: Scope, id: $id) -> Result<Option<$row>, StoreError> {
                let limits = scope.limits(&$owner, 2);
                let sql = format!("SELECT * FROM {} WHERE id = $1{}", $table, limits.text);
                let query = limits.bind(sqlx::query(AssertSqlSafe(sql)).bind(id.0));
                let row = query.fetch_optional(&self.pool).await;
                let row = row.tried(concat!("read one of ", $table))?;
                row.map(|row| $read(&Columns::new($table, &row))).transpose()
            }
        }
    };
}

listed!("accounts", ACCOUNTS, Account, AccountId, account, accounts, account);
listed!("subscribers", SUBSCRIBERS, Subscriber, SubscriberId, subscriber, subscribers, subscriber);
listed!("trunks", TRUNKS, Trunk, TrunkId, trunk, trunks, trunk);
