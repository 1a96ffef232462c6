//! The intake's thread: journal frames to records, charged at once, stored exactly once.

use crate::decider::{Order, Orders, Shared, position, word};
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;
use strowger_billing::{Mode, records};
use strowger_link::CallFacts;
use strowger_link::codec::decode;
use strowger_link::journal::FrameKind;
use strowger_model::Cdr;
use strowger_port::clock;
use strowger_port::journal_file::{Cursor, Entry, JournalReader, sync_segments};
use strowger_store::{Position as StoredPosition, Store};
use tokio::runtime::Handle;
use tracing::{error, warn};

/// Records of one transaction.
const BATCH_MAX: usize = 500;
/// Longest sleep between looks at the journal, milliseconds.
const LOOK_MS: u32 = 100;
/// Pause after the database refused.
const RETRY: Duration = Duration::from_millis(500);

/// What the intake needs.
pub(crate) struct Intake {
    /// The journal.
    pub(crate) directory: PathBuf,
    /// The node: whose journal it is.
    pub(crate) node: u32,
    /// Where it goes on.
    pub(crate) at: StoredPosition,
    /// The database.
    pub(crate) store: Store,
    /// The runtime that drives the database.
    pub(crate) runtime: Handle,
    /// Orders to the office.
    pub(crate) orders: Orders,
    /// The decider's word on how far the journal is durable.
    pub(crate) shared: Arc<Shared>,
    /// End after what is there.
    pub(crate) end: Arc<AtomicBool>,
}

/// A cursor in the store's form.
pub(crate) fn stored(cursor: Cursor) -> StoredPosition {
    StoredPosition {
        seq: cursor.next_seq,
        segment: cursor.position.segment.into(),
        offset: cursor.position.offset.into(),
    }
}

/// The store's form as a cursor; what does not fit was never written.
pub(crate) fn cursor(at: StoredPosition) -> Cursor {
    let part = |value: u64| u32::try_from(value).unwrap_or(u32::MAX);
    let position =
        strowger_link::journal::Position { segment: part(at.segment), offset: part(at.offset) };
    Cursor { position, next_seq: at.seq }
}

impl Intake {
    /// Runs until told to end, then takes what is left and returns.
    pub(crate) fn run(mut self) {
        loop {
            let ending = self.end.load(Ordering::Acquire);
            let taken = self.take_batch();
            if ending && !taken {
                return;
            }
            if !taken {
                self.shared.journal.drain();
                let _rung = self.shared.journal.wait(Some(LOOK_MS));
            }
        }
    }

    /// Takes one batch; `false` when nothing was there.
    fn take_batch(&mut self) -> bool {
        let mut reader = JournalReader::new(&self.directory, cursor(self.at));
        let mut batch: Vec<Cdr> = Vec::new();
        // While the dataplane lives, what is behind its durable mark could still be lost.
        let limit = position(self.shared.durable.load(Ordering::Acquire));
        let (mut frames, mut to) = (0usize, self.at);
        while batch.len() < BATCH_MAX {
            match reader.next(limit) {
                Ok(Entry::Frame { frame, cursor, .. }) => {
                    frames += 1;
                    to = stored(cursor);
                    if frame.kind == FrameKind::Ended {
                        batch.extend(compose(frame.payload));
                    }
                }
                Ok(Entry::Damaged { position, len }) => {
                    error!(
                        segment = position.segment,
                        offset = position.offset,
                        len,
                        "the journal is damaged; records may be missing"
                    );
                }
                Ok(Entry::Missing { after, before, frames }) => {
                    error!(after, before, frames, "frames of the journal are missing");
                }
                Ok(Entry::Wait) => break,
                Err(e) => {
                    warn!("journal: {e}");
                    break;
                }
            }
        }
        if batch.is_empty() {
            self.has_read(to);
        }
        if frames == 0 || (batch.is_empty() && frames < BATCH_MAX) {
            return false;
        }
        if limit.is_none() && !self.make_durable(to) {
            return false;
        }
        self.keep(batch.into(), to);
        true
    }

    /// Everything before `to` has been given to the decider.
    fn has_read(&self, to: StoredPosition) {
        self.shared.read.store(word(cursor(to).position), Ordering::Release);
    }

    /// A dataplane that died may have left frames that a power cut would still take, and a record
    /// in the books whose frame is gone would be written once more at the next boot.
    fn make_durable(&self, to: StoredPosition) -> bool {
        let numbers = cursor(self.at).position.segment..=cursor(to).position.segment;
        match sync_segments(&self.directory, numbers) {
            Ok(()) => true,
            Err(e) => {
                warn!("the journal cannot be made durable, its records wait: {e}");
                false
            }
        }
    }

    /// Charges, then stores, however long the database takes.
    fn keep(&mut self, batch: Arc<[Cdr]>, to: StoredPosition) {
        self.orders.give(Order::Settle(Arc::clone(&batch)));
        self.has_read(to);
        loop {
            let at_us = clock::wall_us();
            let ingest = self.store.ingest(self.node, self.at, to, &batch, at_us);
            match self.runtime.block_on(ingest) {
                Ok(ingested) => {
                    let number = ingested.batch.unsigned_abs();
                    self.orders.give(Order::Committed(number, batch));
                    self.at = to;
                    return;
                }
                Err(e) => {
                    warn!("the database does not take records, they wait in the journal: {e}");
                    if self.end.load(Ordering::Acquire) {
                        return;
                    }
                    std::thread::sleep(RETRY);
                }
            }
        }
    }
}

/// The records of one frame; a frame that cannot be read is an alarm and has none.
pub(crate) fn compose(payload: &[u8]) -> Vec<Cdr> {
    match decode::<CallFacts>(payload) {
        Ok(facts) => records(&facts, Mode::CalledLeg),
        Err(_) => {
            error!("a record of the journal cannot be read");
            Vec::new()
        }
    }
}
