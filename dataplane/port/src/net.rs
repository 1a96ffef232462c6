//! What one shard asks of its operating system: [`Io`], [`JournalSink`], [`PlaneLink`].
//!
//! The shard is generic over these three traits and nothing else; the production set is
//! [`crate::mmsg::Mmsg`], [`crate::journal_file::JournalHandle`] and
//! [`crate::uplink::UplinkLane`]. A simulator implements them over virtual time. All calls are
//! static (generic methods), so the traits are not object-safe on purpose.
//!
//! # The turn
//!
//! ```text
//! loop {
//!     io.recv_media(&mut burst);      // <= BURST_MAX packets, in place
//!     ..media core decides each packet: `send_from` or nothing..
//!     io.send_media(&mut burst);      // buffers are free again when it returns
//!     io.recv_sip(|datagram| ..);     // <= SIP_BURST_MAX datagrams
//!     io.recv_sip_errors(|failure| ..);
//!     io.recv_streams(|event| ..);    // connections: news and bytes
//!     io.recv_mesh(|from, message| ..); // what other shards hand on
//!     ..timers, link, table, then journal, then..
//!     io.send_sip(path, &bytes);      // queued
//!     io.send_stream(conn, &bytes);   // at once, as far as there is room
//!     io.flush();                     // leaves here
//!     io.wait(next_deadline);         // sleeps, samples the time
//! }
//! ```
//!
//! # Which call guarantees what
//!
//! | call | guarantee |
//! |---|---|
//! | `now` | does not move between two calls of `wait`/`sample` |
//! | `recv_sip` | at most [`SIP_BURST_MAX`] datagrams, whole: a longer one is dropped, counted |
//! | `send_sip` | copies; leaves at `flush` or earlier, in order per listener |
//! | `recv_media` | clears the burst, then fills it: at most [`BURST_MAX`], whole packets |
//! | `offload` | until `take_back`, packets of the flow that arrive are exceptions |
//! | `send_media` | targets leave or are counted, in order per local port; empties the burst |
//! | `recv_streams` | at most [`STREAM_BYTES_MAX`] bytes of each connection, in turn |
//! | `send_stream` | what it took leaves in order; after less than all comes `Writable` |
//! | `send_mesh` | leaves at once, in order for each pair of shards; never waits |
//! | `recv_mesh` | at most [`MESH_BURST_MAX`] messages, whole, one shard after the other in turn |
//! | `flush` | nothing is queued inside afterwards |
//! | `wait` | returns at once if a receive left something unread; not later than `until` |
//!
//! Nothing here blocks except `wait`. Nothing here allocates per packet.

mod stream;

use std::net::{IpAddr, SocketAddr, TcpStream};

use strowger_link::journal::{FrameKind, Position};
use strowger_link::{Tally, Tick};

pub use crate::burst::{
    BUFFER_BYTES, BURST_MAX, HEADROOM_BYTES, MediaBurst, MediaPacket, PAYLOAD_BYTES_MAX, Target,
};
pub use crate::mesh::{MESH_BURST_MAX, MESH_BYTES_MAX, MeshFull};
pub use crate::offload::Offload;
pub use stream::{
    ACCEPTS_MAX, Closed, ConnId, ConnectError, STREAM_BURST_MAX, STREAM_BYTES_MAX, StreamCounters,
    StreamEvent,
};

/// Most datagrams one `recv_sip` hands out.
pub const SIP_BURST_MAX: usize = 32;
/// Longest SIP datagram in bytes: the largest UDP payload.
pub const SIP_DATAGRAM_BYTES_MAX: usize = 65_535;
/// Most SIP listeners of one shard; `SipPath::listener` is below it.
pub const LISTENERS_MAX: usize = 16;
/// Most local media addresses; `MediaPort::address` is below it.
pub const MEDIA_ADDRESSES_MAX: usize = 8;

