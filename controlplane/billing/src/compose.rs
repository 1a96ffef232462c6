//! From facts to drafts of records (design of calls, 5).
//!
//! One [`CallFacts`] is one attempt of a caller, and one record. Each forward that was tried has a
//! record of its own beside it, a part of the same attempt: the caller's says that the forwarding
//! party was reached, the forward's what became of it. Each leg stands in exactly one of them; all
//! that were answered have the same talk time. A transfer is an attempt of its own. Durations are
//! differences of ticks; times are the call's anchor plus ticks. The same facts give the same
//! records, always.

mod scope;
mod trace;

use crate::{Forwarder, Settlement};
use scope::Scope;
use strowger_link::{
    CallEnded, CallFacts, Cause, Heard, MediaReport, Party, PartyRef, Reason, Tick,
};
use strowger_model::{
    CDR_HOPS_MAX, Cdr, CdrCalled, CdrCaller, CdrHeard, CdrHop, CdrId, CdrMedia, CdrOutcome,
    CdrTimes, Speech, SubscriberId, TrunkId, mos,
};
use trace::{Call, Leg};

/// Talk beyond the granted time by so much, milliseconds, is the switch being late with the cut,
/// and nobody pays it. A call that was allowed to go on longer is charged for all of it.
pub const CUT_GRACE_MS: u64 = 1_000;

/// Which time of a call is charged (spec BILL-IVR-01).
///
/// The source's modes 2, 3 and 4 price the two legs apart: they need a second price in the
/// settlement and come with the applications that have one.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Default, Debug)]
pub enum Mode {
    /// From the answer of the called party (source mode 1). For a call without an application that
    /// answers first, this is the time from answer to end.
    #[default]
    CalledLeg,
    /// From the answer of the caller's leg, by whomever (source mode 0).
    Whole,
    /// The called leg when one answered, else the whole time (source mode 5).
    CalledLegOrWhole,
}

/// A record without its money.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct CdrDraft {
    /// The record: no tenant, account or charge yet.
    pub(crate) cdr: Cdr,
    /// Index in the settlement of the called leg's price.
    pub(crate) hop: Option<u8>,
    /// The same for each of [`Cdr::hops`].
    pub(crate) hop_prices: Vec<u8>,
    /// The price of the leg that answered the call.
    pub(crate) answered: Option<u8>,
    /// Talk time that an allowance was granted to pay, milliseconds from answer.
    pub(crate) free_ms: u64,
}

impl CdrDraft {
    /// The record as far as facts tell it: for a call without a settlement.
    #[must_use]
    pub fn unpriced(self) -> Cdr {
        self.cdr
    }
}

/// The records of a call that has ended; none of one that runs (close it with [`close_at`] when it
/// was cut off).
#[must_use]
pub fn compose(facts: &CallFacts, mode: Mode) -> Vec<CdrDraft> {
    drafts(facts, mode, None)
}

/// The same for a call whose settlement is known: its forwards have drafts of their own.
pub(crate) fn drafts(
    facts: &CallFacts,
    mode: Mode,
    settlement: Option<&Settlement>,
) -> Vec<CdrDraft> {
    let call = Call::read(facts);
    let Some(ended) = call.ended else { return Vec::new() };
    let tried =
        Scope::forwards(settlement).filter(|scope| call.called_legs().any(|leg| scope.covers(leg)));
    let scopes = core::iter::once(Scope::caller(settlement)).chain(tried);
    scopes.map(|scope| draft(&call, ended, mode, scope)).collect()
}

/// Facts of a call that a crash cut off, ended at `tick`, the last sign of life of its shard; facts
/// that have an end already are returned as they are.
#[must_use]
pub fn close_at(facts: &CallFacts, tick: Tick, reason: Reason) -> CallFacts {
    let mut closed = facts.clone();
    closed.close_at(tick, reason);
    closed
}

