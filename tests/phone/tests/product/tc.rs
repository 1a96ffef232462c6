//! Flows that a program of the kernel relays behind the drivers (`media.backend = "tc"`).

use crate::relayed::{a_call_outlives_the_dataplane, inside};

/// Packets that came up, and those that the kernel relayed, while this and the two beats of the
/// counters around it took their time.
fn carried(demo: &Demo, run: impl FnOnce()) -> [u64; 2] {
    let count = || {
        demo.rest.fresh_counters();
        ["media_packets_received", "media_kernel_packets"].map(|name| demo.rest.shard(name))
    };
    let before = count();
    run();
    let after = count();
    std::array::from_fn(|i| after[i] - before[i])
}

#[test]
fn a_call_is_relayed_by_the_kernel_and_outlives_the_dataplane() {
    if !inside("tc::a_call_is_relayed_by_the_kernel_and_outlives_the_dataplane") {
        return;
    }
    let says = "media: flows at rest are relayed by the kernel (tc) at media.interfaces";
    a_call_outlives_the_dataplane("tc", "", says);
}
