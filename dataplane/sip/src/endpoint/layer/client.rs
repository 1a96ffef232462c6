//! Client transactions: our requests and the peers' answers.

use std::net::SocketAddr;

use strowger_link::{LegId, Tick};

use super::super::alarm::{Sleeper, forgotten_at};
use super::super::config::Path;
use super::super::image::ThawError;
use super::super::output::{Bytes, Counted};
use super::super::slab::Id;
use super::Layer;
use super::carrier::{Carried, PlanB};
use crate::build::{Body, OwnVia, Writer};
use crate::header::Header;
use crate::limits::REINVITE_MS_MAX;
use crate::message::{Index, Message};
use crate::method::Method;
use crate::status::Status;
use crate::transaction::key::ClientKey;
use crate::transaction::{ClientInvite, ClientNonInvite, ClientOutput, ResponseClass};

/// One client transaction.
pub(in super::super) struct Client {
    key: ClientKey,
    machine: Machine,
    path: Path,
    whose: Whose,
    /// The request as it was sent, to be sent again with credentials; gone when it has its answer.
    request: Bytes,
    /// Another way for it, as long as nothing has come of this one.
    plan_b: Option<Box<PlanB>>,
    /// When an INVITE inside the dialog fails that has provisional responses only: its machine has
    /// no timer then, and no ringing callee is behind it.
    until: Option<Tick>,
    /// Its final response came.
    answered: bool,
    armed: Option<Tick>,
    /// It is counted among those that linger.
    lingers: bool,
    /// It lingers no longer: its place is wanted.
    hurried: bool,
}

impl Client {
    const fn new(
        key: ClientKey,
        machine: Machine,
        (path, whose): (Path, Whose),
        request: Bytes,
        until: Option<Tick>,
    ) -> Client {
        let (answered, armed, lingers, hurried) = (false, None, false, false);
        Client {
            key,
            machine,
            path,
            whose,
            request,
            plan_b: None,
            until,
            answered,
            armed,
            lingers,
            hurried,
        }
    }

    /// Nothing so far.
    fn heard(&self, id: Id) -> Heard {
        let Client { path, whose, request, .. } = self;
        let (path, whose, request) = (*path, *whose, request.clone());
        Heard { id, whose, request, path, response: false, failure: None, closed: false }
    }

    /// Whether it waits for a final response that does not come.
    fn is_stalled(&self, now: Tick) -> bool {
        self.machine.poll_timeout().is_none() && self.until.is_some_and(|until| until <= now)
    }
}

/// What a request is to its leg.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(in super::super) enum Role {
    /// The INVITE that begins the leg.
    Invite,
    /// Its CANCEL.
    Cancel,
    /// An INVITE inside the dialog.
    Reinvite,
    /// The BYE that ends the leg; how often it was challenged.
    Bye(u8),
    /// The BYE for a 2xx of another fork; how often it was challenged.
    StrayBye(u8),
    /// INFO; how often it was challenged.
    Info(u8),
    /// UPDATE without a description; how often it was challenged.
    Refresh(u8),
    /// UPDATE with an offer.
    Update,
    /// PRACK; how often it was challenged.
    Prack(u8),
    /// MESSAGE; how often it was challenged.
    Message(u8),
    /// NOTIFY of a REFER; how often it was challenged.
    Notify(u8),
}

impl Role {
    const fn method(self) -> Method {
        match self {
            Role::Invite | Role::Reinvite => Method::Invite,
            Role::Cancel => Method::Cancel,
            Role::Bye(_) | Role::StrayBye(_) => Method::Bye,
            Role::Info(_) => Method::Info,
            Role::Refresh(_) | Role::Update => Method::Update,
            Role::Prack(_) => Method::Prack,
            Role::Message(_) => Method::Message,
            Role::Notify(_) => Method::Notify,
        }
    }
}

/// Whose a request is.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(in super::super) enum Whose {
    /// A leg's, and what it is to it.
    Leg(LegId, Role),
    /// The REGISTER of a registration, by its number.
    Upstream(u64),
    /// A MESSAGE that goes on, by the transaction that it came with.
    Page(Id),
}

impl Whose {
    const fn method(self) -> Method {
        match self {
            Whose::Leg(_, role) => role.method(),
            Whose::Upstream(_) => Method::Register,
            Whose::Page(_) => Method::Message,
        }
    }

    const fn is_reinvite(self) -> bool {
        matches!(self, Whose::Leg(_, Role::Reinvite))
    }
}

/// A request's way, its branch, and whose it is.
#[derive(Clone, Copy)]
pub(in super::super) struct Way<'a> {
    pub(in super::super) path: Path,
    pub(in super::super) branch: &'a [u8],
    pub(in super::super) whose: Whose,
}

enum Machine {
    Invite(ClientInvite<Bytes>),
    Other(ClientNonInvite<Bytes>),
}

