//! The shard and its turn.

use crate::admission::Keys;
use crate::backlog::Backlog;
use crate::connection::{Connections, Read, Tls};
use crate::cost::Load;
use crate::count::Counts;
use crate::desk::{CallSound, Desk, Dtls, MediaConfig, MediaDesk, come_up};
use crate::edge::{Draft, Sources};
use crate::front::{Arrival, Fate, Front, Limits};
use crate::gauge::Gauges;
use crate::inbox::{Inbox, path_of};
use crate::keep::Keeper;
use crate::mesh::Mesh;
use crate::outside::Outside;
use crate::turned::{METS, Met, TURNED_FRAMES_MAX, TurnedAway};
use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::atomic::AtomicU64;
use strowger_call::{Calls, CallsConfig};
use strowger_link::siphash::siphash24;
use strowger_link::table::Table;
use strowger_link::tape::{Said, Tape};
use strowger_link::{
    COUNTERS, Challenge, Counters, Edge, Key, LISTENER_COUNTERS, LegId, ListenerCounters,
    Listeners, MS, SECOND, SOUNDS_MAX, Sound, Sounds, Tick, Transport, Up, UpstreamState,
};
use strowger_media::{Datagram, Verdict as MediaVerdict};
use strowger_port::net::{Io, JournalSink, Lane, MediaBurst, MediaPort, PlaneLink, SipPath};
use strowger_sip::endpoint::{Config as SipConfig, Endpoint, Listener, Path, Transmit};

/// How often the call table says that this shard lives (design of the dataplane, 20).
const BEAT: u64 = 100 * MS;
/// How often the journal says so.
const ALIVE: u64 = SECOND;
/// Longest sleep: the heartbeat is due then.
const SLEEP_MAX_MS: u64 = 100;
/// How long a life may be without the control plane's greeting until peers are told to come again.
const UNGREETED_MS_MAX: u64 = 2_000;
/// Most frames of the control plane taken in a turn.
const FRAMES_MAX: usize = 256;
/// Most pages of an edge snapshot taken in a turn: each has its places sorted.
const PAGES_MAX: usize = 4;
/// Most datagram batches of signalling taken in a turn.
const SIP_BATCHES_MAX: usize = 2;
/// Most messages of connections taken in a turn; the others wait, and no more is read meanwhile.
const STREAM_MESSAGES_MAX: usize = 64;
/// Of so many turns one is timed, for the share of media in the load.
const TIMED_TURNS: u64 = 16;
/// Nanoseconds.
const US: u64 = 1_000;
/// Most media bursts taken at each of the two places of a turn.
const MEDIA_BURSTS_MAX: usize = 4;

/// What a shard is made of, beside its operating system.
#[derive(Debug)]
pub struct Setup {
    /// Signalling.
    pub sip: SipConfig,
    /// Calls.
    pub calls: CallsConfig,
    /// Media.
    pub media: MediaConfig,
    /// How long a request outside calls waits for its answer, milliseconds.
    pub ask_timeout_ms: u32,
    /// What is taken on.
    pub limits: Limits,
}

