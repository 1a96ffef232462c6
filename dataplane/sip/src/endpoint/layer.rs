//! The transactions of an endpoint: tables, alarms, the queue of outputs, and all that is answered
//! without state. Below the legs, above the machines of [`crate::transaction`].

mod carrier;
mod client;
mod linger;
mod response;
mod server;
mod settled;
#[cfg(test)]
mod size;

pub(super) use client::{Client, Failure, Heard, Role, Way, Whose, again, cancel};
pub(super) use response::Response;
pub(super) use server::{Arrived, Known, Owner, Server};

use std::collections::{BTreeMap, BTreeSet, HashMap, VecDeque};
use std::hash::{BuildHasher, Hasher};
use std::net::SocketAddr;

use strowger_leg::Event;
use strowger_link::token::{self, TOKEN_LEN, Token};
use strowger_link::{LegId, Tick};

use linger::Lingering;
use server::Place;
use settled::SettledQueue;

use super::alarm::{Alarms, Sleeper};
use super::config::{Chance, Config, Listener, Path};
use super::output::{Bytes, Counted, Output, Transmit};
use super::slab::{Id, Slab};
use crate::build::OwnVia;
use crate::digits;
use crate::field::MAGIC_COOKIE;
use crate::header::Header;
use crate::message::Message;
use crate::transaction::key::{ClientKey, ServerKey};

/// A hasher of numbers that we give ourselves: whoever names a leg has shown its keyed token, and
/// keys of transactions and of merges are keyed hashes already, so nobody can aim at one bucket.
#[derive(Clone, Copy, Default)]
pub(super) struct Numbered;

/// See [`Numbered`].
#[derive(Default)]
pub(super) struct Mixer(u64);

impl BuildHasher for Numbered {
    type Hasher = Mixer;

    fn build_hasher(&self) -> Mixer {
        Mixer(0)
    }
}

impl Mixer {
    const fn mix(&mut self, number: u64) {
        // 2^64 divided by the golden ratio: odd, and its bits have no pattern.
        self.0 = (self.0.rotate_left(23) ^ number).wrapping_mul(0x9E37_79B9_7F4A_7C15);
    }
}

impl Hasher for Mixer {
    fn write(&mut self, bytes: &[u8]) {
        bytes.iter().for_each(|byte| self.mix(u64::from(*byte)));
    }

    fn write_u8(&mut self, number: u8) {
        self.mix(number.into());
    }

    fn write_u16(&mut self, number: u16) {
        self.mix(number.into());
    }

    fn write_u64(&mut self, number: u64) {
        self.mix(number);
    }

    fn finish(&self) -> u64 {
        // A table takes the lowest bits, and a product's best ones are the highest.
        self.0 ^ (self.0 >> 32)
    }
}

/// Bytes of a branch of ours: cookie, token, dot and 16 digits.
const BRANCH_LEN_MAX: usize = MAGIC_COOKIE.len() + TOKEN_LEN + 1 + 16;

/// See the module.
pub(super) struct Layer {
    pub(super) config: Config,
    pub(super) chance: Chance,
    pub(super) alarms: Alarms,
    out: VecDeque<Output>,
    servers: Slab<Server>,
    servers_lingering: Lingering,
    /// Those that only wait for copies, but for INVITEs that were refused.
    settled: SettledQueue,
    server_ids: HashMap<ServerKey, Place, Numbered>,
    /// Initial requests by From tag, Call-ID and CSeq (hashed under our key): merged requests.
    merges: HashMap<u64, Id, Numbered>,
    /// Failures of INVITEs that have no ACK: the newest one of each leg.
    refusals: HashMap<LegId, Id, Numbered>,
    /// Legs whose refusal was acknowledged, or given up.
    heeded: VecDeque<LegId>,
    clients: Slab<Client>,
    clients_lingering: Lingering,
    client_ids: HashMap<ClientKey, Id, Numbered>,
    /// Requests without a final response, by where they went: what an unreachable peer fails.
    underway: BTreeSet<(SocketAddr, Id)>,
    /// Peers that took no connection for a long request, and until when they are not asked again.
    no_stream: BTreeMap<SocketAddr, Tick>,
}

impl Layer {
    pub(super) fn new(config: Config) -> Layer {
        Layer {
            chance: Chance::new(config.chance_key),
            alarms: Alarms::default(),
            out: VecDeque::new(),
            servers: Slab::new(config.transactions_max),
            servers_lingering: Lingering::default(),
            settled: SettledQueue::default(),
            server_ids: HashMap::with_hasher(Numbered),
            merges: HashMap::with_hasher(Numbered),
            refusals: HashMap::with_hasher(Numbered),
            heeded: VecDeque::new(),
            clients: Slab::new(config.transactions_max),
            clients_lingering: Lingering::default(),
            client_ids: HashMap::with_hasher(Numbered),
            underway: BTreeSet::new(),
            no_stream: BTreeMap::new(),
            config,
        }
    }

    pub(super) fn pop(&mut self) -> Option<Output> {
        self.out.pop_front()
    }

