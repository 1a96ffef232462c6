//! One connection: bytes in, items out; messages in, bytes out.

mod read;

use crate::buffer::{Inbox, Outbox};
use crate::fault::{Fault, Refusal, Unsent};
use crate::frame::Framer;
use crate::limits::{
    AUTHORITY_LEN_MAX, INBOX_LEN_MAX, MESSAGE_LEN_MAX, RECEIVED_LEN_MAX, SEALED_LEN_MAX,
};
use crate::patience::{Patience, Times};
use crate::tls::{self, Change, Client, Done, Job, Server, Start, Tls};
use crate::websocket::frame::{Code, Frames, Opcode};
use crate::websocket::upgrade::{Policy, Request};
use std::sync::Arc;
use strowger_link::{Key, Tick};

/// Two empty lines: a ping (RFC 5626 4.4.1). One is its answer.
const PING: &[u8] = b"\r\n\r\n";
const PONG: &[u8] = b"\r\n";

/// Who connected.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Role {
    /// The peer did.
    Server,
    /// We did.
    Client,
}

/// What came. Valid until the pipe is touched again.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Item<'a> {
    /// One whole message. Over a WebSocket it needs no Content-Length (RFC 7118 5).
    Message(&'a [u8]),
    /// The peer's ping. It is answered already.
    KeepAlive,
    /// The answer to our [`Pipe::ping`].
    Pong,
    /// A message whose end cannot be known: nothing more is read. Answer it from these bytes, its
    /// header fields, then [`Pipe::close`].
    Refused {
        /// The start line and the header fields, or the begin of them if they are too long.
        head: &'a [u8],
        /// Which answer it gets.
        refusal: Refusal,
    },
    /// Bytes that are no SIP over WebSocket, on a connection that was made for it: from the first
    /// one on, in clear. They belong to whoever else answers there; what that one says goes by
    /// [`Pipe::send`], as it is.
    Foreign(&'a [u8]),
    /// The stream is of no more use.
    Over(Fault),
}

/// What the connection is doing.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Phase {
    /// It is not ready; what is sent waits.
    Opening,
    /// Messages go both ways.
    Open,
    /// Nothing is read any more; an answer may still go.
    Deaf,
    /// We have said that we close, and wait for the peer to say it too.
    Closing,
    /// Nothing goes any more but what waits.
    Over(Fault),
}

/// One connection. The crate's page says how to drive it.
#[derive(Debug)]
pub struct Pipe {
    role: Role,
    phase: Phase,
    cover: Cover,
    speech: Speech,
    inbox: Inbox,
    /// Bytes of the inbox that the last item was made of.
    taken: usize,
    outbox: Outbox,
    /// What was sent before the connection was ready.
    early: Vec<u8>,
    /// The peer has said, under TLS, that it sends no more.
    ending: bool,
    patience: Patience,
}

/// What the bytes are covered with.
#[derive(Debug)]
enum Cover {
    Clear,
    Tls(Box<Tls>),
}

/// What the bytes in clear mean.
#[derive(Debug)]
enum Speech {
    /// SIP messages one after the other, empty lines between them.
    Sip {
        framer: Framer,
        /// One empty line of two was taken.
        half_ping: bool,
    },
    /// A peer that may want a WebSocket.
    Asked(Arc<Policy>),
    /// We want one.
    Asking(Box<(Request, Frames)>),
    /// SIP messages in WebSocket frames.
    Frames(Box<Frames>),
    /// Somebody else's.
    Foreign,
}

impl Pipe {
    /// SIP over TCP, on a connection that is there (or, for a client, is being made: what is sent
    /// waits).
    #[must_use]
    pub fn tcp(role: Role, times: Times, now: Tick) -> Pipe {
        let mut pipe = Pipe::new(role, Cover::Clear, Speech::sip(), times, now);
        pipe.open(now);
        pipe
    }

    /// SIP over TLS, on a connection that a peer made.
    #[must_use]
    pub fn tls_server(server: &Server, times: Times, now: Tick) -> Pipe {
        let cover = Cover::over(Start::Server(server.config()));
        Pipe::new(Role::Server, cover, Speech::sip(), times, now)
    }

