//! One leg: a dialog of an INVITE and what both ends do with it.
//!
//! `Offered` or `Calling`, then `Up`, then `Over`. A leg that is over for its call lingers while
//! transactions of its own still need it: a 2xx that comes again wants its ACK again, a challenged
//! BYE its credentials. One that was taken back lingers for the transactions of the life before.

mod assured;
mod early;
mod inbound;
mod lead;
mod outbound;
mod refer;
mod reoffer;
mod request;
mod revival;
mod session;
mod terms;
mod timer;
mod update;

use std::collections::VecDeque;
use std::mem;
use std::net::SocketAddr;

use strowger_leg::{Body, Command, Event};
use strowger_link::token::Token;
use strowger_link::{Cause, LegId, Tick};

use super::LegKeys;
use super::alarm::{Sleeper, forgotten_at};
use super::config::Path;
use super::gate;
use super::layer::{self, Failure, Heard, Layer, Role, Way, Whose};
use super::output::{Bytes, Counted};
use super::proof::Holder;
use super::slab::Id;
use super::wallet::{Line, Wallet};
use crate::build;
use crate::dialog::{Dialog, MAX_FORWARDS};
use crate::digits;
use crate::field::Reason;
use crate::header::Header;
use crate::limits::{ACKS_MAX, SEQ_TOUCH};
use crate::message::{Index, Message};
use crate::method::Method;

pub(super) use inbound::Offering;
pub(super) use refer::{Replaced, Replaces};
pub(super) use revival::kept;
pub(super) use terms::{Kept, asked_session, too_short};

use inbound::Offered;
use lead::Lead;
use outbound::Calling;
use refer::Refer;
use session::Session;
use terms::Terms;

/// See the module.
pub(super) struct Leg {
    pub(super) id: LegId,
    token: Token,
    /// The way to the peer that the leg began on.
    path: Path,
    /// The peer is behind a NAT: its own addresses are of no use.
    nated: bool,
    /// Whether we sent the INVITE, and so own the Call-ID.
    caller: bool,
    /// The other side answers what this one challenges; in the life that began it.
    passes: bool,
    dialog: Dialog,
    /// Where its next hop is, when that is a name.
    lead: Option<Box<Lead>>,
    /// Who it belongs to, if that can be proved.
    pub(super) holder: Option<Box<Holder>>,
    /// A request from elsewhere that waits for the proof of its sender.
    pub(super) proving: Option<Id>,
    /// A REFER of the peer, and the subscription that it made.
    refer: Option<Box<Refer>>,
    /// REFERs whose last word was said.
    refers: u32,
    state: State,
    wallet: Wallet,
    terms: Terms,
    /// The credentials of our last INVITE, for its ACK.
    invite_lines: Vec<Line>,
    /// The ACKs of our last INVITEs that were answered, the newest last: a 2xx whose ACK was lost
    /// comes again after a later INVITE as well.
    acks: VecDeque<Acked>,
    /// Other forks that answered as well.
    strays: Vec<Stray>,
    /// Client transactions that still need the leg.
    clients: Vec<Id>,
    /// Whether the call has heard the last of it.
    told: bool,
    /// Why the call ended it, for the CANCEL or BYE of a later life.
    farewell: Cause,
    /// The number of our re-INVITE that has no final answer, of this life or of the one before.
    asked: Option<u32>,
    /// Until when a 2xx to a former life may come, once the leg is over.
    lingers: Option<Tick>,
    armed: Option<Tick>,
    /// Up to which number our CSeq may have been used in a former life.
    former: Option<u32>,
    /// Its image is out of date.
    touched: bool,
}

enum State {
    /// Inbound, without a final response: it is much, and gone with the answer.
    Offered(Box<Offered>),
    /// Outbound, without a final response.
    Calling(Box<Calling>),
    /// Answered.
    Up(Box<Session>),
    /// Nothing comes after.
    Over,
}

/// An ACK for a 2xx, kept to be sent again.
struct Acked {
    cseq: u32,
    tag: Option<Box<[u8]>>,
    path: Path,
    bytes: Bytes,
    /// Its description, if it has one.
    body: Option<Body>,
    /// It has not gone out yet: the name of its target is being looked up.
    waits: bool,
}

