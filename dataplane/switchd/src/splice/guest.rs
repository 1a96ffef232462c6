//! One guest: a peer's connection on one side, the control plane's REST on the other.

use socket2::{Domain, SockAddr, Socket, Type};
use std::io::{self, ErrorKind, Read, Write};
use std::net::{IpAddr, Shutdown, SocketAddr, TcpStream};
use std::os::fd::{AsFd, BorrowedFd};
use std::os::unix::net::UnixStream;
use std::path::Path;
use strowger_link::Tick;
use strowger_port::watch::Interest;
use strowger_shard::Guest;
use strowger_stream::{Item, Pipe};

/// Bytes of one read of either side.
const READ_LEN: usize = 16 * 1024;
/// While more than this waits for the peer, REST is not read.
const BACKLOG_MAX: usize = 64 * 1024;
/// Without a byte either way for so long, a guest goes, milliseconds. REST ends idle connections
/// before that.
const IDLE_MS: u64 = 60_000;
/// What a guest is told that cannot be brought: the control plane is away, or too many are here.
const AWAY: &[u8] = b"HTTP/1.1 503 Service Unavailable\r\nRetry-After: 1\r\n\
Content-Length: 0\r\nConnection: close\r\n\r\n";
const SIGNATURE: &[u8] = b"\r\n\r\n\0\r\nQUIT\n";

/// Whether a guest stays.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Step {
    On,
    Over,
}

/// See the module.
pub(super) struct Spliced {
    peer: TcpStream,
    pipe: Pipe,
    source: IpAddr,
    /// `None` = it is told that nobody is there, and goes.
    rest: Option<UnixStream>,
    /// What the peer said and REST has not taken yet.
    up: Vec<u8>,
    /// The peer says no more, and REST was told.
    peer_ended: bool,
    rest_ended: bool,
    /// REST said something, so the peer has an answer or a part of one.
    is_answered: bool,
    /// REST takes no more: what the peer says goes nowhere.
    is_deaf: bool,
    active: Tick,
}

impl Spliced {
    /// Begins to bring a guest to the socket, unless it is turned away; why not, when nobody is
    /// there. A guest that is not brought has its answer.
    pub(super) fn begin(
        guest: Guest,
        socket: &Path,
        turn_away: bool,
        now: Tick,
    ) -> (Spliced, io::Result<()>) {
        let Guest { stream, pipe, first, local, peer } = guest;
        let mut up = header(peer, local);
        up.extend_from_slice(&first);
        let mut spliced = Spliced {
            peer: stream,
            pipe,
            source: peer.ip(),
            rest: None,
            up,
            peer_ended: false,
            rest_ended: false,
            is_answered: false,
            is_deaf: false,
            active: now,
        };
        let opened = if turn_away { Ok(None) } else { open(socket).map(Some) };
        let result = opened.map(|rest| spliced.rest = rest);
        if spliced.rest.is_none() {
            spliced.refuse(now);
        }
        (spliced, result)
    }

    fn refuse(&mut self, now: Tick) {
        self.up = Vec::new();
        // There is room: nothing was sent before.
        let _sent = self.pipe.send(AWAY, now);
        self.pipe.close(now);
    }

    pub(super) fn source(&self) -> IpAddr {
        self.source
    }

