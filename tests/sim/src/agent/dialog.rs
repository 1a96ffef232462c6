//! Dialogs of an agent: what requests and responses mean for its calls.

use super::call::Do;
use super::media::PORT_FIRST;
use super::refer::CHANGES;
use super::transaction::Purpose;
use super::{Agent, Call, CallState, Callee, Caller, Reply};
use crate::plan::{REALM, host_of, switch_for};
use std::net::SocketAddr;
use strowger_link::Tick;
use strowger_phone::message::{Message, address_uri};
use strowger_phone::sdp::{Direction, Sdp};

impl Agent {
    /// Calls a number; returns the call's number here.
    pub fn call(&mut self, plan: &Caller, now: Tick) -> u32 {
        let key = self.calls.len() as u32;
        let user = self.login.as_ref().map_or("carrier".to_owned(), |login| login.user.clone());
        let id = format!("{:08x}-{}-{key}@{}", self.dice.bits() as u32, self.index, self.addr.ip());
        let mut call = Call::new(true, id, plan.after, PORT_FIRST + key as u16 * 2);
        let switch = switch_for(self.addr);
        let host = if self.login.is_some() { REALM.to_owned() } else { switch.to_string() };
        call.local = format!("<sip:{user}@{host}>;tag=t{}x{key}", self.index);
        call.remote = format!("<sip:{}@{host}>", plan.to);
        call.target = format!("sip:{}@{switch}", plan.to);
        if let Some(ms) = plan.cancel_ms {
            call.plan(now.plus_ms(ms), Do::Cancel);
        }
        self.calls.insert(key, call);
        if let Some(invite) = self.in_call(key, "INVITE") {
            self.begin(invite, Purpose::Invite(key), now);
        }
        key
    }

    pub(super) fn next_cseq(&mut self, key: u32) -> u32 {
        let Some(call) = self.calls.get_mut(&key) else { return 0 };
        call.cseq += 1;
        call.cseq
    }

    /// A request of a call, with our description when it is INVITE.
    pub(super) fn in_call(&mut self, key: u32, method: &str) -> Option<Message> {
        let contact = self.contact();
        let begins = self.calls.get(&key).is_some_and(|call| call.answered_at.is_none());
        let late = self.manner.late_offer && begins;
        let offer = if method == "INVITE" && !late { self.describe(key) } else { None };
        let call = self.calls.get_mut(&key)?;
        call.cseq += 1;
        let mut request = Message::request(method, &call.target);
        request.push("From", &call.local);
        request.push("To", &call.remote);
        request.push("Call-ID", &call.id);
        request.push("CSeq", &format!("{} {method}", call.cseq));
        request.push("Contact", &contact);
        if method == "INVITE" {
            self.say_manner(&mut request);
        }
        if let Some(offer) = offer {
            self.put_description(&mut request, &offer);
        } else if method == "BYE" {
            self.put_isup(&mut request);
        }
        Some(request)
    }

    pub(super) fn contact(&self) -> String {
        let user = self.login.as_ref().map_or("carrier", |login| login.user.as_str());
        let transport = if self.is_reliable() { ";transport=tcp" } else { "" };
        if self.manner.named {
            // A port is an address's: name servers are asked for no service (RFC 3263 4.2).
            let (host, port) = (host_of(self.addr.ip()), self.addr.port());
            return format!("<sip:{user}@{host}:{port}{transport}>");
        }
        format!("<sip:{user}@{}{transport}>", self.addr)
    }

    pub(super) fn describe(&self, key: u32) -> Option<String> {
        let call = self.calls.get(&key)?;
        let sdp = Sdp {
            session: u64::from(self.index) * 1_000 + u64::from(key),
            version: call.sdp_version,
            rtp: SocketAddr::new(self.addr.ip(), call.rtp_port),
            rtcp: None,
            formats: vec![0],
            ptime_ms: Some(20),
            direction: Direction::of(!call.held, !call.holding),
            key: None,
            shake: None,
        };
        Some(sdp.to_text())
    }

    pub(super) fn learn(&mut self, key: u32, message: &Message) {
        let description = self.take_isup(message);
        let (Some(call), Some(sdp)) = (self.calls.get_mut(&key), Sdp::parse(&description)) else {
            return;
        };
        call.rtp_to = Some(sdp.rtp).filter(|to| to.port() != 0);
        call.held = !sdp.direction.receives();
    }

    /// A provisional response.
    pub(super) fn progress(&mut self, purpose: Purpose, response: &Message, now: Tick) {
        if let Purpose::Invite(key) = purpose {
            self.acknowledge_early(key, response, now);
        }
    }