/// Another fork that answered: its dialog has nothing but a BYE.
struct Stray {
    acked: Acked,
    dialog: Dialog,
    /// The BYE's transaction; `None` when there was no room for it.
    bye: Option<Id>,
}

/// A request of ours in the making.
struct Outgoing<'a> {
    role: Role,
    hops: u32,
    fields: &'a [(&'a str, &'a [u8])],
    body: Option<&'a Body>,
}

impl Outgoing<'_> {
    const fn new(role: Role) -> Self {
        Outgoing { role, hops: MAX_FORWARDS, fields: &[], body: None }
    }
}

/// A request of ours that is out.
struct Sent {
    id: Id,
    bytes: Bytes,
    branch: Vec<u8>,
}

impl Stray {
    /// Whether its BYE waits for an answer.
    fn owes(&self, layer: &Layer) -> bool {
        self.bye.is_some_and(|id| layer.is_unanswered(id))
    }
}

impl Leg {
    /// Whether nothing needs it any more.
    pub(super) fn is_gone(&self) -> bool {
        matches!(self.state, State::Over)
            && self.clients.is_empty()
            && self.lingers.is_none()
            && self.refer.is_none()
    }

    /// Whether its peer is owed a word that a later life could say: the leg goes on, or its CANCEL
    /// or BYE has no answer, or an answer to us may want an ACK.
    pub(super) fn owes(&self, layer: &Layer) -> bool {
        match &self.state {
            State::Offered(_) | State::Calling(_) | State::Up(_) => true,
            State::Over => {
                let mut strays = self.strays.iter();
                self.asked.is_some() || self.is_leaving(layer) || strays.any(|s| s.owes(layer))
            }
        }
    }

    /// Whether a BYE of ours waits for its answer.
    fn is_leaving(&self, layer: &Layer) -> bool {
        self.clients.iter().any(|id| layer.is_leaving(*id))
    }

    /// Whether its image is out of date since this was asked last.
    pub(super) fn take_touched(&mut self) -> bool {
        std::mem::take(&mut self.touched)
    }

    /// Whether its call has heard the last of it.
    pub(super) fn is_told(&self) -> bool {
        self.told
    }

    /// Whether no request of the dialog means anything any more.
    pub(super) fn is_over(&self) -> bool {
        matches!(self.state, State::Over)
    }

    pub(super) fn owns_request(&self, request: Message<'_>) -> bool {
        self.dialog.owns_request(request) || self.early_of(request).is_some()
    }

    /// Whether a request that came by `path` can be its party's: from where the leg began, from
    /// another address of the same party, or from an address that the dialog's own route set or
    /// target names. The port says nothing: a NAT may have changed it.
    pub(super) fn is_party(&self, path: &Path, keys: &dyn LegKeys) -> bool {
        if self.path.shard().is_some() || path.shard().is_some() {
            return self.path.flow == path.flow;
        }
        let (own, source) = (self.path.peer, path.peer);
        own.ip() == source.ip()
            || (self.path.flow != 0 && self.path.flow == path.flow)
            || self.dialog.names(source.ip())
            || self.leads_to(source)
            || keys.is_one_party(own, source)
    }

    /// Its party came by another connection: a phone whose network changed, or that connected again
    /// after a restart of ours. From now on that one leads to it.
    pub(super) fn follow(&mut self, path: &Path) {
        if self.path.flow != 0 && path.flow != 0 && self.path.flow != path.flow {
            self.path = *path;
            self.touched = true;
        }
    }

    /// The party has proved that it sends by `path` now: our requests go there as well.
    pub(super) fn moved(&mut self, path: Path, nated: bool) {
        (self.path, self.nated) = (path, nated);
        self.touched = true;
    }

    pub(super) fn tag(&self) -> &[u8] {
        self.token.as_str().as_bytes()
    }

