//! HOT PATH
//!
//! The production backend of [`Io`] without privileges: epoll, recvmmsg, sendmmsg.
//!
//! - One unconnected UDP socket per media port, bound to its local media address, so the local port
//!   is the flow's identity and the source address is the one that was signalled.
//! - SIP listeners with `IP_PKTINFO`: a response leaves from the address the request came to, also
//!   when the listener is bound to `0.0.0.0` or `::`. `SO_TIMESTAMPNS` tells the queue delay.
//!   `IP_RECVERR`: an ICMP port unreachable is a transport error now, not a time-out later.
//! - Media sockets without `IP_RECVERR`: a stranger's ICMP stops nothing.
//! - Or, with [`Mmsg::use_ring`], the same sockets by io_uring(7): what came to all of them in one
//!   call, what leaves in another one.
//! - Or, with [`Mmsg::steer`], one socket of each family for all media ports, and raw sockets to
//!   send by, which need rights to open; and flows that a program of the kernel relays.
//! - Connections, if [`Mmsg::add_streams`] gave it any to listen for: read in turn, bounded bytes
//!   of each, and told of once by the kernel, so that thousands that are idle cost nothing.
//! - What cannot be sent at once is dropped and counted, never queued: late media is worthless, SIP
//!   over UDP is repeated by its transaction.
//!
//! All buffers are allocated in [`Mmsg::new`] and [`Io::open_media`]; a turn allocates nothing.
//! Needs Linux 5.11 (epoll_pwait2).

mod address;
mod away;
mod batch;
mod control;
mod media;
mod neighbour;
mod option;
mod poll;
mod ring;
mod sip;
mod steered;
mod stream;

use std::io;
use std::net::{IpAddr, SocketAddr, TcpStream, UdpSocket};
use std::os::fd::AsFd;
use std::time::Duration;

use strowger_link::{SECOND, Tally, Tick};

use crate::clock;
use crate::eventfd::EventFd;
use crate::mesh::MeshEnd;
use crate::net::{
    ConnId, ConnectError, Io, LISTENERS_MAX, MEDIA_ADDRESSES_MAX, MediaBurst, MediaCounters,
    MediaPort, MeshFull, OpenError, SendResult, SipCounters, SipDatagram, SipFailure, SipPath,
    StreamCounters, StreamEvent, Woke,
};
use crate::offload::Offload;
use media::{MEDIA_RING, MediaSockets};
use poll::{Poller, Ready};
use ring::{Counts, Receiver, Sender};
use sip::{SIP_RING, SipSockets};
use steered::Steered;
use stream::Streams;

pub use away::{Offloading, Relayer};
pub use media::{MEDIA_PER_SOCKET_MAX, MEDIA_RCVBUF_BYTES};
pub use option::{
    SHARED_RCVBUF_BYTES, bind_blackhole, bind_raw, bind_shared, bind_sip, bind_stream,
};
pub use sip::{SIP_FAILURES_MAX, SIP_QUEUE_BYTES_MAX, SIP_QUEUE_MAX, SIP_RCVBUF_BYTES};
pub use steered::Steering;
pub use stream::{BACKLOG_MAX, StreamListener, StreamsConfig, UNACKED_MS_MAX};

/// From this many media packets a second on, a shard lets packets gather before it looks: one
/// wake-up then serves many.
pub const GATHER_FROM_PPS: u64 = 20_000;
/// How long they gather at most, nanoseconds: small beside the 20 ms between two packets of a flow.
/// It pays on a core of its own; see [`Mmsg::set_gather_ns`].
pub const GATHER_NS: u64 = 400_000;
/// From this many messages of signalling a second on they gather as well: some 300 calls a second.
pub const GATHER_FROM_MPS: u64 = 2_000;
/// How long signalling gathers at most, nanoseconds: small beside the 20 ms that a phone notices.
/// The control plane answers meanwhile, and needs not ring.
pub const GATHER_SIGNALLING_NS: u64 = 300_000;

/// So soon after epoll was asked it is not asked again for media, nanoseconds: [`Io::wait`], at the
/// end of a turn that is no longer than that, does it anyhow.
pub const ASKED_NS: u64 = 200_000;

