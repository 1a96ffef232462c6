//! One end of a fleet: its socket, and its transactions of RFC 3261 17.

use std::collections::BTreeMap;
use std::io;
use std::net::{SocketAddr, UdpSocket};
use std::time::{Duration, Instant};

use super::Seat;
use crate::digest::{Challenge, Secret, Use};
use crate::limits::{DATAGRAM_BYTES_MAX, TRANSACTIONS_MAX};
use crate::message::Message;
use crate::random::Random;

/// Receive buffer asked for, bytes: the product answers hundreds of calls at once.
const RECEIVE_BUFFER_BYTES: usize = 4 << 20;
/// Datagrams read in one look.
const BURST_MAX: usize = 256;
/// A ringing INVITE is waited for no longer. RFC 3261 has no such limit; a test has.
const PROCEEDING_MAX: Duration = Duration::from_secs(600);

/// Branch and method (RFC 3261 17.1.3, 17.2.3): the product is the only sender.
pub(super) type Key = (String, String);

/// Who is told of a response.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Owner {
    Register,
    Invite(usize),
    Reinvite(usize),
    Bye(usize),
    Cancel,
}

pub(super) struct ClientTx {
    pub(super) owner: Owner,
    pub(super) request: Message,
    bytes: Vec<u8>,
    resend_at: Option<Instant>,
    interval: Duration,
    dies_at: Instant,
    pub(super) done: Option<Done>,
    /// How often it was challenged.
    pub(super) tries: u8,
}

/// The final response came.
#[derive(Debug, Clone)]
pub(super) struct Done {
    /// The ACK of a refused INVITE.
    pub(super) ack: Option<Vec<u8>>,
}

pub(super) struct ServerTx {
    last: Option<(u16, Vec<u8>)>,
    to: SocketAddr,
    resend_at: Option<Instant>,
    interval: Duration,
    dies_at: Option<Instant>,
    pub(super) request: Message,
    pub(super) leg: Option<usize>,
}

impl ServerTx {
    /// No final response yet.
    pub(super) fn is_pending(&self) -> bool {
        self.last.as_ref().is_none_or(|(code, _)| *code < 200)
    }
}

struct Realm {
    challenge: Challenge,
    proxy: bool,
    count: u32,
}

pub(super) struct Desk {
    pub(super) seat: Seat,
    pub(super) local: SocketAddr,
    /// Final code of the last REGISTER; `None` while it is unanswered.
    pub(super) registered: Option<u16>,
    pub(super) register: (String, u32),
    pub(super) clients: BTreeMap<Key, ClientTx>,
    pub(super) servers: BTreeMap<Key, ServerTx>,
    socket: UdpSocket,
    /// Where all requests go.
    pub(super) server: SocketAddr,
    realm: Option<Realm>,
    t1: Duration,
}

/// What the timers of a desk bring about.
pub(super) enum Late {
    /// A request was never answered.
    Unanswered(Owner),
    /// A 200 to INVITE was never acknowledged.
    Unacknowledged(usize),
}

impl Desk {
    pub(super) fn open(
        seat: Seat,
        server: SocketAddr,
        t1: Duration,
        random: &mut Random,
    ) -> io::Result<Self> {
        if seat.bind.ip().is_unspecified() {
            return Err(io::Error::other("bind a real address: it is told to the other side"));
        }
        let socket = UdpSocket::bind(seat.bind)?;
        socket.set_nonblocking(true)?;
        socket2::SockRef::from(&socket).set_recv_buffer_size(RECEIVE_BUFFER_BYTES)?;
        Ok(Self {
            seat,
            local: socket.local_addr()?,
            registered: None,
            register: (random.token(), 0),
            clients: BTreeMap::new(),
            servers: BTreeMap::new(),
            socket,
            server,
            realm: None,
            t1,
        })
    }

    pub(super) fn contact(&self) -> String {
        format!("<sip:{}@{}>", self.seat.user, self.local)
    }

