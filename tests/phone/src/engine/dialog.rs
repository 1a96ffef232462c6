//! One call's dialog (RFC 3261 12 to 15): INVITE and its answers, CANCEL, BYE, requests inside.

use std::io;
use std::net::SocketAddr;
use std::time::Instant;

use super::client::Owner;
use super::server::Key;
use super::{ALLOW, Engine, Exchange};
use crate::failure::{Cause, EndedBy};
use crate::limits::{ACKS_MAX, ARRIVALS_MAX, CALLS_MAX};
use crate::media::Media;
use crate::message::{Message, address_uri};
use crate::sdp::{Direction, Sdp};

#[derive(Debug)]
pub(crate) struct Dialog {
    pub(crate) id: u64,
    pub(crate) outgoing: bool,
    pub(crate) call_id: String,
    pub(crate) local_tag: String,
    pub(crate) remote_tag: Option<String>,
    /// From of our requests.
    local_line: String,
    /// To of our requests, with the tag once there is one.
    remote_line: String,
    pub(crate) target: String,
    routes: Vec<String>,
    pub(crate) cseq: u32,
    pub(crate) remote_cseq: Option<u32>,
    pub(crate) state: State,
    /// Provisional codes that came or went, in order.
    pub(crate) codes: Vec<u16>,
    pub(crate) invite_branch: String,
    pub(crate) invite_key: Option<Key>,
    pub(crate) invite: Message,
    /// Final response that came.
    pub(crate) answer: Option<Message>,
    pub(crate) provisional: bool,
    pub(crate) cancel: Cancel,
    pub(crate) media: Media,
    pub(crate) talk: Talk,
    pub(crate) reinvite: Reinvite,
    acks: Vec<Ack>,
    credentials: Vec<(String, String)>,
    /// Requests that came inside the dialog.
    pub(crate) requests: Vec<Message>,
    pub(crate) fault: Option<&'static str>,
    pub(crate) released: bool,
    ended_at: Option<Instant>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum State {
    /// INVITE sent, nothing but 100 came.
    Calling,
    /// INVITE came, nothing but 100 was sent.
    Offered,
    /// 18x came or was sent.
    Ringing,
    /// 200 was sent, the ACK is awaited.
    Answered,
    /// 200 and ACK are exchanged.
    Talking,
    /// BYE was sent.
    Ending,
    Ended(EndedBy),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Cancel {
    No,
    /// To be sent with the first provisional response (RFC 3261 9.1).
    Wanted,
    Sent,
}

/// Our own re-INVITE.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Reinvite {
    Idle,
    Pending {
        wish: Direction,
    },
    /// Refused with 491, to be tried again.
    Waiting {
        wish: Direction,
        at: Instant,
    },
    Done(Result<(), Cause>),
}

/// State of offers and answers.
#[derive(Debug)]
pub(crate) struct Talk {
    pub(crate) session: u64,
    pub(crate) version: u64,
    pub(crate) last_text: String,
    /// What this side would like.
    pub(crate) wish: Direction,
    /// What this side said last.
    pub(crate) local: Direction,
    /// What the other side said last.
    pub(crate) remote: Option<Sdp>,
    /// Our offer went without theirs: the ACK brings the answer.
    pub(crate) answer_in_ack: bool,
}

#[derive(Debug)]
struct Ack {
    cseq: u32,
    tag: String,
    bytes: Vec<u8>,
    to: SocketAddr,
}

impl Dialog {
    /// Between the first INVITE and the end.
    pub(crate) fn is_live(&self) -> bool {
        !matches!(self.state, State::Ended(_))
    }

    pub(crate) fn end(&mut self, by: EndedBy) -> bool {
        if !self.is_live() {
            return false;
        }
        self.state = State::Ended(by);
        self.ended_at = Some(Instant::now());
        self.media.end();
        true
    }

    /// The ACK of a 2xx carries the credentials of its INVITE (RFC 3261 13.2.2.4).
    pub(crate) fn keep_credentials(&mut self, request: &Message) {
        let names = ["Authorization", "Proxy-Authorization"];
        let kept = request.headers.iter().filter(|(name, _)| names.contains(&name.as_str()));
        self.credentials = kept.cloned().collect();
    }

