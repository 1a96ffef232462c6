//! Transactions of an agent (RFC 3261 17), kept simple. Over TCP nothing is repeated but a 2xx of
//! INVITE, and the switch must not repeat anything else either.

use super::manner::Word;
use super::{Agent, Call};
use strowger_link::Tick;
use strowger_phone::digest::{Challenge, Secret, Use};
use strowger_phone::message::Message;

/// T1 and T2, milliseconds.
const T1_MS: u64 = 500;
const T2_MS: u64 = 4_000;
/// 64 T1.
const GIVE_UP_MS: u64 = 32_000;
/// An INVITE that was answered provisionally waits so long: more than any ring time.
const PROCEEDING_MS: u64 = 200_000;
/// A finished transaction is watched so long for what must not come.
const WATCH_MS: u64 = 40_000;

/// What a request is for.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Purpose {
    /// REGISTER; credentials were shown.
    Register { expires_s: u32, shown: bool },
    /// The first INVITE of a call.
    Invite(u32),
    /// A later one.
    Reinvite(u32),
    /// BYE.
    Bye(u32),
    /// REFER.
    Refer(u32),
    /// CANCEL.
    Cancel,
    /// Of a provisional response.
    Prack,
    /// Something said inside a call.
    Word(u32, Word),
}

/// A request of ours.
#[derive(Debug)]
pub(super) struct Client {
    pub(super) branch: String,
    pub(super) purpose: Purpose,
    pub(super) request: Message,
    bytes: Vec<u8>,
    begun: Tick,
    /// Something was heard of it.
    heard: bool,
    resend: Option<Tick>,
    gap_ms: u64,
    end: Tick,
    /// Code and To tag of the final response.
    outcome: Option<(u16, String)>,
    ack: Option<Vec<u8>>,
}

/// A request of the switch.
#[derive(Debug)]
pub(super) struct Server {
    pub(super) branch: String,
    pub(super) request: Message,
    pub(super) call: Option<u32>,
    last: Option<Vec<u8>>,
    pub(super) code: u16,
    begun: Tick,
    /// The connection that it came by.
    pub(super) line: Option<u64>,
    /// A final response to INVITE waits for its ACK.
    unacknowledged: bool,
    resend: Option<Tick>,
    gap_ms: u64,
    end: Tick,
}

impl Client {
    pub(super) fn next(&self) -> Tick {
        self.resend.map_or(self.end, |at| at.min(self.end))
    }

    fn is_invite(&self) -> bool {
        matches!(self.purpose, Purpose::Invite(_) | Purpose::Reinvite(_))
    }
}

impl Server {
    pub(super) fn next(&self) -> Tick {
        self.resend.map_or(self.end, |at| at.min(self.end))
    }
}

impl Agent {
    /// Sends a request as a new transaction; Via and Max-Forwards are added.
    pub(super) fn begin(&mut self, mut request: Message, purpose: Purpose, now: Tick) {
        let branch = match purpose {
            // CANCEL has the branch of its INVITE, which the caller has put there.
            Purpose::Cancel => request.branch().unwrap_or_default().to_owned(),
            Purpose::Register { .. }
            | Purpose::Invite(_)
            | Purpose::Reinvite(_)
            | Purpose::Prack
            | Purpose::Word(..)
            | Purpose::Refer(_)
            | Purpose::Bye(_) => {
                let branch = self.new_branch();
                request.headers.insert(0, ("Via".into(), self.via(&branch)));
                branch
            }
        };
        request.set("Max-Forwards", "70");
        let bytes = request.to_bytes();
        self.send(bytes.clone(), now);
        self.clients.push(Client {
            branch,
            purpose,
            request,
            bytes,
            begun: now,
            heard: false,
            resend: (!self.is_reliable()).then(|| now.plus_ms(T1_MS)),
            gap_ms: T1_MS,
            end: now.plus_ms(GIVE_UP_MS),
            outcome: None,
            ack: None,
        });
    }

