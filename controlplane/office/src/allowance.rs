//! Which free time a call takes.

use std::collections::BTreeMap;
use strowger_billing::Settlement;
use strowger_model::{AccountId, Allowance, AllowanceId};
use strowger_routing::Plan;

/// The allowances of all accounts; each account's in the order in which they are tried.
#[derive(Default, Debug)]
pub(crate) struct Allowances(BTreeMap<AccountId, Vec<Allowance>>);

impl Allowances {
    pub(crate) fn put(&mut self, allowance: Allowance) {
        let list = self.0.entry(allowance.account).or_default();
        list.retain(|known| known.id != allowance.id);
        let at = list.partition_point(|known| known.order() < allowance.order());
        list.insert(at, allowance);
    }

    /// The settlement of a plan, when its payer has any free time at all.
    pub(crate) fn settlement_of(&self, plan: &Plan, payer: AccountId) -> Option<Settlement> {
        self.0.get(&payer)?;
        Settlement::decode(&plan.go.settlement.0).ok()
    }

    /// What is for a call: the longest prefix first, then what ends first.
    pub(crate) fn matching(
        &self,
        payer: AccountId,
        call: &Settlement,
    ) -> impl Iterator<Item = AllowanceId> {
        let list = self.0.get(&payer).map(Vec::as_slice).unwrap_or_default();
        let (number, at_us) = (call.number.as_ref(), call.began_us);
        list.iter().filter(move |one| one.is_for(number, at_us)).map(|one| one.id)
    }
}
