//! What of a call stands in its slot beside its facts: the images of its cores.

use crate::Shard;
use crate::desk::FrozenMedia;
use std::sync::atomic::AtomicU64;
use strowger_link::codec::{Octets, decode, encode};
use strowger_link::table::SlotState;
use strowger_link::{CallFacts, Fact, LegId, SlotBody, SlotRef, wire_struct};
use strowger_port::net::{Io, JournalSink, PlaneLink};

/// Version of the whole; the images in it have their own.
const VERSION: u8 = 1;

wire_struct! {
    /// Everything that a new life of the process needs of one call.
    pub struct Image {
        /// [`VERSION`].
        pub version: u8,
        /// The call, when it is answered.
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
    /// The body of a slot. An ended call keeps the image that it was taken up with last: should the
    /// process die before the BYEs are out, the next one sends them.
    pub(crate) fn body_of(&mut self, slot: SlotRef, state: SlotState, facts: CallFacts) -> Vec<u8> {
        let image = match state {
            SlotState::Ended => self.kept_image(slot),
            SlotState::Free | SlotState::Asked | SlotState::Ringing | SlotState::Answered => {
                Octets(encode(&self.image_of(slot, &facts)))
            }
        };
        encode(&SlotBody { facts, image })
    }

    fn kept_image(&mut self, slot: SlotRef) -> Octets {
        let mut body = core::mem::take(&mut self.frame);
        let kept = match self.table.read(slot.idx, &mut body) {
            Ok(Some(head)) if head.slot == slot => {
                decode::<SlotBody>(&body).map(|body| body.image).unwrap_or_default()
            }
            Ok(Some(_) | None) | Err(_) => Octets::default(),
        };
        body.clear();
        self.frame = body;
        kept
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