    /// SIP over TLS, on a connection of ours to `name`: a host name or an address, which the
    /// server's certificate must be for (RFC 5922 7.1, but names as URI are not known here).
    ///
    /// # Errors
    /// It is no name.
    pub fn tls_client(
        client: &Client,
        name: &str,
        times: Times,
        now: Tick,
    ) -> Result<Pipe, Unsent> {
        let cover = Cover::to(client, name)?;
        Ok(Pipe::new(Role::Client, cover, Speech::sip(), times, now))
    }

    /// SIP over WebSocket, on a connection that a peer made. What is no upgrade to it comes as
    /// [`Item::Foreign`].
    #[must_use]
    pub fn ws_server(policy: Arc<Policy>, times: Times, now: Tick) -> Pipe {
        Pipe::new(Role::Server, Cover::Clear, Speech::Asked(policy), times, now)
    }

    /// The same over TLS.
    #[must_use]
    pub fn wss_server(server: &Server, policy: Arc<Policy>, times: Times, now: Tick) -> Pipe {
        let cover = Cover::over(Start::Server(server.config()));
        Pipe::new(Role::Server, cover, Speech::Asked(policy), times, now)
    }

    /// SIP over WebSocket, on a connection of ours, to `path` of `host` (with its port if that is
    /// not the usual one). `chance` must be random: the key of the upgrade and those of masks.
    ///
    /// # Errors
    /// Host and path are longer than `AUTHORITY_LEN_MAX` or hold what would end a line.
    pub fn ws_client(
        host: &str,
        path: &str,
        chance: [Key; 2],
        times: Times,
        now: Tick,
    ) -> Result<Pipe, Unsent> {
        let speech = Pipe::asking(host, path, chance)?;
        let mut pipe = Pipe::new(Role::Client, Cover::Clear, speech, times, now);
        pipe.ready(now);
        Ok(pipe)
    }

    /// The same over TLS; the certificate must be for `host` without its port.
    ///
    /// # Errors
    /// As [`Pipe::ws_client`], or the host is no name.
    pub fn wss_client(
        client: &Client,
        host: &str,
        path: &str,
        chance: [Key; 2],
        times: Times,
        now: Tick,
    ) -> Result<Pipe, Unsent> {
        let speech = Pipe::asking(host, path, chance)?;
        let name = match host.rsplit_once(':') {
            Some((name, port)) if port.bytes().all(|b| b.is_ascii_digit()) => name,
            Some(_) | None => host,
        };
        let cover = Cover::to(client, name.trim_matches(['[', ']']))?;
        Ok(Pipe::new(Role::Client, cover, speech, times, now))
    }

    fn asking(host: &str, path: &str, chance: [Key; 2]) -> Result<Speech, Unsent> {
        let plain = |text: &str| text.bytes().all(|b| b.is_ascii_graphic());
        if host.len() + path.len() > AUTHORITY_LEN_MAX {
            return Err(Unsent::TooLong);
        }
        if host.is_empty() || !plain(host) || !path.starts_with('/') || !plain(path) {
            return Err(Unsent::Name);
        }
        let [nonce, masks] = chance;
        let request = Request::new(host, path, nonce.0);
        Ok(Speech::Asking(Box::new((request, Frames::client(masks)))))
    }

    fn new(role: Role, cover: Cover, speech: Speech, times: Times, now: Tick) -> Pipe {
        Pipe {
            role,
            phase: Phase::Opening,
            cover,
            speech,
            inbox: Inbox::new(),
            taken: 0,
            outbox: Outbox::new(),
            early: Vec::new(),
            ending: false,
            patience: Patience::new(times, now, true),
        }
    }

