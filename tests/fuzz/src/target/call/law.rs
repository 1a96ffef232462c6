//! Laws that hold after every step, seen from outside.

use std::collections::{BTreeMap, BTreeSet};

use strowger_call::{Entry, Output};
use strowger_leg::{Command, Event};
use strowger_link::{AskId, CallFacts, FACTS_MAX, Fact, LegId, SlotRef, Up};

/// The most outputs of one step for each call.
const OUTPUTS_MAX: usize = 160;

#[derive(Debug, Default)]
struct LegLaw {
    inbound: bool,
    answered: bool,
    /// It was told fields before its answer; those of a redirect come so.
    fields: bool,
    hung_up: bool,
    /// It answered after our hang-up, so one more hang-up is right.
    answered_late: bool,
    /// It made an offer that wants its answer at once.
    updates: bool,
    /// A description came from it or went to it before the answer.
    described: bool,
    ended: bool,
    /// It was told what stands beside the next word.
    beside: bool,
}

#[derive(Debug, Default)]
pub(super) struct Laws {
    legs: BTreeMap<LegId, LegLaw>,
    started: BTreeSet<SlotRef>,
    ended: BTreeSet<SlotRef>,
    done: BTreeSet<SlotRef>,
    freed: BTreeSet<SlotRef>,
    /// Grants sent down, and how often each was balanced.
    grants: BTreeMap<AskId, u32>,
    /// Those of redirects, and whether they were given back.
    redirects: BTreeMap<AskId, bool>,
}

impl Laws {
    pub(super) fn offered(&mut self, leg: LegId) {
        self.legs.insert(leg, LegLaw { inbound: true, ..LegLaw::default() });
    }

    /// A plan was sent down, perhaps not for the first time.
    pub(super) fn granted(&mut self, ask: AskId) {
        self.grants.entry(ask).or_insert(0);
    }

    /// Where a redirect leads was sent down.
    pub(super) fn redirect_granted(&mut self, ask: AskId) {
        self.redirects.entry(ask).or_insert(false);
    }

    /// A grant was refused by the outcome of its verb.
    pub(super) fn not_granted(&mut self, ask: AskId) {
        self.grants.remove(&ask);
    }

    /// Whether a leg is answered and goes on.
    pub(super) fn talks(&self, leg: LegId) -> bool {
        self.legs.get(&leg).is_some_and(|law| law.answered && !law.ended && !law.hung_up)
    }

    pub(super) fn is_inbound(&self, leg: LegId) -> bool {
        self.legs.get(&leg).is_some_and(|law| law.inbound)
    }

    pub(super) fn is_recorded(&self, slot: SlotRef) -> bool {
        self.ended.contains(&slot)
    }

