//! Media of calls: what `call` asks for by [`Resources`], carried out with `sdp`, `media` and the
//! ports of the operating system, in the same turn.
//!
//! Each leg has its own local ports, one pair for each media line, opened when the leg is first
//! told of them and closed when the leg is released. Two joined legs are relay pairs between those
//! ports, so a party keeps its ports through forks, re-offers and transfers.
//!
//! A leg's ports are at the media address of its listener ([`MediaConfig::of_listener`]). Only a
//! party that has described itself in the other family, before it was told of any port, gets the
//! first media address of that family: it says itself what it can reach. The two sides of a call
//! need not be of one family; the relay goes between them.
//!
//! Media addresses that belong to no listener are a pool: a leg's ports are at one of them when
//! more ports are free there than at the leg's own address, of the same family.

mod association;
mod away;
mod dtls;
mod frozen;
mod greeting;
mod report;
mod secret;
#[cfg(test)]
mod size;
mod sound;

use crate::gauge::Gauges;
use association::Associations;
pub use association::{Dtls, Step};
pub(crate) use away::come_up;
use core::fmt;
pub(crate) use frozen::FrozenMedia;
use greeting::Own;
use secret::{Secret, Telling};
pub(crate) use sound::CallSound;
use sound::Round;
use std::collections::{BTreeMap, BTreeSet};
use std::net::{IpAddr, SocketAddr};
use strowger_call::{Resources, Role};
use strowger_leg::Body;
use strowger_link::{
    Cause, Gauge, LegId, MediaMode, MediaPolicy, MediaReport, Plain, Srtp, Tick, Voices,
};
use strowger_media::ports::{LocalPort, PortPair, PortSpace, Ports};
use strowger_media::{
    Carriage, Carried, Endpoint, MediaEvent, PairId, PairSpec, Peer, Relay, RelayConfig, Side,
    Silence,
};
use strowger_port::net::{Io, MediaPort};
use strowger_sdp::limits::MEDIA_MAX;
use strowger_sdp::{
    Codec, Description, Direction, Keyed, LocalSession, OwnMedia, Place, Policy, RelayPlan, Terms,
    Transport, VoiceRule, transports_fit,
};
use strowger_srtp::KeyMaker;

/// How many other ports are tried when the system refuses one.
const OPEN_TRIES_MAX: u8 = 8;
/// Payload type that our own offers name telephone-event with.
const OWN_TELEPHONE_EVENT: u8 = 101;

/// Local media addresses and ports.
#[derive(Clone, Debug)]
pub struct MediaConfig {
    /// Local addresses in the order of `MediaPort::address`, and what peers are told.
    pub addresses: Vec<MediaAddress>,
    /// For each SIP listener the index of its media address; what none names is everybody's.
    pub of_listener: Vec<u8>,
    /// First port, even.
    pub port_min: u16,
    /// Last port, odd.
    pub port_max: u16,
    /// Most joined pairs at once.
    pub pairs_max: usize,
    /// Packets of a flow in a second; what is beyond is dropped. 0 = as many as come.
    pub flow_packets_max: u32,
    /// From chance: in which order ports are used, and our session numbers.
    pub seed: u64,
    /// From chance: what our keys of SRTP are made of.
    pub secret: KeySecret,
}

/// Chance that keys are made of. Shows itself to no log.
#[derive(Clone)]
pub struct KeySecret(pub [u8; 32]);

impl fmt::Debug for KeySecret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("KeySecret")
    }
}

/// One local media address.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct MediaAddress {
    /// What sockets bind.
    pub local: IpAddr,
    /// What peers are told.
    pub advertised: IpAddr,
}

