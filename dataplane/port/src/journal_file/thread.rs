//! The writer's thread: group commit.

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread::JoinHandle;

use strowger_link::Tick;
use strowger_link::journal::{FrameKind, Position, Scan, Scanned, SegmentHeader};
use strowger_link::ring::{self, Consumer, Producer};

use super::disk::{Directory, Disk, list_segments, segment_path};
use super::handle::{JournalHandle, Queue};
use super::keep::Keeper;
use super::space::Space;
use super::write::{GroupFull, Identity, Log};
use super::{GROUP_MS_MAX, JournalConfig, SEGMENT_BYTES_MAX, SEGMENT_BYTES_MIN};
use crate::eventfd::EventFd;
use crate::{clock, rng};

/// Most shards of one journal.
const SHARDS_MAX: usize = 255;
/// Without work the thread looks after spare segments this often.
const IDLE_MS: u32 = 1_000;
/// Old segments are looked for this often.
const TIDY_NS: u64 = 2 * strowger_link::SECOND;
/// Pause after a disk that took no segment at all.
const RETRY_MS: u32 = 100;

/// The running writer. Dropping it (or [`Journal::stop`]) makes all that was handed over durable.
pub struct Journal {
    shared: Arc<Shared>,
    thread: Option<JoinHandle<()>>,
}

/// How the writer is.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Health {
    /// The last commit failed in every segment tried: frames wait in memory. An alarm.
    pub failing: bool,
    /// The disk has no room for another segment.
    pub full: bool,
    /// Failed writes and syncs since the start. More than 0 is an alarm.
    pub disk_errors: u64,
    /// Number, in the log, of the last durable frame.
    pub durable_seq: u64,
}

struct Shared {
    /// Rung for anything.
    bell: EventFd,
    /// Rung beside it when the group is not to be waited for.
    hurry: EventFd,
    stop: AtomicBool,
    failing: AtomicBool,
    full: AtomicBool,
    disk_errors: AtomicU64,
    durable_seq: AtomicU64,
}

impl Journal {
    /// Opens the directory, finds the log's end, begins a new segment and starts the thread.
    ///
    /// One handle per waker, in order; the waker is rung when the shard's durable number has grown.
    /// `publish` is called in the writer's thread with each new end of the durable log; switchd
    /// writes it into its call tables ([`strowger_link::table::publish_durable`]).
    ///
    /// # Errors
    /// `ResourceBusy`: another process has the directory. `InvalidInput`: a size out of bounds.
    /// Else the system's error.
    pub fn start(
        config: &JournalConfig,
        wakers: Vec<EventFd>,
        publish: impl FnMut(Position) + Send + 'static,
    ) -> io::Result<(Journal, Vec<JournalHandle>)> {
        let sizes = (SEGMENT_BYTES_MIN..=SEGMENT_BYTES_MAX).contains(&config.segment_bytes);
        let counts = (1..=SHARDS_MAX).contains(&wakers.len()) && config.group_ms <= GROUP_MS_MAX;
        if !(sizes && counts) {
            return Err(io::ErrorKind::InvalidInput.into());
        }
        let directory = Directory::open(&config.directory)?;
        let (next_segment, next_seq) = log_end(config)?;
        let salt = rng::random_u64()? as u32;
        let identity = Identity { node: config.node, epoch: config.epoch, salt };
        let space = Arc::new(Space::default());
        let (bytes, room) = (config.segment_bytes, Arc::clone(&space));
        let mut log = Log::new(directory, identity, bytes, room, next_segment, next_seq);
        log.maintain()?;
        let shared = Arc::new(Shared {
            bell: EventFd::new()?,
            hurry: EventFd::new()?,
            stop: AtomicBool::new(false),
            failing: AtomicBool::new(false),
            full: AtomicBool::new(false),
            disk_errors: AtomicU64::new(0),
            durable_seq: AtomicU64::new(log.durable_seq()),
        });
        let (mut inlets, mut handles) = (Vec::new(), Vec::new());
        for (shard, waker) in (0u8..).zip(wakers) {
            let (queue, words) = queue(config.queue_words)?;
            let durable = Arc::new(AtomicU64::new(0));
            let consumer = Consumer::attach(words).map_err(|_| io::ErrorKind::InvalidInput)?;
            let (bell, hurry) = (shared.bell.try_clone()?, shared.hurry.try_clone()?);
            let (room, durable_in) = (Arc::clone(&space), Arc::clone(&durable));
            handles.push(JournalHandle::new(queue, bell, hurry, room, durable_in));
            inlets.push(Inlet::new(shard, consumer, waker, durable));
        }
        let (group_ms, publish) = (config.group_ms, Box::new(publish));
        let keeper = Keeper {
            directory: config.directory.clone(),
            keep_s: config.keep_s,
            waiting_bytes_max: config.waiting_bytes_max,
        };
        let tidy_at = clock::monotonic();
        let shared_in = Arc::clone(&shared);
        let mut writer =
            Writer { log, inlets, shared: shared_in, group_ms, publish, space, keeper, tidy_at };
        let builder = std::thread::Builder::new().name("journal".into());
        let thread = Some(builder.spawn(move || writer.run())?);
        Ok((Journal { shared, thread }, handles))
    }