/// One shard's operating system: clocks, SIP datagrams, media packets, sleep.
///
/// See the module text for the order of calls and what each guarantees.
pub trait Io {
    /// The time of this turn: sampled by the last [`Io::wait`] or [`Io::sample`].
    fn now(&self) -> Tick;

    /// Reads the monotonic clock anew; `now` returns it from here on.
    fn sample(&mut self) -> Tick;

    /// Wall clock, microseconds since 1970-01-01 UTC. For records and headers, never for timers.
    fn wall_us(&self) -> i64;

    /// Hands out SIP datagrams that wait; returns how many. More may wait when it returns
    /// [`SIP_BURST_MAX`].
    fn recv_sip(&mut self, sink: impl FnMut(SipDatagram<'_>)) -> usize;

    /// Hands out transport errors (ICMP) that concern earlier SIP datagrams; returns how many.
    fn recv_sip_errors(&mut self, sink: impl FnMut(SipFailure)) -> usize;

    /// Queues one SIP datagram. A response to a datagram takes that datagram's `path`.
    fn send_sip(&mut self, path: SipPath, data: &[u8]) -> SendResult;

    /// Hands out what happened to connections; returns how many connections were looked at. More
    /// may wait when it returns [`STREAM_BURST_MAX`]. The sink may not touch this `Io`: it keeps
    /// what it hears, and answers afterwards.
    ///
    /// A system without connections hands out nothing.
    fn recv_streams(&mut self, sink: impl FnMut(StreamEvent<'_>)) -> usize {
        let _nothing = sink;
        0
    }

    /// While connections are held nothing of them ends [`Io::wait`], however much waits: whoever
    /// does not read them yet need not turn for them.
    fn hold_streams(&mut self, held: bool) {
        let _nothing = held;
    }

    /// Begins a connection to `peer` from the address of `listener`. [`StreamEvent::Connected`] or
    /// [`StreamEvent::Closed`] tells how it went; how long that may take is the caller's to bound.
    ///
    /// # Errors
    /// See [`ConnectError`]; nothing was begun.
    fn open_stream(&mut self, listener: u8, peer: SocketAddr) -> Result<ConnId, ConnectError> {
        let _nothing = (listener, peer);
        Err(ConnectError::NoListener)
    }

    /// Sends the first bytes of `data`, as many as there is room for; returns how many. After less
    /// than all, [`StreamEvent::Writable`] says when to go on. Bytes that were taken may still be
    /// lost with their connection.
    fn send_stream(&mut self, conn: ConnId, data: &[u8]) -> usize {
        let _nothing = (conn, data);
        0
    }

    /// Ends a connection of whichever side; what was taken for sending still leaves. Nothing more
    /// is heard of it. One that is not open any more is none of ours: nothing happens.
    fn close_stream(&mut self, conn: ConnId) {
        let _nothing = conn;
    }

    /// Gives a connection away, as it stands: it is the caller's, and nothing more is heard of it
    /// here. `None` = it is not open any more, or this system has no sockets.
    fn release_stream(&mut self, conn: ConnId) -> Option<TcpStream> {
        let _nothing = conn;
        None
    }

    /// Sends a message to another shard of this process, in order after those before it, and wakes
    /// that shard if it sleeps. At most [`MESH_BYTES_MAX`] bytes.
    ///
    /// # Errors
    /// [`MeshFull`]: there is no such shard, it is behind, or the message is too long; nothing was
    /// sent.
    fn send_mesh(&mut self, to: u8, message: &[u8]) -> Result<(), MeshFull> {
        let _nobody = (to, message);
        Err(MeshFull)
    }

    /// Hands out messages of other shards, with the number of who sent each; returns how many. More
    /// may wait when it returns [`MESH_BURST_MAX`]. What waits ends [`Io::wait`].
    ///
    /// A process with one shard hands out nothing.
    fn recv_mesh(&mut self, sink: impl FnMut(u8, &[u8])) -> usize {
        let _nothing = sink;
        0
    }

    /// Opens a local media port: from now on its packets arrive by `recv_media`.
    ///
    /// # Errors
    /// See [`OpenError`]; nothing stays open on error.
    fn open_media(&mut self, port: MediaPort) -> Result<(), OpenError>;

    /// Closes a local media port; packets still queued there are lost. Closing a port that is not
    /// open does nothing.
    fn close_media(&mut self, port: MediaPort);

    /// Empties `burst`, then receives into it; returns how many packets it holds now.
    fn recv_media(&mut self, burst: &mut MediaBurst) -> usize;

    /// Sends each packet of `burst` that has a [`Target`], then empties it.
    fn send_media(&mut self, burst: &mut MediaBurst);

    /// Sends what is queued.
    fn flush(&mut self);

    /// At a high rate, sleeps a while whatever comes in, but not beyond `until`: one wake-up then
    /// serves many.
    fn gather(&mut self, _until: Tick) {}

    /// Sleeps until something can be received, this shard's waker is rung, or `until`.
    fn wait(&mut self, until: Tick) -> Woke;

    /// What was counted of a SIP listener. A system that loses nothing by itself counts nothing.
    fn sip_counters(&self, listener: u8) -> SipCounters {
        let _nothing = listener;
        SipCounters::default()
    }

    /// What was counted of the connections of a listener.
    fn stream_counters(&self, listener: u8) -> StreamCounters {
        let _nothing = listener;
        StreamCounters::default()
    }

    /// Whether flows can be given away: to a program of the kernel that relays them without us. A
    /// system without one has none of what follows.
    fn offloads(&self) -> bool {
        false
    }

    /// Gives the flow of an open port away: packets that are in all what is said go on from here on
    /// without us, counted from `tally` on; all others arrive as ever. `false` = it stays.
    fn offload(&mut self, port: MediaPort, offload: &Offload, tally: &Tally) -> bool {
        let _nothing = (port, offload, tally);
        false
    }

    /// Lets a flow that is away go on for some more seconds; one that nobody looks after comes back
    /// by itself. `false` = it is not away, or its way has changed: take it back.
    fn look_after(&mut self, port: MediaPort) -> bool {
        let _nothing = port;
        false
    }

    /// What a flow that is away has carried so far.
    fn carried(&self, port: MediaPort) -> Option<Tally> {
        let _nothing = port;
        None
    }

    /// What was said of a flow that is away.
    fn given(&self, port: MediaPort) -> Option<Offload> {
        let _nothing = port;
        None
    }

    /// Takes a flow back, and tells what it has carried; `None` = it is not away.
    fn take_back(&mut self, port: MediaPort) -> Option<Tally> {
        let _nothing = port;
        None
    }

    /// Tells the ports of all flows of this shard that are away, those of a former life too.
    fn ports_away(&self, sink: impl FnMut(MediaPort)) {
        let _nothing = sink;
    }

    /// What was counted of all media ports.
    fn media_counters(&self) -> MediaCounters {
        MediaCounters::default()
    }
}

/// One SIP listener since the start.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub struct SipCounters {
    /// Datagrams handed out.
    pub received: u64,
    /// Datagrams the system took for sending.
    pub sent: u64,
    /// Datagrams longer than a buffer, or without a usable source: dropped.
    pub malformed: u64,
    /// Datagrams not sent because the socket was full: dropped.
    pub full: u64,
    /// Datagrams the system refused: reported by [`Io::recv_sip_errors`].
    pub failed: u64,
    /// Failures not reported because too many waited.
    pub failures_lost: u64,
}

/// All media ports since the start.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub struct MediaCounters {
    /// Packets handed out.
    pub received: u64,
    /// Packets the system took for sending.
    pub sent: u64,
    /// Packets longer than a buffer, or without a usable source: dropped.
    pub malformed: u64,
    /// Packets not sent because the socket was full: dropped.
    pub full: u64,
    /// Packets the system refused (no route, source port not open): dropped.
    pub failed: u64,
    /// Packets dropped before they reached us, as their port had too many; 0 with a socket for each
    /// port, whose buffer is the bound.
    pub limited: u64,
    /// Of those that were sent, how many were longer than the device takes and left in fragments
    /// of ours; 0 with a socket for each port, for which the kernel does it.
    pub fragmented: u64,
    /// One socket has the packets of all ports ([`crate::mmsg::Mmsg::steer`]).
    pub is_steered: bool,
    /// Flows are given to a program at the driver ([`crate::mmsg::Relayer::Xdp`]).
    pub is_xdp: bool,
    /// Datagrams come and go by io_uring ([`crate::mmsg::Mmsg::use_ring`]).
    pub is_ring: bool,
    /// Requests for datagrams, of media and signalling, that ended and were made again.
    pub rearmed: u64,
    /// Sockets that had datagrams for us and told nothing of it: their requests were made anew.
    pub silent: u64,
}

/// A port of one of the shard's local media addresses: the identity of a flow.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct MediaPort {
    /// Index into the configured local media addresses, below [`MEDIA_ADDRESSES_MAX`].
    pub address: u8,
    /// UDP port, host order.
    pub port: u16,
}

