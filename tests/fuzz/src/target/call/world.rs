//! The calls of a shard with media, a clock, a journal and lives of the process.

use std::collections::{BTreeMap, BTreeSet};
use std::mem::{Discriminant, discriminant};

use strowger_call::{Calls, CallsConfig, Entry, Lost, LostLeg, Output};
use strowger_leg::{Command, Event, Offer};
use strowger_link::codec::encode;
use strowger_link::table::SlotState;
use strowger_link::{
    Answer, AnswerBody, AskBody, AskId, CallFacts, FACTS_MAX, Grant, LegId, Lengthen, Octets,
    OnDriverLost, Originate, Reason, SlotRef, Tick, Up, Verb, VerbId, VerbKind, VerbOutcome,
};

use super::law::Laws;
use super::media::Media;
use super::{NEWEST, plan};
use crate::Shape;

const SLOTS: u32 = 4;
/// The most lives: generations of slots are told apart by them.
const LIVES_MAX: u16 = 12;
/// The most timers that fire in one wait.
const FIRED_MAX: usize = 10_000;
/// Wall clock at tick 0, microseconds.
const WALL_US: i64 = 1_800_000_000_000_000;
/// Longer than any timer of a call.
const HEAL_MS: u64 = 200_000_000;

/// See the module.
pub(super) struct World {
    calls: Calls,
    media: Media,
    laws: Laws,
    now: Tick,
    /// Legs that exist or did, the newest last.
    legs: Vec<LegId>,
    /// Questions of this life, the newest last.
    asks: Vec<AskId>,
    /// The calls that redirects belong to.
    redirected: BTreeMap<AskId, AskId>,
    /// Slots that the table shows.
    slots: BTreeSet<SlotRef>,
    seq: u64,
    verbs: u64,
    lives: u16,
    /// The originations that are under way, by their verb.
    originated: BTreeMap<VerbId, AskId>,
    /// What happened last, for the shape.
    happened: (&'static str, Option<Discriminant<Event>>),
    pub(super) shape: Shape,
}

fn begun(life: u16) -> Calls {
    let (ask_base, first_gen) = (u64::from(life) << 32, life * 4_096);
    let config =
        CallsConfig { slots: SLOTS, shard: 1, ask_base, first_gen, ..CallsConfig::default() };
    let mut calls = Calls::new(config);
    calls.set_origin(9 + u32::from(life));
    calls.set_emergency(plan::emergency());
    calls
}

/// One of the newest of a list.
fn newest<T: Copy>(list: &[T], which: u8) -> Option<T> {
    let among = list.len().min(usize::from(NEWEST));
    let back = usize::from(which).checked_rem(among)?;
    list.iter().rev().nth(back).copied()
}

impl World {
    pub(super) fn new() -> World {
        World {
            calls: begun(0),
            media: Media::default(),
            laws: Laws::default(),
            now: Tick(5_000_000_000),
            legs: Vec::new(),
            asks: Vec::new(),
            redirected: BTreeMap::new(),
            slots: BTreeSet::new(),
            seq: 0,
            verbs: 0,
            lives: 0,
            originated: BTreeMap::new(),
            happened: ("begun", None),
            shape: Shape::new(),
        }
    }

    pub(super) fn leg(&self, which: u8) -> Option<LegId> {
        newest(&self.legs, which)
    }

    pub(super) fn ask(&self, which: u8) -> Option<AskId> {
        newest(&self.asks, which)
    }

    fn wall_us(&self) -> i64 {
        WALL_US.saturating_add(i64::try_from(self.now.0 / 1_000).unwrap_or(i64::MAX))
    }

    /// A new INVITE; nothing when every slot is in use.
    pub(super) fn offer(&mut self, offer: Offer) {
        if let Some(leg) = self.calls.reserve() {
            self.offered(leg, offer);
        }
    }

    /// An INVITE of another shard, whose party wants the place of `leg`; or nothing comes of it.
    pub(super) fn offer_beside(&mut self, leg: LegId, comes: bool) {
        match self.calls.reserve_beside(leg) {
            Ok(beside) if comes => self.offered(beside, plan::offer("1002", Some("t"))),
            Ok(beside) => self.calls.unreserve(beside),
            Err(cause) => drop(self.shape.note("no place", &cause.sip)),
        }
    }

    fn offered(&mut self, leg: LegId, offer: Offer) {
        self.laws.offered(leg);
        self.legs.push(leg);
        self.event(leg, Event::Offered(Box::new(offer)));
    }

