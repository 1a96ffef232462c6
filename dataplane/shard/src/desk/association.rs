//! Associations of DTLS at the ports of a shard.
//!
//! | state | datagram | time | done |
//! |---|---|---|---|
//! | nothing yet | goes away with it | - | - |
//! | here | goes away with it | goes away | - |
//! | away | waits | - | here, or gone by a fault |
//!
//! A party that has RTCP at a port of its own has two, which know nothing of each other.
//!
//! Each is either here or away on a thread, so no two steps of one run at once. What waits has a
//! bound, and what finds no room is lost as the network loses it: the protocol sends again. What
//! comes back to a port that has another association by then, or none, is dropped.

use super::{Desk, MediaDesk};
use core::net::SocketAddr;
use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::Arc;
use strowger_dtls::limits::DATAGRAMS_MAX;
use strowger_dtls::{Association, Done, Exported, Fault, Identity, Job, Start, is_client_hello};
use strowger_link::{LegId, SECOND, Tick};
use strowger_media::Keys;
use strowger_media::ports::LocalPort;
use strowger_port::net::{Io, MediaPort};
use strowger_stream::Task;

/// Associations of a shard; a datagram to a port beyond them is lost.
const ASSOCIATIONS_MAX: usize = 16_384;
/// Datagrams that wait to leave.
const LEAVING_MAX: usize = 1_024;
/// Associations whose time has come that are looked at in one turn.
const DUE_MAX: usize = 64;
/// When an association is tried again for which there was no thread, milliseconds.
const RETRY_MS: u64 = 50;
/// How long after its end a hello may still be one of the handshake that has just ended.
const ECHO_NS: u64 = 2 * SECOND;

/// A step of an association, as the threads of handshakes take it.
#[derive(Debug)]
pub struct Step(Job);

impl Task for Step {
    type Done = Done;

    fn run(self) -> Done {
        self.0.run()
    }
}

/// What keys by DTLS need.
#[derive(Debug)]
pub struct Dtls {
    /// Who we are.
    pub identity: Arc<Identity>,
    /// This shard's end of the handshakers. What comes back rings the shard.
    pub desk: strowger_stream::Desk<Step>,
}

/// All of a shard.
#[derive(Debug)]
pub(super) struct Associations {
    pub(super) identity: Arc<Identity>,
    desk: strowger_stream::Desk<Step>,
    of: BTreeMap<LocalPort, Held>,
    /// Ports of the steps that are away.
    away: BTreeMap<u64, LocalPort>,
    next_step: u64,
    due: BTreeSet<(Tick, LocalPort)>,
    leaving: VecDeque<(LocalPort, SocketAddr, Vec<u8>)>,
    /// Legs whose party is not who it says.
    strangers: Vec<LegId>,
    shaken: Shaken,
}

/// One.
#[derive(Debug)]
struct Held {
    leg: LegId,
    /// Of the leg's media lines.
    index: usize,
    start: Start,
    /// Where the party is.
    to: Option<SocketAddr>,
    place: Place,
    inbox: Vec<Vec<u8>>,
    due: Option<Tick>,
    connected: Option<Tick>,
}

#[derive(Debug)]
enum Place {
    Here(Option<Box<Association>>),
    Away(u64),
}

/// Keys that were agreed on at a port, for a line of a leg.
pub(super) type Agreed = (LegId, usize, LocalPort, Keys);

/// What became of handshakes.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub(crate) struct Shaken {
    /// Associations there are.
    pub(crate) now: u64,
    /// Handshakes that came to their end.
    pub(crate) connected: u64,
    /// Those that did not, by their time or by what came.
    pub(crate) failed: u64,
    /// Those with somebody else than the party's description names.
    pub(crate) impostors: u64,
}

impl Associations {
    pub(super) fn new(dtls: Dtls) -> Associations {
        let Dtls { identity, desk } = dtls;
        Associations {
            identity,
            desk,
            of: BTreeMap::new(),
            away: BTreeMap::new(),
            next_step: 0,
            due: BTreeSet::new(),
            leaving: VecDeque::new(),
            strangers: Vec::new(),
            shaken: Shaken::default(),
        }
    }

    /// A port has an association of this kind from now on; one of the same kind goes on.
    pub(super) fn keep(&mut self, port: LocalPort, (leg, index): (LegId, usize), start: Start) {
        let is_kept = self.of.get(&port).is_some_and(|held| {
            held.start.theirs == start.theirs && held.start.is_active == start.is_active
        });
        if is_kept {
            return;
        }
        self.forget(port);
        if self.of.len() < ASSOCIATIONS_MAX {
            let (place, inbox) = (Place::Here(None), Vec::new());
            let (to, due, connected) = (None, None, None);
            let held = Held { leg, index, start, to, place, inbox, due, connected };
            self.of.insert(port, held);
        }
    }