/// All media of a shard.
#[derive(Debug)]
pub(crate) struct MediaDesk {
    addresses: Vec<MediaAddress>,
    of_listener: Vec<u8>,
    relay: Relay,
    ports: Ports,
    /// A tree's nodes are half empty, so they hold no media by value.
    legs: BTreeMap<LegId, Box<LegMedia>>,
    joints: BTreeMap<PairId, Joint>,
    next_session: u64,
    /// Gauges of branches.
    pub(crate) gauges: Gauges,
    /// Legs whose image has changed.
    touched: BTreeSet<LegId>,
    /// How calls sound, in turn.
    round: Round,
    /// Flows that are away, or may go, in turn.
    away_round: Round,
    /// Makes our keys of SRTP.
    maker: KeyMaker,
    /// Whose the ports with keys are.
    guarded: BTreeMap<LocalPort, LegId>,
    /// Keys by DTLS; `None` = there are none.
    associations: Option<Box<Associations>>,
    /// Ports whose party has shown where it is, to be looked at.
    shown: Vec<LocalPort>,
    /// Packets that parties are sent before anybody speaks.
    greetings: Vec<Own>,
}

#[derive(Debug)]
struct LegMedia {
    session: LocalSession,
    /// Index of our address.
    address: u8,
    /// Where its signalling comes from; no address at all (`0.0.0.0`, `::`) = another shard.
    signalling: Option<IpAddr>,
    policy: Option<MediaPolicy>,
    lines: Vec<Line>,
    /// The party's last description, for the call table.
    said: Vec<u8>,
    peer: Option<LegId>,
    /// Its call was answered in this life of the process.
    answered: bool,
    /// It was sent a packet first.
    greeted: bool,
    /// What its closed pairs carried.
    report: Option<Box<MediaReport>>,
}

#[derive(Debug, Default)]
struct Line {
    ports: Option<PortPair>,
    terms: Option<Terms>,
    codec: String,
    pair: Option<PairId>,
    /// Its SRTP, where that is our business.
    secret: Option<Box<Secret>>,
}

impl Line {
    /// The address that the party has described for it.
    fn described_ip(&self) -> Option<IpAddr> {
        let ip = self.terms.as_ref()?.rtp()?.ip();
        (!ip.is_unspecified()).then_some(ip)
    }
}

/// Whose a relay pair is.
#[derive(Clone, Copy, Debug)]
struct Joint {
    a: LegId,
    b: LegId,
    carried: Carried,
}

/// [`MediaDesk`] with the system and the time of this turn: what calls are handed.
pub(crate) struct Desk<'a, I> {
    /// The desk.
    pub(crate) media: &'a mut MediaDesk,
    /// The system.
    pub(crate) io: &'a mut I,
    /// Now.
    pub(crate) now: Tick,
}

impl MediaDesk {
    /// Nothing open. `None` when the range or the number of addresses is out of bounds.
    #[must_use]
    pub(crate) fn new(config: &MediaConfig) -> Option<MediaDesk> {
        let count = u8::try_from(config.addresses.len()).ok()?;
        let space = PortSpace::new(count, config.port_min, config.port_max)?;
        Some(MediaDesk {
            addresses: config.addresses.clone(),
            of_listener: config.of_listener.clone(),
            relay: Relay::new(&RelayConfig {
                flow_packets_max: config.flow_packets_max,
                ..RelayConfig::new(space, config.pairs_max)
            }),
            ports: Ports::new(space, config.seed),
            legs: BTreeMap::new(),
            joints: BTreeMap::new(),
            // Session numbers are told to peers; 62 bits keep them in a signed number.
            next_session: config.seed >> 2,
            gauges: Gauges::default(),
            touched: BTreeSet::new(),
            round: Round::default(),
            away_round: Round::default(),
            maker: KeyMaker::new(&config.secret.0)?,
            guarded: BTreeMap::new(),
            associations: None,
            shown: Vec::new(),
            greetings: Vec::new(),
        })
    }

    /// The relay, for bursts.
    pub(crate) fn relay_mut(&mut self) -> &mut Relay {
        &mut self.relay
    }

    /// What was relayed away from here.
    pub(crate) const fn carriage(&self) -> Carriage {
        self.relay.carriage()
    }

    /// The numbering of local ports.
    #[must_use]
    pub(crate) const fn space(&self) -> PortSpace {
        self.ports.space()
    }

    /// Joined pairs of ports: calls that are relayed, if each has one media line.
    #[must_use]
    pub(crate) fn pairs(&self) -> usize {
        self.joints.len()
    }

