//! The shards of one process and what they hand each other: `LIFECYCLE.md` tells the whole.
//!
//! All SIP comes in at the door, the shard [`DOOR`]. What belongs to a call of another shard is
//! handed on as it came; what that shard has to say by a connection comes back, for connections are
//! the door's. A process with one shard has no [`Mesh`], and nothing here is done for it.

use crate::Shard;
use crate::connection::Lost;
use crate::front::{Arrival, Fate};
use crate::gauge::{Gauges, SharedGauges};
use std::collections::VecDeque;
use std::net::SocketAddr;
use std::sync::atomic::AtomicU64;
use strowger_link::codec::{Malformed, Reader, Wire};
use strowger_link::siphash::siphash24;
use strowger_link::{DOOR, Key, SHARDS_MAX, Tick, Transport, token};
use strowger_port::net::{Io, JournalSink, MESH_BURST_MAX, PlaneLink, SipPath};
use strowger_sip::endpoint::{Path, Transmit};
use strowger_sip::field::MAGIC_COOKIE;
use strowger_sip::{Method, Scan, replaced_tags, scan};

/// Messages that wait for the edge snapshot: see [`Shard::take_mesh`].
const HELD_MAX: usize = 1_024;
/// Connections whose end waits to be told to this shard's endpoint.
const LOST_MAX: usize = 4_096;
/// INVITEs with Replaces whose CANCEL and ACK find their way.
const MOVED_MAX: usize = 1_024;
/// Bursts of one turn.
const BURSTS_MAX: usize = 4;

/// Which shards there are, and what they have in common.
#[derive(Clone, Debug)]
pub struct MeshConfig {
    /// How many, 2 to [`SHARDS_MAX`]: their numbers, and the segments of their slots, are below it.
    pub shards: u8,
    /// Key of the tokens in tags and branches of all of them.
    pub token_key: Key,
    /// What they count together.
    pub gauges: SharedGauges,
}

/// What a shard keeps for the others.
#[derive(Debug)]
pub(crate) struct Mesh {
    number: u8,
    shards: u8,
    token_key: Key,
    /// Messages that came before this shard could serve them, in order.
    held: VecDeque<Box<[u8]>>,
    /// What the door was to send and could not.
    lost: VecDeque<Lost>,
    /// INVITEs that went to the shard of the dialog that they replace: hash of their Call-ID, and
    /// that shard. The newest last.
    moved: VecDeque<(u64, u8)>,
    /// What the sender of the message in hand, which the door handed on, calls us by TLS.
    named: Option<(SocketAddr, String)>,
    /// The message that is being written.
    out: Vec<u8>,
    inbox: Inbox,
}

/// Messages of a burst; its memory is used again.
#[derive(Debug, Default)]
struct Inbox {
    bytes: Vec<u8>,
    ends: Vec<usize>,
}

impl Inbox {
    fn push(&mut self, message: &[u8]) {
        self.bytes.extend_from_slice(message);
        self.ends.push(self.bytes.len());
    }

    fn messages(&self) -> impl Iterator<Item = &[u8]> {
        let mut from = 0;
        self.ends.iter().map(move |end| {
            let message = self.bytes.get(from..*end).unwrap_or_default();
            from = *end;
            message
        })
    }

    fn clear(&mut self) {
        self.bytes.clear();
        self.ends.clear();
    }
}

