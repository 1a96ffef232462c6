//! What both ends of a leg take and agreed on, beside descriptions: Allow, Supported, session
//! timer.

use std::borrow::Cow;
use std::mem::take;

use strowger_leg::{Body, DIGITS, Event, Part};
use strowger_link::codec::{Malformed, Reader, Wire};
use strowger_link::{Bodies, Cause, Manner, Reliable, SESSION_S_MIN, SessionTimer, Tick};

use super::super::body::{self, Contents};
use super::super::gate::{self, Bar};
use super::super::image::{put_body, take_body};
use super::super::layer::{Heard, Layer, Role};
use super::super::output::Counted;
use super::super::slab::Id;
use super::super::wallet::Line;
use super::session::{OfferOut, Phase};
use super::timer::{Due, Said, Timer};
use super::{Leg, Outgoing, State};
use crate::header::Header;
use crate::limits::IMAGE_BODY_LEN_MAX;
use crate::message::{Index, Message};

/// See the module.
#[derive(Clone, Debug)]
pub(super) struct Terms {
    /// What we want of session timers.
    pub(super) policy: SessionTimer,
    /// What we want of reliable provisional responses.
    pub(super) reliable: Reliable,
    /// Shortest and longest session that we take, seconds.
    pub(super) bounds: Bounds,
    /// A 183 is told as a 180, one way and the other.
    pub(super) ringing: bool,
    /// Which bodies beside descriptions pass; `None` = within the call all of them, and nothing
    /// that stands in one message with a description.
    beside: Option<Box<Beside>>,
    pub(super) peer: Ability,
    /// The largest Min-SE heard, or our own, seconds (RFC 4028 section 6).
    pub(super) min_s: u32,
    pub(super) timer: Option<Timer>,
    /// Our last description, while a peer that takes no UPDATE may have to be sent it again.
    told: Option<Body>,
    /// The largest CSeq number of a PRACK or UPDATE of ours before the answer; 0 before the first.
    pub(super) early_seq: u32,
    /// The newest reliable response of ours: its RSeq and the CSeq of its INVITE.
    pub(super) assured: Option<(u32, u32)>,
}

/// Bodies beside descriptions.
#[derive(Clone, Debug)]
struct Beside {
    /// Which ones pass.
    bodies: Bodies,
    /// Those that go with our next word.
    next: Vec<Part>,
}

impl Beside {
    fn of(manner: &Manner) -> Option<Box<Beside>> {
        let bodies = manner.bodies.as_deref()?.clone();
        Some(Box::new(Beside { bodies, next: Vec::new() }))
    }

    fn takes(&self, body: &Body) -> bool {
        takes(&self.bodies, body)
    }
}

fn takes(bodies: &Bodies, body: &Body) -> bool {
    bodies.takes(&body.content_type, body.data.len())
}

/// Shortest and longest session interval that we take, seconds.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Bounds {
    pub(super) least_s: u32,
    pub(super) most_s: u32,
}

impl Bounds {
    fn of(manner: &Manner) -> Bounds {
        let least_s = manner.session_s_min.max(SESSION_S_MIN);
        Bounds { least_s, most_s: manner.session_s_max.max(least_s) }
    }
}

/// What the peer says it takes, newest word first.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub(super) struct Ability {
    /// UPDATE (RFC 3311).
    pub(super) update: bool,
    /// Reliable provisional responses (RFC 3262).
    pub(super) reliable: bool,
}

impl Ability {
    fn learn(&mut self, message: Message<'_>) {
        if message.value(Header::Allow).is_some() {
            self.update = message.lists(Header::Allow, b"UPDATE");
        }
        if message.value(Header::Supported).is_some() || message.value(Header::Require).is_some() {
            self.reliable = message.lists(Header::Supported, b"100rel")
                || message.lists(Header::Require, b"100rel");
        }
    }
}

