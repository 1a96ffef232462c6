//! Laws that hold after every step, whatever was done before.

use super::media::Media;
use crate::{Calls, Entry, LostLeg, Output};
use std::collections::{BTreeMap, BTreeSet};
use strowger_leg::{Command, Event};
use strowger_link::{AskId, CallFacts, Cause, FACTS_MAX, Fact, LegId, LiveState, SlotRef, Up};

/// Most outputs of one event of one call.
const OUTPUTS_PER_EVENT_MAX: usize = 160;

#[derive(Default, Debug)]
struct LegLaw {
    /// Somebody is there: it is no half of another call.
    party: bool,
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
    live_ended: bool,
    /// It was told what stands beside the next word.
    beside: bool,
}

impl LegLaw {
    fn hang_up(&mut self, leg: LegId, cause: Cause) {
        assert!(!self.hung_up || self.answered_late, "{leg:?} is hung up twice");
        if self.inbound && !self.answered {
            // A redirect says where to.
            let least = if self.fields { 300 } else { 400 };
            assert!((least..700).contains(&cause.sip), "no final status: {cause:?}");
        }
        (self.hung_up, self.answered_late) = (true, false);
    }
}

/// What each leg and call was told so far, and what it may not be told any more.
#[derive(Default, Debug)]
pub struct Laws {
    legs: BTreeMap<LegId, LegLaw>,
    started: BTreeSet<SlotRef>,
    ended: BTreeSet<SlotRef>,
    done: BTreeSet<SlotRef>,
    freed: BTreeSet<SlotRef>,
    /// Grants sent down, and how often each was balanced.
    grants: BTreeMap<AskId, u32>,
    /// Those that were balanced in this step: who hears of it hears of the answer behind it.
    balanced: BTreeSet<AskId>,
    /// Those of redirects, and whether they were given back.
    redirects: BTreeMap<AskId, bool>,
}

impl Laws {
    /// A leg of an INVITE.
    pub fn offered(&mut self, leg: LegId) {
        self.legs.insert(leg, LegLaw { party: true, inbound: true, ..LegLaw::default() });
    }

    /// A plan was sent down under `ask`, perhaps not for the first time.
    pub(super) fn granted(&mut self, ask: AskId) {
        self.grants.entry(ask).or_insert(0);
    }

    /// Where a redirect leads was sent down, perhaps not for the first time.
    pub(super) fn redirect_granted(&mut self, ask: AskId) {
        self.redirects.entry(ask).or_insert(false);
    }

    /// A grant was refused by the outcome of its verb.
    pub(super) fn not_granted(&mut self, ask: AskId) {
        self.grants.remove(&ask);
    }

    /// A leg reports.
    pub(super) fn reported(&mut self, leg: LegId, event: &Event) {
        let Some(law) = self.legs.get_mut(&leg) else { return };
        match event {
            Event::Ended { .. } | Event::Refused { .. } => law.ended = true,
            Event::Answered { .. } if law.hung_up => {
                law.answered_late = !law.inbound && !law.answered;
            }
            Event::Answered { .. } => law.answered |= !law.inbound,
            Event::Update { .. } => law.updates = true,
            Event::Progress { body, .. } => law.described |= body.is_some(),
            Event::Offered(_)
            | Event::Fields(_)
            | Event::Parts(_)
            | Event::Confirmed { .. }
            | Event::Reoffer { .. }
            | Event::Refreshed { .. }
            | Event::ReofferAnswered { .. }
            | Event::ReofferRefused { .. }
            | Event::Digits { .. }
            | Event::Info { .. }
            | Event::Message { .. }
            | Event::Transfer(_) => {}
        }
    }

    /// The next life has the calls that leave leave again.
    pub(super) fn reborn(&mut self) {
        self.done.clear();
    }

    /// Whether a leg is answered and goes on.
    #[must_use]
    pub fn talks(&self, leg: LegId) -> bool {
        self.legs.get(&leg).is_some_and(|law| law.answered && !law.ended && !law.hung_up)
    }

    /// Whether a leg came by an INVITE.
    #[must_use]
    pub fn is_inbound(&self, leg: LegId) -> bool {
        self.legs.get(&leg).is_some_and(|law| law.inbound)
    }

    /// Its record is in the journal.
    pub(super) fn is_recorded(&self, slot: SlotRef) -> bool {
        self.ended.contains(&slot)
    }

