//! SIP listeners: receive with our address and the queue delay, send in batches, errors apart.

mod ringed;

use std::io;
use std::net::{IpAddr, SocketAddr, UdpSocket};
use std::os::fd::AsFd;

use super::SIP_DSCP;
use super::batch::{Batch, QueuedError, Received};
use super::media::is_full;
use super::option::{prepare_sip, set_rcvbuf};
use super::poll::{Poller, Ready};
use super::ring::Sender;
use crate::clock;
use crate::net::{
    SIP_BURST_MAX, SIP_DATAGRAM_BYTES_MAX, SendResult, SipCounters, SipDatagram, SipFailure,
    SipFailureReason, SipPath,
};
use ringed::Ringed;

pub(super) use ringed::SIP_RING;

/// Receive buffer of a listener in bytes; the kernel doubles it. A second of 4,000 calls/s.
pub const SIP_RCVBUF_BYTES: usize = 8 * 1024 * 1024;
/// Most datagrams queued between two flushes; one more flushes first.
pub const SIP_QUEUE_MAX: usize = 64;
/// Most bytes queued between two flushes; more flush first.
pub const SIP_QUEUE_BYTES_MAX: usize = 256 * 1024;
/// Most failures of sending that wait for `recv_sip_errors`; more are counted only.
pub const SIP_FAILURES_MAX: usize = 64;

/// One byte more than the longest datagram: nothing is ever cut.
const BUFFER_BYTES: usize = SIP_DATAGRAM_BYTES_MAX + 1;

const _: () = assert!(SIP_DATAGRAM_BYTES_MAX <= SIP_QUEUE_BYTES_MAX);
const _: () = assert!(SIP_BURST_MAX <= SIP_QUEUE_MAX);

struct Listener {
    socket: UdpSocket,
    local: SocketAddr,
    /// Datagrams may wait.
    is_ready: bool,
    /// Errors may wait.
    has_error: bool,
    counters: SipCounters,
    /// How many datagrams the ring brought of it.
    came: u32,
}

struct Queued {
    path: SipPath,
    start: usize,
    len: usize,
}

pub(super) struct SipSockets {
    listeners: Vec<Listener>,
    /// The listener whose turn is first: none starves the others.
    first: usize,
    buffers: Box<[u8]>,
    receiving: Batch,
    queue: Vec<Queued>,
    bytes: Vec<u8>,
    sending: Batch,
    failures: Vec<SipFailure>,
    /// `None` = listeners are read one by one.
    ring: Option<Ringed>,
    /// Datagrams are read here.
    hears: bool,
}

impl SipSockets {
    pub(super) fn new(
        sockets: Vec<UdpSocket>,
        dscp: &[u8],
        poller: &Poller,
    ) -> io::Result<SipSockets> {
        let mut listeners = Vec::with_capacity(sockets.len());
        for (number, socket) in (0u8..).zip(sockets) {
            let dscp = dscp.get(usize::from(number)).copied().unwrap_or(SIP_DSCP);
            let local = prepare_sip(&socket, dscp, SIP_RCVBUF_BYTES)?;
            poller.add(socket.as_fd(), Ready::Sip(number))?;
            // What came before we listened raised no event of ours: look once.
            listeners.push(Listener {
                socket,
                local,
                is_ready: true,
                has_error: false,
                counters: SipCounters::default(),
                came: 0,
            });
        }
        Ok(SipSockets {
            listeners,
            first: 0,
            buffers: vec![0; SIP_BURST_MAX * BUFFER_BYTES].into(),
            receiving: Batch::new(SIP_BURST_MAX),
            queue: Vec::with_capacity(SIP_QUEUE_MAX),
            bytes: Vec::with_capacity(SIP_QUEUE_BYTES_MAX),
            sending: Batch::new(SIP_QUEUE_MAX),
            failures: Vec::with_capacity(SIP_FAILURES_MAX),
            ring: None,
            hears: true,
        })
    }

    /// Receives nothing from now on: another thread reads these sockets.
    pub(super) fn only_send(&mut self, poller: &Poller) -> io::Result<()> {
        for listener in &mut self.listeners {
            poller.remove(listener.socket.as_fd())?;
            listener.is_ready = false;
        }
        self.hears = false;
        Ok(())
    }

    /// Whether datagrams are read here.
    pub(super) fn hears(&self) -> bool {
        self.hears
    }

