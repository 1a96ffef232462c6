//! Numbers of ours whose owner pays for the calls to them, and their callers nothing (spec
//! C-BIL-13, DID-TOLLFREE-01).

use super::called::Called;
use super::plan::Costs;
use super::sender::Sender;
use super::way::Way;
use super::{Attempt, Stop};
use crate::refusal::Refusal;
use crate::trace::Step;
use strowger_billing::{Settlement, Terms};
use strowger_model::Account;

impl<'a> Attempt<'a> {
    /// Who pays for calls to the called number, if that is not who calls. What leaves us is no call
    /// to the number.
    pub(super) fn owner_pays(
        &mut self,
        sender: &Sender<'a>,
        called: &Called,
        way: &Way,
    ) -> Option<&'a Account> {
        let number = called.number.ok().filter(|_| way.inside)?;
        let (did, account) = self.world.payer_of(sender.tenant.id, number)?;
        self.note(Step::OwnerPays { did: did.0, account: account.id.0 });
        Some(account)
    }

    /// What the owner pays: the price of its own tariff and those of the resellers above, or the
    /// internal price.
    pub(super) fn owner_costs(
        &mut self,
        sender: &Sender<'a>,
        called: &Called,
        owner: &'a Account,
    ) -> Result<Costs, Stop> {
        let account = owner.id.0;
        if !owner.enabled {
            return Err(self.refuse_for(Refusal::Denied, Step::AccountDisabled { account }));
        }
        if let Some(terms) = self.tariff_terms(owner, called)? {
            let mut levels = vec![self.level(owner, terms)];
            self.add_resellers(owner, called, &mut levels)?;
            return Ok(Costs { levels });
        }
        self.note(Step::InternalPrice { account });
        let terms = Terms::flat(sender.tenant.internal_price, owner.currency)
            .map_err(|_| Refusal::Internal)?;
        Ok(Costs { levels: vec![self.level(owner, terms)] })
    }

    /// Whether the call goes on while nobody can say whether its payer may.
    pub(super) fn goes_on(&self, sender: &Sender<'a>, settlement: &Settlement) -> bool {
        let own = sender.account;
        let payer = settlement.levels.first().filter(|level| level.account != own.id);
        let payer = payer.and_then(|level| self.world.account(level.account));
        payer.unwrap_or(own).go_on_without_control
    }
}
