//! An answered leg: the exchange of session descriptions that is under way, and its end.

use std::mem;

use strowger_leg::{Body, Event, Part};
use strowger_link::{Cause, HeaderField, Tick};

use super::super::body::Whole;
use super::super::config::Path;
use super::super::layer::{Layer, Role};
use super::super::output::{Bytes, Counted};
use super::super::slab::Id;
use super::{Leg, Outgoing, State, reasons};
use crate::header::Header;
use crate::transaction::Timers;

/// An answered leg.
pub(super) struct Session {
    pub(super) phase: Phase,
    /// A re-INVITE of ours that has to wait.
    pub(super) wanted: Option<Wanted>,
    /// Whether our first 2xx is without its ACK, and was too long to be kept over a restart.
    pub(super) unconfirmed: bool,
    /// What the other side has said of digests: credentials for our next INVITE or UPDATE, or a
    /// challenge for our refusal of the peer's.
    pub(super) passed: Option<Box<[HeaderField]>>,
    /// The call has hung up; the BYE waits for the ACK of our 2xx.
    hangup: Option<Cause>,
}

/// Which INVITE is in progress. There is at most one (RFC 3261 14.1, 14.2).
pub(super) enum Phase {
    /// None.
    Stable,
    /// The peer's is answered by us, and its ACK has not come.
    AwaitAck(Box<AwaitAck>),
    /// The peer's waits for the call's answer.
    OfferIn { tx: Id, cseq: u32, late: bool, by: By },
    /// Ours is out.
    OfferOut(Box<OfferOut>),
    /// Ours is answered by an offer: its ACK waits for the call's answer.
    HoldAck { cseq: u32, first: bool },
}

/// A 2xx that is sent again until its ACK comes.
pub(super) struct AwaitAck {
    pub(super) cseq: u32,
    pub(super) ok: Bytes,
    pub(super) path: Path,
    next: Tick,
    interval_ms: u32,
    give_up: Tick,
    pub(super) of: AckOf,
}

/// What an ACK confirms.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum AckOf {
    /// The INVITE that began the leg.
    First,
    /// One inside the dialog.
    Reoffer,
    /// One inside the dialog that had no offer: the ACK brings the answer to ours.
    LateReoffer,
}

/// The request that an offer comes in.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum By {
    Invite,
    Update,
}

/// A re-INVITE of ours, or an UPDATE with an offer.
pub(super) struct OfferOut {
    pub(super) body: Option<Body>,
    /// What stands beside it.
    pub(super) parts: Box<[Part]>,
    /// How often it met one of the peer's.
    pub(super) glares: u8,
    /// How often it was challenged, or its session too short.
    pub(super) tries: u8,
    pub(super) by: By,
    /// It is our own and the call does not wait for its answer.
    pub(super) refresh: bool,
}

impl OfferOut {
    /// An INVITE that repeats our last description.
    pub(super) fn refresh(body: Body) -> OfferOut {
        let (body, parts) = (Some(body), Box::default());
        OfferOut { body, parts, glares: 0, tries: 0, by: By::Invite, refresh: true }
    }
}

/// An offer that waits for its time.
pub(super) struct Wanted {
    pub(super) body: Option<Body>,
    pub(super) parts: Box<[Part]>,
    pub(super) at: Tick,
    pub(super) glares: u8,
    pub(super) by: By,
    pub(super) refresh: bool,
}

impl Wanted {
    /// An offer of the call's.
    pub(super) fn new(body: Option<Body>, parts: Vec<Part>, by: By, at: Tick) -> Wanted {
        Wanted { body, parts: parts.into(), at, glares: 0, by, refresh: false }
    }

    /// One of our own: the call does not wait for its answer.
    pub(super) fn refresh(body: Body, at: Tick) -> Wanted {
        let (body, parts) = (Some(body), Box::default());
        Wanted { body, parts, at, glares: 0, by: By::Invite, refresh: true }
    }
}

