//! Calls of before decided again: on the world as it is, and on one that was changed.
//!
//! Each record becomes the call that it was, decided twice under the same conditions: nobody is
//! registered, no trunk has failed, targets that share calls take turns. What differs is then the
//! change's doing. A call to a subscriber stays inside whoever was registered. The first target
//! that the decision names is taken to carry the call, and what it talked is priced by the terms
//! that the decision left. Pure; bounded by the destinations and trunks of the worlds.

use crate::decide::Verdict;
use crate::dry_run::{Caller, DryRun, dry_run};
use crate::location::Locations;
use crate::shared_call::SharedCalls;
use crate::standing::Standing;
use crate::world::World;
use std::collections::BTreeMap;
use std::sync::Arc;
use strowger_billing::{Settlement, Terms, rate};
use strowger_link::{PartyRef, Reason, Tick};
use strowger_model::{Cdr, Currency, Digits, TrunkId};

/// Most destinations that are told apart; further ones count together.
pub const REPLAY_DESTINATIONS_MAX: usize = 10_000;
/// Most pairs of ways that are told.
pub const REPLAY_MOVES_MAX: usize = 10_000;
/// First digits of a number that has no destination.
const FIRST_DIGITS: usize = 4;

/// What calls cost in one currency, without tax, at its ledger scale.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub struct Sides {
    /// What customers pay.
    pub customer: i64,
    /// What suppliers are owed.
    pub supplier: i64,
}

/// Money by currency.
pub type Sums = BTreeMap<Currency, Sides>;

/// Where a call goes.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum Way {
    /// To nobody: it is refused.
    Refused,
    /// To somebody here.
    Inside,
    /// Out by this trunk.
    Trunk(TrunkId),
}

/// What was found for one destination, or for all.
#[derive(Clone, PartialEq, Eq, Default, Debug)]
pub struct ReplayLine {
    /// Calls.
    pub calls: u64,
    /// Talk that may be charged, milliseconds.
    pub billable_ms: u64,
    /// Calls that another way would take.
    pub moved: u64,
    /// Calls that would be refused, as the world is and as it was changed.
    pub refused: [u64; 2],
    /// What they cost when they were made.
    pub recorded: Sums,
    /// What they would cost, as the world is and as it was changed.
    pub decided: [Sums; 2],
}

/// What a replay found.
#[derive(Clone, PartialEq, Eq, Default, Debug)]
pub struct Replayed {
    /// By destination.
    pub lines: BTreeMap<Digits, ReplayLine>,
    /// All calls.
    pub total: ReplayLine,
    /// From one way to another: how many calls.
    pub moves: BTreeMap<(Way, Way), u64>,
    /// Calls of senders whom a world does not know, or that nobody can make again: without caller,
    /// or forwarded and transferred ones, which no dialled number tells.
    pub unknown: u64,
}

/// A replay that runs: records are given to it, one after the other.
#[derive(Debug)]
pub struct Replay {
    worlds: [Arc<World>; 2],
    nobody: Locations,
    /// Of each world: whose turn it is there.
    standing: [Arc<Standing>; 2],
    shared: Arc<SharedCalls>,
    /// What it has found so far.
    pub found: Replayed,
}

/// One decision.
struct Decided {
    way: Way,
    sums: Sums,
}

impl Replay {
    /// Begins with the world as it is and as it was changed.
    #[must_use]
    pub fn new(worlds: [Arc<World>; 2]) -> Replay {
        Replay {
            worlds,
            nobody: Locations::default(),
            standing: Default::default(),
            shared: Arc::default(),
            found: Replayed::default(),
        }
    }

    /// Decides a record's call again.
    pub fn take(&mut self, record: &Cdr) {
        let Some(run) = again(record) else {
            self.found.unknown += 1;
            return;
        };
        let at_us = record.times.started_us;
        let billable_ms = record.is_answered().then_some(record.times.billable_ms);
        let [now, changed] = [0, 1].map(|side| self.decide(side, &run, at_us, billable_ms));
        let (Some(now), Some(changed)) = (now, changed) else {
            self.found.unknown += 1;
            return;
        };
        let (destination, found) = (destination(record), &mut self.found);
        let is_full = found.lines.len() >= REPLAY_DESTINATIONS_MAX;
        let key = match is_full && !found.lines.contains_key(&destination) {
            true => Digits::EMPTY,
            false => destination,
        };
        let paid = recorded(record);
        for line in [found.lines.entry(key).or_default(), &mut found.total] {
            line.add(billable_ms.unwrap_or_default(), &paid, [&now, &changed]);
        }
        if now.way != changed.way {
            let pair = (now.way, changed.way);
            if found.moves.len() < REPLAY_MOVES_MAX || found.moves.contains_key(&pair) {
                *found.moves.entry(pair).or_default() += 1;
            }
        }
    }

