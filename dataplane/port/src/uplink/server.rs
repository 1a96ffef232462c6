//! switchd's side: listens, makes sessions, notices their end.

use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::mpsc::{SyncSender, sync_channel};

use strowger_link::ring::{self, Consumer, Producer};

use super::lane::{NO_EPOCH, ShardRings, UpEnd, UplinkLane};
use super::message::{LINK_VERSION, Message, Refusal, TABLES_MAX};
use super::{RingSizes, SHARDS_MAX};
use crate::eventfd::EventFd;
use crate::seqpacket::SeqPacket;
use crate::shm::{Mapping, Window, create_memfd};
use crate::sys::{WAIT_ANY_MAX, wait_any_readable};

/// A handshake waits at most this long for each message.
pub const HANDSHAKE_MS_MAX: u32 = 2_000;
/// Most descriptors that [`Uplink::wait_beside`] takes beside its own.
pub const BESIDE_MAX: usize = WAIT_ANY_MAX - 3;
/// Sessions a shard may be behind; a shard that is stuck longer gets no more.
const SESSIONS_WAITING_MAX: usize = 4;

/// What switchd offers.
#[derive(Clone, Debug)]
pub struct UplinkConfig {
    /// Where to listen: `link.sock` in the data directory.
    pub path: PathBuf,
    /// Version of the frames inside the rings; both sides must have the same.
    pub contract: u32,
    /// The node's number, told to controld.
    pub node: u32,
    /// Epoch of the first session, not 0; each further one adds 1. Choose it so that a restarted
    /// switchd does not repeat one.
    pub first_epoch: u32,
    /// Capacities of each shard's rings.
    pub rings: RingSizes,
}

/// What [`Uplink::wait`] saw.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum UplinkEvent {
    /// The time is over, or something beside the link woke it.
    Nothing,
    /// A session began.
    Connected {
        /// Its epoch.
        epoch: u32,
    },
    /// A session ended: the peer died or closed, or a ring was broken.
    Ended {
        /// Its epoch.
        epoch: u32,
        /// A shard found a ring broken.
        corrupt: bool,
    },
    /// Somebody connected and was refused, or broke the handshake.
    Refused,
}

/// switchd's side of the link. Driven by one thread that calls [`Uplink::wait`] in a loop; the
/// shards use their [`UplinkLane`]s.
pub struct Uplink {
    config: UplinkConfig,
    listener: SeqPacket,
    shards: Vec<Seat>,
    tables: Vec<(u8, OwnedFd)>,
    living: Arc<AtomicU32>,
    broken: EventFd,
    session: Option<Session>,
    next_epoch: u32,
}

struct Seat {
    rings: SyncSender<ShardRings>,
    waker: EventFd,
}

struct Session {
    socket: SeqPacket,
    epoch: u32,
}

impl Uplink {
    /// Listens; returns one lane per waker, in order. `tables` are call table files with their
    /// segment numbers, sent with each session.
    ///
    /// # Errors
    /// `AddrInUse`: another switchd listens there. `InvalidInput`: no or too many shards or tables,
    /// or ring capacities that are no powers of two within bounds.
    pub fn bind(
        config: UplinkConfig,
        wakers: Vec<EventFd>,
        tables: Vec<(u8, OwnedFd)>,
    ) -> io::Result<(Uplink, Vec<UplinkLane>)> {
        let counts = (1..=SHARDS_MAX).contains(&wakers.len()) && tables.len() <= TABLES_MAX;
        let capacities = config.rings.to_array().iter().all(|capacity| is_capacity(*capacity));
        if !counts || !capacities || config.first_epoch == NO_EPOCH {
            return Err(io::ErrorKind::InvalidInput.into());
        }
        let listener = SeqPacket::listen(&config.path)?;
        let living = Arc::new(AtomicU32::new(NO_EPOCH));
        let broken = EventFd::new()?;
        let (mut shards, mut lanes) = (Vec::new(), Vec::new());
        for waker in wakers {
            let (rings, arriving) = sync_channel(SESSIONS_WAITING_MAX);
            lanes.push(UplinkLane::new(arriving, Arc::clone(&living), broken.try_clone()?));
            shards.push(Seat { rings, waker });
        }
        let next_epoch = config.first_epoch;
        let session = None;
        let uplink =
            Uplink { config, listener, shards, tables, living, broken, session, next_epoch };
        Ok((uplink, lanes))
    }

