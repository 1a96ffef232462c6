//! Requests of the peer inside the dialog (RFC 3261 12.2.2, 15.1.2).

use strowger_leg::{BODY_MAX, Body, Event};
use strowger_link::{Cause, Tick};

use super::super::body;
use super::super::gate::{self, Bar};
use super::super::layer::{Layer, Response};
use super::super::output::Counted;
use super::super::slab::Id;
use super::{Leg, Replaced, State, cause_of};
use crate::dialog::Order;
use crate::header::Header;
use crate::lex;
use crate::message::Message;
use crate::method::Method;

impl Leg {
    /// A new request of this dialog, with its transaction.
    pub(in super::super) fn handle_request(
        &mut self,
        request: Message<'_>,
        method: Method,
        tx: Id,
        replaced: Replaced,
        layer: &mut Layer,
        now: Tick,
    ) {
        let Ok(cseq) = request.cseq() else { return };
        if matches!(self.state, State::Calling(_)) {
            return self.handle_early(request, method, tx, layer, now);
        }
        if self.dialog.order(cseq.number) == Order::TooLate {
            self.touched |= method == Method::Invite;
            layer.count(Counted::OutOfOrder);
            return layer.respond_plain(tx, 500, self.tag(), now);
        }
        self.touched = true;
        if let Err(bar) = gate::check_require(request) {
            return self.bar(tx, &bar, layer, now);
        }
        match method {
            // The call has heard the last of it; only a BYE still means something.
            Method::Invite
            | Method::Info
            | Method::Update
            | Method::Prack
            | Method::Refer
            | Method::Message
                if self.told =>
            {
                layer.respond_plain(tx, 481, self.tag(), now);
            }
            Method::Invite => self.handle_reinvite(request, tx, layer, now),
            Method::Bye => self.handle_bye(request, tx, layer, now),
            Method::Info => self.handle_info(request, tx, layer, now),
            Method::Options => self.handle_options(tx, layer, now),
            Method::Update => self.handle_update(request, tx, layer, now),
            Method::Prack => self.handle_prack(request, tx, layer, now),
            Method::Refer => self.handle_refer(request, tx, replaced, layer, now),
            Method::Message => self.handle_message(request, tx, layer, now),
            Method::Subscribe => self.handle_subscribe(request, tx, layer, now),
            // We have subscribed to nothing (RFC 6665 4.1.3).
            Method::Notify => layer.respond_plain(tx, 481, self.tag(), now),
            Method::Ack | Method::Cancel | Method::Register | Method::Publish | Method::Other => {
                let bar = gate::method_not_taken(method, gate::ALLOW_IN_DIALOG);
                self.bar(tx, &bar, layer, now);
            }
        }
    }

    //= rfc3261#section-15.1.2
    //# The UAS MUST still respond to any pending requests received for that
    //# dialog.  It is RECOMMENDED that a 487 (Request Terminated) response
    //# be generated to those pending requests.
    fn handle_bye(&mut self, request: Message<'_>, tx: Id, layer: &mut Layer, now: Tick) {
        layer.respond_plain(tx, 200, self.tag(), now);
        let cause = cause_of(request, Cause::new(0, 16));
        if let Some(invite) = self.offered_tx() {
            return self.end_offered(invite, cause, layer, now);
        }
        match self.take_state() {
            State::Up(session) => {
                self.close_offer(&session, layer, now);
                self.linger(layer, now);
                self.tell_beside(request, layer);
                self.tell_ended(cause, true, layer);
            }
            state @ (State::Calling(_) | State::Offered(_) | State::Over) => self.state = state,
        }
    }

    fn handle_info(&mut self, request: Message<'_>, tx: Id, layer: &mut Layer, now: Tick) {
        let bytes = request.body();
        if bytes.len() > BODY_MAX {
            return self.bar(tx, &Bar::new(413), layer, now);
        }
        let digits = body::digits(request);
        let kind = request.value(Header::ContentType).filter(|_| !bytes.is_empty());
        let body = kind.filter(|_| digits.is_none()).map(|kind| body_of(kind, bytes));
        if body.as_ref().is_some_and(|body| !self.terms.passes(body)) {
            return self.bar(tx, &self.not_taken(), layer, now);
        }
        layer.respond_plain(tx, 200, self.tag(), now);
        if let Some(digits) = digits {
            let body::Digits { digits, duration_ms } = digits;
            self.tell(Event::Digits { digits, duration_ms }, layer);
        } else if let Some(body) = body {
            self.tell(Event::Info { body }, layer);
        }
    }

    /// A body that does not pass: what does.
    fn not_taken(&self) -> Bar {
        Bar::with(415, Header::Accept, &self.terms.accepts(false))
    }

    /// A word of the party, for the other one (RFC 3428). Whatever its type, unless its trunk says
    /// what passes: we only pass it on.
    fn handle_message(&self, request: Message<'_>, tx: Id, layer: &mut Layer, now: Tick) {
        let bytes = request.body();
        if bytes.len() > BODY_MAX {
            return self.bar(tx, &Bar::new(413), layer, now);
        }
        let kind = request.value(Header::ContentType).unwrap_or(b"text/plain");
        let body = body_of(kind, bytes);
        if !self.terms.passes(&body) {
            return self.bar(tx, &self.not_taken(), layer, now);
        }
        layer.respond_plain(tx, 200, self.tag(), now);
        self.tell(Event::Message { body }, layer);
    }

    fn handle_options(&self, tx: Id, layer: &mut Layer, now: Tick) {
        let fields: [(&str, &[u8]); 4] = [
            (Header::Allow.name(), gate::ALLOW_IN_DIALOG.as_bytes()),
            (Header::Accept.name(), gate::ACCEPT),
            (Header::Supported.name(), gate::SUPPORTED_FIELD),
            (Header::AllowEvents.name(), gate::EVENTS),
        ];
        let response = Response { tag: Some(self.tag()), fields: &fields, ..Response::new(200) };
        layer.respond(tx, response, now);
    }
}

fn body_of(kind: &[u8], bytes: &[u8]) -> Body {
    let content_type = String::from_utf8_lossy(&lex::unfolded(kind)).into();
    Body { content_type, data: bytes.into() }
}