/// Where a SIP datagram came from or goes to: listener, our address, the peer.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct SipPath {
    /// Index of the shard's listener, below [`LISTENERS_MAX`].
    pub listener: u8,
    /// Our address: the one a received datagram was sent to, also when the listener is bound to
    /// `0.0.0.0` or `::`. On sending, `None` lets the kernel choose.
    pub local: Option<IpAddr>,
    /// The peer's address and port.
    pub peer: SocketAddr,
}

impl SipPath {
    /// The same listener and local address, towards another peer.
    #[must_use]
    pub const fn with_peer(self, peer: SocketAddr) -> SipPath {
        SipPath { peer, ..self }
    }
}

/// One received SIP datagram; the bytes live until the sink returns.
#[derive(Clone, Copy, Debug)]
pub struct SipDatagram<'a> {
    /// Whence it came, and on which of our addresses.
    pub path: SipPath,
    /// The UDP payload, whole.
    pub data: &'a [u8],
    /// Time it waited in the kernel's queue, nanoseconds; 0 when the kernel does not tell.
    pub queued_ns: u64,
}

/// A datagram we sent could not be delivered.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct SipFailure {
    /// The listener it left by.
    pub listener: u8,
    /// The peer that did not get it.
    pub peer: SocketAddr,
    /// What the network said.
    pub reason: SipFailureReason,
}

