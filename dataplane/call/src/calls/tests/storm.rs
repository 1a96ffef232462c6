//! Laws under random events: legal ones, late ones, and such as no party could send.

use super::world::{World, challenge, choice, emergency, offer, refuse};
use proptest::prelude::*;
use strowger_link::codec::encode;
use strowger_link::{AnswerBody, AskId, Cause, Hangup, LegId, Reason, SlotRef, VerbKind};

const SLOTS: u32 = 3;

/// One step. Numbers choose among what there is, modulo its count.
#[derive(Clone, Debug)]
enum Step {
    Offer { emergency: bool, late: bool },
    Leg { slot: u8, leg: u8, event: u8, detail: u8 },
    Go { ask: u8, shape: u8, grant: u8 },
    Refuse { ask: u8, record: bool, credit: bool },
    Challenge { ask: u8 },
    Extended { ask: u8, grant: u8 },
    Lengthen { slot: u8, ask: u8, grant: u8 },
    Wait { ms: u32 },
    Lost,
    Back,
    Durable,
    Silence { slot: u8, leg: u8 },
    Hangup { slot: u8, leg: Option<u8> },
    Originate { shape: u8, grant: u8 },
    Gauge { id: u8, full: bool },
    Deaf { leg: u8, deaf: bool },
    Restart,
}

fn step() -> impl Strategy<Value = Step> {
    let b = any::<u8>;
    prop_oneof![
        3 => (prop::bool::weighted(0.2), prop::bool::weighted(0.2))
            .prop_map(|(emergency, late)| Step::Offer { emergency, late }),
        24 => (b(), 0..6u8, b(), b())
            .prop_map(|(slot, leg, event, detail)| Step::Leg { slot, leg, event, detail }),
        6 => (b(), b(), b()).prop_map(|(ask, shape, grant)| Step::Go { ask, shape, grant }),
        1 => (b(), any::<bool>(), any::<bool>())
            .prop_map(|(ask, record, credit)| Step::Refuse { ask, record, credit }),
        1 => b().prop_map(|ask| Step::Challenge { ask }),
        2 => (b(), b()).prop_map(|(ask, grant)| Step::Extended { ask, grant }),
        2 => (b(), b(), b()).prop_map(|(slot, ask, grant)| Step::Lengthen { slot, ask, grant }),
        5 => prop_oneof![0..10u32, 0..2_000u32, 0..100_000u32].prop_map(|ms| Step::Wait { ms }),
        1 => Just(Step::Lost),
        2 => Just(Step::Back),
        2 => Just(Step::Durable),
        1 => (b(), 0..3u8).prop_map(|(slot, leg)| Step::Silence { slot, leg }),
        1 => (b(), prop::option::of(0..4u8)).prop_map(|(slot, leg)| Step::Hangup { slot, leg }),
        1 => (b(), b()).prop_map(|(shape, grant)| Step::Originate { shape, grant }),
        1 => (0..3u8, any::<bool>()).prop_map(|(id, full)| Step::Gauge { id, full }),
        1 => (0..4u8, prop::bool::weighted(0.3)).prop_map(|(leg, deaf)| Step::Deaf { leg, deaf }),
        1 => Just(Step::Restart),
    ]
}

struct Storm {
    world: World,
    /// Slots that were ever opened, the latest ones last.
    slots: Vec<SlotRef>,
    originated: u64,
}

impl Storm {
    fn new() -> Storm {
        let mut world = World::new(SLOTS);
        world.set_emergency(vec![emergency("112", &["x", "y"])]);
        Storm { world, slots: Vec::new(), originated: 0 }
    }

    /// One of the latest slots, mostly.
    fn slot(&self, choice: u8) -> SlotRef {
        let back = usize::from(choice) % 4;
        self.slots.iter().rev().nth(back).or(self.slots.last()).copied().unwrap_or_default()
    }

