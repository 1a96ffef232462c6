//! From a way to an answer: prices, what the till must grant, and the frame itself.

use super::called::Called;
use super::hop::swap;
use super::manner::{own_media, speak, terms_of};
use super::order::exchanged;
use super::ring::{media_policy, subscriber_calls_max};
use super::sender::{Sender, Who};
use super::way::Way;
use super::{Attempt, Stop};
use crate::refusal::Refusal;
use crate::trace::Step;
use strowger_billing::{Level, PriceRef, Settlement, Terms, Wait};
use strowger_link::{
    Answer, AnswerBody, AskId, Branch, BranchAuth, Go, Grant, Manner, MediaPolicy, Octets,
    OnRedirect, PartyRef, Refuse, Target,
};
use strowger_model::{
    Account, AccountId, Amount, CostBound, Profile, SubscriberId, Tenant, TenantId, TrunkId,
};

/// A plan that waits for the till.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Plan {
    /// The ask.
    pub ask: AskId,
    /// Everything but the grant.
    pub go: Go,
    /// What the till must grant first; `None` = nothing stands before this call (emergency).
    pub admit: Option<AdmitPlan>,
    /// The caller's account goes on without control (see [`Grant::go_on`]).
    pub go_on: bool,
    /// When a limit refuses it, the caller is asked to wait so long, seconds; 0 = is not.
    pub retry_after_s: u16,
}

/// What the till is asked, as plain values: all of it or nothing.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct AdmitPlan {
    /// Payers with the bound of their cost, each account once. The accounts' own limits of calls
    /// are theirs to know.
    pub levels: Vec<Payer>,
    /// Limits beside the accounts'.
    pub limits: Vec<Limit>,
    /// Caps of the address that the caller calls from; `None` = none.
    pub address: Option<AddressCaps>,
    /// Least that the first payer's balance must leave above its floor, for a call that costs
    /// anything; `None` = however little.
    pub money_min: Option<Amount>,
    /// Least talk time worth a call, milliseconds.
    pub ms_min: u64,
    /// Longest talk time, milliseconds.
    pub ms_max: u64,
}

/// One payer.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Payer {
    /// Who.
    pub account: AccountId,
    /// What the call can cost it, at the highest price over all hops.
    pub bound: CostBound,
}

/// A limit with its value.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Limit {
    /// Whose calls.
    pub of: LimitOf,
    /// Most calls at once, 0 = no limit.
    pub calls_max: u32,
    /// Most attempts per second, 0 = no limit.
    pub cps_max: u32,
    /// From so many calls at once on a warning is due, 0 = never.
    pub warn: u32,
}

/// Caps of what comes from one address within a window (spec SEC-IP-01).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct AddressCaps {
    /// Whose callers.
    pub tenant: TenantId,
    /// Most calls, 0 = no cap.
    pub calls_max: u32,
    /// Longest talk, milliseconds, 0 = no cap.
    pub talk_ms_max: u64,
    /// Most that they may cost; `None` = no cap.
    pub spend_max: Option<Amount>,
    /// How long a window is, milliseconds.
    pub window_ms: u64,
}

impl AddressCaps {
    /// As they are set for calls of an account; `None` = not at all.
    #[must_use]
    pub fn of(settings: &Profile, tenant: &Tenant, account: &Account) -> Option<AddressCaps> {
        let set = &settings.limit;
        let is_set = set.address_calls_max > 0
            || set.address_talk_ms_max > 0
            || set.address_spend_max.is_some();
        if !is_set {
            return None;
        }
        let spend_max = set.address_spend_max.filter(|_| account.currency == tenant.currency);
        Some(AddressCaps {
            tenant: tenant.id,
            calls_max: set.address_calls_max,
            talk_ms_max: set.address_talk_ms_max,
            spend_max: spend_max.map(|most| most.amount(tenant.currency)),
            window_ms: set.address_window_ms,
        })
    }

    /// The window that a time is in: its beginning and end, microseconds since 1970 UTC.
    #[must_use]
    pub fn window_us(&self, at_us: i64) -> (i64, i64) {
        let long_us = i64::try_from(self.window_ms.saturating_mul(1_000)).unwrap_or(i64::MAX);
        let from_us = at_us.saturating_sub(at_us.rem_euclid(long_us.max(1)));
        (from_us, from_us.saturating_add(long_us))
    }
}

/// Whose calls are limited.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum LimitOf {
    /// A subscriber's.
    Subscriber(SubscriberId),
    /// A trunk's, towards us.
    Trunk(TrunkId),
    /// A tenant's.
    Tenant(TenantId),
    /// All of the switch.
    Switch,
}

/// Talk time that was granted.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub struct TalkTime {
    /// Milliseconds from answer; `u64::MAX` = no lease.
    pub ms: u64,
    /// So much of it an allowance pays.
    pub free_ms: u64,
    /// Nothing will be added.
    pub last: bool,
}

