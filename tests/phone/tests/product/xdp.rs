//! Flows that a program in the drivers relays (`media.backend = "xdp"`). What our end of the cable
//! sends has whole checksums, as what comes over a real one; that end takes frames as a card does.

use std::process::Command;

use crate::relayed::{a_call_outlives_the_dataplane, inside};

#[test]
#[expect(clippy::print_stderr, reason = "a skipped test says so")]
fn a_call_is_relayed_by_the_drivers_and_outlives_the_dataplane() {
    let test = "xdp::a_call_is_relayed_by_the_drivers_and_outlives_the_dataplane";
    if Command::new("ethtool").arg("--version").output().is_err() {
        eprintln!("SKIPPED: {test} needs ethtool, for a cable with whole checksums");
        return;
    }
    if !inside(test) {
        return;
    }
    let says = "media: flows at rest are relayed by XDP at media.interfaces";
    a_call_outlives_the_dataplane("xdp", "tx off gro on", says);
}
