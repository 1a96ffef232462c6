//! A leg that the peer began, up to our final response (RFC 3261 13.3).

use std::collections::VecDeque;
use std::mem;

use strowger_leg::{Body, Event, Part};
use strowger_link::token::Token;
use strowger_link::{Cause, Challenge, HeaderField, LegId, Tick};

use super::super::body::Whole;
use super::super::config::Path;
use super::super::gate;
use super::super::layer::{Layer, Response};
use super::super::output::Counted;
use super::super::proof::Holder;
use super::super::slab::Id;
use super::super::wallet::{Line, Wallet};
use super::assured::{Assured, Ready};
use super::session::{AckOf, AwaitAck, Session, Wanted};
use super::terms::Terms;
use super::timer::Said;
use super::update::Pending;
use super::{Leg, State, cause_of, revival};
use crate::dialog::Dialog;
use crate::header::Header;
use crate::message::{Message, Refusal};

/// How often a provisional response is sent again, so that proxies do not take the call for dead:
/// RFC 3261 13.3.1.1 wants it every minute.
const REFRESH_MS: u64 = 60_000;

/// An INVITE without a final response.
pub(super) struct Offered {
    pub(super) tx: Id,
    pub(super) cseq: u32,
    refresh: Tick,
    /// When the INVITE's Expires runs out.
    expires: Tick,
    pub(super) assured: Assured,
    /// An offer in progress beside the INVITE's.
    pub(super) pending: Pending,
    /// Fields of the call's for responses.
    fields: Box<[HeaderField]>,
    /// What it says of the session's timer.
    said: Said,
    /// What its image keeps of the INVITE; empty when that would be too long.
    head: Box<[u8]>,
}

/// What a response within a dialog says.
#[derive(Clone, Copy)]
pub(super) struct Word<'a> {
    pub(super) lines: &'a [Line],
    /// The description.
    pub(super) body: Option<&'a Body>,
    /// What stands beside it.
    pub(super) parts: &'a [Part],
}

impl Offered {
    /// What its image keeps of the INVITE.
    pub(super) fn head(&self) -> Option<&[u8]> {
        Some(&*self.head).filter(|head| !head.is_empty())
    }

    pub(super) fn deadline(&self) -> Tick {
        self.refresh.min(self.expires).min(self.assured.deadline())
    }
}

/// A new inbound leg in the making.
pub(in super::super) struct Offering<'a> {
    pub(in super::super) id: LegId,
    pub(in super::super) token: Token,
    pub(in super::super) path: Path,
    pub(in super::super) request: Message<'a>,
    pub(in super::super) tx: Id,
    pub(in super::super) nated: bool,
    pub(in super::super) holder: Option<Box<Holder>>,
}

impl Leg {
    /// The leg of an INVITE outside a dialog. 100 goes out at once.
    pub(in super::super) fn offered(
        offering: &Offering<'_>,
        layer: &mut Layer,
        now: Tick,
    ) -> Result<Leg, Refusal> {
        let Offering { id, token, path, request, tx, nated, ref holder } = *offering;
        let tag = token.as_str().as_bytes();
        let dialog = Dialog::of_request(request, tag, path.is_tls())?;
        let expires = request.number(Header::Expires)?;
        layer.respond_plain(tx, 100, tag, now);
        let offered = Offered {
            tx,
            cseq: request.cseq()?.number,
            refresh: now.plus_ms(REFRESH_MS),
            expires: expires.map_or(Tick::NEVER, |s| now.plus_ms(u64::from(s) * 1_000)),
            assured: Assured::new(request),
            pending: Pending::None,
            fields: Box::default(),
            said: Said::of(request),
            head: revival::head(request).unwrap_or_default().into(),
        };
        Ok(Leg {
            id,
            token,
            path,
            nated,
            caller: false,
            passes: false,
            dialog,
            lead: None,
            holder: holder.clone(),
            proving: None,
            refer: None,
            refers: 0,
            state: State::Offered(Box::new(offered)),
            wallet: Wallet::default(),
            terms: Terms::of(request),
            invite_lines: Vec::new(),
            acks: VecDeque::new(),
            strays: Vec::new(),
            clients: Vec::new(),
            told: false,
            farewell: Cause::default(),
            asked: None,
            lingers: None,
            armed: None,
            former: None,
            touched: true,
        })
    }