/// One shard. See the crate's documentation.
pub struct Shard<I, J, L, W: AsRef<[AtomicU64]>> {
    pub(crate) io: I,
    pub(crate) journal: J,
    pub(crate) link: L,
    pub(crate) table: Table<W>,
    pub(crate) endpoint: Endpoint,
    pub(crate) calls: Calls,
    pub(crate) media: MediaDesk,
    pub(crate) sources: Sources,
    /// What strangers are challenged with; `None` before the first edge snapshot.
    pub(crate) challenge: Option<Challenge>,
    pub(crate) outside: Outside,
    pub(crate) front: Front,
    pub(crate) connections: Connections,
    pub(crate) keeper: Keeper,
    /// The other shards; `None` = there are none.
    pub(crate) mesh: Option<Box<Mesh>>,
    limits: Limits,
    /// Asks of calls, and of requests outside calls.
    pub(crate) backlogs: [Backlog; 2],
    /// Challenges counted when the datagram in hand came.
    challenges_before: u64,
    /// When the first datagram of this life came.
    born: Option<Tick>,
    /// Until when connections are held at the latest; `None` before the first turn.
    held_until: Option<Tick>,
    /// Connections are held: see [`Shard::holds_streams`].
    pub(crate) holds: bool,
    pub(crate) session: Option<u32>,
    /// The control plane has greeted in this session.
    pub(crate) greeted: bool,
    pub(crate) listeners: Vec<Listener>,
    pub(crate) number: u8,
    /// How registrations of ours stand, as far as the control plane has not been told.
    pub(crate) upstreams: BTreeMap<i64, UpstreamState>,
    /// Journal frames that found no room yet, in order.
    pub(crate) unwritten: std::collections::VecDeque<crate::record::Unwritten>,
    /// Effects of this turn that wait until the cores have come to rest.
    pub(crate) effects: crate::outcome::Effects,
    pub(crate) counts: Counts,
    /// Pages of the edge snapshot that comes next, and how many came in this turn.
    pub(crate) pages: Draft,
    pub(crate) pages_taken: usize,
    /// The edge snapshot that is being compiled.
    pub(crate) compiling: Option<Box<(Draft, Edge)>>,
    /// Strangers answered by the edge, as far as the control plane has not been told.
    turned: TurnedAway,
    burst: MediaBurst,
    inbox: Inbox,
    /// A message of a connection; its memory is used again.
    text: Vec<u8>,
    pub(crate) frame: Vec<u8>,
    /// The body of a slot that is being written; its memory is used again.
    pub(crate) body: Vec<u8>,
    next_beat: Tick,
    next_alive: Tick,
    pub(crate) durable_told: u64,
    /// Messages for whoever asks afterwards.
    tape: Option<Tape<W>>,
}

impl<I: Io, J: JournalSink, L: PlaneLink, W: AsRef<[AtomicU64]>> Shard<I, J, L, W> {
    /// A shard without calls. `None` when the media configuration is out of bounds.
    #[must_use]
    pub fn new(setup: Setup, io: I, journal: J, link: L, table: Table<W>) -> Option<Self> {
        let number = setup.calls.shard;
        let media = MediaDesk::new(&setup.media)?;
        let listeners = setup.sip.listeners.clone();
        let outside = Outside::new(number, setup.calls.ask_base, setup.ask_timeout_ms);
        let (limits, patience_ms) = (setup.limits, setup.ask_timeout_ms);
        let front = Front::new(&limits, front_key(&setup.sip.chance_key));
        let keeper = Keeper::new(setup.sip.chance_key);
        let backlog = || Backlog::new(limits.ask_ms, limits.ask_away_ms, patience_ms);
        Some(Shard {
            io,
            journal,
            link,
            table,
            endpoint: Endpoint::new(setup.sip),
            calls: Calls::new(setup.calls),
            media,
            sources: Sources::default(),
            challenge: None,
            outside,
            front,
            connections: Connections::new(number, limits.streams),
            keeper,
            mesh: None,
            backlogs: [backlog(), backlog()],
            limits,
            challenges_before: 0,
            born: None,
            held_until: None,
            holds: false,
            session: None,
            greeted: false,
            listeners,
            number,
            upstreams: BTreeMap::new(),
            unwritten: std::collections::VecDeque::new(),
            effects: crate::outcome::Effects::default(),
            counts: Counts::default(),
            pages: Draft::default(),
            pages_taken: 0,
            compiling: None,
            turned: TurnedAway::default(),
            burst: MediaBurst::new(),
            inbox: Inbox::default(),
            text: Vec::new(),
            frame: Vec::with_capacity(4096),
            body: Vec::with_capacity(4096),
            next_beat: Tick::default(),
            next_alive: Tick::default(),
            durable_told: 0,
            tape: None,
        })
    }

    /// Messages are written down from now on: those that are served, and all that are sent.
    pub fn record_on(&mut self, tape: Tape<W>) {
        self.tape = Some(tape);
    }

