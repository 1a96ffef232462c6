//! HOT PATH
//!
//! SIP listeners that are read and written by io_uring. What the network says of a listener's
//! datagrams ends its request, which is made again; the errors are read as ever.

use std::io;
use std::os::fd::AsFd;

use strowger_link::Tick;

use super::{SipSockets, datagram};
use crate::clock;
use crate::mmsg::batch::Received;
use crate::mmsg::poll::{Poller, Ready};
use crate::mmsg::ring::watch::{Watch, Watched, has_datagram};
use crate::mmsg::ring::{Counts, ENTERS_MAX, Receiver, Sender, Size};
use crate::net::{SIP_BURST_MAX, SIP_DATAGRAM_BYTES_MAX, SipDatagram};

use super::SIP_QUEUE_MAX;

/// Two bursts.
pub(in crate::mmsg) const SIP_RING: Size =
    Size { buffers: 64, payload: SIP_DATAGRAM_BYTES_MAX, completions: 256 };
/// Most completions that are looked at for one burst.
const COMPLETIONS_MAX: usize = 4 * SIP_BURST_MAX;

const _: () = assert!(SIP_RING.buffers as usize >= SIP_BURST_MAX);

/// What listeners have beside themselves when they are read by a ring.
pub(super) struct Ringed {
    receiver: Receiver,
    watch: Watch,
    counts: Counts,
}

impl SipSockets {
    /// From now on datagrams come by this ring, if they are read here at all.
    pub(in crate::mmsg) fn use_ring(
        &mut self,
        mut receiver: Receiver,
        poller: &Poller,
    ) -> io::Result<()> {
        receiver.reserve(self.listeners.len());
        for (number, listener) in (0u64..).zip(&mut self.listeners) {
            poller.remove(listener.socket.as_fd())?;
            listener.is_ready = false;
            receiver.want(listener.socket.as_fd(), number);
        }
        self.ring = Some(Ringed { receiver, watch: Watch::new(), counts: Counts::default() });
        Ok(())
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

    /// Listeners are read one by one from now on, as the ring failed.
    pub(super) fn leave_ring(&mut self, poller: &Poller) {
        self.ring = None;
        for (number, listener) in (0u8..).zip(&mut self.listeners) {
            // One that cannot be listened to gets nothing; nobody can do more.
            let _told = poller.add(listener.socket.as_fd(), Ready::Sip(number));
            listener.is_ready = true;
        }
    }

    /// # Errors
    /// The ring fails; how many datagrams were handed out before does not matter then.
    pub(super) fn receive_by_ring(
        &mut self,
        sink: &mut impl FnMut(SipDatagram<'_>),
    ) -> io::Result<usize> {
        let Some(Ringed { receiver, counts, .. }) = &mut self.ring else { return Ok(0) };
        let (mut taken, mut entered, mut looked) = (0, 0, 0);
        while taken < SIP_BURST_MAX && looked < COMPLETIONS_MAX {
            let Some(done) = receiver.take() else {
                if entered == ENTERS_MAX || !receiver.has_work() {
                    break;
                }
                entered += 1;
                receiver.enter()?;
                continue;
            };
            looked += 1;
            if done.is_refusal() {
                return Err(io::ErrorKind::Unsupported.into());
            }
            let number = done.key as u8;
            if let Some(listener) = self.listeners.get_mut(usize::from(number)) {
                listener.has_error |= done.is_failure();
                if let Some(arrived) = receiver.arrived(&done) {
                    taken += 1;
                    listener.came = listener.came.wrapping_add(1);
                    let received = Received {
                        source: arrived.source,
                        len: arrived.data.len(),
                        truncated: arrived.truncated,
                        told: arrived.told,
                    };
                    let (local, wall_ns) = (listener.local.ip(), clock::wall_ns());
                    match datagram(number, local, received, arrived.data, wall_ns) {
                        Some(datagram) => {
                            listener.counters.received += 1;
                            sink(datagram);
                        }
                        None => listener.counters.malformed += 1,
                    }
                }
                if done.is_to_be_made_again() {
                    receiver.want(listener.socket.as_fd(), done.key);
                    counts.rearmed += 1;
                }
            }
            receiver.give_back(&done);
        }
        Ok(taken)
    }

    /// Sends what is queued and prepared. What does not leave at once is sent by its socket alone,
    /// which tells why not. `false` = the ring fails, and is to be dropped before anything else.
    pub(super) fn send_by_ring(&mut self, sender: &mut Sender) -> bool {
        let mut left = [false; SIP_QUEUE_MAX];
        let mut queued = 0;
        for ((at, queued_one), left) in self.queue.iter().enumerate().zip(&mut left) {
            let listener = self.listeners.get(usize::from(queued_one.path.listener));
            *left = !listener.is_some_and(|listener| {
                // SAFETY: `flush` prepared it from `self.bytes`, which nothing touches before
                // `submit` is over; when that fails, our caller drops the ring.
                // JUSTIFICATION: see `Sender::push`.
                unsafe { sender.push(listener.socket.as_fd(), &self.sending, at) }
            });
            queued += usize::from(!*left);
        }
        let told =
            sender.submit(|at, _| left.get_mut(at).into_iter().for_each(|left| *left = true));
        // The last ones, if the ring failed.
        let lost = told.map_or_else(|lost| lost.min(queued), |()| 0);
        left.iter_mut().take(self.queue.len()).rev().take(lost).for_each(|left| *left = true);
        for at in 0..self.queue.len() {
            let Some(number) = self.queue.get(at).map(|queued| queued.path.listener) else { break };
            let is_left = left.get(at).is_none_or(|left| *left);
            let Some(listener) = self.listeners.get_mut(usize::from(number)) else { continue };
            if is_left {
                // What refused it may be the error of an earlier one, which it has cleared.
                listener.has_error = true;
                self.send_run(number, at, at + 1);
            } else {
                listener.counters.sent += 1;
            }
        }
        told.is_ok()
    }

    /// As of media sockets.
    pub(in crate::mmsg) fn watch(&mut self, now: Tick) {
        let Some(Ringed { receiver, watch, counts }) = &mut self.ring else { return };
        if !watch.is_due(now) || receiver.is_ready() {
            return;
        }
        for Watched { key, came } in watch.take() {
            let listener = usize::try_from(key).ok().and_then(|at| self.listeners.get_mut(at));
            let Some(listener) = listener.filter(|listener| listener.came == came) else {
                continue;
            };
            if has_datagram(listener.socket.as_fd()) && !receiver.is_ready() {
                receiver.cancel(key);
                receiver.want(listener.socket.as_fd(), key);
                listener.has_error = true;
                counts.silent += 1;
            }
        }
        let all = (0u64..).zip(&self.listeners);
        watch.note(all.map(|(key, one)| (Watched { key, came: one.came }, one.socket.as_fd())));
    }
}

#[cfg(test)]
impl SipSockets {
    /// Ends all requests without anybody knowing.
    pub(in crate::mmsg) fn lose_requests(&mut self) {
        let Some(ring) = &mut self.ring else { return };
        (0..self.listeners.len() as u64).for_each(|number| ring.receiver.cancel(number));
    }
}
