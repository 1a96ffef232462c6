//! Flows that are away: packets of theirs are relayed by somebody faster, who counts them as we do,
//! and only what is not certain comes to us.
//!
//! A flow may go when nothing has to be done with its packets but sending them on, and when it has
//! been calm for a while: its source latched, its party speaking, nothing signalled, nothing that
//! came up. It goes with its tally and comes back with it, so its counts and its stream go on as
//! if it had been here. Who drives the relay carries the tallies; see [`Relay::offer`],
//! [`Relay::given`], [`Relay::absorb`] and [`Relay::bring_back`].

use super::{PairId, PairSlot, Relay};
use crate::flow::Format;
use crate::limits::{
    CALM_MS, EVENTS_MAX, RELATCH_SILENCE_MS, SPEAKS_MS, STAYED_MS, STRAGGLERS_MS, TRIES_MAX,
};
use crate::ports::LocalPort;
use core::net::SocketAddr;
use strowger_link::{Tally, Tick};
use strowger_sdp::PayloadTypes;
use strowger_wire::demux::Kind;

/// Whether a flow is away, and when it may go again.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Away {
    is_away: bool,
    /// How often its packets have brought it back, lately.
    tries: u8,
    /// When it went, or since when it may have been calm.
    since: Tick,
}

/// What somebody else has to know to relay a flow.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Offer {
    /// Its packets come from there; from anywhere else they are none of it.
    pub from: SocketAddr,
    /// They leave from this port.
    pub out: LocalPort,
    /// To this address.
    pub to: SocketAddr,
    /// Payload types that are relayed.
    pub payload_types: PayloadTypes,
    /// That of telephone-event.
    pub event: Option<u8>,
    /// The clock of its timestamps, Hz.
    pub clock_hz: u32,
    /// Packets that it may send in a second; 0 = as many as come.
    pub packets_max: u32,
    /// What was counted so far.
    pub tally: Tally,
}

/// Why a flow comes back.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Back {
    /// Something is signalled, or its way has changed: it goes again when it is calm.
    Asked,
    /// A packet of it came up: the more often, the longer it stays.
    Strayed,
}

/// What was carried away from the relay, since its beginning.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub struct Carriage {
    /// Flows that are away.
    pub now: u64,
    /// How often a flow went.
    pub given: u64,
    /// How often one came back because of a packet.
    pub strayed: u64,
    /// Packets relayed meanwhile.
    pub packets: u64,
    /// Packets dropped meanwhile, as they were too many.
    pub flooded: u64,
}

impl Away {
    pub(super) const fn new(now: Tick) -> Away {
        Away { is_away: false, tries: 0, since: now }
    }

    /// Something happened to the flow.
    pub(super) fn disturb(&mut self, now: Tick) {
        if !self.is_away {
            self.since = now;
        }
    }

    fn is_calm(&self, now: Tick) -> bool {
        now.ms_since(self.since) >= CALM_MS << self.tries
    }

    fn come_back(&mut self, back: Back, now: Tick) {
        let stayed_ms = now.ms_since(self.since);
        self.tries = match back {
            Back::Asked => self.tries,
            // It came before the flow went, and was read after.
            Back::Strayed if stayed_ms < STRAGGLERS_MS => self.tries,
            Back::Strayed if stayed_ms >= STAYED_MS => 1,
            Back::Strayed => self.tries.saturating_add(1).min(TRIES_MAX),
        };
        (self.is_away, self.since) = (false, now);
    }
}

impl Relay {
    /// Whether the flow of a port is away.
    #[inline]
    #[must_use]
    pub fn is_away(&self, at: LocalPort) -> bool {
        self.aways.get(at.index()).is_some_and(|away| away.is_away)
    }

    /// The RTP ports of a pair.
    #[must_use]
    pub fn media_ports(&self, id: PairId) -> Option<[LocalPort; 2]> {
        self.pair(id).map(|pair| [pair.a.rtp, pair.b.rtp])
    }

    /// What a flow may be given away with by now; `None` = it has to stay.
    #[must_use]
    pub fn offer(&self, at: LocalPort, now: Tick) -> Option<Offer> {
        let flow = self.flow(at)?;
        let speaks = flow.reception.packets() > 0 && !flow.reception.is_silent(SPEAKS_MS, now);
        let away = self.aways.get(at.index())?;
        let may_go = !away.is_away && away.is_calm(now) && speaks;
        may_go.then(|| self.way(at))?
    }

