//! Client transactions (RFC 3261 17.1) and digest credentials (22).

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use super::{Engine, Realm};
use crate::digest::{Challenge, Secret, Use};
use crate::failure::{Cause, EndedBy};
use crate::limits::{REALMS_MAX, TRANSACTIONS_MAX};
use crate::message::Message;

/// Longest ringing that an INVITE transaction waits for. RFC 3261 has no such limit; a test has.
const PROCEEDING_MAX: Duration = Duration::from_secs(600);

/// Who is told of the result.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Owner {
    /// A request outside calls.
    Exchange(u64),
    /// A request in a call whose response a test waits for.
    Inside {
        call: u64,
        exchange: u64,
    },
    Invite(u64),
    Reinvite(u64),
    Bye(u64),
    Cancel(u64),
    /// Nobody: the BYE to a forked answer.
    Orphan,
}

#[derive(Debug)]
pub(crate) struct ClientTx {
    owner: Owner,
    request: Message,
    bytes: Vec<u8>,
    to: SocketAddr,
    branch: String,
    phase: Phase,
    resend_at: Option<Instant>,
    interval: Duration,
    dies_at: Instant,
    tries: Tries,
}

#[derive(Debug)]
enum Phase {
    Calling,
    Proceeding,
    /// The final response is known; for INVITE with the ACK of a refusal.
    Done(Option<Vec<u8>>),
}

/// How often a request was challenged: a wrong password must not loop.
#[derive(Debug, Clone, Copy, Default)]
struct Tries {
    challenged: bool,
    /// Answered a second time: the nonce was too old, or another algorithm was wanted.
    again: bool,
}

impl Engine {
    /// Sends a request in a new transaction and returns its branch.
    pub(crate) fn send_request(
        &mut self,
        owner: Owner,
        mut request: Message,
        to: SocketAddr,
    ) -> String {
        if self.config.reuse_nonce {
            for at in 0..self.realms.len() {
                self.add_credentials(&mut request, at);
            }
        }
        self.begin_client(owner, request, to, Tries::default())
    }

    /// CANCEL of a pending INVITE: same branch, no credentials (RFC 3261 9.1).
    pub(crate) fn send_cancel(&mut self, id: u64) {
        let Some(branch) = self.dialogs.get(&id).map(|d| d.invite_branch.clone()) else { return };
        let Some(invite) = self.clients.iter().find(|tx| tx.is(&branch, "INVITE")) else { return };
        let to = invite.to;
        let cancel = invite.follower("CANCEL", invite.request.header("To").unwrap_or_default());
        self.start_client(Owner::Cancel(id), cancel, to, branch, Tries::default());
    }

    pub(crate) fn handle_response(&mut self, response: &Message) {
        let found = match (response.branch(), response.cseq()) {
            (Some(branch), Some((_, method))) => {
                self.clients.iter().position(|tx| tx.is(branch, method))
            }
            _ => None,
        };
        let (Some(at), Some(code)) = (found, response.code()) else {
            self.counts.stray_responses += 1;
            return self.note("that response belongs to no transaction");
        };
        if code < 200 {
            self.handle_provisional(at, response);
        } else {
            self.handle_final(at, code, response);
        }
    }

    /// Retransmissions and time-outs of all client transactions.
    pub(super) fn client_timers(&mut self, now: Instant) -> bool {
        let (mut dead, mut resend) = (Vec::new(), Vec::new());
        let t2 = self.t2();
        self.clients.retain_mut(|tx| {
            if tx.dies_at <= now {
                if !matches!(tx.phase, Phase::Done(_)) {
                    dead.push((tx.owner, tx.request.clone()));
                }
                return false;
            }
            if let Some(at) = tx.resend_at.filter(|at| *at <= now) {
                resend.push((tx.bytes.clone(), tx.to, tx.request.summary()));
                tx.interval *= 2;
                if tx.request.method() != "INVITE" {
                    tx.interval = tx.interval.min(t2);
                }
                // From when it was due, so that a late thread does not stretch the schedule.
                tx.resend_at = Some(at + tx.interval);
            }
            true
        });
        let did = !dead.is_empty() || !resend.is_empty();
        for (bytes, to, what) in resend {
            self.counts.resent += 1;
            self.transmit(&bytes, to, &format!("again {what}"));
        }
        for (owner, request) in dead {
            self.note(&format!("no final response to {}", request.summary()));
            self.tell_timeout(owner);
        }
        did
    }

    fn begin_client(
        &mut self,
        owner: Owner,
        mut request: Message,
        to: SocketAddr,
        tries: Tries,
    ) -> String {
        let branch = format!("z9hG4bK{}", self.random.token());
        let via = format!("SIP/2.0/UDP {};rport;branch={branch}", self.local);
        request.headers.insert(0, ("Via".to_owned(), via));
        self.start_client(owner, request, to, branch.clone(), tries);
        branch
    }

