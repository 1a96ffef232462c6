//! The operating system of a simulated switch: [`SimIo`] over queues and virtual time.

use crate::dice::Dice;
use crate::fault::Plant;
use crate::net::Datagram;
use crate::probe::{Place, SharedProbe};
use crate::step::{Plane, Step};
use crate::stream::Sockets;
use crate::switch::Plugs;
use std::cell::{Cell, RefCell};
use std::collections::{BTreeSet, VecDeque};
use std::net::SocketAddr;
use std::rc::Rc;
use strowger_link::{DOOR, MS, SECOND, Tick};
use strowger_port::net::{
    ConnId, ConnectError, Io, MESH_BURST_MAX, MediaBurst, MediaPort, MeshFull, OpenError,
    SIP_BURST_MAX, SIP_DATAGRAM_BYTES_MAX, SendResult, SipDatagram, SipFailure, SipPath,
    StreamEvent, Woke,
};

/// Wall clock at tick 0, microseconds: 2026-01-01.
pub const WALL_AT_0_US: i64 = 1_767_225_600_000_000;

/// The one clock of a world.
pub type Clock = Rc<Cell<Tick>>;

/// The wall clock at `now`.
#[must_use]
pub fn wall_us(now: Tick) -> i64 {
    WALL_AT_0_US + (now.0 / 1_000) as i64
}

/// A SIP datagram in a socket.
#[derive(Debug)]
pub struct Waiting {
    listener: u8,
    peer: SocketAddr,
    data: Vec<u8>,
    since: Tick,
}

/// Datagrams a second of a carrier that the planted limit lets through.
const CARRIER_MAX: u32 = 20;

/// What the world and the switch share of the switch's host.
#[derive(Debug)]
pub struct Machine {
    /// Addresses of the listeners, and of their media.
    pub listeners: [SocketAddr; 2],
    /// SIP that waits, with its listener.
    pub sip_in: VecDeque<Waiting>,
    /// Most SIP datagrams handed out at a time.
    pub sip_burst: usize,
    /// Datagrams of carriers handed out in the second that it counts, for a planted limit.
    carriers: (u64, u32),
    /// Connections; their listeners stand behind those of datagrams, at the same addresses.
    pub sockets: Sockets,
    /// Media that waits.
    pub media_in: VecDeque<(MediaPort, SocketAddr, Vec<u8>)>,
    /// Words that wait for each shard, with who sent them.
    pub mesh: Vec<VecDeque<(u8, Vec<u8>)>>,
    /// What leaves.
    pub out: Vec<Datagram>,
    /// Media ports open.
    pub open: BTreeSet<MediaPort>,
    /// What must not happen and did.
    pub breaches: Vec<String>,
    /// The planted fault.
    pub plant: Option<Plant>,
    /// Packets relayed.
    pub media_sent: u64,
    last_media: Option<(MediaPort, SocketAddr, Vec<u8>)>,
}

impl Machine {
    /// A machine with these listeners, nothing open.
    #[must_use]
    pub fn new(listeners: [SocketAddr; 2], dice: Dice, plant: Option<Plant>) -> Machine {
        Machine {
            listeners,
            sockets: Sockets::new(dice),
            sip_in: VecDeque::new(),
            sip_burst: SIP_BURST_MAX,
            carriers: (0, 0),
            media_in: VecDeque::new(),
            mesh: Vec::new(),
            out: Vec::new(),
            open: BTreeSet::new(),
            breaches: Vec::new(),
            plant,
            media_sent: 0,
            last_media: None,
        }
    }

    /// Takes a datagram of the network; what nobody listens to is gone.
    pub fn receive(&mut self, datagram: Datagram, now: Tick) {
        let Datagram { from, to, data, .. } = datagram;
        let own = (0..).zip(self.listeners).find(|(_, own)| own.ip() == to.ip());
        let Some((address, listener)) = own else { return };
        if from.is_ipv6() != to.is_ipv6() {
            self.breaches.push(format!("{from} reached {to}"));
        }
        if to == listener {
            self.sip_in.push_back(Waiting { listener: address, peer: from, data, since: now });
            return;
        }
        let port = MediaPort { address, port: to.port() };
        if self.open.contains(&port) {
            self.media_in.push_back((port, from, data));
        }
    }

    /// What a planted fault makes of a datagram that is about to be handed out: how long it has
    /// waited as the switch sees it; `None` = nothing is seen of it.
    fn seen(&mut self, waiting: &Waiting, now: Tick) -> Option<u64> {
        let queued_ns = now.ns_since(waiting.since);
        match self.plant {
            Some(Plant::DelayUnseen) => Some(0),
            Some(Plant::InDialogShed) if queued_ns > 60 * MS && has_to_tag(&waiting.data) => None,
            Some(Plant::TrunkLimited) if crate::plan::is_carrier(waiting.peer.ip()) => {
                let second = now.0 / SECOND;
                let (of, count) = self.carriers;
                let count = if of == second { count + 1 } else { 1 };
                self.carriers = (second, count);
                (count <= CARRIER_MAX).then_some(queued_ns)
            }
            _ => Some(queued_ns),
        }
    }