    pub(super) fn event(&mut self, leg: LegId, event: Event) {
        // No protocol lets anybody be put through who does not talk, and no caller answers.
        let asks = matches!(event, Event::Transfer(_)) && !self.laws.talks(leg);
        let answers = matches!(event, Event::Answered { .. }) && self.laws.is_inbound(leg);
        if asks || answers {
            return;
        }
        self.laws.reported(leg, &event);
        self.happened = ("said", Some(discriminant(&event)));
        let wall_us = self.wall_us();
        self.calls.handle_leg(leg, event, self.now, wall_us, &mut self.media);
    }

    pub(super) fn go(&mut self, ask: AskId, shape: u8, grant: u8) {
        let call = self.redirected.get(&ask).copied();
        let plan = plan::go(call.unwrap_or(ask), shape, grant);
        match call {
            Some(_) => self.laws.redirect_granted(ask),
            None => self.laws.granted(ask),
        }
        self.answer(ask, AnswerBody::Go(Box::new(plan)));
    }

    pub(super) fn answer(&mut self, ask: AskId, body: AnswerBody) {
        self.happened = ("answered", None);
        self.calls.handle_answer(Answer { ask, body }, self.now, &mut self.media);
    }

    pub(super) fn lengthen(&mut self, leg: LegId, ask: AskId, grant: Grant) {
        self.happened = ("lengthened", None);
        let more = Lengthen { ask, leg, grant };
        self.calls.handle_lengthen(&more, self.now, &mut self.media);
    }

    pub(super) fn verb(&mut self, leg: LegId, kind: VerbKind, args: Vec<u8>) {
        self.happened = ("verb", None);
        self.verbs += 1;
        let verb = Verb {
            id: VerbId(self.verbs),
            leg,
            kind,
            args: Octets(args),
            resume: Octets::default(),
            on_driver_lost: OnDriverLost::RunOn,
        };
        let wall_us = self.wall_us();
        self.calls.handle_verb(verb, self.now, wall_us, &mut self.media);
    }

    pub(super) fn originate(&mut self, shape: u8, grant: u8) {
        // Outside the range of this shard's asks.
        let ask = AskId(self.verbs + 1);
        self.originated.insert(VerbId(self.verbs + 1), ask);
        self.laws.granted(ask);
        let args = Originate {
            first: plan::branch(shape),
            second: plan::branch(shape >> 3),
            grant: plan::grant(grant),
            settlement: Octets(ask.0.to_le_bytes().to_vec()),
            ask,
            deadline_ms: u32::from(shape % 3) * 10_000,
        };
        self.verb(LegId::default(), VerbKind::Originate, encode(&args));
    }

    pub(super) fn silence(&mut self, leg: LegId) {
        self.happened = ("silent", None);
        self.calls.handle_silence(leg, self.now, &mut self.media);
    }

    pub(super) fn false_answer(&mut self, leg: LegId) {
        self.happened = ("false", None);
        self.calls.handle_false_answer(leg, self.now, &mut self.media);
    }

    pub(super) fn change_media(&mut self, how: u8, which: u8) {
        let (gauge, leg) = (u32::from(which % 3), which % 6);
        match how {
            0 | 2 => drop(self.media.full.insert(gauge)),
            1 | 3 => drop(self.media.full.remove(&gauge)),
            4 => drop(self.media.deaf.insert(leg)),
            _ => drop(self.media.deaf.remove(&leg)),
        }
    }

    pub(super) fn lose_control(&mut self) {
        self.calls.handle_control_lost();
    }

    pub(super) fn find_control(&mut self) {
        self.calls.handle_control_back();
    }

    pub(super) fn make_durable(&mut self) {
        self.happened = ("durable", None);
        self.calls.handle_durable(self.seq);
    }

    /// Time goes on; every timer fires at its own time.
    pub(super) fn wait(&mut self, ms: u64) {
        self.drain();
        let until = self.now.plus_ms(ms);
        let mut fired = 0;
        while let Some(at) = self.calls.poll_timeout().filter(|at| *at <= until) {
            self.now = at.max(self.now);
            self.happened = ("timer", None);
            self.calls.handle_timeout(self.now, &mut self.media);
            self.drain();
            fired += 1;
            assert!(fired < FIRED_MAX, "time does not pass");
        }
        self.now = until;
    }

    /// Carries out what the calls want done, under the laws.
    pub(super) fn drain(&mut self) {
        let mut outputs = Vec::new();
        while let Some(output) = self.calls.poll_output() {
            if let Output::Done { slot, .. } = &output {
                // Nobody is owed a last word here.
                self.calls.vacate(*slot);
            }
            outputs.push(output);
        }
        self.laws.observe(&outputs, self.calls.in_use() + 1);
        for output in &outputs {
            self.shape.note("led to", &(self.happened, discriminant(output)));
            self.carry_out(output);
        }
        self.shape.count("calls", self.calls.in_use()).count("outputs", outputs.len());
    }

