//! What of a call stands in its slot beside its facts: the images of its cores.

use crate::Shard;
use crate::desk::FrozenMedia;
use std::sync::atomic::AtomicU64;
use strowger_link::codec::{Octets, decode, put_list_of, put_octets_of};
use strowger_link::{LegId, SlotRef, wire_struct};
use strowger_port::net::{Io, JournalSink, PlaneLink};

/// Version of the whole; the images in it have their own.
const VERSION: u8 = 1;

wire_struct! {
    /// Everything that a new life of the process needs of one call.
    pub struct Image {
        /// [`VERSION`].
        pub version: u8,
        /// The call, until it is over.
        pub call: Octets,
        /// Its legs.
        pub legs: Vec<LegImage>,
    }
}

wire_struct! {
    /// One leg.
    pub struct LegImage {
        /// Its number.
        pub leg: u8,
        /// Its dialog.
        pub sip: Octets,
        /// Its media, if it is relayed.
        pub media: Option<FrozenMedia>,
    }
}

impl Image {
    /// Reads an image; `None` for one that is empty, of another version or damaged.
    pub(crate) fn read(bytes: &[u8]) -> Option<Image> {
        if bytes.first() != Some(&VERSION) {
            return None;
        }
        decode(bytes).ok()
    }
}

impl<I: Io, J: JournalSink, L: PlaneLink, W: AsRef<[AtomicU64]>> Shard<I, J, L, W> {
    /// Appends an [`Image`] of a slot's call, as octets. Of an ended call it has the legs whose
    /// peers are owed a last word: should the process die before that is out and answered, the next
    /// one says it.
    ///
    /// Every core writes its part where it belongs: a slot is written so often in the life of a
    /// call that copies of all its texts would cost more than all else in it.
    pub(crate) fn put_image(&self, slot: SlotRef, out: &mut Vec<u8>) {
        put_octets_of(out, |out| {
            out.push(VERSION);
            put_octets_of(out, |out| _ = self.calls.freeze_into(slot, out));
            put_list_of(out, |out| {
                let legs = self.calls.legs(slot);
                legs.filter(|leg| self.put_leg(LegId { slot, leg: *leg }, out)).count()
            });
        });
    }

    /// Appends a [`LegImage`]; `false`, and nothing appended, of a leg that has none.
    fn put_leg(&self, leg: LegId, out: &mut Vec<u8>) -> bool {
        let begin = out.len();
        out.push(leg.leg);
        let mut has_image = false;
        put_octets_of(out, |out| has_image = self.endpoint.freeze_into(leg, out));
        if has_image {
            self.media.freeze(leg, out);
        } else {
            out.truncate(begin);
        }
        has_image
    }

    /// Whether a party of the call is owed a last word.
    pub(crate) fn owes(&self, slot: SlotRef) -> bool {
        self.calls.legs(slot).any(|leg| self.endpoint.owes(LegId { slot, leg }))
    }
}
