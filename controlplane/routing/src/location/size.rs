//! Bytes of what each registration takes, its texts apart: growth is a decision.

use super::Bound;
use crate::world::Holder;
use strowger_model::Binding;

#[test]
fn sizes_are_known() {
    let known = [
        ("a binding", size_of::<Binding>(), 200),
        ("a binding that is bound", size_of::<Bound>(), 232),
        ("its holder", size_of::<Holder>(), 16),
    ];
    let grown = known.into_iter().filter(|(_, bytes, golden)| bytes != golden);
    assert_eq!(grown.collect::<Vec<_>>(), [], "name, bytes now, bytes in this table");
}