    fn carry_out(&mut self, output: &Output) {
        match output {
            Output::Ask(ask) => {
                self.shape.kind("asked", &ask.body);
                if let (AskBody::Redirected(_), Some(call)) = (&ask.body, ask.parent) {
                    self.redirected.insert(ask.id, call);
                }
                self.asks.push(ask.id);
            }
            Output::Journal { entry, slot, facts } => {
                self.seq += 1;
                if *entry == Entry::Ended {
                    self.calls.journaled(*slot, self.seq);
                }
                self.shape.count("facts", facts.facts.len()).kind("entry", entry);
                self.shape.kind("last fact", &facts.facts.last());
            }
            Output::Slot { slot, .. } => drop(self.slots.insert(*slot)),
            Output::Free { slot } => drop(self.slots.remove(slot)),
            Output::Up(Up::Verb(result)) => {
                self.shape.print("verb", &result.outcome);
                let ask = self.originated.remove(&result.id);
                if let Some(ask) = ask.filter(|_| result.outcome != VerbOutcome::Done) {
                    self.laws.not_granted(ask);
                }
            }
            Output::Leg { leg, command } => {
                self.shape.note("told", &(self.happened, discriminant(command), leg.leg.min(3)));
                if matches!(command, Command::Invite(_)) {
                    self.legs.push(*leg);
                }
            }
            Output::Up(up) => drop(self.shape.kind("up", up)),
            Output::Done { .. } => {}
        }
    }

    /// The process dies, and its next life takes up what its table shows.
    pub(super) fn restart(&mut self) {
        self.drain();
        if self.lives == LIVES_MAX {
            return;
        }
        let known =
            |slot: &SlotRef| Some((*slot, self.calls.snapshot(*slot)?, self.calls.freeze(*slot)));
        let left: Vec<_> = self.slots.iter().filter_map(known).collect();
        self.lives += 1;
        self.calls = begun(self.lives);
        self.media = self.media.after_restart();
        // What was asked in the former life is answered to nobody.
        self.asks.clear();
        self.slots.clear();
        for (slot, (state, facts), image) in left {
            self.happened = ("taken up", None);
            self.adopt(slot, state, *facts, image.as_deref().unwrap_or_default());
            self.drain();
        }
        self.happened = ("rejoined", None);
        let lost = self.calls.rejoin(self.now, self.now, &mut self.media);
        self.shape.count("lost halves", lost as usize);
        self.drain();
    }

    fn adopt(&mut self, slot: SlotRef, state: SlotState, facts: CallFacts, image: &[u8]) {
        assert!(facts.facts.len() <= FACTS_MAX, "facts grow");
        self.slots.insert(slot);
        if state == SlotState::Answered {
            let thawed = self.calls.thaw(slot, facts, image, self.now, &mut self.media);
            assert_eq!(thawed, Ok(()), "an answered call goes on");
            assert_eq!(self.calls.freeze(slot).as_deref(), Some(image), "as it was frozen");
            return;
        }
        let is_left = matches!(state, SlotState::Asked | SlotState::Leaving);
        let legs = self.laws.left(slot).map(|(leg, early)| LostLeg {
            leg,
            early,
            explain: strowger_call::explained(image, leg),
        });
        let legs = legs.collect();
        let owes_record = !is_left && !self.laws.is_recorded(slot);
        let lost = Lost { facts, legs, at: self.now, reason: Reason::ProcessLost, owes_record };
        assert!(self.calls.close_lost(slot, lost, self.now, &mut self.media));
    }

    /// Everybody hangs up and the disk keeps up: nothing may be left of any call.
    pub(super) fn heal(&mut self) {
        self.drain();
        self.calls.handle_control_back();
        self.drain();
        for _ in 0..2 {
            for leg in self.laws.open_legs() {
                let cause = strowger_link::Cause::new(0, 16);
                self.event(leg, Event::Ended { cause, by_party: true });
                self.drain();
            }
        }
        self.wait(HEAL_MS);
        self.make_durable();
        self.drain();
        assert_eq!(self.calls.in_use(), 0, "slots leak: {:?}", self.calls);
        assert_eq!(self.calls.poll_timeout(), None, "a timer without an owner");
        self.media.settled();
        self.laws.settled();
        let counters = self.calls.counters();
        for (name, count) in [
            ("strays", counters.strays),
            ("misplaced", counters.misplaced),
            ("legs lost", counters.legs_lost),
            ("abandoned", counters.abandoned),
        ] {
            self.shape.note(name, &(64 - count.leading_zeros()));
        }
    }
}
