//! Bytes of what each local port and each pair takes: growth is a decision.

use super::{Away, PairSlot, Slot};
use crate::Flow;
use crate::ear::Ear;
use crate::hearing::Hearing;

#[test]
fn sizes_are_known() {
    let known = [
        ("a flow", size_of::<Flow>(), 272),
        ("a port", size_of::<Slot>(), 272),
        ("what RTCP tells at a port", size_of::<Hearing>(), 64),
        ("what is heard around an answer", size_of::<Ear>(), 128),
        ("whether a flow is away", size_of::<Away>(), 16),
        ("a pair", size_of::<PairSlot>(), 96),
    ];
    let grown = known.into_iter().filter(|(_, bytes, golden)| bytes != golden);
    assert_eq!(grown.collect::<Vec<_>>(), [], "name, bytes now, bytes in this table");
}
