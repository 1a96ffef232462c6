//! A ring of byte frames between one writing and one reading thread, possibly of two processes.
//!
//! It lives in shared words (`&[AtomicU64]`, made by `port`), so everything here is safe code: the
//! reader copies words out and parses its private copy, and nothing read from the ring is trusted.
//! Rings are disposable: a session makes new ones; a writer killed in the middle of a frame leaves
//! the head where it was, so the reader sees whole frames only.
//!
//! It never allocates, blocks or makes a system call: [`Wake::Needed`] tells the caller to ring the
//! peer's eventfd.
//!
//! # Layout, in words of 64 bits
//!
//! | word | content | written by |
//! |--:|---|---|
//! | 0 | [`MAGIC`] | creator, last |
//! | 1 | version | creator |
//! | 2 | capacity in words, a power of two | creator |
//! | 16 | head: words ever written | producer |
//! | 32 | tail: words ever read | consumer |
//! | 48 | sleeping: 1 = the consumer sleeps or is about to | both |
//! | 64.. | data | producer |
//!
//! Lines of 128 bytes are kept apart because processors fetch pairs of 64-byte lines. A frame is a
//! word with its length in bytes, then its bytes, padded with zeros to whole words; it may wrap.
//!
//! # Sleeping
//!
//! ```text
//! reader:  sleeping = 1; fence(SeqCst); head == tail?  -> sleep
//! writer:  head = new;   fence(SeqCst); sleeping == 1? -> sleeping = 0, wake the reader
//! ```
//! Without both fences each side may read the other's old value: the lost wake-up. The loom model
//! in `tests/loom_ring.rs` is of exactly this.

use crate::sync::{AtomicU64, Ordering, fence, load_bytes, store_bytes};

/// First word of a ring: "STRWRING".
pub const MAGIC: u64 = u64::from_le_bytes(*b"STRWRING");
/// Version of the layout above.
pub const VERSION: u64 = 1;
/// Words before the data.
pub const HEADER_WORDS: usize = 64;
/// Longest frame in bytes, whatever the ring's capacity.
pub const FRAME_BYTES_MAX: usize = 64 * 1024;
/// Smallest and largest capacity in words.
pub const CAPACITY_WORDS_MIN: usize = 8;
/// See [`CAPACITY_WORDS_MIN`]; 2^27 words are 1 GiB.
pub const CAPACITY_WORDS_MAX: usize = 1 << 27;

const MAGIC_WORD: usize = 0;
const VERSION_WORD: usize = 1;
const CAPACITY_WORD: usize = 2;
const HEAD_WORD: usize = 16;
const TAIL_WORD: usize = 32;
const SLEEPING_WORD: usize = 48;

const AWAKE: u64 = 0;
const ASLEEP: u64 = 1;

/// Why shared words are not a ring of ours.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum AttachError {
    /// The number of words is not the header plus a power of two within the bounds.
    Size,
    /// The first word is not [`MAGIC`].
    Magic,
    /// Another version of the layout: the number found.
    Version(u64),
    /// The capacity in the header contradicts the number of words.
    Capacity,
}

/// The peer broke the rules of the ring: the session ends.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Corrupt;

/// Why a frame was not written.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum PushError {
    /// No room until the reader goes on.
    Full,
    /// Longer than [`FRAME_BYTES_MAX`] or than the whole ring.
    TooLong,
    /// The reader broke the rules: the session ends.
    Corrupt,
}

/// Whether the reader must be woken after a push.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[must_use = "a sleeping reader that is not woken sleeps for ever"]
pub enum Wake {
    /// Ring its eventfd, once.
    Needed,
    /// It is awake, or another push has already been told to wake it.
    NotNeeded,
}

/// Number of words a ring of `capacity` words (a power of two) takes.
#[must_use]
pub const fn words_needed(capacity: usize) -> usize {
    HEADER_WORDS + capacity
}

/// Makes zeroed or used words a new, empty ring. Only before anybody else sees them.
///
/// # Errors
/// [`AttachError::Size`].
pub fn format(words: &[AtomicU64]) -> Result<(), AttachError> {
    let capacity = capacity_of(words)?;
    let header = words.get(..HEADER_WORDS).ok_or(AttachError::Size)?;
    header.iter().for_each(|word| word.store(0, Ordering::Relaxed));
    for (at, value) in
        [(VERSION_WORD, VERSION), (CAPACITY_WORD, capacity as u64), (MAGIC_WORD, MAGIC)]
    {
        words.get(at).ok_or(AttachError::Size)?.store(value, Ordering::Release);
    }
    Ok(())
}

/// The writing end. One per ring, in one thread.
pub struct Producer<W> {
    words: W,
    capacity: u64,
    /// Words written, staged frames included.
    head: u64,
    /// The tail as last read.
    tail: u64,
}

