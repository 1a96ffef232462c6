//! HOT PATH
//!
//! Media sockets: one per port, found by a table, never by a hash.

mod setup;

use std::collections::VecDeque;
use std::io;
use std::net::{IpAddr, SocketAddr, UdpSocket};
use std::os::fd::AsFd;

use super::batch::Batch;
use super::option::bind_media;
use super::poll::{Poller, Ready};
use crate::burst::{BURST_MAX, MediaBurst, MediaPacket};
use crate::clock;
use crate::net::{MediaCounters, MediaPort, OpenError};

/// Receive buffer of a media socket in bytes; the kernel doubles it. About 150 packets: 3 s of one
/// stream of 50 a second.
pub const MEDIA_RCVBUF_BYTES: usize = 64 * 1024;
/// Most packets taken from one socket before the next one's turn: one flooded port must not starve
/// the others.
pub const MEDIA_PER_SOCKET_MAX: usize = 8;

const PORTS: usize = 1 << 16;
/// No socket; sockets are numbered from 1 in the port table.
const CLOSED: u32 = 0;

struct MediaSocket {
    socket: UdpSocket,
    port: MediaPort,
    /// Its number stands in `ready`.
    is_ready: bool,
}

pub(super) struct MediaSockets {
    addresses: Vec<Address>,
    sockets: Vec<Option<MediaSocket>>,
    slots_free: Vec<u32>,
    /// Sockets that may have packets, in turn.
    ready: VecDeque<u32>,
    /// Packets to send: socket, place in the burst.
    order: Vec<(u32, u16)>,
    batch: Batch,
    dscp: u8,
    rcvbuf: usize,
}

/// A local media address and its ports' sockets, plus one.
struct Address {
    ip: IpAddr,
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
        self.sockets.len() - self.slots_free.len()
    }

    pub(super) fn open(&mut self, port: MediaPort, poller: &Poller) -> Result<(), OpenError> {
        let address = self.addresses.get_mut(usize::from(port.address));
        let address = address.ok_or(OpenError::NoAddress)?;
        let entry = address.sockets.get_mut(usize::from(port.port)).ok_or(OpenError::NoAddress)?;
        if *entry != CLOSED {
            return Err(OpenError::InUse);
        }
        let local = SocketAddr::new(address.ip, port.port);
        let socket = bind_media(local, self.dscp, self.rcvbuf).map_err(open_error)?;
        let slot = match self.slots_free.last() {
            Some(slot) => *slot,
            None => u32::try_from(self.sockets.len()).map_err(|_| OpenError::NoDescriptors)?,
        };
        poller.add(socket.as_fd(), Ready::Media(slot)).map_err(open_error)?;
        let opened = Some(MediaSocket { socket, port, is_ready: false });
        match usize::try_from(slot).ok().and_then(|slot| self.sockets.get_mut(slot)) {
            Some(place) => {
                *place = opened;
                self.slots_free.pop();
            }
            None => {
                self.sockets.push(opened);
                // Closing and marking ready must not allocate.
                let count = self.sockets.len();
                self.slots_free.reserve(count.saturating_sub(self.slots_free.len()));
                self.ready.reserve(count.saturating_sub(self.ready.len()));
            }
        }
        *entry = slot + 1;
        Ok(())
    }

    pub(super) fn close(&mut self, port: MediaPort, poller: &Poller) {
        let Some(slot) = self.slot_of(port) else { return };
        let address = self.addresses.get_mut(usize::from(port.address));
        let entry = address.and_then(|address| address.sockets.get_mut(usize::from(port.port)));
        entry.into_iter().for_each(|entry| *entry = CLOSED);
        let place = usize::try_from(slot).ok().and_then(|slot| self.sockets.get_mut(slot));
        if let Some(closed) = place.and_then(Option::take) {
            // It can only fail if the socket is not in the set; then nothing is to be removed.
            let _ = poller.remove(closed.socket.as_fd());
            if closed.is_ready {
                self.ready.retain(|ready| *ready != slot);
            }
            self.slots_free.push(slot);
        }
    }

    pub(super) fn is_ready(&self) -> bool {
        !self.ready.is_empty()
    }

    pub(super) fn mark_ready(&mut self, slot: u32) {
        let place = usize::try_from(slot).ok().and_then(|slot| self.sockets.get_mut(slot));
        if let Some(socket) = place.and_then(Option::as_mut)
            && !socket.is_ready
        {
            socket.is_ready = true;
            self.ready.push_back(slot);
        }
    }

    pub(super) fn receive(
        &mut self,
        burst: &mut MediaBurst,
        counters: &mut MediaCounters,
    ) -> usize {
        let wall_ns = if self.is_ready() { clock::wall_ns() } else { 0 };
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

    pub(super) fn send(&mut self, burst: &MediaBurst, counters: &mut MediaCounters) {
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
                send_run(&mut self.batch, &socket.socket, from, from + run, counters);
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

/// Sends prepared messages `from..to` by one socket.
fn send_run(
    batch: &mut Batch,
    socket: &UdpSocket,
    from: usize,
    to: usize,
    counters: &mut MediaCounters,
) {
    let mut at = from;
    while at < to {
        // SAFETY: `send` above prepared all messages from packets of the burst it still borrows.
        // JUSTIFICATION: see `Batch::send`.
        match unsafe { batch.send(socket.as_fd(), at, to) } {
            Ok(sent) => {
                counters.sent += sent as u64;
                at += sent.max(1);
            }
            Err(error) if is_full(&error) => {
                counters.full += (to - at) as u64;
                return;
            }
            Err(_) => {
                counters.failed += 1;
                at += 1;
            }
        }
    }
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
