//! Records for those who are not the operator: what each must not see has no field here.
//!
//! A reseller sees what his customers and the resellers below him pay, and what he pays; never what
//! those above him pay, who supplied a call, on which trunk, at what cost. A customer sees the same
//! without resellers. A supplier sees the legs that he was sent. A subscriber sees his own calls.

use super::{
    CdrCallerView, CdrChargeView, CdrMediaView, CdrOutcomeView, CdrShown, caller, charge, media,
    outcome, text, view,
};
use crate::dispatch::Context;
use crate::edit::seen;
use crate::problem::Problem;
use crate::shape::view as declare;
use crate::value::{Id, MoneyView, Time, Word, money};
use std::collections::BTreeSet;
use std::sync::Arc;
use strowger_model::{
    AccountId, Audience, Audio, Cdr, CdrHop, Charge, OrganizationId, SubscriberId, audio,
};
use strowger_routing::World;
use strowger_store::Scope;

declare! {
    /// A record for a reseller.
    ResellerCdrView {
        /// Identity.
        id: Id,
        /// Which record of the attempt this is; 0 unless billing makes several.
        part: u8,
        /// Tenant.
        tenant: Option<Id>,
        /// Id that the attempt had among the running calls.
        call: Id,
        /// When it began and ended.
        times: CdrTimesView,
        /// The calling side.
        caller: CdrCallerView,
        /// The called side.
        called: PayerCalledView,
        /// How it ended.
        outcome: CdrOutcomeView,
        /// Media of the caller's leg; null when not relayed.
        caller_media: Option<CdrMediaView>,
        /// What the call was like to hear: `none` nothing came from either side, `caller-only` and
        /// `called-only` one side was not heard, `bad`, `fair`, `good` by the worst score; null
        /// when not answered, not relayed or too short to tell.
        audio: Option<Word<Audio>>,
        /// What the caller's account pays.
        customer: Option<CdrChargeView>,
        /// What a packet of money pays of that: given back to its balance.
        packet: Option<CdrChargeView>,
        /// What he and the resellers below him pay, bottom up.
        levels: Vec<CdrChargeView>,
        /// What agents earn that he or a reseller below him pays, and what his own earn.
        commissions: Vec<CdrChargeView>,
    }
}

declare! {
    /// A record for who pays for the call.
    CustomerCdrView {
        /// Identity.
        id: Id,
        /// Which record of the attempt this is; 0 unless billing makes several.
        part: u8,
        /// Tenant.
        tenant: Option<Id>,
        /// Id that the attempt had among the running calls.
        call: Id,
        /// When it began and ended.
        times: CdrTimesView,
        /// The calling side.
        caller: CdrCallerView,
        /// The called side.
        called: PayerCalledView,
        /// How it ended.
        outcome: CdrOutcomeView,
        /// Media of the caller's leg; null when not relayed.
        caller_media: Option<CdrMediaView>,
        /// What the call was like to hear: `none` nothing came from either side, `caller-only` and
        /// `called-only` one side was not heard, `bad`, `fair`, `good` by the worst score; null
        /// when not answered, not relayed or too short to tell.
        audio: Option<Word<Audio>>,
        /// What he pays.
        customer: Option<CdrChargeView>,
        /// What a packet of money pays of that: given back to his balance.
        packet: Option<CdrChargeView>,
    }
}

declare! {
    /// When an attempt began and ended.
    CdrTimesView {
        /// First INVITE.
        started: Time,
        /// First ringing.
        rang: Option<Time>,
        /// Answer; null when nobody answered.
        answered: Option<Time>,
        /// First BYE, CANCEL or error.
        ended: Time,
        /// From start to answer, or to the end when nobody answered.
        setup_ms: u64,
        /// Talk as measured.
        talk_ms: u64,
        /// What of the talk may be charged.
        billable_ms: u64,
    }
}

declare! {
    /// The called side, without who carried the call there.
    PayerCalledView {
        /// Number as received.
        received: String,
        /// The same in canonical form; null when it has none.
        normalised: Option<String>,
        /// Prefix of the destination that the number belongs to.
        destination: Option<String>,
        /// Subscriber that was called.
        subscriber: Option<Id>,
    }
}

