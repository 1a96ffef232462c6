//! Connections: taken in and opened, read in turn, written as far as there is room.
//!
//! epoll tells each edge once, so a connection that is idle costs nothing in a turn; what is to be
//! looked at stands in `ready`, each connection at most once. Its number names its place and, in
//! [`ConnId`], which connection in that place it is: late words about an earlier one find nobody.

use std::collections::VecDeque;
use std::io::{self, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::os::fd::AsFd;

use strowger_link::{CONNECTIONS_MAX, FlowToken};

use super::media::is_full;
use super::option::{begin_stream, prepare_stream};
use super::poll::{Event, Poller, Ready};
use crate::net::{
    ACCEPTS_MAX, Closed, ConnId, ConnectError, LISTENERS_MAX, STREAM_BURST_MAX, STREAM_BYTES_MAX,
    StreamCounters, StreamEvent,
};

/// Connections that wait in a listener's queue until they are taken in; the system's own limit
/// (`net.core.somaxconn`) may be lower.
pub const BACKLOG_MAX: i32 = 4_096;
/// How long the system tries to bring bytes to a peer that does not acknowledge them, milliseconds;
/// then the connection is broken. A transaction lives as long.
pub const UNACKED_MS_MAX: u32 = 32_000;

/// A listener for connections.
#[derive(Debug)]
pub struct StreamListener {
    /// Its index among all listeners of the shard, those of datagrams included; below
    /// [`LISTENERS_MAX`].
    pub number: u8,
    /// Its address; connections of ours leave from there, by any port.
    pub local: SocketAddr,
    /// The listening socket; `None` = connections of ours only.
    pub socket: Option<TcpListener>,
    /// DSCP of its connections, 0 to 63.
    pub dscp: u8,
}

/// What connections are made of.
#[derive(Debug)]
pub struct StreamsConfig {
    /// Listeners, at most [`LISTENERS_MAX`].
    pub listeners: Vec<StreamListener>,
    /// Most connections at once, at most [`CONNECTIONS_MAX`].
    pub connections_max: u32,
}

struct Listener {
    number: u8,
    local: SocketAddr,
    socket: Option<TcpListener>,
    dscp: u8,
    /// Connections may wait.
    is_ready: bool,
    counters: StreamCounters,
}

struct Place {
    life: u32,
    conn: Option<Conn>,
}

struct Conn {
    socket: TcpStream,
    /// Index into `listeners`.
    listener: usize,
    state: State,
    /// Something may be read.
    readable: bool,
    /// The peer's end is known to be there: reading goes on until it is found.
    ended: bool,
    /// Its place stands in `ready`.
    queued: bool,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum State {
    /// Ours, on its way.
    Opening,
    /// All that was given was taken.
    Flows,
    /// The last write took less than all.
    Full,
    /// There is room again, and nobody has been told.
    HasRoom,
    /// A write failed: its end is to be told.
    Failed,
}

/// See the module.
pub(super) struct Streams {
    listeners: Vec<Listener>,
    places: Vec<Place>,
    free: Vec<u32>,
    ready: VecDeque<u32>,
    /// Nobody reads for now.
    held: bool,
    buffer: Box<[u8]>,
    connections_max: usize,
}

impl Streams {
    /// None, and nothing allocated.
    pub(super) fn none() -> Streams {
        Streams {
            listeners: Vec::new(),
            places: Vec::new(),
            free: Vec::new(),
            ready: VecDeque::new(),
            held: false,
            buffer: Box::default(),
            connections_max: 0,
        }
    }

    pub(super) fn new(config: StreamsConfig, poller: &Poller) -> io::Result<Streams> {
        let StreamsConfig { listeners, connections_max } = config;
        if listeners.len() > LISTENERS_MAX || connections_max > CONNECTIONS_MAX {
            return Err(io::ErrorKind::InvalidInput.into());
        }
        let mut all = Vec::with_capacity(listeners.len());
        for (place, StreamListener { number, local, socket, dscp }) in (0u8..).zip(listeners) {
            if let Some(socket) = &socket {
                socket.set_nonblocking(true)?;
                poller.add_stream(socket.as_fd(), Ready::Accept(place))?;
            }
            let (is_ready, counters) = (socket.is_some(), StreamCounters::default());
            all.push(Listener { number, local, socket, dscp, is_ready, counters });
        }
        let buffer = vec![0; STREAM_BYTES_MAX].into();
        let connections_max = usize::try_from(connections_max).unwrap_or(usize::MAX);
        Ok(Streams { listeners: all, buffer, connections_max, ..Streams::none() })
    }

    pub(super) fn open_count(&self) -> usize {
        self.places.len() - self.free.len()
    }

    pub(super) fn counters(&self, number: u8) -> StreamCounters {
        let listener = self.listeners.iter().find(|listener| listener.number == number);
        listener.map(|listener| listener.counters).unwrap_or_default()
    }

    pub(super) fn is_ready(&self) -> bool {
        let waits = || !self.ready.is_empty() || self.listeners.iter().any(|one| one.is_ready);
        !self.held && waits()
    }

    pub(super) fn hold(&mut self, held: bool) {
        self.held = held;
    }

    pub(super) fn mark_listener(&mut self, place: u8) {
        if let Some(listener) = self.listeners.get_mut(usize::from(place)) {
            listener.is_ready = listener.socket.is_some();
        }
    }

    pub(super) fn mark_ready(&mut self, place: u32, event: Event) {
        let Some(conn) = self.conn_at(place) else { return };
        conn.readable |= event.readable();
        conn.ended |= event.ended();
        if event.writable() && conn.state == State::Full {
            conn.state = State::HasRoom;
        }
        let news = match conn.state {
            State::Opening | State::HasRoom | State::Failed => true,
            State::Flows | State::Full => conn.readable,
        };
        if news {
            self.enqueue(place);
        }
    }

    fn conn_at(&mut self, place: u32) -> Option<&mut Conn> {
        self.places.get_mut(usize::try_from(place).ok()?)?.conn.as_mut()
    }

    fn conn(&mut self, id: ConnId) -> Option<&mut Conn> {
        let place = self.places.get_mut(usize::try_from(id.place).ok()?)?;
        place.conn.as_mut().filter(|_| place.life == id.life)
    }

    fn enqueue(&mut self, place: u32) {
        if let Some(conn) = self.conn_at(place)
            && !conn.queued
        {
            conn.queued = true;
            self.ready.push_back(place);
        }
    }

    pub(super) fn receive(
        &mut self,
        poller: &Poller,
        mut sink: impl FnMut(StreamEvent<'_>),
    ) -> usize {
        if !self.is_ready() {
            return 0;
        }
        for index in 0..self.listeners.len() {
            self.accept_some(index, poller, &mut sink);
        }
        let mut looked = 0;
        // Those that have more to read go behind all that wait now.
        for _ in 0..self.ready.len().min(STREAM_BURST_MAX) {
            let Some(place) = self.ready.pop_front() else { break };
            self.look(place, &mut sink);
            looked += 1;
        }
        looked
    }

    fn accept_some(
        &mut self,
        index: usize,
        poller: &Poller,
        sink: &mut impl FnMut(StreamEvent<'_>),
    ) {
        for _ in 0..ACCEPTS_MAX {
            let Some(listener) = self.listeners.get_mut(index).filter(|l| l.is_ready) else {
                return;
            };
            let Some(socket) = &listener.socket else { return };
            let number = listener.number;
            match socket.accept() {
                Ok((stream, peer)) => match self.take_in(stream, index, poller) {
                    Some((conn, local)) => {
                        sink(StreamEvent::Accepted { conn, listener: number, local, peer });
                    }
                    None => self.count(index, |counters| counters.refused += 1),
                },
                Err(error) if is_full(&error) => {
                    // The next one that comes says so.
                    listener.is_ready = false;
                    return;
                }
                // Gone before we came, or no descriptor left: the others wait for the next one.
                Err(error) => {
                    listener.is_ready = is_passing(&error);
                    listener.counters.refused += 1;
                }
            }
        }
    }

    /// `None` = there are too many, or the system refused; the connection is closed.
    fn take_in(
        &mut self,
        stream: TcpStream,
        index: usize,
        poller: &Poller,
    ) -> Option<(ConnId, SocketAddr)> {
        let local = stream.local_addr().ok()?;
        let dscp = self.listeners.get(index)?.dscp;
        prepare_stream(&stream, local.ip(), (dscp, UNACKED_MS_MAX)).ok()?;
        let id = self.insert(stream, index, State::Flows, poller)?;
        // What came before we listened raised no event of ours: look once.
        self.conn(id)?.readable = true;
        self.enqueue(id.place);
        self.count(index, |counters| counters.accepted += 1);
        Some((id, local))
    }

    fn insert(
        &mut self,
        socket: TcpStream,
        listener: usize,
        state: State,
        poller: &Poller,
    ) -> Option<ConnId> {
        let at = match self.free.last() {
            Some(at) => *at,
            None if self.places.len() >= self.connections_max => return None,
            None => u32::try_from(self.places.len()).ok()?,
        };
        poller.add_stream(socket.as_fd(), Ready::Stream(at)).ok()?;
        let conn = Conn { socket, listener, state, readable: false, ended: false, queued: false };
        let life = match self.free.pop().and(usize::try_from(at).ok()) {
            Some(index) => {
                let place = self.places.get_mut(index)?;
                place.conn = Some(conn);
                place.life
            }
            None => {
                self.places.push(Place { life: 1, conn: Some(conn) });
                1
            }
        };
        Some(ConnId { place: at, life })
    }

    fn count(&mut self, listener: usize, count: impl FnOnce(&mut StreamCounters)) {
        if let Some(listener) = self.listeners.get_mut(listener) {
            count(&mut listener.counters);
        }
    }

    /// Tells what is new of one connection, and reads once.
    fn look(&mut self, at: u32, sink: &mut impl FnMut(StreamEvent<'_>)) {
        let Streams { places, buffer, .. } = self;
        let place = usize::try_from(at).ok().and_then(|index| places.get_mut(index));
        let Some(Place { life, conn: Some(conn) }) = place else { return };
        let id = ConnId { place: at, life: *life };
        conn.queued = false;
        match conn.state {
            State::Opening => return self.look_opening(id, sink),
            State::Failed => return self.end(id, Closed::Broken, sink),
            State::HasRoom => {
                conn.state = State::Flows;
                sink(StreamEvent::Writable { conn: id });
            }
            State::Flows | State::Full => {}
        }
        if !conn.readable {
            return;
        }
        match conn.socket.read(buffer) {
            Ok(0) => self.end(id, Closed::Ended, sink),
            Ok(got) => {
                // Less than there was room for: that was all, and what follows is a new edge.
                conn.readable = got == buffer.len() || conn.ended;
                let more = conn.readable;
                sink(StreamEvent::Received {
                    conn: id,
                    data: buffer.get(..got).unwrap_or_default(),
                });
                if more {
                    self.enqueue(at);
                }
            }
            Err(error) if is_full(&error) => conn.readable = false,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => self.enqueue(at),
            Err(_) => self.end(id, Closed::Broken, sink),
        }
    }

    /// One of ours: is it up, has it failed, or was that another edge?
    fn look_opening(&mut self, id: ConnId, sink: &mut impl FnMut(StreamEvent<'_>)) {
        let Some(conn) = self.conn(id) else { return };
        let failed = !matches!(conn.socket.take_error(), Ok(None));
        if failed || (conn.ended && conn.socket.peer_addr().is_err()) {
            return self.end(id, Closed::Refused, sink);
        }
        let (Ok(_), Ok(local)) = (conn.socket.peer_addr(), conn.socket.local_addr()) else {
            return;
        };
        conn.state = State::Flows;
        // Whatever came with it.
        conn.readable = true;
        let listener = conn.listener;
        self.enqueue(id.place);
        self.count(listener, |counters| counters.opened += 1);
        sink(StreamEvent::Connected { conn: id, local });
    }

    fn end(&mut self, id: ConnId, how: Closed, sink: &mut impl FnMut(StreamEvent<'_>)) {
        if self.remove(id, how == Closed::Broken) {
            sink(StreamEvent::Closed { conn: id, how });
        }
    }

    fn remove(&mut self, id: ConnId, lost: bool) -> bool {
        self.take_out(id, lost).is_some()
    }

    pub(super) fn release(&mut self, id: ConnId, poller: &Poller) -> Option<TcpStream> {
        let conn = self.take_out(id, false)?;
        // Its descriptor lives on, so the system would go on telling of it here.
        poller.remove(conn.socket.as_fd()).ok()?;
        Some(conn.socket)
    }

    fn take_out(&mut self, id: ConnId, lost: bool) -> Option<Conn> {
        let place = usize::try_from(id.place).ok().and_then(|index| self.places.get_mut(index));
        let place = place.filter(|place| place.life == id.life)?;
        let conn = place.conn.take()?;
        place.life = if place.life >= FlowToken::LIFE_MAX { 1 } else { place.life + 1 };
        if conn.queued {
            self.ready.retain(|at| *at != id.place);
        }
        self.free.push(id.place);
        let opening = conn.state == State::Opening;
        self.count(conn.listener, |counters| {
            if opening {
                counters.failed += 1;
            } else {
                counters.closed += 1;
                counters.lost += u64::from(lost);
            }
        });
        Some(conn)
    }

    pub(super) fn open(
        &mut self,
        number: u8,
        peer: SocketAddr,
        poller: &Poller,
    ) -> Result<ConnId, ConnectError> {
        let index = self.listeners.iter().position(|listener| {
            listener.number == number && listener.local.is_ipv4() == peer.is_ipv4()
        });
        let index = index.ok_or(ConnectError::NoListener)?;
        let found = self.listeners.get(index).map(|listener| (listener.local.ip(), listener.dscp));
        let (local, dscp) = found.ok_or(ConnectError::NoListener)?;
        if self.open_count() >= self.connections_max {
            return Err(ConnectError::Full);
        }
        let begun = begin_stream(local, peer);
        let prepared = begun.and_then(|stream| {
            prepare_stream(&stream, local, (dscp, UNACKED_MS_MAX)).map(|()| stream)
        });
        let failed = match prepared {
            Ok(stream) => match self.insert(stream, index, State::Opening, poller) {
                Some(id) => return Ok(id),
                None => ConnectError::Full,
            },
            Err(error) if is_out_of_room(&error) => ConnectError::Full,
            Err(_) => ConnectError::Unreachable,
        };
        self.count(index, |counters| counters.failed += 1);
        Err(failed)
    }

    pub(super) fn send(&mut self, id: ConnId, data: &[u8]) -> usize {
        let Some(conn) = self.conn(id) else { return 0 };
        match conn.state {
            State::Flows => {}
            State::Opening | State::Full | State::HasRoom | State::Failed => return 0,
        }
        let mut taken = 0;
        while let Some(rest) = data.get(taken..).filter(|rest| !rest.is_empty()) {
            match conn.socket.write(rest) {
                Ok(got) if got > 0 => taken += got,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) if is_full(&error) => {
                    conn.state = State::Full;
                    break;
                }
                Ok(_) | Err(_) => {
                    conn.state = State::Failed;
                    self.enqueue(id.place);
                    break;
                }
            }
        }
        taken
    }

    pub(super) fn close(&mut self, id: ConnId) {
        self.remove(id, false);
    }
}

/// An error of accept(2) that is of the one connection, not of us.
fn is_passing(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::ConnectionAborted
            | io::ErrorKind::ConnectionReset
            | io::ErrorKind::Interrupted
    )
}

fn is_out_of_room(error: &io::Error) -> bool {
    let full = [libc::EMFILE, libc::ENFILE, libc::ENOBUFS, libc::ENOMEM, libc::EADDRNOTAVAIL];
    error.raw_os_error().is_some_and(|errno| full.contains(&errno))
}

#[cfg(test)]
mod tests;
