//! Scripts from a seed.

use crate::agent::{After, Callee, Caller, Reply};
use crate::dice::Dice;
use crate::fault::Plant;
use crate::law::Breach;
use crate::net::Quality;
use crate::stream::End;
use crate::world::{Action, CARRIER, Refer, World, WorldConfig};

/// All phones register and hear of it.
///
/// # Errors
/// The first law that was broken.
pub fn register_all(world: &mut World) -> Result<(), Breach> {
    for phone in 0..CARRIER {
        world.at(10 * phone as u64, Action::Register(phone, 3_600));
    }
    world.run_ms(1_000)
}

/// Numbers of carriers: by the first with the second behind it, and by the second alone.
const OUTSIDE: [&str; 4] = ["44201234", "44305555", "44799", "4410000000"];

/// Where calls are sent on to: carriers, phones, who forwards, nobody, and help.
const SENT_ON: [&str; 9] =
    ["44305555", "44799", "4410000000", "1001", "1002", "1004", "1011", "0999999", "112"];

fn drawn_after(dice: &mut Dice, ends: bool) -> After {
    let bye_ms = if ends || dice.percent(20) { Some(dice.between(20, 45_000)) } else { None };
    let hold_ms = dice.percent(20).then(|| dice.between(200, 3_000));
    let resume_ms = hold_ms.filter(|_| dice.percent(80)).map(|at| at + dice.between(10, 4_000));
    After { bye_ms, packets: dice.between(0, 12) as u32, hold_ms, resume_ms, say: None }
}

fn drawn_callee(dice: &mut Dice, ends: bool) -> Callee {
    let ring_ms = dice.percent(80).then(|| dice.between(0, 400));
    let reply = match dice.below(22) {
        0..=11 => Reply::Answer(dice.between(0, 6_000)),
        12..=13 => Reply::Reject(486, dice.between(0, 3_000)),
        14 => Reply::Reject(603, dice.between(0, 2_000)),
        15 => Reply::Reject(503, dice.between(0, 500)),
        16 => Reply::Reject(480, dice.between(0, 500)),
        17..=18 => Reply::Never,
        19..=20 => {
            let to = dice.pick(&SENT_ON).copied().unwrap_or("1001");
            Reply::Redirect(to, dice.between(0, 2_000))
        }
        _ => Reply::Deaf,
    };
    let fork_ms = dice.percent(15).then(|| dice.between(0, 2_000));
    Callee { ring_ms, reply, fork_ms, after: drawn_after(dice, ends) }
}

/// A number, and the agent that is called by it, if any.
fn drawn_target(dice: &mut Dice, caller: usize) -> (String, Option<usize>) {
    match dice.below(12) {
        10 => {
            let forwarding = ["1011", "1012", "1020", "1021"];
            (dice.pick(&forwarding).copied().unwrap_or("1020").to_owned(), Some(CARRIER))
        }
        11 => ("1004".to_owned(), Some(3)),
        0..=4 => {
            let number = dice.pick(&OUTSIDE).copied().unwrap_or("44201234");
            let first = if number.starts_with("447") { CARRIER + 1 } else { CARRIER };
            (number.to_owned(), Some(first))
        }
        5..=8 => {
            let phone = (caller + 1 + dice.below(3) as usize) % CARRIER;
            (format!("{}", 1001 + phone), Some(phone))
        }
        _ => ("0999999".to_owned(), None),
    }
}

fn plan_call(world: &mut World, at_ms: u64) {
    let dice = world.dice();
    let caller = if dice.percent(90) { dice.below(CARRIER as u64) as usize } else { CARRIER };
    let (to, called) = drawn_target(dice, caller);
    let caller_ends = dice.percent(60);
    let paid = to.starts_with("44") && caller == 2;
    let cancel_ms = dice.percent(25).then(|| dice.between(0, 5_000));
    // A call that the till cuts needs nobody who hangs up.
    let mut after = drawn_after(dice, caller_ends && !paid);
    if !paid {
        // The called side may be told by another call's plan: the caller ends it at last.
        after.bye_ms = Some(after.bye_ms.unwrap_or(60_000));
    }
    let callee = drawn_callee(dice, !caller_ends && !paid);
    if let Some(called) = called {
        world.at(at_ms, Action::Expect(called, callee));
    }
    world.at(at_ms, Action::Call(caller, Caller { to, cancel_ms, after }));
}

