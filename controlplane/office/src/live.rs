//! Calls that run now, for people to look at; nothing is decided by them (spec MON-CALLS-01).

use super::Office;
use std::collections::BTreeMap;
use std::sync::Arc;
use strowger_billing::{Caller, PriceRef, Settlement, sides_heard};
use strowger_link::{
    Ask, AskId, CallAsk, CallFacts, Fact, LegId, Live, LiveState, RecordId, Sounds, Tick,
};
use strowger_model::{AccountId, CdrMedia, SubscriberId, TenantId, TrunkId};

/// Most calls kept in the live view; those beyond run unseen.
pub const LIVE_MAX: usize = 100_000;

/// A running call.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct LiveCall {
    /// Its ask.
    pub ask: AskId,
    /// The caller's leg.
    pub leg: LegId,
    /// Its record, once answered.
    pub record: Option<RecordId>,
    /// Its state: the furthest of its legs.
    pub state: LiveState,
    /// Tenant.
    pub tenant: Option<TenantId>,
    /// Who pays.
    pub account: Option<AccountId>,
    /// The calling subscriber.
    pub subscriber: Option<SubscriberId>,
    /// The calling trunk.
    pub trunk: Option<TrunkId>,
    /// Caller's number as recognised.
    pub caller: String,
    /// Called number as received.
    pub called: String,
    /// When it was admitted, microseconds since 1970 UTC.
    pub started_us: i64,
    /// When it was answered.
    pub answered_us: Option<i64>,
    /// The caller's account goes on without control.
    pub go_on: bool,
    /// How it sounds by now, the caller's side first; `None` when it is not relayed, or was not
    /// heard yet.
    pub sound: Option<Box<[CdrMedia; 2]>>,
    /// The trunk whose line it has: the first that it was sent to, then the one that answered.
    pub line: Option<TrunkId>,
}

pub(crate) fn begin(
    ask: &Ask,
    call: &CallAsk,
    parties: Option<(TenantId, Caller)>,
    go_on: bool,
    wall_us: i64,
) -> LiveCall {
    let (tenant, caller) = parties.unzip();
    let caller = caller.unwrap_or_default();
    LiveCall {
        ask: ask.id,
        leg: ask.leg,
        record: None,
        state: LiveState::Dialing,
        tenant,
        account: caller.account,
        subscriber: caller.subscriber,
        trunk: caller.trunk,
        caller: caller.number,
        called: call.called.clone(),
        started_us: wall_us,
        answered_us: None,
        go_on,
        sound: None,
        line: None,
    }
}

/// A call that the call table shows at a boot.
pub(crate) fn taken_up(facts: &CallFacts, settlement: Option<&Settlement>) -> LiveCall {
    let caller = settlement.map(|s| s.caller.clone()).unwrap_or_default();
    let wall_us = |at: Tick| facts.anchor_us.saturating_add_unsigned(at.0 / 1_000);
    let mut call = LiveCall {
        ask: facts.ask,
        leg: LegId { slot: facts.slot, leg: 0 },
        record: Some(facts.record),
        state: LiveState::Dialing,
        tenant: settlement.map(|s| s.tenant),
        account: caller.account,
        subscriber: caller.subscriber,
        trunk: caller.trunk,
        caller: caller.number,
        called: String::new(),
        started_us: facts.anchor_us,
        answered_us: None,
        go_on: false,
        sound: None,
        line: None,
    };
    call.line = settlement.zip(facts.answered_hop()).and_then(|(s, hop)| line_of(s, hop));
    for fact in &facts.facts {
        if let Fact::Began(began) = fact {
            call.called.clone_from(&began.received);
            call.started_us = wall_us(began.at);
        } else if let Fact::LegProgress(_) = fact {
            call.state = LiveState::Ringing;
        } else if let Fact::Joined(joined) = fact {
            call.state = LiveState::Speaking;
            call.answered_us = Some(wall_us(joined.at));
        }
    }
    call
}

/// The trunk of the branch that answered, by its price.
pub(crate) fn line_of(settlement: &Settlement, hop: u8) -> Option<TrunkId> {
    let hop = PriceRef::of(hop).hop?;
    settlement.hops.get(usize::from(hop)).map(|hop| hop.trunk)
}

impl Office {
    pub(crate) fn begin_live(&mut self, call: LiveCall) {
        let (ask, line) = (call.ask, call.line);
        self.end_live(ask);
        self.live.insert(ask, call);
        if let Some(trunk) = line {
            Arc::make_mut(&mut self.standing).line_taken(trunk);
        }
    }

    pub(crate) fn end_live(&mut self, ask: AskId) {
        if let Some(trunk) = self.live.remove(&ask).and_then(|call| call.line) {
            Arc::make_mut(&mut self.standing).line_freed(trunk);
        }
    }

    /// A call was answered by way of `line`.
    pub(crate) fn move_line(&mut self, ask: AskId, line: Option<TrunkId>) {
        let Some(call) = self.live.get_mut(&ask).filter(|call| call.line != line) else { return };
        let before = core::mem::replace(&mut call.line, line);
        let standing = Arc::make_mut(&mut self.standing);
        before.into_iter().for_each(|trunk| standing.line_freed(trunk));
        line.into_iter().for_each(|trunk| standing.line_taken(trunk));
    }
}

/// How some calls sound by now; the latest word on each counts.
pub(crate) fn hear(calls: &mut BTreeMap<AskId, LiveCall>, sounds: &Sounds) {
    for sound in &sounds.calls {
        if let Some(call) = calls.get_mut(&sound.ask) {
            call.sound = Some(Box::new(sides_heard(&sound.caller, &sound.called)));
        }
    }
}

/// A leg changed its state. A call is removed by its record, not by its last leg's end.
pub(crate) fn update(calls: &mut BTreeMap<AskId, LiveCall>, live: &Live) {
    let Some(call) = calls.get_mut(&live.ask) else { return };
    call.state = match (call.state, live.state) {
        (LiveState::Speaking | LiveState::Held, LiveState::Dialing | LiveState::Ringing) => {
            call.state
        }
        // One branch of several ended; the call goes on.
        (state, LiveState::Ended) => state,
        (
            LiveState::Dialing
            | LiveState::Ringing
            | LiveState::Ended
            | LiveState::Speaking
            | LiveState::Held,
            new,
        ) => new,
    };
}
