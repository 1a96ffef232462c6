//! Making a burst's buffers: once, outside of the packet path.

use super::{BURST_MAX, MediaBurst, MediaPacket};

impl MediaBurst {
    /// An empty burst.
    #[must_use]
    pub fn new() -> MediaBurst {
        let packets = std::iter::repeat_with(|| MediaPacket::EMPTY).take(BURST_MAX).collect();
        MediaBurst { packets, len: 0 }
    }
}
