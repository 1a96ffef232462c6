//! The systemd unit keeps what the supervisor promises.

use std::collections::BTreeMap;

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
