//! The probe: sees every step of both processes, kills them at the planned one, and judges the
//! order of effects.
//!
//! A process that dies in the middle of its turn runs on to the turn's end in the simulator, but
//! nothing that it does has an effect any more: each of its traits asks [`Probe::begin`] first, and
//! what survives of the call table is the copy made at the moment of death.
//!
//! Law, "state before effect" (design of the dataplane, 6): when a frame of a call goes to the
//! journal or an answer to its caller, the surviving table shows that state already; and a slot is
//! freed only when its record is durable.

use crate::dice::Dice;
use crate::fault::Plant;
use crate::step::{CrashAt, Plane, Side, Step, Victim};
use crate::switch::Words;
use std::cell::RefCell;
use std::collections::{BTreeMap, VecDeque};
use std::rc::Rc;
use std::sync::atomic::Ordering;
use strowger_link::codec::decode;
use strowger_link::journal::FrameKind;
use strowger_link::table::{HEADER_WORDS, Reader, SLOT_WORDS, SlotState};
use strowger_link::{CallFacts, Fact, Octets, RecordId, SlotBody};
use strowger_phone::message::Message;

/// A probe that all parts of a world share.
pub type SharedProbe = Rc<RefCell<Probe>>;

/// Where the probe looks at the table from; planted faults blind some of these places.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Place {
    /// Before the next write of the table.
    Table,
    /// Before a frame goes to the journal.
    Journal,
    /// Before a frame goes up.
    Link,
    /// Before a datagram goes out.
    Network,
    /// At the end of a turn.
    TurnEnd,
}

/// What a slot showed last.
#[derive(Clone, Debug)]
struct Seen {
    state: SlotState,
    record: RecordId,
    sip_call_id: String,
    granted: bool,
    thaws: u8,
}

/// The table of the living dataplane.
struct Watch {
    live: Words,
    /// What a crash would leave, where a planted fault keeps it behind `live`.
    delayed: Option<Words>,
    controls: Vec<u64>,
    seen: BTreeMap<usize, Seen>,
    /// The whole table at the last look, when the next crash tears a write.
    before: Option<Vec<u64>>,
}

/// See the module's documentation.
pub struct Probe {
    counts: BTreeMap<Step, u32>,
    planned: VecDeque<CrashAt>,
    /// Occurrences of the first planned crash's step that are still to come.
    left: u32,
    /// The first planned crash comes when the step under way is done.
    met: bool,
    /// The dataplane dies after so many effects.
    fuse: Option<(u32, CrashAt)>,
    happened: VecDeque<CrashAt>,
    dead_switch: bool,
    dead_control: bool,
    /// Of the table of each shard.
    watches: Vec<Watch>,
    /// What survived of the tables of a dead dataplane.
    grave: Option<Vec<Words>>,
    plant: Option<Plant>,
    dice: Dice,
    /// The dataplane takes up the calls of its former life.
    pub adopting: bool,
    /// The image that each call had when it was answered.
    pub first_images: BTreeMap<RecordId, Octets>,
    /// Records whose slots were freed, or left for last words, since the last step.
    pub freed: Vec<RecordId>,
    /// What must not happen and did.
    pub breaches: Vec<String>,
    /// Crashes that came at their step.
    pub crashed_at: Vec<Step>,
}

impl Probe {
    /// A probe without plans.
    #[must_use]
    pub fn new(dice: Dice, plant: Option<Plant>) -> Probe {
        Probe {
            counts: BTreeMap::new(),
            planned: VecDeque::new(),
            left: 0,
            met: false,
            fuse: None,
            happened: VecDeque::new(),
            dead_switch: false,
            dead_control: false,
            watches: Vec::new(),
            grave: None,
            plant,
            dice,
            adopting: false,
            first_images: BTreeMap::new(),
            freed: Vec::new(),
            breaches: Vec::new(),
            crashed_at: Vec::new(),
        }
    }

    /// How often a step was reached.
    #[must_use]
    pub fn count(&self, step: Step) -> u32 {
        self.counts.get(&step).copied().unwrap_or(0)
    }

    /// Plans a crash; it comes after those planned before.
    pub fn plan(&mut self, crash: CrashAt) {
        self.dice = self.dice.fork(crash.nth.into());
        if self.planned.is_empty() {
            self.left = crash.nth;
        }
        self.planned.push_back(crash);
    }

    /// The dataplane, or its host, dies after so many effects.
    pub fn plan_switch(&mut self, effects: u32, back_ms: u64, power: bool) {
        let crash = CrashAt {
            step: Step::SlotAsked,
            nth: 0,
            side: Side::After,
            victim: if power { Victim::Host } else { Victim::Switch },
            switch_back_ms: back_ms,
            control_back_ms: back_ms,
        };
        if effects == 0 && !self.dead_switch {
            self.die(crash, None);
        } else {
            self.fuse = Some((effects, crash));
        }
    }

