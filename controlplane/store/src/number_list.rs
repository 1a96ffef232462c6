//! What was done to the entries of lists of numbers: they lie in files, their changes in the log.

use crate::{Actor, Change, StoreError, Writer};
use serde_json::json;
use strowger_model::{NumberListId, TenantId};

/// Resource of the change log, as REST names it.
const RESOURCE: &str = "number-lists";

/// A change of a list's entries.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct ListChange {
    /// The list.
    pub list: NumberListId,
    /// Its tenant.
    pub tenant: Option<TenantId>,
    /// What was done, in a word.
    pub deed: &'static str,
    /// Lines that it was done with.
    pub lines: u64,
    /// SHA-256 of them, hexadecimal.
    pub sha256: String,
    /// Entries before.
    pub before: u64,
    /// Entries after.
    pub after: u64,
    /// When.
    pub at_us: i64,
}

impl Writer<'_> {
    /// Says in the change log that a list has other entries.
    ///
    /// # Errors
    /// [`StoreError::Database`].
    pub async fn record_list_change(
        &mut self,
        actor: &Actor,
        change: &ListChange,
    ) -> Result<(), StoreError> {
        let before = json!({"entries": change.before});
        let after = json!({
            "entries": change.after, "deed": change.deed, "lines": change.lines,
            "sha256": change.sha256,
        });
        let id = change.list.0;
        let entry = Change::new(RESOURCE, id, Some(&before), Some(&after), change.at_us);
        self.record_change(actor, &entry.of(change.tenant, None)).await.map(|_| ())
    }
}
