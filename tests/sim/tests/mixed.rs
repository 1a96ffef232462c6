//! Everything at once, from seeds.
//!
//! `STROWGER_SEED=n` runs that seed alone; `STROWGER_TEST_LONG=1` runs 5,000 instead of 200.

use strowger_sim::script;

#[test]
fn mixed_scripts_break_no_law() {
    let single = std::env::var("STROWGER_SEED").ok().and_then(|seed| seed.parse::<u64>().ok());
    let long = std::env::var("STROWGER_TEST_LONG").is_ok();
    let seeds = match single {
        Some(seed) => seed..seed + 1,
        None => 0..if long { 5_000 } else { 500 },
    };
    let mut broken = Vec::new();
    for seed in seeds {
        if let Err(breach) = script::mixed(seed, None) {
            if single.is_some() || broken.is_empty() {
                eprintln!("{breach}");
            }
            eprintln!("seed {seed}: {}", breach.what);
            eprintln!("  STROWGER_SEED={seed} cargo test -p strowger-sim --test mixed");
            broken.push(seed);
        }
    }
    assert!(broken.is_empty(), "seeds that break a law: {broken:?}");
}