declare! {
    /// A record for a supplier: the legs that he was sent.
    SupplierCdrView {
        /// Identity.
        id: Id,
        /// Which record of the attempt this is; 0 unless billing makes several.
        part: u8,
        /// Tenant.
        tenant: Option<Id>,
        /// His legs, in order of time.
        legs: Vec<SupplierLegView>,
    }
}

declare! {
    /// A leg that a supplier was sent.
    SupplierLegView {
        /// Number as sent.
        dialled: String,
        /// Address and port that it was sent to.
        remote: Option<String>,
        /// When it was sent; of the leg that answered when the call began.
        started: Time,
        /// First ringing.
        rang: Option<Time>,
        /// Answer.
        answered: Option<Time>,
        /// When it ended.
        ended: Time,
        /// Talk as measured on this leg; null for one that lost.
        talk_ms: Option<u64>,
        /// How it ended.
        outcome: CdrOutcomeView,
        /// What he is owed.
        charge: Option<CdrChargeView>,
    }
}

declare! {
    /// A record for a subscriber.
    SubscriberCdrView {
        /// Identity.
        id: Id,
        /// Which record of the attempt this is; 0 unless billing makes several.
        part: u8,
        /// Tenant.
        tenant: Option<Id>,
        /// He called; otherwise he was called.
        outgoing: bool,
        /// Number that called; null for a call to him whose caller hides.
        caller: Option<String>,
        /// Number that was called.
        called: String,
        /// First INVITE.
        started: Time,
        /// Answer; null when nobody answered.
        answered: Option<Time>,
        /// First BYE, CANCEL or error.
        ended: Time,
        /// Talk as measured.
        talk_ms: u64,
        /// How it ended.
        outcome: CdrOutcomeView,
        /// What the call cost, with tax, when he called.
        cost: Option<MoneyView>,
    }
}

/// Who looks at records.
pub(crate) enum Eye {
    /// With what is configured, for currencies.
    Operator(Arc<World>),
    /// With the organizations whose charges he sees.
    Reseller(BTreeSet<OrganizationId>),
    Customer,
    Supplier(Option<AccountId>),
    Subscriber(Option<SubscriberId>),
}

impl Eye {
    /// Who asks.
    pub(crate) async fn of(cx: &Context) -> Result<Eye, Problem> {
        let scope = cx.caller.scope;
        Ok(match cx.caller.audience() {
            Audience::Operator => Eye::Operator(seen(&cx.api).await?),
            Audience::Reseller => Eye::Reseller(match scope {
                Scope::Organization(_, top) => cx.api.reader.subtree(top).await?,
                Scope::Nothing
                | Scope::All
                | Scope::Tenant(_)
                | Scope::Customer(..)
                | Scope::Supplier(..)
                | Scope::Subscriber(..) => BTreeSet::new(),
            }),
            Audience::Customer => Eye::Customer,
            Audience::Supplier => Eye::Supplier(match scope {
                Scope::Supplier(_, id) => Some(id),
                Scope::Nothing
                | Scope::All
                | Scope::Tenant(_)
                | Scope::Organization(..)
                | Scope::Customer(..)
                | Scope::Subscriber(..) => None,
            }),
            Audience::Subscriber => Eye::Subscriber(match scope {
                Scope::Subscriber(_, id) => Some(id),
                Scope::Nothing
                | Scope::All
                | Scope::Tenant(_)
                | Scope::Organization(..)
                | Scope::Customer(..)
                | Scope::Supplier(..) => None,
            }),
        })
    }

    /// Whether the record's caller hides from this one.
    pub(crate) fn is_hidden(&self, cdr: &Cdr) -> bool {
        cdr.caller.hidden
            && match self {
                Eye::Operator(_) | Eye::Supplier(_) => false,
                Eye::Reseller(_) | Eye::Customer => is_forwarded(cdr),
                Eye::Subscriber(id) => is_forwarded(cdr) || cdr.caller.subscriber != *id,
            }
    }

    /// A record as this one is shown it.
    pub(super) fn shown(&self, cdr: &Cdr) -> CdrShown {
        match self {
            Eye::Operator(world) => CdrShown::Operator(Box::new(view(cdr, world))),
            Eye::Reseller(below) => CdrShown::Reseller(Box::new(for_reseller(cdr, below))),
            Eye::Customer => CdrShown::Customer(Box::new(for_customer(cdr))),
            Eye::Supplier(account) => CdrShown::Supplier(Box::new(for_supplier(cdr, *account))),
            Eye::Subscriber(id) => CdrShown::Subscriber(Box::new(for_subscriber(cdr, *id))),
        }
    }
}