    /// The path it listens at.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.config.path
    }

    /// Epoch of the living session.
    #[must_use]
    pub fn session(&self) -> Option<u32> {
        self.session.as_ref().map(|session| session.epoch)
    }

    /// Sleeps until a session begins or ends, at most `timeout_ms`; does what is to be done then.
    ///
    /// # Errors
    /// The system's, of poll or accept; no session is touched by it.
    pub fn wait(&mut self, timeout_ms: u32) -> io::Result<UplinkEvent> {
        self.wait_beside(&[], Some(timeout_ms))
    }

    /// As [`Uplink::wait`], and wakes also when one of `beside` (at most [`BESIDE_MAX`]) can be
    /// read; `None` = no limit of time.
    ///
    /// # Errors
    /// As [`Uplink::wait`].
    pub fn wait_beside(
        &mut self,
        beside: &[BorrowedFd<'_>],
        timeout_ms: Option<u32>,
    ) -> io::Result<UplinkEvent> {
        let session = self.session.as_ref().map(|session| session.socket.as_fd());
        let own = [Some(self.listener.as_fd()), Some(self.broken.as_fd()), session];
        let all = own.into_iter().flatten().chain(beside.iter().copied());
        wait_any_readable(all, timeout_ms)?;
        let corrupt = self.broken.drain();
        // The end of the old session first: a restarted controld connects at once.
        if let Some(session) = &self.session
            && (corrupt || session.socket.has_ended())
        {
            let epoch = session.epoch;
            self.end_session();
            return Ok(UplinkEvent::Ended { epoch, corrupt });
        }
        let Some(socket) = self.listener.accept()? else { return Ok(UplinkEvent::Nothing) };
        match self.begin_session(socket) {
            Ok(epoch) => Ok(UplinkEvent::Connected { epoch }),
            Err(_) => Ok(UplinkEvent::Refused),
        }
    }

    /// Ends the living session, if any: the peer sees an end of file.
    pub fn end_session(&mut self) {
        self.living.store(NO_EPOCH, Ordering::Release);
        self.session = None;
        self.shards.iter().for_each(|seat| seat.waker.ring());
    }

    fn begin_session(&mut self, socket: SeqPacket) -> io::Result<u32> {
        socket.set_timeout(HANDSHAKE_MS_MAX)?;
        if !socket.is_peer_trusted()? {
            return Err(io::ErrorKind::PermissionDenied.into());
        }
        let (version, contract) = (LINK_VERSION, self.config.contract);
        let (hello, _) = Message::receive(&socket)?;
        let refusal = if hello != (Message::Hello { version, contract }) {
            Some(Refusal::Version)
        } else {
            self.session.as_ref().map(|_| Refusal::Busy)
        };
        if let Some(why) = refusal {
            Message::Refused { why, version, contract }.send(&socket, &[])?;
            return Err(io::ErrorKind::InvalidData.into());
        }
        let epoch = self.next_epoch;
        let rings = self.offer(&socket, epoch)?;
        match Message::receive(&socket)? {
            (Message::Ready, _) => {}
            _ => return Err(io::ErrorKind::InvalidData.into()),
        }
        self.next_epoch = epoch.checked_add(1).unwrap_or(1);
        self.living.store(epoch, Ordering::Release);
        self.session = Some(Session { socket, epoch });
        for (seat, rings) in self.shards.iter().zip(rings) {
            // A full queue: the shard has not turned for several sessions. It stays without this
            // one, as it would anyhow.
            let _ = seat.rings.try_send(rings);
            seat.waker.ring();
        }
        Ok(epoch)
    }

    /// Sends the welcome, makes and sends all rings, sends the tables.
    fn offer(&self, socket: &SeqPacket, epoch: u32) -> io::Result<Vec<ShardRings>> {
        let welcome = Message::Welcome {
            version: LINK_VERSION,
            contract: self.config.contract,
            epoch,
            node: self.config.node,
            shards: u32::try_from(self.shards.len()).unwrap_or(0),
            tables: u32::try_from(self.tables.len()).unwrap_or(0),
        };
        welcome.send(socket, &[])?;
        let mut all = Vec::with_capacity(self.shards.len());
        // One bell for all lanes: one thread of the peer's serves them.
        let bell = EventFd::new()?;
        for (number, seat) in (0u32..).zip(&self.shards) {
            let capacities = self.config.rings.to_array();
            let (memfd, rings) = new_rings(epoch, capacities, &bell)?;
            let fds = [
                memfd.as_fd(),
                seat.waker.as_fd(),
                rings.calls.bell.as_fd(),
                rings.registrations.bell.as_fd(),
                rings.bulk.bell.as_fd(),
            ];
            Message::Shard { number, capacities }.send(socket, &fds)?;
            all.push(rings);
        }
        for (segment, file) in &self.tables {
            let segment = u32::from(*segment);
            Message::Table { segment }.send(socket, &[file.as_fd()])?;
        }
        Ok(all)
    }
}

