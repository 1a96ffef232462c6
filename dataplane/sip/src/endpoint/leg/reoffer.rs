//! INVITEs inside the dialog, of both sides (RFC 3261 14).

use strowger_leg::{Body, Event};
use strowger_link::{Cause, HeaderField, Tick};

use super::super::body::{self, Contents, Whole};
use super::super::gate::{self, Bar};
use super::super::layer::{Layer, Response, Role};
use super::super::offer::shown;
use super::super::output::Counted;
use super::super::slab::Id;
use super::inbound::Word;
use super::outbound::challenges_of;
use super::session::{AckOf, AwaitAck, By, OfferOut, Phase, Wanted};
use super::terms::retry_after;
use super::{Leg, Outgoing, State};
use crate::header::Header;
use crate::limits::{GLARE_TRIES_MAX, SESSION_TRIES_MAX};
use crate::message::Message;

/// The longest that we wait with an offer because the peer asks for it, in milliseconds (RFC 3261
/// 14.2: at most 10 s).
const RETRY_MS_MAX: u64 = 10_000;

impl Leg {
    /// The call wants a new description of the peer.
    pub(super) fn reoffer(&mut self, body: Option<Body>, layer: &mut Layer, now: Tick) {
        let (told, parts) = (self.told, self.terms.take_parts());
        if matches!(self.state, State::Offered(_)) && !told {
            // Its answer waits for the PRACK of a description.
            return self.tell_refused_offer(491, layer);
        }
        let Some(session) = self.session().filter(|_| !told) else {
            return layer.count(Counted::Misuse);
        };
        if session.is_asking() {
            // One at a time: the call must hear of the first one before it wants a second.
            layer.count(Counted::Misuse);
            return self.tell_refused_offer(491, layer);
        }
        session.wanted = Some(Wanted::new(body, parts, By::Invite, now));
        self.start_wanted(layer, now);
    }

    //= rfc3261#section-14.1
    //# Note that a UAC MUST NOT initiate a new INVITE transaction within a
    //# dialog while another INVITE transaction is in progress in either
    //# direction.
    /// Sends the re-INVITE that waits, if its time has come and nothing stands in its way.
    pub(super) fn start_wanted(&mut self, layer: &mut Layer, now: Tick) {
        let Some(session) = self.session() else { return };
        if !matches!(session.phase, Phase::Stable) {
            return;
        }
        if let Some(wanted) = session.wanted.take_if(|wanted| wanted.at <= now) {
            let Wanted { body, parts, at: _, glares, by, refresh } = wanted;
            let out = OfferOut { body, parts, glares, tries: 0, by, refresh };
            self.send_reoffer(out, layer, now);
        }
    }

    pub(super) fn send_reoffer(&mut self, out: OfferOut, layer: &mut Layer, now: Tick) {
        let role = match out.by {
            By::Invite => Role::Reinvite,
            By::Update => Role::Update,
        };
        let lines = self.terms.of_refresh();
        let mut fields: Vec<(&str, &[u8])> = super::fields(&lines);
        let shown = if out.refresh { Vec::new() } else { self.shown_by_other() };
        fields.extend(shown.iter().map(|field| (field.name.as_str(), field.value.0.as_slice())));
        let whole = Whole::of(out.body.as_ref(), &out.parts, || layer.chance.next());
        fields.extend(whole.as_ref().and_then(Whole::field));
        let body = whole.as_ref().map(|whole| &whole.body).or(out.body.as_ref());
        let outgoing = Outgoing { fields: &fields, body, ..Outgoing::new(role) };
        if self.send(outgoing, layer, now).is_some() {
            self.enter(Phase::OfferOut(Box::new(out)));
        } else {
            self.enter(Phase::Stable);
            self.refused_offer(out.refresh, Cause::from_sip(500), layer, now);
        }
    }

    /// Our re-INVITE had no answer: it is sent anew, where the dialog goes now. Whether it was.
    pub(super) fn reoffer_elsewhere(&mut self, tx: Id, layer: &mut Layer, now: Tick) -> bool {
        match self.enter(Phase::Stable) {
            Some(Phase::OfferOut(out)) => {
                self.forget(tx);
                self.answered_last();
                self.send_reoffer(*out, layer, now);
                true
            }
            Some(other) => {
                self.enter(other);
                false
            }
            None => false,
        }
    }

