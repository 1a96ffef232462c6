//! Carrying out what the cores want, until none wants anything more.

use crate::Shard;
use crate::desk::Desk;
use std::sync::atomic::AtomicU64;
use strowger_call::Output as CallOutput;
use strowger_leg::{Command, Event};
use strowger_link::{LegId, Tick};
use strowger_port::net::{Io, JournalSink, Lane, PlaneLink, SendResult, SipPath};
use strowger_sip::endpoint::{Output as SipOutput, Transmit};

/// Most effects of one input; a longer chain is a bug and waits for the next turn.
const EFFECTS_MAX: usize = 100_000;

impl<I: Io, J: JournalSink, L: PlaneLink, W: AsRef<[AtomicU64]>> Shard<I, J, L, W> {
    /// Drains calls and endpoint. A call's outputs come in the order table, journal, rings,
    /// network, and a datagram follows the state that it shows, because it is made from a call's
    /// command.
    pub(crate) fn settle(&mut self, now: Tick) {
        for _ in 0..EFFECTS_MAX {
            if let Some(output) = self.calls.poll_output() {
                self.carry_out(output, now);
            } else if let Some(output) = self.endpoint.poll_output() {
                self.take(output, now);
            } else {
                return;
            }
        }
    }

    fn carry_out(&mut self, output: CallOutput, now: Tick) {
        match output {
            CallOutput::Slot { slot, state, facts } => self.write_slot(slot, state, &facts),
            CallOutput::Free { slot } => self.free_slot(slot),
            CallOutput::Journal { entry, slot, facts } => self.journal_call(entry, slot, &facts),
            CallOutput::Up(up) => self.tell(&up),
            CallOutput::Ask(ask) => self.ask(*ask, Lane::Calls, now),
            CallOutput::Leg { leg, command } => {
                if let Command::Invite(invite) = &command {
                    self.media.signalling(leg, invite.branch.target.address.ip());
                }
                self.endpoint.handle_command(leg, command, now);
            }
        }
    }

    fn take(&mut self, output: SipOutput, now: Tick) {
        match output {
            SipOutput::Transmit(transmit) => self.transmit(&transmit),
            SipOutput::Event(leg, event) => self.hear(leg, event, now),
            SipOutput::Request(outside) => self.ask_outside(outside, now),
            SipOutput::Counted(counted) => self.counts.endpoint(counted),
        }
    }

    fn hear(&mut self, leg: LegId, event: Event, now: Tick) {
        if let Event::Offered(offer) = &event {
            self.media.signalling(leg, offer.source.ip());
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
        // What the system cannot take is lost as on any network: transactions send again.
        match self.io.send_sip(path, &transmit.bytes) {
            SendResult::Queued => self.counts.sip_sent += 1,
            SendResult::TooLong | SendResult::NoListener => self.counts.sip_lost += 1,
        }
    }
}
