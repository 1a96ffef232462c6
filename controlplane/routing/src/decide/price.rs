//! Which tariff an account pays by: its own, or the one that a rule about prices gives it (spec
//! PRICE-ASSIGN-01).

use super::Attempt;
use super::called::Called;
use crate::refusal::Refusal;
use crate::trace::Step;
use strowger_billing::Terms;
use strowger_model::{Account, Digits, PriceRule, TariffId, TimeClass, TrunkId};

/// What a rule about prices says.
enum Ruled<'a> {
    /// By this tariff, if it has a price.
    Tariff(&'a PriceRule, TariffId),
    /// Not at all.
    Refused(&'a PriceRule),
}

impl<'a> Attempt<'a> {
    /// A price of an account's own tariff, or of one that a rule gives it; `None` when none of them
    /// has one.
    pub(super) fn tariff_terms(
        &mut self,
        account: &Account,
        called: &Called,
    ) -> Result<Option<Terms>, Refusal> {
        if let Some(own) = account.tariff {
            return Ok(self.terms_by(own, account, called));
        }
        let account_id = account.id.0;
        for ruled in self.rules_for(account, called) {
            match ruled {
                Ruled::Tariff(rule, tariff) => {
                    let Some(terms) = self.terms_by(tariff, account, called) else { continue };
                    self.note(Step::PriceRule { account: account_id, price_rule: rule.id.0 });
                    return Ok(Some(terms));
                }
                Ruled::Refused(rule) => {
                    let price_rule = rule.id.0;
                    self.note(Step::PriceRuleRefuses { account: account_id, price_rule });
                    return Err(Refusal::NoPrice);
                }
            }
        }
        Ok(None)
    }

    /// The same without a word in the trace.
    pub(super) fn tariff_price(&self, account: &Account, called: &Called) -> Option<Terms> {
        let price = |tariff| self.priced(self.world.tariff(tariff)?, called, account).ok();
        if let Some(own) = account.tariff {
            return price(own);
        }
        for ruled in self.rules_for(account, called) {
            match ruled {
                Ruled::Tariff(_, tariff) => {
                    if let Some(terms) = price(tariff) {
                        return Some(terms);
                    }
                }
                Ruled::Refused(_) => return None,
            }
        }
        None
    }

    fn terms_by(&mut self, id: TariffId, account: &Account, called: &Called) -> Option<Terms> {
        let deck = self.world.tariff(id)?;
        let terms = self.terms(deck, called, account)?;
        let rate = terms.rate.map_or(0, |rate| rate.0);
        self.note(Step::Price { account: account.id.0, rate });
        Some(terms)
    }

    /// What the rules that fit an account and a call say, in the order in which they are asked.
    fn rules_for(&self, account: &Account, called: &Called) -> Vec<Ruled<'a>> {
        let world = self.world;
        let Ok(number) = &called.number else { return Vec::new() };
        let mut rules = world.price_rules_for(account.tenant, account.organization, number);
        if rules.is_empty() {
            return Vec::new();
        }
        let (caller, sender) = (self.caller_of(account), self.sent_by());
        rules.retain(|rule| {
            rule.is_valid(self.began_us)
                && rule.is_for_sender(sender)
                && rule.is_for_caller(caller.as_ref())
                && self.is_time(rule, account, number)
        });
        let ruled = |rule: &'a PriceRule| match rule.tariff {
            Some(tariff) => Ruled::Tariff(rule, tariff),
            None => Ruled::Refused(rule),
        };
        rules.into_iter().map(ruled).collect()
    }

    /// The trunk that sent the call, and the tech prefix that it sends.
    fn sent_by(&self) -> Option<(TrunkId, Option<Digits>)> {
        let trunk = self.world.trunk(self.known.as_ref()?.caller.trunk?)?;
        Some((trunk.id, trunk.ingress.as_ref().and_then(|ingress| ingress.tech_prefix)))
    }

    /// The caller's number as the record shows it, canonical.
    fn caller_of(&self, account: &Account) -> Option<Digits> {
        let tenant = self.world.tenant(account.tenant)?;
        let number = &self.known.as_ref()?.caller.number;
        tenant.normalisation.normalise(number).ok()
    }

    fn is_time(&self, rule: &PriceRule, account: &Account, number: &Digits) -> bool {
        if rule.times.is_empty() && rule.except_times.is_empty() {
            return true;
        }
        let Some(tenant) = self.world.tenant(account.tenant) else { return false };
        let now = self.world.clock(tenant, number).place(self.began_us);
        let counts = |class: &TimeClass| class.counts(&now);
        (rule.times.is_empty() || rule.times.iter().any(counts))
            && !rule.except_times.iter().any(counts)
    }
}
