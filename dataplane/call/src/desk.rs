//! What all calls of a shard share: asks under way, ids, the emergency table, outputs, counters.

use crate::call::{Joining, PickUp, Spawn, heard_as};
use crate::limits::{ANSWERED_MAX, RETRY_AFTER_S_MAX};
use crate::outbox::Outbox;
use crate::{CallsConfig, Resources};
use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::Arc;
use strowger_leg::{Command, Event};
use strowger_link::siphash::siphash24;
use strowger_link::{
    Ask, AskId, Branch, Cause, Emergency, Key, LegId, RECORD_SEQ_BITS, RecordId, SlotRef, Tick, Up,
};

/// What a call's handler is given besides the event.
pub(crate) struct Cx<'a> {
    pub(crate) now: Tick,
    pub(crate) desk: &'a mut Desk,
    pub(crate) res: &'a mut dyn Resources,
}

/// Events that went nowhere, and defaults that were used.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub struct Counters {
    /// Events of legs that no call has: late ones after a slot's next life began, or misuse.
    pub strays: u64,
    /// Events that a leg may not send in its state.
    pub misplaced: u64,
    /// Legs that never said their last word after a hang-up.
    pub legs_lost: u64,
    /// Asks whose deadline passed without an answer.
    pub asks_unanswered: u64,
    /// Grants given back because nobody waited for them any more.
    pub abandoned: u64,
}

/// The ring to the control plane.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Link {
    /// No greeting yet: there is no origin for records.
    Never,
    /// Asks travel.
    Up,
    /// Asks wait for its return, until their deadlines.
    Lost,
}

/// What an ask was about.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum AskKind {
    Call,
    Extend,
    /// Where a redirect leads.
    Redirect,
}

#[derive(Debug)]
pub(crate) struct Desk {
    pub(crate) config: CallsConfig,
    pub(crate) out: Outbox,
    pub(crate) counters: Counters,
    pub(crate) link: Link,
    origin: u32,
    records: u64,
    asked: u64,
    /// Asks under way: at most one a call, so bounded by the slots.
    waiting: BTreeMap<AskId, (SlotRef, AskKind)>,
    /// Asks whose grant was taken or given back, the latest [`ANSWERED_MAX`].
    granted: BTreeSet<AskId>,
    emergency: BTreeMap<String, Vec<Branch>>,
    /// What calls want of each other, in the same turn.
    pub(crate) errands: VecDeque<Errand>,
    /// Legs of two calls whose media is joined, with the two as they were joined.
    pub(crate) meshed: BTreeMap<LegId, (LegId, LegId)>,
}

/// What one call wants of another.
#[derive(Debug)]
pub(crate) enum Errand {
    /// A mesh leg hears something.
    Say { to: LegId, event: Event },
    /// A call is to begin.
    Spawn(Box<Spawn>),
    /// Another call is to become one bridge with this one.
    Join(Box<Joining>),
    /// Another call is to give one of its places to the caller of this one.
    PickUp(Box<PickUp>),
}

impl Desk {
    pub(crate) fn new(config: CallsConfig) -> Desk {
        Desk {
            out: Outbox::default(),
            counters: Counters::default(),
            link: Link::Never,
            origin: 0,
            records: 0,
            asked: config.ask_base,
            waiting: BTreeMap::new(),
            granted: BTreeSet::new(),
            emergency: BTreeMap::new(),
            errands: VecDeque::new(),
            meshed: BTreeMap::new(),
            config,
        }
    }

    /// A mesh leg is told something: the other half hears it. One that is hung up has ended by
    /// that.
    pub(crate) fn say(&mut self, (near, far): (LegId, LegId), command: Command) {
        // Who is put through is not the one who could call elsewhere.
        let command = if let Command::Redirect { .. } = command {
            let cause = Cause::from_sip(480);
            Command::Hangup { cause, phrase: "".into(), retry_after_s: 0 }
        } else {
            command
        };
        if let Command::Hangup { cause, .. } = &command {
            let event = Event::Ended { cause: *cause, by_party: false };
            self.errands.push_back(Errand::Say { to: near, event });
        }
        if let Some(event) = heard_as(command) {
            self.errands.push_back(Errand::Say { to: far, event });
        }
    }

    /// Joins the media of two legs of different calls, unless one of them is joined already.
    pub(crate) fn join(&mut self, (one, other): (LegId, LegId), res: &mut dyn Resources) {
        if self.meshed.contains_key(&one) || self.meshed.contains_key(&other) {
            return;
        }
        self.meshed.insert(one, (one, other));
        self.meshed.insert(other, (one, other));
        res.join(one, other);
    }

