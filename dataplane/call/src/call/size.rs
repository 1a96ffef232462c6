//! Bytes of what each call takes, their buffers apart: growth is a decision.

use super::{Call, Fact, Hunt, Leg, Talk};

#[test]
fn sizes_are_known() {
    let known = [
        ("a call", size_of::<Call>(), 288),
        ("a leg of it", size_of::<Leg>(), 240),
        ("a fact of it", size_of::<Fact>(), 32),
        ("hunting", size_of::<Hunt>(), 488),
        ("talking", size_of::<Talk>(), 80),
    ];
    let grown = known.into_iter().filter(|(_, bytes, golden)| bytes != golden);
    assert_eq!(grown.collect::<Vec<_>>(), [], "name, bytes now, bytes in this table");
}