    /// The call says more than the protocol does.
    pub(super) fn keep_fields(&mut self, fields: Vec<HeaderField>, layer: &mut Layer) {
        match &mut self.state {
            State::Offered(offered) => offered.fields = fields.into(),
            State::Up(session) => session.passed = Some(fields.into()),
            // It ended in the same moment.
            State::Over => {}
            State::Calling(_) => layer.count(Counted::Misuse),
        }
    }

    pub(super) fn progress(
        &mut self,
        status: u16,
        body: Option<Body>,
        layer: &mut Layer,
        now: Tick,
    ) {
        let State::Offered(offered) = &mut self.state else {
            return layer.count(Counted::Misuse);
        };
        // 100 went out already, and anything else is no progress.
        if !(101..200).contains(&status) {
            return layer.count(Counted::Misuse);
        }
        offered.refresh = now.plus_ms(REFRESH_MS);
        let (status, body) = self.terms.told_as(status, body);
        let parts = self.terms.take_parts();
        self.say((status, body, parts), layer, now);
    }

    //= rfc3261#section-13.3.1.4
    //# The 2xx response is passed to the transport with an
    //# interval that starts at T1 seconds and doubles for each
    //# retransmission until it reaches T2 seconds (T1 and T2 are defined in
    //# Section 17).
    pub(super) fn answer(&mut self, body: Option<Body>, layer: &mut Layer, now: Tick) {
        let State::Offered(offered) = &mut self.state else {
            return layer.count(Counted::Misuse);
        };
        let Offered { tx, cseq, assured, pending, said, .. } = &mut **offered;
        let (body, later) = match assured.ready(body) {
            Ready::Waits => return,
            Ready::Now(body) => (body, None),
            Ready::Later(body) => (None, Some(body)),
        };
        let (tx, cseq, pending, said) = (*tx, *cseq, *pending, *said);
        self.close_pending(pending, layer, now);
        let lines = self.settle_timer(said, now);
        self.terms.keep_told(later.as_ref().or(body.as_ref()));
        let parts = self.terms.take_parts();
        let word = Word { lines: &lines, body: body.as_ref(), parts: &parts };
        let ok = self.respond_in_dialog(tx, 200, word, layer, now);
        let Some((ok, path)) = ok else {
            // An answer that cannot be written: the caller must not wait for it.
            layer.respond_plain(tx, 500, self.tag(), now);
            self.state = State::Over;
            return self.tell_ended(Cause::from_sip(500), false, layer);
        };
        let timers = layer.config.timers;
        let wait = AwaitAck::new(cseq, ok, path, AckOf::First, timers, now);
        let mut session = Session::awaiting(wait);
        // What the call answered is not what the caller was told before: it is told now.
        session.wanted = later.map(|body| Wanted::refresh(body, now));
        self.state = State::Up(Box::new(session));
        self.touched = true;
        // Not before: whoever is refused has nothing looked up.
        self.look(layer);
    }

