//! All calls of a shard under a script of what parties say, decisions, verbs, time and deaths of
//! the process. Whatever order they come in: nothing panics or grows, a leg hears nothing that is
//! wrong in its state, a call leaves one record, and when all have hung up nothing is left of any.
//!
//! An input is steps of four bytes: what happens, to whom, and two of detail. Parties may say what
//! none could; only legs that exist say anything. The world, its laws and what may be said are
//! those of the calls' own tests.

mod player;

use strowger_call::world::choice::{
    self, ACCEPTS, ANSWERED, BESIDE, ENDED, OFFERS, REFUSED, TRANSFER,
};
use strowger_call::world::offer as invite;
use strowger_leg::Replaces;
use strowger_link::codec::encode;
use strowger_link::{Cause, Hangup, LegId, Reason, SlotRef, VerbKind};

use super::Target;
use crate::{Dice, Shape};
use player::Player;

pub(super) static TARGET: Target = Target { name: "call", run, seeds, words: WORDS };

/// The most steps of one input.
const STEPS_MAX: usize = 160;
const STEP_LEN: usize = 4;
/// Of so many of the newest legs one is chosen; of so many asks.
const NEWEST: u8 = 8;
/// The number that help is called by.
const HELP: &str = "112";
/// A leg of another shard.
const ABROAD: LegId = LegId { slot: SlotRef { seg: 7, idx: 3, r#gen: 1 }, leg: 0 };
/// Longest call of a life that has one, milliseconds.
const CALL_MS: u64 = 600_000;

// What happens, by the first byte of a step.
const OFFER: u8 = 0;
const COMES: u8 = 3;
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

const WORDS: &[&[u8]] = &[
    &[OFFER, 0, 0, 0],
    &[COMES, 0, 0, 0],
    &[GO, 0, 1, 0],
    // To a trunk, to be left when it fails.
    &[GO, 0, 0x25, 0],
    &[SAY, 0, ANSWERED, 0x30],
    &[SAY, 1, OFFERS, 0x31],
    &[SAY, 0, ACCEPTS, 0x30],
    &[SAY, 1, TRANSFER, 0],
    &[SAY, 1, TRANSFER, 1],
    &[SAY, 1, TRANSFER, 3],
    &[SAY, 0, BESIDE, 0],
    &[SAY, 0, ENDED, 0],
    &[CONTROL, 0, 3, 0],
    &[RESTART, 0, 0, 0],
];

fn run(input: &[u8]) -> Shape {
    let mut player = Player::new();
    for step in input.chunks(STEP_LEN).take(STEPS_MAX) {
        let mut bytes = [0; STEP_LEN];
        bytes.iter_mut().zip(step).for_each(|(to, from)| *to = *from);
        take(&mut player, bytes);
        player.drain();
    }
    player.heal();
    player.shape
}

fn take(player: &mut Player, [what, which, how, detail]: [u8; STEP_LEN]) {
    let (leg, ask) = (player.leg(which), player.ask(which));
    match what % KINDS {
        OFFER..COMES => offer(player, which, how, detail),
        COMES => {
            if let Some(leg) = leg {
                player.offer_beside(leg, how & 1 == 0, how & 2 == 0);
            }
        }
        SAY..GO => {
            if let Some(leg) = leg {
                let joined = [player.leg(detail >> 2), Some(ABROAD)];
                player.says(leg, choice::said(how, detail, joined));
            }
        }
        GO..OTHER => {
            if let Some(ask) = ask {
                player.go(ask, how, detail);
            }
        }
        OTHER => {
            if let Some(ask) = ask {
                player.now("answered").answer(ask, choice::other(how, detail));
            }
        }
        EXTENDED => {
            if let Some(ask) = ask {
                player.now("extended").answer(ask, choice::extended(how));
            }
        }
        LENGTHEN => {
            if let (Some(ask), Some(leg)) = (player.ask(detail), leg) {
                let leg = LegId { leg: 0, ..leg };
                player.now("lengthened").lengthen(leg, ask, choice::grant(how));
            }
        }
        WAIT..CONTROL => player.wait(u64::from(how) * u64::from(detail) * 10),
        CONTROL => control(player, how),
        MEDIA => media(player, leg, how, detail),
        VERB => verb(player, which, how, detail),
        _ => {
            player.world.set_call_ms_max(if how & 2 == 0 { 0 } else { CALL_MS });
            player.restart(how & 1 != 0);
        }
    }
}

/// The planes, the disk, and the last words of parties.
fn control(player: &mut Player, how: u8) {
    let world = player.now("durable");
    match how % 5 {
        0 => world.calls.handle_control_lost(),
        1 => world.calls.handle_control_back(),
        2 => world.calls.handle_durable(world.seq),
        3 => world.owing = true,
        _ => {
            world.owing = false;
            world.let_go();
        }
    }
}

fn media(player: &mut Player, leg: Option<LegId>, how: u8, detail: u8) {
    let (gauge, number) = (u32::from(detail % 3), detail % 6);
    let world = player.now("media");
    match (how % 6, leg) {
        (0, Some(leg)) => world.silence(leg),
        (1, Some(leg)) => world.false_answer(leg),
        (0 | 2, _) => drop(world.media.full.insert(gauge)),
        (1 | 3, _) => drop(world.media.full.remove(&gauge)),
        (4, _) => drop(world.media.deaf.insert(number)),
        _ => drop(world.media.deaf.remove(&number)),
    }
}

fn offer(player: &mut Player, which: u8, how: u8, detail: u8) {
    let called = if how & 7 == 7 { HELP } else { "1002" };
    let mut offer = invite(called, (how & 8 == 0).then_some("a"));
    if how & 16 != 0 {
        offer.parts = vec![choice::part(detail)];
    }
    if how & 64 != 0
        && let Some(leg) = player.leg(which)
    {
        let (ringing, named) = (how & 128 != 0, "c;to-tag=a;from-tag=b".to_owned());
        offer.replaces = Some(Box::new(Replaces { leg, ringing, named }));
    }
    offer.hops_left = if detail == 255 { 0 } else { 70 };
    player.offer(offer);
}

fn verb(player: &mut Player, which: u8, how: u8, detail: u8) {
    let leg = player.leg(which).unwrap_or_default();
    match how % 4 {
        0 | 1 => {
            let only = (how & 4 != 0).then_some(detail % 4);
            let args = Hangup { leg: only, cause: Cause::new(0, 16), reason: Reason::Operator };
            let leg = LegId { leg: 0, ..leg };
            player.now("verb").verb(leg, VerbKind::Hangup, encode(&args));
        }
        2 => player.originate(which, detail),
        _ => player.now("verb").verb(leg, VerbKind::Hangup, vec![how, detail]),
    }
}

/// Calls as they go: answered, forked, redirected, put through, picked up, originated, tied,
/// rerouted, taken up by the next life.
fn seeds(_: &mut Dice) -> Vec<Vec<u8>> {
    let (offer, go) = ([OFFER, 0, 0, 0], [GO, 0, 1, 0]);
    let answered = [SAY, 0, ANSWERED, 0x30];
    let wait = [WAIT, 0, 100, 100];
    let (by_trunk, fails) = ([GO, 0, 0x25, 0], [SAY, 0, ENDED, 5]);
    let calls: &[&[[u8; STEP_LEN]]] = &[
        &[offer, go, answered, [SAY, 1, ENDED, 0]],
        &[offer, [GO, 0, 0b1001, 0], [SAY, 0, 0, 0x30], [SAY, 1, ANSWERED, 0x30]],
        &[offer, [GO, 0, 2, 0], [SAY, 0, REFUSED, 4], answered, wait],
        &[offer, go, [SAY, 0, REFUSED, 0x20], [GO, 0, 1, 0], answered],
        &[offer, go, answered, [SAY, 0, OFFERS, 0x31], [SAY, 1, ACCEPTS, 0x30], wait],
        // Put through: to a number, and with the other call of the same party.
        &[offer, go, answered, [SAY, 1, TRANSFER, 0], go, answered, [SAY, 1, ACCEPTS, 0x30]],
        &[offer, go, answered, offer, go, answered, [SAY, 0, TRANSFER, 0b1101]],
        // Another shard's, from both sides.
        &[offer, go, answered, [SAY, 1, TRANSFER, 3], answered, [SAY, 1, ACCEPTS, 0x30]],
        &[offer, go, answered, [COMES, 1, 0, 0], [SAY, 1, ACCEPTS, 0x30], [RESTART, 0, 0, 0]],
        // Picked up while it talks, and while it rings.
        &[offer, go, answered, [OFFER, 0, 64, 0], [GO, 0, 0, 0], [SAY, 1, ACCEPTS, 0x30]],
        &[offer, go, [SAY, 0, 0, 0], [OFFER, 0, 192, 0], [GO, 0, 0, 0]],
        // Rerouted once, twice, and to nobody.
        &[offer, by_trunk, answered, fails, by_trunk, answered, [SAY, 2, ACCEPTS, 0x30], fails, go],
        &[offer, by_trunk, answered, fails, by_trunk, answered, [RESTART, 0, 0, 0]],
        &[offer, by_trunk, answered, [MEDIA, 0, 0, 0], [OTHER, 0, 1, 0], wait],
        &[[VERB, 0, 2, 9], answered, answered, [SAY, 1, ACCEPTS, 0x30]],
        &[offer, go, answered, [RESTART, 0, 0, 0], wait, [SAY, 0, OFFERS, 1]],
        &[[OFFER, 0, 16, 0], [GO, 0, 0b1_0001, 0], [SAY, 0, BESIDE, 0], answered],
        &[[OFFER, 0, 7, 0], [CONTROL, 0, 0, 0], wait, [CONTROL, 0, 1, 0], answered],
    ];
    calls.iter().map(|steps| steps.concat()).collect()
}
