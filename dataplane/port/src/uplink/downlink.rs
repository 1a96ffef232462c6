//! controld's side: connects, holds the other ends of the rings.

use std::fmt;
use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::Path;
use std::sync::Arc;

use strowger_link::ring::{Consumer, Corrupt, Producer, PushError, Wake};

use super::SHARDS_MAX;
use super::message::{LINK_VERSION, Message, Refusal, TABLES_MAX};
use super::server::{HANDSHAKE_MS_MAX, windows, words_of};
use crate::eventfd::EventFd;
use crate::net::LinkError;
use crate::seqpacket::SeqPacket;
use crate::shm::{Mapping, Window, map_file, map_memfd};

/// controld's side of one session. It lives as long as this value; [`Downlink::has_ended`] tells
/// when switchd has died.
pub struct Downlink {
    socket: SeqPacket,
    epoch: u32,
    node: u32,
    /// One per shard, by number; to be moved to the threads that serve them.
    pub shards: Vec<ShardEnd>,
    /// The call tables: segment number and memory, for `strowger_link::table::Reader`.
    pub tables: Vec<(u8, Mapping)>,
}

/// The other ends of one shard's rings.
pub struct ShardEnd {
    /// The shard's number.
    pub shard: u8,
    /// Answers and verbs.
    pub down: DownEnd,
    /// Asks and facts of calls.
    pub calls: LaneEnd,
    /// Asks and facts of registrations.
    pub registrations: LaneEnd,
    /// Trace, statistics, logs.
    pub bulk: LaneEnd,
}

/// The writing end towards a shard. One thread.
pub struct DownEnd {
    producer: Producer<Window>,
    waker: EventFd,
    /// Something was sent since the shard was looked at last.
    is_pending: bool,
}

/// The reading end of one lane. One thread.
pub struct LaneEnd {
    consumer: Consumer<Window>,
    bell: EventFd,
}

/// Why no session came about.
#[derive(Debug)]
pub enum ConnectError {
    /// The system's error: nobody listens, the peer closed, it did not answer in time.
    Io(io::Error),
    /// The peer does not keep to the handshake.
    Protocol,
    /// The peer refused.
    Refused {
        /// Why.
        why: Refusal,
        /// The peer's version of the handshake.
        version: u32,
        /// The peer's version of the frames.
        contract: u32,
    },
}

impl fmt::Display for ConnectError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            ConnectError::Io(_) => write!(f, "no connection to the dataplane"),
            ConnectError::Protocol => write!(f, "the dataplane broke the handshake"),
            ConnectError::Refused { why: Refusal::Busy, .. } => {
                write!(f, "another control plane is connected to the dataplane")
            }
            ConnectError::Refused { why: Refusal::Version, version, contract } => write!(
                f,
                "the dataplane speaks link version {version} with frames of version {contract}"
            ),
        }
    }
}

impl std::error::Error for ConnectError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            ConnectError::Io(error) => Some(error),
            ConnectError::Protocol | ConnectError::Refused { .. } => None,
        }
    }
}

impl From<io::Error> for ConnectError {
    fn from(error: io::Error) -> ConnectError {
        if error.kind() == io::ErrorKind::InvalidData {
            ConnectError::Protocol
        } else {
            ConnectError::Io(error)
        }
    }
}

impl Downlink {
    /// Connects to the switchd that listens at `path`, once.
    ///
    /// # Errors
    /// [`ConnectError`]; try again later, unless it is a version.
    pub fn connect(path: &Path, contract: u32) -> Result<Downlink, ConnectError> {
        let socket = SeqPacket::connect(path)?;
        socket.set_timeout(HANDSHAKE_MS_MAX)?;
        Message::Hello { version: LINK_VERSION, contract }.send(&socket, &[])?;
        let (welcome, _) = Message::receive(&socket)?;
        let (epoch, node, shards, tables) = match welcome {
            Message::Welcome { version, contract: theirs, epoch, node, shards, tables } => {
                if version != LINK_VERSION || theirs != contract {
                    return Err(ConnectError::Protocol);
                }
                (epoch, node, shards, tables)
            }
            Message::Refused { why, version, contract } => {
                return Err(ConnectError::Refused { why, version, contract });
            }
            Message::Hello { .. }
            | Message::Shard { .. }
            | Message::Table { .. }
            | Message::Ready => return Err(ConnectError::Protocol),
        };
        let (shards, tables) = (shards as usize, tables as usize);
        if !(1..=SHARDS_MAX).contains(&shards) || tables > TABLES_MAX {
            return Err(ConnectError::Protocol);
        }
        let shards = (0..shards).map(|_| receive_shard(&socket)).collect::<Result<_, _>>()?;
        let tables = (0..tables).map(|_| receive_table(&socket)).collect::<Result<_, _>>()?;
        Message::Ready.send(&socket, &[])?;
        Ok(Downlink { socket, epoch, node, shards, tables })
    }