    pub(super) fn resend_clients(&mut self, now: Tick) {
        let mut sends = Vec::new();
        let mut gone = Vec::new();
        self.clients.retain_mut(|client| {
            if client.end <= now {
                if client.outcome.is_none() {
                    // Something was heard of it: it was under way, and has no end. A BYE ends one
                    // inside the dialog as well.
                    let hung = client.is_invite() && client.heard;
                    gone.push((client.purpose, client.request.summary(), hung, client.begun));
                }
                return false;
            }
            if client.resend.is_some_and(|at| at <= now) {
                client.gap_ms *= 2;
                if !client.is_invite() {
                    client.gap_ms = client.gap_ms.min(T2_MS);
                }
                client.resend = Some(now.plus_ms(client.gap_ms));
                sends.push(client.bytes.clone());
            }
            true
        });
        for bytes in sends {
            self.send(bytes, now);
        }
        for (purpose, what, hung, begun) in gone {
            self.unanswered += 1;
            let over = match purpose {
                Purpose::Invite(key) | Purpose::Reinvite(key) => {
                    self.calls.get(&key).is_none_or(Call::is_over)
                }
                Purpose::Register { .. }
                | Purpose::Bye(_)
                | Purpose::Prack
                | Purpose::Word(..)
                | Purpose::Refer(_)
                | Purpose::Cancel => true,
            };
            if hung && !over && !self.lost_since(begun) {
                self.breach(now, &format!("no final response ever: {what}"));
            }
            self.conclude(purpose, 408, None, now);
        }
    }

    pub(super) fn handle_response(&mut self, response: &Message, now: Tick) {
        let (Some(code), Some((_, method))) = (response.code(), response.cseq()) else { return };
        let branch = response.branch().unwrap_or_default();
        let found =
            self.clients.iter_mut().find(|c| c.branch == branch && c.request.method() == method);
        let Some(client) = found else { return };
        if code < 200 {
            if client.outcome.is_none() && client.is_invite() {
                client.heard = true;
                client.resend = None;
                client.end = now.plus_ms(PROCEEDING_MS);
                let purpose = client.purpose;
                self.progress(purpose, response, now);
            }
            return;
        }
        let outcome = (code, response.tag("To").unwrap_or_default().to_owned());
        if let Some(before) = &client.outcome {
            let same = *before == outcome;
            let before = before.0;
            let begun = client.begun;
            if self.is_reliable() && same && code >= 300 && !self.lost_since(begun) {
                return self.breach(now, &format!("{code} of {method} again over a connection"));
            }
            let Some(client) = self.client(branch, method) else { return };
            if let Some(ack) = client.ack.clone() {
                self.send(ack, now);
            }
            if !same && method == "INVITE" {
                self.breach(now, &format!("INVITE had {before}, and then {code}"));
            }
            return;
        }
        client.outcome = Some(outcome);
        client.resend = None;
        client.end = now.plus_ms(WATCH_MS);
        let (purpose, request) = (client.purpose, client.request.clone());
        if client.is_invite() {
            self.acknowledge((purpose, &request), response, branch, now);
            *self.finals.entry(code).or_default() += 1;
        }
        if matches!(code, 401 | 407) && self.show_credentials(purpose, &request, response, now) {
            return;
        }
        self.conclude(purpose, code, Some(response), now);
    }

    /// ACK of a final response: in the transaction for a failure, outside it for a success.
    fn acknowledge(
        &mut self,
        (purpose, request): (Purpose, &Message),
        response: &Message,
        branch: &str,
        now: Tick,
    ) {
        let call = match purpose {
            Purpose::Invite(key) | Purpose::Reinvite(key) => Some(key),
            Purpose::Register { .. }
            | Purpose::Bye(_)
            | Purpose::Prack
            | Purpose::Refer(_)
            | Purpose::Word(..)
            | Purpose::Cancel => None,
        };
        let success = response.code().is_some_and(|code| code < 300);
        let uri = match response.header("Contact") {
            Some(contact) if success => strowger_phone::message::address_uri(contact).to_owned(),
            Some(_) | None => request.uri().to_owned(),
        };
        let ack_branch = if success { self.new_branch() } else { branch.to_owned() };
        let mut ack = Message::request("ACK", &uri);
        ack.push("Via", &self.via(&ack_branch));
        ack.push("Max-Forwards", "70");
        for name in ["From", "Call-ID"] {
            ack.push(name, request.header(name).unwrap_or_default());
        }
        ack.push("To", response.header("To").unwrap_or_default());
        let number = request.cseq().map_or(0, |(number, _)| number);
        ack.push("CSeq", &format!("{number} ACK"));
        let late = request.body.is_empty() && !response.body.is_empty() && success;
        if let Some(answer) = call.filter(|_| late).and_then(|key| self.describe(key)) {
            ack.set_body("application/sdp", answer.as_bytes());
        }
        let bytes = ack.to_bytes();
        if let Some(client) =
            self.clients.iter_mut().find(|c| c.branch == branch && c.request.method() == "INVITE")
        {
            client.ack = Some(bytes.clone());
        }
        self.send(bytes, now);
    }

