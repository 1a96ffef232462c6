//! Client transactions: our requests and the peers' answers.

use strowger_link::{LegId, Tick};

use super::super::alarm::Sleeper;
use super::super::config::Path;
use super::super::image::ThawError;
use super::super::output::{Bytes, Counted};
use super::super::slab::Id;
use super::Layer;
use crate::build::Writer;
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
    leg: LegId,
    role: Role,
    /// When an INVITE inside the dialog fails that has provisional responses only: its machine has
    /// no timer then, and no ringing callee is behind it.
    until: Option<Tick>,
    /// Its final response came.
    answered: bool,
    armed: Option<Tick>,
}

impl Client {
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
    /// The BYE that ends the leg; how often it was sent with credentials.
    Bye(u8),
    /// The BYE for a 2xx of another fork.
    StrayBye,
    /// INFO.
    Info,
}

impl Role {
    const fn method(self) -> Method {
        match self {
            Role::Invite | Role::Reinvite => Method::Invite,
            Role::Cancel => Method::Cancel,
            Role::Bye(_) | Role::StrayBye => Method::Bye,
            Role::Info => Method::Info,
        }
    }
}

/// A request's way, its branch, and whose it is.
#[derive(Clone, Copy)]
pub(in super::super) struct Way<'a> {
    pub(in super::super) path: Path,
    pub(in super::super) branch: &'a [u8],
    pub(in super::super) leg: LegId,
    pub(in super::super) role: Role,
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
}

/// Why a request has no answer.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(in super::super) enum Failure {
    /// None came in time.
    TimedOut,
    /// It could not be sent.
    Unreachable,
}

/// What a client transaction has for its leg.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(in super::super) struct Heard {
    pub(in super::super) leg: LegId,
    pub(in super::super) id: Id,
    pub(in super::super) role: Role,
    /// The response just handled is the leg's.
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
        let method = way.role.method();
        let key = ClientKey::new(way.branch, method.name().as_bytes()).ok()?;
        let (timers, reliability) = (self.config.timers, way.path.reliability());
        let machine = if method == Method::Invite {
            Machine::Invite(ClientInvite::new(request, reliability, timers, now))
        } else {
            Machine::Other(ClientNonInvite::new(request, reliability, timers, now))
        };
        let Way { path, leg, role, branch: _ } = way;
        let until = (role == Role::Reinvite).then(|| now.plus_ms(REINVITE_MS_MAX));
        let key_again = key.clone();
        let client = Client { key, machine, path, leg, role, until, answered: false, armed: None };
        let Some(id) = self.clients.insert(client) else {
            self.count(Counted::Full);
            return None;
        };
        self.client_ids.insert(key_again, id);
        self.settle_client(id, None);
        Some(id)
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
        let key = ClientKey::new(way.branch, way.role.method().name().as_bytes());
        let key = key.map_err(|_| ThawError::Malformed)?;
        if self.client_ids.contains_key(&key) {
            return Err(ThawError::Known);
        }
        let reliability = way.path.reliability();
        let machine = ClientInvite::proceeding(invite, reliability, self.config.timers);
        let machine = Machine::Invite(machine);
        let Way { path, leg, role, branch: _ } = way;
        let (key_again, until, answered) = (key.clone(), None, false);
        let client = Client { key, machine, path, leg, role, until, answered, armed: None };
        let id = self.clients.insert(client).ok_or(ThawError::Full)?;
        self.client_ids.insert(key_again, id);
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
        let key = ClientKey::new(branch, response.cseq().ok()?.name).ok()?;
        let id = *self.client_ids.get(&key)?;
        let class = ResponseClass::of(status.code())?;
        let client = self.clients.get_mut(id)?;
        client.answered |= status.is_final();
        client.machine.handle_response(class, now);
        self.settle_client(id, Some(response))
    }

    /// Whether a BYE of ours waits for its final response.
    pub(in super::super) fn is_leaving(&self, id: Id) -> bool {
        let waits = |client: &Client| matches!(client.role, Role::Bye(_)) && !client.answered;
        self.clients.get(id).is_some_and(waits)
    }

    /// The way a client transaction's request went.
    pub(in super::super) fn path_of(&self, id: Id) -> Option<Path> {
        Some(self.clients.get(id)?.path)
    }

    /// Forgets a client transaction: nothing more is heard of it.
    pub(in super::super) fn abandon(&mut self, id: Id) {
        let Some(mut client) = self.clients.remove(id) else { return };
        self.alarms.set(Sleeper::Client(id), &mut client.armed, None);
        self.client_ids.remove(&client.key);
    }

    /// The transactions whose requests go to `peer`.
    pub(in super::super) fn clients_to(&self, peer: std::net::SocketAddr) -> Vec<Id> {
        self.clients.find(|client| client.path.peer == peer)
    }

    /// The transport could not deliver.
    pub(in super::super) fn fail_client(&mut self, id: Id) -> Option<Heard> {
        self.clients.get_mut(id)?.machine.handle_transport_error();
        self.settle_client(id, None)
    }

    pub(super) fn wake_client(&mut self, id: Id, now: Tick) -> Option<Heard> {
        let client = self.clients.get_mut(id)?;
        if client.is_stalled(now) {
            let (leg, role, failure) = (client.leg, client.role, Some(Failure::TimedOut));
            self.abandon(id);
            return Some(Heard { leg, id, role, response: false, failure, closed: true });
        }
        client.machine.handle_timeout(now);
        self.settle_client(id, None)
    }

    /// Carries out what the machine asks for; gives what its leg must know.
    fn settle_client(&mut self, id: Id, response: Option<Message<'_>>) -> Option<Heard> {
        let client = self.clients.get(id)?;
        let (path, leg, role) = (client.path, client.leg, client.role);
        let mut heard = Heard { leg, id, role, response: false, failure: None, closed: false };
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
        let wanted = client.machine.poll_timeout().or(client.until);
        self.alarms.set(Sleeper::Client(id), &mut client.armed, wanted);
        Some(heard)
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