impl Terms {
    /// Nothing is known of the peer.
    pub(super) fn new(manner: &Manner) -> Terms {
        let bounds = Bounds::of(manner);
        Terms {
            policy: manner.timer,
            reliable: manner.reliable,
            bounds,
            ringing: manner.ringing,
            beside: Beside::of(manner),
            peer: Ability { update: false, reliable: false },
            min_s: bounds.least_s,
            timer: None,
            told: None,
            early_seq: 0,
            assured: None,
        }
    }

    /// A provisional response as it is told.
    pub(super) fn told_as(&self, status: u16, body: Option<Body>) -> (u16, Option<Body>) {
        if self.ringing && status == 183 { (180, None) } else { (status, body) }
    }

    /// Whether a body within the call passes, to the peer or from it. Digits always do.
    pub(super) fn passes(&self, body: &Body) -> bool {
        self.beside.as_deref().is_none_or(|beside| beside.takes(body)) || body.is_digits()
    }

    /// Whether anything that stands in one message with a description passes.
    pub(super) fn takes_parts(&self) -> bool {
        self.beside.is_some()
    }

    /// Whether what stands beside a description passes, to the peer or from it.
    pub(super) fn takes(&self, part: &Part) -> bool {
        self.beside.as_deref().is_some_and(|beside| beside.takes(&part.body))
    }

    /// Keeps what goes with our next word, in place of what was kept; whether the peer is sent all
    /// of it.
    pub(super) fn keep_parts(&mut self, parts: Vec<Part>) -> bool {
        let Some(beside) = self.beside.as_deref_mut() else { return false };
        let told = parts.len();
        beside.next = parts;
        let bodies = &beside.bodies;
        beside.next.retain(|part| takes(bodies, &part.body));
        beside.next.len() == told
    }

    /// What goes with our next word, which is now.
    pub(super) fn take_parts(&mut self) -> Vec<Part> {
        self.beside.as_deref_mut().map(|beside| take(&mut beside.next)).unwrap_or_default()
    }

    /// What is taken within the call: the value of Accept beside a refusal. Digits stand beside no
    /// offer.
    pub(super) fn accepts(&self, is_offer: bool) -> Vec<u8> {
        let mut accepts = gate::ACCEPT.to_vec();
        let types = self.beside.iter().flat_map(|beside| &beside.bodies.types);
        let digits = DIGITS.into_iter().filter(|_| !is_offer);
        for kind in types.map(String::as_str).chain(digits) {
            accepts.extend_from_slice(b", ");
            accepts.extend_from_slice(kind.as_bytes());
        }
        accepts
    }

    /// Those of a peer's INVITE.
    pub(super) fn of(request: Message<'_>) -> Terms {
        let mut terms = Terms::default();
        terms.peer.learn(request);
        terms
    }

    /// Supported, Require, Session-Expires and Min-SE of the INVITE that begins the leg. One
    /// without an offer offers no reliable responses: the first of them would make the offer.
    pub(super) fn of_first(&self, late: bool) -> Vec<Line> {
        let reliable = !late && self.reliable != Reliable::Never;
        let seconds = self.own_s().map(|seconds| seconds.to_string().into_bytes());
        let mut lines = self.asked(seconds, reliable);
        if reliable && self.reliable == Reliable::Require {
            lines.push((Header::Require, b"100rel".to_vec()));
        }
        lines
    }

    /// Supported, Session-Expires and Min-SE of a request of ours that refreshes a session.
    pub(super) fn of_refresh(&self) -> Vec<Line> {
        let agreed = self.timer.map(|timer| timer.agreed);
        self.asked(agreed.map(|agreed| agreed.of_request(self.min_s)), false)
    }

    fn asked(&self, expires: Option<Vec<u8>>, reliable: bool) -> Vec<Line> {
        let mut lines = Vec::new();
        let supported: &[u8] = match (self.policy != SessionTimer::Never, reliable) {
            (false, false) => b"",
            (false, true) => b"100rel",
            (true, false) => b"timer",
            (true, true) => gate::SUPPORTED.as_bytes(),
        };
        if !supported.is_empty() {
            lines.push((Header::Supported, supported.to_vec()));
        }
        if let Some(expires) = expires {
            lines.push((Header::SessionExpires, expires));
            if self.min_s > SESSION_S_MIN {
                lines.push((Header::MinSe, self.min_s.to_string().into_bytes()));
            }
        }
        lines
    }

