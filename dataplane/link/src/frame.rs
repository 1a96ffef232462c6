//! What travels in the rings, with its version.

use crate::codec::{self, Malformed, Octets, Reader, Wire, wire_enum, wire_struct};
use crate::{
    Answer, Ask, AskId, DOOR, Edge, EdgePage, Grant, Hints, KeepOrder, LegId, MediaReport, Reason,
    RecordId, Tick, UpstreamOrder, UpstreamState, Verb, VerbResult,
};

/// Version of every frame in this file; both sides of a session have the same or part at the
/// handshake.
pub const FRAME_VERSION: u8 = 9;

/// The tag of [`Up::Ask`].
const UP_ASK: u8 = 0;

wire_enum! {
    /// From dataplane to control plane.
    pub enum Up {
        /// A question.
        0 => Ask(Box<Ask>),
        /// A granted ask was taken: the call was answered.
        1 => Started(Started),
        /// A granted ask came to nothing that leaves a record.
        2 => Abandoned(AskId),
        /// Doorbell: the journal has grown to this sequence.
        3 => Journal(u64),
        /// Outcome of a verb.
        4 => Verb(VerbResult),
        /// A leg changed its state: live view only, may be lost.
        5 => Live(Live),
        /// An unauthenticated attempt was turned away: counted per source and minute.
        6 => Turned(Turned),
        /// A shard's counters, each second.
        7 => Counters(Counters),
        /// What a shard's listeners counted, each second.
        8 => Listeners(Listeners),
        /// How a registration of ours at a carrier stands: the latest word counts.
        9 => Upstream(UpstreamState),
        /// The connection of this flow token ([`FlowToken`](crate::FlowToken)) is gone: what
        /// registered over it cannot be reached until it registers anew. Also said again whenever a
        /// request was to go there.
        10 => FlowFailed(u64),
        /// First word of a session: flow tokens of this shard with another epoch name nothing.
        11 => FlowEpoch(FlowEpoch),
        /// How running calls sound by now: live view only, may be lost.
        12 => Sounds(Sounds),
        /// What is probed stopped to answer, or answers again; after a greeting all that do not.
        13 => Probed(Probed),
    }
}

wire_enum! {
    /// From control plane to dataplane.
    pub enum Down {
        /// First frame of a session.
        0 => Hello(Hello),
        /// An answer.
        1 => Answer(Box<Answer>),
        /// An instruction.
        2 => Verb(Box<Verb>),
        /// Known sources, realm, emergency numbers.
        3 => Edge(Box<Edge>),
        /// Records before this place of the journal are in the database: a
        /// [`Position`](crate::journal::Position) as a word.
        4 => Stored(u64),
        /// More talk time for a call that had its last slice: money came in meanwhile. May be lost.
        5 => Lengthen(Lengthen),
        /// A registration of ours at a carrier.
        6 => Upstream(Box<UpstreamOrder>),
        /// Contacts whose NAT bindings are kept alive.
        7 => Keep(Box<KeepOrder>),
        /// Sources that stand before those of the next [`Down::Edge`] of the same version.
        8 => EdgePage(Box<EdgePage>),
    }
}

wire_struct! {
    /// The control plane's greeting.
    pub struct Hello {
        /// Origin of record ids for this boot of the shard.
        pub origin: u32,
        /// Node number.
        pub node: u32,
    }
}

wire_struct! {
    /// The life of a shard's process that its flow tokens name.
    #[derive(Copy)]
    pub struct FlowEpoch {
        /// Shard.
        pub shard: u8,
        /// Life.
        pub epoch: u16,
    }
}

wire_struct! {
    /// Whether a place that is probed answers.
    #[derive(Copy)]
    pub struct Probed {
        /// Which, as [`Kept::id`](crate::Kept::id).
        pub id: u64,
        /// It answers.
        pub alive: bool,
    }
}

wire_struct! {
    /// A call was answered under its grant.
    pub struct Started {
        /// The ask.
        pub ask: AskId,
        /// Its record.
        pub record: RecordId,
        /// Answer time.
        pub at: Tick,
        /// Price of the branch that answered: `hop` of its branch.
        pub hop: u8,
        /// Settlement, echoed: a restarted control plane needs nothing else.
        pub settlement: Octets,
    }
}