    fn start_client(
        &mut self,
        owner: Owner,
        request: Message,
        to: SocketAddr,
        branch: String,
        tries: Tries,
    ) {
        let (bytes, now) = (request.to_bytes(), Instant::now());
        self.transmit(&bytes, to, &request.summary());
        if self.clients.len() >= TRANSACTIONS_MAX {
            return self.tell_timeout(owner);
        }
        self.clients.push(ClientTx {
            owner,
            request,
            bytes,
            to,
            branch,
            phase: Phase::Calling,
            resend_at: Some(now + self.t1()),
            interval: self.t1(),
            dies_at: now + self.t1_64(),
            tries,
        });
    }

    fn handle_provisional(&mut self, at: usize, response: &Message) {
        let (t2, now) = (self.t2(), Instant::now());
        let Some(tx) = self.clients.get_mut(at) else { return };
        if matches!(tx.phase, Phase::Done(_)) {
            return;
        }
        tx.phase = Phase::Proceeding;
        let owner = tx.owner;
        if tx.request.method() == "INVITE" {
            tx.resend_at = None;
            tx.dies_at = now + PROCEEDING_MAX;
        } else {
            tx.interval = t2;
            tx.resend_at = Some(now + t2);
        }
        if let Owner::Invite(id) = owner {
            self.on_progress(id, response);
        }
    }

    fn handle_final(&mut self, at: usize, code: u16, response: &Message) {
        let (linger, now) = (self.t1_64(), Instant::now());
        let Some(tx) = self.clients.get_mut(at) else { return };
        let (owner, invite, to) = (tx.owner, tx.request.method() == "INVITE", tx.to);
        if let Phase::Done(ack) = &tx.phase {
            if !invite {
                return;
            }
            self.counts.repeated_responses += 1;
            return match ack.clone() {
                Some(ack) => self.transmit(&ack, to, "again ACK of a refusal"),
                None if code < 300 => self.on_invite_ok(owner, response),
                None => self.note("a refusal after an answer: passed over"),
            };
        }
        tx.resend_at = None;
        tx.dies_at = now + linger;
        let mut ack = None;
        if invite && code >= 300 {
            let message = tx.follower("ACK", response.header("To").unwrap_or_default());
            ack = Some((message.to_bytes(), message.summary()));
        }
        tx.phase = Phase::Done(ack.as_ref().map(|(bytes, _)| bytes.clone()));
        if let Some((bytes, what)) = ack {
            self.transmit(&bytes, to, &what);
        }
        if matches!(code, 401 | 407) && self.retry(at, response) {
            return;
        }
        self.tell(at, owner, code, response);
    }

    fn tell(&mut self, at: usize, owner: Owner, code: u16, response: &Message) {
        let ok = (200..300).contains(&code);
        match owner {
            Owner::Exchange(id) | Owner::Inside { exchange: id, .. } => {
                let outcome = if ok { Ok(response.clone()) } else { Err(Cause::Code(code)) };
                if let Some(exchange) = self.exchanges.get_mut(&id) {
                    exchange.outcome = Some(outcome);
                }
            }
            Owner::Invite(id) | Owner::Reinvite(id) if ok => {
                let request = self.clients.get(at).map(|tx| tx.request.clone());
                if let (Some(request), Some(dialog)) = (request, self.dialogs.get_mut(&id)) {
                    dialog.keep_credentials(&request);
                }
                self.on_invite_ok(owner, response);
            }
            Owner::Invite(id) => self.on_invite_refused(id, code, response),
            Owner::Reinvite(id) => self.on_reinvite_refused(id, code),
            Owner::Bye(id) => self.end_dialog(id, EndedBy::LocalBye),
            Owner::Cancel(id) => self.on_cancel_answered(id),
            Owner::Orphan => {}
        }
    }

    fn tell_timeout(&mut self, owner: Owner) {
        match owner {
            Owner::Exchange(id) | Owner::Inside { exchange: id, .. } => {
                if let Some(exchange) = self.exchanges.get_mut(&id) {
                    exchange.outcome = Some(Err(Cause::TimedOut));
                }
            }
            Owner::Invite(id) | Owner::Bye(id) => self.end_dialog(id, EndedBy::TimedOut),
            Owner::Reinvite(id) => self.on_reinvite_timeout(id),
            Owner::Cancel(id) => self.on_cancel_answered(id),
            Owner::Orphan => {}
        }
    }