    /// Legs of a slot that the protocol would take back after a crash: neither ended nor hung up.
    pub(super) fn legs_left(&self, slot: SlotRef) -> Vec<LostLeg> {
        let parties = self.legs.iter().filter(|(id, law)| id.slot == slot && law.party);
        let left = parties.filter(|(_, law)| !law.ended && !law.hung_up);
        left.map(|(id, law)| LostLeg { leg: id.leg, early: !law.answered, explain: true }).collect()
    }

    /// Legs of parties that have not reported their end.
    #[must_use]
    pub fn open_legs(&self) -> Vec<LegId> {
        let open = self.legs.iter().filter(|(_, law)| law.party && !law.ended);
        open.map(|(leg, _)| *leg).collect()
    }

    pub(super) fn observe_all(&mut self, outputs: &[Output], calls: usize) {
        assert!(outputs.len() <= OUTPUTS_PER_EVENT_MAX * calls, "too many outputs");
        let order = |output: &Output| match output {
            Output::Slot { .. } | Output::Done { .. } | Output::Free { .. } => 0,
            Output::Journal { .. } => 1,
            Output::Up(_) | Output::Ask(_) => 2,
            Output::Leg { .. } => 3,
        };
        assert!(outputs.is_sorted_by_key(order), "state before effect: {outputs:?}");
        self.balanced.clear();
        for output in outputs {
            self.observe(output);
        }
    }

    fn observe(&mut self, output: &Output) {
        match output {
            Output::Leg { leg, command } => self.command(*leg, command),
            Output::Journal { entry: Entry::Start, slot, facts } => {
                assert!(self.started.insert(*slot), "a second Start");
                assert!(!self.ended.contains(slot));
                assert!(!facts.facts.iter().any(|f| matches!(f, Fact::Ended(_))));
            }
            Output::Journal { entry: Entry::Ended, slot, facts } => {
                assert!(self.ended.insert(*slot), "a second Ended");
                check_record(facts);
                self.balance(facts.ask, &facts.settlement.0);
            }
            Output::Slot { slot, .. } => {
                assert!(!self.freed.contains(slot), "a free slot is written");
            }
            Output::Done { slot, .. } => {
                assert!(self.done.insert(*slot), "done twice");
                assert!(!self.freed.contains(slot), "a free slot is done");
                let mut legs = self.legs.iter().filter(|(id, law)| id.slot == *slot && law.party);
                let forgotten = legs.find(|(_, law)| !law.ended && !law.hung_up);
                assert!(forgotten.is_none(), "nobody said the last word: {forgotten:?}");
            }
            Output::Free { slot } => assert!(self.freed.insert(*slot), "freed twice"),
            Output::Up(Up::Abandoned(ask)) if self.redirects.contains_key(ask) => {
                assert_eq!(self.redirects.insert(*ask, true), Some(false), "given back twice");
            }
            Output::Up(Up::Abandoned(ask)) => {
                *self.grants.entry(*ask).or_insert(0) += 1;
            }
            Output::Up(Up::Started(started)) => {
                let is_open = self.grants.get(&started.ask) == Some(&0);
                let is_over_since = self.balanced.contains(&started.ask);
                assert!(is_open || is_over_since, "what is over is started: {started:?}");
            }
            Output::Up(Up::Live(live)) => {
                let law = self.legs.entry(live.leg).or_default();
                assert!(!law.live_ended, "a leg lives after its end");
                law.live_ended = live.state == LiveState::Ended;
            }
            Output::Up(Up::Ask(_)) => panic!("asks have their own output"),
            Output::Up(
                Up::Upstream(_)
                | Up::FlowFailed(_)
                | Up::FlowEpoch(_)
                | Up::Sounds(_)
                | Up::Probed(_),
            ) => {
                panic!("registrations are no call's")
            }
            Output::Up(
                Up::Journal(_) | Up::Verb(_) | Up::Turned(_) | Up::Counters(_) | Up::Listeners(_),
            )
            | Output::Ask(_) => {}
        }
    }

    /// A record balances the grant whose settlement it carries.
    fn balance(&mut self, ask: AskId, settlement: &[u8]) {
        if settlement == ask.0.to_le_bytes()
            && let Some(count) = self.grants.get_mut(&ask)
        {
            self.balanced.insert(ask);
            *count += 1;
        }
    }

