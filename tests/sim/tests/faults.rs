//! Planted faults must be found: a simulator that is blind to one is red.
//!
//! The faults of [`Plant`] are planted at run time from outside the product. Two more stand in the
//! product's own lines behind `--cfg fault="..."`; they are built into a target folder of their own
//! and run only with `STROWGER_TEST_LONG=1`, because that build takes minutes.

#![expect(clippy::print_stderr, reason = "a failing run tells its seed, and how to repeat it")]

use std::io::Write;
use strowger_sim::{Plant, script};

/// Seeds in which a fault must show.
const SEEDS: u64 = 200;

/// The laws that may find a fault, by words of what they say.
fn expected(plant: Plant) -> &'static [&'static str] {
    match plant {
        Plant::LostAckOfFailure | Plant::LostAckOfSuccess => &["nobody acknowledged"],
        Plant::DoubleBye => &["second BYE"],
        Plant::DoubleFinal => &["and then"],
        Plant::DurableBeforeSync => &["the disk keeps"],
        Plant::LostRecord => &["active", "was granted", "never ended", "are left"],
        Plant::LeakedPort => &["sockets are left", "port pairs are left"],
        Plant::ClosedFlowRelays => &["closed port"],
        Plant::LostAbandoned => &["till holds", "holds are left"],
        Plant::StaleHold => &["till holds", "holds are left", "till {"],
        Plant::SettleTwice => &["passed its floor", "till {"],
        Plant::CursorMovesAlone => &["records in the store"],
        Plant::WrongRounding => &["a record costs"],
        Plant::OverGrant => &["Overspent", "passed its floor"],
    }
}

/// Faults in the product's own lines, and the words of the law that must find each.
const BUILT: [(&str, &str); 2] = [("gauge", "gauges are left"), ("leg_end", "is not whole")];

/// Builds the mixed scripts with each fault and demands that they break the law.
#[test]
fn every_built_fault_is_found() {
    if std::env::var("STROWGER_TEST_LONG").is_err() {
        // Past the test runner's capture: a skipped check must be seen, its "ok" proves nothing.
        let said = "SKIPPED every_built_fault_is_found: needs STROWGER_TEST_LONG=1";
        writeln!(std::io::stderr(), "{said}").expect("standard error is open");
        return;
    }
    let root = concat!(env!("CARGO_MANIFEST_DIR"), "/../..");
    for (fault, words) in BUILT {
        let output = std::process::Command::new(env!("CARGO"))
            .args(["test", "-p", "strowger-sim", "--test", "mixed", "mixed_scripts"])
            .current_dir(root)
            .env("RUSTFLAGS", format!("--cfg fault=\"{fault}\""))
            .env("CARGO_TARGET_DIR", format!("{root}/target-fault"))
            .env("STROWGER_SEEDS", SEEDS.to_string())
            .env_remove("STROWGER_TEST_LONG")
            .output()
            .expect("cargo runs");
        let text = String::from_utf8_lossy(&output.stdout).into_owned();
        assert!(!output.status.success(), "{fault}: not found in {SEEDS} seeds");
        assert!(text.contains(words), "{fault}: found for another reason:\n{text}");
    }
}

#[test]
fn every_planted_fault_is_found() {
    let mut blind = Vec::new();
    for plant in Plant::ALL {
        let found = (0..SEEDS).find_map(|seed| script::mixed(seed, Some(plant)).err());
        match found {
            None => blind.push(format!("{plant:?}: not found in {SEEDS} seeds")),
            Some(breach) => {
                let what: String = breach.what.chars().take(100).collect();
                eprintln!("{plant:?}: seed {}: {what}", breach.seed);
                if !expected(plant).iter().any(|words| breach.what.contains(words)) {
                    blind.push(format!("{plant:?}: found for another reason: {}", breach.what));
                }
            }
        }
    }
    assert!(blind.is_empty(), "{blind:#?}");
}