/// What the network said of a datagram it did not deliver.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum SipFailureReason {
    /// ICMP port unreachable: nobody listens there.
    Refused,
    /// ICMP host or network unreachable, or no route.
    Unreachable,
    /// Longer than the path's MTU and not to be fragmented.
    TooLong,
    /// Any other error of the socket.
    Other,
}

/// What became of one `send_sip`.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum SendResult {
    /// Copied; it leaves at the next flush. A later failure comes by `recv_sip_errors`.
    Queued,
    /// Longer than [`SIP_DATAGRAM_BYTES_MAX`]: not sent.
    TooLong,
    /// No such listener, or the peer's family does not fit it: not sent, our caller's bug.
    NoListener,
}

/// Why a media port did not open.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum OpenError {
    /// Another process (or this one) has the port.
    InUse,
    /// No descriptors left.
    NoDescriptors,
    /// The address index is not configured: our caller's bug.
    NoAddress,
    /// The system refused for another reason: the raw error number.
    System(i32),
}

/// Why [`Io::wait`] returned; several may be true at once, none means the deadline.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub struct Woke {
    /// Media packets wait.
    pub media: bool,
    /// SIP datagrams or errors wait.
    pub sip: bool,
    /// Connections have news or bytes.
    pub streams: bool,
    /// The shard's waker was rung: look at rings and the journal's durable mark.
    pub waker: bool,
}