    /// A port has none any more.
    pub(super) fn forget(&mut self, port: LocalPort) {
        if let Some(held) = self.of.remove(&port)
            && let Some(due) = held.due
        {
            self.due.remove(&(due, port));
        }
    }

    /// It is known where the party is: where we begin, we do.
    pub(super) fn reach(&mut self, port: LocalPort, to: SocketAddr, now: Tick) {
        let Some(held) = self.of.get_mut(&port) else { return };
        held.to = Some(to);
        let is_new = matches!(held.place, Place::Here(None)) && held.connected.is_none();
        if held.start.is_active && is_new {
            self.step(port, now);
        }
    }

    /// A datagram of the party's came.
    pub(super) fn handle(&mut self, port: LocalPort, from: SocketAddr, data: Vec<u8>, now: Tick) {
        let Some(held) = self.of.get_mut(&port) else { return };
        held.to = Some(from);
        let is_past = held.connected.is_some_and(|at| now.ns_since(at) > ECHO_NS);
        if is_past && is_client_hello(&data) {
            // The party has lost its end and begins another.
            (held.place, held.connected) = (Place::Here(None), None);
            held.inbox.clear();
        }
        if held.inbox.len() < DATAGRAMS_MAX {
            held.inbox.push(data);
        }
        self.step(port, now);
    }

    /// Time has come to [`Associations::poll_timeout`].
    pub(super) fn handle_timeout(&mut self, now: Tick) {
        for _ in 0..DUE_MAX {
            let Some((due, port)) = self.due.first().copied().filter(|(due, _)| *due <= now) else {
                return;
            };
            self.due.remove(&(due, port));
            if let Some(held) = self.of.get_mut(&port) {
                held.due = None;
                self.step(port, now);
            }
        }
    }

    pub(super) fn poll_timeout(&self) -> Option<Tick> {
        self.due.first().map(|(due, _)| *due)
    }

    /// A leg whose party is not who its description says.
    pub(super) fn poll_stranger(&mut self) -> Option<LegId> {
        self.strangers.pop()
    }

    pub(super) const fn has_strangers(&self) -> bool {
        !self.strangers.is_empty()
    }

    /// What became of handshakes so far.
    fn shaken(&self) -> Shaken {
        Shaken { now: self.of.len() as u64, ..self.shaken }
    }

    /// What is to be sent.
    pub(super) fn poll_transmit(&mut self) -> Option<(LocalPort, SocketAddr, Vec<u8>)> {
        self.leaving.pop_front()
    }

    /// Takes what has come back from the threads; keys that were agreed on.
    pub(super) fn take_done(&mut self, now: Tick) -> Option<Agreed> {
        while self.desk.out() > 0
            && let Some((id, done)) = self.desk.poll_done()
        {
            let Some(port) = self.away.remove(&id) else { continue };
            let held = self.of.get_mut(&port);
            let Some(held) =
                held.filter(|held| matches!(held.place, Place::Away(own) if own == id))
            else {
                continue;
            };
            let was_connected = held.connected.is_some();
            let agreed = held.handle_done(done, now);
            self.shaken.connected += u64::from(!was_connected && held.connected.is_some());
            match agreed.fault {
                Some(Fault::Stranger) => self.shaken.impostors += 1,
                // One that ends a connection in order is none of a handshake.
                Some(Fault::Failed | Fault::Ours) if !was_connected => self.shaken.failed += 1,
                Some(Fault::Closed | Fault::Failed | Fault::Ours) | None => {}
            }
            let (out, fault) = (agreed.out, agreed.fault);
            for data in out {
                if let Some(to) = held.to.filter(|_| self.leaving.len() < LEAVING_MAX) {
                    self.leaving.push_back((port, to, data));
                }
            }
            if fault == Some(Fault::Stranger) {
                self.strangers.push(held.leg);
            }
            let (leg, index) = (held.leg, held.index);
            if let Some(due) = agreed.due {
                self.plan(port, due);
            }
            if self.of.get(&port).is_some_and(|held| !held.inbox.is_empty()) {
                self.step(port, now);
            }
            if let Some(Exported { ours, theirs }) = agreed.keys {
                return Some((leg, index, port, Keys { ours, theirs }));
            }
        }
        None
    }