    pub(super) fn peer_fd(&self) -> BorrowedFd<'_> {
        self.peer.as_fd()
    }

    /// The peer's own when there is no other, without an interest.
    pub(super) fn rest_fd(&self) -> BorrowedFd<'_> {
        self.rest.as_ref().map_or(self.peer.as_fd(), AsFd::as_fd)
    }

    /// What is waited for: of the peer, of REST.
    pub(super) fn interests(&self) -> [Interest; 2] {
        let peer =
            Interest { read: self.may_read_peer(), write: self.pipe.poll_transmit().is_some() };
        let rest = Interest {
            read: self.may_read_rest(),
            write: self.rest.is_some() && !self.up.is_empty(),
        };
        [peer, rest]
    }

    fn may_read_peer(&self) -> bool {
        self.up.is_empty() && !self.peer_ended && self.pipe.wants_read()
    }

    fn may_read_rest(&self) -> bool {
        let has_room = self.pipe.backlog() <= BACKLOG_MAX && self.pipe.over().is_none();
        self.rest.is_some() && !self.rest_ended && has_room
    }

    /// Moves what can be moved.
    pub(super) fn step(&mut self, [peer, rest]: [Interest; 2], now: Tick) -> Step {
        let moved = self.read(peer.read, rest.read, now).and_then(|()| self.write(now));
        if moved.is_err() {
            return Step::Over;
        }
        // Not before the peer has all: behind its end it would have a moment only.
        if self.rest_ended && self.pipe.backlog() == 0 {
            self.pipe.close(now);
            if self.write(now).is_err() {
                return Step::Over;
            }
        }
        if self.pipe.poll_timeout().is_some_and(|at| at <= now) {
            // What became of it is seen below.
            let _over = self.pipe.handle_timeout(now);
        }
        let done = self.pipe.over().is_some() && self.pipe.backlog() == 0;
        let idle = now.ms_since(self.active) >= IDLE_MS;
        if done || idle { Step::Over } else { Step::On }
    }

    fn read(&mut self, from_peer: bool, from_rest: bool, now: Tick) -> io::Result<()> {
        let mut buffer = [0; READ_LEN];
        if from_peer && self.may_read_peer() {
            match self.peer.read(&mut buffer) {
                Ok(0) => self.end_of_peer(),
                Ok(got) => {
                    self.active = now;
                    // Whatever is wrong with it is said by `over`.
                    let _over =
                        self.pipe.handle_received(buffer.get(..got).unwrap_or_default(), now);
                    self.drain();
                }
                Err(e) => passing(e)?,
            }
        }
        if from_rest && self.may_read_rest() {
            let Some(rest) = &mut self.rest else { return Ok(()) };
            match rest.read(&mut buffer) {
                Ok(0) => self.end_of_rest(now),
                Ok(got) => {
                    self.active = now;
                    self.is_answered = true;
                    let sent = self.pipe.send(buffer.get(..got).unwrap_or_default(), now);
                    sent.map_err(|_| ErrorKind::ConnectionAborted)?;
                }
                // A control plane that was killed resets what it had not read.
                Err(e) => {
                    if passing(e).is_err() {
                        self.end_of_rest(now);
                    }
                }
            }
        }
        Ok(())
    }

    /// Takes what the pipe has in clear.
    fn drain(&mut self) {
        while let Some(item) = self.pipe.poll_message() {
            match item {
                Item::Foreign(_) if self.is_deaf => {}
                Item::Foreign(bytes) => self.up.extend_from_slice(bytes),
                // It speaks HTTP, or nothing any more.
                Item::Message(_)
                | Item::KeepAlive
                | Item::Pong
                | Item::Refused { .. }
                | Item::Over(_) => return,
            }
        }
    }

    fn write(&mut self, now: Tick) -> io::Result<()> {
        while let Some(rest) = self.rest.as_mut().filter(|_| !self.up.is_empty()) {
            match rest.write(&self.up) {
                Ok(taken) => {
                    self.active = now;
                    self.up.drain(..taken);
                }
                Err(e) => {
                    if passing(e).is_err() {
                        // It listens no more; what it said before is still read.
                        self.up = Vec::new();
                        self.is_deaf = true;
                    }
                    break;
                }
            }
        }
        if self.peer_ended && self.up.is_empty() {
            self.end_of_peer();
        }
        while let Some(bytes) = self.pipe.poll_transmit() {
            match self.peer.write(bytes) {
                Ok(taken) => {
                    self.active = now;
                    self.pipe.sent(taken, now);
                }
                Err(e) => {
                    passing(e)?;
                    break;
                }
            }
        }
        Ok(())
    }

    /// Who asked something and got no byte is told so: the control plane ended before it answered.
    fn end_of_rest(&mut self, now: Tick) {
        self.rest_ended = true;
        if !std::mem::replace(&mut self.is_answered, true) {
            // There is room: nothing was sent before. `step` closes behind it.
            let _sent = self.pipe.send(AWAY, now);
        }
    }

    /// A peer that says no more may still wait for its answer.
    fn end_of_peer(&mut self) {
        self.peer_ended = true;
        if let Some(rest) = self.rest.as_ref().filter(|_| self.up.is_empty()) {
            // It may have ended first.
            let _ended = rest.shutdown(Shutdown::Write);
        }
    }
}

/// An error that says no more than that there is nothing now.
fn passing(error: io::Error) -> io::Result<()> {
    let passes = matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::Interrupted);
    if passes { Ok(()) } else { Err(error) }
}

/// Never waits: a queue that is full is an error.
fn open(path: &Path) -> io::Result<UnixStream> {
    let kind = Type::STREAM.nonblocking().cloexec();
    let socket = Socket::new(Domain::UNIX, kind, None)?;
    socket.connect(&SockAddr::unix(path)?)?;
    Ok(socket.into())
}

/// Who connected to whom (PROXY protocol, version 2, 2.2).
fn header(peer: SocketAddr, local: SocketAddr) -> Vec<u8> {
    let mut bytes = SIGNATURE.to_vec();
    // Both are of one family, or mapped into IPv6.
    let (family, addresses) = match (peer.ip().to_canonical(), local.ip().to_canonical()) {
        (IpAddr::V4(peer), IpAddr::V4(local)) => (0x11, [peer.octets(), local.octets()].concat()),
        (peer, local) => (0x21, [v6(peer), v6(local)].concat()),
    };
    let ports = [peer.port().to_be_bytes(), local.port().to_be_bytes()].concat();
    let len = u16::try_from(addresses.len() + ports.len()).unwrap_or(0);
    bytes.extend_from_slice(&[0x21, family]);
    bytes.extend_from_slice(&len.to_be_bytes());
    bytes.extend_from_slice(&addresses);
    bytes.extend_from_slice(&ports);
    bytes
}

fn v6(ip: IpAddr) -> [u8; 16] {
    match ip {
        IpAddr::V4(v4) => v4.to_ipv6_mapped().octets(),
        IpAddr::V6(v6) => v6.octets(),
    }
}

#[cfg(test)]
mod tests;
