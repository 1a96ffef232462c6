//! All calls of a shard under a script of what parties say, decisions, verbs, time and deaths of
//! the process. Whatever order they come in: nothing panics or grows, a leg hears nothing that is
//! wrong in its state, a call leaves one record, and when all have hung up nothing is left of any.
//!
//! An input is steps of four bytes: what happens, to whom, and two of detail. Parties may say what
//! none could; only legs that exist say anything.

mod law;
mod media;
mod plan;
mod world;

use strowger_leg::{Body, Event, Part, Replaces, TransferWish};
use strowger_link::codec::encode;
use strowger_link::{
    AnswerBody, Cause, Extended, Hangup, HeaderField, LegId, Octets, Reason, SlotRef, VerbKind,
};

use super::Target;
use crate::{Dice, Shape};
use world::World;

pub(super) static TARGET: Target = Target { name: "call", run, seeds, words: WORDS };

/// The most steps of one input.
const STEPS_MAX: usize = 160;
const STEP_LEN: usize = 4;
/// Of so many of the newest legs one is chosen; of so many asks.
const NEWEST: u8 = 8;
const STATUSES: [u16; 8] = [302, 404, 408, 480, 486, 503, 600, 603];
/// A leg of another shard.
const ABROAD: LegId = LegId { slot: SlotRef { seg: 7, idx: 3, r#gen: 1 }, leg: 0 };

// What happens, by the first byte of a step.
const OFFER: u8 = 0;
const BESIDE: u8 = 3;
const SAY: u8 = 4;
const GO: u8 = 18;
const OTHER: u8 = 23;
const EXTENDED: u8 = 24;
const LENGTHEN: u8 = 25;
const WAIT: u8 = 26;
const CONTROL: u8 = 28;
const MEDIA: u8 = 29;
const VERB: u8 = 30;
const RESTART: u8 = 31;
const KINDS: u8 = 32;

// What a party says, by the third.
const PROGRESS: u8 = 0;
const ANSWERED: u8 = 3;
const REFUSED: u8 = 8;
const OFFERS: u8 = 10;
const ACCEPTS: u8 = 12;
const TRANSFER: u8 = 17;
const BESIDE_THAT: u8 = 19;
const ENDED: u8 = 21;
const WORDS_OF_PARTIES: u8 = 22;

const WORDS: &[&[u8]] = &[
    &[OFFER, 0, 0, 0],
    &[GO, 0, 1, 0],
    &[SAY, 0, ANSWERED, 0x30],
    &[SAY, 1, TRANSFER, 0],
    &[SAY, 1, TRANSFER, 1],
    &[SAY, 0, BESIDE_THAT, 0],
    &[SAY, 0, ENDED, 0],
    &[RESTART, 0, 0, 0],
];

fn run(input: &[u8]) -> Shape {
    let mut world = World::new();
    for step in input.chunks(STEP_LEN).take(STEPS_MAX) {
        let mut bytes = [0; STEP_LEN];
        bytes.iter_mut().zip(step).for_each(|(to, from)| *to = *from);
        take(&mut world, bytes);
        world.drain();
    }
    world.heal();
    world.shape
}

fn take(world: &mut World, [what, which, how, detail]: [u8; STEP_LEN]) {
    match what % KINDS {
        OFFER..BESIDE => offer(world, which, how, detail),
        BESIDE => {
            if let Some(leg) = world.leg(which) {
                world.offer_beside(leg, how & 1 == 0);
            }
        }
        SAY..GO => {
            if let Some(leg) = world.leg(which) {
                world.event(leg, said(world, how, detail));
            }
        }
        GO..OTHER => {
            if let Some(ask) = world.ask(which) {
                world.go(ask, how, detail);
            }
        }
        OTHER => {
            if let Some(ask) = world.ask(which) {
                world.answer(ask, plan::other(how, detail));
            }
        }
        EXTENDED => {
            if let Some(ask) = world.ask(which) {
                let extended = Extended { grant: plan::grant(how) };
                world.answer(ask, AnswerBody::Extended(extended));
            }
        }
        LENGTHEN => {
            if let (Some(ask), Some(leg)) = (world.ask(detail), world.leg(which)) {
                world.lengthen(LegId { leg: 0, ..leg }, ask, plan::grant(how));
            }
        }
        WAIT..CONTROL => world.wait(u64::from(how) * u64::from(detail) * 10),
        CONTROL => match how % 3 {
            0 => world.lose_control(),
            1 => world.find_control(),
            _ => world.make_durable(),
        },
        MEDIA => match (how % 6, world.leg(which)) {
            (0, Some(leg)) => world.silence(leg),
            (1, Some(leg)) => world.false_answer(leg),
            (gauge_or_leg, _) => world.change_media(gauge_or_leg, detail),
        },
        VERB => verb(world, which, how, detail),
        _ => world.restart(),
    }
}

fn offer(world: &mut World, which: u8, how: u8, detail: u8) {
    let called = if how & 7 == 7 { plan::HELP } else { "1002" };
    let mut offer = plan::offer(called, (how & 8 == 0).then_some("a"));
    if how & 16 != 0 {
        offer.parts = vec![part(detail)];
    }
    if how & 64 != 0
        && let Some(leg) = world.leg(which)
    {
        let (ringing, named) = (how & 128 != 0, "c;to-tag=a;from-tag=b".to_owned());
        offer.replaces = Some(Box::new(Replaces { leg, ringing, named }));
    }
    offer.hops_left = if detail == 255 { 0 } else { 70 };
    world.offer(offer);
}

fn verb(world: &mut World, which: u8, how: u8, detail: u8) {
    let leg = world.leg(which).unwrap_or_default();
    match how % 4 {
        0 | 1 => {
            let only = (how & 4 != 0).then_some(detail % 4);
            let args = Hangup { leg: only, cause: Cause::new(0, 16), reason: Reason::Operator };
            world.verb(LegId { leg: 0, ..leg }, VerbKind::Hangup, encode(&args));
        }
        2 => world.originate(which, detail),
        _ => world.verb(leg, VerbKind::Hangup, vec![how, detail]),
    }
}

fn part(detail: u8) -> Part {
    let kind = if detail & 1 == 0 { "application/isup" } else { "text/xml" };
    let body = Body { content_type: kind.into(), data: [detail; 3].into() };
    Part { body, disposition: "signal".into(), required: detail & 2 != 0 }
}

fn said(world: &World, how: u8, detail: u8) -> Event {
    let cause = Cause::from_sip(STATUSES[usize::from(detail % 8)]);
    let sdp = |text: &str| Body::sdp(text.as_bytes().to_vec());
    let body = (detail & 0x30 != 0).then(|| sdp("x"));
    match how % WORDS_OF_PARTIES {
        PROGRESS..ANSWERED => {
            let status = if detail & 0x40 == 0 { 180 + u16::from(detail % 4) } else { 199 };
            Event::Progress { status, body, fork: detail >> 7 }
        }
        ANSWERED..7 => Event::Answered { body },
        7 => Event::Confirmed { body },
        REFUSED..OFFERS => {
            let contacts = (0..detail >> 5 & 3).map(|n| format!("sip:{}@x", n ^ detail)).collect();
            Event::Refused { cause, contacts, silent: detail & 0x80 != 0 }
        }
        OFFERS if detail & 1 == 0 => Event::Update { body: sdp("u") },
        OFFERS => Event::Reoffer { body },
        11 => Event::Refreshed { body },
        ACCEPTS..14 => Event::ReofferAnswered { body },
        14 => Event::ReofferRefused { cause },
        15 => Event::Digits { digits: "12".into(), duration_ms: 100 },
        16 if detail & 1 == 0 => Event::Info { body: sdp("i") },
        16 => Event::Message { body: sdp("m") },
        TRANSFER | 18 => Event::Transfer(Box::new(TransferWish {
            target: "sip:1003@host".into(),
            user: "1003".into(),
            host: "host".into(),
            referred_by: None,
            replaces: match detail % 4 {
                0 => None,
                1 | 2 => world.leg(detail >> 2),
                _ => Some(ABROAD),
            },
            abroad: Vec::new(),
        })),
        BESIDE_THAT => Event::Parts(vec![part(detail)]),
        20 => Event::Fields(vec![HeaderField {
            name: "WWW-Authenticate".to_owned(),
            value: Octets(b"Digest realm=\"x\"".to_vec()),
        }]),
        _ => Event::Ended { cause, by_party: detail & 0x80 != 0 },
    }
}

/// Calls as they go: answered, forked, redirected, put through, picked up, originated, tied, taken
/// up by the next life.
fn seeds(_: &mut Dice) -> Vec<Vec<u8>> {
    let (offer, go) = ([OFFER, 0, 0, 0], [GO, 0, 1, 0]);
    let answered = [SAY, 0, ANSWERED, 0x30];
    let wait = [WAIT, 0, 100, 100];
    let calls: &[&[[u8; STEP_LEN]]] = &[
        &[offer, go, answered, [SAY, 1, ENDED, 0]],
        &[offer, [GO, 0, 0b1001, 0], [SAY, 0, PROGRESS, 0x30], [SAY, 1, ANSWERED, 0x30]],
        &[offer, [GO, 0, 2, 0], [SAY, 0, REFUSED, 4], answered, wait],
        &[offer, go, [SAY, 0, REFUSED, 0x20], [GO, 0, 1, 0], answered],
        &[offer, go, answered, [SAY, 0, OFFERS, 0x31], [SAY, 1, ACCEPTS, 0x30], wait],
        // Put through: to a number, and with the other call of the same party.
        &[offer, go, answered, [SAY, 1, TRANSFER, 0], go, answered, [SAY, 1, ACCEPTS, 0x30]],
        &[offer, go, answered, offer, go, answered, [SAY, 0, TRANSFER, 0b1101]],
        // Another shard's, from both sides.
        &[offer, go, answered, [SAY, 1, TRANSFER, 3], answered, [SAY, 1, ACCEPTS, 0x30]],
        &[offer, go, answered, [BESIDE, 1, 1, 0], [SAY, 1, ACCEPTS, 0x30], [RESTART, 0, 0, 0]],
        // Picked up while it talks, and while it rings.
        &[offer, go, answered, [OFFER, 0, 64, 0], [GO, 0, 0, 0], [SAY, 1, ACCEPTS, 0x30]],
        &[offer, go, [SAY, 0, PROGRESS, 0], [OFFER, 0, 192, 0], [GO, 0, 0, 0]],
        &[[VERB, 0, 2, 9], answered, answered, [SAY, 1, ACCEPTS, 0x30]],
        &[offer, go, answered, [RESTART, 0, 0, 0], wait, [SAY, 0, OFFERS, 1]],
        &[[OFFER, 0, 16, 0], [GO, 0, 0b1_0001, 0], [SAY, 0, BESIDE_THAT, 0], answered],
        &[[OFFER, 0, 7, 0], [CONTROL, 0, 0, 0], wait, [CONTROL, 0, 1, 0], answered],
    ];
    calls.iter().map(|steps| steps.concat()).collect()
}