fn draft(call: &Call<'_>, ended: &CallEnded, mode: Mode, scope: Scope<'_>) -> CdrDraft {
    let called = scope.called(call);
    let failed: Vec<(usize, &Leg<'_>)> = call
        .called_legs()
        .enumerate()
        .filter(|(_, leg)| scope.owns(leg))
        .filter(|(_, leg)| !called.is_some_and(|called| std::ptr::eq(*leg, called)))
        .collect();
    let kept = failed.iter().take(CDR_HOPS_MAX);
    let is_first = scope.part.is_none();
    let (a, b) = (call.caller().and_then(Leg::media), called.and_then(Leg::media));
    let cdr = Cdr {
        id: CdrId(call.facts.record.0),
        part: scope.part.map_or(0, |part| part.saturating_add(1)),
        tenant: None,
        ask: call.facts.ask.0,
        snapshot: 0,
        times: times(call, ended, mode, scope),
        caller: caller(call),
        called: called_side(call, called, scope),
        outcome: match scope.own_end(call) {
            Some(end) => outcome(end.cause, end.by, end.reason),
            None => outcome(ended.cause, ended.by, ended.reason),
        },
        caller_media: a.filter(|_| is_first).map(|report| media(report, b)),
        called_media: b.map(|report| media(report, a)),
        customer: None,
        levels: Vec::new(),
        supplier: None,
        commissions: Vec::new(),
        packet: None,
        hops: kept.clone().map(|(index, leg)| hop(call, ended, *index, leg)).collect(),
        hops_dropped: u32::try_from(failed.len().saturating_sub(CDR_HOPS_MAX)).unwrap_or(u32::MAX),
        facts_dropped: if is_first { ended.facts_dropped } else { 0 },
        unpriced: false,
    };
    CdrDraft {
        cdr,
        hop: called.map(|leg| leg.opened.hop),
        answered: call.winner().map(|leg| leg.opened.hop),
        hop_prices: kept.map(|(_, leg)| leg.opened.hop).collect(),
        free_ms: if is_first { call.free_ms } else { 0 },
    }
}

fn times(call: &Call<'_>, ended: &CallEnded, mode: Mode, scope: Scope<'_>) -> CdrTimes {
    let whole = || call.caller().and_then(|leg| leg.answered_span(ended.at));
    let talk = match mode {
        _ if scope.part.is_some() && !scope.is_answered(call) => None,
        Mode::CalledLeg => call.talk_of_called(ended.at),
        Mode::Whole => whole(),
        Mode::CalledLegOrWhole => call.talk_of_called(ended.at).or_else(whole),
    };
    let talk_ms = talk.map_or(0, |(from, to)| to.ms_since(from));
    let span_ms = |leg: Option<&Leg<'_>>| {
        leg.and_then(|leg| leg.answered_span(ended.at)).map_or(0, |(from, to)| to.ms_since(from))
    };
    let (started_at, ended_at) = (scope.started_at(call), scope.ended_at(call, ended));
    let covered = || call.called_legs().filter(|leg| scope.covers(leg));
    CdrTimes {
        started_us: call.wall_us(started_at),
        rang_us: covered().filter_map(|leg| leg.rang_at).min().map(|at| call.wall_us(at)),
        answered_us: talk.map(|(from, _)| call.wall_us(from)),
        ended_us: call.wall_us(ended_at),
        setup_ms: talk.map_or(ended_at, |(from, _)| from).ms_since(started_at),
        talk_ms,
        billable_ms: billable_ms(talk_ms, call.granted_ms, ended),
        caller_ms: if scope.part.is_none() || talk.is_some() { span_ms(call.caller()) } else { 0 },
        called_ms: span_ms(call.called().filter(|leg| scope.covers(leg))),
    }
}

/// What of the talk may be charged: nobody pays for a cut that came late. Where facts were dropped,
/// the last grant may be among them: then only the grace counts.
fn billable_ms(talk_ms: u64, granted_ms: Option<u64>, ended: &CallEnded) -> u64 {
    let Some(granted_ms) = granted_ms else { return talk_ms };
    let is_cut = ended.reason == Reason::CreditEnded && ended.facts_dropped == 0;
    if is_cut || talk_ms.saturating_sub(granted_ms) <= CUT_GRACE_MS {
        talk_ms.min(granted_ms)
    } else {
        talk_ms
    }
}

fn caller(call: &Call<'_>) -> CdrCaller {
    let Some(began) = call.began else { return CdrCaller::default() };
    CdrCaller {
        from_user: began.from_user.clone(),
        display: began.display.clone(),
        source: began.source,
        sip_call_id: began.sip_call_id.clone(),
        user_agent: began.user_agent.clone(),
        ..CdrCaller::default()
    }
}

/// The called side: a leg, or the party that forwarded.
fn called_side(call: &Call<'_>, leg: Option<&Leg<'_>>, scope: Scope<'_>) -> CdrCalled {
    let received = call.began.map(|began| began.received.clone()).unwrap_or_default();
    let Some(leg) = leg else {
        let subscriber = match scope.forwarder(call) {
            Some(Forwarder::Subscriber(id)) => Some(id),
            Some(Forwarder::RingGroup(_) | Forwarder::Trunk(_)) | None => None,
        };
        return CdrCalled { received, subscriber, ..CdrCalled::default() };
    };
    let (trunk, subscriber) = party(&leg.opened.party);
    CdrCalled {
        received,
        dialled: leg.opened.dialed.clone(),
        subscriber,
        trunk,
        remote: Some(leg.opened.remote),
        ..CdrCalled::default()
    }
}