    /// Our offer came to nothing; the call hears of its own.
    fn refused_offer(&mut self, refresh: bool, cause: Cause, layer: &mut Layer, now: Tick) {
        if refresh {
            self.put_off(None, now);
        } else {
            self.tell(Event::ReofferRefused { cause }, layer);
        }
    }

    /// A 2xx to our re-INVITE.
    pub(super) fn reoffer_accepted(&mut self, response: Message<'_>, layer: &mut Layer, now: Tick) {
        if self.acknowledge_again(response, layer) {
            return;
        }
        let Ok(cseq) = response.cseq() else { return };
        let phase = self.enter(Phase::Stable);
        match phase {
            Some(Phase::OfferOut(out)) => {
                //= rfc3261#section-12.2.1.2
                //# When a UAC receives a 2xx response to a target refresh request, it
                //# MUST replace the dialog's remote target URI with the URI from the
                //# Contact header field in that response, if present.
                self.retarget(response, layer);
                self.terms.heed(response, now);
                self.terms.keep_told(out.body.as_ref());
                let body = body::session(response);
                if out.body.is_none() {
                    self.enter(Phase::HoldAck { cseq: cseq.number, first: false });
                } else {
                    self.answered_last();
                    self.keep_ack(self.acknowledge(&self.dialog, cseq.number, None, layer));
                }
                if out.refresh {
                    self.tell_refreshed(body, layer);
                    self.start_wanted(layer, now);
                } else {
                    self.tell_beside(response, layer);
                    self.tell(Event::ReofferAnswered { body }, layer);
                }
            }
            // The ACK is held: the 2xx came again too early.
            Some(held @ Phase::HoldAck { .. }) => {
                self.enter(held);
            }
            Some(other) => {
                self.enter(other);
            }
            // The leg ended meanwhile; its peer still wants an ACK.
            None => {
                self.answered_last();
                self.keep_ack(self.acknowledge(&self.dialog, cseq.number, None, layer));
            }
        }
    }

    /// The call answers the offer that a 2xx brought.
    pub(super) fn confirm(&mut self, body: Option<&Body>, layer: &mut Layer, now: Tick) {
        let held = match self.session().map(|session| &session.phase) {
            Some(Phase::HoldAck { cseq, first }) => Some((*cseq, *first)),
            Some(
                Phase::Stable | Phase::AwaitAck(_) | Phase::OfferIn { .. } | Phase::OfferOut(_),
            )
            | None => None,
        };
        let Some((cseq, first)) = held else { return layer.count(Counted::Misuse) };
        self.answered_last();
        self.terms.keep_told(body);
        self.keep_ack(self.acknowledge(&self.dialog, cseq, body, layer));
        self.enter(Phase::Stable);
        if first {
            self.tell(Event::Confirmed { body: None }, layer);
        }
        self.start_wanted(layer, now);
    }

    /// A response of 300 to 699 to our re-INVITE.
    pub(super) fn reoffer_refused(
        &mut self,
        tx: Id,
        response: Message<'_>,
        layer: &mut Layer,
        now: Tick,
    ) {
        self.forget(tx);
        self.answered_last();
        self.offer_refused(response, layer, now);
    }

    /// A response of 300 to 699 to an offer of ours.
    pub(super) fn offer_refused(&mut self, response: Message<'_>, layer: &mut Layer, now: Tick) {
        let Some(status) = response.status().map(|status| status.code()) else { return };
        let cause = super::cause_of(response, Cause::from_sip(status));
        let out = match self.enter(Phase::Stable) {
            Some(Phase::OfferOut(out)) => *out,
            Some(other) => {
                self.enter(other);
                return;
            }
            None => return,
        };
        match status {
            491 if out.glares < GLARE_TRIES_MAX => self.wait_out_glare(out, layer, now),
            401 | 407 if self.wallet.learn(response, status, out.tries) => {
                let tries = out.tries.saturating_add(1);
                self.send_reoffer(OfferOut { tries, ..out }, layer, now);
            }
            422 if out.tries < SESSION_TRIES_MAX && self.lengthen(response) => {
                let tries = out.tries.saturating_add(1);
                self.send_reoffer(OfferOut { tries, ..out }, layer, now);
            }
            // The peer has an offer of its own in mind, which has its answer soon (14.2).
            500 if out.glares < GLARE_TRIES_MAX && retry_after(response).is_some() => {
                let wait_ms = 1_000 * u64::from(retry_after(response).unwrap_or(0));
                self.want_again(out, now.plus_ms(wait_ms.min(RETRY_MS_MAX)));
            }
            405 | 501 if out.by == By::Update => {
                self.terms.peer.update = false;
                self.send_reoffer(OfferOut { by: By::Invite, ..out }, layer, now);
            }
            //= rfc3261#section-14.1
            //# Note that, as stated in Section 12.2.1.2, if the non-2xx final
            //# response is a 481 (Call/Transaction Does Not Exist), or a 408
            //# (Request Timeout), or no response at all is received for the re-
            //# INVITE (that is, a timeout is returned by the INVITE client
            //# transaction), the UAC will terminate the dialog.
            408 | 481 => self.lost(cause, layer, now),
            _ => {
                if self.passes && matches!(status, 401 | 407) && !out.refresh {
                    self.tell(Event::Fields(challenges_of(response)), layer);
                }
                self.refused_offer(out.refresh, cause, layer, now);
                self.start_wanted(layer, now);
            }
        }
    }