    pub(super) fn handle_command(&mut self, command: Command, layer: &mut Layer, now: Tick) {
        match command {
            Command::Invite(_) => layer.count(Counted::Misuse),
            Command::Progress { status, body } => self.progress(status, body, layer, now),
            Command::Answer { body } => self.answer(body, layer, now),
            Command::Confirm { body } => self.confirm(body.as_ref(), layer, now),
            Command::Hangup { cause, phrase, retry_after_s } => {
                self.hangup(cause, &phrase, retry_after_s, layer, now);
            }
            Command::Fields(fields) => self.keep_fields(fields, layer),
            Command::Parts(parts) => self.keep_parts(parts, layer),
            Command::Challenge(challenge) => self.challenge(&challenge, layer, now),
            Command::Redirect { status, contacts } => {
                self.redirect(status, &contacts, layer, now);
            }
            Command::Reoffer { body } => self.reoffer(body, layer, now),
            Command::ReofferAnswer { body } => self.reoffer_answer(body, layer, now),
            Command::ReofferRefuse { cause } => self.reoffer_refuse(cause, layer, now),
            Command::Info { body } => self.info(&body, layer, now),
            Command::Update { body } => self.update(body, layer, now),
            Command::Speak(manner) => self.speak(&manner),
            Command::Message { body } => self.message(&body, layer, now),
            Command::TransferAccept => self.transfer_accept(layer, now),
            Command::TransferRefuse { cause } => self.transfer_refuse(cause, layer, now),
            Command::TransferProgress { status } => self.transfer_progress(status, layer, now),
        }
    }

    /// Ends it, whatever its state.
    fn hangup(
        &mut self,
        cause: Cause,
        phrase: &str,
        retry_after_s: u16,
        layer: &mut Layer,
        now: Tick,
    ) {
        if !self.told {
            self.farewell = cause;
        }
        match mem::replace(&mut self.state, State::Over) {
            State::Offered(offered) => {
                self.refuse(&offered, cause, phrase, retry_after_s, layer, now);
            }
            State::Calling(calling) => self.give_up(calling, cause, layer, now),
            State::Up(session) => self.hangup_session(session, cause, layer, now),
            // It ended in the same moment.
            State::Over => {}
        }
    }

    /// A transaction of ours has something to say.
    pub(super) fn handle_heard(
        &mut self,
        heard: &Heard,
        role: Role,
        response: Option<Message<'_>>,
        layer: &mut Layer,
        now: Tick,
    ) {
        if let Some(response) = response.filter(|_| heard.response) {
            self.handle_response(heard, role, response, layer, now);
        }
        if let Some(failure) = heard.failure
            && !self.sends_elsewhere(heard, role, layer, now)
        {
            self.notified(heard.id, false, layer, now);
            self.handle_failure(role, failure, layer, now);
        }
        if heard.closed {
            self.forget(heard.id);
        }
    }

    fn handle_response(
        &mut self,
        heard: &Heard,
        role: Role,
        response: Message<'_>,
        layer: &mut Layer,
        now: Tick,
    ) {
        let Some(status) = response.status() else { return };
        if status.is_success() {
            self.touched |= self.wallet.note(response);
        }
        match role {
            Role::Invite if status.is_success() => self.accepted(response, layer, now),
            Role::Invite if status.is_provisional() => self.progressed(response, layer, now),
            Role::Invite => self.refused(heard.id, response, layer, now),
            Role::Reinvite if status.is_success() => self.reoffer_accepted(response, layer, now),
            Role::Reinvite if status.is_provisional() => {}
            Role::Reinvite => self.reoffer_refused(heard.id, response, layer, now),
            Role::Info(_) if matches!(status.code(), 408 | 481) => {
                self.lost(Cause::from_sip(status.code()), layer, now);
            }
            Role::Notify(tries) => {
                if self.wallet.learn(response, status.code(), tries) {
                    self.send_again(heard, (role, heard.path), layer, now);
                } else if status.is_final() {
                    self.notified(heard.id, status.is_success(), layer, now);
                }
            }
            Role::Bye(tries) | Role::StrayBye(tries) | Role::Info(tries) | Role::Message(tries) => {
                let is_bye = matches!(role, Role::Bye(_) | Role::StrayBye(_));
                self.touched |= is_bye && status.is_final();
                if self.wallet.learn(response, status.code(), tries) {
                    self.send_again(heard, (role, heard.path), layer, now);
                }
            }
            Role::Refresh(tries) => self.refresh_heard(heard, tries, response, layer, now),
            Role::Update => self.update_heard(response, layer, now),
            Role::Prack(tries) => {
                if self.wallet.learn(response, status.code(), tries) {
                    self.send_again(heard, (role, heard.path), layer, now);
                }
            }
            // It has the credentials of its INVITE, and cannot be challenged (22.1).
            Role::Cancel => {}
        }
    }