    /// Port pairs in use.
    #[must_use]
    pub(crate) fn ports_in_use(&self) -> usize {
        self.ports.taken_count()
    }

    /// A leg begins: its listener, and where its signalling comes from.
    pub(crate) fn begin(&mut self, leg: LegId, listener: u8, signalling: IpAddr) {
        let address = self.of_listener.get(usize::from(listener)).copied().unwrap_or_default();
        let media = self.leg(leg);
        media.address = address;
        media.signalling = Some(signalling);
    }

    /// A leg's signalling comes from another address now.
    pub(crate) fn moved(&mut self, leg: LegId, signalling: IpAddr) {
        if let Some(media) = self.legs.get_mut(&leg) {
            media.signalling = Some(signalling);
            self.touched.insert(leg);
        }
    }

    /// When [`MediaDesk::handle_timeout`] is due.
    #[must_use]
    pub(crate) fn poll_timeout(&self) -> Option<Tick> {
        let dtls = self.associations.as_ref().and_then(|all| match all.has_strangers() {
            true => Some(Tick(0)),
            false => all.poll_timeout(),
        });
        [self.relay.poll_timeout(), dtls].into_iter().flatten().min()
    }

    /// A leg whose party is not who it says, to be ended; drain to `None` before
    /// [`MediaDesk::handle_timeout`].
    pub(crate) fn poll_impostor(&mut self) -> Option<LegId> {
        self.associations.as_mut()?.poll_stranger()
    }

    /// Looks for silent sides; calls `silent` for each leg that has to be ended for it.
    pub(crate) fn handle_timeout<I: Io>(
        &mut self,
        io: &I,
        now: Tick,
        mut silent: impl FnMut(LegId),
    ) {
        if let Some(associations) = &mut self.associations {
            associations.handle_timeout(now);
        }
        let space = self.space();
        self.relay.handle_timeout_beside(now, |at| {
            let (address, port) = space.place(at)?;
            io.carried(MediaPort { address, port })
        });
        while let Some(event) = self.relay.poll_output() {
            let MediaEvent::Silent { pair, side } = event;
            if let Some(joint) = self.joints.get(&pair) {
                silent(match side {
                    Side::A => joint.a,
                    Side::B => joint.b,
                });
            }
        }
    }

    fn leg(&mut self, leg: LegId) -> &mut LegMedia {
        let session = &mut self.next_session;
        self.legs.entry(leg).or_insert_with(|| {
            *session = session.wrapping_add(1);
            Box::new(LegMedia {
                session: LocalSession::new(*session),
                address: 0,
                signalling: None,
                policy: None,
                lines: Vec::new(),
                said: Vec::new(),
                peer: None,
                answered: false,
                greeted: false,
                report: None,
            })
        })
    }

    /// Whether our address of this index is an IPv6 one.
    fn is_ipv6(&self, address: u8) -> bool {
        self.addresses.get(usize::from(address)).is_some_and(|a| a.local.is_ipv6())
    }

    /// The address of our ports on `leg`, settled when the first of them is opened.
    fn address_of(&mut self, leg: LegId) -> u8 {
        let media = self.leg(leg);
        let address = media.address;
        let said = media.lines.iter().find_map(Line::described_ip).map(|ip| ip.is_ipv6());
        if media.lines.iter().any(|line| line.ports.is_some()) {
            return address;
        }
        let wanted = said.filter(|said| *said != self.is_ipv6(address));
        let other = wanted.and_then(|is_ipv6| self.own_of(is_ipv6));
        let address = self.roomiest(other.unwrap_or(address));
        self.leg(leg).address = address;
        address
    }

    /// The first address of a family.
    fn own_of(&self, is_ipv6: bool) -> Option<u8> {
        // At most MEDIA_ADDRESSES_MAX addresses, so the index fits.
        let at = self.addresses.iter().position(|a| a.local.is_ipv6() == is_ipv6);
        at.and_then(|at| u8::try_from(at).ok())
    }

