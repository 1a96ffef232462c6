//! HOT PATH
//!
//! A burst of packets through the relay: nothing here allocates, locks, hashes, logs or waits.

use super::{Relay, Slot};
use crate::datagram::{Datagram, Drop, Verdict};
use crate::flow::{Entry, Flow, Format};
use crate::ports::LocalPort;
use strowger_link::Tick;
use strowger_wire::demux::Kind;

impl Relay {
    /// Handles a burst: latches, checks, counts, and leaves a verdict in each packet. What is to
    /// be sent is sent from the packet's own buffer.
    pub fn handle_burst(&mut self, burst: &mut [Datagram<'_>], now: Tick) {
        for datagram in burst {
            datagram.verdict = match self.forward::<false>(datagram, now) {
                Ok(send) => send,
                Err(reason) => Verdict::Drop(reason),
            };
        }
    }

    /// The way of one packet: flow of its port, checks of the flow, port and address of the other
    /// side. Where SRTP ends at a side's port it is opened before anything is learned of it, and
    /// sealed when it is known where it goes. `IS_MEDIA`: whatever else comes to the port, this is
    /// none of it.
    fn forward<const IS_MEDIA: bool>(
        &mut self,
        datagram: &mut Datagram<'_>,
        now: Tick,
    ) -> Result<Verdict, Drop> {
        let Some(Slot::Open(flow)) = self.slots.get_mut(datagram.at.index()) else {
            self.closed_drops = self.closed_drops.saturating_add(1);
            return Err(Drop::Closed);
        };
        if datagram.truncated {
            flow.drops.count(Drop::Truncated);
            return Err(Drop::Truncated);
        }
        if !IS_MEDIA && flow.entry != Entry::Media {
            return self.divert(datagram, now);
        }
        let (is_guarded, guards) = (flow.is_guarded, &mut self.guards);
        let prove = |datagram: &mut Datagram<'_>| {
            if is_guarded {
                datagram.len = guards.open(datagram.at, datagram.room, datagram.len)?;
            }
            Ok(())
        };
        if let Err(reason) = flow.accept(datagram.from, datagram, now, prove) {
            flow.drops.count(reason);
            return Err(reason);
        }
        let (out, is_heard) = (flow.out, flow.is_heard);
        if IS_MEDIA {
            self.components.prove(datagram.at, now);
        }
        if flow.format == (Format::Rtcp { is_clear: true }) {
            self.hear(datagram, out, now);
        }
        if is_heard {
            self.listen(datagram, now);
        }
        match out.and_then(|from| Some((from, self.slots.get(from.index())?))) {
            Some((from, Slot::Open(other))) => match other.remote.destination() {
                Some(to) if !other.is_guarded => Ok(Verdict::Send { from, to }),
                Some(_) if !self.components.consents(from, now) => {
                    Err(self.count_drop(datagram, Drop::NoDestination))
                }
                Some(to) => {
                    let leaves = other.leaves(from);
                    match self.guards.seal(from, datagram.room, datagram.len) {
                        Ok(len) => {
                            datagram.len = len;
                            Ok(Verdict::Send { from: leaves, to })
                        }
                        Err(reason) => Err(self.count_drop(datagram, reason)),
                    }
                }
                None => Err(self.count_drop(datagram, Drop::NoDestination)),
            },
            Some((_, Slot::Closed)) | None => Err(self.count_drop(datagram, Drop::NoDestination)),
        }
    }

    /// The way of a packet to a port where more than media comes.
    fn divert(&mut self, datagram: &mut Datagram<'_>, now: Tick) -> Result<Verdict, Drop> {
        let at = datagram.at;
        let Some(Slot::Open(flow)) = self.slots.get_mut(at.index()) else {
            return Err(Drop::Closed);
        };
        match Kind::of(datagram.octets()) {
            Kind::Stun => self.check(datagram, now),
            Kind::Dtls => match flow.admits(datagram.from, now) {
                Ok(()) => Ok(Verdict::Dtls),
                Err(reason) => Err(self.count_drop(datagram, reason)),
            },
            // What it is does not change with the port that it came to.
            Kind::Rtcp if flow.entry == Entry::Shared && flow.format.is_rtp() => {
                datagram.at = at.above();
                self.forward::<true>(datagram, now)
            }
            Kind::Rtp | Kind::Rtcp | Kind::Zrtp | Kind::TurnChannel | Kind::Unknown => {
                self.forward::<true>(datagram, now)
            }
        }
    }

    /// A check of ICE is answered from where it came to; what proves nothing is a stranger's, and
    /// uses up nothing of the party's.
    fn check(&mut self, datagram: &mut Datagram<'_>, now: Tick) -> Result<Verdict, Drop> {
        let (at, from) = (datagram.at, datagram.from);
        let check = self.components.check(at, (datagram.room, datagram.len), from, now);
        let Some(check) = check else {
            return Err(self.count_drop(datagram, Drop::Stranger));
        };
        datagram.len = check.len;
        if check.is_chosen {
            self.follow(at, from);
        }
        let is_flood = match self.slots.get_mut(at.index()) {
            Some(Slot::Open(flow)) => !flow.rate.admits(now),
            Some(Slot::Closed) | None => true,
        };
        match is_flood {
            true => Err(self.count_drop(datagram, Drop::Flood)),
            false => Ok(Verdict::Send { from: at, to: from }),
        }
    }

    /// Reads what a party tells by RTCP of the stream that the other one sends it.
    fn hear(&mut self, datagram: &Datagram<'_>, out: Option<LocalPort>, now: Tick) {
        let Some(out) = out else { return };
        let stream = match self.slots.get(out.index()) {
            Some(Slot::Open(other)) => Flow::ssrc(other),
            Some(Slot::Closed) | None => None,
        };
        let Some(other) = self.hearings.get(out.index()).copied() else { return };
        if let Some(hearing) = self.hearings.get_mut(datagram.at.index()) {
            hearing.read(datagram.octets(), (stream, &other), now);
        }
    }

    /// Has the ear of the flow listen, until there is nothing more to hear.
    fn listen(&mut self, datagram: &Datagram<'_>, now: Tick) {
        let at = datagram.at.index();
        let goes_on = self.ears.get_mut(at).is_some_and(|ear| ear.hear(datagram.octets(), now));
        if let (false, Some(Slot::Open(flow))) = (goes_on, self.slots.get_mut(at)) {
            flow.is_heard = false;
        }
    }

    fn count_drop(&mut self, datagram: &Datagram<'_>, reason: Drop) -> Drop {
        if let Some(Slot::Open(flow)) = self.slots.get_mut(datagram.at.index()) {
            flow.drops.count(reason);
        }
        reason
    }
}
