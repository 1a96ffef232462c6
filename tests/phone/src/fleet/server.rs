//! Requests that come to a fleet (RFC 3261 8.2, 12.2.2, 13.3, 14.2, 15.1.2, 17.2).

use std::net::SocketAddr;
use std::time::Instant;

use super::core::Core;
use super::desk::Key;
use super::leg::Cancel;
use super::{Change, End, Phase, Side};
use crate::message::{Message, uri_user};
use crate::sdp::Sdp;

/// Methods of a fleet's phones.
const ALLOW: &str = "INVITE, ACK, CANCEL, BYE, OPTIONS, UPDATE";

impl Core {
    pub(super) fn handle_request(&mut self, side: Side, request: &Message, source: SocketAddr) {
        let Some(branch) = request.branch() else { return };
        let method = request.method();
        if method == "ACK" {
            return self.handle_ack(side, &(branch.to_owned(), "INVITE".to_owned()), request);
        }
        let key: Key = (branch.to_owned(), method.to_owned());
        if !self.desk(side).admit(&key, request, source) {
            return;
        }
        if method == "CANCEL" {
            return self.handle_cancel(side, &key, request);
        }
        if request.tag("To").is_some() {
            return match self.leg_in(side, request).filter(|id| self.lives(*id)) {
                Some(id) => self.handle_inside(side, id, &key, request),
                None => self.respond_plain(side, &key, request, 481),
            };
        }
        match method {
            "INVITE" => self.on_offered(side, &key, request),
            "OPTIONS" => self.respond_plain(side, &key, request, 200),
            _ => self.respond_plain(side, &key, request, 405),
        }
    }

    pub(super) fn answer_leg(&mut self, id: usize) {
        let Some(leg) = self.legs.get_mut(id) else { return };
        let (Phase::Ringing | Phase::Calling, Some(key)) = (leg.phase, leg.offered.take()) else {
            return;
        };
        let text = leg.reply();
        let side = leg.side;
        leg.phase = Phase::Answered;
        leg.times.answered = Some(Instant::now());
        self.respond_in(side, id, &key, 200, Some(text));
    }

    pub(super) fn refuse(&mut self, id: usize, code: u16) {
        let Some(leg) = self.legs.get_mut(id) else { return };
        let (side, Some(key)) = (leg.side, leg.offered.take()) else { return };
        leg.end_without(End::Refused { code, retry_after_s: None });
        self.respond_in(side, id, &key, code, None);
    }

    /// A call comes.
    fn on_offered(&mut self, side: Side, key: &Key, invite: &Message) {
        let number = self.number_in(uri_user(invite.uri()));
        let call_id = invite.header("Call-ID").unwrap_or_default().to_owned();
        let tag = self.random.token();
        let Some(id) = self.open_leg(side, None, call_id.clone()) else {
            return self.respond_plain(side, key, invite, 486);
        };
        if let Some(tx) = self.desk(side).servers.get_mut(key) {
            tx.leg = Some(id);
        }
        self.dialogs.insert((side, call_id, tag.clone()), id);
        if let Some(leg) = self.legs.get_mut(id) {
            leg.note(format!("< {}", invite.summary()));
            leg.local_line = format!("{};tag={tag}", invite.header("To").unwrap_or_default());
            leg.local_tag = tag;
            leg.meet(invite, "From");
            leg.remote_cseq = invite.cseq().map(|(number, _)| number);
            leg.talk.remote = Sdp::parse(&invite.body);
            leg.times.asked = Some(Instant::now());
            leg.phase = Phase::Ringing;
            leg.offered = Some(key.clone());
            // The ACK is awaited of this INVITE.
            leg.unacknowledged = leg.remote_cseq.map(|cseq| (cseq, key.clone()));
        }
        if let Some(number) = number {
            self.join(number, id);
        }
        let after = self.order_of(id).answer_after;
        if let Some(leg) = self.legs.get_mut(id) {
            leg.answer_at = after.map(|after| Instant::now() + after);
        }
        self.respond_in(side, id, key, 180, None);
    }

    fn handle_inside(&mut self, side: Side, id: usize, key: &Key, request: &Message) {
        let number = request.cseq().map_or(0, |(number, _)| number);
        let Some(leg) = self.legs.get_mut(id) else { return };
        leg.note(format!("< {}", request.summary()));
        if leg.remote_cseq.is_some_and(|last| number <= last) {
            // RFC 3261 12.2.2: out of order.
            return self.respond_plain(side, key, request, 500);
        }
        leg.remote_cseq = Some(number);
        match request.method() {
            "BYE" => {
                self.respond_plain(side, key, request, 200);
                if let Some(leg) = self.legs.get_mut(id) {
                    leg.end(End::RemoteBye, request);
                }
            }
            "INVITE" if matches!(leg.change, Change::Pending(_)) => {
                // RFC 3261 14.2: both at once.
                self.respond_plain(side, key, request, 491);
            }
            "INVITE" | "UPDATE" => self.on_changing(side, id, key, request),
            "OPTIONS" | "INFO" => self.respond_plain(side, key, request, 200),
            _ => self.respond_plain(side, key, request, 405),
        }
    }