    /// Decides in the world of a side: 0 as it is, 1 as it was changed.
    fn decide(
        &mut self,
        side: usize,
        run: &DryRun,
        at_us: i64,
        billable_ms: Option<u64>,
    ) -> Option<Decided> {
        let times = (Tick::default(), at_us);
        let (world, standing) = (self.worlds.get(side)?, self.standing.get_mut(side)?);
        let decision = dry_run(world, &self.nobody, (&*standing, &self.shared), run, times).ok()?;
        if let Some((turn, sent)) = decision.sent.as_ref().and_then(|s| Some((s.turn.as_ref()?, s)))
        {
            Arc::make_mut(standing).took(turn, sent.trunk);
        }
        let plan = match decision.verdict {
            Verdict::Go(plan) => plan,
            // Whoever was registered then: it is nobody's way out.
            Verdict::Refuse(refuse) if refuse.reason == Reason::Offline => {
                return Some(Decided { way: Way::Inside, sums: Sums::new() });
            }
            Verdict::Refuse(_)
            | Verdict::Challenge(_)
            | Verdict::Registered(_)
            | Verdict::Respond(_)
            // Nobody outside is asked again.
            | Verdict::Need(_) => {
                return Some(Decided { way: Way::Refused, sums: Sums::new() });
            }
        };
        let first = plan.go.stages.first().and_then(|stage| stage.branches.first());
        let way = match first.map(|branch| &branch.party) {
            Some(PartyRef::Trunk(id)) => Way::Trunk(TrunkId(*id)),
            Some(PartyRef::Subscriber(_) | PartyRef::Unknown) => Way::Inside,
            None => Way::Refused,
        };
        let mut sums = Sums::new();
        if let (Some(billable_ms), Ok(settlement)) =
            (billable_ms, Settlement::decode(&plan.go.settlement.0))
        {
            let level = settlement.levels.first();
            let hop = first.and_then(|branch| settlement.hops.get(usize::from(branch.hop)));
            let hop = hop.filter(|hop| Way::Trunk(hop.trunk) == way);
            let cost = |terms: &Terms| rate(terms, Some(billable_ms), 0).ok();
            if let Some(rated) = level.and_then(|level| cost(&level.terms)) {
                sums.entry(rated.currency).or_default().customer += rated.net.0;
            }
            if let Some(rated) = hop.and_then(|hop| hop.terms.as_ref()).and_then(cost) {
                sums.entry(rated.currency).or_default().supplier += rated.net.0;
            }
        }
        Some(Decided { way, sums })
    }
}

impl ReplayLine {
    fn add(&mut self, billable_ms: u64, paid: &Sums, [now, changed]: [&Decided; 2]) {
        self.calls += 1;
        self.billable_ms = self.billable_ms.saturating_add(billable_ms);
        self.moved += u64::from(now.way != changed.way);
        put(&mut self.recorded, paid);
        for ((refused, sums), decided) in
            self.refused.iter_mut().zip(&mut self.decided).zip([now, changed])
        {
            *refused += u64::from(decided.way == Way::Refused);
            put(sums, &decided.sums);
        }
    }
}

fn put(sums: &mut Sums, more: &Sums) {
    for (currency, sides) in more {
        let sum = sums.entry(*currency).or_default();
        sum.customer = sum.customer.saturating_add(sides.customer);
        sum.supplier = sum.supplier.saturating_add(sides.supplier);
    }
}

/// The call that a record tells of; `None` when it cannot be made again.
fn again(record: &Cdr) -> Option<DryRun> {
    let caller = &record.caller;
    let from = match (caller.subscriber, caller.trunk) {
        (Some(subscriber), None) => Caller::Subscriber(subscriber),
        (Some(_) | None, Some(trunk)) => Caller::Trunk(trunk, caller.source),
        (None, None) => return None,
    };
    if record.part != 0 || record.called.received.is_empty() {
        return None;
    }
    Some(DryRun {
        from,
        called: record.called.received.clone(),
        caller: (!caller.from_user.is_empty()).then(|| caller.from_user.clone()),
        draw: record.ask,
        known: None,
    })
}

fn destination(record: &Cdr) -> Digits {
    let first = || {
        let number = record.called.normalised?;
        let text = number.as_str();
        Digits::parse(text.get(..FIRST_DIGITS).unwrap_or(text)).ok()
    };
    record.called.destination.or_else(first).unwrap_or(Digits::EMPTY)
}

fn recorded(record: &Cdr) -> Sums {
    let mut sums = Sums::new();
    if let Some(charge) = &record.customer {
        sums.entry(charge.currency).or_default().customer += charge.net.0;
    }
    if let Some(charge) = &record.supplier {
        sums.entry(charge.currency).or_default().supplier += charge.net.0;
    }
    sums
}

#[cfg(test)]
mod tests;
