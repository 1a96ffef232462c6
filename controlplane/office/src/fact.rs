//! Asks that wait for somebody outside to say something.
//!
//! A decision that wants to know what only the outside knows parks its ask here; what is to be
//! found out goes out as [`Output::Find`], and the same decision is made again with the answer
//! ([`Office::found`]) or, when the time is over, without. The states of an ask:
//!
//! | state | event | next |
//! |---|---|---|
//! | asked | its decision needs a fact, there is room and time | waits for turn n, a search |
//! | asked | the same, no room or no time | decided with the fact "unknown" |
//! | waits for turn n | the answer of turn n, or the time is over | decided with one fact more |
//! | waits for turn n | an answer of another turn | nothing |
//! | waits | asked again (a link that came back) | nothing: it is answered once |
//! | waits | given up by the dataplane, or that began a new life | forgotten |
//! | not known | an answer | nothing |
//!
//! Nothing is held or counted for an ask that waits: its money is taken when it is decided. An
//! office that dies with asks that wait is asked again by the dataplane, or they run out there.
//! Bounds: [`WAITING_MAX`] asks, `FACTS_MAX` questions of each, and one time for all of them
//! (`fact.wait_ms`), which ends `MARGIN_MS` before the ask's own.

use super::{Office, Output};
use std::collections::{BTreeMap, BTreeSet};
use strowger_link::{Ask, AskBody, AskId, Down, MS, Tick};
use strowger_model::{AccountId, SubscriberId};
use strowger_routing::{Again, Fact, Finding, Lack, Query};

/// Most asks that wait at once.
pub const WAITING_MAX: usize = 4_096;
/// What is kept of an ask's time for its way back, milliseconds.
const MARGIN_MS: u64 = 100;

/// Which answer belongs to which question.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct Ticket {
    ask: AskId,
    turn: u64,
}

/// Something to be found out outside; the answer goes to [`Office::found`].
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Search {
    /// To be given back.
    pub ticket: Ticket,
    /// The question.
    pub query: Query,
}

/// What a decision has come to so far.
#[derive(Clone, Default, Debug)]
pub(crate) struct SoFar {
    /// Who calls, if that is known without credentials.
    pub(crate) sender: Option<SubscriberId>,
    /// It was answered, and is to go elsewhere.
    pub(crate) again: Option<Again>,
    /// What was found out.
    pub(crate) known: Vec<Fact>,
    /// Who cannot pay for forwards.
    pub(crate) unable: Vec<AccountId>,
    /// When it has waited enough; `None` = it has not waited yet.
    pub(crate) until: Option<Tick>,
}

/// An ask that waits.
#[derive(Debug)]
struct Waiting {
    ask: Ask,
    so_far: SoFar,
    query: Query,
    turn: u64,
    until: Tick,
    // The wall clock at a time of the other, so that the end of its time needs no clock.
    at: (Tick, i64),
}

/// All asks that wait.
#[derive(Debug, Default)]
pub(crate) struct WaitingAsks {
    asks: BTreeMap<AskId, Waiting>,
    due: BTreeSet<(Tick, AskId)>,
    turns: u64,
}

impl WaitingAsks {
    pub(crate) fn contains(&self, ask: AskId) -> bool {
        !self.asks.is_empty() && self.asks.contains_key(&ask)
    }

    pub(crate) fn len(&self) -> usize {
        self.asks.len()
    }

    pub(crate) fn poll_timeout(&self) -> Option<Tick> {
        self.due.first().map(|(at, _)| *at)
    }

    /// The dataplane wants no answer any more.
    pub(crate) fn forget(&mut self, ask: AskId) {
        if let Some(gone) = self.asks.remove(&ask) {
            self.due.remove(&(gone.until, ask));
        }
    }

    /// A shard began a new life: nobody there waits for these.
    pub(crate) fn forget_shard(&mut self, shard: u8) {
        let is_gone = |ask: &AskId| ask.0 >> 56 == u64::from(shard);
        self.asks.retain(|ask, _| !is_gone(ask));
        self.due.retain(|(_, ask)| !is_gone(ask));
    }

