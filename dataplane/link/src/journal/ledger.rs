//! Answered calls that have no end in the journal: read frame by frame, and ended at the last mark
//! of the life that carried them.
//!
//! `Start` opens a call, `Ended` closes it, `Alive` says how far a life came and, once a minute,
//! which calls it carries. Which frames are to be read is the reader's business: the newest ones in
//! order by [`Ledger::take`], back to the second last list of calls; then, newest first, older ones
//! by [`Ledger::take_wanted`] while [`Ledger::wants`]; [`Ledger::forget`] for calls that the call
//! table has; [`Ledger::close`] at the end.
//!
//! Ticks of different boots are not comparable, and none are compared.

use std::collections::BTreeMap;

use super::{Frame, FrameKind, Progress};
use crate::codec::decode;
use crate::{Alive, CallFacts, Reason, RecordId, Tick};

impl Alive {
    /// The mark that a frame is.
    #[must_use]
    pub fn of_frame(frame: &Frame<'_>) -> Option<Alive> {
        if frame.kind == FrameKind::Alive { decode(frame.payload).ok() } else { None }
    }
}

/// What the journal knows of calls that were cut off.
#[derive(Clone, PartialEq, Eq, Default, Debug)]
pub struct CutOff {
    /// Their facts, ended.
    pub calls: Vec<CallFacts>,
    /// Calls that were answered and of which nothing else is known.
    pub unknown: usize,
}

/// What is known so far. As many calls as ran at a time, as many epochs as segments were read.
#[derive(Clone, Default, Debug)]
pub struct Ledger {
    /// Answered, and the last life that is known to have carried them.
    open: BTreeMap<RecordId, (CallFacts, u32)>,
    /// Listed, and their `Start` stands further back; and that life.
    wanted: BTreeMap<RecordId, u32>,
    /// The last mark of each life.
    marks: BTreeMap<u32, Tick>,
    progress: Option<Progress>,
}

impl Ledger {
    /// The next frame, of a segment of life `epoch`: first those of the newest segments, in order.
    pub fn take(&mut self, epoch: u32, frame: &Frame<'_>) {
        // The seal has the number of the frame that would have come; it is none itself.
        if frame.kind == FrameKind::Sealed {
            return;
        }
        // After a failed sync frames stand twice.
        let progress = self.progress.get_or_insert(Progress::before(frame.seq));
        if progress.take(frame.seq).is_none() {
            return;
        }
        match frame.kind {
            FrameKind::Start => {
                if let Ok(facts) = decode::<CallFacts>(frame.payload) {
                    self.wanted.remove(&facts.record);
                    self.open.insert(facts.record, (facts, epoch));
                }
            }
            FrameKind::Ended => {
                if let Ok(facts) = decode::<CallFacts>(frame.payload) {
                    self.forget(facts.record);
                }
            }
            FrameKind::Alive => {
                if let Some(alive) = Alive::of_frame(frame) {
                    self.mark(epoch, &alive);
                }
            }
            FrameKind::Sealed | FrameKind::Origin | FrameKind::Other(_) => {}
        }
    }

    fn mark(&mut self, epoch: u32, alive: &Alive) {
        let last = self.marks.entry(epoch).or_insert(alive.at);
        *last = alive.at.max(*last);
        for record in &alive.live {
            match self.open.get_mut(record) {
                Some((_, carried_by)) => *carried_by = epoch,
                None => {
                    self.wanted.insert(*record, epoch);
                }
            }
        }
    }

    /// Calls are listed whose `Start` was not among the frames taken.
    #[must_use]
    pub fn wants(&self) -> bool {
        !self.wanted.is_empty()
    }

    /// A frame before those taken: only the `Start` of a call that is wanted counts.
    pub fn take_wanted(&mut self, frame: &Frame<'_>) {
        if frame.kind != FrameKind::Start {
            return;
        }
        let Ok(facts) = decode::<CallFacts>(frame.payload) else { return };
        if let Some(epoch) = self.wanted.remove(&facts.record) {
            self.open.insert(facts.record, (facts, epoch));
        }
    }

    /// This call has an end, or stands in the call table.
    pub fn forget(&mut self, record: RecordId) {
        self.open.remove(&record);
        self.wanted.remove(&record);
    }

    /// Ends what is open.
    #[must_use]
    pub fn close(self) -> CutOff {
        let Ledger { open, wanted, marks, progress: _ } = self;
        let close = |(mut facts, epoch): (CallFacts, u32)| {
            // Without a mark the last fact is the last sign: `close_at` never goes below it.
            let last = marks.get(&epoch).copied().unwrap_or_default();
            facts.close_at(last, Reason::HostLost);
            facts
        };
        CutOff { calls: open.into_values().map(close).collect(), unknown: wanted.len() }
    }
}