/// As long as it likes, without another question.
pub const NO_LEASE: TalkTime = TalkTime { ms: u64::MAX, free_ms: 0, last: true };

/// The answer of a plan, with the talk time that the till granted. A plan without
/// [`Plan::admit`] has no lease: [`NO_LEASE`].
#[must_use]
pub fn finish(plan: Plan, granted: TalkTime) -> Answer {
    let mut go = plan.go;
    let TalkTime { ms, free_ms, last } = granted;
    go.grant = Grant { ms, free_ms, last, go_on: plan.go_on };
    Answer { ask: plan.ask, body: AnswerBody::Go(Box::new(go)) }
}

/// The answer of a plan that the till did not grant; its record keeps the settlement's parties.
#[must_use]
pub fn reject(plan: &Plan, refusal: Refusal) -> Answer {
    let settlement = Settlement::decode(&plan.go.settlement.0).ok().and_then(|mut settlement| {
        settlement.hold = 0;
        settlement.levels.clear();
        settlement.hops.clear();
        settlement.parts.clear();
        settlement.encode().ok()
    });
    let settlement = Octets(settlement.unwrap_or_default());
    let mut refuse = spoken(refusal.refuse(true, settlement), &plan.go.manner);
    if refusal == Refusal::Limit {
        refuse.retry_after_s = plan.retry_after_s;
    }
    Answer { ask: plan.ask, body: AnswerBody::Refuse(refuse) }
}

/// Who pays what; nobody by default.
#[derive(Default)]
pub(super) struct Costs {
    pub(super) levels: Vec<Level>,
}

/// Whether a minute costs more than is set; whichever class of times is the dearest.
pub(super) fn is_dear(terms: &Terms, settings: &Profile) -> bool {
    settings.call.price_max.is_some_and(|most| {
        let prices = terms.pricing.prices.as_slice();
        let highest = prices.iter().map(|segment| segment.price.0).max().unwrap_or_default();
        exchanged(i128::from(highest), terms.exchange) > i128::from(most.0)
    })
}

impl<'a> Attempt<'a> {
    /// The caller's price by the longest prefix of its tariff, or the internal price.
    ///
    /// A call between subscribers has the internal price. A trunk's call to a subscriber has the
    /// trunk's own price if it has one, else the internal price.
    pub(super) fn price(
        &mut self,
        sender: &Sender<'a>,
        called: &Called,
        way: &Way,
    ) -> Result<Costs, Stop> {
        if let Some(owner) = self.owner_pays(sender, called, way) {
            return self.owner_costs(sender, called, owner);
        }
        let account = sender.account;
        let own = match (way.inside, sender.subscriber()) {
            (true, Some(_)) => None,
            (true, None) => self.tariff_terms(sender.account, called)?,
            (false, _) => self.paid_terms(sender.account, called)?,
        };
        let terms = match own {
            Some(terms) if !way.inside && is_dear(&terms, sender.settings) => {
                let step = Step::PriceAbove { account: account.id.0 };
                return Err(self.refuse_for(Refusal::Denied, step));
            }
            Some(terms) => terms,
            None if way.inside => {
                self.note(Step::InternalPrice { account: account.id.0 });
                Terms::flat(sender.tenant.internal_price, account.currency)
                    .map_err(|_| Refusal::Internal)?
            }
            None => {
                let step = Step::NoPrice { account: account.id.0 };
                return Err(self.refuse_for(Refusal::NoPrice, step));
            }
        };
        let mut levels = vec![self.level(account, terms)];
        if !way.inside {
            self.add_resellers(account, called, &mut levels)?;
        }
        Ok(Costs { levels })
    }

    /// Step 18 and the credit check, as a request to the till.
    pub(super) fn admit(
        &self,
        sender: &Sender<'a>,
        settlement: &Settlement,
    ) -> Result<Option<AdmitPlan>, Stop> {
        let payers = settlement.payers(None, Wait::UNKNOWN).ok_or(Refusal::Internal)?;
        let own = sender.subscriber().map(|row| Limit {
            of: LimitOf::Subscriber(row.id),
            calls_max: subscriber_calls_max(row, sender.settings),
            cps_max: 0,
            warn: 0,
        });
        let sent = match sender.who {
            Who::Subscriber(_) => None,
            Who::Trunk(row, ingress) => Some(Limit {
                of: LimitOf::Trunk(row.id),
                calls_max: ingress.calls_max,
                cps_max: ingress.cps_max,
                warn: 0,
            }),
        };
        let all = Limit {
            of: LimitOf::Tenant(sender.tenant.id),
            calls_max: sender.settings.limit.tenant_calls_max,
            cps_max: sender.settings.limit.tenant_cps_max,
            warn: sender.settings.limit.tenant_calls_warn,
        };
        let switch = Limit {
            of: LimitOf::Switch,
            calls_max: sender.settings.limit.calls_max,
            cps_max: sender.settings.limit.cps_max,
            warn: sender.settings.limit.calls_warn,
        };
        // Who pays in the caller's place is held to what is set for himself, when he calls.
        let pays = payers.first().is_some_and(|(account, _)| *account == sender.account.id);
        let least = sender.settings.limit.balance_min.filter(|_| pays);
        let money_min = least.map(|least| least.amount(sender.account.currency));
        let is_limited = |l: &Limit| l.calls_max > 0 || l.cps_max > 0 || l.warn > 0;
        Ok(Some(AdmitPlan {
            levels: payers.into_iter().map(|(account, bound)| Payer { account, bound }).collect(),
            limits: own.into_iter().chain(sent).chain([all, switch]).filter(is_limited).collect(),
            address: AddressCaps::of(sender.settings, sender.tenant, sender.account),
            money_min,
            ms_min: sender.settings.call.talk_ms_min,
            ms_max: self.talk_ms_max(sender),
        }))
    }