fn for_reseller(cdr: &Cdr, below: &BTreeSet<OrganizationId>) -> ResellerCdrView {
    let is_his = |charge: &&Charge| below.contains(&charge.organization);
    let concerns = |charge: &&Charge| {
        is_his(charge) || charge.payee.is_some_and(|payee| below.contains(&payee))
    };
    let CustomerCdrView { id, part, tenant, call, times, caller, called, outcome, .. } =
        for_customer(cdr);
    ResellerCdrView {
        id,
        part,
        tenant,
        call,
        times,
        caller,
        called,
        outcome,
        caller_media: cdr.caller_media.as_ref().map(media),
        audio: audio(cdr).map(Word),
        customer: cdr.customer.as_ref().filter(is_his).map(charge),
        packet: cdr.packet.as_ref().filter(is_his).map(charge),
        levels: cdr.levels.iter().filter(is_his).map(charge).collect(),
        commissions: cdr.commissions.iter().filter(concerns).map(charge).collect(),
    }
}

fn for_customer(cdr: &Cdr) -> CustomerCdrView {
    CustomerCdrView {
        id: cdr.id.into(),
        part: cdr.part,
        tenant: cdr.tenant.map(Id::from),
        call: cdr.ask.into(),
        times: times(cdr),
        caller: payers_caller(cdr),
        called: PayerCalledView {
            received: cdr.called.received.clone(),
            normalised: cdr.called.normalised.as_ref().map(text),
            destination: cdr.called.destination.as_ref().map(text),
            subscriber: cdr.called.subscriber.map(Id::from),
        },
        outcome: outcome(cdr.outcome),
        caller_media: cdr.caller_media.as_ref().map(media),
        audio: audio(cdr).map(Word),
        customer: cdr.customer.as_ref().map(charge),
        packet: cdr.packet.as_ref().map(charge),
    }
}

/// The calling side for who pays. Who forwards a call pays for what he did not dial himself: he is
/// not told who called, if the caller hides.
fn payers_caller(cdr: &Cdr) -> CdrCallerView {
    let shown = caller(cdr);
    match is_forwarded(cdr) && cdr.caller.hidden {
        false => shown,
        true => CdrCallerView {
            from_user: "anonymous".to_owned(),
            display: String::new(),
            source: None,
            sip_call_id: String::new(),
            user_agent: String::new(),
            ..shown
        },
    }
}

/// The calling side of the record is who forwarded.
const fn is_forwarded(cdr: &Cdr) -> bool {
    cdr.part > 0
}

fn times(cdr: &Cdr) -> CdrTimesView {
    CdrTimesView {
        started: Time(cdr.times.started_us),
        rang: cdr.times.rang_us.map(Time),
        answered: cdr.times.answered_us.map(Time),
        ended: Time(cdr.times.ended_us),
        setup_ms: cdr.times.setup_ms,
        talk_ms: cdr.times.talk_ms,
        billable_ms: cdr.times.billable_ms,
    }
}

fn for_supplier(cdr: &Cdr, account: Option<AccountId>) -> SupplierCdrView {
    let lost = cdr.hops.iter().filter(|hop| account.is_some() && hop.supplier == account);
    let mut legs: Vec<SupplierLegView> = lost.map(lost_leg).collect();
    let owed = cdr.supplier.as_ref().filter(|charge| Some(charge.account) == account);
    legs.extend(owed.map(|owed| SupplierLegView {
        dialled: cdr.called.dialled.clone(),
        remote: cdr.called.remote.map(|remote| remote.to_string()),
        started: Time(cdr.times.started_us),
        rang: cdr.times.rang_us.map(Time),
        answered: cdr.times.answered_us.map(Time),
        ended: Time(cdr.times.ended_us),
        talk_ms: Some(cdr.times.called_ms),
        outcome: outcome(cdr.outcome),
        charge: Some(charge(owed)),
    }));
    SupplierCdrView { id: cdr.id.into(), part: cdr.part, tenant: cdr.tenant.map(Id::from), legs }
}