/// Makes one shard's rings for one session.
fn new_rings(
    epoch: u32,
    capacities: [u32; 4],
    bell: &EventFd,
) -> io::Result<(OwnedFd, ShardRings)> {
    let (memfd, mapping) = create_memfd(c"strowger-rings", words_of(capacities)?)?;
    let [down, calls, registrations, bulk] = windows(&Arc::new(mapping), capacities)?;
    for window in [&down, &calls, &registrations, &bulk] {
        ring::format(window.as_ref()).map_err(|_| io::ErrorKind::InvalidInput)?;
    }
    let end = |window| {
        let producer = Producer::attach(window).map_err(|_| io::ErrorKind::InvalidInput)?;
        io::Result::Ok(UpEnd { producer, bell: bell.try_clone()?, is_pending: false })
    };
    let rings = ShardRings {
        epoch,
        down: Consumer::attach(down).map_err(|_| io::ErrorKind::InvalidInput)?,
        calls: end(calls)?,
        registrations: end(registrations)?,
        bulk: end(bulk)?,
    };
    Ok((memfd, rings))
}

fn is_capacity(capacity: u32) -> bool {
    let bounds = ring::CAPACITY_WORDS_MIN..=ring::CAPACITY_WORDS_MAX;
    capacity.is_power_of_two() && usize::try_from(capacity).is_ok_and(|it| bounds.contains(&it))
}

/// Words of all four rings together.
pub(super) fn words_of(capacities: [u32; 4]) -> io::Result<usize> {
    if !capacities.iter().all(|capacity| is_capacity(*capacity)) {
        return Err(io::ErrorKind::InvalidData.into());
    }
    let capacities = capacities.iter().filter_map(|capacity| usize::try_from(*capacity).ok());
    Ok(capacities.map(ring::words_needed).sum())
}

/// The four rings' parts of a mapping, one after another.
pub(super) fn windows(mapping: &Arc<Mapping>, capacities: [u32; 4]) -> io::Result<[Window; 4]> {
    let mut start = 0;
    let mut next = |capacity: u32| {
        let len = ring::words_needed(usize::try_from(capacity).unwrap_or(0));
        let window = Window::new(mapping, start, len).ok_or(io::ErrorKind::InvalidData)?;
        start += len;
        io::Result::Ok(window)
    };
    let [down, calls, registrations, bulk] = capacities;
    Ok([next(down)?, next(calls)?, next(registrations)?, next(bulk)?])
}