    /// The final word on a request of ours; none for one that was never answered.
    pub(super) fn conclude(
        &mut self,
        purpose: Purpose,
        code: u16,
        response: Option<&Message>,
        now: Tick,
    ) {
        match purpose {
            Purpose::Register { expires_s, .. } => {
                self.registered = if code < 300 { expires_s > 0 } else { false };
            }
            Purpose::Invite(key) => self.invited(key, code, response, now),
            Purpose::Reinvite(key) => self.reinvited(key, code, response, now),
            Purpose::Bye(key) => self.over(key, now),
            Purpose::Word(key, word) => self.word_answered(key, word, code, response, now),
            Purpose::Refer(key) => self.referred(key, code),
            Purpose::Cancel | Purpose::Prack => {}
        }
    }

    fn invited(&mut self, key: u32, code: u16, response: Option<&Message>, now: Tick) {
        let Some(call) = self.calls.get_mut(&key) else { return };
        call.outcome = Some(code);
        let Some(response) = response.filter(|_| code < 300) else { return self.over(key, now) };
        let given_up = call.state == CallState::Cancelling;
        call.remote = response.header("To").unwrap_or_default().to_owned();
        let contact = response.header("Contact").map(|c| address_uri(c).to_owned());
        call.target = contact.unwrap_or_else(|| call.target.clone());
        call.state = CallState::Up;
        call.steps.clear();
        self.learn(key, response);
        if given_up {
            self.hang_up(key, now);
        } else if let Some(call) = self.calls.get_mut(&key) {
            call.plan_talk(now);
        }
    }

    fn reinvited(&mut self, key: u32, code: u16, response: Option<&Message>, now: Tick) {
        let wait_ms = self.dice.between(100, 4_000);
        let Some(call) = self.calls.get_mut(&key) else { return };
        match (code, response) {
            (200..=299, Some(response)) => {
                let response = response.clone();
                self.learn(key, &response);
            }
            // Glare: once more, later (RFC 3261 14.1).
            (491, _) if call.state == CallState::Up => {
                let step = if call.holding { Do::Hold } else { Do::Resume };
                call.plan(now.plus_ms(wait_ms), step);
            }
            _ => {}
        }
    }

    pub(super) fn over(&mut self, key: u32, now: Tick) {
        if let Some(call) = self.calls.get_mut(&key).filter(|call| !call.is_over()) {
            call.state = CallState::Over(now);
            call.steps.clear();
        }
    }

    /// BYE, unless it has been sent.
    pub fn hang_up(&mut self, key: u32, now: Tick) {
        let Some(call) = self.calls.get_mut(&key) else { return };
        if !matches!(call.state, CallState::Up) {
            return;
        }
        call.state = CallState::Leaving;
        call.steps.clear();
        if let Some(bye) = self.in_call(key, "BYE") {
            self.begin(bye, Purpose::Bye(key), now);
        }
    }

    pub(super) fn handle_request(&mut self, request: &Message, now: Tick) {
        if self.fork_takes(request, now) {
            return;
        }
        match request.method() {
            "ACK" => {
                if let Some(key) = self.handle_ack(request) {
                    // The answer to an offer that came late.
                    self.learn(key, request);
                    self.confirmed(key, now);
                }
            }
            "INVITE" => self.handle_invite(request, now),
            "BYE" => self.handle_bye(request, now),
            "CANCEL" => self.handle_cancel(request, now),
            "UPDATE" | "PRACK" | "INFO" | "MESSAGE" => self.hear_word(request, now),
            "NOTIFY" => self.handle_notify(request, now),
            method => {
                let method = method.to_owned();
                if let Some(branch) = self.serve(request, now) {
                    self.respond(&branch, &method, &Message::response(405, request, None), now);
                }
            }
        }
    }

    fn confirmed(&mut self, key: u32, now: Tick) {
        if let Some(call) = self.calls.get_mut(&key)
            && call.state == CallState::Answered
        {
            call.state = CallState::Up;
            call.plan_talk(now);
        }
    }

    pub(super) fn key_of(&self, request: &Message) -> Option<u32> {
        let id = request.header("Call-ID")?;
        let tag = request.tag("To")?;
        let own = |call: &Call| call.id == id && call.local.ends_with(&format!(";tag={tag}"));
        self.calls.iter().find(|(_, call)| own(call)).map(|(key, _)| *key)
    }

    fn handle_invite(&mut self, request: &Message, now: Tick) {
        let branch = request.branch().unwrap_or_default().to_owned();
        if request.tag("To").is_some() {
            return self.handle_reinvite(request, now);
        }
        if self.deaf.contains(&branch) {
            return;
        }
        if self.server(&branch, "INVITE").is_none() {
            let plan = self.answering.pop_front().unwrap_or(self.otherwise);
            if plan.reply == Reply::Deaf {
                self.deaf.insert(branch);
                return;
            }
            self.serve(request, now);
            self.ring(request, &branch, plan, now);
        } else {
            self.serve(request, now);
        }
    }