    /// Writes a message on the tape, if there is one.
    pub(crate) fn write_down(&mut self, path: &Path, outgoing: bool, message: &[u8]) {
        let Some(tape) = &mut self.tape else { return };
        let len = u32::try_from(message.len()).unwrap_or(u32::MAX);
        let Path { listener, transport, local, peer, .. } = *path;
        let wall_us = self.io.wall_us();
        let said = Said { wall_us, outgoing, transport, listener, local, peer, len };
        tape.write(&said, message);
    }

    /// TLS is spoken from now on. What the handshakers have done is taken in the next turn.
    pub fn set_tls(&mut self, tls: Tls) {
        self.connections.set_tls(tls);
    }

    /// Keys of media may be agreed on by DTLS from now on.
    pub fn set_dtls(&mut self, dtls: Dtls) {
        self.media.set_dtls(dtls);
    }

    /// HTTP that is no SIP over WebSocket is taken by somebody else from now on.
    pub fn set_guests(&mut self, guests: crate::Guests) {
        self.connections.set_guests(guests);
    }

    /// Browsers at a listener for WebSocket must come from one of these origins.
    pub fn set_origins(&mut self, listener: u8, policy: strowger_stream::Policy) {
        self.connections.set_origins(listener, policy);
    }

    /// Does what is due now; returns until when to sleep.
    pub fn turn(&mut self) -> Tick {
        let now = self.io.sample();
        self.counts.turns += 1;
        let is_timed = self.counts.turns.is_multiple_of(TIMED_TURNS);
        self.relay(now);
        let relayed = if is_timed { self.io.sample() } else { now };
        self.media.take_agreed(now);
        self.timers(now);
        self.compile_edge();
        self.control(now);
        self.signalling(now);
        self.settle(now);
        self.tell_upstreams();
        self.tell_flows();
        self.tell_probes();
        self.durable();
        let again = if is_timed { self.io.sample() } else { now };
        self.relay(now);
        self.send_dtls();
        if is_timed {
            let end = self.io.sample();
            self.counts.timed_media_ns += relayed.ns_since(now) + end.ns_since(again);
            self.counts.timed_ns += end.ns_since(now);
        }
        self.beat(now);
        self.io.flush();
        self.link.ring();
        self.next(now)
    }

    /// The process is about to end: calls are ended in order, new ones are not taken. Turns go on
    /// until [`Shard::calls_in_use`] and [`Shard::upstreams_in_use`] are 0 or patience ends.
    pub fn shut_down(&mut self) {
        let now = self.io.sample();
        // Without a challenge nothing new is admitted.
        self.challenge = None;
        let Shard { io, calls, media, .. } = self;
        calls.shut_down(now, &mut Desk { media, io, now });
        self.endpoint.leave_upstreams(now);
        self.settle(now);
        self.io.flush();
        self.link.ring();
    }

    /// Sleeps until `until`, or until something can be received or the control plane or the journal
    /// rings.
    pub fn wait(&mut self, until: Tick) {
        // Before the control plane hears that this shard sleeps: nobody rings who gathers.
        self.io.gather(until);
        if self.link.prepare_sleep() {
            self.io.wait(until);
        }
        self.link.finish_sleep();
    }

    /// The control plane is linked and has greeted: calls can be placed.
    #[must_use]
    pub const fn is_ready(&self) -> bool {
        self.greeted && self.challenge.is_some()
    }

    /// Counts since the start.
    #[must_use]
    pub const fn counts(&self) -> &Counts {
        &self.counts
    }

    /// Calls in the slab, those included whose records are not durable yet or whose parties are
    /// owed a last word.
    #[must_use]
    pub fn calls_in_use(&self) -> usize {
        self.calls.in_use()
    }

    /// Registrations of ours at carriers, those included that take their leave.
    #[must_use]
    pub fn upstreams_in_use(&self) -> usize {
        self.endpoint.upstreams()
    }

    /// Connections open, or being opened.
    #[must_use]
    pub fn connections_in_use(&self) -> usize {
        self.connections.open_count()
    }

    /// Media ports open.
    #[must_use]
    pub fn media_ports_in_use(&self) -> usize {
        self.media.ports_in_use()
    }

    /// Gauges in use.
    #[must_use]
    pub fn gauges_in_use(&self) -> u64 {
        self.media.gauges.in_use_total()
    }