    /// Sends a request again that is no INVITE: it was challenged, or goes by another way.
    fn send_again(
        &mut self,
        heard: &Heard,
        (role, path): (Role, Path),
        layer: &mut Layer,
        now: Tick,
    ) {
        let (role, stray) = match role {
            Role::Bye(tries) => (Role::Bye(tries.saturating_add(1)), false),
            Role::StrayBye(tries) => (Role::StrayBye(tries.saturating_add(1)), true),
            Role::Info(tries) => (Role::Info(tries.saturating_add(1)), false),
            Role::Refresh(tries) => (Role::Refresh(tries.saturating_add(1)), false),
            Role::Prack(tries) => (Role::Prack(tries.saturating_add(1)), false),
            Role::Message(tries) => (Role::Message(tries.saturating_add(1)), false),
            Role::Notify(tries) => (Role::Notify(tries.saturating_add(1)), false),
            Role::Invite | Role::Reinvite | Role::Update | Role::Cancel => return,
        };
        let mut index = Index::new();
        let Ok(sent) = Message::parse(&heard.request, &mut index) else { return };
        let (Some(uri), Ok(cseq)) = (sent.request_uri(), sent.cseq()) else { return };
        // The dialog of a stray has no other requests than its BYE.
        let cseq = if stray { cseq.number.saturating_add(1) } else { self.dialog.next_seq() };
        if let Role::Prack(_) = role {
            self.terms.early_seq = cseq;
        }
        // The wallet has changed.
        self.touched = true;
        let lines = self.lines(role, uri, layer);
        let branch = layer.branch(&self.token);
        let via = layer.via(&path, &branch);
        let Some(bytes) = layer::again(&heard.request, via, cseq, &lines) else {
            return layer.count(Counted::Unbuildable);
        };
        let way = Way { path, branch: &branch, whose: Whose::Leg(self.id, role) };
        let id = layer.start(way, bytes, now);
        self.clients.extend(id);
        self.notify_again(heard.id, id);
        let challenged = self.strays.iter_mut().find(|s| stray && s.bye == Some(heard.id));
        if let Some(challenged) = challenged {
            (challenged.bye, challenged.dialog.local_seq) = (id, cseq);
        }
    }

    fn handle_failure(&mut self, role: Role, failure: Failure, layer: &mut Layer, now: Tick) {
        let cause = match failure {
            Failure::TimedOut => Cause::from_sip(408),
            Failure::Unreachable => Cause::from_sip(503),
        };
        match role {
            Role::Invite => self.silent(cause, layer, now),
            //= rfc3261#section-12.2.1.2
            //# A UAC SHOULD also terminate a dialog if
            //# no response at all is received for the request (the client
            //# transaction would inform the TU about the timeout.)
            Role::Reinvite => {
                self.answered_last();
                self.lost(cause, layer, now);
            }
            Role::Info(_) | Role::Refresh(_) => self.lost(cause, layer, now),
            Role::Update => self.update_unheard(cause, layer, now),
            // The peer sees by itself that its response was not heard, and refuses the INVITE.
            Role::Prack(_) => {}
            Role::Bye(_) | Role::StrayBye(_) => self.touched = true,
            Role::Cancel | Role::Notify(_) | Role::Message(_) => {}
        }
    }

    /// Fires what is due.
    pub(super) fn handle_timeout(&mut self, layer: &mut Layer, now: Tick) {
        self.refer_timeout(layer, now);
        match &self.state {
            State::Offered(_) => self.offered_timeout(layer, now),
            State::Calling(_) => self.calling_timeout(layer, now),
            State::Up(_) => self.session_timeout(layer, now),
            State::Over => {
                if self.lingers.take_if(|until| *until <= now).is_some() {
                    self.answered_last();
                }
            }
        }
    }

