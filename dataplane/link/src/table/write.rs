//! The writing side: the owner, one thread.

use std::collections::VecDeque;

use super::layout::{
    self, BODY_BYTES_MAX, CHUNK_BYTES, CHUNKS_PER_BODY_MAX, Control, DURABLE_WORD, EPOCH_WORD,
    HALF_BYTES, HEARTBEAT_TICK_WORD, HEARTBEAT_WALL_WORD, Setup, SlotState, SlotWords, TableError,
    Words, load, store,
};
use super::pool::ChunkPool;
use super::read::{ReadError, SlotHead, chunk_numbers, read_slot};
use crate::journal::Position;
use crate::sync::{AtomicU64, Ordering, fence, store_bytes};
use crate::{AskId, RecordId, SlotRef, Tick};

/// Why a slot was not written.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum WriteError {
    /// No free slot: refuse the call.
    NoSlot,
    /// Not enough free chunks for this body. The version before stands; write a shorter body.
    NoChunks,
    /// The body is longer than [`BODY_BYTES_MAX`]: our caller's bug.
    TooLong,
    /// The reference is of another life of the slot, or of another segment.
    Stale,
}

/// How full a segment is.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Counts {
    /// Slots without a call.
    pub slots_free: usize,
    /// Chunks without a body.
    pub chunks_free: usize,
}

/// Writes a segment. There is one per segment, in the owner's thread.
///
/// The lists of free slots and chunks are process memory; [`Table::adopt`] rebuilds them.
pub struct Table<W> {
    words: W,
    setup: Setup,
    /// First in, first out: a slot's generations then last longest before they come again.
    slots_free: VecDeque<u16>,
    chunks: ChunkPool,
}

impl<W: AsRef<[AtomicU64]>> Table<W> {
    /// Makes `words` a new, empty segment; whatever they held is gone.
    ///
    /// # Errors
    /// [`TableError::Size`].
    pub fn create(words: W, setup: &Setup, epoch: u32) -> Result<Table<W>, TableError> {
        layout::format(words.as_ref(), setup, layout::VERSION)?;
        Table::adopt(words, epoch)
    }

    /// Takes over a segment from its owner's former life; its calls stand as they stood.
    ///
    /// A slot that is not readable keeps its place and holds no chunks; [`Table::read`] says
    /// [`ReadError::Damaged`], [`Table::close`] frees it.
    ///
    /// # Errors
    /// [`TableError`].
    pub fn adopt(words: W, epoch: u32) -> Result<Table<W>, TableError> {
        let setup = layout::check(words.as_ref())?;
        store(words.as_ref(), EPOCH_WORD, u64::from(epoch), Ordering::Relaxed);
        let (slots_free, chunks) = free_lists(&Words::new(words.as_ref(), &setup), &setup);
        Ok(Table { words, setup, slots_free, chunks })
    }

    /// What was fixed when it was made.
    #[must_use]
    pub fn setup(&self) -> &Setup {
        &self.setup
    }

    /// How full it is.
    #[must_use]
    pub fn counts(&self) -> Counts {
        Counts { slots_free: self.slots_free.len(), chunks_free: self.chunks.free() }
    }