    /// `own`, or the address that is everybody's and has more free ports; of these the one with
    /// most.
    fn roomiest(&self, own: u8) -> u8 {
        let is_ipv6 = self.is_ipv6(own);
        let pool = (0..).zip(&self.addresses).filter(|(at, address)| {
            address.local.is_ipv6() == is_ipv6 && !self.of_listener.contains(at)
        });
        pool.fold(own, |best, (at, _)| match self.ports.free_at(at) > self.ports.free_at(best) {
            true => at,
            false => best,
        })
    }

    /// Learns a leg's description.
    fn learn(
        &mut self,
        leg: LegId,
        (theirs, terms): (&Description<'_>, &[Terms]),
        policy: &MediaPolicy,
    ) {
        let media = self.leg(leg);
        media.policy = Some(*policy);
        grow(&mut media.lines, terms.len());
        let described = theirs.media().zip(terms);
        for (line, (described, terms)) in media.lines.iter_mut().zip(described) {
            // A line that turns into fax is remembered for what was spoken on it.
            if terms.transport.is_rtp() {
                line.codec = terms
                    .preferred
                    .and_then(|pt| described.rtpmap(pt))
                    .map(|map| String::from_utf8_lossy(map.encoding).into_owned())
                    .unwrap_or_default();
            }
            line.terms = Some(*terms);
        }
    }

    /// Whether an answer is by the transports that the leg offered (RFC 3264 6): one in the clear
    /// to an offer of SRTP that passes, or the other way round, is a call in which nobody hears
    /// anybody. What else may be odd about an answer the parties see for themselves.
    fn fits(&self, offerer: LegId, answer: &[Terms]) -> bool {
        let Some(media) = self.legs.get(&offerer) else { return true };
        let offer: Vec<Terms> = media.lines.iter().filter_map(|line| line.terms).collect();
        transports_fit(&offer, answer)
    }

    /// A description whose addresses mean something where it goes: one of the party's own network
    /// is replaced by the address that its signalling comes from. `None` when nothing is to be
    /// changed; what cannot be read is not ours to judge.
    fn reachable(&self, from: LegId, body: &Body) -> Option<Body> {
        let public = self.legs.get(&from)?.signalling.filter(|ip| !is_private(*ip))?;
        let theirs = Description::parse(&body.data).ok()?;
        let is_lost = |ip: IpAddr| is_private(ip) && ip.is_ipv6() == public.is_ipv6();
        theirs.with_address(public, is_lost).map(Body::sdp)
    }

    /// Keeps a leg's description as it was said.
    fn keep_said(&mut self, leg: LegId, body: &[u8]) {
        let media = self.leg(leg);
        media.said.clear();
        match media.lines.iter().filter_map(|line| line.terms).any(dtls::is_browsers) {
            true => dtls::lean(body, &mut media.said),
            false => media.said.extend_from_slice(body),
        }
        self.touched.insert(leg);
    }
}

/// Makes room for `count` lines, and for no more: most legs have one, for as long as they live.
fn grow(lines: &mut Vec<Line>, count: usize) {
    let more = count.saturating_sub(lines.len());
    lines.reserve_exact(more);
    lines.extend(core::iter::repeat_with(Line::default).take(more));
}

/// What a party wants of each media line.
fn terms_of(theirs: &Description<'_>) -> Vec<Terms> {
    theirs.media().map(|media| media.terms()).collect()
}

/// An address that means nothing beyond its own network (RFC 1918, 6598, 4193, link-local).
fn is_private(ip: IpAddr) -> bool {
    match ip.to_canonical() {
        IpAddr::V4(ip) => {
            let [a, b, ..] = ip.octets();
            ip.is_private() || ip.is_link_local() || (a == 100 && (64..128).contains(&b))
        }
        IpAddr::V6(ip) => ip.is_unique_local() || ip.is_unicast_link_local(),
    }
}

impl LegMedia {
    /// Whether its other end is a port of another shard: no network is between, and no address that
    /// a network would know reaches it.
    fn is_inside(&self) -> bool {
        self.signalling.is_some_and(|ip| ip.is_unspecified())
    }