    pub(super) fn set_rcvbuf(&self, bytes: usize) -> io::Result<()> {
        self.listeners.iter().try_for_each(|listener| set_rcvbuf(listener.socket.as_fd(), bytes))
    }

    #[cfg(test)]
    pub(super) fn rcvbuf(&self, listener: usize) -> Option<usize> {
        let socket = &self.listeners.get(listener)?.socket;
        socket2::SockRef::from(socket).recv_buffer_size().ok()
    }

    pub(super) fn local(&self, listener: u8) -> Option<SocketAddr> {
        self.listeners.get(usize::from(listener)).map(|listener| listener.local)
    }

    pub(super) fn counters(&self, listener: u8) -> SipCounters {
        self.listeners.get(usize::from(listener)).map(|l| l.counters).unwrap_or_default()
    }

    pub(super) fn is_ready(&mut self) -> bool {
        let waits = |listener: &Listener| listener.is_ready || listener.has_error;
        self.listeners.iter().any(waits) || !self.failures.is_empty() || self.is_ring_ready()
    }

    pub(super) fn has_left(&mut self) -> bool {
        let waits = |listener: &Listener| listener.is_ready || listener.has_error;
        self.listeners.iter().any(waits) || !self.failures.is_empty() || self.ring_has_left()
    }

    pub(super) fn mark_ready(&mut self, listener: u8, error: bool) {
        if let Some(listener) = self.listeners.get_mut(usize::from(listener)) {
            listener.is_ready = true;
            listener.has_error |= error;
        }
    }

