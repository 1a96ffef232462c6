//! Flows that a program of the kernel relays behind the drivers (`media.backend = "tc"`).

use crate::relayed::{a_call_outlives_the_dataplane, inside};

#[test]
fn a_call_is_relayed_by_the_kernel_and_outlives_the_dataplane() {
    if !inside("tc::a_call_is_relayed_by_the_kernel_and_outlives_the_dataplane") {
        return;
    }
    let says = "media: flows at rest are relayed by the kernel (tc) at media.interfaces";
    a_call_outlives_the_dataplane("tc", "", says);
}
