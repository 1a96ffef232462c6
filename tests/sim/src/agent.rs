//! Simulated phones and carriers: small SIP user agents of the simulator's own (RFC 3261), driven
//! by plans, in virtual time. They share no code with the dataplane; messages, digest and session
//! descriptions are those of the independent test phone.
//!
//! Each speaks UDP or, after [`Agent::speak_tcp`], TCP over connections (`agent/line.rs`).
//!
//! An agent also judges what it sees: two final responses of one INVITE, a BYE that comes twice, a
//! final response that nobody acknowledges, media of another call. See [`Agent::breaches`].

mod call;
mod dialog;
mod fork;
mod isup;
mod line;
mod manner;
mod media;
mod refer;
mod transaction;

pub use call::{After, Call, CallState, Callee, Caller, Reply};
pub use line::Out;
pub use manner::{Manner, Word};
pub use refer::Put;

use crate::dice::Dice;
use crate::net::Datagram;
use crate::plan::switch_for;
use fork::Fork;
use line::Lines;
use manner::Reliable;
use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::net::SocketAddr;
use strowger_link::Tick;
use strowger_phone::message::Message;
use transaction::{Client, Purpose, Server};

/// After this time on a network that loses nothing a call is confirmed on both sides, milliseconds.
const CONFIRMED_MS: u64 = 1_000;
/// Lines of the ladder that are kept.
const LADDER_MAX: usize = 4_000;

/// User name and password of a phone.
#[derive(Clone, Debug)]
pub struct Login {
    /// User name.
    pub user: String,
    /// Password.
    pub password: String,
}

/// A phone or a carrier.
#[derive(Debug)]
pub struct Agent {
    /// For reports.
    pub name: String,
    /// Where it is.
    pub addr: SocketAddr,
    index: u16,
    login: Option<Login>,
    /// Calls by their number here.
    pub calls: BTreeMap<u32, Call>,
    clients: Vec<Client>,
    servers: Vec<Server>,
    answering: VecDeque<Callee>,
    /// Other phones behind the same proxy that answered as well.
    forks: Vec<Fork>,
    /// Provisional responses that wait for their PRACK.
    reliables: Vec<Reliable>,
    /// How it signals.
    pub manner: Manner,
    /// What was said inside dialogs.
    words_said: u32,
    /// INFOs and MESSAGEs that came, by their bodies.
    pub words_heard: Vec<String>,
    /// Answers to what it said, by method and code.
    pub words_answered: BTreeMap<(&'static str, u16), u32>,
    /// PRACKs that it sent.
    pub pracks: u32,
    /// ISUP that came beside descriptions or alone, by what it says.
    pub isup_heard: BTreeMap<String, u32>,
    /// Branches of INVITEs that it does not hear.
    deaf: BTreeSet<String>,
    /// What becomes of a call that no plan waits for.
    pub otherwise: Callee,
    out: Vec<Out>,
    /// Its connections, when it speaks TCP.
    lines: Option<Lines>,
    /// What must not happen and did.
    pub breaches: Vec<String>,
    /// When the switch died: what a dead life may have sent, the next one sends again.
    switch_died: Vec<Tick>,
    /// When the datagram in hand was sent.
    sent_at: Tick,
    /// SIP seen, for reports.
    pub ladder: VecDeque<String>,
    /// Its last REGISTER succeeded.
    pub registered: bool,
    /// Final responses to its INVITEs, by code.
    pub finals: BTreeMap<u16, u32>,
    /// Answers to its REFERs, by code.
    pub refers: BTreeMap<u16, u32>,
    /// Somebody may be put through: who is heard may change with a re-INVITE.
    pub transfers: bool,
    /// Requests of its own that were never answered.
    pub unanswered: u32,
    /// RTP packets that were verified.
    pub media_heard: u64,
    serial: u32,
    cseq: u32,
    dice: Dice,
}

impl Agent {
    /// An agent that knows nobody; a carrier has no login.
    #[must_use]
    pub fn new(
        name: &str,
        index: u16,
        addr: SocketAddr,
        login: Option<Login>,
        dice: Dice,
    ) -> Agent {
        Agent {
            name: name.into(),
            addr,
            index,
            login,
            calls: BTreeMap::new(),
            clients: Vec::new(),
            servers: Vec::new(),
            answering: VecDeque::new(),
            forks: Vec::new(),
            reliables: Vec::new(),
            manner: Manner::default(),
            words_said: 0,
            words_heard: Vec::new(),
            words_answered: BTreeMap::new(),
            pracks: 0,
            isup_heard: BTreeMap::new(),
            deaf: BTreeSet::new(),
            otherwise: Callee::answering(1_000, After::talk(5_000)),
            out: Vec::new(),
            lines: None,
            breaches: Vec::new(),
            switch_died: Vec::new(),
            sent_at: Tick::default(),
            ladder: VecDeque::new(),
            registered: false,
            finals: BTreeMap::new(),
            refers: BTreeMap::new(),
            transfers: false,
            unanswered: 0,
            media_heard: 0,
            serial: 0,
            cseq: 0,
            dice,
        }
    }