    /// Sends an association away with what waits for it, unless it is away.
    fn step(&mut self, port: LocalPort, now: Tick) {
        let Some(held) = self.of.get_mut(&port) else { return };
        let Place::Here(association) = &mut held.place else { return };
        let association = association.take();
        let datagrams = core::mem::take(&mut held.inbox);
        if let Some(due) = held.due.take() {
            self.due.remove(&(due, port));
        }
        let job = match association {
            Some(association) => Job::go(association, datagrams, now),
            None => Job::start(held.start.clone(), datagrams, now),
        };
        let id = self.next_step;
        match self.desk.submit(id, Step(job)) {
            Ok(()) => {
                held.place = Place::Away(id);
                self.next_step += 1;
                self.away.insert(id, port);
            }
            Err(Step(job)) => {
                held.place = Place::Here(job.refused());
                self.plan(port, now.plus_ms(RETRY_MS));
            }
        }
    }

    /// An association is to be looked at then.
    fn plan(&mut self, port: LocalPort, due: Tick) {
        let Some(held) = self.of.get_mut(&port) else { return };
        if let Some(before) = held.due.replace(due) {
            self.due.remove(&(before, port));
        }
        self.due.insert((due, port));
    }
}

impl Held {
    /// The association is here again, or over.
    fn handle_done(&mut self, mut done: Done, now: Tick) -> Done {
        let association = done.association.take();
        let is_connected = association.as_ref().is_some_and(|one| one.is_connected());
        if is_connected {
            self.connected.get_or_insert(now);
        }
        self.place = Place::Here(association);
        done
    }
}

impl MediaDesk {
    /// Keys may be agreed on by DTLS from now on.
    pub(crate) fn set_dtls(&mut self, dtls: Dtls) {
        self.associations = Some(Box::new(Associations::new(dtls)));
    }

    /// A datagram of DTLS came to a port, from where its party is.
    pub(crate) fn handle_dtls(
        &mut self,
        port: LocalPort,
        from: SocketAddr,
        data: Vec<u8>,
        now: Tick,
    ) {
        if let Some(associations) = &mut self.associations {
            associations.handle(port, from, data, now);
        }
    }

    /// Takes what the threads of handshakes have done: keys go to the ports that they are for.
    pub(crate) fn take_agreed(&mut self, now: Tick) {
        while let Some(port) = self.shown.pop() {
            self.reached(port, now);
        }
        while let Some((leg, index, port, keys)) =
            self.associations.as_mut().and_then(|all| all.take_done(now))
        {
            let media = self.legs.get_mut(&leg);
            let line = media.and_then(|media| media.lines.get_mut(index));
            let Some(line) = line else { continue };
            let is_rtcp = line.ports.is_some_and(|ports| ports.rtcp == port);
            let secret = line.secret.as_deref_mut();
            let Some(dtls) = secret.and_then(|secret| secret.dtls.as_deref_mut()) else { continue };
            let place = if is_rtcp { &mut dtls.rtcp_keys } else { &mut dtls.keys };
            *place = Some(keys);
            self.guard(leg, now);
            self.touched.insert(leg);
        }
    }

    /// What became of handshakes so far.
    pub(crate) fn shaken(&self) -> Shaken {
        self.associations.as_ref().map(|all| all.shaken()).unwrap_or_default()
    }

    /// Datagrams of ours that are to be sent: from which port, and to whom.
    pub(crate) fn poll_own(&mut self) -> Option<(MediaPort, SocketAddr, Vec<u8>)> {
        loop {
            let all = self.associations.as_mut();
            let first = self.greetings.pop();
            let (port, to, data) = first.or_else(|| all?.poll_transmit())?;
            if let Some((address, port)) = self.ports.space().place(port) {
                return Some((MediaPort { address, port }, to, data));
            }
        }
    }

    /// Ports whose party has shown where it is: where we begin an association, we do now.
    pub(super) fn reached(&mut self, port: LocalPort, now: Tick) {
        let to = self.relay.destination(port);
        if let (Some(associations), Some(to)) = (&mut self.associations, to) {
            associations.reach(port, to, now);
        }
    }
}

impl<I: Io> Desk<'_, I> {
    /// Begins the associations of a leg that are ours to begin, where its party is known.
    pub(super) fn begin_dtls(&mut self, leg: strowger_link::LegId) {
        let media = self.media.legs.get(&leg);
        let ports = media.into_iter().flat_map(|media| &media.lines);
        let ports: Vec<LocalPort> = ports
            .filter(|line| line.has_secret())
            .filter_map(|line| line.ports)
            .flat_map(|ports| [ports.rtp, ports.rtcp])
            .collect();
        for port in ports {
            self.media.reached(port, self.now);
        }
    }
}

#[cfg(test)]
mod tests;
