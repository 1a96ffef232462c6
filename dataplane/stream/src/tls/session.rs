//! A rustls session, whichever side, driven over buffers of ours.

use super::{Start, TlsFault};
use crate::limits::{RECORD_LEN_MAX, RECORDS_MAX};
use rustls::client::{ClientConnectionData, UnbufferedClientConnection};
use rustls::server::{ServerConnectionData, UnbufferedServerConnection};
use rustls::unbuffered::{
    ConnectionState, EncodeError, EncryptError, UnbufferedConnectionCommon, UnbufferedStatus,
};
use rustls::{CommonState, Error, HandshakeKind};

/// How far a session is.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Progress {
    /// More must come before messages go.
    Shaking,
    /// Messages go.
    Open,
    /// The peer has said that it sends no more.
    Ended,
}

/// Who is at our end.
pub(crate) enum Session {
    Server(UnbufferedServerConnection),
    Client(UnbufferedClientConnection),
}

impl std::fmt::Debug for Session {
    /// Keys are not shown.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Session::Server(_) => "Server(..)",
            Session::Client(_) => "Client(..)",
        })
    }
}

/// What rustls offers on either side, by one name.
trait Records {
    type Data;
    /// `records` begins with what no step before has taken: the session knows places in it.
    fn step<'c, 'i>(&'c mut self, records: &'i mut [u8]) -> UnbufferedStatus<'c, 'i, Self::Data>;
    /// Whether records of ours wait to be written.
    fn has_records(&self) -> bool;
}

impl Records for UnbufferedConnectionCommon<ServerConnectionData> {
    type Data = ServerConnectionData;
    fn step<'c, 'i>(&'c mut self, records: &'i mut [u8]) -> UnbufferedStatus<'c, 'i, Self::Data> {
        self.process_tls_records(records)
    }
    fn has_records(&self) -> bool {
        self.wants_write()
    }
}

impl Records for UnbufferedConnectionCommon<ClientConnectionData> {
    type Data = ClientConnectionData;
    fn step<'c, 'i>(&'c mut self, records: &'i mut [u8]) -> UnbufferedStatus<'c, 'i, Self::Data> {
        self.process_tls_records(records)
    }
    fn has_records(&self) -> bool {
        self.wants_write()
    }
}

impl Session {
    pub(super) fn new(start: Start) -> Result<Session, TlsFault> {
        let made = match start {
            Start::Server(config) => UnbufferedServerConnection::new(config).map(Session::Server),
            Start::Client(config, name) => {
                UnbufferedClientConnection::new(config, name).map(Session::Client)
            }
        };
        made.map_err(|error| fault(&error))
    }

    /// Takes records from the front of `cipher`; what must be sent is appended to `out`, an alert
    /// of a failure as well, and what came in clear to `plain`.
    pub(super) fn drive(
        &mut self,
        cipher: &mut Vec<u8>,
        out: &mut Vec<u8>,
        plain: &mut Vec<u8>,
    ) -> Result<Progress, TlsFault> {
        let mut taken = 0;
        let result = match self {
            Session::Server(session) => drive(&mut **session, cipher, &mut taken, out, plain),
            Session::Client(session) => drive(&mut **session, cipher, &mut taken, out, plain),
        };
        cipher.drain(..taken.min(cipher.len()));
        if cipher.is_empty() {
            *cipher = Vec::new();
        }
        result
    }

    /// Seals `bytes`; `cipher` is what [`Session::drive`] left.
    pub(super) fn seal(
        &mut self,
        bytes: &[u8],
        cipher: &mut [u8],
        out: &mut Vec<u8>,
    ) -> Result<(), TlsFault> {
        match self {
            Session::Server(session) => seal(&mut **session, Seal::Data(bytes), cipher, out),
            Session::Client(session) => seal(&mut **session, Seal::Data(bytes), cipher, out),
        }
    }

    /// RFC 8446 6.1. A session that cannot say it any more does not.
    pub(super) fn say_close(&mut self, cipher: &mut [u8], out: &mut Vec<u8>) {
        let _ = match self {
            Session::Server(session) => seal(&mut **session, Seal::Close, cipher, out),
            Session::Client(session) => seal(&mut **session, Seal::Close, cipher, out),
        };
    }

    pub(super) fn peer_certificate(&self) -> Option<&[u8]> {
        self.common().peer_certificates()?.first().map(AsRef::as_ref)
    }

    /// Whether a ticket took up an earlier session.
    pub(super) fn is_resumed(&self) -> bool {
        self.common().handshake_kind() == Some(HandshakeKind::Resumed)
    }

    fn common(&self) -> &CommonState {
        match self {
            Session::Server(session) => session,
            Session::Client(session) => session,
        }
    }
}

/// What a session wants next.
enum Next {
    Again,
    Stop(Progress),
    Fail(TlsFault),
}

fn drive<R: Records + ?Sized>(
    session: &mut R,
    cipher: &mut [u8],
    taken: &mut usize,
    out: &mut Vec<u8>,
    plain: &mut Vec<u8>,
) -> Result<Progress, TlsFault> {
    for _ in 0..RECORDS_MAX {
        let rest = cipher.get_mut(*taken..).unwrap_or_default();
        let UnbufferedStatus { discard, state } = session.step(rest);
        let next = match state {
            Ok(state) => one(state, out, plain),
            Err(error) => Next::Fail(fault(&error)),
        };
        *taken += discard;
        match next {
            Next::Again => {}
            Next::Stop(progress) => return Ok(progress),
            Next::Fail(fault) => {
                let rest = cipher.get_mut(*taken..).unwrap_or_default();
                say_alert(session, rest, out);
                return Err(fault);
            }
        }
    }
    Err(TlsFault::Misbehaved)
}

