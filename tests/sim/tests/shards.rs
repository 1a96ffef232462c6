//! Two and three shards of one dataplane: the same scripts under the same laws, and crashes between
//! every pair of steps.
//!
//! `STROWGER_SEED=n` runs that seed alone, `STROWGER_SEEDS=n` the first n.

#![expect(
    clippy::expect_used,
    clippy::print_stderr,
    reason = "a failing run tells its seed, and how to repeat it"
)]

use strowger_sim::{
    Action, After, Breach, Callee, Caller, CrashAt, Side, Step, Victim, World, WorldConfig, script,
};

/// Seeds of a normal run.
const SEEDS: u64 = 120;
/// Calls of a story: of so many, all fall to one shard in 1 of 2,000 worlds.
const CALLS: usize = 12;

fn number(name: &str) -> Option<u64> {
    std::env::var(name).ok()?.parse().ok()
}

#[test]
fn mixed_scripts_on_several_shards_break_no_law() {
    let seeds = match number("STROWGER_SEED") {
        Some(seed) => seed..seed + 1,
        None => 0..number("STROWGER_SEEDS").unwrap_or(SEEDS),
    };
    let (mut broken, mut handed, mut carried, mut full) = (Vec::new(), 0, 0, 0);
    for seed in seeds.clone() {
        match script::shards(seed) {
            Ok(world) => {
                let world = world.expect("a world");
                let counts = world.counts();
                let [door, others @ ..] = counts.as_slice() else { continue };
                handed += others.iter().map(|c| c.mesh_received).sum::<u64>();
                carried += others.iter().map(|c| c.mesh_sent).sum::<u64>();
                full += door.mesh_full + others.iter().map(|c| c.mesh_full).sum::<u64>();
            }
            Err(breach) => {
                if broken.is_empty() {
                    eprintln!("{breach}");
                }
                eprintln!("seed {seed}: {}", breach.what);
                broken.push(seed);
            }
        }
    }
    eprintln!("{handed} words to other shards, {carried} back, {full} without room");
    assert!(broken.is_empty(), "seeds that break a law: {broken:?}");
    if seeds.end - seeds.start > 1 {
        assert!(handed > 0 && carried > 0, "{handed} and {carried}: the shards are strangers");
    }
}

/// Calls one beside the other, held and resumed, ended by either side, over whatever shards they
/// fall to; some by connections.
fn story(seed: u64, by_tcp: u8, crashes: &[CrashAt]) -> Result<World, Breach> {
    let config = WorldConfig { by_tcp, shards: 2, ..WorldConfig::perfect(seed) };
    let mut world = World::new(config).expect("a world");
    for crash in crashes {
        world.at(0, Action::CrashAt(*crash));
    }
    script::register_all(&mut world)?;
    for (nth, at_ms) in (0..CALLS).zip((0u64..).step_by(700)) {
        let after = After { hold_ms: Some(900), resume_ms: Some(1_900), ..After::talk(4_000) };
        // Both hang up by themselves, so that whom a crash left alone ends too.
        let first = if nth % 2 == 0 { After::talk(8_000) } else { After::talk(3_000) };
        world.at(at_ms, Action::Expect(1, Callee::answering(200, first)));
        let caller = Caller { to: "1002".into(), cancel_ms: None, after };
        world.at(at_ms + 10, Action::Call(0, caller));
    }
    world.run_ms(30_000)?;
    world.quiesce()?;
    Ok(world)
}

#[test]
fn calls_of_both_shards_end_in_order_whatever_dies_when() {
    let mut broken = Vec::new();
    let mut played = 0;
    for by_tcp in [0, WorldConfig::ALL] {
        let whole = story(7, by_tcp, &[]).expect("without a crash");
        let calls: Vec<u64> = whole.counts().iter().map(|c| c.media_received).collect();
        assert!(calls.iter().all(|packets| *packets > 0), "both shards have calls: {calls:?}");
        for step in Step::ALL {
            let count = whole.count(*step);
            for nth in [1, count / 2].into_iter().filter(|nth| (1..=count).contains(nth)) {
                for side in [Side::Before, Side::After] {
                    let crash = CrashAt {
                        step: *step,
                        nth,
                        side,
                        victim: Victim::Switch,
                        switch_back_ms: 400,
                        control_back_ms: 400,
                    };
                    played += 1;
                    if let Err(breach) = story(7, by_tcp, &[crash]) {
                        if broken.is_empty() {
                            eprintln!("{breach}");
                        }
                        eprintln!("{step:?} {nth} {side:?} tcp {by_tcp}: {}", breach.what);
                        broken.push((*step, nth, side));
                    }
                }
            }
        }
    }
    assert!(played > 100, "{played} crashes");
    assert!(broken.is_empty(), "{broken:?}");
}
