//! The connections of a shard: which there are, whom they lead to, what waits to be read or sent.
//!
//! Messages go by [`Connections::transmit`]: back by the connection that the way names, else by one
//! that is open to the same peer, else by a new one. What could not go is said by
//! [`Connections::poll_lost`], once for each connection, so that transactions fail now and not at
//! their time-out, and so that the control plane knows which registered flows are gone.
//!
//! Framing, keep-alive and patience are the pipes' (`strowger_stream`); this module never looks
//! into a message but to tell requests from responses. RFC 3261 18, RFC 5626 4.4.1.

mod guest;
mod place;
mod tls;

pub use guest::{Guest, Guests};
pub use tls::Tls;

use place::{Connection, Places, State};
use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use strowger_link::{FlowToken, Tick, Transport};
use strowger_port::net::{ConnId, ConnectError, Io, LISTENERS_MAX, StreamEvent};
use strowger_sip::endpoint::{Listener, Path, alias, elsewhere, next_host};
use strowger_stream::{Item, Pipe, Policy, Role, Times};

/// How long a request may wait for its answer: 64 T1 of the usual T1. A connection that carried
/// none for so long owes nobody an answer.
const ASKED_MS: u64 = 32_000;
/// Registered flows whose end waits to be told.
const FLOWS_FAILED_MAX: usize = 65_536;

/// What connections may take.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Streams {
    /// The life of this process, for flow tokens: never that of the one before.
    pub epoch: u16,
    /// Connections at once from one address that is no trunk's; 0 = no limit.
    pub per_source_max: u32,
    /// How long one of ours may take to come up, milliseconds.
    pub connect_ms: u32,
    /// Between two pings on one of ours, milliseconds (RFC 5626 4.4.1: 95 to 120 s); 0 = none.
    pub ping_ms: u32,
    /// How long a peer may take for what.
    pub times: Times,
}

impl Default for Streams {
    fn default() -> Streams {
        let times = Times::default();
        Streams { epoch: 0, per_source_max: 256, connect_ms: 2_000, ping_ms: 100_000, times }
    }
}

/// A connection that came to nothing or is gone, and by which requests of ours had gone.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct Lost {
    /// What led there.
    pub(crate) transport: Transport,
    pub(crate) peer: SocketAddr,
    /// Tokens that led there: its own, and those of connections that it stood in for.
    pub(crate) flows: Vec<u64>,
}

/// Counts of a listener, beside those of its sockets.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub(crate) struct Counted {
    /// Turned away because there were too many of one source.
    pub(crate) refused: u64,
    /// Handshakes of TLS that succeeded.
    pub(crate) handshakes: u64,
    /// Handshakes of TLS that did not.
    pub(crate) handshakes_failed: u64,
    /// Pings of either side.
    pub(crate) pings: u64,
}

/// Something to be read.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Read {
    /// A message stands in the buffer.
    Message(Path),
    /// The begin of a message whose end cannot be known stands there; the connection is over.
    Unframed(Path, strowger_stream::Refusal),
}

/// What was found on one connection.
enum Found {
    Read(Read),
    /// It is no SIP: its first bytes.
    Foreign(Vec<u8>),
    Nothing,
}

/// See the module.
pub(crate) struct Connections {
    shard: u8,
    config: Streams,
    places: Places,
    /// The newest connection to each peer, or that a trunk offered as an alias.
    to_peer: BTreeMap<(Transport, SocketAddr), ConnId>,
    /// Connections of each source.
    sources: BTreeMap<IpAddr, u32>,
    deadlines: BTreeSet<(Tick, ConnId)>,
    /// Bytes came, or something is to be written.
    ready: VecDeque<ConnId>,
    /// To be closed when the system may be touched again.
    unwanted: Vec<ConnId>,
    lost: VecDeque<Lost>,
    /// Registered flows that have failed, until the control plane has been told.
    flows_failed: BTreeSet<u64>,
    /// Who may come from a browser, by listener.
    policies: BTreeMap<u8, Arc<Policy>>,
    tls: Option<Tls>,
    guests: Option<Guests>,
    counted: [Counted; LISTENERS_MAX],
}

