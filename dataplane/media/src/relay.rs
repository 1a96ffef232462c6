//! Pairs of sides, and the flows between them.

use crate::component::Components;
use crate::ear::Ear;
use crate::flow::{Flow, Format, Rate};
use crate::guard::{Guards, Use};
use crate::hearing::Hearing;
use crate::limits::{EVENTS_MAX, FLOW_PACKETS, PAIRS_MAX, SILENCE_RUNNING_MS, SILENCE_START_MS};
use crate::ports::{LocalPort, PortSpace};
use crate::remote::Remote;
use crate::report::{FlowReport, MediaReport, RtcpReport, SideReport};
use crate::wheel::Wheel;
use crate::{GuardMarks, Keys};
use core::net::{IpAddr, SocketAddr};
use core::num::NonZeroU32;
use std::collections::VecDeque;
use strowger_link::Tick;
use strowger_sdp::{Direction, PayloadTypes, Terms};

mod away;
mod burst;
mod secure;
#[cfg(test)]
mod size;
mod watch;
use away::Away;
pub use away::{Back, Carriage, Offer};
use watch::Watch;

/// One side of a pair.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Side {
    /// The one that called, by custom.
    A,
    /// The other.
    B,
}

/// Sizes of a relay.
#[derive(Clone, Copy, Debug)]
pub struct RelayConfig {
    /// The local ports; each has a place in the slab of flows.
    pub space: PortSpace,
    /// Pairs at most; cut to [`PAIRS_MAX`].
    pub pairs_max: usize,
    /// Packets of a flow in a second; what is beyond is dropped. 0 = as many as come.
    pub flow_packets_max: u32,
}

impl RelayConfig {
    /// This many pairs on these ports, with the usual limit of a flow.
    #[must_use]
    pub const fn new(space: PortSpace, pairs_max: usize) -> RelayConfig {
        RelayConfig { space, pairs_max, flow_packets_max: FLOW_PACKETS }
    }
}

/// What a pair carries. It comes from the session descriptions, never from packets.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Carried {
    /// RTP and RTCP, also where SRTP of a party ends here.
    Rtp,
    /// SRTP and SRTCP that pass: as RTP, but for what RTCP tells.
    Srtp,
    /// UDPTL or the like: datagrams that are not looked at.
    Opaque,
}

/// What a pair is made of.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct PairSpec {
    /// What it carries.
    pub carried: Carried,
    /// Its first side.
    pub a: Endpoint,
    /// Its second side.
    pub b: Endpoint,
}

/// One side: our ports, and the party behind them.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Endpoint {
    /// Our port for its media: what it sends arrives here, what it receives leaves from here.
    pub rtp: LocalPort,
    /// Our port for its RTCP.
    pub rtcp: Option<LocalPort>,
    /// The party.
    pub peer: Peer,
    /// How long the party may be silent.
    pub silence: Silence,
}

/// How long a party that should send may be silent before it is told, milliseconds; 0 = for ever.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Silence {
    /// Before its first packet.
    pub start_ms: u32,
    /// Between packets.
    pub running_ms: u32,
}

impl Silence {
    /// Never told.
    pub const NEVER: Silence = Silence { start_ms: 0, running_ms: 0 };
    /// The usual times.
    pub const DEFAULT: Silence =
        Silence { start_ms: SILENCE_START_MS, running_ms: SILENCE_RUNNING_MS };
}

/// What signalling says of a party's media.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Peer {
    /// Where it receives media. `None` while unknown or on hold by address; for a party behind a
    /// NAT `None` keeps packets away from the private address it signals, until one of its own
    /// has shown the public one.
    pub remote: Option<SocketAddr>,
    /// Where it receives RTCP.
    pub rtcp_remote: Option<SocketAddr>,
    /// The IP address its signalling comes from, if the party is behind a NAT: it signals a
    /// private address, or its Via differs from what it came from.
    pub nat: Option<IpAddr>,
    /// Packets come from the address that it signals, or from strangers: nothing is learned.
    pub strict: bool,
    /// What the party does.
    pub direction: Direction,
    /// Payload types accepted from it. Parties may number theirs differently, so this is the
    /// union of both descriptions, or all.
    pub payload_types: PayloadTypes,
    /// Its payload type of telephone-event.
    pub telephone_event: Option<u8>,
    /// The clock of the timestamps it sends, in Hz; 0 is taken for 8000.
    pub clock_hz: u32,
}

