//! Counts of the rings that hold on any machine: every ask is answered, and who runs is not woken.

#![cfg(test)]

use std::process::Command;

#[test]
fn nobody_is_woken_while_both_sides_run() {
    let bench = env!("CARGO_BIN_EXE_strowger-bench-link");
    // It fails by itself when a count is wrong.
    let output = Command::new(bench).args(["--smoke", "--asks", "500"]).output().unwrap();
    let told = String::from_utf8(output.stdout).unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    for (way, wakes) in [("running", true), ("busy", true), ("idle", false)] {
        let line = told.lines().find(|line| line.contains(&format!("\"way\":\"{way}\"")));
        let line = line.unwrap_or_else(|| panic!("nothing of {way}: {told}"));
        assert_eq!(line.contains("\"wakes\":{\"control\":0,\"shard\":0}"), wakes, "{line}");
    }
}

#[test]
fn wrong_words_are_named() {
    let bench = env!("CARGO_BIN_EXE_strowger-bench-link");
    for (words, says) in
        [(&["--asks"][..], "--asks needs a value"), (&["--asks", "0"], "0 is no count")]
    {
        let output = Command::new(bench).args(words).output().unwrap();
        let said = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(1), "{said}");
        assert!(said.contains(says), "{said}");
    }
}