impl AwaitAck {
    pub(super) fn new(
        cseq: u32,
        ok: Bytes,
        path: Path,
        of: AckOf,
        timers: Timers,
        now: Tick,
    ) -> AwaitAck {
        AwaitAck {
            cseq,
            ok,
            path,
            next: now.plus_ms(timers.t1_ms().into()),
            interval_ms: timers.t1_ms(),
            give_up: now.plus_ms(timers.give_up_ms().into()),
            of,
        }
    }
}

impl Session {
    const fn of(phase: Phase) -> Session {
        Session { phase, wanted: None, unconfirmed: false, passed: None, hangup: None }
    }

    pub(super) const fn stable() -> Session {
        Session::of(Phase::Stable)
    }

    /// Answered by a 2xx that nobody has any more.
    pub(super) const fn unconfirmed() -> Session {
        let mut session = Session::stable();
        session.unconfirmed = true;
        session
    }

    pub(super) fn awaiting(wait: AwaitAck) -> Session {
        Session::of(Phase::AwaitAck(Box::new(wait)))
    }

    pub(super) const fn holding(cseq: u32) -> Session {
        Session::of(Phase::HoldAck { cseq, first: true })
    }

    /// Whether an offer of the call's is in progress or waits.
    pub(super) fn is_asking(&self) -> bool {
        let out = match &self.phase {
            Phase::OfferOut(out) => !out.refresh,
            Phase::HoldAck { .. } => true,
            Phase::Stable | Phase::AwaitAck(_) | Phase::OfferIn { .. } => false,
        };
        out || self.wanted.is_some()
    }

    pub(super) fn deadline(&self) -> Option<Tick> {
        match &self.phase {
            Phase::AwaitAck(wait) => Some(wait.next.min(wait.give_up)),
            Phase::Stable => self.wanted.as_ref().map(|wanted| wanted.at),
            Phase::OfferIn { .. } | Phase::OfferOut(_) | Phase::HoldAck { .. } => None,
        }
    }
}

impl Leg {
    /// The session, while there is one.
    pub(super) fn session(&mut self) -> Option<&mut Session> {
        match &mut self.state {
            State::Up(session) => Some(session),
            State::Offered(_) | State::Calling(_) | State::Over => None,
        }
    }

    /// An ACK for a 2xx of ours came.
    pub(in super::super) fn handle_ack(
        &mut self,
        cseq: u32,
        body: Option<Body>,
        layer: &mut Layer,
        now: Tick,
    ) {
        let Some(session) = self.session() else { return };
        let of = match &session.phase {
            Phase::AwaitAck(wait) if wait.cseq == cseq => wait.of,
            // One that came again.
            Phase::AwaitAck(_)
            | Phase::Stable
            | Phase::OfferIn { .. }
            | Phase::OfferOut(_)
            | Phase::HoldAck { .. } => return,
        };
        session.phase = Phase::Stable;
        let hangup = session.hangup;
        self.touched = true;
        if let Some(cause) = hangup {
            return self.bye(cause, layer, now);
        }
        match of {
            AckOf::First | AckOf::LateReoffer => self.tell(Event::Confirmed { body }, layer),
            AckOf::Reoffer => {}
        }
        self.start_wanted(layer, now);
    }

    pub(super) fn session_timeout(&mut self, layer: &mut Layer, now: Tick) {
        let timers = layer.config.timers;
        let Some(session) = self.session() else { return };
        if let Phase::AwaitAck(wait) = &mut session.phase {
            if wait.give_up <= now {
                return self.unconfirmed(layer, now);
            }
            if wait.next <= now {
                wait.interval_ms = wait.interval_ms.saturating_mul(2).min(timers.t2_ms());
                wait.next = now.plus_ms(wait.interval_ms.into());
                layer.transmit(wait.path, wait.ok.clone());
            }
        }
        self.start_wanted(layer, now);
        self.timer_timeout(layer, now);
    }