    pub(crate) fn note_request(&mut self, request: &Message) {
        if self.requests.len() < CALLS_MAX {
            self.requests.push(request.clone());
        }
    }

    pub(crate) fn describe(&self) -> String {
        let remote = self.talk.remote.as_ref().map(|sdp| (sdp.rtp, sdp.direction));
        format!(
            "{} call {:?}, provisional {:?}, last final {:?}, remote media {:?}, re-INVITE {:?}",
            if self.outgoing { "outgoing" } else { "incoming" },
            self.state,
            self.codes,
            self.answer.as_ref().and_then(Message::code),
            remote,
            self.reinvite
        )
    }
}

impl Engine {
    /// Sends the first INVITE of a call.
    pub(crate) fn invite(
        &mut self,
        uri: &str,
        headers: &[(String, String)],
        offer: bool,
    ) -> io::Result<u64> {
        if self.dialogs.len() >= CALLS_MAX {
            return Err(io::Error::other("too many calls of one phone"));
        }
        let (id, tag, call_id) = (self.fresh_id(), self.random.token(), self.random.token());
        let media = Media::open(&self.media_config(), &mut self.random)?;
        let local_line = format!("<sip:{}@{}>;tag={tag}", self.config.user, self.domain());
        let mut invite = Message::request("INVITE", uri);
        invite.push("Max-Forwards", "70");
        invite.push("From", &local_line);
        invite.push("To", &format!("<{uri}>"));
        invite.push("Call-ID", &call_id);
        invite.push("CSeq", "1 INVITE");
        invite.push("Contact", &self.contact());
        invite.push("Allow", ALLOW);
        invite.push("User-Agent", "strowger-phone");
        let mut remote_line = format!("<{uri}>");
        for (name, value) in headers {
            if name == "To" {
                invite.set(name, value);
                remote_line.clone_from(value);
            } else if name == "Max-Forwards" {
                invite.set(name, value);
            } else {
                invite.push(name, value);
            }
        }
        let mut talk = Talk::new(self.random.bits() >> 12);
        if offer {
            let text = talk.describe(&media, self.config.ptime_ms, Direction::SendRecv);
            invite.set_body("application/sdp", text.as_bytes());
        }
        let dialog = Dialog {
            outgoing: true,
            local_tag: tag,
            remote_line,
            target: uri.to_owned(),
            state: State::Calling,
            ..Dialog::blank(id, call_id, local_line, invite.clone(), media, talk)
        };
        self.dialogs.insert(id, dialog);
        let branch = self.send_request(Owner::Invite(id), invite, self.server);
        if let Some(dialog) = self.dialogs.get_mut(&id) {
            dialog.invite_branch = branch;
        }
        Ok(id)
    }

    /// An INVITE outside dialogs came.
    pub(crate) fn on_offered(&mut self, key: &Key, invite: &Message) {
        if self.arrivals.len() >= ARRIVALS_MAX || self.dialogs.len() >= CALLS_MAX {
            return self.respond_plain(key, invite, 486);
        }
        let offer = self.config.srtp.read(&invite.body);
        let offer = offer.filter(|sdp| sdp.formats.contains(&0));
        if offer.is_none() && !invite.body.is_empty() {
            return self.respond_plain(key, invite, 488);
        }
        let Ok(media) = Media::open(&self.media_config(), &mut self.random) else {
            return self.respond_plain(key, invite, 500);
        };
        let (id, tag) = (self.fresh_id(), self.random.token());
        let contact = invite.values("Contact").first().map_or("", |v| address_uri(v)).to_owned();
        let local_line = format!("{};tag={tag}", invite.header("To").unwrap_or_default());
        let call_id = invite.header("Call-ID").unwrap_or_default().to_owned();
        let mut talk = Talk::new(self.random.bits() >> 12);
        if let Some(offer) = offer {
            media.set_remote(offer.rtp, offer.rtcp_target());
            media.set_key(offer.key.as_ref());
            media.shake(&offer);
            talk.remote = Some(offer);
        } else {
            talk.answer_in_ack = true;
        }
        let dialog = Dialog {
            local_tag: tag,
            remote_tag: invite.tag("From").map(str::to_owned),
            remote_line: invite.header("From").unwrap_or_default().to_owned(),
            target: contact,
            routes: invite.values("Record-Route").into_iter().map(str::to_owned).collect(),
            remote_cseq: invite.cseq().map(|(number, _)| number),
            state: State::Offered,
            invite_key: Some(key.clone()),
            ..Dialog::blank(id, call_id, local_line, invite.clone(), media, talk)
        };
        self.dialogs.insert(id, dialog);
        if let Some(tx) = self.server(key) {
            tx.call = Some(id);
        }
        self.arrivals.push_back(id);
        if self.config.trying {
            self.respond(key, Message::response(100, invite, None));
        }
    }