impl Peer {
    /// A party by its terms, every payload type accepted.
    #[must_use]
    pub const fn from_terms(terms: &Terms, nat: Option<IpAddr>) -> Peer {
        Peer {
            remote: terms.rtp(),
            rtcp_remote: terms.rtcp,
            nat,
            strict: false,
            direction: terms.direction,
            payload_types: PayloadTypes::ALL,
            telephone_event: terms.telephone_event,
            clock_hz: terms.clock_hz,
        }
    }

    fn clock(&self) -> NonZeroU32 {
        const VOICE: NonZeroU32 = NonZeroU32::new(8000).unwrap();
        NonZeroU32::new(self.clock_hz).unwrap_or(VOICE)
    }

    fn format(&self, carried: Carried) -> Format {
        match carried {
            Carried::Rtp | Carried::Srtp => {
                Format::Rtp { payload_types: self.payload_types, event: self.telephone_event }
            }
            Carried::Opaque => Format::Opaque,
        }
    }
}

/// A pair: its place, and a number that tells it from those who had the place before.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct PairId {
    index: u32,
    generation: u32,
}

/// Why a pair was not opened. Nothing was changed.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum OpenError {
    /// As many pairs as the relay may have.
    PairsFull,
    /// A port outside the relay's space.
    UnknownPort,
    /// A port in use by another pair, or named twice.
    PortBusy,
}

/// The pair was closed.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct NoSuchPair;

/// What the relay tells.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum MediaEvent {
    /// A side that should send has sent nothing for the time configured. Told once until it
    /// sends again.
    Silent {
        /// The pair.
        pair: PairId,
        /// The side that is silent.
        side: Side,
    },
}

/// The relay. See the crate's documentation for how to drive it.
#[derive(Debug)]
pub struct Relay {
    /// One slot for each local port.
    slots: Box<[Slot]>,
    /// What came by RTCP to each local port.
    hearings: Box<[Hearing]>,
    /// What each local port carried around an answer.
    ears: Box<[Ear]>,
    /// Whether the flow of each local port is relayed by somebody else.
    aways: Box<[Away]>,
    rate: Rate,
    /// Keys of local ports.
    guards: Guards,
    /// Those of them where more than media comes.
    components: Components,
    pairs: Box<[PairSlot]>,
    first_free: Option<u32>,
    open_count: usize,
    wheel: Wheel,
    events: VecDeque<MediaEvent>,
    closed_drops: u64,
    carriage: Carriage,
}

/// A local port.
#[derive(Clone, Copy, Debug)]
#[expect(clippy::large_enum_variant, reason = "a slab: a closed port keeps its place")]
enum Slot {
    Closed,
    Open(Flow),
}

/// A place for a pair.
#[derive(Clone, Copy, Debug)]
enum PairSlot {
    Free { generation: u32, next: Option<u32> },
    Open(Pair),
}

/// A pair in use.
#[derive(Clone, Copy, Debug)]
struct Pair {
    generation: u32,
    opened: Tick,
    carried: Carried,
    a: End,
    b: End,
}

/// One side of a pair in use.
#[derive(Clone, Copy, Debug)]
struct End {
    rtp: LocalPort,
    rtcp: Option<LocalPort>,
    direction: Direction,
    silence: Silence,
    watch: Watch,
}

