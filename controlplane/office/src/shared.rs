//! Calls by shared DIDs: what goes out now, and at boot what records tell.

use super::Office;
use std::sync::Arc;
use strowger_model::{Digits, SubscriberId};
use strowger_routing::{SharedCall, SharedCalls};

/// A subscriber's call of before, by its record.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct PastCall {
    /// Who called.
    pub by: SubscriberId,
    /// The number that was called.
    pub number: Digits,
    /// The called number as it was dialled.
    pub received: String,
    /// What stood in From.
    pub from_user: String,
    /// When it began, microseconds since 1970 UTC.
    pub started_us: i64,
}

impl Office {
    /// Learns again at boot who called whom by shared DIDs. A record does not say which number the
    /// called party saw: it was a shared DID if the caller dialled one, shows one by its row, or
    /// wrote one into From.
    pub fn recall_shared(&mut self, calls: &[PastCall]) {
        let world = Arc::clone(&self.world);
        for call in calls {
            let Some(row) = world.subscriber(call.by) else { continue };
            let Some(tenant) = world.tenant(row.tenant) else { continue };
            let canonical = |text: &str| tenant.normalisation.normalise(text).ok();
            let said = || {
                [&call.received, &call.from_user]
                    .into_iter()
                    .find_map(|text| world.shared_did(tenant.id, canonical(text)?))
            };
            let own = row.identity.number.and_then(|number| world.shared_did(tenant.id, number));
            let number = world.contact_number(tenant.id, call.number.as_str());
            if let (Some(did), Some(number)) = (own.or_else(said), number) {
                let call_by = SharedCall { did: did.id, number, by: call.by };
                Arc::make_mut(&mut self.shared).note(call_by, call.started_us);
            }
        }
    }

    /// Who called whom by shared DIDs lately.
    #[must_use]
    pub const fn shared_calls(&self) -> &Arc<SharedCalls> {
        &self.shared
    }

    pub(crate) fn note_shared(&mut self, call: Option<SharedCall>, now_us: i64) {
        if let Some(call) = call {
            Arc::make_mut(&mut self.shared).note(call, now_us);
        }
    }
}
