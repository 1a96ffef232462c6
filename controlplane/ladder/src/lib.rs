//! The ladder: the SIP messages of one call, found on the tape, without the secrets in them, to be
//! shown, captured (pcap) or sent on (HEP version 3).
//!
//! It reads what the dataplane wrote ([`strowger_link::tape`]), and writes nothing. A message
//! belongs to a call when it has the Call-ID of the caller's leg, or when a tag or branch of ours
//! in it names the call's slot: so the legs to the called come with it, though their Call-IDs are
//! others. [`find`] is the beginning.

mod capture;
mod hep;
mod mask;
mod text;

pub use capture::pcap;
pub use hep::hep;
pub use mask::mask;

use std::collections::BTreeSet;
use std::sync::atomic::AtomicU64;
use strowger_link::tape::{Reader, Said};
use strowger_link::{Key, SlotRef, token};

/// Most messages of one ladder; the earliest are told.
pub const MESSAGES_MAX: usize = 1_000;

/// A message of a call.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Message {
    /// When, by what, whence and where to.
    pub said: Said,
    /// Its bytes, without secrets ([`mask()`]); cut when it was very long.
    pub bytes: Vec<u8>,
}

/// Whose messages are wanted.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Wanted<'a> {
    /// Call-ID of the caller's leg; of an originated call the first leg's.
    pub sip_call_id: &'a [u8],
    /// Messages before this time are another call's, microseconds since 1970 UTC.
    pub from_us: i64,
    /// And those from this time on.
    pub until_us: i64,
    /// Key of the tokens in our tags and branches: that of the call table.
    pub token_key: Key,
}

/// The messages of a call, in the order in which they were written. Looks through the whole tape,
/// twice: not for the thread that answers others.
#[must_use]
pub fn find<W: AsRef<[AtomicU64]>>(
    tape: impl Fn() -> Option<Reader<W>>,
    wanted: &Wanted<'_>,
) -> Vec<Message> {
    let in_time = |said: &Said| (wanted.from_us..wanted.until_us).contains(&said.wall_us);
    let mut slots: BTreeSet<SlotRef> = BTreeSet::new();
    let mut bytes = Vec::new();
    let Some(mut first) = tape() else { return Vec::new() };
    while let Some(said) = first.next(&mut bytes) {
        if in_time(&said) && text::call_id(&bytes) == Some(wanted.sip_call_id) {
            slots.extend(slots_of(&bytes, &wanted.token_key));
        }
    }
    let mut found = Vec::new();
    let Some(mut second) = tape() else { return found };
    while let Some(said) = second.next(&mut bytes) {
        let is_of = || {
            text::call_id(&bytes) == Some(wanted.sip_call_id)
                || slots_of(&bytes, &wanted.token_key).any(|slot| slots.contains(&slot))
        };
        if in_time(&said) && is_of() {
            let mut bytes = bytes.clone();
            mask(&mut bytes);
            found.push(Message { said, bytes });
            if found.len() >= MESSAGES_MAX {
                break;
            }
        }
    }
    found
}

/// The slots that tags and branches of ours in a message name.
fn slots_of<'m>(message: &'m [u8], key: &'m Key) -> impl Iterator<Item = SlotRef> + 'm {
    text::marks(message).filter_map(|mark| Some(token::open(key, mark)?.slot))
}

#[cfg(test)]
mod tests;
