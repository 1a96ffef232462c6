//! The journal on a simulated disk, by the bytes of its segments.
//!
//! A frame goes three ways: into the memory of the journal's thread, from there into the file, and
//! with a virtual fsync to the disk. A crash of the process loses the first kind and may cut the
//! write that was under way; a power cut loses any blocks of the second kind, later ones kept while
//! earlier ones are lost, the last one torn at any byte. What is left is read back by the scanner
//! of the product, and readers see only that.

use crate::dice::Dice;
use crate::fault::Plant;
use crate::io::{Clock, wall_us};
use crate::probe::{Place, SharedProbe};
use crate::step::{Plane, Step};
use crate::switch::Plugs;
use std::cell::RefCell;
use std::rc::Rc;
use strowger_link::codec::{decode, encode};
use strowger_link::journal::{
    Frame as Encoded, FrameKind, SEGMENT_HEADER_BYTES, Scan, Scanned, SegmentHeader,
};
use strowger_link::{CallFacts, Fact, MS, Tick};
use strowger_port::net::{JournalFull, JournalSink};

/// A frame waits so long for others, milliseconds.
const GROUP_MS: (u64, u64) = (0, 12);
/// An fsync takes so long, milliseconds.
const SYNC_MS: (u64, u64) = (1, 50);
/// Bytes that a disk writes whole.
const BLOCK: usize = 512;

/// One frame of the log; its sequence is its index plus 1.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Frame {
    /// Kind.
    pub kind: FrameKind,
    /// Body.
    pub payload: Vec<u8>,
    /// Life of the dataplane that wrote it.
    pub epoch: u32,
    /// Its shard.
    pub shard: u8,
}

/// The file of one life.
#[derive(Debug)]
struct Segment {
    header: SegmentHeader,
    /// What stands in the file, from its first byte on.
    bytes: Vec<u8>,
    /// So many bytes of it survive a power cut.
    synced: usize,
}

/// What the journal's thread does next.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Work {
    /// Nothing.
    None,
    /// Write what waits.
    Write(Tick),
    /// The fsync is done; it covers so many frames.
    Sync(Tick, usize),
}

/// The log of a host.
pub struct Disk {
    segments: Vec<Segment>,
    /// Frames in order that a reader finds, durable or not.
    pub frames: Vec<Frame>,
    /// So many of them survive a power cut.
    pub synced: usize,
    /// What readers are told is durable.
    pub published: usize,
    /// Frames in the memory of the journal's thread.
    queue: Vec<Frame>,
    work: Work,
    dice: Dice,
    probe: SharedProbe,
    /// The planted fault.
    pub plant: Option<Plant>,
    /// What must not happen and did.
    pub breaches: Vec<String>,
}

impl Disk {
    /// An empty disk.
    #[must_use]
    pub fn new(dice: Dice, probe: SharedProbe, plant: Option<Plant>) -> Disk {
        Disk {
            segments: Vec::new(),
            frames: Vec::new(),
            synced: 0,
            published: 0,
            queue: Vec::new(),
            work: Work::None,
            dice,
            probe,
            plant,
            breaches: Vec::new(),
        }
    }

    /// Frames that were handed over in the present life or that a reader finds, in order.
    pub fn all(&self) -> impl Iterator<Item = &Frame> {
        self.frames.iter().chain(&self.queue)
    }

    /// How many [`Disk::all`] has.
    #[must_use]
    pub fn count(&self) -> usize {
        self.frames.len() + self.queue.len()
    }

    /// When [`Disk::handle_timeout`] is due.
    #[must_use]
    pub fn poll_timeout(&self) -> Option<Tick> {
        match self.work {
            Work::None => None,
            Work::Write(at) | Work::Sync(at, _) => Some(at),
        }
    }

    /// A write or a sync may be due.
    pub fn handle_timeout(&mut self, now: Tick) {
        match self.work {
            Work::Write(at) if at <= now => {
                self.work = Work::None;
                self.write();
                let (least, most) = SYNC_MS;
                let done = now.plus_ns(self.dice.between(least * MS, most * MS));
                self.work = Work::Sync(done, self.frames.len());
            }
            Work::Sync(at, covers) if at <= now => {
                self.work = Work::None;
                self.sync(covers);
                self.begin(now);
            }
            Work::None | Work::Write(_) | Work::Sync(..) => {}
        }
    }

    /// Writes and syncs what waits, while whoever wants it waits.
    fn flush(&mut self) {
        self.work = Work::None;
        self.write();
        self.sync(self.frames.len());
    }

    fn write(&mut self) {
        for frame in std::mem::take(&mut self.queue) {
            let step = match frame.kind {
                FrameKind::Start => Some(Step::StartWritten),
                FrameKind::Ended => Some(Step::EndedWritten),
                FrameKind::Alive | FrameKind::Sealed | FrameKind::Origin | FrameKind::Other(_) => {
                    None
                }
            };
            if !self.begin_step(step) {
                return;
            }
            self.put(&frame);
            self.frames.push(frame);
            self.done_step(step);
        }
    }