impl Relay {
    /// A relay with all its memory, and no pair.
    #[must_use]
    pub fn new(config: &RelayConfig) -> Relay {
        let pairs_max = config.pairs_max.min(PAIRS_MAX);
        let place = |index: usize| {
            let next = Some(index as u32 + 1).filter(|next| (*next as usize) < pairs_max);
            PairSlot::Free { generation: 0, next }
        };
        Relay {
            slots: vec![Slot::Closed; config.space.len()].into_boxed_slice(),
            hearings: vec![Hearing::default(); config.space.len()].into_boxed_slice(),
            ears: vec![Ear::new(Tick(0)); config.space.len()].into_boxed_slice(),
            aways: vec![Away::new(Tick(0)); config.space.len()].into_boxed_slice(),
            rate: Rate::new(config.flow_packets_max),
            guards: Guards::new(config.space.len()),
            components: Components::none(config.space.len()),
            pairs: (0..pairs_max).map(place).collect(),
            first_free: (pairs_max > 0).then_some(0),
            open_count: 0,
            wheel: Wheel::new(pairs_max),
            events: VecDeque::with_capacity(EVENTS_MAX),
            closed_drops: 0,
            carriage: Carriage::default(),
        }
    }

    /// Opens a pair: its ports relay from now on.
    ///
    /// # Errors
    /// [`OpenError`].
    pub fn open(&mut self, spec: &PairSpec, now: Tick) -> Result<PairId, OpenError> {
        self.check_ports(spec)?;
        let index = self.first_free.ok_or(OpenError::PairsFull)?;
        let place = self.pairs.get_mut(index as usize).ok_or(OpenError::PairsFull)?;
        let PairSlot::Free { generation, next } = *place else { return Err(OpenError::PairsFull) };
        let end = |endpoint: &Endpoint| End {
            rtp: endpoint.rtp,
            rtcp: endpoint.rtcp,
            direction: endpoint.peer.direction,
            silence: endpoint.silence,
            watch: Watch::new(now),
        };
        let (a, b) = (end(&spec.a), end(&spec.b));
        *place = PairSlot::Open(Pair { generation, opened: now, carried: spec.carried, a, b });
        self.first_free = next;
        self.open_count += 1;
        self.open_flows(&spec.a, &spec.b, spec.carried, now);
        self.open_flows(&spec.b, &spec.a, spec.carried, now);
        self.apply_directions(&a, &b);
        self.watch(index, now);
        Ok(PairId { index, generation })
    }

    /// Takes over what new signalling says of one side: an answer, a re-INVITE, a hold. What was
    /// learned of its address stays, unless another address is signalled.
    ///
    /// # Errors
    /// [`NoSuchPair`].
    pub fn update(
        &mut self,
        id: PairId,
        side: Side,
        peer: &Peer,
        now: Tick,
    ) -> Result<(), NoSuchPair> {
        let pair = self.pair_mut(id).ok_or(NoSuchPair)?;
        pair.end_mut(side).direction = peer.direction;
        pair.a.watch = Watch::new(now);
        pair.b.watch = Watch::new(now);
        let Pair { carried, a, b, .. } = *pair;
        let end = match side {
            Side::A => a,
            Side::B => b,
        };
        // Who proves where it is by checks is not where its description says.
        let is_checked = self.components.is_checked(end.rtp);
        if let Some(flow) = self.flow_mut(end.rtp) {
            flow.format = peer.format(carried);
            flow.reception.set_clock(peer.clock());
            if !is_checked {
                flow.remote.update(peer.remote, peer.nat, peer.strict);
            }
        }
        if let Some(away) = self.aways.get_mut(end.rtp.index()) {
            away.disturb(now);
        }
        if let Some(flow) = end.rtcp.filter(|_| !is_checked).and_then(|port| self.flow_mut(port)) {
            flow.remote.update(peer.rtcp_remote, peer.nat, peer.strict);
        }
        self.apply_directions(&a, &b);
        self.watch(id.index, now);
        Ok(())
    }

    /// The call of a pair was answered: what its parties send from now on is told beside what they
    /// sent before. Said again it changes nothing.
    ///
    /// # Errors
    /// [`NoSuchPair`].
    pub fn answer(&mut self, id: PairId, now: Tick) -> Result<(), NoSuchPair> {
        let Pair { a, b, .. } = *self.pair(id).ok_or(NoSuchPair)?;
        for port in [a.rtp, b.rtp] {
            if let Some(ear) = self.ears.get_mut(port.index()) {
                ear.answer(now);
            }
        }
        Ok(())
    }