impl<W: AsRef<[AtomicU64]>> Producer<W> {
    /// Takes the writing end of a formatted ring.
    ///
    /// # Errors
    /// [`AttachError`].
    pub fn attach(words: W) -> Result<Producer<W>, AttachError> {
        let capacity = check(words.as_ref())?;
        let head = load(words.as_ref(), HEAD_WORD, Ordering::Relaxed);
        let tail = load(words.as_ref(), TAIL_WORD, Ordering::Acquire);
        Ok(Producer { words, capacity, head, tail })
    }

    /// Writes one frame and publishes it.
    ///
    /// # Errors
    /// [`PushError`]; nothing was written then.
    pub fn try_push(&mut self, frame: &[u8]) -> Result<Wake, PushError> {
        self.stage(frame)?;
        Ok(self.publish())
    }

    /// Writes one frame and publishes it, and lets a reader that sleeps sleep on: it finds the
    /// frame when it wakes for something else, looks by itself, or [`Producer::wake`] is asked.
    ///
    /// # Errors
    /// [`PushError`]; nothing was written then.
    pub fn leave(&mut self, frame: &[u8]) -> Result<(), PushError> {
        self.stage(frame)?;
        store(self.words.as_ref(), HEAD_WORD, self.head, Ordering::Release);
        Ok(())
    }

    /// Writes one frame that the reader sees only after [`Producer::publish`]: one fence for many
    /// frames.
    ///
    /// # Errors
    /// [`PushError`]; nothing was written then, frames staged before stay staged.
    pub fn stage(&mut self, frame: &[u8]) -> Result<(), PushError> {
        let need = 1 + frame.len().div_ceil(8) as u64;
        if frame.len() > FRAME_BYTES_MAX || need > self.capacity {
            return Err(PushError::TooLong);
        }
        if self.room() < need {
            self.refresh_tail()?;
            if self.room() < need {
                return Err(PushError::Full);
            }
        }
        let words = self.words.as_ref();
        let [length, _] = span(words, self.head, self.capacity);
        if let Some(word) = length.first() {
            word.store(frame.len() as u64, Ordering::Relaxed);
        }
        let [to_end, from_begin] = span(words, self.head + 1, self.capacity);
        let (before, behind) = frame.split_at(frame.len().min(to_end.len() * 8));
        store_bytes(to_end, before);
        store_bytes(from_begin, behind);
        self.head += need;
        Ok(())
    }

    /// Shows all staged frames to the reader.
    pub fn publish(&mut self) -> Wake {
        store(self.words.as_ref(), HEAD_WORD, self.head, Ordering::Release);
        self.wake()
    }

    /// Whether the reader must be woken for what was published before: one look for many frames.
    pub fn wake(&mut self) -> Wake {
        let words = self.words.as_ref();
        fence(Ordering::SeqCst);
        if load(words, SLEEPING_WORD, Ordering::Relaxed) != ASLEEP {
            return Wake::NotNeeded;
        }
        match words.get(SLEEPING_WORD).map(|word| word.swap(AWAKE, Ordering::AcqRel)) {
            Some(ASLEEP) => Wake::Needed,
            Some(_) | None => Wake::NotNeeded,
        }
    }

    /// Bytes the longest frame may have that fits now; 0 when none fits. For admission, not exact
    /// after the reader goes on.
    #[must_use]
    pub fn room_bytes(&self) -> usize {
        let words = self.room().saturating_sub(1);
        usize::try_from(words).unwrap_or(0).saturating_mul(8).min(FRAME_BYTES_MAX)
    }

    /// The ring's words.
    #[must_use]
    pub fn words(&self) -> &[AtomicU64] {
        self.words.as_ref()
    }

    fn room(&self) -> u64 {
        self.capacity.saturating_sub(self.head.saturating_sub(self.tail))
    }

    fn refresh_tail(&mut self) -> Result<(), PushError> {
        // Acquire: the reader has copied what it counts as read, so it may be overwritten.
        let tail = load(self.words.as_ref(), TAIL_WORD, Ordering::Acquire);
        if tail < self.tail || tail > self.head {
            return Err(PushError::Corrupt);
        }
        self.tail = tail;
        Ok(())
    }
}

/// The reading end. One per ring, in one thread.
pub struct Consumer<W> {
    words: W,
    capacity: u64,
    /// The head as last read and checked.
    head: u64,
    /// Words read: ours alone, the shared word is only ever written by us.
    tail: u64,
}

impl<W: AsRef<[AtomicU64]>> Consumer<W> {
    /// Takes the reading end of a formatted ring.
    ///
    /// # Errors
    /// [`AttachError`].
    pub fn attach(words: W) -> Result<Consumer<W>, AttachError> {
        let capacity = check(words.as_ref())?;
        let tail = load(words.as_ref(), TAIL_WORD, Ordering::Relaxed);
        Ok(Consumer { words, capacity, head: tail, tail })
    }

