//! HOT PATH
//!
//! Media sockets: one per port, found by a table, never by a hash.
//!
//! A port that is closed keeps its socket for the next call that gets it: making one costs eight
//! calls of the system. Meanwhile what comes to it is thrown away, so that no call hears another's
//! late packets; a socket to which strangers keep sending is closed for good.

mod ringed;
mod setup;

use std::collections::VecDeque;
use std::io;
use std::net::{IpAddr, SocketAddr, UdpSocket};
use std::os::fd::{AsFd, BorrowedFd};

use super::batch::Batch;
use super::option::bind_media;
use super::poll::{Poller, Ready};
use super::ring::Sender;
use crate::burst::{BURST_MAX, MediaBurst, MediaPacket};
use crate::clock;
use crate::net::{MediaCounters, MediaPort, OpenError};
use ringed::Ringed;

pub(super) use ringed::MEDIA_RING;

/// Receive buffer of a media socket in bytes; the kernel doubles it. About 150 packets: 3 s of one
/// stream of 50 a second.
pub const MEDIA_RCVBUF_BYTES: usize = 64 * 1024;
/// Most packets taken from one socket before the next one's turn: one flooded port must not starve
/// the others.
pub const MEDIA_PER_SOCKET_MAX: usize = 8;

/// A socket at rest to which so many packets came is closed.
const STRAYS_MAX: usize = 64;
/// Descriptors that are left to everything that is not media.
const DESCRIPTORS_SPARE: usize = 1_000;

const PORTS: usize = 1 << 16;
/// No socket; sockets are numbered from 1 in the port table.
const CLOSED: u32 = 0;

struct MediaSocket {
    socket: UdpSocket,
    port: MediaPort,
    /// Its number stands in `ready`.
    is_ready: bool,
    use_: Use,
    /// Tells its requests from those of a time before, and of other sockets in its place.
    life: u32,
    /// How many packets the ring brought of it.
    came: u32,
}

/// Whether somebody has the port.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Use {
    Open,
    /// Kept; so many packets came meanwhile.
    Rests {
        strays: usize,
    },
}

pub(super) struct MediaSockets {
    addresses: Vec<Address>,
    sockets: Vec<Option<MediaSocket>>,
    slots_free: Vec<u32>,
    /// Sockets at rest.
    resting: usize,
    /// Where to look next for one at rest.
    hand: usize,
    /// Most sockets, those at rest among them.
    sockets_max: usize,
    /// Sockets that may have packets, in turn.
    ready: VecDeque<u32>,
    /// Packets to send: socket, place in the burst.
    order: Vec<(u32, u16)>,
    batch: Batch,
    rcvbuf: usize,
    /// `None` = sockets are read one by one.
    ring: Option<Ringed>,
    /// Lives that began.
    lives: u32,
}

/// A local media address and its ports' sockets, plus one.
struct Address {
    ip: IpAddr,
    dscp: u8,
    sockets: Box<[u32]>,
}

impl MediaSockets {
    pub(super) fn set_rcvbuf(&mut self, bytes: usize) {
        self.rcvbuf = bytes;
    }

    #[cfg(test)]
    pub(super) fn rcvbuf(&self, port: MediaPort) -> Option<usize> {
        let slot = usize::try_from(self.slot_of(port)?).ok()?;
        let socket = &self.sockets.get(slot)?.as_ref()?.socket;
        socket2::SockRef::from(socket).recv_buffer_size().ok()
    }

    pub(super) fn open_count(&self) -> usize {
        self.held() - self.resting
    }

    /// Sockets, those at rest among them.
    fn held(&self) -> usize {
        self.sockets.len() - self.slots_free.len()
    }

    pub(super) fn open(&mut self, port: MediaPort, poller: &Poller) -> Result<(), OpenError> {
        let address = self.addresses.get(usize::from(port.address)).ok_or(OpenError::NoAddress)?;
        let entry = address.sockets.get(usize::from(port.port)).ok_or(OpenError::NoAddress)?;
        if let Some(slot) = entry.checked_sub(1) {
            return self.wake(slot);
        }
        let (local, dscp) = (SocketAddr::new(address.ip, port.port), address.dscp);
        if self.held() >= self.sockets_max {
            self.make_room();
        }
        let socket = bind_media(local, dscp, self.rcvbuf).map_err(open_error)?;
        let slot = match self.slots_free.last() {
            Some(slot) => *slot,
            None => u32::try_from(self.sockets.len()).map_err(|_| OpenError::NoDescriptors)?,
        };
        self.lives = self.lives.wrapping_add(1);
        let life = self.lives;
        let opened = MediaSocket { socket, port, is_ready: false, use_: Use::Open, life, came: 0 };
        match &mut self.ring {
            Some(ring) => ring.begin(slot, &opened),
            None => {
                poller.add(opened.socket.as_fd(), Ready::Media(slot)).map_err(open_error)?;
            }
        }
        self.insert(slot, opened);
        self.set_entry(port, slot + 1);
        Ok(())
    }