    /// Sends the request again with credentials, once.
    fn show_credentials(
        &mut self,
        purpose: Purpose,
        request: &Message,
        response: &Message,
        now: Tick,
    ) -> bool {
        let Some(login) = self.login.clone() else { return false };
        let purpose = match purpose {
            Purpose::Register { expires_s, shown: false } => {
                Purpose::Register { expires_s, shown: true }
            }
            // A nonce that became stale on the way is shown anew.
            Purpose::Invite(_) if request.header("Authorization").is_none() => purpose,
            Purpose::Register { shown: true, .. }
            | Purpose::Invite(_)
            | Purpose::Reinvite(_)
            | Purpose::Bye(_)
            | Purpose::Prack
            | Purpose::Word(..)
            | Purpose::Refer(_)
            | Purpose::Cancel => return false,
        };
        let Some(challenge) = response.header("WWW-Authenticate").and_then(Challenge::parse) else {
            return false;
        };
        let secret = Secret { user: &login.user, password: &login.password };
        let method = request.method().to_owned();
        let cnonce = format!("{:x}", self.dice.bits());
        let used = Use { method: &method, uri: request.uri(), count: 1, cnonce: &cnonce };
        let mut again = request.clone();
        again.remove("Via");
        again.set("Authorization", &challenge.authorization(secret, used));
        let number = match purpose {
            Purpose::Invite(key) => self.next_cseq(key),
            Purpose::Register { .. }
            | Purpose::Reinvite(_)
            | Purpose::Bye(_)
            | Purpose::Prack
            | Purpose::Word(..)
            | Purpose::Refer(_)
            | Purpose::Cancel => {
                self.cseq += 1;
                self.cseq
            }
        };
        again.set("CSeq", &format!("{number} {method}"));
        self.begin(again, purpose, now);
        true
    }

    /// A request that is new here; `None` when it was a retransmission and is answered.
    pub(super) fn serve(&mut self, request: &Message, now: Tick) -> Option<String> {
        let branch = request.branch().unwrap_or_default().to_owned();
        let known = self
            .servers
            .iter()
            .find(|s| s.branch == branch && s.request.method() == request.method());
        if let Some(server) = known {
            let (last, begun) = (server.last.clone(), server.begun);
            if self.is_reliable() && !self.lost_since(begun) {
                self.breach(now, &format!("{} again over a connection", request.summary()));
            } else if let Some(last) = last {
                self.send(last, now);
            }
            return None;
        }
        let line = self.lines.as_ref().and_then(|lines| lines.hand);
        self.servers.push(Server {
            branch: branch.clone(),
            request: request.clone(),
            call: None,
            last: None,
            code: 0,
            begun: now,
            line,
            unacknowledged: false,
            resend: None,
            gap_ms: T1_MS,
            end: now.plus_ms(PROCEEDING_MS),
        });
        Some(branch)
    }

    pub(super) fn server(&mut self, branch: &str, method: &str) -> Option<&mut Server> {
        self.servers.iter_mut().find(|s| s.branch == branch && s.request.method() == method)
    }

    /// The INVITE of a call, to be cancelled, and whether anything was heard of it.
    pub(super) fn invite_under_way(&self, key: u32) -> Option<(&Message, bool)> {
        let wanted = |c: &&Client| c.purpose == Purpose::Invite(key) && c.outcome.is_none();
        self.clients.iter().find(wanted).map(|c| (&c.request, c.heard))
    }

