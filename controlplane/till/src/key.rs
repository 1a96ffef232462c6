//! What the till's numbers belong to.

use strowger_model::{AccountId, SubscriberId, TenantId, TrunkId};

/// Milliseconds of the monotonic clock.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Debug)]
pub struct Ms(pub u64);

impl Ms {
    pub(crate) const fn plus(self, ms: u64) -> Ms {
        Ms(self.0.saturating_add(ms))
    }
}

/// A hold: the id of the ask it was taken for. Its high 8 bits name the shard that asked.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct HoldId(pub u64);

/// An account on one node: its allotment. On a single node the allotment is the whole balance; in a
/// cluster it is a block moved there by a transfer (design of control, 5).
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct AccountKey {
    /// Node.
    pub node: u32,
    /// Account.
    pub account: AccountId,
}

/// What a limit is of, beside accounts.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum LimitKey {
    /// Calls from a subscriber.
    Subscriber(SubscriberId),
    /// Calls from a trunk.
    Trunk(TrunkId),
    /// Calls of a tenant.
    Tenant(TenantId),
    /// All calls.
    Switch,
}