/// Where a shard hands its journal frames; one handle per shard.
pub trait JournalSink {
    /// Appends one frame; returns its number in this shard's order, counted from 1.
    ///
    /// The frame is durable once [`JournalSink::durable`] has reached that number.
    ///
    /// # Errors
    /// [`JournalFull`]: the queue to the writer or the disk is full; nothing was appended.
    fn append(&mut self, kind: FrameKind, payload: &[u8]) -> Result<u64, JournalFull>;

    /// Number of the last frame of this shard that a power cut cannot take away; 0 = none.
    fn durable(&self) -> u64;

    /// Sets aside room on the disk for `bytes` of payload to come (a live call's last frame).
    ///
    /// # Errors
    /// [`JournalFull`]: the disk cannot promise it; the caller refuses the call.
    fn reserve(&mut self, bytes: u32) -> Result<(), JournalFull>;

    /// Gives back room set aside by `reserve`, before or after the frame was appended.
    fn release(&mut self, bytes: u32);

    /// Whether `calls` calls of this shard may live at once: promises the last frames of so many,
    /// and takes back what was promised to more. `false` = the disk has no room for one more, or
    /// what waits for the database has passed its bound; the caller begins no new call then.
    ///
    /// A sink without bounds promises everything.
    fn admit(&mut self, calls: usize) -> bool {
        let _any = calls;
        true
    }

    /// All before `position` is in the database. A sink that keeps everything need not know.
    fn stored(&mut self, position: Position) {
        let _kept = position;
    }
}

/// The journal cannot take more now.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct JournalFull;

/// The up-rings: a storm in one must not queue before the other.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Lane {
    /// Asks and facts of calls.
    Calls,
    /// Asks and facts of registrations.
    Registrations,
    /// Trace, statistics, logs: may be lost.
    Bulk,
}

/// A shard's end of the link to the control plane; whole frames of bytes.
///
/// A session ends when the peer dies or breaks the ring's rules; the rings die with it, frames in
/// them are lost, and a later session has another epoch.
pub trait PlaneLink {
    /// Epoch of the living session; `None` while there is none. Looks for a new one.
    fn session(&mut self) -> Option<u32>;

    /// Sends one frame. A peer that sleeps is rung by the next [`PlaneLink::ring`].
    ///
    /// # Errors
    /// [`LinkError`]; nothing was sent.
    fn send(&mut self, lane: Lane, frame: &[u8]) -> Result<(), LinkError>;

    /// Rings the peer, if it sleeps over a frame that was sent: once for all of a turn.
    fn ring(&mut self) {}

    /// Sends one frame that is in no hurry: a peer that sleeps is not woken for it, and finds it
    /// with the next one, or when it looks by itself (some tens of milliseconds).
    ///
    /// # Errors
    /// As of [`PlaneLink::send`].
    fn leave(&mut self, lane: Lane, frame: &[u8]) -> Result<(), LinkError> {
        self.send(lane, frame)
    }

    /// Takes the next frame (answers and verbs) into `frame`, which is cleared first; `false` =
    /// none waits.
    ///
    /// # Errors
    /// [`LinkError::Down`]: no session, or the ring was broken and the session has ended now.
    fn recv(&mut self, frame: &mut Vec<u8>) -> Result<bool, LinkError>;

    /// Declares that the shard is about to sleep; `false` = a frame came in, do not sleep.
    fn prepare_sleep(&mut self) -> bool;

    /// The shard is awake: the peer need not ring any more.
    fn finish_sleep(&mut self);
}

/// Why a frame did not go.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum LinkError {
    /// The ring is full: the peer is slow. Overload rules apply.
    Full,
    /// No session with the control plane.
    Down,
    /// The frame is longer than the ring can ever take: our caller's bug.
    TooLong,
}