wire_struct! {
    /// More talk time that nobody asked for (design of calls, section 4).
    #[derive(Copy)]
    pub struct Lengthen {
        /// The call's ask.
        pub ask: AskId,
        /// Its first leg.
        pub leg: LegId,
        /// New total from answer; ignored unless it is more than before.
        pub grant: Grant,
    }
}

wire_struct! {
    /// A leg changed its state.
    pub struct Live {
        /// The call's ask.
        pub ask: AskId,
        /// Leg.
        pub leg: LegId,
        /// New state.
        pub state: LiveState,
        /// When.
        pub at: Tick,
    }
}

wire_struct! {
    /// How running calls sound by now, some of them in each frame.
    pub struct Sounds {
        /// At most [`SOUNDS_MAX`].
        pub calls: Vec<Sound>,
    }
}

/// Most calls of a frame: with the longest codec names a frame stays far below what a ring takes.
pub const SOUNDS_MAX: usize = 64;

wire_struct! {
    /// One of them: what its media carried so far.
    pub struct Sound {
        /// The call's ask.
        pub ask: AskId,
        /// What the caller's side carried.
        pub caller: MediaReport,
        /// The other one's.
        pub called: MediaReport,
    }
}

codec::wire_code! {
    /// States of the live view (spec MON-CALLS-01, the ones a SIP call has).
    pub enum LiveState {
        /// INVITE received or sent.
        Dialing = 0,
        /// Rings.
        Ringing = 1,
        /// Answered.
        Speaking = 2,
        /// On hold by this leg.
        Held = 3,
        /// Ended.
        Ended = 4,
    }
}

wire_struct! {
    /// A shard's counters since its start, in the order of [`COUNTERS`].
    pub struct Counters {
        /// Shard.
        pub shard: u8,
        /// When.
        pub at: Tick,
        /// Values.
        pub values: Vec<u64>,
    }
}

/// Names of a shard's counters as metrics show them; `_in_use`, `_open` and `_now` are gauges, the
/// others only grow. New ones are appended.
pub const COUNTERS: [&str; 76] = [
    "sip_datagrams_received",
    "sip_datagrams_sent",
    "sip_malformed",
    "sip_stray",
    "sip_refused",
    "sip_challenged",
    "sip_denied",
    "sip_full",
    "sip_misuse",
    "sip_lost",
    "media_packets_received",
    "media_packets_sent",
    "media_closed_port",
    "frames_malformed",
    "table_full",
    "journal_full",
    "ring_full",
    "calls_in_use",
    "media_ports_in_use",
    "gauges_in_use",
    "transactions_open",
    "legs_open",
    "turns",
    "media_malformed",
    "media_stranger",
    "sip_elsewhere",
    "media_socket_malformed",
    "media_socket_full",
    "media_socket_failed",
    "shed_refused",
    "shed_silent",
    "shed_repeats",
    "shed_acks",
    "limited_datagrams",
    "limited_requests",
    "limited_challenges",
    "over_budget",
    "asks_refused",
    "asks_probed",
    "media_late",
    "units_in_use",
    "asks_open",
    "listeners_shedding_now",
    "sip_delay_us_now",
    "keep_alives_sent",
    "keep_alives_heard",
    "kept_alive_now",
    "keep_alives_full",
    "sip_scanners",
    "sip_lured",
    "stun_answered",
    "stun_dropped",
    "mesh_sent",
    "mesh_received",
    "mesh_full",
    "media_flooded",
    "media_limited",
    "media_lookup_now",
    "media_fragmented",
    "uring_now",
    "uring_rearmed",
    "uring_silent",
    "media_octets",
    "sip_octets",
    "timed_us",
    "timed_media_us",
    "media_tc_now",
    "media_kernel_now",
    "media_kernel_given",
    "media_kernel_strayed",
    "media_kernel_packets",
    "dtls_now",
    "dtls_connected",
    "dtls_failed",
    "dtls_impostors",
    "media_xdp_now",
];

wire_struct! {
    /// What the SIP listeners of a shard counted since its start.
    pub struct Listeners {
        /// Shard.
        pub shard: u8,
        /// When.
        pub at: Tick,
        /// The listeners by their index in the process configuration.
        pub listeners: Vec<ListenerCounters>,
    }
}