    //= rfc3261#section-14.1
    //# 1. If the UAC is the owner of the Call-ID of the dialog ID
    //# (meaning it generated the value), T has a randomly chosen value
    //# between 2.1 and 4 seconds in units of 10 ms.
    //#
    //# 2. If the UAC is not the owner of the Call-ID of the dialog ID, T
    //# has a randomly chosen value of between 0 and 2 seconds in units
    //# of 10 ms.
    fn wait_out_glare(&mut self, out: OfferOut, layer: &mut Layer, now: Tick) {
        let wait_ms = if self.caller {
            2_100 + 10 * layer.chance.up_to(190)
        } else {
            10 * layer.chance.up_to(200)
        };
        self.want_again(out, now.plus_ms(wait_ms.into()));
    }

    /// Offers the same again at `at`, unless the call wants something else by now.
    fn want_again(&mut self, out: OfferOut, at: Tick) {
        let OfferOut { body, parts, glares, by, refresh, tries: _ } = out;
        let Some(session) = self.session() else { return };
        let glares = glares.saturating_add(1);
        session.wanted.get_or_insert(Wanted { body, parts, at, glares, by, refresh });
    }

    /// The peer wants a new description of us.
    pub(super) fn handle_reinvite(
        &mut self,
        request: Message<'_>,
        tx: Id,
        layer: &mut Layer,
        now: Tick,
    ) {
        self.learn(request);
        let tag = self.tag().to_vec();
        if self.refuse_too_short(request, tx, layer, now) {
            return;
        }
        let Some(session) = self.session() else {
            return self.postpone(tx, layer, now);
        };
        match &session.phase {
            Phase::Stable => {}
            Phase::OfferIn { .. } => return self.postpone(tx, layer, now),
            //= rfc3261#section-14.2
            //# A UAS that receives an INVITE on a dialog while an INVITE it had sent
            //# on that dialog is in progress MUST return a 491 (Request Pending)
            //# response to the received INVITE.
            Phase::OfferOut(_) | Phase::HoldAck { .. } | Phase::AwaitAck(_) => {
                return layer.respond_plain(tx, 491, &tag, now);
            }
        }
        let Ok(cseq) = request.cseq() else { return };
        match gate::check_accept(request).and_then(|()| self.offered_within(request)) {
            Ok(Contents { session: body, parts }) => {
                let late = body.is_none();
                let (by, cseq) = (By::Invite, cseq.number);
                self.enter(Phase::OfferIn { tx, cseq, late, by });
                layer.respond_plain(tx, 100, &tag, now);
                self.tell_shown(request, layer);
                self.tell_parts(parts, layer);
                self.tell(Event::Reoffer { body }, layer);
            }
            Err(bar) => self.bar(tx, &bar, layer, now),
        }
    }

    //= rfc3261#section-14.2
    //# A UAS that receives a second INVITE before it sends the final
    //# response to a first INVITE with a lower CSeq sequence number on the
    //# same dialog MUST return a 500 (Server Internal Error) response to the
    //# second INVITE and MUST include a Retry-After header field with a
    //# randomly chosen value of between 0 and 10 seconds.
    pub(super) fn postpone(&mut self, tx: Id, layer: &mut Layer, now: Tick) {
        let seconds = layer.chance.up_to(10).to_string();
        self.bar(tx, &Bar::with(500, Header::RetryAfter, seconds.as_bytes()), layer, now);
    }

