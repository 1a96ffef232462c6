//! Which free time a call takes.

use std::collections::{BTreeMap, BTreeSet};
use strowger_billing::Settlement;
use strowger_model::{AccountId, Allowance, AllowanceId};
use strowger_routing::Plan;

/// The allowances of all accounts; each account's in the order in which they are tried.
#[derive(Default, Debug)]
pub(crate) struct Allowances {
    of: BTreeMap<AccountId, Vec<Allowance>>,
    /// All of them by their ends.
    ends: BTreeSet<(i64, AccountId, AllowanceId)>,
}

impl Allowances {
    pub(crate) fn put(&mut self, allowance: Allowance) {
        let list = self.of.entry(allowance.account).or_default();
        list.retain(|known| known.id != allowance.id);
        self.ends.insert((allowance.until_us, allowance.account, allowance.id));
        let at = list.partition_point(|known| known.order() < allowance.order());
        list.insert(at, allowance);
    }

    /// Forgets what ended first, if it ended before `before_us`.
    pub(crate) fn forget(&mut self, before_us: i64) -> Option<AllowanceId> {
        let (_, account, id) = self.ends.first().copied().filter(|end| end.0 < before_us)?;
        self.ends.pop_first();
        if let Some(list) = self.of.get_mut(&account) {
            list.retain(|known| known.id != id);
            if list.is_empty() {
                self.of.remove(&account);
            }
        }
        Some(id)
    }

    /// The settlement of a plan, when its payer has any free time at all.
    pub(crate) fn settlement_of(&self, plan: &Plan, payer: AccountId) -> Option<Settlement> {
        self.of.get(&payer)?;
        Settlement::decode(&plan.go.settlement.0).ok()
    }

    /// What is for a call, free time or packets of money: the longest prefix first, then what ends
    /// first.
    pub(crate) fn matching(
        &self,
        payer: AccountId,
        call: &Settlement,
        is_money: bool,
    ) -> impl Iterator<Item = AllowanceId> {
        let list = self.of.get(&payer).map(Vec::as_slice).unwrap_or_default();
        let (number, at_us) = (call.number.as_ref(), call.began_us);
        let fits = move |one: &&Allowance| one.is_money() == is_money && one.is_for(number, at_us);
        list.iter().filter(fits).map(|one| one.id)
    }
}
