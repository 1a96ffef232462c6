//! What one account pays for one number at the time of the call, and who pays beside it.

use super::called::Called;
use super::{Attempt, Stop};
use crate::refusal::Refusal;
use crate::tariff::TariffDeck;
use crate::trace::Step;
use crate::world::{NoTerms, Priced};
use strowger_billing::{Commission, EXCHANGES_MAX, LEVELS_MAX, Level, Settlement, Terms};
use strowger_model::{Account, AccountId, Currency, Egress, Tenant, Trunk};

/// How far ahead of the longest talk prices are looked at, for the time that the call rings,
/// milliseconds.
pub(crate) const RINGING_MS: u64 = 4 * 3_600_000;

impl Attempt<'_> {
    /// What `account` pays by a tariff for this call: prices over its time, its discount, and the
    /// exchange rate of its beginning. `None` when the tariff has no price for
    /// the number, or its currency no rate.
    pub(super) fn terms(
        &mut self,
        deck: &TariffDeck,
        called: &Called,
        account: &Account,
    ) -> Option<Terms> {
        match self.priced(deck, called, account) {
            Ok(terms) => Some(terms),
            Err(why) => {
                why.into_iter().for_each(|step| self.note(step));
                None
            }
        }
    }

    /// [`Attempt::terms`] without a word in the trace; `Err` with what to say there, if anything.
    pub(super) fn priced(
        &self,
        deck: &TariffDeck,
        called: &Called,
        account: &Account,
    ) -> Result<Terms, Option<Step>> {
        let tenant = self.world.tenant(account.tenant).ok_or(None)?;
        let chain = called.chain.as_ref().ok_or(None)?;
        let number = called.number.as_ref().map_err(|_| None)?;
        let ms_max = u64::from(tenant.talk_s_max) * 1_000 + RINGING_MS;
        let began_us = self.began_us;
        let call = Priced { number, chain, began_us, ms_max, prices_us: began_us };
        self.world.terms(deck, (tenant, account), call).map_err(|why| match why {
            NoTerms::Price => None,
            NoTerms::Exchange => {
                Some(Step::NoExchangeRate { account: account.id.0, tariff: deck.tariff().id.0 })
            }
        })
    }

    /// What the supplier charges for this number: `Ok(None)` when it charges nothing at all.
    pub(super) fn supplier_terms(
        &mut self,
        trunk: &Trunk,
        egress: &Egress,
        called: &Called,
    ) -> Result<Option<Terms>, Step> {
        let Some(id) = egress.tariff else { return Ok(None) };
        let none = Step::NoSupplierPrice { trunk: trunk.id.0 };
        let deck = self.world.tariff(id).ok_or(none)?;
        let account = self.world.account(egress.account).ok_or(none)?;
        let Some(terms) = self.terms(deck, called, account) else {
            return self.default_terms(account).map(Some).ok_or(none);
        };
        let rate = terms.rate.map_or(0, |rate| rate.0);
        self.note(Step::SupplierPrice { trunk: trunk.id.0, rate });
        Ok(Some(terms))
    }

    /// What a supplier charges for numbers that its tariff has no price for.
    pub(super) fn default_terms(&self, account: &Account) -> Option<Terms> {
        let price = self.world.account_settings(account.id).price.supplier_default?;
        Terms::flat(price, account.currency).ok()
    }

    /// The resellers above an account, each with the price of its own tariff; from below. Who has
    /// paid for the credit of the account below him when he handed it out pays nothing again, as
    /// long as that account cannot spend more than it was given.
    pub(super) fn add_resellers(
        &mut self,
        account: &Account,
        called: &Called,
        levels: &mut Vec<Level>,
    ) -> Result<(), Stop> {
        let world = self.world;
        let mut below = account;
        for reseller in world.resellers_above(account) {
            let id = reseller.id.0;
            let has_paid = world.is_early(reseller) && !below.may_owe();
            below = reseller;
            if !reseller.enabled {
                return Err(
                    self.refuse_for(Refusal::Denied, Step::ResellerDisabled { account: id })
                );
            }
            if has_paid {
                self.note(Step::PaidEarly { account: id });
                continue;
            }
            let Some(terms) = self.paid_terms(reseller, called)? else {
                return Err(self.refuse_for(Refusal::NoPrice, Step::NoPrice { account: id }));
            };
            if levels.len() >= LEVELS_MAX {
                let step = Step::TooManyResellers { account: id };
                return Err(self.refuse_for(Refusal::Internal, step));
            }
            levels.push(self.level(reseller, terms));
        }
        Ok(())
    }

    /// A payer with its price, and what its agent earns of it.
    pub(super) fn level(&mut self, account: &Account, terms: Terms) -> Level {
        Level {
            account: account.id,
            organization: account.organization,
            prepaid: account.prepaid,
            terms,
            commission: account.agent.and_then(|agent| self.commission(account, agent)),
        }
    }

    fn commission(&mut self, account: &Account, agent: AccountId) -> Option<Commission> {
        let found = self.world.account(agent);
        let found = found.filter(|agent| agent.currency == account.currency);
        let agent = found.filter(|_| account.commission_bp > 0)?;
        self.note(Step::Commission {
            account: account.id.0,
            share_bp: account.commission_bp.into(),
        });
        Some(Commission {
            agent: agent.id,
            organization: agent.organization,
            share_bp: account.commission_bp,
            of_profit: account.commission_of_profit,
        })
    }

    /// Adds what the costs of a call are worth to payers whose agents earn a part of the profit.
    /// Of a cost in a currency that nobody knows the worth of they earn nothing.
    pub(super) fn exchange_costs(&mut self, tenant: &Tenant, settlement: &mut Settlement) {
        let payers = settlement.levels.iter().chain(settlement.parts.iter().map(|p| &p.level));
        let earning = payers.filter(|level| level.commission.is_some_and(|c| c.of_profit));
        let wanted: Vec<Currency> = earning.map(|level| level.terms.exchange.ledger()).collect();
        if wanted.is_empty() {
            return;
        }
        let suppliers = settlement.hops.iter().filter_map(|hop| hop.terms.as_ref());
        let costs = settlement.levels.iter().map(|level| &level.terms).chain(suppliers);
        let costs: Vec<Currency> = costs.map(|terms| terms.exchange.ledger()).collect();
        for (from, to) in costs.iter().flat_map(|from| wanted.iter().map(move |to| (*from, *to))) {
            if from == to || settlement.exchange(from, to).is_some() {
                continue;
            }
            match self.world.exchange(tenant, from, to, self.began_us) {
                Some(exchange) if settlement.exchanges.len() < EXCHANGES_MAX => {
                    settlement.exchanges.push((from, exchange));
                }
                Some(_) | None => self.note(Step::ProfitUnknown {}),
            }
        }
    }
}
