//! Everything at once, from seeds.
//!
//! `STROWGER_SEED=n` runs that seed alone, `STROWGER_SEEDS=n` the first n; `STROWGER_TEST_LONG=1`
//! runs 5,000.

#![expect(clippy::print_stderr, reason = "a failing run tells its seed, and how to repeat it")]

use strowger_sim::{Breach, script};

/// Seeds of a normal run.
const SEEDS: u64 = 500;
/// Seeds of a long one.
const SEEDS_LONG: u64 = 5_000;

fn number(name: &str) -> Option<u64> {
    std::env::var(name).ok()?.parse().ok()
}

#[test]
fn mixed_scripts_break_no_law() {
    break_no_law("mixed_scripts", |seed| script::mixed(seed, None).err());
}

#[test]
fn mixed_scripts_over_connections_break_no_law() {
    break_no_law("over_connections", |seed| script::streams(seed, None).err());
}

#[test]
fn mixed_scripts_that_ask_outside_break_no_law() {
    break_no_law("ask_outside", |seed| script::outside(seed).err());
}

/// The outside answers some, and some are decided without it.
#[test]
fn the_outside_is_asked_and_is_late() {
    let mut counts = (0, 0);
    for seed in 0..8 {
        let world = script::outside(seed).ok().flatten().expect("a world");
        let office = world.control.office().expect("a control plane");
        let of = office.counts();
        counts = (counts.0 + of.admitted, counts.1 + of.facts_missing);
        assert_eq!(office.waiting(), 0, "seed {seed}");
    }
    assert!(counts.0 > counts.1 && counts.1 > 0, "{counts:?}");
}

fn break_no_law(test: &str, play: impl Fn(u64) -> Option<Breach>) {
    let long = std::env::var("STROWGER_TEST_LONG").is_ok();
    let count = number("STROWGER_SEEDS").unwrap_or(if long { SEEDS_LONG } else { SEEDS });
    let seeds = match number("STROWGER_SEED") {
        Some(seed) => seed..seed + 1,
        None => 0..count,
    };
    let mut broken = Vec::new();
    for seed in seeds {
        if let Some(breach) = play(seed) {
            if broken.is_empty() {
                eprintln!("{breach}");
            }
            eprintln!("seed {seed}: {}", breach.what);
            eprintln!("  STROWGER_SEED={seed} cargo test -p strowger-sim --test mixed {test}");
            broken.push(seed);
        }
    }
    assert!(broken.is_empty(), "seeds that break a law: {broken:?}");
}

#[test]
fn a_seed_gives_the_same_run() {
    for seed in [1, 2, 3, 61, 368] {
        let ladders = || {
            let world = script::mixed(seed, None).ok().flatten().expect("a world");
            let lines = world.agents.iter().flat_map(|agent| agent.ladder.iter().cloned());
            lines.collect::<Vec<String>>()
        };
        let first = ladders();
        assert!(!first.is_empty());
        assert_eq!(first, ladders(), "seed {seed}");
    }
}