    /// What a flow would be given away with, calm or not; `None` = it has to be dealt with here.
    #[must_use]
    pub fn way(&self, at: LocalPort) -> Option<Offer> {
        let flow = self.flow(at)?;
        let Format::Rtp { payload_types, event } = flow.format else { return None };
        let out = flow.out?;
        let other = self.flow(out)?;
        let is_plain = flow.is_open && !flow.is_heard && !flow.is_guarded && !other.is_guarded;
        let (from, to) = (flow.remote.latched()?, other.remote.destination()?);
        let is_one_family = from.is_ipv4() == to.is_ipv4();
        (is_plain && is_one_family).then(|| Offer {
            from,
            out,
            to,
            payload_types,
            event,
            clock_hz: flow.reception.clock_hz().get(),
            packets_max: flow.rate.packets_max(),
            tally: flow.tally(),
        })
    }

    /// The flow of a port is away from now on.
    pub fn given(&mut self, at: LocalPort, now: Tick) {
        let Some(away) = self.aways.get_mut(at.index()) else { return };
        *away = Away { is_away: true, since: now, ..*away };
        self.carriage.given += 1;
        self.carriage.now += 1;
    }

    /// Takes over what a flow that is away has carried by now.
    pub fn absorb(&mut self, at: LocalPort, tally: &Tally) {
        let is_away = self.is_away(at);
        let Some(flow) = self.flow_mut(at).filter(|_| is_away) else { return };
        let before = flow.tally();
        flow.absorb(tally);
        self.carriage.packets += tally.packets.saturating_sub(before.packets);
        self.carriage.flooded += u64::from(tally.flooded.saturating_sub(before.flooded));
    }

    /// A flow is here again, with what it carried.
    pub fn bring_back(&mut self, at: LocalPort, tally: Option<&Tally>, back: Back, now: Tick) {
        if !self.is_away(at) {
            return;
        }
        if let Some(tally) = tally {
            self.absorb(at, tally);
        }
        if let Some(away) = self.aways.get_mut(at.index()) {
            away.come_back(back, now);
        }
        self.carriage.now = self.carriage.now.saturating_sub(1);
        self.carriage.strayed += u64::from(back == Back::Strayed);
    }

    /// A flow was away when this life began: its source is the one that was said then.
    pub fn take_up(&mut self, at: LocalPort, from: SocketAddr, tally: &Tally, now: Tick) -> bool {
        let is_away = self.is_away(at);
        let Some(flow) = self.flow_mut(at).filter(|_| !is_away) else { return false };
        if !matches!(flow.format, Format::Rtp { .. }) || flow.is_guarded {
            return false;
        }
        flow.remote.settle(from);
        flow.is_heard = false;
        flow.absorb(tally);
        if let Some(away) = self.aways.get_mut(at.index()) {
            *away = Away { is_away: true, tries: 0, since: now };
        }
        self.carriage.now += 1;
        true
    }

    /// Nothing that the flow carries is listened to any more.
    pub fn hush(&mut self, at: LocalPort) {
        if let Some(flow) = self.flow_mut(at) {
            flow.is_heard = false;
        }
    }

    /// Whether a packet that arrived at a port whose flow is away may be one of the flow: then it
    /// has to come back. Another source may be it once the one that is known has fallen silent.
    #[must_use]
    pub fn is_stray(&self, at: LocalPort, (from, octets): (SocketAddr, &[u8]), now: Tick) -> bool {
        let of_flow = self.flow(at).is_some_and(|flow| {
            flow.remote.is_latched(from) || flow.reception.is_silent(RELATCH_SILENCE_MS, now)
        });
        of_flow && Kind::of(octets) == Kind::Rtp
    }

    /// What was carried away.
    #[must_use]
    pub const fn carriage(&self) -> Carriage {
        self.carriage
    }

    /// As [`Relay::handle_timeout`], with what flows that are away have carried by now.
    pub fn handle_timeout_beside(
        &mut self,
        now: Tick,
        carried: impl Fn(LocalPort) -> Option<Tally>,
    ) {
        while self.events.len() + 2 <= EVENTS_MAX {
            let Some(index) = self.wheel.pop(now) else { return };
            if let Some(PairSlot::Open(pair)) = self.pairs.get(index as usize) {
                for port in [pair.a.rtp, pair.b.rtp] {
                    if self.is_away(port)
                        && let Some(tally) = carried(port)
                    {
                        self.absorb(port, &tally);
                    }
                }
            }
            self.watch(index, now);
        }
    }

    /// A pair that is closed is not away.
    pub(super) fn forget_away(&mut self, at: LocalPort) {
        if let Some(away) = self.aways.get_mut(at.index()).filter(|away| away.is_away) {
            away.is_away = false;
            self.carriage.now = self.carriage.now.saturating_sub(1);
        }
    }
}

#[cfg(test)]
mod tests;