    fn emit_media(&mut self, now: Tick, from: MediaPort, to: SocketAddr, data: Vec<u8>) {
        if !self.open.contains(&from) {
            self.breaches.push(format!("media left the closed port {}", from.port));
        }
        self.media_sent += 1;
        let Some(own) = self.listeners.get(usize::from(from.address)) else {
            return self.breaches.push(format!("media left address {}", from.address));
        };
        let from = SocketAddr::new(own.ip(), from.port);
        if from.is_ipv6() != to.is_ipv6() {
            return self.breaches.push(format!("media from {from} to {to}"));
        }
        self.out.push(Datagram { sent_at: now, from, to, data });
    }
}

/// The address of a listener for connections: they stand behind those for datagrams.
#[must_use]
pub fn stream_listener(listener: u8, listeners: &[SocketAddr; 2]) -> Option<SocketAddr> {
    listeners.get(usize::from(listener).checked_sub(listeners.len())?).copied()
}

fn has_to_tag(data: &[u8]) -> bool {
    let text = String::from_utf8_lossy(data);
    text.lines().any(|line| line.starts_with("To:") && line.contains(";tag="))
}

/// Words that a shard may be behind: few, so that some find no room.
const MESH_WORDS_MAX: usize = 24;

/// [`Io`] of one shard over a [`Machine`].
pub struct SimIo {
    machine: Rc<RefCell<Machine>>,
    /// The shard.
    number: u8,
    /// Media ports that are its.
    own: BTreeSet<MediaPort>,
    clock: Clock,
    probe: SharedProbe,
}

impl SimIo {
    /// The operating system of a shard of a switch that is plugged in so.
    #[must_use]
    pub fn new(plugs: &Plugs, number: u8) -> SimIo {
        plugs.machine.borrow_mut().sockets.hold(false);
        SimIo {
            machine: Rc::clone(&plugs.machine),
            number,
            own: BTreeSet::new(),
            clock: Rc::clone(&plugs.clock),
            probe: Rc::clone(&plugs.probe),
        }
    }
}

impl SimIo {
    fn is_door(&self) -> bool {
        self.number == DOOR
    }
}

impl Io for SimIo {
    fn now(&self) -> Tick {
        self.clock.get()
    }

    fn sample(&mut self) -> Tick {
        self.clock.get()
    }

    fn wall_us(&self) -> i64 {
        wall_us(self.clock.get())
    }

