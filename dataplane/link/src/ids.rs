//! Identities that both planes write down.

use crate::codec::{Malformed, Reader, Wire, wire_struct};

wire_struct! {
    /// A slot of the call table at one of its lives: the identity of a call on its host.
    ///
    /// `gen` changes each time the slot is opened, so a late message finds nobody.
    #[derive(Copy, PartialOrd, Ord, Hash, Default)]
    pub struct SlotRef {
        /// Segment of the table; its owner is one shard.
        pub seg: u8,
        /// Index inside the segment.
        pub idx: u16,
        /// Generation of the slot.
        pub r#gen: u16,
    }
}

/// The shard that SIP comes in by: the sockets are its, connections, registrations and whatever
/// belongs to no call.
pub const DOOR: u8 = 0;
/// Most shards of one process; each has a segment of its own.
pub const SHARDS_MAX: u8 = 32;

/// Most legs of one call; a leg's index has four bits in a token.
pub const LEGS_MAX: u8 = 16;

wire_struct! {
    /// One leg of one call.
    #[derive(Copy, PartialOrd, Ord, Hash, Default)]
    pub struct LegId {
        /// The call's slot.
        pub slot: SlotRef,
        /// Index of the leg in its call, below [`LEGS_MAX`].
        pub leg: u8,
    }
}

macro_rules! number_id {
    ($(#[$meta:meta])* $name:ident($t:ty)) => {
        $(#[$meta])*
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Debug)]
        pub struct $name(pub $t);
        impl Wire for $name {
            fn put(&self, out: &mut Vec<u8>) { self.0.put(out); }
            fn take(input: &mut Reader<'_>) -> Result<Self, Malformed> {
                Ok($name(<$t>::take(input)?))
            }
        }
    };
}

number_id! {
    /// A question from the dataplane: shard (high 8 bits) and a counter; asked again under the same
    /// id.
    AskId(u64)
}
impl AskId {
    /// The shard that asks.
    #[must_use]
    pub const fn shard(self) -> u8 {
        (self.0 >> 56) as u8
    }
}

number_id! {
    /// A verb from the control plane, counted by it.
    VerbId(u64)
}
number_id! {
    /// A record: origin (high 24 bits, given by the control plane for node, shard and boot) and
    /// sequence (low 40 bits). Constant through crashes.
    RecordId(i64)
}

/// Bits of a record id that count within its origin.
pub const RECORD_SEQ_BITS: u32 = 40;

impl RecordId {
    /// The record `seq` of `origin`; `None` when either is out of range.
    #[must_use]
    pub fn new(origin: u32, seq: u64) -> Option<RecordId> {
        if origin >= 1 << 23 || seq >= 1 << RECORD_SEQ_BITS {
            return None;
        }
        Some(RecordId((i64::from(origin) << RECORD_SEQ_BITS) | i64::try_from(seq).ok()?))
    }

    /// Who counted it.
    #[must_use]
    pub const fn origin(self) -> u32 {
        ((self.0 as u64) >> RECORD_SEQ_BITS) as u32
    }

    /// Its number within the origin.
    #[must_use]
    pub const fn seq(self) -> u64 {
        (self.0 as u64) & ((1 << RECORD_SEQ_BITS) - 1)
    }
}