    fn sync(&mut self, covers: usize) {
        let new = self.frames.get(self.synced..covers).unwrap_or_default();
        let has = |kind| new.iter().any(|frame| frame.kind == kind);
        let step = if has(FrameKind::Ended) {
            Some(Step::EndedDurable)
        } else {
            has(FrameKind::Start).then_some(Step::StartDurable)
        };
        if !self.begin_step(step) {
            return;
        }
        self.synced = self.synced.max(covers);
        self.published = self.published.max(self.synced);
        if let Some(segment) = self.segments.last_mut() {
            // Nothing is written while a sync runs.
            segment.synced = segment.bytes.len();
        }
        self.done_step(step);
    }

    fn begin_step(&self, step: Option<Step>) -> bool {
        step.is_none_or(|step| self.probe.borrow_mut().begin(step))
    }

    fn done_step(&self, step: Option<Step>) {
        step.into_iter().for_each(|step| self.probe.borrow_mut().done(step));
    }

    /// Encodes a frame behind what stands in the file of the present life.
    fn put(&mut self, frame: &Frame) {
        let seq = self.frames.len() as u64 + 1;
        let Some(segment) = self.segments.last_mut() else { return };
        let (kind, salt) = (frame.kind, segment.header.salt);
        let encoded = Encoded { kind, shard: frame.shard, seq, payload: &frame.payload };
        if encoded.encode_into(salt, &mut segment.bytes).is_err() {
            self.breaches.push(format!("a frame of {} bytes", frame.payload.len()));
        }
    }

    /// The dataplane's process died: what its journal's thread had not written is gone, and the
    /// write under way may have been cut.
    pub fn crash(&mut self) {
        self.work = Work::None;
        let queue = std::mem::take(&mut self.queue);
        let whole = self.dice.below(2 * queue.len() as u64 + 1) as usize;
        if whole >= queue.len() {
            return;
        }
        for frame in queue.into_iter().take(whole + 1) {
            self.put(&frame);
        }
        if let Some(segment) = self.segments.last_mut() {
            // The file was allocated whole: zeros stand where nothing was written.
            let end = segment.bytes.len();
            let cut = end.saturating_sub(1 + self.dice.below(24) as usize).max(segment.synced);
            segment.bytes.iter_mut().skip(cut).for_each(|byte| *byte = 0);
        }
        self.read_back();
    }

    /// The host lost power: of what was not synced, any blocks may be gone.
    pub fn cut_power(&mut self) {
        self.crash();
        let keeps = if self.dice.percent(40) { 0 } else { self.dice.between(30, 90) as u32 };
        for segment in &mut self.segments {
            let end = segment.bytes.len();
            let mut last_kept = None;
            for block in (segment.synced / BLOCK * BLOCK..end).step_by(BLOCK) {
                let (from, until) = (block.max(segment.synced), (block + BLOCK).min(end));
                if self.dice.percent(keeps) {
                    last_kept = Some((from, until));
                } else {
                    segment.bytes.iter_mut().take(until).skip(from).for_each(|byte| *byte = 0);
                }
            }
            // The last block that was written at all may be torn.
            if let Some((from, until)) = last_kept {
                let torn = self.dice.between(from as u64, until as u64) as usize;
                segment.bytes.iter_mut().take(until).skip(torn).for_each(|byte| *byte = 0);
            }
        }
        self.read_back();
        self.published = self.published.min(self.frames.len());
    }

    /// Reads the segments as the product reads them after a crash.
    fn read_back(&mut self) {
        let mut found = Vec::new();
        for segment in &self.segments {
            let mut scan = Scan::new(&segment.bytes, segment.header.salt);
            loop {
                match scan.next() {
                    Scanned::Frame { frame, .. } => found.push(Frame {
                        kind: frame.kind,
                        payload: frame.payload.to_vec(),
                        epoch: segment.header.epoch,
                        shard: frame.shard,
                    }),
                    Scanned::Damaged { .. } => {}
                    Scanned::End { .. } => break,
                }
            }
        }
        if found.get(..self.synced) != self.frames.get(..self.synced) {
            self.breaches.push("frames that were synced are not there after a crash".into());
        }
        self.frames = found;
        self.synced = self.synced.min(self.frames.len());
    }

    /// A later life opens the log and begins a new segment.
    pub fn reopen(&mut self, epoch: u32, now: Tick) {
        self.work = Work::None;
        self.synced = self.frames.len();
        self.published = self.synced;
        for segment in &mut self.segments {
            segment.synced = segment.bytes.len();
        }
        let header = SegmentHeader {
            node: crate::control::NODE,
            epoch,
            segment: self.segments.len() as u32,
            salt: self.dice.bits() as u32,
            base_seq: self.frames.len() as u64 + 1,
            created_us: wall_us(now),
        };
        let bytes = header.encode().to_vec();
        debug_assert_eq!(bytes.len(), SEGMENT_HEADER_BYTES);
        let synced = bytes.len();
        self.segments.push(Segment { header, bytes, synced });
    }