    fn ring(&mut self, request: &Message, branch: &str, plan: Callee, now: Tick) {
        let key = self.calls.len() as u32;
        let id = request.header("Call-ID").unwrap_or_default().to_owned();
        let mut call = Call::new(false, id, plan.after, PORT_FIRST + key as u16 * 2);
        let to = request.header("To").unwrap_or_default();
        call.local = format!("{to};tag=t{}x{key}", self.index);
        call.remote = request.header("From").unwrap_or_default().to_owned();
        call.target = address_uri(request.header("Contact").unwrap_or_default()).to_owned();
        call.remote_cseq = request.cseq().map_or(0, |(number, _)| number);
        call.branch = branch.to_owned();
        if let Some(ms) = plan.ring_ms {
            call.plan(now.plus_ms(ms), Do::Ring);
        }
        match plan.reply {
            Reply::Answer(ms) => {
                call.plan(now.plus_ms(ms), Do::Answer);
                if let Some(behind_ms) = plan.fork_ms {
                    call.plan(now.plus_ms(ms + behind_ms), Do::Fork);
                }
            }
            Reply::Reject(code, ms) => call.plan(now.plus_ms(ms), Do::Reject(code)),
            Reply::Redirect(to, ms) => call.plan(now.plus_ms(ms), Do::Redirect(to)),
            Reply::Never | Reply::Deaf => {}
        }
        self.calls.insert(key, call);
        self.learn(key, request);
        if let Some(server) = self.server(branch, "INVITE") {
            server.call = Some(key);
        }
        let trying = Message::response(100, request, None);
        self.respond(branch, "INVITE", &trying, now);
    }

    /// A response to the INVITE of a call.
    fn reply(&mut self, key: u32, branch: &str, code: u16, now: Tick) {
        let contact = self.contact();
        let answer = if code == 200 { self.describe(key) } else { None };
        let Some(call) = self.calls.get(&key) else { return };
        let tag = format!("t{}x{key}", self.index);
        let local = call.local.clone();
        let Some(server) = self.server(branch, "INVITE") else { return };
        let mut response = Message::response(code, &server.request, Some(&tag));
        response.push("Contact", &contact);
        if let Some(answer) = answer {
            self.put_description(&mut response, &answer);
        }
        self.say_allowed(&mut response);
        debug_assert!(local.contains(&tag));
        self.respond(branch, "INVITE", &response, now);
    }

    /// 302: the call is to go to another user of ours.
    fn redirect(&mut self, key: u32, branch: &str, to: &str, now: Tick) {
        let tag = format!("t{}x{key}", self.index);
        let Some(server) = self.server(branch, "INVITE") else { return };
        let mut response = Message::response(302, &server.request, Some(&tag));
        response.push("Contact", &format!("<sip:{to}@{}>", crate::plan::REALM));
        self.respond(branch, "INVITE", &response, now);
    }

    fn handle_reinvite(&mut self, request: &Message, now: Tick) {
        let Some(branch) = self.serve(request, now) else { return };
        let Some(key) = self.key_of(request) else {
            return self.respond(&branch, "INVITE", &Message::response(481, request, None), now);
        };
        self.check_order(key, request, now);
        if let Some(server) = self.server(&branch, "INVITE") {
            server.call = Some(key);
        }
        let up = self.calls.get(&key).is_some_and(|call| call.state == CallState::Up);
        if self.reinvite_under_way(key) {
            return self.reply(key, &branch, 491, now);
        }
        if !up {
            return self.reply(key, &branch, 481, now);
        }
        self.learn(key, request);
        let changes = if self.transfers { CHANGES } else { 0 };
        if let Some(call) = self.calls.get_mut(&key) {
            call.sdp_version += 1;
            call.changes = changes;
        }
        self.reply(key, &branch, 200, now);
    }

    /// Requests of a dialog count upwards (RFC 3261 12.2.2).
    pub(super) fn check_order(&mut self, key: u32, request: &Message, now: Tick) {
        let number = request.cseq().map_or(0, |(number, _)| number);
        let Some(call) = self.calls.get_mut(&key) else { return };
        let before = std::mem::replace(&mut call.remote_cseq, number);
        if number <= before {
            let what = format!("{} {number} after {before}", request.method());
            self.breach(now, &what);
        }
    }

    /// BYE is behind every request of its dialog that came before, also that of an earlier life.
    fn check_bye(&mut self, key: u32, request: &Message, now: Tick) {
        let number = request.cseq().map_or(0, |(number, _)| number);
        let before = self.calls.get(&key).map_or(0, |call| call.remote_cseq);
        if number <= before {
            self.breach(now, &format!("BYE {number} after {before}"));
        }
    }

