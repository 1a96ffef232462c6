//! Outputs in the order in which a turn must carry them out.

use crate::{Entry, Output};
use std::collections::VecDeque;
use std::sync::Arc;
use strowger_leg::Command;
use strowger_link::table::SlotState;
use strowger_link::{Ask, CallFacts, LegId, SlotRef, Up};

/// Four queues, drained one after the other: whatever a crash leaves behind, no party and no other
/// process has heard of something that table and journal do not know.
#[derive(Debug, Default)]
pub(crate) struct Outbox {
    table: VecDeque<Output>,
    journal: VecDeque<Output>,
    ring: VecDeque<Output>,
    network: VecDeque<Output>,
}

impl Outbox {
    pub(crate) fn slot(&mut self, slot: SlotRef, state: SlotState) {
        self.table.push_back(Output::Slot { slot, state });
    }

    pub(crate) fn done(&mut self, slot: SlotRef, shown: bool) {
        self.table.push_back(Output::Done { slot, shown });
    }

    pub(crate) fn free(&mut self, slot: SlotRef) {
        self.table.push_back(Output::Free { slot });
    }

    pub(crate) fn journal(&mut self, entry: Entry, slot: SlotRef, facts: Box<CallFacts>) {
        self.journal.push_back(Output::Journal { entry, slot, facts });
    }

    pub(crate) fn up(&mut self, up: Up) {
        self.ring.push_back(Output::Up(up));
    }

    pub(crate) fn ask(&mut self, ask: Arc<Ask>) {
        self.ring.push_back(Output::Ask(ask));
    }

    pub(crate) fn leg(&mut self, leg: LegId, command: Command) {
        self.network.push_back(Output::Leg { leg, command });
    }

    pub(crate) fn poll(&mut self) -> Option<Output> {
        self.table
            .pop_front()
            .or_else(|| self.journal.pop_front())
            .or_else(|| self.ring.pop_front())
            .or_else(|| self.network.pop_front())
    }
}
