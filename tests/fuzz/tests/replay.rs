//! The committed corpus and 2,000 seeded mutations of each target.

use strowger_fuzz::engine::{Fuzzer, shrink};
use strowger_fuzz::{TARGETS, corpus};

const STEPS: usize = 2_000;
const SEED: u64 = 1;

/// Steps under `STROWGER_TEST_LONG`, set by `scripts/test --long`.
const STEPS_LONG: usize = 200_000;

#[test]
fn every_target_keeps_its_laws() {
    let long = std::env::var_os("STROWGER_TEST_LONG").is_some_and(|value| !value.is_empty());
    let steps = if long { STEPS_LONG } else { STEPS };
    for target in TARGETS {
        let folder = corpus::folder(target.name);
        let inputs = corpus::load(&folder).unwrap_or_else(|error| panic!("{folder:?}: {error}"));
        assert!(!inputs.is_empty(), "{folder:?} is empty");
        let mut fuzzer = Fuzzer::new(target, inputs, SEED);
        for step in 0..steps {
            let failure = match fuzzer.as_mut().map(Fuzzer::step) {
                Ok(Ok(())) => continue,
                Ok(Err(failure)) => failure,
                Err(failure) => failure.clone(),
            };
            let small = shrink(target, failure);
            let path = corpus::save(&std::env::temp_dir().join("strowger-fuzz"), &small.input);
            panic!(
                "{}: law broken at step {step} of seed {SEED}\n{}\ninput: {}\nagain: cargo run -p \
                 strowger-fuzz -- {} --input {}",
                target.name,
                small.message,
                small.input.escape_ascii(),
                target.name,
                path.map(|path| path.display().to_string()).unwrap_or_default(),
            );
        }
    }
}

#[test]
fn every_folder_of_the_corpus_has_its_target() {
    let root = corpus::folder("");
    for entry in std::fs::read_dir(&root).unwrap() {
        let name = entry.unwrap().file_name();
        assert!(TARGETS.iter().any(|target| *target.name == *name), "{name:?} has no target");
    }
}