    /// What the relay is told of the party on one line. Our port reaches one family: an address of
    /// the other is none, and the party is heard of when it sends.
    fn peer_of(&self, terms: &Terms, is_ipv6: bool) -> Peer {
        let signalled = terms.rtp().map(|a| a.ip());
        if self.is_inside() {
            return Peer::from_terms(terms, None);
        }
        let strict = self.policy.is_some_and(|policy| policy.strict);
        let behind_nat = self.policy.is_some_and(|p| p.nated)
            || signalled.is_some_and(|ip| {
                is_private(ip) && self.signalling.is_some_and(|s| s != ip && !is_private(s))
            });
        let nat = self.signalling.filter(|ip| behind_nat && ip.is_ipv6() == is_ipv6);
        let mut peer = Peer { strict, ..Peer::from_terms(terms, nat) };
        if nat.is_some() && signalled.is_some_and(is_private) {
            (peer.remote, peer.rtcp_remote) = (None, None);
        }
        peer.remote = peer.remote.filter(|at| at.is_ipv6() == is_ipv6);
        peer.rtcp_remote = peer.rtcp_remote.filter(|at| at.is_ipv6() == is_ipv6);
        peer
    }
}

/// What a line carries through the relay; SRTP that ends here is RTP there.
fn carried(terms: &Terms, ends_here: bool) -> Option<Carried> {
    match terms.transport {
        Transport::Rtp => Some(Carried::Rtp),
        Transport::Srtp | Transport::DtlsSrtp if ends_here => Some(Carried::Rtp),
        Transport::Srtp | Transport::DtlsSrtp => Some(Carried::Srtp),
        Transport::Udptl => Some(Carried::Opaque),
        Transport::Other => None,
    }
}

/// Nothing of the description can be carried: 488 (RFC 3261 21.4.26).
const NOT_ACCEPTABLE: Cause = Cause::new(488, 65);
/// No ports left: resource unavailable.
const NO_PORTS: Cause = Cause::new(503, 47);

impl<I: Io> Desk<'_, I> {
    /// Takes ports and opens their sockets; a port that the system refuses rests, another is tried.
    fn open_ports(&mut self, address: u8) -> Result<PortPair, Cause> {
        for _ in 0..OPEN_TRIES_MAX {
            let pair = self.media.ports.take(address, self.now).map_err(|_| NO_PORTS)?;
            if self.open_pair(pair).is_ok() {
                return Ok(pair);
            }
            // It was taken just now, so it can be given back.
            let _given = self.media.ports.give(pair, self.now);
        }
        Err(NO_PORTS)
    }

    /// Opens the sockets of a pair, both or none.
    fn open_pair(&mut self, pair: PortPair) -> Result<(), Cause> {
        let (Some(rtp), Some(rtcp)) = (self.place(pair.rtp), self.place(pair.rtcp)) else {
            return Err(NO_PORTS);
        };
        self.io.open_media(rtp).map_err(|_| NO_PORTS)?;
        if self.io.open_media(rtcp).is_err() {
            self.io.close_media(rtp);
            return Err(NO_PORTS);
        }
        Ok(())
    }

    fn place(&self, local: strowger_media::LocalPort) -> Option<MediaPort> {
        let (address, port) = self.media.ports.space().place(local)?;
        Some(MediaPort { address, port })
    }

    fn close_ports(&mut self, pair: PortPair) {
        for local in [pair.rtp, pair.rtcp] {
            if let Some(port) = self.place(local) {
                self.io.close_media(port);
            }
        }
        let _given = self.media.ports.give(pair, self.now);
    }

    /// Our places on `leg`, one for each wanted line; opens what is not open yet.
    fn places(&mut self, leg: LegId, wanted: &[bool]) -> Result<Vec<Option<Place>>, Cause> {
        let address = self.media.address_of(leg);
        let told = self.told_address(leg)?;
        let mut places = Vec::with_capacity(wanted.len());
        for (index, wanted) in wanted.iter().enumerate() {
            let lines = &mut self.media.leg(leg).lines;
            grow(lines, index + 1);
            let open = lines.get(index).and_then(|line| line.ports);
            let pair = match (wanted, open) {
                (false, _) => None,
                (true, Some(pair)) => Some(pair),
                (true, None) => Some(self.open_ports(address)?),
            };
            if let Some(line) = self.media.leg(leg).lines.get_mut(index) {
                line.ports = pair.or(line.ports);
            }
            let port = |local| self.place(local).map(|p| SocketAddr::new(told, p.port));
            places.push(pair.and_then(|p| Some(Place { rtp: port(p.rtp)?, rtcp: port(p.rtcp)? })));
        }
        Ok(places)
    }

