//! Server transactions: requests of peers and our answers.

use strowger_link::{LegId, Tick};

use super::super::alarm::{Sleeper, forgotten_at};
use super::super::config::Path;
use super::super::image::ThawError;
use super::super::output::{Bytes, Counted};
use super::super::slab::Id;
use super::settled::Rest;
use super::{Layer, Response, reply_path};
use crate::build::ReplyHead;
use crate::field::MAGIC_COOKIE;
use crate::header::Header;
use crate::message::{Index, Message};
use crate::method::Method;
use crate::transaction::key::{KeyError, LegacyParts, ServerKey};
use crate::transaction::{ResponseClass, ServerInvite, ServerNonInvite, ServerOutput, Trying};

/// Where the transaction of a key is.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Place {
    /// In the table.
    Live(Id),
    /// Among those that only wait for copies, by its number there.
    Settled(u64),
}

/// One server transaction.
pub(in super::super) struct Server {
    pub(super) key: ServerKey,
    pub(super) merge: Option<u64>,
    machine: Machine,
    /// What our responses have of the request; gone once the final one is out.
    head: Option<Box<ReplyHead>>,
    /// The request, for whoever may want to read it again; gone with the head.
    request: Option<Bytes>,
    /// Our failure of an INVITE, until its ACK.
    refusal: Option<Bytes>,
    path: Path,
    /// Where responses go.
    reply: Path,
    owner: Owner,
    /// The To tag of our responses, to compare with the ACK of an RFC 2543 client.
    tag: Option<Box<[u8]>>,
    pub(super) armed: Option<Tick>,
    /// It is counted among those that linger.
    lingers: bool,
    /// It lingers no longer: its place is wanted.
    hurried: bool,
}

/// Who answers a request.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(in super::super) enum Owner {
    /// A leg.
    Leg(LegId),
    /// Whoever is asked above us, until this time.
    Outside(Tick),
    /// Whoever is asked above us whether the sender is this leg's party, until this time.
    Proof(LegId, Tick),
}

impl Owner {
    /// Until when somebody above us may answer.
    const fn deadline(self) -> Option<Tick> {
        match self {
            Owner::Leg(_) => None,
            Owner::Outside(at) | Owner::Proof(_, at) => Some(at),
        }
    }
}

enum Machine {
    Invite(ServerInvite<Bytes>),
    Other(ServerNonInvite<Bytes>),
}

impl Machine {
    fn respond(&mut self, class: ResponseClass, response: Bytes, now: Tick) {
        match self {
            Machine::Invite(machine) => machine.respond(class, response, now),
            Machine::Other(machine) => machine.respond(class, response, now),
        }
    }

    fn handle_timeout(&mut self, now: Tick) {
        match self {
            Machine::Invite(machine) => machine.handle_timeout(now),
            Machine::Other(machine) => machine.handle_timeout(now),
        }
    }

    fn poll_output(&mut self) -> Option<ServerOutput<Bytes>> {
        match self {
            Machine::Invite(machine) => machine.poll_output(),
            Machine::Other(machine) => machine.poll_output(),
        }
    }

    fn poll_timeout(&self) -> Option<Tick> {
        match self {
            Machine::Invite(machine) => machine.poll_timeout(),
            Machine::Other(machine) => machine.poll_timeout(),
        }
    }

    const fn is_lingering(&self) -> bool {
        match self {
            Machine::Invite(machine) => machine.is_lingering(),
            Machine::Other(machine) => machine.is_lingering(),
        }
    }
}

/// What a request is known by that no transaction has.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(in super::super) struct Known {
    key: ServerKey,
    /// The hash by which it is known that it came by another way as well; of one inside a dialog
    /// there is none.
    merge: Option<u64>,
}

impl Known {
    const fn by(key: ServerKey) -> Known {
        Known { key, merge: None }
    }
}

/// What a request from the network is to the transactions.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(in super::super) enum Arrived {
    /// New: to be served as what it is known by.
    New(Known),
    /// It ended at its transaction.
    Absorbed,
    /// An ACK for a 2xx, sent with the branch of the INVITE, for this leg.
    Ack(LegId),
    /// An ACK that matches no transaction: a dialog's, or nobody's.
    Unmatched,
}

