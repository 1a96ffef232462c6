//! The committed corpus and 2,000 seeded mutations of each target.

#![expect(
    clippy::unwrap_used,
    clippy::panic,
    clippy::print_stderr,
    reason = "helpers of tests; a skipped test says so"
)]

use strowger_fuzz::engine::{Failure, Fuzzer, shrink};
use strowger_fuzz::{TARGETS, Target, corpus};

const STEPS: usize = 2_000;
/// Steps under `STROWGER_TEST_LONG`, set by `scripts/test --long`.
const STEPS_LONG: usize = 50_000;
const SEED: u64 = 1;

macro_rules! targets {
    ($($name:ident)*) => {
        $(
            #[test]
            fn $name() {
                keeps_its_laws(stringify!($name));
            }
        )*
        const TESTED: &[&str] = &[$(stringify!($name)),*];
    };
}
targets!(
    sip uri digest sdp rtp rtcp srtp stun dtls datagram link token journal table offload endpoint
    thaw framing websocket transaction dialog call deck
);

#[test]
fn every_target_is_tested_and_every_folder_of_the_corpus_has_its_target() {
    let names: Vec<_> = TARGETS.iter().map(|target| target.name).collect();
    assert_eq!(TESTED, names);
    for entry in std::fs::read_dir(corpus::folder("")).unwrap() {
        let name = entry.unwrap().file_name();
        assert!(names.iter().any(|target| **target == *name), "{name:?} has no target");
    }
}

/// The torture messages of RFC 4475 are no part of the project; where they are, they are seeds.
#[test]
fn torture_messages() {
    let root = corpus::folder("");
    let folders = root.ancestors().map(|folder| folder.join("shared/corpora/rfc4475"));
    match folders.map(|folder| corpus::load(&folder)).find_map(Result::ok) {
        Some(inputs) => search(target("sip"), inputs, STEPS),
        None => eprintln!("skipped: no shared/corpora/rfc4475 at hand"),
    }
}

fn keeps_its_laws(name: &str) {
    let long = std::env::var_os("STROWGER_TEST_LONG").is_some_and(|value| !value.is_empty());
    let inputs = corpus::load(&corpus::folder(name)).unwrap();
    assert!(!inputs.is_empty(), "no corpus");
    search(target(name), inputs, if long { STEPS_LONG } else { STEPS });
}

fn target(name: &str) -> &'static Target {
    TARGETS.iter().find(|target| target.name == name).unwrap()
}

fn search(target: &'static Target, inputs: Vec<Vec<u8>>, steps: usize) {
    let mut fuzzer = Fuzzer::new(target, inputs, SEED).unwrap_or_else(|f| fail(target, 0, f));
    for step in 1..=steps {
        fuzzer.step().unwrap_or_else(|failure| fail(target, step, failure));
    }
}

fn fail(target: &Target, step: usize, failure: Failure) -> ! {
    let small = shrink(target, failure);
    let folder = std::env::temp_dir().join("strowger-fuzz").join(target.name);
    let path = corpus::save(&folder, &small.input).unwrap();
    panic!(
        "law broken at step {step} of seed {SEED}\n{}\ninput: {}\nagain: cargo run -p \
         strowger-fuzz -- {} --input {}",
        small.message,
        small.input.escape_ascii(),
        target.name,
        path.display(),
    );
}
