//! The reading side: another process, or the owner's next life.

use super::layout::{
    self, CHUNK_BYTES, Control, DURABLE_WORD, EPOCH_WORD, HALF_BYTES, HEARTBEAT_TICK_WORD,
    HEARTBEAT_WALL_WORD, Setup, SlotState, SlotWords, TableError, Words, load,
};
use crate::journal::Position;
use crate::sync::{AtomicU64, Ordering, fence};
use crate::{AskId, RecordId, SlotRef, Tick};

/// How often a read is tried while the owner writes.
pub const READ_TRIES_MAX: usize = 64;

/// What stands in a slot beside its body.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct SlotHead {
    /// The slot at this life.
    pub slot: SlotRef,
    /// Its state; never [`SlotState::Free`] when read.
    pub state: SlotState,
    /// How often thawing it was begun.
    pub thaw_attempts: u8,
    /// When it was opened.
    pub opened: Tick,
    /// Its record.
    pub record: RecordId,
    /// Its present ask.
    pub ask: AskId,
}

/// Why a slot could not be read.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum ReadError {
    /// The owner wrote all the time; try later.
    Torn,
    /// It holds what the owner never writes: a bad check, state, length or chunk number.
    Damaged,
    /// No such slot.
    NoSlot,
}

/// Reads a segment that another writes.
pub struct Reader<W> {
    words: W,
    setup: Setup,
}

impl<W: AsRef<[AtomicU64]>> Reader<W> {
    /// Takes a formatted segment.
    ///
    /// # Errors
    /// [`TableError`].
    pub fn attach(words: W) -> Result<Reader<W>, TableError> {
        let setup = layout::check(words.as_ref())?;
        Ok(Reader { words, setup })
    }

    /// What was fixed when it was made.
    #[must_use]
    pub fn setup(&self) -> &Setup {
        &self.setup
    }

    /// The run of the dataplane that owns it.
    #[must_use]
    pub fn epoch(&self) -> u32 {
        load(self.words.as_ref(), EPOCH_WORD, Ordering::Relaxed) as u32
    }

    /// The owner's last heartbeat: monotonic time, and wall clock in microseconds.
    #[must_use]
    pub fn heartbeat(&self) -> (Tick, i64) {
        let words = self.words.as_ref();
        let tick = load(words, HEARTBEAT_TICK_WORD, Ordering::Relaxed);
        (Tick(tick), load(words, HEARTBEAT_WALL_WORD, Ordering::Relaxed).cast_signed())
    }

    /// How far the journal is durable, as the owner last published it.
    #[must_use]
    pub fn durable(&self) -> Position {
        Position::from_word(load(self.words.as_ref(), DURABLE_WORD, Ordering::Acquire))
    }

    /// Copies slot `idx`'s version in force; its body into `body` (cleared first). `None` = free.
    ///
    /// # Errors
    /// [`ReadError`].
    pub fn read(&self, idx: u16, body: &mut Vec<u8>) -> Result<Option<SlotHead>, ReadError> {
        read_slot(&Words::new(self.words.as_ref(), &self.setup), self.setup.seg, idx, body)
    }
}

pub(super) fn read_slot(
    words: &Words<'_>,
    seg: u8,
    idx: u16,
    body: &mut Vec<u8>,
) -> Result<Option<SlotHead>, ReadError> {
    let slot = words.slot(usize::from(idx)).ok_or(ReadError::NoSlot)?;
    for _ in 0..READ_TRIES_MAX {
        let word = slot.control.load(Ordering::Acquire);
        let control = Control::from_word(word);
        let state = SlotState::from_code(control.state).ok_or(ReadError::Damaged)?;
        body.clear();
        if state == SlotState::Free {
            return Ok(None);
        }
        let version = copy(words, &slot, control.half(), body);
        // Pairs with the writer's release fence: had we copied a later version's word, this look
        // would see the flip before it.
        fence(Ordering::Acquire);
        if slot.control.load(Ordering::Relaxed) != word {
            continue;
        }
        let version = version.ok_or(ReadError::Damaged)?;
        return Ok(Some(SlotHead {
            slot: SlotRef { seg, idx, r#gen: control.generation },
            state,
            thaw_attempts: control.attempts,
            opened: Tick(version.opened),
            record: RecordId(version.record.cast_signed()),
            ask: AskId(version.ask),
        }));
    }
    body.clear();
    Err(ReadError::Torn)
}

struct Version {
    opened: u64,
    record: u64,
    ask: u64,
}

/// Copies one half; `None` = it does not hold together (being written, or damaged).
fn copy(
    words: &Words<'_>,
    slot: &SlotWords<'_>,
    half: usize,
    body: &mut Vec<u8>,
) -> Option<Version> {
    let version = Version {
        opened: slot.opened.load(Ordering::Relaxed),
        record: slot.record.load(Ordering::Relaxed),
        ask: slot.asks.get(half)?.load(Ordering::Relaxed),
    };
    let descriptor = slot.descriptors.get(half)?.load(Ordering::Relaxed);
    let len = usize::try_from(descriptor >> 32).ok()?;
    let inline = slot.halves.get(half)?;
    if len <= HALF_BYTES {
        body.extend(inline.iter().flat_map(|word| word.load(Ordering::Relaxed).to_le_bytes()));
    } else {
        for number in chunk_numbers(inline, len)? {
            let chunk = words.chunk(number)?;
            body.extend(chunk.iter().flat_map(|word| word.load(Ordering::Relaxed).to_le_bytes()));
        }
    }
    body.truncate(len);
    let check = words.check.over(version.opened, version.record, version.ask, body);
    (check == descriptor as u32).then_some(version)
}

/// Numbers of the chunks of a body of `len` bytes, more than a half holds; `None` = too long.
pub(super) fn chunk_numbers(half: &[AtomicU64], len: usize) -> Option<impl Iterator<Item = u32>> {
    let count = len.div_ceil(CHUNK_BYTES);
    (count <= layout::CHUNKS_PER_BODY_MAX).then(|| {
        let words = half.iter().map(|word| word.load(Ordering::Relaxed));
        words.flat_map(|word| [word as u32, (word >> 32) as u32]).take(count)
    })
}
