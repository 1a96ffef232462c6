//! Carrying out what the cores want, until none wants anything more.

use crate::Shard;
use crate::desk::Desk;
use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::AtomicU64;
use strowger_call::Output as CallOutput;
use strowger_leg::Event;
use strowger_link::table::SlotState;
use strowger_link::{Ask, LegId, SlotRef, Tick, Transport, Up};
use strowger_port::net::{Io, JournalSink, Lane, PlaneLink, SipPath};
use strowger_sip::endpoint::{Output as SipOutput, Transmit};

/// Most effects of one input; a longer chain is a bug and waits for the next turn.
const EFFECTS_MAX: usize = 100_000;

/// Effects that wait until the cores have come to rest, in the order in which they are carried out.
/// Journal frames wait in `unwritten`.
#[derive(Debug, Default)]
pub(crate) struct Effects {
    slots: Slots,
    rings: Vec<Ring>,
    network: Vec<Transmit>,
}

/// Slots to be written. Calls name theirs in the order in which a crash may come between: of a
/// transfer the call with the target before that of its asker.
#[derive(Debug, Default)]
struct Slots {
    /// As calls named them, perhaps more than once; the last time counts.
    named: Vec<SlotRef>,
    /// All of them, those included that have changed without their call's doing.
    all: BTreeSet<SlotRef>,
}

impl Slots {
    fn name(&mut self, slot: SlotRef) {
        self.named.push(slot);
        self.all.insert(slot);
    }

    /// Puts those that are named in their order, each once.
    fn arrange(&mut self) {
        self.named.reverse();
        let all = &mut self.all;
        self.named.retain(|slot| all.remove(slot));
    }

    /// The next one after [`Slots::arrange`].
    fn pop(&mut self) -> Option<SlotRef> {
        self.named.pop().or_else(|| self.all.pop_first())
    }

    fn is_empty(&self) -> bool {
        self.all.is_empty()
    }

    fn absorb(&mut self, other: Slots) {
        self.named.extend(other.named);
        self.all.extend(other.all);
    }
}

/// For the control plane.
#[derive(Debug)]
enum Ring {
    Up(Up),
    Ask(Arc<Ask>),
}

impl Effects {
    fn is_empty(&self) -> bool {
        self.slots.is_empty() && self.rings.is_empty() && self.network.is_empty()
    }

    fn absorb(&mut self, other: Effects) {
        self.slots.absorb(other.slots);
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
            } else if !self.commit(now) && !self.tell_lost(now) {
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
        // Nearly always: it is asked after each input.
        if self.effects.is_empty() {
            return false;
        }
        let mut effects = core::mem::take(&mut self.effects);
        effects.slots.arrange();
        while let Some(slot) = effects.slots.pop() {
            self.write_slot(slot);
        }
        self.write_journal();
        for output in effects.rings.drain(..) {
            match output {
                Ring::Up(up) => self.tell(&up),
                Ring::Ask(ask) => self.ask(&ask, Lane::Calls, now),
            }
        }
        for transmit in effects.network.drain(..) {
            self.transmit(&transmit, now);
        }
        // What the rings refused has effects of its own, gathered meanwhile.
        effects.absorb(core::mem::take(&mut self.effects));
        self.effects = effects;
        true
    }

    /// The image of a slot has changed without its call's doing.
    pub(crate) fn touch(&mut self, slot: SlotRef) {
        if self.calls.slot_state(slot).is_some() {
            self.effects.slots.all.insert(slot);
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
            self.effects.slots.name(slot);
        }
    }

    fn carry_out(&mut self, output: CallOutput, now: Tick) {
        match output {
            CallOutput::Slot { slot, .. } => self.effects.slots.name(slot),
            CallOutput::Done { slot, shown } => self.done(slot, shown),
            CallOutput::Free { slot } => {
                self.effects.slots.all.remove(&slot);
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
            SipOutput::Moved(leg, to) => self.media.moved(leg, to.ip()),
            SipOutput::Request(outside) => self.ask_outside(outside, now),
            SipOutput::Name(name) => self.ask_name(name, now),
            SipOutput::Upstream(state) => {
                self.upstreams.insert(state.id, state);
            }
            SipOutput::Counted(counted) => self.counts.endpoint(counted),
        }
    }

    fn hear(&mut self, leg: LegId, mut event: Event, now: Tick) {
        if let Event::Offered(offer) = &mut event {
            offer.server_name = self.name_at(offer.transport, offer.source).map(str::to_owned);
            self.media.begin(leg, offer.listener, offer.source.ip());
        }
        let wall_us = self.io.wall_us();
        let Shard { io, calls, media, .. } = self;
        calls.handle_leg(leg, event, now, wall_us, &mut Desk { media, io, now });
    }

    /// Transactions whose connection is gone fail now; `false` when none has gone.
    fn tell_lost(&mut self, now: Tick) -> bool {
        let own = self.connections.poll_lost();
        if let Some(lost) = &own {
            self.tell_gone(lost);
        }
        let lost = own.or_else(|| self.mesh.as_mut().and_then(|mesh| mesh.poll_lost()));
        let Some(lost) = lost else { return false };
        for flow in lost.flows {
            self.endpoint.handle_disconnected(lost.transport, lost.peer, flow, now);
        }
        true
    }

    fn transmit(&mut self, transmit: &Transmit, now: Tick) {
        self.write_down(&transmit.path, true, &transmit.bytes);
        if let Some(shard) = transmit.path.shard() {
            return self.tie(shard, transmit);
        }
        if transmit.path.transport != Transport::Udp {
            if self.mesh.is_some() && self.carry(transmit) {
                return;
            }
            let Shard { io, connections, counts, .. } = self;
            let taken = connections.transmit(io, &transmit.path, &transmit.bytes, now);
            return counts.carried(taken, transmit.bytes.len());
        }
        let path = SipPath {
            listener: transmit.path.listener,
            local: Some(transmit.path.local.ip()).filter(|ip| !ip.is_unspecified()),
            peer: transmit.path.peer,
        };
        let sent = self.io.send_sip(path, &transmit.bytes);
        self.counts.sent(sent, transmit.bytes.len());
    }
}
