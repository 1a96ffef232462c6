//! The generator against itself: both ends count the same, and whatever was asked was done.

#![cfg(test)]

use std::process::Command;

use serde_json::Value;

fn load(words: &str) -> Value {
    let bench = env!("CARGO_BIN_EXE_strowger-bench-load");
    let output = Command::new(bench).args(words.split_whitespace()).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    serde_json::from_slice(&output.stdout).unwrap()
}

/// Addresses of a test's own: 127.x.y.z of this process.
fn addresses(test: u32) -> (String, String) {
    let pid = std::process::id();
    let net = format!("127.{}.{}", 20 + pid % 200, 1 + pid / 200 % 250);
    (format!("{net}.{test}:6000"), format!("{net}.{}:6000", test + 1))
}

#[test]
fn every_call_that_was_offered_is_answered_and_ended_at_both_ends() {
    let (near, far) = addresses(10);
    let words = format!("--server {far} --near {near} --far {far} --rate 200 --warm 0 --secs 0.5");
    let told = load(&format!("calls {words}"));
    let part = &told["parts"][1];
    // The last one may be meant for the very end.
    assert!((90..=100).contains(&part["offered"].as_u64().unwrap()), "{told}");
    for count in ["answered", "ended", "far_ended"] {
        assert_eq!(part[count], part["offered"], "{count}: {told}");
    }
}

#[test]
fn every_registration_is_challenged_once_and_succeeds() {
    let (near, far) = addresses(20);
    let words = format!("--server {far} --near {near} --far {far} --warm 0 --secs 0.5");
    let told = load(&format!("mix {words} --rate 10 --register-rate 200 --users 30"));
    let registers = &told["registers"];
    assert_eq!(registers["begun"], 100, "{told}");
    assert_eq!(
        (&registers["registered"], &registers["challenged"]),
        (&registers["begun"], &registers["begun"])
    );
}

#[test]
fn wrong_words_are_named() {
    let bench = env!("CARGO_BIN_EXE_strowger-bench-load");
    let output = Command::new(bench).args(["calls", "--rate", "x"]).output().unwrap();
    assert_eq!(output.status.code(), Some(1));
    assert!(String::from_utf8_lossy(&output.stderr).contains("--server is missing"));
}
