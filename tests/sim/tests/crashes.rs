//! Crashes between every pair of steps of a call's life, from its ask to its commit.
//!
//! One story in which every step of [`Step`] happens is played once without a crash, and then again
//! for each step, each of its first occurrences and the last, each side of it, and each victim. A
//! step that the story never reaches fails the test, so a new step cannot go untested.
//! `STROWGER_CRASH="GoTaken 1 After Switch"` plays those whose name begins so and shows the ladder;
//! `STROWGER_TEST_LONG=1` plays every occurrence and every pair of crashes.

#![expect(
    clippy::expect_used,
    clippy::panic,
    clippy::print_stderr,
    reason = "a failing run tells how to repeat it"
)]

use std::collections::BTreeMap;
use strowger_sim::world::CARRIER;
use strowger_sim::{
    Action, After, Breach, Callee, Caller, CrashAt, Reply, Side, Step, Victim, World, WorldConfig,
    script,
};

/// Occurrences of a step that are tried from the first on; the last one is tried as well, unless it
/// is one of many that go on for as long as the world does.
const NTH_MAX: u32 = 5;
const LAST_MAX: u32 = 60;
/// When the dataplane and the control plane are back, milliseconds: either first, and both late.
const BACK_MS: [(u64, u64); 3] = [(40, 1_700), (1_700, 40), (4_000, 4_000)];

fn dial(world: &mut World, at_ms: u64, from: usize, to: &str, after: After) {
    let caller = Caller { to: to.into(), cancel_ms: None, after };
    world.at(at_ms, Action::Call(from, caller));
}

/// Registrations, and calls of all kinds: cut by the till after two extensions, held and resumed,
/// cancelled, refused, granted too late; both planes die and come back while calls are up; and one
/// call is placed after all trouble.
fn story(seed: u64, crashes: &[CrashAt]) -> Result<World, Breach> {
    let mut world = World::new(WorldConfig::perfect(seed)).expect("a world");
    for crash in crashes {
        world.at(0, Action::CrashAt(*crash));
    }
    script::register_all(&mut world)?;
    let hold = After { hold_ms: Some(900), resume_ms: Some(1_900), ..After::listen() };
    world.at(0, Action::Expect(CARRIER, Callee::answering(500, After::listen())));
    dial(&mut world, 10, 2, "44201234", hold);
    let never = Callee { reply: Reply::Never, ..Callee::answering(0, After::listen()) };
    world.at(3_000, Action::Expect(1, never));
    let gives_up = Caller { to: "1002".into(), cancel_ms: Some(1_000), after: After::listen() };
    world.at(3_010, Action::Call(0, gives_up));
    world.at(6_000, Action::Expect(1, Callee::rejecting(486)));
    dial(&mut world, 6_010, 0, "1002", After::talk(1_000));
    world.at(7_000, Action::Register(3, 3_600));
    // A grant that comes after the caller has given up.
    world.at(8_000, Action::Slow(2_000));
    let too_late = Caller { to: "44799".into(), cancel_ms: Some(500), after: After::listen() };
    world.at(8_010, Action::Call(3, too_late));
    world.at(12_500, Action::Slow(0));
    world.at(13_000, Action::Expect(1, Callee::answering(300, After::listen())));
    dial(&mut world, 13_010, 0, "1002", After::talk(4_000));
    world.at(20_000, Action::Expect(1, Callee::answering(300, After::listen())));
    dial(&mut world, 20_010, 0, "1002", After::talk(20_000));
    world.at(25_000, Action::CrashSwitch { effects: 0, back_ms: 300, power: false });
    world.at(30_000, Action::CrashControl { steps: 0, back_ms: 300 });
    world.at(70_000, Action::Expect(CARRIER, Callee::answering(200, After::talk(3_000))));
    dial(&mut world, 70_010, 0, "44201234", After::talk(5_000));
    world.run_ms(120_000)?;
    world.quiesce()?;
    Ok(world)
}

fn tell(crash: &CrashAt) -> String {
    let CrashAt { step, nth, side, victim, switch_back_ms, control_back_ms } = crash;
    format!("{step:?} {nth} {side:?} {victim:?} ({switch_back_ms}, {control_back_ms})")
}

/// Every occurrence and every pair.
fn long() -> bool {
    std::env::var("STROWGER_TEST_LONG").is_ok()
}