    /// The interval that a first request of ours asks for.
    pub(super) fn own_s(&self) -> Option<u32> {
        match self.policy {
            SessionTimer::Never | SessionTimer::Answer => None,
            SessionTimer::Ask(seconds) | SessionTimer::Force(seconds) => {
                Some(seconds.max(self.min_s))
            }
        }
    }

    /// Takes the timer that the peer's 2xx to a request of ours settles.
    pub(super) fn heed(&mut self, response: Message<'_>, now: Tick) {
        self.peer.learn(response);
        let asked_s = self.timer.map_or_else(|| self.own_s(), |t| Some(t.agreed.interval_s));
        let agreed = Said::of(response).heed(self.policy, asked_s);
        self.timer = agreed.map(|agreed| Timer::new(agreed, now));
    }

    /// Takes the Min-SE of a 422; whether it is one that a longer interval can meet.
    fn lengthen(&mut self, response: Message<'_>) -> bool {
        let min_s = Said::of(response).min_s;
        let is_news = min_s > self.min_s;
        self.min_s = self.min_s.max(min_s);
        is_news
    }

    /// Keeps our description if it may have to be sent again.
    pub(super) fn keep_told(&mut self, body: Option<&Body>) {
        if self.timer.is_none() || self.peer.update {
            self.told = None;
        } else if let Some(body) = body {
            self.told = Some(body.clone());
        }
    }
}

impl Default for Terms {
    fn default() -> Terms {
        Terms::new(&Manner::default())
    }
}

impl Leg {
    /// What goes with the next word to the peer.
    pub(super) fn keep_parts(&mut self, parts: Vec<Part>, layer: &mut Layer) {
        if !self.terms.keep_parts(parts) {
            layer.count(Counted::Withheld);
        }
    }

    /// The call hears what a message brings beside what it says, as far as its side takes that.
    pub(super) fn tell_beside(&self, message: Message<'_>, layer: &mut Layer) {
        if self.terms.takes_parts() && !self.told {
            self.tell_parts(body::beside(message), layer);
        }
    }

    pub(super) fn tell_parts(&self, mut parts: Vec<Part>, layer: &mut Layer) {
        parts.retain(|part| self.terms.takes(part));
        if !parts.is_empty() {
            self.tell(Event::Parts(parts), layer);
        }
    }

    /// What an INVITE, UPDATE or PRACK within the dialog brings.
    ///
    /// # Errors
    /// What is not taken, or must be understood and does not pass: 415 (or 413, 400).
    pub(super) fn offered_within(&self, request: Message<'_>) -> Result<Contents, Bar> {
        let contents = body::contents(request)?;
        let is_lost = |part: &Part| part.required && !self.terms.takes(part);
        if contents.parts.iter().any(is_lost) {
            return Err(Bar::with(415, Header::Accept, &self.terms.accepts(true)));
        }
        Ok(contents)
    }

    /// How an inbound leg is spoken to.
    pub(super) fn speak(&mut self, manner: &Manner) {
        (self.terms.policy, self.terms.reliable) = (manner.timer, manner.reliable);
        self.terms.bounds = Bounds::of(manner);
        self.terms.ringing = manner.ringing;
        self.terms.beside = Beside::of(manner);
        let least_s = self.terms.bounds.least_s;
        self.touched |= least_s > self.terms.min_s;
        self.terms.min_s = self.terms.min_s.max(least_s);
    }

    /// Takes the Min-SE of a 422; whether a longer interval can meet it.
    pub(super) fn lengthen(&mut self, response: Message<'_>) -> bool {
        let is_news = self.terms.lengthen(response);
        self.touched |= is_news;
        is_news
    }