    /// The next crash that has happened and is to be carried out by the world.
    pub fn take_happened(&mut self) -> Option<CrashAt> {
        self.happened.pop_front()
    }

    /// A new life of the dataplane begins.
    pub fn switch_begins(&mut self) {
        self.dead_switch = false;
    }

    /// It has made its tables, and its turns begin.
    pub fn watch(&mut self, tables: &[Words]) {
        let late = [Plant::TableAfterNetwork, Plant::JournalBeforeTable];
        let delays = self.plant.is_some_and(|p| late.contains(&p));
        let watch = |words: &Words| {
            let live = words.unwatched();
            let delayed = delays.then(|| live.copy());
            let controls = Watch::controls(&live);
            let mut watch = Watch { live, delayed, controls, seen: BTreeMap::new(), before: None };
            watch.see_all();
            watch
        };
        self.watches = tables.iter().map(watch).collect();
    }

    /// What the tables show.
    fn seen(&self) -> impl Iterator<Item = &Seen> {
        self.watches.iter().flat_map(|watch| watch.seen.values())
    }

    /// What the table shows of a call: its state.
    #[must_use]
    pub fn shows(&self, sip_call_id: &str) -> Option<SlotState> {
        let seen = self.seen().find(|seen| seen.sip_call_id == sip_call_id)?;
        Some(seen.state)
    }

    /// The dataplane is no more; returns what its tables show now.
    pub fn bury_switch(&mut self) -> Option<Vec<Words>> {
        self.dead_switch = true;
        let now = self.survivors();
        self.watches.clear();
        self.grave.take().or(Some(now).filter(|now| !now.is_empty()))
    }

    fn survivors(&self) -> Vec<Words> {
        self.watches.iter().map(|watch| watch.survivor().copy()).collect()
    }

    /// A new life of the control plane begins.
    pub fn control_lives(&mut self) {
        self.dead_control = false;
    }

    /// This plane's process has died, though its turn may still run.
    #[must_use]
    pub fn is_dead(&self, plane: Plane) -> bool {
        match plane {
            Plane::Data => self.dead_switch,
            Plane::Control => self.dead_control,
        }
    }

    /// An effect of the dataplane that is no step: `false` when it is dead.
    pub fn effect(&mut self, place: Place) -> bool {
        self.look(place);
        if let Some((left, crash)) = &mut self.fuse {
            match left.checked_sub(1) {
                Some(rest) => *left = rest,
                None => {
                    let crash = *crash;
                    self.fuse = None;
                    self.die(crash, None);
                }
            }
        }
        !self.dead_switch
    }

    /// A step is about to be taken: `false` when its process is dead, or dies instead.
    pub fn begin(&mut self, step: Step) -> bool {
        if self.is_dead(step.plane()) {
            return false;
        }
        *self.counts.entry(step).or_default() += 1;
        if self.is_met(step) {
            match self.planned.front().map(|crash| crash.side) {
                Some(Side::Before) => self.die_as_planned(None),
                Some(Side::After) => self.met = true,
                None => {}
            }
        }
        !self.is_dead(step.plane())
    }

    /// The step is taken.
    pub fn done(&mut self, step: Step) {
        if self.met && self.planned.front().is_some_and(|crash| crash.step == step) {
            self.die_as_planned(None);
        }
    }

    fn is_met(&mut self, step: Step) -> bool {
        if self.met || self.planned.front().is_none_or(|crash| crash.step != step) {
            return false;
        }
        self.left = self.left.saturating_sub(1);
        self.left == 0
    }

    /// `torn` is a table, by its shard, as the write under way left it.
    fn die_as_planned(&mut self, torn: Option<(usize, Words)>) {
        self.met = false;
        if let Some(crash) = self.planned.pop_front() {
            self.left = self.planned.front().map_or(0, |next| next.nth);
            self.crashed_at.push(crash.step);
            self.die(crash, torn);
        }
    }

    fn die(&mut self, crash: CrashAt, torn: Option<(usize, Words)>) {
        if crash.victim.hits(Plane::Data) && !self.dead_switch {
            self.dead_switch = true;
            let mut left = self.survivors();
            if let Some((shard, torn)) = torn
                && let Some(words) = left.get_mut(shard)
            {
                *words = torn;
            }
            self.grave = Some(left).filter(|left| !left.is_empty());
        }
        self.dead_control |= crash.victim.hits(Plane::Control);
        self.happened.push_back(crash);
    }