    /// Legs that a later life takes back, with whether they are unanswered.
    pub(super) fn left(&self, slot: SlotRef) -> impl Iterator<Item = (u8, bool)> + '_ {
        let of_slot = self.legs.iter().filter(move |(id, _)| id.slot == slot);
        let left = of_slot.filter(|(_, law)| !law.ended && !law.hung_up);
        left.map(|(id, law)| (id.leg, !law.answered))
    }

    pub(super) fn open_legs(&self) -> Vec<LegId> {
        self.legs.iter().filter(|(_, law)| !law.ended).map(|(leg, _)| *leg).collect()
    }

    /// A leg reports.
    pub(super) fn reported(&mut self, leg: LegId, event: &Event) {
        let Some(law) = self.legs.get_mut(&leg) else { return };
        if matches!(event, Event::Ended { .. } | Event::Refused { .. }) {
            law.ended = true;
        } else if matches!(event, Event::Answered { .. }) && law.hung_up {
            law.answered_late = !law.inbound && !law.answered;
        } else if matches!(event, Event::Answered { .. }) {
            law.answered |= !law.inbound;
        } else if matches!(event, Event::Update { .. }) {
            law.updates = true;
        } else if let Event::Progress { body: Some(_), .. } = event {
            law.described = true;
        }
    }

    pub(super) fn observe(&mut self, outputs: &[Output], calls: usize) {
        assert!(outputs.len() <= OUTPUTS_MAX * calls, "too much comes of one step");
        let order = |output: &Output| match output {
            Output::Slot { .. } | Output::Done { .. } | Output::Free { .. } => 0,
            Output::Journal { .. } => 1,
            Output::Up(_) | Output::Ask(_) => 2,
            Output::Leg { .. } => 3,
        };
        assert!(outputs.is_sorted_by_key(order), "state before effect: {outputs:?}");
        outputs.iter().for_each(|output| self.one(output));
    }

    fn one(&mut self, output: &Output) {
        match output {
            Output::Leg { leg, command } => self.command(*leg, command),
            Output::Journal { entry: Entry::Start, slot, facts } => {
                assert!(self.started.insert(*slot), "a second Start");
                assert!(!self.ended.contains(slot), "started after its end");
                assert!(!facts.facts.iter().any(|f| matches!(f, Fact::Ended(_))));
            }
            Output::Journal { entry: Entry::Ended, slot, facts } => {
                assert!(self.ended.insert(*slot), "a second record");
                check_record(facts);
                self.balance(facts.ask, &facts.settlement.0);
            }
            Output::Slot { slot, .. } => assert!(!self.freed.contains(slot), "a free slot"),
            Output::Done { slot, .. } => {
                assert!(self.done.insert(*slot), "done twice");
                assert!(!self.freed.contains(slot), "a free slot is done");
            }
            Output::Free { slot } => assert!(self.freed.insert(*slot), "freed twice"),
            Output::Up(Up::Abandoned(ask)) => match self.redirects.get_mut(ask) {
                Some(back) => assert!(!std::mem::replace(back, true), "given back twice"),
                None => *self.grants.entry(*ask).or_insert(0) += 1,
            },
            Output::Up(Up::Started(started)) => {
                let count = self.grants.get(&started.ask);
                assert_eq!(count, Some(&0), "what is over is started: {started:?}");
            }
            Output::Up(_) | Output::Ask(_) => {}
        }
    }

    /// A record balances the grant whose settlement it carries.
    fn balance(&mut self, ask: AskId, settlement: &[u8]) {
        if settlement == ask.0.to_le_bytes()
            && let Some(count) = self.grants.get_mut(&ask)
        {
            *count += 1;
        }
    }

    fn command(&mut self, leg: LegId, command: &Command) {
        let law = self.legs.entry(leg).or_default();
        let of_transfer =
            matches!(command, Command::TransferProgress { .. } | Command::TransferRefuse { .. });
        if of_transfer {
            // The subscription outlives the leg.
            assert!(law.answered, "{leg:?} is told {command:?} early");
            return;
        }
        assert!(!law.ended, "{leg:?} is told {command:?} after its end");
        let beside = std::mem::take(&mut law.beside);
        assert!(!beside || has_room(command), "{leg:?}: nothing stands beside {command:?}");
        if let Command::Parts(parts) = command {
            assert!(!parts.is_empty() && !law.hung_up, "{leg:?}: nothing stands beside a word");
            law.beside = true;
            return;
        }
        if let Command::Hangup { cause, .. } = command {
            assert!(!law.hung_up || law.answered_late, "{leg:?} is hung up twice");
            let least = if law.fields { 300 } else { 400 };
            let is_final = (least..700).contains(&cause.sip);
            assert!(!law.inbound || law.answered || is_final, "no final status: {cause:?}");
            (law.hung_up, law.answered_late) = (true, false);
            return;
        }
        assert!(!law.hung_up, "{leg:?} is told {command:?} after its hang-up");
        let is_closed = self.ended.contains(&leg.slot);
        let law = self.legs.entry(leg).or_default();
        law.hear(leg, command);
        let is_last = matches!(
            command,
            Command::Fields(_) | Command::Redirect { .. } | Command::Challenge(_)
        );
        assert!(!is_closed || is_last, "a closed call speaks: {command:?}");
    }

    /// All have ended: nothing is owed by anybody.
    pub(super) fn settled(&self) {
        for (ask, count) in &self.grants {
            assert_eq!(*count, 1, "{ask:?} is balanced {count} times");
        }
    }
}