impl Layer {
    /// Gives `request` to the transaction it belongs to.
    ///
    /// # Errors
    /// Its parts are too long for a key.
    pub(in super::super) fn arrive(
        &mut self,
        request: Message<'_>,
        method: Method,
        now: Tick,
    ) -> Result<Arrived, KeyError> {
        let key = self.key_of(request, None)?;
        let id = match self.server_ids.get(&key).copied() {
            None if method == Method::Ack => return Ok(Arrived::Unmatched),
            None => return Ok(Arrived::New(Known::by(key))),
            Some(Place::Settled(number)) => {
                let again = self.arrive_again(number, request, method);
                return Ok(again.unwrap_or(Arrived::New(Known::by(key))));
            }
            Some(Place::Live(id)) => id,
        };
        let Some(server) = self.servers.get_mut(id) else {
            return Ok(Arrived::New(Known::by(key)));
        };
        // The key of an RFC 2543 request leaves the comparison of this tag to us.
        if method == Method::Ack && is_legacy(request) && !server.has_tag_of(request) {
            return Ok(Arrived::Unmatched);
        }
        match (&mut server.machine, method == Method::Ack) {
            (Machine::Invite(machine), true) => machine.handle_ack(now),
            (Machine::Invite(machine), false) => machine.handle_invite(),
            (Machine::Other(machine), false) => machine.handle_request(),
            (Machine::Other(_), true) => {}
        }
        let owner = server.owner;
        if method == Method::Ack {
            self.heed(id);
        }
        let delivered = self.settle_server(id);
        Ok(match owner {
            Owner::Leg(leg) if delivered => Arrived::Ack(leg),
            Owner::Leg(_) | Owner::Outside(_) | Owner::Proof(..) => Arrived::Absorbed,
        })
    }

    /// The leg of the INVITE that a CANCEL means, and the To tag of its responses.
    pub(in super::super) fn cancelled(
        &self,
        cancel: Message<'_>,
    ) -> Option<(LegId, Option<Box<[u8]>>)> {
        let key = self.key_of(cancel, Some(b"INVITE")).ok()?;
        let server = match *self.server_ids.get(&key)? {
            Place::Live(id) => self.servers.get(id)?,
            Place::Settled(number) => {
                return match &self.settled.get(number)?.rest {
                    Rest::Accepted { leg, tag } => Some((*leg, tag.clone())),
                    Rest::Response { .. } => None,
                };
            }
        };
        match server.owner {
            Owner::Leg(leg) => Some((leg, server.tag.clone())),
            Owner::Outside(_) | Owner::Proof(..) => None,
        }
    }

    //= rfc3261#section-8.2.2.2
    //# If the From tag,
    //# Call-ID, and CSeq exactly match those associated with an ongoing
    //# transaction, but the request does not match that transaction (based
    //# on the matching rules in Section 17.2.3), the UAS core SHOULD
    //# generate a 482 (Loop Detected) response and pass it to the server
    //# transaction.
    /// Whether the same initial request came before by another way.
    pub(in super::super) fn is_merged(&self, known: Known) -> bool {
        known.merge.is_some_and(|merge| self.merges.contains_key(&merge))
    }

    /// The same, of a request that begins something.
    pub(in super::super) fn known_anywhere(&self, known: Known, request: Message<'_>) -> Known {
        Known { merge: self.merge_key(request), ..known }
    }

    /// What a request is known by that no transaction has.
    ///
    /// # Errors
    /// `Malformed` or `Known`.
    pub(in super::super) fn unserved(&self, request: Message<'_>) -> Result<Known, ThawError> {
        let key = self.key_of(request, None).map_err(|_| ThawError::Malformed)?;
        if self.server_ids.contains_key(&key) {
            return Err(ThawError::Known);
        }
        let initial = request.to().is_ok_and(|to| to.tag().is_none());
        let known = Known::by(key);
        Ok(if initial { self.known_anywhere(known, request) } else { known })
    }