    /// After CANCEL the INVITE gets a final response within 64*T1 or is over (RFC 3261 9.1).
    fn on_cancel_answered(&mut self, id: u64) {
        let Some(branch) = self.dialogs.get(&id).map(|d| d.invite_branch.clone()) else { return };
        let until = Instant::now() + self.t1_64();
        if let Some(tx) = self.clients.iter_mut().find(|tx| tx.is(&branch, "INVITE"))
            && !matches!(tx.phase, Phase::Done(_))
        {
            tx.dies_at = tx.dies_at.min(until);
        }
    }

    /// Sends the request once more with credentials, if that can help.
    fn retry(&mut self, at: usize, response: &Message) -> bool {
        let proxy = response.code() == Some(407);
        let name = if proxy { "Proxy-Authenticate" } else { "WWW-Authenticate" };
        let lines = response.lines(name);
        let all: Vec<Challenge> = lines.iter().filter_map(|line| Challenge::parse(line)).collect();
        let accepted = &self.config.algorithms;
        let chosen = all.iter().find(|c| accepted.contains(&c.algorithm)).cloned();
        let Some(tx) = self.clients.get(at) else { return false };
        let (owner, to, mut tries) = (tx.owner, tx.to, tx.tries);
        let mut request = tx.request.clone();
        if let Owner::Exchange(id) | Owner::Inside { exchange: id, .. } = owner
            && let Some(exchange) = self.exchanges.get_mut(&id)
        {
            exchange.challenges.extend(all);
        }
        let Some(challenge) = chosen else { return false };
        let realm = self
            .realms
            .iter()
            .position(|r| r.proxy == proxy && r.challenge.realm == challenge.realm);
        if tries.challenged {
            let answered = realm.and_then(|at| self.realms.get(at));
            let other = answered.is_some_and(|r| r.challenge.algorithm != challenge.algorithm);
            if tries.again || !(challenge.stale || other) {
                // Wrong password: these credentials are not used again.
                realm.map(|at| self.realms.remove(at));
                return false;
            }
            tries.again = true;
        }
        tries.challenged = true;
        let at = self.keep_realm(realm, Realm { proxy, challenge, count: 0 });
        request.headers.remove(0);
        let (number, method) = request.cseq().map_or((0, ""), |(n, m)| (n, m));
        let cseq = format!("{} {method}", number + 1);
        request.set("CSeq", &cseq);
        self.add_credentials(&mut request, at);
        let branch = self.begin_client(owner, request, to, tries);
        self.on_resent(owner, number + 1, branch);
        true
    }

    fn on_resent(&mut self, owner: Owner, cseq: u32, branch: String) {
        match owner {
            Owner::Exchange(_) => self.register_cseq = self.register_cseq.max(cseq),
            Owner::Invite(id)
            | Owner::Reinvite(id)
            | Owner::Bye(id)
            | Owner::Inside { call: id, .. } => {
                let Some(dialog) = self.dialogs.get_mut(&id) else { return };
                dialog.cseq = dialog.cseq.max(cseq);
                if matches!(owner, Owner::Invite(_)) {
                    dialog.invite_branch = branch;
                    dialog.provisional = false;
                }
            }
            Owner::Cancel(_) | Owner::Orphan => {}
        }
    }

    fn keep_realm(&mut self, at: Option<usize>, realm: Realm) -> usize {
        if let Some(at) = at {
            self.realms.remove(at);
        } else if self.realms.len() >= REALMS_MAX {
            self.realms.remove(0);
        }
        self.realms.push(realm);
        self.realms.len() - 1
    }

    fn add_credentials(&mut self, request: &mut Message, at: usize) {
        let cnonce = self.random.token();
        let Some(realm) = self.realms.get_mut(at) else { return };
        realm.count += 1;
        let secret = Secret { user: &self.config.user, password: &self.config.password };
        let (method, uri) = (request.method().to_owned(), request.uri().to_owned());
        let used = Use { method: &method, uri: &uri, count: realm.count, cnonce: &cnonce };
        let value = realm.challenge.authorization(secret, used);
        let name = if realm.proxy { "Proxy-Authorization" } else { "Authorization" };
        request.set(name, &value);
    }
}

impl ClientTx {
    fn is(&self, branch: &str, method: &str) -> bool {
        self.branch == branch && self.request.method() == method
    }

    /// CANCEL, or the ACK of a refusal: what RFC 3261 9.1 and 17.1.1.3 copy from the INVITE.
    fn follower(&self, method: &str, to: &str) -> Message {
        let mut message = Message::request(method, self.request.uri());
        for name in ["Via", "Route", "Max-Forwards", "From"] {
            for line in self.request.lines(name) {
                message.push(name, line);
            }
        }
        message.push("To", to);
        message.push("Call-ID", self.request.header("Call-ID").unwrap_or_default());
        let number = self.request.cseq().map_or(0, |(number, _)| number);
        message.push("CSeq", &format!("{number} {method}"));
        message
    }
}