    /// Takes what a message of the peer says about it.
    pub(super) fn learn(&mut self, message: Message<'_>) {
        let before = self.terms.peer;
        self.terms.peer.learn(message);
        self.touched |= before != self.terms.peer;
    }

    /// Settles the session's timer for our 2xx to the request of a transaction inside the dialog;
    /// the fields that say so.
    pub(super) fn settle_timer_of(&mut self, tx: Id, layer: &Layer, now: Tick) -> Vec<Line> {
        let Some(bytes) = layer.request_of(tx) else { return Vec::new() };
        let mut index = Index::new();
        let Ok(request) = Message::parse(&bytes, &mut index) else { return Vec::new() };
        self.settle_timer(Said::of(request), now)
    }

    /// The same for a request that said so.
    pub(super) fn settle_timer(&mut self, said: Said, now: Tick) -> Vec<Line> {
        self.terms.min_s = self.terms.min_s.max(said.min_s);
        let agreed = said.settle(self.terms.policy, self.terms.bounds);
        self.touched |= agreed.is_some() || self.terms.timer.is_some();
        self.terms.timer = agreed.map(|agreed| Timer::new(agreed, now));
        let mut lines = Vec::new();
        if self.terms.policy != SessionTimer::Never {
            lines.push((Header::Supported, b"timer".to_vec()));
        }
        if let Some(agreed) = agreed {
            lines.push((Header::SessionExpires, agreed.of_response()));
            if said.speaks {
                lines.push((Header::Require, b"timer".to_vec()));
            }
        }
        lines
    }

    /// Refuses a request whose session would be too short; whether it did.
    pub(super) fn refuse_too_short(
        &self,
        request: Message<'_>,
        tx: Id,
        layer: &mut Layer,
        now: Tick,
    ) -> bool {
        match too_short(request, self.terms.bounds.least_s) {
            Ok(()) => false,
            Err(bar) => {
                self.bar(tx, &bar, layer, now);
                true
            }
        }
    }

    /// Does what the session's timer wants.
    pub(super) fn timer_timeout(&mut self, layer: &mut Layer, now: Tick) {
        match self.terms.timer.map_or(Due::Nothing, |timer| timer.due(now)) {
            Due::Nothing => {}
            Due::Refresh => self.refresh(layer, now),
            // RFC 4028 section 10: the BYE goes out although the peer is taken for dead.
            Due::End => self.lost(Cause::from_sip(408), layer, now),
        }
    }

    /// Refreshes the session (RFC 4028 section 7.4): by UPDATE without a description, or, with a
    /// peer that takes none, by an INVITE that says what the last one did.
    fn refresh(&mut self, layer: &mut Layer, now: Tick) {
        let told = self.terms.told.clone().filter(|_| !self.terms.peer.update);
        let Some(body) = told else { return self.send_refresh(0, layer, now) };
        let is_free = self.session().is_some_and(|session| {
            matches!(session.phase, Phase::Stable) && session.wanted.is_none()
        });
        if is_free {
            if let Some(timer) = &mut self.terms.timer {
                timer.refreshing();
            }
            self.send_reoffer(OfferOut::refresh(body), layer, now);
        } else {
            self.put_off(None, now);
        }
    }

    fn send_refresh(&mut self, tries: u8, layer: &mut Layer, now: Tick) {
        let lines = self.terms.of_refresh();
        let fields = super::fields(&lines);
        let role = Role::Refresh(tries);
        let sent = self.send(Outgoing { fields: &fields, ..Outgoing::new(role) }, layer, now);
        match (&mut self.terms.timer, sent) {
            (Some(timer), Some(_)) => timer.refreshing(),
            (Some(timer), None) => timer.put_off(None, now),
            (None, _) => {}
        }
    }

    pub(super) fn put_off(&mut self, retry_after_s: Option<u32>, now: Tick) {
        if let Some(timer) = &mut self.terms.timer {
            timer.put_off(retry_after_s, now);
        }
    }

