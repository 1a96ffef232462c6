//! HOT PATH
//!
//! Media sockets that are read and written by io_uring: the same sockets, the same ports, one call
//! for what came to all of them and one for what leaves.
//!
//! A socket's request goes on while it rests, so that strays are counted. Before it is another
//! call's, its request is cancelled and made under a new key: what completed for the old one is
//! nobody's.

use std::io;
use std::os::fd::AsFd;

use strowger_link::Tick;

use super::{MediaSocket, MediaSockets, STRAYS_MAX, Use};
use crate::burst::{BURST_MAX, MediaBurst, PAYLOAD_BYTES_MAX};
use crate::clock;
use crate::mmsg::poll::{Poller, Ready};
use crate::mmsg::ring::watch::{WATCHED_MAX, Watch, Watched, has_datagram};
use crate::mmsg::ring::{Arrived, Completion, Counts, ENTERS_MAX, Receiver, Sender, Size};
use crate::net::{MediaCounters, MediaPort};

/// Four bursts.
pub(in crate::mmsg) const MEDIA_RING: Size =
    Size { buffers: 1_024, payload: PAYLOAD_BYTES_MAX, completions: 4_096 };
/// Most completions that are looked at for one burst: those that bring no packet of a call.
const COMPLETIONS_MAX: usize = 4 * BURST_MAX;

const _: () = assert!(MEDIA_RING.buffers as usize >= BURST_MAX);

/// What media sockets have beside themselves when they are read by a ring.
pub(super) struct Ringed {
    receiver: Receiver,
    watch: Watch,
    /// The next socket to be watched.
    watched: usize,
    counts: Counts,
}

/// The number of a socket's request: its slot, and which of the slot's lives it is.
fn key(slot: u32, life: u32) -> u64 {
    u64::from(life) << 32 | u64::from(slot)
}

impl Ringed {
    pub(super) fn new(receiver: Receiver) -> Ringed {
        Ringed { receiver, watch: Watch::new(), watched: 0, counts: Counts::default() }
    }

    /// A socket begins a life: the one before, if it had one, is to be ended.
    pub(super) fn begin(&mut self, slot: u32, socket: &MediaSocket) {
        self.receiver.want(socket.socket.as_fd(), key(slot, socket.life));
    }

    /// A socket's life is over.
    pub(super) fn end(&mut self, slot: u32, socket: &MediaSocket) {
        self.receiver.cancel(key(slot, socket.life));
    }

    /// Room for so many sockets.
    pub(super) fn reserve(&mut self, sockets: usize) {
        self.receiver.reserve(sockets);
    }
}

impl MediaSockets {
    /// From now on media comes by this ring; before any port is opened.
    pub(in crate::mmsg) fn use_ring(&mut self, receiver: Receiver) {
        self.ring = Some(Ringed::new(receiver));
    }

    pub(in crate::mmsg) fn has_ring(&self) -> bool {
        self.ring.is_some()
    }

    pub(in crate::mmsg) fn ring_counts(&self) -> Counts {
        self.ring.as_ref().map(|ring| ring.counts).unwrap_or_default()
    }

    pub(super) fn is_ring_ready(&mut self) -> bool {
        self.ring.as_mut().is_some_and(|ring| ring.receiver.is_ready())
    }

    pub(super) fn ring_has_left(&mut self) -> bool {
        self.ring.as_mut().is_some_and(|ring| ring.receiver.has_left())
    }

    /// Sockets are read one by one from now on, as the ring failed.
    pub(super) fn leave_ring(&mut self, poller: &Poller) {
        self.ring = None;
        for (slot, place) in (0u32..).zip(&mut self.sockets) {
            let Some(socket) = place else { continue };
            // One that cannot be listened to is silent, and its call ends by that.
            let _told = poller.add(socket.socket.as_fd(), Ready::Media(slot));
            socket.is_ready = socket.use_ == Use::Open;
            if socket.is_ready {
                self.ready.push_back(slot);
            }
        }
    }

    /// # Errors
    /// The ring fails; packets may be in the burst.
    pub(super) fn receive_by_ring(
        &mut self,
        burst: &mut MediaBurst,
        counters: &mut MediaCounters,
    ) -> io::Result<()> {
        let wall_ns = if self.is_ring_ready() { clock::wall_ns() } else { return Ok(()) };
        let (mut entered, mut looked) = (0, 0);
        while !burst.is_full() && looked < COMPLETIONS_MAX {
            let Some(ring) = &mut self.ring else { break };
            let Some(done) = ring.receiver.take() else {
                if entered == ENTERS_MAX || !ring.receiver.has_work() {
                    break;
                }
                entered += 1;
                ring.receiver.enter()?;
                continue;
            };
            looked += 1;
            if done.is_refusal() {
                return Err(io::ErrorKind::Unsupported.into());
            }
            counters.malformed += u64::from(!self.take(&done, burst, wall_ns));
        }
        Ok(())
    }