/// What a shard's backend is made of.
pub struct MmsgConfig {
    /// Bound SIP sockets, by [`bind_sip`] or from the supervisor; at most [`LISTENERS_MAX`].
    pub listeners: Vec<UdpSocket>,
    /// Local media addresses; at most [`MEDIA_ADDRESSES_MAX`].
    pub media_addresses: Vec<IpAddr>,
    /// The shard's bell: whoever has something for the shard rings a clone of it.
    pub waker: EventFd,
    /// DSCP of SIP datagrams by each listener, 0 to 63; [`SIP_DSCP`] where none is said.
    pub sip_dscp: Vec<u8>,
    /// DSCP of media packets from each address, 0 to 63; [`MEDIA_DSCP`] where none is said.
    pub media_dscp: Vec<u8>,
}

/// DSCP of signalling (CS3) and media (EF), RFC 4594.
pub const SIP_DSCP: u8 = 24;
/// See [`SIP_DSCP`].
pub const MEDIA_DSCP: u8 = 46;

/// How fast something comes, by a count of it.
struct Pace {
    /// What is high, a second.
    high: u64,
    since: Tick,
    before: u64,
    is_high: bool,
}

impl Pace {
    /// It is judged anew after so long, or so many.
    const WINDOW_NS: u64 = 5_000_000;
    const WINDOW_COUNT: u64 = 64;

    const fn new(high: u64, now: Tick) -> Pace {
        Pace { high, since: now, before: 0, is_high: false }
    }

    fn is_high(&mut self, count: u64, now: Tick) -> bool {
        let (came, took_ns) = (count.saturating_sub(self.before), now.ns_since(self.since));
        if took_ns >= Pace::WINDOW_NS || came >= Pace::WINDOW_COUNT {
            // came / took_ns >= high, without a division.
            self.is_high = came.saturating_mul(SECOND) >= took_ns.saturating_mul(self.high);
            (self.since, self.before) = (now, count);
        }
        self.is_high
    }
}

/// What media goes by.
#[expect(clippy::large_enum_variant, reason = "a shard has one")]
enum Media {
    /// A socket for each port.
    Sockets(MediaSockets),
    /// One socket of each family for all of them.
    Steered(Steered),
}

/// One shard's sockets. See the module text.
pub struct Mmsg {
    now: Tick,
    poller: Poller,
    /// As long as it lives, the poller hears it.
    _waker: EventFd,
    sip: SipSockets,
    media: Media,
    /// `None` = each socket sends by itself.
    sender: Option<Sender>,
    /// DSCP of media packets, by address.
    media_dscp: Vec<u8>,
    streams: Streams,
    /// `None` = there is no other shard.
    mesh: Option<MeshEnd>,
    counters: MediaCounters,
    /// When epoll was asked last.
    asked: Tick,
    /// The waker was rung and heard, and `wait` has not told yet.
    rung: bool,
    /// Messages of signalling received.
    signalled: u64,
    /// How fast media comes, and signalling.
    paces: [Pace; 2],
    gather_ns: u64,
}

impl Mmsg {
    /// Sets up the listeners and allocates all buffers; no media port is open.
    ///
    /// # Errors
    /// `InvalidInput`: too many listeners or addresses. Else the system's error.
    pub fn new(config: MmsgConfig) -> io::Result<Mmsg> {
        let MmsgConfig { listeners, media_addresses, waker, sip_dscp, media_dscp } = config;
        let fits = listeners.len() <= LISTENERS_MAX && media_addresses.len() <= MEDIA_ADDRESSES_MAX;
        if !fits {
            return Err(io::ErrorKind::InvalidInput.into());
        }
        let poller = Poller::new()?;
        poller.add(waker.as_fd(), Ready::Waker)?;
        let sip = SipSockets::new(listeners, &sip_dscp, &poller)?;
        let media = Media::Sockets(MediaSockets::new(&media_addresses, &media_dscp));
        let now = clock::monotonic();
        let (counters, gather_ns) = (MediaCounters::default(), GATHER_NS);
        let streams = Streams::none();
        Ok(Mmsg {
            now,
            poller,
            _waker: waker,
            sip,
            media,
            sender: None,
            media_dscp,
            streams,
            mesh: None,
            counters,
            asked: Tick::default(),
            rung: false,
            signalled: 0,
            paces: [Pace::new(GATHER_FROM_PPS, now), Pace::new(GATHER_FROM_MPS, now)],
            gather_ns,
        })
    }

    /// This is one of several shards from now on. Another one than the first only sends by the SIP
    /// sockets, which are clones of the first one's: it never takes what came there.
    ///
    /// # Errors
    /// The system's.
    pub fn join(&mut self, mesh: MeshEnd) -> io::Result<()> {
        if mesh.number() != strowger_link::DOOR {
            self.sip.only_send(&self.poller)?;
        }
        self.mesh = Some(mesh);
        Ok(())
    }