fn plan_trouble(world: &mut World, length_ms: u64) {
    let dice = world.dice();
    let crashes = if dice.percent(60) { dice.between(1, 3) } else { 0 };
    let mut events = Vec::new();
    for _ in 0..crashes {
        let steps = dice.below(60) as u32;
        let back_ms = dice.between(1, 6_000);
        events.push((dice.between(1_000, length_ms), Action::CrashControl { steps, back_ms }));
    }
    if dice.percent(40) {
        let (back_ms, power) = (dice.between(50, 3_000), dice.percent(35));
        let at = dice.between(2_000, length_ms);
        let effects = if dice.percent(20) { 0 } else { dice.below(200) as u32 };
        events.push((at, Action::CrashSwitch { effects, back_ms, power }));
    }
    if dice.percent(40) {
        let at = dice.between(1_000, length_ms);
        events.push((at, Action::Slow(dice.between(50, 3_500))));
        events.push((at + dice.between(1_000, 20_000), Action::Slow(0)));
    }
    if dice.percent(50) {
        let at = dice.between(1_000, length_ms);
        events.push((at, Action::Network(Quality::drawn(dice))));
        events.push((at + dice.between(100, 20_000), Action::Network(Quality::drawn(dice))));
    }
    // Last words are lost when nothing arrives just before a crash.
    let crash = events
        .iter()
        .find_map(|(at, action)| matches!(action, Action::CrashSwitch { .. }).then_some(*at));
    if let Some(crash) = crash
        && dice.percent(60)
    {
        let silent_ms = dice.between(50, 1_500);
        events.push((crash.saturating_sub(silent_ms), Action::Network(Quality::DEAD)));
        events.push((crash + dice.between(0, 500), Action::Network(Quality::drawn(dice))));
    }
    for (at, action) in events {
        world.at(at, action);
    }
}

/// Ten to thirty actions of all kinds, a network of any quality, crashes: all from the seed.
///
/// # Errors
/// The first law that was broken.
pub fn mixed(seed: u64, plant: Option<Plant>) -> Result<Option<World>, Breach> {
    drawn(seed, plant, (0, 1), false)
}

/// The same with a dataplane of two or three shards; agents of every second seed come over
/// connections.
///
/// # Errors
/// The first law that was broken.
pub fn shards(seed: u64) -> Result<Option<World>, Breach> {
    let mut dice = Dice::new(seed ^ 0x54A2);
    let by_tcp = if dice.percent(50) { dice.below(64) as u8 } else { 0 };
    drawn(seed, None, (by_tcp, if dice.percent(70) { 2 } else { 3 }), false)
}

/// The same with some or all agents over connections, which break now and then.
///
/// # Errors
/// The first law that was broken.
pub fn streams(seed: u64, plant: Option<Plant>) -> Result<Option<World>, Breach> {
    let mut dice = Dice::new(seed ^ 0x7C9);
    // All of them, or any of them.
    let by_tcp = if dice.percent(30) { WorldConfig::ALL } else { 1 + dice.below(63) as u8 };
    drawn(seed, plant, (by_tcp, 1), false)
}

fn plan_breaks(world: &mut World, length_ms: u64) {
    let breaks = if world.dice().percent(60) { world.dice().between(1, 5) } else { 0 };
    for _ in 0..breaks {
        let dice = world.dice();
        let (at_ms, who) = (dice.between(1_000, length_ms), dice.below(6) as usize);
        let to = if dice.percent(50) { End::Switch } else { End::Agent };
        let bytes = dice.below(3_000) as usize;
        let now = dice.percent(50);
        let action = if now { Action::Break(who) } else { Action::BreakAfter(who, to, bytes) };
        world.at(at_ms, action);
    }
}

