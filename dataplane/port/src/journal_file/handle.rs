//! A shard's end of the journal.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use strowger_link::journal::{FrameKind, PAYLOAD_BYTES_MAX, Position};
use strowger_link::ring::{Producer, Wake};

use super::space::Space;
use crate::eventfd::EventFd;
use crate::net::{JournalFull, JournalSink};

/// Words of a queue: process memory, a ring as between processes.
pub(super) type Queue = Arc<[AtomicU64]>;

/// A shard's [`JournalSink`]. Moved to the shard's thread; never blocks.
///
/// Room is promised to frames of kinds Start and Ended, which their caller has reserved, and to
/// those of kind Origin, which are few; other kinds are refused when all that is left is promised.
/// A payload longer than [`PAYLOAD_BYTES_MAX`] is refused as full: its caller's bug.
pub struct JournalHandle {
    queue: Producer<Queue>,
    /// Wakes the writer.
    bell: EventFd,
    /// Keeps it from waiting for more frames.
    hurry: EventFd,
    space: Arc<Space>,
    durable: Arc<AtomicU64>,
    appended: u64,
    /// Calls that room is promised to.
    admitted: usize,
    scratch: Vec<u8>,
}

/// Room promised to a call that lives: its frames, together. Longer ones are rare and find it in
/// the segment that is always allocated ahead.
pub const CALL_BYTES: u32 = 8 * 1024;

impl JournalHandle {
    pub(super) fn new(
        queue: Producer<Queue>,
        bell: EventFd,
        hurry: EventFd,
        space: Arc<Space>,
        durable: Arc<AtomicU64>,
    ) -> JournalHandle {
        let scratch = Vec::with_capacity(1 + PAYLOAD_BYTES_MAX);
        JournalHandle { queue, bell, hurry, space, durable, appended: 0, admitted: 0, scratch }
    }

    /// The writer is to allocate more.
    fn refuse(&self) -> JournalFull {
        self.hurry.ring();
        self.bell.ring();
        JournalFull
    }
}

impl JournalSink for JournalHandle {
    fn append(&mut self, kind: FrameKind, payload: &[u8]) -> Result<u64, JournalFull> {
        let length = u32::try_from(payload.len()).map_err(|_| JournalFull)?;
        if payload.len() > PAYLOAD_BYTES_MAX {
            return Err(JournalFull);
        }
        let promised = match kind {
            FrameKind::Start | FrameKind::Ended | FrameKind::Origin => true,
            FrameKind::Alive | FrameKind::Sealed | FrameKind::Other(_) => false,
        };
        if !promised && !self.space.has_unpromised(length) {
            return Err(self.refuse());
        }
        self.scratch.clear();
        self.scratch.push(kind.code());
        self.scratch.extend_from_slice(payload);
        match self.queue.try_push(&self.scratch) {
            Ok(Wake::Needed) => self.bell.ring(),
            Ok(Wake::NotNeeded) => {}
            Err(_) => return Err(self.refuse()),
        }
        self.space.take(length);
        self.appended += 1;
        Ok(self.appended)
    }

    fn durable(&self) -> u64 {
        self.durable.load(Ordering::Acquire)
    }

    fn reserve(&mut self, bytes: u32) -> Result<(), JournalFull> {
        if self.space.reserve(bytes) { Ok(()) } else { Err(self.refuse()) }
    }

    fn release(&mut self, bytes: u32) {
        self.space.release(bytes);
    }

    fn admit(&mut self, calls: usize) -> bool {
        while self.admitted > calls {
            self.space.release(CALL_BYTES);
            self.admitted -= 1;
        }
        while self.admitted < calls {
            if self.reserve(CALL_BYTES).is_err() {
                return false;
            }
            self.admitted += 1;
        }
        !self.space.is_shut()
    }

    fn stored(&mut self, position: Position) {
        self.space.set_stored(position);
    }
}
