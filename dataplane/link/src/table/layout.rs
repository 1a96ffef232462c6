//! Where things stand in a segment.

use super::check::Check;
use crate::crc::Crc32c;
use crate::sync::{AtomicU64, Ordering};

/// First word of a segment: "STRWTABL".
pub const MAGIC: u64 = u64::from_le_bytes(*b"STRWTABL");
/// Version of the layout.
pub const VERSION: u32 = 3;
/// The layout of the release before, whose versions had a CRC-32C. Its segments are gone on with as
/// they are: the calls in them outlive the change of releases.
pub const VERSION_BEFORE: u32 = 2;
/// Words before the first slot: one page.
pub const HEADER_WORDS: usize = 512;
/// Words of a slot: 1 KiB.
pub const SLOT_WORDS: usize = 128;
/// Bytes of body that a slot's half holds itself.
pub const HALF_BYTES: usize = 448;
/// Bytes of a chunk.
pub const CHUNK_BYTES: usize = 1024;
/// Most chunks of one body.
pub const CHUNKS_PER_BODY_MAX: usize = 8;
/// Longest body in bytes.
pub const BODY_BYTES_MAX: usize = CHUNKS_PER_BODY_MAX * CHUNK_BYTES;
/// Most slots of a segment: the index of [`crate::SlotRef`] has 16 bits.
pub const SLOTS_MAX: usize = 1 << 16;
/// Most chunks of a segment: 1 GiB.
pub const CHUNKS_MAX: usize = 1 << 20;

pub(super) const CHUNK_WORDS: usize = CHUNK_BYTES / 8;
pub(super) const HALF_WORDS: usize = HALF_BYTES / 8;
pub(super) const HEARTBEAT_TICK_WORD: usize = 16;
pub(super) const HEARTBEAT_WALL_WORD: usize = 17;
pub(super) const EPOCH_WORD: usize = 18;
pub(super) const DURABLE_WORD: usize = 24;
const FIXED_WORDS: usize = 10;

const _: () = assert!(8 + 2 * HALF_WORDS + 8 == SLOT_WORDS);
const _: () = assert!(CHUNKS_PER_BODY_MAX.div_ceil(2) <= HALF_WORDS);
const _: () = assert!(HALF_BYTES < CHUNK_BYTES);

/// What is fixed when a segment is made.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Setup {
    /// Number of the segment: the `seg` of its [`crate::SlotRef`]s.
    pub seg: u8,
    /// The node.
    pub node: u32,
    /// The host's boot: a segment of another boot has nothing to adopt.
    pub boot_id: u128,
    /// Key of the tokens in tags and branches: they must stay valid over a restart.
    pub token_key: u128,
    /// Number of slots, 1 to [`SLOTS_MAX`].
    pub slots: u32,
    /// Number of chunks, at most [`CHUNKS_MAX`].
    pub chunks: u32,
}

/// Why words are not a segment.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum TableError {
    /// The number of words does not fit the counts, or a count is out of bounds.
    Size,
    /// The first word is not [`MAGIC`].
    Magic,
    /// Another version: the number found.
    Version(u32),
    /// The header's check is wrong, or it has other sizes than this version.
    Check,
}

/// State of a slot.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum SlotState {
    /// No call.
    Free,
    /// The control plane was asked.
    Asked,
    /// Branches are out.
    Ringing,
    /// Answered: it costs money and is to be continued after a crash.
    Answered,
    /// Over, but its record is not durable yet.
    Ended,
    /// Over, and no record is owed: it is durable, or the attempt leaves none. A party is owed a
    /// last word still. Costs nothing, counts nowhere, and is nobody's but the dataplane's.
    Leaving,
}

impl SlotState {
    pub(super) const fn code(self) -> u8 {
        match self {
            SlotState::Free => 0,
            SlotState::Asked => 1,
            SlotState::Ringing => 2,
            SlotState::Answered => 3,
            SlotState::Ended => 4,
            SlotState::Leaving => 5,
        }
    }

    pub(super) const fn from_code(code: u8) -> Option<SlotState> {
        match code {
            0 => Some(SlotState::Free),
            1 => Some(SlotState::Asked),
            2 => Some(SlotState::Ringing),
            3 => Some(SlotState::Answered),
            4 => Some(SlotState::Ended),
            5 => Some(SlotState::Leaving),
            _ => None,
        }
    }
}

/// The control word of a slot.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Control {
    pub(super) version: u32,
    pub(super) generation: u16,
    /// As found: another process may have written anything.
    pub(super) state: u8,
    pub(super) attempts: u8,
}

impl Control {
    pub(super) const fn to_word(self) -> u64 {
        (self.version as u64) << 32
            | (self.generation as u64) << 16
            | (self.state as u64) << 8
            | self.attempts as u64
    }

    pub(super) const fn from_word(word: u64) -> Control {
        Control {
            version: (word >> 32) as u32,
            generation: (word >> 16) as u16,
            state: (word >> 8) as u8,
            attempts: word as u8,
        }
    }

    /// The half in force.
    pub(super) const fn half(self) -> usize {
        (self.version & 1) as usize
    }
}

/// Words a segment takes; `None` = a count is out of bounds.
#[must_use]
pub fn words_needed(slots: u32, chunks: u32) -> Option<usize> {
    let (slots, chunks) = (usize::try_from(slots).ok()?, usize::try_from(chunks).ok()?);
    let fits = (1..=SLOTS_MAX).contains(&slots) && chunks <= CHUNKS_MAX;
    fits.then_some(HEADER_WORDS + slots * SLOT_WORDS + chunks * CHUNK_WORDS)
}