    /// The gauges, for a simulator that plants a wrong count.
    pub fn gauges_mut(&mut self) -> &mut Gauges {
        &mut self.media.gauges
    }

    /// The operating system, for counters.
    #[must_use]
    pub const fn io(&self) -> &I {
        &self.io
    }

    /// The operating system, for a simulator that plays it.
    pub fn io_mut(&mut self) -> &mut I {
        &mut self.io
    }

    fn next(&self, now: Tick) -> Tick {
        let has_more = self.pages_taken == PAGES_MAX || self.compiling.is_some();
        let is_over = self.holds && self.challenge.is_some();
        if (self.connections.is_ready() && !self.holds) || has_more || is_over {
            return now;
        }
        if !self.unwritten.is_empty() {
            return now.plus_ms(1);
        }
        let due = [
            self.endpoint.poll_timeout(),
            self.calls.poll_timeout(),
            self.media.poll_timeout(),
            self.outside.poll_timeout(),
            self.connections.poll_timeout(),
            self.keeper.poll_timeout(),
            self.held_until.filter(|_| self.holds),
        ];
        due.into_iter().flatten().fold(now.plus_ms(SLEEP_MAX_MS), Tick::min)
    }

    /// Media packets: straight through the relay, in place, nothing allocated.
    fn relay(&mut self, now: Tick) {
        let space = self.media.space();
        let late_ns = match self.limits.media_late_ms {
            0 => u64::MAX,
            ms => u64::from(ms) * MS,
        };
        let offloads = self.io.offloads();
        for _ in 0..MEDIA_BURSTS_MAX {
            if self.io.recv_media(&mut self.burst) == 0 {
                return;
            }
            // Handshakes of DTLS are few, and no media.
            let mut shaken = Vec::new();
            let relay = self.media.relay_mut();
            for packet in self.burst.packets_mut() {
                self.counts.media_received += 1;
                self.counts.media_octets += packet.len() as u64;
                if u64::from(packet.queued_ns()) > late_ns {
                    self.counts.media_late += 1;
                    continue;
                }
                let MediaPort { address, port } = packet.local();
                let Some(at) = space.local_port(address, port) else { continue };
                let from = packet.source();
                if offloads && relay.is_away(at) {
                    let port = MediaPort { address, port };
                    come_up(&mut self.io, relay, (at, port), (from, packet.data()), now);
                }
                let len = packet.len();
                let mut one = [Datagram::in_room(at, from, packet.room_mut(), len)];
                relay.handle_burst(&mut one, now);
                let [Datagram { verdict, len: left, .. }] = one;
                if left != len {
                    packet.set_len(left);
                }
                match verdict {
                    MediaVerdict::Drop(reason) => self.counts.media_drop(reason),
                    MediaVerdict::Dtls => shaken.push((at, from, packet.data().to_vec())),
                    MediaVerdict::Send { from, to } => {
                        if let Some((address, port)) = space.place(from) {
                            self.counts.media_sent += 1;
                            self.counts.media_octets += left as u64;
                            packet.send_from(MediaPort { address, port }, to);
                        }
                    }
                }
            }
            self.io.send_media(&mut self.burst);
            for (at, from, data) in shaken {
                self.media.handle_dtls(at, from, data, now);
            }
        }
    }

    /// Datagrams of handshakes that are ours to send.
    fn send_dtls(&mut self) {
        self.burst.clear();
        while let Some((from, to, data)) = self.media.poll_dtls() {
            let Some(packet) = self.burst.add() else { break };
            let room = packet.room_mut();
            room.iter_mut().zip(&data).for_each(|(to, octet)| *to = *octet);
            packet.set_len(data.len());
            packet.send_from(from, to);
            if self.burst.is_full() {
                self.io.send_media(&mut self.burst);
            }
        }
        if !self.burst.is_empty() {
            self.io.send_media(&mut self.burst);
        }
    }