fn lost_leg(hop: &CdrHop) -> SupplierLegView {
    SupplierLegView {
        dialled: hop.dialled.clone(),
        remote: Some(hop.remote.to_string()),
        started: Time(hop.started_us),
        rang: hop.rang_us.map(Time),
        answered: hop.answered_us.map(Time),
        ended: Time(hop.ended_us),
        talk_ms: None,
        outcome: outcome(hop.outcome),
        charge: None,
    }
}

fn for_subscriber(cdr: &Cdr, id: Option<SubscriberId>) -> SubscriberCdrView {
    let outgoing = id.is_some() && cdr.caller.subscriber == id;
    let cost = cdr.customer.as_ref().filter(|_| outgoing);
    SubscriberCdrView {
        id: cdr.id.into(),
        part: cdr.part,
        tenant: cdr.tenant.map(Id::from),
        outgoing,
        caller: (outgoing || !cdr.caller.hidden).then(|| cdr.caller.number.clone()),
        called: cdr.called.received.clone(),
        started: Time(cdr.times.started_us),
        answered: cdr.times.answered_us.map(Time),
        ended: Time(cdr.times.ended_us),
        talk_ms: cdr.times.talk_ms,
        outcome: outcome(cdr.outcome),
        cost: cost.map(|charge| money(charge.gross, charge.currency)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use strowger_model::{CdrCalled, CdrCaller, CdrId, CdrOutcome, CdrTimes, TenantId};

    fn record(part: u8, hidden: bool) -> Cdr {
        Cdr {
            id: CdrId(1),
            part,
            tenant: Some(TenantId(1)),
            ask: 1,
            snapshot: 1,
            times: CdrTimes::default(),
            caller: CdrCaller {
                subscriber: Some(SubscriberId(1)),
                number: "491001".to_owned(),
                from_user: "1001".to_owned(),
                display: "Ada".to_owned(),
                source: Some("192.0.2.7:5060".parse().unwrap()),
                sip_call_id: "c@192.0.2.7".to_owned(),
                user_agent: "Phone/1".to_owned(),
                hidden,
                ..CdrCaller::default()
            },
            called: CdrCalled { subscriber: Some(SubscriberId(2)), ..CdrCalled::default() },
            outcome: CdrOutcome { party: 0, reason: 0, sip: 200, q850: 16 },
            caller_media: None,
            called_media: None,
            customer: None,
            levels: Vec::new(),
            supplier: None,
            commissions: Vec::new(),
            packet: None,
            hops: Vec::new(),
            hops_dropped: 0,
            facts_dropped: 0,
            unpriced: false,
        }
    }

    /// What of the caller stands in an answer: any of what names him.
    fn names(eye: &Eye, cdr: &Cdr) -> bool {
        let shown = serde_json::to_string(&eye.shown(cdr)).unwrap();
        ["491001", "1001", "Ada", "192.0.2.7", "Phone/1"].iter().any(|name| shown.contains(name))
    }

    #[test]
    fn who_hides_is_told_to_the_operator_and_to_himself_alone() {
        let subscriber = |id| Eye::Subscriber(Some(SubscriberId(id)));
        let reseller = || Eye::Reseller(BTreeSet::new());
        for (eye, hidden, expect) in [
            (Eye::Operator(Arc::default()), true, true),
            (Eye::Customer, true, true),
            (reseller(), true, true),
            (subscriber(1), true, true),
            (subscriber(2), true, false),
            (subscriber(2), false, true),
            (Eye::Subscriber(None), true, false),
        ] {
            let cdr = record(0, hidden);
            assert_eq!(names(&eye, &cdr), expect, "hidden: {hidden}");
            assert_eq!(eye.is_hidden(&cdr), !expect);
        }
    }

    /// Who forwards pays for a call that he did not make: the record's number is the one that was
    /// forwarded, and the rest is of who called.
    #[test]
    fn who_hides_is_not_told_to_who_forwards_his_call() {
        for (hidden, expect) in [(false, true), (true, false)] {
            let mut cdr = record(1, hidden);
            cdr.caller.number = "4420".to_owned();
            for eye in [Eye::Customer, Eye::Reseller(BTreeSet::new())] {
                assert_eq!(names(&eye, &cdr), expect, "hidden: {hidden}");
                assert_eq!(eye.is_hidden(&cdr), hidden);
            }
        }
    }
}
