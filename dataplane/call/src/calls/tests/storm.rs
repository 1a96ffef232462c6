//! Laws under random events: legal ones, late ones, and such as no party could send.

use super::world::{World, branch, challenge, emergency, gauge, go, offer, refuse, sdp};
use proptest::prelude::*;
use strowger_leg::{Event, Part};
use strowger_link::codec::encode;
use strowger_link::{
    AnswerBody, AskId, Branch, Cause, Extended, Grant, Hangup, LegId, Octets, OnRedirect,
    Originate, PartyRef, Reason, Reroute, SlotRef, VerbKind,
};

const SLOTS: u32 = 3;
const STATUSES: [u16; 8] = [302, 404, 408, 480, 486, 503, 600, 603];

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
        world.calls.set_emergency(vec![emergency("112", &["x", "y"])]);
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
                self.world.event(leg, event_of(event, detail));
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
                self.answer(ask, AnswerBody::Extended(Extended { grant: grant_of(grant) }));
            }
            Step::Lengthen { slot, ask, grant } => {
                let leg = LegId { slot: self.slot(slot), leg: 0 };
                if let Some(ask) = self.ask(ask) {
                    self.world.lengthen(leg, ask, grant_of(grant));
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
            Step::Restart => {
                drop(self.world.restart());
                self.world.calls.set_emergency(vec![emergency("112", &["x", "y"])]);
            }
        }
        self.world.drain();
    }

    fn answer(&mut self, ask: u8, body: AnswerBody) {
        if let Some(ask) = self.ask(ask) {
            self.world.answer(ask, body);
        }
    }

    fn go(&mut self, ask: u8, shape: u8, grant: u8) {
        let Some(ask) = self.ask(ask) else { return };
        let stages = (0..shape % 4)
            .map(|stage| (0..=(shape >> 2) % 3).map(|n| branch_of(shape ^ stage ^ n)).collect())
            .collect();
        let max_ms = if shape & 0x40 == 0 { 0 } else { 30_000 };
        let mut plan = go(ask, stages, grant_of(grant), max_ms);
        let any = shape & 0x10 != 0;
        plan.reroute = (shape & 0x20 != 0).then_some(Reroute { talk_ms_max: 20_000, any });
        // One that is told.
        plan.manner.ringing = shape & 0x80 != 0;
        self.world.answer(ask, AnswerBody::Go(Box::new(plan)));
    }

    fn originate(&mut self, shape: u8, grant: u8) {
        self.originated += 1;
        // Outside the range of asks of this shard.
        let ask = AskId(self.originated);
        let args = Originate {
            first: branch_of(shape),
            second: branch_of(shape >> 3),
            grant: grant_of(grant),
            settlement: Octets(ask.0.to_le_bytes().to_vec()),
            ask,
            deadline_ms: u32::from(shape % 3) * 10_000,
        };
        self.world.expect_origination(ask);
        self.world.verb(LegId::default(), VerbKind::Originate, encode(&args));
        self.world.drain();
        self.slots.push(self.world.slot);
    }

    /// Everybody hangs up and the disk keeps up: nothing may be left.
    fn heal(&mut self) {
        self.world.calls.handle_control_back();
        self.world.drain();
        for _ in 0..2 {
            for leg in self.world.laws.open_legs() {
                let cause = Cause::new(0, 16);
                self.world.event(leg, Event::Ended { cause, by_party: true });
                self.world.drain();
            }
        }
        self.world.wait(200_000_000);
        self.world.calls.handle_durable(self.world.seq);
        self.world.drain();
        self.world.laws.settled(&self.world.calls, &self.world.media);
    }
}

fn event_of(event: u8, detail: u8) -> Event {
    let cause = Cause::from_sip(STATUSES[usize::from(detail) % STATUSES.len()]);
    let body = if detail & 0x30 == 0 { None } else { Some(sdp("x")) };
    match event % 16 {
        0..=2 => {
            let status = 180 + u16::from(detail % 4);
            Event::Progress { status, body, fork: detail >> 7 }
        }
        3..=6 => Event::Answered { body },
        7 => Event::Confirmed { body },
        8 | 9 => {
            let contacts = (0..detail >> 5 & 3).map(|n| format!("sip:{}@x", n ^ detail)).collect();
            Event::Refused { cause, contacts, silent: detail & 0x80 != 0 }
        }
        10 if detail & 1 == 0 => Event::Update { body: sdp("u") },
        10 => Event::Reoffer { body },
        11 if detail & 3 == 3 => Event::Refreshed { body },
        11 => Event::ReofferAnswered { body },
        12 => Event::ReofferRefused { cause },
        13 if detail & 1 == 0 => Event::Digits { digits: "12".into(), duration_ms: 100 },
        13 => {
            let part = Part { body: sdp("p"), disposition: "signal".into(), required: false };
            Event::Parts(vec![part])
        }
        14 => match detail % 3 {
            0 => Event::Offered(Box::new(offer("1002", None))),
            _ => Event::Info { body: sdp("i") },
        },
        _ => Event::Ended { cause, by_party: detail & 0x80 != 0 },
    }
}

fn branch_of(shape: u8) -> Branch {
    let mut branch = branch("b");
    if shape & 8 != 0 {
        branch.party = PartyRef::Trunk(shape.into());
    }
    branch.ring_ms = 1000 * u32::from(shape % 30);
    branch.first_ms = 500 * u32::from(shape >> 5);
    branch.redirect = match shape % 4 {
        0 | 1 => OnRedirect::Ask,
        2 => OnRedirect::Pass,
        _ => OnRedirect::Fail,
    };
    branch.gauges = (0..shape % 3).map(|id| gauge(id.into())).collect();
    if shape & 0x10 != 0 {
        branch.continue_on = vec![486, 408, 600];
    }
    if shape & 0x20 != 0 {
        branch.stop_on = vec![503];
    }
    branch
}

fn grant_of(choice: u8) -> Grant {
    let ms = match choice % 4 {
        0 => u64::MAX,
        1 => u64::from(choice) * 10,
        2 => u64::from(choice) * 1000,
        _ => 0,
    };
    let free_ms = if choice & 0x20 != 0 { ms.min(u64::from(choice) * 500) } else { 0 };
    Grant { ms, free_ms, last: choice & 0x80 != 0, go_on: choice & 0x40 != 0 }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 1024, ..ProptestConfig::default() })]

    #[test]
    fn laws_hold_in_any_order_of_events(steps in prop::collection::vec(step(), 1..120)) {
        let mut storm = Storm::new();
        for step in &steps {
            storm.take(step);
        }
        storm.heal();
    }
}
