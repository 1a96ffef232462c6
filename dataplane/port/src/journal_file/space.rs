//! Room on the disk that is promised: allocated bytes against those that live calls will need.

use std::sync::atomic::{AtomicBool, AtomicI64, AtomicU64, Ordering};

use strowger_link::journal::{Position, frame_bytes};

/// Before the first frame of the first segment, and not 0.
const BEGINNING: u64 = 1;

/// Shared by the shards' handles and the writer.
#[derive(Debug, Default)]
pub(super) struct Space {
    /// Bytes allocated for frames and not taken by a handed-over frame.
    free: AtomicI64,
    /// Bytes set aside.
    reserved: AtomicI64,
    /// All before this place, a word, is in the database; 0 = nobody has said so.
    stored: AtomicU64,
    /// What waits for the database has passed its bound.
    shut: AtomicBool,
}

impl Space {
    /// Sets aside room for a frame with this payload; `false` = there is none.
    pub(super) fn reserve(&self, payload: u32) -> bool {
        let need = bytes_of(payload);
        let free = self.free.load(Ordering::Relaxed);
        let taken = |reserved: i64| {
            let after = reserved.saturating_add(need);
            (after <= free).then_some(after)
        };
        self.reserved.fetch_update(Ordering::Relaxed, Ordering::Relaxed, taken).is_ok()
    }

    pub(super) fn release(&self, payload: u32) {
        self.reserved.fetch_sub(bytes_of(payload), Ordering::Relaxed);
    }

    /// Whether there is room for a frame that nobody set room aside for.
    pub(super) fn has_unpromised(&self, payload: u32) -> bool {
        self.spare() >= bytes_of(payload)
    }

    /// A frame was handed over.
    pub(super) fn take(&self, payload: u32) {
        self.free.fetch_sub(bytes_of(payload), Ordering::Relaxed);
    }

    /// A segment was allocated, or (negative) given up.
    pub(super) fn allocated(&self, bytes: i64) {
        self.free.fetch_add(bytes, Ordering::Relaxed);
    }

    /// All before `position` is in the database. It may come back to an older place when the
    /// database did. A database without a record of this journal is at its beginning, before the
    /// first segment: that nothing is stored is known then, and all of the journal waits.
    pub(super) fn set_stored(&self, position: Position) {
        self.stored.store(position.to_word().max(BEGINNING), Ordering::Relaxed);
    }

    /// Where the database is, if anybody knows.
    pub(super) fn stored(&self) -> Option<Position> {
        let word = self.stored.load(Ordering::Relaxed);
        (word != 0).then(|| Position::from_word(word))
    }

    pub(super) fn set_shut(&self, shut: bool) {
        self.shut.store(shut, Ordering::Relaxed);
    }

    /// Whether new calls must wait for the database.
    pub(super) fn is_shut(&self) -> bool {
        self.shut.load(Ordering::Relaxed)
    }

    /// Bytes neither taken nor promised; negative after a disk error.
    pub(super) fn spare(&self) -> i64 {
        self.free.load(Ordering::Relaxed) - self.reserved.load(Ordering::Relaxed)
    }
}

fn bytes_of(payload: u32) -> i64 {
    i64::try_from(frame_bytes(usize::try_from(payload).unwrap_or(0))).unwrap_or(i64::MAX)
}
