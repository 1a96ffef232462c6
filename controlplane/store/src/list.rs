//! Pages of rows, for people.

use crate::{Reader, Scope, StoreError};
use strowger_model::{Account, AccountId, Subscriber, SubscriberId, Trunk, TrunkId};

/// Most rows of one read: a page of a thousand, and one more that tells whether another follows.
pub const LIST_MAX: u32 = 1001;

macro_rules! listed {
    ($row:ident, $id:ident, $list:ident, $one:ident) => {
        impl Reader {
            #[doc = concat!(stringify!($list), " in `scope` with ids above `after`, by id.")]
            ///
            /// # Errors
            /// [`StoreError`], naming the row that cannot be read.
            pub async fn $list(
                &self,
                scope: Scope,
                after: Option<$id>,
                limit: u32,
            ) -> Result<Vec<$row>, StoreError> {
                self.rows(scope, &[], after.map(|id| id.0), limit).await
            }

            #[doc = concat!("The ", stringify!($one), " with this id, if it is in `scope`.")]
            ///
            /// # Errors
            /// [`StoreError`], naming the row that cannot be read.
            pub async fn $one(&self, scope: Scope, id: $id) -> Result<Option<$row>, StoreError> {
                self.row(scope, id.0).await
            }
        }
    };
}

listed!(Account, AccountId, accounts, account);
listed!(Subscriber, SubscriberId, subscribers, subscriber);
listed!(Trunk, TrunkId, trunks, trunk);