    /// Sends a response that makes or keeps the dialog: Contact, Record-Route, our tag.
    pub(super) fn respond_in_dialog(
        &self,
        tx: Id,
        status: u16,
        word: Word<'_>,
        layer: &mut Layer,
        now: Tick,
    ) -> Option<(super::Bytes, Path)> {
        let Word { lines, body, parts } = word;
        let whole = Whole::of(body, parts, || layer.chance.next());
        let contact = self.contact(layer);
        let mut fields: Vec<(&str, &[u8])> = vec![
            (Header::Contact.name(), &contact),
            (Header::Allow.name(), gate::ALLOW_IN_DIALOG.as_bytes()),
        ];
        fields.extend(super::fields(lines));
        if let State::Offered(offered) = &self.state {
            fields.extend(said(&offered.fields).filter(|(name, _)| makes_no_dialog(name)));
        }
        fields.extend(whole.as_ref().and_then(Whole::field));
        let response = Response {
            tag: Some(self.tag()),
            fields: &fields,
            dialog: true,
            body: whole.as_ref().map(|whole| &whole.body).or(body),
            ..Response::new(status)
        };
        layer.respond(tx, response, now)
    }

    /// Refuses the INVITE.
    pub(super) fn refuse(
        &mut self,
        offered: &Offered,
        cause: Cause,
        phrase: &str,
        retry_after_s: u16,
        layer: &mut Layer,
        now: Tick,
    ) {
        self.end_pending_of(offered.pending, layer, now);
        let parts = self.terms.take_parts();
        let status = match cause.sip {
            300..=699 => cause.sip,
            _ => Cause::sip_from_q850(cause.q850),
        };
        let retry_after = retry_after_s.to_string();
        let mut fields: Vec<(&str, &[u8])> = Vec::new();
        if retry_after_s > 0 {
            fields.push((Header::RetryAfter.name(), retry_after.as_bytes()));
        }
        let reasons = super::reasons(cause, false);
        for reason in &reasons {
            fields.push((Header::Reason.name(), reason));
        }
        fields.extend(said(&offered.fields));
        let whole = Whole::of(None, &parts, || layer.chance.next());
        fields.extend(whole.as_ref().and_then(Whole::field));
        let phrases = [phrase];
        let response = Response {
            phrase: if phrase.is_empty() { &[] } else { &phrases },
            tag: Some(self.tag()),
            fields: &fields,
            body: whole.as_ref().map(|whole| &whole.body),
            ..Response::new(status)
        };
        if layer.respond(offered.tx, response, now).is_none() {
            // A phrase that cannot be written must not leave the caller without an answer.
            layer.respond_plain(offered.tx, status, self.tag(), now);
        }
        self.tell_ended(cause, false, layer);
    }

    /// Refuses the INVITE with 401.
    pub(super) fn challenge(&mut self, challenge: &Challenge, layer: &mut Layer, now: Tick) {
        let State::Offered(offered) = &self.state else {
            return layer.count(Counted::Misuse);
        };
        let (tx, path) = (offered.tx, self.path);
        self.refuse_early(487, layer, now);
        let values = gate::challenges(challenge, challenge.stale, &path, &layer.config, now);
        let name = Header::WwwAuthenticate.name();
        let fields: Vec<(&str, &[u8])> = values.iter().map(|v| (name, v.as_slice())).collect();
        let response = Response { tag: Some(self.tag()), fields: &fields, ..Response::new(401) };
        layer.respond(tx, response, now);
        self.state = State::Over;
        self.tell_ended(Cause::from_sip(401), false, layer);
    }

    /// Refuses the INVITE by telling where else to call (RFC 3261 21.3). A contact that cannot
    /// stand in a header field is left out; without any left nobody is redirected.
    pub(super) fn redirect(
        &mut self,
        status: u16,
        contacts: &[String],
        layer: &mut Layer,
        now: Tick,
    ) {
        let State::Offered(offered) = &self.state else {
            return layer.count(Counted::Misuse);
        };
        let tx = offered.tx;
        self.refuse_early(487, layer, now);
        let values: Vec<Vec<u8>> = contacts.iter().filter_map(|uri| name_addr(uri)).collect();
        let name = Header::Contact.name();
        let fields: Vec<(&str, &[u8])> = values.iter().map(|v| (name, v.as_slice())).collect();
        let status = if fields.is_empty() { 480 } else { status.clamp(300, 399) };
        let tag = Some(self.tag());
        let response = Response { tag, fields: &fields, ..Response::new(status) };
        if layer.respond(tx, response, now).is_none() {
            layer.respond_plain(tx, 480, self.tag(), now);
        }
        self.state = State::Over;
        self.tell_ended(Cause::from_sip(status), false, layer);
    }