    /// Parts a leg from that of another call, if it is joined with one.
    pub(crate) fn part(&mut self, leg: LegId, res: &mut dyn Resources) {
        if let Some((a, b)) = self.meshed.get(&leg).copied() {
            self.meshed.remove(&a);
            self.meshed.remove(&b);
            res.part(a, b);
        }
    }

    pub(crate) fn set_origin(&mut self, origin: u32) {
        self.origin = origin;
        if self.link == Link::Never {
            self.link = Link::Up;
        }
    }

    pub(crate) fn set_emergency(&mut self, table: Vec<Emergency>) {
        self.emergency = table.into_iter().map(|e| (e.number, e.branches)).collect();
    }

    /// Branches of an emergency number; `None` when it is none.
    pub(crate) fn emergency(&self, number: &str) -> Option<&[Branch]> {
        self.emergency.get(number).map(Vec::as_slice)
    }

    /// The next record's id; `None` before the first greeting. The count goes on through greetings,
    /// so no origin ever sees one twice.
    pub(crate) fn record(&mut self) -> Option<RecordId> {
        if self.link == Link::Never {
            return None;
        }
        let id = RecordId::new(self.origin, self.records & ((1 << RECORD_SEQ_BITS) - 1))?;
        self.records = self.records.wrapping_add(1);
        Some(id)
    }

    pub(crate) fn ask_id(&mut self) -> AskId {
        const COUNT: u64 = (1 << 56) - 1;
        let id = AskId(u64::from(self.config.shard) << 56 | self.asked & COUNT);
        self.asked = self.asked.wrapping_add(1);
        id
    }

    /// Asks, or lets the ask wait for the control plane's return.
    pub(crate) fn ask(&mut self, ask: &Arc<Ask>, kind: AskKind) {
        self.waiting.insert(ask.id, (ask.leg.slot, kind));
        match self.link {
            Link::Up => self.out.ask(Arc::clone(ask)),
            Link::Never | Link::Lost => {}
        }
    }

    /// Who waits for this ask; it waits no longer.
    pub(crate) fn take(&mut self, id: AskId) -> Option<(SlotRef, AskKind)> {
        self.waiting.remove(&id)
    }

    /// Asks under way and their slots, in the order in which they were first put.
    pub(crate) fn waiting(&self) -> Vec<(AskId, SlotRef)> {
        self.waiting.iter().map(|(id, (slot, _))| (*id, *slot)).collect()
    }

    /// Whether this is the first grant under `id`.
    pub(crate) fn grant_once(&mut self, id: AskId) -> bool {
        if !self.granted.insert(id) {
            return false;
        }
        if self.granted.len() > ANSWERED_MAX {
            self.granted.pop_first();
        }
        true
    }

    /// Gives a grant back that nobody waited for, once.
    pub(crate) fn abandon(&mut self, id: AskId) {
        if self.grant_once(id) {
            self.counters.abandoned += 1;
            self.out.up(Up::Abandoned(id));
        }
    }
}

/// Seconds for Retry-After, 1 to 3: refused callers must not come back together.
pub(crate) fn retry_after_s(id: AskId) -> u16 {
    // Not a secret, only a spread: the key is arbitrary.
    let hash = siphash24(&Key([0x5a; 16]), &id.0.to_le_bytes());
    // The remainder is below 3, so the cast keeps the value.
    1 + (hash % u64::from(RETRY_AFTER_S_MAX)) as u16
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn retry_after_spreads_over_its_range() {
        let mut seen = [0u32; 5];
        for id in 0..3000 {
            seen[usize::from(retry_after_s(AskId(id)))] += 1;
        }
        assert_eq!((seen[0], seen[4]), (0, 0));
        assert!(seen[1..4].iter().all(|&n| n > 800), "{seen:?}");
    }

    #[test]
    fn ids_carry_their_shard_and_origin() {
        let mut desk = Desk::new(CallsConfig { shard: 3, ask_base: 9, ..CallsConfig::default() });
        assert_eq!(desk.record(), None);
        desk.set_origin(5);
        let record = desk.record().unwrap();
        assert_eq!((record.origin(), record.seq()), (5, 0));
        desk.set_origin(6);
        let record = desk.record().unwrap();
        assert_eq!((record.origin(), record.seq()), (6, 1));
        assert_eq!(desk.ask_id(), AskId(3 << 56 | 9));
        assert_eq!(desk.ask_id(), AskId(3 << 56 | 10));
    }

    #[test]
    fn the_memory_of_grants_is_bounded_and_forgets_the_oldest() {
        let mut desk = Desk::new(CallsConfig::default());
        for id in 0..=ANSWERED_MAX as u64 {
            assert!(desk.grant_once(AskId(id)));
        }
        assert_eq!(desk.granted.len(), ANSWERED_MAX);
        assert!(!desk.grant_once(AskId(1)));
        assert!(desk.grant_once(AskId(0)));
    }
}
