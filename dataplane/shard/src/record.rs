//! State before effect: the call table and the journal.

use crate::Shard;
use std::sync::atomic::AtomicU64;
use strowger_call::{Entry, Shown};
use strowger_link::codec::{Octets, Wire, encode};
use strowger_link::journal::FrameKind;
use strowger_link::table::{SlotState, WriteError};
use strowger_link::{ALIVE_LIST_MAX, Alive, CallFacts, OriginMark, RecordId, SlotRef, Tick, Up};
use strowger_port::net::{Io, JournalSink, Lane, PlaneLink};

/// A journal frame that found no room yet.
#[derive(Debug)]
pub(crate) struct Unwritten {
    kind: FrameKind,
    slot: SlotRef,
    payload: Vec<u8>,
}

impl<I: Io, J: JournalSink, L: PlaneLink, W: AsRef<[AtomicU64]>> Shard<I, J, L, W> {
    /// Writes a call's slot, a [`SlotBody`](strowger_link::SlotBody). A call that finds no room
    /// runs on and is not recoverable: counted.
    pub(crate) fn write_slot(&mut self, slot: SlotRef) {
        let mut body = core::mem::take(&mut self.body);
        body.clear();
        if let Some(shown) = self.calls.put_facts(slot, &mut body) {
            let facts_len = body.len();
            self.put_image(slot, &mut body);
            let written = self.put_slot(slot, shown, &body);
            self.counts.table_full += u64::from(written.is_err());
            if matches!(written, Err(WriteError::NoChunks | WriteError::TooLong)) {
                // Its record matters more than its life.
                body.truncate(facts_len);
                Octets::default().put(&mut body);
                let _no_room_at_all = self.put_slot(slot, shown, &body);
            }
        }
        self.body = body;
    }

    fn put_slot(&mut self, slot: SlotRef, shown: Shown, body: &[u8]) -> Result<(), WriteError> {
        let Shown { state, record, ask } = shown;
        match self.table.write(slot, state, ask, body) {
            Err(WriteError::Stale) => {
                let now = self.io.now();
                self.table.open_at(slot, record, ask, body, now)?;
                self.table.set_state(slot, state)
            }
            other => other,
        }
    }

    /// The call of a slot that was written at its end leaves: its image stays as it is.
    pub(crate) fn let_slot_leave(&mut self, slot: SlotRef) {
        // One that never found room has nothing to say after a crash.
        let _not_there = self.table.set_state(slot, SlotState::Leaving);
    }

    /// The slot is free; a slot that never found room has nothing to free.
    pub(crate) fn free_slot(&mut self, slot: SlotRef) {
        let _not_there = self.table.close(slot);
    }

    /// Hands a call's frame to the journal.
    pub(crate) fn journal_call(&mut self, entry: Entry, slot: SlotRef, facts: &CallFacts) {
        let kind = match entry {
            Entry::Start => FrameKind::Start,
            Entry::Ended => FrameKind::Ended,
        };
        self.unwritten.push_back(Unwritten { kind, slot, payload: encode(facts) });
    }

    /// Notes in the journal whose records those of `origin` are, in front of all of them.
    pub(crate) fn mark_origin(&mut self, origin: u32) {
        let boot = self.table.setup().boot_id.to_le_bytes();
        let payload = encode(&OriginMark { origin, boot });
        let (kind, slot) = (FrameKind::Origin, SlotRef::default());
        self.unwritten.push_back(Unwritten { kind, slot, payload });
    }

    /// Appends what waits, in order; what finds no room waits on. At most as many frames wait as
    /// there are slots, because a slot is not freed before its record is durable.
    pub(crate) fn write_journal(&mut self) {
        while let Some(next) = self.unwritten.front() {
            match self.journal.append(next.kind, &next.payload) {
                Ok(seq) => {
                    if next.kind == FrameKind::Ended {
                        self.calls.journaled(next.slot, seq);
                    }
                    self.unwritten.pop_front();
                }
                Err(_) => {
                    self.counts.journal_full += 1;
                    return;
                }
            }
        }
    }

    /// Frees slots whose records are durable, and rings the control plane.
    pub(crate) fn durable(&mut self) {
        self.write_journal();
        let durable = self.journal.durable();
        if durable > self.durable_told {
            self.durable_told = durable;
            self.calls.handle_durable(durable);
            // A doorbell that finds no room is no loss: the next one says more.
            let _lost = self.link.send(Lane::Calls, &Up::Journal(durable).to_bytes());
            self.settle(self.io.now());
        }
    }

    /// The journal's mark of life, several when it lists many calls; one that finds no room is left
    /// out.
    pub(crate) fn mark_alive(&mut self, now: Tick, is_first: bool) {
        self.mark(now, is_first || Alive::is_list(now));
    }

    /// A mark, with a list of the answered calls or without.
    pub(crate) fn mark(&mut self, now: Tick, list: bool) {
        let (shard, wall_us) = (self.number, self.io.wall_us());
        let mut live: Vec<RecordId> = Vec::new();
        if list {
            live.extend(self.calls.answered());
        }
        let mut lists: Vec<&[RecordId]> = live.chunks(ALIVE_LIST_MAX).collect();
        if lists.is_empty() {
            lists.push(&[]);
        }
        for list in lists {
            let alive = Alive { shard, at: now, wall_us, live: list.to_vec() };
            let _left_out = self.journal.append(FrameKind::Alive, &encode(&alive));
        }
    }
}