    /// A re-INVITE of ours waits for its answer.
    pub(super) fn reinvite_under_way(&self, key: u32) -> bool {
        let changes = |purpose| {
            let update = Purpose::Word(key, Word::Update);
            purpose == Purpose::Reinvite(key) || purpose == update
        };
        self.clients.iter().any(|c| changes(c.purpose) && c.outcome.is_none())
    }

    /// Answers a request. Final responses to INVITE are repeated until their ACK.
    pub(super) fn respond(&mut self, branch: &str, method: &str, response: &Message, now: Tick) {
        let bytes = response.to_bytes();
        let code = response.code().unwrap_or_default();
        let reliable = self.is_reliable();
        let Some(server) = self.server(branch, method) else { return };
        server.last = Some(bytes.clone());
        server.code = code;
        if code >= 200 && method == "INVITE" {
            self.stop_ringing(branch);
        }
        let Some(server) = self.server(branch, method) else { return };
        if code >= 200 {
            server.end = now.plus_ms(GIVE_UP_MS);
            server.unacknowledged = method == "INVITE";
            let repeats = server.unacknowledged && (code < 300 || !reliable);
            server.resend = repeats.then_some(now.plus_ms(T1_MS));
            server.gap_ms = T1_MS;
        }
        let line = server.line;
        self.send_by(line, bytes, now);
    }

    pub(super) fn resend_servers(&mut self, now: Tick) {
        let mut sends = Vec::new();
        let mut deaf = Vec::new();
        self.servers.retain_mut(|server| {
            if server.end <= now {
                if server.unacknowledged {
                    deaf.push((server.code, server.begun, server.call));
                }
                return false;
            }
            if server.resend.is_some_and(|at| at <= now) {
                server.gap_ms = (server.gap_ms * 2).min(T2_MS);
                server.resend = Some(now.plus_ms(server.gap_ms));
                sends.extend(server.last.clone().map(|last| (server.line, last)));
            }
            true
        });
        for (line, bytes) in sends {
            self.send_by(line, bytes, now);
        }
        for (code, begun, call) in deaf {
            if !self.lost_since(begun) {
                self.breach(now, &format!("nobody acknowledged {code} of INVITE"));
            } else if let Some(key) = call.filter(|_| code < 300) {
                self.unheard(key, now);
            }
        }
    }

    /// An ACK came: the failure it belongs to by its branch, or the success by its CSeq.
    pub(super) fn handle_ack(&mut self, ack: &Message) -> Option<u32> {
        let branch = ack.branch().unwrap_or_default();
        let number = ack.cseq().map(|(number, _)| number);
        let id = ack.header("Call-ID");
        let server = self.servers.iter_mut().find(|s| {
            let same = s.request.header("Call-ID") == id
                && s.request.cseq().map(|(number, _)| number) == number;
            s.request.method() == "INVITE" && if s.code < 300 { same } else { s.branch == branch }
        })?;
        server.resend = None;
        server.unacknowledged = false;
        server.call
    }

    /// The call ended by its BYE: nothing is repeated any more.
    pub(super) fn stop_answering(&mut self, key: u32) {
        for server in self.servers.iter_mut().filter(|s| s.call == Some(key) && s.code < 300) {
            server.resend = None;
            server.unacknowledged = false;
        }
    }

    fn client(&mut self, branch: &str, method: &str) -> Option<&mut Client> {
        self.clients.iter_mut().find(|c| c.branch == branch && c.request.method() == method)
    }

    /// Registrations that have no answer are given up; whether there were any.
    pub(super) fn fail_registers(&mut self) -> bool {
        let before = self.clients.len();
        self.clients.retain(|client| {
            let open = client.outcome.is_none();
            !(open && matches!(client.purpose, Purpose::Register { expires_s: 1.., .. }))
        });
        self.clients.len() < before
    }

    /// BYEs that have no answer are given up; the calls that they were to end.
    pub(super) fn fail_byes(&mut self) -> Vec<u32> {
        let mut calls = Vec::new();
        self.clients.retain(|client| {
            let Purpose::Bye(key) = client.purpose else { return true };
            let open = client.outcome.is_none();
            if open {
                calls.push(key);
            }
            !open
        });
        calls
    }
}