    /// Takes what a read gave. Afterwards [`Pipe::poll_message`] must be drained before more is
    /// given.
    ///
    /// # Errors
    /// Why the connection is over; as [`Pipe::over`].
    pub fn handle_received(&mut self, bytes: &[u8], now: Tick) -> Result<(), Fault> {
        self.patience.received(now);
        match self.phase {
            Phase::Over(fault) => return Err(fault),
            Phase::Deaf => return Ok(()),
            Phase::Opening | Phase::Open | Phase::Closing => {}
        }
        self.release();
        let fits = bytes.len() <= RECEIVED_LEN_MAX;
        if !fits || self.inbox.len() + bytes.len() > INBOX_LEN_MAX {
            return Err(self.end(Fault::Overrun));
        }
        match &mut self.cover {
            Cover::Clear => {
                self.inbox.push(bytes);
                Ok(())
            }
            Cover::Tls(tls) => {
                let change = tls.receive(bytes, self.outbox.writer(), self.inbox.writer());
                self.change(change, now)
            }
        }
    }

    /// The next step of a TLS handshake. Have it run where it may take a millisecond, and give what
    /// came of it to [`Pipe::handle_done`]; meanwhile the pipe can be used as ever.
    pub fn poll_job(&mut self) -> Option<Job> {
        match (&mut self.cover, self.phase) {
            (Cover::Tls(tls), Phase::Opening) => tls.poll_job(),
            (Cover::Tls(_) | Cover::Clear, _) => None,
        }
    }

    /// A step of the handshake was done. Messages may have come with it: drain
    /// [`Pipe::poll_message`].
    ///
    /// # Errors
    /// Why the connection is over; as [`Pipe::over`].
    pub fn handle_done(&mut self, done: Done, now: Tick) -> Result<(), Fault> {
        if let Phase::Over(fault) = self.phase {
            return Err(fault);
        }
        self.release();
        let Cover::Tls(tls) = &mut self.cover else { return Ok(()) };
        let change = tls.resume(done, self.outbox.writer(), self.inbox.writer());
        self.change(change, now)
    }

    /// What TLS said.
    fn change(&mut self, change: Result<Change, Fault>, now: Tick) -> Result<(), Fault> {
        if !self.outbox.is_empty() {
            self.patience.queued(now);
        }
        match change {
            Ok(Change::None) => Ok(()),
            Ok(Change::Ended) => {
                self.ending = true;
                Ok(())
            }
            Ok(Change::Opened) => {
                match self.speech {
                    Speech::Sip { .. } => self.open(now),
                    Speech::Asking(_) => self.ready(now),
                    Speech::Asked(_) | Speech::Frames(_) | Speech::Foreign => {}
                }
                Ok(())
            }
            Err(fault) => Err(self.end(fault)),
        }
    }

    /// The name that a peer asked for in its TLS handshake, in lower case, once that is done.
    #[must_use]
    pub fn server_name(&self) -> Option<&str> {
        match &self.cover {
            Cover::Tls(tls) => tls.server_name(),
            Cover::Clear => None,
        }
    }

    /// Whether a ticket took up an earlier TLS session; None = there is no session.
    #[must_use]
    pub fn resumed(&self) -> Option<bool> {
        match &self.cover {
            Cover::Tls(tls) => tls.resumed(),
            Cover::Clear => None,
        }
    }

    /// The certificate, in DER, that the peer showed and proved to have the key of: a server's
    /// always, a client's if it was asked ([`tls::Clients`]).
    #[must_use]
    pub fn peer_certificate(&self) -> Option<&[u8]> {
        match &self.cover {
            Cover::Tls(tls) => tls.peer_certificate(),
            Cover::Clear => None,
        }
    }

    /// Whether more should be read from the socket: not while a job of the handshake is out, nor
    /// when the pipe is over. Bytes that come all the same are taken, up to a bound.
    #[must_use]
    pub fn wants_read(&self) -> bool {
        let away = match &self.cover {
            Cover::Tls(tls) => tls.is_away(),
            Cover::Clear => false,
        };
        !away && self.over().is_none()
    }

    /// The peer ended its side of the stream, or the system the connection. What came before and
    /// was not taken by [`Pipe::poll_message`] is lost.
    pub fn handle_end(&mut self, now: Tick) {
        self.patience.received(now);
        self.end(Fault::Ended);
    }