    /// Our re-INVITE has its final answer, or gets none any more.
    fn answered_last(&mut self) {
        self.touched |= self.asked.take().is_some();
    }

    /// The dialog is over; an INVITE of a former life may still be answered.
    fn linger(&mut self, layer: &Layer, now: Tick) {
        if self.asked.is_some() && self.former.is_some() {
            let linger_ms = layer.config.timers.linger_ms();
            self.lingers = Some(now.plus_ms(linger_ms.into()));
        }
    }

    /// Sets the leg's alarm to its next deadline, or to none.
    pub(super) fn rearm(&mut self, layer: &mut Layer) {
        let wanted = match &self.state {
            State::Offered(offered) => Some(offered.deadline()),
            State::Calling(calling) => calling.deadline(),
            State::Up(session) => {
                let timer = self.terms.timer.map(|timer| timer.deadline());
                timer.into_iter().chain(session.deadline()).min()
            }
            State::Over => self.lingers.map(forgotten_at),
        };
        let wanted = [wanted, self.refer_until()].into_iter().flatten().min();
        layer.alarms.set(Sleeper::Leg(self.id), &mut self.armed, wanted);
    }

    /// Tells the call, unless it has heard the last.
    fn tell(&self, event: Event, layer: &mut Layer) {
        if !self.told {
            layer.event(self.id, event);
        }
    }

    fn tell_ended(&mut self, cause: Cause, by_party: bool, layer: &mut Layer) {
        self.tell(Event::Ended { cause, by_party }, layer);
        self.told = true;
        self.touched = true;
    }

    fn tell_refused(&mut self, refused: Event, layer: &mut Layer) {
        self.tell(refused, layer);
        self.told = true;
        self.touched = true;
    }

    fn forget(&mut self, client: Id) {
        self.clients.retain(|id| *id != client);
    }

    /// Sends a request in a transaction of its own.
    fn send(&mut self, outgoing: Outgoing<'_>, layer: &mut Layer, now: Tick) -> Option<Sent> {
        let role = outgoing.role;
        // The first request goes to the address that was resolved for its branch.
        let path = if role == Role::Invite { self.path } else { self.request_path(&self.dialog) };
        let cseq = self.dialog.next_seq();
        self.touched |= cseq.is_multiple_of(SEQ_TOUCH);
        let branch = layer.branch(&self.token);
        let lines = self.lines(role, &self.dialog.request_uri(), layer);
        let contact = self.contact(layer);
        let head = Head { cseq, branch: &branch, path: &path, contact: &contact, lines: &lines };
        let Some(bytes) = write(&self.dialog, &outgoing, &head, layer) else {
            layer.count(Counted::Unbuildable);
            return None;
        };
        if method_of(role) == Method::Invite {
            self.invite_lines = lines;
        }
        if role == Role::Reinvite {
            self.asked = Some(cseq);
        }
        let way = Way { path, branch: &branch, whose: Whose::Leg(self.id, role) };
        let id = layer.start(way, bytes.clone(), now)?;
        self.clients.push(id);
        Some(Sent { id, bytes, branch })
    }

    /// The credentials that a request needs.
    fn lines(&mut self, role: Role, uri: &[u8], layer: &mut Layer) -> Vec<Line> {
        self.wallet.lines(method_of(role).name(), uri, &mut layer.chance)
    }

    //= rfc3261#section-13.2.2.4
    //# The header fields of the ACK are constructed
    //# in the same way as for any request sent within a dialog (see Section
    //# 12) with the exception of the CSeq and the header fields related to
    //# authentication.
    /// Writes the ACK for a 2xx.
    fn write_ack(
        &self,
        dialog: &Dialog,
        cseq: u32,
        answer: Option<&Body>,
        layer: &mut Layer,
    ) -> Option<Acked> {
        let path = self.request_path(dialog);
        let branch = layer.branch(&self.token);
        let mut out = Vec::with_capacity(512);
        let via = layer.via(&path, &branch);
        let mut writer = dialog.request(&mut out, Method::Ack, cseq, MAX_FORWARDS, via);
        for (header, value) in &self.invite_lines {
            writer.field(*header, value);
        }
        if writer.finish(answer.map(body_of)).is_err() {
            layer.count(Counted::Unbuildable);
            return None;
        }
        let (tag, body) = (dialog.remote.tag.clone(), answer.cloned());
        Some(Acked { cseq, tag, path, bytes: out.into(), body, waits: false })
    }

