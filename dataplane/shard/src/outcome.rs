//! Carrying out what the cores want, until none wants anything more.

use crate::Shard;
use crate::desk::Desk;
use std::collections::BTreeSet;
use std::sync::atomic::AtomicU64;
use strowger_call::Output as CallOutput;
use strowger_leg::Event;
use strowger_link::table::SlotState;
use strowger_link::{Ask, LegId, SlotRef, Tick, Up};
use strowger_port::net::{Io, JournalSink, Lane, PlaneLink, SipPath};
use strowger_sip::endpoint::{Output as SipOutput, Transmit};

/// Most effects of one input; a longer chain is a bug and waits for the next turn.
const EFFECTS_MAX: usize = 100_000;

/// Effects that wait until the cores have come to rest, in the order in which they are carried out.
/// Journal frames wait in `unwritten`.
#[derive(Debug, Default)]
pub(crate) struct Effects {
    slots: BTreeSet<SlotRef>,
    rings: Vec<Ring>,
    network: Vec<Transmit>,
}

/// For the control plane.
#[derive(Debug)]
enum Ring {
    Up(Up),
    Ask(Box<Ask>),
}

impl Effects {
    fn is_empty(&self) -> bool {
        self.slots.is_empty() && self.rings.is_empty() && self.network.is_empty()
    }

    fn absorb(&mut self, other: Effects) {
        self.slots.extend(other.slots);
        self.rings.extend(other.rings);
        self.network.extend(other.network);
    }
}

impl<I: Io, J: JournalSink, L: PlaneLink, W: AsRef<[AtomicU64]>> Shard<I, J, L, W> {
    /// Drains calls and endpoint, then carries out what they want in the order table, journal,
    /// rings, network. Only when all cores have come to rest is a slot written, so its image is of
    /// one moment, and nobody hears of anything that table and journal do not know.
    pub(crate) fn settle(&mut self, now: Tick) {
        for _ in 0..EFFECTS_MAX {
            if let Some(output) = self.calls.poll_output() {
                self.carry_out(output, now);
            } else if let Some(output) = self.endpoint.poll_output() {
                self.take(output, now);
            } else if let Some(leg) = self.endpoint.poll_let_go() {
                self.let_go(leg.slot);
            } else if !self.commit(now) {
                return;
            }
        }
    }

    /// `false` when there was nothing to do.
    fn commit(&mut self, now: Tick) -> bool {
        while let Some(leg) = self.endpoint.poll_touched() {
            self.touch(leg.slot);
        }
        while let Some(leg) = self.media.poll_touched() {
            self.touch(leg.slot);
        }
        let mut effects = core::mem::take(&mut self.effects);
        if effects.is_empty() {
            self.effects = effects;
            return false;
        }
        while let Some(slot) = effects.slots.pop_first() {
            if let Some((state, facts)) = self.calls.snapshot(slot) {
                self.write_slot(slot, state, *facts);
            }
        }
        self.write_journal();
        for output in effects.rings.drain(..) {
            match output {
                Ring::Up(up) => self.tell(&up),
                Ring::Ask(ask) => self.ask(*ask, Lane::Calls, now),
            }
        }
        for transmit in effects.network.drain(..) {
            self.transmit(&transmit);
        }
        // What the rings refused has effects of its own, gathered meanwhile.
        effects.absorb(core::mem::take(&mut self.effects));
        self.effects = effects;
        true
    }

    /// The image of a slot has changed without its call's doing.
    pub(crate) fn touch(&mut self, slot: SlotRef) {
        if self.calls.slot_state(slot).is_some() {
            self.effects.slots.insert(slot);
        }
    }

    /// One party of a call is owed nothing any more: its leg leaves the image, and with the last
    /// one the call its slot.
    fn let_go(&mut self, slot: SlotRef) {
        match self.calls.slot_state(slot) {
            Some(SlotState::Leaving) if !self.owes(slot) => self.calls.vacate(slot),
            Some(_) => self.touch(slot),
            None => {}
        }
    }

    /// A call is over and recorded: its slot is free, unless a party is owed a last word.
    fn done(&mut self, slot: SlotRef, shown: bool) {
        if !self.owes(slot) {
            self.calls.vacate(slot);
        } else if shown {
            self.let_slot_leave(slot);
        } else {
            self.effects.slots.insert(slot);
        }
    }

    fn carry_out(&mut self, output: CallOutput, now: Tick) {
        match output {
            CallOutput::Slot { slot, .. } => {
                self.effects.slots.insert(slot);
            }
            CallOutput::Done { slot, shown } => self.done(slot, shown),
            CallOutput::Free { slot } => {
                self.effects.slots.remove(&slot);
                self.free_slot(slot);
            }
            CallOutput::Journal { entry, slot, facts } => self.journal_call(entry, slot, &facts),
            CallOutput::Up(up) => self.effects.rings.push(Ring::Up(up)),
            CallOutput::Ask(ask) => self.effects.rings.push(Ring::Ask(ask)),
            CallOutput::Leg { leg, command } => {
                self.endpoint.handle_command(leg, command, now);
            }
        }
    }

    fn take(&mut self, output: SipOutput, now: Tick) {
        match output {
            SipOutput::Transmit(transmit) => self.effects.network.push(transmit),
            SipOutput::Event(leg, event) => self.hear(leg, event, now),
            SipOutput::Request(outside) => self.ask_outside(outside, now),
            SipOutput::Upstream(state) => {
                self.upstreams.insert(state.id, state);
            }
            SipOutput::Counted(counted) => self.counts.endpoint(counted),
        }
    }

    fn hear(&mut self, leg: LegId, event: Event, now: Tick) {
        if let Event::Offered(offer) = &event {
            self.media.begin(leg, offer.listener, offer.source.ip());
        }
        let wall_us = self.io.wall_us();
        let Shard { io, calls, media, .. } = self;
        calls.handle_leg(leg, event, now, wall_us, &mut Desk { media, io, now });
    }

    fn transmit(&mut self, transmit: &Transmit) {
        let path = SipPath {
            listener: transmit.path.listener,
            local: Some(transmit.path.local.ip()).filter(|ip| !ip.is_unspecified()),
            peer: transmit.path.peer,
        };
        let sent = self.io.send_sip(path, &transmit.bytes);
        self.counts.sent(sent);
    }
}
