//! How trunks did lately: what is sent, and what records say of it.

use super::Office;
use std::sync::Arc;
use strowger_link::Reason;
use strowger_model::{Cdr, CdrOutcome, Digits, TrunkId, Zone};
use strowger_routing::{
    CallPair, Direction, Ended, Recalled, Sent, Standing, TalkedDay, World, local_day,
};

/// Statuses by which a trunk says that it does not do its work, whoever is called: it asks for
/// credentials that we have not or refuses ours, or knows its own fault.
const FAULTS: [u16; 4] = [401, 403, 407, 408];

/// An attempt at a trunk that a record of before tells of.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct PastLeg {
    /// Trunk.
    pub trunk: TrunkId,
    /// Called number; empty when it had no canonical form.
    pub number: Digits,
    /// The call was sent there first.
    pub is_first: bool,
    /// When it was sent, microseconds since 1970 UTC.
    pub started_us: i64,
    /// When it ended.
    pub ended_us: i64,
    /// Talk, milliseconds; `None` = not answered.
    pub talk_ms: Option<u64>,
    /// How it ended.
    pub outcome: CdrOutcome,
}

impl Office {
    /// Learns again at boot how trunks did: what failed and is tried again from the last attempts,
    /// their figures from counts, oldest first, which count those attempts too.
    pub fn recall_trunks(&mut self, legs: &[PastLeg], counts: &[Recalled]) {
        let set = &self.world.settings().system().route;
        let standing = Arc::make_mut(&mut self.standing);
        let mut moments: Vec<(i64, bool, &PastLeg)> = Vec::with_capacity(legs.len() * 2);
        moments.extend(legs.iter().map(|leg| (leg.ended_us, true, leg)));
        let first = legs.iter().filter(|leg| leg.is_first);
        moments.extend(first.map(|leg| (leg.started_us, false, leg)));
        moments.sort_by_key(|(at_us, is_end, _)| (*at_us, *is_end));
        for (at_us, is_end, leg) in moments {
            let direction = Direction::of(&leg.number);
            if is_end {
                let is_fault = leg.talk_ms.is_none() && is_fault(leg.outcome);
                let end = Ended { trunk: leg.trunk, direction, talk_ms: leg.talk_ms, is_fault };
                standing.ended(&end, set, at_us);
            } else {
                standing.sent(leg.trunk, direction, false, at_us);
            }
        }
        standing.recall(counts);
    }

    /// Learns again at boot how long trunks talked, as the database has counted it.
    pub fn recall_talk(&mut self, days: &[TalkedDay]) {
        Arc::make_mut(&mut self.standing).recall_talk(days);
    }

    /// How trunks did lately.
    #[must_use]
    pub const fn standing(&self) -> &Arc<Standing> {
        &self.standing
    }

    /// By hand: a trunk is as good as new.
    pub fn restore_trunk(&mut self, trunk: TrunkId) {
        Arc::make_mut(&mut self.standing).restore(trunk);
    }

    pub(crate) fn note_sent(&mut self, sent: Option<Sent>, now_us: i64) {
        if let Some(Sent { trunk, direction, probes, turn }) = sent {
            let standing = Arc::make_mut(&mut self.standing);
            standing.sent(trunk, direction, probes, now_us);
            if let Some(turn) = turn {
                standing.took(&turn, trunk);
            }
        }
    }

    /// What the records of one attempt say of the trunks that it was sent to. Each leg stands in
    /// one place: the called leg of a record, or one of its hops.
    pub(crate) fn note_trunks(&mut self, records: &[Cdr]) {
        let set = &self.world.settings().system().route;
        for record in records {
            let number = record.called.normalised.unwrap_or(Digits::EMPTY);
            let direction = Direction::of(&number);
            let answered = record.times.answered_us.is_some();
            if let Some(talked) = talked(&self.world, record) {
                Arc::make_mut(&mut self.standing).talked(talked);
            }
            if let Some((pair, trunk)) = short_talk(&self.world, record) {
                let standing = Arc::make_mut(&mut self.standing);
                standing.talked_shortly(pair, trunk, record.times.ended_us);
            }
            let called = record.called.trunk.map(|trunk| {
                let talk_ms = answered.then_some(record.times.talk_ms);
                (trunk, talk_ms, record.outcome, record.times.ended_us)
            });
            // A hop that answered lost the race for the call: it was reached.
            let hops = record.hops.iter().filter_map(|hop| {
                Some((hop.trunk?, hop.answered_us.map(|_| 0), hop.outcome, hop.ended_us))
            });
            for (trunk, talk_ms, outcome, ended_us) in hops.chain(called) {
                let is_fault = talk_ms.is_none() && is_fault(outcome);
                let end = Ended { trunk, direction, talk_ms, is_fault };
                Arc::make_mut(&mut self.standing).ended(&end, set, ended_us);
            }
        }
    }
}

/// Longest talk of one record that counts, milliseconds: what statistics count of it.
pub(crate) const TALK_MS_MAX: u64 = 30 * 86_400_000;

/// What a record adds to the talk of its trunk, on the day that the call began in where its tenant
/// is; `None` when it adds nothing.
fn talked(world: &World, record: &Cdr) -> Option<TalkedDay> {
    let trunk = record.called.trunk?;
    record.times.answered_us?;
    let began_us = record.times.started_us;
    let day = match record.tenant.and_then(|id| world.tenant(id)) {
        Some(tenant) => local_day(world.zone(tenant), began_us),
        None => local_day(&Zone::UTC, began_us),
    };
    Some(TalkedDay { trunk, day, ms: record.times.talk_ms.min(TALK_MS_MAX) })
}

/// Whose talk was shorter than `route.second_try_ms`, and the trunk that had it; `None` for any
/// other, and for who did not call himself.
fn short_talk(world: &World, record: &Cdr) -> Option<(CallPair, TrunkId)> {
    let account = record.caller.account.filter(|_| record.part == 0)?;
    let short_ms = world.account_settings(account).route.second_try_ms;
    record.times.answered_us?;
    if record.times.talk_ms >= u64::from(short_ms) {
        return None;
    }
    let caller = Digits::parse(&record.caller.number).unwrap_or(Digits::EMPTY);
    Some(((account, caller, record.called.normalised?), record.called.trunk?))
}

/// Whether what went wrong is the trunk's: it is silent, or says so.
fn is_fault(outcome: CdrOutcome) -> bool {
    let by_reason = [Reason::PeerSilent, Reason::PeerError].map(|reason| reason as u8);
    let cancelled = outcome.reason == Reason::Cancelled as u8;
    let by_status = (500..600).contains(&outcome.sip) || FAULTS.contains(&outcome.sip);
    !cancelled && (by_reason.contains(&outcome.reason) || by_status)
}
