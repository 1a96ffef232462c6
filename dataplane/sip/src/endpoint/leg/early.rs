//! The early dialogs of an INVITE of ours (RFC 3261 13.2.2.4): one for each To tag that a
//! provisional response brought, with its own route set, target, PRACKs and UPDATEs.
//!
//! They share the leg's CSeq numbers, which so rise in each of them; with one fork they are
//! contiguous. A fork that answers after another has won is acknowledged and ended (`Stray`).

use strowger_leg::{Body, Event};
use strowger_link::Tick;

use super::super::body;
use super::super::layer::{Layer, Role, Way, Whose};
use super::super::output::Counted;
use super::super::slab::Id;
use super::outbound::Calling;
use super::update::{Judged, Pending};
use super::{Head, Leg, Outgoing, State};
use crate::dialog::{Dialog, Order};
use crate::header::Header;
use crate::limits::FORKS_MAX;
use crate::message::Message;
use crate::method::Method;

/// See the module.
pub(super) struct Early {
    pub(super) dialog: Dialog,
    /// RSeq of the newest response that we acknowledged.
    rseq: Option<u32>,
    /// The newest description that came by a reliable way: descriptions went both ways.
    pub(super) said: Option<Body>,
    pub(super) pending: Pending,
}

/// What a provisional response is to its early dialog.
enum Rank {
    /// It wants no acknowledgement.
    Plain,
    /// It wants one.
    Reliable(u32),
    /// It came before, or one in front of it did not: RFC 3262 section 4 has it dropped.
    Dropped,
}

impl Leg {
    /// A provisional response above 100.
    pub(super) fn early_heard(
        &mut self,
        status: u16,
        response: Message<'_>,
        layer: &mut Layer,
        now: Tick,
    ) {
        self.learn(response);
        let State::Calling(calling) = &mut self.state else { return };
        // A body that we cannot use is no reason to lose the call.
        let mut body = body::session(response);
        let before = calling.forks.len();
        let at = calling.fork_of(response, &self.dialog);
        let late = calling.is_late();
        if let Some(early) = at.and_then(|at| calling.forks.get_mut(at)) {
            match early.rank(response) {
                Rank::Dropped => return,
                // We offered none, so the description of a late INVITE cannot come so.
                Rank::Reliable(_) if late && body.is_some() => return,
                Rank::Reliable(rseq) => {
                    early.rseq = Some(rseq);
                    // The first one is the answer; a later one could only be an offer.
                    body = body.filter(|_| early.said.is_none());
                    early.said = early.said.take().or_else(|| body.clone());
                    if let Some(at) = at {
                        self.acknowledge_early(at, rseq, response, layer, now);
                    }
                }
                Rank::Plain => body = body.filter(|_| early.said.is_none()),
            }
        }
        self.look_new(before, layer);
        let fork = at.and_then(|at| u8::try_from(at).ok()).unwrap_or(0);
        let (status, body) = self.terms.told_as(status, body);
        self.tell_beside(response, layer);
        self.tell(Event::Progress { status, body, fork }, layer);
    }

    /// A new early dialog may have a name as its next hop: its ACK wants to know where that is.
    fn look_new(&mut self, before: usize, layer: &mut Layer) {
        let State::Calling(calling) = &self.state else { return };
        if let Some(early) = calling.forks.get(before) {
            let dialog = early.dialog.clone();
            self.look_early(&dialog, layer);
        }
    }

    /// Sends PRACK.
    fn acknowledge_early(
        &mut self,
        fork: usize,
        rseq: u32,
        response: Message<'_>,
        layer: &mut Layer,
        now: Tick,
    ) {
        let Ok(cseq) = response.cseq() else { return };
        let rack = format!("{rseq} {} INVITE", cseq.number);
        let fields: [(&str, &[u8]); 1] = [(Header::RAck.name(), rack.as_bytes())];
        let outgoing = Outgoing { fields: &fields, ..Outgoing::new(Role::Prack(0)) };
        self.send_early(fork, outgoing, layer, now);
    }

    /// Sends a request of an early dialog.
    pub(super) fn send_early(
        &mut self,
        fork: usize,
        outgoing: Outgoing<'_>,
        layer: &mut Layer,
        now: Tick,
    ) -> Option<Id> {
        let State::Calling(calling) = &self.state else { return None };
        let dialog = calling.forks.get(fork)?.dialog.clone();
        let (role, cseq) = (outgoing.role, self.dialog.next_seq());
        self.terms.early_seq = cseq;
        let path = self.request_path(&dialog);
        let branch = layer.branch(&self.token);
        let lines = self.lines(role, &dialog.request_uri(), layer);
        let contact = self.contact(layer);
        let head = Head { cseq, branch: &branch, path: &path, contact: &contact, lines: &lines };
        let Some(bytes) = super::write(&dialog, &outgoing, &head, layer) else {
            layer.count(Counted::Unbuildable);
            return None;
        };
        let way = Way { path, branch: &branch, whose: Whose::Leg(self.id, role) };
        let id = layer.start(way, bytes, now)?;
        self.clients.push(id);
        Some(id)
    }