    /// From now on media comes and goes by these sockets, in place of one for each port; the media
    /// addresses are those of the flows. Before any port is opened.
    ///
    /// # Errors
    /// `InvalidInput`: the sockets do not fit the addresses, or a port is open. Else the system's.
    pub fn steer(&mut self, steering: Steering) -> io::Result<()> {
        if self.media_ports_open() > 0 {
            return Err(io::ErrorKind::InvalidInput.into());
        }
        self.media = Media::Steered(Steered::new(steering, &self.media_dscp, &self.poller)?);
        Ok(())
    }

    /// From now on the datagrams of the same sockets come and go by io_uring. Before any port is
    /// opened, and after [`Mmsg::join`]. The thread that turns first is the only one from then on.
    ///
    /// # Errors
    /// `InvalidInput`: a port is open, or media is steered. Else the system's, which has no
    /// io_uring, an older one (Linux 6.1 is wanted), or refuses it; all stays as it was then.
    pub fn use_ring(&mut self) -> io::Result<()> {
        let Media::Sockets(sockets) = &mut self.media else {
            return Err(io::ErrorKind::InvalidInput.into());
        };
        if sockets.open_count() > 0 {
            return Err(io::ErrorKind::InvalidInput.into());
        }
        let (sender, media) = (Sender::new()?, Receiver::new(&MEDIA_RING)?);
        let sip = self.sip.hears().then(|| Receiver::new(&SIP_RING)).transpose()?;
        for ring in [Some(&media), sip.as_ref()].into_iter().flatten() {
            self.poller.add(ring.bell(), Ready::Ring)?;
        }
        if let Some(sip) = sip {
            self.sip.use_ring(sip, &self.poller)?;
        }
        sockets.use_ring(media);
        self.sender = Some(sender);
        Ok(())
    }

    /// Takes in connections at these listeners from now on, and opens others from their addresses.
    ///
    /// # Errors
    /// `InvalidInput`: too many listeners, or more connections than tokens can tell apart. Else the
    /// system's.
    pub fn add_streams(&mut self, config: StreamsConfig) -> io::Result<()> {
        self.streams = Streams::new(config, &self.poller)?;
        Ok(())
    }

    /// How many connections are open, or being opened.
    #[must_use]
    pub fn streams_open(&self) -> usize {
        self.streams.open_count()
    }

    /// How long packets may gather at a high rate, nanoseconds, instead of [`GATHER_NS`], and
    /// signalling instead of [`GATHER_SIGNALLING_NS`] where that is longer; 0 = never.
    pub fn set_gather_ns(&mut self, gather_ns: u64) {
        self.gather_ns = gather_ns;
    }

    /// Receive buffers in bytes: of each listener instead of [`SIP_RCVBUF_BYTES`], and of each
    /// media port's own socket that is opened from now on instead of [`MEDIA_RCVBUF_BYTES`]. The
    /// kernel doubles them; what is beyond `net.core.rmem_max` needs `CAP_NET_ADMIN`, and is cut to
    /// that without.
    ///
    /// # Errors
    /// The system's.
    pub fn set_buffers(&mut self, sip: usize, media: usize) -> io::Result<()> {
        if let Media::Sockets(sockets) = &mut self.media {
            sockets.set_rcvbuf(media);
        }
        self.sip.set_rcvbuf(sip)
    }

    /// The address listener `listener` is bound to.
    #[must_use]
    pub fn listener_address(&self, listener: u8) -> Option<SocketAddr> {
        self.sip.local(listener)
    }

    /// How many media ports are open.
    #[must_use]
    pub fn media_ports_open(&self) -> usize {
        match &self.media {
            Media::Sockets(sockets) => sockets.open_count(),
            Media::Steered(steered) => steered.open_count(),
        }
    }

    /// Something waits that is known of.
    fn is_pending(&mut self) -> bool {
        self.rung || self.media.is_ready() || self.sip.is_ready() || self.streams.is_ready()
    }

    /// Something was left by the last turn, as far as can be told without asking anybody.
    fn has_left(&mut self) -> bool {
        self.rung || self.media.has_left() || self.sip.has_left() || self.streams.is_ready()
    }

    /// Asks epoll, unless it was asked a moment ago; `true` = the waker was rung.
    fn look(&mut self) -> bool {
        let now = clock::monotonic();
        if now.ns_since(self.asked) < ASKED_NS {
            return false;
        }
        self.asked = now;
        self.poll(0)
    }