wire_struct! {
    /// One listener's part.
    pub struct ListenerCounters {
        /// Its own address.
        pub local: std::net::SocketAddr,
        /// The address that peers are told.
        pub advertised: std::net::SocketAddr,
        /// Values in the order of [`LISTENER_COUNTERS`].
        pub values: Vec<u64>,
    }
}

/// Names of a listener's counters as metrics show them; all only grow. New ones are appended.
pub const LISTENER_COUNTERS: [&str; 15] = [
    "received",
    "sent",
    "malformed",
    "full",
    "failed",
    "failures_unreported",
    "connections_accepted",
    "connections_refused",
    "connections_opened",
    "connections_failed",
    "connections_closed",
    "connections_lost",
    "handshakes",
    "handshakes_failed",
    "pings",
];

wire_struct! {
    /// A stranger was turned away.
    pub struct Turned {
        /// Where it came from.
        pub source: std::net::SocketAddr,
        /// Why: [`Reason::AuthFailed`] it was challenged; [`Reason::Denied`] its source is banned;
        /// [`Reason::Rejected`] its program is on the list of scanners;
        /// [`Reason::UnknownNumber`] it called a number that nobody is called at;
        /// [`Reason::BadRequest`] it cannot be read.
        pub reason: Reason,
        /// How many since the last such frame.
        pub count: u32,
    }
}

fn envelope<T: Wire>(frame: &T) -> Vec<u8> {
    let mut out = Vec::with_capacity(512);
    out.push(FRAME_VERSION);
    frame.put(&mut out);
    out
}

fn open<T: Wire>(bytes: &[u8]) -> Result<T, Malformed> {
    let mut reader = Reader::new(bytes);
    if u8::take(&mut reader)? != FRAME_VERSION {
        return Err(Malformed);
    }
    let frame = T::take(&mut reader)?;
    if reader.left() == 0 { Ok(frame) } else { Err(Malformed) }
}

impl Ask {
    /// Bytes for the ring: [`Up::Ask`] of this question, as one that came from `trunk`. Who asks
    /// keeps the question, to ask it again, so it is written where it stands.
    #[must_use]
    pub fn to_frame(&self, trunk: Option<i64>) -> Vec<u8> {
        let Ask { id, parent, leg, hints, deadline, wall_us, body } = self;
        let mut out = Vec::with_capacity(1_024);
        out.extend_from_slice(&[FRAME_VERSION, UP_ASK]);
        id.put(&mut out);
        parent.put(&mut out);
        leg.put(&mut out);
        Hints { trunk, ..hints.clone() }.put(&mut out);
        deadline.put(&mut out);
        wall_us.put(&mut out);
        body.put(&mut out);
        out
    }
}

impl Up {
    /// Bytes for the ring.
    #[must_use]
    pub fn to_bytes(&self) -> Vec<u8> {
        envelope(self)
    }
    /// Reads a frame from the ring.
    ///
    /// # Errors
    /// [`Malformed`] for another version, a truncated or a foreign frame.
    pub fn from_bytes(bytes: &[u8]) -> Result<Up, Malformed> {
        open(bytes)
    }
}

impl Down {
    /// The shard that this is for; `None` = each shard of the process.
    #[must_use]
    pub const fn shard(&self) -> Option<u8> {
        match self {
            Down::Answer(answer) => Some(answer.ask.shard()),
            Down::Lengthen(more) => Some(more.ask.shard()),
            Down::Verb(verb) => Some(verb.leg.slot.seg),
            Down::Upstream(_) | Down::Keep(_) => Some(DOOR),
            Down::Hello(_) | Down::Edge(_) | Down::EdgePage(_) | Down::Stored(_) => None,
        }
    }
    /// Bytes for the ring.
    #[must_use]
    pub fn to_bytes(&self) -> Vec<u8> {
        envelope(self)
    }
    /// Reads a frame from the ring.
    ///
    /// # Errors
    /// [`Malformed`] for another version, a truncated or a foreign frame.
    pub fn from_bytes(bytes: &[u8]) -> Result<Down, Malformed> {
        open(bytes)
    }
}