    fn told_address(&mut self, leg: LegId) -> Result<IpAddr, Cause> {
        let media = self.media.leg(leg);
        let (address, inside) = (media.address, media.is_inside());
        let found = self.media.addresses.get(usize::from(address));
        let told = |a: &MediaAddress| if inside { a.local } else { a.advertised };
        found.map(told).ok_or(NO_PORTS)
    }

    /// Opens, updates and closes relay pairs so that they fit what both legs said last.
    fn settle(&mut self, a: LegId, b: LegId) {
        let count = self.media.legs.get(&a).map_or(0, |m| m.lines.len()).min(MEDIA_MAX);
        for index in 0..count {
            self.settle_line(a, b, index);
        }
        self.media.greet(a);
        self.media.greet(b);
    }

    fn settle_line(&mut self, a: LegId, b: LegId, index: usize) {
        let pair = self.media.legs.get(&a).and_then(|m| m.lines.get(index)).and_then(|l| l.pair);
        if let Some(pair) = pair {
            self.bring_home(pair);
        }
        let side = |leg: LegId| {
            let media = self.media.legs.get(&leg)?;
            let line = media.lines.get(index)?;
            let terms = line.terms.filter(|t| !t.is_rejected())?;
            let ports = line.ports?;
            let peer = media.peer_of(&terms, self.media.is_ipv6(media.address));
            let silence = media.policy.map_or(Silence::NEVER, |policy| Silence {
                start_ms: policy.start_timeout_ms,
                running_ms: policy.timeout_ms,
            });
            let endpoint = Endpoint { rtp: ports.rtp, rtcp: Some(ports.rtcp), peer, silence };
            Some((endpoint, carried(&terms, line.ends_here())?))
        };
        let (near, far) = (side(a), side(b));
        // A line may turn into fax, or into SRTP, where it stands: its packets are read anew once
        // both sides say so. Until then it goes on as it is, for the other side may refuse.
        let was = pair.and_then(|pair| Some(self.media.joints.get(&pair)?.carried));
        let agreed = near.filter(|(_, one)| far.is_none_or(|(_, other)| *one == other));
        let pair = match (pair, was, agreed) {
            (Some(_), _, None) if near.is_some() => return,
            (Some(pair), Some(was), Some((_, carried))) if was != carried && far.is_some() => {
                self.close_pair(pair, index);
                None
            }
            (pair, _, _) => pair,
        };
        match (near, far, pair) {
            (Some((ea, _)), Some((eb, _)), Some(pair)) => {
                let swapped = self.media.joints.get(&pair).is_some_and(|j| j.a != a);
                let (first, second) = if swapped { (eb, ea) } else { (ea, eb) };
                let _open = self.media.relay.update(pair, Side::A, &first.peer, self.now);
                let _open = self.media.relay.update(pair, Side::B, &second.peer, self.now);
            }
            (Some((ea, carried)), Some((eb, _)), None) => {
                let spec = PairSpec { carried, a: ea, b: eb };
                if let Ok(pair) = self.media.relay.open(&spec, self.now) {
                    self.media.joints.insert(pair, Joint { a, b, carried });
                    self.set_pair(a, index, Some(pair));
                    self.set_pair(b, index, Some(pair));
                    if self.media.legs.get(&b).is_some_and(|media| media.answered) {
                        let _open = self.media.relay.answer(pair, self.now);
                    }
                }
            }
            (None, _, Some(pair)) | (_, None, Some(pair)) => self.close_pair(pair, index),
            (None, _, None) | (_, None, None) => {}
        }
    }

    fn set_pair(&mut self, leg: LegId, index: usize, pair: Option<PairId>) {
        let line = self.media.legs.get_mut(&leg).and_then(|m| m.lines.get_mut(index));
        if let Some(line) = line {
            line.pair = pair;
        }
    }