    fn timers(&mut self, now: Tick) {
        if self.endpoint.poll_timeout().is_some_and(|at| at <= now) {
            self.endpoint.handle_timeout(now);
        }
        let Shard { io, calls, media, .. } = self;
        if calls.poll_timeout().is_some_and(|at| at <= now) {
            calls.handle_timeout(now, &mut Desk { media, io, now });
        }
        if media.poll_timeout().is_some_and(|at| at <= now) {
            let mut silent: Vec<LegId> = Vec::new();
            media.handle_timeout(io, now, |leg| silent.push(leg));
            for leg in silent {
                calls.handle_silence(leg, now, &mut Desk { media, io, now });
            }
        }
        self.outside.handle_timeout(now, &mut self.endpoint);
        if self.connections.poll_timeout().is_some_and(|at| at <= now) {
            self.connections.handle_timeout(&mut self.io, now);
        }
        self.settle(now);
        self.keep_alive(now);
    }

    fn control(&mut self, now: Tick) {
        self.watch_session(now);
        self.pages_taken = 0;
        for _ in 0..FRAMES_MAX {
            if self.pages_taken == PAGES_MAX || !self.take_frame(now) {
                break;
            }
            self.settle(now);
        }
    }

    /// One datagram at a time, its effects carried out before the next: an answer and a CANCEL of
    /// the same batch must not cross between the endpoint and the call.
    fn signalling(&mut self, now: Tick) {
        let mut inbox = core::mem::take(&mut self.inbox);
        let mut taken = 0;
        for _ in 0..SIP_BATCHES_MAX {
            taken = self.io.recv_sip(|datagram| inbox.push(&datagram));
            for arrival in inbox.datagrams() {
                self.take_datagram(arrival, now);
            }
            inbox.clear();
            if taken == 0 && self.mesh.is_none() {
                self.front.idle(now);
            }
            if taken < strowger_port::net::SIP_BURST_MAX {
                break;
            }
        }
        self.inbox = inbox;
        let Shard { io, endpoint, mesh, .. } = self;
        let mut failed: Vec<SocketAddr> = Vec::new();
        io.recv_sip_errors(|failure| {
            endpoint.handle_unreachable(failure.peer, now);
            if mesh.is_some() {
                failed.push(failure.peer);
            }
        });
        for peer in failed {
            self.tell_unreachable(peer);
        }
        self.take_streams(now);
        self.others(taken, now);
    }

    /// What other shards hand on, after what came by itself.
    fn others(&mut self, taken: usize, now: Tick) {
        if self.mesh.is_some() && self.take_mesh(now) + taken == 0 {
            self.front.idle(now);
        }
    }

    /// By a connection nobody says a thing twice: before the control plane's greeting it waits
    /// where it is, with the connections that wait to be taken in.
    fn holds_streams(&mut self, now: Tick) -> bool {
        let until = *self.held_until.get_or_insert(now.plus_ms(UNGREETED_MS_MAX));
        let holds = self.challenge.is_none() && now < until;
        if holds != self.holds {
            self.holds = holds;
            self.io.hold_streams(holds);
        }
        holds
    }

    /// Messages of connections, one of each in turn. While some wait no more is read, so a peer
    /// that sends too much waits in its own queue.
    fn take_streams(&mut self, now: Tick) {
        if self.holds_streams(now) {
            return;
        }
        let Shard { io, connections, listeners, front, sources, .. } = self;
        let mut looked = 0;
        if !connections.is_ready() {
            let is_trusted = |peer| !front.is_stranger(peer, sources);
            looked = io
                .recv_streams(|event| connections.handle_event(event, listeners, is_trusted, now));
        }
        connections.take_done(now);
        if looked == 0 && !connections.is_ready() {
            return;
        }
        let mut text = core::mem::take(&mut self.text);
        for _ in 0..STREAM_MESSAGES_MAX {
            let Shard { io, connections, .. } = self;
            match connections.read(io, &mut text, now) {
                Some(Read::Message(path)) => self.take_message(&path, &text, now),
                Some(Read::Unframed(path, refusal)) => {
                    self.counts.sip_received += 1;
                    let is_long = refusal == strowger_stream::Refusal::TooLong;
                    self.endpoint.refuse_unframed(&text, path, is_long);
                    self.settle(now);
                    self.connections.close(&mut self.io, path.flow, now);
                }
                None => break,
            }
        }
        self.text = text;
        self.settle(now);
    }