    /// How the writer is.
    #[must_use]
    pub fn health(&self) -> Health {
        Health {
            failing: self.shared.failing.load(Ordering::Relaxed),
            full: self.shared.full.load(Ordering::Relaxed),
            disk_errors: self.shared.disk_errors.load(Ordering::Relaxed),
            durable_seq: self.shared.durable_seq.load(Ordering::Acquire),
        }
    }

    /// Makes all that was handed over durable, seals the segment, ends the thread.
    pub fn stop(mut self) {
        self.join();
    }

    fn join(&mut self) {
        self.shared.stop.store(true, Ordering::Release);
        self.shared.hurry.ring();
        self.shared.bell.ring();
        if let Some(thread) = self.thread.take() {
            // It does not panic; if it did, there would be nothing more to do.
            let _ = thread.join();
        }
    }
}

impl Drop for Journal {
    fn drop(&mut self) {
        self.join();
    }
}

/// One shard's queue, seen from the thread.
struct Inlet {
    shard: u8,
    consumer: Consumer<Queue>,
    waker: EventFd,
    /// Frames of this shard that are durable.
    durable: Arc<AtomicU64>,
    /// Frames of this shard that were given to the log.
    taken: u64,
    /// `buffer` holds a frame that did not fit into the last group.
    held: bool,
    buffer: Vec<u8>,
}

impl Inlet {
    fn new(shard: u8, consumer: Consumer<Queue>, waker: EventFd, durable: Arc<AtomicU64>) -> Inlet {
        let (held, buffer) = (false, Vec::new());
        Inlet { shard, consumer, waker, durable, taken: 0, held, buffer }
    }

    /// Gives the next frame to the log; `false` = there is none, or the group is full.
    fn give(&mut self, log: &mut Log<impl Disk>) -> bool {
        if !self.held {
            // Our own memory: nobody breaks this ring.
            self.held = matches!(self.consumer.pop(&mut self.buffer), Ok(Some(_)));
        }
        let Some((code, payload)) = self.buffer.split_first().filter(|_| self.held) else {
            return false;
        };
        let pushed = log.push(FrameKind::from_code(*code), self.shard, payload);
        self.held = pushed == Err(GroupFull);
        self.taken += u64::from(!self.held);
        !self.held
    }
}

struct Writer<D: Disk> {
    log: Log<D>,
    inlets: Vec<Inlet>,
    shared: Arc<Shared>,
    group_ms: u32,
    publish: Box<dyn FnMut(Position) + Send>,
    space: Arc<Space>,
    keeper: Keeper,
    tidy_at: Tick,
}

impl<D: Disk> Writer<D> {
    fn run(&mut self) {
        loop {
            self.sleep();
            let stopping = self.shared.stop.load(Ordering::Acquire);
            let waiting = self.inlets.iter_mut().any(|inlet| !inlet.consumer.prepare_sleep());
            self.inlets.iter_mut().for_each(|inlet| inlet.consumer.finish_sleep());
            if waiting && !stopping {
                // Others join the group.
                let _ = self.shared.hurry.wait(Some(self.group_ms));
            }
            while self.fill_group() && self.commit(stopping) {}
            let full = self.log.maintain().is_err();
            self.shared.full.store(full, Ordering::Relaxed);
            self.tidy();
            if stopping {
                self.log.seal();
                return;
            }
        }
    }