    fn close_pair(&mut self, pair: PairId, index: usize) {
        self.bring_home(pair);
        let Some(joint) = self.media.joints.remove(&pair) else { return };
        let report = self.media.relay.close(pair, self.now);
        for leg in [joint.a, joint.b] {
            self.set_pair(leg, index, None);
            if let Ok(report) = &report {
                self.media.add_report(leg, index, report, joint.a == leg);
            }
        }
    }
}

/// A description without the voice codecs that a party may not speak; `None` when it stays.
fn voiced(body: &Body, voices: &Voices) -> Result<Option<Body>, Cause> {
    if *voices == Voices::ALL {
        return Ok(None);
    }
    let order: Vec<&str> = voices.names().collect();
    let plain = match voices.plain {
        Plain::Kept => strowger_sdp::Plain::Kept,
        Plain::Spare => strowger_sdp::Plain::Spare,
        Plain::Barred => strowger_sdp::Plain::Barred,
    };
    let rule = VoiceRule { order: &order, single: voices.single, plain };
    let theirs = Description::parse(&body.data).map_err(|_| NOT_ACCEPTABLE)?;
    let told = theirs.with_voices(&rule).map_err(|_| NOT_ACCEPTABLE)?;
    Ok(told.map(Body::sdp))
}

/// A description as its party would make it if it were not on hold, nor held.
fn off_hold(said: &[u8]) -> Vec<u8> {
    const HELD: [&[u8]; 3] = [b"a=sendonly", b"a=recvonly", b"a=inactive"];
    let mut out = Vec::with_capacity(said.len());
    for line in said.split_inclusive(|byte| *byte == b'\n') {
        let text = line.trim_ascii_end();
        let end = line.get(text.len()..).unwrap_or_default();
        out.extend_from_slice(if HELD.contains(&text) { b"a=sendrecv" } else { text });
        out.extend_from_slice(end);
    }
    out
}