    fn recv_sip(&mut self, mut sink: impl FnMut(SipDatagram<'_>)) -> usize {
        let mut taken = 0;
        let most = if self.is_door() { self.machine.borrow().sip_burst } else { 0 };
        while taken < most {
            let mut machine = self.machine.borrow_mut();
            let Some(waiting) = machine.sip_in.pop_front() else { break };
            let Some(queued_ns) = machine.seen(&waiting, self.clock.get()) else { continue };
            let Waiting { listener, peer, data, .. } = waiting;
            let local = machine.listeners.get(usize::from(listener)).map(|own| own.ip());
            drop(machine);
            let path = SipPath { listener, local, peer };
            sink(SipDatagram { path, data: &data, queued_ns });
            taken += 1;
        }
        taken
    }

    fn recv_sip_errors(&mut self, _sink: impl FnMut(SipFailure)) -> usize {
        0
    }

    fn send_sip(&mut self, path: SipPath, data: &[u8]) -> SendResult {
        if data.len() > SIP_DATAGRAM_BYTES_MAX {
            return SendResult::TooLong;
        }
        let own = self.machine.borrow().listeners.get(usize::from(path.listener)).copied();
        let Some(from) = own.filter(|own| own.is_ipv6() == path.peer.is_ipv6()) else {
            return SendResult::NoListener;
        };
        let mut probe = self.probe.borrow_mut();
        let alive = probe.effect(Place::Network);
        let step = if alive { probe.judge_datagram(data) } else { None };
        if alive && step.is_none_or(|step| probe.begin(step)) {
            let mut machine = self.machine.borrow_mut();
            let sent_at = self.clock.get();
            machine.out.push(Datagram { sent_at, from, to: path.peer, data: data.to_vec() });
            step.into_iter().for_each(|step| probe.done(step));
        }
        SendResult::Queued
    }

    fn recv_streams(&mut self, sink: impl FnMut(StreamEvent<'_>)) -> usize {
        if self.is_door() { self.machine.borrow_mut().sockets.recv(sink) } else { 0 }
    }

    fn hold_streams(&mut self, held: bool) {
        if self.is_door() {
            self.machine.borrow_mut().sockets.hold(held);
        }
    }

    fn send_mesh(&mut self, to: u8, message: &[u8]) -> Result<(), MeshFull> {
        if !self.probe.borrow_mut().effect(Place::Link) {
            // What a dead process does has no effect, and it does not see that either.
            return Ok(());
        }
        let mut machine = self.machine.borrow_mut();
        let inlet = machine.mesh.get_mut(usize::from(to)).ok_or(MeshFull)?;
        if inlet.len() >= MESH_WORDS_MAX {
            return Err(MeshFull);
        }
        inlet.push_back((self.number, message.to_vec()));
        Ok(())
    }

    fn recv_mesh(&mut self, mut sink: impl FnMut(u8, &[u8])) -> usize {
        let mut taken = 0;
        while taken < MESH_BURST_MAX {
            let mut machine = self.machine.borrow_mut();
            let inlet = machine.mesh.get_mut(usize::from(self.number));
            let Some((from, word)) = inlet.and_then(VecDeque::pop_front) else { break };
            drop(machine);
            sink(from, &word);
            taken += 1;
        }
        taken
    }

    fn open_stream(&mut self, listener: u8, peer: SocketAddr) -> Result<ConnId, ConnectError> {
        let mut machine = self.machine.borrow_mut();
        let own = stream_listener(listener, &machine.listeners);
        let Some(own) = own.filter(|own| own.is_ipv6() == peer.is_ipv6()) else {
            return Err(ConnectError::NoListener);
        };
        if own.ip() == peer.ip() {
            machine.breaches.push(format!("a connection to ourselves, {peer}"));
        }
        Ok(machine.sockets.open(listener, peer))
    }

    fn send_stream(&mut self, conn: ConnId, data: &[u8]) -> usize {
        let mut probe = self.probe.borrow_mut();
        let alive = probe.effect(Place::Network);
        let step = if alive { probe.judge_datagram(data) } else { None };
        if !alive || !step.is_none_or(|step| probe.begin(step)) {
            // What a dead process does has no effect, and it does not see that either.
            return data.len();
        }
        let taken = self.machine.borrow_mut().sockets.send(conn, data);
        step.into_iter().for_each(|step| probe.done(step));
        taken
    }

    fn close_stream(&mut self, conn: ConnId) {
        if !self.probe.borrow().is_dead(Plane::Data) {
            self.machine.borrow_mut().sockets.close(conn);
        }
    }

    fn open_media(&mut self, port: MediaPort) -> Result<(), OpenError> {
        let adopting = self.probe.borrow().adopting;
        if adopting && self.machine.borrow().plant == Some(Plant::AdoptedPortUnopened) {
            return Ok(());
        }
        self.own.insert(port);
        if self.machine.borrow_mut().open.insert(port) { Ok(()) } else { Err(OpenError::InUse) }
    }

    fn close_media(&mut self, port: MediaPort) {
        let mut machine = self.machine.borrow_mut();
        if machine.plant == Some(Plant::LeakedPort) && port.port % 64 < 8 {
            return;
        }
        machine.open.remove(&port);
        machine.media_in.retain(|(at, _, _)| *at != port);
        if machine.plant == Some(Plant::ClosedFlowRelays)
            && let Some((from, to, data)) = machine.last_media.take_if(|(from, _, _)| *from == port)
        {
            // The flow outlives its port, as a kernel's flow without a dead-man switch would.
            machine.emit_media(self.clock.get(), from, to, data);
        }
    }

    fn recv_media(&mut self, burst: &mut MediaBurst) -> usize {
        burst.clear();
        let mut machine = self.machine.borrow_mut();
        while !burst.is_full()
            && let Some(at) = machine.media_in.iter().position(|(at, _, _)| self.own.contains(at))
            && let Some((port, source, data)) = machine.media_in.remove(at)
        {
            burst.push(port, source, &data);
        }
        burst.len()
    }

    fn send_media(&mut self, burst: &mut MediaBurst) {
        let mut probe = self.probe.borrow_mut();
        let some = burst.packets().iter().any(|packet| packet.target().is_some());
        if probe.is_dead(Plane::Data) || (some && !probe.begin(Step::Relayed)) {
            return burst.clear();
        }
        let mut machine = self.machine.borrow_mut();
        for packet in burst.packets() {
            let Some(target) = packet.target() else { continue };
            let data = packet.data().to_vec();
            machine.last_media = Some((target.from, target.to, data.clone()));
            machine.emit_media(self.clock.get(), target.from, target.to, data);
        }
        burst.clear();
        if some {
            probe.done(Step::Relayed);
        }
    }

    fn flush(&mut self) {}

    fn wait(&mut self, _until: Tick) -> Woke {
        Woke::default()
    }
}