fn drawn(
    seed: u64,
    plant: Option<Plant>,
    (by_tcp, shards): (u8, u8),
    asks_outside: bool,
) -> Result<Option<World>, Breach> {
    let mut dice = Dice::new(seed ^ 0xA5A5);
    let quality = if dice.percent(40) { Quality::PERFECT } else { Quality::drawn(&mut dice) };
    let config = WorldConfig { seed, quality, plant, by_tcp, shards, asks_outside };
    let Some(mut world) = World::new(config) else {
        return Ok(None);
    };
    register_all(&mut world)?;
    let length_ms = dice.between(5_000, 90_000);
    for _ in 0..dice.between(10, 30) {
        let at_ms = dice.below(length_ms);
        match dice.below(12) {
            0 => world.at(at_ms, Action::Register(dice.below(4) as usize, 3_600)),
            1 => world.at(at_ms, Action::HangUpLive),
            2 => {
                let who = dice.below(4) as usize;
                world.at(at_ms, Action::Password(who, false));
                world.at(at_ms + 1, Action::Register(who, 3_600));
                world.at(at_ms + dice.between(2, 3_000), Action::Password(who, true));
            }
            _ => plan_call(&mut world, at_ms),
        }
    }
    plan_trouble(&mut world, length_ms);
    if by_tcp != 0 {
        plan_breaks(&mut world, length_ms);
    }
    world.run_ms(length_ms)?;
    world.quiesce()?;
    Ok(Some(world))
}

/// As [`mixed`], and numbers that leave are asked about outside, which answers early, late, never
/// or twice.
///
/// # Errors
/// The first law that was broken.
pub fn outside(seed: u64) -> Result<Option<World>, Breach> {
    drawn(seed, None, (0, 1), true)
}

fn plan_transfer(world: &mut World, at_ms: u64) {
    let dice = world.dice();
    let (who, nth) = (dice.below(CARRIER as u64) as usize, dice.below(3) as usize);
    let target = dice.below(CARRIER as u64) as usize;
    let callee = drawn_callee(dice, true);
    let refer = match dice.below(8) {
        0..=1 => Refer::WithNext,
        2 => Refer::To("44201234".into()),
        3 => Refer::To("0999999".into()),
        _ => Refer::To(format!("{}", 1001 + target)),
    };
    if dice.percent(60) {
        world.at(at_ms, Action::Expect(target, callee));
    }
    world.at(at_ms, Action::Refer(who, nth, refer));
}

/// As [`mixed`], and parties of calls put each other through, again and again.
///
/// # Errors
/// The first law that was broken.
pub fn transfers(seed: u64) -> Result<Option<World>, Breach> {
    let mut dice = Dice::new(seed ^ 0x7E7E);
    let quality = if dice.percent(40) { Quality::PERFECT } else { Quality::drawn(&mut dice) };
    let Some(mut world) = World::new(WorldConfig { quality, ..WorldConfig::perfect(seed) }) else {
        return Ok(None);
    };
    register_all(&mut world)?;
    let length_ms = dice.between(5_000, 60_000);
    for _ in 0..dice.between(4, 16) {
        let at_ms = dice.below(length_ms);
        plan_call(&mut world, at_ms);
    }
    for _ in 0..dice.between(4, 24) {
        let at_ms = dice.below(length_ms);
        plan_transfer(&mut world, at_ms);
    }
    plan_trouble(&mut world, length_ms);
    // Nobody has a plan for whom it is put through to.
    world.at(length_ms + 60_000, Action::GiveUp);
    world.at(length_ms + 180_000, Action::GiveUp);
    world.run_ms(length_ms)?;
    world.quiesce()?;
    Ok(Some(world))
}