fn hop(call: &Call<'_>, call_ended: &CallEnded, index: usize, leg: &Leg<'_>) -> CdrHop {
    let (trunk, subscriber) = party(&leg.opened.party);
    let (ended_at, outcome) = match leg.ended {
        Some(ended) => (ended.at, outcome(ended.cause, ended.by, ended.reason)),
        None => (call_ended.at, outcome(call_ended.cause, call_ended.by, call_ended.reason)),
    };
    CdrHop {
        index: u8::try_from(index).unwrap_or(u8::MAX),
        stage: leg.opened.stage,
        branch: leg.opened.branch,
        trunk,
        subscriber,
        supplier: None,
        dialled: leg.opened.dialed.clone(),
        remote: leg.opened.remote,
        started_us: call.wall_us(leg.opened.at),
        rang_us: leg.rang_at.map(|at| call.wall_us(at)),
        answered_us: leg.answered_at.map(|at| call.wall_us(at)),
        ended_us: call.wall_us(ended_at),
        outcome,
    }
}

const fn party(party: &PartyRef) -> (Option<TrunkId>, Option<SubscriberId>) {
    match party {
        PartyRef::Unknown => (None, None),
        PartyRef::Trunk(id) => (Some(TrunkId(*id)), None),
        PartyRef::Subscriber(id) => (None, Some(SubscriberId(*id))),
    }
}

const fn outcome(cause: Cause, by: Party, reason: Reason) -> CdrOutcome {
    CdrOutcome { party: by as u8, reason: reason as u8, sip: cause.sip, q850: cause.q850 }
}

/// What both sides of a running call carried so far, the caller's first, and how that sounds: as
/// its record will have it.
#[must_use]
pub fn sides_heard(caller: &MediaReport, called: &MediaReport) -> [CdrMedia; 2] {
    [media(caller, Some(called)), media(called, Some(caller))]
}

/// Where a call is ended for a false answer and where its record names one, one rule counts.
const _: () = assert!(strowger_link::FALSE_RANG_MS_MIN == strowger_model::RANG_MS_MIN);
const _: () = assert!(strowger_link::FALSE_SILENT_MS_MIN == strowger_model::SILENT_MS_MIN);
const _: () = assert!(strowger_link::FALSE_PACKETS_MIN == strowger_model::PACKETS_MIN);

/// Media of a leg, and how it sounded; `other` is that of the leg it talked with.
fn media(report: &MediaReport, other: Option<&MediaReport>) -> CdrMedia {
    let half = |report: &MediaReport| {
        report.heard.and_then(|heard| heard.round_trip_us).unwrap_or_default() / 2
    };
    // All of the way between the parties, as far as it was measured.
    let delay_us = half(report).saturating_add(other.map_or(0, half));
    let speech = Speech {
        codec: &report.codec,
        received: report.received,
        lost: report.lost,
        jitter_us: report.jitter_us,
        delay_us,
    };
    CdrMedia {
        received: report.received,
        received_octets: report.received_octets,
        sent: report.sent,
        sent_octets: report.sent_octets,
        lost: report.lost,
        jitter_us: report.jitter_us,
        jitter_us_max: report.jitter_us_max,
        dropped: report.strangers.saturating_add(report.dropped),
        payload_type: (report.payload_type != u8::MAX).then_some(report.payload_type),
        codec: report.codec.clone(),
        remote: report.remote.map(|remote| remote.ip()),
        mos: mos(&speech),
        heard: report.heard.map(|told| heard(&told, report.sent, speech)),
        silent_ms: report.silent_ms,
        rang_ms: report.rang_ms,
    }
}

/// What a leg told of the `sent` packets that went to it, and how that sounded: in the codec that
/// it speaks itself, at the delay of `own`.
fn heard(told: &Heard, sent: u64, own: Speech<'_>) -> CdrHeard {
    let Heard { reports, lost, jitter_us, round_trip_us, round_trip_us_max } = *told;
    let speech = Speech {
        received: sent.saturating_sub(lost.into()),
        lost: u64::from(lost).min(sent),
        jitter_us,
        ..own
    };
    CdrHeard {
        reports,
        lost,
        jitter_us,
        round_trip_us,
        round_trip_us_max: round_trip_us.map(|_| round_trip_us_max),
        mos: mos(&speech),
    }
}

#[cfg(test)]
mod tests;
