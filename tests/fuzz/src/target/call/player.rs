//! Plays a script on a world of calls, and keeps what was seen of it.

use std::mem::{Discriminant, discriminant};

use strowger_call::Output;
use strowger_call::world::{World, choice, emergency, offer};
use strowger_leg::{Command, Event, Offer, Replaces};
use strowger_link::codec::encode;
use strowger_link::{AnswerBody, AskId, LegId, Up, VerbKind};

use super::{HELP, NEWEST};
use crate::Shape;

const SLOTS: u32 = 4;

/// See the module.
pub(super) struct Player {
    pub(super) world: World,
    /// Legs that exist or did, the newest last.
    legs: Vec<LegId>,
    originated: u64,
    /// What happened last, for the shape.
    happened: (&'static str, Option<Discriminant<Event>>),
    pub(super) shape: Shape,
}

/// One of the newest of a list.
fn newest<T: Copy>(list: &[T], which: u8) -> Option<T> {
    let among = list.len().min(usize::from(NEWEST));
    let back = usize::from(which).checked_rem(among)?;
    list.iter().rev().nth(back).copied()
}

impl Player {
    pub(super) fn new() -> Player {
        let mut world = World::new(SLOTS);
        world.set_emergency(vec![emergency(HELP, &["x", "y"])]);
        let happened = ("begun", None);
        Player { world, legs: Vec::new(), originated: 0, happened, shape: Shape::new() }
    }

    pub(super) fn leg(&self, which: u8) -> Option<LegId> {
        newest(&self.legs, which)
    }

    pub(super) fn ask(&self, which: u8) -> Option<AskId> {
        newest(&self.world.asks, which)
    }

    /// The world, to which this happens.
    pub(super) fn now(&mut self, what: &'static str) -> &mut World {
        self.happened = (what, None);
        &mut self.world
    }

    /// A new INVITE; nothing when every slot is in use.
    pub(super) fn offer(&mut self, offer: Offer) {
        let leg = self.now("offered").offer(offer);
        self.legs.extend(leg);
    }

    /// An INVITE of another shard, whose party wants the place of `leg` or names none; or nothing
    /// comes of it.
    pub(super) fn offer_beside(&mut self, leg: LegId, comes: bool, names: bool) {
        let world = self.now("offered beside");
        if !comes {
            if let Ok(beside) = world.calls.reserve_beside(leg) {
                world.calls.unreserve(beside);
            }
            return;
        }
        let mut offer = offer("1002", Some("t"));
        let replaces = Replaces { leg, ringing: false, named: String::new() };
        offer.replaces = names.then(|| Box::new(replaces));
        match world.offer_beside(leg, offer) {
            Ok(beside) => self.legs.push(beside),
            Err(cause) => drop(self.shape.note("no place", &cause.sip)),
        }
    }

    pub(super) fn says(&mut self, leg: LegId, event: Event) {
        self.happened = ("said", Some(discriminant(&event)));
        self.world.says(leg, event);
    }

    pub(super) fn go(&mut self, ask: AskId, shape: u8, grant: u8) {
        let plan = choice::go(ask, shape, grant);
        self.now("answered").answer(ask, AnswerBody::Go(Box::new(plan)));
    }

    pub(super) fn originate(&mut self, shape: u8, grant: u8) {
        self.originated += 1;
        // Outside the range of this shard's asks.
        let ask = AskId(self.originated);
        let args = choice::originate(ask, shape, grant);
        let world = self.now("originated");
        world.expect_origination(ask);
        world.verb(LegId::default(), VerbKind::Originate, encode(&args));
    }

    pub(super) fn wait(&mut self, ms: u64) {
        self.drain();
        let outputs = self.now("timer").wait(ms);
        self.note(&outputs);
    }

    /// The process dies, or ends in order, and its next life takes up what its table shows.
    pub(super) fn restart(&mut self, in_order: bool) {
        if in_order {
            let World { calls, media, now, .. } = self.now("shut down");
            calls.shut_down(*now, media);
        }
        self.drain();
        let outputs = self.now("taken up").restart();
        self.note(&outputs);
    }

    /// Carries out what the calls want done, under the laws.
    pub(super) fn drain(&mut self) {
        let outputs = self.world.drain();
        self.note(&outputs);
        let in_use = self.world.calls.in_use();
        self.shape.count("calls", in_use).count("outputs", outputs.len());
    }

    fn note(&mut self, outputs: &[Output]) {
        // Transcripts are for those who read them.
        self.world.media.lines.clear();
        for output in outputs {
            self.shape.note("led to", &(self.happened, discriminant(output)));
            self.note_one(output);
        }
    }

    fn note_one(&mut self, output: &Output) {
        match output {
            Output::Ask(ask) => drop(self.shape.kind("asked", &ask.body)),
            Output::Journal { entry, facts, .. } => {
                self.shape.count("facts", facts.facts.len()).kind("entry", entry);
                self.shape.kind("last fact", &facts.facts.last());
            }
            Output::Up(Up::Verb(result)) => drop(self.shape.print("verb", &result.outcome)),
            Output::Up(up) => drop(self.shape.kind("up", up)),
            Output::Leg { leg, command } => {
                self.shape.note("told", &(self.happened, discriminant(command), leg.leg.min(3)));
                if matches!(command, Command::Invite(_)) {
                    self.legs.push(*leg);
                }
            }
            Output::Slot { .. } | Output::Done { .. } | Output::Free { .. } => {}
        }
    }

    /// Nothing may be left of any call.
    pub(super) fn heal(&mut self) {
        self.world.heal();
        let counters = self.world.calls.counters();
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