impl Connections {
    pub(crate) fn new(shard: u8, config: Streams) -> Connections {
        Connections {
            shard,
            config,
            places: Places::default(),
            to_peer: BTreeMap::new(),
            sources: BTreeMap::new(),
            deadlines: BTreeSet::new(),
            ready: VecDeque::new(),
            unwanted: Vec::new(),
            lost: VecDeque::new(),
            flows_failed: BTreeSet::new(),
            policies: BTreeMap::new(),
            tls: None,
            guests: None,
            counted: [Counted::default(); LISTENERS_MAX],
        }
    }

    /// Browsers at this listener must come from one of these origins.
    pub(crate) fn set_origins(&mut self, listener: u8, policy: Policy) {
        self.policies.insert(listener, Arc::new(policy));
    }

    /// Connections open, or being opened.
    pub(crate) fn open_count(&self) -> usize {
        self.places.len()
    }

    pub(crate) fn epoch(&self) -> u16 {
        self.config.epoch
    }

    pub(crate) fn counted(&self, listener: u8) -> Counted {
        self.counted.get(usize::from(listener)).copied().unwrap_or_default()
    }

    pub(crate) fn poll_timeout(&self) -> Option<Tick> {
        self.deadlines.first().map(|(at, _)| *at)
    }

    /// The system says what happened. `is_trusted` tells sources that have no limits.
    pub(crate) fn handle_event(
        &mut self,
        event: StreamEvent<'_>,
        listeners: &[Listener],
        is_trusted: impl Fn(SocketAddr) -> bool,
        now: Tick,
    ) {
        match event {
            StreamEvent::Accepted { conn, listener, local, peer } => {
                let peer = SocketAddr::new(peer.ip().to_canonical(), peer.port());
                let transport = listeners.get(usize::from(listener)).map(|l| l.transport);
                let flow = self.token(conn);
                let (Some(transport), Some(flow)) = (transport, flow) else {
                    return self.unwanted.push(conn);
                };
                if self.is_crowded(peer.ip()) && !is_trusted(peer) {
                    self.count(listener, |counted| counted.refused += 1);
                    return self.unwanted.push(conn);
                }
                let path = Path { listener, transport, local, peer, flow };
                let Some(pipe) = self.server_pipe(&path, is_trusted(peer), now) else {
                    self.count(listener, |counted| counted.refused += 1);
                    return self.unwanted.push(conn);
                };
                self.insert(Connection::new(conn, path, pipe, State::Open));
            }
            StreamEvent::Connected { conn, local } => {
                let ping_at = self.ping_at(now);
                if let Some(one) = self.places.get_mut(conn) {
                    (one.state, one.path.local, one.ping_at) = (State::Open, local, ping_at);
                    self.ready.push_back(conn);
                }
            }
            StreamEvent::Received { conn, data } => {
                if let Some(one) = self.places.get_mut(conn) {
                    // Whatever is wrong with it is said when the pipe is looked at.
                    let _over = one.pipe.handle_received(data, now);
                    self.ready.push_back(conn);
                }
            }
            StreamEvent::Writable { conn } => {
                if let Some(one) = self.places.get_mut(conn) {
                    one.is_full = false;
                    self.ready.push_back(conn);
                }
            }
            StreamEvent::Closed { conn, how: _ } => self.remove(conn, now),
        }
    }

    /// What is spoken on a connection that a peer made; `None` = it may not.
    fn server_pipe(&mut self, path: &Path, is_trusted: bool, now: Tick) -> Option<Pipe> {
        let (listener, times) = (path.listener, self.config.times);
        let policy = self.policies.get(&listener).map(Arc::clone).unwrap_or_default();
        match path.transport {
            Transport::Udp => None,
            Transport::Tcp => Some(Pipe::tcp(Role::Server, times, now)),
            Transport::Ws => Some(Pipe::ws_server(policy, times, now)),
            Transport::Tls => {
                let server = self.server(listener, path.peer.ip(), is_trusted, now)?;
                Some(Pipe::tls_server(&server, times, now))
            }
            Transport::Wss => {
                let server = self.server(listener, path.peer.ip(), is_trusted, now)?;
                Some(Pipe::wss_server(&server, policy, times, now))
            }
        }
    }