    /// Writes and sends the ACK for a 2xx; to be kept for when the 2xx comes again. One whose
    /// target is being looked up goes out when that is done.
    fn acknowledge(
        &self,
        dialog: &Dialog,
        cseq: u32,
        answer: Option<&Body>,
        layer: &mut Layer,
    ) -> Option<Acked> {
        let mut acked = self.write_ack(dialog, cseq, answer, layer)?;
        acked.waits = self.is_looking(dialog);
        if !acked.waits {
            layer.transmit(acked.path, acked.bytes.clone());
        }
        Some(acked)
    }

    /// Keeps an ACK for as long as its 2xx may come again, if there are not too many.
    fn keep_ack(&mut self, acked: Option<Acked>) {
        self.acks.extend(acked);
        self.touched = true;
        if self.acks.len() > ACKS_MAX {
            self.acks.pop_front();
        }
    }

    //= rfc3261#section-13.2.2.4
    //# The
    //# ACK MUST be passed to the client transport every time a
    //# retransmission of the 2xx final response that triggered the ACK
    //# arrives.
    /// Sends the ACK again that `response` was answered with; whether there is one.
    fn acknowledge_again(&self, response: Message<'_>, layer: &mut Layer) -> bool {
        let (Ok(cseq), Ok(to)) = (response.cseq(), response.to()) else { return false };
        let mut all = self.acks.iter().chain(self.strays.iter().map(|stray| &stray.acked));
        match all.find(|acked| acked.cseq == cseq.number && acked.tag.as_deref() == to.tag()) {
            Some(acked) => {
                if !acked.waits {
                    layer.transmit(acked.path, acked.bytes.clone());
                }
                true
            }
            None => false,
        }
    }

    /// Where requests of `dialog` go.
    ///
    /// To the first route or the target when that is an address that we can mean, in numbers or by
    /// a name that was looked up (`lead`); else to where the leg began: behind a NAT the peer's own
    /// addresses lead nowhere. A connection is the way itself as long as the next hop is the host
    /// at its other end. A GRUU (RFC 5627) leads to its registrar, which is us for a phone of ours:
    /// the device itself is where it speaks from. Another shard of ours is reached as it is.
    fn request_path(&self, dialog: &Dialog) -> Path {
        let mut path = self.path;
        if self.is_direct(dialog) {
            return path;
        }
        if let Some(hop) = dialog.next_hop().or_else(|| self.led_to(dialog))
            && is_reached(path.peer, hop)
            && (path.flow == 0 || hop.ip() != path.peer.ip())
        {
            (path.peer, path.flow) = (hop, 0);
        }
        path
    }

    /// Whether only the way on which the leg began leads to the peer.
    fn is_direct(&self, dialog: &Dialog) -> bool {
        let direct = dialog.route_set.is_empty() && (self.nated || dialog.is_to_gruu());
        direct || self.path.shard().is_some()
    }

    /// The value of our Contact.
    fn contact(&self, layer: &Layer) -> Vec<u8> {
        let address = layer.listener(self.path.listener).map_or(self.path.local, |l| l.advertised);
        let (scheme, param) = match self.dialog.secure {
            true => ("sips", ""),
            false => ("sip", self.path.contact_param()),
        };
        let mut contact = Vec::with_capacity(CONTACT_LEN);
        contact.push(b'<');
        contact.extend_from_slice(scheme.as_bytes());
        contact.push(b':');
        contact.extend_from_slice(self.token.as_str().as_bytes());
        contact.push(b'@');
        digits::socket(&mut contact, address);
        contact.extend_from_slice(param.as_bytes());
        contact.push(b'>');
        contact
    }
}

