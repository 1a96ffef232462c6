//! The journal on a simulated disk: frames are durable only after a virtual fsync, and a power cut
//! loses the others.

use crate::dice::Dice;
use crate::fault::Plant;
use crate::io::Clock;
use std::cell::RefCell;
use std::rc::Rc;
use strowger_link::journal::FrameKind;
use strowger_link::{MS, Tick};
use strowger_port::net::{JournalFull, JournalSink};

/// Group commit and fsync together take so long, milliseconds.
const SYNC_MS: (u64, u64) = (1, 60);

/// One frame of the log; its sequence is its index plus 1.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Frame {
    /// Kind.
    pub kind: FrameKind,
    /// Body.
    pub payload: Vec<u8>,
    /// Life of the dataplane that wrote it.
    pub epoch: u32,
}

/// The log of a host.
#[derive(Debug)]
pub struct Disk {
    /// Frames in order, durable or not.
    pub frames: Vec<Frame>,
    /// So many of them survive a power cut.
    pub synced: usize,
    /// What readers are told is durable.
    pub published: usize,
    /// When the sync under way is done, and how many frames it covers.
    sync: Option<(Tick, usize)>,
    dice: Dice,
    /// The planted fault.
    pub plant: Option<Plant>,
}

impl Disk {
    /// An empty disk.
    #[must_use]
    pub fn new(dice: Dice, plant: Option<Plant>) -> Disk {
        Disk { frames: Vec::new(), synced: 0, published: 0, sync: None, dice, plant }
    }

    /// When [`Disk::handle_timeout`] is due.
    #[must_use]
    pub fn poll_timeout(&self) -> Option<Tick> {
        self.sync.map(|(at, _)| at)
    }

    /// A sync may be done.
    pub fn handle_timeout(&mut self, now: Tick) {
        if let Some((at, covers)) = self.sync
            && at <= now
        {
            self.sync = None;
            self.synced = self.synced.max(covers);
            self.published = self.published.max(self.synced);
            self.begin_sync(now);
        }
    }

    /// The host lost power: what was not synced is gone.
    pub fn cut_power(&mut self) {
        self.frames.truncate(self.synced);
        self.sync = None;
    }

    /// A later life opens the log: what it finds in it is synced before it is told of.
    pub fn reopen(&mut self) {
        self.sync = None;
        self.synced = self.frames.len();
        self.published = self.synced;
    }

    fn begin_sync(&mut self, now: Tick) {
        if self.sync.is_none() && self.frames.len() > self.synced {
            let (least, most) = SYNC_MS;
            let at = now.plus_ns(self.dice.between(least * MS, most * MS));
            self.sync = Some((at, self.frames.len()));
        }
    }

    fn append(&mut self, frame: Frame, now: Tick) -> usize {
        let lost = frame.kind == FrameKind::Ended && self.plant == Some(Plant::LostRecord);
        if !(lost && self.dice.percent(30)) {
            self.frames.push(frame);
        }
        if self.plant == Some(Plant::DurableBeforeSync) {
            self.published = self.frames.len();
        }
        self.begin_sync(now);
        self.frames.len()
    }
}

/// A dataplane's handle on the log.
#[derive(Debug)]
pub struct SimJournal {
    disk: Rc<RefCell<Disk>>,
    clock: Clock,
    epoch: u32,
    /// Frames that stood in the log before this life.
    base: usize,
}

impl SimJournal {
    /// The handle of the dataplane's life `epoch`.
    #[must_use]
    pub fn new(disk: Rc<RefCell<Disk>>, clock: Clock, epoch: u32) -> SimJournal {
        let base = disk.borrow().frames.len();
        SimJournal { disk, clock, epoch, base }
    }
}

impl JournalSink for SimJournal {
    fn append(&mut self, kind: FrameKind, payload: &[u8]) -> Result<u64, JournalFull> {
        let frame = Frame { kind, payload: payload.to_vec(), epoch: self.epoch };
        let count = self.disk.borrow_mut().append(frame, self.clock.get());
        Ok((count - self.base) as u64)
    }

    fn durable(&self) -> u64 {
        self.disk.borrow().published.saturating_sub(self.base) as u64
    }

    fn reserve(&mut self, _bytes: u32) -> Result<(), JournalFull> {
        Ok(())
    }

    fn release(&mut self, _bytes: u32) {}
}