    fn on_changing(&mut self, side: Side, id: usize, key: &Key, request: &Message) {
        let Some(leg) = self.legs.get_mut(id) else { return };
        leg.aim(request);
        leg.changed += 1;
        let (offer, invite) = (Sdp::parse(&request.body), request.method() == "INVITE");
        if offer.is_none() && !invite {
            return self.respond_plain(side, key, request, 200);
        }
        if let Some(offer) = offer {
            leg.talk.remote = Some(offer);
        }
        let text = leg.reply();
        leg.follow();
        if invite {
            leg.unacknowledged = leg.remote_cseq.map(|cseq| (cseq, key.clone()));
        }
        if let Some(tx) = self.desk(side).servers.get_mut(key) {
            tx.leg = Some(id);
        }
        self.respond_in(side, id, key, 200, Some(text));
    }

    fn handle_ack(&mut self, side: Side, key: &Key, ack: &Message) {
        if self.desk(side).acknowledge(key) {
            return;
        }
        let Some(id) = self.leg_in(side, ack) else { return };
        let Some(leg) = self.legs.get_mut(id) else { return };
        leg.note(format!("< {}", ack.summary()));
        let number = ack.cseq().map_or(0, |(number, _)| number);
        let Some((_, of)) = leg.unacknowledged.take_if(|(cseq, _)| *cseq == number) else { return };
        if let Some(sdp) = Sdp::parse(&ack.body) {
            leg.talk.remote = Some(sdp);
        }
        if leg.phase == Phase::Answered {
            leg.phase = Phase::Talking;
        }
        leg.follow();
        self.desk(side).acknowledge(&of);
    }

    fn handle_cancel(&mut self, side: Side, key: &Key, cancel: &Message) {
        let of: Key = (key.0.clone(), "INVITE".to_owned());
        let Some(tx) = self.desk(side).servers.get(&of) else {
            return self.respond_plain(side, key, cancel, 481);
        };
        let (pending, leg, invite) = (tx.is_pending(), tx.leg, tx.request.clone());
        let tag = leg.and_then(|id| self.legs.get(id)).map(|leg| leg.local_tag.clone());
        self.desk(side).respond(key, Message::response(200, cancel, tag.as_deref()));
        if !pending {
            return;
        }
        self.desk(side).respond(&of, Message::response(487, &invite, tag.as_deref()));
        if let Some(leg) = leg.and_then(|id| self.legs.get_mut(id)) {
            leg.note(format!("< {}", cancel.summary()));
            leg.cancel = Cancel::No;
            leg.end(End::RemoteCancel, cancel);
        }
    }

    /// The leg of a request that came, by Call-ID and our tag (RFC 3261 12.2.2).
    fn leg_in(&self, side: Side, request: &Message) -> Option<usize> {
        let call_id = request.header("Call-ID")?.to_owned();
        let id = *self.dialogs.get(&(side, call_id, request.tag("To")?.to_owned()))?;
        let leg = self.legs.get(id)?;
        let same = leg.remote_tag.is_none() || leg.remote_tag.as_deref() == request.tag("From");
        same.then_some(id)
    }

    fn lives(&self, id: usize) -> bool {
        self.legs.get(id).is_some_and(|leg| leg.is_live())
    }

    fn respond_plain(&mut self, side: Side, key: &Key, request: &Message, code: u16) {
        let tag = self.random.token();
        let mut response = Message::response(code, request, Some(&tag));
        if matches!(code, 200 | 405) {
            response.push("Allow", ALLOW);
        }
        self.desk(side).respond(key, response);
    }

    /// A response that makes or keeps a dialog (RFC 3261 12.1.1).
    fn respond_in(&mut self, side: Side, id: usize, key: &Key, code: u16, body: Option<String>) {
        let contact = self.desk(side).contact();
        let Some(request) = self.desk(side).servers.get(key).map(|tx| tx.request.clone()) else {
            return;
        };
        let Some(leg) = self.legs.get_mut(id) else { return };
        let mut response = Message::response(code, &request, Some(&leg.local_tag));
        if code < 300 {
            response.push("Contact", &contact);
            response.push("Allow", ALLOW);
        }
        if let Some(text) = body {
            response.set_body("application/sdp", text.as_bytes());
        }
        leg.note(format!("> {}", response.summary()));
        self.desk(side).respond(key, response);
    }
}