    /// Sends 100 while nothing else was sent.
    pub(crate) fn send_trying(&mut self, id: u64) {
        let Some(dialog) = self.dialogs.get(&id) else { return };
        let (state, key) = (dialog.state, dialog.invite_key.clone());
        let response = Message::response(100, &dialog.invite, None);
        if let (State::Offered, Some(key)) = (state, key) {
            self.respond(&key, response);
        }
    }

    /// Sends 18x, with a session description for early media if `early`.
    pub(crate) fn ring(&mut self, id: u64, code: u16, early: bool) -> Result<(), Cause> {
        let ptime = self.config.ptime_ms;
        let dialog = self.dialogs.get_mut(&id).ok_or(Cause::Misuse("no such call"))?;
        if !matches!(dialog.state, State::Offered | State::Ringing) {
            return Err(dialog.misused("ring: the call is not waiting for an answer"));
        }
        dialog.state = State::Ringing;
        dialog.codes.push(code);
        let text = early.then(|| dialog.answer_text(ptime));
        self.respond_in_dialog(id, code, text);
        Ok(())
    }

    /// Sends 200 to the first INVITE.
    pub(crate) fn answer(&mut self, id: u64) -> Result<(), Cause> {
        let ptime = self.config.ptime_ms;
        let dialog = self.dialogs.get_mut(&id).ok_or(Cause::Misuse("no such call"))?;
        if !matches!(dialog.state, State::Offered | State::Ringing) {
            return Err(dialog.misused("answer: the call is not waiting for an answer"));
        }
        dialog.state = State::Answered;
        let text = dialog.answer_text(ptime);
        self.respond_in_dialog(id, 200, Some(text));
        Ok(())
    }

    /// Refuses the first INVITE.
    pub(crate) fn reject(&mut self, id: u64, code: u16) -> Result<(), Cause> {
        let dialog = self.dialogs.get_mut(&id).ok_or(Cause::Misuse("no such call"))?;
        if !matches!(dialog.state, State::Offered | State::Ringing) {
            return Err(dialog.misused("reject: the call is not waiting for an answer"));
        }
        self.respond_in_dialog(id, code, None);
        self.end_dialog(id, EndedBy::Rejected(code));
        Ok(())
    }

    /// Refuses with 302 and these contacts, those in front preferred.
    pub(crate) fn redirect(&mut self, id: u64, contacts: &[&str]) -> Result<(), Cause> {
        let dialog = self.dialogs.get_mut(&id).ok_or(Cause::Misuse("no such call"))?;
        if !matches!(dialog.state, State::Offered | State::Ringing) {
            return Err(dialog.misused("redirect: the call is not waiting for an answer"));
        }
        let key = dialog.invite_key.clone().ok_or(Cause::Misuse("no INVITE to answer"))?;
        let mut response = Message::response(302, &dialog.invite, Some(&dialog.local_tag));
        for (place, uri) in (1..10).rev().zip(contacts) {
            response.push("Contact", &format!("<{uri}>;q=0.{place}"));
        }
        self.respond(&key, response);
        self.end_dialog(id, EndedBy::Rejected(302));
        Ok(())
    }

    /// Sends CANCEL, now or with the first provisional response.
    pub(crate) fn cancel(&mut self, id: u64) -> Result<(), Cause> {
        let dialog = self.dialogs.get_mut(&id).ok_or(Cause::Misuse("no such call"))?;
        if !dialog.outgoing || !matches!(dialog.state, State::Calling | State::Ringing) {
            return Err(dialog.misused("cancel: the call is not an unanswered one of ours"));
        }
        if dialog.cancel == Cancel::No {
            dialog.cancel = Cancel::Wanted;
            self.cancel_if_due(id);
        }
        Ok(())
    }