    /// The frame, whole but for the grant. An emergency call is not asked for in the till.
    pub(super) fn plan(
        &mut self,
        sender: &Sender<'a>,
        called: &Called,
        way: Way,
        costs: Option<Costs>,
    ) -> Result<Plan, Stop> {
        let mut settlement = self.known.clone().ok_or(Refusal::Internal)?;
        settlement.began_us = self.ask.wall_us;
        settlement.ms_max = self.talk_ms_max(sender);
        settlement.number = called.number.ok();
        settlement.hops = way.hops;
        settlement.parts = way.parts;
        let admit = match costs {
            None => None,
            Some(costs) => {
                settlement.hold = self.ask.id.0;
                settlement.levels = costs.levels;
                self.exchange_costs(sender.tenant, &mut settlement);
                self.admit(sender, &settlement)?
            }
        };
        let nated = match sender.who {
            Who::Subscriber(caller) => self.caller_is_nated(caller),
            Who::Trunk(..) => false,
        };
        let mut go = Go {
            prelude: None,
            stages: way.stages,
            on_exhausted: exhausted(way.on_exhausted),
            grant: Grant { ms: 0, free_ms: 0, last: true, go_on: false },
            max_ms: self.talk_ms_max(sender),
            media: media_policy(sender, nated),
            settlement: Octets(settlement.encode().map_err(|_| Refusal::Internal)?),
            manner: sender_manner(sender),
            reroute: self.reroute_of(sender),
        };
        go.media = own_media(go.media, sender.settings, terms_of(sender));
        self.choose_keys(&mut go);
        self.choose_paths(sender, &mut go);
        self.rule_replies(&mut go.stages);
        go.on_exhausted.headers.extend(self.own_reply());
        let go_on = self.goes_on(sender, &settlement);
        let retry_after_s = sender.settings.call.retry_after_ms / 1_000;
        let retry_after_s = u16::try_from(retry_after_s).unwrap_or(u16::MAX);
        Ok(Plan { ask: self.ask.id, go, admit, go_on, retry_after_s })
    }

    /// The longest talk: of the tenant, of settings, of those who were asked.
    fn talk_ms_max(&self, sender: &Sender<'_>) -> u64 {
        let own = u64::from(sender.tenant.talk_s_max) * 1000;
        let limits = [sender.settings.call.talk_ms_max, self.talk_ms];
        limits.into_iter().flatten().fold(own, u64::min)
    }
}

/// How the caller is spoken to: a trunk as its row says, a phone with all reasons.
pub(super) fn sender_manner(sender: &Sender<'_>) -> Manner {
    let mut manner = match sender.who {
        Who::Subscriber(_) => Manner { explain: sender.settings.call.reasons, ..Manner::default() },
        Who::Trunk(_, ingress) => Manner {
            explain: ingress.reason,
            causes: ingress.causes.iter().map(swap).collect(),
            ..Manner::default()
        },
    };
    speak(&mut manner, sender.settings, terms_of(sender));
    manner
}

/// A refusal as a caller of this manner is told it.
pub(super) fn spoken(refuse: Refuse, manner: &Manner) -> Refuse {
    Refuse { cause: manner.read(refuse.cause), explain: manner.explain, ..refuse }
}

/// Said at the end of the last stage; the call's own settlement is at hand then.
fn exhausted(refusal: Refusal) -> Refuse {
    refusal.refuse(true, Octets::default())
}

/// A branch to `target` with nothing else set.
pub(crate) fn blank_branch(target: Target, listener: u8, media: MediaPolicy) -> Branch {
    Branch {
        target,
        to_uri: String::new(),
        listener,
        dialed: String::new(),
        from_user: String::new(),
        display: String::new(),
        asserted: None,
        anonymous: false,
        headers: Vec::new(),
        media,
        ring_ms: 0,
        first_ms: 0,
        record: false,
        app: None,
        auth: BranchAuth::Ours,
        gauges: Vec::new(),
        continue_on: Vec::new(),
        stop_on: Vec::new(),
        hop: PriceRef::default().byte(),
        party: PartyRef::Unknown,
        manner: Manner::default(),
        redirect: OnRedirect::Fail,
        replies: Vec::new(),
    }
}