    /// Looks at what has changed in the table since the last look.
    pub fn look(&mut self, place: Place) {
        let blind = match self.plant {
            Some(Plant::TableAfterNetwork) => place != Place::TurnEnd,
            Some(Plant::JournalBeforeTable) => place == Place::Journal,
            Some(_) | None => false,
        };
        if blind || self.dead_switch {
            return;
        }
        let mut changed = Vec::new();
        for (shard, watch) in self.watches.iter_mut().enumerate() {
            if let Some(delayed) = &mut watch.delayed {
                *delayed = watch.live.copy();
            }
            changed.extend(watch.changed().into_iter().map(|(idx, old)| ((shard, idx), old)));
        }
        for (place, old) in changed {
            self.note_slot(place, old);
            if self.dead_switch {
                return;
            }
        }
        self.keep_before();
    }

    /// Keeps the table as it is if the next planned crash tears a write of it.
    fn keep_before(&mut self) {
        let tears = self.planned.front().is_some_and(|crash| {
            let table = matches!(
                crash.step,
                Step::SlotAsked
                    | Step::SlotRinging
                    | Step::SlotAnswered
                    | Step::SlotRewritten
                    | Step::SlotEnded
                    | Step::SlotLeaving
                    | Step::SlotFreed
                    | Step::ThawBegun
                    | Step::ThawEnded
            );
            table && crash.side == Side::Before && crash.victim.hits(Plane::Data)
        });
        for watch in &mut self.watches {
            watch.before = tears.then(|| watch.live.values());
        }
    }

    fn note_slot(&mut self, (shard, idx): (usize, usize), old: Option<Seen>) {
        let new = self.watches.get(shard).and_then(|watch| watch.seen.get(&idx).cloned());
        let was_answered = old.as_ref().is_some_and(|seen| seen.state == SlotState::Answered);
        let thaws = old.as_ref().map_or(0, |seen| seen.thaws);
        let step = match (&new, old) {
            (None, Some(old)) => {
                if old.granted {
                    self.freed.push(old.record);
                }
                Step::SlotFreed
            }
            (None, None) => return,
            (Some(new), _) if new.thaws > thaws => Step::ThawBegun,
            (Some(new), _) if new.thaws < thaws => Step::ThawEnded,
            (Some(new), _) => match new.state {
                SlotState::Free => return,
                SlotState::Asked => Step::SlotAsked,
                SlotState::Ringing => Step::SlotRinging,
                SlotState::Answered if was_answered => Step::SlotRewritten,
                SlotState::Answered => Step::SlotAnswered,
                SlotState::Ended => Step::SlotEnded,
                SlotState::Leaving => {
                    if new.granted {
                        self.freed.push(new.record);
                    }
                    Step::SlotLeaving
                }
            },
        };
        if step == Step::SlotAnswered && self.plant == Some(Plant::AdoptedImageStale) {
            self.keep_image((shard, idx));
        }
        // The write has been made: a crash before it takes part of it back.
        *self.counts.entry(step).or_default() += 1;
        if !self.is_met(step) {
            return;
        }
        let side = self.planned.front().map(|crash| crash.side);
        let torn = match (side, self.watches.get(shard)) {
            (Some(Side::Before), Some(watch)) => {
                watch.torn(&mut self.dice).map(|words| (shard, words))
            }
            (Some(Side::Before | Side::After) | None, _) => None,
        };
        self.die_as_planned(torn);
    }

    fn keep_image(&mut self, (shard, idx): (usize, usize)) {
        let Some(watch) = self.watches.get(shard) else { return };
        let found = crate::control::bodies(watch.survivor());
        let body = found.into_iter().find(|(head, _)| usize::from(head.slot.idx) == idx);
        if let Some((head, body)) = body {
            self.first_images.insert(head.record, body.image);
        }
    }

    /// The law for what goes to the journal.
    pub fn judge_frame(&mut self, kind: FrameKind, payload: &[u8]) {
        if self.dead_switch || self.watches.is_empty() {
            return;
        }
        let wanted = match kind {
            FrameKind::Start => SlotState::Answered,
            FrameKind::Ended => SlotState::Ended,
            FrameKind::Alive | FrameKind::Sealed | FrameKind::Origin | FrameKind::Other(_) => {
                return;
            }
        };
        let Ok(facts) = decode::<CallFacts>(payload) else { return };
        let watch = self.watches.get(usize::from(facts.slot.seg));
        let shown = watch.and_then(|watch| watch.seen.get(&usize::from(facts.slot.idx)));
        let right = shown.is_some_and(|s| s.record == facts.record && s.state == wanted);
        if !right {
            let record = facts.record;
            self.breaches.push(format!("{kind:?} of {record:?} before its state: {shown:?}"));
        }
    }

