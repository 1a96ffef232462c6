//! Provisional responses that the peer acknowledges (RFC 3262 section 3), on legs that it began.
//!
//! One is out at a time, sent again at T1, 2 T1, 4 T1 ... until its PRACK comes; further ones wait.
//! One that no PRACK comes to within 64 T1 ends the leg. A 2xx waits for the PRACK of a description
//! only: it may overtake the rest, and ends their retransmissions (section 3, last paragraphs).
//!
//! Which responses go out so is the leg's `Reliable` and the peer's: one that requires it gets all
//! of them reliably, whatever the other side of the call speaks. An INVITE without an offer gets no
//! reliable response, because the first one would have to make the offer; if it requires them, it
//! hears 100 and the final response.

use std::collections::VecDeque;

use strowger_leg::{Body, Event, Part};
use strowger_link::{Cause, Reliable, Tick};

use super::super::config::Path;
use super::super::gate::Bar;
use super::super::layer::Layer;
use super::super::output::Bytes;
use super::super::slab::Id;
use super::inbound::{Offered, Word};
use super::update::Pending;
use super::{Leg, State};
use crate::header::Header;
use crate::lex::{self, Cursor};
use crate::limits::{RELIABLE_WAITING_MAX, RSEQ_FIRST_MAX};
use crate::message::Message;
use crate::method::Method;

/// The reliable side of an INVITE without a final response.
pub(super) struct Assured {
    /// The INVITE requires it.
    required: bool,
    /// The INVITE has no offer.
    late: bool,
    /// RSeq of the newest response; 0 before the first.
    rseq: u32,
    unheard: Option<Box<Unheard>>,
    waiting: VecDeque<Provisional>,
    /// The call's answer, until the PRACK of a description.
    answer: Option<Option<Body>>,
    /// The description that was told reliably.
    told: Option<Body>,
    /// The peer acknowledged it: descriptions went both ways.
    pub(super) described: bool,
}

/// A status above 100, a description, and what stands beside it.
pub(super) type Provisional = (u16, Option<Body>, Vec<Part>);

/// A response without its PRACK.
struct Unheard {
    described: bool,
    bytes: Bytes,
    path: Path,
    next: Tick,
    interval_ms: u32,
    give_up: Tick,
}

/// How a provisional response goes out.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Manner {
    Plain,
    Reliably,
    /// Not at all.
    Unsaid,
}

/// What becomes of the call's answer.
pub(super) enum Ready {
    /// It waits for a PRACK.
    Waits,
    /// It goes out with this description.
    Now(Option<Body>),
    /// It goes out without one: another was told already. This one is offered anew later.
    Later(Body),
}

impl Assured {
    pub(super) fn new(request: Message<'_>) -> Assured {
        Assured {
            required: request.lists(Header::Require, b"100rel"),
            late: request.body().is_empty(),
            rseq: 0,
            unheard: None,
            waiting: VecDeque::new(),
            answer: None,
            told: None,
            described: false,
        }
    }

    pub(super) fn deadline(&self) -> Tick {
        self.unheard.as_ref().map_or(Tick::NEVER, |out| out.next.min(out.give_up))
    }

    fn manner(&self, policy: Reliable, speaks: bool, has_body: bool) -> Manner {
        match (self.required, self.late, policy) {
            (true, true, _) => Manner::Unsaid,
            (true, false, _) => Manner::Reliably,
            (false, true, _) | (false, false, Reliable::Never) => Manner::Plain,
            (false, false, Reliable::Media) if speaks && has_body => Manner::Reliably,
            (false, false, Reliable::Always | Reliable::Require) if speaks => Manner::Reliably,
            (false, false, Reliable::Media | Reliable::Always | Reliable::Require) => Manner::Plain,
        }
    }

    /// What the call's answer does.
    pub(super) fn ready(&mut self, body: Option<Body>) -> Ready {
        if self.unheard.as_ref().is_some_and(|out| out.described) {
            self.answer = Some(body);
            return Ready::Waits;
        }
        match (self.told.take(), body) {
            (None, body) => Ready::Now(body),
            //= rfc3261#section-13.2.1
            //# That same exact answer MAY also be
            //# placed in any provisional responses sent prior to the
            //# answer.
            (Some(told), Some(body)) if told == body => Ready::Now(Some(body)),
            (Some(_), Some(body)) => Ready::Later(body),
            (Some(_), None) => Ready::Now(None),
        }
    }
}

impl Leg {
    /// Tells the peer that work goes on.
    pub(super) fn say(&mut self, (status, body, parts): Provisional, layer: &mut Layer, now: Tick) {
        let (policy, speaks) = (self.terms.reliable, self.terms.peer.reliable);
        let State::Offered(offered) = &mut self.state else { return };
        let Offered { tx, assured, .. } = &mut **offered;
        // A description that was told reliably is the answer; another would be a new offer.
        let body = body.filter(|_| assured.told.is_none());
        match assured.manner(policy, speaks, body.is_some()) {
            Manner::Unsaid => {}
            Manner::Plain => {
                let tx = *tx;
                let word = Word { lines: &[], body: body.as_ref(), parts: &parts };
                self.respond_in_dialog(tx, status, word, layer, now);
            }
            Manner::Reliably if assured.unheard.is_some() => {
                if assured.waiting.len() < RELIABLE_WAITING_MAX {
                    assured.waiting.push_back((status, body, parts));
                }
            }
            Manner::Reliably => self.assure((status, body, parts), layer, now),
        }
    }

