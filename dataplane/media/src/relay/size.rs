//! Bytes of what each local port and each pair takes: growth is a decision.

use super::{PairSlot, Slot};
use crate::Flow;
use crate::hearing::Hearing;

#[test]
fn sizes_are_known() {
    let known = [
        ("a flow", size_of::<Flow>(), 256),
        ("a port", size_of::<Slot>(), 256),
        ("what RTCP tells at a port", size_of::<Hearing>(), 64),
        ("a pair", size_of::<PairSlot>(), 96),
    ];
    let grown = known.into_iter().filter(|(_, bytes, golden)| bytes != golden);
    assert_eq!(grown.collect::<Vec<_>>(), [], "name, bytes now, bytes in this table");
}