    fn take_message(&mut self, path: &Path, data: &[u8], now: Tick) {
        let Path { listener, local, peer, flow, .. } = *path;
        if self.sources.is_trunk(peer) {
            self.connections.look_for_alias(path, data);
        }
        let path = SipPath { listener, local: Some(local.ip()), peer };
        self.take_datagram(Arrival { path: &path, data, queued_ns: 0, flow }, now);
    }

    fn take_datagram(&mut self, arrival: Arrival<'_>, now: Tick) {
        self.counts.sip_received += 1;
        self.counts.sip_octets += arrival.data.len() as u64;
        let (before, stun_before) = (self.counts.turned(), self.counts.stun_answered);
        let Shard { front, sources, counts, .. } = self;
        match front.handle(arrival, sources, counts, now) {
            Fate::Pass { .. } if self.keeper.is_sign(arrival.path, arrival.data, now) => {}
            Fate::Pass { may_challenge } => {
                if !self.hand_on(arrival, may_challenge, now) {
                    self.serve(arrival, may_challenge, now);
                }
            }
            Fate::Answer(peer) => {
                if arrival.flow == 0 && counts.stun_answered > stun_before {
                    self.keeper.heard_from(arrival.path, now);
                }
                self.answer_from_front(arrival, peer, now);
            }
            Fate::Drop => {}
        }
        self.note_turned(arrival.path.peer, before);
    }

    /// A message that the door has handed on: it may have waited on the way, so this shard's front
    /// looks at it too.
    pub(crate) fn take_handed(&mut self, arrival: Arrival<'_>, may_challenge: bool, now: Tick) {
        let before = self.counts.turned();
        let Shard { front, sources, counts, .. } = self;
        match front.handle(arrival, sources, counts, now) {
            Fate::Pass { may_challenge: may_here } => {
                self.serve(arrival, may_challenge && may_here, now);
            }
            Fate::Answer(peer) => self.answer_from_front(arrival, peer, now),
            Fate::Drop => {}
        }
        self.note_turned(arrival.path.peer, before);
    }

    /// Sends what the front has written for this message.
    pub(crate) fn answer_from_front(&mut self, arrival: Arrival<'_>, to: SocketAddr, now: Tick) {
        let Shard { front, counts, io, listeners, .. } = self;
        if arrival.flow == 0 {
            let sent = io.send_sip(arrival.path.with_peer(to), front.answer());
            return counts.sent(sent, front.answer().len());
        }
        let Some(path) = path_of(listeners, &arrival) else { return };
        if self.mesh.is_some() {
            let bytes = front.answer().into();
            if self.carry(&Transmit { path, bytes }) {
                return;
            }
        }
        let Shard { front, counts, io, connections, .. } = self;
        let taken = connections.transmit(io, &path, front.answer(), now);
        counts.carried(taken, front.answer().len());
    }

    /// Who was turned away, by what a datagram has counted.
    fn note_turned(&mut self, peer: SocketAddr, before: [(Met, u64); METS]) {
        let after = self.counts.turned();
        if after != before {
            for ((met, now), (_, before)) in after.into_iter().zip(before) {
                self.turned.note(peer, met, now.saturating_sub(before));
            }
        }
    }

    fn serve(&mut self, arrival: Arrival<'_>, may_challenge: bool, now: Tick) {
        let Some(path) = path_of(&self.listeners, &arrival) else { return };
        self.serve_by(&path, arrival.data, may_challenge, now);
    }