    /// Sends BYE; nothing when there is no session.
    pub(crate) fn send_bye(&mut self, id: u64) {
        let Some(dialog) = self.dialogs.get_mut(&id) else { return };
        if !matches!(dialog.state, State::Answered | State::Talking) {
            return;
        }
        dialog.state = State::Ending;
        dialog.media.end();
        if let Some((bye, to)) = self.request_inside(id, "BYE", None) {
            self.send_request(Owner::Bye(id), bye, to);
        }
    }

    /// Ends a call in whatever state it is, without waiting.
    pub(crate) fn abandon(&mut self, id: u64) {
        let Some(dialog) = self.dialogs.get(&id) else { return };
        let done = match (dialog.state, dialog.outgoing) {
            (State::Calling | State::Ringing, true) => self.cancel(id),
            (State::Offered | State::Ringing, false) => self.reject(id, 480),
            (State::Answered | State::Talking, _) => {
                self.send_bye(id);
                Ok(())
            }
            (State::Calling | State::Offered | State::Ending | State::Ended(_), _) => Ok(()),
        };
        if let Err(cause) = done {
            self.note(&format!("call {id} could not be ended: {cause:?}"));
        }
    }

    /// Any request inside a dialog whose response a test waits for.
    pub(crate) fn exchange_inside(
        &mut self,
        id: u64,
        method: &str,
        headers: &[(&str, &str)],
        body: Option<(&str, &[u8])>,
    ) -> Option<u64> {
        let (mut request, to) = self.request_inside(id, method, None)?;
        for (name, value) in headers {
            request.push(name, value);
        }
        if let Some((kind, bytes)) = body {
            request.set_body(kind, bytes);
        }
        let exchange = self.fresh_id();
        self.exchanges.insert(exchange, Exchange::default());
        self.send_request(Owner::Inside { call: id, exchange }, request, to);
        Some(exchange)
    }

    pub(super) fn on_progress(&mut self, id: u64, response: &Message) {
        let (code, body) = (response.code().unwrap_or(0), self.config.srtp.read(&response.body));
        let Some(dialog) = self.dialogs.get_mut(&id) else { return };
        dialog.provisional = true;
        dialog.codes.push(code);
        if code > 100 && dialog.state == State::Calling {
            dialog.state = State::Ringing;
        }
        if let Some(sdp) = body {
            dialog.apply(sdp, Direction::SendRecv);
        }
        self.cancel_if_due(id);
    }

    /// A 2xx to INVITE or re-INVITE, the first time or again.
    pub(super) fn on_invite_ok(&mut self, owner: Owner, response: &Message) {
        let (Owner::Invite(id) | Owner::Reinvite(id)) = owner else { return };
        let number = response.cseq().map_or(0, |(number, _)| number);
        let tag = response.tag("To").unwrap_or_default().to_owned();
        let Some(dialog) = self.dialogs.get_mut(&id) else { return };
        if let Some(ack) = dialog.acks.iter().find(|a| a.cseq == number && a.tag == tag) {
            let (bytes, to) = (ack.bytes.clone(), ack.to);
            return self.transmit(&bytes, to, "again ACK of a 2xx");
        }
        let confirmed = dialog.remote_tag.as_ref().is_some_and(|known| *known != tag);
        if confirmed {
            return self.end_fork(id, response, number, tag);
        }
        dialog.answer = Some(response.clone());
        let first = matches!(owner, Owner::Invite(_));
        if first {
            dialog.confirm(response, tag.clone());
        }
        let body = self.on_answer_body(id, response);
        self.acknowledge(id, number, tag, body);
        if first {
            self.after_answer(id);
        }
    }

    pub(super) fn on_invite_refused(&mut self, id: u64, code: u16, response: &Message) {
        let Some(dialog) = self.dialogs.get_mut(&id) else { return };
        dialog.answer = Some(response.clone());
        let by = match (dialog.cancel, code) {
            (Cancel::Sent, 487) => EndedBy::LocalCancel,
            (Cancel::No | Cancel::Wanted | Cancel::Sent, _) => EndedBy::Refused(code),
        };
        self.end_dialog(id, by);
    }