    /// Sends a provisional response until it is acknowledged.
    fn assure(&mut self, said: Provisional, layer: &mut Layer, now: Tick) {
        let (status, body, parts) = said;
        let State::Offered(offered) = &mut self.state else { return };
        let Offered { tx, cseq, assured, .. } = &mut **offered;
        // RFC 3262 section 3: chosen at random, then one higher each time.
        assured.rseq = match assured.rseq {
            0 => 1 + layer.chance.up_to(RSEQ_FIRST_MAX - 1),
            last => last.saturating_add(1),
        };
        let (tx, rseq, cseq) = (*tx, assured.rseq, *cseq);
        let lines =
            [(Header::Require, b"100rel".to_vec()), (Header::RSeq, rseq.to_string().into_bytes())];
        let word = Word { lines: &lines, body: body.as_ref(), parts: &parts };
        let sent = self.respond_in_dialog(tx, status, word, layer, now);
        let State::Offered(offered) = &mut self.state else { return };
        let assured = &mut offered.assured;
        let Some((bytes, path)) = sent else { return };
        let timers = layer.config.timers;
        assured.unheard = Some(Box::new(Unheard {
            described: body.is_some(),
            bytes,
            path,
            next: now.plus_ms(timers.t1_ms().into()),
            interval_ms: timers.t1_ms(),
            give_up: now.plus_ms(timers.give_up_ms().into()),
        }));
        assured.told = body.or(assured.told.take());
        self.terms.assured = Some((rseq, cseq));
    }

    /// An acknowledgement of the peer.
    pub(super) fn handle_prack(
        &mut self,
        request: Message<'_>,
        tx: Id,
        layer: &mut Layer,
        now: Tick,
    ) {
        let is_newest = rack(request).is_some_and(|rack| self.terms.assured == Some(rack));
        let unheard = match &mut self.state {
            State::Offered(offered) if is_newest => offered.assured.unheard.take(),
            State::Offered(_) | State::Calling(_) | State::Up(_) | State::Over => None,
        };
        match (unheard, is_newest) {
            (Some(unheard), _) => self.acknowledged(&unheard, request, tx, layer, now),
            // The final response overtook it (RFC 3262 section 3), or it came again.
            (None, true) => layer.respond_plain(tx, 200, self.tag(), now),
            (None, false) => layer.respond_plain(tx, 481, self.tag(), now),
        }
    }

    fn acknowledged(
        &mut self,
        unheard: &Unheard,
        request: Message<'_>,
        tx: Id,
        layer: &mut Layer,
        now: Tick,
    ) {
        let State::Offered(offered) = &mut self.state else { return };
        offered.assured.described |= unheard.described;
        let described = offered.assured.described;
        match self.offered_within(request).map(|contents| contents.session) {
            Ok(None) => layer.respond_plain(tx, 200, self.tag(), now),
            // A new offer (RFC 3262 section 5): its answer goes with the answer to the PRACK.
            Ok(Some(body)) if described => {
                if let State::Offered(offered) = &mut self.state {
                    offered.pending = Pending::In(tx);
                }
                self.tell(Event::Update { body }, layer);
            }
            // The peer's first offer has no answer yet.
            Ok(Some(_)) => self.bar(tx, &Bar::new(488), layer, now),
            Err(bar) => self.bar(tx, &bar, layer, now),
        }
        self.say_next(layer, now);
    }

    /// What waited for the PRACK.
    fn say_next(&mut self, layer: &mut Layer, now: Tick) {
        let State::Offered(offered) = &mut self.state else { return };
        let assured = &mut offered.assured;
        if let Some(body) = assured.answer.take() {
            self.answer(body, layer, now);
        } else if let Some((status, body, parts)) = assured.waiting.pop_front() {
            let body = body.filter(|_| assured.told.is_none());
            self.assure((status, body, parts), layer, now);
        }
    }

    /// Sends again what has no PRACK; whether the leg ended because none came.
    pub(super) fn assured_timeout(&mut self, layer: &mut Layer, now: Tick) -> bool {
        let State::Offered(offered) = &mut self.state else { return false };
        let Offered { tx, assured, .. } = &mut **offered;
        let Some(unheard) = &mut assured.unheard else { return false };
        if unheard.give_up <= now {
            let tx = *tx;
            self.refuse_early(487, layer, now);
            layer.respond_plain(tx, 504, self.tag(), now);
            self.state = State::Over;
            self.tell_ended(Cause::from_sip(504), false, layer);
            return true;
        }
        if unheard.next <= now {
            unheard.interval_ms = unheard.interval_ms.saturating_mul(2);
            unheard.next = now.plus_ms(unheard.interval_ms.into());
            layer.transmit(unheard.path, unheard.bytes.clone());
        }
        false
    }
}

/// RAck of an INVITE's response (RFC 3262 section 7.2): RSeq and CSeq number.
fn rack(request: Message<'_>) -> Option<(u32, u32)> {
    let mut cursor = Cursor::new(request.value(Header::RAck)?);
    let mut number = || {
        let digits = cursor.skip_lws().take_while(|b| b.is_ascii_digit());
        u32::try_from(lex::number(digits, u64::from(u32::MAX))?).ok()
    };
    let (rseq, cseq) = (number()?, number()?);
    let method = cursor.skip_lws().token()?;
    (Method::parse(method) == Method::Invite).then_some((rseq, cseq))
}
