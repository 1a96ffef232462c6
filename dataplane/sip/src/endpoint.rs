//! A SIP endpoint: transactions, dialogs and the legs of calls behind one machine without sockets.
//!
//! It turns datagrams into [`strowger_leg::Event`]s and carries out [`strowger_leg::Command`]s. It
//! answers by itself whatever needs no decision: retransmissions, malformed requests, OPTIONS,
//! CANCEL, BYE, requests of dialogs that are not there. It never decides where a call goes, who may
//! call, or what a description says: INVITE goes up as `Offered`, REGISTER as [`Outside`].
//!
//! To drive it: after every `handle_*` and every answer drain `poll_output` to `None`, then ask
//! `poll_timeout` when to call `handle_timeout`.
//!
//! ```text
//! handle_datagram(bytes, path, now, keys)     Transmit  bytes for the network
//! handle_command(leg, command, now)       ->  Event     for the leg's call
//! handle_timeout(now)                         Request   REGISTER and such, to be answered
//! handle_unreachable(peer, now)               Upstream  how our registrations stand
//! handle_disconnected(..)
//! handle_upstream(order, now)                 Name      a host name, to be looked up
//! located(leg, name, addresses)               Counted   for the counters
//! ```
//!
//! To outlive its process, drain `poll_touched` as well and keep what `freeze` gives for each leg
//! before the outputs reach the network; a later endpoint takes the legs back with `thaw`. A leg's
//! image is wanted until `poll_let_go` names the leg, which may be after its last event.
//!
//! A leg is found by the keyed token in our tag, a transaction of ours by its branch; Call-ID and
//! the peer's tag are compared all the same, so junk finds nothing. The order of reading: this
//! file, then `leg` (the usages of INVITE), then `layer` (the transactions below).

mod alarm;
mod body;
pub(crate) mod config;
mod diverted;
mod elsewhere;
mod gate;
mod image;
mod layer;
mod leg;
mod offer;
mod output;
mod outside;
mod pager;
mod proof;
mod revival;
mod slab;
mod tie;
mod upstream;
pub(crate) mod wallet;

pub use config::{Config, Listener, Path};
pub use elsewhere::{alias, elsewhere, next_host};
pub use image::{ThawError, Thawed};
pub use output::{Bytes, Counted, Lookup, Output, Outside, OutsideBody, RequestId, Transmit};

use std::collections::{BTreeSet, HashMap};
use std::net::SocketAddr;

use strowger_leg::{Command, Event, Invite, Offer, Replaces as Place};
use strowger_link::token::{self, Token};
use strowger_link::{Cause, Challenge, LegId, SESSION_S_MIN, Tick, Transport};

use alarm::Sleeper;
use layer::{Arrived, Heard, Layer, Numbered, Owner, Response, Whose};
use leg::{Leg, Offering, Replaced, Replaces, is_private};
use proof::Holder;
use upstream::Upstreams;

use crate::digest::{Credentials, Nonces};
use crate::header::Header;
use crate::message::{Index, Message, Refusal};
use crate::method::Method;
use crate::status::Status;
use crate::transaction::key::ServerKey;

/// The longest Retry-After of a node that is full, in seconds.
const RETRY_AFTER_S_MAX: u32 = 3;

/// What an endpoint asks of whoever owns slots and sources. Only a handful of look-ups in memory.
pub trait LegKeys {
    /// The identity of a new inbound leg; `None` when no slot is free: 503.
    fn open(&mut self) -> Option<LegId>;

    /// The identity of a new inbound leg of the call that has `leg`, which another shard's party
    /// takes the place of.
    ///
    /// # Errors
    /// Why it cannot: 481 when there is no such place, 491 while something else is under way. So it
    /// is with whoever knows one shard only.
    fn open_beside(&mut self, leg: LegId) -> Result<LegId, Cause> {
        let _of_no_other_shard = leg;
        Err(Cause::from_sip(481))
    }