    /// Takes up the transaction of an INVITE that a former process gave a final response of
    /// `class`, which goes out again. A response repeats all of the INVITE that the INVITE is known
    /// by.
    ///
    /// # Errors
    /// `Malformed`, `Known` or `Full`.
    pub(in super::super) fn resume_answered(
        &mut self,
        (bytes, class): (&Bytes, ResponseClass),
        (path, reply): (&Path, Path),
        leg: LegId,
        now: Tick,
    ) -> Result<(), ThawError> {
        let mut index = Index::new();
        let response = Message::parse(bytes, &mut index).map_err(|_| ThawError::Malformed)?;
        let of_invite = response.cseq().is_ok_and(|c| c.name == Method::Invite.name().as_bytes());
        let is = response.status().and_then(|status| ResponseClass::of(status.code()));
        if !of_invite || is != Some(class) {
            return Err(ThawError::Malformed);
        }
        let Known { key, .. } = self.unserved(response)?;
        let (timers, reliability) = (self.config.timers, path.reliability());
        let mut machine = ServerInvite::new(Trying::ByCaller, reliability, timers, now);
        machine.respond(class, bytes.clone(), now);
        let refused = class == ResponseClass::Failure;
        let server = Server {
            key,
            merge: self.merge_key(response),
            machine: Machine::Invite(machine),
            head: None,
            request: None,
            refusal: refused.then(|| bytes.clone()),
            path: *path,
            reply,
            owner: Owner::Leg(leg),
            tag: response.to().ok().and_then(|to| to.tag()).map(Into::into),
            armed: None,
            lingers: false,
            hurried: false,
        };
        let id = self.insert_server(server).ok_or(ThawError::Full)?;
        if refused {
            self.refusals.insert(leg, id);
        }
        Ok(())
    }

    /// Our failure of the newest INVITE of a leg that has no ACK yet: the way that the INVITE came,
    /// the response, and the way that it went.
    pub(in super::super) fn refusal_of(&self, leg: LegId) -> Option<(Path, Bytes, Path)> {
        let server = self.servers.get(*self.refusals.get(&leg)?)?;
        Some((server.path, server.refusal.clone()?, server.reply))
    }

    /// Whether such a failure waits for its ACK.
    pub(in super::super) fn is_refusing(&self, leg: LegId) -> bool {
        self.refusals.contains_key(&leg)
    }

    /// A leg whose failure has its ACK now, or was given up; drain to `None`.
    pub(in super::super) fn poll_heeded(&mut self) -> Option<LegId> {
        self.heeded.pop_front()
    }

    fn heed(&mut self, id: Id) {
        let Some(server) = self.servers.get_mut(id) else { return };
        let (refusal, owner) = (server.refusal.take(), server.owner);
        if let (Some(_), Owner::Leg(leg)) = (refusal, owner)
            && self.refusals.get(&leg) == Some(&id)
        {
            self.refusals.remove(&leg);
            self.heeded.push_back(leg);
        }
    }

    /// Begins a transaction for a new request; `None` when the table is full.
    pub(in super::super) fn serve(
        &mut self,
        Known { key, merge }: Known,
        request: Message<'_>,
        path: &Path,
        owner: Owner,
        now: Tick,
    ) -> Option<Id> {
        let (timers, reliability) = (self.config.timers, path.reliability());
        let method = request.method()?;
        let machine = if method == Method::Invite {
            Machine::Invite(ServerInvite::new(Trying::ByCaller, reliability, timers, now))
        } else {
            Machine::Other(ServerNonInvite::new(reliability, timers))
        };
        let initial = request.to().is_ok_and(|to| to.tag().is_none());
        // Of the INVITE that begins a leg the leg has all that it needs, of a REGISTER its ask.
        let is_taken = match owner {
            Owner::Leg(_) => initial,
            Owner::Outside(_) => method == Method::Register,
            Owner::Proof(..) => false,
        };
        self.insert_server(Server {
            key,
            merge,
            machine,
            head: Some(Box::new(ReplyHead::of(request, path.peer).ok()?)),
            request: (!is_taken).then(|| request.bytes().into()),
            refusal: None,
            path: *path,
            reply: reply_path(request, path),
            owner,
            tag: None,
            armed: None,
            lingers: false,
            hurried: false,
        })
    }

    fn insert_server(&mut self, server: Server) -> Option<Id> {
        let (key, merge) = (server.key, server.merge);
        let id = self.servers.insert(server)?;
        self.server_ids.insert(key, Place::Live(id));
        if let Some(merge) = merge {
            self.merges.insert(merge, id);
        }
        self.settle_server(id);
        Some(id)
    }