    pub(super) fn receive(
        &mut self,
        poller: &Poller,
        mut sink: impl FnMut(SipDatagram<'_>),
    ) -> usize {
        if self.ring.is_some() {
            match self.receive_by_ring(&mut sink) {
                Ok(taken) => return taken,
                Err(_) => self.leave_ring(poller),
            }
        }
        let count = self.listeners.len();
        let mut room = SIP_BURST_MAX;
        for turn in 0..count {
            let number = (self.first + turn) % count;
            let Some(listener) = self.listeners.get_mut(number) else { continue };
            if !listener.is_ready || room == 0 {
                continue;
            }
            let buffers = self.buffers.chunks_mut(BUFFER_BYTES);
            let got = receive_some(&mut self.receiving, listener, buffers, room);
            listener.is_ready = got == room;
            room -= got;
            let (wall_ns, local) = (clock::wall_ns(), listener.local.ip());
            for (at, buffer) in self.buffers.chunks(BUFFER_BYTES).take(got).enumerate() {
                let received = self.receiving.received(at);
                match received.and_then(|got| datagram(number as u8, local, got, buffer, wall_ns)) {
                    Some(datagram) => {
                        listener.counters.received += 1;
                        sink(datagram);
                    }
                    None => listener.counters.malformed += 1,
                }
            }
        }
        self.first = (self.first + 1).checked_rem(count).unwrap_or(0);
        SIP_BURST_MAX - room
    }

    pub(super) fn receive_errors(&mut self, mut sink: impl FnMut(SipFailure)) -> usize {
        let mut told = self.failures.len();
        self.failures.drain(..).for_each(&mut sink);
        for (number, listener) in (0u8..).zip(&mut self.listeners) {
            while listener.has_error && told < SIP_FAILURES_MAX {
                match self.receiving.receive_error(listener.socket.as_fd()) {
                    QueuedError::None => listener.has_error = false,
                    QueuedError::Ours => {}
                    QueuedError::Network { peer, errno } => {
                        let reason = reason_of(Some(errno));
                        sink(SipFailure { listener: number, peer, reason });
                        told += 1;
                    }
                }
            }
        }
        told
    }

    pub(super) fn queue(
        &mut self,
        sender: &mut Option<Sender>,
        path: SipPath,
        data: &[u8],
    ) -> SendResult {
        if data.len() > SIP_DATAGRAM_BYTES_MAX {
            return SendResult::TooLong;
        }
        let listener = self.listeners.get(usize::from(path.listener));
        let fits = listener.is_some_and(|listener| {
            let family = listener.local.is_ipv4();
            path.peer.is_ipv4() == family && path.local.is_none_or(|ip| ip.is_ipv4() == family)
        });
        if !fits {
            return SendResult::NoListener;
        }
        let full = self.queue.len() == SIP_QUEUE_MAX;
        if full || self.bytes.len() + data.len() > SIP_QUEUE_BYTES_MAX {
            self.flush(sender);
        }
        self.queue.push(Queued { path, start: self.bytes.len(), len: data.len() });
        self.bytes.extend_from_slice(data);
        SendResult::Queued
    }

    pub(super) fn flush(&mut self, sender: &mut Option<Sender>) {
        if self.queue.is_empty() {
            return;
        }
        // By listener, in the order of queueing inside; a sort that does not allocate.
        self.queue.sort_unstable_by_key(|queued| (queued.path.listener, queued.start));
        for (at, queued) in self.queue.iter().enumerate() {
            let data = self.bytes.get(queued.start..queued.start + queued.len).unwrap_or_default();
            self.sending.prepare(at, queued.path.peer, queued.path.local, data);
        }
        let mut from = 0;
        if let Some(ring) = sender {
            from = self.queue.len();
            if !self.send_by_ring(ring) {
                *sender = None;
            }
        }
        while let Some(number) = self.queue.get(from).map(|queued| queued.path.listener) {
            let same = |queued: &&Queued| queued.path.listener == number;
            let run = self.queue.iter().skip(from).take_while(same).count();
            self.send_run(number, from, from + run);
            from += run;
        }
        self.queue.clear();
        self.bytes.clear();
    }

    fn send_run(&mut self, number: u8, from: usize, to: usize) {
        let Some(listener) = self.listeners.get_mut(usize::from(number)) else { return };
        let (mut at, mut retried) = (from, false);
        while at < to {
            // SAFETY: `flush` prepared all messages from `self.bytes`, which nothing has touched
            // since.
            // JUSTIFICATION: see `Batch::send`.
            match unsafe { self.sending.send(listener.socket.as_fd(), at, to) } {
                Ok(sent) => {
                    listener.counters.sent += sent as u64;
                    at += sent.max(1);
                    retried = false;
                }
                Err(error) if is_full(&error) => {
                    listener.counters.full += (to - at) as u64;
                    return;
                }
                // The error may be of an earlier datagram (ICMP), which this call has now cleared.
                Err(_) if !retried => {
                    listener.has_error = true;
                    retried = true;
                }
                Err(error) => {
                    listener.counters.failed += 1;
                    let peer = self.queue.get(at).map(|queued| queued.path.peer);
                    let reason = reason_of(error.raw_os_error());
                    match peer {
                        Some(peer) if self.failures.len() < SIP_FAILURES_MAX => {
                            self.failures.push(SipFailure { listener: number, peer, reason });
                        }
                        Some(_) | None => listener.counters.failures_lost += 1,
                    }
                    at += 1;
                    retried = false;
                }
            }
        }
    }
}

/// A batch from one listener. A pending error (ICMP) fails one call and is noted; epoll then still
/// calls the socket readable, so the next turn reads on.
fn receive_some<'b>(
    batch: &mut Batch,
    listener: &mut Listener,
    buffers: impl Iterator<Item = &'b mut [u8]>,
    room: usize,
) -> usize {
    match batch.receive(listener.socket.as_fd(), buffers.take(room)) {
        Ok(got) => got,
        Err(error) if error.kind() == io::ErrorKind::WouldBlock => 0,
        Err(_) => {
            listener.has_error = true;
            0
        }
    }
}

fn datagram<'b>(
    listener: u8,
    bound: IpAddr,
    received: Received,
    buffer: &'b [u8],
    wall_ns: i64,
) -> Option<SipDatagram<'b>> {
    let data = buffer.get(..received.len)?;
    if received.truncated {
        return None;
    }
    let queued = received.told.received_ns.map_or(0, |ns| wall_ns.saturating_sub(ns));
    let local = received.told.local.unwrap_or(bound);
    let path = SipPath { listener, local: Some(local), peer: received.source? };
    Some(SipDatagram { path, data, queued_ns: u64::try_from(queued).unwrap_or(0) })
}

fn reason_of(errno: Option<i32>) -> SipFailureReason {
    match errno {
        Some(libc::ECONNREFUSED) => SipFailureReason::Refused,
        Some(libc::EHOSTUNREACH | libc::ENETUNREACH | libc::EHOSTDOWN | libc::ENETDOWN) => {
            SipFailureReason::Unreachable
        }
        Some(libc::EMSGSIZE) => SipFailureReason::TooLong,
        Some(_) | None => SipFailureReason::Other,
    }
}