/// A slot's words, cut up.
pub(super) struct SlotWords<'a> {
    pub(super) control: &'a AtomicU64,
    pub(super) opened: &'a AtomicU64,
    pub(super) record: &'a AtomicU64,
    pub(super) asks: [&'a AtomicU64; 2],
    pub(super) descriptors: [&'a AtomicU64; 2],
    pub(super) halves: [&'a [AtomicU64]; 2],
}

/// The segment's words, cut up by a [`Setup`] that fits them.
pub(super) struct Words<'a> {
    slots: &'a [AtomicU64],
    chunks: &'a [AtomicU64],
    /// How versions are checked.
    pub(super) check: Check,
}

impl<'a> Words<'a> {
    pub(super) fn new(words: &'a [AtomicU64], setup: &Setup) -> Words<'a> {
        let body = words.get(HEADER_WORDS..).unwrap_or_default();
        let slot_words = usize::try_from(setup.slots).unwrap_or(0) * SLOT_WORDS;
        let (slots, chunks) = body.split_at_checked(slot_words).unwrap_or_default();
        // Another layout would not have been attached; if it has changed since, nothing fits.
        let check = Check::of_layout(layout_of(words)).unwrap_or(Check::Lanes);
        Words { slots, chunks, check }
    }

    pub(super) fn slot(&self, idx: usize) -> Option<SlotWords<'a>> {
        let start = idx.checked_mul(SLOT_WORDS)?;
        let words = self.slots.get(start..start.checked_add(SLOT_WORDS)?)?;
        let (header, halves) = words.split_first_chunk::<8>()?;
        let [control, opened, record, ask_0, ask_1, descriptor_0, descriptor_1, _] = header;
        let (half_0, rest) = halves.split_at_checked(HALF_WORDS)?;
        let (half_1, _) = rest.split_at_checked(HALF_WORDS)?;
        Some(SlotWords {
            control,
            opened,
            record,
            asks: [ask_0, ask_1],
            descriptors: [descriptor_0, descriptor_1],
            halves: [half_0, half_1],
        })
    }

    pub(super) fn chunk(&self, number: u32) -> Option<&'a [AtomicU64]> {
        let start = usize::try_from(number).ok()?.checked_mul(CHUNK_WORDS)?;
        self.chunks.get(start..start.checked_add(CHUNK_WORDS)?)
    }
}

/// The layout that a header names.
fn layout_of(words: &[AtomicU64]) -> u32 {
    load(words, 1, Ordering::Relaxed) as u32
}

/// Zeroes a segment and writes its header, the magic last.
pub(super) fn format(words: &[AtomicU64], setup: &Setup, version: u32) -> Result<(), TableError> {
    if words_needed(setup.slots, setup.chunks) != Some(words.len()) {
        return Err(TableError::Size);
    }
    words.iter().for_each(|word| word.store(0, Ordering::Relaxed));
    let fixed = fixed_words(setup, version);
    words.iter().zip(fixed).skip(1).for_each(|(word, value)| word.store(value, Ordering::Relaxed));
    store(words, 0, MAGIC, Ordering::Release);
    Ok(())
}

/// Reads and checks the header.
pub(super) fn check(words: &[AtomicU64]) -> Result<Setup, TableError> {
    if load(words, 0, Ordering::Acquire) != MAGIC {
        return Err(TableError::Magic);
    }
    let low = |at| load(words, at, Ordering::Relaxed) as u32;
    let high = |at| (load(words, at, Ordering::Relaxed) >> 32) as u32;
    let long = |at| {
        let [low, high] = [at, at + 1].map(|at| u128::from(load(words, at, Ordering::Relaxed)));
        high << 64 | low
    };
    let version = layout_of(words);
    if Check::of_layout(version).is_none() {
        return Err(TableError::Version(version));
    }
    let setup = Setup {
        seg: high(4) as u8,
        node: low(4),
        boot_id: long(5),
        token_key: long(7),
        slots: low(2),
        chunks: low(3),
    };
    let expected = fixed_words(&setup, version);
    let found = words.iter().take(FIXED_WORDS).map(|word| word.load(Ordering::Relaxed));
    if !found.eq(expected) {
        return Err(TableError::Check);
    }
    if words_needed(setup.slots, setup.chunks) != Some(words.len()) {
        return Err(TableError::Size);
    }
    Ok(setup)
}

fn fixed_words(setup: &Setup, version: u32) -> [u64; FIXED_WORDS] {
    let pair = |high: u32, low: u32| u64::from(high) << 32 | u64::from(low);
    let mut fixed = [
        MAGIC,
        pair(HEADER_WORDS as u32, version),
        pair(SLOT_WORDS as u32, setup.slots),
        pair(CHUNK_WORDS as u32, setup.chunks),
        pair(u32::from(setup.seg), setup.node),
        setup.boot_id as u64,
        (setup.boot_id >> 64) as u64,
        setup.token_key as u64,
        (setup.token_key >> 64) as u64,
        0,
    ];
    let [_, checked @ .., check] = &mut fixed;
    let crc = checked.iter().fold(Crc32c::new(), |crc, word| crc.update(&word.to_le_bytes()));
    *check = u64::from(crc.finish());
    fixed
}

/// Header words exist by `words_needed`; a missing one reads as 0.
pub(super) fn load(words: &[AtomicU64], at: usize, order: Ordering) -> u64 {
    words.get(at).map_or(0, |word| word.load(order))
}

pub(super) fn store(words: &[AtomicU64], at: usize, value: u64, order: Ordering) {
    if let Some(word) = words.get(at) {
        word.store(value, order);
    }
}