    /// Reads the next message into `text`, whatever connection it came by; `None` = all was read.
    /// Pongs and closings are written on the way.
    pub(crate) fn read(&mut self, io: &mut impl Io, text: &mut Vec<u8>, now: Tick) -> Option<Read> {
        for conn in self.unwanted.drain(..) {
            io.close_stream(conn);
        }
        while let Some(conn) = self.ready.pop_front() {
            match self.read_one(conn, text) {
                Found::Read(read) => {
                    // One message of each in turn.
                    self.ready.push_back(conn);
                    return Some(read);
                }
                Found::Foreign(first) => self.let_go(io, conn, first, now),
                Found::Nothing => {}
            }
            self.write(io, conn, now);
        }
        None
    }

    /// Whether messages wait to be read.
    pub(crate) fn is_ready(&self) -> bool {
        !self.ready.is_empty()
    }

    fn read_one(&mut self, conn: ConnId, text: &mut Vec<u8>) -> Found {
        let mut pings = 0;
        let Some(one) = self.places.get_mut(conn) else { return Found::Nothing };
        let path = one.path;
        let found = loop {
            match one.pipe.poll_message() {
                Some(Item::Message(bytes)) => {
                    text.clear();
                    text.extend_from_slice(bytes);
                    break Found::Read(Read::Message(path));
                }
                Some(Item::Refused { head, refusal }) => {
                    text.clear();
                    text.extend_from_slice(head);
                    break Found::Read(Read::Unframed(path, refusal));
                }
                Some(Item::KeepAlive | Item::Pong) => pings += 1,
                Some(Item::Foreign(bytes)) => break Found::Foreign(bytes.to_vec()),
                Some(Item::Over(_)) | None => break Found::Nothing,
            }
        };
        if pings > 0 {
            self.count(path.listener, |counted| counted.pings += pings);
        }
        found
    }

    /// Ends a connection in order, after what waits to be sent.
    pub(crate) fn close(&mut self, io: &mut impl Io, flow: u64, now: Tick) {
        if let Some(conn) = self.named(flow) {
            if let Some(one) = self.places.get_mut(conn) {
                one.pipe.close(now);
            }
            self.write(io, conn, now);
        }
    }

    /// The contact of this flow was registered: its end is told to the control plane.
    pub(crate) fn registered(&mut self, flow: u64) {
        if let Some(one) = self.named(flow).and_then(|conn| self.places.get_mut(conn)) {
            one.registers = true;
        }
    }

    /// The name that a peer asked for in its TLS handshake with us.
    pub(crate) fn server_name(&self, transport: Transport, peer: SocketAddr) -> Option<&str> {
        let conn = self.to_peer.get(&(transport, peer))?;
        self.places.get(*conn)?.pipe.server_name()
    }

    /// The first message of a connection whose peer may offer it for requests to it (RFC 5923): a
    /// trunk, by the parameter `alias` of its Via, at the port that it listens on. Anybody else
    /// could draw to itself what is meant for another program of its host.
    pub(crate) fn look_for_alias(&mut self, path: &Path, message: &[u8]) {
        let Some(one) = self.named(path.flow).and_then(|conn| self.places.get_mut(conn)) else {
            return;
        };
        if std::mem::replace(&mut one.is_looked_at, true) {
            return;
        }
        if let Some(port) = alias(message) {
            let key = (path.transport, SocketAddr::new(path.peer.ip(), port));
            one.alias = Some(key.1);
            self.to_peer.insert(key, one.id);
        }
    }

