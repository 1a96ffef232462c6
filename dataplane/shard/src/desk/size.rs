//! Bytes of what the media of each leg takes, their buffers apart: growth is a decision.

use super::{Joint, LegMedia, Line};

#[test]
fn sizes_are_known() {
    let known = [
        ("a leg's media", size_of::<LegMedia>(), 152),
        ("a media line", size_of::<Line>(), 176),
        ("a joined pair", size_of::<Joint>(), 18),
    ];
    let grown = known.into_iter().filter(|(_, bytes, golden)| bytes != golden);
    assert_eq!(grown.collect::<Vec<_>>(), [], "name, bytes now, bytes in this table");
}