    /// The next incoming calls follow these plans, one each.
    pub fn expect(&mut self, callee: Callee) {
        self.answering.push_back(callee);
    }

    /// Changes what it logs in with.
    pub fn set_password(&mut self, password: &str) {
        if let Some(login) = &mut self.login {
            login.password = password.into();
        }
    }

    /// A datagram came.
    pub fn handle(&mut self, datagram: &Datagram, now: Tick) {
        if datagram.to.port() != self.addr.port() {
            return self.handle_media(datagram);
        }
        let message = match Message::parse(&datagram.data) {
            Ok(message) => message,
            Err(e) => return self.breach(now, &format!("cannot be read: {e:?}")),
        };
        self.sent_at = datagram.sent_at;
        if self.is_reliable() {
            return self.breach(now, "a datagram to a party that speaks TCP");
        }
        self.handle_message(&message, now);
    }

    fn handle_message(&mut self, message: &Message, now: Tick) {
        self.note("<", message, now);
        if message.code().is_some() {
            self.handle_response(message, now);
        } else {
            self.handle_request(message, now);
        }
    }

    /// Time has come.
    pub fn handle_timeout(&mut self, now: Tick) {
        self.resend_clients(now);
        self.resend_servers(now);
        self.resend_forks(now);
        self.resend_reliables(now);
        self.lines_timeout(now);
        self.follow_plans(now);
    }

    /// When [`Agent::handle_timeout`] is due.
    #[must_use]
    pub fn poll_timeout(&self) -> Option<Tick> {
        let clients = self.clients.iter().map(Client::next);
        let servers = self.servers.iter().map(Server::next);
        let calls = self.calls.values().filter_map(Call::next);
        let forks = self.forks.iter().filter_map(Fork::next);
        let reliables = self.reliables.iter().map(Reliable::next);
        let own = forks.chain(reliables).chain(self.lines_due());
        clients.chain(servers).chain(calls).chain(own).min()
    }

    /// The next thing to put on the network.
    pub fn poll_output(&mut self) -> Option<Out> {
        if self.out.is_empty() { None } else { Some(self.out.remove(0)) }
    }

    /// The phone lost power: nothing of its calls is left, and nobody blames it.
    pub fn reset(&mut self, now: Tick) {
        self.clients.clear();
        self.servers.clear();
        self.answering.clear();
        self.forks.clear();
        self.reliables.clear();
        if self.is_reliable() {
            self.speak_tcp();
        }
        let keys: Vec<u32> = self.calls.keys().copied().collect();
        for key in keys {
            self.over(key, now);
            if let Some(call) = self.calls.get_mut(&key) {
                // Late datagrams of before are for nobody.
                call.id.push_str("-lost");
            }
        }
    }