    /// The leg just opened came to nothing: no call will hear of it.
    fn close(&mut self, leg: LegId);

    /// What a request outside dialogs must show before anybody hears of it.
    fn admission(&self, path: &Path, method: Method) -> Admission<'_>;

    /// Whether two addresses belong to one party that has several, as the nodes of a carrier do: a
    /// request of a dialog with one of them is taken from the other as well.
    fn is_one_party(&self, one: SocketAddr, other: SocketAddr) -> bool;
}

/// How a source is received.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Admission<'a> {
    /// Its INVITEs pass without credentials: a known trunk. REGISTER never does: `Challenge` it.
    Open,
    /// It must show credentials for this realm.
    Challenge(&'a Challenge),
    /// As `Challenge`, but whoever shows none is not answered: it was challenged too often.
    Prove(&'a Challenge),
    /// As `Challenge`, but who shows no credentials passes without: a guest.
    Guest(&'a Challenge),
    /// It is refused, whatever it shows: 403.
    Refuse,
    /// It is not answered.
    Deny,
    /// Nobody can be received now: 503 with Retry-After.
    Unready,
}

/// See the module.
pub struct Endpoint {
    layer: Layer,
    legs: HashMap<LegId, Box<Leg>, Numbered>,
    /// Legs whose images are out of date.
    touched: BTreeSet<LegId>,
    /// Legs whose peers are owed nothing any more.
    let_go: BTreeSet<LegId>,
    upstreams: Upstreams,
    /// The shards of this process, if it has several.
    shards: Option<tie::Shards>,
}

/// A valid request with the way it came.
#[derive(Clone, Copy)]
struct Incoming<'a> {
    request: Message<'a>,
    method: Method,
    path: Path,
    now: Tick,
}

impl Endpoint {
    /// An endpoint without legs.
    #[must_use]
    pub fn new(config: Config) -> Endpoint {
        let legs = HashMap::with_hasher(Numbered);
        let (touched, let_go) = (BTreeSet::new(), BTreeSet::new());
        let upstreams = Upstreams::default();
        Endpoint { layer: Layer::new(config), legs, touched, let_go, upstreams, shards: None }
    }

    /// Nonces are made and judged under another key from now on: the edge snapshot's.
    pub fn set_nonces(&mut self, nonces: Nonces) {
        self.layer.config.nonces = nonces;
    }

    /// A datagram, or one message of a stream, came by `path`.
    pub fn handle_datagram(&mut self, bytes: &[u8], path: Path, now: Tick, keys: &mut dyn LegKeys) {
        let mut index = Index::new();
        let message = match Message::parse(bytes, &mut index) {
            Ok(message) => message,
            Err(refusal) => {
                return self.refuse_malformed(Message::salvage(bytes, &index), &path, refusal);
            }
        };
        if let Err(refusal) = message.validate() {
            return self.refuse_malformed(message, &path, refusal);
        }
        match (message.method(), message.status()) {
            (Some(method), _) => {
                self.handle_request(Incoming { request: message, method, path, now }, keys);
            }
            (None, Some(status)) => self.handle_response(message, status, &path, now),
            (None, None) => {}
        }
    }

    /// The begin of a message of a stream whose end cannot be known (no Content-Length, a bad one,
    /// or one beyond bounds, `is_long`). It is answered if it is a request; the connection is of
    /// no more use.
    //= rfc3261#section-18.3
    //# The Content-
    //# Length header field MUST be used with stream oriented transports.
    pub fn refuse_unframed(&mut self, head: &[u8], path: Path, is_long: bool) {
        let mut index = Index::new();
        // Whatever else is wrong with it, this comes first.
        let _known = Message::parse(head, &mut index);
        let message = Message::salvage(head, &index);
        if !is_long {
            return self.refuse_malformed(message, &path, Refusal::ContentLength);
        }
        let request = message.method().is_some_and(|method| method != Method::Ack);
        if request && message.top_via().is_ok() && message.value(Header::CSeq).is_some() {
            self.layer.count(Counted::Refused(Refusal::TooLong));
            self.layer.answer_stateless(message, &path, Response::new(513));
        } else {
            self.layer.count(Counted::Dropped(Refusal::TooLong));
        }
    }

    /// A call tells a leg what to do. `Invite` begins the leg.
    pub fn handle_command(&mut self, id: LegId, command: Command, now: Tick) {
        if let Command::Invite(order) = command {
            return self.begin(id, order, now);
        }
        match self.legs.get_mut(&id) {
            Some(leg) => leg.handle_command(command, &mut self.layer, now),
            // It ended in the same moment.
            None => self.layer.count(Counted::Misuse),
        }
        self.settle(id);
    }

    /// Where a name of [`Output::Name`] leads, in the order to try; nowhere without addresses.
    pub fn located(&mut self, id: LegId, (host, port): (&str, u16), addresses: &[SocketAddr]) {
        // A leg that is gone needs nothing any more.
        let Some(leg) = self.legs.get_mut(&id) else { return };
        leg.led((host, port), addresses, &mut self.layer);
        self.settle(id);
    }

    fn begin(&mut self, id: LegId, order: Box<Invite>, now: Tick) {
        let Some(token) = self.seal(id) else { return self.layer.count(Counted::Misuse) };
        if !self.make_room() {
            self.layer.count(Counted::Full);
            let cause = Cause::from_sip(503);
            let refused = Event::Refused { cause, contacts: Vec::new(), silent: false };
            return self.layer.event(id, refused);
        }
        let leg = Leg::calling(id, token, order, &mut self.layer, now);
        self.legs.insert(id, Box::new(leg));
        self.settle(id);
    }

    /// Makes room for one more leg; whether there is some now. Legs that are over linger for as
    /// long as the transactions that they answer for, which is 32 seconds of all calls: once they
    /// hold too much of the table, the oldest go early.
    fn make_room(&mut self) -> bool {
        let max = self.layer.config.legs_max;
        if self.legs.len() >= max - max / 4 {
            // Its INVITE and its BYE.
            self.layer.hurry_client();
            self.layer.hurry_client();
        }
        self.legs.len() < max
    }

    /// Fires everything that is due at `now`.
    pub fn handle_timeout(&mut self, now: Tick) {
        // Each alarm that fires moves behind `now` or goes, so this ends; the bound says so.
        for _ in 0..=self.layer.alarms.len() {
            let Some(sleeper) = self.layer.alarms.due(now) else { return };
            if let Sleeper::Upstream(number) = sleeper {
                self.upstreams.handle_timeout(number, &mut self.layer, now);
            } else if let Sleeper::Leg(id) = sleeper {
                if let Some(leg) = self.legs.get_mut(&id) {
                    leg.handle_timeout(&mut self.layer, now);
                }
                self.settle(id);
            } else if let Some(heard) = self.layer.wake(sleeper, now) {
                self.handle_heard(heard, None, now);
            }
        }
    }

    /// The network says that datagrams do not reach `peer` (ICMP port unreachable): what was sent
    /// there and has no answer fails now.
    pub fn handle_unreachable(&mut self, peer: SocketAddr, now: Tick) {
        self.fail(Some(peer), |path| path.transport == Transport::Udp, now);
    }

    /// A connection to `peer` came to nothing or is gone: what was sent by it and has no answer
    /// fails now. `flow` is its token, or that of the one that was to be used and is not there.
    pub fn handle_disconnected(
        &mut self,
        transport: Transport,
        peer: SocketAddr,
        flow: u64,
        now: Tick,
    ) {
        let by_it = |path: &Path| match path.flow {
            0 => path.peer == peer,
            named => named == flow,
        };
        let peer = Some(peer).filter(|_| flow == 0);
        self.fail(peer, |path| path.transport == transport && by_it(path), now);
    }

    fn fail(&mut self, peer: Option<SocketAddr>, wanted: impl Fn(&Path) -> bool, now: Tick) {
        for id in self.layer.clients_by(peer, wanted) {
            if let Some(heard) = self.layer.fail_client(id, now) {
                self.handle_heard(heard, None, now);
            }
        }
    }

    /// When to call `handle_timeout`; `None` while nothing waits.
    #[must_use]
    pub fn poll_timeout(&self) -> Option<Tick> {
        self.layer.alarms.next()
    }

    /// The next effect; drain to `None`.
    pub fn poll_output(&mut self) -> Option<Output> {
        self.layer.pop()
    }

    /// Legs, those included that are over for their calls and linger.
    #[must_use]
    pub fn legs(&self) -> usize {
        self.legs.len()
    }

    /// Transactions that still run.
    #[must_use]
    pub fn transactions(&self) -> usize {
        self.layer.transactions()
    }

    /// Of these, those that only wait for copies of what the peer has said: memory, no work.
    #[must_use]
    pub const fn lingering(&self) -> usize {
        self.layer.lingering()
    }

    /// Alarms that are set: at most one for each leg, transaction and registration.
    #[must_use]
    pub fn alarms(&self) -> usize {
        self.layer.alarms.len()
    }

    //= rfc3261#section-8.1.3.3
    //# If more than one Via header field value is present in a response, the
    //# UAC SHOULD discard the message.
    fn handle_response(&mut self, response: Message<'_>, status: Status, path: &Path, now: Tick) {
        let single = response.elements(Header::Via).nth(1).is_none();
        match single.then(|| self.layer.hear(response, status, now)).flatten() {
            Some(heard) => self.handle_heard(heard, Some(response), now),
            None if single && self.handle_former(response, status, now) => {}
            None if single && self.acknowledge_unknown(response, status, path) => {}
            None => self.layer.count(Counted::StrayResponse),
        }
    }

    fn handle_heard(&mut self, heard: Heard, response: Option<Message<'_>>, now: Tick) {
        match heard.whose {
            Whose::Leg(id, role) => {
                if let Some(leg) = self.legs.get_mut(&id) {
                    leg.handle_heard(&heard, role, response, &mut self.layer, now);
                    self.settle(id);
                }
            }
            Whose::Page(server) => self.page_heard(server, &heard, response, now),
            Whose::Upstream(number) => {
                self.upstreams.handle_heard(number, &heard, response, &mut self.layer, now);
            }
        }
    }

    /// After every event of a leg: its alarm is set anew, its image is out of date, or it goes.
    fn settle(&mut self, id: LegId) {
        let Some(leg) = self.legs.get_mut(&id) else { return };
        leg.rearm(&mut self.layer);
        let (touched, told) = (leg.take_touched(), leg.is_told());
        if leg.is_gone() {
            self.legs.remove(&id);
        }
        if told && !self.owes(id) {
            self.touched.remove(&id);
            self.let_go.insert(id);
        } else if touched {
            self.touched.insert(id);
        }
    }

    /// Answers a malformed request, if its sender can know the answer for its own: a response is
    /// told by the branch of the topmost Via and the method in CSeq (RFC 3261 17.1.3). A Via that
    /// nobody can read goes back as it came (RFC 4475 3.1.2.1).
    fn refuse_malformed(&mut self, message: Message<'_>, path: &Path, refusal: Refusal) {
        let request = message.method().is_some_and(|method| method != Method::Ack);
        let known = [Header::Via, Header::CSeq].iter().all(|h| message.value(*h).is_some());
        let Some(status) = refusal.answer().filter(|_| request && known) else {
            return self.layer.count(Counted::Dropped(refusal));
        };
        let (what, which) = refusal.phrase();
        let phrase = [what, which];
        let response = Response { phrase: &phrase, ..Response::new(status.code()) };
        self.layer.count(Counted::Refused(refusal));
        self.layer.answer_stateless(message, path, response);
    }

    fn handle_request(&mut self, incoming: Incoming<'_>, keys: &mut dyn LegKeys) {
        let Incoming { request, method, path, now } = incoming;
        if method == Method::Cancel {
            return self.handle_cancel(incoming, keys);
        }
        match self.layer.arrive(request, method, now) {
            Ok(Arrived::Absorbed) => {}
            Ok(Arrived::Ack(id)) => self.handle_ack(incoming, Some(id), keys),
            Ok(Arrived::Unmatched) => {
                let tag = request.to().ok().and_then(|to| to.tag());
                let id = tag.and_then(|tag| self.layer.leg_of(tag));
                self.handle_ack(incoming, id, keys);
            }
            // RFC 3891 3: no other request takes anybody's place.
            Ok(Arrived::New(_)) if method != Method::Invite && replaces(request) => {
                self.bar(incoming, &gate::Bar::new(400));
            }
            Ok(Arrived::New(key)) => {
                if request.to().is_ok_and(|to| to.tag().is_some()) {
                    self.handle_in_dialog(incoming, key, keys);
                } else {
                    self.handle_initial(incoming, key, keys);
                }
            }
            Err(_) => self.refuse_malformed(request, &path, Refusal::Field(Header::Via)),
        }
    }

    fn handle_ack(&mut self, incoming: Incoming<'_>, id: Option<LegId>, keys: &dyn LegKeys) {
        let Incoming { request, path, now, .. } = incoming;
        let leg = id.and_then(|id| self.legs.get_mut(&id));
        let (Some(leg), Ok(cseq)) = (leg.filter(|leg| leg.owns_request(request)), request.cseq())
        else {
            return self.layer.count(Counted::StrayAck);
        };
        if !leg.is_party(&path, keys) {
            return self.layer.count(Counted::Elsewhere);
        }
        // A body that is no description cannot be refused any more; it counts as none.
        let body = body::session(request);
        leg.handle_ack(cseq.number, body, &mut self.layer, now);
        let id = leg.id;
        self.settle(id);
    }

    /// CANCEL is answered without state: as long as the INVITE's transaction lives, 200 again.
    fn handle_cancel(&mut self, incoming: Incoming<'_>, keys: &dyn LegKeys) {
        let Incoming { request, path, now, .. } = incoming;
        let Some((id, tag)) = self.layer.cancelled(request) else {
            self.layer.count(Counted::NoTransaction);
            return self.layer.answer_stateless(request, &path, Response::new(481));
        };
        if self.legs.get(&id).is_some_and(|leg| !leg.is_party(&path, keys)) {
            self.layer.count(Counted::Elsewhere);
            return self.layer.answer_stateless(request, &path, Response::new(481));
        }
        let ok = Response { tag: tag.as_deref(), ..Response::new(200) };
        self.layer.answer_stateless(request, &path, ok);
        if let Some(leg) = self.legs.get_mut(&id) {
            leg.handle_cancel(request, &mut self.layer, now);
            self.settle(id);
        }
    }

    /// Whoever knows Call-ID and tags is not yet the party: a request from an address that is none
    /// of its own has to be proved.
    fn handle_in_dialog(&mut self, incoming: Incoming<'_>, key: ServerKey, keys: &dyn LegKeys) {
        let Incoming { request, method, path, now } = incoming;
        let tag = request.to().ok().and_then(|to| to.tag());
        let id = tag.and_then(|tag| self.layer.leg_of(tag));
        let leg = id.and_then(|id| self.legs.get(&id));
        // The BYEs of both sides may cross: ours is out, and theirs is as good (15.1.2).
        let lives = |leg: &Leg| method == Method::Bye || !leg.is_over();
        let Some(leg) = leg.filter(|leg| leg.owns_request(request) && lives(leg)) else {
            self.layer.count(Counted::NoDialog);
            return self.layer.answer_stateless(request, &path, Response::new(481));
        };
        let id = leg.id;
        if !leg.is_party(&path, keys) {
            self.layer.count(Counted::Elsewhere);
            return self.handle_elsewhere(incoming, key, id, keys);
        }
        let replaced = self.replaced(incoming, keys);
        let Some(leg) = self.legs.get_mut(&id) else { return };
        leg.follow(&path);
        match self.layer.serve(key, request, &path, Owner::Leg(id), now) {
            Some(tx) => leg.handle_request(request, method, tx, replaced, &mut self.layer, now),
            None => self.refuse_full(incoming),
        }
        self.settle(id);
    }

    /// The dialog that a REFER wants replaced: one of the sender's own (RFC 3891 4).
    fn replaced(&self, incoming: Incoming<'_>, keys: &dyn LegKeys) -> Replaced {
        let Incoming { request, method, path, .. } = incoming;
        let asked = if method == Method::Refer { Replaces::of(request) } else { None };
        let replaces = match asked {
            None => return Replaced::None,
            Some(Err(())) => return Replaced::Unknown,
            Some(Ok(replaces)) => replaces,
        };
        let tags = [replaces.to_tag.as_slice(), replaces.from_tag.as_slice()];
        let mut legs = tags.into_iter().filter_map(|tag| self.layer.leg_of(tag));
        let found = legs.find(|id| {
            let leg = self.legs.get(id);
            leg.is_some_and(|leg| leg.is_meant(&replaces) && leg.is_party(&path, keys))
        });
        match found {
            Some(leg) => Replaced::Leg(leg),
            None => self.replaced_abroad(&replaces, &path),
        }
    }

    fn handle_initial(&mut self, incoming: Incoming<'_>, key: ServerKey, keys: &mut dyn LegKeys) {
        let Incoming { request, method, path, .. } = incoming;
        if path.shard().is_some() {
            return self.handle_tie(incoming, key, keys);
        }
        let admission = keys.admission(&path, method);
        if admission == Admission::Unready {
            return self.refuse_full(incoming);
        }
        if admission == Admission::Deny {
            return self.layer.count(Counted::Denied);
        }
        if admission == Admission::Refuse {
            return self.bar(incoming, &gate::Bar::new(403));
        }
        if method == Method::Options {
            return self.answer_options(incoming);
        }
        let outside = self.layer.config.outside.contains(&method);
        if method != Method::Invite && !outside {
            return self.refuse_outside(incoming);
        }
        let Some(credentials) = self.admit(incoming, admission) else { return };
        if self.layer.is_merged(request) {
            self.layer.count(Counted::Merged);
            return self.layer.answer_stateless(request, &path, Response::new(482));
        }
        if !self.layer.has_room() {
            return self.refuse_full(incoming);
        }
        if method == Method::Invite {
            self.handle_invite(incoming, key, credentials, keys);
        } else {
            self.handle_outside(incoming, key, credentials);
        }
    }

    /// A request that nobody takes outside dialogs.
    fn refuse_outside(&mut self, incoming: Incoming<'_>) {
        let Incoming { request, method, path, .. } = incoming;
        let bar = match method {
            // Of a dialog, a usage of one or a subscription that we do not have: they begin none.
            Method::Bye | Method::Info | Method::Update | Method::Prack | Method::Notify => {
                self.layer.count(Counted::NoDialog);
                return self.layer.answer_stateless(request, &path, Response::new(481));
            }
            Method::Subscribe => gate::Bar::with(489, Header::AllowEvents, gate::EVENTS),
            // RFC 3515 2.4.4 would make a dialog of it; we put through who is in a call.
            Method::Refer => gate::Bar::new(403),
            Method::Invite
            | Method::Ack
            | Method::Cancel
            | Method::Register
            | Method::Options
            | Method::Message
            | Method::Publish
            | Method::Other => gate::method_not_taken(method, &gate::allow(&self.layer.config)),
        };
        self.bar(incoming, &bar);
    }

    /// The credentials of a request that may pass; `None` when it was answered.
    fn admit<'a>(
        &mut self,
        incoming: Incoming<'a>,
        admission: Admission<'_>,
    ) -> Option<Option<Credentials<'a>>> {
        let Incoming { request, path, now, .. } = incoming;
        let (challenge, is_silent) = match admission {
            Admission::Challenge(challenge) => (challenge, false),
            Admission::Prove(challenge) => (challenge, true),
            Admission::Guest(challenge) => {
                let realm = Some(challenge.realm.as_bytes());
                return self.admit_guest(incoming, challenge, realm);
            }
            // A trunk may have to show credentials beside its address.
            Admission::Open if request.value(Header::Authorization).is_some() => {
                let shown = gate::credentials(request, None, &path, &self.layer.config, now);
                let gate::Shown::Fresh(credentials) = shown else { return Some(None) };
                return Some(Some(credentials));
            }
            Admission::Open | Admission::Refuse | Admission::Deny | Admission::Unready => {
                return Some(None);
            }
        };
        let realm = challenge.realm.as_bytes();
        match gate::credentials(request, Some(realm), &path, &self.layer.config, now) {
            gate::Shown::Fresh(credentials) => Some(Some(credentials)),
            gate::Shown::Stale | gate::Shown::Nothing if is_silent => {
                self.layer.count(Counted::Unchallenged);
                None
            }
            gate::Shown::Stale => {
                self.layer.count(Counted::Stale);
                self.challenge(incoming, challenge, true);
                None
            }
            gate::Shown::Nothing => {
                self.layer.count(Counted::Challenged);
                self.challenge(incoming, challenge, false);
                None
            }
        }
    }

    /// Right credentials are taken, none are none; a nonce that is too old is worth another.
    fn admit_guest<'a>(
        &mut self,
        incoming: Incoming<'a>,
        challenge: &Challenge,
        realm: Option<&[u8]>,
    ) -> Option<Option<Credentials<'a>>> {
        let Incoming { request, path, now, .. } = incoming;
        match gate::credentials(request, realm, &path, &self.layer.config, now) {
            gate::Shown::Fresh(credentials) => Some(Some(credentials)),
            gate::Shown::Nothing => Some(None),
            gate::Shown::Stale => {
                self.layer.count(Counted::Stale);
                self.challenge(incoming, challenge, true);
                None
            }
        }
    }

    fn challenge(&mut self, incoming: Incoming<'_>, challenge: &Challenge, stale: bool) {
        let Incoming { request, path, now, .. } = incoming;
        let values = gate::challenges(challenge, stale, &path, &self.layer.config, now);
        let name = Header::WwwAuthenticate.name();
        let fields: Vec<(&str, &[u8])> = values.iter().map(|v| (name, v.as_slice())).collect();
        let response = Response { fields: &fields, ..Response::new(401) };
        self.layer.answer_stateless(request, &path, response);
    }

    fn handle_invite(
        &mut self,
        incoming: Incoming<'_>,
        key: ServerKey,
        credentials: Option<Credentials<'_>>,
        keys: &mut dyn LegKeys,
    ) {
        let Incoming { request, path, now, .. } = incoming;
        let replaces = gate::check_invite(request)
            .and_then(|()| leg::too_short(request, SESSION_S_MIN))
            .and_then(|()| self.check_replaces(request));
        let replaces = match replaces {
            Ok(replaces) => replaces,
            Err(bar) => return self.bar(incoming, &bar),
        };
        if !self.make_room() {
            return self.refuse_full(incoming);
        }
        let Some(id) = keys.open() else { return self.refuse_full(incoming) };
        let opened = self.seal(id).and_then(|token| {
            let tx = self.layer.serve(key, request, &path, Owner::Leg(id), now)?;
            Some((token, tx))
        });
        let Some((token, tx)) = opened else {
            keys.close(id);
            return self.refuse_full(incoming);
        };
        let holder = credentials.map(|credentials| Box::new(Holder::sender(&credentials)));
        let offer = Offer { replaces, ..offer::offer(request, &path, credentials) };
        let offering = Offering { id, token, path, request, tx, nated: offer.nated, holder };
        match Leg::offered(&offering, &mut self.layer, now) {
            Ok(leg) => {
                leg.tell_offered(offer, &mut self.layer);
                self.legs.insert(id, Box::new(leg));
                self.settle(id);
            }
            Err(refusal) => {
                keys.close(id);
                self.layer.count(Counted::Refused(refusal));
                self.layer.respond_plain(tx, 400, token.as_str().as_bytes(), now);
            }
        }
    }

    /// Whose place an INVITE wants to take (RFC 3891 3), if anybody's. Whether its sender may is
    /// not decided here.
    fn check_replaces(&self, request: Message<'_>) -> Result<Option<Box<Place>>, gate::Bar> {
        let mut values = request.values(Header::Replaces);
        let Some(value) = values.next() else { return Ok(None) };
        // RFC 3911 section 4: an INVITE cannot join and replace.
        let joins = request.value(Header::Join).is_some();
        let replaces = Replaces::parse(value).filter(|_| values.next().is_none() && !joins);
        let replaces = replaces.ok_or(gate::Bar::new(400))?;
        let tags = [replaces.to_tag.as_slice(), replaces.from_tag.as_slice()];
        let mut legs = tags.into_iter().filter_map(|tag| self.layer.leg_of(tag));
        let found = legs.find_map(|id| {
            let place = self.legs.get(&id)?.place(&replaces)?;
            Some(place.map(|ringing| (id, ringing)))
        });
        let (leg, ringing) = found.unwrap_or(Err(481)).map_err(gate::Bar::new)?;
        let named = String::from_utf8_lossy(value).into_owned();
        Ok(Some(Box::new(Place { leg, ringing, named })))
    }

    /// The token of a leg that is not there yet.
    fn seal(&self, id: LegId) -> Option<Token> {
        let token = token::seal(&self.layer.config.token_key, id);
        token.filter(|_| !self.legs.contains_key(&id))
    }

    //= rfc3261#section-11.2
    //# The
    //# response code chosen MUST be the same that would have been chosen had
    //# the request been an INVITE.
    /// A keep-alive and a look at what we speak; whether a call would be taken only a call shows.
    fn answer_options(&mut self, incoming: Incoming<'_>) {
        if let Err(bar) = gate::check_require(incoming.request) {
            return self.bar(incoming, &bar);
        }
        let allow = gate::allow(&self.layer.config);
        let fields: [(&str, &[u8]); 4] = [
            (Header::Allow.name(), allow.as_bytes()),
            (Header::Accept.name(), gate::ACCEPT),
            (Header::Supported.name(), gate::SUPPORTED_FIELD),
            (Header::AllowEvents.name(), gate::EVENTS),
        ];
        let response = Response { fields: &fields, ..Response::new(200) };
        self.layer.answer_stateless(incoming.request, &incoming.path, response);
    }

    fn bar(&mut self, incoming: Incoming<'_>, bar: &gate::Bar) {
        self.layer.count(Counted::Barred(bar.status));
        let layer = &mut self.layer;
        bar.answer(|response| layer.answer_stateless(incoming.request, &incoming.path, response));
    }

    fn refuse_full(&mut self, incoming: Incoming<'_>) {
        self.layer.count(Counted::Full);
        let seconds = (1 + self.layer.chance.up_to(RETRY_AFTER_S_MAX - 1)).to_string();
        let fields: [(&str, &[u8]); 1] = [(Header::RetryAfter.name(), seconds.as_bytes())];
        let response = Response { fields: &fields, ..Response::new(503) };
        self.layer.answer_stateless(incoming.request, &incoming.path, response);
    }
}

fn replaces(request: Message<'_>) -> bool {
    request.value(Header::Replaces).is_some()
}

#[cfg(test)]
mod tests;