    /// Serves a message that came by `path`.
    pub(crate) fn serve_by(&mut self, path: &Path, data: &[u8], may_challenge: bool, now: Tick) {
        let (path, peer) = (*path, path.peer);
        let born = *self.born.get_or_insert(now);
        // What came by a connection has waited there (`holds_streams`), and is not said again.
        let by_datagram = path.transport == Transport::Udp;
        let may_wait = by_datagram && now.ms_since(born) < UNGREETED_MS_MAX;
        let over_budget = self.is_over_budget();
        self.write_down(&path, false, data);
        let Shard { endpoint, calls, sources, challenge, journal, .. } = self;
        let Shard { backlogs: [backlog, _], front, counts, .. } = self;
        // Those that leave have their records in the journal.
        let unrecorded = calls.in_use().saturating_sub(calls.leaving());
        let room = journal.admit(unrecorded.saturating_add(1));
        self.challenges_before = counts.sip_challenged;
        let unproven = self.limits.unproven.get(usize::from(path.listener)).copied();
        let mut keys = Keys {
            may_wait,
            calls,
            sources,
            challenge: challenge.as_ref(),
            room,
            may_challenge,
            over_budget,
            backlog,
            front,
            data,
            counts,
            unproven: unproven.unwrap_or_default(),
            now,
        };
        endpoint.handle_datagram(data, path, now, &mut keys);
        self.settle(now);
        if self.counts.sip_challenged > self.challenges_before {
            self.front.challenged(peer, &self.sources, now);
            self.tell_challenged(peer);
        }
    }

    /// What is under way.
    fn load(&self) -> Load {
        Load {
            calls: self.calls.in_use().saturating_sub(self.calls.leaving()),
            relayed: self.media.pairs(),
            waiting: self.outside.waiting(),
            transactions: self.endpoint.transactions().saturating_sub(self.endpoint.lingering()),
        }
    }

    /// Whether so much is under way that nothing new is taken.
    pub(crate) fn is_over_budget(&self) -> bool {
        self.limits.units > 0 && self.load().units() >= self.limits.units
    }

    /// Signs of life: the call table's heartbeat, the journal's mark.
    fn beat(&mut self, now: Tick) {
        if now >= self.next_beat {
            self.next_beat = now.plus_ns(BEAT);
            self.table.beat(now, self.io.wall_us());
            self.tell_sounds(now);
            self.media.look_after_away(&mut self.io, now);
        }
        if now >= self.next_alive {
            // Once in each second, so that the one whose mark lists the calls is never missed.
            let is_first = self.next_alive == Tick::default();
            self.next_alive = Tick(now.0 - now.0 % ALIVE).plus_ns(ALIVE);
            self.mark_alive(now, is_first);
            self.report(now);
            self.report_listeners(now);
            self.report_turned();
        }
    }

    /// Tells how some of the calls sound by now, and ends those whose answer was false where their
    /// trunk wants none such. A report that finds no room is left out: the next round has it.
    fn tell_sounds(&mut self, now: Tick) {
        let looked = self.media.sounds(now);
        if looked.is_empty() {
            return;
        }
        let (mut sounds, mut has_ended) = (Vec::with_capacity(looked.len()), false);
        for CallSound { called, reports: [caller_side, called_side], ends_false } in looked {
            if ends_false && called_side.is_false_answer(&caller_side) {
                let Shard { io, calls, media, .. } = self;
                calls.handle_false_answer(called, now, &mut Desk { media, io, now });
                has_ended = true;
            } else if let Some(ask) = self.calls.ask_of(called.slot) {
                sounds.push(Sound { ask, caller: caller_side, called: called_side });
            }
        }
        if has_ended {
            self.settle(now);
        }
        while !sounds.is_empty() {
            let rest = sounds.split_off(sounds.len().min(SOUNDS_MAX));
            let calls = std::mem::replace(&mut sounds, rest);
            let frame = Up::Sounds(Sounds { calls });
            let _left_out = self.link.leave(Lane::Bulk, &frame.to_bytes());
        }
    }