    /// Sends a message by the connection that `path` names, by one that is open to its peer, or by
    /// a new one. Whether it was taken; if not, [`Connections::poll_lost`] says what is lost.
    pub(crate) fn transmit(
        &mut self,
        io: &mut impl Io,
        path: &Path,
        bytes: &[u8],
        now: Tick,
    ) -> bool {
        let is_request = !bytes.starts_with(b"SIP/2.0");
        let way = match self.named(path.flow) {
            Some(conn) => Some(conn),
            None if path.flow == 0 => self.to(io, path, bytes, now),
            None => elsewhere(bytes, path).and_then(|path| self.to(io, &path, bytes, now)),
        };
        let Some(conn) = way else {
            self.lose(path, is_request);
            return false;
        };
        let Some(one) = self.places.get_mut(conn) else { return false };
        if path.flow != 0 && path.flow != one.path.flow {
            one.stand_in(path.flow);
        }
        if is_request {
            one.asked = Some(now);
        }
        // A peer that does not read is over; what waits for it is lost with it.
        let taken = one.pipe.send(bytes, now).is_ok();
        if taken {
            self.write(io, conn, now);
        } else {
            io.close_stream(conn);
            self.remove(conn, now);
        }
        taken
    }

    /// Fires what is due.
    pub(crate) fn handle_timeout(&mut self, io: &mut impl Io, now: Tick) {
        while let Some(&(at, conn)) = self.deadlines.first().filter(|(at, _)| *at <= now) {
            self.deadlines.remove(&(at, conn));
            let Some(one) = self.places.get_mut(conn) else { continue };
            one.armed = None;
            let (listener, ping_ms) = (one.path.listener, u64::from(self.config.ping_ms));
            if one.is_late(now) {
                io.close_stream(conn);
                self.remove(conn, now);
                continue;
            }
            // The pipe says by `over` what became of it.
            let _over = one.pipe.handle_timeout(now);
            if one.ping_at.is_some_and(|at| at <= now) {
                one.ping_at = Some(now.plus_ms(ping_ms));
                let pinged = one.pipe.ping(now).is_ok();
                self.count(listener, |counted| counted.pings += u64::from(pinged));
            }
            self.write(io, conn, now);
        }
    }

    /// A connection that is gone; drain to `None`.
    pub(crate) fn poll_lost(&mut self) -> Option<Lost> {
        self.lost.pop_front()
    }

    /// A registered flow that has failed and of which the control plane has not been told.
    pub(crate) fn flow_failed(&self) -> Option<u64> {
        self.flows_failed.first().copied()
    }

    /// It has.
    pub(crate) fn flow_told(&mut self, flow: u64) {
        self.flows_failed.remove(&flow);
    }

    /// Writes what waits, as far as there is room; closes what is over.
    fn write(&mut self, io: &mut impl Io, conn: ConnId, now: Tick) {
        self.hand_on(conn, now);
        let Some(one) = self.places.get_mut(conn) else { return };
        while one.may_write()
            && let Some(bytes) = one.pipe.poll_transmit()
        {
            let wanted = bytes.len();
            let sent = io.send_stream(conn, bytes);
            one.pipe.sent(sent, now);
            one.is_full = sent < wanted;
        }
        if one.is_over() {
            io.close_stream(conn);
            return self.remove(conn, now);
        }
        self.rearm(conn);
    }

    fn rearm(&mut self, conn: ConnId) {
        let Some(one) = self.places.get_mut(conn) else { return };
        let wanted = one.deadline();
        if wanted == one.armed {
            return;
        }
        if let Some(at) = one.armed {
            self.deadlines.remove(&(at, conn));
        }
        if let Some(at) = wanted {
            self.deadlines.insert((at, conn));
        }
        one.armed = wanted;
    }