    /// The session's epoch.
    #[must_use]
    pub fn epoch(&self) -> u32 {
        self.epoch
    }

    /// switchd's node number.
    #[must_use]
    pub fn node(&self) -> u32 {
        self.node
    }

    /// Whether switchd has ended the session, or died. Frames it had published can still be read
    /// from the rings.
    #[must_use]
    pub fn has_ended(&self) -> bool {
        self.socket.has_ended()
    }
}

impl AsFd for Downlink {
    /// Readable once the session has ended.
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.socket.as_fd()
    }
}

impl DownEnd {
    /// Sends one frame. A shard that sleeps is rung by the next [`DownEnd::ring`].
    ///
    /// # Errors
    /// [`LinkError`]; nothing was sent. `Down`: the ring is broken, end the session.
    pub fn send(&mut self, frame: &[u8]) -> Result<(), LinkError> {
        match self.producer.leave(frame) {
            Ok(()) => self.is_pending = true,
            Err(PushError::Full) => return Err(LinkError::Full),
            Err(PushError::TooLong) => return Err(LinkError::TooLong),
            Err(PushError::Corrupt) => return Err(LinkError::Down),
        }
        Ok(())
    }

    /// Rings the shard, if it sleeps over a frame that was sent: once for all of them.
    pub fn ring(&mut self) {
        if std::mem::take(&mut self.is_pending) && self.producer.wake() == Wake::Needed {
            self.waker.ring();
        }
    }
}

impl LaneEnd {
    /// Takes the next frame into `frame` (cleared first); `false` = none waits.
    ///
    /// # Errors
    /// [`LinkError::Down`]: the ring is broken, end the session.
    pub fn recv(&mut self, frame: &mut Vec<u8>) -> Result<bool, LinkError> {
        match self.consumer.pop(frame) {
            Ok(popped) => Ok(popped.is_some()),
            Err(Corrupt) => Err(LinkError::Down),
        }
    }

    /// Sleeps until a frame waits, at most `timeout_ms`.
    ///
    /// # Errors
    /// The system's, of poll.
    pub fn wait(&mut self, timeout_ms: u32) -> io::Result<()> {
        if self.prepare_sleep() {
            self.bell.wait(Some(timeout_ms))?;
        }
        self.finish_sleep();
        Ok(())
    }

    /// For a thread that waits for several lanes: `true` = empty, the bell will ring.
    pub fn prepare_sleep(&mut self) -> bool {
        self.consumer.prepare_sleep()
    }

    /// The thread is awake: the shard need not ring.
    pub fn finish_sleep(&mut self) {
        self.consumer.finish_sleep();
    }

    /// The bell, to be waited for and drained.
    #[must_use]
    pub fn bell(&self) -> &EventFd {
        &self.bell
    }
}

fn receive_shard(socket: &SeqPacket) -> Result<ShardEnd, ConnectError> {
    let (message, fds) = Message::receive(socket)?;
    let Message::Shard { number, capacities } = message else {
        return Err(ConnectError::Protocol);
    };
    let [memfd, waker, calls, registrations, bulk] =
        <[OwnedFd; 5]>::try_from(fds).map_err(|_| ConnectError::Protocol)?;
    let mapping = map_memfd(memfd.as_fd(), words_of(capacities)?)?;
    let [down, calls_ring, registrations_ring, bulk_ring] =
        windows(&Arc::new(mapping), capacities)?;
    let lane = |window, bell| {
        let consumer = Consumer::attach(window).map_err(|_| ConnectError::Protocol)?;
        Ok::<_, ConnectError>(LaneEnd { consumer, bell: EventFd::from_fd(bell) })
    };
    Ok(ShardEnd {
        shard: u8::try_from(number).map_err(|_| ConnectError::Protocol)?,
        down: DownEnd {
            producer: Producer::attach(down).map_err(|_| ConnectError::Protocol)?,
            waker: EventFd::from_fd(waker),
            is_pending: false,
        },
        calls: lane(calls_ring, calls)?,
        registrations: lane(registrations_ring, registrations)?,
        bulk: lane(bulk_ring, bulk)?,
    })
}

fn receive_table(socket: &SeqPacket) -> Result<(u8, Mapping), ConnectError> {
    let (message, fds) = Message::receive(socket)?;
    let Message::Table { segment } = message else { return Err(ConnectError::Protocol) };
    let [file] = <[OwnedFd; 1]>::try_from(fds).map_err(|_| ConnectError::Protocol)?;
    let segment = u8::try_from(segment).map_err(|_| ConnectError::Protocol)?;
    Ok((segment, map_file(file.as_fd())?))
}

#[cfg(test)]
impl DownEnd {
    /// The ring's words, for a test that breaks them.
    pub(super) fn words(&self) -> &[std::sync::atomic::AtomicU64] {
        self.producer.words()
    }
}