    /// Closes a pair: its ports send nothing from now on.
    ///
    /// # Errors
    /// [`NoSuchPair`].
    pub fn close(&mut self, id: PairId, now: Tick) -> Result<MediaReport, NoSuchPair> {
        let report = self.report(id, now).ok_or(NoSuchPair)?;
        let Pair { a, b, .. } = *self.pair(id).ok_or(NoSuchPair)?;
        for port in [Some(a.rtp), a.rtcp, Some(b.rtp), b.rtcp].into_iter().flatten() {
            self.forget_away(port);
            if let Some(slot) = self.slots.get_mut(port.index()) {
                *slot = Slot::Closed;
            }
        }
        let generation = id.generation.wrapping_add(1);
        let next = self.first_free.replace(id.index);
        if let Some(place) = self.pairs.get_mut(id.index as usize) {
            *place = PairSlot::Free { generation, next };
        }
        self.open_count -= 1;
        self.wheel.remove(id.index);
        self.events.retain(|event| event.pair() != id);
        Ok(report)
    }

    /// What a pair has carried so far.
    #[must_use]
    pub fn report(&self, id: PairId, now: Tick) -> Option<MediaReport> {
        let Pair { opened, a, b, .. } = *self.pair(id)?;
        let side = |end: &End, other: &End| {
            let media = FlowReport::new(self.flow(end.rtp)?, self.ears.get(end.rtp.index())?);
            let clock_hz = self.flow(other.rtp)?.reception.clock_hz();
            let rtcp = end.rtcp.and_then(|port| {
                let heard = self.hearings.get(port.index())?.heard(clock_hz);
                Some(RtcpReport::new(self.flow(port)?, heard))
            });
            Some(SideReport { media, rtcp })
        };
        Some(MediaReport { opened, closed: now, a: side(&a, &b)?, b: side(&b, &a)? })
    }

    /// Gives a party's ports, of RTP and of RTCP, the keys of its SRTP, or takes them; whether they
    /// are in a pair or not. A key that they have already goes on where it is, so keys stay with
    /// the ports until they are taken.
    pub fn guard(&mut self, ports: (LocalPort, LocalPort), keys: Option<&Keys>) {
        self.guard_apart(ports, [keys, keys]);
    }

    /// As [`Relay::guard`], where RTCP has keys of its own, or none: those of RTP, then of RTCP.
    pub fn guard_apart(
        &mut self,
        (rtp, rtcp): (LocalPort, LocalPort),
        [of_rtp, of_rtcp]: [Option<&Keys>; 2],
    ) {
        for (port, of, keys) in [(rtp, Use::Rtp, of_rtp), (rtcp, Use::Rtcp, of_rtcp)] {
            self.guards.set(port, of, keys);
            self.enter(port);
        }
    }

    /// Where the streams of a party with keys are.
    #[must_use]
    pub fn marks(&self, (rtp, rtcp): (LocalPort, LocalPort)) -> GuardMarks {
        self.guards.marks(rtp, rtcp)
    }

    /// Takes the streams of a party up where a former life left them, after [`Relay::guard`].
    pub fn resume(&mut self, (rtp, rtcp): (LocalPort, LocalPort), marks: &GuardMarks) {
        self.guards.resume(rtp, rtcp, marks);
    }

    /// A port whose marks have moved so far that they are to be kept anew; drain it to `None`.
    pub fn poll_marked(&mut self) -> Option<LocalPort> {
        self.guards.poll_due()
    }

    /// Pairs open.
    #[must_use]
    pub const fn open_count(&self) -> usize {
        self.open_count
    }

    /// Packets that arrived at ports without a flow.
    #[must_use]
    pub const fn closed_drops(&self) -> u64 {
        self.closed_drops
    }

