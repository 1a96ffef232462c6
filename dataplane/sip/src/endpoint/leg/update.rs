//! UPDATE of both sides (RFC 3311), before and after the answer.
//!
//! One without a description refreshes the session or the target; it is answered at once and no
//! call hears of it. One with an offer is the call's, as a re-INVITE is, and shares its phases:
//!
//! | state | UPDATE with an offer |
//! |---|---|
//! | Offered, descriptions went both ways, nothing in progress | the call's |
//! | Offered, our answer not acknowledged, an offer of the peer's in progress | 500, Retry-After |
//! | Offered, Calling, an offer of ours in progress | 491 |
//! | Calling, the fork's answer came reliably, nothing in progress | the call's |
//! | Calling, before that: our INVITE's offer is in progress | 491 |
//! | Up, Stable | the call's |
//! | Up, an offer of the peer's in progress | 500, Retry-After |
//! | Up, an offer of ours in progress, our 2xx without its ACK | 491 |

use strowger_leg::{Body, Event, Part};
use strowger_link::{Cause, Tick};

use super::super::body::{self, Contents, Whole};
use super::super::gate;
use super::super::layer::{Layer, Response, Role};
use super::super::output::Counted;
use super::super::slab::Id;
use super::early::Early;
use super::session::{By, Phase, Wanted};
use super::{Leg, Outgoing, State};
use crate::header::Header;
use crate::message::{Index, Message};

/// The offer in progress of a dialog without an answer, but that of the INVITE.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Pending {
    None,
    /// The peer's, of this request.
    In(Id),
    /// Ours.
    Out,
}

impl Leg {
    /// An UPDATE of the peer in a dialog that we may answer for.
    pub(super) fn handle_update(
        &mut self,
        request: Message<'_>,
        tx: Id,
        layer: &mut Layer,
        now: Tick,
    ) {
        self.learn(request);
        if self.refuse_too_short(request, tx, layer, now) {
            return;
        }
        let offer = gate::check_accept(request).and_then(|()| self.offered_within(request));
        match offer {
            Err(bar) => self.bar(tx, &bar, layer, now),
            Ok(Contents { session: None, .. }) => self.accept_update(tx, (None, &[]), layer, now),
            Ok(Contents { session: Some(body), parts }) => {
                self.handle_update_offer((body, parts), request, tx, layer, now);
            }
        }
    }

    fn handle_update_offer(
        &mut self,
        (body, parts): (Body, Vec<Part>),
        request: Message<'_>,
        tx: Id,
        layer: &mut Layer,
        now: Tick,
    ) {
        let Ok(cseq) = request.cseq() else { return };
        let judged = match &mut self.state {
            State::Offered(offered) => match offered.pending {
                Pending::Out => Judged::Glare,
                Pending::In(_) => Judged::TooSoon,
                Pending::None if !offered.assured.described => Judged::TooSoon,
                Pending::None => {
                    offered.pending = Pending::In(tx);
                    Judged::Taken
                }
            },
            State::Up(session) => match session.phase {
                Phase::OfferIn { .. } => Judged::TooSoon,
                Phase::OfferOut(_) | Phase::HoldAck { .. } | Phase::AwaitAck(_) => Judged::Glare,
                Phase::Stable => {
                    let (by, cseq) = (By::Update, cseq.number);
                    session.phase = Phase::OfferIn { tx, cseq, late: false, by };
                    Judged::Taken
                }
            },
            State::Calling(calling) => calling.judge_update(request, tx),
            State::Over => Judged::Glare,
        };
        match judged {
            Judged::Taken => {
                self.tell_shown(request, layer);
                self.tell_parts(parts, layer);
                self.tell(Event::Update { body }, layer);
            }
            Judged::Glare => layer.respond_plain(tx, 491, self.tag(), now),
            Judged::TooSoon => self.postpone(tx, layer, now),
        }
    }