    pub(super) fn on_remote_bye(&mut self, id: u64) {
        let pending = self.dialogs.get(&id).filter(|d| !d.outgoing);
        if let Some(key) = pending.and_then(|d| d.invite_key.clone())
            && self.server(&key).is_some_and(|tx| tx.is_pending())
        {
            // RFC 3261 15.1.2: pending requests get 487.
            self.respond_in_dialog(id, 487, None);
        }
        self.end_dialog(id, EndedBy::RemoteBye);
    }

    pub(super) fn on_answer_acknowledged(&mut self, id: u64, ack: &Message) {
        let body = self.config.srtp.read(&ack.body);
        let Some(dialog) = self.dialogs.get_mut(&id) else { return };
        if dialog.state == State::Answered {
            dialog.state = State::Talking;
        }
        if std::mem::take(&mut dialog.talk.answer_in_ack) {
            match body {
                Some(sdp) => {
                    let local = dialog.talk.local;
                    dialog.apply(sdp, local);
                }
                None => dialog.fault = Some("our offer in 200 got no answer in ACK"),
            }
        }
    }

    pub(super) fn dialog_timers(&mut self, now: Instant) -> bool {
        let linger = self.t1_64();
        self.dialogs.retain(|_, dialog| {
            !dialog.released || dialog.ended_at.is_none_or(|at| at + linger > now)
        });
        self.reinvite_timers(now)
    }

    /// A request of this dialog with a fresh CSeq, or with `cseq` for ACK.
    pub(super) fn request_inside(
        &mut self,
        id: u64,
        method: &str,
        cseq: Option<u32>,
    ) -> Option<(Message, SocketAddr)> {
        let contact = self.contact();
        let dialog = self.dialogs.get_mut(&id)?;
        if cseq.is_none() {
            dialog.cseq += 1;
        }
        let number = cseq.unwrap_or(dialog.cseq);
        let mut request = Message::request(method, &dialog.target);
        for route in &dialog.routes {
            request.push("Route", route);
        }
        request.push("Max-Forwards", "70");
        request.push("From", &dialog.local_line);
        request.push("To", &dialog.remote_line);
        request.push("Call-ID", &dialog.call_id);
        request.push("CSeq", &format!("{number} {method}"));
        if matches!(method, "INVITE" | "UPDATE" | "REFER") {
            request.push("Contact", &contact);
        }
        request.push("User-Agent", "strowger-phone");
        let (routes, target) = (dialog.routes.clone(), dialog.target.clone());
        Some((request, self.destination(&routes, &target)))
    }

    /// A response to the first INVITE, with what establishes a dialog (RFC 3261 12.1.1).
    fn respond_in_dialog(&mut self, id: u64, code: u16, body: Option<String>) {
        let contact = self.contact();
        let Some(dialog) = self.dialogs.get(&id) else { return };
        let Some(key) = dialog.invite_key.clone() else { return };
        let invite = &dialog.invite;
        let mut response = Message::response(code, invite, Some(&dialog.local_tag));
        if code < 300 {
            for route in invite.lines("Record-Route") {
                response.push("Record-Route", route);
            }
            response.push("Contact", &contact);
            response.push("Allow", ALLOW);
        }
        if let Some(text) = body {
            response.set_body("application/sdp", text.as_bytes());
        }
        self.respond(&key, response);
    }

    fn cancel_if_due(&mut self, id: u64) {
        let Some(dialog) = self.dialogs.get_mut(&id) else { return };
        if dialog.cancel == Cancel::Wanted && dialog.provisional && dialog.is_live() {
            dialog.cancel = Cancel::Sent;
            self.send_cancel(id);
        }
    }