    /// Asks epoll, sleeping at most so long; `true` = the waker was rung.
    fn poll(&mut self, timeout_ns: u64) -> bool {
        let mut rung = false;
        for event in self.poller.wait(timeout_ns) {
            match event.ready {
                Ready::Waker => rung = true,
                Ready::Sip(listener) => self.sip.mark_ready(listener, event.error()),
                Ready::Media(slot) => self.media.mark_ready(slot),
                Ready::Accept(place) => self.streams.mark_listener(place),
                Ready::Stream(place) => self.streams.mark_ready(place, event),
                // Asked for in memory.
                Ready::Ring => {}
            }
        }
        rung
    }
}

impl Media {
    fn steered(&self) -> Option<&Steered> {
        match self {
            Media::Sockets(_) => None,
            Media::Steered(steered) => Some(steered),
        }
    }

    fn steered_mut(&mut self) -> Option<&mut Steered> {
        match self {
            Media::Sockets(_) => None,
            Media::Steered(steered) => Some(steered),
        }
    }

    fn is_ready(&mut self) -> bool {
        match self {
            Media::Sockets(sockets) => sockets.is_ready(),
            Media::Steered(steered) => steered.is_ready(),
        }
    }

    fn has_left(&mut self) -> bool {
        match self {
            Media::Sockets(sockets) => sockets.has_left(),
            Media::Steered(steered) => steered.is_ready(),
        }
    }

    /// Whether anything waits is told without the poller.
    fn tells_itself(&self) -> bool {
        match self {
            Media::Sockets(sockets) => sockets.has_ring(),
            Media::Steered(_) => false,
        }
    }

    fn mark_ready(&mut self, slot: u32) {
        match self {
            Media::Sockets(sockets) => sockets.mark_ready(slot),
            Media::Steered(steered) => steered.mark_ready(slot),
        }
    }
}

impl Io for Mmsg {
    fn now(&self) -> Tick {
        self.now
    }

    fn sample(&mut self) -> Tick {
        self.now = clock::monotonic();
        self.now
    }

    fn wall_us(&self) -> i64 {
        clock::wall_us()
    }

    fn recv_sip(&mut self, sink: impl FnMut(SipDatagram<'_>)) -> usize {
        let taken = self.sip.receive(&self.poller, sink);
        self.signalled += taken as u64;
        taken
    }

    fn recv_sip_errors(&mut self, sink: impl FnMut(SipFailure)) -> usize {
        self.sip.receive_errors(sink)
    }

    fn send_sip(&mut self, path: SipPath, data: &[u8]) -> SendResult {
        self.sip.queue(&mut self.sender, path, data)
    }

    fn recv_streams(&mut self, sink: impl FnMut(StreamEvent<'_>)) -> usize {
        let taken = self.streams.receive(&self.poller, sink);
        self.signalled += taken as u64;
        taken
    }

    fn hold_streams(&mut self, held: bool) {
        self.streams.hold(held);
    }

    fn open_stream(&mut self, listener: u8, peer: SocketAddr) -> Result<ConnId, ConnectError> {
        self.streams.open(listener, peer, &self.poller)
    }

    fn send_stream(&mut self, conn: ConnId, data: &[u8]) -> usize {
        self.streams.send(conn, data)
    }

    fn close_stream(&mut self, conn: ConnId) {
        self.streams.close(conn);
    }

    fn release_stream(&mut self, conn: ConnId) -> Option<TcpStream> {
        self.streams.release(conn, &self.poller)
    }

    fn send_mesh(&mut self, to: u8, message: &[u8]) -> Result<(), MeshFull> {
        self.mesh.as_mut().map_or(Err(MeshFull), |mesh| mesh.send(to, message))
    }

    fn recv_mesh(&mut self, sink: impl FnMut(u8, &[u8])) -> usize {
        let taken = self.mesh.as_mut().map_or(0, |mesh| mesh.receive(sink));
        self.signalled += taken as u64;
        taken
    }

    fn open_media(&mut self, port: MediaPort) -> Result<(), OpenError> {
        match &mut self.media {
            Media::Sockets(sockets) => sockets.open(port, &self.poller),
            Media::Steered(steered) => steered.open(port),
        }
    }

    fn close_media(&mut self, port: MediaPort) {
        match &mut self.media {
            Media::Sockets(sockets) => sockets.close(port),
            Media::Steered(steered) => steered.close(port),
        }
    }

    fn recv_media(&mut self, burst: &mut MediaBurst) -> usize {
        burst.clear();
        // A ring heard here is for `wait`, which returns at once and says so.
        self.rung |= !self.media.is_ready() && !self.media.tells_itself() && self.look();
        match &mut self.media {
            Media::Sockets(sockets) => sockets.receive(&self.poller, burst, &mut self.counters),
            Media::Steered(steered) => steered.receive(burst, &mut self.counters),
        }
    }

    fn send_media(&mut self, burst: &mut MediaBurst) {
        match &mut self.media {
            Media::Sockets(sockets) => {
                sockets.send(&mut self.sender, burst, &mut self.counters);
            }
            Media::Steered(steered) => steered.send(burst, &mut self.counters),
        }
        burst.clear();
    }

    fn flush(&mut self) {
        self.sip.flush(&mut self.sender);
    }

    fn gather(&mut self, until: Tick) {
        let now = clock::monotonic();
        let [media, signalling] = &mut self.paces;
        let media_ns = if media.is_high(self.counters.received, now) { self.gather_ns } else { 0 };
        let signalling_ns = match signalling.is_high(self.signalled, now) {
            true => self.gather_ns.min(GATHER_SIGNALLING_NS),
            false => 0,
        };
        let pause_ns = media_ns.max(signalling_ns).min(until.ns_since(now));
        if pause_ns > 0 && !self.has_left() {
            #[expect(
                clippy::disallowed_methods,
                reason = "this is the place where a shard sleeps"
            )]
            std::thread::sleep(Duration::from_nanos(pause_ns));
        }
    }