    fn check_ports(&self, spec: &PairSpec) -> Result<(), OpenError> {
        let ports = [Some(spec.a.rtp), spec.a.rtcp, Some(spec.b.rtp), spec.b.rtcp];
        for (nth, port) in ports.iter().enumerate() {
            let Some(port) = port else { continue };
            match self.slots.get(port.index()) {
                None => return Err(OpenError::UnknownPort),
                Some(Slot::Open(_)) => return Err(OpenError::PortBusy),
                Some(Slot::Closed) => {}
            }
            if ports.iter().skip(nth + 1).any(|other| *other == Some(*port)) {
                return Err(OpenError::PortBusy);
            }
        }
        Ok(())
    }

    /// Opens the flows of what `own` sends, leaving by the ports of `other`.
    fn open_flows(&mut self, own: &Endpoint, other: &Endpoint, carried: Carried, now: Tick) {
        let Peer { remote, rtcp_remote, nat, strict, .. } = own.peer;
        let (clock, rate) = (own.peer.clock(), self.rate);
        let remote = Remote::new(remote, nat, strict);
        let mut media = Flow::new(own.peer.format(carried), Some(other.rtp), remote, (clock, rate));
        // What is encrypted, or no speech, is not listened to.
        media.is_heard = carried == Carried::Rtp;
        self.set_slot(own.rtp, Slot::Open(media));
        self.enter(own.rtp);
        if let Some(ear) = self.ears.get_mut(own.rtp.index()) {
            *ear = Ear::new(now);
        }
        if let Some(away) = self.aways.get_mut(own.rtp.index()) {
            *away = Away::new(now);
        }
        if let Some(port) = own.rtcp {
            let format = Format::Rtcp { is_clear: carried == Carried::Rtp };
            let remote = Remote::new(rtcp_remote, nat, strict);
            let rtcp = Flow::new(format, other.rtcp, remote, (clock, rate));
            self.set_slot(port, Slot::Open(rtcp));
            self.enter(port);
            if let Some(hearing) = self.hearings.get_mut(port.index()) {
                *hearing = Hearing::default();
            }
        }
    }

    /// Media flows from a side that sends to a side that receives.
    fn apply_directions(&mut self, a: &End, b: &End) {
        for (from, to) in [(a, b), (b, a)] {
            if let Some(flow) = self.flow_mut(from.rtp) {
                flow.is_open = from.direction.sends() && to.direction.receives();
            }
        }
    }

    fn set_slot(&mut self, port: LocalPort, slot: Slot) {
        if let Some(place) = self.slots.get_mut(port.index()) {
            *place = slot;
        }
    }

    fn flow(&self, port: LocalPort) -> Option<&Flow> {
        match self.slots.get(port.index())? {
            Slot::Open(flow) => Some(flow),
            Slot::Closed => None,
        }
    }

    fn flow_mut(&mut self, port: LocalPort) -> Option<&mut Flow> {
        match self.slots.get_mut(port.index())? {
            Slot::Open(flow) => Some(flow),
            Slot::Closed => None,
        }
    }

    fn pair(&self, id: PairId) -> Option<&Pair> {
        match self.pairs.get(id.index as usize)? {
            PairSlot::Open(pair) if pair.generation == id.generation => Some(pair),
            PairSlot::Open(_) | PairSlot::Free { .. } => None,
        }
    }

    fn pair_mut(&mut self, id: PairId) -> Option<&mut Pair> {
        match self.pairs.get_mut(id.index as usize)? {
            PairSlot::Open(pair) if pair.generation == id.generation => Some(pair),
            PairSlot::Open(_) | PairSlot::Free { .. } => None,
        }
    }
}

impl Pair {
    fn end_mut(&mut self, side: Side) -> &mut End {
        match side {
            Side::A => &mut self.a,
            Side::B => &mut self.b,
        }
    }
}

impl MediaEvent {
    /// The pair it is about.
    #[must_use]
    pub const fn pair(&self) -> PairId {
        match self {
            MediaEvent::Silent { pair, .. } => *pair,
        }
    }
}

#[cfg(test)]
mod tests;