    /// Answers an UPDATE, or a PRACK with an offer, by 2xx.
    pub(super) fn accept_update(
        &mut self,
        tx: Id,
        (body, parts): (Option<&Body>, &[Part]),
        layer: &mut Layer,
        now: Tick,
    ) {
        let mut lines = vec![(Header::Contact, self.contact(layer))];
        lines.push((Header::Allow, gate::ALLOW_IN_DIALOG.as_bytes().to_vec()));
        if matches!(self.state, State::Up(_)) {
            lines.extend(self.settle_timer_of(tx, layer, now));
            if body.is_some() {
                self.terms.keep_told(body);
            }
        }
        self.refresh_target(tx, layer);
        let whole = Whole::of(body, parts, || layer.chance.next());
        let mut fields = super::fields(&lines);
        fields.extend(whole.as_ref().and_then(Whole::field));
        let body = whole.as_ref().map(|whole| &whole.body).or(body);
        let response =
            Response { tag: Some(self.tag()), fields: &fields, body, ..Response::new(200) };
        if layer.respond(tx, response, now).is_none() {
            layer.respond_plain(tx, 500, self.tag(), now);
        }
    }

    /// Takes the target that a request names which we accept.
    pub(super) fn refresh_target(&mut self, tx: Id, layer: &mut Layer) {
        let Some(bytes) = layer.request_of(tx) else { return };
        let mut index = Index::new();
        let Ok(request) = Message::parse(&bytes, &mut index) else { return };
        match &mut self.state {
            State::Calling(calling) => {
                if let Some(early) = calling.early_mut(request) {
                    early.dialog.refresh(request);
                    early.said = body::session(request).or(early.said.take());
                }
            }
            State::Offered(_) | State::Up(_) | State::Over => self.retarget(request, layer),
        }
    }

    /// The call has an offer that is to be answered at once.
    pub(super) fn update(&mut self, body: Body, layer: &mut Layer, now: Tick) {
        let (told, parts) = (self.told, self.terms.take_parts());
        match &mut self.state {
            State::Up(session) if !told => {
                if session.is_asking() {
                    layer.count(Counted::Misuse);
                    return self.tell_refused_offer(491, layer);
                }
                let by = if self.terms.peer.update { By::Update } else { By::Invite };
                session.wanted = Some(Wanted::new(Some(body), parts, by, now));
                self.start_wanted(layer, now);
            }
            State::Offered(offered) => {
                let takes = offered.assured.described && self.terms.peer.update;
                match (offered.pending, takes) {
                    (Pending::None, true) => {
                        offered.pending = Pending::Out;
                        self.send_early_update(None, (&body, &parts), layer, now);
                    }
                    (Pending::In(_) | Pending::Out, true) => self.tell_refused_offer(491, layer),
                    (_, false) => self.tell_refused_offer(488, layer),
                }
            }
            State::Calling(_) if !self.terms.peer.update => self.tell_refused_offer(488, layer),
            State::Calling(calling) => match calling.begin_update() {
                Ok(fork) => self.send_early_update(Some(fork), (&body, &parts), layer, now),
                Err(status) => self.tell_refused_offer(status, layer),
            },
            State::Up(_) | State::Over => layer.count(Counted::Misuse),
        }
    }

    fn send_early_update(
        &mut self,
        fork: Option<usize>,
        (body, parts): (&Body, &[Part]),
        layer: &mut Layer,
        now: Tick,
    ) {
        let lines = self.terms.of_refresh();
        let mut fields = super::fields(&lines);
        let whole = Whole::of(Some(body), parts, || layer.chance.next());
        fields.extend(whole.as_ref().and_then(Whole::field));
        let body = whole.as_ref().map_or(body, |whole| &whole.body);
        let outgoing =
            Outgoing { fields: &fields, body: Some(body), ..Outgoing::new(Role::Update) };
        let sent = match fork {
            Some(fork) => self.send_early(fork, outgoing, layer, now),
            None => self.send(outgoing, layer, now).map(|sent| sent.id),
        };
        if sent.is_none() {
            self.end_pending();
            self.tell_refused_offer(500, layer);
        }
    }

    pub(super) fn tell_refused_offer(&self, status: u16, layer: &mut Layer) {
        self.tell(Event::ReofferRefused { cause: Cause::from_sip(status) }, layer);
    }

    /// The early dialog has no offer of ours in progress any more; whether it had one.
    fn end_pending(&mut self) -> bool {
        let pending = match &mut self.state {
            State::Offered(offered) => Some(&mut offered.pending),
            State::Calling(calling) => calling.pending_out(),
            State::Up(_) | State::Over => None,
        };
        let Some(pending) = pending.filter(|pending| **pending == Pending::Out) else {
            return false;
        };
        *pending = Pending::None;
        true
    }

