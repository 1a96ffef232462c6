//! The intake's thread: journal frames to records, charged at once, stored exactly once.

use crate::decider::{Order, Orders, Shared, position, word};
use crate::radius::Accounting;
use crate::run::chain;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};
use strowger_billing::{LEVELS_MAX, Mode, records};
use strowger_link::CallFacts;
use strowger_link::codec::decode;
use strowger_link::journal::FrameKind;
use strowger_model::Cdr;
use strowger_port::clock;
use strowger_port::journal_file::{Cursor, Entry, JournalReader, sync_segments};
use strowger_store::{Ingested, Position as StoredPosition, RadiusEvent, Store, StoreError};
use tokio::runtime::Handle;
use tokio::task::JoinHandle;
use tracing::{error, warn};

/// Charges of one transaction: the till takes so many at a time.
const LINES_USUAL: usize = strowger_till::LINES_MAX - (LEVELS_MAX + 1) * RECORDS_PER_CALL_MAX;
/// Records of one call: its attempt and the branches that became calls of their own.
const RECORDS_PER_CALL_MAX: usize = 64;
/// Frames without a record that are worth a transaction.
const FRAMES_USUAL: usize = 500;
/// Least time from the beginning of one transaction to that of the next, unless one is full:
/// records are safe in the journal, and ten of them cost the database little more than one.
const PACE: Duration = Duration::from_millis(100);
/// Least time between two looks at a journal that grows, while a transaction is gathered: what came
/// meanwhile is charged together, and the decider woken once for it.
const CHARGE_PACE: Duration = Duration::from_millis(20);
/// Longest that the database may take for one stretch.
const STORE_MAX: Duration = Duration::from_secs(60);
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
    /// Where the database is.
    pub(crate) at: StoredPosition,
    /// How far records are charged, never behind `at`.
    pub(crate) charged: StoredPosition,
    /// The database.
    pub(crate) store: Store,
    /// The runtime that drives the database.
    pub(crate) runtime: Handle,
    /// Orders to the office.
    pub(crate) orders: Orders,
    /// The decider's word on how far the journal is durable.
    pub(crate) shared: Arc<Shared>,
    /// Who else is told of calls.
    pub(crate) accounting: Accounting,
    /// End after what is there.
    pub(crate) end: Arc<AtomicBool>,
    /// The reader of the last stretch, when the next goes on behind it.
    pub(crate) reader: Option<JournalReader>,
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

/// A stretch of the journal.
#[derive(Default)]
struct Stretch {
    records: Arc<[Cdr]>,
    /// How many of them, in front, are charged already.
    charged: usize,
    /// Their charges.
    lines: usize,
    /// What RADIUS servers are to be told.
    events: Arc<[RadiusEvent]>,
    to: StoredPosition,
    /// The dataplane, which lives, says that it is durable.
    is_durable: bool,
}

/// Charges of all parts.
fn lines(parts: &[Stretch]) -> usize {
    parts.iter().map(|part| part.lines).sum()
}

/// No more goes into a transaction of these.
fn is_full(parts: &[Stretch], batch_usual: usize) -> bool {
    let records: usize = parts.iter().map(|part| part.records.len()).sum();
    records >= batch_usual || lines(parts) >= LINES_USUAL
}

/// Parts that follow each other, as one; all but the first are charged.
fn joined(mut parts: Vec<Stretch>) -> Stretch {
    let lines = lines(&parts);
    let records = parts.iter().flat_map(|part| part.records.iter());
    let records = (parts.len() > 1).then(|| records.cloned().collect::<Arc<[Cdr]>>());
    let events = parts.iter().flat_map(|part| part.events.iter()).cloned().collect();
    let last = parts.pop().unwrap_or_default();
    match records {
        Some(records) => Stretch { charged: records.len(), records, lines, events, ..last },
        None => last,
    }
}

/// What became of a stretch.
enum Outcome {
    /// In the database, by this batch; with its records where packets of money paid of some.
    Stored(i64, Option<Arc<[Cdr]>>),
    /// Not there; it waits in the journal.
    Refused,
    /// Till and books differ: the cursor is where this process did not put it, or the journal had
    /// records twice. It must not go on.
    Lost,
}

