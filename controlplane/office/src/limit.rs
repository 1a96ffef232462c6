//! Limits of what calls may cost and of how many there are, and what callers do: between the world
//! and the till.

use super::{Office, Output, money, ms};
use crate::caller::{Caller, Heard};
use crate::target::Targets;
use std::net::IpAddr;
use strowger_link::{Reason, Tick};
use strowger_model::{Account, AccountId, Amount, Cdr, Digits, TenantId};
use strowger_routing::{AddressCaps, AdmitPlan, CallerAt, LimitOf, World};
use strowger_till::{AccountKey, Event, Learning, PERIODS, Spent};

/// A warning of many calls is given once in so long, nanoseconds.
const WARN_NS: u64 = 60_000_000_000;

/// Outcomes that say nothing of whom was called: we refused by ourselves, or failed.
const OURS: [Reason; 12] = [
    Reason::AuthFailed,
    Reason::Denied,
    Reason::NoCredit,
    Reason::CreditEnded,
    Reason::Limit,
    Reason::NoAnswerFromControl,
    Reason::Overload,
    Reason::Operator,
    Reason::ProcessLost,
    Reason::HostLost,
    Reason::Internal,
    Reason::Redirected,
];

/// Statuses by which an operator says that there is no such number.
const NO_SUCH_NUMBER: [u16; 4] = [404, 410, 484, 604];

/// Many calls at once.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Crowd {
    /// Of this tenant; `None` = of the whole switch.
    pub tenant: Option<TenantId>,
    /// How many there are now.
    pub calls: u32,
}

/// Whether calls by address are capped for anybody.
pub(crate) fn has_address_caps(world: &World) -> bool {
    world.settings().any(|set| {
        let limit = &set.limit;
        limit.address_calls_max > 0
            || limit.address_talk_ms_max > 0
            || limit.address_spend_max.is_some()
    })
}

impl Office {
    /// Tells the till of an account with its balance in the books; a known one only takes the
    /// settings.
    pub fn load(&mut self, account: &Account, posted: Amount, now: Tick) {
        let limits = money::Limits {
            day_max: self.day_max(account),
            learning: self.learning(account),
            talk_ms_max: self.talk_ms_max(account),
            counts: self.counts_in_tenant(account),
        };
        self.till.handle(Event::Load(money::load(self.node, account, limits, posted)), ms(now));
        self.drain_till();
    }

    /// Most that the tenant lets the calls of one day cost an account like this (spec fraud check
    /// 16). Said in the tenant's currency, for accounts that are kept in it.
    fn day_max(&self, account: &Account) -> Option<Amount> {
        let tenant = self.world.tenant(account.tenant)?;
        let most = match self.senders.contains(&account.id) {
            true => tenant.trunk_day_max,
            false => tenant.subscriber_day_max,
        };
        most.filter(|_| account.currency == tenant.currency)
    }

    /// How the limit of a day is learnt for an account (spec fraud check 17).
    #[must_use]
    pub fn learning(&self, account: &Account) -> Option<Learning> {
        let set = &self.world.account_settings(account.id).limit;
        let least = set.learnt_day_min.amount(account.currency);
        (set.learnt_day_times > 0).then_some(Learning { times: set.learnt_day_times, least })
    }

    /// How long the calls of a day and of a month may talk that an account makes (spec fraud check
    /// 18).
    fn talk_ms_max(&self, account: &Account) -> [Option<u64>; PERIODS] {
        let set = &self.world.account_settings(account.id).limit;
        [set.day_talk_ms_max, set.month_talk_ms_max].map(|most| (most > 0).then_some(most))
    }

    /// The caps of addresses for calls of an account, if any are set for anybody.
    #[must_use]
    pub fn address_caps(&self, account: AccountId) -> Option<AddressCaps> {
        if !self.has_address_caps {
            return None;
        }
        let row = self.world.account(account)?;
        let tenant = self.world.tenant(row.tenant)?;
        AddressCaps::of(self.world.account_settings(account), tenant, row)
    }

    /// At boot: what the records in the database say of an address, for calls of an account that
    /// began at `at_us` or later in that window.
    pub fn load_address(
        &mut self,
        account: AccountId,
        began: (IpAddr, i64),
        sums: (u32, u64, Amount),
        now: Tick,
    ) {
        let Some(caps) = self.address_caps(account) else { return };
        self.till.handle(Event::Window(money::window(&caps, began, sums)), ms(now));
        self.drain_till();
    }

    /// Whether what an account spends counts in what its tenant may spend.
    fn counts_in_tenant(&self, account: &Account) -> bool {
        let tenant = self.world.tenant(account.tenant);
        !account.resells && tenant.is_some_and(|tenant| tenant.currency == account.currency)
    }

    /// Tells the till what all accounts of each tenant together may spend: at boot before accounts
    /// are loaded, and when settings change.
    pub fn limit_tenants(&mut self, now: Tick) {
        let world = std::sync::Arc::clone(&self.world);
        for tenant in world.tenants() {
            let set = &world.settings().tenant(tenant.id).limit;
            let spend_max = [set.tenant_day_max, set.tenant_month_max]
                .map(|most| most.map(|most| most.amount(tenant.currency)));
            self.till.handle(Event::Tenant { tenant: tenant.id, spend_max }, ms(now));
            self.drain_till();
        }
    }

