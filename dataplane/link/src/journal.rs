//! The journal's frames and segments: format, encoder, scanner. Payloads are opaque here.

/// What a frame says; the number stands in the frame.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum FrameKind {
    /// A call was answered.
    Start,
    /// Calls that live now: the high-water tick.
    Alive,
    /// A call ended: its record.
    Ended,
    /// The segment ends here; the next one follows.
    Sealed,
    /// Kinds of later versions and of other producers: 16 to 255.
    Other(u8),
}