    /// The peer's answer to an UPDATE without a description.
    pub(super) fn refresh_heard(
        &mut self,
        heard: &Heard,
        tries: u8,
        response: Message<'_>,
        layer: &mut Layer,
        now: Tick,
    ) {
        let Some(status) = response.status().filter(|status| status.is_final()) else { return };
        if !matches!(self.state, State::Up(_)) {
            return;
        }
        match status.code() {
            200..=299 => {
                self.retarget(response, layer);
                self.terms.heed(response, now);
                self.touched = true;
            }
            401 | 407 if self.wallet.learn(response, status.code(), tries) => {
                self.send_again(heard, (Role::Refresh(tries), heard.path), layer, now);
            }
            422 if self.lengthen(response) => self.put_off(Some(0), now),
            code @ (408 | 481) => self.lost(Cause::from_sip(code), layer, now),
            405 | 501 if self.terms.told.is_some() => {
                self.terms.peer.update = false;
                self.touched = true;
                self.put_off(Some(0), now);
            }
            _ => self.put_off(retry_after(response), now),
        }
    }

    /// The peer's answer to an INVITE that only refreshed.
    pub(super) fn tell_refreshed(&mut self, body: Option<Body>, layer: &mut Layer) {
        self.tell(Event::Refreshed { body }, layer);
    }
}

/// Retry-After, in seconds.
pub(super) fn retry_after(response: Message<'_>) -> Option<u32> {
    response.value(Header::RetryAfter).and_then(crate::field::retry_after)
}

/// What a later life needs of the terms; nothing is written of a peer that said nothing.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(in super::super) struct Kept<'a> {
    update: bool,
    min_s: u32,
    timer: Option<Timer>,
    told: Option<Cow<'a, Body>>,
}

impl Terms {
    pub(super) fn image(&self) -> Option<Kept<'_>> {
        let known = self.timer.is_some() || self.peer.update || self.min_s > SESSION_S_MIN;
        let fits = |body: &&Body| body.data.len() <= IMAGE_BODY_LEN_MAX;
        known.then(|| Kept {
            update: self.peer.update,
            min_s: self.min_s,
            timer: self.timer,
            told: self.told.as_ref().filter(fits).map(Cow::Borrowed),
        })
    }

    pub(super) fn thaw(kept: Option<Kept<'_>>, now: Tick) -> Terms {
        let mut terms = Terms::default();
        let Some(Kept { update, min_s, timer, told }) = kept else { return terms };
        terms.peer.update = update;
        terms.min_s = min_s.max(SESSION_S_MIN);
        terms.timer = timer.map(|timer| timer.resumed(now));
        terms.told = told.map(Cow::into_owned);
        terms
    }
}

impl Kept<'_> {
    pub(super) fn without_told(self) -> Self {
        Kept { told: None, ..self }
    }
}

impl Wire for Kept<'_> {
    fn put(&self, out: &mut Vec<u8>) {
        self.update.put(out);
        self.min_s.put(out);
        self.timer.put(out);
        put_body(self.told.as_deref(), out);
    }

    fn take(input: &mut Reader<'_>) -> Result<Self, Malformed> {
        Ok(Kept {
            update: bool::take(input)?,
            min_s: u32::take(input)?,
            timer: Wire::take(input)?,
            told: take_body(input)?.map(Cow::Owned),
        })
    }
}

/// The interval that a request asks for, if its sender can be told that it is too short; 0 = none.
pub(in super::super) fn asked_session(request: Message<'_>) -> u32 {
    let said = Said::of(request);
    said.expires_s.filter(|_| said.speaks).unwrap_or(0)
}

/// The bar of a session that would be shorter than `least_s`.
pub(in super::super) fn too_short(request: Message<'_>, least_s: u32) -> Result<(), Bar> {
    if Said::of(request).is_too_short(least_s) {
        let least = least_s.to_string();
        return Err(Bar::with(422, Header::MinSe, least.as_bytes()));
    }
    Ok(())
}