/// A session that has failed is driven no more but for what it says last, its alert.
fn say_alert<R: Records + ?Sized>(session: &mut R, cipher: &mut [u8], out: &mut Vec<u8>) {
    for _ in 0..RECORDS_MAX {
        if !session.has_records() {
            return;
        }
        let UnbufferedStatus { state, .. } = session.step(cipher);
        let Ok(state) = state else { return };
        match one(state, out, &mut Vec::new()) {
            Next::Again => {}
            Next::Stop(_) | Next::Fail(_) => return,
        }
    }
}

fn one<Data>(state: ConnectionState<'_, '_, Data>, out: &mut Vec<u8>, plain: &mut Vec<u8>) -> Next {
    match state {
        ConnectionState::ReadTraffic(mut traffic) => {
            while let Some(record) = traffic.next_record() {
                match record {
                    Ok(record) => plain.extend_from_slice(record.payload),
                    Err(error) => return Next::Fail(fault(&error)),
                }
            }
            Next::Again
        }
        ConnectionState::EncodeTlsData(mut data) => {
            let size = |error| match error {
                EncodeError::InsufficientSize(size) => Some(size.required_size),
                EncodeError::AlreadyEncoded => None,
            };
            match append(out, 0, |room| data.encode(room).map_err(size)) {
                Ok(()) => Next::Again,
                Err(fault) => Next::Fail(fault),
            }
        }
        ConnectionState::TransmitTlsData(data) => {
            data.done();
            Next::Again
        }
        ConnectionState::BlockedHandshake => Next::Stop(Progress::Shaking),
        ConnectionState::WriteTraffic(_) => Next::Stop(Progress::Open),
        ConnectionState::PeerClosed | ConnectionState::Closed => Next::Stop(Progress::Ended),
        // Early data is switched off: it can be replayed (RFC 8446 8).
        ConnectionState::ReadEarlyData(_) => Next::Fail(TlsFault::Misbehaved),
        _ => Next::Fail(TlsFault::Ours),
    }
}

enum Seal<'a> {
    Data(&'a [u8]),
    Close,
}

fn seal<R: Records + ?Sized>(
    session: &mut R,
    what: Seal<'_>,
    cipher: &mut [u8],
    out: &mut Vec<u8>,
) -> Result<(), TlsFault> {
    for _ in 0..RECORDS_MAX {
        // Nothing whole is left in it, so nothing is taken.
        let UnbufferedStatus { state, .. } = session.step(cipher);
        let state = state.map_err(|error| fault(&error))?;
        let ConnectionState::WriteTraffic(mut traffic) = state else {
            // The peer may have said that it sends no more; then nobody reads this either.
            match one(state, out, &mut Vec::new()) {
                Next::Again => continue,
                Next::Stop(_) => return Err(TlsFault::Misbehaved),
                Next::Fail(fault) => return Err(fault),
            }
        };
        let size = |error| match error {
            EncryptError::InsufficientSize(size) => Some(size.required_size),
            EncryptError::EncryptExhausted => None,
        };
        return match what {
            Seal::Data(bytes) => append(out, bytes.len() + SEAL_LEN, |room| {
                traffic.encrypt(bytes, room).map_err(size)
            }),
            Seal::Close => {
                append(out, SEAL_LEN, |room| traffic.queue_close_notify(room).map_err(size))
            }
        };
    }
    Err(TlsFault::Ours)
}

/// What a short record takes beyond its content: head, nonce or type, tag.
const SEAL_LEN: usize = 32;

/// Lets `write` append to `out`: it tries with `guess` bytes, and once more with what it asks for.
fn append(
    out: &mut Vec<u8>,
    guess: usize,
    mut write: impl FnMut(&mut [u8]) -> Result<usize, Option<usize>>,
) -> Result<(), TlsFault> {
    let at = out.len();
    let mut room = guess;
    for _ in 0..2 {
        out.resize(at + room, 0);
        match write(out.get_mut(at..).unwrap_or_default()) {
            Ok(n) => {
                out.truncate(at + n);
                return Ok(());
            }
            Err(Some(required)) => room = required.min(8 * RECORD_LEN_MAX),
            Err(None) => break,
        }
    }
    out.truncate(at);
    Err(TlsFault::Ours)
}

/// Rustls' errors hold text and lists; the kinds are enough to count and to tell.
fn fault(error: &Error) -> TlsFault {
    match error {
        Error::InvalidMessage(_)
        | Error::PeerSentOversizedRecord
        | Error::InappropriateMessage { .. }
        | Error::InappropriateHandshakeMessage { .. } => TlsFault::Garbage,
        Error::AlertReceived(_) => TlsFault::Alert,
        Error::NoCertificatesPresented => TlsFault::CertificateMissing,
        Error::InvalidCertificate(_)
        | Error::InvalidCertRevocationList(_)
        | Error::UnsupportedNameType => TlsFault::Certificate,
        Error::PeerIncompatible(_) | Error::NoApplicationProtocol => TlsFault::Incompatible,
        Error::PeerMisbehaved(_)
        | Error::DecryptError
        | Error::InvalidEncryptedClientHello(_)
        | Error::HandshakeNotComplete => TlsFault::Misbehaved,
        // No certificate for that name, among others.
        Error::General(_) => TlsFault::Incompatible,
        Error::EncryptError
        | Error::FailedToGetCurrentTime
        | Error::FailedToGetRandomBytes
        | Error::BadMaxFragmentSize
        | Error::InconsistentKeys(_)
        | Error::Other(_) => TlsFault::Ours,
        _ => TlsFault::Ours,
    }
}