    /// The peer's answer to an UPDATE with an offer.
    pub(super) fn update_heard(&mut self, response: Message<'_>, layer: &mut Layer, now: Tick) {
        let Some(status) = response.status().filter(|status| status.is_final()) else { return };
        if self.end_pending() {
            return self.early_update_heard(status.code(), response, layer);
        }
        if !status.is_success() {
            return self.offer_refused(response, layer, now);
        }
        match self.enter(Phase::Stable) {
            Some(Phase::OfferOut(out)) if out.by == By::Update => {
                self.retarget(response, layer);
                self.terms.heed(response, now);
                self.terms.keep_told(out.body.as_ref());
                let body = body::session(response);
                self.tell_beside(response, layer);
                self.tell(Event::ReofferAnswered { body }, layer);
                self.start_wanted(layer, now);
            }
            Some(other) => {
                self.enter(other);
            }
            None => {}
        }
    }

    fn early_update_heard(&mut self, code: u16, response: Message<'_>, layer: &mut Layer) {
        let body = body::session(response);
        if let State::Calling(calling) = &mut self.state {
            calling.answered_update(response, body.as_ref());
        }
        if (200..=299).contains(&code) {
            self.tell_beside(response, layer);
        }
        let event = match code {
            200..=299 => Event::ReofferAnswered { body },
            code => Event::ReofferRefused { cause: Cause::from_sip(code) },
        };
        self.tell(event, layer);
    }

    /// An UPDATE with an offer has no answer.
    pub(super) fn update_unheard(&mut self, cause: Cause, layer: &mut Layer, now: Tick) {
        if self.end_pending() {
            return self.tell(Event::ReofferRefused { cause }, layer);
        }
        self.lost(cause, layer, now);
    }

    /// The call accepts an offer that came before the answer; whether there was one.
    pub(super) fn answer_early(
        &mut self,
        said: (Option<&Body>, &[Part]),
        layer: &mut Layer,
        now: Tick,
    ) -> bool {
        let Some(tx) = self.take_early() else { return false };
        self.accept_update(tx, said, layer, now);
        true
    }

    /// The call refuses it; whether there was one.
    pub(super) fn refuse_early(&mut self, status: u16, layer: &mut Layer, now: Tick) -> bool {
        let Some(tx) = self.take_early() else { return false };
        layer.respond_plain(tx, status, self.tag(), now);
        true
    }

    fn take_early(&mut self) -> Option<Id> {
        let pending = match &mut self.state {
            State::Offered(offered) => Some(&mut offered.pending),
            State::Calling(calling) => calling.pending_in(),
            State::Up(_) | State::Over => None,
        };
        match pending {
            Some(pending @ Pending::In(_)) => match std::mem::replace(pending, Pending::None) {
                Pending::In(tx) => Some(tx),
                Pending::None | Pending::Out => None,
            },
            Some(Pending::None | Pending::Out) | None => None,
        }
    }

    /// The leg ends without an answer: the peer's offer beside the INVITE gets what it waits for.
    pub(super) fn end_pending_of(&self, pending: Pending, layer: &mut Layer, now: Tick) {
        if let Pending::In(tx) = pending {
            layer.respond_plain(tx, 487, self.tag(), now);
        }
    }

    /// The INVITE is answered: offers that were in progress beside it come to nothing.
    pub(super) fn close_pending(&mut self, pending: Pending, layer: &mut Layer, now: Tick) {
        match pending {
            Pending::None => {}
            Pending::In(tx) => self.postpone(tx, layer, now),
            Pending::Out => self.tell_refused_offer(491, layer),
        }
    }
}

/// What an offer in an UPDATE is at the time it comes.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Judged {
    Taken,
    /// An offer of ours is in progress.
    Glare,
    /// One of the peer's is.
    TooSoon,
}

impl Early {
    pub(super) fn judge_update(&mut self, tx: Id) -> Judged {
        match self.pending {
            Pending::None if self.said.is_some() => {
                self.pending = Pending::In(tx);
                Judged::Taken
            }
            Pending::None | Pending::Out => Judged::Glare,
            Pending::In(_) => Judged::TooSoon,
        }
    }
}