    /// The open connection to a peer, or a new one for this message.
    fn to(&mut self, io: &mut impl Io, path: &Path, bytes: &[u8], now: Tick) -> Option<ConnId> {
        let known = self.to_peer.get(&(path.transport, path.peer)).copied();
        if let Some(conn) = known
            && self.places.get_mut(conn).is_some_and(|one| one.pipe.over().is_none())
        {
            return Some(conn);
        }
        let times = Times { pong_ms: 0, ..self.config.times };
        let pipe = match path.transport {
            Transport::Tcp => Pipe::tcp(Role::Client, times, now),
            // The certificate must be for the name that the request is meant for (RFC 5922 4).
            Transport::Tls => self.tls_client(&next_host(bytes)?, times, now)?,
            // Nobody can connect to a browser.
            Transport::Udp | Transport::Ws | Transport::Wss => return None,
        };
        let conn = match io.open_stream(path.listener, path.peer) {
            Ok(conn) => conn,
            Err(ConnectError::NoListener | ConnectError::Full | ConnectError::Unreachable) => {
                return None;
            }
        };
        let Some(flow) = self.token(conn) else {
            io.close_stream(conn);
            return None;
        };
        let until = now.plus_ms(self.config.connect_ms.into());
        let path = Path { flow, ..*path };
        self.insert(Connection::new(conn, path, pipe, State::Opening { until }));
        Some(conn)
    }

    fn insert(&mut self, one: Connection) {
        let (conn, path) = (one.id, one.path);
        *self.sources.entry(path.peer.ip()).or_default() += 1;
        self.to_peer.insert((path.transport, path.peer), conn);
        self.places.insert(one);
        self.rearm(conn);
    }

    /// It is gone for the system, too.
    fn remove(&mut self, conn: ConnId, now: Tick) {
        let Some(one) = self.take_out(conn) else { return };
        if one.registers {
            self.fail_flow(one.path.flow);
        }
        let asked = one.asked.is_some_and(|at| now.ms_since(at) < ASKED_MS);
        if asked {
            self.lost.push_back(one.lost());
        }
    }

    /// Nothing leads to it any more.
    fn take_out(&mut self, conn: ConnId) -> Option<Connection> {
        let one = self.places.remove(conn)?;
        if let Some(at) = one.armed {
            self.deadlines.remove(&(at, conn));
        }
        let ip = one.path.peer.ip();
        if let Some(count) = self.sources.get_mut(&ip) {
            *count = count.saturating_sub(1);
            if *count == 0 {
                self.sources.remove(&ip);
            }
        }
        for peer in [Some(one.path.peer), one.alias].into_iter().flatten() {
            let key = (one.path.transport, peer);
            if self.to_peer.get(&key) == Some(&conn) {
                self.to_peer.remove(&key);
            }
        }
        Some(one)
    }

    /// There is no way for a message.
    fn lose(&mut self, path: &Path, is_request: bool) {
        let Path { transport, peer, flow, .. } = *path;
        if is_request {
            if flow != 0 {
                self.fail_flow(flow);
            }
            self.lost.push_back(Lost { transport, peer, flows: vec![flow] });
        }
    }

    fn fail_flow(&mut self, flow: u64) {
        // Beyond the bound the calls to it say so, one by one.
        if self.flows_failed.len() < FLOWS_FAILED_MAX {
            self.flows_failed.insert(flow);
        }
    }

    fn is_crowded(&self, ip: IpAddr) -> bool {
        let max = self.config.per_source_max;
        max > 0 && self.sources.get(&ip).is_some_and(|count| *count >= max)
    }

    fn ping_at(&self, now: Tick) -> Option<Tick> {
        let ms = u64::from(self.config.ping_ms);
        (ms > 0).then(|| now.plus_ms(ms))
    }

    fn count(&mut self, listener: u8, count: impl FnOnce(&mut Counted)) {
        if let Some(counted) = self.counted.get_mut(usize::from(listener)) {
            count(counted);
        }
    }

    fn token(&self, conn: ConnId) -> Option<u64> {
        let (epoch, shard) = (self.config.epoch, self.shard);
        FlowToken { epoch, shard, place: conn.place, life: conn.life }.to_word()
    }

    /// The connection that a token names, if it is open.
    fn named(&self, flow: u64) -> Option<ConnId> {
        let FlowToken { epoch, shard, place, life } = FlowToken::from_word(flow)?;
        let conn = ConnId { place, life };
        let is_ours = (epoch, shard) == (self.config.epoch, self.shard);
        let one = self.places.get(conn).filter(|_| is_ours)?;
        one.pipe.over().is_none().then_some(conn)
    }
}

#[cfg(test)]
mod tests;