/// How often the story reaches each step.
fn counts() -> BTreeMap<Step, u32> {
    let begun = World::new(WorldConfig::perfect(0)).expect("a world");
    let world = story(0, &[]).unwrap_or_else(|breach| panic!("without a crash: {breach}"));
    let count = |step: &Step| world.count(*step) - begun.count(*step);
    Step::ALL.iter().map(|step| (*step, count(step))).collect()
}

/// Every single crash of the story.
fn crashes() -> Vec<CrashAt> {
    let mut all = Vec::new();
    for (step, count) in counts() {
        let tried = |nth: &u32| *nth <= NTH_MAX || ((long() || *nth == count) && count <= LAST_MAX);
        for nth in (1..=count).filter(tried) {
            for side in [Side::Before, Side::After] {
                for victim in Victim::ALL {
                    let back = BACK_MS.get(all.len() % BACK_MS.len()).copied();
                    let (switch_back_ms, control_back_ms) = back.unwrap_or_default();
                    let crash =
                        CrashAt { step, nth, side, victim, switch_back_ms, control_back_ms };
                    all.push(crash);
                }
            }
        }
    }
    all
}

/// Plays the story with each list of crashes; tells which break a law.
fn play_all(lists: &[Vec<CrashAt>]) -> (usize, Vec<String>) {
    let wanted = std::env::var("STROWGER_CRASH").ok();
    let (mut played, mut broken) = (0, Vec::new());
    for list in lists {
        let name = list.iter().map(tell).collect::<Vec<_>>().join(", then ");
        if wanted.as_ref().is_some_and(|wanted| !name.starts_with(wanted)) {
            continue;
        }
        match story(0, list) {
            Ok(world) => {
                // The second of two may be out of reach after the first.
                played += usize::from(world.crashed_at().len() == list.len());
                if world.crashed_at().is_empty() {
                    broken.push(format!("{name}: never came"));
                }
            }
            Err(breach) => {
                if broken.is_empty() || wanted.is_some() {
                    eprintln!("{breach}");
                }
                broken.push(format!("{name}: {}", breach.what));
            }
        }
    }
    (played, broken)
}

#[test]
fn every_step_is_reached_by_the_story() {
    let missing: Vec<Step> =
        counts().into_iter().filter(|(_, count)| *count == 0).map(|(step, _)| step).collect();
    assert!(missing.is_empty(), "{missing:?}");
}

#[test]
fn either_plane_may_die_before_and_after_every_step() {
    let lists: Vec<Vec<CrashAt>> = crashes().into_iter().map(|crash| vec![crash]).collect();
    let (played, broken) = play_all(&lists);
    eprintln!("{played} crashes played");
    assert!(broken.is_empty(), "{}: {broken:#?}", broken.len());
}

/// The second crash comes in the boot or the start that mends the first one.
#[test]
fn a_second_crash_may_come_while_the_first_is_mended() {
    let steps = [
        Step::Linked,
        Step::HelloSent,
        Step::Replayed,
        Step::TakenUp,
        Step::ThawBegun,
        Step::ThawEnded,
        Step::EndedAppended,
        Step::EndedWritten,
        Step::Settled,
        Step::IngestBegun,
        Step::Committed,
    ];
    let mut lists = Vec::new();
    let firsts = crashes().into_iter().filter(|crash| crash.nth == 1);
    for (index, first) in firsts.enumerate() {
        // A third of the second steps each, so that together they are all there.
        let chosen = |n: usize| long() || n % 3 == index % 3;
        for (n, step) in steps.into_iter().enumerate().filter(|(n, _)| chosen(*n)) {
            let side = if n % 2 == 0 { Side::After } else { Side::Before };
            // Each pair of victims comes up in its turn.
            let victim = Victim::ALL.get(lists.len() % 4).copied().unwrap_or(Victim::Both);
            let (switch_back_ms, control_back_ms) =
                BACK_MS.get(lists.len() % 3).copied().unwrap_or_default();
            let second = CrashAt { step, nth: 1, side, victim, switch_back_ms, control_back_ms };
            lists.push(vec![first, second]);
        }
    }
    let (played, broken) = play_all(&lists);
    eprintln!("{played} pairs of crashes played");
    assert!(broken.is_empty(), "{}: {broken:#?}", broken.len());
}