    /// Opens a free slot in state [`SlotState::Asked`].
    ///
    /// # Errors
    /// [`WriteError`]; nothing is open then.
    pub fn open(
        &mut self,
        record: RecordId,
        ask: AskId,
        body: &[u8],
        now: Tick,
    ) -> Result<SlotRef, WriteError> {
        let idx = *self.slots_free.front().ok_or(WriteError::NoSlot)?;
        let words = Words::new(self.words.as_ref(), &self.setup);
        let slot = words.slot(usize::from(idx)).ok_or(WriteError::NoSlot)?;
        let control = Control::from_word(slot.control.load(Ordering::Relaxed));
        let at = SlotRef { seg: self.setup.seg, idx, r#gen: control.generation.wrapping_add(1) };
        self.open_at(at, record, ask, body, now)?;
        Ok(at)
    }

    /// Opens a slot that the caller chose, slot and generation, in state [`SlotState::Asked`]: the
    /// reference stands in tags before the table is written.
    ///
    /// # Errors
    /// [`WriteError::Stale`] when it is not free or of another segment, else as [`Table::open`].
    pub fn open_at(
        &mut self,
        at: SlotRef,
        record: RecordId,
        ask: AskId,
        body: &[u8],
        now: Tick,
    ) -> Result<(), WriteError> {
        if at.seg != self.setup.seg {
            return Err(WriteError::Stale);
        }
        // Slots are used in the order in which they become free, so this is found at the front.
        let place = self.slots_free.iter().position(|idx| *idx == at.idx);
        let place = place.ok_or(WriteError::Stale)?;
        let words = Words::new(self.words.as_ref(), &self.setup);
        let slot = words.slot(usize::from(at.idx)).ok_or(WriteError::NoSlot)?;
        let control = Control::from_word(slot.control.load(Ordering::Relaxed));
        fence(Ordering::Release);
        slot.opened.store(now.0, Ordering::Relaxed);
        slot.record.store(record.0.cast_unsigned(), Ordering::Relaxed);
        let opened = Control {
            generation: at.r#gen,
            state: SlotState::Asked.code(),
            attempts: 0,
            ..control
        };
        put(&words, &slot, opened, ask, body, &mut self.chunks)?;
        self.slots_free.remove(place);
        Ok(())
    }

    /// Writes a new version: state, ask and body change together.
    ///
    /// # Errors
    /// [`WriteError`]; the version before stands then.
    pub fn write(
        &mut self,
        at: SlotRef,
        state: SlotState,
        ask: AskId,
        body: &[u8],
    ) -> Result<(), WriteError> {
        let words = Words::new(self.words.as_ref(), &self.setup);
        let (slot, control) = living(&words, &self.setup, at)?;
        let before = held_chunks(&words, &slot, control);
        fence(Ordering::Release);
        let changed = Control { state: state.code(), ..control };
        put(&words, &slot, changed, ask, body, &mut self.chunks)?;
        before.for_each(|number| self.chunks.give(number));
        Ok(())
    }

    /// Changes the state alone.
    ///
    /// # Errors
    /// [`WriteError::Stale`].
    pub fn set_state(&mut self, at: SlotRef, state: SlotState) -> Result<(), WriteError> {
        self.set_control(at, |control| Control { state: state.code(), ..control })
    }

    /// Counts one more attempt to thaw the slot; returns the count, which stops at 255.
    ///
    /// # Errors
    /// [`WriteError::Stale`].
    pub fn begin_thaw(&mut self, at: SlotRef) -> Result<u8, WriteError> {
        let mut attempts = 0;
        self.set_control(at, |control| {
            attempts = control.attempts.saturating_add(1);
            Control { attempts, ..control }
        })?;
        Ok(attempts)
    }

    /// The thaw succeeded: later crashes count anew.
    ///
    /// # Errors
    /// [`WriteError::Stale`].
    pub fn end_thaw(&mut self, at: SlotRef) -> Result<(), WriteError> {
        self.set_control(at, |control| Control { attempts: 0, ..control })
    }

    /// Frees the slot. Only when its record is durable, or the call never cost anything, and no
    /// party is owed a last word.
    ///
    /// # Errors
    /// [`WriteError::Stale`].
    pub fn close(&mut self, at: SlotRef) -> Result<(), WriteError> {
        let words = Words::new(self.words.as_ref(), &self.setup);
        let (slot, control) = living(&words, &self.setup, at)?;
        let before = held_chunks(&words, &slot, control);
        let free = Control { state: SlotState::Free.code(), attempts: 0, ..control };
        slot.control.store(free.to_word(), Ordering::Release);
        before.for_each(|number| self.chunks.give(number));
        self.slots_free.push_back(at.idx);
        Ok(())
    }

    /// Reads a slot, for thawing. `None` = free.
    ///
    /// # Errors
    /// [`ReadError`].
    pub fn read(&self, idx: u16, body: &mut Vec<u8>) -> Result<Option<SlotHead>, ReadError> {
        read_slot(&Words::new(self.words.as_ref(), &self.setup), self.setup.seg, idx, body)
    }

    /// The reference of slot `idx` at its present life, also when it cannot be read; `None` = free.
    #[must_use]
    pub fn occupant(&self, idx: u16) -> Option<SlotRef> {
        let words = Words::new(self.words.as_ref(), &self.setup);
        let slot = words.slot(usize::from(idx))?;
        let control = Control::from_word(slot.control.load(Ordering::Relaxed));
        let at = SlotRef { seg: self.setup.seg, idx, r#gen: control.generation };
        (control.state != SlotState::Free.code()).then_some(at)
    }

    /// The heartbeat of the owner's former life; read it before the first [`Table::beat`].
    #[must_use]
    pub fn heartbeat(&self) -> (Tick, i64) {
        let words = self.words.as_ref();
        let tick = load(words, HEARTBEAT_TICK_WORD, Ordering::Relaxed);
        (Tick(tick), load(words, HEARTBEAT_WALL_WORD, Ordering::Relaxed).cast_signed())
    }

    /// The owner is alive: each 100 ms. Calls that die with it are billed to here.
    pub fn beat(&self, now: Tick, wall_us: i64) {
        let words = self.words.as_ref();
        store(words, HEARTBEAT_WALL_WORD, wall_us.cast_unsigned(), Ordering::Relaxed);
        store(words, HEARTBEAT_TICK_WORD, now.0, Ordering::Relaxed);
    }

    fn set_control(
        &mut self,
        at: SlotRef,
        change: impl FnOnce(Control) -> Control,
    ) -> Result<(), WriteError> {
        let words = Words::new(self.words.as_ref(), &self.setup);
        let (slot, control) = living(&words, &self.setup, at)?;
        slot.control.store(change(control).to_word(), Ordering::Release);
        Ok(())
    }
}

/// Publishes in a segment how far the journal is durable: for the journal's thread, which is not
/// the segment's owner. The word is of nobody else.
pub fn publish_durable(words: &[AtomicU64], position: Position) {
    store(words, DURABLE_WORD, position.to_word(), Ordering::Release);
}

/// What is free, by what the slots hold. An unreadable slot is made to hold no chunks: its numbers
/// may be another's.
fn free_lists(words: &Words<'_>, setup: &Setup) -> (VecDeque<u16>, ChunkPool) {
    let mut chunks = ChunkPool::all_free(setup.chunks);
    let mut slots_free = VecDeque::with_capacity(usize::try_from(setup.slots).unwrap_or(0));
    let last = u16::try_from(setup.slots.saturating_sub(1)).unwrap_or(u16::MAX);
    let mut body = Vec::with_capacity(BODY_BYTES_MAX);
    for idx in 0..=last {
        let Some(slot) = words.slot(usize::from(idx)) else { continue };
        let control = Control::from_word(slot.control.load(Ordering::Acquire));
        match read_slot(words, setup.seg, idx, &mut body) {
            Ok(None) => slots_free.push_back(idx),
            Ok(Some(_)) => {
                held_chunks(words, &slot, control).for_each(|number| chunks.claim(number));
            }
            Err(ReadError::Torn | ReadError::Damaged | ReadError::NoSlot) => {
                slot.descriptors.iter().for_each(|word| word.store(0, Ordering::Relaxed));
            }
        }
    }
    chunks.rebuild();
    (slots_free, chunks)
}

/// The slot of a reference at its present life.
fn living<'a>(
    words: &Words<'a>,
    setup: &Setup,
    at: SlotRef,
) -> Result<(SlotWords<'a>, Control), WriteError> {
    let slot = words.slot(usize::from(at.idx)).ok_or(WriteError::Stale)?;
    let control = Control::from_word(slot.control.load(Ordering::Relaxed));
    let same = at.seg == setup.seg && at.r#gen == control.generation;
    let lives = control.state != SlotState::Free.code();
    if same && lives { Ok((slot, control)) } else { Err(WriteError::Stale) }
}

/// Writes the idle half and flips to it. On error the version in force stands.
fn put(
    words: &Words<'_>,
    slot: &SlotWords<'_>,
    control: Control,
    ask: AskId,
    body: &[u8],
    chunks: &mut ChunkPool,
) -> Result<(), WriteError> {
    let flipped = Control { version: control.version.wrapping_add(1), ..control };
    let (Some(half), Some(ask_word), Some(descriptor)) = (
        slot.halves.get(flipped.half()),
        slot.asks.get(flipped.half()),
        slot.descriptors.get(flipped.half()),
    ) else {
        return Err(WriteError::Stale);
    };
    put_body(words, half, body, chunks)?;
    ask_word.store(ask.0, Ordering::Relaxed);
    let (opened, record) =
        (slot.opened.load(Ordering::Relaxed), slot.record.load(Ordering::Relaxed));
    let check = words.check.over(opened, record, ask.0, body);
    descriptor.store((body.len() as u64) << 32 | u64::from(check), Ordering::Relaxed);
    slot.control.store(flipped.to_word(), Ordering::Release);
    Ok(())
}

fn put_body(
    words: &Words<'_>,
    half: &[AtomicU64],
    body: &[u8],
    chunks: &mut ChunkPool,
) -> Result<(), WriteError> {
    if body.len() <= HALF_BYTES {
        store_bytes(half, body);
        return Ok(());
    }
    if body.len() > BODY_BYTES_MAX {
        return Err(WriteError::TooLong);
    }
    let count = body.len().div_ceil(CHUNK_BYTES);
    let mut numbers = [0u32; CHUNKS_PER_BODY_MAX];
    let wanted = numbers.get_mut(..count).ok_or(WriteError::TooLong)?;
    chunks.take(wanted).ok_or(WriteError::NoChunks)?;
    for (number, piece) in numbers.iter().zip(body.chunks(CHUNK_BYTES)) {
        store_bytes(words.chunk(*number).ok_or(WriteError::NoChunks)?, piece);
    }
    let (pairs, _) = numbers.as_chunks::<2>();
    for (word, [low, high]) in half.iter().zip(pairs) {
        word.store(u64::from(*high) << 32 | u64::from(*low), Ordering::Relaxed);
    }
    Ok(())
}

/// The chunks of the version in force. Only ours by right: numbers out of range are left out, and
/// an unreadable slot's are not trusted.
fn held_chunks(
    words: &Words<'_>,
    slot: &SlotWords<'_>,
    control: Control,
) -> impl Iterator<Item = u32> + use<> {
    let mut held = [None; CHUNKS_PER_BODY_MAX];
    let half = slot.halves.get(control.half()).copied().unwrap_or_default();
    let descriptor = slot.descriptors.get(control.half());
    let len = descriptor.map_or(0, |word| word.load(Ordering::Relaxed) >> 32);
    let len = usize::try_from(len).unwrap_or(0);
    if len > HALF_BYTES
        && let Some(numbers) = chunk_numbers(half, len)
    {
        let existing = numbers.filter(|number| words.chunk(*number).is_some());
        held.iter_mut().zip(existing).for_each(|(to, from)| *to = Some(from));
    }
    held.into_iter().flatten()
}

#[cfg(test)]
#[cfg(not(loom))]
impl<W> Table<W> {
    /// Free chunks, for tests that spoil them.
    pub(super) fn chunks_free(&self) -> impl Iterator<Item = u32> + '_ {
        self.chunks.free_numbers()
    }
}
