//! Free time that calls of an account share: allowances, in milliseconds.
//!
//! A pool is lent as money is: reserved in slices, counted by what records used, the rest given
//! back. `used + reserved <= granted` after every step.

use crate::AccountKey;
use std::collections::BTreeMap;
use strowger_model::AllowanceId;

/// What an allowance has given and can give.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Pool {
    /// Whose calls it is for.
    pub key: AccountKey,
    /// How much there is, milliseconds.
    pub granted_ms: u64,
    /// What records used.
    pub used_ms: u64,
    /// What running calls can still use.
    pub reserved_ms: u64,
}

impl Pool {
    /// What a call can reserve beyond what is.
    #[must_use]
    pub const fn left_ms(&self) -> u64 {
        self.granted_ms.saturating_sub(self.used_ms.saturating_add(self.reserved_ms))
    }
}

/// All pools.
#[derive(Default, Debug)]
pub(crate) struct Pools(BTreeMap<AllowanceId, Pool>);

impl Pools {
    /// A new pool, or another size of a known one.
    pub(crate) fn load(&mut self, id: AllowanceId, pool: Pool) {
        let known = self.0.entry(id).or_insert(pool);
        known.granted_ms = pool.granted_ms;
    }

    pub(crate) fn forget(&mut self, id: AllowanceId) {
        if self.0.get(&id).is_some_and(|pool| pool.reserved_ms == 0) {
            self.0.remove(&id);
        }
    }

    pub(crate) fn get(&self, id: AllowanceId) -> Option<&Pool> {
        self.0.get(&id)
    }

    /// What a call holds changes from `before_ms` to `after_ms`.
    pub(crate) fn reserve(&mut self, id: AllowanceId, before_ms: u64, after_ms: u64) {
        if let Some(pool) = self.0.get_mut(&id) {
            let others = pool.reserved_ms.saturating_sub(before_ms);
            pool.reserved_ms = others.saturating_add(after_ms);
        }
    }

    /// A record used so much; returns by how much the pool is overdrawn now.
    pub(crate) fn spend(&mut self, id: AllowanceId, used_ms: u64) -> u64 {
        let Some(pool) = self.0.get_mut(&id) else { return used_ms };
        pool.used_ms = pool.used_ms.saturating_add(used_ms);
        pool.used_ms.saturating_add(pool.reserved_ms).saturating_sub(pool.granted_ms)
    }
}
