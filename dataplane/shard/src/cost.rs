//! How much work a shard has taken on, in units; `LIFECYCLE.md` says why not in calls.

/// A call that relays media: some 100 packets a second beside its signalling.
pub(crate) const MEDIA_CALL: u64 = 8;
/// A call whose media does not pass here.
pub(crate) const CALL: u64 = 2;
/// A request outside calls that waits for its answer.
pub(crate) const WAITING: u64 = 2;
/// A transaction of either side that has not said its last word.
pub(crate) const TRANSACTION: u64 = 1;

/// What is under way.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub(crate) struct Load {
    /// Calls that are not over.
    pub(crate) calls: usize,
    /// Of these, relayed: at most as many are counted as there are calls.
    pub(crate) relayed: usize,
    /// Requests outside calls that wait.
    pub(crate) waiting: usize,
    /// Transactions that have not said their last word. The others hold memory, and go early when
    /// there are many.
    pub(crate) transactions: usize,
}

impl Load {
    /// The units of it.
    pub(crate) fn units(&self) -> u64 {
        let relayed = self.relayed.min(self.calls);
        [
            (self.calls - relayed, CALL),
            (relayed, MEDIA_CALL),
            (self.waiting, WAITING),
            (self.transactions, TRANSACTION),
        ]
        .into_iter()
        .fold(0, |sum, (count, each)| sum + each.saturating_mul(count as u64))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_kind_of_work_has_its_price() {
        let load = Load { calls: 3, relayed: 1, waiting: 5, transactions: 7 };
        assert_eq!(load.units(), 2 * CALL + MEDIA_CALL + 5 * WAITING + 7 * TRANSACTION);
        assert_eq!(Load { calls: 1, relayed: 4, ..Load::default() }.units(), MEDIA_CALL);
        assert_eq!(Load::default().units(), 0);
    }
}