    /// Copies the next frame into `frame` (cleared first) and frees its room; `None` = none waits.
    ///
    /// # Errors
    /// [`Corrupt`]: the peer wrote what it may not; nothing more can be read.
    pub fn pop(&mut self, frame: &mut Vec<u8>) -> Result<Option<usize>, Corrupt> {
        frame.clear();
        if self.head == self.tail {
            self.refresh_head()?;
            if self.head == self.tail {
                return Ok(None);
            }
        }
        let words = self.words.as_ref();
        let [length, _] = span(words, self.tail, self.capacity);
        let length = length.first().ok_or(Corrupt)?.load(Ordering::Relaxed);
        let bytes = usize::try_from(length).map_err(|_| Corrupt)?;
        let payload = bytes.div_ceil(8);
        if bytes > FRAME_BYTES_MAX || 1 + payload as u64 > self.head - self.tail {
            return Err(Corrupt);
        }
        frame.resize(payload * 8, 0);
        let [to_end, from_begin] = span(words, self.tail + 1, self.capacity);
        let (before, behind) = frame.split_at_mut((payload * 8).min(to_end.len() * 8));
        load_bytes(to_end, before);
        load_bytes(from_begin, behind);
        frame.truncate(bytes);
        self.tail += 1 + payload as u64;
        // Release: the copies above happen before the room is given back.
        store(words, TAIL_WORD, self.tail, Ordering::Release);
        Ok(Some(bytes))
    }

    /// Declares that this thread is about to sleep; `true` = the ring is empty and a later push
    /// will be told [`Wake::Needed`]. `false` = a frame waits (or the ring is corrupt: `pop` says).
    pub fn prepare_sleep(&mut self) -> bool {
        let words = self.words.as_ref();
        store(words, SLEEPING_WORD, ASLEEP, Ordering::Relaxed);
        fence(Ordering::SeqCst);
        let empty = load(words, HEAD_WORD, Ordering::Acquire) == self.tail;
        if !empty {
            self.finish_sleep();
        }
        empty
    }

    /// This thread is awake again: pushes need not wake it.
    pub fn finish_sleep(&mut self) {
        store(self.words.as_ref(), SLEEPING_WORD, AWAKE, Ordering::Relaxed);
    }

    fn refresh_head(&mut self) -> Result<(), Corrupt> {
        // Acquire: the payload stores before the writer's release of the head are visible.
        let head = load(self.words.as_ref(), HEAD_WORD, Ordering::Acquire);
        let waiting = head.checked_sub(self.tail).ok_or(Corrupt)?;
        if waiting > self.capacity {
            return Err(Corrupt);
        }
        self.head = head;
        Ok(())
    }
}

fn capacity_of(words: &[AtomicU64]) -> Result<usize, AttachError> {
    let capacity = words.len().checked_sub(HEADER_WORDS).ok_or(AttachError::Size)?;
    let fits = (CAPACITY_WORDS_MIN..=CAPACITY_WORDS_MAX).contains(&capacity);
    if fits && capacity.is_power_of_two() { Ok(capacity) } else { Err(AttachError::Size) }
}

fn check(words: &[AtomicU64]) -> Result<u64, AttachError> {
    let capacity = capacity_of(words)? as u64;
    if load(words, MAGIC_WORD, Ordering::Acquire) != MAGIC {
        return Err(AttachError::Magic);
    }
    let version = load(words, VERSION_WORD, Ordering::Relaxed);
    if version != VERSION {
        return Err(AttachError::Version(version));
    }
    if load(words, CAPACITY_WORD, Ordering::Relaxed) != capacity {
        return Err(AttachError::Capacity);
    }
    Ok(capacity)
}

/// The data words from position `at` on, once around the ring: those to its end, and those from its
/// begin.
fn span(words: &[AtomicU64], at: u64, capacity: u64) -> [&[AtomicU64]; 2] {
    let data = words.get(HEADER_WORDS..).unwrap_or_default();
    let start = usize::try_from(at & (capacity - 1)).unwrap_or(0);
    let (before, after) = data.split_at(start.min(data.len()));
    [after, before]
}

/// Header words exist by `check`; a missing one reads as 0.
fn load(words: &[AtomicU64], at: usize, order: Ordering) -> u64 {
    words.get(at).map_or(0, |word| word.load(order))
}

fn store(words: &[AtomicU64], at: usize, value: u64, order: Ordering) {
    if let Some(word) = words.get(at) {
        word.store(value, order);
    }
}

#[cfg(test)]
#[cfg(not(loom))]
mod tests;