    fn insert(&mut self, slot: u32, opened: MediaSocket) {
        match usize::try_from(slot).ok().and_then(|slot| self.sockets.get_mut(slot)) {
            Some(place) => {
                *place = Some(opened);
                self.slots_free.pop();
            }
            None => {
                self.sockets.push(Some(opened));
                // Closing and marking ready must not allocate.
                let count = self.sockets.len();
                self.slots_free.reserve(count.saturating_sub(self.slots_free.len()));
                self.ready.reserve(count.saturating_sub(self.ready.len()));
                self.ring.iter_mut().for_each(|ring| ring.reserve(count));
            }
        }
    }

    /// A socket at rest is in use again; what came before is gone.
    fn wake(&mut self, slot: u32) -> Result<(), OpenError> {
        let place = usize::try_from(slot).ok().and_then(|slot| self.sockets.get_mut(slot));
        let socket = place.and_then(Option::as_mut).filter(|socket| socket.use_ != Use::Open);
        let socket = socket.ok_or(OpenError::InUse)?;
        self.ring.iter_mut().for_each(|ring| ring.end(slot, socket));
        // Of a flood that does not end, the latch of the flow makes strangers.
        let _all = (0..STRAYS_MAX).any(|_| throw_away(&socket.socket) < MEDIA_PER_SOCKET_MAX);
        socket.use_ = Use::Open;
        self.resting -= 1;
        self.lives = self.lives.wrapping_add(1);
        socket.life = self.lives;
        self.ring.iter_mut().for_each(|ring| ring.begin(slot, socket));
        Ok(())
    }

    pub(super) fn close(&mut self, port: MediaPort) {
        let Some(slot) = self.slot_of(port) else { return };
        let Some(socket) = self.socket_mut(slot).filter(|socket| socket.use_ == Use::Open) else {
            return;
        };
        socket.use_ = Use::Rests { strays: 0 };
        let was_ready = core::mem::take(&mut socket.is_ready);
        self.resting += 1;
        if was_ready {
            self.ready.retain(|ready| *ready != slot);
        }
    }

    /// Closes the next socket that rests, if one does.
    fn make_room(&mut self) {
        for _ in 0..self.sockets.len() {
            self.hand = if self.hand + 1 < self.sockets.len() { self.hand + 1 } else { 0 };
            let socket = self.sockets.get(self.hand).and_then(Option::as_ref);
            if socket.is_some_and(|socket| socket.use_ != Use::Open) {
                return self.drop_at(self.hand as u32);
            }
        }
    }

    /// Closes a socket at rest; its end takes it out of the poller, and its request before it.
    fn drop_at(&mut self, slot: u32) {
        let place = usize::try_from(slot).ok().and_then(|slot| self.sockets.get_mut(slot));
        if let Some(gone) = place.and_then(Option::take) {
            self.ring.iter_mut().for_each(|ring| ring.end(slot, &gone));
            self.set_entry(gone.port, CLOSED);
            self.slots_free.push(slot);
            self.resting -= 1;
        }
    }

    fn set_entry(&mut self, port: MediaPort, value: u32) {
        let address = self.addresses.get_mut(usize::from(port.address));
        let entry = address.and_then(|address| address.sockets.get_mut(usize::from(port.port)));
        entry.into_iter().for_each(|entry| *entry = value);
    }

    fn socket_mut(&mut self, slot: u32) -> Option<&mut MediaSocket> {
        self.sockets.get_mut(usize::try_from(slot).ok()?)?.as_mut()
    }

    pub(super) fn is_ready(&mut self) -> bool {
        !self.ready.is_empty() || self.is_ring_ready()
    }

    pub(super) fn has_left(&mut self) -> bool {
        !self.ready.is_empty() || self.ring_has_left()
    }

    pub(super) fn mark_ready(&mut self, slot: u32) {
        let Some(socket) = self.socket_mut(slot) else { return };
        match &mut socket.use_ {
            Use::Rests { strays } => {
                // To the end: what stays is not told again.
                while *strays < STRAYS_MAX {
                    let came = throw_away(&socket.socket);
                    *strays += came;
                    if came < MEDIA_PER_SOCKET_MAX {
                        return;
                    }
                }
                self.drop_at(slot);
            }
            Use::Open if socket.is_ready => {}
            Use::Open => {
                socket.is_ready = true;
                self.ready.push_back(slot);
            }
        }
    }

    pub(super) fn receive(
        &mut self,
        poller: &Poller,
        burst: &mut MediaBurst,
        counters: &mut MediaCounters,
    ) -> usize {
        if self.has_ring() && self.receive_by_ring(burst, counters).is_err() {
            self.leave_ring(poller);
        }
        let wall_ns = if self.ready.is_empty() { 0 } else { clock::wall_ns() };
        while !burst.is_full()
            && let Some(slot) = self.ready.pop_front()
        {
            let place = usize::try_from(slot).ok().and_then(|slot| self.sockets.get_mut(slot));
            let Some(socket) = place.and_then(Option::as_mut) else { continue };
            let free = burst.free_mut();
            let wanted = free.len().min(MEDIA_PER_SOCKET_MAX);
            let buffers = free.iter_mut().take(wanted).map(MediaPacket::room_mut);
            let got = self.batch.receive(socket.socket.as_fd(), buffers).unwrap_or(0);
            let kept = fill(free, got, &self.batch, socket.port, wall_ns);
            counters.malformed += (got - kept) as u64;
            burst.advance(kept);
            socket.is_ready = got == wanted;
            if socket.is_ready {
                self.ready.push_back(slot);
            }
        }
        counters.received += burst.len() as u64;
        burst.len()
    }

