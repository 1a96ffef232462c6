//! Forwards: as if the forwarding party dialled, at its cost (spec USER-CLASS5-01).

use super::Attempt;
use super::called::Called;
use super::list::Gate;
use super::plan::is_dear;
use super::sender::Sender;
use super::way::{Diversion, Place, Way};
use crate::refusal::Refusal;
use crate::trace::Step;
use crate::world::Holder;
use strowger_billing::{FORWARDS_MAX, Forwarder, Part, Terms};
use strowger_link::DivertReason;
use strowger_model::{
    Account, AccountId, Barring, Cli, ForwardWhen, OrganizationId, Price, RingGroup, Subscriber,
    Tenant,
};

/// Who forwards.
pub(super) struct Onward<'a> {
    pub(super) by: Forwarder,
    pub(super) account: AccountId,
    pub(super) organization: OrganizationId,
    pub(super) barring: Option<&'a Barring>,
    pub(super) diversion: Diversion,
}

/// Why a forward is not followed; said in the trace, nothing else comes of it.
pub(super) struct NotFollowed(pub(super) Step);

impl<'a> Onward<'a> {
    fn of(callee: &'a Subscriber, when: ForwardWhen) -> Onward<'a> {
        let number = callee.numbers.first().map(ToString::to_string);
        Onward {
            by: Forwarder::Subscriber(callee.id),
            account: callee.account,
            organization: callee.organization,
            barring: Some(&callee.barring),
            diversion: Diversion {
                user: number.unwrap_or_else(|| callee.username.clone()),
                reason: match when {
                    ForwardWhen::Always => DivertReason::Unconditional,
                    ForwardWhen::Busy => DivertReason::Busy,
                    ForwardWhen::NoAnswer => DivertReason::NoAnswer,
                    ForwardWhen::Offline => DivertReason::Unavailable,
                },
                count: 1,
                hidden: matches!(callee.identity.cli, Cli::Hide | Cli::HideAll),
            },
        }
    }

    /// It answered that the call is to go elsewhere.
    pub(super) fn redirecting(callee: &'a Subscriber) -> Onward<'a> {
        let mut onward = Onward::of(callee, ForwardWhen::Always);
        onward.diversion.reason = DivertReason::Deflection;
        onward
    }

    /// A group calls a member outside, or overflows.
    pub(super) fn of_group(group: &RingGroup, reason: DivertReason) -> Onward<'a> {
        let number = group.numbers.first().map(ToString::to_string);
        Onward {
            by: Forwarder::RingGroup(group.id),
            account: group.account,
            organization: group.organization,
            barring: None,
            diversion: Diversion {
                user: number.unwrap_or_else(|| group.name.clone()),
                reason,
                count: 1,
                hidden: false,
            },
        }
    }
}

impl<'a> Attempt<'a> {
    /// The first stage of a subscriber's forward, if it has one that can be followed.
    pub(super) fn follow(
        &mut self,
        sender: &Sender<'a>,
        callee: &'a Subscriber,
        when: ForwardWhen,
        place: &Place,
        way: &mut Way,
    ) -> Option<u8> {
        let forward = callee.forwards.iter().find(|f| f.enabled && f.when == when)?;
        let subscriber = callee.id.0;
        self.note(match when {
            ForwardWhen::Always => Step::ForwardAlways { subscriber },
            ForwardWhen::Busy => Step::ForwardBusy { subscriber },
            ForwardWhen::NoAnswer => Step::ForwardNoAnswer { subscriber },
            ForwardWhen::Offline => Step::ForwardOffline { subscriber },
        });
        self.send_on(sender, &Onward::of(callee, when), &forward.to, place, way)
    }

    /// Leads on to what `who` dials; `None`, and a step, when that cannot be. Nothing is left in
    /// the way then.
    pub(super) fn send_on(
        &mut self,
        sender: &Sender<'a>,
        who: &Onward<'a>,
        to: &str,
        place: &Place,
        way: &mut Way,
    ) -> Option<u8> {
        let mark = way.mark();
        match self.try_send_on(sender, who, to, place, way) {
            Ok(first) => Some(first),
            Err(NotFollowed(step)) => {
                way.back_to(&mark);
                self.note(step);
                None
            }
        }
    }