    /// The step that a datagram is, and the law for what callers are told.
    pub fn judge_datagram(&mut self, data: &[u8]) -> Option<Step> {
        let message = Message::parse(data).ok()?;
        let again = message.tag("To").is_some();
        let Some(code) = message.code() else {
            return match message.method() {
                "INVITE" if again => Some(Step::ReofferSent),
                "INVITE" => Some(Step::InviteSent),
                "CANCEL" => Some(Step::CancelSent),
                "ACK" => Some(Step::AckSent),
                "BYE" => Some(Step::ByeSent),
                _ => None,
            };
        };
        let (_, method) = message.cseq()?;
        match (code, method) {
            (401 | 407, _) => Some(Step::ChallengeSent),
            (180..=199, "INVITE") => Some(Step::RingingSent),
            (200..=299, "INVITE") => {
                self.judge_answer(message.header("Call-ID").unwrap_or_default());
                Some(Step::OkSent)
            }
            (300..=699, "INVITE") => Some(Step::FailureSent),
            _ => None,
        }
    }

    fn judge_answer(&mut self, sip_call_id: &str) {
        if self.dead_switch {
            return;
        }
        let shown = self.seen().find(|seen| seen.sip_call_id == sip_call_id);
        let early = shown.filter(|s| matches!(s.state, SlotState::Asked | SlotState::Ringing));
        if let Some(early) = early {
            self.breaches.push(format!("an answer before its state: {early:?}"));
        }
    }
}

impl Watch {
    fn survivor(&self) -> &Words {
        self.delayed.as_ref().unwrap_or(&self.live)
    }

    fn controls(words: &Words) -> Vec<u64> {
        let slots = crate::switch::SLOTS as usize;
        let all = words.as_ref().iter().skip(HEADER_WORDS).step_by(SLOT_WORDS).take(slots);
        all.map(|word| word.load(Ordering::Relaxed)).collect()
    }

    fn see_all(&mut self) {
        for idx in 0..self.controls.len() {
            self.see(idx);
        }
    }

    /// Reads one slot; returns what it showed before.
    fn see(&mut self, idx: usize) -> Option<Seen> {
        let mut body = Vec::new();
        let head = Reader::attach(self.survivor().unwatched())
            .ok()
            .and_then(|reader| reader.read(idx as u16, &mut body).ok().flatten());
        let Some(head) = head else { return self.seen.remove(&idx) };
        let facts = decode::<SlotBody>(&body).ok().map(|body| body.facts);
        let began = facts.as_ref().and_then(|facts| facts.facts.first());
        let sip_call_id = match began {
            Some(Fact::Began(began)) => began.sip_call_id.clone(),
            Some(_) | None => String::new(),
        };
        let granted = facts.is_some_and(|facts| !facts.settlement.0.is_empty());
        let (state, record, thaws) = (head.state, head.record, head.thaw_attempts);
        let seen = Seen { state, record, sip_call_id, granted, thaws };
        self.seen.insert(idx, seen)
    }

    /// Slots that have changed since the last look, and what they showed before.
    fn changed(&mut self) -> Vec<(usize, Option<Seen>)> {
        let now = Watch::controls(self.survivor());
        let changed: Vec<usize> =
            (0..now.len()).filter(|idx| now.get(*idx) != self.controls.get(*idx)).collect();
        self.controls = now;
        changed.into_iter().map(|idx| (idx, self.see(idx))).collect()
    }

    /// The table with the last write of a slot cut off before its flip: the stores that came in
    /// time are there, in the order of the program.
    fn torn(&self, dice: &mut Dice) -> Option<Words> {
        let before = self.before.as_ref()?;
        let after = self.live.values();
        let slots_end = HEADER_WORDS + self.controls.len() * SLOT_WORDS;
        let is_control = |at: usize| {
            (HEADER_WORDS..slots_end).contains(&at)
                && (at - HEADER_WORDS).is_multiple_of(SLOT_WORDS)
        };
        let mut stores: Vec<(u8, usize)> = (HEADER_WORDS..after.len())
            .filter(|at| before.get(*at) != after.get(*at) && !is_control(*at))
            .map(|at| {
                let in_slot = (at - HEADER_WORDS) % SLOT_WORDS;
                let order = match in_slot {
                    _ if at >= slots_end => 1,
                    1 | 2 => 0,
                    3..=6 => 3,
                    _ => 2,
                };
                (order, at)
            })
            .collect();
        stores.sort_unstable();
        let kept = dice.below(stores.len() as u64 + 1) as usize;
        let late = stores.iter().skip(kept).map(|(_, at)| *at);
        let flips = (HEADER_WORDS..slots_end).step_by(SLOT_WORDS);
        let mut torn = after;
        for at in late.chain(flips) {
            if let (Some(word), Some(old)) = (torn.get_mut(at), before.get(at)) {
                *word = *old;
            }
        }
        Some(Words::from_values(torn))
    }
}