    fn handle_bye(&mut self, request: &Message, now: Tick) {
        let Some(branch) = self.serve(request, now) else { return };
        let Some(key) = self.key_of(request) else {
            let gone = Message::response(481, request, None);
            return self.respond(&branch, "BYE", &gone, now);
        };
        let life = self.switch_died.iter().filter(|died| **died < self.sent_at).count();
        let before = self.calls.get_mut(&key).and_then(|call| call.bye_seen.replace(life));
        self.check_bye(key, request, now);
        // A life that finds an ended call cannot know whether the last one got to its BYE.
        if before == Some(life) {
            self.breach(now, "a second BYE in the same dialog");
        }
        self.take_isup(request);
        self.respond(&branch, "BYE", &Message::response(200, request, None), now);
        self.stop_answering(key);
        self.over(key, now);
    }

    fn handle_cancel(&mut self, request: &Message, now: Tick) {
        let Some(branch) = self.serve(request, now) else { return };
        let invite = self.server(&branch, "INVITE").map(|server| (server.call, server.code));
        let code = if invite.is_some() { 200 } else { 481 };
        self.respond(&branch, "CANCEL", &Message::response(code, request, None), now);
        if let Some((Some(key), 0..=199)) = invite {
            self.reply(key, &branch, 487, now);
            self.over(key, now);
        }
    }

    /// Does what plans say is due.
    pub(super) fn follow_plans(&mut self, now: Tick) {
        let keys: Vec<u32> = self
            .calls
            .iter()
            .filter(|(_, call)| call.next().is_some_and(|at| at <= now))
            .map(|(key, _)| *key)
            .collect();
        for key in keys {
            while let Some(step) = self.calls.get_mut(&key).and_then(|call| call.take_due(now)) {
                self.act(key, step, now);
            }
        }
    }

    fn act(&mut self, key: u32, step: Do, now: Tick) {
        let unheard = self.is_ringing_unheard(key);
        let Some(call) = self.calls.get_mut(&key) else { return };
        let branch = call.branch.clone();
        match (step, call.state) {
            (Do::Ring, CallState::Incoming) => {
                if !self.ring_reliably(key, &branch, now) {
                    self.reply(key, &branch, 180, now);
                }
            }
            // Not before what describes it is acknowledged (RFC 3262 3).
            (Do::Answer, CallState::Incoming) if unheard => {
                call.plan(now.plus_ms(50), Do::Answer);
            }
            (Do::Answer, CallState::Incoming) => {
                call.state = CallState::Answered;
                self.reply(key, &branch, 200, now);
            }
            (Do::Reject(code), CallState::Incoming) => {
                self.reply(key, &branch, code, now);
                self.over(key, now);
            }
            (Do::Redirect(to), CallState::Incoming) => {
                self.redirect(key, &branch, to, now);
                self.over(key, now);
            }
            (Do::Cancel, CallState::Calling) => self.cancel(key, now),
            (Do::Bye, CallState::Up) => self.hang_up(key, now),
            (Do::Hold | Do::Resume, CallState::Up) => {
                call.holding = step == Do::Hold;
                call.sdp_version += 1;
                if !self.reinvite_under_way(key)
                    && let Some(invite) = self.in_call(key, "INVITE")
                {
                    self.begin(invite, Purpose::Reinvite(key), now);
                }
            }
            (Do::Audio, CallState::Up) => self.send_audio(key, now),
            (Do::Say(word), CallState::Up) => self.say_word(key, word, now),
            (Do::Fork, CallState::Answered | CallState::Up) => {
                self.answer_fork(key, &branch, now);
            }
            // The plan is out of date.
            (
                Do::Ring
                | Do::Answer
                | Do::Reject(_)
                | Do::Redirect(_)
                | Do::Cancel
                | Do::Bye
                | Do::Hold
                | Do::Resume
                | Do::Audio
                | Do::Say(_)
                | Do::Fork,
                _,
            ) => {}
        }
    }

    /// CANCEL of an INVITE that has no final response (RFC 3261 9.1).
    fn cancel(&mut self, key: u32, now: Tick) {
        let Some((invite, heard)) = self.invite_under_way(key) else { return };
        if !heard {
            // Not before a provisional response.
            if let Some(call) = self.calls.get_mut(&key) {
                call.plan(now.plus_ms(50), Do::Cancel);
            }
            return;
        }
        let mut cancel = Message::request("CANCEL", invite.uri());
        for name in ["Via", "From", "To", "Call-ID"] {
            cancel.push(name, invite.header(name).unwrap_or_default());
        }
        let number = invite.cseq().map_or(0, |(number, _)| number);
        cancel.push("CSeq", &format!("{number} CANCEL"));
        if let Some(call) = self.calls.get_mut(&key) {
            call.state = CallState::Cancelling;
        }
        self.begin(cancel, Purpose::Cancel, now);
    }
}