    fn put(&mut self, waiting: Waiting) {
        self.due.insert((waiting.until, waiting.ask.id));
        self.asks.insert(waiting.ask.id, waiting);
    }

    fn take(&mut self, ticket: Ticket) -> Option<Waiting> {
        let turn = self.asks.get(&ticket.ask)?.turn;
        (turn == ticket.turn).then(|| self.remove(ticket.ask)).flatten()
    }

    fn take_due(&mut self, now: Tick) -> Option<Waiting> {
        let (_, ask) = *self.due.first().filter(|(at, _)| *at <= now)?;
        self.remove(ask)
    }

    fn remove(&mut self, ask: AskId) -> Option<Waiting> {
        let waiting = self.asks.remove(&ask)?;
        self.due.remove(&(waiting.until, ask));
        Some(waiting)
    }
}

impl Office {
    /// What came of a [`Search`]. What nobody waits for any more is dropped.
    pub fn found(&mut self, ticket: Ticket, finding: Finding, now: Tick, wall_us: i64) {
        if let Some(waiting) = self.waiting.take(ticket) {
            self.resume(waiting, finding, (now, wall_us));
        }
    }

    /// Asks that wait for the outside.
    #[must_use]
    pub fn waiting(&self) -> usize {
        self.waiting.len()
    }

    /// Lets an ask wait for `query`; what it has come to comes back with the fact that nobody says,
    /// when it cannot.
    pub(crate) fn park(
        &mut self,
        ask: &Ask,
        mut so_far: SoFar,
        query: Query,
        (now, wall_us): (Tick, i64),
    ) -> Option<SoFar> {
        let until = so_far.until.unwrap_or_else(|| {
            let wait_ms = self.world.settings().system().fact.wait_ms;
            let last = Tick(ask.deadline.0.saturating_sub(MARGIN_MS * MS));
            now.plus_ms(wait_ms.into()).min(last)
        });
        let lack = match (until <= now, self.waiting.len() >= WAITING_MAX) {
            (true, _) => Some(Lack::Late),
            (false, true) => Some(Lack::Full),
            (false, false) => None,
        };
        if let Some(lack) = lack {
            self.counts.facts_missing += 1;
            so_far.known.push(Fact { query, finding: Finding::Unknown(lack) });
            return Some(so_far);
        }
        so_far.until = Some(until);
        self.waiting.turns += 1;
        let turn = self.waiting.turns;
        let ticket = Ticket { ask: ask.id, turn };
        self.out.push_back(Output::Find(Box::new(Search { ticket, query: query.clone() })));
        let (ask, at) = (ask.clone(), (now, wall_us));
        self.waiting.put(Waiting { ask, so_far, query, turn, until, at });
        None
    }

    /// Asks whose time is over are decided without.
    pub(crate) fn end_waits(&mut self, now: Tick) {
        while let Some(waiting) = self.waiting.take_due(now) {
            let (then, wall_us) = waiting.at;
            let passed_us = i64::try_from(now.ns_since(then) / 1_000).unwrap_or(i64::MAX);
            let times = (now, wall_us.saturating_add(passed_us));
            self.resume(waiting, Finding::Unknown(Lack::Late), times);
        }
    }

    fn resume(&mut self, waiting: Waiting, finding: Finding, times: (Tick, i64)) {
        let Waiting { ask, mut so_far, query, .. } = waiting;
        self.counts.facts_missing += u64::from(matches!(finding, Finding::Unknown(_)));
        so_far.known.push(Fact { query, finding });
        let answer = match &ask.body {
            AskBody::Resolve(asked) => self.resolve(&ask, asked, so_far, times),
            AskBody::Redirected(asked) => self.decide_redirect(&ask, asked, so_far, times),
            AskBody::Call(_)
            | AskBody::Transfer(_)
            | AskBody::Reroute(_)
            | AskBody::Pickup(_)
            | AskBody::Extend(_)
            | AskBody::Register(_)
            | AskBody::Request(_)
            | AskBody::App(_) => self.consider(&ask, so_far, times),
        };
        if let Some(answer) = answer {
            self.out.push_back(Output::Down(Down::Answer(Box::new(answer))));
        }
    }
}