    /// The next item; None = all that came was looked at.
    pub fn poll_message(&mut self) -> Option<Item<'_>> {
        let found = self.find();
        self.item(found)
    }

    /// Sends one message; on a [foreign](Item::Foreign) connection bytes as they are. Before the
    /// connection is ready they wait.
    ///
    /// # Errors
    /// Nothing of it is sent: it is too long, too much waits, or the connection is closing.
    pub fn send(&mut self, message: &[u8], now: Tick) -> Result<(), Unsent> {
        if message.len() > MESSAGE_LEN_MAX {
            return Err(Unsent::TooLong);
        }
        match self.phase {
            Phase::Over(_) | Phase::Closing => Err(Unsent::Over),
            Phase::Opening | Phase::Open | Phase::Deaf => match &mut self.speech {
                Speech::Sip { .. } | Speech::Foreign => self.put(message, now),
                // Nobody knows yet what will be spoken.
                Speech::Asked(_) => Err(Unsent::Over),
                Speech::Asking(asking) => {
                    let frame = asking.1.message(message);
                    self.put(&frame, now)
                }
                Speech::Frames(frames) => {
                    let frame = frames.message(message);
                    self.put(&frame, now)
                }
            },
        }
    }

    /// Asks the peer for a sign of life. Over a WebSocket every peer gives one; over TCP and TLS
    /// it is meant for flows of ours that a registrar keeps (RFC 5626): a peer that does not know
    /// of it is silent, which ends the connection after `pong_ms`.
    ///
    /// # Errors
    /// As [`Pipe::send`].
    pub fn ping(&mut self, now: Tick) -> Result<(), Unsent> {
        if let (Phase::Open, Speech::Frames(frames)) = (self.phase, &mut self.speech) {
            let frame = frames.frame(Opcode::Ping, b"");
            self.put(&frame, now)?;
        } else {
            self.send(PING, now)?;
        }
        self.patience.pinged(now);
        Ok(())
    }

    /// What is to be written next, as far as it is known.
    #[must_use]
    pub fn poll_transmit(&self) -> Option<&[u8]> {
        (!self.outbox.is_empty()).then(|| self.outbox.front())
    }

    /// `n` bytes of it were written.
    pub fn sent(&mut self, n: usize, now: Tick) {
        self.outbox.take(n);
        self.patience.sent(now, self.outbox.is_empty());
    }

    /// When [`Pipe::handle_timeout`] is due.
    #[must_use]
    pub fn poll_timeout(&self) -> Option<Tick> {
        match self.phase {
            Phase::Over(_) if self.outbox.is_empty() => None,
            Phase::Over(_) | Phase::Opening | Phase::Open | Phase::Deaf | Phase::Closing => {
                self.patience.deadline().map(|(at, _)| at)
            }
        }
    }

    /// Time has passed. After the connection is over it drops what could not be sent.
    ///
    /// # Errors
    /// Why the connection is over; as [`Pipe::over`].
    pub fn handle_timeout(&mut self, now: Tick) -> Result<(), Fault> {
        let due = self.patience.deadline().filter(|(at, _)| *at <= now);
        match (self.phase, due) {
            (Phase::Over(fault), Some(_)) => {
                self.outbox = Outbox::new();
                Err(fault)
            }
            (Phase::Over(fault), None) => Err(fault),
            (Phase::Opening | Phase::Open | Phase::Deaf | Phase::Closing, Some((_, fault))) => {
                self.patience.received(now);
                Err(self.end(fault))
            }
            (Phase::Opening | Phase::Open | Phase::Deaf | Phase::Closing, None) => Ok(()),
        }
    }

    /// Ends the connection in order, after what waits has gone. A WebSocket's peer has a moment to
    /// agree ([`Times::close_ms`]), so go on driving the pipe until it is [over](Pipe::over).
    pub fn close(&mut self, now: Tick) {
        self.patience.received(now);
        let agreed = matches!(self.speech, Speech::Frames(_));
        if agreed && matches!(self.phase, Phase::Open | Phase::Deaf) {
            self.say_close(Code::Normal);
            self.phase = Phase::Closing;
            self.patience.closing(now);
        } else if self.phase != Phase::Closing {
            self.end(Fault::Closed);
        }
    }

    /// Why the connection is over, once it is: write what [`Pipe::poll_transmit`] still gives, then
    /// close the socket.
    #[must_use]
    pub fn over(&self) -> Option<Fault> {
        match self.phase {
            Phase::Over(fault) => Some(fault),
            Phase::Opening | Phase::Open | Phase::Deaf | Phase::Closing => None,
        }
    }

    /// Whether messages may go both ways: handshakes and upgrades are done.
    #[must_use]
    pub fn is_open(&self) -> bool {
        self.phase == Phase::Open
    }

    /// Bytes that wait to be written.
    #[must_use]
    pub fn backlog(&self) -> usize {
        self.outbox.len() + self.early.len()
    }

    /// Drops what the last item was made of.
    fn release(&mut self) {
        self.inbox.take(std::mem::take(&mut self.taken));
        if let Speech::Frames(frames) = &mut self.speech {
            frames.release();
        }
    }

    /// The stream below carries bytes: an upgrade of ours goes out.
    fn ready(&mut self, now: Tick) {
        if let Speech::Asking(asking) = &mut self.speech {
            let text = std::mem::take(&mut asking.0.text);
            self.write(&text, now);
        }
    }

    /// Messages may go; those that waited do.
    fn open(&mut self, now: Tick) {
        self.phase = Phase::Open;
        self.patience.opened();
        if self.role == Role::Server && !matches!(self.speech, Speech::Foreign) {
            self.patience.await_first(now);
        }
        let early = std::mem::take(&mut self.early);
        if !early.is_empty() {
            self.write(&early, now);
        }
    }

    /// The first fault stays.
    fn end(&mut self, fault: Fault) -> Fault {
        match (self.phase, fault.close_code()) {
            (Phase::Over(first), _) => return first,
            (Phase::Open | Phase::Deaf, Some(code)) => self.say_close(code),
            (Phase::Open | Phase::Deaf, None) | (Phase::Opening | Phase::Closing, _) => {}
        }
        if let Cover::Tls(tls) = &mut self.cover {
            tls.end(self.outbox.writer());
        }
        self.phase = Phase::Over(fault);
        self.inbox.clear();
        self.early = Vec::new();
        self.patience.closing(self.patience.active());
        fault
    }

    /// Tells a WebSocket's peer why it ends.
    fn say_close(&mut self, code: Code) {
        if let Speech::Frames(frames) = &mut self.speech {
            let frame = frames.close(code);
            self.write(&frame, self.patience.active());
        }
    }

    /// Bytes in clear go out, now or when the connection is ready.
    fn put(&mut self, bytes: &[u8], now: Tick) -> Result<(), Unsent> {
        if !self.outbox.has_room(self.early.len() + bytes.len() + SEALED_LEN_MAX) {
            return Err(Unsent::Full);
        }
        if self.phase == Phase::Opening {
            self.early.extend_from_slice(bytes);
            return Ok(());
        }
        if self.write(bytes, now) { Ok(()) } else { Err(Unsent::Over) }
    }

    /// Bytes in clear go out, sealed if there is something to seal them with.
    fn write(&mut self, bytes: &[u8], now: Tick) -> bool {
        let written = match &mut self.cover {
            Cover::Clear => {
                self.outbox.push(bytes);
                true
            }
            Cover::Tls(tls) => tls.seal(bytes, self.outbox.writer()).is_ok(),
        };
        if written {
            self.patience.queued(now);
        }
        written
    }
}

impl Speech {
    const fn sip() -> Speech {
        Speech::Sip { framer: Framer::new(), half_ping: false }
    }
}

impl Cover {
    fn over(start: Start) -> Cover {
        Cover::Tls(Box::new(Tls::new(start)))
    }

    fn to(client: &Client, name: &str) -> Result<Cover, Unsent> {
        let name = tls::server_name(name).ok_or(Unsent::Name)?;
        Ok(Cover::over(Start::Client(client.config(), name)))
    }
}

#[cfg(test)]
mod tests;
