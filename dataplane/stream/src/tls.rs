//! TLS 1.2 and 1.3 (RFC 5246, RFC 8446) under a pipe: certificates, sessions, handshakes as jobs.
//!
//! A session holds no buffers of its own: rustls' unbuffered interface works on ours, which are
//! given back when they are empty. Signatures and key exchange take long (50 us to 1 ms), so while
//! a connection shakes hands its session is a [`Job`] that another thread runs; afterwards records
//! are opened and sealed in place, a few microseconds each.

pub(crate) mod session;

mod edge;
mod hello;
mod identity;

pub use identity::{Client, Clients, Identity, Server, Speaks, Unfit};

use crate::fault::Fault;
use crate::limits::{CIPHER_LEN_MAX, JOBS_EACH_MAX};
use edge::Edge;
use rustls::pki_types::ServerName;
use rustls::{ClientConfig, ServerConfig};
use session::{Progress, Session};
use std::sync::Arc;

/// Why TLS ended a connection.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum TlsFault {
    /// The bytes are no TLS, or a message of it is broken.
    Garbage,
    /// The peer refused us: it sent an alert.
    Alert,
    /// The peer showed no certificate, and has to.
    CertificateMissing,
    /// The peer's certificate is not trusted, not valid now, or not for that name.
    Certificate,
    /// Nothing that both sides speak: version, cipher, name without a certificate, protocol.
    Incompatible,
    /// The peer breaks the protocol, or a record does not decrypt.
    Misbehaved,
    /// The handshakers had no room, or their answer was lost.
    Busy,
    /// Ours: no random bytes, no time, no more keys.
    Ours,
}

/// What a session is made from.
#[derive(Clone, Debug)]
pub(crate) enum Start {
    Server(Arc<ServerConfig>),
    Client(Arc<ClientConfig>, ServerName<'static>),
}

/// A host name or an address, as certificates have them.
pub(crate) fn server_name(name: &str) -> Option<ServerName<'static>> {
    ServerName::try_from(name.to_owned()).ok()
}

/// The TLS side of one connection.
#[derive(Debug)]
pub(crate) struct Tls {
    state: State,
    /// Records that came and are not opened yet.
    cipher: Vec<u8>,
    /// The name that the peer asked for.
    name: Option<Box<str>>,
    /// Jobs so far.
    jobs: u8,
    /// Where the records of the handshake end; what is kept of them does not tell.
    edge: Edge,
    /// A record was made whole since the last job.
    whole: bool,
}

#[derive(Debug)]
enum State {
    /// Nothing was done yet, so that a peer that says nothing costs nothing.
    Begin(Start),
    /// Between two flights of the handshake.
    Shaking(Box<Session>),
    /// With a job.
    Away,
    /// The handshake is done.
    Open(Box<Session>),
    /// Given up.
    Over,
}

/// One step of a handshake: run it on a thread that may take its time.
#[derive(Debug)]
pub struct Job {
    what: What,
    cipher: Vec<u8>,
}

#[derive(Debug)]
enum What {
    Start(Start),
    Go(Box<Session>),
}

/// What came of a [`Job`]; give it to [`crate::Pipe::handle_done`] of the pipe that it is of.
#[derive(Debug)]
pub struct Done {
    session: Option<Box<Session>>,
    result: Result<Progress, TlsFault>,
    /// What is left of the records.
    cipher: Vec<u8>,
    /// Records that must be sent, whatever the result.
    out: Vec<u8>,
    /// What came in clear behind the handshake.
    plain: Vec<u8>,
    name: Option<Box<str>>,
}

impl Job {
    /// Takes the handshake as far as the bytes at hand allow.
    #[must_use]
    pub fn run(self) -> Done {
        let mut cipher = self.cipher;
        let mut name = None;
        let session = match self.what {
            What::Go(session) => Ok(session),
            What::Start(start) => {
                name = hello::server_name(&cipher);
                Session::new(start).map(Box::new)
            }
        };
        let mut done = Done {
            session: None,
            result: Err(TlsFault::Ours),
            cipher: Vec::new(),
            out: Vec::new(),
            plain: Vec::new(),
            name,
        };
        match session {
            Ok(mut session) => {
                done.result = session.drive(&mut cipher, &mut done.out, &mut done.plain);
                done.session = Some(session);
            }
            Err(fault) => done.result = Err(fault),
        }
        done.cipher = cipher;
        done
    }

    /// The answer of a job that nobody ran.
    #[must_use]
    pub fn refused(self) -> Done {
        Done {
            session: None,
            result: Err(TlsFault::Busy),
            cipher: Vec::new(),
            out: Vec::new(),
            plain: Vec::new(),
            name: None,
        }
    }
}

/// What [`Tls::receive`] and [`Tls::resume`] found.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Change {
    None,
    /// The handshake is done.
    Opened,
    /// The peer has said that it sends no more.
    Ended,
}

impl Tls {
    pub(crate) fn new(start: Start) -> Tls {
        Tls {
            state: State::Begin(start),
            cipher: Vec::new(),
            name: None,
            jobs: 0,
            edge: Edge::default(),
            whole: false,
        }
    }

