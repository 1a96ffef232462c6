//! What of a call stands in its slot beside its facts: the images of its cores.

use crate::Shard;
use crate::desk::FrozenMedia;
use std::sync::atomic::AtomicU64;
use strowger_link::codec::{Octets, decode, encode};
use strowger_link::{CallFacts, Fact, LEGS_MAX, LegId, SlotBody, SlotRef, wire_struct};
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
    /// The body of a slot. Of an ended call the image has the legs whose peers are owed a last
    /// word: should the process die before that is out and answered, the next one says it.
    pub(crate) fn body_of(&mut self, slot: SlotRef, facts: CallFacts) -> Vec<u8> {
        let image = Octets(encode(&self.image_of(slot, &facts)));
        encode(&SlotBody { facts, image })
    }

    /// Whether a party of the call is owed a last word.
    pub(crate) fn owes(&self, slot: SlotRef) -> bool {
        (0..LEGS_MAX).any(|leg| self.endpoint.owes(LegId { slot, leg }))
    }

    fn image_of(&mut self, slot: SlotRef, facts: &CallFacts) -> Image {
        let mut legs = Vec::new();
        for fact in &facts.facts {
            let Fact::LegOpened(opened) = fact else { continue };
            let id = LegId { slot, leg: opened.leg };
            if let Some(sip) = self.endpoint.freeze(id) {
                let media = self.media.freeze(id);
                legs.push(LegImage { leg: opened.leg, sip: Octets(sip), media });
            }
        }
        let call = Octets(self.calls.freeze(slot).unwrap_or_default());
        Image { version: VERSION, call, legs }
    }
}
