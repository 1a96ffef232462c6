//! Bytes of what each call takes, their buffers apart: growth is a decision.

use super::{Call, Fact, Hunt, Leg, Talk};

#[test]
fn sizes_are_known() {
    let known = [
        ("a call", size_of::<Call>(), 0),
        ("a leg of it", size_of::<Leg>(), 0),
        ("a fact of it", size_of::<Fact>(), 0),
        ("hunting", size_of::<Hunt>(), 0),
        ("talking", size_of::<Talk>(), 0),
    ];
    let grown = known.into_iter().filter(|(_, bytes, golden)| bytes != golden);
    assert_eq!(grown.collect::<Vec<_>>(), [], "name, bytes now, bytes in this table");
}