impl Intake {
    /// Runs until told to end, then takes what is left and returns. It returns as well when the
    /// database was put back under it: only a boot makes the balances true again.
    ///
    /// While the database refuses, records wait in the journal and not in memory: what was read
    /// ahead is charged, so that its holds are given back and balances stay true, and forgotten.
    pub(crate) fn run(mut self) {
        let (mut next, mut began) = (None, None::<Instant>);
        loop {
            let ending = self.end.load(Ordering::Acquire);
            let Some(stretch) = next.take().or_else(|| self.read(self.at, LINES_USUAL)) else {
                if ending {
                    return;
                }
                self.shared.journal.drain();
                let _rung = self.shared.journal.wait(Some(LOOK_MS));
                continue;
            };
            self.charge(&stretch);
            let pause = began.map_or(Duration::ZERO, |at| PACE.saturating_sub(at.elapsed()));
            let stretch = self.gather(stretch, pause);
            began = Some(Instant::now());
            if !stretch.is_durable && !self.make_durable(stretch.to) {
                if ending {
                    return;
                }
                std::thread::sleep(RETRY);
                continue;
            }
            let kept = self.accounting.room(stretch.events.len());
            let storing = self.begin_to_store(&stretch, kept);
            // Behind a full stretch the next one is read and rated while the database writes.
            let goes_on = is_full(std::slice::from_ref(&stretch), self.store.batch_usual());
            let read_ahead = goes_on.then(|| self.read(stretch.to, LINES_USUAL)).flatten();
            if let Some(ahead) = &read_ahead {
                self.charge(ahead);
            }
            match self.outcome(storing, &stretch) {
                Outcome::Stored(batch, paid) => {
                    self.at = stretch.to;
                    self.publish();
                    let lost = stretch.events.len().saturating_sub(kept);
                    self.accounting.queued(kept, lost);
                    let number = batch.unsigned_abs();
                    let records = paid.unwrap_or(stretch.records);
                    self.orders.give(Order::Committed(number, records));
                    next =
                        read_ahead.map(|ahead| Stretch { charged: ahead.records.len(), ..ahead });
                }
                Outcome::Refused if ending => return,
                Outcome::Refused => {
                    drop(read_ahead);
                    self.charge_ahead();
                    std::thread::sleep(RETRY);
                    next = Some(Stretch { charged: stretch.records.len(), ..stretch });
                }
                Outcome::Lost => return,
            }
        }
    }

    /// What comes within `pause` joins a stretch that is not full, and is charged at once.
    fn gather(&mut self, stretch: Stretch, pause: Duration) -> Stretch {
        let until = Instant::now() + pause;
        let batch_usual = self.store.batch_usual();
        let mut parts = vec![stretch];
        while let Some(last) = parts.last().filter(|last| last.is_durable)
            && !is_full(&parts, batch_usual)
            && !self.end.load(Ordering::Acquire)
        {
            let (to, room) = (last.to, LINES_USUAL.saturating_sub(lines(&parts)));
            let rest = until.saturating_duration_since(Instant::now());
            let Ok(rest_ms @ 1..) = u32::try_from(rest.as_millis()) else { break };
            let _rung = self.shared.journal.wait(Some(rest_ms));
            let rest = until.saturating_duration_since(Instant::now());
            std::thread::sleep(rest.min(CHARGE_PACE));
            if let Some(more) = self.read(to, room) {
                self.charge(&more);
                parts.push(more);
            }
        }
        joined(parts)
    }

    /// Tells the dataplane how far the journal is no longer needed for the database.
    fn publish(&self) {
        self.shared.stored.store(word(cursor(self.at).position), Ordering::Release);
    }