    /// The planted fault that gives a call another record in its second life.
    fn rename_adopted(&self, frame: &mut Frame) {
        let Ok(mut facts) = decode::<CallFacts>(&frame.payload) else { return };
        let former = self.frames.iter().any(|old| {
            old.kind == FrameKind::Start
                && old.epoch != frame.epoch
                && decode::<CallFacts>(&old.payload).is_ok_and(|old| old.record == facts.record)
        });
        if former {
            facts.record.0 += 1 << 20;
            frame.payload = encode(&facts);
        }
    }

    fn begin(&mut self, now: Tick) {
        if self.work == Work::None && !self.queue.is_empty() {
            let (least, most) = GROUP_MS;
            self.work = Work::Write(now.plus_ns(self.dice.between(least * MS, most * MS)));
        }
    }

    fn append(&mut self, mut frame: Frame, now: Tick) -> usize {
        let ended = frame.kind == FrameKind::Ended;
        if ended && self.plant == Some(Plant::ForgottenLegEnd) {
            forget_leg_end(&mut frame);
        }
        if ended && self.plant == Some(Plant::AdoptedRecordRenamed) {
            self.rename_adopted(&mut frame);
        }
        let lost = ended && self.plant == Some(Plant::LostRecord) && self.dice.percent(30);
        if !lost {
            self.queue.push(frame);
        }
        if self.plant == Some(Plant::DurableBeforeSync) {
            self.write();
            self.published = self.frames.len();
        }
        self.begin(now);
        self.count()
    }
}

/// The planted fault that leaves out how a called leg ended.
fn forget_leg_end(frame: &mut Frame) {
    if let Ok(mut facts) = decode::<CallFacts>(&frame.payload) {
        facts.facts.retain(|fact| !matches!(fact, Fact::LegEnded(ended) if ended.leg != 0));
        frame.payload = encode(&facts);
    }
}

/// A dataplane's handle on the log.
pub struct SimJournal {
    disk: Rc<RefCell<Disk>>,
    clock: Clock,
    probe: SharedProbe,
    epoch: u32,
    shard: u8,
    /// Frames that stood in the log before this life.
    base: usize,
}

impl SimJournal {
    /// The handle of a shard of the dataplane's life `epoch`. Shards count their frames together.
    #[must_use]
    pub fn new(plugs: &Plugs, epoch: u32, shard: u8) -> SimJournal {
        let (disk, clock) = (Rc::clone(&plugs.disk), Rc::clone(&plugs.clock));
        let base = disk.borrow().count();
        SimJournal { disk, clock, probe: Rc::clone(&plugs.probe), epoch, shard, base }
    }

    /// Writes the ends of these calls and waits until they are durable.
    ///
    /// # Errors
    /// The process died meanwhile.
    pub fn record(&mut self, calls: &[CallFacts]) -> Result<(), JournalFull> {
        for facts in calls {
            self.append(FrameKind::Ended, &encode(facts))?;
        }
        self.disk.borrow_mut().flush();
        if self.probe.borrow().is_dead(Plane::Data) { Err(JournalFull) } else { Ok(()) }
    }
}

impl JournalSink for SimJournal {
    fn append(&mut self, kind: FrameKind, payload: &[u8]) -> Result<u64, JournalFull> {
        let step = match kind {
            FrameKind::Start => Some(Step::StartAppended),
            FrameKind::Ended => Some(Step::EndedAppended),
            FrameKind::Alive | FrameKind::Sealed | FrameKind::Origin | FrameKind::Other(_) => None,
        };
        let mut probe = self.probe.borrow_mut();
        let alive = probe.effect(Place::Journal);
        probe.judge_frame(kind, payload);
        if !alive || !step.is_none_or(|step| probe.begin(step)) {
            return Err(JournalFull);
        }
        let frame = Frame { kind, payload: payload.to_vec(), epoch: self.epoch, shard: self.shard };
        let mut disk = self.disk.borrow_mut();
        // A fault writes at once, and the journal's thread takes its own steps then.
        drop(probe);
        let count = disk.append(frame, self.clock.get());
        drop(disk);
        let mut probe = self.probe.borrow_mut();
        step.into_iter().for_each(|step| probe.done(step));
        Ok((count - self.base) as u64)
    }

    fn durable(&self) -> u64 {
        let disk = self.disk.borrow();
        let early = disk.plant == Some(Plant::FreedBeforeDurable);
        let durable = if early { disk.count() } else { disk.published };
        durable.saturating_sub(self.base) as u64
    }

    fn reserve(&mut self, _bytes: u32) -> Result<(), JournalFull> {
        Ok(())
    }

    fn release(&mut self, _bytes: u32) {}
}
