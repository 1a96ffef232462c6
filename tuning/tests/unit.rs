//! The systemd unit keeps what the supervisor promises.

#![cfg(test)]

use std::collections::BTreeMap;
use std::process::{Command, Output};

const UNIT: &str = include_str!("../systemd/strowger.service");
/// How long each of the two planes may take to end, seconds.
const PLANE_END_S: u64 = 5;

#[test]
fn a_new_supervisor_can_take_over() {
    let lines = UNIT.lines().filter(|line| !line.starts_with('#'));
    let keys: BTreeMap<&str, &str> = lines.filter_map(|line| line.split_once('=')).collect();
    for (key, value) in [
        ("Restart", "always"),
        ("KillMode", "process"),
        ("RuntimeDirectoryPreserve", "restart"),
        ("OOMPolicy", "continue"),
        ("StartLimitIntervalSec", "0"),
    ] {
        assert_eq!(keys.get(key), Some(&value), "{key}");
    }
    let stop_s: u64 = keys["TimeoutStopSec"].parse().unwrap();
    assert!(stop_s > 2 * PLANE_END_S);
}

/// Highest exposure that systemd may see in the unit, tenths: 0 is a service that can do nothing.
const EXPOSURE_MAX: &str = "20";

/// What systemd-analyze says of the unit; `None` where there is no such tool.
fn analyze(name: &str, words: &[&str]) -> Option<Output> {
    let dir = std::env::temp_dir().join(format!("strowger-unit-{name}-{}", std::process::id()));
    std::fs::create_dir_all(&dir).unwrap();
    // The program is not installed where tests run.
    let unit = UNIT.replace("ExecStart=/usr/bin/strowger ", "ExecStart=/bin/true ");
    let file = dir.join("strowger.service");
    std::fs::write(&file, unit).unwrap();
    let output = Command::new("systemd-analyze").args(words).arg(&file).output();
    std::fs::remove_dir_all(&dir).unwrap();
    output.ok()
}

#[test]
#[expect(clippy::print_stderr, reason = "a skipped test says so")]
fn systemd_takes_the_unit_and_finds_it_closed() {
    let Some(verified) = analyze("verify", &["verify", "--man=no"]) else {
        return eprintln!("SKIPPED: no systemd-analyze");
    };
    let said = String::from_utf8_lossy(&verified.stderr);
    // What it says of the host's own units is not ours.
    let ours: Vec<&str> = said.lines().filter(|line| line.contains("strowger")).collect();
    assert!(verified.status.success() && ours.is_empty(), "{said}");
    let threshold = format!("--threshold={EXPOSURE_MAX}");
    let words = ["security", "--offline=true", "--no-pager", &threshold];
    let judged = analyze("security", &words).unwrap();
    assert!(judged.status.success(), "{}", String::from_utf8_lossy(&judged.stdout));
}