/// Whether something can stand beside this.
fn has_room(command: &Command) -> bool {
    matches!(
        command,
        Command::Progress { .. }
            | Command::Answer { .. }
            | Command::Hangup { .. }
            | Command::Reoffer { .. }
            | Command::Update { .. }
            | Command::ReofferAnswer { .. }
    )
}

impl LegLaw {
    /// What is no hang-up.
    fn hear(&mut self, leg: LegId, command: &Command) {
        let is_early = !self.answered;
        match command {
            Command::Invite(_) => assert!(!self.inbound && is_early, "{leg:?} is invited"),
            Command::Progress { body, .. } => {
                assert!(self.inbound && is_early, "{leg:?} is told {command:?}");
                self.described |= body.is_some();
            }
            Command::Answer { .. } => {
                assert!(self.inbound && is_early, "{leg:?} is answered");
                self.answered = true;
            }
            Command::Challenge(_) => {
                assert!(self.inbound && is_early, "{leg:?} is challenged");
                self.hung_up = true;
            }
            Command::Redirect { status, contacts } => {
                assert!(self.inbound && is_early, "{leg:?} is redirected");
                assert!((300..400).contains(status) && !contacts.is_empty());
                self.hung_up = true;
            }
            Command::Speak(_) => assert!(self.inbound && is_early, "{leg:?} is spoken to"),
            Command::Fields(_) => {
                assert!(self.inbound || self.answered, "{leg:?} is told fields");
                self.fields |= is_early;
            }
            Command::Update { .. } => assert!(self.answered || self.described, "an early offer"),
            Command::ReofferAnswer { .. } | Command::ReofferRefuse { .. } => {
                assert!(self.answered || self.updates, "{leg:?} is told {command:?} unasked");
            }
            Command::Confirm { .. }
            | Command::Reoffer { .. }
            | Command::Info { .. }
            | Command::Message { .. }
            | Command::TransferAccept => {
                assert!(self.answered, "{leg:?} is told {command:?} early");
            }
            // Judged before.
            Command::Hangup { .. }
            | Command::Parts(_)
            | Command::TransferRefuse { .. }
            | Command::TransferProgress { .. } => {}
        }
    }
}

/// The facts of a whole call are in order, complete and bounded.
fn check_record(record: &CallFacts) {
    let facts = &record.facts;
    assert!(facts.len() <= FACTS_MAX, "facts grow");
    assert!(matches!(facts.first(), Some(Fact::Began(_))), "{facts:?}");
    assert!(matches!(facts.last(), Some(Fact::Ended(_))), "{facts:?}");
    let (mut open, mut seen) = (BTreeSet::new(), BTreeSet::new());
    let mut last = None;
    for fact in facts {
        let at = match fact {
            Fact::Began(fact) => fact.at,
            Fact::LegOpened(fact) => {
                assert!(seen.insert(fact.leg) && open.insert(fact.leg), "opened twice: {facts:?}");
                fact.at
            }
            Fact::LegProgress(fact) => fact.at,
            Fact::LegAnswered(fact) => {
                assert!(open.contains(&fact.leg), "answered after its end: {facts:?}");
                fact.at
            }
            Fact::LegEnded(fact) => {
                assert!(open.remove(&fact.leg), "ended twice: {facts:?}");
                fact.at
            }
            Fact::Joined(fact) | Fact::Parted(fact) => fact.at,
            Fact::Granted(fact) => fact.at,
            Fact::Ended(fact) => fact.at,
        };
        assert!(last <= Some(at), "out of order: {facts:?}");
        last = Some(at);
    }
    assert!(open.is_empty(), "legs without an end: {open:?}");
}