    /// Everything before the end of what is charged has been given to the decider.
    fn has_charged(&mut self, to: StoredPosition) {
        self.charged = self.charged.max(to);
        let word = word(cursor(self.charged).position);
        self.shared.read.store(word, Ordering::Release);
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

    /// The next stretch behind `from`, if it holds a record; of about so many charges at most.
    fn read(&mut self, from: StoredPosition, lines_usual: usize) -> Option<Stretch> {
        let kept = self.reader.take().filter(|reader| reader.cursor() == cursor(from));
        let mut reader = kept.unwrap_or_else(|| JournalReader::new(&self.directory, cursor(from)));
        let (mut records, mut events) = (Vec::<Cdr>::new(), Vec::<RadiusEvent>::new());
        // While the dataplane lives, what is behind its durable mark could still be lost.
        let limit = position(self.shared.durable.load(Ordering::Acquire));
        let (mut lines, mut charged, mut frames, mut to) = (0, 0, 0usize, from);
        let most = self.store.batch_usual();
        while records.len() < most && events.len() < most && lines < lines_usual {
            match reader.next(limit) {
                Ok(Entry::Frame { frame, cursor, .. }) => {
                    frames += 1;
                    to = stored(cursor);
                    if frame.kind == FrameKind::Ended {
                        let new = compose(frame.payload);
                        events.extend(self.accounting.stops(&new, frame.payload));
                        lines += new.iter().map(|cdr| cdr.charges().count()).sum::<usize>();
                        records.extend(new);
                    } else if frame.kind == FrameKind::Start {
                        events.extend(self.accounting.starts(frame.payload));
                    }
                    if to.seq <= self.charged.seq {
                        charged = records.len();
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
        self.reader = Some(reader);
        if records.is_empty() {
            self.has_charged(to);
        }
        // Marks of life alone are worth a transaction only now and then.
        let has_news = !records.is_empty() || !events.is_empty();
        let worth_it = has_news || frames >= FRAMES_USUAL;
        worth_it.then(|| Stretch {
            records: records.into(),
            charged,
            lines,
            events: events.into(),
            to,
            is_durable: limit.is_some(),
        })
    }

    /// Charges what of a stretch is not charged yet.
    fn charge(&mut self, stretch: &Stretch) {
        match stretch.records.get(stretch.charged..) {
            None | Some([]) => {}
            Some(all) if all.len() == stretch.records.len() => {
                self.orders.give(Order::Settle(Arc::clone(&stretch.records)));
            }
            Some(some) => {
                self.orders.give(Order::Settle(some.into()));
            }
        }
        self.has_charged(stretch.to);
    }

    /// Charges everything that is in the journal, and keeps none of it.
    fn charge_ahead(&mut self) {
        while !self.end.load(Ordering::Acquire)
            && let Some(stretch) = self.read(self.charged, LINES_USUAL)
        {
            self.charge(&stretch);
        }
    }

    /// Gives a stretch to the database, on the runtime's threads, with so many of its events.
    fn begin_to_store(
        &self,
        stretch: &Stretch,
        kept: usize,
    ) -> JoinHandle<Result<Ingested, StoreError>> {
        let (store, node, from) = (self.store.clone(), self.node, self.at);
        let (records, to) = (Arc::clone(&stretch.records), stretch.to);
        let events = Arc::clone(&stretch.events);
        self.runtime.spawn(async move {
            let events = events.get(..kept).unwrap_or(&events);
            let told = (&records[..], events);
            store.ingest_telling(node, (from, to), told, clock::wall_us()).await
        })
    }

    /// Waits for the database, but not for ever.
    fn outcome(
        &self,
        storing: JoinHandle<Result<Ingested, StoreError>>,
        stretch: &Stretch,
    ) -> Outcome {
        let stop = storing.abort_handle();
        let waited =
            self.runtime.block_on(async { tokio::time::timeout(STORE_MAX, storing).await });
        match waited {
            Ok(Ok(Ok(Ingested { batch, doubled: 0, records, .. }))) => {
                Outcome::Stored(batch, records.map(Arc::from))
            }
            Ok(Ok(Ok(Ingested { batch, doubled, .. }))) => {
                error!(batch, doubled, "the journal had records twice, they are stored once");
                Outcome::Lost
            }
            Ok(Ok(Err(StoreError::Cursor { .. }))) => self.look_for(stretch),
            Ok(Ok(Err(e))) => {
                warn!(
                    "the database does not take records, they wait in the journal: {}",
                    chain(&e)
                );
                Outcome::Refused
            }
            Ok(Err(e)) => {
                error!("storing records ended early: {e}");
                Outcome::Refused
            }
            Err(_) => {
                stop.abort();
                warn!("the database took longer than {STORE_MAX:?}, records wait in the journal");
                Outcome::Refused
            }
        }
    }

    /// The cursor is elsewhere. A commit whose answer was lost is there all the same.
    fn look_for(&self, stretch: &Stretch) -> Outcome {
        let reader = self.store.reader();
        let asked = self.runtime.block_on(async {
            let cursors = reader.cursors().await?;
            Ok::<_, StoreError>((cursors, reader.last_batch(self.node).await?))
        });
        let (cursors, batch) = match asked {
            Ok(answer) => answer,
            Err(e) => {
                warn!("the journal's cursor cannot be read: {}", chain(&e));
                return Outcome::Refused;
            }
        };
        let at = cursors.iter().find(|taken| taken.origin == self.node).map(|taken| taken.at);
        match (at, batch) {
            (Some(at), Some(batch)) if at == stretch.to => {
                match self.runtime.block_on(reader.paid_by_packets(&stretch.records)) {
                    Ok(paid) => Outcome::Stored(batch, paid.map(Arc::from)),
                    Err(e) => {
                        warn!("what packets paid cannot be read: {}", chain(&e));
                        Outcome::Refused
                    }
                }
            }
            _ => {
                error!(?at, expected = ?self.at, "somebody else moved the journal's cursor");
                Outcome::Lost
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

#[cfg(test)]
mod faults;