    /// The early dialog that a request of the peer belongs to.
    pub(super) fn early_of(&self, request: Message<'_>) -> Option<&Early> {
        match &self.state {
            State::Calling(calling) => {
                calling.forks.iter().find(|early| early.dialog.owns_request(request))
            }
            State::Offered(_) | State::Up(_) | State::Over => None,
        }
    }

    /// A request of the peer in an early dialog: UPDATE, or nothing that could be meant.
    pub(super) fn handle_early(
        &mut self,
        request: Message<'_>,
        method: Method,
        tx: Id,
        layer: &mut Layer,
        now: Tick,
    ) {
        let (State::Calling(calling), Ok(cseq)) = (&mut self.state, request.cseq()) else { return };
        let order = calling.early_mut(request).map(|early| early.dialog.order(cseq.number));
        if order == Some(Order::TooLate) {
            layer.count(Counted::OutOfOrder);
            return layer.respond_plain(tx, 500, self.tag(), now);
        }
        if method == Method::Update && !self.told {
            return self.handle_update(request, tx, layer, now);
        }
        layer.count(Counted::NoDialog);
        layer.respond_plain(tx, 481, self.tag(), now);
    }
}

impl Early {
    fn rank(&self, response: Message<'_>) -> Rank {
        let required = response.lists(Header::Require, b"100rel");
        let rseq = response.number(Header::RSeq).ok().flatten().filter(|_| required);
        match (rseq, self.rseq) {
            (None, _) => Rank::Plain,
            (Some(rseq), None) => Rank::Reliable(rseq),
            (Some(rseq), Some(last)) if last.checked_add(1) == Some(rseq) => Rank::Reliable(rseq),
            (Some(_), Some(_)) => Rank::Dropped,
        }
    }
}

impl Calling {
    /// The place of the early dialog that a response belongs to, which begins with it if it is
    /// new; `None` for a response without a tag. Forks beyond the bound share the last place.
    fn fork_of(&mut self, response: Message<'_>, dialog: &Dialog) -> Option<usize> {
        let tag = response.to().ok().and_then(|to| to.tag())?;
        let known =
            self.forks.iter().position(|fork| fork.dialog.remote.tag.as_deref() == Some(tag));
        if known.is_some() || self.forks.len() >= FORKS_MAX {
            return known.or(Some(FORKS_MAX - 1));
        }
        let mut dialog = dialog.clone();
        if dialog.establish(response).is_err() {
            dialog.remote.tag = Some(tag.into());
        }
        self.forks.push(Early { dialog, rseq: None, said: None, pending: Pending::None });
        Some(self.forks.len() - 1)
    }

    pub(super) fn early_mut(&mut self, request: Message<'_>) -> Option<&mut Early> {
        self.forks.iter_mut().find(|early| early.dialog.owns_request(request))
    }

    pub(super) fn judge_update(&mut self, request: Message<'_>, tx: Id) -> Judged {
        self.early_mut(request).map_or(Judged::Glare, |early| early.judge_update(tx))
    }

    /// The early dialog that an offer of ours goes to: the newest that has described itself. The
    /// error is the status that stands for the refusal.
    pub(super) fn begin_update(&mut self) -> Result<usize, u16> {
        let at = self.forks.iter().rposition(|early| early.said.is_some()).ok_or(488_u16)?;
        let early = self.forks.get_mut(at).ok_or(488_u16)?;
        match early.pending {
            Pending::None => {
                early.pending = Pending::Out;
                Ok(at)
            }
            Pending::In(_) | Pending::Out => Err(491),
        }
    }

    /// The answer to an offer of ours: from now on this is what the fork says.
    pub(super) fn answered_update(&mut self, response: Message<'_>, body: Option<&Body>) {
        let mut forks = self.forks.iter_mut();
        let (Some(early), Some(body)) =
            (forks.find(|early| early.dialog.owns_response(response)), body)
        else {
            return;
        };
        early.said = Some(body.clone());
    }

    pub(super) fn pending_out(&mut self) -> Option<&mut Pending> {
        self.forks.iter_mut().map(|early| &mut early.pending).find(|p| **p == Pending::Out)
    }

    pub(super) fn pending_in(&mut self) -> Option<&mut Pending> {
        let mut all = self.forks.iter_mut().map(|early| &mut early.pending);
        all.find(|pending| matches!(pending, Pending::In(_)))
    }
}