/// Whether a hop is reached from where a leg began at `own`: by the same listener, and no private
/// network is meant by somebody who is in none.
fn is_reached(own: SocketAddr, hop: SocketAddr) -> bool {
    hop.is_ipv4() == own.is_ipv4() && is_private(hop.ip()) <= is_private(own.ip())
}

/// Bytes that most Contacts of ours fit in.
const CONTACT_LEN: usize = 80;

/// What a request has beside its dialog.
struct Head<'a> {
    cseq: u32,
    branch: &'a [u8],
    path: &'a Path,
    contact: &'a [u8],
    lines: &'a [Line],
}

/// Writes a request of `dialog`.
fn write(
    dialog: &Dialog,
    outgoing: &Outgoing<'_>,
    head: &Head<'_>,
    layer: &Layer,
) -> Option<Bytes> {
    let method = method_of(outgoing.role);
    let mut out = Vec::with_capacity(1_024);
    let via = layer.via(head.path, head.branch);
    let mut writer = dialog.request(&mut out, method, head.cseq, outgoing.hops, via);
    if matches!(method, Method::Invite | Method::Update) {
        writer.field(Header::Contact, head.contact);
        writer.field(Header::Allow, gate::ALLOW_IN_DIALOG.as_bytes());
    }
    for (header, value) in head.lines {
        writer.field(*header, value);
    }
    for (name, value) in outgoing.fields {
        writer.named(name.as_bytes(), &[value]);
    }
    // A rule may say who we are in our place.
    let named = |name: &str| name.eq_ignore_ascii_case(Header::UserAgent.name());
    if !outgoing.fields.iter().any(|(name, _)| named(name)) {
        writer.field(Header::UserAgent, layer.config.product.as_bytes());
    }
    writer.finish(outgoing.body.map(body_of)).ok()?;
    Some(out.into())
}

fn body_of(body: &Body) -> build::Body<'_> {
    build::Body { content_type: body.content_type.as_bytes(), bytes: &body.data }
}

const fn method_of(role: Role) -> Method {
    match role {
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

/// Lines as fields are handed on.
fn fields(lines: &[Line]) -> Vec<(&'static str, &[u8])> {
    lines.iter().map(|(header, value)| (header.name(), value.as_slice())).collect()
}

/// An address of a private network (RFC 1918, RFC 6598, RFC 4193) or of this host.
pub(super) fn is_private(address: std::net::IpAddr) -> bool {
    match address.to_canonical() {
        std::net::IpAddr::V4(v4) => {
            let [a, b, ..] = v4.octets();
            v4.is_private()
                || v4.is_loopback()
                || v4.is_link_local()
                || (a == 100 && b & 0xc0 == 64)
        }
        std::net::IpAddr::V6(v6) => {
            v6.is_loopback() || v6.is_unique_local() || v6.is_unicast_link_local()
        }
    }
}

/// Values of Reason for a cause (RFC 3326).
fn reasons(cause: Cause, with_sip: bool) -> Vec<Vec<u8>> {
    let mut reasons = Vec::new();
    if cause.q850 != 0 {
        reasons.push(format!("Q.850;cause={}", cause.q850).into_bytes());
    }
    if with_sip && cause.sip >= 200 {
        // A phone that is told so shows no missed call (RFC 3326 section 3.1).
        let text = if cause.sip == 200 { ";text=\"Call completed elsewhere\"" } else { "" };
        reasons.push(format!("SIP;cause={}{text}", cause.sip).into_bytes());
    }
    reasons
}

/// The cause that a message gives, or `usual` where it gives none.
fn cause_of(message: Message<'_>, usual: Cause) -> Cause {
    let mut cause = usual;
    for reason in message.elements(Header::Reason).filter_map(Reason::parse) {
        let Some(value) = reason.cause else { continue };
        if reason.protocol.eq_ignore_ascii_case(b"Q.850") {
            cause.q850 = u8::try_from(value).ok().filter(|v| *v < 128).unwrap_or(cause.q850);
        } else if reason.protocol.eq_ignore_ascii_case(b"SIP") && cause.sip == 0 {
            cause.sip = value;
        }
    }
    cause
}