impl<I: Io> Resources for Desk<'_, I> {
    fn begin(&mut self, leg: LegId, listener: u8, party: SocketAddr) {
        self.media.begin(leg, listener, party.ip());
    }

    fn describe(
        &mut self,
        from: LegId,
        to: LegId,
        role: Role,
        body: &Body,
        policy: (&MediaPolicy, &MediaPolicy),
    ) -> Result<Body, Cause> {
        if !body.is_sdp() {
            return Ok(body.clone());
        }
        let own = voiced(body, &policy.0.voices)?;
        let both = voiced(own.as_ref().unwrap_or(body), &policy.1.voices)?;
        let (said, body) = (body, both.as_ref().or(own.as_ref()).unwrap_or(body));
        let modes = [policy.0.mode, policy.1.mode];
        if !modes.contains(&MediaMode::Relay) {
            // A transfer offers it to somebody else.
            if (policy.0.srtp, policy.1.srtp) != (Srtp::Accept, Srtp::Accept) {
                let theirs = Description::parse(&body.data).map_err(|_| NOT_ACCEPTABLE)?;
                let srtp = (policy.0.srtp, policy.1.srtp);
                MediaDesk::may_pass((&theirs, &terms_of(&theirs)), srtp)?;
            }
            self.media.keep_said(from, &said.data);
            let is_fixed = modes.contains(&MediaMode::Fixed);
            let fixed = if is_fixed { self.media.reachable(from, body) } else { None };
            return Ok(fixed.unwrap_or_else(|| body.clone()));
        }
        let theirs = Description::parse(&body.data).map_err(|_| NOT_ACCEPTABLE)?;
        let terms = terms_of(&theirs);
        let telling = if self.media.concerns_keys((from, to), &terms, policy) {
            Some(self.media.tell_keys((from, to), role, (&theirs, &terms), policy)?)
        } else if role == Role::Answer && !self.media.fits(to, &terms) {
            return Err(NOT_ACCEPTABLE);
        } else {
            None
        };
        self.media.learn(from, (&theirs, &terms), policy.0);
        self.media.keep_said(from, &said.data);
        self.media.leg(to).policy = Some(*policy.1);
        let is_wanted = |terms: &Terms| !terms.is_rejected() && carried(terms, false).is_some();
        let wanted: Vec<bool> = terms.iter().map(is_wanted).collect();
        let places = self.places(to, &wanted)?;
        let address = self.told_address(to)?;
        let keys = telling.as_ref().map(Telling::keyed).unwrap_or_default();
        let plan = RelayPlan { address, places: &places, policy: Policy::Plain, keys: &keys };
        let session = &mut self.media.leg(to).session;
        let body = session.relay(&theirs, &plan).map_err(|_| NOT_ACCEPTABLE)?.to_vec();
        if telling.is_some() && role == Role::Answer {
            self.media.guard(from, self.now);
            self.media.guard(to, self.now);
            self.media.touched.insert(to);
        }
        if self.media.legs.get(&from).is_some_and(|m| m.peer == Some(to)) {
            self.settle(from, to);
            self.begin_dtls(from);
            self.begin_dtls(to);
        }
        Ok(Body::sdp(body))
    }

    fn compose(&mut self, to: LegId, policy: &MediaPolicy) -> Result<Body, Cause> {
        self.media.leg(to).policy = Some(*policy);
        let place = self.places(to, &[true])?.first().copied().flatten().ok_or(NO_PORTS)?;
        let address = self.told_address(to)?;
        let media = OwnMedia {
            place,
            codecs: &[Codec::PCMA, Codec::PCMU],
            telephone_event: Some(OWN_TELEPHONE_EVENT),
            ptime_ms: Some(20),
            direction: Direction::SendRecv,
        };
        let telling = self.media.compose_keys(to, policy.srtp)?;
        let keyed = telling.keyed().first().copied().unwrap_or(Keyed::Plain);
        let session = &mut self.media.leg(to).session;
        Ok(Body::sdp(session.offer(address, &media, keyed).to_vec()))
    }

    fn said(&self, leg: LegId) -> Option<Body> {
        let said = &self.media.legs.get(&leg)?.said;
        (!said.is_empty()).then(|| Body::sdp(off_hold(said)))
    }

    fn join(&mut self, a: LegId, b: LegId) {
        self.media.leg(a).peer = Some(b);
        self.media.leg(b).peer = Some(a);
        self.settle(a, b);
        self.begin_dtls(a);
        self.begin_dtls(b);
    }

    fn answered(&mut self, a: LegId, b: LegId) {
        for leg in [a, b] {
            let Some(media) = self.media.legs.get_mut(&leg) else { continue };
            media.answered = true;
            for pair in media.lines.iter().filter_map(|line| line.pair) {
                // Said of both legs: the second time it changes nothing.
                let _open = self.media.relay.answer(pair, self.now);
            }
            self.media.greet(leg);
        }
    }

    fn part(&mut self, a: LegId, b: LegId) {
        let pairs: Vec<(usize, PairId)> = self
            .media
            .legs
            .get(&a)
            .map(|m| m.lines.iter().enumerate().filter_map(|(i, l)| Some((i, l.pair?))).collect())
            .unwrap_or_default();
        for (index, pair) in pairs {
            self.close_pair(pair, index);
        }
        for leg in [a, b] {
            if let Some(media) = self.media.legs.get_mut(&leg) {
                media.peer = None;
            }
        }
    }

    fn release(&mut self, leg: LegId) -> Option<MediaReport> {
        if let Some(peer) = self.media.legs.get(&leg).and_then(|m| m.peer) {
            self.part(leg, peer);
        }
        self.media.touched.remove(&leg);
        let media = self.media.legs.remove(&leg)?;
        media.lines.iter().for_each(|line| self.media.unguard(line));
        for pair in media.lines.iter().filter_map(|line| line.ports) {
            self.close_ports(pair);
        }
        media.report.map(|report| *report)
    }

    fn take(&mut self, gauge: &Gauge, now: Tick) -> bool {
        self.media.gauges.take(gauge, now)
    }

    fn retake(&mut self, id: u32) {
        self.media.gauges.retake(id);
    }

    fn give(&mut self, id: u32) {
        self.media.gauges.give(id);
    }
}

#[cfg(test)]
mod tests;