    pub(super) fn send(
        &mut self,
        sender: &mut Option<Sender>,
        burst: &MediaBurst,
        counters: &mut MediaCounters,
    ) {
        if let Some(ring) = sender {
            if !self.send_by_ring(ring, burst, counters) {
                *sender = None;
            }
            return;
        }
        self.order.clear();
        for (place, packet) in burst.packets().iter().enumerate() {
            let Some(target) = packet.target() else { continue };
            match self.slot_of(target.from) {
                Some(slot) => self.order.push((slot, place as u16)),
                None => counters.failed += 1,
            }
        }
        // By socket, and in the burst's order inside: places differ, so unstable is stable here.
        self.order.sort_unstable();
        for (at, (_, place)) in self.order.iter().enumerate() {
            let packet = burst.packets().get(usize::from(*place));
            if let Some((packet, target)) =
                packet.and_then(|packet| Some((packet, packet.target()?)))
            {
                self.batch.prepare(at, target.to, None, packet.data());
            }
        }
        let mut from = 0;
        while let Some((slot, _)) = self.order.get(from).copied() {
            let run = self.order.iter().skip(from).take_while(|(other, _)| *other == slot).count();
            let place = usize::try_from(slot).ok().and_then(|slot| self.sockets.get(slot));
            if let Some(socket) = place.and_then(Option::as_ref) {
                let fd = socket.socket.as_fd();
                // The kernel cuts what is too long by itself.
                send_run(&mut self.batch, fd, (from, from + run), counters, |_| false);
            }
            from += run;
        }
    }

    fn slot_of(&self, port: MediaPort) -> Option<u32> {
        let address = self.addresses.get(usize::from(port.address))?;
        address.sockets.get(usize::from(port.port))?.checked_sub(1)
    }
}

/// Tells the first `got` packets what came into them; returns how many are whole. Those come first,
/// in order.
fn fill(
    packets: &mut [MediaPacket],
    got: usize,
    batch: &Batch,
    port: MediaPort,
    wall_ns: i64,
) -> usize {
    let mut kept = 0;
    for at in 0..got {
        let Some(received) = batch.received(at) else { continue };
        let (Some(source), false) = (received.source, received.truncated) else { continue };
        let queued_ns = received.told.received_ns.map_or(0, |ns| wall_ns.saturating_sub(ns));
        let queued_ns = u32::try_from(queued_ns.max(0)).unwrap_or(u32::MAX);
        if let Some(packet) = packets.get_mut(at) {
            packet.arrived(port, source, received.len, queued_ns);
        }
        if kept != at {
            packets.swap(kept, at);
        }
        kept += 1;
    }
    kept
}

/// Sends prepared messages `from..to` by one socket. `too_long` is asked to send one in another way
/// that is longer than the device takes, and says whether it did.
pub(super) fn send_run(
    batch: &mut Batch,
    socket: BorrowedFd<'_>,
    (from, to): (usize, usize),
    counters: &mut MediaCounters,
    mut too_long: impl FnMut(usize) -> bool,
) {
    let mut at = from;
    while at < to {
        // SAFETY: our callers prepared all messages from packets of the burst they still borrow.
        // JUSTIFICATION: see `Batch::send`.
        match unsafe { batch.send(socket, at, to) } {
            Ok(sent) => {
                counters.sent += sent as u64;
                at += sent.max(1);
            }
            Err(error) if is_full(&error) => {
                counters.full += (to - at) as u64;
                return;
            }
            Err(error) => {
                let is_sent = error.raw_os_error() == Some(libc::EMSGSIZE) && too_long(at);
                let counter = if is_sent { &mut counters.sent } else { &mut counters.failed };
                *counter += 1;
                at += 1;
            }
        }
    }
}

/// Takes packets off a socket's queue and forgets them, at most [`MEDIA_PER_SOCKET_MAX`]; how many.
fn throw_away(socket: &UdpSocket) -> usize {
    (0..MEDIA_PER_SOCKET_MAX).take_while(|_| socket.recv(&mut [0]).is_ok()).count()
}

/// The socket or the device has no room: everything behind would fail the same way.
pub(super) fn is_full(error: &io::Error) -> bool {
    error.kind() == io::ErrorKind::WouldBlock || error.raw_os_error() == Some(libc::ENOBUFS)
}

#[expect(clippy::needless_pass_by_value, reason = "the shape map_err wants")]
fn open_error(error: io::Error) -> OpenError {
    match error.raw_os_error() {
        Some(libc::EADDRINUSE) => OpenError::InUse,
        Some(libc::EMFILE | libc::ENFILE | libc::ENOMEM | libc::ENOSPC) => OpenError::NoDescriptors,
        Some(number) => OpenError::System(number),
        None => OpenError::System(0),
    }
}