    /// Datagrams that wait, oldest first.
    pub(super) fn read(&self) -> Vec<(Message, SocketAddr)> {
        let (mut buffer, mut all) = (vec![0; DATAGRAM_BYTES_MAX], Vec::new());
        for _ in 0..BURST_MAX {
            let Ok((length, source)) = self.socket.recv_from(&mut buffer) else { break };
            if let Ok(message) = Message::parse(buffer.get(..length).unwrap_or_default()) {
                all.push((message, source));
            }
        }
        all
    }

    pub(super) fn transmit(&self, bytes: &[u8], to: SocketAddr) {
        // UDP tells nothing of what becomes of it; the timers do.
        let _ = self.socket.send_to(bytes, to);
    }

    /// Sends a request in a new transaction, with `branch` when it must have that one.
    pub(super) fn send(&mut self, owner: Owner, mut request: Message, branch: String, tries: u8) {
        if request.header("Via").is_none() {
            let via = format!("SIP/2.0/UDP {};rport;branch={branch}", self.local);
            request.headers.insert(0, ("Via".to_owned(), via));
        }
        let (bytes, now) = (request.to_bytes(), Instant::now());
        self.transmit(&bytes, self.server);
        if self.clients.len() >= TRANSACTIONS_MAX {
            return;
        }
        let key = (branch, request.method().to_owned());
        let tx = ClientTx {
            owner,
            request,
            bytes,
            resend_at: Some(now + self.t1),
            interval: self.t1,
            dies_at: now + self.t1 * 64,
            done: None,
            tries,
        };
        self.clients.insert(key, tx);
    }

    /// A provisional response: an INVITE is sent no more (RFC 3261 17.1.1.2).
    pub(super) fn proceed(&mut self, key: &Key) -> Option<Owner> {
        let (t2, now) = (self.t1 * 8, Instant::now());
        let tx = self.clients.get_mut(key).filter(|tx| tx.done.is_none())?;
        if key.1 == "INVITE" {
            tx.resend_at = None;
            tx.dies_at = now + PROCEEDING_MAX;
        } else {
            tx.interval = t2;
        }
        Some(tx.owner)
    }

    /// A final response; the ACK of a refused INVITE goes out.
    pub(super) fn conclude(&mut self, key: &Key, response: &Message) {
        let refused = key.1 == "INVITE" && response.code().is_some_and(|code| code >= 300);
        let linger = Instant::now() + self.t1 * 64;
        let server = self.server;
        let Some(tx) = self.clients.get_mut(key) else { return };
        tx.resend_at = None;
        tx.dies_at = linger;
        let to = response.header("To").unwrap_or_default();
        let ack = refused.then(|| follower(&tx.request, "ACK", to).to_bytes());
        tx.done = Some(Done { ack: ack.clone() });
        if let Some(ack) = ack {
            self.transmit(&ack, server);
        }
    }

    /// After CANCEL the INVITE is over within 64*T1 (RFC 3261 9.1).
    pub(super) fn hasten(&mut self, branch: &str) {
        let until = Instant::now() + self.t1 * 64;
        if let Some(tx) = self.clients.get_mut(&(branch.to_owned(), "INVITE".to_owned())) {
            tx.dies_at = tx.dies_at.min(until);
        }
    }

    /// Keeps a request to be answered; false when it came before, and its answer went again.
    pub(super) fn admit(&mut self, key: &Key, request: &Message, source: SocketAddr) -> bool {
        if let Some(tx) = self.servers.get(key) {
            if let Some((_, bytes)) = &tx.last {
                self.transmit(bytes, tx.to);
            }
            return false;
        }
        if self.servers.len() >= TRANSACTIONS_MAX {
            return false;
        }
        let tx = ServerTx {
            last: None,
            to: source,
            resend_at: None,
            interval: self.t1,
            dies_at: None,
            request: request.clone(),
            leg: None,
        };
        self.servers.insert(key.clone(), tx);
        true
    }

    /// Answers a request. Final answers to INVITE go again until they are acknowledged.
    pub(super) fn respond(&mut self, key: &Key, mut response: Message) {
        let (t1, now) = (self.t1, Instant::now());
        response.set("User-Agent", "strowger-phone");
        let Some(tx) = self.servers.get_mut(key) else { return };
        let (code, bytes, to) = (response.code().unwrap_or(0), response.to_bytes(), tx.to);
        if code >= 200 {
            tx.dies_at = Some(now + t1 * 64);
            tx.resend_at = (key.1 == "INVITE").then(|| now + t1);
        }
        tx.last = Some((code, bytes.clone()));
        self.transmit(&bytes, to);
    }