    /// Answers a request of the dialog by what bars it.
    pub(super) fn bar(&self, tx: Id, bar: &Bar, layer: &mut Layer, now: Tick) {
        layer.count(Counted::Barred(bar.status));
        let tag = Some(self.tag());
        bar.answer(|response| layer.respond(tx, Response { tag, ..response }, now));
    }

    /// The call accepts the peer's offer.
    pub(super) fn reoffer_answer(&mut self, body: Option<Body>, layer: &mut Layer, now: Tick) {
        let parts = self.terms.take_parts();
        if self.answer_early((body.as_ref(), &parts), layer, now) {
            return;
        }
        let Some((tx, cseq, late, by)) = self.offer_in() else {
            return layer.count(Counted::Misuse);
        };
        if by == By::Update {
            self.accept_update(tx, (body.as_ref(), &parts), layer, now);
            self.enter(Phase::Stable);
            return self.start_wanted(layer, now);
        }
        self.refresh_target(tx, layer);
        let lines = self.settle_timer_of(tx, layer, now);
        self.terms.keep_told(body.as_ref());
        let word = Word { lines: &lines, body: body.as_ref(), parts: &parts };
        let ok = self.respond_in_dialog(tx, 200, word, layer, now);
        let Some((ok, path)) = ok else {
            layer.respond_plain(tx, 500, self.tag(), now);
            self.enter(Phase::Stable);
            return self.start_wanted(layer, now);
        };
        let of = if late { AckOf::LateReoffer } else { AckOf::Reoffer };
        let wait = AwaitAck::new(cseq, ok, path, of, layer.config.timers, now);
        self.enter(Phase::AwaitAck(Box::new(wait)));
    }

    /// The call refuses the peer's offer.
    pub(super) fn reoffer_refuse(&mut self, cause: Cause, layer: &mut Layer, now: Tick) {
        let status = match cause.sip {
            300..=699 => cause.sip,
            _ => 488,
        };
        if self.refuse_early(status, layer, now) {
            return;
        }
        let Some((tx, ..)) = self.offer_in() else { return layer.count(Counted::Misuse) };
        self.refuse_offer(tx, status, layer, now);
        self.enter(Phase::Stable);
        self.start_wanted(layer, now);
    }

    /// A challenge without the challenge means nothing: without one to pass on, that the other side
    /// wants digests which nobody has is a fault of ours.
    fn refuse_offer(&mut self, tx: Id, status: u16, layer: &mut Layer, now: Tick) {
        if !matches!(status, 401 | 407) {
            return layer.respond_plain(tx, status, self.tag(), now);
        }
        let challenges = self
            .passed(|header| matches!(header, Header::WwwAuthenticate | Header::ProxyAuthenticate));
        if challenges.is_empty() {
            return layer.respond_plain(tx, 500, self.tag(), now);
        }
        let fields: Vec<(&str, &[u8])> =
            challenges.iter().map(|f| (f.name.as_str(), f.value.0.as_slice())).collect();
        let tag = Some(self.tag());
        layer.respond(tx, Response { tag, fields: &fields, ..Response::new(status) }, now);
    }

    /// The other side's credentials, for a peer that is challenging it.
    fn shown_by_other(&mut self) -> Vec<HeaderField> {
        if !self.passes {
            return Vec::new();
        }
        self.passed(|header| matches!(header, Header::Authorization | Header::ProxyAuthorization))
    }

    /// What the other side has said of digests, once.
    fn passed(&mut self, wanted: impl Fn(Header) -> bool) -> Vec<HeaderField> {
        let passed = self.session().and_then(|session| session.passed.take());
        let mut fields = passed.map(<[HeaderField]>::into_vec).unwrap_or_default();
        fields.retain(|field| wanted(Header::parse(field.name.as_bytes())));
        fields
    }

    /// The call hears of credentials that a caller shows to somebody beyond us.
    pub(super) fn tell_shown(&self, request: Message<'_>, layer: &mut Layer) {
        if self.caller || !matches!(self.state, State::Up(_)) {
            return;
        }
        let shown = shown(request, None);
        if !shown.is_empty() {
            self.tell(Event::Fields(shown), layer);
        }
    }

    fn offer_in(&mut self) -> Option<(Id, u32, bool, By)> {
        match self.session()?.phase {
            Phase::OfferIn { tx, cseq, late, by } => Some((tx, cseq, late, by)),
            Phase::Stable | Phase::AwaitAck(_) | Phase::OfferOut(_) | Phase::HoldAck { .. } => None,
        }
    }
}
