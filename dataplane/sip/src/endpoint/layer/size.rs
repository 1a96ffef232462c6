//! Bytes of what each leg and each transaction takes, their buffers apart: growth is a decision.

use super::super::leg::Leg;
use super::settled::Settled;
use super::{Client, Server};

#[test]
fn sizes_are_known() {
    let known = [
        ("a leg", size_of::<Leg>(), 664),
        ("a server transaction", size_of::<Server>(), 416),
        ("one that only waits for copies", size_of::<Settled>(), 136),
        ("a client transaction", size_of::<Client>(), 328),
    ];
    let grown = known.into_iter().filter(|(_, bytes, golden)| bytes != golden);
    assert_eq!(grown.collect::<Vec<_>>(), [], "name, bytes now, bytes in this table");
}
