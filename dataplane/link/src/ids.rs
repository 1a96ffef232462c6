//! Identities that both planes write down.

/// A slot of the call table at one of its lives: the identity of a call on its host.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Debug)]
pub struct SlotRef {
    /// Segment of the table; its owner is one shard.
    pub seg: u8,
    /// Index inside the segment.
    pub idx: u16,
    /// Generation of the slot.
    pub r#gen: u16,
}