impl Machine {
    fn handle_response(&mut self, class: ResponseClass, now: Tick) {
        match self {
            Machine::Invite(machine) => machine.handle_response(class, now),
            Machine::Other(machine) => machine.handle_response(class, now),
        }
    }

    fn handle_timeout(&mut self, now: Tick) {
        match self {
            Machine::Invite(machine) => machine.handle_timeout(now),
            Machine::Other(machine) => machine.handle_timeout(now),
        }
    }

    fn handle_transport_error(&mut self) {
        match self {
            Machine::Invite(machine) => machine.handle_transport_error(),
            Machine::Other(machine) => machine.handle_transport_error(),
        }
    }

    fn poll_output(&mut self) -> Option<ClientOutput<Bytes>> {
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

/// Why a request has no answer.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(in super::super) enum Failure {
    /// None came in time.
    TimedOut,
    /// It could not be sent.
    Unreachable,
}

/// What a client transaction has for whose it is.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(in super::super) struct Heard {
    pub(in super::super) id: Id,
    pub(in super::super) whose: Whose,
    /// The request as it was sent, and its way.
    pub(in super::super) request: Bytes,
    pub(in super::super) path: Path,
    /// The response just handled is the owner's.
    pub(in super::super) response: bool,
    pub(in super::super) failure: Option<Failure>,
    /// The transaction is over.
    pub(in super::super) closed: bool,
}

impl Layer {
    /// Sends a request in a transaction of its own; `None` when the table is full.
    pub(in super::super) fn start(
        &mut self,
        way: Way<'_>,
        request: Bytes,
        now: Tick,
    ) -> Option<Id> {
        let Way { path, whose, branch } = way;
        let secret = &self.config.chance_key;
        let key = ClientKey::new(secret, branch, whose.method().name().as_bytes()).ok()?;
        let Carried { path, request, plan_b } = self.carry(path, whose, request, now);
        let machine = self.machine(&path, whose, &request, now);
        let until = whose.is_reinvite().then(|| now.plus_ms(REINVITE_MS_MAX));
        let client = Client::new(key, machine, (path, whose), request, until);
        let client = Client { plan_b, ..client };
        let Some(id) = self.clients.insert(client) else {
            self.count(Counted::Full);
            return None;
        };
        self.client_ids.insert(key, id);
        self.underway.insert((path.peer, id));
        self.settle_client(id, None);
        Some(id)
    }

    fn machine(&self, path: &Path, whose: Whose, request: &Bytes, now: Tick) -> Machine {
        let (timers, reliability) = (self.config.timers, path.reliability());
        if whose.method() == Method::Invite {
            Machine::Invite(ClientInvite::new(request.clone(), reliability, timers, now))
        } else {
            Machine::Other(ClientNonInvite::new(request.clone(), reliability, timers, now))
        }
    }

    /// Takes up the transaction of an INVITE that a former process sent. It is not sent again.
    ///
    /// # Errors
    /// `Malformed`, `Known` or `Full`.
    pub(in super::super) fn resume_proceeding(
        &mut self,
        way: Way<'_>,
        invite: Bytes,
    ) -> Result<Id, ThawError> {
        let (secret, method) = (&self.config.chance_key, way.whose.method().name());
        let key = ClientKey::new(secret, way.branch, method.as_bytes());
        let key = key.map_err(|_| ThawError::Malformed)?;
        if self.client_ids.contains_key(&key) {
            return Err(ThawError::Known);
        }
        let reliability = way.path.reliability();
        let machine = ClientInvite::proceeding(invite.clone(), reliability, self.config.timers);
        let machine = Machine::Invite(machine);
        let Way { path, whose, branch: _ } = way;
        let client = Client::new(key, machine, (path, whose), invite, None);
        let id = self.clients.insert(client).ok_or(ThawError::Full)?;
        self.client_ids.insert(key, id);
        self.underway.insert((path.peer, id));
        Ok(id)
    }

    /// Gives a response to its transaction; `None` when it has none.
    pub(in super::super) fn hear(
        &mut self,
        response: Message<'_>,
        status: Status,
        now: Tick,
    ) -> Option<Heard> {
        let branch = response.top_via().ok()?.branch()?;
        let secret = &self.config.chance_key;
        let key = ClientKey::new(secret, branch, response.cseq().ok()?.name).ok()?;
        let id = *self.client_ids.get(&key)?;
        let class = ResponseClass::of(status.code())?;
        let client = self.clients.get_mut(id)?;
        if status.is_final() && !core::mem::replace(&mut client.answered, true) {
            self.underway.remove(&(client.path.peer, id));
        }
        client.plan_b = None;
        client.machine.handle_response(class, now);
        self.settle_client(id, Some(response))
    }