    fn command(&mut self, leg: LegId, command: &Command) {
        let law = self.legs.entry(leg).or_default();
        if let Command::TransferProgress { .. } | Command::TransferRefuse { .. } = command {
            // The subscription outlives the leg.
            assert!(law.answered, "{leg:?} is told {command:?} early");
            return;
        }
        assert!(!law.ended, "{leg:?} is told {command:?} after its end");
        assert!(!std::mem::take(&mut law.beside) || has_room(command), "beside {command:?}");
        match command {
            Command::Hangup { cause, .. } => return law.hang_up(leg, *cause),
            Command::Invite(_) => {
                assert!(!law.inbound && !law.answered, "{leg:?} is invited");
                law.party = true;
            }
            Command::Progress { body, .. } => {
                assert!(law.inbound && !law.answered);
                law.described |= body.is_some();
            }
            Command::Answer { .. } => {
                assert!(law.inbound && !law.answered, "answered twice");
                law.answered = true;
            }
            Command::Challenge(_) => assert!(law.inbound && !law.answered),
            Command::Redirect { status, contacts } => {
                assert!(law.inbound && !law.answered && !law.hung_up);
                assert!((300..400).contains(status) && !contacts.is_empty());
                law.hung_up = true;
                return;
            }
            Command::Speak(_) => assert!(law.inbound && !law.answered),
            // They come with the word behind them, which is judged.
            Command::Parts(parts) => {
                assert!(!parts.is_empty() && !law.hung_up, "nothing stands beside");
                law.beside = true;
                return;
            }
            // Digests of an answered leg go on.
            Command::Fields(_) if law.answered => return,
            Command::Fields(_) => {
                assert!(law.inbound && !law.answered && !law.hung_up, "nothing follows");
                // Those of a refusal come with it, when the call has closed.
                law.fields = true;
                return;
            }
            Command::Update { .. } => assert!(law.answered || law.described, "an early offer"),
            Command::ReofferAnswer { .. } | Command::ReofferRefuse { .. } => {
                assert!(law.answered || law.updates, "{leg:?} is told {command:?} unasked");
            }
            Command::Confirm { .. }
            | Command::Reoffer { .. }
            | Command::Info { .. }
            | Command::Message { .. }
            | Command::TransferAccept
            | Command::TransferProgress { .. }
            | Command::TransferRefuse { .. } => {
                assert!(law.answered, "{leg:?} is told {command:?} early")
            }
        }
        assert!(!law.hung_up, "{leg:?} is told {command:?} after its hang-up");
        assert!(!self.ended.contains(&leg.slot), "a closed call speaks: {command:?}");
        law.hung_up = matches!(command, Command::Challenge(_));
    }

    /// After everything has ended: nothing is owed by anybody.
    pub(super) fn settled(&self, calls: &Calls, media: &Media) {
        assert_eq!(calls.in_use(), 0, "slots leak: {calls:?}");
        assert_eq!(calls.poll_timeout(), None, "a timer without an owner");
        assert!(media.joined.is_empty(), "media stays joined");
        assert!(media.in_use.values().all(|n| *n == 0), "gauges leak: {:?}", media.in_use);
        for (ask, count) in &self.grants {
            assert_eq!(*count, 1, "{ask:?} is balanced {count} times");
        }
    }
}

/// The facts of a whole call are in order, complete and bounded.
fn check_record(record: &CallFacts) {
    let facts = &record.facts;
    assert!(facts.len() <= FACTS_MAX);
    assert!(matches!(facts.first(), Some(Fact::Began(_))), "{facts:?}");
    assert!(matches!(facts.last(), Some(Fact::Ended(_))), "{facts:?}");
    let mut open = BTreeSet::new();
    let mut seen = BTreeSet::new();
    let mut last = None;
    for fact in facts {
        let at = match fact {
            Fact::Began(fact) => fact.at,
            Fact::LegOpened(fact) => {
                assert!(seen.insert(fact.leg) && open.insert(fact.leg), "opened twice");
                fact.at
            }
            Fact::LegProgress(fact) => fact.at,
            Fact::LegAnswered(fact) => {
                assert!(open.contains(&fact.leg), "answered after its end");
                fact.at
            }
            Fact::LegEnded(fact) => {
                assert!(open.remove(&fact.leg), "ended twice");
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

/// Whether a word has room for parts beside it.
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