    /// Whether a job is out.
    pub(crate) fn is_away(&self) -> bool {
        matches!(self.state, State::Away)
    }

    /// Bytes of the peer. What is open then goes to `plain`, what must be sent to `out`.
    pub(crate) fn receive(
        &mut self,
        bytes: &[u8],
        out: &mut Vec<u8>,
        plain: &mut Vec<u8>,
    ) -> Result<Change, Fault> {
        if self.cipher.len() + bytes.len() > CIPHER_LEN_MAX {
            return Err(Fault::Overrun);
        }
        self.cipher.extend_from_slice(bytes);
        let State::Open(session) = &mut self.state else {
            let whole = self.edge.advance(bytes).ok_or(Fault::Tls(TlsFault::Garbage))?;
            self.whole |= whole;
            let dripping = self.jobs >= JOBS_EACH_MAX;
            let fault = Fault::Tls(TlsFault::Misbehaved);
            return if dripping { Err(fault) } else { Ok(Change::None) };
        };
        match session.drive(&mut self.cipher, out, plain) {
            Ok(Progress::Ended) => Ok(Change::Ended),
            Ok(Progress::Open | Progress::Shaking) => Ok(Change::None),
            Err(fault) => {
                // It has said its last word.
                self.state = State::Over;
                Err(Fault::Tls(fault))
            }
        }
    }

    /// The next step of the handshake, if there is one to do.
    pub(crate) fn poll_job(&mut self) -> Option<Job> {
        let whole = self.whole;
        let what = match std::mem::replace(&mut self.state, State::Away) {
            State::Begin(start @ Start::Client(..)) => What::Start(start),
            State::Begin(start @ Start::Server(_)) if whole => What::Start(start),
            State::Shaking(session) if whole => What::Go(session),
            state @ (State::Begin(_)
            | State::Shaking(_)
            | State::Away
            | State::Open(_)
            | State::Over) => {
                self.state = state;
                return None;
            }
        };
        self.jobs = self.jobs.saturating_add(1);
        self.whole = false;
        Some(Job { what, cipher: std::mem::take(&mut self.cipher) })
    }

    /// Takes the session back, with what came of it; what came meanwhile is looked at as well.
    pub(crate) fn resume(
        &mut self,
        done: Done,
        out: &mut Vec<u8>,
        plain: &mut Vec<u8>,
    ) -> Result<Change, Fault> {
        let Done { session, result, mut cipher, out: flight, plain: first, name } = done;
        let (State::Away, Some(session)) = (&self.state, session) else {
            // Given up meanwhile, or the job was refused.
            let fault = result.err().unwrap_or(TlsFault::Busy);
            return Err(Fault::Tls(fault));
        };
        out.extend_from_slice(&flight);
        let progress = result.map_err(Fault::Tls)?;
        plain.extend_from_slice(&first);
        self.name = name.or(self.name.take());
        cipher.append(&mut self.cipher);
        self.cipher = cipher;
        match progress {
            Progress::Shaking => {
                self.state = State::Shaking(session);
                Ok(Change::None)
            }
            Progress::Ended => Err(Fault::Ended),
            Progress::Open => {
                self.state = State::Open(session);
                match self.receive(&[], out, plain)? {
                    Change::None | Change::Opened => Ok(Change::Opened),
                    Change::Ended => Err(Fault::Ended),
                }
            }
        }
    }

    /// Seals `bytes` into `out`.
    pub(crate) fn seal(&mut self, bytes: &[u8], out: &mut Vec<u8>) -> Result<(), Fault> {
        match &mut self.state {
            State::Open(session) => session.seal(bytes, &mut self.cipher, out).map_err(Fault::Tls),
            State::Begin(_) | State::Shaking(_) | State::Away | State::Over => Err(Fault::Closed),
        }
    }

    /// Says that we send no more, if there is somebody to tell; the session is given up.
    pub(crate) fn end(&mut self, out: &mut Vec<u8>) {
        if let State::Open(session) = &mut self.state {
            session.say_close(&mut self.cipher, out);
        }
        self.state = State::Over;
        self.cipher = Vec::new();
    }

    /// Whether a part of a record is here.
    pub(crate) fn has_part(&self) -> bool {
        !self.cipher.is_empty()
    }

    pub(crate) fn server_name(&self) -> Option<&str> {
        self.name.as_deref()
    }

    /// Whether a ticket took up an earlier session; None = the handshake is not done.
    pub(crate) fn resumed(&self) -> Option<bool> {
        match &self.state {
            State::Open(session) => Some(session.is_resumed()),
            State::Begin(_) | State::Shaking(_) | State::Away | State::Over => None,
        }
    }

    /// The certificate that the peer showed and proved, in DER.
    pub(crate) fn peer_certificate(&self) -> Option<&[u8]> {
        match &self.state {
            State::Open(session) => session.peer_certificate(),
            State::Begin(_) | State::Shaking(_) | State::Away | State::Over => None,
        }
    }
}