    fn ask(&self, choice: u8) -> Option<AskId> {
        let back = usize::from(choice) % 4;
        self.world.asks.iter().rev().nth(back).or(self.world.asks.last()).copied()
    }

    fn take(&mut self, step: &Step) {
        match *step {
            Step::Offer { emergency, late } => {
                let called = if emergency { "112" } else { "1002" };
                let body = if late { None } else { Some("a1") };
                if let Some(leg) = self.world.offer(offer(called, body)) {
                    self.slots.push(leg.slot);
                }
            }
            Step::Leg { slot, leg, event, detail } => {
                let leg = LegId { slot: self.slot(slot), leg };
                let joined = Some(LegId { slot: self.slot(detail >> 2), leg: detail >> 7 });
                self.world.says(leg, choice::said(event, detail, [joined; 2]));
            }
            Step::Go { ask, shape, grant } => self.go(ask, shape, grant),
            Step::Refuse { ask, record, credit } => {
                let reason = if credit { Reason::NoCredit } else { Reason::Denied };
                let mut no = refuse(403, reason);
                no.record = record;
                self.answer(ask, AnswerBody::Refuse(no));
            }
            Step::Challenge { ask } => self.answer(ask, challenge()),
            Step::Extended { ask, grant } => {
                self.answer(ask, choice::extended(grant));
            }
            Step::Lengthen { slot, ask, grant } => {
                let leg = LegId { slot: self.slot(slot), leg: 0 };
                if let Some(ask) = self.ask(ask) {
                    self.world.lengthen(leg, ask, choice::grant(grant));
                }
            }
            Step::Wait { ms } => drop(self.world.wait(ms.into())),
            Step::Lost => self.world.calls.handle_control_lost(),
            Step::Back => self.world.calls.handle_control_back(),
            Step::Durable => self.world.calls.handle_durable(self.world.seq),
            Step::Silence { slot, leg } => {
                self.world.silence(LegId { slot: self.slot(slot), leg });
            }
            Step::Hangup { slot, leg } => {
                let args = Hangup { leg, cause: Cause::new(0, 16), reason: Reason::Operator };
                let id = LegId { slot: self.slot(slot), leg: 0 };
                self.world.verb(id, VerbKind::Hangup, encode(&args));
            }
            Step::Originate { shape, grant } => self.originate(shape, grant),
            Step::Gauge { id, full: true } => drop(self.world.media.full.insert(id.into())),
            Step::Gauge { id, full: false } => drop(self.world.media.full.remove(&id.into())),
            Step::Deaf { leg, deaf: true } => drop(self.world.media.deaf.insert(leg)),
            Step::Deaf { leg, deaf: false } => drop(self.world.media.deaf.remove(&leg)),
            Step::Restart => drop(self.world.restart()),
        }
        self.world.drain();
    }

    fn answer(&mut self, ask: u8, body: AnswerBody) {
        if let Some(ask) = self.ask(ask) {
            self.world.answer(ask, body);
        }
    }

    fn go(&mut self, ask: u8, shape: u8, grant: u8) {
        if let Some(ask) = self.ask(ask) {
            let plan = choice::go(ask, shape, grant);
            self.world.answer(ask, AnswerBody::Go(Box::new(plan)));
        }
    }

    fn originate(&mut self, shape: u8, grant: u8) {
        self.originated += 1;
        // Outside the range of asks of this shard.
        let ask = AskId(self.originated);
        let args = choice::originate(ask, shape, grant);
        self.world.expect_origination(ask);
        self.world.verb(LegId::default(), VerbKind::Originate, encode(&args));
        self.world.drain();
        self.slots.push(self.world.slot);
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 1024, ..ProptestConfig::default() })]

    #[test]
    fn laws_hold_in_any_order_of_events(steps in prop::collection::vec(step(), 1..120)) {
        let mut storm = Storm::new();
        for step in &steps {
            storm.take(step);
        }
        storm.world.heal();
    }
}
