//! Exchanges with servers: sent, sent again, answered or given up.

use crate::packet::{BadPacket, Reply, Request, Secret, id_of};
use std::collections::{BTreeMap, VecDeque};
use std::net::SocketAddr;

/// Most exchanges that wait for answers of one socket: an identifier has eight bits.
pub const OPEN_MAX: usize = 256;
/// Servers that are tried, one after the other.
pub const SERVERS_MAX: usize = 4;

/// A server.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Server {
    /// Where it is.
    pub address: SocketAddr,
    /// What it and we know.
    pub secret: Secret,
    /// How long it may take before it is asked again, milliseconds.
    pub again_ms: u64,
    /// How often it is asked before the next server is.
    pub tries: u8,
    /// How long it is passed by once it was asked so often and said nothing, milliseconds.
    pub dead_ms: u64,
}

/// How an exchange ended.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Ended {
    /// The server at this place answered.
    Answered(usize, Reply),
    /// None did, or its time was over.
    Silent,
}

/// What is to be done.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Output {
    /// Send a packet.
    Send(SocketAddr, Vec<u8>),
    /// The exchange with this number has ended.
    End(u64, Ended),
}

/// Number, place of the server, and what it answered.
type Answer = (u64, usize, Reply);

#[derive(Debug)]
struct Open {
    number: u64,
    // One for each server, in their order: what they are told may differ.
    requests: Vec<Request>,
    authenticator: [u8; 16],
    packet: Vec<u8>,
    server: usize,
    tried: u8,
    next_ms: u64,
    deadline_ms: u64,
}

/// All exchanges of one socket, by identifier. Drain [`Exchanges::poll_output`] after each call.
///
/// An exchange begins at the first server that is not passed by. When all are, it begins at the one
/// whose time is over first: somebody has to find out that it is there again. A server that answers
/// is passed by no more.
#[derive(Debug)]
pub struct Exchanges {
    servers: Vec<Server>,
    // Until when each is passed by.
    dead_until_ms: Vec<u64>,
    open: BTreeMap<u8, Open>,
    next_id: u8,
    out: VecDeque<Output>,
    /// Packets that were not believed.
    pub dropped: u64,
}

impl Exchanges {
    /// With these servers, tried in order; further ones than four are not.
    #[must_use]
    pub fn new(mut servers: Vec<Server>) -> Exchanges {
        servers.truncate(SERVERS_MAX);
        let dead_until_ms = vec![0; servers.len()];
        let (open, out) = (BTreeMap::new(), VecDeque::new());
        Exchanges { servers, dead_until_ms, open, next_id: 0, out, dropped: 0 }
    }

    /// Begins an exchange, which ends at the deadline at the latest; `false` when there is no
    /// server, not a request for each, or no room for another exchange.
    #[must_use]
    pub fn begin(
        &mut self,
        number: u64,
        requests: Vec<Request>,
        deadline_ms: u64,
        now_ms: u64,
    ) -> bool {
        if self.open.len() >= OPEN_MAX || requests.len() != self.servers.len() {
            return false;
        }
        let Some(server) = self.first(now_ms) else { return false };
        // Each is free again long before its turn comes: the one after the last is taken.
        while self.open.contains_key(&self.next_id) {
            self.next_id = self.next_id.wrapping_add(1);
        }
        let id = self.next_id;
        self.next_id = id.wrapping_add(1);
        let open = Open {
            number,
            requests,
            authenticator: [0; 16],
            packet: Vec::new(),
            server,
            tried: 0,
            next_ms: now_ms,
            deadline_ms,
        };
        self.open.insert(id, open);
        self.step(id, now_ms);
        true
    }

    /// A packet came. What is not the right answer to an open exchange from its server is dropped.
    pub fn handle_packet(&mut self, from: SocketAddr, packet: &[u8]) {
        match self.answer(from, packet) {
            Ok((number, server, reply)) => {
                if let Some(until_ms) = self.dead_until_ms.get_mut(server) {
                    *until_ms = 0;
                }
                self.out.push_back(Output::End(number, Ended::Answered(server, reply)));
            }
            Err(_) => self.dropped = self.dropped.saturating_add(1),
        }
    }

    fn answer(&mut self, from: SocketAddr, packet: &[u8]) -> Result<Answer, BadPacket> {
        let id = id_of(packet).ok_or(BadPacket::Length)?;
        let open = self.open.get(&id).ok_or(BadPacket::Code)?;
        let server = self.servers.get(open.server).filter(|server| server.address == from);
        let secret = &server.ok_or(BadPacket::Authenticator)?.secret;
        let reply = Reply::read(packet, &open.authenticator, secret)?;
        let request = open.requests.get(open.server).ok_or(BadPacket::Code)?;
        if !request.code().is_answered_by(reply.code) {
            return Err(BadPacket::Code);
        }
        let (number, server) = (open.number, open.server);
        self.open.remove(&id);
        Ok((number, server, reply))
    }

    /// Whether no exchange waits for an answer.
    #[must_use]
    pub fn is_idle(&self) -> bool {
        self.open.is_empty()
    }

    /// Time has passed.
    pub fn handle_timeout(&mut self, now_ms: u64) {
        let due = |open: &Open| open.next_ms.min(open.deadline_ms) <= now_ms;
        let due: Vec<u8> = self.open.iter().filter(|(_, o)| due(o)).map(|(id, _)| *id).collect();
        for id in due {
            self.step(id, now_ms);
        }
    }

    /// When [`Exchanges::handle_timeout`] is to be called.
    #[must_use]
    pub fn poll_timeout(&self) -> Option<u64> {
        self.open.values().map(|open| open.next_ms.min(open.deadline_ms)).min()
    }

    /// What is to be done next.
    pub fn poll_output(&mut self) -> Option<Output> {
        self.out.pop_front()
    }

    /// Where an exchange begins.
    fn first(&self, now_ms: u64) -> Option<usize> {
        let all = || self.dead_until_ms.iter().enumerate();
        let alive = all().find(|(_, until_ms)| **until_ms <= now_ms);
        alive.or_else(|| all().min_by_key(|(_, until_ms)| **until_ms)).map(|(place, _)| place)
    }

    /// Sends once more, to the next server where one has been asked often enough, or ends it.
    fn step(&mut self, id: u8, now_ms: u64) {
        let Some(open) = self.open.get_mut(&id) else { return };
        if let Some(server) = self.servers.get(open.server)
            && open.tried >= server.tries.max(1)
            && open.next_ms <= now_ms
        {
            let dead = self.dead_until_ms.get_mut(open.server);
            dead.into_iter().for_each(|until| *until = now_ms.saturating_add(server.dead_ms));
            let mut behind = self.dead_until_ms.iter().enumerate().skip(open.server + 1);
            let next = behind.find(|(_, until_ms)| **until_ms <= now_ms);
            open.server = next.map_or(self.servers.len(), |(place, _)| place);
            open.tried = 0;
        }
        let server = self.servers.get(open.server).filter(|_| now_ms < open.deadline_ms);
        let Some(server) = server else {
            let number = open.number;
            self.open.remove(&id);
            self.out.push_back(Output::End(number, Ended::Silent));
            return;
        };
        if open.tried == 0
            && let Some(request) = open.requests.get(open.server)
        {
            // Signed by the secret of its server; sent again it is the same packet (RFC 2865
            // section 2.5).
            (open.packet, open.authenticator) = request.build(id, &server.secret);
        }
        open.tried += 1;
        open.next_ms = now_ms.saturating_add(server.again_ms.max(1));
        self.out.push_back(Output::Send(server.address, open.packet.clone()));
    }
}

#[cfg(test)]
mod tests;