    /// Counters for the control plane; a report that finds no room is left out.
    fn report(&mut self, now: Tick) {
        let (shedding, delay_us) = self.front.report();
        let units = self.load().units();
        let [pings, signs, kept, unkept] = self.keeper.report();
        let (c, count) = (&self.counts, |n: usize| n as u64);
        let socket = self.io.media_counters();
        let mut values = vec![
            c.sip_received,
            c.sip_sent,
            c.sip_malformed,
            c.sip_stray,
            c.sip_refused,
            c.sip_challenged,
            c.sip_denied,
            c.sip_full,
            c.sip_misuse,
            c.sip_lost,
            c.media_received,
            c.media_sent,
            self.media.relay_mut().closed_drops(),
            c.frames_malformed,
            c.table_full,
            c.journal_full,
            c.ring_full,
            count(self.calls.in_use().saturating_sub(self.calls.leaving())),
            count(self.media.ports_in_use()),
            if self.reports_gauges() { self.media.gauges.in_use_total() } else { 0 },
            count(self.endpoint.transactions()),
            count(self.endpoint.legs()),
            c.turns,
            c.media_malformed,
            c.media_stranger,
            c.sip_elsewhere,
            socket.malformed,
            socket.full,
            socket.failed,
            c.shed_refused,
            c.shed_silent,
            c.shed_repeats,
            c.shed_acks,
            c.limited_datagrams,
            c.limited_requests,
            c.limited_challenges,
            c.over_budget,
            c.asks_refused,
            c.asks_probed,
            c.media_late,
            units,
            count(self.backlogs.iter().map(Backlog::open).sum()),
            shedding,
            delay_us,
            pings,
            signs,
            kept,
            unkept,
            c.sip_scanners,
            c.sip_lured,
            c.stun_answered,
            c.stun_dropped,
            c.mesh_sent,
            c.mesh_received,
            c.mesh_full,
        ];
        values.extend(self.media_values());
        debug_assert_eq!(values.len(), COUNTERS.len());
        let frame = Up::Counters(Counters { shard: self.number, at: now, values });
        let _left_out = self.link.leave(Lane::Bulk, &frame.to_bytes());
    }

    /// What is counted of media beside the packets that came up, in the order of [`COUNTERS`].
    fn media_values(&self) -> [u64; 16] {
        let (socket, away) = (self.io.media_counters(), self.media.carriage());
        let c = &self.counts;
        [
            c.media_flooded + away.flooded,
            socket.limited,
            u64::from(socket.is_steered),
            socket.fragmented,
            u64::from(socket.is_ring),
            socket.rearmed,
            socket.silent,
            c.media_octets,
            c.sip_octets,
            c.timed_ns / US,
            c.timed_media_ns / US,
            u64::from(self.io.offloads()),
            away.now,
            away.given,
            away.strayed,
            away.packets,
        ]
    }

    /// Strangers that the edge answered, by source; what finds no room is told in a later second.
    fn report_turned(&mut self) {
        for _ in 0..TURNED_FRAMES_MAX {
            let Some(next) = self.turned.next() else { return };
            if self.link.leave(Lane::Bulk, &Up::Turned(next).to_bytes()).is_err() {
                return;
            }
            self.turned.told();
        }
    }

    /// What the sockets of signalling counted, each by itself.
    fn report_listeners(&mut self, now: Tick) {
        let of = |(index, listener): (u8, &Listener)| {
            let c = self.io.sip_counters(index);
            let (s, of) = (self.io.stream_counters(index), self.connections.counted(index));
            let values = vec![
                c.received,
                c.sent,
                c.malformed,
                c.full,
                c.failed,
                c.failures_lost,
                s.accepted,
                s.refused + of.refused,
                s.opened,
                s.failed,
                s.closed,
                s.lost,
                of.handshakes,
                of.handshakes_failed,
                of.pings,
            ];
            debug_assert_eq!(values.len(), LISTENER_COUNTERS.len());
            let Listener { local, advertised, .. } = *listener;
            ListenerCounters { local, advertised, values }
        };
        let listeners = (0..).zip(&self.listeners).map(of).collect();
        let frame = Up::Listeners(Listeners { shard: self.number, at: now, listeners });
        let _left_out = self.link.leave(Lane::Bulk, &frame.to_bytes());
    }
}

/// The key of hashes that peers may learn something of.
fn front_key(chance: &Key) -> Key {
    let half = |place: &[u8]| siphash24(chance, place).to_le_bytes();
    let mut key = [0; 16];
    let halves = half(b"front 1").into_iter().chain(half(b"front 2"));
    key.iter_mut().zip(halves).for_each(|(to, from)| *to = from);
    Key(key)
}
