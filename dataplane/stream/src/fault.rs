//! Why a stream is of no more use, and why a message was not taken.

use crate::tls::TlsFault;
use crate::websocket::frame::Code;

/// Why a pipe is over. Whatever it was, the owner does the same: it sends what
/// [`crate::Pipe::poll_transmit`] still gives, and closes the socket.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Fault {
    /// What came is no SIP: a message cannot begin with this byte.
    Garbage,
    /// More came than was taken: the owner did not drain [`crate::Pipe::poll_message`], or gave
    /// more than `RECEIVED_LEN_MAX` bytes at once.
    Overrun,
    /// The connection did not get ready in time: TLS handshake, upgrade to WebSocket.
    OpeningLate,
    /// Nothing whole came of a peer that connected to us.
    FirstLate,
    /// A message began and did not end in time.
    MessageLate,
    /// The peer does not read what we send.
    Stalled,
    /// Our ping was not answered (RFC 5626 4.4.1).
    PongMissing,
    /// Nothing went either way for so long that the connection is given up.
    Idle,
    /// The peer ended the stream, in order or not.
    Ended,
    /// We closed.
    Closed,
    /// An upgrade to WebSocket was wrong or not allowed, whoever asked for it.
    UpgradeRefused,
    /// The peer breaks the WebSocket protocol.
    Protocol,
    /// A WebSocket message of text is no UTF-8.
    BadText,
    /// A WebSocket message is longer than `MESSAGE_LEN_MAX`.
    TooLong,
    /// TLS ended it.
    Tls(TlsFault),
}

impl Fault {
    /// What a WebSocket's peer is told; None = nothing, it knows or does not hear.
    pub(crate) const fn close_code(self) -> Option<Code> {
        match self {
            Fault::Ended | Fault::Stalled | Fault::UpgradeRefused | Fault::Tls(_) => None,
            Fault::Garbage | Fault::Overrun | Fault::Protocol => Some(Code::Protocol),
            Fault::OpeningLate
            | Fault::FirstLate
            | Fault::MessageLate
            | Fault::PongMissing
            | Fault::Idle => Some(Code::GoingAway),
            Fault::Closed => Some(Code::Normal),
            Fault::BadText => Some(Code::BadText),
            Fault::TooLong => Some(Code::TooLong),
        }
    }
}

/// Why a message was not taken by [`crate::Pipe::send`].
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Unsent {
    /// `OUTBOX_LEN_MAX` bytes wait already.
    Full,
    /// The pipe is closing or over, or a server's that nobody has asked for a WebSocket yet.
    Over,
    /// The message is longer than `MESSAGE_LEN_MAX`, or host and path than `AUTHORITY_LEN_MAX`.
    TooLong,
    /// What should be the name of a server, or a path, is none.
    Name,
}

/// Why the end of a message cannot be known, or is too far away.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Refusal {
    /// No Content-Length: 400 (RFC 3261 18.3).
    LengthMissing,
    /// A Content-Length that is no number, or two that differ: 400.
    LengthBad,
    /// The header fields pass `HEAD_LEN_MAX`: 400; only their begin is at hand.
    HeadTooLong,
    /// Header fields and body pass `MESSAGE_LEN_MAX`: 513.
    TooLong,
}