    pub(super) fn try_send_on(
        &mut self,
        sender: &Sender<'a>,
        who: &Onward<'a>,
        to: &str,
        place: &Place,
        way: &mut Way,
    ) -> Result<u8, NotFollowed> {
        let account = self.world.account(who.account).filter(|account| account.enabled);
        let account =
            account.ok_or(NotFollowed(Step::AccountDisabled { account: who.account.0 }))?;
        if self.facts.unable.contains(&account.id) {
            return Err(NotFollowed(Step::ForwarderUnable { account: account.id.0 }));
        }
        let forwards_max = usize::from(sender.settings.call.forwards_max);
        if way.parts.len() >= forwards_max.min(FORWARDS_MAX) {
            return Err(NotFollowed(Step::ForwardBeyond {}));
        }
        let home = self.world.account_settings(account.id).number.home();
        let number = sender.tenant.normalisation.normalise_at(to, home);
        let called = self.called_as(to.to_owned(), number);
        if let Ok(number) = called.number {
            self.note(Step::Number(number));
        }
        // Nobody is sent to an emergency service by somebody else's setting.
        if self.emergency_of(sender.tenant.id, &called).is_some() {
            return Err(NotFollowed(Step::ForwardBarred {}));
        }
        let looks = self.world.account_settings(account.id).call.local_numbers;
        let party = self.find_local(sender.tenant.id, Some(who.organization), &called, looks);
        if let Some(party) = &party
            && place.chain.contains(&party.holder())
        {
            return Err(NotFollowed(loop_step(party.holder())));
        }
        let bars = |barring: &Barring| {
            let by_prefix = || called.number.is_ok_and(|number| barring.bars(&number));
            barring.all || (party.is_none() && by_prefix())
        };
        if who.barring.is_some_and(bars) || bars(&account.barring) {
            return Err(NotFollowed(Step::ForwardBarred {}));
        }
        let called = match party {
            Some(_) => called,
            None => {
                let gate = Gate::of(self.world, account);
                let own = who.diversion.user.clone();
                let denied = self.denied_called(&gate, &called);
                let denied = denied.or_else(|| self.denied_out(&gate, |_| own, &called));
                denied.map_or(Ok(()), |step| Err(NotFollowed(step)))?;
                let set = &self.world.account_settings(account.id).fact;
                let ported = self.ported(called, set);
                ported.map_err(|_| NotFollowed(Step::ForwardNowhere {}))?
            }
        };
        let terms = self.onward_terms(sender.tenant, account, &called, party.is_some())?;
        let onward = self.new_place(who, account, &called, terms, place, (sender.tenant, way));
        let led = match party {
            Some(party) => self.lead(sender, &called, party, &onward, way),
            None => self.route(sender, &called, &onward, way),
        };
        led.map_err(|_| NotFollowed(Step::ForwardNowhere {}))
    }

    /// The part of this forward, and where it leads from.
    fn new_place(
        &mut self,
        who: &Onward<'a>,
        account: &Account,
        called: &Called,
        terms: Terms,
        place: &Place,
        (tenant, way): (&Tenant, &mut Way),
    ) -> Place {
        let part = u8::try_from(way.parts.len()).ok();
        let level = self.level(account, terms);
        way.parts.push(Part {
            parent: place.part,
            by: who.by,
            instead: false,
            number: called.number.ok(),
            destination: self.destination_of(tenant.id, called),
            level,
        });
        let mut diversions = vec![who.diversion.clone()];
        diversions.extend(place.diversions.iter().cloned());
        Place { part, chain: place.chain.clone(), diversions }
    }

    /// What who forwards pays: inside the internal price, outside its own tariff's.
    pub(super) fn onward_terms(
        &mut self,
        tenant: &Tenant,
        account: &Account,
        called: &Called,
        is_local: bool,
    ) -> Result<Terms, NotFollowed> {
        if is_local {
            self.note(Step::InternalPrice { account: account.id.0 });
            let terms = Terms::flat(tenant.internal_price, account.currency);
            return terms.map_err(|_| NotFollowed(Step::ForwardNowhere {}));
        }
        let none = || NotFollowed(Step::NoPrice { account: account.id.0 });
        let terms = self.paid_terms(account, called).map_err(|_| none())?.ok_or_else(none)?;
        if is_dear(&terms, self.world.account_settings(account.id)) {
            return Err(NotFollowed(Step::PriceAbove { account: account.id.0 }));
        }
        Ok(terms)
    }

    /// What an account pays for numbers as short as this: nothing, or the internal price. `None`
    /// when its length says nothing.
    fn short_price(&self, account: &Account, called: &Called) -> Option<Price> {
        let digits = called.number.as_ref().ok()?.len();
        let own = &self.world.account_settings(account.id).price;
        let is = |length: u32| length > 0 && usize::try_from(length) == Ok(digits);
        let is_short = usize::try_from(own.short_digits).is_ok_and(|most| digits <= most);
        if is(own.free_digits) {
            Some(Price(0))
        } else if is_short && digits > 0 {
            Some(self.world.tenant(account.tenant)?.internal_price)
        } else {
            None
        }
    }

    /// A price by the length of the number, else one of an account's own tariff, or the one that is
    /// set for what has none there.
    pub(super) fn paid_terms(
        &mut self,
        account: &Account,
        called: &Called,
    ) -> Result<Option<Terms>, Refusal> {
        if let Some(price) = self.short_price(account, called) {
            self.note(Step::LengthPrice { account: account.id.0 });
            let terms = Terms::flat(price, account.currency);
            return terms.map(Some).map_err(|_| Refusal::Internal);
        }
        if let Some(terms) = self.tariff_terms(account, called)? {
            return Ok(Some(terms));
        }
        let price = self.world.account_settings(account.id).price.customer_default;
        let Some(price) = price else { return Ok(None) };
        Terms::flat(price, account.currency).map(Some).map_err(|_| Refusal::Internal)
    }
}

pub(super) const fn loop_step(holder: Holder) -> Step {
    match holder {
        Holder::Subscriber(id) => Step::ForwardLoop { subscriber: id.0 },
        Holder::RingGroup(id) => Step::ForwardLoopGroup { group: id.0 },
        Holder::Did(_) | Holder::Trunk(_) => Step::ForwardNowhere {},
    }
}