    //= rfc3261#section-9.2
    //# If the original request was an INVITE, the UAS
    //# SHOULD immediately respond to the INVITE with a 487 (Request
    //# Terminated).
    /// The peer cancels the INVITE. One inside the dialog runs on to its answer: the call has
    /// passed the new description to the other side already.
    pub(in super::super) fn handle_cancel(
        &mut self,
        cancel: Message<'_>,
        layer: &mut Layer,
        now: Tick,
    ) {
        if let State::Offered(offered) = &self.state {
            let (tx, cause) = (offered.tx, cause_of(cancel, Cause::new(487, 16)));
            self.end_offered(tx, cause, layer, now);
        }
    }

    pub(super) fn end_offered(&mut self, tx: Id, cause: Cause, layer: &mut Layer, now: Tick) {
        self.refuse_early(487, layer, now);
        layer.respond_plain(tx, 487, self.tag(), now);
        self.state = State::Over;
        self.tell_ended(cause, true, layer);
    }

    pub(super) fn offered_timeout(&mut self, layer: &mut Layer, now: Tick) {
        let State::Offered(offered) = &mut self.state else { return };
        let tx = offered.tx;
        if offered.expires <= now {
            return self.end_offered(tx, Cause::new(487, 19), layer, now);
        }
        if self.assured_timeout(layer, now) {
            return;
        }
        let State::Offered(offered) = &mut self.state else { return };
        if offered.refresh <= now {
            offered.refresh = now.plus_ms(REFRESH_MS);
            layer.repeat(tx);
        }
    }

    /// The INVITE's transaction, while it has no final response.
    pub(super) fn offered_tx(&self) -> Option<Id> {
        match &self.state {
            State::Offered(offered) => Some(offered.tx),
            State::Calling(_) | State::Up(_) | State::Over => None,
        }
    }

    /// Takes the state out, leaving `Over`.
    pub(super) fn take_state(&mut self) -> State {
        mem::replace(&mut self.state, State::Over)
    }

    /// The call hears of a leg of its own.
    pub(in super::super) fn tell_offered(&self, offer: strowger_leg::Offer, layer: &mut Layer) {
        self.tell(Event::Offered(Box::new(offer)), layer);
    }
}

/// A URI as a name-addr; `None` for what would end it early.
fn name_addr(uri: &str) -> Option<Vec<u8>> {
    let is_plain = |byte: u8| byte.is_ascii_graphic() && !b"<>\"".contains(&byte);
    let fits = !uri.is_empty() && uri.bytes().all(is_plain);
    fits.then(|| format!("<{uri}>").into_bytes())
}

/// Fields of the call's, without those that are ours in every response.
fn said(fields: &[HeaderField]) -> impl Iterator<Item = (&str, &[u8])> {
    let may_be = |field: &&HeaderField| {
        !matches!(
            Header::parse(field.name.as_bytes()),
            Header::Via
                | Header::From
                | Header::To
                | Header::SipCallId
                | Header::CSeq
                | Header::RecordRoute
                | Header::ContentType
                | Header::ContentLength
                | Header::RetryAfter
        )
    };
    let fields = fields.iter().filter(may_be);
    fields.map(|field| (field.name.as_str(), field.value.0.as_slice()))
}

/// Whether a field says nothing that the dialog is made of.
fn makes_no_dialog(name: &str) -> bool {
    !matches!(
        Header::parse(name.as_bytes()),
        Header::Contact
            | Header::Allow
            | Header::Supported
            | Header::Require
            | Header::RSeq
            | Header::SessionExpires
            | Header::MinSe
    )
}