/// What shards say to each other.
#[derive(Clone, PartialEq, Eq, Debug)]
enum Word<'a> {
    /// From the door: a message of yours, and how long it had waited when it was handed on.
    Yours {
        path: Path,
        queued_ns: u64,
        at: Tick,
        may_challenge: bool,
        /// The name that its sender asked for in its TLS handshake.
        name: Option<String>,
        data: &'a [u8],
    },
    /// To the door: send this by a connection.
    Carry { path: Path, data: &'a [u8] },
    /// To all: the network says that datagrams do not reach this peer.
    Unreachable(SocketAddr),
    /// From the door: a connection came to nothing or is gone.
    Gone { transport: Transport, peer: SocketAddr, flows: Vec<u64> },
    /// To the door: this source was challenged.
    Challenged(SocketAddr),
    /// A message of a dialog between this shard and the sender.
    Tied { from: u8, listener: u8, local: SocketAddr, data: &'a [u8] },
}

const YOURS: u8 = 0;
const CARRY: u8 = 1;
const UNREACHABLE: u8 = 2;
const GONE: u8 = 3;
const CHALLENGED: u8 = 4;
const TIED: u8 = 5;

impl<'a> Word<'a> {
    fn write(&self, out: &mut Vec<u8>) {
        out.clear();
        match self {
            Word::Yours { path, queued_ns, at, may_challenge, name, data } => {
                out.push(YOURS);
                path.put(out);
                queued_ns.put(out);
                at.put(out);
                may_challenge.put(out);
                name.put(out);
                out.extend_from_slice(data);
            }
            Word::Carry { path, data } => {
                out.push(CARRY);
                path.put(out);
                out.extend_from_slice(data);
            }
            Word::Unreachable(peer) => {
                out.push(UNREACHABLE);
                peer.put(out);
            }
            Word::Gone { transport, peer, flows } => {
                out.push(GONE);
                transport.put(out);
                peer.put(out);
                flows.put(out);
            }
            Word::Challenged(peer) => {
                out.push(CHALLENGED);
                peer.put(out);
            }
            Word::Tied { from, listener, local, data } => {
                out.push(TIED);
                from.put(out);
                listener.put(out);
                local.put(out);
                out.extend_from_slice(data);
            }
        }
    }

    fn read(bytes: &'a [u8]) -> Result<Word<'a>, Malformed> {
        let mut input = Reader::new(bytes);
        match u8::take(&mut input)? {
            YOURS => Ok(Word::Yours {
                path: Path::take(&mut input)?,
                queued_ns: u64::take(&mut input)?,
                at: Tick::take(&mut input)?,
                may_challenge: bool::take(&mut input)?,
                name: <Option<String> as Wire>::take(&mut input)?,
                data: input.bytes(input.left())?,
            }),
            CARRY => {
                Ok(Word::Carry { path: Path::take(&mut input)?, data: input.bytes(input.left())? })
            }
            UNREACHABLE => Ok(Word::Unreachable(SocketAddr::take(&mut input)?)),
            GONE => Ok(Word::Gone {
                transport: Transport::take(&mut input)?,
                peer: SocketAddr::take(&mut input)?,
                flows: Vec::take(&mut input)?,
            }),
            CHALLENGED => Ok(Word::Challenged(SocketAddr::take(&mut input)?)),
            TIED => Ok(Word::Tied {
                from: u8::take(&mut input)?,
                listener: u8::take(&mut input)?,
                local: SocketAddr::take(&mut input)?,
                data: input.bytes(input.left())?,
            }),
            _ => Err(Malformed),
        }
    }
}

impl Mesh {
    pub(crate) fn new(number: u8, config: &MeshConfig) -> Option<Mesh> {
        let fits = (2..=SHARDS_MAX).contains(&config.shards) && number < config.shards;
        fits.then(|| Mesh {
            number,
            shards: config.shards,
            token_key: config.token_key,
            held: VecDeque::new(),
            lost: VecDeque::new(),
            moved: VecDeque::new(),
            named: None,
            out: Vec::new(),
            inbox: Inbox::default(),
        })
    }

    /// A connection that is gone, for this shard's endpoint.
    pub(crate) fn poll_lost(&mut self) -> Option<Lost> {
        self.lost.pop_front()
    }

    fn lose(&mut self, lost: Lost) {
        if self.lost.len() < LOST_MAX {
            self.lost.push_back(lost);
        }
    }

    fn is_door(&self) -> bool {
        self.number == DOOR
    }

    /// The shard of the leg that a tag or branch names.
    fn named(&self, text: Option<&[u8]>) -> Option<u8> {
        let leg = token::open(&self.token_key, text?)?;
        Some(leg.slot.seg).filter(|shard| *shard < self.shards)
    }

    /// Whose a message is. A request of one of our dialogs says so by our tag, a response by our
    /// branch, an INVITE that takes a place in a call by the tag of that. What else begins a call,
    /// or ends or acknowledges what has no tag of ours, is whose its Call-ID falls to: copies of an
    /// INVITE, its CANCEL and its ACK meet there. All else is the door's.
    pub(crate) fn owner(&mut self, scan: &Scan<'_>, data: &[u8]) -> u8 {
        let Some(method) = scan.method else {
            let branch = scan.branch.and_then(|branch| branch.strip_prefix(MAGIC_COOKIE));
            return self.named(branch).unwrap_or(DOOR);
        };
        if let Some(owner) = self.named(scan.to_tag) {
            return owner;
        }
        match method {
            Method::Invite => {
                let mut tags = replaced_tags(data).into_iter();
                let replaced = tags.find_map(|tag| self.named(tag));
                replaced.inspect(|to| self.note_moved(scan.call_id, *to))
            }
            Method::Ack | Method::Cancel => None,
            Method::Bye
            | Method::Options
            | Method::Register
            | Method::Prack
            | Method::Update
            | Method::Info
            | Method::Refer
            | Method::Notify
            | Method::Subscribe
            | Method::Message
            | Method::Publish
            | Method::Other => Some(DOOR),
        }
        .unwrap_or_else(|| self.by_call_id(scan.call_id))
    }

    fn note_moved(&mut self, call_id: &[u8], to: u8) {
        let hash = siphash24(&self.token_key, call_id);
        if self.moved.iter().rev().any(|moved| *moved == (hash, to)) {
            return;
        }
        if self.moved.len() >= MOVED_MAX {
            self.moved.pop_front();
        }
        self.moved.push_back((hash, to));
    }

    fn by_call_id(&self, call_id: &[u8]) -> u8 {
        let hash = siphash24(&self.token_key, call_id);
        if let Some((_, to)) = self.moved.iter().rev().find(|(moved, _)| *moved == hash) {
            return *to;
        }
        u8::try_from(hash % u64::from(self.shards)).unwrap_or(DOOR)
    }
}

impl<I: Io, J: JournalSink, L: PlaneLink, W: AsRef<[AtomicU64]>> Shard<I, J, L, W> {
    /// This is one of several shards from now on; before the first turn, and before calls of a
    /// former life are taken up. `false` when the numbers are out of bounds.
    #[must_use]
    pub fn join(&mut self, config: &MeshConfig) -> bool {
        self.mesh = Mesh::new(self.number, config).map(Box::new);
        self.media.gauges = Gauges::shared(&config.gauges);
        self.endpoint.join_shards(self.number, config.shards);
        self.mesh.is_some()
    }

    /// Whether gauges in use are this shard's to report: several count together.
    pub(crate) fn reports_gauges(&self) -> bool {
        self.mesh.as_ref().is_none_or(|mesh| mesh.is_door())
    }

    /// Sends a word to another shard; `false` when it has no room.
    fn say(&mut self, to: u8, word: &Word<'_>) -> bool {
        let Some(mesh) = &mut self.mesh else { return false };
        word.write(&mut mesh.out);
        let said = self.io.send_mesh(to, &mesh.out).is_ok();
        if said {
            self.counts.mesh_sent += 1;
        } else {
            self.counts.mesh_full += 1;
        }
        said
    }

    /// Says a word to all other shards.
    fn say_all(&mut self, word: &Word<'_>) {
        let Some((number, shards)) = self.mesh.as_ref().map(|m| (m.number, m.shards)) else {
            return;
        };
        for to in (0..shards).filter(|to| *to != number) {
            self.say(to, word);
        }
    }

    /// Hands a message on to the shard that it belongs to; `false` = it is this one's. One that
    /// finds no room there is lost, as in a full socket, and a request that would begin something
    /// is told to come again.
    pub(crate) fn hand_on(&mut self, arrival: Arrival<'_>, may_challenge: bool, now: Tick) -> bool {
        let Some(mesh) = self.mesh.as_mut().filter(|mesh| mesh.is_door()) else { return false };
        let Some(scan) = scan(arrival.data) else { return false };
        let owner = mesh.owner(&scan, arrival.data);
        if owner == DOOR {
            return false;
        }
        let Some(path) = crate::inbox::path_of(&self.listeners, &arrival) else { return true };
        let Arrival { data, queued_ns, .. } = arrival;
        let name = self.name_at(path.transport, path.peer).map(str::to_owned);
        let word = Word::Yours { path, queued_ns, at: now, may_challenge, name, data };
        if !self.say(owner, &word)
            && scan.begins_something()
            && let Fate::Answer(peer) = self.front.refuse_full(arrival, &scan)
        {
            self.answer_from_front(arrival, peer, now);
        }
        true
    }

    /// Has the door send a message by a connection; `false` = connections are this shard's own.
    /// What finds no room at the door is lost as if its connection were.
    pub(crate) fn carry(&mut self, transmit: &Transmit) -> bool {
        if self.mesh.as_ref().is_none_or(|mesh| mesh.is_door()) {
            return false;
        }
        let Transmit { path, bytes } = transmit;
        let taken = self.say(DOOR, &Word::Carry { path: *path, data: bytes });
        self.counts.carried(taken, bytes.len());
        if !taken && let Some(mesh) = &mut self.mesh {
            let Path { transport, peer, flow, .. } = *path;
            mesh.lose(Lost { transport, peer, flows: vec![flow] });
        }
        true
    }

    /// The name that the sender of a request asked for in its TLS handshake, which says whom it
    /// means where several tenants share an address.
    pub(crate) fn name_at(&self, transport: Transport, peer: SocketAddr) -> Option<&str> {
        match transport {
            Transport::Udp | Transport::Tcp | Transport::Ws => return None,
            Transport::Tls | Transport::Wss => {}
        }
        let handed = self.mesh.as_ref().and_then(|mesh| mesh.named.as_ref());
        let handed = handed.filter(|(of, _)| *of == peer).map(|(_, name)| name.as_str());
        handed.or_else(|| self.connections.server_name(transport, peer))
    }

    /// Sends a message of a dialog between two shards. One without room is lost as a datagram is:
    /// its transaction says it again.
    pub(crate) fn tie(&mut self, to: u8, transmit: &Transmit) {
        let Transmit { path: Path { listener, local, .. }, bytes } = transmit;
        let (from, listener, local) = (self.number, *listener, *local);
        self.say(to, &Word::Tied { from, listener, local, data: bytes });
    }

    /// The network does not reach a peer: whoever has sent there hears of it.
    pub(crate) fn tell_unreachable(&mut self, peer: SocketAddr) {
        self.say_all(&Word::Unreachable(peer));
    }

    /// A connection is gone: whoever has sent by it hears of it.
    pub(crate) fn tell_gone(&mut self, lost: &Lost) {
        if self.mesh.is_some() {
            let Lost { transport, peer, flows } = lost.clone();
            self.say_all(&Word::Gone { transport, peer, flows });
        }
    }

    /// A source was challenged here: its rate is the door's to keep.
    pub(crate) fn tell_challenged(&mut self, source: SocketAddr) {
        if self.mesh.as_ref().is_some_and(|mesh| !mesh.is_door()) {
            self.say(DOOR, &Word::Challenged(source));
        }
    }

    /// Takes what other shards sent; returns how many messages.
    ///
    /// Who came by a connection does not say it again. So messages wait here, in order, while the
    /// first edge snapshot of this shard may still come, as they do in the door's connections
    /// before its own (see [`Shard::holds_streams`]).
    pub(crate) fn take_mesh(&mut self, now: Tick) -> usize {
        let Some(mut mesh) = self.mesh.take() else { return 0 };
        let (mut held, mut inbox) = (VecDeque::new(), core::mem::take(&mut mesh.inbox));
        if !self.holds {
            held = core::mem::take(&mut mesh.held);
        }
        self.mesh = Some(mesh);
        for message in held {
            self.hear_word(&message, now);
        }
        let mut all = 0;
        for _ in 0..BURSTS_MAX {
            let taken = self.io.recv_mesh(|_, message| inbox.push(message));
            for message in inbox.messages() {
                self.counts.mesh_received += 1;
                self.hear_word(message, now);
            }
            inbox.clear();
            all += taken;
            if taken < MESH_BURST_MAX {
                break;
            }
        }
        if let Some(mesh) = &mut self.mesh {
            mesh.inbox = inbox;
        }
        if all > 0 {
            self.settle(now);
        }
        all
    }

    fn hear_word(&mut self, message: &[u8], now: Tick) {
        // Words are this process's own; one that cannot be read would be a bug.
        let Ok(word) = Word::read(message) else { return };
        match word {
            Word::Yours { .. } if self.holds => {
                if let Some(mesh) = self.mesh.as_mut().filter(|mesh| mesh.held.len() < HELD_MAX) {
                    mesh.held.push_back(message.into());
                }
            }
            Word::Yours { path, queued_ns, at, may_challenge, name, data } => {
                let Path { listener, local, peer, flow, .. } = path;
                let way = SipPath { listener, local: Some(local.ip()), peer };
                let queued_ns = queued_ns.saturating_add(now.ns_since(at));
                let arrival = Arrival { path: &way, data, queued_ns, flow };
                if let Some(mesh) = &mut self.mesh {
                    mesh.named = name.map(|name| (peer, name));
                }
                self.take_handed(arrival, may_challenge, now);
            }
            Word::Carry { path, data } => {
                let Shard { io, connections, .. } = self;
                // A loss is told to all shards when it is told here.
                let _told = connections.transmit(io, &path, data, now);
            }
            Word::Unreachable(peer) => self.endpoint.handle_unreachable(peer, now),
            Word::Gone { transport, peer, flows } => {
                if let Some(mesh) = &mut self.mesh {
                    mesh.lose(Lost { transport, peer, flows });
                }
            }
            Word::Tied { from, listener, local, data } => {
                self.serve_by(&Path::to_shard(from, listener, local), data, false, now);
            }
            Word::Challenged(source) => self.front.challenged(source, &self.sources, now),
        }
    }
}

#[cfg(test)]
mod tests;