    /// An ACK came for it; false when there is no such INVITE.
    pub(super) fn acknowledge(&mut self, key: &Key) -> bool {
        let Some(tx) = self.servers.get_mut(key) else { return false };
        tx.resend_at = None;
        true
    }

    /// Sends again what is due, and tells what has waited too long.
    pub(super) fn look(&mut self, now: Instant) -> Vec<Late> {
        let t2 = self.t1 * 8;
        let (mut again, mut late) = (Vec::new(), Vec::new());
        let server = self.server;
        self.clients.retain(|key, tx| {
            if tx.dies_at <= now {
                late.extend(tx.done.is_none().then_some(Late::Unanswered(tx.owner)));
                return false;
            }
            if let Some(at) = tx.resend_at.filter(|at| *at <= now) {
                tx.interval *= 2;
                if key.1 != "INVITE" {
                    tx.interval = tx.interval.min(t2);
                }
                tx.resend_at = Some(at + tx.interval);
                again.push((tx.bytes.clone(), server));
            }
            true
        });
        self.servers.retain(|key, tx| {
            if tx.dies_at.is_some_and(|at| at <= now) {
                let answered = tx.last.as_ref().is_some_and(|(code, _)| *code < 300);
                let waits = key.1 == "INVITE" && answered && tx.resend_at.is_some();
                late.extend(tx.leg.filter(|_| waits).map(Late::Unacknowledged));
                return false;
            }
            if let Some(at) = tx.resend_at.filter(|at| *at <= now)
                && let Some((_, bytes)) = &tx.last
            {
                tx.interval = (tx.interval * 2).min(t2);
                tx.resend_at = Some(at + tx.interval);
                again.push((bytes.clone(), tx.to));
            }
            true
        });
        for (bytes, to) in again {
            self.transmit(&bytes, to);
        }
        late
    }

    /// Remembers a challenge for this and later requests; false when there is none to be met.
    pub(super) fn challenge(&mut self, response: &Message) -> bool {
        let proxy = response.code() == Some(407);
        let name = if proxy { "Proxy-Authenticate" } else { "WWW-Authenticate" };
        let Some(challenge) = response.lines(name).into_iter().find_map(Challenge::parse) else {
            return false;
        };
        // A nonce that is known goes on to be counted: two requests must not use one count.
        let same = |realm: &&Realm| realm.challenge.nonce == challenge.nonce;
        let count = self.realm.as_ref().filter(same).map_or(0, |realm| realm.count);
        self.realm = Some(Realm { challenge, proxy, count });
        true
    }

    /// Adds credentials for the known realm, with the next nonce count.
    pub(super) fn authorize(&mut self, request: &mut Message, random: &mut Random) {
        let Some(realm) = &mut self.realm else { return };
        realm.count += 1;
        let secret = Secret { user: &self.seat.user, password: &self.seat.password };
        let cnonce = random.token();
        let (method, uri) = (request.method().to_owned(), request.uri().to_owned());
        let used = Use { method: &method, uri: &uri, count: realm.count, cnonce: &cnonce };
        let value = realm.challenge.authorization(secret, used);
        let name = if realm.proxy { "Proxy-Authorization" } else { "Authorization" };
        request.set(name, &value);
    }
}

/// CANCEL, or the ACK of a refusal: what RFC 3261 9.1 and 17.1.1.3 copy from the INVITE.
pub(super) fn follower(invite: &Message, method: &str, to: &str) -> Message {
    let mut message = Message::request(method, invite.uri());
    for name in ["Via", "Max-Forwards", "From"] {
        message.push(name, invite.header(name).unwrap_or_default());
    }
    message.push("To", to);
    message.push("Call-ID", invite.header("Call-ID").unwrap_or_default());
    let number = invite.cseq().map_or(0, |(number, _)| number);
    message.push("CSeq", &format!("{number} {method}"));
    message
}