    pub(super) fn push(&mut self, output: Output) {
        self.out.push_back(output);
    }

    pub(super) fn transmit(&mut self, path: Path, bytes: Bytes) {
        self.push(Output::Transmit(Transmit { path, bytes }));
    }

    pub(super) fn event(&mut self, leg: LegId, event: Event) {
        self.push(Output::Event(leg, event));
    }

    pub(super) fn count(&mut self, counted: Counted) {
        self.push(Output::Counted(counted));
    }

    /// Server and client transactions that still run.
    pub(super) fn transactions(&self) -> usize {
        self.served() + self.clients.len()
    }

    /// Server transactions.
    fn served(&self) -> usize {
        self.servers.len() + self.settled.len()
    }

    /// Of all these, those that have said their last word and only wait for copies of the peer's.
    pub(super) fn lingering(&self) -> usize {
        self.settled.len() + self.servers_lingering.len() + self.clients_lingering.len()
    }

    /// Most transactions of either side that may linger: half of the table is for those that work.
    const fn lingering_max(&self) -> usize {
        self.config.transactions_max / 2
    }

    /// Whether each key leads to a transaction and each transaction has its key.
    #[cfg(test)]
    pub(super) fn is_consistent(&self) -> bool {
        self.server_ids.len() == self.served()
            && self.client_ids.len() == self.clients.len()
            && self.underway.len() <= self.clients.len()
            && self.merges.len() <= self.served()
            && self.refusals.len() <= self.servers.len()
    }

    /// Whether a request that begins something still finds room.
    pub(super) fn has_room(&self) -> bool {
        let max = self.config.transactions_max - self.config.transactions_max / 4;
        self.served() < max && self.clients.len() < max
    }

    pub(super) fn listener(&self, index: u8) -> Option<Listener> {
        self.config.listeners.get(usize::from(index)).copied()
    }

    /// A new branch that names `token`'s leg.
    pub(super) fn branch(&mut self, token: &Token) -> Vec<u8> {
        let mut branch = Vec::with_capacity(BRANCH_LEN_MAX);
        branch.extend_from_slice(MAGIC_COOKIE);
        branch.extend_from_slice(token.as_str().as_bytes());
        branch.push(b'.');
        digits::hexadecimal(&mut branch, self.chance.next());
        branch
    }

    /// A new branch that names no leg.
    pub(super) fn free_branch(&mut self) -> Vec<u8> {
        [MAGIC_COOKIE, format!("r.{:x}", self.chance.next()).as_bytes()].concat()
    }

    /// Our Via on `path` with `branch`.
    pub(super) fn via<'a>(&self, path: &Path, branch: &'a [u8]) -> OwnVia<'a> {
        let sent_by = self.listener(path.listener).map_or(path.local, |l| l.advertised);
        OwnVia { transport: path.via_name(), sent_by, branch }
    }

    /// The leg that a tag or branch names.
    pub(super) fn leg_of(&self, token: &[u8]) -> Option<LegId> {
        token::open(&self.config.token_key, token)
    }

    //= rfc3261#section-8.2.7
    //# o  A stateless UAS MUST NOT send provisional (1xx) responses.
    //= rfc3261#section-8.2.7
    //# To header tags MUST be generated for responses in a stateless
    //# manner - in a manner that will generate the same tag for the
    //# same request consistently.
    /// Answers without keeping anything: the same request gets the same answer again.
    pub(super) fn answer_stateless(
        &mut self,
        request: Message<'_>,
        path: &Path,
        response: Response<'_>,
    ) {
        let branch = request.top_via().ok().and_then(|via| via.branch()).unwrap_or_default();
        let call_id = request.value(Header::SipCallId).unwrap_or_default();
        let mut tag = Vec::with_capacity(16);
        digits::hexadecimal(&mut tag, self.chance.of(&[branch, call_id]));
        let response = Response { tag: response.tag.or(Some(&tag)), ..response };
        match response.build(&self.config, request, path.peer) {
            Some(bytes) => self.transmit(reply_path(request, path), bytes),
            None => self.count(Counted::Unbuildable),
        }
    }

    /// Ends what is due; `None` when the alarm is not a transaction's.
    pub(super) fn wake(&mut self, sleeper: Sleeper, now: Tick) -> Option<Heard> {
        match sleeper {
            Sleeper::Server(id) => {
                self.wake_server(id, now);
                None
            }
            Sleeper::Settled => {
                self.wake_settled(now);
                None
            }
            Sleeper::Client(id) => self.wake_client(id, now),
            Sleeper::Leg(_) | Sleeper::Upstream(_) => None,
        }
    }
}

/// Where the answer to `request` goes: back by the connection, or as Via says (RFC 3581 4).
fn reply_path(request: Message<'_>, path: &Path) -> Path {
    let peer = match (path.transport, request.top_via()) {
        (strowger_link::Transport::Udp, Ok(via)) => via.reply_to(path.peer),
        _ => path.peer,
    };
    Path { peer, ..*path }
}