    /// Whether a BYE of ours waits for its final response.
    pub(in super::super) fn is_leaving(&self, id: Id) -> bool {
        let waits = |client: &Client| {
            matches!(client.whose, Whose::Leg(_, Role::Bye(_))) && !client.answered
        };
        self.clients.get(id).is_some_and(waits)
    }

    /// Whether a request of ours waits for its final response.
    pub(in super::super) fn is_unanswered(&self, id: Id) -> bool {
        self.clients.get(id).is_some_and(|client| !client.answered)
    }

    /// The way a client transaction's request went.
    pub(in super::super) fn path_of(&self, id: Id) -> Option<Path> {
        Some(self.clients.get(id)?.path)
    }

    /// Forgets a client transaction: nothing more is heard of it.
    pub(in super::super) fn abandon(&mut self, id: Id) {
        let Some(mut client) = self.clients.remove(id) else { return };
        if client.lingers {
            self.clients_lingering.leave();
        }
        self.alarms.set(Sleeper::Client(id), &mut client.armed, None);
        self.client_ids.remove(&client.key);
        if !client.answered {
            self.underway.remove(&(client.path.peer, id));
        }
    }

    /// The transactions whose requests went by a way that is `wanted`, to `peer` if one is named,
    /// and have no final response.
    pub(in super::super) fn clients_by(
        &self,
        peer: Option<SocketAddr>,
        wanted: impl Fn(&Path) -> bool,
    ) -> Vec<Id> {
        let is = |id: Id| self.clients.get(id).is_some_and(|client| wanted(&client.path));
        let ids = |at: &(SocketAddr, Id)| Some(at.1).filter(|id| is(*id));
        match peer {
            Some(peer) => {
                let (first, last) = ((peer, Id::FIRST), (peer, Id::LAST));
                self.underway.range(first..=last).filter_map(ids).collect()
            }
            None => self.underway.iter().filter_map(ids).collect(),
        }
    }

    /// The transport could not deliver. A request that has another way takes that.
    pub(in super::super) fn fail_client(&mut self, id: Id, now: Tick) -> Option<Heard> {
        let client = self.clients.get_mut(id)?;
        let Some(plan_b) = client.plan_b.take() else {
            client.machine.handle_transport_error();
            return self.settle_client(id, None);
        };
        let PlanB { path, request } = *plan_b;
        let whose = client.whose;
        self.refuses_streams(path.peer, now);
        let machine = self.machine(&path, whose, &request, now);
        let client = self.clients.get_mut(id)?;
        self.underway.remove(&(client.path.peer, id));
        self.underway.insert((path.peer, id));
        (client.machine, client.path, client.request) = (machine, path, request);
        self.settle_client(id, None)
    }

    pub(super) fn wake_client(&mut self, id: Id, now: Tick) -> Option<Heard> {
        let client = self.clients.get_mut(id)?;
        if client.is_stalled(now) {
            let failure = Some(Failure::TimedOut);
            let heard = Heard { failure, closed: true, ..client.heard(id) };
            self.abandon(id);
            return Some(heard);
        }
        if client.hurried {
            let heard = Heard { closed: true, ..client.heard(id) };
            self.abandon(id);
            return Some(heard);
        }
        client.machine.handle_timeout(now);
        self.settle_client(id, None)
    }

    /// Carries out what the machine asks for; gives what its leg must know.
    fn settle_client(&mut self, id: Id, response: Option<Message<'_>>) -> Option<Heard> {
        let client = self.clients.get(id)?;
        let path = client.path;
        let mut heard = client.heard(id);
        while let Some(output) = self.clients.get_mut(id)?.machine.poll_output() {
            match output {
                ClientOutput::Send(bytes) => self.transmit(path, bytes),
                ClientOutput::Ack(invite) => {
                    match response.and_then(|response| ack_of_failure(&invite, response)) {
                        Some(ack) => self.transmit(path, ack),
                        None => self.count(Counted::Unbuildable),
                    }
                }
                ClientOutput::Deliver => heard.response = true,
                ClientOutput::TimedOut => heard.failure = Some(Failure::TimedOut),
                ClientOutput::TransportFailed => heard.failure = Some(Failure::Unreachable),
                ClientOutput::Terminated => {
                    heard.closed = true;
                    self.abandon(id);
                    return Some(heard);
                }
            }
        }
        let client = self.clients.get_mut(id)?;
        let mut wanted = client.machine.poll_timeout().or(client.until);
        if client.machine.is_lingering() {
            wanted = wanted.map(forgotten_at);
        }
        self.alarms.set(Sleeper::Client(id), &mut client.armed, wanted);
        if client.machine.is_lingering() && !core::mem::replace(&mut client.lingers, true) {
            // Nobody sends it again; whoever is told of this response has it.
            client.request = Bytes::default();
            self.linger_client(id);
        }
        Some(heard)
    }

