//! Bytes of what each call holds, its lists apart: growth is a decision.

use super::{Held, Hold};

#[test]
fn sizes_are_known() {
    let known = [("a hold", size_of::<Hold>(), 136), ("a payer of it", size_of::<Held>(), 208)];
    let grown = known.into_iter().filter(|(_, bytes, golden)| bytes != golden);
    assert_eq!(grown.collect::<Vec<_>>(), [], "name, bytes now, bytes in this table");
}