    /// Whoever still speaks hangs up.
    pub fn give_up(&mut self, now: Tick) {
        self.forks.clear();
        let keys: Vec<u32> = self.calls.keys().copied().collect();
        keys.into_iter().for_each(|key| self.hang_up(key, now));
    }

    /// The switch died.
    pub fn switch_died(&mut self, now: Tick) {
        self.switch_died.push(now);
    }

    /// Call-IDs of calls that we dialled and that have been up for a while.
    pub fn calls_confirmed(&self, now: Tick) -> impl Iterator<Item = &str> {
        let settled = move |call: &&Call| {
            let since = call.answered_at.map_or(0, |at| now.ms_since(at));
            call.outgoing && call.state == CallState::Up && since > CONFIRMED_MS
        };
        self.calls.values().filter(settled).map(|call| call.id.as_str())
    }

    /// Call-IDs of calls that are up, and the ports of the switch that their audio goes to; without
    /// those that wait to be replaced.
    pub fn sends_to(&self) -> impl Iterator<Item = (&str, u16)> {
        let up = self.calls.values().filter(|call| call.state == CallState::Up && !call.refers);
        up.filter_map(|call| Some((call.id.as_str(), call.rtp_to?.port())))
    }

    /// Forks that have heard their end.
    #[must_use]
    pub fn forks_ended(&self) -> usize {
        self.forks.iter().filter(|fork| fork.is_ended()).count()
    }

    /// Calls that are not over, those of forks included.
    #[must_use]
    pub fn open_calls(&self) -> usize {
        let forks = self.forks.iter().filter(|fork| fork.is_up()).count();
        self.calls.values().filter(|call| !call.is_over()).count() + forks
    }

    /// Sends REGISTER; `expires_s` 0 takes the contact back.
    pub fn register(&mut self, expires_s: u32, now: Tick) {
        let Some(login) = &self.login else { return };
        let user = login.user.clone();
        self.cseq += 1;
        let mut request = Message::request("REGISTER", &format!("sip:{}", switch_for(self.addr)));
        let own = format!("<sip:{user}@{}>", crate::plan::REALM);
        request.push("From", &format!("{own};tag=r{}", self.cseq));
        request.push("To", &own);
        request.push("Call-ID", &format!("reg-{}@{}", self.index, self.addr.ip()));
        request.push("CSeq", &format!("{} REGISTER", self.cseq));
        request.push("Contact", &self.contact());
        request.push("Expires", &expires_s.to_string());
        self.begin(request, Purpose::Register { expires_s, shown: false }, now);
    }

    fn breach(&mut self, now: Tick, what: &str) {
        let line = format!("{:9.3} {}: {what}", now.0 as f64 / 1e9, self.name);
        self.breaches.push(line);
    }

    fn note(&mut self, way: &str, message: &Message, now: Tick) {
        if self.ladder.len() >= LADDER_MAX {
            self.ladder.pop_front();
        }
        let id = message.header("Call-ID").unwrap_or("-");
        let id = id.get(..8).unwrap_or(id);
        let time = now.0 as f64 / 1e9;
        let line = format!("{time:9.3} {} {way} {} [{id}]", self.name, message.summary());
        self.ladder.push_back(line);
    }

    fn send(&mut self, bytes: Vec<u8>, now: Tick) {
        let line = self.lines.as_ref().and_then(|lines| lines.hand);
        self.send_by(line, bytes, now);
    }

    fn new_branch(&mut self) -> String {
        self.serial += 1;
        format!("z9hG4bK{:x}{:x}", self.index, self.serial)
    }

    fn via(&self, branch: &str) -> String {
        let transport = if self.is_reliable() { "TCP" } else { "UDP" };
        format!("SIP/2.0/{transport} {};branch={branch};rport", self.addr)
    }
}