    /// One more lingers; if that is one too many, the oldest goes in the next turn.
    fn linger_client(&mut self, id: Id) {
        let max = self.lingering_max();
        let Layer { clients, clients_lingering: lingering, .. } = self;
        lingering.enter(id, |id| clients.get(id).is_some());
        self.hurry_beyond(max);
    }

    /// The one that has lingered for longest goes in the next turn, and with it the leg that is
    /// over and has waited for nothing else.
    pub(in super::super) fn hurry_client(&mut self) {
        self.hurry_beyond(0);
    }

    fn hurry_beyond(&mut self, max: usize) {
        let Layer { clients, clients_lingering: lingering, alarms, .. } = self;
        let Some(oldest) = lingering.beyond(max, |id| clients.get(id).is_some()) else { return };
        if let Some(client) = clients.get_mut(oldest) {
            client.hurried = true;
            alarms.set(Sleeper::Client(oldest), &mut client.armed, Some(Tick::default()));
        }
    }
}

//= rfc3261#section-17.1.1.3
//# The ACK MUST contain a single Via header field, and
//# this MUST be equal to the top Via header field of the original
//# request.
/// The ACK for a response of 300 to 699 to `invite`.
fn ack_of_failure(invite: &[u8], response: Message<'_>) -> Option<Bytes> {
    sibling(invite, Method::Ack, Some(response), &[])
}

//= rfc3261#section-9.1
//# The
//# Request-URI, Call-ID, To, the numeric part of CSeq, and From header
//# fields in the CANCEL request MUST be identical to those in the
//# request being cancelled, including tags.
/// The CANCEL of `invite`.
pub(in super::super) fn cancel(invite: &[u8], reasons: &[Vec<u8>]) -> Option<Bytes> {
    sibling(invite, Method::Cancel, None, reasons)
}

/// A request that shares branch, Request-URI, routes and dialog fields with `invite`.
fn sibling(
    invite: &[u8],
    method: Method,
    response: Option<Message<'_>>,
    reasons: &[Vec<u8>],
) -> Option<Bytes> {
    let mut index = Index::new();
    let invite = Message::parse(invite, &mut index).ok()?;
    let mut out = Vec::with_capacity(512);
    let mut writer = Writer::request(&mut out, method.name(), invite.request_uri()?);
    writer.field(Header::Via, invite.elements(Header::Via).next()?);
    writer.number(Header::MaxForwards, crate::dialog::MAX_FORWARDS);
    writer.copy(invite, Header::Route).copy(invite, Header::From);
    writer.copy(response.unwrap_or(invite), Header::To).copy(invite, Header::SipCallId);
    let number = invite.cseq().ok()?.number.to_string();
    writer.parts(Header::CSeq, &[number.as_bytes(), b" ", method.name().as_bytes()]);
    writer.copy(invite, Header::Authorization).copy(invite, Header::ProxyAuthorization);
    for reason in reasons {
        writer.field(Header::Reason, reason);
    }
    writer.finish(None).ok()?;
    Some(out.into())
}

//= rfc3261#section-22.2
//# When a UAC resubmits a request with its credentials after receiving a
//# 401 (Unauthorized) or 407 (Proxy Authentication Required) response,
//# it MUST increment the CSeq header field value as it would normally
//# when sending an updated request.
/// `request`, which is no INVITE, once more: with another Via and CSeq number, and with the
/// credentials in `lines` instead of those it had.
pub(in super::super) fn again(
    request: &[u8],
    via: OwnVia<'_>,
    cseq: u32,
    lines: &[(Header, Vec<u8>)],
) -> Option<Bytes> {
    let mut index = Index::new();
    let request = Message::parse(request, &mut index).ok()?;
    let name = request.cseq().ok()?.name;
    let mut out = Vec::with_capacity(1_024);
    let method = std::str::from_utf8(name).ok()?;
    let mut writer = Writer::request(&mut out, method, request.request_uri()?);
    writer.via(via);
    for field in request.fields() {
        if field.header == Header::CSeq {
            let number = cseq.to_string();
            writer.parts(Header::CSeq, &[number.as_bytes(), b" ", name]);
            for (header, value) in lines {
                writer.field(*header, value);
            }
        } else if !is_written_anew(field.header) {
            writer.named(field.name, &[field.value]);
        }
    }
    let kind = request.value(Header::ContentType);
    let body = kind.map(|kind| Body { content_type: kind, bytes: request.body() });
    writer.finish(body.filter(|body| !body.bytes.is_empty())).ok()?;
    Some(out.into())
}

/// Fields that [`again`] or the writer puts in.
const fn is_written_anew(header: Header) -> bool {
    matches!(
        header,
        Header::Via
            | Header::Authorization
            | Header::ProxyAuthorization
            | Header::ContentType
            | Header::ContentLength
    )
}
