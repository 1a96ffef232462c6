//! Flows that the kernel's program relays: given to it when they are calm, looked at in turn, and
//! taken back when something is signalled, when a packet of theirs comes up, or when their way has
//! changed. Some pairs at each beat of the shard, each once in a round, as with how calls sound.
//!
//! Who gives a flow away remembers it in the relay; where it is stands in the kernel's array, so
//! the next life of the process finds it there and goes on with it ([`MediaDesk::take_up_away`]).

use super::{Desk, MediaDesk};
use std::net::SocketAddr;
use strowger_link::Tick;
use strowger_media::ports::LocalPort;
use strowger_media::{Back, Offer, PairId, Relay};
use strowger_port::net::{Io, MediaPort, Offload};

/// Most pairs looked at in a beat: 40,960 flows in a second.
const LOOKED_MAX: usize = 2_048;

impl MediaDesk {
    /// Gives flows away that are calm, and looks after those that are away, the next ones in turn.
    pub(crate) fn look_after_away<I: Io>(&mut self, io: &mut I, now: Tick) {
        if !io.offloads() {
            return;
        }
        let looked = self.away_round.next(&self.joints, LOOKED_MAX, now);
        for (pair, _) in looked {
            for at in self.relay.media_ports(pair).into_iter().flatten() {
                self.look_after(io, at, now);
            }
        }
    }

    /// Takes up what a former life of the process gave away, behind the adoption of its calls: the
    /// flows of those go on as they are, all others end.
    pub(crate) fn take_up_away<I: Io>(&mut self, io: &mut I, now: Tick) {
        if !io.offloads() {
            return;
        }
        let mut ports = Vec::new();
        io.ports_away(|port| ports.push(port));
        for port in ports {
            let at = self.space().local_port(port.address, port.port);
            let left = at.zip(io.given(port)).zip(io.carried(port));
            let is_taken = left.is_some_and(|((at, given), tally)| {
                self.relay.take_up(at, given.from, &tally, now)
            });
            if !is_taken {
                let _of_nobody = io.take_back(port);
            }
        }
        let ports = self.joints.keys().filter_map(|pair| self.relay.media_ports(*pair)).flatten();
        let ports: Vec<LocalPort> = ports.collect();
        for at in ports {
            // Its answer was in the former life.
            self.relay.hush(at);
            if self.relay.is_away(at) && !self.is_as_given(io, at) {
                self.bring_back(io, at, Back::Asked, now);
            }
        }
    }

    fn look_after<I: Io>(&mut self, io: &mut I, at: LocalPort, now: Tick) {
        let Some(port) = self.media_port(at) else { return };
        if self.relay.is_away(at) {
            match io.carried(port) {
                Some(tally) if io.look_after(port) => self.relay.absorb(at, &tally),
                Some(_) | None => self.bring_back(io, at, Back::Asked, now),
            }
        } else if let Some(offer) = self.relay.offer(at, now)
            && let Some(offload) = self.offload(&offer)
            && io.offload(port, &offload, &offer.tally)
        {
            self.relay.given(at, now);
        }
    }

    /// Whether what was given away by a former life is what would be given by now.
    fn is_as_given<I: Io>(&self, io: &I, at: LocalPort) -> bool {
        let given = self.media_port(at).and_then(|port| io.given(port));
        let wanted = self.relay.way(at).and_then(|offer| self.offload(&offer));
        // The limit comes back rounded.
        given.zip(wanted).is_some_and(|(given, wanted)| {
            given == Offload { packets_max: given.packets_max, ..wanted }
        })
    }

    fn offload(&self, offer: &Offer) -> Option<Offload> {
        Some(Offload {
            from: offer.from,
            to: offer.to,
            out: self.media_port(offer.out)?,
            payload_types: offer.payload_types.bits(),
            event: offer.event,
            clock_hz: offer.clock_hz,
            packets_max: offer.packets_max,
        })
    }

    fn bring_back<I: Io>(&mut self, io: &mut I, at: LocalPort, back: Back, now: Tick) {
        if !self.relay.is_away(at) {
            return;
        }
        let tally = self.media_port(at).and_then(|port| io.take_back(port));
        self.relay.bring_back(at, tally.as_ref(), back, now);
    }

    fn media_port(&self, at: LocalPort) -> Option<MediaPort> {
        let (address, port) = self.space().place(at)?;
        Some(MediaPort { address, port })
    }
}

impl<I: Io> Desk<'_, I> {
    /// Takes both flows of a pair back, before anything is changed about it.
    pub(super) fn bring_home(&mut self, pair: PairId) {
        for at in self.media.relay.media_ports(pair).into_iter().flatten() {
            self.media.bring_back(self.io, at, Back::Asked, self.now);
        }
    }
}

/// A packet has arrived at a port whose flow is away. What was carried meanwhile is known before
/// the packet is looked at; one of the flow brings it back.
pub(crate) fn come_up<I: Io>(
    io: &mut I,
    relay: &mut Relay,
    (at, port): (LocalPort, MediaPort),
    (from, octets): (SocketAddr, &[u8]),
    now: Tick,
) {
    if let Some(tally) = io.carried(port) {
        relay.absorb(at, &tally);
    }
    if relay.is_stray(at, (from, octets), now) {
        let tally = io.take_back(port);
        relay.bring_back(at, tally.as_ref(), Back::Strayed, now);
    }
}

#[cfg(test)]
mod tests;