    fn acknowledge(&mut self, id: u64, cseq: u32, tag: String, body: Option<String>) {
        let via = format!("SIP/2.0/UDP {};rport;branch=z9hG4bK{}", self.local, self.random.token());
        let Some((mut ack, to)) = self.request_inside(id, "ACK", Some(cseq)) else { return };
        ack.headers.insert(0, ("Via".to_owned(), via));
        let Some(dialog) = self.dialogs.get_mut(&id) else { return };
        for (name, value) in &dialog.credentials {
            ack.push(name, value);
        }
        if let Some(text) = body {
            ack.set_body("application/sdp", text.as_bytes());
        }
        let bytes = ack.to_bytes();
        if dialog.acks.len() >= ACKS_MAX {
            dialog.acks.remove(0);
        }
        dialog.acks.push(Ack { cseq, tag, bytes: bytes.clone(), to });
        self.transmit(&bytes, to, &ack.summary());
    }

    /// The call was given up while the answer was on its way (RFC 3261 9.1, 15).
    fn after_answer(&mut self, id: u64) {
        let Some(dialog) = self.dialogs.get(&id) else { return };
        if dialog.cancel != Cancel::No || dialog.released {
            self.send_bye(id);
        }
    }

    /// Another branch of a fork answered too: ACK and BYE for it (RFC 3261 13.2.2.4).
    fn end_fork(&mut self, id: u64, response: &Message, cseq: u32, tag: String) {
        self.counts.forked_answers += 1;
        self.note("an answer of another branch: acknowledged and ended");
        let Some(dialog) = self.dialogs.get_mut(&id) else { return };
        let other = Self::route_of(response);
        let kept = dialog.swap_remote(other);
        self.acknowledge(id, cseq, tag, None);
        if let Some((bye, to)) = self.request_inside(id, "BYE", None) {
            self.send_request(Owner::Orphan, bye, to);
        }
        if let Some(dialog) = self.dialogs.get_mut(&id) {
            dialog.swap_remote(kept);
        }
    }

    fn route_of(response: &Message) -> Remote {
        let routes = response.values("Record-Route").into_iter().rev().map(str::to_owned);
        Remote {
            line: response.header("To").unwrap_or_default().to_owned(),
            target: response.values("Contact").first().map_or("", |v| address_uri(v)).to_owned(),
            routes: routes.collect(),
        }
    }
}

/// Where requests of a dialog go.
struct Remote {
    line: String,
    target: String,
    routes: Vec<String>,
}

impl Dialog {
    fn blank(
        id: u64,
        call_id: String,
        local_line: String,
        invite: Message,
        media: Media,
        talk: Talk,
    ) -> Self {
        Self {
            id,
            outgoing: false,
            call_id,
            local_tag: String::new(),
            remote_tag: None,
            local_line,
            remote_line: String::new(),
            target: String::new(),
            routes: Vec::new(),
            cseq: 1,
            remote_cseq: None,
            state: State::Offered,
            codes: Vec::new(),
            invite_branch: String::new(),
            invite_key: None,
            invite,
            answer: None,
            provisional: false,
            cancel: Cancel::No,
            media,
            talk,
            reinvite: Reinvite::Idle,
            acks: Vec::new(),
            credentials: Vec::new(),
            requests: Vec::new(),
            fault: None,
            released: false,
            ended_at: None,
        }
    }

    /// A 2xx to our first INVITE makes the dialog (RFC 3261 12.1.2).
    fn confirm(&mut self, response: &Message, tag: String) {
        let remote = Engine::route_of(response);
        if remote.target.is_empty() {
            self.fault = Some("a 2xx to INVITE without Contact");
        }
        if tag.is_empty() {
            self.fault = Some("a 2xx to INVITE without To tag");
        }
        self.swap_remote(remote);
        self.remote_tag = Some(tag);
        if self.is_live() {
            self.state = State::Talking;
        }
    }

    fn swap_remote(&mut self, remote: Remote) -> Remote {
        let target = if remote.target.is_empty() { self.target.clone() } else { remote.target };
        Remote {
            line: std::mem::replace(&mut self.remote_line, remote.line),
            target: std::mem::replace(&mut self.target, target),
            routes: std::mem::replace(&mut self.routes, remote.routes),
        }
    }

    /// Why an operation does not fit: the call's end explains more than the misuse.
    fn misused(&self, what: &'static str) -> Cause {
        match self.state {
            State::Ended(by) => Cause::Ended(by),
            State::Calling
            | State::Offered
            | State::Ringing
            | State::Answered
            | State::Talking
            | State::Ending => Cause::Misuse(what),
        }
    }
}