    /// Takes one completion; `false` = it brought what is no packet.
    fn take(&mut self, done: &Completion, burst: &mut MediaBurst, wall_ns: i64) -> bool {
        let (slot, life) = (done.key as u32, (done.key >> 32) as u32);
        let Some(ring) = &mut self.ring else { return true };
        let place = usize::try_from(slot).ok().and_then(|slot| self.sockets.get_mut(slot));
        let socket = place.and_then(Option::as_mut).filter(|socket| socket.life == life);
        let (mut is_whole, mut is_given_up) = (true, false);
        if let Some(socket) = socket {
            if done.has_datagram() {
                socket.came = socket.came.wrapping_add(1);
                match &mut socket.use_ {
                    Use::Open => {
                        let arrived = ring.receiver.arrived(done);
                        is_whole = arrived.is_some_and(|a| put(burst, socket.port, &a, wall_ns));
                    }
                    Use::Rests { strays } => {
                        *strays += 1;
                        is_given_up = *strays >= STRAYS_MAX;
                    }
                }
            }
            if done.is_to_be_made_again() && !is_given_up {
                ring.receiver.want(socket.socket.as_fd(), done.key);
                ring.counts.rearmed += 1;
            }
        }
        ring.receiver.give_back(done);
        if is_given_up {
            self.drop_at(slot);
        }
        is_whole
    }

    /// Sends what has a target, by the burst's order; `false` = the ring fails, and is to be
    /// dropped before anything else.
    pub(super) fn send_by_ring(
        &mut self,
        sender: &mut Sender,
        burst: &MediaBurst,
        counters: &mut MediaCounters,
    ) -> bool {
        let mut queued = 0;
        for (at, packet) in burst.packets().iter().enumerate() {
            let Some(target) = packet.target() else { continue };
            let slot = self.slot_of(target.from).and_then(|slot| usize::try_from(slot).ok());
            let socket = slot.and_then(|slot| self.sockets.get(slot)?.as_ref());
            self.batch.prepare(at, target.to, None, packet.data());
            let is_queued = socket.is_some_and(|socket| {
                // SAFETY: it was prepared just now, from a packet of the burst, which is borrowed
                // until after `submit`; when that fails, our caller drops the ring.
                // JUSTIFICATION: see `Sender::push`.
                unsafe { sender.push(socket.socket.as_fd(), &self.batch, at) }
            });
            let counter = if is_queued { &mut queued } else { &mut counters.failed };
            *counter += 1;
        }
        if queued == 0 {
            return true;
        }
        let (mut full, mut failed) = (0, 0);
        let told = sender.submit(|_, number| match number {
            libc::EAGAIN | libc::ENOBUFS => full += 1,
            _ => failed += 1,
        });
        failed += told.map_or_else(|left| left as u64, |()| 0);
        counters.full += full;
        counters.failed += failed;
        counters.sent += queued - full - failed;
        told.is_ok()
    }

    /// Looks for sockets that are silent though something waits in them, and makes their requests
    /// anew.
    pub(in crate::mmsg) fn watch(&mut self, now: Tick) {
        let Some(ring) = &mut self.ring else { return };
        // What completed and was not looked at is not silent.
        if !ring.watch.is_due(now) || ring.receiver.is_ready() {
            return;
        }
        for watched in ring.watch.take() {
            let socket = usize::try_from(watched.key as u32).ok();
            let socket = socket.and_then(|slot| self.sockets.get(slot)?.as_ref());
            let is_same = |socket: &&MediaSocket| {
                key(watched.key as u32, socket.life) == watched.key && socket.came == watched.came
            };
            let Some(socket) = socket.filter(is_same) else { continue };
            if has_datagram(socket.socket.as_fd()) && !ring.receiver.is_ready() {
                ring.receiver.cancel(watched.key);
                ring.receiver.want(socket.socket.as_fd(), watched.key);
                ring.counts.silent += 1;
            }
        }
        let count = self.sockets.len();
        let slots = (ring.watched..).take(WATCHED_MAX.min(count)).filter_map(|slot| {
            let slot = slot.checked_rem(count)?;
            let socket = self.sockets.get(slot)?.as_ref()?;
            let key = key(u32::try_from(slot).ok()?, socket.life);
            Some((Watched { key, came: socket.came }, socket.socket.as_fd()))
        });
        ring.watch.note(slots);
        ring.watched = (ring.watched + WATCHED_MAX).checked_rem(count).unwrap_or(0);
    }
}

/// Copies a packet into the burst; `false` = it is none, or cut.
fn put(burst: &mut MediaBurst, port: MediaPort, arrived: &Arrived<'_>, wall_ns: i64) -> bool {
    let (Some(source), false) = (arrived.source, arrived.truncated) else { return false };
    let Some(packet) = burst.free_mut().first_mut() else { return false };
    let Some(room) = packet.room_mut().get_mut(..arrived.data.len()) else { return false };
    room.copy_from_slice(arrived.data);
    let queued_ns = arrived.told.received_ns.map_or(0, |ns| wall_ns.saturating_sub(ns));
    let queued_ns = u32::try_from(queued_ns.max(0)).unwrap_or(u32::MAX);
    packet.arrived(port, source, arrived.data.len(), queued_ns);
    burst.advance(1);
    true
}

#[cfg(test)]
impl MediaSockets {
    /// Ends all requests without anybody knowing.
    pub(in crate::mmsg) fn lose_requests(&mut self) {
        let Some(ring) = &mut self.ring else { return };
        for (slot, place) in (0u32..).zip(&self.sockets) {
            place.iter().for_each(|socket| ring.receiver.cancel(key(slot, socket.life)));
        }
    }
}