    /// Answers a request; gives the bytes of the answer, and where they went.
    pub(in super::super) fn respond(
        &mut self,
        id: Id,
        response: Response<'_>,
        now: Tick,
    ) -> Option<(Bytes, Path)> {
        let server = self.servers.get_mut(id)?;
        let head = server.head.as_deref()?;
        let Some(bytes) = response.build_on(&self.config, head) else {
            self.count(Counted::Unbuildable);
            return None;
        };
        let class = ResponseClass::of(response.status.code())?;
        if let Some(tag) = response.tag {
            server.tag = Some(tag.into());
        }
        if response.status.is_final() {
            (server.head, server.request) = (None, None);
        }
        let reply = server.reply;
        server.machine.respond(class, bytes.clone(), now);
        if let (Machine::Invite(_), Owner::Leg(leg), ResponseClass::Failure) =
            (&server.machine, server.owner, class)
        {
            server.refusal = Some(bytes.clone());
            self.refusals.insert(leg, id);
        }
        self.settle_server(id);
        Some((bytes, reply))
    }

    /// Answers with a status alone, under the tag that earlier responses had.
    pub(in super::super) fn respond_plain(&mut self, id: Id, status: u16, tag: &[u8], now: Tick) {
        self.respond(id, Response { tag: Some(tag), ..Response::new(status) }, now);
    }

    /// The request of a transaction that has no final response yet; not that of an INVITE which
    /// begins a leg.
    pub(in super::super) fn request_of(&self, id: Id) -> Option<Bytes> {
        self.servers.get(id)?.request.clone()
    }

    /// The leg whose party is to be proved the sender of a request that waits for that.
    pub(in super::super) fn proof_of(&self, id: Id) -> Option<LegId> {
        let server = self.servers.get(id).filter(|server| server.head.is_some())?;
        match server.owner {
            Owner::Proof(leg, _) => Some(leg),
            Owner::Leg(_) | Owner::Outside(_) => None,
        }
    }

    /// A request is its leg's from now on.
    pub(in super::super) fn hand_over(&mut self, id: Id, leg: LegId) {
        if let Some(server) = self.servers.get_mut(id) {
            server.owner = Owner::Leg(leg);
            self.settle_server(id);
        }
    }

    /// The way a request came, while it has no final response.
    pub(in super::super) fn path_of_request(&self, id: Id) -> Option<Path> {
        let server = self.servers.get(id)?;
        server.head.as_ref().map(|_| server.path)
    }

    /// Sends the last provisional response again, to keep proxies from giving up (RFC 3261
    /// 13.3.1.1).
    pub(in super::super) fn repeat(&mut self, id: Id) {
        if let Some(Server { machine: Machine::Invite(machine), .. }) = self.servers.get_mut(id) {
            machine.handle_invite();
            self.settle_server(id);
        }
    }

    pub(super) fn wake_server(&mut self, id: Id, now: Tick) {
        let Some(server) = self.servers.get_mut(id) else { return };
        let waits = server.owner.deadline().filter(|_| server.head.is_some());
        if waits.is_some_and(|deadline| deadline <= now) {
            self.count(Counted::Unanswered);
            return self.drop_server(id);
        }
        if server.hurried {
            return self.drop_server(id);
        }
        server.machine.handle_timeout(now);
        self.settle_server(id);
    }

    /// Carries out what the machine asks for; whether an ACK is to be delivered.
    fn settle_server(&mut self, id: Id) -> bool {
        let mut delivered = false;
        loop {
            let Some(server) = self.servers.get_mut(id) else { return delivered };
            let (reply, output) = (server.reply, server.machine.poll_output());
            match output {
                Some(ServerOutput::Send(bytes)) => self.transmit(reply, bytes),
                Some(ServerOutput::Deliver) => delivered = true,
                Some(ServerOutput::Terminated) => {
                    self.drop_server(id);
                    return delivered;
                }
                // We send the 100 ourselves; a refusal that nobody acknowledges is over anyway.
                Some(
                    ServerOutput::Trying | ServerOutput::TimedOut | ServerOutput::TransportFailed,
                ) => {}
                None => break,
            }
        }
        let Some(server) = self.servers.get_mut(id) else { return delivered };
        if let Some((until, rest)) = server.rest() {
            self.settle_down(id, until, rest);
            return delivered;
        }
        let wanted = server.wanted_alarm();
        self.alarms.set(Sleeper::Server(id), &mut server.armed, wanted);
        if server.machine.is_lingering() && !core::mem::replace(&mut server.lingers, true) {
            self.linger_server(id);
        }
        delivered
    }