    //= rfc3261#section-13.3.1.4
    //# If the server retransmits the 2xx response for 64*T1 seconds without
    //# receiving an ACK, the dialog is confirmed, but the session SHOULD be
    //# terminated.  This is accomplished with a BYE, as described in Section
    //# 15.
    fn unconfirmed(&mut self, layer: &mut Layer, now: Tick) {
        self.lost(Cause::from_sip(408), layer, now);
    }

    /// The peer is lost to us: a BYE in case it hears, and the call is told.
    pub(super) fn lost(&mut self, cause: Cause, layer: &mut Layer, now: Tick) {
        let State::Up(session) = self.take_state() else { return };
        self.farewell = cause;
        self.close_offer(&session, layer, now);
        self.bye(cause, layer, now);
        self.tell_ended(cause, false, layer);
    }

    //= rfc3261#section-15
    //# However, the callee's UA MUST NOT send a BYE on a confirmed dialog
    //# until it has received an ACK for its 2xx response or until the server
    //# transaction times out.
    /// The call hangs up.
    pub(super) fn hangup_session(
        &mut self,
        mut session: Box<Session>,
        cause: Cause,
        layer: &mut Layer,
        now: Tick,
    ) {
        if let Phase::AwaitAck(_) = session.phase {
            session.hangup.get_or_insert(cause);
            session.wanted = None;
            self.state = State::Up(session);
        } else {
            self.close_offer(&session, layer, now);
            self.bye(cause, layer, now);
        }
        self.tell_ended(cause, false, layer);
    }

    /// The INVITE in progress gets what its peer waits for.
    pub(super) fn close_offer(&mut self, session: &Session, layer: &mut Layer, now: Tick) {
        match session.phase {
            Phase::OfferIn { tx, .. } => layer.respond_plain(tx, 487, self.tag(), now),
            Phase::HoldAck { cseq, .. } => {
                self.answered_last();
                self.keep_ack(self.acknowledge(&self.dialog, cseq, None, layer));
            }
            Phase::Stable | Phase::AwaitAck(_) | Phase::OfferOut(_) => {}
        }
    }

    pub(super) fn bye(&mut self, cause: Cause, layer: &mut Layer, now: Tick) {
        self.state = State::Over;
        self.linger(layer, now);
        let reasons = reasons(cause, false);
        let mut fields: Vec<(&str, &[u8])> =
            reasons.iter().map(|reason| (Header::Reason.name(), reason.as_slice())).collect();
        let parts = self.terms.take_parts();
        let whole = Whole::of(None, &parts, || layer.chance.next());
        fields.extend(whole.as_ref().and_then(Whole::field));
        let body = whole.as_ref().map(|whole| &whole.body);
        self.send(Outgoing { fields: &fields, body, ..Outgoing::new(Role::Bye(0)) }, layer, now);
    }

    /// Sends a body that is no session description, if the peer is sent such.
    pub(super) fn info(&mut self, body: &Body, layer: &mut Layer, now: Tick) {
        if self.session().is_none() || self.told {
            return layer.count(Counted::Misuse);
        }
        if !self.terms.passes(body) {
            return layer.count(Counted::Withheld);
        }
        self.send(Outgoing { body: Some(body), ..Outgoing::new(Role::Info(0)) }, layer, now);
    }

    /// Sends a word of the other party (RFC 3428).
    pub(super) fn message(&mut self, body: &Body, layer: &mut Layer, now: Tick) {
        if self.session().is_none() || self.told {
            return layer.count(Counted::Misuse);
        }
        if !self.terms.passes(body) {
            return layer.count(Counted::Withheld);
        }
        self.send(Outgoing { body: Some(body), ..Outgoing::new(Role::Message(0)) }, layer, now);
    }

    /// Replaces the phase of a session; gives the one before.
    pub(super) fn enter(&mut self, phase: Phase) -> Option<Phase> {
        self.touched = true;
        self.session().map(|session| mem::replace(&mut session.phase, phase))
    }
}