    fn wait(&mut self, until: Tick) -> Woke {
        let is_quiet = self.mesh.as_mut().is_none_or(MeshEnd::prepare_sleep);
        let pending = self.is_pending() || !is_quiet;
        let timeout_ns = if pending { 0 } else { until.ns_since(clock::monotonic()) };
        let waker = self.poll(timeout_ns) | std::mem::take(&mut self.rung);
        if let Some(mesh) = &mut self.mesh {
            mesh.finish_sleep();
        }
        self.now = clock::monotonic();
        self.asked = self.now;
        match &mut self.media {
            Media::Steered(steered) => steered.stamp(self.now),
            Media::Sockets(sockets) => {
                sockets.watch(self.now);
                self.sip.watch(self.now);
            }
        }
        let (media, sip) = (self.media.is_ready(), self.sip.is_ready());
        Woke { media, sip, streams: self.streams.is_ready(), waker }
    }

    fn sip_counters(&self, listener: u8) -> SipCounters {
        self.sip.counters(listener)
    }

    fn stream_counters(&self, listener: u8) -> StreamCounters {
        self.streams.counters(listener)
    }

    fn offloads(&self) -> bool {
        self.media.steered().is_some_and(Steered::offloads)
    }

    fn offload(&mut self, port: MediaPort, offload: &Offload, tally: &Tally) -> bool {
        let now = self.now;
        let steered = self.media.steered_mut();
        steered.is_some_and(|steered| steered.offload(port, (offload, tally), now))
    }

    fn look_after(&mut self, port: MediaPort) -> bool {
        let now = self.now;
        self.media.steered_mut().is_some_and(|steered| steered.look_after(port, now))
    }

    fn carried(&self, port: MediaPort) -> Option<Tally> {
        self.media.steered()?.away()?.offloads().tally(port)
    }

    fn given(&self, port: MediaPort) -> Option<Offload> {
        self.media.steered()?.away()?.offloads().given(port)
    }

    fn take_back(&mut self, port: MediaPort) -> Option<Tally> {
        self.media.steered()?.away()?.offloads().take_back(port, self.now)
    }

    fn ports_away(&self, mut sink: impl FnMut(MediaPort)) {
        let away = self.media.steered().and_then(Steered::away);
        away.into_iter().flat_map(away::Away::ports).for_each(&mut sink);
    }

    fn media_counters(&self) -> MediaCounters {
        match &self.media {
            Media::Sockets(sockets) => {
                let all = [sockets.ring_counts(), self.sip.ring_counts()];
                let sum = |of: fn(&Counts) -> u64| all.iter().map(of).sum();
                MediaCounters {
                    is_ring: sockets.has_ring(),
                    rearmed: sum(|counts| counts.rearmed),
                    silent: sum(|counts| counts.silent),
                    ..self.counters
                }
            }
            Media::Steered(steered) => {
                let relayer = steered.away().map(away::Away::relayer);
                MediaCounters {
                    limited: steered.limited(),
                    is_steered: true,
                    is_xdp: relayer == Some(Relayer::Xdp),
                    ..self.counters
                }
            }
        }
    }
}

#[cfg(test)]
mod tests;