    /// One more lingers; if that is one too many, the oldest goes in the next turn.
    fn linger_server(&mut self, id: Id) {
        let max = self.lingering_max();
        if self.settled.len() + self.servers_lingering.len() >= max && self.settled.len() > 0 {
            self.forget_oldest();
            self.rearm_settled();
        }
        let Layer { servers, servers_lingering: lingering, alarms, .. } = self;
        lingering.enter(id, |id| servers.get(id).is_some());
        let Some(oldest) = lingering.beyond(max, |id| servers.get(id).is_some()) else { return };
        if let Some(server) = servers.get_mut(oldest) {
            server.hurried = true;
            alarms.set(Sleeper::Server(oldest), &mut server.armed, Some(Tick::default()));
        }
    }

    fn drop_server(&mut self, id: Id) {
        self.heed(id);
        let Some(mut server) = self.servers.remove(id) else { return };
        if server.lingers {
            self.servers_lingering.leave();
        }
        self.alarms.set(Sleeper::Server(id), &mut server.armed, None);
        self.server_ids.remove(&server.key);
        if let Some(merge) = server.merge.filter(|merge| self.merges.get(merge) == Some(&id)) {
            self.merges.remove(&merge);
        }
    }

    /// The key of a request, as if its method were `instead`.
    fn key_of(&self, request: Message<'_>, instead: Option<&[u8]>) -> Result<ServerKey, KeyError> {
        let secret = &self.config.chance_key;
        let cseq = request.cseq().map_err(|_| KeyError::TooLong)?;
        let via = request.top_via().map_err(|_| KeyError::TooLong)?;
        let method = instead.unwrap_or(cseq.name);
        match ServerKey::of_branch(secret, via.branch(), via.sent_by_text, method) {
            Err(KeyError::NoCookie) => {}
            other => return other,
        }
        let parts = LegacyParts {
            method,
            request_uri: request.request_uri().unwrap_or_default(),
            to_tag: request.to().ok().and_then(|to| to.tag()),
            from_tag: request.from().ok().and_then(|from| from.tag()),
            call_id: request.call_id().unwrap_or_default(),
            cseq: cseq.number,
            top_via: request.elements(Header::Via).next().unwrap_or_default(),
        };
        ServerKey::of_legacy(secret, &parts)
    }

    fn merge_key(&self, request: Message<'_>) -> Option<u64> {
        let (from, cseq) = (request.from().ok()?, request.cseq().ok()?);
        let number = cseq.number.to_le_bytes();
        Some(self.chance.of(&[from.tag()?, request.call_id().ok()?, &number, cseq.name]))
    }
}

impl Server {
    fn has_tag_of(&self, request: Message<'_>) -> bool {
        has_tag(request, self.tag.as_deref())
    }

    /// What is left of it, and until when, if all that it waits for are copies. A refused INVITE
    /// is not such: its ACK ends more than the transaction.
    fn rest(&mut self) -> Option<(Tick, Rest)> {
        match (&self.machine, self.owner) {
            (Machine::Other(machine), _) => {
                let (response, until) = machine.completed()?;
                Some((until, Rest::Response { reply: self.reply, response: response.clone() }))
            }
            (Machine::Invite(machine), Owner::Leg(leg)) => {
                let until = machine.accepted()?;
                Some((until, Rest::Accepted { leg, tag: self.tag.take() }))
            }
            (Machine::Invite(_), Owner::Outside(_) | Owner::Proof(..)) => None,
        }
    }

    fn wanted_alarm(&self) -> Option<Tick> {
        let deadline = self.owner.deadline().filter(|_| self.head.is_some());
        if self.machine.is_lingering() && deadline.is_none() {
            return self.machine.poll_timeout().map(forgotten_at);
        }
        match (self.machine.poll_timeout(), deadline) {
            (Some(a), Some(b)) => Some(a.min(b)),
            (a, b) => a.or(b),
        }
    }
}

pub(super) fn has_tag(request: Message<'_>, tag: Option<&[u8]>) -> bool {
    request.to().is_ok_and(|to| to.tag() == tag)
}

/// Whether a request has no branch that tells its transaction.
pub(super) fn is_legacy(request: Message<'_>) -> bool {
    let branch = request.top_via().ok().and_then(|via| via.branch());
    !branch.is_some_and(|branch| branch.starts_with(MAGIC_COOKIE))
}