    fn tidy(&mut self) {
        let now = clock::monotonic();
        if now >= self.tidy_at {
            self.tidy_at = now.plus_ns(TIDY_NS);
            // A directory that cannot be read is looked at again; writing shows what is wrong.
            let _again = self.keeper.tidy(&self.space, clock::wall_us() / 1_000_000);
        }
    }

    /// Until a shard hands something over, or it is time to look after spares.
    fn sleep(&mut self) {
        let asleep = self.inlets.iter_mut().all(|inlet| inlet.consumer.prepare_sleep());
        if asleep && !self.shared.stop.load(Ordering::Acquire) {
            let _ = self.shared.bell.wait(Some(IDLE_MS));
        }
        self.inlets.iter_mut().for_each(|inlet| inlet.consumer.finish_sleep());
    }

    /// Takes frames until the queues are empty or the group is full; `true` = there is a group.
    fn fill_group(&mut self) -> bool {
        for inlet in &mut self.inlets {
            while inlet.give(&mut self.log) {}
        }
        !self.log.is_empty()
    }

    /// Makes the group durable and says so; `false` = given up, because the process ends.
    fn commit(&mut self, stopping: bool) -> bool {
        loop {
            let committed = self.log.commit();
            self.shared.disk_errors.store(self.log.disk_errors(), Ordering::Relaxed);
            self.shared.failing.store(committed.is_err(), Ordering::Relaxed);
            match committed {
                Ok(position) => {
                    self.announce(position);
                    return true;
                }
                Err(_) if stopping => return false,
                Err(_) => {
                    let _ = self.shared.hurry.wait(Some(RETRY_MS));
                    if self.shared.stop.load(Ordering::Acquire) {
                        return false;
                    }
                }
            }
        }
    }

    fn announce(&mut self, position: Position) {
        self.shared.durable_seq.store(self.log.durable_seq(), Ordering::Release);
        (self.publish)(position);
        for inlet in &self.inlets {
            if inlet.durable.swap(inlet.taken, Ordering::AcqRel) != inlet.taken {
                inlet.waker.ring();
            }
        }
    }
}

fn queue(words: u32) -> io::Result<(Producer<Queue>, Queue)> {
    let count = usize::try_from(words).map_err(|_| io::ErrorKind::InvalidInput)?;
    let words = (0..ring::words_needed(count)).map(|_| AtomicU64::new(0));
    let words: Queue = words.collect();
    ring::format(&words).map_err(|_| io::ErrorKind::InvalidInput)?;
    let producer = Producer::attach(Arc::clone(&words));
    Ok((producer.map_err(|_| io::ErrorKind::InvalidInput)?, words))
}

/// Numbers for the next segment and frame: above all found, and above the wall clock, so that a
/// lost directory does not make numbers come again that a reader has behind it.
fn log_end(config: &JournalConfig) -> io::Result<(u32, u64)> {
    let numbers = list_segments(&config.directory)?;
    let wall_us = u64::try_from(clock::wall_us()).unwrap_or(0);
    let wall_s = u32::try_from(wall_us / 1_000_000).unwrap_or(0);
    let next_segment = numbers.last().map_or(wall_s, |last| last.saturating_add(1));
    let mut next_seq = wall_us;
    for number in numbers.iter().rev() {
        let bytes = std::fs::read(segment_path(&config.directory, *number))?;
        if let Ok(header) = SegmentHeader::decode(&bytes) {
            next_seq = next_seq.max(segment_end(&header, &bytes));
            break;
        }
    }
    Ok((next_segment, next_seq))
}

/// The number after the last frame of a segment.
fn segment_end(header: &SegmentHeader, bytes: &[u8]) -> u64 {
    let mut next = header.base_seq;
    let mut scan = Scan::new(bytes, header.salt);
    loop {
        match scan.next() {
            Scanned::Frame { frame, .. } if frame.kind == FrameKind::Sealed => {}
            Scanned::Frame { frame, .. } => next = next.max(frame.seq.saturating_add(1)),
            Scanned::Damaged { .. } => {}
            Scanned::End { .. } => return next,
        }
    }
}