    /// What all accounts of a tenant have spent together in its newest day and month.
    #[must_use]
    pub fn tenant_spent(&self, tenant: TenantId) -> Option<[Spent; PERIODS]> {
        self.till.tenant_spent(tenant)
    }

    /// What the dearest day before `before_us` cost an account, as the database has counted: at
    /// boot behind [`Office::load`] and before [`Office::load_spent`], and again when a day begins.
    pub fn load_learnt(&mut self, account: AccountId, before_us: i64, peak: Amount, now: Tick) {
        let key = AccountKey { node: self.node, account };
        self.till.handle(Event::Learnt { key, before_us, peak }, ms(now));
        self.drain_till();
    }

    /// How many months before `before_us` the limit of a month has grown by, as the database has
    /// counted them: at boot behind [`Office::load`] and before [`Office::load_spent`], and again
    /// from time to time.
    pub fn load_grown(&mut self, account: AccountId, before_us: i64, months: u32, now: Tick) {
        let key = AccountKey { node: self.node, account };
        self.till.handle(Event::Grown { key, before_us, months }, ms(now));
        self.drain_till();
    }

    /// At boot, behind [`Office::load`] and in order of time: what the database has counted for
    /// calls that began at `at_us`, and how long those talked that it made.
    pub fn load_spent(
        &mut self,
        account: AccountId,
        at_us: i64,
        (charge, talk_ms): (Amount, u64),
        now: Tick,
    ) {
        let key = AccountKey { node: self.node, account };
        self.till.handle(Event::Spent { key, at_us, charge, talk_ms }, ms(now));
        self.drain_till();
    }

    /// What calls of an account may cost in the day and the month of `at_us`; `None` = no limit.
    #[must_use]
    pub fn spend_max(&self, account: AccountId, at_us: i64) -> [Option<Amount>; PERIODS] {
        self.till.most_at(AccountKey { node: self.node, account }, at_us)
    }

    /// What calls of an account have cost in the day and the month of `at_us`.
    #[must_use]
    pub fn spent(&self, account: AccountId, at_us: i64) -> [Amount; PERIODS] {
        self.till.spent_at(AccountKey { node: self.node, account }, at_us)
    }

    /// A call was admitted: whether it is one of so many that somebody should know.
    pub(crate) fn note_crowd(&mut self, plan: &AdmitPlan, now: Tick) {
        for limit in plan.limits.iter().filter(|limit| limit.warn > 0) {
            let calls = self.till.calls_of(money::limit_key(limit.of));
            let tenant = match limit.of {
                LimitOf::Tenant(tenant) => Some(tenant),
                LimitOf::Switch => None,
                LimitOf::Subscriber(_) | LimitOf::Trunk(_) => continue,
            };
            let last = self.crowded.get(&tenant);
            let is_due = last.is_none_or(|last| now.ns_since(*last) >= WARN_NS);
            if calls >= limit.warn && is_due {
                self.crowded.insert(tenant, now);
                self.out.push_back(Output::Crowded(Crowd { tenant, calls }));
            }
        }
    }

    /// What a record says of its caller.
    pub(crate) fn note_caller(&mut self, record: &Cdr) {
        let (Some(tenant), Some(account)) = (record.tenant, record.caller.account) else { return };
        let Some(called) = record.called.normalised else { return };
        let is_ours = OURS.iter().any(|reason| *reason as u8 == record.outcome.reason);
        // Who calls a colleague in vain seeks nobody.
        let talked = record.times.answered_us.is_some();
        if record.called.subscriber.is_some() || (is_ours && !talked) {
            return;
        }
        let call = Heard {
            called,
            talk_ms: talked.then_some(record.times.talk_ms),
            left_us: record.called.trunk.is_some(),
            is_wrong: !talked && NO_SUCH_NUMBER.contains(&record.outcome.sip),
        };
        let number = Digits::parse(&record.caller.number).unwrap_or(Digits::EMPTY);
        let at_us = record.times.ended_us;
        let at = CallerAt { tenant, account, number, at_us };
        self.note_target(at, &call);
        // Whom a rule lets through is not blocked behind its maker's back.
        let rule = self.world.callers().deciding(at);
        if rule.is_some_and(|rule| rule.allow) || self.is_trusted(record) {
            return;
        }
        let set = &self.world.settings().system().guard;
        let caller = Caller { tenant, account, number };
        if let Some(block) = self.callers.note(caller, &call, at_us, set) {
            self.out.push_back(Output::Block(block));
        }
    }

    /// What a call says of the number that it went to. One that a rule lets through stays open.
    fn note_target(&mut self, at: CallerAt, call: &Heard) {
        let set = &self.world.settings().system().guard;
        if !Targets::is_on(set) {
            return;
        }
        let rule = self.world.callers().deciding_out(&call.called, at);
        if rule.is_some_and(|rule| rule.allow) {
            return;
        }
        if let Some(block) = self.targets.note((at.tenant, at.account), call, at.at_us, set) {
            self.out.push_back(Output::Block(block));
        }
    }

    /// Whether a trunk sent the call whose word is believed.
    fn is_trusted(&self, record: &Cdr) -> bool {
        let trunk = record.caller.trunk.and_then(|id| self.world.trunk(id));
        trunk.and_then(|trunk| trunk.ingress.as_ref()).is_some_and(|ingress| ingress.trusted)
    }
}
